//! Joins the declared inference methods to their code, for programs and for the command line.

use crate::exec::machine::{Code, Limits};
use crate::exec::view::branching::BranchingView;
use crate::exec::view::forward::ForwardView;
use crate::exec::view::stepped::SteppedView;
use crate::exec::view::traced::TracedView;
use crate::exec::view::{Host, Model, Start};
use crate::infer::{self, enumerate, importance, mh, rejection, resample::Resampler, smc};
use crate::model::Random;
use crate::posterior::Posterior;
use crate::source::world::Stream;
use crate::source::{Name, World};
use crate::value::fault::FaultKind;
use crate::value::{Fault, Value};
use std::sync::{Arc, Mutex, PoisonError};

/// Options of a method by name; those not given take their defaults.
pub type MethodOptions = Vec<(String, Value)>;

/// Runs methods for programs, and passes on what they print.
pub struct DriverHost {
    world: Arc<dyn World>,
    limits: Limits,
    /// Where the program's own output goes.
    pub stream: Mutex<Stream>,
}

impl DriverHost {
    /// A host that prints to standard output.
    pub fn new(world: Arc<dyn World>, limits: Limits) -> DriverHost {
        DriverHost { world, limits, stream: Mutex::new(Stream::Out) }
    }
}

impl Host for DriverHost {
    fn call(&self, code: &Arc<Code>, name: Name, args: Vec<Value>, random: &mut dyn Random) -> Result<Value, Fault> {
        let Some((_, method)) = infer::find(name.as_str()).next() else {
            return Err(Fault::internal(format!("no method `{name}`")));
        };
        let mut args = args.into_iter();
        let start = Start::Closure(args.next().unwrap_or_default());
        let options: MethodOptions = method.options().iter().map(|(name, _)| (*name).to_string()).zip(args).collect();
        let host: Arc<dyn Host> = Arc::new(DriverHost {
            world: Arc::clone(&self.world),
            limits: self.limits,
            stream: Mutex::new(*self.stream.lock().unwrap_or_else(PoisonError::into_inner)),
        });
        let model = Model { code: Arc::clone(code), start, host, limits: self.limits, record: false };
        let (posterior, _) = run_method(&model, method.name(), &options, false, random)?;
        Ok(Value::Host(Arc::new(posterior)))
    }

    fn print(&self, text: &str) {
        let stream = *self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if self.world.write(stream, text).is_err() {
            // Nobody reads the output any more: the run has no purpose.
            crate::exec::machine::run::INTERRUPTED.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
}

fn integer(options: &MethodOptions, name: &str) -> Option<i64> {
    options.iter().rev().find(|(n, _)| n == name).and_then(|(_, v)| v.as_int())
}

fn number(options: &MethodOptions, name: &str) -> Option<f64> {
    options.iter().rev().find(|(n, _)| n == name).and_then(|(_, v)| v.as_real())
}

fn count(options: &MethodOptions, name: &str, default: usize) -> Result<usize, Fault> {
    match integer(options, name) {
        None => Ok(default),
        Some(n) if (1..=1_000_000_000).contains(&n) => Ok(n as usize),
        Some(n) => Err(Fault::error(format!("the option `{name}` must lie between 1 and 1000000000, found {n}"))),
    }
}

/// Runs a method on a model; with `all` every named choice is kept. Gives the posterior and, for `infer`, why it chose the method.
pub fn run_method(
    model: &Model,
    name: &str,
    options: &MethodOptions,
    all: bool,
    random: &mut dyn Random,
) -> Result<(Posterior, Option<String>), Fault> {
    let record = |on: bool| Model { record: on, ..model.clone() };
    // A model that returns nothing is reported by its named choices.
    let returns_nothing = super::plan::returns_nothing(model);
    let recorded = record(all || returns_nothing);
    let posterior = match name {
        "enumerate" => {
            let defaults = enumerate::Options::default();
            let options = enumerate::Options {
                tolerance: number(options, "tolerance").unwrap_or(defaults.tolerance),
                states: count(options, "states", defaults.states)?,
            };
            enumerate::measure(&mut BranchingView::new(record(returns_nothing)), options)?.posterior("")
        }
        "importance" => {
            let draws = count(options, "draws", 10_000)?;
            importance::importance(|| ForwardView::new(recorded.clone()), draws, all, random)?
        }
        "rejection" => rejection::rejection(
            &mut ForwardView::new(recorded),
            count(options, "draws", 1000)?,
            number(options, "bound").unwrap_or(0.0),
            count(options, "tries", 100_000_000)? as u64,
            all,
            random,
        )?,
        "mh" => {
            let draws = count(options, "draws", 1000)?;
            let warmup = integer(options, "warmup").filter(|n| *n >= 0).map_or(draws / 2 + 100, |n| n as usize);
            let steps = integer(options, "steps").filter(|n| *n > 0).map(|n| n as usize);
            let chains = count(options, "chains", 4)?;
            let options = mh::Options { draws, warmup, chains, steps, all, tries: 10_000 };
            mh::mh(&TracedView::new(model.clone()), options, random)?
        }
        "smc" => {
            let name = options.iter().rev().find(|(n, _)| n == "resampler").map(|(_, v)| v.to_string());
            let name = name.unwrap_or_else(|| "systematic".into());
            let Some(resampler) = Resampler::named(&name) else {
                return Err(Fault::error(format!("no resampling scheme is called `{name}`"))
                    .hint("the schemes are systematic, stratified, multinomial and residual"));
            };
            let options = smc::Options {
                particles: count(options, "particles", 1000)?,
                resampler,
                threshold: number(options, "threshold").unwrap_or(0.5),
                all,
            };
            smc::smc(&SteppedView::new(recorded), options, random)?
        }
        "infer" => return choose(model, options, all, random),
        other => return Err(Fault::error(format!("no method is called `{other}`"))),
    };
    Ok((posterior, None))
}

/// `infer`: the first method of the plan that the model allows.
fn choose(
    model: &Model,
    options: &MethodOptions,
    all: bool,
    random: &mut dyn Random,
) -> Result<(Posterior, Option<String>), Fault> {
    let plan = super::plan::plan(model);
    let mut why_not = None;
    if plan.enumerable {
        let quick = vec![("states".to_string(), Value::Int(super::plan::QUICK_STATES))];
        match run_method(model, "enumerate", &quick, all, random) {
            Ok((posterior, _)) => return Ok((posterior, Some(plan.reason(None)))),
            Err(fault) if fault.kind == FaultKind::Interrupted => return Err(fault),
            Err(fault) => why_not = Some(fault.message),
        }
    }
    let method = plan.sampler();
    let (posterior, _) = run_method(model, method, options, all, random)?;
    Ok((posterior, Some(plan.reason(why_not.as_deref()))))
}
