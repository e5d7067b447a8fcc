//! Borel: a probabilistic programming language.

pub mod source;
pub mod syntax;
pub mod value;
