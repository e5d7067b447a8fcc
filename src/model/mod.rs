//! The seam between models and inference: the views of a model, and the one handler for all randomness.
//!
//! An algorithm names the view that it needs and draws every random decision through [`Random`]. It never sees syntax or Core.

pub mod density;
pub mod functions;
pub mod path;
pub mod random;
pub mod traced;

use crate::value::{Fault, Generator, Streams, Value};
use std::hash::Hasher;

pub use density::{Density, Evaluate};
pub use functions::{Answer, Drawn, Functions, Ran, Shape, Stopped};
pub use path::{Met, Path, Recorded};
pub use random::{Exact, Production, Random, Watched, every_outcome, every_outcome_within};
pub use traced::{CALLS, Choice, ChoiceInfo, Infos, Trace, Traced, Update};

/// The result of a run: a value and the log of its unnormalised weight (−∞ for a run that a condition refused).
#[derive(Clone, Debug)]
pub struct Weighted {
    pub value: Value,
    pub log_weight: f64,
    /// The named choices, where the view was asked to record them.
    pub named: Vec<(String, Value)>,
}

/// How a run ended that has no value: its weight is zero.
#[derive(Clone, Debug, PartialEq)]
pub enum Dead {
    /// A weight of −∞, at the site of this number.
    Zero(u32),
    /// A parameter outside its domain.
    Domain(Box<Fault>),
}

/// A model that can be run from its start to its end.
pub trait Forward {
    /// Runs once, drawing every choice from its distribution. A run whose weight is zero gives the reason.
    fn run(&mut self, random: &mut dyn Random) -> Result<Result<Weighted, Dead>, Fault>;
}

/// How far a suspended run got.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// At a weight that was just added; `site` is its place in the program, `address` names it within the run.
    Paused {
        weight: f64,
        address: u64,
        site: u32,
    },
    /// At its end.
    Done,
    Dead(Dead),
}

/// Where a suspended run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stand {
    /// At its start.
    #[default]
    Begun,
    /// Just behind a weight.
    Paused { address: u64, site: u32 },
    /// At its end, with a value.
    Done,
    /// Its weight is zero.
    Dead,
}

impl Stand {
    /// Whether the run goes on when it is advanced.
    pub fn is_running(self) -> bool {
        matches!(self, Stand::Begun | Stand::Paused { .. })
    }
}

/// What a step of many runs gave.
#[derive(Clone, Debug, Default)]
pub struct Advance {
    /// The log weight that each run gained: 0 for those that wait or are at their end, −∞ for those that died now or before.
    pub gained: Vec<f64>,
    /// The runs that died in this step and the reason, in ascending order.
    pub died: Vec<(usize, Dead)>,
}

/// A model that can be run from one weight to the next, one run by itself or many together.
///
/// Runs held together (`Runs`) are numbered from 0 and share what they have in common; each is the same, to the last bit, as a run
/// by itself that draws from the same streams.
pub trait Stepped: Send + Sync {
    /// A suspended run. Cloning costs what is live.
    type Run: Clone + Send + Sync;
    /// Many suspended runs. Cloning costs what is live.
    type Runs: Clone + Send + Sync;
    /// A run at its start.
    fn start(&self) -> Result<Self::Run, Fault>;
    /// Runs to the next weight or the end.
    fn advance(&self, run: &mut Self::Run, generator: Generator) -> Result<Step, Fault>;
    /// As `advance`, drawing through a handler.
    fn advance_with(&self, run: &mut Self::Run, random: &mut dyn Random) -> Result<Step, Fault>;
    /// The value of a run that ended, and its named choices where they are recorded.
    fn finish(&self, run: &Self::Run) -> (Value, Vec<(String, Value)>);
    /// Copies `from` over `to`, reusing its memory.
    fn copy(&self, from: &Self::Run, to: &mut Self::Run) {
        to.clone_from(from);
    }
    /// The name in words of a site that weighs.
    fn site_name(&self, site: u32) -> String;

    /// `count` runs at their start.
    fn start_all(&self, count: usize) -> Result<Self::Runs, Fault>;
    /// Where each run stands.
    fn stands<'a>(&self, runs: &'a Self::Runs) -> &'a [Stand];
    /// Runs all that are running to their next weight or end, but those that wait (no run waits where `waits` is empty). Run k draws
    /// from stream k, whichever thread advances it; of several runs at fault the one with the least number is reported.
    fn advance_all(&self, runs: &mut Self::Runs, waits: &[bool], streams: Streams) -> Result<Advance, Fault>;
    /// Run k becomes a copy of run `ancestors[k]`; there are as many runs afterwards as ancestors.
    fn gather(&self, runs: &mut Self::Runs, ancestors: &[usize]);
    /// A copy of one run.
    fn take_out(&self, runs: &Self::Runs, k: usize) -> Self::Run;
    /// Puts a run in the place of run k.
    fn put_in(&self, runs: &mut Self::Runs, k: usize, run: Self::Run);
    /// As [`Stepped::finish`], for run k.
    fn finish_one(&self, runs: &Self::Runs, k: usize) -> (Value, Vec<(String, Value)>);
    /// As [`Stepped::advance_all`], drawing through a handler, one run after the other.
    fn advance_all_with(
        &self,
        runs: &mut Self::Runs,
        waits: &[bool],
        random: &mut dyn Random,
    ) -> Result<Advance, Fault> {
        let mut advance = Advance::default();
        for k in 0..self.stands(runs).len() {
            advance.gained.push(match self.stands(runs)[k] {
                _ if waits.get(k) == Some(&true) => 0.0,
                Stand::Done => 0.0,
                Stand::Dead => f64::NEG_INFINITY,
                Stand::Begun | Stand::Paused { .. } => {
                    let mut run = self.take_out(runs, k);
                    let step = self.advance_with(&mut run, random)?;
                    self.put_in(runs, k, run);
                    match step {
                        Step::Paused { weight, .. } => weight,
                        Step::Done => 0.0,
                        Step::Dead(dead) => {
                            advance.died.push((k, dead));
                            f64::NEG_INFINITY
                        }
                    }
                }
            });
        }
        Ok(advance)
    }

    /// Where run k is paused, as a key that orders places as the program passes them: by enclosing calls, loops and their indices.
    fn position(&self, runs: &Self::Runs, k: usize) -> Vec<u64>;
    /// Whether two runs of two collections have the same future.
    fn same_future(&self, a: (&Self::Runs, usize), b: (&Self::Runs, usize)) -> bool;
    /// Hashes what `same_future` compares.
    fn hash_future(&self, runs: &Self::Runs, k: usize, hasher: &mut dyn Hasher);

    /// Whether run 0 follows a given path instead of drawing. It must then survive every `gather`: its child is run 0 again, and follows
    /// the rest of the path.
    fn is_conditional(&self, _runs: &Self::Runs) -> bool {
        false
    }

    /// For each run, the log density of its going on as the rest of the given path does; none where run 0 keeps its own past.
    fn continuations(&self, _runs: &Self::Runs) -> Result<Option<Vec<f64>>, Fault> {
        Ok(None)
    }
}

/// The values that a choice may take, with their log probabilities.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    pub values: Vec<(Value, f64)>,
    /// The probability of the values left out, of a countable choice cut off.
    pub missing: f64,
}

/// Where a branching run stands.
#[derive(Clone, Debug)]
pub enum Branch<S> {
    /// At a choice; `state` is paused there.
    Choice {
        state: S,
        outcomes: Outcomes,
    },
    Done {
        value: Value,
        named: Vec<(String, Value)>,
        log_weight: f64,
    },
    Dead(Dead),
}

/// A model whose runs can be forked at each choice.
pub trait Branching {
    type State;
    /// The run up to its first choice.
    fn begin(&mut self) -> Result<Branch<Self::State>, Fault>;
    /// A copy of the run with a value for its choice, up to the next choice; also the log weight gained on the way.
    fn choose(&mut self, state: &Self::State, value: &Value) -> Result<(Branch<Self::State>, f64), Fault>;
    /// The log weight gained before the first choice of a run.
    fn gained(&self, state: &Self::State) -> f64;
    /// Whether two states have the same future.
    fn same_future(&self, a: &Self::State, b: &Self::State) -> bool;
    /// Hashes what `same_future` compares.
    fn hash_future(&self, state: &Self::State, hasher: &mut dyn Hasher);
}
