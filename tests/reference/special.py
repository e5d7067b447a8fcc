"""Writes special.csv: values of the special functions to 50 digits, rounded once.

    python3 special.py > special.csv

Arguments are binary floating-point numbers, so the values are those of exactly the numbers that the tests pass.
"""
from mpmath import mp, mpf, nstr
import mpmath as m

mp.dps = 50
print("function,a,b,c,value,tolerance")


def row(name, args, value, tolerance=1e-12):
    value = mpf(value)
    if value != 0 and (abs(value) > mpf("1.7e308") or abs(value) < mpf("1e-305")):
        return
    cells = [repr(float(a)) for a in args] + [""] * (3 - len(args))
    print(",".join([name, *cells, nstr(value, 25), repr(tolerance)]))


def table(name, function, points, tolerance=1e-12):
    for x in points:
        args = x if isinstance(x, tuple) else (x,)
        row(name, args, function(*[mpf(float(a)) for a in args]), tolerance)


positive = [1e-300, 1e-100, 1e-20, 1e-8, 1e-3, 0.1, 0.3, 0.5, 0.75, 0.9, 0.99, 0.999999, 1 - 1e-12, 1 + 1e-12, 1.000001, 1.01, 1.1,
            1.3, 1.4616321449683622, 1.46, 1.5, 1.7, 1.9, 1.99, 2 - 1e-9, 2 + 1e-9, 2.01, 2.5, 3, 4.2, 6, 7.5, 9.99, 10, 12.3, 20, 35, 70.5,
            100, 171, 1000, 12345.6, 1e6, 1e9, 1e15, 1e100]
real = [0.0] + [s * x for x in [1e-300, 1e-10, 1e-5, 0.01, 0.1, 0.3, 0.5, 0.7, 0.84, 0.9, 1, 1.2, 1.25, 1.5, 2, 2.5, 2.857, 3, 4, 5, 5.9, 6, 8, 10,
        15, 20, 25, 26] for s in (1, -1)]

table("lgamma", m.loggamma, positive)
table("lgamma", lambda x: m.log(abs(m.gamma(x))), [-0.5, -1.5, -3.2, -10.7], 1e-12)
table("lgamma1p", lambda x: m.loggamma(1 + x) if abs(x) > 1e-30 else -m.euler * x, [x for x in positive if x < 1e8] + [-1e-12, -1e-4, -0.3, -0.49, -0.51, -0.9])
table("gamma", m.gamma, [x for x in positive if x < 171.6] + [-0.5, -1.5, -3.2, -10.7])
table("digamma", m.digamma, positive + [-0.5, -1.3, -3.7, -20.2])
table("trigamma", lambda x: m.polygamma(1, x), [x for x in positive if x > 1e-150] + [-0.5, -1.3, -3.7, -20.2])
table("polygamma", lambda n, x: m.polygamma(int(n), x), [(n, x) for n in (2, 3, 5, 8) for x in (1e-5, 0.1, 0.7, 1, 2.5, 9, 17, 30.5, 200, 1e6)])
table("stirling_error", lambda x: m.loggamma(x) - (x - 0.5) * m.log(x) + x - m.log(2 * m.pi) / 2,
      [9.99, 10, 11.5, 15, 20, 50, 1e3, 1e6, 1e12])
table("deviance", lambda x, mu: x * m.log(x / mu) + mu - x,
      [(x, y) for x in (1e-10, 0.3, 1, 7, 1000, 1e12) for y in (1e-10, 0.3, 0.9999, 1.0000001, 6, 7.0000001, 999, 1000.001, 1e12 + 1)
       if x != y])
shapes = [1e-8, 1e-3, 0.1, 0.5, 1.5, 2, 3.7, 9.9, 10.1, 25, 300, 1e4, 1e7, 1e12]
table("lbeta", lambda a, b: m.loggamma(a) + m.loggamma(b) - m.loggamma(a + b), [(a, b) for a in shapes for b in shapes])
table("beta", m.beta, [(a, b) for a in shapes[:10] for b in shapes[:10]])
table("lchoose", lambda n, k: m.log(m.binomial(n, k)),
      [(n, k) for n in (2, 5, 10, 52, 61, 100, 1000, 1e6, 1e12) for k in (1, 2, 3, 5, 10, 31, 50, 500, 12345) if k < n] + [(4.5, 1.25), (20.5, 3.5)])
table("lmgamma", lambda p, x: p * (p - 1) / 4 * m.log(m.pi) + sum(m.loggamma(x - mpf(j) / 2) for j in range(int(p))),
      [(p, x) for p in (1, 2, 3, 7) for x in (3.3, 5, 10.5, 100, 1e5)])

table("erf", m.erf, real)
table("erfc", m.erfc, real)
table("erfcx", lambda x: m.exp(x * x) * m.erfc(x), real + [26.5, 30, 100, 1e5, 1e100])
table("Phi", m.ncdf, real + [-30, -37, -37.4])
table("log_Phi", lambda x: m.log(m.ncdf(x)) if x < 5 else m.log1p(-m.ncdf(-x)) if x < 15 else -m.ncdf(-x), real + [30, 37, -30, -37, -38, -40, -100, -1e4, -1e10])
probabilities = [1e-300, 1e-200, 1e-100, 1e-50, 1e-20, 1e-10, 1e-6, 1e-3, 0.01, 0.05, 0.0999, 0.1, 0.1001, 0.2, 0.3, 0.4, 0.45, 0.49, 0.4999, 0.5000001, 0.51,
                 0.6, 0.75, 0.9, 0.95, 0.99, 0.999, 1 - 1e-6, 1 - 1e-10, 1 - 1e-15]


def normal_quantile(log_p):
    x = -m.sqrt(-2 * log_p) if log_p < -5 else mpf(0) if log_p < -0.1 else mpf(2)
    return m.findroot(lambda x: m.log(m.ncdf(x)) - log_p, x, tol=1e-80, maxsteps=200) if log_p < -0.69 else \
        -m.findroot(lambda x: m.log(m.ncdf(x)) - m.log1p(-m.exp(log_p)), -1, tol=1e-80, maxsteps=200) if log_p > -0.7 and False else \
        -normal_quantile(m.log1p(-m.exp(log_p)))


table("inv_Phi", lambda p: normal_quantile(m.log(p)), probabilities)
table("inv_log_Phi", normal_quantile, [-1e4, -800, -100, -20, -3, -1, -0.7, -0.69, -0.3, -0.01, -1e-5, -1e-10])
table("owens_t", lambda h, a: m.quad(lambda t: m.exp(-h * h * (1 + t * t) / 2) / (1 + t * t), m.linspace(0, a if h * abs(a) < 15 else m.sign(a) * 15 / h, 60)) / (2 * m.pi),
      [(h, a) for h in (0, 0.1, 0.5, 1, 2.5, 4, 8, 15) for a in (0.1, 0.5, 0.9, 1, 1.5, 4, 20, -2)])

for a in (1e-10, 1e-3, 0.1, 0.5, 0.99, 1, 1.7, 3, 10, 19.9, 20.1, 50, 200, 1e3, 1e5, 1e8):
    for x in {1e-30, 1e-3, 0.1, 0.9, 1.49, 1.51, 2.5, 10, 30} | {a * r for r in (0.3, 0.5, 0.61, 0.7, 0.9, 0.99, 1, 1.01, 1.1, 1.3, 1.39, 1.41, 2, 3)}:
        a_, x_ = mpf(a), mpf(float(x))
        if a >= 1e5 and abs(x - a) > 0.011 * a:
            continue
        if a == 1e8 and abs(x - a) > 1:
            x_ = mpf(float(a + (x - a) / 100))
        if a >= 1e5:
            # Quadrature of the density, in standard deviations: series would need too many terms.
            sd = m.sqrt(a_)
            density = lambda t: m.exp((a_ - 1) * m.log(t) - t - m.loggamma(a_))
            low = max(mpf(0), x_ - 60 * sd)
            p = m.quad(density, [low + (x_ - low) * k / 60 for k in range(61)])
            q = m.quad(density, [x_ + sd * k for k in range(61)])
        else:
            p = m.gammainc(a_, 0, x_, regularized=True)
            q = m.gammainc(a_, x_, m.inf, regularized=True)
        row("gamma_p", (a, x_), p, 1e-12 if p > 1e-30 else 1e-9)
        row("gamma_q", (a, x_), q, 1e-12 if q > 1e-30 else 1e-9)
        if a <= 1e3:
            if 1e-280 < p < 0.9 and x_ > 1e-25:
                pf = mpf(float(p))
                slope = m.exp((a_ - 1) * m.log(x_) - x_ - m.loggamma(a_))
                step = (pf - p) / slope
                if abs(step) < 1e-10 * x_ and p / slope < 1e3 * x_:
                    row("inv_gamma_p", (a, pf), x_ + step, 1e-11)
            if 1e-280 < q < 0.9 and x_ > 1e-25:
                qf = mpf(float(q))
                slope = m.exp((a_ - 1) * m.log(x_) - x_ - m.loggamma(a_))
                step = -(qf - q) / slope
                if abs(step) < 1e-10 * x_ and q / slope < 1e3 * x_:
                    row("inv_gamma_q", (a, qf), x_ + step, 1e-11)


def inc_beta(a, b, x):
    if max(a, b) > 1e4:
        n = a + b
        sd = m.sqrt(a / n * b / n / (n + 1))
        low, steps = max(mpf(0), x - 60 * sd), 120
        density = lambda t: m.exp((a - 1) * m.log(t) + (b - 1) * m.log1p(-t) - m.loggamma(a) - m.loggamma(b) + m.loggamma(n))
        return m.quad(density, [low + (x - low) * k / steps for k in range(steps + 1)])
    if x > a / (a + b):
        return 1 - inc_beta(b, a, 1 - x)
    term = total = mpf(1)
    n = 0
    while term > total * mpf(10) ** -45:
        term *= (a + b + n) / (a + 1 + n) * x
        total += term
        n += 1
    return total * m.exp(a * m.log(x) + b * m.log1p(-x) - m.loggamma(a) - m.loggamma(b) + m.loggamma(a + b)) / a


for a, b in [(0.01, 0.5), (0.1, 3), (0.5, 0.5), (1, 1), (1, 5), (2, 3), (3, 0.2), (10, 10), (25, 3), (5, 100), (200, 300), (3000, 40), (2500, 2500)]:
    for x in (1e-30, 1e-5, 0.01, 0.1, 0.25, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99, 0.99999):
        p = inc_beta(mpf(a), mpf(b), mpf(x))
        row("inc_beta", (a, b, x), p, 1e-12 if p > 1e-30 else 1e-9)
        density = m.exp((a - 1) * m.log(mpf(x)) + (b - 1) * m.log1p(-mpf(x)) - m.log(m.beta(a, b)))
        if 1e-280 < p < 0.9 and 1e-10 < x and p < 1e3 * x * density:
            pf = mpf(float(p))
            row("inv_inc_beta", (a, b, pf), x + (pf - p) / density, 1e-11)
for a, b in [(2e5, 3e5), (1e6, 50), (1e9, 1e9), (1e7, 4e8)]:
    for z in (-6, -2, -0.5, 0):
        n = a + b
        x = float(a / n + z * (a / n * b / n / n) ** 0.5)
        row("inc_beta", (a, b, x), inc_beta(mpf(a), mpf(b), mpf(x)), 1e-11)

points = [0.0, 1e-8, 1e-3, 0.1, 0.5, 1, 2, 3.75, 5, 8, 12, 15, 20, 25, 29.9, 30.1, 35, 50, 100, 300, 600, -0.5, -7, -40]
table("bessel_i0", lambda x: m.besseli(0, x), points)
table("bessel_i1", lambda x: m.besseli(1, x), points)
table("log_bessel_i0", lambda x: m.log(m.besseli(0, x)), points + [1e4, 1e8])
table("bessel_ratio", lambda x: m.besseli(1, x) / m.besseli(0, x), points + [1e4])

small = [-30, -5, -1, -0.7, -0.5, -0.1, -1e-5, -1e-12]
table("log1m_exp", lambda x: m.log(-m.expm1(x)) if x > -50 else -m.exp(x), small + [-745, -0.6931, -0.6932])
table("log1p_exp", lambda x: m.log1p(m.exp(x)), small + [-s for s in small] + [700])
table("logit", lambda p: m.log(p) - m.log1p(-p), [x for x in probabilities])
table("inv_logit", lambda x: 1 / (1 + m.exp(-x)), small + [-s for s in small] + [700, -700, 0])
table("log_inv_logit", lambda x: -m.log1p(m.exp(-x)), small + [-s for s in small] + [700, -700, 0])
table("log_diff_exp", lambda x, y: m.log(m.exp(x) - m.exp(y)), [(1, 0), (1, 1 - 1e-9), (700, 699), (-700, -701), (3, -300)])
table("log_add_exp", lambda x, y: m.log(m.exp(x) + m.exp(y)), [(1, 0), (1, 1 - 1e-9), (700, 699), (-700, -701), (3, -300)])
