//! Ensembles: weighted complete traces whose target is the prior times a power of the weight, for models without an order of observations.
//!
//! As of a population, the measure that an ensemble stands for (its evidence so far times the mean over its particles of weight times
//! value) is kept in expectation by each function: from the tempered measure to the next one by weights (Neal 2001; Del Moral, Doucet and
//! Jasra 2006).

use super::chain::named;
use super::course::{Course, Rates};
use super::enumerate::named_record;
use super::importance::{names_of, note_domain_faults};
use super::kernel::{Kernel, Moves, Walker};
use super::population::{effective, normalised, relative_variance};
use super::resample::Resampler;
use super::trace::TraceOf;
use super::{Contract, Row};
use crate::model::{Dead, Functions, Production, Random, Traced};
use crate::posterior::{Chain, Posterior, Warning, log_sum_exp};
use crate::value::{Fault, HostObject, Value};
use rayon::prelude::*;
use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn ensemble(model: () ~> a, particles: Int) ~> Ensemble<a>",
        doc: "Complete runs of a model, drawn from its prior with weight 1 (0 where the model refuses them): its measure at temperature 0.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn temper(e: Ensemble<a>, temperature: Real) -> Ensemble<a>",
        doc: "The ensemble at another temperature: the target is the prior times the weight of a run to this power, and each particle gains \
              the ratio to the target before. At temperature 1 it stands for the measure of the model.\n\
              example: len(draws(finish(temper(ensemble(() => flip(0.5), 3), 1.0)))) == 3",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn resample(e: Ensemble<a>, scheme: String = \"systematic\", below: Real = 1.0) ~> Ensemble<a>",
        doc: "As for a population.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn move(e: Ensemble<a>, kernel: Kernel, times: Int = 1) ~> Ensemble<a>",
        doc: "Moves every particle by a kernel, which leaves the target at the temperature of the ensemble as it is.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn finish(e: Ensemble<a>, method: String = \"tempered\") ~> Posterior<a>",
        doc: "The results of an ensemble at temperature 1, with their weights, as a posterior of a method.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn at_temperature(t: Trace<a>, temperature: Real) -> Trace<a>",
        doc: "The trace, to be moved by kernels that leave the prior times the weight to this power as it is.\n\
              example: value_of(at_temperature(trace(() => 3), 0.5)) == 3",
        contract: Contract::None,
    },
];

/// Weighted traces at one temperature.
pub struct Ensemble<T: Traced> {
    /// None for a run that the model refused.
    walkers: Vec<Option<Walker<T>>>,
    log_weights: Vec<f64>,
    temperature: f64,
    evidence: f64,
    roots: Vec<u32>,
    course: Course,
    domain_faults: u64,
    example: Option<Box<Fault>>,
}

impl<T: Traced> Clone for Ensemble<T> {
    fn clone(&self) -> Ensemble<T> {
        Ensemble {
            walkers: self.walkers.clone(),
            log_weights: self.log_weights.clone(),
            roots: self.roots.clone(),
            example: self.example.clone(),
            course: self.course.clone(),
            ..*self
        }
    }
}

impl<T: Traced> fmt::Debug for Ensemble<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ensemble").field("log_weights", &self.log_weights).finish_non_exhaustive()
    }
}

/// Does something for each number in order, each with a stream of its own.
fn for_all<R: Send>(
    count: usize,
    random: &mut dyn Random,
    one: impl Fn(usize, &mut dyn Random) -> Result<R, Fault> + Sync,
) -> Result<Vec<R>, Fault> {
    match random.generator() {
        Some(generator) => {
            let streams = generator.streams();
            (0..count).into_par_iter().map(|k| one(k, &mut Production(streams.number(k as u64)))).collect()
        }
        None => (0..count).map(|k| one(k, random)).collect(),
    }
}

/// `n` runs drawn from the prior. `model` is the function of the language that the model is.
pub fn ensemble<T: Traced + Send + 'static>(
    view: &Arc<T>,
    model: &Value,
    n: usize,
    random: &mut dyn Random,
) -> Result<Ensemble<T>, Fault> {
    let (mut domain_faults, mut example) = (0, None);
    let drawn = for_all(n, random, |_, random| view.generate(random))?;
    let walkers: Vec<Option<Walker<T>>> = drawn
        .into_iter()
        .map(|run| match run {
            Ok(state) => {
                let mut walker = Walker::new(Arc::clone(view), state, model.clone());
                walker.temperature = 0.0;
                Some(walker)
            }
            Err(Dead::Zero(_)) => None,
            Err(Dead::Domain(fault)) => {
                domain_faults += 1;
                example.get_or_insert(fault);
                None
            }
        })
        .collect();
    Ok(Ensemble {
        log_weights: walkers.iter().map(|w| if w.is_some() { 0.0 } else { f64::NEG_INFINITY }).collect(),
        walkers,
        temperature: 0.0,
        evidence: 0.0,
        roots: (0..n as u32).collect(),
        course: Course::default(),
        domain_faults,
        example,
    })
}

impl<T: Traced + Send + 'static> Ensemble<T> {
    /// How many particles there are.
    pub fn size(&self) -> usize {
        self.log_weights.len()
    }

    /// The estimate of the log evidence at the temperature of the ensemble; its exponential is unbiased.
    pub fn log_evidence(&self) -> f64 {
        self.evidence + log_sum_exp(&self.log_weights) - (self.size() as f64).ln()
    }

    /// Goes to another temperature.
    ///
    /// # Errors
    /// If it is negative or not finite.
    pub fn temper(&mut self, temperature: f64) -> Result<(), Fault> {
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(Fault::error(format!("a temperature is at least 0 and finite, found {temperature}")));
        }
        for (walker, weight) in self.walkers.iter_mut().zip(&mut self.log_weights) {
            if let Some(walker) = walker {
                let gained = temperature - mutant!("every temperature counts from zero", 0.0, self.temperature);
                *weight += gained * walker.view.trace(&walker.state).log_weight;
                walker.temperature = mutant!("particles are moved too cold", 1.0, temperature);
            }
        }
        self.temperature = temperature;
        let ess = normalised(&self.log_weights).map_or(0.0, |weights| effective(&weights));
        self.course.stepped(ess, None);
        Ok(())
    }

    /// As of a population.
    pub fn resample(&mut self, scheme: Resampler, below: f64, random: &mut dyn Random) {
        let n = self.size();
        let Some(weights) = normalised(&self.log_weights) else { return };
        if below < 1.0 && effective(&weights) >= below * n as f64 {
            return;
        }
        self.course.variance += relative_variance(&weights);
        self.evidence = self.log_evidence();
        let ancestors = scheme.ancestors(&weights, n, random);
        self.walkers = ancestors.iter().map(|k| self.walkers[*k].clone()).collect();
        self.roots = ancestors.iter().map(|k| self.roots[*k]).collect();
        self.course.resampled(&self.roots);
        self.log_weights.fill(0.0);
    }

    /// Applies a kernel to each particle some times.
    ///
    /// # Errors
    /// When the kernel is written for a model of another type, or what it runs faults.
    pub fn move_by(
        &mut self,
        kernel: &Kernel,
        times: usize,
        functions: &dyn Functions,
        random: &mut dyn Random,
    ) -> Result<(), Fault> {
        let walkers = &self.walkers;
        let moved = for_all(walkers.len(), random, |k, random| {
            let Some(mut walker) = walkers[k].clone() else { return Ok((None, Rates::new())) };
            let mut moves = Moves::new(kernel, functions)?;
            for _ in 0..times {
                moves.apply(&mut walker, functions, random)?;
            }
            let rates = moves.acceptance(&walker);
            Ok((Some(walker), rates))
        })?;
        for (k, (walker, rates)) in moved.into_iter().enumerate() {
            self.walkers[k] = walker;
            self.course.moved(rates);
        }
        Ok(())
    }

    /// The results with their weights.
    ///
    /// # Errors
    /// If the temperature is not 1.
    pub fn finish(&mut self, method: &str, all: bool, random: &mut dyn Random) -> Result<Posterior, Fault> {
        if self.temperature != 1.0 {
            return Err(Fault::error(format!("the ensemble is at temperature {}", self.temperature))
                .hint("the posterior is at temperature 1: `temper(e, 1.0)`"));
        }
        let mut chain = Chain::default();
        let (mut names, mut kept, mut roots) = (Vec::new(), Vec::new(), Vec::new());
        for (k, walker) in self.walkers.iter_mut().enumerate() {
            let Some(walker) = walker.as_mut().filter(|_| self.log_weights[k] > f64::NEG_INFINITY) else { continue };
            let _ = walker.view.predict(&mut walker.state, random)?;
            let value = walker.view.value(&walker.state);
            let choices = if all || matches!(value, Value::Unit) { named(walker) } else { Vec::new() };
            let nothing = matches!(value, Value::Unit) && !choices.is_empty();
            chain.draws.push(if nothing { named_record(choices.clone()) } else { value });
            if all {
                names.push(names_of(choices));
            }
            kept.push(self.log_weights[k]);
            roots.push(self.roots[k]);
        }
        chain.log_weights = Some(kept);
        chain.named = all.then_some(names);
        let mut posterior = Posterior::new("", method, vec![chain]);
        posterior.log_evidence = Some(self.log_evidence());
        let weights = normalised(&self.log_weights);
        posterior.log_evidence_se = weights.map(|w| (self.course.variance + relative_variance(&w)).sqrt());
        self.course.report(&mut posterior, self.size(), &roots, |_| String::new());
        if roots.is_empty() {
            posterior.warnings.push(Warning::AllDead { place: None });
        }
        note_domain_faults(&mut posterior, self.domain_faults, self.size(), self.example.clone())?;
        Ok(posterior)
    }

    /// The function of the language that the model is, where a particle knows it.
    pub fn model(&self) -> Option<&Walker<T>> {
        self.walkers.iter().flatten().next()
    }
}

impl<T: Traced + Send + 'static> HostObject for Ensemble<T> {
    fn type_name(&self) -> &'static str {
        "Ensemble"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn display(&self) -> String {
        format!("<ensemble of {} particles at temperature {}>", self.size(), self.temperature)
    }

    fn property(&self, name: &str) -> Option<Value> {
        (name == "log_evidence").then(|| Value::Real(self.log_evidence()))
    }

    fn same(&self, other: &dyn HostObject) -> bool {
        let Some(other) = other.as_any().downcast_ref::<Ensemble<T>>() else { return false };
        let bits = |weights: &[f64]| weights.iter().map(|w| w.to_bits()).collect::<Vec<_>>();
        let alike = |(a, b): (&Option<Walker<T>>, &Option<Walker<T>>)| match (a, b) {
            (Some(a), Some(b)) => TraceOf(a.clone()).same(&TraceOf(b.clone())),
            (None, None) => true,
            _ => false,
        };
        self.evidence.to_bits() == other.evidence.to_bits()
            && self.temperature.to_bits() == other.temperature.to_bits()
            && bits(&self.log_weights) == bits(&other.log_weights)
            && self.walkers.iter().zip(&other.walkers).all(alike)
    }

    fn content_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.evidence.to_bits().hash(&mut hasher);
        for (walker, weight) in self.walkers.iter().zip(&self.log_weights) {
            weight.to_bits().hash(&mut hasher);
            walker.as_ref().map(|walker| TraceOf(walker.clone()).content_hash()).hash(&mut hasher);
        }
        hasher.finish()
    }
}
