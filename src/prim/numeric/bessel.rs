//! The modified Bessel functions of the first kind of orders 0 and 1, which the von Mises distribution needs.

use std::f64::consts::PI;

/// Above this the asymptotic series is exact to rounding.
const LARGE: f64 = 30.0;

/// `I0(x)`
pub fn bessel_i0(x: f64) -> f64 {
    let x = x.abs();
    if x <= LARGE { 1.0 + power_series(0.0, x) } else { log_bessel_i0(x).exp() }
}

/// `I1(x)`
pub fn bessel_i1(x: f64) -> f64 {
    let size = x.abs();
    let value = if size <= LARGE {
        0.5 * size * (1.0 + power_series(1.0, size))
    } else if size == f64::INFINITY {
        size
    } else {
        (size - 0.5 * (2.0 * PI * size).ln()).exp() * asymptotic(1.0, size)
    };
    value.copysign(x)
}

/// `log I0(x)`
pub fn log_bessel_i0(x: f64) -> f64 {
    let x = x.abs();
    if x <= LARGE {
        power_series(0.0, x).ln_1p()
    } else if x == f64::INFINITY {
        x
    } else {
        x - 0.5 * (2.0 * PI * x).ln() + asymptotic(0.0, x).ln()
    }
}

/// `I1(x) / I0(x)`, the mean resultant length of a von Mises distribution of concentration `x`.
pub fn bessel_ratio(x: f64) -> f64 {
    let size = x.abs();
    let value = if size <= LARGE {
        0.5 * size * (1.0 + power_series(1.0, size)) / (1.0 + power_series(0.0, size))
    } else if size == f64::INFINITY {
        1.0
    } else {
        asymptotic(1.0, size) / asymptotic(0.0, size)
    };
    value.copysign(x)
}

/// The sum over `k >= 1` of `(x^2 / 4)^k / (k! (order + 1) … (order + k))` (DLMF 10.25.2).
fn power_series(order: f64, x: f64) -> f64 {
    let quarter = 0.25 * x * x;
    let mut term = 1.0;
    let mut sum = 0.0;
    let mut k = 1.0;
    loop {
        term *= quarter / (k * (k + order));
        sum += term;
        if term <= 1e-17 * sum || term.is_nan() {
            return if x.is_nan() { x } else { sum };
        }
        k += 1.0;
    }
}

/// The factor of `exp(x) / sqrt(2 pi x)` in `I_order(x)` (DLMF 10.40.1).
fn asymptotic(order: f64, x: f64) -> f64 {
    let square = 4.0 * order * order;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in 1..30 {
        let odd = 2.0 * k as f64 - 1.0;
        term *= -(square - odd * odd) / (8.0 * k as f64 * x);
        sum += term;
        if term.abs() <= 1e-17 {
            break;
        }
    }
    sum
}
