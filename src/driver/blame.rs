//! Run-time errors as users see them, at the smallest place that is to blame.

use super::Session;
use crate::source::{Diagnostic, Span};
use crate::syntax::ast::{Arg, ExprId, ExprKind, ItemKind, PatternKind};
use crate::value::Fault;

impl Session {
    /// A fault as a diagnostic. Where a parameter lies outside its domain and the place has one call that gives it,
    /// the place is that argument.
    pub fn fault_diagnostic(&self, fault: &Fault) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.fault_span(fault), fault.message.clone());
        diagnostic.hints.clone_from(&fault.hints);
        diagnostic
    }

    /// The smallest place that is to blame.
    pub(super) fn fault_span(&self, fault: &Fault) -> Span {
        let argument = fault.parameter().and_then(|(name, parameter)| self.argument(fault.span, name, parameter));
        argument.unwrap_or(fault.span)
    }

    /// The argument for a parameter in the only call of a distribution inside a place.
    fn argument(&self, place: Span, name: &str, parameter: &str) -> Option<Span> {
        let ast = &self.checker.ast;
        let within = |span: Span| span.file == place.file && span.start >= place.start && span.end <= place.end;
        let named = |id: ExprId| match &ast.expr(id).kind {
            ExprKind::Name(found) => found.as_str() == name,
            ExprKind::Field(_, field) => field.name.as_str() == name,
            _ => false,
        };
        let mut calls = ast.exprs.iter().enumerate().filter_map(|(id, node)| match &node.kind {
            ExprKind::Call { callee, args } if within(node.span) && named(*callee) => Some((id, args)),
            _ => None,
        });
        let (id, args) = calls.next()?;
        if calls.next().is_some() {
            return None;
        }
        // What is piped in is the first argument.
        let piped = ast.exprs.iter().find_map(|node| match &node.kind {
            ExprKind::Pipe { value, call } if call.0 as usize == id => Some(*value),
            _ => None,
        });
        let position = self.parameter_position(name, parameter)?;
        let by_name = args.iter().find(|arg| arg.name.is_some_and(|given| given.name.as_str() == parameter));
        let by_position =
            || piped.into_iter().chain(args.iter().filter(|arg| arg.name.is_none()).map(value)).nth(position);
        let found = by_name.map(value).or_else(by_position)?;
        Some(ast.expr(found).span)
    }

    fn parameter_position(&self, name: &str, parameter: &str) -> Option<usize> {
        let ast = &self.checker.ast;
        let decl = ast.items.iter().rev().find_map(|item| match &item.kind {
            ItemKind::Dist(decl) if decl.name.name.as_str() == name => Some(decl),
            _ => None,
        })?;
        decl.params.iter().position(|param| match &ast.pattern(param.pattern).kind {
            PatternKind::Bind(binder) => binder.name.as_str() == parameter,
            _ => false,
        })
    }
}

fn value(arg: &Arg) -> ExprId {
    arg.value
}
