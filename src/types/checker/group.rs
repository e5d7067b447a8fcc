//! Groups of definitions that use each other, found on demand, dependencies first (Tarjan 1972).

use super::super::constraint::Constraint;
use super::super::depend;
use super::super::env::{Entity, ScopeId};
use super::super::infer::Infer;
use super::super::scheme::Scheme;
use super::Checker;
use crate::source::{Diagnostic, Name};
use crate::syntax::ast::{ItemId, ItemKind};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// How often a body is looked at again because a definition turned out to be needed.
const RETRIES: usize = 4;

/// How many conditions a scheme may have. Beyond, open types are decided as in a finished body: each call copies the
/// conditions, so functions that call such functions several times would otherwise grow without bound.
const MAX_CONDITIONS: usize = 1000;

/// The state of the search for groups.
#[derive(Default)]
pub(super) struct Groups {
    visited: HashMap<ItemId, Visit>,
    stack: Vec<ItemId>,
    next: u32,
}

#[derive(Clone, Copy)]
struct Visit {
    index: u32,
    low: u32,
    on_stack: bool,
}

impl Checker {
    /// Makes the type of an item known.
    pub(super) fn ensure(&mut self, item: ItemId) {
        if !self.groups.visited.contains_key(&item) {
            self.visit(item);
        }
    }

    pub(super) fn ensure_entity(&mut self, entity: Entity) {
        if let Entity::Fn(item) | Entity::Dist(item) | Entity::Global { item, .. } = entity {
            self.ensure(item);
        }
    }

    pub(super) fn ensure_dependencies(&mut self, item: ItemId) {
        for dependency in self.dependencies(item) {
            self.ensure(dependency);
        }
    }

    fn visit(&mut self, item: ItemId) {
        let index = self.groups.next;
        self.groups.next += 1;
        self.groups.visited.insert(item, Visit { index, low: index, on_stack: true });
        self.groups.stack.push(item);
        let mut low = index;
        let mut uses_itself = false;
        for dependency in self.dependencies(item) {
            uses_itself |= dependency == item;
            match self.groups.visited.get(&dependency) {
                None => {
                    self.visit(dependency);
                    low = low.min(self.groups.visited.get(&dependency).map_or(low, |v| v.low));
                }
                Some(visit) if visit.on_stack => low = low.min(visit.index),
                Some(_) => {}
            }
        }
        if let Some(visit) = self.groups.visited.get_mut(&item) {
            visit.low = low;
        }
        if low != index {
            return;
        }
        let mut group = Vec::new();
        while let Some(member) = self.groups.stack.pop() {
            if let Some(visit) = self.groups.visited.get_mut(&member) {
                visit.on_stack = false;
            }
            group.push(member);
            if member == item {
                break;
            }
        }
        group.sort_unstable();
        self.infer_group(&group, uses_itself);
    }

    /// The items that an item uses, library definitions included.
    fn dependencies(&mut self, item: ItemId) -> Vec<ItemId> {
        let uses = depend::uses(&self.ast, item);
        let scope = self.scope_of(item);
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut add = |entity: Entity| {
            if let Entity::Fn(item) | Entity::Dist(item) | Entity::Global { item, .. } = entity
                && seen.insert(item)
            {
                found.push(item);
            }
        };
        let mut entities = Vec::new();
        for name in uses.types {
            self.load(name);
        }
        for name in uses.values {
            entities.extend(self.entities(scope, name, Some(item)));
        }
        for (module, name) in uses.members {
            match self.env.lookup(scope, module).first().copied() {
                Some(Entity::Library) => entities.extend(self.entities(ScopeId::LIBRARY, name, None)),
                Some(Entity::Module(file)) => {
                    let names = &self.env.scopes[file.0 as usize].names;
                    entities.extend(names.get(&name).cloned().unwrap_or_default());
                }
                _ => {}
            }
        }
        entities.into_iter().for_each(&mut add);
        // The type of `data` is its declaration's.
        found.retain(|dependency| {
            *dependency == item || !matches!(self.ast.item(*dependency).kind, ItemKind::Data { .. })
        });
        found
    }

    fn entities(&mut self, scope: ScopeId, name: Name, own: Option<ItemId>) -> Vec<Entity> {
        // A definition of the session hides all of the library's.
        let found = self.env.lookup_outside(scope, name, own);
        let library = found.is_empty() || self.env.scopes[0].names.get(&name).is_some_and(|known| known == found);
        if library {
            self.load(name);
        }
        self.env.lookup_outside(scope, name, own).to_vec()
    }

    fn infer_group(&mut self, group: &[ItemId], uses_itself: bool) {
        let statement = |checker: &Checker, item: ItemId| {
            matches!(checker.ast.item(item).kind, ItemKind::Stmt(_) | ItemKind::Data { .. } | ItemKind::Test { .. })
        };
        if let [only] = group
            && statement(self, *only)
        {
            if uses_itself && super::binders(&self.ast, *only).is_empty() {
                // A loop that assigns a variable of the file is no definition.
            } else if uses_itself {
                self.report_cycle(*only);
                self.statements.insert(*only, Err(Vec::new()));
                return;
            }
            let (typed, found) = self.infer_statement(*only);
            self.found.extend(found.iter().cloned());
            self.statements.insert(*only, typed.ok_or(found));
            return;
        }
        let mut definitions = Vec::new();
        for &item in group {
            if statement(self, item) {
                self.report_cycle(item);
                self.statements.insert(item, Err(Vec::new()));
            } else if matches!(self.ast.item(item).kind, ItemKind::Fn(_) | ItemKind::Dist(_)) {
                definitions.push(item);
            }
        }
        if definitions.is_empty() {
            return;
        }
        let scope = self.scope_of(definitions[0]);
        let (schemes, found) = self.with_names(|checker| {
            let mut infer = Infer::new(&checker.ast, &checker.env, &checker.sources, scope);
            let mut members = Vec::new();
            for &item in &definitions {
                infer.enter(checker.scope_of(item));
                members.extend(infer.declare(item).map(|mono| (item, mono)));
            }
            for (item, _) in &members {
                infer.enter(checker.scope_of(*item));
                infer.define(*item);
            }
            infer.solve();
            if infer.needs_names() {
                return Err(infer.missing());
            }
            if infer.pending.len() > MAX_CONDITIONS {
                infer.lenient = true;
                infer.decide_rest();
            }
            let library = scope == ScopeId::LIBRARY;
            infer.conclude(!library);
            let pending: Vec<Constraint> = std::mem::take(&mut infer.pending);
            let schemes: Vec<(ItemId, Arc<Scheme>)> = members
                .iter()
                .map(|(item, mono)| (*item, Arc::new(Scheme::generalise(&infer.table, mono, false, &pending))))
                .collect();
            Ok((schemes, std::mem::take(&mut infer.diagnostics)))
        });
        self.env.schemes.extend(schemes);
        self.found.extend(found);
    }

    /// Runs an inference; where it needs definitions that are not known yet, makes them known and runs it again.
    pub(super) fn with_names<T: Default>(
        &mut self,
        run: impl Fn(&Checker) -> Result<(T, Vec<Diagnostic>), (Vec<Entity>, Vec<Name>)>,
    ) -> (T, Vec<Diagnostic>) {
        for _ in 0..RETRIES {
            match run(self) {
                Ok((result, found)) => return (result, found),
                Err((entities, names)) => {
                    for name in names {
                        self.load(name);
                        let entities = self.env.lookup(ScopeId::LIBRARY, name).to_vec();
                        entities.into_iter().for_each(|e| self.ensure_entity(e));
                    }
                    entities.into_iter().for_each(|e| self.ensure_entity(e));
                }
            }
        }
        (T::default(), Vec::new())
    }
}
