//! What lowering asks, answered by the checker and the tables.

use super::library::METHOD_ROWS;
use crate::core::Type;
use crate::lower::{Facts, PrimInfo};
use crate::prim::Body;
use crate::source::{Diagnostic, Span, intern};
use crate::syntax::ast::{Ast, ExprId, ExprKind, ItemId, ItemKind, UnaryOp};
use crate::types::Checker;
use crate::types::typed::{Instance, Typed};
use crate::value::Value;
use crate::{infer, prim};
use std::collections::HashMap;

/// The library items that the compiler itself uses.
pub const KNOWN: [&str; 3] = ["Product", "Iid", "posterior_dist"];

/// The checker, with the library items that the compiler itself uses.
pub struct CheckerFacts<'a> {
    pub checker: &'a mut Checker,
    pub known: &'a HashMap<&'static str, ItemId>,
}

impl Facts for CheckerFacts<'_> {
    fn ast(&self) -> &Ast {
        &self.checker.ast
    }

    fn instance(&mut self, instance: &Instance) -> Result<Typed, Vec<Diagnostic>> {
        self.checker.instance(instance)
    }

    fn known_item(&self, name: &str) -> Option<ItemId> {
        self.known.get(name).copied()
    }

    fn primitive(&self, name: &str) -> Option<u32> {
        prim::find(name).next().map(|(k, _)| k as u32)
    }

    fn primitive_row(&self, row: u32) -> PrimInfo {
        if let Some(method) = row.checked_sub(METHOD_ROWS).and_then(|k| infer::rows().nth(k as usize)) {
            return PrimInfo { name: intern(method.name()), intrinsic: false, host: true };
        }
        match prim::row(row as usize) {
            Some(row) => {
                let name = intern(row.name());
                PrimInfo { name, intrinsic: matches!(row.body, Body::Intrinsic), host: false }
            }
            None => PrimInfo { name: intern("unknown"), intrinsic: true, host: false },
        }
    }

    fn primitive_default(&self, row: u32, param: usize) -> Option<(Value, Type)> {
        let item = self.checker.primitive_item(row)?;
        let ast = &self.checker.ast;
        let ItemKind::Fn(decl) = &ast.item(item).kind else { return None };
        constant(ast, decl.params.get(param)?.default?)
    }

    fn is_user(&self, item: ItemId) -> bool {
        !self.checker.is_library(item)
    }

    fn text(&self, span: Span) -> String {
        self.checker.sources.text(span).to_string()
    }
}

/// The value of a literal.
fn constant(ast: &Ast, expr: ExprId) -> Option<(Value, Type)> {
    Some(match &ast.expr(expr).kind {
        ExprKind::Int(n) => (Value::Int(*n), Type::INT),
        ExprKind::Real(x) => (Value::Real(*x), Type::REAL),
        ExprKind::Bool(b) => (Value::Bool(*b), Type::BOOL),
        ExprKind::Str(text) => (Value::string(text), Type::STR),
        ExprKind::Unary(UnaryOp::Neg, inner) => match constant(ast, *inner)? {
            (Value::Int(n), ty) => (Value::Int(-n), ty),
            (Value::Real(x), ty) => (Value::Real(-x), ty),
            _ => return None,
        },
        _ => return None,
    })
}
