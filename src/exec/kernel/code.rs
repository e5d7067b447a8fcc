//! Code of the kernel engine: what the executor runs.

use super::axis::Axes;
use super::graph::Op;
use super::native::{self, Native};
use std::sync::{Arc, OnceLock};

/// Where numbers lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Base {
    /// The memory of an evaluator.
    Memory,
    /// A constant array.
    Constant(u32),
}

/// An array, or a number, in memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source {
    pub base: Base,
    pub start: usize,
}

/// Elementwise functions with code of their own, and scalar functions for the rest.
#[derive(Clone, Copy, Debug)]
pub enum Kernel {
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    Abs,
    Sqrt,
    Exp,
    Expm1,
    Log,
    Log1p,
    Tanh,
    Max,
    Min,
    Lt,
    Le,
    Eq,
    Not,
    And,
    Or,
    Select,
    Mask,
    /// `a * b + c`, rounded twice.
    MulAdd,
    Copy,
    One(fn(f64) -> f64),
    Two(fn(f64, f64) -> f64),
    Three(fn(f64, f64, f64) -> f64),
}

/// An operation on numbers in memory.
#[derive(Clone, Copy, Debug)]
pub struct ScalarOp {
    pub kernel: Kernel,
    pub to: u32,
    pub args: [u32; 3],
}

/// An operand of an operation on blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operand {
    Register(u16),
    /// Counts in [`Nest::arrays`].
    Array(u16),
}

/// An array walked by a nest of loops: a stride for each outer loop, and whether the inner loop moves through it.
#[derive(Clone, Debug)]
pub struct Walk {
    pub source: Source,
    pub strides: Vec<usize>,
    pub inner: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct BlockOp {
    pub kernel: Kernel,
    pub to: u16,
    pub args: [Operand; 3],
    pub count: u8,
}

/// A sum, or another reduction, of what a nest computes.
#[derive(Clone, Debug)]
pub struct Sink {
    pub a: Operand,
    pub b: Option<Operand>,
    /// The place in memory, walked as an operand is.
    pub to: usize,
    pub strides: Vec<usize>,
    pub inner: bool,
    pub kind: SinkKind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SinkKind {
    Sum,
    Max,
    Min,
    Prod,
}

/// Elementwise operations over one space, in blocks that stay in cache.
#[derive(Clone, Debug, Default)]
pub struct Nest {
    pub outer: Vec<usize>,
    pub inner: usize,
    pub arrays: Vec<Walk>,
    pub ops: Vec<BlockOp>,
    /// Registers stored to memory, at places walked likewise.
    pub stores: Vec<(u16, usize, Vec<usize>)>,
    pub sinks: Vec<Sink>,
    pub registers: usize,
    /// The first place in memory that the nest writes; it reads only before it.
    pub first: usize,
    /// Places to set before sums are added: start, length, value.
    pub clear: Vec<(usize, usize, f64)>,
}

/// Positions of elements.
#[derive(Clone, Debug)]
pub enum Places {
    /// `start + k * step`
    Steps(usize, usize),
    Table(Arc<Vec<u32>>),
}

/// Moves elements; with `add` they are added up where they arrive.
#[derive(Clone, Debug)]
pub struct Move {
    pub source: Source,
    pub from: Places,
    pub to: usize,
    pub at: Places,
    pub count: usize,
    pub add: bool,
}

/// A loop with a carried dependence, in operations on numbers.
#[derive(Clone, Debug, Default)]
pub struct ScanCode {
    pub steps: usize,
    pub reversed: bool,
    /// Numbers loaded before each step: slot, source, step along the loop.
    pub loads: Vec<(u32, Source, usize)>,
    /// Numbers loaded once.
    pub once: Vec<(u32, Source)>,
    pub constants: Vec<(u32, f64)>,
    pub ops: Vec<ScalarOp>,
    /// The same operations, those of a kind together, and places of operands.
    pub work: Vec<Work>,
    pub places: Vec<u32>,
    /// No state after a step is another's before it.
    pub apart: bool,
    /// First value (source), slot during a step, slot after it, where the value before each step is kept (and the step along it),
    /// where the last value is kept.
    pub states: Vec<StateCode>,
    pub slots: usize,
}

/// Operations of one kind that a step of a scan does together, at most.
pub const MOST_TOGETHER: usize = 64;

/// Operands of a group of operations: one for all, numbers in a row, or numbers at places of [`ScanCode::places`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lane {
    Same(u32),
    Row(u32),
    Places(u32),
}

/// Operations of one kind, whose results lie in a row behind all operands.
#[derive(Clone, Copy, Debug)]
pub struct Group {
    pub kernel: Kernel,
    pub to: u32,
    pub count: u32,
    pub args: [Lane; 3],
}

/// A part of a step.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    One(ScalarOp),
    Many(Group),
}

/// One number that a scan carries.
#[derive(Clone, Debug)]
pub struct StateCode {
    pub first: Source,
    pub slot: u32,
    pub next: u32,
    pub kept: usize,
    pub kept_step: usize,
    pub last: usize,
}

/// Products of a matrix, whose rows are contiguous, and a vector.
#[derive(Clone, Debug)]
pub struct Product {
    pub matrix: Source,
    pub rows: usize,
    pub cols: usize,
    pub vector: Source,
    pub to: usize,
    /// The vector is along the rows: `to[c] = sum of matrix[r, c] vector[r]`; else `to[r] = sum of matrix[r, c] vector[c]`.
    pub down: bool,
}

#[derive(Clone, Debug)]
pub enum Instr {
    Scalars(Vec<ScalarOp>),
    Nest(Nest),
    Clear(usize, usize),
    Move(Move),
    Product(Product),
    Scan(Box<ScanCode>),
    /// The solution of an equation; counts in [`Code::odes`].
    Ode {
        number: usize,
        args: Vec<(Axes, Source)>,
        axes: Axes,
        to: usize,
        with_parts: bool,
    },
    /// A factorization, a solve or a transform of a vector.
    Whole {
        op: Op,
        args: Vec<(Axes, Source)>,
        axes: Axes,
        to: usize,
    },
}

/// Code with its constants.
#[derive(Debug, Default)]
pub struct Code {
    pub instrs: Vec<Instr>,
    pub constants: Vec<Arc<Vec<f64>>>,
    pub odes: Vec<Arc<super::ode::Ode>>,
    /// What memory holds at first: constants without axes.
    pub numbers: Vec<(usize, f64)>,
    pub memory: usize,
    pub registers: usize,
    /// Where the roots lie, and their axes.
    pub roots: Vec<Source>,
    pub shapes: Vec<Axes>,
    pub(super) native: OnceLock<Option<Native>>,
}

impl Code {
    /// Machine code for parts of it, which is made when it is first asked for.
    pub fn native(&self) -> Option<&Native> {
        self.native.get_or_init(|| native::make(self)).as_ref()
    }

    /// Whether machine code has been made, and there was something to make it for.
    pub fn has_native(&self) -> bool {
        self.native.get().is_some_and(Option::is_some)
    }
}
