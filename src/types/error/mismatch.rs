//! Types that disagree: what was expected, why, and what was found.

use super::super::constraint::{Constraint, Operand, Reason};
use super::super::infer::Infer;
use super::super::table::{Mismatch, Node, Ty};
use crate::source::{Diagnostic, Span};
use crate::syntax::ast::{ExprId, ExprKind, StmtKind};

/// The part of an expression that gives its value: the last expression of a block.
fn value_of(infer: &Infer<'_>, expr: ExprId) -> ExprId {
    let mut at = expr;
    while let ExprKind::Block(block) = &infer.ast.expr(at).kind {
        match block.stmts.last().map(|stmt| &stmt.kind) {
            Some(StmtKind::Expr(value) | StmtKind::Return(value)) => at = *value,
            _ => break,
        }
    }
    at
}

/// An expression has a type that its context does not take.
pub(crate) fn mismatch(
    infer: &Infer<'_>,
    expr: ExprId,
    found: Ty,
    expected: Ty,
    reason: Reason,
    mismatch: Mismatch,
) -> Diagnostic {
    let table = &infer.table;
    let expr = value_of(infer, expr);
    let span = infer.ast.expr(expr).span;
    let (shown_found, shown_expected) = (table.show(found), table.show(expected));
    if mismatch == Mismatch::Infinite {
        return super::infinite(span);
    }
    if mismatch == Mismatch::Effect {
        let error =
            Diagnostic::error(span, format!("expected a deterministic function {shown_expected}, found a random one"));
        return because(infer, error, reason, span, &shown_expected);
    }
    let condition = matches!(reason, Reason::Condition);
    let message = if condition {
        format!("expected a condition, of type Bool, found {shown_found}")
    } else {
        format!("expected {shown_expected}, found {shown_found}")
    };
    let error = because(infer, Diagnostic::error(span, message), reason, span, &shown_expected);
    hinted(infer, error, expr, found, expected, mismatch)
}

fn because(infer: &Infer<'_>, error: Diagnostic, reason: Reason, span: Span, expected: &str) -> Diagnostic {
    match reason {
        Reason::Annotation(ty) => {
            let place = infer.ast.ty(ty).span;
            if place == span { error } else { error.also(place, "the type declared here") }
        }
        Reason::Parameter { name, of, span } if span != Span::NONE && infer.sources.file(span.file).is_some() => {
            match name {
                Some(name) => error.also(span, format!("parameter `{name}` of `{of}`")),
                None => error.also(span, format!("a parameter of `{of}`")),
            }
        }
        Reason::Parameter { name, of, .. } => match name {
            Some(name) => error.here(format!("for the parameter `{name}` of `{of}`")),
            None => error.here(format!("for a parameter of `{of}`")),
        },
        Reason::Branch(place) => error.also(place, format!("the first branch has type {expected}")),
        Reason::Element(place) => error.also(place, format!("the first element has type {expected}")),
        Reason::Variable { name, span } => error.also(span, format!("`{name}` has type {expected}")),
        Reason::Observed(place) => error.also(place, format!("this distribution is over {expected}")),
        Reason::Member(name) => error.here(format!("the value of the member `{name}`")),
        Reason::Nothing | Reason::Condition => error,
    }
}

fn hinted(
    infer: &Infer<'_>,
    error: Diagnostic,
    expr: ExprId,
    found: Ty,
    expected: Ty,
    mismatch: Mismatch,
) -> Diagnostic {
    let table = &infer.table;
    let text = infer.sources.text(infer.ast.expr(expr).span).to_owned();
    let short = !text.contains('\n') && text.len() <= 60;
    match (table.node(found), table.node(expected)) {
        _ if mismatch == Mismatch::Order => {
            let fields: Vec<String> = match table.node(expected) {
                Node::Record(fields) => fields.iter().map(|(name, _)| name.to_string()).collect(),
                _ => Vec::new(),
            };
            error.hint(format!("give the fields in the order `{}`", fields.join(", ")))
        }
        (Node::Real, Node::Int) if short && text.parse::<f64>().is_ok_and(|x| x.fract() == 0.0) => {
            error.hint(format!("write `{}`", text.parse::<f64>().unwrap_or(0.0)))
        }
        (Node::Real, Node::Int) if short => {
            error.hint(format!("nothing is rounded by itself: `int({text})` cuts off, `int(round({text}))` rounds"))
        }
        (Node::Bool, Node::Real | Node::Int | Node::Literal) if short => {
            error.hint(format!("write `if {text} {{ 1 }} else {{ 0 }}`"))
        }
        (Node::Int | Node::Literal, Node::Bool) if short => error.hint(format!("compare it: `{text} == 1`")),
        (Node::Dist(_), Node::Fn(params, ..)) if params.is_empty() && short => {
            error.hint(format!("a model is a function: `() => sample({text})`"))
        }
        (found, Node::Fn(params, ..)) if params.is_empty() && !matches!(found, Node::Fn(..)) && short => {
            if matches!(infer.ast.expr(expr).kind, ExprKind::Call { .. }) {
                error.hint(format!("pass the function, not its result: `() => {text}`"))
            } else {
                error
            }
        }
        (Node::Fn(params, ..), Node::Fn(wanted, ..)) if wanted.is_empty() && !params.is_empty() && short => {
            let blanks = vec!["…"; params.len()].join(", ");
            error.hint(format!("give its arguments: `() => {text}({blanks})`"))
        }
        (Node::Fn(params, ..), _) if params.is_empty() && short => error.hint(format!("call the function: `{text}()`")),
        (Node::Dist(_), _) if short && !matches!(table.node(expected), Node::Array(_)) => {
            error.hint(format!("a distribution is not a value of it; draw one with `sample({text})`"))
        }
        (Node::Int | Node::Real | Node::Literal, Node::Array(_)) if short => {
            error.hint(format!("an array of one element is written `[{text}]`"))
        }
        (Node::Unit, _) if matches!(infer.ast.expr(expr).kind, ExprKind::Block(_)) => {
            error.hint("a block's value is its last expression")
        }
        (Node::Array(_), Node::Dist(_)) => error,
        _ => error,
    }
}

/// A value drawn into a variable of another type.
pub(crate) fn drawn_into(
    infer: &Infer<'_>,
    dist: ExprId,
    value: Ty,
    target: Ty,
    name: crate::source::Name,
    declared: Span,
) -> Diagnostic {
    let (found, expected) = (infer.table.show(value), infer.table.show(target));
    Diagnostic::error(infer.span(dist), format!("expected a distribution over {expected}, found one over {found}"))
        .also(declared, format!("`{name}` has type {expected}"))
}

/// A pattern that cannot match the value.
pub(crate) fn pattern_mismatch(span: Span, value: &str, pattern: &str) -> Diagnostic {
    Diagnostic::error(span, format!("expected a pattern for {value}, found one for {pattern}"))
}

/// Something other than a distribution after `~`.
pub(crate) fn draws_from_no_distribution(infer: &Infer<'_>, constraint: &Constraint, dist: Operand) -> Diagnostic {
    let span = infer.operand_span(constraint, dist);
    let shown = infer.table.show(dist.ty);
    let text = infer.sources.text(span);
    let error = Diagnostic::error(span, format!("expected a distribution after `~`, found {shown}"));
    let statement = infer.sources.text(constraint.span);
    let name = statement.split('~').next().map(|text| text.trim().trim_start_matches("let ").trim()).unwrap_or("x");
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    let call = if let Node::Fn(params, ..) = infer.table.node(dist.ty) {
        let blanks = vec!["…"; params.len()].join(", ");
        format!("{text}({blanks})")
    } else {
        text.to_owned()
    };
    let is_model = matches!(infer.table.node(dist.ty), Node::Fn(..))
        || infer.ast.exprs.get(dist.expr.0 as usize).is_some_and(|e| matches!(e.kind, ExprKind::Call { .. }));
    match infer.table.node(dist.ty) {
        Node::Domain(_) => error.hint(format!("for the uniform measure on a domain write `Flat({text})`")),
        _ if is_model && plain => error.hint(format!("run a model or function with `let {name} = {call}`")),
        _ if plain => error.hint(format!("a plain value is bound with `let {name} = {call}`")),
        _ => error,
    }
}
