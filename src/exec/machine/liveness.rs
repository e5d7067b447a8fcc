//! Which registers are read later: marks last uses, lists what a paused frame must keep, drops comparisons nobody reads.
//!
//! A backward data-flow analysis over register code. It is what lets arrays be updated in place (the last reader takes the array),
//! paused runs be copied in time proportional to what is live, and equal states of an enumeration be recognised.

use super::code::*;

/// One access of an instruction to a register.
pub(super) enum Access {
    ReadN(Num),
    ReadO(Obj),
    WriteN(Num),
    WriteO(Obj),
}

/// Completes the code of a function.
pub fn finish(func: &mut FuncCode) {
    let analysis = Analysis::run(func);
    remove_dead_comparisons(func, &analysis);
    write_in_place(func, &analysis);
    compact(func);
    // The places moved when idle jumps were removed.
    let analysis = Analysis::run(func);
    mark_last_uses(func, &analysis);
    let constant: std::collections::HashSet<Num> = func.number_constants.iter().map(|(n, _)| *n).collect();
    for at in 0..func.code.len() {
        let instr = func.code[at];
        let d = destination(func, instr);
        let is_pause = !matches!(d, Pause::None);
        if !is_pause {
            continue;
        }
        let mut live = Live::default();
        for n in 0..func.num_size {
            if analysis.after(at, n as usize) && !constant.contains(&n) && !d.is_num(n) {
                live.nums.push(n);
            }
        }
        for o in 0..func.obj_size {
            if analysis.after(at, analysis.nums + o as usize) && !d.is_obj(o) {
                live.objs.push(o);
            }
        }
        match instr {
            Instr::Call { call } | Instr::CallClosure { call } => func.calls[call as usize].live = live,
            Instr::Member { member } => func.members[member as usize].live = live,
            Instr::Sample { sample } => func.samples[sample as usize].live = live,
            Instr::Score { score, .. } => func.scores[score as usize].live = live,
            Instr::Host { host } => func.hosts[host as usize].live = live,
            _ => {}
        }
    }
}

/// Where an instruction that may pause writes its result.
enum Pause {
    None,
    Into(Slot),
}

impl Pause {
    fn is_num(&self, n: Num) -> bool {
        matches!(self, Pause::Into(Slot::Real(m) | Slot::Int(m) | Slot::Bool(m)) if *m == n)
    }

    fn is_obj(&self, o: Obj) -> bool {
        matches!(self, Pause::Into(Slot::Obj(p)) if *p == o)
    }
}

fn destination(func: &FuncCode, instr: Instr) -> Pause {
    match instr {
        Instr::Call { call } | Instr::CallClosure { call } => Pause::Into(func.calls[call as usize].d),
        Instr::Member { member } => Pause::Into(func.members[member as usize].d),
        Instr::Sample { sample } => Pause::Into(func.samples[sample as usize].d),
        Instr::Score { .. } => Pause::Into(Slot::Unit),
        Instr::Host { host } => Pause::Into(func.hosts[host as usize].d),
        _ => Pause::None,
    }
}

struct Analysis {
    /// Number registers come first in a set, object registers after them.
    nums: usize,
    words: usize,
    /// For each instruction the registers live after it.
    sets: Vec<u64>,
}

impl Analysis {
    fn run(func: &FuncCode) -> Analysis {
        let nums = func.num_size as usize;
        let words = (nums + func.obj_size as usize).div_ceil(64).max(1);
        let count = func.code.len();
        let mut analysis = Analysis { nums, words, sets: vec![0; words * count] };
        let mut before = vec![0u64; words * (count + 1)];
        let mut live = vec![0u64; words];
        loop {
            let mut changed = false;
            for at in (0..count).rev() {
                live.fill(0);
                successors(func, at, &mut |next| {
                    for (w, bits) in live.iter_mut().zip(&before[next * words..(next + 1) * words]) {
                        *w |= bits;
                    }
                });
                analysis.sets[at * words..(at + 1) * words].copy_from_slice(&live);
                accesses(func, func.code[at], &mut |access| match access {
                    Access::WriteN(n) => live[n as usize / 64] &= !(1 << (n % 64)),
                    Access::WriteO(o) => {
                        let bit = nums + o as usize;
                        live[bit / 64] &= !(1 << (bit % 64));
                    }
                    _ => {}
                });
                accesses(func, func.code[at], &mut |access| match access {
                    Access::ReadN(n) => live[n as usize / 64] |= 1 << (n % 64),
                    Access::ReadO(o) if o & CONST == 0 => {
                        let bit = nums + (o & INDEX) as usize;
                        live[bit / 64] |= 1 << (bit % 64);
                    }
                    _ => {}
                });
                let old = &mut before[at * words..(at + 1) * words];
                if old != live.as_slice() {
                    old.copy_from_slice(&live);
                    changed = true;
                }
            }
            if !changed {
                return analysis;
            }
        }
    }

    fn after(&self, at: usize, bit: usize) -> bool {
        self.sets[at * self.words + bit / 64] >> (bit % 64) & 1 == 1
    }
}

fn successors(func: &FuncCode, at: usize, go: &mut dyn FnMut(usize)) {
    match func.code[at] {
        Instr::Jump { to } | Instr::Again { to } => go(to as usize),
        Instr::JumpUnless { to, .. }
        | Instr::UnlessLtI { to, .. }
        | Instr::UnlessLtR { to, .. }
        | Instr::UnlessLeI { to, .. }
        | Instr::UnlessLeR { to, .. }
        | Instr::Next { to, .. } => {
            go(to as usize);
            go(at + 1);
        }
        Instr::Switch { table, .. } => {
            for to in &func.switches[table as usize] {
                go(*to as usize);
            }
        }
        Instr::ReturnN { .. } | Instr::ReturnO { .. } | Instr::ReturnUnit => {}
        _ => go(at + 1),
    }
}

fn remove_dead_comparisons(func: &mut FuncCode, analysis: &Analysis) {
    for at in 0..func.code.len() {
        let (Instr::LtI { d, .. } | Instr::LtR { d, .. } | Instr::LeI { d, .. } | Instr::LeR { d, .. }) = func.code[at]
        else {
            continue;
        };
        if !analysis.after(at, d as usize) {
            func.code[at] = Instr::Jump { to: at as u32 + 1 };
        }
    }
}

/// Lets an instruction write where the next one would only move its result: `total = total + x` is one instruction.
fn write_in_place(func: &mut FuncCode, analysis: &Analysis) {
    for (at, is_target) in targets(func).into_iter().enumerate().take(func.code.len()).skip(1) {
        let Instr::MovN { d, a } = func.code[at] else { continue };
        if is_target || analysis.after(at, a as usize) {
            continue;
        }
        if let Some(written) = number_written(&mut func.code[at - 1])
            && *written == a
        {
            *written = d;
            func.code[at] = Instr::Jump { to: at as u32 + 1 };
        }
    }
}

/// The number register that an instruction without effects writes, of those that have it as an operand.
fn number_written(instr: &mut Instr) -> Option<&mut Num> {
    match instr {
        Instr::MovN { d, .. }
        | Instr::AddR { d, .. }
        | Instr::SubR { d, .. }
        | Instr::MulR { d, .. }
        | Instr::DivR { d, .. }
        | Instr::PowR { d, .. }
        | Instr::RemR { d, .. }
        | Instr::NegR { d, .. }
        | Instr::AddI { d, .. }
        | Instr::SubI { d, .. }
        | Instr::MulI { d, .. }
        | Instr::PowI { d, .. }
        | Instr::RemI { d, .. }
        | Instr::NegI { d, .. }
        | Instr::EqR { d, .. }
        | Instr::NeR { d, .. }
        | Instr::LtR { d, .. }
        | Instr::LeR { d, .. }
        | Instr::EqI { d, .. }
        | Instr::NeI { d, .. }
        | Instr::LtI { d, .. }
        | Instr::LeI { d, .. }
        | Instr::Not { d, .. }
        | Instr::And { d, .. }
        | Instr::Or { d, .. }
        | Instr::Widen { d, .. }
        | Instr::Real1 { d, .. }
        | Instr::Real2 { d, .. }
        | Instr::Len { d, .. }
        | Instr::IndexR { d, .. }
        | Instr::IndexI { d, .. }
        | Instr::IndexB { d, .. }
        | Instr::Index2 { d, .. }
        | Instr::FieldN { d, .. }
        | Instr::PayloadN { d, .. }
        | Instr::Tag { d, .. } => Some(d),
        _ => None,
    }
}

/// For each instruction whether another one jumps to it.
pub(super) fn targets(func: &FuncCode) -> Vec<bool> {
    let mut is_target = vec![false; func.code.len() + 1];
    for instr in &func.code {
        match instr {
            Instr::Jump { to }
            | Instr::Again { to }
            | Instr::JumpUnless { to, .. }
            | Instr::UnlessLtI { to, .. }
            | Instr::UnlessLtR { to, .. }
            | Instr::UnlessLeI { to, .. }
            | Instr::UnlessLeR { to, .. }
            | Instr::Next { to, .. } => is_target[*to as usize] = true,
            Instr::Switch { table, .. } => {
                for to in &func.switches[*table as usize] {
                    is_target[*to as usize] = true;
                }
            }
            _ => {}
        }
    }
    is_target
}

/// Removes jumps to the next instruction.
fn compact(func: &mut FuncCode) {
    let idle = |at: usize, instr: Instr| matches!(instr, Instr::Jump { to } if to as usize == at + 1);
    let mut place = Vec::with_capacity(func.code.len() + 1);
    let mut kept = 0u32;
    for (at, instr) in func.code.iter().enumerate() {
        place.push(kept);
        if !idle(at, *instr) {
            kept += 1;
        }
    }
    place.push(kept);
    if kept as usize == func.code.len() {
        return;
    }
    let old = std::mem::take(&mut func.code);
    let spans = std::mem::take(&mut func.spans);
    for (at, (mut instr, span)) in old.into_iter().zip(spans).enumerate() {
        if idle(at, instr) {
            continue;
        }
        match &mut instr {
            Instr::Jump { to }
            | Instr::Again { to }
            | Instr::JumpUnless { to, .. }
            | Instr::UnlessLtI { to, .. }
            | Instr::UnlessLtR { to, .. }
            | Instr::UnlessLeI { to, .. }
            | Instr::UnlessLeR { to, .. }
            | Instr::Next { to, .. } => *to = place[*to as usize],
            _ => {}
        }
        func.code.push(instr);
        func.spans.push(span);
    }
    for table in &mut func.switches {
        for to in table {
            *to = place[*to as usize];
        }
    }
}

fn mark_last_uses(func: &mut FuncCode, analysis: &Analysis) {
    for at in 0..func.code.len() {
        let mut taken: Vec<Obj> = Vec::new();
        let mut mark = |o: &mut Obj| {
            if *o & (CONST | TAKE) == 0 && !analysis.after(at, analysis.nums + *o as usize) && !taken.contains(o) {
                taken.push(*o);
                *o |= TAKE;
            }
        };
        let mut slots = |slots: &mut [Slot]| {
            // The last occurrence takes: earlier ones are copied before.
            for slot in slots.iter_mut().rev() {
                if let Slot::Obj(o) = slot {
                    mark(o);
                }
            }
        };
        match &mut func.code[at] {
            Instr::MovO { a, .. } | Instr::ReturnO { a } => slots_one(a, &mut slots),
            Instr::AppendV { x, .. } | Instr::SetV { x, .. } => slots_one(x, &mut slots),
            Instr::Make { make } => slots(&mut func.makes[*make as usize].parts),
            Instr::General { general } => slots(&mut func.generals[*general as usize].args),
            Instr::Native { native } => slots(&mut func.natives[*native as usize].args),
            Instr::Lift { lift } => slots(&mut func.lifts[*lift as usize].args),
            Instr::Host { host } => slots(&mut func.hosts[*host as usize].args),
            Instr::Call { call } | Instr::CallClosure { call } => {
                for o in func.calls[*call as usize].args.objs.iter_mut().rev() {
                    mark(o);
                }
            }
            Instr::Member { member } => slots(&mut func.members[*member as usize].args),
            _ => {}
        }
    }
}

fn slots_one(o: &mut Obj, slots: &mut impl FnMut(&mut [Slot])) {
    let mut one = [Slot::Obj(*o)];
    slots(&mut one);
    if let [Slot::Obj(marked)] = one {
        *o = marked;
    }
}

fn read_slot(slot: Slot, go: &mut dyn FnMut(Access)) {
    match slot {
        Slot::Unit => {}
        Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => go(Access::ReadN(n)),
        Slot::Obj(o) => go(Access::ReadO(o)),
    }
}

fn write_slot(slot: Slot, go: &mut dyn FnMut(Access)) {
    match slot {
        Slot::Unit => {}
        Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => go(Access::WriteN(n)),
        Slot::Obj(o) => go(Access::WriteO(o)),
    }
}

fn read_slots(slots: &[Slot], go: &mut dyn FnMut(Access)) {
    for slot in slots {
        read_slot(*slot, go);
    }
}

fn read_args(args: &Args, go: &mut dyn FnMut(Access)) {
    for n in &args.nums {
        go(Access::ReadN(*n));
    }
    for o in &args.objs {
        go(Access::ReadO(*o));
    }
}

pub(super) fn accesses(func: &FuncCode, instr: Instr, go: &mut dyn FnMut(Access)) {
    use Access::{ReadN, ReadO, WriteN, WriteO};
    match instr {
        Instr::MovN { d, a }
        | Instr::NegR { d, a }
        | Instr::NegI { d, a }
        | Instr::Not { d, a }
        | Instr::Widen { d, a }
        | Instr::Real1 { d, a, .. } => {
            go(ReadN(a));
            go(WriteN(d));
        }
        Instr::MovO { d, a } => {
            go(ReadO(a));
            go(WriteO(d));
        }
        Instr::AddR { d, a, b }
        | Instr::SubR { d, a, b }
        | Instr::MulR { d, a, b }
        | Instr::DivR { d, a, b }
        | Instr::PowR { d, a, b }
        | Instr::RemR { d, a, b }
        | Instr::AddI { d, a, b }
        | Instr::SubI { d, a, b }
        | Instr::MulI { d, a, b }
        | Instr::PowI { d, a, b }
        | Instr::RemI { d, a, b }
        | Instr::EqR { d, a, b }
        | Instr::NeR { d, a, b }
        | Instr::LtR { d, a, b }
        | Instr::LeR { d, a, b }
        | Instr::EqI { d, a, b }
        | Instr::NeI { d, a, b }
        | Instr::LtI { d, a, b }
        | Instr::LeI { d, a, b }
        | Instr::And { d, a, b }
        | Instr::Or { d, a, b }
        | Instr::Real2 { d, a, b, .. } => {
            go(ReadN(a));
            go(ReadN(b));
            go(WriteN(d));
        }
        Instr::Jump { .. } | Instr::Again { .. } | Instr::ReturnUnit => {}
        Instr::JumpUnless { a, .. } | Instr::Switch { a, .. } | Instr::ReturnN { a } => go(ReadN(a)),
        Instr::UnlessLtI { a, b, .. }
        | Instr::UnlessLtR { a, b, .. }
        | Instr::UnlessLeI { a, b, .. }
        | Instr::UnlessLeR { a, b, .. } => {
            go(ReadN(a));
            go(ReadN(b));
        }
        Instr::Next { i, high, .. } => {
            go(ReadN(i));
            go(ReadN(high));
            go(WriteN(i));
        }
        Instr::Len { d, a } | Instr::Tag { d, a } | Instr::FieldN { d, a, .. } | Instr::PayloadN { d, a, .. } => {
            go(ReadO(a));
            go(WriteN(d));
        }
        Instr::FieldO { d, a, .. } | Instr::PayloadO { d, a, .. } => {
            go(ReadO(a));
            go(WriteO(d));
        }
        Instr::IndexR { d, a, i } | Instr::IndexI { d, a, i } | Instr::IndexB { d, a, i } => {
            go(ReadO(a));
            go(ReadN(i));
            go(WriteN(d));
        }
        Instr::IndexV { d, a, i } | Instr::IndexM { d, a, i } => {
            go(ReadO(a));
            go(ReadN(i));
            go(WriteO(d));
        }
        Instr::Index2 { d, a, i, j } => {
            go(ReadO(a));
            go(ReadN(i));
            go(ReadN(j));
            go(WriteN(d));
        }
        Instr::NewArray { d, n, .. } => {
            go(ReadN(n));
            go(WriteO(d));
        }
        Instr::AppendR { a, x } | Instr::AppendI { a, x } | Instr::AppendB { a, x } => {
            go(ReadO(a));
            go(ReadN(x));
        }
        Instr::AppendV { a, x } => {
            go(ReadO(a));
            go(ReadO(x));
        }
        Instr::SetR { a, i, x } | Instr::SetI { a, i, x } => {
            go(ReadO(a));
            go(ReadN(i));
            go(ReadN(x));
        }
        Instr::SetV { a, i, x } => {
            go(ReadO(a));
            go(ReadN(i));
            go(ReadO(x));
        }
        Instr::ReturnO { a } => go(ReadO(a)),
        Instr::Make { make } => {
            let make = &func.makes[make as usize];
            read_slots(&make.parts, go);
            go(WriteO(make.d));
        }
        Instr::General { general } => {
            let general = &func.generals[general as usize];
            read_slots(&general.args, go);
            if let GeneralKind::Update(update) = general.kind {
                let update = &func.updates[update as usize];
                go(ReadO(update.root));
                for step in &update.steps {
                    match step {
                        UpdateStep::Index(i) => go(ReadN(*i)),
                        UpdateStep::Index2(i, j) => {
                            go(ReadN(*i));
                            go(ReadN(*j));
                        }
                        UpdateStep::Field(_) => {}
                    }
                }
                read_slot(update.value, go);
            }
            write_slot(general.d, go);
        }
        Instr::Native { native } => {
            let native = &func.natives[native as usize];
            read_slots(&native.args, go);
            write_slot(native.d, go);
        }
        Instr::Lift { lift } => {
            let lift = &func.lifts[lift as usize];
            read_slots(&lift.args, go);
            go(WriteO(lift.d));
        }
        Instr::Call { call } | Instr::CallClosure { call } => {
            let is_closure = matches!(instr, Instr::CallClosure { .. });
            let call = &func.calls[call as usize];
            read_args(&call.args, go);
            if is_closure {
                go(ReadO(call.callee));
            }
            read_slots(&call.path, go);
            write_slot(call.d, go);
        }
        Instr::Member { member } => {
            let member = &func.members[member as usize];
            go(ReadO(member.dist));
            read_slots(&member.args, go);
            write_slot(member.d, go);
        }
        Instr::Sample { sample } => {
            let sample = &func.samples[sample as usize];
            match &sample.dist {
                DistArg::Known { args, .. } => read_args(args, go),
                DistArg::Value(o) => go(ReadO(*o)),
            }
            read_slots(&sample.path, go);
            write_slot(sample.d, go);
        }
        Instr::Score { a, score } => {
            go(ReadN(a));
            read_slots(&func.scores[score as usize].path, go);
        }
        Instr::Host { host } => {
            let host = &func.hosts[host as usize];
            read_slots(&host.args, go);
            write_slot(host.d, go);
        }
    }
}
