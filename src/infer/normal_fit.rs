//! Normal approximations in the unconstrained space: at the mode (Laplace) and along the way to it (Pathfinder). Each gives draws, the log density ratios that judge them, and what they say of the evidence.

use super::enumerate::named_record;
use super::importance::names_of;
use super::kit::lbfgs::Climb;
use super::kit::metric::dot;
use super::optimise::climbs;
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
];

/// A normal distribution: its mean and the lower factor L of its covariance L Lᵀ.
#[derive(Clone, Debug, PartialEq)]
pub struct Normal {
    pub mean: Vec<f64>,
    pub factor: Factor,
}

/// A factor of a covariance matrix.
#[derive(Clone, Debug, PartialEq)]
pub enum Factor {
    /// A diagonal: standard deviations.
    Diagonal(Vec<f64>),
    /// Lower triangular, by rows.
    Dense(Vec<f64>),
    /// Of the covariance D² + B Bᵀ; made by [`Factor::low_rank`].
    LowRank(LowRank),
}

/// Standard deviations D, columns B one after the other, and what follows from them.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRank {
    sd: Vec<f64>,
    columns: Vec<f64>,
    /// The inverse of 1 + Bᵀ D⁻² B, by rows.
    inner: Vec<f64>,
    log_scale: f64,
}

impl Factor {
    /// The factor of D² + B Bᵀ, for standard deviations D and columns B one after the other.
    pub fn low_rank(sd: Vec<f64>, columns: Vec<f64>) -> Factor {
        let n = sd.len();
        let rank = columns.len().checked_div(n).unwrap_or(0);
        let column = |k: usize| columns[k * n..(k + 1) * n].iter().zip(&sd).map(|(b, sd)| b / sd);
        let inner = nalgebra::DMatrix::from_fn(rank, rank, |i, j| {
            column(i).zip(column(j)).map(|(a, b)| a * b).sum::<f64>() + f64::from(u8::from(i == j))
        });
        let mut log_scale: f64 = sd.iter().map(|s| s.ln()).sum();
        let inner = match nalgebra::Cholesky::new(inner) {
            Some(factor) => {
                log_scale += factor.l().diagonal().iter().map(|l| l.ln()).sum::<f64>();
                factor.inverse().as_slice().to_vec()
            }
            None => vec![f64::NAN; rank * rank],
        };
        Factor::LowRank(LowRank { sd, columns, inner, log_scale })
    }
}

impl LowRank {
    /// The inverse of the covariance times a vector, by the identity of Woodbury.
    fn solve(&self, x: &[f64]) -> Vec<f64> {
        let n = self.sd.len();
        let mut out: Vec<f64> = x.iter().zip(&self.sd).map(|(x, sd)| x / (sd * sd)).collect();
        let along: Vec<f64> = self.columns.chunks_exact(n.max(1)).map(|b| dot(b, &out)).collect();
        for (row, column) in self.inner.chunks_exact(along.len().max(1)).zip(self.columns.chunks_exact(n.max(1))) {
            let amount = dot(row, &along);
            for ((out, b), sd) in out.iter_mut().zip(column).zip(&self.sd) {
                *out -= amount * b / (sd * sd);
            }
        }
        out
    }
}

impl Normal {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    /// How many standard normal numbers make a draw.
    pub fn noise(&self) -> usize {
        match &self.factor {
            Factor::LowRank(low) => self.dim() + low.columns.len() / self.dim().max(1),
            _ => self.dim(),
        }
    }

    /// Adds −∇ log q to `slope`, at the point `x` that the numbers `z` gave.
    pub fn add_slope(&self, z: &[f64], x: &[f64], slope: &mut [f64]) {
        let n = self.dim();
        match &self.factor {
            Factor::Diagonal(sd) => slope.iter_mut().zip(z).zip(sd).for_each(|((g, z), sd)| *g += z / sd),
            // L⁻ᵀ z, by back substitution.
            Factor::Dense(l) => {
                let mut u = z.to_vec();
                for i in (0..n).rev() {
                    for j in i + 1..n {
                        u[i] -= l[j * n + i] * u[j];
                    }
                    u[i] /= l[i * n + i];
                }
                slope.iter_mut().zip(u).for_each(|(g, u)| *g += u);
            }
            Factor::LowRank(low) => {
                let centred: Vec<f64> = x.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
                slope.iter_mut().zip(low.solve(&centred)).for_each(|(g, u)| *g += u);
            }
        }
    }

    /// The log of the square root of the determinant of the covariance.
    fn log_scale(&self) -> f64 {
        match &self.factor {
            Factor::Diagonal(sd) => sd.iter().map(|s| s.ln()).sum(),
            Factor::Dense(l) => (0..self.dim()).map(|i| l[i * self.dim() + i].abs().ln()).sum(),
            Factor::LowRank(low) => low.log_scale,
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
            Factor::LowRank(_) => {}
        }
        let mut square = dot(z, z);
        if let Factor::LowRank(low) = &self.factor {
            let rest = low.columns.chunks_exact(n.max(1)).zip(&z[n..]);
            let mut centred: Vec<f64> = low.sd.iter().zip(z).map(|(sd, z)| sd * z).collect();
            rest.for_each(|(b, z)| centred.iter_mut().zip(b).for_each(|(x, b)| *x += b * z));
            square = dot(&centred, &low.solve(&centred));
            x.iter_mut().zip(&self.mean).zip(&centred).for_each(|((x, mean), c)| *x = mean + c);
        }
        -0.5 * square - self.log_scale() - 0.5 * n as f64 * (2.0 * std::f64::consts::PI).ln()
    }
}

pub(super) fn normals(z: &mut [f64], generator: &mut Generator) {
    z.iter_mut().for_each(|z| *z = StandardNormal.sample(generator));
}

/// The generator of a handler, which these methods cannot do without.
pub(super) fn generator<'r>(random: &'r mut dyn Random, method: &str) -> Result<&'r mut Generator, Fault> {
    random
        .generator()
        .ok_or_else(|| Fault::error(format!("`{method}` draws from continuous distributions and cannot be enumerated")))
}

/// The most steps of a climb.
const STEPS: usize = 2000;

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
    let longest = fits.iter().map(Normal::noise).max().unwrap_or(n);
    let (mut z, mut x) = (vec![0.0; longest], vec![0.0; n]);
    let mut chain = Chain::default();
    let (mut named, mut ratios, mut heights) = (Vec::new(), Vec::new(), Vec::new());
    for k in 0..draws {
        let fit = &fits[k % fits.len()];
        let z = &mut z[..fit.noise()];
        normals(z, generator(random, method)?);
        let log_q = fit.at(z, &mut x);
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
    let (climb, _) = climbs(density, 4, STEPS, random)?;
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
    let fits = path_fits(density, paths, random)?;
    posterior("pathfinder", density, &fits, draws, all, true, random)
}

fn path_fits<D: Density>(density: &D, paths: usize, random: &mut dyn Random) -> Result<Vec<Normal>, Fault> {
    let mut fits = Vec::new();
    for _ in 0..paths {
        let (climb, _) = climbs(density, 1, STEPS, random)?;
        fits.extend(best_on_path(density, &climb, random)?);
    }
    if fits.is_empty() {
        return Err(Fault::error("no path to a mode curves downwards").hint("use `nuts` or `mh`"));
    }
    Ok(fits)
}

/// Paths from which chains start.
const START_PATHS: usize = 8;
/// Draws of each path among which starts are chosen.
const START_DRAWS: usize = 50;

/// So many unconstrained points, chosen among draws of Pathfinder's approximation in proportion to their smoothed importance.
///
/// # Errors
/// If no path to a mode curves downwards.
pub fn starts<D: Density>(density: &D, count: usize, random: &mut dyn Random) -> Result<Vec<Vec<f64>>, Fault> {
    let fits = path_fits(density, START_PATHS, random)?;
    let mut evaluator = density.evaluator();
    let (mut points, mut ratios) = (Vec::new(), Vec::new());
    for k in 0..fits.len() * START_DRAWS {
        let fit = &fits[k % fits.len()];
        let (mut z, mut x) = (vec![0.0; fit.noise()], vec![0.0; density.dim()]);
        normals(&mut z, generator(random, "pathfinder")?);
        let log_q = fit.at(&z, &mut x);
        let height = evaluator.log_density(&x);
        ratios.push(if height.is_nan() { f64::NEG_INFINITY } else { height - log_q });
        points.push(x);
    }
    let (smoothed, _) = smooth(&ratios);
    let highest = smoothed.iter().fold(f64::NEG_INFINITY, |high, w| high.max(*w));
    let weights: Vec<f64> = smoothed.iter().map(|w| (w - highest).exp()).collect();
    Ok((0..count).map(|_| points[random.choose(&weights)].clone()).collect())
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
