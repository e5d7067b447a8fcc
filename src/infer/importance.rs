//! Importance sampling from the prior: independent runs with their weights.

use super::enumerate::named_record;
use super::{Contract, Row};
use crate::model::{Dead, Forward, Production, Random, Weighted};
use crate::posterior::{Chain, Info, Named, Posterior, Warning, log_sum_exp};
use crate::source::Name;
use crate::value::fault::FaultKind;
use crate::value::interrupt::{interrupted, stop_if_interrupted};
use crate::value::{Fault, Value};
use rayon::prelude::*;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn importance(model: () ~> a, draws: Int = 10000, delay: Bool = true) ~> Posterior<a>",
        doc: "Importance sampling from the prior: every run is kept with its weight. Gives the evidence.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn run_guided(model: () ~> a, guide: () ~> b) ~> ([a], Real)",
        doc: "Runs a model whose choices have the values that choices of the same names have in a run of `guide`, and gives what it returned, \
              nothing if it was refused, with its log weight: that of the run, and the densities of those choices in the model over those \
              in the guide. A fault where the guide cannot draw what the model can.\n\
              example: match run_guided(() => { x ~ Flip(0.25); x }, () => { x ~ Flip(0.25) }) { (values, weight) => weight == 0.0 }",
        contract: Contract::None,
    },
];

/// Many runs: what they gave, and how many had no weight.
#[derive(Default)]
pub(super) struct Runs {
    pub kept: Vec<Weighted>,
    /// How many were made.
    pub tried: usize,
    /// Runs of weight zero, by the site that refused them.
    pub refused: std::collections::BTreeMap<u32, u64>,
    pub domain_faults: u64,
    pub example: Option<Box<Fault>>,
}

impl Runs {
    /// Makes one more run; false where the user interrupts.
    fn run(&mut self, run: impl FnOnce() -> Result<Result<Weighted, Dead>, Fault>) -> Result<bool, Fault> {
        if interrupted() {
            return Ok(false);
        }
        match run() {
            Err(fault) if fault.kind == FaultKind::Interrupted => Ok(false),
            result => {
                self.add(result?);
                Ok(true)
            }
        }
    }

    pub(super) fn add(&mut self, result: Result<Weighted, Dead>) -> bool {
        self.tried += 1;
        match result {
            Ok(run) => {
                self.kept.push(run);
                return true;
            }
            Err(Dead::Zero(site)) => *self.refused.entry(site).or_default() += 1,
            Err(Dead::Domain(fault)) => {
                self.domain_faults += 1;
                self.example.get_or_insert(fault);
            }
        }
        false
    }

    fn append(&mut self, other: Runs) {
        self.kept.extend(other.kept);
        self.tried += other.tried;
        for (site, count) in other.refused {
            *self.refused.entry(site).or_default() += count;
        }
        self.domain_faults += other.domain_faults;
        if self.example.is_none() {
            self.example = other.example;
        }
    }
}

/// The value of a run: what it returned, or its named choices when it returned nothing.
pub(super) fn value_of(value: Value, named: &[(String, Value)]) -> Value {
    if matches!(value, Value::Unit) && !named.is_empty() { named_record(named.to_vec()) } else { value }
}

/// The named choices of a draw.
pub(super) fn names_of(named: Vec<(String, Value)>) -> Named {
    let names: Vec<Name> = named.iter().map(|(name, _)| name.as_str().into()).collect();
    Named { names: names.into(), values: named.into_iter().map(|(_, value)| value).collect() }
}

/// `draws` runs of a model, with their weights; `view` makes a view for each thread.
pub fn importance<F: Forward>(
    view: impl Fn() -> F + Sync,
    draws: usize,
    all: bool,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let runs = match random.generator() {
        Some(generator) => {
            let base = generator.split();
            // Run k has the stream of its number, whichever thread makes it.
            let chunk = 256usize;
            let parts: Vec<Result<Runs, Fault>> = (0..draws.div_ceil(chunk))
                .into_par_iter()
                .map(|part| {
                    let mut view = view();
                    let mut runs = Runs::default();
                    for k in part * chunk..draws.min((part + 1) * chunk) {
                        if !runs.run(|| view.run(&mut Production(base.stream(k as u64))))? {
                            break;
                        }
                    }
                    Ok(runs)
                })
                .collect();
            let mut runs = Runs::default();
            for part in parts {
                runs.append(part?);
            }
            runs
        }
        None => {
            let mut view = view();
            let mut runs = Runs::default();
            for _ in 0..draws {
                if !runs.run(|| view.run(random))? {
                    break;
                }
            }
            runs
        }
    };
    if runs.tried == 0 {
        stop_if_interrupted()?;
    }
    let log_weights: Vec<f64> = runs.kept.iter().map(|run| run.log_weight).collect();
    let total = log_sum_exp(&log_weights);
    let mut chain = Chain { log_weights: Some(log_weights.clone()), ..Chain::default() };
    let mut named = Vec::new();
    for run in runs.kept {
        chain.draws.push(value_of(run.value, &run.named));
        named.push(names_of(run.named));
    }
    chain.named = all.then_some(named);
    let mut posterior = Posterior::new("", "importance", vec![chain]);
    let n = runs.tried as f64;
    posterior.log_evidence =
        Some(total - mutant!("importance counts only runs with weight", log_weights.len() as f64, n).ln());
    // The delta method: the standard error of the mean weight over the mean weight.
    let squares: f64 = log_weights.iter().map(|w| (2.0 * (w - total)).exp()).sum();
    posterior.log_evidence_se = (total > f64::NEG_INFINITY).then(|| (squares - 1.0 / n).max(0.0).sqrt());
    if posterior.is_empty() {
        posterior.warnings.push(Warning::AllDead { place: None });
    }
    if runs.tried < draws {
        posterior.warnings.push(Warning::Interrupted { drawn: runs.tried, asked: draws });
    }
    note_domain_faults(&mut posterior, runs.domain_faults, runs.tried, runs.example)?;
    let refused: u64 = runs.refused.values().sum();
    if refused > 0 {
        posterior.info.push(("zero_weight_runs".into(), Info::Count(refused)));
    }
    Ok(posterior)
}

/// Says how many of the draws asked for there are, where the user interrupted.
pub(super) fn note_interrupt(posterior: &mut Posterior, asked: usize) {
    let drawn = posterior.len();
    if drawn < asked && interrupted() {
        posterior.warnings.push(Warning::Interrupted { drawn, asked });
    }
}

/// Counts runs that ended outside a parameter's domain, of those that were tried.
///
/// # Errors
/// Where all did: then the program is wrong, not its data.
pub(super) fn note_domain_faults(
    posterior: &mut Posterior,
    count: u64,
    tried: usize,
    example: Option<Box<Fault>>,
) -> Result<(), Fault> {
    let Some(example) = example.filter(|_| count > 0) else { return Ok(()) };
    if count as usize >= tried && posterior.is_empty() {
        return Err(example.hint("every run of the model ends here"));
    }
    posterior.info.push(("domain_faults".into(), Info::Count(count)));
    posterior.warnings.push(Warning::DomainFaults { count, example, place: None });
    Ok(())
}
