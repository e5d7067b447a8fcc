//! From the program of a session to the code of one entry: what is reachable, improved by the passes, compiled.

use crate::core::Type;
use crate::core::ir::{Atom, Block, Dist, DistUse, FuncId, Function, Op, PrimRef, Program, Rhs, StmtKind};
use crate::exec::machine::code::LiftCallee;
use crate::exec::machine::{Code, compile, general, lift, scalar};
use crate::passes::{self, Context, PrimEffect};
use crate::prim::{self, Body};
use crate::source::{Diagnostic, Span, intern};
use crate::value::{Fault, Value};
use std::collections::HashSet;
use std::sync::Arc;

/// The program with the entry, in which functions that it cannot reach are empty. Numbers stay as they are, because values of the
/// session (closures, distributions) refer to them.
pub fn reach(program: &Program, entry: FuncId) -> Program {
    let mut reach = Reach { program, funcs: HashSet::new(), dists: HashSet::new(), queue: vec![entry] };
    while let Some(func) = reach.queue.pop() {
        if reach.funcs.insert(func)
            && let Some(func) = program.funcs.get(func.0 as usize)
        {
            reach.block(&func.body);
        }
    }
    let unused = Arc::new(Function {
        name: intern("unused"),
        span: Span::NONE,
        random: false,
        user: false,
        vars: vec![crate::core::ir::Var { name: intern("x"), ty: Type::UNIT, mutable: false }],
        params: vec![crate::core::ir::VarId(0)],
        captures: Vec::new(),
        body: Block { stmts: Vec::new(), result: Atom::Const(Value::Real(0.0), Type::REAL) },
        result: Type::REAL,
    });
    let mut out = program.clone();
    for (k, func) in out.funcs.iter_mut().enumerate() {
        if !reach.funcs.contains(&FuncId(k as u32)) {
            *func = Arc::clone(&unused);
        }
    }
    for (k, dist) in out.dists.iter_mut().enumerate() {
        if !reach.dists.contains(&(k as u32)) {
            // Its `logp` is the empty function, which is a density over `()`.
            *dist = Arc::new(Dist {
                name: dist.name,
                params: Vec::new(),
                value: Type::UNIT,
                lifted: Vec::new(),
                logp: dist.logp,
                sample: None,
                support: None,
                check: None,
                members: Vec::new(),
            });
        }
    }
    out.entry = Some(entry);
    out
}

struct Reach<'a> {
    program: &'a Program,
    funcs: HashSet<FuncId>,
    dists: HashSet<u32>,
    queue: Vec<FuncId>,
}

impl Reach<'_> {
    fn dist(&mut self, dist: u32) {
        if self.dists.insert(dist)
            && let Some(dist) = self.program.dists.get(dist as usize)
        {
            self.queue.push(dist.logp);
            self.queue.extend(dist.sample.iter().chain(&dist.support).chain(&dist.check).copied());
            self.queue.extend(dist.members.iter().map(|(_, f)| *f));
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Closure(closure) => {
                self.queue.push(FuncId(closure.function));
                closure.captures.iter().for_each(|v| self.value(v));
            }
            Value::Dist(dist) => {
                self.dist(dist.dist);
                dist.args.iter().for_each(|v| self.value(v));
            }
            Value::Tuple(parts) => parts.0.iter().for_each(|v| self.value(v)),
            Value::Record(record) => record.fields.iter().for_each(|v| self.value(v)),
            Value::Variant(variant) => variant.fields.iter().for_each(|v| self.value(v)),
            Value::Values(items) => items.iter().for_each(|v| self.value(v)),
            Value::Host(host) => host.held().iter().for_each(|v| self.value(v)),
            _ => {}
        }
    }

    fn atom(&mut self, atom: &Atom) {
        match atom {
            Atom::Const(value, _) => self.value(value),
            Atom::Global(g) => {
                let program = self.program;
                if let Some(value) = program.globals.get(g.0 as usize).and_then(|g| g.value.as_ref()) {
                    self.value(value);
                }
            }
            Atom::Var(_) => {}
        }
    }

    fn dist_use(&mut self, dist: &DistUse) {
        match dist {
            DistUse::Known(id, args) => {
                self.dist(id.0);
                args.iter().for_each(|a| self.atom(a));
            }
            DistUse::Value(atom) => self.atom(atom),
        }
    }

    fn block(&mut self, block: &Block) {
        self.atom(&block.result);
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Let(_, rhs) => self.rhs(rhs),
                StmtKind::Assign(_, atom) | StmtKind::Update(_, _, atom) => self.atom(atom),
                StmtKind::For { low, high, body, .. } => {
                    self.atom(low);
                    self.atom(high);
                    self.block(body);
                }
                StmtKind::While { cond, body } => {
                    self.block(cond);
                    self.block(body);
                }
                StmtKind::If(cond, a, b) => {
                    self.atom(cond);
                    self.block(a);
                    self.block(b);
                }
                StmtKind::Observe { dist, value, .. } => {
                    self.dist_use(dist);
                    self.atom(value);
                }
                StmtKind::Factor { weight, .. } => self.atom(weight),
            }
        }
    }

    fn rhs(&mut self, rhs: &Rhs) {
        match rhs {
            Rhs::Atom(atom) | Rhs::Field(atom, _) | Rhs::Payload(atom, _, _) => self.atom(atom),
            Rhs::Op(_, args)
            | Rhs::Prim(_, args)
            | Rhs::Lift(_, args)
            | Rhs::Tuple(args)
            | Rhs::Record(args)
            | Rhs::Variant(_, args)
            | Rhs::Array(args)
            | Rhs::Host(_, args) => args.iter().for_each(|a| self.atom(a)),
            Rhs::Call { func, args, .. } => {
                self.queue.push(*func);
                args.iter().for_each(|a| self.atom(a));
            }
            Rhs::CallClosure { callee, args, .. } => {
                self.atom(callee);
                args.iter().for_each(|a| self.atom(a));
            }
            Rhs::Closure(func, args) => {
                self.queue.push(*func);
                args.iter().for_each(|a| self.atom(a));
            }
            Rhs::Dist(dist, args) => {
                self.dist(dist.0);
                args.iter().for_each(|a| self.atom(a));
            }
            Rhs::Build { len, body, .. } => {
                self.atom(len);
                self.block(body);
            }
            Rhs::Sample { dist, .. } => self.dist_use(dist),
            Rhs::Member(_, dist, args) => {
                self.dist_use(dist);
                args.iter().for_each(|a| self.atom(a));
            }
            Rhs::If(cond, a, b) => {
                self.atom(cond);
                self.block(a);
                self.block(b);
            }
            Rhs::Switch { on, arms, otherwise } => {
                self.atom(on);
                arms.iter().for_each(|(_, b)| self.block(b));
                otherwise.iter().for_each(|b| self.block(b));
            }
        }
    }
}

fn body_of(row: u32) -> Body {
    prim::row(row as usize).map_or(Body::Intrinsic, |row| row.body)
}

fn fold_prim(prim: PrimRef, args: &[Value]) -> Option<Value> {
    let real = |k: usize| args.get(k).and_then(Value::as_real);
    let int = |k: usize| args.get(k).and_then(Value::as_int);
    match body_of(prim.row) {
        Body::Real1(f) => Some(Value::Real(f(real(0)?))),
        Body::Real2(f) => Some(Value::Real(f(real(0)?, real(1)?))),
        Body::Real3(f) => Some(Value::Real(f(real(0)?, real(1)?, real(2)?))),
        Body::Truncate(f) => f(real(0)?).ok().map(Value::Int),
        Body::Int1(f) => f(int(0)?).ok().map(Value::Int),
        Body::Int2(f) => f(int(0)?, int(1)?).ok().map(Value::Int),
        Body::General(f) => match f(args.to_vec().as_mut_slice()).ok()? {
            // The element type of an empty array is not known here.
            Value::Values(xs) if xs.is_empty() => None,
            value => Some(value),
        },
        _ => None,
    }
}

fn fold_op(op: Op, args: &[Value]) -> Option<Value> {
    match (op, args) {
        (Op::PowR, [Value::Real(a), Value::Real(b)]) => Some(Value::Real(scalar::power(*a, *b))),
        (Op::RemR, [Value::Real(a), Value::Real(b)]) => Some(Value::Real(scalar::remainder(*a, *b))),
        (Op::MatMul, _) => general::operate(op, args.to_vec().as_mut_slice(), &mut String::new()).ok(),
        (op, args) if args.iter().any(|a| a.array_len().is_some()) => {
            lift::apply(&LiftCallee::Op(op), args.to_vec().as_mut_slice(), Type::REAL).ok()
        }
        _ => None,
    }
}

fn effect(prim: PrimRef) -> PrimEffect {
    match body_of(prim.row) {
        Body::Real1(_) if prim.name.as_str() == "real" => PrimEffect::Same,
        Body::Real1(_) | Body::Real2(_) | Body::Real3(_) => PrimEffect::Total,
        Body::Truncate(_) | Body::Int1(_) | Body::Int2(_) | Body::General(_) => PrimEffect::Faults,
        _ => PrimEffect::Acts,
    }
}

/// The primitive of a signature.
fn named(signature: &str) -> Option<PrimRef> {
    let row = prim::rows().iter().flat_map(|rows| rows.iter()).position(|row| row.signature == signature)?;
    let name = signature.strip_prefix("fn ")?.split('(').next()?;
    Some(PrimRef { row: row as u32, name: intern(name) })
}

/// What the passes ask of primitives and of the machine's arithmetic.
pub fn context() -> Context {
    Context { prim: fold_prim, op: fold_op, effect, named }
}

/// The passes that every program goes through: all but the one that renumbers and the one that is for filters.
fn usual() -> impl Iterator<Item = &'static passes::Pass> {
    passes::PASSES.iter().filter(|pass| !["prune", "delay"].contains(&pass.name))
}

/// Runs a pass; false where it left an error.
fn pass(pass: &passes::Pass, program: &mut Program, found: &mut Vec<Diagnostic>) -> bool {
    found.extend((pass.run)(program, &context()));
    checked(pass.name, program, found)
}

/// In debug builds, whether a program is well formed after a pass.
fn checked(name: &str, program: &Program, found: &mut Vec<Diagnostic>) -> bool {
    if cfg!(debug_assertions)
        && let Some(message) = crate::core::check::check(program).into_iter().next()
    {
        let text = format!("internal error: after the pass {name}: {message}");
        found.push(Diagnostic::error(Span::NONE, text));
        return false;
    }
    true
}

/// Runs the passes that every program goes through.
pub fn improve(program: &mut Program) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for each in usual() {
        if !pass(each, program, &mut found) {
            break;
        }
    }
    found
}

/// As [`improve`]; also gives the program with its choices delayed, where it has any and runs filters that profit.
pub fn improve_both(program: &mut Program) -> (Vec<Diagnostic>, Option<Program>) {
    let mut found = Vec::new();
    let mut delayed = None;
    for each in usual() {
        // Densities are not yet written out.
        if each.name == "score" && asks_for_delay(program) {
            let mut other = program.clone();
            let relations = passes::delay::delay(&mut other, &context());
            if passes::delay::any_delayed(&relations)
                && checked("delay", &other, &mut found)
                && pass(each, &mut other, &mut found)
            {
                delayed = Some(other);
            }
        }
        if !pass(each, program, &mut found) {
            break;
        }
    }
    (found, delayed)
}

/// Which choices of a program are delayed where filters run it, and why others are not.
pub fn relations(program: &Program) -> Vec<passes::delay::Relation> {
    let mut program = program.clone();
    let mut found = Vec::new();
    for each in usual().take_while(|each| each.name != "score") {
        if !pass(each, &mut program, &mut found) {
            return Vec::new();
        }
    }
    passes::delay::delay(&mut program, &context())
}

/// Whether a program calls a function of the host that runs models with their choices delayed.
fn asks_for_delay(program: &Program) -> bool {
    let mut asks = false;
    for func in &program.funcs {
        passes::walk::every_stmt(&func.body, &mut |stmt| {
            if let StmtKind::Let(_, Rhs::Host(name, _)) = &stmt.kind {
                asks |= matches!(name.as_str(), "spawn" | "importance");
            }
        });
    }
    asks
}

/// The code of a program.
pub fn code(program: &Program) -> Result<Code, Fault> {
    // What was inlined everywhere needs no code.
    let entry = program.entry.ok_or_else(|| Fault::internal("a program without an entry"))?;
    let program = reach(program, entry);
    compile::compile(&program, &body_of)
}
