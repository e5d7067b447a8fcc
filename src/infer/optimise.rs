//! Single points as answers: the maximum of the posterior density, and that of the likelihood.

use super::enumerate::named_record;
use super::importance::names_of;
use super::kit::lbfgs::{self, Climb, Stop};
use super::kit::start::start;
use super::{Contract, Row};
use crate::model::density::{Density, Evaluate};
use crate::model::{Production, Random, Weighted};
use crate::posterior::{Chain, Info, Posterior, Warning};
use crate::value::interrupt::stop_if_interrupted;
use crate::value::{Fault, Generator, Value};

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn map_estimate(model: () ~> a, starts: Int = 4, steps: Int = 2000, jacobian: Bool = false) ~> Posterior<a>",
        doc: "The point of highest posterior density, the best of several climbs by L-BFGS, as a posterior of one value. The density is \
              that of the choices as the model has them; with `jacobian` it is that of the unconstrained vector, whose mode is where \
              `laplace` sits. Choices on which no weight depends, and finite ones that are summed out, are drawn given the rest. \
              Liu and Nocedal 1989.\n\
              example: abs(mean(map_estimate(() => sample(Normal(3, 0.1)))) - 3) < 1e-6",
        contract: Contract::Biased,
    },
    Row {
        signature: "fn mle(model: () ~> a, starts: Int = 4, steps: Int = 2000) ~> Posterior<a>",
        doc: "The point of highest likelihood: as `map_estimate`, without the densities of the choices, so that only observations and \
              factors count.\n\
              example: abs(mean(mle(() => { mu ~ Normal(0, 1); observe [2, 4] ~ Normal(mu, 1); mu })) - 3) < 1e-6",
        contract: Contract::Biased,
    },
];

/// How a maximum is looked for.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How many climbs, of which the highest counts.
    pub starts: usize,
    /// The most steps of a climb.
    pub steps: usize,
    /// Keep every named choice.
    pub all: bool,
}

/// The highest of several climbs from random points of finite density, and where each ended.
pub fn climbs<D: Density>(
    density: &D,
    starts: usize,
    steps: usize,
    random: &mut dyn Random,
) -> Result<(Climb, Vec<f64>), Fault> {
    let mut evaluator = density.evaluator();
    let height = |climb: &Climb| climb.top().map_or(f64::NEG_INFINITY, |top| top.log_density);
    let mut best: Option<Climb> = None;
    let (mut ends, mut gradients) = (Vec::new(), 0);
    for _ in 0..starts.max(1) {
        stop_if_interrupted()?;
        let from = start(density, &mut evaluator, random)?;
        let climb = lbfgs::climb(&mut evaluator, from.x, lbfgs::Options { steps, ..lbfgs::Options::default() });
        gradients += climb.gradients;
        ends.push(height(&climb));
        if best.as_ref().is_none_or(|best| height(&climb) > height(best)) {
            best = Some(climb);
        }
    }
    let best = best.ok_or_else(|| Fault::internal("there is at least one climb"))?;
    Ok((Climb { gradients, ..best }, ends))
}

/// The highest point that several climbs find, as a posterior of one value.
///
/// The density should record the named choices.
pub fn maximum<D: Density>(
    method: &str,
    density: &D,
    options: Options,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let (climb, ends) = climbs(density, options.starts, options.steps, random)?;
    let Some(top) = climb.top() else { return Err(Fault::internal("a climb has a top")) };
    let run = density.constrain(&top.x, random)?;
    let mut chain = Chain { log_weights: Some(vec![0.0]), ..Chain::default() };
    chain.stats = vec![("lp__".to_string(), vec![top.log_density])];
    chain.named = options.all.then(|| vec![names_of(run.named.clone())]);
    let unit = matches!(run.value, Value::Unit) && !run.named.is_empty();
    chain.draws.push(if unit { named_record(run.named) } else { run.value });
    let mut posterior = Posterior::new("", method, vec![chain]);
    posterior.exact = true;
    posterior.point = true;
    posterior.info.push(("log_density".into(), Info::Number(top.log_density)));
    posterior.info.push(("log_density_by_start".into(), Info::Numbers(ends)));
    posterior.info.push(("gradient_evaluations".into(), Info::Count(climb.gradients)));
    let ends = Ends::of(density, top)?;
    if !ends.open.is_empty() {
        posterior.warnings.push(Warning::OpenEnd { what: ends.open });
    } else if !climb.converged {
        let near = if ends.near.is_empty() {
            String::new()
        } else {
            format!(", on which {} came close to the boundary of the support,", ends.near.join(", "))
        };
        let what = format!("the climb to the maximum{near}");
        posterior.warnings.push(Warning::NotConverged { what, steps: climb.path.len() });
    }
    Ok(posterior)
}

/// A coordinate this far out is looked at.
const FAR: f64 = 10.0;
/// A loss of log density that does not count.
const LOSS: f64 = 1e-3;

/// What is odd about the place where a climb ended.
#[derive(Debug, Default)]
struct Ends {
    /// Where the density does not fall further out, in words.
    open: Vec<String>,
    /// The choices that nearly have a value at the boundary of their support.
    near: Vec<String>,
}

impl Ends {
    fn of<D: Density>(density: &D, top: &Stop) -> Result<Ends, Fault> {
        let mut evaluator = density.evaluator();
        let mut ends = Ends::default();
        // The same draws for what is not in the vector, so that only what moves differs.
        let at = |x: &[f64]| density.constrain(x, &mut Production(Generator::new(0)));
        let here = at(&top.x)?;
        let add = |list: &mut Vec<String>, text: String| {
            if !list.contains(&text) {
                list.push(text);
            }
        };
        let mut moved = top.x.clone();
        for (k, name) in density.coordinates().iter().enumerate() {
            // A coordinate within a choice has its number behind a dot.
            let choice = name.rsplit_once('.').map_or(name.as_str(), |(choice, _)| choice);
            let name = if value_of(&here, name).is_some() { name } else { choice };
            if top.gradient[k] == 0.0 {
                moved[k] = top.x[k] + 1.0;
                if evaluator.log_density(&moved) == top.log_density {
                    add(&mut ends.open, format!("it does not depend on `{name}`"));
                }
            }
            if top.x[k].abs() >= FAR {
                moved[k] = 2.0 * top.x[k];
                let holds = evaluator.log_density(&moved) >= top.log_density - LOSS;
                if let (Some(before), Some(after)) = (value_of(&here, name), value_of(&at(&moved)?, name)) {
                    let close = before.iter().zip(&after).all(|(a, b)| (a - b).abs() <= 1e-3 * (1.0 + a.abs()));
                    match (close, holds) {
                        (true, true) => add(&mut ends.open, format!("`{name}` is at the boundary of its support")),
                        (false, true) => add(&mut ends.open, format!("`{name}` has no bound")),
                        (true, false) => add(&mut ends.near, format!("`{name}`")),
                        (false, false) => {}
                    }
                }
            }
            moved[k] = top.x[k];
        }
        moved.iter_mut().for_each(|x| *x *= 2.0);
        let far = top.x.iter().any(|x| x.abs() >= FAR);
        if ends.open.is_empty() && far && evaluator.log_density(&moved) >= top.log_density - LOSS {
            ends.open.push("the choices together have no bound".into());
        }
        Ok(ends)
    }
}

/// The numbers in a named choice.
fn value_of(run: &Weighted, name: &str) -> Option<Vec<f64>> {
    fn numbers(value: &Value, out: &mut Vec<f64>) {
        match value {
            Value::Reals(xs) => out.extend(xs.iter()),
            Value::Matrix(matrix) => out.extend(matrix.data.iter()),
            Value::Values(items) => items.iter().for_each(|item| numbers(item, out)),
            Value::Tuple(parts) => parts.0.iter().for_each(|item| numbers(item, out)),
            other => out.extend(other.as_real()),
        }
    }
    let (_, value) = run.named.iter().find(|(known, _)| known == name)?;
    let mut out = Vec::new();
    numbers(value, &mut out);
    Some(out)
}
