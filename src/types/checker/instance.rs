//! Bodies at concrete types, as lowering asks for them.

use super::super::infer::Infer;
use super::super::scheme::SchemeParam;
use super::super::table::{Eff, Node, Table, Ty};
use super::super::typed::{Instance, Typed};
use super::Checker;
use crate::core::Type;
use crate::source::{Diagnostic, Name, Severity, Span};
use crate::syntax::ast::{DistDecl, ExprId, FnDecl, ItemId, ItemKind, TypeId};

/// A parameter of a distribution.
#[derive(Clone, Debug)]
pub struct DistParam {
    pub name: Name,
    /// Its type, where it does not depend on the use.
    pub ty: Option<Type>,
    /// Its type as written, which tells its domain.
    pub declared: Option<TypeId>,
    pub default: Option<ExprId>,
}

impl Checker {
    /// The body of a function, model or member of a distribution at concrete types. An instance of the item of a primitive
    /// types its defaults.
    pub fn instance(&mut self, instance: &Instance) -> Result<Typed, Vec<Diagnostic>> {
        self.ensure(instance.item);
        self.ensure_dependencies(instance.item);
        let scope = self.scope_of(instance.item);
        let primitive = self.prim_items.values().any(|item| *item == instance.item);
        let (typed, found) = self.with_names(|checker| {
            let mut infer = Infer::new(&checker.ast, &checker.env, &checker.sources, scope);
            let effect = infer.table.fresh_effect();
            let result = match &checker.ast.item(instance.item).kind {
                ItemKind::Fn(decl) => pinned_function(&mut infer, decl, instance, effect, primitive),
                ItemKind::Dist(decl) => pinned_member(&mut infer, decl, instance, effect),
                _ => Ty::UNIT,
            };
            if infer.needs_names() {
                return Err(infer.missing());
            }
            infer.decide_rest();
            infer.conclude(false);
            let random = infer.table.effect(effect) == Eff::RANDOM;
            let mut typed = infer.typed(Some(result));
            typed.random = random;
            Ok((typed, std::mem::take(&mut infer.diagnostics)))
        });
        self.found.clear();
        if found.iter().any(|d| d.severity == Severity::Error) { Err(found) } else { Ok(typed) }
    }

    /// The parameters of a distribution.
    pub fn dist_params(&mut self, item: ItemId) -> Vec<DistParam> {
        self.ensure(item);
        let ItemKind::Dist(decl) = &self.ast.item(item).kind else { return Vec::new() };
        let Some(scheme) = self.env.schemes.get(&item) else { return Vec::new() };
        let mut table = Table::new();
        let used = super::super::scheme::Candidate::Scheme(scheme.clone()).instantiate(
            &mut table,
            Span::NONE,
            &mut Vec::new(),
        );
        decl.params
            .iter()
            .zip(&used.params)
            .filter_map(|(param, typed)| {
                Some(DistParam {
                    name: super::parameter_name(&self.ast, param)?,
                    ty: (!table.mentions_unknown(typed.ty)).then(|| table.export(typed.ty)),
                    declared: super::parameter_type(param),
                    default: param.default,
                })
            })
            .collect()
    }

    /// The types of the parameters and of the result of a function or model, where they do not depend on the use; what
    /// nothing decides is `()`. This is the instance that runs a model of the file.
    pub fn closed_type(&mut self, item: ItemId) -> Option<(Vec<Type>, Type)> {
        self.ensure(item);
        let scheme = self.env.schemes.get(&item)?;
        let mut table = Table::new();
        let used = super::super::scheme::Candidate::Scheme(scheme.clone()).instantiate(
            &mut table,
            Span::NONE,
            &mut Vec::new(),
        );
        if used.params.iter().any(|param| table.mentions_unknown(param.ty)) {
            return None;
        }
        if !scheme.constraints.is_empty() {
            return None;
        }
        Some((used.params.iter().map(|param| table.export(param.ty)).collect(), table.export(used.result)))
    }

    /// The names of the members that a distribution defines.
    pub fn dist_members(&self, item: ItemId) -> Vec<Name> {
        match &self.ast.item(item).kind {
            ItemKind::Dist(decl) => decl.members.iter().map(|member| member.name.name).collect(),
            _ => Vec::new(),
        }
    }
}

/// Gives parameters their concrete types.
fn pin(infer: &mut Infer<'_>, params: &[SchemeParam], types: &[Type], span: Span) {
    for (param, ty) in params.iter().zip(types) {
        let ty = infer.table.import(*ty);
        let at = param.span;
        // A deterministic function may stand where a random one is declared.
        if infer.table.coerce(ty, param.ty, at).is_err() {
            let (declared, given) = (infer.table.show(param.ty), infer.table.show(ty));
            infer.report(Diagnostic::error(
                span,
                format!("internal error: an instance has a parameter of type {given}, declared {declared}"),
            ));
        }
    }
}

fn pinned_function(infer: &mut Infer<'_>, decl: &FnDecl, instance: &Instance, effect: Eff, primitive: bool) -> Ty {
    let (params, declared) = infer.signature(decl);
    pin(infer, &params, &instance.params, decl.name.span);
    let result = infer.table.import(instance.result);
    let _ = infer.table.unify(declared, result);
    if primitive {
        infer.defaults(decl, &params, effect);
    } else {
        infer.function_body(decl, &params, result, effect);
    }
    result
}

fn pinned_member(infer: &mut Infer<'_>, decl: &DistDecl, instance: &Instance, effect: Eff) -> Ty {
    let params = infer.distribution_parameters(decl);
    pin(infer, &params, &instance.params, decl.name.span);
    let value = infer.table.fresh();
    let own = instance.params.get(params.len()).map(|ty| infer.table.import(*ty));
    let result = infer.table.import(instance.result);
    infer.in_function(effect, |infer| {
        infer.bind_distribution_parameters(decl, &params);
        infer.support(decl, value);
        infer.solve();
        let name = instance.member.map_or("", Name::as_str);
        let found = decl.members.iter().find(|member| Some(member.name.name) == instance.member);
        match (name, found) {
            ("support", _) => {
                let domain = infer.table.add(Node::Domain(value));
                let _ = infer.table.unify(domain, result);
            }
            (_, Some(member)) => {
                if let Some(own) = own
                    && infer.table.is_unknown(value)
                {
                    let _ = infer.table.unify(value, own);
                }
                infer.member(member, value, Some(result));
            }
            _ => {}
        }
        infer.solve();
    });
    result
}
