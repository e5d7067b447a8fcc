//! Variational inference with normal guides in the unconstrained space: the normal distribution of a family that is nearest to the
//! posterior in some divergence.
//!
//! All divergences are D(p, q) = E_q f(p / q) for a convex f, and have one reparametrised gradient: with x = T(z) a draw of q and r = p / q
//! there, it is −E [f''(r) r² ∇ₓ log r · ∂T], because the part that comes through the density of q can be reparametrised again (Tucker,
//! Lawson, Gu and Maddison 2019). So a divergence is a weight of draws: 1 for the reverse Kullback-Leibler divergence (the path
//! derivative of Roeder, Wu and Duvenaud 2017), r for the forward one, ½ r / (1 + r) for that of Jensen and Shannon. Where q
//! is the posterior every draw gives the gradient 0.

use super::normal_fit::{Factor, Normal, generator, normals, posterior};
use super::optimise::climbs;
use super::{Contract, Row};
use crate::model::Random;
use crate::model::density::{Density, Evaluate};
use crate::posterior::{Info, Posterior, Warning, log_sum_exp};
use crate::value::Fault;
use crate::value::interrupt::stop_if_interrupted;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn vi(model: () ~> a, draws: Int = 1000, family: String = \"mean_field\", steps: Int = 20000, batch: Int = -1, \
                divergence: String = \"reverse_kl\", optimiser: String = \"adam\", rank: Int = 4) ~> Posterior<a>",
    doc: "Variational inference: the normal distribution in the unconstrained space, of family `mean_field`, `low_rank` (a diagonal and \
          `rank` directions more) or `full_rank`, that is nearest to the posterior in a `divergence`: `reverse_kl`, `forward_kl` or \
          `jensen_shannon`. By at most `steps` steps of an `optimiser`, `adam` or `natural`, with `batch` draws each (by default 4, \
          and 50 where draws are weighed). Tells the evidence bound with its error; Pareto k says how good the fit is. \
          Kucukelbir, Tran, Ranganath, Gelman and Blei 2017; Wan, Li and Hovakimyan 2020.\n\
          example: abs(mean(vi(() => sample(Normal(3, 0.1)))) - 3) < 0.1",
    contract: Contract::Biased,
}];

/// Which normal distributions are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    MeanField,
    /// So many directions beside a diagonal.
    LowRank(usize),
    FullRank,
}

/// What is made small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Divergence {
    /// E_q log (q / p): the fit keeps inside the posterior.
    ReverseKl,
    /// E_p log (p / q): the fit covers the posterior. Its draws are weighed by their importance, which few coordinates allow.
    ForwardKl,
    /// Half of each, from the middle between p and q: between the two.
    JensenShannon,
}

impl Divergence {
    /// The weight of a draw in the gradient, given the log of r = p / q.
    fn weight(self, log_ratio: f64) -> f64 {
        match self {
            Divergence::ReverseKl => 1.0,
            Divergence::ForwardKl => log_ratio.exp(),
            // ½ r / (1 + r)
            Divergence::JensenShannon => 0.5 / (1.0 + (-log_ratio).exp()),
        }
    }

    /// Minus f(r).
    fn gain(self, log_ratio: f64) -> f64 {
        let r = log_ratio.exp();
        match self {
            Divergence::ReverseKl => log_ratio,
            _ if r == 0.0 => {
                if self == Divergence::ForwardKl {
                    0.0
                } else {
                    -0.5 * 2f64.ln()
                }
            }
            Divergence::ForwardKl => -r * log_ratio,
            Divergence::JensenShannon => -0.5 * (r * log_ratio - (1.0 + r) * (0.5 * (1.0 + r)).ln()),
        }
    }
}

/// How steps are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimiser {
    /// Kingma and Ba 2015.
    Adam,
    /// Steps in the metric of Fisher and Rao: of the mean in units of the covariance, of the Cholesky factor by Tan 2021.
    Natural,
}

/// How a variational fit is made.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    pub family: Family,
    pub divergence: Divergence,
    pub optimiser: Optimiser,
    /// The most steps.
    pub steps: usize,
    /// Draws for each gradient.
    pub batch: usize,
}

/// What a fit found.
#[derive(Clone, Debug)]
pub struct Fitted {
    pub guide: Normal,
    pub steps: usize,
    /// The fit ended because it did not get better.
    pub converged: bool,
}

/// How many steps an average of what is made large is over.
const WINDOW: usize = 100;
/// The fit ends when a window was no better than those before so often, with the steps halved each time.
const HALVINGS: usize = 6;

/// The parameters of a guide: the mean, logs of standard deviations, then a strict lower triangle by rows, or columns one after the other.
#[derive(Clone, Debug)]
struct Parameters {
    dim: usize,
    family: Family,
    values: Vec<f64>,
}

impl Parameters {
    fn new(mean: &[f64], family: Family, start: f64) -> Parameters {
        let dim = mean.len();
        let mut values = mean.to_vec();
        values.extend(std::iter::repeat_n(start, dim));
        match family {
            Family::MeanField => {}
            Family::FullRank => values.extend(std::iter::repeat_n(0.0, dim * dim.saturating_sub(1) / 2)),
            // Not all zero, or no direction would be told from another.
            Family::LowRank(rank) => {
                values.extend((0..rank * dim).map(|k| 0.05 * ((k as f64 + 1.0) * 0.754_877).sin()));
            }
        }
        Parameters { dim, family, values }
    }

    fn guide(&self) -> Normal {
        let n = self.dim;
        let (mean, rest) = self.values.split_at(n);
        let (logs, more) = rest.split_at(n);
        let factor = match self.family {
            Family::MeanField => Factor::Diagonal(logs.iter().map(|s| s.exp()).collect()),
            Family::LowRank(_) => Factor::low_rank(logs.iter().map(|s| s.exp()).collect(), more.to_vec()),
            Family::FullRank => {
                let mut l = vec![0.0; n * n];
                let mut next = 0;
                for i in 0..n {
                    l[i * n..i * n + i].copy_from_slice(&more[next..next + i]);
                    next += i;
                    l[i * n + i] = logs[i].exp();
                }
                Factor::Dense(l)
            }
        };
        Normal { mean: mean.to_vec(), factor }
    }

    /// Adds the gradient of log r through a draw: `slope` is that by the point, `z` the noise.
    fn add(&self, slope: &[f64], z: &[f64], weight: f64, total: &mut [f64]) {
        let n = self.dim;
        for i in 0..n {
            let s = weight * slope[i];
            total[i] += s;
            total[n + i] += s * z[i] * self.values[n + i].exp();
        }
        let mut next = 2 * n;
        match self.family {
            Family::MeanField => {}
            Family::FullRank => {
                for i in 0..n {
                    for z in &z[..i] {
                        total[next] += weight * slope[i] * z;
                        next += 1;
                    }
                }
            }
            Family::LowRank(_) => {
                for z in &z[n..] {
                    for s in slope {
                        total[next] += weight * s * z;
                        next += 1;
                    }
                }
            }
        }
    }

    /// Takes a natural gradient step of the size `rate`, no longer than a standard deviation.
    fn natural(&mut self, gradient: &[f64], rate: f64) {
        let n = self.dim;
        let guide = self.guide();
        let Factor::Dense(l) = &guide.factor else {
            // The Fisher information of a mean is 1 / sd², that of a log standard deviation 2.
            for i in 0..n {
                let sd = self.values[n + i].exp();
                self.values[i] += sd * (rate * sd * gradient[i]).clamp(-1.0, 1.0);
                self.values[n + i] += (0.5 * rate * gradient[n + i]).clamp(-0.3, 0.3);
            }
            return;
        };
        let at = |i: usize, j: usize| l[i * n + j];
        // The gradient by the factor L: lower triangle, with the diagonal not in logs.
        let mut by_factor = vec![0.0; n * n];
        let mut next = 2 * n;
        for i in 0..n {
            for j in 0..i {
                by_factor[i * n + j] = gradient[next];
                next += 1;
            }
            by_factor[i * n + i] = gradient[n + i] / at(i, i);
        }
        // Steps in standardised space: Lᵀ g for the mean, the lower triangle of Lᵀ G with half its diagonal for the factor.
        let mean: Vec<f64> = (0..n).map(|j| (j..n).map(|i| at(i, j) * gradient[i]).sum::<f64>()).collect();
        let mut step = vec![0.0; n * n];
        let mut size = mean.iter().map(|m| m * m).sum::<f64>();
        for i in 0..n {
            for j in 0..=i {
                let sum: f64 = (i..n).map(|k| at(k, i) * by_factor[k * n + j]).sum();
                step[i * n + j] = if i == j { 0.5 * sum } else { sum };
                size += step[i * n + j].powi(2);
            }
        }
        let rate = rate.min(0.5 / size.sqrt().max(1e-300));
        let mut factor = l.clone();
        for i in 0..n {
            self.values[i] += rate * (0..=i).map(|j| at(i, j) * mean[j]).sum::<f64>();
            for j in 0..=i {
                factor[i * n + j] += rate * (j..=i).map(|k| at(i, k) * step[k * n + j]).sum::<f64>();
            }
        }
        let mut next = 2 * n;
        for i in 0..n {
            for j in 0..i {
                self.values[next] = factor[i * n + j];
                next += 1;
            }
            self.values[n + i] = factor[i * n + i].abs().max(1e-300).ln();
        }
    }
}

/// The running averages of Adam.
pub(super) struct Adam {
    first: Vec<f64>,
    second: Vec<f64>,
    steps: i32,
}

impl Adam {
    pub(super) fn new(count: usize) -> Adam {
        Adam { first: vec![0.0; count], second: vec![0.0; count], steps: 0 }
    }

    /// Goes up.
    pub(super) fn step(&mut self, values: &mut [f64], gradient: &[f64], rate: f64) {
        self.steps += 1;
        let (b1, b2) = (1.0 - 0.9f64.powi(self.steps), 1.0 - 0.999f64.powi(self.steps));
        for (k, g) in gradient.iter().enumerate() {
            self.first[k] = 0.9 * self.first[k] + 0.1 * g;
            self.second[k] = 0.999 * self.second[k] + 0.001 * g * g;
            values[k] += rate * (self.first[k] / b1) / ((self.second[k] / b2).sqrt() + 1e-8);
        }
    }
}

/// When steps become shorter, and when a fit ends.
///
/// The step size is halved whenever what is made large is no better over a window than over those before, within its error; the
/// fit then goes on from the mean of the parameters over the window, which is better than any of them.
pub(super) struct Windows {
    pub rate: f64,
    length: usize,
    best: f64,
    halvings: usize,
    seen: Vec<f64>,
    mean: Vec<f64>,
}

impl Windows {
    pub(super) fn new(count: usize, rate: f64, length: usize) -> Windows {
        Windows { rate, length, best: f64::NEG_INFINITY, halvings: 0, seen: Vec::new(), mean: vec![0.0; count] }
    }

    /// Whether the fit does not get better.
    pub(super) fn is_over(&self) -> bool {
        self.halvings >= HALVINGS
    }

    /// Learns what a step gave.
    pub(super) fn learn(&mut self, parameters: &mut [f64], value: f64) {
        let n = self.length as f64;
        self.seen.push(value);
        for (mean, x) in self.mean.iter_mut().zip(&*parameters) {
            *mean += x / n;
        }
        if self.seen.len() < self.length {
            return;
        }
        let middle = self.seen.iter().sum::<f64>() / n;
        let spread = self.seen.iter().map(|v| (v - middle).powi(2)).sum::<f64>() / (n - 1.0);
        if middle <= self.best + (spread / n).sqrt() {
            self.rate *= 0.5;
            self.halvings += 1;
            parameters.copy_from_slice(&self.mean);
        }
        self.best = self.best.max(middle);
        self.seen.clear();
        self.mean.fill(0.0);
    }
}

/// The guide of a family that is nearest to a density, looked for from a point.
pub fn variational<D: Density>(density: &D, start: &[f64], fit: Fit, random: &mut dyn Random) -> Result<Fitted, Fault> {
    let mut evaluator = density.evaluator();
    let mut parameters = Parameters::new(start, fit.family, -1.0);
    let count = parameters.values.len();
    let mut adam = Adam::new(count);
    let mut draws = Draws::new(start.len(), parameters.guide().noise(), fit.batch);
    let rate = if fit.optimiser == Optimiser::Adam { 0.1 } else { 0.2 };
    let mut windows = Windows::new(count, rate, WINDOW);
    // The log of the evidence, against which ratios are measured, forgets slowly.
    let mut evidence: Option<f64> = None;
    let mut total = vec![0.0; count];
    let mut steps = 0;
    while steps < fit.steps && !windows.is_over() {
        stop_if_interrupted()?;
        steps += 1;
        let guide = parameters.guide();
        draws.make(&guide, &mut evaluator, random)?;
        let batch = log_sum_exp(&draws.ratios) - (fit.batch as f64).ln();
        let scale = match (fit.divergence, evidence) {
            (Divergence::ReverseKl, _) => 0.0,
            (_, None) => batch,
            (_, Some(old)) => log_sum_exp(&[old + 0.9f64.ln(), batch + 0.1f64.ln()]),
        };
        evidence = Some(scale);
        total.fill(0.0);
        let (mut gain, mut sum) = (0.0, 0.0);
        for (k, ratio) in draws.ratios.iter().enumerate() {
            let log_ratio = ratio - scale;
            let weight = fit.divergence.weight(log_ratio);
            gain += if *ratio == f64::NEG_INFINITY && fit.divergence == Divergence::ReverseKl {
                -1e10
            } else {
                fit.divergence.gain(log_ratio)
            };
            if *ratio > f64::NEG_INFINITY && weight > 0.0 {
                sum += weight;
                parameters.add(&draws.slopes[k], &draws.noise[k], weight, &mut total);
            }
        }
        // Weights of a batch are normalised, so that one heavy draw is no long step.
        let unit = if fit.divergence == Divergence::ReverseKl { fit.batch as f64 } else { sum.max(1e-300) };
        total.iter_mut().for_each(|g| *g /= unit);
        match fit.optimiser {
            Optimiser::Adam => adam.step(&mut parameters.values, &total, windows.rate),
            Optimiser::Natural => parameters.natural(&total, windows.rate),
        }
        windows.learn(&mut parameters.values, gain / fit.batch as f64);
    }
    Ok(Fitted { guide: parameters.guide(), steps, converged: windows.is_over() })
}

/// Draws of a guide.
struct Draws {
    noise: Vec<Vec<f64>>,
    /// The logs of p / q.
    ratios: Vec<f64>,
    /// The gradients of log p / q by the point.
    slopes: Vec<Vec<f64>>,
    x: Vec<f64>,
}

impl Draws {
    fn new(dim: usize, noise: usize, batch: usize) -> Draws {
        Draws {
            noise: vec![vec![0.0; noise]; batch],
            ratios: vec![0.0; batch],
            slopes: vec![vec![0.0; dim]; batch],
            x: vec![0.0; dim],
        }
    }

    fn make(&mut self, guide: &Normal, evaluator: &mut impl Evaluate, random: &mut dyn Random) -> Result<(), Fault> {
        let Draws { noise, ratios, slopes, x } = self;
        for ((z, ratio), slope) in noise.iter_mut().zip(ratios).zip(slopes) {
            normals(z, generator(random, "vi")?);
            let log_q = guide.at(z, x);
            let height = evaluator.gradient(x, slope);
            let finite = height.is_finite() && slope.iter().all(|g| g.is_finite());
            *ratio = if finite { height - log_q } else { f64::NEG_INFINITY };
            guide.add_slope(z, x, slope);
        }
        Ok(())
    }
}

/// How many draws the evidence bound of a fit is estimated from.
const BOUND_DRAWS: usize = 1000;

/// The evidence lower bound E_q log (p / q), and its standard error.
pub fn evidence_bound<D: Density>(density: &D, guide: &Normal, random: &mut dyn Random) -> Result<(f64, f64), Fault> {
    let mut evaluator = density.evaluator();
    let (mut z, mut x) = (vec![0.0; guide.noise()], vec![0.0; density.dim()]);
    let mut ratios = Vec::with_capacity(BOUND_DRAWS);
    for _ in 0..BOUND_DRAWS {
        normals(&mut z, generator(random, "vi")?);
        let log_q = guide.at(&z, &mut x);
        let height = evaluator.log_density(&x);
        ratios.push(if height.is_nan() { f64::NEG_INFINITY } else { height - log_q });
    }
    let n = BOUND_DRAWS as f64;
    let mean = ratios.iter().sum::<f64>() / n;
    let variance = ratios.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Ok((mean, (variance / n).sqrt()))
}

/// Variational inference with a normal family, from a random point of finite density.
pub fn vi<D: Density>(
    density: &D,
    draws: usize,
    fit: Fit,
    all: bool,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    // A fit that covers needs draws that lie where the posterior is: it starts from one that keeps inside.
    let (climb, _) = climbs(density, 1, 50, random)?;
    let start = match fit.divergence {
        Divergence::ReverseKl => climb.path.first(),
        _ => climb.path.last(),
    };
    let start = start.map(|stop| stop.x.clone()).unwrap_or_default();
    let Fitted { guide, steps, converged } = variational(density, &start, fit, random)?;
    let (bound, error) = evidence_bound(density, &guide, random)?;
    let mut posterior = posterior("vi", density, &[guide], draws, all, false, random)?;
    posterior.log_evidence = None;
    posterior.info.push(("elbo".into(), Info::Number(bound)));
    posterior.info.push(("elbo_se".into(), Info::Number(error)));
    posterior.info.push(("steps".into(), Info::Count(steps as u64)));
    if !converged {
        posterior.warnings.push(Warning::NotConverged { what: "the variational fit".into(), steps });
    }
    Ok(posterior)
}
