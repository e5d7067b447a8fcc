//! What the checker says of one body at concrete types: all that lowering needs besides the syntax.

use crate::core::Type;
use crate::source::Name;
use crate::syntax::ast::{BindId, ExprId, ItemId};
use std::collections::HashMap;

/// A definition that can be called or applied: it stands for all its instances.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub enum Def {
    /// A `fn`, `model` or `dist` item.
    Item(ItemId),
    /// A row of the table of primitives.
    Prim(u32),
}

/// The facts about one body (of a function instance, a member of a distribution instance, or a top-level statement).
/// All types are concrete.
#[derive(Clone, Debug, Default)]
pub struct Typed {
    /// The type of each expression before its coercion.
    pub types: HashMap<ExprId, Type>,
    /// Where the context wants another type than the expression has: to what it is converted. Only these occur:
    /// `Int` to `Real` (within arrays, tuples and records too), `[[Real]]` or `[[Int]]` to `Matrix` where a matrix is expected and back,
    /// `[Dist<a>]` to `Dist<[a]>`, `Posterior<a>` to `Dist<a>`; and, only of the distribution of an `observe`, `Dist<a>` to
    /// `Dist<[a]>` (or deeper): each element of the observed array has the distribution `Dist<a>`.
    pub coercions: HashMap<ExprId, Type>,
    /// What each name expression means.
    pub names: HashMap<ExprId, NameUse>,
    /// What each call does; pipes have theirs under the id of the pipe expression. A pipe's left value is argument 0.
    pub calls: HashMap<ExprId, CallUse>,
    /// The type of each variable bound within the body, parameters included.
    pub binds: HashMap<BindId, Type>,
    /// `x ~ d` statements that assign an outer `var` instead of binding: from the statement's binder to the variable.
    pub draws: HashMap<BindId, BindId>,
    /// The type of the body's value, after coercion to the declared result.
    pub result: Option<Type>,
    /// Whether the body may draw or add to the weight.
    pub random: bool,
}

/// What a name stands for where it is used as a value.
#[derive(Clone, PartialEq, Debug)]
pub enum NameUse {
    /// A parameter or local variable or local function.
    Local(BindId),
    /// A `data` item or a top-level `let`, by its binder.
    Global(BindId),
    /// A function, model or primitive used as a value, at the type in `types`.
    Def(Def),
    /// A distribution used as a function value: `map(xs, Bernoulli)`.
    Dist(ItemId),
    /// A constructor: of a constant, or as a function value. Tag in its type.
    Constructor(u32),
    /// A domain without arguments: `Real`, `Positive`, `Bool`, … used as a value.
    Domain(Name),
}

/// What a call does.
#[derive(Clone, Debug)]
pub struct CallUse {
    pub target: Target,
    /// For each parameter of the target its argument, or none where the default is taken. For closures, by position.
    pub args: Vec<Option<ExprId>>,
    /// The concrete types of the parameters as instantiated, after coercion of the arguments; with defaults' types included.
    /// For a primitive or distribution applied elementwise the *argument* types stand here, the scalar ones are the declaration's.
    pub params: Vec<Type>,
    /// The concrete type of the result.
    pub result: Type,
}

/// The target of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum Target {
    /// A function or primitive. `lifted` says of each parameter whether a scalar primitive runs over the elements of
    /// that argument; empty when the call is not elementwise.
    Def(Def, Vec<bool>),
    /// A distribution; `lifted` says of each parameter whether it is an array along which the product is taken; empty when none is.
    Dist(ItemId, Vec<bool>),
    /// A constructor, by tag.
    Constructor(u32),
    /// A domain with arguments: `Interval(0, 1)`.
    Domain(Name),
    /// A function value: a local variable, a parameter, a field, any expression.
    Value,
}

/// A request for one instance: a definition at concrete parameter and result types.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Instance {
    pub item: ItemId,
    /// The member of a distribution (`logp`, `sample`, …, `support`, `check`); none for functions and models.
    pub member: Option<Name>,
    /// For a member of a distribution: the types of the distribution's scalar parameters, then of the member's own.
    pub params: Vec<Type>,
    pub result: Type,
}
