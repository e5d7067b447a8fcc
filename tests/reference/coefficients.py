"""Prints the coefficients of src/prim/numeric/tables.rs, from exact fractions or 60 digits.

    python3 coefficients.py
"""
from fractions import Fraction

from mpmath import diff, digamma, factorial, findroot, legendre, mp, mpf, polygamma, zeta

mp.dps = 60
root = findroot(digamma, 1.46)
print("DIGAMMA_ROOT", float(root), float(root - mpf(float(root))))
print("DIGAMMA_AT_ROOT", [float(polygamma(k, root) / factorial(k)) for k in range(1, 25)])
print("ZETA_SERIES", [float((zeta(k) - 1) * (-1) ** k / k) for k in range(2, 32)])


def bernoulli(n):
    """The Bernoulli number B(n), by Akiyama and Tanigawa."""
    row = [Fraction(0)] * (n + 1)
    for m in range(n + 1):
        row[m] = Fraction(1, m + 1)
        for j in range(m, 0, -1):
            row[j - 1] = j * (row[j - 1] - row[j])
    return row[0]


# Temme's expansion (DLMF 8.12.10 to 8.12.13). First mu as a series in eta, from mu mu' = eta (1 + mu).
N, K = 60, 11
mu = [Fraction(0), Fraction(1)] + [Fraction(0)] * N
for n in range(2, N + 1):
    mu[n] = (mu[n - 1] - sum(mu[i] * (n + 1 - i) * mu[n + 1 - i] for i in range(2, n))) / (n + 1)
# The coefficients of Stirling's series for the gamma function, from those for its logarithm.
log_series = [Fraction(0)] * (K + 2)
for k in range(1, (K + 1) // 2 + 1):
    log_series[2 * k - 1] = bernoulli(2 * k) / (2 * k * (2 * k - 1))
g = [Fraction(1)]
for n in range(1, K + 1):
    g.append(sum(k * log_series[k] * g[n - k] for k in range(1, n + 1)) / n)
d = [[Fraction(-1, 3)] + [(n + 2) * mu[n + 2] for n in range(1, N - 2)]]
for k in range(1, K):
    last = d[-1]
    d.append([(-1) ** k * g[k] * d[0][n] + (n + 2) * last[n + 2] for n in range(len(last) - 2)])
for k in range(K):
    print("TEMME", k, [float(x) for x in d[k][: max(2, 26 - 2 * k)]])

mp.dps = 30
for k in range(1, 11):
    start = mp.cos(mp.pi * (mpf(k) - mpf("0.25")) / mpf("20.5"))
    node = findroot(lambda x: legendre(20, x), start)
    slope = diff(lambda x: legendre(20, x), node)
    print("LEGENDRE", float(node), float(2 / ((1 - node * node) * slope * slope)))
