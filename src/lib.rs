//! Borel: a probabilistic programming language.

pub mod core;
pub mod passes;
pub mod source;
pub mod syntax;
pub mod types;
pub mod value;
