//! Types of calls.

use super::name::Meaning;
use super::{CallRecord, Hint, Infer};
use crate::source::{Name, Span, intern};
use crate::syntax::ast::{Arg, ExprId, ExprKind};
use crate::types::constraint::{Call, CallArg, Kind, Reason};
use crate::types::env::Entity;
use crate::types::error;
use crate::types::scheme::{Callee, Candidate, SchemeParam, Use};
use crate::types::table::{Node, Ty};
use crate::types::typed::Target;
use std::sync::Arc;

/// Why arguments do not fit parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Misfit {
    TooMany(ExprId),
    Missing(usize),
    NoSuchName(usize),
    Twice(usize, usize),
}

/// Which argument each parameter gets.
pub(crate) fn slots(params: &[SchemeParam], args: &[CallArg]) -> Result<Vec<Option<usize>>, Misfit> {
    let mut slots = vec![None; params.len()];
    let mut next = 0;
    for (i, arg) in args.iter().enumerate() {
        let place = match arg.name {
            Some(name) => params.iter().position(|p| p.name == Some(name.name)).ok_or(Misfit::NoSuchName(i))?,
            None => {
                if next >= params.len() {
                    return Err(Misfit::TooMany(arg.value.expr));
                }
                next += 1;
                next - 1
            }
        };
        if slots[place].is_some() {
            return Err(Misfit::Twice(i, place));
        }
        slots[place] = Some(i);
    }
    match slots.iter().zip(params).position(|(slot, param)| slot.is_none() && param.default.is_none()) {
        Some(missing) => Err(Misfit::Missing(missing)),
        None => Ok(slots),
    }
}

impl Infer<'_> {
    /// `callee(args)`, with the left value of a pipe as first argument.
    pub fn call(&mut self, expr: ExprId, callee: ExprId, pipe: Option<ExprId>, args: &[Arg], hint: Hint) -> Ty {
        let args = self.call_args(pipe, args);
        let ast = self.ast;
        let (name, meaning) = match &ast.expr(callee).kind {
            ExprKind::Name(name) => (*name, self.meaning_for(*name, hint)),
            ExprKind::Field(base, field) => match self.module(*base) {
                Some(module) => {
                    let meaning = self.member_meaning(module, field.name);
                    if matches!(meaning, Meaning::Unknown) {
                        self.report(error::not_in_module(self.span(*base), *field));
                        self.infer_args(&args);
                        return Ty::ERROR;
                    }
                    (field.name, meaning)
                }
                None => return self.call_expression(expr, callee, &args),
            },
            _ => return self.call_expression(expr, callee, &args),
        };
        match meaning {
            Meaning::Definitions(candidates)
                if self.outside_model
                    && matches!(name.as_str(), "observe" | "factor" | "condition")
                    && matches!(self.env.lookup(self.scope, name), [Entity::Prim(_)]) =>
            {
                self.report(error::weight_outside_model(self.span(expr), name.as_str()));
                self.call_definition(expr, callee, name, candidates, args)
            }
            Meaning::Definitions(candidates) => self.call_definition(expr, callee, name, candidates, args),
            Meaning::Unknown => {
                let span = self.span(callee);
                self.unknown_name(span, name);
                self.infer_args(&args);
                Ty::ERROR
            }
            Meaning::Local(place) => {
                let params = self.locals[place].params.clone();
                let ty = self.value_of(callee, name, meaning, None);
                self.record.exprs.push((callee, ty));
                self.call_value(expr, callee, Some(name), ty, params, &args)
            }
            meaning => {
                let ty = self.value_of(callee, name, meaning, None);
                self.record.exprs.push((callee, ty));
                self.call_value(expr, callee, Some(name), ty, None, &args)
            }
        }
    }

    fn call_expression(&mut self, expr: ExprId, callee: ExprId, args: &[CallArg]) -> Ty {
        let ty = self.expr(callee, None);
        self.call_value(expr, callee, None, ty, None, args)
    }

    /// Looks at arguments of a call that is wrong anyway, for what is wrong in them.
    fn infer_args(&mut self, args: &[CallArg]) {
        for arg in args {
            self.expr(arg.value.expr, None);
        }
    }

    fn is_lambda(&self, expr: ExprId) -> Option<usize> {
        match &self.ast.expr(expr).kind {
            ExprKind::Lambda { params, .. } => Some(params.len()),
            _ => None,
        }
    }

    fn call_value(
        &mut self,
        expr: ExprId,
        callee: ExprId,
        name: Option<Name>,
        ty: Ty,
        params: Option<Arc<[SchemeParam]>>,
        args: &[CallArg],
    ) -> Ty {
        let span = self.span(expr);
        let known = self.known(ty);
        match self.table.node(known).clone() {
            Node::Fn(types, effect, result) => {
                let declared: Vec<SchemeParam> = match &params {
                    Some(params) => params.to_vec(),
                    None => types
                        .iter()
                        .map(|ty| SchemeParam { name: None, ty: *ty, default: None, span: Span::NONE })
                        .collect(),
                };
                let called = name.unwrap_or_else(|| intern("this function"));
                let order = match slots(&declared, args) {
                    Ok(order) => order,
                    Err(misfit) => {
                        self.report(error::misfit(self, span, called, &declared, args, misfit));
                        self.infer_args(args);
                        return result;
                    }
                };
                self.check_args(called, &declared, &order, args);
                self.perform(effect, span);
                let args = order.iter().map(|slot| slot.map(|i| args[i].value.expr)).collect();
                let record = CallRecord { target: Target::Value, args, params: types.to_vec(), result };
                self.record.calls.push((expr, record));
                result
            }
            Node::Unknown => {
                let mut types = Vec::with_capacity(args.len());
                for arg in args {
                    if let Some(name) = arg.name {
                        self.report(error::named_argument_of_unknown(name.span));
                    }
                    types.push(self.expr(arg.value.expr, None));
                }
                let effect = self.table.fresh_effect();
                let result = self.table.fresh();
                let function = self.table.add(Node::Fn(types.clone().into(), effect, result));
                // The arguments may have decided what the function is.
                if let Err(mismatch) = self.table.unify(ty, function) {
                    self.mismatch(callee, ty, function, Reason::Nothing, mismatch);
                    return Ty::ERROR;
                }
                self.perform(effect, span);
                let args = args.iter().map(|arg| Some(arg.value.expr)).collect();
                self.record.calls.push((expr, CallRecord { target: Target::Value, args, params: types, result }));
                result
            }
            Node::Error => {
                self.infer_args(args);
                Ty::ERROR
            }
            _ => {
                let shown = self.table.show(known);
                let array = matches!(self.table.node(known), Node::Array(_) | Node::Matrix);
                self.report(error::not_a_function(self.span(callee), name, &shown, array));
                self.infer_args(args);
                Ty::ERROR
            }
        }
    }

    /// Looks at the arguments against the parameters; lambdas last, when most is known.
    fn check_args(&mut self, of: Name, params: &[SchemeParam], order: &[Option<usize>], args: &[CallArg]) {
        let mut later = Vec::new();
        let mut by_arg: Vec<Option<usize>> = vec![None; args.len()];
        for (place, slot) in order.iter().enumerate() {
            if let Some(i) = slot {
                by_arg[*i] = Some(place);
            }
        }
        for (i, place) in by_arg.iter().enumerate() {
            let Some(param) = place.and_then(|place| params.get(place)) else { continue };
            let value = args[i].value.expr;
            let reason = Reason::Parameter { name: param.name, of, span: param.span };
            if self.is_lambda(value).is_some() {
                later.push((value, param.ty, reason));
            } else {
                self.check(value, param.ty, reason);
            }
        }
        if !later.is_empty() {
            self.solve();
        }
        for (value, ty, reason) in later {
            self.check(value, ty, reason);
        }
    }

    fn call_definition(
        &mut self,
        expr: ExprId,
        callee: ExprId,
        name: Name,
        candidates: Arc<[Candidate]>,
        mut args: Vec<CallArg>,
    ) -> Ty {
        let span = self.span(expr);
        if candidates.is_empty() {
            self.infer_args(&args);
            return Ty::ERROR;
        }
        let fitting: Vec<usize> =
            (0..candidates.len()).filter(|i| slots(candidates[*i].params(), &args).is_ok()).collect();
        match fitting.as_slice() {
            [] => {
                let diagnostic = match &*candidates {
                    [only] => match slots(only.params(), &args) {
                        Err(misfit) => {
                            if let (Callee::Domain(_) | Callee::Constructor(..), []) = (only.callee(), only.params()) {
                                Some(error::constant_called(span, name))
                            } else {
                                Some(error::misfit(self, span, name, only.params(), &args, misfit))
                            }
                        }
                        Ok(_) => None,
                    },
                    several => Some(error::no_overload_by_count(self, self.span(callee), name, several, &args)),
                };
                if let Some(diagnostic) = diagnostic {
                    self.report(diagnostic);
                }
                self.infer_args(&args);
                return Ty::ERROR;
            }
            [only] if !candidates[*only].lifts() => {
                return self.call_directly(expr, &candidates[*only], &args);
            }
            _ => {}
        }
        let mut domains = vec![false; args.len()];
        if let [only] = fitting.as_slice()
            && let Ok(order) = slots(candidates[*only].params(), &args)
        {
            for (place, slot) in order.iter().enumerate() {
                if let Some(i) = slot {
                    domains[*i] = candidates[*only].takes_domain(place);
                }
            }
        }
        for (arg, domain) in args.iter_mut().zip(domains) {
            arg.lambda = self.is_lambda(arg.value.expr);
            arg.value.ty = match arg.lambda {
                Some(_) => self.table.fresh(),
                None if domain => {
                    let member = self.table.fresh();
                    let expected = self.table.add(Node::Domain(member));
                    self.expr(arg.value.expr, Some((expected, Reason::Nothing)))
                }
                None => self.expr(arg.value.expr, None),
            };
        }
        self.solve();
        let result = self.table.fresh();
        let candidates: Arc<[Candidate]> = fitting.iter().map(|i| candidates[*i].clone()).collect();
        let mut call = Call { expr, name, candidates, args, result, around: self.around };
        if call.args.iter().any(|arg| arg.lambda.is_some()) {
            if let Some(chosen) = self.choose(&call) {
                let candidate = call.candidates[chosen].clone();
                if !candidate.lifts() {
                    return self.call_directly_inferred(expr, &candidate, &call.args);
                }
            }
            for arg in &mut call.args {
                if arg.lambda.take().is_some() {
                    arg.value.ty = self.expr(arg.value.expr, None);
                }
            }
        }
        self.require(Kind::Call(Box::new(call)), span);
        self.table.root(result)
    }

    /// A call whose target is known and does not run over elements.
    fn call_directly(&mut self, expr: ExprId, candidate: &Candidate, args: &[CallArg]) -> Ty {
        let span = self.span(expr);
        let mut constraints = Vec::new();
        let used = candidate.instantiate(&mut self.table, span, &mut constraints);
        let Ok(order) = slots(&used.params, args) else { return Ty::ERROR };
        self.check_args(used.name, &used.params, &order, args);
        self.finish_call(expr, used, &order, args, constraints)
    }

    /// The same for a chosen overload: only lambdas were not looked at yet.
    fn call_directly_inferred(&mut self, expr: ExprId, candidate: &Candidate, args: &[CallArg]) -> Ty {
        let span = self.span(expr);
        let mut constraints = Vec::new();
        let used = candidate.instantiate(&mut self.table, span, &mut constraints);
        let Ok(order) = slots(&used.params, args) else { return Ty::ERROR };
        for lambdas in [false, true] {
            for (param, slot) in used.params.iter().zip(&order) {
                let Some(arg) = slot.map(|i| &args[i]) else { continue };
                let reason = Reason::Parameter { name: param.name, of: used.name, span: param.span };
                match (arg.lambda.is_some(), lambdas) {
                    (false, false) => self.coerce(arg.value.expr, arg.value.ty, param.ty, reason),
                    (true, true) => self.check(arg.value.expr, param.ty, reason),
                    _ => {}
                }
            }
        }
        self.finish_call(expr, used, &order, args, constraints)
    }

    fn finish_call(
        &mut self,
        expr: ExprId,
        used: Use,
        order: &[Option<usize>],
        args: &[CallArg],
        constraints: Vec<crate::types::constraint::Constraint>,
    ) -> Ty {
        let span = self.span(expr);
        self.perform(used.effect, span);
        self.require_all(constraints);
        let record = CallRecord {
            target: target(used.callee, Vec::new()),
            args: order.iter().map(|slot| slot.map(|i| args[i].value.expr)).collect(),
            params: used.params.iter().map(|p| p.ty).collect(),
            result: used.result,
        };
        self.record.calls.push((expr, record));
        used.result
    }
}

/// What lowering is told of a callee.
pub(crate) fn target(callee: Callee, lifted: Vec<bool>) -> Target {
    match callee {
        Callee::Def(def) => Target::Def(def, lifted),
        Callee::Dist(item) => Target::Dist(item, lifted),
        Callee::Constructor(_, tag) => Target::Constructor(tag),
        Callee::Domain(name) => Target::Domain(name),
    }
}
