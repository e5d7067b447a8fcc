//! Operators: on numbers, elementwise on arrays and matrices, comparison.

use super::Shape;
use crate::source::{Name, intern};
use crate::syntax::ast::{BinaryOp, ExprId};
use crate::types::constraint::{Constraint, Operand, Reason};
use crate::types::env::{Entity, ScopeId};
use crate::types::error;
use crate::types::infer::{CallRecord, Infer};
use crate::types::table::{Node, Ty};
use crate::types::typed::{Def, Target};

impl Infer<'_> {
    pub(super) fn attempt_binary(
        &mut self,
        constraint: &Constraint,
        expr: ExprId,
        op: BinaryOp,
        left: Operand,
        right: Operand,
        result: Ty,
    ) -> bool {
        match op {
            BinaryOp::Eq | BinaryOp::Ne => self.attempt_equality(constraint, op, left, right),
            BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => {
                self.attempt_order(constraint, op, left, right)
            }
            BinaryOp::And | BinaryOp::Or => true,
            BinaryOp::MatMul => self.attempt_product(constraint, expr, left, right, result),
            _ => self.attempt_arithmetic(constraint, expr, op, left, right, result),
        }
    }

    fn is_counter(&self, ty: Ty) -> bool {
        matches!(self.table.node(ty), Node::Counter)
    }

    fn is_real(&self, ty: Ty) -> bool {
        matches!(self.table.node(ty), Node::Real)
    }

    fn attempt_arithmetic(
        &mut self,
        constraint: &Constraint,
        expr: ExprId,
        op: BinaryOp,
        left: Operand,
        right: Operand,
        result: Ty,
    ) -> bool {
        let shapes = (self.shape(left.ty), self.shape(right.ty));
        for (shape, operand, other) in [(shapes.0, left, right), (shapes.1, right, left)] {
            if shape == Shape::Other {
                let diagnostic = error::bad_operand(self, constraint, op, operand, other);
                self.fail(constraint, diagnostic);
                let _ = self.table.unify(result, Ty::ERROR);
                return true;
            }
        }
        match shapes {
            (Shape::Error, _) | (_, Shape::Error) => {
                let _ = self.table.unify(result, Ty::ERROR);
                true
            }
            (Shape::Covariance, Shape::Covariance) if matches!(op, BinaryOp::Add | BinaryOp::Mul) => {
                self.covariance_operation(constraint, expr, op, left, right);
                self.settle(constraint, Some(expr), left.ty, result);
                true
            }
            (Shape::Unknown, _) | (_, Shape::Unknown) => false,
            (Shape::Covariance, _) | (_, Shape::Covariance) => {
                let (operand, other) = if shapes.0 == Shape::Covariance { (left, right) } else { (right, left) };
                let diagnostic = error::bad_operand(self, constraint, op, operand, other);
                self.fail(constraint, diagnostic);
                let _ = self.table.unify(result, Ty::ERROR);
                true
            }
            (Shape::Numbers(m, a), Shape::Numbers(n, b)) => {
                if m != n && m != 0 && n != 0 {
                    let diagnostic = error::shapes_differ(self, constraint, op, left, right);
                    self.fail(constraint, diagnostic);
                    let _ = self.table.unify(result, Ty::ERROR);
                    return true;
                }
                let real = op == BinaryOp::Div || self.is_real(a) || self.is_real(b);
                if real {
                    let depth = m.max(n);
                    for (operand, depth, leaf) in [(left, m, a), (right, n, b)] {
                        if !self.is_real(leaf) {
                            let to = self.nested(depth, Ty::REAL);
                            self.accept(constraint, operand, to, Reason::Nothing);
                        }
                    }
                    let ty = self.nested(depth, Ty::REAL);
                    self.settle(constraint, Some(expr), ty, result);
                    return true;
                }
                if self.table.root(a) != self.table.root(b) {
                    let literal =
                        matches!(self.table.node(a), Node::Literal) || matches!(self.table.node(b), Node::Literal);
                    // A counter beside an integer may still become real: then the integer is widened.
                    if !literal && (self.is_counter(a) || self.is_counter(b)) {
                        if matches!(self.table.node(result), Node::Int) {
                            let _ = self.table.unify(a, Ty::INT);
                            let _ = self.table.unify(b, Ty::INT);
                            return true;
                        }
                        return false;
                    }
                    let _ = self.table.unify(a, b);
                }
                let ty = if m >= n { left.ty } else { right.ty };
                self.settle(constraint, Some(expr), ty, result);
                true
            }
            (Shape::Matrix, other) | (other, Shape::Matrix) => {
                let fits = matches!(other, Shape::Matrix | Shape::Numbers(0 | 2, _));
                if !fits {
                    let diagnostic = error::shapes_differ(self, constraint, op, left, right);
                    self.fail(constraint, diagnostic);
                    let _ = self.table.unify(result, Ty::ERROR);
                    return true;
                }
                for (operand, shape) in [(left, shapes.0), (right, shapes.1)] {
                    match shape {
                        Shape::Numbers(0, leaf) if !self.is_real(leaf) => {
                            self.accept(constraint, operand, Ty::REAL, Reason::Nothing);
                        }
                        Shape::Numbers(2, _) => self.accept(constraint, operand, Ty::MATRIX, Reason::Nothing),
                        _ => {}
                    }
                }
                self.settle(constraint, Some(expr), Ty::MATRIX, result);
                true
            }
            (Shape::Other, _) | (_, Shape::Other) => true,
        }
    }

    /// `k1 + k2` of covariance functions is a call of the library.
    fn covariance_operation(
        &mut self,
        constraint: &Constraint,
        expr: ExprId,
        op: BinaryOp,
        left: Operand,
        right: Operand,
    ) {
        let name: Name = intern(if op == BinaryOp::Add { "covariance_add" } else { "covariance_mul" });
        let def = match self.env.lookup(ScopeId::LIBRARY, name).first() {
            Some(Entity::Fn(item)) => Def::Item(*item),
            Some(Entity::Prim(row)) => Def::Prim(*row),
            _ => {
                self.missing_names.push(name);
                return;
            }
        };
        if constraint.via.is_none() {
            let record = CallRecord {
                target: Target::Def(def, Vec::new()),
                args: vec![Some(left.expr), Some(right.expr)],
                params: vec![left.ty, right.ty],
                result: left.ty,
            };
            self.record.calls.push((expr, record));
        }
    }

    pub(super) fn attempt_numeric(&mut self, constraint: &Constraint, operand: Operand) -> bool {
        match self.shape(operand.ty) {
            Shape::Unknown => false,
            Shape::Other | Shape::Covariance => {
                let diagnostic = error::not_a_number(self, constraint, operand);
                self.fail(constraint, diagnostic);
                true
            }
            _ => true,
        }
    }

    fn attempt_product(
        &mut self,
        constraint: &Constraint,
        expr: ExprId,
        left: Operand,
        right: Operand,
        result: Ty,
    ) -> bool {
        let mut ranks = [0; 2];
        for (rank, operand) in ranks.iter_mut().zip([left, right]) {
            *rank = match self.shape(operand.ty) {
                Shape::Unknown => return false,
                Shape::Error => {
                    let _ = self.table.unify(result, Ty::ERROR);
                    return true;
                }
                Shape::Matrix | Shape::Numbers(2, _) => 2,
                Shape::Numbers(1, _) => 1,
                _ => {
                    let diagnostic = error::not_a_matrix(self, constraint, operand);
                    self.fail(constraint, diagnostic);
                    let _ = self.table.unify(result, Ty::ERROR);
                    return true;
                }
            };
        }
        let vector = self.table.array(Ty::REAL);
        for (rank, operand) in ranks.into_iter().zip([left, right]) {
            let to = if rank == 2 { Ty::MATRIX } else { vector };
            self.accept(constraint, operand, to, Reason::Nothing);
        }
        let ty = match ranks {
            [2, 2] => Ty::MATRIX,
            [1, 1] => Ty::REAL,
            _ => vector,
        };
        self.settle(constraint, Some(expr), ty, result);
        true
    }

    fn attempt_order(&mut self, constraint: &Constraint, op: BinaryOp, left: Operand, right: Operand) -> bool {
        let shapes = (self.shape(left.ty), self.shape(right.ty));
        for (shape, operand) in [(shapes.0, left), (shapes.1, right)] {
            if matches!(shape, Shape::Other | Shape::Covariance | Shape::Matrix | Shape::Numbers(1.., _)) {
                let diagnostic = error::not_ordered(self, constraint, op, operand);
                self.fail(constraint, diagnostic);
                return true;
            }
        }
        match shapes {
            (Shape::Error, _) | (_, Shape::Error) => true,
            (Shape::Numbers(_, a), Shape::Numbers(_, b)) => self.agree(constraint, left, right, a, b),
            _ => false,
        }
    }

    /// Makes two numbers of one type: real where one is.
    fn agree(&mut self, constraint: &Constraint, left: Operand, right: Operand, a: Ty, b: Ty) -> bool {
        if self.table.root(a) == self.table.root(b) {
            return true;
        }
        if self.is_real(a) || self.is_real(b) {
            self.accept(constraint, left, Ty::REAL, Reason::Nothing);
            self.accept(constraint, right, Ty::REAL, Reason::Nothing);
            return true;
        }
        let literal = matches!(self.table.node(a), Node::Literal) || matches!(self.table.node(b), Node::Literal);
        if !literal && (self.is_counter(a) || self.is_counter(b)) {
            return false;
        }
        let _ = self.table.unify(a, b);
        true
    }

    fn attempt_equality(&mut self, constraint: &Constraint, op: BinaryOp, left: Operand, right: Operand) -> bool {
        for operand in [left, right] {
            if self.is_function(operand.ty) {
                let diagnostic = error::compares_functions(self, constraint, op, operand);
                self.fail(constraint, diagnostic);
                return true;
            }
        }
        let (a, b) = (self.table.root(left.ty), self.table.root(right.ty));
        if a == b {
            return true;
        }
        match (self.shape(a), self.shape(b)) {
            (Shape::Error, _) | (_, Shape::Error) => true,
            (Shape::Numbers(0, x), Shape::Numbers(0, y)) => self.agree(constraint, left, right, x, y),
            // What is known to be no number can only be compared with its own kind.
            (Shape::Unknown, Shape::Other) | (Shape::Other, Shape::Unknown) => {
                let mark = self.table.mark();
                if self.table.unify(a, b).is_err() {
                    self.table.undo(mark);
                    let diagnostic = error::compares_different(self, constraint, left, right);
                    self.fail(constraint, diagnostic);
                }
                true
            }
            (Shape::Unknown, _) | (_, Shape::Unknown) => false,
            _ => {
                let mark = self.table.mark();
                match self.table.join(a, b, constraint.span) {
                    Ok(common) => {
                        self.accept(constraint, left, common, Reason::Nothing);
                        self.accept(constraint, right, common, Reason::Nothing);
                    }
                    Err(_) => {
                        self.table.undo(mark);
                        let diagnostic = error::compares_different(self, constraint, left, right);
                        self.fail(constraint, diagnostic);
                    }
                }
                true
            }
        }
    }
}
