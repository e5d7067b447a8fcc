//! Conjugate models, whose posterior is known: the evidence to nine digits, draws by their means.
#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::MemoryWorld;
use borel::source::world::Stream;
use std::sync::Arc;

/// What a script prints, or its error.
fn run(text: &str) -> Result<String, String> {
    let world = Arc::new(MemoryWorld::default());
    let mut session = Session::new(world.clone(), Options::default());
    let shown = |session: &Session, failure: &_| session.render_failure(failure, false);
    let file = session.load_text("script.borel", text).map_err(|f| shown(&session, &f))?;
    session.bind_data(&[]).map_err(|f| shown(&session, &f))?;
    session.run(&file).map_err(|f| shown(&session, &f))?;
    Ok(world.written(Stream::Out))
}

/// Fails where a script prints anything but `true`.
fn all_true(text: &str) {
    let out = run(text).unwrap();
    let wrong: Vec<&str> = out.lines().filter(|line| !line.trim_end_matches(')').ends_with("true")).collect();
    assert!(wrong.is_empty() && !out.is_empty(), "{}", wrong.join("\n"));
}

/// A mean of 4000 independent draws is off by more than 5 standard errors once in two million.
const NEAR: &str = "
fn near(p, f, m: Real, v: Real) = { let d = mean(p, f) - m\n (d, abs(d) < 5 * sqrt(v / 4000)) }
fn same(a: Real, b: Real) = (a, b, abs(a - b) < 1e-9 * (1 + abs(b)))
";

#[test]
fn single_families_have_their_posterior() {
    all_true(&format!(
        "{NEAR}
model coin {{ p ~ Beta(10, 10)\n for y in [1, 0, 1] {{ observe y ~ Bernoulli(p) }}\n return p }}
let c = conjugate(coin)
print(same(log_evidence(c), log(5 / 42)))
print(near(c, p => p, 12 / 23, 12 * 11 / (23.0 ^ 2 * 24)))
model large {{ p ~ Beta(40, 60)\n observe 4000 ~ Binomial(10000, p)\n return p }}
print(same(log_evidence(conjugate(large)), lgamma(10001) - lgamma(4001) - lgamma(6001) + lbeta(4040, 6060) - lbeta(40, 60)))
model rate {{ r ~ Gamma(2, 3)\n for y in [4, 0, 70] {{ observe y ~ Poisson(2 * r) }}\n return r }}
let g = conjugate(rate)
print(same(log_evidence(g), 2 * log(3) - lgamma(2) + lgamma(76) - 76 * log(9) + 74 * log(2) - lgamma(5) - lgamma(71)))
print(near(g, r => r, 76 / 9, 76 / 81))
model waiting {{ r ~ Gamma(0.3, 2)\n observe [0.5, 2.5] ~ Exponential(r)\n return r }}
print(same(log_evidence(conjugate(waiting)), 0.3 * log(2) - lgamma(0.3) + lgamma(2.3) - 2.3 * log(5)))
model tries {{ p ~ Beta(1, 2)\n for y in [3, 0] {{ observe y ~ Geometric(p) }}\n return p }}
print(same(log_evidence(conjugate(tries)), lbeta(3, 5) - lbeta(1, 2)))
model spread {{ v ~ InverseGamma(3, 2)\n observe [0.5, -1.5, 2.0] ~ Normal(0, sqrt(v))\n return v }}
let s = conjugate(spread)
print(same(log_evidence(s), 3 * log(2) - lgamma(3) + lgamma(4.5) - 4.5 * log(5.25) - 1.5 * log(2 * 3.141592653589793)))
print(near(s, v => v, 5.25 / 3.5, 5.25 ^ 2 / (3.5 ^ 2 * 2.5)))
model shares {{ t ~ Dirichlet([1, 2, 3])\n for y in [0, 2, 2, 1] {{ observe y ~ Categorical(t) }}\n return t }}
let d = conjugate(shares)
print(same(log_evidence(d), lgamma(6) - lgamma(10) + lgamma(2) + lgamma(3) - lgamma(2) + lgamma(5) - lgamma(3)))
print(near(d, t => t[2], 0.5, 0.25 / 11))
"
    ));
}

#[test]
fn normal_models_are_solved_jointly() {
    all_true(&format!(
        "{NEAR}
model gaussian {{ mu ~ Normal(0, 2)\n observe [5.5, 6.5] ~ Normal(mu, 1)\n return mu }}
let g = conjugate(gaussian)
print(abs(log_evidence(g) + 7.1864893551) < 1e-9)
print(near(g, m => m, 16 / 3, 4 / 9))
data x: [Real] = [1.1, 2.4, 3.7, 4.4]
data y: [Real] = [1.1, 1.7, 1.9, 2.7]
model line {{ a ~ Normal(0, 5)\n b ~ Normal(0, 5)\n for i in 0..len(x) {{ observe y[i] ~ Normal(a * x[i] + b, 1) }}\n return {{a, b}} }}
let l = conjugate(line)
print(abs(log_evidence(l) + 8.6251047590) < 1e-9)
print(near(l, r => r.a, 0.4372049, 0.2))
print(near(l, r => r.b, 0.5763423, 2.0))
data z: [Real] = [0.5, 1.1, 2.2, 3.3, 4.4, 5.5, 4, 3.1, 2, 1.2]
model kalman {{ var s = 0.0\n start ~ Normal(0, 1)\n s = start\n
  for t in 0..len(z) {{ next ~ Normal(s, 1)\n s = next\n observe z[t] ~ Normal(s, 1) }}\n return s }}
let k = conjugate(kalman)
print(abs(log_evidence(k) + 17.515839244729) < 1e-9)
print(near(k, s => s, 1.7338546666, 0.6180339902))
model far {{ mu ~ Normal(1000000, 0.001)\n nu ~ Normal(0, 1000000)\n observe 1000000.002 ~ Normal(mu, 0.002)\n observe 3.0 ~ Normal(nu + mu, 500000)\n return mu }}
print(near(conjugate(far), m => m, 1000000.0004, 8e-7))
model groups {{ mu ~ Normal(0, 3)\n t ~ iid(Normal(mu, 2), 3)\n for i in 0..6 {{ observe z[i] ~ Normal(t[i % 3], 1) }}\n return mu }}
print(same(log_evidence(conjugate(groups)), log_evidence(conjugate(() => {{
  let cov = matrix([[if i == j {{ 1.0 }} else {{ 0.0 }} + if i % 3 == j % 3 {{ 4.0 }} else {{ 0.0 }} + 9.0 for j in 0..6] for i in 0..6])
  u ~ Normal(0, 1)\n observe z[0..6] ~ MultiNormal(zeros(6), cov)\n u }}))))
"
    ));
}

#[test]
fn normal_models_of_unknown_scale_are_solved_whatever_the_scale_is_called() {
    // Normal-inverse-gamma with k0 = 1/4, a = 3, b = 2.
    all_true(&format!(
        "{NEAR}
data y: [Real] = [0.5, -1.5, 2.0, 3.5]
let n = 4.0
let bn = 2 + 0.5 * sum([(v - mean(y)) ^ 2 for v in y]) + 0.25 * n * mean(y) ^ 2 / (2 * (0.25 + n))
let exact = lgamma(5) - lgamma(3) + 3 * log(2) - 5 * log(bn) + 0.5 * log(0.25 / 4.25) - 2 * log(2 * 3.141592653589793)
model variance_form {{ v ~ InverseGamma(3, 2)\n mu ~ Normal(0, 2 * sqrt(v))\n observe y ~ Normal(mu, sqrt(v))\n return {{mu, v}} }}
model precision_form {{ t ~ Gamma(3, 2)\n mu ~ Normal(0, 2 / sqrt(t))\n observe y ~ Normal(mu, 1 / sqrt(t))\n return {{mu, v: 1 / t}} }}
for m in [variance_form, precision_form] {{
  let p = conjugate(m)
  print(same(log_evidence(p), exact))
  print(near(p, r => r.v, bn / 4, bn ^ 2 / (16 * 3)))
  print(near(p, r => r.mu, sum(y) / 4.25, bn / 4 / 4.25))
}}
"
    ));
}

#[test]
fn parts_apart_from_each_other_are_solved_together() {
    all_true(&format!(
        "{NEAR}
data k: [Int] = [3, 1, 7]
model many {{
  p ~ iid(Beta(2, 3), 3)
  for i in 0..3 {{ observe k[i] ~ Binomial(10, p[i]) }}
  r ~ Gamma(2, 1)
  observe 4 ~ Poisson(r)
  mu ~ Normal(0, 1)
  observe 0.3 ~ Normal(mu, 1)
  return {{p, r, mu}}
}}
let p = infer(many)
print(same(log_evidence(p), log_evidence(conjugate(many))))
print(near(p, v => v.p[2], 9 / 15, 9 * 6 / (225.0 * 16)))
print(near(p, v => v.r, 3, 1.5))
print(near(p, v => v.mu, 0.15, 0.5))
"
    ));
}

#[test]
fn models_that_are_not_conjugate_are_refused() {
    for text in [
        // The same statistics with a scale that is not of the family.
        "s ~ HalfNormal(1)\n mu ~ Normal(0, 1)\n observe 1.0 ~ Normal(mu, s)\n return mu",
        // Two variables in one product.
        "a ~ Normal(0, 1)\n b ~ Normal(0, 1)\n observe 1.0 ~ Normal(a * b, 1)\n return a",
        // A rate that is a sum.
        "a ~ Gamma(1, 1)\n b ~ Gamma(1, 1)\n observe 2 ~ Poisson(a + b)\n return a",
        // Roots of a product of two elements, which would look like one of them.
        "t ~ iid(Gamma(2, 1), 2)\n observe 1.0 ~ Exponential(sqrt(t[0] * t[1]))\n return t[0]",
        // A prior that is cut off.
        "mu ~ Truncated(Normal(0, 1), 0, inf)\n observe 1.0 ~ Normal(mu, 1)\n return mu",
        "p ~ Beta(1, 1)\n condition(p < 0.5)\n observe 1 ~ Bernoulli(p)\n return p",
        "nu ~ Gamma(2, 1)\n observe 1.0 ~ StudentT(nu, 0, 1)\n return nu",
        "alpha ~ Gamma(2, 1)\n p ~ Beta(alpha, 1)\n observe 1 ~ Bernoulli(p)\n return p",
        // Normal means with two scales.
        "s ~ Gamma(2, 1)\n t ~ Gamma(2, 1)\n mu ~ Normal(0, 1 / sqrt(s))\n observe 1.0 ~ Normal(mu, 1 / sqrt(t))\n return mu",
    ] {
        let shown = run(&format!("model m {{\n {text}\n}}\nprint(log_evidence(conjugate(m)))\n")).unwrap_err();
        assert!(shown.contains("this model is not known to be conjugate"), "{text}\n{shown}");
    }
}
