//! Minibatches of a density: their mean over a partition is the whole, and Langevin steps along them find known posteriors.
#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session, density};
use borel::exec::view::Model;
use borel::model::Production;
use borel::model::density::Density;
use borel::posterior::Posterior;
use borel::source::OsWorld;
use borel::value::{Generator, Value};
use std::sync::Arc;

fn session(text: &str) -> (Session, Model) {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options { seed: 4, ..Options::default() });
    let loaded = session.load_text("model.borel", text).and_then(|file| {
        session.bind_data(&[])?;
        session.prepare(&file)?;
        session.model(&file, None)
    });
    let model = loaded.unwrap_or_else(|failure| panic!("{}", session.render_failure(&failure, false)));
    (session, model)
}

/// Models with 12 data: a loop with a group and a local function, whole arrays with a matrix product, two loops of one length.
const MODELS: &[(&str, &str)] = &[
    (
        "grouped loop",
        "
let group = [0, 1, 2, 0, 1, 2, 2, 2, 1, 0, 0, 1]
let y = [0.3, 1.2, -0.7, 0.1, 2.2, -1.4, 0.9, 0.4, 1.1, -0.2, 0.5, 0.8]
model m {
  fn mean(a, x) = a + 0.1 * x ^ 2
  tau ~ Exponential(1)
  a ~ iid(Normal(0, tau), 3)
  sigma ~ Exponential(2)
  for n in 0..12 { observe y[n] ~ Normal(mean(a[group[n]], n), sigma) }
  factor(-0.5 * sum(a) ^ 2)
  return {a, sigma}
}",
    ),
    (
        "matrix product",
        "
let x = matrix([[sin(1.3 * i + 0.7 * j) for j in 0..3] for i in 0..12])
let z = [0, 1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1]
model m {
  b ~ iid(Normal(0, 2), 3)
  observe z ~ BernoulliLogit(x @ b)
  return {b}
}",
    ),
    (
        "two loops",
        "
let u = [0.1 * i for i in 0..12]
let k = [i % 4 for i in 0..12]
model m {
  rate ~ Gamma(2, 1)
  slope ~ Normal(0, 1)
  for i in 0..12 { observe k[i] ~ Poisson(rate * exp(0.1 * u[i])) }
  for j in 0..12 { observe u[j] ~ StudentT(4, slope * k[j], 1) }
  return {rate, slope}
}",
    ),
];

#[test]
fn the_mean_over_a_partition_is_the_whole_gradient() {
    for (name, text) in MODELS {
        let (_, model) = session(text);
        let (view, minibatches) = density::subsampled(model, 3, &mut Production(Generator::new(6))).unwrap();
        assert_eq!(minibatches.size, 12, "{name}");
        let n = view.dim();
        let x: Vec<f64> = (0..n).map(|k| 0.3 * (k as f64 + 1.0).sin()).collect();
        let mut whole = vec![0.0; n];
        let value = view.evaluator().gradient(&x, &mut whole);
        let mut parts = minibatches.evaluators();
        assert_eq!(parts.len(), 4);
        let (mut mean, mut height, mut apart) = (vec![0.0; n], 0.0, 0.0f64);
        for part in &mut parts {
            let mut gradient = vec![0.0; n];
            height += part.gradient(&x, &mut gradient) / 4.0;
            mean.iter_mut().zip(&gradient).for_each(|(mean, g)| *mean += g / 4.0);
            apart = gradient.iter().zip(&whole).map(|(g, w)| (g - w).abs()).fold(apart, f64::max);
        }
        assert!((height - value).abs() < 1e-9 * value.abs().max(1.0), "{name}: {height} {value}");
        for (mean, whole) in mean.iter().zip(&whole) {
            assert!((mean - whole).abs() < 1e-9 * whole.abs().max(1.0), "{name}: {mean} {whole}");
        }
        // Each alone is another number.
        assert!(apart > 1e-3, "{name}");
    }
}

fn posterior(session: &mut Session, text: &str) -> Posterior {
    match session.expression_value(text) {
        Ok(Value::Host(object)) => object.as_any().downcast_ref::<Posterior>().unwrap().clone(),
        Ok(other) => panic!("{other}"),
        Err(failure) => panic!("{}", session.render_failure(&failure, false)),
    }
}

#[test]
fn langevin_steps_find_a_normal_posterior() {
    // 400 data around 1 with variance 4: the posterior of the mean is that of conjugate normals.
    let text = "
let y = [1 + 2 * inv_Phi((i + 0.5) / 400) for i in 0..400]
model m {
  mu ~ Normal(0, 1)
  observe y ~ Normal(mu, 2)
  return {mu}
}";
    let (mut session, _) = session(text);
    let found = posterior(&mut session, "sgld(m, draws = 2000, batch = 20, step = 0.5, thin = 20)");
    let report = found.report(false);
    let summary = &report.summaries[0];
    let precision = 1.0 + 400.0 / 4.0;
    let (mean, sd) = (100.0 / precision, 1.0 / f64::sqrt(precision));
    // Steps are not corrected: a twentieth of the deviation.
    assert!((summary.mean - mean).abs() < 0.05 * sd + 5.0 * summary.mcse_mean, "{summary:?}");
    assert!((summary.sd / sd - 1.0).abs() < 0.08, "{summary:?}");
    assert!(report.warnings.iter().all(|warning| !warning.distrust()), "{:?}", report.warnings);
}

#[test]
fn what_has_no_plate_says_so() {
    let cases = [
        ("model m { x ~ Normal(0, 1); observe 1.0 ~ Normal(x, 1); return x }", "no data to be subsampled"),
        (
            "model m { x ~ Normal(0, 1); observe [1.0, 2.0, 3.0] ~ Normal(x, 1); return x }",
            "no more than a batch of 100",
        ),
        (
            "model m { s ~ Exponential(1); let c = matrix([[if i == j { 1 + s } else { s } for j in 0..200] for i in 0..200])\n\
             observe zeros(200) ~ MultiNormal(zeros(200), c); return s }",
            "no data to be subsampled",
        ),
        ("model m { n ~ Poisson(3); observe 1.0 ~ Normal(n, 1); return n }", "infinitely many values"),
    ];
    for (text, wanted) in cases {
        let (mut session, _) = session(text);
        let failure = session.expression_value("sgld(m)").unwrap_err();
        let message = session.render_failure(&failure, false);
        assert!(message.contains(wanted), "{message}");
    }
}
