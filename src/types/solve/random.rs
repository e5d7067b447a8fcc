//! Draws and observations.

use crate::types::constraint::{Constraint, Operand, Reason};
use crate::types::error;
use crate::types::infer::Infer;
use crate::types::table::{Node, Ty};

impl Infer<'_> {
    pub(super) fn attempt_draw(&mut self, constraint: &Constraint, dist: Operand, value: Ty) -> bool {
        match self.table.node(dist.ty).clone() {
            Node::Unknown => false,
            Node::Error => {
                let _ = self.table.unify(value, Ty::ERROR);
                true
            }
            Node::Dist(over) | Node::Posterior(over) => {
                if matches!(self.table.node(dist.ty), Node::Posterior(_)) {
                    let to = self.table.dist(over);
                    self.accept(constraint, dist, to, Reason::Nothing);
                }
                if let Err(mismatch) = self.table.unify(value, over) {
                    self.mismatch(dist.expr, over, value, Reason::Nothing, mismatch);
                }
                true
            }
            Node::Array(_) if self.holds_distributions(dist.ty) => {
                let to = self.table.dist(value);
                self.accept(constraint, dist, to, Reason::Nothing);
                true
            }
            Node::Array(element) if self.table.is_unknown(element) => false,
            _ => {
                let diagnostic = error::draws_from_no_distribution(self, constraint, dist);
                self.fail(constraint, diagnostic);
                let _ = self.table.unify(value, Ty::ERROR);
                true
            }
        }
    }

    fn holds_distributions(&self, ty: Ty) -> bool {
        let (_, inner) = self.depth_of(ty);
        matches!(self.table.node(inner), Node::Dist(_) | Node::Posterior(_))
    }

    pub(super) fn attempt_observe(&mut self, constraint: &Constraint, value: Operand, dist: Operand) -> bool {
        let over = match self.table.node(dist.ty).clone() {
            Node::Unknown => return false,
            Node::Error => return true,
            Node::Dist(over) => over,
            Node::Posterior(over) => {
                let to = self.table.dist(over);
                self.accept(constraint, dist, to, Reason::Nothing);
                over
            }
            Node::Array(_) if self.holds_distributions(dist.ty) => {
                let over = self.table.fresh();
                let to = self.table.dist(over);
                self.accept(constraint, dist, to, Reason::Nothing);
                over
            }
            Node::Array(element) if self.table.is_unknown(element) => return false,
            _ => {
                let diagnostic = error::draws_from_no_distribution(self, constraint, dist);
                self.fail(constraint, diagnostic);
                return true;
            }
        };
        let reason = Reason::Observed(self.operand_span(constraint, dist));
        if self.table.is_unknown(over) || self.table.is_unknown(value.ty) {
            if self.table.is_unknown(over) && self.table.is_unknown(value.ty) {
                return false;
            }
            if self.table.is_unknown(value.ty) && !self.table.is_unknown(over) && self.is_scalar(over) {
                // An array would be observed element by element.
                return false;
            }
            self.accept(constraint, value, over, reason);
            return true;
        }
        let (outer, _) = self.depth_of(value.ty);
        let outer = if matches!(self.table.node(value.ty), Node::Matrix) { 2 } else { outer };
        let (inner, leaf) = self.depth_of(over);
        let inner = if matches!(self.table.node(leaf), Node::Matrix) { inner + 2 } else { inner };
        if outer > inner && !matches!(self.table.node(leaf), Node::Unknown) {
            // Each element is observed under the same distribution.
            let ty = self.nested(outer - inner, over);
            let to = self.table.dist(ty);
            if constraint.via.is_none() {
                self.record.coercions.push((dist.expr, to));
            }
            self.accept(constraint, value, ty, reason);
            return true;
        }
        self.accept(constraint, value, over, reason);
        true
    }

    fn is_scalar(&self, ty: Ty) -> bool {
        matches!(self.table.node(ty), Node::Int | Node::Real | Node::Bool | Node::Literal | Node::Counter)
    }
}
