//! Unnormalised measures of finite programs, and where two of them differ.
//!
//! The measure of a model is found by running it under every sequence of outcomes, without merging anything: so it does not rest on
//! `enumerate`, which is itself to be checked.

use super::report::{Counterexample, Row};
use crate::exec::view::Model;
use crate::exec::view::branching::BranchingView;
use crate::exec::view::forward::ForwardView;
use crate::infer::enumerate;
use crate::model::{Forward, every_outcome_within};
use crate::posterior::label::label;
use crate::value::fault::FaultKind;
use crate::value::hash::Key;
use crate::value::{Fault, Value};
use std::collections::HashMap;

/// How much work the exact checks may do.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    /// Runs of the model itself.
    pub runs: usize,
    /// States of a method that are held at once.
    pub states: usize,
    /// Steps from one state to the next.
    pub paths: u64,
    /// Outcomes of one step of a method, such as advancing all particles.
    pub results: usize,
    /// Outcomes of one move of a kernel.
    pub moves: usize,
}

impl Default for Budget {
    fn default() -> Budget {
        Budget { runs: 20_000, states: 50_000, paths: 200_000, results: 20_000, moves: 200_000 }
    }
}

/// Masses of two measures agree when they differ by less than this share of the greatest mass: what rounding leaves of thousands of
/// sums in double precision.
const TOLERANCE: f64 = 1e-11;

/// A finite measure that is not normalised.
#[derive(Clone, Debug, Default)]
pub struct Measure {
    masses: HashMap<Key, f64>,
    order: Vec<Value>,
    /// The named choices of the shortest run that gives each value.
    runs: HashMap<Key, Vec<(String, Value)>>,
}

impl Measure {
    /// Adds mass at a value.
    pub fn add(&mut self, value: Value, mass: f64) {
        match self.masses.get_mut(&Key(value.clone())) {
            Some(known) => *known += mass,
            None => {
                self.order.push(value.clone());
                self.masses.insert(Key(value), mass);
            }
        }
    }

    /// The mass of a value.
    pub fn mass(&self, value: &Value) -> f64 {
        self.masses.get(&Key(value.clone())).copied().unwrap_or(0.0)
    }

    /// The values that have mass, in the order in which they were met.
    pub fn support(&self) -> Vec<(Value, f64)> {
        self.order.iter().map(|value| (value.clone(), self.mass(value))).filter(|(_, mass)| *mass > 0.0).collect()
    }

    /// The sum of all masses: the evidence.
    pub fn total(&self) -> f64 {
        self.order.iter().map(|value| self.mass(value)).sum()
    }

    /// The same measure, divided by its evidence.
    pub fn normalised(&self) -> Measure {
        let total = self.total();
        let mut scaled = self.clone();
        scaled.masses.values_mut().for_each(|mass| *mass /= total);
        scaled
    }

    /// The greatest difference of the masses of a value, relative to the greatest mass. NaN in a mass is a difference.
    pub fn distance(&self, other: &Measure) -> f64 {
        let most = self.masses.values().chain(other.masses.values()).fold(0.0f64, |a, b| a.max(*b));
        let gap = |value: &Value| {
            let gap = (self.mass(value) - other.mass(value)).abs();
            if gap.is_nan() { f64::INFINITY } else { gap }
        };
        let worst = self.order.iter().chain(&other.order).map(gap).fold(0.0f64, f64::max);
        if most > 0.0 { worst / most } else { worst }
    }

    /// Whether two measures are the same to rounding.
    pub fn agrees(&self, other: &Measure) -> bool {
        self.distance(other) <= TOLERANCE
    }

    /// The values at which two measures differ most, and the shortest run that ends in the worst of them.
    pub fn counterexample(&self, other: &Measure, columns: [&str; 2]) -> Counterexample {
        let mut values: Vec<&Value> = self.order.iter().collect();
        values.extend(other.order.iter().filter(|value| !self.masses.contains_key(&Key((*value).clone()))));
        let gap = |value: &Value| {
            let gap = (self.mass(value) - other.mass(value)).abs();
            if gap.is_nan() { f64::INFINITY } else { gap }
        };
        values.sort_by(|a, b| gap(b).total_cmp(&gap(a)));
        let run = values.iter().find_map(|value| self.runs.get(&Key((*value).clone()))).map(|choices| {
            choices.iter().map(|(name, value)| format!("{name} = {}", label(value))).collect::<Vec<_>>().join(", ")
        });
        let rows = values.iter().take(5).map(|value| Row {
            value: label(value),
            first: self.mass(value),
            second: other.mass(value),
        });
        Counterexample {
            columns: columns.map(str::to_string),
            rows: rows.collect(),
            choices: run.filter(|text| !text.is_empty()),
            note: None,
        }
    }
}

/// The measure of a model by running it under every sequence of outcomes.
///
/// # Errors
/// When there are too many runs, or a choice is continuous.
pub fn by_runs(model: &Model, budget: &Budget) -> Result<Measure, Fault> {
    let mut model = model.clone();
    let returns_nothing = model.record;
    model.record = true;
    // A run that recurs without end is followed only so far.
    model.limits.depth = model.limits.depth.min(20_000);
    model.limits.steps = model.limits.steps.min(2_000_000);
    let mut view = ForwardView::new(model);
    let runs = every_outcome_within(budget.runs, |random| view.run(random))?;
    let mut measure = Measure::default();
    for (probability, run) in runs {
        // A run that was refused has no mass.
        let Ok(run) = run else { continue };
        let value = match &run.value {
            Value::Unit if returns_nothing && !run.named.is_empty() => enumerate::named_record(run.named.clone()),
            value => value.clone(),
        };
        measure.add(value.clone(), probability * run.log_weight.exp());
        let known = measure.runs.entry(Key(value)).or_insert_with(|| run.named.clone());
        if run.named.len() < known.len() {
            *known = run.named;
        }
    }
    Ok(measure)
}

/// The measure of a model by following its paths and merging those that reach the same state.
///
/// # Errors
/// When there are too many paths, or a choice is continuous.
pub fn by_paths(model: &Model, budget: &Budget) -> Result<Measure, Fault> {
    let mut view = BranchingView::within(model.clone(), budget.results);
    let options = enumerate::Options { states: budget.states, paths: budget.paths, ..enumerate::Options::default() };
    let found = enumerate::measure(&mut view, options)?;
    if found.remainder > TOLERANCE {
        return Err(Fault::limit("the program has endlessly many runs"));
    }
    let mut measure = Measure::default();
    for (value, log_mass) in found.masses {
        measure.add(value, log_mass.exp());
    }
    Ok(measure)
}

/// The measure of a model: by its runs if they are few enough, else by its paths.
///
/// # Errors
/// When a choice is continuous, or there are too many of both.
pub fn of_model(model: &Model, budget: &Budget) -> Result<Measure, Fault> {
    match by_runs(model, budget) {
        Err(fault) if fault.kind == FaultKind::Limit => by_paths(model, budget),
        other => other,
    }
}
