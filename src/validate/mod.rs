//! Whether inference means what it should: a method or kernel on a model, checked as deeply as the model allows.
//!
//! Levels: contracts are composed; the code that ships is run under every outcome of its random decisions, on the program itself or on one
//! whose continuous choices are replaced by some of their quantiles; draws are compared with what is known. Validity is stated on
//! unnormalised measures, because self-normalised estimates are biased.

pub mod calibration;
mod contracts;
mod exact;
pub mod measure;
pub mod report;
pub mod statistics;
mod subject;

use crate::driver::{Failure, File, ModelInfo, Session};
use calibration::{Calibration, Effort};
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
    let calibration = calibration::calibrate(session, file, &task.info, (&task.subject, &task.model), request.effort)?;
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
    let contracts = contracts::check(&subject.parts(session));
    if !report.add(Level::Static, &subject.text, "contracts compose", contracts) {
        return Ok(report);
    }
    let view = session.recorded_model(&info)?;
    match measure::of_model(&view, &request.budget) {
        Ok(expected) => {
            exact::method(session, &mut report, Level::Exact, (&subject, &model), &expected, &request.budget)?;
        }
        Err(fault) => {
            let why = exact::beyond(fault)?;
            report.add(Level::Exact, &info.name, exact::KEEPS, Verdict::Skipped(why));
        }
    }
    Ok(report)
}
