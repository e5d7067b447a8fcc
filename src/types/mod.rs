//! Names, types and effects: from syntax to typed bodies.

mod annotate;
mod checker;
mod constraint;
mod depend;
mod domain;
mod effect;
mod env;
mod error;
mod exhaustive;
mod infer;
mod library;
mod scheme;
mod show;
mod show_constraint;
mod solve;
mod suggest;
mod table;
pub mod typed;
mod unify;

pub use checker::{Checker, DistParam, FileScope};
pub use library::Library;
