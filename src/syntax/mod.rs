//! Text to syntax and back.

pub mod ast;
pub mod dump;
pub mod format;
mod layout;
pub mod parser;
