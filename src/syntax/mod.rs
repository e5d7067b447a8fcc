//! Text to syntax and back.

pub mod ast;
pub mod dump;
mod layout;
pub mod parser;
