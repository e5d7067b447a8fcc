//! Loops of the abstract run: over all steps at once, carried from step to step, or step by step.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::{F, Id, Op, Scan};
use super::super::range::Range;
use super::super::rules::{self, Combine};
use super::abs::{Abs, Parts, Scalar};
use super::finite::{depends_on_finite, few};
use super::growing::Growing;
use super::{Frame, Place, Refusal, Result, Tracer};
use crate::core::ir::{Atom, Block, Op as CoreOp, Rhs, StmtKind, VarId};
use crate::value::Value;
use std::rc::Rc;

/// Loops of at most this many steps may be run step by step, where they have no other array code.
const UNROLLED: usize = 400;

/// Attempts to find bounds of carried integers that follow from finite choices.
const WIDENED: usize = 6;
/// Attempts to run a loop at once, each of which knows more.
const ATTEMPTS: usize = 24;

/// What a loop may change and must take back when it is run in another way.
pub struct Snapshot {
    vars: Vec<Option<Abs>>,
    factors: usize,
    priors: usize,
    jacobians: usize,
    conditions: usize,
    choices: usize,
    finite: usize,
    indices: usize,
    dim: usize,
    growing: Vec<Growing>,
    level: u32,
    scope: Vec<Axis>,
    mask: Option<Id>,
    guard: bool,
    position: usize,
    counter: u32,
    depth: usize,
}

/// A number that a loop carries from step to step.
struct Carried {
    /// Stands for the number before each step.
    promise: Id,
    first: Id,
}

impl Tracer<'_> {
    pub(super) fn snapshot(&self, frame: &Frame) -> Snapshot {
        Snapshot {
            vars: frame.vars.clone(),
            factors: self.factors.len(),
            priors: self.priors.len(),
            jacobians: self.jacobians.len(),
            conditions: self.conditions.len(),
            choices: self.choices.len(),
            finite: self.finite.len(),
            indices: self.indices.len(),
            dim: self.dim,
            growing: self.growing.clone(),
            level: self.level,
            scope: self.scope.clone(),
            mask: self.mask,
            guard: self.values.graph.guard,
            position: self.position.len(),
            counter: self.counter,
            depth: self.depth,
        }
    }

    pub(super) fn restore(&mut self, frame: &mut Frame, to: &Snapshot) {
        frame.vars.clone_from(&to.vars);
        self.factors.truncate(to.factors);
        self.priors.truncate(to.priors);
        self.jacobians.truncate(to.jacobians);
        self.conditions.truncate(to.conditions);
        self.choices.truncate(to.choices);
        self.finite.truncate(to.finite);
        self.indices.truncate(to.indices);
        self.dim = to.dim;
        self.growing.clone_from(&to.growing);
        self.level = to.level;
        self.scope.clone_from(&to.scope);
        self.mask = to.mask;
        self.values.graph.guard = to.guard;
        self.position.truncate(to.position);
        self.counter = to.counter;
        self.depth = to.depth;
    }

    /// Runs a loop over `low .. high`; with `collect` the results of the block are the elements of an array.
    pub(super) fn repeat(
        &mut self,
        frame: &mut Frame,
        var: VarId,
        low: Abs,
        high: Abs,
        body: &Block,
        collect: bool,
    ) -> Result<Abs> {
        if matches!(low, Abs::Forward) || matches!(high, Abs::Forward) {
            return self.skip(frame, &[body]);
        }
        let (first, last) = (self.num(&low)?, self.num(&high)?);
        let graph = &mut self.values.graph;
        if !graph.is_constant(first) || !graph.is_constant(last) {
            return self.refuse("a loop whose number of steps depends on a choice");
        }
        let length = graph.sub(last, first);
        let range = graph.node(length).range;
        let extent = range.high.max(0.0);
        if extent > f64::from(1 << 30) {
            return self.fatal("a loop of more than a thousand million steps");
        }
        let extent = extent as usize;
        if extent == 0 {
            return Ok(Abs::Known(Value::Unit));
        }
        // Loops of different lengths in different lanes run to the longest, and what is too much does not count.
        let ragged = graph.number(length).is_none();
        if ragged && collect {
            return self.refuse("an array whose length differs from lane to lane");
        }
        let before = self.snapshot(frame);
        let base = self.counter;
        let attempt = self.at_once(frame, var, first, length, extent, ragged, body, collect);
        let refusal = match attempt {
            Ok(value) => return Ok(value),
            Err(refusal) if refusal.fatal || extent > UNROLLED || ragged => return Err(refusal),
            Err(refusal) => refusal,
        };
        self.restore(frame, &before);
        self.counter = base;
        let Some(start) = self.values.graph.number(first) else { return Err(refusal) };
        let mut items = Vec::new();
        for step in 0..extent {
            frame.vars[var.0 as usize] = Some(Abs::Known(Value::Int(start as i64 + step as i64)));
            // What stopped the loop as a whole says more than what stops a step of it.
            let item = self.block(frame, body).map_err(|other| Refusal { fatal: other.fatal, ..refusal.clone() })?;
            if collect {
                items.push(item);
            }
        }
        Ok(if collect { Abs::List(Rc::new(items)) } else { Abs::Known(Value::Unit) })
    }

    /// Runs the body once for all steps.
    #[allow(clippy::too_many_arguments)]
    fn at_once(
        &mut self,
        frame: &mut Frame,
        var: VarId,
        first: Id,
        length: Id,
        extent: usize,
        ragged: bool,
        body: &Block,
        collect: bool,
    ) -> Result<Abs> {
        let along = Axis { extent: extent as u32, level: self.level };
        let assigned = self.assigned(body);
        // What an attempt finds out: further axes of carried numbers, and variables that no weight depends on.
        let mut found = Found::default();
        let before = self.snapshot(frame);
        for _ in 0..ATTEMPTS {
            self.restore(frame, &before);
            for var in &found.forward {
                frame.vars[var.0 as usize] = Some(Abs::Forward);
            }
            let steps = Steps { var, first, length, along, ragged };
            if let Some(value) = self.attempt(frame, steps, body, collect, &assigned, &mut found)? {
                return Ok(value);
            }
        }
        self.refuse("a loop whose carried values change their shape")
    }

    /// Runs the body once for all steps, with what is known; none if more was found out.
    fn attempt(
        &mut self,
        frame: &mut Frame,
        steps: Steps,
        body: &Block,
        collect: bool,
        assigned: &[VarId],
        found: &mut Found,
    ) -> Result<Option<Abs>> {
        let along = steps.along;
        let (outer_mask, outer_guard) = (self.mask, self.values.graph.guard);
        let indices = self.indices.len();
        self.position.push(Place::At(self.counter));
        self.position.push(Place::Lane(along));
        self.counter += 1;
        self.level += 1;
        self.scope.push(along);
        let graph = &mut self.values.graph;
        let count = graph.count(along);
        let index = graph.add(steps.first, count);
        frame.vars[steps.var.0 as usize] = Some(Abs::Num(index, Scalar::Int));
        let mut inside = None;
        if steps.ragged {
            let fits = graph.map(F::Lt, &[count, steps.length]);
            inside = Some(fits);
            self.mask = Some(match outer_mask {
                Some(mask) => graph.map(F::And, &[mask, fits]),
                None => fits,
            });
            graph.guard = true;
        }
        let started = self.values.graph.nodes.len();
        let mut carried: Vec<Carried> = Vec::new();
        let mut grown: Vec<(VarId, usize)> = Vec::new();
        let mut states: Vec<(VarId, Abs)> = Vec::new();
        for v in assigned {
            let Some(value) = frame.vars[v.0 as usize].clone() else { continue };
            if matches!(value, Abs::Growing(_) | Abs::Forward) {
                continue;
            }
            if let Some(pushes) = growth(body, *v) {
                let id = self.growing.len();
                let kind = self.program.funcs[frame.func.0 as usize].vars[v.0 as usize].ty.element().map(|t| t.kind());
                let kind = match kind {
                    Some(crate::core::TypeKind::Int) => Some(Scalar::Int),
                    Some(crate::core::TypeKind::Bool) => Some(Scalar::Bool),
                    Some(crate::core::TypeKind::Real) => Some(Scalar::Real),
                    _ => None,
                };
                self.growing.push(Growing::new(value, pushes, self.scope.len() - 1, kind));
                frame.vars[v.0 as usize] = Some(Abs::Growing(id));
                grown.push((*v, id));
            } else {
                let state = self.placeholder(&value, 0, &mut carried, found)?;
                frame.vars[v.0 as usize] = Some(state.clone());
                states.push((*v, state));
            }
        }
        let result = self.block(frame, body)?;
        let mut next: Vec<Id> = Vec::new();
        for (v, template) in &states {
            let after = frame.vars[v.0 as usize].clone().unwrap_or(Abs::Known(Value::Unit));
            if matches!(after, Abs::Forward) {
                found.forward.push(*v);
                return Ok(None);
            }
            self.fit(template, &after, &mut next)?;
        }
        if next.len() != carried.len() {
            return self.refuse("a variable that changes its structure from step to step");
        }
        if let Some(inside) = inside {
            for (next, c) in next.iter_mut().zip(&carried) {
                *next = self.values.graph.select(inside, *next, c.promise);
            }
        }
        self.scope.pop();
        self.level -= 1;
        self.position.truncate(self.position.len() - 2);
        self.mask = outer_mask;
        self.values.graph.guard = outer_guard;
        let Some(last) = self.settle(&carried, &next, along, started, found) else {
            if let Some(k) = found.endless.take() {
                // Too many values to be summed out: it will do where no weight depends on it.
                let promise = carried[k].promise;
                found.forward.extend(states.iter().filter(|(_, t)| holds(t, promise)).map(|(var, _)| *var));
            }
            return Ok(None);
        };
        let mut last = last.into_iter();
        for (v, template) in &states {
            let value = self.refill(template, &mut last);
            frame.vars[v.0 as usize] = Some(value);
        }
        for (v, id) in grown {
            let value = self.grown(id, along)?;
            frame.vars[v.0 as usize] = Some(value);
        }
        self.check_indices(indices)?;
        if !collect {
            return Ok(Some(Abs::Known(Value::Unit)));
        }
        match result {
            Abs::Forward => Ok(Some(Abs::Forward)),
            Abs::Growing(_) => self.refuse("an array that is still growing"),
            item => Ok(Some(Abs::array(along, item))),
        }
    }

    /// A value whose numbers stand for those before each step.
    fn placeholder(&mut self, value: &Abs, nested: u32, carried: &mut Vec<Carried>, found: &Found) -> Result<Abs> {
        let kind = match value {
            Abs::Num(_, kind) => Some(*kind),
            Abs::Known(Value::Real(_)) => Some(Scalar::Real),
            Abs::Known(Value::Int(_)) => Some(Scalar::Int),
            Abs::Known(Value::Bool(_)) => Some(Scalar::Bool),
            _ => None,
        };
        if let Some(kind) = kind {
            let first = self.num(value)?;
            let along = self.scope[self.scope.len() - 1];
            let mut axes = axis::union(self.values.graph.axes(first), &[along]);
            if let Some(more) = found.wider.get(carried.len()) {
                axes = axis::union(&axes, more);
            }
            let graph = &mut self.values.graph;
            let promise = match kind {
                Scalar::Real => graph.promise(axes),
                Scalar::Int => {
                    let known = found.bounds.iter().find(|(k, _)| *k == carried.len()).map(|(_, range)| *range);
                    graph.promise_discrete(axes, known.unwrap_or(Range::ANY))
                }
                Scalar::Bool => graph.promise_discrete(axes, Range::TRUTH),
            };
            carried.push(Carried { promise, first });
            return Ok(Abs::Num(promise, kind));
        }
        let matrix = matches!(value, Abs::Matrix(..) | Abs::Known(Value::Matrix(_)));
        let lanes = self.values.lanes(value);
        if let Abs::List(items) = value
            && lanes.is_err()
        {
            let items =
                items.iter().map(|x| self.placeholder(x, nested, carried, found)).collect::<Result<Vec<_>>>()?;
            return Ok(Abs::List(Rc::new(items)));
        }
        if let Some(lanes) = self.or(lanes)? {
            if lanes.mask.is_some() {
                return self.refuse("an array whose length depends on a choice");
            }
            if lanes.axis.extent == 0 {
                return Ok(value.clone());
            }
            let to = Axis { extent: lanes.axis.extent, level: self.level + nested };
            let item = self.values.open(&lanes, to);
            let item = self.or(item)?;
            let item = self.placeholder(&item, nested + 1, carried, found)?;
            if matrix
                && let Abs::Array(columns) = &item
                && let Abs::Num(id, _) = columns.item
            {
                return Ok(Abs::Matrix(id, to, columns.axis));
            }
            return Ok(Abs::array(to, item));
        }
        match Parts::of(value) {
            Some(parts) => {
                let fields = parts
                    .parts
                    .iter()
                    .map(|x| self.placeholder(x, nested, carried, found))
                    .collect::<Result<Vec<_>>>()?;
                Ok(parts.head.join(fields))
            }
            None => Ok(value.clone()),
        }
    }

    /// The numbers of a value at the places of a placeholder, in the same order.
    fn fit(&mut self, template: &Abs, value: &Abs, out: &mut Vec<Id>) -> Result<()> {
        let changed = "a variable that changes its structure or its length from step to step";
        match template {
            Abs::Num(..) => {
                out.push(self.num(value)?);
                Ok(())
            }
            Abs::Matrix(id, rows, cols) => {
                let template = Abs::array(*rows, Abs::array(*cols, Abs::real(*id)));
                self.fit(&template, value, out)
            }
            Abs::Array(t) => {
                let lanes = self.values.lanes(value);
                let Some(lanes) = self.or(lanes)? else { return self.refuse(changed) };
                if lanes.axis.extent != t.axis.extent || lanes.mask.is_some() {
                    return self.refuse(changed);
                }
                let item = self.values.open(&lanes, t.axis);
                let item = self.or(item)?;
                self.fit(&t.item, &item, out)
            }
            Abs::List(items) => {
                let parts: Vec<Abs> = match value {
                    Abs::List(values) => values.to_vec(),
                    _ => return self.refuse(changed),
                };
                if parts.len() != items.len() {
                    return self.refuse(changed);
                }
                items.iter().zip(&parts).try_for_each(|(t, x)| self.fit(t, x, out))
            }
            other => match (Parts::of(other), Parts::of(value)) {
                (Some(t), Some(x)) if t.head == x.head && t.parts.len() == x.parts.len() => {
                    t.parts.iter().zip(&x.parts).try_for_each(|(t, x)| self.fit(t, x, out))
                }
                (None, None) if super::same_shallow(other, value) => Ok(()),
                (None, None) => match (other, value) {
                    (Abs::Known(a), Abs::Known(b)) if crate::value::same(a, b) => Ok(()),
                    _ => self.refuse(changed),
                },
                _ => self.refuse(changed),
            },
        }
    }

    /// The placeholder with numbers in place of its promises.
    #[allow(clippy::only_used_in_recursion)]
    fn refill(&self, template: &Abs, ids: &mut dyn Iterator<Item = Id>) -> Abs {
        match template {
            Abs::Num(id, kind) => self.values.tidy(Abs::Num(ids.next().unwrap_or(*id), *kind)),
            Abs::Matrix(id, rows, cols) => Abs::Matrix(ids.next().unwrap_or(*id), *rows, *cols),
            Abs::Array(t) => Abs::array(t.axis, self.refill(&t.item, ids)),
            Abs::List(items) => Abs::List(Rc::new(items.iter().map(|t| self.refill(t, ids)).collect())),
            other => match Parts::of(other) {
                Some(parts) => parts.head.join(parts.parts.iter().map(|t| self.refill(t, ids)).collect()),
                None => other.clone(),
            },
        }
    }

    /// Says what the promises are, and gives the numbers after the last step; none where a number needs more axes.
    fn settle(
        &mut self,
        carried: &[Carried],
        next: &[Id],
        along: Axis,
        started: usize,
        found: &mut Found,
    ) -> Option<Vec<Id>> {
        let promises: Vec<Id> = carried.iter().map(|c| c.promise).collect();
        for (i, known) in found.bounds.clone() {
            // Assumed before a step, bounds must hold after it.
            let graph = &self.values.graph;
            let (Some(c), Some(after)) = (carried.get(i), next.get(i)) else { continue };
            let all = known.union(graph.node(c.first).range).union(graph.node(*after).range);
            if few(all) != Some((known.low, known.high)) {
                found.widen(i, few(all));
                return None;
            }
        }
        let graph = &mut self.values.graph;
        let depends: Vec<Vec<bool>> = next.iter().map(|next| graph.reached(*next, &promises)).collect();
        let mut last: Vec<Option<Id>> = vec![None; next.len()];
        let mut scanned: Vec<usize> = Vec::new();
        let end = graph.scalar(f64::from(along.extent) - 1.0);
        for (i, (c, after)) in carried.iter().zip(next).enumerate() {
            let (after, promise) = (*after, c.promise);
            let graph = &mut self.values.graph;
            if !depends[i].contains(&true) {
                last[i] = Some(graph.take(after, along, end));
                graph.settle_by_step_before(promise, c.first, after, along);
                continue;
            }
            let alone = depends[i].iter().enumerate().all(|(k, d)| !d || k == i);
            if alone && after == promise {
                last[i] = Some(c.first);
                graph.settle(promise, c.first);
                continue;
            }
            if alone
                && let Some(gained) = rules::gain(graph, after, promise)
                && !graph.reached(gained, &[promise])[0]
            {
                if !graph.has(gained, along) {
                    let count = graph.count(along);
                    let steps = graph.mul(count, gained);
                    let before = graph.add(c.first, steps);
                    graph.settle(promise, before);
                    let n = graph.scalar(f64::from(along.extent));
                    let total = graph.mul(n, gained);
                    last[i] = Some(graph.add(c.first, total));
                    continue;
                }
                if graph.only_chained(after, promise, started) {
                    let one = graph.scalar(1.0);
                    let total = graph.contract(gained, one, &[along]);
                    last[i] = Some(graph.add(c.first, total));
                    continue;
                }
            }
            if alone
                && let Some((how, other)) = rules::combined(graph, after, promise)
                && !graph.reached(other, &[promise])[0]
                && graph.only_chained(after, promise, started)
            {
                last[i] = Some(match how {
                    Combine::By(how) => {
                        let all = graph.reduce(how, other, along);
                        let op = graph.node(after).op.clone();
                        let axes = axis::union(graph.axes(all), graph.axes(c.first));
                        graph.make(op, vec![c.first, all], axes)
                    }
                    Combine::LogAddExp => {
                        let all = self.values.log_sum_exp(other, along);
                        self.values.graph.prim("log_add_exp", &[c.first, all])
                    }
                });
                continue;
            }
            let graph = &self.values.graph;
            if graph.node(promise).discrete && graph.node(after).discrete && depends_on_finite(graph, after) {
                // A number that follows from finite choices: one more of them, once its bounds are known.
                let known = graph.node(promise).range;
                if known == Range::ANY {
                    found.widen(i, few(graph.node(c.first).range));
                    return None;
                }
                let (low, high) = (known.low, known.high);
                let node = self.image(after, along, low, high);
                let graph = &mut self.values.graph;
                last[i] = Some(graph.take(node, along, end));
                graph.settle_by_step_before(promise, c.first, node, along);
                continue;
            }
            scanned.push(i);
        }
        let graph = &mut self.values.graph;
        let mut complete = true;
        for i in &scanned {
            let missing = axis::minus(graph.axes(next[*i]), graph.axes(promises[*i]));
            if !missing.is_empty() {
                complete = false;
                if found.wider.len() < carried.len() {
                    found.wider.resize(carried.len(), Axes::new());
                }
                found.wider[*i] = axis::union(&found.wider[*i], &missing);
            }
        }
        if !complete {
            return None;
        }
        // Numbers that depend on each other are one scan; the others have scans of their own.
        let mut reach = depends.clone();
        for k in 0..next.len() {
            for i in 0..next.len() {
                if reach[i][k] {
                    let further = reach[k].clone();
                    reach[i].iter_mut().zip(further).for_each(|(to, more)| *to |= more);
                }
            }
        }
        let mut done = vec![false; next.len()];
        for i in &scanned {
            if done[*i] {
                continue;
            }
            let group: Vec<usize> =
                scanned.iter().copied().filter(|j| j == i || (reach[*i][*j] && reach[*j][*i])).collect();
            let number = graph.scans.len() as u32;
            let states: Vec<Id> = group
                .iter()
                .enumerate()
                .map(|(k, j)| {
                    let axes = graph.axes(promises[*j]).to_vec();
                    graph.insert(Op::State(number, k as u32), Vec::new(), axes)
                })
                .collect();
            graph.scans.push(Scan {
                axis: along,
                reversed: false,
                states: states.clone(),
                first: group.iter().map(|j| carried[*j].first).collect(),
                next: group.iter().map(|j| next[*j]).collect(),
            });
            for (k, j) in group.iter().enumerate() {
                done[*j] = true;
                graph.settle(promises[*j], states[k]);
                let axes = axis::minus(graph.axes(states[k]), &[along]);
                last[*j] = Some(graph.insert(Op::Last(number, k as u32), Vec::new(), axes));
            }
        }
        last.into_iter().collect()
    }
}

/// The steps of a loop.
#[derive(Clone, Copy)]
struct Steps {
    var: VarId,
    first: Id,
    length: Id,
    along: Axis,
    ragged: bool,
}

/// What an attempt to run a loop at once found out.
#[derive(Default)]
struct Found {
    /// Further axes of carried numbers, by their place.
    wider: Vec<Axes>,
    /// Variables that no weight depends on.
    forward: Vec<VarId>,
    /// Bounds of carried integers, by their place, that hold if they hold before a step.
    bounds: Vec<(usize, Range)>,
    /// How often bounds were widened, and the place of a number for which that has no end.
    widened: usize,
    endless: Option<usize>,
}

impl Found {
    /// Other bounds for a carried integer; none where they are too wide.
    fn widen(&mut self, place: usize, bounds: Option<(f64, f64)>) {
        self.bounds.retain(|(k, _)| *k != place);
        self.widened += 1;
        match bounds {
            Some((low, high)) if self.widened <= WIDENED => {
                self.bounds.push((place, Range { low, high, ..Range::TRUTH }));
            }
            _ => {
                self.widened = 0;
                self.endless = Some(place);
            }
        }
    }
}

/// Whether a number is one of those of a value.
fn holds(value: &Abs, number: Id) -> bool {
    match value {
        Abs::Num(id, _) | Abs::Matrix(id, ..) => *id == number,
        Abs::Array(lanes) => holds(&lanes.item, number),
        Abs::List(items) => items.iter().any(|x| holds(x, number)),
        other => Parts::of(other).is_some_and(|parts| parts.parts.iter().any(|x| holds(x, number))),
    }
}

/// Whether a loop only adds elements to an array (`Some(true)`), or only sets them.
fn growth(body: &Block, var: VarId) -> Option<bool> {
    let (mut pushes, mut updates, mut others) = (0, 0, 0);
    let mut pushed: Vec<VarId> = Vec::new();
    every_stmt(body, &mut |kind| match kind {
        StmtKind::Let(to, Rhs::Op(CoreOp::Push, args)) if args.first() == Some(&Atom::Var(var)) => pushed.push(*to),
        StmtKind::Update(to, _, _) if *to == var => updates += 1,
        StmtKind::Assign(to, atom) if *to == var => match atom {
            Atom::Var(from) if pushed.contains(from) => pushes += 1,
            _ => others += 1,
        },
        _ => {}
    });
    match (pushes, updates, others) {
        (1.., 0, 0) => Some(true),
        (0, 1.., 0) => Some(false),
        _ => None,
    }
}

/// Visits the statements of a block and of the blocks within.
fn every_stmt(block: &Block, f: &mut dyn FnMut(&StmtKind)) {
    for stmt in &block.stmts {
        f(&stmt.kind);
        match &stmt.kind {
            StmtKind::Let(_, Rhs::Build { body, .. }) | StmtKind::For { body, .. } => every_stmt(body, f),
            StmtKind::Let(_, Rhs::If(_, yes, no)) | StmtKind::If(_, yes, no) => {
                every_stmt(yes, f);
                every_stmt(no, f);
            }
            StmtKind::Let(_, Rhs::Switch { arms, otherwise, .. }) => {
                arms.iter().for_each(|(_, block)| every_stmt(block, f));
                otherwise.iter().for_each(|block| every_stmt(block, f));
            }
            StmtKind::While { cond, body } => {
                every_stmt(cond, f);
                every_stmt(body, f);
            }
            _ => {}
        }
    }
}
