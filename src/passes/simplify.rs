//! Makes functions smaller and faster without changing what they compute: inlining, known values, sharing, loops, dead code.

use super::calls::Calls;
use super::effect::Effects;
use super::rewrite::{self, Inlining, Own};
use super::{Context, dead, hoist, share, walk};
use crate::core::ir::{Atom, Block, FuncId, Function, Program, Rhs, Stmt, StmtKind, VarId};
use crate::source::Diagnostic;
use std::sync::Arc;

/// Functions of at most this many statements are inlined wherever they are called.
const SMALL: usize = 12;
/// Functions that are called once are inlined up to this size.
const CALLED_ONCE: usize = 200;
/// Functions that are given a function known at the call are inlined up to this size.
const HIGHER_ORDER: usize = 60;
/// Functions of the library that array code knows by their names, and has something better for than their bodies.
const KEPT: &[&str] = &["ode_explicit", "ode_implicit", "log_poisson_term"];
/// No function gains more statements than this.
const BUDGET: usize = 2000;
/// A function gains at most this many statements from its calls of itself.
const UNROLLED: usize = 80;
/// Calls of itself are replaced to this depth.
const UNROLLED_LEVELS: usize = 3;
/// What one round reveals, the next can use; there is seldom anything left for a third.
const ROUNDS: usize = 2;

/// Runs the pass; it has nothing to complain of.
pub fn run(program: &mut Program, context: &Context) -> Vec<Diagnostic> {
    for _ in 0..ROUNDS {
        round(program, context, &[], SMALL);
    }
    unroll(program, context);
    Vec::new()
}

/// Puts the bodies of small deterministic functions in the place of their calls of themselves, so that a recursion makes fewer calls.
fn unroll(program: &mut Program, context: &Context) {
    let none = vec![false; program.funcs.len()];
    for place in 0..program.funcs.len() {
        let function = &program.funcs[place];
        let func = FuncId(place as u32);
        let size = walk::size(&function.body);
        if function.random || size > SMALL {
            continue;
        }
        let calls = own_calls(&function.body, func);
        // A tree of calls has more leaves than other nodes.
        let last = if calls > 1 { ending(function, func) } else { None };
        let last_size = last.as_ref().map_or(0, walk::size);
        // A level has the calls of the one before times the function's own.
        let (mut levels, mut bodies, mut gained) = (0, calls, 0);
        while calls > 0 && levels < UNROLLED_LEVELS && gained + bodies * (size + calls * last_size) <= UNROLLED {
            gained += bodies * size;
            bodies *= calls;
            levels += 1;
        }
        if levels == 0 {
            continue;
        }
        let own = Own { func, levels, last: last.as_ref() };
        let inlining = Inlining { always: &none, with_functions: &none, own: Some(own), budget: UNROLLED };
        let (mut function, globals) = rewrite::function(program, context, func, Some(inlining));
        rewrite::compact(&mut function);
        program.funcs[place] = Arc::new(function);
        program.globals.extend(globals);
    }
}

/// How often a function calls itself.
fn own_calls(body: &Block, own: FuncId) -> usize {
    let mut calls = 0;
    walk::every_stmt(body, &mut |stmt| {
        calls += usize::from(matches!(&stmt.kind, StmtKind::Let(_, Rhs::Call { func, .. }) if *func == own));
    });
    calls
}

/// The body of a function that ends in a choice between a branch without calls of itself and one with them, the latter replaced by a
/// call of the function: what stands for a call that may end at once.
fn ending(function: &Function, own: FuncId) -> Option<Block> {
    let mut body = function.body.clone();
    let Some(Stmt { span, kind: StmtKind::Let(chosen, Rhs::If(_, yes, no)) }) = body.stmts.last_mut() else {
        return None;
    };
    let again = match (own_calls(yes, own), own_calls(no, own)) {
        (0, 1..) => no,
        (1.., 0) => yes,
        _ => return None,
    };
    let Atom::Var(var) = again.result else { return None };
    let binds = |stmt: &Stmt| matches!(&stmt.kind, StmtKind::Let(bound, _) if *bound == var);
    if body.result != Atom::Var(*chosen) || !again.stmts.iter().any(binds) {
        return None;
    }
    let args = function.params.iter().map(|param| Atom::Var(*param)).collect();
    let call = Rhs::Call { func: own, args, site: None, path: Vec::new() };
    again.stmts = vec![Stmt { span: *span, kind: StmtKind::Let(var, call) }];
    let mutable = |var: &VarId| function.vars[var.0 as usize].mutable;
    let is_plain = function.captures.is_empty() && !function.params.iter().any(mutable) && !mutable(&var);
    (is_plain && own_calls(&body, own) == 1).then_some(body)
}

/// A round in which these functions are inlined up to another size.
pub fn round_inlining(program: &mut Program, context: &Context, chosen: &[FuncId], size: usize) {
    round(program, context, chosen, size);
}

fn round(program: &mut Program, context: &Context, chosen: &[FuncId], chosen_size: usize) {
    let mut is_chosen = vec![false; program.funcs.len()];
    for id in chosen {
        if let Some(mark) = is_chosen.get_mut(id.0 as usize) {
            *mark = true;
        }
    }
    let calls = Calls::new(program);
    let count = program.funcs.len();
    let mut always = vec![false; count];
    let mut with_functions = vec![false; count];
    let mut rewrite = |program: &mut Program, id: FuncId, acyclic: bool| {
        let inlining = Inlining { always: &always, with_functions: &with_functions, own: None, budget: BUDGET };
        let (function, globals) = rewrite::function(program, context, id, Some(inlining));
        let size = walk::size(&function.body);
        let place = id.0 as usize;
        let kept = !function.user && KEPT.contains(&function.name.as_str());
        if acyclic && !function.random && !kept {
            let small = if is_chosen[place] { chosen_size } else { SMALL };
            always[place] = size <= small || (size <= CALLED_ONCE && calls.mentions[place] == 1);
            with_functions[place] = size <= HIGHER_ORDER && rewrite::takes_function(&function);
        }
        program.funcs[place] = Arc::new(function);
        program.globals.extend(globals);
    };
    let mut acyclic = vec![false; count];
    for id in &calls.order {
        acyclic[id.0 as usize] = true;
        rewrite(program, *id, true);
    }
    for place in (0..count).filter(|i| !acyclic[*i]) {
        rewrite(program, FuncId(place as u32), false);
    }
    let improved: Vec<_> = {
        let effects = Effects::new(program, context, &calls.order);
        program
            .funcs
            .iter()
            .map(|function| {
                let mut function = (**function).clone();
                share::function(&mut function, &effects, &program.globals);
                hoist::function(&mut function, &effects, &program.globals);
                dead::function(&mut function, &effects, &program.globals);
                rewrite::compact(&mut function);
                Arc::new(function)
            })
            .collect()
    };
    program.funcs = improved;
}
