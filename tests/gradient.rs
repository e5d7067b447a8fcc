//! Gradient samplers on densities that are written down here: normal, skewed and curved ones with known moments.
#![allow(clippy::unwrap_used)]

use borel::infer::gradient::{Init, Moves, Options, sample};
use borel::infer::kit::warmup::Shape;
use borel::infer::normal_fit::{laplace, pathfinder};
use borel::infer::variational::{Divergence, Family, Fit, Optimiser, vi};
use borel::model::density::{Density, Evaluate};
use borel::model::{Production, Random, Weighted};
use borel::posterior::convergence::diagnose;
use borel::value::{Fault, Generator, Value};

/// A density over vectors, by its log density and gradient.
#[derive(Clone)]
struct Known {
    names: Vec<String>,
    density: fn(&[f64], &mut [f64]) -> f64,
}

/// What samplers are run with, unless a test says otherwise.
const USUAL: Options = Options {
    moves: Moves::NoUTurn { depth: 10 },
    draws: 4000,
    warmup: 1000,
    chains: 4,
    target: 0.8,
    shape: Shape::Diagonal,
    init: Init::Random,
    settle: false,
    all: false,
};

impl Known {
    fn new(dim: usize, density: fn(&[f64], &mut [f64]) -> f64) -> Known {
        Known { names: (0..dim).map(|k| format!("x[{k}]")).collect(), density }
    }
}

impl Density for Known {
    type Evaluator = Known;

    fn dim(&self) -> usize {
        self.names.len()
    }

    fn coordinates(&self) -> &[String] {
        &self.names
    }

    fn evaluator(&self) -> Known {
        self.clone()
    }

    fn initial(&self, random: &mut dyn Random) -> Result<Vec<f64>, Fault> {
        Ok(self.names.iter().map(|_| 4.0 * random.uniform(&[]) - 2.0).collect())
    }

    fn constrain(&self, x: &[f64], _: &mut dyn Random) -> Result<Weighted, Fault> {
        Ok(Weighted { value: Value::reals(x.to_vec()), log_weight: 0.0, named: Vec::new() })
    }

    fn unconstrain(&self, _: &[(String, Value)]) -> Result<Vec<f64>, Fault> {
        Ok(Vec::new())
    }
}

impl Evaluate for Known {
    fn log_density(&mut self, x: &[f64]) -> f64 {
        (self.density)(x, &mut vec![0.0; x.len()])
    }

    fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        (self.density)(x, gradient)
    }
}

/// Independent normals of scales 0.01, 1 and 100 with means 1, 2 and 3.
fn scales(x: &[f64], g: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for (k, (mean, sd)) in [(1.0, 0.01), (2.0, 1.0), (3.0, 100.0)].into_iter().enumerate() {
        let z = (x[k] - mean) / sd;
        g[k] = -z / sd;
        sum -= 0.5 * z * z;
    }
    sum
}

/// Two normals of correlation 0.95.
fn correlated(x: &[f64], g: &mut [f64]) -> f64 {
    let rho = 0.95;
    let c = 1.0 / (1.0 - rho * rho);
    g[0] = -c * (x[0] - rho * x[1]);
    g[1] = -c * (x[1] - rho * x[0]);
    0.5 * (x[0] * g[0] + x[1] * g[1])
}

/// The log of a Gamma(2) variable: mean digamma(2), variance trigamma(2).
fn log_gamma(x: &[f64], g: &mut [f64]) -> f64 {
    g[0] = 2.0 - x[0].exp();
    2.0 * x[0] - x[0].exp()
}

/// x₀ ~ Normal(0, 1) and x₁ ~ Normal(x₀² , 1): mean 1 and variance 3.
fn banana(x: &[f64], g: &mut [f64]) -> f64 {
    let z = x[1] - x[0] * x[0];
    g[0] = -x[0] + 2.0 * x[0] * z;
    g[1] = -z;
    -0.5 * (x[0] * x[0] + z * z)
}

/// The moments of a coordinate are within five standard errors, and the errors are small enough to tell.
fn check(name: &str, draws: &[Vec<Vec<f64>>], coordinate: usize, mean: f64, variance: f64) {
    let column: Vec<Vec<f64>> = draws.iter().map(|chain| chain.iter().map(|x| x[coordinate]).collect()).collect();
    let squares: Vec<Vec<f64>> =
        column.iter().map(|chain| chain.iter().map(|x| (x - mean) * (x - mean)).collect()).collect();
    for (what, column, expected) in [("mean", column, mean), ("variance", squares, variance)] {
        let told = diagnose(&column);
        let all: Vec<f64> = column.into_iter().flatten().collect();
        let found = all.iter().sum::<f64>() / all.len() as f64;
        let z = (found - expected) / told.mcse_mean;
        assert!(z.abs() < 5.0, "{name}: the {what} of coordinate {coordinate} is {found}, not {expected}: z {z:.1}");
        assert!(told.r_hat < 1.02, "{name}: R-hat {}", told.r_hat);
        assert!(told.mcse_mean < 0.2 * variance.sqrt().max(variance), "{name}: the error is {}", told.mcse_mean);
    }
}

fn run(name: &str, density: &Known, options: Options) -> Vec<Vec<Vec<f64>>> {
    let mut random = Production(Generator::new(11));
    let posterior = sample(name, density, options, &|| 0.0, &mut random).unwrap();
    let reals = |value: &Value| match value {
        Value::Reals(xs) => xs.to_vec(),
        other => panic!("{other:?}"),
    };
    posterior.chains.iter().map(|chain| chain.draws.iter().map(reals).collect()).collect()
}

/// Name and length of the vector, log density with gradient, moments by coordinate.
type Case = (&'static str, usize, fn(&[f64], &mut [f64]) -> f64, &'static [(usize, f64, f64)]);

const CASES: &[Case] = &[
    ("scales", 3, scales, &[(0, 1.0, 1e-4), (1, 2.0, 1.0), (2, 3.0, 1e4)]),
    ("correlated", 2, correlated, &[(0, 0.0, 1.0), (1, 0.0, 1.0)]),
    ("log_gamma", 1, log_gamma, &[(0, 0.422_784_335_098_467, 0.644_934_066_848_226)]),
    ("banana", 2, banana, &[(0, 0.0, 1.0), (1, 1.0, 3.0)]),
];

#[test]
fn samplers_find_known_moments() {
    for (name, dim, density, moments) in CASES {
        let known = Known::new(*dim, *density);
        for (moves, draws) in
            [(Moves::NoUTurn { depth: 10 }, 4000), (Moves::Fixed { time: 2.0 }, 4000), (Moves::Langevin, 60_000)]
        {
            for shape in [Shape::Diagonal, Shape::LowRank, Shape::Dense] {
                // Long steps are refused in the tails of the banana, where a few draws make the error of its variance: trajectories of
                // fixed length need short ones to see them.
                let target = match (moves, shape) {
                    (Moves::Langevin, _) => 0.6,
                    (Moves::NoUTurn { .. }, Shape::LowRank) => 0.9,
                    (Moves::Fixed { .. }, _) if *name == "banana" => 0.95,
                    _ => 0.8,
                };
                let options = Options { moves, draws, target, shape, ..USUAL };
                let drawn = run(name, &known, options);
                for (coordinate, mean, variance) in *moments {
                    check(&format!("{name} {moves:?} {shape:?}"), &drawn, *coordinate, *mean, *variance);
                }
            }
        }
    }
}

#[test]
fn steps_too_long_diverge_and_are_reported() {
    // The neck of a funnel: no step size suits both ends.
    fn funnel(x: &[f64], g: &mut [f64]) -> f64 {
        let scale = (-x[0]).exp();
        g[0] = -x[0] / 9.0;
        let mut sum = -x[0] * x[0] / 18.0;
        for k in 1..x.len() {
            g[k] = -x[k] * scale;
            g[0] += 0.5 * x[k] * x[k] * scale - 0.5;
            sum -= 0.5 * x[k] * x[k] * scale + 0.5 * x[0];
        }
        sum
    }
    let known = Known::new(10, funnel);
    let options = Options { draws: 1000, warmup: 500, target: 0.6, ..USUAL };
    let posterior = sample("nuts", &known, options, &|| 0.0, &mut Production(Generator::new(3))).unwrap();
    let text: Vec<String> = posterior.warnings.iter().map(|warning| warning.text()).collect();
    assert!(text.iter().any(|text| text.contains("diverged")), "{text:?}");
}

#[test]
fn a_density_that_is_nowhere_finite_says_so() {
    fn nowhere(_: &[f64], _: &mut [f64]) -> f64 {
        f64::NEG_INFINITY
    }
    let known = Known::new(1, nowhere);
    let options = Options { draws: 10, warmup: 10, chains: 1, ..USUAL };
    let fault = sample("nuts", &known, options, &|| 0.0, &mut Production(Generator::new(3))).unwrap_err();
    assert!(fault.message.ends_with("in 100 tries: the density was zero"), "{}", fault.message);
}

#[test]
fn an_improper_density_says_so() {
    fn flat(_: &[f64], g: &mut [f64]) -> f64 {
        g[0] = 0.0;
        0.0
    }
    let known = Known::new(1, flat);
    let options = Options { draws: 10, warmup: 10, chains: 1, ..USUAL };
    let fault = sample("nuts", &known, options, &|| 0.0, &mut Production(Generator::new(3))).unwrap_err();
    assert!(fault.message.contains("improper"), "{}", fault.message);
}

#[test]
fn leapfrog_steps_are_reversible_and_keep_volume() {
    use borel::infer::kit::hamiltonian::Point;
    use borel::infer::kit::metric::Metric;
    let known = Known::new(2, banana);
    let metrics = [
        Metric::diagonal(vec![0.5, 2.0]),
        Metric::dense(vec![1.0, 0.4, 0.4, 0.8], 2).unwrap(),
        Metric::low_rank(vec![1.5, 0.7], vec![0.6, 0.8], vec![4.0]).unwrap(),
    ];
    let go = |metric: &Metric, from: [f64; 4], step: f64, steps: usize| {
        let mut evaluator = known.evaluator();
        let mut point = Point::new(2);
        point.x.copy_from_slice(&from[..2]);
        assert!(point.evaluate(&mut evaluator));
        point.momentum.copy_from_slice(&from[2..]);
        (0..steps).for_each(|_| point.leapfrog(step, metric, &mut evaluator));
        [point.x[0], point.x[1], point.momentum[0], point.momentum[1]]
    };
    let mut random = Production(Generator::new(5));
    for metric in &metrics {
        for _ in 0..50 {
            let from: [f64; 4] = std::array::from_fn(|_| 3.0 * random.uniform(&[]) - 1.5);
            let there = go(metric, from, 0.1, 12);
            // Backwards in time, and the same with the momentum turned around.
            let back = go(metric, there, -0.1, 12);
            let turned = go(metric, [there[0], there[1], -there[2], -there[3]], 0.1, 12);
            for k in 0..4 {
                assert!((back[k] - from[k]).abs() < 1e-9, "{from:?} {back:?}");
                let sign = if k < 2 { 1.0 } else { -1.0 };
                assert!((sign * turned[k] - from[k]).abs() < 1e-9, "{from:?} {turned:?}");
            }
            // The determinant of the derivative of the flow, by central differences.
            let h = 1e-5;
            let derivative = nalgebra::Matrix4::from_fn(|row, column| {
                let (mut up, mut down) = (from, from);
                up[column] += h;
                down[column] -= h;
                (go(metric, up, 0.1, 12)[row] - go(metric, down, 0.1, 12)[row]) / (2.0 * h)
            });
            assert!((derivative.determinant() - 1.0).abs() < 1e-4, "{from:?}: {}", derivative.determinant());
        }
    }
}

/// The draws of a posterior as vectors.
fn vectors(posterior: &borel::posterior::Posterior) -> Vec<Vec<f64>> {
    let reals = |value: &Value| match value {
        Value::Reals(xs) => xs.to_vec(),
        other => panic!("{other:?}"),
    };
    posterior.chains[0].draws.iter().map(reals).collect()
}

/// Mean, variance of each coordinate and the covariance of the first two.
fn moments(draws: &[Vec<f64>]) -> (Vec<f64>, Vec<f64>, f64) {
    let n = draws.len() as f64;
    let dim = draws[0].len();
    let mean: Vec<f64> = (0..dim).map(|k| draws.iter().map(|x| x[k]).sum::<f64>() / n).collect();
    let variance = (0..dim).map(|k| draws.iter().map(|x| (x[k] - mean[k]).powi(2)).sum::<f64>() / n).collect();
    let both = if dim > 1 { draws.iter().map(|x| (x[0] - mean[0]) * (x[1] - mean[1])).sum::<f64>() / n } else { 0.0 };
    (mean, variance, both)
}

const DRAWS: usize = 40_000;

#[test]
fn laplace_is_exact_for_a_normal_density() {
    let known = Known::new(2, correlated);
    let posterior = laplace(&known, DRAWS, false, &mut Production(Generator::new(1))).unwrap();
    let (mean, variance, covariance) = moments(&vectors(&posterior));
    let error = 5.0 / (DRAWS as f64).sqrt();
    assert!(mean.iter().all(|m| m.abs() < error), "{mean:?}");
    assert!(variance.iter().all(|v| (v - 1.0).abs() < 1.5 * error), "{variance:?}");
    assert!((covariance - 0.95).abs() < 1.5 * error, "{covariance}");
    // The integral of exp(−½ xᵀ C⁻¹ x) is 2π √det C.
    let evidence = (2.0 * std::f64::consts::PI * (1.0f64 - 0.95 * 0.95).sqrt()).ln();
    assert!((posterior.log_evidence.unwrap() - evidence).abs() < 1e-6);
}

/// A fit by the reverse divergence with Adam.
fn usual(family: Family) -> Fit {
    Fit { family, divergence: Divergence::ReverseKl, optimiser: Optimiser::Adam, steps: 20_000, batch: 10 }
}

/// Mean, variances and covariance of the fit to the normal density of correlation 0.95, and its evidence bound.
fn fitted(fit: Fit) -> (Vec<f64>, Vec<f64>, f64, f64) {
    let known = Known::new(2, correlated);
    let posterior = vi(&known, DRAWS, fit, false, &mut Production(Generator::new(2))).unwrap();
    assert!(posterior.warnings.iter().all(|warning| !warning.text().contains("converged")), "{fit:?}");
    let (mean, variances, both) = moments(&vectors(&posterior));
    let bound = posterior.info.iter().find_map(|(name, info)| match info {
        borel::posterior::Info::Number(x) if name == "elbo" => Some(*x),
        _ => None,
    });
    (mean, variances, both, bound.unwrap())
}

#[test]
fn fits_of_a_correlated_normal_have_the_known_optimum() {
    let apart = 1.0 - 0.95 * 0.95;
    let evidence = (2.0 * std::f64::consts::PI * f64::sqrt(apart)).ln();
    for optimiser in [Optimiser::Adam, Optimiser::Natural] {
        for (family, variance, covariance, bound) in [
            // The divergence of the best product of normals is ½ log (1 / (1 − ρ²)).
            (Family::MeanField, apart, 0.0, evidence + 0.5 * f64::ln(apart)),
            (Family::FullRank, 1.0, 0.95, evidence),
            (Family::LowRank(1), 1.0, 0.95, evidence),
        ] {
            if optimiser == Optimiser::Natural && family == Family::LowRank(1) {
                continue;
            }
            let (mean, variances, both, found) = fitted(Fit { optimiser, ..usual(family) });
            let what = format!("{family:?} by {optimiser:?}");
            assert!(mean.iter().all(|m| m.abs() < 0.05), "{what} {mean:?}");
            assert!(variances.iter().all(|v| (v / variance - 1.0).abs() < 0.06), "{what} {variances:?}");
            assert!((both - covariance).abs() < 0.06, "{what} {both}");
            assert!((found - bound).abs() < 0.06, "{what}: the bound is {found}, not {bound}");
        }
    }
}

#[test]
fn divergences_order_the_spread_of_a_product() {
    // Of all products of normals, the forward divergence takes the one with the right variances, 1, the reverse one that with those
    // given the other coordinate, 0.0975, and the middle between p and q something between.
    let mut spreads = Vec::new();
    for divergence in [Divergence::ReverseKl, Divergence::JensenShannon, Divergence::ForwardKl] {
        let fit = Fit { divergence, batch: 100, ..usual(Family::MeanField) };
        let (mean, variances, _, _) = fitted(fit);
        assert!(mean.iter().all(|m| m.abs() < 0.1), "{divergence:?} {mean:?}");
        spreads.push(variances[0]);
    }
    assert!((spreads[0] / 0.0975 - 1.0).abs() < 0.06, "{spreads:?}");
    assert!((spreads[2] - 1.0).abs() < 0.12, "{spreads:?}");
    assert!(spreads[0] * 1.3 < spreads[1] && spreads[1] * 1.3 < spreads[2], "{spreads:?}");
    // A family that has the posterior in it finds it by each.
    for divergence in [Divergence::JensenShannon, Divergence::ForwardKl] {
        let (_, variances, both, _) = fitted(Fit { divergence, batch: 100, ..usual(Family::FullRank) });
        assert!(variances.iter().all(|v| (v - 1.0).abs() < 0.06), "{divergence:?} {variances:?}");
        assert!((both - 0.95).abs() < 0.06, "{divergence:?} {both}");
    }
}

#[test]
fn paths_find_normal_and_skewed_densities() {
    for (name, dim, density, expected) in CASES.iter().filter(|(name, ..)| ["correlated", "log_gamma"].contains(name)) {
        let known = Known::new(*dim, *density);
        let posterior = pathfinder(&known, DRAWS, 4, false, &mut Production(Generator::new(4))).unwrap();
        let weights = posterior.weights().unwrap();
        let draws = vectors(&posterior);
        for (k, mean, variance) in *expected {
            let found: f64 = draws.iter().zip(weights.iter()).map(|(x, w)| x[*k] * w).sum();
            let spread: f64 = draws.iter().zip(weights.iter()).map(|(x, w)| (x[*k] - mean).powi(2) * w).sum();
            assert!((found - mean).abs() < 0.1 * variance.sqrt(), "{name}: {found}");
            assert!((spread / variance - 1.0).abs() < 0.15, "{name}: {spread}");
        }
    }
}
