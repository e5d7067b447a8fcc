//! Expressions.

use super::{Body, Frame, Lowered};
use crate::core::ir::{Atom, Op, Rhs, StmtKind};
use crate::core::{Type, TypeKind};
use crate::source::{Diagnostic, Name, Span, intern};
use crate::syntax::ast::{self, BinaryOp, BindId, ExprId, ExprKind, Ident};
use crate::types::typed::{Def, NameUse};
use crate::value::{Domain, Value};
use std::sync::Arc;

impl Body<'_> {
    /// The value of an expression, converted to what its context wants.
    pub(super) fn expr(&mut self, id: ExprId) -> Lowered<Atom> {
        let atom = self.expr_plain(id)?;
        match self.typed.coercions.get(&id).copied() {
            Some(to) => {
                let span = self.ast().expr(id).span;
                self.coerce(atom, to, span)
            }
            None => Ok(atom),
        }
    }

    pub(super) fn expr_plain(&mut self, id: ExprId) -> Lowered<Atom> {
        let ast = self.ast();
        let node = ast.expr(id);
        let span = node.span;
        match &node.kind {
            ExprKind::Unit => Ok(Atom::default()),
            ExprKind::Bool(b) => Ok(Atom::Const(Value::Bool(*b), Type::BOOL)),
            ExprKind::Int(n) => Ok(match self.type_of(id)?.kind() {
                TypeKind::Real => Atom::Const(Value::Real(*n as f64), Type::REAL),
                _ => Atom::Const(Value::Int(*n), Type::INT),
            }),
            ExprKind::Real(x) => Ok(Atom::Const(Value::Real(*x), Type::REAL)),
            ExprKind::Str(text) => Ok(Atom::Const(Value::string(text), Type::STR)),
            ExprKind::Name(name) => self.name(id, *name, span),
            ExprKind::Array(items) => {
                let ty = self.type_of(id)?;
                let element = ty.element().unwrap_or(Type::UNIT);
                let mut atoms = Vec::with_capacity(items.len());
                for item in items {
                    let atom = self.expr_after(&mut atoms, *item)?;
                    atoms.push(self.coerce(atom, element, span)?);
                }
                if ty.element().is_some_and(Type::is_scalar)
                    && let Some(values) =
                        atoms.iter().map(|a| if let Atom::Const(v, _) = a { Some(v.clone()) } else { None }).collect()
                {
                    return Ok(Atom::Const(constant_array(element, values), ty));
                }
                Ok(self.emit_let(ty, span, Rhs::Array(atoms)))
            }
            ExprKind::Comprehension { body, clauses } => self.comprehension(id, *body, clauses, span),
            ExprKind::Range { low, high, inclusive } => {
                let (low, high) = self.range_bounds(*low, *high, *inclusive)?;
                Ok(self.emit_let(Type::INT.array(), span, Rhs::Op(Op::Range, vec![low, high])))
            }
            ExprKind::Tuple(parts) => {
                let atoms = self.exprs(parts.iter().copied())?;
                let ty = self.type_of(id)?;
                Ok(self.emit_let(ty, span, Rhs::Tuple(atoms)))
            }
            ExprKind::Record { spread, fields } => self.record(id, *spread, fields, span),
            ExprKind::Field(base, field) => {
                if self.typed.names.contains_key(&id) {
                    return self.name(id, field.name, span);
                }
                let atom = self.expr(*base)?;
                let ty = self.atom_type(&atom);
                Ok(self.record_field(&atom, ty, field)?.0)
            }
            ExprKind::Index(base, indices) => self.index(*base, indices, span),
            ExprKind::Unary(op, operand) => {
                let ty = self.type_of(id)?;
                self.unary(*op, *operand, ty, span)
            }
            ExprKind::Binary(..) => self.binary(id),
            ExprKind::Call { .. } | ExprKind::Pipe { .. } => self.call(id, span),
            ExprKind::Lambda { params, body } => {
                let ty = self.type_of(id)?;
                self.lambda(intern("<lambda>"), params, *body, ty, None, span)
            }
            ExprKind::If { cond, then, otherwise } => self.conditional(id, *cond, *then, *otherwise, span),
            ExprKind::Match { scrutinee, arms } => self.match_arms(id, *scrutinee, arms, span),
            ExprKind::Block(block) => self.block_value(&block.stmts),
            ExprKind::Error => Err(vec![Diagnostic::error(span, "internal error: an expression that did not parse")]),
        }
    }

    /// A chain of operators is walked along its left spine, so that long sums need no depth.
    fn binary(&mut self, id: ExprId) -> Lowered<Atom> {
        let ast = self.ast();
        let mut spine = Vec::new();
        let mut at = id;
        while let ExprKind::Binary(op, _, a, _) = &ast.expr(at).kind {
            if matches!(op, BinaryOp::And | BinaryOp::Or) || self.typed.calls.contains_key(&at) {
                break;
            }
            spine.push(at);
            if self.typed.coercions.contains_key(a) {
                break;
            }
            at = *a;
        }
        let Some(innermost) = spine.pop() else {
            // A logical operator, or one that calls a function.
            let span = ast.expr(id).span;
            let ExprKind::Binary(op, _, a, b) = &ast.expr(id).kind else {
                return Err(vec![Diagnostic::error(span, "internal error: no operator")]);
            };
            if self.typed.calls.contains_key(&id) {
                return self.call(id, span);
            }
            return self.logical(*op, *a, *b, span);
        };
        let mut left: Option<Atom> = None;
        for at in std::iter::once(innermost).chain(spine.into_iter().rev()) {
            let node = ast.expr(at);
            let ExprKind::Binary(op, _, a, b) = &node.kind else { continue };
            let mut a = match left.take() {
                Some(atom) => atom,
                None => self.expr(*a)?,
            };
            let b = self.expr_after(std::slice::from_mut(&mut a), *b)?;
            let ty = self.type_of(at)?;
            left = Some(self.binary_atoms(*op, a, b, ty, node.span)?);
        }
        left.ok_or_else(|| vec![Diagnostic::error(ast.expr(id).span, "internal error: an empty chain of operators")])
    }

    fn name(&mut self, id: ExprId, name: Name, span: Span) -> Lowered<Atom> {
        let Some(used) = self.typed.names.get(&id).cloned() else {
            return Err(vec![Diagnostic::error(span, format!("internal error: `{name}` was not resolved"))]);
        };
        match used {
            NameUse::Local(bind) => self.local(bind, span),
            NameUse::Global(bind) => self.global(bind, id, span),
            NameUse::Domain(name) => match constant_domain(name.as_str()) {
                Some(domain) => Ok(Atom::Const(Value::Domain(Arc::new(domain)), self.type_of(id)?)),
                None => Err(vec![
                    Diagnostic::error(span, format!("the domain `{name}` needs its size"))
                        .hint(format!("write `{name}(n)`")),
                ]),
            },
            NameUse::Constructor(tag) => {
                let ty = self.type_of(id)?;
                match ty.kind() {
                    TypeKind::Fn(params, _, result) => {
                        let (params, result) = (params.clone(), *result);
                        self.eta(&params, result, ty, span, |this, args| {
                            Ok(this.emit_let(result, span, Rhs::Variant(tag, args)))
                        })
                    }
                    _ => Ok(self.emit_let(ty, span, Rhs::Variant(tag, Vec::new()))),
                }
            }
            NameUse::Dist(item) => {
                let ty = self.type_of(id)?;
                let TypeKind::Fn(params, _, result) = ty.kind() else {
                    return Err(vec![Diagnostic::error(span, "internal error: a distribution that is no function")]);
                };
                let (params, result) = (params.clone(), *result);
                let dist = self.lowerer.dist(self.facts, item, params.clone(), Vec::new(), result, span)?;
                self.eta(&params, result, ty, span, |this, args| Ok(this.emit_let(result, span, Rhs::Dist(dist, args))))
            }
            NameUse::Def(def) => {
                let ty = self.type_of(id)?;
                let TypeKind::Fn(params, _, result) = ty.kind() else {
                    return self.constant_item(def, ty, span);
                };
                let (params, result) = (params.clone(), *result);
                match def {
                    Def::Item(item) => {
                        let func = self.function_value(item, &params, result);
                        Ok(self.emit_let(ty, span, Rhs::Closure(func, Vec::new())))
                    }
                    Def::Prim(row) => {
                        let types = params.clone();
                        self.eta(&params, result, ty, span, |this, args| {
                            this.prim_call(row, args, &types, &[], result, None, span)
                        })
                    }
                }
            }
        }
    }

    fn global(&mut self, bind: BindId, id: ExprId, span: Span) -> Lowered<Atom> {
        if self.frames.iter().any(|frame| frame.locals.contains_key(&bind)) {
            return self.local(bind, span);
        }
        if let Some(global) = self.lowerer.global(bind) {
            return Ok(Atom::Global(global));
        }
        let ty = self.type_of(id)?;
        // A `let` of the library is a function without parameters.
        if let Some(item) = library_let(self.ast(), bind)
            && !self.facts.is_user(item)
        {
            return self.constant_item(Def::Item(item), ty, span);
        }
        let name = super::binder_name(self.ast(), bind).unwrap_or_else(|| intern("value"));
        Ok(Atom::Global(self.lowerer.declare_global(bind, name, ty)))
    }

    fn constant_item(&mut self, def: Def, ty: Type, span: Span) -> Lowered<Atom> {
        let Def::Item(item) = def else {
            return Err(vec![Diagnostic::error(span, "internal error: a primitive that is no function")]);
        };
        let instance = crate::types::typed::Instance { item, member: None, params: Vec::new(), result: ty };
        let func = self.lowerer.instance(instance, Vec::new());
        Ok(self.emit_let(ty, span, Rhs::Call { func, args: Vec::new(), site: None, path: Vec::new() }))
    }

    /// A function value that applies something to its parameters.
    fn eta(
        &mut self,
        params: &[Type],
        result: Type,
        ty: Type,
        span: Span,
        body: impl FnOnce(&mut Self, Vec<Atom>) -> Lowered<Atom>,
    ) -> Lowered<Atom> {
        let func = self.lowerer.reserve(intern("<function>"));
        self.frames.push(Frame::new(intern("<function>"), span, true));
        let args: Vec<Atom> = params
            .iter()
            .map(|ty| {
                let var = self.fresh("argument", *ty, false);
                self.frame().params.push(var);
                Atom::Var(var)
            })
            .collect();
        let value = body(self, args);
        let frame = self.frames.pop().expect("the frame just pushed");
        self.lowerer.program.funcs[func.0 as usize] = Arc::new(frame.function(value?, result));
        Ok(self.emit_let(ty, span, Rhs::Closure(func, Vec::new())))
    }

    /// A lambda or local function: a function of its own, and the closure of what it captured.
    pub(super) fn lambda(
        &mut self,
        name: Name,
        params: &[ast::Param],
        body: ExprId,
        ty: Type,
        own: Option<BindId>,
        span: Span,
    ) -> Lowered<Atom> {
        let TypeKind::Fn(types, _, result) = ty.kind() else {
            return Err(vec![Diagnostic::error(span, format!("internal error: a function of type {ty}"))]);
        };
        let result = *result;
        let func = self.lowerer.reserve(name);
        let user = self.frame_ref().user;
        let mut frame = Frame::new(name, span, user);
        frame.own = own.map(|bind| (bind, func));
        self.frames.push(frame);
        let mut value = Ok(Atom::default());
        for (k, param) in params.iter().enumerate() {
            let ty = self.pattern_type(param.pattern).or_else(|| types.get(k).copied()).unwrap_or(Type::UNIT);
            if let Err(errors) = self.parameter(param.pattern, ty) {
                value = Err(errors);
            }
        }
        if value.is_ok() {
            value = self.expr(body);
        }
        let mut frame = self.frames.pop().expect("the frame just pushed");
        let value = value?;
        if own.is_some() {
            let captures: Vec<Atom> = frame.captures.iter().map(|v| Atom::Var(*v)).collect();
            for block in &mut frame.blocks {
                super::control::pass_captures(block, func, &captures);
            }
        }
        let captured = frame.captured.clone();
        self.lowerer.program.funcs[func.0 as usize] = Arc::new(frame.function(value, result));
        let mut atoms = Vec::with_capacity(captured.len());
        for bind in captured {
            let atom = self.local(bind, span)?;
            // A closure keeps the value that a variable has when the closure is made.
            let mutable = matches!(&atom, Atom::Var(v) if self.frame_ref().vars[v.0 as usize].mutable);
            let ty = self.atom_type(&atom);
            atoms.push(if mutable { self.emit_let(ty, span, Rhs::Atom(atom)) } else { atom });
        }
        Ok(self.emit_let(ty, span, Rhs::Closure(func, atoms)))
    }

    /// `fn f(…) = …` in a block.
    pub(super) fn local_function(&mut self, decl: &ast::FnDecl, span: Span) -> Lowered<()> {
        let ty = self.typed.binds.get(&decl.name.bind).copied().unwrap_or(Type::UNIT);
        let defaults = decl.params.iter().map(|p| p.default).collect();
        self.local_defaults.insert(decl.name.bind, defaults);
        let atom = self.lambda(decl.name.name, &decl.params, decl.body, ty, Some(decl.name.bind), span)?;
        self.bind(decl.name.bind, decl.name.name, ty, span, atom, false);
        Ok(())
    }

    fn record(&mut self, id: ExprId, spread: Option<ExprId>, fields: &[(Ident, ExprId)], span: Span) -> Lowered<Atom> {
        let ty = self.type_of(id)?;
        let TypeKind::Record(types) = ty.kind() else {
            return Err(vec![Diagnostic::error(span, format!("internal error: a record of type {ty}"))]);
        };
        let base = match spread {
            Some(base) => Some(self.expr(base)?),
            None => None,
        };
        let values = self.exprs(fields.iter().map(|(_, value)| *value))?;
        let given: Vec<(Name, Atom)> = fields.iter().map(|(name, _)| name.name).zip(values).collect();
        let mut atoms = Vec::with_capacity(types.len());
        for (name, field_type) in types {
            let atom = match (given.iter().rev().find(|(n, _)| n == name), &base) {
                (Some((_, atom)), _) => self.coerce(atom.clone(), *field_type, span)?,
                (None, Some(base)) => {
                    let from = self.atom_type(base);
                    self.record_field(base, from, &Ident { name: *name, span })?.0
                }
                (None, None) => {
                    return Err(vec![Diagnostic::error(span, format!("internal error: no value for `{name}`"))]);
                }
            };
            atoms.push(atom);
        }
        Ok(self.emit_let(ty, span, Rhs::Record(atoms)))
    }

    /// A unit variable holding the result of an operation done for its effect.
    pub(super) fn effect(&mut self, rhs: Rhs, span: Span) {
        let var = self.fresh("t", Type::UNIT, false);
        self.emit(span, StmtKind::Let(var, rhs));
    }
}

/// An array constant in the representation of its element type.
fn constant_array(element: Type, values: Vec<Value>) -> Value {
    match element.kind() {
        TypeKind::Real => Value::reals(values.iter().filter_map(Value::as_real).collect()),
        TypeKind::Int => Value::ints(values.iter().filter_map(Value::as_int).collect()),
        _ => Value::Bools(Arc::new(values.iter().map(|v| *v == Value::Bool(true)).collect())),
    }
}

/// A domain that needs no arguments.
pub(super) fn constant_domain(name: &str) -> Option<Domain> {
    Some(match name {
        "Real" => Domain::Real,
        "Positive" => Domain::Positive,
        "NonNegative" => Domain::NonNegative,
        "UnitInterval" => Domain::UnitInterval,
        "Bool" => Domain::Bool,
        "Int" => Domain::Int,
        "Natural" => Domain::Natural,
        _ => return None,
    })
}

/// The top-level `let` that binds a name.
fn library_let(ast: &ast::Ast, bind: BindId) -> Option<ast::ItemId> {
    ast.items
        .iter()
        .position(|item| match &item.kind {
            ast::ItemKind::Stmt(stmt) => match &stmt.kind {
                ast::StmtKind::Let { pattern, .. } => {
                    let mut binds = Vec::new();
                    super::pattern_binds(ast, *pattern, &mut binds);
                    binds.contains(&bind)
                }
                _ => false,
            },
            _ => false,
        })
        .map(|k| ast::ItemId(k as u32))
}
