//! Strings: joining, cutting and writing values as text.

use super::Row;
use super::arguments::{int, real, take, take_string, take_values};
use crate::value::{Fault, Value};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row::general("fn len(s: String) -> Int", "The number of characters.\nexample: len(\"abc\") == 3", |args| {
        Ok(Value::Int(take_string(args, 0)?.chars().count() as i64))
    }),
    Row::general(
        "fn concat(s: String, t: String) -> String",
        "The text of `s`, then that of `t`.\nexample: concat(\"ab\", \"c\") == \"abc\"",
        |args| {
            let (s, t) = (take_string(args, 0)?, take_string(args, 1)?);
            Ok(Value::Str(format!("{s}{t}").into()))
        },
    ),
    Row::general(
        "fn str(x: a) -> String",
        "A value as `print` writes it.\nexample: str([1.0, 2.5]) == \"[1.0, 2.5]\"",
        |args| {
            Ok(match take(args, 0) {
                Value::Str(text) => Value::Str(text),
                value => Value::Str(value.to_string().into()),
            })
        },
    ),
    Row::general(
        "fn format(x: Real, digits: Int) -> String",
        "A number with so many digits after the point, at most 100.\nexample: format(2.0 / 3, 2) == \"0.67\"",
        |args| {
            let (x, digits) = (real(args, 0)?, int(args, 1)?);
            if !(0..=100).contains(&digits) {
                return Err(Fault::error(format!("expected 0 to 100 digits, found {digits}")));
            }
            let text = if x.is_nan() { "nan".to_string() } else { format!("{x:.width$}", width = digits as usize) };
            Ok(Value::Str(text.into()))
        },
    ),
    Row::general(
        "fn join(parts: [String], separator: String) -> String",
        "The strings one after the other, with the separator between them.\nexample: join([\"a\", \"b\"], \", \") == \"a, b\"",
        |args| {
            let (parts, separator) = (take_values(args, 0)?, take_string(args, 1)?);
            let texts: Vec<String> = parts.iter().map(Value::to_string).collect();
            Ok(Value::Str(texts.join(&separator).into()))
        },
    ),
    Row::general(
        "fn split(s: String, separator: String) -> [String]",
        "The parts of `s` between the separators; the characters where the separator is empty.\n\
         example: split(\"a,b\", \",\") == [\"a\", \"b\"]",
        |args| {
            let (s, separator) = (take_string(args, 0)?, take_string(args, 1)?);
            let parts: Vec<Value> = if separator.is_empty() {
                s.chars().map(|c| Value::string(&c.to_string())).collect()
            } else {
                s.split(&*separator).map(Value::string).collect()
            };
            Ok(Value::Values(Arc::new(parts)))
        },
    ),
    Row::general(
        "fn lower(s: String) -> String",
        "The text in lower case.\nexample: lower(\"Ab\") == \"ab\"",
        |args| Ok(Value::Str(take_string(args, 0)?.to_lowercase().into())),
    ),
    Row::general(
        "fn upper(s: String) -> String",
        "The text in upper case.\nexample: upper(\"Ab\") == \"AB\"",
        |args| Ok(Value::Str(take_string(args, 0)?.to_uppercase().into())),
    ),
    Row::general(
        "fn trim(s: String) -> String",
        "The text without white space at its ends.\nexample: trim(\" a \") == \"a\"",
        |args| Ok(Value::Str(take_string(args, 0)?.trim().into())),
    ),
];

#[cfg(test)]
mod tests {
    use super::super::{Body, find};
    use super::*;

    fn call(name: &str, mut args: Vec<Value>) -> Result<Value, Fault> {
        match find(name).next().map(|(_, row)| row.body) {
            Some(Body::General(f)) => f(&mut args),
            _ => Err(Fault::error("no such row")),
        }
    }

    #[test]
    fn numbers_are_written_with_the_digits_asked_for() {
        let text = |x: f64, digits| call("format", vec![Value::Real(x), Value::Int(digits)]).map(|v| v.to_string());
        assert_eq!(text(1234.5678, 1).unwrap(), "1234.6");
        assert_eq!(text(-0.5, 0).unwrap(), "-0");
        assert_eq!(text(f64::NAN, 3).unwrap(), "nan");
        assert_eq!(text(f64::INFINITY, 3).unwrap(), "inf");
        assert!(text(1.0, 1000).is_err());
        assert!(text(1.0, -1).is_err());
    }

    #[test]
    fn strings_split_and_join() {
        let parts = call("split", vec![Value::string("a--b"), Value::string("-")]).unwrap();
        assert_eq!(parts.array_len(), Some(3));
        assert_eq!(call("join", vec![parts, Value::string("-")]).unwrap(), Value::string("a--b"));
        assert_eq!(call("split", vec![Value::string("äb"), Value::string("")]).unwrap().array_len(), Some(2));
    }
}
