//! Logarithms, logits and their like without needless rounding.

/// `log(1 + x) - x` to full relative accuracy.
pub fn log1p_minus(x: f64) -> f64 {
    if x.abs() > 0.5 || x.is_nan() {
        return x.ln_1p() - x;
    }
    // log1p(x) = 2 atanh(r) with r = x / (2 + x), and 2 r - x = -r x.
    let r = x / (2.0 + x);
    let square = r * r;
    let mut power = r * square;
    let mut sum = 0.0;
    let mut k = 3.0;
    loop {
        let term = power / k;
        sum += term;
        if term.abs() <= 1e-17 * sum.abs() {
            return 2.0 * sum - r * x;
        }
        power *= square;
        k += 2.0;
    }
}

/// `x log(x / m) + m - x`, the half deviance of a Poisson observation `x` with mean `m`
/// (Loader 2000, "Fast and accurate computation of binomial probabilities").
pub fn deviance(x: f64, m: f64) -> f64 {
    if x < 0.0 || m < 0.0 || x.is_nan() || m.is_nan() {
        return f64::NAN;
    }
    if x == 0.0 {
        return m;
    }
    if m == 0.0 || x == f64::INFINITY || m == f64::INFINITY {
        return if x == m { f64::NAN } else { f64::INFINITY };
    }
    let relative = (m - x) / x;
    if relative.abs() <= 0.5 {
        return -x * log1p_minus(relative);
    }
    x * (x.ln() - m.ln()) + (m - x)
}

/// `log(1 - x)`
pub fn log1m(x: f64) -> f64 {
    (-x).ln_1p()
}

/// `log(1 - exp(x))` for `x <= 0` (Mächler 2012).
pub fn log1m_exp(x: f64) -> f64 {
    if x > 0.0 {
        f64::NAN
    } else if x > -std::f64::consts::LN_2 {
        (-x.exp_m1()).ln()
    } else {
        (-x.exp()).ln_1p()
    }
}

/// `log(1 + exp(x))`
pub fn log1p_exp(x: f64) -> f64 {
    if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
}

/// `log(exp(x) + exp(y))`
pub fn log_add_exp(x: f64, y: f64) -> f64 {
    let (high, low) = if x < y { (y, x) } else { (x, y) };
    if low == f64::NEG_INFINITY || high == f64::INFINITY {
        return if low.is_nan() { low } else { high };
    }
    high + (low - high).exp().ln_1p()
}

/// `log(exp(x) - exp(y))` for `x >= y`
pub fn log_diff_exp(x: f64, y: f64) -> f64 {
    if y == f64::NEG_INFINITY || x == f64::INFINITY {
        return if y == f64::INFINITY { f64::NAN } else { x };
    }
    x + log1m_exp(y - x)
}

/// `log(p / (1 - p))`
pub fn logit(p: f64) -> f64 {
    // Around one half the quotient is near 1, where only the difference from 1 is exact.
    if (0.25..=0.75).contains(&p) { ((2.0 * p - 1.0) / (1.0 - p)).ln_1p() } else { p.ln() - log1m(p) }
}

/// `1 / (1 + exp(-x))`
pub fn inv_logit(x: f64) -> f64 {
    if x < 0.0 {
        let e = x.exp();
        e / (1.0 + e)
    } else {
        1.0 / (1.0 + (-x).exp())
    }
}

/// `log(inv_logit(x))`
pub fn log_inv_logit(x: f64) -> f64 {
    -log1p_exp(-x)
}

/// `log(1 - inv_logit(x))`
pub fn log1m_inv_logit(x: f64) -> f64 {
    -log1p_exp(x)
}

/// `x log(y)`, 0 where `x` is 0.
pub fn xlogy(x: f64, y: f64) -> f64 {
    if x == 0.0 && !y.is_nan() { 0.0 } else { x * y.ln() }
}

/// `x log(1 + y)`, 0 where `x` is 0.
pub fn xlog1py(x: f64, y: f64) -> f64 {
    if x == 0.0 && !y.is_nan() { 0.0 } else { x * y.ln_1p() }
}

/// 1 for positive, -1 for negative numbers, 0 for zeros, NaN for NaN.
pub fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        x * 0.0
    }
}

/// 1 where `x >= 0`, else 0.
pub fn step(x: f64) -> f64 {
    f64::from(u8::from(x >= 0.0))
}

/// The smaller number; NaN if either is.
pub fn min(x: f64, y: f64) -> f64 {
    if x.is_nan() || x < y { x } else { y }
}

/// The larger number; NaN if either is.
pub fn max(x: f64, y: f64) -> f64 {
    if x.is_nan() || x > y { x } else { y }
}
