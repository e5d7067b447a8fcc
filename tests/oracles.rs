//! Models with answers that were computed independently: exact methods to rounding, Monte Carlo by its own error.
//!
//! Monte Carlo methods are run many times with fixed seeds, and every statistic is one whose expectation over runs is exactly zero:
//! for a method with an unbiased estimate Z' of the evidence Z, both Z'/Z - 1 and Z'/Z (f' - f) for an estimated mean f'. So
//! self-normalised estimates are never compared. The mean over runs must lie within 4 of its standard errors of zero. The power of each
//! comparison is shown: where the runs are long enough to tell, an expected value moved by 1 % is refused.

#[path = "support/programs.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod programs;

use borel::posterior::{Posterior, Summary};
use rayon::prelude::*;
use serde_json::Value as Json;
use std::sync::Arc;

/// Standard errors within which an estimate must lie.
const ALLOWED: f64 = 4.0;
/// Independent runs of a Monte Carlo method.
const RUNS: u64 = 24;
/// The share by which an expected value is moved to show power.
const MOVED: f64 = 0.01;

/// A number of the table of answers: as such, or as text such as `log 3/4` and `sqrt 0.25`.
fn number(json: &Json) -> f64 {
    let Some(text) = json.as_str() else { return json.as_f64().expect("an answer is a number or a text") };
    let (function, rest) = match text.split_once(' ') {
        Some((function, rest)) => (function, rest),
        None => ("", text),
    };
    let parts: Vec<f64> = rest.split('/').map(|part| part.parse().expect("a part of an answer is a number")).collect();
    let ratio = parts[0] / parts.get(1).unwrap_or(&1.0);
    match function {
        "" => ratio,
        "log" => ratio.ln(),
        "sqrt" => ratio.sqrt(),
        other => panic!("unknown function {other}"),
    }
}

/// What is known of a variable.
#[derive(Clone)]
struct Known {
    variable: String,
    mean: f64,
    sd: Option<f64>,
}

/// What is known of a model.
#[derive(Clone)]
struct Answer {
    program: String,
    log_evidence: Option<f64>,
    known: Vec<Known>,
    exact: bool,
    methods: Vec<String>,
    /// How long runs are against the usual ones: less for models that take long.
    length: f64,
}

fn answers() -> Vec<Answer> {
    let text = std::fs::read_to_string(programs::root("tests/oracles/answers.json")).expect("the answers can be read");
    let json: Json = serde_json::from_str(&text).expect("the answers are JSON");
    let answer = |(program, json): (&String, &Json)| Answer {
        program: program.clone(),
        log_evidence: (!json["log_evidence"].is_null()).then(|| number(&json["log_evidence"])),
        known: json["expect"].as_object().expect("variables by name").iter().map(known).collect(),
        exact: json["exact"] == true,
        length: json["length"].as_f64().unwrap_or(1.0),
        methods: json["methods"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|m| m.as_str().expect("a name").into())
            .collect(),
    };
    json.as_object().expect("programs by name").iter().map(answer).collect()
}

fn known((variable, json): (&String, &Json)) -> Known {
    let mean = json.get("mean").or(json.get("prob")).expect("a mean or a probability");
    let sd = match (json.get("sd"), json.get("prob")) {
        (Some(sd), _) => Some(number(sd)),
        (None, Some(p)) => Some((number(p) * (1.0 - number(p))).sqrt()),
        (None, None) => None,
    };
    Known { variable: variable.clone(), mean: number(mean), sd }
}

/// A run of a method; Monte Carlo ones are `length` times the usual one.
fn infer(answer: &Answer, method: &str, seed: u64, length: f64) -> Result<Arc<Posterior>, String> {
    let of = |usual: f64| (usual * length * answer.length).ceil().to_string();
    let options = match method {
        "importance" => vec![("draws", of(2000.0))],
        "rejection" => vec![("draws", of(400.0))],
        "mh" => vec![("draws", of(600.0)), ("warmup", of(300.0)), ("chains", "1".to_string())],
        "smc" => vec![("particles", of(500.0))],
        _ => Vec::new(),
    };
    let options: Vec<(&str, &str)> = options.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let path = programs::root(&format!("tests/oracles/{}.borel", answer.program));
    let mut program = programs::load(&path, seed, None)?;
    programs::infer(&mut program, None, Some(method), &options).map(|inferred| inferred.posterior)
}

fn find<'a>(summaries: &'a [Summary], answer: &Answer, variable: &str) -> &'a Summary {
    let found = summaries.iter().find(|summary| summary.name == variable);
    found.unwrap_or_else(|| panic!("{} has no variable {variable}", answer.program))
}

/// Says when two numbers differ by more than 1e-9 of the second, or by more than its last digit known.
fn unequal(what: &str, found: f64, expected: f64) -> Option<String> {
    let allowed = 1e-9 * expected.abs().max(1e-1);
    let difference = (found - expected).abs();
    // NaN differs.
    let differ = difference.is_nan() || difference > allowed;
    differ.then(|| format!("{what} is {found}, expected {expected}"))
}

#[test]
fn every_program_has_its_answers() {
    let mut named: Vec<String> = answers().into_iter().map(|answer| answer.program).collect();
    named.sort();
    let programs: Vec<String> = programs::programs("tests/oracles").iter().map(|path| programs::stem(path)).collect();
    assert_eq!(named, programs);
}

#[test]
fn enumeration_is_exact() {
    let mut wrong = Vec::new();
    for answer in answers().iter().filter(|answer| answer.exact) {
        match infer(answer, "enumerate", 1, 1.0) {
            Err(message) => wrong.push(message),
            Ok(posterior) => wrong.extend(inexact(answer, &posterior, 0.0)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn enumeration_refuses_an_answer_moved_by_a_part_in_a_million() {
    for answer in answers().iter().filter(|answer| answer.exact) {
        if let Ok(posterior) = infer(answer, "enumerate", 1, 1.0) {
            let checks = answer.known.len() + usize::from(answer.log_evidence.is_some());
            assert_eq!(inexact(answer, &posterior, 1e-6).len(), checks, "{}", answer.program);
        }
    }
}

/// What an exact posterior says that differs from the answer, with every expected value enlarged by the share `moved`.
fn inexact(answer: &Answer, posterior: &Posterior, moved: f64) -> Vec<String> {
    let summaries = posterior.report(false).summaries;
    let mut wrong = Vec::new();
    if let Some(expected) = answer.log_evidence {
        let found = posterior.log_evidence.unwrap_or(f64::NAN);
        wrong.extend(unequal(&format!("{}: the log evidence", answer.program), found, expected * (1.0 + moved)));
    }
    for known in &answer.known {
        let found = find(&summaries, answer, &known.variable).mean;
        let what = format!("{}: the mean of {}", answer.program, known.variable);
        wrong.extend(unequal(&what, found, known.mean * (1.0 + moved)));
    }
    wrong
}

/// A statistic whose mean over runs is zero when `expected` is right, and the result of moving the expected value.
struct Check {
    what: String,
    /// Standard errors between the mean over runs and zero.
    z: f64,
    /// The same with the expected value moved.
    z_moved: f64,
    /// The move in standard errors.
    power: f64,
}

/// The checks of one method on one model.
fn checks(answer: &Answer, method: &str, length: f64) -> Result<Vec<Check>, String> {
    let runs: Vec<Arc<Posterior>> =
        (1..=RUNS).into_par_iter().map(|seed| infer(answer, method, seed, length)).collect::<Result<_, _>>()?;
    let summaries: Vec<Vec<Summary>> = runs.par_iter().map(|run| run.report(false).summaries).collect();
    // Estimates of the evidence, relative to it; 1 for methods that give none.
    let relative: Vec<f64> = runs
        .iter()
        .map(|run| match (run.log_evidence, answer.log_evidence) {
            (Some(found), Some(expected)) => (found - expected).exp(),
            _ => 1.0,
        })
        .collect();
    let mut checks = Vec::new();
    if runs[0].log_evidence.is_some() && answer.log_evidence.is_some() {
        let name = format!("{} by {method}: the evidence", answer.program);
        checks.push(check(name, |expected| relative.iter().map(|ratio| ratio - expected).collect(), 1.0));
    }
    for known in &answer.known {
        let of_run = |run: usize| find(&summaries[run], answer, &known.variable);
        let name = format!("{} by {method}: the mean of {}", answer.program, known.variable);
        let errors = |expected: f64| (0..runs.len()).map(|run| relative[run] * (of_run(run).mean - expected)).collect();
        checks.push(check(name, errors, known.mean));
        let Some(sd) = known.sd.filter(|sd| *sd > 0.0) else { continue };
        // About the known mean, the second moment is a mean like any other.
        let name = format!("{} by {method}: the variance of {}", answer.program, known.variable);
        let second = |run: usize| {
            let summary = of_run(run);
            let n = runs[run].len() as f64;
            let share = if runs[run].weights().is_none() { (n - 1.0) / n } else { 1.0 };
            share * summary.sd * summary.sd + (summary.mean - known.mean).powi(2)
        };
        let errors = |expected: f64| (0..runs.len()).map(|run| relative[run] * (second(run) - expected)).collect();
        checks.push(check(name, errors, sd * sd));
    }
    Ok(checks)
}

fn check(what: String, errors: impl Fn(f64) -> Vec<f64>, expected: f64) -> Check {
    let standardised = |errors: &[f64]| {
        let n = errors.len() as f64;
        let mean = errors.iter().sum::<f64>() / n;
        let variance = errors.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / (n - 1.0);
        let error = (variance / n).sqrt();
        // Runs that agree to rounding have no error to speak of.
        (mean / error.max(1e-12 * expected.abs().max(1.0)), error)
    };
    let (z, error) = standardised(&errors(expected));
    let (z_moved, _) = standardised(&errors(expected * (1.0 + MOVED)));
    Check { what, z, z_moved, power: MOVED * expected.abs() / error }
}

/// What is wrong with the checks of some jobs: model, method, length, and what must see a moved expected value: `the evidence`,
/// `the mean of x`.
fn verdict(jobs: &[(Answer, String, f64, &[&str])]) -> Vec<String> {
    let results: Vec<Result<Vec<Check>, String>> =
        jobs.par_iter().map(|(answer, method, length, _)| checks(answer, method, *length)).collect();
    let mut wrong = Vec::new();
    for ((_, _, _, able), result) in jobs.iter().zip(results) {
        let checks = match result {
            Ok(checks) => checks,
            Err(message) => {
                wrong.push(message);
                continue;
            }
        };
        for check in checks {
            if check.z.is_nan() || check.z.abs() > ALLOWED {
                wrong.push(format!("{} is off by {:.1} standard errors", check.what, check.z));
            }
            // Twice the allowed distance away, no estimate within it can pass for both values.
            if check.power > 2.0 * ALLOWED && check.z_moved.abs() <= ALLOWED {
                wrong.push(format!("{} does not see a move of 1 %", check.what));
            }
            if check.power <= 2.0 * ALLOWED && able.iter().any(|what| check.what.ends_with(what)) {
                wrong
                    .push(format!("{} cannot see a move of 1 %: it is {:.1} standard errors", check.what, check.power));
            }
        }
    }
    wrong
}

#[test]
fn monte_carlo_agrees_within_its_error() {
    let of_answer = |answer: Answer| {
        let methods: Vec<String> = answer.methods.iter().filter(|method| *method != "enumerate").cloned().collect();
        methods.into_iter().map(move |method| (answer.clone(), method, 1.0, &[][..]))
    };
    let jobs: Vec<(Answer, String, f64, &[&str])> = answers().into_iter().flat_map(of_answer).collect();
    let wrong = verdict(&jobs);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs that are long enough to tell an expected value from one moved by 1 %: model, method, length, what they tell.
const LONG: &[(&str, &str, f64, &[&str])] = &[
    ("coins", "importance", 30.0, &["the evidence", "the mean of a"]),
    ("evidence2", "rejection", 60.0, &["the evidence", "the mean of e"]),
    ("monty", "smc", 100.0, &["the evidence", "the mean of other_door_wins"]),
    ("geometric", "mh", 30.0, &["the mean of one"]),
    ("dice", "mh", 10.0, &["the mean of total"]),
    ("gaussian_mean", "mh", 10.0, &["the mean of mu"]),
];

#[test]
fn long_runs_refuse_an_answer_moved_by_one_percent() {
    let answers = answers();
    let jobs: Vec<(Answer, String, f64, &[&str])> = LONG
        .iter()
        .map(|(program, method, length, able)| {
            let answer = answers.iter().find(|answer| answer.program == *program).expect("the program has an answer");
            (answer.clone(), method.to_string(), *length, *able)
        })
        .collect();
    let wrong = verdict(&jobs);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
