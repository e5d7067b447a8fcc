//! The order of operands: each sees the variables as they are when it is its turn.

use super::{Body, Lowered};
use crate::core::ir::{Atom, Block, Rhs, Stmt, StmtKind, VarId};
use crate::syntax::ast::ExprId;

impl Body<'_> {
    /// The value of an expression that comes after others of the same operation. Where it assigns a variable that one
    /// of those read, as in `x + { x = 2; x }`, that one becomes a copy made before.
    pub(super) fn expr_after(&mut self, before: &mut [Atom], id: ExprId) -> Lowered<Atom> {
        let start = self.emitted().len();
        let atom = self.expr(id)?;
        for earlier in before {
            let Atom::Var(var) = *earlier else { continue };
            let variable = &self.frame_ref().vars[var.0 as usize];
            if !variable.mutable || !self.emitted()[start..].iter().any(|stmt| assigns(stmt, var)) {
                continue;
            }
            let ty = variable.ty;
            let copy = self.fresh("t", ty, false);
            let span = self.ast().expr(id).span;
            let kind = StmtKind::Let(copy, Rhs::Atom(Atom::Var(var)));
            self.frame().blocks.last_mut().expect("a frame has at least one block").insert(start, Stmt { span, kind });
            *earlier = Atom::Var(copy);
        }
        Ok(atom)
    }

    /// The values of expressions, one after the other.
    pub(super) fn exprs(&mut self, ids: impl Iterator<Item = ExprId>) -> Lowered<Vec<Atom>> {
        let mut atoms = Vec::new();
        for id in ids {
            let atom = self.expr_after(&mut atoms, id)?;
            atoms.push(atom);
        }
        Ok(atoms)
    }

    fn emitted(&self) -> &[Stmt] {
        self.frame_ref().blocks.last().map_or(&[], Vec::as_slice)
    }
}

/// Whether a statement, or one inside it, assigns a variable or a part of it.
fn assigns(stmt: &Stmt, var: VarId) -> bool {
    let within = |block: &Block| block.stmts.iter().any(|stmt| assigns(stmt, var));
    match &stmt.kind {
        StmtKind::Assign(target, _) | StmtKind::Update(target, ..) => *target == var,
        StmtKind::For { body, .. } | StmtKind::Let(_, Rhs::Build { body, .. }) => within(body),
        StmtKind::While { cond, body } => within(cond) || within(body),
        StmtKind::If(_, then, otherwise) | StmtKind::Let(_, Rhs::If(_, then, otherwise)) => {
            within(then) || within(otherwise)
        }
        StmtKind::Let(_, Rhs::Switch { arms, otherwise, .. }) => {
            arms.iter().map(|(_, block)| block).chain(otherwise.as_deref()).any(within)
        }
        StmtKind::Let(..) | StmtKind::Observe { .. } | StmtKind::Factor { .. } => false,
    }
}
