//! Functions written in Rust, one row each: signature as text, documentation, example, derivative, implementation.
//!
//! A row is a declaration: the checker parses its signature, `:help` shows its documentation, the tests run its examples.
//! Rows of the same name are overloads. Rows live in one file per theme; [`rows`] lists them all.

pub mod numeric;

use crate::value::{Fault, Generator, Value};

/// A function of the language implemented in Rust.
#[derive(Clone, Copy)]
pub struct Row {
    /// As in the language: `"fn lgamma(x: Real) -> Real"`, `"fn sort(xs: [Real]) -> [Real]"`.
    pub signature: &'static str,
    /// Meaning, domain, source; `example: e` lines are tests (`e` must be true).
    pub doc: &'static str,
    /// Applies to each element of array and matrix arguments too, scalars broadcast.
    pub elementwise: bool,
    /// The partial derivative by each real parameter, as expressions of the language in the parameters' names and `result`;
    /// empty for functions that have none.
    pub derivative: &'static [&'static str],
    pub body: Body,
}

/// How the machine calls a row.
#[derive(Clone, Copy)]
pub enum Body {
    Real1(fn(f64) -> f64),
    Real2(fn(f64, f64) -> f64),
    Real3(fn(f64, f64, f64) -> f64),
    /// Real to integer.
    Truncate(fn(f64) -> Result<i64, Fault>),
    Int1(fn(i64) -> Result<i64, Fault>),
    Int2(fn(i64, i64) -> Result<i64, Fault>),
    /// Anything else. The arguments are owned: taking one that nobody else holds allows an update in place.
    General(fn(&mut [Value]) -> Result<Value, Fault>),
    /// Primitive draws, only for the `sample` member of a distribution.
    DrawReal0(fn(&mut Generator) -> f64),
    DrawReal1(fn(f64, &mut Generator) -> f64),
    DrawReal2(fn(f64, f64, &mut Generator) -> f64),
    Draw(fn(&[Value], &mut Generator) -> Result<Value, Fault>),
    /// Known to the compiler by its name (`len`, `push`, `sample`, `logp`, …).
    Intrinsic,
}
