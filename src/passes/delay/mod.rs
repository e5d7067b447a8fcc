//! Delayed sampling: normal, beta, gamma and Dirichlet choices are integrated out of what is observed of them, and drawn where they are needed.
//!
//! Within a function a delayed choice is not drawn but carried as the parameters of its distribution: normal choices as means and covariances
//! of all that depend on each other, the others by their counts. A number that is linear in normal choices is carried as its coefficients, which
//! the run computes. An observation weighs the run by the density of what is observed given all before, and the parameters learn from it. Where
//! anything else needs the number it is drawn, given what was learnt, and from there on it is known. So the measure stays what it was.
//!
//! Murray, Lundén, Kudlicka, Broman and Schön 2018; Lundén 2017. Which choices are worth it is found by trying: what is drawn before it was
//! observed is left as it was.

mod array;
mod counts;
mod form;
mod moments;
mod statement;

use super::{Context, simplify, walk};
use crate::core::ir::{
    Atom, Block, DistUse, FuncId, Function, Op, PrimRef, Program, Rhs, SiteId, Stmt, StmtKind, Var, VarId,
};
use crate::core::ty::Type;
use crate::source::{Diagnostic, Name, Span};
use form::{Covariances, Form, Slot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// More normal choices that depend on each other than this are drawn: each observation costs the square of their number.
const JOINT: usize = 10;
/// Functions with more choices of these families, or more statements, are left as they are: the pass looks at all of them for each.
const CHOICES: usize = 50;
const STATEMENTS: usize = 2000;
/// Every round delays fewer choices or knows more that depend on each other; this many are never needed.
const ROUNDS: usize = 64;

/// What became of a choice that could be delayed.
#[derive(Clone, PartialEq, Debug)]
pub struct Relation {
    pub name: Name,
    pub span: Span,
    /// The name of its distribution.
    pub family: &'static str,
    pub fate: Fate,
}

/// Whether a choice is delayed.
#[derive(Clone, PartialEq, Debug)]
pub enum Fate {
    /// It is integrated out of what is observed at these places.
    Delayed(Vec<Span>),
    /// It is drawn where it is made: why, and the place that decides it, if one does.
    Drawn(&'static str, Option<Span>),
}

/// Runs the pass; it has nothing to complain of.
pub fn run(program: &mut Program, context: &Context) -> Vec<Diagnostic> {
    delay(program, context);
    Vec::new()
}

/// Delays what can be delayed, and tells of every choice of a family that could be.
pub fn delay(program: &mut Program, context: &Context) -> Vec<Relation> {
    let Some(tools) = Tools::new(context) else { return Vec::new() };
    let mut relations = Vec::new();
    let mut changed = false;
    for place in 0..program.funcs.len() {
        let function = Arc::clone(&program.funcs[place]);
        if !function.random || candidates(program, &function).is_empty() {
            continue;
        }
        let mut function = Function::clone(&function);
        array::carry(&mut function);
        let (delayed, found) = delay_function(program, tools, &function);
        relations.extend(found);
        if let Some(delayed) = delayed {
            program.funcs[place] = Arc::new(delayed);
            changed = true;
        }
    }
    if changed {
        simplify::round_inlining(program, context, &[] as &[FuncId], 0);
    }
    relations
}

/// Whether any of these is delayed.
pub fn any_delayed(relations: &[Relation]) -> bool {
    relations.iter().any(|relation| matches!(relation.fate, Fate::Delayed(_)))
}

/// The primitives that the pass writes.
#[derive(Clone, Copy)]
struct Tools {
    log: PrimRef,
    sqrt: PrimRef,
    lbeta: PrimRef,
    lgamma: PrimRef,
    lchoose: PrimRef,
    sum: PrimRef,
}

impl Tools {
    fn new(context: &Context) -> Option<Tools> {
        let find = |signature| (context.named)(signature);
        Some(Tools {
            log: find("fn log(x: Real) -> Real")?,
            sqrt: find("fn sqrt(x: Real) -> Real")?,
            lbeta: find("fn lbeta(a: Real, b: Real) -> Real")?,
            lgamma: find("fn lgamma(x: Real) -> Real")?,
            lchoose: find("fn lchoose(n: Real, k: Real) -> Real")?,
            sum: find("fn sum(xs: [Real]) -> Real")?,
        })
    }
}

/// The families whose choices can be delayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Family {
    Normal,
    Beta,
    Gamma,
    Dirichlet,
}

impl Family {
    fn word(self) -> &'static str {
        match self {
            Family::Normal => "Normal",
            Family::Beta => "Beta",
            Family::Gamma => "Gamma",
            Family::Dirichlet => "Dirichlet",
        }
    }
}

/// The name of a distribution of the library.
fn library_dist<'a>(program: &'a Program, dist: &DistUse) -> Option<(&'a str, bool)> {
    let DistUse::Known(id, _) = dist else { return None };
    let dist = program.dists.get(id.0 as usize)?;
    let user = program.funcs.get(dist.logp.0 as usize)?.user;
    (!user).then_some((dist.name.as_str(), !dist.lifted.is_empty()))
}

/// A choice that could be delayed.
#[derive(Clone, Copy)]
struct Candidate {
    family: Family,
    site: SiteId,
    span: Span,
}

/// The choices of a function that could be delayed, by the variables that hold them.
fn candidates(program: &Program, function: &Function) -> BTreeMap<VarId, Candidate> {
    let mut found = BTreeMap::new();
    walk::every_stmt(&function.body, &mut |stmt| {
        let StmtKind::Let(var, Rhs::Sample { site, dist, .. }) = &stmt.kind else { return };
        let Some((name, false)) = library_dist(program, dist) else { return };
        let Some(Var { ty, mutable: false, .. }) = function.vars.get(var.0 as usize) else { return };
        let family = match name {
            "Normal" if *ty == Type::REAL => Family::Normal,
            "Beta" if *ty == Type::REAL => Family::Beta,
            "Gamma" if *ty == Type::REAL => Family::Gamma,
            "Dirichlet" if *ty == Type::REAL.array() => Family::Dirichlet,
            _ => return,
        };
        found.insert(*var, Candidate { family, site: *site, span: stmt.span });
    });
    found
}

/// The mutable variables that may hold what is linear in these normal choices.
fn carried(function: &Function, normal: &BTreeSet<VarId>) -> BTreeSet<VarId> {
    let mut linear = normal.clone();
    loop {
        let before = linear.len();
        walk::every_stmt(&function.body, &mut |stmt| {
            let held = |atom: &Atom| matches!(atom, Atom::Var(var) if linear.contains(var));
            let target = match &stmt.kind {
                StmtKind::Assign(var, atom) if held(atom) => *var,
                StmtKind::Let(var, Rhs::Atom(atom)) if held(atom) => *var,
                StmtKind::Let(var, Rhs::Op(Op::AddR | Op::SubR | Op::MulR | Op::DivR | Op::NegR, args))
                    if args.iter().any(held) =>
                {
                    *var
                }
                StmtKind::Let(var, Rhs::If(_, yes, no)) if held(&yes.result) || held(&no.result) => *var,
                _ => return,
            };
            if function.vars.get(target.0 as usize).is_some_and(|var| var.ty == Type::REAL) {
                linear.insert(target);
            }
        });
        if linear.len() == before {
            break;
        }
    }
    let given = |var: &VarId| function.params.contains(var) || function.captures.contains(var);
    let mutable = |var: &VarId| function.vars.get(var.0 as usize).is_some_and(|var| var.mutable);
    linear.into_iter().filter(|var| mutable(var) && !given(var)).collect()
}

/// What is known of a function before a round, and what the round finds.
#[derive(Default)]
struct Findings {
    /// Variables whose numbers are jointly distributed.
    joined: BTreeSet<(VarId, VarId)>,
    /// What is observed of a variable, and where.
    observed: Vec<(VarId, Span)>,
    /// Where a variable is drawn first.
    drawn: BTreeMap<VarId, Span>,
    /// Variables that would be observed after they were drawn.
    late: BTreeMap<VarId, Span>,
    /// The most slots whose joint distribution was needed at once, with a variable of theirs.
    joint: Vec<(VarId, usize)>,
}

/// Sets of variables, by the variable that stands for each.
#[derive(Default)]
struct Groups(BTreeMap<VarId, VarId>);

impl Groups {
    fn of(&self, var: VarId) -> VarId {
        let mut at = var;
        while let Some(next) = self.0.get(&at) {
            at = *next;
        }
        at
    }

    /// Joins the sets of two variables; whether they were different.
    fn join(&mut self, a: VarId, b: VarId) -> bool {
        let (a, b) = (self.of(a), self.of(b));
        if a != b {
            self.0.insert(a.max(b), a.min(b));
        }
        a != b
    }
}

/// The function with delayed choices, if there are any, and what became of each.
fn delay_function(program: &Program, tools: Tools, function: &Function) -> (Option<Function>, Vec<Relation>) {
    let all = candidates(program, function);
    let mut left = all.clone();
    let mut why: BTreeMap<VarId, (&'static str, Option<Span>)> = BTreeMap::new();
    let mut groups = Groups::default();
    let relations = |fate: &dyn Fn(VarId, &Candidate) -> Fate| {
        let relation = |(var, candidate): (&VarId, &Candidate)| {
            let site = &program.sites[candidate.site.0 as usize];
            let span = if site.span == Span::NONE { candidate.span } else { site.span };
            Relation { name: site.name, span, family: candidate.family.word(), fate: fate(*var, candidate) }
        };
        all.iter().map(relation).collect::<Vec<_>>()
    };
    let drawn = |why: &BTreeMap<VarId, (&'static str, Option<Span>)>, var: VarId| {
        let (text, span) = why.get(&var).copied().unwrap_or(("nothing is observed of it", None));
        Fate::Drawn(text, span)
    };
    if all.len() > CHOICES || walk::size(&function.body) > STATEMENTS {
        return (None, relations(&|_, _| Fate::Drawn("its function has too many choices or statements", None)));
    }
    for _ in 0..ROUNDS {
        if left.is_empty() {
            return (None, relations(&|var, _| drawn(&why, var)));
        }
        let (delayed, findings) = Delay::new(program, tools, function, &left, &groups).run();
        let mut again = false;
        for (a, b) in &findings.joined {
            again |= groups.join(*a, *b);
        }
        if again {
            continue;
        }
        let observed: BTreeSet<VarId> = findings.observed.iter().map(|(var, _)| groups.of(*var)).collect();
        let mut size: BTreeMap<VarId, usize> = BTreeMap::new();
        for (owner, count) in &findings.joint {
            let most = size.entry(groups.of(*owner)).or_default();
            *most = (*most).max(*count);
        }
        let before = left.len();
        left.retain(|var, _| {
            let group = groups.of(*var);
            let reason = if let Some(span) = findings.late.get(var) {
                ("its value is needed before the last observation of it", Some(*span))
            } else if !observed.contains(&group) {
                let first = findings.drawn.get(var).or_else(|| {
                    let mut ways = findings.drawn.iter().filter(|(other, _)| groups.of(**other) == group);
                    ways.next().map(|(_, span)| span)
                });
                match first {
                    Some(span) => ("its value is needed before anything is observed of it", Some(*span)),
                    None => ("nothing is observed of it", None),
                }
            } else if size.get(&group).is_some_and(|size| *size > JOINT) {
                ("too many choices depend on each other", None)
            } else {
                return true;
            };
            why.insert(*var, reason);
            false
        });
        if left.len() == before {
            let places = |var: VarId| {
                let group = groups.of(var);
                let mut spans: Vec<Span> =
                    findings.observed.iter().filter(|(owner, _)| groups.of(*owner) == group).map(|(_, s)| *s).collect();
                spans.sort_by_key(|span| (span.file, span.start));
                spans.dedup();
                Fate::Delayed(spans)
            };
            let fate = |var: VarId, _: &Candidate| if left.contains_key(&var) { places(var) } else { drawn(&why, var) };
            return (Some(delayed), relations(&fate));
        }
        groups = Groups::default();
    }
    (None, relations(&|var, _| drawn(&why, var)))
}

/// Rewrites a function from its first statement to its last.
struct Delay<'a> {
    program: &'a Program,
    tools: Tools,
    function: &'a Function,
    /// The choices to delay.
    choices: &'a BTreeMap<VarId, Candidate>,
    groups: &'a Groups,
    carried: BTreeSet<VarId>,
    vars: Vec<Var>,
    slots: Vec<Slot>,
    /// The slot of a variable.
    places: BTreeMap<VarId, usize>,
    covariances: Covariances,
    /// Declared at the start of the function.
    prologue: Vec<Stmt>,
    /// What is not drawn, by the variable that would hold it.
    forms: BTreeMap<VarId, Form>,
    /// What was drawn, as long as it is known at the present place.
    numbers: BTreeMap<VarId, Atom>,
    /// How often a variable is still mentioned, in the order of the text.
    remaining: Vec<u32>,
    /// The loops around the place where a variable with a form is bound.
    bound: BTreeMap<VarId, Vec<u32>>,
    /// The operands of the present statement.
    current: BTreeSet<VarId>,
    /// What is carried and will change before it is looked at again.
    overwritten: BTreeSet<VarId>,
    /// The loops around the present place.
    loops: Vec<u32>,
    next_loop: u32,
    span: Span,
    findings: Findings,
}

impl<'a> Delay<'a> {
    fn new(
        program: &'a Program,
        tools: Tools,
        function: &'a Function,
        choices: &'a BTreeMap<VarId, Candidate>,
        groups: &'a Groups,
    ) -> Delay<'a> {
        let normal = choices.iter().filter(|(_, c)| c.family == Family::Normal).map(|(var, _)| *var).collect();
        let mut remaining = vec![0u32; function.vars.len()];
        walk::every_atom(&function.body, &mut |atom| {
            if let Atom::Var(var) = atom
                && let Some(count) = remaining.get_mut(var.0 as usize)
            {
                *count += 1;
            }
        });
        Delay {
            program,
            tools,
            function,
            choices,
            groups,
            carried: carried(function, &normal),
            vars: function.vars.clone(),
            slots: Vec::new(),
            places: BTreeMap::new(),
            covariances: Covariances::default(),
            prologue: Vec::new(),
            forms: BTreeMap::new(),
            numbers: BTreeMap::new(),
            remaining,
            bound: BTreeMap::new(),
            current: BTreeSet::new(),
            overwritten: BTreeSet::new(),
            loops: Vec::new(),
            next_loop: 0,
            span: function.span,
            findings: Findings::default(),
        }
    }

    /// The rewritten function, and what was found on the way.
    fn run(mut self) -> (Function, Findings) {
        let mut stmts = Vec::new();
        let result = self.splice(self.function.body.clone(), &mut stmts);
        let mut all = std::mem::take(&mut self.prologue);
        all.extend(stmts);
        let body = Block { stmts: all, result };
        (Function { vars: self.vars, body, ..self.function.clone() }, self.findings)
    }
}
