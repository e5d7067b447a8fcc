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
    example: Option<Box<Fault>>,
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
    // A program whose runs differ in length may have endless ones.
    let mut lengths = (usize::MAX, 0);
    let mut lessons = 0;
    for round in 0..options.warmup + options.draws {
        let length = walker.view.trace(&walker.state).choices.len();
        lengths = (lengths.0.min(length), lengths.1.max(length));
        if round == options.warmup {
            moves.adapting = mutant!("adaptation never stops", true, false);
            moves.trouble.divergences = 0;
            warm = Some(clock());
            lessons = moves.lessons();
        }
        if options.steps.is_none() && round <= options.warmup {
            sweep = sweep.max(moves.sweep(&walker));
        }
        let before = moves.accepted;
        let steps = options.steps.unwrap_or(sweep);
        let result = (0..steps).try_for_each(|_| moves.apply(&mut walker, functions, random));
        let result = result.and_then(|()| stop_if_interrupted()).and_then(|()| {
            if round >= options.warmup {
                let _ = walker.view.predict(&mut walker.state, random)?;
            }
            Ok(())
        });
        match result {
            Err(fault) if fault.kind == FaultKind::Interrupted && !chain.draws.is_empty() => break,
            result => result?,
        }
        moved |= moves.accepted > before;
        if round < options.warmup {
            continue;
        }
        let value = walker.view.value(&walker.state);
        joint.push(walker.view.trace(&walker.state).log_joint());
        // Names cost more than a step: they are collected only where they are kept.
        let unit = matches!(value, Value::Unit);
        let choices = if unit || options.all { named(&walker) } else { Vec::new() };
        if unit && !choices.is_empty() {
            chain.draws.push(named_record(choices.clone()));
        } else {
            chain.draws.push(value);
        }
        if options.all {
            names.push(names_of(choices));
        }
    }
    chain.named = options.all.then_some(names);
    chain.stats = vec![("lp__".to_string(), joint)];
    let end = clock();
    let adapting = warm.is_some() && moves.lessons() != lessons;
    let warm = warm.unwrap_or(end);
    Ok(Ran {
        chain,
        seconds: (warm - beginning, end - warm),
        rates: moves.acceptance(&walker),
        adapting,
        steps: moves.made,
        domain_faults: moves.trouble.domain_faults,
        divergences: moves.trouble.divergences,
        example: moves.trouble.example,
        small: lengths.0 == lengths.1 && lengths.1 <= MOST_LOOKED_AT && walker.view.trace(&walker.state).calls == 0,
        // Where nothing can be moved every draw is a run of its own.
        moved: moved || walker.view.trace(&walker.state).movable.is_empty(),
    })
}

/// Runs chains of a kernel. `model` is the function of the language that the view is of; `()` where there is none. Where the user
/// interrupts, the chains that have draws are kept.
///
/// # Errors
/// When no start is found, the kernel is written for a model of another type, or something that it runs faults.
pub fn chain<T: Traced + Send + Sync + 'static>(
    view: &Arc<T>,
    model: &Value,
    kernel: &Kernel,
    options: Options,
    (functions, clock): (&dyn Functions, Clock<'_>),
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let count = options.chains.max(1);
    let moves = Moves::new(kernel, functions)?;
    let one = |random: &mut dyn Random| run_chain((view, model), moves.clone(), &options, (functions, clock), random);
    let results: Vec<Result<Ran, Fault>> = match random.generator() {
        Some(generator) => {
            let base = generator.split();
            (0..count).into_par_iter().map(|k| one(&mut Production(base.stream(k as u64)))).collect()
        }
        None => (0..count).map(|_| one(random)).collect(),
    };
    let mut ran = Vec::new();
    let mut interrupt = None;
    for result in results {
        match result {
            Err(fault) if fault.kind == FaultKind::Interrupted => interrupt = Some(fault),
            result => ran.push(result?),
        }
    }
    if let (true, Some(fault)) = (ran.is_empty(), interrupt) {
        return Err(fault);
    }
    let seconds = ran.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.seconds.0, sum.1 + one.seconds.1));
    let mut rates = Rates::new();
    let (mut chains, mut warnings) = (Vec::new(), Vec::new());
    let mut steps = 0;
    let mut faults = (0, None);
    let mut small = true;
    let mut divergences = 0;
    for (k, one) in ran.into_iter().enumerate() {
        steps += one.steps;
        faults.0 += one.domain_faults;
        divergences += one.divergences;
        faults.1 = faults.1.or(one.example);
        small &= one.small;
        if one.adapting {
            warnings.push(Warning::Adapting { chain: k });
        }
        if !one.moved {
            warnings.push(Warning::Stuck { chain: k });
        }
        add_rates(&mut rates, one.rates);
        chains.push(one.chain);
    }
    let mut posterior = Posterior::new("", "chain", chains);
    (posterior.seconds.warmup, posterior.seconds.sampling) = seconds;
    posterior.info.push(("steps".into(), Info::Count(steps)));
    posterior.info.push(("acceptance".into(), table(&rates)));
    if divergences > 0 {
        posterior.info.push(("divergences".into(), Info::Count(divergences)));
        warnings.push(Warning::Divergences { count: divergences as usize, draws: count * options.draws });
    }
    // Parameters outside their domain are part of exploring with bounded steps: counted, worth a word only when frequent.
    if faults.0 > 0 {
        posterior.info.push(("domain_faults".into(), Info::Count(faults.0)));
        if let Some(example) = faults.1
            && faults.0 * 10 > steps
        {
            warnings.push(Warning::DomainFaults { count: faults.0, example, place: None });
        }
    }
    if small
        && random.generator().is_some()
        && let Some(what) = exact::unreachable(view, model, kernel, functions)
    {
        warnings.push(Warning::Unreachable { what });
    }
    posterior.warnings = warnings;
    note_interrupt(&mut posterior, count * options.draws);
    Ok(posterior)
}
