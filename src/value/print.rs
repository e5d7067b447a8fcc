//! Values and domains as text: as the language writes them, shortened to a width, and as JSON.
//!
//! Printing is a loop over a stack of pieces, so that structures of any depth are safe.

use super::{Domain, Value};
use std::fmt::{self, Display, Write};

impl Display for Value {
    /// As the language writes it; the text of a string stands without quotes unless it is part of something.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Str(text) => f.write_str(text),
            value => Printer { style: Style::Language, elements: usize::MAX }.print(value, f),
        }
    }
}

/// The value in at most `width` characters (8 at the least): long arrays lose their middle, what is still too long is cut.
pub fn short(value: &Value, width: usize) -> String {
    let width = width.max(8);
    let mut text = Bounded { text: String::new(), left: width };
    for elements in [usize::MAX, 100, 50, 30, 20, 15, 10, 8, 6, 5, 4, 3, 2, 1] {
        text = Bounded { text: String::new(), left: width };
        if (Printer { style: Style::Language, elements }).print(value, &mut text).is_ok() {
            return text.text;
        }
    }
    let mut cut: String = text.text.chars().take(width - 1).collect();
    cut.push('…');
    cut
}

/// The value as JSON: tuples are arrays, `Node(l, r)` is `{"Node": [l, r]}`, numbers without a JSON form are `null`, and
/// what is not data (functions, distributions, host objects) is its text.
pub fn to_json(value: &Value) -> String {
    let mut text = String::new();
    let printed = Printer { style: Style::Json, elements: usize::MAX }.print(value, &mut text);
    debug_assert!(printed.is_ok(), "writing to a string cannot fail");
    text
}

/// Writes a real so that it reads back to the same bits, and as a real: `1.0`, `0.1`, `1e-7`, `inf`, `nan`.
pub fn write_real(x: f64, out: &mut dyn Write) -> fmt::Result {
    if x.is_nan() { out.write_str("nan") } else { write!(out, "{x:?}") }
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Language,
    Json,
}

struct Printer {
    style: Style,
    /// How many elements of an array are shown.
    elements: usize,
}

/// What is still to be written, last first.
enum Piece<'a> {
    Text(&'a str),
    Quoted(&'a str),
    Value(&'a Value),
    Real(f64),
    Int(i64),
    Bool(bool),
    Row(&'a [f64]),
    /// This many elements are left out.
    Elided(usize),
}

impl Printer {
    fn print(&self, value: &Value, out: &mut dyn Write) -> fmt::Result {
        let mut work = vec![Piece::Value(value)];
        while let Some(piece) = work.pop() {
            match piece {
                Piece::Text(text) => out.write_str(text)?,
                Piece::Quoted(text) => quote(text, out)?,
                Piece::Real(x) => match self.style {
                    Style::Json if !x.is_finite() => out.write_str("null")?,
                    _ => write_real(x, out)?,
                },
                Piece::Int(n) => write!(out, "{n}")?,
                Piece::Bool(b) => write!(out, "{b}")?,
                Piece::Row(row) => self.array(row.iter().map(|x| Piece::Real(*x)), row.len(), &mut work),
                Piece::Elided(n) => write!(out, "… ({n} more)")?,
                Piece::Value(value) => self.expand(value, &mut work, out)?,
            }
        }
        Ok(())
    }

    /// Writes a value that has no parts, or replaces it by its parts.
    fn expand<'a>(&self, value: &'a Value, work: &mut Vec<Piece<'a>>, out: &mut dyn Write) -> fmt::Result {
        let json = self.style == Style::Json;
        match value {
            Value::Unit => out.write_str(if json { "null" } else { "()" })?,
            Value::Bool(b) => work.push(Piece::Bool(*b)),
            Value::Int(n) => work.push(Piece::Int(*n)),
            Value::Real(x) => work.push(Piece::Real(*x)),
            Value::Str(text) => work.push(Piece::Quoted(text)),
            Value::Reals(xs) => self.array(xs.iter().map(|x| Piece::Real(*x)), xs.len(), work),
            Value::Ints(xs) => self.array(xs.iter().map(|n| Piece::Int(*n)), xs.len(), work),
            Value::Bools(xs) => self.array(xs.iter().map(|b| Piece::Bool(*b)), xs.len(), work),
            Value::Values(xs) => self.array(xs.iter().map(Piece::Value), xs.len(), work),
            Value::Matrix(m) => self.array((0..m.rows).map(|i| Piece::Row(m.row(i))), m.rows, work),
            Value::Tuple(parts) if json => self.array(parts.0.iter().map(Piece::Value), parts.0.len(), work),
            Value::Tuple(parts) => {
                let close = if parts.0.len() == 1 { ",)" } else { ")" };
                join("(", parts.0.iter().map(|part| (None, Piece::Value(part))), close, work);
            }
            Value::Record(record) => {
                let fields = record.names.iter().zip(&record.fields);
                let fields = fields.map(|(name, field)| {
                    let name = name.as_str();
                    (Some(if json { Piece::Quoted(name) } else { Piece::Text(name) }), Piece::Value(field))
                });
                join("{", fields, "}", work);
            }
            Value::Variant(variant) => {
                let fields = variant.fields.iter().map(|field| (None, Piece::Value(field)));
                let name = variant.name.as_str();
                if json {
                    work.push(Piece::Text("}"));
                    join("[", fields, "]", work);
                    work.push(Piece::Text(": "));
                    work.push(Piece::Quoted(name));
                    work.push(Piece::Text("{"));
                } else {
                    if !variant.fields.is_empty() {
                        join("(", fields, ")", work);
                    }
                    work.push(Piece::Text(name));
                }
            }
            Value::Closure(_) | Value::Dist(_) | Value::Domain(_) | Value::Host(_) if json => {
                quote(&value.to_string(), out)?;
            }
            Value::Closure(_) => out.write_str("<function>")?,
            Value::Dist(dist) => {
                join("(", dist.args.iter().map(|arg| (None, Piece::Value(arg))), ")", work);
                work.push(Piece::Text(dist.name.as_str()));
            }
            Value::Domain(domain) => write!(out, "{domain}")?,
            Value::Host(object) => out.write_str(&object.display())?,
        }
        Ok(())
    }

    /// Puts an array on the stack, its middle left out where it has too many elements.
    fn array<'a, I>(&self, items: I, len: usize, work: &mut Vec<Piece<'a>>)
    where
        I: DoubleEndedIterator<Item = Piece<'a>> + Clone,
    {
        if len <= self.elements.saturating_add(1) {
            return join("[", items.map(|item| (None, item)), "]", work);
        }
        let tail = usize::from(self.elements >= 3);
        let head = self.elements - tail;
        let shown = items.clone().take(head).collect::<Vec<_>>();
        let last = items.rev().take(tail);
        let parts = shown.into_iter().chain(std::iter::once(Piece::Elided(len - head - tail))).chain(last);
        join("[", parts.collect::<Vec<_>>().into_iter().map(|item| (None, item)), "]", work);
    }
}

/// Puts `open`, the parts with commas between, and `close` on the stack.
fn join<'a>(
    open: &'a str,
    parts: impl DoubleEndedIterator<Item = (Option<Piece<'a>>, Piece<'a>)>,
    close: &'a str,
    work: &mut Vec<Piece<'a>>,
) {
    work.push(Piece::Text(close));
    let bottom = work.len();
    for (name, part) in parts.rev() {
        if work.len() > bottom {
            work.push(Piece::Text(", "));
        }
        work.push(part);
        if let Some(name) = name {
            work.push(Piece::Text(": "));
            work.push(name);
        }
    }
    work.push(Piece::Text(open));
}

/// Writes a string literal, valid in the language and in JSON.
fn quote(text: &str, out: &mut dyn Write) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if c.is_control() => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

/// Text that refuses to grow beyond a number of characters.
struct Bounded {
    text: String,
    left: usize,
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            if self.left == 0 {
                return Err(fmt::Error);
            }
            self.left -= 1;
            self.text.push(c);
        }
        Ok(())
    }
}

impl Display for Domain {
    /// As the language writes it: `Interval(0, 1)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Real => f.write_str("Real"),
            Domain::Positive => f.write_str("Positive"),
            Domain::NonNegative => f.write_str("NonNegative"),
            Domain::UnitInterval => f.write_str("UnitInterval"),
            Domain::Interval(a, b) => write!(f, "Interval({a}, {b})"),
            Domain::Bool => f.write_str("Bool"),
            Domain::Int => f.write_str("Int"),
            Domain::Natural => f.write_str("Natural"),
            Domain::IntRange(0, hi) if *hi < i64::MAX => write!(f, "Below({})", hi + 1),
            Domain::IntRange(lo, hi) => write!(f, "IntRange({lo}, {hi})"),
            Domain::Simplex(n) => write!(f, "Simplex({n})"),
            Domain::Ordered(n) => write!(f, "Ordered({n})"),
            Domain::PositiveOrdered(n) => write!(f, "PositiveOrdered({n})"),
            Domain::CorrCholesky(n) => write!(f, "CorrCholesky({n})"),
            Domain::CovCholesky(n) => write!(f, "CovCholesky({n})"),
            Domain::PosDef(n) => write!(f, "PosDef({n})"),
            Domain::Corr(n) => write!(f, "Corr({n})"),
            Domain::UnitVector(n) => write!(f, "UnitVector({n})"),
            Domain::Vector(n) => write!(f, "Vector({n})"),
            Domain::Matrix(n, m) => write!(f, "Matrix({n}, {m})"),
            Domain::Counts(k, n) => write!(f, "Counts({k}, {n})"),
            Domain::Values(all) => {
                f.write_str("Values([")?;
                for (i, value) in all.iter().enumerate() {
                    f.write_str(if i > 0 { ", " } else { "" })?;
                    Printer { style: Style::Language, elements: usize::MAX }.print(value, f)?;
                }
                f.write_str("])")
            }
            Domain::Product(parts) => {
                f.write_str("Product([")?;
                for (i, part) in parts.iter().enumerate() {
                    write!(f, "{}{part}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("])")
            }
            Domain::Power(domain, n) => write!(f, "Power({domain}, {n})"),
            Domain::Union(parts) => {
                f.write_str("Union([")?;
                for (k, part) in parts.iter().enumerate() {
                    if k > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "{part}")?;
                }
                f.write_str("])")
            }
            Domain::Any => f.write_str("Any"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::intern;
    use crate::value::{Closure, DistValue, Variant, record_names};
    use std::sync::Arc;

    fn variant(name: &str, fields: Vec<Value>) -> Value {
        Value::Variant(Arc::new(Variant { name: intern(name), tag: 0, fields }))
    }

    #[test]
    fn values_print_as_the_language_writes_them() {
        let names = record_names(&[intern("mu"), intern("name")]);
        let cases = [
            (Value::Unit, "()"),
            (Value::Real(1.0), "1.0"),
            (Value::Real(-0.1), "-0.1"),
            (Value::Real(1e300), "1e300"),
            (Value::Real(1e-7), "1e-7"),
            (Value::Real(f64::INFINITY), "inf"),
            (Value::Real(f64::NEG_INFINITY), "-inf"),
            (Value::Real(f64::NAN), "nan"),
            (Value::Int(-3), "-3"),
            (Value::string("a \"b\""), "a \"b\""),
            (Value::tuple(vec![Value::string("a \"b\"\n"), Value::Bool(true)]), "(\"a \\\"b\\\"\\n\", true)"),
            (Value::tuple(vec![Value::Int(1)]), "(1,)"),
            (Value::record(names, vec![Value::Real(1.0), Value::string("x")]), "{mu: 1.0, name: \"x\"}"),
            (Value::reals(vec![]), "[]"),
            (Value::reals(vec![1.0, 2.5]), "[1.0, 2.5]"),
            (Value::ints(vec![1, 2]), "[1, 2]"),
            (Value::matrix(2, 2, vec![1.0, 2.0, 3.0, 4.0]), "[[1.0, 2.0], [3.0, 4.0]]"),
            (variant("Node", vec![variant("Empty", vec![]), Value::Int(1)]), "Node(Empty, 1)"),
            (Value::Closure(Arc::new(Closure { function: 0, captures: vec![] })), "<function>"),
            (
                Value::Dist(Arc::new(DistValue {
                    name: intern("Normal"),
                    dist: 0,
                    args: vec![Value::Real(0.0), Value::Real(1.0)],
                })),
                "Normal(0.0, 1.0)",
            ),
            (Value::Domain(Arc::new(Domain::Interval(0.0, 1.5))), "Interval(0, 1.5)"),
            (Value::Domain(Arc::new(Domain::IntRange(0, 4))), "Below(5)"),
        ];
        for (value, text) in cases {
            assert_eq!(value.to_string(), text);
        }
    }

    #[test]
    fn reals_read_back_to_the_same_bits() {
        let mut generator = crate::value::Generator::new(5);
        for _ in 0..1000 {
            let x = f64::from_bits(generator.next_u64());
            if x.is_finite() {
                let text = Value::Real(x).to_string();
                assert_eq!(text.parse::<f64>().map(f64::to_bits), Ok(x.to_bits()));
                assert!(text.contains(['.', 'e']));
            }
        }
    }

    #[test]
    fn short_keeps_the_width() {
        let long = Value::ints((0..1_000_000).collect());
        assert_eq!(short(&long, 40), "[0, 1, 2, 3, 4, … (999994 more), 999999]");
        assert_eq!(short(&Value::ints(vec![1, 2]), 40), "[1, 2]");
        let nested = Value::tuple(vec![long.clone(), long, Value::string(&"x".repeat(100))]);
        let text = short(&nested, 30);
        assert_eq!(text.chars().count(), 30);
        assert!(text.ends_with('…'));
    }

    #[test]
    fn json_is_what_serde_reads() {
        let names = record_names(&[intern("a"), intern("b")]);
        let value = Value::record(
            names,
            vec![
                Value::reals(vec![1.0, f64::NAN, 1e300]),
                variant("Node", vec![Value::string("q\"\\\u{1}"), Value::tuple(vec![Value::Unit])]),
            ],
        );
        let read: serde_json::Value = serde_json::from_str(&to_json(&value)).unwrap();
        assert_eq!(read, serde_json::json!({"a": [1.0, null, 1e300], "b": {"Node": ["q\"\\\u{1}", [null]]}}));
    }

    #[test]
    fn deep_structures_print() {
        let deep = (0..1_000_000).fold(Value::Unit, |tail, _| variant("S", vec![tail]));
        assert_eq!(deep.to_string().len(), 1_000_000 * 3 + 2);
        assert_eq!(short(&deep, 10), "S(S(S(S(S…");
    }
}
