//! What a kernel does to the traces of a finite program, exactly: the same code, run under every outcome of its decisions.

use super::super::trace::TraceOf;
use super::{Kernel, Moves, Walker};
use crate::model::{Functions, Traced, every_outcome};
use crate::value::hash::Key;
use crate::value::{Fault, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Every run of positive weight of a model whose choices are all finite, each once, with its probability under the prior.
///
/// # Errors
/// When a choice is not finite, or the model faults.
pub fn traces<T: Traced + Send + 'static>(view: &Arc<T>, model: &Value) -> Result<Vec<(f64, Walker<T>)>, Fault> {
    let runs = every_outcome(|random| Ok(view.generate(random)?.ok()))?;
    let mut found: Vec<(f64, Walker<T>)> = Vec::new();
    let mut known: HashMap<Key, usize> = HashMap::new();
    for (probability, state) in runs {
        let Some(state) = state else { continue };
        let walker = Walker::new(Arc::clone(view), state, model.clone());
        match known.get(&key(&walker)) {
            Some(k) => found[*k].0 += probability,
            None => {
                known.insert(key(&walker), found.len());
                found.push((probability, walker));
            }
        }
    }
    Ok(found)
}

/// Where one application of a kernel leads from a state, with the probabilities. Nothing is learnt.
///
/// # Errors
/// When a decision is not finite, or something faults.
pub fn moves<T: Traced + Send + 'static>(
    kernel: &Kernel,
    from: &Walker<T>,
    functions: &dyn Functions,
) -> Result<Vec<(f64, Walker<T>)>, Fault> {
    let fresh = Moves::new(kernel, functions)?;
    every_outcome(|random| {
        let (mut moves, mut walker) = (fresh.clone(), from.clone());
        moves.apply(&mut walker, functions, random)?;
        Ok(walker)
    })
}

/// A trace as a key: the same for traces with the same choices.
fn key<T: Traced + Send + 'static>(walker: &Walker<T>) -> Key {
    Key(Value::Host(Arc::new(TraceOf(walker.clone()))))
}

/// The transition matrix of a kernel on the traces of a finite program.
pub struct Transitions<T: Traced> {
    pub traces: Vec<Walker<T>>,
    /// The probability of each trace under the posterior, or the tempered one.
    pub target: Vec<f64>,
    /// For each trace: where the kernel leads, and with which probability.
    pub moves: Vec<Vec<(usize, f64)>>,
}

impl<T: Traced + Send + 'static> Transitions<T> {
    /// The matrix of a kernel.
    ///
    /// # Errors
    /// When the program or a decision of the kernel is not finite, when the kernel leads out of the traces of the program, or when
    /// something faults.
    pub fn new(
        view: &Arc<T>,
        model: &Value,
        temperature: f64,
        kernel: &Kernel,
        functions: &dyn Functions,
    ) -> Result<Transitions<T>, Fault> {
        let mut traces: Vec<Walker<T>> = self::traces(view, model)?.into_iter().map(|(_, walker)| walker).collect();
        traces.iter_mut().for_each(|walker| walker.temperature = temperature);
        let places: HashMap<Key, usize> = traces.iter().enumerate().map(|(k, walker)| (key(walker), k)).collect();
        let greatest = traces.iter().map(Walker::log_target).fold(f64::NEG_INFINITY, f64::max);
        let mut target: Vec<f64> = traces.iter().map(|walker| (walker.log_target() - greatest).exp()).collect();
        let total: f64 = target.iter().sum();
        target.iter_mut().for_each(|p| *p /= total);
        let mut all = Vec::with_capacity(traces.len());
        for walker in &traces {
            let mut row: HashMap<usize, f64> = HashMap::new();
            for (probability, to) in moves(kernel, walker, functions)? {
                let Some(k) = places.get(&key(&to)) else {
                    return Err(Fault::error(format!("{kernel} leads to a run that the model does not have")));
                };
                *row.entry(*k).or_default() += probability;
            }
            let mut row: Vec<(usize, f64)> = row.into_iter().collect();
            row.sort_unstable_by_key(|(k, _)| *k);
            all.push(row);
        }
        Ok(Transitions { traces, target, moves: all })
    }

    /// The greatest difference between the target and the target moved by the kernel, and the trace where it is.
    pub fn defect(&self) -> (f64, usize) {
        let mut moved = vec![0.0; self.target.len()];
        for (from, row) in self.moves.iter().enumerate() {
            for (to, probability) in row {
                moved[*to] += self.target[from] * probability;
            }
        }
        let differences = moved.iter().zip(&self.target).map(|(a, b)| (a - b).abs());
        let greatest = differences.enumerate().max_by(|a, b| a.1.total_cmp(&b.1));
        greatest.map_or((0.0, 0), |(k, difference)| (difference, k))
    }

    /// The traces to which the kernel leads from a trace, in any number of applications.
    pub fn reachable(&self, from: usize) -> Vec<bool> {
        let mut seen = vec![false; self.traces.len()];
        let mut queue = vec![from];
        while let Some(at) = queue.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                queue.extend(self.moves[at].iter().filter(|(_, p)| *p > 0.0).map(|(to, _)| *to));
            }
        }
        seen
    }
}
