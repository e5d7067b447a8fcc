//! Types of patterns, and the names they bind.

use super::{Infer, LocalKind};
use crate::source::Span;
use crate::syntax::ast::{Ident, PatternId, PatternKind};
use crate::types::constraint::{Kind, Operand};
use crate::types::env::Entity;
use crate::types::scheme::Candidate;
use crate::types::table::{Mismatch, Node, Ty};
use crate::types::{error, suggest};

impl Infer<'_> {
    /// Binds a pattern that must take every value; `what` says where it stands.
    pub fn bind_pattern(&mut self, pattern: PatternId, ty: Ty, kind: LocalKind, what: &'static str) {
        self.pattern(pattern, ty, kind);
        if !matches!(self.ast.pattern(pattern).kind, PatternKind::Bind(_) | PatternKind::Wild) {
            self.irrefutable.push((pattern, ty, what));
        }
    }

    /// Makes a pattern agree with the type of what it is matched against, and binds its names.
    pub fn pattern(&mut self, pattern: PatternId, ty: Ty, kind: LocalKind) {
        let ast = self.ast;
        let span = ast.pattern(pattern).span;
        match &ast.pattern(pattern).kind {
            PatternKind::Wild | PatternKind::Error => {}
            PatternKind::Bind(name) => self.bind_name(*name, ty, kind),
            PatternKind::Int(_) => {
                let literal = self.table.add(Node::Literal);
                if !matches!(self.table.node(ty), Node::Real | Node::Counter) {
                    self.pattern_agrees(span, ty, literal);
                }
            }
            PatternKind::Real(_) => self.pattern_agrees(span, ty, Ty::REAL),
            PatternKind::Bool(_) => self.pattern_agrees(span, ty, Ty::BOOL),
            PatternKind::Str(_) => self.pattern_agrees(span, ty, Ty::STR),
            PatternKind::Unit => self.pattern_agrees(span, ty, Ty::UNIT),
            PatternKind::Tuple(parts) => {
                let known = self.known(ty);
                let types = match self.table.node(known).clone() {
                    Node::Tuple(types) if types.len() == parts.len() => types.to_vec(),
                    _ => {
                        let types: Vec<Ty> = parts.iter().map(|_| self.table.fresh()).collect();
                        let tuple = self.table.add(Node::Tuple(types.clone().into()));
                        self.pattern_agrees(span, ty, tuple);
                        types
                    }
                };
                for (part, ty) in parts.iter().zip(types) {
                    self.pattern(*part, ty, kind);
                }
            }
            PatternKind::Record(fields) => {
                for (name, part) in fields {
                    let result = self.table.fresh();
                    // The expression is only read for messages, which point at the field's name.
                    let base = Operand { expr: crate::syntax::ast::ExprId(u32::MAX), ty };
                    self.require(Kind::Field { expr: None, base, name: *name, result }, name.span);
                    self.pattern(*part, result, kind);
                }
            }
            PatternKind::Constructor { name, fields } => self.constructor_pattern(span, *name, fields, ty, kind),
        }
    }

    fn pattern_agrees(&mut self, span: Span, value: Ty, pattern: Ty) {
        let mark = self.table.mark();
        if let Err(mismatch) = self.table.unify(value, pattern) {
            self.table.undo(mark);
            let diagnostic = match mismatch {
                Mismatch::Infinite => error::infinite(span),
                _ => error::pattern_mismatch(span, &self.table.show(value), &self.table.show(pattern)),
            };
            self.report(diagnostic);
        }
    }

    fn constructor_pattern(&mut self, span: Span, name: Ident, fields: &[PatternId], ty: Ty, kind: LocalKind) {
        let env = self.env;
        let found = env.lookup(self.scope, name.name).iter().copied().find(|e| matches!(e, Entity::Constructor(..)));
        let Some(scheme) = found.and_then(|entity| env.scheme(entity)) else {
            let constructors: Vec<&'static str> =
                env.visible(self.scope).into_iter().filter(|text| text.starts_with(char::is_uppercase)).collect();
            let suggestion = suggest::name(name.name.as_str(), &constructors);
            if !env.is_broken(self.scope, name.name) {
                self.report(error::unknown_constructor(name, suggestion));
            }
            for part in fields {
                self.pattern(*part, Ty::ERROR, kind);
            }
            return;
        };
        let used = Candidate::Scheme(scheme.clone()).instantiate(&mut self.table, span, &mut Vec::new());
        self.pattern_agrees(span, ty, used.result);
        if used.params.len() != fields.len() {
            self.report(error::constructor_fields(span, name.name, used.params.len(), fields.len()));
        }
        for (i, part) in fields.iter().enumerate() {
            let ty = used.params.get(i).map_or(Ty::ERROR, |param| param.ty);
            self.pattern(*part, ty, kind);
        }
    }
}
