//! Decides constraints once enough is known of their types.

mod access;
mod call;
mod operator;
mod random;
mod weak;

use super::constraint::{Constraint, Kind, Operand, Reason};
use super::error;
use super::infer::Infer;
use super::table::{Node, Ty};
use crate::source::{Diagnostic, Span};
use crate::syntax::ast::ExprId;

/// The shape of a type as far as arithmetic is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// Arrays of this depth (0: none) of numbers, with the type of the numbers.
    Numbers(u32, Ty),
    Matrix,
    Covariance,
    /// Already reported.
    Error,
    /// Not known yet.
    Unknown,
    /// Nothing that one computes with.
    Other,
}

impl Infer<'_> {
    /// Tries to decide a condition. False when too little is known.
    pub fn attempt(&mut self, constraint: &Constraint) -> bool {
        match &constraint.kind {
            Kind::Binary { expr, op, left, right, result } => {
                self.attempt_binary(constraint, *expr, *op, *left, *right, *result)
            }
            Kind::Numeric(operand) => self.attempt_numeric(constraint, *operand),
            Kind::Index { expr, base, index, result } => self.attempt_index(constraint, *expr, *base, index, *result),
            Kind::Field { expr, base, name, result } => self.attempt_field(constraint, *expr, *base, *name, *result),
            Kind::Spread { base, fields } => self.attempt_spread(constraint, *base, fields),
            Kind::Iterate { over, item } => self.attempt_iterate(constraint, *over, *item),
            Kind::Draw { dist, value } => self.attempt_draw(constraint, *dist, *value),
            Kind::Observe { value, dist } => self.attempt_observe(constraint, *value, *dist),
            Kind::Call(call) => self.attempt_call(constraint, call, false),
            Kind::Pick { expr, candidates, ty } => self.attempt_pick(constraint, *expr, candidates, *ty, false),
        }
    }

    /// The shape of a type.
    pub fn shape(&self, ty: Ty) -> Shape {
        let mut depth = 0;
        let mut at = self.table.root(ty);
        loop {
            match self.table.node(at) {
                Node::Array(element) => {
                    depth += 1;
                    at = self.table.root(*element);
                }
                Node::Int | Node::Real | Node::Literal | Node::Counter => return Shape::Numbers(depth, at),
                Node::Matrix if depth == 0 => return Shape::Matrix,
                Node::Variant(name, _, _) | Node::Host(name, _) if depth == 0 && name.as_str() == "Covariance" => {
                    return Shape::Covariance;
                }
                Node::Error => return Shape::Error,
                Node::Unknown => return Shape::Unknown,
                _ => return Shape::Other,
            }
        }
    }

    /// How many arrays a type is deep, and what lies inside.
    pub fn depth_of(&self, ty: Ty) -> (u32, Ty) {
        let mut depth = 0;
        let mut at = self.table.root(ty);
        while let Node::Array(element) = self.table.node(at) {
            depth += 1;
            at = self.table.root(*element);
        }
        (depth, at)
    }

    /// Arrays of this depth around a type.
    pub fn nested(&mut self, depth: u32, mut ty: Ty) -> Ty {
        for _ in 0..depth {
            ty = self.table.array(ty);
        }
        ty
    }

    /// The place of an operand; of the constraint where it has no expression of its own.
    pub fn operand_span(&self, constraint: &Constraint, operand: Operand) -> Span {
        self.ast.exprs.get(operand.expr.0 as usize).map_or(constraint.span, |expr| expr.span)
    }

    /// Reports what is wrong with a condition, at the call that brought it where it came from a called function.
    pub fn fail(&mut self, constraint: &Constraint, diagnostic: Diagnostic) {
        let diagnostic = match constraint.via {
            Some((span, name)) => error::inside_call(diagnostic, span, name),
            None => diagnostic,
        };
        self.report(diagnostic);
    }

    /// Converts an operand of a condition.
    pub fn accept(&mut self, constraint: &Constraint, operand: Operand, to: Ty, reason: Reason) {
        if constraint.via.is_none() && (operand.expr.0 as usize) < self.ast.exprs.len() {
            self.coerce(operand.expr, operand.ty, to, reason);
            return;
        }
        let mark = self.table.mark();
        if let Err(mismatch) = self.table.coerce(operand.ty, to, constraint.span) {
            self.table.undo(mark);
            let expr = ExprId(operand.expr.0.min(self.ast.exprs.len().saturating_sub(1) as u32));
            let diagnostic = error::mismatch(self, expr, operand.ty, to, reason, mismatch);
            self.fail(constraint, diagnostic);
        }
    }

    /// Gives the result of a condition its type; the context may already have asked for another.
    pub fn settle(&mut self, constraint: &Constraint, expr: Option<ExprId>, actual: Ty, result: Ty) {
        let (from, to) = (self.table.root(actual), self.table.root(result));
        if from == to {
            return;
        }
        let span = constraint.span;
        let mark = self.table.mark();
        let outcome = match self.table.node(to) {
            Node::Unknown => self.table.unify(to, from),
            _ => self.table.coerce(from, to, span),
        };
        match outcome {
            Ok(()) => {
                if let Some(expr) = expr
                    && constraint.via.is_none()
                    && self.table.root(from) != self.table.root(to)
                {
                    self.record.exprs.push((expr, from));
                    self.record.coercions.push((expr, to));
                }
            }
            Err(mismatch) => {
                self.table.undo(mark);
                if let Some(expr) = expr {
                    let diagnostic = error::mismatch(self, expr, from, to, Reason::Nothing, mismatch);
                    self.fail(constraint, diagnostic);
                }
            }
        }
    }
}
