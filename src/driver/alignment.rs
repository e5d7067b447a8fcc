//! Whether all particles of a filter meet the same weights, as far as the program tells.
//!
//! A value is random when a choice has a say in it: through operands, through the conditions around what computes it, through arguments
//! of calls. A weight is uneven when a random condition, bound or function value decides whether it is met. Filters match uneven weights
//! by their place in the program.

use crate::core::ir::{Atom, Block, FuncId, Function, Program, Rhs, SiteId, Stmt, StmtKind, VarId};
use crate::passes::walk;
use std::collections::BTreeSet;

/// The sites that weigh some runs of the entry of a program, and that others may pass by.
pub fn uneven(program: &Program) -> Vec<SiteId> {
    let mut flow = Flow {
        program,
        params: program.funcs.iter().map(|func| vec![false; func.params.len()]).collect(),
        random: program.funcs.iter().map(|func| vec![false; func.vars.len()]).collect(),
        reached: vec![None; program.funcs.len()],
        uneven: BTreeSet::new(),
        changed: true,
    };
    let Some(entry) = program.entry else { return Vec::new() };
    flow.reach(entry, false);
    // What is random, and what is met by chance, only ever grows.
    while std::mem::take(&mut flow.changed) {
        for (k, func) in program.funcs.iter().enumerate() {
            if let Some(chance) = flow.reached[k] {
                flow.function(k, func, chance);
            }
        }
    }
    flow.uneven.into_iter().collect()
}

struct Flow<'p> {
    program: &'p Program,
    /// By function: which parameters may be random.
    params: Vec<Vec<bool>>,
    /// By function and variable.
    random: Vec<Vec<bool>>,
    /// Whether a function is called, and whether it is so by chance.
    reached: Vec<Option<bool>>,
    uneven: BTreeSet<SiteId>,
    changed: bool,
}

impl Flow<'_> {
    fn reach(&mut self, func: FuncId, chance: bool) {
        let reached = &mut self.reached[func.0 as usize];
        if reached.is_none_or(|before| chance && !before) {
            *reached = Some(chance);
            self.changed = true;
        }
    }

    fn mark(&mut self, func: usize, var: VarId) {
        let random = &mut self.random[func][var.0 as usize];
        self.changed |= !*random;
        *random = true;
    }

    fn is_random(&self, func: usize, atom: &Atom) -> bool {
        matches!(atom, Atom::Var(var) if self.random[func][var.0 as usize])
    }

    fn function(&mut self, k: usize, func: &Function, chance: bool) {
        for (param, random) in func.params.iter().zip(self.params[k].clone()) {
            if random {
                self.mark(k, *param);
            }
        }
        self.block(k, &func.body, chance);
    }

    fn block(&mut self, k: usize, block: &Block, chance: bool) {
        for stmt in &block.stmts {
            self.stmt(k, stmt, chance);
        }
    }

    fn stmt(&mut self, k: usize, stmt: &Stmt, chance: bool) {
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                if self.rhs(k, rhs, chance) {
                    self.mark(k, *var);
                }
            }
            StmtKind::Assign(var, _) | StmtKind::Update(var, _, _) => {
                let mut random = chance;
                walk::stmt_atoms(stmt, &mut |atom| random |= self.is_random(k, atom));
                if random {
                    self.mark(k, *var);
                }
            }
            StmtKind::For { low, high, body, .. } => {
                let often = self.is_random(k, low) || self.is_random(k, high);
                self.block(k, body, chance || often);
            }
            StmtKind::While { cond, body } => {
                let often = chance || self.is_random(k, &cond.result);
                self.block(k, cond, often);
                self.block(k, body, often);
            }
            StmtKind::If(on, yes, no) => {
                let chance = chance || self.is_random(k, on);
                self.block(k, yes, chance);
                self.block(k, no, chance);
            }
            StmtKind::Observe { site, .. } | StmtKind::Factor { site, .. } => {
                if chance {
                    self.uneven.insert(*site);
                }
            }
        }
    }

    /// Whether a right-hand side is random.
    fn rhs(&mut self, k: usize, rhs: &Rhs, chance: bool) -> bool {
        let mut random = false;
        walk::rhs_atoms(rhs, &mut |atom| random |= self.is_random(k, atom));
        match rhs {
            Rhs::Sample { .. } | Rhs::Host(..) => random = true,
            Rhs::Call { func, args, .. } => {
                self.reach(*func, chance);
                let place = func.0 as usize;
                for (n, arg) in args.iter().enumerate() {
                    if self.is_random(k, arg) && self.params[place].get(n) == Some(&false) {
                        self.params[place][n] = true;
                        self.changed = true;
                    }
                }
                random |= self.program.funcs[place].random;
            }
            // Where a function value is called is not followed: all that it weighs is uneven, unless it cannot be otherwise.
            Rhs::Closure(func, _) => {
                let place = func.0 as usize;
                let target = &self.program.funcs[place];
                self.reach(*func, true);
                for random in &mut self.params[place] {
                    self.changed |= !*random;
                    *random = true;
                }
                for var in &target.captures {
                    self.mark(place, *var);
                }
                random |= target.random;
            }
            Rhs::CallClosure { .. } => random = true,
            _ => {}
        }
        let deciding = match rhs {
            Rhs::If(on, _, _) | Rhs::Switch { on, .. } => self.is_random(k, on),
            Rhs::Build { len, .. } => self.is_random(k, len),
            _ => false,
        };
        let mut results = Vec::new();
        let mut blocks: Vec<&Block> = Vec::new();
        match rhs {
            Rhs::Build { body, .. } => blocks.push(body),
            Rhs::If(_, yes, no) => blocks.extend([yes, no]),
            Rhs::Switch { arms, otherwise, .. } => {
                blocks.extend(arms.iter().map(|(_, block)| block));
                blocks.extend(otherwise.as_deref());
            }
            _ => {}
        }
        for block in blocks {
            self.block(k, block, chance || deciding);
            results.push(&block.result);
        }
        random || results.into_iter().any(|atom| self.is_random(k, atom))
    }
}
