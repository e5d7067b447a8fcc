//! Primitive draws, for the `sample` members of distributions: by `rand_distr` where it has them and is exact, with the
//! extreme parameters it was not made for led another way.
//!
//! The parameters are in Stan's order. A real-valued draw with parameters outside their domain is NaN; the others fault.

use super::arguments::{int, length, real, reals, shuffled};
use super::categorical::{Weights, categorical};
use super::numeric::elementary::{deviance, inv_logit};
use super::numeric::gamma::stirling_error;
use super::statistics::log_sum_exp;
use super::{Body, Row};
use crate::value::{Fault, Generator, Value};
use rand_distr::{Distribution, Exp1, StandardNormal};
use std::f64::consts::PI;

pub(super) const ROWS: &[Row] = &[
    draw(
        "fn draw_uniform(low: Real, high: Real) ~> Real",
        "A number uniform between `low` and `high`.",
        Body::DrawReal2(uniform),
    ),
    draw(
        "fn draw_standard_normal() ~> Real",
        "A standard normal number.",
        Body::DrawReal0(|g| StandardNormal.sample(g)),
    ),
    draw(
        "fn draw_normal(mu: Real, sigma: Real) ~> Real",
        "A normal number by mean and standard deviation.",
        Body::DrawReal2(normal),
    ),
    draw(
        "fn draw_standard_normals(n: Int) ~> [Real]",
        "An array of `n` independent standard normal numbers.",
        Body::Draw(standard_normals),
    ),
    draw(
        "fn draw_exponential(rate: Real) ~> Real",
        "An exponential number by rate.",
        Body::DrawReal1(|rate, g| rand_distr::Exp::new(rate).map_or(f64::NAN, |d| d.sample(g))),
    ),
    draw("fn draw_gamma(shape: Real, rate: Real) ~> Real", "A gamma number by shape and rate.", Body::DrawReal2(gamma)),
    draw(
        "fn draw_log_gamma(shape: Real) ~> Real",
        "The logarithm of a gamma number of rate 1; does not underflow for small shapes.",
        Body::DrawReal1(log_gamma),
    ),
    draw("fn draw_beta(a: Real, b: Real) ~> Real", "A beta number.", Body::DrawReal2(beta)),
    draw(
        "fn draw_chi_squared(nu: Real) ~> Real",
        "A chi-squared number of `nu` degrees of freedom.",
        Body::DrawReal1(|nu, g| rand_distr::ChiSquared::new(nu).map_or(f64::NAN, |d| d.sample(g))),
    ),
    draw(
        "fn draw_student_t(nu: Real) ~> Real",
        "A number of Student's t distribution with `nu` degrees of freedom.",
        Body::DrawReal1(|nu, g| {
            if nu == f64::INFINITY {
                return StandardNormal.sample(g);
            }
            rand_distr::StudentT::new(nu).map_or(f64::NAN, |d| d.sample(g))
        }),
    ),
    draw(
        "fn draw_cauchy(mu: Real, sigma: Real) ~> Real",
        "A Cauchy number by median and scale.",
        Body::DrawReal2(|mu, sigma, g| rand_distr::Cauchy::new(mu, sigma).map_or(f64::NAN, |d| d.sample(g))),
    ),
    draw(
        "fn draw_weibull(shape: Real, scale: Real) ~> Real",
        "A Weibull number.",
        Body::DrawReal2(|shape, scale, g| rand_distr::Weibull::new(scale, shape).map_or(f64::NAN, |d| d.sample(g))),
    ),
    draw(
        "fn draw_gumbel(mu: Real, beta: Real) ~> Real",
        "A Gumbel number, the limit law of maxima.",
        Body::DrawReal2(|mu, beta, g| rand_distr::Gumbel::new(mu, beta).map_or(f64::NAN, |d| d.sample(g))),
    ),
    draw(
        "fn draw_frechet(shape: Real, scale: Real) ~> Real",
        "A Fréchet number on the positive half line.",
        Body::DrawReal2(|shape, scale, g| {
            rand_distr::Frechet::new(0.0, scale, shape).map_or(f64::NAN, |d| d.sample(g))
        }),
    ),
    draw(
        "fn draw_pareto(low: Real, shape: Real) ~> Real",
        "A Pareto number, at least `low`.",
        Body::DrawReal2(|low, shape, g| rand_distr::Pareto::new(low, shape).map_or(f64::NAN, |d| d.sample(g))),
    ),
    draw(
        "fn draw_inverse_gaussian(mu: Real, lambda: Real) ~> Real",
        "An inverse Gaussian number by mean and shape.",
        Body::DrawReal2(inverse_gaussian),
    ),
    draw(
        "fn draw_von_mises(mu: Real, kappa: Real) ~> Real",
        "An angle in [-pi, pi] about `mu`, of concentration `kappa`.",
        Body::DrawReal2(von_mises),
    ),
    draw(
        "fn draw_skew_normal(xi: Real, omega: Real, alpha: Real) ~> Real",
        "A skew normal number by location, scale and slant.",
        Body::Draw(skew_normal),
    ),
    draw(
        "fn draw_poisson(rate: Real) ~> Int",
        "A Poisson count.",
        Body::Draw(|args, g| poisson(real(args, 0)?, g).map(Value::Int)),
    ),
    draw(
        "fn draw_binomial(n: Int, p: Real) ~> Int",
        "How many of `n` trials succeed.",
        Body::Draw(|args, g| binomial(int(args, 0)?, real(args, 1)?, g).map(Value::Int)),
    ),
    draw(
        "fn draw_geometric(p: Real) ~> Int",
        "How many trials fail before the first success.",
        Body::Draw(|args, g| geometric(real(args, 0)?, g).map(Value::Int)),
    ),
    draw(
        "fn draw_hypergeometric(n: Int, a: Int, b: Int) ~> Int",
        "How many of `n` draws without replacement from `a` good and `b` bad ones are good.",
        Body::Draw(|args, g| hypergeometric(int(args, 0)?, int(args, 1)?, int(args, 2)?, g).map(Value::Int)),
    ),
    draw("fn draw_integer(low: Int, high: Int) ~> Int", "An integer uniform on `low ..= high`.", Body::Draw(integer)),
    draw(
        "fn draw_categorical(weights: [Real]) ~> Int",
        "An index with probability in proportion to its weight.",
        Body::DrawIndex(
            |args, g| match args {
                [Value::Reals(weights)] => categorical(weights, g).map(Value::Int),
                _ => categorical(&reals(args, 0)?, g).map(Value::Int),
            },
            |weights| match weights {
                Value::Reals(weights) => Weights::of(weights),
                _ => Weights::of(&reals(std::slice::from_ref(weights), 0)?),
            },
        ),
    ),
    draw(
        "fn draw_categorical_logit(logits: [Real]) ~> Int",
        "An index with probability in proportion to the exponential of its logit.",
        Body::Draw(categorical_logit),
    ),
    draw(
        "fn draw_multinomial(n: Int, weights: [Real]) ~> [Int]",
        "How often each index comes in `n` categorical draws.",
        Body::Draw(multinomial),
    ),
    draw("fn draw_dirichlet(alpha: [Real]) ~> [Real]", "A Dirichlet vector.", Body::Draw(dirichlet)),
    draw(
        "fn draw_permutation(n: Int) ~> [Int]",
        "The integers 0 … n - 1 in random order.",
        Body::Draw(|args, g| {
            let n = length(args, 0)?;
            Ok(Value::ints(shuffled(n, n, g)))
        }),
    ),
    draw(
        "fn draw_subset(n: Int, k: Int) ~> [Int]",
        "`k` different ones of the integers 0 … n - 1, in random order.",
        Body::Draw(|args, g| {
            let (n, k) = (length(args, 0)?, length(args, 1)?);
            if k > n {
                return Err(Fault::domain(format!("cannot choose {k} of {n}")));
            }
            Ok(Value::ints(shuffled(n, k, g)))
        }),
    ),
];

const fn draw(signature: &'static str, doc: &'static str, body: Body) -> Row {
    Row { signature, doc, elementwise: false, derivative: &[], body }
}

fn uniform(low: f64, high: f64, generator: &mut Generator) -> f64 {
    let u = generator.uniform();
    if low.is_nan() || high.is_nan() || low > high {
        return f64::NAN;
    }
    let width = high - low;
    // Where the width overflows the ends are mixed instead.
    let x = if width.is_finite() { low + width * u } else { low * (1.0 - u) + high * u };
    x.clamp(low, high)
}

fn normal(mu: f64, sigma: f64, generator: &mut Generator) -> f64 {
    let z: f64 = StandardNormal.sample(generator);
    if sigma >= 0.0 { mu + sigma * z } else { f64::NAN }
}

fn standard_normals(args: &[Value], generator: &mut Generator) -> Result<Value, Fault> {
    Ok(Value::reals((0..length(args, 0)?).map(|_| StandardNormal.sample(generator)).collect()))
}

fn gamma(shape: f64, rate: f64, generator: &mut Generator) -> f64 {
    rand_distr::Gamma::new(shape, 1.0).map_or(f64::NAN, |d| d.sample(generator) / rate)
}

fn log_gamma(shape: f64, generator: &mut Generator) -> f64 {
    // A gamma number of shape a is one of shape a + 1 times a uniform number to the power 1 / a.
    let (above, boost) = if shape < 1.0 {
        let e: f64 = Exp1.sample(generator);
        (shape + 1.0, e / shape)
    } else {
        (shape, 0.0)
    };
    rand_distr::Gamma::new(above, 1.0).map_or(f64::NAN, |d| d.sample(generator).ln() - boost)
}

fn beta(a: f64, b: f64, generator: &mut Generator) -> f64 {
    if !(a > 0.0 && b > 0.0) {
        return f64::NAN;
    }
    // Cheng's algorithms overflow for extreme parameters; the ratio of gamma numbers in logarithms does not.
    if a.min(b) < 0.1 || a.max(b) > 1e50 {
        return inv_logit(log_gamma(a, generator) - log_gamma(b, generator));
    }
    rand_distr::Beta::new(a, b).map_or(f64::NAN, |d| d.sample(generator))
}

fn inverse_gaussian(mu: f64, lambda: f64, generator: &mut Generator) -> f64 {
    if !(mu > 0.0 && lambda > 0.0) {
        return f64::NAN;
    }
    if mu < 1e6 * lambda {
        return rand_distr::InverseGaussian::new(mu, lambda).map_or(f64::NAN, |d| d.sample(generator));
    }
    // Michael, Schucany and Haas (1976), the smaller root written without cancellation.
    let z: f64 = StandardNormal.sample(generator);
    let y = mu * z * z;
    let spread = y + y.sqrt() * (4.0 * lambda + y).sqrt();
    let low = if spread > 0.0 { mu * (4.0 * lambda / spread) * (y / spread) } else { mu };
    if generator.uniform() <= mu / (mu + low) { low } else { mu * (mu / low) }
}

fn von_mises(mu: f64, kappa: f64, generator: &mut Generator) -> f64 {
    if !(kappa >= 0.0 && mu.is_finite()) {
        return f64::NAN;
    }
    let wrap = |angle: f64| angle - 2.0 * PI * ((angle + PI) / (2.0 * PI)).floor();
    if kappa < 1e-8 {
        return uniform(-PI, PI, generator);
    }
    if kappa > 1e8 {
        // The density is normal up to a factor 1 + O(1 / kappa).
        let z: f64 = StandardNormal.sample(generator);
        return wrap(mu + z / kappa.sqrt());
    }
    // Best and Fisher (1979): rejection from a wrapped Cauchy distribution.
    let tau = 1.0 + (1.0 + 4.0 * kappa * kappa).sqrt();
    let rho = (tau - (2.0 * tau).sqrt()) / (2.0 * kappa);
    let r = if kappa < 1e-4 { 1.0 / kappa } else { (1.0 + rho * rho) / (2.0 * rho) };
    loop {
        let z = (PI * generator.uniform()).cos();
        let f = (1.0 + r * z) / (r + z);
        let c = kappa * (r - f);
        let u = generator.uniform_open();
        if c * (2.0 - c) > u || (c / u).ln() + 1.0 >= c {
            let angle = f.clamp(-1.0, 1.0).acos();
            return wrap(if generator.uniform() < 0.5 { mu - angle } else { mu + angle });
        }
    }
}

fn skew_normal(args: &[Value], generator: &mut Generator) -> Result<Value, Fault> {
    let (xi, omega, alpha) = (real(args, 0)?, real(args, 1)?, real(args, 2)?);
    let dist = rand_distr::SkewNormal::new(xi, omega, alpha).map_err(|error| Fault::domain(error.to_string()))?;
    Ok(Value::Real(dist.sample(generator)))
}

/// A count that was found as a real.
fn count(x: f64, what: &str) -> Result<i64, Fault> {
    if x < 9.2e18 {
        Ok(x as i64)
    } else {
        Err(Fault::domain(format!("a {what} draw does not fit into a 64-bit integer")))
    }
}

fn poisson(rate: f64, generator: &mut Generator) -> Result<i64, Fault> {
    if rate == 0.0 {
        return Ok(0);
    }
    let dist = rand_distr::Poisson::new(rate).map_err(|error| {
        Fault::domain(format!("cannot draw a Poisson count of rate {}: {error}", Value::Real(rate)))
    })?;
    count(dist.sample(generator), "Poisson")
}

fn binomial(n: i64, p: f64, generator: &mut Generator) -> Result<i64, Fault> {
    if n < 0 || !(0.0..=1.0).contains(&p) {
        return Err(Fault::domain(format!(
            "cannot draw a binomial count of {n} trials with probability {}",
            Value::Real(p)
        )));
    }
    let (size, less) = (n as f64, p.min(1.0 - p));
    if n < 1 << 40 && (less >= 1e-9 || less == 0.0) {
        let dist = rand_distr::Binomial::new(n as u64, p).map_err(|error| Fault::domain(error.to_string()))?;
        return Ok(dist.sample(generator) as i64);
    }
    let expected = size * less;
    let drawn = if less < 1e-9 && expected < 1e6 {
        // Le Cam: the total variation from the Poisson law is below `less`.
        poisson(expected, generator)?.min(n)
    } else {
        // Above 2^40 trials: ratio of uniforms on the exact probabilities.
        let log_mass = |x: f64| binomial_log_mass(x, size, less);
        by_ratio_of_uniforms(expected, expected * (1.0 - less), 0.0, size, log_mass, generator) as i64
    };
    Ok(if p > 0.5 { n - drawn.clamp(0, n) } else { drawn.clamp(0, n) })
}

fn geometric(p: f64, generator: &mut Generator) -> Result<i64, Fault> {
    let dist = rand_distr::Geometric::new(p)
        .map_err(|_| Fault::domain(format!("cannot draw a geometric count of probability {}", Value::Real(p))))?;
    if p > 1e-6 {
        return Ok(dist.sample(generator).min(i64::MAX as u64) as i64);
    }
    if p == 0.0 {
        return Err(Fault::domain("a geometric count of probability 0 has no end"));
    }
    // The whole part of an exponential number of rate -log(1 - p).
    let e: f64 = Exp1.sample(generator);
    count((e / -(-p).ln_1p()).floor(), "geometric")
}

fn hypergeometric(n: i64, good: i64, bad: i64, generator: &mut Generator) -> Result<i64, Fault> {
    let total = good.checked_add(bad).filter(|total| good >= 0 && bad >= 0 && (0..=*total).contains(&n));
    let Some(total) = total else {
        return Err(Fault::domain(format!("cannot draw {n} from {good} good and {bad} bad ones")));
    };
    let fewest = (n - bad).max(0);
    let most = n.min(good);
    if fewest == most {
        return Ok(fewest);
    }
    if total <= 1000
        && let Ok(dist) = rand_distr::Hypergeometric::new(total as u64, good as u64, n as u64)
    {
        return Ok((dist.sample(generator) as i64).clamp(fewest, most));
    }
    let (size, share) = (total as f64, n as f64 / total as f64);
    let mean = n as f64 * (good as f64 / size);
    let variance = mean * (bad as f64 / size) * ((total - n) as f64 / (size - 1.0));
    let log_mass =
        |x: f64| binomial_log_mass(x, good as f64, share) + binomial_log_mass(n as f64 - x, bad as f64, share);
    let x = by_ratio_of_uniforms(mean, variance, fewest as f64, most as f64, log_mass, generator);
    Ok((x as i64).clamp(fewest, most))
}

/// The logarithm of a binomial probability in Loader's saddle-point form (2000), exact to rounding for any size.
fn binomial_log_mass(x: f64, n: f64, p: f64) -> f64 {
    if x < 0.0 || x > n {
        return f64::NEG_INFINITY;
    }
    if x == 0.0 {
        return n * (-p).ln_1p();
    }
    if x == n {
        return n * p.ln();
    }
    let rest = n - x;
    stirling_error(n) - stirling_error(x) - stirling_error(rest) - deviance(x, n * p) - deviance(rest, n * (1.0 - p))
        + 0.5 * (n / (2.0 * PI * x * rest)).ln()
}

/// A draw from a log-concave law on the integers `low ..= high` by ratio of uniforms (Stadlober 1990, "The ratio of uniforms
/// approach for generating discrete random variates"); `log_mass` may lack a constant.
fn by_ratio_of_uniforms(
    mean: f64,
    variance: f64,
    low: f64,
    high: f64,
    log_mass: impl Fn(f64) -> f64,
    generator: &mut Generator,
) -> f64 {
    let width = 2.0 * (2.0 / std::f64::consts::E).sqrt() * (variance + 0.5).sqrt() + 3.0
        - 2.0 * (3.0 / std::f64::consts::E).sqrt();
    // The mode lies within one of the mean.
    let near = |shift: f64| log_mass((mean.floor() + shift).clamp(low, high));
    let top = near(-1.0).max(near(0.0)).max(near(1.0));
    loop {
        let u = generator.uniform_open();
        let v = generator.uniform_open();
        let x = (mean + 0.5 + width * (v - 0.5) / u).floor();
        if x >= low && x <= high && 2.0 * u.ln() <= log_mass(x) - top {
            return x;
        }
    }
}

fn integer(args: &[Value], generator: &mut Generator) -> Result<Value, Fault> {
    let (low, high) = (int(args, 0)?, int(args, 1)?);
    if low > high {
        return Err(Fault::domain(format!("there is no integer from {low} to {high}")));
    }
    // Lemire (2019): the high half of a product, rejecting the few products that would favour some values.
    let span = (high as u64).wrapping_sub(low as u64).wrapping_add(1);
    if span == 0 {
        return Ok(Value::Int(generator.next_u64() as i64));
    }
    let threshold = span.wrapping_neg() % span;
    loop {
        let product = u128::from(generator.next_u64()) * u128::from(span);
        if product as u64 >= threshold {
            return Ok(Value::Int(low.wrapping_add((product >> 64) as i64)));
        }
    }
}

fn categorical_logit(args: &[Value], generator: &mut Generator) -> Result<Value, Fault> {
    let logits = reals(args, 0)?;
    let total = log_sum_exp(&logits);
    if !total.is_finite() {
        return Err(Fault::domain("the logits of a categorical draw need a finite greatest one"));
    }
    let weights: Vec<f64> = logits.iter().map(|x| (x - total).exp()).collect();
    categorical(&weights, generator).map(Value::Int)
}

fn multinomial(args: &[Value], generator: &mut Generator) -> Result<Value, Fault> {
    let (mut left, weights) = (int(args, 0)?, reals(args, 1)?);
    // The check of the weights is that of one categorical draw, made with a copy of the generator.
    categorical(&weights, &mut generator.clone())?;
    if left < 0 {
        return Err(Fault::domain(format!("cannot make {left} draws")));
    }
    let highest = weights.iter().copied().fold(0.0, f64::max);
    // Tail sums from the end lose nothing to subtraction.
    let mut tails: Vec<f64> = weights
        .iter()
        .rev()
        .scan(0.0, |sum, w| {
            *sum += w / highest;
            Some(*sum)
        })
        .collect();
    tails.reverse();
    let mut counts = Vec::with_capacity(weights.len());
    for (weight, tail) in weights.iter().zip(&tails) {
        let share = if *tail > 0.0 { (weight / highest / tail).min(1.0) } else { 0.0 };
        let drawn = binomial(left, share, generator)?;
        counts.push(drawn);
        left -= drawn;
    }
    Ok(Value::ints(counts))
}

fn dirichlet(args: &[Value], generator: &mut Generator) -> Result<Value, Fault> {
    let alpha = reals(args, 0)?;
    if let Some(i) = alpha.iter().position(|a| !(*a > 0.0 && *a < f64::INFINITY)) {
        return Err(Fault::domain(format!("parameter {i} of a Dirichlet draw is {}", Value::Real(alpha[i]))));
    }
    // Gamma numbers in logarithms: small parameters would all underflow to zero.
    let logs: Vec<f64> = alpha.iter().map(|a| log_gamma(*a, generator)).collect();
    let total = log_sum_exp(&logs);
    let parts: Vec<f64> = logs.iter().map(|x| (x - total).exp()).collect();
    let sum: f64 = parts.iter().sum();
    Ok(Value::reals(parts.iter().map(|x| x / sum).collect()))
}

#[cfg(test)]
mod tests {
    use super::super::find;
    use super::super::numeric::error::{normal_cdf, owens_t};
    use super::super::numeric::incomplete_beta::inc_beta;
    use super::super::numeric::incomplete_gamma::{gamma_p, gamma_q};
    use super::*;

    const N: usize = 50_000;

    fn sample(name: &str, args: &[Value], generator: &mut Generator) -> Result<Value, Fault> {
        let number = |i: usize| args[i].as_real().unwrap();
        match find(name).next().map(|(_, row)| row.body) {
            Some(Body::DrawReal0(f)) => Ok(Value::Real(f(generator))),
            Some(Body::DrawReal1(f)) => Ok(Value::Real(f(number(0), generator))),
            Some(Body::DrawReal2(f)) => Ok(Value::Real(f(number(0), number(1), generator))),
            Some(Body::Draw(f)) => f(args, generator),
            _ => Err(Fault::error("no such row")),
        }
    }

    /// The largest distance of the empirical distribution function of the draws from `cdf`, times the root of their number.
    fn distance(name: &str, args: &[f64], seed: u64, cdf: impl Fn(f64) -> f64) -> f64 {
        let args: Vec<Value> = args.iter().map(|x| Value::Real(*x)).collect();
        let mut generator = Generator::new(seed);
        let mut xs: Vec<f64> =
            (0..N).map(|_| sample(name, &args, &mut generator).unwrap().as_real().unwrap()).collect();
        xs.sort_by(f64::total_cmp);
        let n = N as f64;
        let worst = xs.iter().enumerate().map(|(i, x)| {
            let p = cdf(*x);
            (p - i as f64 / n).abs().max((p - (i + 1) as f64 / n).abs())
        });
        worst.fold(0.0, f64::max) * n.sqrt()
    }

    #[test]
    fn continuous_draws_follow_their_distribution_functions() {
        // 2.7 is exceeded with probability 1e-6.
        let check = |name: &str, args: &[f64], cdf: &dyn Fn(f64) -> f64| {
            let found = distance(name, args, 11, cdf);
            assert!(found < 2.7, "{name}{args:?}: {found}");
        };
        check("draw_uniform", &[-1.0, 3.0], &|x| (x + 1.0) / 4.0);
        check("draw_normal", &[1.0, 2.0], &|x| normal_cdf((x - 1.0) / 2.0));
        check("draw_standard_normal", &[], &normal_cdf);
        check("draw_exponential", &[3.0], &|x| -(-3.0 * x).exp_m1());
        for shape in [0.05, 0.7, 1.0, 4.5, 1e4] {
            check("draw_gamma", &[shape, 2.0], &|x| gamma_p(shape, 2.0 * x));
            check("draw_log_gamma", &[shape], &|x| gamma_p(shape, x.exp()));
        }
        for (a, b) in [(0.05, 2.0), (0.5, 0.5), (1.0, 3.0), (2.5, 7.0), (300.0, 2.0)] {
            check("draw_beta", &[a, b], &|x| inc_beta(a, b, x));
        }
        check("draw_chi_squared", &[3.5], &|x| gamma_p(1.75, x / 2.0));
        check("draw_student_t", &[3.5], &|x| {
            let half = 0.5 * inc_beta(1.75, 0.5, 3.5 / (3.5 + x * x));
            if x > 0.0 { 1.0 - half } else { half }
        });
        check("draw_cauchy", &[1.0, 2.0], &|x| 0.5 + ((x - 1.0) / 2.0).atan() / PI);
        check("draw_weibull", &[1.5, 2.0], &|x| -(-(x / 2.0).powf(1.5)).exp_m1());
        check("draw_gumbel", &[1.0, 2.0], &|x| (-(-(x - 1.0) / 2.0).exp()).exp());
        check("draw_frechet", &[1.5, 2.0], &|x| (-(x / 2.0).powf(-1.5)).exp());
        check("draw_pareto", &[2.0, 1.5], &|x| 1.0 - (2.0 / x).powf(1.5));
        check("draw_skew_normal", &[1.0, 2.0, 3.0], &|x| {
            let z = (x - 1.0) / 2.0;
            normal_cdf(z) - 2.0 * owens_t(z, 3.0)
        });
        for (mu, lambda) in [(1.0, 2.0), (3.0, 0.5)] {
            check("draw_inverse_gaussian", &[mu, lambda], &|x| {
                let root = (lambda / x).sqrt();
                normal_cdf(root * (x / mu - 1.0)) + (2.0 * lambda / mu).exp() * normal_cdf(-root * (x / mu + 1.0))
            });
        }
        // With an infinite mean the inverse Gaussian law is Lévy's.
        check("draw_inverse_gaussian", &[1e200, 1.0], &|x| gamma_q(0.5, 0.5 / x));
    }

    #[test]
    fn angles_have_the_right_mean_resultant() {
        use super::super::numeric::bessel::bessel_ratio;
        for (i, kappa) in [0.0, 1e-5, 1e-3, 0.5, 3.0, 50.0, 1e9].into_iter().enumerate() {
            let mut generator = Generator::new(i as u64);
            let cosines: Vec<f64> = (0..N)
                .map(|_| von_mises(3.0, kappa, &mut generator))
                .map(|x| {
                    assert!((-PI..=PI).contains(&x));
                    (x - 3.0).cos()
                })
                .collect();
            let mean = cosines.iter().sum::<f64>() / N as f64;
            let variance = cosines.iter().map(|c| (c - mean).powi(2)).sum::<f64>() / N as f64;
            assert!((mean - bessel_ratio(kappa)).abs() < 5.0 * (variance / N as f64).sqrt() + 1e-12, "{kappa}");
        }
    }

    /// Checks mean and variance of counts, and their distribution by chi-square where `log_mass` is given.
    fn check_counts(draws: &[i64], mean: f64, variance: f64) {
        let n = draws.len() as f64;
        // Deviations from the mean, lest the squares of huge counts lose their digits.
        let shifts: Vec<f64> = draws.iter().map(|x| *x as f64 - mean).collect();
        let found = shifts.iter().sum::<f64>() / n;
        assert!(found.abs() < 5.0 * (variance / n).sqrt(), "mean off by {found}, variance {variance}");
        let spread = shifts.iter().map(|x| x * x).sum::<f64>() / n;
        let fourth = shifts.iter().map(|x| x.powi(4)).sum::<f64>() / n;
        let error = ((fourth - spread * spread) / n).sqrt();
        assert!((spread - variance).abs() < 6.0 * error + 1e-9 * variance, "variance {spread}, not {variance}");
    }

    #[test]
    fn counts_have_the_right_moments_at_every_size() {
        let mut generator = Generator::new(3);
        for rate in [0.0, 1e-3, 0.5, 11.9, 12.1, 100.0, 1e6, 1e12, 1e18] {
            let draws: Vec<i64> = (0..N).map(|_| poisson(rate, &mut generator).unwrap()).collect();
            if rate > 0.0 {
                check_counts(&draws, rate, rate);
            }
        }
        assert!(poisson(1e19, &mut generator).is_err() || poisson(9.3e18, &mut generator).is_err());
        for n in [1, 10, 1000, 1 << 30, 1 << 41, 1 << 53, 1 << 62] {
            for p in [1e-18, 1e-12, 1e-7, 1e-3, 0.3, 0.5, 0.9, 1.0 - 1e-12] {
                let draws: Vec<i64> = (0..N / 10).map(|_| binomial(n, p, &mut generator).unwrap()).collect();
                assert!(draws.iter().all(|x| (0..=n).contains(x)));
                let variance = n as f64 * p * (1.0 - p);
                // Rare events are too few for the moments of five thousand draws.
                if variance > 0.05 {
                    let flipped: Vec<i64> = if p > 0.5 { draws.iter().map(|x| n - x).collect() } else { draws };
                    check_counts(&flipped, n as f64 * p.min(1.0 - p), variance);
                }
            }
            assert_eq!(binomial(n, 0.0, &mut generator).unwrap(), 0);
            assert_eq!(binomial(n, 1.0, &mut generator).unwrap(), n);
        }
        for p in [1.0, 0.9, 0.5, 1e-3, 1e-5, 1e-7, 1e-15] {
            let draws: Vec<i64> = (0..N).map(|_| geometric(p, &mut generator).unwrap()).collect();
            if p < 1.0 {
                check_counts(&draws, (1.0 - p) / p, (1.0 - p) / (p * p));
            }
        }
        for (n, good, bad) in [
            (5, 10, 10),
            (700, 20, 900),
            (3, 1 << 40, 1 << 40),
            (1 << 40, 5, 1 << 41),
            (100_000, 1 << 20, 1 << 22),
            (1 << 61, 1 << 60, 1 << 61),
        ] {
            let draws: Vec<i64> = (0..N / 5).map(|_| hypergeometric(n, good, bad, &mut generator).unwrap()).collect();
            let total = good as f64 + bad as f64;
            let mean = n as f64 * (good as f64 / total);
            check_counts(&draws, mean, mean * (bad as f64 / total) * ((total - n as f64) / (total - 1.0)));
        }
    }

    #[test]
    fn ratio_of_uniforms_follows_the_probabilities() {
        let mut generator = Generator::new(9);
        let (n, p) = (20.0, 0.3);
        let mut counts = [0.0; 21];
        for _ in 0..N {
            let log_mass = |x: f64| binomial_log_mass(x, n, p);
            counts[by_ratio_of_uniforms(n * p, n * p * (1.0 - p), 0.0, n, log_mass, &mut generator) as usize] += 1.0;
        }
        let total: f64 = (0..=20).map(|x| binomial_log_mass(f64::from(x), n, p).exp()).sum();
        assert!((total - 1.0).abs() < 1e-13);
        let statistic: f64 = (0..=12)
            .map(|x| {
                let expected = N as f64 * binomial_log_mass(x as f64, n, p).exp();
                (counts[x] - expected).powi(2) / expected
            })
            .sum();
        // 13 cells: exceeded with probability 1e-6.
        assert!(statistic < 52.0, "{statistic}");
    }

    #[test]
    fn categorical_and_multinomial_draws_keep_the_proportions() {
        let weights = [1.0, 0.0, 3.0, 6.0];
        let mut generator = Generator::new(4);
        let mut counts = [0.0; 4];
        (0..N).for_each(|_| counts[categorical(&weights, &mut generator).unwrap() as usize] += 1.0);
        assert_eq!(counts[1], 0.0);
        for (count, weight) in counts.iter().zip(weights) {
            let p = weight / 10.0;
            assert!((count - N as f64 * p).abs() <= 5.0 * (N as f64 * p * (1.0 - p)).sqrt());
        }
        let args = [Value::Int(1_000_000), Value::reals(weights.to_vec())];
        let Value::Ints(many) = sample("draw_multinomial", &args, &mut generator).unwrap() else { unreachable!() };
        assert_eq!(many.iter().sum::<i64>(), 1_000_000);
        assert_eq!(many[1], 0);
        assert!((many[3] - 600_000).abs() < 2500);
        assert_eq!(categorical(&[f64::MAX, f64::MAX, 0.0], &mut Generator::new(1)).unwrap() / 2, 0);
        for bad in [&[][..], &[0.0], &[-1.0, 2.0], &[f64::NAN], &[f64::INFINITY]] {
            assert!(categorical(bad, &mut generator).is_err());
        }
        let logits = [Value::reals(vec![-2000.0, -2000.0 + 3f64.ln(), f64::NEG_INFINITY])];
        let second = (0..N).filter(|_| sample("draw_categorical_logit", &logits, &mut generator) == Ok(Value::Int(1)));
        assert!((second.count() as f64 - 0.75 * N as f64).abs() < 5.0 * (N as f64 * 3.0 / 16.0).sqrt());
    }

    #[test]
    fn simplex_integer_and_permutation_draws_are_in_range() {
        let mut generator = Generator::new(6);
        let mut sum = 0.0;
        for _ in 0..N {
            let args = [Value::reals(vec![1e-3, 2e-3, 1e-3])];
            let Value::Reals(x) = sample("draw_dirichlet", &args, &mut generator).unwrap() else { unreachable!() };
            assert!((x.iter().sum::<f64>() - 1.0).abs() < 1e-12);
            sum += x[1];
        }
        assert!((sum / N as f64 - 0.5).abs() < 5.0 * (0.25 / N as f64).sqrt());
        for (low, high) in [(0, 0), (-3, 3), (i64::MIN, i64::MAX), (i64::MAX - 1, i64::MAX)] {
            let args = [Value::Int(low), Value::Int(high)];
            let Value::Int(n) = sample("draw_integer", &args, &mut generator).unwrap() else { unreachable!() };
            assert!((low..=high).contains(&n));
        }
        let Value::Ints(mut order) = sample("draw_permutation", &[Value::Int(9)], &mut generator).unwrap() else {
            unreachable!()
        };
        std::sync::Arc::make_mut(&mut order).sort_unstable();
        assert_eq!(*order, (0..9).collect::<Vec<i64>>());
    }

    #[test]
    fn extreme_parameters_end() {
        let mut generator = Generator::new(8);
        let extremes = [0.0, 1e-308, 1e-20, 1.0, 1e20, 1e300, f64::INFINITY, f64::NAN, -1.0];
        for row in ROWS {
            let name = row.name();
            for a in extremes {
                for b in extremes {
                    match row.body {
                        Body::DrawReal1(f) => drop(f(a, &mut generator)),
                        Body::DrawReal2(f) => drop(f(a, b, &mut generator)),
                        Body::Draw(f) if ["draw_poisson", "draw_geometric"].contains(&name) => {
                            drop(f(&[Value::Real(a)], &mut generator));
                        }
                        Body::Draw(f) if name == "draw_binomial" => {
                            drop(f(&[Value::Int(a as i64), Value::Real(b)], &mut generator));
                        }
                        Body::Draw(f) if name == "draw_hypergeometric" => {
                            let args = [Value::Int(a as i64 / 4), Value::Int(a as i64 / 4), Value::Int(b as i64 / 4)];
                            drop(f(&args, &mut generator));
                        }
                        _ => {}
                    }
                }
            }
        }
    }
}
