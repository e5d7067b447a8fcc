//! Function values of the language, as kernels call them.

use super::{Dead, Random};
use crate::value::{Domain, Fault, Value};
use std::sync::Arc;

/// What a parameter of a function must be able to take.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// What the model returns.
    Value,
    /// A trace of the model.
    Trace,
    /// What this function returns.
    ResultOf(&'a Value),
}

/// What happens at a named choice of a program that is run as a proposal.
#[derive(Clone, Debug)]
pub enum Answer {
    /// It is drawn.
    Draw,
    /// It is drawn, and its support and distribution are told.
    Describe,
    /// It has this value.
    Take(Value),
    /// The run ends.
    Stop,
}

/// A choice of a program that was run as a proposal.
#[derive(Clone, Debug)]
pub struct Drawn {
    pub name: String,
    pub value: Value,
    /// Its log density given the choices before it.
    pub logp: f64,
    /// Its support and its distribution, where these were asked for.
    pub site: Option<(Arc<Domain>, Value)>,
}

/// What a program did that was run as a proposal.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    pub value: Value,
    /// Its choices, in order.
    pub drawn: Vec<Drawn>,
}

impl Ran {
    /// The log density of all its choices.
    pub fn logp(&self) -> f64 {
        self.drawn.iter().map(|drawn| drawn.logp).sum()
    }

    /// The choice of a name.
    pub fn find(&self, name: &str) -> Option<&Drawn> {
        self.drawn.iter().find(|drawn| drawn.name == name)
    }
}

/// Why a program that was run as a proposal did not come to its end.
#[derive(Clone, Debug)]
pub enum Stopped {
    Dead(Dead),
    /// The answer at the choice of this name was to stop.
    At(String),
}

/// The function values and distributions of a running program.
pub trait Functions: Sync {
    /// Whether a function takes such arguments, and, where it must return a trace of the model, does so.
    ///
    /// # Errors
    /// When it does not, in words.
    fn check(&self, function: &Value, takes: &[Shape<'_>], gives_trace: bool) -> Result<(), Fault>;

    /// Calls a function; its choices are drawn, and it may not weigh.
    fn call(&self, function: &Value, args: Vec<Value>, random: &mut dyn Random) -> Result<Value, Fault>;

    /// Runs a program whose choices are all named, each answered by its name.
    fn run(
        &self,
        function: &Value,
        args: Vec<Value>,
        answer: &mut dyn FnMut(&str) -> Answer,
        random: &mut dyn Random,
    ) -> Result<Result<Ran, Stopped>, Fault>;

    /// Runs a deterministic program that writes values under names: `name ~ Dirac(value)`.
    fn assign(&self, function: &Value, args: Vec<Value>) -> Result<Vec<(String, Value)>, Fault>;

    /// A draw from a distribution.
    fn draw(&self, dist: &Value, random: &mut dyn Random) -> Result<Value, Fault>;

    /// The log density of a distribution at a value; −∞ where the value is of another type.
    fn logp(&self, dist: &Value, value: &Value) -> Result<f64, Fault>;
}
