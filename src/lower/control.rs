//! Conditionals, matches, loops and comprehensions.

use super::{Body, Lowered, pattern};
use crate::core::Type;
use crate::core::ir::{Atom, Block, FuncId, Op, Rhs, Stmt, StmtKind, VarId};
use crate::source::Span;
use crate::syntax::ast::{self, Clause, ExprId, ExprKind, PatternId, PatternKind};
use crate::types::typed::{Def, Target};
use crate::value::Value;

/// What a loop runs over.
enum Source {
    /// Integers from the first atom to before the second.
    Range(Atom, Atom),
    /// The elements of an array, or rows of a matrix.
    Array(Atom),
    /// The elements of two arrays side by side.
    Zip(Atom, Atom),
}

impl Body<'_> {
    pub(super) fn conditional(
        &mut self,
        id: ExprId,
        cond: ExprId,
        then: ExprId,
        otherwise: Option<ExprId>,
        span: Span,
    ) -> Lowered<Atom> {
        let ty = self.type_of(id)?;
        let cond = self.expr(cond)?;
        let then = self.branch(then, ty, span)?;
        let otherwise = match otherwise {
            Some(otherwise) => self.branch(otherwise, ty, span)?,
            None => Block::default(),
        };
        if ty == Type::UNIT {
            self.emit(span, StmtKind::If(cond, unit(then), unit(otherwise)));
            return Ok(Atom::default());
        }
        Ok(self.emit_let(ty, span, Rhs::If(cond, then, otherwise)))
    }

    fn branch(&mut self, id: ExprId, ty: Type, span: Span) -> Lowered<Block> {
        self.in_block(|this| {
            let atom = this.expr(id)?;
            if ty == Type::UNIT { Ok(Atom::default()) } else { this.coerce(atom, ty, span) }
        })
    }

    pub(super) fn match_arms(&mut self, id: ExprId, scrutinee: ExprId, arms: &[ast::Arm], span: Span) -> Lowered<Atom> {
        let ty = self.type_of(id)?;
        let on = self.expr(scrutinee)?;
        let on_type = self.atom_type(&on);
        let block = match self.simple_switch(&on, on_type, arms) {
            Some(tags) => {
                let mut blocks = Vec::new();
                let mut otherwise = None;
                for (arm, tag) in arms.iter().zip(tags) {
                    let block = self.arm_body(arm, &on, on_type, ty, span)?;
                    match tag {
                        Some(tag) => blocks.push((tag, block)),
                        None => {
                            otherwise = Some(Box::new(block));
                            break;
                        }
                    }
                }
                return Ok(self.emit_let(ty, span, Rhs::Switch { on, arms: blocks, otherwise }));
            }
            None => self.arm_chain(&on, on_type, arms, ty, span)?,
        };
        for stmt in block.stmts {
            self.emit(stmt.span, stmt.kind);
        }
        Ok(block.result)
    }

    /// Arms that a single look at the tag decides: the tag of each, none for a last arm that takes everything.
    fn simple_switch(&self, _on: &Atom, ty: Type, arms: &[ast::Arm]) -> Option<Vec<Option<u32>>> {
        ty.constructors()?;
        let mut tags = Vec::new();
        for arm in arms {
            if arm.guard.is_some() {
                return None;
            }
            match &self.ast().pattern(arm.pattern).kind {
                PatternKind::Wild | PatternKind::Bind(_) => tags.push(None),
                PatternKind::Constructor { name, fields } => {
                    let (tag, types) = pattern::constructor(ty, name).ok()?;
                    if tags.contains(&Some(tag)) || !fields.iter().zip(types).all(|(p, t)| self.irrefutable(*p, *t)) {
                        return None;
                    }
                    tags.push(Some(tag));
                }
                _ => return None,
            }
        }
        Some(tags)
    }

    fn arm_body(&mut self, arm: &ast::Arm, on: &Atom, on_type: Type, ty: Type, span: Span) -> Lowered<Block> {
        self.in_block(|this| {
            this.bind_pattern(arm.pattern, on.clone(), on_type)?;
            let atom = this.expr(arm.body)?;
            if ty == Type::UNIT { Ok(Atom::default()) } else { this.coerce(atom, ty, span) }
        })
    }

    fn arm_chain(&mut self, on: &Atom, on_type: Type, arms: &[ast::Arm], ty: Type, span: Span) -> Lowered<Block> {
        self.in_block(|this| {
            let Some((arm, rest)) = arms.split_first() else {
                let message = Atom::Const(Value::string("no arm of the match takes this value"), Type::STR);
                return Ok(this.emit_let(ty, span, Rhs::Op(Op::Fail, vec![message])));
            };
            let mut test = this.test_pattern(arm.pattern, on, on_type)?;
            if let Some(guard) = arm.guard {
                let then = this.in_block(|this| {
                    this.bind_pattern(arm.pattern, on.clone(), on_type)?;
                    this.expr(guard)
                })?;
                let no = Block { stmts: Vec::new(), result: Atom::Const(Value::Bool(false), Type::BOOL) };
                test = this.emit_let(Type::BOOL, span, Rhs::If(test, then, no));
            }
            if test == Atom::Const(Value::Bool(true), Type::BOOL) {
                this.bind_pattern(arm.pattern, on.clone(), on_type)?;
                let atom = this.expr(arm.body)?;
                return if ty == Type::UNIT { Ok(Atom::default()) } else { this.coerce(atom, ty, span) };
            }
            let body = this.arm_body(arm, on, on_type, ty, span)?;
            let next = this.arm_chain(on, on_type, rest, ty, span)?;
            if ty == Type::UNIT {
                this.emit(span, StmtKind::If(test, unit(body), unit(next)));
                return Ok(Atom::default());
            }
            Ok(this.emit_let(ty, span, Rhs::If(test, body, next)))
        })
    }

    /// What a loop runs over; `zip` of two arrays under a pair pattern needs no array of pairs.
    fn source(&mut self, pattern: PatternId, iter: ExprId) -> Lowered<Source> {
        let ast = self.ast();
        if let ExprKind::Range { low, high, inclusive } = ast.expr(iter).kind {
            let (low, high) = self.range_bounds(low, high, inclusive)?;
            return Ok(Source::Range(low, high));
        }
        let pair = matches!(&ast.pattern(pattern).kind, PatternKind::Tuple(parts) if parts.len() == 2);
        if pair
            && let ExprKind::Call { callee, .. } = &ast.expr(iter).kind
            && matches!(&ast.expr(*callee).kind, ExprKind::Name(name) if name.as_str() == "zip")
            && let Some(call) = self.typed.calls.get(&iter).cloned()
            && let Target::Def(Def::Prim(_), _) = call.target
            && let [Some(a), Some(b)] = call.args.as_slice()
        {
            return Ok(Source::Zip(self.expr(*a)?, self.expr(*b)?));
        }
        Ok(Source::Array(self.expr(iter)?))
    }

    /// The number of rounds of a loop.
    fn rounds(&mut self, source: &Source, span: Span) -> Lowered<Atom> {
        Ok(match source {
            Source::Range(Atom::Const(Value::Int(0), _), high) => high.clone(),
            Source::Range(low, high) => {
                self.emit_let(Type::INT, span, Rhs::Op(Op::SubI, vec![high.clone(), low.clone()]))
            }
            Source::Array(array) => self.emit_let(Type::INT, span, Rhs::Op(Op::Len, vec![array.clone()])),
            Source::Zip(a, b) => {
                let n = self.emit_let(Type::INT, span, Rhs::Op(Op::Len, vec![a.clone()]));
                let m = self.emit_let(Type::INT, span, Rhs::Op(Op::Len, vec![b.clone()]));
                let same = self.emit_let(Type::BOOL, span, Rhs::Op(Op::EqI, vec![n.clone(), m]));
                let text = Atom::Const(Value::string("`zip` needs arrays of equal length"), Type::STR);
                self.effect(Rhs::Op(Op::Assert, vec![same, text]), span);
                n
            }
        })
    }

    /// Binds the loop pattern in round `i` of a source that is no range.
    fn bind_round(&mut self, pattern: PatternId, source: &Source, i: VarId, span: Span) -> Lowered<()> {
        let element = |this: &mut Self, array: &Atom| {
            let ty = this.atom_type(array).element().unwrap_or(Type::UNIT);
            (this.emit_let(ty, span, Rhs::Op(Op::Index, vec![array.clone(), Atom::Var(i)])), ty)
        };
        match source {
            Source::Range(low, _) => {
                let value = match low {
                    Atom::Const(Value::Int(0), _) => Atom::Var(i),
                    low => self.emit_let(Type::INT, span, Rhs::Op(Op::AddI, vec![low.clone(), Atom::Var(i)])),
                };
                self.bind_pattern(pattern, value, Type::INT)
            }
            Source::Array(array) => {
                let (x, ty) = element(self, array);
                self.bind_pattern(pattern, x, ty)
            }
            Source::Zip(a, b) => {
                let PatternKind::Tuple(parts) = &self.ast().pattern(pattern).kind else { return Ok(()) };
                let (x, tx) = element(self, a);
                let (y, ty) = element(self, b);
                self.bind_pattern(parts[0], x, tx)?;
                self.bind_pattern(parts[1], y, ty)
            }
        }
    }

    pub(super) fn for_loop(&mut self, pattern: PatternId, iter: ExprId, body: &ast::Block, span: Span) -> Lowered<()> {
        let source = self.source(pattern, iter)?;
        if let (Source::Range(low, high), PatternKind::Bind(binder)) = (&source, &self.ast().pattern(pattern).kind) {
            let var = self.fresh(binder.name.as_str(), Type::INT, false);
            self.frame().locals.insert(binder.bind, var);
            let stmts = self.stmt_block(body)?;
            let (low, high) = (low.clone(), high.clone());
            self.emit(span, StmtKind::For { var, low, high, body: Block { stmts, result: Atom::default() } });
            return Ok(());
        }
        let high = self.rounds(&source, span)?;
        let var = self.fresh("i", Type::INT, false);
        let block = self.in_block(|this| {
            this.bind_round(pattern, &source, var, span)?;
            this.statements(&body.stmts)?;
            Ok(Atom::default())
        })?;
        let low = Atom::Const(Value::Int(0), Type::INT);
        self.emit(span, StmtKind::For { var, low, high, body: block });
        Ok(())
    }

    pub(super) fn comprehension(&mut self, id: ExprId, body: ExprId, clauses: &[Clause], span: Span) -> Lowered<Atom> {
        let ty = self.type_of(id)?;
        let element = ty.element().unwrap_or(Type::UNIT);
        if let [Clause::For { pattern, iter }] = clauses {
            let source = self.source(*pattern, *iter)?;
            let len = self.rounds(&source, span)?;
            let var = self.fresh("i", Type::INT, false);
            let block = self.in_block(|this| {
                this.bind_round(*pattern, &source, var, span)?;
                let atom = this.expr(body)?;
                this.coerce(atom, element, span)
            })?;
            return Ok(self.emit_let(ty, span, Rhs::Build { len, var, body: block }));
        }
        let out = self.fresh("out", ty, true);
        self.emit(span, StmtKind::Let(out, Rhs::Array(Vec::new())));
        self.clauses(clauses, body, out, ty, span)?;
        Ok(Atom::Var(out))
    }

    /// The rest of a comprehension that filters or nests: pushes onto `out`.
    fn clauses(&mut self, clauses: &[Clause], body: ExprId, out: VarId, ty: Type, span: Span) -> Lowered<()> {
        match clauses.split_first() {
            None => {
                let atom = self.expr(body)?;
                let atom = self.coerce(atom, ty.element().unwrap_or(Type::UNIT), span)?;
                let longer = self.emit_let(ty, span, Rhs::Op(Op::Push, vec![Atom::Var(out), atom]));
                let Atom::Var(longer) = longer else { return Ok(()) };
                self.emit(span, StmtKind::Assign(out, Atom::Var(longer)));
                Ok(())
            }
            Some((Clause::If(cond), rest)) => {
                let cond = self.expr(*cond)?;
                let then = self.in_block(|this| {
                    this.clauses(rest, body, out, ty, span)?;
                    Ok(Atom::default())
                })?;
                self.emit(span, StmtKind::If(cond, then, Block::default()));
                Ok(())
            }
            Some((Clause::For { pattern, iter }, rest)) => {
                let source = self.source(*pattern, *iter)?;
                let high = self.rounds(&source, span)?;
                let var = self.fresh("i", Type::INT, false);
                let block = self.in_block(|this| {
                    this.bind_round(*pattern, &source, var, span)?;
                    this.clauses(rest, body, out, ty, span)?;
                    Ok(Atom::default())
                })?;
                let low = Atom::Const(Value::Int(0), Type::INT);
                self.emit(span, StmtKind::For { var, low, high, body: block });
                Ok(())
            }
        }
    }
}

/// A block for its effects only.
fn unit(block: Block) -> Block {
    Block { result: Atom::default(), ..block }
}

/// Gives the closures that a local function makes of itself their captures.
pub(super) fn pass_captures(stmts: &mut [Stmt], own: FuncId, captures: &[Atom]) {
    for stmt in stmts {
        match &mut stmt.kind {
            StmtKind::Let(_, rhs) => match rhs {
                Rhs::Closure(func, atoms) if *func == own => *atoms = captures.to_vec(),
                Rhs::Build { body, .. } => pass_captures(&mut body.stmts, own, captures),
                Rhs::If(_, a, b) => {
                    pass_captures(&mut a.stmts, own, captures);
                    pass_captures(&mut b.stmts, own, captures);
                }
                Rhs::Switch { arms, otherwise, .. } => {
                    for (_, block) in arms {
                        pass_captures(&mut block.stmts, own, captures);
                    }
                    if let Some(block) = otherwise {
                        pass_captures(&mut block.stmts, own, captures);
                    }
                }
                _ => {}
            },
            StmtKind::For { body, .. } => pass_captures(&mut body.stmts, own, captures),
            StmtKind::While { cond, body } => {
                pass_captures(&mut cond.stmts, own, captures);
                pass_captures(&mut body.stmts, own, captures);
            }
            StmtKind::If(_, a, b) => {
                pass_captures(&mut a.stmts, own, captures);
                pass_captures(&mut b.stmts, own, captures);
            }
            _ => {}
        }
    }
}
