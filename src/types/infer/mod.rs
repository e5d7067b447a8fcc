//! Inference over one body, or over one group of definitions that use each other.

mod block;
mod call;
mod domain;
mod expr;
mod finish;
mod item;
mod name;
mod pattern;
mod place;

use super::constraint::{CallArg, Constraint, Kind, Reason};
use super::env::{Entity, Env, ScopeId};
use super::error;
use super::scheme::{Mono, SchemeParam};
use super::table::{Edge, Eff, Mismatch, Node, Table, Ty};
use super::typed::{NameUse, Target};
use crate::source::{Diagnostic, Name, SourceMap, Span};
use crate::syntax::ast::{Arm, Ast, BindId, ExprId, ItemId, PatternId};
use std::collections::HashMap;
use std::sync::Arc;

pub(crate) use call::{Misfit, slots, target};

/// A type that the context expects, and why.
pub(crate) type Hint = Option<(Ty, Reason)>;

/// How a local name was bound.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LocalKind {
    Let,
    Var,
    Parameter,
    Loop,
    Function,
    Drawn,
}

/// A name bound inside a body.
#[derive(Clone, Debug)]
pub(crate) struct Local {
    pub name: Name,
    pub bind: BindId,
    pub ty: Ty,
    pub span: Span,
    pub kind: LocalKind,
    /// How many functions lie around the binding.
    pub depth: u32,
    /// Of a local function: its parameters, for named arguments and defaults.
    pub params: Option<Arc<[SchemeParam]>>,
}

/// What a call was found to do.
#[derive(Clone, Debug)]
pub(crate) struct CallRecord {
    pub target: Target,
    pub args: Vec<Option<ExprId>>,
    pub params: Vec<Ty>,
    pub result: Ty,
}

/// What lowering will want to know, in types of the table.
#[derive(Default)]
pub(crate) struct Record {
    pub exprs: Vec<(ExprId, Ty)>,
    pub coercions: Vec<(ExprId, Ty)>,
    pub names: Vec<(ExprId, NameUse)>,
    pub calls: Vec<(ExprId, CallRecord)>,
    pub binds: Vec<(BindId, Ty)>,
    pub draws: Vec<(BindId, BindId)>,
}

/// A `match` whose completeness is looked at in the end.
pub(crate) struct MatchCheck {
    pub span: Span,
    pub scrutinee: Ty,
    pub arms: Vec<Arm>,
}

/// One inference.
pub(crate) struct Infer<'a> {
    pub ast: &'a Ast,
    pub env: &'a Env,
    pub sources: &'a SourceMap,
    pub scope: ScopeId,
    /// The top-level variable whose value is inferred: its name means something earlier here.
    pub own: Option<ItemId>,
    pub table: Table,
    pub pending: Vec<Constraint>,
    tried: u64,
    locals: Vec<Local>,
    by_name: HashMap<Name, Vec<usize>>,
    pub type_vars: HashMap<Name, Ty>,
    pub item_type_vars: HashMap<ItemId, HashMap<Name, Ty>>,
    /// Whether the text is of the library.
    pub library: bool,
    /// The effect of the code around.
    pub around: Eff,
    depth: u32,
    /// Whether primitive draws may be called: in the library only.
    pub draws_allowed: bool,
    /// Whether statements bind globals.
    pub top_level: bool,
    /// Whether the code belongs to no function or model, so that weights have no effect.
    pub outside_model: bool,
    /// Whether open numbers are taken as real even beside integers.
    pub lenient: bool,
    pub group: HashMap<ItemId, Arc<Mono>>,
    pub record: Record,
    pub matches: Vec<MatchCheck>,
    /// Irrefutable patterns, looked at in the end.
    pub irrefutable: Vec<(PatternId, Ty, &'static str)>,
    /// Statements whose value nobody uses.
    pub unused: Vec<(Span, Ty, Eff)>,
    pub diagnostics: Vec<Diagnostic>,
    /// Definitions that were needed and whose types are not known yet.
    pub missing: Vec<Entity>,
    /// Library names that were needed and not looked up yet.
    pub missing_names: Vec<Name>,
}

impl<'a> Infer<'a> {
    pub fn new(ast: &'a Ast, env: &'a Env, sources: &'a SourceMap, scope: ScopeId) -> Infer<'a> {
        let mut table = Table::new();
        let around = table.fresh_effect();
        Infer {
            ast,
            env,
            sources,
            scope,
            own: None,
            table,
            pending: Vec::new(),
            tried: 0,
            locals: Vec::new(),
            by_name: HashMap::new(),
            type_vars: HashMap::new(),
            item_type_vars: HashMap::new(),
            library: scope == ScopeId::LIBRARY,
            around,
            depth: 0,
            draws_allowed: scope == ScopeId::LIBRARY,
            top_level: false,
            outside_model: false,
            lenient: false,
            group: HashMap::new(),
            record: Record::default(),
            matches: Vec::new(),
            irrefutable: Vec::new(),
            unused: Vec::new(),
            diagnostics: Vec::new(),
            missing: Vec::new(),
            missing_names: Vec::new(),
        }
    }

    pub fn span(&self, expr: ExprId) -> Span {
        self.ast.expr(expr).span
    }

    pub fn report(&mut self, diagnostic: Diagnostic) {
        // One place says one thing: later complaints about it follow from the first.
        let place = diagnostic.labels.first().map(|label| label.span);
        let again = self
            .diagnostics
            .iter()
            .any(|d| d.labels.first().map(|label| label.span) == place && d.message == diagnostic.message);
        if !again {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Goes on in the scope of another item.
    pub fn enter(&mut self, scope: ScopeId) {
        self.scope = scope;
        self.library = scope == ScopeId::LIBRARY;
        self.draws_allowed = self.library;
    }

    /// Whether definitions were needed that are not known yet, and could be.
    pub fn needs_names(&self) -> bool {
        let known = |entity: &Entity| match entity {
            Entity::Global { bind, .. } => self.env.globals.contains_key(bind) || self.env.failed.contains(bind),
            other => self.env.scheme(*other).is_some(),
        };
        !self.missing_names.is_empty() || self.missing.iter().any(|entity| !known(entity))
    }

    /// The definitions that were needed.
    pub fn missing(&self) -> (Vec<Entity>, Vec<Name>) {
        (self.missing.clone(), self.missing_names.clone())
    }

    /// Whether the code outside of all functions may draw or add to the weight.
    pub fn is_random(&self) -> bool {
        self.table.effect(self.around) == Eff::RANDOM
    }

    // Locals

    pub fn bind_local(&mut self, local: Local) {
        self.record.binds.push((local.bind, local.ty));
        self.by_name.entry(local.name).or_default().push(self.locals.len());
        self.locals.push(local);
    }

    pub fn mark_locals(&self) -> usize {
        self.locals.len()
    }

    pub fn pop_locals(&mut self, mark: usize) {
        while self.locals.len() > mark {
            if let Some(local) = self.locals.pop()
                && let Some(places) = self.by_name.get_mut(&local.name)
            {
                places.pop();
            }
        }
    }

    pub fn local(&self, name: Name) -> Option<&Local> {
        let place = self.by_name.get(&name)?.last()?;
        self.locals.get(*place)
    }

    pub fn local_names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.locals.iter().rev().map(|local| local.name.as_str())
    }

    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Runs `inside` as the body of a function with this effect.
    pub fn in_function<T>(&mut self, effect: Eff, inside: impl FnOnce(&mut Self) -> T) -> T {
        let around = std::mem::replace(&mut self.around, effect);
        let top_level = std::mem::replace(&mut self.top_level, false);
        let outside_model = std::mem::replace(&mut self.outside_model, false);
        let mark = self.mark_locals();
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        self.pop_locals(mark);
        self.top_level = top_level;
        self.outside_model = outside_model;
        self.around = around;
        result
    }

    /// Runs `inside` where randomness is an error; `what` says where that is, as in "an array index".
    pub fn deterministic<T>(&mut self, span: Span, what: &'static str, inside: impl FnOnce(&mut Self) -> T) -> T {
        let effect = self.table.fresh_effect();
        let edge = Edge { from: effect, to: Eff::DETERMINISTIC, span, demand: Some((span, what)) };
        self.table.edges.push(edge);
        let around = std::mem::replace(&mut self.around, effect);
        let result = inside(self);
        self.around = around;
        result
    }

    /// The code around does what a call of this effect does.
    pub fn perform(&mut self, effect: Eff, span: Span) {
        self.table.flow(effect, self.around, span);
    }

    // Types

    /// Converts the value of an expression to the expected type, or reports that it cannot be.
    pub fn coerce(&mut self, expr: ExprId, from: Ty, to: Ty, reason: Reason) {
        let span = self.span(expr);
        let mark = self.table.mark();
        match self.table.coerce(from, to, span) {
            Ok(()) => {
                if self.table.root(from) != self.table.root(to) {
                    self.record.coercions.push((expr, to));
                }
            }
            Err(mismatch) => {
                self.table.undo(mark);
                self.mismatch(expr, from, to, reason, mismatch);
            }
        }
    }

    pub fn mismatch(&mut self, expr: ExprId, found: Ty, expected: Ty, reason: Reason, mismatch: Mismatch) {
        let diagnostic = error::mismatch(self, expr, found, expected, reason, mismatch);
        self.report(diagnostic);
    }

    /// The number of elements known of the type is not none: solves what waits, if that may help.
    pub fn known(&mut self, ty: Ty) -> Ty {
        if self.table.is_unknown(ty) && !self.pending.is_empty() {
            self.solve();
        }
        self.table.root(ty)
    }

    /// Decides open literals of a type: they are integers.
    pub fn decide_literals(&mut self, ty: Ty) {
        let mut open = Vec::new();
        self.table.literals(ty, &mut |t| open.push(t));
        for literal in open {
            if matches!(self.table.node(literal), Node::Literal) {
                let _ = self.table.unify(literal, Ty::INT);
            }
        }
    }

    /// Marks open literals of the type of a `var`.
    pub fn keep_literals_open(&mut self, ty: Ty) {
        let mut open = Vec::new();
        self.table.literals(ty, &mut |t| open.push(t));
        for literal in open {
            self.table.refine(literal, Node::Counter);
        }
    }

    // Constraints

    /// Adds a condition; decides it at once where enough is known.
    pub fn require(&mut self, kind: Kind, span: Span) {
        let constraint = Constraint { kind, span, via: None };
        if !self.attempt(&constraint) {
            self.pending.push(constraint);
        }
    }

    /// Adds conditions that came with a use of a definition.
    pub fn require_all(&mut self, constraints: Vec<Constraint>) {
        for constraint in constraints {
            if !self.attempt(&constraint) {
                self.pending.push(constraint);
            }
        }
    }

    /// Tries the waiting conditions until nothing more is learned.
    pub fn solve(&mut self) {
        while self.tried != self.table.bindings && !self.pending.is_empty() {
            self.tried = self.table.bindings;
            let waiting = std::mem::take(&mut self.pending);
            let mut left = Vec::with_capacity(waiting.len());
            for constraint in waiting {
                if !self.attempt(&constraint) {
                    left.push(constraint);
                }
            }
            left.append(&mut self.pending);
            self.pending = left;
        }
    }

    /// The arguments of a call as a list.
    pub fn call_args(&self, pipe: Option<ExprId>, args: &[crate::syntax::ast::Arg]) -> Vec<CallArg> {
        let first = pipe.map(|value| (None, value));
        first
            .into_iter()
            .chain(args.iter().map(|arg| (arg.name, arg.value)))
            .map(|(name, expr)| CallArg {
                name,
                value: super::constraint::Operand { expr, ty: Ty::UNIT },
                lambda: None,
            })
            .collect()
    }
}
