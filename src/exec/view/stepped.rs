//! Running a model from one weight to the next.

use super::runs::Runs;
use super::{Model, choice_name, choose_outcome, dead, score_site, unexpected};
use crate::exec::machine::{Event, Machine};
use crate::model::{Advance, Dead, Random, Stand, Step, Stepped};
use crate::value::hash::{hash_value, same};
use crate::value::{Fault, Generator, Streams, Value};
use std::hash::Hasher;
use std::sync::Arc;

/// The `Stepped` view of a model.
pub struct SteppedView {
    pub(super) model: Model,
}

/// A suspended run. Named choices are a list that copies share, so that particles hold their common past once.
#[derive(Debug, Default)]
pub struct Run {
    pub(super) machine: Machine,
    pub(super) named: Option<Arc<Node>>,
    pub(super) stand: Stand,
}

/// A named choice and those before it.
#[derive(Debug)]
pub(super) struct Node {
    pub name: Arc<str>,
    pub value: Value,
    pub before: Option<Arc<Node>>,
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
        Run { machine: self.machine.clone(), named: self.named.clone(), stand: self.stand }
    }

    fn clone_from(&mut self, other: &Run) {
        self.machine.clone_from(&other.machine);
        self.named.clone_from(&other.named);
        self.stand = other.stand;
    }
}

impl SteppedView {
    /// The view of a model.
    pub fn new(model: Model) -> SteppedView {
        SteppedView { model }
    }

    pub(super) fn go(&self, run: &mut Run, random: Option<&mut dyn Random>) -> Result<Step, Fault> {
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
                    let site = score_site(code, func, score);
                    let weight = mutant!("a factor of zero is kept as none", weight.max(-1e3), weight);
                    if weight == f64::NEG_INFINITY {
                        return Ok(Step::Dead(Dead::Zero(site)));
                    }
                    let weight = mutant!("a factor of zero is kept as none", weight % 1e3, weight);
                    // Runs that are enumerated are compared, so that what is dead must not differ.
                    let exact = random.as_mut().is_some_and(|random| random.generator().is_none());
                    machine.forget_dead(code, exact);
                    let address = machine.score_address(code, func, score);
                    return Ok(Step::Paused { weight, address, site });
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
                        run.named = Some(Arc::new(Node { name: name.into(), value: value.clone(), before }));
                    }
                    machine.supply(code, func, sample, value)?;
                }
                Event::Host { func, host } => match &mut random {
                    Some(random) => model.call_host(machine, func, host, *random).map(|_| ())?,
                    None => model.call_host_drawing(machine, func, host)?,
                },
                Event::Printed => model.flush(machine),
                event => return Err(unexpected(event)),
            }
        }
    }

    pub(super) fn settle(&self, run: &mut Run, result: Result<Step, Fault>) -> Result<Step, Fault> {
        self.model.flush(&mut run.machine);
        let step = match result {
            Err(fault) => dead(fault).map(Step::Dead)?,
            Ok(step) => step,
        };
        run.stand = match step {
            Step::Paused { address, site, .. } => Stand::Paused { address, site },
            Step::Done => Stand::Done,
            Step::Dead(_) => Stand::Dead,
        };
        Ok(step)
    }
}

impl SteppedView {
    /// A copy of a run without what no later instruction reads, however it was held.
    fn future(&self, runs: &Runs, k: usize) -> Run {
        let mut run = runs.take_out(self, k);
        run.machine.forget_dead(&self.model.code, true);
        run
    }
}

/// The named choices of a list, the first first.
pub(super) fn choices(list: Option<&Arc<Node>>) -> Vec<(String, Value)> {
    let mut named = Vec::new();
    let mut at = list;
    while let Some(node) = at {
        named.push((node.name.to_string(), node.value.clone()));
        at = node.before.as_ref();
    }
    named.reverse();
    named
}

impl Stepped for SteppedView {
    type Run = Run;
    type Runs = Runs;

    fn start(&self) -> Result<Run, Fault> {
        let mut run = Run::default();
        run.machine.compact = true;
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
        (run.machine.returned.clone(), choices(run.named.as_ref()))
    }

    fn site_name(&self, site: u32) -> String {
        self.model.code.sites.get(site as usize).map_or_else(String::new, |site| site.name.to_string())
    }

    fn start_all(&self, count: usize) -> Result<Runs, Fault> {
        Ok(Runs::of(&self.model.code, &self.start()?, count, self.model.record))
    }

    fn stands<'a>(&self, runs: &'a Runs) -> &'a [Stand] {
        &runs.stands
    }

    fn advance_all(&self, runs: &mut Runs, waits: &[bool], streams: Streams) -> Result<Advance, Fault> {
        runs.advance(self, waits, streams)
    }

    fn gather(&self, runs: &mut Runs, ancestors: &[usize]) {
        runs.gather(&self.model.code, ancestors);
    }

    fn take_out(&self, runs: &Runs, k: usize) -> Run {
        runs.take_out(self, k)
    }

    fn put_in(&self, runs: &mut Runs, k: usize, run: Run) {
        runs.put_in(&self.model.code, k, run);
    }

    fn finish_one(&self, runs: &Runs, k: usize) -> (Value, Vec<(String, Value)>) {
        runs.finish(self, k)
    }

    fn position(&self, runs: &Runs, k: usize) -> Vec<u64> {
        runs.take_out(self, k).machine.position(&self.model.code)
    }

    fn same_future(&self, a: (&Runs, usize), b: (&Runs, usize)) -> bool {
        let (a, b) = (self.future(a.0, a.1), self.future(b.0, b.1));
        let same_named = || {
            let (a, b) = (choices(a.named.as_ref()), choices(b.named.as_ref()));
            a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.0 == y.0 && same(&x.1, &y.1))
        };
        a.machine.same_future(&b.machine) && same(&a.machine.returned, &b.machine.returned) && same_named()
    }

    fn hash_future(&self, runs: &Runs, k: usize, hasher: &mut dyn Hasher) {
        let mut hasher = hasher;
        let machine = self.future(runs, k).machine;
        machine.hash_future(&mut hasher);
        hash_value(&machine.returned, &mut hasher);
    }
}
