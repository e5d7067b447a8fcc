//! Stochastic gradient Langevin dynamics: Langevin steps along gradients of minibatches, without a correction.
//!
//! Steps lead from the mode, where the gradient of all data is known: only the difference from there is estimated from a minibatch, which
//! leaves little noise near the mode (Baker, Fearnhead, Fox and Nemeth 2019).

use super::enumerate::named_record;
use super::importance::{names_of, note_interrupt};
use super::normal_fit::{generator, normals};
use super::optimise::climbs;
use super::{Contract, Row};
use crate::model::density::{Density, Evaluate};
use crate::model::{Production, Random};
use crate::posterior::{Chain, Info, Posterior, Warning};
use crate::value::interrupt::interrupted;
use crate::value::{Fault, Value};
use rayon::prelude::*;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn sgld(model: () ~> a, draws: Int = 1000, warmup: Int = -1, chains: Int = 4, batch: Int = 100, step: Real = 0.1, \
                decay: Real = 0.33, thin: Int = 10) ~> Posterior<a>",
    doc: "Stochastic gradient Langevin dynamics, for more data than gradients of all of them can be afforded: steps along the gradient of \
          `batch` data at a time, the parts of a partition at random, of the size `step` (1 + t / 100) ^ -`decay` in units of the curvature at the \
          mode; `thin` steps for each draw. It is not corrected, so its draws are a little off the posterior, the less the smaller \
          the steps. The longest loop over data whose terms are summed up is the one that is subsampled. \
          Welling and Teh 2011; with the control variates of Baker, Fearnhead, Fox and Nemeth 2019.\n\
          example: len(draws(sgld(() => { mu ~ Normal(0, 1); observe linspace(0, 1, 50) ~ Normal(mu, 1); mu }, draws = 10, chains = 1, batch = 5))) == 10",
    contract: Contract::Biased,
}];

/// How chains are run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub draws: usize,
    pub warmup: usize,
    pub chains: usize,
    /// Data of a minibatch, and all of them.
    pub batch: usize,
    pub size: usize,
    /// The first step size.
    pub step: f64,
    /// How it falls.
    pub decay: f64,
    /// Steps for each draw.
    pub thin: usize,
    /// Keep every named choice.
    pub all: bool,
}

/// The mode, the gradient there, and a scale for each coordinate.
struct Centre {
    x: Vec<f64>,
    gradient: Vec<f64>,
    variance: Vec<f64>,
    converged: bool,
    steps: usize,
}

fn centre<D: Density>(density: &D, random: &mut dyn Random) -> Result<Centre, Fault> {
    let (climb, _) = climbs(density, 2, 500, random)?;
    let Some(top) = climb.top() else { return Err(Fault::internal("a climb has a top")) };
    let n = top.x.len();
    let mut evaluator = density.evaluator();
    let (mut unit, mut gradient, mut product) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut variance = vec![1.0; n];
    for k in 0..n {
        unit[k] = 1.0;
        evaluator.hessian_vector(&top.x, &unit, &mut gradient, &mut product);
        unit[k] = 0.0;
        // Where the density does not curve downwards the scale stays that of the prior: 1.
        if product[k] < 0.0 && product[k].is_finite() {
            variance[k] = (-1.0 / product[k]).clamp(1e-12, 1e4);
        }
    }
    let (x, gradient) = (top.x.clone(), top.gradient.clone());
    Ok(Centre { x, gradient, variance, converged: climb.converged, steps: climb.path.len() })
}

/// One chain.
fn run_chain<D: Density, E: Evaluate>(
    density: &D,
    mut parts: Vec<E>,
    centre: &Centre,
    options: &Options,
    random: &mut dyn Random,
) -> Result<(Chain, bool), Fault> {
    let n = centre.x.len();
    let mut z = vec![0.0; n];
    let mut at = centre.x.clone();
    let mut here = vec![0.0; n];
    // The gradients of the parts at the mode.
    let mut there = vec![vec![0.0; n]; parts.len()];
    for (part, there) in parts.iter_mut().zip(&mut there) {
        part.gradient(&centre.x, there);
    }
    normals(&mut z, generator(random, "sgld")?);
    for k in 0..n {
        at[k] += centre.variance[k].sqrt() * z[k];
    }
    let mut chain = Chain::default();
    let mut named = Vec::new();
    let mut lost = false;
    let mut made = 0.0;
    for round in 0..options.warmup + options.draws {
        if interrupted() && !chain.draws.is_empty() {
            break;
        }
        for _ in 0..options.thin {
            let pick = (generator(random, "sgld")?.uniform() * parts.len() as f64) as usize;
            let pick = pick.min(parts.len() - 1);
            let height = parts[pick].gradient(&at, &mut here);
            let step = options.step * (1.0 + made / 100.0f64).powf(-options.decay);
            made += 1.0;
            normals(&mut z, generator(random, "sgld")?);
            let finite = height.is_finite() && here.iter().all(|g| g.is_finite());
            if !finite {
                // Out of the support: back to the mode, which is told.
                lost = true;
                at.copy_from_slice(&centre.x);
                continue;
            }
            for k in 0..n {
                let slope = centre.gradient[k] + here[k] - there[pick][k];
                let scale = step * centre.variance[k];
                at[k] += 0.5 * scale * slope + scale.sqrt() * z[k];
            }
        }
        if round < options.warmup {
            continue;
        }
        let run = density.constrain(&at, random)?;
        let unit = matches!(run.value, Value::Unit) && !run.named.is_empty();
        if options.all {
            named.push(names_of(run.named.clone()));
        }
        chain.draws.push(if unit { named_record(run.named) } else { run.value });
    }
    chain.named = options.all.then_some(named);
    Ok((chain, lost))
}

/// Runs chains. The mean of the evaluators of the minibatches is the density.
pub fn sgld<D: Density, E: Evaluate>(
    density: &D,
    minibatches: impl Fn() -> Vec<E> + Sync,
    options: Options,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let centre = centre(density, random)?;
    let streams = generator(random, "sgld")?.streams();
    let one =
        |k: usize| run_chain(density, minibatches(), &centre, &options, &mut Production(streams.number(k as u64)));
    let results: Vec<Result<(Chain, bool), Fault>> = (0..options.chains).into_par_iter().map(one).collect();
    let (mut chains, mut lost) = (Vec::new(), 0);
    for result in results {
        let (chain, out) = result?;
        lost += usize::from(out);
        chains.push(chain);
    }
    let mut posterior = Posterior::new("", "sgld", chains);
    let steps = (options.warmup + options.draws) * options.thin * options.chains;
    posterior.info.push(("steps".into(), Info::Count(steps as u64)));
    posterior.info.push(("batch".into(), Info::Count(options.batch as u64)));
    posterior.info.push(("data".into(), Info::Count(options.size as u64)));
    if !centre.converged {
        let what = "the climb to the mode, from which the steps lead,".into();
        posterior.warnings.push(Warning::NotConverged { what, steps: centre.steps });
    }
    if lost > 0 {
        let text = format!("steps led out of the support in {lost} of {} chains: use a smaller `step`", options.chains);
        posterior.warnings.push(Warning::Note { text, distrust: true });
    }
    note_interrupt(&mut posterior, options.draws * options.chains);
    Ok(posterior)
}
