//! The intermediate representation: typed, in administrative normal form.

pub mod ir;
pub mod ty;

pub use ty::{Type, TypeKind};
