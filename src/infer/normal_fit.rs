//! Normal approximations in the unconstrained space: at the mode (Laplace), along the way to it (Pathfinder), and by maximising the evidence
//! bound (variational inference). Each gives draws, the log density ratios that judge them, and what they say of the evidence.

use super::enumerate::named_record;
use super::importance::names_of;
use super::kit::lbfgs::{self, Climb};
use super::kit::metric::dot;
use super::{Contract, Row};
use crate::model::Random;
use crate::model::density::{Density, Evaluate};
use crate::posterior::smoothing::smooth;
use crate::posterior::{Chain, Info, Posterior, Warning, log_sum_exp};
use crate::value::{Fault, Generator, Value};
use rand_distr::{Distribution, StandardNormal};

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn laplace(model: () ~> a, draws: Int = 1000) ~> Posterior<a>",
        doc: "Laplace's approximation: draws of the normal distribution with the mode and the curvature of the posterior there, in the \
              unconstrained space; exact where the posterior is normal. Gives an approximate evidence. Pareto k says how good it is. \
              Tierney and Kadane 1986.\n\
              example: abs(mean(laplace(() => sample(Normal(3, 0.1)))) - 3) < 0.1",
        contract: Contract::Biased,
    },
    Row {
        signature: "fn pathfinder(model: () ~> a, draws: Int = 1000, paths: Int = 4) ~> Posterior<a>",
        doc: "Pathfinder: normal approximations along the way to a mode, of which that with the highest evidence bound is kept, one for each \
              of several paths; their draws are weighted by smoothed importance. Quick. Zhang, Carpenter, Gelman and Vehtari 2022.\n\
              example: abs(mean(pathfinder(() => sample(Normal(3, 0.1)))) - 3) < 0.1",
        contract: Contract::Biased,
    },
    Row {
        signature: "fn vi(model: () ~> a, draws: Int = 1000, family: String = \"mean_field\", steps: Int = 20000, batch: Int = 4) ~> Posterior<a>",
        doc: "Variational inference: the normal distribution in the unconstrained space, of family `mean_field` or `full_rank`, that is nearest \
              to the posterior in the reverse Kullback-Leibler divergence, by at most `steps` steps with `batch` draws each. Pareto k says \
              how good it is. Kucukelbir, Tran, Ranganath, Gelman and Blei 2017.\n\
              example: abs(mean(vi(() => sample(Normal(3, 0.1)))) - 3) < 0.1",
        contract: Contract::Biased,
    },
];

/// A normal distribution: its mean and the lower factor L of its covariance L Lᵀ.
#[derive(Clone, Debug, PartialEq)]
pub struct Normal {
    pub mean: Vec<f64>,
    pub factor: Factor,
}

/// A lower triangular factor.
#[derive(Clone, Debug, PartialEq)]
pub enum Factor {
    /// A diagonal: standard deviations.
    Diagonal(Vec<f64>),
    /// By rows.
    Dense(Vec<f64>),
}

impl Normal {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    /// The log of the determinant of the factor.
    fn log_scale(&self) -> f64 {
        match &self.factor {
            Factor::Diagonal(sd) => sd.iter().map(|s| s.ln()).sum(),
            Factor::Dense(l) => (0..self.dim()).map(|i| l[i * self.dim() + i].abs().ln()).sum(),
        }
    }

    /// The point at `z` standard deviations, and its log density.
    pub fn at(&self, z: &[f64], x: &mut [f64]) -> f64 {
        let n = self.dim();
        match &self.factor {
            Factor::Diagonal(sd) => {
                for (((x, mean), sd), z) in x.iter_mut().zip(&self.mean).zip(sd).zip(z) {
                    *x = mean + sd * z;
                }
            }
            Factor::Dense(l) => {
                for i in 0..n {
                    x[i] = self.mean[i] + dot(&l[i * n..=i * n + i], &z[..=i]);
                }
            }
        }
        -0.5 * dot(z, z) - self.log_scale() - 0.5 * n as f64 * (2.0 * std::f64::consts::PI).ln()
    }
}

fn normals(z: &mut [f64], generator: &mut Generator) {
    z.iter_mut().for_each(|z| *z = StandardNormal.sample(generator));
}

/// The generator of a handler, which these methods cannot do without.
fn generator<'r>(random: &'r mut dyn Random, method: &str) -> Result<&'r mut Generator, Fault> {
    random
        .generator()
        .ok_or_else(|| Fault::error(format!("`{method}` draws from continuous distributions and cannot be enumerated")))
}

/// The highest of several climbs from random points of finite density.
pub fn best_climb<D: Density>(density: &D, climbs: usize, random: &mut dyn Random) -> Result<Climb, Fault> {
    let mut evaluator = density.evaluator();
    let mut best: Option<Climb> = None;
    let mut failed = 0;
    while failed < 100 {
        let start = density.initial(random)?;
        let mut gradient = vec![0.0; start.len()];
        let finite = evaluator.gradient(&start, &mut gradient).is_finite() && gradient.iter().all(|g| g.is_finite());
        if !finite {
            failed += 1;
            continue;
        }
        let climb = lbfgs::climb(&mut evaluator, start, lbfgs::Options::default());
        let height = |climb: &Climb| climb.top().map_or(f64::NEG_INFINITY, |top| top.log_density);
        if best.as_ref().is_none_or(|best| height(&climb) > height(best)) {
            best = Some(climb);
        }
        failed += 100 / climbs.max(1);
    }
    best.ok_or_else(|| {
        Fault::error("no start of finite density was found in 100 tries").hint("scale the data, or use `mh` or `smc`")
    })
}

/// The normal distribution with the mode and the curvature of the density there.
///
/// # Errors
/// If the density does not curve downwards in every direction at the point.
pub fn at_mode<D: Density>(density: &D, mode: &[f64]) -> Result<Normal, Fault> {
    let n = mode.len();
    let mut evaluator = density.evaluator();
    let (mut gradient, mut unit, mut column) = (vec![0.0; n], vec![0.0; n], vec![0.0; n]);
    let mut precision = nalgebra::DMatrix::zeros(n, n);
    for k in 0..n {
        unit[k] = 1.0;
        evaluator.hessian_vector(mode, &unit, &mut gradient, &mut column);
        unit[k] = 0.0;
        for (i, h) in column.iter().enumerate() {
            precision[(i, k)] -= 0.5 * h;
            precision[(k, i)] -= 0.5 * h;
        }
    }
    let not_a_mode = || {
        Fault::error("the density has no mode here: it does not curve downwards in every direction")
            .hint("a scale that goes to zero, or a prior that is too wide, makes a density without a mode; use `nuts`")
    };
    let factor = nalgebra::Cholesky::new(precision).ok_or_else(not_a_mode)?;
    let covariance = factor.inverse();
    let factor = nalgebra::Cholesky::new(covariance).ok_or_else(not_a_mode)?.l();
    Ok(Normal { mean: mode.to_vec(), factor: Factor::Dense(factor.transpose().as_slice().to_vec()) })
}

/// Draws of a normal distribution with the logs of their density ratios, as a posterior. The ratios tell how good the approximation is; with
/// `weighted` they also weigh the draws.
pub fn posterior<D: Density>(
    method: &str,
    density: &D,
    fits: &[Normal],
    draws: usize,
    all: bool,
    weighted: bool,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let mut evaluator = density.evaluator();
    let n = density.dim();
    let (mut z, mut x) = (vec![0.0; n], vec![0.0; n]);
    let mut chain = Chain::default();
    let (mut named, mut ratios, mut heights) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..draws {
        let fit = &fits[k % fits.len()];
        normals(&mut z, generator(random, method)?);
        let log_q = fit.at(&z, &mut x);
        let height = evaluator.log_density(&x);
        ratios.push(if height.is_nan() { f64::NEG_INFINITY } else { height - log_q });
        heights.push(height);
        let run = density.constrain(&x, random)?;
        let unit = matches!(run.value, Value::Unit) && !run.named.is_empty();
        if all {
            named.push(names_of(run.named.clone()));
        }
        chain.draws.push(if unit { named_record(run.named) } else { run.value });
    }
    let (smoothed, shape) = smooth(&ratios);
    let evidence = log_sum_exp(&ratios) - (draws as f64).ln();
    chain.named = all.then_some(named);
    chain.stats = vec![("lp__".to_string(), heights)];
    chain.log_weights = weighted.then_some(smoothed);
    let mut posterior = Posterior::new("", method, vec![chain]);
    posterior.log_evidence = Some(evidence).filter(|e| e.is_finite());
    posterior.info.push(("pareto_k".into(), Info::Number(shape)));
    if shape > 0.7 {
        posterior.warnings.push(Warning::ParetoK { value: shape });
    }
    Ok(posterior)
}

/// Laplace's approximation: the normal distribution at the highest mode found from four starts (Tierney and Kadane 1986).
pub fn laplace<D: Density>(density: &D, draws: usize, all: bool, random: &mut dyn Random) -> Result<Posterior, Fault> {
    let climb = best_climb(density, 4, random)?;
    let Some(top) = climb.top() else { return Err(Fault::internal("a climb has a top")) };
    let fit = at_mode(density, &top.x)?;
    let evidence = top.log_density + fit.log_scale() + 0.5 * fit.dim() as f64 * (2.0 * std::f64::consts::PI).ln();
    let mut posterior = posterior("laplace", density, &[fit], draws, all, false, random)?;
    posterior.log_evidence = Some(evidence);
    if !climb.converged {
        posterior
            .warnings
            .push(Warning::NotConverged { what: "the climb to the mode".into(), steps: climb.path.len() });
    }
    Ok(posterior)
}

/// Which normal distributions are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    MeanField,
    FullRank,
}

/// How a variational fit is made.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    pub family: Family,
    /// The most steps.
    pub steps: usize,
    /// Draws for each gradient.
    pub batch: usize,
}

/// How many steps an average of the evidence bound is over.
const WINDOW: usize = 100;

/// The normal distribution that maximises the evidence lower bound, found by Adam with reparametrised gradients that stay quiet at the
/// optimum (Kucukelbir, Tran, Ranganath, Gelman and Blei 2017; Kingma and Ba 2015; Roeder, Wu and Duvenaud 2017). The step size is halved
/// whenever the bound of a window is no better than that of the one before, within its error; the fit ends when this happens six times.
/// Also the bound, its standard error, and whether the fit ended so.
pub fn variational<D: Density>(
    density: &D,
    start: Vec<f64>,
    fit: Fit,
    random: &mut dyn Random,
) -> Result<(Normal, f64, f64, bool), Fault> {
    let n = start.len();
    let mut evaluator = density.evaluator();
    let mut mean = start;
    // The parameters of the factor: logs of standard deviations, then the strict lower triangle by rows.
    let lower = if fit.family == Family::FullRank { n * n.saturating_sub(1) / 2 } else { 0 };
    let mut scale = vec![-1.0; n];
    scale.extend(std::iter::repeat_n(0.0, lower));
    let make = |mean: &[f64], scale: &[f64]| {
        let factor = match fit.family {
            Family::MeanField => Factor::Diagonal(scale.iter().map(|s| s.exp()).collect()),
            Family::FullRank => {
                let mut l = vec![0.0; n * n];
                let mut next = n;
                for i in 0..n {
                    for j in 0..i {
                        l[i * n + j] = scale[next];
                        next += 1;
                    }
                    l[i * n + i] = scale[i].exp();
                }
                Factor::Dense(l)
            }
        };
        Normal { mean: mean.to_vec(), factor }
    };
    let count = n + scale.len();
    let (mut first, mut second) = (vec![0.0; count], vec![0.0; count]);
    let (mut z, mut x, mut gradient, mut total) = (vec![0.0; n], vec![0.0; n], vec![0.0; n], vec![0.0; count]);
    let mut rate = 0.1;
    let (mut before, mut halvings, mut window) = (f64::NEG_INFINITY, 0, Vec::new());
    let mut bound = (f64::NEG_INFINITY, f64::INFINITY);
    let mut steps = 0;
    // The mean of the parameters over the last window is better than any of them.
    let mut averaged = vec![0.0; count];
    while steps < fit.steps && halvings < 6 {
        steps += 1;
        let q = make(&mean, &scale);
        total.fill(0.0);
        let mut value = 0.0;
        for _ in 0..fit.batch {
            normals(&mut z, generator(random, "vi")?);
            let log_q = q.at(&z, &mut x);
            let height = evaluator.gradient(&x, &mut gradient);
            if !height.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
                value += -1e10;
                continue;
            }
            value += height - log_q;
            // The path derivative: the gradient of log p − log q through x alone.
            let residual = score(&q, &z, &gradient);
            let mut next = 2 * n;
            for i in 0..n {
                total[i] += residual[i];
                let sd = scale[i].exp();
                total[n + i] += residual[i] * z[i] * sd;
                if fit.family == Family::FullRank {
                    for z in &z[..i] {
                        total[next] += residual[i] * z;
                        next += 1;
                    }
                }
            }
        }
        window.push(value / fit.batch as f64);
        let (b1, b2) = (1.0 - 0.9f64.powi(steps as i32), 1.0 - 0.999f64.powi(steps as i32));
        for (k, g) in total.iter().enumerate() {
            let g = g / fit.batch as f64;
            first[k] = 0.9 * first[k] + 0.1 * g;
            second[k] = 0.999 * second[k] + 0.001 * g * g;
            let step = rate * (first[k] / b1) / ((second[k] / b2).sqrt() + 1e-8);
            if k < n {
                mean[k] += step
            } else {
                scale[k - n] += step
            }
            averaged[k] += (if k < n { mean[k] } else { scale[k - n] }) / WINDOW as f64;
        }
        if window.len() == WINDOW {
            let middle = window.iter().sum::<f64>() / WINDOW as f64;
            let spread = window.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / (WINDOW - 1) as f64;
            bound = (middle, (spread / WINDOW as f64).sqrt());
            if middle <= before + bound.1 {
                rate *= 0.5;
                halvings += 1;
                mean.copy_from_slice(&averaged[..n]);
                scale.copy_from_slice(&averaged[n..]);
            }
            before = before.max(middle);
            window.clear();
            averaged.fill(0.0);
        }
    }
    Ok((make(&mean, &scale), bound.0, bound.1, halvings >= 6))
}

/// The gradient of log p − log q at a point, given that of log p and the point's standard deviations.
fn score(q: &Normal, z: &[f64], gradient: &[f64]) -> Vec<f64> {
    let n = z.len();
    match &q.factor {
        Factor::Diagonal(sd) => gradient.iter().zip(z).zip(sd).map(|((g, z), sd)| g + z / sd).collect(),
        // The gradient of log q is −L⁻ᵀ z: back substitution.
        Factor::Dense(l) => {
            let mut u = z.to_vec();
            for i in (0..n).rev() {
                for j in i + 1..n {
                    u[i] -= l[j * n + i] * u[j];
                }
                u[i] /= l[i * n + i];
            }
            gradient.iter().zip(u).map(|(g, u)| g + u).collect()
        }
    }
}

/// Variational inference with a normal family, started at the mode where there is one.
pub fn vi<D: Density>(
    density: &D,
    draws: usize,
    fit: Fit,
    all: bool,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let climb = best_climb(density, 1, random)?;
    let start = climb.path.first().map(|first| first.x.clone()).unwrap_or_default();
    let (q, bound, error, converged) = variational(density, start, fit, random)?;
    let mut posterior = posterior("vi", density, &[q], draws, all, false, random)?;
    posterior.log_evidence = None;
    posterior.info.push(("elbo".into(), Info::Number(bound)));
    posterior.info.push(("elbo_se".into(), Info::Number(error)));
    if !converged {
        posterior.warnings.push(Warning::NotConverged { what: "the variational fit".into(), steps: fit.steps });
    }
    Ok(posterior)
}

/// One normal distribution for each path: of all points on the way to a mode, the one whose curvature, as L-BFGS sees it, gives the
/// highest evidence bound.
///
/// The draws of all paths are weighed by their density ratios, smoothed (Zhang, Carpenter, Gelman and Vehtari 2022).
pub fn pathfinder<D: Density>(
    density: &D,
    draws: usize,
    paths: usize,
    all: bool,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let mut fits = Vec::new();
    for _ in 0..paths {
        let climb = best_climb(density, 1, random)?;
        fits.extend(best_on_path(density, &climb, random)?);
    }
    if fits.is_empty() {
        return Err(Fault::error("no path to a mode curves downwards").hint("use `nuts` or `mh`"));
    }
    posterior("pathfinder", density, &fits, draws, all, true, random)
}

/// Draws for the evidence bound of each point of a path.
const BOUND_DRAWS: usize = 10;

fn best_on_path<D: Density>(density: &D, climb: &Climb, random: &mut dyn Random) -> Result<Option<Normal>, Fault> {
    let n = density.dim();
    let mut evaluator = density.evaluator();
    let mut inverse = nalgebra::DMatrix::<f64>::identity(n, n);
    let mut scaled = false;
    let (mut z, mut x) = (vec![0.0; n], vec![0.0; n]);
    let mut best: Option<(f64, Normal)> = None;
    for pair in climb.path.windows(2) {
        let s: Vec<f64> = pair[1].x.iter().zip(&pair[0].x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = pair[0].gradient.iter().zip(&pair[1].gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&s, &y);
        if curvature <= 1e-12 * dot(&y, &y) {
            continue;
        }
        if !scaled {
            inverse *= curvature / dot(&y, &y);
            scaled = true;
        }
        update(&mut inverse, &s, &y, curvature);
        let Some(factor) = nalgebra::Cholesky::new(inverse.clone()) else { continue };
        // The mean of the normal distribution is a Newton step ahead.
        let at = &pair[1];
        let ahead = &inverse * nalgebra::DVector::from_column_slice(&at.gradient);
        let mean: Vec<f64> = at.x.iter().zip(ahead.iter()).map(|(x, step)| x + step).collect();
        let fit = Normal { mean, factor: Factor::Dense(factor.l().transpose().as_slice().to_vec()) };
        let mut bound = 0.0;
        for _ in 0..BOUND_DRAWS {
            normals(&mut z, generator(random, "pathfinder")?);
            let log_q = fit.at(&z, &mut x);
            let height = evaluator.log_density(&x);
            bound += if height.is_finite() { height - log_q } else { f64::NEG_INFINITY };
        }
        if bound.is_finite() && best.as_ref().is_none_or(|(highest, _)| bound > *highest) {
            best = Some((bound, fit));
        }
    }
    Ok(best.map(|(_, fit)| fit))
}

/// The update of Broyden, Fletcher, Goldfarb and Shanno for the inverse Hessian.
fn update(inverse: &mut nalgebra::DMatrix<f64>, s: &[f64], y: &[f64], curvature: f64) {
    let (s, y) = (nalgebra::DVector::from_column_slice(s), nalgebra::DVector::from_column_slice(y));
    let hy = &*inverse * &y;
    let scale = (1.0 + y.dot(&hy) / curvature) / curvature;
    inverse.ger(scale, &s, &s, 1.0);
    inverse.ger(-1.0 / curvature, &hy, &s, 1.0);
    inverse.ger(-1.0 / curvature, &s, &hy, 1.0);
}
