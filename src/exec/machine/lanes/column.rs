//! Registers of many runs at once: one value for all of them, or a value for each.

use super::pool;
use crate::value::Value;
use std::sync::Arc;

/// A number register of all lanes.
#[derive(Clone, Debug, Default)]
pub struct Column {
    /// Whether `lanes` counts; otherwise all lanes hold `bits`.
    pub varying: bool,
    pub bits: u64,
    /// The bits in each lane. Kept while the register is uniform, for its memory.
    pub lanes: Vec<u64>,
}

/// A number operand of all lanes.
#[derive(Clone, Copy)]
pub enum Operand<'a> {
    Same(u64),
    Each(&'a [u64]),
}

impl Operand<'_> {
    /// The bits in a lane.
    #[inline]
    pub fn at(&self, lane: usize) -> u64 {
        match self {
            Operand::Same(bits) => *bits,
            Operand::Each(lanes) => lanes[lane],
        }
    }
}

impl Column {
    /// The same bits in all lanes.
    #[inline]
    pub fn same(bits: u64) -> Column {
        Column { varying: false, bits, lanes: Vec::new() }
    }

    /// Gives all lanes the same bits.
    #[inline]
    pub fn set(&mut self, bits: u64) {
        self.varying = false;
        self.bits = bits;
    }

    /// Whether memory for lanes is held, whatever is in it.
    #[inline]
    pub fn holds_memory(&self) -> bool {
        self.lanes.capacity() > 0
    }

    /// Forgets what the lanes hold and gives the memory back.
    pub fn release(&mut self) {
        if self.varying {
            self.set(0);
        }
        pool::give(std::mem::take(&mut self.lanes));
    }

    /// The register as an operand.
    #[inline]
    pub fn operand(&self) -> Operand<'_> {
        if self.varying { Operand::Each(&self.lanes) } else { Operand::Same(self.bits) }
    }

    /// The bits in a lane.
    #[inline]
    pub fn at(&self, lane: usize) -> u64 {
        if self.varying { self.lanes[lane] } else { self.bits }
    }
}

/// An object register of all lanes.
#[derive(Clone, Debug)]
pub enum Objects {
    Same(Value),
    /// Lane k holds `values[which[k]]`: what depends on the object alone is computed once for each of the few values.
    Few {
        values: Vec<Value>,
        which: Arc<Vec<u32>>,
    },
    Each(Vec<Value>),
}

impl Default for Objects {
    fn default() -> Objects {
        Objects::Same(Value::Unit)
    }
}

impl Objects {
    /// The value in a lane.
    #[inline]
    pub fn at(&self, lane: usize) -> &Value {
        match self {
            Objects::Same(value) => value,
            Objects::Few { values, which } => &values[which[lane] as usize],
            Objects::Each(values) => &values[lane],
        }
    }

    /// Makes room for a value of its own in each of `count` lanes.
    pub fn spread(&mut self, count: usize) -> &mut Vec<Value> {
        if !matches!(self, Objects::Each(_)) {
            let old = std::mem::take(self);
            *self = Objects::Each(match old {
                Objects::Same(value) => vec![value; count],
                Objects::Few { values, which } => which.iter().map(|k| values[*k as usize].clone()).collect(),
                Objects::Each(values) => values,
            });
        }
        match self {
            Objects::Each(values) => values,
            _ => unreachable!("the register was just spread"),
        }
    }

    /// Forgets what it holds.
    #[inline]
    pub fn clear(&mut self) {
        if !matches!(self, Objects::Same(Value::Unit)) {
            *self = Objects::default();
        }
    }
}

/// Whether two values are one and the same: equal numbers, or the same memory.
pub fn identical(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Unit, Value::Unit) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Real(a), Value::Real(b)) => a.to_bits() == b.to_bits(),
        (Value::Str(a), Value::Str(b)) => Arc::ptr_eq(a, b),
        (Value::Reals(a), Value::Reals(b)) => Arc::ptr_eq(a, b),
        (Value::Ints(a), Value::Ints(b)) => Arc::ptr_eq(a, b),
        (Value::Bools(a), Value::Bools(b)) => Arc::ptr_eq(a, b),
        (Value::Values(a), Value::Values(b)) => Arc::ptr_eq(a, b),
        (Value::Matrix(a), Value::Matrix(b)) => Arc::ptr_eq(a, b),
        (Value::Tuple(a), Value::Tuple(b)) => Arc::ptr_eq(a, b),
        (Value::Record(a), Value::Record(b)) => Arc::ptr_eq(a, b),
        (Value::Variant(a), Value::Variant(b)) => Arc::ptr_eq(a, b),
        (Value::Closure(a), Value::Closure(b)) => Arc::ptr_eq(a, b),
        (Value::Dist(a), Value::Dist(b)) => Arc::ptr_eq(a, b),
        (Value::Domain(a), Value::Domain(b)) => Arc::ptr_eq(a, b),
        _ => false,
    }
}
