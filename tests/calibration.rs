//! Simulation-based calibration of gradient methods: over 500 data sets drawn from a model, the truth has uniform ranks among the draws, for
//! every parameter and for the log likelihood.
#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::OsWorld;
use borel::validate::calibration::Effort;
use borel::validate::{self, Calibrated, Request};
use std::sync::Arc;

fn calibrated(text: &str, with: &str) -> Calibrated {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
    let effort = Effort { runs: 500, ..Effort::default() };
    let request = Request { with: Some(with.to_string()), effort, ..Request::default() };
    let found = session.load_text("model.borel", text).and_then(|file| {
        session.bind_data(&[])?;
        session.prepare(&file)?;
        validate::sbc(&mut session, &file, &request)
    });
    found.unwrap_or_else(|failure| panic!("{}", session.render_failure(&failure, false)))
}

/// A regression whose posterior is normal and correlated.
const LINE: &str = "\
data x: [Real] = [-1.0, 0.5, 1.0, 2.0, 3.5]
data y: [Real] = [0.1, 0.2, 0.9, 1.5, 1.8]
model line {
  a ~ Normal(0, 1)
  b ~ Normal(0, 1)
  observe y ~ Normal(a + b * x, 0.8)
  return {a, b}
}
";

/// One whose scale is unknown.
const SCALE: &str = "\
data x: [Real] = [-1.0, 0.5, 1.0, 2.0, 3.5, -2.0]
data y: [Real] = [0.1, 0.2, 0.9, 1.5, 1.8, -0.4]
model scale {
  b ~ Normal(0, 1)
  s ~ Gamma(4, 3)
  observe y ~ Normal(b * x, s)
  return {b, s}
}
";

/// Asserts that a method is calibrated on a model; all that the model returns is ranked, and the log likelihood.
fn passes(text: &str, with: &str) {
    let found = calibrated(text, with);
    assert!(!found.calibration.failed, "{with}: {}", found.text());
    assert_eq!(found.calibration.quantities.len(), 3, "{with}");
    assert_eq!(found.calibration.runs, 500, "{with}");
    assert!(found.calibration.quantities.iter().any(|ranks| ranks.name == "log likelihood"));
}

#[test]
fn samplers_are_calibrated() {
    passes(SCALE, "nuts(draws = 200, warmup = 200, chains = 1)");
    passes(SCALE, "hmc(draws = 200, warmup = 200, chains = 1)");
    passes(LINE, "nuts(draws = 200, warmup = 200, chains = 1, metric = \"low_rank\")");
}

#[test]
fn normal_fits_are_calibrated_where_the_posterior_is_normal() {
    passes(LINE, "laplace(draws = 200)");
    passes(LINE, "vi(draws = 200, family = \"full_rank\")");
}

#[test]
fn a_fit_that_is_too_narrow_is_seen() {
    // The posterior is correlated, so the best product of normals has too little variance.
    let correlated = LINE.replace("[-1.0, 0.5, 1.0, 2.0, 3.5]", "[2.0, 2.5, 3.0, 3.5, 4.0]");
    let found = calibrated(&correlated, "vi(draws = 200)");
    assert!(found.calibration.failed, "{}", found.text());
}
