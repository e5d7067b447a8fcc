//! Finite choices summed out: from weights that depend on them to one that does not, by elimination of variables.
//!
//! A finite choice is a variable over an axis of its values, in every lane of the loops around it. Weights become tables over the values of
//! the choices that they depend on. A variable is eliminated by adding up the tables in which it occurs and taking the log of the
//! sum of their exponentials along its axis; choices of which each depends on the one before are eliminated together, by the forward
//! recursion. Where the lanes of a loop are independent, so are the sums. Every table is kept, so that values can be drawn back in the opposite
//! order.
//!
//! Source: Obermeyer et al. (2019), Tensor variable elimination for plated factor graphs; Rabiner (1989) for the recursion.

mod chain;
mod draw;
mod eliminate;
mod replace;
mod sight;

pub use draw::{Drawn, Numbers, draw_back};

use super::axis::{self, Axes, Axis};
use super::graph::{Graph, Id};
use crate::source::Span;
use crate::value::Value;

/// Values of one choice.
pub const MOST_VALUES: usize = 1024;
/// Combinations of values of the choices that one table is over.
pub const MOST_COMBINATIONS: usize = 1 << 16;
/// Elements of one table, over all lanes.
const MOST_ELEMENTS: usize = 1 << 24;
/// Levels from here on are those of axes that are made here.
const LEVEL: u32 = 1 << 20;

/// A finite choice that is summed out.
#[derive(Clone, Debug)]
pub struct Finite {
    /// Stands for its value in the graph.
    pub node: Id,
    /// The axis of its values.
    pub axis: Axis,
    /// The loops around it, in the order of axes.
    pub plates: Axes,
    pub values: Vec<Value>,
    pub name: String,
    pub span: Span,
    /// A carried number that follows from other choices, not a choice of the program.
    pub image: bool,
    /// How it is summed out, in words.
    pub way: String,
}

impl Finite {
    pub fn new(node: Id, axis: Axis, plates: Axes, values: Vec<Value>, name: &str, span: Span, image: bool) -> Finite {
        Finite { node, axis, plates, values, name: name.to_string(), span, image, way: String::new() }
    }

    /// The number of its lanes.
    pub fn lanes(&self) -> usize {
        axis::size(&self.plates)
    }
}

/// A weight in every lane of the loops around.
#[derive(Clone, Debug)]
pub struct Factor {
    /// Its sum over the loops; of a condition, whether it holds in all.
    pub total: Id,
    pub weight: Id,
    /// The loops around, in the order of axes.
    pub scope: Axes,
    pub span: Span,
}

/// Why choices cannot be summed out, and where.
pub type Trouble = (Span, String);

/// What is left when finite choices have been summed out.
pub struct Summed {
    pub total: Id,
    /// The weights that depend on none.
    pub rest: Vec<Factor>,
    pub drawn: Vec<Drawn>,
}

/// Sums finite choices out of weights. Log Jacobians and conditions that depend on them are taken away from theirs.
pub fn sum_out(
    graph: &mut Graph,
    finite: &mut [Finite],
    factors: Vec<Factor>,
    jacobians: &mut Vec<Factor>,
    conditions: &mut Vec<Factor>,
) -> Result<Summed, Trouble> {
    let mut sights = sight::Sights::default();
    let all: Vec<Id> = factors.iter().chain(&*jacobians).chain(&*conditions).map(|f| f.weight).collect();
    sights.look(graph, finite, &all);
    let (mut weights, rest): (Vec<Factor>, Vec<Factor>) = factors.into_iter().partition(|f| sights.mentions(f.weight));
    let (more, alone) = std::mem::take(jacobians).into_iter().partition::<Vec<_>, _>(|f| sights.mentions(f.weight));
    weights.extend(more);
    *jacobians = alone;
    for condition in std::mem::take(conditions) {
        if sights.mentions(condition.weight) {
            let (zero, none) = (graph.scalar(0.0), graph.scalar(f64::NEG_INFINITY));
            let weight = graph.select(condition.weight, zero, none);
            weights.push(Factor { weight, ..condition });
        } else {
            conditions.push(condition);
        }
    }
    let roots: Vec<Id> = weights.iter().map(|f| f.weight).collect();
    sights.look(graph, finite, &roots);
    let guard = graph.guard;
    let (total, drawn) = eliminate::eliminate(graph, finite, sights, weights)?;
    graph.guard = guard;
    Ok(Summed { total, rest, drawn })
}
