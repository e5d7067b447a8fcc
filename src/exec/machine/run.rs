//! The interpreter loop, and what a driver may ask of a paused machine.

use super::address;
use super::choice::Member;
use super::code::*;
use super::general;
use super::lift;
use crate::source::{Name, Span};
use crate::value::interrupt::stop_if_interrupted;
use crate::value::{Fault, Generator, Value};
use std::sync::Arc;

/// Bounds on one run, so that a program cannot hang or exhaust memory.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Frames in use at once.
    pub depth: usize,
    /// Calls and loop iterations.
    pub steps: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { depth: 1_000_000, steps: 20_000_000_000 }
    }
}

/// Why the machine paused.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// At a choice: supply a value with [`Machine::supply`], or let the machine draw it with [`Machine::enter_sampler`].
    Sample { func: u32, sample: u32 },
    /// At a weight: it was added to [`Machine::log_weight`]; go on by running again.
    Score { func: u32, score: u32, weight: f64 },
    /// At a function of the host: supply its result with [`Machine::supply_host`].
    Host { func: u32, host: u32 },
    /// Enough was printed to be passed on; go on by running again.
    Printed,
    /// A nested call made by the driver ended; its result is [`Machine::returned`].
    Returned,
    /// The run ended; its result is [`Machine::returned`].
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Frame {
    pub func: u32,
    pub pc: u32,
    pub num_base: u32,
    pub obj_base: u32,
    pub address: u64,
    pub d: Slot,
    /// Draws within are part of one choice: they never pause.
    pub sampler: bool,
    /// The result goes to the driver.
    pub host: bool,
}

/// A run of a program: its frames and registers. Cloning one forks the run.
#[derive(Debug, Default)]
pub struct Machine {
    pub(super) nums: Vec<u64>,
    pub(super) objs: Vec<Value>,
    /// How much of each bank is in use; what lies beyond is kept for the next call, objects as `()`.
    pub(super) num_top: usize,
    pub(super) obj_top: usize,
    pub(super) frames: Vec<Frame>,
    /// The sum of the log weights so far.
    pub log_weight: f64,
    /// Used by the samplers of distributions.
    pub generator: Generator,
    /// Pause at every weight, not only at those of −∞.
    pub pause_at_scores: bool,
    /// Draw choices without pausing.
    pub draw: bool,
    pub limits: Limits,
    /// Bytes that are collected before the machine pauses to have them shown.
    pub print_buffer: usize,
    pub(super) steps: u64,
    /// The result of a call or run that ended.
    pub returned: Value,
    /// What the program printed, until the driver takes it.
    pub printed: String,
}

impl Clone for Machine {
    fn clone(&self) -> Machine {
        let mut copy = Machine::default();
        copy.clone_from(self);
        copy
    }

    fn clone_from(&mut self, other: &Machine) {
        let (nums, objs) = (other.num_top, other.obj_top);
        if self.nums.len() < nums {
            self.nums.resize(nums, 0);
        }
        self.nums[..nums].copy_from_slice(&other.nums[..nums]);
        if self.objs.len() < objs {
            self.objs.resize(objs, Value::Unit);
        }
        for (to, from) in self.objs[..objs].iter_mut().zip(&other.objs[..objs]) {
            to.clone_from(from);
        }
        for rest in self.objs.iter_mut().take(self.obj_top).skip(objs) {
            *rest = Value::Unit;
        }
        self.num_top = nums;
        self.obj_top = objs;
        self.frames.clear();
        self.frames.extend_from_slice(&other.frames);
        self.log_weight = other.log_weight;
        self.generator = other.generator;
        self.pause_at_scores = other.pause_at_scores;
        self.draw = other.draw;
        self.limits = other.limits;
        self.print_buffer = other.print_buffer;
        self.steps = other.steps;
        self.returned.clone_from(&other.returned);
        self.printed.clone_from(&other.printed);
    }
}

#[inline]
pub(super) fn object<'a>(objs: &'a [Value], constants: &'a [Value], o: Obj) -> &'a Value {
    if o & CONST != 0 { &constants[(o & INDEX) as usize] } else { &objs[(o & INDEX) as usize] }
}

#[inline]
pub(super) fn fetch(objs: &mut [Value], constants: &[Value], o: Obj) -> Value {
    if o & CONST != 0 {
        constants[(o & INDEX) as usize].clone()
    } else if o & TAKE != 0 {
        std::mem::take(&mut objs[(o & INDEX) as usize])
    } else {
        objs[(o & INDEX) as usize].clone()
    }
}

/// A number as a value of its slot's type.
#[inline]
pub(super) fn to_value(slot: Slot, bits: u64) -> Value {
    match slot {
        Slot::Int(_) => Value::Int(bits as i64),
        Slot::Bool(_) => Value::Bool(bits != 0),
        _ => Value::Real(f64::from_bits(bits)),
    }
}

/// The value in a slot, taken where it is marked.
#[inline]
pub(super) fn load(nums: &[u64], objs: &mut [Value], constants: &[Value], slot: Slot) -> Value {
    match slot {
        Slot::Unit => Value::Unit,
        Slot::Real(n) => Value::Real(f64::from_bits(nums[n as usize])),
        Slot::Int(n) => Value::Int(nums[n as usize] as i64),
        Slot::Bool(n) => Value::Bool(nums[n as usize] != 0),
        Slot::Obj(o) => fetch(objs, constants, o),
    }
}

/// Writes a value into a slot of its type.
#[inline]
pub(super) fn store(nums: &mut [u64], objs: &mut [Value], slot: Slot, value: Value) -> Result<(), Fault> {
    match (slot, value) {
        (Slot::Unit, _) => {}
        (Slot::Real(n), Value::Real(x)) => nums[n as usize] = x.to_bits(),
        (Slot::Real(n), Value::Int(x)) => nums[n as usize] = (x as f64).to_bits(),
        (Slot::Int(n), Value::Int(x)) => nums[n as usize] = x as u64,
        (Slot::Bool(n), Value::Bool(b)) => nums[n as usize] = u64::from(b),
        (Slot::Obj(o), value) => objs[(o & INDEX) as usize] = value,
        (slot, value) => return Err(Fault::internal(format!("the value {value:?} does not fit its place {slot:?}"))),
    }
    Ok(())
}

/// The fault of an index outside an array.
#[cold]
pub(super) fn out_of_range(i: i64, len: usize) -> Fault {
    let fault = Fault::error(format!("index {i} is out of range for length {len}"));
    if i < 0 {
        fault.hint("indices count from 0; `a[len(a) - 1]` is the last element")
    } else {
        fault.hint("indices count from 0, so the last one is one less than the length")
    }
}

#[cold]
fn too_deep(depth: usize) -> Fault {
    Fault::limit(format!("calls are nested more than {depth} deep"))
        .hint("does the recursion end? a loop with a `var` needs no depth")
}

#[cold]
pub(super) fn overflow(what: &str) -> Fault {
    Fault::error(format!("integer overflow in {what}")).hint("use reals: they have a wider range")
}

#[cold]
pub(super) fn wrong(what: &str, value: &Value) -> Fault {
    Fault::internal(format!("expected {what}, found {value:?}"))
}

impl Machine {
    /// A machine about to run a function of the program with these arguments.
    pub fn start(&mut self, code: &Code, func: u32, args: &[Value]) -> Result<(), Fault> {
        let used = self.obj_top;
        self.objs[..used].fill(Value::Unit);
        self.num_top = 0;
        self.obj_top = 0;
        self.frames.clear();
        self.log_weight = 0.0;
        self.steps = 0;
        self.push(code, func, Slot::Unit, address::ROOT, false, true)?;
        self.pass_values(code, func, args, &[])
    }

    /// A machine about to call a function value.
    pub fn start_closure(&mut self, code: &Code, callee: &Value, args: &[Value]) -> Result<(), Fault> {
        let Value::Closure(closure) = callee else {
            return Err(wrong("a function", callee));
        };
        self.start(code, closure.function, args)?;
        self.pass_captures(code, closure.function, &closure.captures)
    }

    /// Whether the run has ended or not begun.
    pub fn is_idle(&self) -> bool {
        self.frames.is_empty()
    }

    #[inline]
    pub(super) fn push(
        &mut self,
        code: &Code,
        func: u32,
        d: Slot,
        address: u64,
        sampler: bool,
        host: bool,
    ) -> Result<(), Fault> {
        if self.frames.len() >= self.limits.depth {
            return Err(too_deep(self.limits.depth));
        }
        let callee = &code.funcs[func as usize];
        let num_base = self.num_top;
        let obj_base = self.obj_top;
        self.num_top = num_base + callee.num_size as usize;
        self.obj_top = obj_base + callee.obj_size as usize;
        if self.num_top > self.nums.len() {
            self.nums.resize(self.num_top.max(2 * self.nums.len()), 0);
        }
        if self.obj_top > self.objs.len() {
            self.objs.resize(self.obj_top.max(2 * self.objs.len()), Value::Unit);
        }
        let nums = &mut self.nums[num_base..];
        for (n, bits) in &callee.number_constants {
            nums[*n as usize] = *bits;
        }
        self.frames.push(Frame {
            func,
            pc: 0,
            num_base: num_base as u32,
            obj_base: obj_base as u32,
            address,
            d,
            sampler,
            host,
        });
        Ok(())
    }

    /// Copies arguments from the frame of the caller, whose bases are given, into the frame just pushed.
    #[inline]
    pub(super) fn pass(&mut self, code: &Code, func: u32, caller: u32, num_base: usize, obj_base: usize, args: &Args) {
        let frame = self.frames[self.frames.len() - 1];
        let base = frame.num_base as usize;
        // Parameters of a bank are its low registers in order, except that a parameter that is never read has one too.
        for (k, n) in args.nums.iter().enumerate() {
            self.nums[base + k] = self.nums[num_base + *n as usize];
        }
        if !args.objs.is_empty() {
            let constants = &code.funcs[caller as usize].constants;
            let (old, new) = self.objs.split_at_mut(frame.obj_base as usize);
            for (k, o) in args.objs.iter().enumerate() {
                new[k] = fetch(&mut old[obj_base..], constants, *o);
            }
        }
        debug_assert!(args.nums.len() + args.objs.len() <= code.funcs[func as usize].params.len());
    }

    pub(super) fn pass_values(&mut self, code: &Code, func: u32, args: &[Value], more: &[Value]) -> Result<(), Fault> {
        let callee = &code.funcs[func as usize];
        let frame = self.frames[self.frames.len() - 1];
        let nums = &mut self.nums[frame.num_base as usize..];
        let objs = &mut self.objs[frame.obj_base as usize..];
        if callee.params.len() != args.len() + more.len() {
            return Err(Fault::internal(format!(
                "`{}` takes {} arguments, given {}",
                callee.name,
                callee.params.len(),
                args.len() + more.len()
            )));
        }
        for (slot, value) in callee.params.iter().zip(args.iter().chain(more)) {
            store(nums, objs, *slot, value.clone())?;
        }
        Ok(())
    }

    fn pass_captures(&mut self, code: &Code, func: u32, captures: &[Value]) -> Result<(), Fault> {
        let callee = &code.funcs[func as usize];
        let frame = self.frames[self.frames.len() - 1];
        let nums = &mut self.nums[frame.num_base as usize..];
        let objs = &mut self.objs[frame.obj_base as usize..];
        for (slot, value) in callee.captures.iter().zip(captures) {
            store(nums, objs, *slot, value.clone())?;
        }
        Ok(())
    }

    /// Runs until the next event.
    pub fn run(&mut self, code: &Code) -> Result<Event, Fault> {
        self.execute(code).map_err(|fault| self.locate(code, fault))
    }

    /// Adds the place and the calls to a fault.
    fn locate(&self, code: &Code, fault: Fault) -> Fault {
        let mut fault = fault;
        let mut place = Span::NONE;
        for frame in self.frames.iter().rev() {
            let func = &code.funcs[frame.func as usize];
            let span = func.spans.get((frame.pc as usize).saturating_sub(1)).copied().unwrap_or(func.span);
            if func.user && place == Span::NONE {
                place = span;
            }
            if fault.trace.len() < 16 {
                fault.trace.push((func.name, span));
            }
        }
        if place == Span::NONE
            && let Some((_, span)) = fault.trace.first()
        {
            place = *span;
        }
        fault.at(place)
    }

    #[allow(clippy::too_many_lines)]
    fn execute(&mut self, code: &Code) -> Result<Event, Fault> {
        'frame: loop {
            let Some(&frame) = self.frames.last() else {
                return Ok(Event::Done);
            };
            let depth = self.frames.len() - 1;
            let func = &code.funcs[frame.func as usize];
            let instrs = func.code.as_slice();
            let constants = func.constants.as_slice();
            let num_base = frame.num_base as usize;
            let obj_base = frame.obj_base as usize;
            let nums = &mut self.nums[num_base..];
            let objs = &mut self.objs[obj_base..];
            let mut pc = frame.pc as usize;

            macro_rules! real {
                ($n:expr) => {
                    f64::from_bits(nums[$n as usize])
                };
            }
            macro_rules! int {
                ($n:expr) => {
                    nums[$n as usize] as i64
                };
            }
            macro_rules! set_real {
                ($d:expr, $x:expr) => {
                    nums[$d as usize] = f64::to_bits($x)
                };
            }
            macro_rules! set_bool {
                ($d:expr, $x:expr) => {
                    nums[$d as usize] = u64::from($x)
                };
            }
            macro_rules! save {
                () => {
                    self.frames[depth].pc = pc as u32
                };
            }
            macro_rules! fail {
                ($fault:expr) => {{
                    save!();
                    return Err($fault);
                }};
            }
            macro_rules! checked {
                ($d:expr, $value:expr, $what:expr) => {
                    match $value {
                        Some(x) => nums[$d as usize] = x as u64,
                        None => fail!(overflow($what)),
                    }
                };
            }
            macro_rules! step {
                () => {
                    self.steps += 1;
                    if self.steps & 0x3fff == 0 {
                        if let Err(fault) = stop_if_interrupted() {
                            fail!(fault);
                        }
                        if self.steps > self.limits.steps {
                            fail!(
                                Fault::limit(format!("the run took more than {} steps", self.limits.steps))
                                    .hint("does the loop end?")
                            );
                        }
                    }
                };
            }
            macro_rules! element {
                ($variant:ident, $d:expr, $a:expr, $i:expr, |$x:ident| $bits:expr) => {{
                    let i = int!($i);
                    match object(objs, constants, $a) {
                        Value::$variant(xs) => match xs.get(i as usize) {
                            Some($x) => nums[$d as usize] = $bits,
                            None => fail!(out_of_range(i, xs.len())),
                        },
                        other => fail!(wrong("an array", other)),
                    }
                }};
            }
            macro_rules! unique {
                ($variant:ident, $a:expr) => {
                    match &mut objs[($a & INDEX) as usize] {
                        Value::$variant(xs) => Arc::make_mut(xs),
                        other => {
                            let fault = wrong("an array", other);
                            fail!(fault)
                        }
                    }
                };
            }
            macro_rules! finish {
                ($value:expr) => {{
                    let value = $value;
                    self.pop(frame);
                    if frame.host {
                        self.returned = value;
                        return Ok(if self.frames.is_empty() { Event::Done } else { Event::Returned });
                    }
                    let Some(caller) = self.frames.last() else {
                        return Err(Fault::internal("a frame returned to nobody"));
                    };
                    let (nb, ob) = (caller.num_base as usize, caller.obj_base as usize);
                    store(&mut self.nums[nb..], &mut self.objs[ob..], frame.d, value)?;
                    continue 'frame;
                }};
            }

            loop {
                let instr = instrs[pc];
                pc += 1;
                match instr {
                    Instr::MovN { d, a } => nums[d as usize] = nums[a as usize],
                    Instr::MovO { d, a } => {
                        let value = fetch(objs, constants, a);
                        objs[d as usize] = value;
                    }
                    Instr::AddR { d, a, b } => set_real!(d, real!(a) + real!(b)),
                    Instr::SubR { d, a, b } => set_real!(d, real!(a) - real!(b)),
                    Instr::MulR { d, a, b } => set_real!(d, real!(a) * real!(b)),
                    Instr::DivR { d, a, b } => set_real!(d, real!(a) / real!(b)),
                    Instr::PowR { d, a, b } => set_real!(d, lift::power(real!(a), real!(b))),
                    Instr::RemR { d, a, b } => set_real!(d, lift::remainder(real!(a), real!(b))),
                    Instr::NegR { d, a } => set_real!(d, -real!(a)),
                    Instr::AddI { d, a, b } => checked!(d, int!(a).checked_add(int!(b)), "`+`"),
                    Instr::SubI { d, a, b } => checked!(d, int!(a).checked_sub(int!(b)), "`-`"),
                    Instr::MulI { d, a, b } => checked!(d, int!(a).checked_mul(int!(b)), "`*`"),
                    Instr::NegI { d, a } => checked!(d, int!(a).checked_neg(), "`-`"),
                    Instr::PowI { d, a, b } => match lift::integer_power(int!(a), int!(b)) {
                        Ok(x) => nums[d as usize] = x as u64,
                        Err(fault) => fail!(fault),
                    },
                    Instr::RemI { d, a, b } => match lift::integer_remainder(int!(a), int!(b)) {
                        Ok(x) => nums[d as usize] = x as u64,
                        Err(fault) => fail!(fault),
                    },
                    Instr::EqR { d, a, b } => set_bool!(d, real!(a) == real!(b)),
                    Instr::NeR { d, a, b } => set_bool!(d, real!(a) != real!(b)),
                    Instr::LtR { d, a, b } => set_bool!(d, real!(a) < real!(b)),
                    Instr::LeR { d, a, b } => set_bool!(d, real!(a) <= real!(b)),
                    Instr::EqI { d, a, b } => set_bool!(d, nums[a as usize] == nums[b as usize]),
                    Instr::NeI { d, a, b } => set_bool!(d, nums[a as usize] != nums[b as usize]),
                    Instr::LtI { d, a, b } => set_bool!(d, int!(a) < int!(b)),
                    Instr::LeI { d, a, b } => set_bool!(d, int!(a) <= int!(b)),
                    Instr::Not { d, a } => nums[d as usize] = nums[a as usize] ^ 1,
                    Instr::And { d, a, b } => nums[d as usize] = nums[a as usize] & nums[b as usize],
                    Instr::Or { d, a, b } => nums[d as usize] = nums[a as usize] | nums[b as usize],
                    Instr::Widen { d, a } => set_real!(d, int!(a) as f64),
                    Instr::Real1 { f, d, a } => set_real!(d, f(real!(a))),
                    Instr::Real2 { f, d, a, b } => set_real!(d, f(real!(a), real!(b))),
                    Instr::Jump { to } => pc = to as usize,
                    Instr::JumpUnless { a, to } => {
                        if nums[a as usize] == 0 {
                            pc = to as usize;
                        }
                    }
                    Instr::UnlessLtI { a, b, to } => {
                        if int!(a) >= int!(b) {
                            pc = to as usize;
                        }
                    }
                    Instr::UnlessLeI { a, b, to } => {
                        if int!(a) > int!(b) {
                            pc = to as usize;
                        }
                    }
                    Instr::UnlessLtR { a, b, to } => {
                        let holds = real!(a) < real!(b);
                        if !holds {
                            pc = to as usize;
                        }
                    }
                    Instr::UnlessLeR { a, b, to } => {
                        let holds = real!(a) <= real!(b);
                        if !holds {
                            pc = to as usize;
                        }
                    }
                    Instr::Next { i, high, to } => {
                        step!();
                        let next = int!(i).wrapping_add(1);
                        nums[i as usize] = next as u64;
                        if next < int!(high) {
                            pc = to as usize;
                        }
                    }
                    Instr::Again { to } => {
                        step!();
                        pc = to as usize;
                    }
                    Instr::Len { d, a } => match object(objs, constants, a).array_len() {
                        Some(n) => nums[d as usize] = n as u64,
                        None => fail!(wrong("an array", object(objs, constants, a))),
                    },
                    Instr::IndexR { d, a, i } => element!(Reals, d, a, i, |x| x.to_bits()),
                    Instr::IndexI { d, a, i } => element!(Ints, d, a, i, |x| *x as u64),
                    Instr::IndexB { d, a, i } => element!(Bools, d, a, i, |x| u64::from(*x)),
                    Instr::IndexV { d, a, i } => {
                        let i = int!(i);
                        let value = match object(objs, constants, a) {
                            Value::Values(xs) => match xs.get(i as usize) {
                                Some(x) => x.clone(),
                                None => fail!(out_of_range(i, xs.len())),
                            },
                            other => fail!(wrong("an array", other)),
                        };
                        objs[d as usize] = value;
                    }
                    Instr::IndexM { d, a, i } => {
                        let i = int!(i);
                        let value = match object(objs, constants, a) {
                            Value::Matrix(m) if (i as usize) < m.rows => Value::reals(m.row(i as usize).to_vec()),
                            Value::Matrix(m) => fail!(out_of_range(i, m.rows)),
                            other => fail!(wrong("a matrix", other)),
                        };
                        objs[d as usize] = value;
                    }
                    Instr::Index2 { d, a, i, j } => {
                        let (i, j) = (int!(i), int!(j));
                        match object(objs, constants, a) {
                            Value::Matrix(m) => {
                                if (i as usize) < m.rows && (j as usize) < m.cols {
                                    set_real!(d, m.at(i as usize, j as usize));
                                } else if (i as usize) < m.rows {
                                    fail!(out_of_range(j, m.cols));
                                } else {
                                    fail!(out_of_range(i, m.rows));
                                }
                            }
                            other => fail!(wrong("a matrix", other)),
                        }
                    }
                    Instr::NewArray { d, n, kind } => match general::empty_array(kind, int!(n)) {
                        Ok(value) => objs[d as usize] = value,
                        Err(fault) => fail!(fault),
                    },
                    Instr::AppendR { a, x } => unique!(Reals, a).push(real!(x)),
                    Instr::AppendI { a, x } => unique!(Ints, a).push(int!(x)),
                    Instr::AppendB { a, x } => unique!(Bools, a).push(nums[x as usize] != 0),
                    Instr::AppendV { a, x } => {
                        let value = fetch(objs, constants, x);
                        unique!(Values, a).push(value);
                    }
                    Instr::SetR { a, i, x } => {
                        let i = int!(i);
                        let xs = unique!(Reals, a);
                        match xs.get_mut(i as usize) {
                            Some(place) => *place = real!(x),
                            None => fail!(out_of_range(i, xs.len())),
                        }
                    }
                    Instr::SetI { a, i, x } => {
                        let i = int!(i);
                        let xs = unique!(Ints, a);
                        match xs.get_mut(i as usize) {
                            Some(place) => *place = int!(x),
                            None => fail!(out_of_range(i, xs.len())),
                        }
                    }
                    Instr::SetV { a, i, x } => {
                        let i = int!(i);
                        let value = fetch(objs, constants, x);
                        let xs = unique!(Values, a);
                        match xs.get_mut(i as usize) {
                            Some(place) => *place = value,
                            None => fail!(out_of_range(i, xs.len())),
                        }
                    }
                    Instr::FieldN { d, a, k } => {
                        let field = match object(objs, constants, a) {
                            Value::Record(r) => &r.fields[k as usize],
                            Value::Tuple(t) => &t.0[k as usize],
                            other => fail!(wrong("a record", other)),
                        };
                        nums[d as usize] = general::bits(field);
                    }
                    Instr::FieldO { d, a, k } => {
                        let field = match object(objs, constants, a) {
                            Value::Record(r) => r.fields[k as usize].clone(),
                            Value::Tuple(t) => t.0[k as usize].clone(),
                            other => fail!(wrong("a record", other)),
                        };
                        objs[d as usize] = field;
                    }
                    Instr::PayloadN { d, a, k } => match object(objs, constants, a) {
                        Value::Variant(v) => nums[d as usize] = general::bits(&v.fields[k as usize]),
                        other => fail!(wrong("a variant", other)),
                    },
                    Instr::PayloadO { d, a, k } => {
                        let field = match object(objs, constants, a) {
                            Value::Variant(v) => v.fields[k as usize].clone(),
                            other => fail!(wrong("a variant", other)),
                        };
                        objs[d as usize] = field;
                    }
                    Instr::Tag { d, a } => match object(objs, constants, a) {
                        Value::Variant(v) => nums[d as usize] = u64::from(v.tag),
                        other => fail!(wrong("a variant", other)),
                    },
                    Instr::Switch { a, table } => match func.switches[table as usize].get(nums[a as usize] as usize) {
                        Some(to) => pc = *to as usize,
                        None => fail!(Fault::internal("a tag outside its switch")),
                    },
                    Instr::Make { make } => general::make(&func.makes[make as usize], nums, objs, constants),
                    Instr::General { general } => {
                        let done = general::run(func, general, nums, objs, &mut self.printed);
                        if let Err(fault) = done {
                            fail!(fault);
                        }
                        if self.printed.len() > self.print_buffer && !frame.sampler {
                            save!();
                            return Ok(Event::Printed);
                        }
                    }
                    Instr::Native { native } => {
                        let native = &func.natives[native as usize];
                        if let Err(fault) = general::native(native, nums, objs, constants, &mut self.generator) {
                            fail!(fault);
                        }
                    }
                    Instr::Lift { lift } => {
                        if let Err(fault) = lift::run(&func.lifts[lift as usize], nums, objs, constants) {
                            fail!(fault);
                        }
                    }
                    Instr::Call { call } => {
                        step!();
                        save!();
                        let call = &func.calls[call as usize];
                        let address = match call.site {
                            Some(site) => address::of_site(frame.address, site, &call.path, nums),
                            None => frame.address,
                        };
                        self.push(code, call.func, call.d, address, frame.sampler, false)?;
                        self.pass(code, call.func, frame.func, num_base, obj_base, &call.args);
                        continue 'frame;
                    }
                    Instr::CallClosure { call } => {
                        step!();
                        save!();
                        let call = &func.calls[call as usize];
                        let address = match call.site {
                            Some(site) => address::of_site(frame.address, site, &call.path, nums),
                            None => frame.address,
                        };
                        let closure = match object(objs, constants, call.callee) {
                            Value::Closure(closure) => Arc::clone(closure),
                            other => return Err(wrong("a function", other)),
                        };
                        self.push(code, closure.function, call.d, address, frame.sampler, false)?;
                        self.pass(code, closure.function, frame.func, num_base, obj_base, &call.args);
                        self.pass_captures(code, closure.function, &closure.captures)?;
                        continue 'frame;
                    }
                    Instr::Member { member } => {
                        step!();
                        save!();
                        let call = &func.members[member as usize];
                        let dist = match object(objs, constants, call.dist) {
                            Value::Dist(dist) => Arc::clone(dist),
                            other => return Err(wrong("a distribution", other)),
                        };
                        let args: Vec<Value> =
                            call.args.iter().map(|slot| load(nums, objs, constants, *slot)).collect();
                        let target = member_function(code, dist.dist, call.member)?;
                        self.push(code, target, call.d, frame.address, frame.sampler, false)?;
                        self.pass_values(code, target, &dist.args, &args)?;
                        continue 'frame;
                    }
                    Instr::Sample { sample } => {
                        save!();
                        if !(self.draw || frame.sampler) {
                            return Ok(Event::Sample { func: frame.func, sample });
                        }
                        let d = func.samples[sample as usize].d;
                        self.push_choice(code, frame.func, sample, Member::Sample, d, true, false)?;
                        continue 'frame;
                    }
                    Instr::Score { a, score } => {
                        let weight = real!(a);
                        if weight.is_nan() {
                            fail!(Fault::domain("the log weight is not a number"));
                        }
                        self.log_weight += weight;
                        if self.pause_at_scores || weight == f64::NEG_INFINITY {
                            save!();
                            return Ok(Event::Score { func: frame.func, score, weight });
                        }
                    }
                    Instr::Host { host } => {
                        save!();
                        return Ok(Event::Host { func: frame.func, host });
                    }
                    Instr::ReturnN { a } => {
                        let bits = nums[a as usize];
                        self.pop(frame);
                        if !frame.host {
                            if let (Some(caller), Slot::Real(d) | Slot::Int(d) | Slot::Bool(d)) =
                                (self.frames.last(), frame.d)
                            {
                                self.nums[caller.num_base as usize + d as usize] = bits;
                            }
                            continue 'frame;
                        }
                        self.returned = to_value(func.result, bits);
                        return Ok(if self.frames.is_empty() { Event::Done } else { Event::Returned });
                    }
                    Instr::ReturnO { a } => finish!(fetch(objs, constants, a)),
                    Instr::ReturnUnit => finish!(Value::Unit),
                }
            }
        }
    }

    #[inline]
    fn pop(&mut self, frame: Frame) {
        self.frames.pop();
        self.num_top = frame.num_base as usize;
        let base = frame.obj_base as usize;
        for value in &mut self.objs[base..self.obj_top] {
            *value = Value::Unit;
        }
        self.obj_top = base;
    }

    /// A fault with the place where the machine is paused.
    pub fn fault_here(&self, code: &Code, fault: Fault) -> Fault {
        self.locate(code, fault)
    }

    /// Calls a function value to its end from outside, with nothing in it drawn; for functions such as those of `expect`.
    pub fn call_value(&mut self, code: &Code, callee: &Value, args: &[Value]) -> Result<Value, Fault> {
        self.start_closure(code, callee, args)?;
        match self.run(code)? {
            Event::Done => Ok(std::mem::take(&mut self.returned)),
            _ => Err(Fault::error("a deterministic function was expected")),
        }
    }
}

/// The function of a member of a distribution.
pub(super) fn member_function(code: &Code, dist: u32, member: Name) -> Result<u32, Fault> {
    let dist = &code.dists[dist as usize];
    let found = match member.as_str() {
        "logp" => Some(dist.logp),
        "sample" => dist.sample,
        "support" => dist.support,
        "check" => dist.check,
        _ => dist.members.iter().find(|(name, _)| *name == member).map(|(_, func)| *func),
    };
    found.ok_or_else(|| Fault::error(format!("`{}` has no `{member}`", dist.name)))
}
