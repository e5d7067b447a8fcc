//! Arithmetic over columns: loops without branches, which the compiler turns into vector instructions.
//!
//! Each element is computed by the operations, in the order, that the interpreter uses for one run, so the bits agree.

use super::super::code::Instr;
use super::super::scalar;
use super::column::{Column, Operand};

fn zip(out: &mut Vec<u64>, count: usize, a: Operand<'_>, b: Operand<'_>, f: impl Fn(u64, u64) -> u64) {
    out.clear();
    match (a, b) {
        (Operand::Each(a), Operand::Each(b)) => out.extend(a.iter().zip(b).map(|(x, y)| f(*x, *y))),
        (Operand::Each(a), Operand::Same(y)) => out.extend(a.iter().map(|x| f(*x, y))),
        (Operand::Same(x), Operand::Each(b)) => out.extend(b.iter().map(|y| f(x, *y))),
        (Operand::Same(x), Operand::Same(y)) => out.extend(std::iter::repeat_n(f(x, y), count)),
    }
}

fn real(bits: u64) -> f64 {
    f64::from_bits(bits)
}

/// A comparison of two numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Comparison {
    EqR,
    NeR,
    LtR,
    LeR,
    EqI,
    NeI,
    LtI,
    LeI,
}

/// Compares in each lane, giving 1 or 0.
pub fn compare(out: &mut Vec<u64>, count: usize, comparison: Comparison, a: Operand<'_>, b: Operand<'_>) {
    match comparison {
        Comparison::EqR => zip(out, count, a, b, |x, y| u64::from(real(x) == real(y))),
        Comparison::NeR => zip(out, count, a, b, |x, y| u64::from(real(x) != real(y))),
        Comparison::LtR => zip(out, count, a, b, |x, y| u64::from(real(x) < real(y))),
        Comparison::LeR => zip(out, count, a, b, |x, y| u64::from(real(x) <= real(y))),
        Comparison::EqI => zip(out, count, a, b, |x, y| u64::from(x == y)),
        Comparison::NeI => zip(out, count, a, b, |x, y| u64::from(x != y)),
        Comparison::LtI => zip(out, count, a, b, |x, y| u64::from((x as i64) < y as i64)),
        Comparison::LeI => zip(out, count, a, b, |x, y| u64::from(x as i64 <= y as i64)),
    }
}

/// An operation on two numbers that cannot fault: what it is, and its registers `d`, `a`, `b`.
#[derive(Clone, Copy)]
pub enum Binary {
    AddR,
    SubR,
    MulR,
    DivR,
    PowR,
    RemR,
    And,
    Or,
    Compare(Comparison),
    Real(fn(f64, f64) -> f64),
}

/// The operation of an instruction on two numbers, if it is one that cannot fault, and its registers.
pub fn binary(instr: Instr) -> Option<(Binary, u16, u16, u16)> {
    use Comparison::*;
    Some(match instr {
        Instr::AddR { d, a, b } => (Binary::AddR, d, a, b),
        Instr::SubR { d, a, b } => (Binary::SubR, d, a, b),
        Instr::MulR { d, a, b } => (Binary::MulR, d, a, b),
        Instr::DivR { d, a, b } => (Binary::DivR, d, a, b),
        Instr::PowR { d, a, b } => (Binary::PowR, d, a, b),
        Instr::RemR { d, a, b } => (Binary::RemR, d, a, b),
        Instr::And { d, a, b } => (Binary::And, d, a, b),
        Instr::Or { d, a, b } => (Binary::Or, d, a, b),
        Instr::Real2 { f, d, a, b } => (Binary::Real(f), d, a, b),
        Instr::EqR { d, a, b } => (Binary::Compare(EqR), d, a, b),
        Instr::NeR { d, a, b } => (Binary::Compare(NeR), d, a, b),
        Instr::LtR { d, a, b } => (Binary::Compare(LtR), d, a, b),
        Instr::LeR { d, a, b } => (Binary::Compare(LeR), d, a, b),
        Instr::EqI { d, a, b } => (Binary::Compare(EqI), d, a, b),
        Instr::NeI { d, a, b } => (Binary::Compare(NeI), d, a, b),
        Instr::LtI { d, a, b } => (Binary::Compare(LtI), d, a, b),
        Instr::LeI { d, a, b } => (Binary::Compare(LeI), d, a, b),
        _ => return None,
    })
}

fn apply2(out: &mut Vec<u64>, count: usize, op: Binary, a: Operand<'_>, b: Operand<'_>) {
    let go = |out: &mut Vec<u64>, f: fn(f64, f64) -> f64| zip(out, count, a, b, |x, y| f(real(x), real(y)).to_bits());
    match op {
        Binary::AddR => zip(out, count, a, b, |x, y| (real(x) + real(y)).to_bits()),
        Binary::SubR => zip(out, count, a, b, |x, y| (real(x) - real(y)).to_bits()),
        Binary::MulR => zip(out, count, a, b, |x, y| (real(x) * real(y)).to_bits()),
        Binary::DivR => zip(out, count, a, b, |x, y| (real(x) / real(y)).to_bits()),
        Binary::PowR => zip(out, count, a, b, |x, y| scalar::power(real(x), real(y)).to_bits()),
        Binary::RemR => go(out, scalar::remainder),
        Binary::And => zip(out, count, a, b, |x, y| x & y),
        Binary::Or => zip(out, count, a, b, |x, y| x | y),
        Binary::Compare(comparison) => compare(out, count, comparison, a, b),
        Binary::Real(f) => go(out, f),
    }
}

/// `d := op(a, b)` in all lanes; `spare` is a buffer that changes places with that of `d`.
pub fn run2(nums: &mut [Column], spare: &mut Vec<u64>, count: usize, op: Binary, [d, a, b]: [usize; 3]) {
    if !nums[a].varying && !nums[b].varying {
        apply2(spare, 1, op, Operand::Same(nums[a].bits), Operand::Same(nums[b].bits));
        nums[d].set(spare[0]);
        return;
    }
    apply2(spare, count, op, nums[a].operand(), nums[b].operand());
    std::mem::swap(spare, &mut nums[d].lanes);
    nums[d].varying = true;
}

/// `d := f(a)` in all lanes.
pub fn run1(nums: &mut [Column], spare: &mut Vec<u64>, [d, a]: [usize; 2], f: impl Fn(u64) -> u64) {
    if nums[a].varying {
        spare.clear();
        spare.extend(nums[a].lanes.iter().map(|x| f(*x)));
        std::mem::swap(spare, &mut nums[d].lanes);
        nums[d].varying = true;
    } else {
        let bits = f(nums[a].bits);
        nums[d].set(bits);
    }
}

/// The comparison by which an instruction jumps when it does not hold, its operands and where to.
pub fn branch(instr: Instr) -> Option<(Comparison, u16, u16, u32)> {
    Some(match instr {
        Instr::UnlessLtI { a, b, to } => (Comparison::LtI, a, b, to),
        Instr::UnlessLeI { a, b, to } => (Comparison::LeI, a, b, to),
        Instr::UnlessLtR { a, b, to } => (Comparison::LtR, a, b, to),
        Instr::UnlessLeR { a, b, to } => (Comparison::LeR, a, b, to),
        _ => return None,
    })
}
