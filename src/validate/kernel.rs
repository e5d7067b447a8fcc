//! Kernels on finite programs: whether the posterior stays as it is, and whether every run can be reached.
//!
//! All traces of the program are listed, and the code that ships is run from each of them under every outcome of its decisions.

use super::exact::{beyond, counted};
use super::measure::Budget;
use super::report::{Counterexample, Level, Report, Row, Verdict};
use crate::driver::Failure;
use crate::exec::view::Model;
use crate::exec::view::functions::ModelFunctions;
use crate::exec::view::traced::TracedView;
use crate::infer::kernel::{Kernel, Walker, exact};
use crate::model::Traced;
use crate::posterior::label::{label, number};
use crate::value::hash::Key;
use crate::value::{Fault, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What a kernel must do.
pub const INVARIANT: &str = "the posterior is invariant";
/// What a kernel should do to be of use by itself.
pub const REACHES: &str = "every run is reachable";

/// Masses may differ by this much of their sum: what rounding leaves.
const TOLERANCE: f64 = 1e-11;

/// A kernel on a model, with the code of which their functions are part.
pub struct Applied {
    pub model: Model,
    /// The function of the language that the model is.
    pub closure: Value,
    pub kernel: Kernel,
}

/// The matrix of a kernel on the traces of a program.
struct Matrix {
    walkers: Vec<Walker<TracedView>>,
    target: Vec<f64>,
    moves: Vec<Vec<(usize, f64)>>,
    /// A trace whose weights after a move were not those of its choices.
    inconsistent: Option<usize>,
}

/// Checks a kernel, and its parts if it fails. Tells whether a check could be made.
pub fn check(
    report: &mut Report,
    level: Level,
    applied: &Applied,
    name: &str,
    budget: &Budget,
) -> Result<bool, Failure> {
    let matrix = match matrix(applied, &applied.kernel, budget) {
        Ok(matrix) => matrix,
        Err(fault) => {
            report.add(level, name, INVARIANT, Verdict::Skipped(beyond(fault)?));
            return Ok(false);
        }
    };
    if !report.add(level, name, INVARIANT, matrix.invariance()) {
        report.at_fault = blame(applied, &applied.kernel, budget);
        return Ok(true);
    }
    report.add(level, name, REACHES, matrix.reachability());
    Ok(true)
}

/// The first part of a kernel that is not invariant by itself.
fn blame(applied: &Applied, kernel: &Kernel, budget: &Budget) -> Option<String> {
    for part in kernel.components() {
        let fails =
            matrix(applied, &part, budget).is_ok_and(|matrix| matches!(matrix.invariance(), Verdict::Failed(..)));
        if fails {
            return blame(applied, &part, budget).or_else(|| Some(part.to_string()));
        }
    }
    None
}

/// The choices of a trace that a kernel may move, as a key.
fn key(walker: &Walker<TracedView>) -> Key {
    let trace = walker.view.trace(&walker.state);
    let mut parts = Vec::new();
    for place in &trace.movable {
        let choice = &trace.choices[*place as usize];
        parts.extend([Value::Int(choice.address as i64), choice.value.clone()]);
    }
    Key(Value::tuple(parts))
}

fn matrix(applied: &Applied, kernel: &Kernel, budget: &Budget) -> Result<Matrix, Fault> {
    let view = Arc::new(TracedView::new(applied.model.clone()));
    let functions = ModelFunctions::new(applied.model.clone());
    let mut walkers: Vec<Walker<TracedView>> = Vec::new();
    let (mut target, mut places): (Vec<f64>, HashMap<Key, usize>) = (Vec::new(), HashMap::new());
    for (probability, walker) in exact::traces(&view, &applied.closure)? {
        let mass = probability * view.trace(&walker.state).log_weight.exp();
        match places.get(&key(&walker)) {
            Some(k) => target[*k] += mass,
            None => {
                places.insert(key(&walker), walkers.len());
                target.push(mass);
                walkers.push(walker);
            }
        }
    }
    if walkers.is_empty() {
        return Err(Fault::error("no run of the model has positive probability"));
    }
    if walkers.len() * walkers.len() > budget.results * 10 {
        return Err(Fault::limit(format!("{} different runs: too many to move each", walkers.len())));
    }
    let total: f64 = target.iter().sum();
    target.iter_mut().for_each(|mass| *mass /= total);
    let mut inconsistent = None;
    let mut moves = Vec::with_capacity(walkers.len());
    for (from, walker) in walkers.iter().enumerate() {
        let mut row: HashMap<usize, f64> = HashMap::new();
        for (probability, to) in exact::moves(kernel, walker, &functions)? {
            let Some(k) = places.get(&key(&to)).copied() else {
                return Err(Fault::error(format!(
                    "{kernel} leads from {} to a run that the model does not have",
                    shown(walker)
                )));
            };
            let (found, known) = (to.log_target(), walkers[k].log_target());
            let gap = (found - known).abs();
            if gap.is_nan() || gap > 1e-9 * known.abs().max(1.0) {
                inconsistent.get_or_insert(from);
            }
            *row.entry(k).or_default() += probability;
        }
        let mut row: Vec<(usize, f64)> = row.into_iter().collect();
        row.sort_unstable_by_key(|(k, _)| *k);
        moves.push(row);
    }
    Ok(Matrix { walkers, target, moves, inconsistent })
}

/// The choices of a trace in words.
fn shown(walker: &Walker<TracedView>) -> String {
    let trace = walker.view.trace(&walker.state);
    let infos = walker.view.infos(&walker.state);
    let choices: Vec<String> = trace
        .movable
        .iter()
        .map(|place| &trace.choices[*place as usize])
        .map(|choice| format!("{} = {}", infos.get(choice.info).name, label(&choice.value)))
        .collect();
    if choices.is_empty() { "the run without choices".into() } else { choices.join(", ") }
}

impl Matrix {
    fn invariance(&self) -> Verdict {
        if let Some(from) = self.inconsistent {
            let text =
                format!("a move from {} leaves weights that are not those of its choices", shown(&self.walkers[from]));
            return Verdict::Failed(text, None);
        }
        let n = self.target.len();
        let mut moved = vec![0.0; n];
        for (from, row) in self.moves.iter().enumerate() {
            for (to, probability) in row {
                moved[*to] += self.target[from] * probability;
            }
        }
        let gap = |k: usize| (moved[k] - self.target[k]).abs();
        let worst = (0..n).map(gap).fold(0.0, f64::max);
        if worst <= TOLERANCE {
            return Verdict::Passed(format!("{}; greatest difference {worst:.1e}", counted(n, "run")));
        }
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|a, b| gap(*b).total_cmp(&gap(*a)));
        let rows = order.iter().take(5).map(|k| Row {
            value: shown(&self.walkers[*k]),
            first: self.target[*k],
            second: moved[*k],
        });
        let example = Counterexample {
            columns: ["posterior".into(), "after a move".into()],
            rows: rows.collect(),
            choices: None,
            note: self.imbalance(),
        };
        let text = format!("a move shifts {:.2}% of the probability", 50.0 * (0..n).map(gap).sum::<f64>());
        Verdict::Failed(text, Some(example))
    }

    /// The probability of moving from one run to another.
    fn probability(&self, from: usize, to: usize) -> f64 {
        self.moves[from].iter().find(|(k, _)| *k == to).map_or(0.0, |(_, probability)| *probability)
    }

    /// The two runs between which the flows differ most. They need not be equal, but where a kernel is wrong they show the cause.
    fn imbalance(&self) -> Option<String> {
        let mut worst: Option<(f64, usize, usize)> = None;
        for (from, row) in self.moves.iter().enumerate() {
            for (to, probability) in row {
                let gap = (self.target[from] * probability - self.target[*to] * self.probability(*to, from)).abs();
                if worst.is_none_or(|(most, ..)| gap > most + 1e-15) {
                    worst = Some((gap, from, *to));
                }
            }
        }
        let (_, a, b) = worst?;
        let way = |from: usize, to: usize| {
            let (p, q) = (self.target[from], self.probability(from, to));
            format!(
                "from {} to {}: {} × {} = {}",
                shown(&self.walkers[from]),
                shown(&self.walkers[to]),
                rounded(p),
                rounded(q),
                rounded(p * q)
            )
        };
        Some(format!(
            "the flows that differ most, probability of the run times that of the move:\n  {}\n  {}",
            way(a, b),
            way(b, a)
        ))
    }

    fn reachability(&self) -> Verdict {
        let start = (0..self.target.len()).max_by(|a, b| self.target[*a].total_cmp(&self.target[*b])).unwrap_or(0);
        let reached = self.closure(start, |k| self.moves[k].iter().map(|(to, _)| *to).collect());
        let mut back: Vec<Vec<usize>> = vec![Vec::new(); self.target.len()];
        for (from, row) in self.moves.iter().enumerate() {
            row.iter().filter(|(_, p)| *p > 0.0).for_each(|(to, _)| back[*to].push(from));
        }
        let returns = self.closure(start, |k| back[k].clone());
        let missing = (0..self.target.len())
            .filter(|k| self.target[*k] > 0.0 && !(reached[*k] && returns[*k]))
            .max_by(|a, b| self.target[*a].total_cmp(&self.target[*b]));
        match missing {
            None => Verdict::Passed(format!("all {} from any other", counted(self.target.len(), "run"))),
            Some(k) => {
                let (from, to) = if reached[k] { (k, start) } else { (start, k) };
                Verdict::Failed(
                    format!(
                        "no sequence of moves leads from {} to {}",
                        shown(&self.walkers[from]),
                        shown(&self.walkers[to])
                    ),
                    None,
                )
            }
        }
    }

    fn closure(&self, start: usize, next: impl Fn(usize) -> Vec<usize>) -> Vec<bool> {
        let mut seen = vec![false; self.target.len()];
        let mut queue = vec![start];
        while let Some(at) = queue.pop() {
            if !std::mem::replace(&mut seen[at], true) {
                queue.extend(next(at));
            }
        }
        seen
    }
}

/// A probability to four digits.
fn rounded(x: f64) -> String {
    number((x * 1e4).round() / 1e4)
}
