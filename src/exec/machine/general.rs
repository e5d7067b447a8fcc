//! Operations on whole values: making them, updating them in place, calling primitives.

use super::code::*;
use super::frame::{load, store};
use super::lift;
use crate::core::ir::Op;
use crate::prim::Body;
use crate::value::{Closure, DistValue, Fault, Generator, Matrix, Record, Value, Variant, check_length};
use std::sync::Arc;

/// The bits of a scalar value.
#[inline]
pub fn bits(value: &Value) -> u64 {
    match value {
        Value::Real(x) => x.to_bits(),
        Value::Int(n) => *n as u64,
        Value::Bool(b) => u64::from(*b),
        _ => 0,
    }
}

/// An empty array with room for `n` elements.
pub fn empty_array(kind: ArrayKind, n: i64) -> Result<Value, Fault> {
    let n = check_length(n)?;
    Ok(match kind {
        ArrayKind::Reals => Value::Reals(Arc::new(Vec::with_capacity(n))),
        ArrayKind::Ints => Value::Ints(Arc::new(Vec::with_capacity(n))),
        ArrayKind::Bools => Value::Bools(Arc::new(Vec::with_capacity(n))),
        ArrayKind::Values => Value::Values(Arc::new(Vec::with_capacity(n))),
    })
}

/// Makes a compound value.
pub fn make(make: &Make, nums: &[u64], objs: &mut [Value], constants: &[Value]) {
    let value = match make.kind {
        MakeKind::Array(ArrayKind::Reals) => {
            Value::reals(make.parts.iter().map(|slot| f64::from_bits(number(nums, *slot))).collect())
        }
        MakeKind::Array(ArrayKind::Ints) => {
            Value::ints(make.parts.iter().map(|slot| number(nums, *slot) as i64).collect())
        }
        MakeKind::Array(ArrayKind::Bools) => {
            Value::Bools(Arc::new(make.parts.iter().map(|slot| number(nums, *slot) != 0).collect()))
        }
        kind => {
            let parts: Vec<Value> = make.parts.iter().map(|slot| load(nums, objs, constants, *slot)).collect();
            match kind {
                MakeKind::Tuple => Value::tuple(parts),
                MakeKind::Record(names) => Value::Record(Arc::new(Record { names, fields: parts })),
                MakeKind::Variant(name, tag) => Value::Variant(Arc::new(Variant { name, tag, fields: parts })),
                MakeKind::Closure(function) => Value::Closure(Arc::new(Closure { function, captures: parts })),
                MakeKind::Dist(name, dist) => Value::Dist(Arc::new(DistValue { name, dist, args: parts })),
                MakeKind::Array(_) => Value::Values(Arc::new(parts)),
            }
        }
    };
    objs[(make.d & INDEX) as usize] = value;
}

fn number(nums: &[u64], slot: Slot) -> u64 {
    match slot {
        Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => nums[n as usize],
        _ => 0,
    }
}

/// Calls a primitive.
pub fn native(
    native: &Native,
    nums: &mut [u64],
    objs: &mut [Value],
    constants: &[Value],
    generator: &mut Generator,
) -> Result<(), Fault> {
    let real = |k: usize| native.args.get(k).map_or(0.0, |slot| f64::from_bits(number(nums, *slot)));
    let int = |k: usize| native.args.get(k).map_or(0, |slot| number(nums, *slot) as i64);
    let value = match native.body {
        Body::Real1(f) => Value::Real(f(real(0))),
        Body::Real2(f) => Value::Real(f(real(0), real(1))),
        Body::Real3(f) => Value::Real(f(real(0), real(1), real(2))),
        Body::Truncate(f) => Value::Int(f(real(0))?),
        Body::Int1(f) => Value::Int(f(int(0))?),
        Body::Int2(f) => Value::Int(f(int(0), int(1))?),
        Body::DrawReal0(f) => Value::Real(f(generator)),
        Body::DrawReal1(f) => Value::Real(f(real(0), generator)),
        Body::DrawReal2(f) => Value::Real(f(real(0), real(1), generator)),
        Body::General(f) => {
            let mut args = collect(&native.args, nums, objs, constants);
            f(args.as_mut_slice())?
        }
        Body::Draw(f) | Body::DrawIndex(f, _) => {
            let args = collect(&native.args, nums, objs, constants);
            f(args.as_slice(), generator)?
        }
        Body::Intrinsic => {
            return Err(Fault::internal(format!("the primitive `{}` was not compiled", native.name)));
        }
    };
    let value = match &value {
        Value::Values(xs) if xs.is_empty() && native.empty != ArrayKind::Values => empty_array(native.empty, 0)?,
        // A primitive draw says by NaN that its parameters have no meaning.
        Value::Real(x) if x.is_nan() && is_draw(native.body) => {
            return Err(no_meaning(native));
        }
        _ => value,
    };
    store(nums, objs, native.d, value)
}

/// What a primitive draw of NaN means.
pub fn no_meaning(native: &Native) -> Fault {
    Fault::domain(format!("`{}` was given parameters outside its domain", native.name))
}

fn is_draw(body: Body) -> bool {
    matches!(body, Body::DrawReal0(_) | Body::DrawReal1(_) | Body::DrawReal2(_) | Body::Draw(_) | Body::DrawIndex(..))
}

fn collect(slots: &[Slot], nums: &[u64], objs: &mut [Value], constants: &[Value]) -> Vec<Value> {
    slots.iter().map(|slot| load(nums, objs, constants, *slot)).collect()
}

/// Runs an operation on whole values.
pub fn run(
    func: &FuncCode,
    general: u32,
    nums: &mut [u64],
    objs: &mut [Value],
    printed: &mut String,
) -> Result<(), Fault> {
    let constants = func.constants.as_slice();
    let general = &func.generals[general as usize];
    let value = match &general.kind {
        GeneralKind::Update(update) => {
            let update = &func.updates[*update as usize];
            let value = load(nums, objs, constants, update.value);
            return apply_update(&mut objs[update.root as usize], &update.steps, value, nums);
        }
        GeneralKind::Fill(kind) => {
            let args = collect(&general.args, nums, objs, constants);
            let [count, item] = args.as_slice() else {
                return Err(Fault::internal("`array` takes a length and a value"));
            };
            let n = count.as_int().unwrap_or(0);
            if n < 0 {
                return Err(Fault::error(format!("an array cannot have length {n}"))
                    .hint("is the length computed from something empty?"));
            }
            fill(*kind, check_length(n)?, item)
        }
        GeneralKind::Op(op) => {
            let mut args = collect(&general.args, nums, objs, constants);
            operate(*op, &mut args, printed)?
        }
    };
    store(nums, objs, general.d, value)
}

fn fill(kind: ArrayKind, n: usize, item: &Value) -> Value {
    match (kind, item) {
        (ArrayKind::Reals, Value::Real(x)) => Value::reals(vec![*x; n]),
        (ArrayKind::Ints, Value::Int(x)) => Value::ints(vec![*x; n]),
        (ArrayKind::Bools, Value::Bool(x)) => Value::Bools(Arc::new(vec![*x; n])),
        (_, item) => Value::Values(Arc::new(vec![item.clone(); n])),
    }
}

fn apply_update(root: &mut Value, steps: &[UpdateStep], value: Value, nums: &[u64]) -> Result<(), Fault> {
    let Some((step, rest)) = steps.split_first() else {
        *root = value;
        return Ok(());
    };
    match *step {
        UpdateStep::Index(i) => {
            let i = nums[i as usize] as i64;
            let place = |len: usize| {
                usize::try_from(i).ok().filter(|i| *i < len).ok_or_else(|| super::run::out_of_range(i, len))
            };
            match (root, value) {
                (Value::Reals(xs), Value::Real(x)) => {
                    let i = place(xs.len())?;
                    Arc::make_mut(xs)[i] = x;
                }
                (Value::Ints(xs), Value::Int(x)) => {
                    let i = place(xs.len())?;
                    Arc::make_mut(xs)[i] = x;
                }
                (Value::Bools(xs), Value::Bool(x)) => {
                    let i = place(xs.len())?;
                    Arc::make_mut(xs)[i] = x;
                }
                (Value::Values(xs), value) => {
                    let i = place(xs.len())?;
                    return apply_update(&mut Arc::make_mut(xs)[i], rest, value, nums);
                }
                (Value::Matrix(m), Value::Reals(row)) if rest.is_empty() => {
                    let i = place(m.rows)?;
                    if row.len() != m.cols {
                        return Err(Fault::error(format!(
                            "a row of length {} does not fit a matrix with {} columns",
                            row.len(),
                            m.cols
                        )));
                    }
                    let m = Arc::make_mut(m);
                    let cols = m.cols;
                    m.data[i * cols..(i + 1) * cols].copy_from_slice(&row);
                }
                (Value::Matrix(m), Value::Real(x)) => {
                    let i = place(m.rows)?;
                    let [UpdateStep::Index(j)] = rest else {
                        return Err(Fault::internal("a matrix has two indices"));
                    };
                    set_element(Arc::make_mut(m), i as i64, nums[*j as usize] as i64, x)?;
                }
                (root, _) => return Err(Fault::internal(format!("{root:?} has no elements to update"))),
            }
        }
        UpdateStep::Index2(i, j) => {
            let (i, j) = (nums[i as usize] as i64, nums[j as usize] as i64);
            match (root, value) {
                (Value::Matrix(m), Value::Real(x)) => set_element(Arc::make_mut(m), i, j, x)?,
                (root, _) => return Err(Fault::internal(format!("{root:?} is no matrix"))),
            }
        }
        UpdateStep::Field(k) => match root {
            Value::Record(r) => return apply_update(&mut Arc::make_mut(r).fields[k as usize], rest, value, nums),
            Value::Tuple(t) => return apply_update(&mut Arc::make_mut(t).0[k as usize], rest, value, nums),
            root => return Err(Fault::internal(format!("{root:?} has no fields"))),
        },
    }
    Ok(())
}

fn set_element(m: &mut Matrix, i: i64, j: i64, x: f64) -> Result<(), Fault> {
    if i < 0 || i as usize >= m.rows || j < 0 || j as usize >= m.cols {
        return Err(Fault::error(format!("index [{i}, {j}] is out of range for a {} × {} matrix", m.rows, m.cols)));
    }
    let cols = m.cols;
    m.data[i as usize * cols + j as usize] = x;
    Ok(())
}

/// Bytes that may wait to be printed.
const LARGEST_OUTPUT: usize = 64 << 20;

/// An operation on whole values; also used to fold constants.
pub fn operate(op: Op, args: &mut [Value], printed: &mut String) -> Result<Value, Fault> {
    match (op, args) {
        (Op::Same, [a, b]) => Ok(Value::Bool(a == b)),
        (Op::Different, [a, b]) => Ok(Value::Bool(a != b)),
        (Op::Widen, [a]) => widen(a),
        (Op::Slice, [a, Value::Int(low), Value::Int(high)]) => slice(a, *low, *high),
        (Op::Gather, [a, Value::Ints(indices)]) => gather(a, indices),
        (Op::Push, [a, x]) => push(std::mem::take(a), std::mem::take(x)),
        (Op::Range, [Value::Int(low), Value::Int(high)]) => {
            check_length(high.saturating_sub(*low))?;
            Ok(Value::ints((*low..*high).collect()))
        }
        (Op::MatMul, [a, b]) => matmul(a, b),
        (Op::Print, [a]) => {
            match a {
                Value::Str(text) => printed.push_str(text),
                other => printed.push_str(&other.to_string()),
            }
            printed.push('\n');
            if printed.len() > LARGEST_OUTPUT {
                return Err(
                    Fault::limit("one run of a model printed more than 64 megabytes").hint("does the loop end?")
                );
            }
            Ok(Value::Unit)
        }
        (Op::Assert, [Value::Bool(holds), message]) => {
            if *holds {
                return Ok(Value::Unit);
            }
            match message {
                Value::Str(text) => Err(Fault::error(text.to_string())),
                other => Err(Fault::error(other.to_string())),
            }
        }
        (Op::Fail, [Value::Str(message)]) => Err(Fault::error(message.to_string())),
        (Op::Domain, [Value::Str(message), value]) => {
            Err(Fault::domain(format!("{message}, found {}", crate::value::print::short(value, 60))))
        }
        (op, args) => Err(Fault::internal(format!("{op:?} was applied to {args:?}"))),
    }
}

/// Int to Real, in arrays of any depth; an array of arrays of numbers to a matrix is another operation.
fn widen(value: &Value) -> Result<Value, Fault> {
    Ok(match value {
        Value::Int(n) => Value::Real(*n as f64),
        Value::Ints(xs) => Value::reals(xs.iter().map(|n| *n as f64).collect()),
        Value::Values(xs) => Value::Values(Arc::new(xs.iter().map(widen).collect::<Result<_, _>>()?)),
        Value::Real(_) | Value::Reals(_) => value.clone(),
        other => return Err(Fault::internal(format!("{other:?} cannot be widened"))),
    })
}

fn range(low: i64, high: i64, len: usize) -> Result<std::ops::Range<usize>, Fault> {
    if low < 0 || high < low || high as u64 > len as u64 {
        let fault = Fault::error(format!("the range {low}..{high} is out of range for length {len}"));
        return Err(fault.hint(if high < low {
            "a range goes from the smaller index up to, but not including, the larger"
        } else {
            "indices count from 0, and the end of a range is not included: `0..len(a)` is all of `a`"
        }));
    }
    Ok(low as usize..high as usize)
}

fn slice(a: &Value, low: i64, high: i64) -> Result<Value, Fault> {
    Ok(match a {
        Value::Reals(xs) => Value::reals(xs[range(low, high, xs.len())?].to_vec()),
        Value::Ints(xs) => Value::ints(xs[range(low, high, xs.len())?].to_vec()),
        Value::Bools(xs) => Value::Bools(Arc::new(xs[range(low, high, xs.len())?].to_vec())),
        Value::Values(xs) => Value::Values(Arc::new(xs[range(low, high, xs.len())?].to_vec())),
        Value::Matrix(m) => {
            let rows = range(low, high, m.rows)?;
            Value::matrix(rows.len(), m.cols, m.data[rows.start * m.cols..rows.end * m.cols].to_vec())
        }
        other => return Err(Fault::internal(format!("{other:?} has no slices"))),
    })
}

fn gather(a: &Value, indices: &[i64]) -> Result<Value, Fault> {
    fn pick<T: Clone>(xs: &[T], indices: &[i64]) -> Result<Vec<T>, Fault> {
        let mut out = Vec::with_capacity(indices.len());
        for i in indices {
            match usize::try_from(*i).ok().and_then(|i| xs.get(i)) {
                Some(x) => out.push(x.clone()),
                None => return Err(super::run::out_of_range(*i, xs.len())),
            }
        }
        Ok(out)
    }
    Ok(match a {
        Value::Reals(xs) => Value::reals(pick(xs, indices)?),
        Value::Ints(xs) => Value::ints(pick(xs, indices)?),
        Value::Bools(xs) => Value::Bools(Arc::new(pick(xs, indices)?)),
        Value::Values(xs) => Value::Values(Arc::new(pick(xs, indices)?)),
        Value::Matrix(m) => {
            let mut data = Vec::with_capacity(indices.len() * m.cols);
            for i in indices {
                match usize::try_from(*i).ok().filter(|i| *i < m.rows) {
                    Some(i) => data.extend_from_slice(m.row(i)),
                    None => return Err(super::run::out_of_range(*i, m.rows)),
                }
            }
            Value::matrix(indices.len(), m.cols, data)
        }
        other => return Err(Fault::internal(format!("{other:?} has no elements"))),
    })
}

fn push(array: Value, item: Value) -> Result<Value, Fault> {
    Ok(match (array, item) {
        (Value::Reals(mut xs), Value::Real(x)) => {
            Arc::make_mut(&mut xs).push(x);
            Value::Reals(xs)
        }
        (Value::Ints(mut xs), Value::Int(x)) => {
            Arc::make_mut(&mut xs).push(x);
            Value::Ints(xs)
        }
        (Value::Bools(mut xs), Value::Bool(x)) => {
            Arc::make_mut(&mut xs).push(x);
            Value::Bools(xs)
        }
        (Value::Values(mut xs), x) => {
            Arc::make_mut(&mut xs).push(x);
            Value::Values(xs)
        }
        (array, _) => return Err(Fault::internal(format!("cannot push onto {array:?}"))),
    })
}

fn matmul(a: &Value, b: &Value) -> Result<Value, Fault> {
    let mismatch = |a: String, b: String| {
        Fault::error(format!("cannot multiply {a} by {b}"))
            .hint("the columns on the left must be as many as the rows on the right; `transpose(m)` exchanges them")
    };
    let matrix = |m: &Matrix| format!("a {} × {} matrix", m.rows, m.cols);
    let vector = |v: &[f64]| format!("a vector of length {}", v.len());
    Ok(match (a, b) {
        (Value::Matrix(m), Value::Reals(v)) => {
            if m.cols != v.len() {
                return Err(mismatch(matrix(m), vector(v)));
            }
            Value::reals((0..m.rows).map(|i| lift::dot(m.row(i), v)).collect())
        }
        (Value::Reals(v), Value::Matrix(m)) => {
            if m.rows != v.len() {
                return Err(mismatch(vector(v), matrix(m)));
            }
            let mut out = vec![0.0; m.cols];
            for (i, x) in v.iter().enumerate() {
                for (o, y) in out.iter_mut().zip(m.row(i)) {
                    *o += x * y;
                }
            }
            Value::reals(out)
        }
        (Value::Reals(v), Value::Reals(w)) => {
            if v.len() != w.len() {
                return Err(mismatch(vector(v), vector(w)));
            }
            Value::Real(lift::dot(v, w))
        }
        (Value::Matrix(m), Value::Matrix(k)) => {
            if m.cols != k.rows {
                return Err(mismatch(matrix(m), matrix(k)));
            }
            let mut data = vec![0.0; m.rows * k.cols];
            for i in 0..m.rows {
                let row = &mut data[i * k.cols..(i + 1) * k.cols];
                for (j, x) in m.row(i).iter().enumerate() {
                    for (o, y) in row.iter_mut().zip(k.row(j)) {
                        *o += x * y;
                    }
                }
            }
            Value::matrix(m.rows, k.cols, data)
        }
        (a, b) => return Err(Fault::internal(format!("cannot multiply {a:?} by {b:?}"))),
    })
}
