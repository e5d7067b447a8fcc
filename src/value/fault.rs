//! What stops a run.

use crate::source::Span;

/// A run-time error: the program did something that has no meaning, or met a limit.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    pub message: String,
    /// The smallest place that did it; [`Span::NONE`] until the machine fills it in.
    pub span: Span,
    pub hints: Vec<String>,
    /// The calls that led there, innermost first.
    pub trace: Vec<(crate::source::Name, Span)>,
    pub kind: FaultKind,
}

/// Kinds of fault that inference treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The program is wrong: the run ends with an error.
    Error,
    /// A parameter outside its domain: an error in a plain run; during inference the weight becomes zero and it is counted.
    Domain,
    /// A limit of depth, steps or size was met.
    Limit,
    /// The user interrupted.
    Interrupted,
    /// A mistake of ours.
    Internal,
}

impl Fault {
    /// A fault of the program.
    pub fn error(message: impl Into<String>) -> Fault {
        Fault {
            message: message.into(),
            span: Span::NONE,
            hints: Vec::new(),
            trace: Vec::new(),
            kind: FaultKind::Error,
        }
    }

    /// A parameter outside its domain.
    pub fn domain(message: impl Into<String>) -> Fault {
        Fault { kind: FaultKind::Domain, ..Fault::error(message) }
    }

    /// A limit that was met.
    pub fn limit(message: impl Into<String>) -> Fault {
        Fault { kind: FaultKind::Limit, ..Fault::error(message) }
    }

    /// A mistake of ours.
    pub fn internal(message: impl Into<String>) -> Fault {
        Fault { kind: FaultKind::Internal, ..Fault::error(message) }
    }

    /// Adds advice.
    pub fn hint(mut self, text: impl Into<String>) -> Fault {
        self.hints.push(text.into());
        self
    }

    /// The distribution and the parameter of it that lies outside its domain.
    pub fn parameter(&self) -> Option<(&str, &str)> {
        if self.kind == FaultKind::Domain { parameter_of(&self.message) } else { None }
    }

    /// Fills in the place unless a smaller one is already known.
    pub fn at(mut self, span: Span) -> Fault {
        if self.span == Span::NONE {
            self.span = span;
        }
        self
    }
}

/// Arrays and matrices of more elements (one gibibyte of numbers) are refused, lest a slip end the process.
const LONGEST: i64 = 1 << 27;

/// The length of an array about to be made; nothing where it is negative.
///
/// # Errors
/// When memory should not be spent on so many elements.
pub fn check_length(n: i64) -> Result<usize, Fault> {
    if n > LONGEST {
        let fault = Fault::limit(format!("an array of {n} elements is too long: the limit is {LONGEST}"));
        return Err(fault.hint("is a length or a range computed wrongly?"));
    }
    Ok(n.max(0) as usize)
}

/// What is said of a parameter outside its domain, as in "the parameter `sigma` of Normal must be positive".
pub fn parameter_message(distribution: &str, parameter: &str, must: &str) -> String {
    format!("the parameter `{parameter}` of {distribution} {must}")
}

/// The distribution and the parameter that a [`parameter_message`] names.
fn parameter_of(message: &str) -> Option<(&str, &str)> {
    let (parameter, rest) = message.strip_prefix("the parameter `")?.split_once("` of ")?;
    Some((rest.split_once(' ')?.0, parameter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_its_parameter() {
        let fault = Fault::domain(parameter_message("Normal", "sigma", "must be positive") + ", found -1.0");
        assert_eq!(fault.parameter(), Some(("Normal", "sigma")));
        assert_eq!(Fault::domain("logdet with a singular matrix").parameter(), None);
        assert_eq!(Fault::error("the parameter `a` of B is odd").parameter(), None);
    }
}
