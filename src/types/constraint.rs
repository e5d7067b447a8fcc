//! What must hold between types that are not known yet.
//!
//! A constraint waits until enough is known to decide it. What a function leaves undecided becomes part of its scheme and is
//! copied to each use.

use super::scheme::Candidate;
use super::table::{Eff, Ty};
use crate::source::{Name, Span};
use crate::syntax::ast::{BinaryOp, ExprId, Ident, TypeId};
use std::sync::Arc;

/// An expression with the type it was found to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand {
    pub expr: ExprId,
    pub ty: Ty,
}

/// A condition on types.
#[derive(Clone, Debug)]
pub(crate) struct Constraint {
    pub kind: Kind,
    pub span: Span,
    /// For a constraint of a called function: the call that brought it here, and the function's name.
    pub via: Option<(Span, Name)>,
}

/// The kinds of condition.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `left op right : result`
    Binary { expr: ExprId, op: BinaryOp, left: Operand, right: Operand, result: Ty },
    /// `-operand`
    Numeric(Operand),
    /// `base[index] : result`
    Index { expr: Option<ExprId>, base: Operand, index: Vec<Operand>, result: Ty },
    /// `base.name : result`
    Field { expr: Option<ExprId>, base: Operand, name: Ident, result: Ty },
    /// `{...base, name: value}`
    Spread { base: Operand, fields: Vec<(Ident, Operand)> },
    /// `for item in over`
    Iterate { over: Operand, item: Ty },
    /// `value ~ dist`
    Draw { dist: Operand, value: Ty },
    /// `observe value ~ dist`
    Observe { value: Operand, dist: Operand },
    /// A call of one of several definitions, or of one that applies to the elements of its arguments.
    Call(Box<Call>),
    /// One of several definitions of a name, used as a value.
    Pick { expr: ExprId, candidates: Arc<[Candidate]>, ty: Ty },
}

/// A call that is not decided yet.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub expr: ExprId,
    pub name: Name,
    pub candidates: Arc<[Candidate]>,
    pub args: Vec<CallArg>,
    pub result: Ty,
    /// The effect of the code around the call.
    pub around: Eff,
}

/// An argument of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallArg {
    pub name: Option<Ident>,
    pub value: Operand,
    /// How many parameters it takes, where it is a lambda whose body was not looked at yet.
    pub lambda: Option<usize>,
}

/// Where an expectation comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Reason {
    Nothing,
    /// A type written by the user.
    Annotation(TypeId),
    /// A parameter of a function.
    Parameter {
        name: Option<Name>,
        of: Name,
        span: Span,
    },
    /// The other branches of an `if` or `match`, the other elements of an array.
    Branch(Span),
    Element(Span),
    /// The variable assigned to.
    Variable {
        name: Name,
        span: Span,
    },
    /// The values of a distribution that is observed.
    Observed(Span),
    Condition,
    /// The result of a member of a distribution.
    Member(Name),
}

impl Kind {
    /// Calls `visit` on each type that takes part.
    pub fn types(&mut self, visit: &mut dyn FnMut(&mut Ty)) {
        match self {
            Kind::Binary { left, right, result, .. } => {
                visit(&mut left.ty);
                visit(&mut right.ty);
                visit(result);
            }
            Kind::Numeric(operand) => visit(&mut operand.ty),
            Kind::Index { base, index, result, .. } => {
                visit(&mut base.ty);
                index.iter_mut().for_each(|i| visit(&mut i.ty));
                visit(result);
            }
            Kind::Field { base, result, .. } => {
                visit(&mut base.ty);
                visit(result);
            }
            Kind::Spread { base, fields } => {
                visit(&mut base.ty);
                fields.iter_mut().for_each(|(_, value)| visit(&mut value.ty));
            }
            Kind::Iterate { over, item } => {
                visit(&mut over.ty);
                visit(item);
            }
            Kind::Draw { dist, value } => {
                visit(&mut dist.ty);
                visit(value);
            }
            Kind::Observe { value, dist } => {
                visit(&mut value.ty);
                visit(&mut dist.ty);
            }
            Kind::Call(call) => {
                call.args.iter_mut().for_each(|arg| visit(&mut arg.value.ty));
                visit(&mut call.result);
            }
            Kind::Pick { ty, .. } => visit(ty),
        }
    }

    /// Calls `visit` on each effect that takes part.
    pub fn effects(&mut self, visit: &mut dyn FnMut(&mut Eff)) {
        if let Kind::Call(call) = self {
            visit(&mut call.around);
        }
    }
}
