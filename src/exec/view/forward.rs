//! Running a model from start to end.

use super::{Model, choice_name, choose_outcome, dead, score_site, unexpected};
use crate::exec::machine::{Event, Machine};
use crate::model::{Dead, Forward, Random, Weighted};
use crate::value::Fault;

/// The `Forward` view of a model.
pub struct ForwardView {
    model: Model,
    machine: Machine,
}

impl ForwardView {
    /// The view of a model.
    pub fn new(model: Model) -> ForwardView {
        ForwardView { model, machine: Machine::default() }
    }

    fn go(&mut self, random: &mut dyn Random) -> Result<Result<Weighted, Dead>, Fault> {
        let model = &self.model;
        let code = &*model.code;
        let machine = &mut self.machine;
        model.begin(machine)?;
        machine.pause_at_scores = false;
        let drawing = match random.generator() {
            Some(generator) => {
                machine.generator = *generator;
                true
            }
            None => false,
        };
        machine.draw = drawing && !model.record;
        let mut named = Vec::new();
        loop {
            match machine.run(code)? {
                Event::Done => break,
                Event::Sample { func, sample } => {
                    let value = if drawing {
                        machine.choice_draw(code, func, sample)?
                    } else {
                        choose_outcome(machine, code, func, sample, random)?
                    };
                    if model.record
                        && let Some(name) = choice_name(machine, code, func, sample)
                    {
                        named.push((name, value.clone()));
                    }
                    machine.supply(code, func, sample, value)?;
                }
                Event::Score { func, score, .. } => {
                    return Ok(Err(Dead::Zero(score_site(code, func, score))));
                }
                Event::Host { func, host } if drawing => model.call_host_drawing(machine, func, host)?,
                Event::Host { func, host } => {
                    model.call_host(machine, func, host, random)?;
                }
                Event::Printed => model.flush(machine),
                event => return Err(unexpected(event)),
            }
        }
        if let Some(generator) = random.generator() {
            *generator = machine.generator;
        }
        Ok(Ok(Weighted { value: std::mem::take(&mut machine.returned), log_weight: machine.log_weight, named }))
    }
}

impl Forward for ForwardView {
    fn run(&mut self, random: &mut dyn Random) -> Result<Result<Weighted, Dead>, Fault> {
        let result = self.go(random);
        self.model.flush(&mut self.machine);
        if let (Some(generator), Ok(Err(_)) | Err(_)) = (random.generator(), &result) {
            *generator = self.machine.generator;
        }
        match result {
            Err(fault) => dead(fault).map(Err),
            other => other,
        }
    }
}
