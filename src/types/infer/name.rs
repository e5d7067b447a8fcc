//! What a name means where it is used.

use super::{Hint, Infer};
use crate::source::{Name, Span};
use crate::syntax::ast::{ExprId, ExprKind};
use crate::types::constraint::Kind;
use crate::types::env::Entity;
use crate::types::scheme::{Callee, Candidate};
use crate::types::table::{Node, Ty};
use crate::types::typed::NameUse;
use crate::types::{domain, error};
use std::sync::Arc;

/// The meaning of a name.
pub(crate) enum Meaning {
    Local(usize),
    Value(NameUse, Ty),
    /// Definitions, more than one where the name is overloaded.
    Definitions(Arc<[Candidate]>),
    Module,
    Unknown,
}

impl Infer<'_> {
    pub fn meaning(&mut self, name: Name) -> Meaning {
        if let Some(place) = self.by_name.get(&name).and_then(|places| places.last()) {
            return Meaning::Local(*place);
        }
        let env = self.env;
        self.meaning_of(env.lookup_outside(self.scope, name, self.own), name)
    }

    /// The meaning of a name where a type is expected: where that is a domain, domains come before definitions.
    pub fn meaning_for(&mut self, name: Name, hint: Hint) -> Meaning {
        let wants_domain = hint.is_some_and(|(ty, _)| matches!(self.table.node(ty), Node::Domain(_)));
        if wants_domain && self.local(name).is_none() && self.env.domains.contains_key(&name) {
            return self.domain_meaning(name);
        }
        self.meaning(name)
    }

    /// The meaning of a name behind a dot: of an imported file or library module.
    pub fn member_meaning(&mut self, module: Entity, name: Name) -> Meaning {
        let env = self.env;
        let found = match module {
            Entity::Module(scope) => env.scopes[scope.0 as usize].names.get(&name).map_or(&[][..], Vec::as_slice),
            _ => env.scopes[0].names.get(&name).map_or(&[][..], Vec::as_slice),
        };
        if found.is_empty() {
            return Meaning::Unknown;
        }
        self.meaning_of(found, name)
    }

    fn meaning_of(&mut self, entities: &[Entity], name: Name) -> Meaning {
        let visible: Vec<Entity> = entities
            .iter()
            .copied()
            .filter(|e| self.draws_allowed || !matches!(e, Entity::Prim(_)) || !name.as_str().starts_with("draw_"))
            .collect();
        match visible.as_slice() {
            [] => self.domain_meaning(name),
            [entity @ Entity::Global { bind, .. }] => match self.env.globals.get(bind) {
                Some(ty) => {
                    let ty = self.table.import(*ty);
                    Meaning::Value(NameUse::Global(*bind), ty)
                }
                None => {
                    if !self.env.failed.contains(bind) {
                        self.missing.push(*entity);
                    }
                    Meaning::Value(NameUse::Global(*bind), Ty::ERROR)
                }
            },
            [Entity::Module(_) | Entity::Library] => Meaning::Module,
            several => {
                let mut candidates = Vec::new();
                for entity in several {
                    match self.candidate(*entity) {
                        Some(candidate) => candidates.push(candidate),
                        None => self.missing.push(*entity),
                    }
                }
                Meaning::Definitions(candidates.into())
            }
        }
    }

    fn domain_meaning(&self, name: Name) -> Meaning {
        match self.env.domains.get(&name) {
            Some(scheme) => Meaning::Definitions(Arc::new([Candidate::Scheme(scheme.clone())])),
            None => Meaning::Unknown,
        }
    }

    fn candidate(&self, entity: Entity) -> Option<Candidate> {
        if let Entity::Fn(item) | Entity::Dist(item) = entity
            && let Some(mono) = self.group.get(&item)
        {
            return Some(Candidate::Mono(mono.clone()));
        }
        self.env.scheme(entity).map(|scheme| Candidate::Scheme(scheme.clone()))
    }

    /// The type of a name used as a value.
    pub fn name(&mut self, expr: ExprId, name: Name, hint: Hint) -> Ty {
        let meaning = self.meaning_for(name, hint);
        self.value_of(expr, name, meaning, hint)
    }

    pub fn value_of(&mut self, expr: ExprId, name: Name, meaning: Meaning, hint: Hint) -> Ty {
        let span = self.span(expr);
        match meaning {
            Meaning::Local(place) => {
                let local = &self.locals[place];
                let ty = local.ty;
                self.record.names.push((expr, NameUse::Local(local.bind)));
                ty
            }
            Meaning::Value(usage, ty) => {
                self.record.names.push((expr, usage));
                ty
            }
            Meaning::Definitions(candidates) => match &*candidates {
                [] => Ty::ERROR,
                [only] => self.definition_value(expr, only, span),
                _ => {
                    let ty = self.table.fresh();
                    if let Some((expected, _)) = hint {
                        let known = self.known(expected);
                        if let Node::Fn(params, _, result) = self.table.node(known).clone() {
                            // The effect stays open: a deterministic definition serves where a random one is expected.
                            let effect = self.table.fresh_effect();
                            let shape = self.table.add(Node::Fn(params, effect, result));
                            let _ = self.table.unify(ty, shape);
                        }
                    }
                    self.require(Kind::Pick { expr, candidates, ty }, span);
                    ty
                }
            },
            Meaning::Module => {
                self.report(error::module_as_value(span, name));
                Ty::ERROR
            }
            Meaning::Unknown => {
                self.unknown_name(span, name);
                Ty::ERROR
            }
        }
    }

    /// The type of a definition used as a value, and what it is recorded as.
    pub fn definition_value(&mut self, expr: ExprId, candidate: &Candidate, span: Span) -> Ty {
        let mut constraints = Vec::new();
        let used = candidate.instantiate(&mut self.table, span, &mut constraints);
        self.require_all(constraints);
        let usage = match used.callee {
            Callee::Def(def) => NameUse::Def(def),
            Callee::Dist(item) => NameUse::Dist(item),
            Callee::Constructor(_, tag) => NameUse::Constructor(tag),
            Callee::Domain(name) => NameUse::Domain(name),
        };
        self.record.names.push((expr, usage));
        if used.params.is_empty() && matches!(used.callee, Callee::Constructor(..) | Callee::Domain(_)) {
            return used.result;
        }
        if let Callee::Domain(name) = used.callee {
            self.report(error::domain_needs_arguments(span, name, &used.params));
            return Ty::ERROR;
        }
        // Used as a value it may be taken for more random than it is.
        let effect = self.table.fresh_effect();
        self.table.flow(used.effect, effect, span);
        self.table.add(Node::Fn(used.params.iter().map(|p| p.ty).collect(), effect, used.result))
    }

    pub fn unknown_name(&mut self, span: Span, name: Name) {
        if self.env.is_broken(self.scope, name) {
            return;
        }
        let suggestion = self.suggestion(name);
        let diagnostic = error::unknown_name(span, name, suggestion, domain::member(name.as_str()).is_some());
        self.report(diagnostic);
    }

    /// The visible name that is meant by an unknown one, most likely.
    pub fn suggestion(&self, name: Name) -> Option<String> {
        // Of equally near names the innermost is meant.
        let mut visible: Vec<&'static str> = self.local_names().collect();
        visible.extend(self.env.visible(self.scope));
        crate::types::suggest::name(name.as_str(), &visible)
    }

    /// The module that an expression names, for `p.f`.
    pub fn module(&mut self, expr: ExprId) -> Option<Entity> {
        let ExprKind::Name(name) = self.ast.expr(expr).kind else { return None };
        if self.local(name).is_some() {
            return None;
        }
        match self.env.lookup(self.scope, name) {
            [module @ (Entity::Module(_) | Entity::Library)] => Some(*module),
            _ => None,
        }
    }
}
