//! Joins the gradient methods to the `Density` view of a model.

use super::host::{Args, host};
use super::plan;
use crate::exec::view::Model;
use crate::exec::view::density::DensityView;
use crate::infer::gradient::{self, Moves, Options};
use crate::infer::kit::warmup::Shape;
use crate::infer::normal_fit::{self, Family, Fit};
use crate::model::Random;
use crate::posterior::Posterior;
use crate::value::{Fault, Value};

/// The `Density` view of a model, whose named choices are recorded if they are wanted or are all that it gives.
pub(super) fn view(model: Model, all: bool) -> Result<DensityView, Fault> {
    let record = all || plan::returns_nothing(&model);
    DensityView::new(Model { record, ..model }).map_err(|fault| {
        fault.hint(
            "`mh` works for every model, `smc` where choices and observations alternate, `enumerate` for finite ones",
        )
    })
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
            let (draws, warmup, chains) = (args.count()?, args.optional_count()?.unwrap_or(1000), args.count()?);
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
                "dense" => Shape::Dense,
                other => {
                    return Err(Fault::error(format!("no metric is called `{other}`"))
                        .hint("the metrics are \"diagonal\" and \"dense\""));
                }
            };
            let options = Options { moves, draws, warmup, chains, target, shape, all };
            host(gradient::sample(name.as_str(), &view, options, clock, random)?)
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
            let family = match args.value().to_string().as_str() {
                "mean_field" => Family::MeanField,
                "full_rank" => Family::FullRank,
                other => {
                    return Err(Fault::error(format!("no family of guides is called `{other}`"))
                        .hint("the families are \"mean_field\" and \"full_rank\""));
                }
            };
            let fit = Fit { family, steps: args.count()?, batch: args.count()? };
            let posterior: Posterior = normal_fit::vi(&view, draws, fit, all, random)?;
            host(posterior)
        }
        _ => return Ok(None),
    }))
}
