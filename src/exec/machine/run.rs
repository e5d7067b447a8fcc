//! The interpreter loop.
//!
//! The loop keeps the place in the text and a window of the frame's number registers in variables of its own. Whatever else it needs
//! of the frame it reads where it needs it, so that calls and returns, which are made here without leaving the loop, move little.

use super::address;
use super::choice::Member;
use super::code::*;
use super::frame::{Event, Frame, Machine, load, member_function, object, store, to_value, wrong};
use super::general;
use super::lift;
use super::ops::{Op, WINDOW};
use super::scalar;
use crate::value::interrupt::stop_if_interrupted;
use crate::value::{Fault, Value};
use std::sync::Arc;

/// The fault of an index outside an array.
#[cold]
#[inline(never)]
pub(super) fn out_of_range(i: i64, len: usize) -> Fault {
    let fault = Fault::error(format!("index {i} is out of range for length {len}"));
    if i < 0 {
        fault.hint("indices count from 0; `a[len(a) - 1]` is the last element")
    } else {
        fault.hint("indices count from 0, so the last one is one less than the length")
    }
}

/// Looked at once in many steps.
#[cold]
#[inline(never)]
fn checkpoint(steps: u64, limit: u64) -> Result<(), Fault> {
    stop_if_interrupted()?;
    if steps > limit {
        return Err(Fault::limit(format!("the run took more than {limit} steps")).hint("does the loop end?"));
    }
    Ok(())
}

#[cold]
#[inline(never)]
fn no_caller() -> Fault {
    Fault::internal("a frame returned to nobody")
}

/// The number registers that instructions of a frame reach. Every frame has that many behind its base.
#[inline(always)]
fn window(nums: &mut [u64], base: usize) -> &mut [u64; WINDOW] {
    let nums = &mut nums[base..base + WINDOW];
    nums.try_into().expect("the slice has the length of a window")
}

/// What the loop knows of the frame that it runs.
#[derive(Clone, Copy)]
struct Place {
    func: u32,
    /// Where its registers begin.
    base: usize,
    obj_base: usize,
}

/// An object operand of a frame.
#[inline(always)]
fn operand<'a>(objs: &'a [Value], base: usize, code: &'a Code, func: u32, o: Obj) -> &'a Value {
    if o & CONST != 0 {
        &code.funcs[func as usize].constants[(o & INDEX) as usize]
    } else {
        &objs[base + (o & INDEX) as usize]
    }
}

/// The value of an object operand of a frame, taken where it is marked.
#[inline(always)]
fn taken(objs: &mut [Value], base: usize, code: &Code, func: u32, o: Obj) -> Value {
    if o & CONST != 0 {
        code.funcs[func as usize].constants[(o & INDEX) as usize].clone()
    } else if o & TAKE != 0 {
        std::mem::take(&mut objs[base + (o & INDEX) as usize])
    } else {
        objs[base + (o & INDEX) as usize].clone()
    }
}

impl Machine {
    /// Runs until the next event.
    pub fn run(&mut self, code: &Code) -> Result<Event, Fault> {
        if self.compact {
            self.expand();
        } else if self.num_top + WINDOW > self.nums.len() {
            self.grow_numbers()?;
        }
        let result = self.execute(code);
        if self.compact {
            self.contract();
        }
        result.map_err(|fault| self.locate(code, fault))
    }

    #[allow(clippy::too_many_lines)]
    fn execute(&mut self, code: &Code) -> Result<Event, Fault> {
        let text = &code.text;
        let ops = text.ops.as_slice();
        'frame: loop {
            let Some(&Frame { func, pc, num_base, obj_base, .. }) = self.frames.last() else {
                return Ok(Event::Done);
            };
            let mut pc = pc as usize;
            let mut place = Place { func, base: num_base as usize, obj_base: obj_base as usize };
            // The inner loop changes `pc` alone, so that nothing else goes from one instruction to the next.
            'window: loop {
                let Place { func, base, obj_base } = place;
                let nums = window(&mut self.nums, base);

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
                macro_rules! set_object {
                    ($d:expr, $x:expr) => {{
                        let value = $x;
                        self.objs[obj_base + $d as usize] = value;
                    }};
                }
                macro_rules! save {
                    () => {
                        if let Some(frame) = self.frames.last_mut() {
                            frame.pc = pc as u32;
                        }
                    };
                }
                macro_rules! fail {
                    ($fault:expr) => {{
                        let fault = $fault;
                        save!();
                        return Err(fault);
                    }};
                }
                macro_rules! checked {
                    ($d:expr, $value:expr) => {
                        match $value {
                            Ok(x) => nums[$d as usize] = x as u64,
                            Err(fault) => fail!(fault),
                        }
                    };
                }
                macro_rules! step {
                    () => {
                        self.steps += 1;
                        if self.steps & 0x3fff == 0
                            && let Err(fault) = checkpoint(self.steps, self.limits.steps)
                        {
                            fail!(fault);
                        }
                    };
                }
                macro_rules! jump_unless {
                    ($holds:expr, $to:expr) => {{
                        let holds = $holds;
                        if !holds {
                            pc = $to as usize;
                        }
                    }};
                }
                macro_rules! object {
                    ($a:expr) => {
                        operand(&self.objs, obj_base, code, func, $a)
                    };
                }
                macro_rules! take {
                    ($a:expr) => {
                        taken(&mut self.objs, obj_base, code, func, $a)
                    };
                }
                macro_rules! element {
                    ($variant:ident, $d:expr, $a:expr, $i:expr, |$x:ident| $bits:expr) => {{
                        let i = int!($i);
                        match object!($a) {
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
                        match &mut self.objs[obj_base + ($a & INDEX) as usize] {
                            Value::$variant(xs) => Arc::make_mut(xs),
                            other => {
                                let fault = wrong("an array", other);
                                fail!(fault)
                            }
                        }
                    };
                }
                // Runs something that reaches all registers of the frame.
                macro_rules! by_table {
                    (|$func:ident, $nums:ident, $objs:ident| $run:expr) => {{
                        let $func = &code.funcs[func as usize];
                        let $nums = &mut self.nums[base..];
                        let $objs = &mut self.objs[obj_base..];
                        if let Err(fault) = $run {
                            fail!(fault);
                        }
                        continue 'window;
                    }};
                }
                macro_rules! call {
                    ($target:expr $(, $value:expr)*) => {{
                        step!();
                        let values: [u64; _] = [$($value),*];
                        let target = &text.targets[$target as usize];
                        let Some(caller) = self.frames.last_mut() else { return Err(no_caller()) };
                        caller.pc = pc as u32;
                        let (address, sampler) = (caller.address, caller.sampler);
                        place = Place { func: target.func, base: self.num_top, obj_base: self.obj_top };
                        self.enter(text, target.func, target.entry, target.d, address, sampler, false)?;
                        for (register, value) in window(&mut self.nums, place.base).iter_mut().zip(values) {
                            *register = value;
                        }
                        pc = target.entry.pc as usize;
                        continue 'window;
                    }};
                }
                macro_rules! return_number {
                    ($bits:expr) => {{
                        let bits = $bits;
                        let Some(frame) = self.pop() else { return Err(no_caller()) };
                        if frame.host {
                            return Ok(self.hand_over(code, frame, bits));
                        }
                        let Some(caller) = self.frames.last() else { return Err(no_caller()) };
                        pc = caller.pc as usize;
                        let base = caller.num_base as usize;
                        place = Place { func: caller.func, base, obj_base: caller.obj_base as usize };
                        if let Slot::Real(d) | Slot::Int(d) | Slot::Bool(d) = frame.d {
                            self.nums[base + d as usize] = bits;
                        }
                        continue 'window;
                    }};
                }
                macro_rules! finish {
                    ($value:expr) => {{
                        let value = $value;
                        let Some(frame) = self.pop() else { return Err(no_caller()) };
                        if frame.host {
                            self.returned = value;
                            return Ok(if self.frames.is_empty() { Event::Done } else { Event::Returned });
                        }
                        let Some(caller) = self.frames.last() else { return Err(no_caller()) };
                        let (nb, ob) = (caller.num_base as usize, caller.obj_base as usize);
                        store(&mut self.nums[nb..], &mut self.objs[ob..], frame.d, value)?;
                        continue 'frame;
                    }};
                }

                loop {
                    let op = &ops[pc];
                    pc += 1;
                    match *op {
                        Op::MovN { d, a } => nums[d as usize] = nums[a as usize],
                        Op::MovJump { d, a, to } => {
                            nums[d as usize] = nums[a as usize];
                            pc = to as usize;
                        }
                        Op::SetN { d, value } => nums[d as usize] = i64::from(value) as u64,
                        Op::SetNumber { d, number } => nums[d as usize] = text.numbers[number as usize],
                        Op::Load { d, from } => {
                            self.nums[base + d as usize] = self.nums[base + from as usize];
                            continue 'window;
                        }
                        Op::Store { to, a } => {
                            self.nums[base + to as usize] = self.nums[base + a as usize];
                            continue 'window;
                        }
                        Op::MovO { d, a } => set_object!(d, take!(a)),
                        Op::AddR { d, a, b } => set_real!(d, real!(a) + real!(b)),
                        Op::SubR { d, a, b } => set_real!(d, real!(a) - real!(b)),
                        Op::MulR { d, a, b } => set_real!(d, real!(a) * real!(b)),
                        Op::DivR { d, a, b } => set_real!(d, real!(a) / real!(b)),
                        Op::PowR { d, a, b } => set_real!(d, scalar::power(real!(a), real!(b))),
                        Op::RemR { d, a, b } => set_real!(d, scalar::remainder(real!(a), real!(b))),
                        Op::NegR { d, a } => set_real!(d, -real!(a)),
                        Op::AddI { d, a, b } => checked!(d, scalar::add(int!(a), int!(b))),
                        Op::SubI { d, a, b } => checked!(d, scalar::subtract(int!(a), int!(b))),
                        Op::MulI { d, a, b } => checked!(d, scalar::multiply(int!(a), int!(b))),
                        Op::PowI { d, a, b } => checked!(d, scalar::integer_power(int!(a), int!(b))),
                        Op::RemI { d, a, b } => checked!(d, scalar::integer_remainder(int!(a), int!(b))),
                        Op::NegI { d, a } => checked!(d, scalar::negate(int!(a))),
                        Op::AddValue { d, a, value } => checked!(d, scalar::add(int!(a), i64::from(value))),
                        Op::SubValue { d, a, value } => checked!(d, scalar::subtract(int!(a), i64::from(value))),
                        Op::MulValue { d, a, value } => checked!(d, scalar::multiply(int!(a), i64::from(value))),
                        Op::EqR { d, a, b } => set_bool!(d, real!(a) == real!(b)),
                        Op::NeR { d, a, b } => set_bool!(d, real!(a) != real!(b)),
                        Op::LtR { d, a, b } => set_bool!(d, real!(a) < real!(b)),
                        Op::LeR { d, a, b } => set_bool!(d, real!(a) <= real!(b)),
                        Op::EqI { d, a, b } => set_bool!(d, nums[a as usize] == nums[b as usize]),
                        Op::NeI { d, a, b } => set_bool!(d, nums[a as usize] != nums[b as usize]),
                        Op::LtI { d, a, b } => set_bool!(d, int!(a) < int!(b)),
                        Op::LeI { d, a, b } => set_bool!(d, int!(a) <= int!(b)),
                        Op::Not { d, a } => nums[d as usize] = nums[a as usize] ^ 1,
                        Op::And { d, a, b } => nums[d as usize] = nums[a as usize] & nums[b as usize],
                        Op::Or { d, a, b } => nums[d as usize] = nums[a as usize] | nums[b as usize],
                        Op::Widen { d, a } => set_real!(d, int!(a) as f64),
                        Op::Real1 { d, a, f } => set_real!(d, text.real1[f as usize](real!(a))),
                        Op::Real2 { d, a, b, f } => set_real!(d, text.real2[f as usize](real!(a), real!(b))),
                        Op::Jump { to } => pc = to as usize,
                        Op::JumpUnless { a, to } => jump_unless!(nums[a as usize] != 0, to),
                        Op::UnlessLtI { a, b, to } => jump_unless!(int!(a) < int!(b), to),
                        Op::UnlessLeI { a, b, to } => jump_unless!(int!(a) <= int!(b), to),
                        Op::UnlessEqI { a, b, to } => jump_unless!(int!(a) == int!(b), to),
                        Op::UnlessNeI { a, b, to } => jump_unless!(int!(a) != int!(b), to),
                        Op::UnlessLtR { a, b, to } => jump_unless!(real!(a) < real!(b), to),
                        Op::UnlessLeR { a, b, to } => jump_unless!(real!(a) <= real!(b), to),
                        Op::UnlessLtValue { a, value, to } => jump_unless!(int!(a) < i64::from(value), to),
                        Op::UnlessGtValue { a, value, to } => jump_unless!(int!(a) > i64::from(value), to),
                        Op::UnlessEqValue { a, value, to } => jump_unless!(int!(a) == i64::from(value), to),
                        Op::UnlessNeValue { a, value, to } => jump_unless!(int!(a) != i64::from(value), to),
                        Op::SumUnlessLt { d, a, value, bound, skip } => {
                            // On overflow the sum that comes next says so.
                            if let Some(sum) = int!(a).checked_add(i64::from(value)) {
                                nums[d as usize] = sum as u64;
                                pc += if sum < i64::from(bound) { 2 } else { skip as usize };
                            }
                        }
                        Op::SumMoveUnlessLt { d, a, value, bound, skip } => {
                            if let Some(sum) = int!(a).checked_add(i64::from(value)) {
                                nums[d as usize] = sum as u64;
                                if sum >= i64::from(bound) {
                                    pc += skip as usize;
                                } else if let Some(&Op::MovJump { d, a, to }) = ops.get(pc + 2) {
                                    nums[d as usize] = nums[a as usize];
                                    pc = to as usize;
                                }
                            }
                        }
                        Op::Next { i, high, to } => {
                            step!();
                            let next = int!(i).wrapping_add(1);
                            nums[i as usize] = next as u64;
                            if next < int!(high) {
                                pc = to as usize;
                            }
                        }
                        Op::Again { to } => {
                            step!();
                            pc = to as usize;
                        }
                        Op::Len { d, a } => match object!(a).array_len() {
                            Some(n) => nums[d as usize] = n as u64,
                            None => fail!(wrong("an array", object!(a))),
                        },
                        Op::IndexR { d, a, i } => element!(Reals, d, a, i, |x| x.to_bits()),
                        Op::IndexI { d, a, i } => element!(Ints, d, a, i, |x| *x as u64),
                        Op::IndexB { d, a, i } => element!(Bools, d, a, i, |x| u64::from(*x)),
                        Op::IndexV { d, a, i } => {
                            let i = int!(i);
                            let value = match object!(a) {
                                Value::Values(xs) => match xs.get(i as usize) {
                                    Some(x) => x.clone(),
                                    None => fail!(out_of_range(i, xs.len())),
                                },
                                other => fail!(wrong("an array", other)),
                            };
                            set_object!(d, value);
                        }
                        Op::IndexM { d, a, i } => {
                            let i = int!(i);
                            let value = match object!(a) {
                                Value::Matrix(m) if (i as usize) < m.rows => Value::reals(m.row(i as usize).to_vec()),
                                Value::Matrix(m) => fail!(out_of_range(i, m.rows)),
                                other => fail!(wrong("a matrix", other)),
                            };
                            set_object!(d, value);
                        }
                        Op::Index2 { d, a, i, j } => {
                            let (i, j) = (int!(i), int!(j));
                            match object!(a) {
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
                        Op::NewArray { d, n, kind } => match general::empty_array(kind, int!(n)) {
                            Ok(value) => set_object!(d, value),
                            Err(fault) => fail!(fault),
                        },
                        Op::AppendR { a, x } => unique!(Reals, a).push(real!(x)),
                        Op::AppendI { a, x } => unique!(Ints, a).push(int!(x)),
                        Op::AppendB { a, x } => unique!(Bools, a).push(nums[x as usize] != 0),
                        Op::AppendV { a, x } => {
                            let value = take!(x);
                            unique!(Values, a).push(value);
                        }
                        Op::SetR { a, i, x } => {
                            let i = int!(i);
                            let xs = unique!(Reals, a);
                            match xs.get_mut(i as usize) {
                                Some(place) => *place = real!(x),
                                None => fail!(out_of_range(i, xs.len())),
                            }
                        }
                        Op::SetI { a, i, x } => {
                            let i = int!(i);
                            let xs = unique!(Ints, a);
                            match xs.get_mut(i as usize) {
                                Some(place) => *place = int!(x),
                                None => fail!(out_of_range(i, xs.len())),
                            }
                        }
                        Op::SetV { a, i, x } => {
                            let i = int!(i);
                            let value = take!(x);
                            let xs = unique!(Values, a);
                            match xs.get_mut(i as usize) {
                                Some(place) => *place = value,
                                None => fail!(out_of_range(i, xs.len())),
                            }
                        }
                        Op::FieldN { d, a, k } => {
                            let field = match object!(a) {
                                Value::Record(r) => &r.fields[k as usize],
                                Value::Tuple(t) => &t.0[k as usize],
                                other => fail!(wrong("a record", other)),
                            };
                            nums[d as usize] = general::bits(field);
                        }
                        Op::FieldO { d, a, k } => {
                            let field = match object!(a) {
                                Value::Record(r) => r.fields[k as usize].clone(),
                                Value::Tuple(t) => t.0[k as usize].clone(),
                                other => fail!(wrong("a record", other)),
                            };
                            set_object!(d, field);
                        }
                        Op::PayloadN { d, a, k } => match object!(a) {
                            Value::Variant(v) => nums[d as usize] = general::bits(&v.fields[k as usize]),
                            other => fail!(wrong("a variant", other)),
                        },
                        Op::PayloadO { d, a, k } => {
                            let field = match object!(a) {
                                Value::Variant(v) => v.fields[k as usize].clone(),
                                other => fail!(wrong("a variant", other)),
                            };
                            set_object!(d, field);
                        }
                        Op::Tag { d, a } => match object!(a) {
                            Value::Variant(v) => nums[d as usize] = u64::from(v.tag),
                            other => fail!(wrong("a variant", other)),
                        },
                        Op::Switch { a, table } => match text.switches[table as usize].get(nums[a as usize] as usize) {
                            Some(to) => pc = *to as usize,
                            None => fail!(Fault::internal("a tag outside its switch")),
                        },
                        Op::Make { make } => by_table!(|func, nums, objs| {
                            general::make(&func.makes[make as usize], nums, objs, &func.constants);
                            Ok::<(), Fault>(())
                        }),
                        Op::General { general } => {
                            let (nums, objs) = (&mut self.nums[base..], &mut self.objs[obj_base..]);
                            let done = general::run(&code.funcs[func as usize], general, nums, objs, &mut self.printed);
                            if let Err(fault) = done {
                                fail!(fault);
                            }
                            if self.printed.len() > self.print_buffer && self.frames.last().is_some_and(|f| !f.sampler)
                            {
                                save!();
                                return Ok(Event::Printed);
                            }
                            continue 'window;
                        }
                        Op::Native { native } => by_table!(|func, nums, objs| {
                            let native = &func.natives[native as usize];
                            general::native(native, nums, objs, &func.constants, &mut self.generator)
                        }),
                        Op::Lift { lift } => by_table!(|func, nums, objs| {
                            lift::run(&func.lifts[lift as usize], nums, objs, &func.constants)
                        }),
                        Op::Call0 { target } => call!(target),
                        Op::Call1 { a, target } => call!(target, nums[a as usize]),
                        Op::Call2 { a, b, target } => call!(target, nums[a as usize], nums[b as usize]),
                        Op::Call3 { a, b, c, target } => {
                            call!(target, nums[a as usize], nums[b as usize], nums[c as usize]);
                        }
                        Op::CallSum { a, value, target } => {
                            // On overflow the sum that comes next says so.
                            if let Some(sum) = int!(a).checked_add(i64::from(value)) {
                                pc += 2;
                                call!(target, sum as u64);
                            }
                        }
                        Op::Call { target } => {
                            step!();
                            save!();
                            let target = text.targets[target as usize];
                            let call = &code.funcs[func as usize].calls[target.call as usize];
                            let (address, sampler) = self.address_of_call(call);
                            self.push(code, call.func, call.d, address, sampler, false)?;
                            self.pass(code, call.func, func, base, obj_base, &call.args);
                            continue 'frame;
                        }
                        Op::CallClosure { call } => {
                            step!();
                            save!();
                            let call = &code.funcs[func as usize].calls[call as usize];
                            let (address, sampler) = self.address_of_call(call);
                            let closure = match object!(call.callee) {
                                Value::Closure(closure) => Arc::clone(closure),
                                other => return Err(wrong("a function", other)),
                            };
                            self.push(code, closure.function, call.d, address, sampler, false)?;
                            self.pass(code, closure.function, func, base, obj_base, &call.args);
                            self.pass_captures(code, closure.function, &closure.captures)?;
                            continue 'frame;
                        }
                        Op::Member { member } => {
                            step!();
                            save!();
                            self.push_member(code, member)?;
                            continue 'frame;
                        }
                        Op::Sample { sample } => {
                            save!();
                            if !(self.draw || self.frames.last().is_some_and(|frame| frame.sampler)) {
                                return Ok(Event::Sample { func, sample });
                            }
                            let d = code.funcs[func as usize].samples[sample as usize].d;
                            self.push_choice(code, func, sample, Member::Sample, d, true, false)?;
                            continue 'frame;
                        }
                        Op::Score { a, score } => {
                            let weight = real!(a);
                            if weight.is_nan() {
                                fail!(Fault::domain("the log weight is not a number"));
                            }
                            self.log_weight += weight;
                            if self.pause_at_scores || weight == f64::NEG_INFINITY {
                                save!();
                                return Ok(Event::Score { func, score, weight });
                            }
                        }
                        Op::Host { host } => {
                            save!();
                            return Ok(Event::Host { func, host });
                        }
                        Op::ReturnN { a } => return_number!(nums[a as usize]),
                        Op::ReturnSum { a, b } => {
                            // On overflow the sum that comes next says so.
                            if let Some(sum) = int!(a).checked_add(int!(b)) {
                                return_number!(sum as u64);
                            }
                        }
                        Op::ReturnO { a } => finish!(take!(a)),
                        Op::ReturnUnit => finish!(Value::Unit),
                    }
                }
            }
        }
    }

    /// Gives a number that a function of the driver's returned to the driver.
    #[inline(never)]
    fn hand_over(&mut self, code: &Code, frame: Frame, bits: u64) -> Event {
        self.returned = to_value(code.funcs[frame.func as usize].result, bits);
        if self.frames.is_empty() { Event::Done } else { Event::Returned }
    }

    /// The address of a call from the last frame, and whether what is called is part of a choice.
    fn address_of_call(&self, call: &Call) -> (u64, bool) {
        let frame = &self.frames[self.frames.len() - 1];
        let address = match call.site {
            Some(site) => address::of_site(frame.address, site, &call.path, &self.nums[frame.num_base as usize..]),
            None => frame.address,
        };
        (address, frame.sampler)
    }

    /// Makes the frame of a member of a distribution held as a value.
    #[inline(never)]
    fn push_member(&mut self, code: &Code, member: u32) -> Result<(), Fault> {
        let frame = self.frames[self.frames.len() - 1];
        let func = &code.funcs[frame.func as usize];
        let nums = &self.nums[frame.num_base as usize..];
        let objs = &mut self.objs[frame.obj_base as usize..];
        let call = &func.members[member as usize];
        let dist = match object(objs, &func.constants, call.dist) {
            Value::Dist(dist) => Arc::clone(dist),
            other => return Err(wrong("a distribution", other)),
        };
        let args: Vec<Value> = call.args.iter().map(|slot| load(nums, objs, &func.constants, *slot)).collect();
        let target = member_function(code, dist.dist, call.member)?;
        self.push(code, target, call.d, frame.address, frame.sampler, false)?;
        self.pass_values(code, target, &dist.args, &args)
    }
}
