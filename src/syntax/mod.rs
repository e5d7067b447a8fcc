//! Text to syntax and back.

pub mod ast;
