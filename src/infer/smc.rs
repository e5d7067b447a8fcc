//! Sequential Monte Carlo: particles advance from weight to weight and are resampled when their weights are uneven.
//!
//! The estimate of the evidence is unbiased whatever the threshold (Del Moral 2004). Particles that have ended wait, and keep their
//! place in the population. Particle i draws step t from a stream of its own, so the number of threads changes nothing.

use super::importance::{names_of, note_domain_faults, value_of};
use super::resample::Resampler;
use crate::model::{Dead, Random, Step, Stepped};
use crate::posterior::{Chain, Info, Posterior, Warning, log_sum_exp};
use crate::value::{Fault, Generator};
use rayon::prelude::*;

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

/// One particle: a suspended run and its log weight since the last resampling.
struct Particle<R> {
    run: R,
    log_weight: f64,
    state: State,
    /// The particle of the first generation it descends from.
    root: u32,
}

#[derive(Clone, Copy, PartialEq)]
enum State {
    Running,
    Done,
    Dead,
}

/// Runs a particle filter.
pub fn smc<S: Stepped>(model: &S, options: Options, random: &mut dyn Random) -> Result<Posterior, Fault> {
    let n = options.particles.max(1);
    let base = random.generator().map(|generator| {
        let base = generator.stream(0x0073_6d63);
        generator.next_u64();
        base
    });
    let start = model.start()?;
    let mut particles: Vec<Particle<S::Run>> = (0..n)
        .map(|k| Particle { run: start.clone(), log_weight: 0.0, state: State::Running, root: k as u32 })
        .collect();
    let mut log_evidence = 0.0;
    let mut variance = 0.0;
    let mut domain_faults = 0u64;
    let mut example: Option<String> = None;
    let mut ess_path = Vec::new();
    let mut resamplings = 0u64;
    let mut step = 0u64;
    let mut dead_place = None;
    let mut distinct = 0;
    loop {
        let results = advance(model, &mut particles, base.as_ref().map(|b| b.stream(step)), random)?;
        step += 1;
        for dead in results {
            match dead {
                Dead::Domain(fault) => {
                    domain_faults += 1;
                    example.get_or_insert(fault.message);
                }
                Dead::Zero(_) => {}
            }
        }
        let log_weights: Vec<f64> = particles.iter().map(|p| p.log_weight).collect();
        let total = log_sum_exp(&log_weights);
        if total == f64::NEG_INFINITY {
            dead_place = Some(particles.first().map_or_else(String::new, |p| model.place(&p.run)));
            log_evidence = f64::NEG_INFINITY;
            break;
        }
        let weights: Vec<f64> = log_weights.iter().map(|w| (w - total).exp()).collect();
        let ess = 1.0 / weights.iter().map(|w| w * w).sum::<f64>();
        ess_path.push(ess);
        let running = particles.iter().any(|p| p.state == State::Running);
        if !running {
            break;
        }
        if ess < options.threshold * n as f64 || options.threshold >= 1.0 {
            resamplings += 1;
            log_evidence += total - (n as f64).ln();
            variance += relative_variance(&weights);
            let ancestors = options.resampler.ancestors(&weights, n, random);
            rearrange(model, &mut particles, &ancestors);
        }
    }
    let log_weights: Vec<f64> = particles.iter().map(|p| p.log_weight).collect();
    let mut chain = Chain { log_weights: Some(log_weights.clone()), ..Chain::default() };
    if dead_place.is_none() {
        let total = log_sum_exp(&log_weights);
        log_evidence += total - (n as f64).ln();
        let weights: Vec<f64> = log_weights.iter().map(|w| (w - total).exp()).collect();
        variance += relative_variance(&weights);
        let mut named = Vec::new();
        let mut roots = std::collections::HashSet::new();
        let mut kept = Vec::new();
        for particle in &particles {
            if particle.log_weight == f64::NEG_INFINITY {
                continue;
            }
            let (value, choices) = model.finish(&particle.run);
            chain.draws.push(value_of(value, &choices));
            named.push(names_of(choices));
            roots.insert(particle.root);
            kept.push(particle.log_weight);
        }
        chain.log_weights = Some(kept);
        chain.named = options.all.then_some(named);
        distinct = roots.len();
    } else {
        chain.log_weights = Some(Vec::new());
    }
    let mut posterior = Posterior::new("", "smc", vec![chain]);
    posterior.log_evidence = Some(log_evidence);
    posterior.log_evidence_se = (log_evidence > f64::NEG_INFINITY).then(|| variance.sqrt());
    let least = ess_path.iter().copied().fold(f64::INFINITY, f64::min);
    posterior.info.push(("steps".into(), Info::Count(step)));
    posterior.info.push(("resamplings".into(), Info::Count(resamplings)));
    posterior.info.push(("least_ess".into(), Info::Number(least)));
    if let Some(place) = dead_place {
        let place = (!place.is_empty()).then_some(place);
        posterior.warnings.push(Warning::AllDead { place });
    } else {
        // How many of the first particles have descendants: what a report of early choices rests on.
        posterior.info.push(("distinct_ancestors".into(), Info::Count(distinct as u64)));
    }
    note_domain_faults(&mut posterior, domain_faults, example);
    Ok(posterior)
}

/// An estimate of the relative variance of a mean of weights, given the normalised weights.
fn relative_variance(weights: &[f64]) -> f64 {
    let n = weights.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    weights.iter().map(|w| (w * n - 1.0).powi(2)).sum::<f64>() / (n * (n - 1.0))
}

/// Advances every running particle to its next weight; gives the reasons of those that died.
fn advance<S: Stepped>(
    model: &S,
    particles: &mut [Particle<S::Run>],
    base: Option<Generator>,
    random: &mut dyn Random,
) -> Result<Vec<Dead>, Fault> {
    let settle = |particle: &mut Particle<S::Run>, step: Step| match step {
        Step::Paused { weight, .. } => {
            particle.log_weight += weight;
            None
        }
        Step::Done => {
            particle.state = State::Done;
            None
        }
        Step::Dead(dead) => {
            particle.state = State::Dead;
            particle.log_weight = f64::NEG_INFINITY;
            Some(dead)
        }
    };
    let mut dead = Vec::new();
    match base {
        Some(base) => {
            let results: Vec<Result<Vec<Dead>, Fault>> = particles
                .par_chunks_mut(64)
                .enumerate()
                .map(|(chunk, particles)| {
                    let mut dead = Vec::new();
                    for (k, particle) in particles.iter_mut().enumerate() {
                        if particle.state == State::Running {
                            let stream = base.stream((chunk * 64 + k) as u64);
                            let step = model.advance(&mut particle.run, stream)?;
                            dead.extend(settle(particle, step));
                        }
                    }
                    Ok(dead)
                })
                .collect();
            for result in results {
                dead.extend(result?);
            }
        }
        None => {
            for particle in particles.iter_mut().filter(|p| p.state == State::Running) {
                let step = model.advance_with(&mut particle.run, random)?;
                dead.extend(settle(particle, step));
            }
        }
    }
    Ok(dead)
}

/// Replaces the population by the children of these ancestors. A particle with children stays where it is as the first of them;
/// its further children are copied over particles that have none.
fn rearrange<S: Stepped>(model: &S, particles: &mut [Particle<S::Run>], ancestors: &[usize]) {
    let n = particles.len();
    let mut children = vec![0u32; n];
    for ancestor in ancestors {
        children[*ancestor] += 1;
    }
    // Childless particles are overwritten by the surplus children of the others; everyone else stays where it is.
    let mut free: Vec<usize> = (0..n).filter(|k| children[*k] == 0).collect();
    for (k, count) in children.iter().enumerate() {
        for _ in 1..*count {
            let Some(to) = free.pop() else { break };
            let (low, high) = (k.min(to), k.max(to));
            let (head, tail) = particles.split_at_mut(high);
            let (from, into) = if k < to { (&head[low], &mut tail[0]) } else { (&tail[0], &mut head[low]) };
            model.copy(&from.run, &mut into.run);
            into.state = from.state;
            into.root = from.root;
        }
    }
    for particle in particles.iter_mut() {
        particle.log_weight = 0.0;
    }
}
