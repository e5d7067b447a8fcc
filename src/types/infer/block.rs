//! Types of blocks and statements.

use super::{Hint, Infer, Local, LocalKind};
use crate::source::Span;
use crate::syntax::ast::{Binder, Block, ExprId, FnDecl, Stmt, StmtKind};
use crate::types::constraint::{Kind, Operand, Reason};
use crate::types::error;
use crate::types::scheme::SchemeParam;
use crate::types::table::{Eff, Node, Ty};
use std::sync::Arc;

impl Infer<'_> {
    /// The type of a block: of its last expression, or `()`.
    pub fn block(&mut self, block: &Block, hint: Hint) -> Ty {
        let mark = self.mark_locals();
        let mut result = Ty::UNIT;
        for (i, stmt) in block.stmts.iter().enumerate() {
            let last = i + 1 == block.stmts.len();
            match &stmt.kind {
                StmtKind::Expr(value) | StmtKind::Return(value) if last => {
                    result = match hint {
                        Some((expected, reason)) if !self.table.is_unknown(expected) => {
                            self.check(*value, expected, reason);
                            expected
                        }
                        _ => self.expr(*value, hint),
                    };
                }
                _ => self.statement(stmt),
            }
        }
        self.solve();
        self.pop_locals(mark);
        result
    }

    /// A block whose value nobody uses.
    pub fn discarded_block(&mut self, block: &Block) {
        let mark = self.mark_locals();
        for stmt in &block.stmts {
            self.statement(stmt);
        }
        self.solve();
        self.pop_locals(mark);
    }

    /// A statement inside a block.
    pub fn statement(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { pattern, ty, value } => {
                let ty = match ty {
                    Some(annotation) => {
                        let ty = self.annotation(*annotation);
                        self.annotation_args(*annotation);
                        self.check(*value, ty, Reason::Annotation(*annotation));
                        ty
                    }
                    None => {
                        let ty = self.expr(*value, None);
                        self.known(ty);
                        self.decide_literals(ty);
                        ty
                    }
                };
                self.bind_pattern(*pattern, ty, LocalKind::Let, "a `let`");
            }
            StmtKind::Var { name, ty, value } => {
                let ty = match ty {
                    Some(annotation) => {
                        let ty = self.annotation(*annotation);
                        self.annotation_args(*annotation);
                        self.check(*value, ty, Reason::Annotation(*annotation));
                        ty
                    }
                    None => {
                        let ty = self.expr(*value, None);
                        self.known(ty);
                        self.keep_literals_open(ty);
                        ty
                    }
                };
                self.bind_name(*name, ty, LocalKind::Var);
            }
            StmtKind::Assign { target, value } => self.assign(target, *value),
            StmtKind::Draw { name, with_let, dist } => self.draw(*name, *with_let, *dist, stmt.span),
            StmtKind::DrawElement { target, dist } => {
                let (ty, _) = self.place(target);
                let dist = self.drawn_operand(*dist);
                let value = self.table.fresh();
                self.require(Kind::Draw { dist, value }, stmt.span);
                self.perform(Eff::RANDOM, stmt.span);
                self.drawn_into(dist, value, ty, target.root.name, target.root.span);
            }
            StmtKind::Observe { value, dist } => {
                if self.outside_model {
                    self.report(error::weight_outside_model(stmt.span, "observe"));
                }
                let dist = self.drawn_operand(*dist);
                let hint = match self.table.node(dist.ty).clone() {
                    Node::Dist(value) if !self.table.is_unknown(value) => {
                        Some((value, Reason::Observed(self.span(dist.expr))))
                    }
                    _ => None,
                };
                let ty = self.expr(*value, hint);
                let value = Operand { expr: *value, ty };
                self.require(Kind::Observe { value, dist }, stmt.span);
                self.perform(Eff::RANDOM, stmt.span);
            }
            StmtKind::For { pattern, iter, body } => {
                let mark = self.mark_locals();
                self.iterate(*pattern, *iter);
                self.loop_body(body);
                self.pop_locals(mark);
            }
            StmtKind::While { cond, body } => {
                self.check(*cond, Ty::BOOL, Reason::Condition);
                self.loop_body(body);
            }
            // The parser says that it must stand last.
            StmtKind::Return(value) => {
                self.expr(*value, None);
            }
            StmtKind::Assert(value) => self.check(*value, Ty::BOOL, Reason::Condition),
            StmtKind::Fn(decl) => self.local_function(decl),
            StmtKind::Expr(value) => {
                self.discarded(*value);
            }
        }
        self.solve();
    }

    /// The body of a loop: names bound in it are not global, even at the top level.
    fn loop_body(&mut self, body: &Block) {
        let top_level = std::mem::replace(&mut self.top_level, false);
        self.discarded_block(body);
        self.top_level = top_level;
    }

    pub fn bind_name(&mut self, name: Binder, ty: Ty, kind: LocalKind) {
        let depth = self.depth();
        self.bind_local(Local { name: name.name, bind: name.bind, ty, span: name.span, kind, depth, params: None });
    }

    fn drawn_operand(&mut self, dist: ExprId) -> Operand {
        let operand = self.operand(dist);
        self.known(operand.ty);
        operand
    }

    /// `x ~ d`
    fn draw(&mut self, name: Binder, with_let: bool, dist: ExprId, span: Span) {
        let dist = self.drawn_operand(dist);
        let value = self.table.fresh();
        self.require(Kind::Draw { dist, value }, span);
        self.perform(Eff::RANDOM, span);
        if !with_let
            && let Some(local) = self.local(name.name)
            && local.kind == LocalKind::Var
        {
            let (bind, ty, depth, declared) = (local.bind, local.ty, local.depth, local.span);
            if depth == self.depth() {
                self.record.draws.push((name.bind, bind));
                self.record.binds.push((name.bind, ty));
                self.drawn_into(dist, value, ty, name.name, declared);
                return;
            }
        }
        self.bind_name(name, value, LocalKind::Drawn);
    }

    /// A drawn value goes into a variable: there is no expression that could be converted, so the types must agree.
    fn drawn_into(&mut self, dist: Operand, value: Ty, target: Ty, name: crate::source::Name, declared: Span) {
        self.known(value);
        let mark = self.table.mark();
        if self.table.unify(value, target).is_err() {
            self.table.undo(mark);
            let diagnostic = error::drawn_into(self, dist.expr, value, target, name, declared);
            self.report(diagnostic);
        }
    }

    /// `fn f(t, k) = …` in a block: monomorphic, may call itself.
    fn local_function(&mut self, decl: &FnDecl) {
        let effect = match decl.kind {
            crate::syntax::ast::FnKind::Fn => self.table.fresh_effect(),
            crate::syntax::ast::FnKind::Model => Eff::RANDOM,
        };
        let (params, result) = self.signature(decl);
        let ty = self.table.add(Node::Fn(params.iter().map(|p| p.ty).collect(), effect, result));
        let depth = self.depth();
        let params: Arc<[SchemeParam]> = params.into();
        self.bind_local(Local {
            name: decl.name.name,
            bind: decl.name.bind,
            ty,
            span: decl.name.span,
            kind: LocalKind::Function,
            depth,
            params: Some(params.clone()),
        });
        self.function_body(decl, &params, result, effect);
    }
}
