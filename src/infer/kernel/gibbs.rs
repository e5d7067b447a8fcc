//! Gibbs sampling of one finite choice (Geman and Geman 1984).
//!
//! Every value of the choice is proposed with all else kept, and one is drawn in proportion to the densities of the runs. Where a value
//! changes which choices there are, that cannot be done with all else kept: then another value is proposed by its prior
//! (Liu 1996) and accepted or rejected. Whether that is so is the same seen from each of the values among which the first way
//! draws, because it is decided without drawing, so the two ways do not mix.

use super::super::{Contract, Row};
use super::Step;
use super::single_site::{Steps, move_one};
use crate::model::{Traced, Watched};
use crate::value::{Fault, Value, same};

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn gibbs() -> Kernel",
        doc: "A kernel that picks one choice and draws it from its distribution given all others, if it has finitely many values; else it \
              moves it as `single_site` does. Where the values lead to different choices, another value is proposed by its prior. \
              Geman and Geman 1984.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(gibbs(), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn gibbs(names: [String]) -> Kernel",
        doc: "As `on(names, gibbs())`: one of the choices of these names is drawn from its distribution given all others.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(gibbs([\"x\"]), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
];

/// Choices with more values are moved as by the single-site kernel.
const MOST_VALUES: usize = 1000;

pub(super) fn step<T: Traced>(step: &mut Step<'_, T>) -> Result<bool, Fault> {
    let Some((place, count)) = step.pick() else { return step.nothing() };
    let walker = &mut *step.walker;
    // The values depend on what comes before the choice only, so they are the same for every value of it.
    let values = match walker.view.outcomes(&walker.state, place)? {
        Some(outcomes) if outcomes.values.len() <= MOST_VALUES => outcomes.values,
        _ => return move_one(step, place, count, Steps::Mixed),
    };
    let current = walker.view.trace(&walker.state).choices[place].value.clone();
    let Some(here) = values.iter().position(|(value, _)| same(value, &current)) else { return Ok(false) };
    if values.len() < 2 {
        return Ok(false);
    }
    let mut weights = vec![0.0; values.len()];
    for (k, (value, _)) in values.iter().enumerate().filter(|(k, _)| *k != here) {
        let mut random = Watched::new(step.random);
        let result = walker.view.propose(&mut walker.state, &[(place, value.clone())], &[], &mut random)?;
        let drew = random.asked();
        weights[k] = match result {
            Ok(update) => {
                walker.view.reject(&mut walker.state);
                if drew || !update.gone.is_empty() {
                    return other(step, place, count, &values, here);
                }
                mutant!("gibbs ignores what follows", values[k].1 - values[here].1, walker.change(&update))
            }
            Err(_) if drew => return other(step, place, count, &values, here),
            Err(dead) => {
                step.trouble.note(dead);
                f64::NEG_INFINITY
            }
        };
    }
    let greatest = weights.iter().copied().fold(0.0, f64::max);
    weights.iter_mut().for_each(|w| *w = (*w - greatest).exp());
    let k = step.random.choose(&weights);
    if k != here {
        // Nothing is drawn, as was just seen.
        let result = walker.view.propose(&mut walker.state, &[(place, values[k].0.clone())], &[], step.random)?;
        if result.is_ok() {
            walker.view.accept(&mut walker.state);
        }
    }
    let tuning = &mut step.sites.at(step.walker, place, 1.0).tuning;
    tuning.count(k != here);
    Ok(k != here)
}

/// Proposes another value in proportion to its probability given the choices before it.
fn other<T: Traced>(
    step: &mut Step<'_, T>,
    place: usize,
    count: usize,
    values: &[(Value, f64)],
    here: usize,
) -> Result<bool, Fault> {
    let but = |left: usize| -> Vec<f64> {
        values.iter().enumerate().map(|(k, (_, logp))| if k == left { 0.0 } else { logp.exp() }).collect()
    };
    let there = but(here);
    let total: f64 = there.iter().sum();
    if total <= 0.0 {
        return Ok(false);
    }
    let k = step.random.choose(&there);
    let way_back =
        mutant!("gibbs proposal without its way back", 0.0, values[here].1 - but(k).iter().sum::<f64>().ln());
    let log_ratio = way_back - (values[k].1 - total.ln());
    let walker = &mut *step.walker;
    let accepted = match walker.view.propose(&mut walker.state, &[(place, values[k].0.clone())], &[], step.random)? {
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
