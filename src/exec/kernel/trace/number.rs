//! Built-in operations of the abstract run.

use super::super::axis::Axis;
use super::super::graph::{F, Id};
use super::abs::{Abs, Scalar, Values};
use super::{Result, Tracer};
use crate::core::ir::Op;
use crate::exec::machine::{general, scalar};
use crate::value::Value;
use std::rc::Rc;

impl Values {
    /// `log(sum(exp(x)))` along an axis.
    pub fn log_sum_exp(&mut self, x: Id, along: Axis) -> Id {
        self.graph.log_sum_exp(x, along)
    }
}

impl Tracer<'_> {
    pub(super) fn op(&mut self, op: Op, args: Vec<Abs>) -> Result<Abs> {
        if args.iter().any(|x| matches!(x, Abs::Forward)) {
            return match op {
                Op::Assert | Op::Fail | Op::Domain => Ok(Abs::Known(Value::Unit)),
                _ => Ok(Abs::Forward),
            };
        }
        if let Some(value) = self.known_op(op, &args)? {
            return Ok(value);
        }
        let elementwise = |f: F, kind: Scalar| Some((f, kind));
        let rule = match op {
            Op::AddR => elementwise(F::Add, Scalar::Real),
            Op::SubR => elementwise(F::Sub, Scalar::Real),
            Op::MulR => elementwise(F::Mul, Scalar::Real),
            Op::DivR => elementwise(F::Div, Scalar::Real),
            Op::PowR => elementwise(F::Pow, Scalar::Real),
            Op::RemR => elementwise(F::Rem, Scalar::Real),
            Op::NegR => elementwise(F::Neg, Scalar::Real),
            Op::AddI => elementwise(F::Add, Scalar::Int),
            Op::SubI => elementwise(F::Sub, Scalar::Int),
            Op::MulI => elementwise(F::Mul, Scalar::Int),
            Op::PowI => elementwise(F::Pow, Scalar::Int),
            Op::RemI => elementwise(F::Rem, Scalar::Int),
            Op::NegI => elementwise(F::Neg, Scalar::Int),
            Op::EqR | Op::EqI | Op::EqB => elementwise(F::Eq, Scalar::Bool),
            Op::LtR | Op::LtI => elementwise(F::Lt, Scalar::Bool),
            Op::LeR | Op::LeI => elementwise(F::Le, Scalar::Bool),
            Op::Not => elementwise(F::Not, Scalar::Bool),
            Op::And => elementwise(F::And, Scalar::Bool),
            Op::Or => elementwise(F::Or, Scalar::Bool),
            _ => None,
        };
        if let Some((f, kind)) = rule {
            let ids = args.iter().map(|x| self.num(x)).collect::<Result<Vec<_>>>()?;
            let id = self.graph().map(f, &ids);
            return Ok(self.values.tidy(Abs::Num(id, kind)));
        }
        match (op, &args[..]) {
            (Op::NeR | Op::NeI | Op::NeB, [a, b]) => {
                let (a, b) = (self.num(a)?, self.num(b)?);
                let graph = self.graph();
                let same = graph.map(F::Eq, &[a, b]);
                let id = graph.map(F::Not, &[same]);
                Ok(self.values.tidy(Abs::bool(id)))
            }
            (Op::Same, [a, b]) => self.same(a, b),
            (Op::Different, [a, b]) => {
                let same = self.same(a, b)?;
                self.op(Op::Not, vec![same])
            }
            (Op::Widen, [x]) => self.widen(x),
            (Op::Len, [x]) => {
                let n = self.length(x)?;
                Ok(Abs::Known(Value::Int(n as i64)))
            }
            (Op::Index, [x, i]) => self.element(x, i),
            (Op::Index2, [m, i, j]) => {
                if let Abs::Growing(id) = m {
                    let index = [self.num(i)?, self.num(j)?];
                    return self.read_growing(*id, &index);
                }
                let row = self.element(m, i)?;
                self.element(&row, j)
            }
            (Op::Slice, [x, Abs::Known(Value::Int(low)), Abs::Known(Value::Int(high))]) => self.slice(x, *low, *high),
            (Op::Slice, _) => self.refuse("a slice whose ends differ from lane to lane"),
            (Op::Gather, [x, index]) => self.gather(x, index),
            (Op::Push, [Abs::Growing(id), x]) => {
                self.push(*id, x.clone());
                Ok(Abs::Growing(*id))
            }
            (Op::Push, [xs, x]) => {
                let x = Abs::List(Rc::new(vec![x.clone()]));
                self.joined(xs, &x)
            }
            (Op::Fill, [n, x]) => match n {
                Abs::Known(Value::Int(n)) if *n > 0 => {
                    let axis = Axis { extent: *n as u32, level: self.level };
                    Ok(Abs::array(axis, x.clone()))
                }
                _ => self.refuse("an array whose length differs from lane to lane"),
            },
            (Op::Range, _) => self.refuse("a range whose ends differ from lane to lane"),
            (Op::MatMul, [a, b]) => self.product(a, b),
            (Op::Print, _) => Ok(Abs::Known(Value::Unit)),
            (Op::Assert, [holds, _]) => match holds {
                Abs::Known(Value::Bool(false)) if self.mask.is_none() => {
                    self.fatal("an assertion that fails whatever the choices are")
                }
                Abs::Known(_) => Ok(Abs::Known(Value::Unit)),
                Abs::Num(id, _) if self.values.graph.is_constant(*id) && self.mask.is_none() => {
                    self.fatal("an assertion that fails whatever the choices are")
                }
                _ => self.refuse("an assertion about choices, which may stop the run"),
            },
            (Op::Fail, _) => self.refuse("a place that stops the run"),
            (Op::Domain, _) => {
                let never = self.graph().scalar(0.0);
                self.require(never);
                Ok(Abs::Known(Value::Unit))
            }
            _ => self.refuse("an operation on values whose structure is not known"),
        }
    }

    /// The result where all operands are known.
    fn known_op(&mut self, op: Op, args: &[Abs]) -> Result<Option<Abs>> {
        let mut values = Vec::with_capacity(args.len());
        for x in args {
            match x {
                Abs::Known(v) => values.push(v.clone()),
                _ => return Ok(None),
            }
        }
        use Value::{Bool, Int, Real};
        let overflow = "an integer that leaves the range of 64 bits";
        let int = |x: Option<i64>| x.map(Int);
        let value = match (op, &values[..]) {
            (Op::AddR, [Real(a), Real(b)]) => Some(Real(a + b)),
            (Op::SubR, [Real(a), Real(b)]) => Some(Real(a - b)),
            (Op::MulR, [Real(a), Real(b)]) => Some(Real(a * b)),
            (Op::DivR, [Real(a), Real(b)]) => Some(Real(a / b)),
            (Op::PowR, [Real(a), Real(b)]) => Some(Real(scalar::power(*a, *b))),
            (Op::RemR, [Real(a), Real(b)]) => Some(Real(scalar::remainder(*a, *b))),
            (Op::NegR, [Real(a)]) => Some(Real(-a)),
            (Op::AddI | Op::SubI | Op::MulI, [Int(a), Int(b)]) => {
                let result = match op {
                    Op::AddI => a.checked_add(*b),
                    Op::SubI => a.checked_sub(*b),
                    _ => a.checked_mul(*b),
                };
                if result.is_none() {
                    return self.fatal(overflow);
                }
                int(result)
            }
            (Op::NegI, [Int(a)]) => int(a.checked_neg()),
            (Op::PowI, [Int(a), Int(b)]) => int(scalar::integer_power(*a, *b).ok()),
            (Op::RemI, [Int(a), Int(b)]) => int(scalar::integer_remainder(*a, *b).ok()),
            (Op::EqR, [Real(a), Real(b)]) => Some(Bool(a == b)),
            (Op::NeR, [Real(a), Real(b)]) => Some(Bool(a != b)),
            (Op::LtR, [Real(a), Real(b)]) => Some(Bool(a < b)),
            (Op::LeR, [Real(a), Real(b)]) => Some(Bool(a <= b)),
            (Op::EqI, [Int(a), Int(b)]) => Some(Bool(a == b)),
            (Op::NeI, [Int(a), Int(b)]) => Some(Bool(a != b)),
            (Op::LtI, [Int(a), Int(b)]) => Some(Bool(a < b)),
            (Op::LeI, [Int(a), Int(b)]) => Some(Bool(a <= b)),
            (Op::EqB, [Bool(a), Bool(b)]) => Some(Bool(a == b)),
            (Op::NeB, [Bool(a), Bool(b)]) => Some(Bool(a != b)),
            (Op::Not, [Bool(a)]) => Some(Bool(!a)),
            (Op::And, [Bool(a), Bool(b)]) => Some(Bool(*a && *b)),
            (Op::Or, [Bool(a), Bool(b)]) => Some(Bool(*a || *b)),
            (Op::Fill, [Int(n), x]) if *n >= 0 && *n <= 1 << 26 => Some(if *n == 0 {
                match x {
                    Real(_) => Value::reals(Vec::new()),
                    Int(_) => Value::ints(Vec::new()),
                    _ => return Ok(None),
                }
            } else {
                Value::array_of(vec![x.clone(); *n as usize])
            }),
            (Op::Same | Op::Different | Op::Widen | Op::Slice | Op::Gather | Op::Push | Op::Range | Op::MatMul, _) => {
                let mut values = values;
                match general::operate(op, &mut values, &mut String::new()) {
                    Ok(value) => return Ok(Some(Abs::Known(value))),
                    Err(fault) => return self.fatal(fault.message),
                }
            }
            _ => None,
        };
        Ok(value.map(Abs::Known))
    }

    fn widen(&mut self, x: &Abs) -> Result<Abs> {
        Ok(match x {
            Abs::Num(id, _) => Abs::real(*id),
            Abs::Array(lanes) => {
                let item = self.widen(&lanes.item)?;
                Abs::Array(Rc::new(super::abs::Lanes { axis: lanes.axis, item, mask: lanes.mask }))
            }
            Abs::List(items) => Abs::List(Rc::new(items.iter().map(|x| self.widen(x)).collect::<Result<Vec<_>>>()?)),
            Abs::Known(v) => match general::operate(Op::Widen, &mut [v.clone()], &mut String::new()) {
                Ok(v) => Abs::Known(v),
                Err(fault) => return self.fatal(fault.message),
            },
            other => other.clone(),
        })
    }

    /// An array of numbers as a node over an axis of this level.
    pub(super) fn vector(&mut self, x: &Abs, level: u32) -> Result<(Id, Axis)> {
        if matches!(x, Abs::Growing(_)) {
            return self.refuse("the whole of an array that is still growing");
        }
        let lanes = self.values.lanes(x);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("a value that is not an array of numbers") };
        if lanes.mask.is_some() {
            return self.refuse("an array whose length depends on a choice");
        }
        let axis = Axis { extent: lanes.axis.extent, level };
        let item = self.values.open(&lanes, axis);
        let item = self.or(item)?;
        Ok((self.num(&item)?, axis))
    }

    /// A matrix as a node over rows and columns of this level and the next.
    pub(super) fn matrix(&mut self, x: &Abs, level: u32) -> Result<(Id, Axis, Axis)> {
        let lanes = self.values.lanes(x);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("a value that is not a matrix") };
        let rows = Axis { extent: lanes.axis.extent, level };
        let item = self.values.open(&lanes, rows);
        let item = self.or(item)?;
        let (id, cols) = self.vector(&item, level + 1)?;
        Ok((id, rows, cols))
    }

    fn is_matrix(x: &Abs) -> bool {
        matches!(x, Abs::Matrix(..) | Abs::Known(Value::Matrix(_)))
    }

    /// `a @ b`
    pub(super) fn product(&mut self, a: &Abs, b: &Abs) -> Result<Abs> {
        let level = self.level;
        let fits = |tracer: &Self, n: Axis, m: Axis| {
            if n.extent == m.extent {
                return Ok(());
            }
            tracer.fatal(format!("cannot multiply: {} columns and {} rows", n.extent, m.extent))
        };
        match (Self::is_matrix(a), Self::is_matrix(b)) {
            (false, false) => {
                let ((x, n), (y, m)) = (self.vector(a, level)?, self.vector(b, level)?);
                fits(self, n, m)?;
                Ok(Abs::real(self.graph().contract(x, y, &[n])))
            }
            (true, false) => {
                let (m, rows, cols) = self.matrix(a, level)?;
                let (x, n) = self.vector(b, level + 1)?;
                fits(self, cols, n)?;
                Ok(Abs::array(rows, Abs::real(self.graph().contract(m, x, &[cols]))))
            }
            (false, true) => {
                let (m, rows, cols) = self.matrix(b, level)?;
                let (x, n) = self.vector(a, level)?;
                fits(self, n, rows)?;
                Ok(Abs::array(cols, Abs::real(self.graph().contract(m, x, &[rows]))))
            }
            (true, true) => {
                let (x, rows, inner) = self.matrix(a, level)?;
                let (y, other, cols) = self.matrix(b, level + 1)?;
                fits(self, inner, other)?;
                Ok(Abs::Matrix(self.graph().contract(x, y, &[inner]), rows, cols))
            }
        }
    }
}
