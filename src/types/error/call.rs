//! Calls whose arguments do not fit.

use super::super::constraint::{Call, CallArg, Constraint};
use super::super::infer::{Infer, Misfit, slots};
use super::super::scheme::{Candidate, SchemeParam};
use super::super::suggest;
use super::super::table::Ty;
use crate::source::{Diagnostic, Name, Span};
use crate::syntax::ast::Ident;

/// Arguments that do not match the parameters of what is called.
pub(crate) fn misfit(
    infer: &Infer<'_>,
    span: Span,
    name: Name,
    params: &[SchemeParam],
    args: &[CallArg],
    misfit: Misfit,
) -> Diagnostic {
    let declared = |error: Diagnostic, param: Option<&SchemeParam>| match param {
        Some(param) if infer.sources.file(param.span.file).is_some() => error.also(param.span, "declared here"),
        _ => error,
    };
    match misfit {
        Misfit::TooMany(expr) => {
            let error = Diagnostic::error(
                infer.span(expr),
                format!("`{name}` takes {}, found {}", super::count(params.len(), "argument"), args.len()),
            );
            error.hint(format!("its parameters are `{}`", signature(name, params)))
        }
        Misfit::Missing(place) => {
            let param = &params[place];
            let what = match param.name {
                Some(param) => format!("`{name}` also needs an argument for `{param}`"),
                None => format!("`{name}` takes {}, found {}", super::count(params.len(), "argument"), args.len()),
            };
            declared(Diagnostic::error(span, what), Some(param))
                .hint(format!("its parameters are `{}`", signature(name, params)))
        }
        Misfit::NoSuchName(arg) => {
            let Some(given) = args[arg].name else { return Diagnostic::error(span, "no such parameter") };
            let known: Vec<&'static str> = params.iter().filter_map(|p| p.name).map(|n| n.as_str()).collect();
            let error = Diagnostic::error(given.span, format!("`{name}` has no parameter `{}`", given.name));
            match suggest::closest(given.name.as_str(), &known) {
                Some(found) => error.hint(format!("did you mean `{found}`?")),
                None => error.hint(format!("its parameters are `{}`", signature(name, params))),
            }
        }
        Misfit::Twice(arg, place) => {
            let place_name = params[place].name.map_or_else(|| "this parameter".into(), |name| format!("`{name}`"));
            let at = args[arg].name.map_or_else(|| infer.span(args[arg].value.expr), |name| name.span);
            Diagnostic::error(at, format!("{place_name} of `{name}` is given twice"))
        }
    }
}

fn signature(name: Name, params: &[SchemeParam]) -> String {
    let params: Vec<String> = params
        .iter()
        .map(|param| {
            let name = param.name.map_or("_", |name| name.as_str());
            match &param.default {
                Some(default) => format!("{name} = {default}"),
                None => name.to_owned(),
            }
        })
        .collect();
    format!("{name}({})", params.join(", "))
}

fn listed(candidates: &[Candidate], name: Name) -> String {
    let mut texts: Vec<String> = candidates
        .iter()
        .map(|candidate| match candidate {
            Candidate::Scheme(scheme) => format!("`{name}{}`", scheme.render_named()),
            Candidate::Mono(mono) => format!("`{}`", signature(name, &mono.params)),
        })
        .collect();
    texts.dedup();
    texts.join(", ")
}

/// No definition of the name takes so many arguments, or arguments of these names.
pub(crate) fn no_overload_by_count(
    infer: &Infer<'_>,
    span: Span,
    name: Name,
    candidates: &[Candidate],
    args: &[CallArg],
) -> Diagnostic {
    for candidate in candidates {
        if let Err(Misfit::NoSuchName(arg)) = slots(candidate.params(), args) {
            let Some(given) = args[arg].name else { continue };
            let known: Vec<&'static str> =
                candidates.iter().flat_map(|c| c.params()).filter_map(|p| p.name).map(|n| n.as_str()).collect();
            if let Some(found) = suggest::closest(given.name.as_str(), &known) {
                return Diagnostic::error(given.span, format!("`{name}` has no parameter `{}`", given.name))
                    .hint(format!("did you mean `{found}`?"));
            }
        }
    }
    let _ = infer;
    Diagnostic::error(span, format!("no `{name}` takes {}", super::count(args.len(), "argument")))
        .hint(format!("there are {}", listed(candidates, name)))
}

/// No definition of the name takes arguments of these types.
pub(crate) fn no_overload_by_type(infer: &Infer<'_>, constraint: &Constraint, call: &Call) -> Diagnostic {
    let types: Vec<String> = call.args.iter().map(|arg| infer.table.show(arg.value.ty)).collect();
    let _ = constraint;
    Diagnostic::error(
        infer.span(call.expr),
        format!("no `{}` takes arguments of the types ({})", call.name, types.join(", ")),
    )
    .hint(format!("there are {}", listed(&call.candidates, call.name)))
}

/// An overloaded name used as a function value of a type that none of its definitions has.
pub(crate) fn no_pick(infer: &Infer<'_>, constraint: &Constraint, candidates: &[Candidate], ty: Ty) -> Diagnostic {
    let name = match candidates.first() {
        Some(Candidate::Scheme(scheme)) => scheme.name,
        Some(Candidate::Mono(mono)) => mono.name,
        None => Name::from("this name"),
    };
    Diagnostic::error(constraint.span, format!("no `{name}` has the type {}", infer.table.show(ty)))
        .hint(format!("there are {}", listed(candidates, name)))
}

/// Arrays of different depth given to a definition that runs over elements.
pub(crate) fn lifted_depths_differ(infer: &Infer<'_>, constraint: &Constraint, call: &Call) -> Diagnostic {
    let types: Vec<String> = call.args.iter().map(|arg| infer.table.show(arg.value.ty)).collect();
    let _ = constraint;
    Diagnostic::error(
        infer.span(call.expr),
        format!("the arguments of `{}` have different shapes: {}", call.name, types.join(", ")),
    )
    .hint("arrays must be equally deep; single numbers go with every shape")
}

pub(crate) fn not_a_function(span: Span, name: Option<Name>, ty: &str, array: bool) -> Diagnostic {
    let error = Diagnostic::error(span, format!("expected a function, found {ty}"));
    match name {
        Some(name) if array => error.hint(format!("elements are taken with brackets: `{name}[…]`")),
        _ => error,
    }
}

pub(crate) fn constant_called(span: Span, name: Name) -> Diagnostic {
    Diagnostic::error(span, format!("`{name}` takes no arguments")).hint(format!("write `{name}`"))
}

pub(crate) fn named_argument_of_unknown(span: Span) -> Diagnostic {
    Diagnostic::error(span, "arguments of a function value are given by position")
        .hint("only functions that are called by their own name have parameter names")
}

pub(crate) fn domain_needs_arguments(span: Span, name: Name, params: &[SchemeParam]) -> Diagnostic {
    Diagnostic::error(span, format!("the domain `{name}` needs arguments"))
        .hint(format!("write `{}`", signature(name, params)))
}

pub(crate) fn domain_argument_count(name: Ident, params: &[SchemeParam], found: usize) -> Diagnostic {
    Diagnostic::error(
        name.span,
        format!("`{}` takes {}, found {found}", name.name, super::count(params.len(), "argument")),
    )
    .hint(format!("write `{}`", signature(name.name, params)))
}
