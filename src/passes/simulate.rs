//! Turns observations of data into choices named by the place in the data that they are of: a run of the result draws a data set.
//!
//! It is not among the passes that every program goes through: simulation-based calibration asks for it. It runs while the values of the
//! data are unknown, so that what is observed still says which element of which data it is.

use super::walk;
use crate::core::ir::{
    Atom, Block, DistUse, Function, GlobalId, Op, Program, Rhs, Site, SiteId, SiteKind, Stmt, StmtKind, Var, VarId,
};
use crate::source::{Diagnostic, intern};
use std::collections::HashMap;
use std::sync::Arc;

/// What the names of such choices begin with, followed by that of the data. No name of a user has a space in it.
pub const PREFIX: &str = "data ";

/// Replaces every observation of an element of these data; gives the data that are observed.
///
/// # Errors
/// Where something is observed that is no element of data.
pub fn simulate(program: &mut Program, data: &[GlobalId]) -> Result<Vec<GlobalId>, Vec<Diagnostic>> {
    let mut observed = Vec::new();
    let mut wrong = Vec::new();
    for k in 0..program.funcs.len() {
        let function = Arc::clone(&program.funcs[k]);
        let mut any = false;
        walk::every_stmt(&function.body, &mut |stmt| any |= matches!(stmt.kind, StmtKind::Observe { .. }));
        if !any {
            continue;
        }
        let sources = Sources::new(&function, data);
        let mut function = (*function).clone();
        let mut body = std::mem::take(&mut function.body);
        let mut change = Change { program, sources: &sources, vars: &mut function.vars, observed: &mut observed };
        change.block(&mut body, &mut wrong);
        function.body = body;
        program.funcs[k] = Arc::new(function);
    }
    observed.sort_unstable();
    observed.dedup();
    if wrong.is_empty() { Ok(observed) } else { Err(wrong) }
}

/// Whether a program reads these data for more than their length.
pub fn reads(program: &Program, data: &[GlobalId]) -> bool {
    let mut found = false;
    for function in &program.funcs {
        walk::every_stmt(&function.body, &mut |stmt| {
            if matches!(&stmt.kind, StmtKind::Let(_, Rhs::Op(Op::Len, _))) {
                return;
            }
            walk::stmt_atoms(stmt, &mut |atom| found |= matches!(atom, Atom::Global(global) if data.contains(global)));
        });
        found |= matches!(&function.body.result, Atom::Global(global) if data.contains(global));
    }
    found
}

/// What the variables of a function stand for.
struct Sources<'a> {
    function: &'a Function,
    data: &'a [GlobalId],
    defined: HashMap<VarId, &'a Rhs>,
}

impl<'a> Sources<'a> {
    fn new(function: &'a Function, data: &'a [GlobalId]) -> Sources<'a> {
        let mut defined = HashMap::new();
        collect(&function.body, &mut defined);
        Sources { function, data, defined }
    }

    /// The data of which an operand is an element, and its indices.
    fn place(&self, atom: &Atom) -> Option<(GlobalId, Vec<Atom>)> {
        match atom {
            Atom::Global(global) if self.data.contains(global) => Some((*global, Vec::new())),
            Atom::Var(var) if self.fixed(atom) => match self.defined.get(var)? {
                Rhs::Atom(inner) => self.place(inner),
                Rhs::Op(Op::Index | Op::Index2, args) => {
                    let (first, indices) = args.split_first()?;
                    let (global, mut path) = self.place(first)?;
                    path.extend(indices.iter().cloned());
                    indices.iter().all(|index| self.fixed(index)).then_some((global, path))
                }
                _ => None,
            },
            _ => None,
        }
    }

    /// Whether an operand keeps its value.
    fn fixed(&self, atom: &Atom) -> bool {
        match atom {
            Atom::Var(var) => self.function.vars.get(var.0 as usize).is_some_and(|var| !var.mutable),
            _ => true,
        }
    }
}

fn collect<'a>(block: &'a Block, defined: &mut HashMap<VarId, &'a Rhs>) {
    for stmt in &block.stmts {
        if let StmtKind::Let(var, rhs) = &stmt.kind {
            defined.insert(*var, rhs);
        }
        let mut inner: Vec<&'a Block> = Vec::new();
        blocks(stmt, &mut inner);
        inner.into_iter().for_each(|block| collect(block, defined));
    }
}

/// The blocks directly within a statement.
fn blocks<'a>(stmt: &'a Stmt, out: &mut Vec<&'a Block>) {
    match &stmt.kind {
        StmtKind::Let(_, Rhs::Build { body, .. }) | StmtKind::For { body, .. } => out.push(body),
        StmtKind::Let(_, Rhs::If(_, yes, no)) | StmtKind::If(_, yes, no) => out.extend([yes, no]),
        StmtKind::Let(_, Rhs::Switch { arms, otherwise, .. }) => {
            out.extend(arms.iter().map(|(_, block)| block));
            out.extend(otherwise.iter().map(|block| &**block));
        }
        StmtKind::While { cond, body } => out.extend([cond, body]),
        _ => {}
    }
}

struct Change<'a> {
    program: &'a mut Program,
    sources: &'a Sources<'a>,
    vars: &'a mut Vec<Var>,
    observed: &'a mut Vec<GlobalId>,
}

impl Change<'_> {
    fn block(&mut self, block: &mut Block, wrong: &mut Vec<Diagnostic>) {
        for stmt in &mut block.stmts {
            let StmtKind::Observe { site, dist, value, .. } = &stmt.kind else {
                walk::stmt_blocks_mut(stmt, &mut |inner| self.block(inner, wrong));
                continue;
            };
            match self.sources.place(value) {
                Some((global, path)) => stmt.kind = self.choice(*site, dist.clone(), global, path),
                None => wrong.push(
                    Diagnostic::error(
                        stmt.span,
                        "what is observed here is no element of the data, so data cannot be simulated",
                    )
                    .hint("declare it as `data`, and observe it by name or by index: `observe y[i] ~ …`"),
                ),
            }
        }
    }

    fn choice(&mut self, site: SiteId, dist: DistUse, global: GlobalId, path: Vec<Atom>) -> StmtKind {
        self.observed.push(global);
        let name = self.program.globals[global.0 as usize].name;
        let old = self.program.sites[site.0 as usize].clone();
        let ty = old.ty;
        self.program.sites.push(Site {
            name: intern(&format!("{PREFIX}{name}")),
            named: true,
            kind: SiteKind::Sample,
            ..old
        });
        let site = SiteId(self.program.sites.len() as u32 - 1);
        self.vars.push(Var { name: intern("simulated"), ty, mutable: false });
        StmtKind::Let(VarId(self.vars.len() as u32 - 1), Rhs::Sample { site, dist, path })
    }
}
