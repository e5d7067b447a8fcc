//! Markov chains: a kernel applied again and again, in several chains with streams of their own.
//!
//! What the moves of a kernel learn, they learn while a chain warms up, and it is fixed afterwards.

use super::course::{Rates, add_rates, table};
use super::enumerate::named_record;
use super::importance::{names_of, note_interrupt};
use super::kernel::{Kernel, Moves, Walker, exact};
use super::trace::start;
use super::{Contract, Row};
use crate::model::{Functions, Production, Random, Traced};
use crate::posterior::{Chain, Info, Posterior, Warning};
use crate::value::fault::FaultKind;
use crate::value::interrupt::stop_if_interrupted;
use crate::value::{Fault, Value};
use rayon::prelude::*;
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn chain(model: () ~> a, kernel: Kernel, draws: Int = 1000, warmup: Int = -1, chains: Int = 4, steps: Int = -1) \
                    ~> Posterior<a>",
        doc: "Markov chains: `kernel` applied `steps` times for each draw (by default as often as there are numbers, for kernels that pick \
              one choice, and once for others), from a draw of the prior. During `warmup` draws, which are thrown away, kernels \
              adapt; afterwards they do not. The default is half as many as are kept, and 100 more.",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn by_method(p: Posterior<a>, name: String) -> Posterior<a>",
        doc: "The same posterior, said to be the work of the method of this name.\n\
              example: prob(by_method(enumerate(() => flip(0.25)), \"mine\"), b => b) == 0.25",
        contract: Contract::None,
    },
];

/// How chains are run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub draws: usize,
    /// Draws that are thrown away while kernels adapt.
    pub warmup: usize,
    pub chains: usize,
    /// Applications of the kernel for each draw; none for a sweep.
    pub steps: Option<usize>,
    /// Keep every named choice.
    pub all: bool,
    /// How many first traces to try before giving up.
    pub tries: usize,
    /// The exponent of the weight: 1 for the posterior.
    pub temperature: f64,
}

/// Choices of a run at most for a look at what a kernel reaches.
const MOST_LOOKED_AT: usize = 20;

/// The result of one chain.
struct Ran {
    chain: Chain,
    /// Of the warm-up and after it.
    seconds: (f64, f64),
    rates: Rates,
    steps: u64,
    domain_faults: u64,
    divergences: u64,
    example: Option<String>,
    moved: bool,
    /// Few choices and no method within: what the kernel reaches can be looked at.
    small: bool,
    /// The kernel went on learning after the warm-up.
    adapting: bool,
}

/// The choices of the current trace that the user named.
pub(super) fn named<T: Traced>(walker: &Walker<T>) -> Vec<(String, Value)> {
    let infos = walker.view.infos(&walker.state);
    let choices = walker.view.trace(&walker.state).choices.iter().map(|c| (infos.get(c.info), c));
    choices.filter(|(info, _)| info.named).map(|(info, c)| (info.name.clone(), c.value.clone())).collect()
}

/// Seconds, from any beginning.
type Clock<'c> = &'c (dyn Fn() -> f64 + Sync);

/// Runs a chain; where the user interrupts, as far as it came.
fn run_chain<T: Traced + Send + 'static>(
    (view, model): (&Arc<T>, &Value),
    mut moves: Moves,
    options: &Options,
    (functions, clock): (&dyn Functions, Clock<'_>),
    random: &mut dyn Random,
) -> Result<Ran, Fault> {
    stop_if_interrupted()?;
    let beginning = clock();
    let mut warm = None;
    let mut walker = start(view, model.clone(), options.tries, random)?;
    walker.temperature = options.temperature;
    let mut chain = Chain::default();
    let (mut names, mut joint) = (Vec::new(), Vec::new());
    moves.adapting = true;
    let mut moved = false;
    // Fixed after warm-up: a number of steps that followed the state would record states unevenly.
    let mut sweep = 1;
    let mut lessons = 0;
