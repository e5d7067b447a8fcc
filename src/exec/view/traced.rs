//! Running a model with its choices addressed: generated, replayed, changed a few at a time.
//!
//! Traces are lists in the order of execution. A new run walks along the old trace, so that where nothing moved a choice is found
//! without a look-up; only a run that leaves the old order builds an index of it. A choice whose value and whose distribution's
//! arguments are what they were keeps its log density.

mod walk;

use super::{Model, branching, choose_outcome, dead, unexpected};
use crate::exec::machine::{Code, Event, Machine};
use crate::model::{Dead, Infos, Outcomes, Random, Trace, Traced, Update};
use crate::source::Name;
use crate::value::domain::Size;
use crate::value::{DistValue, Fault, Value};
use std::sync::Arc;
use walk::{Purpose, Recorded, Walk};

/// The `Traced` view of a model.
pub struct TracedView {
    model: Model,
}

/// A run of a model, and the one before it while a proposal is pending.
#[derive(Clone, Debug, Default)]
pub struct State {
    infos: Infos,
    now: Recorded,
    /// While pending, the run before; else memory to be used again.
    before: Recorded,
    pending: bool,
    scratch: Scratch,
}

/// What a run needs while it lasts. A clone starts without.
#[derive(Debug, Default)]
struct Scratch {
    machine: Machine,
    index: walk::Index,
}

impl Clone for Scratch {
    fn clone(&self) -> Scratch {
        Scratch::default()
    }
}

impl TracedView {
    /// The view of a model.
    pub fn new(model: Model) -> TracedView {
        TracedView { model }
    }

    /// Runs from the start for some purpose; leaves the run in `out`.
    fn walk(
        &self,
        infos: &mut Infos,
        scratch: &mut Scratch,
        purpose: &Purpose<'_>,
        out: &mut Recorded,
        random: &mut dyn Random,
    ) -> Result<Result<Update, Dead>, Fault> {
        let Scratch { machine, index } = scratch;
        let mut walk = Walk { model: &self.model, machine, infos, index };
        let result = walk.go(purpose, out, random);
        self.model.flush(&mut scratch.machine);
        match result {
            Err(fault) => dead(fault).map(Err),
            other => other,
        }
    }

    /// Asks something of the machine paused at a choice of a state.
    fn at_choice<R>(
        &self,
        state: &State,
        place: usize,
        ask: impl FnOnce(&mut Machine, &Code, u32, u32) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let code = &*self.model.code;
        let mut machine = Machine::default();
        walk::begin(&self.model, &mut machine)?;
        let mut hosts = state.now.hosts.iter();
        let mut at = 0;
        loop {
            match machine.run(code)? {
                Event::Sample { func, sample } if at == place => return ask(&mut machine, code, func, sample),
                Event::Sample { func, sample } => {
                    let choice = state.now.trace.choices.get(at).ok_or_else(strayed)?;
                    machine.supply(code, func, sample, choice.value.clone())?;
                    at += 1;
                }
                Event::Host { func, host } => {
                    let value = hosts.next().ok_or_else(strayed)?.clone();
                    machine.supply_host(code, func, host, value)?;
                }
                Event::Printed => machine.printed.clear(),
                Event::Done => return Err(strayed()),
                event => return Err(unexpected(event)),
            }
        }
    }
}

fn strayed() -> Fault {
    Fault::internal("a trace was replayed that is not one of its model")
}

/// A draw at the choice where a machine is paused.
fn draw(machine: &mut Machine, code: &Code, func: u32, sample: u32, random: &mut dyn Random) -> Result<Value, Fault> {
    match random.generator() {
        Some(generator) => {
            machine.generator = *generator;
            let value = machine.choice_draw(code, func, sample);
            *generator = machine.generator;
            value
        }
        None => choose_outcome(machine, code, func, sample, random),
    }
}

impl Traced for TracedView {
    type State = State;

    fn generate_with(
        &self,
        given: &[(u64, Value)],
        random: &mut dyn Random,
    ) -> Result<Result<(State, f64), Dead>, Fault> {
        let mut state = State::default();
        let State { infos, now, scratch, .. } = &mut state;
        let purpose = Purpose::Generate { given: given.iter().map(|(address, value)| (*address, value)).collect() };
        let result = self.walk(infos, scratch, &purpose, now, random)?;
        Ok(result.map(|update| (state, update.stale)))
    }

    fn trace<'s>(&self, state: &'s State) -> &'s Trace {
        &state.now.trace
    }

    fn infos<'s>(&self, state: &'s State) -> &'s Infos {
        &state.infos
    }

    fn value(&self, state: &State) -> Value {
        state.now.value.clone()
    }

    fn propose(
        &self,
        state: &mut State,
        values: &[(usize, Value)],
        redraw: &[usize],
        random: &mut dyn Random,
    ) -> Result<Result<Update, Dead>, Fault> {
        self.reject(state);
        let State { infos, now, before, pending, scratch } = state;
        std::mem::swap(now, before);
        let purpose = Purpose::Replay { old: before, changes: walk::Changes::new(values, redraw) };
        let result = self.walk(infos, scratch, &purpose, now, random);
        match result {
            Ok(Ok(mut update)) => {
                update.log_prior = now.trace.log_prior - before.trace.log_prior;
                update.log_weight = now.trace.log_weight - before.trace.log_weight;
                update.before = before.trace.movable.len();
                update.after = now.trace.movable.len();
                *pending = true;
                Ok(Ok(update))
            }
            other => {
                std::mem::swap(now, before);
                other
            }
        }
    }

    fn accept(&self, state: &mut State) {
        state.pending = false;
    }

    fn reject(&self, state: &mut State) {
        if std::mem::take(&mut state.pending) {
            std::mem::swap(&mut state.now, &mut state.before);
        }
    }

    fn draw_choice(&self, state: &State, place: usize, random: &mut dyn Random) -> Result<Option<(Value, f64)>, Fault> {
        self.at_choice(state, place, |machine, code, func, sample| {
            if !machine.can_draw(code, func, sample) {
                return Ok(None);
            }
            let value = draw(machine, code, func, sample, random)?;
            let logp = machine.choice_logp(code, func, sample, &value)?;
            Ok(Some((value, logp)))
        })
    }

    fn choice_logps(&self, state: &State, place: usize, values: &[Value]) -> Result<Vec<f64>, Fault> {
        self.at_choice(state, place, |machine, code, func, sample| {
            values.iter().map(|value| machine.choice_logp(code, func, sample, value)).collect()
        })
    }

    fn outcomes(&self, state: &State, place: usize) -> Result<Option<Outcomes>, Fault> {
        self.at_choice(state, place, |machine, code, func, sample| {
            match machine.choice_support(code, func, sample).map(|support| support.size()) {
                Ok(Size::Finite(n)) if n <= branching::MOST_OUTCOMES => {}
                Ok(Size::Countable) => {}
                _ => return Ok(None),
            }
            branching::outcomes(machine, code, func, sample).map(Some)
        })
    }

    fn distribution(&self, state: &State, place: usize) -> Result<Value, Fault> {
        self.at_choice(state, place, |machine, code, func, sample| {
            let (dist, args) = machine.choice_distribution(code, func, sample)?;
            let name: Name = code.dists[dist as usize].name;
            Ok(Value::Dist(Arc::new(DistValue { name, dist, args })))
        })
    }

    fn predict(&self, state: &mut State, random: &mut dyn Random) -> Result<Result<(), Dead>, Fault> {
        let State { infos, now, before, scratch, .. } = state;
        if now.trace.movable.len() == now.trace.choices.len() {
            return Ok(Ok(()));
        }
        std::mem::swap(now, before);
        let result = self.walk(infos, scratch, &Purpose::Predict { old: before }, now, random);
        if !matches!(result, Ok(Ok(_))) {
            std::mem::swap(now, before);
        }
        Ok(result?.map(|_| ()))
    }

    fn site_name(&self, site: u32) -> String {
        match self.model.code.sites.get(site as usize) {
            Some(site) => site.name.to_string(),
            None => "a choice whose support changed".to_string(),
        }
    }
}
