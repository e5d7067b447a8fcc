//! Right-hand sides of the abstract run: structure, arrays, calls.

use super::super::axis::Axis;
use super::super::graph::{F, Op as Node};
use super::abs::{self, Abs, Parts, Scalar};
use super::{Frame, Result, Tracer};
use crate::core::ir::{Callee, DistUse, FuncId, Op, Rhs};
use crate::core::{Type, TypeKind};
use crate::exec::machine::general;
use crate::value::{Value, record_names};
use std::rc::Rc;

impl Tracer<'_> {
    pub(super) fn rhs(&mut self, frame: &mut Frame, rhs: &Rhs, ty: Type) -> Result<Abs> {
        match rhs {
            Rhs::Atom(atom) => self.atom(frame, atom),
            Rhs::Op(op, args) => {
                let args = self.atoms(frame, args)?;
                self.op(*op, args)
            }
            Rhs::Prim(prim, args) => {
                let args = self.atoms(frame, args)?;
                self.prim(prim.row, args)
            }
            Rhs::Lift(callee, args) => {
                let args = self.atoms(frame, args)?;
                self.lift(*callee, args)
            }
            Rhs::Call { func, args, .. } => {
                let args = self.atoms(frame, args)?;
                self.call(*func, args, Vec::new())
            }
            Rhs::CallClosure { callee, args, .. } => {
                let callee = self.atom(frame, callee)?;
                let args = self.atoms(frame, args)?;
                self.apply(&callee, args)
            }
            Rhs::Closure(func, captures) => {
                let captures = self.atoms(frame, captures)?;
                Ok(Abs::Closure(func.0, Rc::new(captures)))
            }
            Rhs::Tuple(parts) => Ok(Abs::Tuple(Rc::new(self.atoms(frame, parts)?))),
            Rhs::Record(parts) => {
                let parts = self.atoms(frame, parts)?;
                let TypeKind::Record(fields) = ty.kind() else { return self.fatal("a record without a type") };
                let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
                Ok(Abs::Record(record_names(&names), Rc::new(parts)))
            }
            Rhs::Field(atom, k) | Rhs::Payload(atom, _, k) => {
                let value = self.atom(frame, atom)?;
                if matches!(value, Abs::Forward) {
                    return Ok(value);
                }
                match Parts::of(&value).and_then(|parts| parts.parts.get(*k as usize).cloned()) {
                    Some(part) => Ok(part),
                    None => self.refuse("a field of a value whose structure is not known"),
                }
            }
            Rhs::Variant(tag, fields) => {
                let fields = self.atoms(frame, fields)?;
                let name = ty.constructors().and_then(|c| c.get(*tag as usize)).map(|(name, _)| *name);
                Ok(Abs::Variant(name.unwrap_or_else(|| crate::source::intern("?")), *tag, Rc::new(fields)))
            }
            Rhs::Array(items) => {
                let items = self.atoms(frame, items)?;
                if items.iter().any(|x| matches!(x, Abs::Forward)) {
                    return Ok(Abs::Forward);
                }
                if items.is_empty() {
                    return Ok(Abs::Known(abs::empty_array(ty.element().unwrap_or(Type::UNIT))));
                }
                Ok(Abs::List(Rc::new(items)))
            }
            Rhs::Build { len, var, body } => {
                let len = self.atom(frame, len)?;
                match &len {
                    Abs::Known(Value::Int(0)) => {
                        return Ok(Abs::Known(abs::empty_array(ty.element().unwrap_or(Type::UNIT))));
                    }
                    Abs::Known(Value::Int(n)) if *n < 0 => {
                        return self.fatal(format!("an array cannot have length {n}"));
                    }
                    _ => {}
                }
                self.repeat(frame, *var, Abs::Known(Value::Int(0)), len, body, true)
            }
            Rhs::Dist(dist, args) => {
                let args = self.atoms(frame, args)?;
                let name = self.program.dists[dist.0 as usize].name;
                Ok(Abs::Dist(name, dist.0, Rc::new(args)))
            }
            Rhs::Sample { site, dist, .. } => {
                let dist = self.dist_use(frame, dist)?;
                self.choice(*site, &dist)
            }
            Rhs::Member(name, dist, args) => {
                let dist = self.dist_use(frame, dist)?;
                let args = self.atoms(frame, args)?;
                self.member(name.as_str(), &dist, args)
            }
            Rhs::If(cond, yes, no) => {
                let cond = self.atom(frame, cond)?;
                self.branch(frame, &cond, yes, no)
            }
            Rhs::Switch { on, arms, otherwise } => {
                let on = self.atom(frame, on)?;
                let tag = match &on {
                    Abs::Variant(_, tag, _) => *tag,
                    Abs::Known(Value::Variant(v)) => v.tag,
                    Abs::Forward => return self.refuse("a `match` on a choice"),
                    _ => return self.refuse("a `match` on a value whose constructor is not known"),
                };
                match arms.iter().find(|(arm, _)| *arm == tag).map(|(_, block)| block).or(otherwise.as_deref()) {
                    Some(block) => self.block(frame, block),
                    None => self.fatal("a `match` without an arm for its value"),
                }
            }
            Rhs::Host(name, _) => self.refuse(format!("`{name}`, an inference within the model")),
        }
    }

    pub(super) fn dist_use(&mut self, frame: &Frame, dist: &DistUse) -> Result<Abs> {
        match dist {
            DistUse::Known(id, args) => {
                let args = self.atoms(frame, args)?;
                let name = self.program.dists[id.0 as usize].name;
                Ok(Abs::Dist(name, id.0, Rc::new(args)))
            }
            DistUse::Value(atom) => self.atom(frame, atom),
        }
    }

    /// A function value applied.
    pub(super) fn apply(&mut self, callee: &Abs, args: Vec<Abs>) -> Result<Abs> {
        if matches!(callee, Abs::Forward) {
            return Ok(Abs::Forward);
        }
        match Parts::of(callee) {
            Some(Parts { head: abs::Head::Closure(func), parts }) => self.call(FuncId(func), args, parts),
            _ => self.refuse("a function that is not known before the run"),
        }
    }

    /// The number of elements of an array, or of rows of a matrix.
    pub(super) fn length(&mut self, x: &Abs) -> Result<usize> {
        match x {
            Abs::Known(v) => match v.array_len() {
                Some(n) => Ok(n),
                None => self.fatal("a length of what is not an array"),
            },
            Abs::Array(lanes) if lanes.mask.is_some() => self.refuse("an array whose length depends on a choice"),
            Abs::Array(lanes) => Ok(lanes.axis.extent as usize),
            Abs::Matrix(_, rows, _) => Ok(rows.extent as usize),
            Abs::List(items) => Ok(items.len()),
            Abs::Growing(_) => self.refuse("the length of an array that is still growing"),
            _ => self.refuse("the length of a value whose structure is not known"),
        }
    }

    /// The elements of an array one by one.
    pub(super) fn items(&mut self, x: &Abs) -> Result<Vec<Abs>> {
        if let Abs::List(items) = x {
            return Ok(items.to_vec());
        }
        let n = self.length(x)?;
        self.spend(n)?;
        (0..n).map(|k| self.element(x, &Abs::Known(Value::Int(k as i64)))).collect()
    }

    /// `a[i]`, or row `i` of a matrix.
    pub(super) fn element(&mut self, array: &Abs, index: &Abs) -> Result<Abs> {
        if matches!(array, Abs::Forward) || matches!(index, Abs::Forward) {
            return Ok(Abs::Forward);
        }
        if let Abs::Growing(id) = array {
            let index = self.num(index)?;
            return self.read_growing(*id, &[index]);
        }
        let n = self.length(array)?;
        if let Abs::Known(Value::Int(k)) = index {
            if *k < 0 || *k as usize >= n {
                if self.mask.is_some() && n > 0 {
                    // The place may not be reached: any element will do.
                    return self.element(array, &Abs::Known(Value::Int(0)));
                }
                return self.fatal(format!("index {k} is out of range for length {n}"));
            }
            match array {
                Abs::Known(v) => return Ok(v.element(*k as usize).map_or(Abs::Known(Value::Unit), Abs::Known)),
                Abs::List(items) => return Ok(items[*k as usize].clone()),
                _ => {}
            }
        }
        let place = self.num(index)?;
        let place = self.checked_index(place, n)?;
        let lanes = self.values.lanes(array);
        match self.or(lanes)? {
            Some(lanes) => {
                let item = self.values.substitute(&lanes.item, lanes.axis, place);
                self.or(item)
            }
            None => self.refuse("an element of a value whose structure is not known"),
        }
    }

    /// An index that is known to be in range, or is moved there where the place may not be reached.
    fn checked_index(&mut self, index: super::Id, n: usize) -> Result<super::Id> {
        let graph = &mut self.values.graph;
        let range = graph.node(index).range;
        let known = graph.is_constant(index);
        if !known && !graph.node(index).discrete {
            return self.refuse("an index that depends on a choice");
        }
        if !known {
            self.indices.push((index, self.span));
        }
        let graph = &mut self.values.graph;
        if range.low >= 0.0 && range.high <= n as f64 - 1.0 {
            return Ok(index);
        }
        if self.mask.is_some() && n > 0 {
            let (low, high) = (graph.scalar(0.0), graph.scalar(n as f64 - 1.0));
            let index = graph.prim("max", &[index, low]);
            return Ok(graph.prim("min", &[index, high]));
        }
        if !known {
            return Ok(index);
        }
        let worst = if range.low < 0.0 { range.low } else { range.high };
        self.fatal(format!("index {worst} is out of range for length {n}"))
    }

    /// A matrix of an array of rows.
    pub(super) fn matrix_of(&mut self, rows: &Abs) -> Result<Abs> {
        if matches!(rows, Abs::Forward) {
            return Ok(Abs::Forward);
        }
        let lanes = self.values.lanes(rows);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("a matrix of rows that differ") };
        let row = Axis { extent: lanes.axis.extent, level: self.level };
        let item = self.values.open(&lanes, row);
        let item = self.or(item)?;
        let inner = self.values.lanes(&item);
        let Some(inner) = self.or(inner)? else { return self.refuse("a matrix of rows that differ") };
        let col = Axis { extent: inner.axis.extent, level: self.level + 1 };
        let item = self.values.open(&inner, col);
        let item = self.or(item)?;
        let id = self.num(&item)?;
        Ok(Abs::Matrix(id, row, col))
    }

    /// Two arrays, one after the other.
    pub(super) fn joined(&mut self, a: &Abs, b: &Abs) -> Result<Abs> {
        let (n, m) = (self.length(a)?, self.length(b)?);
        if n == 0 {
            return Ok(b.clone());
        }
        if m == 0 {
            return Ok(a.clone());
        }
        if let (Abs::Known(_) | Abs::List(_), Abs::Known(_) | Abs::List(_)) = (a, b)
            && n + m <= 64
        {
            let mut items = self.items(a)?;
            items.extend(self.items(b)?);
            return Ok(Abs::List(Rc::new(items)));
        }
        let (x, y) = (self.values.lanes(a), self.values.lanes(b));
        let (Some(x), Some(y)) = (self.or(x)?, self.or(y)?) else {
            return self.refuse("arrays whose elements differ in structure are joined");
        };
        let (first, second) = (self.values.fresh_axis(n), self.values.fresh_axis(m));
        let joined = Axis { extent: (n + m) as u32, level: self.level };
        let (x, y) = (self.values.open(&x, first), self.values.open(&y, second));
        let (x, y) = (self.or(x)?, self.or(y)?);
        let item = self.values.zip(&x, &y, &mut |values, a, b, _| {
            let graph = &mut values.graph;
            let spread = |graph: &super::Graph, id, own: Axis| super::axis::minus(graph.axes(id), &[own]);
            let rest = super::axis::union(&spread(graph, a, first), &spread(graph, b, second));
            let axes = super::axis::union(&rest, &[joined]);
            Ok(graph.make(Node::Join(first, second, joined), vec![a, b], axes))
        });
        let item = self.or(item)?;
        Ok(Abs::array(joined, item))
    }

    /// An array taken at an array of indices.
    pub(super) fn gather(&mut self, array: &Abs, indices: &Abs) -> Result<Abs> {
        if matches!(array, Abs::Forward) || matches!(indices, Abs::Forward) {
            return Ok(Abs::Forward);
        }
        let lanes = self.values.lanes(indices);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("a gather by what is not an array") };
        if lanes.axis.extent == 0 {
            return self.slice(array, 0, 0);
        }
        let to = Axis { extent: lanes.axis.extent, level: self.level };
        let index = self.values.open(&lanes, to);
        let index = self.or(index)?;
        self.level += 1;
        let item = self.element(array, &index);
        self.level -= 1;
        let matrix = matches!(array, Abs::Matrix(..) | Abs::Known(Value::Matrix(_)));
        let rows = Abs::array(to, item?);
        if matrix { self.matrix_of(&rows) } else { Ok(rows) }
    }

    /// `a[low..high]`
    pub(super) fn slice(&mut self, array: &Abs, low: i64, high: i64) -> Result<Abs> {
        if matches!(array, Abs::Forward) {
            return Ok(Abs::Forward);
        }
        let n = self.length(array)?;
        if low < 0 || high < low || high as usize > n {
            return self.fatal(format!("the range {low}..{high} is out of range for length {n}"));
        }
        match array {
            Abs::Known(v) => {
                let out = general::operate(
                    Op::Slice,
                    &mut [v.clone(), Value::Int(low), Value::Int(high)],
                    &mut String::new(),
                );
                return out.map(Abs::Known).or_else(|fault| self.fatal(fault.message));
            }
            Abs::List(items) if high > low => {
                return Ok(Abs::List(Rc::new(items[low as usize..high as usize].to_vec())));
            }
            _ => {}
        }
        if high == low {
            let element = match array {
                Abs::Array(lanes) if matches!(lanes.item, Abs::Num(_, Scalar::Int)) => Type::INT,
                _ => Type::REAL,
            };
            return Ok(Abs::Known(abs::empty_array(element)));
        }
        let to = Axis { extent: (high - low) as u32, level: self.level };
        let graph = self.graph();
        let count = graph.count(to);
        let start = graph.scalar(low as f64);
        let index = graph.add(count, start);
        self.level += 1;
        let item = self.element(array, &Abs::Num(index, Scalar::Int));
        self.level -= 1;
        let matrix = matches!(array, Abs::Matrix(..));
        let rows = Abs::array(to, item?);
        if matrix { self.matrix_of(&rows) } else { Ok(rows) }
    }

    /// An elementwise function of arrays or matrices, scalars broadcast.
    pub(super) fn lift(&mut self, callee: Callee, args: Vec<Abs>) -> Result<Abs> {
        if args.iter().any(|x| matches!(x, Abs::Forward)) {
            return Ok(Abs::Forward);
        }
        let scalar = |x: &Abs| match x {
            Abs::Num(..) => true,
            Abs::Known(v) => v.array_len().is_none(),
            _ => false,
        };
        if args.iter().all(scalar) {
            return match callee {
                Callee::Op(op) => self.op(op, args),
                Callee::Prim(prim) => self.prim(prim.row, args),
            };
        }
        if args.iter().any(|x| matches!(x, Abs::Growing(_))) {
            return self.refuse("the whole of an array that is still growing");
        }
        let mut length = None;
        for x in args.iter().filter(|x| !scalar(x)) {
            let n = self.length(x)?;
            if length.is_some_and(|m| m != n) {
                return self.fatal(format!("sizes differ: arrays of length {} and {n}", length.unwrap_or(0)));
            }
            length = Some(n);
        }
        let n = length.unwrap_or(0);
        if n == 0 {
            let x = args.into_iter().find(|x| !scalar(x));
            return Ok(x.unwrap_or(Abs::Known(Value::Unit)));
        }
        let matrix = args.iter().any(|x| matches!(x, Abs::Matrix(..) | Abs::Known(Value::Matrix(_))));
        let axis = Axis { extent: n as u32, level: self.level };
        let mut opened = Vec::with_capacity(args.len());
        for x in &args {
            if scalar(x) {
                opened.push(x.clone());
                continue;
            }
            let lanes = self.values.lanes(x);
            match lanes {
                Ok(Some(lanes)) => {
                    let item = self.values.open(&lanes, axis);
                    opened.push(self.or(item)?);
                }
                // Elements that differ in structure: one by one.
                _ => {
                    let columns = args
                        .iter()
                        .map(|x| if scalar(x) { Ok(vec![x.clone(); n]) } else { self.items(x) })
                        .collect::<Result<Vec<_>>>()?;
                    let items = (0..n)
                        .map(|k| self.lift(callee, columns.iter().map(|c| c[k].clone()).collect()))
                        .collect::<Result<Vec<_>>>()?;
                    return Ok(Abs::List(Rc::new(items)));
                }
            }
        }
        self.level += 1;
        let item = self.lift(callee, opened);
        self.level -= 1;
        let rows = Abs::array(axis, item?);
        if matrix { self.matrix_of(&rows) } else { Ok(rows) }
    }

    /// Structural equality of two values, as a condition.
    pub(super) fn same(&mut self, a: &Abs, b: &Abs) -> Result<Abs> {
        if let (Some(a), Some(b)) = (self.values.known_value(a), self.values.known_value(b)) {
            return Ok(Abs::Known(Value::Bool(a == b)));
        }
        let (Ok(a), Ok(b)) = (self.values.num(a), self.values.num(b)) else {
            return self.refuse("a comparison of compound values that depend on choices");
        };
        let id = self.graph().map(F::Eq, &[a, b]);
        Ok(self.values.tidy(Abs::bool(id)))
    }
}
