//! Arrays that are filled one element after the other become a variable for the last one, where nothing asks for the others.
//!
//! `x[t] ~ Normal(x[t - 1], 1)` carries one number from turn to turn, as `state = h` would. The array stays, for what goes wrong with its
//! indices, but what is stored in it does not: so nothing needs the number.

use super::form::{int, real};
use crate::core::ir::{Atom, Block, Function, Op, Rhs, Step, Stmt, StmtKind, Var, VarId};
use crate::core::ty::Type;
use crate::passes::walk;
use crate::source::intern;
use crate::value::Value;
use std::collections::BTreeSet;

/// Rewrites a function; what it computes stays the same.
pub(super) fn carry(function: &mut Function) {
    let given: BTreeSet<VarId> = function.params.iter().chain(&function.captures).copied().collect();
    let mut body = std::mem::take(&mut function.body);
    let mut carry = Carry { vars: &mut function.vars, given };
    carry.block(&mut body, Vec::new());
    let mut read = BTreeSet::new();
    walk::every_atom(&body, &mut |atom| {
        if let Atom::Var(var) = atom {
            read.insert(*var);
        }
    });
    walk::every_stmt_mut(&mut body, &mut |stmt| {
        if let StmtKind::Update(array, steps, value) = &mut stmt.kind
            && matches!(steps[..], [Step::Index(_)])
            && carry.is_array(*array)
            && !read.contains(array)
        {
            *value = real(0.0);
        }
    });
    function.body = body;
}

/// An element of an array that is known, by the operand that is its index.
#[derive(Clone)]
struct Stored {
    array: VarId,
    index: Atom,
    value: Atom,
}

struct Carry<'a> {
    vars: &'a mut Vec<Var>,
    given: BTreeSet<VarId>,
}

/// A whole constant.
fn whole(atom: &Atom) -> Option<i64> {
    match atom {
        Atom::Const(Value::Int(n), _) => Some(*n),
        _ => None,
    }
}

/// Whether a block changes an array.
fn changes(block: &Block, array: VarId) -> bool {
    let mut found = false;
    walk::every_stmt(block, &mut |stmt| {
        found |= matches!(&stmt.kind, StmtKind::Update(var, ..) | StmtKind::Assign(var, _) if *var == array);
    });
    found
}

impl Carry<'_> {
    fn is_array(&self, var: VarId) -> bool {
        let known = self.vars.get(var.0 as usize);
        known.is_some_and(|var| var.mutable && var.ty == Type::REAL.array()) && !self.given.contains(&var)
    }

    fn stable(&self, atom: &Atom) -> bool {
        !matches!(atom, Atom::Var(var) if self.vars.get(var.0 as usize).is_none_or(|var| var.mutable))
    }

    /// Rewrites a block at whose start these elements are known; gives what is known at its end.
    fn block(&mut self, block: &mut Block, mut stored: Vec<Stored>) -> Vec<Stored> {
        let mut out = Vec::with_capacity(block.stmts.len());
        for mut stmt in std::mem::take(&mut block.stmts) {
            if let StmtKind::Let(_, rhs) = &mut stmt.kind
                && let Rhs::Op(Op::Index, args) = &*rhs
                && let [Atom::Var(array), index] = &args[..]
                && let Some(known) = stored.iter().find(|known| known.array == *array && known.index == *index)
            {
                *rhs = Rhs::Atom(known.value.clone());
            }
            let mut after = None;
            if let StmtKind::For { var, low, high, body } = &mut stmt.kind {
                after = self.carried(&mut out, stmt.span, (*var, low, high), body, &stored);
            }
            let is_loop = matches!(
                &stmt.kind,
                StmtKind::For { .. } | StmtKind::While { .. } | StmtKind::Let(_, Rhs::Build { .. })
            );
            let before = stored.clone();
            let mut changed = BTreeSet::new();
            walk::stmt_blocks(&stmt, &mut |inner| {
                changed.extend(before.iter().map(|known| known.array).filter(|array| changes(inner, *array)));
            });
            walk::stmt_blocks_mut(&mut stmt, &mut |inner| {
                let mut known = before.clone();
                known.retain(|known| !is_loop || !changed.contains(&known.array));
                self.block(inner, known);
            });
            stored.retain(|known| !changed.contains(&known.array));
            stored.extend(after);
            match &stmt.kind {
                StmtKind::Update(array, steps, value) if self.is_array(*array) => {
                    let index = match &steps[..] {
                        [Step::Index(index)] if self.stable(index) => Some(index.clone()),
                        _ => None,
                    };
                    let elsewhere = |known: &Stored| {
                        let other = index.as_ref().and_then(whole);
                        matches!((whole(&known.index), other), (Some(a), Some(b)) if a != b)
                    };
                    stored.retain(|known| known.array != *array || elsewhere(known));
                    if let Some(index) = index
                        && self.stable(value)
                    {
                        stored.push(Stored { array: *array, index, value: value.clone() });
                    }
                }
                StmtKind::Assign(var, _) => {
                    stored.retain(|known| known.array != *var && known.value != Atom::Var(*var));
                }
                _ => {}
            }
            out.push(stmt);
        }
        block.stmts = out;
        stored
    }

    /// Carries the last element of an array through a loop that stores one in every turn and reads only the one before.
    fn carried(
        &mut self,
        out: &mut Vec<Stmt>,
        span: crate::source::Span,
        (var, low, high): (VarId, &Atom, &Atom),
        body: &mut Block,
        stored: &[Stored],
    ) -> Option<Stored> {
        let index = Atom::Var(var);
        let mut stores = body.stmts.iter().filter_map(|stmt| match &stmt.kind {
            StmtKind::Update(array, steps, value) if self.is_array(*array) && self.stable(value) => {
                matches!(&steps[..], [Step::Index(at)] if *at == index).then(|| (*array, value.clone()))
            }
            _ => None,
        });
        let (array, value) = stores.next()?;
        let first = whole(low)?;
        let start = match stored.iter().find(|known| known.array == array && whole(&known.index) == Some(first - 1)) {
            Some(known) => known.value.clone(),
            None if first == 0 => real(0.0),
            None => return None,
        };
        // The names of the index before, and whether all else that mentions the array is one store and reads there.
        let mut before = BTreeSet::new();
        walk::every_stmt(body, &mut |stmt| {
            if let StmtKind::Let(at, Rhs::Op(op, args)) = &stmt.kind {
                let step = args.get(1).and_then(whole);
                if args.first() == Some(&index) && matches!((op, step), (Op::SubI, Some(1)) | (Op::AddI, Some(-1))) {
                    before.insert(*at);
                }
            }
        });
        let (mut reads, mut own, mut updates) = (0, 0, 0);
        walk::every_stmt(body, &mut |stmt| match &stmt.kind {
            StmtKind::Let(_, Rhs::Op(Op::Index, args)) if args[0] == Atom::Var(array) => match &args[1] {
                Atom::Var(at) if before.contains(at) => reads += 1,
                at if *at == index => own += 1,
                _ => updates += 2,
            },
            StmtKind::Update(var, ..) | StmtKind::Assign(var, _) if *var == array => updates += 1,
            _ => {}
        });
        let mut mentions = 0;
        walk::every_atom(body, &mut |atom| mentions += usize::from(*atom == Atom::Var(array)));
        // Its own element is read after it was stored only.
        let at = body.stmts.iter().position(|stmt| matches!(&stmt.kind, StmtKind::Update(var, ..) if *var == array))?;
        let mut early = false;
        for stmt in &body.stmts[..at] {
            let head = Block { stmts: vec![stmt.clone()], ..Block::default() };
            walk::every_stmt(&head, &mut |stmt| {
                if let StmtKind::Let(_, Rhs::Op(Op::Index, args)) = &stmt.kind {
                    early |= args[0] == Atom::Var(array) && args[1] == index;
                }
            });
        }
        // A read of the one before, after the store of its own, would find the new one.
        for stmt in &body.stmts[at..] {
            let tail = Block { stmts: vec![stmt.clone()], ..Block::default() };
            walk::every_stmt(&tail, &mut |stmt| {
                if let StmtKind::Let(_, Rhs::Op(Op::Index, args)) = &stmt.kind {
                    early |= args[0] == Atom::Var(array) && args[1] != index;
                }
            });
        }
        if updates != 1 || mentions != reads + own || early {
            return None;
        }
        self.vars.push(Var { name: intern("last"), ty: Type::REAL, mutable: true });
        let last = VarId(self.vars.len() as u32 - 1);
        out.push(Stmt { span, kind: StmtKind::Let(last, Rhs::Atom(start)) });
        let array_atom = Atom::Var(array);
        let is_read = |stmt: &Stmt| matches!(&stmt.kind, StmtKind::Let(_, Rhs::Op(Op::Index, args)) if args[0] == array_atom && args[1] != index);
        replace(body, &is_read, last, first == 0, &index, self.vars);
        let at = body.stmts.iter().position(|stmt| matches!(&stmt.kind, StmtKind::Update(var, ..) if *var == array))?;
        body.stmts.insert(at + 1, Stmt { span, kind: StmtKind::Assign(last, value) });
        let end = whole(high).filter(|high| *high > first)?;
        Some(Stored { array, index: int(end - 1), value: Atom::Var(last) })
    }
}

/// Reads a variable instead of an element; where `checked`, only behind the first turn, in which there is none.
fn replace(
    block: &mut Block,
    is_read: &dyn Fn(&Stmt) -> bool,
    last: VarId,
    checked: bool,
    index: &Atom,
    vars: &mut Vec<Var>,
) {
    let mut out = Vec::with_capacity(block.stmts.len());
    for mut stmt in std::mem::take(&mut block.stmts) {
        if is_read(&stmt) {
            if checked {
                let mut fresh = |ty| {
                    vars.push(Var { name: intern("t"), ty, mutable: false });
                    VarId(vars.len() as u32 - 1)
                };
                let (later, done) = (fresh(Type::BOOL), fresh(Type::UNIT));
                let test = Rhs::Op(Op::LtI, vec![int(0), index.clone()]);
                out.push(Stmt { span: stmt.span, kind: StmtKind::Let(later, test) });
                let text = Atom::Const(Value::string("the index -1 lies outside the array"), Type::STR);
                let assert = Rhs::Op(Op::Assert, vec![Atom::Var(later), text]);
                out.push(Stmt { span: stmt.span, kind: StmtKind::Let(done, assert) });
            }
            if let StmtKind::Let(_, rhs) = &mut stmt.kind {
                *rhs = Rhs::Atom(Atom::Var(last));
            }
        }
        walk::stmt_blocks_mut(&mut stmt, &mut |inner| replace(inner, is_read, last, checked, index, vars));
        out.push(stmt);
    }
    block.stmts = out;
}
