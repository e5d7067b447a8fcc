//! Values of finite choices drawn back, given the vector, in the opposite order of their elimination.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::Id;
use super::Finite;
use crate::model::Random;

/// Where the value of another choice is found, by which a table is looked up.
#[derive(Clone, Debug)]
pub struct Lookup {
    /// The axis of the table.
    pub axis: Axis,
    pub number: usize,
    pub look: Look,
}

/// Which lane of a choice is meant.
#[derive(Clone, Debug)]
pub enum Look {
    Now,
    /// The step before along an axis.
    Before(Axis),
    /// The step of a loop that an index over axes gives.
    At {
        plate: Axis,
        axes: Axes,
        data: Vec<f64>,
    },
}

/// Log weights of the values of a choice, along an axis, given other choices.
#[derive(Clone, Debug)]
pub struct Table {
    pub node: Id,
    pub axis: Axis,
    pub looks: Vec<Lookup>,
}

/// What was eliminated together.
#[derive(Clone, Debug)]
pub enum Drawn {
    /// A choice in each of its lanes; the last step of a chain alone where `last` is the loop of the chain.
    Each { number: usize, plates: Axes, last: Option<Axis>, table: Table },
    /// Chains along a loop, but for their last step: for every step, tables of the step before, in the order of elimination; and choices
    /// outside that only the first step depends on.
    Chain { along: Axis, outer: Axes, steps: Vec<(usize, Table)>, first: Vec<(usize, Table)> },
}

impl Drawn {
    /// The nodes of its tables, in a fixed order.
    pub fn tables(&self) -> Vec<Id> {
        match self {
            Drawn::Each { table, .. } => vec![table.node],
            Drawn::Chain { steps, first, .. } => steps.iter().chain(first).map(|(_, table)| table.node).collect(),
        }
    }
}

/// Numbers of a table over axes.
pub struct Numbers<'a> {
    pub axes: &'a [Axis],
    pub data: &'a [f64],
}

/// Which value each choice has in each lane, as a place in its values.
pub type Values = Vec<Vec<u32>>;

type Position = Vec<(Axis, u32)>;

fn at(position: &Position, axis: Axis) -> Option<u32> {
    position.iter().rev().find(|(a, _)| *a == axis).map(|(_, k)| *k)
}

/// The lane of a choice at a position; the last step of loops that the position does not know.
fn lane(choice: &Finite, position: &Position) -> usize {
    let strides = axis::strides(&choice.plates, &choice.plates);
    choice
        .plates
        .iter()
        .zip(strides)
        .map(|(a, stride)| at(position, *a).unwrap_or(a.extent - 1).min(a.extent - 1) as usize * stride)
        .sum()
}

fn looked_up(finite: &[Finite], values: &Values, lookup: &Lookup, position: &Position) -> u32 {
    let choice = &finite[lookup.number];
    let mut position = position.clone();
    match &lookup.look {
        Look::Now => {}
        Look::Before(axis) => {
            let t = at(&position, *axis).unwrap_or(0);
            position.push((*axis, t.saturating_sub(1)));
        }
        Look::At { plate, axes, data } => {
            let strides = axis::strides(axes, axes);
            let place: usize = axes.iter().zip(strides).map(|(a, s)| at(&position, *a).unwrap_or(0) as usize * s).sum();
            let step = data.get(place).copied().unwrap_or(0.0).max(0.0) as u32;
            position.push((*plate, step));
        }
    }
    values[lookup.number].get(lane(choice, &position)).copied().unwrap_or(0)
}

/// Draws along the axis of a table at a position.
fn draw(
    finite: &[Finite],
    values: &Values,
    table: &Table,
    numbers: &Numbers<'_>,
    position: &Position,
    weights: &mut Vec<f64>,
    random: &mut dyn Random,
) -> u32 {
    let strides = axis::strides(numbers.axes, numbers.axes);
    let (mut start, mut step) = (0, 0);
    for (axis, stride) in numbers.axes.iter().zip(strides) {
        if *axis == table.axis {
            step = stride;
            continue;
        }
        let place = match table.looks.iter().find(|l| l.axis == *axis) {
            Some(lookup) => looked_up(finite, values, lookup, position),
            None => at(position, *axis).unwrap_or(0),
        };
        start += place.min(axis.extent - 1) as usize * stride;
    }
    weights.clear();
    weights.extend((0..table.axis.extent as usize).map(|k| numbers.data[start + k * step]));
    let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if !most.is_finite() {
        return 0;
    }
    weights.iter_mut().for_each(|w| *w = if w.is_nan() { 0.0 } else { (*w - most).exp() });
    random.choose(weights) as u32
}

/// Draws all choices; `numbers` holds the tables of each entry of `drawn`, in the order of [`Drawn::tables`].
pub fn draw_back(finite: &[Finite], drawn: &[Drawn], numbers: &[Vec<Numbers<'_>>], random: &mut dyn Random) -> Values {
    let mut values: Values = finite.iter().map(|f| vec![0; f.lanes()]).collect();
    let mut weights = Vec::new();
    for (entry, numbers) in drawn.iter().zip(numbers).rev() {
        match entry {
            Drawn::Each { number, plates, last, table } => {
                for mut position in positions(plates) {
                    position.extend(last.map(|a| (a, a.extent - 1)));
                    let k = draw(finite, &values, table, &numbers[0], &position, &mut weights, random);
                    let place = lane(&finite[*number], &position);
                    values[*number][place] = k;
                }
            }
            Drawn::Chain { along, outer, steps, first } => {
                for outer in positions(outer) {
                    for t in (1..along.extent).rev() {
                        let mut position = outer.clone();
                        position.push((*along, t));
                        for (s, (number, table)) in steps.iter().enumerate().rev() {
                            let k = draw(finite, &values, table, &numbers[s], &position, &mut weights, random);
                            let mut before = position.clone();
                            before.push((*along, t - 1));
                            let place = lane(&finite[*number], &before);
                            values[*number][place] = k;
                        }
                    }
                    let mut position = outer.clone();
                    position.push((*along, 0));
                    for (s, (number, table)) in first.iter().enumerate().rev() {
                        let numbers = &numbers[steps.len() + s];
                        let k = draw(finite, &values, table, numbers, &position, &mut weights, random);
                        let place = lane(&finite[*number], &outer);
                        values[*number][place] = k;
                    }
                }
            }
        }
    }
    values
}

/// All positions over axes.
fn positions(axes: &[Axis]) -> Vec<Position> {
    let mut out = Vec::with_capacity(axis::size(axes));
    let strides = axis::strides(axes, axes);
    axis::walk(axes, [&strides], |[k]| {
        let mut rest = k;
        out.push(
            axes.iter()
                .zip(&strides)
                .map(|(a, s)| {
                    let at = rest / s;
                    rest %= s;
                    (*a, at as u32)
                })
                .collect(),
        );
    });
    out
}
