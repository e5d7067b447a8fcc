//! Primitives of the abstract run.

use super::super::axis::{Axes, Axis};
use super::super::graph::{F, Id, Linear, Op as Node, Reduction};
use super::abs::{Abs, Dom, Scalar};
use super::{Result, Tracer};
use crate::prim::Body;
use crate::value::Value;
use std::rc::Rc;
use std::sync::Arc;

impl Tracer<'_> {
    pub(super) fn prim(&mut self, row: u32, args: Vec<Abs>) -> Result<Abs> {
        let Some(primitive) = crate::prim::row(row as usize) else { return self.fatal("an unknown primitive") };
        if args.iter().any(|x| matches!(x, Abs::Forward)) {
            return Ok(Abs::Forward);
        }
        if args.iter().any(|x| matches!(x, Abs::Growing(_))) {
            return self.refuse("the whole of an array that is still growing");
        }
        let name = primitive.name();
        if let Body::General(f) = primitive.body {
            let known: Option<Vec<Value>> = args.iter().map(|x| self.values.known_value(x)).collect();
            if let Some(mut known) = known {
                return match f(&mut known) {
                    // The element type of an empty array is not known here.
                    Ok(Value::Values(xs)) if xs.is_empty() => self.refuse("an empty array"),
                    Ok(value) => Ok(Abs::Known(value)),
                    Err(_) if self.mask.is_some() => self.refuse("a primitive that fails where it may not be reached"),
                    Err(fault) => self.fatal(fault.message),
                };
            }
        }
        if primitive.signature.ends_with("-> String") {
            // A text that depends on choices is good for messages only: whatever else asks for it is refused.
            return Ok(Abs::Tuple(Rc::new(Vec::new())));
        }
        match primitive.body {
            Body::Real1(_) | Body::Real2(_) | Body::Real3(_) => {
                let ids = args.iter().map(|x| self.num(x)).collect::<Result<Vec<_>>>()?;
                let id = self.graph().map(F::Prim(row), &ids);
                Ok(self.values.tidy(Abs::real(id)))
            }
            Body::Truncate(_) | Body::Int1(_) | Body::Int2(_) => {
                let ids = args.iter().map(|x| self.num(x)).collect::<Result<Vec<_>>>()?;
                let id = self.graph().map(F::Prim(row), &ids);
                let node = self.values.graph.node(id);
                if !node.constant && !node.discrete {
                    return self.refuse(format!("`{name}` of a number that depends on a choice"));
                }
                if node.constant && node.range == super::super::range::Range::ANY && self.mask.is_none() {
                    return self.refuse(format!("`{name}`, which fails for some elements"));
                }
                Ok(self.values.tidy(Abs::Num(id, Scalar::Int)))
            }
            Body::General(_) => self.general(name, &args),
            _ => self.refuse(format!("`{name}`, which draws")),
        }
    }

    fn reduced(&mut self, x: &Abs, how: Reduction) -> Result<Abs> {
        let lanes = self.values.lanes(x);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("a value that is not an array") };
        if lanes.axis.extent == 0 {
            return Ok(Abs::Known(match how {
                Reduction::Sum => Value::Real(0.0),
                Reduction::Prod => Value::Real(1.0),
                _ => return self.fatal("the extreme of an empty array"),
            }));
        }
        if let Abs::Matrix(id, rows, cols) = x {
            let one = self.graph().scalar(1.0);
            return Ok(Abs::real(self.graph().contract(*id, one, &[*rows, *cols])));
        }
        let kind = match &lanes.item {
            Abs::Num(_, kind) => *kind,
            Abs::Known(Value::Int(_)) => Scalar::Int,
            _ => Scalar::Real,
        };
        let axis = Axis { extent: lanes.axis.extent, level: self.level };
        let item = self.values.open(&lanes, axis);
        let item = self.or(item)?;
        let mut id = self.num(&item)?;
        if let Some(mask) = lanes.mask {
            let graph = self.graph();
            let mask = graph.rename(mask, lanes.axis, axis);
            let neutral = graph.scalar(match how {
                Reduction::Sum => 0.0,
                Reduction::Prod => 1.0,
                Reduction::Max => f64::NEG_INFINITY,
                Reduction::Min => f64::INFINITY,
            });
            id = graph.select(mask, id, neutral);
        }
        let id = self.graph().reduce(how, id, axis);
        Ok(self.values.tidy(Abs::Num(id, kind)))
    }

    fn general(&mut self, name: &str, args: &[Abs]) -> Result<Abs> {
        if let Some(domain) = name.strip_prefix("domain_") {
            return self.domain(domain, args);
        }
        let level = self.level;
        let int = |x: &Abs| match x {
            Abs::Known(Value::Int(n)) => Some(*n),
            _ => None,
        };
        match (name, args) {
            ("sum", [x]) => self.reduced(x, Reduction::Sum),
            ("prod", [x]) => self.reduced(x, Reduction::Prod),
            ("max" | "any", [x]) => self.reduced(x, Reduction::Max),
            ("min" | "all", [x]) => self.reduced(x, Reduction::Min),
            ("count", [x]) => match self.reduced(x, Reduction::Sum)? {
                Abs::Num(id, _) => Ok(Abs::Num(id, Scalar::Int)),
                other => Ok(other),
            },
            ("is_finite" | "is_nan", [x]) => {
                let x = self.num(x)?;
                let graph = self.graph();
                let id = if name == "is_nan" {
                    let same = graph.map(F::Eq, &[x, x]);
                    graph.map(F::Not, &[same])
                } else {
                    let rest = graph.sub(x, x);
                    let zero = graph.scalar(0.0);
                    graph.map(F::Eq, &[rest, zero])
                };
                Ok(self.values.tidy(Abs::bool(id)))
            }
            ("int", [x]) => Ok(Abs::Num(self.num(x)?, Scalar::Int)),
            ("real", [x]) => Ok(Abs::real(self.num(x)?)),
            ("dot", [x, y]) => self.product(x, y),
            ("matmul_mm" | "matmul_mv" | "matmul_vm", [x, y]) => self.product(x, y),
            ("mean", [x]) => {
                let (x, axis) = self.vector(x, level)?;
                let graph = self.graph();
                let sum = graph.reduce(Reduction::Sum, x, axis);
                let n = graph.scalar(f64::from(axis.extent));
                Ok(Abs::real(graph.div(sum, n)))
            }
            ("variance" | "sd", [x]) => {
                let (x, axis) = self.vector(x, level)?;
                let graph = self.graph();
                let sum = graph.reduce(Reduction::Sum, x, axis);
                let n = graph.scalar(f64::from(axis.extent));
                let mean = graph.div(sum, n);
                let rest = graph.sub(x, mean);
                let squares = graph.contract(rest, rest, &[axis]);
                let m = graph.scalar(f64::from(axis.extent) - 1.0);
                let variance = graph.div(squares, m);
                Ok(Abs::real(if name == "sd" { graph.prim("sqrt", &[variance]) } else { variance }))
            }
            ("logsumexp", [x]) => self.log_sum(x),
            ("softmax" | "log_softmax", [x]) => {
                let (x, axis) = self.vector(x, level)?;
                let total = self.values.log_sum_exp(x, axis);
                let graph = self.graph();
                let mut rest = graph.sub(x, total);
                if name == "softmax" {
                    rest = graph.prim("exp", &[rest]);
                }
                Ok(Abs::array(axis, Abs::real(rest)))
            }
            ("cumsum", [x]) => {
                // The sum over the places up to each.
                let (x, axis) = self.vector(x, level + 1)?;
                let to = Axis { extent: axis.extent, level };
                let graph = self.graph();
                let (from, upto) = (graph.count(axis), graph.count(to));
                let inside = graph.map(F::Le, &[from, upto]);
                Ok(Abs::array(to, Abs::real(graph.contract(inside, x, &[axis]))))
            }
            ("diff", [x]) => {
                let n = self.length(x)? as i64;
                let (a, b) = (self.slice(x, 1, n)?, self.slice(x, 0, (n - 1).max(0))?);
                let op = crate::core::ir::Callee::Op(crate::core::ir::Op::SubR);
                self.lift(op, vec![a, b])
            }
            ("array", [n, x]) => self.op(crate::core::ir::Op::Fill, vec![n.clone(), x.clone()]),
            ("matrix", [rows]) => self.matrix_of(rows),
            ("matrix", [n, m, x]) => {
                let (Some(n), Some(m)) = (int(n), int(m)) else { return self.refuse("a matrix of unknown size") };
                let (rows, cols) = (Axis { extent: n as u32, level }, Axis { extent: m as u32, level: level + 1 });
                Ok(Abs::Matrix(self.num(x)?, rows, cols))
            }
            ("diag", [x]) if matches!(x, Abs::Matrix(..)) => {
                let (m, rows, cols) = self.matrix(x, level)?;
                if rows.extent != cols.extent {
                    return self.refuse("the diagonal of a matrix that is not square");
                }
                let graph = self.graph();
                let index = graph.count(rows);
                Ok(Abs::array(rows, Abs::real(graph.take(m, cols, index))))
            }
            ("diag", [x]) => {
                let (x, rows) = self.vector(x, level)?;
                let cols = Axis { extent: rows.extent, level: level + 1 };
                let graph = self.graph();
                let (i, j) = (graph.count(rows), graph.count(cols));
                let same = graph.map(F::Eq, &[i, j]);
                let zero = graph.scalar(0.0);
                Ok(Abs::Matrix(graph.select(same, x, zero), rows, cols))
            }
            ("transpose", [x]) => match x {
                Abs::Matrix(id, rows, cols) => Ok(Abs::Matrix(*id, *cols, *rows)),
                _ => self.refuse("the transpose of what is not a matrix"),
            },
            ("rows", [Abs::Matrix(_, rows, _)]) => Ok(Abs::Known(Value::Int(i64::from(rows.extent)))),
            ("cols", [Abs::Matrix(_, _, cols)]) => Ok(Abs::Known(Value::Int(i64::from(cols.extent)))),
            ("row", [m, i]) => self.element(m, i),
            ("col", [m, j]) => {
                let (id, rows, cols) = self.matrix(m, level)?;
                let flipped = Abs::Matrix(id, cols, rows);
                self.element(&flipped, j)
            }
            ("trace", [m]) => {
                let diagonal = self.general("diag", std::slice::from_ref(m))?;
                self.reduced(&diagonal, Reduction::Sum)
            }
            ("outer", [x, y]) => {
                let ((x, rows), (y, cols)) = (self.vector(x, level)?, self.vector(y, level + 1)?);
                Ok(Abs::Matrix(self.graph().mul(x, y), rows, cols))
            }
            ("quad_form", [m, x]) => {
                let inner = self.product(m, x)?;
                self.product(x, &inner)
            }
            ("cholesky", [m]) => {
                let (id, rows, cols) = self.matrix(m, level)?;
                let axes = self.values.graph.axes(id).to_vec();
                let axes = super::super::axis::union(&axes, &[rows.min(cols), rows.max(cols)]);
                let factor = self.graph().make(Node::Linear(Linear::Cholesky(rows, cols)), vec![id], axes);
                Ok(Abs::Matrix(factor, rows, cols))
            }
            ("solve_lower" | "solve_upper", [l, b]) => {
                let (l, row, col) = self.matrix(l, level)?;
                let lower = name == "solve_lower";
                let matrix = matches!(b, Abs::Matrix(..) | Abs::Known(Value::Matrix(_)));
                let (b, extra) = if matrix {
                    let (id, own, others) = self.matrix(b, level + 2)?;
                    (self.graph().rename(id, own, row), Some(others))
                } else {
                    (self.vector(b, level)?.0, None)
                };
                let x = self.graph().solve(l, b, row, col, lower, false);
                Ok(match extra {
                    Some(others) => Abs::Matrix(x, col, others),
                    None => Abs::array(col, Abs::real(x)),
                })
            }
            ("solve", [a, b]) => {
                let inverse = self.general("inverse", std::slice::from_ref(a))?;
                self.product(&inverse, b)
            }
            ("inverse", [m]) => {
                let (id, rows, cols) = self.matrix(m, level)?;
                let axes = super::super::axis::union(self.values.graph.axes(id), &[rows]);
                let axes: Axes = super::super::axis::union(&axes, &[cols]);
                let inverse = self.graph().make(Node::Linear(Linear::Inverse(rows, cols)), vec![id], axes);
                Ok(Abs::Matrix(inverse, rows, cols))
            }
            ("logdet", [m]) => {
                let (id, rows, cols) = self.matrix(m, level)?;
                let axes = super::super::axis::minus(self.values.graph.axes(id), &[rows, cols]);
                Ok(Abs::real(self.graph().make(Node::Linear(Linear::LogDet(rows, cols)), vec![id], axes)))
            }
            ("append", [x, y]) => self.joined(x, y),
            ("reverse", [x]) => {
                let n = self.length(x)?;
                let index = (0..n as i64).rev().collect();
                self.gather(x, &Abs::Known(Value::ints(index)))
            }
            ("take", [x, n]) => match int(n) {
                Some(n) => self.slice(x, 0, n),
                None => self.refuse("an array whose length differs from lane to lane"),
            },
            ("drop", [x, n]) => match int(n) {
                Some(n) => {
                    let m = self.length(x)? as i64;
                    self.slice(x, n.min(m), m)
                }
                None => self.refuse("an array whose length differs from lane to lane"),
            },
            ("first", [x]) => self.element(x, &Abs::Known(Value::Int(0))),
            ("last", [x]) => {
                let n = self.length(x)? as i64;
                self.element(x, &Abs::Known(Value::Int(n - 1)))
            }
            ("indices", [x]) => {
                let n = self.length(x)? as i64;
                Ok(Abs::Known(Value::ints((0..n).collect())))
            }
            ("flatten", [x]) => {
                let items = self.items(x)?;
                let mut all = Abs::List(Rc::new(Vec::new()));
                for item in items {
                    all = self.joined(&all, &item)?;
                }
                Ok(all)
            }
            ("zip", [x, y]) => {
                let (n, m) = (self.length(x)?, self.length(y)?);
                if n != m || n == 0 {
                    return self.refuse("arrays of different lengths, or empty, are joined");
                }
                let axis = Axis { extent: n as u32, level };
                let index = Abs::Num(self.graph().count(axis), Scalar::Int);
                let pair = vec![self.element(x, &index)?, self.element(y, &index)?];
                Ok(Abs::array(axis, Abs::Tuple(Rc::new(pair))))
            }
            ("enumerate_items", [x]) => {
                let n = self.length(x)?;
                let axis = Axis { extent: n.max(1) as u32, level };
                let index = Abs::Num(self.graph().count(axis), Scalar::Int);
                let pair = vec![index.clone(), self.element(x, &index)?];
                Ok(Abs::array(axis, Abs::Tuple(Rc::new(pair))))
            }
            _ => self.refuse(format!("`{name}` of a value that depends on a choice")),
        }
    }

    /// The log probability of counts that are data and not large, whose textbook formula loses fewer digits than a sum of such terms does: one
    /// formula for all elements costs less than a choice of two.
    pub(super) fn poisson_term(&mut self, args: &[Abs]) -> Result<Option<Abs>> {
        let [x, rate] = args else { return Ok(None) };
        let (Ok(x), Ok(rate)) = (self.values.num(x), self.values.num(rate)) else { return Ok(None) };
        let graph = &mut self.values.graph;
        let range = graph.node(x).range;
        if !graph.is_constant(x) || graph.is_constant(rate) || range.low < 0.0 || range.high > 1000.0 {
            return Ok(None);
        }
        let one = graph.scalar(1.0);
        let next = graph.add(x, one);
        let (power, constant) = (graph.prim("xlogy", &[x, rate]), graph.prim("lgamma", &[next]));
        let rest = graph.sub(power, rate);
        Ok(Some(Abs::real(graph.sub(rest, constant))))
    }

    fn log_sum(&mut self, x: &Abs) -> Result<Abs> {
        let lanes = self.values.lanes(x);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("a value that is not an array") };
        let axis = Axis { extent: lanes.axis.extent, level: self.level };
        let item = self.values.open(&lanes, axis);
        let item = self.or(item)?;
        let mut id = self.num(&item)?;
        if let Some(mask) = lanes.mask {
            let graph = self.graph();
            let mask = graph.rename(mask, lanes.axis, axis);
            let none = graph.scalar(f64::NEG_INFINITY);
            id = graph.select(mask, id, none);
        }
        Ok(Abs::real(self.values.log_sum_exp(id, axis)))
    }

    /// Domains as values, and membership.
    fn domain(&mut self, name: &str, args: &[Abs]) -> Result<Abs> {
        let make = |dom: Dom| Ok(Abs::Domain(Rc::new(dom)));
        let known = |x: &Abs| match x {
            Abs::Known(Value::Domain(d)) => Some(Abs::Domain(Rc::new(Dom::Known(Arc::clone(d))))),
            Abs::Domain(_) => Some(x.clone()),
            _ => None,
        };
        match (name, args) {
            ("contains", [d, x]) => {
                let Some(Abs::Domain(d)) = known(d) else { return self.refuse("a domain that is not known") };
                self.contains(&d, x)
            }
            ("fits", [Abs::Known(Value::Str(name)), x]) => {
                let n = self.length(x)?;
                let domain = match &**name {
                    "Simplex" => crate::value::Domain::Simplex(n),
                    "Ordered" => crate::value::Domain::Ordered(n),
                    "PositiveOrdered" => crate::value::Domain::PositiveOrdered(n),
                    "UnitVector" => crate::value::Domain::UnitVector(n),
                    "CorrCholesky" => crate::value::Domain::CorrCholesky(n),
                    "CovCholesky" => crate::value::Domain::CovCholesky(n),
                    "PosDef" => crate::value::Domain::PosDef(n),
                    "Corr" => crate::value::Domain::Corr(n),
                    _ => return self.refuse("a domain that is not known"),
                };
                self.contains(&Dom::Known(Arc::new(domain)), x)
            }
            ("Interval", [a, b]) => make(Dom::Interval(a.clone(), b.clone())),
            ("Power", [d, Abs::Known(Value::Int(n))]) => match known(d) {
                Some(d) if *n >= 0 => make(Dom::Power(d, *n as usize)),
                _ => self.refuse("a domain that is not known"),
            },
            ("Product", [parts]) => make(Dom::Product(parts.clone())),
            ("Union", [parts]) => make(Dom::Union(parts.clone())),
            ("Restrict", [d, a, b]) => match known(d) {
                Some(d) => make(Dom::Restrict(d, a.clone(), b.clone())),
                None => self.refuse("a domain that is not known"),
            },
            ("Below", [n]) => {
                let zero = Abs::Known(Value::Int(0));
                let one = Abs::Known(Value::Int(1));
                let high = self.op(crate::core::ir::Op::SubI, vec![n.clone(), one])?;
                make(Dom::Interval(zero, high))
            }
            ("IntRange", [a, b]) => make(Dom::Interval(a.clone(), b.clone())),
            _ => self.refuse(format!("a domain `{name}` whose size differs from lane to lane")),
        }
    }

    /// Whether a domain contains a value, as a condition.
    pub(super) fn contains(&mut self, dom: &Dom, x: &Abs) -> Result<Abs> {
        use crate::value::Domain as D;
        let yes = Ok(Abs::Known(Value::Bool(true)));
        if matches!(x, Abs::Forward) {
            return Ok(Abs::Forward);
        }
        match dom {
            Dom::Known(d) => {
                if let Some(value) = self.values.known_value(x) {
                    return Ok(Abs::Known(Value::Bool(d.contains(&value))));
                }
                match &**d {
                    D::Any => yes,
                    D::Real => self.inside(x, f64::NEG_INFINITY, f64::INFINITY, true, true),
                    D::Positive => self.inside(x, 0.0, f64::INFINITY, true, true),
                    D::NonNegative => self.inside(x, 0.0, f64::INFINITY, false, true),
                    D::UnitInterval => self.inside(x, 0.0, 1.0, false, false),
                    D::Interval(a, b) => self.inside(x, *a, *b, a.is_infinite(), b.is_infinite()),
                    D::Int => yes,
                    D::Natural => self.inside(x, 0.0, f64::INFINITY, false, true),
                    D::IntRange(a, b) => self.inside(x, *a as f64, *b as f64, false, false),
                    D::Bool => yes,
                    D::Power(d, n) => self.every(&Dom::Known(Arc::new((**d).clone())), x, *n),
                    D::Vector(n) => self.every(&Dom::Known(Arc::new(D::Real)), x, *n),
                    D::Matrix(n, m) => {
                        let row = Dom::Known(Arc::new(D::Vector(*m)));
                        self.every(&row, x, *n)
                    }
                    D::Simplex(n) => {
                        if self.length(x)? != *n {
                            return Ok(Abs::Known(Value::Bool(false)));
                        }
                        let (id, axis) = self.vector(x, self.level)?;
                        if self.is_choice(id, super::super::graph::Shape::Simplex) || self.is_complement(x) {
                            return yes;
                        }
                        let graph = self.graph();
                        let zero = graph.scalar(0.0);
                        let signs = graph.map(F::Le, &[zero, id]);
                        let signs = graph.reduce(Reduction::Min, signs, axis);
                        let sum = graph.reduce(Reduction::Sum, id, axis);
                        let one = graph.scalar(1.0);
                        let off = graph.sub(sum, one);
                        let off = graph.prim("abs", &[off]);
                        let near = graph.scalar(1e-8);
                        let close = graph.map(F::Lt, &[off, near]);
                        let id = graph.map(F::And, &[signs, close]);
                        Ok(self.values.tidy(Abs::bool(id)))
                    }
                    D::Ordered(n) | D::PositiveOrdered(n) | D::UnitVector(n) => {
                        if self.length(x)? != *n {
                            return Ok(Abs::Known(Value::Bool(false)));
                        }
                        let (id, _) = self.vector(x, self.level)?;
                        let shapes = [
                            super::super::graph::Shape::Ordered,
                            super::super::graph::Shape::PositiveOrdered,
                            super::super::graph::Shape::UnitVector,
                        ];
                        if shapes.iter().any(|s| self.is_choice(id, *s)) {
                            return yes;
                        }
                        if matches!(**d, D::UnitVector(_)) || *n < 2 {
                            return self.refuse("a check that a computed vector has length 1");
                        }
                        let n = *n as i64;
                        let (low, high) = (self.slice(x, 0, n - 1)?, self.slice(x, 1, n)?);
                        let ((a, axis), (b, _)) = (self.vector(&low, self.level)?, self.vector(&high, self.level)?);
                        let graph = self.graph();
                        let rising = graph.map(F::Lt, &[a, b]);
                        let mut id = graph.reduce(Reduction::Min, rising, axis);
                        if matches!(**d, D::PositiveOrdered(_)) {
                            let first = self.element(x, &Abs::Known(Value::Int(0)))?;
                            let first = self.num(&first)?;
                            let graph = self.graph();
                            let zero = graph.scalar(0.0);
                            let positive = graph.map(F::Lt, &[zero, first]);
                            id = graph.map(F::And, &[id, positive]);
                        }
                        Ok(self.values.tidy(Abs::bool(id)))
                    }
                    // Of matrices the factorization finds it: it is not a number where the matrix has none.
                    D::CorrCholesky(n) | D::CovCholesky(n) | D::PosDef(n) | D::Corr(n) => {
                        Ok(Abs::Known(Value::Bool(self.length(x)? == *n)))
                    }
                    D::Values(values) => {
                        let mut any = Abs::Known(Value::Bool(false));
                        for value in values {
                            let one = self.same(x, &Abs::Known(value.clone()))?;
                            any = self.op(crate::core::ir::Op::Or, vec![any, one])?;
                        }
                        Ok(any)
                    }
                    D::Product(parts) => {
                        let items = self.items(x)?;
                        if items.len() != parts.len() {
                            return Ok(Abs::Known(Value::Bool(false)));
                        }
                        let mut all = Abs::Known(Value::Bool(true));
                        for (part, item) in parts.iter().zip(&items) {
                            let one = self.contains(&Dom::Known(Arc::new(part.clone())), item)?;
                            all = self.op(crate::core::ir::Op::And, vec![all, one])?;
                        }
                        Ok(all)
                    }
                    _ => self.refuse("a set of values that array code does not know"),
                }
            }
            Dom::Interval(a, b) => {
                if let Abs::Num(id, _) = x
                    && self
                        .choices
                        .iter()
                        .any(|c| c.interval == Some((*id, self.values.num(a).ok(), self.values.num(b).ok())))
                {
                    return yes;
                }
                let (low, high) = (self.num(a)?, self.num(b)?);
                let x = self.num(x)?;
                let graph = self.graph();
                let above = graph.map(F::Le, &[low, x]);
                let below = graph.map(F::Le, &[x, high]);
                let id = graph.map(F::And, &[above, below]);
                Ok(self.values.tidy(Abs::bool(id)))
            }
            Dom::Power(d, n) => {
                let d = d.clone();
                let dom = self.as_dom(&d)?;
                self.every(&dom, x, *n)
            }
            Dom::Product(parts) => {
                let n = self.length(parts)?;
                if self.length(x)? != n {
                    return Ok(Abs::Known(Value::Bool(false)));
                }
                let lanes = self.values.lanes(parts);
                if let Ok(Some(lanes)) = lanes {
                    let axis = Axis { extent: n as u32, level: self.level };
                    let dom = self.values.open(&lanes, axis);
                    let dom = self.or(dom)?;
                    let dom = self.as_dom(&dom)?;
                    let index = Abs::Num(self.graph().count(axis), Scalar::Int);
                    self.level += 1;
                    let item = self.element(x, &index).and_then(|item| self.contains(&dom, &item));
                    self.level -= 1;
                    return match item? {
                        Abs::Num(id, _) => {
                            let id = self.graph().reduce(Reduction::Min, id, axis);
                            Ok(self.values.tidy(Abs::bool(id)))
                        }
                        other => Ok(other),
                    };
                }
                let (parts, items) = (self.items(parts)?, self.items(x)?);
                let mut all = Abs::Known(Value::Bool(true));
                for (part, item) in parts.iter().zip(&items) {
                    let dom = self.as_dom(part)?;
                    let one = self.contains(&dom, item)?;
                    all = self.op(crate::core::ir::Op::And, vec![all, one])?;
                }
                Ok(all)
            }
            Dom::Union(parts) => {
                let parts = self.items(parts)?;
                let mut any = Abs::Known(Value::Bool(false));
                for part in &parts {
                    let dom = self.as_dom(part)?;
                    let one = self.contains(&dom, x)?;
                    if matches!(one, Abs::Known(Value::Bool(true))) {
                        return Ok(one);
                    }
                    any = self.op(crate::core::ir::Op::Or, vec![any, one])?;
                }
                Ok(any)
            }
            Dom::Restrict(d, a, b) => {
                let dom = self.as_dom(d)?;
                let inner = self.contains(&dom, x)?;
                let range = self.contains(&Dom::Interval(a.clone(), b.clone()), x)?;
                self.op(crate::core::ir::Op::And, vec![inner, range])
            }
        }
    }

    pub(super) fn as_dom(&mut self, x: &Abs) -> Result<Dom> {
        match x {
            Abs::Domain(d) => Ok((**d).clone()),
            Abs::Known(Value::Domain(d)) => Ok(Dom::Known(Arc::clone(d))),
            _ => self.refuse("a domain that is not known before the run"),
        }
    }

    /// Whether every element lies in a domain.
    fn every(&mut self, dom: &Dom, x: &Abs, n: usize) -> Result<Abs> {
        if self.length(x)? != n {
            return Ok(Abs::Known(Value::Bool(false)));
        }
        if n == 0 {
            return Ok(Abs::Known(Value::Bool(true)));
        }
        let axis = Axis { extent: n as u32, level: self.level };
        let index = Abs::Num(self.graph().count(axis), Scalar::Int);
        self.level += 1;
        let one = self.element(x, &index).and_then(|item| self.contains(dom, &item));
        self.level -= 1;
        match one? {
            Abs::Num(id, _) => {
                let id = self.graph().reduce(Reduction::Min, id, axis);
                Ok(self.values.tidy(Abs::bool(id)))
            }
            other => Ok(other),
        }
    }

    fn inside(&mut self, x: &Abs, low: f64, high: f64, low_open: bool, high_open: bool) -> Result<Abs> {
        let x = self.num(x)?;
        let graph = self.graph();
        let (low, high) = (graph.scalar(low), graph.scalar(high));
        let above = graph.map(if low_open { F::Lt } else { F::Le }, &[low, x]);
        let below = graph.map(if high_open { F::Lt } else { F::Le }, &[x, high]);
        let id = graph.map(F::And, &[above, below]);
        Ok(self.values.tidy(Abs::bool(id)))
    }

    /// Whether a node is a choice of this shape, by whatever names of its axes.
    fn is_choice(&self, id: Id, shape: super::super::graph::Shape) -> bool {
        match &self.values.graph.node(id).op {
            Node::Constrain { shape: other, .. } => *other == shape,
            Node::Rename(..) | Node::Take(_) => self.is_choice(self.values.graph.node(id).args[0], shape),
            _ => false,
        }
    }

    /// Whether an array is `[p, 1 - p]` with `p` between 0 and 1.
    fn is_complement(&mut self, x: &Abs) -> bool {
        let Abs::List(items) = x else { return false };
        let [Abs::Num(a, _), Abs::Num(b, _)] = items[..] else { return false };
        let graph = &mut self.values.graph;
        let inside = |graph: &super::Graph, id: Id| {
            let range = graph.node(id).range;
            range.low >= 0.0 && range.high <= 1.0
        };
        if !inside(graph, a) || !inside(graph, b) {
            return false;
        }
        let one = graph.scalar(1.0);
        graph.sub(one, a) == b || graph.sub(one, b) == a
    }
}
