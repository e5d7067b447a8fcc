//! Rewrites one function from its first statement to its last, with all that is known of its variables on the way.
//!
//! A variable that is bound once to a constant, a global or another such variable is replaced by it. Mutable variables are
//! never looked through: what they hold depends on when one asks.

use super::walk;
use super::{Context, PrimEffect, fold};
use crate::core::ir::{
    Atom, Block, DistUse, FuncId, Function, Global, GlobalId, Program, Rhs, Stmt, StmtKind, Var, VarId,
};
use crate::core::ty::TypeKind;
use crate::source::Span;
use crate::value::Value;

/// Arrays with more elements than this become globals instead of constants.
const LONGEST_CONSTANT: usize = 16;

/// Says which calls may be replaced by the body of the function.
#[derive(Clone, Copy)]
pub struct Inlining<'a> {
    /// By function: whether it is deterministic, not recursive, and worth it wherever it is called.
    pub always: &'a [bool],
    /// By function: whether it is worth it where a function is passed to it that is known there.
    pub with_functions: &'a [bool],
    /// The function's calls of itself that are replaced.
    pub own: Option<Own<'a>>,
    /// How many statements a function may gain.
    pub budget: usize,
}

/// How a function's calls of itself are replaced.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    pub func: FuncId,
    /// To this depth they are replaced by the body.
    pub levels: usize,
    /// What replaces those one deeper.
    pub last: Option<&'a Block>,
}

/// The rewritten function, and the globals that it needs beyond those of the program.
pub fn function(
    program: &Program,
    context: &Context,
    id: FuncId,
    inlining: Option<Inlining<'_>>,
) -> (Function, Vec<Global>) {
    let function = &program.funcs[id.0 as usize];
    let mut rewriter = Rewriter {
        program,
        context,
        inlining,
        vars: function.vars.clone(),
        subst: vec![None; function.vars.len()],
        known: vec![None; function.vars.len()],
        globals: Vec::new(),
        gained: 0,
        level: 0,
    };
    let body = rewriter.block(function.body.clone());
    (Function { vars: rewriter.vars, body, ..Function::clone(function) }, rewriter.globals)
}

struct Rewriter<'a> {
    program: &'a Program,
    context: &'a Context,
    inlining: Option<Inlining<'a>>,
    vars: Vec<Var>,
    /// What stands for a variable.
    subst: Vec<Option<Atom>>,
    /// The tuple, record, variant, closure or distribution that a variable is.
    known: Vec<Option<Rhs>>,
    globals: Vec<Global>,
    gained: usize,
    /// How many calls of itself the function is in, of those replaced by its body.
    level: usize,
}

impl Rewriter<'_> {
    fn block(&mut self, block: Block) -> Block {
        let mut stmts = Vec::with_capacity(block.stmts.len());
        let result = self.splice(block, &mut stmts);
        Block { stmts, result }
    }

    /// Rewrites the statements of a block to the end of `out`; gives its result.
    fn splice(&mut self, block: Block, out: &mut Vec<Stmt>) -> Atom {
        for stmt in block.stmts {
            self.stmt(stmt, out);
        }
        let mut result = block.result;
        self.operand(&mut result);
        result
    }

    fn mutable(&self, id: VarId) -> bool {
        self.vars.get(id.0 as usize).is_none_or(|var| var.mutable)
    }

    /// Whether an operand means the same wherever it is in scope.
    fn stable(&self, atom: &Atom) -> bool {
        match atom {
            Atom::Var(id) => !self.mutable(*id),
            Atom::Const(..) | Atom::Global(_) => true,
        }
    }

    fn operand(&self, atom: &mut Atom) {
        if let Atom::Var(id) = atom
            && let Some(Some(known)) = self.subst.get(id.0 as usize)
        {
            *atom = known.clone();
        }
        if let Atom::Global(id) = atom
            && let Some(global) = self.program.globals.get(id.0 as usize)
            && let Some(value) = &global.value
            && is_small(value)
        {
            *atom = Atom::Const(value.clone(), global.ty);
        }
    }

    /// The value of an operand, where it is known; functions and objects of the host are not looked at.
    fn value<'b>(&'b self, atom: &'b Atom) -> Option<&'b Value> {
        let value = match atom {
            Atom::Const(value, _) => value,
            Atom::Global(id) => {
                let place = id.0 as usize;
                let own = place.checked_sub(self.program.globals.len());
                own.map_or_else(|| self.program.globals.get(place), |i| self.globals.get(i))?.value.as_ref()?
            }
            Atom::Var(_) => return None,
        };
        (!matches!(value, Value::Closure(_) | Value::Host(_) | Value::Dist(_))).then_some(value)
    }

    fn values<'b>(&'b self, atoms: &'b [Atom]) -> Option<Vec<&'b Value>> {
        atoms.iter().map(|a| self.value(a)).collect()
    }

    /// A constant, or a new global for a long array, named after the variable that held it.
    fn constant(&mut self, value: Value, var: VarId) -> Atom {
        let Var { name, ty, .. } = self.vars[var.0 as usize];
        if elements(&value) <= LONGEST_CONSTANT {
            return Atom::Const(value, ty);
        }
        self.globals.push(Global { name, ty, value: Some(value) });
        Atom::Global(GlobalId((self.program.globals.len() + self.globals.len() - 1) as u32))
    }

    fn bind_atom(&mut self, span: Span, var: VarId, atom: Atom, out: &mut Vec<Stmt>) {
        if !self.mutable(var) && self.stable(&atom) {
            self.subst[var.0 as usize] = Some(atom);
        } else {
            out.push(Stmt { span, kind: StmtKind::Let(var, Rhs::Atom(atom)) });
        }
    }

    fn stmt(&mut self, mut stmt: Stmt, out: &mut Vec<Stmt>) {
        walk::stmt_atoms_mut(&mut stmt, &mut |atom| self.operand(atom));
        let span = stmt.span;
        let kind = match stmt.kind {
            StmtKind::Let(var, rhs) => return self.binding(span, var, rhs, out),
            StmtKind::For { low, high, .. } if known_empty(&low, &high) => return,
            StmtKind::For { var, low, high, body } => StmtKind::For { var, low, high, body: self.block(body) },
            StmtKind::While { cond, body } => {
                let cond = self.block(cond);
                if cond.stmts.is_empty() && truth(&cond.result) == Some(false) {
                    return;
                }
                StmtKind::While { cond, body: self.block(body) }
            }
            StmtKind::If(cond, yes, no) => match truth(&cond) {
                Some(taken) => {
                    self.splice(if taken { yes } else { no }, out);
                    return;
                }
                None => {
                    let (yes, no) = (self.block(yes), self.block(no));
                    if yes.stmts.is_empty() && no.stmts.is_empty() {
                        return;
                    }
                    StmtKind::If(cond, yes, no)
                }
            },
            StmtKind::Observe { site, dist, value, path } => {
                StmtKind::Observe { site, dist: self.known_dist(dist), value, path }
            }
            other => other,
        };
        out.push(Stmt { span, kind });
    }

    /// `var = rhs`, whose operands are rewritten already.
    fn binding(&mut self, span: Span, var: VarId, rhs: Rhs, out: &mut Vec<Stmt>) {
        let rhs = match rhs {
            Rhs::If(cond, yes, no) => match truth(&cond) {
                Some(taken) => {
                    let atom = self.splice(if taken { yes } else { no }, out);
                    return self.bind_atom(span, var, atom, out);
                }
                None => {
                    let (yes, no) = (self.block(yes), self.block(no));
                    match joined(&cond, &yes, &no) {
                        Some(atom) if self.stable(&atom) => return self.bind_atom(span, var, atom, out),
                        _ => Rhs::If(cond, yes, no),
                    }
                }
            },
            Rhs::Switch { on, mut arms, otherwise } => {
                if let Some(tag) = self.tag(&on) {
                    let arm = arms.iter().position(|(t, _)| *t == tag);
                    let taken = arm.map(|i| arms.swap_remove(i).1).or(otherwise.map(|block| *block));
                    if let Some(block) = taken {
                        let atom = self.splice(block, out);
                        self.bind_atom(span, var, atom, out);
                    }
                    // Without an arm the program is malformed; the checker says so before any pass.
                    return;
                }
                let arms = arms.into_iter().map(|(tag, block)| (tag, self.block(block))).collect();
                Rhs::Switch { on, arms, otherwise: otherwise.map(|block| Box::new(self.block(*block))) }
            }
            Rhs::Build { len, var: index, body } => Rhs::Build { len, var: index, body: self.block(body) },
            Rhs::Call { func, args, site, path } => {
                if self.may_inline(func, &args) {
                    return self.inline(span, var, func, args, Vec::new(), out);
                }
                Rhs::Call { func, args, site, path }
            }
            Rhs::CallClosure { callee, args, site, path } => match self.known_rhs(&callee).cloned() {
                Some(Rhs::Closure(func, captures))
                    if captures.iter().all(|atom| self.stable(atom)) && self.may_inline(func, &args) =>
                {
                    return self.inline(span, var, func, args, captures, out);
                }
                Some(Rhs::Closure(func, captures)) if captures.is_empty() => Rhs::Call { func, args, site, path },
                _ => Rhs::CallClosure { callee, args, site, path },
            },
            Rhs::Sample { site, dist, path } => Rhs::Sample { site, dist: self.known_dist(dist), path },
            Rhs::Member(name, dist, args) => Rhs::Member(name, self.known_dist(dist), args),
            simple => {
                if let Some(atom) = self.reduce(&simple, var) {
                    return self.bind_atom(span, var, atom, out);
                }
                simple
            }
        };
        if !self.mutable(var)
            && matches!(rhs, Rhs::Tuple(_) | Rhs::Record(_) | Rhs::Variant(..) | Rhs::Closure(..) | Rhs::Dist(..))
        {
            self.known[var.0 as usize] = Some(rhs.clone());
        }
        out.push(Stmt { span, kind: StmtKind::Let(var, rhs) });
    }

    fn known_rhs(&self, atom: &Atom) -> Option<&Rhs> {
        match atom {
            Atom::Var(id) => self.known.get(id.0 as usize)?.as_ref(),
            _ => None,
        }
    }

    /// The tag of a variant that is known.
    fn tag(&self, atom: &Atom) -> Option<u32> {
        match self.known_rhs(atom) {
            Some(Rhs::Variant(tag, _)) => Some(*tag),
            _ => match self.value(atom)? {
                Value::Variant(variant) => Some(variant.tag),
                _ => None,
            },
        }
    }

    fn known_dist(&self, dist: DistUse) -> DistUse {
        if let DistUse::Value(atom) = &dist
            && let Some(Rhs::Dist(id, args)) = self.known_rhs(atom)
            && args.iter().all(|a| self.stable(a))
        {
            return DistUse::Known(*id, args.clone());
        }
        dist
    }

    /// The operand that a right-hand side without blocks comes to.
    fn reduce(&mut self, rhs: &Rhs, var: VarId) -> Option<Atom> {
        let value = match rhs {
            Rhs::Atom(atom) => return Some(atom.clone()),
            Rhs::Op(op, args) => {
                if let [first, second] = &args[..]
                    && let Some(second) = self.value(second)
                    && fold::neutral(*op, second)
                    && self.stable(first)
                {
                    return Some(first.clone());
                }
                fold::op(*op, &self.values(args)?, self.context)?
            }
            Rhs::Prim(prim, args) => {
                if (self.context.effect)(*prim) == PrimEffect::Same {
                    return args.first().cloned();
                }
                let owned: Vec<Value> = self.values(args)?.into_iter().cloned().collect();
                (self.context.prim)(*prim, &owned)?
            }
            Rhs::Lift(callee, args) => {
                fold::lift(*callee, &self.values(args)?, self.vars[var.0 as usize].ty, self.context)?
            }
            Rhs::Field(atom, n) => {
                let place = *n as usize;
                if let Some(Rhs::Tuple(parts) | Rhs::Record(parts)) = self.known_rhs(atom) {
                    return parts.get(place).filter(|a| self.stable(a)).cloned();
                }
                match self.value(atom)? {
                    Value::Tuple(parts) => parts.0.get(place)?.clone(),
                    Value::Record(record) => record.fields.get(place)?.clone(),
                    _ => return None,
                }
            }
            Rhs::Payload(atom, tag, n) => {
                let place = *n as usize;
                if let Some(Rhs::Variant(known, fields)) = self.known_rhs(atom) {
                    return fields.get(place).filter(|a| known == tag && self.stable(a)).cloned();
                }
                match self.value(atom)? {
                    Value::Variant(variant) if variant.tag == *tag => variant.fields.get(place)?.clone(),
                    _ => return None,
                }
            }
            Rhs::Array(items) => {
                let element = self.vars[var.0 as usize].ty.element()?;
                let owned: Vec<Value> = self.values(items)?.into_iter().cloned().collect();
                if items.iter().any(|a| matches!(a, Atom::Global(_))) {
                    return None;
                }
                fold::array(owned, element)
            }
            _ => return None,
        };
        if matches!(value, Value::Closure(_) | Value::Host(_) | Value::Dist(_)) {
            return None;
        }
        Some(self.constant(value, var))
    }

    fn may_inline(&mut self, func: FuncId, args: &[Atom]) -> bool {
        let Some(inlining) = self.inlining else { return false };
        let place = func.0 as usize;
        let Some(function) = self.program.funcs.get(place) else { return false };
        let passes_function = || args.iter().any(|a| matches!(self.known_rhs(a), Some(Rhs::Closure(..))));
        let deepest = |own: Own| own.levels + usize::from(own.last.is_some());
        let wanted = inlining.always[place]
            || (inlining.with_functions[place] && passes_function())
            || inlining.own.is_some_and(|own| func == own.func && self.level < deepest(own));
        if !wanted {
            return false;
        }
        let size = walk::size(self.last(func).unwrap_or(&function.body));
        if self.gained + size > inlining.budget {
            return false;
        }
        self.gained += size;
        true
    }

    /// What replaces a call of a function in place of its body: a call of itself at the greatest depth.
    fn last(&self, func: FuncId) -> Option<&Block> {
        let own = self.inlining?.own?;
        own.last.filter(|_| func == own.func && self.level == own.levels)
    }

    /// Puts the body of a function, with fresh variables, in the place of a call.
    fn inline(
        &mut self,
        span: Span,
        var: VarId,
        func: FuncId,
        args: Vec<Atom>,
        captures: Vec<Atom>,
        out: &mut Vec<Stmt>,
    ) {
        let function = self.program.funcs[func.0 as usize].clone();
        let base = self.vars.len() as u32;
        self.vars.extend(&function.vars);
        self.subst.resize(self.vars.len(), None);
        self.known.resize(self.vars.len(), None);
        let last = self.last(func).cloned();
        let is_last = last.is_some();
        let mut body = last.unwrap_or_else(|| function.body.clone());
        if !function.user {
            // What goes wrong in the library is shown where the user's program called it.
            walk::every_stmt_mut(&mut body, &mut |stmt| stmt.span = span);
        } else if is_last {
            walk::every_stmt_mut(&mut body, &mut |stmt| {
                if matches!(&stmt.kind, StmtKind::Let(_, Rhs::Call { func: called, .. }) if *called == func) {
                    stmt.span = span;
                }
            });
        }
        walk::every_target_mut(&mut body, &mut |target, _| target.0 += base);
        walk::every_atom_mut(&mut body, &mut |atom| {
            if let Atom::Var(id) = atom {
                id.0 += base;
            }
        });
        let bound = function.params.iter().zip(args).chain(function.captures.iter().zip(captures));
        for (param, atom) in bound {
            self.bind_atom(span, VarId(param.0 + base), atom, out);
        }
        self.level += 1;
        let result = self.splice(body, out);
        self.level -= 1;
        self.bind_atom(span, var, result, out);
    }
}

/// Whether the type of a parameter is a function.
pub fn takes_function(function: &Function) -> bool {
    function.params.iter().any(|v| matches!(function.vars[v.0 as usize].ty.kind(), TypeKind::Fn(..)))
}

fn truth(atom: &Atom) -> Option<bool> {
    match atom {
        Atom::Const(Value::Bool(b), _) => Some(*b),
        _ => None,
    }
}

fn known_empty(low: &Atom, high: &Atom) -> bool {
    matches!((low, high), (Atom::Const(Value::Int(a), _), Atom::Const(Value::Int(b), _)) if a >= b)
}

/// What `if` comes to when neither branch does anything.
fn joined(cond: &Atom, yes: &Block, no: &Block) -> Option<Atom> {
    if !yes.stmts.is_empty() || !no.stmts.is_empty() {
        return None;
    }
    if yes.result == no.result {
        return Some(yes.result.clone());
    }
    (truth(&yes.result) == Some(true) && truth(&no.result) == Some(false)).then(|| cond.clone())
}

/// Whether a global is better written out than read.
fn is_small(value: &Value) -> bool {
    match value {
        Value::Unit | Value::Bool(_) | Value::Int(_) | Value::Real(_) | Value::Str(_) | Value::Domain(_) => true,
        Value::Tuple(parts) => parts.0.len() <= 8 && parts.0.iter().all(is_small),
        Value::Record(record) => record.fields.len() <= 8 && record.fields.iter().all(is_small),
        Value::Variant(variant) => variant.fields.is_empty(),
        _ => false,
    }
}

/// The number of scalars in a value, about.
fn elements(value: &Value) -> usize {
    match value {
        Value::Values(items) => items.iter().map(elements).sum(),
        Value::Matrix(m) => m.data.len(),
        Value::Tuple(parts) => parts.0.iter().map(elements).sum(),
        Value::Record(record) => record.fields.iter().map(elements).sum(),
        Value::Variant(variant) => variant.fields.iter().map(elements).sum::<usize>() + 1,
        other => other.array_len().unwrap_or(1),
    }
}

/// Drops the numbers of variables that nothing binds any more, and numbers the rest in the order of their binders.
pub fn compact(function: &mut Function) {
    let mut renamed = vec![None; function.vars.len()];
    let mut vars = Vec::new();
    let mut bind = |id: &mut VarId| {
        let place = renamed[id.0 as usize].get_or_insert_with(|| {
            vars.push(function.vars[id.0 as usize]);
            VarId(vars.len() as u32 - 1)
        });
        *id = *place;
    };
    function.params.iter_mut().chain(&mut function.captures).for_each(&mut bind);
    walk::every_target_mut(&mut function.body, &mut |id, _| bind(id));
    walk::every_atom_mut(&mut function.body, &mut |atom| {
        if let Atom::Var(id) = atom {
            bind(id);
        }
    });
    function.vars = vars;
}
