//! A model as a log density over unconstrained vectors, by array code; back to values on the machine.

use super::{Model, Start, choice_name, choose_outcome, unexpected};
use crate::core::ir::FuncId;
use crate::exec::kernel::density::{self, DensityCode, Evaluator};
use crate::exec::kernel::support;
use crate::exec::kernel::trace::{self, Choice, Place, Refusal};
use crate::exec::machine::{Event, Machine};
use crate::model::{Density, Evaluate, Random, Weighted};
use crate::value::{Fault, Value};
use std::collections::HashMap;

/// The `Density` view of a model.
pub struct DensityView {
    model: Model,
    code: DensityCode,
    /// The coordinates of each choice, in the order in which a run meets them.
    places: Vec<Vec<u32>>,
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

impl DensityView {
    /// The view of a model; a fault says what prevents it, and where.
    pub fn new(model: Model) -> Result<DensityView, Fault> {
        let (func, captures) = match &model.start {
            Start::Func(func) => (*func, Vec::new()),
            Start::Closure(Value::Closure(closure)) => (closure.function, closure.captures.clone()),
            Start::Closure(_) => return Err(Fault::internal("a model that is not a function")),
        };
        let mut traced = trace::trace(&model.code.program, FuncId(func), &captures).map_err(fault)?;
        let code = density::compile(&mut traced).map_err(|reason| without_gradient(&reason))?;
        let places = in_order(&traced.choices);
        let mut view = DensityView { model, code, places, coordinates: Vec::new() };
        let mut names = vec![String::new(); view.code.dim];
        let mut random = crate::model::Production(crate::value::Generator::new(0));
        let point = view.initial(&mut random)?;
        view.go(&mut random, Purpose::Constrain(&point, None), Some(&mut names))?;
        view.coordinates = names;
        Ok(view)
    }

    /// The log density as the machine computes it, slowly: what array code is compared with.
    ///
    /// # Errors
    /// As a run of the model has them.
    pub fn density_by_machine(&self, x: &[f64]) -> Result<f64, Fault> {
        let mut total = 0.0;
        let mut random = crate::model::Production(crate::value::Generator::new(0));
        self.go(&mut random, Purpose::Constrain(x, Some(&mut total)), None)?;
        Ok(total)
    }

    fn go(
        &self,
        random: &mut dyn Random,
        mut purpose: Purpose<'_>,
        mut names: Option<&mut Vec<String>>,
    ) -> Result<Weighted, Fault> {
        let model = &self.model;
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
        loop {
            let event = machine.run(code);
            match event? {
                Event::Done => break,
                // A weight of zero: the values are still those of the vector.
                Event::Score { .. } => {}
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
                        match &mut purpose {
                            Purpose::Constrain(x, total) => {
                                point.clear();
                                point.extend(places.iter().map(|k| x[*k as usize]));
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
                                    for (k, place) in places.iter().enumerate() {
                                        names[*place as usize] =
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
                                for (place, x) in places.iter().zip(&point) {
                                    out[*place as usize] = *x;
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
            *total += machine.log_weight;
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

/// The coordinates of every choice of a run, in the order of the run.
fn in_order(choices: &[Choice]) -> Vec<Vec<u32>> {
    let mut keyed: Vec<(Vec<u32>, Vec<u32>)> = Vec::new();
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
        self.go(random, Purpose::Constrain(x, None), None)
    }

    fn unconstrain(&self, named: &[(String, Value)]) -> Result<Vec<f64>, Fault> {
        let values: HashMap<&str, &Value> = named.iter().map(|(name, value)| (name.as_str(), value)).collect();
        let mut out = vec![0.0; self.code.dim];
        let mut random = crate::model::Production(crate::value::Generator::new(0));
        self.go(&mut random, Purpose::Unconstrain(&values, &mut out), None)?;
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
