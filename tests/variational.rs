//! Variational inference through the language: normal guides and guides that are programs, against posteriors known in closed form.
#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::posterior::{Info, Posterior};
use borel::source::OsWorld;
use borel::value::Value;
use std::sync::Arc;

/// The posterior that an expression gives after a program, or what is wrong.
fn posterior(program: &str, expression: &str) -> Result<Posterior, String> {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options { seed: 2, ..Options::default() });
    let found = session.load_text("model.borel", program).and_then(|file| {
        session.bind_data(&[])?;
        session.prepare(&file)?;
        session.expression_value(expression)
    });
    match found {
        Ok(Value::Host(object)) => Ok(object.as_any().downcast_ref::<Posterior>().unwrap().clone()),
        Ok(other) => panic!("{other}"),
        Err(failure) => Err(session.render_failure(&failure, false)),
    }
}

fn number(posterior: &Posterior, name: &str) -> f64 {
    let found = posterior.info.iter().find_map(|(known, info)| match info {
        Info::Number(x) if known == name => Some(*x),
        _ => None,
    });
    found.unwrap_or_else(|| panic!("{name} is not told: {:?}", posterior.info))
}

/// Asserts mean and standard deviation of a variable.
fn has(posterior: &Posterior, variable: &str, mean: f64, sd: f64, slack: f64) {
    let report = posterior.report(false);
    let found = report.summaries.iter().find(|summary| summary.name == variable).unwrap();
    assert!((found.mean - mean).abs() < slack * sd, "{variable}: mean {}, not {mean}", found.mean);
    assert!((found.sd / sd - 1.0).abs() < slack, "{variable}: deviation {}, not {sd}", found.sd);
    assert!(report.warnings.iter().all(|warning| !warning.text().contains("converged")), "{:?}", report.warnings);
}

const MEAN_FIELD: &str = "model m { x ~ MultiNormal(zeros(2), matrix([[1, 0.9], [0.9, 1]])); return {x} }";

#[test]
fn a_product_of_normals_is_as_far_from_a_correlated_one_as_it_must_be() {
    // The variances given the other coordinate, 1 − 0.9², and the divergence −½ log (1 − 0.9²) (Bishop 2006, section 10.1.2).
    // The bound is flat at its top: a fifth of a deviation costs two hundredths of it.
    for optimiser in ["adam", "natural"] {
        let found = posterior(MEAN_FIELD, &format!("vi(m, draws = 20000, optimiser = \"{optimiser}\")")).unwrap();
        for variable in ["x[0]", "x[1]"] {
            has(&found, variable, 0.0, 0.19f64.sqrt(), 0.2);
        }
        let (bound, error) = (number(&found, "elbo"), number(&found, "elbo_se"));
        assert!((bound + 0.830_365_603_4).abs() < 5.0 * error + 0.002, "{optimiser}: {bound} ± {error}");
        assert!(number(&found, "pareto_k") > 0.3);
    }
    for family in ["full_rank", "low_rank"] {
        let found = posterior(MEAN_FIELD, &format!("vi(m, draws = 20000, family = \"{family}\", rank = 1)")).unwrap();
        has(&found, "x[0]", 0.0, 1.0, 0.05);
        assert!(number(&found, "elbo").abs() < 0.01, "{family}: {}", number(&found, "elbo"));
    }
}

const NORMAL: &str = "
model m { mu ~ Normal(0, 1); observe 1.5 ~ Normal(mu, 1); return {mu} }
fn guide(v) = { mu ~ Normal(v[0], exp(v[1])) }
";

/// The log evidence of 1.5 with variance 2.
fn evidence() -> f64 {
    -0.5 * (2.25 / 2.0) - 0.5 * (4.0 * std::f64::consts::PI).ln()
}

#[test]
fn guides_that_are_programs_find_a_conjugate_posterior() {
    for divergence in ["reverse_kl", "forward_kl"] {
        let call = format!("vi_guide(m, guide, [0, 0], draws = 10000, batch = 20, divergence = \"{divergence}\")");
        let found = posterior(NORMAL, &call).unwrap();
        has(&found, "mu", 0.75, 0.5f64.sqrt(), 0.06);
        assert!((number(&found, "elbo") - evidence()).abs() < 0.02, "{divergence}: {}", number(&found, "elbo"));
    }
}

const MIXED: &str = "
model m {
  z ~ Flip(0.3)
  mu ~ Normal(if z { 2 } else { -1 }, 0.5)
  observe 0.8 ~ Normal(mu, 1)
  return {z: if z { 1.0 } else { 0.0 }, mu}
}
fn guide(v) = {
  z ~ Flip(inv_logit(v[0]))
  mu ~ Normal(if z { v[1] } else { v[2] }, exp(v[3]))
}
";

#[test]
fn discrete_choices_of_a_guide_are_fitted_by_their_score() {
    let normal = |x: f64, v: f64| (-0.5 * x * x / v).exp() / (2.0 * std::f64::consts::PI * v).sqrt();
    let (yes, no) = (0.3 * normal(-1.2, 1.25), 0.7 * normal(1.8, 1.25));
    let p = yes / (yes + no);
    let found = posterior(MIXED, "vi_guide(m, guide, zeros(4), draws = 10000, batch = 20)").unwrap();
    has(&found, "z", p, (p * (1.0 - p)).sqrt(), 0.06);
    // The family has the posterior in it, so the bound is the evidence.
    let bound = number(&found, "elbo");
    assert!((bound - (yes + no).ln()).abs() < 0.02, "{bound}, not {}", (yes + no).ln());
    assert!(found.info.iter().any(|(name, info)| name == "by_score" && *info == Info::Text("z".into())));
}

#[test]
fn guides_that_do_not_fit_the_model_are_refused_by_name() {
    let program = format!(
        "{NORMAL}
model positive {{ s ~ Gamma(2, 1); observe 1.0 ~ Normal(0, s); return s }}
model whole {{ n ~ Poisson(3); observe 2.0 ~ Normal(n, 1); return n }}
fn none(v) = {{ other ~ Normal(v[0], 1) }}
fn more(v) = {{ mu ~ Normal(v[0], 1); other ~ Normal(0, 1) }}
fn half(v) = {{ mu ~ HalfNormal(exp(v[0])) }}
fn real(v) = {{ s ~ Normal(v[0], 1) }}
fn unit(v) = {{ s ~ Beta(exp(v[0]), 2) }}
fn two(v) = {{ n ~ Bernoulli(inv_logit(v[0])) }}
"
    );
    for (call, wanted) in [
        ("vi_guide(m, none, [0])", "does not choose `mu`"),
        ("vi_guide(m, more, [0])", "chooses `other`"),
        ("vi_guide(m, half, [0])", "does not cover `mu`"),
        ("vi_guide(positive, unit, [0])", "does not cover `s`"),
        ("vi_guide(positive, real, [0])", "leaves the support of `s`"),
        ("vi_guide(whole, two, [0])", "does not cover `n`"),
        ("vi_guide(m, guide, [0, 0], divergence = \"l2\")", "no divergence `l2`"),
        ("vi(m, divergence = \"l2\")", "no divergence is called `l2`"),
        ("vi(m, family = \"low_rank\", optimiser = \"natural\")", "natural steps"),
    ] {
        let message = posterior(&program, call).expect_err(call);
        assert!(message.contains(wanted), "{call}: {message}");
        assert!(!message.contains("internal"), "{call}: {message}");
    }
}
