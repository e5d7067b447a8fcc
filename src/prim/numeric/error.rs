//! The error function and the normal distribution function, their tails, logarithms and inverses.

use std::f64::consts::{FRAC_1_SQRT_2, LN_2, PI};

/// `2 / sqrt(pi) * integral of exp(-t^2) from 0 to x`
pub fn erf(x: f64) -> f64 {
    libm::erf(x)
}

/// `1 - erf(x)`
pub fn erfc(x: f64) -> f64 {
    libm::erfc(x)
}

/// `exp(x^2) erfc(x)`, the scaled complementary error function.
pub fn erfcx(x: f64) -> f64 {
    if x < 25.0 {
        // The rounding error of the square is put back, or it would be multiplied by x^2.
        let square = x * x;
        let error = x.mul_add(x, -square);
        return square.exp() * (1.0 + error) * libm::erfc(x);
    }
    // Asymptotic series in 1 / (2 x^2) (DLMF 7.12.1); from 25 on six terms are exact to rounding.
    let half = 0.5 / (x * x);
    let series = 1.0 - half * (1.0 - 3.0 * half * (1.0 - 5.0 * half * (1.0 - 7.0 * half * (1.0 - 9.0 * half))));
    series / (x * PI.sqrt())
}

/// The standard normal distribution function.
pub fn normal_cdf(x: f64) -> f64 {
    0.5 * libm::erfc(-x * FRAC_1_SQRT_2)
}

/// The logarithm of [`normal_cdf`].
pub fn log_normal_cdf(x: f64) -> f64 {
    if x > -1.0 {
        (-0.5 * libm::erfc(x * FRAC_1_SQRT_2)).ln_1p()
    } else if x == f64::NEG_INFINITY {
        x
    } else {
        erfcx(-x * FRAC_1_SQRT_2).ln() - LN_2 - 0.5 * x * x
    }
}

/// The inverse of [`normal_cdf`]: infinite at 0 and 1, NaN outside.
pub fn inv_normal_cdf(p: f64) -> f64 {
    if !(0.0..=1.0).contains(&p) {
        return f64::NAN;
    }
    if p > 0.5 {
        return -lower_quantile(1.0 - p);
    }
    lower_quantile(p)
}

/// The `x` with `log_normal_cdf(x) = log_p`: quantiles of probabilities too small for a number.
pub fn inv_log_normal_cdf(log_p: f64) -> f64 {
    if log_p > 0.0 || log_p.is_nan() {
        f64::NAN
    } else if log_p > -LN_2 {
        -lower_quantile(-log_p.exp_m1())
    } else if log_p == f64::NEG_INFINITY {
        log_p
    } else {
        quantile_of_log(log_p)
    }
}

/// The quantile of `p <= 1/2`.
fn lower_quantile(p: f64) -> f64 {
    if p == 0.0 {
        return f64::NEG_INFINITY;
    }
    if p < 0.1 {
        return quantile_of_log(p.ln());
    }
    let below = p - 0.5;
    let mut x = rational_start(p.ln());
    for _ in 0..3 {
        // Halley's step for erf(x / sqrt 2) / 2 = p - 1/2, whose right side is exact.
        let density = (-0.5 * x * x).exp() / (2.0 * PI).sqrt();
        let newton = (0.5 * libm::erf(x * FRAC_1_SQRT_2) - below) / density;
        x -= newton / (1.0 + 0.5 * x * newton);
    }
    x
}

fn quantile_of_log(log_p: f64) -> f64 {
    let mut x = rational_start(log_p);
    for _ in 0..4 {
        let slope = (2.0 / PI).sqrt() / erfcx(-x * FRAC_1_SQRT_2);
        x -= (log_normal_cdf(x) - log_p) / slope;
    }
    x
}

/// A start good to about 5e-4 (Abramowitz and Stegun 26.2.23).
fn rational_start(log_p: f64) -> f64 {
    let t = (-2.0 * log_p).sqrt();
    let above = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let below = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    above / below - t
}

/// Owen's T function, `1 / (2 pi) * integral of exp(-h^2 (1 + t^2) / 2) / (1 + t^2) from 0 to a`.
pub fn owens_t(h: f64, a: f64) -> f64 {
    if h.is_nan() || a.is_nan() {
        return f64::NAN;
    }
    let (h, size) = (h.abs(), a.abs());
    let value = if size <= 1.0 {
        owens_t_small(h, size)
    } else {
        // Owen 1956, equation 2.3, arranged so that tails are not differences from 1.
        let tail = |x: f64| normal_cdf(-x);
        let scaled = if size.is_infinite() { if h == 0.0 { 0.0 } else { f64::INFINITY } } else { h * size };
        let (q, r) = (tail(h), tail(scaled));
        0.5 * (q + r) - q * r - if size.is_infinite() { 0.0 } else { owens_t_small(scaled, 1.0 / size) }
    };
    if a < 0.0 { -value } else { value }
}

/// For `0 <= a <= 1` the integrand is entire enough for 40 Gauss points on the part that matters.
fn owens_t_small(h: f64, a: f64) -> f64 {
    if a == 0.0 || h > 38.6 {
        return 0.0;
    }
    // Beyond t = 9 / h the factor exp(-h^2 t^2 / 2) is below 1e-17.
    let end = if h * a > 9.0 { 9.0 / h } else { a };
    let panels = 4;
    let width = end / panels as f64;
    let mut sum = 0.0;
    for panel in 0..panels {
        let middle = (panel as f64 + 0.5) * width;
        for (node, weight) in super::tables::LEGENDRE {
            for t in [middle - 0.5 * width * node, middle + 0.5 * width * node] {
                let square = 1.0 + t * t;
                sum += weight * (-0.5 * h * h * t * t).exp() / square;
            }
        }
    }
    (-0.5 * h * h).exp() * sum * 0.5 * width / (2.0 * PI)
}
