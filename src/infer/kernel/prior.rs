//! Drawing choices anew from their prior: one of them, or a block together.

use super::super::{Contract, Row};
use super::single_site::{Steps, move_one};
use super::{Names, Step};
use crate::model::Traced;
use crate::value::Fault;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn prior() -> Kernel",
        doc: "A kernel that picks one choice and draws it anew from its distribution given the choices before it. \
              Wingate, Stuhlmueller and Goodman 2011.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(prior(), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn prior(names: [String]) -> Kernel",
        doc: "A kernel that draws all choices of these names anew from their distributions, together.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(prior([\"x\"]), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
];

/// One choice.
pub(super) fn step<T: Traced>(step: &mut Step<'_, T>) -> Result<bool, Fault> {
    match step.pick() {
        Some((place, count)) => move_one(step, place, count, Steps::Prior),
        None => step.nothing(),
    }
}

/// All choices of some names. The way back draws those of the same names in the other trace, so nothing has to be counted but
/// their densities.
pub(super) fn block<T: Traced>(step: &mut Step<'_, T>, names: &Names) -> Result<bool, Fault> {
    let walker = &mut *step.walker;
    let (trace, infos) = (walker.view.trace(&walker.state), walker.view.infos(&walker.state));
    let places: Vec<usize> = trace.movable.iter().map(|place| *place as usize).collect();
    let wanted = |place: &usize| {
        let info = infos.get(trace.choices[*place].info);
        info.can_draw && info.named && names.contain(&info.name)
    };
    let places: Vec<usize> = places.into_iter().filter(wanted).collect();
    if places.is_empty() {
        return Ok(false);
    }
    let accepted = match walker.view.propose(&mut walker.state, &[], &places, step.random)? {
        Ok(update) => {
            let log_alpha = step.walker.log_ratio(&update);
            step.decide(log_alpha).1
        }
        Err(dead) => {
            step.trouble.note(dead);
            false
        }
    };
    Ok(step.count(accepted))
}
