//! Moving one choice: drawn anew from its prior, or by a step whose size is adapted.
//!
//! The acceptance ratio counts the choices that appear and disappear and the lengths of both traces (Wingate, Stuhlmüller and Goodman
//! 2011, with the correction of Kiselyov 2016).

use super::super::proposal::{Move as Kind, propose};
use super::super::{Contract, Row};
use super::Step;
use super::sites::uniform_index;
use crate::model::{CALLS, Traced};
use crate::value::Fault;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn single_site() -> Kernel",
    doc: "A kernel that picks one choice and draws it anew from its prior or, more often, moves it a little, with step sizes that are \
          adapted during the warm-up of a chain. For every kind of choice and for changing structure. After Wingate, Stuhlmueller \
          and Goodman 2011, with the correction for changing numbers of choices.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(single_site(), trace(() => { x ~ Flip(0.25); x })))))",
    contract: Contract::Invariant,
}];

/// The steps that a move makes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Steps {
    /// From the prior one time in five, else small ones of adapted size.
    Mixed,
    /// Small ones of adapted size.
    Adapted,
    /// Small ones of this size.
    Fixed(f64),
    /// From the prior.
    Prior,
}

pub(super) fn step<T: Traced>(step: &mut Step<'_, T>) -> Result<bool, Fault> {
    match step.pick() {
        Some((CALLS, count)) => redraw_calls(step, count),
        Some((place, count)) => move_one(step, place, count, Steps::Mixed),
        None => step.nothing(),
    }
}

/// Draws all calls of functions of the host anew that drew something, such as particle filters within the model.
fn redraw_calls<T: Traced>(step: &mut Step<'_, T>, count: usize) -> Result<bool, Fault> {
    let walker = &mut *step.walker;
    let accepted = match walker.view.propose(&mut walker.state, &[], &[CALLS], step.random)? {
        Ok(update) => {
            let log_alpha = step.walker.log_ratio(&update) + step.picks(&update, count);
            step.decide(log_alpha).1
        }
        Err(dead) => {
            step.trouble.note(dead);
            false
        }
    };
    Ok(step.count(accepted))
}

/// Moves the choice at a place, which was picked among `count`.
pub(super) fn move_one<T: Traced>(
    step: &mut Step<'_, T>,
    place: usize,
    count: usize,
    steps: Steps,
) -> Result<bool, Fault> {
    let scale = if let Steps::Fixed(scale) = steps { scale } else { 1.0 };
    let walker = &mut *step.walker;
    let known = &*step.sites.at(walker, place, scale);
    let tuning = &known.tuning;
    let choice = &walker.view.trace(&walker.state).choices[place];
    let local = match (steps, tuning.kind, known.can_draw) {
        (Steps::Prior, ..) => false,
        (Steps::Mixed, Kind::None, _) => false,
        // Both kinds of proposal are valid alone; a mixture with fixed probabilities is as well.
        (Steps::Mixed, _, true) => step.random.flip(0.8),
        _ => true,
    };
    let unit = if local && tuning.units() > 1 { uniform_index(tuning.units(), step.random) } else { 0 };
    let proposed = if local {
        propose(tuning, unit, &known.support, &choice.value, step.random)?.map(|p| (Some(p.value), p.log_ratio))
    } else {
        known.can_draw.then_some((None, 0.0))
    };
    let (mut acceptance, mut accepted) = (0.0, false);
    if let Some((value, log_ratio)) = proposed {
        let result = match value {
            Some(value) => walker.view.propose(&mut walker.state, &[(place, value)], &[], step.random)?,
            // A draw from the prior: the choices before it are the same, so the way back draws from it too.
            None => walker.view.propose(&mut walker.state, &[], &[place], step.random)?,
        };
        match result {
            Ok(update) => {
                let log_alpha = step.walker.log_ratio(&update) + log_ratio + step.picks(&update, count);
                (acceptance, accepted) = step.decide(log_alpha);
            }
            Err(dead) => step.trouble.note(dead),
        }
    }
    // The choice is where it was, for nothing that comes before it moved.
    let tuning = &mut step.sites.at(step.walker, place, scale).tuning;
    tuning.count(accepted);
    if step.adapting && local && !matches!(steps, Steps::Fixed(_)) {
        tuning.adapt(unit, acceptance);
        step.sites.lessons += 1;
    }
    Ok(accepted)
}
