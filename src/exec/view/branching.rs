//! Forking a model at each of its choices.

use super::{Model, choice_name, dead, score_site, unexpected};
use crate::exec::machine::{Code, Event, Machine};
use crate::model::{Branch, Branching, Dead, Exact, Outcomes, every_outcome_within};
use crate::value::domain::Size;
use crate::value::hash::Key;
use crate::value::{Domain, Fault, Value};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Choices with more outcomes than this are not enumerated.
pub(super) const MOST_OUTCOMES: f64 = 100_000.0;
/// A countable choice is followed until this much of its probability is left.
const TAIL: f64 = 1e-15;

/// The `Branching` view of a model.
pub struct BranchingView {
    model: Model,
    /// Results of one function of the host that are followed at most.
    most_results: usize,
}

/// Where a run is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum At {
    Choice {
        func: u32,
        sample: u32,
    },
    /// At a function of the host with several results.
    Host {
        func: u32,
        host: u32,
    },
}

/// A run paused at a choice.
#[derive(Clone, Debug)]
pub struct State {
    machine: Machine,
    at: At,
    named: Vec<(String, Value)>,
}

impl BranchingView {
    /// The view of a model.
    pub fn new(model: Model) -> BranchingView {
        BranchingView { model, most_results: 1_000_000 }
    }

    /// As [`BranchingView::new`], but a function of the host, such as a step of a particle filter, may have at most so many outcomes.
    pub fn within(model: Model, most_results: usize) -> BranchingView {
        BranchingView { model, most_results }
    }

    /// Runs to the next choice; also the log weight gained.
    fn go(&self, mut state: State) -> Result<(Branch<State>, f64), Fault> {
        let code = &*self.model.code;
        let before = state.machine.log_weight;
        state.machine.pause_at_scores = false;
        state.machine.draw = false;
        loop {
            let event = match state.machine.run(code) {
                Ok(event) => event,
                Err(fault) => return Ok((Branch::Dead(dead(fault)?), f64::NEG_INFINITY)),
            };
            let gained = state.machine.log_weight - before;
            match event {
                Event::Done => {
                    self.model.flush(&mut state.machine);
                    let value = std::mem::take(&mut state.machine.returned);
                    let gained = mutant!("a trailing factor is dropped", 0.0, gained);
                    return Ok((Branch::Done { value, named: state.named, log_weight: gained }, gained));
                }
                Event::Sample { func, sample } => {
                    state.at = At::Choice { func, sample };
                    let outcomes = match outcomes(&mut state.machine, code, func, sample) {
                        Ok(outcomes) => outcomes,
                        Err(fault) => return Ok((Branch::Dead(dead(fault)?), f64::NEG_INFINITY)),
                    };
                    if !self.model.record {
                        state.machine.forget_dead(code, true);
                    }
                    // Equal futures must compare equal: what was gained so far is kept apart.
                    state.machine.log_weight = 0.0;
                    return Ok((Branch::Choice { state, outcomes }, gained));
                }
                Event::Score { func, score, .. } => {
                    let site = score_site(code, func, score);
                    return Ok((Branch::Dead(Dead::Zero(site)), f64::NEG_INFINITY));
                }
                Event::Host { func, host } => {
                    // What the host does at random, such as a step of a particle filter, is one choice among its results.
                    let mut values = match self.results(&mut state.machine, func, host) {
                        Ok(values) => values,
                        Err(fault) => return Ok((Branch::Dead(dead(fault)?), f64::NEG_INFINITY)),
                    };
                    if values.len() == 1 {
                        let (value, _) = values.swap_remove(0);
                        state.machine.supply_host(code, func, host, value)?;
                        continue;
                    }
                    state.at = At::Host { func, host };
                    if !self.model.record {
                        state.machine.forget_dead(code, true);
                    }
                    state.machine.log_weight = 0.0;
                    return Ok((Branch::Choice { state, outcomes: Outcomes { values, missing: 0.0 } }, gained));
                }
                Event::Printed => self.model.flush(&mut state.machine),
                event => return Err(unexpected(event)),
            }
        }
    }
}

impl BranchingView {
    /// Every result of the function of the host where a machine is paused, with its log probability; equal results are one.
    fn results(&self, machine: &mut Machine, func: u32, host: u32) -> Result<Vec<(Value, f64)>, Fault> {
        let args = machine.host_args(&self.model.code, func, host);
        let name = self.model.code.funcs[func as usize].hosts[host as usize].name;
        let mut places: HashMap<Key, usize> = HashMap::new();
        let mut values: Vec<(Value, f64)> = Vec::new();
        let call = |random: &mut Exact| self.model.host.call(&self.model.code, name, args.clone(), random);
        let results = every_outcome_within(self.most_results, call)
            .map_err(|fault| machine.fault_here(&self.model.code, fault))?;
        for (probability, value) in results {
            match places.entry(Key(value)) {
                Entry::Occupied(at) => values[*at.get()].1 += probability,
                Entry::Vacant(free) => {
                    values.push((free.key().0.clone(), probability));
                    free.insert(values.len() - 1);
                }
            }
        }
        values.iter_mut().for_each(|(_, p)| *p = p.ln());
        Ok(values)
    }
}

impl Branching for BranchingView {
    type State = State;

    fn begin(&mut self) -> Result<Branch<State>, Fault> {
        let mut state = State { machine: Machine::default(), at: At::Choice { func: 0, sample: 0 }, named: Vec::new() };
        self.model.begin(&mut state.machine)?;
        let (branch, gained) = self.go(state)?;
        Ok(match branch {
            Branch::Choice { mut state, outcomes } => {
                state.machine.log_weight = gained;
                Branch::Choice { state, outcomes }
            }
            other => other,
        })
    }

    fn choose(&mut self, state: &State, value: &Value) -> Result<(Branch<State>, f64), Fault> {
        let code = Arc::clone(&self.model.code);
        let mut next = state.clone();
        next.machine.log_weight = 0.0;
        match state.at {
            At::Choice { func, sample } => {
                if self.model.record
                    && let Some(name) = choice_name(&next.machine, &code, func, sample)
                {
                    next.named.push((name, value.clone()));
                }
                next.machine.supply(&code, func, sample, value.clone())?;
            }
            At::Host { func, host } => next.machine.supply_host(&code, func, host, value.clone())?,
        }
        self.go(next)
    }

    fn gained(&self, state: &State) -> f64 {
        state.machine.log_weight
    }

    fn same_future(&self, a: &State, b: &State) -> bool {
        a.at == b.at
            && a.machine.same_future(&b.machine)
            && a.named.len() == b.named.len()
            && a.named.iter().zip(&b.named).all(|(x, y)| x.0 == y.0 && crate::value::hash::same(&x.1, &y.1))
    }

    fn hash_future(&self, state: &State, hasher: &mut dyn Hasher) {
        let mut hasher = hasher;
        state.at.hash(&mut hasher);
        state.machine.hash_future(&mut hasher);
        for (_, value) in &state.named {
            crate::value::hash::hash_value(value, &mut hasher);
        }
    }
}

/// The values that the choice where a machine is paused may take, with their log probabilities.
pub(super) fn outcomes(machine: &mut Machine, code: &Code, func: u32, sample: u32) -> Result<Outcomes, Fault> {
    let support = machine
        .choice_support(code, func, sample)
        .map_err(|fault| fault.hint("for an exact answer every choice needs a known support"))?;
    let site = code.funcs[func as usize].samples[sample as usize].site;
    let name = code.sites[site as usize].name.as_str();
    let result = outcomes_of(&support, name, &mut |value| machine.choice_logp(code, func, sample, value));
    match support.size() {
        Size::Continuous => result.map_err(|fault| machine.fault_here(code, fault)),
        _ => result,
    }
}

/// The values of a support with their log probabilities, for the choice of this name.
pub(super) fn outcomes_of(
    support: &Domain,
    name: &str,
    logp: &mut dyn FnMut(&Value) -> Result<f64, Fault>,
) -> Result<Outcomes, Fault> {
    let cannot = |why: String| {
        let fault = Fault::error(format!("the choice `{name}` cannot be enumerated: {why}"))
            .hint("use `importance`, `smc` or `mh`, which draw instead");
        Err(fault)
    };
    let mut outcomes = Outcomes::default();
    match support.size() {
        Size::Finite(n) if n <= MOST_OUTCOMES => {
            for value in finite_values(support) {
                let logp = logp(&value)?;
                if logp > f64::NEG_INFINITY {
                    outcomes.values.push((value, logp));
                }
            }
            merge_equal(&mut outcomes.values);
            Ok(outcomes)
        }
        Size::Finite(n) => cannot(format!("it has {n} outcomes")),
        Size::Continuous => cannot(format!("it is continuous, over {support}")),
        Size::Unknown => cannot("its support is not known".to_string()),
        Size::Countable => {
            let mut mass = 0.0;
            let mut peak: f64 = 0.0;
            let mut k = 0i64;
            while mass < 1.0 - TAIL && (k as f64) < MOST_OUTCOMES {
                let values: &[i64] = match (support, k) {
                    (Domain::IntRange(low, i64::MAX), _) => &[low.saturating_add(k)],
                    (Domain::IntRange(i64::MIN, high), _) => &[high.saturating_sub(k)],
                    (Domain::Natural, _) | (_, 0) => &[k],
                    (Domain::Int, _) => &[k, -k],
                    _ => return cannot(format!("its support {support} has no order")),
                };
                let mut here: f64 = 0.0;
                for n in values {
                    let value = Value::Int(*n);
                    let logp = logp(&value)?;
                    if logp > f64::NEG_INFINITY {
                        here = here.max(logp.exp());
                        mass += logp.exp();
                        outcomes.values.push((value, logp));
                    }
                }
                peak = peak.max(here);
                // Past the peak, terms too small to add anything end the sum, whatever rounding did to its total.
                if mass > 0.5 && here < peak * 1e-18 {
                    break;
                }
                k += 1;
            }
            outcomes.missing = (1.0 - mass).max(0.0);
            Ok(outcomes)
        }
    }
}

/// A value that a list of values gives twice stands for both: its `logp` counts all its places already.
fn merge_equal(values: &mut Vec<(Value, f64)>) {
    if values.len() > 512 {
        return;
    }
    let mut kept: Vec<(Value, f64)> = Vec::with_capacity(values.len());
    for (value, logp) in values.drain(..) {
        if !kept.iter().any(|(v, _)| crate::value::hash::same(v, &value)) {
            kept.push((value, logp));
        }
    }
    *values = kept;
}

/// All values of a finite domain.
pub fn finite_values(domain: &Domain) -> Vec<Value> {
    match domain {
        Domain::Bool => vec![Value::Bool(false), Value::Bool(true)],
        Domain::IntRange(lo, hi) => (*lo..=*hi).map(Value::Int).collect(),
        Domain::Values(all) => all.clone(),
        Domain::Counts(k, n) => {
            let mut out = Vec::new();
            counts(*k, *n, &mut Vec::new(), &mut out);
            out
        }
        Domain::Power(inner, n) => products(&vec![finite_values(inner); *n]),
        Domain::Product(parts) => products(&parts.iter().map(finite_values).collect::<Vec<_>>()),
        Domain::Union(parts) => parts.iter().flat_map(finite_values).collect(),
        _ => Vec::new(),
    }
}

fn counts(k: usize, n: i64, head: &mut Vec<i64>, out: &mut Vec<Value>) {
    if k == 0 {
        if n == 0 {
            out.push(Value::ints(head.clone()));
        }
        return;
    }
    if k == 1 {
        head.push(n);
        out.push(Value::ints(head.clone()));
        head.pop();
        return;
    }
    for first in 0..=n {
        head.push(first);
        counts(k - 1, n - first, head, out);
        head.pop();
    }
}

fn products(parts: &[Vec<Value>]) -> Vec<Value> {
    let mut rows: Vec<Vec<Value>> = vec![Vec::new()];
    for part in parts {
        rows = rows
            .iter()
            .flat_map(|row| {
                part.iter().map(move |v| {
                    let mut longer = row.clone();
                    longer.push(v.clone());
                    longer
                })
            })
            .collect();
    }
    rows.into_iter().map(Value::array_of).collect()
}
