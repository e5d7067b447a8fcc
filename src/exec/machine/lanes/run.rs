//! The loop that runs lanes up to their next weight.

use super::super::code::*;
use super::super::frame::{Frame, member_function};
use super::column::{Column, Objects};
use super::{Context, Exit, Lanes, Loss};
use super::{kernel, pool};
use crate::prim::Body;
use crate::value::interrupt::interrupted;
use crate::value::{Fault, Value};
use std::sync::Arc;

/// Frames in use at once; deeper recursion is left to runs by themselves.
pub(super) const DEEPEST: usize = 64;

/// What to do after a return.
enum Flow {
    /// Go on with the frame on top.
    Frame,
    Exit(Exit),
}

impl Lanes {
    /// Runs until the lanes pause, end, part or leave. Lanes that are lost on the way are added to `losses` by their place in the
    /// block, and taken out.
    pub fn run(&mut self, context: &Context<'_>, losses: &mut Vec<(u32, Loss)>) -> Exit {
        let code = context.code;
        'frame: loop {
            let Some(&frame) = self.frames.last() else { return Exit::Leave };
            let depth = self.frames.len() - 1;
            let func = &code.funcs[frame.func as usize];
            let num_base = frame.num_base as usize;
            let obj_base = frame.obj_base as usize;
            let mut pc = code.text.origin(frame.pc);
            let at = |n: Num| num_base + n as usize;
            loop {
                let instr = func.code[pc];
                pc += 1;
                macro_rules! exit {
                    ($exit:expr) => {{
                        self.frames[depth].pc = code.text.place(frame.func, pc as u32);
                        return $exit;
                    }};
                }
                // The instruction is done again by the interpreter.
                macro_rules! leave {
                    () => {{
                        self.frames[depth].pc = code.text.place(frame.func, pc as u32 - 1);
                        self.rewind(code);
                        return Exit::Leave;
                    }};
                }
                macro_rules! step {
                    () => {
                        self.steps += 1;
                        if self.heavy || self.steps > context.limits.steps || self.steps & 0xff == 0 && interrupted() {
                            leave!();
                        }
                    };
                }
                macro_rules! lose {
                    ($lost:expr) => {{
                        let lost: Vec<(u32, Loss)> = $lost;
                        if !lost.is_empty() {
                            self.frames[depth].pc = code.text.place(frame.func, pc as u32);
                            if self.lose(context, lost, losses) {
                                return Exit::Empty;
                            }
                        }
                    }};
                }
                macro_rules! jump_unless {
                    ($mask:expr, $to:expr) => {{
                        let held = $mask.iter().sum::<u64>() as usize;
                        if held == 0 {
                            pc = $to as usize;
                        } else if held < self.count {
                            let places = $mask.iter().map(|holds| if *holds != 0 { pc as u32 } else { $to }).collect();
                            exit!(Exit::Part(places));
                        }
                    }};
                }
                if let Some((op, d, a, b)) = kernel::binary(instr) {
                    let mut spare = pool::or_other(std::mem::take(&mut self.spare));
                    kernel::run2(&mut self.nums, &mut spare, self.count, op, [at(d), at(a), at(b)]);
                    self.spare = spare;
                    continue;
                }
                macro_rules! unary {
                    ($d:expr, $a:expr, $f:expr) => {{
                        let mut spare = pool::or_other(std::mem::take(&mut self.spare));
                        kernel::run1(&mut self.nums, &mut spare, [at($d), at($a)], $f);
                        self.spare = spare;
                    }};
                }
                if let Some((comparison, a, b, to)) = kernel::branch(instr) {
                    let (a, b) = (&self.nums[at(a)], &self.nums[at(b)]);
                    let uniform = !a.varying && !b.varying;
                    let mut mask = pool::or_other(std::mem::take(&mut self.spare));
                    kernel::compare(
                        &mut mask,
                        if uniform { 1 } else { self.count },
                        comparison,
                        a.operand(),
                        b.operand(),
                    );
                    if uniform {
                        if mask[0] == 0 {
                            pc = to as usize;
                        }
                    } else {
                        jump_unless!(mask, to);
                    }
                    self.spare = mask;
                    continue;
                }
                match instr {
                    Instr::MovN { d, a } => self.move_number(at(d), at(a)),
                    Instr::MovO { d, a } => {
                        let objects = self.fetch(func, obj_base, a);
                        self.objs[obj_base + d as usize] = objects;
                    }
                    Instr::NegR { d, a } => unary!(d, a, |x| (-f64::from_bits(x)).to_bits()),
                    Instr::Not { d, a } => unary!(d, a, |x| x ^ 1),
                    Instr::Widen { d, a } => unary!(d, a, |x| (x as i64 as f64).to_bits()),
                    Instr::Real1 { f, d, a } => unary!(d, a, |x| f(f64::from_bits(x)).to_bits()),
                    Instr::Jump { to } => pc = to as usize,
                    Instr::JumpUnless { a, to } => {
                        let column = &self.nums[at(a)];
                        if !column.varying {
                            if column.bits == 0 {
                                pc = to as usize;
                            }
                        } else {
                            jump_unless!(column.lanes, to);
                        }
                    }
                    Instr::Next { i, high, to } => {
                        step!();
                        let mut spare = pool::or_other(std::mem::take(&mut self.spare));
                        kernel::run1(&mut self.nums, &mut spare, [at(i), at(i)], |x| (x as i64).wrapping_add(1) as u64);
                        let (i, high) = (&self.nums[at(i)], &self.nums[at(high)]);
                        if !i.varying && !high.varying {
                            if (i.bits as i64) < high.bits as i64 {
                                pc = to as usize;
                            }
                        } else {
                            kernel::compare(
                                &mut spare,
                                self.count,
                                kernel::Comparison::LtI,
                                i.operand(),
                                high.operand(),
                            );
                            let again = spare.iter().sum::<u64>() as usize;
                            if again == self.count {
                                pc = to as usize;
                            } else if again > 0 {
                                let places = spare.iter().map(|again| if *again != 0 { to } else { pc as u32 });
                                exit!(Exit::Part(places.collect()));
                            }
                        }
                        self.spare = spare;
                    }
                    Instr::Again { to } => {
                        step!();
                        pc = to as usize;
                    }
                    Instr::Switch { a, table } => {
                        let table = &func.switches[table as usize];
                        let column = &self.nums[at(a)];
                        let known = |bits: u64| table.get(bits as usize).copied();
                        if column.varying {
                            let places: Option<Vec<u32>> = column.lanes.iter().map(|bits| known(*bits)).collect();
                            match places {
                                Some(places) if places.iter().all(|to| *to == places[0]) => pc = places[0] as usize,
                                Some(places) => exit!(Exit::Part(places)),
                                None => leave!(),
                            }
                        } else {
                            match known(column.bits) {
                                Some(to) => pc = to as usize,
                                None => leave!(),
                            }
                        }
                    }
                    Instr::Native { native } if self.draws(context, &func.natives[native as usize]) => {
                        let native = &func.natives[native as usize];
                        match self.draw(context, native, &func.constants, num_base, obj_base) {
                            Some(refused) => {
                                lose!(
                                    refused
                                        .into_iter()
                                        .map(|(lane, fault)| (lane, Loss::Fault(Box::new(fault))))
                                        .collect()
                                );
                            }
                            None => lose!(self.element(func, instr, num_base, obj_base)),
                        }
                    }
                    Instr::IndexR { d, a, i } if self.gathers(func, obj_base, a, at(i)) => {
                        if let Some(lost) = self.gather_element(func, obj_base, at(d), a, at(i)) {
                            lose!(lost);
                        } else {
                            lose!(self.element(func, instr, num_base, obj_base));
                        }
                    }
                    Instr::IndexV { d, a, i }
                        if self.choose_element(func, obj_base, obj_base + d as usize, a, at(i)) => {}
                    Instr::AddI { d, a, b } if self.add(at(d), at(a), at(b), i64::overflowing_add) => {}
                    Instr::SubI { d, a, b } if self.add(at(d), at(a), at(b), i64::overflowing_sub) => {}
                    Instr::General { general } if func.generals[general as usize].has_effect() => leave!(),
                    Instr::Call { .. } | Instr::CallClosure { .. } | Instr::Member { .. } | Instr::Sample { .. } => {
                        if matches!(instr, Instr::Sample { .. }) {
                            if context.record && !frame.sampler {
                                self.need_generators(context);
                                self.recording = Some((depth + 1, self.generators.clone()));
                            }
                        } else {
                            step!();
                        }
                        if self.frames.len() >= DEEPEST.min(context.limits.depth) {
                            leave!();
                        }
                        self.frames[depth].pc = code.text.place(frame.func, pc as u32);
                        if !self.enter(context, frame, instr) {
                            leave!();
                        }
                        continue 'frame;
                    }
                    Instr::Score { a, score } => {
                        self.frames[depth].pc = code.text.place(frame.func, pc as u32);
                        return self.score(context, &frame, at(a), &func.scores[score as usize], losses);
                    }
                    Instr::ReturnN { a } => {
                        let from = at(a);
                        match self.return_number(context, frame, from) {
                            Flow::Exit(exit) => return exit,
                            _ => continue 'frame,
                        }
                    }
                    Instr::ReturnO { a } => {
                        let values = self.fetch(func, obj_base, a);
                        match self.return_objects(context, frame, values) {
                            Flow::Exit(exit) => return exit,
                            _ => continue 'frame,
                        }
                    }
                    Instr::ReturnUnit => match self.return_objects(context, frame, Objects::default()) {
                        Flow::Exit(exit) => return exit,
                        _ => continue 'frame,
                    },
                    Instr::Host { .. } => leave!(),
                    _ => lose!(self.element(func, instr, num_base, obj_base)),
                }
            }
        }
    }

    /// Before a recorded choice was drawn: runs by themselves draw it again.
    pub fn rewind(&mut self, code: &Code) {
        let Some((depth, generators)) = self.recording.take() else { return };
        if self.frames.len() > depth {
            let inner = self.frames[depth];
            self.num_top = inner.num_base as usize;
            self.obj_top = inner.obj_base as usize;
            self.frames.truncate(depth);
            let drawing = &mut self.frames[depth - 1];
            let drew = code.text.ran_last(drawing.func, drawing.pc).unwrap_or(0);
            drawing.pc = code.text.place(drawing.func, drew as u32);
            self.generators = generators;
        }
    }

    /// Takes lanes out; says whether none is left.
    fn lose(&mut self, context: &Context<'_>, lost: Vec<(u32, Loss)>, losses: &mut Vec<(u32, Loss)>) -> bool {
        let gone: Vec<u32> = lost.iter().map(|(lane, _)| *lane).collect();
        for (lane, loss) in lost {
            let loss = match loss {
                Loss::Fault(fault) => Loss::Fault(Box::new(self.located(context.code, *fault))),
                zero => zero,
            };
            losses.push((self.members[lane as usize], loss));
        }
        let kept: Vec<u32> = (0..self.count as u32).filter(|lane| gone.binary_search(lane).is_err()).collect();
        if kept.is_empty() {
            self.count = 0;
            return true;
        }
        *self = self.part(context.code, &kept);
        false
    }

    fn draws(&mut self, context: &Context<'_>, native: &Native) -> bool {
        let draws = matches!(
            native.body,
            Body::DrawReal0(_) | Body::DrawReal1(_) | Body::DrawReal2(_) | Body::Draw(_) | Body::DrawIndex(..)
        );
        if draws {
            self.need_generators(context);
        }
        draws
    }

    fn move_number(&mut self, d: usize, a: usize) {
        if self.nums[a].varying {
            let mut spare = pool::or_other(std::mem::take(&mut self.spare));
            spare.clear();
            spare.extend_from_slice(&self.nums[a].lanes);
            std::mem::swap(&mut spare, &mut self.nums[d].lanes);
            self.nums[d].varying = true;
            self.spare = spare;
        } else {
            let bits = self.nums[a].bits;
            self.nums[d].set(bits);
        }
    }

    /// An object operand, taken where it is marked.
    fn fetch(&mut self, func: &FuncCode, obj_base: usize, o: Obj) -> Objects {
        let at = (o & INDEX) as usize;
        if o & CONST != 0 {
            Objects::Same(func.constants[at].clone())
        } else if o & TAKE != 0 {
            std::mem::take(&mut self.objs[obj_base + at])
        } else {
            self.objs[obj_base + at].clone()
        }
    }

    /// The one value that all lanes hold in an object operand.
    fn shared<'a>(&'a self, func: &'a FuncCode, obj_base: usize, o: Obj) -> Option<&'a Value> {
        let at = (o & INDEX) as usize;
        if o & CONST != 0 {
            return Some(&func.constants[at]);
        }
        match &self.objs[obj_base + at] {
            Objects::Same(value) => Some(value),
            _ => None,
        }
    }

    /// Whether an array of reals that all lanes share is read at different indices.
    fn gathers(&self, func: &FuncCode, obj_base: usize, a: Obj, i: usize) -> bool {
        self.nums[i].varying && matches!(self.shared(func, obj_base, a), Some(Value::Reals(_)))
    }

    /// `d := a[i]` for an array that all lanes share; none when an index is out of range.
    fn gather_element(
        &mut self,
        func: &FuncCode,
        obj_base: usize,
        d: usize,
        a: Obj,
        i: usize,
    ) -> Option<Vec<(u32, Loss)>> {
        let mut out = pool::or_other(std::mem::take(&mut self.spare));
        out.clear();
        {
            let Some(Value::Reals(xs)) = self.shared(func, obj_base, a) else { return None };
            for index in &self.nums[i].lanes {
                out.push(xs.get(*index as usize)?.to_bits());
            }
        }
        std::mem::swap(&mut out, &mut self.nums[d].lanes);
        self.nums[d].varying = true;
        self.spare = out;
        Some(Vec::new())
    }

    /// `d := a[i]` for an array of objects that all lanes share, if every index is in range.
    fn choose_element(&mut self, func: &FuncCode, obj_base: usize, d: usize, a: Obj, i: usize) -> bool {
        if !self.nums[i].varying {
            return false;
        }
        let Some(Value::Values(xs)) = self.shared(func, obj_base, a) else { return false };
        if xs.len() > self.count || self.nums[i].lanes.iter().any(|index| *index >= xs.len() as u64) {
            return false;
        }
        let which = self.nums[i].lanes.iter().map(|index| *index as u32).collect();
        let chosen = Objects::Few { values: xs.as_ref().clone(), which: Arc::new(which) };
        self.objs[d] = chosen;
        true
    }

    /// `d := a ± b` of integers; leaves everything as it is and says so when a lane overflows or nothing varies.
    fn add(&mut self, d: usize, a: usize, b: usize, f: fn(i64, i64) -> (i64, bool)) -> bool {
        let (x, y) = (&self.nums[a], &self.nums[b]);
        if !x.varying && !y.varying {
            let (sum, overflows) = f(x.bits as i64, y.bits as i64);
            if !overflows {
                self.nums[d].set(sum as u64);
            }
            return !overflows;
        }
        let (x, y) = (x.operand(), y.operand());
        let mut out = pool::or_other(std::mem::take(&mut self.spare));
        out.clear();
        let mut overflows = false;
        out.extend((0..self.count).map(|k| {
            let (sum, over) = f(x.at(k) as i64, y.at(k) as i64);
            overflows |= over;
            sum as u64
        }));
        if !overflows {
            std::mem::swap(&mut out, &mut self.nums[d].lanes);
            self.nums[d].varying = true;
        }
        self.spare = out;
        !overflows
    }

    /// Enters the function that an instruction calls. Says whether lanes can.
    fn enter(&mut self, context: &Context<'_>, frame: Frame, instr: Instr) -> bool {
        let code = context.code;
        let func = &code.funcs[frame.func as usize];
        let (num_base, obj_base) = (frame.num_base as usize, frame.obj_base as usize);
        match instr {
            Instr::Call { call } | Instr::CallClosure { call } => {
                let call = &func.calls[call as usize];
                let (target, captures) = if matches!(instr, Instr::Call { .. }) {
                    (call.func, None)
                } else {
                    match self.shared(func, obj_base, call.callee) {
                        Some(Value::Closure(closure)) => (closure.function, Some(Arc::clone(closure))),
                        _ => return false,
                    }
                };
                let address = match call.site {
                    Some(site) => match self.addresses(&frame, site, &call.path) {
                        Column { varying: false, bits, .. } => bits,
                        _ => return false,
                    },
                    None => frame.address,
                };
                self.push(code, target, call.d, address, frame.sampler);
                self.pass(func, target, num_base, obj_base, &call.args);
                if let Some(closure) = captures {
                    let top = self.frames[self.frames.len() - 1];
                    for (slot, value) in code.funcs[target as usize].captures.iter().zip(&closure.captures) {
                        self.write(top.num_base as usize, top.obj_base as usize, *slot, Objects::Same(value.clone()));
                    }
                }
                true
            }
            Instr::Member { member } => {
                let call = &func.members[member as usize];
                let Some(dist) = self.distribution(func, obj_base, call.dist) else { return false };
                let Ok(target) = member_function(code, dist, call.member) else { return false };
                let args: Vec<Objects> =
                    call.args.iter().map(|slot| self.operand_values(func, num_base, obj_base, *slot)).collect();
                self.enter_with(code, func, obj_base, call.dist, target, call.d, frame, frame.sampler, args)
            }
            Instr::Sample { sample } => {
                let info = &func.samples[sample as usize];
                match &info.dist {
                    DistArg::Known { dist, args } => {
                        let Some(target) = code.dists[*dist as usize].sample else { return false };
                        self.push(code, target, info.d, frame.address, true);
                        self.pass(func, target, num_base, obj_base, args);
                        true
                    }
                    DistArg::Value(o) => {
                        let Some(dist) = self.distribution(func, obj_base, *o) else { return false };
                        let Some(target) = code.dists[dist as usize].sample else { return false };
                        self.enter_with(code, func, obj_base, *o, target, info.d, frame, true, Vec::new())
                    }
                }
            }
            _ => false,
        }
    }

    /// The distribution that all lanes hold in an operand, whatever its parameters.
    fn distribution(&self, func: &FuncCode, obj_base: usize, o: Obj) -> Option<u32> {
        if o & CONST == 0
            && let Objects::Each(values) | Objects::Few { values, .. } = &self.objs[obj_base + (o & INDEX) as usize]
        {
            let mut all = values.iter().map(|value| match value {
                Value::Dist(dist) => Some(dist.dist),
                _ => None,
            });
            let first = all.next()??;
            return all.all(|dist| dist == Some(first)).then_some(first);
        }
        match self.shared(func, obj_base, o) {
            Some(Value::Dist(dist)) => Some(dist.dist),
            _ => None,
        }
    }

    /// The values of an operand in all lanes, taken where it is marked.
    fn operand_values(&mut self, func: &FuncCode, num_base: usize, obj_base: usize, slot: Slot) -> Objects {
        match slot {
            Slot::Unit => Objects::default(),
            Slot::Obj(o) => self.fetch(func, obj_base, o),
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => self.as_values(&self.nums[num_base + n as usize], slot),
        }
    }

    /// Enters a member of a distribution that is held as a value, with further arguments.
    #[allow(clippy::too_many_arguments)]
    fn enter_with(
        &mut self,
        code: &Code,
        func: &FuncCode,
        obj_base: usize,
        dist: Obj,
        target: u32,
        d: Slot,
        frame: Frame,
        sampler: bool,
        more: Vec<Objects>,
    ) -> bool {
        let held = if dist & CONST != 0 {
            Objects::Same(func.constants[(dist & INDEX) as usize].clone())
        } else {
            self.objs[obj_base + (dist & INDEX) as usize].clone()
        };
        let args = |value: &Value| match value {
            Value::Dist(dist) => dist.args.clone(),
            _ => Vec::new(),
        };
        let params = &code.funcs[target as usize].params;
        let given = params.len().checked_sub(more.len());
        if given != Some(args(held.at(0)).len()) {
            return false;
        }
        self.push(code, target, d, frame.address, sampler);
        let top = self.frames[self.frames.len() - 1];
        let (nb, ob) = (top.num_base as usize, top.obj_base as usize);
        let given = given.unwrap_or(0);
        let part = |value: &Value, k: usize| match value {
            Value::Dist(dist) => dist.args[k].clone(),
            _ => Value::Unit,
        };
        for (k, slot) in params[..given].iter().enumerate() {
            let values = match &held {
                Objects::Same(value) => Objects::Same(part(value, k)),
                Objects::Few { values, which } => Objects::Few {
                    values: values.iter().map(|value| part(value, k)).collect(),
                    which: Arc::clone(which),
                },
                Objects::Each(values) => Objects::Each(values.iter().map(|value| part(value, k)).collect()),
            };
            self.write(nb, ob, *slot, values);
        }
        for (slot, values) in params[given..].iter().zip(more) {
            self.write(nb, ob, *slot, values);
        }
        true
    }

    fn push(&mut self, code: &Code, func: u32, d: Slot, address: u64, sampler: bool) {
        let callee = &code.funcs[func as usize];
        let (num_base, obj_base) = (self.num_top, self.obj_top);
        self.num_top = num_base + callee.num_size as usize;
        self.obj_top = obj_base + callee.obj_size as usize;
        if self.nums.len() < self.num_top {
            self.nums.resize_with(self.num_top, Column::default);
        }
        if self.objs.len() < self.obj_top {
            self.objs.resize_with(self.obj_top, Objects::default);
        }
        for column in &mut self.nums[num_base..self.num_top] {
            column.set(0);
        }
        for (n, bits) in &callee.number_constants {
            self.nums[num_base + *n as usize].set(*bits);
        }
        self.frames.push(Frame {
            func,
            pc: code.text.entries[func as usize].pc,
            num_base: num_base as u32,
            obj_base: obj_base as u32,
            address,
            d,
            sampler,
            host: false,
        });
    }

    fn pass(&mut self, caller: &FuncCode, _target: u32, num_base: usize, obj_base: usize, args: &Args) {
        let top = self.frames[self.frames.len() - 1];
        for (k, n) in args.nums.iter().enumerate() {
            self.move_number(top.num_base as usize + nth_number(k), num_base + *n as usize);
        }
        for (k, o) in args.objs.iter().enumerate() {
            let objects = self.fetch(caller, obj_base, *o);
            self.objs[top.obj_base as usize + k] = objects;
        }
    }

    fn pop(&mut self, frame: Frame) {
        self.frames.pop();
        self.num_top = frame.num_base as usize;
        for objects in &mut self.objs[frame.obj_base as usize..self.obj_top] {
            objects.clear();
        }
        self.obj_top = frame.obj_base as usize;
    }

    fn return_number(&mut self, context: &Context<'_>, frame: Frame, from: usize) -> Flow {
        if frame.host {
            let result = context.code.funcs[frame.func as usize].result;
            let values = self.as_values(&self.nums[from], result);
            self.pop(frame);
            return Flow::Exit(Exit::Done(values));
        }
        self.pop(frame);
        let Some(caller) = self.frames.last().copied() else { return Flow::Exit(Exit::Leave) };
        if let Slot::Real(d) | Slot::Int(d) | Slot::Bool(d) = frame.d {
            self.move_number(caller.num_base as usize + d as usize, from);
        }
        self.recorded(context, caller, frame.d)
    }

    fn return_objects(&mut self, context: &Context<'_>, frame: Frame, values: Objects) -> Flow {
        self.pop(frame);
        if frame.host {
            return Flow::Exit(Exit::Done(values));
        }
        let Some(caller) = self.frames.last().copied() else { return Flow::Exit(Exit::Leave) };
        self.write(caller.num_base as usize, caller.obj_base as usize, frame.d, values);
        self.recorded(context, caller, frame.d)
    }

    /// Pauses where the call that returned drew a choice to be recorded.
    fn recorded(&mut self, context: &Context<'_>, caller: Frame, d: Slot) -> Flow {
        if self.recording.as_ref().is_none_or(|(depth, _)| *depth != self.frames.len()) {
            return Flow::Frame;
        }
        self.recording = None;
        let code = context.code;
        let func = &code.funcs[caller.func as usize];
        let drew = code.text.ran_last(caller.func, caller.pc).and_then(|at| func.code.get(at));
        let Some(Instr::Sample { sample }) = drew else {
            return Flow::Frame;
        };
        let info = &func.samples[*sample as usize];
        if !code.sites[info.site as usize].named {
            return Flow::Frame;
        }
        let name = |lane: usize| -> Arc<str> {
            let machine = self.skeleton(context.limits, lane);
            machine.site_name(code, info.site, &info.path).to_string().into()
        };
        let names = if self.indices_vary(code) { (0..self.count).map(name).collect() } else { vec![name(0)] };
        let values = match d {
            Slot::Obj(o) => self.objs[caller.obj_base as usize + (o & INDEX) as usize].clone(),
            Slot::Unit => Objects::default(),
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => {
                self.as_values(&self.nums[caller.num_base as usize + n as usize], d)
            }
        };
        Flow::Exit(Exit::Drawn { names, values })
    }

    /// Whether an index in the name of the choice just drawn differs between lanes.
    fn indices_vary(&self, code: &Code) -> bool {
        self.frames.iter().any(|frame| {
            let func = &code.funcs[frame.func as usize];
            let path = match code.text.ran_last(frame.func, frame.pc).and_then(|at| func.code.get(at)) {
                Some(Instr::Call { call } | Instr::CallClosure { call }) => &func.calls[*call as usize].path,
                Some(Instr::Sample { sample }) => &func.samples[*sample as usize].path,
                _ => return false,
            };
            path.iter().any(|slot| match slot {
                Slot::Int(n) => self.nums[frame.num_base as usize + *n as usize].varying,
                _ => false,
            })
        })
    }

    /// Pauses at a weight, without the lanes that it ends.
    fn score(
        &mut self,
        context: &Context<'_>,
        frame: &Frame,
        from: usize,
        score: &Score,
        losses: &mut Vec<(u32, Loss)>,
    ) -> Exit {
        let lost = |bits: u64| {
            let weight = f64::from_bits(bits);
            if weight.is_nan() {
                Some(Loss::Fault(Box::new(Fault::domain("the log weight is not a number"))))
            } else if weight == f64::NEG_INFINITY {
                Some(Loss::Zero(score.site))
            } else {
                None
            }
        };
        let weights = &self.nums[from];
        let lost: Vec<(u32, Loss)> = if weights.varying {
            let lanes = weights.lanes.iter().enumerate();
            lanes.filter_map(|(lane, bits)| lost(*bits).map(|loss| (lane as u32, loss))).collect()
        } else {
            match lost(weights.bits) {
                Some(loss) => (0..self.count as u32).map(|lane| (lane, loss.clone())).collect(),
                None => Vec::new(),
            }
        };
        if !lost.is_empty() && self.lose(context, lost, losses) {
            return Exit::Empty;
        }
        let addresses = self.addresses(frame, score.site, &score.path);
        let read_again = score.live.nums.contains(&((from - frame.num_base as usize) as Num));
        let weights = match &mut self.nums[from] {
            // A constant stays in its register, too.
            column if !column.varying => Column::same(column.bits),
            column if read_again => column.clone(),
            column => std::mem::take(column),
        };
        self.forget_dead(context.code);
        Exit::Paused { site: score.site, weights, addresses }
    }
}
