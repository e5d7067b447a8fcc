//! Single-site Metropolis-Hastings on traces.
//!
//! A step picks a choice uniformly, proposes another value for it, and runs the program again with the other choices kept. The
//! acceptance ratio counts the choices that appear and disappear and the lengths of both traces (Wingate, Stuhlmüller and Goodman 2011,
//! with the correction of Kiselyov 2016). Step sizes are adapted during warm-up and fixed afterwards.

use super::enumerate::named_record;
use super::importance::{names_of, note_interrupt};
use super::proposal::{Move, Tuning, propose};
use super::{Contract, Row};
use crate::model::{Dead, Production, Random, Trace, Traced};
use crate::posterior::{Chain, Info, Posterior, Warning};
use crate::value::fault::FaultKind;
use crate::value::interrupt::stop_if_interrupted;
use crate::value::{Fault, Value};
use rayon::prelude::*;
use std::collections::BTreeMap;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn mh(model: () ~> a, draws: Int = 1000, warmup: Int = -1, chains: Int = 4, steps: Int = -1) ~> Posterior<a>",
    doc: "Single-site Metropolis-Hastings on traces: one choice at a time is drawn from its prior or moved a little, with step \
              sizes adapted during warm-up only. Works for every model, discrete, continuous or of changing structure. `steps` moves \
              are made for each draw (by default as many as there are choices). After Wingate, Stuhlmueller and Goodman 2011, with \
              the correction for changing numbers of choices.",
    contract: Contract::Invariant,
}];

/// How chains are run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub draws: usize,
    /// Draws that are thrown away while step sizes adapt.
    pub warmup: usize,
    pub chains: usize,
    /// Steps for each draw; none for as many as there are choices.
    pub steps: Option<usize>,
    /// Keep every named choice.
    pub all: bool,
    /// How many first traces to try before giving up.
    pub tries: usize,
}

/// A chain in progress.
pub struct Sampler<'v, T: Traced> {
    view: &'v T,
    state: T::State,
    /// By the number of a choice's info.
    tunings: Vec<Option<Tuning>>,
    adapting: bool,
    pub domain_faults: u64,
    pub example: Option<String>,
    pub steps: u64,
    pub accepted: u64,
}

impl<'v, T: Traced> Sampler<'v, T> {
    /// A chain at a first trace of positive weight.
    pub fn start(view: &'v T, tries: usize, random: &mut dyn Random) -> Result<Sampler<'v, T>, Fault> {
        let mut refused: BTreeMap<u32, usize> = BTreeMap::new();
        let mut domain_faults = 0;
        let mut example: Option<String> = None;
        for _ in 0..tries {
            match view.generate(random)? {
                Ok(state) => {
                    return Ok(Sampler {
                        view,
                        state,
                        tunings: Vec::new(),
                        adapting: false,
                        domain_faults,
                        example,
                        steps: 0,
                        accepted: 0,
                    });
                }
                Err(Dead::Zero(site)) => *refused.entry(site).or_default() += 1,
                Err(Dead::Domain(fault)) => {
                    domain_faults += 1;
                    example.get_or_insert(fault.message);
                }
            }
        }
        let mut fault = Fault::error(format!("no start of positive probability was found in {tries} tries"));
        if let Some((site, count)) = refused.iter().max_by_key(|(_, count)| **count) {
            fault = fault.hint(format!("`{}` refused {count} of them", view.site_name(*site)));
        }
        if let Some(example) = example {
            fault = fault.hint(format!("{domain_faults} ended with: {example}"));
        }
        Err(fault.hint("soften hard conditions, or use `smc`, which conditions step by step"))
    }

    /// The current trace.
    pub fn trace(&self) -> &Trace {
        self.view.trace(&self.state)
    }

    /// Adapts step sizes from now on, or stops doing so.
    pub fn adapt(&mut self, adapting: bool) {
        self.adapting = adapting;
    }

    fn tuning(&mut self, index: usize) -> usize {
        let choice = &self.view.trace(&self.state).choices[index];
        let info = choice.info as usize;
        if self.tunings.len() <= info {
            self.tunings.resize(info + 1, None);
        }
        let stale = self.tunings[info].as_ref().is_none_or(|t| {
            // A choice whose size changed starts its tuning anew.
            choice.value.array_len().is_some_and(|n| {
                t.units > 1
                    && matches!(
                        t.kind,
                        Move::Additive | Move::Multiplicative | Move::Other | Move::Walk | Move::Reflected
                    )
                    && n != t.units
                    && !matches!(choice.value, Value::Matrix(_))
            })
        });
        if stale {
            let support = &self.view.infos(&self.state).get(choice.info).support;
            self.tunings[info] = Some(Tuning::new(support, &choice.value));
        }
        info
    }

    /// One step. The state is left as it was when the proposal is refused.
    pub fn step(&mut self, random: &mut dyn Random) -> Result<(), Fault> {
        self.steps += 1;
        let trace = self.trace();
        let count = trace.movable.len();
        if count == 0 {
            return self.refresh(random);
        }
        let pick = uniform_index(count, random);
        let index = if count == trace.choices.len() { pick } else { trace.movable[pick] as usize };
        let info = self.tuning(index);
        let Some(tuning) = self.tunings[info].as_ref() else { return Ok(()) };
        let known = self.view.infos(&self.state).get(info as u32);
        let local = match (tuning.kind, known.can_draw) {
            (Move::None, _) => false,
            (_, false) => true,
            // Both kinds of proposal are valid alone; a mixture with fixed probabilities is as well.
            _ => random.flip(0.8),
        };
        let unit = if local && tuning.units > 1 { uniform_index(tuning.units, random) } else { 0 };
        let proposed = if local {
            let value = &self.view.trace(&self.state).choices[index].value;
            propose(tuning, unit, &known.support, value, random)?.map(|p| (Some(p.value), p.log_ratio))
        } else {
            known.can_draw.then_some((None, 0.0))
        };
        let mut acceptance = 0.0;
        let mut accepted = false;
        if let Some((value, log_ratio)) = proposed {
            let Sampler { view, state, .. } = self;
            let result = match value {
                Some(value) => view.propose(state, &[(index, value)], &[], random)?,
                // A draw from the prior: the choices before it are the same, so the way back draws from it too.
                None => view.propose(state, &[], &[index], random)?,
            };
            match result {
                Ok(update) => {
                    let picked = (update.before as f64).ln() - (update.after as f64).ln();
                    let log_alpha = update.log_ratio() + log_ratio + picked;
                    acceptance = if log_alpha >= 0.0 { 1.0 } else { log_alpha.exp() };
                    accepted = random.flip(acceptance);
                    if accepted {
                        view.accept(state);
                    } else {
                        view.reject(state);
                    }
                }
                Err(Dead::Zero(_)) => {}
                Err(Dead::Domain(fault)) => {
                    self.domain_faults += 1;
                    self.example.get_or_insert(fault.message);
                }
            }
        }
        self.accepted += u64::from(accepted);
        if let Some(Some(tuning)) = self.tunings.get_mut(info) {
            tuning.proposed += 1;
            tuning.accepted += u64::from(accepted);
            if self.adapting && local {
                tuning.adapt(unit, acceptance);
            }
        }
        Ok(())
    }

    /// A model without choices that weights depend on: each step is a new run.
    fn refresh(&mut self, random: &mut dyn Random) -> Result<(), Fault> {
        let _ = self.view.predict(&mut self.state, random)?;
        self.accepted += 1;
        Ok(())
    }

    /// What the current trace returns, with the choices drawn anew that no weight depends on.
    pub fn value(&mut self, random: &mut dyn Random) -> Result<Value, Fault> {
        let _ = self.view.predict(&mut self.state, random)?;
        Ok(self.view.value(&self.state))
    }

    /// The choices of the current trace that the user named.
    pub fn named(&self) -> Vec<(String, Value)> {
        let infos = self.view.infos(&self.state);
        let choices = self.trace().choices.iter().map(|c| (infos.get(c.info), c));
        choices.filter(|(info, _)| info.named).map(|(info, c)| (info.name.clone(), c.value.clone())).collect()
    }

    /// Acceptance rates by choice.
    pub fn acceptance(&self) -> BTreeMap<String, (u64, u64)> {
        let mut rates = BTreeMap::new();
        for (info, tuning) in self.view.infos(&self.state).all().iter().zip(&self.tunings) {
            if let Some(tuning) = tuning {
                let entry: &mut (u64, u64) = rates.entry(info.name.clone()).or_default();
                entry.0 += tuning.accepted;
                entry.1 += tuning.proposed;
            }
        }
        rates
    }
}

/// An index below `count`, uniformly.
fn uniform_index(count: usize, random: &mut dyn Random) -> usize {
    match random.generator() {
        Some(generator) => ((generator.uniform() * count as f64) as usize).min(count - 1),
        None => random.choose(&vec![1.0; count]),
    }
}

/// The result of one chain.
struct Ran {
    chain: Chain,
    /// Of the warm-up and after it.
    seconds: (f64, f64),
    rates: BTreeMap<String, (u64, u64)>,
    steps: u64,
    domain_faults: u64,
    example: Option<String>,
    moved: bool,
}

/// Seconds, from any beginning.
type Clock<'c> = &'c (dyn Fn() -> f64 + Sync);

/// Runs a chain; where the user interrupts, as far as it came.
fn run_chain<T: Traced>(view: &T, options: &Options, clock: Clock<'_>, random: &mut dyn Random) -> Result<Ran, Fault> {
    stop_if_interrupted()?;
    let start = clock();
    let mut warm = None;
    let mut sampler = Sampler::start(view, options.tries, random)?;
    let mut chain = Chain::default();
    let mut named = Vec::new();
    let mut joint = Vec::new();
    sampler.adapt(true);
    let mut moved = false;
    // Fixed for the whole chain: a number of steps that followed the state would record states unevenly.
    let mut longest = 1;
    let mut fixed = 1;
    for round in 0..options.warmup + options.draws {
        if round == options.warmup {
            sampler.adapt(false);
            fixed = longest;
            warm = Some(clock());
        }
        let steps = options.steps.unwrap_or_else(|| {
            if round < options.warmup {
                longest = longest.max(sweep(sampler.trace()));
                longest
            } else {
                fixed
            }
        });
        let before = sampler.accepted;
        match (0..steps).try_for_each(|_| sampler.step(random)).and_then(|()| stop_if_interrupted()) {
            Err(fault) if fault.kind == FaultKind::Interrupted && !chain.draws.is_empty() => break,
            result => result?,
        }
        moved |= sampler.accepted > before;
        if round < options.warmup {
            continue;
        }
        let value = match sampler.value(random) {
            Err(fault) if fault.kind == FaultKind::Interrupted && !chain.draws.is_empty() => break,
            value => value?,
        };
        joint.push(sampler.trace().log_joint());
        // Names cost more than a step: they are collected only where they are kept.
        let unit = matches!(value, Value::Unit);
        let choices = if unit || options.all { sampler.named() } else { Vec::new() };
        if unit && !choices.is_empty() {
            chain.draws.push(named_record(choices.clone()));
        } else {
            chain.draws.push(value);
        }
        if options.all {
            named.push(names_of(choices));
        }
    }
    chain.named = options.all.then_some(named);
    chain.stats = vec![("lp__".to_string(), joint)];
    let rates = sampler.acceptance();
    let end = clock();
    let warm = warm.unwrap_or(end);
    Ok(Ran {
        chain,
        seconds: (warm - start, end - warm),
        rates,
        steps: sampler.steps,
        domain_faults: sampler.domain_faults,
        example: sampler.example,
        moved,
    })
}

/// As many steps as there are components to move.
fn sweep(trace: &Trace) -> usize {
    let size = |value: &Value| match value {
        Value::Matrix(m) => m.data.len(),
        value => value.array_len().unwrap_or(1),
    };
    trace.movable.iter().map(|k| size(&trace.choices[*k as usize].value)).sum::<usize>().max(1)
}

/// Runs chains. Where the user interrupts, those that have draws are kept.
pub fn mh<T: Traced>(
    view: &T,
    options: Options,
    clock: Clock<'_>,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let count = options.chains.max(1);
    let results: Vec<Result<Ran, Fault>> = match random.generator() {
        Some(generator) => {
            let base = generator.split();
            let one = |k: usize| run_chain(view, &options, clock, &mut Production(base.stream(k as u64)));
            (0..count).into_par_iter().map(one).collect()
        }
        None => (0..count).map(|_| run_chain(view, &options, clock, random)).collect(),
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
    let mut rates: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut chains = Vec::new();
    let mut steps = 0;
    let mut faults = (0, None);
    let mut warnings = Vec::new();
    for (k, one) in ran.into_iter().enumerate() {
        steps += one.steps;
        faults.0 += one.domain_faults;
        faults.1 = faults.1.or(one.example);
        if !one.moved {
            warnings.push(Warning::Stuck { chain: k });
        }
        for (name, (accepted, proposed)) in one.rates {
            let entry = rates.entry(name).or_default();
            entry.0 += accepted;
            entry.1 += proposed;
        }
        chains.push(one.chain);
    }
    let mut posterior = Posterior::new("", "mh", chains);
    (posterior.seconds.warmup, posterior.seconds.sampling) = seconds;
    let table = rates
        .into_iter()
        .filter(|(_, (_, proposed))| *proposed > 0)
        .map(|(name, (accepted, proposed))| (name, accepted as f64 / proposed as f64))
        .take(1000)
        .collect();
    posterior.info.push(("steps".into(), Info::Count(steps)));
    posterior.info.push(("acceptance".into(), Info::Table(table)));
    // Parameters outside their domain are part of exploring with bounded steps: counted, worth a word only when frequent.
    if faults.0 > 0 {
        posterior.info.push(("domain_faults".into(), Info::Count(faults.0)));
        if faults.0 * 10 > steps {
            let example = faults.1.unwrap_or_default();
            warnings.push(Warning::DomainFaults { count: faults.0, example });
        }
    }
    posterior.warnings = warnings;
    note_interrupt(&mut posterior, count * options.draws);
    Ok(posterior)
}
