//! Drawing diagnostics with their source lines.

use super::{Diagnostic, SourceMap};

/// See [`Diagnostic::render`].
pub(crate) fn diagnostic_render(diagnostic: &Diagnostic, _sources: &SourceMap, _colour: bool) -> String {
    diagnostic.message.clone()
}
