//! Where `return` may stand: last in the body of a function, or last in a branch that is last there.

use crate::source::{Diagnostic, Span};
use crate::syntax::ast::*;

/// Reports every misplaced `return` of an item.
pub(super) fn check_item(ast: &Ast, item: ItemId, diagnostics: &mut Vec<Diagnostic>) {
    let mut check = Check { ast, diagnostics, work: Vec::new() };
    match &ast.item(item).kind {
        ItemKind::Data { default: Some(default), .. } => check.expr(*default, Place::Inner),
        ItemKind::Fn(decl) => check.function(decl),
        ItemKind::Dist(decl) => {
            for member in &decl.members {
                check.params(&member.params);
                check.expr(member.body, Place::Tail);
            }
        }
        ItemKind::Test { body, .. } => check.block(body, Place::Tail),
        ItemKind::Stmt(stmt) => check.stmt(stmt, Place::Top),
        _ => {}
    }
    check.run();
}

/// Reports every misplaced `return` of a lone expression.
pub(super) fn check_expr(ast: &Ast, expr: ExprId, diagnostics: &mut Vec<Diagnostic>) {
    Check { ast, diagnostics, work: vec![(expr, Place::Inner)] }.run();
}

/// Where an expression or a statement stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// At the end of a function's body.
    Tail,
    /// In a loop.
    Loop,
    /// Outside of any function.
    Top,
    /// Elsewhere.
    Inner,
}

struct Check<'a> {
    ast: &'a Ast,
    diagnostics: &'a mut Vec<Diagnostic>,
    work: Vec<(ExprId, Place)>,
}

impl Check<'_> {
    fn function(&mut self, decl: &FnDecl) {
        self.params(&decl.params);
        self.expr(decl.body, Place::Tail);
    }

    fn params(&mut self, params: &[Param]) {
        for default in params.iter().filter_map(|param| param.default) {
            self.expr(default, Place::Inner);
        }
    }

    fn block(&mut self, block: &Block, place: Place) {
        for (index, stmt) in block.stmts.iter().enumerate() {
            let last = index + 1 == block.stmts.len();
            let inner = if place == Place::Loop { Place::Loop } else { Place::Inner };
            self.stmt(stmt, if last { place } else { inner });
        }
    }

    fn stmt(&mut self, stmt: &Stmt, place: Place) {
        match &stmt.kind {
            StmtKind::Return(value) => {
                if place != Place::Tail {
                    self.report(stmt.span, place);
                }
                self.expr(*value, Place::Inner);
            }
            StmtKind::Expr(value) => self.expr(*value, place),
            StmtKind::Fn(decl) => self.function(decl),
            StmtKind::Let { value, .. } | StmtKind::Var { value, .. } | StmtKind::Assign { value, .. } => {
                self.expr(*value, Place::Inner);
            }
            StmtKind::Draw { dist, .. } | StmtKind::DrawElement { dist, .. } => self.expr(*dist, Place::Inner),
            StmtKind::Observe { value, dist } => {
                self.expr(*value, Place::Inner);
                self.expr(*dist, Place::Inner);
            }
            StmtKind::For { iter, body, .. } => {
                self.expr(*iter, Place::Inner);
                self.block(body, Place::Loop);
            }
            StmtKind::While { cond, body } => {
                self.expr(*cond, Place::Inner);
                self.block(body, Place::Loop);
            }
            StmtKind::Assert(cond) => self.expr(*cond, Place::Inner),
        }
    }

    fn report(&mut self, span: Span, place: Place) {
        let at = Span { end: span.start + "return".len() as u32, ..span };
        let error = Diagnostic::error(at, "`return` must be the last statement of a function");
        self.diagnostics.push(match place {
            Place::Loop => error
                .here("this stands in a loop")
                .hint("keep the result in a `var`, leave the loop by its condition, and return it at the end"),
            Place::Top => {
                error.here("this stands outside of any function").hint("write the expression without `return`")
            }
            _ => error
                .here("other statements follow, or this is not the function's own block")
                .hint("a function has one way out: write `if … { … } else { … }` as its last expression"),
        });
    }

    /// Puts an expression on the list of those to walk: rows of operators are too long for recursion.
    fn expr(&mut self, expr: ExprId, place: Place) {
        self.work.push((expr, place));
    }

    fn run(&mut self) {
        while let Some((expr, place)) = self.work.pop() {
            self.term(expr, place);
        }
    }

    fn all(&mut self, exprs: &[ExprId]) {
        for expr in exprs {
            self.expr(*expr, Place::Inner);
        }
    }

    fn term(&mut self, expr: ExprId, place: Place) {
        match &self.ast.expr(expr).kind {
            ExprKind::Array(parts) | ExprKind::Tuple(parts) => self.all(parts),
            ExprKind::Comprehension { body, clauses } => {
                self.expr(*body, Place::Inner);
                for clause in clauses {
                    let (Clause::For { iter: part, .. } | Clause::If(part)) = clause;
                    self.expr(*part, Place::Inner);
                }
            }
            ExprKind::Record { spread, fields } => {
                spread.iter().for_each(|spread| self.expr(*spread, Place::Inner));
                fields.iter().for_each(|(_, value)| self.expr(*value, Place::Inner));
            }
            ExprKind::Binary(_, _, left, right)
            | ExprKind::Range { low: left, high: right, .. }
            | ExprKind::Pipe { value: left, call: right } => {
                self.expr(*left, Place::Inner);
                self.expr(*right, Place::Inner);
            }
            ExprKind::Field(inner, _) | ExprKind::Unary(_, inner) => self.expr(*inner, Place::Inner),
            ExprKind::Index(inner, indices) => {
                self.expr(*inner, Place::Inner);
                self.all(indices);
            }
            ExprKind::Call { callee, args } => {
                self.expr(*callee, Place::Inner);
                args.iter().for_each(|arg| self.expr(arg.value, Place::Inner));
            }
            ExprKind::Lambda { params, body } => {
                self.params(params);
                self.expr(*body, Place::Tail);
            }
            ExprKind::If { cond, then, otherwise } => {
                self.expr(*cond, Place::Inner);
                self.expr(*then, place);
                otherwise.iter().for_each(|otherwise| self.expr(*otherwise, place));
            }
            ExprKind::Match { scrutinee, arms } => {
                self.expr(*scrutinee, Place::Inner);
                for arm in arms {
                    arm.guard.iter().for_each(|guard| self.expr(*guard, Place::Inner));
                    self.expr(arm.body, place);
                }
            }
            ExprKind::Block(block) => self.block(block, place),
            _ => {}
        }
    }
}
