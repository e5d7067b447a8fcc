//! Drops bindings and assignments whose variables nothing reads, and loops and branches that do nothing.

use super::effect::{Effect, Effects, Types};
use super::walk;
use crate::core::ir::{Atom, Block, Function, Global, Stmt, StmtKind, VarId};

/// Drops the dead code of a function. Only what could have been noticed stays: faults, draws, weights, output.
pub fn function(function: &mut Function, effects: &Effects<'_>, globals: &[Global]) {
    let vars = std::mem::take(&mut function.vars);
    let mut reads = vec![0u32; vars.len()];
    walk::every_atom(&function.body, &mut |atom| {
        if let Atom::Var(id) = atom {
            count(&mut reads, *id);
        }
    });
    let mut writes = vec![0u32; vars.len()];
    walk::every_stmt(&function.body, &mut |stmt| match &stmt.kind {
        StmtKind::Assign(var, _) => count(&mut writes, *var),
        StmtKind::Update(var, ..) => {
            count(&mut writes, *var);
            // It depends on the length of what was assigned whether an update faults, so it reads the variable.
            count(&mut reads, *var);
        }
        _ => {}
    });
    let mut removal = Removal { types: Types { vars: &vars, globals }, effects, reads, writes };
    removal.block(&mut function.body);
    function.vars = vars;
}

fn count(counts: &mut [u32], id: VarId) {
    if let Some(count) = counts.get_mut(id.0 as usize) {
        *count += 1;
    }
}

struct Removal<'a> {
    types: Types<'a>,
    effects: &'a Effects<'a>,
    reads: Vec<u32>,
    /// Assignments and updates that are still there: the binding of their variable must stay with them.
    writes: Vec<u32>,
}

impl Removal<'_> {
    /// From the end, so that what fed a dropped statement is seen to be unread.
    fn block(&mut self, block: &mut Block) {
        let mut kept = Vec::with_capacity(block.stmts.len());
        for mut stmt in std::mem::take(&mut block.stmts).into_iter().rev() {
            if self.dead(&stmt) {
                self.forget(&stmt);
                continue;
            }
            walk::stmt_blocks_mut(&mut stmt, &mut |inner| self.block(inner));
            // Its blocks may have become empty just now.
            if self.dead(&stmt) {
                self.forget(&stmt);
                continue;
            }
            kept.push(stmt);
        }
        kept.reverse();
        block.stmts = kept;
    }

    fn unread(&self, id: VarId) -> bool {
        self.reads.get(id.0 as usize) == Some(&0)
    }

    fn dead(&self, stmt: &Stmt) -> bool {
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                self.unread(*var)
                    && self.writes.get(var.0 as usize) == Some(&0)
                    && self.effects.rhs(&self.types, rhs) <= Effect::Arithmetic
            }
            StmtKind::Assign(var, _) => self.unread(*var),
            StmtKind::For { body, .. } => body.stmts.is_empty(),
            StmtKind::If(_, yes, no) => yes.stmts.is_empty() && no.stmts.is_empty(),
            // An update faults when its index lies outside; a loop may not end.
            StmtKind::While { .. } | StmtKind::Update(..) | StmtKind::Observe { .. } | StmtKind::Factor { .. } => false,
        }
    }

    /// Takes back the reads of a dropped statement.
    fn forget(&mut self, stmt: &Stmt) {
        let mut forget = |atom: &Atom| {
            if let Atom::Var(id) = atom
                && let Some(count) = self.reads.get_mut(id.0 as usize)
            {
                *count = count.saturating_sub(1);
            }
        };
        walk::stmt_atoms(stmt, &mut forget);
        walk::stmt_blocks(stmt, &mut |inner| walk::every_atom(inner, &mut forget));
        let mut unwrite = |stmt: &Stmt| {
            if let StmtKind::Assign(var, _) | StmtKind::Update(var, ..) = &stmt.kind
                && let Some(count) = self.writes.get_mut(var.0 as usize)
            {
                *count = count.saturating_sub(1);
            }
            if let StmtKind::Update(var, ..) = &stmt.kind
                && let Some(count) = self.reads.get_mut(var.0 as usize)
            {
                *count = count.saturating_sub(1);
            }
        };
        unwrite(stmt);
        walk::stmt_blocks(stmt, &mut |inner| walk::every_stmt(inner, &mut unwrite));
    }
}
