//! Finite choices of the abstract run: one number each, over an axis of its values, to be summed out at the end.

use super::super::axis::{self, Axis};
use super::super::graph::{F, Graph, Id, Op};
use super::super::marginal::{Finite, MOST_VALUES};
use super::super::range::Range;
use super::abs::{Abs, Dom, Scalar};
use super::choice::Slots;
use super::{Refusal, Result, Tracer};
use crate::value::{Domain, Value};
use std::collections::HashSet;
use std::sync::Arc;

impl Tracer<'_> {
    /// Whether the values of a domain are finitely or countably many.
    pub(super) fn is_discrete(&mut self, dom: &Dom) -> bool {
        match dom {
            Dom::Known(d) => d.is_discrete(),
            Dom::Interval(low, high) => {
                let whole = |x: &Abs| matches!(x, Abs::Known(Value::Int(_)) | Abs::Num(_, Scalar::Int));
                whole(low) && whole(high)
            }
            Dom::Power(d, _) | Dom::Restrict(d, ..) => self.as_dom(d).is_ok_and(|d| self.is_discrete(&d)),
            Dom::Product(parts) | Dom::Union(parts) => match self.values.lanes(parts) {
                Ok(Some(lanes)) => self.as_dom(&lanes.item).is_ok_and(|d| self.is_discrete(&d)),
                _ => false,
            },
        }
    }

    /// A choice among finitely many numbers, in every lane.
    pub(super) fn finite_choice(&mut self, domain: &Domain, scope: &[Axis], name: &str) -> Result<(Abs, Slots)> {
        let values: Option<Vec<Value>> = match domain {
            Domain::Bool => Some(vec![Value::Bool(false), Value::Bool(true)]),
            Domain::IntRange(low, high) if high.saturating_sub(*low) < MOST_VALUES as i64 => {
                Some((*low..=*high).map(Value::Int).collect())
            }
            Domain::IntRange(low, high) => {
                return self.refuse(format!(
                    "`{name}` has {} values, and at most {MOST_VALUES} are summed out",
                    high.saturating_sub(*low).saturating_add(1)
                ));
            }
            Domain::Values(all) => {
                let mut distinct: Vec<Value> = Vec::new();
                for value in all.iter().take(MOST_VALUES * 4) {
                    if !distinct.contains(value) {
                        distinct.push(value.clone());
                    }
                }
                let whole = all.len() <= MOST_VALUES * 4 && distinct.len() <= MOST_VALUES;
                Some(distinct).filter(|_| whole)
            }
            _ => None,
        };
        let Some(values) = values else {
            return self.refuse(format!("`{name}` has infinitely many values, or too many to sum out"));
        };
        let kind = match values.first() {
            Some(Value::Int(_)) => Scalar::Int,
            Some(Value::Bool(_)) => Scalar::Bool,
            Some(Value::Real(_)) => Scalar::Real,
            None => return self.refuse(format!("`{name}` has no value that it could take")),
            Some(_) => return self.refuse(format!("`{name}` is a choice among values that are not numbers")),
        };
        let numbers: Vec<f64> = values.iter().filter_map(Value::as_real).collect();
        if numbers.len() != values.len() {
            return self.refuse(format!("`{name}` is a choice among values of different kinds"));
        }
        let low = numbers[0];
        let steady = numbers.iter().enumerate().all(|(k, x)| *x == low + k as f64) && low.fract() == 0.0;
        let node = self.finite_number(values, if steady { low as i64 } else { 0 }, scope, name, false);
        let number = self.finite.len() as u32 - 1;
        let plates = self.finite[number as usize].plates.clone();
        if let Some(mask) = self.mask {
            // Where the choice is not made, the first value stands for all.
            let first = self.finite[number as usize].node;
            let graph = &mut self.values.graph;
            let start = match graph.node(first).op {
                Op::Finite(_, _, low) => graph.scalar(low as f64),
                _ => graph.scalar(0.0),
            };
            let is_first = graph.map(F::Eq, &[first, start]);
            let (zero, none) = (graph.scalar(0.0), graph.scalar(f64::NEG_INFINITY));
            let pinned = graph.select(is_first, zero, none);
            let weight = graph.select(mask, zero, pinned);
            let mut factor = self.factor(weight, None, 0.0, false);
            factor.scope = axis::union(&factor.scope, &plates);
            self.factors.push(factor);
        }
        let value = if steady {
            node
        } else {
            let axis = self.values.fresh_axis(numbers.len());
            let graph = &mut self.values.graph;
            let data = graph.array(Arc::new(numbers), vec![axis]);
            graph.take(data, axis, node)
        };
        Ok((Abs::Num(value, kind), Slots::Finite { number, axes: plates }))
    }

    /// The number of a finite choice: `low` and the integers after it. An image is a number that follows from other choices.
    fn finite_number(&mut self, values: Vec<Value>, low: i64, scope: &[Axis], name: &str, image: bool) -> Id {
        let axis = self.values.fresh_axis(values.len());
        let mut plates = scope.to_vec();
        plates.sort();
        let number = self.finite.len() as u32;
        let axes = axis::union(&plates, &[axis]);
        let node = self.graph().insert(Op::Finite(number, axis, low), Vec::new(), axes);
        self.finite.push(Finite::new(node, axis, plates, values, name, self.span, image));
        node
    }

    /// A number that a loop carries and that follows from finite choices, as a finite choice of its own: in each step the one value that
    /// it has. The result stands for the number after each step.
    pub(super) fn image(&mut self, next: Id, along: Axis, low: f64, high: f64) -> Id {
        let values = (low as i64..=high as i64).map(Value::Int).collect();
        let mut scope = self.scope.clone();
        scope.push(along);
        let node = self.finite_number(values, low as i64, &scope, "a carried number", true);
        let graph = self.graph();
        let same = graph.map(F::Eq, &[next, node]);
        let (zero, none) = (graph.scalar(0.0), graph.scalar(f64::NEG_INFINITY));
        let weight = graph.select(same, zero, none);
        self.scope.push(along);
        let factor = self.factor(weight, None, 0.0, false);
        self.scope.pop();
        self.factors.push(factor);
        node
    }

    /// Refuses indices, from the `start`-th on, that turn out to depend on other choices than finite ones.
    pub(super) fn check_indices(&mut self, start: usize) -> Result<()> {
        let mut pending = Vec::new();
        for (id, span) in self.indices.split_off(start.min(self.indices.len())) {
            match resolved(&self.values.graph, id) {
                Some(true) => {}
                Some(false) => {
                    let reason = "an index that depends on a choice".to_string();
                    return Err(Refusal { span, reason, fatal: false });
                }
                None => pending.push((id, span)),
            }
        }
        self.indices.extend(pending);
        Ok(())
    }
}

/// Whether a node depends on data and finite choices alone; none where a promise is not settled yet.
pub(super) fn resolved(graph: &Graph, id: Id) -> Option<bool> {
    let mut seen = HashSet::new();
    let mut queue = vec![id];
    let mut open = false;
    while let Some(at) = queue.pop() {
        let node = graph.node(at);
        if node.constant || !seen.insert(at) {
            continue;
        }
        match node.op {
            Op::Finite(..) => {}
            Op::Later(k) => match graph.later[k as usize] {
                Some(to) => queue.push(to),
                None => open = true,
            },
            _ if node.args.is_empty() => return Some(false),
            _ => queue.extend(&node.args),
        }
    }
    if open { None } else { Some(true) }
}

/// Whether a node depends on a finite choice.
pub(super) fn depends_on_finite(graph: &Graph, id: Id) -> bool {
    let mut seen = HashSet::new();
    let mut queue = vec![id];
    while let Some(at) = queue.pop() {
        let node = graph.node(at);
        if node.constant || !seen.insert(at) {
            continue;
        }
        match node.op {
            Op::Finite(..) => return true,
            Op::Later(k) => queue.extend(graph.later[k as usize]),
            _ => queue.extend(&node.args),
        }
    }
    false
}

/// The bounds of whole numbers, where they are few.
pub(super) fn few(range: Range) -> Option<(f64, f64)> {
    let whole = range.low.is_finite() && range.high.is_finite() && range.high - range.low < MOST_VALUES as f64;
    whole.then(|| (range.low.ceil(), range.high.floor())).filter(|(low, high)| low <= high)
}
