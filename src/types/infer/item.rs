//! Types of whole definitions: groups of functions and distributions, instances, and top-level statements.

use super::{Infer, LocalKind};
use crate::source::{Name, Span};
use crate::syntax::ast::{
    Arrow, DistDecl, DistMember, ExprKind, FnDecl, FnKind, ItemId, ItemKind, Param, PatternKind, TypeExprKind,
};
use crate::types::constraint::Reason;
use crate::types::error;
use crate::types::scheme::{Callee, Mono, SchemeParam};
use crate::types::table::{Eff, Node, Ty};
use crate::types::typed::Def;
use std::sync::Arc;

/// What a member of a distribution is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MemberKind {
    /// `logp(x) = …`, a real number for a value
    OfValue,
    /// `cdf(x) = …`, a real number for a number
    OfNumber,
    /// `sample = …`, a value
    Sample,
    /// `quantile(q) = …`, a value for a number
    Quantile,
    /// `mean = …`, a number or the like
    Moment,
    /// `check = …`, a condition on the parameters beyond their domains
    Check,
    Unknown,
}

/// What the member of this name is.
pub(crate) fn member_kind(name: Name) -> MemberKind {
    match name.as_str() {
        "logp" => MemberKind::OfValue,
        "cdf" | "ccdf" => MemberKind::OfNumber,
        "sample" => MemberKind::Sample,
        "quantile" | "cquantile" => MemberKind::Quantile,
        "check" => MemberKind::Check,
        "mean" | "variance" | "entropy" | "mode" | "median" => MemberKind::Moment,
        _ => MemberKind::Unknown,
    }
}

impl Infer<'_> {
    /// The types of the parameters and of the result, as far as they are declared.
    pub fn signature(&mut self, decl: &FnDecl) -> (Vec<SchemeParam>, Ty) {
        for param in &decl.type_params {
            let ty = self.table.fresh();
            self.type_vars.insert(param.name, ty);
        }
        let params = self.parameters(&decl.params);
        let result = match decl.result {
            Some((_, ty)) => self.annotation(ty),
            None => self.table.fresh(),
        };
        (params, result)
    }

    fn parameters(&mut self, params: &[Param]) -> Vec<SchemeParam> {
        let ast = self.ast;
        params
            .iter()
            .map(|param| {
                let pattern = ast.pattern(param.pattern);
                let (name, span) = match &pattern.kind {
                    PatternKind::Bind(name) => (Some(name.name), name.span),
                    _ => (None, pattern.span),
                };
                let span = param.ty.map_or(span, |ty| span.to(ast.ty(ty).span));
                let ty = match param.ty {
                    Some(ty) => self.parameter_annotation(ty),
                    None => self.table.fresh(),
                };
                let default = param.default.map(|value| Arc::from(self.sources.text(ast.expr(value).span)));
                SchemeParam { name, ty, default, span }
            })
            .collect()
    }

    /// Binds parameters in order; a default may use the earlier ones.
    fn bind_parameters(&mut self, declared: &[Param], params: &[SchemeParam]) {
        for (declared, param) in declared.iter().zip(params) {
            if let Some(ty) = declared.ty {
                self.annotation_args(ty);
            }
            if let Some(default) = declared.default {
                match declared.ty {
                    Some(ty) => self.check(default, param.ty, Reason::Annotation(ty)),
                    None if self.table.is_unknown(param.ty) => {
                        let ty = self.expr(default, None);
                        self.known(ty);
                        self.decide_literals(ty);
                        self.coerce(default, ty, param.ty, Reason::Nothing);
                    }
                    None => self.check(default, param.ty, Reason::Nothing),
                }
            }
            self.bind_pattern(declared.pattern, param.ty, LocalKind::Parameter, "a parameter");
        }
    }

    /// The body of a function, local or not.
    pub fn function_body(&mut self, decl: &FnDecl, params: &[SchemeParam], result: Ty, effect: Eff) {
        self.in_function(effect, |this| {
            this.bind_parameters(&decl.params, params);
            match decl.result {
                Some((_, ty)) => {
                    this.annotation_args(ty);
                    this.check(decl.body, result, Reason::Annotation(ty));
                }
                None => this.check(decl.body, result, Reason::Nothing),
            }
            this.solve();
        });
    }

    /// The defaults of a primitive, whose body is not written here.
    pub fn defaults(&mut self, decl: &FnDecl, params: &[SchemeParam], effect: Eff) {
        self.in_function(effect, |this| this.bind_parameters(&decl.params, params));
    }

    /// The parameters of a distribution, with fresh type parameters.
    pub fn distribution_parameters(&mut self, decl: &DistDecl) -> Vec<SchemeParam> {
        for param in &decl.type_params {
            let ty = self.table.fresh();
            self.type_vars.insert(param.name, ty);
        }
        self.parameters(&decl.params)
    }

    pub fn bind_distribution_parameters(&mut self, decl: &DistDecl, params: &[SchemeParam]) {
        self.bind_parameters(&decl.params, params);
    }

    /// The first, incomplete type of a definition of the group.
    pub fn declare(&mut self, item: ItemId) -> Option<Arc<Mono>> {
        let ast = self.ast;
        let outer = std::mem::take(&mut self.type_vars);
        let mono = match &ast.item(item).kind {
            ItemKind::Fn(decl) => {
                let (params, result) = self.signature(decl);
                let effect = match decl.kind {
                    FnKind::Fn => self.table.fresh_effect(),
                    FnKind::Model => Eff::RANDOM,
                };
                Some(Mono { name: decl.name.name, callee: Callee::Def(Def::Item(item)), params, result, effect })
            }
            ItemKind::Dist(decl) => {
                let params = self.distribution_parameters(decl);
                let value = self.table.fresh();
                let result = self.table.dist(value);
                let callee = Callee::Dist(item);
                Some(Mono { name: decl.name.name, callee, params, result, effect: Eff::DETERMINISTIC })
            }
            _ => None,
        };
        // Type variables of one definition are not those of another.
        self.item_type_vars.insert(item, std::mem::replace(&mut self.type_vars, outer));
        let mono = Arc::new(mono?);
        self.group.insert(item, mono.clone());
        Some(mono)
    }

    /// The body of a definition of the group.
    pub fn define(&mut self, item: ItemId) {
        let ast = self.ast;
        let Some(mono) = self.group.get(&item).cloned() else { return };
        if let Some(vars) = self.item_type_vars.get(&item) {
            self.type_vars = vars.clone();
        }
        match &ast.item(item).kind {
            ItemKind::Fn(decl) => self.function_body(decl, &mono.params, mono.result, mono.effect),
            ItemKind::Dist(decl) => self.distribution(decl, &mono),
            _ => {}
        }
    }

    fn distribution(&mut self, decl: &DistDecl, mono: &Mono) {
        let value = match self.table.node(mono.result) {
            Node::Dist(value) => *value,
            _ => return,
        };
        let effect = self.table.fresh_effect();
        self.in_function(effect, |this| {
            this.bind_parameters(&decl.params, &mono.params);
            this.support(decl, value);
            let essential = |member: &&DistMember| {
                !matches!(member_kind(member.name.name), MemberKind::Moment | MemberKind::Quantile)
                    && !matches!(member.name.name.as_str(), "cdf" | "ccdf")
            };
            for member in decl.members.iter().filter(essential) {
                this.member(member, value, None);
            }
            this.solve();
            let generic = mono.params.iter().any(|param| this.table.mentions_unknown(param.ty));
            for member in decl.members.iter().filter(|member| !essential(member)) {
                if generic {
                    this.apart(|this| this.member(member, value, None));
                } else {
                    this.member(member, value, None);
                }
            }
            this.solve();
        });
        let known = decl.members.iter().all(|member| member_kind(member.name.name) != MemberKind::Unknown);
        let missing = known && !decl.members.iter().any(|member| member.name.name.as_str() == "logp");
        if missing && !decl.members.iter().any(|member| member.name.name.as_str() == "sample") {
            self.report(error::empty_distribution(decl.name));
        }
    }

    /// Looks at a member that not every use of a distribution needs: a mean asks for numbers, a choice may be of anything.
    /// What it asks of the parameters is forgotten; what is wrong in it is not.
    fn apart(&mut self, inside: impl FnOnce(&mut Self)) {
        self.solve();
        let mark = self.table.mark();
        let waiting = self.pending.clone();
        let counts = (self.matches.len(), self.irrefutable.len(), self.unused.len());
        inside(self);
        self.solve();
        self.pending = waiting;
        self.matches.truncate(counts.0);
        self.irrefutable.truncate(counts.1);
        self.unused.truncate(counts.2);
        self.record = super::Record::default();
        self.table.undo(mark);
    }

    /// `on …`: a domain, or a type such as `a` or `[a]` whose values are all possible.
    pub fn support(&mut self, decl: &DistDecl, value: Ty) {
        let span = self.span(decl.support);
        if let Some(ty) = self.support_type(decl.support) {
            let _ = self.table.unify(value, ty);
            return;
        }
        self.deterministic(span, "a support", |this| {
            let domain = this.table.add(Node::Domain(value));
            this.check(decl.support, domain, Reason::Nothing);
        });
    }

    /// The type that a support written as a type stands for; records the parts as domains.
    fn support_type(&mut self, expr: crate::syntax::ast::ExprId) -> Option<Ty> {
        let ast = self.ast;
        let ty = match &ast.expr(expr).kind {
            ExprKind::Name(name) if self.local(*name).is_none() => *self.type_vars.get(name)?,
            ExprKind::Array(parts) if parts.len() == 1 => {
                let element = self.support_type(parts[0]).or_else(|| {
                    let ExprKind::Name(name) = &ast.expr(parts[0]).kind else { return None };
                    self.domain_member(*name)
                })?;
                self.table.array(element)
            }
            _ => return None,
        };
        let domain = self.table.add(Node::Domain(ty));
        self.record.exprs.push((expr, domain));
        if let ExprKind::Name(name) = &ast.expr(expr).kind {
            self.record.names.push((expr, crate::types::typed::NameUse::Domain(*name)));
        }
        Some(ty)
    }

    /// A member of a distribution over values of type `value`; `wanted` is the type of its result where lowering knows it.
    pub fn member(&mut self, member: &DistMember, value: Ty, wanted: Option<Ty>) {
        let kind = member_kind(member.name.name);
        let expected = match kind {
            MemberKind::OfValue | MemberKind::OfNumber | MemberKind::Quantile => 1,
            MemberKind::Sample | MemberKind::Moment | MemberKind::Check => 0,
            MemberKind::Unknown => {
                self.report(error::unknown_member(member.name));
                return;
            }
        };
        if member.params.len() != expected {
            self.report(error::member_parameters(member.name, expected, member.params.len()));
            return;
        }
        let mark = self.mark_locals();
        if let Some(param) = member.params.first() {
            let ty = match kind {
                MemberKind::Quantile | MemberKind::OfNumber => Ty::REAL,
                _ => value,
            };
            if let Some(annotation) = param.ty {
                let declared = self.annotation(annotation);
                let span = self.ast.ty(annotation).span;
                if self.table.unify(declared, ty).is_err() {
                    self.report(error::pattern_mismatch(span, &self.table.show(ty), &self.table.show(declared)));
                }
            }
            self.bind_pattern(param.pattern, ty, LocalKind::Parameter, "a parameter");
        }
        let result = match (wanted, kind) {
            (_, MemberKind::Check) => Some(Ty::BOOL),
            (Some(ty), _) => Some(ty),
            (None, MemberKind::OfValue | MemberKind::OfNumber) => Some(Ty::REAL),
            (None, MemberKind::Sample | MemberKind::Quantile) => Some(value),
            (None, _) => None,
        };
        let reason = Reason::Member(member.name.name);
        let body = |this: &mut Self| match result {
            Some(ty) => this.check(member.body, ty, reason),
            None => {
                this.expr(member.body, None);
            }
        };
        if kind == MemberKind::Sample {
            body(self);
        } else {
            let what = match member.name.name.as_str() {
                "logp" => "a density",
                _ => "this member of a distribution",
            };
            self.deterministic(member.name.span, what, body);
        }
        self.pop_locals(mark);
    }

    /// The scheme of a primitive, from its signature.
    pub fn primitive(&mut self, decl: &FnDecl, row: u32) -> Mono {
        let (params, result) = self.signature(decl);
        let random = matches!(decl.result, Some((Arrow::Random, _)));
        let effect = if random {
            Eff::RANDOM
        } else {
            let effect = self.table.fresh_effect();
            for param in &params {
                // A parameter without arguments is a model, which the primitive runs under its own handler.
                if let Node::Fn(types, inner, _) = self.table.node(param.ty).clone()
                    && !types.is_empty()
                {
                    self.table.flow(inner, effect, Span::NONE);
                }
            }
            effect
        };
        Mono { name: decl.name.name, callee: Callee::Def(Def::Prim(row)), params, result, effect }
    }

    /// Infers the arguments of domains inside a type: `Simplex(n)`.
    pub fn annotation_args(&mut self, ty: crate::syntax::ast::TypeId) {
        let ast = self.ast;
        match &ast.ty(ty).kind {
            TypeExprKind::Domain(name, args) => self.domain_args(*name, args),
            TypeExprKind::Name(_, args) | TypeExprKind::Tuple(args) => {
                args.iter().for_each(|t| self.annotation_args(*t));
            }
            TypeExprKind::Array(t) => self.annotation_args(*t),
            TypeExprKind::Record(fields) => fields.iter().for_each(|(_, t)| self.annotation_args(*t)),
            TypeExprKind::Fn(params, _, result) => {
                params.iter().for_each(|t| self.annotation_args(*t));
                self.annotation_args(*result);
            }
            TypeExprKind::Unit | TypeExprKind::Error => {}
        }
    }
}
