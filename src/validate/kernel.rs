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
use crate::infer::kernel::{Kernel, Moves, Walker, exact};
use crate::model::{Production, Traced};
use crate::posterior::label::{label, number};
use crate::value::hash::Key;
use crate::value::{Fault, Generator, Value};
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

/// Where moves lead from each state, and the probabilities of the states under the posterior.
#[derive(Default)]
pub struct Flow {
    /// The states in words.
    pub names: Vec<String>,
    pub target: Vec<f64>,
    /// For each state: where a move leads, and with which probability.
    pub moves: Vec<Vec<(usize, f64)>>,
    /// What else is wrong with a move, in words.
    pub wrong: Option<String>,
}

/// How proposals of a kernel are followed.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// As a chain does at first: the model is run for each.
    Runs,
    /// As a chain does after its warm-up: along a graph of what depends on what, with what the kernel learnt.
    Graphs,
}

/// Moves from which a kernel learns before it is followed along graphs.
const LESSONS: usize = 100;

/// Checks a kernel, and its parts if it fails. Tells whether a check could be made.
pub fn check(
    report: &mut Report,
    level: Level,
    applied: &Applied,
    name: &str,
    budget: &Budget,
) -> Result<bool, Failure> {
    let flow = match flow(applied, &applied.kernel, Way::Runs, budget) {
        Ok(flow) => flow,
        Err(fault) => {
            report.add(level, name, INVARIANT, Verdict::Skipped(beyond(fault)?));
            return Ok(false);
        }
    };
    let mut verdict = flow.invariance(["posterior", "after a move"]);
    if let Verdict::Passed(text) = &mut verdict {
        let warm = self::flow(applied, &applied.kernel, Way::Graphs, budget);
        match warm.map(|flow| flow.invariance(["posterior", "after a move"])) {
            Ok(Verdict::Failed(text, example)) => {
                let text = format!("{text}, once the kernel has learnt and proposals follow a graph");
                verdict = Verdict::Failed(text, example);
            }
            Ok(_) => text.push_str(", also after the warm-up"),
            // What the kernel learnt may make its moves too many to follow.
            Err(fault) => text.push_str(&format!("; not after the warm-up, because {}", beyond(fault)?)),
        }
    }
    if !report.add(level, name, INVARIANT, verdict) {
        report.at_fault = blame(applied, &applied.kernel, budget);
        return Ok(true);
    }
    match flow.reachability() {
        // Continuous moves need not lead along a grid; that says nothing of the kernel.
        Verdict::Failed(text, _) if level == Level::Discretised => {
            report.add(level, name, REACHES, Verdict::Skipped(format!("{text} on the grid")))
        }
        verdict => report.add(level, name, REACHES, verdict),
    };
    Ok(true)
}

/// The first part of a kernel that is not invariant by itself.
fn blame(applied: &Applied, kernel: &Kernel, budget: &Budget) -> Option<String> {
    let fails = |part: &Kernel, way: Way| {
        flow(applied, part, way, budget)
            .is_ok_and(|flow| matches!(flow.invariance(["posterior", "after a move"]), Verdict::Failed(..)))
    };
    for part in kernel.components() {
        if fails(&part, Way::Runs) || fails(&part, Way::Graphs) {
            return blame(applied, &part, budget).or_else(|| Some(part.to_string()));
        }
    }
    None
}

/// What a kernel may move, as a key: choices on which a weight depends, and what functions of the host drew.
fn key(walker: &Walker<TracedView>) -> Key {
    let trace = walker.view.trace(&walker.state);
    let mut parts = Vec::new();
    for place in &trace.movable {
        let choice = &trace.choices[*place as usize];
        parts.extend([Value::Int(choice.address as i64), choice.value.clone()]);
    }
    parts.extend(walker.view.calls(&walker.state).filter(|(_, drew)| *drew).map(|(result, _)| result.clone()));
    Key(Value::tuple(parts))
}

fn flow(applied: &Applied, kernel: &Kernel, way: Way, budget: &Budget) -> Result<Flow, Fault> {
    let view = Arc::new(match way {
        Way::Runs => TracedView::without_graphs(applied.model.clone()),
        Way::Graphs => TracedView::with_graphs(applied.model.clone()),
    });
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
    if walkers.len() * walkers.len() > budget.moves {
        return Err(Fault::limit(format!("{} different runs: too many to move each", walkers.len())));
    }
    let total: f64 = target.iter().sum();
    target.iter_mut().for_each(|mass| *mass /= total);
    if way == Way::Graphs {
        // A proposal that changes nothing makes the graph, which all copies of the run then have.
        for walker in &mut walkers {
            let _ = walker.view.propose(&mut walker.state, &[], &[], &mut Production(Generator::new(0)))?;
            walker.view.reject(&mut walker.state);
        }
    }
    let mut learnt = Moves::new(kernel, &functions)?;
    // What is learnt goes by the numbers of the choices, so it holds for runs that number them alike.
    let numbers = |walker: &Walker<TracedView>| {
        view.infos(&walker.state).all().iter().map(|info| info.address).collect::<Vec<_>>()
    };
    if way == Way::Graphs && walkers.iter().all(|walker| numbers(walker) == numbers(&walkers[0])) {
        let (mut walker, mut random) = (walkers[0].clone(), Production(Generator::new(1)));
        learnt.adapting = true;
        for _ in 0..LESSONS {
            learnt.apply(&mut walker, &functions, &mut random)?;
        }
        learnt.adapting = false;
    }
    let mut wrong = None;
    let mut moves = Vec::with_capacity(walkers.len());
    for walker in &walkers {
        let mut row: HashMap<usize, f64> = HashMap::new();
        for (probability, to) in exact::moves_as(&learnt, walker, &functions, budget.moves)? {
            let Some(k) = places.get(&key(&to)).copied() else {
                wrong.get_or_insert_with(|| {
                    format!("a move leads from {} to {}, a run that the model does not have", shown(walker), shown(&to))
                });
                continue;
            };
            let (found, known) = (to.log_target(), walkers[k].log_target());
            let gap = (found - known).abs();
            if gap.is_nan() || gap > 1e-9 * known.abs().max(1.0) {
                wrong.get_or_insert_with(|| {
                    format!(
                        "a move from {} to {} leaves weights that are not those of its choices",
                        shown(walker),
                        shown(&to)
                    )
                });
            }
            *row.entry(k).or_default() += probability;
        }
        let mut row: Vec<(usize, f64)> = row.into_iter().collect();
        row.sort_unstable_by_key(|(k, _)| *k);
        moves.push(row);
    }
    Ok(Flow { names: walkers.iter().map(shown).collect(), target, moves, wrong })
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

impl Flow {
    /// Whether a move leaves the probabilities of the states as they are; the columns of a counterexample have these names.
    pub fn invariance(&self, columns: [&str; 2]) -> Verdict {
        if let Some(text) = &self.wrong {
            return Verdict::Failed(text.clone(), None);
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
            value: self.names[*k].clone(),
            first: self.target[*k],
            second: moved[*k],
        });
        let example = Counterexample {
            columns: columns.map(str::to_string),
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
                self.names[from],
                self.names[to],
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

    /// Whether every state is reached from every other.
    pub fn reachability(&self) -> Verdict {
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
                    format!("no sequence of moves leads from {} to {}", self.names[from], self.names[to]),
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
