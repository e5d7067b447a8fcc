//! Computes operations on known values, as the machine would.

use super::Context;
use crate::core::ir::{Callee, Op};
use crate::core::ty::Type;
use crate::value::{Matrix, Value};
use std::sync::Arc;

/// An elementwise operation on known arrays is computed only up to this many elements in all.
const MOST_ELEMENTS: usize = 1 << 20;

/// The value of an operation; none where it faults or is not for this pass to compute.
pub fn op(op: Op, args: &[&Value], context: &Context) -> Option<Value> {
    use Op::*;
    use Value::{Bool, Int, Real};
    Some(match (op, args) {
        (AddR, [Real(a), Real(b)]) => Real(a + b),
        (SubR, [Real(a), Real(b)]) => Real(a - b),
        (MulR, [Real(a), Real(b)]) => Real(a * b),
        (DivR, [Real(a), Real(b)]) => Real(a / b),
        (NegR, [Real(a)]) => Real(-a),
        (AddI, [Int(a), Int(b)]) => Int(a.checked_add(*b)?),
        (SubI, [Int(a), Int(b)]) => Int(a.checked_sub(*b)?),
        (MulI, [Int(a), Int(b)]) => Int(a.checked_mul(*b)?),
        (PowI, [Int(a), Int(b)]) => Int(a.checked_pow(u32::try_from(*b).ok()?)?),
        (RemI, [Int(a), Int(b)]) => {
            let rest = a.checked_rem(*b)?;
            Int(if rest != 0 && (rest < 0) != (*b < 0) { rest + b } else { rest })
        }
        (NegI, [Int(a)]) => Int(a.checked_neg()?),
        (EqR, [Real(a), Real(b)]) => Bool(a == b),
        (NeR, [Real(a), Real(b)]) => Bool(a != b),
        (LtR, [Real(a), Real(b)]) => Bool(a < b),
        (LeR, [Real(a), Real(b)]) => Bool(a <= b),
        (EqI, [Int(a), Int(b)]) => Bool(a == b),
        (NeI, [Int(a), Int(b)]) => Bool(a != b),
        (LtI, [Int(a), Int(b)]) => Bool(a < b),
        (LeI, [Int(a), Int(b)]) => Bool(a <= b),
        (EqB, [Bool(a), Bool(b)]) => Bool(a == b),
        (NeB, [Bool(a), Bool(b)]) => Bool(a != b),
        (Not, [Bool(a)]) => Bool(!a),
        (And, [Bool(a), Bool(b)]) => Bool(*a && *b),
        (Or, [Bool(a), Bool(b)]) => Bool(*a || *b),
        (Same, [Value::Str(a), Value::Str(b)]) => Bool(a == b),
        (Different, [Value::Str(a), Value::Str(b)]) => Bool(a != b),
        (Widen, [value]) => widen(value)?,
        (Len, [value]) => Int(i64::try_from(value.array_len()?).ok()?),
        (Index, [value, Int(i)]) => value.element(usize::try_from(*i).ok()?)?,
        (Index2, [Value::Matrix(m), Int(i), Int(j)]) => {
            let (row, column) = (usize::try_from(*i).ok()?, usize::try_from(*j).ok()?);
            if row >= m.rows || column >= m.cols {
                return None;
            }
            Real(m.at(row, column))
        }
        (Slice, [value, Int(low), Int(high)]) => {
            slice(value, usize::try_from(*low).ok()?, usize::try_from(*high).ok()?)?
        }
        (PowR | RemR | MatMul, _) => {
            let owned: Vec<Value> = args.iter().map(|v| (*v).clone()).collect();
            (context.op)(op, &owned)?
        }
        _ => return None,
    })
}

fn widen(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Int(n) => Value::Real(*n as f64),
        Value::Ints(xs) => Value::reals(xs.iter().map(|n| *n as f64).collect()),
        Value::Values(items) => Value::Values(Arc::new(items.iter().map(widen).collect::<Option<_>>()?)),
        _ => return None,
    })
}

fn slice(value: &Value, low: usize, high: usize) -> Option<Value> {
    if low > high {
        return None;
    }
    Some(match value {
        Value::Reals(xs) => Value::reals(xs.get(low..high)?.to_vec()),
        Value::Ints(xs) => Value::ints(xs.get(low..high)?.to_vec()),
        Value::Bools(xs) => Value::Bools(Arc::new(xs.get(low..high)?.to_vec())),
        Value::Values(xs) => Value::Values(Arc::new(xs.get(low..high)?.to_vec())),
        _ => return None,
    })
}

/// The value of a scalar operation or primitive.
pub fn callee(callee: Callee, args: &[&Value], context: &Context) -> Option<Value> {
    match callee {
        Callee::Op(o) => op(o, args, context),
        Callee::Prim(prim) => {
            let owned: Vec<Value> = args.iter().map(|v| (*v).clone()).collect();
            (context.prim)(prim, &owned)
        }
    }
}

/// The value of an elementwise operation whose result has type `ty`; none where shapes differ or an element faults.
pub fn lift(what: Callee, args: &[&Value], ty: Type, context: &Context) -> Option<Value> {
    let mut budget = MOST_ELEMENTS;
    lift_level(what, args, ty, context, &mut budget)
}

fn lift_level(what: Callee, args: &[&Value], ty: Type, context: &Context, budget: &mut usize) -> Option<Value> {
    if ty == Type::MATRIX {
        return lift_matrix(what, args, context, budget);
    }
    let Some(element) = ty.element() else {
        *budget = budget.checked_sub(1)?;
        return callee(what, args, context);
    };
    let mut lengths = args.iter().filter_map(|v| v.array_len());
    let length = lengths.next()?;
    if lengths.any(|other| other != length) {
        return None;
    }
    let mut items = Vec::with_capacity(length.min(*budget));
    for i in 0..length {
        let parts: Vec<Value> = args
            .iter()
            .map(|v| if v.array_len().is_some() { v.element(i) } else { Some((*v).clone()) })
            .collect::<Option<_>>()?;
        items.push(lift_level(what, &parts.iter().collect::<Vec<_>>(), element, context, budget)?);
    }
    Some(array(items, element))
}

fn lift_matrix(what: Callee, args: &[&Value], context: &Context, budget: &mut usize) -> Option<Value> {
    let mut matrices = args.iter().filter_map(|v| if let Value::Matrix(m) = v { Some(m) } else { None });
    let first = matrices.next()?;
    if matrices.any(|m| (m.rows, m.cols) != (first.rows, first.cols)) {
        return None;
    }
    *budget = budget.checked_sub(first.data.len())?;
    let mut data = Vec::with_capacity(first.data.len());
    for i in 0..first.data.len() {
        let parts: Vec<Value> =
            args.iter().map(|v| if let Value::Matrix(m) = v { Value::Real(m.data[i]) } else { (*v).clone() }).collect();
        let Value::Real(x) = callee(what, &parts.iter().collect::<Vec<_>>(), context)? else { return None };
        data.push(x);
    }
    Some(Value::Matrix(Arc::new(Matrix { rows: first.rows, cols: first.cols, data })))
}

/// An array in the representation of its type, which the items alone do not tell when there are none.
pub fn array(items: Vec<Value>, element: Type) -> Value {
    if !items.is_empty() && element.is_scalar() {
        return Value::array_of(items);
    }
    if element == Type::REAL {
        Value::reals(Vec::new())
    } else if element == Type::INT {
        Value::ints(Vec::new())
    } else if element == Type::BOOL {
        Value::Bools(Arc::default())
    } else {
        Value::Values(Arc::new(items))
    }
}

/// Whether an operation takes scalars only and gives the first operand for a neutral second one: `x * 1.0`, `x - 0.0`, `n + 0`.
/// `x + 0.0` is not among them: it turns `-0.0` into `0.0`.
pub fn neutral(op: Op, second: &Value) -> bool {
    match (op, second) {
        (Op::MulR | Op::DivR, Value::Real(x)) => *x == 1.0,
        (Op::SubR, Value::Real(x)) => *x == 0.0 && x.is_sign_positive(),
        (Op::AddI | Op::SubI, Value::Int(n)) => *n == 0,
        (Op::MulI | Op::PowI, Value::Int(n)) => *n == 1,
        _ => false,
    }
}
