//! The register machine: runs everything the language has, pauses where the program draws or weighs, and can be copied while paused.

pub mod address;
pub mod choice;
pub mod code;
pub mod compile;
pub mod frame;
pub mod general;
pub mod lanes;
pub mod lift;
pub mod link;
pub mod liveness;
pub mod ops;
pub mod run;
pub mod scalar;
pub mod sequence;
pub mod state;

pub use code::Code;
pub use frame::{Event, Limits, Machine};
