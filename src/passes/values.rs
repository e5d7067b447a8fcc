//! Keeps of a program what its choices and its result come from: the program without its weights, for runs whose choices are given.
//!
//! It is not among the passes that every program goes through: a density knows its weights otherwise, and asks the program only for the
//! places and values of choices and for the result. What nothing of these needs is dropped even where it could fault or print, so the pass
//! is for runs of whose choices the whole program is known to take account. Functions, sites and captures keep their numbers.

use super::walk;
use super::{Context, PrimEffect};
use crate::core::ir::{Atom, Block, Function, Program, Rhs, Stmt, StmtKind, VarId};
use std::sync::Arc;

/// Drops the weights of a program, and what only they need.
pub fn values(program: &mut Program, context: &Context) {
    let mut acting = Acting { context, functions: vec![false; program.funcs.len()] };
    // A function acts if one that it calls does: as often as one more is found.
    loop {
        let found: Vec<bool> = program.funcs.iter().map(|function| acting.block(&function.body)).collect();
        if found == acting.functions {
            break;
        }
        acting.functions = found;
    }
    for function in &mut program.funcs {
        let mut new = (**function).clone();
        if keep(&mut new, &acting) {
            *function = Arc::new(new);
        }
    }
}

/// Which functions make choices or call the host, as far as is known.
struct Acting<'a> {
    context: &'a Context,
    functions: Vec<bool>,
}

impl Acting<'_> {
    fn block(&self, block: &Block) -> bool {
        let mut found = false;
        walk::every_stmt(block, &mut |stmt| found |= self.stmt(stmt));
        found
    }

    /// Whether a statement itself does more than give a value; not those within its blocks.
    fn stmt(&self, stmt: &Stmt) -> bool {
        let StmtKind::Let(_, rhs) = &stmt.kind else { return false };
        match rhs {
            Rhs::Sample { .. } | Rhs::Host(..) => true,
            // Of a function value it is known whether it draws or weighs, which are one here.
            Rhs::CallClosure { site, .. } => site.is_some(),
            Rhs::Call { func, .. } => self.functions.get(func.0 as usize) != Some(&false),
            Rhs::Member(name, ..) => name.as_str() == "sample",
            Rhs::Prim(prim, _) => (self.context.effect)(*prim) == PrimEffect::Acts,
            _ => false,
        }
    }
}

/// Drops what is not needed of a function; false where all is.
fn keep(function: &mut Function, acting: &Acting<'_>) -> bool {
    let mut needed = Needed { acting, live: vec![false; function.vars.len()], changed: true };
    while needed.changed {
        needed.changed = false;
        needed.mark(&function.body);
    }
    let before = walk::size(&function.body);
    needed.sweep(&mut function.body);
    walk::size(&function.body) != before
}

struct Needed<'a> {
    acting: &'a Acting<'a>,
    /// Whether something that stays reads a variable.
    live: Vec<bool>,
    changed: bool,
}

impl Needed<'_> {
    fn is_live(&self, var: VarId) -> bool {
        self.live.get(var.0 as usize) == Some(&true)
    }

    fn read(&mut self, atom: &Atom) {
        if let Atom::Var(var) = atom
            && let Some(live) = self.live.get_mut(var.0 as usize)
        {
            self.changed |= !*live;
            *live = true;
        }
    }

    /// Whether a statement stays, as far as is known.
    fn stays(&self, stmt: &Stmt) -> bool {
        let itself = match &stmt.kind {
            StmtKind::Let(var, _) => self.is_live(*var) || self.acting.stmt(stmt),
            StmtKind::Assign(var, _) | StmtKind::Update(var, ..) => self.is_live(*var),
            StmtKind::Observe { .. } | StmtKind::Factor { .. } => return false,
            StmtKind::For { .. } | StmtKind::While { .. } | StmtKind::If(..) => false,
        };
        let mut within = itself;
        walk::stmt_blocks(stmt, &mut |block| within |= block.stmts.iter().any(|stmt| self.stays(stmt)));
        within
    }

    fn mark(&mut self, block: &Block) {
        self.read(&block.result);
        for stmt in block.stmts.iter().rev() {
            if self.stays(stmt) {
                walk::stmt_atoms(stmt, &mut |atom| self.read(atom));
                walk::stmt_blocks(stmt, &mut |inner| self.mark(inner));
            }
        }
    }

    fn sweep(&self, block: &mut Block) {
        block.stmts.retain(|stmt| self.stays(stmt));
        for stmt in &mut block.stmts {
            walk::stmt_blocks_mut(stmt, &mut |inner| self.sweep(inner));
        }
    }
}
