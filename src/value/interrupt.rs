//! The wish of the user that running programs stop.
//!
//! The machine looks at it every few thousand steps, inference methods between runs: a run may be shorter than that.

use super::Fault;
use super::fault::FaultKind;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Asks every running program to stop; tells whether it had been asked before.
pub fn interrupt() -> bool {
    INTERRUPTED.swap(true, Ordering::Relaxed)
}

/// Forgets an interrupt, before the next program starts.
pub fn clear_interrupt() {
    INTERRUPTED.store(false, Ordering::Relaxed);
}

/// Whether running programs are to stop.
#[inline]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// The fault of what stops without a result.
///
/// # Errors
/// When running programs are to stop.
pub fn stop_if_interrupted() -> Result<(), Fault> {
    if interrupted() { Err(Fault { kind: FaultKind::Interrupted, ..Fault::error("interrupted") }) } else { Ok(()) }
}
