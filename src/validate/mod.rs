//! Whether inference means what it should: a method or kernel on a model, checked as deeply as the model allows.
//!
//! Levels: contracts are composed; the code that ships is run under every outcome of its random decisions, on the program itself or on one
//! whose continuous choices are replaced by some of their quantiles; draws are compared with what is known. Validity is stated on
//! unnormalised measures, because self-normalised estimates are biased.

mod contracts;
mod exact;
pub mod measure;
pub mod report;
mod subject;

use crate::driver::{Failure, File, Session};
use measure::Budget;
pub use report::{Level, Report, Verdict};
use subject::Subject;

/// What is to be validated.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The model, where the file has several.
    pub model: Option<String>,
    /// The method or kernel as an expression; none for the method that `infer` takes.
    pub with: Option<String>,
    pub budget: Budget,
}

/// Validates inference of a model of a file, whose data are bound and whose constants are evaluated.
///
/// # Errors
/// When the file has no such model, the method is none, or the program itself goes wrong.
pub fn validate(session: &mut Session, file: &File, request: &Request) -> Result<Report, Failure> {
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
    let mut report =
        Report { model: info.name.clone(), subject: with, chosen: request.with.is_none(), ..Report::default() };
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
