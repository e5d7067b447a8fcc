//! Operations on whole values, functions called as a whole, and the parts of values.

use crate::core::Type;
use crate::core::ir;
use crate::exec::machine::code::{ArrayKind, LiftCallee};
use crate::exec::machine::{Code, Event, Limits, Machine, general, lift};
use crate::value::{Fault, Generator, Value, check_length};
use std::sync::Arc;

/// An operation whose operands and result are whole values.
#[derive(Clone, Debug)]
pub enum Whole {
    Op(ir::Op),
    Fill(ArrayKind),
    Native(fn(&mut [Value]) -> Result<Value, Fault>, ArrayKind),
    Lift(LiftCallee, Type),
    /// An element of an array or row of a matrix.
    Index,
    Index2,
    Len,
    /// Part `k` of a compound value.
    Part(u32),
    Tag,
    /// The log density of a value under a distribution.
    Logp,
}

/// A machine for calls of functions by their numbers.
pub struct Calls<'a> {
    pub code: &'a Code,
    pub machine: &'a mut Machine,
    pub limits: Limits,
}

impl Calls<'_> {
    /// The result of a function that draws nothing from outside; `generator` is for functions that draw inside.
    pub fn call(&mut self, func: u32, args: &[Value], generator: Option<&mut Generator>) -> Result<Value, Fault> {
        let machine = &mut *self.machine;
        machine.limits = self.limits;
        machine.print_buffer = usize::MAX;
        machine.pause_at_scores = false;
        machine.draw = generator.is_some();
        machine.start(self.code, func, args)?;
        let event = match generator {
            Some(generator) => {
                machine.generator = *generator;
                let event = machine.run(self.code);
                *generator = machine.generator;
                event?
            }
            None => machine.run(self.code)?,
        };
        machine.printed.clear();
        match event {
            Event::Done => Ok(std::mem::take(&mut machine.returned)),
            other => Err(Fault::internal(format!("a call paused at {other:?}"))),
        }
    }
}

fn fault(what: &str) -> Fault {
    Fault::internal(format!("{what} does not apply here"))
}

impl Whole {
    /// Whether two operations are known to be the same.
    pub fn alike(&self, other: &Whole) -> bool {
        match (self, other) {
            (Whole::Op(a), Whole::Op(b)) => a == b,
            (Whole::Part(a), Whole::Part(b)) => a == b,
            (Whole::Index, Whole::Index)
            | (Whole::Index2, Whole::Index2)
            | (Whole::Len, Whole::Len)
            | (Whole::Tag, Whole::Tag)
            | (Whole::Logp, Whole::Logp) => true,
            _ => false,
        }
    }

    /// The result of a small operation on nodes, without copying them; none where `apply` must do it.
    #[inline]
    pub fn at(&self, values: &[Value], inputs: &[u32]) -> Option<Value> {
        match (self, inputs) {
            (Whole::Part(k), [value]) => part(&values[*value as usize], *k as usize),
            (Whole::Index, [array, index]) => match (&values[*array as usize], &values[*index as usize]) {
                (Value::Matrix(_), _) => None,
                (array, Value::Int(i)) => usize::try_from(*i).ok().and_then(|i| array.element(i)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The result.
    pub fn apply(&self, mut args: Vec<Value>, calls: &mut Calls<'_>) -> Result<Value, Fault> {
        match self {
            Whole::Op(op) => general::operate(*op, &mut args, &mut String::new()),
            Whole::Fill(kind) => match (kind, args.as_slice()) {
                (_, [Value::Int(n), _]) if *n < 0 => Err(Fault::error(format!("an array cannot have length {n}"))),
                (ArrayKind::Reals, [Value::Int(n), Value::Real(x)]) => Ok(Value::reals(vec![*x; check_length(*n)?])),
                (ArrayKind::Ints, [Value::Int(n), Value::Int(x)]) => Ok(Value::ints(vec![*x; check_length(*n)?])),
                (ArrayKind::Bools, [Value::Int(n), Value::Bool(x)]) => {
                    Ok(Value::Bools(Arc::new(vec![*x; check_length(*n)?])))
                }
                (_, [Value::Int(n), x]) => Ok(Value::Values(Arc::new(vec![x.clone(); check_length(*n)?]))),
                _ => Err(fault("a filled array")),
            },
            Whole::Native(f, empty) => match f(&mut args)? {
                Value::Values(xs) if xs.is_empty() && *empty != ArrayKind::Values => general::empty_array(*empty, 0),
                value => Ok(value),
            },
            Whole::Lift(callee, element) => lift::apply(callee, &mut args, *element),
            Whole::Index => match args.as_slice() {
                [array, Value::Int(i)] => {
                    let found = usize::try_from(*i).ok().and_then(|i| array.element(i));
                    found.ok_or_else(|| Fault::error(format!("index {i} is out of range")))
                }
                _ => Err(fault("an index")),
            },
            Whole::Index2 => match args.as_slice() {
                [Value::Matrix(m), Value::Int(i), Value::Int(j)] => {
                    if *i < 0 || *i as usize >= m.rows || *j < 0 || *j as usize >= m.cols {
                        return Err(Fault::error(format!("index [{i}, {j}] is out of range")));
                    }
                    Ok(Value::Real(m.at(*i as usize, *j as usize)))
                }
                _ => Err(fault("a pair of indices")),
            },
            Whole::Len => {
                args.first().and_then(Value::array_len).map(|n| Value::Int(n as i64)).ok_or_else(|| fault("a length"))
            }
            Whole::Part(k) => args.first().and_then(|v| part(v, *k as usize)).ok_or_else(|| fault("a part")),
            Whole::Tag => match args.first() {
                Some(Value::Variant(v)) => Ok(Value::Int(i64::from(v.tag))),
                _ => Err(fault("a tag")),
            },
            Whole::Logp => match args.as_slice() {
                [Value::Dist(dist), value] => {
                    let logp = calls.code.dists[dist.dist as usize].logp;
                    let mut all = dist.args.clone();
                    all.push(value.clone());
                    calls.call(logp, &all, None)
                }
                _ => Err(fault("a log density")),
            },
        }
    }
}

/// Part `k` of a compound value: an element, a field, something captured, a parameter.
pub fn part(value: &Value, k: usize) -> Option<Value> {
    match value {
        Value::Tuple(t) => t.0.get(k).cloned(),
        Value::Record(r) => r.fields.get(k).cloned(),
        Value::Variant(v) => v.fields.get(k).cloned(),
        Value::Closure(c) => c.captures.get(k).cloned(),
        Value::Dist(d) => d.args.get(k).cloned(),
        Value::Matrix(_) => None,
        array => array.element(k),
    }
}

/// How many parts a compound value has.
pub fn parts(value: &Value) -> usize {
    match value {
        Value::Tuple(t) => t.0.len(),
        Value::Record(r) => r.fields.len(),
        Value::Variant(v) => v.fields.len(),
        Value::Closure(c) => c.captures.len(),
        Value::Dist(d) => d.args.len(),
        Value::Matrix(_) => 0,
        array => array.array_len().unwrap_or(0),
    }
}

/// Replaces part `k` of a compound value; false where it has no such part.
pub fn set_part(value: &mut Value, k: usize, part: Value) -> bool {
    fn put<T>(place: Option<&mut T>, part: T) -> bool {
        place.map(|place| *place = part).is_some()
    }
    match (value, part) {
        (Value::Reals(xs), Value::Real(x)) => put(Arc::make_mut(xs).get_mut(k), x),
        (Value::Ints(xs), Value::Int(x)) => put(Arc::make_mut(xs).get_mut(k), x),
        (Value::Bools(xs), Value::Bool(x)) => put(Arc::make_mut(xs).get_mut(k), x),
        (Value::Values(xs), x) => put(Arc::make_mut(xs).get_mut(k), x),
        (Value::Tuple(t), x) => put(Arc::make_mut(t).0.get_mut(k), x),
        (Value::Record(r), x) => put(Arc::make_mut(r).fields.get_mut(k), x),
        (Value::Variant(v), x) => put(Arc::make_mut(v).fields.get_mut(k), x),
        (Value::Closure(c), x) => put(Arc::make_mut(c).captures.get_mut(k), x),
        (Value::Dist(d), x) => put(Arc::make_mut(d).args.get_mut(k), x),
        _ => false,
    }
}
