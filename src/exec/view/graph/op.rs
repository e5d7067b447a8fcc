//! Scalar operations and straight-line programs of them.

use crate::core::ir;
use crate::exec::machine::scalar;
use crate::prim::Body;
use crate::value::{Fault, Value};
use std::collections::HashMap;

/// An operation on the bits of numbers: reals, integers, truth values as 0 and 1.
#[derive(Clone, Copy, Debug)]
pub enum Op {
    AddR,
    SubR,
    MulR,
    DivR,
    PowR,
    RemR,
    NegR,
    AddI,
    SubI,
    MulI,
    PowI,
    RemI,
    NegI,
    EqR,
    NeR,
    LtR,
    LeR,
    EqI,
    NeI,
    LtI,
    LeI,
    Not,
    And,
    Or,
    Widen,
    Real1(fn(f64) -> f64),
    Real2(fn(f64, f64) -> f64),
    Real3(fn(f64, f64, f64) -> f64),
    Truncate(fn(f64) -> Result<i64, Fault>),
    Int1(fn(i64) -> Result<i64, Fault>),
    Int2(fn(i64, i64) -> Result<i64, Fault>),
}

/// What the bits of a result mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Real,
    Int,
    Bool,
}

impl Kind {
    /// Bits as a value.
    pub fn value(self, bits: u64) -> Value {
        match self {
            Kind::Real => Value::Real(f64::from_bits(bits)),
            Kind::Int => Value::Int(bits as i64),
            Kind::Bool => Value::Bool(bits != 0),
        }
    }
}

impl Op {
    /// The operation of Core on scalars, if it is one.
    pub fn of_core(op: ir::Op) -> Option<Op> {
        Some(match op {
            ir::Op::AddR => Op::AddR,
            ir::Op::SubR => Op::SubR,
            ir::Op::MulR => Op::MulR,
            ir::Op::DivR => Op::DivR,
            ir::Op::PowR => Op::PowR,
            ir::Op::RemR => Op::RemR,
            ir::Op::NegR => Op::NegR,
            ir::Op::AddI => Op::AddI,
            ir::Op::SubI => Op::SubI,
            ir::Op::MulI => Op::MulI,
            ir::Op::PowI => Op::PowI,
            ir::Op::RemI => Op::RemI,
            ir::Op::NegI => Op::NegI,
            ir::Op::EqR => Op::EqR,
            ir::Op::NeR => Op::NeR,
            ir::Op::LtR => Op::LtR,
            ir::Op::LeR => Op::LeR,
            ir::Op::EqI | ir::Op::EqB => Op::EqI,
            ir::Op::NeI | ir::Op::NeB => Op::NeI,
            ir::Op::LtI => Op::LtI,
            ir::Op::LeI => Op::LeI,
            ir::Op::Not => Op::Not,
            ir::Op::And => Op::And,
            ir::Op::Or => Op::Or,
            ir::Op::Widen => Op::Widen,
            _ => return None,
        })
    }

    /// A primitive on scalars, if it is one.
    pub fn of_primitive(body: Body) -> Option<Op> {
        Some(match body {
            Body::Real1(f) => Op::Real1(f),
            Body::Real2(f) => Op::Real2(f),
            Body::Real3(f) => Op::Real3(f),
            Body::Truncate(f) => Op::Truncate(f),
            Body::Int1(f) => Op::Int1(f),
            Body::Int2(f) => Op::Int2(f),
            _ => return None,
        })
    }

    /// What its result means.
    pub fn kind(self) -> Kind {
        match self {
            Op::AddR | Op::SubR | Op::MulR | Op::DivR | Op::PowR | Op::RemR | Op::NegR | Op::Widen => Kind::Real,
            Op::Real1(_) | Op::Real2(_) | Op::Real3(_) => Kind::Real,
            Op::AddI | Op::SubI | Op::MulI | Op::PowI | Op::RemI | Op::NegI => Kind::Int,
            Op::Truncate(_) | Op::Int1(_) | Op::Int2(_) => Kind::Int,
            _ => Kind::Bool,
        }
    }

    /// How many operands it takes.
    pub fn arity(self) -> usize {
        match self {
            Op::NegR | Op::NegI | Op::Not | Op::Widen | Op::Real1(_) | Op::Truncate(_) | Op::Int1(_) => 1,
            Op::Real3(_) => 3,
            _ => 2,
        }
    }

    /// The result, as the machine computes it; none where it faults.
    #[inline]
    pub fn apply(self, [a, b, c]: [u64; 3]) -> Option<u64> {
        let real = f64::from_bits;
        let int = |x: u64| x as i64;
        Some(match self {
            Op::AddR => (real(a) + real(b)).to_bits(),
            Op::SubR => (real(a) - real(b)).to_bits(),
            Op::MulR => (real(a) * real(b)).to_bits(),
            Op::DivR => (real(a) / real(b)).to_bits(),
            Op::PowR => scalar::power(real(a), real(b)).to_bits(),
            Op::RemR => scalar::remainder(real(a), real(b)).to_bits(),
            Op::NegR => (-real(a)).to_bits(),
            Op::AddI => int(a).checked_add(int(b))? as u64,
            Op::SubI => int(a).checked_sub(int(b))? as u64,
            Op::MulI => int(a).checked_mul(int(b))? as u64,
            Op::PowI => scalar::integer_power(int(a), int(b)).ok()? as u64,
            Op::RemI => scalar::integer_remainder(int(a), int(b)).ok()? as u64,
            Op::NegI => int(a).checked_neg()? as u64,
            Op::EqR => u64::from(real(a) == real(b)),
            Op::NeR => u64::from(real(a) != real(b)),
            Op::LtR => u64::from(real(a) < real(b)),
            Op::LeR => u64::from(real(a) <= real(b)),
            Op::EqI => u64::from(a == b),
            Op::NeI => u64::from(a != b),
            Op::LtI => u64::from(int(a) < int(b)),
            Op::LeI => u64::from(int(a) <= int(b)),
            Op::Not => a ^ 1,
            Op::And => a & b,
            Op::Or => a | b,
            Op::Widen => (int(a) as f64).to_bits(),
            Op::Real1(f) => f(real(a)).to_bits(),
            Op::Real2(f) => f(real(a), real(b)).to_bits(),
            Op::Real3(f) => f(real(a), real(b), real(c)).to_bits(),
            Op::Truncate(f) => f(real(a)).ok()? as u64,
            Op::Int1(f) => f(int(a)).ok()? as u64,
            Op::Int2(f) => f(int(a), int(b)).ok()? as u64,
        })
    }

    /// Tells operations apart.
    fn key(self) -> [u64; 2] {
        // The plain ones are told apart by their place in the list, read from their text once.
        match self {
            Op::Real1(f) => [1, f as usize as u64],
            Op::Real2(f) => [2, f as usize as u64],
            Op::Real3(f) => [3, f as usize as u64],
            Op::Truncate(f) => [4, f as usize as u64],
            Op::Int1(f) => [5, f as usize as u64],
            Op::Int2(f) => [6, f as usize as u64],
            Op::AddR => [0, 0],
            Op::SubR => [0, 1],
            Op::MulR => [0, 2],
            Op::DivR => [0, 3],
            Op::PowR => [0, 4],
            Op::RemR => [0, 5],
            Op::NegR => [0, 6],
            Op::AddI => [0, 7],
            Op::SubI => [0, 8],
            Op::MulI => [0, 9],
            Op::PowI => [0, 10],
            Op::RemI => [0, 11],
            Op::NegI => [0, 12],
            Op::EqR => [0, 13],
            Op::NeR => [0, 14],
            Op::LtR => [0, 15],
            Op::LeR => [0, 16],
            Op::EqI => [0, 17],
            Op::NeI => [0, 18],
            Op::LtI => [0, 19],
            Op::LeI => [0, 20],
            Op::Not => [0, 21],
            Op::And => [0, 22],
            Op::Or => [0, 23],
            Op::Widen => [0, 24],
        }
    }
}

/// An operand of a step: an input, a constant or the result of an earlier step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place(u16);

const CONSTANT: u16 = 0x4000;
const LOCAL: u16 = 0x8000;

impl Place {
    pub fn input(k: usize) -> Place {
        Place(k as u16)
    }
    pub fn constant(k: usize) -> Place {
        Place(CONSTANT | k as u16)
    }
    pub fn local(k: usize) -> Place {
        Place(LOCAL | k as u16)
    }
}

/// A step of a program.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Compute(Op, [Place; 3]),
    /// The program holds only while this has these bits.
    Assert(Place, u64),
}

/// Straight-line code over numbers, as one run of a function took it.
#[derive(Clone, Debug, Default)]
pub struct Program {
    pub steps: Vec<Step>,
    pub constants: Vec<u64>,
    pub result: Option<Place>,
}

/// The most steps of a program.
pub const MOST_STEPS: usize = 256;

impl Program {
    /// The bits of the result; none where an operation faults or an assertion fails, and the program says nothing.
    #[inline]
    pub fn run(&self, input: impl Fn(usize) -> u64, locals: &mut Vec<u64>) -> Option<u64> {
        locals.clear();
        let read = |locals: &[u64], place: Place| -> u64 {
            let k = (place.0 & 0x3fff) as usize;
            if place.0 & LOCAL != 0 {
                locals[k]
            } else if place.0 & CONSTANT != 0 {
                self.constants[k]
            } else {
                input(k)
            }
        };
        for step in &self.steps {
            match step {
                Step::Compute(op, places) => {
                    let operands = match op.arity() {
                        1 => [read(locals, places[0]), 0, 0],
                        2 => [read(locals, places[0]), read(locals, places[1]), 0],
                        _ => places.map(|place| read(locals, place)),
                    };
                    locals.push(op.apply(operands)?);
                }
                Step::Assert(place, bits) => {
                    if read(locals, *place) != *bits {
                        return None;
                    }
                    // So that steps and locals count alike.
                    locals.push(0);
                }
            }
        }
        self.result.map(|place| read(locals, place))
    }

    fn key(&self) -> Vec<u64> {
        let mut key = self.constants.clone();
        key.push(self.result.map_or(u64::MAX, |place| u64::from(place.0)));
        for step in &self.steps {
            match step {
                Step::Compute(op, places) => {
                    key.extend(op.key());
                    key.push(places.iter().fold(0, |all, place| all << 16 | u64::from(place.0)));
                }
                Step::Assert(place, bits) => key.extend([u64::from(place.0), u64::MAX, *bits]),
            }
        }
        key
    }
}

/// Programs, each kept once.
#[derive(Clone, Debug, Default)]
pub struct Programs {
    pub all: Vec<Program>,
    known: HashMap<Vec<u64>, u32>,
    /// The programs recorded from a function, for the paths that its runs took.
    of_func: HashMap<u32, Vec<u32>>,
}

impl Programs {
    /// The number of a program.
    pub fn add(&mut self, program: Program) -> u32 {
        let all = &mut self.all;
        *self.known.entry(program.key()).or_insert_with(|| {
            all.push(program);
            (all.len() - 1) as u32
        })
    }

    /// The programs recorded from a function.
    pub fn of_func(&self, func: u32) -> &[u32] {
        self.of_func.get(&func).map_or(&[], Vec::as_slice)
    }

    /// Adds a program recorded from a function.
    pub fn add_of_func(&mut self, func: u32, program: Program) -> u32 {
        let number = self.add(program);
        self.of_func.entry(func).or_default().push(number);
        number
    }
}
