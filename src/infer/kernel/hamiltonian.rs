//! Hamiltonian moves of the continuous choices of a trace, all others held as they are.
//!
//! The choices are moved on the unconstrained scale of their supports. Derivatives are central differences of the density that the view
//! gives, so that the moves work for every model, whatever its structure depends on; where a graph of the run is held, a difference costs
//! what depends on the choice. The leapfrog step preserves volume and is reversible whatever function of the position stands for the
//! gradient, and points are accepted by the density itself, so the moves are exact. Where the choices that there are would change, the
//! density counts as zero: the move keeps to the runs with the same choices, among which it is reversible.

use super::super::kit::hamiltonian::Point;
use super::super::kit::metric::Metric;
use super::super::kit::step_size::{DualAveraging, first_guess};
use super::super::kit::trajectory::Trajectory;
use super::super::{Contract, Row};
use super::Step;
use crate::model::{Evaluate, Production, Traced, Watched};
use crate::value::hash::same_domain;
use crate::value::{Domain, Fault, Generator, Value};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn hmc_kernel(step: Real = 0.0, n: Int = 10) -> Kernel",
        doc: "A kernel that moves all continuous choices together along `n` leapfrog steps of size `step`, and accepts or rejects where that \
              ends; other choices stay as they are. `on` names the choices. Where `step` is 0, step size and scales adapt during the warm-up \
              of a chain (elsewhere the step is 0.1). Derivatives are taken by differences, for models of every structure; `hmc` and \
              `nuts` are quicker where they apply. Duane, Kennedy, Pendleton and Roweth 1987.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(hmc_kernel(), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn nuts_kernel(step: Real = 0.0) -> Kernel",
        doc: "A kernel as `hmc_kernel`, whose trajectories are doubled until they turn back. Joined with moves of other choices, as in \
              `cycle([nuts_kernel(), on([\"z\"], gibbs())])`, it samples models that mix continuous and discrete choices. \
              Hoffman and Gelman 2014.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(nuts_kernel(), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
];

/// How far a move goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Path {
    /// The size of a leapfrog step; adapted when none.
    pub step: Option<f64>,
    /// Leapfrog steps; until the trajectory turns back when none.
    pub steps: Option<u32>,
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.steps, self.step) {
            (Some(n), step) => write!(f, "hmc_kernel({}, {n})", step.unwrap_or(0.0)),
            (None, Some(step)) => write!(f, "nuts_kernel({step})"),
            (None, None) => write!(f, "nuts_kernel()"),
        }
    }
}

/// The step where none is given and none was learnt.
const STEP: f64 = 0.1;
/// Most doublings of a trajectory.
const DEPTH: usize = 8;
/// Transitions after which the scales are first set; each further window is twice as long.
const WINDOW: usize = 20;
/// The acceptance rate at which the step aims.
const TARGET: f64 = 0.8;

/// What a move has learnt: a step size, and a scale for each coordinate by the address of its choice.
#[derive(Clone, Debug, Default)]
pub(super) struct Tuned {
    search: Option<DualAveraging>,
    scales: HashMap<(u64, u32), f64>,
    /// Of this window: number, mean and sum of squares about it.
    seen: HashMap<(u64, u32), (f64, f64, f64)>,
    /// Transitions in this window, and its length.
    window: (usize, usize),
}

impl Tuned {
    fn metric(&self, keys: &[(u64, u32)]) -> Metric {
        Metric::diagonal(keys.iter().map(|key| self.scales.get(key).copied().unwrap_or(1.0)).collect())
    }

    fn learn(&mut self, keys: &[(u64, u32)], x: &[f64], acceptance: f64) {
        if let Some(search) = &mut self.search {
            search.learn(acceptance);
        }
        for (key, x) in keys.iter().zip(x) {
            let (count, mean, squares) = self.seen.entry(*key).or_default();
            *count += 1.0;
            let before = x - *mean;
            *mean += before / *count;
            *squares += before * (x - *mean);
        }
        self.window.0 += 1;
        if self.window.0 < self.window.1.max(WINDOW) {
            return;
        }
        for (key, (count, _, squares)) in self.seen.drain() {
            if count > 5.0 {
                // Shrunk towards a small scale while there are few, as Stan does.
                let variance = squares / (count - 1.0) * (count / (count + 5.0)) + 1e-3 * 5.0 / (count + 5.0);
                self.scales.insert(key, variance);
            }
        }
        self.window = (0, 2 * self.window.1.max(WINDOW));
        if let Some(search) = &mut self.search {
            let step = search.average();
            search.restart(step);
        }
    }
}

/// A choice that is moved: where it is, its support, and where its coordinates begin.
struct Moved {
    place: usize,
    domain: Arc<Domain>,
    from: usize,
    to: usize,
}

/// The density of the choices that are moved, as a function of their coordinates.
struct Block<'a, T: Traced> {
    view: &'a T,
    state: T::State,
    temperature: f64,
    moved: &'a [Moved],
    fault: Option<Fault>,
}

impl<T: Traced> Block<'_, T> {
    /// The log density of the target at the state.
    fn height(&self) -> f64 {
        let trace = self.view.trace(&self.state);
        trace.log_prior + self.temperature * trace.log_weight
    }

    fn value(&mut self, moved: &Moved, x: &[f64]) -> Option<(Value, f64)> {
        self.view.constrain(&moved.domain, x).map_err(|fault| self.fault.get_or_insert(fault)).ok()
    }

    /// The change of the log target when choices get these values, which is pending then; none where it is no run of the same choices.
    fn propose(&mut self, values: &[(usize, Value)]) -> Option<f64> {
        let mut drawn = Production(Generator::new(0));
        let mut random = Watched::new(&mut drawn);
        match self.view.propose(&mut self.state, values, &[], &mut random) {
            Ok(Ok(update)) => {
                let same =
                    !random.asked() && update.gone.is_empty() && update.born.is_empty() && update.moved.is_empty();
                let change = update.log_prior + self.temperature * update.log_weight;
                if same && change.is_finite() {
                    return Some(change);
                }
                self.view.reject(&mut self.state);
                None
            }
            Ok(Err(_)) => None,
            Err(fault) => {
                self.fault.get_or_insert(fault);
                None
            }
        }
    }

    /// Goes to a point; gives the log Jacobian there, or none where its density is zero.
    fn go(&mut self, x: &[f64]) -> Option<f64> {
        let moved = self.moved;
        let mut values = Vec::with_capacity(moved.len());
        let mut jacobian = 0.0;
        for one in moved {
            let (value, log) = self.value(one, &x[one.from..one.to])?;
            jacobian += log;
            values.push((one.place, value));
        }
        self.propose(&values)?;
        self.view.accept(&mut self.state);
        jacobian.is_finite().then_some(jacobian)
    }
}

impl<T: Traced> Evaluate for Block<'_, T> {
    fn log_density(&mut self, x: &[f64]) -> f64 {
        match self.go(x) {
            Some(jacobian) => self.height() + jacobian,
            None => f64::NEG_INFINITY,
        }
    }

    fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let Some(jacobian) = self.go(x) else { return f64::NEG_INFINITY };
        let height = self.height() + jacobian;
        let mut near = Vec::new();
        let moved = self.moved;
        for one in moved {
            near.clear();
            near.extend_from_slice(&x[one.from..one.to]);
            for k in 0..near.len() {
                let at = near[k];
                let width = 6e-6 * at.abs().max(1.0);
                let mut side = |block: &mut Self, x: f64| {
                    near[k] = x;
                    let (value, jacobian) = block.value(one, &near)?;
                    let change = block.propose(&[(one.place, value)])?;
                    block.view.reject(&mut block.state);
                    Some(change + jacobian)
                };
                let (up, down) = (side(self, at + width), side(self, at - width));
                near[k] = at;
                if let (Some(up), Some(down)) = (up, down) {
                    let slope = (up - down) / (2.0 * width);
                    // At an edge of the support any function of the position will do for the slope.
                    gradient[one.from + k] = if slope.is_finite() { slope } else { 0.0 };
                }
            }
        }
        height
    }
}

/// The choices that are moved, their coordinates, and a key for each coordinate.
type Coordinates = (Vec<Moved>, Vec<f64>, Vec<(u64, u32)>);

fn coordinates<T: Traced>(step: &mut Step<'_, T>) -> Result<Coordinates, Fault> {
    let walker = &*step.walker;
    let (places, named) = step.sites.block(walker);
    let (mut moved, mut x, mut keys) = (Vec::new(), Vec::new(), Vec::new());
    for place in places {
        let choice = &walker.view.trace(&walker.state).choices[place];
        let info = walker.view.infos(&walker.state).get(choice.info);
        let domain = walker.view.support(&walker.state, place)?;
        let from = x.len();
        match walker.view.unconstrain(&domain, &choice.value, &mut x) {
            true => {
                keys.extend((from..x.len()).map(|k| (choice.address, (k - from) as u32)));
                moved.push(Moved { place, domain, from, to: x.len() });
            }
            false if named => {
                return Err(Fault::error(format!(
                    "Hamiltonian moves are for continuous choices, and `{}` takes values in {domain}",
                    info.name
                ))
                .hint("name only continuous choices, and move the others by `gibbs` or `single_site`"));
            }
            false => x.truncate(from),
        }
    }
    Ok((moved, x, keys))
}

/// Moves all continuous choices that may be moved.
pub(super) fn step<T: Traced>(step: &mut Step<'_, T>, path: Path) -> Result<bool, Fault> {
    let (moved, x, keys) = coordinates(step)?;
    if moved.is_empty() {
        return step.nothing();
    }
    let view = Arc::clone(&step.walker.view);
    let (state, temperature) = (step.walker.state.clone(), step.walker.temperature);
    let mut block = Block { view: &*view, state, temperature, moved: &moved, fault: None };
    let mut point = Point::new(x.len());
    point.x.clone_from(&x);
    if !point.evaluate(&mut block) {
        return Err(block.fault.unwrap_or_else(|| Fault::error("the density is not finite where the chain is")));
    }
    let metric = step.tuned.metric(&keys);
    if path.step.is_none() && step.adapting && step.tuned.search.is_none() {
        let (guess, _) = first_guess(&point, STEP, &metric, &mut block, step.random)?;
        step.tuned.search = Some(DualAveraging::new(guess, TARGET));
    }
    let size = match (path.step, &step.tuned.search) {
        (Some(size), _) => size,
        (None, Some(search)) if step.adapting => search.current(),
        (None, Some(search)) => search.average(),
        (None, None) => STEP,
    };
    let told = match path.steps {
        Some(n) => Trajectory::new(x.len(), 0).fixed(&mut point, size, n, &metric, &mut block, step.random)?,
        None => Trajectory::new(x.len(), DEPTH).no_u_turn(&mut point, size, &metric, &mut block, step.random)?,
    };
    if let Some(fault) = block.fault {
        return Err(fault);
    }
    step.trouble.divergences += u64::from(told.divergent);
    if step.adapting && path.step.is_none() {
        step.tuned.learn(&keys, &point.x, told.acceptance);
    }
    let left = point.x != x;
    if left {
        settle(step, &moved, &point.x)?;
    }
    Ok(step.count(left))
}

/// Takes the state to the point where a trajectory ended.
fn settle<T: Traced>(step: &mut Step<'_, T>, moved: &[Moved], x: &[f64]) -> Result<(), Fault> {
    let walker = &mut *step.walker;
    let values = moved.iter().map(|one| {
        let (value, _) = walker.view.constrain(&one.domain, &x[one.from..one.to])?;
        Ok((one.place, value))
    });
    let values = values.collect::<Result<Vec<_>, Fault>>()?;
    let mut random = Watched::new(step.random);
    if walker.view.propose(&mut walker.state, &values, &[], &mut random)?.is_err() {
        return Err(Fault::internal("a point of a trajectory has no density"));
    }
    for one in moved {
        let support = walker.view.support(&walker.state, one.place)?;
        if !same_domain(&support, &one.domain) {
            let info = walker.view.trace(&walker.state).choices[one.place].info;
            let name = walker.view.infos(&walker.state).get(info).name.clone();
            walker.view.reject(&mut walker.state);
            return Err(Fault::error(format!(
                "Hamiltonian moves keep the supports of the choices that they move, and that of `{name}` changed"
            ))
            .hint("move choices whose supports depend on each other in turn, as in cycle([on([\"a\"], nuts_kernel()), on([\"b\"], nuts_kernel())])"));
        }
    }
    walker.view.accept(&mut walker.state);
    Ok(())
}
