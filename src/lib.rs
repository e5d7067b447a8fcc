//! Borel: a probabilistic programming language.

pub mod data;
pub mod posterior;
pub mod source;
pub mod syntax;
pub mod value;
