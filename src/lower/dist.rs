//! Distributions: instances at concrete types, products over arrays, and the checks derived from domains.
//!
//! The log density of an instance checks its parameters, gives −∞ outside the support, and only then calls the `logp` that was written.

use super::{Body, DistKey, Facts, FuncKey, Lowered, Lowerer};
use crate::core::ir::{Atom, Block, Dist, DistId, DistUse, FuncId, Op, Rhs, StmtKind};
use crate::core::{Type, TypeKind};
use crate::source::{Diagnostic, Name, Span, intern};
use crate::syntax::ast::{BinaryOp, DistDecl, ExprKind, ItemId, ItemKind, PatternKind, TypeExprKind, TypeId};
use crate::types::typed::{Instance, Typed};
use crate::value::Value;
use std::rc::Rc;
use std::sync::Arc;

fn real(x: f64) -> Atom {
    Atom::Const(Value::Real(x), Type::REAL)
}

fn int(n: i64) -> Atom {
    Atom::Const(Value::Int(n), Type::INT)
}

/// The type of the mean of values of a type.
fn mean_type(value: Type) -> Type {
    match value.kind() {
        TypeKind::Array(t) => mean_type(*t).array(),
        TypeKind::Matrix => Type::MATRIX,
        _ => Type::REAL,
    }
}

impl Lowerer {
    /// Asks for a member of every distribution known only at run time.
    pub(super) fn want(&mut self, member: Name) {
        if !matches!(member.as_str(), "logp" | "sample" | "support" | "check") {
            self.wanted.insert(member);
        }
    }

    /// A distribution of the library that the compiler itself uses.
    pub(super) fn library_dist(
        &mut self,
        facts: &dyn Facts,
        name: &str,
        params: Vec<Type>,
        result: Type,
        span: Span,
    ) -> Lowered<DistId> {
        match facts.known_item(name) {
            Some(item) => self.dist(facts, item, params, Vec::new(), result, span),
            None => Err(vec![Diagnostic::error(span, format!("internal error: the library has no `{name}`"))]),
        }
    }

    /// The instance of a distribution at these parameter types; `lifted` marks arrays along which it is a product.
    pub(super) fn dist(
        &mut self,
        facts: &dyn Facts,
        item: ItemId,
        params: Vec<Type>,
        lifted: Vec<bool>,
        result: Type,
        span: Span,
    ) -> Lowered<DistId> {
        let TypeKind::Dist(value) = result.kind() else {
            return Err(vec![Diagnostic::error(span, format!("internal error: a distribution of type {result}"))]);
        };
        let lifted = if lifted.iter().any(|l| *l) { lifted } else { Vec::new() };
        let key = DistKey { item, params, lifted, value: *value };
        if let Some(id) = self.dists.get(&key) {
            return Ok(*id);
        }
        let ItemKind::Dist(decl) = &facts.ast().item(item).kind else {
            return Err(vec![Diagnostic::error(span, "internal error: no distribution")]);
        };
        let id = DistId(self.program.dists.len() as u32);
        let names: Vec<Name> = decl.params.iter().map(|p| param_name(facts, p.pattern)).collect();
        let bare = Dist {
            name: decl.name.name,
            params: names.iter().copied().zip(key.params.iter().copied()).collect(),
            value: key.value,
            lifted: key.lifted.clone(),
            logp: FuncId(0),
            sample: None,
            support: None,
            check: None,
            members: Vec::new(),
        };
        self.program.dists.push(Arc::new(bare));
        self.dists.insert(key.clone(), id);
        self.dist_keys.push(key.clone());
        let has = |member: &str| decl.members.iter().any(|m| m.name.name.as_str() == member);
        let dist = if key.lifted.is_empty() {
            let check = self.wrapper(facts, decl, &key, "check", |body, params, _| {
                body.check_parameters(decl, &key, params, |_| true)?;
                Ok(Atom::default())
            })?;
            let logp = self.scalar_logp(facts, decl, &key, check)?;
            let sample = if has("sample") { Some(self.member(&key, "sample", &[], key.value)) } else { None };
            let domain = Type::new(TypeKind::Domain(key.value));
            let support = self.member(&key, "support", &[], domain);
            (logp, sample, Some(support), Some(check))
        } else {
            self.product(facts, decl, &key, has("sample"), span)?
        };
        let entry = Arc::make_mut(&mut self.program.dists[id.0 as usize]);
        (entry.logp, entry.sample, entry.support, entry.check) = dist;
        Ok(id)
    }

    /// A member of a distribution as it was written.
    fn member(&mut self, key: &DistKey, member: &str, more: &[Type], result: Type) -> FuncId {
        let mut params = key.params.clone();
        params.extend_from_slice(more);
        let instance = Instance { item: key.item, member: Some(intern(member)), params, result };
        self.instance(instance, Vec::new())
    }

    /// A function over the parameters of a distribution, and for `logp` and the like one value more, written here.
    fn wrapper(
        &mut self,
        facts: &dyn Facts,
        decl: &DistDecl,
        key: &DistKey,
        name: &str,
        body: impl FnOnce(&mut Body<'_>, &[Atom], &Atom) -> Lowered<Atom>,
    ) -> Lowered<FuncId> {
        let more = match name {
            "logp" => Some(key.value),
            "cdf" | "ccdf" | "quantile" | "cquantile" => Some(Type::REAL),
            _ => None,
        };
        let full = intern(&format!("{}.{name}{}", decl.name.name, if key.lifted.is_empty() { "" } else { "*" }));
        let id = self.reserve(full);
        let span = decl.name.span;
        let user = facts.is_user(key.item);
        let mut this = Body::new(self, facts, Rc::new(Typed::default()), full, span, user);
        let mut params = Vec::new();
        for (param, ty) in decl.params.iter().zip(&key.params) {
            let name = param_name(facts, param.pattern);
            let var = this.fresh(name.as_str(), *ty, false);
            this.frame().params.push(var);
            params.push(Atom::Var(var));
        }
        let x = match more {
            Some(ty) => {
                let var = this.fresh("x", ty, false);
                this.frame().params.push(var);
                Atom::Var(var)
            }
            None => Atom::default(),
        };
        let result = body(&mut this, &params, &x)?;
        this.finish(id, result);
        Ok(id)
    }

    fn scalar_logp(&mut self, facts: &dyn Facts, decl: &DistDecl, key: &DistKey, check: FuncId) -> Lowered<FuncId> {
        let inside = self.member(key, "inside", &[key.value], Type::BOOL);
        let logp = self.member(key, "logp", &[key.value], Type::REAL);
        self.wrapper(facts, decl, key, "logp", |body, params, x| {
            body.call_unit(check, params);
            Ok(body.guarded_logp(inside, logp, params, x))
        })
    }

    /// The product of a distribution along its array arguments.
    #[allow(clippy::type_complexity)]
    fn product(
        &mut self,
        facts: &dyn Facts,
        decl: &DistDecl,
        key: &DistKey,
        has_sample: bool,
        span: Span,
    ) -> Lowered<(FuncId, Option<FuncId>, Option<FuncId>, Option<FuncId>)> {
        let inner = self.element(facts, key, span)?;
        let inner_key = self.dist_keys[inner.0 as usize].clone();
        let element = inner_key.value;
        let simple = inner_key.lifted.is_empty();
        let parts = simple.then(|| {
            (
                self.member(&inner_key, "inside", &[element], Type::BOOL),
                self.member(&inner_key, "logp", &[element], Type::REAL),
            )
        });
        let inner_logp = self.program.dists[inner.0 as usize].logp;
        let logp = self.wrapper(facts, decl, key, "logp", |body, params, x| {
            let n = body.product_length(decl, key, params, Some(x))?;
            if simple {
                body.check_parameters(decl, key, params, |k| !key.lifted[k])?;
            }
            let total = body.fresh("total", Type::REAL, true);
            body.emit(span, StmtKind::Let(total, Rhs::Atom(real(0.0))));
            let i = body.fresh("i", Type::INT, false);
            let block = body.in_block(|body| {
                let args = body.elements(key, params, i);
                let v = body.emit_let(element, span, Rhs::Op(Op::Index, vec![x.clone(), Atom::Var(i)]));
                let weight = match parts {
                    Some((inside, logp)) => {
                        body.check_parameters(decl, &inner_key, &args, |k| key.lifted[k])?;
                        body.guarded_logp(inside, logp, &args, &v)
                    }
                    None => {
                        let args = args.into_iter().chain([v]).collect();
                        body.call_plain(inner_logp, args, Type::REAL)
                    }
                };
                let sum = body.emit_let(Type::REAL, span, Rhs::Op(Op::AddR, vec![Atom::Var(total), weight]));
                body.emit(span, StmtKind::Assign(total, sum));
                Ok(Atom::default())
            })?;
            body.emit(span, StmtKind::For { var: i, low: int(0), high: n, body: block });
            Ok(Atom::Var(total))
        })?;
        let inner_sample = self.program.dists[inner.0 as usize].sample;
        let sample = match inner_sample {
            Some(inner_sample) if has_sample => Some(self.wrapper(facts, decl, key, "sample", |body, params, _| {
                let n = body.product_length(decl, key, params, None)?;
                body.frame().random = true;
                body.build(n, key.value, |body, i| {
                    let args = body.elements(key, params, i);
                    Ok(body.call_plain(inner_sample, args, element))
                })
            })?),
            _ => None,
        };
        let inner_support = self.program.dists[inner.0 as usize].support;
        let support = match inner_support {
            Some(inner_support) => Some(self.wrapper(facts, decl, key, "support", |body, params, _| {
                let n = body.product_length(decl, key, params, None)?;
                let domain = Type::new(TypeKind::Domain(element));
                let parts = body.build(n, domain.array(), |body, i| {
                    let args = body.elements(key, params, i);
                    Ok(body.call_plain(inner_support, args, domain))
                })?;
                let ty = Type::new(TypeKind::Domain(key.value));
                body.domain(intern("Product"), vec![parts], ty, span)
            })?),
            None => None,
        };
        Ok((logp, sample, support, None))
    }

    /// The instance for one element of a product.
    fn element(&mut self, facts: &dyn Facts, key: &DistKey, span: Span) -> Lowered<DistId> {
        let mut params = Vec::new();
        let mut lifted = Vec::new();
        for (ty, lift) in key.params.iter().zip(&key.lifted) {
            let inner = if *lift { ty.element().unwrap_or(*ty) } else { *ty };
            params.push(inner);
            // An array left where the product has been taken once is a product again; other arrays are parameters as declared.
            lifted.push(
                *lift
                    && matches!(inner.kind(), TypeKind::Array(_))
                    && is_scalar_parameter(facts, key.item, params.len() - 1),
            );
        }
        let value = key.value.element().unwrap_or(key.value);
        self.dist(facts, key.item, params, lifted, value.dist(), span)
    }

    /// Adds the wanted members to all distributions; says whether there was anything to add.
    pub(super) fn settle_members(&mut self, facts: &mut dyn Facts) -> Lowered<bool> {
        let goal = (self.dist_keys.len(), self.wanted.len());
        if self.settled == goal {
            return Ok(false);
        }
        let mut wanted: Vec<Name> = self.wanted.iter().copied().collect();
        wanted.sort();
        for k in 0..goal.0 {
            for member in &wanted {
                self.add_member(facts, DistId(k as u32), *member)?;
            }
        }
        self.settled = goal;
        Ok(true)
    }

    fn add_member(&mut self, facts: &dyn Facts, id: DistId, member: Name) -> Lowered<()> {
        let key = self.dist_keys[id.0 as usize].clone();
        if self.program.dists[id.0 as usize].members.iter().any(|(name, _)| *name == member) {
            return Ok(());
        }
        let ItemKind::Dist(decl) = &facts.ast().item(key.item).kind else { return Ok(()) };
        let has = |name: &str| decl.members.iter().any(|m| m.name.name.as_str() == name);
        let name = member.as_str();
        let (more, result): (&[Type], Type) = match name {
            "cdf" | "ccdf" => (&[Type::REAL], Type::REAL),
            "quantile" | "cquantile" => (&[Type::REAL], key.value),
            "mean" | "variance" => (&[], mean_type(key.value)),
            _ => return Ok(()),
        };
        let span = decl.name.span;
        let func = if !key.lifted.is_empty() {
            if !matches!(name, "mean" | "variance") || !has(name) {
                return Ok(());
            }
            let inner = self.element(facts, &key, span)?;
            let inner_result = mean_type(self.dist_keys[inner.0 as usize].value);
            self.wrapper(facts, decl, &key, name, |body, params, _| {
                let n = body.product_length(decl, &key, params, None)?;
                body.build(n, result, |body, i| {
                    let args = body.elements(&key, params, i);
                    Ok(body.emit_let(inner_result, span, Rhs::Member(member, DistUse::Known(inner, args), Vec::new())))
                })
            })?
        } else if has(name) {
            let written = self.member(&key, name, more, result);
            match self.program.dists[id.0 as usize].check {
                Some(check) => self.wrapper(facts, decl, &key, name, |body, params, x| {
                    body.call_unit(check, params);
                    let mut args = params.to_vec();
                    if !more.is_empty() {
                        args.push(x.clone());
                    }
                    Ok(body.call_plain(written, args, result))
                })?,
                None => written,
            }
        } else if name == "ccdf" && has("cdf") {
            let written = self.member(&key, "cdf", more, result);
            self.wrapper(facts, decl, &key, name, |body, params, x| {
                let args = params.iter().cloned().chain([x.clone()]).collect();
                let below = body.call_plain(written, args, Type::REAL);
                Ok(body.emit_let(Type::REAL, span, Rhs::Op(Op::SubR, vec![real(1.0), below])))
            })?
        } else if name == "cquantile" && has("quantile") {
            let written = self.member(&key, "quantile", more, result);
            self.wrapper(facts, decl, &key, name, |body, params, x| {
                let q = body.emit_let(Type::REAL, span, Rhs::Op(Op::SubR, vec![real(1.0), x.clone()]));
                let args = params.iter().cloned().chain([q]).collect();
                Ok(body.call_plain(written, args, result))
            })?
        } else {
            return Ok(());
        };
        Arc::make_mut(&mut self.program.dists[id.0 as usize]).members.push((member, func));
        Ok(())
    }
}

fn param_name(facts: &dyn Facts, pattern: crate::syntax::ast::PatternId) -> Name {
    match &facts.ast().pattern(pattern).kind {
        PatternKind::Bind(binder) => binder.name,
        _ => intern("parameter"),
    }
}

/// Whether a parameter is declared as a number.
fn is_scalar_parameter(facts: &dyn Facts, item: ItemId, param: usize) -> bool {
    let ast = facts.ast();
    let ItemKind::Dist(decl) = &ast.item(item).kind else { return false };
    let Some(ty) = decl.params.get(param).and_then(|p| p.ty) else { return false };
    match &ast.ty(ty).kind {
        TypeExprKind::Name(name, _) | TypeExprKind::Domain(name, _) => matches!(
            name.name.as_str(),
            "Real"
                | "Positive"
                | "NonNegative"
                | "UnitInterval"
                | "Interval"
                | "Int"
                | "Natural"
                | "Below"
                | "IntRange"
                | "Bool"
        ),
        _ => false,
    }
}

impl Body<'_> {
    fn call_plain(&mut self, func: FuncId, args: Vec<Atom>, ty: Type) -> Atom {
        let span = self.frame_ref().span;
        self.emit_let(ty, span, Rhs::Call { func, args, site: None, path: Vec::new() })
    }

    fn call_unit(&mut self, func: FuncId, args: &[Atom]) {
        let span = self.frame_ref().span;
        self.effect(Rhs::Call { func, args: args.to_vec(), site: None, path: Vec::new() }, span);
    }

    /// `if inside(params, x) { logp(params, x) } else { -inf }`
    fn guarded_logp(&mut self, inside: FuncId, logp: FuncId, params: &[Atom], x: &Atom) -> Atom {
        let span = self.frame_ref().span;
        let args: Vec<Atom> = params.iter().cloned().chain([x.clone()]).collect();
        let holds = self.call_plain(inside, args.clone(), Type::BOOL);
        let var = self.fresh("density", Type::REAL, false);
        let rhs = Rhs::Call { func: logp, args, site: None, path: Vec::new() };
        let then = Block {
            stmts: vec![crate::core::ir::Stmt { span, kind: StmtKind::Let(var, rhs) }],
            result: Atom::Var(var),
        };
        let otherwise = Block { stmts: Vec::new(), result: real(f64::NEG_INFINITY) };
        self.emit_let(Type::REAL, span, Rhs::If(holds, then, otherwise))
    }

    fn build(
        &mut self,
        len: Atom,
        ty: Type,
        element: impl FnOnce(&mut Self, crate::core::ir::VarId) -> Lowered<Atom>,
    ) -> Lowered<Atom> {
        let span = self.frame_ref().span;
        let var = self.fresh("i", Type::INT, false);
        let body = self.in_block(|this| element(this, var))?;
        Ok(self.emit_let(ty, span, Rhs::Build { len, var, body }))
    }

    /// The parameters for element `i` of a product.
    fn elements(&mut self, key: &DistKey, params: &[Atom], i: crate::core::ir::VarId) -> Vec<Atom> {
        let span = self.frame_ref().span;
        let mut out = Vec::with_capacity(params.len());
        for ((param, ty), lift) in params.iter().zip(&key.params).zip(&key.lifted) {
            out.push(if *lift {
                let element = ty.element().unwrap_or(*ty);
                self.emit_let(element, span, Rhs::Op(Op::Index, vec![param.clone(), Atom::Var(i)]))
            } else {
                param.clone()
            });
        }
        out
    }

    /// The length of a product; faults when the arrays differ in length.
    fn product_length(&mut self, decl: &DistDecl, key: &DistKey, params: &[Atom], x: Option<&Atom>) -> Lowered<Atom> {
        let span = self.frame_ref().span;
        let mut arrays: Vec<Atom> =
            params.iter().zip(&key.lifted).filter(|(_, lift)| **lift).map(|(p, _)| p.clone()).collect();
        arrays.extend(x.cloned());
        let mut length: Option<Atom> = None;
        for array in arrays {
            let n = self.emit_let(Type::INT, span, Rhs::Op(Op::Len, vec![array]));
            match &length {
                None => length = Some(n),
                Some(first) => {
                    let same = self.emit_let(Type::BOOL, span, Rhs::Op(Op::EqI, vec![first.clone(), n.clone()]));
                    let prim = self.primitive("length_message", span)?;
                    let first = first.clone();
                    let failed = self.in_block(|this| {
                        let name = Atom::Const(Value::string(decl.name.name.as_str()), Type::STR);
                        let message = this.emit_let(Type::STR, span, Rhs::Prim(prim, vec![name, first, n]));
                        let no = Atom::Const(Value::Bool(false), Type::BOOL);
                        this.effect(Rhs::Op(Op::Assert, vec![no, message]), span);
                        Ok(Atom::default())
                    })?;
                    self.emit(span, StmtKind::If(same, Block::default(), failed));
                }
            }
        }
        length.ok_or_else(|| vec![Diagnostic::error(span, "internal error: a product without arrays")])
    }

    /// Faults when a chosen parameter lies outside its domain, or the parameters do not fit together.
    fn check_parameters(
        &mut self,
        decl: &DistDecl,
        key: &DistKey,
        params: &[Atom],
        chosen: impl Fn(usize) -> bool,
    ) -> Lowered<()> {
        let any_lifted = key.lifted.iter().any(|l| *l);
        for (k, (param, atom)) in decl.params.iter().zip(params).enumerate() {
            if chosen(k)
                && let Some(ty) = param.ty
            {
                self.check_parameter(decl, k, ty, params, atom)?;
            }
        }
        let relation = decl.members.iter().find(|m| m.name.name.as_str() == "check");
        // In a product the relation is checked for each element, where it is an instance without arrays.
        if let Some(relation) = relation
            && !any_lifted
        {
            let span = self.frame_ref().span;
            let check = self.lowerer.member(key, "check", &[], Type::BOOL);
            let holds = self.call_plain(check, params.to_vec(), Type::BOOL);
            let text = self.facts.text(self.ast().expr(relation.body).span);
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let names: Vec<&str> = decl.params.iter().map(|p| param_name(self.facts, p.pattern).as_str()).collect();
            let message = if text.len() > 80 {
                format!("the parameters of {} do not fit together: ({})", decl.name.name, names.join(", "))
            } else {
                format!("the parameters of {} must satisfy `{text}`: ({})", decl.name.name, names.join(", "))
            };
            let types: Vec<Type> = params.iter().map(|p| self.atom_type(p)).collect();
            let params = params.to_vec();
            let failed = self.in_block(|this| {
                let ty = Type::new(TypeKind::Tuple(types));
                let all = this.emit_let(ty, span, Rhs::Tuple(params));
                this.effect(Rhs::Op(Op::Domain, vec![Atom::Const(Value::string(&message), Type::STR), all]), span);
                Ok(Atom::default())
            })?;
            self.emit(span, StmtKind::If(holds, Block::default(), failed));
        }
        Ok(())
    }

    fn check_parameter(&mut self, decl: &DistDecl, k: usize, ty: TypeId, params: &[Atom], atom: &Atom) -> Lowered<()> {
        let span = self.frame_ref().span;
        let ast = self.ast();
        let (domain, args) = match &ast.ty(ty).kind {
            TypeExprKind::Name(name, args) if args.is_empty() => (name.name, Vec::new()),
            TypeExprKind::Domain(name, args) => {
                let mut atoms = Vec::new();
                for arg in args {
                    atoms.push(self.domain_argument(decl, params, *arg)?);
                }
                (name.name, atoms)
            }
            _ => return Ok(()),
        };
        let Some(holds) = self.in_domain(domain, &args, atom, true)? else { return Ok(()) };
        let name = param_name(self.facts, decl.params[k].pattern);
        let what = match domain.as_str() {
            "Real" => "must be finite".to_string(),
            "Positive" => "must be positive and finite".to_string(),
            "NonNegative" | "Natural" => "must not be negative".to_string(),
            "UnitInterval" => "must lie between 0 and 1".to_string(),
            "Simplex" => "must be a vector of non-negative numbers with sum 1".to_string(),
            "PosDef" => "must be symmetric and positive definite".to_string(),
            other => format!("must lie in {other}"),
        };
        let message = crate::value::fault::parameter_message(decl.name.name.as_str(), name.as_str(), &what);
        let atom = atom.clone();
        let failed = self.in_block(|this| {
            this.effect(Rhs::Op(Op::Domain, vec![Atom::Const(Value::string(&message), Type::STR), atom]), span);
            Ok(Atom::default())
        })?;
        self.emit(span, StmtKind::If(holds, Block::default(), failed));
        Ok(())
    }

    /// An argument of a parameter's domain: a number, or an earlier parameter.
    fn domain_argument(&mut self, decl: &DistDecl, params: &[Atom], id: crate::syntax::ast::ExprId) -> Lowered<Atom> {
        let node = self.ast().expr(id);
        match &node.kind {
            ExprKind::Int(n) => Ok(int(*n)),
            ExprKind::Real(x) => Ok(real(*x)),
            ExprKind::Name(name) => {
                let found = decl.params.iter().position(|p| param_name(self.facts, p.pattern) == *name);
                match found.and_then(|k| params.get(k)) {
                    Some(atom) => Ok(atom.clone()),
                    None => Err(vec![Diagnostic::error(
                        node.span,
                        format!("`{name}` is no parameter of {}", decl.name.name),
                    )]),
                }
            }
            _ => Err(vec![
                Diagnostic::error(node.span, "the domain of a parameter takes numbers and earlier parameters only")
                    .hint("for other conditions write a member `check = …`"),
            ]),
        }
    }

    fn compare(&mut self, op: BinaryOp, a: Atom, b: Atom) -> Lowered<Atom> {
        let span = self.frame_ref().span;
        self.binary_atoms(op, a, b, Type::BOOL, span)
    }

    fn both(&mut self, a: Atom, b: Atom) -> Atom {
        let span = self.frame_ref().span;
        self.emit_let(Type::BOOL, span, Rhs::Op(Op::And, vec![a, b]))
    }

    /// Whether a value lies in a domain, given by name and arguments; none when every value of its type does.
    fn in_domain(&mut self, domain: Name, args: &[Atom], x: &Atom, any_size: bool) -> Lowered<Option<Atom>> {
        use BinaryOp::{Le, Lt};
        let span = self.frame_ref().span;
        let ty = self.atom_type(x);
        let x = x.clone();
        if !ty.is_scalar() {
            if matches!(domain.as_str(), "Matrix" | "Vector") && args.is_empty() {
                return Ok(None);
            }
            if any_size && args.is_empty() {
                let known = matches!(
                    domain.as_str(),
                    "Simplex"
                        | "Ordered"
                        | "PositiveOrdered"
                        | "CorrCholesky"
                        | "CovCholesky"
                        | "PosDef"
                        | "Corr"
                        | "UnitVector"
                );
                if !known {
                    return Ok(None);
                }
                let prim = self.primitive("domain_fits", span)?;
                let name = Atom::Const(Value::string(domain.as_str()), Type::STR);
                return Ok(Some(self.emit_let(Type::BOOL, span, Rhs::Prim(prim, vec![name, x]))));
            }
        }
        Ok(match (domain.as_str(), args) {
            ("Bool" | "Int", _) => None,
            ("Real", []) if ty == Type::REAL => {
                let zero = self.emit_let(Type::REAL, span, Rhs::Op(Op::SubR, vec![x.clone(), x]));
                Some(self.compare(BinaryOp::Eq, zero, real(0.0))?)
            }
            ("Real", []) => None,
            ("Positive", []) => {
                let low = self.compare(Lt, real(0.0), x.clone())?;
                let high = self.compare(Lt, x, real(f64::INFINITY))?;
                Some(self.both(low, high))
            }
            ("NonNegative", []) => {
                let low = self.compare(Le, real(0.0), x.clone())?;
                let high = self.compare(Lt, x, real(f64::INFINITY))?;
                Some(self.both(low, high))
            }
            ("UnitInterval", []) => {
                let low = self.compare(Le, real(0.0), x.clone())?;
                let high = self.compare(Le, x, real(1.0))?;
                Some(self.both(low, high))
            }
            ("Natural", []) => Some(self.compare(Le, int(0), x)?),
            ("Below", [n]) => {
                let low = self.compare(Le, int(0), x.clone())?;
                let high = self.compare(Lt, x, n.clone())?;
                Some(self.both(low, high))
            }
            ("Interval" | "IntRange", [a, b]) => {
                let low = self.compare(Le, a.clone(), x.clone())?;
                let high = self.compare(Le, x, b.clone())?;
                Some(self.both(low, high))
            }
            (_, []) => None,
            _ => {
                let domain_type = Type::new(TypeKind::Domain(ty));
                let domain = self.domain(domain, args.to_vec(), domain_type, span)?;
                let prim = self.primitive("domain_contains", span)?;
                Some(self.emit_let(Type::BOOL, span, Rhs::Prim(prim, vec![domain, x])))
            }
        })
    }

    /// Binds the parameters of a distribution and of its member.
    pub(super) fn dist_member(&mut self, decl: &DistDecl, instance: &Instance) -> Lowered<()> {
        let member = instance.member.map_or("", Name::as_str);
        let only = member.strip_prefix("default ").and_then(|k| k.parse::<usize>().ok());
        for (k, (param, ty)) in decl.params.iter().zip(&instance.params).enumerate() {
            if only.is_some_and(|only| k >= only) {
                break;
            }
            self.parameter(param.pattern, *ty)?;
        }
        let rest = &instance.params[decl.params.len().min(instance.params.len())..];
        if let Some(written) = decl.members.iter().find(|m| m.name.name.as_str() == member) {
            for (param, ty) in written.params.iter().zip(rest) {
                self.parameter(param.pattern, *ty)?;
            }
        }
        Ok(())
    }

    /// The body of a member of a distribution, or of one that is derived from its support.
    pub(super) fn member_body(&mut self, decl: &DistDecl, instance: &Instance) -> Lowered<Atom> {
        let member = instance.member.map_or("", Name::as_str);
        if let Some(k) = member.strip_prefix("default ").and_then(|k| k.parse::<usize>().ok()) {
            let Some(default) = decl.params.get(k).and_then(|p| p.default) else {
                return Err(vec![Diagnostic::error(decl.name.span, "internal error: no default")]);
            };
            return self.expr(default);
        }
        match member {
            "support" => self.expr(decl.support),
            "inside" => self.inside(decl, instance),
            _ => match decl.members.iter().find(|m| m.name.name.as_str() == member) {
                Some(written) => {
                    if member == "sample" {
                        // Drawing checks the parameters as weighing does.
                        self.check_before(instance);
                        self.frame().random = true;
                    }
                    let atom = self.expr(written.body)?;
                    let span = self.ast().expr(written.body).span;
                    self.coerce(atom, instance.result, span)
                }
                None => Err(vec![
                    Diagnostic::error(
                        decl.name.span,
                        format!("the distribution `{}` has no `{member}`", decl.name.name),
                    )
                    .hint(format!("add a member `{member}(…) = …`")),
                ]),
            },
        }
    }

    /// Calls the check of the distribution whose member is being lowered.
    fn check_before(&mut self, instance: &Instance) {
        let key = DistKey {
            item: instance.item,
            params: instance.params.clone(),
            lifted: Vec::new(),
            value: instance.result,
        };
        let check = self.lowerer.dists.get(&key).and_then(|id| self.lowerer.program.dists[id.0 as usize].check);
        if let Some(check) = check {
            let params: Vec<Atom> = self.frame_ref().params.iter().map(|v| Atom::Var(*v)).collect();
            self.call_unit(check, &params);
        }
    }

    /// Whether a value lies in the support.
    fn inside(&mut self, decl: &DistDecl, instance: &Instance) -> Lowered<Atom> {
        let span = decl.name.span;
        let yes = Atom::Const(Value::Bool(true), Type::BOOL);
        let ty = instance.params.last().copied().unwrap_or(Type::UNIT);
        let var = self.fresh("x", ty, false);
        self.frame().params.push(var);
        let x = Atom::Var(var);
        let ast = self.ast();
        match &ast.expr(decl.support).kind {
            ExprKind::Name(name) if super::expr::constant_domain(name.as_str()).is_some() => {
                Ok(self.in_domain(*name, &[], &x, false)?.unwrap_or(yes))
            }
            ExprKind::Call { callee, args } if ty.is_scalar() => {
                let ExprKind::Name(name) = &ast.expr(*callee).kind else {
                    return self.inside_value(decl, x, span);
                };
                if !matches!(name.as_str(), "Interval" | "IntRange" | "Below") {
                    return self.inside_value(decl, x, span);
                }
                let atoms = args.iter().map(|arg| self.expr(arg.value)).collect::<Lowered<Vec<_>>>()?;
                Ok(self.in_domain(*name, &atoms, &x, false)?.unwrap_or(yes))
            }
            _ => self.inside_value(decl, x, span),
        }
    }

    fn inside_value(&mut self, decl: &DistDecl, x: Atom, span: Span) -> Lowered<Atom> {
        let domain = self.expr(decl.support)?;
        let prim = self.primitive("domain_contains", span)?;
        Ok(self.emit_let(Type::BOOL, span, Rhs::Prim(prim, vec![domain, x])))
    }
}

impl FuncKey {
    /// The member whose facts the checker is asked for: what is derived from the support has the support's.
    pub(super) fn facts(&self) -> Instance {
        let mut instance = self.instance.clone();
        if instance.member.is_some_and(|m| m.as_str() == "inside") {
            let value = instance.params.pop().unwrap_or(Type::UNIT);
            instance.member = Some(intern("support"));
            instance.result = Type::new(TypeKind::Domain(value));
        }
        instance
    }
}
