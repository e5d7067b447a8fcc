//! Models with answers that were computed independently, under every method: exact ones to rounding, Monte Carlo by its own error.
//!
//! Monte Carlo methods are run many times with fixed seeds, and every statistic is one whose expectation over runs is exactly zero:
//! for a method with an unbiased estimate Z' of the evidence Z, both Z'/Z - 1 and Z'/Z (f' - f) for an estimated mean f'. So
//! self-normalised estimates are never compared. The mean over runs is judged by its standard errors from zero. The power of the
//! comparisons is shown: where runs are long enough to tell, an expected value moved by 1 % is refused.

#[path = "support/programs.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod programs;

use borel::posterior::{Posterior, Summary};
use rayon::prelude::*;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

/// Standard errors within which an estimate must lie.
const ALLOWED: f64 = 3.5;
/// Standard errors beyond which it is wrong. In between it runs again, for longer and from other seeds.
const WRONG: f64 = 5.0;
/// How much longer.
const AGAIN: f64 = 4.0;
/// Independent runs of a Monte Carlo method.
const RUNS: usize = 24;
/// The share by which an expected value is moved to show power.
const MOVED: f64 = 0.01;

/// The columns of the table: methods, with their options for a run of length 1. Those with a point are numbers to be scaled. All
/// choices are drawn: what delaying them gives is exact, or held to exact values in `delayed.rs`.
const METHODS: &[(&str, &str)] = &[
    ("importance", "draws = 1000., delay = false"),
    ("rejection", "draws = 200., tries = 100000"),
    ("mh", "draws = 400., warmup = 300., chains = 1"),
    ("gibbs", "draws = 200., warmup = 100., chains = 1"),
    ("smc", "particles = 300., delay = false"),
    ("apf", "particles = 200., delay = false"),
    ("alive", "particles = 200., delay = false"),
    ("rmsmc", "particles = 60., moves = 1"),
    ("ibis", "particles = 60., moves = 1"),
    ("tempered", "particles = 60., steps = 8, moves = 2"),
    ("ais", "particles = 60., steps = 8, moves = 2"),
    ("pimh", "particles = 50, draws = 80., warmup = 20., chains = 1"),
    ("pgibbs", "particles = 50, draws = 80., warmup = 20., chains = 1"),
    ("pgas", "particles = 20, draws = 80., warmup = 20., chains = 1"),
    ("parallel_tempering", "draws = 150., warmup = 100., chains = 1, rungs = 4, moves = 3"),
    ("nuts", "draws = 150., warmup = 200., chains = 1"),
    ("hmc", "draws = 150., warmup = 200., chains = 1"),
    ("mala", "draws = 400., warmup = 400., chains = 1"),
];

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
    /// How long runs are against the usual ones: less for models that take long.
    length: f64,
    /// The same for single methods.
    lengths: BTreeMap<String, f64>,
    /// Methods that cannot do the model in the time of a test, each with a part of what it says itself when it is tried.
    beyond: BTreeMap<String, String>,
}

fn answers() -> Vec<Answer> {
    let text = std::fs::read_to_string(programs::root("tests/oracles/answers.json")).expect("the answers can be read");
    let json: Json = serde_json::from_str(&text).expect("the answers are JSON");
    let entries = |json: &Json| json.as_object().cloned().unwrap_or_default();
    let answer = |(program, json): (&String, &Json)| Answer {
        program: program.clone(),
        log_evidence: (!json["log_evidence"].is_null()).then(|| number(&json["log_evidence"])),
        known: entries(&json["expect"]).iter().map(known).collect(),
        exact: json["exact"] == true,
        length: json["length"].as_f64().unwrap_or(1.0),
        lengths: entries(&json["lengths"]).iter().map(|(m, json)| (m.clone(), number(json))).collect(),
        beyond: entries(&json["beyond"])
            .into_iter()
            .map(|(m, why)| (m, why.as_str().expect("a text").to_string()))
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

/// Runs of a method on a model, `length` times as long as the usual ones.
fn infer(answer: &Answer, method: &str, seed: u64, length: f64, runs: usize) -> Result<Vec<Arc<Posterior>>, String> {
    let usual = METHODS.iter().find(|(name, _)| *name == method).map_or("", |(_, options)| *options);
    let scale = length * answer.length * answer.lengths.get(method).unwrap_or(&1.0);
    let scaled = |option: &str| match option.strip_suffix('.').and_then(|option| option.rsplit_once(' ')) {
        Some((head, number)) => {
            let number: f64 = number.parse().expect("an option is a number");
            format!(", {head} {}", (number * scale).ceil())
        }
        // A single chain cannot be compared with others.
        None if runs == 1 => format!(", {}", option.replace("chains = 1", "chains = 4")),
        None => format!(", {option}"),
    };
    let options: String = usual.split(", ").filter(|option| !option.is_empty()).map(scaled).collect();
    let path = programs::root(&format!("tests/oracles/{}.borel", answer.program));
    let mut program = programs::load(&path, seed, None)?;
    let posteriors = programs::posteriors(&mut program, &format!("{method}(model{options})"), runs)?;
    Ok(posteriors)
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
        match infer(answer, "enumerate", 1, 1.0, 1) {
            Err(message) => wrong.push(message),
            Ok(posteriors) => {
                wrong.extend(inexact(answer, &posteriors[0], 0.0));
                // An answer moved by a part in a million is refused.
                let checks = answer.known.len() + usize::from(answer.log_evidence.is_some());
                assert_eq!(inexact(answer, &posteriors[0], 1e-6).len(), checks, "{}", answer.program);
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
    /// The standard error, relative to the evidence, the standard deviation or the variance.
    error: f64,
}

/// The checks of one method on one model.
fn checks(answer: &Answer, method: &str, seed: u64, length: f64) -> Result<Vec<Check>, String> {
    let runs = infer(answer, method, seed, length, RUNS)?;
    let summaries: Vec<Vec<Summary>> = runs.iter().map(|run| run.report(false).summaries).collect();
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
        checks.push(check(name, |expected| relative.iter().map(|ratio| ratio - expected).collect(), 1.0, 1.0));
    }
    for known in &answer.known {
        // A run without draws has evidence zero, and so no part in the sum.
        let of_run = |run: usize| (relative[run] > 0.0).then(|| find(&summaries[run], answer, &known.variable));
        let name = format!("{} by {method}: the mean of {}", answer.program, known.variable);
        let error =
            |run: usize, expected: f64| of_run(run).map_or(0.0, |found| relative[run] * (found.mean - expected));
        let errors = |expected: f64| (0..runs.len()).map(|run| error(run, expected)).collect();
        checks.push(check(name, errors, known.mean, known.sd.unwrap_or(known.mean.abs())));
        let Some(sd) = known.sd.filter(|sd| *sd > 0.0) else { continue };
        // About the known mean, the second moment is a mean like any other.
        let name = format!("{} by {method}: the variance of {}", answer.program, known.variable);
        let second = |run: usize, expected: f64| {
            let Some(summary) = of_run(run) else { return 0.0 };
            let n = runs[run].len() as f64;
            let share = if runs[run].weights().is_none() { (n - 1.0) / n } else { 1.0 };
            relative[run] * (share * summary.sd * summary.sd + (summary.mean - known.mean).powi(2) - expected)
        };
        let errors = |expected: f64| (0..runs.len()).map(|run| second(run, expected)).collect();
        checks.push(check(name, errors, sd * sd, sd * sd));
    }
    Ok(checks)
}

fn check(what: String, errors: impl Fn(f64) -> Vec<f64>, expected: f64, scale: f64) -> Check {
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
    Check { what, z, z_moved, power: MOVED * expected.abs() / error, error: error / scale }
}

/// What became of a method on a model.
enum Cell {
    Checked(Vec<Check>),
    /// It says itself that it cannot.
    Refused(String),
    Wrong(String),
}

/// The first line of a message, without the place.
fn gist(message: &str) -> String {
    let line = message.lines().find_map(|line| line.split_once("error: ")).map_or(message, |(_, rest)| rest);
    line.lines().next().unwrap_or_default().to_string()
}

fn cell(answer: &Answer, method: &str) -> Cell {
    if let Some(why) = answer.beyond.get(method) {
        return match infer(answer, method, 1, 1.0, 1) {
            Err(message) => Cell::Refused(gist(&message)),
            Ok(runs) => {
                let warnings: Vec<String> = runs[0].report(false).warnings.iter().map(|w| w.text()).collect();
                match warnings.iter().find(|warning| warning.contains(why.as_str())) {
                    Some(_) => Cell::Refused(why.clone()),
                    None => Cell::Wrong(format!("{} by {method} does not say `{why}`: {warnings:?}", answer.program)),
                }
            }
        };
    }
    match checks(answer, method, 1, 1.0) {
        Err(message) => Cell::Refused(gist(&message)),
        Ok(first) => {
            let doubtful: Vec<&Check> =
                first.iter().filter(|check| check.z.is_nan() || check.z.abs() > ALLOWED).collect();
            let wrong = doubtful.iter().find(|check| check.z.is_nan() || check.z.abs() > WRONG);
            if let Some(check) = wrong {
                return Cell::Wrong(format!("{} is off by {:.1} standard errors", check.what, check.z));
            }
            if doubtful.is_empty() {
                return Cell::Checked(first);
            }
            match checks(answer, method, 2, AGAIN) {
                Err(message) => Cell::Wrong(message),
                Ok(second) => match second.iter().find(|check| check.z.is_nan() || check.z.abs() > ALLOWED) {
                    Some(check) => {
                        Cell::Wrong(format!("{} is off by {:.1} standard errors twice", check.what, check.z))
                    }
                    None => Cell::Checked(second),
                },
            }
        }
    }
}

#[test]
fn every_method_agrees_with_every_answer_within_its_error() {
    let answers = answers();
    let jobs: Vec<(&Answer, &str)> =
        answers.iter().flat_map(|answer| METHODS.iter().map(move |(method, _)| (answer, *method))).collect();
    let cells: Vec<Cell> = jobs.par_iter().map(|(answer, method)| cell(answer, method)).collect();
    let wrong: Vec<&str> =
        cells.iter().filter_map(|cell| if let Cell::Wrong(text) = cell { Some(text.as_str()) } else { None }).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    // The table: `+` for a method that was held to the answers, a number for what it says instead.
    let mut reasons: Vec<&str> = Vec::new();
    let (mut table, mut checked) = (String::new(), 0);
    for (row, answer) in cells.chunks(METHODS.len()).zip(&answers) {
        let _ = write!(table, "{:22}", answer.program);
        for ((method, _), cell) in METHODS.iter().zip(row) {
            let width = method.len();
            let mark = match cell {
                Cell::Refused(why) => {
                    let at = reasons.iter().position(|known| known == why).unwrap_or_else(|| {
                        reasons.push(why);
                        reasons.len() - 1
                    });
                    (at + 1).to_string()
                }
                _ => {
                    checked += 1;
                    "+".to_string()
                }
            };
            let _ = write!(table, " {mark:^width$}");
        }
        table.push('\n');
    }
    let head: String = METHODS.iter().map(|(method, _)| format!(" {method}")).collect();
    let reasons: String = reasons.iter().enumerate().map(|(k, why)| format!("{:3}  {why}\n", k + 1)).collect();
    let all: Vec<&Check> =
        cells.iter().flat_map(|cell| if let Cell::Checked(checks) = cell { &checks[..] } else { &[] }).collect();
    insta::assert_snapshot!(
        "models_by_methods",
        format!("{:22}{head}\n{table}\n{reasons}\n{checked} pairs, {} comparisons", "", all.len())
    );
    assert!(answers.len() >= 25 && METHODS.len() >= 15);

    // The power, in shares of the evidence, the standard deviation or the variance: a shift by ten standard errors cannot pass.
    let mut errors: Vec<f64> = all.iter().map(|check| check.error).collect();
    errors.sort_by(f64::total_cmp);
    let (median, most) = (errors[errors.len() / 2], errors[errors.len() * 9 / 10]);
    println!("standard errors: median {median:.4}, of nine in ten less than {most:.4}");
    assert!(median < 0.04, "{median}");
    assert!(most < 0.20, "{most}");
}

/// Runs that are long enough to tell an expected value from one moved by 1 %: model, method, length, what they tell.
const LONG: &[(&str, &str, f64, &[&str])] = &[
    ("coins", "importance", 120.0, &["the evidence", "the mean of a"]),
    ("evidence2", "rejection", 120.0, &["the evidence", "the mean of e"]),
    ("monty", "smc", 170.0, &["the evidence", "the mean of other_door_wins"]),
    ("geometric", "mh", 45.0, &["the mean of one"]),
    ("dice", "mh", 15.0, &["the mean of total"]),
    ("gaussian_mean", "mh", 15.0, &["the mean of mu"]),
];

#[test]
fn long_runs_refuse_an_answer_moved_by_one_percent() {
    let answers = answers();
    let wrong: Vec<String> = LONG
        .par_iter()
        .flat_map(|(program, method, length, able)| {
            let answer = answers.iter().find(|answer| answer.program == *program).expect("the program has an answer");
            let checks = checks(answer, method, 1, *length).expect("the method can do the model");
            let said = |check: &Check| {
                let able = able.iter().any(|what| check.what.ends_with(what));
                // Twice the distance at which an estimate is wrong away, none can pass for both values.
                match check.power > 8.0 {
                    _ if check.z.is_nan() || check.z.abs() > 4.0 => {
                        Some(format!("{} is off by {:.1} standard errors", check.what, check.z))
                    }
                    true if check.z_moved.abs() <= 4.0 => Some(format!("{} does not see a move of 1 %", check.what)),
                    false if able => {
                        Some(format!("{} cannot see 1 %: it is {:.1} standard errors", check.what, check.power))
                    }
                    _ => None,
                }
            };
            checks.iter().filter_map(said).collect::<Vec<String>>()
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// In how many of 100 runs the log evidence of a filter is within a tenth of the answer.
fn within_a_tenth(program: &str, particles: usize) -> usize {
    let answers = answers();
    let answer = answers.iter().find(|answer| answer.program == program).expect("the program has an answer");
    let expected = answer.log_evidence.expect("its evidence is known");
    let path = programs::root(&format!("tests/oracles/{program}.borel"));
    let mut program = programs::load(&path, 1, None).expect("the program can be loaded");
    let runs = programs::posteriors(&mut program, &format!("smc(model, particles = {particles}, delay = false)"), 100);
    let close = |run: &Arc<Posterior>| run.log_evidence.is_some_and(|found| (found - expected).abs() < 0.1);
    runs.expect("the filter runs").iter().filter(|run| close(run)).count()
}

#[test]
fn filters_of_many_particles_give_the_evidence_within_a_tenth() {
    for program in ["hmm16", "kalman"] {
        let found = within_a_tenth(program, 10_000);
        assert!(found >= 95, "{program}: {found} of 100");
        // Fewer particles are told from many.
        let found = within_a_tenth(program, 100);
        assert!(found < 95, "{program}: {found} of 100 with a hundredth of the particles");
    }
}
