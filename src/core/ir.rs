//! Core: the typed intermediate representation, in administrative normal form and without type variables.
//!
//! Every operand is an [`Atom`]; every intermediate result has a variable with a type. Functions are monomorphic: lowering makes
//! one per use at different types. Variables are per function; a variable is bound once, unless it is `mutable`.

use super::ty::Type;
use crate::source::{Name, Span};
use crate::value::Value;
use std::sync::Arc;

/// A function of a [`Program`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct FuncId(pub u32);

/// A distribution instance of a [`Program`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct DistId(pub u32);

/// A variable of a [`Function`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct VarId(pub u32);

/// A global of a [`Program`]: a `data` declaration or a top-level `let`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct GlobalId(pub u32);

/// A place in a [`Program`] where a choice is made or a weight is added.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct SiteId(pub u32);

/// A whole program: what one top-level statement, or a model, needs.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub funcs: Vec<Arc<Function>>,
    pub dists: Vec<Arc<Dist>>,
    pub globals: Vec<Global>,
    pub sites: Vec<Site>,
    pub entry: Option<FuncId>,
}

/// A `data` declaration or a top-level `let`; its value is known once it is bound or was evaluated.
#[derive(Clone, Debug)]
pub struct Global {
    pub name: Name,
    pub ty: Type,
    pub value: Option<Value>,
}

/// A distribution at concrete types. Its members are functions of its parameters, and of one value more for some.
#[derive(Clone, Debug)]
pub struct Dist {
    pub name: Name,
    /// Parameter names and types; for a product (`Normal(theta, sigma)` with arrays) some are arrays.
    pub params: Vec<(Name, Type)>,
    /// The type of the values it is over.
    pub value: Type,
    /// `true` for each parameter along which this instance is a product of the scalar distribution; empty when it is none.
    pub lifted: Vec<bool>,
    /// `(params…, x) -> Real`, the log density of a value; `-inf` outside the support.
    pub logp: FuncId,
    /// `(params…) ~> value`
    pub sample: Option<FuncId>,
    /// `(params…) -> Domain`
    pub support: Option<FuncId>,
    /// `(params…) -> ()`: faults when a parameter lies outside its domain.
    pub check: Option<FuncId>,
    /// `cdf`, `ccdf`, `quantile` (one value more), `mean`, `variance` (none), as far as the program uses them.
    pub members: Vec<(Name, FuncId)>,
}

/// A place in the program that draws or weighs.
#[derive(Clone, Debug)]
pub struct Site {
    /// The name of the choice (`x`, `h`), or of the observed expression as written.
    pub name: Name,
    /// Whether the name was given by the user; `sample(d)` has none.
    pub named: bool,
    pub kind: SiteKind,
    pub span: Span,
    /// The type of the value drawn or observed; `Unit` for a factor.
    pub ty: Type,
    /// Set by the forward-only pass: no weight depends on the choice.
    pub forward_only: bool,
}

/// What a site does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SiteKind {
    Sample,
    Observe,
    Factor,
    /// A call of a random function: a step of the addresses of the choices made within.
    Call,
}

/// A function: parameters, captured variables, one body.
#[derive(Clone, Debug)]
pub struct Function {
    pub name: Name,
    pub span: Span,
    /// Whether it may draw or weigh.
    pub random: bool,
    /// Written by the user, as opposed to the library; shapes the names of addresses.
    pub user: bool,
    pub vars: Vec<Var>,
    pub params: Vec<VarId>,
    /// Bound from the closure on entry.
    pub captures: Vec<VarId>,
    pub body: Block,
    pub result: Type,
}

/// A variable of a function.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Var {
    pub name: Name,
    pub ty: Type,
    pub mutable: bool,
}

/// Statements, then the value of the block.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Block {
    pub stmts: Vec<Stmt>,
    pub result: Atom,
}

/// A variable or a constant.
#[derive(Clone, Debug)]
pub enum Atom {
    Var(VarId),
    /// A constant, and its type (`[]` and empty records need it).
    Const(Value, Type),
    Global(GlobalId),
}

impl Default for Atom {
    fn default() -> Atom {
        Atom::Const(Value::Unit, Type::UNIT)
    }
}

impl PartialEq for Atom {
    fn eq(&self, other: &Atom) -> bool {
        match (self, other) {
            (Atom::Var(a), Atom::Var(b)) => a == b,
            (Atom::Global(a), Atom::Global(b)) => a == b,
            (Atom::Const(a, t), Atom::Const(b, u)) => t == u && crate::value::hash::same(a, b),
            _ => false,
        }
    }
}

/// A statement with its place in the source.
#[derive(Clone, Debug, PartialEq)]
pub struct Stmt {
    pub span: Span,
    pub kind: StmtKind,
}

/// The kinds of statement.
#[derive(Clone, Debug, PartialEq)]
pub enum StmtKind {
    /// `x: T = rhs`, or `var s: T = rhs`
    Let(VarId, Rhs),
    /// `s := a` for a mutable variable
    Assign(VarId, Atom),
    /// `s[i] := a`, `s[i, j] := a`, `s[i][j] := a`, `s.x := a`: an update of a mutable variable by value
    Update(VarId, Vec<Step>, Atom),
    /// `for i in a..b { … }` over integers
    For { var: VarId, low: Atom, high: Atom, body: Block },
    /// `while { …; cond } { … }`
    While { cond: Block, body: Block },
    /// `if c { … } else { … }` for its effects; as a value see [`Rhs::If`]
    If(Atom, Block, Block),
    /// `observe d = a`
    Observe { site: SiteId, dist: DistUse, value: Atom, path: Vec<Atom> },
    /// `factor w`
    Factor { site: SiteId, weight: Atom, path: Vec<Atom> },
}

/// A step of an update.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Index(Atom),
    /// Row and column of a matrix.
    Index2(Atom, Atom),
    Field(u32),
}

/// What a `Let` computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Rhs {
    Atom(Atom),
    /// A built-in operation on scalars, or on whole values.
    Op(Op, Vec<Atom>),
    /// A function of the table of primitives, by its row.
    Prim(PrimRef, Vec<Atom>),
    /// A scalar operation or primitive applied to each element of dense arrays or matrices, scalars broadcast.
    Lift(Callee, Vec<Atom>),
    /// `f(args)`; random functions carry the site of the call and the loop indices that name it.
    Call {
        func: FuncId,
        args: Vec<Atom>,
        site: Option<SiteId>,
        path: Vec<Atom>,
    },
    /// `c(args)` of a function value.
    CallClosure {
        callee: Atom,
        args: Vec<Atom>,
        site: Option<SiteId>,
        path: Vec<Atom>,
    },
    /// `closure f [captures]`
    Closure(FuncId, Vec<Atom>),
    Tuple(Vec<Atom>),
    /// Fields in the order of the type of the variable.
    Record(Vec<Atom>),
    /// `a.n` of a tuple or record.
    Field(Atom, u32),
    /// `Node(l, r)`: constructor by its tag in the type of the variable.
    Variant(u32, Vec<Atom>),
    /// Field `n` of a value known to be of constructor `tag`.
    Payload(Atom, u32, u32),
    /// `[a, b, c]`
    Array(Vec<Atom>),
    /// `build n { i => … }`: the array of the results for i in 0..n, in order.
    Build {
        len: Atom,
        var: VarId,
        body: Block,
    },
    /// A distribution as a value.
    Dist(DistId, Vec<Atom>),
    /// `sample d`; `path` are the loop indices that name the choice, `forward` as marked by the forward-only pass.
    Sample {
        site: SiteId,
        dist: DistUse,
        path: Vec<Atom>,
    },
    /// `logp`, `cdf`, `quantile`, `mean`, `variance`, `support`, `sample` of a distribution, by member name.
    Member(Name, DistUse, Vec<Atom>),
    If(Atom, Block, Block),
    /// `match` on the tag of a variant; a tag without an arm takes the last block.
    Switch {
        on: Atom,
        arms: Vec<(u32, Block)>,
        otherwise: Option<Box<Block>>,
    },
    /// A function of the host, such as an inference method: by name; the arguments may be closures.
    Host(Name, Vec<Atom>),
}

/// A distribution where it is used.
#[derive(Clone, Debug, PartialEq)]
pub enum DistUse {
    /// Known: an instance and its arguments.
    Known(DistId, Vec<Atom>),
    /// A value of type `Dist<a>`.
    Value(Atom),
}

/// What a [`Rhs::Lift`] applies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Callee {
    Op(Op),
    Prim(PrimRef),
}

/// A row of the table of primitives: its place in `prim::rows()`, and its name for the printer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrimRef {
    pub row: u32,
    pub name: Name,
}

/// Built-in operations. The letter gives the type of the operands: `R` real, `I` integer, `B` boolean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    AddR,
    SubR,
    MulR,
    DivR,
    PowR,
    RemR,
    NegR,
    AddI,
    SubI,
    MulI,
    /// Integer power; a fault for a negative exponent.
    PowI,
    /// Remainder with the sign of the divisor.
    RemI,
    NegI,
    EqR,
    NeR,
    LtR,
    LeR,
    EqI,
    NeI,
    LtI,
    LeI,
    EqB,
    NeB,
    Not,
    /// Both operands are evaluated; `&&` and `||` of the language are [`Rhs::If`].
    And,
    Or,
    /// Structural equality of two values of one type.
    Same,
    Different,
    /// Int to Real; of an array, each element; of a nested array likewise.
    Widen,
    /// Number of elements of an array, rows of a matrix.
    Len,
    /// `a[i]`, row `M[i]`
    Index,
    /// `M[i, j]`
    Index2,
    /// `a[lo..hi]`: array, low, high (exclusive)
    Slice,
    /// `a[idx]` with an integer array
    Gather,
    /// `a` with `x` at its end
    Push,
    /// Array of `n` copies of `x`
    Fill,
    /// `[lo, …, hi - 1]`
    Range,
    /// Matrix · matrix, matrix · vector, vector · matrix, vector · vector, by the operands' types
    MatMul,
    /// Prints its operand for the user.
    Print,
    /// Stops the run with the string operand unless the boolean operand holds: condition, message.
    Assert,
    /// Stops the run: no arm of a match took the value, or an inferred impossibility; the operand is the message.
    Fail,
    /// Stops the run because a parameter lies outside its domain: message, the value.
    Domain,
}
