//! The gamma function, its logarithm and derivatives, and what is built from it: beta and binomial coefficients.

use super::elementary::log1p_minus;
use super::tables::{DIGAMMA_AT_ROOT, DIGAMMA_ROOT, ZETA_SERIES};
use std::f64::consts::PI;

const EULER: f64 = 0.577_215_664_901_532_9;
const HALF_LOG_TWO_PI: f64 = 0.918_938_533_204_672_8;

/// `B(2k) / (2k)!`-free Bernoulli numbers `B(2), B(4), …, B(20)`.
const BERNOULLI: [f64; 10] = [
    1.0 / 6.0,
    -1.0 / 30.0,
    1.0 / 42.0,
    -1.0 / 30.0,
    5.0 / 66.0,
    -691.0 / 2730.0,
    7.0 / 6.0,
    -3617.0 / 510.0,
    43867.0 / 798.0,
    -174611.0 / 330.0,
];

/// The gamma function; NaN at the negative integers.
pub fn gamma(x: f64) -> f64 {
    libm::tgamma(x)
}

/// `log |gamma(x)|`, infinite at the poles.
pub fn lgamma(x: f64) -> f64 {
    libm::lgamma(x)
}

/// `log gamma(1 + x)`, exact near `x = 0` too.
pub fn lgamma1p(x: f64) -> f64 {
    if x.abs() > 0.5 {
        // About 1, where the value is 0, the sum 1 + x would not be exact.
        return if (0.5..=1.5).contains(&x) { x.ln() + lgamma1p(x - 1.0) } else { lgamma(1.0 + x) };
    }
    // DLMF 5.7.3
    let series = ZETA_SERIES.iter().rev().fold(0.0, |sum, c| sum * x + c) * x * x;
    series + (x * (1.0 - EULER) - x.ln_1p())
}

/// The error of Stirling's formula, `log gamma(x) - (x - 1/2) log x + x - log(2 pi) / 2`, for `x > 0`.
pub fn stirling_error(x: f64) -> f64 {
    if x < 10.0 {
        return lgamma(x) - (x - 0.5) * x.ln() + x - HALF_LOG_TWO_PI;
    }
    let inverse = 1.0 / x;
    let square = inverse * inverse;
    let mut sum = 0.0;
    for k in (1..=8).rev() {
        let twice = 2.0 * k as f64;
        sum = sum * square + BERNOULLI[k - 1] / (twice * (twice - 1.0));
    }
    sum * inverse
}

/// The logarithmic derivative of the gamma function.
pub fn digamma(x: f64) -> f64 {
    if x <= 0.0 {
        if x == x.floor() {
            return f64::NAN;
        }
        // DLMF 5.5.4, with the argument of the tangent brought near zero.
        let fraction = x - x.round();
        return digamma(1.0 - x) - PI / (PI * fraction).tan();
    }
    let distance = (x - DIGAMMA_ROOT.0) - DIGAMMA_ROOT.1;
    if distance.abs() < 0.3 {
        return DIGAMMA_AT_ROOT.iter().rev().fold(0.0, |sum, c| sum * distance + c) * distance;
    }
    let mut at = x;
    let mut shift = 0.0;
    while at < 10.0 {
        shift += 1.0 / at;
        at += 1.0;
    }
    let square = 1.0 / (at * at);
    let mut sum = 0.0;
    for k in (1..=8).rev() {
        sum = (sum + BERNOULLI[k - 1] / (2.0 * k as f64)) * square;
    }
    at.ln() - 0.5 / at - sum - shift
}

/// The derivative of [`digamma`].
pub fn trigamma(x: f64) -> f64 {
    if x <= 0.0 {
        if x == x.floor() {
            return f64::INFINITY;
        }
        let sine = (PI * (x - x.round())).sin();
        return (PI / sine) * (PI / sine) - trigamma(1.0 - x);
    }
    hurwitz_zeta(2.0, x)
}

/// The derivative of order `n` of [`digamma`]; for `n >= 2` and `x <= 0`, and for `n` that is no natural number, NaN.
pub fn polygamma(n: f64, x: f64) -> f64 {
    if n == 0.0 {
        digamma(x)
    } else if n == 1.0 {
        trigamma(x)
    } else if x <= 0.0 || n < 0.0 || n.fract() != 0.0 || n > 100.0 {
        f64::NAN
    } else {
        let sign = if n % 2.0 == 0.0 { -1.0 } else { 1.0 };
        sign * gamma(n + 1.0) * hurwitz_zeta(n + 1.0, x)
    }
}

/// `sum of (x + k)^-s over k = 0, 1, …` for `s > 1` and `x > 0`, by Euler and Maclaurin (DLMF 25.11.5).
fn hurwitz_zeta(s: f64, x: f64) -> f64 {
    let mut at = x;
    let mut sum = 0.0;
    let enough = 10.0 + s;
    while at < enough {
        sum += at.powf(-s);
        at += 1.0;
    }
    let power = at.powf(-s);
    sum += power * at / (s - 1.0) + 0.5 * power;
    // The term of order j is B(2j) / (2j)! * s (s + 1) … (s + 2j - 2) * at^(-s - 2j + 1).
    let mut factor = power * s / (2.0 * at);
    for (j, bernoulli) in BERNOULLI.iter().enumerate() {
        let twice = 2.0 * (j as f64 + 1.0);
        sum += factor * bernoulli;
        factor *= (s + twice - 1.0) * (s + twice) / ((twice + 1.0) * (twice + 2.0) * at * at);
    }
    sum
}

/// `log gamma(a) + log gamma(b) - log gamma(a + b)` for `a, b > 0`, without cancellation for large arguments.
pub fn lbeta(a: f64, b: f64) -> f64 {
    let (small, large) = if a < b { (a, b) } else { (b, a) };
    if small.is_nan() || large.is_nan() || small < 0.0 {
        return f64::NAN;
    }
    if small == 0.0 {
        return f64::INFINITY;
    }
    if large == f64::INFINITY {
        return f64::NEG_INFINITY;
    }
    let ratio = small / large;
    if small >= 10.0 {
        let correction = stirling_error(small) + stirling_error(large) - stirling_error(small + large);
        let log_share = -(1.0 / ratio).ln_1p();
        return correction + HALF_LOG_TWO_PI - 0.5 * large.ln() + (small - 0.5) * log_share - large * ratio.ln_1p();
    }
    if large >= 10.0 {
        // log gamma(large) - log gamma(large + small), with the linear parts removed by hand.
        let correction = stirling_error(large) - stirling_error(small + large);
        let drop = correction - large * log1p_minus(ratio) + 0.5 * ratio.ln_1p() - small * (large + small).ln();
        return lgamma(small) + drop;
    }
    if small < 1e-3 {
        // gamma(small) is 1 / small up to a factor near 1.
        let shift = lgamma(large) - lgamma(large + small);
        return lgamma1p(small) - small.ln() + shift;
    }
    (gamma(small) * (gamma(large) / gamma(small + large))).ln()
}

/// The beta function.
pub fn beta(a: f64, b: f64) -> f64 {
    lbeta(a, b).exp()
}

/// The logarithm of the binomial coefficient, for real `n >= k >= 0`; `-inf` for `k < 0` and `k > n`.
pub fn lchoose(n: f64, k: f64) -> f64 {
    if n.is_nan() || k.is_nan() || n < 0.0 {
        return f64::NAN;
    }
    if k < 0.0 || k > n {
        return f64::NEG_INFINITY;
    }
    let fewer = k.min(n - k);
    if fewer == 0.0 {
        return 0.0;
    }
    if fewer == 1.0 {
        return n.ln();
    }
    if fewer <= 30.0 && n <= 60.0 && n.fract() == 0.0 && k.fract() == 0.0 {
        // Below 2^53 the product is exact.
        let mut product = 1.0;
        for j in 1..=(fewer as i64) {
            product = product * (n - fewer + j as f64) / j as f64;
        }
        return product.round().ln();
    }
    -lbeta(n - fewer + 1.0, fewer + 1.0) - n.ln_1p()
}

/// The logarithm of the multivariate gamma function of dimension `p` (Muirhead 1982, theorem 2.1.12).
pub fn lmgamma(p: f64, x: f64) -> f64 {
    over_dimensions(p, x, lgamma) + 0.25 * p * (p - 1.0) * PI.ln()
}

/// `function(x) + function(x - 1/2) + … `, `p` terms: the derivatives of [`lmgamma`] from those of [`lgamma`]; NaN unless `p`
/// is a whole number from 1 to a million.
pub fn over_dimensions(p: f64, x: f64, function: fn(f64) -> f64) -> f64 {
    if !(1.0..=1e6).contains(&p) || p.fract() != 0.0 {
        return f64::NAN;
    }
    (0..p as i64).map(|j| function(x - 0.5 * j as f64)).sum()
}
