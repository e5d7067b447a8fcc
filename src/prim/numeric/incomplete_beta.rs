//! The regularised incomplete beta function and its inverse.
//!
//! A continued fraction (DLMF 8.17.22); for large parameters, where it needs a number of terms that grows with their root,
//! Gauss-Legendre quadrature over the tail or, with one small parameter, the incomplete gamma function.

use super::elementary::{deviance, inv_logit, log1p_minus};
use super::gamma::{lbeta, stirling_error};
use super::incomplete_gamma::{central_difference, gamma_tails};
use super::increasing_root;
use super::tables::LEGENDRE;
use std::f64::consts::PI;

/// `I(x; a, b)`, the distribution function of a beta variable.
pub fn inc_beta(a: f64, b: f64, x: f64) -> f64 {
    beta_tails(a, b, x, 1.0 - x).0
}

/// `1 - I(x; a, b)`, exact for `x` too small for `1 - x` to hold its digits.
pub fn inc_beta_upper(a: f64, b: f64, x: f64) -> f64 {
    beta_tails(a, b, x, 1.0 - x).1
}

/// `I(x; a, b)` and `1 - I(x; a, b)`, given `x` and `y = 1 - x`.
pub fn beta_tails(a: f64, b: f64, x: f64, y: f64) -> (f64, f64) {
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 || !(0.0..=1.0).contains(&x) {
        return (f64::NAN, f64::NAN);
    }
    if a == f64::INFINITY || b == f64::INFINITY {
        return (f64::NAN, f64::NAN);
    }
    if x == 0.0 {
        return (0.0, 1.0);
    }
    if y == 0.0 {
        return (1.0, 0.0);
    }
    let swap = |(p, q): (f64, f64)| (q, p);
    let (small, large) = (a.min(b), a.max(b));
    if large > 1e8 && small < 40.0 {
        // -(a + (b - 1) / 2) log x is a gamma variable of shape b up to terms of order a^-2 (DiDonato and Morris 1992).
        return if a > b {
            swap(gamma_tails(b, -(a + 0.5 * (b - 1.0)) * log_of(x, y)))
        } else {
            gamma_tails(a, -(b + 0.5 * (a - 1.0)) * log_of(y, x))
        };
    }
    let below = x * (a + b + 2.0) <= a + 1.0;
    let tail = if large > 1e5 && small >= 40.0 {
        if below { tail_quadrature(a, b, x, y) } else { tail_quadrature(b, a, y, x) }
    } else if below {
        beta_weight(a, b, x, y) * fraction(a, b, x) / a
    } else {
        beta_weight(b, a, y, x) * fraction(b, a, y) / b
    };
    if below { (tail, 1.0 - tail) } else { (1.0 - tail, tail) }
}

/// `log x`, given `1 - x` too.
fn log_of(x: f64, y: f64) -> f64 {
    if x > 0.5 { (-y).ln_1p() } else { x.ln() }
}

/// `x^a y^b / B(a, b)`: the density times `x (1 - x)`.
pub fn beta_weight(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let n = a + b;
    let correction = stirling_error(n) - stirling_error(a) - stirling_error(b);
    let share = if a < b { a * (b / n) } else { b * (a / n) };
    (share / (2.0 * PI)).sqrt() * (correction - deviance(a, n * x) - deviance(b, n * y)).exp()
}

/// The continued fraction by the method of Lentz, for `x` below the mean.
fn fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let nonzero = |x: f64| if x.abs() < TINY { TINY } else { x };
    let mut c = 1.0;
    let mut d = 1.0 / nonzero(1.0 - (a + b) * x / (a + 1.0));
    let mut value = d;
    for m in 1..200_000 {
        let m = m as f64;
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / nonzero(1.0 + even * d);
        c = nonzero(1.0 + even / c);
        value *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / nonzero(1.0 + odd * d);
        c = nonzero(1.0 + odd / c);
        let factor = d * c;
        value *= factor;
        if (factor - 1.0).abs() <= 2e-16 {
            break;
        }
    }
    value
}

/// `I(x; a, b)` for `x` about the mean or below: the density relative to that at `x`, integrated downwards in panels of one
/// standard deviation until it has died away.
fn tail_quadrature(a: f64, b: f64, x: f64, y: f64) -> f64 {
    let n = a + b;
    let deviation = ((a / n) * (b / n) / (n + 1.0)).sqrt();
    // The slope of the log density at x; the quadratic and later terms come from log1p(t) - t.
    let slope = ((a - 1.0) * y - (b - 1.0) * x) / (x * y);
    let relative = |below: f64| {
        let curve = (a - 1.0) * log1p_minus(-below / x) + (b - 1.0) * log1p_minus(below / y);
        (curve - slope * below).exp()
    };
    let width = deviation.min(2.0 / slope.abs().max(f64::MIN_POSITIVE));
    let mut start = 0.0;
    let mut sum = 0.0;
    for _ in 0..1000 {
        let end = (start + width).min(x);
        let (middle, half) = (0.5 * (start + end), 0.5 * (end - start));
        let mut panel = 0.0;
        for (node, weight) in LEGENDRE {
            panel += weight * (relative(middle - half * node) + relative(middle + half * node));
        }
        sum += panel * half;
        if panel * half <= 1e-18 * sum || end >= x {
            break;
        }
        start = end;
    }
    beta_weight(a, b, x, y) / (x * y) * sum
}

/// The `x` with `I(x; a, b) = p`; NaN outside `[0, 1]`.
pub fn inc_beta_inv(a: f64, b: f64, p: f64) -> f64 {
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p == 0.0 || p == 1.0 {
        return p;
    }
    // Solved in the logit, for the smaller tail.
    let at_mean = beta_tails(a, b, a / (a + b), b / (a + b)).0;
    if p <= at_mean { inv_logit(lower_logit(a, b, p.ln())) } else { inv_logit(-lower_logit(b, a, (-p).ln_1p())) }
}

/// The `x` with `1 - I(x; a, b) = q`; NaN outside `[0, 1]`.
pub fn inc_beta_upper_inv(a: f64, b: f64, q: f64) -> f64 {
    if a.is_nan() || b.is_nan() || a <= 0.0 || b <= 0.0 || !(0.0..=1.0).contains(&q) {
        return f64::NAN;
    }
    if q == 0.0 || q == 1.0 {
        return 1.0 - q;
    }
    let above_mean = beta_tails(a, b, a / (a + b), b / (a + b)).1;
    if q <= above_mean { inv_logit(-lower_logit(b, a, q.ln())) } else { inv_logit(lower_logit(a, b, (-q).ln_1p())) }
}

fn lower_logit(a: f64, b: f64, target: f64) -> f64 {
    let edge = a.ln() + lbeta(a, b);
    increasing_root((a / b).ln(), |u| {
        if u < -600.0 {
            return (a * u - edge - target, a);
        }
        let (x, y) = (inv_logit(u), inv_logit(-u));
        let p = beta_tails(a, b, x, y).0;
        (p.ln() - target, beta_weight(a, b, x, y) / p)
    })
}

/// The derivative of `I(x; a, b)` by `a`, by an eight-point difference of the smaller tail; good to about 1e-11.
pub fn inc_beta_by_a(a: f64, b: f64, x: f64) -> f64 {
    let (p, q) = beta_tails(a, b, x, 1.0 - x);
    let spread = 0.03 * a / (1.0 + a.min(b).sqrt());
    if p < q {
        central_difference(a, spread, |a| beta_tails(a, b, x, 1.0 - x).0)
    } else {
        -central_difference(a, spread, |a| beta_tails(a, b, x, 1.0 - x).1)
    }
}

/// The derivative of `I(x; a, b)` by `b`.
pub fn inc_beta_by_b(a: f64, b: f64, x: f64) -> f64 {
    let (p, q) = beta_tails(a, b, x, 1.0 - x);
    let spread = 0.03 * b / (1.0 + a.min(b).sqrt());
    if p < q {
        central_difference(b, spread, |b| beta_tails(a, b, x, 1.0 - x).0)
    } else {
        -central_difference(b, spread, |b| beta_tails(a, b, x, 1.0 - x).1)
    }
}
