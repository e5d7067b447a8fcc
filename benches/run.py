"""Measures borel and its peers on the same workloads, in turn, and prints a Markdown table.

    python3 benches/run.py [--repeats 5] [--webppl PATH] [--only PREFIX] [--no-peers]

CPU time is that of the whole child process (user and system) unless a row says "per step" or "per filter": a step is the difference of
a long and a short run divided by the difference of their steps, which both programs' start-up drops out of; WebPPL reports the CPU time
of its inference alone. Nothing else is subtracted. Figures are medians over the repeats, with the least and the greatest in brackets.
"""

import argparse
import json
import math
import os
import pathlib
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
BOREL = ROOT / "target" / "release" / "borel"
MODELS = HERE / "models"
DATA = HERE / "data"
PEERS = HERE / "peers"
MISSING = "not installed"
# The filters that peers run draw every state; ours would integrate them out.
BOOTSTRAP = ["--opt", "delay=false"]


class Failed(Exception):
    """A workload that did not run, or answered wrongly."""


class Ran:
    """One finished child: its standard output, CPU and wall seconds."""

    def __init__(self, text, cpu, wall):
        self.text, self.cpu, self.wall = text, cpu, wall

    def json(self):
        """The JSON object on the last line that is one."""
        try:
            return json.loads(self.text)
        except ValueError:
            lines = [line for line in self.text.splitlines() if line.startswith("{")]
            return json.loads(lines[-1])


def child(command, environment=None):
    """Runs a command to its end and measures it alone."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as complaints:
        began = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in command], stdout=output, stderr=complaints, env={**os.environ, **(environment or {})}
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        complaints.seek(0)
        if process.returncode != 0:
            told = complaints.read().decode(errors="replace").strip().splitlines()
            raise Failed(f"exit {process.returncode}: {(told or ['no message'])[0][:160]}")
        return Ran(output.read().decode(), usage.ru_utime + usage.ru_stime, wall)


def peak_memory(command):
    """Peak resident bytes of a child, read from the kernel while it runs.

    The figure that `wait` gives starts from this script's own peak, which is larger than a small run of ours.
    """
    process = subprocess.Popen([str(word) for word in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        try:
            for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    peak = int(line.split()[1]) * 1024
        except OSError:
            pass
        time.sleep(0.0005)
    if process.returncode != 0:
        raise Failed(f"exit {process.returncode}")
    return peak


def borel(model, *arguments):
    """The command that runs one of our models."""
    return [BOREL, "run", MODELS / f"{model}.borel", "--format", "json", "--lenient", *arguments]


def spread(values, scale=1.0, digits=3):
    """The median, with the least and the greatest."""
    shown = [f"{value * scale:.{digits}g}" for value in (statistics.median(values), min(values), max(values))]
    return f"{shown[0]} [{shown[1]}–{shown[2]}]" if len(values) > 1 else f"{shown[0]} (one run)"


class Bench:
    """The rows so far, and how to get more."""

    def __init__(self, arguments, webppl, scratch):
        self.repeats, self.only, self.webppl, self.scratch = arguments.repeats, arguments.only, webppl, scratch
        self.notes = []

    def row(self, name, ours, peer, unit, scale, target, quoted="", peer_runs=None):
        """Runs ours and the peer in turn; each function gives seconds, or the peer's None where it is missing."""
        if self.only and not name.startswith(self.only):
            return
        mine, theirs, trouble = [], [], None
        for k in range(self.repeats):
            try:
                mine.append(ours())
                if peer and (peer_runs is None or k < peer_runs):
                    theirs.append(peer())
            except Failed as failed:
                trouble = str(failed)
                break
        if not mine:
            print(f"| {name} | failed: {trouble} | | | | |", flush=True)
            return
        have_peer = bool(theirs) and None not in theirs
        cell = spread(theirs, scale) if have_peer else (MISSING if peer else "—")
        ratio = f"{statistics.median(theirs) / statistics.median(mine):.3g} ×" if have_peer else "—"
        median = statistics.median(mine) * scale
        verdict = ""
        if isinstance(target, (int, float)):
            verdict = "met" if median <= target else f"missed, {median / target:.2g} ×"
            target = f"≤ {target:g}"
        elif callable(target):
            target, verdict = target(statistics.median(theirs) / statistics.median(mine) if have_peer else None)
        cell += f"; {quoted}" if quoted else ""
        print(f"| {name}, {unit} | {spread(mine, scale)} | {cell} | {ratio} | {target} | {verdict} |", flush=True)
        if trouble:
            self.notes.append(f"{name}: a repeat failed: {trouble}")

    def peer_program(self, name, value, environment=None):
        """A function that runs a WebPPL program and takes `value` of its answer."""

        def run():
            if not self.webppl:
                return None
            ran = child([self.webppl, PEERS / f"{name}.wppl", "--require", PEERS / "ppldata"], environment)
            return value(ran)

        return run

    def note(self, text):
        """Says something below the table, once."""
        if text not in self.notes:
            self.notes.append(text)


def chain_step(bench, name, model, draws, check, *arguments):
    """A function that gives CPU seconds per step of single-site Metropolis-Hastings."""

    def run():
        def one(count):
            ran = child(
                borel(model, "--method", "mh", "--chains", 1, "--warmup", 100, "--threads", 1, "--draws", count, *arguments)
            )
            return ran, ran.json()

        short, first = one(draws // 10)
        long, second = one(draws)
        variable, expected, tolerance = check
        mean = second["variables"][variable]["mean"]
        if abs(mean - expected) > tolerance:
            raise Failed(f"{name}: mean of {variable} is {mean}, not {expected} ± {tolerance}")
        steps = second["diagnostics"]["steps"] - first["diagnostics"]["steps"]
        bench.note(f"{name}: {second['diagnostics']['steps']} steps, mean of {variable} {mean:.3f} (reference {expected}).")
        return (long.cpu - short.cpu) / steps

    return run


def single_site(bench):
    """Rows of single-site Metropolis-Hastings."""
    per_step = lambda ran: ran.json()["seconds"] / ran.json()["steps"]
    schools, logistic = bench.peer_program("eight_schools_mh", per_step), bench.peer_program("logistic_regression_mh", per_step)
    name, check = "1 MH, eight schools", ("mu", 4.397, 0.6)
    bench.row(name, chain_step(bench, name, "eight_schools", 20_000, check), schools, "µs CPU a step", 1e6, 3)
    name = "1a MH, eight schools, draw kept every step"
    bench.row(name, chain_step(bench, name, "eight_schools", 200_000, check, "--opt", "steps=1"), schools, "µs CPU a step", 1e6, 3)
    name = "1b MH, eight schools as arrays"
    bench.row(name, chain_step(bench, name, "eight_schools_arrays", 40_000, ("mu", 4.397, 1.0)), None, "µs CPU a step", 1e6, 3)
    name, check = "2 MH, logistic regression 100 × 5", ("alpha", 0.463, 0.1)
    run = chain_step(bench, name, "logistic_regression", 10_000, check, "--data", DATA / "logreg_100_5.json")
    bench.row(name, run, logistic, "µs CPU a step", 1e6, 15)


def chain_growth(bench):
    """Cost of a step as a chain of sites grows: it must not follow the length."""

    def per_step(model, sites):
        def run():
            def one(draws):
                options = ("--method", "mh", "--chains", 1, "--warmup", 10, "--threads", 1, "--opt", "steps=1000")
                return child(borel(model, *options, "--draws", draws, "--set", f"T={sites}")).cpu

            # A draw is kept for every 1,000 steps, and the run that is taken away holds the recording of the graph. That takes about
            # half a second of a hundred thousand sites, a part of it in the kernel, which varies: so many steps make little of it.
            return (one(1520) - one(20)) / 1_500_000

        return run

    for model, words in ("chain", "random walk"), ("finite_chain", "finite chain, rows of a matrix"):
        name = f"2a MH, {words}: 100,000 sites, against 1,000 in the place of the peer"
        verdict = lambda ratio: ("≤ 3 × the peer", "met" if 1 / ratio <= 3 else f"missed, {1 / ratio:.2g} ×")
        bench.row(name, per_step(model, 100_000), per_step(model, 1_000), "µs CPU a step", 1e6, verdict)


def particle_filter(bench):
    """Rows of the bootstrap filter, with the log evidence checked."""
    exact = json.loads((DATA / "lgssm_100.json").read_text())["exact_log_evidence"]
    quoted = {1000: (25, "monad-bayes 310 (quoted)"), 10_000: (100, "monad-bayes 5300 (quoted)")}
    for particles, (target, words) in quoted.items():
        name = f"3 SMC, {particles:,} particles, T = 100"

        def filter_once(particles=particles, name=name):
            arguments = ["--data", DATA / "lgssm_100.json", "--method", "smc", *BOOTSTRAP, "--particles", particles, "--threads", 1]
            ran = child(borel("state_space", *arguments))
            answer = ran.json()
            off = answer["log_evidence"] - exact
            # Systematic resampling below half of the particles leaves a standard deviation of about 8 / sqrt(N); 5 are allowed.
            if not abs(off) <= 40 / math.sqrt(particles):
                raise Failed(f"log evidence {answer['log_evidence']}, exact {exact}")
            bench.note(f"{name}: log evidence {answer['log_evidence']:.3f}, exact {exact:.3f}. CPU is of the whole process.")
            return ran.cpu

        peer = bench.peer_program("state_space_smc", lambda ran: ran.json()["seconds"], {"PARTICLES": str(particles)})
        bench.row(name, filter_once, peer, "ms CPU a filter", 1e3, target, words, 1 if particles > 1000 else None)


def hidden_markov(bench):
    """A particle filter of a chain of five states, with the log evidence of the forward recursion."""
    stay = [0.70, 0.60, 0.70, 0.60, 0.70]
    rows = [[0.10] * 5 for _ in range(5)]
    for row, k in [(0, 3), (0, 4), (2, 0), (2, 4), (4, 0), (4, 1)]:
        rows[row][k] = 0.05
    for k in range(5):
        rows[k][k] = stay[k]
    generator, state, values = random.Random(5), 0, []
    for _ in range(100):
        state = generator.choices(range(5), rows[state])[0]
        values.append(round(generator.gauss(state, 1.0), 6))
    path = bench.scratch / "hmm_100.json"
    path.write_text(json.dumps({"y": values}))
    density = lambda y, k: math.exp(-0.5 * (y - k) ** 2) / math.sqrt(2 * math.pi)
    filtered, exact = [1.0, 0.0, 0.0, 0.0, 0.0], 0.0
    for y in values:
        moved = [sum(filtered[j] * rows[j][k] for j in range(5)) * density(y, k) for k in range(5)]
        exact += math.log(sum(moved))
        filtered = [weight / sum(moved) for weight in moved]
    name = "3a SMC, hidden Markov model, 10,000 particles, T = 100"

    def filter_once():
        ran = child(borel("hmm_100", "--data", path, "--method", "smc", *BOOTSTRAP, "--particles", 10_000, "--threads", 1))
        found = ran.json()["log_evidence"]
        if not abs(found - exact) <= 0.4:
            raise Failed(f"log evidence {found}, exact {exact}")
        bench.note(f"{name}: log evidence {found:.3f}, exact {exact:.3f}. CPU is of the whole process.")
        return ran.cpu

    bench.row(name, filter_once, None, "ms CPU a filter", 1e3, 100)


def own_filter(bench):
    """A filter that a program writes in the words of the library's must cost what that one does."""

    def run(own):
        def once():
            options = ("--data", DATA / "lgssm_100.json", "--set", f"own={own}", "--lenient", "--threads", 1)
            ran = child([BOREL, "run", MODELS / "own_smc.borel", *options])
            found.add(float(ran.text))
            if len(found) > 1:
                raise Failed(f"log evidences differ: {sorted(found)}")
            return ran.cpu

        return once

    found = set()
    verdict = lambda ratio: ("≤ 1.1 × the peer", "met" if 1 / ratio <= 1.1 else f"missed, {1 / ratio:.2g} ×")
    name = "3c SMC written by the user, 10,000 particles, T = 100, against the library's in the place of the peer"
    bench.row(name, run(1), run(0), "ms CPU", 1e3, verdict)


def series(bench, length):
    """A file with a series of this length drawn from the state-space model."""
    path = bench.scratch / f"series_{length}.json"
    if not path.exists():
        generator, state, values = random.Random(length), 0.0, []
        for t in range(length):
            state = generator.gauss(0.9 * state, 0.5 if t else 1.0)
            values.append(round(generator.gauss(state, 0.7), 6))
        path.write_text(json.dumps({"y": values}))
    return path


def particle_gibbs(bench):
    """Rows of particle Gibbs: sweeps of 16 particles through 200 observations."""
    for method, words in ("pgibbs", "particle Gibbs"), ("pgas", "with ancestor sampling"):

        def sweeps(method=method):
            options = ("--particles", 16, "--draws", 101, "--warmup", 0, "--chains", 1, "--threads", 1)
            ran = child(borel("state_space", "--data", series(bench, 200), "--method", method, *options))
            answer = ran.json()["variables"]["last"]
            # The last state given the series is near its last observation; the first sweeps are not of the posterior yet.
            if not abs(answer["mean"] - json.loads(series(bench, 200).read_text())["y"][-1]) < 1.5:
                raise Failed(f"the mean of the last state is {answer['mean']}")
            return ran.cpu

        name = f"3b {words}, 16 particles, T = 200, 100 sweeps"
        bench.row(name, sweeps, None, "ms CPU", 1e3, 200 if method == "pgibbs" else "—")


def memory(bench):
    """Peak memory of the filter as particles and steps grow."""
    if bench.only and not "4 SMC memory".startswith(bench.only):
        return
    peaks = {}
    for particles, length in [(1000, 100), (10_000, 100), (100_000, 100), (1000, 1000), (1000, 10_000)]:
        arguments = ["--data", series(bench, length), "--method", "smc", *BOOTSTRAP, "--particles", particles, "--threads", 1]
        name = f"4 SMC memory, {particles:,} particles, T = {length:,}"
        try:
            repeats = 3 if particles * length <= 1_000_000 else 1
            found = [peak_memory(borel("state_space", *arguments)) for _ in range(repeats)]
        except Failed as failed:
            print(f"| {name} | failed: {failed} | | | | |", flush=True)
            continue
        peaks[particles, length] = statistics.median(found)
        print(f"| {name}, MB peak | {spread(found, 1e-6)} | — | — | grows as N + T | |", flush=True)
    for unit, low, high, axis in [
        ("particle", (10_000, 100), (100_000, 100), 0),
        ("step", (1000, 1000), (1000, 10_000), 1),
    ]:
        if low in peaks and high in peaks:
            slope = (peaks[high] - peaks[low]) / (high[axis] - low[axis])
            print(f"| 4 SMC memory, bytes a {unit} (slope between the last two) | {slope:.0f} | — | — | — | |", flush=True)


def calls(bench):
    """Naive Fibonacci against CPython."""

    def answer_of(command):
        def run():
            ran = child(command)
            if ran.text.strip() != "832040":
                raise Failed(f"fibonacci(30) gave {ran.text.strip()[:80]}")
            return ran.cpu

        return run

    def verdict(ratio):
        if ratio is None:
            return "5 × faster", ""
        return "5 × faster", "met" if ratio >= 5 else f"missed, {5 / ratio:.2g} ×"

    ours = answer_of([BOREL, "run", MODELS / "fibonacci.borel"])
    peer = answer_of([sys.executable, PEERS / "fibonacci.py"])
    bench.row("5 Fibonacci of 30, CPython", ours, peer, "ms CPU", 1e3, verdict)


TEMPLATES = [
    """/// Group {k}: partially pooled means.
model pooled_{k}(y: [Real], group: [Int], groups: Int) {{
  mu    ~ Normal(0, {a})
  tau   ~ HalfCauchy({b})
  means ~ iid(Normal(mu, tau), groups)
  noise ~ HalfNormal(1)
  for i in 0..len(y) {{
    observe y[i] ~ Normal(means[group[i]], noise)
  }}
  return {{mu, tau, largest: max(means)}}
}}
""",
    """/// A hidden chain with {b} states and normal readings.
model chain_{k}(readings: [Real]) {{
  let levels = [real(state) * {a}.0 for state in 0..{b}]
  var state = 0
  var path: [Int] = []
  for t in 0..len(readings) {{
    let stay = [if next == state {{ 0.8 }} else {{ 0.2 / ({b} - 1) }} for next in 0..{b}]
    s ~ Categorical(stay)
    observe readings[t] ~ Normal(levels[s], 0.5)
    state = s
    path = push(path, s)
  }}
  return {{path}}
}}
""",
    """type Shape_{k} = Circle_{k}(Real) | Box_{k}({{width: Real, height: Real}}) | Pair_{k}(Shape_{k}, Shape_{k})

fn area_{k}(shape: Shape_{k}) -> Real = match shape {{
  Circle_{k}(radius) => 3.14159 * radius ^ 2,
  Box_{k}(sides) => sides.width * sides.height,
  Pair_{k}(left, right) => area_{k}(left) + area_{k}(right),
}}

/// A random shape; more parts with probability 1 / {a}.
fn shape_{k}() ~> Shape_{k} {{
  if flip(1.0 / {a}) {{
    Pair_{k}(shape_{k}(), shape_{k}())
  }} else {{
    if flip(0.5) {{ Circle_{k}(sample(Exponential({b}))) }} else {{ Box_{k}({{width: 1.0, height: sample(Uniform(0, {b}))}}) }}
  }}
}}
""",
    """/// Counts that grow with time, with an unknown change at `change`.
model counts_{k}(counts: [Int], times: [Real]) {{
  change ~ Uniform(0, {a}0)
  early  ~ Gamma(2, {b})
  late   ~ Gamma(2, {b})
  observe counts ~ Poisson([if t < change {{ early }} else {{ late }} for t in times])
  let ratio = late / early
  return {{change, early, late, ratio}}
}}

fn polynomial_{k}(coefficients: [Real], x: Real) -> Real {{
  var total = 0.0
  for c in reverse(coefficients) {{
    total = total * x + c
  }}
  total
}}

let curve_{k} = map([-1.0, -0.5, 0.0, 0.5, 1.0], x => polynomial_{k}([{a}.0, {b}.0, 0.5], x)) |> sum
""",
]


def thousand_lines(bench):
    """A file of exactly 1,000 lines of models, functions and types."""
    lines, k = [], 0
    while True:
        block = TEMPLATES[k % len(TEMPLATES)].format(k=k, a=2 + k % 7, b=2 + k % 5).splitlines() + [""]
        if len(lines) + len(block) > 1000:
            break
        lines += block
        k += 1
    lines += [f"let filler_{n} = {n} * {k}" for n in range(1000 - len(lines))]
    path = bench.scratch / "thousand_lines.borel"
    path.write_text("\n".join(lines) + "\n")
    return path


def front_end(bench):
    """Checking a long file, and starting on a short one."""
    path = thousand_lines(bench)
    empty = bench.scratch / "one_line.borel"
    empty.write_text("let one = 1\n")
    bench.row("6 check of 1,000 lines", lambda: child([BOREL, "check", path]).cpu, None, "ms CPU", 1e3, 50)
    bench.row("6a check of one line", lambda: child([BOREL, "check", empty]).cpu, None, "ms CPU", 1e3, "—")
    coin = borel("coin", "--method", "importance", "--draws", 1)
    peer = bench.peer_program("coin", lambda ran: ran.wall)
    bench.row("7 start-up, source to one draw", lambda: child(coin).wall, peer, "ms wall", 1e3, 30)


def threads(bench):
    """The same filter on one thread and on two; wall time, as that is what threads are for."""

    def filter_on(count):
        arguments = ["--data", DATA / "lgssm_100.json", "--method", "smc", *BOOTSTRAP, "--particles", 100_000, "--threads", count]
        return lambda: child(borel("state_space", *arguments)).wall

    bench.row("8 SMC, 100,000 particles: two threads, against one thread in the place of the peer", filter_on(2), filter_on(1), "ms wall", 1e3, "1.6 × one thread")


def learners(bench):
    """Observations through learners, one at a time; and that their memory does not grow."""

    def run(model, name, value, expected):
        def once():
            ran = child([BOREL, "run", MODELS / f"{model}.borel", "--set", f"{name}={value}"])
            if abs(float(ran.text) - expected) > 1e-6 * abs(expected):
                raise Failed(f"log evidence {ran.text.strip()}, not {expected}")
            return ran.cpu

        return once

    half = math.lgamma(500_001) * 2 - math.lgamma(1_000_002)
    bench.row("9 a million tosses through BetaBernoulli", run("learner_beta", "n", 1_000_000, half), None, "s CPU", 1, 1)
    kalman = run("learner_kalman", "n", 1_000_000, KALMAN)
    bench.row("9a a million positions through a Kalman filter of four dimensions", kalman, None, "s CPU", 1, 3)

    def update():
        long, short = (run("learner_networks", "passes", k, value) for k, value in ((13, NETWORKS[1]), (3, NETWORKS[0])))
        return (long() - short()) / 40

    bench.row("9b an update of a mixture of 19,683 networks", update, None, "ms CPU", 1e3, 50)
    if not bench.only or "9c".startswith(bench.only):
        peaks = {n: peak_memory([BOREL, "run", MODELS / "learner_kalman.borel", "--set", f"n={n}"]) for n in (10_000, 1_000_000)}
        for n, peak in peaks.items():
            print(f"| 9c Kalman learner, {n:,} positions, MB peak | {peak / 1e6:.3g} (one run) | — | — | does not grow | |", flush=True)


#: Log evidences of the workloads that have no short closed form, by an independent implementation in `peers/learners.py`.
KALMAN, NETWORKS = -26807293.47123651, (-8.717549556096573, -13.063672319186487)


def find_webppl(arguments, scratch):
    """The WebPPL program: the one named, or one installed for this run; none where there is no npm."""
    if arguments.no_peers:
        return None
    if arguments.webppl:
        return arguments.webppl
    on_path = shutil.which("webppl")
    if on_path:
        return on_path
    npm = shutil.which("npm")
    if not npm:
        return None
    folder = scratch / "peers"
    folder.mkdir()
    done = subprocess.run([npm, "install", "--silent", "webppl"], cwd=folder, capture_output=True, check=False)
    program = folder / "node_modules" / ".bin" / "webppl"
    return program if done.returncode == 0 and program.exists() else None


def processor():
    """The processor's name, as the kernel tells it."""
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="runs of each workload (default 5)")
    parser.add_argument("--webppl", type=pathlib.Path, help="the webppl program to compare with; otherwise npm installs one")
    parser.add_argument("--only", default="", help="only the rows whose name starts so")
    parser.add_argument("--no-peers", action="store_true", help="measure ours alone (CPython stays)")
    arguments = parser.parse_args()
    subprocess.run(["cargo", "build", "--release", "--quiet"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory(prefix="borel-bench-") as folder:
        scratch = pathlib.Path(folder)
        bench = Bench(arguments, find_webppl(arguments, scratch), scratch)
        print(f"{os.cpu_count()} cores, {processor()}; load at the start {os.getloadavg()[0]:.1f}; ", end="")
        print(f"Python {sys.version.split()[0]}; WebPPL {'installed' if bench.webppl else MISSING}; repeats: {arguments.repeats}.\n")
        print("| workload | ours | peer | peer / ours | target | |\n|---|---|---|---|---|---|", flush=True)
        for workload in (single_site, chain_growth, particle_filter, hidden_markov, own_filter, particle_gibbs, memory, calls, front_end, threads, learners):
            workload(bench)
        print(f"\nLoad at the end {os.getloadavg()[0]:.1f}.")
        for note in bench.notes:
            print(f"- {note}")


if __name__ == "__main__":
    main()
