//! Special functions of real numbers: what the rows of the library, and the array kernels, call.
//!
//! Outside their domain they are NaN, at poles infinite. Relative accuracy is about 1e-14 in the body and 1e-12 in tails,
//! as `tests/reference/special.csv` shows against 50-digit values.

pub mod bessel;
pub mod elementary;
pub mod error;
pub mod gamma;
pub mod incomplete_beta;
pub mod incomplete_gamma;
mod tables;

/// The root of an increasing function: Newton's method from `start`, kept inside what is known to bracket the root.
///
/// `function` gives value and slope. Meant for the logarithm of a distribution function in the logarithm (or logit) of its
/// argument, which is concave for log-concave densities there, so that Newton's method converges from below.
fn increasing_root(start: f64, function: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let mut at = start;
    let mut stride = 1.0;
    for _ in 0..300 {
        let (value, slope) = function(at);
        if value == 0.0 {
            return at;
        }
        if value < 0.0 {
            low = at;
        } else {
            high = at;
        }
        let mut next = at - value / slope;
        let inside = next > low && next < high;
        if !inside || !slope.is_finite() || slope <= 0.0 {
            next = if low.is_finite() && high.is_finite() {
                low + 0.5 * (high - low)
            } else {
                stride *= 2.0;
                if value < 0.0 { at + stride } else { at - stride }
            };
        }
        if (next - at).abs() <= 2.0 * f64::EPSILON * at.abs() {
            return next;
        }
        at = next;
    }
    at
}
