//! Operators, coercions and indexing, by the concrete types of their operands.

use super::{Body, Lowered};
use crate::core::ir::{Atom, Block, Callee, Op, PrimRef, Rhs};
use crate::core::{Type, TypeKind};
use crate::source::{Diagnostic, Span};
use crate::syntax::ast::{BinaryOp, ExprId, ExprKind, UnaryOp};
use crate::value::Value;

/// The scalar type at the bottom of arrays and matrices.
pub(super) fn scalar_of(ty: Type) -> Type {
    match ty.kind() {
        TypeKind::Array(t) => scalar_of(*t),
        TypeKind::Matrix => Type::REAL,
        _ => ty,
    }
}

/// Whether a type is an array or matrix.
pub(super) fn is_collection(ty: Type) -> bool {
    matches!(ty.kind(), TypeKind::Array(_) | TypeKind::Matrix)
}

/// The type with the same shape over another scalar.
fn with_scalar(ty: Type, scalar: Type) -> Type {
    match ty.kind() {
        TypeKind::Array(t) => with_scalar(*t, scalar).array(),
        TypeKind::Matrix => Type::MATRIX,
        _ => scalar,
    }
}

impl Body<'_> {
    /// A primitive that the compiler uses itself.
    pub(super) fn primitive(&self, name: &str, span: Span) -> Lowered<PrimRef> {
        match self.facts.primitive(name) {
            Some(row) => Ok(PrimRef { row, name: name.into() }),
            None => Err(vec![Diagnostic::error(span, format!("internal error: no primitive `{name}`"))]),
        }
    }

    /// Converts an atom to the type that its context wants.
    pub(super) fn coerce(&mut self, atom: Atom, to: Type, span: Span) -> Lowered<Atom> {
        let from = self.atom_type(&atom);
        if from == to {
            return Ok(atom);
        }
        match (from.kind(), to.kind()) {
            (TypeKind::Int, TypeKind::Real) => Ok(match atom {
                Atom::Const(Value::Int(n), _) => Atom::Const(Value::Real(n as f64), Type::REAL),
                atom => self.emit_let(to, span, Rhs::Op(Op::Widen, vec![atom])),
            }),
            (TypeKind::Array(_), TypeKind::Matrix) => {
                let atom = self.coerce(atom, Type::REAL.array().array(), span)?;
                let prim = self.primitive("matrix", span)?;
                Ok(self.emit_let(to, span, Rhs::Prim(prim, vec![atom])))
            }
            (TypeKind::Matrix, TypeKind::Array(_)) => {
                let prim = self.primitive("matrix_rows", span)?;
                let rows = self.emit_let(Type::REAL.array().array(), span, Rhs::Prim(prim, vec![atom]));
                self.coerce(rows, to, span)
            }
            (TypeKind::Array(a), TypeKind::Dist(_)) if matches!(a.kind(), TypeKind::Dist(_)) => {
                let dist = self.lowerer.library_dist(self.facts, "Product", vec![from], to, span)?;
                Ok(self.emit_let(to, span, Rhs::Dist(dist, vec![atom])))
            }
            (TypeKind::Posterior(_), TypeKind::Dist(_)) => {
                let func = self.library_call("posterior_dist", vec![from], to, span)?;
                Ok(self.emit_let(to, span, Rhs::Call { func, args: vec![atom], site: None, path: Vec::new() }))
            }
            (TypeKind::Array(a), TypeKind::Array(b)) if scalar_of(*a) == Type::INT && scalar_of(*b) == Type::REAL => {
                Ok(self.emit_let(to, span, Rhs::Op(Op::Widen, vec![atom])))
            }
            (TypeKind::Array(_), TypeKind::Array(b)) => {
                // An array of something that is itself converted: element by element.
                let len = self.emit_let(Type::INT, span, Rhs::Op(Op::Len, vec![atom.clone()]));
                let var = self.fresh("i", Type::INT, false);
                let element = from.element().unwrap_or(Type::UNIT);
                let b = *b;
                let body = self.in_block(|this| {
                    let x = this.emit_let(element, span, Rhs::Op(Op::Index, vec![atom.clone(), Atom::Var(var)]));
                    this.coerce(x, b, span)
                })?;
                Ok(self.emit_let(to, span, Rhs::Build { len, var, body }))
            }
            (TypeKind::Tuple(_), TypeKind::Tuple(to_parts)) => {
                let to_parts: Vec<Type> = to_parts.to_vec();
                let parts = self.coerce_parts(&atom, from, &to_parts, span)?;
                Ok(self.emit_let(to, span, Rhs::Tuple(parts)))
            }
            (TypeKind::Record(_), TypeKind::Record(fields)) => {
                let to_parts: Vec<Type> = fields.iter().map(|field| field.1).collect();
                let parts = self.coerce_parts(&atom, from, &to_parts, span)?;
                Ok(self.emit_let(to, span, Rhs::Record(parts)))
            }
            // Function types differ in their effect only.
            _ => Ok(atom),
        }
    }

    /// The parts of a tuple or record, each converted to the type that its place wants.
    fn coerce_parts(&mut self, atom: &Atom, from: Type, to: &[Type], span: Span) -> Lowered<Vec<Atom>> {
        let from: Vec<Type> = match from.kind() {
            TypeKind::Tuple(parts) => parts.to_vec(),
            TypeKind::Record(fields) => fields.iter().map(|field| field.1).collect(),
            _ => Vec::new(),
        };
        let parts = from.into_iter().zip(to).enumerate();
        parts
            .map(|(i, (from, to))| {
                let part = self.emit_let(from, span, Rhs::Field(atom.clone(), i as u32));
                self.coerce(part, *to, span)
            })
            .collect()
    }

    /// Widens integers so that the atom's scalars are real.
    fn widened(&mut self, atom: Atom, span: Span) -> Lowered<Atom> {
        let ty = self.atom_type(&atom);
        if scalar_of(ty) == Type::INT { self.coerce(atom, with_scalar(ty, Type::REAL), span) } else { Ok(atom) }
    }

    pub(super) fn unary(&mut self, op: UnaryOp, operand: ExprId, ty: Type, span: Span) -> Lowered<Atom> {
        let atom = self.expr(operand)?;
        let op = match (op, scalar_of(ty).kind()) {
            (UnaryOp::Not, _) => Op::Not,
            (UnaryOp::Neg, TypeKind::Int) => Op::NegI,
            (UnaryOp::Neg, _) => Op::NegR,
        };
        let constant = match (op, &atom) {
            (Op::NegI, Atom::Const(Value::Int(n), _)) => n.checked_neg().map(Value::Int),
            (Op::NegR, Atom::Const(Value::Real(x), _)) => Some(Value::Real(-x)),
            _ => None,
        };
        if let Some(value) = constant {
            return Ok(Atom::Const(value, ty));
        }
        if is_collection(self.atom_type(&atom)) {
            return Ok(self.emit_let(ty, span, Rhs::Lift(Callee::Op(op), vec![atom])));
        }
        Ok(self.emit_let(ty, span, Rhs::Op(op, vec![atom])))
    }

    /// `a && b`, `a || b`: the right side is evaluated only when it decides.
    pub(super) fn logical(&mut self, op: BinaryOp, a: ExprId, b: ExprId, span: Span) -> Lowered<Atom> {
        let left = self.expr(a)?;
        let right = self.in_block(|this| this.expr(b))?;
        let known = |value: bool| Block { stmts: Vec::new(), result: Atom::Const(Value::Bool(value), Type::BOOL) };
        if right.stmts.is_empty() {
            let op = if op == BinaryOp::And { Op::And } else { Op::Or };
            return Ok(self.emit_let(Type::BOOL, span, Rhs::Op(op, vec![left, right.result])));
        }
        let rhs = match op {
            BinaryOp::And => Rhs::If(left, right, known(false)),
            _ => Rhs::If(left, known(true), right),
        };
        Ok(self.emit_let(Type::BOOL, span, rhs))
    }

    /// An operator on operands already computed; `ty` is the type of the result.
    pub(super) fn binary_atoms(&mut self, op: BinaryOp, a: Atom, b: Atom, ty: Type, span: Span) -> Lowered<Atom> {
        use BinaryOp::{Add, And, Div, Eq, Ge, Gt, Le, Lt, MatMul, Mul, Ne, Or, Pow, Rem, Sub};
        let (ta, tb) = (self.atom_type(&a), self.atom_type(&b));
        match op {
            Add | Sub | Mul | Div | Pow | Rem => {
                let real = scalar_of(ty) == Type::REAL;
                let (a, b) = if real { (self.widened(a, span)?, self.widened(b, span)?) } else { (a, b) };
                let op = match (op, real) {
                    (Add, true) => Op::AddR,
                    (Sub, true) => Op::SubR,
                    (Mul, true) => Op::MulR,
                    (Pow, true) => Op::PowR,
                    (Rem, true) => Op::RemR,
                    (Add, false) => Op::AddI,
                    (Sub, false) => Op::SubI,
                    (Mul, false) => Op::MulI,
                    (Pow, false) => Op::PowI,
                    (Rem, false) => Op::RemI,
                    _ => Op::DivR,
                };
                if is_collection(ty) {
                    return Ok(self.emit_let(ty, span, Rhs::Lift(Callee::Op(op), vec![a, b])));
                }
                Ok(self.emit_let(ty, span, Rhs::Op(op, vec![a, b])))
            }
            MatMul => {
                let (a, b) = (self.widened(a, span)?, self.widened(b, span)?);
                Ok(self.emit_let(ty, span, Rhs::Op(Op::MatMul, vec![a, b])))
            }
            Eq | Ne => {
                let numbers = [ta, tb].iter().all(|t| *t == Type::INT || *t == Type::REAL);
                let op = match (ta.kind(), tb.kind()) {
                    (TypeKind::Int, TypeKind::Int) => [Op::EqI, Op::NeI],
                    _ if numbers => [Op::EqR, Op::NeR],
                    (TypeKind::Bool, TypeKind::Bool) => [Op::EqB, Op::NeB],
                    _ => [Op::Same, Op::Different],
                }[usize::from(op == Ne)];
                let (a, b) = if ta == tb { (a, b) } else { (self.widened(a, span)?, self.widened(b, span)?) };
                Ok(self.emit_let(Type::BOOL, span, Rhs::Op(op, vec![a, b])))
            }
            Lt | Le | Gt | Ge => {
                let ints = ta == Type::INT && tb == Type::INT;
                let (a, b) = if ints { (a, b) } else { (self.widened(a, span)?, self.widened(b, span)?) };
                let (a, b) = if matches!(op, Gt | Ge) { (b, a) } else { (a, b) };
                let op = match (matches!(op, Lt | Gt), ints) {
                    (true, true) => Op::LtI,
                    (true, false) => Op::LtR,
                    (false, true) => Op::LeI,
                    (false, false) => Op::LeR,
                };
                Ok(self.emit_let(Type::BOOL, span, Rhs::Op(op, vec![a, b])))
            }
            And | Or => {
                let op = if op == And { Op::And } else { Op::Or };
                Ok(self.emit_let(Type::BOOL, span, Rhs::Op(op, vec![a, b])))
            }
        }
    }

    /// `a[i]`, `a[lo..hi]`, `a[idx]`, `M[i, j]`, `A[i, j]` of nested arrays.
    pub(super) fn index(&mut self, base: ExprId, indices: &[ExprId], span: Span) -> Lowered<Atom> {
        let mut atom = self.expr(base)?;
        if self.atom_type(&atom) == Type::MATRIX
            && let [i, j] = indices
        {
            let (ti, tj) = (self.type_of(*i)?, self.type_of(*j)?);
            if ti == Type::INT && tj == Type::INT {
                let (i, j) = (self.expr(*i)?, self.expr(*j)?);
                return Ok(self.emit_let(Type::REAL, span, Rhs::Op(Op::Index2, vec![atom, i, j])));
            }
        }
        for index in indices {
            let ty = self.atom_type(&atom);
            if let ExprKind::Range { low, high, inclusive } = self.ast().expr(*index).kind {
                let (low, high) = self.range_bounds(low, high, inclusive)?;
                atom = self.emit_let(ty, span, Rhs::Op(Op::Slice, vec![atom, low, high]));
                continue;
            }
            let i = self.expr(*index)?;
            if self.atom_type(&i) == Type::INT {
                let element = ty.element().unwrap_or(Type::UNIT);
                atom = self.emit_let(element, span, Rhs::Op(Op::Index, vec![atom, i]));
            } else {
                atom = self.emit_let(ty, span, Rhs::Op(Op::Gather, vec![atom, i]));
            }
        }
        Ok(atom)
    }

    /// The bounds of a range, the upper one exclusive.
    pub(super) fn range_bounds(&mut self, low: ExprId, high: ExprId, inclusive: bool) -> Lowered<(Atom, Atom)> {
        let span = self.ast().expr(high).span;
        let low = self.expr(low)?;
        let high = self.expr(high)?;
        if !inclusive {
            return Ok((low, high));
        }
        let one = Atom::Const(Value::Int(1), Type::INT);
        let high = match high {
            Atom::Const(Value::Int(n), ty) if n < i64::MAX => Atom::Const(Value::Int(n + 1), ty),
            high => self.emit_let(Type::INT, span, Rhs::Op(Op::AddI, vec![high, one])),
        };
        Ok((low, high))
    }
}
