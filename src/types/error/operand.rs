//! Operands, indices and parts that do not fit what is done with them.

use super::super::constraint::{Constraint, Operand};
use super::super::infer::Infer;
use super::super::table::{Node, Ty};
use crate::source::{Diagnostic, Name};
use crate::syntax::ast::{BinaryOp, Ident};

/// An operand with which `op` cannot compute.
pub(crate) fn bad_operand(
    infer: &Infer<'_>,
    constraint: &Constraint,
    op: BinaryOp,
    operand: Operand,
    other: Operand,
) -> Diagnostic {
    let span = infer.operand_span(constraint, operand);
    let shown = infer.table.show(operand.ty);
    let text = infer.sources.text(span);
    let error = Diagnostic::error(span, format!("`{}` works on numbers, found {shown}", op.symbol()));
    let other_span = infer.operand_span(constraint, other);
    match infer.table.node(operand.ty) {
        Node::Fn(params, ..) if params.is_empty() => error.hint(format!("call the function: `{text}()`")),
        Node::Fn(..) => error.hint(format!("call the function: `{text}(…)`")),
        Node::Bool => error.hint(format!("a condition as a number: `if {text} {{ 1 }} else {{ 0 }}`")),
        Node::Dist(_) => {
            error.hint(format!("distributions have no arithmetic; draw first: `x ~ {text}`, then compute with `x`"))
        }
        Node::Posterior(_) => error.hint("compute with its draws: `expect(posterior, x => …)`"),
        Node::Str => match infer.table.node(other.ty) {
            Node::Str => error,
            _ => error.also(other_span, format!("the other operand has type {}", infer.table.show(other.ty))),
        },
        Node::Record(fields) => match fields.first() {
            Some((name, _)) => error.hint(format!("take a field: `{text}.{name}`")),
            None => error,
        },
        _ => error,
    }
}

/// Arrays of different depth, or an array beside a matrix.
pub(crate) fn shapes_differ(
    infer: &Infer<'_>,
    constraint: &Constraint,
    op: BinaryOp,
    left: Operand,
    right: Operand,
) -> Diagnostic {
    let (a, b) = (infer.table.show(left.ty), infer.table.show(right.ty));
    let error = Diagnostic::error(
        infer.operand_span(constraint, right),
        format!("`{}` cannot combine {a} and {b}", op.symbol()),
    )
    .here(format!("of type {b}"))
    .also(infer.operand_span(constraint, left), format!("of type {a}"));
    let matrix = |ty: Ty| matches!(infer.table.node(ty), Node::Matrix);
    if op == BinaryOp::Mul && (matrix(left.ty) || matrix(right.ty)) {
        let text = (
            infer.sources.text(infer.operand_span(constraint, left)),
            infer.sources.text(infer.operand_span(constraint, right)),
        );
        return error.hint(format!("the product of a matrix and a vector is `{} @ {}`", text.0, text.1));
    }
    error.hint("both sides must have the same shape, or one must be a single number")
}

pub(crate) fn not_a_number(infer: &Infer<'_>, constraint: &Constraint, operand: Operand) -> Diagnostic {
    let span = infer.operand_span(constraint, operand);
    let shown = infer.table.show(operand.ty);
    let error = Diagnostic::error(span, format!("`-` works on numbers, found {shown}"));
    match infer.table.node(operand.ty) {
        Node::Bool => error.hint(format!("the opposite of a condition is `!{}`", infer.sources.text(span))),
        _ => error,
    }
}

pub(crate) fn not_a_matrix(infer: &Infer<'_>, constraint: &Constraint, operand: Operand) -> Diagnostic {
    let span = infer.operand_span(constraint, operand);
    let shown = infer.table.show(operand.ty);
    let error = Diagnostic::error(span, format!("`@` works on matrices and vectors, found {shown}"));
    match infer.table.node(operand.ty) {
        Node::Int | Node::Real | Node::Literal => error.hint("scale by a number with `*`"),
        _ => error,
    }
}

pub(crate) fn not_ordered(infer: &Infer<'_>, constraint: &Constraint, op: BinaryOp, operand: Operand) -> Diagnostic {
    let span = infer.operand_span(constraint, operand);
    let shown = infer.table.show(operand.ty);
    let text = infer.sources.text(span);
    let error = Diagnostic::error(span, format!("`{}` compares two numbers, found {shown}", op.symbol()));
    match infer.table.node(operand.ty) {
        Node::Array(_) => {
            error.hint(format!("compare each element: `[x {} … for x in {text}]`, or `all`, `any`", op.symbol()))
        }
        Node::Bool => error.hint("conditions are joined with `&&`, as in `a < b && b < c`"),
        _ => error,
    }
}

pub(crate) fn compares_functions(
    infer: &Infer<'_>,
    constraint: &Constraint,
    op: BinaryOp,
    operand: Operand,
) -> Diagnostic {
    let span = infer.operand_span(constraint, operand);
    let text = infer.sources.text(span);
    Diagnostic::error(span, format!("functions cannot be compared with `{}`", op.symbol()))
        .hint(format!("compare results: `{text}(…)`"))
}

pub(crate) fn compares_different(
    infer: &Infer<'_>,
    constraint: &Constraint,
    left: Operand,
    right: Operand,
) -> Diagnostic {
    let (a, b) = (infer.table.show(left.ty), infer.table.show(right.ty));
    let error = Diagnostic::error(infer.operand_span(constraint, right), format!("expected {a}, found {b}"))
        .also(infer.operand_span(constraint, left), format!("compared with this, of type {a}"));
    match (infer.table.node(left.ty), infer.table.node(right.ty)) {
        (Node::Bool, Node::Int | Node::Literal) | (Node::Int | Node::Literal, Node::Bool) => {
            error.hint("a condition is compared with `true` or `false`, or stands alone")
        }
        _ => error,
    }
}

/// An index that is neither an integer nor several.
pub(crate) fn bad_index(infer: &Infer<'_>, constraint: &Constraint, operand: Operand) -> Diagnostic {
    let span = infer.operand_span(constraint, operand);
    let shown = infer.table.show(operand.ty);
    let text = infer.sources.text(span);
    let error = Diagnostic::error(span, format!("expected an index, Int or [Int], found {shown}"));
    match infer.table.node(operand.ty) {
        Node::Real => error.hint(format!("nothing is rounded by itself: `int({text})` cuts off the fraction")),
        Node::Array(_) => error.hint(format!(
            "to select by a condition write `[x for x in {} if …]`",
            infer.sources.text(constraint.span).split('[').next().unwrap_or("xs")
        )),
        Node::Str => error.hint(format!("a field of a record is `.{}`", text.trim_matches('"'))),
        _ => error,
    }
}

pub(crate) fn gather_of_several(infer: &Infer<'_>, constraint: &Constraint, operand: Operand) -> Diagnostic {
    let span = infer.operand_span(constraint, operand);
    let text = infer.sources.text(constraint.span);
    let base = text.split('[').next().unwrap_or("M");
    Diagnostic::error(span, "several indices can only stand last")
        .hint(format!("one column of several rows: `col({base}[a..b], j)`"))
}

pub(crate) fn not_indexable(
    infer: &Infer<'_>,
    constraint: &Constraint,
    base: Operand,
    ty: Ty,
    taken: usize,
) -> Diagnostic {
    let span = infer.operand_span(constraint, base);
    let shown = infer.table.show(ty);
    if taken > 0 {
        let whole = infer.table.show(base.ty);
        return Diagnostic::error(
            constraint.span,
            format!("{whole} takes {} here", super::count(taken, "index").replace("indexs", "indices")),
        )
        .also(span, format!("of type {whole}"));
    }
    let error = Diagnostic::error(span, format!("expected an array or matrix, found {shown}"));
    match infer.table.node(ty) {
        Node::Fn(..) => error.hint(format!("functions are called with parentheses: `{}(…)`", infer.sources.text(span))),
        Node::Record(fields) => match fields.first() {
            Some((name, _)) => error.hint(format!("fields are taken with a dot: `.{name}`")),
            None => error,
        },
        Node::Tuple(_) => error.hint("take a tuple apart with `let (a, b) = …`"),
        Node::Posterior(_) => error.hint(format!("its draws are an array: `draws({})[i]`", infer.sources.text(span))),
        _ => error,
    }
}

pub(crate) fn no_such_field(name: Ident, known: &[Name]) -> Diagnostic {
    let texts: Vec<&'static str> = known.iter().map(|name| name.as_str()).collect();
    let error = Diagnostic::error(name.span, format!("this record has no field `{}`", name.name));
    match super::super::suggest::closest(name.name.as_str(), &texts) {
        Some(found) => error.hint(format!("did you mean `{found}`?")),
        None if texts.is_empty() => error,
        None => error.hint(format!("its fields are `{}`", texts.join("`, `"))),
    }
}

pub(crate) fn not_a_record(infer: &Infer<'_>, constraint: &Constraint, base: Operand, name: Ident) -> Diagnostic {
    let span = infer.operand_span(constraint, base);
    let shown = infer.table.show(base.ty);
    let error = Diagnostic::error(span, format!("expected a record with a field `{}`, found {shown}", name.name));
    match infer.table.node(base.ty) {
        Node::Posterior(_) => {
            let text = infer.sources.text(span);
            match name.name.as_str() {
                known @ ("draws" | "mean" | "sd" | "log_evidence" | "summary") => {
                    error.hint(format!("this is a function: `{known}({text})`"))
                }
                field => error.hint(format!("a posterior holds many draws: `mean({text}, r => r.{field})`")),
            }
        }
        Node::Array(_) => {
            let text = infer.sources.text(span);
            error.hint(format!("an array of records: `[r.{} for r in {text}]`, or its length `len({text})`", name.name))
        }
        _ => error,
    }
}

/// A field of something of which nothing is known.
pub(crate) fn unknown_record(infer: &Infer<'_>, constraint: &Constraint, base: Operand, name: Ident) -> Diagnostic {
    let span = infer.operand_span(constraint, base);
    Diagnostic::error(span, format!("it is not known which record has this field `{}`", name.name))
        .hint(format!("say its type, as in `(r: {{{}: Real}}) => …`", name.name))
}

pub(crate) fn spreads_no_record(infer: &Infer<'_>, constraint: &Constraint, base: Operand) -> Diagnostic {
    let span = infer.operand_span(constraint, base);
    Diagnostic::error(span, format!("expected a record after `...`, found {}", infer.table.show(base.ty)))
}

pub(crate) fn not_iterable(infer: &Infer<'_>, constraint: &Constraint, over: Operand) -> Diagnostic {
    let span = infer.operand_span(constraint, over);
    let shown = infer.table.show(over.ty);
    let text = infer.sources.text(span);
    let error = Diagnostic::error(span, format!("expected an array or a range, found {shown}"));
    match infer.table.node(over.ty) {
        Node::Int | Node::Literal | Node::Counter => error.hint(format!("to count, write `0..{text}`")),
        Node::Posterior(_) => error.hint(format!("its draws are an array: `draws({text})`")),
        _ => error,
    }
}
