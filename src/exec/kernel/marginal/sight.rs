//! Which finite choices a node depends on, and which lanes of them it sees.

use super::super::axis::Axis;
use super::super::graph::{F, Graph, Id, Linear, Op};
use super::{Finite, Trouble};
use std::collections::HashMap;
use std::rc::Rc;

/// Where, along a loop around a choice, the lane lies that is seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plate {
    /// At the position of an axis.
    Along(Axis),
    /// At the position that a constant index gives.
    At(Id),
}

/// Bits of [`Seen::on`].
pub const FIRST: u8 = 1;
pub const LATER: u8 = 2;

/// A choice that is seen.
#[derive(Clone, PartialEq, Debug)]
pub struct Seen {
    pub number: usize,
    /// One for each of its loops.
    pub plates: Vec<Plate>,
    /// It matters in these steps of an axis only: in the first, in the later ones.
    pub on: Option<(Axis, u8)>,
}

pub type Sight = Rc<Vec<Seen>>;

/// What nodes see of finite choices, or why that is not possible.
#[derive(Default)]
pub struct Sights {
    of: HashMap<Id, Result<Sight, Trouble>>,
    /// What the numbers that a scan carries see.
    scans: HashMap<u32, Result<Sight, Trouble>>,
}

fn merge(into: &mut Vec<Seen>, other: &[Seen]) {
    for seen in other {
        match into.iter_mut().find(|s| s.number == seen.number && s.plates == seen.plates) {
            Some(known) => {
                known.on = match (known.on, seen.on) {
                    (Some((a, x)), Some((b, y))) if a == b && x | y != FIRST | LATER => Some((a, x | y)),
                    _ => None,
                }
            }
            None => into.push(seen.clone()),
        }
    }
}

impl Sights {
    /// Looks at nodes and all that they need.
    pub fn look(&mut self, graph: &mut Graph, finite: &[Finite], roots: &[Id]) {
        loop {
            self.of.clear();
            let mut scans = Vec::new();
            for root in roots {
                self.walk(graph, finite, *root, &mut scans);
            }
            let mut at = 0;
            while at < scans.len() {
                let scan = graph.scans[scans[at] as usize].clone();
                for id in scan.first.iter().chain(&scan.next) {
                    self.walk(graph, finite, *id, &mut scans);
                }
                at += 1;
            }
            let mut stable = true;
            for number in scans {
                let scan = &graph.scans[number as usize];
                let axis = scan.axis;
                let mut all = Vec::new();
                let mut wrong = None;
                for id in scan.first.iter().chain(&scan.next) {
                    match &self.of[id] {
                        Ok(sight) => merge(&mut all, sight),
                        Err(trouble) => wrong = Some(trouble.clone()),
                    }
                }
                let of_steps = all.iter().find(|s| {
                    s.plates.iter().any(|p| match p {
                        Plate::Along(a) => *a == axis,
                        Plate::At(index) => graph.has(*index, axis),
                    })
                });
                let result = match (wrong, of_steps) {
                    (Some(trouble), _) => Err(trouble),
                    (None, Some(seen)) => Err((
                        finite[seen.number].span,
                        format!(
                            "`{}` cannot be summed out: a number that a loop carries depends on what is chosen in each step",
                            finite[seen.number].name
                        ),
                    )),
                    (None, None) => Ok(Rc::new(all)),
                };
                let same = match (self.scans.get(&number), &result) {
                    (Some(Ok(a)), Ok(b)) => a == b,
                    (Some(Err(_)), Err(_)) => true,
                    (None, Ok(b)) => b.is_empty(),
                    _ => false,
                };
                stable &= same;
                self.scans.insert(number, result);
            }
            if stable {
                return;
            }
        }
    }

    /// Whether a node depends on a finite choice.
    pub fn mentions(&self, id: Id) -> bool {
        !matches!(self.of.get(&id), Some(Ok(sight)) if sight.is_empty())
    }

    pub fn of(&self, id: Id) -> Result<Sight, Trouble> {
        self.of.get(&id).cloned().unwrap_or_else(|| Ok(Rc::default()))
    }

    fn walk(&mut self, graph: &mut Graph, finite: &[Finite], root: Id, scans: &mut Vec<u32>) {
        let mut stack = vec![(root, false)];
        while let Some((id, leave)) = stack.pop() {
            if self.of.contains_key(&id) {
                continue;
            }
            let node = graph.node(id);
            if node.constant {
                self.of.insert(id, Ok(Rc::default()));
                continue;
            }
            if leave {
                let sight = self.node(graph, finite, id);
                self.of.insert(id, sight);
                continue;
            }
            match node.op {
                Op::State(scan, _) | Op::Last(scan, _) => {
                    if !scans.contains(&scan) {
                        scans.push(scan);
                    }
                    let known = self.scans.get(&scan).cloned().unwrap_or_else(|| Ok(Rc::default()));
                    self.of.insert(id, known);
                }
                Op::Later(k) => {
                    stack.push((id, true));
                    stack.extend(graph.later[k as usize].map(|to| (to, false)));
                }
                _ => {
                    stack.push((id, true));
                    stack.extend(node.args.iter().map(|arg| (*arg, false)));
                }
            }
        }
    }

    fn node(&self, graph: &mut Graph, finite: &[Finite], id: Id) -> Result<Sight, Trouble> {
        let node = graph.node(id).clone();
        let all = |args: &[Id]| -> Result<Sight, Trouble> {
            let mut found: Option<Sight> = None;
            for arg in args {
                let sight = self.of(*arg)?;
                if sight.is_empty() {
                    continue;
                }
                match &mut found {
                    None => found = Some(sight),
                    Some(known) => merge(Rc::make_mut(known), &sight),
                }
            }
            Ok(found.unwrap_or_default())
        };
        let cannot = |seen: &Seen, what: &str| -> Trouble {
            let choice = &finite[seen.number];
            (choice.span, format!("`{}` cannot be summed out: {what}", choice.name))
        };
        // A choice whose lane is given along one of these axes.
        let along = |graph: &Graph, sight: &Sight, axes: &[Axis]| -> Option<Seen> {
            sight
                .iter()
                .find(|s| {
                    s.plates.iter().any(|p| match p {
                        Plate::Along(a) => axes.contains(a),
                        Plate::At(index) => axes.iter().any(|a| graph.has(*index, *a)),
                    })
                })
                .cloned()
        };
        let forget = |sight: &mut Sight, axes: &[Axis]| {
            if sight.iter().any(|s| s.on.is_some_and(|(a, _)| axes.contains(&a))) {
                for seen in Rc::make_mut(sight) {
                    seen.on = seen.on.filter(|(a, _)| !axes.contains(a));
                }
            }
        };
        match &node.op {
            Op::Finite(number, ..) => {
                let plates = finite[*number as usize].plates.iter().map(|a| Plate::Along(*a)).collect();
                Ok(Rc::new(vec![Seen { number: *number as usize, plates, on: None }]))
            }
            Op::Later(k) => graph.later[*k as usize].map_or_else(|| Ok(Rc::default()), |to| self.of(to)),
            Op::Map(F::Select) => {
                let (c, a, b) = (node.args[0], node.args[1], node.args[2]);
                let Some((axis, first, later)) = steps(graph, c) else { return all(&node.args) };
                let mut found = Vec::new();
                let bits = |one: Option<bool>, bit: u8, yes: bool| if one.is_none_or(|x| x == yes) { bit } else { 0 };
                for (branch, yes) in [(a, true), (b, false)] {
                    let on = bits(Some(first), FIRST, yes) | bits(later, LATER, yes);
                    let sight = self.of(branch)?;
                    let restricted: Vec<Seen> = sight
                        .iter()
                        .filter_map(|seen| match seen.on {
                            None if on == FIRST | LATER => Some(seen.clone()),
                            None => Some(Seen { on: Some((axis, on)), ..seen.clone() }),
                            Some((other, bits)) if other == axis => {
                                (bits & on != 0).then(|| Seen { on: Some((axis, bits & on)), ..seen.clone() })
                            }
                            Some(_) => Some(seen.clone()),
                        })
                        .collect();
                    merge(&mut found, &restricted);
                }
                Ok(Rc::new(found))
            }
            Op::Contract(over) | Op::Spread { over, .. } => {
                let mut sight = all(&node.args)?;
                if let Some(seen) = along(graph, &sight, over) {
                    return Err(cannot(&seen, "a sum over its loop is used as a number"));
                }
                forget(&mut sight, over);
                Ok(sight)
            }
            Op::Reduce(_, by) => {
                let mut sight = all(&node.args)?;
                if let Some(seen) = along(graph, &sight, &[*by]) {
                    return Err(cannot(&seen, "what is chosen in all steps of its loop is used together"));
                }
                forget(&mut sight, &[*by]);
                Ok(sight)
            }
            Op::Rename(from, to) => {
                let mut sight = all(&node.args)?;
                for seen in Rc::make_mut(&mut sight) {
                    for plate in &mut seen.plates {
                        match plate {
                            Plate::Along(a) if a == from => *a = *to,
                            Plate::At(index) => *index = graph.rename(*index, *from, *to),
                            Plate::Along(_) => {}
                        }
                    }
                    seen.on = seen.on.map(|(a, bits)| if a == *from { (*to, bits) } else { (a, bits) });
                }
                Ok(sight)
            }
            Op::Take(by) => {
                let (x, index) = (node.args[0], node.args[1]);
                let mut sight = self.of(x)?;
                let chosen = self.of(index)?;
                let range = graph.node(index).range;
                let bits = match (range.low >= 1.0, range.high == 0.0) {
                    (true, _) => LATER,
                    (_, true) => FIRST,
                    _ => FIRST | LATER,
                };
                if sight.iter().any(|s| s.on.is_some_and(|(a, on)| a == *by && on & bits == 0)) {
                    Rc::make_mut(&mut sight).retain(|s| s.on.is_none_or(|(a, on)| a != *by || on & bits != 0));
                }
                if let Some(seen) = along(graph, &sight, &[*by]) {
                    if !graph.is_constant(index) {
                        return Err(cannot(&seen, "another choice decides in which step of its loop it is used"));
                    }
                    for seen in Rc::make_mut(&mut sight) {
                        for (plate, own) in seen.plates.iter_mut().zip(&finite[seen.number].plates) {
                            let place = match *plate {
                                Plate::Along(a) if a == *by => index,
                                Plate::At(inner) => graph.take(inner, *by, index),
                                Plate::Along(_) => continue,
                            };
                            *plate = match same_order(graph, place) {
                                Some(axis) if axis.extent == own.extent => Plate::Along(axis),
                                _ => Plate::At(place),
                            };
                        }
                    }
                }
                forget(&mut sight, &[*by]);
                if !chosen.is_empty() {
                    merge(Rc::make_mut(&mut sight), &chosen);
                }
                Ok(sight)
            }
            Op::Join(first, second, _) => {
                let mut sight = all(&node.args)?;
                if let Some(seen) = along(graph, &sight, &[*first, *second]) {
                    return Err(cannot(&seen, "its array is joined to another"));
                }
                forget(&mut sight, &[*first, *second]);
                Ok(sight)
            }
            Op::Linear(linear) => {
                let (row, col) = match linear {
                    Linear::Cholesky(r, c)
                    | Linear::CholeskyBack(r, c)
                    | Linear::Inverse(r, c)
                    | Linear::LogDet(r, c) => (*r, *c),
                    Linear::SolveLower { row, col, .. } | Linear::SolveUpper { row, col, .. } => (*row, *col),
                };
                let sight = all(&node.args)?;
                match along(graph, &sight, &[row, col]) {
                    Some(seen) => Err(cannot(&seen, "a matrix is made of what is chosen in all steps of its loop")),
                    None => Ok(sight),
                }
            }
            Op::Constrain { from, .. } | Op::Jacobian { from, .. } | Op::ConstrainBack { from, .. } => {
                let sight = all(&node.args)?;
                match along(graph, &sight, &[*from]) {
                    Some(seen) => Err(cannot(&seen, "a vector is made of what is chosen in all steps of its loop")),
                    None => Ok(sight),
                }
            }
            _ => all(&node.args),
        }
    }
}

/// A constant condition along one axis: whether it holds in the first step, and in the later ones, where these agree.
fn steps(graph: &Graph, c: Id) -> Option<(Axis, bool, Option<bool>)> {
    let node = graph.node(c);
    let (Op::Data(k), [axis]) = (&node.op, &node.axes[..]) else { return None };
    let data = &graph.data[*k as usize];
    let first = data[0] != 0.0;
    let later = match data.get(1) {
        None => Some(first),
        Some(x) => data[1..].iter().all(|y| (*y != 0.0) == (*x != 0.0)).then_some(*x != 0.0),
    };
    Some((*axis, first, later))
}

/// The axis of an index that is each of its positions in order.
pub fn same_order(graph: &Graph, index: Id) -> Option<Axis> {
    let node = graph.node(index);
    match (&node.op, &node.axes[..]) {
        (Op::Count(axis, 0), _) => Some(*axis),
        (Op::Data(k), [axis]) => {
            graph.data[*k as usize].iter().enumerate().all(|(s, x)| *x == s as f64).then_some(*axis)
        }
        _ => None,
    }
}
