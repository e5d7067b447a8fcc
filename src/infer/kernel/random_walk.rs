//! Random walk Metropolis of one number (Metropolis et al. 1953; adaptation by Robbins and Monro 1951 during warm-up).

use super::super::{Contract, Row};
use super::Step;
use super::single_site::{Steps, move_one};
use crate::model::Traced;
use crate::value::Fault;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn random_walk(scale: Real = 0.0) -> Kernel",
    doc: "A kernel that picks one choice and moves one number of it by a normal step: of standard deviation `scale`, or of a size that is \
          adapted during the warm-up of a chain where `scale` is 0. Positive numbers step on the log scale, and numbers of an \
          interval are reflected at its ends, with the interval as the unit of `scale`. Integers go up or down by at least one, and \
          other finite choices go to any of their values. Metropolis et al. 1953.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(random_walk(), trace(() => { x ~ Flip(0.25); x })))))",
    contract: Contract::Invariant,
}];

pub(super) fn step<T: Traced>(step: &mut Step<'_, T>, scale: Option<f64>) -> Result<bool, Fault> {
    match step.pick() {
        Some((place, count)) => move_one(step, place, count, scale.map_or(Steps::Adapted, Steps::Fixed)),
        None => step.nothing(),
    }
}
