//! Choices and densities of the abstract run: coordinates of the vector, transforms to the support, log densities.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::{Id, Op as Node, Shape};
use super::abs::{Abs, Dom, Head, Parts};
use super::{Place, Result, Tracer};
use crate::core::ir::SiteId;
use crate::source::Span;
use crate::value::{Domain, Value};
use std::rc::Rc;
use std::sync::Arc;

/// A choice of the program, in all lanes of the loops around it.
#[derive(Clone, Debug)]
pub struct Choice {
    pub site: SiteId,
    pub span: Span,
    pub position: Vec<Place>,
    /// The loops around, outermost first.
    pub scope: Vec<Axis>,
    /// The lanes in which the choice is made, over `scope`; none for all.
    pub active: Option<Vec<bool>>,
    /// The axis of the lanes in which the choice is made, where they are not all.
    pub dense: Option<Axis>,
    pub slots: Slots,
    /// Of a choice between two bounds: the choice and the bounds.
    pub interval: Option<(Id, Option<Id>, Option<Id>)>,
}

/// A part of the value of a choice: a coordinate, or a finite choice and its lane.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slot {
    Coordinate(u32),
    Finite(u32, u32),
}

/// Where the coordinates of a choice lie in the vector.
#[derive(Clone, Debug)]
pub enum Slots {
    /// A finite choice by its number, with a lane for each position of these axes.
    Finite { number: u32, axes: Axes },
    /// One coordinate for each lane, laid out over these axes.
    Number { offset: u32, axes: Axes },
    /// Coordinates along an axis.
    Vector { offset: u32, axes: Axes, along: Axis },
    /// The same for each element.
    Each { along: Axis, slots: Box<Slots> },
    /// Elements of different kinds.
    Parts(Vec<Slots>),
}

impl Choice {
    /// The lane of the coordinates of lane `k` of the loops around, whose position is given.
    pub fn lane(&self, k: usize, position: &[(Axis, u32)]) -> Vec<(Axis, u32)> {
        match (&self.active, self.dense) {
            (Some(active), Some(dense)) => {
                let before = active[..k].iter().filter(|a| **a).count();
                vec![(dense, before as u32)]
            }
            _ => position.to_vec(),
        }
    }
}

impl Slots {
    /// The places in the vector of the coordinates of one lane, in the order of the support's transform.
    pub fn places(&self, lane: &mut Vec<(Axis, u32)>, out: &mut Vec<Slot>) {
        let at = |offset: u32, axes: &Axes, lane: &[(Axis, u32)]| {
            let strides = axis::strides(axes, axes);
            let position: usize = axes
                .iter()
                .zip(strides)
                .map(|(axis, stride)| {
                    lane.iter().rev().find(|(a, _)| a == axis).map_or(0, |(_, k)| *k as usize) * stride
                })
                .sum();
            offset + position as u32
        };
        match self {
            Slots::Finite { number, axes } => out.push(Slot::Finite(*number, at(0, axes, lane))),
            Slots::Number { offset, axes } => out.push(Slot::Coordinate(at(*offset, axes, lane))),
            Slots::Vector { offset, axes, along } => {
                for k in 0..along.extent {
                    lane.push((*along, k));
                    out.push(Slot::Coordinate(at(*offset, axes, lane)));
                    lane.pop();
                }
            }
            Slots::Each { along, slots } => {
                for k in 0..along.extent {
                    lane.push((*along, k));
                    slots.places(lane, out);
                    lane.pop();
                }
            }
            Slots::Parts(parts) => parts.iter().for_each(|p| p.places(lane, out)),
        }
    }
}

impl Tracer<'_> {
    /// A member of a distribution: `logp`, `support`, `mean`, …
    pub(super) fn member(&mut self, name: &str, dist: &Abs, mut args: Vec<Abs>) -> Result<Abs> {
        if matches!(dist, Abs::Forward) || args.iter().any(|x| matches!(x, Abs::Forward)) {
            return Ok(Abs::Forward);
        }
        let Some(Parts { head: Head::Dist(dist_name, id), parts }) = Parts::of(dist) else {
            return self.refuse("a distribution that is not known before the run");
        };
        let Some(dist) = self.program.dists.get(id as usize).cloned() else {
            return self.fatal("a distribution that does not exist");
        };
        let func = match name {
            "logp" => Some(dist.logp),
            "support" => dist.support,
            "sample" => return self.refuse("a draw whose density is not asked for"),
            other => dist.members.iter().find(|(n, _)| n.as_str() == other).map(|(_, f)| *f),
        };
        let Some(func) = func else {
            return self.refuse(format!("`{name}` of `{dist_name}`, which it does not have"));
        };
        let mut all = parts;
        all.append(&mut args);
        self.call(func, all, Vec::new())
    }

    pub(super) fn logp(&mut self, dist: &Abs, value: Abs) -> Result<Abs> {
        self.member("logp", dist, vec![value])
    }

    /// A choice: coordinates of the vector, mapped to the support.
    pub(super) fn choice(&mut self, site: SiteId, dist: &Abs) -> Result<Abs> {
        let info = &self.program.sites[site.0 as usize];
        if info.forward_only || matches!(dist, Abs::Forward) {
            return Ok(Abs::Forward);
        }
        let name = info.name;
        let span = self.span;
        let support = self.member("support", dist, Vec::new())?;
        let support = self.as_dom(&support)?;
        self.span = span;
        let mut active = None;
        if let Some(mask) = self.mask {
            match self.values.constant(mask, &self.scope) {
                Some(data) => active = Some(data.iter().map(|x| *x != 0.0).collect::<Vec<bool>>()),
                None => return self.refuse(format!("whether `{name}` is chosen depends on another choice")),
            }
        }
        let mut position = self.position.clone();
        position.push(Place::At(self.counter));
        self.counter += 1;
        let lanes = self.lanes();
        let mut dense = None;
        let (value, slots) = match &active {
            Some(active) if active.iter().any(|a| !a) && !self.is_discrete(&support) => {
                let axis = self.values.fresh_axis(active.iter().filter(|a| **a).count());
                dense = Some(axis);
                self.partial(&support, active, axis, name.as_str())?
            }
            _ => {
                let scope = self.scope.clone();
                self.constrained(&support, &scope, name.as_str())?
            }
        };
        self.spend(lanes / 64)?;
        let interval = match (&support, &value) {
            (Dom::Interval(a, b), Abs::Num(id, _)) => Some((*id, self.values.num(a).ok(), self.values.num(b).ok())),
            _ => None,
        };
        self.choices.push(Choice { site, span, position, scope: self.scope.clone(), active, dense, slots, interval });
        let weight = self.logp(dist, value.clone())?;
        self.span = span;
        self.priors.push(self.factors.len());
        self.add_weight(&weight)?;
        Ok(value)
    }

    /// A choice that is made in some lanes only: coordinates for those, and any of them for the others.
    fn partial(&mut self, support: &Dom, active: &[bool], dense: Axis, name: &str) -> Result<(Abs, Slots)> {
        if dense.extent == 0 {
            return self.refuse(format!("`{name}`, which is never chosen"));
        }
        // The place of each lane among those where the choice is made.
        let mut before = 0.0f64;
        let mut place = Vec::with_capacity(active.len());
        for a in active {
            place.push((before - if *a { 0.0 } else { 1.0 }).max(0.0));
            before += f64::from(u8::from(*a));
        }
        let mut sorted = self.scope.clone();
        sorted.sort();
        let mut data = Vec::with_capacity(place.len());
        let scope = self.scope.clone();
        axis::walk(&sorted, [&order_strides(&scope, &sorted)], |[i]| data.push(place[i]));
        let index = self.values.graph.array(Arc::new(data), sorted);
        let mut free = Vec::new();
        bounds(support, &mut free);
        for x in &free {
            if !self.values.free(x).is_empty() {
                return self
                    .refuse(format!("`{name}`, chosen in some steps only, with bounds that differ from step to step"));
            }
        }
        let (scope, mask) = (std::mem::replace(&mut self.scope, vec![dense]), self.mask.take());
        let result = self.constrained(support, &[dense], name);
        self.scope = scope;
        self.mask = mask;
        let (value, slots) = result?;
        let value = self.values.substitute(&value, dense, index);
        Ok((self.or(value)?, slots))
    }

    /// Coordinates for a value of a domain in every lane, and the value.
    fn constrained(&mut self, dom: &Dom, scope: &[Axis], name: &str) -> Result<(Abs, Slots)> {
        let discrete = |tracer: &Self| tracer.refuse(format!("the support of `{name}` is not known before the run"));
        match dom {
            Dom::Known(d) => match &**d {
                Domain::Real => {
                    let (id, slots) = self.coordinates(scope)?;
                    Ok((Abs::real(id), slots))
                }
                Domain::Positive | Domain::NonNegative | Domain::UnitInterval | Domain::Interval(..) => {
                    let (low, high) = d.real_bounds().unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
                    self.bounded(Abs::Known(Value::Real(low)), Abs::Known(Value::Real(high)), scope)
                }
                Domain::Power(inner, n) => self.power(&Dom::Known(Arc::new((**inner).clone())), *n, scope, name),
                Domain::Vector(n) => self.power(&Dom::Known(Arc::new(Domain::Real)), *n, scope, name),
                Domain::Matrix(n, m) => {
                    let (value, slots) = self.power(&Dom::Known(Arc::new(Domain::Vector(*m))), *n, scope, name)?;
                    let Abs::Array(rows) = &value else {
                        return self.refuse(format!("`{name}`, a matrix without elements"));
                    };
                    let Abs::Array(cols) = &rows.item else {
                        return self.refuse(format!("`{name}`, a matrix without elements"));
                    };
                    let id = self.num(&cols.item)?;
                    Ok((Abs::Matrix(id, rows.axis, cols.axis), slots))
                }
                Domain::Simplex(k) => self.shaped(Shape::Simplex, *k, scope),
                Domain::Ordered(k) => self.shaped(Shape::Ordered, *k, scope),
                Domain::PositiveOrdered(k) => self.shaped(Shape::PositiveOrdered, *k, scope),
                Domain::UnitVector(k) => self.shaped(Shape::UnitVector, *k, scope),
                Domain::CorrCholesky(k) => self.shaped(Shape::CorrCholesky, *k, scope),
                Domain::CovCholesky(k) => self.shaped(Shape::CovCholesky, *k, scope),
                Domain::Corr(k) => self.shaped(Shape::Corr, *k, scope),
                Domain::PosDef(k) => self.shaped(Shape::PosDef, *k, scope),
                Domain::Product(parts) => {
                    let parts = parts.iter().map(|d| Abs::Known(Value::Domain(Arc::new(d.clone())))).collect();
                    self.constrained(&Dom::Product(Abs::List(Rc::new(parts))), scope, name)
                }
                d if d.is_discrete() => self.finite_choice(d, scope, name),
                _ => self.refuse(format!("the support of `{name}` is not known before the run")),
            },
            Dom::Interval(low, high) => {
                if self.is_discrete(dom) {
                    let (low, high) = (self.num(low)?, self.num(high)?);
                    let graph = &self.values.graph;
                    let (low, high) = (graph.node(low).range.low, graph.node(high).range.high);
                    if !low.is_finite() || !high.is_finite() || high - low > 1e6 {
                        return self
                            .refuse(format!("`{name}` is discrete, with bounds that are not known before the run"));
                    }
                    let whole = Domain::IntRange(low as i64, high as i64);
                    return self.finite_choice(&whole, scope, name);
                }
                self.bounded(low.clone(), high.clone(), scope)
            }
            Dom::Power(d, n) => {
                let inner = self.as_dom(d)?;
                self.power(&inner, *n, scope, name)
            }
            Dom::Product(parts) => {
                let n = self.length(parts)?;
                let lanes = self.values.lanes(parts);
                if let Ok(Some(lanes)) = lanes
                    && n > 0
                {
                    let axis = Axis { extent: n as u32, level: self.level };
                    let item = self.values.open(&lanes, axis);
                    let item = self.or(item)?;
                    let inner = self.as_dom(&item)?;
                    return self.power_over(&inner, axis, scope, name);
                }
                let parts = self.items(parts)?;
                let (mut values, mut slots) = (Vec::new(), Vec::new());
                for part in &parts {
                    let dom = self.as_dom(part)?;
                    let (value, slot) = self.constrained(&dom, scope, name)?;
                    values.push(value);
                    slots.push(slot);
                }
                Ok((Abs::List(Rc::new(values)), Slots::Parts(slots)))
            }
            Dom::Union(parts) => {
                let parts = self.items(parts)?;
                let known: Option<Vec<Domain>> = parts
                    .iter()
                    .map(|p| match self.values.known_value(p) {
                        Some(Value::Domain(d)) => Some((*d).clone()),
                        _ => None,
                    })
                    .collect();
                match known {
                    Some(parts) => self.constrained(&Dom::Known(Arc::new(Domain::union(parts))), scope, name),
                    None => self.refuse(format!("the support of `{name}` is a union that depends on choices")),
                }
            }
            Dom::Restrict(d, low, high) => {
                let inner = self.as_dom(d)?;
                match inner {
                    Dom::Known(d) => match d.real_bounds() {
                        Some((a, b)) => {
                            let (a, b) = (self.graph().scalar(a), self.graph().scalar(b));
                            let (low, high) = (self.num(low)?, self.num(high)?);
                            let graph = self.graph();
                            let (low, high) = (graph.prim("max", &[low, a]), graph.prim("min", &[high, b]));
                            let (low, high) = (Abs::real(low), Abs::real(high));
                            let (low, high) = (self.values.tidy(low), self.values.tidy(high));
                            self.bounded(low, high, scope)
                        }
                        None => discrete(self),
                    },
                    _ => self.refuse(format!("the support of `{name}` is not known before the run")),
                }
            }
        }
    }

    fn coordinates(&mut self, scope: &[Axis]) -> Result<(Id, Slots)> {
        let mut axes = scope.to_vec();
        axes.sort();
        let offset = self.dim as u32;
        self.dim += axis::size(&axes);
        if self.dim > 1 << 28 {
            return self.fatal("the model has too many choices for a vector");
        }
        let id = self.graph().insert(Node::Input(offset), Vec::new(), axes.clone());
        Ok((id, Slots::Number { offset, axes }))
    }

    /// A number between two bounds; see [`super::super::transform::between`].
    fn bounded(&mut self, low: Abs, high: Abs, scope: &[Axis]) -> Result<(Abs, Slots)> {
        let (x, slots) = self.coordinates(scope)?;
        let (low, high) = (self.num(&low)?, self.num(&high)?);
        let graph = &mut self.values.graph;
        let ends = (graph.node(low).range, graph.node(high).range);
        let finite = |known: super::super::range::Range| {
            if known.finite {
                Some(true)
            } else if known.low == known.high {
                Some(false)
            } else {
                None
            }
        };
        let (value, jacobian) = match (finite(ends.0), finite(ends.1)) {
            (Some(false), Some(false)) => (x, graph.scalar(0.0)),
            (Some(true), Some(false)) => {
                let y = graph.prim("exp", &[x]);
                (graph.add(low, y), x)
            }
            (Some(false), Some(true)) => {
                let y = graph.prim("exp", &[x]);
                (graph.sub(high, y), x)
            }
            (Some(true), Some(true)) => {
                let width = graph.sub(high, low);
                let share = graph.prim("inv_logit", &[x]);
                let part = graph.mul(width, share);
                let log = graph.prim("log", &[width]);
                let minus = graph.neg(x);
                let (a, b) = (graph.prim("log1p_exp", &[x]), graph.prim("log1p_exp", &[minus]));
                let rest = graph.sub(log, a);
                (graph.add(low, part), graph.sub(rest, b))
            }
            _ => return self.refuse("a bound that may be infinite or not, as choices decide"),
        };
        self.weigh(jacobian, true);
        Ok((self.values.tidy(Abs::real(value)), slots))
    }

    fn power(&mut self, inner: &Dom, n: usize, scope: &[Axis], name: &str) -> Result<(Abs, Slots)> {
        if n == 0 {
            let empty = match inner {
                Dom::Known(d) if matches!(**d, Domain::Power(..) | Domain::Vector(_) | Domain::Simplex(_)) => {
                    Value::Values(Arc::new(Vec::new()))
                }
                _ => Value::reals(Vec::new()),
            };
            return Ok((Abs::Known(empty), Slots::Parts(Vec::new())));
        }
        let axis = Axis { extent: n as u32, level: self.level };
        self.power_over(inner, axis, scope, name)
    }

    fn power_over(&mut self, inner: &Dom, axis: Axis, scope: &[Axis], name: &str) -> Result<(Abs, Slots)> {
        let mut wider = scope.to_vec();
        wider.push(axis);
        self.level += 1;
        let outer = std::mem::replace(&mut self.scope, wider.clone());
        let result = self.constrained(inner, &wider, name);
        self.scope = outer;
        self.level -= 1;
        let (item, slots) = result?;
        Ok((Abs::array(axis, item), Slots::Each { along: axis, slots: Box::new(slots) }))
    }

    fn shaped(&mut self, shape: Shape, k: usize, scope: &[Axis]) -> Result<(Abs, Slots)> {
        let n = shape.coordinates(k);
        if k == 0 {
            return self.refuse("a support of size 0");
        }
        let row = Axis { extent: k as u32, level: self.level };
        let col = if shape.is_matrix() { Axis { extent: k as u32, level: self.level + 1 } } else { row };
        if n == 0 {
            // The only value of its kind.
            let one = self.graph().scalar(1.0);
            let value = if shape.is_matrix() { Abs::Matrix(one, row, col) } else { Abs::array(row, Abs::real(one)) };
            return Ok((value, Slots::Parts(Vec::new())));
        }
        let along = Axis { extent: n as u32, level: self.level + 2 };
        let mut axes = scope.to_vec();
        axes.push(along);
        axes.sort();
        let offset = self.dim as u32;
        self.dim += axis::size(&axes);
        let mut sorted = scope.to_vec();
        sorted.sort();
        let graph = &mut self.values.graph;
        let x = graph.insert(Node::Input(offset), Vec::new(), axes.clone());
        let to = [row, col];
        let own: Axes = if shape.is_matrix() { vec![row, col] } else { vec![row] };
        let out = own.iter().fold(sorted.clone(), |axes, a| axis::union(&axes, &[*a]));
        let value = graph.insert(Node::Constrain { shape, from: along, to }, vec![x], out);
        let jacobian = graph.insert(Node::Jacobian { shape, from: along, to }, vec![x], sorted);
        self.weigh(jacobian, true);
        let value = if shape.is_matrix() { Abs::Matrix(value, row, col) } else { Abs::array(row, Abs::real(value)) };
        Ok((value, Slots::Vector { offset, axes, along }))
    }
}

/// Strides of an array laid out by the loops in their order, along other orders of the same axes.
fn order_strides(scope: &[Axis], order: &[Axis]) -> Vec<usize> {
    order
        .iter()
        .map(|axis| {
            let at = scope.iter().position(|a| a == axis).unwrap_or(0);
            scope[at + 1..].iter().map(|a| a.extent as usize).product()
        })
        .collect()
}

/// The bounds in a domain.
fn bounds(dom: &Dom, out: &mut Vec<Abs>) {
    let inner = |x: &Abs, out: &mut Vec<Abs>| {
        if let Abs::Domain(d) = x {
            bounds(d, out);
        }
    };
    match dom {
        Dom::Known(_) => {}
        Dom::Interval(a, b) => out.extend([a.clone(), b.clone()]),
        Dom::Power(d, _) => inner(d, out),
        Dom::Product(d) | Dom::Union(d) => out.push(d.clone()),
        Dom::Restrict(d, a, b) => {
            inner(d, out);
            out.extend([a.clone(), b.clone()]);
        }
    }
}
