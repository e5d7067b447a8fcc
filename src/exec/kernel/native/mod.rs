//! Machine code in the place of loops that carry numbers and of small instructions, the same bits.
//!
//! What the executor would spend on finding out what to do next is more than the work itself where arrays are small and where each step
//! of a loop needs the one before. Such instructions are made into tapes of operations on numbers (`tape.rs`), a run of neighbours into one,
//! and these into machine code. Everything else stays with the executor, and so does everything where there is no machine code: without
//! the feature `codegen`, on other processors, and for code that is run a few times only.

use super::code::{Code, Instr};

#[cfg(feature = "codegen")]
mod call;
#[cfg(feature = "codegen")]
mod emit;
#[cfg(feature = "codegen")]
mod maths;
#[cfg(feature = "codegen")]
mod select;
#[cfg(feature = "codegen")]
mod tape;

/// Runs by the executor alone before machine code is made, which costs milliseconds: for code with a loop that carries numbers, of
/// which it saves most of the time, and for other code, of which it saves less than a microsecond a run.
pub const RUNS_BEFORE: (u32, u32) = (50, 1_000);

/// How many runs of some code machine code waits for.
pub fn runs_before(code: &Code) -> u32 {
    let carries = code.instrs.iter().any(|instr| matches!(instr, Instr::Scan(_)));
    if carries { RUNS_BEFORE.0 } else { RUNS_BEFORE.1 }
}

#[cfg(feature = "codegen")]
pub use select::{Native, make};

#[cfg(not(feature = "codegen"))]
pub use without::{Native, make};

#[cfg(not(feature = "codegen"))]
mod without {
    use super::super::code::Code;

    /// Machine code, of which there is none.
    #[derive(Debug)]
    pub enum Native {}

    /// Makes no machine code.
    pub fn make(_: &Code) -> Option<Native> {
        None
    }

    impl Native {
        /// Nothing runs.
        pub fn run(&self, _: usize, _: &mut [f64]) -> usize {
            match *self {}
        }
    }
}
