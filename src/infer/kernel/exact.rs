//! What a kernel does to the traces of a finite program, exactly: the same code, run under every outcome of its decisions.

use super::super::trace::TraceOf;
use super::{Kernel, Moves, Walker};
use crate::model::random::every_outcome_within;
use crate::model::{Functions, Traced, every_outcome};
use crate::value::hash::Key;
use crate::value::{Fault, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// Sequences of outcomes of a move that are followed at most.
const MOST: usize = 4_000_000;

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

/// Runs of a model, and moves from all of them, that a look at what a kernel reaches may take.
const MOST_RUNS: usize = 64;
const MOST_MOVES: usize = 2000;

/// Which runs of a small finite program a kernel does not reach from some other, in words; none where it reaches all, or where the
/// program is too large to tell at once.
pub fn unreachable<T: Traced + Send + 'static>(
    view: &Arc<T>,
    model: &Value,
    kernel: &Kernel,
    functions: &dyn Functions,
) -> Option<String> {
    // A method that runs within the model has too many outcomes, each of which takes long.
    let runs = every_outcome_within(MOST_RUNS, |random| {
        let state = view.generate(random)?.ok();
        match state.as_ref().is_some_and(|state| view.trace(state).calls > 0) {
            true => Err(Fault::limit("a method runs within the model")),
            false => Ok(state),
        }
    });
    let runs = runs.ok()?.into_iter().filter_map(|(_, state)| state);
    let mut traces: Vec<Walker<T>> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    for state in runs {
        let walker = Walker::new(Arc::clone(view), state, model.clone());
        places.entry(key(&walker)).or_insert_with(|| {
            traces.push(walker);
            traces.len() - 1
        });
    }
    let fresh = Moves::new(kernel, functions).ok()?;
    let (mut forth, mut back) = (vec![Vec::new(); traces.len()], vec![Vec::new(); traces.len()]);
    let mut left = MOST_MOVES;
    for (from, trace) in traces.iter().enumerate() {
        let moved = every_outcome_within(left, |random| {
            let (mut moves, mut walker) = (fresh.clone(), trace.clone());
            moves.apply(&mut walker, functions, random)?;
            Ok(walker)
        });
        let moved = moved.ok()?;
        left -= moved.len();
        for (probability, to) in moved {
            let to = *places.get(&key(&to))?;
            if probability > 0.0 {
                forth[from].push(to);
                back[to].push(from);
            }
        }
    }
    let (there, here) = (closure(&forth), closure(&back));
    let cut: Vec<usize> = (0..traces.len()).filter(|k| !(there[*k] && here[*k])).collect();
    let named = |walker: &Walker<T>| {
        let infos = walker.view.infos(&walker.state);
        let choices = walker.view.trace(&walker.state).choices.iter();
        choices.map(|c| format!("{} = {}", infos.get(c.info).name, c.value)).collect::<Vec<_>>().join(", ")
    };
    let first = traces.get(*cut.first()?)?;
    let (from, to) = if there[cut[0]] { (first, traces.first()?) } else { (traces.first()?, first) };
    Some(format!("{} of {} runs of the model, such as {}, from {}", cut.len(), traces.len(), named(to), named(from)))
}

/// What can be reached from the first of some places, in any number of steps.
fn closure(steps: &[Vec<usize>]) -> Vec<bool> {
    let mut seen = vec![false; steps.len()];
    let mut queue: Vec<usize> = if steps.is_empty() { Vec::new() } else { vec![0] };
    while let Some(at) = queue.pop() {
        if !std::mem::replace(&mut seen[at], true) {
            queue.extend(&steps[at]);
        }
    }
    seen
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
    moves_as(&Moves::new(kernel, functions)?, from, functions, usize::MAX)
}

/// As [`moves`], of a kernel that may have learnt before.
///
/// # Errors
/// As of [`moves`]; and when there are more than `most` sequences of outcomes.
pub fn moves_as<T: Traced + Send + 'static>(
    learnt: &Moves,
    from: &Walker<T>,
    functions: &dyn Functions,
    most: usize,
) -> Result<Vec<(f64, Walker<T>)>, Fault> {
    every_outcome_within(most.min(MOST), |random| {
        let (mut moves, mut walker) = (learnt.clone(), from.clone());
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
