//! Posteriors: draws, weighted draws or finite exact distributions, and what can be said of them.

mod autocovariance;
pub mod convergence;
mod course;
pub mod flatten;
mod json;
pub mod label;
pub mod smoothing;
pub mod summary;
mod table;
pub mod warning;

use crate::source::Name;
use crate::value::hash::{hash_value, same};
use crate::value::{Fault, HostObject, Value};
use std::any::Any;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, OnceLock};

pub use summary::{Point, Summary};
pub use table::TableOptions;
pub use warning::Warning;

/// The result of an inference method: a distribution over what the model returns.
#[derive(Clone, Debug, Default)]
pub struct Posterior {
    /// The name of the model.
    pub model: String,
    /// The name of the method.
    pub method: String,
    /// The draws are all values that the model can return, and their weights are exact.
    pub exact: bool,
    /// A single value that an optimiser found, which says nothing of the spread.
    pub point: bool,
    pub chains: Vec<Chain>,
    /// Log of the evidence, or of its estimate.
    pub log_evidence: Option<f64>,
    /// Standard error of the estimate of the log evidence.
    pub log_evidence_se: Option<f64>,
    /// Mass of the prior that an exact method did not enumerate.
    pub remainder: Option<f64>,
    /// Diagnostics by name, in the order in which they are shown.
    pub info: Vec<(String, Info)>,
    /// What the method has to say; [`Posterior::check`] adds what the draws show.
    pub warnings: Vec<Warning>,
    /// Why this method was chosen, where the user did not choose it.
    pub reason: Option<String>,
    pub seed: u64,
    pub seconds: Seconds,
    cache: Cache,
}

/// The draws of one chain, one particle filter or one enumeration, in order.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    pub draws: Vec<Value>,
    /// Log weight of each draw, not normalised, on one scale over all chains; equal weights when none.
    pub log_weights: Option<Vec<f64>>,
    /// The named choices of each draw, in the same order.
    pub named: Option<Vec<Named>>,
    /// Statistics of the sampler for each draw by CmdStan's names: `lp__`, `accept_stat__`, `stepsize__`, `treedepth__`,
    /// `n_leapfrog__`, `divergent__`, `energy__`.
    pub stats: Vec<(String, Vec<f64>)>,
    /// Draws with the same number descend from one particle, and standard errors count them as one; all differ when none.
    pub lineage: Option<Vec<u32>>,
}

/// The named choices of a draw. Draws of the same structure share their names.
#[derive(Clone, Debug)]
pub struct Named {
    /// Addresses as the user reads them: `mu`, `h[3]`.
    pub names: Arc<[Name]>,
    /// One value for each name.
    pub values: Vec<Value>,
}

/// Wall-clock time of each phase, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seconds {
    pub compile: f64,
    pub warmup: f64,
    pub sampling: f64,
}

/// A diagnostic.
#[derive(Clone, Debug, PartialEq)]
pub enum Info {
    Count(u64),
    Number(f64),
    Text(String),
    Numbers(Vec<f64>),
    /// Numbers by name, such as acceptance rates by site.
    Table(Vec<(String, f64)>),
}

/// What is computed once and kept.
#[derive(Clone, Debug, Default)]
struct Cache {
    weights: OnceLock<Option<Arc<Vec<f64>>>>,
    cumulative: OnceLock<Arc<Vec<f64>>>,
    mass: OnceLock<Arc<HashMap<Vec<u8>, f64>>>,
}

impl HostObject for Posterior {
    fn type_name(&self) -> &'static str {
        "Posterior"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn property(&self, name: &str) -> Option<Value> {
        Some(match name {
            "draws" => Value::array_of(self.draws().cloned().collect()),
            "posterior_weights" => match self.weights() {
                Some(weights) => Value::reals(weights.to_vec()),
                None => Value::reals(vec![1.0 / self.len().max(1) as f64; self.len()]),
            },
            "log_evidence" => Value::Real(self.log_evidence.unwrap_or(f64::NAN)),
            "log_evidence_se" => Value::Real(self.log_evidence_se.unwrap_or(f64::NAN)),
            "summary" => Value::string(self.summary_table().trim_end()),
            _ => return None,
        })
    }

    fn same(&self, other: &dyn HostObject) -> bool {
        let Some(other) = other.as_any().downcast_ref::<Posterior>() else { return false };
        let weights =
            |chain: &Chain| chain.log_weights.as_ref().map(|all| all.iter().map(|w| w.to_bits()).collect::<Vec<_>>());
        self.log_evidence.map(f64::to_bits) == other.log_evidence.map(f64::to_bits)
            && self.chains.len() == other.chains.len()
            && self.chains.iter().zip(&other.chains).all(|(a, b)| {
                a.draws.len() == b.draws.len()
                    && weights(a) == weights(b)
                    && a.draws.iter().zip(&b.draws).all(|(x, y)| same(x, y))
            })
    }

    fn content_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.log_evidence.map(f64::to_bits).hash(&mut hasher);
        self.draws().for_each(|value| hash_value(value, &mut hasher));
        hasher.finish()
    }

    fn display(&self) -> String {
        let (draws, chains) = (self.len(), self.chains.len());
        let of = if self.model.is_empty() { String::new() } else { format!(" of {}", self.model) };
        match (self.exact, chains) {
            _ if self.point => format!("<point{of} by {}>", self.method),
            (true, _) => {
                format!("<posterior{of} by {}: exact, {draws} value{}>", self.method, if draws == 1 { "" } else { "s" })
            }
            (_, 1) => format!("<posterior{of} by {}: {draws} draws>", self.method),
            _ => format!("<posterior{of} by {}: {draws} draws in {chains} chains>", self.method),
        }
    }
}

impl Posterior {
    /// A posterior of draws; the rest of its fields may be filled in afterwards.
    pub fn new(model: impl Into<String>, method: impl Into<String>, chains: Vec<Chain>) -> Posterior {
        Posterior { model: model.into(), method: method.into(), chains, ..Posterior::default() }
    }

    /// A finite exact distribution: values with the logs of their masses, whose sum is the evidence.
    /// Values that are structurally the same are merged, in the order in which they first occur; those without mass are
    /// dropped.
    pub fn exact(
        model: impl Into<String>,
        method: impl Into<String>,
        masses: impl IntoIterator<Item = (Value, f64)>,
    ) -> Posterior {
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let (mut draws, mut logs): (Vec<Value>, Vec<Vec<f64>>) = (Vec::new(), Vec::new());
        for (value, log_mass) in masses.into_iter().filter(|(_, log_mass)| *log_mass != f64::NEG_INFINITY) {
            let place = *places.entry(label::key(&value)).or_insert_with(|| {
                draws.push(value);
                logs.push(Vec::new());
                logs.len() - 1
            });
            logs[place].push(log_mass);
        }
        let log_weights: Vec<f64> = logs.iter().map(|parts| log_sum_exp(parts)).collect();
        let log_evidence = Some(log_sum_exp(&log_weights));
        let chain = Chain { draws, log_weights: Some(log_weights), ..Chain::default() };
        let posterior = Posterior::new(model, method, vec![chain]);
        Posterior { exact: true, log_evidence, ..posterior }
    }

    /// The number of draws in all chains.
    pub fn len(&self) -> usize {
        self.chains.iter().map(|chain| chain.draws.len()).sum()
    }

    /// Whether there are no draws.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All draws, chain after chain. The functions below take what a function gives for each of them, in this order.
    pub fn draws(&self) -> impl Iterator<Item = &Value> {
        self.chains.iter().flat_map(|chain| &chain.draws)
    }

    /// Normalised weights of all draws, or none when all are equal.
    /// NaN counts as zero; when all weights are zero, so are the normalised ones.
    pub fn weights(&self) -> Option<&[f64]> {
        let weights = self.cache.weights.get_or_init(|| {
            if self.chains.iter().all(|chain| chain.log_weights.is_none()) {
                return None;
            }
            let logs: Vec<f64> = self.log_weights().collect();
            let largest = logs.iter().copied().filter(|x| !x.is_nan()).fold(f64::NEG_INFINITY, f64::max);
            let relative = |x: &f64| match (x.is_nan() || largest == f64::NEG_INFINITY, largest == f64::INFINITY) {
                (true, _) => 0.0,
                // An infinite weight takes all of the mass.
                (_, true) => f64::from(u8::from(*x == f64::INFINITY)),
                _ => (x - largest).exp(),
            };
            let mut weights: Vec<f64> = logs.iter().map(relative).collect();
            let total: f64 = weights.iter().sum();
            if total > 0.0 {
                weights.iter_mut().for_each(|w| *w /= total);
            }
            Some(Arc::new(weights))
        });
        weights.as_ref().map(|weights| weights.as_slice())
    }

    /// Log weights of all draws as they were given, zero where there are none.
    pub fn log_weights(&self) -> impl Iterator<Item = f64> {
        self.chains
            .iter()
            .flat_map(|chain| (0..chain.draws.len()).map(|i| chain.log_weights.as_ref().map_or(0.0, |w| w[i])))
    }

    /// Effective number of the weighted draws, 1 / Σ w² (Kish 1965); those of one lineage count as one.
    /// The number of draws when they are not weighted.
    pub fn weight_ess(&self) -> f64 {
        let Some(weights) = self.weights() else { return self.len() as f64 };
        let ones = vec![1.0; weights.len()];
        let squares = self.sum_of_squares(weights, &ones);
        if squares > 0.0 { 1.0 / squares } else { 0.0 }
    }

    /// Σ over lineages of (Σ within the lineage of wᵢ xᵢ)².
    pub(crate) fn sum_of_squares(&self, weights: &[f64], xs: &[f64]) -> f64 {
        let mut sum = 0.0;
        let mut start = 0;
        for chain in &self.chains {
            let products = (start..start + chain.draws.len()).map(|i| weights[i] * xs[i]);
            start += chain.draws.len();
            match &chain.lineage {
                None => sum += products.map(|x| x * x).sum::<f64>(),
                Some(lineage) => {
                    let mut groups: HashMap<u32, f64> = HashMap::new();
                    let mut order = Vec::new();
                    for (group, x) in lineage.iter().zip(products) {
                        *groups.entry(*group).or_insert_with(|| {
                            order.push(*group);
                            0.0
                        }) += x;
                    }
                    // In the order of first occurrence, so that the sum has the same bits each time.
                    sum += order.iter().map(|group| groups[group] * groups[group]).sum::<f64>();
                }
            }
        }
        sum
    }

    /// The mean of `f`, given its value at each draw.
    pub fn mean(&self, f: &[f64]) -> f64 {
        match self.weights() {
            None => convergence::mean(f),
            Some(weights) => weighted_mean(weights, f),
        }
    }

    /// The standard deviation of `f`: with n − 1 for plain draws, of the weighted distribution otherwise.
    pub fn sd(&self, f: &[f64]) -> f64 {
        match self.weights() {
            None => convergence::variance(f).sqrt(),
            Some(weights) => weighted_variance(weights, f).sqrt(),
        }
    }

    /// A quantile of `f`: interpolated (type 7) for plain draws, the smallest value whose cumulative weight reaches the
    /// probability otherwise.
    pub fn quantile(&self, f: &[f64], probability: f64) -> f64 {
        match self.weights() {
            None => {
                let mut sorted = f.to_vec();
                sorted.sort_by(f64::total_cmp);
                convergence::quantile_of_sorted(&sorted, probability)
            }
            Some(weights) => weighted_quantiles(weights, f, &[probability])[0],
        }
    }

    /// The probability of an event, given whether each draw is in it.
    pub fn prob(&self, event: &[bool]) -> f64 {
        match self.weights() {
            None => event.iter().filter(|b| **b).count() as f64 / event.len() as f64,
            Some(weights) => event.iter().zip(weights).filter(|(b, _)| **b).map(|(_, w)| w).sum(),
        }
    }

    /// The expectation of `f`, which may give numbers, arrays or matrices of one size, tuples or records of these.
    ///
    /// # Errors
    /// When there are no draws, or the values are not numbers of one structure.
    pub fn expect(&self, f: &[Value]) -> Result<Value, Fault> {
        let first = f.first().ok_or_else(|| Fault::error("expected at least one draw, found none"))?;
        let equal = 1.0 / f.len() as f64;
        let mut sum = zero_like(first)?;
        for (i, value) in f.iter().enumerate() {
            let weight = self.weights().map_or(equal, |weights| weights[i]);
            // A value without weight, such as an infinite one, must not make NaN of the sum.
            if weight > 0.0 {
                add(&mut sum, value, weight)?;
            }
        }
        Ok(sum)
    }

    /// The draw that a uniform number in [0, 1) picks in proportion to the weights; none when nothing has weight.
    pub fn sample_index(&self, uniform: f64) -> Option<usize> {
        let cumulative = self.cumulative();
        let total = *cumulative.last().filter(|total| **total > 0.0)?;
        let target = uniform * total;
        let index = cumulative.partition_point(|sum| *sum <= target);
        // Rounding may carry the target to the very end, past the last draw that has weight.
        Some(index.min(cumulative.partition_point(|sum| *sum < total)))
    }

    /// The value of a draw by its place in [`Posterior::draws`].
    pub fn draw(&self, index: usize) -> Option<&Value> {
        let mut rest = index;
        for chain in &self.chains {
            if let Some(value) = chain.draws.get(rest) {
                return Some(value);
            }
            rest -= chain.draws.len();
        }
        None
    }

    /// A draw in proportion to the weights, picked by a uniform number in [0, 1).
    pub fn sample(&self, uniform: f64) -> Option<&Value> {
        self.sample_index(uniform).and_then(|index| self.draw(index))
    }

    fn cumulative(&self) -> &[f64] {
        self.cache.cumulative.get_or_init(|| {
            let mut sum = 0.0;
            let mut add = |w: f64| {
                sum += w;
                sum
            };
            Arc::new(match self.weights() {
                None => (0..self.len()).map(|_| add(1.0)).collect(),
                Some(weights) => weights.iter().map(|w| add(*w)).collect(),
            })
        })
    }

    /// Log probability of a value among the draws; `-inf` for one that is not there.
    pub fn log_prob_of(&self, value: &Value) -> f64 {
        let mass = self.cache.mass.get_or_init(|| {
            let mut mass: HashMap<Vec<u8>, f64> = HashMap::new();
            let equal = 1.0 / self.len() as f64;
            for (i, value) in self.draws().enumerate() {
                *mass.entry(label::key(value)).or_default() += self.weights().map_or(equal, |weights| weights[i]);
            }
            Arc::new(mass)
        });
        mass.get(&label::key(value)).map_or(f64::NEG_INFINITY, |p| p.ln())
    }

    /// The distinct values among the draws with their probabilities, in the order in which they first occur.
    pub fn support(&self) -> Vec<(Value, f64)> {
        let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut support: Vec<(Value, f64)> = Vec::new();
        let equal = 1.0 / self.len() as f64;
        for (i, value) in self.draws().enumerate() {
            let weight = self.weights().map_or(equal, |weights| weights[i]);
            let place = *places.entry(label::key(value)).or_insert_with(|| {
                support.push((value.clone(), 0.0));
                support.len() - 1
            });
            support[place].1 += weight;
        }
        support
    }

    /// The log of the average weight: an unbiased estimate of the evidence where weights carry it; none without weights.
    pub fn evidence_of_weights(&self) -> Option<f64> {
        if self.chains.iter().all(|chain| chain.log_weights.is_none()) {
            return None;
        }
        let logs: Vec<f64> = self.log_weights().filter(|x| !x.is_nan()).collect();
        Some(log_sum_exp(&logs) - (self.len() as f64).ln())
    }
}

/// log Σ exp(xᵢ) without overflow; `-inf` for none.
pub fn log_sum_exp(xs: &[f64]) -> f64 {
    let largest = xs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest.is_infinite() {
        return largest;
    }
    largest + xs.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

pub(crate) fn weighted_mean(weights: &[f64], f: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let sum: f64 = weights.iter().zip(f).filter(|(w, _)| **w > 0.0).map(|(w, x)| w * x).sum();
    sum / total
}

pub(crate) fn weighted_variance(weights: &[f64], f: &[f64]) -> f64 {
    let centre = weighted_mean(weights, f);
    let squares: Vec<f64> = f.iter().map(|x| (x - centre) * (x - centre)).collect();
    weighted_mean(weights, &squares)
}

/// For each probability the smallest value at which the cumulative weight reaches it; the probabilities ascend.
pub(crate) fn weighted_quantiles(weights: &[f64], f: &[f64], probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..f.len()).filter(|i| weights[*i] > 0.0).collect();
    order.sort_by(|a, b| f[*a].total_cmp(&f[*b]));
    let total: f64 = order.iter().map(|i| weights[*i]).sum();
    let mut found = Vec::with_capacity(probabilities.len());
    let mut sum = 0.0;
    for index in &order {
        sum += weights[*index];
        // Sums that should meet a probability exactly may miss it by rounding.
        while found.len() < probabilities.len() && sum >= probabilities[found.len()] * total * (1.0 - 1e-12) {
            found.push(f[*index]);
        }
    }
    found.resize(probabilities.len(), order.last().map_or(f64::NAN, |i| f[*i]));
    found
}

fn not_numbers(value: &Value) -> Fault {
    Fault::error(format!("expected numbers of one structure at every draw, found {}", label::label(value)))
}

fn zero_like(value: &Value) -> Result<Value, Fault> {
    let all = |parts: &[Value]| parts.iter().map(zero_like).collect::<Result<Vec<_>, _>>();
    Ok(match value {
        Value::Bool(_) | Value::Int(_) | Value::Real(_) => Value::Real(0.0),
        Value::Reals(_) | Value::Ints(_) | Value::Bools(_) => {
            Value::reals(vec![0.0; value.array_len().unwrap_or_default()])
        }
        Value::Matrix(m) => Value::matrix(m.rows, m.cols, vec![0.0; m.data.len()]),
        Value::Values(items) => Value::Values(Arc::new(all(items)?)),
        Value::Tuple(parts) => Value::tuple(all(&parts.0)?),
        Value::Record(record) => Value::record(record.names, all(&record.fields)?),
        other => return Err(not_numbers(other)),
    })
}

/// Adds `weight` times a value to a sum that [`zero_like`] began.
fn add(sum: &mut Value, value: &Value, weight: f64) -> Result<(), Fault> {
    let add_all = |sums: &mut [Value], parts: &[Value]| {
        if sums.len() != parts.len() {
            return Err(not_numbers(value));
        }
        sums.iter_mut().zip(parts).try_for_each(|(sum, part)| add(sum, part, weight))
    };
    match (sum, value) {
        (Value::Real(sum), x) => *sum += weight * x.as_real().ok_or_else(|| not_numbers(x))?,
        (Value::Reals(sums), xs) if xs.array_len() == Some(sums.len()) => {
            for (i, sum) in Arc::make_mut(sums).iter_mut().enumerate() {
                *sum += weight * xs.element(i).and_then(|x| x.as_real()).ok_or_else(|| not_numbers(xs))?;
            }
        }
        (Value::Matrix(sums), Value::Matrix(m)) if (sums.rows, sums.cols) == (m.rows, m.cols) => {
            for (sum, x) in Arc::make_mut(sums).data.iter_mut().zip(&m.data) {
                *sum += weight * x;
            }
        }
        (Value::Values(sums), Value::Values(items)) => add_all(Arc::make_mut(sums).as_mut_slice(), items)?,
        (Value::Tuple(sums), Value::Tuple(parts)) => add_all(&mut Arc::make_mut(sums).0, &parts.0)?,
        (Value::Record(sums), Value::Record(record)) if std::ptr::eq(sums.names, record.names) => {
            add_all(&mut Arc::make_mut(sums).fields, &record.fields)?;
        }
        (_, other) => return Err(not_numbers(other)),
    }
    Ok(())
}
