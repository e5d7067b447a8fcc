//! The intermediate representation: typed, in administrative normal form.

pub mod check;
pub mod ir;
pub mod parse;
pub mod print;
pub mod ty;

pub use check::check;
pub use parse::{CoreParseError, parse};
pub use print::{print, print_function};
pub use ty::{Type, TypeKind};
