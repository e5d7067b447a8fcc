//! Whether inference means what it should: a method or kernel on a model, checked as deeply as the model allows.
//!
//! Levels: contracts are composed; the code that ships is run under every outcome of its random decisions, on the program itself or on one
//! whose continuous choices are replaced by some of their quantiles; draws are compared with what is known. Validity is stated on
//! unnormalised measures, because self-normalised estimates are biased.

pub mod calibration;
mod chain;
mod contracts;
mod discretise;
mod exact;
mod joint;
mod kernel;
pub mod measure;
mod production;
pub mod report;
pub mod statistics;
mod subject;

use crate::driver::{Failure, File, ModelInfo, Session};
use calibration::{Calibration, Effort};
use kernel::Applied;
use measure::Budget;
pub use report::{Level, Report, Verdict};
use serde_json::{Value, json};
use subject::Subject;

/// What is to be validated.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The model, where the file has several.
    pub model: Option<String>,
    /// The method or kernel as an expression; none for the method that `infer` takes.
    pub with: Option<String>,
    pub budget: Budget,
    pub effort: Effort,
}

/// A model and the method that is applied to it.
struct Task {
    info: ModelInfo,
    /// The model as an expression.
    model: String,
    subject: Subject,
}

impl Task {
    fn new(session: &mut Session, file: &File, request: &Request) -> Result<Task, Failure> {
        if session.models(file).is_empty() {
            return Err(Failure::Usage(format!(
                "{} has no model, and inference is validated on one; write it as `model m {{ … }}`",
                file.name
            )));
        }
        let info = session.pick_model(file, request.model.as_deref())?;
        let model = if info.parameters == 0 { info.name.clone() } else { format!("() => {}()", info.name) };
        let with = match &request.with {
            Some(text) => text.clone(),
            None => session.chosen_method(&info)?,
        };
        let subject = Subject::parse(session, &with)?;
        Ok(Task { info, model, subject })
    }
}

/// A calibration, and of what.
#[derive(Clone, Debug)]
pub struct Calibrated {
    pub model: String,
    pub subject: String,
    pub calibration: Calibration,
}

/// Calibrates a method on a model of a file: the method of the request, or that which `infer` takes.
///
/// # Errors
/// As [`validate`], and when data cannot be simulated from the model.
pub fn sbc(session: &mut Session, file: &File, request: &Request) -> Result<Calibrated, Failure> {
    let task = Task::new(session, file, request)?;
    let subject = if task.subject.is_kernel { task.subject.chained() } else { task.subject.clone() };
    let calibration = calibration::calibrate(session, file, &task.info, (&subject, &task.model), request.effort)?;
    Ok(Calibrated { model: task.info.name, subject: task.subject.text, calibration })
}

impl Calibrated {
    /// As a person reads it.
    pub fn text(&self) -> String {
        let found = &self.calibration;
        let mut out = format!("{} · {} ({} data sets)\n\n", self.model, self.subject, found.runs);
        let width = found.quantities.iter().map(|ranks| ranks.name.chars().count()).max().unwrap_or(0);
        for ranks in &found.quantities {
            out.push_str(&format!("  {:width$}  {}  p {:.2e}\n", ranks.name, ranks.bars(), ranks.p_value()));
        }
        if let Some(why) = &found.without_likelihood {
            out.push_str(&format!("\nthe log likelihood is not ranked: {why}\n"));
        }
        out.push_str(match (found.worst(), found.failed) {
            (None, _) => "\nthe model returns no numbers to rank\n",
            (_, true) => "\nFAILED: in two rounds the ranks are not uniform\n",
            (_, false) => "\npassed: the ranks of the truth among the draws are uniform\n",
        });
        out
    }

    /// As one JSON object.
    pub fn json(&self) -> Value {
        let found = &self.calibration;
        let quantities: serde_json::Map<String, Value> = found
            .quantities
            .iter()
            .map(|ranks| (ranks.name.clone(), json!({"p": ranks.p_value(), "ranks": ranks.ranks})))
            .collect();
        json!({
            "model": self.model,
            "with": self.subject,
            "runs": found.runs,
            "rounds": found.rounds,
            "refused": found.refused,
            "passed": !found.failed,
            "log_likelihood": found.without_likelihood.is_none(),
            "quantities": quantities,
        })
    }
}

/// Validates inference of a model of a file, whose data are bound and whose constants are evaluated.
///
/// # Errors
/// When the file has no such model, the method is none, or the program itself goes wrong.
pub fn validate(session: &mut Session, file: &File, request: &Request) -> Result<Report, Failure> {
    let Task { info, model, subject } = Task::new(session, file, request)?;
    let mut report = Report {
        model: info.name.clone(),
        subject: subject.text.clone(),
        chosen: request.with.is_none(),
        ..Report::default()
    };
    if !report.add(Level::Static, &subject.text, "contracts compose", contracts::check(&subject.parts(session))) {
        return Ok(report);
    }
    let expected = match measure::of_model(&session.recorded_model(&info)?, &request.budget) {
        Ok(expected) => Some(expected),
        Err(fault) => {
            let why = exact::beyond(fault)?;
            report.add(Level::Exact, &info.name, exact::KEEPS, Verdict::Skipped(why));
            None
        }
    };
    if subject.is_kernel {
        let seen = session.kernel_on(&subject.text, &model)?;
        let applied = Applied { model: seen.model, closure: seen.closure, kernel: seen.kernel };
        if let Some(expected) = &expected {
            kernel::check(&mut report, Level::Exact, &applied, &subject.text, &request.budget)?;
            if report.failure().is_none() {
                let chained = subject.chained();
                production::follows(session, &mut report, (&chained, &model), expected, request.effort.seed)?;
            }
        }
        if expected.is_none() {
            discretised(session, file, (&info, &model), (&subject, false), &mut report, request)?;
        }
        if report.failure().is_none() && report.reached() < Some(Level::Exact) {
            let call = session.prepared_kernel(&subject.text, &model)?;
            let kernel = |session: &mut Session| session.run_kernel(call).map(Some);
            joint::check(session, &mut report, (file, &info), (&subject.text, &kernel), request.effort.seed)?;
        }
        return Ok(report);
    }
    let ran = session.try_method(&subject.call(&model, &TRIAL))?;
    let gives_evidence = calibration::as_posterior(&ran.value)?.log_evidence.is_some();
    if let Some(expected) = &expected {
        let contract = session.part(subject.name()).and_then(|part| part.contract);
        // `rejection` tries until it has what it needs: that has no end under every outcome.
        if gives_evidence && (contract.is_some() || !subject.is_library(session)) {
            exact::method(session, &mut report, Level::Exact, (&subject, &model), expected, &request.budget)?;
        } else if !gives_evidence {
            chain::check(session, &mut report, Level::Exact, (&subject, &model), (&ran, expected), &request.budget)?;
        }
        if report.failure().is_none() {
            let seed = request.effort.seed;
            if gives_evidence && subject.gives_exact(session) {
                // The same code answers, whatever the seed.
            } else if gives_evidence {
                let call = subject.call(&model, &SMALL);
                production::unbiased(session, &mut report, (&call, &subject.text), expected, seed)?;
            } else {
                production::follows(session, &mut report, (&subject, &model), expected, seed)?;
            }
        }
    } else {
        discretised(session, file, (&info, &model), (&subject, gives_evidence), &mut report, request)?;
        if report.failure().is_none() && !ran.chains.is_empty() {
            let name = ran.chains[0].kernel.to_string();
            let call = session.prepared_expression(&subject.call(&model, &TRIAL))?;
            let kernel = |session: &mut Session| Ok(session.run_method(call)?.chains.into_iter().next());
            joint::check(session, &mut report, (file, &info), (&name, &kernel), request.effort.seed)?;
        }
        if report.failure().is_none() {
            calibration(session, file, &info, (&subject, &model), &mut report, request)?;
        }
    }
    Ok(report)
}

/// The exact level on the model with its continuous choices replaced: with three values each, or two where that is too much.
fn discretised(
    session: &mut Session,
    file: &File,
    (info, model): (&ModelInfo, &str),
    (subject, gives_evidence): (&Subject, bool),
    report: &mut Report,
    request: &Request,
) -> Result<(), Failure> {
    for points in [3, 2] {
        let Some(text) = discretise::rewritten(session, file, info, points)? else { return Ok(()) };
        let why = match session.rewritten(file, &text) {
            Err(Failure::Diagnostics(found)) => found.first().map_or_else(String::new, |first| first.message.clone()),
            Err(failure) => return Err(failure),
            Ok((mut other, changed)) => {
                let chosen = other.pick_model(&changed, Some(&info.name))?;
                match measure::of_model(&other.recorded_model(&chosen)?, &request.budget) {
                    Err(fault) => exact::beyond(fault)?,
                    Ok(expected) => {
                        let made = finite(&mut other, (subject, model), gives_evidence, (&expected, report), request)?;
                        if made {
                            return Ok(());
                        }
                        continue;
                    }
                }
            }
        };
        if points == 2 {
            report.add(Level::Discretised, &info.name, exact::KEEPS, Verdict::Skipped(why));
        }
    }
    Ok(())
}

/// The checks of the exact level on a discretised model.
fn finite(
    session: &mut Session,
    (subject, model): (&Subject, &str),
    gives_evidence: bool,
    (expected, report): (&measure::Measure, &mut Report),
    request: &Request,
) -> Result<bool, Failure> {
    if subject.is_kernel {
        let seen = session.kernel_on(&subject.text, model)?;
        let applied = Applied { model: seen.model, closure: seen.closure, kernel: seen.kernel };
        return kernel::check(report, Level::Discretised, &applied, &subject.text, &request.budget);
    }
    if gives_evidence {
        return exact::method(session, report, Level::Discretised, (subject, model), expected, &request.budget);
    }
    // A method for continuous choices only has nothing to do here.
    let Ok(ran) = session.try_method(&subject.call(model, &TRIAL)) else { return Ok(false) };
    chain::check(session, report, Level::Discretised, (subject, model), (&ran, expected), &request.budget)
}

/// Options of a method that is only asked what it gives.
const TRIAL: [(&str, &str); 4] = [("chains", "1"), ("draws", "2"), ("warmup", "1"), ("particles", "2")];
/// Options under which a method is run many times.
const SMALL: [(&str, &str); 2] = [("particles", "5"), ("draws", "5")];

/// The statistical level of a model whose answer is not known.
fn calibration(
    session: &mut Session,
    file: &File,
    info: &ModelInfo,
    (subject, model): (&Subject, &str),
    report: &mut Report,
    request: &Request,
) -> Result<(), Failure> {
    let verdict = match calibration::calibrate(session, file, info, (subject, model), request.effort) {
        Ok(found) => found.verdict(),
        Err(Failure::Fault(fault)) => Verdict::Skipped(exact::beyond(*fault)?),
        Err(Failure::Diagnostics(found)) => {
            Verdict::Skipped(found.first().map_or_else(String::new, |first| first.message.clone()))
        }
        Err(Failure::Usage(text)) => Verdict::Skipped(text),
        Err(failure) => return Err(failure),
    };
    report.add(Level::Statistical, &subject.text, "ranks of simulated truths are uniform", verdict);
    Ok(())
}
