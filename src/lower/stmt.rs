//! Statements.

use super::{Body, Lowered};
use crate::core::ir::{Atom, Block, Op, Rhs, SiteKind, Step, Stmt, StmtKind};
use crate::core::{Type, TypeKind};
use crate::source::{Diagnostic, Name, Span, intern};
use crate::syntax::ast::{self, ExprKind, PlaceStep, StmtKind as Ast};
use crate::value::Value;

impl Body<'_> {
    /// The statements of a block; the value of the last one is the block's.
    pub(super) fn block_value(&mut self, stmts: &[ast::Stmt]) -> Lowered<Atom> {
        let Some((last, rest)) = stmts.split_last() else {
            return Ok(Atom::default());
        };
        for stmt in rest {
            self.stmt(stmt)?;
        }
        match &last.kind {
            Ast::Return(value) | Ast::Expr(value) => self.expr(*value),
            _ => {
                self.stmt(last)?;
                Ok(Atom::default())
            }
        }
    }

    pub(super) fn stmt(&mut self, stmt: &ast::Stmt) -> Lowered<()> {
        let span = stmt.span;
        match &stmt.kind {
            Ast::Let { pattern, value, .. } => {
                let atom = self.expr(*value)?;
                let ty = self.atom_type(&atom);
                self.bind_pattern(*pattern, atom, ty)
            }
            Ast::Var { name, value, .. } => {
                let atom = self.expr(*value)?;
                let ty = self.typed.binds.get(&name.bind).copied().unwrap_or_else(|| self.atom_type(&atom));
                self.bind(name.bind, name.name, ty, span, atom, true);
                Ok(())
            }
            Ast::Assign { target, value } => {
                let value = self.expr(*value)?;
                self.assign(target, value, span)
            }
            Ast::Draw { name, dist, .. } => {
                let ty = self.typed.binds.get(&name.bind).copied();
                let atom = self.draw(*dist, name.name, true, Vec::new(), span)?;
                if let Some(outer) = self.typed.draws.get(&name.bind).copied() {
                    let Atom::Var(var) = self.local(outer, span)? else {
                        return Err(vec![Diagnostic::error(span, "internal error: a draw into no variable")]);
                    };
                    self.emit(span, StmtKind::Assign(var, atom));
                    return Ok(());
                }
                let ty = ty.unwrap_or_else(|| self.atom_type(&atom));
                self.bind(name.bind, name.name, ty, span, atom, false);
                Ok(())
            }
            Ast::DrawElement { target, dist } => {
                let mut path = Vec::new();
                for step in &target.steps {
                    if let PlaceStep::Index(indices) = step {
                        for index in indices {
                            path.push(self.expr(*index)?);
                        }
                    }
                }
                let name = target.steps.iter().fold(target.root.name, |name, step| match step {
                    PlaceStep::Field(field) => intern(&format!("{name}.{}", field.name)),
                    PlaceStep::Index(_) => name,
                });
                let atom = self.draw(*dist, name, true, path, span)?;
                self.assign(target, atom, span)
            }
            Ast::Observe { value, dist } => {
                let name = self.source_name(*value);
                let value = self.expr(*value)?;
                let ty = self.atom_type(&value);
                let dist = self.observed_dist(*dist, &value)?;
                let site = self.lowerer.site(name, true, SiteKind::Observe, span, ty);
                self.frame().random = true;
                self.emit(span, StmtKind::Observe { site, dist, value, path: Vec::new() });
                Ok(())
            }
            Ast::For { pattern, iter, body } => self.for_loop(*pattern, *iter, body, span),
            Ast::While { cond, body } => {
                let cond = self.in_block(|this| this.expr(*cond))?;
                let body = self.in_block(|this| {
                    this.statements(&body.stmts)?;
                    Ok(Atom::default())
                })?;
                self.emit(span, StmtKind::While { cond, body });
                Ok(())
            }
            Ast::Return(value) | Ast::Expr(value) => self.expr(*value).map(|_| ()),
            Ast::Assert(condition) => self.assertion(*condition, span),
            Ast::Fn(decl) => self.local_function(decl, span),
        }
    }

    pub(super) fn statements(&mut self, stmts: &[ast::Stmt]) -> Lowered<()> {
        stmts.iter().try_for_each(|stmt| self.stmt(stmt))
    }

    /// What an expression is called in reports: a variable's name, or `observation`.
    fn source_name(&self, id: ast::ExprId) -> Name {
        match &self.ast().expr(id).kind {
            ExprKind::Name(name) => *name,
            ExprKind::Index(base, _) => self.source_name(*base),
            ExprKind::Field(_, field) => field.name,
            ExprKind::Call { args, .. } if args.len() == 1 => self.source_name(args[0].value),
            _ => intern("observation"),
        }
    }

    /// Draws from a distribution under a name.
    pub(super) fn draw(
        &mut self,
        dist: ast::ExprId,
        name: Name,
        named: bool,
        path: Vec<Atom>,
        span: Span,
    ) -> Lowered<Atom> {
        let ty = self.drawn_type(dist)?;
        let dist = self.dist_use(dist)?;
        let site = self.lowerer.site(name, named, SiteKind::Sample, span, ty);
        self.frame().random = true;
        Ok(self.emit_let(ty, span, Rhs::Sample { site, dist, path }))
    }

    /// The type of the values of a distribution expression.
    pub(super) fn drawn_type(&self, dist: ast::ExprId) -> Lowered<Type> {
        let ty = match self.typed.coercions.get(&dist) {
            Some(ty) => *ty,
            None => self.type_of(dist)?,
        };
        match ty.kind() {
            TypeKind::Dist(t) | TypeKind::Posterior(t) => Ok(*t),
            _ => Err(vec![Diagnostic::error(
                self.ast().expr(dist).span,
                format!("internal error: expected a distribution, found {ty}"),
            )]),
        }
    }

    pub(super) fn assign(&mut self, target: &ast::Place, value: Atom, span: Span) -> Lowered<()> {
        let root = match self.typed.names.get(&target.root_expr) {
            Some(crate::types::typed::NameUse::Local(bind) | crate::types::typed::NameUse::Global(bind)) => {
                self.local(*bind, target.root.span)?
            }
            _ => {
                return Err(vec![Diagnostic::error(target.root.span, "internal error: an assignment to no variable")]);
            }
        };
        let Atom::Var(var) = root else {
            return Err(vec![
                Diagnostic::error(target.root.span, format!("`{}` cannot be assigned here", target.root.name))
                    .hint("statements of the top level assign top-level variables; blocks inside an expression cannot"),
            ]);
        };
        let mut ty = self.atom_type(&root);
        let mut steps = Vec::new();
        for step in &target.steps {
            match step {
                PlaceStep::Index(indices) if ty == Type::MATRIX && indices.len() == 2 => {
                    steps.push(Step::Index2(self.expr(indices[0])?, self.expr(indices[1])?));
                    ty = Type::REAL;
                }
                PlaceStep::Index(indices) => {
                    for index in indices {
                        steps.push(Step::Index(self.expr(*index)?));
                        ty = ty.element().unwrap_or(Type::UNIT);
                    }
                }
                PlaceStep::Field(name) => {
                    let TypeKind::Record(fields) = ty.kind() else {
                        return Err(vec![Diagnostic::error(name.span, format!("internal error: a field of {ty}"))]);
                    };
                    let k = fields.iter().position(|(n, _)| *n == name.name).unwrap_or(0);
                    steps.push(Step::Field(k as u32));
                    ty = fields[k].1;
                }
            }
        }
        let kind = if steps.is_empty() { StmtKind::Assign(var, value) } else { StmtKind::Update(var, steps, value) };
        self.emit(span, kind);
        Ok(())
    }

    /// `assert a == b` says both sides when it fails.
    pub(super) fn assertion(&mut self, condition: ast::ExprId, span: Span) -> Lowered<()> {
        let text = |text: &str| Atom::Const(Value::string(text), Type::STR);
        let node = self.ast().expr(condition);
        let sides = match &node.kind {
            ExprKind::Binary(op, _, a, b) if is_comparison(*op) => Some((*op, *a, *b)),
            _ => None,
        };
        let (holds, parts) = match sides {
            Some((op, a, b)) => {
                let left = self.expr(a)?;
                let right = self.expr(b)?;
                let holds = self.binary_atoms(op, left.clone(), right.clone(), Type::BOOL, node.span)?;
                (holds, Some((op, left, right)))
            }
            None => (self.expr(condition)?, None),
        };
        let failed = self.in_block(|this| {
            let message = match parts {
                Some((op, left, right)) => {
                    let left = this.text_of(left, span)?;
                    let right = this.text_of(right, span)?;
                    let head = this.join(text("the assertion does not hold: "), left, span)?;
                    let middle = this.join(head, text(&format!(" {} ", op.symbol())), span)?;
                    this.join(middle, right, span)?
                }
                None => text("the assertion does not hold"),
            };
            let no = Atom::Const(Value::Bool(false), Type::BOOL);
            let unit = this.fresh("t", Type::UNIT, false);
            this.emit(span, StmtKind::Let(unit, Rhs::Op(Op::Assert, vec![no, message])));
            Ok(Atom::default())
        })?;
        self.emit(span, StmtKind::If(holds, Block::default(), failed));
        Ok(())
    }

    pub(super) fn text_of(&mut self, atom: Atom, span: Span) -> Lowered<Atom> {
        let prim = self.primitive("str", span)?;
        Ok(self.emit_let(Type::STR, span, Rhs::Prim(prim, vec![atom])))
    }

    pub(super) fn join(&mut self, a: Atom, b: Atom, span: Span) -> Lowered<Atom> {
        let prim = self.primitive("concat", span)?;
        Ok(self.emit_let(Type::STR, span, Rhs::Prim(prim, vec![a, b])))
    }

    pub(super) fn stmt_block(&mut self, block: &ast::Block) -> Lowered<Vec<Stmt>> {
        let block = self.in_block(|this| {
            this.statements(&block.stmts)?;
            Ok(Atom::default())
        })?;
        Ok(block.stmts)
    }
}

fn is_comparison(op: ast::BinaryOp) -> bool {
    use ast::BinaryOp::{Eq, Ge, Gt, Le, Lt, Ne};
    matches!(op, Eq | Ne | Lt | Le | Gt | Ge)
}
