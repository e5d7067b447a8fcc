//! Functions written in Rust, one row each: signature as text, documentation, example, derivative, implementation.
//!
//! A row is a declaration: the checker parses its signature, `:help` shows its documentation, the tests run its examples.
//! Rows of the same name are overloads. Rows live in one file per theme; [`rows`] lists them all.

mod arguments;
mod arith;
mod categorical;
mod domains;
mod draws;
mod gaussian;
mod intrinsic;
mod linalg;
mod lists;
mod math;
pub mod numeric;
mod posteriors;
mod special;
mod statistics;
mod strings;

pub use arith::{floor_div, floor_mod, int_pow};
pub use categorical::Weights;

use crate::value::{Fault, Generator, Value};
use std::collections::HashMap;
use std::sync::OnceLock;

/// A function of the language implemented in Rust.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As in the language: `"fn lgamma(x: Real) -> Real"`, `"fn sort(xs: [Real]) -> [Real]"`.
    pub signature: &'static str,
    /// Meaning, domain, source; `example: e` lines are tests (`e` must be true).
    pub doc: &'static str,
    /// Applies to each element of array and matrix arguments too, scalars broadcast.
    pub elementwise: bool,
    /// The partial derivative by each parameter, as expressions of the language in the parameters' names and `result`; the
    /// empty string stands for zero. Of a function that is not elementwise and gives a real it is the gradient, of the
    /// parameter's shape. The list is empty for functions that have none.
    pub derivative: &'static [&'static str],
    pub body: Body,
}

/// How the machine calls a row.
#[derive(Clone, Copy, Debug)]
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
    /// The same of an index by weights; and what looks the weights over for many draws.
    DrawIndex(fn(&[Value], &mut Generator) -> Result<Value, Fault>, fn(&Value) -> Result<Weights, Fault>),
    /// Known to the compiler by its name (`len`, `push`, `sample`, `logp`, …).
    Intrinsic,
}

/// All rows, one slice per theme. The global index of a row counts through them in this order.
pub fn rows() -> &'static [&'static [Row]] {
    &[
        intrinsic::ROWS,
        arith::ROWS,
        math::ROWS,
        special::ROWS,
        lists::ROWS,
        statistics::ROWS,
        linalg::ROWS,
        gaussian::ROWS,
        strings::ROWS,
        draws::ROWS,
        domains::ROWS,
        posteriors::ROWS,
    ]
}

/// The row of a global index; none beyond the last.
pub fn row(index: usize) -> Option<&'static Row> {
    table().rows.get(index).copied()
}

/// The overloads of a name, each with its global index; empty where there are none.
pub fn find(name: &str) -> impl Iterator<Item = (usize, &'static Row)> {
    let table = table();
    let found = table.by_name.get(name).map_or(&[][..], Vec::as_slice);
    found.iter().map(|index| (*index, table.rows[*index]))
}

struct Table {
    rows: Vec<&'static Row>,
    by_name: HashMap<&'static str, Vec<usize>>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let rows: Vec<&'static Row> = rows().iter().flat_map(|theme| theme.iter()).collect();
        let mut by_name: HashMap<&'static str, Vec<usize>> = HashMap::new();
        for (index, row) in rows.iter().enumerate() {
            by_name.entry(row.name()).or_default().push(index);
        }
        Table { rows, by_name }
    })
}

impl Row {
    /// The name under which programs call it.
    pub fn name(&self) -> &'static str {
        let rest = self.signature.strip_prefix("fn ").unwrap_or(self.signature);
        rest.split(['(', '<']).next().unwrap_or(rest)
    }

    /// A deterministic function that is neither elementwise nor differentiable by a formula.
    const fn general(
        signature: &'static str,
        doc: &'static str,
        body: fn(&mut [Value]) -> Result<Value, Fault>,
    ) -> Row {
        Row { signature, doc, elementwise: false, derivative: &[], body: Body::General(body) }
    }

    /// As [`Row::general`], with the gradient of its real result.
    const fn smooth(
        signature: &'static str,
        doc: &'static str,
        derivative: &'static [&'static str],
        body: fn(&mut [Value]) -> Result<Value, Fault>,
    ) -> Row {
        Row { signature, doc, elementwise: false, derivative, body: Body::General(body) }
    }

    /// An elementwise function of one real.
    const fn real1(
        signature: &'static str,
        doc: &'static str,
        derivative: &'static [&'static str],
        body: fn(f64) -> f64,
    ) -> Row {
        Row { signature, doc, elementwise: true, derivative, body: Body::Real1(body) }
    }

    /// An elementwise function of two reals.
    const fn real2(
        signature: &'static str,
        doc: &'static str,
        derivative: &'static [&'static str],
        body: fn(f64, f64) -> f64,
    ) -> Row {
        Row { signature, doc, elementwise: true, derivative, body: Body::Real2(body) }
    }

    /// An elementwise function of three reals.
    const fn real3(
        signature: &'static str,
        doc: &'static str,
        derivative: &'static [&'static str],
        body: fn(f64, f64, f64) -> f64,
    ) -> Row {
        Row { signature, doc, elementwise: true, derivative, body: Body::Real3(body) }
    }

    /// A function that the compiler knows by its name.
    const fn intrinsic(signature: &'static str, doc: &'static str) -> Row {
        Row { signature, doc, elementwise: false, derivative: &[], body: Body::Intrinsic }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameters of a signature, split at top-level commas.
    fn parameters(signature: &str) -> Vec<String> {
        let open = signature.find('(').unwrap();
        let (mut depth, mut current, mut parts) = (0, String::new(), Vec::new());
        for c in signature[open..].chars() {
            match c {
                '(' | '[' | '<' | '{' => depth += 1,
                ')' | ']' | '}' => depth -= 1,
                _ => {}
            }
            if c == ')' && depth == 0 {
                break;
            }
            if c == ',' && depth == 1 {
                parts.push(std::mem::take(&mut current));
            } else if !(c == '(' && depth == 1 && current.is_empty()) {
                current.push(c);
            }
        }
        if !current.trim().is_empty() {
            parts.push(current);
        }
        parts
    }

    #[test]
    fn every_row_is_documented_and_shown() {
        for row in rows().iter().flat_map(|theme| theme.iter()) {
            assert!(row.signature.starts_with("fn "), "{}", row.signature);
            assert!(row.signature.contains("->") || row.signature.contains("~>"), "{}", row.signature);
            let (text, example) = row.doc.split_once("example: ").unwrap_or((row.doc, ""));
            assert!(text.trim().len() > 10, "{} is not documented", row.signature);
            assert!(!example.is_empty() || row.signature.contains("~>"), "{} has no example", row.signature);
            assert_eq!(example.matches('(').count(), example.matches(')').count(), "{}", row.doc);
        }
    }

    #[test]
    fn smooth_rows_have_one_derivative_per_parameter() {
        for row in rows().iter().flat_map(|theme| theme.iter()) {
            let count = parameters(row.signature).len();
            match row.body {
                Body::Real1(_) | Body::Real2(_) | Body::Real3(_) => {
                    assert!(row.elementwise);
                    assert_eq!(row.derivative.len(), count, "{}", row.signature);
                }
                _ => assert!(row.derivative.is_empty() || row.derivative.len() == count, "{}", row.signature),
            }
            let arity = match row.body {
                Body::Real1(_) | Body::Truncate(_) | Body::Int1(_) | Body::DrawReal1(_) => 1,
                Body::Real2(_) | Body::Int2(_) | Body::DrawReal2(_) => 2,
                Body::Real3(_) => 3,
                Body::DrawReal0(_) => 0,
                _ => count,
            };
            assert_eq!(arity, count, "{}", row.signature);
        }
    }

    #[test]
    fn signatures_are_distinct_and_found_by_name() {
        let mut seen = std::collections::HashSet::new();
        for row in rows().iter().flat_map(|theme| theme.iter()) {
            assert!(seen.insert(row.signature), "{}", row.signature);
            assert!(find(row.name()).any(|(index, found)| {
                found.signature == row.signature && self::row(index).is_some_and(|row| row.signature == found.signature)
            }));
        }
        assert_eq!(find("no such name").count(), 0);
        assert!(find("sum").count() >= 2);
    }
}
