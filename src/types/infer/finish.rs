//! The end of an inference: effects, completeness of matches, and the answer in concrete types.

use super::Infer;
use crate::core::{Type, TypeKind};
use crate::source::Span;
use crate::types::scheme::Candidate;
use crate::types::table::{Eff, Ty};
use crate::types::typed::{CallUse, Typed};
use crate::types::{effect, error, exhaustive};
use std::collections::HashSet;

impl Infer<'_> {
    /// Checks what can only be seen when a body is complete.
    pub fn conclude(&mut self, warnings: bool) {
        let found = effect::settle(&mut self.table);
        for diagnostic in found {
            self.report(diagnostic);
        }
        for check in std::mem::take(&mut self.matches) {
            exhaustive::check_match(self, &check, warnings);
        }
        for (pattern, ty, what) in std::mem::take(&mut self.irrefutable) {
            exhaustive::check_irrefutable(self, pattern, ty, what);
        }
        if warnings {
            for (span, ty, effect) in std::mem::take(&mut self.unused) {
                let pure = self.table.effect(effect) != Eff::RANDOM;
                let plain = matches!(self.table.node(ty), crate::types::table::Node::Unit)
                    || matches!(self.table.node(ty), crate::types::table::Node::Error)
                    || self.table.is_unknown(ty);
                if pure && !plain {
                    let shown = self.table.show(ty);
                    self.report(error::unused_value(span, &shown, self.sources.text(span)));
                }
            }
        }
    }

    /// The answer, once everything is decided.
    pub fn typed(&mut self, result: Option<Ty>) -> Typed {
        let mut typed = Typed::default();
        let record = std::mem::take(&mut self.record);
        for (expr, ty) in &record.exprs {
            typed.types.insert(*expr, self.table.export(*ty));
        }
        // An integer literal in the place of a real number is one that is widened.
        for (expr, ty) in typed.types.iter_mut() {
            if *ty == Type::REAL && matches!(self.ast.expr(*expr).kind, crate::syntax::ast::ExprKind::Int(_)) {
                *ty = Type::INT;
                typed.coercions.insert(*expr, Type::REAL);
            }
        }
        for (expr, to) in &record.coercions {
            let to = self.table.export(*to);
            typed.coercions.entry(*expr).or_insert(to);
        }
        let types = &typed.types;
        typed.coercions.retain(|expr, to| types.get(expr).is_none_or(|from| erase(*from) != erase(*to)));
        typed.names = record.names.into_iter().collect();
        for (expr, call) in record.calls {
            let params = call.params.iter().map(|ty| self.table.export(*ty)).collect();
            let result = self.table.export(call.result);
            typed.calls.insert(expr, CallUse { target: call.target, args: call.args, params, result });
        }
        for (bind, ty) in record.binds {
            typed.binds.insert(bind, self.table.export(ty));
        }
        typed.draws = record.draws.into_iter().collect();
        typed.result = result.map(|ty| self.table.export(ty));
        let mut seen = HashSet::new();
        let all: Vec<Type> = typed.types.values().chain(typed.binds.values()).chain(&typed.result).copied().collect();
        for ty in all {
            self.declare_variants(ty, &mut seen);
        }
        typed
    }

    /// Declares the constructors of every variant type inside a type.
    fn declare_variants(&mut self, ty: Type, seen: &mut HashSet<Type>) {
        if !seen.insert(ty) {
            return;
        }
        match ty.kind() {
            TypeKind::Array(t) | TypeKind::Dist(t) | TypeKind::Posterior(t) | TypeKind::Domain(t) => {
                self.declare_variants(*t, seen);
            }
            TypeKind::Tuple(parts) | TypeKind::Host(_, parts) => {
                parts.iter().for_each(|t| self.declare_variants(*t, seen));
            }
            TypeKind::Record(fields) => fields.iter().for_each(|(_, t)| self.declare_variants(*t, seen)),
            TypeKind::Fn(params, _, result) => {
                params.iter().for_each(|t| self.declare_variants(*t, seen));
                self.declare_variants(*result, seen);
            }
            TypeKind::Variant(_, id, args) => {
                args.iter().for_each(|t| self.declare_variants(*t, seen));
                let item = crate::syntax::ast::ItemId(*id);
                let mut constructors = Vec::new();
                for tag in 0.. {
                    let Some(scheme) = self.env.constructors.get(&(item, tag)).cloned() else { break };
                    let name = scheme.name;
                    let used = Candidate::Scheme(scheme).instantiate(&mut self.table, Span::NONE, &mut Vec::new());
                    let whole = self.table.import(ty);
                    let _ = self.table.unify(used.result, whole);
                    let fields = used.params.iter().map(|param| self.table.export(param.ty)).collect::<Vec<_>>();
                    constructors.push((name, fields));
                }
                let fields: Vec<Type> = constructors.iter().flat_map(|(_, fields)| fields.iter().copied()).collect();
                ty.declare_constructors(constructors);
                fields.into_iter().for_each(|t| self.declare_variants(t, seen));
            }
            _ => {}
        }
    }
}

/// The type with every function deterministic: whether a function may be random is no matter of representation.
fn erase(ty: Type) -> Type {
    let all = |types: &[Type]| types.iter().map(|t| erase(*t)).collect::<Vec<_>>();
    match ty.kind() {
        TypeKind::Array(t) => erase(*t).array(),
        TypeKind::Tuple(parts) => Type::new(TypeKind::Tuple(all(parts))),
        TypeKind::Record(fields) => {
            Type::new(TypeKind::Record(fields.iter().map(|(name, t)| (*name, erase(*t))).collect()))
        }
        TypeKind::Variant(name, id, args) => Type::new(TypeKind::Variant(*name, *id, all(args))),
        TypeKind::Host(name, args) => Type::new(TypeKind::Host(*name, all(args))),
        TypeKind::Dist(t) => erase(*t).dist(),
        TypeKind::Posterior(t) => Type::new(TypeKind::Posterior(erase(*t))),
        TypeKind::Domain(t) => Type::new(TypeKind::Domain(erase(*t))),
        TypeKind::Fn(params, _, result) => Type::new(TypeKind::Fn(all(params), false, erase(*result))),
        _ => ty,
    }
}
