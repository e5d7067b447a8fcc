//! Drops the functions, distributions and sites that the entry cannot reach, and numbers the rest anew.
//!
//! Globals stay: their names are where data are bound. A program without an entry is left alone.

use super::{Context, calls, walk};
use crate::core::ir::{Atom, Block, DistId, DistUse, FuncId, Program, Rhs, SiteId, Stmt, StmtKind};
use crate::source::Diagnostic;
use crate::value::{Closure, DistValue, Domain, Fields, Record, Value, Variant};
use std::sync::Arc;

/// Runs the pass; it has nothing to complain of.
pub fn run(program: &mut Program, _context: &Context) -> Vec<Diagnostic> {
    let Some(entry) = program.entry else { return Vec::new() };
    let mut reach = Reach {
        program,
        funcs: vec![false; program.funcs.len()],
        dists: vec![false; program.dists.len()],
        sites: vec![false; program.sites.len()],
        pending: Vec::new(),
    };
    reach.func(entry);
    for global in &program.globals {
        if let Some(value) = &global.value {
            reach.value(value);
        }
    }
    reach.all();
    let (funcs, dists, sites) = (numbers(&reach.funcs), numbers(&reach.dists), numbers(&reach.sites));
    let renaming = Renaming { funcs, dists, sites };
    renaming.apply(program);
    Vec::new()
}

struct Reach<'a> {
    program: &'a Program,
    funcs: Vec<bool>,
    dists: Vec<bool>,
    sites: Vec<bool>,
    pending: Vec<FuncId>,
}

impl Reach<'_> {
    fn func(&mut self, id: FuncId) {
        if let Some(seen @ false) = self.funcs.get_mut(id.0 as usize) {
            *seen = true;
            self.pending.push(id);
        }
    }

    fn dist(&mut self, id: DistId) {
        if let Some(seen @ false) = self.dists.get_mut(id.0 as usize) {
            *seen = true;
            let program = self.program;
            calls::dist_members(program, id).for_each(|f| self.func(f));
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Closure(closure) => {
                self.func(FuncId(closure.function));
                closure.captures.iter().for_each(|v| self.value(v));
            }
            Value::Dist(dist) => {
                self.dist(DistId(dist.dist));
                dist.args.iter().for_each(|v| self.value(v));
            }
            Value::Values(items) => items.iter().for_each(|v| self.value(v)),
            Value::Tuple(parts) => parts.0.iter().for_each(|v| self.value(v)),
            Value::Record(record) => record.fields.iter().for_each(|v| self.value(v)),
            Value::Variant(variant) => variant.fields.iter().for_each(|v| self.value(v)),
            Value::Domain(domain) => {
                if let Domain::Values(items) = &**domain {
                    items.iter().for_each(|v| self.value(v));
                }
            }
            _ => {}
        }
    }

    fn all(&mut self) {
        while let Some(id) = self.pending.pop() {
            let function = &self.program.funcs[id.0 as usize];
            let (mut funcs, mut dists) = (Vec::new(), Vec::new());
            walk::every_stmt(&function.body, &mut |stmt| {
                calls::mentioned(stmt, &mut |f| funcs.push(f), &mut |d| dists.push(d));
                if let Some(site) = site_of(stmt)
                    && let Some(seen) = self.sites.get_mut(site.0 as usize)
                {
                    *seen = true;
                }
            });
            walk::every_atom(&function.body, &mut |atom| {
                if let Atom::Const(value, _) = atom {
                    self.value(value);
                }
            });
            funcs.into_iter().for_each(|f| self.func(f));
            dists.into_iter().for_each(|d| self.dist(d));
        }
    }
}

fn site_of(stmt: &Stmt) -> Option<SiteId> {
    match &stmt.kind {
        StmtKind::Observe { site, .. } | StmtKind::Factor { site, .. } => Some(*site),
        StmtKind::Let(_, Rhs::Sample { site, .. }) => Some(*site),
        StmtKind::Let(_, Rhs::Call { site, .. } | Rhs::CallClosure { site, .. }) => *site,
        _ => None,
    }
}

/// The new number of each thing kept.
fn numbers(kept: &[bool]) -> Vec<Option<u32>> {
    let mut next = 0;
    kept.iter()
        .map(|kept| {
            kept.then(|| {
                next += 1;
                next - 1
            })
        })
        .collect()
}

struct Renaming {
    funcs: Vec<Option<u32>>,
    dists: Vec<Option<u32>>,
    sites: Vec<Option<u32>>,
}

/// The new number; the old one where there is none, so that a malformed program stays as it was.
fn renamed(table: &[Option<u32>], old: u32) -> u32 {
    table.get(old as usize).copied().flatten().unwrap_or(old)
}

impl Renaming {
    fn apply(&self, program: &mut Program) {
        if [&self.funcs, &self.dists, &self.sites].iter().all(|table| table.iter().all(Option::is_some)) {
            return;
        }
        retain(&mut program.funcs, &self.funcs);
        retain(&mut program.dists, &self.dists);
        retain(&mut program.sites, &self.sites);
        if let Some(entry) = &mut program.entry {
            self.func(entry);
        }
        for dist in &mut program.dists {
            let dist = Arc::make_mut(dist);
            self.func(&mut dist.logp);
            [&mut dist.sample, &mut dist.support, &mut dist.check].into_iter().flatten().for_each(|f| self.func(f));
            dist.members.iter_mut().for_each(|(_, f)| self.func(f));
        }
        for global in &mut program.globals {
            if let Some(value) = &mut global.value {
                self.value(value);
            }
        }
        for function in &mut program.funcs {
            self.block(&mut Arc::make_mut(function).body);
        }
    }

    fn func(&self, id: &mut FuncId) {
        id.0 = renamed(&self.funcs, id.0);
    }

    fn site(&self, id: &mut SiteId) {
        id.0 = renamed(&self.sites, id.0);
    }

    fn dist(&self, dist: &mut DistUse) {
        if let DistUse::Known(id, _) = dist {
            id.0 = renamed(&self.dists, id.0);
        }
    }

    fn block(&self, block: &mut Block) {
        walk::every_stmt_mut(block, &mut |stmt| match &mut stmt.kind {
            StmtKind::Observe { site, dist, .. } => {
                self.site(site);
                self.dist(dist);
            }
            StmtKind::Factor { site, .. } => self.site(site),
            StmtKind::Let(_, rhs) => match rhs {
                Rhs::Call { func, site, .. } => {
                    self.func(func);
                    site.iter_mut().for_each(|s| self.site(s));
                }
                Rhs::CallClosure { site, .. } => site.iter_mut().for_each(|s| self.site(s)),
                Rhs::Closure(func, _) => self.func(func),
                Rhs::Sample { site, dist, .. } => {
                    self.site(site);
                    self.dist(dist);
                }
                Rhs::Member(_, dist, _) => self.dist(dist),
                Rhs::Dist(id, _) => id.0 = renamed(&self.dists, id.0),
                _ => {}
            },
            _ => {}
        });
        walk::every_atom_mut(block, &mut |atom| {
            if let Atom::Const(value, _) = atom {
                self.value(value);
            }
        });
    }

    fn value(&self, value: &mut Value) {
        if !mentions(value) {
            return;
        }
        let all = |values: &[Value]| -> Vec<Value> {
            values
                .iter()
                .map(|v| {
                    let mut v = v.clone();
                    self.value(&mut v);
                    v
                })
                .collect()
        };
        *value = match &*value {
            Value::Closure(c) => Value::Closure(Arc::new(Closure {
                function: renamed(&self.funcs, c.function),
                captures: all(&c.captures),
            })),
            Value::Dist(d) => Value::Dist(Arc::new(DistValue {
                name: d.name,
                dist: renamed(&self.dists, d.dist),
                args: all(&d.args),
            })),
            Value::Values(items) => Value::Values(Arc::new(all(items))),
            Value::Tuple(parts) => Value::Tuple(Arc::new(Fields(all(&parts.0)))),
            Value::Record(r) => Value::Record(Arc::new(Record { names: r.names, fields: all(&r.fields) })),
            Value::Variant(v) => Value::Variant(Arc::new(Variant { name: v.name, tag: v.tag, fields: all(&v.fields) })),
            Value::Domain(domain) => match &**domain {
                Domain::Values(items) => Value::Domain(Arc::new(Domain::Values(all(items)))),
                _ => return,
            },
            _ => return,
        };
    }
}

/// Whether a value holds a function or a distribution.
fn mentions(value: &Value) -> bool {
    match value {
        Value::Closure(_) | Value::Dist(_) => true,
        Value::Values(items) => items.iter().any(mentions),
        Value::Tuple(parts) => parts.0.iter().any(mentions),
        Value::Record(record) => record.fields.iter().any(mentions),
        Value::Variant(variant) => variant.fields.iter().any(mentions),
        Value::Domain(domain) => matches!(&**domain, Domain::Values(items) if items.iter().any(mentions)),
        _ => false,
    }
}

fn retain<T>(items: &mut Vec<T>, table: &[Option<u32>]) {
    let mut place = 0;
    items.retain(|_| {
        place += 1;
        table[place - 1].is_some()
    });
}
