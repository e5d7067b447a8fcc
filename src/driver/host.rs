//! Joins the functions that `infer/` declares to their code: what a program calls of the host is run here.

use super::memo::Memo;
use super::{gradients, plan, populations};
use crate::exec::machine::{Code, Limits};
use crate::exec::view::branching::BranchingView;
use crate::exec::view::forward::ForwardView;
use crate::exec::view::guided::GuidedView;
use crate::exec::view::{Host, Model, Start};
use crate::infer::kernel::Kernel;
use crate::infer::resample::{self, Resampler};
use crate::infer::{enumerate, importance, rejection};
use crate::model::{Forward, Random};
use crate::posterior::Posterior;
use crate::source::world::Stream;
use crate::source::{Name, World};
use crate::value::fault::FaultKind;
use crate::value::{Fault, HostObject, Value, interrupt};
use std::any::Any;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Runs methods for programs, and passes on what they print.
pub struct DriverHost {
    pub(super) world: Arc<dyn World>,
    limits: Limits,
    /// Where the program's own output goes.
    pub stream: Mutex<Stream>,
    /// Keep every named choice of the models that are inferred.
    pub all: AtomicBool,
    /// What an interrupted method has so far is its result. Programs that use results go on with whole ones only.
    pub partial: AtomicBool,
    /// Where chains are noted, while somebody wants to know them.
    pub(super) chains: Mutex<Option<Vec<ChainSeen>>>,
    exact: Memo,
    itself: Weak<DriverHost>,
}

/// A chain that a method ran.
#[derive(Clone)]
pub struct ChainSeen {
    pub model: Model,
    /// The function of the language that the model is.
    pub closure: Value,
    pub kernel: Kernel,
}

impl DriverHost {
    /// A host that prints to standard output.
    pub fn new(world: Arc<dyn World>, limits: Limits) -> Arc<DriverHost> {
        Arc::new_cyclic(|itself| DriverHost {
            world,
            limits,
            stream: Mutex::new(Stream::Out),
            all: AtomicBool::new(false),
            partial: AtomicBool::new(false),
            chains: Mutex::new(None),
            exact: Memo::default(),
            itself: Weak::clone(itself),
        })
    }

    /// Whether every named choice is kept.
    pub(super) fn keeps_all(&self) -> bool {
        self.all.load(Ordering::Relaxed)
    }

    /// The model that a function without parameters is.
    pub(super) fn model(&self, code: &Arc<Code>, closure: Value) -> Result<Model, Fault> {
        let host = self.itself.upgrade().ok_or_else(|| Fault::internal("the host of a running program is gone"))?;
        Ok(Model::new(Arc::clone(code), Start::Closure(closure), host, self.limits))
    }

    /// A posterior as a value, if it is whole or a part will do.
    pub(super) fn whole(&self, posterior: Posterior) -> Result<Value, Fault> {
        self.partly(host(posterior))
    }

    /// What the exact methods give: functions of their arguments, which draw nothing.
    fn exact_result(&self, code: &Arc<Code>, name: Name, args: Vec<Value>) -> Result<Value, Fault> {
        let mut args = Args { name, values: args.into_iter() };
        let model = self.model(code, args.value())?;
        if name.as_str() == "exactly" {
            return exactly(&model, args.count()?);
        }
        let options =
            enumerate::Options { tolerance: args.real()?, states: args.count()?, ..enumerate::Options::default() };
        Ok(host(enumerated(&model, options)?))
    }

    fn partly(&self, value: Value) -> Result<Value, Fault> {
        if !self.partial.load(Ordering::Relaxed) {
            interrupt::stop_if_interrupted()?;
        }
        Ok(value)
    }
}

impl Host for DriverHost {
    fn call(&self, code: &Arc<Code>, name: Name, args: Vec<Value>, random: &mut dyn Random) -> Result<Value, Fault> {
        let all = self.keeps_all();
        if matches!(name.as_str(), "enumerate" | "exactly") {
            return self.exact.get(code, name, args, |args| self.exact_result(code, name, args));
        }
        let mut args = Args { name, values: args.into_iter() };
        let args = &mut args;
        match name.as_str() {
            "sampler_for" => {
                let plan = plan::full(&self.model(code, args.value())?);
                Ok(Value::string(plan.sampler()))
            }
            "chosen" => {
                let mut posterior: Posterior = args.object()?;
                let model = self.model(code, args.value())?;
                let settled = posterior.exact || posterior.method == "nuts";
                let plan = if settled { plan::plan(&model) } else { plan::full(&model) };
                let why_not = args.value().to_string();
                posterior.reason = Some(plan.reason(&posterior.method, Some(&*why_not).filter(|why| !why.is_empty())));
                Ok(host(posterior))
            }
            "importance" => {
                let model = recording(self.model(code, args.value())?, all);
                let draws = args.count()?;
                let model = if args.flag() { model.delayed() } else { model };
                self.whole(importance::importance(|| ForwardView::new(model.clone()), draws, all, random)?)
            }
            "run_guided" => {
                let model = self.model(code, args.value())?;
                let guide = self.model(code, args.value())?;
                let (values, weight) = match GuidedView::new(model, guide).run(random)? {
                    Ok(run) => (vec![run.value], run.log_weight),
                    Err(_) => (Vec::new(), f64::NEG_INFINITY),
                };
                Ok(Value::tuple(vec![Value::array_of(values), Value::Real(weight)]))
            }
            "rejection" => {
                let model = recording(self.model(code, args.value())?, all);
                let (draws, bound, tries) = (args.count()?, args.real()?, args.count()? as u64);
                self.whole(rejection::rejection(&mut ForwardView::new(model), draws, bound, tries, all, random)?)
            }
            "ancestors" => {
                let weights = args.value();
                let Value::Reals(weights) = weights else { return Err(args.wrong()) };
                resample::survivors(&weights, args.scheme()?, random)
            }
            other => {
                if let Some(result) = self.call_kernels(code, other, args, random) {
                    return result;
                }
                let model = |closure| self.model(code, closure);
                if let Some(value) = populations::call(args, all, model, random)? {
                    return Ok(value);
                }
                match gradients::call(args, all, model, &|| self.world.now(), random)? {
                    Some(value) => self.partly(value),
                    None => Err(Fault::internal(format!("no function of the host is called `{name}`"))),
                }
            }
        }
    }

    fn print(&self, text: &str) {
        let stream = *self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        if self.world.write(stream, text).is_err() {
            // Nobody reads the output any more: the run has no purpose.
            interrupt::interrupt();
        }
    }
}

/// An interrupted filter has nothing to show: particles that stand in the middle of a model are no draws.
pub(super) fn unfinished(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::Interrupted => {
            let message = "interrupted: a particle filter has no draws before its particles have ended";
            Fault { message: message.into(), ..fault }
        }
        _ => fault,
    }
}

pub(super) fn host(object: impl HostObject) -> Value {
    Value::Host(Arc::new(object))
}

/// The model with its named choices recorded, if they are wanted or are all that it gives.
pub(super) fn recording(model: Model, all: bool) -> Model {
    let record = all || plan::returns_nothing(&model);
    Model { record, ..model }
}

fn enumerated(model: &Model, options: enumerate::Options) -> Result<Posterior, Fault> {
    let model = recording(model.clone(), false);
    enumerate::measure(&mut BranchingView::new(model), options)?.posterior("")
}

/// The exact posterior of a model and an empty text; or an empty posterior and why the exact one is out of reach.
fn exactly(model: &Model, states: usize) -> Result<Value, Fault> {
    let plan = plan::plan(model);
    let result = if plan.enumerable {
        enumerated(model, enumerate::Options { states, ..enumerate::Options::default() })
    } else {
        Err(Fault::error(plan.not_enumerable()))
    };
    match result {
        Ok(posterior) => Ok(Value::tuple(vec![host(posterior), Value::string("")])),
        Err(fault) if matches!(fault.kind, FaultKind::Interrupted | FaultKind::Domain) => Err(fault),
        Err(fault) => Ok(Value::tuple(vec![host(Posterior::default()), Value::string(&fault.message)])),
    }
}

/// The arguments of a call, taken in order.
pub(super) struct Args {
    pub(super) name: Name,
    values: std::vec::IntoIter<Value>,
}

impl Args {
    pub(super) fn value(&mut self) -> Value {
        self.values.next().unwrap_or_default()
    }

    /// Whether the next argument is an object of this kind.
    pub(super) fn begins_with<T: HostObject>(&self) -> bool {
        matches!(self.values.as_slice().first(), Some(Value::Host(object)) if object.as_any().is::<T>())
    }

    /// Whether there is no further argument.
    pub(super) fn is_done(&self) -> bool {
        self.values.len() == 0
    }

    pub(super) fn real(&mut self) -> Result<f64, Fault> {
        self.value().as_real().ok_or_else(|| Fault::internal(format!("`{}` takes a number here", self.name)))
    }

    /// A whole number of at least 1.
    pub(super) fn count(&mut self) -> Result<usize, Fault> {
        let name = self.name;
        let n = self.value().as_int().ok_or_else(|| Fault::internal(format!("`{name}` takes a whole number here")))?;
        if (1..=1_000_000_000).contains(&n) {
            return Ok(n as usize);
        }
        Err(Fault::error(format!("the numbers that `{name}` takes lie between 1 and 1000000000, found {n}")))
    }

    /// A whole number, or none for −1.
    pub(super) fn optional_count(&mut self) -> Result<Option<usize>, Fault> {
        let name = self.name;
        let n = self.value().as_int().ok_or_else(|| Fault::internal(format!("`{name}` takes a whole number here")))?;
        Ok((n >= 0).then_some(n as usize))
    }

    /// A number between 0 and 1, both excluded.
    pub(super) fn share(&mut self) -> Result<f64, Fault> {
        let name = self.name;
        let x = self.real()?;
        if x > 0.0 && x < 1.0 {
            return Ok(x);
        }
        Err(Fault::error(format!("`{name}` takes an acceptance rate between 0 and 1, found {}", Value::Real(x))))
    }

    /// A number above 0.
    pub(super) fn positive(&mut self) -> Result<f64, Fault> {
        let name = self.name;
        let x = self.real()?;
        if x > 0.0 && x.is_finite() {
            return Ok(x);
        }
        Err(Fault::error(format!("`{name}` takes a number above 0 here, found {}", Value::Real(x))))
    }

    pub(super) fn scheme(&mut self) -> Result<Resampler, Fault> {
        let name = self.value().to_string();
        Resampler::named(&name).ok_or_else(|| {
            Fault::error(format!("no resampling scheme is called `{name}`"))
                .hint("the schemes are systematic, stratified, multinomial and residual")
        })
    }

    pub(super) fn flag(&mut self) -> bool {
        matches!(self.value(), Value::Bool(true))
    }

    /// An object of the host, to be changed: it is copied only if somebody else holds it.
    pub(super) fn object<T: HostObject + Clone>(&mut self) -> Result<T, Fault> {
        let object = self.host()?;
        self.cast(object)
    }

    /// An object of the host of any kind.
    pub(super) fn host(&mut self) -> Result<Arc<dyn HostObject>, Fault> {
        match self.value() {
            Value::Host(object) => Ok(object),
            _ => Err(self.wrong()),
        }
    }

    /// An object as what it is.
    pub(super) fn cast<T: HostObject + Clone>(&self, object: Arc<dyn HostObject>) -> Result<T, Fault> {
        let object: Arc<dyn Any + Send + Sync> = object;
        Ok(Arc::unwrap_or_clone(object.downcast::<T>().map_err(|_| self.wrong())?))
    }

    /// An object as what it is, to be looked at.
    pub(super) fn look<'a, T: HostObject>(&self, object: &'a Arc<dyn HostObject>) -> Result<&'a T, Fault> {
        object.as_any().downcast_ref().ok_or_else(|| self.wrong())
    }

    fn wrong(&self) -> Fault {
        Fault::internal(format!("`{}` was given an object of another kind", self.name))
    }
}
