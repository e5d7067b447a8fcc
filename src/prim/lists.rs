//! Arrays: making, ordering, joining and cutting them. What works on `[a]` keeps the representation of the array.

use super::Row;
use super::arguments::{empty, int, length, mistyped, real, take, take_bools, take_ints, take_reals, take_values};
use crate::value::hash::Key;
use crate::value::{Fault, Value};
use std::cmp::Ordering;
use std::collections::HashSet;
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row::general("fn zeros(n: Int) -> [Real]", "An array of `n` zeros.\nexample: zeros(2) == [0.0, 0.0]", |args| {
        Ok(Value::reals(vec![0.0; length(args, 0)?]))
    }),
    Row::general("fn ones(n: Int) -> [Real]", "An array of `n` ones.\nexample: ones(2) == [1.0, 1.0]", |args| {
        Ok(Value::reals(vec![1.0; length(args, 0)?]))
    }),
    Row::general(
        "fn array(n: Int, x: a) -> [a]",
        "An array of `n` times `x`.\nexample: array(2, true) == [true, true]",
        |args| {
            let n = length(args, 0)?;
            Ok(match take(args, 1) {
                Value::Real(x) => Value::reals(vec![x; n]),
                Value::Int(x) => Value::ints(vec![x; n]),
                Value::Bool(x) => Value::Bools(Arc::new(vec![x; n])),
                x => Value::Values(Arc::new(vec![x; n])),
            })
        },
    ),
    Row::general(
        "fn range(n: Int) -> [Int]",
        "The integers from 0 to `n - 1`.\nexample: range(3) == [0, 1, 2]",
        |args| Ok(Value::ints((0..length(args, 0)? as i64).collect())),
    ),
    Row::general(
        "fn range(low: Int, high: Int) -> [Int]",
        "The integers from `low` to `high - 1`; none if `high <= low`.\nexample: range(2, 4) == [2, 3]",
        |args| {
            let (low, high) = (int(args, 0)?, int(args, 1)?);
            length(&[Value::Int(high.saturating_sub(low).max(0))], 0)?;
            Ok(Value::ints((low..high).collect()))
        },
    ),
    Row::general(
        "fn linspace(low: Real, high: Real, n: Int) -> [Real]",
        "`n` numbers from `low` to `high` at equal distances.\nexample: linspace(0, 1, 3) == [0.0, 0.5, 1.0]",
        |args| {
            let (low, high, n) = (real(args, 0)?, real(args, 1)?, length(args, 2)?);
            let last = n.saturating_sub(1).max(1) as f64;
            let at = |i: usize| if i as f64 == last { high } else { low + (high - low) * (i as f64 / last) };
            Ok(Value::reals((0..n).map(at).collect()))
        },
    ),
    Row::general(
        "fn indices(xs: [a]) -> [Int]",
        "The indices of an array.\nexample: indices([5, 6]) == [0, 1]",
        |args| {
            let n = len_of(args, 0)?;
            Ok(Value::ints((0..n as i64).collect()))
        },
    ),
    Row::general(
        "fn sort(xs: [Real]) -> [Real]",
        "The numbers in ascending order, NaN last.\nexample: sort([2.0, 1.0]) == [1.0, 2.0]",
        |args| {
            let mut xs = take_reals(args, 0)?;
            Arc::make_mut(&mut xs).sort_by(order_reals);
            Ok(Value::Reals(xs))
        },
    ),
    Row::general(
        "fn sort(xs: [Int]) -> [Int]",
        "The integers in ascending order.\nexample: sort([2, 1]) == [1, 2]",
        |args| {
            let mut xs = take_ints(args, 0)?;
            Arc::make_mut(&mut xs).sort_unstable();
            Ok(Value::Ints(xs))
        },
    ),
    Row::general(
        "fn sort(xs: [String]) -> [String]",
        "The strings in the order of their characters.\nexample: sort([\"b\", \"a\"]) == [\"a\", \"b\"]",
        |args| {
            let mut xs = take_values(args, 0)?;
            Arc::make_mut(&mut xs).sort_by(order_strings);
            Ok(Value::Values(xs))
        },
    ),
    Row::general(
        "fn argsort(xs: [Real]) -> [Int]",
        "The indices that bring the numbers into ascending order; equal ones keep their order, NaN come last.\n\
         example: argsort([2.0, 3.0, 1.0]) == [2, 0, 1]",
        |args| {
            let xs = take_reals(args, 0)?;
            let mut order: Vec<i64> = (0..xs.len() as i64).collect();
            order.sort_by(|i, j| order_reals(&xs[*i as usize], &xs[*j as usize]));
            Ok(Value::ints(order))
        },
    ),
    Row::general(
        "fn argsort(xs: [Int]) -> [Int]",
        "The indices that bring the integers into ascending order; equal ones keep their order.\n\
         example: argsort([2, 3, 1]) == [2, 0, 1]",
        |args| {
            let xs = take_ints(args, 0)?;
            let mut order: Vec<i64> = (0..xs.len() as i64).collect();
            order.sort_by_key(|i| xs[*i as usize]);
            Ok(Value::ints(order))
        },
    ),
    Row::general(
        "fn reverse(xs: [a]) -> [a]",
        "The elements from last to first.\nexample: reverse([1, 2, 3]) == [3, 2, 1]",
        |args| on_array(args, 0, |xs| xs.reverse(), |xs| xs.reverse(), |xs| xs.reverse(), |xs| xs.reverse()),
    ),
    Row::general(
        "fn unique(xs: [a]) -> [a]",
        "Every different element once, in the order in which they first appear.\nexample: unique([2, 1, 2]) == [2, 1]",
        |args| {
            let xs = take(args, 0);
            let mut seen = HashSet::new();
            let mut kept = Vec::new();
            for i in 0..xs.array_len().unwrap_or(0) {
                if let Some(x) = xs.element(i)
                    && seen.insert(Key(x))
                {
                    kept.push(i);
                }
            }
            Ok(gather(&xs, &kept))
        },
    ),
    Row::general(
        "fn append(xs: [a], ys: [a]) -> [a]",
        "The elements of `xs`, then those of `ys`.\nexample: append([1], [2, 3]) == [1, 2, 3]",
        |args| {
            let (xs, ys) = (take(args, 0), take(args, 1));
            join(xs, ys)
        },
    ),
    Row::general(
        "fn flatten(xss: [[a]]) -> [a]",
        "The elements of all arrays, one after the other.\nexample: flatten([[1], [2, 3]]) == [1, 2, 3]",
        |args| {
            let arrays = take_values(args, 0)?;
            let mut parts = arrays.iter();
            let Some(first) = parts.next() else { return Ok(Value::Values(Arc::default())) };
            parts.try_fold(first.clone(), |all, part| join(all, part.clone()))
        },
    ),
    Row::general(
        "fn take(xs: [a], n: Int) -> [a]",
        "The first `n` elements, or all if there are fewer.\nexample: take([1, 2, 3], 2) == [1, 2]",
        |args| {
            let n = length(args, 1)?;
            on_array(args, 0, |xs| xs.truncate(n), |xs| xs.truncate(n), |xs| xs.truncate(n), |xs| xs.truncate(n))
        },
    ),
    Row::general(
        "fn drop(xs: [a], n: Int) -> [a]",
        "All but the first `n` elements.\nexample: drop([1, 2, 3], 2) == [3]",
        |args| {
            let n = length(args, 1)?.min(len_of(args, 0)?);
            on_array(
                args,
                0,
                |xs| drop(xs.drain(..n)),
                |xs| drop(xs.drain(..n)),
                |xs| drop(xs.drain(..n)),
                |xs| drop(xs.drain(..n)),
            )
        },
    ),
    Row::general(
        "fn first(xs: [a]) -> a",
        "The first element; an error if there is none.\nexample: first([1, 2]) == 1",
        |args| args.first().and_then(|xs| xs.element(0)).ok_or_else(|| empty("first")),
    ),
    Row::general(
        "fn last(xs: [a]) -> a",
        "The last element; an error if there is none.\nexample: last([1, 2]) == 2",
        |args| {
            let n = len_of(args, 0)?;
            n.checked_sub(1).and_then(|i| args[0].element(i)).ok_or_else(|| empty("last"))
        },
    ),
    Row::general(
        "fn contains(xs: [a], x: a) -> Bool",
        "Whether some element equals `x`.\nexample: contains([1, 2], 2)",
        |args| Ok(Value::Bool(position(args).is_some())),
    ),
    Row::general(
        "fn index_of(xs: [a], x: a) -> Int",
        "The index of the first element that equals `x`; an error if none does.\nexample: index_of([5, 6], 6) == 1",
        |args| {
            position(args).map(|i| Value::Int(i as i64)).ok_or_else(|| {
                Fault::error(format!(
                    "no element equals {}",
                    args.get(1).map_or(String::new(), |x| crate::value::short(x, 40))
                ))
            })
        },
    ),
    Row::general(
        "fn zip(xs: [a], ys: [b]) -> [(a, b)]",
        "The pairs of elements with one index; the lengths must be equal.\nexample: zip([1, 2], [true, false]) == [(1, true), (2, false)]",
        |args| {
            let (n, m) = (len_of(args, 0)?, len_of(args, 1)?);
            super::arguments::same_length("zip", n, m)?;
            let pair = |i| Some(Value::tuple(vec![args[0].element(i)?, args[1].element(i)?]));
            Ok(Value::Values(Arc::new((0..n).filter_map(pair).collect())))
        },
    ),
    Row::general(
        "fn enumerate_items(xs: [a]) -> [(Int, a)]",
        "The elements with their indices.\nexample: enumerate_items([true]) == [(0, true)]",
        |args| {
            let n = len_of(args, 0)?;
            let pair = |i| Some(Value::tuple(vec![Value::Int(i as i64), args[0].element(i)?]));
            Ok(Value::Values(Arc::new((0..n).filter_map(pair).collect())))
        },
    ),
    Row::general("fn any(bs: [Bool]) -> Bool", "Whether some element is true.\nexample: any([false, true])", |args| {
        Ok(Value::Bool(take_bools(args, 0)?.iter().any(|b| *b)))
    }),
    Row::general("fn all(bs: [Bool]) -> Bool", "Whether every element is true.\nexample: all([true, true])", |args| {
        Ok(Value::Bool(take_bools(args, 0)?.iter().all(|b| *b)))
    }),
    Row::general(
        "fn count(bs: [Bool]) -> Int",
        "How many elements are true.\nexample: count([true, false]) == 1",
        |args| Ok(Value::Int(take_bools(args, 0)?.iter().filter(|b| **b).count() as i64)),
    ),
    Row::general(
        "fn where(bs: [Bool]) -> [Int]",
        "The indices of the true elements.\nexample: where([false, true]) == [1]",
        |args| {
            let bs = take_bools(args, 0)?;
            Ok(Value::ints(bs.iter().enumerate().filter(|(_, b)| **b).map(|(i, _)| i as i64).collect()))
        },
    ),
    Row::general(
        "fn bincount(xs: [Int], n: Int) -> [Int]",
        "How often each of the integers 0 … n - 1 occurs; others are an error.\nexample: bincount([0, 2, 2], 3) == [1, 0, 2]",
        |args| {
            let n = length(args, 1)?;
            let mut counts = vec![0; n];
            for x in take_ints(args, 0)?.iter() {
                let slot = usize::try_from(*x).ok().and_then(|i| counts.get_mut(i));
                *slot.ok_or_else(|| Fault::error(format!("{x} is not among 0 … {}", n as i64 - 1)))? += 1;
            }
            Ok(Value::ints(counts))
        },
    ),
    Row::general(
        "fn search_sorted(xs: [Real], x: Real) -> Int",
        "How many elements of the sorted array `xs` are less than `x`.\nexample: search_sorted([1.0, 2.0, 3.0], 2.0) == 1",
        |args| {
            let x = real(args, 1)?;
            Ok(Value::Int(take_reals(args, 0)?.partition_point(|y| *y < x) as i64))
        },
    ),
];

/// The order of `sort`: ascending, NaN last.
pub(super) fn order_reals(a: &f64, b: &f64) -> Ordering {
    a.partial_cmp(b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

fn order_strings(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Str(a), Value::Str(b)) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

/// The length of the array in argument `i`.
pub(super) fn len_of(args: &[Value], i: usize) -> Result<usize, Fault> {
    args.get(i).and_then(Value::array_len).ok_or_else(|| mistyped(args, i, "an array"))
}

fn position(args: &[Value]) -> Option<usize> {
    let x = args.get(1)?;
    (0..args[0].array_len()?).find(|i| args[0].element(*i).as_ref() == Some(x))
}

/// Changes the array in argument `i` in place where nobody else holds it.
fn on_array(
    args: &mut [Value],
    i: usize,
    reals: impl FnOnce(&mut Vec<f64>),
    ints: impl FnOnce(&mut Vec<i64>),
    bools: impl FnOnce(&mut Vec<bool>),
    values: impl FnOnce(&mut Vec<Value>),
) -> Result<Value, Fault> {
    match args.get_mut(i) {
        Some(Value::Reals(xs)) => reals(Arc::make_mut(xs)),
        Some(Value::Ints(xs)) => ints(Arc::make_mut(xs)),
        Some(Value::Bools(xs)) => bools(Arc::make_mut(xs)),
        Some(Value::Values(xs)) => values(Arc::make_mut(xs)),
        _ => return Err(mistyped(args, i, "an array")),
    }
    Ok(take(args, i))
}

/// The elements of the given indices, which are in range, in the representation of the array.
fn gather(xs: &Value, kept: &[usize]) -> Value {
    match xs {
        Value::Reals(xs) => Value::reals(kept.iter().map(|i| xs[*i]).collect()),
        Value::Ints(xs) => Value::ints(kept.iter().map(|i| xs[*i]).collect()),
        Value::Bools(xs) => Value::Bools(Arc::new(kept.iter().map(|i| xs[*i]).collect())),
        Value::Values(xs) => Value::Values(Arc::new(kept.iter().map(|i| xs[*i].clone()).collect())),
        other => other.clone(),
    }
}

/// Two arrays of one type as one.
fn join(xs: Value, ys: Value) -> Result<Value, Fault> {
    Ok(match (xs, ys) {
        (Value::Reals(mut xs), Value::Reals(ys)) => {
            Arc::make_mut(&mut xs).extend_from_slice(&ys);
            Value::Reals(xs)
        }
        (Value::Ints(mut xs), Value::Ints(ys)) => {
            Arc::make_mut(&mut xs).extend_from_slice(&ys);
            Value::Ints(xs)
        }
        (Value::Bools(mut xs), Value::Bools(ys)) => {
            Arc::make_mut(&mut xs).extend_from_slice(&ys);
            Value::Bools(xs)
        }
        (Value::Values(mut xs), Value::Values(ys)) => {
            Arc::make_mut(&mut xs).extend_from_slice(&ys);
            Value::Values(xs)
        }
        // An empty array whose element type nothing fixed.
        (Value::Values(xs), ys) if xs.is_empty() => ys,
        (xs, Value::Values(ys)) if ys.is_empty() => xs,
        (Value::Ints(xs), Value::Reals(ys)) => {
            Value::reals(xs.iter().map(|n| *n as f64).chain(ys.iter().copied()).collect())
        }
        (Value::Reals(xs), Value::Ints(ys)) => {
            Value::reals(xs.iter().copied().chain(ys.iter().map(|n| *n as f64)).collect())
        }
        (xs, ys) => return Err(mistyped(&[xs, ys], 1, "an array of the same kind as the first")),
    })
}

#[cfg(test)]
mod tests {
    use super::super::{Body, find};
    use super::*;

    /// Calls the overload of a row that takes these arguments.
    fn call(name: &str, args: &[Value]) -> Result<Value, Fault> {
        let mut last = Err(Fault::error("no such row"));
        for (_, row) in find(name) {
            if let Body::General(f) = row.body {
                last = f(&mut args.to_vec());
                if !last.as_ref().is_err_and(|fault| fault.kind == crate::value::fault::FaultKind::Internal) {
                    return last;
                }
            }
        }
        last
    }

    fn bools(data: &[bool]) -> Value {
        Value::Bools(Arc::new(data.to_vec()))
    }

    #[test]
    fn sorting_is_stable_and_puts_nan_last() {
        let xs = Value::reals(vec![f64::NAN, 2.0, -1.0, f64::INFINITY, 2.0]);
        let sorted = call("sort", std::slice::from_ref(&xs)).unwrap();
        let expected = Value::reals(vec![-1.0, 2.0, 2.0, f64::INFINITY, f64::NAN]);
        assert!(crate::value::same(&sorted, &expected));
        assert_eq!(call("argsort", &[xs]).unwrap(), Value::ints(vec![2, 1, 4, 3, 0]));
        assert_eq!(call("sort", &[Value::ints(vec![3, 1, 2])]).unwrap(), Value::ints(vec![1, 2, 3]));
    }

    #[test]
    fn generic_rows_keep_the_representation() {
        let cases = [
            Value::reals(vec![1.0, 2.0, 1.0]),
            Value::ints(vec![1, 2, 1]),
            bools(&[true, false, true]),
            Value::Values(Arc::new(vec![Value::string("a"), Value::string("b"), Value::string("a")])),
        ];
        for xs in cases {
            let kind = std::mem::discriminant(&xs);
            for value in [
                call("reverse", std::slice::from_ref(&xs)).unwrap(),
                call("unique", std::slice::from_ref(&xs)).unwrap(),
                call("take", &[xs.clone(), Value::Int(2)]).unwrap(),
                call("drop", &[xs.clone(), Value::Int(1)]).unwrap(),
                call("append", &[xs.clone(), xs.clone()]).unwrap(),
                call("flatten", &[Value::Values(Arc::new(vec![xs.clone(), xs.clone()]))]).unwrap(),
                call("drop", &[xs.clone(), Value::Int(9)]).unwrap(),
            ] {
                assert_eq!(std::mem::discriminant(&value), kind);
            }
            assert_eq!(call("unique", std::slice::from_ref(&xs)).unwrap().array_len(), Some(2));
            assert_eq!(call("first", std::slice::from_ref(&xs)).unwrap(), call("last", &[xs]).unwrap());
        }
    }

    #[test]
    fn an_array_held_by_nobody_else_is_updated_in_place() {
        let xs = Value::reals(vec![3.0, 1.0]);
        let Value::Reals(before) = &xs else { unreachable!() };
        let address = before.as_ptr();
        let Some((_, row)) = find("sort").next() else { unreachable!() };
        let Body::General(sort) = row.body else { unreachable!() };
        let Ok(Value::Reals(after)) = sort(&mut [xs]) else { unreachable!() };
        assert_eq!(after.as_ptr(), address);
    }

    #[test]
    fn bad_lengths_are_faults_that_name_them() {
        assert!(call("zeros", &[Value::Int(-1)]).is_err());
        assert!(call("array", &[Value::Int(i64::MAX), Value::Unit]).is_err());
        assert!(call("range", &[Value::Int(i64::MIN), Value::Int(i64::MAX)]).is_err());
        assert!(call("first", &[Value::reals(vec![])]).is_err());
        assert!(call("bincount", &[Value::ints(vec![3]), Value::Int(3)]).is_err());
        let fault = call("zip", &[Value::ints(vec![1]), Value::ints(vec![1, 2])]).unwrap_err();
        assert_eq!(fault.message, "zip of arrays of different lengths, 1 and 2");
    }

    #[test]
    fn ends_of_a_grid_are_exact() {
        let grid = call("linspace", &[Value::Real(0.1), Value::Real(0.7), Value::Int(7)]).unwrap();
        assert_eq!(grid.element(0), Some(Value::Real(0.1)));
        assert_eq!(grid.element(6), Some(Value::Real(0.7)));
        assert_eq!(
            call("linspace", &[Value::Real(2.0), Value::Real(3.0), Value::Int(1)]).unwrap(),
            Value::reals(vec![2.0])
        );
    }
}
