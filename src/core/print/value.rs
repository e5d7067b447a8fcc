//! Writes values, domains and types.

use super::Printer;
use crate::core::ir::FuncId;
use crate::core::ty::{Type, TypeKind};
use crate::value::{Domain, Value};
use std::fmt::Write;

impl Printer<'_> {
    pub(super) fn full_constant(&mut self, value: &Value, ty: Type) {
        self.text("const(");
        self.value(value);
        self.text(": ");
        self.ty(ty);
        self.text(")");
    }

    fn sequence<T>(&mut self, prefix: &str, items: &[T], mut each: impl FnMut(&mut Self, &T)) {
        if items.is_empty() || prefix == "values" {
            self.text(prefix);
        }
        self.text("[");
        if items.len() > self.longest {
            self.list(items.iter().take(3), &mut each);
            self.text(", …");
        } else {
            self.list(items, each);
        }
        self.text("]");
    }

    pub(super) fn value(&mut self, value: &Value) {
        match value {
            Value::Unit => self.text("()"),
            Value::Bool(b) => self.number(b),
            Value::Int(n) => self.number(n),
            Value::Real(x) => self.real(*x),
            Value::Str(text) => self.quoted(text),
            Value::Reals(xs) => self.sequence("reals", xs, |p, x| p.real(*x)),
            Value::Ints(xs) => self.sequence("ints", xs, |p, n| p.number(n)),
            Value::Bools(xs) => self.sequence("bools", xs, |p, b| p.number(b)),
            Value::Values(xs) => self.sequence("values", xs, |p, v| p.value(v)),
            Value::Matrix(m) => {
                let _ = write!(self.out, "matrix({}, {})", m.rows, m.cols);
                self.sequence("", &m.data, |p, x| p.real(*x));
            }
            Value::Tuple(parts) => {
                self.text("tuple(");
                self.list(&parts.0, |p, v| p.value(v));
                self.text(")");
            }
            Value::Record(record) => {
                self.text("{");
                self.list(record.names.iter().zip(&record.fields), |p, (name, v)| {
                    p.name(*name);
                    p.text(": ");
                    p.value(v);
                });
                self.text("}");
            }
            Value::Variant(variant) => {
                self.name(variant.name);
                self.text("#");
                self.number(variant.tag);
                self.text("(");
                self.list(&variant.fields, |p, v| p.value(v));
                self.text(")");
            }
            Value::Closure(closure) => {
                self.text("closure ");
                self.func(FuncId(closure.function));
                self.text("[");
                self.list(&closure.captures, |p, v| p.value(v));
                self.text("]");
            }
            Value::Dist(dist) => {
                self.name(dist.name);
                self.text("%");
                self.number(dist.dist);
                self.text("(");
                self.list(&dist.args, |p, v| p.value(v));
                self.text(")");
            }
            Value::Domain(domain) => {
                self.text("domain ");
                self.domain(domain);
            }
            Value::Host(object) => {
                self.text("host ");
                self.quoted(object.type_name());
            }
        }
    }

    fn real(&mut self, x: f64) {
        if x.is_nan() {
            self.text("nan");
        } else {
            // The shortest text that reads back to the same bits; it always has a point, an exponent, or is `inf`.
            let _ = write!(self.out, "{x:?}");
        }
    }

    fn domain(&mut self, domain: &Domain) {
        let sized = |p: &mut Self, name: &str, n: usize| {
            p.text(name);
            p.text("(");
            p.number(n);
            p.text(")");
        };
        match domain {
            Domain::Real => self.text("Real"),
            Domain::Positive => self.text("Positive"),
            Domain::NonNegative => self.text("NonNegative"),
            Domain::UnitInterval => self.text("UnitInterval"),
            Domain::Bool => self.text("Bool"),
            Domain::Int => self.text("Int"),
            Domain::Natural => self.text("Natural"),
            Domain::Any => self.text("Any"),
            Domain::Interval(a, b) => {
                self.text("Interval(");
                self.real(*a);
                self.text(", ");
                self.real(*b);
                self.text(")");
            }
            Domain::IntRange(a, b) => {
                let _ = write!(self.out, "IntRange({a}, {b})");
            }
            Domain::Simplex(n) => sized(self, "Simplex", *n),
            Domain::Ordered(n) => sized(self, "Ordered", *n),
            Domain::PositiveOrdered(n) => sized(self, "PositiveOrdered", *n),
            Domain::CorrCholesky(n) => sized(self, "CorrCholesky", *n),
            Domain::CovCholesky(n) => sized(self, "CovCholesky", *n),
            Domain::PosDef(n) => sized(self, "PosDef", *n),
            Domain::Corr(n) => sized(self, "Corr", *n),
            Domain::UnitVector(n) => sized(self, "UnitVector", *n),
            Domain::Vector(n) => sized(self, "Vector", *n),
            Domain::Matrix(n, m) => {
                let _ = write!(self.out, "Matrix({n}, {m})");
            }
            Domain::Counts(k, n) => {
                let _ = write!(self.out, "Counts({k}, {n})");
            }
            Domain::Values(values) => {
                self.text("Values(");
                self.list(values, |p, v| p.value(v));
                self.text(")");
            }
            Domain::Union(parts) => {
                self.text("Union(");
                self.list(parts, |p, d| p.domain(d));
                self.text(")");
            }
            Domain::Product(parts) => {
                self.text("Product(");
                self.list(parts, |p, d| p.domain(d));
                self.text(")");
            }
            Domain::Power(base, n) => {
                self.text("Power(");
                self.domain(base);
                self.text(", ");
                self.number(n);
                self.text(")");
            }
        }
    }

    pub(super) fn ty(&mut self, ty: Type) {
        match ty.kind() {
            TypeKind::Unit | TypeKind::Bool | TypeKind::Int | TypeKind::Real | TypeKind::Str | TypeKind::Matrix => {
                self.number(ty);
            }
            TypeKind::Array(element) => {
                self.text("[");
                self.ty(*element);
                self.text("]");
            }
            TypeKind::Tuple(parts) => {
                self.text("(");
                self.list(parts, |p, t| p.ty(*t));
                self.text(")");
            }
            TypeKind::Record(fields) => {
                self.text("{");
                self.list(fields, |p, (name, t)| {
                    p.name(*name);
                    p.text(": ");
                    p.ty(*t);
                });
                self.text("}");
            }
            TypeKind::Variant(name, number, args) => {
                self.name(*name);
                self.text("#");
                self.number(number);
                self.type_args(args);
            }
            TypeKind::Host(name, args) => {
                self.name(*name);
                self.type_args(args);
            }
            TypeKind::Dist(t) => {
                self.text("Dist");
                self.type_args(&[*t]);
            }
            TypeKind::Posterior(t) => {
                self.text("Posterior");
                self.type_args(&[*t]);
            }
            TypeKind::Domain(t) => {
                self.text("Domain");
                self.type_args(&[*t]);
            }
            TypeKind::Fn(params, random, result) => {
                self.text("(");
                self.list(params, |p, t| p.ty(*t));
                self.text(if *random { ") ~> " } else { ") -> " });
                self.ty(*result);
            }
        }
    }

    fn type_args(&mut self, args: &[Type]) {
        if !args.is_empty() {
            self.text("<");
            self.list(args, |p, t| p.ty(*t));
            self.text(">");
        }
    }
}
