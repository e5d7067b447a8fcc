//! Replaces what was computed before by its variable, within the scope of that variable.

use super::effect::{Effect, Effects, Types};
use super::walk;
use crate::core::ir::{Atom, Block, Callee, DistUse, Function, Global, Rhs, StmtKind, Var, VarId};
use crate::value::Value;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Shares the common subexpressions of a function.
pub fn function(function: &mut Function, effects: &Effects<'_>, globals: &[Global]) {
    let vars = std::mem::take(&mut function.vars);
    let mut sharing = Sharing {
        types: Types { vars: &vars, globals },
        vars: &vars,
        effects,
        subst: HashMap::new(),
        known: HashMap::new(),
        trail: Vec::new(),
    };
    sharing.block(&mut function.body);
    function.vars = vars;
}

struct Sharing<'a> {
    types: Types<'a>,
    vars: &'a [Var],
    effects: &'a Effects<'a>,
    subst: HashMap<VarId, VarId>,
    /// What is in scope, by hash.
    known: HashMap<u64, Vec<(Rhs, VarId)>>,
    /// The hashes entered, to be taken back at the end of the block.
    trail: Vec<u64>,
}

impl Sharing<'_> {
    fn block(&mut self, block: &mut Block) {
        let start = self.trail.len();
        block.stmts.retain_mut(|stmt| {
            walk::stmt_atoms_mut(stmt, &mut |atom| self.operand(atom));
            walk::stmt_blocks_mut(stmt, &mut |inner| self.block(inner));
            match &stmt.kind {
                StmtKind::Let(var, rhs) => !self.shared(*var, rhs),
                _ => true,
            }
        });
        self.operand(&mut block.result);
        for hash in self.trail.drain(start..).rev() {
            if let Some(entries) = self.known.get_mut(&hash) {
                entries.pop();
            }
        }
    }

    fn operand(&self, atom: &mut Atom) {
        if let Atom::Var(id) = atom
            && let Some(first) = self.subst.get(id)
        {
            *id = *first;
        }
    }

    /// Whether the variable is bound to what another one holds; if not, it is entered for those that follow.
    fn shared(&mut self, var: VarId, rhs: &Rhs) -> bool {
        let Some(hash) = hash(rhs) else { return false };
        let Some(bound) = self.vars.get(var.0 as usize).filter(|v| !v.mutable) else { return false };
        let mut stable = true;
        walk::rhs_atoms(rhs, &mut |atom| {
            if let Atom::Var(id) = atom {
                stable &= self.vars.get(id.0 as usize).is_some_and(|v| !v.mutable);
            }
        });
        if !stable || self.effects.rhs(&self.types, rhs) > Effect::Faults {
            return false;
        }
        let entries = self.known.entry(hash).or_default();
        let same = entries.iter().find(|(other, v)| other == rhs && self.vars[v.0 as usize].ty == bound.ty);
        if let Some((_, first)) = same {
            self.subst.insert(var, *first);
            return true;
        }
        entries.push((rhs.clone(), var));
        self.trail.push(hash);
        false
    }
}

/// A hash of what can be shared: computations without blocks.
fn hash(rhs: &Rhs) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(rhs).hash(&mut hasher);
    match rhs {
        Rhs::Op(op, _) | Rhs::Lift(Callee::Op(op), _) => op.hash(&mut hasher),
        Rhs::Prim(prim, _) | Rhs::Lift(Callee::Prim(prim), _) => prim.row.hash(&mut hasher),
        Rhs::Call { func, .. } => func.hash(&mut hasher),
        Rhs::Field(_, n) => n.hash(&mut hasher),
        Rhs::Payload(_, tag, n) => (tag, n).hash(&mut hasher),
        Rhs::Member(name, dist, _) => {
            name.hash(&mut hasher);
            if let DistUse::Known(id, _) = dist {
                id.hash(&mut hasher);
            }
        }
        _ => return None,
    }
    walk::rhs_atoms(rhs, &mut |atom| match atom {
        Atom::Var(id) => id.hash(&mut hasher),
        Atom::Global(id) => id.hash(&mut hasher),
        // By their bits: 0.0 and -0.0 compare equal and are not the same.
        Atom::Const(Value::Real(x), _) => x.to_bits().hash(&mut hasher),
        Atom::Const(Value::Int(n), _) => n.hash(&mut hasher),
        Atom::Const(Value::Bool(b), _) => b.hash(&mut hasher),
        Atom::Const(Value::Reals(xs), _) => xs.iter().for_each(|x| x.to_bits().hash(&mut hasher)),
        Atom::Const(_, ty) => ty.hash(&mut hasher),
    });
    Some(hasher.finish())
}
