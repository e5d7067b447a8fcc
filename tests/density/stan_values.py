"""Writes Stan's log density and gradient of models of `tests/posteriordb`, at fixed points of the unconstrained space.

    pip install stanli numpy
    python3 tests/density/stan_values.py

The models are written here in Stan's language, from `tests/posteriordb/NAME/model.borel`. The values of other models of this folder
were made by Stan 2.35 itself; `sblrc-blr` is among both, and must come out the same to twelve digits.
"""

import json
import math
import pathlib

import stanli

HERE = pathlib.Path(__file__).resolve().parent


def regression(outcome, names, terms, prior="", integers=()):
    """A linear regression of an outcome on terms, the first of them 1."""
    kind = lambda name: "int" if name in integers else "real"
    data = "".join(f"  array[N] {kind(name)} {name};\n" for name in names)
    mean = " + ".join([f"beta[{k + 1}] * ({term})" for k, term in enumerate(terms)])
    return (
        "data {\n  int N;\n" + data + "}\n"
        f"parameters {{\n  vector[{len(terms)}] beta;\n  real<lower=0> sigma;\n}}\n"
        f"model {{\n{prior}  for (n in 1:N) target += normal_lpdf({outcome} | {mean}, sigma);\n}}\n"
    )


def level(name, k):
    return f"{name}[n] == {k} ? 1.0 : 0.0"


SCHOOLS = "data {\n  int J;\n  array[J] real y;\n  array[J] real sigma;\n}\n"
CAUCHY = "  target += cauchy_lpdf(sigma | 0, 2.5);\n"
MESQUITE = ["weight", "diam1", "diam2", "canopy_height", "total_height", "density", "group"]
NES = ["partyid7", "real_ideo", "race_adj", "educ1", "gender", "income", "age_discrete"]
NES_TERMS = ["1", "real_ideo[n]", "race_adj[n]", *(level("age_discrete", k) for k in (2, 3, 4)), "educ1[n]", "gender[n]", "income[n]"]
HEIGHT = ["earn", "height", "male"]
STANDARD = "(height[n] - mean(height)) / sd(height)"

MODELS = {
    "earnings-earn_height": regression("earn[n]", ["earn", "height"], ["1", "height[n]"]),
    "earnings-logearn_height_male": regression("log(earn[n])", HEIGHT, ["1", "height[n]", "male[n]"]),
    "earnings-logearn_interaction_z": regression("log(earn[n])", HEIGHT, ["1", STANDARD, "male[n]", f"{STANDARD} * male[n]"]),
    "earnings-logearn_logheight_male": regression("log(earn[n])", HEIGHT, ["1", "log(height[n])", "male[n]"]),
    "eight_schools-eight_schools_centered": SCHOOLS
    + """parameters {
  real mu;
  real<lower=0> tau;
  vector[J] theta;
}
model {
  target += normal_lpdf(mu | 0, 5) + cauchy_lpdf(tau | 0, 5) + normal_lpdf(theta | mu, tau) + normal_lpdf(y | theta, sigma);
}
""",
    "eight_schools-eight_schools_noncentered": SCHOOLS
    + """parameters {
  real mu;
  real<lower=0> tau;
  vector[J] z;
}
model {
  target += normal_lpdf(mu | 0, 5) + cauchy_lpdf(tau | 0, 5) + std_normal_lpdf(z) + normal_lpdf(y | mu + tau * z, sigma);
}
""",
    "kidiq-kidscore_interaction": regression(
        "kid_score[n]", ["kid_score", "mom_hs", "mom_iq"], ["1", "mom_hs[n]", "mom_iq[n]", "mom_hs[n] * mom_iq[n]"], CAUCHY
    ),
    "kidiq-kidscore_momiq": regression("kid_score[n]", ["kid_score", "mom_iq"], ["1", "mom_iq[n]"], CAUCHY),
    "kidiq_with_mom_work-kidscore_mom_work": regression(
        "kid_score[n]", ["kid_score", "mom_work"], ["1", *(level("mom_work", k) for k in (2, 3, 4))], integers=("mom_work",)
    ),
    "mesquite-logmesquite": regression(
        "log(weight[n])", MESQUITE, ["1", *(f"log({name}[n])" for name in MESQUITE[1:6]), "group[n]"]
    ),
    "mesquite-logmesquite_logvolume": regression(
        "log(weight[n])", MESQUITE[:4], ["1", "log(diam1[n] * diam2[n] * canopy_height[n])"]
    ),
    "nes1988-nes": regression("partyid7[n]", NES, NES_TERMS, integers=("age_discrete",)),
    "sblrc-blr": """data {
  int N;
  int D;
  matrix[N, D] X;
  vector[N] y;
}
parameters {
  vector[D] beta;
  real<lower=0> sigma;
}
model {
  target += normal_lpdf(beta | 0, 10) + normal_lpdf(sigma | 0, 10) + normal_lpdf(y | X * beta, sigma);
}
""",
}


def points(dim):
    """The origin, and two others."""
    return [[0.0] * dim, [0.5 * math.sin(k + 1) for k in range(dim)], [0.5 * math.cos(2 * k + 1) for k in range(dim)]]


def coordinates(names):
    """Names as elsewhere in this folder: `beta[1]` is `beta.1`."""
    return [name.replace("[", ".").replace(",", ".").rstrip("]") for name in names]


def value(model, x):
    density, gradient = model.log_prob_grad(x)
    return {"x": list(x), "lp": float(density), "grad": [float(g) for g in gradient]}


def main():
    for name, code in MODELS.items():
        data = json.loads((HERE.parent / "posteriordb" / name / "data.json").read_text())
        model = stanli.Model(stan_code=code, data=data)
        path = HERE / f"posteriordb__{name}.json"
        if name == "sblrc-blr":
            known = json.loads(path.read_text())["points"]
            found = [value(model, point["x"]) for point in known]
            for a, b in zip(known, found):
                both = list(zip([a["lp"] - known[0]["lp"], *a["grad"]], [b["lp"] - found[0]["lp"], *b["grad"]]))
                assert all(math.isclose(x, y, rel_tol=1e-12, abs_tol=1e-9) for x, y in both), (name, both)
            continue
        names = coordinates(model._column_names()[0])
        found = [value(model, x) for x in points(len(names))]
        path.write_text(json.dumps({"dim": len(names), "unc_names": names, "points": found}) + "\n")


if __name__ == "__main__":
    main()
