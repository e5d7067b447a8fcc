//! Independence sampling: a value proposed from a fixed distribution (Tierney 1994).

use super::super::{Contract, Row};
use super::Step;
use crate::model::Traced;
use crate::value::{Fault, Value};

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn independence(name: String, dist: Dist<a>) -> Kernel",
    doc: "A kernel that picks one of the choices of this name and proposes a draw from `dist`, whatever its value is. The distribution \
          should cover the posterior of the choice, with tails that are not lighter. Tierney 1994.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(independence(\"x\", Flip(0.5)), trace(() => { x ~ Flip(0.25); x })))))",
    contract: Contract::Invariant,
}];

pub(super) fn step<T: Traced>(step: &mut Step<'_, T>, dist: &Value) -> Result<bool, Fault> {
    let Some((place, count)) = step.pick() else { return step.nothing() };
    let current = step.walker.view.trace(&step.walker.state).choices[place].value.clone();
    let value = step.functions.draw(dist, step.random)?;
    let log_ratio = mutant!("independence without the way back", 0.0, step.functions.logp(dist, &current)?)
        - step.functions.logp(dist, &value)?;
    let walker = &mut *step.walker;
    let accepted = match walker.view.propose(&mut walker.state, &[(place, value)], &[], step.random)? {
        Ok(update) => {
            let log_alpha = step.walker.log_ratio(&update) + log_ratio + step.picks(&update, count);
            step.decide(log_alpha).1
        }
        Err(dead) => {
            step.trouble.note(dead);
            false
        }
    };
    let tuning = &mut step.sites.at(step.walker, place, 1.0).tuning;
    tuning.count(accepted);
    Ok(accepted)
}
