//! Joins the gradient methods to the `Density` view of a model.

use super::density;
use super::host::{Args, host};
use super::plan;
use crate::exec::view::Model;
use crate::exec::view::density::DensityView;
use crate::infer::conjugate;
use crate::infer::gradient::{self, Init, Moves, Options};
use crate::infer::kit::warmup::Shape;
use crate::infer::normal_fit;
use crate::infer::optimise;
use crate::infer::sgld;
use crate::infer::variational::{self, Divergence, Family, Fit, Optimiser};
use crate::model::Random;
use crate::model::density::{Density as _, Target};
use crate::value::{Fault, Value};

const OTHERS: &str =
    "`mh` works for every model, `smc` where choices and observations alternate, `enumerate` for finite ones";

/// The `Density` view of a model, whose named choices are recorded if they are wanted or are all that it gives.
pub(super) fn view(model: Model, all: bool) -> Result<DensityView, Fault> {
    let record = all || plan::returns_nothing(&model);
    let view = part(Model { record, ..model }, Target::Joint)?;
    if view.dim() == 0 {
        return Err(Fault::error("this model has no gradient: none of its choices is continuous").hint(OTHERS));
    }
    Ok(view)
}

/// The view of a part of the density of a model.
fn part(model: Model, target: Target) -> Result<DensityView, Fault> {
    density::view(model, target).map_err(|fault| fault.hint(OTHERS))
}

/// An option that is none of those there are.
fn unknown(what: &str, found: &str, known: &str) -> Fault {
    Fault::error(format!("no {what} is called `{found}`")).hint(format!("there are {known}"))
}

/// Calls a gradient method; none if there is none of this name.
pub(super) fn call(
    args: &mut Args,
    all: bool,
    model: impl Fn(Value) -> Result<Model, Fault>,
    clock: &(dyn Fn() -> f64 + Sync),
    random: &mut dyn Random,
) -> Result<Option<Value>, Fault> {
    let name = args.name;
    Ok(Some(match name.as_str() {
        "nuts" | "hmc" | "mala" => {
            let view = view(model(args.value())?, all)?;
            let (draws, warmup, chains) = (args.count()?, args.optional_count()?, args.count()?);
            // A chain that is not settled after the default goes on by itself.
            let settle = warmup.is_none();
            let warmup = warmup.unwrap_or(if name.as_str() == "nuts" { 320 } else { 1000 });
            let (moves, target) = match name.as_str() {
                "nuts" => {
                    let target = args.share()?;
                    (Moves::NoUTurn { depth: args.count()?.min(30) }, target)
                }
                "hmc" => (Moves::Fixed { time: args.positive()? }, args.share()?),
                _ => (Moves::Langevin, args.share()?),
            };
            let shape = match args.value().to_string().as_str() {
                "diagonal" => Shape::Diagonal,
                "low_rank" => Shape::LowRank,
                "dense" => Shape::Dense,
                other => return Err(unknown("metric", other, "\"diagonal\", \"low_rank\" and \"dense\"")),
            };
            let init = match args.value().to_string().as_str() {
                "random" => Init::Random,
                "pathfinder" => Init::Pathfinder,
                other => return Err(unknown("start of chains", other, "\"random\" and \"pathfinder\"")),
            };
            let options = Options { moves, draws, warmup, settle, chains, target, shape, init, all };
            host(gradient::sample(name.as_str(), &view, options, clock, random)?)
        }
        "map_estimate" | "mle" => {
            let model = Model { record: true, ..model(args.value())? };
            let options = optimise::Options { starts: args.count()?, steps: args.count()?, all };
            let target = match name.as_str() {
                "mle" => Target::Likelihood,
                _ if args.flag() => Target::Joint,
                _ => Target::Values,
            };
            host(optimise::maximum(name.as_str(), &part(model, target)?, options, random)?)
        }
        "sgld" => {
            let model = model(args.value())?;
            let (draws, warmup, chains) = (args.count()?, args.optional_count()?.unwrap_or(500), args.count()?);
            let (batch, step, decay, thin) = (args.count()?, args.positive()?, args.real()?, args.count()?);
            if !(0.0..=1.0).contains(&decay) {
                return Err(Fault::error(format!("`decay` lies between 0 and 1, found {}", Value::Real(decay))));
            }
            let record = all || plan::returns_nothing(&model);
            let (view, minibatches) = density::subsampled(Model { record, ..model }, batch, random)?;
            let options =
                sgld::Options { draws, warmup, chains, batch, size: minibatches.size, step, decay, thin, all };
            host(sgld::sgld(&view, || minibatches.evaluators(), options, random)?)
        }
        "conjugate" => {
            let view = view(model(args.value())?, all)?;
            host(conjugate::conjugate(&view, args.count()?, all, random)?)
        }
        "laplace" => {
            let view = view(model(args.value())?, all)?;
            host(normal_fit::laplace(&view, args.count()?, all, random)?)
        }
        "pathfinder" => {
            let view = view(model(args.value())?, all)?;
            let (draws, paths) = (args.count()?, args.count()?);
            host(normal_fit::pathfinder(&view, draws, paths, all, random)?)
        }
        "vi" => {
            let view = view(model(args.value())?, all)?;
            let draws = args.count()?;
            let family = args.value().to_string();
            let steps = args.count()?;
            let batch = args.optional_count()?;
            let divergence = match args.value().to_string().as_str() {
                "reverse_kl" => Divergence::ReverseKl,
                "forward_kl" => Divergence::ForwardKl,
                "jensen_shannon" => Divergence::JensenShannon,
                other => {
                    return Err(unknown("divergence", other, "\"reverse_kl\", \"forward_kl\" and \"jensen_shannon\""));
                }
            };
            let optimiser = match args.value().to_string().as_str() {
                "adam" => Optimiser::Adam,
                "natural" => Optimiser::Natural,
                other => return Err(unknown("optimiser", other, "\"adam\" and \"natural\"")),
            };
            let rank = args.count()?;
            let family = match family.as_str() {
                "mean_field" => Family::MeanField,
                "low_rank" => Family::LowRank(rank.min(view.dim())),
                "full_rank" => Family::FullRank,
                other => {
                    return Err(unknown("family of guides", other, "\"mean_field\", \"low_rank\" and \"full_rank\""));
                }
            };
            if optimiser == Optimiser::Natural && matches!(family, Family::LowRank(_)) {
                return Err(Fault::error("natural steps are for guides of the families mean_field and full_rank")
                    .hint("use optimiser = \"adam\""));
            }
            let usual = if divergence == Divergence::ReverseKl { 4 } else { 50 };
            let fit = Fit { family, divergence, optimiser, steps, batch: batch.unwrap_or(usual).max(1) };
            host(variational::vi(&view, draws, fit, all, random)?)
        }
        _ => return Ok(None),
    }))
}
