//! Types while they are being inferred: a growing table of nodes, some of them still unknown.
//!
//! Every body is inferred in a table of its own. Binding an unknown replaces its node by a link; a trail of replaced nodes
//! lets the choice among overloads try a candidate and take it back.

use crate::core::{Type, TypeKind};
use crate::source::{Name, Span};
use std::collections::HashMap;
use std::sync::Arc;

/// A type in a [`Table`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Ty(pub u32);

/// An effect in a [`Table`]: deterministic, random, or not yet known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Eff(pub u32);

impl Ty {
    pub const UNIT: Ty = Ty(0);
    pub const BOOL: Ty = Ty(1);
    pub const INT: Ty = Ty(2);
    pub const REAL: Ty = Ty(3);
    pub const STR: Ty = Ty(4);
    pub const MATRIX: Ty = Ty(5);
    /// The type of what was already reported; it agrees with everything.
    pub const ERROR: Ty = Ty(6);
    /// How many types are the same in every table.
    pub const SHARED: u32 = 7;
}

impl Eff {
    pub const DETERMINISTIC: Eff = Eff(0);
    pub const RANDOM: Eff = Eff(1);
    /// How many effects are the same in every table.
    pub const SHARED: u32 = 2;
}

/// What is known of a type.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    /// Nothing.
    Unknown,
    /// An integer literal that nothing has decided yet: `Int` or `Real`, by default `Int`.
    Literal,
    /// As [`Node::Literal`], of a `var`: its uses as a real number do not decide it, only assignments do.
    Counter,
    /// The same as another.
    Link(Ty),
    Unit,
    Bool,
    Int,
    Real,
    Str,
    Matrix,
    Error,
    Array(Ty),
    Tuple(Arc<[Ty]>),
    Record(Arc<[(Name, Ty)]>),
    Variant(Name, u32, Arc<[Ty]>),
    Dist(Ty),
    Posterior(Ty),
    Domain(Ty),
    Fn(Arc<[Ty]>, Eff, Ty),
    Host(Name, Arc<[Ty]>),
}

/// `from ≤ to`: whoever has the effect `to` may do what `from` does.
#[derive(Clone, Debug)]
pub(crate) struct Edge {
    pub from: Eff,
    pub to: Eff,
    /// The place that brings the effect.
    pub span: Span,
    /// Where `to` must be deterministic: the place that demands it, and in which words.
    pub demand: Option<(Span, &'static str)>,
}

/// Why two types do not agree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mismatch {
    Types,
    /// Records with the same fields in another order.
    Order,
    /// A type would contain itself.
    Infinite,
    /// A random function where a deterministic one is needed.
    Effect,
}

/// The types and effects of one inference.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    nodes: Vec<Node>,
    effects: Vec<Option<Eff>>,
    pub edges: Vec<Edge>,
    trail: Vec<(Ty, Node)>,
    effect_trail: Vec<Eff>,
    /// Counts the bindings, so that waiting constraints know whether another try is worth it.
    pub bindings: u64,
    memo: HashMap<Ty, Type>,
}

/// A moment to which a [`Table`] can return.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    nodes: usize,
    effects: usize,
    edges: usize,
    trail: usize,
    effect_trail: usize,
    bindings: u64,
}

impl Table {
    pub fn new() -> Table {
        let nodes = vec![Node::Unit, Node::Bool, Node::Int, Node::Real, Node::Str, Node::Matrix, Node::Error];
        Table {
            nodes,
            effects: vec![None, None],
            edges: Vec::new(),
            trail: Vec::new(),
            effect_trail: Vec::new(),
            bindings: 0,
            memo: HashMap::new(),
        }
    }

    pub fn add(&mut self, node: Node) -> Ty {
        self.nodes.push(node);
        Ty((self.nodes.len() - 1) as u32)
    }

    pub fn fresh(&mut self) -> Ty {
        self.add(Node::Unknown)
    }

    pub fn array(&mut self, element: Ty) -> Ty {
        self.add(Node::Array(element))
    }

    pub fn dist(&mut self, value: Ty) -> Ty {
        self.add(Node::Dist(value))
    }

    pub fn fresh_effect(&mut self) -> Eff {
        self.effects.push(None);
        Eff((self.effects.len() - 1) as u32)
    }

    pub fn len(&self) -> u32 {
        self.nodes.len() as u32
    }

    pub fn effects_len(&self) -> u32 {
        self.effects.len() as u32
    }

    /// The type at the end of the links.
    pub fn root(&self, mut ty: Ty) -> Ty {
        while let Node::Link(next) = &self.nodes[ty.0 as usize] {
            ty = *next;
        }
        ty
    }

    /// What is known of a type.
    pub fn node(&self, ty: Ty) -> &Node {
        &self.nodes[self.root(ty).0 as usize]
    }

    pub fn effect(&self, mut effect: Eff) -> Eff {
        while let Some(next) = self.effects[effect.0 as usize] {
            effect = next;
        }
        effect
    }

    /// Whether nothing is known of the type; a literal counts as known.
    pub fn is_unknown(&self, ty: Ty) -> bool {
        matches!(self.node(ty), Node::Unknown)
    }

    /// Replaces an unknown by a type.
    pub fn bind(&mut self, unknown: Ty, ty: Ty) {
        let old = std::mem::replace(&mut self.nodes[unknown.0 as usize], Node::Link(ty));
        self.trail.push((unknown, old));
        self.bindings += 1;
    }

    /// Replaces what is known of an unknown, such as that it is the type of a `var`.
    pub fn refine(&mut self, unknown: Ty, node: Node) {
        let old = std::mem::replace(&mut self.nodes[unknown.0 as usize], node);
        self.trail.push((unknown, old));
        self.bindings += 1;
    }

    pub fn bind_effect(&mut self, unknown: Eff, effect: Eff) {
        self.effects[unknown.0 as usize] = Some(effect);
        self.effect_trail.push(unknown);
    }

    /// Whoever has the effect `to` may do what `from` does.
    pub fn flow(&mut self, from: Eff, to: Eff, span: Span) {
        let (from, to) = (self.effect(from), self.effect(to));
        if from != to && from != Eff::DETERMINISTIC && to != Eff::RANDOM {
            self.edges.push(Edge { from, to, span, demand: None });
        }
    }

    pub fn mark(&self) -> Mark {
        Mark {
            nodes: self.nodes.len(),
            effects: self.effects.len(),
            edges: self.edges.len(),
            trail: self.trail.len(),
            effect_trail: self.effect_trail.len(),
            bindings: self.bindings,
        }
    }

    /// Returns to an earlier moment.
    pub fn undo(&mut self, mark: Mark) {
        while self.trail.len() > mark.trail {
            if let Some((ty, node)) = self.trail.pop() {
                self.nodes[ty.0 as usize] = node;
            }
        }
        while self.effect_trail.len() > mark.effect_trail {
            if let Some(effect) = self.effect_trail.pop() {
                self.effects[effect.0 as usize] = None;
            }
        }
        self.nodes.truncate(mark.nodes);
        self.effects.truncate(mark.effects);
        self.edges.truncate(mark.edges);
        self.bindings = mark.bindings;
    }

    /// Calls `visit` on each type directly inside one.
    pub fn children(&self, ty: Ty, mut visit: impl FnMut(Ty)) {
        match self.node(ty) {
            Node::Array(t) | Node::Dist(t) | Node::Posterior(t) | Node::Domain(t) => visit(*t),
            Node::Tuple(parts) | Node::Variant(_, _, parts) | Node::Host(_, parts) => {
                parts.iter().for_each(|t| visit(*t));
            }
            Node::Record(fields) => fields.iter().for_each(|(_, t)| visit(*t)),
            Node::Fn(params, _, result) => {
                params.iter().for_each(|t| visit(*t));
                visit(*result);
            }
            _ => {}
        }
    }

    /// Whether a type mentions something unknown, literals aside.
    pub fn mentions_unknown(&self, ty: Ty) -> bool {
        let mut found = self.is_unknown(ty);
        self.children(ty, |t| found = found || self.mentions_unknown(t));
        found
    }

    /// Whether `unknown` occurs in `ty`.
    pub fn occurs(&self, unknown: Ty, ty: Ty) -> bool {
        let ty = self.root(ty);
        let mut found = ty == unknown;
        if !found {
            self.children(ty, |t| found = found || self.occurs(unknown, t));
        }
        found
    }

    /// Calls `visit` on each literal that is still open inside a type.
    pub fn literals(&self, ty: Ty, visit: &mut dyn FnMut(Ty)) {
        if matches!(self.node(ty), Node::Literal | Node::Counter) {
            visit(self.root(ty));
        }
        self.children(ty, |t| self.literals(t, visit));
    }

    /// The unknown parts of a type, in order.
    pub fn unknowns(&self, ty: Ty, found: &mut Vec<Ty>) {
        let root = self.root(ty);
        match self.node(root) {
            Node::Unknown | Node::Literal | Node::Counter => found.push(root),
            _ => self.children(root, |t| self.unknowns(t, found)),
        }
    }

    /// The effects that occur in a type.
    pub fn effects_in(&self, ty: Ty, found: &mut Vec<Eff>) {
        if let Node::Fn(_, effect, _) = self.node(ty) {
            found.push(self.effect(*effect));
        }
        self.children(ty, |t| self.effects_in(t, found));
    }

    /// A concrete type as a type of this table.
    pub fn import(&mut self, ty: Type) -> Ty {
        match ty.kind() {
            TypeKind::Unit => Ty::UNIT,
            TypeKind::Bool => Ty::BOOL,
            TypeKind::Int => Ty::INT,
            TypeKind::Real => Ty::REAL,
            TypeKind::Str => Ty::STR,
            TypeKind::Matrix => Ty::MATRIX,
            TypeKind::Array(t) => {
                let t = self.import(*t);
                self.array(t)
            }
            TypeKind::Tuple(parts) => {
                let parts = self.import_all(parts);
                self.add(Node::Tuple(parts))
            }
            TypeKind::Record(fields) => {
                let fields = fields.iter().map(|(name, t)| (*name, self.import(*t))).collect();
                self.add(Node::Record(fields))
            }
            TypeKind::Variant(name, id, args) => {
                let args = self.import_all(args);
                self.add(Node::Variant(*name, *id, args))
            }
            TypeKind::Dist(t) => {
                let t = self.import(*t);
                self.dist(t)
            }
            TypeKind::Posterior(t) => {
                let t = self.import(*t);
                self.add(Node::Posterior(t))
            }
            TypeKind::Domain(t) => {
                let t = self.import(*t);
                self.add(Node::Domain(t))
            }
            TypeKind::Fn(params, random, result) => {
                let params = self.import_all(params);
                let result = self.import(*result);
                let effect = if *random { Eff::RANDOM } else { Eff::DETERMINISTIC };
                self.add(Node::Fn(params, effect, result))
            }
            TypeKind::Host(name, args) => {
                let args = self.import_all(args);
                self.add(Node::Host(*name, args))
            }
        }
    }

    fn import_all(&mut self, types: &[Type]) -> Arc<[Ty]> {
        types.iter().map(|t| self.import(*t)).collect()
    }

    /// The concrete type, once everything is decided: what is still unknown is `()`, open literals are `Int`, effects that
    /// nothing made random are deterministic.
    pub fn export(&mut self, ty: Ty) -> Type {
        let root = self.root(ty);
        if let Some(known) = self.memo.get(&root) {
            return *known;
        }
        let node = self.nodes[root.0 as usize].clone();
        let result = match node {
            Node::Unknown | Node::Unit | Node::Error | Node::Link(_) => Type::UNIT,
            Node::Bool => Type::BOOL,
            Node::Int | Node::Literal | Node::Counter => Type::INT,
            Node::Real => Type::REAL,
            Node::Str => Type::STR,
            Node::Matrix => Type::MATRIX,
            Node::Array(t) => self.export(t).array(),
            Node::Tuple(parts) => Type::new(TypeKind::Tuple(self.export_all(&parts))),
            Node::Record(fields) => {
                let fields = fields.iter().map(|(name, t)| (*name, self.export(*t))).collect();
                Type::new(TypeKind::Record(fields))
            }
            Node::Variant(name, id, args) => Type::new(TypeKind::Variant(name, id, self.export_all(&args))),
            Node::Dist(t) => self.export(t).dist(),
            Node::Posterior(t) => Type::new(TypeKind::Posterior(self.export(t))),
            Node::Domain(t) => Type::new(TypeKind::Domain(self.export(t))),
            Node::Fn(params, effect, result) => {
                let params = self.export_all(&params);
                let random = self.effect(effect) == Eff::RANDOM;
                Type::new(TypeKind::Fn(params, random, self.export(result)))
            }
            Node::Host(name, args) => Type::new(TypeKind::Host(name, self.export_all(&args))),
        };
        self.memo.insert(root, result);
        result
    }

    fn export_all(&mut self, types: &[Ty]) -> Vec<Type> {
        types.iter().map(|t| self.export(*t)).collect()
    }
}
