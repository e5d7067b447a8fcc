//! The register machine: runs everything the language has, pauses where the program draws or weighs, and can be copied while paused.

pub mod address;
pub mod choice;
pub mod code;
pub mod compile;
pub mod general;
pub mod lanes;
pub mod lift;
pub mod liveness;
pub mod run;
pub mod sequence;
pub mod state;

pub use code::Code;
pub use run::{Event, Limits, Machine};
