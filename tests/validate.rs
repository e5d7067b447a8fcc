//! `borel validate` and `borel sbc`: what they find, how they say it, and that what is right passes.
#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::OsWorld;
use borel::validate::calibration::Effort;
use borel::validate::{self, Level, Report, Request};
use std::sync::Arc;

/// What validation of a method on the model of a program finds.
fn validated(text: &str, with: Option<&str>) -> Report {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
    let request = Request { with: with.map(str::to_string), ..Request::default() };
    let found = session.load_text("model.borel", text).and_then(|file| {
        session.bind_data(&[])?;
        session.prepare(&file)?;
        validate::validate(&mut session, &file, &request)
    });
    found.unwrap_or_else(|failure| panic!("{}", session.render_failure(&failure, false)))
}

/// A chain of two states that is observed twice.
const CHAIN: &str = "\
model chain {
  var s = [0, 0]
  var x = 0
  for t in 0..2 {
    s[t] ~ Bernoulli(if x == 1 { 0.8 } else { 0.3 })
    x = s[t]
    observe 1 ~ Bernoulli(if x == 1 { 0.9 } else { 0.4 })
  }
  return x
}
";

/// A filter that forgets its evidence at every step.
const FORGETFUL: &str = "
fn forget(p: Population<a>) ~> Population<a> = without_evidence(resample(p))

fn my_filter(m: () ~> a, particles = 2) {
  var p = spawn(m, particles)
  while running(p) {
    p = p |> advance |> forget
  }
  finish(p)
}
";

#[test]
fn methods_of_the_library_pass_exactly() {
    for with in [
        None,
        Some("smc"),
        Some("smc(resampler = residual)"),
        Some("importance"),
        Some("m => smc(m, 2)"),
        Some("pimh"),
        Some("mh"),
        Some("gibbs"),
        Some("rmsmc(particles = 2)"),
    ] {
        let report = validated(CHAIN, with);
        assert!(report.passed(), "{with:?}\n{}", report.text());
        assert_eq!(report.reached(), Some(Level::Exact), "{with:?}\n{}", report.text());
    }
}

#[test]
fn a_wrong_part_is_named_with_a_counterexample() {
    let report = validated(&format!("{CHAIN}{FORGETFUL}"), Some("my_filter"));
    assert!(!report.passed());
    assert_eq!(report.at_fault.as_deref(), Some("forget"));
    assert_eq!(report.json()["at_fault"], "forget");
    insta::assert_snapshot!(report.text(), @r"
    chain · my_filter

      static  my_filter                 passed: contracts compose: `spawn` preserves, `advance` preserves, `resample` preserves, `finish` preserves; `forget`, `my_filter` without a contract, checked below only
      exact   my_filter(particles = 1)  FAILED: the measure is kept: it differs by 81.82% of the greatest mass
      exact   forget                    FAILED: the measure is kept when it follows every step: it differs by 81.82% of the greatest mass

    failed at the exact level in `my_filter(particles = 1)`: the measure is not kept
    first part at fault: `forget`

         model  method
      0    0.1    0.55
      1   0.27    0.45

      a shortest run that gives 0: s[0] = 0, s[1] = 0
    ");
}

#[test]
fn what_is_biased_is_refused_before_it_runs() {
    let text = format!("{CHAIN}{FORGETFUL}").replace("fn forget", "/// contract: biased\nfn forget");
    let report = validated(&text, Some("my_filter"));
    assert_eq!(report.checks.len(), 1);
    assert_eq!(report.failure().map(|check| check.level), Some(Level::Static));
}

/// The ranks of a method on the model of a program with data.
fn calibrated(text: &str, with: &str, runs: usize) -> validate::Calibrated {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
    let request = Request { with: Some(with.into()), effort: Effort { runs, seed: 1 }, ..Request::default() };
    let found = session.load_text("model.borel", text).and_then(|file| {
        session.bind_data(&[])?;
        session.prepare(&file)?;
        validate::sbc(&mut session, &file, &request)
    });
    found.unwrap_or_else(|failure| panic!("{}", session.render_failure(&failure, false)))
}

/// Each observation is the mean of the next, so that simulated data must be read again while they are drawn.
const WALK: &str = "\
data y: [Real] = [0.0, 0.5, 0.1, 1.0]
let n = len(y)
model walk {
  a ~ Normal(0, 1)
  for t in 1..n { observe y[t] ~ Normal(a + 0.5 * y[t - 1], 1) }
  return {a}
}
";

#[test]
fn right_inference_has_uniform_ranks() {
    let found = calibrated(WALK, "mh(draws = 200, chains = 1)", 100);
    assert!(!found.calibration.failed, "{}", found.text());
    let names: Vec<&str> = found.calibration.quantities.iter().map(|ranks| ranks.name.as_str()).collect();
    assert_eq!(names, ["a", "log likelihood"]);
}

#[test]
fn inference_that_ignores_the_data_is_seen_by_the_likelihood_only() {
    let text = format!(
        "{WALK}\nfn blind(m: () ~> a, draws = 200) ~> Posterior<a> = importance(() => {{ a ~ Normal(0, 1); {{a}} }}, draws)\n"
    );
    let found = calibrated(
        &text.replace("(m: () ~> a, draws = 200) ~> Posterior<a>", "(m: () ~> {a: Real}, draws = 200)"),
        "blind",
        200,
    );
    assert!(found.calibration.failed, "{}", found.text());
    assert_eq!(found.calibration.worst().map(|(ranks, _)| ranks.name.as_str()), Some("log likelihood"));
    let of_a = found.calibration.quantities.iter().find(|ranks| ranks.name == "a").map(|ranks| ranks.p_value());
    assert!(of_a.is_some_and(|p| p > 1e-3), "{of_a:?}");
}

#[test]
fn data_that_are_no_data_cannot_be_simulated() {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
    let file = session.load_text("model.borel", CHAIN).unwrap();
    let failure = validate::sbc(&mut session, &file, &Request::default()).unwrap_err();
    let text = session.render_failure(&failure, false);
    assert!(text.contains("no element of the data") && text.contains("model.borel:7:5"), "{text}");
}

/// The blocks of code of the page about validation.
fn blocks() -> Vec<&'static str> {
    let page = include_str!("../docs/validation.md");
    page.split("```").skip(1).step_by(2).map(|block| block.split_once('\n').map_or("", |(_, rest)| rest)).collect()
}

#[test]
fn the_page_about_validation_shows_what_is_said() {
    let [program, shown, mended, ..] = blocks()[..] else { panic!("the page has three blocks") };
    let report = validated(program, Some("kernel(hasty)"));
    let (command, said) = shown.split_once('\n').unwrap();
    assert_eq!(command, "$ borel validate coin.borel --with \"kernel(hasty)\"");
    assert_eq!(report.text().trim_end(), said.trim_end());
    let report = validated(&format!("{program}\n{mended}"), Some("kernel(patient)"));
    assert!(report.passed() && report.reached() == Some(Level::Exact), "{}", report.text());
}

#[test]
fn kernels_are_checked_for_invariance_and_reach_apart() {
    let pair = "model pair {\n  a ~ Flip(0.3)\n  b ~ Flip(0.6)\n  factor(if a && b { 0.5 } else { 0.0 })\n  return (a, b)\n}\n";
    for with in ["single_site()", "gibbs()", "slice()", "cycle([prior([\"a\"]), gibbs([\"b\"])])", "repeat(prior(), 2)"]
    {
        let report = validated(pair, Some(with));
        assert!(report.passed() && report.reached() == Some(Level::Exact), "{}", report.text());
    }
    let report = validated(pair, Some("prior([\"a\"])"));
    let failed = report.failure().unwrap();
    assert_eq!((failed.claim, report.checks.len()), ("every run is reachable", 3), "{}", report.text());
}

#[test]
fn the_part_of_a_cycle_that_is_wrong_is_named() {
    let program = blocks()[0];
    let report = validated(program, Some("cycle([gibbs(), kernel(hasty)])"));
    assert_eq!(report.at_fault.as_deref(), Some("kernel(…)"), "{}", report.text());
}

/// A place that is observed twice, with a chain of step functions that is right, and one that is wrong.
const PLACE: &str = "\
data y: [Real] = [0.8, 1.7]
model place {
  m ~ Normal(0, 1)
  for t in 0..2 { observe y[t] ~ Normal(m, 1) }
  return {m}
}

fn forget(p: Population<a>) ~> Population<a> = without_evidence(resample(p))

fn forgetful(m: () ~> a, particles = 2) {
  var p = spawn(m, particles)
  while running(p) { p = p |> advance |> forget }
  finish(p)
}

/// Steps by a factor, without its Jacobian.
fn stretched(t: Trace<{m: Real}>) ~> Trace<{m: Real}> {
  by ~ Normal(0, 0.5)
  let (proposed, weight) = update(t, {m: value_of(t).m * exp(by)})
  if flip(min(1.0, exp(weight))) { proposed } else { t }
}

/// The same with it.
fn stretched_rightly(t: Trace<{m: Real}>) ~> Trace<{m: Real}> {
  by ~ Normal(0, 0.5)
  let (proposed, weight) = update(t, {m: value_of(t).m * exp(by)})
  if flip(min(1.0, exp(weight + by))) { proposed } else { t }
}
";

#[test]
fn continuous_choices_are_replaced_by_quantiles() {
    let report = validated(PLACE, Some("smc"));
    assert!(report.passed() && report.reached() == Some(Level::Discretised), "{}", report.text());
    let report = validated(PLACE, Some("forgetful"));
    let failed = report.failure().unwrap();
    assert_eq!((failed.level, report.at_fault.as_deref()), (Level::Discretised, Some("forget")), "{}", report.text());
    assert!(report.text().contains("a shortest run that gives {m: "), "{}", report.text());
}

#[test]
fn kernels_of_continuous_choices_keep_the_joint_distribution() {
    let report = validated(PLACE, Some("kernel(stretched)"));
    let failed = report.failure().unwrap_or_else(|| panic!("{}", report.text()));
    assert_eq!(failed.level, Level::Statistical, "{}", report.text());
    assert!(report.text().contains("the joint distribution with the data is not kept"), "{}", report.text());
    let report = validated(PLACE, Some("kernel(stretched_rightly)"));
    assert!(report.passed(), "{}", report.text());
}

/// Two proposals of a user: one asks for the way back, the other does not.
const PROPOSALS: &str = "\
model coin {
  a ~ Categorical([0.2, 0.3, 0.5])
  factor(0.4 * a)
  return a
}
fn next(a: Int) -> Dist<Int> = Categorical(if a == 1 { [0.1, 0.8, 0.1] } else { [0.3, 0.3, 0.4] })
fn careless(t: Trace<Int>) ~> Trace<Int> {
  b ~ next(value_of(t))
  let (proposed, weight) = update(t, {a: b})
  if flip(min(1.0, exp(weight))) { proposed } else { t }
}
fn careful(t: Trace<Int>) ~> Trace<Int> {
  b ~ next(value_of(t))
  let (proposed, weight) = update(t, {a: b})
  let way_back = logp(next(b), value_of(t)) - logp(next(value_of(t)), b)
  if flip(min(1.0, exp(weight + way_back))) { proposed } else { t }
}
fn counted(m: () ~> a, draws = 1000, warmup = 100, chains = 4) ~> Posterior<a> =
  from_chains(replicate(() => {
    var t = trace(m)
    for i in 0..warmup { t = step(gibbs(), t) }
    var kept = [value_of(t)]
    for i in 1..draws {
      t = step(gibbs(), t)
      kept = push(kept, value_of(t))
    }
    kept
  }, chains), \"counted\", zeros(0))
";

#[test]
fn proposals_and_chains_of_a_user_are_checked() {
    let report = validated(PROPOSALS, Some("kernel(careless)"));
    let failed = report.failure().unwrap_or_else(|| panic!("{}", report.text()));
    assert_eq!((failed.level, failed.claim), (Level::Exact, "the posterior is invariant"), "{}", report.text());
    for with in ["kernel(careful)", "proposal((a: Int) => { a ~ next(a); a })", "counted"] {
        let report = validated(PROPOSALS, Some(with));
        assert!(report.passed(), "{}", report.text());
    }
    let report = validated(
        &PROPOSALS.replace("kept = push(kept, value_of(t))", "kept = push(kept, max(value_of(t), 1))"),
        Some("counted"),
    );
    let failed = report.failure().unwrap_or_else(|| panic!("{}", report.text()));
    assert_eq!((failed.level, failed.claim), (Level::Statistical, "the posterior is followed"), "{}", report.text());
}
