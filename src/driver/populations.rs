//! Joins the functions of populations and chains to their code.

use super::host::{Args, host, recording, unfinished};
use crate::exec::view::forward::ForwardView;
use crate::exec::view::functions::ModelFunctions;
use crate::exec::view::recorded::RecordedView;
use crate::exec::view::stepped::SteppedView;
use crate::exec::view::traced::TracedView;
use crate::exec::view::{Model, Start};
use crate::infer::chains;
use crate::infer::course;
use crate::infer::ensemble::{self, Ensemble};
use crate::infer::kernel::Kernel;
use crate::infer::population::{self, ASK_FOR_CHOICES, Population};
use crate::infer::trace::TraceOf;
use crate::model::{Path, Random};
use crate::posterior::{Info, Posterior};
use crate::value::{Fault, HostObject, Value, interrupt};
use std::sync::Arc;

/// A population, whose runs keep what they drew where the program may ask for it.
enum Held {
    Plain(Population<SteppedView>),
    Recorded(Population<RecordedView>),
}

/// Does the same with a population of either kind.
macro_rules! either {
    ($held:expr, $population:ident => $body:expr) => {
        match $held {
            Held::Plain($population) => $body,
            Held::Recorded($population) => $body,
        }
    };
}

/// Looks at the population that is the next argument, which may be held elsewhere too: nothing is copied.
macro_rules! looking {
    ($args:expr, $population:ident => $body:expr) => {{
        let object = $args.host()?;
        match object.as_any().downcast_ref::<Population<SteppedView>>() {
            Some($population) => $body,
            None => {
                let $population = $args.look::<Population<RecordedView>>(&object)?;
                $body
            }
        }
    }};
}

impl Held {
    fn take(args: &mut Args) -> Result<Held, Fault> {
        match args.host()? {
            object if object.as_any().is::<Population<SteppedView>>() => args.cast(object).map(Held::Plain),
            object => args.cast(object).map(Held::Recorded),
        }
    }

    fn value(self) -> Value {
        either!(self, population => host(population))
    }

    fn object(&self) -> &dyn HostObject {
        either!(self, population => population)
    }
}

fn unrecorded(held: &Held) -> Fault {
    Fault::error(format!("{} did not keep what it drew", held.object().display()))
        .hint("spawn it in the same function or statement")
}

/// Rates by name as a value of the language.
pub(super) fn rates(table: &Info) -> Value {
    let Info::Table(rates) = table else { return Value::array_of(Vec::new()) };
    let pair = |(name, rate): &(String, f64)| Value::tuple(vec![Value::string(name), Value::Real(*rate)]);
    Value::Values(Arc::new(rates.iter().map(pair).collect()))
}

/// The rates that such a value holds.
fn rates_of(table: &Value) -> Vec<(String, f64)> {
    let pair = |value: Value| match &value {
        Value::Tuple(parts) => Some((parts.0.first()?.to_string(), parts.0.get(1)?.as_real()?)),
        _ => None,
    };
    (0..table.array_len().unwrap_or(0)).filter_map(|k| table.element(k)).filter_map(pair).collect()
}

/// Whether the program that holds a model may ask for what particles drew.
fn asks_for_choices(model: &Model) -> bool {
    let mut hosts = model.code.funcs.iter().flat_map(|func| &func.hosts);
    hosts.any(|host| ASK_FOR_CHOICES.contains(&host.name.as_str()))
}

fn spawn(model: Model, particles: usize, delay: bool, all: bool) -> Result<Value, Fault> {
    let model = recording(model, all);
    let mut held = match asks_for_choices(&model) {
        false => {
            let model = if delay { model.delayed() } else { model };
            Held::Plain(population::spawn(Arc::new(SteppedView::new(model)), particles)?)
        }
        true => Held::Recorded(population::spawn(Arc::new(RecordedView::new(model)), particles)?),
    };
    either!(&mut held, population => population.all = all);
    Ok(held.value())
}

/// Calls a function of ensembles; none where the name or the first argument is of another kind.
fn call_ensembles(
    args: &mut Args,
    all: bool,
    model: &impl Fn(Value) -> Result<Model, Fault>,
    random: &mut dyn Random,
) -> Result<Option<Value>, Fault> {
    let name = args.name;
    if name.as_str() == "ensemble" {
        let closure = args.value();
        let view = Arc::new(TracedView::new(model(closure.clone())?));
        return ensemble::ensemble(&view, &closure, args.count()?, random).map(|e| Some(host(e)));
    }
    if name.as_str() == "at_temperature" {
        let mut trace: TraceOf<TracedView> = args.object()?;
        trace.0.temperature = args.real()?;
        return Ok(Some(host(trace)));
    }
    if !args.begins_with::<Ensemble<TracedView>>() {
        return Ok(None);
    }
    let mut ensemble: Ensemble<TracedView> = args.object()?;
    match name.as_str() {
        "temper" => ensemble.temper(args.real()?)?,
        "resample" => {
            let (scheme, below) = (args.scheme()?, args.real()?);
            ensemble.resample(scheme, below, random);
        }
        "move" => {
            let kernel: Kernel = args.object()?;
            let times = args.count()?;
            if let Some(closure) = ensemble.model().map(|walker| walker.model.clone()) {
                interrupt::stop_if_interrupted()?;
                ensemble.move_by(&kernel, times, &ModelFunctions::new(model(closure)?), random)?;
            }
        }
        "finish" => return ensemble.finish(&args.value().to_string(), all, random).map(|p| Some(host(p))),
        _ => return Ok(None),
    }
    Ok(Some(host(ensemble)))
}

/// Calls a function of populations or chains; none where the name is that of another. `model` makes the model of a closure.
pub(super) fn call(
    args: &mut Args,
    all: bool,
    model: impl Fn(Value) -> Result<Model, Fault>,
    random: &mut dyn Random,
) -> Result<Option<Value>, Fault> {
    if let Some(value) = call_ensembles(args, all, &model, random)? {
        return Ok(Some(value));
    }
    let value = match args.name.as_str() {
        "spawn" => spawn(model(args.value())?, args.count()?, args.flag(), all)?,
        "retain" => {
            let model = recording(model(args.value())?, all);
            let path: Path = args.object()?;
            let (particles, ancestors) = (args.count()?, args.flag());
            let view = Arc::new(RecordedView::new(model));
            let mut population = population::retain(view, &path, particles, ancestors)?;
            population.all = all;
            host(population)
        }
        "advance" => {
            let mut held = Held::take(args)?;
            interrupt::stop_if_interrupted()
                .and_then(|()| either!(&mut held, population => population.advance(random)))
                .map_err(unfinished)?;
            held.value()
        }
        "advance_alive" => {
            let mut held = Held::take(args)?;
            let tries = args.count()?;
            interrupt::stop_if_interrupted()
                .and_then(|()| either!(&mut held, population => population.advance_alive(tries, random)))
                .map_err(unfinished)?;
            held.value()
        }
        "look_ahead" => Value::reals(looking!(args, population => population.look_ahead(args.count()?, random)?)),
        "resample" => {
            let mut held = Held::take(args)?;
            let (scheme, below) = (args.scheme()?, args.real()?);
            either!(&mut held, population => population.resample(scheme, below, random)?);
            held.value()
        }
        "resample_by" => {
            let mut held = Held::take(args)?;
            let Value::Reals(promise) = args.value() else { return Err(Fault::internal("a promise is an array")) };
            let scheme = args.scheme()?;
            either!(&mut held, population => population.resample_by(&promise, scheme, random)?);
            held.value()
        }
        "running" => Value::Bool(looking!(args, population => population.running())),
        "finish" => {
            let (held, method) = (Held::take(args)?, args.value().to_string());
            host(either!(held, population => population.finish(&method)?))
        }
        "without_evidence" => {
            let mut held = Held::take(args)?;
            either!(&mut held, population => population.drop_evidence());
            held.value()
        }
        "pick" => match Held::take(args)? {
            Held::Recorded(population) => host(population.pick(random)?),
            held => return Err(unrecorded(&held)),
        },
        "move" => match Held::take(args)? {
            Held::Recorded(mut population) => {
                let kernel: Kernel = args.object()?;
                let times = args.count()?;
                let model = population.view().model().clone();
                let closure = match &model.start {
                    Start::Closure(closure) => closure.clone(),
                    Start::Func(_) => Value::Unit,
                };
                let functions = ModelFunctions::new(model);
                population.move_by((&kernel, times), (&closure, &functions), random)?;
                host(population)
            }
            held => return Err(unrecorded(&held)),
        },
        "freeze" => match Held::take(args)? {
            Held::Recorded(mut population) => {
                population.freeze();
                host(population)
            }
            // Nothing will move what was not kept.
            held => held.value(),
        },
        "value_of" => args.object::<Path>()?.value,
        "replicate" => {
            let model = model(args.value())?;
            let runs = args.count()?;
            Value::array_of(chains::replicate(|| ForwardView::new(model.clone()), runs, random)?)
        }
        "update_rates" => {
            let view = RecordedView::new(model(args.value())?);
            let changes = view.changes(&args.object::<Path>()?)?;
            let changes: course::Rates =
                changes.into_iter().map(|(name, changed, made)| (name, (changed, made))).collect();
            rates(&course::table(&changes))
        }
        "with_acceptance" => {
            let mut posterior: Posterior = args.object()?;
            let tables = args.value();
            let tables = (0..tables.array_len().unwrap_or(0)).filter_map(|k| tables.element(k));
            chains::with_acceptance(&mut posterior, tables.map(|table| rates_of(&table)).collect());
            host(posterior)
        }
        "from_chains" => {
            let (chains, method) = (args.value(), args.value().to_string());
            let acceptance: Vec<f64> = match args.value() {
                Value::Reals(rates) => rates.to_vec(),
                _ => Vec::new(),
            };
            host(chains::from_chains(&chains, &method, &acceptance))
        }
        _ => return Ok(None),
    };
    Ok(Some(value))
}
