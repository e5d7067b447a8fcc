//! Elementary functions over slices, written so that the compiler makes vector code of them, the same bits on every processor.
//!
//! Nothing here branches on its data. Each function is within 2 units in the last place of the true value where that is finite
//! and normal.

/// 1.5 · 2^52: added to a number below 2^51 in size, its low bits are the nearest integer.
const ROUND: f64 = 6_755_399_441_055_744.0;
const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;

/// `2^k` for an integer `k` in −1022 … 1023.
#[inline(always)]
pub fn power_of_two(k: f64) -> f64 {
    f64::from_bits((k + (ROUND + 1023.0)).to_bits() << 52)
}

/// `exp(r) - 1` for `|r| <= 0.35`.
#[inline(always)]
fn expm1_small(r: f64) -> f64 {
    // Taylor's series; the terms left out are below 2^-57 of the result. Even and odd powers apart wait for each other half as long.
    let square = r * r;
    let mut even = 1.0 / 479_001_600.0;
    even = even * square + 1.0 / 3_628_800.0;
    even = even * square + 1.0 / 40_320.0;
    even = even * square + 1.0 / 720.0;
    even = even * square + 1.0 / 24.0;
    even = even * square + 0.5;
    let mut odd = 1.0 / 6_227_020_800.0;
    odd = odd * square + 1.0 / 39_916_800.0;
    odd = odd * square + 1.0 / 362_880.0;
    odd = odd * square + 1.0 / 5_040.0;
    odd = odd * square + 1.0 / 120.0;
    odd = odd * square + 1.0 / 6.0;
    (odd * r + even) * square + r
}

/// `k` and `r` with `x = k ln 2 + r`.
#[inline(always)]
fn reduced(x: f64) -> (f64, f64) {
    let k = (x * std::f64::consts::LOG2_E + ROUND) - ROUND;
    (k, (x - k * LN2_HIGH) - k * LN2_LOW)
}

#[inline(always)]
pub fn exp(x: f64) -> f64 {
    let x = if x > 710.0 { 710.0 } else { x };
    let x = if x < -746.0 { -746.0 } else { x };
    let (k, r) = reduced(x);
    // In two steps, so that results below the least normal number are right.
    let half = (0.5 * k + ROUND) - ROUND;
    let rest = power_of_two(k - half);
    // Zero by a factor of zero: a product that is too small to be a number costs the processor many times as much.
    let rest = if x < -745.2 { 0.0 } else { rest };
    ((1.0 + expm1_small(r)) * power_of_two(half)) * rest
}

/// A fraction between 0.7 and 1.42 and an integer `k` with `exp(x)` the fraction times `2^k`, for `x` of at most 1e15 in size.
#[inline(always)]
pub fn exp_parts(x: f64) -> (f64, f64) {
    let (k, r) = reduced(x);
    (1.0 + expm1_small(r), k)
}

/// The log of `fraction` times `2^k`.
#[inline(always)]
pub fn log_parts(fraction: f64, k: f64) -> f64 {
    k * LN2_HIGH + (k * LN2_LOW + log(fraction))
}

#[inline(always)]
pub fn expm1(x: f64) -> f64 {
    let y = if x > 710.0 { 710.0 } else { x };
    let y = if y < -40.0 { -40.0 } else { y };
    let (k, r) = reduced(y);
    let p = expm1_small(r);
    // 2^k may be out of range where 2^(k - 1) is not.
    let half = power_of_two(k - 1.0);
    let whole = 2.0 * (half * p + (half - 0.5));
    let small = x.abs() < 1e-300;
    if small { x } else { whole }
}

/// Source: fdlibm's `log`, without its branches.
#[inline(always)]
pub fn log(x: f64) -> f64 {
    let tiny = x < f64::MIN_POSITIVE;
    let scaled = if tiny { x * 18_014_398_509_481_984.0 } else { x };
    let bits = scaled.to_bits();
    // The exponent that leaves a mantissa between sqrt(1/2) and sqrt(2).
    let shifted = bits.wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let exponent = shifted.wrapping_add(0x3ff0_0000_0000_0000) >> 52;
    let e = f64::from_bits(0x4330_0000_0000_0000 | exponent) - (4_503_599_627_370_496.0 + 1023.0);
    let m = f64::from_bits(bits.wrapping_sub(shifted & 0xfff0_0000_0000_0000));
    let e = if tiny { e - 54.0 } else { e };
    let f = m - 1.0;
    let half = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (0.399_999_999_994_094_1 + w * (0.222_221_984_321_497_84 + w * 0.153_138_376_992_093_73));
    let odd = z
        * (0.666_666_666_666_673_5
            + w * (0.285_714_287_436_623_9 + w * (0.181_835_721_616_180_5 + w * 0.147_981_986_051_165_86)));
    let r = even + odd;
    let y = e * LN2_HIGH - ((half - (s * (half + r) + e * LN2_LOW)) - f);
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == 0.0 { f64::NEG_INFINITY } else { y };
    if x < 0.0 || x.is_nan() { f64::NAN } else { y }
}

#[inline(always)]
pub fn log1p(x: f64) -> f64 {
    let u = 1.0 + x;
    // What rounding took from 1 + x.
    let lost = if x > 1.0 { 1.0 - (u - x) } else { x - (u - 1.0) };
    let y = log(u) + lost / u;
    let y = if x == f64::INFINITY { x } else { y };
    let y = if x == -1.0 { f64::NEG_INFINITY } else { y };
    if x.abs() < 1e-300 { x } else { y }
}

#[inline(always)]
pub fn tanh(x: f64) -> f64 {
    let a = x.abs();
    let t = expm1(-2.0 * a);
    let y = -t / (t + 2.0);
    y.copysign(x)
}

/// `sin(x)`-like functions and those without a vector form go through their scalar one.
#[inline(always)]
pub fn select(c: f64, a: f64, b: f64) -> f64 {
    if c != 0.0 { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps(got: f64, right: f64) -> f64 {
        if got == right || (got.is_nan() && right.is_nan()) {
            return 0.0;
        }
        let unit = right.abs().max(f64::MIN_POSITIVE) * f64::EPSILON;
        (got - right).abs() / unit
    }

    fn grid(low: f64, high: f64) -> impl Iterator<Item = f64> {
        let n = 40_001;
        (0..n).map(move |k| low + (high - low) * f64::from(k) / f64::from(n - 1) + 1e-7 * f64::from(k % 13))
    }

    /// The platform's own functions are within 1 unit, so 2 are seen as at most 3.
    #[test]
    fn functions_are_near_those_of_the_platform() {
        let mut worst = [0.0f64; 5];
        for x in grid(-745.0, 709.7) {
            worst[0] = worst[0].max(if x.exp() > 1e-300 { ulps(exp(x), x.exp()) } else { 0.0 });
        }
        for x in grid(-40.0, 40.0).chain(grid(-1.0, 1.0)).chain(grid(-1e-8, 1e-8)) {
            worst[1] = worst[1].max(ulps(expm1(x), x.exp_m1()));
            worst[2] = worst[2].max(ulps(tanh(x), x.tanh()));
        }
        for x in grid(1e-3, 3.0).chain(grid(1.0, 1e6)).chain([1e-310, 1e300, 5e-324]) {
            worst[3] = worst[3].max(ulps(log(x), x.ln()));
        }
        for x in grid(-0.999, 3.0).chain(grid(0.0, 1e5)).chain(grid(-1e-9, 1e-9)) {
            worst[4] = worst[4].max(ulps(log1p(x), x.ln_1p()));
        }
        assert!(worst.iter().all(|w| *w <= 2.5), "{worst:?}");
    }

    #[test]
    fn borders_are_exact() {
        assert_eq!(exp(f64::INFINITY), f64::INFINITY);
        assert_eq!(exp(f64::NEG_INFINITY), 0.0);
        assert_eq!(exp(0.0), 1.0);
        assert!(exp(f64::NAN).is_nan());
        assert_eq!(exp(1000.0), f64::INFINITY);
        assert!(exp(-745.0) > 0.0 && exp(-745.2) == 0.0);
        assert_eq!(log(0.0), f64::NEG_INFINITY);
        assert!(log(-1.0).is_nan() && log(f64::NAN).is_nan());
        assert_eq!(log(1.0), 0.0);
        assert_eq!(log(f64::INFINITY), f64::INFINITY);
        assert_eq!(log1p(-1.0), f64::NEG_INFINITY);
        assert_eq!(log1p(f64::INFINITY), f64::INFINITY);
        assert!(log1p(-2.0).is_nan());
        assert_eq!(expm1(f64::NEG_INFINITY), -1.0);
        assert_eq!(expm1(f64::INFINITY), f64::INFINITY);
        assert_eq!(tanh(f64::INFINITY), 1.0);
        assert_eq!(tanh(-1e3), -1.0);
        assert_eq!(expm1(0.0), 0.0);
    }
}
