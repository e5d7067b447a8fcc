//! Calls of overloaded names, and of definitions that run over the elements of their arguments.

use super::Shape;
use crate::syntax::ast::ExprId;
use crate::types::constraint::{Call, Constraint, Reason};
use crate::types::error;
use crate::types::infer::{CallRecord, Infer, slots, target};
use crate::types::scheme::{Callee, Candidate, SchemeParam, Use};
use crate::types::table::{Node, Ty};
use crate::types::typed::NameUse;

/// How well a candidate fits: fewer conversions first.
type Score = u32;

impl Infer<'_> {
    pub(super) fn attempt_call(&mut self, constraint: &Constraint, call: &Call, last_chance: bool) -> bool {
        let chosen = match call.candidates.len() {
            1 => Some(0),
            _ => {
                let (fitting, undecided) = self.fitting(call);
                match fitting.as_slice() {
                    [] => {
                        let diagnostic = error::no_overload_by_type(self, constraint, call);
                        self.fail(constraint, diagnostic);
                        let _ = self.table.unify(call.result, Ty::ERROR);
                        return true;
                    }
                    [(only, _)] => Some(*only),
                    _ if undecided && !last_chance => None,
                    several => several.iter().min_by_key(|(_, score)| *score).map(|(i, _)| *i),
                }
            }
        };
        match chosen {
            Some(i) => self.commit(constraint, call, &call.candidates[i]),
            None => false,
        }
    }

    /// The candidate of a call, where enough is known to choose.
    pub fn choose(&mut self, call: &Call) -> Option<usize> {
        if call.candidates.len() == 1 {
            return Some(0);
        }
        let (fitting, undecided) = self.fitting(call);
        match fitting.as_slice() {
            [(only, _)] => Some(*only),
            several if !undecided => several.iter().min_by_key(|(_, score)| *score).map(|(i, _)| *i),
            _ => None,
        }
    }

    /// The candidates that the arguments fit, and whether more may be learned about the arguments.
    fn fitting(&mut self, call: &Call) -> (Vec<(usize, Score)>, bool) {
        let undecided = call.args.iter().any(|arg| {
            let (_, inner) = self.depth_of(arg.value.ty);
            arg.lambda.is_none() && self.table.is_unknown(inner)
        });
        let mut fitting = Vec::new();
        for (i, candidate) in call.candidates.iter().enumerate() {
            let mark = self.table.mark();
            let score = self.score(call, candidate);
            self.table.undo(mark);
            if let Some(score) = score {
                fitting.push((i, score));
            }
        }
        (fitting, undecided)
    }

    fn score(&mut self, call: &Call, candidate: &Candidate) -> Option<Score> {
        let order = slots(candidate.params(), &call.args).ok()?;
        let lifts = candidate.lifts();
        let used = candidate.instantiate(&mut self.table, crate::source::Span::NONE, &mut Vec::new());
        let mut score = 0;
        for (param, slot) in used.params.iter().zip(&order) {
            let Some(arg) = slot.and_then(|i| call.args.get(i)) else { continue };
            if let Some(count) = arg.lambda {
                match self.table.node(param.ty) {
                    Node::Fn(types, ..) if types.len() == count => {}
                    Node::Unknown => score += 1,
                    _ => return None,
                }
                continue;
            }
            if self.table.is_unknown(param.ty) {
                score += 1;
            }
            let mark = self.table.mark();
            if self.exact(arg.value.ty, param.ty) {
                continue;
            }
            self.table.undo(mark);
            if self.table.coerce(arg.value.ty, param.ty, crate::source::Span::NONE).is_ok() {
                score += 2;
                continue;
            }
            self.table.undo(mark);
            if !lifts || !self.lifts_to(arg.value.ty, param.ty) {
                return None;
            }
            score += 20;
        }
        Some(score)
    }

    /// Whether an argument has the type of the parameter as it stands, integer literals as integers.
    fn exact(&mut self, arg: Ty, param: Ty) -> bool {
        let mut open = Vec::new();
        self.table.literals(arg, &mut |t| open.push(t));
        self.table.unify(arg, param).is_ok() && !open.iter().any(|t| matches!(self.table.node(*t), Node::Real))
    }

    /// Whether the elements of an argument fit a scalar parameter.
    fn lifts_to(&mut self, arg: Ty, param: Ty) -> bool {
        let (depth, leaf) = self.depth_of(arg);
        match self.table.node(leaf).clone() {
            Node::Matrix => matches!(self.table.node(param), Node::Real),
            Node::Unknown => true,
            _ if depth == 0 => false,
            _ => {
                let (inner, _) = self.depth_of(param);
                if inner >= depth {
                    return false;
                }
                let ty = self.nested(inner, leaf);
                self.table.coerce(ty, param, crate::source::Span::NONE).is_ok()
            }
        }
    }

    /// Makes the call one of a candidate. False when it may run over elements and the arguments are not known well enough.
    fn commit(&mut self, constraint: &Constraint, call: &Call, candidate: &Candidate) -> bool {
        let depths = match self.lifting(call, candidate) {
            Some(depths) => depths,
            None => return false,
        };
        let mut constraints = Vec::new();
        let span = constraint.span;
        let used = candidate.instantiate(&mut self.table, span, &mut constraints);
        let Ok(order) = slots(&used.params, &call.args) else { return true };
        let depth = depths.iter().copied().max().unwrap_or(0);
        if depth > 0 {
            if depths.iter().any(|d| *d != 0 && *d != depth) {
                let diagnostic = error::lifted_depths_differ(self, constraint, call);
                self.fail(constraint, diagnostic);
                let _ = self.table.unify(call.result, Ty::ERROR);
                return true;
            }
            self.commit_lifted(constraint, call, &used, &order, &depths, depth);
        } else {
            for (param, slot) in used.params.iter().zip(&order) {
                let Some(arg) = slot.and_then(|i| call.args.get(i)) else { continue };
                let reason = Reason::Parameter { name: param.name, of: used.name, span: param.span };
                self.accept(constraint, arg.value, param.ty, reason);
            }
            self.settle(constraint, Some(call.expr), used.result, call.result);
            let params = used.params.iter().map(|p| p.ty).collect();
            self.record_call(constraint, call, &used, &order, Vec::new(), params, used.result);
        }
        self.table.flow(used.effect, call.around, span);
        for mut inner in constraints {
            if let Some(via) = constraint.via {
                inner.via = Some(via);
            }
            self.require_all(vec![inner]);
        }
        true
    }

    #[allow(clippy::too_many_arguments)]
    fn record_call(
        &mut self,
        constraint: &Constraint,
        call: &Call,
        used: &Use,
        order: &[Option<usize>],
        lifted: Vec<bool>,
        params: Vec<Ty>,
        result: Ty,
    ) {
        if constraint.via.is_none() {
            let args = order.iter().map(|slot| slot.map(|i| call.args[i].value.expr)).collect();
            let record = CallRecord { target: target(used.callee, lifted), args, params, result };
            self.record.calls.push((call.expr, record));
        }
    }

    fn commit_lifted(
        &mut self,
        constraint: &Constraint,
        call: &Call,
        used: &Use,
        order: &[Option<usize>],
        depths: &[u32],
        depth: u32,
    ) {
        let mut matrix = false;
        let mut params = Vec::with_capacity(used.params.len());
        for (i, (param, slot)) in used.params.iter().zip(order).enumerate() {
            let lifted = depths.get(i).copied().unwrap_or(0);
            let Some(arg) = slot.and_then(|i| call.args.get(i)) else {
                params.push(param.ty);
                continue;
            };
            let reason = Reason::Parameter { name: param.name, of: used.name, span: param.span };
            let elementwise_matrix = used.elementwise && matches!(self.table.node(arg.value.ty), Node::Matrix);
            let to = if elementwise_matrix {
                matrix = true;
                Ty::MATRIX
            } else {
                self.nested(lifted, param.ty)
            };
            self.accept(constraint, arg.value, to, reason);
            params.push(to);
        }
        if matrix {
            // Arrays of arrays beside a matrix are converted to one.
            for (i, (param, slot)) in params.iter_mut().zip(order).enumerate() {
                if let Some(arg) = slot.and_then(|i| call.args.get(i))
                    && depths.get(i).is_some_and(|d| *d > 0)
                {
                    *param = Ty::MATRIX;
                    if !matches!(self.table.node(arg.value.ty), Node::Matrix) {
                        self.accept(constraint, arg.value, Ty::MATRIX, Reason::Nothing);
                    }
                }
            }
        }
        let result = match self.table.node(used.result).clone() {
            Node::Dist(value) if matches!(used.callee, Callee::Dist(_)) => {
                let value = self.nested(depth, value);
                self.table.dist(value)
            }
            Node::Real if matrix => Ty::MATRIX,
            _ => self.nested(depth, used.result),
        };
        self.settle(constraint, Some(call.expr), result, call.result);
        let lifted = depths.iter().map(|d| *d > 0).collect();
        self.record_call(constraint, call, used, order, lifted, params, result);
    }

    /// How many array levels of each parameter's argument the call runs over; none where that is not known.
    fn lifting(&mut self, call: &Call, candidate: &Candidate) -> Option<Vec<u32>> {
        if !candidate.lifts() {
            return Some(Vec::new());
        }
        let order = slots(candidate.params(), &call.args).ok()?;
        let is_dist = matches!(candidate.callee(), Callee::Dist(_));
        let mark = self.table.mark();
        let used = candidate.instantiate(&mut self.table, crate::source::Span::NONE, &mut Vec::new());
        let declared: Vec<Option<(u32, bool)>> =
            used.params.iter().map(|param| self.declared_depth(param, is_dist)).collect();
        if let Candidate::Scheme(_) = candidate {
            self.table.undo(mark);
        }
        let mut depths = Vec::with_capacity(declared.len());
        for (declared, slot) in declared.iter().zip(&order) {
            let arg = slot.and_then(|i| call.args.get(i));
            let (Some((inner, matrix)), Some(arg)) = (declared, arg) else {
                depths.push(0);
                continue;
            };
            let (depth, leaf) = self.depth_of(arg.value.ty);
            let depth = match self.table.node(leaf) {
                Node::Unknown => return None,
                Node::Matrix if *matrix => depth,
                Node::Matrix => depth + 2,
                _ if *matrix => depth.saturating_sub(2),
                _ => depth,
            };
            depths.push(depth.saturating_sub(*inner));
        }
        Some(depths)
    }

    /// How many arrays deep a parameter is declared, and whether it is of matrices; none where it never runs over elements.
    fn declared_depth(&self, param: &SchemeParam, is_dist: bool) -> Option<(u32, bool)> {
        let (depth, leaf) = self.depth_of(param.ty);
        match self.table.node(leaf) {
            Node::Int | Node::Real | Node::Bool | Node::Literal | Node::Counter => {
                (is_dist || depth == 0).then_some((depth, false))
            }
            Node::Matrix => is_dist.then_some((depth, true)),
            _ => None,
        }
    }

    /// One of several definitions used as a value.
    pub(super) fn attempt_pick(
        &mut self,
        constraint: &Constraint,
        expr: ExprId,
        candidates: &[Candidate],
        ty: Ty,
        last_chance: bool,
    ) -> bool {
        let undecided = match self.table.node(ty).clone() {
            Node::Fn(params, ..) => params.iter().any(|p| self.shape(*p) == Shape::Unknown),
            Node::Unknown => true,
            _ => false,
        };
        if undecided && !last_chance {
            return false;
        }
        let mut best = None;
        for (i, candidate) in candidates.iter().enumerate() {
            let mark = self.table.mark();
            let used = candidate.instantiate(&mut self.table, constraint.span, &mut Vec::new());
            let effect = self.table.fresh_effect();
            let types = used.params.iter().map(|p| p.ty).collect();
            let function = self.table.add(Node::Fn(types, effect, used.result));
            let fits = self.table.unify(function, ty).is_ok();
            self.table.undo(mark);
            if fits {
                best = Some(i);
                break;
            }
        }
        let Some(best) = best else {
            let diagnostic = error::no_pick(self, constraint, candidates, ty);
            self.fail(constraint, diagnostic);
            return true;
        };
        let mut constraints = Vec::new();
        let used = candidates[best].instantiate(&mut self.table, constraint.span, &mut constraints);
        let effect = self.table.fresh_effect();
        self.table.flow(used.effect, effect, constraint.span);
        let types = used.params.iter().map(|p| p.ty).collect();
        let function = self.table.add(Node::Fn(types, effect, used.result));
        let _ = self.table.unify(function, ty);
        self.require_all(constraints);
        if constraint.via.is_none() {
            let usage = match used.callee {
                Callee::Def(def) => NameUse::Def(def),
                Callee::Dist(item) => NameUse::Dist(item),
                Callee::Constructor(_, tag) => NameUse::Constructor(tag),
                Callee::Domain(name) => NameUse::Domain(name),
            };
            self.record.names.push((expr, usage));
        }
        true
    }
}
