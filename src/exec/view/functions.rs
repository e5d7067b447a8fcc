//! Calling function values of a running program from kernels.

use super::branching::{MOST_OUTCOMES, finite_values};
use super::{Model, choice_name, choose_outcome, dead, unexpected};
use crate::core::{Type, TypeKind};
use crate::exec::machine::code::ArrayKind;
use crate::exec::machine::{Event, Machine};
use crate::model::{Answer, Drawn, Functions, Ran, Random, Shape, Stopped, Watched};
use crate::value::domain::Size;
use crate::value::{DistValue, Fault, Generator, Value};
use std::sync::Arc;

/// The functions of the program of a model.
pub struct ModelFunctions {
    model: Model,
    /// What the model returns.
    result: Type,
}

impl ModelFunctions {
    /// The functions of the program that a model, which takes no arguments, belongs to.
    pub fn new(model: Model) -> ModelFunctions {
        let result = model.result_type();
        ModelFunctions { model, result }
    }

    fn machine(&self) -> Machine {
        let mut machine = Machine::default();
        machine.limits = self.model.limits;
        machine.print_buffer = 1 << 13;
        machine
    }

    fn dist<'v>(&self, dist: &'v Value) -> Result<&'v DistValue, Fault> {
        match dist {
            Value::Dist(dist) => Ok(dist),
            other => Err(Fault::internal(format!("expected a distribution, found {other:?}"))),
        }
    }

    /// Calls a function of the program by its number; nothing in it may pause.
    fn plain(&self, func: u32, args: &[Value], generator: Option<&mut Generator>) -> Result<Value, Fault> {
        let code = &*self.model.code;
        let mut machine = self.machine();
        machine.start(code, func, args)?;
        machine.draw = generator.is_some();
        if let Some(generator) = &generator {
            machine.generator = **generator;
        }
        let event = machine.run(code)?;
        if let Some(generator) = generator {
            *generator = machine.generator;
        }
        match event {
            Event::Done => Ok(std::mem::take(&mut machine.returned)),
            event => Err(unexpected(event)),
        }
    }
}

fn weighs(what: &str) -> Fault {
    Fault::error(format!("{what} observes or weighs something, which means nothing there"))
        .hint("move `observe`, `factor` and `condition` into the model")
}

impl Functions for ModelFunctions {
    fn check(&self, function: &Value, takes: &[Shape<'_>], gives_trace: bool) -> Result<(), Fault> {
        let code = &*self.model.code;
        let of = |function: &Value| match function {
            Value::Closure(closure) => code.funcs.get(closure.function as usize),
            _ => None,
        };
        let Some(func) = of(function) else { return Err(Fault::internal("a kernel holds what is no function")) };
        let trace = |of: Type| Type::new(TypeKind::Host("Trace".into(), vec![of]));
        let shown = || format!("this kernel is written for another model: this one returns {}", self.result);
        for (ty, shape) in func.param_types.iter().zip(takes) {
            // What a function leaves open, because it does not look at it, is `()`, and takes anything.
            let open = *ty == Type::UNIT || *ty == trace(Type::UNIT);
            let wanted = match shape {
                Shape::Value => self.result,
                Shape::Trace => trace(self.result),
                Shape::ResultOf(function) => of(function).map_or(Type::UNIT, |func| func.result_type),
            };
            if !open && *ty != wanted {
                return Err(Fault::error(shown()).hint(format!("a function of the kernel takes {ty}, not {wanted}")));
            }
        }
        if func.param_types.len() != takes.len() {
            return Err(Fault::internal("a kernel holds a function of another number of parameters"));
        }
        if gives_trace && func.result_type != trace(self.result) && func.result_type != trace(Type::UNIT) {
            let hint = format!("a function of the kernel gives {}", func.result_type);
            return Err(Fault::error(shown()).hint(hint));
        }
        Ok(())
    }

    fn call(&self, function: &Value, args: Vec<Value>, random: &mut dyn Random) -> Result<Value, Fault> {
        let code = &*self.model.code;
        let mut machine = self.machine();
        machine.start_closure(code, function, &args)?;
        drop(args);
        machine.pause_at_scores = false;
        loop {
            machine.draw = random.generator().is_some();
            if let Some(generator) = random.generator() {
                machine.generator = *generator;
            }
            let event = machine.run(code);
            if let Some(generator) = random.generator() {
                *generator = machine.generator;
            }
            match event? {
                Event::Done => break,
                Event::Sample { func, sample } => {
                    let value = choose_outcome(&mut machine, code, func, sample, random)?;
                    machine.supply(code, func, sample, value)?;
                }
                Event::Host { func, host } => {
                    self.model.call_host(&mut machine, func, host, random)?;
                }
                Event::Printed => self.model.flush(&mut machine),
                Event::Score { .. } => return Err(weighs("the function of a kernel")),
                event => return Err(unexpected(event)),
            }
        }
        self.model.flush(&mut machine);
        if machine.log_weight != 0.0 {
            return Err(weighs("the function of a kernel"));
        }
        Ok(std::mem::take(&mut machine.returned))
    }

    fn run(
        &self,
        function: &Value,
        args: Vec<Value>,
        answer: &mut dyn FnMut(&str) -> Answer,
        random: &mut dyn Random,
    ) -> Result<Result<Ran, Stopped>, Fault> {
        let code = &*self.model.code;
        let mut machine = self.machine();
        machine.start_closure(code, function, &args)?;
        drop(args);
        machine.pause_at_scores = false;
        machine.draw = false;
        let mut ran = Ran::default();
        loop {
            let event = match machine.run(code) {
                Ok(event) => event,
                Err(fault) => return dead(fault).map(|dead| Err(Stopped::Dead(dead))),
            };
            match event {
                Event::Done => break,
                Event::Sample { func, sample } => {
                    let site = code.funcs[func as usize].samples[sample as usize].site;
                    let Some(name) = choice_name(&machine, code, func, sample) else {
                        let fault =
                            Fault::error("a choice of a proposal has no name, so that its density cannot count")
                                .hint("write `name ~ distribution`, with the name of a choice of the model");
                        return Err(machine.fault_here(code, fault));
                    };
                    let mut told = None;
                    let value = match answer(&name) {
                        Answer::Describe => {
                            let support = machine.choice_support(code, func, sample)?;
                            let (dist, args) = machine.choice_distribution(code, func, sample)?;
                            let name = code.dists[dist as usize].name;
                            told = Some((support, Value::Dist(Arc::new(DistValue { name, dist, args }))));
                            super::traced::draw(&mut machine, code, func, sample, random)?
                        }
                        Answer::Stop => return Ok(Err(Stopped::At(name))),
                        Answer::Take(value) => match conform(code.sites[site as usize].ty, value) {
                            Some(value) => value,
                            None => return Ok(Err(Stopped::At(name))),
                        },
                        Answer::Draw => super::traced::draw(&mut machine, code, func, sample, random)?,
                    };
                    let logp = match machine.choice_logp(code, func, sample, &value) {
                        Ok(logp) => logp,
                        Err(fault) => return dead(fault).map(|dead| Err(Stopped::Dead(dead))),
                    };
                    machine.supply(code, func, sample, value.clone())?;
                    if ran.find(&name).is_some() {
                        let fault = Fault::error(format!("two choices of a proposal are both named `{name}`"));
                        return Err(machine.fault_here(code, fault));
                    }
                    ran.drawn.push(Drawn { name, value, logp, site: told });
                }
                Event::Host { func, host } => {
                    let mut watched = Watched::new(random);
                    self.model.call_host(&mut machine, func, host, &mut watched)?;
                    if watched.asked() {
                        let fault = Fault::error("a proposal calls a random function whose choices cannot count");
                        return Err(machine.fault_here(code, fault));
                    }
                }
                Event::Printed => self.model.flush(&mut machine),
                Event::Score { .. } => return Err(weighs("a proposal")),
                event => return Err(unexpected(event)),
            }
        }
        self.model.flush(&mut machine);
        if machine.log_weight != 0.0 {
            return Err(weighs("a proposal"));
        }
        ran.value = std::mem::take(&mut machine.returned);
        Ok(Ok(ran))
    }

    fn assign(&self, function: &Value, args: Vec<Value>) -> Result<Vec<(String, Value)>, Fault> {
        let code = &*self.model.code;
        let mut machine = self.machine();
        machine.start_closure(code, function, &args)?;
        drop(args);
        machine.pause_at_scores = false;
        machine.draw = false;
        let mut written = Vec::new();
        loop {
            match machine.run(code)? {
                Event::Done => break,
                Event::Sample { func, sample } => {
                    let (dist, args) = machine.choice_distribution(code, func, sample)?;
                    let name = choice_name(&machine, code, func, sample);
                    let value = args.into_iter().next();
                    let (Some(name), Some(value), "Dirac") = (name, value, code.dists[dist as usize].name.as_str())
                    else {
                        let fault = Fault::error("the transformation of an involution draws something")
                            .hint("it is deterministic, and says new values by `name ~ Dirac(value)`");
                        return Err(machine.fault_here(code, fault));
                    };
                    machine.supply(code, func, sample, value.clone())?;
                    written.push((name, value));
                }
                Event::Printed => self.model.flush(&mut machine),
                Event::Score { .. } => return Err(weighs("the transformation of an involution")),
                Event::Host { func, host } => {
                    let name = code.funcs[func as usize].hosts[host as usize].name;
                    let fault = Fault::error(format!(
                        "the transformation of an involution calls `{name}`, which may be random"
                    ));
                    return Err(machine.fault_here(code, fault));
                }
                event => return Err(unexpected(event)),
            }
        }
        self.model.flush(&mut machine);
        Ok(written)
    }

    fn draw(&self, dist: &Value, random: &mut dyn Random) -> Result<Value, Fault> {
        let dist = self.dist(dist)?;
        let code = &self.model.code.dists[dist.dist as usize];
        if let Some(generator) = random.generator() {
            let Some(sample) = code.sample else {
                return Err(Fault::error(format!("`{}` cannot be sampled", dist.name)));
            };
            return self.plain(sample, &dist.args, Some(generator));
        }
        let support = match code.support {
            Some(support) => self.plain(support, &dist.args, None)?,
            None => Value::Unit,
        };
        let values = match &support {
            Value::Domain(domain) if matches!(domain.size(), Size::Finite(n) if n <= MOST_OUTCOMES) => {
                finite_values(domain)
            }
            _ => {
                return Err(Fault::error(format!("`{}` is not finite, so it cannot be enumerated", dist.name)));
            }
        };
        let shown = Value::Dist(Arc::new(dist.clone()));
        let weights =
            values.iter().map(|value| Ok(self.logp(&shown, value)?.exp())).collect::<Result<Vec<f64>, Fault>>()?;
        Ok(values[random.choose(&weights)].clone())
    }

    fn logp(&self, dist: &Value, value: &Value) -> Result<f64, Fault> {
        let dist = self.dist(dist)?;
        let code = &self.model.code.dists[dist.dist as usize];
        let Some(value) = conform(code.value, value.clone()) else { return Ok(f64::NEG_INFINITY) };
        let mut args = dist.args.clone();
        args.push(value);
        Ok(self.plain(code.logp, &args, None)?.as_real().unwrap_or(f64::NAN))
    }
}

/// The value in the representation of a type; none when it is of another. Integers are widened.
pub(super) fn conform(ty: Type, value: Value) -> Option<Value> {
    let all = |types: &mut dyn Iterator<Item = Type>, values: &[Value]| -> Option<Vec<Value>> {
        values.iter().map(|value| conform(types.next()?, value.clone())).collect()
    };
    match (ty.kind(), value) {
        (TypeKind::Real, value @ Value::Real(_)) => Some(value),
        (TypeKind::Real, Value::Int(n)) => Some(Value::Real(n as f64)),
        (TypeKind::Int, value @ Value::Int(_))
        | (TypeKind::Bool, value @ Value::Bool(_))
        | (TypeKind::Unit, value @ Value::Unit)
        | (TypeKind::Str, value @ Value::Str(_))
        | (TypeKind::Matrix, value @ Value::Matrix(_)) => Some(value),
        (TypeKind::Array(element), value) => match (ArrayKind::of_element(*element), value) {
            (ArrayKind::Reals, value @ Value::Reals(_))
            | (ArrayKind::Ints, value @ Value::Ints(_))
            | (ArrayKind::Bools, value @ Value::Bools(_)) => Some(value),
            (ArrayKind::Reals, Value::Ints(xs)) => Some(Value::reals(xs.iter().map(|n| *n as f64).collect())),
            (ArrayKind::Values, Value::Values(xs)) => {
                Some(Value::Values(Arc::new(all(&mut std::iter::repeat(*element), &xs)?)))
            }
            _ => None,
        },
        (TypeKind::Tuple(types), Value::Tuple(parts)) if types.len() == parts.0.len() => {
            all(&mut types.iter().copied(), &parts.0).map(Value::tuple)
        }
        (TypeKind::Record(fields), Value::Record(record))
            if fields.iter().map(|(name, _)| name).eq(record.names.iter()) =>
        {
            Some(Value::record(record.names, all(&mut fields.iter().map(|(_, ty)| *ty), &record.fields)?))
        }
        (TypeKind::Variant(..), value @ Value::Variant(_)) => {
            let Value::Variant(variant) = &value else { return None };
            let (name, types) = ty.constructors()?.get(variant.tag as usize)?;
            let fits = *name == variant.name
                && types.len() == variant.fields.len()
                && all(&mut types.iter().copied(), &variant.fields).is_some();
            fits.then_some(value)
        }
        (TypeKind::Dist(_), value @ Value::Dist(_))
        | (TypeKind::Fn(..), value @ Value::Closure(_))
        | (TypeKind::Domain(_), value @ Value::Domain(_)) => Some(value),
        (TypeKind::Posterior(_) | TypeKind::Host(..), value @ Value::Host(_)) => Some(value),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_brought_to_their_type() {
        assert_eq!(conform(Type::REAL, Value::Int(3)), Some(Value::Real(3.0)));
        assert_eq!(conform(Type::INT, Value::Real(3.0)), None);
        assert_eq!(conform(Type::REAL.array(), Value::ints(vec![1])), Some(Value::reals(vec![1.0])));
        let pair = Type::new(TypeKind::Tuple(vec![Type::INT, Type::BOOL]));
        assert_eq!(conform(pair, Value::tuple(vec![Value::Int(1), Value::Int(2)])), None);
        assert!(conform(pair, Value::tuple(vec![Value::Int(1), Value::Bool(true)])).is_some());
    }
}
