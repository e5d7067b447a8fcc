//! The regularised incomplete gamma functions, both tails, and their inverses.
//!
//! Series below, continued fraction above, and Temme's uniform expansion near the mean of large shapes (DLMF 8.7.3,
//! 8.9.2, 8.12): no region needs many terms, and each tail is found without subtraction from 1 where it is small.

use super::elementary::{deviance, log1p_minus};
use super::error::{erfc, inv_normal_cdf};
use super::gamma::{lgamma1p, stirling_error};
use super::increasing_root;
use super::tables::TEMME;
use std::f64::consts::PI;

/// `P(a, x)`, the distribution function of a gamma variable of shape `a` and rate 1.
pub fn gamma_p(a: f64, x: f64) -> f64 {
    gamma_tails(a, x).0
}

/// `Q(a, x) = 1 - P(a, x)`
pub fn gamma_q(a: f64, x: f64) -> f64 {
    gamma_tails(a, x).1
}

/// `P(a, x)` and `Q(a, x)`.
pub fn gamma_tails(a: f64, x: f64) -> (f64, f64) {
    if a.is_nan() || x.is_nan() || a < 0.0 || x < 0.0 || (a == 0.0 && x == 0.0) || a == f64::INFINITY {
        return (f64::NAN, f64::NAN);
    }
    if a == 0.0 || x == f64::INFINITY {
        return (1.0, 0.0);
    }
    if x == 0.0 {
        return (0.0, 1.0);
    }
    if a >= 20.0 && (x - a).abs() < 0.4 * a {
        return uniform_expansion(a, x);
    }
    if a <= 1.0 && x <= 1.5 {
        let q = small_shape_q(a, x);
        let p = if x < a + 1.0 { lower_series(a, x) } else { 1.0 - q };
        return (p, q);
    }
    if x < a + 1.0 {
        let p = lower_series(a, x);
        return (p, 1.0 - p);
    }
    let q = upper_fraction(a, x);
    (1.0 - q, q)
}

/// `x^a exp(-x) / gamma(a)`: `x` times the density.
pub fn gamma_weight(a: f64, x: f64) -> f64 {
    (a / (2.0 * PI)).sqrt() * (-stirling_error(a) - deviance(a, x)).exp()
}

fn lower_series(a: f64, x: f64) -> f64 {
    let mut term = 1.0;
    let mut sum = 1.0;
    let mut n = 1.0;
    while term > 1e-17 * sum {
        term *= x / (a + n);
        sum += term;
        n += 1.0;
    }
    gamma_weight(a, x) * sum / a
}

/// For `a <= 1` and small `x`: `1 - x^a / gamma(1 + a)` and the rest of the alternating series.
fn small_shape_q(a: f64, x: f64) -> f64 {
    let log_lead = a * x.ln() - lgamma1p(a);
    let mut power = 1.0;
    let mut sum: f64 = 0.0;
    for k in 1..60 {
        power *= -x / k as f64;
        let term = power / (a + k as f64);
        sum += term;
        if term.abs() <= 1e-18 * sum.abs() {
            break;
        }
    }
    -log_lead.exp_m1() - log_lead.exp() * a * sum
}

/// Legendre's continued fraction by the method of Lentz.
fn upper_fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut value = d;
    for i in 1..100_000 {
        let i = i as f64;
        let an = -i * (i - a);
        b += 2.0;
        d = 1.0 / nonzero(an * d + b, TINY);
        c = nonzero(b + an / c, TINY);
        let factor = d * c;
        value *= factor;
        if (factor - 1.0).abs() <= 1e-16 {
            break;
        }
    }
    gamma_weight(a, x) * value
}

fn nonzero(x: f64, tiny: f64) -> f64 {
    if x.abs() < tiny { tiny } else { x }
}

fn uniform_expansion(a: f64, x: f64) -> (f64, f64) {
    let mu = (x - a) / a;
    let half_square = -log1p_minus(mu);
    let eta = (2.0 * half_square).sqrt().copysign(mu);
    let mut rest = 0.0;
    for row in TEMME.iter().rev() {
        rest = rest / a + row.iter().rev().fold(0.0, |sum, c| sum * eta + c);
    }
    rest *= (-a * half_square).exp() / (2.0 * PI * a).sqrt();
    let scaled = eta * (0.5 * a).sqrt();
    (0.5 * erfc(-scaled) - rest, 0.5 * erfc(scaled) + rest)
}

/// The `x` with `P(a, x) = p`; NaN outside `[0, 1]`.
pub fn gamma_p_inv(a: f64, p: f64) -> f64 {
    if a.is_nan() || a <= 0.0 || a == f64::INFINITY || !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 { upper_quantile(a, 1.0 - p) } else { lower_quantile(a, p) }
}

/// The `x` with `Q(a, x) = q`; NaN outside `[0, 1]`.
pub fn gamma_q_inv(a: f64, q: f64) -> f64 {
    if a.is_nan() || a <= 0.0 || a == f64::INFINITY || !(0.0..=1.0).contains(&q) {
        return f64::NAN;
    }
    if q > 0.5 { lower_quantile(a, 1.0 - q) } else { upper_quantile(a, q) }
}

fn lower_quantile(a: f64, p: f64) -> f64 {
    if p == 0.0 {
        return 0.0;
    }
    let target = p.ln();
    let start = wilson_hilferty(a, inv_normal_cdf(p)).unwrap_or((target + lgamma1p(a)) / a);
    increasing_root(start, |u| {
        if u < -50.0 {
            return (a * u - lgamma1p(a) - target, a);
        }
        let x = u.exp();
        let p = gamma_tails(a, x).0;
        (p.ln() - target, gamma_weight(a, x) / p)
    })
    .exp()
}

fn upper_quantile(a: f64, q: f64) -> f64 {
    if q == 0.0 {
        return f64::INFINITY;
    }
    let target = q.ln();
    let start = wilson_hilferty(a, -inv_normal_cdf(q)).unwrap_or((-target).max(0.1).ln());
    increasing_root(start, |u| {
        let x = u.exp();
        let q = gamma_tails(a, x).1;
        (target - q.ln(), gamma_weight(a, x) / q)
    })
    .exp()
}

/// The logarithm of an approximate quantile, from the normal one (Wilson and Hilferty 1931); none where it does not apply.
fn wilson_hilferty(a: f64, z: f64) -> Option<f64> {
    let cube_root = 1.0 - 1.0 / (9.0 * a) + z / (3.0 * a.sqrt());
    (cube_root > 0.2).then(|| a.ln() + 3.0 * cube_root.ln())
}

/// The derivative of `P(a, x)` by `a`, by an eight-point difference of the smaller tail; good to about 1e-12.
pub fn gamma_p_by_shape(a: f64, x: f64) -> f64 {
    let (p, q) = gamma_tails(a, x);
    let spread = 0.03 * a / (1.0 + a.sqrt());
    if p < q {
        central_difference(a, spread, |a| gamma_tails(a, x).0)
    } else {
        -central_difference(a, spread, |a| gamma_tails(a, x).1)
    }
}

/// The derivative of a smooth function, by differences over four steps to each side.
pub(super) fn central_difference(at: f64, step: f64, function: impl Fn(f64) -> f64) -> f64 {
    const WEIGHTS: [f64; 4] = [4.0 / 5.0, -1.0 / 5.0, 4.0 / 105.0, -1.0 / 280.0];
    let mut sum = 0.0;
    for (k, weight) in WEIGHTS.iter().enumerate() {
        let shift = (k as f64 + 1.0) * step;
        sum += weight * (function(at + shift) - function(at - shift));
    }
    sum / step
}
