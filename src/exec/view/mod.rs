//! The views of a compiled model, on the machine.

pub mod branching;
pub mod density;
pub mod forward;
pub mod functions;
mod graph;
pub mod guided;
pub mod initial;
pub mod recorded;
pub mod runs;
pub mod stepped;
pub mod traced;

use super::machine::{Code, Event, Limits, Machine};
use crate::core::Type;
use crate::model::{Dead, Production, Random};
use crate::source::Name;
use crate::value::fault::FaultKind;
use crate::value::{Fault, Value};
use std::sync::Arc;

/// Runs the functions of the host that a program calls, such as inference methods.
pub trait Host: Send + Sync {
    /// Calls a function by name; closures among the arguments belong to `code`.
    fn call(&self, code: &Arc<Code>, name: Name, args: Vec<Value>, random: &mut dyn Random) -> Result<Value, Fault>;

    /// Takes what the program printed.
    fn print(&self, text: &str);
}

/// What a view runs: a function of the program without arguments, or a function value without parameters.
#[derive(Clone, Debug)]
pub enum Start {
    Func(u32),
    Closure(Value),
}

/// A compiled model, shared by its views.
#[derive(Clone)]
pub struct Model {
    pub code: Arc<Code>,
    pub start: Start,
    pub host: Arc<dyn Host>,
    pub limits: Limits,
    /// Record every named choice of a run.
    pub record: bool,
    /// The code as it was before a pass that is for this model alone: what the model gives to the host belongs to it.
    pub plain: Option<Arc<Code>>,
}

impl Model {
    /// A model that is as it was written, and records nothing.
    pub fn new(code: Arc<Code>, start: Start, host: Arc<dyn Host>, limits: Limits) -> Model {
        Model { code, start, host, limits, record: false, plain: None }
    }

    /// The model with its conjugate choices delayed. Named choices are recorded where they are made, so a model that records them is as it was.
    pub fn delayed(self) -> Model {
        match &self.code.delayed {
            Some(delayed) if !self.record => Model { code: Arc::clone(delayed), plain: Some(self.code), ..self },
            _ => self,
        }
    }

    /// A machine at the start of the model.
    pub fn begin(&self, machine: &mut Machine) -> Result<(), Fault> {
        machine.limits = self.limits;
        machine.print_buffer = 1 << 13;
        match &self.start {
            Start::Func(func) => machine.start(&self.code, *func, &[]),
            Start::Closure(closure) => machine.start_closure(&self.code, closure, &[]),
        }
    }

    /// The type of what the model returns.
    pub fn result_type(&self) -> Type {
        let func = match &self.start {
            Start::Func(func) => *func,
            Start::Closure(Value::Closure(closure)) => closure.function,
            Start::Closure(_) => return Type::UNIT,
        };
        self.code.funcs.get(func as usize).map_or(Type::UNIT, |func| func.result_type)
    }

    /// Executes the host function at which a machine is paused, and gives its result.
    fn call_host(&self, machine: &mut Machine, func: u32, host: u32, random: &mut dyn Random) -> Result<Value, Fault> {
        let args = machine.host_args(&self.code, func, host);
        self.call_host_with(machine, func, host, args, random)
    }

    /// As [`Model::call_host`], with arguments that were taken from the machine before.
    fn call_host_with(
        &self,
        machine: &mut Machine,
        func: u32,
        host: u32,
        args: Vec<Value>,
        random: &mut dyn Random,
    ) -> Result<Value, Fault> {
        let name = self.code.funcs[func as usize].hosts[host as usize].name;
        let code = self.plain.as_ref().unwrap_or(&self.code);
        let value = self.host.call(code, name, args, random).map_err(|fault| machine.fault_here(&self.code, fault))?;
        machine.supply_host(&self.code, func, host, value.clone())?;
        Ok(value)
    }

    /// As [`Model::call_host`], with the randomness of the machine's own generator.
    fn call_host_drawing(&self, machine: &mut Machine, func: u32, host: u32) -> Result<(), Fault> {
        let mut random = Production(machine.generator.split());
        self.call_host(machine, func, host, &mut random).map(|_| ())
    }

    /// Passes on what a machine printed.
    fn flush(&self, machine: &mut Machine) {
        if !machine.printed.is_empty() {
            self.host.print(&machine.printed);
            machine.printed.clear();
        }
    }
}

/// A fault that means a weight of zero, or the fault itself.
fn dead(fault: Fault) -> Result<Dead, Fault> {
    if fault.kind == FaultKind::Domain { Ok(Dead::Domain(Box::new(fault))) } else { Err(fault) }
}

/// The site of a score event.
fn score_site(code: &Code, func: u32, score: u32) -> u32 {
    code.funcs[func as usize].scores[score as usize].site
}

/// The named choice at which a machine is paused, if it is one that the user sees.
fn choice_name(machine: &Machine, code: &Code, func: u32, sample: u32) -> Option<String> {
    let info = &code.funcs[func as usize].samples[sample as usize];
    let site = &code.sites[info.site as usize];
    site.named.then(|| machine.site_name(code, info.site, &info.path).to_string())
}

/// Draws the choice at which a machine is paused through a handler that has no generator: by its finitely many outcomes.
fn choose_outcome(
    machine: &mut Machine,
    code: &Code,
    func: u32,
    sample: u32,
    random: &mut dyn Random,
) -> Result<Value, Fault> {
    if random.exhausted() {
        return Err(Fault::limit("a run makes too many choices for all its outcomes to be followed")
            .hint("use a method that draws, or `enumerate`, which follows runs by their probability"));
    }
    let outcomes = branching::outcomes(machine, code, func, sample)?;
    let weights: Vec<f64> = outcomes.values.iter().map(|(_, logp)| logp.exp()).collect();
    if weights.is_empty() {
        return Err(Fault::error("the choice has no outcome"));
    }
    Ok(outcomes.values[random.choose(&weights)].0.clone())
}

/// An event that a run of a whole program cannot meet here.
fn unexpected(event: Event) -> Fault {
    Fault::internal(format!("unexpected {event:?}"))
}
