//! What the checker says is wrong: one function per mistake. Messages about types that disagree are in `mismatch`.

mod call;
mod mismatch;
mod operand;

pub(crate) use call::*;
pub(crate) use mismatch::*;
pub(crate) use operand::*;

use super::infer::LocalKind;
use crate::source::{Diagnostic, Name, SourceMap, Span};
use crate::syntax::ast::{Ast, Ident, ItemKind, StmtKind};

/// An observation or weight of code that no inference runs.
pub(crate) fn weight_outside_model(span: Span, what: &str) -> Diagnostic {
    let error = Diagnostic::error(span, format!("`{what}` has no effect outside a model"));
    error.hint("write it in a `model m { … }`, which `infer(m)` conditions; to check a fact write `assert`")
}

/// A random call where the program must be deterministic.
pub(crate) fn random_where_deterministic(origin: Span, demand: Option<(Span, &'static str)>) -> Diagnostic {
    match demand {
        Some((span, what)) => {
            let error = Diagnostic::error(origin, format!("{what} must be deterministic, found a random expression"))
                .here("this may draw or add to the weight");
            let error = if span == origin { error } else { error.also(span, "deterministic code is needed here") };
            error.hint("draw the value before, with `x ~ d`, and use `x` here")
        }
        None => Diagnostic::error(origin, "expected a deterministic function, found a random one")
            .here("this may draw or add to the weight")
            .hint("a parameter written `(a) -> b` takes deterministic functions only; `(a) ~> b` takes both"),
    }
}

pub(crate) fn unknown_name(span: Span, name: Name, suggestion: Option<String>, domain: bool) -> Diagnostic {
    let error = Diagnostic::error(span, format!("unknown name `{name}`"));
    let error = match suggestion {
        Some(found) => error.hint(format!("did you mean `{found}`?")),
        None if name.as_str().starts_with("draw_") => {
            error.hint("primitive draws are for the distributions of the library; draw with `x ~ d` or `sample(d)`")
        }
        None => error,
    };
    if domain { error.hint(format!("`{name}` is a domain; it takes arguments, as in `{name}(n)`")) } else { error }
}

/// `x = …` where no `x` was declared.
pub(crate) fn assigns_unknown(span: Span, name: Name, suggestion: Option<String>) -> Diagnostic {
    let error = Diagnostic::error(span, format!("unknown name `{name}`"));
    let error = error.hint(format!("a new name is declared by `let {name} = …`, or by `var` if it changes later"));
    match suggestion {
        Some(found) => error.hint(format!("did you mean `{found}`?")),
        None => error,
    }
}

/// `x[i] = …` or `x[i] ~ …` where no `x` was declared.
pub(crate) fn writes_unknown(span: Span, name: Name, suggestion: Option<String>, indexed: bool) -> Diagnostic {
    let error = Diagnostic::error(span, format!("unknown name `{name}`"));
    match suggestion {
        Some(found) => error.hint(format!("did you mean `{found}`?")),
        None if indexed => {
            error.hint(format!("an array that is filled by element is declared before, as in `var {name} = zeros(n)`"))
        }
        None => error,
    }
}

pub(crate) fn unknown_type(name: Ident, suggestion: Option<String>) -> Diagnostic {
    let error = Diagnostic::error(name.span, format!("unknown type `{}`", name.name));
    match suggestion {
        Some(found) => error.hint(format!("did you mean `{found}`?")),
        None => error.hint("type parameters begin with a small letter: `a`"),
    }
}

pub(crate) fn unknown_constructor(name: Ident, suggestion: Option<String>) -> Diagnostic {
    let error = Diagnostic::error(name.span, format!("unknown constructor `{}`", name.name));
    match suggestion {
        Some(found) => error.hint(format!("did you mean `{found}`?")),
        None => error.hint("a name that begins with a small letter binds any value"),
    }
}

pub(crate) fn constructor_fields(span: Span, name: Name, expected: usize, found: usize) -> Diagnostic {
    let error = Diagnostic::error(span, format!("`{name}` has {}, found {found} here", count(expected, "field")));
    if expected == 0 {
        return error.hint(format!("write `{name}` without parentheses"));
    }
    let blanks = vec!["_"; expected].join(", ");
    error.hint(format!("write `{name}({blanks})`"))
}

pub(crate) fn endless_alias(span: Span) -> Diagnostic {
    Diagnostic::error(span, "a type alias cannot contain itself")
        .hint("a recursive type needs constructors: `type Tree = Leaf | Node(Tree, Tree)`")
}

pub(crate) fn type_arguments(span: Span, name: Name, expected: usize, found: usize) -> Diagnostic {
    let error = Diagnostic::error(span, format!("`{name}` takes {}, found {found}", count(expected, "type argument")));
    match expected {
        0 => error.hint(format!("write `{name}`")),
        1 => error.hint(format!("write `{name}<Real>`, or the type you mean")),
        _ => error,
    }
}

pub(crate) fn module_as_value(span: Span, name: Name) -> Diagnostic {
    Diagnostic::error(span, format!("`{name}` is an imported file, not a value"))
        .hint(format!("name something in it: `{name}.f`"))
}

pub(crate) fn not_in_module(module: Span, name: Ident) -> Diagnostic {
    Diagnostic::error(name.span, format!("the imported file has no `{}`", name.name)).also(module, "imported here")
}

pub(crate) fn duplicate_field(span: Span, name: Name, first: Span) -> Diagnostic {
    Diagnostic::error(span, format!("field `{name}` is given twice")).also(first, "first given here")
}

pub(crate) fn lambda_default(span: Span) -> Diagnostic {
    Diagnostic::error(span, "parameters of `=>` functions have no defaults")
        .hint("write a local function: `fn f(x, k = 2) = …`")
}

pub(crate) fn unused_value(span: Span, ty: &str, text: &str) -> Diagnostic {
    let warning = Diagnostic::warning(span, format!("the value of this expression, of type {ty}, is not used"));
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("push(")
        && let Some((array, _)) = rest.split_once(',')
        && !text.contains('\n')
    {
        return warning.hint(format!("`push` gives a new array: `{} = {text}`", array.trim()));
    }
    warning.hint("keep it with `let name = …`, or remove it")
}

/// An assignment to a name that was not declared with `var`.
pub(crate) fn assigns_immutable(
    span: Span,
    name: Name,
    kind: LocalKind,
    declared: Span,
    ast: &Ast,
    sources: &SourceMap,
) -> Diagnostic {
    let _ = ast;
    let error = Diagnostic::error(span, format!("`{name}` cannot be assigned"));
    match kind {
        LocalKind::Let => {
            let error = error.here("only a `var` can be assigned").also(declared, "declared here with `let`");
            let line = sources
                .place(declared)
                .and_then(|place| place.rsplit(':').nth(1).and_then(|line| line.parse::<usize>().ok()));
            match line {
                Some(line) => error.hint(format!("declare it with `var {name} = …` on line {line}")),
                None => error.hint(format!("declare it with `var {name} = …`")),
            }
        }
        LocalKind::Parameter => error
            .here("only a `var` can be assigned")
            .also(declared, "a parameter")
            .hint(format!("copy it first: `var new_{name} = {name}`")),
        LocalKind::Loop => error
            .here("only a `var` can be assigned")
            .also(declared, "bound by the loop")
            .hint(format!("copy it first: `var new_{name} = {name}`")),
        LocalKind::Drawn => error
            .here("only a `var` can be assigned")
            .also(declared, "drawn here")
            .hint(format!("copy it first: `var new_{name} = {name}`")),
        _ => error.here("only a `var` can be assigned").also(declared, "declared here"),
    }
}

pub(crate) fn assigns_captured(span: Span, name: Name, declared: Span) -> Diagnostic {
    Diagnostic::error(span, format!("a function cannot assign `{name}`, which is declared outside of it"))
        .here("assigned inside the function")
        .also(declared, "declared outside")
        .hint("return the new value, and assign it where the variable lives")
}

pub(crate) fn assigns_global(span: Span, name: Name, declared: Span) -> Diagnostic {
    Diagnostic::error(span, format!("a function cannot assign `{name}`, which is a value of the whole file"))
        .also(declared, "declared here")
        .hint(format!("copy it into a variable of the function: `var new_{name} = {name}`"))
}

pub(crate) fn assigns_definition(span: Span, name: Name) -> Diagnostic {
    Diagnostic::error(span, format!("`{name}` is a definition and cannot be assigned"))
        .hint(format!("declare a variable of that name: `var {name} = …`"))
}

const MEMBERS: &[&str] = &[
    "logp",
    "sample",
    "cdf",
    "ccdf",
    "quantile",
    "cquantile",
    "check",
    "mean",
    "variance",
    "entropy",
    "mode",
    "median",
];

pub(crate) fn unknown_member(name: Ident) -> Diagnostic {
    let error = Diagnostic::error(name.span, format!("a distribution has no member `{}`", name.name));
    if let Some(found) = super::suggest::name(name.name.as_str(), MEMBERS) {
        return error.hint(format!("did you mean `{found}`?"));
    }
    error.hint("members are `logp(x)`, `sample`, `cdf(x)`, `ccdf(x)`, `quantile(q)`, `cquantile(q)`, `check`, `mean`, `variance`, `entropy`, `mode`, `median`")
}

pub(crate) fn member_parameters(name: Ident, expected: usize, found: usize) -> Diagnostic {
    let text = if expected == 0 { format!("{} = …", name.name) } else { format!("{}(x) = …", name.name) };
    Diagnostic::error(name.span, format!("`{}` takes {}, found {found}", name.name, count(expected, "parameter")))
        .hint(format!("write `{text}`"))
}

pub(crate) fn empty_distribution(name: Ident) -> Diagnostic {
    Diagnostic::error(name.span, format!("distribution `{}` has neither `logp` nor `sample`", name.name))
        .hint("give its log density: `logp(x) = …`")
}

pub(crate) fn depends_on_itself(span: Span, name: Name) -> Diagnostic {
    Diagnostic::error(span, format!("`{name}` is defined by itself"))
        .hint("a constant may only use what does not depend on it")
}

pub(crate) fn infinite(span: Span) -> Diagnostic {
    Diagnostic::error(span, "this value would have to contain itself")
        .hint("is a function given to itself, or an array pushed into itself?")
}

/// `3 fields`, `1 field`, `no fields`
pub(crate) fn count(n: usize, what: &str) -> String {
    match n {
        0 => format!("no {what}s"),
        1 => format!("1 {what}"),
        _ => format!("{n} {what}s"),
    }
}

/// The place where a file imports or declares something, for messages about items.
pub(crate) fn item_name(ast: &Ast, item: crate::syntax::ast::ItemId) -> Option<Ident> {
    match &ast.item(item).kind {
        ItemKind::Fn(decl) => Some(Ident { name: decl.name.name, span: decl.name.span }),
        ItemKind::Dist(decl) => Some(decl.name),
        ItemKind::Data { name, .. } => Some(Ident { name: name.name, span: name.span }),
        ItemKind::Variant { name, .. } | ItemKind::Alias { name, .. } => Some(*name),
        ItemKind::Stmt(stmt) => match &stmt.kind {
            StmtKind::Var { name, .. } | StmtKind::Draw { name, .. } => {
                Some(Ident { name: name.name, span: name.span })
            }
            StmtKind::Let { pattern, .. } => match &ast.pattern(*pattern).kind {
                crate::syntax::ast::PatternKind::Bind(name) => Some(Ident { name: name.name, span: name.span }),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}

pub(crate) fn missing_patterns(span: Span, missing: &[String]) -> Diagnostic {
    let name = |pattern: &String| if pattern == "_" { "other values".into() } else { format!("`{pattern}`") };
    let listed: Vec<String> = missing.iter().map(name).collect();
    let arms: Vec<String> = missing.iter().map(|pattern| format!("{pattern} => …")).collect();
    Diagnostic::error(span, format!("this `match` does not say what to do with {}", listed.join(", ")))
        .hint(format!("add the arms `{}`", arms.join(", ")))
}

pub(crate) fn refutable(span: Span, what: &str, missing: &str) -> Diagnostic {
    Diagnostic::error(span, format!("{what} needs a pattern that takes every value"))
        .here(format!("does not take `{missing}`"))
        .hint("use `match` to tell the cases apart")
}

pub(crate) fn unreachable_arm(span: Span) -> Diagnostic {
    Diagnostic::warning(span, "this arm is never taken").here("the arms above take every such value")
}

/// The same error seen from a call of the function that contains it.
pub(crate) fn inside_call(mut diagnostic: Diagnostic, call: Span, name: Name) -> Diagnostic {
    if let Some(first) = diagnostic.labels.first_mut()
        && first.text.is_empty()
    {
        first.text = "needed here".into();
    }
    diagnostic.labels.insert(
        0,
        crate::source::Label { span: call, text: format!("`{name}` cannot be called with these arguments") },
    );
    diagnostic
}
