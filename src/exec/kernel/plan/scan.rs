//! Code of loops with a carried dependence: the elements of each step one by one.

use super::super::axis::{self, Axes, Axis};
use super::super::code::*;
use super::super::graph::{Id, Op, Reduction};
use super::{Plan, kernel};
use std::collections::HashMap;

/// Operations of one step of a scan.
const MOST_STEP_OPS: usize = 40_000;

/// Slots of the elements of nodes within a step.
struct Slots {
    of: HashMap<Id, Vec<u32>>,
    count: u32,
    along: Axis,
}

impl Slots {
    fn fresh(&mut self, n: usize) -> u32 {
        self.count += n as u32;
        self.count - n as u32
    }
}

impl Plan<'_> {
    /// The code of a scan.
    pub(super) fn scan(&mut self, number: u32) -> Result<(), String> {
        let graph = self.graph;
        let scan = &graph.scans[number as usize];
        let body = &self.bodies[&number];
        let (nodes, along) = (body.nodes.clone(), scan.axis);
        let steps = along.extent as usize;
        let mut code = ScanCode { steps, reversed: scan.reversed, ..ScanCode::default() };
        let mut slots = Slots { of: HashMap::new(), count: 0, along };
        // The states come first.
        let mut states = Vec::new();
        for (k, state) in scan.states.iter().enumerate() {
            let own = axis::minus(graph.axes(*state), &[along]);
            let n = axis::size(&own);
            let start = slots.fresh(n);
            slots.of.insert(*state, (start..start + n as u32).collect());
            states.push((k, *state, own, start));
        }
        for id in &nodes {
            if matches!(graph.node(*id).op, Op::State(s, _) if s == number) {
                continue;
            }
            self.step(*id, &mut slots, &mut code)?;
            if code.ops.len() > MOST_STEP_OPS {
                return Err("a loop, of which each step needs the one before, with too much work in a step".into());
            }
        }
        for (k, state, own, start) in states {
            let axes = graph.axes(state).to_vec();
            let kept = self.allocate(state, axis::size(&axes));
            let kept_step = axis::strides(&axes, &[along])[0];
            let kept_at = axis::strides(&axes, &own);
            let last = self.code.memory;
            self.code.memory += axis::size(&own);
            let last_op = graph.nodes.iter().position(|n| n.op == Op::Last(number, k as u32));
            if let Some(at) = last_op {
                self.place.insert(Id(at as u32), Source { base: Base::Memory, start: last });
            }
            let first = scan.first[k];
            let source = self.source(first)?;
            let from = axis::strides(graph.axes(first), &own);
            let next = self.elements(scan.next[k], &own, &mut slots, &mut code)?;
            let mut n = 0;
            axis::walk(&own, [&from, &kept_at], |[i, o]| {
                code.states.push(StateCode {
                    first: Source { base: source.base, start: source.start + i },
                    slot: start + n as u32,
                    next: next[n],
                    kept: kept + o,
                    kept_step,
                    last: last + n,
                });
                n += 1;
            });
        }
        code.slots = slots.count as usize;
        code.apart =
            !code.states.iter().any(|s| code.states.iter().any(|other| other.slot == s.next && other.slot != s.slot));
        (code.work, code.places) = together(&code.ops);
        fuse(&mut code);
        self.code.instrs.push(Instr::Scan(Box::new(code)));
        Ok(())
    }

    /// The slots of a node's elements over axes, within a step.
    fn elements(&mut self, id: Id, over: &[Axis], slots: &mut Slots, code: &mut ScanCode) -> Result<Vec<u32>, String> {
        let graph = self.graph;
        let along = slots.along;
        let own = axis::minus(graph.axes(id), &[along]);
        if !slots.of.contains_key(&id) {
            // From outside: loaded before each step, or once.
            let mut found = Vec::new();
            if let Some(x) = graph.number(id) {
                let slot = slots.fresh(1);
                code.constants.push((slot, x));
                found.push(slot);
            } else {
                let source = self.source(id)?;
                let axes = graph.axes(id).to_vec();
                let step = axis::strides(&axes, &[along])[0];
                let moves = graph.has(id, along);
                let strides = axis::strides(&axes, &own);
                axis::walk(&own, [&strides], |[i]| {
                    let slot = slots.fresh(1);
                    let source = Source { base: source.base, start: source.start + i };
                    if moves {
                        code.loads.push((slot, source, step));
                    } else {
                        code.once.push((slot, source));
                    }
                    found.push(slot);
                });
            }
            slots.of.insert(id, found);
        }
        let all = &slots.of[&id];
        let mut out = Vec::with_capacity(axis::size(over));
        axis::walk(over, [&axis::strides(&own, over)], |[i]| out.push(all[i]));
        Ok(out)
    }

    /// The operations of a node within a step of a scan.
    fn step(&mut self, id: Id, slots: &mut Slots, code: &mut ScanCode) -> Result<(), String> {
        let graph = self.graph;
        let node = graph.node(id).clone();
        let along = slots.along;
        let own = axis::minus(&node.axes, &[along]);
        let n = axis::size(&own);
        let found = match &node.op {
            Op::Map(f) => {
                let kernel = kernel(*f)?;
                let args =
                    node.args.iter().map(|a| self.elements(*a, &own, slots, code)).collect::<Result<Vec<_>, _>>()?;
                (0..n)
                    .map(|k| {
                        let mut operands = [0; 3];
                        for (to, arg) in operands.iter_mut().zip(&args) {
                            *to = arg[k];
                        }
                        let to = slots.fresh(1);
                        code.ops.push(ScalarOp { kernel, to, args: operands });
                        to
                    })
                    .collect()
            }
            Op::Contract(over) if over.contains(&along) => {
                return Err("a sum over the steps of a loop within a step".into());
            }
            Op::Contract(_) | Op::Reduce(..) => {
                let over = self.reduced(id);
                if over.contains(&along) {
                    return Err("a reduction over the steps of a loop within a step".into());
                }
                let all = axis::union(&own, &over);
                let kernel = match node.op {
                    Op::Reduce(Reduction::Max, _) => Kernel::Max,
                    Op::Reduce(Reduction::Min, _) => Kernel::Min,
                    Op::Reduce(Reduction::Prod, _) => Kernel::Mul,
                    _ => Kernel::Add,
                };
                let args =
                    node.args.iter().map(|a| self.elements(*a, &all, slots, code)).collect::<Result<Vec<_>, _>>()?;
                let mut targets = Vec::new();
                axis::walk(&all, [&axis::strides(&own, &all)], |[o]| targets.push(o));
                let mut terms: Vec<Vec<u32>> = vec![Vec::new(); n];
                for (at, o) in targets.into_iter().enumerate() {
                    terms[o].push(match args.get(1) {
                        Some(second) => {
                            let to = slots.fresh(1);
                            code.ops.push(ScalarOp { kernel: Kernel::Mul, to, args: [args[0][at], second[at], 0] });
                            to
                        }
                        None => args[0][at],
                    });
                }
                // One term of each sum after the other, so that equal operations are neighbours.
                let mut sums: Vec<Option<u32>> = terms.iter().map(|t| t.first().copied()).collect();
                for k in 1..terms.iter().map(Vec::len).max().unwrap_or(0) {
                    for (sum, terms) in sums.iter_mut().zip(&terms) {
                        if let (Some(before), Some(term)) = (*sum, terms.get(k)) {
                            let to = slots.fresh(1);
                            code.ops.push(ScalarOp { kernel, to, args: [before, *term, 0] });
                            *sum = Some(to);
                        }
                    }
                }
                sums.into_iter().map(Option::unwrap_or_default).collect()
            }
            Op::Rename(from, to) => {
                if *to == along || *from == along {
                    return Err("an array over the steps of a loop within a step".into());
                }
                let renamed: Axes = own.iter().map(|a| if a == to { *from } else { *a }).collect();
                self.elements(node.args[0], &renamed, slots, code)?
            }
            Op::Take(by) => {
                let (x, index) = (node.args[0], node.args[1]);
                if *by == along || graph.has(index, along) {
                    return Err(
                        "an element, at a place that changes from step to step, of an array that a loop carries".into(),
                    );
                }
                let positions = self.index(index)?;
                let x_own = axis::minus(graph.axes(x), &[along]);
                let all = self.elements(x, &x_own, slots, code)?;
                let mut free = axis::strides(&x_own, &own);
                if let Some(place) = own.iter().position(|a| a == by) {
                    free[place] = 0;
                }
                let step = axis::strides(&x_own, &[*by])[0];
                let at = axis::strides(graph.axes(index), &own);
                let mut out = Vec::new();
                axis::walk(&own, [&free, &at], |[base, i]| out.push(all[base + positions[i] as usize * step]));
                out
            }
            Op::Spread { into, over } => {
                let (x, index) = (node.args[0], node.args[1]);
                if graph.has(index, along) || over.contains(&along) {
                    return Err("a sum at places that change from step to step".into());
                }
                let positions = self.index(index)?;
                let x_own = axis::minus(graph.axes(x), &[along]);
                let all = axis::union(&axis::union(&x_own, graph.axes(index)), over);
                let items = self.elements(x, &all, slots, code)?;
                let mut free = axis::strides(&own, &all);
                for (stride, axis) in free.iter_mut().zip(&all) {
                    if over.contains(axis) {
                        *stride = 0;
                    }
                }
                let step = axis::strides(&own, &[*into])[0];
                let mut sums: Vec<Option<u32>> = vec![None; n];
                let mut pairs = Vec::new();
                axis::walk(&all, [&axis::strides(graph.axes(index), &all), &free], |[j, k]| {
                    pairs.push(k + positions[j] as usize * step);
                });
                for (item, o) in items.iter().zip(pairs) {
                    sums[o] = Some(match sums[o] {
                        None => *item,
                        Some(sum) => {
                            let to = slots.fresh(1);
                            code.ops.push(ScalarOp { kernel: Kernel::Add, to, args: [sum, *item, 0] });
                            to
                        }
                    });
                }
                let zero = slots.fresh(1);
                code.constants.push((zero, 0.0));
                sums.into_iter().map(|s| s.unwrap_or(zero)).collect()
            }
            Op::Stack(by) => {
                let rest = axis::minus(&own, &[*by]);
                let (step, into) = (axis::strides(&own, &[*by])[0], axis::strides(&own, &rest));
                let mut out = vec![0; n];
                for (k, item) in node.args.iter().enumerate() {
                    let items = self.elements(*item, &rest, slots, code)?;
                    let mut at = 0;
                    axis::walk(&rest, [&into], |[o]| {
                        out[o + k * step] = items[at];
                        at += 1;
                    });
                }
                out
            }
            Op::Join(first, second, joined) if ![*first, *second, *joined].contains(&along) => {
                let rest = axis::minus(&own, &[*joined]);
                let (step, into) = (axis::strides(&own, &[*joined])[0], axis::strides(&own, &rest));
                let mut out = vec![0; n];
                let mut before = 0;
                for (item, by) in node.args.iter().zip([first, second]) {
                    for k in 0..by.extent {
                        let item_own = axis::minus(graph.axes(*item), &[along]);
                        let all = self.elements(*item, &item_own, slots, code)?;
                        let strides = axis::strides(&item_own, &rest);
                        let inner = axis::strides(&item_own, &[*by])[0];
                        axis::walk(&rest, [&strides, &into], |[i, o]| {
                            out[o + (before + k as usize) * step] = all[i + k as usize * inner];
                        });
                    }
                    before += by.extent as usize;
                }
                out
            }
            Op::State(..) | Op::Last(..) => {
                return Err("a loop within a loop, each of which needs the step before".into());
            }
            _ => return Err("a factorization or a solve within a loop of which each step needs the one before".into()),
        };
        slots.of.insert(id, found);
        Ok(())
    }
}

/// Neighbouring operations of one kind, none of which needs another, as one; and the places of operands that do not lie in a row.
fn together(ops: &[ScalarOp]) -> (Vec<Work>, Vec<u32>) {
    let (mut groups, mut places) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at < ops.len() {
        let first = &ops[at];
        let fits = |k: usize| {
            let op = &ops[at + k];
            std::mem::discriminant(&op.kernel) == std::mem::discriminant(&first.kernel)
                && same_function(op.kernel, first.kernel)
                && op.to == first.to + k as u32
                && op.args.iter().all(|a| *a < first.to)
        };
        let count = (1..MOST_TOGETHER.min(ops.len() - at)).take_while(|k| fits(*k)).count() + 1;
        if count == 1 || first.args.iter().any(|a| *a >= first.to) {
            groups.push(Work::One(*first));
            at += 1;
            continue;
        }
        let run = &ops[at..at + count];
        let args = [0, 1, 2].map(|k| {
            let start = first.args[k];
            if run.iter().all(|op| op.args[k] == start) {
                Lane::Same(start)
            } else if run.iter().enumerate().all(|(i, op)| op.args[k] == start + i as u32) {
                Lane::Row(start)
            } else {
                places.extend(run.iter().map(|op| op.args[k]));
                Lane::Places(places.len() as u32 - count as u32)
            }
        });
        groups.push(Work::Many(Group { kernel: first.kernel, to: first.to, count: count as u32, args }));
        at += count;
    }
    (groups, places)
}

fn same_function(a: Kernel, b: Kernel) -> bool {
    match (a, b) {
        (Kernel::One(f), Kernel::One(g)) => std::ptr::fn_addr_eq(f, g),
        (Kernel::Two(f), Kernel::Two(g)) => std::ptr::fn_addr_eq(f, g),
        (Kernel::Three(f), Kernel::Three(g)) => std::ptr::fn_addr_eq(f, g),
        _ => true,
    }
}

/// Makes one operation of a product and the only sum that uses it.
fn fuse(code: &mut ScanCode) {
    let mut uses = vec![0u32; code.slots];
    let mut used = |slot: u32| uses[slot as usize] += 1;
    for op in &code.ops {
        op.args.iter().for_each(|a| used(*a));
    }
    code.states.iter().for_each(|s| used(s.next));
    let mut products: HashMap<u32, usize> = HashMap::new();
    let mut gone = vec![false; code.work.len()];
    for k in 0..code.work.len() {
        let Work::One(op) = code.work[k] else { continue };
        match op.kernel {
            // Operands that are not used are slot 0, which may count them.
            Kernel::Mul if uses[op.to as usize] == 1 => {
                products.insert(op.to, k);
            }
            Kernel::Add => {
                let found = [(op.args[0], op.args[1]), (op.args[1], op.args[0])]
                    .into_iter()
                    .find_map(|(product, other)| products.get(&product).map(|at| (*at, other)));
                if let Some((at, other)) = found
                    && let Work::One(product) = code.work[at]
                    && !gone[at]
                {
                    gone[at] = true;
                    let args = [product.args[0], product.args[1], other];
                    code.work[k] = Work::One(ScalarOp { kernel: Kernel::MulAdd, to: op.to, args });
                }
            }
            _ => {}
        }
    }
    let mut k = 0;
    code.work.retain(|_| {
        k += 1;
        !gone[k - 1]
    });
}
