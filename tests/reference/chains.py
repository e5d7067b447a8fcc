"""Stores chains and what ArviZ 0.23 says of them in chains.json; run with `python chains.py` where arviz is installed."""

import json
import pathlib

import arviz as az
import numpy as np

rng = np.random.default_rng(20210601)


def ar(rho, chains, draws, shift=0.0):
    x = np.zeros((chains, draws))
    e = rng.normal(size=(chains, draws))
    x[:, 0] = e[:, 0]
    for t in range(1, draws):
        x[:, t] = rho * x[:, t - 1] + np.sqrt(1 - rho**2) * e[:, t]
    return x + shift * np.arange(chains)[:, None]


cases = {
    "independent": rng.normal(size=(4, 100)),
    "odd": rng.normal(size=(4, 101)),
    "slow": ar(0.95, 4, 200),
    "very_slow": ar(0.999, 2, 700),
    "apart": ar(0.3, 4, 80, shift=0.7),
    "antithetic": ar(-0.6, 4, 90),
    "cauchy": rng.standard_cauchy(size=(4, 120)),
    "scales": rng.normal(size=(4, 60)) * np.array([1, 1, 1, 4])[:, None],
    "counts": rng.poisson(2.0, size=(3, 64)).astype(float),
    "coin": rng.integers(0, 2, size=(4, 50)).astype(float),
    "four": rng.normal(size=(2, 4)),
    "trend": np.linspace(0, 1, 60)[None, :] + 0.1 * rng.normal(size=(2, 60)),
}

result = {}
for name, x in cases.items():
    x = np.round(x, 12)
    sd = {m: float(az.mcse(x, method=m)) for m in ["mean", "sd"]}
    result[name] = {
        "chains": x.tolist(),
        "mean": float(x.mean()),
        "sd": float(x.std(ddof=1)),
        "q05": float(np.quantile(x, 0.05)),
        "q50": float(np.quantile(x, 0.5)),
        "q95": float(np.quantile(x, 0.95)),
        "mcse_mean": sd["mean"],
        "mcse_sd": sd["sd"],
        "ess_bulk": float(az.ess(x, method="bulk")),
        "ess_tail": float(az.ess(x, method="tail")),
        "r_hat": float(az.rhat(x, method="rank")),
        "bfmi": float(az.bfmi(x[0])[0]),
    }

path = pathlib.Path(__file__).with_name("chains.json")
path.write_text(json.dumps({"arviz": az.__version__, "cases": result}))
