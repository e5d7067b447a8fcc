//! Runs the register code once and records what depends on choices. Only this folder of the graph knows the instructions.

mod call;
mod object;

use super::op::{Op, Programs};
use super::raw::{Id, Raw, RawGraph, Shadow};
use super::whole::{Calls, Whole};
use crate::core::ir;
use crate::exec::machine::code::*;
use crate::exec::machine::{Limits, Machine, address, general};
use crate::model::Trace;
use crate::value::Value;
use std::collections::HashSet;

/// Instructions after which recording is given up: of a run, of a function of numbers.
const MOST_INSTRUCTIONS: u64 = 200_000_000;
const MOST_OF_FUNCTION: u64 = 20_000;
/// Frames at once after which it is given up.
const MOST_FRAMES: usize = 100_000;

/// A number and its node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Number {
    bits: u64,
    node: Id,
}

/// A value and its shadow.
#[derive(Clone, Debug)]
pub struct Object {
    pub value: Value,
    pub shadow: Shadow,
}

impl Object {
    pub(super) fn constant(value: Value) -> Object {
        Object { value, shadow: Shadow::Constant }
    }
}

struct Frame<'a> {
    func: &'a FuncCode,
    pc: usize,
    nums: Vec<Number>,
    objs: Vec<Object>,
    address: u64,
    d: Slot,
}

/// What the distribution of a choice is.
#[derive(Clone, Debug)]
pub enum Target {
    /// A known one, and the nodes of its arguments.
    Known(u32, Box<[Id]>),
    /// One that is a node itself.
    Node(Id),
}

/// A choice as it was met.
#[derive(Clone, Debug)]
pub struct Met {
    pub site: u32,
    pub node: Id,
    /// 0 for a forward-only choice.
    pub density: Id,
    pub target: Target,
}

/// A recording in progress.
pub struct Recorder<'a> {
    code: &'a Code,
    pub raw: RawGraph,
    frames: Vec<Frame<'a>>,
    trace: &'a Trace,
    pub choices: Vec<Met>,
    pub programs: Programs,
    /// Functions of numbers that cannot be programs.
    refused: HashSet<u32>,
    machine: Machine,
    limits: Limits,
    pub instructions: u64,
    /// Recording a function of numbers alone.
    plain: bool,
    pub log_weight: f64,
}

/// Recording is given up where a step has no value.
type Done = Option<()>;

impl<'a> Recorder<'a> {
    /// A recorder of the run that made a trace.
    pub fn new(code: &'a Code, trace: &'a Trace, limits: Limits) -> Recorder<'a> {
        Recorder {
            code,
            raw: RawGraph::new(),
            frames: Vec::new(),
            trace,
            choices: Vec::new(),
            programs: Programs::default(),
            refused: HashSet::new(),
            machine: Machine::default(),
            limits,
            instructions: 0,
            plain: false,
            log_weight: 0.0,
        }
    }

    fn frame(&mut self) -> Option<&mut Frame<'a>> {
        self.frames.last_mut()
    }

    fn number(&self, n: Num) -> Option<Number> {
        Some(self.frames.last()?.nums[n as usize])
    }

    fn set(&mut self, n: Num, number: Number) -> Done {
        self.frame()?.nums[n as usize] = number;
        Some(())
    }

    /// Operates on whole values outside the machine.
    fn apply(&mut self, whole: &Whole, args: Vec<Value>) -> Option<Value> {
        let mut calls = Calls { code: self.code, machine: &mut self.machine, limits: self.limits };
        whole.apply(args, &mut calls).ok()
    }

    fn scalar_of(&mut self, op: Op, args: &[Number]) -> Option<Number> {
        let mut bits = [0; 3];
        let mut ids = [0; 3];
        for (k, number) in args.iter().enumerate() {
            bits[k] = number.bits;
        }
        let result = op.apply(bits)?;
        if args.iter().all(|number| number.node == 0) {
            return Some(Number { bits: result, node: 0 });
        }
        for (k, number) in args.iter().enumerate() {
            // What a constant means does not matter to an operation on bits.
            ids[k] = self.raw.number(number.node, number.bits, super::op::Kind::Int)?;
        }
        let node = self.raw.add(Raw::Scalar(op, ids), op.kind().value(result))?;
        Some(Number { bits: result, node })
    }

    fn scalar(&mut self, op: Op, d: Num, args: &[Num]) -> Done {
        let mut numbers = [Number::default(); 3];
        for (k, n) in args.iter().enumerate() {
            numbers[k] = self.number(*n)?;
        }
        let result = self.scalar_of(op, &numbers[..args.len()])?;
        self.set(d, result)
    }

    /// Takes a number as a constant from here on: if it changes the recording is void.
    fn pin(&mut self, n: Num) -> Option<u64> {
        let number = self.number(n)?;
        if number.node != 0 {
            self.raw.guard(number.node)?;
            self.set(n, Number { bits: number.bits, node: 0 })?;
        }
        Some(number.bits)
    }

    /// Whether a comparison holds, now and while the recording does.
    fn holds(&mut self, op: Op, a: Num, b: Num) -> Option<bool> {
        let result = self.scalar_of(op, &[self.number(a)?, self.number(b)?])?;
        self.raw.guard(result.node)?;
        Some(result.bits != 0)
    }

    fn jump(&mut self, taken: bool, to: u32) -> Done {
        if taken {
            self.frame()?.pc = to as usize;
        }
        Some(())
    }

    /// Runs to the end: the result.
    pub fn run(&mut self) -> Option<Object> {
        let most = if self.plain { MOST_OF_FUNCTION } else { MOST_INSTRUCTIONS };
        loop {
            self.instructions += 1;
            if self.instructions > most {
                return None;
            }
            if self.instructions & 0xffff == 0 && crate::value::interrupt::interrupted() {
                return None;
            }
            let frame = self.frame()?;
            let instr = *frame.func.code.get(frame.pc)?;
            frame.pc += 1;
            let result = match instr {
                Instr::ReturnN { a } => {
                    let number = self.number(a)?;
                    let kind = slot_kind(self.frames.last()?.func.result);
                    Object { value: kind.value(number.bits), shadow: Shadow::of(number.node) }
                }
                Instr::ReturnO { a } => self.fetch(a)?,
                Instr::ReturnUnit => Object::constant(Value::Unit),
                other => {
                    self.step(other)?;
                    continue;
                }
            };
            let frame = self.frames.pop()?;
            if self.frames.is_empty() {
                return Some(result);
            }
            self.store(frame.d, result)?;
        }
    }

    #[allow(clippy::too_many_lines)]
    fn step(&mut self, instr: Instr) -> Done {
        match instr {
            Instr::MovN { d, a } => {
                let number = self.number(a)?;
                self.set(d, number)
            }
            Instr::MovO { d, a } => {
                let object = self.fetch(a)?;
                self.put(d, object)
            }
            Instr::AddR { d, a, b } => self.scalar(Op::AddR, d, &[a, b]),
            Instr::SubR { d, a, b } => self.scalar(Op::SubR, d, &[a, b]),
            Instr::MulR { d, a, b } => self.scalar(Op::MulR, d, &[a, b]),
            Instr::DivR { d, a, b } => self.scalar(Op::DivR, d, &[a, b]),
            Instr::PowR { d, a, b } => self.scalar(Op::PowR, d, &[a, b]),
            Instr::RemR { d, a, b } => self.scalar(Op::RemR, d, &[a, b]),
            Instr::NegR { d, a } => self.scalar(Op::NegR, d, &[a]),
            Instr::AddI { d, a, b } => self.scalar(Op::AddI, d, &[a, b]),
            Instr::SubI { d, a, b } => self.scalar(Op::SubI, d, &[a, b]),
            Instr::MulI { d, a, b } => self.scalar(Op::MulI, d, &[a, b]),
            Instr::PowI { d, a, b } => self.scalar(Op::PowI, d, &[a, b]),
            Instr::RemI { d, a, b } => self.scalar(Op::RemI, d, &[a, b]),
            Instr::NegI { d, a } => self.scalar(Op::NegI, d, &[a]),
            Instr::EqR { d, a, b } => self.scalar(Op::EqR, d, &[a, b]),
            Instr::NeR { d, a, b } => self.scalar(Op::NeR, d, &[a, b]),
            Instr::LtR { d, a, b } => self.scalar(Op::LtR, d, &[a, b]),
            Instr::LeR { d, a, b } => self.scalar(Op::LeR, d, &[a, b]),
            Instr::EqI { d, a, b } => self.scalar(Op::EqI, d, &[a, b]),
            Instr::NeI { d, a, b } => self.scalar(Op::NeI, d, &[a, b]),
            Instr::LtI { d, a, b } => self.scalar(Op::LtI, d, &[a, b]),
            Instr::LeI { d, a, b } => self.scalar(Op::LeI, d, &[a, b]),
            Instr::Not { d, a } => self.scalar(Op::Not, d, &[a]),
            Instr::And { d, a, b } => self.scalar(Op::And, d, &[a, b]),
            Instr::Or { d, a, b } => self.scalar(Op::Or, d, &[a, b]),
            Instr::Widen { d, a } => self.scalar(Op::Widen, d, &[a]),
            Instr::Real1 { f, d, a } => self.scalar(Op::Real1(f), d, &[a]),
            Instr::Real2 { f, d, a, b } => self.scalar(Op::Real2(f), d, &[a, b]),
            Instr::Jump { to } | Instr::Again { to } => self.jump(true, to),
            Instr::JumpUnless { a, to } => {
                let holds = self.pin(a)? != 0;
                self.jump(!holds, to)
            }
            Instr::UnlessLtI { a, b, to } => {
                let holds = self.holds(Op::LtI, a, b)?;
                self.jump(!holds, to)
            }
            Instr::UnlessLeI { a, b, to } => {
                let holds = self.holds(Op::LeI, a, b)?;
                self.jump(!holds, to)
            }
            Instr::UnlessLtR { a, b, to } => {
                let holds = self.holds(Op::LtR, a, b)?;
                self.jump(!holds, to)
            }
            Instr::UnlessLeR { a, b, to } => {
                let holds = self.holds(Op::LeR, a, b)?;
                self.jump(!holds, to)
            }
            Instr::Next { i, high, to } => {
                let next = (self.pin(i)? as i64).wrapping_add(1);
                let high = self.pin(high)? as i64;
                self.set(i, Number { bits: next as u64, node: 0 })?;
                self.jump(next < high, to)
            }
            Instr::Switch { a, table } => {
                let tag = self.pin(a)? as usize;
                let to = *self.frame()?.func.switches[table as usize].get(tag)?;
                self.jump(true, to)
            }
            Instr::Len { d, a } => {
                let object = self.look(a)?;
                let result = match object.shadow {
                    Shadow::Node(id) => self.operate(Whole::Len, vec![(object.value, Shadow::Node(id))])?,
                    _ => Object::constant(Value::Int(object.value.array_len()? as i64)),
                };
                self.store(Slot::Int(d), result)
            }
            Instr::IndexR { d, a, i } => self.index(Slot::Real(d), a, i),
            Instr::IndexI { d, a, i } => self.index(Slot::Int(d), a, i),
            Instr::IndexB { d, a, i } => self.index(Slot::Bool(d), a, i),
            Instr::IndexV { d, a, i } | Instr::IndexM { d, a, i } => self.index(Slot::Obj(d), a, i),
            Instr::Index2 { d, a, i, j } => {
                let object = self.look(a)?;
                let args = vec![(object.value, object.shadow), self.integer(i)?, self.integer(j)?];
                let result = self.operate(Whole::Index2, args)?;
                self.store(Slot::Real(d), result)
            }
            Instr::NewArray { d, n, kind } => {
                let n = self.pin(n)? as i64;
                let value = general::empty_array(kind, n).ok()?;
                self.put(d, Object::constant(value))
            }
            Instr::AppendR { a, x } => self.append(a, Slot::Real(x)),
            Instr::AppendI { a, x } => self.append(a, Slot::Int(x)),
            Instr::AppendB { a, x } => self.append(a, Slot::Bool(x)),
            Instr::AppendV { a, x } => self.append(a, Slot::Obj(x)),
            Instr::SetR { a, i, x } => self.set_element(a, i, Slot::Real(x)),
            Instr::SetI { a, i, x } => self.set_element(a, i, Slot::Int(x)),
            Instr::SetV { a, i, x } => self.set_element(a, i, Slot::Obj(x)),
            Instr::FieldN { d, a, k } | Instr::PayloadN { d, a, k } => {
                let object = self.look(a)?;
                let field = self.part(&object, k as usize)?;
                let bits = general::bits(&field.value);
                let node = self.node_of(&field.shadow)?;
                self.set(d, Number { bits, node })
            }
            Instr::FieldO { d, a, k } | Instr::PayloadO { d, a, k } => {
                let object = self.look(a)?;
                let field = self.part(&object, k as usize)?;
                self.put(d, field)
            }
            Instr::Tag { d, a } => {
                let object = self.look(a)?;
                let Value::Variant(variant) = &object.value else { return None };
                let result = match object.shadow {
                    Shadow::Node(id) => {
                        let value = object.value.clone();
                        self.operate(Whole::Tag, vec![(value, Shadow::Node(id))])?
                    }
                    _ => Object::constant(Value::Int(i64::from(variant.tag))),
                };
                self.store(Slot::Int(d), result)
            }
            Instr::Make { make } => {
                let make = &self.frame()?.func.makes[make as usize];
                self.make(make)
            }
            Instr::General { general } => {
                let func = self.frame()?.func;
                self.general(func, &func.generals[general as usize])
            }
            Instr::Native { native } => {
                let native = &self.frame()?.func.natives[native as usize];
                self.native(native)
            }
            Instr::Lift { lift } => {
                let lift = &self.frame()?.func.lifts[lift as usize];
                self.lift(lift)
            }
            Instr::Call { call } => {
                let call = &self.frame()?.func.calls[call as usize];
                let address = self.call_address(call)?;
                let args = self.arguments(call.func, &call.args)?;
                self.enter(call.func, args, Vec::new(), call.d, address, call.site.is_none())
            }
            Instr::CallClosure { call } => {
                let call = &self.frame()?.func.calls[call as usize];
                let address = self.call_address(call)?;
                let callee = self.look(call.callee)?;
                let Value::Closure(closure) = &callee.value else { return None };
                let function = closure.function;
                let captures = self.parts_of(&callee)?;
                let args = self.arguments(function, &call.args)?;
                self.enter(function, args, captures, call.d, address, call.site.is_none())
            }
            Instr::Member { member } => {
                let call = &self.frame()?.func.members[member as usize];
                self.member(call)
            }
            Instr::Sample { sample } => {
                let sample = &self.frame()?.func.samples[sample as usize];
                self.sample(sample)
            }
            Instr::Score { a, score } => {
                if self.plain {
                    return None;
                }
                let site = self.frame()?.func.scores[score as usize].site;
                let weight = self.number(a)?;
                self.log_weight += f64::from_bits(weight.bits);
                if weight.node != 0 {
                    let value = Value::Real(f64::from_bits(weight.bits));
                    self.raw.add(Raw::Score(weight.node, site), value)?;
                }
                Some(())
            }
            Instr::Host { .. } | Instr::ReturnN { .. } | Instr::ReturnO { .. } | Instr::ReturnUnit => None,
        }
    }

    fn general(&mut self, func: &FuncCode, general: &General) -> Done {
        match &general.kind {
            GeneralKind::Update(update) => self.update(&func.updates[*update as usize]),
            GeneralKind::Fill(kind) => {
                let args = self.values(&general.args)?;
                let [(Value::Int(n), count), (item, shadow)] = args.as_slice() else { return None };
                let result = if count.is_constant() && !shadow.is_constant() {
                    let value = self.apply(&Whole::Fill(*kind), vec![Value::Int(*n), item.clone()])?;
                    let n = value.array_len()?;
                    Object { value, shadow: Shadow::parts(vec![shadow.clone(); n])? }
                } else {
                    self.operate(Whole::Fill(*kind), args)?
                };
                self.store(general.d, result)
            }
            GeneralKind::Op(op) => {
                let op = *op;
                let args = self.values(&general.args)?;
                let result = match op {
                    ir::Op::Print | ir::Op::Fail | ir::Op::Domain => return None,
                    ir::Op::Assert => {
                        for (_, shadow) in &args {
                            let node = self.node_of(shadow)?;
                            self.raw.guard(node)?;
                        }
                        let values = args.into_iter().map(|(value, _)| value).collect();
                        Object::constant(self.apply(&Whole::Op(op), values)?)
                    }
                    _ => match self.rearranged(op, &args)? {
                        Some(object) => object,
                        None => self.operate(Whole::Op(op), args)?,
                    },
                };
                self.store(general.d, result)
            }
        }
    }

    fn call_address(&mut self, call: &Call) -> Option<u64> {
        match call.site {
            Some(site) => self.site_address(site, &call.path),
            None => Some(self.frame()?.address),
        }
    }

    /// The address of a site; its indices must stay as they are.
    fn site_address(&mut self, site: u32, path: &[Slot]) -> Option<u64> {
        for slot in path {
            if let Slot::Int(n) | Slot::Real(n) | Slot::Bool(n) = slot {
                self.pin(*n)?;
            }
        }
        let frame = self.frame()?;
        let nums: Vec<u64> = frame.nums.iter().map(|number| number.bits).collect();
        Some(address::of_site(frame.address, site, path, &nums))
    }
}

/// What the bits in a slot mean.
fn slot_kind(slot: Slot) -> super::op::Kind {
    match slot {
        Slot::Int(_) => super::op::Kind::Int,
        Slot::Bool(_) => super::op::Kind::Bool,
        _ => super::op::Kind::Real,
    }
}
