//! Populations of weighted runs, from which particle filters are composed: spawned, advanced, resampled and finished.
//!
//! A population stands for an unnormalised measure: its evidence so far times the mean over its particles of weight times value. Each
//! function below keeps that measure in expectation (Ścibior et al. 2018), so any sequence of them does.
//!
//! Weights are matched across particles by their place in the program. A particle that is ahead of others, because it met fewer weights,
//! waits with its last weight pending until they are as far; one that ended waits for good.

use super::importance::{names_of, note_domain_faults, value_of};
use super::resample::Resampler;
use super::{Contract, Row};
use crate::model::{Dead, Random, Stand, Stepped};
use crate::posterior::{Chain, Info, Posterior, Warning, log_sum_exp};
use crate::value::{Fault, HostObject, Value};
use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn spawn(model: () ~> a, particles: Int) -> Population<a>",
        doc: "A population of runs of a model, all at their start with weight 1.\nexample: log_weights(spawn(() => flip(0.5), 2)) == [0.0, 0.0]",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn advance(p: Population<a>) ~> Population<a>",
        doc: "Runs every particle to its next observation or factor, whose weight it gains. Particles that met fewer of them than others, \
              and those that ended, wait.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn resample(p: Population<a>, scheme: String = \"systematic\", below: Real = 1.0) ~> Population<a>",
        doc: "Replaces the particles by copies in proportion to their weights, if their effective number is less than `below` times their \
              number; the mean weight becomes evidence. The schemes are `systematic`, `stratified`, `multinomial` and `residual`. \
              Nothing changes when all weights are zero. Douc, Cappé and Moulines 2005.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn running(p: Population<a>) -> Bool",
        doc: "Whether a particle has not come to its end yet.\nexample: running(spawn(() => flip(0.5), 2))",
        contract: Contract::None,
    },
    Row {
        signature: "fn finish(p: Population<a>) -> Posterior<a>",
        doc: "The results of a population of which no particle is running, with their weights, as a posterior.\nexample: len(draws(finish(advance(spawn(() => flip(0.5), 3))))) == 3",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn without_evidence(p: Population<a>) -> Population<a>",
        doc: "The same population with evidence 1: its weights are divided by their mean.\nexample: log_evidence(without_evidence(advance(spawn(() => factor(2.0), 3)))) == 0.0",
        contract: Contract::None,
    },
];

/// What a population remembers for its report.
#[derive(Clone, Debug, Default)]
struct History {
    steps: u64,
    resamplings: u64,
    least_ess: Option<f64>,
    /// The relative variance of the evidence, summed over the resamplings.
    variance: f64,
    /// The site that refused a run in the last step in which one was refused.
    refused_at: Option<u32>,
    domain_faults: u64,
    example: Option<String>,
}

/// Weighted suspended runs of one model.
pub struct Population<S: Stepped> {
    view: Arc<S>,
    runs: S::Runs,
    /// The log weight of each run since the last resampling.
    log_weights: Vec<f64>,
    /// The weights at which runs are paused that are not due yet; empty when no run waits.
    pending: Vec<Option<f64>>,
    /// For each run, the run of the first generation from which it descends.
    roots: Vec<u32>,
    /// The log evidence that left the weights.
    evidence: f64,
    history: History,
    /// Keep every named choice of the results.
    pub all: bool,
}

impl<S: Stepped> Clone for Population<S> {
    fn clone(&self) -> Population<S> {
        Population {
            view: Arc::clone(&self.view),
            runs: self.runs.clone(),
            log_weights: self.log_weights.clone(),
            pending: self.pending.clone(),
            roots: self.roots.clone(),
            evidence: self.evidence,
            history: self.history.clone(),
            all: self.all,
        }
    }
}

impl<S: Stepped> fmt::Debug for Population<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Population").field("log_weights", &self.log_weights).finish_non_exhaustive()
    }
}

/// A population of `n` runs of a model at their start.
pub fn spawn<S: Stepped>(view: Arc<S>, n: usize) -> Result<Population<S>, Fault> {
    Ok(Population {
        runs: view.start_all(n)?,
        view,
        log_weights: vec![0.0; n],
        pending: Vec::new(),
        roots: (0..n as u32).collect(),
        evidence: 0.0,
        history: History::default(),
        all: false,
    })
}

impl<S: Stepped> Population<S> {
    /// How many particles there are.
    pub fn size(&self) -> usize {
        self.log_weights.len()
    }

    /// Whether a particle has not come to its end.
    pub fn running(&self) -> bool {
        !self.pending.is_empty() || self.view.stands(&self.runs).iter().any(|stand| stand.is_running())
    }

    /// The estimate of the log evidence so far; its exponential is unbiased.
    pub fn log_evidence(&self) -> f64 {
        self.evidence + log_sum_exp(&self.log_weights) - (self.size() as f64).ln()
    }

    /// The effective number of particles: 1 / Σ wᵢ² of the normalised weights (Kong, Liu and Wong 1994); 0 when all weights are zero.
    pub fn effective_size(&self) -> f64 {
        normalised(&self.log_weights).map_or(0.0, |weights| effective(&weights))
    }

    /// Divides the weights by their mean, and forgets the evidence that left them.
    pub fn drop_evidence(&mut self) {
        let shift = self.log_evidence() - self.evidence;
        if shift > f64::NEG_INFINITY {
            self.log_weights.iter_mut().for_each(|w| *w -= shift);
        }
        self.evidence = 0.0;
    }

    /// Runs particles to their next weight, and adds the weights that are due.
    pub fn advance(&mut self, random: &mut dyn Random) -> Result<(), Fault> {
        let waits: Vec<bool> = self.pending.iter().map(Option::is_some).collect();
        let step = match random.generator() {
            Some(generator) => {
                let streams = generator.streams();
                self.view.advance_all(&mut self.runs, &waits, streams)?
            }
            None => self.view.advance_all_with(&mut self.runs, &waits, random)?,
        };
        self.history.steps += 1;
        for (_, dead) in step.died {
            match dead {
                Dead::Domain(fault) => {
                    self.history.domain_faults += 1;
                    self.history.example.get_or_insert(fault.message);
                }
                Dead::Zero(site) => self.history.refused_at = Some(site),
            }
        }
        self.settle(&step.gained);
        let ess = self.effective_size();
        self.history.least_ess = Some(self.history.least_ess.unwrap_or(f64::INFINITY).min(ess));
        Ok(())
    }

    /// Adds the weights that are due: those at the place that comes first in the program. Who stands at a later one waits.
    fn settle(&mut self, gained: &[f64]) {
        let stands = self.view.stands(&self.runs);
        let address = |k: usize| match stands[k] {
            Stand::Paused { address, .. } => Some(address),
            _ => None,
        };
        let mut addresses = (0..stands.len()).filter_map(address);
        let first = addresses.next();
        if self.pending.is_empty() && addresses.all(|address| Some(address) == first) {
            self.log_weights.iter_mut().zip(gained).for_each(|(weight, gained)| *weight += gained);
            return;
        }
        if self.pending.is_empty() {
            self.pending = vec![None; stands.len()];
        }
        let positions = (0..stands.len()).filter_map(|k| Some((self.view.position(&self.runs, k), address(k)?)));
        let due = positions.min().map(|(_, address)| address);
        for (k, gained) in gained.iter().enumerate() {
            // What is paused waits until its place is due; what ended or died does not.
            let weight = self.pending[k].take().unwrap_or(*gained);
            if address(k).is_none() || address(k) == due {
                self.log_weights[k] += weight;
            } else {
                self.pending[k] = Some(weight);
            }
        }
        if self.pending.iter().all(Option::is_none) {
            self.pending.clear();
        }
    }

    /// Resamples if the effective number of particles is below this share of their number, or the share is at least 1. A population
    /// without weight stays as it is.
    pub fn resample(&mut self, scheme: Resampler, below: f64, random: &mut dyn Random) {
        let n = self.size();
        let Some(weights) = normalised(&self.log_weights) else { return };
        if below < 1.0 && effective(&weights) >= below * n as f64 {
            return;
        }
        self.history.resamplings += 1;
        self.history.variance += relative_variance(&weights);
        self.evidence = self.log_evidence();
        let ancestors = scheme.ancestors(&weights, n, random);
        self.view.gather(&mut self.runs, &ancestors);
        self.roots = ancestors.iter().map(|k| self.roots[*k]).collect();
        if !self.pending.is_empty() {
            self.pending = ancestors.iter().map(|k| self.pending[*k]).collect();
        }
        self.log_weights.fill(0.0);
    }

    /// The results with their weights. Particles without weight have none.
    ///
    /// # Errors
    /// If a particle is still running.
    pub fn finish(&self) -> Result<Posterior, Fault> {
        if self.running() {
            return Err(Fault::error("the population is still running").hint("advance it until `running(p)` is false"));
        }
        let mut chain = Chain::default();
        let (mut named, mut kept, mut roots) = (Vec::new(), Vec::new(), Vec::new());
        for (k, weight) in self.log_weights.iter().enumerate().filter(|(_, w)| **w > f64::NEG_INFINITY) {
            let (value, choices) = self.view.finish_one(&self.runs, k);
            chain.draws.push(value_of(value, &choices));
            if self.all {
                named.push(names_of(choices));
            }
            kept.push(*weight);
            roots.push(self.roots[k]);
        }
        roots.sort_unstable();
        roots.dedup();
        chain.log_weights = Some(kept);
        chain.named = self.all.then_some(named);
        let mut posterior = Posterior::new("", "smc", vec![chain]);
        posterior.log_evidence = Some(self.log_evidence());
        let weights = normalised(&self.log_weights);
        posterior.log_evidence_se = weights.map(|w| (self.history.variance + relative_variance(&w)).sqrt());
        posterior.info.push(("steps".into(), Info::Count(self.history.steps)));
        posterior.info.push(("resamplings".into(), Info::Count(self.history.resamplings)));
        posterior.info.push(("least_ess".into(), Info::Number(self.history.least_ess.unwrap_or(self.size() as f64))));
        if roots.is_empty() {
            let place = self.history.refused_at.map(|site| self.view.site_name(site));
            posterior.warnings.push(Warning::AllDead { place: place.filter(|place| !place.is_empty()) });
        } else {
            // How many of the first particles have descendants: what a report of early choices rests on.
            posterior.info.push(("distinct_ancestors".into(), Info::Count(roots.len() as u64)));
        }
        note_domain_faults(&mut posterior, self.history.domain_faults, self.history.example.clone());
        Ok(posterior)
    }
}

/// The effective number of normalised weights.
fn effective(weights: &[f64]) -> f64 {
    1.0 / weights.iter().map(|w| w * w).sum::<f64>()
}

/// The weights whose logs these are, divided by their sum; none if all are zero.
fn normalised(log_weights: &[f64]) -> Option<Vec<f64>> {
    let total = log_sum_exp(log_weights);
    (total > f64::NEG_INFINITY).then(|| log_weights.iter().map(|w| (w - total).exp()).collect())
}

/// An estimate of the relative variance of a mean of weights, given the normalised weights.
fn relative_variance(weights: &[f64]) -> f64 {
    let n = weights.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    weights.iter().map(|w| (w * n - 1.0).powi(2)).sum::<f64>() / (n * (n - 1.0))
}

impl<S: Stepped + Send + 'static> HostObject for Population<S> {
    fn type_name(&self) -> &'static str {
        "Population"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn display(&self) -> String {
        format!("<population of {} particles, {:.1} effective>", self.size(), self.effective_size())
    }

    fn property(&self, name: &str) -> Option<Value> {
        Some(match name {
            "log_evidence" => Value::Real(self.log_evidence()),
            "effective_size" => Value::Real(self.effective_size()),
            "log_weights" => Value::reals(self.log_weights.clone()),
            "size" => Value::Int(self.size() as i64),
            _ => return None,
        })
    }

    fn same(&self, other: &dyn HostObject) -> bool {
        let Some(other) = other.as_any().downcast_ref::<Population<S>>() else { return false };
        let stands = (self.view.stands(&self.runs), other.view.stands(&other.runs));
        let bits = |weights: &[f64]| weights.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
        self.evidence.to_bits() == other.evidence.to_bits()
            && bits(&self.log_weights) == bits(&other.log_weights)
            && self.pending == other.pending
            && stands.0 == stands.1
            && (0..self.size())
                .filter(|k| stands.0[*k] != Stand::Dead)
                .all(|k| self.view.same_future((&self.runs, k), (&other.runs, k)))
    }

    fn content_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.evidence.to_bits().hash(&mut hasher);
        for (k, weight) in self.log_weights.iter().enumerate() {
            weight.to_bits().hash(&mut hasher);
            if self.view.stands(&self.runs)[k] != Stand::Dead {
                self.view.hash_future(&self.runs, k, &mut hasher);
            }
        }
        hasher.finish()
    }
}
