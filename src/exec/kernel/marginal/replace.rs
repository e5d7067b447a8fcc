//! Weights as tables: nodes made again with the axis of its values in place of each finite choice.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::{Graph, Id, Op, Scan};
use super::Finite;
use super::sight::{Plate, Sights};
use std::collections::HashMap;

/// Nodes within nodes that are made again.
const DEPTH: usize = 3000;

/// Makes tables of weights.
pub struct Replace<'a> {
    pub sights: &'a Sights,
    pub finite: &'a [Finite],
    /// Of each choice on which the next step of a loop depends, the axis of its value in the step before.
    pub before: &'a [Option<Axis>],
    known: HashMap<(Id, Vec<usize>), Id>,
    scans: HashMap<u32, u32>,
}

/// Whether a constant index is the step before, along its only axis, in all steps but the first.
pub fn step_before(graph: &Graph, index: Id, plate: Axis) -> Option<Axis> {
    let node = graph.node(index);
    let [axis] = node.axes[..] else { return None };
    let steady = match &node.op {
        Op::Data(k) => graph.data[*k as usize].iter().enumerate().skip(1).all(|(s, x)| *x == s as f64 - 1.0),
        Op::Count(_, offset) => *offset == -1,
        _ => false,
    };
    (steady && axis.extent == plate.extent && axis.extent > 1).then_some(axis)
}

impl<'a> Replace<'a> {
    pub fn new(sights: &'a Sights, finite: &'a [Finite], before: &'a [Option<Axis>]) -> Replace<'a> {
        Replace { sights, finite, before, known: HashMap::new(), scans: HashMap::new() }
    }

    /// A node as a table; `lagged` are the choices of which the value in the step before is meant.
    pub fn node(&mut self, graph: &mut Graph, id: Id, lagged: &[usize], depth: usize) -> Result<Id, String> {
        if self.sights.of(id).map_err(|(_, reason)| reason)?.is_empty() {
            return Ok(id);
        }
        let key = (id, lagged.to_vec());
        if let Some(known) = self.known.get(&key) {
            return Ok(*known);
        }
        if depth > DEPTH {
            return Err("weights depend on finite choices by too many steps to sum them out".into());
        }
        let node = graph.node(id).clone();
        let result = match &node.op {
            Op::Finite(number, own, low) => {
                let number = *number as usize;
                let axis = if lagged.contains(&number) { self.before[number].unwrap_or(*own) } else { *own };
                graph.make(Op::Count(axis, *low), Vec::new(), vec![axis])
            }
            Op::Later(k) => match graph.later[*k as usize] {
                Some(to) => self.node(graph, to, lagged, depth + 1)?,
                None => id,
            },
            Op::Take(by) => {
                let (x, index) = (node.args[0], node.args[1]);
                let mut further = lagged.to_vec();
                for seen in self.sights.of(x).map_err(|(_, reason)| reason)?.iter() {
                    let place = seen.plates.iter().position(|p| *p == Plate::Along(*by));
                    let Some(place) = place else { continue };
                    let plate = self.finite[seen.number].plates[place];
                    if self.before[seen.number].is_some() && step_before(graph, index, plate).is_some() {
                        if lagged.contains(&seen.number) {
                            return Err(format!(
                                "`{}` is used more than one step later",
                                self.finite[seen.number].name
                            ));
                        }
                        further.push(seen.number);
                    }
                }
                further.sort_unstable();
                let x = self.node(graph, x, &further, depth + 1)?;
                let place = self.node(graph, index, lagged, depth + 1)?;
                if place != index {
                    let range = graph.node(place).range;
                    if !graph.is_constant(place) {
                        return Err("an index depends on a choice that is not finite".into());
                    }
                    if range.low < 0.0 || range.high > f64::from(by.extent) - 1.0 {
                        return Err("an index is out of range for some values of finite choices".into());
                    }
                }
                graph.take(x, *by, place)
            }
            Op::State(scan, k) | Op::Last(scan, k) => {
                if !lagged.is_empty() {
                    return Err("a carried number of the step before depends on finite choices".into());
                }
                let new = self.scan(graph, *scan, depth)?;
                match node.op {
                    Op::State(..) => graph.scans[new as usize].states[*k as usize],
                    _ => graph.insert(Op::Last(new, *k), Vec::new(), node.axes.clone()),
                }
            }
            _ => {
                let guard = std::mem::replace(&mut graph.guard, node.guarded);
                let args = node
                    .args
                    .iter()
                    .map(|arg| self.node(graph, *arg, lagged, depth + 1))
                    .collect::<Result<Vec<_>, _>>();
                graph.guard = node.guarded;
                let made = args.map(|args| remake(graph, id, args));
                graph.guard = guard;
                made?
            }
        };
        self.known.insert(key, result);
        Ok(result)
    }

    /// A scan whose numbers depend on choices outside of it.
    fn scan(&mut self, graph: &mut Graph, number: u32, depth: usize) -> Result<u32, String> {
        if let Some(known) = self.scans.get(&number) {
            return Ok(*known);
        }
        let old = graph.scans[number as usize].clone();
        let new = graph.scans.len() as u32;
        self.scans.insert(number, new);
        let states: Vec<Id> = old
            .states
            .iter()
            .enumerate()
            .map(|(k, state)| {
                let axes = graph.axes(*state).to_vec();
                graph.insert(Op::State(new, k as u32), Vec::new(), axes)
            })
            .collect();
        graph.scans.push(Scan { states, ..old.clone() });
        let mut each = |ids: &[Id]| -> Result<Vec<Id>, String> {
            ids.iter().map(|id| self.node(graph, *id, &[], depth + 1)).collect()
        };
        let (first, next) = (each(&old.first)?, each(&old.next)?);
        graph.scans[new as usize].first = first;
        graph.scans[new as usize].next = next;
        Ok(new)
    }
}

/// A node of other operands, which may lack axes that the old ones had.
fn remake(graph: &mut Graph, id: Id, args: Vec<Id>) -> Id {
    let node = graph.node(id).clone();
    match &node.op {
        Op::Map(f) => graph.map(*f, &args),
        Op::Contract(over) => {
            let one = graph.scalar(1.0);
            graph.contract(args[0], args.get(1).copied().unwrap_or(one), over)
        }
        Op::Reduce(how, by) => graph.reduce(*how, args[0], *by),
        Op::Rename(from, to) => graph.rename(args[0], *from, *to),
        Op::Stack(by) => graph.stack(args, *by),
        Op::Spread { into, over } => spread(graph, args[0], args[1], *into, over),
        op => {
            let axes =
                |graph: &Graph, ids: &[Id]| ids.iter().fold(Axes::new(), |all, x| axis::union(&all, graph.axes(*x)));
            let (old, new) = (axes(graph, &node.args), axes(graph, &args));
            let kept: Axes = node.axes.iter().copied().filter(|a| !old.contains(a) || new.contains(a)).collect();
            let axes = axis::union(&kept, &axis::minus(&new, &old));
            graph.make(op.clone(), args, axes)
        }
    }
}

/// Adds up elements at places of an axis; lanes along axes that neither operand has count as often as there are.
pub fn spread(graph: &mut Graph, x: Id, index: Id, into: Axis, over: &[Axis]) -> Id {
    let all = axis::union(graph.axes(x), graph.axes(index));
    let missing: f64 = axis::minus(over, &all).iter().map(|a| f64::from(a.extent)).product();
    let missing = graph.scalar(missing);
    let x = graph.mul(x, missing);
    let over: Axes = over.iter().copied().filter(|a| all.contains(a)).collect();
    graph.spread(x, index, into, &over)
}
