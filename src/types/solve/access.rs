//! Parts of values: elements, fields, what a loop runs over.

use crate::source::Name;
use crate::syntax::ast::{ExprId, Ident};
use crate::types::constraint::{Constraint, Operand, Reason};
use crate::types::error;
use crate::types::infer::Infer;
use crate::types::table::{Node, Ty};

/// What an index selects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Index {
    One,
    Several,
    Unknown,
    Wrong,
}

impl Infer<'_> {
    fn index_kind(&self, ty: Ty) -> Index {
        match self.table.node(ty) {
            Node::Int | Node::Literal | Node::Counter | Node::Error => Index::One,
            Node::Unknown => Index::Unknown,
            Node::Array(element) => match self.table.node(*element) {
                Node::Int | Node::Literal | Node::Counter | Node::Error => Index::Several,
                Node::Unknown => Index::Unknown,
                _ => Index::Wrong,
            },
            _ => Index::Wrong,
        }
    }

    pub(super) fn attempt_index(
        &mut self,
        constraint: &Constraint,
        expr: Option<ExprId>,
        base: Operand,
        index: &[Operand],
        result: Ty,
    ) -> bool {
        // What is wrong by itself need not wait.
        for operand in index {
            if self.index_kind(operand.ty) == Index::Wrong {
                let diagnostic = error::bad_index(self, constraint, *operand);
                self.fail(constraint, diagnostic);
                let _ = self.table.unify(result, Ty::ERROR);
                return true;
            }
        }
        let mut at = self.table.root(base.ty);
        let mut rest = index;
        while let Some((first, others)) = rest.split_first() {
            let kind = self.index_kind(first.ty);
            match self.table.node(at).clone() {
                Node::Error => {
                    let _ = self.table.unify(result, Ty::ERROR);
                    return true;
                }
                Node::Unknown => return false,
                _ if kind == Index::Unknown => return false,
                Node::Array(element) => {
                    if kind == Index::Several {
                        if !others.is_empty() {
                            let diagnostic = error::gather_of_several(self, constraint, *first);
                            self.fail(constraint, diagnostic);
                            let _ = self.table.unify(result, Ty::ERROR);
                            return true;
                        }
                    } else {
                        at = self.table.root(element);
                    }
                    rest = others;
                }
                Node::Matrix => {
                    match (kind, others) {
                        (Index::Several, []) => {}
                        (Index::Several, _) => {
                            let diagnostic = error::gather_of_several(self, constraint, *first);
                            self.fail(constraint, diagnostic);
                            let _ = self.table.unify(result, Ty::ERROR);
                            return true;
                        }
                        _ => at = self.table.array(Ty::REAL),
                    }
                    rest = others;
                }
                _ => {
                    let diagnostic = error::not_indexable(self, constraint, base, at, index.len() - rest.len());
                    self.fail(constraint, diagnostic);
                    let _ = self.table.unify(result, Ty::ERROR);
                    return true;
                }
            }
        }
        for operand in index {
            self.decide_index(operand.ty);
        }
        self.settle(constraint, expr, at, result);
        true
    }

    /// A literal or counter that is used as an index is an integer.
    fn decide_index(&mut self, ty: Ty) {
        let mut open = Vec::new();
        self.table.literals(ty, &mut |t| open.push(t));
        for literal in open {
            let _ = self.table.unify(literal, Ty::INT);
        }
    }

    pub(super) fn attempt_field(
        &mut self,
        constraint: &Constraint,
        expr: Option<ExprId>,
        base: Operand,
        name: Ident,
        result: Ty,
    ) -> bool {
        match self.table.node(base.ty).clone() {
            Node::Unknown => false,
            Node::Error => {
                let _ = self.table.unify(result, Ty::ERROR);
                true
            }
            Node::Record(fields) => {
                match fields.iter().find(|(field, _)| *field == name.name) {
                    Some((_, ty)) => self.settle(constraint, expr, *ty, result),
                    None => {
                        let known: Vec<Name> = fields.iter().map(|(field, _)| *field).collect();
                        self.fail(constraint, error::no_such_field(name, &known));
                        let _ = self.table.unify(result, Ty::ERROR);
                    }
                }
                true
            }
            _ => {
                let diagnostic = error::not_a_record(self, constraint, base, name);
                self.fail(constraint, diagnostic);
                let _ = self.table.unify(result, Ty::ERROR);
                true
            }
        }
    }

    pub(super) fn attempt_spread(
        &mut self,
        constraint: &Constraint,
        base: Operand,
        fields: &[(Ident, Operand)],
    ) -> bool {
        match self.table.node(base.ty).clone() {
            Node::Unknown => false,
            Node::Error => true,
            Node::Record(known) => {
                for (name, value) in fields {
                    match known.iter().find(|(field, _)| *field == name.name) {
                        Some((_, ty)) => {
                            let reason =
                                Reason::Variable { name: name.name, span: self.operand_span(constraint, base) };
                            self.accept(constraint, *value, *ty, reason);
                        }
                        None => {
                            let known: Vec<Name> = known.iter().map(|(field, _)| *field).collect();
                            self.fail(constraint, error::no_such_field(*name, &known));
                        }
                    }
                }
                true
            }
            _ => {
                let diagnostic = error::spreads_no_record(self, constraint, base);
                self.fail(constraint, diagnostic);
                true
            }
        }
    }

    pub(super) fn attempt_iterate(&mut self, constraint: &Constraint, over: Operand, item: Ty) -> bool {
        let element = match self.table.node(over.ty).clone() {
            Node::Unknown => return false,
            Node::Array(element) => element,
            Node::Matrix => self.table.array(Ty::REAL),
            Node::Error => Ty::ERROR,
            _ => {
                let diagnostic = error::not_iterable(self, constraint, over);
                self.fail(constraint, diagnostic);
                Ty::ERROR
            }
        };
        if self.table.unify(item, element).is_err() {
            let diagnostic =
                error::pattern_mismatch(constraint.span, &self.table.show(element), &self.table.show(item));
            self.fail(constraint, diagnostic);
        }
        true
    }
}
