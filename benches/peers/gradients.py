"""Microseconds per gradient of ours and its peers, in turn, as a Markdown table: PYTHON benches/peers/gradients.py [NAME…].

Peers are taken from the Python that runs this: `pip install httpstan 'setuptools<81' stanli 'jax[cpu]'` in a virtual environment gives
all. What is not installed has cells that say so. Stan's models are built once, into target/peers, in half a minute of CPU each.
"""
import argparse
import hashlib
import importlib.util
import json
import math
import os
import pathlib
import re
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
BENCHES = HERE.parent
ROOT = BENCHES.parent

# Workload: data, Stan's model, the density for JAX.
WORKLOADS = {
    "eight_schools": ("eight_schools", "eight_schools", "eight_schools"),
    "logreg_1k_25": ("logreg_1k_25", "logreg", "logreg"),
    "logreg_loop": ("logreg_1k_25", "logreg_loop", None),
    "gmm_k3": ("gmm_k3", "gmm", "gmm"),
    "radon_syn": ("radon_syn", "radon_syn", "radon_syn"),
    "hpois": ("hpois", "hpois", "hpois"),
    "gp_100": ("gp_100", "gp", "gp"),
    "gp_200": ("gp_200", "gp", "gp"),
    "hmm_100": ("hmm_100", "hmm", "hmm"),
    "hmm_1000": ("hmm_1000", "hmm", "hmm"),
    "garch_1000": ("garch_1000", "garch", "garch"),
}
PEERS = ["ours", "Stan", "Stan, tuned", "stanli", "JAX"]
TUNED = ["-march=native", "-DSTAN_NO_RANGE_CHECKS"]
MISSING = "not installed"


def data_of(name):
    return BENCHES / "gradients" / f"{name}.json"


def command(words, **more):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise RuntimeError((done.stderr or done.stdout).strip()[-2000:])
    return done.stdout


def our_program():
    """The program of `cargo bench --bench gradients`, built."""
    out = command(["cargo", "bench", "--bench", "gradients", "--no-run", "--message-format", "json"], cwd=ROOT)
    for line in out.splitlines():
        message = json.loads(line)
        if message.get("executable") and message.get("target", {}).get("name") == "gradients":
            return pathlib.Path(message["executable"])
    raise RuntimeError("cargo has built no program")


def ours(program, name):
    head, *lines = command([program, name]).splitlines()
    column = re.split(r"\s{2,}", head.strip()).index("gradient us")
    for line in lines:
        words = line.split()
        if words[:1] == [name] and len(words) > column:
            return float(words[column])
    raise RuntimeError(f"no figure for {name}")


def built(path, sources, make):
    """Makes a file by `make` unless it stands there, made of the same sources."""
    stamp = path.with_suffix(path.suffix + ".made")
    key = hashlib.sha256("\0".join(sources).encode()).hexdigest()
    if not (path.exists() and stamp.exists() and stamp.read_text() == key):
        path.parent.mkdir(parents=True, exist_ok=True)
        make()
        stamp.write_text(key)
    return path


def stan_program(model, tuned, cache):
    """Builds a model of `stan/` with the compiler, headers and libraries that httpstan ships."""
    package = pathlib.Path(importlib.util.find_spec("httpstan").origin).parent
    folder = cache / ("tuned" if tuned else "plain")
    include = package / "include"
    flags = ["-std=c++17", "-O3", "-w", "-D_REENTRANT", "-DBOOST_DISABLE_ASSERTS", "-D_GLIBCXX_USE_CXX11_ABI=0"]
    flags += ["-I", include, "-I", include / "sundials", *(TUNED if tuned else [])]
    key = [str(package), str(flags)]
    header = folder / "include" / "stan" / "model" / "model_header.hpp"
    whole = include / "stan" / "model" / "model_header.hpp"
    compiled = built(header.with_suffix(".hpp.gch"), key, lambda: compile_cpp(flags, ["-x", "c++-header", whole], header))
    driver_text = HERE / "stan" / "gradient.cpp"
    driver = folder / "gradient.o"
    built(driver, [*key, driver_text.read_text()], lambda: compile_cpp(flags, ["-c", driver_text, "-o", driver]))
    source = HERE / "stan" / f"{model}.stan"
    program = folder / model

    def make():
        translated = folder / f"{model}.hpp"
        command([package / "stanc", *(["--O1"] if tuned else []), f"--name={model}_model", f"--o={translated}", source])
        text = folder / f"{model}.cpp"
        text.write_text(translated.read_text())
        libraries = ["-lsundials_cvodes", "-lsundials_idas", "-lsundials_kinsol", "-lsundials_nvecserial", "-ltbb"]
        object_file = folder / f"{model}.o"
        command(["g++", "-I", compiled.parents[2], *flags, "-c", text, "-o", object_file])
        command(["g++", driver, object_file, "-o", program, f"-L{package / 'lib'}", *libraries, f"-Wl,-rpath,{package / 'lib'}"])

    return built(program, [*key, source.read_text(), driver_text.read_text()], make)


def compile_cpp(flags, words, output=None):
    if output is not None:
        # A header of one line stands where the compiled one is looked for.
        output.write_text("#error the compiled header is meant\n")
        words = [*words, "-o", output.with_suffix(".hpp.gch")]
    command(["g++", *flags, *words])


def least(step, seconds):
    """Microseconds of CPU time, the least mean of batches of at least two milliseconds."""
    step(1)
    started, best, batch = time.process_time(), math.inf, 1
    while time.process_time() - started < seconds:
        before = time.process_time()
        step(batch)
        each = (time.process_time() - before) / batch
        if each * batch < 2e-3:
            batch *= 2
        else:
            best = min(best, each)
    return 1e6 * best


def stanli_us(model, data, seconds):
    import numpy
    import stanli

    m = stanli.Model(stan_file=str(HERE / "stan" / f"{model}.stan"), data=json.loads(data.read_text()))
    x = numpy.random.default_rng(1).uniform(-0.5, 0.5, m.n_unconstrained)

    def step(count):
        for _ in range(count):
            m.log_prob_grad(x)

    return least(step, seconds)


def jax_us(name, data, seconds):
    """A loop of gradients within compiled code, each at a place that depends on the one before."""
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import densities
    import numpy

    dim, density = getattr(densities, name)(json.loads(data.read_text()))
    gradient = jax.value_and_grad(density)

    @jax.jit
    def loop(x, count):
        def body(_, state):
            x, total = state
            value, slope = gradient(x)
            return x + 1e-12 * slope, total + value

        return jax.lax.fori_loop(0, count, body, (x, 0.0))

    x = jnp.asarray(numpy.random.default_rng(1).uniform(-0.5, 0.5, dim))
    return least(lambda count: jax.block_until_ready(loop(x, count)), seconds)


def in_child(peer, name, data, seconds):
    """A measurement by a process of its own, on one processor."""
    environment = dict(os.environ, XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1", OMP_NUM_THREADS="1")
    words = [sys.executable, __file__, "--child", peer, name, str(data), str(seconds)]
    pin = (lambda: os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})) if hasattr(os, "sched_setaffinity") else None
    return float(command(words, env=environment, preexec_fn=pin))


def installed(package):
    return importlib.util.find_spec(package) is not None


def tasks(name, arguments, program):
    """For each peer a function that measures once, or the word for its cell."""
    data, stan, density = WORKLOADS[name]
    data, seconds = data_of(data), arguments.seconds
    out = {"ours": lambda: ours(program, name)}
    for peer, tuned in (("Stan", False), ("Stan, tuned", True)):
        if not installed("httpstan"):
            out[peer] = MISSING
            continue
        try:
            built_program = stan_program(stan, tuned, arguments.cache)
            out[peer] = lambda p=built_program: float(command([p, data, seconds]).split()[0])
        except (RuntimeError, OSError) as error:
            print(f"{name}, {peer}: {error}", file=sys.stderr)
            out[peer] = "failed"
    out["stanli"] = (lambda: in_child("stanli", stan, data, seconds)) if installed("stanli") else MISSING
    out["JAX"] = MISSING if not installed("jax") else "—" if density is None else lambda: in_child("jax", density, data, seconds)
    return out


def measure(name, arguments, program):
    figures = tasks(name, arguments, program)
    best = {}
    for _ in range(arguments.rounds):
        for peer, task in figures.items():
            if callable(task) and best.get(peer) != "failed":
                try:
                    best[peer] = min(best.get(peer, math.inf), task())
                except (RuntimeError, ValueError, IndexError) as error:
                    print(f"{name}, {peer}: {error}", file=sys.stderr)
                    best[peer] = "failed"
    return {peer: best.get(peer, task) for peer, task in figures.items()}


def row(cells):
    print("| " + " | ".join(cells) + " |", flush=True)


def cell(figure, own):
    if isinstance(figure, str):
        return figure
    ratio = f" ({figure / own:.2g} ×)" if isinstance(own, float) and figure is not own else ""
    return f"{figure:.3g}{ratio}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="workloads; all, if none is named")
    parser.add_argument("--program", type=pathlib.Path, help="our bench program, instead of building it")
    parser.add_argument("--cache", type=pathlib.Path, default=ROOT / "target" / "peers", help="where Stan's models are built")
    parser.add_argument("--rounds", type=int, default=3, help="turns of all programs, of which the least counts")
    parser.add_argument("--seconds", type=float, default=1.0, help="CPU time of one measurement of a peer")
    parser.add_argument("--build", action="store_true", help="only build Stan's models")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        peer, name, data, seconds = arguments.child
        run = stanli_us if peer == "stanli" else jax_us
        print(run(name, pathlib.Path(data), float(seconds)))
        return
    arguments.cache = arguments.cache.resolve()
    names = arguments.names or list(WORKLOADS)
    if arguments.build:
        for name in names:
            for tuned in (False, True):
                print(stan_program(WORKLOADS[name][1], tuned, arguments.cache), flush=True)
        return
    program = arguments.program or our_program()
    row(["workload", *PEERS])
    row(["---"] * (1 + len(PEERS)))
    ratios = {peer: [] for peer in PEERS[1:]}
    for name in names:
        figures = measure(name, arguments, program)
        own = figures["ours"]
        row([name, *(cell(figures[peer], own) for peer in PEERS)])
        for peer in PEERS[1:]:
            if isinstance(figures[peer], float) and isinstance(own, float):
                ratios[peer].append(figures[peer] / own)
    means = [f"{math.exp(sum(map(math.log, r)) / len(r)):.2f} ×" if r else "—" for r in ratios.values()]
    row(["geometric mean", "1", *means])
    if hasattr(os, "getloadavg"):
        print(f"\nLoad average {os.getloadavg()[0]:.1f}; µs of CPU time a gradient, the least of batches in {arguments.rounds} turns.")


if __name__ == "__main__":
    main()
