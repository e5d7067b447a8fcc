//! Visits the operands, binders and blocks of statements.

use crate::core::ir::{Atom, Block, DistUse, Rhs, Step, Stmt, StmtKind, VarId};

/// Writes the visitors twice, for shared and for mutable references.
macro_rules! visitors {
    ($stmt_atoms:ident, $rhs_atoms:ident, $dist_atoms:ident, $stmt_blocks:ident, $rhs_blocks:ident, $every_atom:ident, $every_stmt:ident, $($m:tt)?) => {
        /// Visits the operands that stand directly in a statement, not those within its blocks.
        pub fn $stmt_atoms(stmt: &$($m)? Stmt, f: &mut dyn FnMut(&$($m)? Atom)) {
            match &$($m)? stmt.kind {
                StmtKind::Let(_, rhs) => $rhs_atoms(rhs, f),
                StmtKind::Assign(_, atom) => f(atom),
                StmtKind::Update(_, steps, atom) => {
                    for step in steps {
                        match step {
                            Step::Index(i) => f(i),
                            Step::Index2(i, j) => {
                                f(i);
                                f(j);
                            }
                            Step::Field(_) => {}
                        }
                    }
                    f(atom);
                }
                StmtKind::For { low, high, .. } => {
                    f(low);
                    f(high);
                }
                StmtKind::While { .. } => {}
                StmtKind::If(cond, _, _) => f(cond),
                StmtKind::Observe { dist, value, path, .. } => {
                    $dist_atoms(dist, f);
                    f(value);
                    for atom in path {
                        f(atom);
                    }
                }
                StmtKind::Factor { weight, path, .. } => {
                    f(weight);
                    for atom in path {
                        f(atom);
                    }
                }
            }
        }

        /// Visits the operands that stand directly in a right-hand side, not those within its blocks.
        pub fn $rhs_atoms(rhs: &$($m)? Rhs, f: &mut dyn FnMut(&$($m)? Atom)) {
            match rhs {
                Rhs::Atom(atom) | Rhs::Field(atom, _) | Rhs::Payload(atom, _, _) => f(atom),
                Rhs::Op(_, args)
                | Rhs::Prim(_, args)
                | Rhs::Lift(_, args)
                | Rhs::Closure(_, args)
                | Rhs::Tuple(args)
                | Rhs::Record(args)
                | Rhs::Variant(_, args)
                | Rhs::Array(args)
                | Rhs::Dist(_, args)
                | Rhs::Host(_, args) => {
                    for atom in args {
                        f(atom);
                    }
                }
                Rhs::Call { args, path, .. } => {
                    for atom in args {
                        f(atom);
                    }
                    for atom in path {
                        f(atom);
                    }
                }
                Rhs::CallClosure { callee, args, path, .. } => {
                    f(callee);
                    for atom in args {
                        f(atom);
                    }
                    for atom in path {
                        f(atom);
                    }
                }
                Rhs::Build { len, .. } => f(len),
                Rhs::Sample { dist, path, .. } => {
                    $dist_atoms(dist, f);
                    for atom in path {
                        f(atom);
                    }
                }
                Rhs::Member(_, dist, args) => {
                    $dist_atoms(dist, f);
                    for atom in args {
                        f(atom);
                    }
                }
                Rhs::If(cond, _, _) => f(cond),
                Rhs::Switch { on, .. } => f(on),
            }
        }

        fn $dist_atoms(dist: &$($m)? DistUse, f: &mut dyn FnMut(&$($m)? Atom)) {
            match dist {
                DistUse::Known(_, args) => {
                    for atom in args {
                        f(atom);
                    }
                }
                DistUse::Value(atom) => f(atom),
            }
        }

        /// Visits the blocks directly within a statement.
        pub fn $stmt_blocks(stmt: &$($m)? Stmt, f: &mut dyn FnMut(&$($m)? Block)) {
            match &$($m)? stmt.kind {
                StmtKind::Let(_, rhs) => $rhs_blocks(rhs, f),
                StmtKind::For { body, .. } => f(body),
                StmtKind::While { cond, body } => {
                    f(cond);
                    f(body);
                }
                StmtKind::If(_, yes, no) => {
                    f(yes);
                    f(no);
                }
                _ => {}
            }
        }

        /// Visits the blocks directly within a right-hand side.
        pub fn $rhs_blocks(rhs: &$($m)? Rhs, f: &mut dyn FnMut(&$($m)? Block)) {
            match rhs {
                Rhs::Build { body, .. } => f(body),
                Rhs::If(_, yes, no) => {
                    f(yes);
                    f(no);
                }
                Rhs::Switch { arms, otherwise, .. } => {
                    for (_, block) in arms {
                        f(block);
                    }
                    if let Some(block) = otherwise {
                        f(block);
                    }
                }
                _ => {}
            }
        }

        /// Visits every operand of a block and of the blocks within, results included.
        pub fn $every_atom(block: &$($m)? Block, f: &mut dyn FnMut(&$($m)? Atom)) {
            for stmt in &$($m)? block.stmts {
                $stmt_atoms(stmt, f);
                $stmt_blocks(stmt, &mut |inner| $every_atom(inner, f));
            }
            f(&$($m)? block.result);
        }

        /// Visits every statement of a block and of the blocks within, outer ones first.
        pub fn $every_stmt(block: &$($m)? Block, f: &mut dyn FnMut(&$($m)? Stmt)) {
            for stmt in &$($m)? block.stmts {
                f(stmt);
                $stmt_blocks(stmt, &mut |inner| $every_stmt(inner, f));
            }
        }
    };
}

visitors!(stmt_atoms, rhs_atoms, dist_atoms, stmt_blocks, rhs_blocks, every_atom, every_stmt,);
visitors!(
    stmt_atoms_mut,
    rhs_atoms_mut,
    dist_atoms_mut,
    stmt_blocks_mut,
    rhs_blocks_mut,
    every_atom_mut,
    every_stmt_mut,
    mut
);

/// Visits the variables that a block binds or assigns, with those of the blocks within. `binds` is false for an assignment.
pub fn every_target_mut(block: &mut Block, f: &mut dyn FnMut(&mut VarId, bool)) {
    every_stmt_mut(block, &mut |stmt| match &mut stmt.kind {
        StmtKind::Let(var, rhs) => {
            if let Rhs::Build { var, .. } = rhs {
                f(var, true);
            }
            f(var, true);
        }
        StmtKind::For { var, .. } => f(var, true),
        StmtKind::Assign(var, _) | StmtKind::Update(var, _, _) => f(var, false),
        _ => {}
    });
}

/// The number of statements of a block, those of the blocks within included.
pub fn size(block: &Block) -> usize {
    let mut count = 0;
    every_stmt(block, &mut |_| count += 1);
    count
}
