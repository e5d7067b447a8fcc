//! Loops that are forward recursions become one operation.
//!
//! What is carried is the log weight of each state, and each step makes of it `emit + log Σ exp(weight + table)`, whether a program says so or
//! finite choices were summed out along a chain. See [`super::forward`] for why that is faster in another form.

use super::axis::{self, Axis};
use super::derive::complete_order;
use super::forward::Forward;
use super::graph::{F, Graph, Id, Op};
use super::remake::{each_scan, put_in_place, remake};
use std::collections::{HashMap, HashSet};

/// States up to which tables are worth it.
const MOST_STATES: u32 = 1024;
/// Terms of a step. A sum of shared sums may have any number.
const MOST_TERMS: usize = 64;

/// What roots are after the rewriting; the same where there is nothing to rewrite.
pub fn recognise(graph: &mut Graph, roots: &[Id]) -> Vec<Id> {
    each_scan(graph, roots, rewrite)
}

/// Terms of a sum; those that are taken from it have `true`.
type Terms = Vec<(Id, bool)>;

/// A recursion as it is found in a loop.
struct Found {
    /// What is taken from the start, if the first step is not made.
    start: Option<Id>,
    from: Axis,
    to: Axis,
    /// The states in what the loop carries.
    carried: Axis,
    table: Terms,
    emit: Terms,
}

fn rewrite(graph: &mut Graph, number: u32, roots: &[Id]) -> Option<Vec<Id>> {
    let scan = graph.scans[number as usize].clone();
    let ([state], [first], [next]) = (&scan.states[..], &scan.first[..], &scan.next[..]) else { return None };
    if scan.reversed {
        return None;
    }
    let order = complete_order(graph, roots);
    if !order.contains(state) {
        return None;
    }
    let inside = depending(graph, &order, *state);
    let found = step(graph, (*state, *first, *next), scan.axis, &inside)?;
    // Nothing else sees what the loop carries, and it is not within another loop.
    let others = graph.scans.iter().enumerate().filter(|(k, _)| *k != number as usize);
    let seen = others.flat_map(|(_, s)| s.first.iter().chain(&s.next)).chain(roots).chain([first]);
    let outside: Vec<Id> =
        found.table.iter().chain(&found.emit).map(|(id, _)| *id).chain([*first]).chain(found.start).collect();
    let states: Vec<Id> = graph.scans.iter().flat_map(|s| s.states.iter().copied()).collect();
    if seen.into_iter().any(|id| inside.contains(id))
        || outside.iter().any(|id| graph.reached(*id, &states).contains(&true))
    {
        return None;
    }
    let Found { start, from, to, carried, table, emit } = found;
    let total = |graph: &mut Graph, terms: &[(Id, bool)]| {
        let zero = graph.scalar(0.0);
        terms.iter().fold(zero, |sum, (id, minus)| if *minus { graph.sub(sum, *id) } else { graph.add(sum, *id) })
    };
    let (table, emit) = (total(graph, &table), total(graph, &emit));
    let own = graph.axes(*state).to_vec();
    let zero = graph.scalar(0.0);
    let first = match start {
        Some(start) => graph.take(start, scan.axis, zero),
        None => graph.rename(*first, carried, to),
    };
    let op = Forward::new(scan.axis, from, to, u32::from(start.is_some()), graph.has(table, scan.axis))?;
    let lanes = [first, table, emit].iter().fold(vec![op.record], |all, id| axis::union(&all, graph.axes(*id)));
    let axes = axis::minus(&lanes, &[scan.axis, from, to]);
    let record = graph.make(Op::Forward(op), vec![first, table, emit], axes);
    let place = graph.count(to);
    let last = graph.take(record, op.record, place);
    let last = graph.rename(last, to, carried);
    // Recursions that are alike are one.
    let whole = axis::minus(&own, &[scan.axis]);
    let last = if graph.axes(last) == whole { last } else { graph.broadcast(last, whole) };
    let given: HashMap<Id, Id> =
        order.iter().filter(|id| graph.node(**id).op == Op::Last(number, 0)).map(|id| (*id, last)).collect();
    if given.is_empty() {
        return None;
    }
    let order = order.into_iter().filter(|id| !inside.contains(id)).collect();
    let new = remake(graph, order, given, |_, _| None)?;
    Some(put_in_place(graph, roots, &new, number))
}

/// The nodes that are computed from the state of a loop within its steps.
fn depending(graph: &Graph, order: &[Id], state: Id) -> HashSet<Id> {
    let mut inside = HashSet::from([state]);
    // Promises may stand for what comes after them.
    loop {
        let before = inside.len();
        for id in order {
            let node = graph.node(*id);
            let depends = match node.op {
                Op::Later(k) => graph.later[k as usize].is_some_and(|target| inside.contains(&target)),
                _ => node.args.iter().any(|arg| inside.contains(arg)),
            };
            if depends {
                inside.insert(*id);
            }
        }
        if inside.len() == before {
            return inside;
        }
    }
}

fn settled(graph: &Graph, mut id: Id) -> Id {
    while let Op::Later(k) = graph.node(id).op
        && let Some(target) = graph.later[k as usize]
    {
        id = target;
    }
    id
}

/// The terms of a sum; none where there are very many.
fn terms(graph: &Graph, id: Id, inside: &HashSet<Id>) -> Option<Terms> {
    let (mut out, mut stack) = (Terms::new(), vec![(id, false)]);
    while let Some((id, minus)) = stack.pop() {
        let id = settled(graph, id);
        let node = graph.node(id);
        match (&node.op, &node.args[..]) {
            // What does not depend on the state stays whole.
            _ if !inside.contains(&id) => out.push((id, minus)),
            (Op::Map(F::Add), [a, b]) => stack.extend([(*b, minus), (*a, minus)]),
            (Op::Map(F::Sub), [a, b]) => stack.extend([(*b, !minus), (*a, minus)]),
            _ => out.push((id, minus)),
        }
        if out.len() + stack.len() > MOST_TERMS {
            return None;
        }
    }
    Some(out)
}

/// The one term that depends on the state, which is added, and the others.
fn split(graph: &Graph, id: Id, inside: &HashSet<Id>) -> Option<(Id, Terms)> {
    let all = terms(graph, id, inside)?;
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(id, _)| inside.contains(id));
    match own[..] {
        [(own, false)] => Some((own, others)),
        _ => None,
    }
}

/// The recursion that one step of a loop is.
fn step(graph: &Graph, (state, first, next): (Id, Id, Id), along: Axis, inside: &HashSet<Id>) -> Option<Found> {
    let mut next = settled(graph, next);
    let mut renamed = None;
    let mut start = None;
    loop {
        let node = graph.node(next);
        match node.op {
            Op::Rename(from, to) if renamed.is_none() => {
                renamed = Some((from, to));
                next = settled(graph, node.args[0]);
            }
            Op::Map(F::Select) if start.is_none() && only_first(graph, node.args[0], along) => {
                if inside.contains(&node.args[1]) {
                    return None;
                }
                start = Some(node.args[1]);
                next = settled(graph, node.args[2]);
            }
            _ => break,
        }
    }
    let (x, from, emit) = log_sum(graph, next, inside)?;
    let (weight, table) = split(graph, x, inside)?;
    // The state itself, by another name of its axis or not.
    let (before, carried) = match graph.node(weight).op {
        Op::Rename(own, other) if other == from => (settled(graph, graph.node(weight).args[0]), own),
        _ => (weight, from),
    };
    let to = match renamed {
        Some((own, other)) if other == carried => own,
        Some(_) => return None,
        None => carried,
    };
    let axes = graph.axes(state);
    let fits =
        |id: Id, also: &[Axis]| graph.axes(id).iter().all(|a| also.contains(a) || (*a != carried && axes.contains(a)));
    let right = before == state
        && from != to
        && axes.contains(&along)
        && axes.contains(&carried)
        && ![from, to].contains(&along)
        && from.extent == to.extent
        && to.extent <= MOST_STATES
        && table.iter().all(|(id, _)| fits(*id, &[from, to, along]))
        && emit.iter().all(|(id, _)| fits(*id, &[to, along]))
        && start.is_none_or(|id| fits(id, &[to, along]))
        && fits(first, &[carried]);
    right.then_some(Found { start, from, to, carried, table, emit })
}

/// Whether a condition holds in the first step of a loop and in no other.
fn only_first(graph: &Graph, id: Id, along: Axis) -> bool {
    let Op::Data(k) = graph.node(id).op else { return false };
    graph.axes(id) == [along] && graph.data[k as usize].iter().enumerate().all(|(step, x)| (*x != 0.0) == (step == 0))
}

/// A sum one term of which is `most + log Σ exp(x - most)`: `x`, the axis of the sum, and the other terms.
fn log_sum(graph: &Graph, id: Id, inside: &HashSet<Id>) -> Option<(Id, Axis, Terms)> {
    let all = terms(graph, id, inside)?;
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(id, _)| inside.contains(id));
    let [(a, false), (b, false)] = own[..] else { return None };
    [(a, b), (b, a)].into_iter().find_map(|(log, most)| {
        let of = |id: Id, name: &str| match graph.node(id).op {
            Op::Map(F::Prim(row)) if crate::prim::row(row as usize)?.name() == name => {
                graph.node(id).args.first().copied()
            }
            _ => None,
        };
        let sum = of(log, "log")?;
        let (terms, along) = match (&graph.node(sum).op, &graph.node(sum).args[..]) {
            (Op::Contract(over), [terms]) if over.len() == 1 => (*terms, over[0]),
            (Op::Contract(over), [terms, one]) if over.len() == 1 && graph.number(*one) == Some(1.0) => {
                (*terms, over[0])
            }
            _ => return None,
        };
        let rest = of(terms, "exp")?;
        let node = graph.node(rest);
        (node.op == Op::Map(F::Sub) && node.args[1] == most).then(|| (node.args[0], along, others.clone()))
    })
}

#[cfg(test)]
mod tests {
    use super::super::graph::Scan;
    use super::super::plan;
    use super::super::run::Executor;
    use super::*;
    use std::sync::Arc;

    const STEPS: Axis = Axis { extent: 9, level: 0 };
    const TO: Axis = Axis { extent: 3, level: 1 };
    const FROM: Axis = Axis { extent: 3, level: 2 };

    /// A recursion whose table is the input, with `change` made of the weights after a step.
    fn recursion(change: impl Fn(&mut Graph, Id, Id) -> Id) -> (Graph, Id) {
        recursion_over(&[], change)
    }

    /// The same for many alike.
    fn recursion_over(lanes: &[Axis], change: impl Fn(&mut Graph, Id, Id) -> Id) -> (Graph, Id) {
        let mut graph = Graph::default();
        let table = graph.insert(Op::Input(0), Vec::new(), axis::union(&[TO], &[FROM]));
        let emit =
            graph.array(Arc::new((0..27).map(|k| (k as f64 * 0.7).sin()).collect()), axis::union(&[TO], &[STEPS]));
        let own = axis::union(&[TO], lanes);
        let state = graph.insert(Op::State(0, 0), Vec::new(), axis::union(&own, &[STEPS]));
        let first = graph.count(TO);
        graph.scans.push(Scan {
            axis: STEPS,
            reversed: false,
            states: vec![state],
            first: vec![first],
            next: vec![state],
        });
        let before = graph.rename(state, TO, FROM);
        let x = graph.add(before, table);
        let sum = graph.log_sum_exp(x, FROM);
        let next = change(&mut graph, sum, emit);
        graph.scans[0].next = vec![next];
        let last = graph.insert(Op::Last(0, 0), Vec::new(), own);
        let each = graph.log_sum_exp(last, TO);
        let one = graph.scalar(1.0);
        let root = graph.contract(each, one, lanes);
        (graph, root)
    }

    fn value(graph: &mut Graph, root: Id) -> f64 {
        // Making code rewrites the steps of loops.
        let scans = graph.scans.clone();
        let code = Arc::new(plan::compile(graph, &[root], 9).expect("the graph has code"));
        graph.scans = scans;
        let mut executor = Executor::new(&code);
        executor.run(&[0.3, -1.0, 0.2, 0.0, 2.0, -0.4, 1.5, -3.0, 0.1]);
        executor.root(0)
    }

    fn is_recognised(mut graph: Graph, root: Id) -> bool {
        let before = value(&mut graph, root);
        let found = recognise(&mut graph, &[root])[0];
        let after = value(&mut graph, found);
        assert!((before - after).abs() < 1e-12, "{before} {after}");
        let order = complete_order(&graph, &[found]);
        let any = |f: &dyn Fn(&Op) -> bool| order.iter().any(|id| f(&graph.node(*id).op));
        let (is_new, is_old) = (any(&|op| matches!(op, Op::Forward(_))), any(&|op| matches!(op, Op::State(..))));
        assert_ne!(is_new, is_old);
        is_new
    }

    #[test]
    fn recursions_are_recognised() {
        let (graph, root) = recursion(|graph, sum, emit| graph.add(sum, emit));
        assert!(is_recognised(graph, root));
        let (graph, root) = recursion(|graph, sum, emit| {
            let less = graph.sub(emit, sum);
            let other = graph.sub(sum, emit);
            let both = graph.add(less, other);
            let sum = graph.add(sum, both);
            graph.sub(sum, emit)
        });
        // The weight itself is taken away and added: more than one term depends on it.
        assert!(!is_recognised(graph, root));
        let (graph, root) = recursion(|graph, sum, emit| graph.sub(sum, emit));
        assert!(is_recognised(graph, root));
        let (graph, root) = recursion(|_, sum, _| sum);
        assert!(is_recognised(graph, root));
        let (graph, root) = recursion_over(&[Axis { extent: 4, level: 5 }], |graph, sum, emit| graph.add(sum, emit));
        assert!(is_recognised(graph, root));
    }

    #[test]
    fn other_loops_stay() {
        // What is carried is used otherwise too.
        let (graph, root) = recursion(|graph, sum, emit| {
            let half = graph.scalar(0.5);
            let sum = graph.mul(sum, half);
            graph.add(sum, emit)
        });
        assert!(!is_recognised(graph, root));
        // A sum of more terms than can be counted.
        let (graph, root) = recursion(|graph, sum, emit| {
            let mut much = graph.add(sum, emit);
            for _ in 0..60 {
                much = graph.add(much, much);
            }
            let tiny = graph.scalar(1e-18);
            let much = graph.mul(tiny, much);
            let half = graph.sub(much, sum);
            graph.add(sum, half)
        });
        assert!(!is_recognised(graph, root));
        // The weights of all steps are seen.
        let (mut graph, root) = recursion(|graph, sum, emit| graph.add(sum, emit));
        let state = graph.scans[0].states[0];
        let one = graph.scalar(1.0);
        let all = graph.contract(state, one, &axis::union(&[TO], &[STEPS]));
        let root = graph.add(root, all);
        assert!(!is_recognised(graph, root));
    }
}
