//! Values of the abstract run: known, or arrays of numbers in a graph, with the structure that the program gave them.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::{Graph, Id, Op};
use crate::core::{Type, TypeKind};
use crate::source::Name;
use crate::value::{Domain, Value};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// How a number is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scalar {
    Bool,
    Int,
    Real,
}

/// A value of the abstract run. Free axes of nodes are the loops around; those of arrays are bound.
#[derive(Clone, Debug)]
pub enum Abs {
    Known(Value),
    Num(Id, Scalar),
    Array(Rc<Lanes>),
    /// A matrix over its rows and columns.
    Matrix(Id, Axis, Axis),
    /// An array whose elements differ in structure, or are few.
    List(Rc<Vec<Abs>>),
    Tuple(Rc<Vec<Abs>>),
    Record(&'static [Name], Rc<Vec<Abs>>),
    Variant(Name, u32, Rc<Vec<Abs>>),
    Closure(u32, Rc<Vec<Abs>>),
    Dist(Name, u32, Rc<Vec<Abs>>),
    Domain(Rc<Dom>),
    /// A `var` array to which the loop that is running adds.
    Growing(usize),
    /// Depends on a choice that no weight depends on.
    Forward,
}

/// An array: its element as a function of an axis. Where a mask is false there is no element.
#[derive(Clone, Debug)]
pub struct Lanes {
    pub axis: Axis,
    pub item: Abs,
    pub mask: Option<Id>,
}

/// A set of values, with bounds that may depend on choices.
#[derive(Clone, Debug)]
pub enum Dom {
    Known(Arc<Domain>),
    Interval(Abs, Abs),
    Power(Abs, usize),
    /// One domain for each element of an array of domains.
    Product(Abs),
    Union(Abs),
    /// Values of a domain between two numbers.
    Restrict(Abs, Abs, Abs),
}

/// Why something has no array code, in words that begin with a noun phrase.
pub type Cannot = String;

/// What is made of two numbers at the same place.
pub type Pairwise<'a> = &'a mut dyn FnMut(&mut Values, Id, Id, Scalar) -> Result<Id, Cannot>;

impl Abs {
    pub fn real(id: Id) -> Abs {
        Abs::Num(id, Scalar::Real)
    }

    pub fn bool(id: Id) -> Abs {
        Abs::Num(id, Scalar::Bool)
    }

    pub fn array(axis: Axis, item: Abs) -> Abs {
        Abs::Array(Rc::new(Lanes { axis, item, mask: None }))
    }
}

/// Makes nodes of known values; remembers those of large arrays.
#[derive(Debug, Default)]
pub struct Values {
    pub graph: Graph,
    /// Arrays by the address of their value, which is kept so that the address stays theirs.
    known: HashMap<usize, (Value, Abs)>,
    fresh: u32,
}

impl Values {
    /// The node of a number.
    pub fn num(&mut self, x: &Abs) -> Result<Id, Cannot> {
        match x {
            Abs::Num(id, _) => Ok(*id),
            Abs::Known(Value::Int(n)) if n.unsigned_abs() > 1 << 53 && *n != i64::MIN && *n != i64::MAX => {
                Err(format!("the integer {n} is too large for array code"))
            }
            Abs::Known(value) => match value.as_real() {
                Some(x) => Ok(self.graph.scalar(x)),
                None => Err("a value that is not a number stands where array code needs one".into()),
            },
            Abs::Forward => Err("a weight that depends on a number with too many values to be summed out".into()),
            _ => Err("a value that is not a number stands where array code needs one".into()),
        }
    }

    /// A known value, where a number without axes is known.
    pub fn tidy(&self, x: Abs) -> Abs {
        match x {
            Abs::Num(id, scalar) => match self.graph.number(id) {
                Some(x) => Abs::Known(match scalar {
                    Scalar::Bool => Value::Bool(x != 0.0),
                    Scalar::Int => Value::Int(x as i64),
                    Scalar::Real => Value::Real(x),
                }),
                None => Abs::Num(id, scalar),
            },
            other => other,
        }
    }

    /// An axis that nothing else uses.
    pub fn fresh_axis(&mut self, extent: usize) -> Axis {
        self.fresh += 1;
        Axis { extent: extent as u32, level: 1000 + self.fresh }
    }

    /// An array as lanes; `None` for what is not an array, an error for one whose elements differ in structure.
    pub fn lanes(&mut self, x: &Abs) -> Result<Option<Rc<Lanes>>, Cannot> {
        match x {
            Abs::Array(lanes) => Ok(Some(Rc::clone(lanes))),
            Abs::Known(value) => match self.known_array(value)? {
                Some(Abs::Array(lanes)) => Ok(Some(lanes)),
                Some(Abs::Matrix(id, rows, cols)) => {
                    let item = Abs::array(cols, Abs::real(id));
                    Ok(Some(Rc::new(Lanes { axis: rows, item, mask: None })))
                }
                _ => Ok(None),
            },
            Abs::Matrix(id, rows, cols) => {
                let item = Abs::array(*cols, Abs::real(*id));
                Ok(Some(Rc::new(Lanes { axis: *rows, item, mask: None })))
            }
            Abs::List(items) => {
                let axis = self.fresh_axis(items.len());
                let item = self.stack(items, axis)?;
                Ok(Some(Rc::new(Lanes { axis, item, mask: None })))
            }
            _ => Ok(None),
        }
    }

    fn known_array(&mut self, value: &Value) -> Result<Option<Abs>, Cannot> {
        let address = match value {
            Value::Reals(xs) => Arc::as_ptr(xs) as usize,
            Value::Ints(xs) => Arc::as_ptr(xs) as usize,
            Value::Bools(xs) => Arc::as_ptr(xs) as usize,
            Value::Values(xs) => Arc::as_ptr(xs) as usize,
            Value::Matrix(m) => Arc::as_ptr(m) as usize,
            _ => return Ok(None),
        };
        if let Some((_, abs)) = self.known.get(&address) {
            return Ok(Some(abs.clone()));
        }
        let first = |n: usize| Axis { extent: n as u32, level: 0 };
        let abs = match value {
            Value::Reals(xs) => {
                Abs::array(first(xs.len()), Abs::real(self.graph.array(Arc::clone(xs), vec![first(xs.len())])))
            }
            Value::Ints(xs) => {
                if xs.iter().any(|n| n.unsigned_abs() > 1 << 53) {
                    return Err("the integers of an array are too large for array code".into());
                }
                let data: Vec<f64> = xs.iter().map(|n| *n as f64).collect();
                Abs::array(
                    first(xs.len()),
                    Abs::Num(self.graph.array(Arc::new(data), vec![first(xs.len())]), Scalar::Int),
                )
            }
            Value::Bools(xs) => {
                let data: Vec<f64> = xs.iter().map(|b| f64::from(u8::from(*b))).collect();
                Abs::array(first(xs.len()), Abs::bool(self.graph.array(Arc::new(data), vec![first(xs.len())])))
            }
            Value::Matrix(m) => {
                let (rows, cols) = (first(m.rows), Axis { extent: m.cols as u32, level: 1 });
                let id = self.matrix_data(rows, cols, &m.data);
                Abs::Matrix(id, rows, cols)
            }
            Value::Values(items) => {
                if let Some(id) = self.rectangle(items) {
                    id
                } else {
                    let parts: Vec<Abs> = items.iter().cloned().map(Abs::Known).collect();
                    let axis = first(items.len());
                    let item = self.stack(&parts, axis)?;
                    Abs::array(axis, item)
                }
            }
            _ => return Ok(None),
        };
        self.known.insert(address, (value.clone(), abs.clone()));
        Ok(Some(abs))
    }

    /// A matrix by rows as a node.
    pub fn matrix_data(&mut self, rows: Axis, cols: Axis, data: &[f64]) -> Id {
        let axes = axis::union(&[rows], &[cols]);
        let (n, m) = (rows.extent as usize, cols.extent as usize);
        let data = if axes[0] == rows {
            data.to_vec()
        } else {
            // So many rows at once as stay in cache.
            const ROWS: usize = 512;
            let mut out = vec![0.0; n * m];
            for (block, rows) in data.chunks(ROWS * m.max(1)).enumerate() {
                for j in 0..m {
                    let column = &mut out[j * n + block * ROWS..];
                    for (to, row) in column.iter_mut().zip(rows.chunks_exact(m)) {
                        *to = row[j];
                    }
                }
            }
            out
        };
        self.graph.array(Arc::new(data), axes)
    }

    /// An array of arrays of reals or integers of one length.
    fn rectangle(&mut self, items: &[Value]) -> Option<Abs> {
        let m = items.first()?.array_len()?;
        let (rows, cols) = (Axis { extent: items.len() as u32, level: 0 }, Axis { extent: m as u32, level: 1 });
        let mut data = Vec::with_capacity(items.len() * m);
        let mut scalar = Scalar::Real;
        for item in items {
            match item {
                Value::Reals(xs) if xs.len() == m => data.extend_from_slice(xs),
                Value::Ints(xs) if xs.len() == m => {
                    scalar = Scalar::Int;
                    data.extend(xs.iter().map(|n| *n as f64));
                }
                _ => return None,
            }
        }
        if m == 0 {
            return None;
        }
        let id = self.matrix_data(rows, cols, &data);
        Some(Abs::array(rows, Abs::array(cols, Abs::Num(id, scalar))))
    }

    /// Values of one structure as one value, a function of an axis.
    pub fn stack(&mut self, items: &[Abs], along: Axis) -> Result<Abs, Cannot> {
        let differ = || Err("the elements of an array differ in structure".to_string());
        let Some(first) = items.first() else { return differ() };
        if items.iter().any(|x| matches!(x, Abs::Forward)) {
            return Ok(Abs::Forward);
        }
        let scalar = |x: &Abs| match x {
            Abs::Num(_, scalar) => Some(*scalar),
            Abs::Known(Value::Real(_)) => Some(Scalar::Real),
            Abs::Known(Value::Int(_)) => Some(Scalar::Int),
            Abs::Known(Value::Bool(_)) => Some(Scalar::Bool),
            _ => None,
        };
        if let Some(kind) = scalar(first) {
            if items.iter().any(|x| scalar(x) != Some(kind)) {
                return differ();
            }
            if items.iter().all(|x| matches!(x, Abs::Known(_))) {
                let data: Vec<f64> = items
                    .iter()
                    .filter_map(|x| match x {
                        Abs::Known(v) => v.as_real(),
                        _ => None,
                    })
                    .collect();
                if data.iter().all(|x| *x == data[0]) {
                    return Ok(first.clone());
                }
                return Ok(Abs::Num(self.graph.array(Arc::new(data), vec![along]), kind));
            }
            let ids = items.iter().map(|x| self.num(x)).collect::<Result<Vec<_>, _>>()?;
            return Ok(Abs::Num(self.graph.stack(ids, along), kind));
        }
        let same = |a: &Abs, b: &Abs| matches!((a, b), (Abs::Known(a), Abs::Known(b)) if crate::value::same(a, b));
        if items.iter().all(|x| same(x, first)) {
            return Ok(first.clone());
        }
        // Arrays.
        let mut arrays = Vec::new();
        for item in items {
            match self.lanes(item)? {
                Some(lanes) => arrays.push(lanes),
                None => break,
            }
        }
        if arrays.len() == items.len() {
            let extent = arrays[0].axis.extent;
            if arrays.iter().any(|a| a.axis.extent != extent || a.mask.is_some()) {
                return Err("the arrays within an array differ in length".into());
            }
            let matrix = matches!(first, Abs::Matrix(..) | Abs::Known(Value::Matrix(_)));
            let inner = self.fresh_axis(extent as usize);
            let opened = arrays.iter().map(|a| self.open(a, inner)).collect::<Result<Vec<_>, _>>()?;
            let item = self.stack(&opened, along)?;
            if matrix {
                if let Abs::Array(columns) = &item
                    && let Abs::Num(id, _) = columns.item
                {
                    return Ok(Abs::Matrix(id, inner, columns.axis));
                }
                return differ();
            }
            return Ok(Abs::array(inner, item));
        }
        let parts: Option<Vec<Parts>> = items.iter().map(Parts::of).collect();
        let Some(parts) = parts else { return differ() };
        if parts.iter().any(|p| p.head != parts[0].head || p.parts.len() != parts[0].parts.len()) {
            return differ();
        }
        let fields = (0..parts[0].parts.len())
            .map(|k| {
                let column: Vec<Abs> = parts.iter().map(|p| p.parts[k].clone()).collect();
                self.stack(&column, along)
            })
            .collect::<Result<Vec<_>, _>>()?;
        Ok(parts[0].head.join(fields))
    }

    /// The element of an array along another name of its axis.
    pub fn open(&mut self, lanes: &Lanes, to: Axis) -> Result<Abs, Cannot> {
        if lanes.axis == to {
            return Ok(lanes.item.clone());
        }
        let index = self.graph.count(to);
        self.substitute(&lanes.item, lanes.axis, index)
    }

    /// A value with an index in place of an axis.
    pub fn substitute(&mut self, x: &Abs, along: Axis, index: Id) -> Result<Abs, Cannot> {
        Ok(match x {
            Abs::Num(id, scalar) => {
                let id = self.graph.take(*id, along, index);
                self.tidy(Abs::Num(id, *scalar))
            }
            Abs::Array(lanes) => {
                if lanes.axis == along {
                    return Ok(x.clone());
                }
                let lanes = if self.graph.has(index, lanes.axis) {
                    let fresh = self.fresh_axis(lanes.axis.extent as usize);
                    let count = self.graph.count(fresh);
                    let mask = lanes.mask.map(|mask| self.graph.take(mask, lanes.axis, count));
                    Lanes { axis: fresh, item: self.open(lanes, fresh)?, mask }
                } else {
                    (**lanes).clone()
                };
                let item = self.substitute(&lanes.item, along, index)?;
                let mask = lanes.mask.map(|mask| self.graph.take(mask, along, index));
                Abs::Array(Rc::new(Lanes { axis: lanes.axis, item, mask }))
            }
            Abs::Matrix(id, rows, cols) => {
                let (mut id, mut rows, mut cols) = (*id, *rows, *cols);
                if rows == along || cols == along {
                    return Ok(x.clone());
                }
                for side in [&mut rows, &mut cols] {
                    if self.graph.has(index, *side) {
                        let fresh = self.fresh_axis(side.extent as usize);
                        id = self.graph.rename(id, *side, fresh);
                        *side = fresh;
                    }
                }
                Abs::Matrix(self.graph.take(id, along, index), rows, cols)
            }
            Abs::List(items) => {
                let items = items.iter().map(|x| self.substitute(x, along, index)).collect::<Result<Vec<_>, _>>()?;
                Abs::List(Rc::new(items))
            }
            Abs::Domain(dom) => {
                let mut each = |x: &Abs| self.substitute(x, along, index);
                Abs::Domain(Rc::new(match &**dom {
                    Dom::Known(d) => Dom::Known(Arc::clone(d)),
                    Dom::Interval(a, b) => Dom::Interval(each(a)?, each(b)?),
                    Dom::Power(d, n) => Dom::Power(each(d)?, *n),
                    Dom::Product(d) => Dom::Product(each(d)?),
                    Dom::Union(d) => Dom::Union(each(d)?),
                    Dom::Restrict(d, a, b) => Dom::Restrict(each(d)?, each(a)?, each(b)?),
                }))
            }
            Abs::Known(_) | Abs::Growing(_) | Abs::Forward => x.clone(),
            compound => {
                let Some(parts) = Parts::of(compound) else { return Ok(x.clone()) };
                let fields =
                    parts.parts.iter().map(|x| self.substitute(x, along, index)).collect::<Result<Vec<_>, _>>()?;
                parts.head.join(fields)
            }
        })
    }

    /// Applies a function to pairs of numbers at the same places of two values of one structure.
    pub fn zip(&mut self, a: &Abs, b: &Abs, f: Pairwise<'_>) -> Result<Abs, Cannot> {
        let differ = || Err("two values that should be alike differ in structure".to_string());
        match (a, b) {
            (Abs::Forward, _) | (_, Abs::Forward) => return Ok(Abs::Forward),
            (Abs::Growing(i), Abs::Growing(j)) if i == j => return Ok(a.clone()),
            _ => {}
        }
        let scalar = |x: &Abs| match x {
            Abs::Num(_, scalar) => Some(*scalar),
            Abs::Known(Value::Real(_)) => Some(Scalar::Real),
            Abs::Known(Value::Int(_)) => Some(Scalar::Int),
            Abs::Known(Value::Bool(_)) => Some(Scalar::Bool),
            _ => None,
        };
        if let (Some(kind), Some(other)) = (scalar(a), scalar(b)) {
            if kind != other {
                return differ();
            }
            let (a, b) = (self.num(a)?, self.num(b)?);
            let id = f(self, a, b, kind)?;
            return Ok(self.tidy(Abs::Num(id, kind)));
        }
        if let (Abs::Known(x), Abs::Known(y)) = (a, b)
            && x.array_len().is_none()
        {
            return if crate::value::same(x, y) { Ok(a.clone()) } else { differ() };
        }
        if let (Abs::List(xs), Abs::List(ys)) = (a, b)
            && xs.len() == ys.len()
        {
            let items = xs.iter().zip(ys.iter()).map(|(x, y)| self.zip(x, y, f)).collect::<Result<Vec<_>, _>>()?;
            return Ok(Abs::List(Rc::new(items)));
        }
        if let (Some(x), Some(y)) = (self.lanes(a)?, self.lanes(b)?) {
            if x.axis.extent != y.axis.extent || x.mask.is_some() || y.mask.is_some() {
                return Err("two arrays that should be alike differ in length".into());
            }
            let to = if x.axis == y.axis { x.axis } else { self.fresh_axis(x.axis.extent as usize) };
            let (left, right) = (self.open(&x, to)?, self.open(&y, to)?);
            let item = self.zip(&left, &right, f)?;
            let matrix = |x: &Abs| matches!(x, Abs::Matrix(..) | Abs::Known(Value::Matrix(_)));
            if matrix(a)
                && let Abs::Array(columns) = &item
            {
                let id = self.num(&columns.item)?;
                return Ok(Abs::Matrix(id, to, columns.axis));
            }
            return Ok(Abs::array(to, item));
        }
        let (Some(x), Some(y)) = (Parts::of(a), Parts::of(b)) else { return differ() };
        if x.head != y.head || x.parts.len() != y.parts.len() {
            return differ();
        }
        let fields = x.parts.iter().zip(&y.parts).map(|(x, y)| self.zip(x, y, f)).collect::<Result<Vec<_>, _>>()?;
        Ok(x.head.join(fields))
    }

    /// The known value of what depends on data alone, without free axes.
    pub fn known_value(&self, x: &Abs) -> Option<Value> {
        match x {
            Abs::Known(value) => Some(value.clone()),
            Abs::Num(id, scalar) => {
                let x = self.graph.number(*id)?;
                Some(match scalar {
                    Scalar::Real => Value::Real(x),
                    Scalar::Int => Value::Int(x as i64),
                    Scalar::Bool => Value::Bool(x != 0.0),
                })
            }
            Abs::Array(lanes) if lanes.mask.is_none() => {
                let n = lanes.axis.extent as usize;
                match &lanes.item {
                    Abs::Known(item) => Some(array_value(vec![item.clone(); n])),
                    Abs::Num(id, scalar) => {
                        let data = self.constant(*id, &[lanes.axis])?;
                        Some(match scalar {
                            Scalar::Real => Value::reals(data),
                            Scalar::Int => Value::ints(data.iter().map(|x| *x as i64).collect()),
                            Scalar::Bool => Value::Bools(Arc::new(data.iter().map(|x| *x != 0.0).collect())),
                        })
                    }
                    Abs::Array(inner) if inner.mask.is_none() => {
                        let Abs::Num(id, scalar) = inner.item else { return None };
                        let m = inner.axis.extent as usize;
                        let data = self.constant(id, &[lanes.axis, inner.axis])?;
                        let rows = data.chunks_exact(m.max(1)).map(|row| match scalar {
                            Scalar::Int => Value::ints(row.iter().map(|x| *x as i64).collect()),
                            _ => Value::reals(row.to_vec()),
                        });
                        Some(Value::Values(Arc::new(rows.collect())))
                    }
                    _ => None,
                }
            }
            Abs::Matrix(id, rows, cols) => {
                let data = self.constant(*id, &[*rows, *cols])?;
                Some(Value::matrix(rows.extent as usize, cols.extent as usize, data))
            }
            Abs::List(items) => {
                let items = items.iter().map(|x| self.known_value(x)).collect::<Option<Vec<_>>>()?;
                Some(array_value(items))
            }
            Abs::Tuple(items) => Some(Value::tuple(items.iter().map(|x| self.known_value(x)).collect::<Option<_>>()?)),
            Abs::Record(names, items) => {
                Some(Value::record(names, items.iter().map(|x| self.known_value(x)).collect::<Option<_>>()?))
            }
            Abs::Domain(dom) => match &**dom {
                Dom::Known(domain) => Some(Value::Domain(Arc::clone(domain))),
                _ => None,
            },
            _ => None,
        }
    }

    /// The numbers of a constant node over these axes, in their order; none where it has others.
    pub fn constant(&self, id: Id, order: &[Axis]) -> Option<Vec<f64>> {
        let node = self.graph.node(id);
        if !node.axes.iter().all(|a| order.contains(a)) {
            return None;
        }
        let own: Vec<f64> = match &node.op {
            Op::Scalar(bits) => vec![f64::from_bits(*bits)],
            Op::Data(k) => {
                let data = &self.graph.data[*k as usize];
                if node.axes == order {
                    return Some(data.to_vec());
                }
                data.to_vec()
            }
            Op::Count(axis, offset) => (0..i64::from(axis.extent)).map(|k| (k + offset) as f64).collect(),
            _ => return None,
        };
        let mut out = Vec::with_capacity(axis::size(order));
        axis::walk(order, [&axis::strides(&node.axes, order)], |[i]| out.push(own[i]));
        Some(out)
    }

    /// All axes of the nodes of a value.
    pub fn free(&self, x: &Abs) -> Axes {
        match x {
            Abs::Num(id, _) => self.graph.axes(*id).to_vec(),
            Abs::Array(lanes) => {
                let mut axes = self.free(&lanes.item);
                if let Some(mask) = lanes.mask {
                    axes = axis::union(&axes, self.graph.axes(mask));
                }
                axis::minus(&axes, &[lanes.axis])
            }
            Abs::Matrix(id, rows, cols) => axis::minus(self.graph.axes(*id), &[*rows, *cols]),
            Abs::List(items) => items.iter().fold(Axes::new(), |all, x| axis::union(&all, &self.free(x))),
            other => match Parts::of(other) {
                Some(parts) => parts.parts.iter().fold(Axes::new(), |all, x| axis::union(&all, &self.free(x))),
                None => Axes::new(),
            },
        }
    }
}

/// An array of values of one type.
fn array_value(items: Vec<Value>) -> Value {
    Value::array_of(items)
}

/// The empty array of a type.
pub fn empty_array(element: Type) -> Value {
    match element.kind() {
        TypeKind::Real => Value::reals(Vec::new()),
        TypeKind::Int => Value::ints(Vec::new()),
        TypeKind::Bool => Value::Bools(Arc::new(Vec::new())),
        _ => Value::Values(Arc::new(Vec::new())),
    }
}

/// What a compound value is, apart from its parts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Head {
    Tuple,
    Record(&'static [Name]),
    Variant(Name, u32),
    Closure(u32),
    Dist(Name, u32),
}

impl Head {
    pub fn join(self, parts: Vec<Abs>) -> Abs {
        let parts = Rc::new(parts);
        match self {
            Head::Tuple => Abs::Tuple(parts),
            Head::Record(names) => Abs::Record(names, parts),
            Head::Variant(name, tag) => Abs::Variant(name, tag, parts),
            Head::Closure(func) => Abs::Closure(func, parts),
            Head::Dist(name, dist) => Abs::Dist(name, dist, parts),
        }
    }
}

/// A compound value taken apart.
pub struct Parts {
    pub head: Head,
    pub parts: Vec<Abs>,
}

impl Parts {
    pub fn of(x: &Abs) -> Option<Parts> {
        let known = |values: &[Value]| values.iter().cloned().map(Abs::Known).collect::<Vec<_>>();
        let (head, parts) = match x {
            Abs::Tuple(parts) => (Head::Tuple, parts.to_vec()),
            Abs::Record(names, parts) => (Head::Record(names), parts.to_vec()),
            Abs::Variant(name, tag, parts) => (Head::Variant(*name, *tag), parts.to_vec()),
            Abs::Closure(func, parts) => (Head::Closure(*func), parts.to_vec()),
            Abs::Dist(name, dist, parts) => (Head::Dist(*name, *dist), parts.to_vec()),
            Abs::Known(Value::Tuple(t)) => (Head::Tuple, known(&t.0)),
            Abs::Known(Value::Record(r)) => (Head::Record(r.names), known(&r.fields)),
            Abs::Known(Value::Variant(v)) => (Head::Variant(v.name, v.tag), known(&v.fields)),
            Abs::Known(Value::Closure(c)) => (Head::Closure(c.function), known(&c.captures)),
            Abs::Known(Value::Dist(d)) => (Head::Dist(d.name, d.dist), known(&d.args)),
            _ => return None,
        };
        Some(Parts { head, parts })
    }
}
