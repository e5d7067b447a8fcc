//! Sequential Monte Carlo: particles advance from weight to weight and are resampled when their weights are uneven.
//!
//! The estimate of the evidence is unbiased whatever the threshold (Del Moral 2004). Particles that have ended wait, and keep their
//! place in the population. Particle i draws step t from a stream of its own, so the number of threads changes nothing.

use super::importance::{names_of, note_domain_faults, value_of};
use super::resample::Resampler;
use crate::model::{Dead, Random, Stepped};
use crate::posterior::{Chain, Info, Posterior, Warning, log_sum_exp};
use crate::value::Fault;

/// How a particle filter is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub particles: usize,
    pub resampler: Resampler,
    /// Resample when the effective sample size is below this share of the particles.
    pub threshold: f64,
    /// Keep every named choice.
    pub all: bool,
}

/// Weighted suspended runs, and what was counted on the way to them.
#[derive(Clone, Debug)]
pub struct Population<R> {
    pub runs: R,
    /// The log weight of each run since the last resampling.
    pub log_weights: Vec<f64>,
    /// For each run, the run of the first generation from which it descends.
    pub roots: Vec<u32>,
    /// The log of the factor of the evidence that resampling has taken out of the weights.
    pub log_evidence: f64,
    /// An estimate of the relative variance of that factor.
    pub variance: f64,
    pub steps: u64,
    pub resamplings: u64,
    /// The least effective sample size so far.
    pub least_ess: f64,
    /// Runs that died by a parameter outside its domain, and the message of the first.
    pub domain_faults: u64,
    pub example: Option<String>,
    /// The site that refused a run in the last step.
    pub refused_at: Option<u32>,
}

/// Normalised weights, and the log of their sum before.
struct Normalised {
    weights: Vec<f64>,
    total: f64,
}

impl<R> Population<R> {
    /// The weights divided by their sum; none when all are zero.
    fn normalised(&self) -> Option<Normalised> {
        let total = log_sum_exp(&self.log_weights);
        (total != f64::NEG_INFINITY)
            .then(|| Normalised { weights: self.log_weights.iter().map(|w| (w - total).exp()).collect(), total })
    }

    /// The effective sample size: 1 / Σ wᵢ² of the normalised weights; 0 when all are zero.
    pub fn ess(&self) -> f64 {
        self.normalised().map_or(0.0, |n| effective(&n.weights))
    }

    fn take_out(&mut self, normalised: &Normalised) {
        self.log_evidence += normalised.total - (self.log_weights.len() as f64).ln();
        self.variance += relative_variance(&normalised.weights);
    }
}

fn effective(weights: &[f64]) -> f64 {
    1.0 / weights.iter().map(|w| w * w).sum::<f64>()
}

/// Runs a particle filter.
pub fn smc<S: Stepped>(model: &S, options: Options, random: &mut dyn Random) -> Result<Posterior, Fault> {
    let mut population = spawn(model, options.particles.max(1))?;
    while advance(model, &mut population, random)? {
        resample(model, &mut population, options.resampler, options.threshold, random);
    }
    Ok(finish(model, &population, options.all))
}

/// `count` runs at the start of a model, with weight 1 each.
pub fn spawn<S: Stepped>(model: &S, count: usize) -> Result<Population<S::Runs>, Fault> {
    Ok(Population {
        runs: model.start_all(count)?,
        log_weights: vec![0.0; count],
        roots: (0..count as u32).collect(),
        log_evidence: 0.0,
        variance: 0.0,
        steps: 0,
        resamplings: 0,
        least_ess: f64::INFINITY,
        domain_faults: 0,
        example: None,
        refused_at: None,
    })
}

/// Advances every running particle to its next weight. Says whether any still runs and any has weight.
pub fn advance<S: Stepped>(
    model: &S,
    population: &mut Population<S::Runs>,
    random: &mut dyn Random,
) -> Result<bool, Fault> {
    let streams = random.generator().map(|generator| generator.streams());
    let step = match streams {
        Some(streams) => model.advance_all(&mut population.runs, streams)?,
        None => model.advance_all_with(&mut population.runs, random)?,
    };
    population.steps += 1;
    population.refused_at = None;
    for (_, dead) in step.died {
        match dead {
            Dead::Domain(fault) => {
                population.domain_faults += 1;
                population.example.get_or_insert(fault.message);
            }
            Dead::Zero(site) => population.refused_at = population.refused_at.or(Some(site)),
        }
    }
    for (weight, gained) in population.log_weights.iter_mut().zip(step.gained) {
        *weight += gained;
    }
    let weighs = population.log_weights.iter().any(|w| *w > f64::NEG_INFINITY);
    Ok(weighs && model.stands(&population.runs).iter().any(|stand| stand.is_running()))
}

/// Replaces the particles by children of equal weight, in numbers in proportion to their weights, where the effective sample size is
/// below this share of their number or the share is 1 or more. Says whether it did; a population without weight stays as it is.
pub fn resample<S: Stepped>(
    model: &S,
    population: &mut Population<S::Runs>,
    resampler: Resampler,
    threshold: f64,
    random: &mut dyn Random,
) -> bool {
    let n = population.log_weights.len();
    let Some(normalised) = population.normalised() else { return false };
    let ess = effective(&normalised.weights);
    population.least_ess = population.least_ess.min(ess);
    let is_needed = ess < threshold * n as f64 || threshold >= 1.0;
    if is_needed {
        population.resamplings += 1;
        population.take_out(&normalised);
        let ancestors = resampler.ancestors(&normalised.weights, n, random);
        model.gather(&mut population.runs, &ancestors);
        population.roots = ancestors.iter().map(|k| population.roots[*k]).collect();
        population.log_weights.fill(0.0);
    }
    is_needed
}

/// The posterior that the particles that ended stand for.
pub fn finish<S: Stepped>(model: &S, population: &Population<S::Runs>, all: bool) -> Posterior {
    let mut chain = Chain::default();
    let (mut log_evidence, mut variance) = (f64::NEG_INFINITY, 0.0);
    let mut least_ess = population.least_ess;
    let mut kept = Vec::new();
    let mut roots = std::collections::HashSet::new();
    let normalised = population.normalised();
    if let Some(normalised) = &normalised {
        log_evidence = population.log_evidence + normalised.total - (population.log_weights.len() as f64).ln();
        variance = population.variance + relative_variance(&normalised.weights);
        least_ess = least_ess.min(effective(&normalised.weights));
        let mut named = Vec::new();
        for (k, weight) in population.log_weights.iter().enumerate() {
            if *weight == f64::NEG_INFINITY {
                continue;
            }
            let (value, choices) = model.finish_one(&population.runs, k);
            chain.draws.push(value_of(value, &choices));
            if all {
                named.push(names_of(choices));
            }
            roots.insert(population.roots[k]);
            kept.push(*weight);
        }
        chain.named = all.then_some(named);
    }
    chain.log_weights = Some(kept);
    let mut posterior = Posterior::new("", "smc", vec![chain]);
    posterior.log_evidence = Some(log_evidence);
    posterior.log_evidence_se = (log_evidence > f64::NEG_INFINITY).then(|| variance.sqrt());
    posterior.info.push(("steps".into(), Info::Count(population.steps)));
    posterior.info.push(("resamplings".into(), Info::Count(population.resamplings)));
    posterior.info.push(("least_ess".into(), Info::Number(least_ess)));
    if normalised.is_none() {
        let place = population.refused_at.map(|site| model.site_name(site)).filter(|place| !place.is_empty());
        posterior.warnings.push(Warning::AllDead { place });
    } else {
        // How many of the first particles have descendants: what a report of early choices rests on.
        posterior.info.push(("distinct_ancestors".into(), Info::Count(roots.len() as u64)));
    }
    note_domain_faults(&mut posterior, population.domain_faults, population.example.clone());
    posterior
}

/// An estimate of the relative variance of a mean of weights, given the normalised weights.
fn relative_variance(weights: &[f64]) -> f64 {
    let n = weights.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    weights.iter().map(|w| (w * n - 1.0).powi(2)).sum::<f64>() / (n * (n - 1.0))
}
