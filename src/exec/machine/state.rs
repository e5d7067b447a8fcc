//! A paused run as a value: what it keeps, whether two are the same, how they are hashed.

use super::code::*;
use super::frame::Machine;
use crate::value::Value;
use crate::value::hash::{hash_value, same};
use std::hash::{Hash, Hasher};

impl Machine {
    /// Drops what no later instruction reads, so that copies cost what is live and equal futures compare equal.
    /// With `numbers` the number registers are cleared as well.
    pub fn forget_dead(&mut self, code: &Code, numbers: bool) {
        for depth in 0..self.frames.len() {
            let frame = self.frames[depth];
            let func = &code.funcs[frame.func as usize];
            let Some(live) = live_at(code, frame.func, frame.pc) else { continue };
            if func.obj_size > 0 {
                let base = frame.obj_base as usize;
                let objs = &mut self.objs[base..base + func.obj_size as usize];
                let mut kept = live.objs.iter().copied().peekable();
                for (k, value) in objs.iter_mut().enumerate() {
                    if kept.peek() == Some(&(k as Obj)) {
                        kept.next();
                    } else if !matches!(value, Value::Unit) {
                        *value = Value::Unit;
                    }
                }
            }
            if numbers {
                let base = frame.num_base as usize;
                let nums = &mut self.nums[base..base + func.num_size as usize];
                let mut kept = live.nums.iter().copied().peekable();
                for (k, bits) in nums.iter_mut().enumerate() {
                    if kept.peek() == Some(&(k as Num)) {
                        kept.next();
                    } else {
                        *bits = 0;
                    }
                }
                for (n, bits) in &func.number_constants {
                    nums[*n as usize] = *bits;
                }
            }
        }
    }

    /// The place where the machine is paused, as a key that orders places as a run passes them: for each frame, the loops around it from
    /// the outermost in, each by its beginning and its index, then the instruction.
    pub fn position(&self, code: &Code) -> Vec<u64> {
        let mut key = Vec::new();
        for frame in &self.frames {
            let func = &code.funcs[frame.func as usize];
            let last = code.text.ran_last(frame.func, frame.pc);
            let pc = last.unwrap_or(0) as u32;
            let nums = &self.nums[frame.num_base as usize..];
            let mut path = last.map_or(&[][..], |at| path_at(func, at)).iter();
            for (begin, _) in func.loops().into_iter().filter(|(begin, end)| (*begin..=*end).contains(&pc)) {
                let index = match path.next() {
                    Some(Slot::Int(n)) => nums[*n as usize],
                    _ => 0,
                };
                key.extend([u64::from(begin), index]);
            }
            key.push(u64::from(pc));
        }
        key
    }

    /// Whether two paused runs of one program have the same future. Both must have forgotten what is dead.
    pub fn same_future(&self, other: &Machine) -> bool {
        self.frames == other.frames
            && self.nums[..self.num_top] == other.nums[..other.num_top]
            && self.obj_top == other.obj_top
            && self.objs[..self.obj_top].iter().zip(&other.objs).all(|(a, b)| same(a, b))
    }

    /// Hashes what [`Machine::same_future`] compares.
    pub fn hash_future(&self, state: &mut impl Hasher) {
        for frame in &self.frames {
            frame.func.hash(state);
            frame.pc.hash(state);
        }
        self.nums[..self.num_top].hash(state);
        for value in &self.objs[..self.obj_top] {
            hash_value(value, state);
        }
    }
}

impl FuncCode {
    /// The loops by their first and last instructions, outer ones before those within.
    fn loops(&self) -> Vec<(u32, u32)> {
        let mut loops: Vec<(u32, u32)> = Vec::new();
        for (at, instr) in self.code.iter().enumerate() {
            if let Instr::Next { to, .. } | Instr::Again { to } = instr {
                loops.push((*to, at as u32));
            }
        }
        loops.sort_by_key(|(begin, end)| (*begin, u32::MAX - end));
        loops
    }
}

/// The loop indices at an instruction.
fn path_at(func: &FuncCode, at: usize) -> &[Slot] {
    match func.code.get(at) {
        Some(Instr::Call { call } | Instr::CallClosure { call }) => &func.calls[*call as usize].path,
        Some(Instr::Sample { sample }) => &func.samples[*sample as usize].path,
        Some(Instr::Score { score, .. }) => &func.scores[*score as usize].path,
        _ => &[],
    }
}

/// What a frame paused before `pc` keeps.
pub(super) fn live_at(code: &Code, func: u32, pc: u32) -> Option<&Live> {
    let at = code.text.ran_last(func, pc)?;
    let func = &code.funcs[func as usize];
    match *func.code.get(at)? {
        Instr::Call { call } | Instr::CallClosure { call } => Some(&func.calls[call as usize].live),
        Instr::Member { member } => Some(&func.members[member as usize].live),
        Instr::Sample { sample } => Some(&func.samples[sample as usize].live),
        Instr::Score { score, .. } => Some(&func.scores[score as usize].live),
        Instr::Host { host } => Some(&func.hosts[host as usize].live),
        _ => None,
    }
}
