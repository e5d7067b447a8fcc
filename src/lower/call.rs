//! Calls: functions, primitives, distributions, constructors, domains and function values.

use super::{Body, Lowered};
use crate::core::ir::{Atom, Block, Callee, DistUse, FuncId, Op, PrimRef, Rhs, SiteKind, StmtKind};
use crate::core::{Type, TypeKind};
use crate::source::{Diagnostic, Name, Span, intern};
use crate::syntax::ast::{ExprId, ExprKind, ItemId, ItemKind};
use crate::types::typed::{CallUse, Def, Instance, NameUse, Target};
use crate::value::Value;

impl Body<'_> {
    pub(super) fn call(&mut self, id: ExprId, span: Span) -> Lowered<Atom> {
        let Some(call) = self.typed.calls.get(&id).cloned() else {
            return Err(vec![Diagnostic::error(span, "internal error: a call that was not resolved")]);
        };
        match &call.target {
            Target::Def(Def::Item(item), _) => self.call_item(*item, &call, span),
            Target::Def(Def::Prim(row), lifted) => {
                let mut atoms = Vec::with_capacity(call.args.len());
                for (k, arg) in call.args.iter().enumerate() {
                    let atom = match arg {
                        Some(arg) => self.expr_after(&mut atoms, *arg)?,
                        None => self.prim_default(*row, k, span)?,
                    };
                    atoms.push(atom);
                }
                self.prim_call(*row, atoms, &call.params, lifted, call.result, Some(id), span)
            }
            Target::Dist(..) => {
                let DistUse::Known(dist, atoms) = self.dist_call(&call, span)? else {
                    return Err(vec![Diagnostic::error(span, "internal error: a distribution that is not known")]);
                };
                Ok(self.emit_let(call.result, span, Rhs::Dist(dist, atoms)))
            }
            Target::Constructor(tag) => {
                let types = call
                    .result
                    .constructors()
                    .and_then(|all| all.get(*tag as usize))
                    .map_or(&[][..], |(_, fields)| fields.as_slice());
                let mut atoms = Vec::new();
                for (arg, ty) in call.args.iter().flatten().zip(types) {
                    let atom = self.expr_after(&mut atoms, *arg)?;
                    atoms.push(self.coerce(atom, *ty, span)?);
                }
                Ok(self.emit_let(call.result, span, Rhs::Variant(*tag, atoms)))
            }
            Target::Domain(name) => {
                let atoms = self.exprs(call.args.iter().flatten().copied())?;
                self.domain(*name, atoms, call.result, span)
            }
            Target::Value => {
                let callee_expr = self.callee(id);
                let callee = self.expr(callee_expr)?;
                let types = match self.atom_type(&callee).kind() {
                    TypeKind::Fn(params, _, _) => params.clone(),
                    _ => Vec::new(),
                };
                let mut args = Vec::new();
                for (k, (arg, ty)) in call.args.iter().zip(types).enumerate() {
                    let atom = match arg {
                        Some(arg) => self.expr_after(&mut args, *arg)?,
                        None => self.local_default(callee_expr, k, span)?,
                    };
                    args.push(self.coerce(atom, ty, span)?);
                }
                let random = matches!(self.atom_type(&callee).kind(), TypeKind::Fn(_, true, _));
                if random {
                    self.frame().random = true;
                }
                let site = self.lowerer.site(intern("call"), false, SiteKind::Call, span, call.result);
                let rhs = Rhs::CallClosure { callee, args, site: Some(site), path: Vec::new() };
                Ok(self.emit_let(call.result, span, rhs))
            }
        }
    }

    /// The default of a parameter of a local function, computed where it is called.
    fn local_default(&mut self, callee: ExprId, param: usize, span: Span) -> Lowered<Atom> {
        let default = match self.typed.names.get(&callee) {
            Some(NameUse::Local(bind)) => {
                self.local_defaults.get(bind).and_then(|all| all.get(param).copied().flatten())
            }
            _ => None,
        };
        match default {
            Some(value) => self.expr(value),
            None => Err(vec![Diagnostic::error(
                span,
                "an argument is missing: only a function called by its name has defaults",
            )]),
        }
    }

    /// The expression that gives the function of a call or pipe.
    fn callee(&self, id: ExprId) -> ExprId {
        match &self.ast().expr(id).kind {
            ExprKind::Call { callee, .. } => *callee,
            ExprKind::Pipe { call, .. } => match &self.ast().expr(*call).kind {
                ExprKind::Call { callee, .. } => *callee,
                _ => *call,
            },
            _ => id,
        }
    }

    fn call_item(&mut self, item: ItemId, call: &CallUse, span: Span) -> Lowered<Atom> {
        let mut args = Vec::new();
        let mut defaults = Vec::with_capacity(call.args.len());
        for (arg, ty) in call.args.iter().zip(&call.params) {
            defaults.push(arg.is_none());
            if let Some(arg) = arg {
                let atom = self.expr_after(&mut args, *arg)?;
                args.push(self.coerce(atom, *ty, span)?);
            }
        }
        let instance = Instance { item, member: None, params: call.params.clone(), result: call.result };
        let func = self.lowerer.instance(instance, defaults);
        let name = match &self.ast().item(item).kind {
            ItemKind::Fn(decl) => decl.name.name,
            _ => intern("call"),
        };
        let site = self.lowerer.site(name, false, SiteKind::Call, span, call.result);
        let rhs = Rhs::Call { func, args, site: Some(site), path: Vec::new() };
        Ok(self.emit_let(call.result, span, rhs))
    }

    /// A function item used as a value.
    pub(super) fn function_value(&mut self, item: ItemId, params: &[Type], result: Type) -> FuncId {
        let total = match &self.ast().item(item).kind {
            ItemKind::Fn(decl) => decl.params.len(),
            _ => params.len(),
        };
        let mut defaults = vec![false; params.len()];
        defaults.resize(total, true);
        let instance = Instance { item, member: None, params: params.to_vec(), result };
        self.lowerer.instance(instance, defaults)
    }

    /// An instance of a library function that the compiler itself calls.
    pub(super) fn library_call(&mut self, name: &str, params: Vec<Type>, result: Type, span: Span) -> Lowered<FuncId> {
        match self.facts.known_item(name) {
            Some(item) => {
                let instance = Instance { item, member: None, params: params.clone(), result };
                Ok(self.lowerer.instance(instance, vec![false; params.len()]))
            }
            None => Err(vec![Diagnostic::error(span, format!("internal error: the library has no `{name}`"))]),
        }
    }

    fn prim_default(&mut self, row: u32, param: usize, span: Span) -> Lowered<Atom> {
        match self.facts.primitive_default(row, param) {
            Some((value, ty)) => Ok(Atom::Const(value, ty)),
            None => Err(vec![Diagnostic::error(span, "internal error: an argument without a default")]),
        }
    }

    /// A primitive on arguments already computed.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn prim_call(
        &mut self,
        row: u32,
        args: Vec<Atom>,
        types: &[Type],
        lifted: &[bool],
        result: Type,
        id: Option<ExprId>,
        span: Span,
    ) -> Lowered<Atom> {
        let info = self.facts.primitive_row(row);
        if info.host {
            self.frame().random = true;
            return Ok(self.emit_let(result, span, Rhs::Host(info.name, args)));
        }
        if info.intrinsic {
            return self.intrinsic(info.name, args, result, id, span);
        }
        if info.name.as_str().starts_with("draw_") {
            self.frame().random = true;
        }
        let prim = PrimRef { row, name: info.name };
        let args =
            args.into_iter().zip(types).map(|(atom, ty)| self.coerce(atom, *ty, span)).collect::<Lowered<Vec<_>>>()?;
        if lifted.iter().any(|l| *l) {
            return Ok(self.emit_let(result, span, Rhs::Lift(Callee::Prim(prim), args)));
        }
        Ok(self.emit_let(result, span, Rhs::Prim(prim, args)))
    }

    fn intrinsic(
        &mut self,
        name: Name,
        args: Vec<Atom>,
        result: Type,
        id: Option<ExprId>,
        span: Span,
    ) -> Lowered<Atom> {
        let mut args = args;
        match (name.as_str(), args.as_mut_slice()) {
            ("len", [_]) => Ok(self.emit_let(result, span, Rhs::Op(Op::Len, args))),
            ("push", [array, item]) => {
                let element = result.element().unwrap_or(Type::UNIT);
                let array = self.coerce(array.clone(), result, span)?;
                let item = self.coerce(item.clone(), element, span)?;
                Ok(self.emit_let(result, span, Rhs::Op(Op::Push, vec![array, item])))
            }
            ("array", _) => Ok(self.emit_let(result, span, Rhs::Op(Op::Fill, args))),
            ("sample", [dist]) => {
                let dist = self.as_dist(dist.clone(), span)?;
                let ty = match self.atom_type(&dist).kind() {
                    TypeKind::Dist(t) => *t,
                    _ => result,
                };
                let site = self.lowerer.site(intern("sample"), false, SiteKind::Sample, span, ty);
                self.frame().random = true;
                let rhs = Rhs::Sample { site, dist: DistUse::Value(dist), path: Vec::new() };
                Ok(self.emit_let(ty, span, rhs))
            }
            ("observe", [value, dist]) => {
                let dist = self.as_dist(dist.clone(), span)?;
                let ty = self.atom_type(value);
                let site = self.lowerer.site(intern("observation"), true, SiteKind::Observe, span, ty);
                self.frame().random = true;
                let value = value.clone();
                let kind = StmtKind::Observe { site, dist: DistUse::Value(dist), value, path: Vec::new() };
                self.emit(span, kind);
                Ok(Atom::default())
            }
            ("factor", [weight]) => {
                let weight = self.coerce(weight.clone(), Type::REAL, span)?;
                self.factor(intern("factor"), weight, span);
                Ok(Atom::default())
            }
            ("condition", [holds]) => {
                let real = |x: f64| Block { stmts: Vec::new(), result: Atom::Const(Value::Real(x), Type::REAL) };
                let rhs = Rhs::If(holds.clone(), real(0.0), real(f64::NEG_INFINITY));
                let weight = self.emit_let(Type::REAL, span, rhs);
                self.factor(intern("condition"), weight, span);
                Ok(Atom::default())
            }
            ("print", [first, rest @ ..]) => {
                let mut value = first.clone();
                for part in rest.iter().cloned() {
                    let blank = Atom::Const(Value::string(" "), Type::STR);
                    let left = self.text_of(value, span)?;
                    let left = self.join(left, blank, span)?;
                    let right = self.text_of(part, span)?;
                    value = self.join(left, right, span)?;
                }
                self.effect(Rhs::Op(Op::Print, vec![value]), span);
                Ok(Atom::default())
            }
            ("assert", [holds]) => {
                if let Some(id) = id
                    && let Some(Some(condition)) = self.typed.calls.get(&id).and_then(|call| call.args.first().copied())
                {
                    // The condition was computed already; computing it once more lets the message show both sides.
                    self.assertion(condition, span)?;
                    return Ok(Atom::default());
                }
                let text = Atom::Const(Value::string("the assertion does not hold"), Type::STR);
                let holds = holds.clone();
                self.effect(Rhs::Op(Op::Assert, vec![holds, text]), span);
                Ok(Atom::default())
            }
            (member, [dist, rest @ ..]) => {
                let dist = self.as_dist(dist.clone(), span)?;
                let mut rest = rest.to_vec();
                if member == "logp"
                    && let TypeKind::Dist(t) = self.atom_type(&dist).kind()
                {
                    let t = *t;
                    rest[0] = self.coerce(rest[0].clone(), t, span)?;
                }
                self.lowerer.want(name);
                Ok(self.emit_let(result, span, Rhs::Member(name, DistUse::Value(dist), rest)))
            }
            _ => Err(vec![Diagnostic::error(span, format!("internal error: the intrinsic `{name}`"))]),
        }
    }

    fn factor(&mut self, name: Name, weight: Atom, span: Span) {
        let site = self.lowerer.site(name, false, SiteKind::Factor, span, Type::UNIT);
        self.frame().random = true;
        self.emit(span, StmtKind::Factor { site, weight, path: Vec::new() });
    }

    /// A distribution, from one, from an array of them, or from a posterior.
    fn as_dist(&mut self, atom: Atom, span: Span) -> Lowered<Atom> {
        let ty = self.atom_type(&atom);
        match ty.kind() {
            TypeKind::Posterior(t) => self.coerce(atom, t.dist(), span),
            TypeKind::Array(t) => match t.kind() {
                TypeKind::Dist(a) => self.coerce(atom, a.array().dist(), span),
                _ => Ok(atom),
            },
            _ => Ok(atom),
        }
    }

    /// The distribution at a place that draws or observes: known where it is written out.
    pub(super) fn dist_use(&mut self, id: ExprId) -> Lowered<DistUse> {
        let span = self.ast().expr(id).span;
        if !self.typed.coercions.contains_key(&id)
            && let Some(call) = self.typed.calls.get(&id).cloned()
            && matches!(call.target, Target::Dist(..))
        {
            return self.dist_call(&call, span);
        }
        let atom = self.expr(id)?;
        Ok(DistUse::Value(self.as_dist(atom, span)?))
    }

    /// The distribution of an observation: where an array is observed under one distribution of numbers, each element is.
    pub(super) fn observed_dist(&mut self, id: ExprId, value: &Atom) -> Lowered<DistUse> {
        let span = self.ast().expr(id).span;
        let to = self.typed.coercions.get(&id).copied();
        let from = self.type_of(id)?;
        if let (Some(to), TypeKind::Dist(_)) = (to, from.kind())
            && to != from
        {
            let atom = self.expr_plain(id)?;
            let n = self.emit_let(Type::INT, span, Rhs::Op(Op::Len, vec![value.clone()]));
            let dist = self.lowerer.library_dist(self.facts, "Iid", vec![from, Type::INT], to, span)?;
            return Ok(DistUse::Known(dist, vec![atom, n]));
        }
        self.dist_use(id)
    }

    fn dist_call(&mut self, call: &CallUse, span: Span) -> Lowered<DistUse> {
        let Target::Dist(item, lifted) = &call.target else {
            return Err(vec![Diagnostic::error(span, "internal error: no distribution")]);
        };
        let mut atoms: Vec<Atom> = Vec::with_capacity(call.args.len());
        for (k, (arg, ty)) in call.args.iter().zip(&call.params).enumerate() {
            let atom = match arg {
                Some(arg) => self.expr_after(&mut atoms, *arg)?,
                None => self.dist_default(*item, call, k, &atoms, span)?,
            };
            atoms.push(self.coerce(atom, *ty, span)?);
        }
        let dist = self.lowerer.dist(self.facts, *item, call.params.clone(), lifted.clone(), call.result, span)?;
        Ok(DistUse::Known(dist, atoms))
    }

    /// The default of a parameter of a distribution: a function of the parameters before it.
    fn dist_default(
        &mut self,
        item: ItemId,
        call: &CallUse,
        param: usize,
        before: &[Atom],
        span: Span,
    ) -> Lowered<Atom> {
        let member = Some(intern(&format!("default {param}")));
        let instance = Instance { item, member, params: call.params.clone(), result: call.params[param] };
        let func = self.lowerer.instance(instance, Vec::new());
        let args = before.to_vec();
        Ok(self.emit_let(call.params[param], span, Rhs::Call { func, args, site: None, path: Vec::new() }))
    }

    /// A domain with arguments, as a value.
    pub(super) fn domain(&mut self, name: Name, args: Vec<Atom>, ty: Type, span: Span) -> Lowered<Atom> {
        if args.is_empty()
            && let Some(domain) = super::expr::constant_domain(name.as_str())
        {
            return Ok(Atom::Const(Value::Domain(std::sync::Arc::new(domain)), ty));
        }
        let prim = self.primitive(&format!("domain_{name}"), span)?;
        Ok(self.emit_let(ty, span, Rhs::Prim(prim, args)))
    }
}
