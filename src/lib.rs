//! Borel: a probabilistic programming language.

pub mod prim;
pub mod source;
pub mod syntax;
pub mod value;
