//! Types of expressions.

use super::name::Meaning;
use super::{Hint, Infer, LocalKind, MatchCheck};
use crate::source::{Name, Span};
use crate::syntax::ast::{Arm, BinaryOp, Clause, ExprId, ExprKind, Ident, Param, UnaryOp};
use crate::types::constraint::{Kind, Operand, Reason};
use crate::types::error;
use crate::types::table::{Node, Ty};

impl Infer<'_> {
    /// The type of an expression. A hint only steers: the caller converts the value to the expected type.
    pub fn expr(&mut self, expr: ExprId, hint: Hint) -> Ty {
        let ty = self.expr_kind(expr, hint);
        self.record.exprs.push((expr, ty));
        ty
    }

    /// Makes an expression have the expected type.
    pub fn check(&mut self, expr: ExprId, expected: Ty, reason: Reason) {
        let found = self.expr(expr, Some((expected, reason)));
        self.coerce(expr, found, expected, reason);
    }

    pub fn operand(&mut self, expr: ExprId) -> Operand {
        let ty = self.expr(expr, None);
        Operand { expr, ty }
    }

    fn expr_kind(&mut self, expr: ExprId, hint: Hint) -> Ty {
        let ast = self.ast;
        let span = self.span(expr);
        match &ast.expr(expr).kind {
            ExprKind::Unit => Ty::UNIT,
            ExprKind::Bool(_) => Ty::BOOL,
            ExprKind::Int(_) => self.table.add(Node::Literal),
            ExprKind::Real(_) => Ty::REAL,
            ExprKind::Str(_) => Ty::STR,
            ExprKind::Name(name) => self.name(expr, *name, hint),
            ExprKind::Array(elements) => self.array(elements, hint),
            ExprKind::Comprehension { body, clauses } => self.comprehension(*body, clauses, hint),
            ExprKind::Range { low, high, .. } => {
                self.check(*low, Ty::INT, Reason::Nothing);
                self.check(*high, Ty::INT, Reason::Nothing);
                self.table.array(Ty::INT)
            }
            ExprKind::Tuple(parts) => self.tuple(parts, hint),
            ExprKind::Record { spread, fields } => self.record_literal(expr, *spread, fields, hint),
            ExprKind::Field(base, name) => self.field(expr, *base, *name, hint),
            ExprKind::Index(base, index) => {
                let base = self.operand(*base);
                let index = self.index_operands(index);
                let result = self.table.fresh();
                self.require(Kind::Index { expr: Some(expr), base, index, result }, span);
                result
            }
            ExprKind::Unary(UnaryOp::Not, operand) => {
                self.check(*operand, Ty::BOOL, Reason::Nothing);
                Ty::BOOL
            }
            ExprKind::Unary(UnaryOp::Neg, operand) => {
                let operand = self.operand(*operand);
                self.require(Kind::Numeric(operand), span);
                operand.ty
            }
            ExprKind::Binary(..) => self.binary(expr),
            ExprKind::Call { callee, args } => self.call(expr, *callee, None, args, hint),
            ExprKind::Pipe { value, call } => match &ast.expr(*call).kind {
                ExprKind::Call { callee, args } => self.call(expr, *callee, Some(*value), args, hint),
                _ => self.call(expr, *call, Some(*value), &[], hint),
            },
            ExprKind::Lambda { params, body } => self.lambda(params, *body, hint),
            ExprKind::If { cond, then, otherwise } => self.conditional(*cond, *then, *otherwise, hint),
            ExprKind::Match { scrutinee, arms } => self.match_value(span, *scrutinee, arms, hint),
            ExprKind::Block(block) => self.block(block, hint),
            ExprKind::Error => Ty::ERROR,
        }
    }

    pub fn index_operands(&mut self, index: &[ExprId]) -> Vec<Operand> {
        index
            .iter()
            .map(|i| {
                // The library may draw an index where it is used: nothing is named or conditioned on there.
                if self.library {
                    return self.operand(*i);
                }
                let span = self.span(*i);
                self.deterministic(span, "an array index", |this| this.operand(*i))
            })
            .collect()
    }

    fn array(&mut self, elements: &[ExprId], hint: Hint) -> Ty {
        let wanted = hint.and_then(|(ty, reason)| match self.table.node(ty) {
            Node::Array(element) => Some((*element, reason)),
            Node::Matrix => Some((self.table.array(Ty::REAL), reason)),
            _ => None,
        });
        if let Some((element, reason)) = wanted
            && !self.open(element)
        {
            for part in elements {
                self.check(*part, element, reason);
            }
            return self.table.array(element);
        }
        let mut parts = Vec::with_capacity(elements.len());
        for part in elements {
            let ty = self.expr(*part, wanted);
            parts.push((*part, ty));
        }
        let element = self.join_all(&parts, Reason::Element);
        self.table.array(element)
    }

    /// Whether nothing, or only that it is a number, is known of a type.
    fn open(&self, ty: Ty) -> bool {
        matches!(self.table.node(ty), Node::Unknown | Node::Literal | Node::Counter)
    }

    /// What several expressions have in common; they are converted to it.
    fn join_all(&mut self, parts: &[(ExprId, Ty)], reason: fn(Span) -> Reason) -> Ty {
        let Some(&(first, mut joined)) = parts.first() else { return self.table.fresh() };
        let first_span = self.span(first);
        let mut failed = vec![false; parts.len()];
        for (i, (expr, ty)) in parts.iter().enumerate().skip(1) {
            let span = self.span(*expr);
            let mark = self.table.mark();
            match self.table.join(joined, *ty, span) {
                Ok(common) => joined = common,
                Err(mismatch) => {
                    self.table.undo(mark);
                    failed[i] = true;
                    self.mismatch(*expr, *ty, joined, reason(first_span), mismatch);
                }
            }
        }
        for (i, (expr, ty)) in parts.iter().enumerate() {
            if !failed[i] {
                self.coerce(*expr, *ty, joined, reason(first_span));
            }
        }
        joined
    }

    fn comprehension(&mut self, body: ExprId, clauses: &[Clause], hint: Hint) -> Ty {
        let mark = self.mark_locals();
        for clause in clauses {
            match clause {
                Clause::For { pattern, iter } => self.iterate(*pattern, *iter),
                Clause::If(cond) => self.check(*cond, Ty::BOOL, Reason::Condition),
            }
        }
        let wanted = hint.and_then(|(ty, reason)| match self.table.node(ty) {
            Node::Array(element) => Some((*element, reason)),
            Node::Matrix => Some((self.table.array(Ty::REAL), reason)),
            _ => None,
        });
        let element = match wanted {
            Some((element, reason)) if !self.open(element) => {
                self.check(body, element, reason);
                element
            }
            _ => self.expr(body, wanted),
        };
        self.pop_locals(mark);
        self.table.array(element)
    }

    /// Binds the pattern of a `for` to the elements of what it runs over.
    pub fn iterate(&mut self, pattern: crate::syntax::ast::PatternId, iter: ExprId) {
        let over = self.operand(iter);
        let item = self.table.fresh();
        let span = self.span(iter);
        self.require(Kind::Iterate { over, item }, span);
        self.bind_pattern(pattern, item, LocalKind::Loop, "a loop");
    }

    fn tuple(&mut self, parts: &[ExprId], hint: Hint) -> Ty {
        let wanted = hint.and_then(|(ty, reason)| match self.table.node(ty) {
            Node::Tuple(types) if types.len() == parts.len() => Some((types.clone(), reason)),
            _ => None,
        });
        let mut types = Vec::with_capacity(parts.len());
        for (i, part) in parts.iter().enumerate() {
            types.push(match &wanted {
                Some((expected, reason)) => self.steered(*part, expected[i], *reason),
                None => self.expr(*part, None),
            });
        }
        self.table.add(Node::Tuple(types.into()))
    }

    /// Infers a part of a larger value, converted to the expected type where that is known.
    fn steered(&mut self, part: ExprId, expected: Ty, reason: Reason) -> Ty {
        if self.open(expected) {
            return self.expr(part, None);
        }
        self.check(part, expected, reason);
        expected
    }

    fn record_literal(&mut self, expr: ExprId, spread: Option<ExprId>, fields: &[(Ident, ExprId)], hint: Hint) -> Ty {
        let span = self.span(expr);
        for (i, (name, _)) in fields.iter().enumerate() {
            if let Some((first, _)) = fields[..i].iter().find(|(other, _)| other.name == name.name) {
                self.report(error::duplicate_field(name.span, name.name, first.span));
            }
        }
        if let Some(base) = spread {
            let base = self.operand(base);
            let fields = fields.iter().map(|(name, value)| (*name, self.operand(*value))).collect();
            self.require(Kind::Spread { base, fields }, span);
            return base.ty;
        }
        let wanted = hint.and_then(|(ty, reason)| match self.table.node(ty) {
            Node::Record(types) => Some((types.clone(), reason)),
            _ => None,
        });
        let mut types: Vec<(Name, Ty)> = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            let expected = wanted.as_ref().and_then(|(types, reason)| {
                types.iter().find(|(other, _)| *other == name.name).map(|(_, ty)| (*ty, *reason))
            });
            let ty = match expected {
                Some((ty, reason)) => self.steered(*value, ty, reason),
                None => self.expr(*value, None),
            };
            types.push((name.name, ty));
        }
        self.table.add(Node::Record(types.into()))
    }

    fn field(&mut self, expr: ExprId, base: ExprId, name: Ident, hint: Hint) -> Ty {
        if let Some(module) = self.module(base) {
            let meaning = self.member_meaning(module, name.name);
            if matches!(meaning, Meaning::Unknown) {
                self.report(error::not_in_module(self.span(base), name));
                return Ty::ERROR;
            }
            return self.value_of(expr, name.name, meaning, hint);
        }
        let base = self.operand(base);
        let result = self.table.fresh();
        self.require(Kind::Field { expr: Some(expr), base, name, result }, self.span(expr));
        result
    }

    /// Chains such as `a + b + c + …` lean to the left and may be long: they are walked without recursion.
    fn binary(&mut self, expr: ExprId) -> Ty {
        let ast = self.ast;
        let mut chain = Vec::new();
        let mut at = expr;
        while let ExprKind::Binary(op, _, left, right) = &ast.expr(at).kind {
            chain.push((at, *op, *left, *right));
            at = *left;
        }
        let mut left = self.operand(at);
        for (i, (whole, op, _, right)) in chain.into_iter().rev().enumerate() {
            if i > 0 {
                self.record.exprs.push((left.expr, left.ty));
            }
            let ty = self.operate(whole, op, left, right);
            left = Operand { expr: whole, ty };
        }
        left.ty
    }

    fn operate(&mut self, whole: ExprId, op: BinaryOp, left: Operand, right: ExprId) -> Ty {
        let span = self.span(whole);
        if matches!(op, BinaryOp::And | BinaryOp::Or) {
            self.coerce(left.expr, left.ty, Ty::BOOL, Reason::Nothing);
            self.check(right, Ty::BOOL, Reason::Nothing);
            return Ty::BOOL;
        }
        let right = self.operand(right);
        let compares = !matches!(
            op,
            BinaryOp::Add
                | BinaryOp::Sub
                | BinaryOp::Mul
                | BinaryOp::Div
                | BinaryOp::Pow
                | BinaryOp::Rem
                | BinaryOp::MatMul
        );
        let result = if compares { Ty::BOOL } else { self.table.fresh() };
        self.require(Kind::Binary { expr: whole, op, left, right, result }, span);
        self.table.root(result)
    }

    fn lambda(&mut self, params: &[Param], body: ExprId, hint: Hint) -> Ty {
        let expected = hint.and_then(|(ty, reason)| match self.table.node(ty).clone() {
            Node::Fn(types, _, result) if types.len() == params.len() => Some((types, result, reason)),
            _ => None,
        });
        let effect = self.table.fresh_effect();
        let mut types = Vec::with_capacity(params.len());
        let result = self.in_function(effect, |this| {
            for (i, param) in params.iter().enumerate() {
                let ty = match (param.ty, &expected) {
                    (Some(annotation), _) => this.annotation(annotation),
                    (None, Some((types, ..))) => types[i],
                    (None, None) => this.table.fresh(),
                };
                if let Some(default) = param.default {
                    let span = this.span(default);
                    this.report(error::lambda_default(span));
                }
                types.push(ty);
                this.bind_pattern(param.pattern, ty, LocalKind::Parameter, "a parameter");
            }
            match &expected {
                Some((_, result, reason)) if !this.open(*result) => {
                    let result = *result;
                    this.check(body, result, *reason);
                    result
                }
                _ => this.expr(body, None),
            }
        });
        self.table.add(Node::Fn(types.into(), effect, result))
    }

    fn conditional(&mut self, cond: ExprId, then: ExprId, otherwise: Option<ExprId>, hint: Hint) -> Ty {
        self.check(cond, Ty::BOOL, Reason::Condition);
        let Some(otherwise) = otherwise else {
            let ty = self.discarded(then);
            self.record.exprs.push((then, ty));
            return Ty::UNIT;
        };
        if let Some((expected, reason)) = hint
            && !self.open(expected)
        {
            self.check(then, expected, reason);
            self.check(otherwise, expected, reason);
            return expected;
        }
        let first = self.expr(then, hint);
        let second = self.expr(otherwise, hint);
        self.join_all(&[(then, first), (otherwise, second)], Reason::Branch)
    }

    /// An expression whose value nobody uses: branches need not agree.
    pub fn discarded(&mut self, expr: ExprId) -> Ty {
        let ast = self.ast;
        let ty = match &ast.expr(expr).kind {
            ExprKind::If { cond, then, otherwise } => {
                self.check(*cond, Ty::BOOL, Reason::Condition);
                self.discarded(*then);
                if let Some(otherwise) = otherwise {
                    self.discarded(*otherwise);
                }
                Ty::UNIT
            }
            ExprKind::Match { scrutinee, arms } => {
                self.match_arms(self.span(expr), *scrutinee, arms, |this, arm| {
                    this.discarded(arm.body);
                });
                Ty::UNIT
            }
            ExprKind::Block(block) => {
                self.discarded_block(block);
                Ty::UNIT
            }
            _ => {
                let effect = self.table.fresh_effect();
                let around = std::mem::replace(&mut self.around, effect);
                let ty = self.expr_kind(expr, None);
                self.around = around;
                let span = self.span(expr);
                self.perform(effect, span);
                self.unused.push((span, ty, effect));
                ty
            }
        };
        self.record.exprs.push((expr, ty));
        ty
    }

    fn match_value(&mut self, span: Span, scrutinee: ExprId, arms: &[Arm], hint: Hint) -> Ty {
        let wanted = hint.filter(|(ty, _)| !self.open(*ty));
        let mut parts = Vec::with_capacity(arms.len());
        self.match_arms(span, scrutinee, arms, |this, arm| match wanted {
            Some((expected, reason)) => this.check(arm.body, expected, reason),
            None => {
                let ty = this.expr(arm.body, hint);
                parts.push((arm.body, ty));
            }
        });
        match wanted {
            Some((expected, _)) => expected,
            None => self.join_all(&parts, Reason::Branch),
        }
    }

    fn match_arms(&mut self, span: Span, scrutinee: ExprId, arms: &[Arm], mut body: impl FnMut(&mut Self, &Arm)) {
        let ty = self.expr(scrutinee, None);
        self.known(ty);
        for arm in arms {
            let mark = self.mark_locals();
            self.pattern(arm.pattern, ty, LocalKind::Let);
            if let Some(guard) = arm.guard {
                self.check(guard, Ty::BOOL, Reason::Condition);
            }
            body(self, arm);
            self.pop_locals(mark);
        }
        let span = Span { end: self.span(scrutinee).end, ..span };
        self.matches.push(MatchCheck { span, scrutinee: ty, arms: arms.to_vec() });
    }
}
