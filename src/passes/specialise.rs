//! Computes what follows from known globals and constants, and drops the branches that cannot be taken.
//!
//! Scalars and short arrays become constants; longer results become globals, so that the machine reads them without copying.

use super::{Context, rewrite};
use crate::core::ir::{FuncId, Program};
use crate::source::Diagnostic;
use std::sync::Arc;

/// Runs the pass; it has nothing to complain of.
pub fn run(program: &mut Program, context: &Context) -> Vec<Diagnostic> {
    for id in 0..program.funcs.len() {
        let (function, globals) = rewrite::function(program, context, FuncId(id as u32), None);
        program.funcs[id] = Arc::new(function);
        program.globals.extend(globals);
    }
    Vec::new()
}
