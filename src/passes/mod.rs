//! Transformations of Core: each a function from programs to programs, in a file of its own, listed once in [`PASSES`].

mod address;
mod calls;
mod dead;
pub mod delay;
pub mod effect;
mod fold;
mod forward_only;
mod hoist;
mod prune;
mod rewrite;
mod score;
mod share;
mod simplify;
pub mod simulate;
mod specialise;
pub mod values;
pub mod walk;

use crate::core::check::check;
use crate::core::ir::{Op, PrimRef, Program};
use crate::source::Diagnostic;
use crate::value::Value;

/// What a pass keeps of the measure that a program denotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Contract {
    /// The unnormalised measure is the same.
    Preserves,
    /// Estimates of the evidence stay unbiased.
    Unbiased,
    /// Kernels keep the posterior invariant.
    Invariant,
    Biased,
}

/// A pass, as `borel explain --pass NAME` knows it.
#[derive(Clone, Copy)]
pub struct Pass {
    pub name: &'static str,
    pub contract: Contract,
    pub doc: &'static str,
    pub run: fn(&mut Program, &Context) -> Vec<Diagnostic>,
}

/// What passes must be told of the primitives, whose table they do not see.
#[derive(Clone, Copy)]
pub struct Context {
    /// The value of a primitive at known arguments, computed as the machine would; none where it faults, draws or is too dear.
    pub prim: fn(PrimRef, &[Value]) -> Option<Value>,
    /// The same for the operations whose rounding the machine decides: `PowR`, `RemR`, `MatMul`.
    pub op: fn(Op, &[Value]) -> Option<Value>,
    /// What calling a primitive may do.
    pub effect: fn(PrimRef) -> PrimEffect,
    /// The primitive of a signature.
    pub named: fn(&str) -> Option<PrimRef>,
}

impl Default for Context {
    /// Knows nothing of any primitive, and leaves all as they are.
    fn default() -> Context {
        Context { prim: |_, _| None, op: |_, _| None, effect: |_| PrimEffect::Acts, named: |_| None }
    }
}

/// What calling a primitive may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PrimEffect {
    /// Gives its only argument.
    Same,
    /// Gives a value for all arguments.
    Total,
    /// Gives a value or a fault.
    Faults,
    /// Draws or shows something.
    Acts,
}

/// The passes in the order in which they run.
pub const PASSES: &[Pass] = &[
    Pass {
        name: "specialise",
        contract: Contract::Preserves,
        doc: "computes what follows from the data alone, and drops branches that cannot be taken",
        run: specialise::run,
    },
    Pass {
        name: "simplify",
        contract: Contract::Preserves,
        doc: "inlines deterministic functions, resolves known closures, records and distributions, moves work out of loops, \
              shares what is computed twice and drops what nothing uses",
        run: simplify::run,
    },
    Pass {
        name: "prune",
        contract: Contract::Preserves,
        doc: "drops the functions, distributions and sites that the entry cannot reach",
        run: prune::run,
    },
    Pass {
        name: "address",
        contract: Contract::Preserves,
        doc: "names each choice by the indices of the loops around it, and reports names used twice",
        run: address::run,
    },
    Pass {
        name: "forward_only",
        contract: Contract::Preserves,
        doc: "marks the choices on which no weight depends",
        run: forward_only::run,
    },
    Pass {
        name: "delay",
        contract: Contract::Preserves,
        doc: "integrates choices out of what is observed of them where they are conjugate, and draws them where they are needed; \
              in the programs that particle filters and importance sampling run",
        run: delay::run,
    },
    Pass {
        name: "score",
        contract: Contract::Preserves,
        doc: "turns observations of known distributions into factors of their log density, and computes what is constant in it once",
        run: score::run,
    },
];

/// Runs all passes in order. With `checked`, the program is checked after each, and the first mistake found is
/// reported as an internal error. The program is to be used only if no diagnostic is an error.
pub fn run_all(program: &mut Program, context: &Context, checked: bool) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for pass in PASSES {
        diagnostics.extend((pass.run)(program, context));
        if checked && let Some(message) = check(program).into_iter().next() {
            let text = format!("internal error: after the pass {}: {message}", pass.name);
            diagnostics.push(Diagnostic::error(crate::source::Span::NONE, text));
            return diagnostics;
        }
    }
    diagnostics
}
