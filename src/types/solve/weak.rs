//! What is assumed where a finished body leaves a type open: the plainest reading, numbers before arrays.

use super::Shape;
use crate::syntax::ast::BinaryOp;
use crate::types::constraint::{Constraint, Kind};
use crate::types::infer::Infer;
use crate::types::table::{Node, Ty};

/// The order in which assumptions are made.
const STAGES: u32 = 5;

impl Infer<'_> {
    /// Decides everything that a finished body left open, one assumption after the other.
    pub fn decide_rest(&mut self) {
        self.solve();
        let mut stage = 0;
        while stage < STAGES && !self.pending.is_empty() {
            if self.assume_one(stage) {
                stage = 0;
                self.solve();
            } else {
                stage += 1;
            }
        }
    }

    fn assume_one(&mut self, stage: u32) -> bool {
        let waiting = std::mem::take(&mut self.pending);
        let mut assumed = false;
        let mut left = Vec::with_capacity(waiting.len());
        for constraint in waiting {
            if assumed {
                left.push(constraint);
                continue;
            }
            let before = self.table.bindings;
            let done = self.assume(&constraint, stage);
            assumed = done || self.table.bindings != before;
            if !done {
                left.push(constraint);
            }
        }
        left.append(&mut self.pending);
        self.pending = left;
        assumed
    }

    fn set(&mut self, ty: Ty, to: Ty) {
        if self.table.is_unknown(ty) || matches!(self.table.node(ty), Node::Counter | Node::Literal) {
            let _ = self.table.unify(ty, to);
        }
    }

    /// Makes one assumption about a waiting constraint. True when it is decided by that.
    fn assume(&mut self, constraint: &Constraint, stage: u32) -> bool {
        match (&constraint.kind, stage) {
            (Kind::Index { index, .. }, 0) => {
                for operand in index {
                    if self.table.is_unknown(operand.ty) {
                        self.set(operand.ty, Ty::INT);
                    }
                }
                false
            }
            (Kind::Binary { left, right, result, .. }, 1) => {
                if matches!(self.table.node(*result), Node::Int) {
                    self.set(left.ty, Ty::INT);
                    self.set(right.ty, Ty::INT);
                }
                false
            }
            (Kind::Binary { left, right, .. }, 2) => {
                // A variable that begins with an integer literal and only ever meets integers is one.
                let known = |shape| matches!(shape, Shape::Numbers(..));
                if known(self.shape(left.ty)) && known(self.shape(right.ty)) {
                    self.decide_counters(left.ty);
                    self.decide_counters(right.ty);
                }
                false
            }
            (Kind::Call(call), 3) => self.attempt_call(constraint, call, true) || self.assume_arguments(call),
            (Kind::Pick { expr, candidates, ty }, 3) => self.attempt_pick(constraint, *expr, candidates, *ty, true),
            (Kind::Binary { op, left, right, result, .. }, 3) => {
                self.assume_operands(*op, left.ty, right.ty, *result);
                false
            }
            (Kind::Observe { value, dist }, 3) => {
                if let Node::Dist(over) = self.table.node(dist.ty).clone() {
                    let _ = self.table.unify(value.ty, over);
                }
                false
            }
            (Kind::Draw { dist, value }, 4) => {
                let ty = self.table.dist(*value);
                let _ = self.table.unify(dist.ty, ty);
                false
            }
            (Kind::Observe { value, dist }, 4) => {
                let ty = self.table.dist(value.ty);
                let _ = self.table.unify(dist.ty, ty);
                false
            }
            (Kind::Numeric(operand), 4) => {
                self.set(operand.ty, Ty::REAL);
                false
            }
            (Kind::Index { base, index, result, .. }, 4) => {
                if let ([_], true) = (index.as_slice(), self.table.is_unknown(base.ty)) {
                    let ty = self.table.array(*result);
                    let _ = self.table.unify(base.ty, ty);
                }
                false
            }
            (Kind::Iterate { over, item }, 4) => {
                let ty = self.table.array(*item);
                let _ = self.table.unify(over.ty, ty);
                false
            }
            (Kind::Field { base, name, .. }, 4) => {
                let diagnostic = crate::types::error::unknown_record(self, constraint, *base, *name);
                self.fail(constraint, diagnostic);
                true
            }
            (Kind::Spread { base, .. }, 4) => {
                let diagnostic = crate::types::error::spreads_no_record(self, constraint, *base);
                self.fail(constraint, diagnostic);
                true
            }
            _ => false,
        }
    }

    fn decide_counters(&mut self, ty: Ty) {
        let mut open = Vec::new();
        self.table.literals(ty, &mut |t| open.push(t));
        for literal in open {
            if matches!(self.table.node(literal), Node::Counter) {
                let _ = self.table.unify(literal, Ty::INT);
            }
        }
    }

    /// Unknown operands are numbers like the other operand, real unless something says otherwise.
    fn assume_operands(&mut self, op: BinaryOp, left: Ty, right: Ty, result: Ty) {
        if op == BinaryOp::MatMul {
            let vector = self.table.array(Ty::REAL);
            for ty in [left, right] {
                if self.table.is_unknown(ty) {
                    let _ = self.table.unify(ty, vector);
                }
            }
            return;
        }
        let equality = matches!(op, BinaryOp::Eq | BinaryOp::Ne);
        for (unknown, other) in [(left, right), (right, left)] {
            let (_, inner) = self.depth_of(unknown);
            if !self.table.is_unknown(inner) {
                continue;
            }
            let assumed = match self.shape(other) {
                Shape::Numbers(0, leaf) if !self.lenient && matches!(self.table.node(leaf), Node::Int) => Ty::INT,
                Shape::Numbers(_, leaf) if equality => leaf,
                Shape::Matrix if equality => Ty::MATRIX,
                Shape::Unknown if equality => {
                    let _ = self.table.unify(left, right);
                    return;
                }
                _ if matches!(self.table.node(result), Node::Int) => Ty::INT,
                _ => Ty::REAL,
            };
            let _ = self.table.unify(inner, assumed);
        }
    }

    /// Unknown arguments of a call that may run over elements are taken as they are declared.
    fn assume_arguments(&mut self, call: &crate::types::constraint::Call) -> bool {
        let Some(candidate) = call.candidates.first() else { return false };
        let Ok(order) = crate::types::infer::slots(candidate.params(), &call.args) else { return false };
        let used = candidate.instantiate(&mut self.table, crate::source::Span::NONE, &mut Vec::new());
        for (param, slot) in used.params.iter().zip(order) {
            let Some(arg) = slot.and_then(|i| call.args.get(i)) else { continue };
            let (depth, inner) = self.depth_of(arg.value.ty);
            if !self.table.is_unknown(inner) {
                continue;
            }
            let (_, leaf) = self.depth_of(param.ty);
            let ty = if depth == 0 { param.ty } else { leaf };
            let _ = self.table.unify(inner, ty);
        }
        false
    }
}
