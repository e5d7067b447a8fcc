//! Running a model from one weight to the next.

use super::{Model, choice_name, choose_outcome, dead, score_site, unexpected};
use crate::exec::machine::{Event, Machine};
use crate::model::{Advance, Dead, Random, Stand, Step, Stepped};
use crate::value::hash::{hash_value, same};
use crate::value::{Fault, Generator, Streams, Value};
use rayon::prelude::*;
use std::hash::Hasher;
use std::sync::Arc;

/// Runs that one thread advances at a time.
const BLOCK: usize = 64;

/// The `Stepped` view of a model.
pub struct SteppedView {
    model: Model,
}

/// A suspended run. Named choices are a list that copies share, so that particles hold their common past once.
#[derive(Debug, Default)]
pub struct Run {
    machine: Machine,
    named: Option<Arc<Node>>,
    stand: Stand,
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
                    let site = score_site(code, func, score);
                    if weight == f64::NEG_INFINITY {
                        return Ok(Step::Dead(Dead::Zero(site)));
                    }
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
                        run.named = Some(Arc::new(Node { name, value: value.clone(), before }));
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

    fn settle(&self, run: &mut Run, result: Result<Step, Fault>) -> Result<Step, Fault> {
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

    /// Advances a run of a collection; gives the log weight that it gained.
    fn step(&self, k: usize, run: &mut Run, streams: Streams, died: &mut Vec<(usize, Dead)>) -> Result<f64, Fault> {
        match run.stand {
            Stand::Done => return Ok(0.0),
            Stand::Dead => return Ok(f64::NEG_INFINITY),
            Stand::Begun | Stand::Paused { .. } => {}
        }
        Ok(match self.advance(run, streams.number(k as u64))? {
            Step::Paused { weight, .. } => weight,
            Step::Done => 0.0,
            Step::Dead(dead) => {
                died.push((k, dead));
                f64::NEG_INFINITY
            }
        })
    }
}

/// Runs held together.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    runs: Vec<Run>,
    stands: Vec<Stand>,
}

impl Stepped for SteppedView {
    type Run = Run;
    type Runs = Runs;

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

    fn site_name(&self, site: u32) -> String {
        self.model.code.sites.get(site as usize).map_or_else(String::new, |site| site.name.to_string())
    }

    fn start_all(&self, count: usize) -> Result<Runs, Fault> {
        Ok(Runs { runs: vec![self.start()?; count], stands: vec![Stand::Begun; count] })
    }

    fn stands<'a>(&self, runs: &'a Runs) -> &'a [Stand] {
        &runs.stands
    }

    fn advance_all(&self, runs: &mut Runs, waits: &[bool], streams: Streams) -> Result<Advance, Fault> {
        let parts: Vec<Result<Advance, Fault>> = runs
            .runs
            .par_chunks_mut(BLOCK)
            .enumerate()
            .map(|(block, runs)| {
                let mut advance = Advance::default();
                for (k, run) in runs.iter_mut().enumerate() {
                    let k = block * BLOCK + k;
                    let waits = waits.get(k) == Some(&true);
                    advance.gained.push(if waits { 0.0 } else { self.step(k, run, streams, &mut advance.died)? });
                }
                Ok(advance)
            })
            .collect();
        let mut advance = Advance::default();
        for part in parts {
            let part = part?;
            advance.gained.extend(part.gained);
            advance.died.extend(part.died);
        }
        for (stand, run) in runs.stands.iter_mut().zip(&runs.runs) {
            *stand = run.stand;
        }
        Ok(advance)
    }

    fn gather(&self, runs: &mut Runs, ancestors: &[usize]) {
        // The last child of a run takes its memory.
        let mut left = vec![0u32; runs.runs.len()];
        for k in ancestors {
            left[*k] += 1;
        }
        let mut old = std::mem::take(&mut runs.runs);
        runs.runs = ancestors
            .iter()
            .map(|k| {
                left[*k] -= 1;
                if left[*k] == 0 { std::mem::take(&mut old[*k]) } else { old[*k].clone() }
            })
            .collect();
        runs.stands = runs.runs.iter().map(|run| run.stand).collect();
    }

    fn take_out(&self, runs: &Runs, k: usize) -> Run {
        runs.runs[k].clone()
    }

    fn put_in(&self, runs: &mut Runs, k: usize, run: Run) {
        runs.stands[k] = run.stand;
        runs.runs[k] = run;
    }

    fn finish_one(&self, runs: &Runs, k: usize) -> (Value, Vec<(String, Value)>) {
        self.finish(&runs.runs[k])
    }

    fn position(&self, runs: &Runs, k: usize) -> Vec<u64> {
        runs.runs[k].machine.position(&self.model.code)
    }

    fn same_future(&self, a: (&Runs, usize), b: (&Runs, usize)) -> bool {
        let (a, b) = (&a.0.runs[a.1], &b.0.runs[b.1]);
        let same_named = || {
            let (a, b) = (self.finish(a).1, self.finish(b).1);
            a.len() == b.len() && a.iter().zip(&b).all(|(x, y)| x.0 == y.0 && same(&x.1, &y.1))
        };
        a.machine.same_future(&b.machine) && same(&a.machine.returned, &b.machine.returned) && same_named()
    }

    fn hash_future(&self, runs: &Runs, k: usize, hasher: &mut dyn Hasher) {
        let mut hasher = hasher;
        let machine = &runs.runs[k].machine;
        machine.hash_future(&mut hasher);
        hash_value(&machine.returned, &mut hasher);
    }
}
