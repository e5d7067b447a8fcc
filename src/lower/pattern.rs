//! Patterns: what they bind, and whether they take a value.

use super::{Body, Lowered};
use crate::core::ir::*;
use crate::core::{Type, TypeKind};
use crate::source::Diagnostic;
use crate::syntax::ast::{Ident, PatternId, PatternKind};
use crate::value::Value;

impl Body<'_> {
    /// The type of a pattern that is a plain name.
    pub(super) fn pattern_type(&self, pattern: PatternId) -> Option<Type> {
        match &self.ast().pattern(pattern).kind {
            PatternKind::Bind(binder) => self.typed.binds.get(&binder.bind).copied(),
            _ => None,
        }
    }

    /// Binds the variables of a pattern that takes the value.
    pub(super) fn bind_pattern(&mut self, pattern: PatternId, atom: Atom, ty: Type) -> Lowered<()> {
        let ast = self.ast();
        let node = ast.pattern(pattern);
        let span = node.span;
        match &node.kind {
            PatternKind::Bind(binder) => {
                self.bind(binder.bind, binder.name, ty, span, atom, false);
                Ok(())
            }
            PatternKind::Tuple(parts) => {
                for (k, part) in parts.iter().enumerate() {
                    let (inner, ty) = self.tuple_field(&atom, ty, k, span)?;
                    self.bind_pattern(*part, inner, ty)?;
                }
                Ok(())
            }
            PatternKind::Record(fields) => {
                for (name, part) in fields {
                    let (inner, ty) = self.record_field(&atom, ty, name)?;
                    self.bind_pattern(*part, inner, ty)?;
                }
                Ok(())
            }
            PatternKind::Constructor { name, fields } => {
                let (tag, types) = constructor(ty, name)?;
                for (k, (part, ty)) in fields.iter().zip(types).enumerate() {
                    if self.binds_nothing(*part) {
                        continue;
                    }
                    let inner = self.emit_let(*ty, span, Rhs::Payload(atom.clone(), tag, k as u32));
                    self.bind_pattern(*part, inner, *ty)?;
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn binds_nothing(&self, pattern: PatternId) -> bool {
        let mut binds = Vec::new();
        super::pattern_binds(self.ast(), pattern, &mut binds);
        binds.is_empty()
    }

    pub(super) fn tuple_field(
        &mut self,
        atom: &Atom,
        ty: Type,
        k: usize,
        span: crate::source::Span,
    ) -> Lowered<(Atom, Type)> {
        let TypeKind::Tuple(types) = ty.kind() else {
            return Err(vec![Diagnostic::error(span, "internal error: a tuple pattern on another type")]);
        };
        let ty = types[k];
        Ok((self.emit_let(ty, span, Rhs::Field(atom.clone(), k as u32)), ty))
    }

    pub(super) fn record_field(&mut self, atom: &Atom, ty: Type, name: &Ident) -> Lowered<(Atom, Type)> {
        let TypeKind::Record(fields) = ty.kind() else {
            return Err(vec![Diagnostic::error(name.span, format!("internal error: a field of {ty}"))]);
        };
        let Some(k) = fields.iter().position(|(field, _)| *field == name.name) else {
            return Err(vec![Diagnostic::error(name.span, format!("internal error: no field `{}`", name.name))]);
        };
        let ty = fields[k].1;
        Ok((self.emit_let(ty, name.span, Rhs::Field(atom.clone(), k as u32)), ty))
    }

    /// Whether the pattern takes every value of its type.
    pub(super) fn irrefutable(&self, pattern: PatternId, ty: Type) -> bool {
        match &self.ast().pattern(pattern).kind {
            PatternKind::Wild | PatternKind::Bind(_) | PatternKind::Unit => true,
            PatternKind::Tuple(parts) => match ty.kind() {
                TypeKind::Tuple(types) => parts.iter().zip(types).all(|(p, t)| self.irrefutable(*p, *t)),
                _ => false,
            },
            PatternKind::Record(fields) => match ty.kind() {
                TypeKind::Record(types) => fields.iter().all(|(name, p)| {
                    types.iter().find(|(n, _)| *n == name.name).is_some_and(|(_, t)| self.irrefutable(*p, *t))
                }),
                _ => false,
            },
            PatternKind::Constructor { name, fields } => match ty.constructors() {
                Some([only]) => {
                    only.0 == name.name && fields.iter().zip(&only.1).all(|(p, t)| self.irrefutable(*p, *t))
                }
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether the pattern takes the value, as a boolean atom.
    pub(super) fn test_pattern(&mut self, pattern: PatternId, atom: &Atom, ty: Type) -> Lowered<Atom> {
        if self.irrefutable(pattern, ty) {
            return Ok(Atom::Const(Value::Bool(true), Type::BOOL));
        }
        let ast = self.ast();
        let node = ast.pattern(pattern);
        let span = node.span;
        let equal = |this: &mut Self, op: Op, value: Value, ty: Type| {
            this.emit_let(Type::BOOL, span, Rhs::Op(op, vec![atom.clone(), Atom::Const(value, ty)]))
        };
        match &node.kind {
            PatternKind::Int(n) if ty == Type::REAL => Ok(equal(self, Op::EqR, Value::Real(*n as f64), ty)),
            PatternKind::Int(n) => Ok(equal(self, Op::EqI, Value::Int(*n), ty)),
            PatternKind::Real(x) => Ok(equal(self, Op::EqR, Value::Real(*x), ty)),
            PatternKind::Bool(b) => Ok(equal(self, Op::EqB, Value::Bool(*b), ty)),
            PatternKind::Str(text) => Ok(equal(self, Op::Same, Value::string(text), ty)),
            PatternKind::Tuple(parts) => {
                let TypeKind::Tuple(types) = ty.kind() else {
                    return Err(vec![Diagnostic::error(span, "internal error: a tuple pattern on another type")]);
                };
                let tests: Vec<_> = parts.iter().zip(types).enumerate().map(|(k, (p, t))| (*p, k as u32, *t)).collect();
                self.test_all(atom, &tests, None, span)
            }
            PatternKind::Record(fields) => {
                let TypeKind::Record(types) = ty.kind() else {
                    return Err(vec![Diagnostic::error(span, "internal error: a record pattern on another type")]);
                };
                let mut tests = Vec::new();
                for (name, part) in fields {
                    if let Some(k) = types.iter().position(|(n, _)| *n == name.name) {
                        tests.push((*part, k as u32, types[k].1));
                    }
                }
                self.test_all(atom, &tests, None, span)
            }
            PatternKind::Constructor { name, fields } => {
                let (tag, types) = constructor(ty, name)?;
                let tests: Vec<_> =
                    fields.iter().zip(types).enumerate().map(|(k, (p, t))| (*p, k as u32, *t)).collect();
                let inner = self.in_block(|this| this.test_all(atom, &tests, Some(tag), span))?;
                let no = Block { stmts: Vec::new(), result: Atom::Const(Value::Bool(false), Type::BOOL) };
                let rhs = Rhs::Switch { on: atom.clone(), arms: vec![(tag, inner)], otherwise: Some(Box::new(no)) };
                Ok(self.emit_let(Type::BOOL, span, rhs))
            }
            _ => Ok(Atom::Const(Value::Bool(true), Type::BOOL)),
        }
    }

    /// All parts take theirs, from left to right, each looked at only when those before did.
    fn test_all(
        &mut self,
        atom: &Atom,
        tests: &[(PatternId, u32, Type)],
        tag: Option<u32>,
        span: crate::source::Span,
    ) -> Lowered<Atom> {
        let Some(((part, k, ty), rest)) = tests.split_first() else {
            return Ok(Atom::Const(Value::Bool(true), Type::BOOL));
        };
        if self.irrefutable(*part, *ty) {
            return self.test_all(atom, rest, tag, span);
        }
        let rhs = match tag {
            Some(tag) => Rhs::Payload(atom.clone(), tag, *k),
            None => Rhs::Field(atom.clone(), *k),
        };
        let inner = self.emit_let(*ty, span, rhs);
        let first = self.test_pattern(*part, &inner, *ty)?;
        if rest.iter().all(|(p, _, t)| self.irrefutable(*p, *t)) {
            return Ok(first);
        }
        let then = self.in_block(|this| this.test_all(atom, rest, tag, span))?;
        let no = Block { stmts: Vec::new(), result: Atom::Const(Value::Bool(false), Type::BOOL) };
        Ok(self.emit_let(Type::BOOL, span, Rhs::If(first, then, no)))
    }
}

/// The tag and the field types of a constructor.
pub(super) fn constructor(ty: Type, name: &Ident) -> Lowered<(u32, &'static [Type])> {
    let found = ty.constructors().and_then(|all| all.iter().position(|(n, _)| *n == name.name).map(|k| (k, &all[k].1)));
    match found {
        Some((tag, fields)) => Ok((tag as u32, fields)),
        None => Err(vec![Diagnostic::error(
            name.span,
            format!("internal error: `{}` is no constructor of {ty}", name.name),
        )]),
    }
}
