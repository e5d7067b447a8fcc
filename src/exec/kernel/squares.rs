//! Loops that carry a square root, of which the next step needs the square, carry the square instead.
//!
//! A variance follows from the one before by products and sums, its root by a root in every step, for which the next step waits. The
//! roots of all steps are then one operation on an array.

use super::derive::complete_order;
use super::graph::{F, Graph, Id, Op, Scan};
use super::remake::{each_scan, put_in_place, remake};
use std::collections::HashMap;

/// What roots are after the rewriting; the same where there is nothing to rewrite.
pub fn carry_squares(graph: &mut Graph, roots: &[Id]) -> Vec<Id> {
    each_scan(graph, roots, rewrite)
}

/// The operand of a root that a node is, through promises.
fn under_root(graph: &Graph, mut id: Id) -> Option<Id> {
    while let Op::Later(k) = graph.node(id).op {
        id = graph.later[k as usize]?;
    }
    match graph.node(id).op {
        Op::Map(F::Prim(row)) if crate::prim::row(row as usize)?.name() == "sqrt" => Some(graph.node(id).args[0]),
        _ => None,
    }
}

/// Whether a number is never negative; it may be none.
fn never_negative(graph: &Graph, id: Id, depth: usize) -> bool {
    let node = graph.node(id);
    if node.range.low >= 0.0 {
        return true;
    }
    let all = |args: &[Id]| depth < 16 && args.iter().all(|a| never_negative(graph, *a, depth + 1));
    match node.op {
        Op::Map(F::Mul) if node.args[0] == node.args[1] => true,
        Op::Map(F::Mul | F::Add | F::Div) => all(&node.args),
        Op::Later(k) => graph.later[k as usize].is_some_and(|target| all(&[target])),
        Op::Map(F::Prim(row)) => crate::prim::row(row as usize).is_some_and(|row| matches!(row.name(), "sqrt" | "exp")),
        _ => false,
    }
}

/// The rewriting for one scan, if its only state is the root of what is never negative and depends on the state by its square alone.
fn rewrite(graph: &mut Graph, number: u32, roots: &[Id]) -> Option<Vec<Id>> {
    let scan = graph.scans[number as usize].clone();
    let ([state], [first], [next]) = (&scan.states[..], &scan.first[..], &scan.next[..]) else { return None };
    let inside = under_root(graph, *next)?;
    // Squares of a first value of moderate size are exact enough, and its root is the value itself.
    let start = graph.number(*first)?;
    if !never_negative(graph, inside, 0) || !(1e-100..1e100).contains(&start) {
        return None;
    }
    let order = complete_order(graph, roots);
    if !order.contains(state) {
        return None;
    }
    let own = graph.scans.len() as u32;
    let axes = graph.axes(*state).to_vec();
    let square = graph.insert(Op::State(own, 0), Vec::new(), axes);
    let root = graph.prim("sqrt", &[square]);
    let squared_start = graph.scalar(start * start);
    graph.scans.push(Scan {
        axis: scan.axis,
        reversed: scan.reversed,
        states: vec![square],
        first: vec![squared_start],
        next: vec![square],
    });
    let mut given = HashMap::from([(*state, root)]);
    for id in &order {
        if graph.node(*id).op == Op::Last(number, 0) {
            let axes = graph.axes(*id).to_vec();
            let last = graph.insert(Op::Last(own, 0), Vec::new(), axes);
            given.insert(*id, graph.prim("sqrt", &[last]));
        }
    }
    let squared = |op: &Op, args: &[Id]| (*op == Op::Map(F::Mul) && args == [root, root]).then_some(square);
    let new = remake(graph, order, given, squared)?;
    let next = new.get(&inside).copied().unwrap_or(inside);
    if graph.reached(next, &[root])[0] {
        return None;
    }
    graph.scans[own as usize].next = vec![next];
    Some(put_in_place(graph, roots, &new, own))
}
