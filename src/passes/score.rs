//! Turns observations of known distributions into factors of their log density, so that what is constant in it is computed once.
//!
//! The weight and its site stay the same: an observation *is* a factor of its density. Checks of parameters that are constants vanish,
//! and so do logarithms of them.

use super::{Context, simplify, walk};
use crate::core::Type;
use crate::core::ir::{Atom, Block, DistUse, FuncId, Program, Rhs, Stmt, StmtKind, Var, VarId};
use crate::source::{Diagnostic, intern};
use std::sync::Arc;

/// Densities of at most this many statements are inlined.
const DENSITY: usize = 60;

/// Runs the pass; it has nothing to complain of.
pub fn run(program: &mut Program, context: &Context) -> Vec<Diagnostic> {
    for k in 0..program.funcs.len() {
        let function = Arc::clone(&program.funcs[k]);
        let mut any = false;
        walk::every_stmt(&function.body, &mut |stmt| any |= known(stmt));
        if !any {
            continue;
        }
        let mut function = (*function).clone();
        let mut body = std::mem::take(&mut function.body);
        block(program, &mut body, &mut function.vars);
        function.body = body;
        program.funcs[k] = Arc::new(function);
    }
    let small: Vec<FuncId> = program.dists.iter().map(|dist| dist.logp).collect();
    simplify::round_inlining(program, context, &small, DENSITY);
    Vec::new()
}

fn known(stmt: &Stmt) -> bool {
    matches!(&stmt.kind, StmtKind::Observe { dist: DistUse::Known(..), .. })
}

fn block(program: &Program, target: &mut Block, vars: &mut Vec<Var>) {
    let mut out = Vec::with_capacity(target.stmts.len());
    for mut stmt in target.stmts.drain(..) {
        walk::stmt_blocks_mut(&mut stmt, &mut |inner| block(program, inner, vars));
        if !known(&stmt) {
            out.push(stmt);
            continue;
        }
        let StmtKind::Observe { site, dist: DistUse::Known(id, mut args), value, path } = stmt.kind else { continue };
        args.push(value);
        vars.push(Var { name: intern("density"), ty: Type::REAL, mutable: false });
        let weight = VarId((vars.len() - 1) as u32);
        let func = program.dists[id.0 as usize].logp;
        let rhs = Rhs::Call { func, args, site: None, path: Vec::new() };
        out.push(Stmt { span: stmt.span, kind: StmtKind::Let(weight, rhs) });
        out.push(Stmt { span: stmt.span, kind: StmtKind::Factor { site, weight: Atom::Var(weight), path } });
    }
    target.stmts = out;
}
