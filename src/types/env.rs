//! What names mean outside of bodies: items by scope, library definitions, and the types found for them.
//!
//! Each file and each REPL entry has a scope of its own; the scope of a later entry begins with those of the earlier ones, so
//! a body keeps the meaning its names had where it was written.

use super::constraint::Constraint;
use super::scheme::Scheme;
use crate::core::Type;
use crate::source::{Name, Span};
use crate::syntax::ast::{BindId, ItemId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A place where names are looked up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ScopeId(pub u32);

impl ScopeId {
    /// The names of the standard library.
    pub const LIBRARY: ScopeId = ScopeId(0);
}

/// What a name of a scope stands for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) enum Entity {
    Fn(ItemId),
    Dist(ItemId),
    Prim(u32),
    /// A `data` declaration or a top-level variable: its item, its binder, whether it is a `var`.
    Global {
        item: ItemId,
        bind: BindId,
        mutable: bool,
        span: Span,
    },
    Constructor(ItemId, u32),
    /// An imported file.
    Module(ScopeId),
    /// `import stats`: names of the library behind a dot.
    Library,
}

/// A set of names, and where to look further.
#[derive(Default, Debug)]
pub(crate) struct Scope {
    pub names: HashMap<Name, Vec<Entity>>,
    pub types: HashMap<Name, ItemId>,
    /// Names that items define which could not be read: of them nothing more is said.
    pub broken: HashSet<Name>,
    pub parent: Option<ScopeId>,
}

/// All that bodies may refer to.
#[derive(Debug)]
pub(crate) struct Env {
    pub scopes: Vec<Scope>,
    pub item_scopes: HashMap<ItemId, ScopeId>,
    /// Of functions, models and distributions.
    pub schemes: HashMap<ItemId, Arc<Scheme>>,
    pub prims: HashMap<u32, Arc<Scheme>>,
    pub constructors: HashMap<(ItemId, u32), Arc<Scheme>>,
    /// Of `data` declarations and top-level variables.
    pub globals: HashMap<BindId, Type>,
    /// Top-level variables whose definition is wrong.
    pub failed: HashSet<BindId>,
    pub domains: HashMap<Name, Arc<Scheme>>,
    /// Names that may be suggested, from the library.
    pub library_names: Vec<&'static str>,
}

impl Env {
    pub fn new() -> Env {
        Env {
            scopes: vec![Scope::default()],
            item_scopes: HashMap::new(),
            schemes: HashMap::new(),
            prims: HashMap::new(),
            constructors: HashMap::new(),
            globals: HashMap::new(),
            failed: HashSet::new(),
            domains: super::domain::schemes(),
            library_names: Vec::new(),
        }
    }

    /// What a name means in a scope: the definitions of the nearest scope that has it, else those of the library.
    pub fn lookup(&self, scope: ScopeId, name: Name) -> &[Entity] {
        self.lookup_outside(scope, name, None)
    }

    /// The same inside the definition of a variable, whose name means an earlier one there: `let sd = sd(xs)`.
    pub fn lookup_outside(&self, scope: ScopeId, name: Name, own: Option<ItemId>) -> &[Entity] {
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = &self.scopes[id.0 as usize];
            match scope.names.get(&name).map(Vec::as_slice) {
                Some([Entity::Global { item, .. }]) if Some(*item) == own => {}
                Some(found) => return found,
                None => {}
            }
            at = scope.parent;
        }
        self.scopes[0].names.get(&name).map_or(&[], Vec::as_slice)
    }

    /// The declaration of a named type.
    pub fn lookup_type(&self, scope: ScopeId, name: Name) -> Option<ItemId> {
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = &self.scopes[id.0 as usize];
            if let Some(found) = scope.types.get(&name) {
                return Some(*found);
            }
            at = scope.parent;
        }
        self.scopes[0].types.get(&name).copied()
    }

    /// Whether an item that could not be read seems to define a name: its mistake was told, and what follows from it is not.
    pub fn is_broken(&self, scope: ScopeId, name: Name) -> bool {
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = &self.scopes[id.0 as usize];
            if scope.broken.contains(&name) {
                return true;
            }
            at = scope.parent;
        }
        false
    }

    /// Every name that can be seen from a scope, for suggestions: those of the nearest scope first, the library's last.
    pub fn visible(&self, scope: ScopeId) -> Vec<&'static str> {
        let mut found: Vec<&'static str> = Vec::new();
        let mut at = Some(scope);
        while let Some(id) = at {
            let scope = &self.scopes[id.0 as usize];
            let mut names: Vec<&'static str> = scope.names.keys().map(|name| name.as_str()).collect();
            names.sort_unstable();
            found.extend(names);
            at = scope.parent;
        }
        let library = self.library_names.iter().copied().filter(|name| !name.starts_with("draw_"));
        let mut names: Vec<&'static str> = library.chain(super::domain::NAMES.iter().map(|(name, _)| *name)).collect();
        names.sort_unstable();
        found.extend(names);
        found
    }

    /// The scheme of a definition, once it is known.
    pub fn scheme(&self, entity: Entity) -> Option<&Arc<Scheme>> {
        match entity {
            Entity::Fn(item) | Entity::Dist(item) => self.schemes.get(&item),
            Entity::Prim(row) => self.prims.get(&row),
            Entity::Constructor(item, tag) => self.constructors.get(&(item, tag)),
            _ => None,
        }
    }
}

/// No constraints.
pub(crate) const NO_CONSTRAINTS: &[Constraint] = &[];
