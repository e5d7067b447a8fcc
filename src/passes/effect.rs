//! What computing a right-hand side may do besides giving a value.

use super::walk;
use super::{Context, PrimEffect};
use crate::core::ir::{Atom, Block, Callee, FuncId, Function, Global, Op, Program, Rhs, Stmt, StmtKind, Var};
use crate::core::ty::Type;
use crate::value::Value;

/// From harmless to observable; what holds of one holds of those before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effect {
    /// Always gives a value, at little cost: may move anywhere its operands are known.
    Cheap,
    /// Always gives a value, at a cost that grows with its operands.
    Total,
    /// Integer arithmetic, which may leave the range: may be left out when unused, not computed earlier.
    Arithmetic,
    /// May stop the run, or not end: computed once where it was computed twice, never left out.
    Faults,
    /// Draws, weighs, prints, or changes a variable.
    Acts,
}

/// The effects of the functions of a program.
pub struct Effects<'a> {
    context: &'a Context,
    functions: Vec<Effect>,
}

impl<'a> Effects<'a> {
    /// Finds the effect of calling each function; `order` has callees before callers, recursive functions are not in it.
    pub fn new(program: &'a Program, context: &'a Context, order: &[FuncId]) -> Effects<'a> {
        let functions =
            program.funcs.iter().map(|f| if f.random { Effect::Acts } else { recursive_effect(f) }).collect::<Vec<_>>();
        let mut effects = Effects { context, functions };
        for id in order {
            let function = &program.funcs[id.0 as usize];
            if !function.random {
                effects.functions[id.0 as usize] =
                    effects.block(&Types { vars: &function.vars, globals: &program.globals }, &function.body, true);
            }
        }
        effects
    }

    /// The effect of a block. `own` says that its assignments are to variables that nothing outside sees.
    pub fn block(&self, types: &Types<'_>, block: &Block, own: bool) -> Effect {
        block.stmts.iter().map(|stmt| self.stmt(types, stmt, own)).max().unwrap_or(Effect::Cheap)
    }

    /// The effect of a statement; see [`Effects::block`].
    pub fn stmt(&self, types: &Types<'_>, stmt: &Stmt, own: bool) -> Effect {
        let assigns = if own { Effect::Total } else { Effect::Acts };
        match &stmt.kind {
            StmtKind::Let(_, rhs) => self.rhs_within(types, rhs, own),
            StmtKind::Assign(..) => assigns,
            // An index may lie outside.
            StmtKind::Update(..) => assigns.max(Effect::Faults),
            StmtKind::For { body, .. } => self.block(types, body, own).max(Effect::Total),
            StmtKind::While { cond, body } => {
                self.block(types, cond, own).max(self.block(types, body, own)).max(Effect::Faults)
            }
            StmtKind::If(_, yes, no) => self.block(types, yes, own).max(self.block(types, no, own)),
            StmtKind::Observe { .. } | StmtKind::Factor { .. } => Effect::Acts,
        }
    }

    /// The effect of a right-hand side.
    pub fn rhs(&self, types: &Types<'_>, rhs: &Rhs) -> Effect {
        self.rhs_within(types, rhs, false)
    }

    fn rhs_within(&self, types: &Types<'_>, rhs: &Rhs, own: bool) -> Effect {
        match rhs {
            Rhs::Atom(_) | Rhs::Field(..) | Rhs::Payload(..) => Effect::Cheap,
            Rhs::Op(op, args) => op_effect(*op, args.first().and_then(|a| types.atom(a))),
            Rhs::Prim(prim, _) => prim_effect((self.context.effect)(*prim)),
            Rhs::Lift(callee, args) => {
                let scalar = match callee {
                    Callee::Op(op) => op_effect(*op, None),
                    Callee::Prim(prim) => prim_effect((self.context.effect)(*prim)),
                };
                // Two different arrays may differ in length.
                let mut arrays = args.iter().filter(|a| types.atom(a).is_none_or(|t| !t.is_scalar()));
                let first = arrays.next();
                let lengths = if arrays.all(|a| Some(a) == first) { Effect::Total } else { Effect::Faults };
                scalar.max(lengths)
            }
            Rhs::Call { func, .. } => self.functions.get(func.0 as usize).copied().unwrap_or(Effect::Acts),
            // Of a function value only its type is known: it may print.
            Rhs::CallClosure { .. } => Effect::Acts,
            Rhs::Closure(..) | Rhs::Tuple(_) | Rhs::Record(_) | Rhs::Variant(..) | Rhs::Array(_) | Rhs::Dist(..) => {
                Effect::Total
            }
            Rhs::Build { len, body, .. } => {
                // A negative length is a fault.
                let length = match len {
                    Atom::Const(Value::Int(n), _) if *n >= 0 => Effect::Total,
                    _ => Effect::Faults,
                };
                self.block(types, body, own).max(length)
            }
            Rhs::Sample { .. } | Rhs::Host(..) => Effect::Acts,
            Rhs::Member(name, ..) if name.as_str() == "sample" => Effect::Acts,
            Rhs::Member(..) => Effect::Faults,
            Rhs::If(_, yes, no) => self.block(types, yes, own).max(self.block(types, no, own)),
            Rhs::Switch { arms, otherwise, .. } => arms
                .iter()
                .map(|(_, block)| block)
                .chain(otherwise.as_deref())
                .map(|block| self.block(types, block, own))
                .max()
                .unwrap_or(Effect::Faults),
        }
    }
}

/// The types of the operands of one function.
#[derive(Clone, Copy)]
pub struct Types<'a> {
    pub vars: &'a [Var],
    pub globals: &'a [Global],
}

impl Types<'_> {
    /// The type of an operand; none where the program is malformed.
    pub fn atom(&self, atom: &Atom) -> Option<Type> {
        match atom {
            Atom::Var(id) => self.vars.get(id.0 as usize).map(|var| var.ty),
            Atom::Const(_, ty) => Some(*ty),
            Atom::Global(id) => self.globals.get(id.0 as usize).map(|global| global.ty),
        }
    }
}

/// Recursion may not end, and what it prints is not followed.
fn recursive_effect(function: &Function) -> Effect {
    let mut effect = Effect::Faults;
    walk::every_stmt(&function.body, &mut |stmt| {
        if let StmtKind::Let(_, Rhs::Op(Op::Print, _) | Rhs::Call { .. } | Rhs::CallClosure { .. } | Rhs::Host(..)) =
            &stmt.kind
        {
            effect = Effect::Acts;
        }
    });
    effect
}

fn op_effect(op: Op, first: Option<Type>) -> Effect {
    use Op::*;
    match op {
        AddR | SubR | MulR | DivR | PowR | RemR | NegR | EqR | NeR | LtR | LeR | EqI | NeI | LtI | LeI | EqB | NeB
        | Not | And | Or | Len => Effect::Cheap,
        Widen if first == Some(Type::INT) => Effect::Cheap,
        Widen | Same | Different | Push => Effect::Total,
        AddI | SubI | MulI | NegI => Effect::Arithmetic,
        PowI | RemI | Index | Index2 | Slice | Gather | Fill | Range | MatMul | Assert | Fail | Domain => {
            Effect::Faults
        }
        Print => Effect::Acts,
    }
}

fn prim_effect(effect: PrimEffect) -> Effect {
    match effect {
        PrimEffect::Same | PrimEffect::Total => Effect::Cheap,
        PrimEffect::Faults => Effect::Faults,
        PrimEffect::Acts => Effect::Acts,
    }
}
