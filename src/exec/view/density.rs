//! A model as a log density over unconstrained vectors, by array code; back to values on the machine.

use super::{Model, Start, choice_name, choose_outcome, unexpected};
use crate::core::ir::FuncId;
use crate::exec::kernel::conjugate;
use crate::exec::kernel::density::{self, DensityCode, Evaluator};
use crate::exec::kernel::minibatch;
use crate::exec::kernel::support;
use crate::exec::kernel::trace::{self, Choice, Place, Refusal, Slot};
use crate::exec::machine::{Code, Event, Machine};
use crate::model::density::{Block, Target};
use crate::model::{Density, Evaluate, Random, Weighted};
use crate::source::Span;
use crate::value::fault::FaultKind;
use crate::value::{Fault, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The `Density` view of a model.
pub struct DensityView {
    model: Model,
    /// The model without its weights: where values alone are asked for, what is observed need not be gone through.
    values: Model,
    code: DensityCode,
    /// The coordinates of each choice, or its finite parts, in the order in which a run meets them.
    places: Vec<Vec<Slot>>,
    coordinates: Vec<String>,
}

impl std::fmt::Debug for DensityView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DensityView").field("coordinates", &self.coordinates).finish_non_exhaustive()
    }
}

/// Reads and supplies the choices of a run that belong to the vector.
enum Purpose<'a> {
    /// With the log density as the machine computes it, where it is asked for.
    Constrain(&'a [f64], Option<&'a mut f64>),
    Unconstrain(&'a HashMap<&'a str, &'a Value>, &'a mut [f64]),
}

fn fault(refusal: Refusal) -> Fault {
    without_gradient(&refusal.reason).at(refusal.span)
}

fn without_gradient(reason: &str) -> Fault {
    Fault::error(format!("this model has no gradient: {reason}")).hint("`mh` and `smc` run models of every kind")
}

/// Code for a density by minibatches: one for each part of the data.
#[derive(Debug)]
pub struct Minibatches {
    parts: Vec<DensityCode>,
    /// How many data there are.
    pub size: usize,
}

impl Minibatches {
    /// Memory to evaluate each part in. The mean of the parts is the whole.
    pub fn evaluators(&self) -> Vec<Evaluator> {
        self.parts.iter().map(DensityCode::evaluator).collect()
    }
}

impl Model {
    /// The function that the model is, and what it captures.
    fn entry(&self) -> Result<(FuncId, Vec<Value>), Fault> {
        match &self.start {
            Start::Func(func) => Ok((FuncId(*func), Vec::new())),
            Start::Closure(Value::Closure(closure)) => Ok((FuncId(closure.function), closure.captures.clone())),
            Start::Closure(_) => Err(Fault::internal("a model that is not a function")),
        }
    }

    /// The model as a graph of array operations.
    fn traced(&self) -> Result<trace::Traced, Fault> {
        let (func, captures) = self.entry()?;
        trace::trace(&self.code.program, func, &captures).map_err(fault)
    }
}

impl DensityView {
    /// Whether parts of the density and its gradient have been made machine code, which happens after some evaluations.
    pub fn has_machine_code(&self) -> bool {
        self.code.has_native()
    }

    /// The view of a part of a model's density, with the model's code without its weights; a fault says what prevents it, and where.
    pub fn new(model: Model, values: Arc<Code>, target: Target) -> Result<DensityView, Fault> {
        let mut traced = model.traced()?;
        if target != Target::Joint {
            traced.jacobian = traced.graph.scalar(0.0);
        }
        if target == Target::Likelihood {
            traced.density = traced.likelihood.ok_or_else(|| {
                Fault::error("finite choices are summed out, and the likelihood of the others does not stand apart")
                    .hint("`map_estimate` takes the densities of the choices with it")
            })?;
        }
        let code = density::compile(&mut traced).map_err(|reason| without_gradient(&reason))?;
        let places = in_order(&traced.choices);
        let values = Model { code: values, plain: Some(Arc::clone(&model.code)), ..model.clone() };
        let mut view = DensityView { model, values, code, places, coordinates: Vec::new() };
        let mut names = vec![String::new(); view.code.dim];
        let mut random = crate::model::Production(crate::value::Generator::new(0));
        let point = view.initial(&mut random)?;
        let drawn = view.code.draw_finite(&point, &mut random);
        view.go(&mut random, &drawn, Purpose::Constrain(&point, None), Some(&mut names))?;
        view.coordinates = names;
        Ok(view)
    }

    /// The view of a model together with code for its density by minibatches of about `batch` data, which are the parts of a partition at
    /// random.
    ///
    /// # Errors
    /// As [`DensityView::new`] has them, and where no loop over data can be subsampled.
    pub fn subsampled(
        model: Model,
        values: Arc<Code>,
        batch: usize,
        random: &mut dyn Random,
    ) -> Result<(DensityView, Minibatches), Fault> {
        let view = DensityView::new(model, values, Target::Joint)?;
        let mut traced = view.model.traced()?;
        let total = traced.graph.add(traced.density, traced.jacobian);
        let order = |size: usize| {
            let mut order: Vec<usize> = (0..size).collect();
            if let Some(generator) = random.generator() {
                for k in (1..size).rev() {
                    order.swap(k, ((generator.uniform() * (k + 1) as f64) as usize).min(k));
                }
            }
            order
        };
        let found = minibatch::minibatches(&mut traced.graph, total, batch, order).map_err(|reason| {
            Fault::error(format!("this model has no data to be subsampled: {reason}"))
                .hint("`nuts` and `hmc` take the gradient of all data")
        })?;
        traced.jacobian = traced.graph.scalar(0.0);
        let mut parts = Vec::with_capacity(found.parts.len());
        for part in found.parts {
            traced.density = part;
            parts.push(density::compile(&mut traced).map_err(|reason| without_gradient(&reason))?);
        }
        Ok((view, Minibatches { parts, size: found.size }))
    }

    /// The log density as the machine computes it, slowly: what array code is compared with. Finite choices are summed out one by one.
    ///
    /// # Errors
    /// As a run of the model has them, and where finite choices have more than a million combinations.
    pub fn density_by_machine(&self, x: &[f64]) -> Result<f64, Fault> {
        let mut lanes: Vec<(u32, u32)> = Vec::new();
        for slot in self.places.iter().flatten() {
            if let Slot::Finite(number, lane) = *slot {
                lanes.push((number, lane));
            }
        }
        let finite = self.code.finite();
        let mut values: Vec<Vec<u32>> = finite.iter().map(|f| vec![0; f.lanes()]).collect();
        let sizes: Vec<u32> = lanes.iter().map(|(number, _)| finite[*number as usize].values.len() as u32).collect();
        let combinations = sizes.iter().fold(1usize, |n, k| n.saturating_mul(*k as usize));
        if combinations > 1_000_000 {
            return Err(Fault::error(format!("{combinations} combinations of finite choices are too many")));
        }
        let mut terms = Vec::with_capacity(combinations);
        for k in 0..combinations {
            let mut rest = k;
            for ((number, lane), size) in lanes.iter().zip(&sizes) {
                values[*number as usize][*lane as usize] = (rest % *size as usize) as u32;
                rest /= *size as usize;
            }
            let mut total = 0.0;
            let mut random = crate::model::Production(crate::value::Generator::new(0));
            match self.go(&mut random, &values, Purpose::Constrain(x, Some(&mut total)), None) {
                Ok(_) => terms.push(total),
                Err(fault) if fault.kind == FaultKind::Domain && combinations > 1 => {}
                Err(fault) => return Err(fault),
            }
        }
        let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !most.is_finite() || terms.len() == 1 {
            return Ok(most);
        }
        Ok(most + terms.iter().map(|t| (t - most).exp()).sum::<f64>().ln())
    }

    /// A run of the whole program at a vector, with the finite choices of a draw, and the log density as the machine computes it.
    ///
    /// # Errors
    /// As a run of the model has them.
    pub fn weighed(&self, x: &[f64], run: &Weighted) -> Result<(Weighted, f64), Fault> {
        let finite = self.code.finite();
        let mut values: Vec<Vec<u32>> = finite.iter().map(|f| vec![0; f.lanes()]).collect();
        for (places, (_, value)) in self.places.iter().zip(&run.named) {
            let mut parts = Vec::new();
            support::parts(value, &mut parts);
            for (slot, part) in places.iter().zip(parts) {
                let Slot::Finite(number, lane) = *slot else { continue };
                let known = finite[number as usize].values.iter().position(|v| *v == part);
                values[number as usize][lane as usize] = known.map_or(0, |k| k as u32);
            }
        }
        let mut total = 0.0;
        let mut random = crate::model::Production(crate::value::Generator::new(0));
        let whole = self.go(&mut random, &values, Purpose::Constrain(x, Some(&mut total)), None)?;
        Ok((whole, total))
    }

    /// The finite choices that are summed out, and how: name, place, words.
    pub fn summed_out(&self) -> Vec<(&str, Span, &str)> {
        let choices = self.code.finite().iter().filter(|f| !f.image);
        choices.map(|f| (f.name.as_str(), f.span, f.way.as_str())).collect()
    }

    /// The forward recursions of the density: steps and states of each.
    pub fn recursions(&self) -> Vec<(u32, u32)> {
        self.code.recursions()
    }

    fn go(
        &self,
        random: &mut dyn Random,
        finite: &[Vec<u32>],
        mut purpose: Purpose<'_>,
        mut names: Option<&mut Vec<String>>,
    ) -> Result<Weighted, Fault> {
        let weighs = matches!(purpose, Purpose::Constrain(_, Some(_)));
        let model = if weighs { &self.model } else { &self.values };
        let code = &*model.code;
        let mut machine = Machine::default();
        model.begin(&mut machine)?;
        machine.pause_at_scores = false;
        machine.draw = false;
        if let Some(generator) = random.generator() {
            machine.generator = *generator;
        }
        let drawing = random.generator().is_some();
        let mut named = Vec::new();
        let mut at = 0;
        let mut point = Vec::new();
        let mut dead = false;
        loop {
            let event = machine.run(code);
            match event? {
                Event::Done => break,
                // A weight of zero: the values are still those of the vector.
                Event::Score { .. } => dead |= machine.log_weight == f64::NEG_INFINITY,
                Event::Host { func, host } => {
                    model.call_host(&mut machine, func, host, random)?;
                }
                Event::Printed => machine.printed.clear(),
                Event::Sample { func, sample } => {
                    let site = &code.sites[code.funcs[func as usize].samples[sample as usize].site as usize];
                    let value = if site.forward_only {
                        if drawing {
                            machine.choice_draw(code, func, sample)?
                        } else {
                            choose_outcome(&mut machine, code, func, sample, random)?
                        }
                    } else {
                        let Some(places) = self.places.get(at) else {
                            return Err(Fault::internal("a run has more choices than its array code"));
                        };
                        at += 1;
                        let domain = machine.choice_support(code, func, sample)?;
                        let is_finite = matches!(places.first(), Some(Slot::Finite(..)));
                        match &mut purpose {
                            Purpose::Constrain(_, total) if is_finite => {
                                let mut parts = places.iter();
                                let value = support::assemble(&domain, &mut || match parts.next()? {
                                    Slot::Finite(number, lane) => self.value_of(finite, *number, *lane),
                                    Slot::Coordinate(_) => None,
                                })?;
                                if let Some(total) = total {
                                    **total += machine.choice_logp(code, func, sample, &value)?;
                                }
                                value
                            }
                            Purpose::Unconstrain(values, _) if is_finite => {
                                let name =
                                    choice_name(&machine, code, func, sample).unwrap_or_else(|| site.name.to_string());
                                match values.get(name.as_str()) {
                                    Some(value) => (*value).clone(),
                                    None => support::assemble(&domain, &mut || {
                                        let Some(Slot::Finite(number, _)) = places.first() else { return None };
                                        self.code.finite()[*number as usize].values.first().cloned()
                                    })?,
                                }
                            }
                            Purpose::Constrain(x, total) => {
                                point.clear();
                                point.extend(coordinates(places).map(|k| x[k]));
                                let mut rest = &point[..];
                                let (value, jacobian) = support::constrain(&domain, &mut rest)?;
                                if let Some(total) = total {
                                    **total += jacobian + machine.choice_logp(code, func, sample, &value)?;
                                }
                                if !rest.is_empty() {
                                    return Err(Fault::internal("a choice has fewer coordinates in its array code"));
                                }
                                if let Some(names) = &mut names {
                                    let name = choice_name(&machine, code, func, sample)
                                        .unwrap_or_else(|| site.name.to_string());
                                    for (k, place) in coordinates(places).enumerate() {
                                        names[place] =
                                            if places.len() == 1 { name.clone() } else { format!("{name}.{k}") };
                                    }
                                }
                                value
                            }
                            Purpose::Unconstrain(values, out) => {
                                let name =
                                    choice_name(&machine, code, func, sample).unwrap_or_else(|| site.name.to_string());
                                let Some(value) = values.get(name.as_str()) else {
                                    return Err(Fault::error(format!("no value is given for `{name}`")));
                                };
                                point.clear();
                                support::unconstrain(&domain, value, &mut point)?;
                                if point.len() != places.len() {
                                    return Err(Fault::internal("a choice has other coordinates in its array code"));
                                }
                                for (place, x) in coordinates(places).zip(&point) {
                                    out[place] = *x;
                                }
                                (*value).clone()
                            }
                        }
                    };
                    if model.record
                        && let Some(name) = choice_name(&machine, code, func, sample)
                    {
                        named.push((name, value.clone()));
                    }
                    machine.supply(code, func, sample, value)?;
                }
                event => return Err(unexpected(event)),
            }
        }
        if let Purpose::Constrain(_, Some(total)) = purpose {
            // Zero weight is zero, whatever comes after.
            *total = if dead { f64::NEG_INFINITY } else { *total + machine.log_weight };
        }
        if at != self.places.len() {
            return Err(Fault::internal("a run has fewer choices than its array code"));
        }
        if let Some(generator) = random.generator() {
            *generator = machine.generator;
        }
        Ok(Weighted { value: std::mem::take(&mut machine.returned), log_weight: machine.log_weight, named })
    }
}

/// The coordinates among the parts of a choice.
fn coordinates(places: &[Slot]) -> impl Iterator<Item = usize> + '_ {
    places.iter().filter_map(|slot| match slot {
        Slot::Coordinate(k) => Some(*k as usize),
        Slot::Finite(..) => None,
    })
}

/// The parts of every choice of a run, in the order of the run.
fn in_order(choices: &[Choice]) -> Vec<Vec<Slot>> {
    let mut keyed: Vec<(Vec<u32>, Vec<Slot>)> = Vec::new();
    for choice in choices {
        let extents: Vec<u32> = choice.scope.iter().map(|a| a.extent).collect();
        let total: usize = extents.iter().map(|e| *e as usize).product();
        let mut lane: Vec<_> = choice.scope.iter().map(|a| (*a, 0)).collect();
        for k in 0..total {
            let mut rest = k;
            for (slot, extent) in lane.iter_mut().zip(&extents).rev() {
                slot.1 = (rest % *extent as usize) as u32;
                rest /= *extent as usize;
            }
            if choice.active.as_ref().is_some_and(|active| !active[k]) {
                continue;
            }
            let key = choice
                .position
                .iter()
                .map(|place| match place {
                    Place::At(n) => *n,
                    Place::Lane(axis) => lane.iter().find(|(a, _)| a == axis).map_or(0, |(_, k)| *k),
                })
                .collect();
            // In some steps only: the coordinates are those of the steps that make the choice, one after the other.
            let mut out = Vec::new();
            choice.slots.places(&mut choice.lane(k, &lane), &mut out);
            keyed.push((key, out));
        }
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0));
    keyed.into_iter().map(|(_, places)| places).collect()
}

impl DensityView {
    /// The value of a finite choice in a lane.
    fn value_of(&self, drawn: &[Vec<u32>], number: u32, lane: u32) -> Option<Value> {
        let k = drawn.get(number as usize)?.get(lane as usize)?;
        self.code.finite()[number as usize].values.get(*k as usize).cloned()
    }
}

impl Density for DensityView {
    type Evaluator = Evaluator;

    fn dim(&self) -> usize {
        self.code.dim
    }

    fn coordinates(&self) -> &[String] {
        &self.coordinates
    }

    fn evaluator(&self) -> Evaluator {
        self.code.evaluator()
    }

    fn initial(&self, random: &mut dyn Random) -> Result<Vec<f64>, Fault> {
        Ok(match random.generator() {
            Some(generator) => (0..self.code.dim).map(|_| 4.0 * generator.uniform() - 2.0).collect(),
            None => vec![0.0; self.code.dim],
        })
    }

    fn constrain(&self, x: &[f64], random: &mut dyn Random) -> Result<Weighted, Fault> {
        let drawn = self.code.draw_finite(x, random);
        self.go(random, &drawn, Purpose::Constrain(x, None), None)
    }

    fn families(&self) -> Option<Vec<Block>> {
        let (func, captures) = self.model.entry().ok()?;
        let traced = trace::structure(&self.model.code.program, func, &captures).ok()?;
        conjugate::blocks(&traced)
    }

    fn unconstrain(&self, named: &[(String, Value)]) -> Result<Vec<f64>, Fault> {
        let values: HashMap<&str, &Value> = named.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let mut out = vec![0.0; self.code.dim];
        let mut random = crate::model::Production(crate::value::Generator::new(0));
        self.go(&mut random, &[], Purpose::Unconstrain(&values, &mut out), None)?;
        Ok(out)
    }
}

impl Evaluate for Evaluator {
    fn log_density(&mut self, x: &[f64]) -> f64 {
        Evaluator::log_density(self, x)
    }

    fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        Evaluator::gradient(self, x, gradient)
    }
}
