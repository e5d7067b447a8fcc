//! Marks the choices of the entry on which no weight depends: they may be drawn after inference.
//!
//! A variable is needed when a weight, the parameters of a needed choice, or whether and how often one of these happens depends on it.
//! Dependence goes through data, through assignments, and through the conditions and bounds around them. What is given to a
//! random call, a function value, a closure or the host is needed: what they do with it is not followed.

use super::{Context, PrimEffect, walk};
use crate::core::ir::{Atom, Block, Callee, Op, Program, Rhs, SiteId, Stmt, StmtKind, VarId};
use crate::source::Diagnostic;

/// Runs the pass; it has nothing to complain of.
pub fn run(program: &mut Program, context: &Context) -> Vec<Diagnostic> {
    let Some(function) = program.entry.and_then(|entry| program.funcs.get(entry.0 as usize)).cloned() else {
        return Vec::new();
    };
    let count = function.vars.len();
    let mut flow = Flow {
        program,
        context,
        feeds: vec![Vec::new(); count],
        roots: Vec::new(),
        around: Vec::new(),
        choices: Vec::new(),
    };
    flow.block(&function.body);
    let needed = flow.needed(count);
    let mut forward = vec![None; program.sites.len()];
    for (site, var) in flow.choices {
        if let Some(mark) = forward.get_mut(site.0 as usize) {
            let free = !needed.get(var.0 as usize).copied().unwrap_or(true);
            *mark = Some(mark.unwrap_or(true) && free);
        }
    }
    // A site that other functions use too cannot be judged here.
    for (i, other) in program.funcs.iter().enumerate() {
        if program.entry.is_some_and(|entry| entry.0 as usize == i) {
            continue;
        }
        walk::every_stmt(&other.body, &mut |stmt| {
            if let StmtKind::Let(_, Rhs::Sample { site, .. }) = &stmt.kind
                && let Some(mark) = forward.get_mut(site.0 as usize)
            {
                *mark = None;
            }
        });
    }
    for (site, mark) in program.sites.iter_mut().zip(forward) {
        site.forward_only = mark.unwrap_or(false);
    }
    Vec::new()
}

struct Flow<'a> {
    program: &'a Program,
    context: &'a Context,
    /// By variable: the variables that its value depends on.
    feeds: Vec<Vec<VarId>>,
    /// What weights depend on.
    roots: Vec<VarId>,
    /// The variables that decide whether and how often the current place is reached.
    around: Vec<VarId>,
    choices: Vec<(SiteId, VarId)>,
}

impl Flow<'_> {
    fn needed(&self, count: usize) -> Vec<bool> {
        let mut needed = vec![false; count];
        let mut pending = self.roots.clone();
        while let Some(var) = pending.pop() {
            if let Some(seen @ false) = needed.get_mut(var.0 as usize) {
                *seen = true;
                pending.extend(&self.feeds[var.0 as usize]);
            }
        }
        needed
    }

    fn feed(&mut self, var: VarId, from: impl IntoIterator<Item = VarId>) {
        let around = &self.around;
        if let Some(feeds) = self.feeds.get_mut(var.0 as usize) {
            feeds.extend(around);
            feeds.extend(from);
        }
    }

    /// Makes needed all that the statement reads, and all that decides whether it is reached.
    fn root(&mut self, stmt: &Stmt) {
        self.roots.extend(&self.around);
        walk::stmt_atoms(stmt, &mut |atom| self.roots.extend(var_of(atom)));
    }

    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            self.stmt(stmt);
        }
    }

    fn within(&mut self, deciding: impl IntoIterator<Item = VarId>, read: impl FnOnce(&mut Self)) {
        let outer = self.around.len();
        self.around.extend(deciding);
        read(self);
        self.around.truncate(outer);
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                if self.opaque(rhs) {
                    self.root(stmt);
                }
                if let Rhs::Sample { site, .. } = rhs {
                    self.choices.push((*site, *var));
                }
                let mut from = Vec::new();
                walk::rhs_atoms(rhs, &mut |atom| from.extend(var_of(atom)));
                self.within(from.clone(), |flow| {
                    if let Rhs::Build { var: index, .. } = rhs {
                        flow.feed(*index, []);
                    }
                    walk::rhs_blocks(rhs, &mut |inner| {
                        flow.block(inner);
                        from.extend(var_of(&inner.result));
                    });
                });
                self.feed(*var, from);
            }
            StmtKind::Assign(var, atom) => self.feed(*var, var_of(atom)),
            StmtKind::Update(var, ..) => {
                let mut from = Vec::new();
                walk::stmt_atoms(stmt, &mut |atom| from.extend(var_of(atom)));
                self.feed(*var, from);
            }
            StmtKind::For { var, low, high, body } => {
                let bounds: Vec<VarId> = var_of(low).into_iter().chain(var_of(high)).collect();
                self.within(bounds, |flow| {
                    flow.feed(*var, []);
                    flow.block(body);
                });
            }
            StmtKind::While { cond, body } => {
                self.within(var_of(&cond.result), |flow| {
                    flow.block(cond);
                    flow.block(body);
                });
            }
            StmtKind::If(cond, yes, no) => self.within(var_of(cond), |flow| {
                flow.block(yes);
                flow.block(no);
            }),
            StmtKind::Observe { .. } | StmtKind::Factor { .. } => self.root(stmt),
        }
    }

    /// Whether a right-hand side may use its operands for something besides its value.
    fn opaque(&self, rhs: &Rhs) -> bool {
        match rhs {
            Rhs::Call { func, .. } => self.program.funcs.get(func.0 as usize).is_none_or(|f| f.random),
            Rhs::CallClosure { .. } | Rhs::Closure(..) | Rhs::Host(..) => true,
            Rhs::Member(name, ..) => name.as_str() == "sample",
            Rhs::Op(Op::Assert | Op::Fail, _) => true,
            Rhs::Prim(prim, _) | Rhs::Lift(Callee::Prim(prim), _) => (self.context.effect)(*prim) == PrimEffect::Acts,
            _ => false,
        }
    }
}

fn var_of(atom: &Atom) -> Option<VarId> {
    match atom {
        Atom::Var(id) => Some(*id),
        _ => None,
    }
}
