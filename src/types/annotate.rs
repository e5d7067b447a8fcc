//! From types as written to types of the table.

use super::domain::member;
use super::infer::Infer;
use super::table::{Eff, Node, Ty};
use super::{error, suggest};
use crate::source::{Name, Span};
use crate::syntax::ast::{Arrow, Ident, ItemKind, TypeExprKind, TypeId};

/// Types of the host that programs may name, with the number of their arguments.
const HOST_TYPES: &[(&str, usize)] = &[("Kernel", 0), ("Ensemble", 1), ("Population", 1), ("Run", 1), ("Trace", 1)];

/// How deep aliases may lead into each other.
const ALIAS_LIMIT: u32 = 64;

/// The types of the language itself, for suggestions.
const BUILT_IN: &[&str] = &["Bool", "Int", "Real", "String", "Matrix", "Dist", "Posterior", "Domain"];

impl Infer<'_> {
    /// The type that a written type stands for.
    pub fn annotation(&mut self, ty: TypeId) -> Ty {
        self.convert(ty, false, 0)
    }

    /// The same for a parameter, where `~>` also takes deterministic functions and keeps track of it.
    pub fn parameter_annotation(&mut self, ty: TypeId) -> Ty {
        self.convert(ty, true, 0)
    }

    fn convert(&mut self, ty: TypeId, parameter: bool, depth: u32) -> Ty {
        let ast = self.ast;
        let span = ast.ty(ty).span;
        if depth > ALIAS_LIMIT {
            self.report(error::endless_alias(span));
            return Ty::ERROR;
        }
        match &ast.ty(ty).kind {
            TypeExprKind::Unit => Ty::UNIT,
            TypeExprKind::Error => Ty::ERROR,
            TypeExprKind::Name(name, args) => {
                let args: Vec<Ty> = args.iter().map(|t| self.convert(*t, parameter, depth)).collect();
                self.named_type(*name, &args, span, depth)
            }
            TypeExprKind::Domain(name, args) => match self.domain_type(*name, args) {
                Some(ty) => ty,
                None => self.unknown_type(*name),
            },
            TypeExprKind::Array(element) => {
                let element = self.convert(*element, parameter, depth);
                self.table.array(element)
            }
            TypeExprKind::Tuple(parts) => {
                let parts = parts.iter().map(|t| self.convert(*t, parameter, depth)).collect();
                self.table.add(Node::Tuple(parts))
            }
            TypeExprKind::Record(fields) => {
                let fields = fields.iter().map(|(name, t)| (name.name, self.convert(*t, parameter, depth))).collect();
                self.table.add(Node::Record(fields))
            }
            TypeExprKind::Fn(params, arrow, result) => {
                let params = params.iter().map(|t| self.convert(*t, parameter, depth)).collect();
                let result = self.convert(*result, parameter, depth);
                let effect = match arrow {
                    Arrow::Deterministic => Eff::DETERMINISTIC,
                    Arrow::Random if parameter => self.table.fresh_effect(),
                    Arrow::Random => Eff::RANDOM,
                };
                self.table.add(Node::Fn(params, effect, result))
            }
        }
    }

    fn named_type(&mut self, name: Ident, args: &[Ty], span: Span, depth: u32) -> Ty {
        let text = name.name.as_str();
        if args.is_empty() && text.starts_with(|c: char| c.is_lowercase() || c == '_') {
            if let Some(known) = self.type_vars.get(&name.name) {
                return *known;
            }
            if let Some(found) = suggest::lower_case_type(text) {
                self.report(error::unknown_type(name, Some(found.into())));
                return Ty::ERROR;
            }
            let ty = self.table.fresh();
            self.type_vars.insert(name.name, ty);
            return ty;
        }
        if let Some(item) = self.env.lookup_type(self.scope, name.name) {
            return self.declared_type(name, item, args, span, depth);
        }
        let expected = match text {
            "Dist" | "Posterior" | "Domain" => 1,
            "Bool" | "Int" | "Real" | "String" | "Matrix" => 0,
            _ => match HOST_TYPES.iter().find(|(host, _)| *host == text) {
                Some((_, count)) => *count,
                None if member(text).is_some() => 0,
                None if self.library => args.len(),
                None => return self.unknown_type(name),
            },
        };
        if args.len() != expected {
            self.report(error::type_arguments(span, name.name, expected, args.len()));
            return Ty::ERROR;
        }
        match text {
            "String" => Ty::STR,
            "Dist" => self.table.dist(args[0]),
            "Posterior" => self.table.add(Node::Posterior(args[0])),
            "Domain" => self.table.add(Node::Domain(args[0])),
            _ => match self.domain_member(name.name) {
                Some(ty) => ty,
                None if member(text).is_some() => self.table.fresh(),
                None => self.table.add(Node::Host(name.name, args.into())),
            },
        }
    }

    fn declared_type(
        &mut self,
        name: Ident,
        item: crate::syntax::ast::ItemId,
        args: &[Ty],
        span: Span,
        depth: u32,
    ) -> Ty {
        let ast = self.ast;
        match &ast.item(item).kind {
            ItemKind::Variant { params, .. } => {
                if params.len() != args.len() {
                    self.report(error::type_arguments(span, name.name, params.len(), args.len()));
                    return Ty::ERROR;
                }
                self.table.add(Node::Variant(name.name, item.0, args.into()))
            }
            ItemKind::Alias { params, ty, .. } => {
                if params.len() != args.len() {
                    self.report(error::type_arguments(span, name.name, params.len(), args.len()));
                    return Ty::ERROR;
                }
                let inner = params.iter().map(|param| param.name).zip(args.iter().copied()).collect();
                let outer = std::mem::replace(&mut self.type_vars, inner);
                // Names in the alias mean what they meant where it was written.
                let scope = self.env.item_scopes.get(&item).copied().unwrap_or(self.scope);
                let scope = std::mem::replace(&mut self.scope, scope);
                let ty = self.convert(*ty, false, depth + 1);
                self.scope = scope;
                self.type_vars = outer;
                ty
            }
            _ => self.unknown_type(name),
        }
    }

    fn unknown_type(&mut self, name: Ident) -> Ty {
        if self.env.is_broken(self.scope, name.name) {
            return Ty::ERROR;
        }
        let mut known: Vec<&'static str> = BUILT_IN.to_vec();
        known.extend(super::domain::NAMES.iter().map(|(name, _)| *name));
        known.extend(HOST_TYPES.iter().map(|(name, _)| *name));
        let mut at = Some(self.scope);
        while let Some(id) = at {
            let scope = &self.env.scopes[id.0 as usize];
            known.extend(scope.types.keys().map(|name: &Name| name.as_str()));
            at = scope.parent;
        }
        let suggestion = suggest::type_name(name.name.as_str(), &known);
        self.report(error::unknown_type(name, suggestion));
        Ty::ERROR
    }
}
