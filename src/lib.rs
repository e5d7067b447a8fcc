//! Borel: a probabilistic programming language.

#[macro_use]
pub mod mutant;

pub mod cli;
pub mod core;
pub mod data;
pub mod driver;
pub mod exec;
pub mod infer;
pub mod lower;
pub mod model;
pub mod passes;
pub mod posterior;
pub mod prim;
#[cfg(feature = "repl")]
pub mod repl;
pub mod source;
pub mod syntax;
pub mod types;
pub mod validate;
pub mod value;
