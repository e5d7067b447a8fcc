//! From Core to array code: an abstract run of the program, in which data are known and choices are nodes of a graph.
//!
//! Calls, closures, records and distributions disappear as the run goes through them. A loop over data is run once, with its index as
//! an axis; only where a value is carried from one step to the next a loop stays a loop. What has no array code stops the run with a
//! [`Refusal`] that names the place.

pub mod abs;
mod choice;
mod finite;
mod growing;
mod loops;
mod natural;
mod number;
mod ode;
mod prims;
mod rhs;

pub use choice::{Choice, Slot, Slots};

use super::axis::{self, Axis};
use super::graph::{F, Graph, Id, Reduction};
use super::marginal::{self, Drawn, Factor, Finite};
use crate::core::ir::{Atom, Block, FuncId, Program, Rhs, Stmt, StmtKind, VarId};
use crate::source::Span;
use crate::value::Value;
use abs::{Abs, Cannot, Values};
use growing::Growing;
use std::collections::HashMap;
use std::rc::Rc;

/// Why a program has no array code, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub span: Span,
    pub reason: String,
    /// The program stops with an error there whatever its choices are, or a limit was met: another way to run the loop is no help.
    pub fatal: bool,
}

/// A program as array code.
pub struct Traced {
    pub graph: Graph,
    /// The log density of the choices and the data, without Jacobians.
    pub density: Id,
    /// The part of it that does not come from the densities of the choices; none where finite choices are summed out.
    pub likelihood: Option<Id>,
    /// The log Jacobian of the transform from the vector.
    pub jacobian: Id,
    /// Conditions without which the density is zero, each without axes.
    pub conditions: Vec<Id>,
    /// The choices in the order of the code.
    pub choices: Vec<Choice>,
    /// The length of the vector.
    pub dim: usize,
    /// The finite choices that are summed out.
    pub finite: Vec<Finite>,
    /// How they are drawn back, in the order in which they were summed out.
    pub drawn: Vec<Drawn>,
}

/// Statements and elements that one abstract run may go through.
const BUDGET: usize = 4_000_000;
/// Calls within calls.
const DEPTH: usize = 200;

/// Runs the function of a program that is its model.
pub fn trace(program: &Program, entry: FuncId, captures: &[Value]) -> Result<Traced> {
    run(program, entry, captures, false)
}

/// The same with the natural forms of the library's densities, to be read for its structure and not to be computed.
pub fn structure(program: &Program, entry: FuncId, captures: &[Value]) -> Result<Traced> {
    run(program, entry, captures, true)
}

fn run(program: &Program, entry: FuncId, captures: &[Value], natural: bool) -> Result<Traced> {
    let mut tracer = Tracer {
        natural,
        program,
        values: Values::default(),
        level: 0,
        scope: Vec::new(),
        mask: None,
        position: Vec::new(),
        counter: 0,
        factors: Vec::new(),
        priors: Vec::new(),
        jacobians: Vec::new(),
        conditions: Vec::new(),
        choices: Vec::new(),
        finite: Vec::new(),
        indices: Vec::new(),
        dim: 0,
        depth: 0,
        spent: 0,
        span: Span::NONE,
        growing: Vec::new(),
        assigned: HashMap::new(),
        sequence: 0,
    };
    let captures = captures.iter().cloned().map(Abs::Known).collect();
    tracer.call(entry, Vec::new(), captures)?;
    tracer.finish()
}

/// A step of the way to a place: where it is in the order of the code, then which lane of a loop.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Place {
    At(u32),
    Lane(Axis),
}

struct Frame {
    vars: Vec<Option<Abs>>,
    /// Where each variable may grow: the block that is run, to tell whether a loop is its own.
    func: FuncId,
}

struct Tracer<'a> {
    program: &'a Program,
    /// Densities of the library are replaced by their natural forms.
    natural: bool,
    values: Values,
    /// The level of the axis of the next loop.
    level: u32,
    /// The axes of the loops around.
    scope: Vec<Axis>,
    /// The condition under which the current place is reached, within the loops around.
    mask: Option<Id>,
    position: Vec<Place>,
    counter: u32,
    factors: Vec<Factor>,
    /// Which of the factors are densities of choices.
    priors: Vec<usize>,
    jacobians: Vec<Factor>,
    conditions: Vec<Factor>,
    choices: Vec<Choice>,
    finite: Vec<Finite>,
    /// Indices that may depend on finite choices, which is seen when promises are settled.
    indices: Vec<(Id, Span)>,
    dim: usize,
    depth: usize,
    spent: usize,
    span: Span,
    growing: Vec<Growing>,
    assigned: HashMap<usize, Rc<Vec<VarId>>>,
    /// Counts reads and writes of growing arrays, in the order of the code.
    sequence: u32,
}

type Result<T> = std::result::Result<T, Refusal>;

impl Tracer<'_> {
    fn refuse<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(Refusal { span: self.span, reason: reason.into(), fatal: false })
    }

    fn fatal<T>(&self, reason: impl Into<String>) -> Result<T> {
        Err(Refusal { span: self.span, reason: reason.into(), fatal: true })
    }

    fn or<T>(&self, result: std::result::Result<T, Cannot>) -> Result<T> {
        result.map_err(|reason| Refusal { span: self.span, reason, fatal: false })
    }

    fn graph(&mut self) -> &mut Graph {
        &mut self.values.graph
    }

    fn num(&mut self, x: &Abs) -> Result<Id> {
        let id = self.values.num(x);
        self.or(id)
    }

    fn spend(&mut self, amount: usize) -> Result<()> {
        self.spent += amount;
        if self.spent > BUDGET || self.values.graph.nodes.len() > BUDGET {
            return self.fatal("the program is too large for array code once its loops are unrolled");
        }
        if self.values.graph.too_large() {
            return self.fatal("the constants of the program are too large for array code");
        }
        Ok(())
    }

    /// Adds a log weight for every lane of the loops around.
    fn weigh(&mut self, weight: Id, jacobian: bool) {
        let factor = self.factor(weight, self.mask, 0.0, false);
        if jacobian {
            self.jacobians.push(factor);
        } else {
            self.factors.push(factor);
        }
    }

    /// A weight here; `otherwise` where a condition does not hold. Its total is a node from the start, so that a loop sees the use of
    /// what it carries.
    fn factor(&mut self, weight: Id, mask: Option<Id>, otherwise: f64, condition: bool) -> Factor {
        let mut scope = self.scope.clone();
        let graph = &mut self.values.graph;
        let weight = match mask {
            Some(mask) => {
                let otherwise = graph.scalar(otherwise);
                graph.select(mask, weight, otherwise)
            }
            None => weight,
        };
        let total = if condition {
            scope.iter().fold(weight, |holds, axis| graph.reduce(Reduction::Min, holds, *axis))
        } else {
            let one = graph.scalar(1.0);
            graph.contract(weight, one, &scope)
        };
        scope.sort();
        Factor { total, weight, scope, span: self.span }
    }

    /// The density is zero unless a condition holds here.
    fn require(&mut self, holds: Id) {
        let graph = &mut self.values.graph;
        let holds = match self.mask {
            Some(mask) => {
                let otherwise = graph.map(F::Not, &[mask]);
                graph.map(F::Or, &[otherwise, holds])
            }
            None => holds,
        };
        let factor = self.factor(holds, None, 0.0, true);
        if self.values.graph.number(factor.total).is_none_or(|x| x == 0.0) {
            self.conditions.push(factor);
        }
    }

    fn finish(mut self) -> Result<Traced> {
        self.check_indices(0)?;
        let graph = &mut self.values.graph;
        let zero = graph.scalar(0.0);
        let mut drawn = Vec::new();
        let observed = self.factors.iter().enumerate().filter(|(k, _)| !self.priors.contains(k));
        // With finite choices the densities of the others may stand within their sums.
        let likelihood = self.finite.is_empty().then(|| observed.fold(zero, |sum, (_, f)| graph.add(sum, f.total)));
        let (mut summed, mut factors) = (zero, self.factors);
        if !self.finite.is_empty() {
            // A condition on finite choices is a weight of zero for some of their values.
            let found = marginal::sum_out(graph, &mut self.finite, factors, &mut self.jacobians, &mut self.conditions)
                .map_err(|(span, reason)| Refusal { span, reason, fatal: false })?;
            (summed, factors, drawn) = (found.total, found.rest, found.drawn);
        }
        let density = factors.iter().fold(summed, |sum, f| graph.add(sum, f.total));
        let jacobian = self.jacobians.iter().fold(zero, |sum, f| graph.add(sum, f.total));
        let mut conditions: Vec<Id> = self.conditions.iter().map(|c| c.total).collect();
        conditions.sort();
        conditions.dedup();
        Ok(Traced {
            graph: self.values.graph,
            density,
            likelihood,
            jacobian,
            conditions,
            choices: self.choices,
            dim: self.dim,
            finite: self.finite,
            drawn,
        })
    }

    fn call(&mut self, func: FuncId, args: Vec<Abs>, captures: Vec<Abs>) -> Result<Abs> {
        if self.depth >= DEPTH {
            return self.fatal("calls are nested too deeply for array code: recursion must end by what data say");
        }
        let program = self.program;
        let Some(function) = program.funcs.get(func.0 as usize) else {
            return self.fatal("a function that does not exist is called");
        };
        if !function.user && matches!(function.name.as_str(), "ode_explicit" | "ode_implicit") {
            return self.ode(&args, function.name.as_str() == "ode_implicit");
        }
        if !function.user
            && function.name.as_str() == "log_poisson_term"
            && let Some(term) = self.poisson_term(&args)?
        {
            return Ok(term);
        }
        if self.natural
            && !function.user
            && let Some(form) = self.natural_form(function.name.as_str(), &args)?
        {
            return Ok(form);
        }
        let mut frame = Frame { vars: vec![None; function.vars.len()], func };
        for (var, value) in function.params.iter().zip(args).chain(function.captures.iter().zip(captures)) {
            frame.vars[var.0 as usize] = Some(value);
        }
        self.depth += 1;
        let span = self.span;
        let result = self.block(&mut frame, &function.body);
        self.depth -= 1;
        if result.is_ok() {
            self.span = span;
        }
        result
    }

    fn block(&mut self, frame: &mut Frame, block: &Block) -> Result<Abs> {
        for stmt in &block.stmts {
            self.stmt(frame, stmt)?;
        }
        self.atom(frame, &block.result)
    }

    fn atom(&mut self, frame: &Frame, atom: &Atom) -> Result<Abs> {
        match atom {
            Atom::Var(var) => match frame.vars.get(var.0 as usize) {
                Some(Some(value)) => Ok(value.clone()),
                _ => self.fatal("a variable is read that has no value"),
            },
            Atom::Const(value, _) => Ok(Abs::Known(value.clone())),
            Atom::Global(global) => match self.program.globals.get(global.0 as usize).and_then(|g| g.value.clone()) {
                Some(value) => Ok(Abs::Known(value)),
                None => self.fatal("data are not bound"),
            },
        }
    }

    fn atoms(&mut self, frame: &Frame, atoms: &[Atom]) -> Result<Vec<Abs>> {
        atoms.iter().map(|atom| self.atom(frame, atom)).collect()
    }

    fn stmt(&mut self, frame: &mut Frame, stmt: &Stmt) -> Result<()> {
        self.spend(1)?;
        if stmt.span != Span::NONE && self.program.funcs[frame.func.0 as usize].user {
            self.span = stmt.span;
        }
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                let ty = self.program.funcs[frame.func.0 as usize].vars[var.0 as usize].ty;
                let value = self.rhs(frame, rhs, ty)?;
                frame.vars[var.0 as usize] = Some(value);
            }
            StmtKind::Assign(var, atom) => {
                let value = self.atom(frame, atom)?;
                frame.vars[var.0 as usize] = Some(value);
            }
            StmtKind::Update(var, steps, atom) => {
                let value = self.atom(frame, atom)?;
                self.update(frame, *var, steps, value)?;
            }
            StmtKind::For { var, low, high, body } => {
                let (low, high) = (self.atom(frame, low)?, self.atom(frame, high)?);
                self.repeat(frame, *var, low, high, body, false)?;
            }
            StmtKind::While { cond, body } => loop {
                self.spend(1)?;
                match self.block(frame, cond)? {
                    Abs::Known(Value::Bool(true)) => {}
                    Abs::Known(Value::Bool(false)) => break,
                    Abs::Num(id, _) if self.values.graph.is_constant(id) => {
                        return self.refuse("a `while` loop that runs for a different number of steps in each lane");
                    }
                    Abs::Forward => return self.refuse("a `while` loop that a choice ends"),
                    _ => return self.refuse("a `while` loop that a choice ends"),
                }
                self.block(frame, body)?;
            },
            StmtKind::If(cond, yes, no) => {
                let cond = self.atom(frame, cond)?;
                self.branch(frame, &cond, yes, no)?;
            }
            StmtKind::Observe { dist, value, .. } => {
                let dist = self.dist_use(frame, dist)?;
                let value = self.atom(frame, value)?;
                let weight = self.logp(&dist, value)?;
                self.add_weight(&weight)?;
            }
            StmtKind::Factor { weight, .. } => {
                let weight = self.atom(frame, weight)?;
                self.add_weight(&weight)?;
            }
        }
        Ok(())
    }

    fn add_weight(&mut self, weight: &Abs) -> Result<()> {
        let weight = self.num(weight)?;
        self.weigh(weight, false);
        Ok(())
    }

    /// Runs the one block that is reached, or both, joining what they change.
    fn branch(&mut self, frame: &mut Frame, cond: &Abs, yes: &Block, no: &Block) -> Result<Abs> {
        let id = match cond {
            Abs::Known(Value::Bool(true)) => return self.block(frame, yes),
            Abs::Known(Value::Bool(false)) => return self.block(frame, no),
            Abs::Forward => return self.skip(frame, &[yes, no]),
            Abs::Num(id, _) => *id,
            _ => return self.fatal("a condition that is not a truth value"),
        };
        match self.values.graph.number(id) {
            Some(0.0) => return self.block(frame, no),
            Some(_) => return self.block(frame, yes),
            None => {}
        }
        let before = frame.vars.clone();
        let (mask, guard) = (self.mask, self.values.graph.guard);
        let not = self.graph().map(F::Not, &[id]);
        let under = |tracer: &mut Self, frame: &mut Frame, cond: Id, block: &Block| {
            let graph = &mut tracer.values.graph;
            tracer.mask = Some(match mask {
                Some(mask) => graph.map(F::And, &[mask, cond]),
                None => cond,
            });
            graph.guard = true;
            let result = if graph.number(tracer.mask.unwrap_or(cond)) == Some(0.0) {
                None
            } else {
                Some(tracer.block(frame, block))
            };
            tracer.mask = mask;
            tracer.values.graph.guard = guard;
            result.transpose()
        };
        let first = under(self, frame, id, yes)?;
        let after_yes = std::mem::replace(&mut frame.vars, before.clone());
        let second = under(self, frame, not, no)?;
        // A block that cannot be reached here changes nothing.
        let (first, second) = match (first, second) {
            (Some(first), Some(second)) => (first, second),
            (Some(first), None) => {
                frame.vars = after_yes;
                return Ok(first);
            }
            (None, Some(second)) => return Ok(second),
            (None, None) => return Ok(Abs::Known(Value::Unit)),
        };
        for (k, old) in before.iter().enumerate() {
            if old.is_none() {
                continue;
            }
            let (Some(a), Some(b)) = (&after_yes[k], &frame.vars[k]) else { continue };
            if !same_shallow(a, b) {
                let (a, b) = (a.clone(), b.clone());
                frame.vars[k] = Some(self.choose(id, &a, &b)?);
            }
        }
        self.choose(id, &first, &second)
    }

    /// `if c { a } else { b }` of two values of one structure.
    fn choose(&mut self, cond: Id, a: &Abs, b: &Abs) -> Result<Abs> {
        if matches!((a, b), (Abs::Known(Value::Unit), Abs::Known(Value::Unit))) {
            return Ok(a.clone());
        }
        let result = self.values.zip(a, b, &mut |values, a, b, _| Ok(values.graph.select(cond, a, b)));
        self.or(result)
    }

    /// Leaves out blocks whose effect no weight depends on.
    fn skip(&mut self, frame: &mut Frame, blocks: &[&Block]) -> Result<Abs> {
        for block in blocks {
            for var in self.assigned(block).iter() {
                frame.vars[var.0 as usize] = Some(Abs::Forward);
            }
        }
        Ok(Abs::Forward)
    }

    /// The variables that a block assigns and does not declare.
    fn assigned(&mut self, block: &Block) -> Rc<Vec<VarId>> {
        let key = std::ptr::from_ref(block) as usize;
        if let Some(known) = self.assigned.get(&key) {
            return Rc::clone(known);
        }
        let (mut assigned, mut declared) = (Vec::new(), Vec::new());
        collect(block, &mut assigned, &mut declared);
        assigned.retain(|var| !declared.contains(var));
        assigned.sort();
        assigned.dedup();
        let found = Rc::new(assigned);
        self.assigned.insert(key, Rc::clone(&found));
        found
    }

    /// The number of positions of the loops around.
    fn lanes(&self) -> usize {
        axis::size(&self.scope)
    }
}

/// Whether two values are one without looking deeply.
fn same_shallow(a: &Abs, b: &Abs) -> bool {
    match (a, b) {
        (Abs::Num(a, _), Abs::Num(b, _)) => a == b,
        (Abs::Array(a), Abs::Array(b)) => Rc::ptr_eq(a, b),
        (Abs::Matrix(a, r, c), Abs::Matrix(b, s, d)) => a == b && r == s && c == d,
        (Abs::List(a), Abs::List(b)) | (Abs::Tuple(a), Abs::Tuple(b)) | (Abs::Record(_, a), Abs::Record(_, b)) => {
            Rc::ptr_eq(a, b)
        }
        (Abs::Growing(a), Abs::Growing(b)) => a == b,
        (Abs::Domain(a), Abs::Domain(b)) => Rc::ptr_eq(a, b),
        (Abs::Known(Value::Reals(a)), Abs::Known(Value::Reals(b))) => std::sync::Arc::ptr_eq(a, b),
        (Abs::Known(a), Abs::Known(b)) if a.array_len().is_none() => crate::value::same(a, b),
        (Abs::Forward, Abs::Forward) => true,
        _ => false,
    }
}

fn collect(block: &Block, assigned: &mut Vec<VarId>, declared: &mut Vec<VarId>) {
    for stmt in &block.stmts {
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                declared.push(*var);
                match rhs {
                    Rhs::Build { body, .. } => collect(body, assigned, declared),
                    Rhs::If(_, yes, no) => {
                        collect(yes, assigned, declared);
                        collect(no, assigned, declared);
                    }
                    Rhs::Switch { arms, otherwise, .. } => {
                        arms.iter().for_each(|(_, block)| collect(block, assigned, declared));
                        otherwise.iter().for_each(|block| collect(block, assigned, declared));
                    }
                    _ => {}
                }
            }
            StmtKind::Assign(var, _) | StmtKind::Update(var, _, _) => assigned.push(*var),
            StmtKind::For { body, .. } => collect(body, assigned, declared),
            StmtKind::While { cond, body } => {
                collect(cond, assigned, declared);
                collect(body, assigned, declared);
            }
            StmtKind::If(_, yes, no) => {
                collect(yes, assigned, declared);
                collect(no, assigned, declared);
            }
            StmtKind::Observe { .. } | StmtKind::Factor { .. } => {}
        }
    }
}
