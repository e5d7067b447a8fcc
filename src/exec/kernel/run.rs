//! The executor of the kernel engine. Its inner loops are compiled thrice, plainly, for AVX2 and for AVX-512, and give the same bits.

use super::code::*;
use super::native::{self, Native};
use super::plan::MOST_LOOPS;
use super::vector as v;
use super::{constrain, forward, linear, ode};
use crate::exec::kernel::graph::Op;
use std::sync::Arc;

/// Elements in a block: registers of this size stay in the fastest cache.
const BLOCK: usize = 256;

/// Memory to run code in.
#[derive(Debug)]
pub struct Executor {
    code: Arc<Code>,
    pub memory: Vec<f64>,
    registers: Vec<Vec<f64>>,
    slots: Vec<f64>,
    work: Vec<f64>,
    odes: Vec<ode::Solver>,
    /// Runs to go before machine code is asked for.
    wait: u32,
    width: Width,
}

/// The instructions that the executor's code is compiled for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// What every processor has for which the crate is compiled.
    Portable,
    Avx2,
    Avx512,
}

impl Width {
    /// Whether the processor has these instructions.
    pub fn is_there(self) -> bool {
        match self {
            Width::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Width::Avx2 => std::arch::is_x86_feature_detected!("avx2"),
            #[cfg(target_arch = "x86_64")]
            Width::Avx512 => {
                use std::arch::is_x86_feature_detected as has;
                has!("avx2") && has!("avx512f") && has!("avx512dq") && has!("avx512vl")
            }
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    fn widest() -> Width {
        let wide = [Width::Avx512, Width::Avx2].into_iter().find(|width| width.is_there());
        wide.unwrap_or(Width::Portable)
    }
}

impl Executor {
    /// Memory for code, with its constants in place.
    pub fn new(code: &Arc<Code>) -> Executor {
        let mut memory = vec![0.0; code.memory];
        for (place, x) in &code.numbers {
            memory[*place] = *x;
        }
        let slots = code
            .instrs
            .iter()
            .map(|i| if let Instr::Scan(s) = i { s.slots + 3 * MOST_TOGETHER } else { 0 })
            .max()
            .unwrap_or(0);
        Executor {
            code: Arc::clone(code),
            memory,
            registers: vec![vec![0.0; BLOCK]; code.registers + 1],
            slots: vec![0.0; slots],
            work: Vec::new(),
            odes: code.odes.iter().map(|ode| ode::Solver::new(&ode.code)).collect(),
            wait: native::runs_before(code),
            width: Width::widest(),
        }
    }

    /// An executor that uses these instructions, which the processor must have.
    #[cfg(test)]
    pub fn with_width(code: &Arc<Code>, width: Width) -> Executor {
        assert!(width.is_there());
        Executor { width, ..Executor::new(code) }
    }

    /// Computes the roots at a vector.
    pub fn run(&mut self, x: &[f64]) {
        self.memory[..x.len()].copy_from_slice(x);
        let code = Arc::clone(&self.code);
        let native = if self.wait == 0 { code.native() } else { None };
        self.wait = self.wait.saturating_sub(1);
        let code = &code;
        let room = Room {
            memory: &mut self.memory,
            registers: &mut self.registers,
            slots: &mut self.slots,
            work: &mut self.work,
            odes: &mut self.odes,
        };
        match self.width {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a width is used only where `Width::is_there` found its instructions.
            #[allow(unsafe_code)]
            Width::Avx2 => unsafe { run_avx2(code, native, room) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: likewise.
            #[allow(unsafe_code)]
            Width::Avx512 => unsafe { run_avx512(code, native, room) },
            _ => run_all(Width::Portable, code, native, room),
        }
    }

    /// The number at a root without axes.
    pub fn root(&self, k: usize) -> f64 {
        self.slice(k, 1)[0]
    }

    /// The numbers at a root.
    pub fn slice(&self, k: usize, count: usize) -> &[f64] {
        let source = self.code.roots[k];
        match source.base {
            Base::Memory => &self.memory[source.start..source.start + count],
            Base::Constant(c) => &self.code.constants[c as usize][source.start..source.start + count],
        }
    }
}

/// The memory of an executor, for a run.
struct Room<'r> {
    memory: &'r mut [f64],
    registers: &'r mut [Vec<f64>],
    slots: &'r mut [f64],
    work: &'r mut Vec<f64>,
    odes: &'r mut [ode::Solver],
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(code: &Code, native: Option<&Native>, room: Room<'_>) {
    run_all(Width::Avx2, code, native, room);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,avx512f,avx512dq,avx512vl")]
fn run_avx512(code: &Code, native: Option<&Native>, room: Room<'_>) {
    run_all(Width::Avx512, code, native, room);
}

#[inline(always)]
fn run_all(width: Width, code: &Code, native: Option<&Native>, room: Room<'_>) {
    let Room { memory, registers, slots, work, odes } = room;
    let mut at = 0;
    while let Some(instr) = code.instrs.get(at) {
        let done = native.map_or(0, |native| native.run(at, memory));
        if done > 0 {
            at += done;
            continue;
        }
        at += 1;
        match instr {
            Instr::Scalars(ops) => scalars(ops, memory),
            Instr::Nest(nest) => run_nest(nest, &code.constants, memory, registers),
            Instr::Clear(start, count) => memory[*start..start + count].fill(0.0),
            Instr::Move(m) => run_move(m, &code.constants, memory),
            Instr::Product(p) => product(p, &code.constants, memory),
            Instr::Scan(scan) => run_scan(scan, &code.constants, memory, slots),
            Instr::Ode { number, args, axes, to, with_parts } => {
                let (before, after) = memory.split_at_mut(*to);
                let arrays: Vec<(&[super::axis::Axis], &[f64])> = args
                    .iter()
                    .map(|(axes, source)| (&axes[..], slice(*source, super::axis::size(axes), &code.constants, before)))
                    .collect();
                let job = ode::Job { ode: &code.odes[*number], args: &arrays, axes, with_parts: *with_parts };
                ode::run(&job, &mut odes[*number], &mut after[..super::axis::size(axes)]);
            }
            Instr::Whole { op, args, axes, to } => {
                let (before, after) = memory.split_at_mut(*to);
                let mut arrays: [(&[super::axis::Axis], &[f64]); 3] = [(&[], &[]); 3];
                for (to, (axes, source)) in arrays.iter_mut().zip(args) {
                    let n = super::axis::size(axes);
                    *to = (axes, slice(*source, n, &code.constants, before));
                }
                let out = &mut after[..super::axis::size(axes)];
                match op {
                    Op::Linear(l) => linear::run(width, l, &arrays[..args.len()], axes, out, work),
                    Op::Forward(_) | Op::ForwardBack(_) => {
                        forward::run(width, op, &arrays[..args.len()], axes, out, work);
                    }
                    op => constrain::run(op, &arrays[..args.len()], axes, out, work),
                }
            }
        }
    }
}

#[inline(always)]
fn slice<'a>(source: Source, count: usize, constants: &'a [Arc<Vec<f64>>], memory: &'a [f64]) -> &'a [f64] {
    match source.base {
        Base::Memory => &memory[source.start..source.start + count],
        Base::Constant(c) => &constants[c as usize][source.start..source.start + count],
    }
}

#[inline(always)]
fn truth(b: bool) -> f64 {
    if b { 1.0 } else { 0.0 }
}

#[inline(always)]
fn max(a: f64, b: f64) -> f64 {
    // As `f64::max`, without a branch: the other operand where one is no number.
    let larger = if a > b { a } else { b };
    if b.is_nan() { a } else { larger }
}

#[inline(always)]
fn min(a: f64, b: f64) -> f64 {
    let smaller = if a < b { a } else { b };
    if b.is_nan() { a } else { smaller }
}

#[inline(always)]
pub(super) fn one(kernel: Kernel, a: f64, b: f64, c: f64) -> f64 {
    match kernel {
        Kernel::Add => a + b,
        Kernel::Sub => a - b,
        Kernel::Mul => a * b,
        Kernel::Div => a / b,
        Kernel::Neg => -a,
        Kernel::Abs => a.abs(),
        Kernel::Sqrt => a.sqrt(),
        Kernel::Exp => v::exp(a),
        Kernel::Expm1 => v::expm1(a),
        Kernel::Log => v::log(a),
        Kernel::Log1p => v::log1p(a),
        Kernel::Tanh => v::tanh(a),
        Kernel::Max => max(a, b),
        Kernel::Min => min(a, b),
        Kernel::Lt => truth(a < b),
        Kernel::Le => truth(a <= b),
        Kernel::Eq => truth(a == b),
        Kernel::Not => truth(a == 0.0),
        Kernel::And => truth(a != 0.0 && b != 0.0),
        Kernel::Or => truth(a != 0.0 || b != 0.0),
        Kernel::Select => v::select(a, b, c),
        Kernel::Mask => {
            if a == 0.0 {
                0.0
            } else {
                a * b
            }
        }
        Kernel::MulAdd => a * b + c,
        Kernel::Copy => a,
        Kernel::One(f) => f(a),
        Kernel::Two(f) => f(a, b),
        Kernel::Three(f) => f(a, b, c),
    }
}

#[inline(always)]
fn scalars(ops: &[ScalarOp], memory: &mut [f64]) {
    for op in ops {
        let [a, b, c] = op.args;
        memory[op.to as usize] = one(op.kernel, memory[a as usize], memory[b as usize], memory[c as usize]);
    }
}

/// An operand of one block.
#[derive(Clone, Copy)]
enum Arg<'a> {
    Each(&'a [f64]),
    Same(f64),
}

#[inline(always)]
fn map1(to: &mut [f64], a: Arg<'_>, f: impl Fn(f64) -> f64) {
    match a {
        // A loop, not `for_each`, so that all of it becomes part of the wide code.
        Arg::Each(a) => {
            for (to, a) in to.iter_mut().zip(a) {
                *to = f(*a);
            }
        }
        Arg::Same(a) => to.fill(f(a)),
    }
}

#[inline(always)]
fn map2(to: &mut [f64], a: Arg<'_>, b: Arg<'_>, f: impl Fn(f64, f64) -> f64) {
    match (a, b) {
        (Arg::Each(a), Arg::Each(b)) => {
            for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                *to = f(*a, *b);
            }
        }
        (Arg::Each(a), Arg::Same(b)) => {
            for (to, a) in to.iter_mut().zip(a) {
                *to = f(*a, b);
            }
        }
        (Arg::Same(a), Arg::Each(b)) => {
            for (to, b) in to.iter_mut().zip(b) {
                *to = f(a, *b);
            }
        }
        (Arg::Same(a), Arg::Same(b)) => to.fill(f(a, b)),
    }
}

#[inline(always)]
fn at(a: Arg<'_>, k: usize) -> f64 {
    match a {
        Arg::Each(a) => a[k],
        Arg::Same(a) => a,
    }
}

#[inline(always)]
fn select(to: &mut [f64], c: Arg<'_>, a: Arg<'_>, b: Arg<'_>) {
    match (c, a, b) {
        (Arg::Each(c), Arg::Each(a), Arg::Each(b)) => {
            for (((to, c), a), b) in to.iter_mut().zip(c).zip(a).zip(b) {
                *to = v::select(*c, *a, *b);
            }
        }
        (Arg::Each(_), Arg::Same(a), Arg::Each(_)) => map2(to, c, b, |c, b| v::select(c, a, b)),
        (Arg::Each(_), Arg::Each(_), Arg::Same(b)) => map2(to, c, a, |c, a| v::select(c, a, b)),
        (Arg::Each(_), Arg::Same(a), Arg::Same(b)) => map1(to, c, |c| v::select(c, a, b)),
        (Arg::Same(c), a, b) => map1(to, if c != 0.0 { a } else { b }, |x| x),
    }
}

#[inline(always)]
fn block(kernel: Kernel, to: &mut [f64], a: Arg<'_>, b: Arg<'_>, c: Arg<'_>) {
    match kernel {
        Kernel::Add => map2(to, a, b, |a, b| a + b),
        Kernel::Sub => map2(to, a, b, |a, b| a - b),
        Kernel::Mul => map2(to, a, b, |a, b| a * b),
        Kernel::Div => map2(to, a, b, |a, b| a / b),
        Kernel::Neg => map1(to, a, |a| -a),
        Kernel::Abs => map1(to, a, f64::abs),
        Kernel::Sqrt => map1(to, a, f64::sqrt),
        Kernel::Exp => map1(to, a, v::exp),
        Kernel::Expm1 => map1(to, a, v::expm1),
        Kernel::Log => map1(to, a, v::log),
        Kernel::Log1p => map1(to, a, v::log1p),
        Kernel::Tanh => map1(to, a, v::tanh),
        Kernel::Max => map2(to, a, b, max),
        Kernel::Min => map2(to, a, b, min),
        Kernel::Lt => map2(to, a, b, |a, b| truth(a < b)),
        Kernel::Le => map2(to, a, b, |a, b| truth(a <= b)),
        Kernel::Eq => map2(to, a, b, |a, b| truth(a == b)),
        Kernel::Not => map1(to, a, |a| truth(a == 0.0)),
        Kernel::And => map2(to, a, b, |a, b| truth((a != 0.0) & (b != 0.0))),
        Kernel::Or => map2(to, a, b, |a, b| truth((a != 0.0) | (b != 0.0))),
        Kernel::Select => select(to, a, b, c),
        Kernel::Mask => map2(to, a, b, |a, b| if a == 0.0 { 0.0 } else { a * b }),
        Kernel::MulAdd => {
            for (k, to) in to.iter_mut().enumerate() {
                *to = at(a, k) * at(b, k) + at(c, k);
            }
        }
        Kernel::Copy => map1(to, a, |a| a),
        Kernel::One(f) => map1(to, a, f),
        Kernel::Two(f) => map2(to, a, b, f),
        Kernel::Three(f) => {
            for (k, to) in to.iter_mut().enumerate() {
                *to = f(at(a, k), at(b, k), at(c, k));
            }
        }
    }
}

/// The sum of a block, in eight partial sums.
#[inline(always)]
fn sum(a: &[f64]) -> f64 {
    let mut parts = [0.0; 8];
    let chunks = a.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        for k in 0..8 {
            parts[k] += chunk[k];
        }
    }
    join(parts) + rest
}

/// The sum of products, in eight partial sums.
#[inline(always)]
pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut parts = [0.0; 8];
    let n = a.len().min(b.len());
    let (xs, ys) = (a[..n].chunks_exact(8), b[..n].chunks_exact(8));
    let mut rest = 0.0;
    for (x, y) in xs.remainder().iter().zip(ys.remainder()) {
        rest += x * y;
    }
    for (x, y) in xs.zip(ys) {
        for k in 0..8 {
            parts[k] += x[k] * y[k];
        }
    }
    join(parts) + rest
}

/// Four times [`dot`] with one vector, in step, so that the processor need not wait for a sum.
#[inline(always)]
fn dot4(rows: [&[f64]; 4], x: &[f64]) -> [f64; 4] {
    let whole = x.len() / 8 * 8;
    let [a, b, c, d] = rows.map(|row| row[..whole].chunks_exact(8));
    let mut parts = [[0.0; 8]; 4];
    for ((((x, a), b), c), d) in x[..whole].chunks_exact(8).zip(a).zip(b).zip(c).zip(d) {
        for k in 0..8 {
            parts[0][k] += a[k] * x[k];
            parts[1][k] += b[k] * x[k];
            parts[2][k] += c[k] * x[k];
            parts[3][k] += d[k] * x[k];
        }
    }
    let mut out = [0.0; 4];
    for ((out, parts), row) in out.iter_mut().zip(parts).zip(rows) {
        let mut rest = 0.0;
        for (a, x) in row[whole..].iter().zip(&x[whole..]) {
            rest += a * x;
        }
        *out = join(parts) + rest;
    }
    out
}

#[inline(always)]
fn join(p: [f64; 8]) -> f64 {
    ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]))
}

#[inline(always)]
fn run_nest(nest: &Nest, constants: &[Arc<Vec<f64>>], memory: &mut [f64], registers: &mut [Vec<f64>]) {
    let (before, after) = memory.split_at_mut(nest.first);
    let first = nest.first;
    for (start, count, value) in &nest.clear {
        after[start - first..start - first + count].fill(*value);
    }
    let outer = &nest.outer;
    let mut index = [0usize; MOST_LOOPS];
    let total: usize = outer.iter().product();
    for _ in 0..total {
        let offset = |strides: &[usize]| -> usize { strides.iter().zip(&index).map(|(s, i)| s * i).sum() };
        let mut start = 0;
        while start < nest.inner {
            let n = BLOCK.min(nest.inner - start);
            {
                for op in &nest.ops {
                    let mut to = std::mem::take(&mut registers[op.to as usize]);
                    let mut args = [Arg::Same(0.0); 3];
                    for (k, x) in op.args.iter().take(op.count as usize).enumerate() {
                        args[k] = operand(nest, *x, registers, constants, before, &index, start, n);
                    }
                    block(op.kernel, &mut to[..n], args[0], args[1], args[2]);
                    registers[op.to as usize] = to;
                }
                for sink in &nest.sinks {
                    let place = sink.to - first + offset(&sink.strides);
                    let a = operand(nest, sink.a, registers, constants, before, &index, start, n);
                    let b = sink.b.map(|b| operand(nest, b, registers, constants, before, &index, start, n));
                    if sink.inner {
                        let to = &mut after[place + start..place + start + n];
                        match (sink.kind, b) {
                            (SinkKind::Sum, Some(b)) => match (a, b) {
                                (Arg::Each(a), Arg::Each(b)) => {
                                    for ((to, a), b) in to.iter_mut().zip(a).zip(b) {
                                        *to += a * b;
                                    }
                                }
                                (Arg::Each(x), Arg::Same(y)) | (Arg::Same(y), Arg::Each(x)) => {
                                    accumulate(to, Arg::Each(x), |to, x| to + x * y);
                                }
                                (Arg::Same(a), Arg::Same(b)) => accumulate(to, Arg::Same(a * b), |x, y| x + y),
                            },
                            (SinkKind::Sum, None) => accumulate(to, a, |x, y| x + y),
                            (SinkKind::Max, _) => accumulate(to, a, max_nan),
                            (SinkKind::Min, _) => accumulate(to, a, min_nan),
                            (SinkKind::Prod, _) => accumulate(to, a, |x, y| x * y),
                        }
                    } else {
                        let to = &mut after[place];
                        match (sink.kind, a, b) {
                            (SinkKind::Sum, Arg::Each(a), Some(Arg::Each(b))) => *to += dot(a, b),
                            (SinkKind::Sum, Arg::Each(a), Some(Arg::Same(b)))
                            | (SinkKind::Sum, Arg::Same(b), Some(Arg::Each(a))) => *to += sum(a) * b,
                            (SinkKind::Sum, Arg::Same(a), Some(Arg::Same(b))) => *to += a * b * n as f64,
                            (SinkKind::Sum, Arg::Each(a), None) => *to += sum(a),
                            (SinkKind::Sum, Arg::Same(a), None) => *to += a * n as f64,
                            (SinkKind::Max, Arg::Each(a), _) => *to = a.iter().fold(*to, |m, x| max_nan(m, *x)),
                            (SinkKind::Min, Arg::Each(a), _) => *to = a.iter().fold(*to, |m, x| min_nan(m, *x)),
                            (SinkKind::Prod, Arg::Each(a), _) => *to = a.iter().fold(*to, |m, x| m * x),
                            (SinkKind::Max, Arg::Same(a), _) => *to = max_nan(*to, a),
                            (SinkKind::Min, Arg::Same(a), _) => *to = min_nan(*to, a),
                            (SinkKind::Prod, Arg::Same(a), _) => {
                                for _ in 0..n {
                                    *to *= a;
                                }
                            }
                        }
                    }
                }
            }
            for (register, to, strides) in &nest.stores {
                let place = to - first + offset(strides) + start;
                after[place..place + n].copy_from_slice(&registers[*register as usize][..n]);
            }
            start += n;
        }
        for k in (0..outer.len()).rev() {
            index[k] += 1;
            if index[k] < outer[k] {
                break;
            }
            index[k] = 0;
        }
    }
}

/// An operand of a block of `n` elements from `start` on, at a position of the outer loops.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn operand<'a>(
    nest: &'a Nest,
    x: Operand,
    registers: &'a [Vec<f64>],
    constants: &'a [Arc<Vec<f64>>],
    before: &'a [f64],
    index: &[usize; MOST_LOOPS],
    start: usize,
    n: usize,
) -> Arg<'a> {
    match x {
        Operand::Register(r) => Arg::Each(&registers[r as usize][..n]),
        Operand::Array(k) => {
            let walk = &nest.arrays[k as usize];
            let base = match walk.source.base {
                Base::Memory => &before[walk.source.start..],
                Base::Constant(c) => &constants[c as usize][walk.source.start..],
            };
            let place: usize = walk.strides.iter().zip(index).map(|(s, i)| s * i).sum();
            if walk.inner { Arg::Each(&base[place + start..place + start + n]) } else { Arg::Same(base[place]) }
        }
    }
}

#[inline(always)]
fn accumulate(to: &mut [f64], a: Arg<'_>, f: impl Fn(f64, f64) -> f64) {
    match a {
        Arg::Each(a) => {
            for (to, a) in to.iter_mut().zip(a) {
                *to = f(*to, *a);
            }
        }
        Arg::Same(a) => {
            for to in to {
                *to = f(*to, a);
            }
        }
    }
}

#[inline(always)]
fn max_nan(m: f64, x: f64) -> f64 {
    let larger = if x > m { x } else { m };
    if x.is_nan() { x } else { larger }
}

#[inline(always)]
fn min_nan(m: f64, x: f64) -> f64 {
    let smaller = if x < m { x } else { m };
    if x.is_nan() { x } else { smaller }
}

#[inline(always)]
fn run_move(m: &Move, constants: &[Arc<Vec<f64>>], memory: &mut [f64]) {
    let (before, after) = memory.split_at_mut(m.to);
    let from = match m.source.base {
        Base::Memory => &before[m.source.start..],
        Base::Constant(c) => &constants[c as usize][m.source.start..],
    };
    match (&m.from, &m.at, m.add) {
        (Places::Steps(a, 1), Places::Steps(b, 1), false) => {
            after[*b..b + m.count].copy_from_slice(&from[*a..a + m.count]);
        }
        (Places::Table(table), Places::Steps(b, 1), false) => {
            for (to, k) in after[*b..b + m.count].iter_mut().zip(table.iter()) {
                *to = from[*k as usize];
            }
        }
        (Places::Steps(a, 1), Places::Table(table), true) => {
            for (x, k) in from[*a..a + m.count].iter().zip(table.iter()) {
                after[*k as usize] += x;
            }
        }
        (source, target, add) => {
            let place = |p: &Places, k: usize| match p {
                Places::Steps(start, step) => start + k * step,
                Places::Table(table) => table[k] as usize,
            };
            for k in 0..m.count {
                let x = from[place(source, k)];
                let to = &mut after[place(target, k)];
                if add {
                    *to += x;
                } else {
                    *to = x;
                }
            }
        }
    }
}

#[inline(always)]
fn product(p: &Product, constants: &[Arc<Vec<f64>>], memory: &mut [f64]) {
    let (before, after) = memory.split_at_mut(p.to);
    let m = slice(p.matrix, p.rows * p.cols, constants, before);
    let x = slice(p.vector, if p.down { p.rows } else { p.cols }, constants, before);
    let cols = p.cols;
    if p.down {
        let to = &mut after[..cols];
        let mut start = 0;
        // Columns in blocks that stay in cache, rows four at a time.
        while start < cols {
            let n = (4 * BLOCK).min(cols - start);
            let out = &mut to[start..start + n];
            out.fill(0.0);
            let row = |r: usize| &m[r * cols + start..r * cols + start + n];
            let mut r = 0;
            while r + 4 <= p.rows {
                let (a, b, c, d) = (row(r), row(r + 1), row(r + 2), row(r + 3));
                let (w, x, y, z) = (x[r], x[r + 1], x[r + 2], x[r + 3]);
                for k in 0..n {
                    out[k] += (a[k] * w + b[k] * x) + (c[k] * y + d[k] * z);
                }
                r += 4;
            }
            while r < p.rows {
                let (a, w) = (row(r), x[r]);
                for k in 0..n {
                    out[k] += a[k] * w;
                }
                r += 1;
            }
            start += n;
        }
    } else {
        let to = &mut after[..p.rows];
        let row = |r: usize| &m[r * cols..(r + 1) * cols];
        let mut r = 0;
        while r + 4 <= p.rows {
            to[r..r + 4].copy_from_slice(&dot4([row(r), row(r + 1), row(r + 2), row(r + 3)], x));
            r += 4;
        }
        while r < p.rows {
            to[r] = dot(row(r), x);
            r += 1;
        }
    }
}

/// Operations of one kind on several numbers of a step.
#[inline(always)]
fn lanes(group: &Group, places: &[u32], slots: &mut [f64]) {
    let n = group.count as usize;
    let (before, after) = slots.split_at_mut(group.to as usize);
    let (to, rest) = after.split_at_mut(n);
    // The last slots are for operands from here and there.
    let start = rest.len() - 3 * MOST_TOGETHER;
    let gathered = &mut rest[start..];
    for (arg, to) in group.args.iter().zip(gathered.chunks_exact_mut(MOST_TOGETHER)) {
        if let Lane::Places(start) = arg {
            let places = &places[*start as usize..*start as usize + n];
            for (to, place) in to[..n].iter_mut().zip(places) {
                *to = before[*place as usize];
            }
        }
    }
    let gathered = &*gathered;
    let [a, b, c] = [0, 1, 2].map(|k| match group.args[k] {
        Lane::Same(x) => Arg::Same(before[x as usize]),
        Lane::Row(start) => Arg::Each(&before[start as usize..start as usize + n]),
        Lane::Places(_) => Arg::Each(&gathered[k * MOST_TOGETHER..k * MOST_TOGETHER + n]),
    });
    block(group.kernel, to, a, b, c);
}

#[inline(always)]
fn run_scan(scan: &ScanCode, constants: &[Arc<Vec<f64>>], memory: &mut [f64], slots: &mut [f64]) {
    let read = |memory: &[f64], source: Source, offset: usize| match source.base {
        Base::Memory => memory[source.start + offset],
        Base::Constant(c) => constants[c as usize][source.start + offset],
    };
    for (slot, x) in &scan.constants {
        slots[*slot as usize] = *x;
    }
    for (slot, source) in &scan.once {
        slots[*slot as usize] = read(memory, *source, 0);
    }
    for state in &scan.states {
        slots[state.slot as usize] = read(memory, state.first, 0);
    }
    for k in 0..scan.steps {
        let t = if scan.reversed { scan.steps - 1 - k } else { k };
        for state in &scan.states {
            memory[state.kept + t * state.kept_step] = slots[state.slot as usize];
        }
        for (slot, source, step) in &scan.loads {
            slots[*slot as usize] = read(memory, *source, t * step);
        }
        for work in &scan.work {
            match work {
                Work::One(op) => {
                    let [a, b, c] = op.args;
                    slots[op.to as usize] = one(op.kernel, slots[a as usize], slots[b as usize], slots[c as usize]);
                }
                Work::Many(group) => lanes(group, &scan.places, slots),
            }
        }
        if scan.apart {
            for state in &scan.states {
                slots[state.slot as usize] = slots[state.next as usize];
            }
            continue;
        }
        // All next values are known before any state changes.
        for state in &scan.states {
            memory[state.last] = slots[state.next as usize];
        }
        for state in &scan.states {
            slots[state.slot as usize] = memory[state.last];
        }
    }
    for state in &scan.states {
        memory[state.last] = slots[state.slot as usize];
    }
}
