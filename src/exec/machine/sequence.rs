//! Whether a function draws and weighs in turn along a chain of states, as a state-space model does.

use crate::core::ir::{Atom, Block, DistUse, FuncId, Function, Program, Rhs, StmtKind, VarId};
use std::collections::HashSet;

/// A loop whose draws depend on what earlier rounds left in a variable and which weighs in each round; or a recursive function that
/// draws and weighs.
pub fn is_sequential(program: &Program, func: &Function) -> bool {
    let mut scan = Scan::default();
    scan.block(&func.body);
    let own = program.funcs.iter().position(|f| std::ptr::eq(&raw const **f, func)).map(|k| FuncId(k as u32));
    let recursive = own.is_some_and(|own| scan.calls.contains(&own));
    if recursive && scan.samples && scan.weighs {
        return true;
    }
    loops(&func.body)
}

fn loops(block: &Block) -> bool {
    block.stmts.iter().any(|stmt| match &stmt.kind {
        StmtKind::For { body, .. } | StmtKind::While { body, .. } => {
            let mut scan = Scan::default();
            scan.block(body);
            let carried = scan.weighs && scan.samples && scan.carries(body);
            carried || loops(body)
        }
        StmtKind::If(_, a, b) => loops(a) || loops(b),
        StmtKind::Let(_, Rhs::If(_, a, b)) => loops(a) || loops(b),
        StmtKind::Let(_, Rhs::Build { body, .. }) => loops(body),
        _ => false,
    })
}

/// What the statements of a block do, nested ones included.
#[derive(Default)]
struct Scan {
    samples: bool,
    weighs: bool,
    calls: HashSet<FuncId>,
    /// Variables that are assigned or updated.
    assigned: HashSet<VarId>,
    /// Variables computed from assigned ones.
    tainted: HashSet<VarId>,
    /// Variables computed from draws of the loop.
    drawn: HashSet<VarId>,
    carried: bool,
}

impl Scan {
    fn block(&mut self, block: &Block) {
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Let(_, rhs) => match rhs {
                    Rhs::Sample { .. } => self.samples = true,
                    Rhs::Call { func, site, .. } => {
                        self.calls.insert(*func);
                        // A random call may draw.
                        self.samples |= site.is_some();
                    }
                    Rhs::If(_, a, b) => {
                        self.block(a);
                        self.block(b);
                    }
                    Rhs::Build { body, .. } => self.block(body),
                    Rhs::Switch { arms, otherwise, .. } => {
                        arms.iter().for_each(|(_, b)| self.block(b));
                        otherwise.iter().for_each(|b| self.block(b));
                    }
                    _ => {}
                },
                StmtKind::Assign(var, _) | StmtKind::Update(var, _, _) => {
                    self.assigned.insert(*var);
                }
                StmtKind::Observe { .. } | StmtKind::Factor { .. } => self.weighs = true,
                StmtKind::For { body, .. } => self.block(body),
                StmtKind::While { cond, body } => {
                    self.block(cond);
                    self.block(body);
                }
                StmtKind::If(_, a, b) => {
                    self.block(a);
                    self.block(b);
                }
            }
        }
    }

    /// Whether a draw in the loop depends on a variable that the loop assigns.
    fn carries(&mut self, body: &Block) -> bool {
        self.tainted.clone_from(&self.assigned);
        // Two rounds are enough: definitions come before uses, except through the assigned variables.
        for _ in 0..2 {
            self.taint(body);
        }
        self.carried
    }

    fn is_tainted(&self, atom: &Atom) -> bool {
        matches!(atom, Atom::Var(v) if self.tainted.contains(v))
    }

    fn is_drawn(&self, atom: &Atom) -> bool {
        matches!(atom, Atom::Var(v) if self.drawn.contains(v))
    }

    fn taint(&mut self, block: &Block) {
        for stmt in &block.stmts {
            match &stmt.kind {
                StmtKind::Let(var, rhs) => {
                    rhs_blocks(rhs, &mut |inner| self.taint(inner));
                    let from = depends(rhs, &|atom| self.is_tainted(atom));
                    let draws = match rhs {
                        Rhs::Sample { .. } => true,
                        Rhs::Call { site, .. } => site.is_some(),
                        _ => false,
                    };
                    self.carried |= from && draws;
                    if draws || depends(rhs, &|atom| self.is_drawn(atom)) {
                        self.drawn.insert(*var);
                    }
                    if from {
                        self.tainted.insert(*var);
                    }
                }
                // A state that moves by what is drawn: `level = level + change`.
                StmtKind::Assign(var, atom) | StmtKind::Update(var, _, atom) => {
                    self.carried |= self.is_drawn(atom) && self.is_tainted(atom);
                    if self.is_drawn(atom) {
                        self.drawn.insert(*var);
                    }
                }
                StmtKind::For { body, .. } | StmtKind::While { body, .. } => self.taint(body),
                StmtKind::If(_, a, b) => {
                    self.taint(a);
                    self.taint(b);
                }
                _ => {}
            }
        }
    }
}

/// The blocks within a right-hand side.
fn rhs_blocks(rhs: &Rhs, go: &mut dyn FnMut(&Block)) {
    match rhs {
        Rhs::If(_, a, b) => {
            go(a);
            go(b);
        }
        Rhs::Build { body, .. } => go(body),
        Rhs::Switch { arms, otherwise, .. } => {
            arms.iter().for_each(|(_, b)| go(b));
            otherwise.iter().for_each(|b| go(b));
        }
        _ => {}
    }
}

/// Whether a value is computed from an atom that the predicate holds of.
fn depends(rhs: &Rhs, of: &dyn Fn(&Atom) -> bool) -> bool {
    match rhs {
        Rhs::Atom(a) | Rhs::Field(a, _) | Rhs::Payload(a, _, _) => of(a),
        Rhs::Op(_, args)
        | Rhs::Prim(_, args)
        | Rhs::Lift(_, args)
        | Rhs::Tuple(args)
        | Rhs::Record(args)
        | Rhs::Variant(_, args)
        | Rhs::Array(args)
        | Rhs::Dist(_, args)
        | Rhs::Closure(_, args)
        | Rhs::Host(_, args)
        | Rhs::Call { args, .. }
        | Rhs::CallClosure { args, .. }
        | Rhs::Member(_, _, args) => args.iter().any(of),
        Rhs::Sample { dist, .. } => match dist {
            DistUse::Known(_, args) => args.iter().any(of),
            DistUse::Value(a) => of(a),
        },
        Rhs::If(cond, a, b) => of(cond) || of(&a.result) || of(&b.result),
        Rhs::Build { body, .. } => of(&body.result),
        Rhs::Switch { on, arms, .. } => of(on) || arms.iter().any(|(_, b)| of(&b.result)),
    }
}
