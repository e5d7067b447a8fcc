//! Suspended runs that keep what they drew, and follow what another run drew.

use super::traced::{End, State, TracedView, pass};
use super::{Model, choice_name, choose_outcome, dead, score_site, unexpected};
use crate::exec::machine::{Event, Machine};
use crate::model::path::{CALL, FIXED_CALL};
use crate::model::{Advance, Dead, Met, Path, Production, Random, Recorded, Stand, Step, Stepped, Traced, Watched};
use crate::value::hash::{hash_value, same};
use crate::value::{Fault, Generator, Streams, Value};
use rayon::prelude::*;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Runs that one thread advances at a time.
const BLOCK: usize = 64;

/// The `Recorded` view of a model.
pub struct RecordedView {
    model: Model,
}

/// A suspended run.
#[derive(Debug, Default)]
pub struct Run {
    machine: Machine,
    past: Option<Arc<Node>>,
    stand: Stand,
    follows: Option<Following>,
    /// The weights met, as `pass` names them.
    passed: u64,
    /// So many of its first choices are held as they are.
    held: u32,
}

/// The path that a run follows.
#[derive(Clone, Debug)]
struct Following {
    path: Arc<[Met]>,
    /// How much of it was met.
    met: usize,
    /// How many weights were met on it, by the run and by those whose place on the path it took.
    weights: usize,
}

impl Following {
    fn new(path: &Arc<[Met]>, met: usize) -> Option<Following> {
        Some(Following { path: Arc::clone(path), met, weights: 0 })
    }
}

/// What a run drew last, and before. Runs of a common past share it.
#[derive(Debug)]
struct Node {
    met: Met,
    /// The name of a choice that the user sees, where names are recorded.
    name: Option<Arc<str>>,
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
        let mut copy = Run::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, other: &Run) {
        self.machine.clone_from(&other.machine);
        self.past.clone_from(&other.past);
        self.stand = other.stand;
        self.follows.clone_from(&other.follows);
        self.passed = other.passed;
        self.held = other.held;
    }
}

impl Run {
    fn pasts(&self) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.past.as_deref(), |node| node.before.as_deref())
    }

    fn note(&mut self, met: Met, name: Option<Arc<str>>) {
        let before = self.past.take();
        self.past = Some(Arc::new(Node { met, name, before }));
    }

    /// What comes next on the path that the run follows, if it is at this address.
    fn next(&mut self, address: u64) -> Option<Value> {
        let following = self.follows.as_mut()?;
        let met = following.path.get(following.met).filter(|met| met.address == address)?;
        following.met += 1;
        Some(met.value.clone())
    }
}

impl Run {
    /// What a function of the host gave next on the path that the run follows.
    fn next_call(&mut self) -> Option<Met> {
        let following = self.follows.as_mut()?;
        let met = following.path.get(following.met).filter(|met| met.is_call())?.clone();
        following.met += 1;
        Some(met)
    }
}

/// Runs held together.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    /// In boxes, for they are large and change places at every resampling.
    #[allow(clippy::vec_box, reason = "they are moved often")]
    runs: Vec<Box<Run>>,
    stands: Vec<Stand>,
    /// The path that run 0 follows.
    given: Option<Arc<Given>>,
}

/// A path to follow.
#[derive(Debug)]
struct Given {
    met: Arc<[Met]>,
    /// The run along the path after each weight, with the log density so far; where ancestors are asked for.
    stages: Option<Vec<(Run, f64)>>,
    /// The log density of the whole path.
    total: f64,
    /// As of the path.
    changed: Arc<HashMap<u64, (u64, u64)>>,
}

impl Given {
    /// The counts of changes with those of a run that comes after the path.
    fn changes(&self, met: &[Met]) -> HashMap<u64, (u64, u64)> {
        let mut counts = HashMap::clone(&self.changed);
        let in_order =
            met.len() == self.met.len() && met.iter().zip(self.met.iter()).all(|(a, b)| a.address == b.address);
        let index: HashMap<u64, &Value> = match in_order {
            true => HashMap::new(),
            false => self.met.iter().map(|met| (met.address, &met.value)).collect(),
        };
        for (k, met) in met.iter().enumerate().filter(|(_, met)| !met.is_call()) {
            let before = if in_order { Some(&self.met[k].value) } else { index.get(&met.address).copied() };
            let Some(before) = before else { continue };
            let count = counts.entry(met.address).or_default();
            count.0 += u64::from(!same(before, &met.value));
            count.1 += 1;
        }
        counts
    }
}

impl RecordedView {
    /// The view of a model.
    pub fn new(model: Model) -> RecordedView {
        RecordedView { model }
    }

    /// How often each named choice of a run changed in the steps of the chain that led to it, and in how many it was made.
    ///
    /// # Errors
    /// When the run is not one of this model.
    pub fn changes(&self, path: &Path) -> Result<Vec<(String, u64, u64)>, Fault> {
        let view = RecordedView { model: Model { record: true, ..self.model.clone() } };
        let mut run = view.start()?;
        run.follows = Following::new(&path.met, 0);
        while matches!(view.advance(&mut run, Generator::new(0))?, Step::Paused { .. }) {}
        let named = run
            .pasts()
            .filter_map(|node| Some((node.name.as_ref()?.to_string(), path.changed.get(&node.met.address)?)));
        let mut named: Vec<(String, u64, u64)> = named.map(|(name, (changed, made))| (name, *changed, *made)).collect();
        named.reverse();
        Ok(named)
    }

    /// The model.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Runs to the next weight or the end. Where a density is asked for, that of what the run follows is added to it.
    fn go(
        &self,
        run: &mut Run,
        mut random: Option<&mut dyn Random>,
        mut logp: Option<&mut f64>,
    ) -> Result<Step, Fault> {
        let model = &self.model;
        let code = &*model.code;
        run.machine.pause_at_scores = true;
        run.machine.draw = false;
        let astray = Ok(Step::Dead(Dead::Zero(u32::MAX)));
        loop {
            match run.machine.run(code)? {
                Event::Done => return Ok(Step::Done),
                Event::Score { func, score, weight } => {
                    let site = score_site(code, func, score);
                    if weight == f64::NEG_INFINITY {
                        return Ok(Step::Dead(Dead::Zero(site)));
                    }
                    let exact = random.as_mut().is_some_and(|random| random.generator().is_none());
                    run.machine.forget_dead(code, exact);
                    if let Some(following) = &mut run.follows {
                        following.weights += 1;
                    }
                    let address = run.machine.score_address(code, func, score);
                    run.passed = pass(run.passed, address);
                    return Ok(Step::Paused { weight, address, site });
                }
                Event::Sample { func, sample } => {
                    let address = run.machine.choice_address(code, func, sample);
                    let value = match (run.follows.is_some(), &mut random) {
                        (true, _) => match run.next(address) {
                            Some(value) => value,
                            None => return astray,
                        },
                        (false, None) => run.machine.choice_draw(code, func, sample)?,
                        (false, Some(random)) => choose_outcome(&mut run.machine, code, func, sample, *random)?,
                    };
                    if let Some(logp) = logp.as_deref_mut() {
                        *logp += run.machine.choice_logp(code, func, sample, &value)?;
                        if *logp == f64::NEG_INFINITY {
                            return astray;
                        }
                    }
                    let name = match model.record {
                        true => choice_name(&run.machine, code, func, sample).map(Arc::from),
                        false => None,
                    };
                    run.machine.supply(code, func, sample, value.clone())?;
                    run.note(Met { address, value }, name);
                }
                Event::Host { func, host } => {
                    let value = match (run.follows.is_some(), &mut random) {
                        // What another run was given by the host need not be what this one would get.
                        (true, _) if logp.is_some() => return astray,
                        (true, _) => {
                            let Some(met) = run.next_call() else { return astray };
                            run.machine.supply_host(code, func, host, met.value.clone())?;
                            met
                        }
                        (false, None) => {
                            let mut random = Production(run.machine.generator.split());
                            self.call(&mut run.machine, func, host, &mut random)?
                        }
                        (false, Some(random)) => self.call(&mut run.machine, func, host, *random)?,
                    };
                    run.note(value, None);
                }
                Event::Printed => model.flush(&mut run.machine),
                event => return Err(unexpected(event)),
            }
        }
    }

    fn call(&self, machine: &mut Machine, func: u32, host: u32, random: &mut dyn Random) -> Result<Met, Fault> {
        let mut random = Watched::new(random);
        let value = self.model.call_host(machine, func, host, &mut random)?;
        Ok(Met { address: if random.asked() { CALL } else { FIXED_CALL }, value })
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

    /// As [`RecordedView::go`] for a run that follows a path: also the log density gained, of choices and weight.
    fn trace(&self, run: &mut Run) -> Result<(Step, f64), Fault> {
        let mut logp = 0.0;
        let result = self.go(run, None, Some(&mut logp));
        let step = self.settle(run, result)?;
        match step {
            Step::Paused { weight, .. } => logp += weight,
            Step::Done => {}
            Step::Dead(_) => logp = f64::NEG_INFINITY,
        }
        Ok((step, logp))
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

    /// The log density of a run's going on as the path from its place `at` does. It need not be followed further than to a weight after
    /// which the run along the path itself has the same future.
    fn continuation(&self, run: &Run, given: &Given, stages: &[(Run, f64)], at: usize) -> Result<f64, Fault> {
        let mut run = run.clone();
        run.follows = Following::new(&given.met, at);
        run.past = None;
        let mut total = 0.0;
        for (stage, so_far) in stages {
            let (step, logp) = self.trace(&mut run)?;
            total += logp;
            if total == f64::NEG_INFINITY || !matches!(step, Step::Paused { .. }) {
                // The path has a weight here, and the run has none.
                return Ok(f64::NEG_INFINITY);
            }
            run.machine.forget_dead(&self.model.code, true);
            let met = |run: &Run| run.follows.as_ref().map(|following| following.met);
            if met(&run) == met(stage) && run.machine.same_future(&stage.machine) {
                return Ok(total + given.total - so_far);
            }
        }
        let (step, logp) = self.trace(&mut run)?;
        let complete = run.follows.is_some_and(|following| following.met == following.path.len());
        Ok(if matches!(step, Step::Done) && complete { total + logp } else { f64::NEG_INFINITY })
    }
}

impl Stepped for RecordedView {
    type Run = Run;
    type Runs = Runs;

    fn start(&self) -> Result<Run, Fault> {
        let mut run = Run::default();
        self.model.begin(&mut run.machine)?;
        Ok(run)
    }

    fn advance(&self, run: &mut Run, generator: Generator) -> Result<Step, Fault> {
        run.machine.generator = generator;
        let result = self.go(run, None, None);
        self.settle(run, result)
    }

    fn advance_with(&self, run: &mut Run, random: &mut dyn Random) -> Result<Step, Fault> {
        let result = match random.generator() {
            Some(generator) => {
                run.machine.generator = *generator;
                let result = self.go(run, None, None);
                *generator = run.machine.generator;
                result
            }
            None => self.go(run, Some(random), None),
        };
        self.settle(run, result)
    }

    fn finish(&self, run: &Run) -> (Value, Vec<(String, Value)>) {
        let named = run.pasts().filter_map(|node| Some((node.name.as_ref()?.to_string(), node.met.value.clone())));
        let mut named: Vec<(String, Value)> = named.collect();
        named.reverse();
        (run.machine.returned.clone(), named)
    }

    fn site_name(&self, site: u32) -> String {
        self.model.code.sites.get(site as usize).map_or_else(String::new, |site| site.name.to_string())
    }

    fn start_all(&self, count: usize) -> Result<Runs, Fault> {
        Ok(Runs { runs: vec![Box::new(self.start()?); count], stands: vec![Stand::Begun; count], given: None })
    }

    fn stands<'a>(&self, runs: &'a Runs) -> &'a [Stand] {
        &runs.stands
    }

    fn advance_all(&self, runs: &mut Runs, waits: &[bool], streams: Streams) -> Result<Advance, Fault> {
        let block = |(block, runs): (usize, &mut [Box<Run>])| {
            let mut advance = Advance::default();
            for (k, run) in runs.iter_mut().enumerate() {
                let k = block * BLOCK + k;
                let waits = waits.get(k) == Some(&true);
                advance.gained.push(if waits { 0.0 } else { self.step(k, run, streams, &mut advance.died)? });
            }
            Ok(advance)
        };
        // To wake a thread costs more than to advance a few runs.
        let parts: Vec<Result<Advance, Fault>> = if runs.runs.len() <= BLOCK {
            vec![block((0, &mut runs.runs))]
        } else {
            runs.runs.par_chunks_mut(BLOCK).enumerate().map(block).collect()
        };
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
        let followed = runs.runs.first_mut().and_then(|run| run.follows.take());
        // The last child of a run takes its place in memory, others take that of runs without children.
        let mut left = vec![0u32; runs.runs.len()];
        for k in ancestors {
            left[*k] += 1;
        }
        let mut old: Vec<Option<Box<Run>>> = std::mem::take(&mut runs.runs).into_iter().map(Some).collect();
        let mut free: Vec<Box<Run>> =
            old.iter_mut().zip(&left).filter(|(_, left)| **left == 0).filter_map(|(run, _)| run.take()).collect();
        runs.runs = Vec::with_capacity(ancestors.len());
        for k in ancestors {
            left[*k] -= 1;
            if left[*k] == 0 {
                runs.runs.extend(old[*k].take());
            } else if let Some(run) = &old[*k] {
                let mut copy = free.pop().unwrap_or_default();
                copy.clone_from(run);
                runs.runs.push(copy);
            }
        }
        let kept = ancestors.first();
        for (run, k) in runs.runs.iter_mut().zip(ancestors).skip(1) {
            if mutant!("children of the retained run follow it too", Some(k) == kept, false) {
                run.follows = followed.clone();
            }
        }
        if let Some(run) = runs.runs.first_mut() {
            run.follows = followed;
        }
        runs.stands = runs.runs.iter().map(|run| run.stand).collect();
    }

    fn take_out(&self, runs: &Runs, k: usize) -> Run {
        Run::clone(&runs.runs[k])
    }

    fn put_in(&self, runs: &mut Runs, k: usize, run: Run) {
        runs.stands[k] = run.stand;
        *runs.runs[k] = run;
    }

    fn finish_one(&self, runs: &Runs, k: usize) -> (Value, Vec<(String, Value)>) {
        self.finish(&runs.runs[k])
    }

    fn position(&self, runs: &Runs, k: usize) -> Vec<u64> {
        runs.runs[k].machine.position(&self.model.code)
    }

    fn same_future(&self, a: (&Runs, usize), b: (&Runs, usize)) -> bool {
        let (a, b) = (&a.0.runs[a.1], &b.0.runs[b.1]);
        let path = |run: &Run| run.follows.as_ref().map(|following| (following.path.as_ptr(), following.met));
        let alike = |(x, y): (&Node, &Node)| x.met.address == y.met.address && same(&x.met.value, &y.met.value);
        a.machine.same_future(&b.machine)
            && a.held == b.held
            && path(a) == path(b)
            && same(&a.machine.returned, &b.machine.returned)
            && a.pasts().count() == b.pasts().count()
            && a.pasts().zip(b.pasts()).all(alike)
    }

    fn hash_future(&self, runs: &Runs, k: usize, hasher: &mut dyn Hasher) {
        let mut hasher = hasher;
        let run = &runs.runs[k];
        run.machine.hash_future(&mut hasher);
        hash_value(&run.machine.returned, &mut hasher);
        for node in run.pasts() {
            node.met.address.hash(&mut hasher);
            hash_value(&node.met.value, &mut hasher);
        }
    }

    fn is_conditional(&self, runs: &Runs) -> bool {
        runs.given.is_some()
    }

    fn continuations(&self, runs: &Runs) -> Result<Option<Vec<f64>>, Fault> {
        let Some(given) = &runs.given else { return Ok(None) };
        let (Some(stages), Some(first)) = (&given.stages, runs.runs.first()) else { return Ok(None) };
        let Some(Following { met, weights, .. }) = &first.follows else { return Ok(None) };
        let ahead = stages.get(*weights..).unwrap_or_default();
        let mut all = Vec::with_capacity(runs.runs.len());
        for run in &runs.runs {
            // Run 0 is asked too: it may have taken another past since it began to follow the path.
            all.push(match run.stand {
                Stand::Begun | Stand::Paused { .. } => self.continuation(run, given, ahead, *met)?,
                // At its end a run goes on as a path does of which nothing is left.
                Stand::Done if *met == given.met.len() && ahead.is_empty() => 0.0,
                Stand::Done | Stand::Dead => f64::NEG_INFINITY,
            });
        }
        Ok(Some(all))
    }
}

impl Recorded for RecordedView {
    fn path(&self, runs: &Runs, k: usize) -> Path {
        let run = &runs.runs[k];
        let mut met: Vec<Met> = run.pasts().map(|node| node.met.clone()).collect();
        met.reverse();
        let (value, named) = self.finish(run);
        let changed = runs.given.as_ref().map_or_else(Default::default, |given| Arc::new(given.changes(&met)));
        Path { met: met.into(), value, named, changed }
    }

    fn follow(&self, path: &Path, count: usize, ancestors: bool) -> Result<Runs, Fault> {
        let mut runs = self.start_all(count)?;
        let Some(first) = runs.runs.first_mut() else { return Ok(runs) };
        first.follows = Following::new(&path.met, 0);
        let mut given =
            Given { met: Arc::clone(&path.met), stages: None, total: 0.0, changed: Arc::clone(&path.changed) };
        if ancestors {
            let mut run = Run::clone(first);
            let mut stages = Vec::new();
            loop {
                let (step, logp) = self.trace(&mut run)?;
                given.total += logp;
                if !matches!(step, Step::Paused { .. }) {
                    break;
                }
                let mut stage = run.clone();
                stage.past = None;
                stage.machine.forget_dead(&self.model.code, true);
                stages.push((stage, given.total));
            }
            // A run with results of the host keeps its past.
            given.stages = (given.total > f64::NEG_INFINITY).then_some(stages);
        }
        runs.given = Some(Arc::new(given));
        Ok(runs)
    }

    fn hold(&self, runs: &mut Runs) {
        for run in &mut runs.runs {
            run.held = run.pasts().filter(|node| !node.met.is_call()).count() as u32;
        }
    }

    type Prefix = TracedView;

    fn as_trace(
        &self,
        runs: &Runs,
        k: usize,
        random: &mut dyn Random,
    ) -> Result<Result<(TracedView, State), Dead>, Fault> {
        let run = &runs.runs[k];
        let end = if run.stand == Stand::Done { End::Done(run.passed) } else { End::Weight(run.passed) };
        let view = TracedView::until(self.model.clone(), end).holding(run.held);
        let mut met: Vec<Met> = run.pasts().map(|node| node.met.clone()).collect();
        met.reverse();
        Ok(view.adopt(&met, random)?.map(|state| (view, state)))
    }

    fn as_run(&self, runs: &Runs, k: usize, prefix: &TracedView, state: &State) -> Result<Run, Fault> {
        let code = &*self.model.code;
        let end = (runs.stands[k] != Stand::Done).then_some(runs.runs[k].passed);
        let strayed = || Fault::internal("a particle was replayed that is not one of its model");
        let (mut choices, mut calls) = (prefix.trace(state).choices.iter(), prefix.calls(state));
        let mut run = self.start()?;
        run.machine.pause_at_scores = true;
        run.machine.draw = false;
        run.stand = runs.stands[k];
        run.held = runs.runs[k].held;
        loop {
            match run.machine.run(code)? {
                Event::Sample { func, sample } => {
                    let choice = choices.next().ok_or_else(strayed)?;
                    let name = match self.model.record {
                        true => choice_name(&run.machine, code, func, sample).map(Arc::from),
                        false => None,
                    };
                    run.machine.supply(code, func, sample, choice.value.clone())?;
                    run.note(Met { address: choice.address, value: choice.value.clone() }, name);
                }
                Event::Host { func, host } => {
                    let (value, drew) = calls.next().ok_or_else(strayed)?;
                    run.machine.supply_host(code, func, host, value.clone())?;
                    run.note(Met { address: if drew { CALL } else { FIXED_CALL }, value: value.clone() }, None);
                }
                Event::Score { func, score, .. } => {
                    run.passed = pass(run.passed, run.machine.score_address(code, func, score));
                    if Some(run.passed) == end {
                        // Where runs are enumerated, those that are alike must not differ in what is dead.
                        run.machine.forget_dead(code, true);
                        return Ok(run);
                    }
                }
                Event::Done if end.is_none() => return Ok(run),
                Event::Printed => run.machine.printed.clear(),
                event => return Err(unexpected(event)),
            }
        }
    }
}
