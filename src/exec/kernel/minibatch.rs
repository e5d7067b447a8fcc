//! A log density that looks at some of the data only: a sum over a plate becomes a scaled sum over some of its elements.
//!
//! A plate is an axis along which nothing is chosen and everything is elementwise up to a sum that enters the density linearly. Sums that
//! do not enter linearly stay whole, so that the mean over the parts of a partition is the density.

use super::axis::{self, Axis};
use super::graph::{F, Graph, Id, Op};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Densities by minibatches.
pub struct Minibatches {
    /// The density of each part of the data, scaled to stand for all.
    pub parts: Vec<Id>,
    /// The length of the plate.
    pub size: usize,
}

/// The most parts that data are divided into: each has code of its own.
const MOST_PARTS: usize = 1000;

/// The density of each part of a partition of the longest plate; `order` gives an order of that many elements, which is cut into parts of
/// about `batch`.
///
/// # Errors
/// In words, if there is no plate longer than a batch, or there are too many parts.
pub fn minibatches(
    graph: &mut Graph,
    density: Id,
    batch: usize,
    order: impl FnOnce(usize) -> Vec<usize>,
) -> Result<Minibatches, String> {
    let mut sums = HashSet::new();
    linear(graph, density, &mut sums);
    let mut plates: Vec<Axis> = sums.iter().flat_map(|sum| over(graph, *sum).to_vec()).collect();
    plates.sort();
    plates.dedup();
    let along = |graph: &Graph, plate: Axis| -> Vec<Id> {
        let fits = |sum: &&Id| {
            over(graph, **sum).contains(&plate)
                && graph.node(**sum).args.iter().all(|arg| elementwise(graph, *arg, plate, &mut HashMap::new()))
        };
        let mut found: Vec<Id> = sums.iter().filter(fits).copied().collect();
        found.sort();
        found
    };
    let longest = plates.iter().rev().map(|plate| (*plate, along(graph, *plate))).find(|(_, sums)| !sums.is_empty());
    let Some((plate, subsampled)) = longest else {
        return Err("no sum over data enters its density linearly, element by element".into());
    };
    let size = plate.extent as usize;
    if size <= batch {
        return Err(format!("its longest loop over data has {size} elements, no more than a batch of {batch}"));
    }
    let count = size.div_ceil(batch);
    if count > MOST_PARTS {
        return Err(format!(
            "{size} data in batches of {batch} are more than {MOST_PARTS} parts; batches of {} would do",
            size.div_ceil(MOST_PARTS)
        ));
    }
    let level = 1 + graph.nodes.iter().flat_map(|node| &node.axes).map(|axis| axis.level).max().unwrap_or(0);
    let scale = graph.scalar(count as f64);
    let order = order(size);
    let mut parts = Vec::with_capacity(count);
    for k in 0..count {
        // Sizes differ by one at most; all parts are scaled alike, so that their mean is the whole.
        let chosen = &order[k * size / count..(k + 1) * size / count];
        let axis = Axis { extent: chosen.len() as u32, level };
        let places: Vec<f64> = chosen.iter().map(|place| *place as f64).collect();
        let index = graph.array(Arc::new(places), vec![axis]);
        let mut known = HashMap::new();
        let mut replaced = HashMap::new();
        for sum in &subsampled {
            let axes = axis::replace(over(graph, *sum), plate, &[axis]);
            let args = graph.node(*sum).args.clone();
            let one = graph.scalar(1.0);
            let first = substitute(graph, args[0], plate, index, &mut known);
            let second = args.get(1).map_or(one, |arg| substitute(graph, *arg, plate, index, &mut known));
            let some = graph.contract(first, second, &axes);
            replaced.insert(*sum, graph.mul(some, scale));
        }
        parts.push(rebuild(graph, density, &replaced));
    }
    Ok(Minibatches { parts, size })
}

/// The axes that a node sums over.
fn over(graph: &Graph, id: Id) -> &[Axis] {
    match &graph.node(id).op {
        Op::Contract(over) => over,
        _ => &[],
    }
}

/// The sums that a node without axes is a linear function of.
fn linear(graph: &Graph, id: Id, sums: &mut HashSet<Id>) {
    let mut left = vec![id];
    let mut seen = HashSet::new();
    while let Some(at) = left.pop() {
        if !seen.insert(at) {
            continue;
        }
        match parts(graph, at) {
            Some(args) => left.extend(args),
            None if matches!(graph.node(at).op, Op::Contract(_)) => {
                sums.insert(at);
            }
            None => {}
        }
    }
}

/// Whether anything is summed up on the way to a node.
fn has_sum(graph: &Graph, id: Id) -> bool {
    let mut left = vec![id];
    let mut seen = HashSet::new();
    while let Some(at) = left.pop() {
        if graph.is_constant(at) || !seen.insert(at) {
            continue;
        }
        if matches!(graph.node(at).op, Op::Contract(_) | Op::Last(..) | Op::Later(_)) {
            return true;
        }
        left.extend(&graph.node(at).args);
    }
    false
}

/// The operands of a sum of numbers, or of a multiple of one, in which it is linear.
fn parts(graph: &Graph, id: Id) -> Option<Vec<Id>> {
    let node = graph.node(id);
    if !node.axes.is_empty() || node.constant {
        return None;
    }
    match (&node.op, node.args.as_slice()) {
        (Op::Map(F::Add | F::Sub | F::Neg), args) => Some(args.to_vec()),
        (Op::Map(F::Mul), [a, b]) => match (has_sum(graph, *a), has_sum(graph, *b)) {
            (true, false) => Some(vec![*a]),
            (false, true) => Some(vec![*b]),
            _ => None,
        },
        (Op::Map(F::Div), [a, b]) if !has_sum(graph, *b) => Some(vec![*a]),
        _ => None,
    }
}

/// Whether the element of a node along a plate depends on that element of its operands only.
fn elementwise(graph: &Graph, id: Id, plate: Axis, known: &mut HashMap<Id, bool>) -> bool {
    if let Some(found) = known.get(&id) {
        return *found;
    }
    let node = graph.node(id);
    let lacks = |axes: &[Axis]| !axes.contains(&plate);
    // What lacks the plate stays as it is; a sum over the plate within it stays whole.
    if lacks(&node.axes) {
        return true;
    }
    let own = match &node.op {
        _ if node.constant => return true,
        Op::Map(_) => true,
        Op::Take(_) => true,
        Op::Contract(axes) => lacks(axes),
        _ => false,
    };
    let all = own && node.args.clone().iter().all(|arg| elementwise(graph, *arg, plate, known));
    known.insert(id, all);
    all
}

/// A node at the elements of a plate that an index names.
fn substitute(graph: &mut Graph, id: Id, plate: Axis, index: Id, known: &mut HashMap<Id, Id>) -> Id {
    if !graph.has(id, plate) {
        return id;
    }
    if let Some(found) = known.get(&id) {
        return *found;
    }
    let node = graph.node(id).clone();
    let guard = std::mem::replace(&mut graph.guard, node.guarded);
    let found = match &node.op {
        _ if node.constant => graph.take(id, plate, index),
        Op::Map(f) => {
            let args: Vec<Id> = node.args.iter().map(|arg| substitute(graph, *arg, plate, index, known)).collect();
            graph.map(*f, &args)
        }
        Op::Contract(axes) => {
            let args: Vec<Id> = node.args.iter().map(|arg| substitute(graph, *arg, plate, index, known)).collect();
            let one = graph.scalar(1.0);
            graph.contract(args[0], args.get(1).copied().unwrap_or(one), axes)
        }
        Op::Take(along) => {
            let at = substitute(graph, node.args[1], plate, index, known);
            let from =
                if *along == plate { node.args[0] } else { substitute(graph, node.args[0], plate, index, known) };
            graph.take(from, *along, at)
        }
        _ => graph.take(id, plate, index),
    };
    graph.guard = guard;
    known.insert(id, found);
    found
}

/// The density with other sums.
fn rebuild(graph: &mut Graph, id: Id, replaced: &HashMap<Id, Id>) -> Id {
    if let Some(found) = replaced.get(&id) {
        return *found;
    }
    let Some(linear) = parts(graph, id) else { return id };
    let node = graph.node(id).clone();
    let renew = |graph: &mut Graph, arg: &Id| if linear.contains(arg) { rebuild(graph, *arg, replaced) } else { *arg };
    let args: Vec<Id> = node.args.iter().map(|arg| renew(graph, arg)).collect();
    match node.op {
        Op::Map(f) => graph.map(f, &args),
        _ => id,
    }
}
