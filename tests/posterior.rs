//! Posteriors against known answers: ArviZ's diagnostics, exact distributions, weighted draws, tables and JSON.

#![allow(clippy::unwrap_used)]

use borel::posterior::{Chain, Info, Named, Posterior, Seconds, TableOptions, Warning, convergence, log_sum_exp};
use borel::source::intern;
use borel::value::{HostObject, Value, record_names};
use std::sync::Arc;

/// Deterministic numbers in [0, 1), good enough for tests of summaries.
fn uniforms(seed: u64) -> impl FnMut() -> f64 {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    }
}

fn reals(chains: &[Vec<f64>]) -> Posterior {
    let chain = |xs: &Vec<f64>| Chain { draws: xs.iter().map(|x| Value::Real(*x)).collect(), ..Chain::default() };
    Posterior::new("m", "mh", chains.iter().map(chain).collect())
}

fn record(fields: &[(&str, Value)]) -> Value {
    let names: Vec<_> = fields.iter().map(|(name, _)| intern(name)).collect();
    Value::record(record_names(&names), fields.iter().map(|(_, value)| value.clone()).collect())
}

fn weighted(pairs: &[(f64, f64)]) -> Posterior {
    let chain = Chain {
        draws: pairs.iter().map(|(x, _)| Value::Real(*x)).collect(),
        log_weights: Some(pairs.iter().map(|(_, w)| w.ln()).collect()),
        ..Chain::default()
    };
    Posterior::new("m", "importance", vec![chain])
}

#[test]
fn diagnostics_agree_with_arviz() {
    let text = include_str!("reference/chains.json");
    let stored: serde_json::Value = serde_json::from_str(text).unwrap();
    let cases = stored["cases"].as_object().unwrap();
    assert!(cases.len() >= 10);
    for (name, case) in cases {
        let chains: Vec<Vec<f64>> = serde_json::from_value(case["chains"].clone()).unwrap();
        let summary = reals(&chains).report(false).summaries.remove(0);
        for (what, found) in [
            ("mean", summary.mean),
            ("sd", summary.sd),
            ("q05", summary.q05),
            ("q50", summary.q50),
            ("q95", summary.q95),
            ("mcse_mean", summary.mcse_mean),
            ("mcse_sd", summary.mcse_sd),
            ("ess_bulk", summary.ess_bulk),
            ("ess_tail", summary.ess_tail),
            ("r_hat", summary.r_hat),
            ("bfmi", convergence::e_bfmi(&chains[0])),
        ] {
            let expected = case[what].as_f64().unwrap();
            let error = (found - expected).abs() / expected.abs().max(1.0);
            assert!(error < 1e-10, "{name}: {what} is {found}, expected {expected}");
        }
    }
}

#[test]
fn exact_distributions_merge_equal_values() {
    // Two dice given that their sum is above 4: mean 116/15, P(7) = 1/5, Z = 5/6.
    let sixth = (1.0f64 / 36.0).ln();
    let throws = (1..=6).flat_map(|a| (1..=6).map(move |b| a + b));
    let masses = throws.map(|sum| (Value::Int(sum), if sum > 4 { sixth } else { f64::NEG_INFINITY }));
    let posterior = Posterior::exact("dice", "enumerate", masses);
    assert_eq!(posterior.len(), 8);
    assert!((posterior.log_evidence.unwrap() - (5.0f64 / 6.0).ln()).abs() < 1e-14);
    assert!((posterior.log_prob_of(&Value::Int(7)) - 0.2f64.ln()).abs() < 1e-14);
    assert_eq!(posterior.log_prob_of(&Value::Int(3)), f64::NEG_INFINITY);
    let report = posterior.report(false);
    let summary = &report.summaries[0];
    assert!((summary.mean - 116.0 / 15.0).abs() < 1e-13);
    assert_eq!((summary.mcse_mean, summary.q05, summary.q50, summary.q95), (0.0, 5.0, 7.0, 11.0));
    assert!(report.warnings.is_empty());
    let json = posterior.to_json(&report);
    assert_eq!(json["variables"]["value"]["support"], serde_json::json!([5, 6, 7, 8, 9, 10, 11, 12]));
    assert!((json["variables"]["value"]["probs"][2].as_f64().unwrap() - 0.2).abs() < 1e-14);
    assert_eq!(json["variables"]["value"]["r_hat"], serde_json::Value::Null);
    let values: Vec<f64> = posterior.draws().filter_map(Value::as_real).collect();
    assert!((posterior.mean(&values) - 116.0 / 15.0).abs() < 1e-13);
    let is_seven: Vec<bool> = values.iter().map(|x| *x == 7.0).collect();
    assert!((posterior.prob(&is_seven) - 0.2).abs() < 1e-14);
}

#[test]
fn reals_merge_by_their_bits_and_structure_counts() {
    let pair = |x: f64| Value::tuple(vec![Value::Real(x), Value::string("a")]);
    let posterior = Posterior::exact("m", "enumerate", [0.3, 0.1 + 0.2, 0.3].map(|x| (pair(x), 0.25f64.ln())));
    let support = posterior.support();
    assert_eq!(support.len(), 2);
    assert!((support[0].1 - 2.0 / 3.0).abs() < 1e-15);
    assert!((posterior.log_evidence.unwrap() - 0.75f64.ln()).abs() < 1e-15);
}

#[test]
fn exact_categories_have_probabilities_only() {
    let masses =
        [("hates", 0.3), ("runs", 0.4), ("loves", 0.3)].map(|(word, p): (_, f64)| (Value::string(word), p.ln()));
    let posterior = Posterior::exact("pcfg", "enumerate", masses);
    let report = posterior.report(false);
    let json = posterior.to_json(&report);
    let variable = &json["variables"]["value"];
    assert_eq!(variable["support"], serde_json::json!(["runs", "hates", "loves"]));
    assert!(variable.get("mean").is_none());
    let expected = "       value  prob\nvalue  runs    0.4\n       hates   0.3\n       loves   0.3\n";
    assert_eq!(posterior.table(&report, &TableOptions::default()), expected);
}

#[test]
fn weighted_draws_have_weighted_moments() {
    let posterior = weighted(&[(0.0, 1.0), (1.0, 2.0), (2.0, 1.0)]);
    let xs = [0.0, 1.0, 2.0];
    assert!((posterior.mean(&xs) - 1.0).abs() < 1e-15);
    assert!((posterior.sd(&xs) - 0.5f64.sqrt()).abs() < 1e-15);
    assert_eq!(posterior.quantile(&xs, 0.25), 0.0);
    assert_eq!(posterior.quantile(&xs, 0.5), 1.0);
    assert_eq!(posterior.quantile(&xs, 0.76), 2.0);
    assert!((posterior.weight_ess() - 16.0 / 6.0).abs() < 1e-14);
    assert!((posterior.evidence_of_weights().unwrap() - (4.0f64 / 3.0).ln()).abs() < 1e-15);
    let summary = posterior.report(false).summaries.remove(0);
    // Σ w² (x − 1)² = 2 / 16.
    assert!((summary.mcse_mean - (2.0f64 / 16.0).sqrt()).abs() < 1e-15);
    assert!(summary.r_hat.is_nan());
}

#[test]
fn equal_weights_change_nothing_but_the_denominator() {
    let mut next = uniforms(5);
    let xs: Vec<f64> = (0..500).map(|_| next()).collect();
    let plain = reals(std::slice::from_ref(&xs));
    let even = weighted(&xs.iter().map(|x| (*x, 3.0)).collect::<Vec<_>>());
    assert!((plain.mean(&xs) - even.mean(&xs)).abs() < 1e-14);
    assert!((plain.sd(&xs) * (499.0f64 / 500.0).sqrt() - even.sd(&xs)).abs() < 1e-14);
    let summary = even.report(false).summaries.remove(0);
    assert!((summary.mcse_mean - even.sd(&xs) / 500f64.sqrt()).abs() < 1e-14);
    assert!((summary.ess_bulk - 500.0).abs() < 1e-9 && (summary.ess_tail - 500.0).abs() < 1e-9);
}

#[test]
fn the_error_of_weighted_means_covers_the_truth() {
    // Uniform draws weighted by x have mean 2/3; z scores over many runs have variance 1.
    let runs = 400;
    let z: Vec<f64> = (0..runs)
        .map(|seed| {
            let mut next = uniforms(seed + 1);
            let pairs: Vec<(f64, f64)> = (0..400).map(|_| next()).map(|x| (x, x)).collect();
            let summary = weighted(&pairs).report(false).summaries.remove(0);
            (summary.mean - 2.0 / 3.0) / summary.mcse_mean
        })
        .collect();
    let spread = convergence::variance(&z);
    assert!((0.75..1.3).contains(&spread), "{spread}");
    assert!(convergence::mean(&z).abs() < 0.25);
}

#[test]
fn relatives_count_as_one_draw() {
    let mut posterior = weighted(&[(0.0, 1.0), (0.0, 1.0), (2.0, 1.0), (2.0, 1.0)]);
    assert!((posterior.weight_ess() - 4.0).abs() < 1e-14);
    posterior.chains[0].lineage = Some(vec![7, 7, 1, 1]);
    assert!((posterior.weight_ess() - 2.0).abs() < 1e-14);
    let summary = posterior.report(false).summaries.remove(0);
    assert!((summary.mcse_mean - 0.5f64.sqrt()).abs() < 1e-15);
}

#[test]
fn weights_that_make_no_sense_are_reported() {
    let dead = weighted(&[(1.0, 0.0), (2.0, 0.0)]);
    let report = dead.report(false);
    assert_eq!(report.warnings, [Warning::AllDead { place: None }]);
    assert!(report.distrust() && report.summaries[0].mean.is_nan());
    assert_eq!(dead.sample_index(0.5), None);

    let broken = weighted(&[(1.0, f64::NAN), (2.0, 1.0)]);
    let report = broken.report(false);
    assert!(report.warnings.contains(&Warning::NanWeights { count: 1, draws: 2 }));
    assert!(report.distrust());
    assert_eq!(report.summaries[0].mean, 2.0);

    let infinite = weighted(&[(1.0, f64::INFINITY), (2.0, 1.0)]);
    assert_eq!(infinite.mean(&[1.0, 2.0]), 1.0);
}

#[test]
fn sampling_follows_the_weights() {
    let posterior = weighted(&[(0.0, 0.0), (1.0, 1.0), (2.0, 3.0), (3.0, 0.0)]);
    assert_eq!(posterior.sample_index(0.0), Some(1));
    assert_eq!(posterior.sample_index(0.2499), Some(1));
    assert_eq!(posterior.sample_index(0.2501), Some(2));
    assert_eq!(posterior.sample_index(1.0 - f64::EPSILON / 2.0), Some(2));
    assert_eq!(posterior.sample_index(1.0), Some(2));
    assert_eq!(posterior.sample(0.5).and_then(Value::as_real), Some(2.0));
    let two = reals(&[vec![1.0, 2.0], vec![3.0, 4.0]]);
    assert_eq!(two.sample(0.6).and_then(Value::as_real), Some(3.0));
}

#[test]
fn expectations_keep_their_structure() {
    let posterior = weighted(&[(0.0, 1.0), (0.0, 3.0)]);
    let value = |x: f64| record(&[("a", Value::reals(vec![x, 1.0])), ("b", Value::Int(x as i64))]);
    let mean = posterior.expect(&[value(0.0), value(4.0)]).unwrap();
    assert_eq!(mean, record(&[("a", Value::reals(vec![3.0, 1.0])), ("b", Value::Real(3.0))]));
    assert!(posterior.expect(&[Value::string("a"), Value::string("b")]).is_err());
    assert!(posterior.expect(&[Value::reals(vec![1.0]), Value::reals(vec![1.0, 2.0])]).is_err());
    assert!(Posterior::default().expect(&[]).is_err());
}

#[test]
fn too_few_draws_are_said_in_words() {
    let mut next = uniforms(3);
    let apart: Vec<Vec<f64>> = (0..4).map(|c| (0..200).map(|_| next() + f64::from(c)).collect()).collect();
    let report = reals(&apart).report(false);
    assert!(report.distrust());
    let text = report.warnings[0].message();
    assert!(text.starts_with("not enough draws yet: R-hat is ") && text.contains("raise --draws"), "{text}");

    let stuck = reals(&[vec![1.0; 50], vec![2.0; 50]]).report(false);
    assert_eq!(stuck.warnings[0].text(), "the chains are stuck at different values of value");

    let fine: Vec<Vec<f64>> = (0..4).map(|_| (0..1000).map(|_| next()).collect()).collect();
    assert_eq!(reals(&fine).report(false).warnings, []);
    let short: Vec<Vec<f64>> = fine.iter().map(|chain| chain[..60].to_vec()).collect();
    let report = reals(&short).report(false);
    let bulk = report.warnings.iter().find(|w| matches!(w, Warning::BulkEss { chains: 4, .. })).map(Warning::text);
    let bulk = bulk.unwrap_or_default();
    assert!(bulk.ends_with("effective draws in the bulk for value, below 100 for each of 4 chains"), "{bulk}");
}

#[test]
fn sampler_statistics_become_warnings() {
    let mut next = uniforms(9);
    let mut posterior = reals(&(0..4).map(|_| (0..1000).map(|_| next()).collect()).collect::<Vec<_>>());
    posterior.chains[2].stats = vec![
        ("divergent__".into(), (0..1000).map(|i| f64::from(u8::from(i < 3))).collect()),
        ("energy__".into(), (0..1000).map(f64::from).collect()),
    ];
    let report = posterior.report(false);
    assert_eq!(report.warnings[0], Warning::Divergences { count: 3, draws: 4000 });
    assert!(matches!(report.warnings[1], Warning::Ebfmi { chain: 2, .. }));
    assert!(report.warnings[0].text().starts_with("3 of 4000 transitions diverged"));
}

#[test]
fn json_has_the_promised_shape() {
    let mut next = uniforms(1);
    let draw = |x: f64| {
        record(&[("mu", Value::Real(x)), ("theta", Value::reals(vec![x, 2.0 * x])), ("big", Value::Bool(x > 0.5))])
    };
    let chains = (0..4).map(|_| Chain { draws: (0..100).map(|_| draw(next())).collect(), ..Chain::default() });
    let mut posterior = Posterior::new("eight_schools", "nuts", chains.collect());
    posterior.seed = 1;
    posterior.seconds = Seconds { compile: 0.01, warmup: 0.1, sampling: 0.2 };
    posterior.info = vec![
        ("divergences".into(), Info::Count(0)),
        ("acceptance".into(), Info::Table(vec![("mu".into(), 0.8), ("tau".into(), f64::NAN)])),
    ];
    let json = posterior.to_json(&posterior.report(false));
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    let expected = "model method seed chains draws log_evidence log_evidence_se seconds variables diagnostics warnings";
    assert_eq!(keys, expected.split(' ').collect::<Vec<_>>());
    assert_eq!((json["chains"].as_u64(), json["draws"].as_u64()), (Some(4), Some(100)));
    assert!(json["log_evidence"].is_null());
    let names: Vec<&String> = json["variables"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["mu", "theta[0]", "theta[1]", "big"]);
    let fields: Vec<&String> = json["variables"]["mu"].as_object().unwrap().keys().collect();
    let expected = "mean sd mcse_mean mcse_sd q05 q50 q95 ess_bulk ess_tail r_hat";
    assert_eq!(fields, expected.split(' ').collect::<Vec<_>>());
    assert_eq!(json["variables"]["big"]["support"], serde_json::json!([false, true]));
    assert_eq!(json["diagnostics"]["divergences"], 0);
    assert!(json["diagnostics"]["acceptance"]["tau"].is_null());
    assert_eq!(posterior.display(), "<posterior of eight_schools by nuts: 400 draws in 4 chains>");
}

#[test]
fn named_choices_stand_in_for_a_missing_result() {
    let names: Arc<[_]> = [intern("x"), intern("h[0]")].into();
    let named = |x: f64| Named { names: names.clone(), values: vec![Value::Real(x), Value::Int(1)] };
    let chain =
        Chain { draws: vec![Value::Unit; 3], named: Some([1.0, 2.0, 3.0].map(named).into()), ..Chain::default() };
    let mut posterior = Posterior::new("m", "mh", vec![chain]);
    let names_of = |p: &Posterior, all| p.report(all).summaries.into_iter().map(|s| s.name).collect::<Vec<_>>();
    assert_eq!(names_of(&posterior, false), ["x", "h[0]"]);
    posterior.chains[0].draws = [4.0, 5.0, 6.0].map(|x| record(&[("x", Value::Real(x)), ("y", Value::Real(x))])).into();
    assert_eq!(names_of(&posterior, false), ["x", "y"]);
    assert_eq!(names_of(&posterior, true), ["x", "y", "h[0]"]);
    assert_eq!(posterior.report(true).summaries[0].mean, 5.0);
}

#[test]
fn functions_are_named_as_left_out() {
    let function = Value::Closure(Arc::new(borel::value::Closure { function: 0, captures: vec![Value::Real(1.0)] }));
    let draws = vec![record(&[("f", function), ("a", Value::Real(1.0))]); 5];
    let posterior = Posterior::new("linfun", "mh", vec![Chain { draws, ..Chain::default() }]);
    let report = posterior.report(false);
    assert_eq!(report.skipped, [("f".to_string(), "a function")]);
    assert!(posterior.summary_table().ends_with("f is a function and has no summary\n"));
}

#[test]
fn draws_may_have_different_variables() {
    let draws = vec![
        Value::reals(vec![1.0]),
        Value::reals(vec![2.0, 10.0]),
        Value::reals(vec![3.0]),
        Value::reals(vec![4.0, 20.0]),
    ];
    let posterior = Posterior::new("m", "mh", vec![Chain { draws, ..Chain::default() }]);
    let report = posterior.report(false);
    let second = &report.summaries[1];
    assert_eq!((second.mean, second.share), (15.0, 0.5));
    assert_eq!(posterior.to_json(&report)["variables"]["value[1]"]["share"], 0.5);
    assert!(posterior.table(&report, &TableOptions::default()).contains("value[1] exists in 50.0 % of the draws"));
}

#[test]
fn tables_are_aligned_and_bounded() {
    let mut next = uniforms(1);
    let draw = |x: f64| {
        record(&[("mu", Value::Real(x)), ("theta", Value::reals((0..99).map(|i| x * f64::from(i)).collect()))])
    };
    let chains = (0..2).map(|_| Chain { draws: (0..50).map(|_| draw(next())).collect(), ..Chain::default() });
    let posterior = Posterior::new("m", "mh", chains.collect());
    let report = posterior.report(false);
    let table = posterior.table(&report, &TableOptions { most_rows: 8 });
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 10);
    assert!(lines[0].ends_with("r_hat"));
    assert_eq!(lines[9], "… and 92 more (use --all)");
    let widths: Vec<usize> = lines[..9].iter().map(|line| line.chars().count()).collect();
    assert!(widths.iter().all(|width| *width == widths[0]), "{table}");
    let exact = Posterior::exact("m", "enumerate", [(Value::Bool(true), 0.0), (Value::Bool(false), 2f64.ln())]);
    let expected = "           mean        sd  q05  q50  q95\nvalue  0.333333  0.471405    0    0    1\n\n       value      prob\nvalue  false  0.666667\n       true   0.333333\n";
    assert_eq!(exact.summary_table(), expected);
}

#[test]
fn nothing_breaks_on_nothing() {
    for posterior in
        [Posterior::default(), Posterior::new("m", "mh", vec![Chain::default()]), Posterior::exact("m", "e", [])]
    {
        let report = posterior.report(true);
        assert!(report.summaries.is_empty());
        assert_eq!(posterior.summary_table(), "");
        assert!(posterior.sample(0.5).is_none());
        posterior.to_json(&report);
        assert!(posterior.mean(&[]).is_nan() && posterior.quantile(&[], 0.5).is_nan());
    }
    assert_eq!(log_sum_exp(&[]), f64::NEG_INFINITY);
}

#[test]
fn summaries_are_the_same_each_time() {
    let mut next = uniforms(2);
    let draws: Vec<Value> = (0..200).map(|_| Value::reals((0..20).map(|_| next()).collect())).collect();
    let posterior = Posterior::new("m", "mh", vec![Chain { draws, ..Chain::default() }]);
    let text = || posterior.to_json(&posterior.report(false)).to_string();
    assert_eq!(text(), text());
}
