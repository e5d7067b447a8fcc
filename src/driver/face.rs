//! What the command line and the REPL ask beside running: formatting, static checks, the methods and the interrupt.

use super::{Failure, File, Session, methods, prepare};
use crate::source::{Diagnostic, Severity, SourceMap, Span};
use crate::syntax::ast::{Ast, ItemKind};
use crate::syntax::{format, parser};
use crate::value::fault::FaultKind;

/// The words of the language that cannot be names.
pub const KEYWORDS: [&str; 19] = parser::KEYWORDS;

pub use crate::value::interrupt::{clear_interrupt, interrupt};

/// The names of the inference methods.
pub fn method_names() -> Vec<&'static str> {
    methods::methods().iter().map(|method| method.name).collect()
}

/// Whether a text wants another line: a bracket is open, or it ends in an operator.
pub fn is_incomplete(text: &str) -> bool {
    parser::is_incomplete(text)
}

/// The formatted text of a file.
///
/// # Errors
/// The rendered errors of a text that does not parse.
pub fn format_text(path: &str, text: &str, colour: bool) -> Result<String, String> {
    let mut sources = SourceMap::default();
    let mut ast = Ast::default();
    let file = sources.add(path, text);
    let (module, found) = parser::parse(&mut ast, file, text);
    if found.iter().any(|d| d.severity == Severity::Error) {
        return Err(found.iter().map(|d| d.render(&sources, colour)).collect::<Vec<_>>().join("\n"));
    }
    Ok(format::format(&ast, &module, text))
}

impl Failure {
    /// Whether the user asked to stop.
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Failure::Fault(fault) if fault.kind == FaultKind::Interrupted)
    }

    /// Whether the mistake is one of this program, not of the user.
    pub fn is_internal(&self) -> bool {
        matches!(self, Failure::Fault(fault) if fault.kind == FaultKind::Internal)
    }
}

impl Session {
    /// The errors and warnings that compiling the models of a file finds, beyond what [`Session::load`] found.
    /// Models that take arguments are checked where they are called.
    pub fn check_models(&mut self, file: &File) -> Vec<Diagnostic> {
        let mut found: Vec<Diagnostic> = Vec::new();
        for info in self.models(file).into_iter().filter(|info| info.arguments == 0) {
            let diagnostics = match self.program_of(&info) {
                Ok(mut program) => prepare::improve(&mut program),
                Err(Failure::Diagnostics(diagnostics)) => diagnostics,
                Err(Failure::Fault(fault)) => vec![self.fault_diagnostic(&fault)],
                Err(Failure::Usage(text)) => vec![Diagnostic::error(Span::NONE, text)],
                Err(Failure::Data(_)) => Vec::new(),
            };
            for diagnostic in diagnostics {
                if !found.contains(&diagnostic) && !file.warnings.contains(&diagnostic) {
                    found.push(diagnostic);
                }
            }
        }
        found
    }

    /// Whether a file has tests or examples to run.
    pub fn has_tests(&self, file: &File) -> bool {
        file.module.items.iter().any(|item| {
            let node = self.checker.ast.item(*item);
            matches!(node.kind, ItemKind::Test { .. }) || node.doc.iter().any(|doc| !doc.examples.is_empty())
        })
    }
}
