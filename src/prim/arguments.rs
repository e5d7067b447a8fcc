//! Reading the arguments of a row. The checker has already seen the types, so a mismatch is a mistake of ours.

use crate::value::{Fault, Generator, Matrix, Value};
use std::sync::Arc;

/// Takes argument `i`.
pub(super) fn take(args: &mut [Value], i: usize) -> Value {
    args.get_mut(i).map(std::mem::take).unwrap_or_default()
}

/// A fault of ours: argument `i` is not of the type that the signature says.
pub(super) fn mistyped(args: &[Value], i: usize, expected: &str) -> Fault {
    let found = args.get(i).map_or("nothing".to_string(), |value| crate::value::short(value, 40));
    Fault::internal(format!("internal error: argument {} should be {expected}, but is {found}", i + 1))
}

/// Argument `i` as a real.
pub(super) fn real(args: &[Value], i: usize) -> Result<f64, Fault> {
    args.get(i).and_then(Value::as_real).ok_or_else(|| mistyped(args, i, "a number"))
}

/// Argument `i` as an integer.
pub(super) fn int(args: &[Value], i: usize) -> Result<i64, Fault> {
    args.get(i).and_then(Value::as_int).ok_or_else(|| mistyped(args, i, "an integer"))
}

/// Takes argument `i`, an array of reals (or integers, which widen).
pub(super) fn take_reals(args: &mut [Value], i: usize) -> Result<Arc<Vec<f64>>, Fault> {
    match take(args, i) {
        Value::Reals(xs) => Ok(xs),
        Value::Ints(xs) => Ok(Arc::new(xs.iter().map(|n| *n as f64).collect())),
        Value::Values(xs) if xs.is_empty() => Ok(Arc::default()),
        other => {
            args[i] = other;
            Err(mistyped(args, i, "an array of numbers"))
        }
    }
}

/// Argument `i`, an array of reals.
pub(super) fn reals(args: &[Value], i: usize) -> Result<Arc<Vec<f64>>, Fault> {
    take_reals(&mut [args.get(i).cloned().unwrap_or_default()], 0).map_err(|_| mistyped(args, i, "an array of numbers"))
}

/// Takes argument `i`, an array of integers.
pub(super) fn take_ints(args: &mut [Value], i: usize) -> Result<Arc<Vec<i64>>, Fault> {
    match take(args, i) {
        Value::Ints(xs) => Ok(xs),
        Value::Values(xs) if xs.is_empty() => Ok(Arc::default()),
        other => {
            args[i] = other;
            Err(mistyped(args, i, "an array of integers"))
        }
    }
}

/// Takes argument `i`, an array of booleans.
pub(super) fn take_bools(args: &mut [Value], i: usize) -> Result<Arc<Vec<bool>>, Fault> {
    match take(args, i) {
        Value::Bools(xs) => Ok(xs),
        Value::Values(xs) if xs.is_empty() => Ok(Arc::default()),
        other => {
            args[i] = other;
            Err(mistyped(args, i, "an array of booleans"))
        }
    }
}

/// Takes argument `i`, an array of another type than numbers and booleans.
pub(super) fn take_values(args: &mut [Value], i: usize) -> Result<Arc<Vec<Value>>, Fault> {
    match take(args, i) {
        Value::Values(xs) => Ok(xs),
        other => {
            args[i] = other;
            Err(mistyped(args, i, "an array"))
        }
    }
}

/// Takes argument `i`, a matrix.
pub(super) fn take_matrix(args: &mut [Value], i: usize) -> Result<Arc<Matrix>, Fault> {
    match take(args, i) {
        Value::Matrix(m) => Ok(m),
        other => {
            args[i] = other;
            Err(mistyped(args, i, "a matrix"))
        }
    }
}

/// Takes argument `i`, a string.
pub(super) fn take_string(args: &mut [Value], i: usize) -> Result<Arc<str>, Fault> {
    match take(args, i) {
        Value::Str(text) => Ok(text),
        other => {
            args[i] = other;
            Err(mistyped(args, i, "a string"))
        }
    }
}

/// Argument `i` as a length that memory can hold.
pub(super) fn length(args: &[Value], i: usize) -> Result<usize, Fault> {
    let n = int(args, i)?;
    if n < 0 {
        return Err(Fault::error(format!("expected a length, found the negative number {n}")));
    }
    crate::value::check_length(n)
}

/// The fault of `function` on an empty array.
pub(super) fn empty(function: &str) -> Fault {
    Fault::error(format!("{function} of an empty array"))
        .hint("test the length first: `if len(xs) > 0 { … } else { … }`")
}

/// Checks that two arrays given to `function` have one length.
pub(super) fn same_length(function: &str, a: usize, b: usize) -> Result<(), Fault> {
    if a == b {
        return Ok(());
    }
    let fault = Fault::error(format!("{function} of arrays of different lengths, {a} and {b}"));
    Err(fault.hint("shorten the longer one, as in `take(xs, len(ys))`"))
}

/// A shuffled copy of `0 .. n` (Fisher and Yates), its first `k` places filled.
pub(super) fn shuffled(n: usize, k: usize, generator: &mut Generator) -> Vec<i64> {
    let mut order: Vec<i64> = (0..n as i64).collect();
    for i in 0..k.min(n) {
        let rest = (n - i) as f64;
        let j = i + ((generator.uniform() * rest) as usize).min(n - i - 1);
        order.swap(i, j);
    }
    order.truncate(k);
    order
}
