//! The abstract syntax of Borel, in an arena: the shape of a program as it was written.
//!
//! The parser fills one [`Ast`] for all files of a session; ids count in it. Nothing here is resolved or typed.

use crate::source::{FileId, Name, Span};

/// An expression of an [`Ast`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ExprId(pub u32);

/// A type as written, in an [`Ast`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct TypeId(pub u32);

/// A pattern of an [`Ast`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct PatternId(pub u32);

/// A place that binds a name. Unique in an [`Ast`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct BindId(pub u32);

/// An item of an [`Ast`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct ItemId(pub u32);

/// Everything parsed in a session.
#[derive(Default, Clone, Debug)]
pub struct Ast {
    pub exprs: Vec<Expr>,
    pub types: Vec<TypeExpr>,
    pub patterns: Vec<Pattern>,
    pub items: Vec<Item>,
    /// How many [`BindId`]s were given out.
    pub binds: u32,
}

/// The items of one file in their order, and its comments for the formatter.
#[derive(Clone, Debug)]
pub struct Module {
    pub file: FileId,
    /// Text of `//!` lines at the head of the file, without the marks.
    pub doc: Option<String>,
    pub items: Vec<ItemId>,
    /// Comments `// …` in order of their place; doc comments are not among them.
    pub comments: Vec<Span>,
}

/// A name as written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ident {
    pub name: Name,
    pub span: Span,
}

/// A name at the place that binds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binder {
    pub name: Name,
    pub span: Span,
    pub bind: BindId,
}

/// A documentation comment (`///`).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Doc {
    /// The text without marks and without the `example:` lines.
    pub text: String,
    /// The expressions of `example: e` lines, with their places.
    pub examples: Vec<(String, Span)>,
}

/// A top-level definition or statement.
#[derive(Clone, Debug)]
pub struct Item {
    pub span: Span,
    pub doc: Option<Doc>,
    pub kind: ItemKind,
}

/// The kinds of item.
#[derive(Clone, Debug)]
pub enum ItemKind {
    /// `data x: T` or `data x: T = e`
    Data { name: Binder, ty: TypeId, default: Option<ExprId> },
    /// `fn f<a>(…) -> T { … }`, or `model m(…) { … }`
    Fn(FnDecl),
    /// `dist D(p: Positive) on Real { … }`
    Dist(DistDecl),
    /// `type Tree<a> = Leaf(a) | Node(Tree<a>, Tree<a>)`
    Variant { name: Ident, params: Vec<Ident>, constructors: Vec<Constructor> },
    /// `type Point = {x: Real, y: Real}`
    Alias { name: Ident, params: Vec<Ident>, ty: TypeId },
    /// `import "path.borel" as p`
    ImportFile { path: String, path_span: Span, alias: Option<Ident> },
    /// `import stats`
    ImportModule { name: Ident },
    /// `test "name" { … }`
    Test { name: String, name_span: Span, body: Block },
    /// `let x = e` at the top level, an expression, or any other statement.
    Stmt(Stmt),
    /// An item that did not parse; its diagnostics were reported. With the names that it seems to define.
    Error(Vec<Name>),
}

/// `Node(Tree<a>, Tree<a>)` in the declaration of a variant type.
#[derive(Clone, Debug)]
pub struct Constructor {
    pub name: Ident,
    pub fields: Vec<TypeId>,
}

/// A function or model, top-level or local.
#[derive(Clone, Debug)]
pub struct FnDecl {
    pub name: Binder,
    pub kind: FnKind,
    /// Type parameters written `<a, b>`; lower-case type names in the signature need not be listed.
    pub type_params: Vec<Ident>,
    pub params: Vec<Param>,
    /// `-> T` or `~> T`; the effect is inferred all the same.
    pub result: Option<(Arrow, TypeId)>,
    /// A block, or the expression after `=`.
    pub body: ExprId,
}

/// Whether a function was written with `fn` or `model`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FnKind {
    Fn,
    Model,
}

/// `->`, deterministic, or `~>`, random.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrow {
    Deterministic,
    Random,
}

/// A parameter: `x`, `x: T`, `x = e`, `x: T = e`; lambdas may take patterns: `((a, b)) => a`.
#[derive(Clone, Copy, Debug)]
pub struct Param {
    pub pattern: PatternId,
    pub ty: Option<TypeId>,
    pub default: Option<ExprId>,
}

/// A distribution written in the language (section 7).
#[derive(Clone, Debug)]
pub struct DistDecl {
    pub name: Ident,
    pub type_params: Vec<Ident>,
    /// Parameters are always named, their types may be domains.
    pub params: Vec<Param>,
    /// The expression after `on`: a domain, or a type such as `[a]` written as a domain expression.
    pub support: ExprId,
    pub members: Vec<DistMember>,
}

/// `logp(x) = e`, `sample = e`, `cdf(x) = e`, `mean = e`, …
#[derive(Clone, Debug)]
pub struct DistMember {
    pub name: Ident,
    pub params: Vec<Param>,
    pub body: ExprId,
}

/// `{ … }`
#[derive(Clone, Debug)]
pub struct Block {
    pub span: Span,
    pub stmts: Vec<Stmt>,
}

/// A statement.
#[derive(Clone, Debug)]
pub struct Stmt {
    pub span: Span,
    pub doc: Option<Doc>,
    pub kind: StmtKind,
}

/// The kinds of statement.
#[derive(Clone, Debug)]
pub enum StmtKind {
    /// `let p = e`, `let p: T = e`
    Let { pattern: PatternId, ty: Option<TypeId>, value: ExprId },
    /// `var s = e`
    Var { name: Binder, ty: Option<TypeId>, value: ExprId },
    /// `s = e`, `h[t] = e`, `M[i, j] = e`, `r.x = e`
    Assign { target: Place, value: ExprId },
    /// `x ~ d`, `let x ~ d`; where a `var` of that name is in scope the first assigns it.
    Draw { name: Binder, with_let: bool, dist: ExprId },
    /// `h[t] ~ d`
    DrawElement { target: Place, dist: ExprId },
    /// `observe e ~ d`
    Observe { value: ExprId, dist: ExprId },
    /// `for p in e { … }`
    For { pattern: PatternId, iter: ExprId, body: Block },
    /// `while c { … }`
    While { cond: ExprId, body: Block },
    /// `return e`, only as the last statement of a function's block.
    Return(ExprId),
    /// `assert e` or `assert(e)`
    Assert(ExprId),
    /// A local function.
    Fn(FnDecl),
    /// An expression for its effects, or as the value of the block.
    Expr(ExprId),
}

/// What an assignment writes: a variable, and the steps into it.
#[derive(Clone, Debug)]
pub struct Place {
    pub root: Ident,
    /// A name-expression for the root, so that the checker can resolve it like any other name.
    pub root_expr: ExprId,
    pub steps: Vec<PlaceStep>,
    pub span: Span,
}

/// A step of a [`Place`].
#[derive(Clone, Debug)]
pub enum PlaceStep {
    /// `[i]` or `[i, j]`
    Index(Vec<ExprId>),
    /// `.x`
    Field(Ident),
}

/// An expression.
#[derive(Clone, Debug)]
pub struct Expr {
    pub span: Span,
    pub kind: ExprKind,
}

/// The kinds of expression.
#[derive(Clone, Debug)]
pub enum ExprKind {
    /// `()`
    Unit,
    Bool(bool),
    /// `1`
    Int(i64),
    /// `2.5e-3`, `inf`, `nan`
    Real(f64),
    Str(String),
    /// `x`; also a constructor or a domain
    Name(Name),
    /// `[1, 2, 3]`
    Array(Vec<ExprId>),
    /// `[f(x) for x in xs if x > 0]`
    Comprehension {
        body: ExprId,
        clauses: Vec<Clause>,
    },
    /// `a..b` or `a..=b`
    Range {
        low: ExprId,
        high: ExprId,
        inclusive: bool,
    },
    /// `(a, b)`
    Tuple(Vec<ExprId>),
    /// `{mu: 1.0, tau}`, `{...r, mu: 2}`; a field without a value stands for the variable of that name.
    Record {
        spread: Option<ExprId>,
        fields: Vec<(Ident, ExprId)>,
    },
    /// `r.mu`, or `p.f` of an import
    Field(ExprId, Ident),
    /// `a[i]`, `M[i, j]`
    Index(ExprId, Vec<ExprId>),
    /// `-x`, `!b`
    Unary(UnaryOp, ExprId),
    /// `a + b`, with the place of the operator
    Binary(BinaryOp, Span, ExprId, ExprId),
    /// `f(x, k = 3)`
    Call {
        callee: ExprId,
        args: Vec<Arg>,
    },
    /// `xs |> f(y)`: a call with the left value as first argument
    Pipe {
        value: ExprId,
        call: ExprId,
    },
    /// `(x, y) => e`
    Lambda {
        params: Vec<Param>,
        body: ExprId,
    },
    /// `if c { … } else { … }`; both branches are blocks, or another `if` after `else`
    If {
        cond: ExprId,
        then: ExprId,
        otherwise: Option<ExprId>,
    },
    /// `match e { p => e, … }`
    Match {
        scrutinee: ExprId,
        arms: Vec<Arm>,
    },
    /// `{ … }`
    Block(Block),
    /// A part that did not parse; its diagnostics were reported.
    Error,
}

/// A part of a comprehension.
#[derive(Clone, Debug)]
pub enum Clause {
    /// `for p in e`
    For { pattern: PatternId, iter: ExprId },
    /// `if c`
    If(ExprId),
}

/// An argument, by position or by name.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    pub name: Option<Ident>,
    pub value: ExprId,
}

/// `p => e` or `p if c => e`
#[derive(Clone, Copy, Debug)]
pub struct Arm {
    pub pattern: PatternId,
    pub guard: Option<ExprId>,
    pub body: ExprId,
}

/// A pattern.
#[derive(Clone, Debug)]
pub struct Pattern {
    pub span: Span,
    pub kind: PatternKind,
}

/// The kinds of pattern.
#[derive(Clone, Debug)]
pub enum PatternKind {
    /// `_`
    Wild,
    /// `x`; a name that begins with a capital is a constructor
    Bind(Binder),
    Int(i64),
    Real(f64),
    Bool(bool),
    Str(String),
    /// `()`
    Unit,
    Tuple(Vec<PatternId>),
    /// `{x, y: p}`; fields not named are ignored
    Record(Vec<(Ident, PatternId)>),
    /// `Node(l, r)`, `Empty`
    Constructor {
        name: Ident,
        fields: Vec<PatternId>,
    },
    /// A part that did not parse.
    Error,
}

/// A type as written.
#[derive(Clone, Debug)]
pub struct TypeExpr {
    pub span: Span,
    pub kind: TypeExprKind,
}

/// The kinds of type.
#[derive(Clone, Debug)]
pub enum TypeExprKind {
    Unit,
    /// `Real`, `Tree<Int>`, `a`; domains too, where they stand for the type of their members
    Name(Ident, Vec<TypeId>),
    /// `Interval(0, 1)`, `Simplex(n)`: a domain with arguments
    Domain(Ident, Vec<ExprId>),
    /// `[T]`
    Array(TypeId),
    Tuple(Vec<TypeId>),
    Record(Vec<(Ident, TypeId)>),
    /// `(a, b) -> c`, `a ~> b`
    Fn(Vec<TypeId>, Arrow, TypeId),
    Error,
}

/// An operator of one operand.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum UnaryOp {
    Neg,
    Not,
}

/// An operator of two operands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    Pow,
    Rem,
    /// `@`
    MatMul,
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    And,
    Or,
}

impl BinaryOp {
    /// The operator as written.
    pub fn symbol(self) -> &'static str {
        match self {
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::Pow => "^",
            BinaryOp::Rem => "%",
            BinaryOp::MatMul => "@",
            BinaryOp::Eq => "==",
            BinaryOp::Ne => "!=",
            BinaryOp::Lt => "<",
            BinaryOp::Le => "<=",
            BinaryOp::Gt => ">",
            BinaryOp::Ge => ">=",
            BinaryOp::And => "&&",
            BinaryOp::Or => "||",
        }
    }
}

impl Ast {
    pub fn expr(&self, id: ExprId) -> &Expr {
        &self.exprs[id.0 as usize]
    }

    pub fn ty(&self, id: TypeId) -> &TypeExpr {
        &self.types[id.0 as usize]
    }

    pub fn pattern(&self, id: PatternId) -> &Pattern {
        &self.patterns[id.0 as usize]
    }

    pub fn item(&self, id: ItemId) -> &Item {
        &self.items[id.0 as usize]
    }

    pub fn add_expr(&mut self, span: Span, kind: ExprKind) -> ExprId {
        self.exprs.push(Expr { span, kind });
        ExprId((self.exprs.len() - 1) as u32)
    }

    pub fn add_type(&mut self, span: Span, kind: TypeExprKind) -> TypeId {
        self.types.push(TypeExpr { span, kind });
        TypeId((self.types.len() - 1) as u32)
    }

    pub fn add_pattern(&mut self, span: Span, kind: PatternKind) -> PatternId {
        self.patterns.push(Pattern { span, kind });
        PatternId((self.patterns.len() - 1) as u32)
    }

    pub fn add_item(&mut self, item: Item) -> ItemId {
        self.items.push(item);
        ItemId((self.items.len() - 1) as u32)
    }

    /// A new place that binds `name`.
    pub fn binder(&mut self, name: Name, span: Span) -> Binder {
        self.binds += 1;
        Binder { name, span, bind: BindId(self.binds - 1) }
    }
}
