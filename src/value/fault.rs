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

    /// Fills in the place unless a smaller one is already known.
    pub fn at(mut self, span: Span) -> Fault {
        if self.span == Span::NONE {
            self.span = span;
        }
        self
    }
}
