//! Names each choice by the indices of the loops around it, and finds names that two choices would share.
//!
//! A path that lowering wrote (`h[t] ~ d`) stays. A `while` loop around a choice gets a counter.

use super::{Context, walk};
use crate::core::ir::{Atom, Block, Function, Op, Program, Rhs, Site, SiteId, SiteKind, Stmt, StmtKind, Var, VarId};
use crate::core::ty::Type;
use crate::source::{Diagnostic, Name, Span, intern};
use crate::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// Runs the pass; each clash of names is an error that shows both places.
pub fn run(program: &mut Program, _context: &Context) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    for id in 0..program.funcs.len() {
        if !program.funcs[id].random {
            continue;
        }
        let mut function = (*program.funcs[id]).clone();
        let mut body = std::mem::take(&mut function.body);
        let mut naming = Naming { vars: &mut function.vars, loops: Vec::new(), counters: Vec::new() };
        naming.block(&mut body);
        let counters = naming.counters;
        function.body = body;
        clashes(&function, &counters, &program.sites, &mut diagnostics);
        program.funcs[id] = Arc::new(function);
    }
    diagnostics
}

struct Naming<'a> {
    vars: &'a mut Vec<Var>,
    loops: Vec<VarId>,
    /// The variables made to count the turns of `while` loops.
    counters: Vec<VarId>,
}

impl Naming<'_> {
    fn block(&mut self, block: &mut Block) {
        let mut out = Vec::with_capacity(block.stmts.len());
        for mut stmt in std::mem::take(&mut block.stmts) {
            if let Some(path) = path_of(&mut stmt)
                && path.is_empty()
            {
                *path = self.loops.iter().map(|v| Atom::Var(*v)).collect();
            }
            match &mut stmt.kind {
                StmtKind::For { var, body, .. } => self.inside(*var, body),
                StmtKind::Let(_, Rhs::Build { var, body, .. }) => self.inside(*var, body),
                StmtKind::While { cond, body } => {
                    if chooses(cond) || chooses(body) {
                        let turn = self.counter(stmt.span, body, &mut out);
                        self.inside(turn, cond);
                        self.inside(turn, body);
                    }
                }
                _ => walk::stmt_blocks_mut(&mut stmt, &mut |inner| self.block(inner)),
            }
            out.push(stmt);
        }
        block.stmts = out;
    }

    fn inside(&mut self, var: VarId, body: &mut Block) {
        self.loops.push(var);
        self.block(body);
        self.loops.pop();
    }

    fn fresh(&mut self, name: &str, mutable: bool) -> VarId {
        self.vars.push(Var { name: intern(name), ty: Type::INT, mutable });
        VarId(self.vars.len() as u32 - 1)
    }

    /// Counts the turns of a `while` loop in a new variable.
    fn counter(&mut self, span: Span, body: &mut Block, out: &mut Vec<Stmt>) -> VarId {
        let (turn, next) = (self.fresh("turn", true), self.fresh("next", false));
        let constant = |n| Atom::Const(Value::Int(n), Type::INT);
        out.push(Stmt { span, kind: StmtKind::Let(turn, Rhs::Atom(constant(0))) });
        let add = Rhs::Op(Op::AddI, vec![Atom::Var(turn), constant(1)]);
        body.stmts.push(Stmt { span, kind: StmtKind::Let(next, add) });
        body.stmts.push(Stmt { span, kind: StmtKind::Assign(turn, Atom::Var(next)) });
        self.counters.push(turn);
        turn
    }
}

/// The path of a statement that draws, weighs, or calls what may.
fn path_of(stmt: &mut Stmt) -> Option<&mut Vec<Atom>> {
    match &mut stmt.kind {
        StmtKind::Observe { path, .. } | StmtKind::Factor { path, .. } => Some(path),
        StmtKind::Let(_, Rhs::Sample { path, .. }) => Some(path),
        StmtKind::Let(_, Rhs::Call { site: Some(_), path, .. } | Rhs::CallClosure { site: Some(_), path, .. }) => {
            Some(path)
        }
        _ => None,
    }
}

fn chooses(block: &Block) -> bool {
    let mut found = false;
    walk::every_stmt(block, &mut |stmt| {
        found |= match &stmt.kind {
            StmtKind::Observe { .. } | StmtKind::Factor { .. } => true,
            StmtKind::Let(_, rhs) => matches!(
                rhs,
                Rhs::Sample { .. } | Rhs::Call { site: Some(_), .. } | Rhs::CallClosure { site: Some(_), .. }
            ),
            _ => false,
        };
    });
    found
}

/// Reports choices of one name and path in one block: both are made whenever one is.
fn clashes(function: &Function, counters: &[VarId], sites: &[Site], diagnostics: &mut Vec<Diagnostic>) {
    let mut search = Clashes { vars: &function.vars, counters, sites, diagnostics };
    search.block(&function.body);
}

type Seen<'a> = HashMap<Name, Vec<(&'a [Atom], Span)>>;

struct Clashes<'a, 'b> {
    vars: &'b [Var],
    counters: &'b [VarId],
    sites: &'b [Site],
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Clashes<'_, '_> {
    fn block(&mut self, block: &Block) {
        let mut seen: Seen<'_> = HashMap::new();
        for stmt in &block.stmts {
            if let StmtKind::Let(_, Rhs::Sample { site, path, .. }) = &stmt.kind {
                self.choice(*site, path, stmt.span, &mut seen);
            }
            walk::stmt_blocks(stmt, &mut |inner| self.block(inner));
        }
    }

    fn choice<'c>(&mut self, id: SiteId, path: &'c [Atom], span: Span, seen: &mut Seen<'c>) {
        let Some(site) = self.sites.get(id.0 as usize).filter(|s| s.named && s.kind == SiteKind::Sample) else {
            return;
        };
        // What a mutable variable holds may differ from one choice to the next; the counters of this pass do not.
        let fixed = path.iter().all(|atom| match atom {
            Atom::Var(v) => self.counters.contains(v) || self.vars.get(v.0 as usize).is_some_and(|var| !var.mutable),
            _ => true,
        });
        if !fixed {
            return;
        }
        let here = if site.span == Span::NONE { span } else { site.span };
        let earlier = seen.entry(site.name).or_default();
        if let Some((_, first)) = earlier.iter().find(|(other, _)| *other == path) {
            let message = format!("two choices share the name {}", site.name);
            self.diagnostics.push(
                Diagnostic::error(here, message)
                    .here("the second choice")
                    .also(*first, "the first choice of this name")
                    .hint("give one of them another name"),
            );
        }
        earlier.push((path, here));
    }
}
