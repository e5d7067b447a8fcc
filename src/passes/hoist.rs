//! Moves what does not change from one turn of a loop to the next out of the loop.
//!
//! What is cheap and cannot fault moves always; what is dear, only when the loop is known to run; what may fault, only when it
//! also comes before anything else that could be noticed, so that the order of faults and effects stays.

use super::effect::{Effect, Effects, Types};
use super::walk;
use crate::core::ir::{Atom, Block, Function, Global, Rhs, Stmt, StmtKind, VarId};
use crate::value::Value;

/// Hoists the invariant computations of a function.
pub fn function(function: &mut Function, effects: &Effects<'_>, globals: &[Global]) {
    let vars = std::mem::take(&mut function.vars);
    let hoisting = Hoisting { types: Types { vars: &vars, globals }, effects };
    hoisting.block(&mut function.body);
    function.vars = vars;
}

struct Hoisting<'a> {
    types: Types<'a>,
    effects: &'a Effects<'a>,
}

impl Hoisting<'_> {
    fn block(&self, block: &mut Block) {
        let mut out = Vec::with_capacity(block.stmts.len());
        for mut stmt in std::mem::take(&mut block.stmts) {
            // Inner loops first: what leaves them may leave this one too.
            walk::stmt_blocks_mut(&mut stmt, &mut |inner| self.block(inner));
            match &mut stmt.kind {
                StmtKind::For { var, low, high, body } => {
                    let runs = matches!((&*low, &*high), (Atom::Const(Value::Int(a), _), Atom::Const(Value::Int(b), _)) if a < b);
                    self.leave(*var, body, runs, &mut out);
                }
                StmtKind::Let(_, Rhs::Build { len, var, body }) => {
                    let runs = matches!(len, Atom::Const(Value::Int(n), _) if *n > 0);
                    self.leave(*var, body, runs, &mut out);
                }
                _ => {}
            }
            out.push(stmt);
        }
        block.stmts = out;
    }

    /// Takes from a loop body what may stand before the loop.
    fn leave(&self, index: VarId, body: &mut Block, runs: bool, out: &mut Vec<Stmt>) {
        // What the loop binds is not known outside, until it leaves too.
        let mut inside = vec![false; self.types.vars.len()];
        mark(&mut inside, index);
        // Whether nothing stayed so far that could be noticed.
        let mut first = true;
        walk::every_stmt(body, &mut |stmt| {
            if let StmtKind::Let(var, rhs) = &stmt.kind {
                mark(&mut inside, *var);
                if let Rhs::Build { var, .. } = rhs {
                    mark(&mut inside, *var);
                }
            }
            if let StmtKind::For { var, .. } = &stmt.kind {
                mark(&mut inside, *var);
            }
        });
        let mut kept = Vec::with_capacity(body.stmts.len());
        for stmt in std::mem::take(&mut body.stmts) {
            let effect = self.effects.stmt(&self.types, &stmt, false);
            let moves = match &stmt.kind {
                StmtKind::Let(var, rhs) if self.movable(*var, rhs, &inside) => match effect {
                    Effect::Cheap => true,
                    Effect::Total => runs,
                    Effect::Arithmetic | Effect::Faults => runs && first,
                    Effect::Acts => false,
                },
                _ => false,
            };
            if moves {
                if let StmtKind::Let(var, _) = &stmt.kind {
                    inside[var.0 as usize] = false;
                }
                out.push(stmt);
            } else {
                first &= effect <= Effect::Total;
                kept.push(stmt);
            }
        }
        body.stmts = kept;
    }

    /// Whether a binding is without blocks and means the same on each turn.
    fn movable(&self, var: VarId, rhs: &Rhs, inside: &[bool]) -> bool {
        if !matches!(
            rhs,
            Rhs::Op(..)
                | Rhs::Prim(..)
                | Rhs::Lift(..)
                | Rhs::Field(..)
                | Rhs::Call { .. }
                | Rhs::Member(..)
                | Rhs::Dist(..)
        ) {
            return false;
        }
        let immutable = |id: VarId| self.types.vars.get(id.0 as usize).is_some_and(|v| !v.mutable);
        let mut fixed = immutable(var);
        walk::rhs_atoms(rhs, &mut |atom| {
            if let Atom::Var(id) = atom {
                fixed &= immutable(*id) && !inside.get(id.0 as usize).copied().unwrap_or(true);
            }
        });
        fixed
    }
}

fn mark(inside: &mut [bool], var: VarId) {
    if let Some(place) = inside.get_mut(var.0 as usize) {
        *place = true;
    }
}
