//! The exact level: the code that ships, run under every outcome of its random decisions.
//!
//! A method gives a posterior with an estimate of the evidence. The program that runs it, weighs itself by that estimate and draws one
//! of the draws must have the unnormalised measure of the model itself, value by value (Ścibior et al. 2018).

use super::measure::{Budget, Measure, by_paths};
use super::report::{Level, Report, Verdict};
use super::subject::Subject;
use crate::driver::subject::Part;
use crate::driver::{Failure, Session};
use crate::value::Fault;
use crate::value::fault::FaultKind;

/// What a method that gives the evidence must do.
pub const KEEPS: &str = "the measure is kept";
/// What a part of a population must do.
const PART_KEEPS: &str = "the measure is kept when it follows every step";

/// Numbers of particles, the fewest first: a fault that shows with one is easier to read, some show only with three.
const SIZES: [usize; 3] = [1, 2, 3];

/// How a comparison ended.
pub enum Compared {
    Same {
        values: usize,
        distance: f64,
    },
    Differs(Measure),
    /// The program cannot be run under every outcome, and why.
    Beyond(String),
}

/// Compares the measure of a program with one that is known.
pub fn compare(session: &mut Session, program: &str, expected: &Measure, budget: &Budget) -> Result<Compared, Failure> {
    let model = session.model_of(program)?;
    match by_paths(&model, budget) {
        Ok(found) if expected.agrees(&found) => {
            Ok(Compared::Same { values: expected.support().len(), distance: expected.distance(&found) })
        }
        Ok(found) => Ok(Compared::Differs(found)),
        Err(fault) => beyond(fault).map(Compared::Beyond),
    }
}

/// Why a program cannot be run under every outcome; or the fault itself, where that is not what it says.
pub fn beyond(fault: Fault) -> Result<String, Failure> {
    match fault.kind {
        FaultKind::Interrupted | FaultKind::Internal => Err(fault.into()),
        _ => Ok(fault.message),
    }
}

/// Checks a method with few particles, then its parts one by one if it fails. Tells whether a check could be made.
pub fn method(
    session: &mut Session,
    report: &mut Report,
    level: Level,
    (subject, model): (&Subject, &str),
    expected: &Measure,
    budget: &Budget,
) -> Result<bool, Failure> {
    let sizes: Vec<Option<usize>> =
        if subject.size.is_some() { SIZES.iter().map(|n| Some(*n)).collect() } else { vec![None] };
    let mut made = false;
    for size in sizes {
        let shown = subject.sized("m", size).replacen("(m, ", "(", 1).replacen("(m)", "", 1);
        let program = format!("() => collapse({})", subject.sized(model, size));
        match compare(session, &program, expected, budget)? {
            Compared::Same { values, distance } => {
                made = true;
                let text = format!("{}; greatest difference {distance:.1e}", counted(values, "value"));
                report.add(level, shown, KEEPS, Verdict::Passed(text));
            }
            Compared::Beyond(why) => {
                report.add(level, shown, KEEPS, Verdict::Skipped(why));
                break;
            }
            Compared::Differs(found) => {
                let example = expected.counterexample(&found, ["model", "method"]);
                let text = format!("it differs by {:.2}% of the greatest mass", 100.0 * expected.distance(&found));
                report.add(level, shown, KEEPS, Verdict::Failed(text, Some(example)));
                blame(session, report, level, (subject, model), expected, budget)?;
                return Ok(true);
            }
        }
    }
    Ok(made)
}

/// Finds the first part that fails by itself: each function from populations to populations takes the place of resampling in a
/// particle filter that else does nothing.
fn blame(
    session: &mut Session,
    report: &mut Report,
    level: Level,
    (subject, model): (&Subject, &str),
    expected: &Measure,
    budget: &Budget,
) -> Result<(), Failure> {
    for part in subject.parts(session) {
        for (call, program) in alone(&part, model) {
            if let Compared::Differs(found) = compare(session, &program, expected, budget)? {
                let example = expected.counterexample(&found, ["model", "with the part"]);
                let text = format!("it differs by {:.2}% of the greatest mass", 100.0 * expected.distance(&found));
                report.add(level, call.clone(), PART_KEEPS, Verdict::Failed(text, Some(example)));
                report.at_fault = Some(call);
                return Ok(());
            }
        }
    }
    Ok(())
}

/// The programs that test a part by itself.
fn alone(part: &Part, model: &str) -> Vec<(String, String)> {
    let population = |text: &str| text.trim_start().starts_with("Population<");
    let to = part.signature.rsplit_once("> ").map_or("", |(_, to)| to);
    let (Some((_, from)), true) = (part.signature.split_once(": "), population(to)) else { return Vec::new() };
    // `advance` is in each of the programs, and a part that needs more than a population cannot stand alone.
    if !population(from) || part.parameters[1..].iter().any(|parameter| parameter.default.is_none()) {
        return Vec::new();
    }
    let filter = |step: &str, particles: usize| {
        format!(
            "() => {{\n  var population = spawn({model}, {particles})\n  while running(population) {{ population = {step} }}\n  \
             collapse(finish(population))\n}}"
        )
    };
    if part.name == "advance" {
        return vec![("advance".into(), filter("advance(population)", 1))];
    }
    let name = &part.name;
    let mut programs = Vec::new();
    for particles in SIZES {
        programs.push((name.clone(), filter(&format!("{name}(advance(population))"), particles)));
        if name == "resample" {
            for scheme in ["stratified", "multinomial", "residual"] {
                let call = format!("resample(\"{scheme}\")");
                programs.push((call, filter(&format!("resample(advance(population), \"{scheme}\")"), particles)));
            }
        }
    }
    programs
}

/// `1 value`, `3 values`.
pub fn counted(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}
