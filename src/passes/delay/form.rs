//! Numbers that are not drawn: affine in normal choices, or a multiple of another; and the statements that compute with their coefficients.

use super::{Delay, Family};
use crate::core::ir::{Atom, Callee, DistId, Op, PrimRef, Rhs, SiteId, Stmt, StmtKind, Var, VarId};
use crate::core::ty::Type;
use crate::source::intern;
use crate::value::Value;
use std::collections::BTreeMap;

/// The place of a delayed choice, or of a variable that carries what is linear in some.
#[derive(Clone)]
pub(super) struct Slot {
    pub owner: VarId,
    pub family: Family,
    /// The site and the path by which it is drawn; none for a variable that carries.
    pub site: Option<(SiteId, Vec<Atom>)>,
    /// Mutable: the mean; of a beta choice its first parameter, of a gamma choice its shape, of a Dirichlet choice its parameters.
    pub first: VarId,
    /// Mutable: the second parameter of a beta choice, the rate of a gamma choice. Unused for the others.
    pub second: VarId,
    /// Mutable: the value and whether it was drawn, for those with counts.
    pub value: VarId,
    pub is_drawn: VarId,
    /// The loops around the place where it is made.
    pub loops: Vec<u32>,
    /// Where it was observed, and where drawn: the loops around, in the order of the text.
    pub uses: Vec<Vec<u32>>,
    pub was_drawn: bool,
}

/// The mutable variables that hold variances and covariances of normal slots, by places in ascending order.
pub(super) type Covariances = BTreeMap<(usize, usize), VarId>;

/// What stands for a number that is not drawn.
#[derive(Clone)]
pub(super) enum Form {
    /// `constant + Σ coefficient · slot`; of an array each coefficient may be one.
    Affine(Affine),
    /// A positive multiple of a slot that is not normal; the multiple is 1 but for gamma choices.
    Scaled(usize, Atom),
    /// A distribution with a parameter that is not drawn.
    Dist(DistId, Vec<Form>),
}

/// See [`Form::Affine`].
#[derive(Clone)]
pub(super) struct Affine {
    pub constant: Atom,
    pub terms: Vec<(usize, Atom)>,
}

/// A real constant.
pub(super) fn real(x: f64) -> Atom {
    Atom::Const(Value::Real(x), Type::REAL)
}

/// A whole constant.
pub(super) fn int(n: i64) -> Atom {
    Atom::Const(Value::Int(n), Type::INT)
}

fn constant(atom: &Atom) -> Option<f64> {
    match atom {
        Atom::Const(Value::Real(x), _) => Some(*x),
        _ => None,
    }
}

impl Affine {
    /// A number that is known.
    pub fn known(atom: Atom) -> Affine {
        Affine { constant: atom, terms: Vec::new() }
    }

    /// A slot itself.
    pub fn slot(slot: usize) -> Affine {
        Affine { constant: real(0.0), terms: vec![(slot, real(1.0))] }
    }
}

impl Form {
    /// A number that is known.
    pub fn known(atom: Atom) -> Form {
        Form::Affine(Affine::known(atom))
    }

    /// The slots that it mentions.
    pub fn slots(&self) -> Vec<usize> {
        match self {
            Form::Affine(affine) => affine.terms.iter().map(|(slot, _)| *slot).collect(),
            Form::Scaled(slot, _) => vec![*slot],
            Form::Dist(_, args) => args.iter().flat_map(Form::slots).collect(),
        }
    }
}

impl Delay<'_> {
    pub(super) fn fresh(&mut self, name: &str, ty: Type, mutable: bool) -> VarId {
        self.vars.push(Var { name: intern(name), ty, mutable });
        VarId(self.vars.len() as u32 - 1)
    }

    /// A mutable variable that is declared at the start of the function.
    pub(super) fn declared(&mut self, name: &str, ty: Type, start: Value) -> VarId {
        let var = self.fresh(name, ty, true);
        let rhs = Rhs::Atom(Atom::Const(start, ty));
        self.prologue.push(Stmt { span: self.function.span, kind: StmtKind::Let(var, rhs) });
        var
    }

    pub(super) fn type_of(&self, atom: &Atom) -> Type {
        match atom {
            Atom::Var(var) => self.vars.get(var.0 as usize).map_or(Type::REAL, |var| var.ty),
            Atom::Const(_, ty) => *ty,
            Atom::Global(id) => self.program.globals.get(id.0 as usize).map_or(Type::REAL, |global| global.ty),
        }
    }

    pub(super) fn push(&self, kind: StmtKind, out: &mut Vec<Stmt>) {
        out.push(Stmt { span: self.span, kind });
    }

    /// A new variable with this value.
    pub(super) fn bind(&mut self, ty: Type, rhs: Rhs, out: &mut Vec<Stmt>) -> Atom {
        let var = self.fresh("t", ty, false);
        self.push(StmtKind::Let(var, rhs), out);
        Atom::Var(var)
    }

    /// What a mutable variable holds now.
    pub(super) fn read(&mut self, var: VarId, out: &mut Vec<Stmt>) -> Atom {
        let ty = self.vars[var.0 as usize].ty;
        self.bind(ty, Rhs::Atom(Atom::Var(var)), out)
    }

    pub(super) fn assign(&self, var: VarId, value: Atom, out: &mut Vec<Stmt>) {
        self.push(StmtKind::Assign(var, value), out);
    }

    /// An operation on reals; on arrays element by element.
    pub(super) fn op(&mut self, op: Op, a: &Atom, b: &Atom, out: &mut Vec<Stmt>) -> Atom {
        let arrays = [a, b].iter().any(|atom| self.type_of(atom) != Type::REAL);
        match (op, constant(a), constant(b)) {
            (Op::AddR, Some(0.0), _) => return b.clone(),
            (Op::AddR | Op::SubR, _, Some(0.0)) => return a.clone(),
            (Op::MulR, Some(1.0), _) => return b.clone(),
            (Op::MulR | Op::DivR, _, Some(1.0)) => return a.clone(),
            (Op::MulR, Some(0.0), _) | (Op::MulR, _, Some(0.0)) if !arrays => return real(0.0),
            _ => {}
        }
        let args = vec![a.clone(), b.clone()];
        if arrays {
            return self.bind(Type::REAL.array(), Rhs::Lift(Callee::Op(op), args), out);
        }
        self.bind(Type::REAL, Rhs::Op(op, args), out)
    }

    pub(super) fn test(&mut self, op: Op, args: Vec<Atom>, out: &mut Vec<Stmt>) -> Atom {
        self.bind(Type::BOOL, Rhs::Op(op, args), out)
    }

    pub(super) fn call(&mut self, prim: PrimRef, args: Vec<Atom>, out: &mut Vec<Stmt>) -> Atom {
        self.bind(Type::REAL, Rhs::Prim(prim, args), out)
    }

    /// `a[i]` of an array, or a number as it is.
    pub(super) fn element(&mut self, atom: &Atom, index: &Atom, out: &mut Vec<Stmt>) -> Atom {
        match self.type_of(atom).element() {
            Some(ty) => self.bind(ty, Rhs::Op(Op::Index, vec![atom.clone(), index.clone()]), out),
            None => atom.clone(),
        }
    }

    /// Stops the run as outside the domain of a parameter unless the condition holds.
    pub(super) fn demand(&mut self, condition: Atom, message: &str, value: &Atom, out: &mut Vec<Stmt>) {
        let mut stop = Vec::new();
        let text = Atom::Const(Value::string(message), Type::STR);
        self.bind(Type::UNIT, Rhs::Op(Op::Domain, vec![text, value.clone()]), &mut stop);
        let stop = crate::core::ir::Block { stmts: stop, ..Default::default() };
        self.push(StmtKind::If(condition, Default::default(), stop), out);
    }

    /// Stops the run unless a parameter is positive and finite.
    pub(super) fn demand_positive(&mut self, value: &Atom, message: &str, out: &mut Vec<Stmt>) {
        if constant(value).is_some_and(|x| x > 0.0 && x.is_finite()) {
            return;
        }
        let above = self.test(Op::LtR, vec![real(0.0), value.clone()], out);
        let below = self.test(Op::LtR, vec![value.clone(), real(f64::INFINITY)], out);
        let both = self.test(Op::And, vec![above, below], out);
        self.demand(both, message, value, out);
    }

    /// The sum of two forms, with the second multiplied by 1 or −1.
    pub(super) fn sum_of(&mut self, a: &Affine, b: &Affine, op: Op, out: &mut Vec<Stmt>) -> Affine {
        let mut terms = a.terms.clone();
        for (slot, coefficient) in &b.terms {
            match terms.iter().position(|(other, _)| other == slot) {
                Some(k) => terms[k].1 = self.op(op, &terms[k].1.clone(), coefficient, out),
                None => {
                    let signed = match op {
                        Op::SubR => self.op(Op::MulR, &real(-1.0), coefficient, out),
                        _ => coefficient.clone(),
                    };
                    terms.push((*slot, signed));
                }
            }
        }
        Affine { constant: self.op(op, &a.constant, &b.constant, out), terms }
    }

    /// A form multiplied or divided by a number.
    pub(super) fn scaled(&mut self, a: &Affine, op: Op, by: &Atom, out: &mut Vec<Stmt>) -> Affine {
        let constant = match constant(&a.constant) {
            Some(0.0) => real(0.0),
            _ => self.op(op, &a.constant, by, out),
        };
        let terms = a.terms.clone().into_iter().map(|(slot, c)| (slot, self.op(op, &c, by, out))).collect();
        Affine { constant, terms }
    }

    /// The element of a form that is an array.
    pub(super) fn element_of(&mut self, a: &Affine, index: &Atom, out: &mut Vec<Stmt>) -> Affine {
        let constant = self.element(&a.constant, index, out);
        let terms = a.terms.clone().into_iter().map(|(slot, c)| (slot, self.element(&c, index, out))).collect();
        Affine { constant, terms }
    }

    /// Whether a form stands for an array.
    pub(super) fn is_array(&self, a: &Affine) -> bool {
        std::iter::once(&a.constant).chain(a.terms.iter().map(|(_, c)| c)).any(|c| self.type_of(c) != Type::REAL)
    }
}
