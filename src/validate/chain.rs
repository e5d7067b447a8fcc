//! Chain methods on finite programs: their kernels, and the step functions of which they are composed.
//!
//! A chain gives no evidence, so it is not compared as a whole. What it repeats must leave the posterior as it is.

use super::exact::{Compared, compare};
use super::kernel::{self, Applied, INVARIANT};
use super::measure::{Budget, Measure, by_paths, of_model};
use super::report::{Level, Report, Verdict};
use crate::driver::subject::{Part, Ran};
use crate::driver::{Failure, Session};

/// Checks what a chain method repeats. Tells whether a check could be made.
pub fn check(
    session: &mut Session,
    report: &mut Report,
    level: Level,
    (parts, model): (&[Part], &str),
    (ran, expected): (&Ran, &Measure),
    budget: &Budget,
) -> Result<bool, Failure> {
    let mut made = false;
    for seen in ran.chains.iter().take(3) {
        let applied = Applied { model: seen.model.clone(), closure: seen.closure.clone(), kernel: seen.kernel.clone() };
        let name = seen.kernel.to_string();
        // The program of the chain must be the model itself, as far as their values can be compared.
        if let Ok(target) = of_model(&seen.model, budget)
            && target.support().iter().all(|(value, _)| expected.mass(value) > 0.0)
            && !expected.normalised().agrees(&target.normalised())
        {
            let example = expected.normalised().counterexample(&target.normalised(), ["model", "chain"]);
            report.add(
                level,
                name,
                "the chain is on the model",
                Verdict::Failed("its target differs".into(), Some(example)),
            );
            return Ok(true);
        }
        made |= kernel::check(report, level, &applied, &name, budget)?;
        if report.failure().is_some() {
            return Ok(true);
        }
    }
    for part in parts {
        for (call, program, scale) in steps(part, model) {
            let verdict = if scale {
                normalised(session, &program, expected, budget)?
            } else {
                verdict(expected, compare(session, &program, expected, budget)?)
            };
            let skipped = matches!(verdict, Verdict::Skipped(_));
            made |= !skipped;
            if !report.add(level, call.clone(), INVARIANT, verdict) {
                report.at_fault = Some(part.name.clone());
                return Ok(true);
            }
            if skipped {
                break;
            }
        }
    }
    Ok(made)
}

fn verdict(expected: &Measure, compared: Compared) -> Verdict {
    match compared {
        Compared::Same { distance, .. } => Verdict::Passed(format!("greatest difference {distance:.1e}")),
        Compared::Beyond(why) => Verdict::Skipped(why),
        Compared::Differs(found) => {
            let example = expected.counterexample(&found, ["model", "after a step"]);
            let text = format!("it differs by {:.2}% of the greatest mass", 100.0 * expected.distance(&found));
            Verdict::Failed(text, Some(example))
        }
    }
}

/// As [`compare`], of normalised measures.
fn normalised(session: &mut Session, program: &str, expected: &Measure, budget: &Budget) -> Result<Verdict, Failure> {
    let model = session.model_of(program)?;
    Ok(match by_paths(&model, budget) {
        Err(fault) => Verdict::Skipped(super::exact::beyond(fault)?),
        Ok(found) => {
            let (found, expected) = (found.normalised(), expected.normalised());
            let distance = expected.distance(&found);
            let compared = match expected.agrees(&found) {
                true => Compared::Same { values: 0, distance },
                false => Compared::Differs(found),
            };
            verdict(&expected, compared)
        }
    })
}

/// The programs that take one step of a function from a state that follows the posterior, by what the state is; also whether they keep
/// the posterior only up to a constant.
fn steps(part: &Part, model: &str) -> Vec<(String, String, bool)> {
    let Some((parameters, result)) = part.signature.rsplit_once(") ") else { return Vec::new() };
    let state = result.trim_start_matches("~> ").trim_start_matches("-> ").trim();
    let parameters = split(parameters.trim_start_matches('('));
    let kinds: Vec<&str> = parameters
        .iter()
        .map(|text| text.split_once(": ").map_or("", |(_, ty)| ty.split(" = ").next().unwrap_or(ty).trim()))
        .collect();
    if !["Run<a>", "Posterior<a>", "Trace<a>"].contains(&state)
        || kinds.iter().filter(|kind| **kind == state).count() != 1
    {
        return Vec::new();
    }
    let mut programs = Vec::new();
    for particles in [2, 3] {
        let mut arguments = Vec::new();
        let mut sized = false;
        for (kind, parameter) in kinds.iter().zip(&part.parameters) {
            let argument = match *kind {
                kind if kind == state => "state".to_string(),
                "() ~> a" => model.to_string(),
                "Int" if parameter.name == "particles" => {
                    sized = true;
                    particles.to_string()
                }
                _ if parameter.default.is_some() => continue,
                _ => return Vec::new(),
            };
            // Those after a default are given by name.
            arguments.push(format!("{} = {argument}", parameter.name));
        }
        let call = format!("{}({})", part.name, arguments.join(", "));
        let (begin, end) = match state {
            "Run<a>" => (
                format!("let p = advance_to_end(spawn({model}, 1))\n  factor(log_evidence(p))\n  let state = pick(p)"),
                "value_of(next)",
            ),
            "Posterior<a>" => {
                (format!("let state = smc({model}, {particles})\n  factor(log_evidence(state))"), "sample(next)")
            }
            _ => (format!("let state = trace({model})\n  factor(log_likelihood(state))"), "value_of(next)"),
        };
        let program = format!("() => {{\n  {begin}\n  let next = {call}\n  {end}\n}}");
        let shown = if sized { format!("{}(particles = {particles})", part.name) } else { part.name.clone() };
        programs.push((shown, program, state == "Trace<a>"));
        if !sized {
            break;
        }
    }
    programs
}

/// Parameters, split at the commas outside brackets.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut parts) = (0i32, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' | '{' | '<' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '>' if !text[..at].ends_with(['~', '-']) => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    parts
}
