//! Running a model from one weight to the next.

use super::{Model, choice_name, choose_outcome, dead, score_site, unexpected};
use crate::exec::machine::{Event, Machine};
use crate::model::{Dead, Random, Step, Stepped};
use crate::value::{Fault, Generator, Value};
use std::sync::Arc;

/// The `Stepped` view of a model.
pub struct SteppedView {
    model: Model,
}

/// A suspended run. Named choices are a list that copies share, so that particles hold their common past once.
#[derive(Debug, Default)]
pub struct Run {
    machine: Machine,
    named: Option<Arc<Node>>,
    /// The site at which the run is paused.
    site: u32,
}

#[derive(Debug)]
struct Node {
    name: String,
    value: Value,
    before: Option<Arc<Node>>,
}

impl Drop for Node {
    /// Long lists are dropped one by one, not by recursion.
    fn drop(&mut self) {
        let mut next = self.before.take();
        while let Some(node) = next {
            match Arc::try_unwrap(node) {
                Ok(mut node) => next = node.before.take(),
                Err(_) => break,
            }
        }
    }
}

impl Clone for Run {
    fn clone(&self) -> Run {
        Run { machine: self.machine.clone(), named: self.named.clone(), site: self.site }
    }

    fn clone_from(&mut self, other: &Run) {
        self.machine.clone_from(&other.machine);
        self.named.clone_from(&other.named);
        self.site = other.site;
    }
}

impl SteppedView {
    /// The view of a model.
    pub fn new(model: Model) -> SteppedView {
        SteppedView { model }
    }

    fn go(&self, run: &mut Run, random: Option<&mut dyn Random>) -> Result<Step, Fault> {
        let model = &self.model;
        let code = &*model.code;
        let machine = &mut run.machine;
        let mut random = random;
        machine.pause_at_scores = true;
        machine.draw = random.is_none() && !model.record;
        loop {
            match machine.run(code)? {
                Event::Done => return Ok(Step::Done),
                Event::Score { func, score, weight } => {
                    run.site = score_site(code, func, score);
                    if weight == f64::NEG_INFINITY {
                        return Ok(Step::Dead(Dead::Zero(run.site)));
                    }
                    machine.forget_dead(code, false);
                    let address = machine.score_address(code, func, score);
                    return Ok(Step::Paused { weight, address });
                }
                Event::Sample { func, sample } => {
                    let value = match &mut random {
                        Some(random) => match random.generator() {
                            Some(generator) => {
                                machine.generator = *generator;
                                let value = machine.choice_draw(code, func, sample)?;
                                *generator = machine.generator;
                                value
                            }
                            None => choose_outcome(machine, code, func, sample, *random)?,
                        },
                        None => machine.choice_draw(code, func, sample)?,
                    };
                    if model.record
                        && let Some(name) = choice_name(machine, code, func, sample)
                    {
                        let before = run.named.take();
                        run.named = Some(Arc::new(Node { name, value: value.clone(), before }));
                    }
                    machine.supply(code, func, sample, value)?;
                }
                Event::Host { func, host } => match &mut random {
                    Some(random) => model.call_host(machine, func, host, *random)?,
                    None => model.call_host_drawing(machine, func, host)?,
                },
                Event::Printed => model.flush(machine),
                event => return Err(unexpected(event)),
            }
        }
    }

    fn settle(&self, run: &mut Run, result: Result<Step, Fault>) -> Result<Step, Fault> {
        self.model.flush(&mut run.machine);
        match result {
            Err(fault) => dead(fault).map(Step::Dead),
            ok => ok,
        }
    }
}

impl Stepped for SteppedView {
    type Run = Run;

    fn start(&self) -> Result<Run, Fault> {
        let mut run = Run::default();
        self.model.begin(&mut run.machine)?;
        Ok(run)
    }

    fn advance(&self, run: &mut Run, generator: Generator) -> Result<Step, Fault> {
        run.machine.generator = generator;
        let result = self.go(run, None);
        self.settle(run, result)
    }

    fn advance_with(&self, run: &mut Run, random: &mut dyn Random) -> Result<Step, Fault> {
        let result = self.go(run, Some(random));
        self.settle(run, result)
    }

    fn finish(&self, run: &Run) -> (Value, Vec<(String, Value)>) {
        let mut named = Vec::new();
        let mut at = run.named.as_ref();
        while let Some(node) = at {
            named.push((node.name.clone(), node.value.clone()));
            at = node.before.as_ref();
        }
        named.reverse();
        (run.machine.returned.clone(), named)
    }

    fn place(&self, run: &Run) -> String {
        self.model.code.sites.get(run.site as usize).map_or_else(String::new, |site| site.name.to_string())
    }
}
