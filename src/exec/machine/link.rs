//! Register code to packed instructions: constants become operands, pairs become one, far registers are moved.

use super::code::*;
use super::liveness::{Access, accesses, targets};
use super::ops::{Entry, Near, Op, SCRATCH, Target, Text, WINDOW};
use std::collections::HashMap;

/// Packs all functions.
pub fn link(funcs: &[FuncCode]) -> Text {
    let mut text = Text::default();
    for func in funcs {
        Linker::function(&mut text, func);
    }
    for target in &mut text.targets {
        target.entry = text.entries.get(target.func as usize).copied().unwrap_or_default();
    }
    text
}

struct Linker<'a> {
    text: &'a mut Text,
    func: &'a FuncCode,
    at: usize,
    /// What the registers that hold constants hold.
    bits: HashMap<Num, u64>,
    /// How many operands read a register.
    reads: Vec<u32>,
    /// Places that something jumps to.
    is_target: Vec<bool>,
    /// Registers that an instruction reads as such, though they hold constants.
    wanted: Vec<bool>,
    /// For each instruction of the function where its packed ones begin.
    places: Vec<u32>,
    /// Instructions that the one before them does as well.
    joined: Vec<usize>,
    /// Packed jumps whose targets are still places in the function.
    jumps: Vec<usize>,
    /// Packed jumps by a distance that is not known yet, and the places in the function where they lead.
    skips: Vec<(usize, u32)>,
}

impl<'a> Linker<'a> {
    fn function(text: &'a mut Text, func: &'a FuncCode) {
        let mut reads = vec![0; func.num_size as usize];
        for instr in &func.code {
            accesses(func, *instr, &mut |access| {
                if let Access::ReadN(n) = access {
                    reads[n as usize] += 1;
                }
            });
        }
        let begin = text.ops.len() as u32;
        let first_switch = text.switches.len();
        let mut this = Linker {
            text,
            func,
            at: 0,
            bits: func.number_constants.iter().copied().collect(),
            reads,
            is_target: targets(func),
            wanted: vec![false; func.num_size as usize],
            places: Vec::with_capacity(func.code.len() + 1),
            joined: Vec::new(),
            jumps: Vec::new(),
            skips: Vec::new(),
        };
        while this.at < func.code.len() {
            this.places.push(this.text.ops.len() as u32);
            this.instr(func.code[this.at]);
            this.at += 1;
        }
        this.places.push(this.text.ops.len() as u32);
        this.single();
        let Linker { jumps, skips, places, wanted, .. } = this;
        for (at, to) in skips {
            let distance = (places[to as usize] as usize).checked_sub(at + 1).and_then(|n| u16::try_from(n).ok());
            let moves = matches!(text.ops.get(at + 3), Some(Op::MovJump { .. }));
            text.ops[at] = match (text.ops[at], distance) {
                (Op::SumUnlessLt { d, a, value, bound, .. }, Some(skip)) if moves => {
                    Op::SumMoveUnlessLt { d, a, value, bound, skip }
                }
                (Op::SumUnlessLt { d, a, value, bound, .. }, Some(skip)) => {
                    Op::SumUnlessLt { d, a, value, bound, skip }
                }
                // Too far: the two instructions that come next do it.
                _ => Op::Jump { to: at as u32 + 1 },
            };
        }
        for at in jumps {
            match &mut text.ops[at] {
                Op::MovJump { to, .. }
                | Op::Jump { to }
                | Op::JumpUnless { to, .. }
                | Op::UnlessLtI { to, .. }
                | Op::UnlessLeI { to, .. }
                | Op::UnlessEqI { to, .. }
                | Op::UnlessNeI { to, .. }
                | Op::UnlessLtR { to, .. }
                | Op::UnlessLeR { to, .. }
                | Op::UnlessLtValue { to, .. }
                | Op::UnlessGtValue { to, .. }
                | Op::UnlessEqValue { to, .. }
                | Op::UnlessNeValue { to, .. }
                | Op::Next { to, .. }
                | Op::Again { to } => *to = places[*to as usize],
                _ => {}
            }
        }
        for table in &mut text.switches[first_switch..] {
            for to in table {
                *to = places[*to as usize];
            }
        }
        let constants: Box<[_]> = func.number_constants.iter().copied().filter(|(n, _)| wanted[*n as usize]).collect();
        text.entries.push(Entry {
            pc: begin,
            num_size: func.num_size,
            obj_size: func.obj_size,
            has_constants: !constants.is_empty(),
        });
        text.constants.push(constants);
        text.places.push(places.into_boxed_slice());
    }

    fn emit(&mut self, op: Op) {
        self.text.ops.push(op);
        self.text.origins.push(self.at as u32);
    }

    /// Emits a jump to a place of the function.
    fn jump(&mut self, op: Op) {
        self.jumps.push(self.text.ops.len());
        self.emit(op);
    }

    /// The register as an operand, moved to the scratch register of this number where it is far.
    fn read(&mut self, n: Num, scratch: u16) -> Near {
        self.wanted[n as usize] = true;
        if (n as usize) < WINDOW {
            return n as Near;
        }
        let d = (SCRATCH.start + scratch) as Near;
        self.emit(Op::Load { d, from: n });
        d
    }

    /// Emits an instruction that writes a register.
    fn write(&mut self, d: Num, op: impl FnOnce(Near) -> Op) {
        if (d as usize) < WINDOW {
            self.emit(op(d as Near));
            return;
        }
        let a = (SCRATCH.end - 1) as Near;
        self.emit(op(a));
        self.emit(Op::Store { to: d, a });
    }

    fn unary(&mut self, d: Num, a: Num, op: impl FnOnce(Near, Near) -> Op) {
        let a = self.read(a, 0);
        self.write(d, |d| op(d, a));
    }

    fn binary(&mut self, d: Num, a: Num, b: Num, op: impl FnOnce(Near, Near, Near) -> Op) {
        let (a, b) = (self.read(a, 0), self.read(b, 1));
        self.write(d, |d| op(d, a, b));
    }

    /// The integer that a register always holds, where it fits.
    fn value<T: TryFrom<i64>>(&self, n: Num) -> Option<T> {
        T::try_from(*self.bits.get(&n)? as i64).ok()
    }

    /// The next instruction, unless something jumps to it.
    fn next(&self) -> Option<Instr> {
        let at = self.at + 1;
        if *self.is_target.get(at)? { None } else { self.func.code.get(at).copied() }
    }

    /// Leaves out the next instruction, which one just emitted does as well, and to which nothing jumps.
    fn pass_over(&mut self) {
        self.at += 1;
        self.joined.push(self.at);
        self.places.push(self.text.ops.len() as u32);
    }

    /// Emits the instructions that were left out behind the others: runs in step may stop between the two that were joined.
    fn single(&mut self) {
        for at in std::mem::take(&mut self.joined) {
            self.at = at;
            self.places[at] = self.text.ops.len() as u32;
            match self.func.code[at] {
                Instr::Jump { to } => self.jump(Op::Jump { to }),
                Instr::JumpUnless { a, to } => {
                    let a = self.read(a, 0);
                    self.jump(Op::JumpUnless { a, to });
                    self.jump(Op::Jump { to: at as u32 + 1 });
                }
                other => debug_assert!(false, "{other:?} is never left out"),
            }
        }
    }

    fn is_near(&self, registers: &[Num]) -> bool {
        registers.iter().all(|n| (*n as usize) < WINDOW)
    }

    /// The register that the function returns if it goes on at a place.
    fn returned_at(&self, at: usize) -> Option<Num> {
        let mut at = at;
        // A jump may lead to another one, but not around for ever.
        for _ in 0..8 {
            match self.func.code.get(at)? {
                Instr::ReturnN { a } => return Some(*a),
                Instr::Jump { to } => at = *to as usize,
                _ => return None,
            }
        }
        None
    }

    fn return_number(&mut self, a: Num) {
        let a = self.read(a, 0);
        self.emit(Op::ReturnN { a });
    }

    fn mov(&mut self, d: Num, a: Num) {
        if self.returned_at(self.at + 1) == Some(d) {
            self.return_number(a);
            return;
        }
        if let Some(value) = self.value(a) {
            self.write(d, |d| Op::SetN { d, value });
        } else if let Some(bits) = self.bits.get(&a).copied() {
            self.text.numbers.push(bits);
            let number = (self.text.numbers.len() - 1) as u32;
            self.write(d, |d| Op::SetNumber { d, number });
        } else if let Some(Instr::Jump { to }) = self.next()
            && self.is_near(&[d, a])
        {
            self.jump(Op::MovJump { d: d as Near, a: a as Near, to });
            self.pass_over();
        } else {
            self.unary(d, a, |d, a| Op::MovN { d, a });
        }
    }

    /// A jump unless `a < b`, or with `or_equal` `a <= b`.
    fn unless_less(&mut self, a: Num, b: Num, or_equal: bool, to: u32) {
        let by = i64::from(or_equal);
        if let Some(value) = self.value::<i64>(b).and_then(|b| i16::try_from(b.checked_add(by)?).ok()) {
            let a = self.read(a, 0);
            self.jump(Op::UnlessLtValue { a, value, to });
        } else if let Some(value) = self.value::<i64>(a).and_then(|a| i16::try_from(a.checked_sub(by)?).ok()) {
            let a = self.read(b, 0);
            self.jump(Op::UnlessGtValue { a, value, to });
        } else {
            let (a, b) = (self.read(a, 0), self.read(b, 1));
            self.jump(if or_equal { Op::UnlessLeI { a, b, to } } else { Op::UnlessLtI { a, b, to } });
        }
    }

    /// An equality of integers or booleans; it may be joined with a jump that alone reads it.
    fn equality(&mut self, d: Num, a: Num, b: Num, holds: bool) {
        let (a, b) = if self.bits.contains_key(&a) { (b, a) } else { (a, b) };
        if let Some(Instr::JumpUnless { a: read, to }) = self.next()
            && read == d
            && self.reads[d as usize] == 1
        {
            let value = self.value(b);
            let a = self.read(a, 0);
            let op = match (value, holds) {
                (Some(value), true) => Op::UnlessEqValue { a, value, to },
                (Some(value), false) => Op::UnlessNeValue { a, value, to },
                (None, true) => Op::UnlessEqI { a, b: self.read(b, 1), to },
                (None, false) => Op::UnlessNeI { a, b: self.read(b, 1), to },
            };
            self.jump(op);
            self.pass_over();
            return;
        }
        self.binary(d, a, b, |d, a, b| if holds { Op::EqI { d, a, b } } else { Op::NeI { d, a, b } });
    }

    /// What the sum in `d` is compared with in the next instruction, a jump unless it is less, and where that leads.
    fn bound_on(&self, d: Num) -> Option<(i16, u32)> {
        let (bound, to) = match self.next()? {
            Instr::UnlessLtI { a, b, to } if a == d => (self.value::<i64>(b)?, to),
            Instr::UnlessLeI { a, b, to } if a == d => (self.value::<i64>(b)?.checked_add(1)?, to),
            _ => return None,
        };
        Some((i16::try_from(bound).ok()?, to))
    }

    /// A sum or difference with a constant. It is joined with a call that alone reads it, and with a comparison with a constant.
    fn add_value(&mut self, d: Num, a: Num, value: i32, is_sum: bool) {
        if let Some(Instr::Call { call }) = self.next()
            && self.reads[d as usize] == 1
            && self.func.calls[call as usize].args.nums.as_slice() == [d]
            && self.is_simple(&self.func.calls[call as usize])
            && self.is_near(&[a, d])
            && let Ok(signed) = i16::try_from(if is_sum { i64::from(value) } else { -i64::from(value) })
        {
            self.emit(Op::CallSum { a: a as Near, value: signed, target: self.text.targets.len() as u32 });
        } else if let Some((bound, to)) = self.bound_on(d)
            && self.is_near(&[a, d])
            && let Ok(signed) = i8::try_from(if is_sum { i64::from(value) } else { -i64::from(value) })
        {
            self.skips.push((self.text.ops.len(), to));
            self.emit(Op::SumUnlessLt { d: d as Near, a: a as Near, value: signed, bound, skip: 0 });
        }
        self.unary(d, a, |d, a| if is_sum { Op::AddValue { d, a, value } } else { Op::SubValue { d, a, value } });
    }

    /// Whether a call takes only numbers from the window, and needs no address of its own.
    fn is_simple(&self, call: &Call) -> bool {
        call.site.is_none() && call.args.objs.is_empty() && self.is_near(&call.args.nums)
    }

    fn call(&mut self, at: u32) {
        let func = self.func;
        let call = &func.calls[at as usize];
        let target = self.text.targets.len() as u32;
        self.text.targets.push(Target { func: call.func, call: at, d: call.d, entry: Entry::default() });
        let is_simple = self.is_simple(call);
        for n in &call.args.nums {
            self.wanted[*n as usize] = true;
        }
        self.want_slots(&call.path);
        let op = match call.args.nums.as_slice() {
            [] if is_simple => Op::Call0 { target },
            [a] if is_simple => Op::Call1 { a: *a as Near, target },
            [a, b] if is_simple => Op::Call2 { a: *a as Near, b: *b as Near, target },
            [a, b, c] if is_simple => Op::Call3 { a: *a as Near, b: *b as Near, c: *c as Near, target },
            _ => Op::Call { target },
        };
        self.emit(op);
    }

    fn want_slots(&mut self, slots: &[Slot]) {
        for slot in slots {
            if let Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) = slot {
                self.wanted[*n as usize] = true;
            }
        }
    }

    /// Emits an instruction whose operands are in a table of the function, which reaches all registers.
    fn by_table(&mut self, instr: Instr, op: Op) {
        let wanted = &mut self.wanted;
        accesses(self.func, instr, &mut |access| {
            if let Access::ReadN(n) = access {
                wanted[n as usize] = true;
            }
        });
        self.emit(op);
    }

    /// `i += 1` and the jump, for registers of which one is far.
    fn far_next(&mut self, i: Num, high: Num, to: u32) {
        let (near_i, near_high) = (self.read(i, 0), self.read(high, 1));
        let around = self.text.ops.len() as u32 + 3;
        self.emit(Op::Next { i: near_i, high: near_high, to: around });
        let store = Op::Store { to: i, a: near_i };
        self.emit(store);
        self.jump(Op::Jump { to: self.at as u32 + 1 });
        self.emit(store);
        self.jump(Op::Jump { to });
    }

    #[rustfmt::skip]
    fn instr(&mut self, instr: Instr) {
        match instr {
            Instr::MovN { d, a } => self.mov(d, a),
            Instr::MovO { d, a } => self.emit(Op::MovO { d, a }),
            Instr::AddR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::AddR { d, a, b }),
            Instr::SubR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::SubR { d, a, b }),
            Instr::MulR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::MulR { d, a, b }),
            Instr::DivR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::DivR { d, a, b }),
            Instr::PowR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::PowR { d, a, b }),
            Instr::RemR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::RemR { d, a, b }),
            Instr::NegR { d, a } => self.unary(d, a, |d, a| Op::NegR { d, a }),
            Instr::AddI { d, a, b } => {
                let (a, b) = if self.bits.contains_key(&a) { (b, a) } else { (a, b) };
                if let Some(value) = self.value(b) {
                    return self.add_value(d, a, value, true);
                }
                if self.returned_at(self.at + 1) == Some(d) && self.is_near(&[a, b]) {
                    let (a, b) = (self.read(a, 0), self.read(b, 1));
                    self.emit(Op::ReturnSum { a, b });
                }
                self.binary(d, a, b, |d, a, b| Op::AddI { d, a, b });
            }
            Instr::SubI { d, a, b } => match self.value(b) {
                Some(value) => self.add_value(d, a, value, false),
                None => self.binary(d, a, b, |d, a, b| Op::SubI { d, a, b }),
            },
            Instr::MulI { d, a, b } => {
                let (a, b) = if self.bits.contains_key(&a) { (b, a) } else { (a, b) };
                match self.value(b) {
                    Some(value) => self.unary(d, a, |d, a| Op::MulValue { d, a, value }),
                    None => self.binary(d, a, b, |d, a, b| Op::MulI { d, a, b }),
                }
            }
            Instr::PowI { d, a, b } => self.binary(d, a, b, |d, a, b| Op::PowI { d, a, b }),
            Instr::RemI { d, a, b } => self.binary(d, a, b, |d, a, b| Op::RemI { d, a, b }),
            Instr::NegI { d, a } => self.unary(d, a, |d, a| Op::NegI { d, a }),
            Instr::EqR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::EqR { d, a, b }),
            Instr::NeR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::NeR { d, a, b }),
            Instr::LtR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::LtR { d, a, b }),
            Instr::LeR { d, a, b } => self.binary(d, a, b, |d, a, b| Op::LeR { d, a, b }),
            Instr::EqI { d, a, b } => self.equality(d, a, b, true),
            Instr::NeI { d, a, b } => self.equality(d, a, b, false),
            Instr::LtI { d, a, b } => self.binary(d, a, b, |d, a, b| Op::LtI { d, a, b }),
            Instr::LeI { d, a, b } => self.binary(d, a, b, |d, a, b| Op::LeI { d, a, b }),
            Instr::Not { d, a } => self.unary(d, a, |d, a| Op::Not { d, a }),
            Instr::And { d, a, b } => self.binary(d, a, b, |d, a, b| Op::And { d, a, b }),
            Instr::Or { d, a, b } => self.binary(d, a, b, |d, a, b| Op::Or { d, a, b }),
            Instr::Widen { d, a } => self.unary(d, a, |d, a| Op::Widen { d, a }),
            Instr::Real1 { f: body, d, a } => {
                let f = self.text.real1.len() as u32;
                self.text.real1.push(body);
                self.unary(d, a, |d, a| Op::Real1 { d, a, f });
            }
            Instr::Real2 { f: body, d, a, b } => {
                let f = self.text.real2.len() as u32;
                self.text.real2.push(body);
                self.binary(d, a, b, |d, a, b| Op::Real2 { d, a, b, f });
            }
            Instr::Jump { to } => match self.returned_at(to as usize) {
                Some(a) => self.return_number(a),
                None => self.jump(Op::Jump { to }),
            },
            Instr::JumpUnless { a, to } => {
                let a = self.read(a, 0);
                self.jump(Op::JumpUnless { a, to });
            }
            Instr::UnlessLtI { a, b, to } => self.unless_less(a, b, false, to),
            Instr::UnlessLeI { a, b, to } => self.unless_less(a, b, true, to),
            Instr::UnlessLtR { a, b, to } => {
                let (a, b) = (self.read(a, 0), self.read(b, 1));
                self.jump(Op::UnlessLtR { a, b, to });
            }
            Instr::UnlessLeR { a, b, to } => {
                let (a, b) = (self.read(a, 0), self.read(b, 1));
                self.jump(Op::UnlessLeR { a, b, to });
            }
            Instr::Next { i, high, to } if self.is_near(&[i]) => {
                let (i, high) = (i as Near, self.read(high, 1));
                self.jump(Op::Next { i, high, to });
            }
            Instr::Next { i, high, to } => self.far_next(i, high, to),
            Instr::Again { to } => self.jump(Op::Again { to }),
            Instr::Len { d, a } => self.write(d, |d| Op::Len { d, a }),
            Instr::IndexR { d, a, i } => self.unary(d, i, |d, i| Op::IndexR { d, i, a }),
            Instr::IndexI { d, a, i } => self.unary(d, i, |d, i| Op::IndexI { d, i, a }),
            Instr::IndexB { d, a, i } => self.unary(d, i, |d, i| Op::IndexB { d, i, a }),
            Instr::IndexV { d, a, i } => {
                let i = self.read(i, 0);
                self.emit(Op::IndexV { i, d, a });
            }
            Instr::IndexM { d, a, i } => {
                let i = self.read(i, 0);
                self.emit(Op::IndexM { i, d, a });
            }
            Instr::Index2 { d, a, i, j } => self.binary(d, i, j, |d, i, j| Op::Index2 { d, i, j, a }),
            Instr::NewArray { d, n, kind } => {
                let n = self.read(n, 0);
                self.emit(Op::NewArray { n, kind, d });
            }
            Instr::AppendR { a, x } => {
                let x = self.read(x, 0);
                self.emit(Op::AppendR { x, a });
            }
            Instr::AppendI { a, x } => {
                let x = self.read(x, 0);
                self.emit(Op::AppendI { x, a });
            }
            Instr::AppendB { a, x } => {
                let x = self.read(x, 0);
                self.emit(Op::AppendB { x, a });
            }
            Instr::AppendV { a, x } => self.emit(Op::AppendV { a, x }),
            Instr::SetR { a, i, x } => {
                let (i, x) = (self.read(i, 0), self.read(x, 1));
                self.emit(Op::SetR { i, x, a });
            }
            Instr::SetI { a, i, x } => {
                let (i, x) = (self.read(i, 0), self.read(x, 1));
                self.emit(Op::SetI { i, x, a });
            }
            Instr::SetV { a, i, x } => {
                let i = self.read(i, 0);
                self.emit(Op::SetV { i, a, x });
            }
            Instr::FieldN { d, a, k } => self.write(d, |d| Op::FieldN { d, a, k }),
            Instr::FieldO { d, a, k } => self.emit(Op::FieldO { d, a, k }),
            Instr::PayloadN { d, a, k } => self.write(d, |d| Op::PayloadN { d, a, k }),
            Instr::PayloadO { d, a, k } => self.emit(Op::PayloadO { d, a, k }),
            Instr::Tag { d, a } => self.write(d, |d| Op::Tag { d, a }),
            Instr::Switch { a, table } => {
                let a = self.read(a, 0);
                self.emit(Op::Switch { a, table: self.text.switches.len() as u32 });
                self.text.switches.push(self.func.switches[table as usize].as_slice().into());
            }
            Instr::Make { make } => self.by_table(instr, Op::Make { make }),
            Instr::General { general } => self.by_table(instr, Op::General { general }),
            Instr::Native { native } => self.by_table(instr, Op::Native { native }),
            Instr::Lift { lift } => self.by_table(instr, Op::Lift { lift }),
            Instr::Call { call } => self.call(call),
            Instr::CallClosure { call } => self.by_table(instr, Op::CallClosure { call }),
            Instr::Member { member } => self.by_table(instr, Op::Member { member }),
            Instr::Sample { sample } => self.by_table(instr, Op::Sample { sample }),
            Instr::Score { a, score } => {
                let path = &self.func.scores[score as usize].path;
                self.want_slots(path);
                let a = self.read(a, 0);
                self.emit(Op::Score { a, score });
            }
            Instr::Host { host } => self.by_table(instr, Op::Host { host }),
            Instr::ReturnN { a } => self.return_number(a),
            Instr::ReturnO { a } => self.emit(Op::ReturnO { a }),
            Instr::ReturnUnit => self.emit(Op::ReturnUnit),
        }
    }
}
