//! Reads values, domains and types.

use super::lex::Token;
use super::{CoreParseError, Parser};
use crate::core::ty::{Type, TypeKind};
use crate::source::intern;
use crate::value::{Closure, DistValue, Domain, Value, Variant, record_names};
use std::sync::Arc;

impl Parser<'_> {
    pub(super) fn ty(&mut self) -> Result<Type, CoreParseError> {
        self.nested(Self::ty_inner)
    }

    fn ty_inner(&mut self) -> Result<Type, CoreParseError> {
        if self.eat("[") {
            let element = self.ty()?;
            self.expect("]")?;
            return Ok(element.array());
        }
        if self.eat("(") {
            let parts = self.list(")", Self::ty)?;
            let random = self.at_mark("~>");
            if random || self.at_mark("->") {
                self.next();
                let result = self.ty()?;
                return Ok(Type::new(TypeKind::Fn(parts, random, result)));
            }
            return Ok(if parts.is_empty() { Type::UNIT } else { Type::new(TypeKind::Tuple(parts)) });
        }
        if self.eat("{") {
            let fields = self.list("}", |p| {
                let name = p.name()?;
                p.expect(":")?;
                Ok((name, p.ty()?))
            })?;
            return Ok(Type::new(TypeKind::Record(fields)));
        }
        if let Token::Ref(name, '#', number) = self.peek().clone() {
            self.next();
            let args = self.type_args()?;
            return Ok(Type::new(TypeKind::Variant(intern(&name), number, args)));
        }
        let name = match self.next() {
            Token::Word(word) => intern(word),
            Token::Text(text) => intern(&text),
            other => return self.unexpected("a type", &other),
        };
        let simple = match name.as_str() {
            "Bool" => Some(Type::BOOL),
            "Int" => Some(Type::INT),
            "Real" => Some(Type::REAL),
            "String" => Some(Type::STR),
            "Matrix" => Some(Type::MATRIX),
            _ => None,
        };
        if let Some(ty) = simple {
            return Ok(ty);
        }
        let args = self.type_args()?;
        Ok(Type::new(match (name.as_str(), args.as_slice()) {
            ("Dist", [t]) => TypeKind::Dist(*t),
            ("Posterior", [t]) => TypeKind::Posterior(*t),
            ("Domain", [t]) => TypeKind::Domain(*t),
            _ => TypeKind::Host(name, args),
        }))
    }

    fn type_args(&mut self) -> Result<Vec<Type>, CoreParseError> {
        if self.eat("<") { self.list(">", Self::ty) } else { Ok(Vec::new()) }
    }

    pub(super) fn value(&mut self) -> Result<Value, CoreParseError> {
        self.nested(Self::value_inner)
    }

    fn value_inner(&mut self) -> Result<Value, CoreParseError> {
        match self.next() {
            Token::Int(n) => Ok(Value::Int(n)),
            Token::Real(x) => Ok(Value::Real(x)),
            Token::Text(text) => Ok(Value::string(&text)),
            Token::Mark("(") => {
                self.expect(")")?;
                Ok(Value::Unit)
            }
            Token::Mark("[") => self.dense_array(),
            Token::Mark("{") => {
                let fields = self.list("}", |p| {
                    let name = p.name()?;
                    p.expect(":")?;
                    Ok((name, p.value()?))
                })?;
                let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
                Ok(Value::record(record_names(&names), values))
            }
            Token::Ref(name, '#', tag) => {
                self.expect("(")?;
                let fields = self.list(")", Self::value)?;
                Ok(Value::Variant(Arc::new(Variant { name: intern(&name), tag, fields })))
            }
            Token::Ref(name, '%', dist) => {
                self.expect("(")?;
                let args = self.list(")", Self::value)?;
                Ok(Value::Dist(Arc::new(DistValue { name: intern(&name), dist, args })))
            }
            Token::Word(word) => self.worded_value(word),
            other => self.unexpected("a value", &other),
        }
    }

    fn worded_value(&mut self, word: &str) -> Result<Value, CoreParseError> {
        match word {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            "reals" | "ints" | "bools" => {
                self.expect("[")?;
                self.expect("]")?;
                Ok(match word {
                    "reals" => Value::reals(Vec::new()),
                    "ints" => Value::ints(Vec::new()),
                    _ => Value::Bools(Arc::default()),
                })
            }
            "values" => {
                self.expect("[")?;
                Ok(Value::Values(Arc::new(self.list("]", Self::value)?)))
            }
            "tuple" => {
                self.expect("(")?;
                Ok(Value::tuple(self.list(")", Self::value)?))
            }
            "matrix" => {
                self.expect("(")?;
                let sizes = self.list(")", Self::size)?;
                self.expect("[")?;
                let data = self.list("]", Self::real)?;
                match sizes[..] {
                    [rows, cols] if rows.checked_mul(cols) == Some(data.len()) => Ok(Value::matrix(rows, cols, data)),
                    _ => self.error("the elements of a matrix must number rows times columns"),
                }
            }
            "closure" => {
                let function = self.reference('$', "a function")?;
                self.expect("[")?;
                let captures = self.list("]", Self::value)?;
                Ok(Value::Closure(Arc::new(Closure { function, captures })))
            }
            "domain" => Ok(Value::Domain(Arc::new(self.domain()?))),
            _ => self.error(format!("expected a value, found {word}")),
        }
    }

    /// After `[`: numbers or booleans, all of one kind.
    fn dense_array(&mut self) -> Result<Value, CoreParseError> {
        let items = self.list("]", Self::value)?;
        let same = |f: fn(&Value) -> bool| !items.is_empty() && items.iter().all(f);
        if same(|v| matches!(v, Value::Real(_)))
            || same(|v| matches!(v, Value::Int(_)))
            || same(|v| matches!(v, Value::Bool(_)))
        {
            return Ok(Value::array_of(items));
        }
        self.error("[…] holds numbers or booleans of one type; write values[…], reals[], ints[] or bools[]")
    }

    fn real(&mut self) -> Result<f64, CoreParseError> {
        match self.next() {
            Token::Real(x) => Ok(x),
            other => self.unexpected("a real number", &other),
        }
    }

    fn int(&mut self) -> Result<i64, CoreParseError> {
        match self.next() {
            Token::Int(n) => Ok(n),
            other => self.unexpected("an integer", &other),
        }
    }

    fn size(&mut self) -> Result<usize, CoreParseError> {
        let n = self.int()?;
        match usize::try_from(n) {
            Ok(n) => Ok(n),
            Err(_) => self.error(format!("{n} is not a size")),
        }
    }

    fn domain(&mut self) -> Result<Domain, CoreParseError> {
        self.nested(Self::domain_inner)
    }

    fn domain_inner(&mut self) -> Result<Domain, CoreParseError> {
        let word = match self.next() {
            Token::Word(word) => word,
            other => return self.unexpected("a domain", &other),
        };
        let plain = match word {
            "Real" => Some(Domain::Real),
            "Positive" => Some(Domain::Positive),
            "NonNegative" => Some(Domain::NonNegative),
            "UnitInterval" => Some(Domain::UnitInterval),
            "Bool" => Some(Domain::Bool),
            "Int" => Some(Domain::Int),
            "Natural" => Some(Domain::Natural),
            "Any" => Some(Domain::Any),
            _ => None,
        };
        if let Some(domain) = plain {
            return Ok(domain);
        }
        self.expect("(")?;
        let sized: Option<fn(usize) -> Domain> = match word {
            "Simplex" => Some(Domain::Simplex),
            "Ordered" => Some(Domain::Ordered),
            "PositiveOrdered" => Some(Domain::PositiveOrdered),
            "CorrCholesky" => Some(Domain::CorrCholesky),
            "CovCholesky" => Some(Domain::CovCholesky),
            "PosDef" => Some(Domain::PosDef),
            "Corr" => Some(Domain::Corr),
            "UnitVector" => Some(Domain::UnitVector),
            "Vector" => Some(Domain::Vector),
            _ => None,
        };
        if let Some(make) = sized {
            let size = self.size()?;
            self.expect(")")?;
            return Ok(make(size));
        }
        match word {
            "Values" => return Ok(Domain::Values(self.list(")", Self::value)?)),
            "Union" => return Ok(Domain::Union(self.list(")", Self::domain)?)),
            "Product" => return Ok(Domain::Product(self.list(")", Self::domain)?)),
            _ => {}
        }
        let domain = match word {
            "Interval" => {
                let low = self.real()?;
                self.expect(",")?;
                Domain::Interval(low, self.real()?)
            }
            "IntRange" => {
                let low = self.int()?;
                self.expect(",")?;
                Domain::IntRange(low, self.int()?)
            }
            "Matrix" => {
                let rows = self.size()?;
                self.expect(",")?;
                Domain::Matrix(rows, self.size()?)
            }
            "Counts" => {
                let length = self.size()?;
                self.expect(",")?;
                Domain::Counts(length, self.int()?)
            }
            "Power" => {
                let base = self.domain()?;
                self.expect(",")?;
                Domain::Power(Box::new(base), self.size()?)
            }
            _ => return self.error(format!("unknown domain {word}")),
        };
        self.expect(")")?;
        Ok(domain)
    }
}
