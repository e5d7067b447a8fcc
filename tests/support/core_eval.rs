//! A plain evaluator of deterministic Core over numbers, tuples and arrays: slow and obvious, to judge the passes by.

use borel::core::ir::{Atom, Block, Callee, FuncId, Function, Op, Program, Rhs, Step, Stmt, StmtKind, VarId};
use borel::value::{Closure, Value};
use std::sync::Arc;

/// Why a run stopped.
#[derive(Clone, Debug, PartialEq)]
pub enum Stop {
    /// Integer arithmetic left its range; a pass may leave such a computation out.
    Overflow,
    Fault(String),
    /// Too many steps: says nothing.
    Fuel,
}

type Outcome<T> = Result<T, Stop>;

/// The value of a function of the program at these arguments.
pub fn evaluate(program: &Program, id: FuncId, args: &[Value]) -> Outcome<Value> {
    let mut machine = Machine { program, fuel: 200_000 };
    machine.call(id, args, &[])
}

struct Machine<'a> {
    program: &'a Program,
    fuel: u32,
}

type Frame = Vec<Option<Value>>;

fn fault<T>(text: impl Into<String>) -> Outcome<T> {
    Err(Stop::Fault(text.into()))
}

impl Machine<'_> {
    fn call(&mut self, id: FuncId, args: &[Value], captures: &[Value]) -> Outcome<Value> {
        let function: Arc<Function> = self.program.funcs[id.0 as usize].clone();
        let mut frame: Frame = vec![None; function.vars.len()];
        for (var, value) in function.params.iter().zip(args).chain(function.captures.iter().zip(captures)) {
            frame[var.0 as usize] = Some(value.clone());
        }
        self.block(&mut frame, &function, &function.body)
    }

    fn atom(&self, frame: &Frame, atom: &Atom) -> Value {
        match atom {
            Atom::Var(v) => frame[v.0 as usize].clone().expect("the checker saw that it is bound"),
            Atom::Const(value, _) => value.clone(),
            Atom::Global(g) => self.program.globals[g.0 as usize].value.clone().expect("all globals are known here"),
        }
    }

    fn int(&self, frame: &Frame, atom: &Atom) -> i64 {
        self.atom(frame, atom).as_int().expect("the checker saw an integer")
    }

    fn block(&mut self, frame: &mut Frame, function: &Function, block: &Block) -> Outcome<Value> {
        for stmt in &block.stmts {
            self.stmt(frame, function, stmt)?;
        }
        Ok(self.atom(frame, &block.result))
    }

    fn stmt(&mut self, frame: &mut Frame, function: &Function, stmt: &Stmt) -> Outcome<()> {
        self.fuel = self.fuel.checked_sub(1).ok_or(Stop::Fuel)?;
        match &stmt.kind {
            StmtKind::Let(var, rhs) => {
                let value = self.rhs(frame, function, *var, rhs)?;
                frame[var.0 as usize] = Some(value);
            }
            StmtKind::Assign(var, atom) => frame[var.0 as usize] = Some(self.atom(frame, atom)),
            StmtKind::Update(var, steps, atom) => {
                let value = self.atom(frame, atom);
                let [Step::Index(i)] = &steps[..] else { return fault("only a[i] := x is evaluated here") };
                let i = self.int(frame, i);
                let Some(Value::Reals(xs)) = frame[var.0 as usize].clone() else {
                    return fault("not an array of reals");
                };
                let mut xs = (*xs).clone();
                match usize::try_from(i).ok().and_then(|i| xs.get_mut(i)) {
                    Some(x) => *x = value.as_real().expect("a real"),
                    None => return fault("update out of range"),
                }
                frame[var.0 as usize] = Some(Value::reals(xs));
            }
            StmtKind::For { var, low, high, body } => {
                for i in self.int(frame, low)..self.int(frame, high) {
                    self.fuel = self.fuel.checked_sub(1).ok_or(Stop::Fuel)?;
                    frame[var.0 as usize] = Some(Value::Int(i));
                    self.block(frame, function, body)?;
                }
            }
            StmtKind::While { cond, body } => {
                while let Value::Bool(true) = self.block(frame, function, cond)? {
                    self.fuel = self.fuel.checked_sub(1).ok_or(Stop::Fuel)?;
                    self.block(frame, function, body)?;
                }
            }
            StmtKind::If(cond, yes, no) => {
                let taken = if let Value::Bool(true) = self.atom(frame, cond) { yes } else { no };
                self.block(frame, function, taken)?;
            }
            StmtKind::Observe { .. } | StmtKind::Factor { .. } => return fault("weights are not evaluated here"),
        }
        Ok(())
    }

    fn rhs(&mut self, frame: &mut Frame, function: &Function, var: VarId, rhs: &Rhs) -> Outcome<Value> {
        let all = |machine: &Self, frame: &Frame, args: &[Atom]| -> Vec<Value> {
            args.iter().map(|a| machine.atom(frame, a)).collect()
        };
        Ok(match rhs {
            Rhs::Atom(atom) => self.atom(frame, atom),
            Rhs::Op(op, args) => apply(*op, &all(self, frame, args))?,
            Rhs::Lift(Callee::Op(op), args) => {
                let args = all(self, frame, args);
                let mut lengths = args.iter().filter_map(Value::array_len);
                let length = lengths.next().expect("an array");
                if lengths.any(|other| other != length) {
                    return fault("lengths differ");
                }
                let mut out = Vec::new();
                for i in 0..length {
                    let parts: Vec<Value> = args.iter().map(|v| v.element(i).unwrap_or_else(|| v.clone())).collect();
                    out.push(apply(*op, &parts)?.as_real().expect("a real"));
                }
                Value::reals(out)
            }
            Rhs::Call { func, args, .. } => {
                let args = all(self, frame, args);
                self.call(*func, &args, &[])?
            }
            Rhs::CallClosure { callee, args, .. } => {
                let Value::Closure(closure) = self.atom(frame, callee) else { return fault("not a closure") };
                let args = all(self, frame, args);
                self.call(FuncId(closure.function), &args, &closure.captures)?
            }
            Rhs::Closure(func, captures) => {
                Value::Closure(Arc::new(Closure { function: func.0, captures: all(self, frame, captures) }))
            }
            Rhs::Tuple(parts) => Value::tuple(all(self, frame, parts)),
            Rhs::Field(atom, n) => match self.atom(frame, atom) {
                Value::Tuple(parts) => parts.0[*n as usize].clone(),
                _ => return fault("not a tuple"),
            },
            Rhs::Array(items) => {
                let items = all(self, frame, items);
                Value::reals(items.iter().map(|v| v.as_real().expect("a real")).collect())
            }
            Rhs::Build { len, var: index, body } => {
                let length = self.int(frame, len);
                if length < 0 {
                    return fault("negative length");
                }
                let mut out = Vec::new();
                for i in 0..length {
                    self.fuel = self.fuel.checked_sub(1).ok_or(Stop::Fuel)?;
                    frame[index.0 as usize] = Some(Value::Int(i));
                    out.push(self.block(frame, function, body)?.as_real().expect("a real"));
                }
                Value::reals(out)
            }
            Rhs::If(cond, yes, no) => {
                let taken = if let Value::Bool(true) = self.atom(frame, cond) { yes } else { no };
                self.block(frame, function, taken)?
            }
            other => panic!("{} := {other:?} is not evaluated here", function.vars[var.0 as usize].name),
        })
    }
}

fn apply(op: Op, args: &[Value]) -> Outcome<Value> {
    use Value::{Bool, Int, Real};
    let range = |n: Option<i64>| n.map(Int).ok_or(Stop::Overflow);
    Ok(match (op, args) {
        (Op::AddR, [Real(a), Real(b)]) => Real(a + b),
        (Op::SubR, [Real(a), Real(b)]) => Real(a - b),
        (Op::MulR, [Real(a), Real(b)]) => Real(a * b),
        (Op::DivR, [Real(a), Real(b)]) => Real(a / b),
        (Op::NegR, [Real(a)]) => Real(-a),
        (Op::AddI, [Int(a), Int(b)]) => range(a.checked_add(*b))?,
        (Op::SubI, [Int(a), Int(b)]) => range(a.checked_sub(*b))?,
        (Op::MulI, [Int(a), Int(b)]) => range(a.checked_mul(*b))?,
        (Op::RemI, [Int(_), Int(0)]) => return fault("remainder by zero"),
        // By the definition: what is left after taking away the floor of the quotient.
        (Op::RemI, [Int(a), Int(b)]) => {
            let (a, b) = (i128::from(*a), i128::from(*b));
            let floor = if (a % b != 0) && ((a < 0) != (b < 0)) { a / b - 1 } else { a / b };
            Int((a - b * floor) as i64)
        }
        (Op::LtR, [Real(a), Real(b)]) => Bool(a < b),
        (Op::LeR, [Real(a), Real(b)]) => Bool(a <= b),
        (Op::EqI, [Int(a), Int(b)]) => Bool(a == b),
        (Op::LtI, [Int(a), Int(b)]) => Bool(a < b),
        (Op::Not, [Bool(a)]) => Bool(!a),
        (Op::And, [Bool(a), Bool(b)]) => Bool(*a && *b),
        (Op::Widen, [Int(n)]) => Real(*n as f64),
        (Op::Len, [value]) => Int(value.array_len().expect("an array") as i64),
        (Op::Index, [value, Int(i)]) => match usize::try_from(*i).ok().and_then(|i| value.element(i)) {
            Some(element) => element,
            None => return fault("index out of range"),
        },
        _ => panic!("{op:?} is not evaluated here"),
    })
}
