//! What the interpreter loop runs: register code packed into instructions of eight bytes, all functions in one text.
//!
//! Number operands are single bytes, so that the loop reads them from a window of [`WINDOW`] registers without a check of bounds.
//! Registers beyond the window are moved by [`Op::Load`] and [`Op::Store`]. Integer constants are operands of the instructions that
//! use them, and common pairs of instructions are one. A pair that may fault is kept behind the one that joins it: the joined one goes
//! on there when it cannot do its work, and the fault has the place that it would have had.

use super::code::{ArrayKind, Num, Obj, Slot};

/// Number registers that an instruction reaches directly.
pub const WINDOW: usize = 256;

/// Registers of the window that no variable has: they hold those from beyond for the time of one instruction.
pub const SCRATCH: std::ops::Range<u16> = 252..256;

/// A number register within the window.
pub type Near = u8;

/// One packed instruction. Letters as in [`super::code::Instr`]; `value` is a constant; tables are those of the function.
#[derive(Clone, Copy, Debug)]
#[rustfmt::skip]
pub enum Op {
    MovN { d: Near, a: Near },
    /// Then jumps.
    MovJump { d: Near, a: Near, to: u32 },
    SetN { d: Near, value: i32 },
    /// Sets to an element of [`Text::numbers`].
    SetNumber { d: Near, number: u32 },
    Load { d: Near, from: Num },
    Store { to: Num, a: Near },
    MovO { d: Obj, a: Obj },
    AddR { d: Near, a: Near, b: Near },
    SubR { d: Near, a: Near, b: Near },
    MulR { d: Near, a: Near, b: Near },
    DivR { d: Near, a: Near, b: Near },
    PowR { d: Near, a: Near, b: Near },
    RemR { d: Near, a: Near, b: Near },
    NegR { d: Near, a: Near },
    AddI { d: Near, a: Near, b: Near },
    SubI { d: Near, a: Near, b: Near },
    MulI { d: Near, a: Near, b: Near },
    PowI { d: Near, a: Near, b: Near },
    RemI { d: Near, a: Near, b: Near },
    NegI { d: Near, a: Near },
    AddValue { d: Near, a: Near, value: i32 },
    SubValue { d: Near, a: Near, value: i32 },
    MulValue { d: Near, a: Near, value: i32 },
    EqR { d: Near, a: Near, b: Near },
    NeR { d: Near, a: Near, b: Near },
    LtR { d: Near, a: Near, b: Near },
    LeR { d: Near, a: Near, b: Near },
    EqI { d: Near, a: Near, b: Near },
    NeI { d: Near, a: Near, b: Near },
    LtI { d: Near, a: Near, b: Near },
    LeI { d: Near, a: Near, b: Near },
    Not { d: Near, a: Near },
    And { d: Near, a: Near, b: Near },
    Or { d: Near, a: Near, b: Near },
    Widen { d: Near, a: Near },
    /// `f` counts in [`Text::real1`].
    Real1 { d: Near, a: Near, f: u32 },
    /// `f` counts in [`Text::real2`].
    Real2 { d: Near, a: Near, b: Near, f: u32 },
    Jump { to: u32 },
    JumpUnless { a: Near, to: u32 },
    UnlessLtI { a: Near, b: Near, to: u32 },
    UnlessLeI { a: Near, b: Near, to: u32 },
    UnlessEqI { a: Near, b: Near, to: u32 },
    UnlessNeI { a: Near, b: Near, to: u32 },
    UnlessLtR { a: Near, b: Near, to: u32 },
    UnlessLeR { a: Near, b: Near, to: u32 },
    /// Jumps unless `a < value`.
    UnlessLtValue { a: Near, value: i16, to: u32 },
    /// Jumps unless `a > value`.
    UnlessGtValue { a: Near, value: i16, to: u32 },
    UnlessEqValue { a: Near, value: i16, to: u32 },
    UnlessNeValue { a: Near, value: i16, to: u32 },
    /// Sets `d` to `a + value` and jumps `skip` instructions on unless that is less than `bound`, as the next two instructions do.
    SumUnlessLt { d: Near, a: Near, value: i8, bound: i16, skip: u16 },
    /// As [`Op::SumUnlessLt`], and what comes after the next two instructions is a [`Op::MovJump`], which is done as well.
    SumMoveUnlessLt { d: Near, a: Near, value: i8, bound: i16, skip: u16 },
    Next { i: Near, high: Near, to: u32 },
    Again { to: u32 },
    Len { d: Near, a: Obj },
    IndexR { d: Near, i: Near, a: Obj },
    IndexI { d: Near, i: Near, a: Obj },
    IndexB { d: Near, i: Near, a: Obj },
    IndexV { i: Near, d: Obj, a: Obj },
    IndexM { i: Near, d: Obj, a: Obj },
    Index2 { d: Near, i: Near, j: Near, a: Obj },
    NewArray { n: Near, kind: ArrayKind, d: Obj },
    AppendR { x: Near, a: Obj },
    AppendI { x: Near, a: Obj },
    AppendB { x: Near, a: Obj },
    AppendV { a: Obj, x: Obj },
    SetR { i: Near, x: Near, a: Obj },
    SetI { i: Near, x: Near, a: Obj },
    SetV { i: Near, a: Obj, x: Obj },
    FieldN { d: Near, a: Obj, k: u16 },
    FieldO { d: Obj, a: Obj, k: u16 },
    PayloadN { d: Near, a: Obj, k: u16 },
    PayloadO { d: Obj, a: Obj, k: u16 },
    Tag { d: Near, a: Obj },
    /// `table` counts in [`Text::switches`].
    Switch { a: Near, table: u32 },
    Make { make: u32 },
    General { general: u32 },
    Native { native: u32 },
    Lift { lift: u32 },
    /// `target` counts in [`Text::targets`], here and below.
    Call { target: u32 },
    /// A call with no more than these arguments, all numbers, that draws nothing.
    Call0 { target: u32 },
    Call1 { a: Near, target: u32 },
    Call2 { a: Near, b: Near, target: u32 },
    Call3 { a: Near, b: Near, c: Near, target: u32 },
    /// The call of one argument `a + value` that the next two instructions are.
    CallSum { a: Near, value: i16, target: u32 },
    CallClosure { call: u32 },
    Member { member: u32 },
    Sample { sample: u32 },
    Score { a: Near, score: u32 },
    Host { host: u32 },
    ReturnN { a: Near },
    /// Returns `a + b`, as the next two instructions do.
    ReturnSum { a: Near, b: Near },
    ReturnO { a: Obj },
    ReturnUnit,
}

const _: () = assert!(size_of::<Op>() == 8, "instructions are packed");

/// What a call of a known function must know.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub func: u32,
    /// Of the calling function.
    pub call: u32,
    pub d: Slot,
    pub entry: Entry,
}

/// How a function is entered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Entry {
    /// The place of its first instruction.
    pub pc: u32,
    pub num_size: u16,
    pub obj_size: u16,
    /// Whether there are constants to be written into its registers: those of [`Text::constants`].
    pub has_constants: bool,
}

/// All functions of a program, packed.
#[derive(Clone, Debug, Default)]
pub struct Text {
    pub ops: Vec<Op>,
    /// For each packed instruction the place in [`super::code::FuncCode::code`] of the one that it comes from.
    pub origins: Vec<u32>,
    /// By function.
    pub entries: Vec<Entry>,
    /// By function: registers that hold constants.
    pub constants: Vec<Box<[(Num, u64)]>>,
    pub targets: Vec<Target>,
    pub switches: Vec<Box<[u32]>>,
    pub numbers: Vec<u64>,
    pub real1: Vec<fn(f64) -> f64>,
    pub real2: Vec<fn(f64, f64) -> f64>,
    /// By function: for each place in [`super::code::FuncCode::code`] the place here where going on there begins.
    pub places: Vec<Box<[u32]>>,
}

impl Text {
    /// The place in its function's code of the instruction that comes next, given its place here.
    #[inline]
    pub fn origin(&self, pc: u32) -> usize {
        self.origins.get(pc as usize).map_or(0, |at| *at as usize)
    }

    /// The place here where a function goes on at a place of its code.
    #[inline]
    pub fn place(&self, func: u32, at: u32) -> u32 {
        self.places[func as usize][at as usize]
    }

    /// The place in its function's code of the instruction that ran last in a frame, given the place of the next one in the text.
    pub fn ran_last(&self, func: u32, pc: u32) -> Option<usize> {
        if pc <= self.entries.get(func as usize)?.pc {
            return None;
        }
        self.origins.get(pc as usize - 1).map(|at| *at as usize)
    }
}
