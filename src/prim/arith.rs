//! Arithmetic of numbers: size, sign, rounding, whole division, and conversions between the kinds of number.

use super::arguments::{take, take_bools};
use super::numeric::elementary as e;
use super::{Body, Row};
use crate::value::{Fault, Value};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row::real1("fn abs(x: Real) -> Real", "The size of a number.\nexample: abs(-2.5) == 2.5", &["sign(x)"], f64::abs),
    int1("fn abs(n: Int) -> Int", "The size of an integer.\nexample: abs(-2) == 2", |n| {
        n.checked_abs().ok_or_else(|| overflow(format!("abs({n})")))
    }),
    Row::real1(
        "fn sign(x: Real) -> Real",
        "1 for positive and -1 for negative numbers, 0 for zero.\nexample: sign(-2.5) == -1",
        &[""],
        e::sign,
    ),
    int1(
        "fn sign(n: Int) -> Int",
        "1, -1 or 0 by the sign of an integer.\nexample: sign(-2) == -1",
        |n| Ok(n.signum()),
    ),
    Row::real1(
        "fn step(x: Real) -> Real",
        "1 where `x >= 0`, else 0.\nexample: step(0) == 1 && step(-1) == 0",
        &[""],
        e::step,
    ),
    Row::real2(
        "fn min(x: Real, y: Real) -> Real",
        "The smaller of two numbers; NaN if either is.\nexample: min(1.5, 2.0) == 1.5",
        &["step(y - x)", "1 - step(y - x)"],
        e::min,
    ),
    int2("fn min(n: Int, m: Int) -> Int", "The smaller of two integers.\nexample: min(1, 2) == 1", |n, m| Ok(n.min(m))),
    Row::real2(
        "fn max(x: Real, y: Real) -> Real",
        "The larger of two numbers; NaN if either is.\nexample: max(1.5, 2.0) == 2",
        &["step(x - y)", "1 - step(x - y)"],
        e::max,
    ),
    int2("fn max(n: Int, m: Int) -> Int", "The larger of two integers.\nexample: max(1, 2) == 2", |n, m| Ok(n.max(m))),
    Row::real1(
        "fn floor(x: Real) -> Real",
        "The next whole number downwards.\nexample: floor(-1.5) == -2",
        &[""],
        f64::floor,
    ),
    Row::real1(
        "fn ceil(x: Real) -> Real",
        "The next whole number upwards.\nexample: ceil(-1.5) == -1",
        &[""],
        f64::ceil,
    ),
    Row::real1(
        "fn round(x: Real) -> Real",
        "The nearest whole number, halves away from zero.\nexample: round(2.5) == 3 && round(-2.5) == -3",
        &[""],
        f64::round,
    ),
    Row::real1(
        "fn trunc(x: Real) -> Real",
        "The next whole number towards zero.\nexample: trunc(-1.7) == -1",
        &[""],
        f64::trunc,
    ),
    int2(
        "fn div(n: Int, m: Int) -> Int",
        "The quotient rounded downwards, so that `n == div(n, m) * m + mod(n, m)`; division by zero is an error.\n\
         example: div(7, 2) == 3 && div(-7, 2) == -4",
        floor_div,
    ),
    int2(
        "fn mod(n: Int, m: Int) -> Int",
        "The remainder that has the sign of `m`; division by zero is an error.\n\
         example: mod(-7, 2) == 1 && mod(7, -2) == -1",
        floor_mod,
    ),
    Row::real2(
        "fn mod(x: Real, y: Real) -> Real",
        "The remainder that has the sign of `y`.\nexample: mod(-0.5, 2.0) == 1.5",
        &["1", "-floor(x / y)"],
        real_mod,
    ),
    Row::real2(
        "fn pow(x: Real, y: Real) -> Real",
        "`x ^ y`; the same as the operator on reals.\nexample: pow(2.0, 0.5) == sqrt(2)",
        &["y * pow(x, y - 1)", "xlogy(result, x)"],
        f64::powf,
    ),
    int2(
        "fn pow(n: Int, m: Int) -> Int",
        "`n ^ m` for `m >= 0`; an error where it does not fit into 64 bits.\nexample: pow(2, 10) == 1024",
        int_pow,
    ),
    Row {
        signature: "fn int(x: Real) -> Int",
        doc: "The whole part of a number, towards zero; an error for NaN and where it does not fit into 64 bits.\n\
              example: int(2.9) == 2 && int(-2.9) == -2",
        elementwise: true,
        derivative: &[],
        body: Body::Truncate(truncate),
    },
    Row::general("fn int(b: Bool) -> Int", "1 for `true` and 0 for `false`.\nexample: int(true) == 1", |args| {
        Ok(Value::Int(i64::from(take(args, 0) == Value::Bool(true))))
    }),
    Row::general(
        "fn int(bs: [Bool]) -> [Int]",
        "1 for every `true` and 0 for every `false`.\nexample: int([true, false]) == [1, 0]",
        |args| Ok(Value::ints(take_bools(args, 0)?.iter().map(|b| i64::from(*b)).collect())),
    ),
    Row::real1("fn real(x: Real) -> Real", "An integer as a real number.\nexample: real(2) / 4 == 0.5", &["1"], |x| x),
    Row::general("fn real(b: Bool) -> Real", "1 for `true` and 0 for `false`.\nexample: real(true) == 1", |args| {
        Ok(Value::Real(f64::from(u8::from(take(args, 0) == Value::Bool(true)))))
    }),
    Row::general(
        "fn real(bs: [Bool]) -> [Real]",
        "1 for every `true` and 0 for every `false`.\nexample: real([true, false]) == [1.0, 0.0]",
        |args| Ok(Value::reals(take_bools(args, 0)?.iter().map(|b| f64::from(u8::from(*b))).collect())),
    ),
    Row::general(
        "fn is_nan(x: Real) -> Bool",
        "Whether `x` is not a number.\nexample: is_nan(nan) && !is_nan(1.0)",
        |args| Ok(Value::Bool(super::arguments::real(args, 0)?.is_nan())),
    ),
    Row::general(
        "fn is_nan(xs: [Real]) -> [Bool]",
        "Which elements are not numbers.\nexample: is_nan([1.0, nan]) == [false, true]",
        |args| Ok(Value::Bools(Arc::new(super::arguments::take_reals(args, 0)?.iter().map(|x| x.is_nan()).collect()))),
    ),
    Row::general(
        "fn is_finite(x: Real) -> Bool",
        "Whether `x` is a number and not infinite.\nexample: !is_finite(inf) && is_finite(1.0)",
        |args| Ok(Value::Bool(super::arguments::real(args, 0)?.is_finite())),
    ),
    Row::general(
        "fn is_finite(xs: [Real]) -> [Bool]",
        "Which elements are numbers and not infinite.\nexample: is_finite([1.0, inf]) == [true, false]",
        |args| {
            Ok(Value::Bools(Arc::new(super::arguments::take_reals(args, 0)?.iter().map(|x| x.is_finite()).collect())))
        },
    ),
];

const fn int1(signature: &'static str, doc: &'static str, body: fn(i64) -> Result<i64, Fault>) -> Row {
    Row { signature, doc, elementwise: true, derivative: &[], body: Body::Int1(body) }
}

const fn int2(signature: &'static str, doc: &'static str, body: fn(i64, i64) -> Result<i64, Fault>) -> Row {
    Row { signature, doc, elementwise: true, derivative: &[], body: Body::Int2(body) }
}

/// The fault of an integer result beyond 64 bits.
pub(super) fn overflow(what: impl std::fmt::Display) -> Fault {
    Fault::error(format!("{what} does not fit into a 64-bit integer")).hint("use reals: they have a wider range")
}

/// How to avoid a division by zero.
const ZERO: &str = "test the divisor first: `if m != 0 { … } else { … }`";

/// The quotient rounded downwards; errors: division by zero, overflow.
pub fn floor_div(n: i64, m: i64) -> Result<i64, Fault> {
    if m == 0 {
        return Err(Fault::error(format!("division of {n} by zero")).hint(ZERO));
    }
    let quotient = n.checked_div(m).ok_or_else(|| overflow(format!("div({n}, {m})")))?;
    Ok(if n % m != 0 && (n < 0) != (m < 0) { quotient - 1 } else { quotient })
}

/// The remainder that has the sign of `m`; error: division by zero.
pub fn floor_mod(n: i64, m: i64) -> Result<i64, Fault> {
    if m == 0 {
        return Err(Fault::error(format!("remainder of {n} divided by zero")).hint(ZERO));
    }
    let rest = n.wrapping_rem(m);
    Ok(if rest != 0 && (rest < 0) != (m < 0) { rest + m } else { rest })
}

/// `n ^ m`; errors: a negative exponent, overflow.
pub fn int_pow(n: i64, m: i64) -> Result<i64, Fault> {
    if m < 0 {
        let fault = Fault::error(format!("the integer {n} has no integer power {m}"));
        return Err(fault.hint("make one of them real, as in `2.0 ^ -1`"));
    }
    let power = match n {
        0 => i64::from(m == 0),
        1 => 1,
        -1 => 1 - 2 * (m & 1),
        _ => u32::try_from(m).ok().and_then(|m| n.checked_pow(m)).ok_or_else(|| overflow(format!("{n} ^ {m}")))?,
    };
    Ok(power)
}

fn real_mod(x: f64, y: f64) -> f64 {
    let rest = x % y;
    if rest != 0.0 && (rest < 0.0) != (y < 0.0) { rest + y } else { rest }
}

fn truncate(x: f64) -> Result<i64, Fault> {
    let whole = x.trunc();
    // 2^63 is the first number too large; its negative just fits.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&whole) {
        return Ok(whole as i64);
    }
    let mut text = String::new();
    let written = crate::value::print::write_real(x, &mut text);
    debug_assert!(written.is_ok(), "writing to a string cannot fail");
    Err(Fault::error(format!("{text} is no 64-bit integer")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn division_and_remainder_belong_together() {
        for n in -7..=7 {
            for m in [-3, -2, -1, 1, 2, 3] {
                let (quotient, rest) = (floor_div(n, m).unwrap(), floor_mod(n, m).unwrap());
                assert_eq!(quotient * m + rest, n);
                assert!(rest == 0 || (rest < 0) == (m < 0));
                assert_eq!(quotient as f64, (n as f64 / m as f64).floor());
                assert_eq!(real_mod(n as f64, m as f64), rest as f64);
            }
        }
        assert!(floor_div(1, 0).is_err());
        assert!(floor_mod(1, 0).is_err());
        assert!(floor_div(i64::MIN, -1).is_err());
        assert_eq!(floor_mod(i64::MIN, -1).unwrap(), 0);
    }

    #[test]
    fn powers_that_do_not_fit_are_errors() {
        assert_eq!(int_pow(3, 4).unwrap(), 81);
        assert_eq!(int_pow(0, 0).unwrap(), 1);
        assert_eq!(int_pow(-1, i64::MAX).unwrap(), -1);
        assert_eq!(int_pow(1, i64::MAX).unwrap(), 1);
        assert!(int_pow(2, 63).is_err());
        assert_eq!(int_pow(-2, 63).unwrap(), i64::MIN);
        assert!(int_pow(2, -1).is_err());
    }

    #[test]
    fn truncation_keeps_to_sixty_four_bits() {
        assert_eq!(truncate(-2.9).unwrap(), -2);
        assert_eq!(truncate(-9_223_372_036_854_775_808.0).unwrap(), i64::MIN);
        assert!(truncate(9_223_372_036_854_775_808.0).is_err());
        assert!(truncate(f64::NAN).is_err());
    }
}
