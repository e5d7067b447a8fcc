//! Exact inference: every path of a model whose choices are finite or countable, merging paths that reach the same state.
//!
//! Paths advance in step, one choice at a time. States with the same future are one state with the sum of their weights, which turns a
//! loop over finite states into the forward recursion without the program saying so.

use super::importance::note_domain_faults;
use super::{Contract, Row};
use crate::model::{Branch, Branching, Dead};
use crate::posterior::{Info, Posterior, log_sum_exp};
use crate::value::hash::Key;
use crate::value::interrupt::stop_if_interrupted;
use crate::value::{Fault, Value};
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn enumerate(model: () ~> a, tolerance: Real = 1e-13, states: Int = 1000000) -> Posterior<a>",
        doc: "The exact posterior of a model whose choices are finite or countable, by following every path; paths that reach \
              the same state are merged, so loops and recursions over finite states cost what their states cost. Endless ones are \
              followed until less than `tolerance` of the mass is left, which is reported.\nexample: prob(enumerate(() => flip(0.25)), b => b) == 0.25",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn exactly(model: () ~> a, states: Int = 20000) -> (Posterior<a>, String)",
        doc: "The exact posterior of a model and an empty text; or an empty posterior and the reason why the exact one is out of reach.\nexample: { let (p, why_not) = exactly(() => flip(0.25)); why_not == \"\" && prob(p, b => b) == 0.25 }",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn sampler_for(model: () ~> a) -> String",
        doc: "The name of the sampling method that suits a model.\nexample: sampler_for(() => { x ~ Normal(0, 1); factor(sin(x)) }) == \"nuts\"",
        contract: Contract::None,
    },
    Row {
        signature: "fn chosen(p: Posterior<a>, model: () ~> a, why_not: String) -> Posterior<a>",
        doc: "The posterior, with the reason why its method was chosen; `why_not` says why there is no exact one.\nexample: prob(chosen(enumerate(() => flip(0.25)), () => flip(0.25), \"\"), b => b) == 0.25",
        contract: Contract::None,
    },
];

/// Bounds on an enumeration.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Stop when the paths not yet followed hold less than this share of the mass found.
    pub tolerance: f64,
    /// The most states held at once.
    pub states: usize,
    /// The most times that a path is extended.
    pub paths: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options { tolerance: 1e-13, states: 1_000_000, paths: u64::MAX }
    }
}

/// The unnormalised measure of a model: values with the logs of their masses.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    pub masses: Vec<(Value, f64)>,
    /// The share of the mass that was not followed, an upper estimate.
    pub remainder: f64,
    /// How many times a path was extended.
    pub paths: u64,
    /// Paths that ended because a parameter lay outside its domain.
    pub domain_faults: u64,
    /// One of those.
    pub example: Option<Box<Fault>>,
    /// Paths that ended because a weight was zero.
    pub refused: u64,
}

/// A state with its weight, and the values that its choice may take.
struct Path<S> {
    state: S,
    outcomes: Vec<(Value, f64)>,
    log_weight: f64,
}

/// The measure of a model.
pub fn measure<B: Branching>(model: &mut B, options: Options) -> Result<Measure, Fault> {
    let mut masses: HashMap<Key, f64> = HashMap::new();
    let mut order: Vec<Key> = Vec::new();
    let mut result = Measure::default();
    let mut missing = f64::NEG_INFINITY;
    let mut total = f64::NEG_INFINITY;
    let mut layer: Vec<Path<B::State>> = Vec::new();
    let mut add = |value: Value, named: Vec<(String, Value)>, log_weight: f64, total: &mut f64| {
        let value = if named.is_empty() || !matches!(value, Value::Unit) { value } else { named_record(named) };
        let key = Key(value);
        *total = log_add(*total, log_weight);
        match masses.get_mut(&key) {
            Some(mass) => *mass = log_add(*mass, log_weight),
            None => {
                order.push(Key(key.0.clone()));
                masses.insert(key, log_weight);
            }
        }
    };
    match model.begin()? {
        Branch::Done { value, named, log_weight } => add(value, named, log_weight, &mut total),
        Branch::Dead(dead) => result.note(dead),
        Branch::Choice { state, outcomes } => {
            // The weight of a first stretch without choices is the same for all paths.
            let log_weight = model.gained(&state);
            if outcomes.missing > 0.0 {
                missing = log_add(missing, log_weight + outcomes.missing.ln());
            }
            layer.push(Path { state, outcomes: outcomes.values, log_weight });
        }
    }
    while !layer.is_empty() {
        let pending = log_sum_exp(&layer.iter().map(|path| path.log_weight).collect::<Vec<_>>());
        if pending - log_add(total, pending) < options.tolerance.ln() {
            missing = log_add(missing, pending);
            break;
        }
        let mut next: Vec<Path<B::State>> = Vec::new();
        let mut places: HashMap<u64, Vec<u32>> = HashMap::new();
        for path in layer {
            stop_if_interrupted()?;
            for (value, logp) in &path.outcomes {
                let before = path.log_weight + mutant!("enumeration ignores the prior", 0.0, *logp);
                result.paths += 1;
                if result.paths > options.paths {
                    return Err(Fault::limit(format!("more than {} paths: too many to enumerate", options.paths)));
                }
                let (branch, gained) = model.choose(&path.state, value)?;
                let log_weight = before + gained;
                match branch {
                    Branch::Done { value, named, .. } => add(value, named, log_weight, &mut total),
                    Branch::Dead(dead) => result.note(dead),
                    Branch::Choice { state, outcomes } => {
                        if outcomes.missing > 0.0 {
                            missing = log_add(missing, log_weight + outcomes.missing.ln());
                        }
                        let mut hasher = DefaultHasher::new();
                        model.hash_future(&state, &mut hasher);
                        let bucket = places.entry(hasher.finish()).or_default();
                        // What is paused at a choice has a future that depends on its distribution too.
                        let same = |k: &&u32| {
                            let known = &next[**k as usize];
                            same_outcomes(&known.outcomes, &outcomes.values) && model.same_future(&known.state, &state)
                        };
                        match bucket.iter().find(same) {
                            Some(k) => {
                                let known = &mut next[*k as usize];
                                known.log_weight = mutant!(
                                    "merged states keep one weight",
                                    log_weight,
                                    log_add(known.log_weight, log_weight)
                                );
                            }
                            None => {
                                if next.len() >= options.states {
                                    return Err(Fault::limit(format!(
                                        "more than {} different states are reached: too many to enumerate",
                                        options.states
                                    ))
                                    .hint("use `smc` or `mh`, or allow more with the option `states`"));
                                }
                                bucket.push(next.len() as u32);
                                next.push(Path { state, outcomes: outcomes.values, log_weight });
                            }
                        }
                    }
                }
            }
        }
        layer = next;
    }
    result.remainder = if missing == f64::NEG_INFINITY { 0.0 } else { (missing - log_add(total, missing)).exp() };
    result.masses = order
        .into_iter()
        .map(|key| {
            let mass = masses.get(&key).copied().unwrap_or(f64::NEG_INFINITY);
            (key.0.clone(), mass)
        })
        .collect();
    Ok(result)
}

/// Whether two choices offer the same values with the same probabilities.
fn same_outcomes(a: &[(Value, f64)], b: &[(Value, f64)]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| x.1 == y.1 && crate::value::hash::same(&x.0, &y.0))
}

impl Measure {
    fn note(&mut self, dead: Dead) {
        match dead {
            Dead::Domain(fault) => {
                self.domain_faults += 1;
                self.example.get_or_insert(fault);
            }
            Dead::Zero(_) => self.refused += 1,
        }
    }

    /// The measure, normalised, as a posterior.
    ///
    /// # Errors
    /// Where a parameter lay outside its domain on every path.
    pub fn posterior(self, model: &str) -> Result<Posterior, Fault> {
        let mut posterior = Posterior::exact(model, "enumerate", self.masses);
        posterior.remainder = Some(self.remainder);
        posterior.info.push(("paths".into(), Info::Count(self.paths)));
        let ended = (self.domain_faults + self.refused) as usize;
        note_domain_faults(&mut posterior, self.domain_faults, ended, self.example)?;
        Ok(posterior)
    }
}

/// The log of the sum of two exponentials.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// Named choices as one value: the result of a model that returns nothing.
pub fn named_record(named: Vec<(String, Value)>) -> Value {
    let names: Vec<crate::source::Name> = named.iter().map(|(name, _)| name.as_str().into()).collect();
    Value::record(crate::value::record_names(&names), named.into_iter().map(|(_, value)| value).collect())
}
