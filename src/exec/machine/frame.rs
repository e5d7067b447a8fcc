//! A machine: its frames and registers, how frames are made and left, and how registers are read and written.

use super::address;
use super::code::*;
use super::ops::{Entry, Text, WINDOW};
use crate::source::{Name, Span};
use crate::value::{Fault, Generator, Value};
use std::cell::Cell;

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

/// Registers of a bank that may be in use at once: 2 GiB of numbers.
const MOST_REGISTERS: usize = 1 << 28;

/// A thread keeps no more registers than this for the next compact run.
const MOST_LENT: usize = 1 << 20;

thread_local! {
    /// Number registers that compact runs use in turn.
    static REGISTERS: Cell<Vec<u64>> = const { Cell::new(Vec::new()) };
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
    /// Hold only the registers in use while paused: for runs of which many wait at once.
    pub compact: bool,
    /// The registers of a compact run while it runs in those that its thread lends it.
    pub(super) own: Option<Vec<u64>>,
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
        self.compact = other.compact;
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

#[cold]
fn too_deep(depth: usize) -> Fault {
    Fault::limit(format!("calls are nested more than {depth} deep"))
        .hint("does the recursion end? a loop with a `var` needs no depth")
}

#[cold]
fn too_large() -> Fault {
    Fault::limit(format!("the calls in progress need more than {MOST_REGISTERS} registers"))
        .hint("does the recursion end? a loop with a `var` needs no depth")
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

    /// Makes the frame of a function, its constants written, its parameters not yet.
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
        self.enter(&code.text, func, code.text.entries[func as usize], d, address, sampler, host)
    }

    #[inline(always)]
    #[allow(clippy::too_many_arguments)]
    pub(super) fn enter(
        &mut self,
        text: &Text,
        func: u32,
        entry: Entry,
        d: Slot,
        address: u64,
        sampler: bool,
        host: bool,
    ) -> Result<(), Fault> {
        if self.frames.len() >= self.limits.depth {
            return Err(too_deep(self.limits.depth));
        }
        let num_base = self.num_top;
        let obj_base = self.obj_top;
        self.num_top = num_base + entry.num_size as usize;
        if self.num_top + WINDOW > self.nums.len() {
            self.grow_numbers()?;
        }
        if entry.obj_size > 0 {
            self.obj_top = obj_base + entry.obj_size as usize;
            if self.obj_top > self.objs.len() {
                self.grow_objects()?;
            }
        }
        if entry.has_constants {
            let nums = &mut self.nums[num_base..];
            for (n, bits) in &text.constants[func as usize] {
                nums[*n as usize] = *bits;
            }
        }
        self.frames.push(Frame {
            func,
            pc: entry.pc,
            num_base: num_base as u32,
            obj_base: obj_base as u32,
            address,
            d,
            sampler,
            host,
        });
        Ok(())
    }

    /// Makes room for the number registers in use and a window beyond.
    #[cold]
    #[inline(never)]
    pub(super) fn grow_numbers(&mut self) -> Result<(), Fault> {
        if self.num_top > MOST_REGISTERS {
            self.num_top = self.nums.len();
            return Err(too_large());
        }
        if !self.compact || self.own.is_some() {
            self.nums.resize((self.num_top + WINDOW).max(2 * self.nums.len()), 0);
        } else if self.num_top > self.nums.len() {
            self.nums.resize(self.num_top, 0);
        }
        Ok(())
    }

    /// Moves a compact run into the registers of the thread.
    pub(super) fn expand(&mut self) {
        let mut lent = REGISTERS.take();
        if self.num_top + WINDOW > lent.len() {
            lent.resize(self.num_top + WINDOW, 0);
        }
        lent[..self.num_top].copy_from_slice(&self.nums[..self.num_top]);
        self.own = Some(std::mem::replace(&mut self.nums, lent));
    }

    /// Moves a compact run out of the registers of the thread.
    pub(super) fn contract(&mut self) {
        let Some(mut own) = self.own.take() else { return };
        if self.num_top > own.len() {
            own.resize(self.num_top, 0);
        }
        own[..self.num_top].copy_from_slice(&self.nums[..self.num_top]);
        let lent = std::mem::replace(&mut self.nums, own);
        if lent.len() <= MOST_LENT {
            REGISTERS.set(lent);
        }
    }

    #[cold]
    #[inline(never)]
    fn grow_objects(&mut self) -> Result<(), Fault> {
        if self.obj_top > MOST_REGISTERS {
            self.obj_top = self.objs.len();
            return Err(too_large());
        }
        self.objs.resize(self.obj_top.max(2 * self.objs.len()), Value::Unit);
        Ok(())
    }

    /// Copies arguments from the frame of the caller, whose bases are given, into the frame just pushed.
    #[inline]
    pub(super) fn pass(&mut self, code: &Code, func: u32, caller: u32, num_base: usize, obj_base: usize, args: &Args) {
        let frame = self.frames[self.frames.len() - 1];
        let base = frame.num_base as usize;
        // Parameters of a bank are its low registers in order, except that a parameter that is never read has one too.
        for (k, n) in args.nums.iter().enumerate() {
            self.nums[base + nth_number(k)] = self.nums[num_base + *n as usize];
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

    pub(super) fn pass_captures(&mut self, code: &Code, func: u32, captures: &[Value]) -> Result<(), Fault> {
        let callee = &code.funcs[func as usize];
        let frame = self.frames[self.frames.len() - 1];
        let nums = &mut self.nums[frame.num_base as usize..];
        let objs = &mut self.objs[frame.obj_base as usize..];
        for (slot, value) in callee.captures.iter().zip(captures) {
            store(nums, objs, *slot, value.clone())?;
        }
        Ok(())
    }

    /// Adds the place and the calls to a fault.
    pub(super) fn locate(&self, code: &Code, fault: Fault) -> Fault {
        let mut fault = fault;
        let mut place = Span::NONE;
        for frame in self.frames.iter().rev() {
            let func = &code.funcs[frame.func as usize];
            let at = code.text.ran_last(frame.func, frame.pc).unwrap_or(0);
            let span = func.spans.get(at).copied().unwrap_or(func.span);
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

    /// Leaves the last frame.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop()?;
        self.num_top = frame.num_base as usize;
        let base = frame.obj_base as usize;
        if base < self.obj_top {
            for value in &mut self.objs[base..self.obj_top] {
                *value = Value::Unit;
            }
            self.obj_top = base;
        }
        Some(frame)
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
