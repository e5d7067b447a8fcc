//! Register code: what the machine executes.
//!
//! A frame has two banks of registers: numbers (`u64`: the bits of a real, an integer, 0 or 1) and objects ([`Value`]).
//! The low registers of each bank are the parameters in order, then the captured variables. An object operand is a register,
//! or a constant of the function ([`CONST`]); [`TAKE`] marks the last use of a register, which may be moved out of.

use super::ops::{SCRATCH, Text};
use crate::core::ir::{Op, Program, SiteKind};
use crate::core::{Type, TypeKind};
use crate::prim::Body;
use crate::source::{Name, Span};
use crate::value::Value;
use std::sync::Arc;

/// A register of the number bank.
pub type Num = u16;
/// An operand of the object bank, possibly marked [`CONST`] or [`TAKE`].
pub type Obj = u16;

/// Marks an object operand that counts in [`FuncCode::constants`].
pub const CONST: u16 = 0x8000;
/// Marks the last use of an object register.
pub const TAKE: u16 = 0x4000;
/// The bits of an object operand that count.
pub const INDEX: u16 = 0x3fff;

/// A typed place: where a value is read from or written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slot {
    /// The unit value has no place.
    Unit,
    Real(Num),
    Int(Num),
    Bool(Num),
    Obj(Obj),
}

/// The representation of an array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayKind {
    Reals,
    Ints,
    Bools,
    Values,
}

impl ArrayKind {
    /// How arrays with elements of this type are held.
    pub fn of_element(element: Type) -> ArrayKind {
        match element.kind() {
            TypeKind::Real => ArrayKind::Reals,
            TypeKind::Int => ArrayKind::Ints,
            TypeKind::Bool => ArrayKind::Bools,
            _ => ArrayKind::Values,
        }
    }
}

/// One instruction. `d` is written, `a`, `b`, `c`, `i`, `j`, `x` are read; `to` is a place in the code.
#[derive(Clone, Copy, Debug)]
pub enum Instr {
    MovN {
        d: Num,
        a: Num,
    },
    MovO {
        d: Obj,
        a: Obj,
    },
    AddR {
        d: Num,
        a: Num,
        b: Num,
    },
    SubR {
        d: Num,
        a: Num,
        b: Num,
    },
    MulR {
        d: Num,
        a: Num,
        b: Num,
    },
    DivR {
        d: Num,
        a: Num,
        b: Num,
    },
    PowR {
        d: Num,
        a: Num,
        b: Num,
    },
    RemR {
        d: Num,
        a: Num,
        b: Num,
    },
    NegR {
        d: Num,
        a: Num,
    },
    AddI {
        d: Num,
        a: Num,
        b: Num,
    },
    SubI {
        d: Num,
        a: Num,
        b: Num,
    },
    MulI {
        d: Num,
        a: Num,
        b: Num,
    },
    PowI {
        d: Num,
        a: Num,
        b: Num,
    },
    RemI {
        d: Num,
        a: Num,
        b: Num,
    },
    NegI {
        d: Num,
        a: Num,
    },
    EqR {
        d: Num,
        a: Num,
        b: Num,
    },
    NeR {
        d: Num,
        a: Num,
        b: Num,
    },
    LtR {
        d: Num,
        a: Num,
        b: Num,
    },
    LeR {
        d: Num,
        a: Num,
        b: Num,
    },
    /// Also equality of booleans.
    EqI {
        d: Num,
        a: Num,
        b: Num,
    },
    NeI {
        d: Num,
        a: Num,
        b: Num,
    },
    LtI {
        d: Num,
        a: Num,
        b: Num,
    },
    LeI {
        d: Num,
        a: Num,
        b: Num,
    },
    Not {
        d: Num,
        a: Num,
    },
    And {
        d: Num,
        a: Num,
        b: Num,
    },
    Or {
        d: Num,
        a: Num,
        b: Num,
    },
    Widen {
        d: Num,
        a: Num,
    },
    Real1 {
        f: fn(f64) -> f64,
        d: Num,
        a: Num,
    },
    Real2 {
        f: fn(f64, f64) -> f64,
        d: Num,
        a: Num,
        b: Num,
    },
    Jump {
        to: u32,
    },
    JumpUnless {
        a: Num,
        to: u32,
    },
    /// Jumps unless `a < b`.
    UnlessLtI {
        a: Num,
        b: Num,
        to: u32,
    },
    UnlessLtR {
        a: Num,
        b: Num,
        to: u32,
    },
    UnlessLeI {
        a: Num,
        b: Num,
        to: u32,
    },
    UnlessLeR {
        a: Num,
        b: Num,
        to: u32,
    },
    /// `i += 1`, then jumps back while `i < high`.
    Next {
        i: Num,
        high: Num,
        to: u32,
    },
    /// A jump back that counts as a step.
    Again {
        to: u32,
    },
    Len {
        d: Num,
        a: Obj,
    },
    IndexR {
        d: Num,
        a: Obj,
        i: Num,
    },
    IndexI {
        d: Num,
        a: Obj,
        i: Num,
    },
    IndexB {
        d: Num,
        a: Obj,
        i: Num,
    },
    IndexV {
        d: Obj,
        a: Obj,
        i: Num,
    },
    /// Row of a matrix.
    IndexM {
        d: Obj,
        a: Obj,
        i: Num,
    },
    Index2 {
        d: Num,
        a: Obj,
        i: Num,
        j: Num,
    },
    /// An empty array with room for `n` elements.
    NewArray {
        d: Obj,
        n: Num,
        kind: ArrayKind,
    },
    /// Appends to an array that nobody else holds.
    AppendR {
        a: Obj,
        x: Num,
    },
    AppendI {
        a: Obj,
        x: Num,
    },
    AppendB {
        a: Obj,
        x: Num,
    },
    AppendV {
        a: Obj,
        x: Obj,
    },
    /// `a[i] := x`, copying the array first if somebody else holds it.
    SetR {
        a: Obj,
        i: Num,
        x: Num,
    },
    SetI {
        a: Obj,
        i: Num,
        x: Num,
    },
    SetV {
        a: Obj,
        i: Num,
        x: Obj,
    },
    /// A field of a tuple or record.
    FieldN {
        d: Num,
        a: Obj,
        k: u16,
    },
    FieldO {
        d: Obj,
        a: Obj,
        k: u16,
    },
    /// A field of a variant value.
    PayloadN {
        d: Num,
        a: Obj,
        k: u16,
    },
    PayloadO {
        d: Obj,
        a: Obj,
        k: u16,
    },
    Tag {
        d: Num,
        a: Obj,
    },
    /// Jumps by [`FuncCode::switches`].
    Switch {
        a: Num,
        table: u32,
    },
    Make {
        make: u32,
    },
    General {
        general: u32,
    },
    Native {
        native: u32,
    },
    Lift {
        lift: u32,
    },
    Call {
        call: u32,
    },
    CallClosure {
        call: u32,
    },
    /// A member of a distribution held as a value.
    Member {
        member: u32,
    },
    Sample {
        sample: u32,
    },
    /// Adds the number to the log weight.
    Score {
        a: Num,
        score: u32,
    },
    Host {
        host: u32,
    },
    ReturnN {
        a: Num,
    },
    ReturnO {
        a: Obj,
    },
    ReturnUnit,
}

/// The code of one function.
#[derive(Clone, Debug)]
pub struct FuncCode {
    pub name: Name,
    pub user: bool,
    /// It draws and weighs in turn along a chain of states: a particle filter suits it.
    pub sequential: bool,
    pub span: Span,
    pub code: Vec<Instr>,
    /// The place of each instruction.
    pub spans: Vec<Span>,
    /// Registers of each bank.
    pub num_size: u16,
    pub obj_size: u16,
    /// Where the parameters and the captured variables go, in order.
    pub params: Vec<Slot>,
    pub captures: Vec<Slot>,
    pub result: Slot,
    pub result_type: Type,
    /// The types of the parameters.
    pub param_types: Vec<Type>,
    /// Number registers that hold constants.
    pub number_constants: Vec<(Num, u64)>,
    pub constants: Vec<Value>,
    pub makes: Vec<Make>,
    pub generals: Vec<General>,
    pub natives: Vec<Native>,
    pub lifts: Vec<LiftCall>,
    pub calls: Vec<Call>,
    pub members: Vec<MemberCall>,
    pub samples: Vec<Sample>,
    pub scores: Vec<Score>,
    pub hosts: Vec<HostCall>,
    pub switches: Vec<Vec<u32>>,
    pub updates: Vec<Update>,
}

/// Arguments of a call, sorted into banks in the order of the parameters.
#[derive(Clone, Debug, Default)]
pub struct Args {
    pub nums: Vec<Num>,
    pub objs: Vec<Obj>,
}

/// Registers that are read after a pause; constants are not listed.
#[derive(Clone, Debug, Default)]
pub struct Live {
    pub nums: Vec<Num>,
    pub objs: Vec<Obj>,
}

/// A call of a known function, or (with `callee`) of a function value.
#[derive(Clone, Debug)]
pub struct Call {
    pub func: u32,
    pub callee: Obj,
    pub args: Args,
    pub d: Slot,
    /// Random calls: the site and the loop indices that name the call.
    pub site: Option<u32>,
    pub path: Vec<Slot>,
    pub live: Live,
}

/// A call of a member of a distribution held as a value.
#[derive(Clone, Debug)]
pub struct MemberCall {
    pub member: Name,
    pub dist: Obj,
    pub args: Vec<Slot>,
    pub d: Slot,
    pub live: Live,
}

/// A distribution at a place that draws.
#[derive(Clone, Debug)]
pub enum DistArg {
    Known { dist: u32, args: Args },
    Value(Obj),
}

/// A place that draws.
#[derive(Clone, Debug)]
pub struct Sample {
    pub site: u32,
    pub dist: DistArg,
    pub path: Vec<Slot>,
    pub d: Slot,
    pub live: Live,
}

/// A place that weighs.
#[derive(Clone, Debug)]
pub struct Score {
    pub site: u32,
    pub path: Vec<Slot>,
    pub live: Live,
}

/// A call of a function of the host.
#[derive(Clone, Debug)]
pub struct HostCall {
    pub name: Name,
    pub args: Vec<Slot>,
    pub d: Slot,
    pub result: Type,
    /// The site that names the choices made within.
    pub live: Live,
}

/// What a `Make` makes.
#[derive(Clone, Debug)]
pub struct Make {
    pub kind: MakeKind,
    pub parts: Vec<Slot>,
    pub d: Obj,
}

/// Kinds of `Make`.
#[derive(Clone, Copy, Debug)]
pub enum MakeKind {
    Tuple,
    Record(&'static [Name]),
    Variant(Name, u32),
    Closure(u32),
    Dist(Name, u32),
    Array(ArrayKind),
}

/// An operation on whole values.
#[derive(Clone, Debug)]
pub struct General {
    pub kind: GeneralKind,
    pub args: Vec<Slot>,
    pub d: Slot,
}

impl General {
    /// Whether it does more than to compute a value: it prints.
    pub fn has_effect(&self) -> bool {
        matches!(self.kind, GeneralKind::Op(Op::Print))
    }
}

/// Kinds of operation on whole values.
#[derive(Clone, Debug)]
pub enum GeneralKind {
    Op(Op),
    /// The type of what is filled.
    Fill(ArrayKind),
    /// `update` of [`FuncCode::updates`].
    Update(u32),
}

/// A path into a variable.
#[derive(Clone, Debug)]
pub struct Update {
    pub root: Obj,
    pub steps: Vec<UpdateStep>,
    pub value: Slot,
}

/// A step of an update.
#[derive(Clone, Copy, Debug)]
pub enum UpdateStep {
    Index(Num),
    Index2(Num, Num),
    Field(u32),
}

/// A call of a primitive.
#[derive(Clone, Debug)]
pub struct Native {
    pub name: Name,
    pub body: Body,
    pub args: Vec<Slot>,
    pub d: Slot,
    /// How an empty array result is held: a primitive cannot tell.
    pub empty: ArrayKind,
}

/// A scalar operation over arrays.
#[derive(Clone, Debug)]
pub struct LiftCall {
    pub callee: LiftCallee,
    pub args: Vec<Slot>,
    pub d: Obj,
    /// Of the elements of the result.
    pub element: Type,
}

/// What is applied to each element.
#[derive(Clone, Debug)]
pub enum LiftCallee {
    Op(Op),
    Prim(Name, Body),
}

/// The members of a distribution.
#[derive(Clone, Debug)]
pub struct DistCode {
    pub name: Name,
    pub logp: u32,
    pub sample: Option<u32>,
    pub support: Option<u32>,
    pub check: Option<u32>,
    pub members: Vec<(Name, u32)>,
    pub params: Vec<Name>,
    pub value: Type,
    pub lifted: bool,
}

/// What is known of a site at run time.
#[derive(Clone, Debug)]
pub struct SiteCode {
    pub name: Name,
    pub named: bool,
    pub kind: SiteKind,
    pub span: Span,
    pub ty: Type,
    pub forward_only: bool,
}

/// A compiled program.
#[derive(Clone, Debug)]
pub struct Code {
    pub funcs: Vec<FuncCode>,
    pub dists: Vec<DistCode>,
    pub sites: Vec<SiteCode>,
    pub entry: u32,
    /// The program that this is the code of.
    pub program: Arc<Program>,
    /// The functions as the interpreter runs them.
    pub text: Text,
    /// The same program with choices delayed, if there are any to delay: functions and sites have the same numbers.
    pub delayed: Option<Arc<Code>>,
}

/// The register of the number that comes at place `k` of those that a function has: some of the window are never given out.
pub fn nth_number(k: usize) -> usize {
    if k < SCRATCH.start as usize { k } else { k + SCRATCH.len() }
}
