//! The graph of calls: an order with callees first, and how often each function is mentioned.

use super::walk;
use crate::core::ir::{DistId, DistUse, FuncId, Program, Rhs, Stmt, StmtKind};

/// Who mentions whom.
pub struct Calls {
    /// The functions that call no function that calls them back, callees first.
    pub order: Vec<FuncId>,
    /// How often a function is called or closed over, counted over the whole program, distributions and the entry included.
    pub mentions: Vec<u32>,
}

/// The functions and distributions that a statement mentions itself, not those in its blocks.
pub fn mentioned(stmt: &Stmt, func: &mut dyn FnMut(FuncId), dist: &mut dyn FnMut(DistId)) {
    let mut use_of = |used: &DistUse| {
        if let DistUse::Known(id, _) = used {
            dist(*id);
        }
    };
    match &stmt.kind {
        StmtKind::Observe { dist, .. } => use_of(dist),
        StmtKind::Let(_, rhs) => match rhs {
            Rhs::Call { func: id, .. } | Rhs::Closure(id, _) => func(*id),
            Rhs::Sample { dist, .. } | Rhs::Member(_, dist, _) => use_of(dist),
            Rhs::Dist(id, _) => dist(*id),
            _ => {}
        },
        _ => {}
    }
}

impl Calls {
    /// Reads the graph of a program.
    pub fn new(program: &Program) -> Calls {
        let mut mentions = vec![0; program.funcs.len()];
        let mut mention = |id: FuncId| {
            if let Some(count) = mentions.get_mut(id.0 as usize) {
                *count += 1;
            }
        };
        if let Some(entry) = program.entry {
            mention(entry);
        }
        for id in 0..program.dists.len() {
            dist_members(program, DistId(id as u32)).for_each(&mut mention);
        }
        let mut callees: Vec<Vec<FuncId>> = Vec::with_capacity(program.funcs.len());
        for function in &program.funcs {
            let mut found = Vec::new();
            let mut dists = Vec::new();
            walk::every_stmt(&function.body, &mut |stmt| {
                mentioned(stmt, &mut |f| found.push(f), &mut |d| dists.push(d))
            });
            found.iter().for_each(|f| mention(*f));
            for dist in dists {
                found.extend(dist_members(program, dist));
            }
            found.sort_unstable();
            found.dedup();
            callees.push(found);
        }
        Calls { order: order(&callees), mentions }
    }
}

/// The functions of a distribution.
pub fn dist_members(program: &Program, id: DistId) -> impl Iterator<Item = FuncId> {
    program.dists.get(id.0 as usize).into_iter().flat_map(|dist| {
        let members = dist.members.iter().map(|(_, f)| *f);
        [Some(dist.logp), dist.sample, dist.support, dist.check].into_iter().flatten().chain(members)
    })
}

/// Callees first, without the functions on a cycle.
fn order(callees: &[Vec<FuncId>]) -> Vec<FuncId> {
    let count = callees.len();
    let mut walk = Tarjan {
        callees,
        index: vec![u32::MAX; count],
        low: vec![0; count],
        on_stack: vec![false; count],
        stack: Vec::new(),
        next: 0,
        order: Vec::new(),
    };
    for start in 0..count {
        if walk.index[start] == u32::MAX {
            walk.visit(start);
        }
    }
    walk.order
}

/// Strongly connected components (Tarjan 1972), with the recursion kept in a vector so that long chains of calls are no risk.
struct Tarjan<'a> {
    callees: &'a [Vec<FuncId>],
    index: Vec<u32>,
    low: Vec<u32>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    next: u32,
    order: Vec<FuncId>,
}

impl Tarjan<'_> {
    fn visit(&mut self, start: usize) {
        let mut frames = vec![(start, 0usize)];
        self.open(start);
        while let Some((node, edge)) = frames.pop() {
            let Some(callee) = self.callees[node].get(edge) else {
                self.close(node);
                if let Some((parent, _)) = frames.last() {
                    self.low[*parent] = self.low[*parent].min(self.low[node]);
                }
                continue;
            };
            frames.push((node, edge + 1));
            let callee = callee.0 as usize;
            if callee >= self.index.len() {
                continue;
            }
            if self.index[callee] == u32::MAX {
                self.open(callee);
                frames.push((callee, 0));
            } else if self.on_stack[callee] {
                self.low[node] = self.low[node].min(self.index[callee]);
            }
        }
    }

    fn open(&mut self, node: usize) {
        self.index[node] = self.next;
        self.low[node] = self.next;
        self.next += 1;
        self.stack.push(node);
        self.on_stack[node] = true;
    }

    fn close(&mut self, node: usize) {
        if self.low[node] != self.index[node] {
            return;
        }
        let mut members = 0;
        while let Some(top) = self.stack.pop() {
            self.on_stack[top] = false;
            members += 1;
            if top == node {
                break;
            }
        }
        let calls_itself = self.callees[node].contains(&FuncId(node as u32));
        if members == 1 && !calls_itself {
            self.order.push(FuncId(node as u32));
        }
    }
}
