//! Chain methods on finite programs: their kernels, and the step functions of which they are composed.
//!
//! A chain gives no evidence, so it is not compared as a whole. What it repeats must leave the posterior as it is.

use super::exact::beyond;
use super::kernel::{self, Applied, Flow, INVARIANT, REACHES};
use super::measure::{Budget, Measure, by_paths, of_model};
use super::report::{Level, Report, Verdict};
use super::subject::Subject;
use crate::driver::subject::{Part, Ran};
use crate::driver::{Failure, Session};
use crate::posterior::label::label;
use crate::value::Value;
use crate::value::hash::Key;
use std::collections::HashMap;

/// Checks what a chain method repeats. Tells whether a check could be made.
pub fn check(
    session: &mut Session,
    report: &mut Report,
    level: Level,
    (subject, model): (&Subject, &str),
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
    for part in subject.parts(session) {
        for (call, program) in steps(&part, model, &subject.named()) {
            let flow = match taken(session, &program, expected, budget)? {
                Ok(flow) => flow,
                Err(why) => {
                    report.add(level, call, INVARIANT, Verdict::Skipped(why));
                    break;
                }
            };
            made = true;
            let checks = [(INVARIANT, flow.invariance(["model", "after a step"])), (REACHES, flow.reachability())];
            for (claim, verdict) in checks {
                if !report.add(level, call.clone(), claim, verdict) {
                    report.at_fault = Some(part.name.clone());
                    return Ok(true);
                }
            }
        }
    }
    Ok(made)
}

/// Where a step leads, by the values of the states before and after it, which the program gives as a pair. What it weighs is needed up to a
/// constant only.
fn taken(
    session: &mut Session,
    program: &str,
    expected: &Measure,
    budget: &Budget,
) -> Result<Result<Flow, String>, Failure> {
    let model = session.model_of(program)?;
    let found = match by_paths(&model, budget) {
        Ok(found) => found.normalised(),
        Err(fault) => return beyond(fault).map(Err),
    };
    let expected = expected.normalised();
    let support = expected.support();
    let mut places: HashMap<Key, usize> =
        support.iter().enumerate().map(|(k, (value, _))| (Key(value.clone()), k)).collect();
    let mut flow = Flow {
        names: support.iter().map(|(value, _)| label(value)).collect(),
        target: support.iter().map(|(_, mass)| *mass).collect(),
        ..Flow::default()
    };
    let mut masses: Vec<HashMap<usize, f64>> = vec![HashMap::new(); support.len()];
    for (pair, mass) in found.support() {
        let Value::Tuple(pair) = &pair else { continue };
        let [from, to] = pair.0.as_slice() else { continue };
        let mut place = |value: &Value| {
            *places.entry(Key(value.clone())).or_insert_with(|| {
                flow.names.push(label(value));
                flow.target.push(0.0);
                masses.push(HashMap::new());
                masses.len() - 1
            })
        };
        let (from, to) = (place(from), place(to));
        *masses[from].entry(to).or_default() += mass;
    }
    // The masses of the pairs are those of the states before the step times the probabilities of the step.
    for (from, row) in masses.into_iter().enumerate() {
        let total: f64 = row.values().sum();
        if (total - flow.target[from]).abs() > 1e-11 {
            flow.wrong.get_or_insert_with(|| {
                format!(
                    "the state that the step is given has {} with probability {total:.6}, not {:.6}",
                    flow.names[from], flow.target[from]
                )
            });
        }
        let mut row: Vec<(usize, f64)> = row.into_iter().map(|(to, mass)| (to, mass / total)).collect();
        row.sort_unstable_by_key(|(to, _)| *to);
        flow.moves.push(row);
    }
    Ok(Ok(flow))
}

/// The programs that take one step of a function from a state that follows the posterior, by what the state is: with few particles, with each
/// setting of its switches, and else with the arguments of these names.
fn steps(part: &Part, model: &str, named: &[(String, String)]) -> Vec<(String, String)> {
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
    // Each list of arguments, those after a default given by name, and what is shown of it.
    let mut calls: Vec<(Vec<String>, Vec<String>)> = vec![Default::default()];
    for (kind, parameter) in kinds.iter().zip(&part.parameters) {
        let name = &parameter.name;
        let given = named.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let (shown, settings) = match *kind {
            kind if kind == state => (false, vec!["state".to_string()]),
            "() ~> a" => (false, vec![model.to_string()]),
            "Int" if name == "particles" => (true, vec!["2".into(), "3".into()]),
            _ if given.is_some() => (true, given.into_iter().collect()),
            "Bool" => (true, vec!["false".into(), "true".into()]),
            _ if parameter.default.is_some() => continue,
            _ => return Vec::new(),
        };
        let with = |call: &(Vec<String>, Vec<String>), value: &String| {
            let (mut arguments, mut words) = call.clone();
            arguments.push(format!("{name} = {value}"));
            words.extend(shown.then(|| format!("{name} = {value}")));
            (arguments, words)
        };
        calls =
            settings.iter().flat_map(|value| calls.iter().map(|call| with(call, value)).collect::<Vec<_>>()).collect();
    }
    let name = &part.name;
    let program = |(arguments, words): (Vec<String>, Vec<String>)| {
        // A state that holds particles has as many as the step makes.
        let particles = arguments.iter().find_map(|argument| argument.strip_prefix("particles = ")).unwrap_or("2");
        let (begin, [before, after]) = match state {
            "Run<a>" => (
                format!("let p = advance_to_end(spawn({model}, 1))\n  factor(log_evidence(p))\n  let state = pick(p)"),
                ["value_of(state)", "value_of(next)"],
            ),
            "Posterior<a>" => (
                format!("let state = smc({model}, {particles})\n  factor(log_evidence(state))"),
                ["sample(state)", "sample(next)"],
            ),
            _ => (
                format!("let state = trace({model})\n  factor(log_likelihood(state))"),
                ["value_of(state)", "value_of(next)"],
            ),
        };
        let call = format!("{name}({})", arguments.join(", "));
        let shown = if words.is_empty() { name.clone() } else { format!("{name}({})", words.join(", ")) };
        (shown, format!("() => {{\n  {begin}\n  let next = {call}\n  ({before}, {after})\n}}"))
    };
    calls.into_iter().map(program).collect()
}

/// Parameters, split at the commas outside brackets.
pub fn split(text: &str) -> Vec<&str> {
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
