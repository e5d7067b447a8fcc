//! Values as text for tables, and as keys by which equal values are merged.

use crate::value::Value;
use std::fmt::Write;
use std::sync::Arc;

/// How many characters of a value a table or a warning shows before it is cut with an ellipsis.
const LONGEST: usize = 200;

/// A value in the notation of the language; long ones are cut short.
pub fn label(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value, 0);
    if text.chars().count() > LONGEST {
        text = text.chars().take(LONGEST).collect();
        text.push('…');
    }
    text
}

/// A number in the shortest notation that reads back as the same number.
pub fn number(x: f64) -> String {
    if x.is_infinite() {
        return if x > 0.0 { "inf".into() } else { "-inf".into() };
    }
    if x.is_nan() {
        return "nan".into();
    }
    let size = x.abs();
    if size != 0.0 && !(1e-5..1e16).contains(&size) { format!("{x:e}") } else { format!("{x}") }
}

fn write_value(out: &mut String, value: &Value, depth: usize) {
    if out.len() > 4 * LONGEST || depth > 40 {
        out.push('…');
        return;
    }
    match value {
        Value::Unit => out.push_str("()"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(n) => out.push_str(&n.to_string()),
        Value::Real(x) => out.push_str(&number(*x)),
        Value::Str(text) => out.push_str(text),
        Value::Reals(xs) => write_list(out, xs.iter().map(|x| Value::Real(*x)), depth),
        Value::Ints(xs) => write_list(out, xs.iter().map(|n| Value::Int(*n)), depth),
        Value::Bools(xs) => write_list(out, xs.iter().map(|b| Value::Bool(*b)), depth),
        Value::Values(xs) => write_list(out, xs.iter().cloned(), depth),
        Value::Matrix(m) => write_list(out, (0..m.rows).map(|i| Value::reals(m.row(i).to_vec())), depth),
        Value::Tuple(parts) => write_parts(out, &parts.0, depth),
        Value::Record(record) => {
            out.push('{');
            for (i, (name, field)) in record.names.iter().zip(&record.fields).enumerate() {
                // Writing to a string cannot fail.
                let _ = write!(out, "{}{name}: ", if i > 0 { ", " } else { "" });
                write_value(out, field, depth + 1);
            }
            out.push('}');
        }
        Value::Variant(variant) => {
            out.push_str(variant.name.as_str());
            if !variant.fields.is_empty() {
                write_parts(out, &variant.fields, depth);
            }
        }
        Value::Closure(_) => out.push_str("<function>"),
        Value::Dist(dist) => {
            out.push_str(dist.name.as_str());
            write_parts(out, &dist.args, depth);
        }
        Value::Domain(domain) => {
            let _ = write!(out, "{domain:?}");
        }
        Value::Host(object) => out.push_str(&object.display()),
    }
}

fn write_parts(out: &mut String, parts: &[Value], depth: usize) {
    out.push('(');
    for (i, part) in parts.iter().enumerate() {
        out.push_str(if i > 0 { ", " } else { "" });
        write_value(out, part, depth + 1);
    }
    out.push(')');
}

fn write_list(out: &mut String, items: impl Iterator<Item = Value>, depth: usize) {
    out.push('[');
    for (i, item) in items.enumerate() {
        if out.len() > 4 * LONGEST {
            out.push('…');
            break;
        }
        out.push_str(if i > 0 { ", " } else { "" });
        write_value(out, &item, depth + 1);
    }
    out.push(']');
}

/// The key of a value: two values have the same key exactly when they are structurally the same.
/// Reals count by their bits, but both zeros are one and so are all NaNs; functions and host objects count by identity
/// of code and captures. The work list keeps deep values off the native stack.
pub fn key(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = vec![value];
    while let Some(value) = rest.pop() {
        let size = |out: &mut Vec<u8>, tag: u8, n: usize| {
            out.push(tag);
            out.extend((n as u64).to_le_bytes());
        };
        match value {
            Value::Unit => out.push(0),
            Value::Bool(b) => out.extend([1, u8::from(*b)]),
            Value::Int(n) => size(&mut out, 2, *n as usize),
            Value::Real(x) => size(&mut out, 3, bits(*x) as usize),
            Value::Str(text) => {
                size(&mut out, 4, text.len());
                out.extend(text.bytes());
            }
            Value::Reals(xs) => {
                size(&mut out, 5, xs.len());
                out.extend(xs.iter().flat_map(|x| bits(*x).to_le_bytes()));
            }
            Value::Ints(xs) => {
                size(&mut out, 6, xs.len());
                out.extend(xs.iter().flat_map(|n| n.to_le_bytes()));
            }
            Value::Bools(xs) => {
                size(&mut out, 7, xs.len());
                out.extend(xs.iter().map(|b| u8::from(*b)));
            }
            Value::Values(xs) => {
                size(&mut out, 8, xs.len());
                rest.extend(xs.iter());
            }
            Value::Matrix(m) => {
                size(&mut out, 9, m.rows);
                size(&mut out, 9, m.cols);
                out.extend(m.data.iter().flat_map(|x| bits(*x).to_le_bytes()));
            }
            Value::Tuple(parts) => {
                size(&mut out, 10, parts.0.len());
                rest.extend(parts.0.iter());
            }
            Value::Record(record) => {
                size(&mut out, 11, record.names.len());
                for name in record.names {
                    size(&mut out, 11, name.as_str().as_ptr() as usize);
                }
                rest.extend(record.fields.iter());
            }
            Value::Variant(variant) => {
                size(&mut out, 12, variant.name.as_str().as_ptr() as usize);
                size(&mut out, 12, variant.fields.len());
                rest.extend(variant.fields.iter());
            }
            Value::Closure(closure) => {
                size(&mut out, 13, closure.function as usize);
                size(&mut out, 13, closure.captures.len());
                rest.extend(closure.captures.iter());
            }
            Value::Dist(dist) => {
                size(&mut out, 14, dist.dist as usize);
                size(&mut out, 14, dist.args.len());
                rest.extend(dist.args.iter());
            }
            Value::Domain(domain) => {
                let text = format!("{domain:?}");
                size(&mut out, 15, text.len());
                out.extend(text.bytes());
            }
            Value::Host(object) => size(&mut out, 16, Arc::as_ptr(object).cast::<u8>() as usize),
        }
    }
    out
}

/// The bits of a number, with one zero and one NaN.
pub fn bits(x: f64) -> u64 {
    if x.is_nan() {
        f64::NAN.to_bits()
    } else if x == 0.0 {
        0
    } else {
        x.to_bits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::intern;
    use crate::value::{Variant, record_names};

    fn leaf(x: f64) -> Value {
        Value::Variant(Arc::new(Variant { name: intern("Leaf"), tag: 0, fields: vec![Value::Real(x)] }))
    }

    #[test]
    fn values_read_as_in_the_language() {
        let names = record_names(&[intern("a"), intern("b")]);
        let value = Value::record(names, vec![Value::reals(vec![1.0, -2.5e-9]), Value::tuple(vec![leaf(3.0)])]);
        assert_eq!(label(&value), "{a: [1, -2.5e-9], b: (Leaf(3))}");
        assert!(label(&Value::reals(vec![1.0; 100_000])).chars().count() < 210);
    }

    #[test]
    fn keys_tell_structure_apart() {
        let nested = |parts: Vec<Vec<i64>>| Value::array_of(parts.into_iter().map(Value::ints).collect());
        assert_ne!(key(&nested(vec![vec![1], vec![2, 3]])), key(&nested(vec![vec![1, 2], vec![3]])));
        assert_ne!(key(&Value::Int(1)), key(&Value::Real(1.0)));
        assert_eq!(key(&Value::Real(0.0)), key(&Value::Real(-0.0)));
        assert_eq!(key(&leaf(1.0)), key(&leaf(1.0)));
        assert_ne!(key(&leaf(0.1 + 0.2)), key(&leaf(0.3)));
    }
}
