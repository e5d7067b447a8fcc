//! Exact posteriors of conjugate models: independent draws and the evidence, without a chain.
//!
//! Which families the posterior is composed of is told by the program's structure ([`Density::families`]); their parameters are solved for
//! from gradients, in which they are linear, at points near the mode. Every draw checks the result: the log density and that of the family
//! differ by the log evidence and nothing else.
//!
//! Diaconis and Ylvisaker 1979; Gelman, Carlin, Stern, Dunson, Vehtari and Rubin 2013, chapters 2, 3 and 14.

use super::enumerate::named_record;
use super::importance::names_of;
use super::{Contract, Row};
use crate::model::Random;
use crate::model::density::{Block, Density, Evaluate, sticks};
use crate::posterior::{Chain, Info, Posterior};
use crate::value::{Fault, Generator, Value};
use nalgebra::{DMatrix, DVector};
use rand_distr::{Distribution, StandardNormal};
use statrs::function::gamma::ln_gamma;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn conjugate(model: () ~> a, draws: Int = 4000) ~> Posterior<a>",
    doc: "The exact posterior of a model whose priors are conjugate: independent draws and the exact evidence. The posterior must be composed \
          of normal, beta, gamma and Dirichlet variables, or normal ones scaled by a gamma variable. Diaconis and Ylvisaker 1979.\n\
          example: abs(log_evidence(conjugate(() => { p ~ Beta(1, 1); observe 1 ~ Bernoulli(p); p })) + log(2)) < 1e-12",
    contract: Contract::Preserves,
}];

/// A block with its parameters.
enum Part {
    Normal { coordinates: Vec<u32>, form: Quadratic },
    Beta { coordinate: u32, a: f64, b: f64 },
    Gamma { coordinate: u32, power: f64, a: f64, b: f64 },
    Dirichlet { coordinates: Vec<u32>, a: Vec<f64> },
    ScaledNormal { coordinates: Vec<u32>, form: Quadratic, scale: u32, power: f64, a: f64, b: f64 },
}

/// `-(x - mean)ᵀ L Lᵀ (x - mean) / 2`
struct Quadratic {
    mean: DVector<f64>,
    /// L
    factor: DMatrix<f64>,
}

const LOG_2_PI: f64 = 1.837_877_066_409_345_3;

fn logistic(x: f64) -> f64 {
    if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
}

/// The log of the logistic function.
fn log_logistic(x: f64) -> f64 {
    if x < 0.0 { x - x.exp().ln_1p() } else { -(-x).exp().ln_1p() }
}

impl Quadratic {
    /// Draws into coordinates, with the precision multiplied by `scale`, and gives the log density.
    fn draw(&self, coordinates: &[u32], scale: f64, x: &mut [f64], generator: &mut Generator) -> Option<f64> {
        let n = coordinates.len();
        let z = DVector::from_fn(n, |_, _| StandardNormal.sample(generator));
        let height = -0.5 * z.norm_squared() - 0.5 * n as f64 * LOG_2_PI + 0.5 * n as f64 * scale.ln();
        let away = self.factor.tr_solve_lower_triangular(&z)? / scale.sqrt();
        for (k, place) in coordinates.iter().enumerate() {
            x[*place as usize] = self.mean[k] + away[k];
        }
        Some(height + (0..n).map(|k| self.factor[(k, k)].ln()).sum::<f64>())
    }
}

/// The log of a Gamma(shape, 1) draw, which may be too small for a number itself.
fn log_gamma_draw(shape: f64, generator: &mut Generator) -> f64 {
    let draw = |shape: f64, generator: &mut Generator| {
        rand_distr::Gamma::new(shape, 1.0).map_or(f64::NAN, |gamma| gamma.sample(generator))
    };
    if shape < 1.0 {
        // Marsaglia and Tsang 2000.
        let more = draw(shape + 1.0, generator).ln();
        more + generator.uniform_open().ln() / shape
    } else {
        draw(shape, generator).ln()
    }
}

/// A draw of `x` where `exp(power x)` is Gamma(a / power, b), and its log density.
fn gamma_draw(power: f64, a: f64, b: f64, generator: &mut Generator) -> (f64, f64) {
    let shape = a / power;
    let log_u = log_gamma_draw(shape, generator) - b.ln();
    let height = shape * (log_u + b.ln()) - b * log_u.exp() - ln_gamma(shape) + power.abs().ln();
    (log_u / power, height)
}

impl Part {
    /// Draws the coordinates of the part, and gives the log of its density there.
    fn draw(&self, x: &mut [f64], generator: &mut Generator) -> Option<f64> {
        match self {
            Part::Normal { coordinates, form } => form.draw(coordinates, 1.0, x, generator),
            Part::Beta { coordinate, a, b } => {
                let logit = log_gamma_draw(*a, generator) - log_gamma_draw(*b, generator);
                x[*coordinate as usize] = logit;
                let normaliser = ln_gamma(*a) + ln_gamma(*b) - ln_gamma(a + b);
                Some(a * log_logistic(logit) + b * log_logistic(-logit) - normaliser)
            }
            Part::Gamma { coordinate, power, a, b } => {
                let (at, height) = gamma_draw(*power, *a, *b, generator);
                x[*coordinate as usize] = at;
                Some(height)
            }
            Part::Dirichlet { coordinates, a } => {
                let mut logs: Vec<f64> = a.iter().map(|a| log_gamma_draw(*a, generator)).collect();
                let total = crate::posterior::log_sum_exp(&logs);
                logs.iter_mut().for_each(|log| *log -= total);
                let mut point = vec![0.0; coordinates.len()];
                sticks(&logs, &mut point);
                for (place, at) in coordinates.iter().zip(point) {
                    x[*place as usize] = at;
                }
                let weight: f64 = a.iter().zip(&logs).map(|(a, log)| a * log - ln_gamma(*a)).sum();
                Some(weight + ln_gamma(a.iter().sum()))
            }
            Part::ScaledNormal { coordinates, form, scale, power, a, b } => {
                let a = a - 0.5 * power * coordinates.len() as f64;
                let (at, height) = gamma_draw(*power, a, *b, generator);
                x[*scale as usize] = at;
                Some(height + form.draw(coordinates, (power * at).exp(), x, generator)?)
            }
        }
    }

    /// The family, in words.
    fn family(&self) -> String {
        match self {
            Part::Normal { coordinates, .. } if coordinates.len() == 1 => "normal".into(),
            Part::Normal { coordinates, .. } => format!("jointly normal, dimension {}", coordinates.len()),
            Part::Beta { a, b, .. } => format!("Beta({}, {})", short(*a), short(*b)),
            Part::Gamma { power, a, b, .. } => {
                let shape = short(a / power);
                let rate = short(*b);
                match *power {
                    1.0 => format!("Gamma({shape}, {rate})"),
                    -1.0 => format!("InverseGamma({shape}, {rate})"),
                    power => format!("its power {power} is Gamma({shape}, {rate})"),
                }
            }
            Part::Dirichlet { a, .. } => {
                let shown: Vec<String> = a.iter().take(8).map(|a| short(*a)).collect();
                let rest = if a.len() > 8 { ", …" } else { "" };
                format!("Dirichlet([{}{rest}])", shown.join(", "))
            }
            Part::ScaledNormal { coordinates, power, a, b, .. } => {
                let shape = short(a / power - 0.5 * coordinates.len() as f64);
                format!("normal, dimension {}, scaled by a Gamma({shape}, {}) variable", coordinates.len(), short(*b))
            }
        }
    }

    fn first(&self) -> u32 {
        match self {
            Part::Beta { coordinate, .. } | Part::Gamma { coordinate, .. } => *coordinate,
            Part::Normal { coordinates, .. }
            | Part::Dirichlet { coordinates, .. }
            | Part::ScaledNormal { coordinates, .. } => coordinates[0],
        }
    }
}

/// A number with six digits.
fn short(x: f64) -> String {
    let rounded: f64 = format!("{x:.5e}").parse().unwrap_or(x);
    format!("{rounded}")
}

/// Finds the parameters of blocks from a density.
struct Solver<'a, E> {
    evaluator: &'a mut E,
    /// A point near the mode, as far as it is known.
    x: Vec<f64>,
    gradient: Vec<f64>,
}

impl<E: Evaluate> Solver<'_, E> {
    /// The derivative by some coordinates at the point.
    fn slope(&mut self, coordinates: &[u32]) -> DVector<f64> {
        self.evaluator.gradient(&self.x, &mut self.gradient);
        DVector::from_iterator(coordinates.len(), coordinates.iter().map(|k| self.gradient[*k as usize]))
    }

    /// Solves `g(x) = a f(x) + b h(x)` for a and b at two points around that of the coordinate, and moves the coordinate to where `g` is 0.
    fn pair(
        &mut self,
        coordinate: u32,
        width: f64,
        basis: impl Fn(f64) -> [f64; 2],
        mode: impl Fn(f64, f64) -> f64,
    ) -> Result<(f64, f64), Fault> {
        let at = coordinate as usize;
        let (mut a, mut b) = (f64::NAN, f64::NAN);
        for _ in 0..6 {
            let centre = self.x[at];
            let mut rows = [([0.0; 2], 0.0); 2];
            for (row, side) in rows.iter_mut().zip([-width, width]) {
                self.x[at] = centre + side;
                *row = (basis(self.x[at]), self.slope(&[coordinate])[0]);
            }
            let [([p, q], g), ([r, s], h)] = rows;
            let determinant = p * s - q * r;
            (a, b) = ((g * s - q * h) / determinant, (p * h - g * r) / determinant);
            let moved = mode(a, b);
            self.x[at] = if moved.is_finite() { moved.clamp(-300.0, 300.0) } else { centre };
            if (self.x[at] - centre).abs() < 0.5 * width {
                return Ok((a, b));
            }
        }
        if a.is_finite() && b.is_finite() { Ok((a, b)) } else { Err(improper()) }
    }

    /// The quadratic form in some coordinates; the point moves to its top.
    fn quadratic(&mut self, coordinates: &[u32], factor: f64) -> Result<Quadratic, Fault> {
        let n = coordinates.len();
        let mut steps = vec![1.0; n];
        let mut form = None;
        // The second round measures with steps of the size of the standard deviations, around the mean.
        for _ in 0..2 {
            let base = self.slope(coordinates);
            let mut precision = DMatrix::zeros(n, n);
            for (k, place) in coordinates.iter().enumerate() {
                let at = *place as usize;
                let centre = self.x[at];
                self.x[at] = centre + steps[k];
                let step = self.x[at] - centre;
                let column = (&base - self.slope(coordinates)) / step;
                self.x[at] = centre;
                precision.set_column(k, &column);
            }
            let precision = (&precision + precision.transpose()) * 0.5;
            for (k, step) in steps.iter_mut().enumerate() {
                *step = 1.0 / precision[(k, k)].abs().sqrt().max(1e-150);
            }
            let cholesky = nalgebra::Cholesky::new(precision).ok_or_else(improper)?;
            for _ in 0..3 {
                let step = cholesky.solve(&self.slope(coordinates));
                for (k, place) in coordinates.iter().enumerate() {
                    self.x[*place as usize] += step[k];
                }
            }
            form = Some(cholesky.unpack() / factor.sqrt());
        }
        let mean = DVector::from_iterator(n, coordinates.iter().map(|k| self.x[*k as usize]));
        Ok(Quadratic { mean, factor: form.ok_or_else(improper)? })
    }

    fn part(&mut self, block: Block) -> Result<Part, Fault> {
        let gamma_basis = |power: f64| move |x: f64| [1.0, -power * (power * x).exp()];
        let gamma_mode = |power: f64| move |a: f64, b: f64| (a / (b * power)).ln() / power;
        let part = match block {
            Block::Normal { coordinates } => Part::Normal { form: self.quadratic(&coordinates, 1.0)?, coordinates },
            Block::Beta { coordinate } => {
                let basis = |x: f64| [logistic(-x), -logistic(x)];
                let (a, b) = self.pair(coordinate, 1.0, basis, |a, b| (a / b).ln())?;
                Part::Beta { coordinate, a, b }
            }
            Block::Gamma { coordinate, power } => {
                let (a, b) = self.pair(coordinate, 1.0 / power.abs(), gamma_basis(power), gamma_mode(power))?;
                Part::Gamma { coordinate, power, a, b }
            }
            Block::Dirichlet { coordinates } => self.dirichlet(coordinates)?,
            Block::ScaledNormal { coordinates, scale, power } => {
                let mut found = None;
                // The second round measures the form at the scale that the first has found.
                for _ in 0..2 {
                    let factor = (power * self.x[scale as usize]).exp();
                    let form = self.quadratic(&coordinates, factor)?;
                    let (a, b) = self.pair(scale, 1.0 / power.abs(), gamma_basis(power), gamma_mode(power))?;
                    found = Some((form, a, b));
                }
                let (form, a, b) = found.ok_or_else(improper)?;
                Part::ScaledNormal { coordinates, form, scale, power, a, b }
            }
        };
        let proper = match &part {
            Part::Beta { a, b, .. } => *a > 0.0 && *b > 0.0,
            Part::Gamma { power, a, b, .. } => a / power > 0.0 && *b > 0.0,
            Part::Dirichlet { a, .. } => a.iter().all(|a| *a > 0.0),
            Part::ScaledNormal { coordinates, power, a, b, .. } => {
                a / power - 0.5 * coordinates.len() as f64 > 0.0 && *b > 0.0
            }
            Part::Normal { .. } => true,
        };
        if proper { Ok(part) } else { Err(improper()) }
    }

    /// The parameters are linear in the log density: it is evaluated at points of which one part is large.
    fn dirichlet(&mut self, coordinates: Vec<u32>) -> Result<Part, Fault> {
        let k = coordinates.len() + 1;
        let mut point = vec![0.0; k - 1];
        let mut height = |solver: &mut Self, logs: &[f64]| {
            sticks(logs, &mut point);
            for (place, at) in coordinates.iter().zip(&point) {
                solver.x[*place as usize] = *at;
            }
            solver.evaluator.log_density(&solver.x)
        };
        let even = vec![-(k as f64).ln(); k];
        let base = height(self, &even);
        let (large, small) = (0.75f64.ln(), (0.25 / (k - 1) as f64).ln());
        let mut rows = DMatrix::from_element(k, k, small - even[0]);
        let mut heights = DVector::zeros(k);
        for j in 0..k {
            rows[(j, j)] = large - even[0];
            let mut logs = vec![small; k];
            logs[j] = large;
            heights[j] = height(self, &logs) - base;
        }
        height(self, &even);
        let a = rows.lu().solve(&heights).ok_or_else(improper)?;
        Ok(Part::Dirichlet { coordinates, a: a.iter().copied().collect() })
    }
}

fn improper() -> Fault {
    Fault::error("the posterior is not proper: its density has no finite integral")
        .hint("give every choice a proper prior, or use `nuts` to see where the density goes")
}

/// What the exact posterior of a model is composed of: for each part a name of its first coordinate, how many coordinates it has, and
/// the family with its parameters. None where the model is not known to be conjugate.
///
/// # Errors
/// If the posterior is not proper.
pub fn composition<D: Density>(density: &D) -> Result<Option<Vec<(String, String)>>, Fault> {
    let Some(parts) = solve(density)? else { return Ok(None) };
    let name = |part: &Part| density.coordinates().get(part.first() as usize).cloned().unwrap_or_default();
    Ok(Some(parts.iter().map(|part| (name(part), part.family())).collect()))
}

fn solve<D: Density>(density: &D) -> Result<Option<Vec<Part>>, Fault> {
    let Some(blocks) = density.families() else { return Ok(None) };
    let mut evaluator = density.evaluator();
    let n = density.dim();
    let mut solver = Solver { evaluator: &mut evaluator, x: vec![0.0; n], gradient: vec![0.0; n] };
    blocks.into_iter().map(|block| solver.part(block)).collect::<Result<Vec<_>, _>>().map(Some)
}

/// The exact posterior of a conjugate model.
///
/// # Errors
/// If the model is not known to be conjugate, or its posterior is not proper; and under a handler that enumerates.
pub fn conjugate<D: Density>(
    density: &D,
    draws: usize,
    all: bool,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let Some(parts) = solve(density)? else {
        return Err(Fault::error("this model is not known to be conjugate")
            .hint("`nuts` follows its gradient; `borel explain` tells what applies"));
    };
    let mut evaluator = density.evaluator();
    let mut x = vec![0.0; density.dim()];
    let mut chain = Chain::default();
    let (mut named, mut heights) = (Vec::new(), Vec::new());
    let mut evidence: Option<f64> = None;
    for _ in 0..draws.max(1) {
        let generator = random
            .generator()
            .ok_or_else(|| Fault::error("`conjugate` draws from continuous distributions and cannot be enumerated"))?;
        let mut log_q = 0.0;
        for part in &parts {
            log_q += part.draw(&mut x, generator).ok_or_else(improper)?;
        }
        let height = evaluator.log_density(&x);
        let ratio = height - log_q;
        let first = *evidence.get_or_insert(ratio);
        // What rounding can do to a sum of terms of this size.
        let gap = (ratio - first).abs();
        if gap.is_nan() || gap > 1e-6 * (1.0 + height.abs()) {
            return Err(Fault::internal(format!(
                "the density is not that of the conjugate family: log ratios {first} and {ratio}"
            )));
        }
        heights.push(height);
        let run = density.constrain(&x, random)?;
        let unit = matches!(run.value, Value::Unit) && !run.named.is_empty();
        if all {
            named.push(names_of(run.named.clone()));
        }
        chain.draws.push(if unit { named_record(run.named) } else { run.value });
    }
    chain.named = all.then_some(named);
    chain.stats = vec![("lp__".to_string(), heights)];
    let mut posterior = Posterior::new("", "conjugate", vec![chain]);
    posterior.log_evidence = evidence;
    posterior.log_evidence_se = Some(0.0);
    let name = |part: &Part| density.coordinates().get(part.first() as usize).cloned().unwrap_or_default();
    let shown: Vec<String> = parts.iter().take(20).map(|part| format!("{}: {}", name(part), part.family())).collect();
    posterior.info.push(("families".into(), Info::Text(shown.join("; "))));
    Ok(posterior)
}
