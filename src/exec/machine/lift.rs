//! Scalar operations over arrays and matrices, scalars broadcast.

use super::code::*;
use super::frame::load;
use super::scalar::{self, power, remainder};
use crate::core::ir::Op;
use crate::core::{Type, TypeKind};
use crate::prim::Body;
use crate::value::{Fault, Matrix, Value};
use std::sync::Arc;

/// The scalar product, in four partial sums.
#[inline]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let n = a.len().min(b.len());
    let (a, b) = (&a[..n], &b[..n]);
    let whole = n - n % 4;
    for (x, y) in a[..whole].chunks_exact(4).zip(b[..whole].chunks_exact(4)) {
        for k in 0..4 {
            sums[k] += x[k] * y[k];
        }
    }
    let mut rest = 0.0;
    for k in whole..n {
        rest += a[k] * b[k];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3]) + rest
}

/// Runs an elementwise operation.
pub fn run(lift: &LiftCall, nums: &[u64], objs: &mut [Value], constants: &[Value]) -> Result<(), Fault> {
    let mut args: Vec<Value> = lift.args.iter().map(|slot| load(nums, objs, constants, *slot)).collect();
    let value = apply(&lift.callee, &mut args, lift.element)?;
    objs[(lift.d & INDEX) as usize] = value;
    Ok(())
}

/// The shape of a dense operand.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Scalar,
    Array(usize),
    Matrix(usize, usize),
}

impl Shape {
    fn of(value: &Value) -> Shape {
        match value {
            Value::Reals(xs) => Shape::Array(xs.len()),
            Value::Ints(xs) => Shape::Array(xs.len()),
            Value::Bools(xs) => Shape::Array(xs.len()),
            Value::Values(xs) => Shape::Array(xs.len()),
            Value::Matrix(m) => Shape::Matrix(m.rows, m.cols),
            _ => Shape::Scalar,
        }
    }

    fn words(self) -> String {
        match self {
            Shape::Scalar => "a scalar".to_string(),
            Shape::Array(n) => format!("length {n}"),
            Shape::Matrix(rows, cols) => format!("{rows} × {cols}"),
        }
    }
}

/// Applies a scalar operation to each element of the arguments, of which at least one is an array or matrix.
pub fn apply(callee: &LiftCallee, args: &mut [Value], element: Type) -> Result<Value, Fault> {
    let mut shape = Shape::Scalar;
    for arg in args.iter() {
        let other = Shape::of(arg);
        if other == Shape::Scalar {
            continue;
        }
        if shape != Shape::Scalar && shape != other {
            return Err(Fault::error(format!("sizes differ: {} and {}", shape.words(), other.words()))
                .hint("elementwise operations need equal sizes, or a single number on one side"));
        }
        shape = other;
    }
    if args.iter().any(|arg| matches!(arg, Value::Values(_))) {
        return nested(callee, args, shape, element);
    }
    let n = match shape {
        Shape::Scalar => 1,
        Shape::Array(n) => n,
        Shape::Matrix(rows, cols) => rows * cols,
    };
    if element == Type::REAL {
        let data = reals(callee, args, n)?;
        return Ok(match shape {
            Shape::Matrix(rows, cols) => Value::Matrix(Arc::new(Matrix { rows, cols, data })),
            _ => Value::reals(data),
        });
    }
    let mut out = Vec::with_capacity(n);
    for k in 0..n {
        let scalars: Vec<Value> = args.iter().map(|arg| scalar_at(arg, k)).collect();
        out.push(scalar(callee, &scalars)?);
    }
    Ok(match element.kind() {
        TypeKind::Int => Value::ints(out.iter().filter_map(Value::as_int).collect()),
        TypeKind::Bool => Value::Bools(Arc::new(out.iter().map(|v| *v == Value::Bool(true)).collect())),
        _ => Value::Values(Arc::new(out)),
    })
}

/// Arrays of arrays: element by element.
fn nested(callee: &LiftCallee, args: &mut [Value], shape: Shape, element: Type) -> Result<Value, Fault> {
    let Shape::Array(n) = shape else {
        return Err(Fault::error("an array of arrays does not combine with a matrix").hint("use `matrix(rows)`"));
    };
    let inner = element.element().unwrap_or(element);
    let mut out = Vec::with_capacity(n);
    for k in 0..n {
        let mut parts: Vec<Value> = args
            .iter()
            .map(|arg| match Shape::of(arg) {
                Shape::Scalar => arg.clone(),
                _ => arg.element(k).unwrap_or_default(),
            })
            .collect();
        out.push(apply(callee, &mut parts, inner)?);
    }
    Ok(Value::Values(Arc::new(out)))
}

fn scalar_at(arg: &Value, k: usize) -> Value {
    match arg {
        Value::Reals(xs) => Value::Real(xs[k]),
        Value::Ints(xs) => Value::Int(xs[k]),
        Value::Bools(xs) => Value::Bool(xs[k]),
        Value::Matrix(m) => Value::Real(m.data[k]),
        other => other.clone(),
    }
}

fn scalar(callee: &LiftCallee, args: &[Value]) -> Result<Value, Fault> {
    let int = |k: usize| args.get(k).and_then(Value::as_int).unwrap_or(0);
    let real = |k: usize| args.get(k).and_then(Value::as_real).unwrap_or(f64::NAN);
    Ok(match callee {
        LiftCallee::Op(op) => match op {
            Op::AddI => Value::Int(scalar::add(int(0), int(1))?),
            Op::SubI => Value::Int(scalar::subtract(int(0), int(1))?),
            Op::MulI => Value::Int(scalar::multiply(int(0), int(1))?),
            Op::NegI => Value::Int(scalar::negate(int(0))?),
            Op::PowI => Value::Int(scalar::integer_power(int(0), int(1))?),
            Op::RemI => Value::Int(scalar::integer_remainder(int(0), int(1))?),
            Op::Not => Value::Bool(args[0] != Value::Bool(true)),
            other => return Err(Fault::internal(format!("{other:?} is not elementwise here"))),
        },
        LiftCallee::Prim(name, body) => match body {
            Body::Real1(f) => Value::Real(f(real(0))),
            Body::Real2(f) => Value::Real(f(real(0), real(1))),
            Body::Real3(f) => Value::Real(f(real(0), real(1), real(2))),
            Body::Truncate(f) => Value::Int(f(real(0))?),
            Body::Int1(f) => Value::Int(f(int(0))?),
            Body::Int2(f) => Value::Int(f(int(0), int(1))?),
            Body::General(f) => f(args.to_vec().as_mut_slice())?,
            _ => return Err(Fault::internal(format!("`{name}` is not elementwise"))),
        },
    })
}

/// A real operand: a slice, or one number for all elements.
enum Reals<'a> {
    Each(&'a [f64]),
    Owned(Vec<f64>),
    One(f64),
}

impl Reals<'_> {
    fn of(value: &Value) -> Reals<'_> {
        match value {
            Value::Reals(xs) => Reals::Each(xs),
            Value::Matrix(m) => Reals::Each(&m.data),
            Value::Ints(xs) => Reals::Owned(xs.iter().map(|n| *n as f64).collect()),
            other => Reals::One(other.as_real().unwrap_or(f64::NAN)),
        }
    }

    fn view(&self) -> Result<&[f64], f64> {
        match self {
            Reals::Each(xs) => Ok(xs),
            Reals::Owned(xs) => Ok(xs),
            Reals::One(x) => Err(*x),
        }
    }
}

fn reals(callee: &LiftCallee, args: &mut [Value], n: usize) -> Result<Vec<f64>, Fault> {
    match (callee, args) {
        (LiftCallee::Op(op), [a, b]) => {
            let op = *op;
            // Reuse the buffer of an operand that nobody else holds.
            if let Value::Reals(xs) = a
                && xs.len() == n
                && let Some(buffer) = Arc::get_mut(xs)
            {
                let mut out = std::mem::take(buffer);
                binary_in_place(op, &mut out, &Reals::of(b))?;
                return Ok(out);
            }
            binary(op, &Reals::of(a), &Reals::of(b), n)
        }
        (LiftCallee::Op(Op::NegR), [a]) => {
            let a = Reals::of(a);
            Ok(map1(&a, n, |x| -x))
        }
        (LiftCallee::Op(Op::Widen), [a]) => {
            let a = Reals::of(a);
            Ok(map1(&a, n, |x| x))
        }
        (LiftCallee::Prim(_, Body::Real1(f)), [a]) => {
            let a = Reals::of(a);
            Ok(map1(&a, n, f))
        }
        (LiftCallee::Prim(_, Body::Real2(f)), [a, b]) => {
            let (a, b) = (Reals::of(a), Reals::of(b));
            Ok(map2(&a, &b, n, f))
        }
        (callee, args) => {
            let mut out = Vec::with_capacity(n);
            for k in 0..n {
                let scalars: Vec<Value> = args.iter().map(|arg| scalar_at(arg, k)).collect();
                out.push(scalar(callee, &scalars)?.as_real().unwrap_or(f64::NAN));
            }
            Ok(out)
        }
    }
}

fn map1(a: &Reals<'_>, n: usize, f: impl Fn(f64) -> f64) -> Vec<f64> {
    match a.view() {
        Ok(xs) => xs.iter().map(|x| f(*x)).collect(),
        Err(x) => vec![f(x); n],
    }
}

#[inline]
fn map2(a: &Reals<'_>, b: &Reals<'_>, n: usize, f: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    match (a.view(), b.view()) {
        (Ok(xs), Ok(ys)) => xs.iter().zip(ys).map(|(x, y)| f(*x, *y)).collect(),
        (Ok(xs), Err(y)) => xs.iter().map(|x| f(*x, y)).collect(),
        (Err(x), Ok(ys)) => ys.iter().map(|y| f(x, *y)).collect(),
        (Err(x), Err(y)) => vec![f(x, y); n],
    }
}

fn binary(op: Op, a: &Reals<'_>, b: &Reals<'_>, n: usize) -> Result<Vec<f64>, Fault> {
    Ok(match op {
        Op::AddR => map2(a, b, n, |x, y| x + y),
        Op::SubR => map2(a, b, n, |x, y| x - y),
        Op::MulR => map2(a, b, n, |x, y| x * y),
        Op::DivR => map2(a, b, n, |x, y| x / y),
        Op::PowR => map2(a, b, n, power),
        Op::RemR => map2(a, b, n, remainder),
        other => return Err(Fault::internal(format!("{other:?} is not elementwise over reals"))),
    })
}

fn binary_in_place(op: Op, out: &mut [f64], b: &Reals<'_>) -> Result<(), Fault> {
    fn go(out: &mut [f64], b: &Reals<'_>, f: impl Fn(f64, f64) -> f64) {
        match b.view() {
            Ok(ys) => out.iter_mut().zip(ys).for_each(|(x, y)| *x = f(*x, *y)),
            Err(y) => out.iter_mut().for_each(|x| *x = f(*x, y)),
        }
    }
    match op {
        Op::AddR => go(out, b, |x, y| x + y),
        Op::SubR => go(out, b, |x, y| x - y),
        Op::MulR => go(out, b, |x, y| x * y),
        Op::DivR => go(out, b, |x, y| x / y),
        Op::PowR => go(out, b, power),
        Op::RemR => go(out, b, remainder),
        other => return Err(Fault::internal(format!("{other:?} is not elementwise over reals"))),
    }
    Ok(())
}
