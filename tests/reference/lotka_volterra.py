"""Log density and gradient of posteriordb's hudson_lynx_hare, by Runge-Kutta steps so small that their error is rounding.

Writes ../density/tight__lotka_volterra.json, at the points of the file that Stan made. Derivatives are by complex steps.

    python3 tests/reference/lotka_volterra.py
"""

import cmath
import json
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
STEPS = 4000  # a year


def solve(theta, state, years):
    """States at the ends of years, by the classical method of order 4."""
    a, b, c, d = theta

    def rate(u, v):
        return (a - b * v) * u, (-c + d * u) * v

    u, v = state
    h = 1.0 / STEPS
    rows = []
    for _ in range(years):
        for _ in range(STEPS):
            k1, l1 = rate(u, v)
            k2, l2 = rate(u + h / 2 * k1, v + h / 2 * l1)
            k3, l3 = rate(u + h / 2 * k2, v + h / 2 * l2)
            k4, l4 = rate(u + h * k3, v + h * l3)
            u += h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
            v += h / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
        rows.append((u, v))
    return rows


def log_density(x, data):
    """Up to a constant: parameters are exponentials of coordinates, each with the log of its Jacobian."""
    names = data["order"]
    p = {name: cmath.exp(x[k]) for k, name in enumerate(names)}
    theta = [p[f"theta.{k}"] for k in range(1, 5)]
    sigma = [p["sigma.1"], p["sigma.2"]]
    first = [p["z_init.1"], p["z_init.2"]]
    total = sum(x)
    for k, (mean, sd) in enumerate([(1, 0.5), (0.05, 0.05)] * 2):
        total -= 0.5 * ((theta[k] - mean) / sd) ** 2

    def log_normal(y, center, sd):
        return -0.5 * ((cmath.log(y) - center) / sd) ** 2 - cmath.log(sd) - cmath.log(y)

    for k in range(2):
        total += log_normal(sigma[k], -1, 1) + log_normal(first[k], cmath.log(10), 1)
        total += log_normal(data["y_init"][k], cmath.log(first[k]), sigma[k])
    for row, seen in zip(solve(theta, first, data["N"]), data["y"]):
        for k in range(2):
            total += log_normal(seen[k], cmath.log(row[k]), sigma[k])
    return total


def main():
    stan = json.loads((FOLDER / "density/posteriordb__hudson_lynx_hare-lotka_volterra.json").read_text())
    data = json.loads((FOLDER / "posteriordb/hudson_lynx_hare-lotka_volterra/data.json").read_text())
    assert data["ts"] == list(range(1, data["N"] + 1))
    data["order"] = stan["unc_names"]
    points = []
    for point in stan["points"]:
        x = [complex(v) for v in point["x"]]
        gradient = []
        for k in range(len(x)):
            moved = list(x)
            moved[k] += 1e-30j
            gradient.append(log_density(moved, data).imag / 1e-30)
        lp = log_density(x, data).real
        print(lp - point["lp"], max(abs(g - s) / (1 + abs(s)) for g, s in zip(gradient, point["grad"])))
        points.append({"x": point["x"], "lp": lp, "grad": gradient})
    out = {"unc_names": stan["unc_names"], "points": points}
    (FOLDER / "density/tight__lotka_volterra.json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
