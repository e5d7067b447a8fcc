//! Makes nodes anew where some have become others.

use super::graph::{Graph, Id, Op};
use std::collections::{HashMap, HashSet};

/// Rewrites every loop there is, if it can be; gives what roots are then.
pub fn each_scan(
    graph: &mut Graph,
    roots: &[Id],
    rewrite: impl Fn(&mut Graph, u32, &[Id]) -> Option<Vec<Id>>,
) -> Vec<Id> {
    let mut roots = roots.to_vec();
    for number in 0..graph.scans.len() as u32 {
        if let Some(new) = rewrite(graph, number, &roots) {
            roots = new;
        }
    }
    roots
}

/// Puts what nodes have become into all loops but one; gives what roots are then.
pub fn put_in_place(graph: &mut Graph, roots: &[Id], new: &HashMap<Id, Id>, except: u32) -> Vec<Id> {
    let of = |id: Id| new.get(&id).copied().unwrap_or(id);
    for (_, scan) in graph.scans.iter_mut().enumerate().filter(|(k, _)| *k != except as usize) {
        scan.first.iter_mut().chain(&mut scan.next).for_each(|id| *id = of(*id));
    }
    roots.iter().map(|id| of(*id)).collect()
}

/// What nodes become where those given are others; none where promises wait for each other. `order` has what is needed, `rule` may name a
/// node instead of making one of an operation and its new operands.
pub fn remake(
    graph: &mut Graph,
    order: Vec<Id>,
    given: HashMap<Id, Id>,
    rule: impl Fn(&Op, &[Id]) -> Option<Id>,
) -> Option<HashMap<Id, Id>> {
    let waits: HashSet<Id> = order.iter().copied().collect();
    let mut waiting: Vec<Id> = order.into_iter().filter(|id| !given.contains_key(id)).collect();
    let mut new = given;
    // Promises may stand for what comes after them.
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|id| match made(graph, *id, &new, &waits, &rule) {
            Some(node) => {
                new.insert(*id, node);
                false
            }
            None => true,
        });
        if waiting.len() == before {
            return None;
        }
    }
    Some(new)
}

/// What a node becomes; none where that of an operand is not known yet.
fn made(
    graph: &mut Graph,
    id: Id,
    new: &HashMap<Id, Id>,
    waits: &HashSet<Id>,
    rule: &impl Fn(&Op, &[Id]) -> Option<Id>,
) -> Option<Id> {
    let of = |id: Id| new.get(&id).copied().or((!waits.contains(&id)).then_some(id));
    let node = graph.node(id).clone();
    match node.op {
        Op::State(..) | Op::Last(..) => return Some(id),
        Op::Later(k) => return graph.later[k as usize].map_or(Some(id), of),
        _ => {}
    }
    let args = node.args.iter().map(|a| of(*a)).collect::<Option<Vec<Id>>>()?;
    if let Some(other) = rule(&node.op, &args) {
        return Some(other);
    }
    if args == node.args {
        return Some(id);
    }
    let guard = std::mem::replace(&mut graph.guard, node.guarded);
    let made = graph.make(node.op, args, node.axes);
    graph.guard = guard;
    Some(made)
}
