//! Populations of weighted runs, from which particle filters are composed: spawned, advanced, resampled and finished.
//!
//! A population stands for an unnormalised measure: its evidence so far times the mean over its particles of weight times value. Each
//! function below keeps that measure in expectation (Ścibior et al. 2018), so any sequence of them does.
//!
//! Weights are matched across particles by their place in the program. A particle that is ahead of others, because it met fewer weights,
//! waits with its last weight pending until they are as far; one that ended waits for good.

mod moves;

use super::course::Course;
use super::importance::{names_of, note_domain_faults, value_of};
use super::kit::shares::{self, TOGETHER, by_itself};
use super::resample::Resampler;
use super::{Contract, Row};
use crate::model::{Dead, Path, Random, Recorded, Stand, Stepped};
use crate::posterior::{Chain, Info, Posterior, Warning, log_sum_exp};
use crate::value::{Fault, HostObject, Value};
use rayon::prelude::*;
use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn spawn(model: () ~> a, particles: Int, delay: Bool = true) -> Population<a>",
        doc: "A population of runs of a model, all at their start with weight 1.\nexample: log_weights(spawn(() => flip(0.5), 2)) == [0.0, 0.0]",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn advance(p: Population<a>) ~> Population<a>",
        doc: "Runs every particle to its next observation or factor, whose weight it gains. Particles that met fewer of them than others, \
              and those that ended, wait.\nexample: log_weights(advance(spawn(() => factor(2.0), 2))) == [2.0, 2.0]",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn resample(p: Population<a>, scheme: String = \"systematic\", below: Real = 1.0) ~> Population<a>",
        doc: "Replaces the particles by copies in proportion to their weights, if their effective number is less than `below` times their \
              number; the mean weight becomes evidence. The schemes are `systematic`, `stratified`, `multinomial` and `residual`. \
              Nothing changes when all weights are zero. Douc, Cappé and Moulines 2005.\n\
              example: log_evidence(resample(advance(spawn(() => factor(2.0), 3)), multinomial)) == 2.0",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn running(p: Population<a>) -> Bool",
        doc: "Whether a particle has not come to its end yet.\nexample: running(spawn(() => flip(0.5), 2))",
        contract: Contract::None,
    },
    Row {
        signature: "fn finish(p: Population<a>, method: String = \"smc\") -> Posterior<a>",
        doc: "The results of a population of which no particle is running, with their weights, as a posterior of a method.\nexample: len(draws(finish(advance(spawn(() => flip(0.5), 3))))) == 3",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn without_evidence(p: Population<a>) -> Population<a>",
        doc: "The same population with evidence 1: its weights are divided by their mean.\nexample: log_evidence(without_evidence(advance(spawn(() => factor(2.0), 3)))) == 0.0",
        contract: Contract::None,
    },
    Row {
        signature: "fn look_ahead(p: Population<a>, pilots: Int = 1) ~> [Real]",
        doc: "How promising each particle is: the log of the mean weight that `pilots` copies of it gain in the next step, over its mean over \
              the particles, mixed with 1 in the proportion 9 to 1, so that no particle is without promise.",
        contract: Contract::None,
    },
    Row {
        signature: "fn resample_by(p: Population<a>, promise: [Real], scheme: String = \"systematic\") ~> Population<a>",
        doc: "Resamples in proportion to weight times the exponential of `promise`, by which the weights are divided afterwards. \
              Pitt and Shephard 1999.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn advance_alive(p: Population<a>, tries: Int = 1000000) ~> Population<a>",
        doc: "Draws particles in proportion to their weights and runs each to its next observation, until one more than there were has a weight \
              that is not zero; the last one is left out. A fault after `tries` tries. Del Moral, Jasra, Lee, Yau and Zhang 2015; \
              Kudlicka, Murray, Ronquist and Schön 2019.",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn pick(p: Population<a>) ~> Run<a>",
        doc: "One of the runs of a population, none of which is running, in proportion to its weight, with all that it drew.",
        contract: Contract::None,
    },
    Row {
        signature: "fn retain(model: () ~> a, run: Run<a>, particles: Int, ancestors: Bool = false) -> Population<a>",
        doc: "A population of runs at their start, of which the first follows `run` and survives every resampling (conditional SMC; Andrieu, \
              Doucet and Holenstein 2010). With `ancestors`, resampling also draws anew which particle the rest of that run continues \
              (ancestor sampling; Lindsten, Jordan and Schön 2014).\n\
              example: log_weights(retain(() => 1, pick(advance(spawn(() => 1, 1))), 2)) == [0.0, 0.0]",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn move(p: Population<a>, kernel: Kernel, times: Int = 1) ~> Population<a>",
        doc: "Moves every particle by a kernel that leaves the posterior up to where it stands as it is (resample-move; Gilks and Berzuini \
              2001). Particles that wait stay as they are. The program is run again up to there for every move.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(pick(move(advance(spawn(() => { x ~ Flip(0.25); x }, 1)), single_site(), 1)))))",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn freeze(p: Population<a>) -> Population<a>",
        doc: "The same population, in which all that was drawn so far is held as it is: `move` moves only what is drawn later.\n\
              example: log_weights(freeze(spawn(() => flip(0.5), 2))) == [0.0, 0.0]",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn update_rates(model: () ~> a, run: Run<a>) -> [(String, Real)]",
        doc: "For each named choice of a run of the model, in which share of the steps of `retain` and `pick` that led to it the choice changed \
              (Lindsten, Jordan and Schön 2014).\n\
              example: len(update_rates(() => 1, pick(advance(spawn(() => 1, 1))))) == 0",
        contract: Contract::None,
    },
    Row {
        signature: "fn value_of(run: Run<a>) -> a",
        doc: "What a run gave.\nexample: value_of(pick(advance(spawn(() => 7, 1)))) == 7",
        contract: Contract::None,
    },
];

/// The functions that ask for what the particles drew: where a program may call one, populations keep it.
pub const ASK_FOR_CHOICES: &[&str] = &["pick", "retain", "move"];

/// What a population remembers for its report.
#[derive(Clone, Debug, Default)]
struct History {
    course: Course,
    /// The site that refused a run in the last step in which one was refused.
    refused_at: Option<u32>,
    domain_faults: u64,
    example: Option<Box<Fault>>,
    /// The tries of an alive filter.
    tried: u64,
}

impl History {
    fn note(&mut self, dead: Dead) {
        match dead {
            Dead::Domain(fault) => {
                self.domain_faults += 1;
                self.example.get_or_insert(fault);
            }
            Dead::Zero(site) => self.refused_at = Some(site),
        }
    }
}

/// Weighted suspended runs of one model.
pub struct Population<S: Stepped> {
    view: Arc<S>,
    runs: S::Runs,
    /// The log weight of each run since the last resampling.
    log_weights: Vec<f64>,
    /// What follows from them, once it was asked for.
    shares: OnceLock<Option<Shares>>,
    /// The weights at which runs are paused that are not due yet; empty when no run waits.
    pending: Vec<Option<f64>>,
    /// For each run, the run of the first generation from which it descends.
    roots: Vec<u32>,
    /// The log evidence that left the weights.
    evidence: f64,
    history: History,
    /// Keep every named choice of the results.
    pub all: bool,
    buffers: Buffers,
}

/// Memory that every step needs again. A clone starts without.
#[derive(Default)]
struct Buffers {
    ancestors: Vec<usize>,
    roots: Vec<u32>,
}

impl<S: Stepped> Clone for Population<S> {
    fn clone(&self) -> Population<S> {
        Population {
            view: Arc::clone(&self.view),
            runs: self.runs.clone(),
            log_weights: self.log_weights.clone(),
            shares: self.shares.clone(),
            pending: self.pending.clone(),
            roots: self.roots.clone(),
            evidence: self.evidence,
            history: self.history.clone(),
            all: self.all,
            buffers: Buffers::default(),
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
    let runs = view.start_all(n)?;
    Ok(holding(view, runs, n))
}

/// A population of `n` runs at their start, of which the first follows a path.
pub fn retain<S: Recorded>(view: Arc<S>, path: &Path, n: usize, ancestors: bool) -> Result<Population<S>, Fault> {
    let runs = view.follow(path, n, ancestors)?;
    Ok(holding(view, runs, n))
}

fn holding<S: Stepped>(view: Arc<S>, runs: S::Runs, n: usize) -> Population<S> {
    Population {
        runs,
        view,
        log_weights: vec![0.0; n],
        shares: OnceLock::new(),
        pending: Vec::new(),
        roots: (0..n as u32).collect(),
        evidence: 0.0,
        history: History::default(),
        all: false,
        buffers: Buffers::default(),
    }
}

impl<S: Stepped> Population<S> {
    /// The view of the model.
    pub fn view(&self) -> &Arc<S> {
        &self.view
    }

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
        let total = self.shares().map_or(f64::NEG_INFINITY, |shares| shares.total);
        self.evidence + total - (self.size() as f64).ln()
    }

    /// The weights divided by their sum; none if all are zero.
    fn shares(&self) -> Option<&Shares> {
        self.shares.get_or_init(|| Shares::of(&self.log_weights)).as_ref()
    }

    /// The log weights, to be changed.
    fn log_weights_mut(&mut self) -> &mut Vec<f64> {
        self.shares = OnceLock::new();
        &mut self.log_weights
    }

    /// The effective number of particles: 1 / Σ wᵢ² of the normalised weights (Kong, Liu and Wong 1994); 0 when all weights are zero.
    pub fn effective_size(&self) -> f64 {
        self.shares().map_or(0.0, |shares| shares.effective)
    }

    /// Divides the weights by their mean, and forgets the evidence that left them.
    pub fn drop_evidence(&mut self) {
        let shift = self.log_evidence() - self.evidence;
        if shift > f64::NEG_INFINITY {
            self.log_weights_mut().iter_mut().for_each(|w| *w -= shift);
        }
        self.evidence = 0.0;
    }

    /// Runs particles to their next weight, and adds the weights that are due.
    pub fn advance(&mut self, random: &mut dyn Random) -> Result<(), Fault> {
        let waits: Vec<bool> = self.pending.iter().map(Option::is_some).collect();
        // The memory of what followed from the weights before is that of what the step gives.
        self.shares = OnceLock::new();
        let step = match random.generator() {
            Some(generator) => {
                let streams = generator.streams();
                self.view.advance_all(&mut self.runs, &waits, streams)?
            }
            None => self.view.advance_all_with(&mut self.runs, &waits, random)?,
        };
        for (_, dead) in step.died {
            self.history.note(dead);
        }
        self.settle(&step.gained);
        self.shares = OnceLock::from(Shares::of_in(&self.log_weights, step.gained));
        let ess = self.effective_size();
        self.history.course.stepped(ess, self.weighing_site());
        Ok(())
    }

    /// A site that weighed some run last.
    fn weighing_site(&self) -> Option<u32> {
        self.view.stands(&self.runs).iter().find_map(|stand| match stand {
            Stand::Paused { site, .. } => Some(*site),
            _ => None,
        })
    }

    /// Adds the weights that are due: those at the place that comes first in the program. Who stands at a later one waits.
    fn settle(&mut self, gained: &[f64]) {
        self.shares = OnceLock::new();
        let stands = self.view.stands(&self.runs);
        if self.pending.is_empty() && all_same(stands) {
            let add = |(weight, gained): (&mut f64, &f64)| *weight += gained;
            if by_itself(gained.len()) {
                self.log_weights.iter_mut().zip(gained).for_each(add);
            } else {
                self.log_weights.par_iter_mut().with_min_len(TOGETHER).zip(gained).for_each(add);
            }
            return;
        }
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
            let weight = self.pending[k].take().map_or(*gained, |due| mutant!("waiting weights are lost", 0.0, due));
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
    pub fn resample(&mut self, scheme: Resampler, below: f64, random: &mut dyn Random) -> Result<(), Fault> {
        if below < 1.0 && self.effective_size() >= below * self.size() as f64 {
            return Ok(());
        }
        self.select(scheme, None, random)
    }

    /// Resamples in proportion to weight times the exponential of `promise`, by which the weights are divided afterwards.
    pub fn resample_by(&mut self, promise: &[f64], scheme: Resampler, random: &mut dyn Random) -> Result<(), Fault> {
        if promise.len() != self.size() {
            let text = format!("expected one promise for each of {} particles, found {}", self.size(), promise.len());
            return Err(Fault::error(text));
        }
        self.select(scheme, Some(promise), random)
    }

    fn select(&mut self, scheme: Resampler, promise: Option<&[f64]>, random: &mut dyn Random) -> Result<(), Fault> {
        let n = self.size();
        let shares = match promise {
            Some(promise) => {
                let logs: Vec<f64> = self.log_weights.iter().zip(promise).map(|(w, p)| w + p).collect();
                Shares::of(&logs)
            }
            // The weights change, so the shares are not needed any more.
            None => match self.shares.take() {
                Some(shares) => shares,
                None => Shares::of(&self.log_weights),
            },
        };
        let Some(Shares { weights, total, .. }) = shares else { return Ok(()) };
        self.history.course.variance += relative_variance(&weights);
        let gained = total - mutant!("evidence without the number of particles", 0.0, (n as f64).ln());
        self.evidence = mutant!("evidence of the last step only", 0.0, self.evidence) + gained;
        let ancestors = if self.view.is_conditional(&self.runs) {
            let kept = self.heir(random)?;
            scheme.conditional_ancestors(&weights, kept, random)
        } else {
            scheme.ancestors_in(&weights, n, random, std::mem::take(&mut self.buffers.ancestors))
        };
        let ancestors = mutant!("resampling from the first particle", vec![0; n], ancestors);
        self.view.gather(&mut self.runs, &ancestors);
        std::mem::swap(&mut self.roots, &mut self.buffers.roots);
        shares::mapped(&ancestors, |k| self.buffers.roots[*k], &mut self.roots);
        self.history.course.resampled(&self.roots);
        if !self.pending.is_empty() {
            let before = std::mem::take(&mut self.pending);
            let ancestor = |(k, a): (usize, &usize)| before[mutant!("waiting weights stay behind", k, *a)];
            self.pending = ancestors.iter().enumerate().map(ancestor).collect();
        }
        match promise {
            Some(promise) => {
                let due = |k: &usize| mutant!("promise not divided out", 0.0, -promise[*k]);
                *self.log_weights_mut() = ancestors.iter().map(due).collect();
            }
            None if mutant!("weights kept after resampling", true, false) => {}
            None => self.log_weights_mut().fill(0.0),
        }
        self.buffers.ancestors = ancestors;
        Ok(())
    }

    /// The particle that the rest of a path which run 0 follows is to continue. While runs wait, the path has gone on already, and keeps
    /// its past; whether they do is the same for every particle that could be drawn.
    fn heir(&self, random: &mut dyn Random) -> Result<usize, Fault> {
        if !self.pending.is_empty() {
            return Ok(0);
        }
        let Some(continuations) = self.view.continuations(&self.runs)? else { return Ok(0) };
        let logs: Vec<f64> = self
            .log_weights
            .iter()
            .zip(&continuations)
            .map(|(w, c)| w + mutant!("ancestors drawn without their future", 0.0, *c))
            .collect();
        Ok(normalised(&logs).map_or(0, |weights| random.choose(&weights)))
    }

    /// The promise of each particle for the next step.
    pub fn look_ahead(&self, pilots: usize, random: &mut dyn Random) -> Result<Vec<f64>, Fault> {
        let mut gains = vec![Vec::with_capacity(pilots); self.size()];
        for _ in 0..pilots {
            let mut pilot = self.clone();
            pilot.advance(random)?;
            for (gains, (after, before)) in gains.iter_mut().zip(pilot.log_weights.iter().zip(&self.log_weights)) {
                gains.push(if *before > f64::NEG_INFINITY { after - before } else { f64::NEG_INFINITY });
            }
        }
        let gains: Vec<f64> = gains.iter().map(|gains| log_sum_exp(gains)).collect();
        let weighted: Vec<f64> = gains.iter().zip(&self.log_weights).map(|(g, w)| g + w).collect();
        let mean = log_sum_exp(&weighted) - log_sum_exp(&self.log_weights);
        if !mean.is_finite() {
            return Ok(vec![0.0; self.size()]);
        }
        Ok(gains.iter().map(|gain| (0.9 * (gain - mean).exp() + 0.1).ln()).collect())
    }

    /// Advances particles drawn in proportion to their weights until one more than there were is alive.
    pub fn advance_alive(&mut self, tries: usize, random: &mut dyn Random) -> Result<(), Fault> {
        let n = self.size();
        // Weights that wait to be due count at once: without alignment the estimate is as unbiased.
        let pending = std::mem::take(&mut self.pending);
        for (weight, pending) in self.log_weights_mut().iter_mut().zip(pending) {
            *weight += pending.unwrap_or(0.0);
        }
        let Some(weights) = normalised(&self.log_weights) else { return Ok(()) };
        let before = self.log_evidence();
        let mut alive: Vec<(S::Run, f64, u32)> = Vec::with_capacity(n + 1);
        let mut tried = 0;
        while alive.len() <= n {
            // More than are missing where many die, but no more than a few times as many, in which chance plays no part.
            let share = (alive.len() + 1) as f64 / (tried + 1) as f64;
            let missing = n + 1 - alive.len();
            let count =
                if random.generator().is_none() { missing } else { (missing as f64 / share.clamp(0.25, 1.0)) as usize };
            let count = count.min(tries - tried);
            let ancestors: Vec<usize> = match random.generator() {
                Some(_) => {
                    let mut drawn = Resampler::Multinomial.ancestors(&weights, count, random);
                    super::resample::shuffle(&mut drawn, random);
                    drawn
                }
                None => (0..count).map(|_| random.choose(&weights)).collect(),
            };
            let mut runs = self.runs.clone();
            self.view.gather(&mut runs, &ancestors);
            let step = match random.generator() {
                Some(generator) => {
                    let streams = generator.streams();
                    self.view.advance_all(&mut runs, &[], streams)?
                }
                None => self.view.advance_all_with(&mut runs, &[], random)?,
            };
            for (_, dead) in step.died {
                self.history.note(dead);
            }
            for (k, gained) in step.gained.iter().enumerate() {
                if alive.len() > n {
                    break;
                }
                tried += 1;
                if *gained > f64::NEG_INFINITY {
                    alive.push((self.view.take_out(&runs, k), *gained, self.roots[ancestors[k]]));
                }
            }
            if tried >= tries && alive.len() <= n {
                let place =
                    self.history.refused_at.map(|site| self.view.site_name(site)).filter(|name| !name.is_empty());
                let at = place.map_or_else(String::new, |place| format!(" at `{place}`"));
                return Err(Fault::error(format!(
                    "{} of {tried} particles survived{at}, too few for {n}",
                    alive.len()
                ))
                .hint("raise `tries`, or check that the data are possible under the model"));
            }
        }
        alive.truncate(n);
        self.history.tried += tried as u64;
        let counted = mutant!("alive filter counts its last try", tried, tried - 1);
        self.evidence = before + (n as f64 / counted as f64).ln();
        for (k, (run, gained, root)) in alive.into_iter().enumerate() {
            self.view.put_in(&mut self.runs, k, run);
            self.log_weights_mut()[k] = gained;
            self.roots[k] = root;
        }
        self.history.course.variance += relative_variance(&weights) + (1.0 - n as f64 / tried as f64) / n as f64;
        self.history.course.resampled(&self.roots);
        let ess = self.effective_size();
        self.history.course.stepped(ess, self.weighing_site());
        Ok(())
    }

    /// The results with their weights. Particles without weight have none.
    ///
    /// # Errors
    /// If a particle is still running.
    pub fn finish(&self, method: &str) -> Result<Posterior, Fault> {
        if self.running() {
            return Err(still_running());
        }
        let mut chain = Chain::default();
        let weighted: Vec<usize> = (0..self.size()).filter(|k| self.log_weights[*k] > f64::NEG_INFINITY).collect();
        let one = |k: &usize| {
            let (value, choices) = self.view.finish_one(&self.runs, *k);
            (value_of(value, &choices), self.all.then(|| names_of(choices)))
        };
        let mut results = Vec::new();
        shares::mapped(&weighted, one, &mut results);
        let (draws, named): (Vec<_>, Vec<_>) = results.into_iter().unzip();
        chain.draws = draws;
        chain.named = self.all.then(|| named.into_iter().flatten().collect());
        chain.log_weights = Some(weighted.iter().map(|k| self.log_weights[*k]).collect());
        let roots: Vec<u32> = weighted.iter().map(|k| self.roots[*k]).collect();
        let mut posterior = Posterior::new("", method, vec![chain]);
        // Given a run of the posterior there is no estimate of the evidence.
        let conditional = self.view.is_conditional(&self.runs);
        posterior.log_evidence = (!conditional).then(|| self.log_evidence());
        let weights = normalised(&self.log_weights);
        posterior.log_evidence_se = weights.map(|w| (self.history.course.variance + relative_variance(&w)).sqrt());
        self.history.course.report(&mut posterior, self.size(), &roots, |site| self.view.site_name(site));
        if self.history.tried > 0 {
            posterior.info.push(("tries".into(), Info::Count(self.history.tried)));
        }
        if roots.is_empty() {
            let place = self.history.refused_at.map(|site| self.view.site_name(site));
            posterior.warnings.push(Warning::AllDead { place: place.filter(|place| !place.is_empty()) });
        }
        // Steps may lose more runs than there are at once; where a weight of zero ended one, not all left a domain.
        let tried = if self.history.refused_at.is_some() { usize::MAX } else { self.size() };
        note_domain_faults(&mut posterior, self.history.domain_faults, tried, self.history.example.clone())?;
        Ok(posterior)
    }
}

impl<S: Recorded> Population<S> {
    /// One of the runs, in proportion to its weight.
    ///
    /// # Errors
    /// If a particle is still running, or none has weight.
    pub fn pick(&self, random: &mut dyn Random) -> Result<Path, Fault> {
        if self.running() {
            return Err(still_running());
        }
        let Some(weights) = normalised(&self.log_weights) else {
            let place = self.history.refused_at.map(|site| self.view.site_name(site)).filter(|name| !name.is_empty());
            let at = place.map_or_else(String::new, |place| format!(" at `{place}`"));
            return Err(Fault::error(format!("every particle has weight zero{at}"))
                .hint("check that the data are possible under the model, or use more particles"));
        };
        let weights = mutant!("a run is picked whatever its weight", vec![1.0; weights.len()], weights);
        Ok(self.view.path(&self.runs, random.choose(&weights)))
    }
}

fn still_running() -> Fault {
    Fault::error("the population is still running").hint("advance it until `running(p)` is false")
}

/// Whether all runs stand at the same place.
fn all_same(stands: &[Stand]) -> bool {
    let Some(first) = stands.first() else { return true };
    let same = |stand: &Stand| stand == first;
    if by_itself(stands.len()) { stands.iter().all(same) } else { stands.par_iter().with_min_len(TOGETHER).all(same) }
}

/// Normalised weights.
#[derive(Clone, Debug)]
struct Shares {
    weights: Vec<f64>,
    /// The log of the sum of the weights before.
    total: f64,
    /// Their effective number.
    effective: f64,
}

impl Shares {
    /// Of weights with these logs; none if all are zero.
    fn of(log_weights: &[f64]) -> Option<Shares> {
        Shares::of_in(log_weights, Vec::new())
    }

    /// The same in this memory.
    fn of_in(log_weights: &[f64], mut weights: Vec<f64>) -> Option<Shares> {
        let highest = gathered(log_weights, f64::NEG_INFINITY, |w| w, |a, b| if b > a { b } else { a });
        if highest == f64::NEG_INFINITY {
            return None;
        }
        shares::mapped(log_weights, |w| (w - highest).exp(), &mut weights);
        let sum = sum_of(&weights, |w| w);
        let normalise = |w: &mut f64| *w /= sum;
        if by_itself(weights.len()) {
            weights.iter_mut().for_each(normalise);
        } else {
            weights.par_iter_mut().with_min_len(TOGETHER).for_each(normalise);
        }
        let effective = effective(&weights);
        Some(Shares { weights, total: highest + sum.ln(), effective })
    }
}

/// Partial results that are kept apart, so that one operation need not wait for the one before.
const APART: usize = 8;

/// The sum of terms made of numbers, or their greatest, in an order that follows from how many there are; of a few it is their own.
fn gathered(xs: &[f64], neutral: f64, term: impl Fn(f64) -> f64 + Sync, join: impl Fn(f64, f64) -> f64 + Sync) -> f64 {
    if xs.len() <= TOGETHER {
        return gathered_part(xs, neutral, term, join);
    }
    let parts = shares::by_parts(xs, |part| gathered_part(part, neutral, &term, &join));
    parts.into_iter().reduce(join).unwrap_or(neutral)
}

fn gathered_part(xs: &[f64], neutral: f64, term: impl Fn(f64) -> f64, join: impl Fn(f64, f64) -> f64) -> f64 {
    let mut parts = [neutral; APART];
    let chunks = xs.chunks_exact(APART);
    let rest = chunks.remainder();
    for chunk in chunks {
        for (part, x) in parts.iter_mut().zip(chunk) {
            *part = join(*part, term(*x));
        }
    }
    let all = if xs.len() < APART { neutral } else { parts.iter().fold(neutral, |all, part| join(all, *part)) };
    rest.iter().fold(all, |all, x| join(all, term(*x)))
}

/// The sum of terms made of numbers.
fn sum_of(xs: &[f64], term: impl Fn(f64) -> f64 + Sync) -> f64 {
    gathered(xs, 0.0, term, |a, b| a + b)
}

/// The effective number of normalised weights.
pub(super) fn effective(weights: &[f64]) -> f64 {
    // Never more than there are, whatever the rounding.
    (1.0 / sum_of(weights, |w| w * w)).min(weights.len() as f64)
}

/// The weights whose logs these are, divided by their sum; none if all are zero.
pub(super) fn normalised(log_weights: &[f64]) -> Option<Vec<f64>> {
    Shares::of(log_weights).map(|shares| shares.weights)
}

/// An estimate of the relative variance of a mean of weights, given the normalised weights.
pub(super) fn relative_variance(weights: &[f64]) -> f64 {
    let n = weights.len() as f64;
    if n < 2.0 {
        return 0.0;
    }
    sum_of(weights, |w| (w * n - 1.0) * (w * n - 1.0)) / (n * (n - 1.0))
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
