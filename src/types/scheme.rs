//! The types of definitions: with unknown parts that each use replaces by its own, and with the conditions on them.

use super::constraint::Constraint;
use super::show::Namer;
use super::table::{Edge, Eff, Node, Table, Ty};
use super::typed::Def;
use crate::source::{Name, Span};
use crate::syntax::ast::ItemId;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a name that can be called stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Callee {
    Def(Def),
    Dist(ItemId),
    Constructor(ItemId, u32),
    Domain(Name),
}

/// A parameter of a definition.
#[derive(Clone, Debug)]
pub(crate) struct SchemeParam {
    pub name: Option<Name>,
    pub ty: Ty,
    /// The text of its default, where it has one.
    pub default: Option<Arc<str>>,
    pub span: Span,
}

/// The type of a definition.
#[derive(Clone, Debug)]
pub(crate) struct Scheme {
    pub name: Name,
    pub callee: Callee,
    pub params: Vec<SchemeParam>,
    pub result: Ty,
    pub effect: Eff,
    /// A scalar function that also runs over the elements of arrays and matrices.
    pub elementwise: bool,
    pub constraints: Vec<Constraint>,
    nodes: Vec<Node>,
    effects: u32,
    edges: Vec<Edge>,
}

/// One of the definitions that a name may stand for.
#[derive(Clone, Debug)]
pub(crate) enum Candidate {
    Scheme(Arc<Scheme>),
    /// A definition of the group being inferred; its types live in the table of the group.
    Mono(Arc<Mono>),
}

/// A definition whose type is being inferred.
#[derive(Clone, Debug)]
pub(crate) struct Mono {
    pub name: Name,
    pub callee: Callee,
    pub params: Vec<SchemeParam>,
    pub result: Ty,
    pub effect: Eff,
}

/// A definition with the types of one use.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    pub name: Name,
    pub callee: Callee,
    pub params: Vec<SchemeParam>,
    pub result: Ty,
    pub effect: Eff,
    pub elementwise: bool,
}

impl Candidate {
    pub fn params(&self) -> &[SchemeParam] {
        match self {
            Candidate::Scheme(scheme) => &scheme.params,
            Candidate::Mono(mono) => &mono.params,
        }
    }

    pub fn callee(&self) -> Callee {
        match self {
            Candidate::Scheme(scheme) => scheme.callee,
            Candidate::Mono(mono) => mono.callee,
        }
    }

    /// Whether a parameter takes a domain, whose names are a name space of their own.
    pub fn takes_domain(&self, place: usize) -> bool {
        match self {
            Candidate::Scheme(scheme) => scheme.params.get(place).is_some_and(|param| {
                let node = param.ty.0.checked_sub(Ty::SHARED).and_then(|i| scheme.nodes.get(i as usize));
                matches!(node, Some(Node::Domain(_)))
            }),
            Candidate::Mono(_) => false,
        }
    }

    /// Whether it may run over the elements of its arguments.
    pub fn lifts(&self) -> bool {
        match self {
            Candidate::Scheme(scheme) => scheme.elementwise || matches!(scheme.callee, Callee::Dist(_)),
            Candidate::Mono(mono) => matches!(mono.callee, Callee::Dist(_)),
        }
    }

    /// The types of one use, new in the table. The constraints are added to `constraints`.
    pub fn instantiate(&self, table: &mut Table, at: Span, constraints: &mut Vec<Constraint>) -> Use {
        match self {
            Candidate::Scheme(scheme) => scheme.instantiate(table, at, constraints),
            Candidate::Mono(mono) => Use {
                name: mono.name,
                callee: mono.callee,
                params: mono.params.clone(),
                result: mono.result,
                effect: mono.effect,
                elementwise: false,
            },
        }
    }
}

impl Scheme {
    fn instantiate(&self, table: &mut Table, at: Span, constraints: &mut Vec<Constraint>) -> Use {
        let offset = table.len() - Ty::SHARED;
        let effect_offset = table.effects_len() - Eff::SHARED;
        let shift = |t: Ty| if t.0 < Ty::SHARED { t } else { Ty(t.0 + offset) };
        let shift_effect = |e: Eff| if e.0 < Eff::SHARED { e } else { Eff(e.0 + effect_offset) };
        for node in &self.nodes {
            table.add(map_node(node, &mut |t| shift(t), &mut |e| shift_effect(e)));
        }
        for _ in 0..self.effects {
            table.fresh_effect();
        }
        for edge in &self.edges {
            let span = if edge.demand.is_some() { edge.span } else { at };
            let edge = Edge { from: shift_effect(edge.from), to: shift_effect(edge.to), span, ..edge.clone() };
            table.edges.push(edge);
        }
        for constraint in &self.constraints {
            let mut copy = constraint.clone();
            copy.kind.types(&mut |t| *t = shift(*t));
            copy.kind.effects(&mut |e| *e = shift_effect(*e));
            copy.via = Some((at, self.name));
            constraints.push(copy);
        }
        let params = self.params.iter().map(|p| SchemeParam { ty: shift(p.ty), ..p.clone() }).collect();
        Use {
            name: self.name,
            callee: self.callee,
            params,
            result: shift(self.result),
            effect: shift_effect(self.effect),
            elementwise: self.elementwise,
        }
    }

    /// Takes a finished definition out of the table of its group, with those of the undecided constraints that its types
    /// depend on.
    pub fn generalise(table: &Table, mono: &Mono, elementwise: bool, pending: &[Constraint]) -> Scheme {
        let mut builder = Builder::default();
        let mut relevant: HashSet<Ty> = HashSet::new();
        let mut reached = Vec::new();
        for param in &mono.params {
            table.unknowns(param.ty, &mut reached);
        }
        table.unknowns(mono.result, &mut reached);
        relevant.extend(reached);
        let mut mentioned: Vec<(usize, Vec<Ty>)> = Vec::new();
        for (i, constraint) in pending.iter().enumerate() {
            let mut found = Vec::new();
            constraint.clone().kind.types(&mut |t| table.unknowns(*t, &mut found));
            mentioned.push((i, found));
        }
        let mut kept = vec![false; pending.len()];
        let mut grew = true;
        while grew {
            grew = false;
            for (i, found) in &mentioned {
                if !kept[*i] && found.iter().any(|t| relevant.contains(t)) {
                    kept[*i] = true;
                    relevant.extend(found.iter().copied());
                    grew = true;
                }
            }
        }
        let kept: Vec<&Constraint> = pending.iter().zip(&kept).filter(|(_, kept)| **kept).map(|(c, _)| c).collect();
        let flows = Flows::new(table, mono, &kept);
        builder.live = flows.live();
        let params = mono.params.iter().map(|p| SchemeParam { ty: builder.ty(table, p.ty), ..p.clone() }).collect();
        let result = builder.ty(table, mono.result);
        let effect = builder.effect(table, mono.effect);
        let mut constraints = Vec::with_capacity(kept.len());
        for constraint in kept {
            let mut copy = constraint.clone();
            copy.kind.types(&mut |t| *t = builder.ty(table, *t));
            copy.kind.effects(&mut |e| *e = builder.effect(table, *e));
            constraints.push(copy);
        }
        let mut edges = Vec::new();
        let live = builder.live.clone();
        for edge in flows.edges(&live) {
            let (from, to) = (builder.effect(table, edge.from), builder.effect(table, edge.to));
            if from != to && from != Eff::DETERMINISTIC && to != Eff::RANDOM {
                edges.push(Edge { from, to, ..edge });
            }
        }
        Scheme {
            name: mono.name,
            callee: mono.callee,
            params,
            result,
            effect,
            elementwise,
            constraints,
            nodes: builder.nodes,
            effects: builder.effects.len() as u32,
            edges,
        }
    }

    /// The type of the result alone, for what is no function.
    pub fn render_result(&self) -> String {
        let mut table = Table::new();
        let used = self.instantiate(&mut table, Span::NONE, &mut Vec::new());
        table.show_named(used.result, &mut Namer::default())
    }

    /// The parameters with their names and the result: `(x: Real, k: Int = 2) -> Real`.
    pub fn render_named(&self) -> String {
        let mut table = Table::new();
        let used = self.instantiate(&mut table, Span::NONE, &mut Vec::new());
        let mut namer = Namer::default();
        let mut params = Vec::with_capacity(used.params.len());
        for param in &used.params {
            let ty = table.show_named(param.ty, &mut namer);
            let name = param.name.map_or("_", |name| name.as_str());
            params.push(match &param.default {
                Some(default) => format!("{name}: {ty} = {default}"),
                None => format!("{name}: {ty}"),
            });
        }
        format!("({}) -> {}", params.join(", "), table.show_named(used.result, &mut namer))
    }

    /// The type as `:type` shows it: `(x: Real, k: Int = 2) -> Real`. The domains are those that the parameters were
    /// declared with, where they were. A function parameter that takes random functions too is shown with `~>`.
    pub fn render(&self, domains: &[Option<String>]) -> String {
        let mut table = Table::new();
        let mut ignored = Vec::new();
        let used = self.instantiate(&mut table, Span::NONE, &mut ignored);
        super::effect::settle(&mut table);
        let random = |table: &Table| table.effect(used.effect) == Eff::RANDOM;
        let by_itself = random(&table);
        let mut through = None;
        for param in &used.params {
            let Node::Fn(_, effect, _) = *table.node(table.root(param.ty)) else { continue };
            let effect = table.effect(effect);
            if effect.0 >= Eff::SHARED {
                let before = random(&table);
                table.bind_effect(effect, Eff::RANDOM);
                super::effect::settle(&mut table);
                if !before && random(&table) {
                    through = param.name;
                }
            }
        }
        let mut namer = Namer::default();
        let params: Vec<String> = used
            .params
            .iter()
            .enumerate()
            .map(|(k, param)| {
                let ty = match domains.get(k) {
                    Some(Some(domain)) => domain.clone(),
                    _ => table.show_named(param.ty, &mut namer),
                };
                let name = param.name.map(|name| format!("{name}: ")).unwrap_or_default();
                let default = param.default.as_ref().map(|default| format!(" = {default}")).unwrap_or_default();
                format!("{name}{ty}{default}")
            })
            .collect();
        let result = table.show_named(used.result, &mut namer);
        let mut text = format!("({}) {} {result}", params.join(", "), if by_itself { "~>" } else { "->" });
        if let Some(name) = through.filter(|_| !by_itself) {
            text.push_str(&format!(", random where `{name}` is"));
        }
        let conditions = super::show_constraint::conditions(&table, &mut ignored, &mut namer);
        if !conditions.is_empty() {
            text.push_str(" where ");
            text.push_str(&conditions.join(", "));
        }
        text
    }
}

#[derive(Default)]
struct Builder {
    nodes: Vec<Node>,
    types: HashMap<Ty, Ty>,
    effects: HashMap<Eff, Eff>,
    /// The effects that a use may still make random; the others are deterministic.
    live: HashSet<Eff>,
}

/// Up to how many sources the flows between effects are shortened.
const FEW_SOURCES: usize = 8;

/// How effects of function parameters flow through a finished definition to what a use can see of it.
struct Flows<'a> {
    table: &'a Table,
    next: HashMap<Eff, Vec<usize>>,
    /// Effects that a use may make random: of function parameters, and of calls that are not decided.
    sources: Vec<Eff>,
    /// Effects that a use can see.
    visible: HashSet<Eff>,
}

impl<'a> Flows<'a> {
    fn new(table: &'a Table, mono: &Mono, pending: &[&Constraint]) -> Flows<'a> {
        let mut next: HashMap<Eff, Vec<usize>> = HashMap::new();
        for (i, edge) in table.edges.iter().enumerate() {
            next.entry(table.effect(edge.from)).or_default().push(i);
        }
        let mut found = Vec::new();
        mono.params.iter().for_each(|param| table.effects_in(param.ty, &mut found));
        for constraint in pending {
            let mut kind = constraint.kind.clone();
            kind.types(&mut |t| table.effects_in(*t, &mut found));
            kind.effects(&mut |e| found.push(table.effect(*e)));
        }
        found.retain(|effect| effect.0 >= Eff::SHARED);
        found.sort_unstable_by_key(|effect| effect.0);
        found.dedup();
        let sources = found.clone();
        table.effects_in(mono.result, &mut found);
        found.push(table.effect(mono.effect));
        Flows { table, next, sources, visible: found.into_iter().collect() }
    }

    /// Calls `visit` on every edge that leads on from an effect.
    fn follow(&self, source: Eff, mut visit: impl FnMut(&Edge, Eff)) {
        let mut seen = HashSet::from([source]);
        let mut work = vec![source];
        while let Some(effect) = work.pop() {
            for &i in self.next.get(&effect).map_or(&[][..], Vec::as_slice) {
                let edge = &self.table.edges[i];
                let to = self.table.effect(edge.to);
                visit(edge, to);
                if to.0 >= Eff::SHARED && seen.insert(to) {
                    work.push(to);
                }
            }
        }
    }

    fn live(&self) -> HashSet<Eff> {
        let mut live: HashSet<Eff> = self.sources.iter().copied().collect();
        for source in &self.sources {
            self.follow(*source, |_, to| {
                live.insert(to);
            });
        }
        live
    }

    /// One edge from each source to each visible effect that it reaches, and to each demand to be deterministic. Where there
    /// are many sources, the edges themselves, which are fewer.
    fn edges(&self, live: &HashSet<Eff>) -> Vec<Edge> {
        if self.sources.len() > FEW_SOURCES {
            let known = |effect: Eff| live.contains(&self.table.effect(effect));
            return self.table.edges.iter().filter(|edge| known(edge.from)).cloned().collect();
        }
        let mut found = Vec::new();
        for &source in &self.sources {
            let mut reached = HashSet::new();
            self.follow(source, |edge, to| {
                if (to == Eff::DETERMINISTIC || self.visible.contains(&to)) && reached.insert(to) {
                    found.push(Edge { from: source, to, ..edge.clone() });
                }
            });
        }
        found
    }
}

impl Builder {
    fn ty(&mut self, table: &Table, ty: Ty) -> Ty {
        let root = table.root(ty);
        if root.0 < Ty::SHARED {
            return root;
        }
        if let Some(known) = self.types.get(&root) {
            return *known;
        }
        // A node may only refer to itself through an error that was reported, so children come first.
        let node = table.node(root).clone();
        let mut children = Vec::new();
        table.children(root, |t| children.push(t));
        let mapped: HashMap<Ty, Ty> = children.into_iter().map(|t| (t, self.ty(table, t))).collect();
        let node = map_node(&node, &mut |t| mapped.get(&t).copied().unwrap_or(t), &mut |e| self.effect(table, e));
        let node = if matches!(node, Node::Counter) { Node::Literal } else { node };
        self.nodes.push(node);
        let ty = Ty(self.nodes.len() as u32 - 1 + Ty::SHARED);
        self.types.insert(root, ty);
        ty
    }

    fn effect(&mut self, table: &Table, effect: Eff) -> Eff {
        let effect = table.effect(effect);
        if effect.0 < Eff::SHARED {
            return effect;
        }
        if !self.live.contains(&effect) {
            return Eff::DETERMINISTIC;
        }
        let next = Eff(self.effects.len() as u32 + Eff::SHARED);
        *self.effects.entry(effect).or_insert(next)
    }
}

fn map_node(node: &Node, ty: &mut dyn FnMut(Ty) -> Ty, effect: &mut dyn FnMut(Eff) -> Eff) -> Node {
    match node {
        Node::Link(t) => Node::Link(ty(*t)),
        Node::Array(t) => Node::Array(ty(*t)),
        Node::Dist(t) => Node::Dist(ty(*t)),
        Node::Posterior(t) => Node::Posterior(ty(*t)),
        Node::Domain(t) => Node::Domain(ty(*t)),
        Node::Tuple(parts) => Node::Tuple(parts.iter().map(|t| ty(*t)).collect()),
        Node::Record(fields) => Node::Record(fields.iter().map(|(name, t)| (*name, ty(*t))).collect()),
        Node::Variant(name, id, args) => Node::Variant(*name, *id, args.iter().map(|t| ty(*t)).collect()),
        Node::Host(name, args) => Node::Host(*name, args.iter().map(|t| ty(*t)).collect()),
        Node::Fn(params, e, result) => Node::Fn(params.iter().map(|t| ty(*t)).collect(), effect(*e), ty(*result)),
        other => other.clone(),
    }
}
