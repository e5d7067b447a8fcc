//! Makes functions smaller and faster without changing what they compute: inlining, known values, sharing, loops, dead code.

use super::calls::Calls;
use super::effect::Effects;
use super::rewrite::{self, Inlining};
use super::{Context, dead, hoist, share, walk};
use crate::core::ir::{FuncId, Program, Rhs, StmtKind};
use crate::source::Diagnostic;
use std::sync::Arc;

/// Functions of at most this many statements are inlined wherever they are called.
const SMALL: usize = 12;
/// Functions that are called once are inlined up to this size.
const CALLED_ONCE: usize = 200;
/// Functions that are given a function known at the call are inlined up to this size.
const HIGHER_ORDER: usize = 60;
/// No function gains more statements than this.
const BUDGET: usize = 2000;
/// A function gains at most this many statements from its calls of itself.
const UNROLLED: usize = 60;
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
        let id = FuncId(place as u32);
        let size = walk::size(&function.body);
        if function.random || size > SMALL {
            continue;
        }
        let mut calls = 0;
        walk::every_stmt(&function.body, &mut |stmt| {
            calls += usize::from(matches!(&stmt.kind, StmtKind::Let(_, Rhs::Call { func, .. }) if *func == id));
        });
        // A level has the calls of the one before times the function's own.
        let (mut levels, mut bodies, mut gained) = (0, calls, 0);
        while calls > 0 && levels < UNROLLED_LEVELS && gained + bodies * size <= UNROLLED {
            gained += bodies * size;
            bodies *= calls;
            levels += 1;
        }
        if levels == 0 {
            continue;
        }
        let inlining = Inlining { always: &none, with_functions: &none, own: Some((id, levels)), budget: UNROLLED };
        let (mut function, globals) = rewrite::function(program, context, id, Some(inlining));
        rewrite::compact(&mut function);
        program.funcs[place] = Arc::new(function);
        program.globals.extend(globals);
    }
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
        if acyclic && !function.random {
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
