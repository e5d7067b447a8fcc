//! Reverse mode: from a graph and one of its nodes to nodes for the derivatives by the coordinates.
//!
//! Each node's derivative is made of those of the nodes that use it. The derivative of a scan is a scan from the last step to the
//! first, of which only what depends on the carried derivatives is left in the loop.

use super::axis::{self, Axes, Axis};
use super::formula;
use super::forward::Forward;
use super::graph::{F, Graph, Id, Linear, Op, Reduction, Scan};
use std::collections::HashMap;

/// A part of the vector and the derivative by it.
pub struct Part {
    pub offset: u32,
    pub axes: Axes,
    pub derivative: Id,
}

/// The nodes that others need, operands first; promises are replaced by what they stand for, and scans come before their states.
fn order(graph: &Graph, roots: &[Id]) -> Vec<Id> {
    let mut done = vec![false; graph.nodes.len()];
    let mut out = Vec::new();
    let mut stack: Vec<(Id, bool)> = roots.iter().rev().map(|id| (*id, false)).collect();
    while let Some((id, leave)) = stack.pop() {
        if leave {
            out.push(id);
            continue;
        }
        if std::mem::replace(&mut done[id.0 as usize], true) {
            continue;
        }
        stack.push((id, true));
        for before in needs(graph, id) {
            if !done[before.0 as usize] {
                stack.push((before, false));
            }
        }
    }
    out
}

/// The nodes that a node needs for its derivative's sake.
fn needs(graph: &Graph, id: Id) -> Vec<Id> {
    let node = graph.node(id);
    match node.op {
        Op::Later(k) => graph.later[k as usize].into_iter().collect(),
        Op::State(scan, _) => graph.scans[scan as usize].first.clone(),
        Op::Last(scan, _) => {
            let scan = &graph.scans[scan as usize];
            scan.states.iter().chain(&scan.next).copied().collect()
        }
        _ => node.args.clone(),
    }
}

/// The derivatives of a node without axes by the coordinates that it depends on.
pub fn gradient(graph: &mut Graph, root: Id) -> Result<Vec<Part>, String> {
    let order = complete_order(graph, &[root]);
    let mut derive = Derive { graph, parts: HashMap::new(), backward: HashMap::new() };
    let one = derive.graph.scalar(1.0);
    derive.give(root, one);
    // The loop back through each scan; what it starts from and gives is filled in as it is known.
    let mut scans: Vec<u32> = Vec::new();
    for id in &order {
        if let Op::State(scan, _) = derive.graph.node(*id).op
            && !scans.contains(&scan)
        {
            scans.push(scan);
        }
    }
    for number in &scans {
        let scan = derive.graph.scans[*number as usize].clone();
        let back = derive.graph.scans.len() as u32;
        let states: Vec<Id> = scan
            .states
            .iter()
            .enumerate()
            .map(|(k, state)| {
                let axes = derive.graph.axes(*state).to_vec();
                derive.graph.insert(Op::State(back, k as u32), Vec::new(), axes)
            })
            .collect();
        let zero = derive.graph.scalar(0.0);
        let none = vec![zero; states.len()];
        derive.graph.scans.push(Scan {
            axis: scan.axis,
            reversed: !scan.reversed,
            states: states.clone(),
            first: none.clone(),
            next: none,
        });
        for (next, state) in scan.next.iter().zip(&states) {
            // A carried derivative is of the same size as the number.
            let over = axis::minus(derive.graph.axes(*state), derive.graph.axes(*next));
            let one = derive.graph.scalar(1.0);
            let carried = derive.graph.contract(*state, one, &over);
            derive.give(*next, carried);
        }
        derive.backward.insert(*number, back);
    }
    let mut inputs = Vec::new();
    for id in order.into_iter().rev() {
        derive.node(id, &mut inputs)?;
    }
    Ok(inputs)
}

/// The order for derivatives: what a scan's steps need is included.
pub fn complete_order(graph: &Graph, roots: &[Id]) -> Vec<Id> {
    let mut roots = roots.to_vec();
    loop {
        let found = order(graph, &roots);
        let before = roots.len();
        for id in &found {
            if let Op::State(scan, _) = graph.node(*id).op {
                for next in &graph.scans[scan as usize].next {
                    if !found.contains(next) && !roots.contains(next) {
                        roots.push(*next);
                    }
                }
            }
        }
        if roots.len() == before {
            return found;
        }
    }
}

struct Derive<'a> {
    graph: &'a mut Graph,
    /// What the derivative by each node is the sum of.
    parts: HashMap<Id, Vec<Id>>,
    /// The scans backwards.
    backward: HashMap<u32, u32>,
}

impl Derive<'_> {
    fn give(&mut self, to: Id, part: Id) {
        if self.graph.is_constant(to) || self.graph.number(part) == Some(0.0) {
            return;
        }
        self.parts.entry(to).or_default().push(part);
    }

    /// Gives `d * factor` to an operand, summed over the axes that it lacks.
    fn give_product(&mut self, node: Id, to: Id, d: Id, factor: Id) {
        if self.graph.is_constant(to) {
            return;
        }
        let over = axis::minus(self.graph.axes(node), self.graph.axes(to));
        let part = if self.graph.node(node).guarded && self.graph.number(factor) != Some(1.0) {
            let one = self.graph.scalar(1.0);
            let product = self.graph.map(F::Mask, &[d, factor]);
            self.graph.contract(product, one, &over)
        } else {
            self.graph.contract(d, factor, &over)
        };
        self.give(to, part);
    }

    fn total(&mut self, id: Id) -> Option<Id> {
        let parts = self.parts.remove(&id)?;
        parts.into_iter().reduce(|a, b| self.graph.add(a, b))
    }

    fn node(&mut self, id: Id, inputs: &mut Vec<Part>) -> Result<(), String> {
        let node = self.graph.node(id).clone();
        if node.constant {
            return Ok(());
        }
        let Some(d) = self.total(id) else {
            if let Op::State(scan, k) = node.op {
                self.state(scan, k, None);
            }
            return Ok(());
        };
        let one = self.graph.scalar(1.0);
        match &node.op {
            Op::Input(offset) => {
                inputs.push(Part { offset: *offset, axes: node.axes.clone(), derivative: d });
            }
            Op::Map(f) => self.map(id, *f, &node.args, d)?,
            Op::Reduce(how, _) => {
                let x = node.args[0];
                let factor = match how {
                    Reduction::Sum => one,
                    Reduction::Prod => self.graph.div(id, x),
                    Reduction::Max | Reduction::Min => self.graph.map(F::Eq, &[x, id]),
                };
                let part = self.graph.mul(d, factor);
                self.give(x, part);
            }
            Op::Contract(_) => match node.args[..] {
                [x] => self.give(x, d),
                [a, b] if a == b => {
                    let two = self.graph.scalar(2.0);
                    let twice = self.graph.mul(two, d);
                    let part = self.graph.mul(twice, a);
                    self.give(a, part);
                }
                [a, b] => {
                    for (to, other) in [(a, b), (b, a)] {
                        if !self.graph.is_constant(to) {
                            let over = axis::minus(self.graph.axes(other), self.graph.axes(to));
                            // The derivative may lack axes of the result along which the operand is repeated.
                            let own = axis::minus(&node.axes, self.graph.axes(to));
                            let over = axis::union(&over, &own);
                            let part = self.graph.contract(d, other, &over);
                            self.give(to, part);
                        }
                    }
                }
                _ => {}
            },
            Op::Take(_) if let Op::Forward(op) = self.graph.node(node.args[0]).op => self.forward(op, node.args[0], d),
            Op::Take(along) => {
                let (x, index) = (node.args[0], node.args[1]);
                let rest = axis::minus(self.graph.axes(x), &[*along]);
                let over = axis::minus(self.graph.axes(index), &rest);
                let part = self.graph.spread(d, index, *along, &over);
                self.give(x, part);
            }
            Op::Rename(from, to) => {
                let part = self.graph.rename(d, *to, *from);
                self.give(node.args[0], part);
            }
            Op::Stack(along) => {
                for (k, item) in node.args.iter().enumerate() {
                    let k = self.graph.scalar(k as f64);
                    let part = self.graph.take(d, *along, k);
                    let over = axis::minus(&axis::minus(&node.axes, &[*along]), self.graph.axes(*item));
                    let part = self.graph.contract(part, one, &over);
                    self.give(*item, part);
                }
            }
            Op::Join(first, second, joined) => {
                let mut start = 0.0;
                for (item, own) in node.args.iter().zip([first, second]) {
                    let count = self.graph.count(*own);
                    let offset = self.graph.scalar(start);
                    let index = self.graph.add(count, offset);
                    let part = self.graph.take(d, *joined, index);
                    let rest = axis::union(&axis::minus(&node.axes, &[*joined]), &[*own]);
                    let over = axis::minus(&rest, self.graph.axes(*item));
                    let part = self.graph.contract(part, one, &over);
                    self.give(*item, part);
                    start += f64::from(own.extent);
                }
            }
            Op::Constrain { shape, from, to } | Op::Jacobian { shape, from, to } => {
                let x = node.args[0];
                let zero = self.graph.scalar(0.0);
                let axes = self.graph.axes(x).to_vec();
                let args = if matches!(node.op, Op::Constrain { .. }) { vec![x, d, zero] } else { vec![x, zero, d] };
                let op = Op::ConstrainBack { shape: *shape, from: *from, to: *to };
                let part = self.graph.make(op, args, axes);
                self.give(x, part);
            }
            Op::Linear(linear) => self.linear(id, linear, &node.args, d),
            Op::Later(k) => {
                if let Some(node) = self.graph.later[*k as usize] {
                    let over = axis::minus(self.graph.axes(id), self.graph.axes(node));
                    let part = self.graph.contract(d, one, &over);
                    self.give(node, part);
                }
            }
            Op::Last(scan, k) => {
                let back = self.backward[scan];
                self.graph.scans[back as usize].first[*k as usize] = d;
            }
            Op::State(scan, k) => self.state(*scan, *k, Some(d)),
            Op::Spread { into, over } => {
                let (x, index) = (node.args[0], node.args[1]);
                let part = self.graph.take(d, *into, index);
                let all = axis::union(&axis::union(self.graph.axes(x), self.graph.axes(index)), over);
                let over = axis::minus(&all, self.graph.axes(x));
                let part = self.graph.contract(part, one, &over);
                self.give(x, part);
            }
            Op::Ode(number, false) => self.ode(*number, &node.args, &node.axes, d),
            // What is taken of a record gives its derivatives.
            Op::Forward(_) => {}
            Op::ForwardBack(_) | Op::ConstrainBack { .. } | Op::Ode(_, true) => {
                return Err("a derivative of a derivative".into());
            }
            Op::Finite(..) => return Err("internal error: a finite choice is left in array code".into()),
            Op::Scalar(_) | Op::Data(_) | Op::Count(..) => {}
        }
        Ok(())
    }

    /// The derivative by the state before each step is what the loop back carries on.
    fn state(&mut self, scan: u32, k: u32, d: Option<Id>) {
        let Some(back) = self.backward.get(&scan).copied() else { return };
        let Some(d) = d else { return };
        self.graph.scans[back as usize].next[k as usize] = d;
        let forward = self.graph.scans[scan as usize].clone();
        let start = if forward.reversed { f64::from(forward.axis.extent) - 1.0 } else { 0.0 };
        let start = self.graph.scalar(start);
        let at_start = self.graph.take(d, forward.axis, start);
        let first = forward.first[k as usize];
        let axes = axis::minus(self.graph.axes(forward.states[k as usize]), &[forward.axis]);
        let over = axis::minus(&axes, self.graph.axes(first));
        let one = self.graph.scalar(1.0);
        let part = self.graph.contract(at_start, one, &over);
        self.give(first, part);
    }

    fn map(&mut self, id: Id, f: F, args: &[Id], d: Id) -> Result<(), String> {
        let graph = &mut *self.graph;
        let one = graph.scalar(1.0);
        match (f, args) {
            (F::Add, [a, b]) => {
                self.give_product(id, *a, d, one);
                self.give_product(id, *b, d, one);
            }
            (F::Sub, [a, b]) => {
                let minus = self.graph.scalar(-1.0);
                self.give_product(id, *a, d, one);
                self.give_product(id, *b, d, minus);
            }
            (F::Neg, [a]) => {
                let minus = graph.scalar(-1.0);
                self.give_product(id, *a, d, minus);
            }
            (F::Mul, [a, b]) if a == b => {
                let two = graph.scalar(2.0);
                let twice = graph.mul(two, *a);
                self.give_product(id, *a, d, twice);
            }
            (F::Mul, [a, b]) => {
                self.give_product(id, *a, d, *b);
                self.give_product(id, *b, d, *a);
            }
            (F::Div, [a, b]) => {
                let inverse = graph.div(one, *b);
                self.give_product(id, *a, d, inverse);
                if !self.graph.is_constant(*b) {
                    let ratio = self.graph.mul(id, inverse);
                    let ratio = self.graph.neg(ratio);
                    self.give_product(id, *b, d, ratio);
                }
            }
            (F::Pow, [a, b]) => {
                if !graph.is_constant(*a) {
                    let less = graph.sub(*b, one);
                    let power = graph.map(F::Pow, &[*a, less]);
                    let factor = graph.mul(*b, power);
                    self.give_product(id, *a, d, factor);
                }
                if !self.graph.is_constant(*b) {
                    let factor = self.graph.prim("xlogy", &[id, *a]);
                    self.give_product(id, *b, d, factor);
                }
            }
            (F::Rem, [a, b]) => {
                let ratio = graph.div(*a, *b);
                let whole = graph.prim("floor", &[ratio]);
                let minus = graph.neg(whole);
                self.give_product(id, *a, d, one);
                self.give_product(id, *b, d, minus);
            }
            (F::Select, [c, a, b]) => {
                let zero = graph.scalar(0.0);
                let (x, y) = (graph.select(*c, d, zero), graph.select(*c, zero, d));
                self.give_product(id, *a, x, one);
                self.give_product(id, *b, y, one);
            }
            (F::Mask, [a, b]) => {
                self.give_product(id, *a, d, *b);
                self.give_product(id, *b, d, *a);
            }
            (F::Lt | F::Le | F::Eq | F::Not | F::And | F::Or | F::Detach, _) => {}
            (F::Prim(row), args) => {
                let Some(row) = crate::prim::row(row as usize) else { return Ok(()) };
                for (k, arg) in args.iter().enumerate() {
                    if self.graph.is_constant(*arg) {
                        continue;
                    }
                    let text = row.derivative.get(k).copied().unwrap_or("");
                    if text.is_empty() {
                        continue;
                    }
                    let guarded = self.graph.node(id).guarded;
                    let guard = std::mem::replace(&mut self.graph.guard, guarded);
                    let factor = formula::node(self.graph, text, row.signature, args, id);
                    self.graph.guard = guard;
                    match factor {
                        Some(factor) if self.graph.number(factor).is_none_or(|x| !x.is_nan()) => {
                            self.give_product(id, *arg, d, factor);
                        }
                        _ => return Err(format!("`{}` has no derivative by its parameter {}", row.name(), k + 1)),
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The derivatives by what an equation depends on: sums over the solution, of which each number has its own.
    fn ode(&mut self, number: u32, args: &[Id], axes: &[Axis], d: Id) {
        let graph = &mut *self.graph;
        let ode = std::sync::Arc::clone(&graph.odes[number as usize]);
        if !graph.differentiated.contains(&number) {
            graph.differentiated.push(number);
        }
        let all = axis::union(axes, &[ode.parts]);
        let parts = graph.insert(Op::Ode(number, true), args.to_vec(), all);
        let sums = graph.contract(d, parts, &[ode.time, ode.state]);
        let first = graph.insert(Op::Count(ode.state, 1), Vec::new(), vec![ode.state]);
        let mut indices = vec![(args[0], first)];
        let mut start = 1 + ode.code.states;
        for (leaf, own) in args[3..].iter().zip(&ode.leaves) {
            let size = axis::size(own);
            let data = (start..start + size).map(|k| k as f64).collect();
            indices.push((*leaf, graph.array(std::sync::Arc::new(data), own.clone())));
            start += size;
        }
        for (to, index) in indices {
            if self.graph.is_constant(to) {
                continue;
            }
            self.give_from(sums, ode.parts, index, to);
        }
    }

    /// The derivatives by what forward recursions are made of, from that by the weights after their last step.
    fn forward(&mut self, op: Forward, record: Id, d: Id) {
        let args = self.graph.node(record).args.clone();
        let lanes = axis::minus(self.graph.axes(record), &[op.record]);
        let all = axis::union(&lanes, &[op.parts]);
        let back = self.graph.make(Op::ForwardBack(op), vec![record, args[1], d], all);
        let axes = [vec![op.to], op.table_axes(), op.emit_axes()];
        for ((to, own), start) in args.into_iter().zip(axes).zip(op.starts()) {
            if self.graph.is_constant(to) {
                continue;
            }
            let places = (start..start + axis::size(&own)).map(|k| k as f64).collect();
            let index = self.graph.array(std::sync::Arc::new(places), own);
            self.give_from(back, op.parts, index, to);
        }
    }

    /// Gives an operand its derivative, which lies at these places of an axis, summed over the axes that it lacks.
    fn give_from(&mut self, all: Id, along: Axis, places: Id, to: Id) {
        let part = self.graph.take(all, along, places);
        let over = axis::minus(self.graph.axes(part), self.graph.axes(to));
        let one = self.graph.scalar(1.0);
        let part = self.graph.contract(part, one, &over);
        self.give(to, part);
    }

    fn linear(&mut self, id: Id, linear: &Linear, args: &[Id], d: Id) {
        let node_axes = self.graph.axes(id).to_vec();
        match linear {
            Linear::Cholesky(row, col) => {
                let axes = axis::union(&axis::union(&node_axes, &[*row]), &[*col]);
                let back = Op::Linear(Linear::CholeskyBack(*row, *col));
                let part = self.graph.make(back, vec![id, d], axes.clone());
                let over = axis::minus(&axes, self.graph.axes(args[0]));
                let one = self.graph.scalar(1.0);
                let part = self.graph.contract(part, one, &over);
                self.give(args[0], part);
            }
            Linear::SolveLower { row, col, transposed } | Linear::SolveUpper { row, col, transposed } => {
                let lower = matches!(linear, Linear::SolveLower { .. });
                let (l, b) = (args[0], args[1]);
                let db = self.graph.solve(l, d, *row, *col, lower, !transposed);
                let one = self.graph.scalar(1.0);
                let over = axis::minus(self.graph.axes(db), self.graph.axes(b));
                let part = self.graph.contract(db, one, &over);
                self.give(b, part);
                if self.graph.is_constant(l) {
                    return;
                }
                // The solution lies along one axis of the matrix, the derivative by the right-hand side along the other.
                let all = axis::union(self.graph.axes(db), self.graph.axes(id));
                let over: Axes = axis::minus(&all, self.graph.axes(l));
                let over: Axes = over.into_iter().filter(|a| a != row && a != col).collect();
                let minus = self.graph.neg(db);
                let part = self.graph.contract(minus, id, &over);
                let (i, j) = (self.graph.count(*row), self.graph.count(*col));
                let inside = if lower { self.graph.map(F::Le, &[j, i]) } else { self.graph.map(F::Le, &[i, j]) };
                let part = self.graph.mul(part, inside);
                self.give(l, part);
            }
            Linear::Inverse(row, col) => {
                let fresh = |k: u32| Axis { extent: row.extent, level: 2000 + k };
                let (p, q, t) = (fresh(1), fresh(2), fresh(3));
                // -sum over p, q of inverse[p, row] d[p, q] inverse[col, q]
                let swap = |graph: &mut Graph, x: Id, from: [Axis; 2], to: [Axis; 2]| {
                    let x = graph.rename(x, from[0], t);
                    let x = graph.rename(x, from[1], to[1]);
                    graph.rename(x, t, to[0])
                };
                let left = swap(self.graph, id, [*row, *col], [p, *row]);
                let middle = swap(self.graph, d, [*row, *col], [p, q]);
                let right = swap(self.graph, id, [*row, *col], [*col, q]);
                let first = self.graph.contract(left, middle, &[p]);
                let second = self.graph.contract(first, right, &[q]);
                let part = self.graph.neg(second);
                self.give(args[0], part);
            }
            Linear::LogDet(row, col) => {
                let axes = self.graph.axes(args[0]).to_vec();
                let inverse = self.graph.make(Op::Linear(Linear::Inverse(*row, *col)), vec![args[0]], axes);
                let t = Axis { extent: row.extent, level: 2003 };
                let flipped = self.graph.rename(inverse, *row, t);
                let flipped = self.graph.rename(flipped, *col, *row);
                let flipped = self.graph.rename(flipped, t, *col);
                let part = self.graph.mul(d, flipped);
                self.give(args[0], part);
            }
            Linear::CholeskyBack(..) => {}
        }
    }
}
