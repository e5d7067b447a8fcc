"""High-precision reference values of the distributions, written to distributions.json beside this file.

Every density is computed from its textbook formula with 50 digits, not by the route the library takes; the arguments are the
doubles that the JSON shows. Run with `python3 distributions.py` (needs mpmath).

The JSON has three lists: "points" (dist, args, x, logp, cdf or null), "moments" (dist, args, mean, variance) and "bad" (dist, args
that must be refused). Integers are JSON integers, reals have a decimal point, matrices and arrays are nested lists, infinities and
NaN are strings; a distribution as an argument is {"dist", "args"}, a domain {"domain", "args"}.
"""

import json
import math
import os

import mpmath as mp

mp.mp.dps = 50
INF = math.inf
NAN = math.nan
M = mp.mpf
PI = mp.pi


def log(x):
    return mp.log(x) if x > 0 else -mp.inf


def xlogy(x, y):
    return M(0) if x == 0 else x * log(y)


def lgamma(x):
    return mp.loggamma(x)


def lchoose(n, k):
    return lgamma(M(n) + 1) - lgamma(M(k) + 1) - lgamma(M(n) - k + 1)


def lbeta(a, b):
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def phi_log(z):
    return -z * z / 2 - mp.log(2 * PI) / 2


def Phi(z):
    return mp.erfc(-z / mp.sqrt(2)) / 2


def gamma_p(a, x):
    return mp.gammainc(a, 0, x, regularized=True)


def gamma_q(a, x):
    return mp.gammainc(a, x, mp.inf, regularized=True)


def inc_beta(a, b, x):
    return mp.betainc(a, b, 0, x, regularized=True)


def high(value):
    """Numbers to 50 digits; lists to nested lists; anything else unchanged."""
    if isinstance(value, bool):
        return value
    if isinstance(value, float):
        return mp.inf if value == INF else -mp.inf if value == -INF else M(value)
    if isinstance(value, list):
        return [high(v) for v in value]
    return value


class Spec:
    """One distribution: functions of high-precision arguments, and the cases to tabulate."""

    def __init__(self, inside, logp, cdf=None, mean=None, variance=None, cases=(), bad=(), discrete=False):
        self.inside, self.logp, self.cdf, self.mean, self.variance = inside, logp, cdf, mean, variance
        self.cases, self.bad, self.discrete = cases, bad, discrete


SPECS = {}


class Ref:
    """A distribution applied to arguments."""

    def __init__(self, name, *args):
        self.name, self.raw = name, list(args)
        self.spec = SPECS[name]
        self.args = [high(a) for a in args]

    def logp(self, x):
        x = high(x)
        return self.spec.logp(x, *self.args) if self.spec.inside(x, *self.args) else -mp.inf

    def cdf(self, x):
        return self.spec.cdf(high(x), *self.args)

    def mean(self):
        return self.spec.mean(*self.args)

    def variance(self):
        return self.spec.variance(*self.args)

    def before(self, x):
        """P(X < x)"""
        return self.cdf(mp.ceil(x) - 1) if self.spec.discrete and mp.isfinite(x) else self.cdf(x)


class Named:
    """A domain as an argument."""

    def __init__(self, name, *args):
        self.name, self.raw = name, list(args)


def spec(name, **parts):
    SPECS[name] = Spec(**parts)


finite = lambda x, *a: bool(mp.isfinite(x))
positive = lambda x, *a: bool(mp.isfinite(x) and x > 0)
nonnegative = lambda x, *a: bool(mp.isfinite(x) and x >= 0)
unit = lambda x, *a: bool(0 <= x <= 1)
natural = lambda x, *a: isinstance(x, int) and x >= 0
split = lambda lower, inner: lambda x, *a: M(0) if x <= lower else M(1) if x == mp.inf else inner(x, *a)
counted = lambda inner: lambda x, *a: M(0) if x < 0 else inner(M(mp.floor(x)), *a)

REAL_X = [0.0, 0.3, -1.7, 4.2, 12.5, -30.0, 250.0, INF]
POS_X = [0.5, 1.0, 2.3, 7.5, 1e-3, 40.0, 1e-8, -1.0]

# ---- over the reals

spec("Normal", inside=finite, logp=lambda x, m, s: phi_log((x - m) / s) - log(s), cdf=lambda x, m, s: Phi((x - m) / s),
     mean=lambda m, s: m, variance=lambda m, s: s * s,
     cases=[((0.0, 1.0), REAL_X), ((1.5, 2.5), REAL_X), ((-3.0, 0.01), [-3.0, -2.99, -3.05, -2.9, -2.0, 0.0, -INF])],
     bad=[(0.0, 0.0), (0.0, -1.0), (INF, 1.0), (0.0, INF), (NAN, 1.0), (0.0, NAN)])

spec("StudentT", inside=finite,
     logp=lambda x, n, m, s: lgamma((n + 1) / 2) - lgamma(n / 2) - log(n * PI) / 2 - log(s) - (n + 1) / 2 * mp.log1p(((x - m) / s) ** 2 / n),
     cdf=lambda x, n, m, s: (lambda z: (inc_beta(n / 2, M(1) / 2, n / (n + z * z)) / 2) if z < 0 else 1 - inc_beta(n / 2, M(1) / 2, n / (n + z * z)) / 2)((x - m) / s)
     if n < 1e4 else None,
     mean=lambda n, m, s: m if n > 1 else mp.nan,
     variance=lambda n, m, s: s * s * n / (n - 2) if n > 2 else mp.inf if n > 1 else mp.nan,
     cases=[((4.0, 0.0, 1.0), REAL_X), ((1.0, 1.0, 2.0), REAL_X), ((0.3, 0.0, 1.0), [0.0, 1.5, -40.0, 1e10, 1e200, -1e-5, -INF]), ((40.0, -1.0, 0.5), [-1.0, 0.0, 1.0, 4.0, -9.0, -1.2, INF]),
            ((1e6, 0.0, 1.0), [0.0, 1.0, -5.0, 30.0, 0.1, -0.2, INF]), ((1e15, 0.0, 1.0), [0.0, 1.0, -5.0, 30.0, 0.1, -0.2, INF]), ((1.5, 0.0, 3.0), [0.0, 3.0, -6.0, 1e5, 9.0, 0.5, INF])],
     bad=[(0.0, 0.0, 1.0), (-1.0, 0.0, 1.0), (3.0, 0.0, 0.0), (3.0, INF, 1.0), (3.0, 0.0, NAN)])

spec("Cauchy", inside=finite, logp=lambda x, m, s: -log(PI) - log(s) - mp.log1p(((x - m) / s) ** 2),
     cdf=lambda x, m, s: M(1) / 2 + mp.atan((x - m) / s) / PI, mean=lambda m, s: mp.nan, variance=lambda m, s: mp.nan,
     cases=[((0.0, 1.0), REAL_X + [-1e10, 1e180]), ((1.5, 2.5), REAL_X), ((-3.0, 0.01), [-3.0, -2.99, -3.05, -2.9, -2.0, 0.0, -INF])],
     bad=[(0.0, 0.0), (0.0, -1.0), (NAN, 1.0)])

spec("Laplace", inside=finite, logp=lambda x, m, s: -abs(x - m) / s - log(2 * s),
     cdf=lambda x, m, s: mp.exp((x - m) / s) / 2 if x < m else 1 - mp.exp((m - x) / s) / 2, mean=lambda m, s: m, variance=lambda m, s: 2 * s * s,
     cases=[((0.0, 1.0), REAL_X), ((1.5, 2.5), REAL_X), ((-3.0, 0.1), [-3.0, -2.99, -3.05, -2.9, -2.0, 0.0, -INF])],
     bad=[(0.0, 0.0), (0.0, -1.0), (-INF, 1.0)])

spec("Logistic", inside=finite, logp=lambda x, m, s: (lambda z: -z - log(s) - 2 * mp.log1p(mp.exp(-z)))((x - m) / s),
     cdf=lambda x, m, s: 1 / (1 + mp.exp((m - x) / s)), mean=lambda m, s: m, variance=lambda m, s: PI ** 2 / 3 * s * s,
     cases=[((0.0, 1.0), REAL_X), ((1.5, 2.5), REAL_X), ((-3.0, 0.1), [-3.0, -2.99, -3.05, -2.9, -2.0, 50.0, -INF])],
     bad=[(0.0, 0.0), (0.0, -1.0), (NAN, 1.0)])

spec("Gumbel", inside=finite, logp=lambda x, m, b: (lambda z: -z - mp.exp(-z) - log(b))((x - m) / b),
     cdf=lambda x, m, b: mp.exp(-mp.exp((m - x) / b)), mean=lambda m, b: m + mp.euler * b, variance=lambda m, b: PI ** 2 / 6 * b * b,
     cases=[((0.0, 1.0), [0.0, 1.0, -2.0, -5.0, 30.0, 700.0, INF]), ((1.5, 2.5), [0.0, 1.5, -10.0, 20.0, 4.0, 100.0, -INF]), ((-3.0, 0.1), [-3.0, -2.99, -3.2, -2.9, -2.0, 50.0, -INF])],
     bad=[(0.0, 0.0), (0.0, -1.0), (NAN, 1.0)])


def skew_cdf(x, xi, w, a):
    z = (x - xi) / w
    f = lambda t: 2 * mp.exp(phi_log(t)) * Phi(a * t)
    # Pieces as short as the density decays: about 1 / (abs(z) (1 + a^2)) in the thin tail.
    unit = 1 / (1 + abs(z) * (1 + a * a))
    steps = [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
    if z < 0:
        return mp.quad(f, [-mp.inf] + [z - k * unit for k in reversed(steps)])
    return 1 - mp.quad(f, [z + k * unit for k in steps] + [mp.inf])


spec("SkewNormal", inside=finite, logp=lambda x, xi, w, a: log(2) + phi_log((x - xi) / w) - log(w) + log(Phi(a * (x - xi) / w)), cdf=skew_cdf,
     mean=lambda xi, w, a: xi + w * a / mp.sqrt(1 + a * a) * mp.sqrt(2 / PI), variance=lambda xi, w, a: w * w * (1 - 2 * a * a / (1 + a * a) / PI),
     cases=[((0.0, 1.0, 2.0), [0.0, 1.0, -2.0, -15.0, 5.0, 0.3, INF]), ((1.0, 3.0, -0.5), [0.0, 1.0, -2.0, 8.0, 20.0, -30.0, INF]), ((0.0, 1.0, 0.0), [0.0, 1.0, -2.0, 5.0, -6.0, 0.3, INF]), ((0.0, 1.0, -8.0), [0.0, 1.0, -2.0, 5.0, -0.1, 0.3, -INF])],
     bad=[(0.0, 0.0, 1.0), (0.0, -1.0, 1.0), (0.0, 1.0, INF)])


def tilt(z, r):
    return r * r / 2 - r * z + log(Phi(z - r))


spec("ExponentiallyModifiedNormal", inside=finite, logp=lambda x, m, s, l: log(l) + tilt((x - m) / s, l * s),
     cdf=lambda x, m, s, l: Phi((x - m) / s) - mp.exp(tilt((x - m) / s, l * s)), mean=lambda m, s, l: m + 1 / l, variance=lambda m, s, l: s * s + 1 / l ** 2,
     cases=[((0.0, 1.0, 2.0), [0.0, 1.0, -3.0, 8.0, 40.0, -20.0, INF]), ((1.0, 0.5, 0.1), [0.0, 1.0, 3.0, 8.0, 200.0, -4.0, INF]), ((0.0, 1.0, 1000.0), [0.0, 1.0, -3.0, 8.0, 1.5, -20.0, -INF]), ((0.0, 100.0, 50.0), [0.0, 10.0, -300.0, 800.0, 5000.0, -20.0, -INF])],
     bad=[(0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (0.0, 1.0, -1.0), (NAN, 1.0, 1.0)])

# ---- over the positive reals

spec("LogNormal", inside=positive, logp=lambda x, m, s: phi_log((log(x) - m) / s) - log(s) - log(x), cdf=split(0, lambda x, m, s: Phi((log(x) - m) / s)),
     mean=lambda m, s: mp.exp(m + s * s / 2), variance=lambda m, s: mp.expm1(s * s) * mp.exp(2 * m + s * s),
     cases=[((0.0, 1.0), POS_X + [0.0]), ((1.5, 0.5), POS_X), ((-2.0, 3.0), POS_X + [1e30])], bad=[(0.0, 0.0), (0.0, -1.0), (INF, 1.0)])

spec("HalfNormal", inside=nonnegative, logp=lambda x, s: log(2) + phi_log(x / s) - log(s), cdf=split(0, lambda x, s: mp.erf(x / s / mp.sqrt(2))),
     mean=lambda s: s * mp.sqrt(2 / PI), variance=lambda s: s * s * (1 - 2 / PI),
     cases=[((1.0,), POS_X + [0.0]), ((2.5,), POS_X), ((0.1,), [0.0, 0.1, 0.5, 1.0, 1e-6, 3.0, -1e-9])], bad=[(0.0,), (-1.0,), (INF,), (NAN,)])

spec("HalfCauchy", inside=nonnegative, logp=lambda x, s: log(2 / PI / s) - mp.log1p((x / s) ** 2), cdf=split(0, lambda x, s: 2 / PI * mp.atan(x / s)),
     mean=lambda s: mp.inf, variance=lambda s: mp.inf,
     cases=[((1.0,), POS_X + [0.0]), ((5.0,), POS_X), ((0.1,), [0.0, 0.1, 0.5, 1.0, 1e-6, 1e20, -1e-9])], bad=[(0.0,), (-1.0,), (INF,)])


def half_t_mean(n, s):
    return 2 * s * mp.sqrt(n / PI) * mp.gamma((n + 1) / 2) / (mp.gamma(n / 2) * (n - 1)) if n > 1 else mp.inf


spec("HalfStudentT", inside=nonnegative, logp=lambda x, n, s: log(2) + SPECS["StudentT"].logp(x, n, M(0), s),
     cdf=split(0, lambda x, n, s: 2 * SPECS["StudentT"].cdf(x, n, M(0), s) - 1), mean=half_t_mean,
     variance=lambda n, s: s * s * n / (n - 2) - half_t_mean(n, s) ** 2 if n > 2 else mp.inf,
     cases=[((3.0, 2.0), POS_X + [0.0]), ((0.7, 1.0), POS_X), ((1.5, 0.5), [0.0, 0.1, 0.5, 1.0, 1e-6, 1e20, -1e-9]), ((50.0, 1.0), POS_X)], bad=[(0.0, 1.0), (1.0, 0.0), (3.0, -1.0)])

spec("Weibull", inside=nonnegative, logp=lambda x, a, s: log(a / s) + xlogy(a - 1, x / s) - (x / s) ** a, cdf=split(0, lambda x, a, s: -mp.expm1(-((x / s) ** a))),
     mean=lambda a, s: s * mp.gamma(1 + 1 / a), variance=lambda a, s: s * s * (mp.gamma(1 + 2 / a) - mp.gamma(1 + 1 / a) ** 2),
     cases=[((2.0, 3.0), POS_X + [0.0]), ((1.0, 0.5), [0.0, 0.5, 1.0, 20.0, 1e-9, 3.3, -0.1]), ((0.4, 2.0), POS_X), ((25.0, 10.0), [9.0, 10.0, 11.0, 12.0, 5.0, 1.0, -1.0])],
     bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])

spec("Frechet", inside=positive, logp=lambda x, a, s: log(a / s) - (a + 1) * log(x / s) - (x / s) ** -a, cdf=split(0, lambda x, a, s: mp.exp(-((x / s) ** -a))),
     mean=lambda a, s: s * mp.gamma(1 - 1 / a) if a > 1 else mp.inf,
     variance=lambda a, s: s * s * (mp.gamma(1 - 2 / a) - mp.gamma(1 - 1 / a) ** 2) if a > 2 else mp.inf,
     cases=[((2.0, 3.0), [1.5, 3.0, 0.5, 10.0, 1e6, 0.2, 0.0]), ((3.5, 1.0), [1.5, 3.0, 0.5, 10.0, 1e6, 0.2, -1.0]), ((0.8, 2.0), [1.5, 3.0, 0.5, 10.0, 1e6, 0.2, -1.0]), ((20.0, 5.0), [5.0, 4.5, 6.0, 10.0, 100.0, 4.0, -1.0])],
     bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])

spec("Exponential", inside=nonnegative, logp=lambda x, r: log(r) - r * x, cdf=split(0, lambda x, r: -mp.expm1(-r * x)), mean=lambda r: 1 / r, variance=lambda r: 1 / r ** 2,
     cases=[((1.0,), POS_X + [0.0]), ((2.5,), POS_X + [1e-12]), ((0.01,), POS_X + [5000.0])], bad=[(0.0,), (-1.0,), (INF,)])

gamma_logp = lambda x, a, b: a * log(b) - lgamma(a) + (a - 1) * log(x) - b * x
inverse_gamma_logp = lambda x, a, b: a * log(b) - lgamma(a) - (a + 1) * log(x) - b / x
small = lambda inner: lambda x, a, *r: inner(x, a, *r) if a < 1e4 else None

spec("Gamma", inside=positive, logp=gamma_logp, cdf=split(0, small(lambda x, a, b: gamma_p(a, b * x))), mean=lambda a, b: a / b, variance=lambda a, b: a / b ** 2,
     cases=[((2.0, 3.0), POS_X + [0.0]), ((0.1, 1.0), POS_X + [1e-100]), ((1.0, 0.5), POS_X), ((15.9, 2.0), POS_X), ((16.0, 2.0), POS_X), ((500.0, 10.0), [50.0, 45.0, 60.0, 10.0, 200.0, 1e-3, -1.0]),
            ((1e10, 1.0), [1e10, 1.00001e10, 9.9999e9, 1.0001e10, 9e9, 1e3, -1.0]), ((1e15, 2.0), [5e14, 500000010000000.0, 499999900000000.0, 6e14, 1e14, 1.0, -1.0])],
     bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (1.0, INF)])

spec("InverseGamma", inside=positive, logp=inverse_gamma_logp, cdf=split(0, small(lambda x, a, b: gamma_q(a, b / x))),
     mean=lambda a, b: b / (a - 1) if a > 1 else mp.inf, variance=lambda a, b: b * b / ((a - 1) ** 2 * (a - 2)) if a > 2 else mp.inf,
     cases=[((2.0, 3.0), POS_X + [0.0]), ((0.3, 1.0), POS_X), ((5.5, 0.5), POS_X), ((300.0, 600.0), [2.0, 1.8, 2.5, 1.0, 4.0, 0.01, -1.0])], bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])

spec("ChiSquared", inside=positive, logp=lambda x, n: gamma_logp(x, n / 2, M(1) / 2), cdf=split(0, lambda x, n: gamma_p(n / 2, x / 2)), mean=lambda n: n, variance=lambda n: 2 * n,
     cases=[((3.0,), POS_X + [0.0]), ((0.5,), POS_X), ((100.0,), [100.0, 90.0, 130.0, 1.0, 300.0, 10.0, -1.0])], bad=[(0.0,), (-1.0,), (INF,)])

spec("InverseChiSquared", inside=positive, logp=lambda x, n: inverse_gamma_logp(x, n / 2, M(1) / 2), cdf=split(0, lambda x, n: gamma_q(n / 2, 1 / (2 * x))),
     mean=lambda n: 1 / (n - 2) if n > 2 else mp.inf, variance=lambda n: 2 / ((n - 2) ** 2 * (n - 4)) if n > 4 else mp.inf,
     cases=[((3.0,), POS_X + [0.0]), ((1.5,), POS_X), ((80.0,), [0.0125, 0.01, 0.02, 0.1, 1.0, 0.003, -1.0])], bad=[(0.0,), (-1.0,)])

spec("ScaledInverseChiSquared", inside=positive, logp=lambda x, n, s: inverse_gamma_logp(x, n / 2, n * s * s / 2), cdf=split(0, lambda x, n, s: gamma_q(n / 2, n * s * s / (2 * x))),
     mean=lambda n, s: n * s * s / (n - 2) if n > 2 else mp.inf, variance=lambda n, s: 2 * n ** 2 * s ** 4 / ((n - 2) ** 2 * (n - 4)) if n > 4 else mp.inf,
     cases=[((3.0, 2.0), POS_X + [0.0]), ((1.5, 0.5), POS_X), ((80.0, 1.5), [2.25, 2.0, 3.0, 10.0, 1.0, 0.5, -1.0])], bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])

spec("Pareto", inside=lambda x, y, a: bool(mp.isfinite(x) and x >= y), logp=lambda x, y, a: log(a) + a * log(y) - (a + 1) * log(x),
     cdf=lambda x, y, a: M(0) if x <= y else 1 - (y / x) ** a, mean=lambda y, a: a * y / (a - 1) if a > 1 else mp.inf,
     variance=lambda y, a: a * y * y / ((a - 1) ** 2 * (a - 2)) if a > 2 else mp.inf,
     cases=[((1.0, 3.0), [1.0, 1.5, 2.0, 10.0, 1e6, 1.0000001, 0.5]), ((2.5, 0.5), [2.5, 3.0, 20.0, 10.0, 1e6, 1e100, 0.5]), ((0.1, 1.5), [0.1, 0.2, 2.0, 10.0, 1e6, 0.11, -1.0])], bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])

spec("Lomax", inside=nonnegative, logp=lambda x, s, a: log(a / s) - (a + 1) * mp.log1p(x / s), cdf=lambda x, s, a: M(0) if x <= 0 else M(1) if x == mp.inf else 1 - (1 + x / s) ** -a,
     mean=lambda s, a: s / (a - 1) if a > 1 else mp.inf, variance=lambda s, a: s * s * a / ((a - 1) ** 2 * (a - 2)) if a > 2 else mp.inf,
     cases=[((1.0, 3.0), [0.0, 1e-12, 0.5, 2.0, 10.0, 1e6, -0.5]), ((2.5, 0.5), [0.0, 3.0, 20.0, 10.0, 1e6, 1e100, -0.5]), ((0.1, 1.5), [1e-9, 0.2, 2.0, 10.0, 1e6, 0.11, -1.0])], bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)])

spec("Rayleigh", inside=nonnegative, logp=lambda x, s: log(x) - 2 * log(s) - (x / s) ** 2 / 2, cdf=split(0, lambda x, s: -mp.expm1(-((x / s) ** 2) / 2)),
     mean=lambda s: s * mp.sqrt(PI / 2), variance=lambda s: (4 - PI) / 2 * s * s,
     cases=[((1.0,), POS_X + [0.0]), ((2.5,), POS_X), ((0.1,), [0.1, 0.3, 1.0, 1e-5, 0.05, 2.0, -1.0])], bad=[(0.0,), (-1.0,), (NAN,)])

spec("InverseGaussian", inside=positive, logp=lambda x, m, l: log(l / (2 * PI * x ** 3)) / 2 - l * (x - m) ** 2 / (2 * m * m * x),
     cdf=split(0, lambda x, m, l: Phi(mp.sqrt(l / x) * (x / m - 1)) + mp.exp(2 * l / m) * Phi(-mp.sqrt(l / x) * (x / m + 1))), mean=lambda m, l: m, variance=lambda m, l: m ** 3 / l,
     cases=[((1.0, 2.0), [1.0, 0.5, 2.3, 7.5, 1e-3, 40.0, -1.0, 0.0]), ((3.0, 0.5), [1.0, 0.5, 2.3, 7.5, 1e-2, 40.0, -1.0]), ((2.0, 5000.0), [2.0, 1.9, 2.2, 1.0, 3.0, 2.01, -1.0])], bad=[(0.0, 1.0), (1.0, 0.0), (1.0, -1.0)])

# ---- over an interval

spec("Uniform", inside=lambda x, a, b: bool(a <= x <= b), logp=lambda x, a, b: -log(b - a), cdf=lambda x, a, b: min(M(1), max(M(0), (x - a) / (b - a))),
     mean=lambda a, b: (a + b) / 2, variance=lambda a, b: (b - a) ** 2 / 12,
     cases=[((0.0, 1.0), [0.0, 1.0, 0.5, 0.25, 1e-10, 0.999, -0.1, 1.1]), ((-1.0, 3.0), [-1.0, 3.0, 0.5, 0.25, 1e-10, 2.0, -1.1, 3.1]), ((-2e5, -1e5), [-2e5, -1.5e5, -1e5, -1.2e5, -1.9e5, -1.1e5, 0.0])],
     bad=[(1.0, 1.0), (2.0, 1.0), (0.0, INF), (NAN, 1.0)])

beta_logp = lambda x, a, b: xlogy(a - 1, x) + xlogy(b - 1, 1 - x) - lbeta(a, b)
BETA_X = [0.25, 0.5, 0.75, 1e-6, 0.999, 0.01, 0.0, 1.0, -0.1, 1.1]
beta_cdf = lambda x, a, b: M(0) if x <= 0 else M(1) if x >= 1 else inc_beta(a, b, x) if a + b < 1e4 else None
beta_var = lambda a, b: a * b / ((a + b) ** 2 * (a + b + 1))

spec("Beta", inside=unit, logp=beta_logp, cdf=beta_cdf, mean=lambda a, b: a / (a + b), variance=beta_var,
     cases=[((2.0, 3.0), BETA_X), ((1.0, 1.0), BETA_X), ((0.5, 0.5), BETA_X[:6] + [-0.1]), ((1.0, 5.0), BETA_X), ((0.1, 40.0), BETA_X[:6] + [-0.1]), ((200.0, 300.0), [0.4, 0.41, 0.3, 0.6, 0.01, 0.99, 2.0]),
            ((1e9, 1e9), [0.5, 0.50001, 0.4999, 0.51, 0.1, 0.9, 2.0]), ((2.0, 1e12), [1e-12, 2e-12, 1e-11, 1e-10, 1e-14, 1e-3, 2.0])],
     bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0), (INF, 1.0)])

spec("BetaProportion", inside=unit, logp=lambda x, m, k: beta_logp(x, m * k, (1 - m) * k), cdf=lambda x, m, k: beta_cdf(x, m * k, (1 - m) * k),
     mean=lambda m, k: m, variance=lambda m, k: m * (1 - m) / (1 + k),
     cases=[((0.25, 8.0), BETA_X), ((0.5, 0.5), BETA_X[:6] + [-0.1]), ((0.75, 1000.0), [0.75, 0.76, 0.7, 0.5, 0.9, 0.99, 1.1])], bad=[(0.0, 1.0), (1.0, 1.0), (1.5, 1.0), (0.5, 0.0)])

spec("VonMises", inside=lambda x, *a: bool(abs(x) <= M(math.pi)), logp=lambda x, m, k: k * mp.cos(x - m) - log(2 * PI) - log(mp.besseli(0, k)),
     cases=[((0.0, 2.0), [0.0, 1.0, -1.0, 3.1, -3.1, math.pi, 3.2, -4.0]), ((1.5, 0.01), [0.0, 1.0, -1.0, 3.1, -3.1, 0.5, 3.2]), ((-2.0, 150.0), [-2.0, -1.9, -2.5, 0.0, 3.1, -3.1, 3.2]), ((0.5, 1e6), [0.5, 0.501, 0.499, 0.0, 3.0, -1.0, 7.0])],
     bad=[(0.0, 0.0), (0.0, -1.0), (INF, 1.0)])

# ---- discrete

spec("Flip", inside=lambda x, p: isinstance(x, bool), logp=lambda x, p: log(p) if x else log(1 - p), mean=lambda p: p, variance=lambda p: p * (1 - p),
     cases=[((0.25,), [True, False]), ((0.0,), [True, False]), ((1.0,), [True, False]), ((1e-20,), [True, False])], bad=[(-0.1,), (1.1,), (NAN,)], discrete=True)

spec("Bernoulli", inside=lambda x, p: x in (0, 1), logp=lambda x, p: log(p) if x == 1 else log(1 - p), cdf=counted(lambda x, p: 1 - p if x == 0 else M(1)),
     mean=lambda p: p, variance=lambda p: p * (1 - p),
     cases=[((0.25,), [0, 1, 2, -1]), ((0.0,), [0, 1, 2, -1]), ((1.0,), [0, 1, 2, -1]), ((1e-20,), [0, 1, 2])], bad=[(-0.1,), (1.1,), (NAN,)], discrete=True)

spec("BernoulliLogit", inside=lambda x, a: x in (0, 1), logp=lambda x, a: -mp.log1p(mp.exp(-a if x == 1 else a)), cdf=counted(lambda x, a: 1 / (1 + mp.exp(a)) if x == 0 else M(1)),
     mean=lambda a: 1 / (1 + mp.exp(-a)), variance=lambda a: 1 / ((1 + mp.exp(-a)) * (1 + mp.exp(a))),
     cases=[((0.0,), [0, 1, 2, -1]), ((1.5,), [0, 1, 2, -1]), ((-40.0,), [0, 1, 2]), ((800.0,), [0, 1, 2])], bad=[(INF,), (NAN,)], discrete=True)

binomial_logp = lambda x, n, p: lchoose(n, x) + xlogy(M(x), p) + xlogy(M(n - x), 1 - p)
binomial_cdf = lambda x, n, p: M(1) if x >= n else inc_beta(n - x, x + 1, 1 - p) if n < 5000 else None
up_to = lambda x, n, *a: isinstance(x, int) and 0 <= x <= n

spec("Binomial", inside=up_to, logp=binomial_logp, cdf=counted(binomial_cdf), mean=lambda n, p: n * p, variance=lambda n, p: n * p * (1 - p),
     cases=[((10, 0.25), [0, 1, 3, 7, 10, -1, 11]), ((0, 0.3), [0, 1, -1]), ((5, 0.0), [0, 1, 5, 6]), ((5, 1.0), [0, 4, 5, 6]), ((31, 0.5), [0, 15, 31, 20, 1, 30, 32]), ((1000, 0.1), [100, 90, 130, 0, 1000, 500, 1001]),
            ((1000000, 1e-6), [0, 1, 5, 20, 1000000, 500000, -1]), ((10**9, 0.75), [750000000, 750010000, 749900000, 0, 10**9, 1, -1]),
            ((10**15, 0.25), [250000000000000, 250000010000000, 249999900000000, 0, 10**15, 10**14, -1]), ((10**15, 1e-15), [0, 1, 3, 10, 100, 10**15, -1])],
     bad=[(-1, 0.5), (5, -0.1), (5, 1.1), (5, NAN)], discrete=True)

expit = lambda a: 1 / (1 + mp.exp(-a))
spec("BinomialLogit", inside=up_to, logp=lambda x, n, a: lchoose(n, x) - x * mp.log1p(mp.exp(-a)) - (n - x) * mp.log1p(mp.exp(a)), cdf=counted(lambda x, n, a: binomial_cdf(x, n, expit(a))),
     mean=lambda n, a: n * expit(a), variance=lambda n, a: n * expit(a) * expit(-a),
     cases=[((10, 0.5), [0, 1, 3, 7, 10, -1, 11]), ((0, 0.3), [0, 1, -1]), ((5, -750.0), [0, 1, 5, 6]), ((5, 750.0), [0, 4, 5, 6]), ((1000, -2.0), [119, 100, 150, 0, 1000, 500, 1001]),
            ((10**9, 0.0), [500000000, 500010000, 499900000, 0, 10**9, 1, -1]), ((10**12, -27.0), [0, 1, 2, 10, 100, 10**12, -1])],
     bad=[(-1, 0.5), (5, INF)], discrete=True)


def beta_binomial_logp(x, n, a, b):
    return lchoose(n, x) + lbeta(x + a, n - x + b) - lbeta(a, b)


def summed(logp):
    return lambda x, *a: mp.fsum(mp.exp(logp(k, *a)) for k in range(int(x) + 1)) if x < 2000 else None


spec("BetaBinomial", inside=up_to, logp=beta_binomial_logp, cdf=counted(lambda x, n, a, b: M(1) if x >= n else summed(beta_binomial_logp)(x, n, a, b)),
     mean=lambda n, a, b: n * a / (a + b), variance=lambda n, a, b: n * a * b * (a + b + n) / ((a + b) ** 2 * (a + b + 1)),
     cases=[((10, 2.0, 3.0), [0, 1, 4, 7, 10, -1, 11]), ((0, 2.0, 3.0), [0, 1, -1]), ((50, 0.1, 0.2), [0, 1, 20, 49, 50, 25, 51]), ((40, 1e8, 3e8), [0, 10, 12, 20, 40, 5, -1]), ((10**8, 5.0, 2.0), [0, 10**8, 7 * 10**7, 10**5, 5 * 10**7, 99999999, -1])],
     bad=[(-1, 1.0, 1.0), (5, 0.0, 1.0), (5, 1.0, -1.0)], discrete=True)

category = lambda x, p: isinstance(x, int) and 0 <= x < len(p)
cat_cdf = lambda x, p: mp.fsum(p[: int(min(x, len(p))) + 1])
cat_mean = lambda p: mp.fsum(k * v for k, v in enumerate(p))
cat_var = lambda p: mp.fsum(k * k * v for k, v in enumerate(p)) - cat_mean(p) ** 2
softmax = lambda b: [mp.exp(v) / mp.fsum(mp.exp(w) for w in b) for v in b]

spec("Categorical", inside=category, logp=lambda x, p: log(p[x]), cdf=counted(cat_cdf), mean=cat_mean, variance=cat_var,
     cases=[(([0.25, 0.5, 0.25],), [0, 1, 2, 3, -1]), (([1.0],), [0, 1, -1]), (([0.0, 0.125, 0.875],), [0, 1, 2, 3]), (([0.5, 0.25, 0.125, 0.0625, 0.0625],), [0, 1, 2, 3, 4, 5])],
     bad=[([0.5, 0.4],), ([1.5, -0.5],), ([0.5, NAN],), ([],)], discrete=True)

spec("CategoricalLogit", inside=category, logp=lambda x, b: log(softmax(b)[x]), cdf=counted(lambda x, b: cat_cdf(x, softmax(b))), mean=lambda b: cat_mean(softmax(b)), variance=lambda b: cat_var(softmax(b)),
     cases=[(([0.5, -1.0, 2.0],), [0, 1, 2, 3, -1]), (([3.0],), [0, 1, -1]), (([1000.0, 1001.0, 0.0],), [0, 1, 2, 3]), (([0.0, 0.0, 0.0, 0.0],), [0, 1, 2, 3, 4])], bad=[([],), ([INF, 0.0],)], discrete=True)


def ordered_probs(eta, c):
    s = [expit(eta - v) for v in c]
    t = [expit(v - eta) for v in c]
    return [t[0]] + [s[k - 1] - s[k] for k in range(1, len(c))] + [s[-1]]


spec("OrderedLogistic", inside=lambda x, e, c: isinstance(x, int) and 0 <= x <= len(c), logp=lambda x, e, c: log(ordered_probs(e, c)[x]),
     cdf=counted(lambda x, e, c: M(1) if x >= len(c) else expit(c[int(x)] - e)), mean=lambda e, c: cat_mean(ordered_probs(e, c)), variance=lambda e, c: cat_var(ordered_probs(e, c)),
     cases=[((0.5, [-1.0, 0.0, 2.0]), [0, 1, 2, 3, 4, -1]), ((0.0, [0.25]), [0, 1, 2, -1]), ((30.0, [-2.0, -1.5, 3.0]), [0, 1, 2, 3, 4]), ((-40.0, [-1.0, 0.0, 0.001, 10.0]), [0, 1, 2, 3, 4, 5])],
     bad=[(INF, [0.0, 1.0]), (0.0, [1.0, 0.0]), (0.0, [1.0, 1.0]), (0.0, [])], discrete=True)

poisson_logp = lambda x, r: xlogy(M(x), r) - r - lgamma(M(x) + 1)
poisson_cdf = lambda x, r: M(1) if x == mp.inf else gamma_q(x + 1, r) if x < 5000 and r < 5000 else None

spec("Poisson", inside=natural, logp=poisson_logp, cdf=counted(poisson_cdf), mean=lambda r: r, variance=lambda r: r,
     cases=[((2.5,), [0, 1, 3, 15, 16, 40, -1]), ((0.0,), [0, 1, 5, -1]), ((1e-10,), [0, 1, 2, 3, 50, 10, -1]), ((300.0,), [300, 280, 350, 0, 1000, 5, -1]), ((1e6,), [10**6, 1001000, 990000, 0, 10**5, 10**7, -1]),
            ((1e15,), [10**15, 10**15 + 3 * 10**7, 10**15 - 10**8, 0, 10**14, 2 * 10**15, -1])], bad=[(-1.0,), (INF,), (NAN,)], discrete=True)

spec("PoissonLog", inside=natural, logp=lambda x, a: x * a - mp.exp(a) - lgamma(M(x) + 1), cdf=counted(lambda x, a: poisson_cdf(x, mp.exp(a))), mean=lambda a: mp.exp(a), variance=lambda a: mp.exp(a),
     cases=[((1.0,), [0, 1, 3, 15, 16, 40, -1]), ((-20.0,), [0, 1, 2, 3, 50, 10, -1]), ((-800.0,), [0, 1, 20, -1]), ((6.0,), [403, 380, 450, 0, 1000, 5, -1]), ((16.0,), [8886110, 8890000, 8880000, 0, 10**6, 10**8, -1])], bad=[(INF,), (NAN,)], discrete=True)


def nb_logp(x, a, p, q):
    return lgamma(x + a) - lgamma(M(x) + 1) - lgamma(a) + a * log(p) + xlogy(M(x), q)


spec("NegativeBinomial", inside=natural, logp=lambda x, a, b: nb_logp(x, a, b / (b + 1), 1 / (b + 1)), cdf=counted(lambda x, a, b: inc_beta(a, x + 1, b / (b + 1)) if a < 5000 and x < 5000 else None),
     mean=lambda a, b: a / b, variance=lambda a, b: a / b ** 2 * (b + 1),
     cases=[((2.0, 0.5), [0, 1, 3, 15, 40, 300, -1]), ((0.1, 2.0), [0, 1, 2, 3, 50, 10, -1]), ((100.0, 0.25), [400, 350, 500, 0, 1000, 5, -1]), ((1e9, 1e8), [0, 1, 10, 12, 5, 40, -1]), ((5.0, 1e-7), [0, 1, 5 * 10**7, 4 * 10**7, 10**8, 10**9, -1])],
     bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)], discrete=True)

spec("BetaNegativeBinomial", inside=natural, logp=lambda x, r, a, b: lgamma(M(x) + r) - lgamma(M(x) + 1) - lgamma(r) + lbeta(a + r, b + x) - lbeta(a, b),
     mean=lambda r, a, b: r * b / (a - 1) if a > 1 else mp.inf, variance=lambda r, a, b: r * (a + r - 1) * b * (a + b - 1) / ((a - 2) * (a - 1) ** 2) if a > 2 else mp.inf,
     cases=[((2.0, 3.0, 4.0), [0, 1, 3, 15, 40, 300, -1]), ((1.0, 0.5, 0.5), [0, 1, 2, 3, 50, 10**6, -1]), ((1e6, 1e8, 3e8), [3 * 10**6, 2990000, 3100000, 0, 10**6, 10**7, -1]), ((5.5, 1.5, 1e7), [0, 1, 10**8, 10**7, 10**9, 10**6, -1])],
     bad=[(0.0, 1.0, 1.0), (1.0, 0.0, 1.0), (1.0, 1.0, -1.0)], discrete=True)

spec("NegativeBinomialMean", inside=natural, logp=lambda x, m, f: nb_logp(x, f, f / (m + f), m / (m + f)), cdf=counted(lambda x, m, f: inc_beta(f, x + 1, f / (m + f)) if f < 5000 and x < 5000 else None),
     mean=lambda m, f: m, variance=lambda m, f: m + m * m / f,
     cases=[((4.0, 2.0), [0, 1, 3, 15, 40, 300, -1]), ((0.05, 0.1), [0, 1, 2, 3, 50, 10, -1]), ((400.0, 100.0), [400, 350, 500, 0, 1000, 5, -1]), ((10.0, 1e9), [0, 1, 10, 12, 5, 40, -1]), ((1e6, 3.5), [0, 1, 10**6, 10**5, 10**7, 700000, -1])],
     bad=[(0.0, 1.0), (1.0, 0.0), (-1.0, 1.0)], discrete=True)

spec("Geometric", inside=natural, logp=lambda x, p: log(p) + xlogy(M(x), 1 - p), cdf=counted(lambda x, p: 1 - (1 - p) ** (x + 1)), mean=lambda p: (1 - p) / p, variance=lambda p: (1 - p) / p ** 2,
     cases=[((0.25,), [0, 1, 3, 15, 40, 300, -1]), ((1.0,), [0, 1, 5, -1]), ((1e-9,), [0, 1, 10**9, 10**6, 10**10, 5, -1]), ((0.9,), [0, 1, 3, 15, 40, 300, -1])], bad=[(0.0,), (1.1,), (-0.5,)], discrete=True)


def hyper_logp(x, n, a, b):
    return lchoose(a, x) + lchoose(b, n - x) - lchoose(a + b, n)


def hyper_cdf(x, n, a, b):
    low = max(0, n - b)
    if x - low > 2000:
        return M(1) if x >= min(a, n) else None
    return mp.fsum(mp.exp(hyper_logp(k, n, a, b)) for k in range(low, int(min(x, a, n)) + 1))


spec("Hypergeometric", inside=lambda x, n, a, b: isinstance(x, int) and max(0, n - b) <= x <= min(a, n), logp=hyper_logp, cdf=counted(hyper_cdf),
     mean=lambda n, a, b: M(n) * a / (a + b) if n else M(0), variance=lambda n, a, b: M(n) * a * b * (a + b - n) / (M(a + b) ** 2 * (a + b - 1)) if a + b > 1 else M(0),
     cases=[((5, 6, 8), [0, 1, 2, 3, 5, -1, 6]), ((10, 6, 8), [2, 3, 4, 5, 6, 1, 7]), ((0, 3, 4), [0, 1, -1]), ((7, 3, 4), [3, 2, 4]), ((1000, 3000, 7000), [300, 280, 330, 0, 1000, 150, 1001]), ((10**8, 3 * 10**8, 7 * 10**8), [3 * 10**7, 30010000, 29990000, 0, 10**8, 10**7, -1]), ((1, 1, 0), [1, 0])],
     bad=[(-1, 3, 4), (8, 3, 4), (1, -1, 4), (1, 4, -1)], discrete=True)

spec("DiscreteUniform", inside=lambda x, a, b: isinstance(x, int) and a <= x <= b, logp=lambda x, a, b: -log(M(b - a + 1)), cdf=lambda x, a, b: min(M(1), max(M(0), (mp.floor(x) - a + 1) / (b - a + 1))),
     mean=lambda a, b: M(a + b) / 2, variance=lambda a, b: (M(b - a + 1) ** 2 - 1) / 12,
     cases=[((1, 6), [1, 2, 3, 4, 5, 6, 0, 7]), ((-3, -3), [-3, -2, -4]), ((-10**9, 10**9), [0, 1, -5, 10**9, -10**9, 10**9 + 1])], bad=[(2, 1)], discrete=True)

counts_of = lambda x, k, n: isinstance(x, list) and len(x) == k and all(isinstance(v, int) and v >= 0 for v in x) and sum(x) == n

spec("Multinomial", inside=lambda x, n, p: counts_of(x, len(p), n), logp=lambda x, n, p: lgamma(M(n) + 1) + mp.fsum(xlogy(M(v), w) - lgamma(M(v) + 1) for v, w in zip(x, p)) if all(w > 0 or v == 0 for v, w in zip(x, p)) else -mp.inf,
     mean=lambda n, p: [n * v for v in p], variance=lambda n, p: [n * v * (1 - v) for v in p],
     cases=[((4, [0.25, 0.25, 0.5]), [[1, 0, 3], [4, 0, 0], [0, 0, 4], [1, 1, 2], [2, 2, 0], [1, 1, 1], [-1, 2, 3], [2, 2]]), ((0, [0.5, 0.5]), [[0, 0], [1, 0]]), ((3, [0.0, 1.0]), [[0, 3], [1, 2], [3, 0]]),
            ((1000000, [0.25, 0.125, 0.625]), [[250000, 125000, 625000], [250100, 124950, 624950], [0, 0, 1000000], [1, 1, 999998], [300000, 100000, 600000], [249000, 126000, 625000]])],
     bad=[(-1, [0.5, 0.5]), (3, [0.5, 0.4]), (3, [-0.5, 1.5])], discrete=True)

spec("DirichletMultinomial", inside=lambda x, n, a: counts_of(x, len(a), n), logp=lambda x, n, a: lgamma(M(n) + 1) + lgamma(mp.fsum(a)) - lgamma(n + mp.fsum(a)) + mp.fsum(lgamma(v + w) - lgamma(w) - lgamma(M(v) + 1) for v, w in zip(x, a)),
     mean=lambda n, a: [n * v / mp.fsum(a) for v in a], variance=lambda n, a: (lambda t: [n * (v / t) * (1 - v / t) * (n + t) / (1 + t) for v in a])(mp.fsum(a)),
     cases=[((4, [1.0, 2.0, 0.5]), [[1, 0, 3], [4, 0, 0], [0, 0, 4], [1, 1, 2], [2, 2, 0], [1, 1, 1], [-1, 2, 3], [2, 2]]), ((0, [0.5, 0.5]), [[0, 0], [1, 0]]), ((1000, [1e7, 2e7, 1e7]), [[250, 500, 250], [240, 520, 240], [0, 1000, 0], [300, 400, 300], [1000, 0, 0], [1, 998, 1], [1, 1, 1]]),
            ((10**7, [0.1, 3.0]), [[0, 10**7], [10**7, 0], [5, 9999995], [10**6, 9 * 10**6], [5 * 10**6, 5 * 10**6], [1, 9999999]])],
     bad=[(-1, [0.5, 0.5]), (3, [0.5, 0.0]), (3, [-0.5, 1.5]), (3, [])], discrete=True)

# ---- over vectors and matrices

simplex = lambda x, k: len(x) == k and all(v >= 0 for v in x) and abs(mp.fsum(x) - 1) < 1e-8
vector = lambda x, k: isinstance(x, list) and len(x) == k and all(mp.isfinite(v) for v in x)

spec("Dirichlet", inside=lambda x, a: simplex(x, len(a)), logp=lambda x, a: lgamma(mp.fsum(a)) + mp.fsum(xlogy(w - 1, v) - lgamma(w) for v, w in zip(x, a)),
     mean=lambda a: [v / mp.fsum(a) for v in a], variance=lambda a: (lambda t: [v / t * (1 - v / t) / (t + 1) for v in a])(mp.fsum(a)),
     cases=[(([1.0, 2.0, 3.0],), [[0.25, 0.25, 0.5], [0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.125, 0.125, 0.75], [0.75, 0.125, 0.125], [0.0625, 0.9375, 0.0], [0.5, 0.6, 0.1], [0.5, 0.5]]),
            (([0.5, 0.25],), [[0.5, 0.5], [0.25, 0.75], [0.875, 0.125], [0.0009765625, 0.9990234375], [0.96875, 0.03125], [0.75, 0.25], [1.5, -0.5]]),
            (([1e6, 2e6, 1e6],), [[0.25, 0.5, 0.25], [0.2501, 0.4998, 0.2501], [0.125, 0.75, 0.125], [0.25, 0.25, 0.5], [0.249, 0.502, 0.249], [0.5, 0.25, 0.25], [0.5, 0.5, 0.5]]), (([2.0],), [[1.0], [0.5]])],
     bad=[([1.0, 0.0],), ([-1.0, 1.0],), ([],), ([INF, 1.0],)])

mat = lambda a: mp.matrix(a)


def normal_quadratic(x, m, s):
    d = mp.matrix([v - w for v, w in zip(x, m)])
    return (d.T * mp.inverse(mat(s)) * d)[0]


def mvn(x, m, s):
    return -normal_quadratic(x, m, s) / 2 - log(mp.det(mat(s))) / 2 - len(m) * log(2 * PI) / 2


def product(a, b):
    p = mat(a) * mat(b)
    return [[p[i, j] for j in range(p.cols)] for i in range(p.rows)]


transpose = lambda a: [list(r) for r in zip(*a)]
inverse = lambda a: (lambda p: [[p[i, j] for j in range(p.cols)] for i in range(p.rows)])(mp.inverse(mat(a)))
diagonal = lambda a: [a[i][i] for i in range(len(a))]
S2 = [[2.0, 0.5], [0.5, 1.0]]
S3 = [[4.0, 1.5, -0.5], [1.5, 2.0, 0.25], [-0.5, 0.25, 0.75]]
M2, M3 = [1.0, -1.0], [0.0, 2.5, -3.0]
X2 = [[0.0, 0.5], [1.0, -1.0], [10.0, -20.0], [0.125, 3.5], [-300.0, 200.0], [1.5, -0.5], [INF, 0.0], [0.0]]
X3 = [[0.0, 0.5, 1.0], [0.0, 2.5, -3.0], [10.0, -20.0, 5.0], [0.125, 3.5, -2.0], [-300.0, 200.0, 7.0], [1.5, -0.5, 0.0], [0.0, NAN, 0.0]]
L2 = [[2.0, 0.0], [0.5, 1.0]]
L3 = [[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [-1.5, 0.25, 0.125]]
NOT = [[1.0, 2.0], [2.0, 1.0]]
ASYMMETRIC = [[2.0, 0.5], [0.25, 1.0]]
one = lambda s: [([0.5], [[s]]), [[0.0], [0.5], [-3.0], [4.0], [100.0], [0.75], [-INF]]]

spec("MultiNormal", inside=lambda x, m, s: vector(x, len(m)), logp=mvn, mean=lambda m, s: m, variance=lambda m, s: diagonal(s),
     cases=[((M2, S2), X2), ((M3, S3), X3), one(2.25)], bad=[(M2, NOT), (M2, ASYMMETRIC), (M3, S2), ([INF, 0.0], S2)])
spec("MultiNormalPrecision", inside=lambda x, m, s: vector(x, len(m)), logp=lambda x, m, s: mvn(x, m, inverse(s)), mean=lambda m, s: m, variance=lambda m, s: diagonal(inverse(s)),
     cases=[((M2, S2), X2), ((M3, S3), X3), one(2.25)], bad=[(M2, NOT), (M2, ASYMMETRIC), (M3, S2)])
spec("MultiNormalCholesky", inside=lambda x, m, s: vector(x, len(m)), logp=lambda x, m, s: mvn(x, m, product(s, transpose(s))), mean=lambda m, s: m, variance=lambda m, s: diagonal(product(s, transpose(s))),
     cases=[((M2, L2), X2), ((M3, L3), X3), one(1.5)], bad=[(M2, S2), (M2, [[1.0, 0.0], [0.0, -1.0]]), (M3, L2)])
spec("MultiStudentT", inside=lambda x, n, m, s: vector(x, len(m)),
     logp=lambda x, n, m, s: lgamma((n + len(m)) / 2) - lgamma(n / 2) - len(m) * log(n * PI) / 2 - log(mp.det(mat(s))) / 2 - (n + len(m)) / 2 * mp.log1p(normal_quadratic(x, m, s) / n),
     mean=lambda n, m, s: m if n > 1 else [mp.nan] * len(m), variance=lambda n, m, s: [v * n / (n - 2) for v in diagonal(s)] if n > 2 else [mp.inf if n > 1 else mp.nan] * len(m),
     cases=[((4.0, M2, S2), X2), ((1.0, M3, S3), X3), ((1e10, M3, S3), X3[:4]), ((1.5, [0.5], [[2.0]]), [[0.0], [0.5], [-3.0], [4.0], [100.0], [0.75], [-INF]])], bad=[(0.0, M2, S2), (4.0, M2, NOT), (4.0, M3, S2)])


def walk(x, n, s, d):
    return d.logp(x[0]) + mp.fsum(phi_log((b - a) / s) - log(s) for a, b in zip(x, x[1:]))


def make_composites():
    N = lambda *a: Ref("Normal", *a)
    spec("GaussianRandomWalk", inside=lambda x, n, s, d: vector(x, n), logp=walk, mean=lambda n, s, d: [d.mean()] * n, variance=lambda n, s, d: [d.variance() + t * s * s for t in range(n)],
         cases=[((3, 0.5, N(0.0, 1.0)), [[0.5, 1.0, 0.25], [0.0, 0.0, 0.0], [10.0, -10.0, 10.0], [0.5, 0.5, 0.625], [1.0, 2.0, 3.0], [-4.0, 0.0, 0.125], [1.0, 2.0], [0.0, INF, 0.0]]), ((1, 2.0, N(1.0, 3.0)), [[0.5], [1.0], [40.0], [-1.0], [0.0], [3.5], [0.0, 1.0]]),
                ((2, 0.01, Ref("Cauchy", 0.0, 1.0)), [[0.5, 0.51], [0.0, 0.0], [3.0, 3.1], [1e5, 1e5], [-2.0, -2.02], [1.0, 0.0], [0.0]])],
         bad=[(0, 1.0, N(0.0, 1.0)), (3, 0.0, N(0.0, 1.0)), (-1, 1.0, N(0.0, 1.0))])

    def mixture_logp(x, w, ds):
        total = mp.fsum(v * mp.exp(d.logp(x)) for v, d in zip(w, ds) if v > 0)
        return log(total)

    mix_mean = lambda w, ds: mp.fsum(v * d.mean() for v, d in zip(w, ds))
    within = lambda d, x: d.spec.inside(x, *d.args)
    spec("Mixture", inside=lambda x, w, ds: any(within(d, x) for d in ds), logp=mixture_logp, cdf=lambda x, w, ds: mp.fsum(v * d.cdf(x) for v, d in zip(w, ds)), mean=mix_mean,
         variance=lambda w, ds: mp.fsum(v * (d.variance() + d.mean() ** 2) for v, d in zip(w, ds)) - mix_mean(w, ds) ** 2,
         cases=[(([0.25, 0.75], [N(-2.0, 1.0), N(3.0, 2.0)]), REAL_X), (([0.0, 1.0], [N(-2.0, 1.0), N(3.0, 2.0)]), REAL_X), (([0.5, 0.5], [Ref("Poisson", 2.5), Ref("Poisson", 40.0)]), [0, 3, 20, 40, 100, 1, -1]),
                (([0.125, 0.875], [Ref("Beta", 2.0, 3.0), Ref("Beta", 5.0, 1.0)]), [0.25, 0.5, 0.75, 1e-6, 0.999, 0.01, -0.1])],
         bad=[([0.5, 0.4], [N(0.0, 1.0), N(1.0, 1.0)]), ([1.0], [N(0.0, 1.0), N(1.0, 1.0)]), ([], [])])

    def mass(d, lower, upper):
        return d.cdf(upper) - d.before(lower)

    P3 = Ref("Poisson", 3.0)
    spec("Truncated", inside=lambda x, d, a, b: within(d, x) and a <= x <= b, logp=lambda x, d, a, b: d.logp(x) - log(mass(d, a, b)),
         cdf=lambda x, d, a, b: M(0) if x < a else M(1) if x >= b else mass(d, a, x) / mass(d, a, b),
         cases=[((N(0.0, 1.0), 2.0, INF), [2.0, 2.5, 3.0, 10.0, 2.0001, 30.0, 1.9, INF]), ((N(0.0, 1.0), 10.0, INF), [10.0, 10.1, 11.0, 12.0, 15.0, 20.0, 9.9]), ((N(1.0, 2.0), -INF, 0.5), [0.5, 0.0, -3.0, -20.0, 0.25, -1.0, 0.75]),
                ((N(0.0, 1.0), -1.0, 2.0), [-1.0, 0.0, 2.0, 1.5, -0.5, 1.9, -1.5, 2.5]), ((P3, 1.0, INF), [1, 2, 3, 10, 40, 5, 0, -1]), ((P3, -INF, 4.0), [0, 1, 2, 3, 4, 5]), ((P3, 20.0, 30.0), [20, 21, 25, 30, 19, 31]),
                ((Ref("Exponential", 0.5), 1.0, 4.0), [1.0, 2.0, 4.0, 3.5, 1.5, 1.01, 0.5, 4.5]), ((Ref("Logistic", 0.0, 1.0), 50.0, INF), [50.0, 51.0, 60.0, 100.0, 50.5, 55.0, 49.0])],
         bad=[(N(0.0, 1.0), 2.0, 1.0), (N(0.0, 1.0), 1.0, 1.0), (Ref("Exponential", 1.0), -2.0, -1.0), (N(0.0, 1.0), NAN, 1.0)])

    def censored(x, d, a, b):
        if x <= a:
            return log(d.cdf(a))
        return log(1 - d.before(b)) if x >= b else d.logp(x)

    spec("Censored", inside=lambda x, d, a, b: within(d, x) and a <= x <= b, logp=censored, cdf=lambda x, d, a, b: M(0) if x < a else M(1) if x >= b else d.cdf(x),
         cases=[((N(0.0, 1.0), -1.0, 2.0), [-1.0, 0.0, 2.0, 1.5, -0.5, 1.9, -1.5, 2.5]), ((N(1.0, 2.0), 0.0, INF), [0.0, 0.5, 3.0, 20.0, 0.01, 7.0, -0.5]), ((P3, 1, 5), [1, 2, 3, 4, 5, 0, 6]), ((N(0.0, 1.0), -INF, 9.0), [9.0, 0.0, -8.0, 8.0, 3.0, 1.0, 9.5])],
         bad=[(N(0.0, 1.0), 2.0, 1.0), (N(0.0, 1.0), 1.0, 1.0)])

    spec("OrderedVector", inside=lambda x, d, n: vector(x, n) and all(a < b for a, b in zip(x, x[1:])), logp=lambda x, d, n: lgamma(M(n) + 1) + mp.fsum(d.logp(v) for v in x),
         cases=[((N(0.0, 1.0), 2), [[-0.5, 1.0], [0.0, 3.0], [-20.0, 20.0], [1.0, 1.5], [0.25, 0.5], [-3.0, -2.0], [1.0, 0.0], [1.0, 1.0], [1.0]]), ((Ref("Exponential", 2.0), 3), [[0.5, 1.0, 2.0], [0.0, 1.0, 3.0], [0.125, 0.25, 0.375], [1.0, 10.0, 100.0], [0.1, 0.2, 0.3], [2.0, 3.0, 4.0], [-1.0, 1.0, 2.0]]),
                ((N(0.0, 1.0), 1), [[0.0], [1.0], [-5.0], [0.0, 1.0]])], bad=[(N(0.0, 1.0), -1)])

    spec("Iid", inside=lambda x, d, n: len(x) == n and all(within(d, v) for v in x), logp=lambda x, d, n: mp.fsum(d.logp(v) for v in x), mean=lambda d, n: [d.mean()] * n, variance=lambda d, n: [d.variance()] * n,
         cases=[((N(0.0, 1.0), 2), [[-0.5, 1.0], [0.0, 0.0], [30.0, -4.0], [1.0, 1.0], [2.0, 0.125], [-7.0, 7.0], [1.0], [INF, 0.0]]), ((P3, 3), [[0, 1, 2], [3, 3, 3], [10, 0, 5], [1, 1, 1], [7, 2, 30], [2, 4, 6], [-1, 0, 1]]), ((N(0.0, 1.0), 0), [[], [1.0]]), ((Ref("Flip", 0.25), 2), [[True, False], [True, True], [False, False]])],
         bad=[(N(0.0, 1.0), -1)])

    spec("Product", inside=lambda x, ds: len(x) == len(ds) and all(within(d, v) for d, v in zip(ds, x)), logp=lambda x, ds: mp.fsum(d.logp(v) for d, v in zip(ds, x)), mean=lambda ds: [d.mean() for d in ds], variance=lambda ds: [d.variance() for d in ds],
         cases=[(([N(0.0, 1.0), N(1.0, 2.0)],), [[-0.5, 1.0], [0.0, 0.0], [30.0, -4.0], [1.0, 1.0], [2.0, 0.125], [-7.0, 7.0], [1.0], [INF, 0.0]]), (([P3, Ref("Binomial", 4, 0.25)],), [[0, 1], [3, 3], [10, 0], [1, 4], [7, 2], [2, 1], [0, 5]]), (([N(0.0, 1.0), Ref("Gamma", 2.0, 3.0)],), [[0.0, 1.0], [1.0, 0.5], [-3.0, 4.0], [0.5, 0.01], [2.0, 20.0], [0.0, 0.75], [0.0, -1.0]])],
         bad=[])

    spec("Dirac", inside=lambda x, v: x == v, logp=lambda x, v: M(0), cdf=lambda x, v: M(1) if x >= v else M(0), mean=lambda v: M(v), variance=lambda v: M(0),
         cases=[((2.5,), [2.5, 2.0, 3.0]), ((3,), [3, 2, 4]), ((-1.0,), [-1.0, 0.0, 1.0])], bad=[], discrete=True)

    def flat(domain, test, xs):
        return ((Named(*domain),), xs)

    inside_domain = {"Real": finite, "Positive": positive, "Interval": lambda x, a, b: a <= x <= b}
    spec("Flat", inside=lambda x, d: inside_domain[d.name](x, *d.raw), logp=lambda x, d: M(0),
         cases=[((Named("Real"),), [0.0, 1.0, -5.0, 1e100, 2.5, -0.1, INF]), ((Named("Positive"),), [1.0, 5.0, 1e100, 1e-100, 0.5, 3.0, 0.0, -1.0]), ((Named("Interval", 0.0, 2.0),), [0.0, 1.0, 2.0, 0.5, 1.5, 1.999, 2.5, -0.5])], bad=[])

    frac = lambda x, xs: M(sum(1 for v in xs if v == x)) / len(xs)
    emp_mean = lambda xs: mp.fsum(M(v) for v in xs) / len(xs)
    spec("Empirical", inside=lambda x, xs: x in xs, logp=lambda x, xs: log(frac(x, xs)), cdf=lambda x, xs: M(sum(1 for v in xs if v <= x)) / len(xs), mean=emp_mean,
         variance=lambda xs: mp.fsum((v - emp_mean(xs)) ** 2 for v in xs) / len(xs),
         cases=[(([1.0, 2.0, 2.0, 5.0],), [1.0, 2.0, 5.0, 3.0, 0.0]), (([3, 1, 1, 1, 4, 1],), [1, 3, 4, 2, 0]), (([0.5],), [0.5, 1.0])], bad=[([],)], discrete=True)

    weigh = lambda x, vs, ps: mp.fsum(p for v, p in zip(vs, ps) if v == x)
    choice_mean = lambda vs, ps: mp.fsum(p * v for v, p in zip(vs, ps))
    spec("Choice", inside=lambda x, vs, ps: x in vs, logp=lambda x, vs, ps: log(weigh(x, vs, ps)), cdf=lambda x, vs, ps: mp.fsum(p for v, p in zip(vs, ps) if v <= x), mean=choice_mean,
         variance=lambda vs, ps: mp.fsum(p * (v - choice_mean(vs, ps)) ** 2 for v, p in zip(vs, ps)),
         cases=[(([1.0, 2.0, 5.0], [0.25, 0.25, 0.5]), [1.0, 2.0, 5.0, 3.0, 0.0]), (([3, 1, 3], [0.5, 0.25, 0.25]), [1, 3, 2, 0]), (([7, 8], [0.0, 1.0]), [7, 8, 9])], bad=[([1, 2], [0.5, 0.4]), ([1, 2], [1.0]), ([], [])], discrete=True)


def matrix_of(x, k):
    return isinstance(x, list) and len(x) == k and all(len(r) == k for r in x)


def symmetric(x):
    return all(x[i][j] == x[j][i] for i in range(len(x)) for j in range(i))


def definite(x):
    return symmetric(x) and all(mp.det(mat([r[:k] for r in x[:k]])) > 0 for k in range(1, len(x) + 1))


def lmgamma(k, a):
    return M(k) * (k - 1) / 4 * log(PI) + mp.fsum(lgamma(a - M(i) / 2) for i in range(k))


def trace(a):
    return mp.fsum(diagonal(a))


def wishart(x, n, s):
    k = len(s)
    return (n - k - 1) / 2 * log(mp.det(mat(x))) - trace(product(inverse(s), x)) / 2 - n * k / 2 * log(2) - n / 2 * log(mp.det(mat(s))) - lmgamma(k, n / 2)


def inverse_wishart(x, n, s):
    k = len(s)
    return n / 2 * log(mp.det(mat(s))) - (n + k + 1) / 2 * log(mp.det(mat(x))) - trace(product(s, inverse(x))) / 2 - n * k / 2 * log(2) - lmgamma(k, n / 2)


def iw_variance(n, s):
    k = len(s)
    d = n - k
    if d <= 3:
        return [[mp.nan] * k for _ in range(k)]
    return [[((d + 1) * s[i][j] ** 2 + (d - 1) * s[i][i] * s[j][j]) / (d * (d - 1) ** 2 * (d - 3)) for j in range(k)] for i in range(k)]


W2 = [[[3.0, 1.0], [1.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]], [[0.01, 0.0], [0.0, 0.02]], [[50.0, -10.0], [-10.0, 30.0]], [[2.0, 0.5], [0.5, 1.0]], [[1.0, 0.99], [0.99, 1.0]], [[1.0, 2.0], [2.0, 1.0]], [[1.0]]]
W3 = [S3, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[9.0, 2.0, 1.0], [2.0, 5.0, -1.0], [1.0, -1.0, 7.0]], [[0.1, 0.0, 0.05], [0.0, 0.2, 0.0], [0.05, 0.0, 0.3]], [[30.0, 0.0, 0.0], [0.0, 20.0, 5.0], [0.0, 5.0, 10.0]], [[2.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 2.0]]]
W1 = [[[0.5]], [[1.0]], [[3.0]], [[1e-4]], [[40.0]], [[2.0]], [[-1.0]]]
pd = lambda x, n, s: matrix_of(x, len(s)) and definite(x)

spec("Wishart", inside=pd, logp=wishart, mean=lambda n, s: [[n * v for v in r] for r in s], variance=lambda n, s: [[n * (s[i][j] ** 2 + s[i][i] * s[j][j]) for j in range(len(s))] for i in range(len(s))],
     cases=[((4.0, S2), W2), ((2.5, S3), W3), ((60.0, S2), W2), ((3.0, [[2.0]]), W1)], bad=[(1.0, S2), (0.5, S2), (4.0, NOT), (4.0, ASYMMETRIC)])
spec("InverseWishart", inside=pd, logp=inverse_wishart, mean=lambda n, s: [[v / (n - len(s) - 1) if n > len(s) + 1 else mp.nan for v in r] for r in s], variance=iw_variance,
     cases=[((4.0, S2), W2), ((2.5, S3), W3), ((60.0, S2), W2), ((3.0, [[2.0]]), W1)], bad=[(1.0, S2), (0.5, S2), (4.0, NOT), (4.0, ASYMMETRIC)])


def lkj_normaliser(n, eta):
    """Lewandowski, Kurowicka and Joe (2009), equation 16: the product of beta functions, on the log scale."""
    total = mp.fsum((2 * eta - 2 + n - k) * (n - k) for k in range(1, n)) * log(2)
    total += mp.fsum((n - k) * lbeta(eta + M(n - k - 1) / 2, eta + M(n - k - 1) / 2) for k in range(1, n))
    return -total


def correlation(x, n):
    return matrix_of(x, n) and all(x[i][i] == 1 for i in range(n)) and definite(x)


def corr_factor(x, n):
    return matrix_of(x, n) and all(x[i][i] > 0 and all(v == 0 for v in x[i][i + 1:]) and abs(mp.fsum(v * v for v in x[i]) - 1) < 1e-8 for i in range(n))


C2 = [[[1.0, r], [r, 1.0]] for r in (0.5, 0.0, -0.9, 0.99, 0.25, -0.125, 1.5)]
C3 = [[[1.0, 0.5, 0.25], [0.5, 1.0, -0.125], [0.25, -0.125, 1.0]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[1.0, 0.9, 0.8], [0.9, 1.0, 0.7], [0.8, 0.7, 1.0]], [[1.0, -0.4, -0.4], [-0.4, 1.0, -0.4], [-0.4, -0.4, 1.0]], [[1.0, 0.1, 0.2], [0.1, 1.0, 0.3], [0.2, 0.3, 1.0]], [[1.0, 0.0, 0.99], [0.0, 1.0, 0.0], [0.99, 0.0, 1.0]], [[1.0, -0.9, -0.9], [-0.9, 1.0, -0.9], [-0.9, -0.9, 1.0]]]
F2 = [[[1.0, 0.0], [0.6, 0.8]], [[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [-0.8, 0.6]], [[1.0, 0.0], [0.28, 0.96]], [[1.0, 0.0], [0.96, 0.28]], [[1.0, 0.0], [-0.6, 0.8]], [[1.0, 0.0], [0.5, 0.5]], [[1.0, 0.0], [0.6, -0.8]]]
F3 = [[[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.0, 0.6, 0.8]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]], [[1.0, 0.0, 0.0], [-0.8, 0.6, 0.0], [0.48, 0.64, 0.6]], [[1.0, 0.0, 0.0], [0.28, 0.96, 0.0], [0.36, 0.48, 0.8]], [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [-0.96, 0.0, 0.28]], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, -0.8, 0.6]], [[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [0.6, 0.6, 0.8]]]

spec("LKJ", inside=lambda x, n, e: correlation(x, n), logp=lambda x, n, e: (e - 1) * log(mp.det(mat(x))) + lkj_normaliser(n, e), mean=lambda n, e: [[M(i == j) for j in range(n)] for i in range(n)],
     variance=lambda n, e: [[M(0) if i == j else 1 / (2 * e + n - 1) for j in range(n)] for i in range(n)],
     cases=[((2, 1.5), C2), ((2, 1.0), C2), ((3, 0.5), C3), ((3, 4.0), C3), ((3, 50.0), C3)], bad=[(2, 0.0), (2, -1.0), (-1, 1.0), (0, 1.0)])
spec("LKJCholesky", inside=lambda x, n, e: corr_factor(x, n), logp=lambda x, n, e: mp.fsum((n - k + 2 * e - 2) * log(x[k - 1][k - 1]) for k in range(2, n + 1)) + lkj_normaliser(n, e),
     cases=[((2, 1.5), F2), ((2, 1.0), F2), ((3, 0.5), F3), ((3, 4.0), F3), ((3, 50.0), F3)], bad=[(2, 0.0), (2, -1.0), (-1, 1.0), (0, 1.0)])

make_composites()


def plain(value):
    """A value as JSON text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, mp.mpf):
        value = float(value)
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            return '"nan"' if math.isnan(value) else '"inf"' if value > 0 else '"-inf"'
        text = repr(value)
        if "." not in text:
            head, _, tail = text.partition("e")
            text = head + ".0" + ("e" + tail if tail else "")
        return text
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(plain(v) for v in value) + "]"
    if isinstance(value, Ref):
        return '{"dist": "%s", "args": %s}' % (value.name, plain(value.raw))
    if isinstance(value, Named):
        return '{"domain": "%s", "args": %s}' % (value.name, plain(value.raw))
    return "null" if value is None else json.dumps(value)


def main():
    points, moments, bad = [], [], []
    for name, s in SPECS.items():
        for args, xs in s.cases:
            d = Ref(name, *args)
            head = '"dist": "%s", "args": %s' % (name, plain(list(args)))
            for x in xs:
                cdf = None
                scalar = isinstance(x, (int, float)) and not isinstance(x, bool)
                if s.cdf and scalar and not (isinstance(x, float) and math.isinf(x)):
                    cdf = d.cdf(x)
                points.append('{%s, "x": %s, "logp": %s, "cdf": %s}' % (head, plain(x), plain(d.logp(x)), plain(cdf)))
            if s.mean:
                moments.append('{%s, "mean": %s, "variance": %s}' % (head, plain(d.mean()), plain(d.variance())))
        bad += ['{"dist": "%s", "args": %s}' % (name, plain(list(args))) for args in s.bad]
    text = "{\n"
    text += ",\n".join('"%s": [\n%s\n]' % (key, ",\n".join(rows)) for key, rows in (("points", points), ("moments", moments), ("bad", bad)))
    text += "\n}\n"
    json.loads(text)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "distributions.json"), "w") as out:
        out.write(text)
    print(len(SPECS), "distributions,", len(points), "points,", len(moments), "moments,", len(bad), "refused")


if __name__ == "__main__":
    main()
