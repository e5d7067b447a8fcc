"""Effective draws per gradient of `nuts` and of nutpie, on the models and data of `benches/gradients`.

    pip install 'nutpie[pymc]' pymc numba arviz
    python3 benches/peers/effective_draws.py [--seeds 3] [--only NAME…] [--borel target/release/borel] [--no-peer] [--opt KEY=VALUE…]

Both run with their defaults, four chains of 1000 draws. The least bulk effective sample size over all parameters is ArviZ's for both,
from the draws. It is divided by the gradients, those of the warm-up counted or not. A figure is the geometric mean over seeds.
"""

import argparse
import csv
import json
import math
import pathlib
import re
import subprocess
import tempfile

import arviz
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDER = ROOT / "benches" / "gradients"
CHAINS = 4
DRAWS = 1000

# Workload: file of the model, file of the data, and what is compared.
WORKLOADS = {
    "eight_schools": ("eight_schools", "eight_schools", ["mu", "tau", "theta_t"]),
    "logreg_1k_25": ("logreg", "logreg_1k_25", ["alpha", "beta"]),
    "gmm_k3": ("gmm", "gmm_k3", ["theta", "mu", "sigma"]),
    "radon_syn": ("radon_syn", "radon_syn", ["mu_a", "b_u", "mu_b", "sa", "sb", "sy", "za", "zb"]),
    "hpois": ("hpois", "hpois", ["mu", "tau", "z", "beta"]),
    "gp_100": ("gp", "gp_100", ["rho", "alpha", "sigma"]),
    "hmm_100": ("hmm", "hmm_100", ["mu", "A"]),
}


def data_of(name):
    """The data of a workload; lists as arrays."""
    text = (FOLDER / f"{WORKLOADS[name][1]}.json").read_text()
    return {key: np.array(value) if isinstance(value, list) else value for key, value in json.loads(text).items()}


def ours(name, seed, borel, options):
    """Draws by name (chains × draws), gradients in all and after the warm-up, and divergences."""
    model, data, kept = WORKLOADS[name]
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "draws.csv"
        command = [borel, "run", FOLDER / f"{model}.borel", "--data", FOLDER / f"{data}.json", "--method", "nuts", "--all"]
        command += ["--seed", seed, "--draws", DRAWS, "--chains", CHAINS, "--out", out, "--format", "json", "--lenient"]
        for option in options:
            command += ["--opt", option]
        told = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=True)
        diagnostics = json.loads(told.stdout)["diagnostics"]
        chains = []
        for chain in range(1, CHAINS + 1):
            lines = out.with_name(f"draws_{chain}.csv").read_text().splitlines()
            rows = list(csv.reader(line for line in lines if not line.startswith("#")))
            chains.append(dict(zip(rows[0], np.array(rows[1:], dtype=float).T)))
    names = [column for column in chains[0] if re.split(r"[.\[]", column)[0] in kept]
    draws = {column: np.array([chain[column] for chain in chains]) for column in names}
    after = sum(chain["n_leapfrog__"].sum() for chain in chains)
    return draws, diagnostics["gradient_evaluations"], after, diagnostics["divergences"]


def pymc_model(name):
    """The same model for PyMC."""
    import pymc as pm
    import pytensor
    import pytensor.tensor as pt

    d = data_of(name)
    ordered = pm.distributions.transforms.ordered
    with pm.Model() as model:
        if name == "eight_schools":
            mu, tau = pm.Normal("mu", 0, 5), pm.HalfCauchy("tau", 5)
            theta = pm.Normal("theta_t", 0, 1, shape=d["J"])
            pm.Normal("y", mu + tau * theta, d["sigma"], observed=d["y"])
        elif name == "logreg_1k_25":
            alpha, beta = pm.Normal("alpha", 0, 2.5), pm.Normal("beta", 0, 1, shape=d["D"])
            pm.Bernoulli("y", logit_p=alpha + d["X"] @ beta, observed=d["y"])
        elif name == "gmm_k3":
            k = d["K"]
            theta = pm.Dirichlet("theta", np.full(k, 2.0))
            mu = pm.Normal("mu", 0, 10, shape=k, transform=ordered, initval=np.linspace(-1, 1, k))
            sigma = pm.LogNormal("sigma", 0, 1, shape=k)
            each = pt.log(theta) + pm.logp(pm.Normal.dist(mu, sigma), d["y"][:, None])
            pm.Potential("likelihood", pm.math.logsumexp(each, axis=1).sum())
        elif name == "radon_syn":
            mu_a, b_u, mu_b = pm.Normal("mu_a", 0, 5), pm.Normal("b_u", 0, 2), pm.Normal("mu_b", 0, 2)
            sa, sb, sy = (pm.HalfNormal(s, 1) for s in ("sa", "sb", "sy"))
            za, zb = pm.Normal("za", 0, 1, shape=d["J"]), pm.Normal("zb", 0, 1, shape=d["J"])
            a, b, county = mu_a + b_u * d["u"] + sa * za, mu_b + sb * zb, d["county"] - 1
            pm.Normal("y", a[county] + b[county] * d["floor"], sy, observed=d["y"])
        elif name == "hpois":
            mu, tau = pm.Normal("mu", 0, 2), pm.HalfNormal("tau", 1)
            z, beta = pm.Normal("z", 0, 1, shape=d["J"]), pm.Normal("beta", 0, 1, shape=d["K"])
            eta = mu + tau * z[d["group"] - 1] + d["X"] @ beta + d["log_exposure"]
            pm.Poisson("y", pt.exp(eta), observed=d["y"])
        elif name == "gp_100":
            rho, alpha, sigma = pm.InverseGamma("rho", 5, 5), pm.HalfNormal("alpha", 1), pm.HalfNormal("sigma", 1)
            square = (d["x"][:, None] - d["x"][None, :]) ** 2
            covariance = alpha**2 * pt.exp(-0.5 * square / rho**2) + (sigma**2 + 1e-9) * pt.eye(d["N"])
            pm.MvNormal("y", np.zeros(d["N"]), chol=pt.linalg.cholesky(covariance), observed=d["y"])
        elif name == "hmm_100":
            k = d["K"]
            mu = pm.Normal("mu", 0, 3, shape=k, transform=ordered, initval=np.linspace(-1, 1, k))
            rows = pm.Dirichlet("A", np.ones(k), shape=(k, k))
            each = pm.logp(pm.Normal.dist(mu, d["sigma"]), d["y"][:, None])

            def step(now, before, moves):
                return pm.math.logsumexp(before[:, None] + moves, axis=0, keepdims=False) + now

            forward = pytensor.scan(
                step, sequences=[each[1:]], outputs_info=[pt.log(d["pi"]) + each[0]], non_sequences=[pt.log(rows)],
                return_updates=False,
            )
            pm.Potential("likelihood", pm.math.logsumexp(forward[-1]))
    return model


def compiled_peer(name):
    """The model, compiled by nutpie."""
    import nutpie

    return nutpie.compile_pymc_model(pymc_model(name))


def theirs(name, seed, compiled):
    """As `ours`, by nutpie."""
    import nutpie

    trace = nutpie.sample(compiled, draws=DRAWS, chains=CHAINS, seed=seed, progress_bar=False, save_warmup=True)
    draws = {}
    for variable in WORKLOADS[name][2]:
        values = trace.posterior[variable].values
        flat = values.reshape(values.shape[0], values.shape[1], -1)
        draws.update({f"{variable}.{k}": flat[:, :, k] for k in range(flat.shape[2])})
    after = int(trace.sample_stats["n_steps"].sum())
    warm = int(trace.warmup_sample_stats["n_steps"].sum())
    return draws, warm + after, after, int(trace.sample_stats["diverging"].sum())


def least_ess(draws):
    """The least bulk effective sample size."""
    return min(float(arviz.ess(values, method="bulk")) for values in draws.values())


def geometric(values):
    return math.exp(sum(math.log(value) for value in values) / len(values))


def measured(runs):
    """Over seeds: effective draws per thousand gradients, with the warm-up and without, gradients in all, after, divergences."""
    rows = [(least_ess(draws), every, after, diverged) for draws, every, after, diverged in runs]
    counted = geometric([1e3 * ess / every for ess, every, _, _ in rows])
    alone = geometric([1e3 * ess / after for ess, _, after, _ in rows])
    mean = lambda k: sum(row[k] for row in rows) / len(rows)
    return counted, alone, mean(1), mean(2), mean(3)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--borel", default=str(ROOT / "target" / "release" / "borel"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=list(WORKLOADS))
    parser.add_argument("--opt", nargs="*", default=[])
    parser.add_argument("--no-peer", action="store_true")
    parser.add_argument("--keep", help="a JSON file: peers measured are kept there and not run again")
    arguments = parser.parse_args()
    kept_path = pathlib.Path(arguments.keep) if arguments.keep else None
    kept = json.loads(kept_path.read_text()) if kept_path and kept_path.exists() else {}
    print("| workload | ours, warm-up counted / not | nutpie | ratio | gradients, ours / nutpie | after warm-up | divergences |")
    print("|---|---|---|---|---|---|---|", flush=True)
    ratios = []
    for name in arguments.only:
        seeds = range(1, arguments.seeds + 1)
        mine = measured([ours(name, seed, arguments.borel, arguments.opt) for seed in seeds])
        peer = kept.get(name)
        if peer is None and not arguments.no_peer:
            compiled = compiled_peer(name)
            peer = measured([theirs(name, seed, compiled) for seed in seeds])
            kept[name] = peer
            if kept_path:
                kept_path.write_text(json.dumps(kept))
        if peer is None:
            print(f"| {name} | {mine[0]:.1f} / {mine[1]:.1f} | — | — | {mine[2]:,.0f} | {mine[3]:,.0f} | {mine[4]:.1f} |", flush=True)
            continue
        ratios.append((mine[0] / peer[0], mine[1] / peer[1]))
        print(
            f"| {name} | {mine[0]:.1f} / {mine[1]:.1f} | {peer[0]:.1f} / {peer[1]:.1f} "
            f"| {ratios[-1][0]:.2f} / {ratios[-1][1]:.2f} | {mine[2]:,.0f} / {peer[2]:,.0f} "
            f"| {mine[3]:,.0f} / {peer[3]:,.0f} | {mine[4]:.1f} / {peer[4]:.1f} |",
            flush=True,
        )
    if ratios:
        counted, alone = (geometric([ratio[k] for ratio in ratios]) for k in (0, 1))
        print(f"| geometric mean | | | {counted:.2f} / {alone:.2f} | | | |")


if __name__ == "__main__":
    main()
