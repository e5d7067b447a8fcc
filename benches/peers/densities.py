"""Log densities of the workloads of ../gradients/ over unconstrained vectors, in JAX: each is a function of the data that gives the
number of coordinates and the density."""
import math

import jax
import jax.numpy as jnp
from jax.scipy.special import gammaln

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


def normal(x, location, scale):
    return jnp.sum(-0.5 * ((x - location) / scale) ** 2 - jnp.log(scale) - HALF_LOG_TWO_PI)


def ordered(x):
    """An increasing vector, and the log Jacobian."""
    return jnp.cumsum(jnp.concatenate([x[:1], jnp.exp(x[1:])])), jnp.sum(x[1:])


def simplex(x):
    """The logs of proportions by breaking a stick, and the log Jacobian."""
    k = x.shape[0]
    z = x - jnp.log(k - jnp.arange(k, dtype=x.dtype))
    log_taken, log_left = -jax.nn.softplus(-z), -jax.nn.softplus(z)
    before = jnp.concatenate([jnp.zeros(1), jnp.cumsum(log_left)])
    log_p = before + jnp.concatenate([log_taken, jnp.zeros(1)])
    return log_p, jnp.sum(before[:-1] + log_taken + log_left)


def eight_schools(data):
    y, sigma = (jnp.asarray(data[k], float) for k in ("y", "sigma"))

    def density(x):
        mu, tau, theta = x[0], jnp.exp(x[1]), x[2:]
        prior = normal(mu, 0.0, 5.0) - jnp.log1p((tau / 5) ** 2) + x[1] + normal(theta, 0.0, 1.0)
        return prior + normal(y, mu + tau * theta, sigma)

    return 10, density


def logreg(data):
    design, y = jnp.asarray(data["X"], float), jnp.asarray(data["y"], float)

    def density(x):
        eta = x[0] + design @ x[1:]
        return normal(x[0], 0.0, 2.5) + normal(x[1:], 0.0, 1.0) + jnp.sum(y * eta - jax.nn.softplus(eta))

    return 1 + data["D"], density


def gmm(data):
    k, y = data["K"], jnp.asarray(data["y"], float)

    def density(x):
        log_theta, jacobian = simplex(x[: k - 1])
        mu, more = ordered(x[k - 1 : 2 * k - 1])
        log_sigma = x[2 * k - 1 :]
        prior = jnp.sum(log_theta) + jacobian + more + normal(mu, 0.0, 10.0) + normal(log_sigma, 0.0, 1.0)
        terms = log_theta - 0.5 * ((y[:, None] - mu) * jnp.exp(-log_sigma)) ** 2 - log_sigma - HALF_LOG_TWO_PI
        return prior + jnp.sum(jax.nn.logsumexp(terms, axis=1))

    return 3 * k - 1, density


def radon_syn(data):
    county = jnp.asarray(data["county"]) - 1
    floor, u, y = (jnp.asarray(data[k], float) for k in ("floor", "u", "y"))
    groups = data["J"]

    def density(x):
        scales = jnp.exp(x[3:6])
        za, zb = x[6 : 6 + groups], x[6 + groups :]
        a, b = x[0] + x[1] * u + scales[0] * za, x[2] + scales[1] * zb
        prior = normal(x[0], 0.0, 5.0) + normal(x[1:3], 0.0, 2.0) - 0.5 * jnp.sum(scales**2) + jnp.sum(x[3:6])
        return prior + normal(x[6:], 0.0, 1.0) + normal(y, a[county] + b[county] * floor, scales[2])

    return 6 + 2 * groups, density


def hpois(data):
    group, design = jnp.asarray(data["group"]) - 1, jnp.asarray(data["X"], float)
    exposure, y = jnp.asarray(data["log_exposure"], float), jnp.asarray(data["y"], float)
    groups, constant = data["J"], -jnp.sum(gammaln(jnp.asarray(data["y"], float) + 1))

    def density(x):
        tau, z, beta = jnp.exp(x[1]), x[2 : 2 + groups], x[2 + groups :]
        eta = x[0] + tau * z[group] + design @ beta + exposure
        prior = normal(x[0], 0.0, 2.0) - 0.5 * tau**2 + x[1] + normal(x[2:], 0.0, 1.0)
        return prior + jnp.sum(y * eta - jnp.exp(eta)) + constant

    return 2 + groups + data["K"], density


def gp(data):
    points, y, n = jnp.asarray(data["x"], float), jnp.asarray(data["y"], float), data["N"]
    squares = (points[:, None] - points[None, :]) ** 2

    def density(x):
        rho, alpha, sigma = jnp.exp(x)
        covariance = alpha**2 * jnp.exp(-0.5 * squares / rho**2) + (sigma**2 + 1e-9) * jnp.eye(n)
        factor = jnp.linalg.cholesky(covariance)
        white = jax.scipy.linalg.solve_triangular(factor, y, lower=True)
        prior = -6 * x[0] - 5 / rho - 0.5 * (alpha**2 + sigma**2) + jnp.sum(x)
        return prior - 0.5 * white @ white - jnp.sum(jnp.log(jnp.diag(factor)))

    return 3, density


def hmm(data):
    k, y, start = data["K"], jnp.asarray(data["y"], float), jnp.log(jnp.asarray(data["pi"], float))

    def density(x):
        mu, jacobian = ordered(x[:k])
        rows, more = jax.vmap(simplex)(x[k:].reshape(k, k - 1))
        emission = -0.5 * ((y[:, None] - mu) / data["sigma"]) ** 2 - math.log(data["sigma"]) - HALF_LOG_TWO_PI

        def step(before, here):
            return jax.nn.logsumexp(before[:, None] + rows, axis=0) + here, None

        last, _ = jax.lax.scan(step, start + emission[0], emission[1:])
        return jacobian + jnp.sum(more) + normal(mu, 0.0, 3.0) + jax.nn.logsumexp(last)

    return k * k, density


def garch(data):
    y = jnp.asarray(data["y"], float)

    def density(x):
        mu, alpha0 = x[0], jnp.exp(x[1])
        alpha1 = jax.nn.sigmoid(x[2])
        beta1 = (1 - alpha1) * jax.nn.sigmoid(x[3])
        jacobian = x[1] - jax.nn.softplus(x[2:]).sum() - jax.nn.softplus(-x[2:]).sum() + jnp.log1p(-alpha1)

        def step(variance, before):
            after = alpha0 + alpha1 * (before - mu) ** 2 + beta1 * variance
            return after, after

        first = jnp.asarray(float(data["sigma1"]) ** 2)
        _, later = jax.lax.scan(step, first, y[:-1])
        variances = jnp.concatenate([first[None], later])
        return jacobian - 0.5 * jnp.sum((y - mu) ** 2 / variances + jnp.log(variances))

    return 4, density
