//! A small standard library for the tests of the checker: signatures, and a few distributions.

use borel::types::Library;

/// Signatures of primitives, by row; those marked `true` run over elements.
const PRIMITIVES: &[(&str, bool)] = &[
    ("fn len(xs: [a]) -> Int", false),
    ("fn len(m: Matrix) -> Int", false),
    ("fn push(xs: [a], x: a) -> [a]", false),
    ("fn append(xs: [a], ys: [a]) -> [a]", false),
    ("fn map(xs: [a], f: (a) ~> b) -> [b]", false),
    ("fn filter(xs: [a], f: (a) ~> Bool) -> [a]", false),
    ("fn fold(xs: [a], start: b, f: (b, a) ~> b) -> b", false),
    ("fn zip(xs: [a], ys: [b]) -> [(a, b)]", false),
    ("fn zeros(n: Int) -> [Real]", false),
    ("fn sum(xs: [Real]) -> Real", false),
    ("fn sum(xs: [Int]) -> Int", false),
    ("fn mean(xs: [Real]) -> Real", false),
    ("fn mean(d: Dist<Real>) -> Real", false),
    ("fn mean(d: Dist<Int>) -> Real", false),
    ("fn mean(p: Posterior<a>, f: (a) -> Real) -> Real", false),
    ("fn sd(xs: [Real]) -> Real", false),
    ("fn sd(p: Posterior<a>, f: (a) -> Real) -> Real", false),
    ("fn prob(p: Posterior<a>, f: (a) -> Bool) -> Real", false),
    ("fn draws(p: Posterior<a>) -> [a]", false),
    ("fn abs(x: Int) -> Int", true),
    ("fn abs(x: Real) -> Real", true),
    ("fn max(x: Int, y: Int) -> Int", true),
    ("fn max(x: Real, y: Real) -> Real", true),
    ("fn max(xs: [Real]) -> Real", false),
    ("fn exp(x: Real) -> Real", true),
    ("fn log(x: Real) -> Real", true),
    ("fn sqrt(x: Real) -> Real", true),
    ("fn floor(x: Real) -> Int", true),
    ("fn round(x: Real) -> Int", true),
    ("fn sign(x: Real) -> Real", true),
    ("fn log1p(x: Real) -> Real", true),
    ("fn inv_logit(x: Real) -> Real", true),
    ("fn logsumexp(xs: [Real]) -> Real", false),
    ("fn identity(n: Int) -> Matrix", false),
    ("fn transpose(m: Matrix) -> Matrix", false),
    ("fn dot(x: [Real], y: [Real]) -> Real", false),
    ("fn gram(kernel: Covariance, xs: [Real]) -> Matrix", false),
    ("fn squared_exponential(alpha: Real, rho: Real) -> Covariance", false),
    ("fn periodic(alpha: Real, rho: Real, period: Real) -> Covariance", false),
    ("fn covariance_add(a: Covariance, b: Covariance) -> Covariance", false),
    ("fn covariance_mul(a: Covariance, b: Covariance) -> Covariance", false),
    ("fn sample(d: Dist<a>) ~> a", false),
    ("fn factor(w: Real) ~> ()", false),
    ("fn condition(b: Bool) ~> ()", false),
    ("fn logp(d: Dist<a>, x: a) -> Real", false),
    ("fn cdf(d: Dist<a>, x: Real) -> Real", false),
    ("fn support(d: Dist<a>) -> Domain<a>", false),
    ("fn iid(d: Dist<a>, n: Int) -> Dist<[a]>", false),
    ("fn print(x: a) -> ()", false),
    ("fn draw_uniform(a: Real, b: Real) ~> Real", false),
    ("fn draw_normal() ~> Real", false),
    ("fn nuts(m: () ~> a, draws: Int = 1000, chains: Int = 4) ~> Posterior<a>", false),
    ("fn enumerate(m: () ~> a) -> Posterior<a>", false),
    ("fn infer(m: () ~> a) ~> Posterior<a>", false),
    ("fn spawn(m: () ~> a, n: Int) ~> Population<a>", false),
    ("fn running(p: Population<a>) -> Bool", false),
    ("fn advance(p: Population<a>) ~> Population<a>", false),
    ("fn systematic(weights: [Real]) ~> [Int]", false),
    ("fn resample(p: Population<a>, by: ([Real]) ~> [Int], below: Real = 1) ~> Population<a>", false),
    ("fn finish(p: Population<a>) -> Posterior<a>", false),
    (
        "fn ode(rate: (Real, [Real]) -> [Real], y0: [Real], t0: Real, ts: [Real], rtol: Real = 1e-6, atol: Real = 1e-6) -> Matrix",
        false,
    ),
    ("fn pi() -> Real", false),
];

const FILES: &[(&str, &[&str], &str)] = &[
    (
        "dist/continuous.borel",
        &["Normal", "HalfNormal", "HalfCauchy", "Uniform", "Gamma", "Exponential", "Beta", "LogNormal", "Laplace"],
        r#"
dist Normal(mean: Real, sd: Positive) on Real {
  logp(x) = -0.5 * ((x - mean) / sd) ^ 2 - log(sd)
  sample = mean + sd * draw_normal()
  mean = mean
  variance = sd ^ 2
}
dist HalfNormal(sd: Positive) on NonNegative {
  logp(x) = -0.5 * (x / sd) ^ 2 - log(sd)
  sample = abs(draw_normal()) * sd
}
dist HalfCauchy(scale: Positive) on NonNegative {
  logp(x) = -log1p((x / scale) ^ 2) - log(scale)
}
dist Uniform(lower: Real, upper: Real) on Interval(lower, upper) {
  logp(x) = -log(upper - lower)
  sample = draw_uniform(lower, upper)
}
dist Gamma(shape: Positive, rate: Positive) on Positive {
  logp(x) = (shape - 1) * log(x) - rate * x
}
dist Exponential(rate: Positive) on NonNegative {
  logp(x) = log(rate) - rate * x
}
dist Beta(a: Positive, b: Positive) on UnitInterval {
  logp(x) = (a - 1) * log(x) + (b - 1) * log1p(-x)
}
dist LogNormal(mu: Real, sigma: Positive) on Positive {
  logp(x) = logp(Normal(mu, sigma), log(x)) - log(x)
}
"#,
    ),
    (
        "dist/discrete.borel",
        &["Bernoulli", "Flip", "Poisson", "Categorical", "flip"],
        r#"
dist Bernoulli(p: UnitInterval) on IntRange(0, 1) {
  logp(k) = if k == 1 { log(p) } else { log1p(-p) }
  sample = if draw_uniform(0, 1) < p { 1 } else { 0 }
  mean = p
}
dist Flip(p: UnitInterval) on Bool {
  logp(b) = if b { log(p) } else { log1p(-p) }
  sample = draw_uniform(0, 1) < p
}
dist Poisson(rate: Positive) on Natural {
  logp(k) = k * log(rate) - rate
}
dist Categorical(probs: Simplex) on Below(len(probs)) {
  logp(k) = log(probs[k])
}
/// A coin.
fn flip(p = 0.5) = sample(Flip(p))
"#,
    ),
    (
        "dist/combinators.borel",
        &["Flat", "Dirac", "Choice", "Mixture", "Truncated", "Dirichlet", "MultiNormal"],
        r#"
dist Flat(domain: Domain<a>) on domain {
  logp(x) = 0
}
dist Dirac(value: a) on Values([value]) {
  logp(x) = if x == value { 0 } else { -inf }
  sample = value
}
dist Choice(values: [a], probs: [Real] = [1 / len(values) for v in values]) on Values(values) {
  logp(x) = logsumexp([log(p) for (v, p) in zip(values, probs) if v == x])
  mean    = sum([abs(v) * p for (v, p) in zip(values, probs)])
  sample = {
    let i = sample(Categorical(probs))
    values[i]
  }
}
dist Mixture(weights: Simplex, dists: [Dist<a>]) on support(dists[0]) {
  logp(x) = logsumexp([log(w) + logp(d, x) for (w, d) in zip(weights, dists)])
  sample = {
    let i = sample(Categorical(weights))
    sample(dists[i])
  }
}
dist Truncated(d: Dist<Real>, lower: Real, upper: Real) on Interval(lower, upper) {
  logp(x) = logp(d, x) - log(cdf(d, upper) - cdf(d, lower))
}
dist Dirichlet(alpha: [Positive]) on Simplex(len(alpha)) {
  logp(x) = sum((alpha - 1) * log(x))
}
dist MultiNormal(mean: [Real], covariance: PosDef(len(mean))) on Vector(len(mean)) {
  logp(x) = -0.5 * dot(x - mean, x - mean)
}
"#,
    ),
    (
        "infer/smc.borel",
        &["smc"],
        r#"
fn smc(m: () ~> a, particles = 1000, resampler = systematic, threshold = 0.5) {
  var p = spawn(m, particles)
  while running(p) {
    p = p |> advance |> resample(resampler, below = threshold)
  }
  finish(p)
}
"#,
    ),
];

/// See the module.
pub struct TestLibrary;

fn primitive_name(signature: &str) -> &str {
    signature.trim_start_matches("fn ").split('(').next().unwrap_or("")
}

impl Library for TestLibrary {
    fn defining(&self, name: &str) -> Vec<(&'static str, &'static str)> {
        FILES.iter().filter(|(_, names, _)| names.contains(&name)).map(|(path, _, text)| (*path, *text)).collect()
    }

    fn names(&self) -> Vec<&'static str> {
        let prims = PRIMITIVES.iter().map(|(signature, _)| primitive_name(signature));
        FILES.iter().flat_map(|(_, names, _)| names.iter().copied()).chain(prims).collect()
    }

    fn primitives(&self, name: &str) -> Vec<(u32, &'static str, bool)> {
        let numbered = PRIMITIVES.iter().enumerate();
        numbered
            .filter(|(_, (signature, _))| primitive_name(signature) == name)
            .map(|(row, (signature, elementwise))| (row as u32, *signature, *elementwise))
            .collect()
    }

    fn module(&self, name: &str) -> bool {
        matches!(name, "stats" | "math")
    }
}
