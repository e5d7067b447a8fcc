//! Arithmetic on single numbers where it differs from the processor's: checked integers, powers, remainders.

use crate::value::Fault;

#[cold]
#[inline(never)]
fn overflow(what: &str) -> Fault {
    Fault::error(format!("integer overflow in {what}")).hint("use reals: they have a wider range")
}

/// `a + b`; faults on overflow.
#[inline(always)]
pub fn add(a: i64, b: i64) -> Result<i64, Fault> {
    a.checked_add(b).ok_or_else(|| overflow("`+`"))
}

/// `a - b`; faults on overflow.
#[inline(always)]
pub fn subtract(a: i64, b: i64) -> Result<i64, Fault> {
    a.checked_sub(b).ok_or_else(|| overflow("`-`"))
}

/// `a * b`; faults on overflow.
#[inline(always)]
pub fn multiply(a: i64, b: i64) -> Result<i64, Fault> {
    a.checked_mul(b).ok_or_else(|| overflow("`*`"))
}

/// `-a`; faults on overflow.
#[inline(always)]
pub fn negate(a: i64) -> Result<i64, Fault> {
    a.checked_neg().ok_or_else(|| overflow("`-`"))
}

/// `a ^ b`, exact for small integer exponents.
#[inline]
pub fn power(a: f64, b: f64) -> f64 {
    if b == 2.0 { a * a } else { a.powf(b) }
}

/// The remainder with the sign of the divisor.
#[inline]
pub fn remainder(a: f64, b: f64) -> f64 {
    let r = a % b;
    if r != 0.0 && (r < 0.0) != (b < 0.0) { r + b } else { r }
}

/// Integer power; faults for a negative exponent and on overflow.
#[inline(never)]
pub fn integer_power(a: i64, b: i64) -> Result<i64, Fault> {
    let Ok(exponent) = u32::try_from(b) else {
        if b >= 0 && (a == 0 || a == 1) {
            return Ok(a);
        }
        return Err(Fault::error(format!("{a} ^ {b}: an integer power needs an exponent from 0 to 4294967295"))
            .hint("use a real base: `2.0 ^ n`"));
    };
    a.checked_pow(exponent)
        .ok_or_else(|| Fault::error(format!("integer overflow in {a} ^ {b}")).hint("use a real base: `2.0 ^ n`"))
}

#[cold]
#[inline(never)]
fn zero_divisor() -> Fault {
    let fault = Fault::error("remainder of a division by zero");
    fault.hint("test the divisor first: `if n != 0 { … } else { … }`")
}

/// The remainder with the sign of the divisor; faults when the divisor is zero.
#[inline]
pub fn integer_remainder(a: i64, b: i64) -> Result<i64, Fault> {
    match a.checked_rem(b) {
        Some(r) => Ok(if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        None if b == 0 => Err(zero_divisor()),
        None => Ok(0),
    }
}
