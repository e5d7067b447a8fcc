//! Straight-line programs on numbers, of which machine code is made.

use super::super::code::*;
use std::collections::HashMap;

/// What is done with numbers.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Kernel(Kernel),
    /// The larger, or the second operand where it is no number.
    MaxNan,
    MinNan,
}

#[derive(Clone, Copy, Debug)]
pub enum Node {
    /// The bits of a number.
    Number(u64),
    Load(Source),
    /// An element that is so many further on at each step of a loop.
    Step(Source, usize),
    /// What a loop carries.
    State(u32),
    Op(Act, [u32; 3]),
}

/// Nodes, operands first, and which of them are stored where.
#[derive(Debug, Default)]
pub struct Tape {
    pub nodes: Vec<Node>,
    pub stores: Vec<(usize, u32)>,
    numbers: HashMap<u64, u32>,
}

impl Tape {
    pub fn push(&mut self, node: Node) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    pub fn number(&mut self, x: f64) -> u32 {
        if let Some(node) = self.numbers.get(&x.to_bits()) {
            return *node;
        }
        let node = self.push(Node::Number(x.to_bits()));
        self.numbers.insert(x.to_bits(), node);
        node
    }

    fn is(&self, node: u32, x: f64) -> bool {
        matches!(self.nodes[node as usize], Node::Number(bits) if bits == x.to_bits())
    }

    /// An operation; a product with 1 is its other factor.
    pub fn op(&mut self, act: Act, args: [u32; 3]) -> u32 {
        match act {
            Act::Kernel(Kernel::Copy) => args[0],
            Act::Kernel(Kernel::Mul) if self.is(args[0], 1.0) => args[1],
            Act::Kernel(Kernel::Mul | Kernel::Div) if self.is(args[1], 1.0) => args[0],
            _ => self.push(Node::Op(act, args)),
        }
    }

    pub fn two(&mut self, kernel: Kernel, a: u32, b: u32) -> u32 {
        self.op(Act::Kernel(kernel), [a, b, b])
    }

    /// How many operations there are.
    pub fn work(&self) -> usize {
        self.nodes.iter().filter(|n| matches!(n, Node::Op(..))).count()
    }
}

/// How many of an operation's operands count.
pub fn operands(act: Act) -> usize {
    match act {
        Act::MaxNan | Act::MinNan => 2,
        Act::Kernel(kernel) => match kernel {
            Kernel::Select | Kernel::MulAdd | Kernel::Three(_) => 3,
            Kernel::Add
            | Kernel::Sub
            | Kernel::Mul
            | Kernel::Div
            | Kernel::Max
            | Kernel::Min
            | Kernel::Lt
            | Kernel::Le
            | Kernel::Eq
            | Kernel::And
            | Kernel::Or
            | Kernel::Mask
            | Kernel::Two(_) => 2,
            Kernel::Neg
            | Kernel::Abs
            | Kernel::Sqrt
            | Kernel::Exp
            | Kernel::Expm1
            | Kernel::Log
            | Kernel::Log1p
            | Kernel::Tanh
            | Kernel::Not
            | Kernel::Copy
            | Kernel::One(_) => 1,
        },
    }
}

/// A loop: the nodes of one step, and the nodes of the next states.
#[derive(Debug)]
pub struct Loop<'a> {
    pub scan: &'a ScanCode,
    pub tape: Tape,
    pub next: Vec<u32>,
}

/// The step of a scan.
pub fn of_scan(scan: &ScanCode) -> Loop<'_> {
    let mut tape = Tape::default();
    let zero = tape.number(0.0);
    let mut slots = vec![zero; scan.slots];
    for (slot, x) in &scan.constants {
        slots[*slot as usize] = tape.number(*x);
    }
    for (slot, source) in &scan.once {
        slots[*slot as usize] = tape.push(Node::Load(*source));
    }
    for (k, state) in scan.states.iter().enumerate() {
        slots[state.slot as usize] = tape.push(Node::State(k as u32));
    }
    for (slot, source, step) in &scan.loads {
        slots[*slot as usize] = tape.push(Node::Step(*source, *step));
    }
    for op in &scan.ops {
        slots[op.to as usize] = tape.op(Act::Kernel(op.kernel), op.args.map(|a| slots[a as usize]));
    }
    let next = scan.states.iter().map(|state| slots[state.next as usize]).collect();
    Loop { scan, tape, next }
}

/// Positions over which a nest is unrolled, at most.
const MOST_POSITIONS: usize = 32;
/// Operations that an instruction may become, at most.
const MOST_WORK: usize = 2_000;

/// Whether an instruction is small enough to become operations on numbers.
pub fn is_small(instr: &Instr) -> bool {
    match instr {
        Instr::Scalars(ops) => ops.len() <= MOST_WORK,
        Instr::Nest(nest) => {
            let positions = nest.outer.iter().product::<usize>().saturating_mul(nest.inner);
            let set: usize = nest.clear.iter().map(|(_, count, _)| *count).sum();
            let parts = nest.ops.len() + nest.stores.len() + 2 * nest.sinks.len();
            positions <= MOST_POSITIONS && set <= MOST_POSITIONS && positions * parts <= MOST_WORK
        }
        Instr::Clear(_, count) => *count <= MOST_POSITIONS,
        Instr::Move(m) => m.count <= MOST_POSITIONS,
        Instr::Product(p) => p.rows.saturating_mul(p.cols) <= MOST_POSITIONS,
        Instr::Scan(_) | Instr::Ode { .. } | Instr::Whole { .. } => false,
    }
}

/// Makes a tape of instructions one after the other.
pub struct Straight<'a> {
    code: &'a Code,
    /// Numbers that memory holds from the start.
    fixed: &'a HashMap<usize, f64>,
    tape: Tape,
    places: HashMap<usize, u32>,
    written: Vec<usize>,
}

/// Operands of a block, as the executor has them.
enum Each {
    Each(Vec<u32>),
    Same(u32),
}

impl Each {
    fn at(&self, k: usize) -> u32 {
        match self {
            Each::Each(x) => x[k],
            Each::Same(x) => *x,
        }
    }
}

impl<'a> Straight<'a> {
    pub fn new(code: &'a Code, fixed: &'a HashMap<usize, f64>) -> Straight<'a> {
        Straight { code, fixed, tape: Tape::default(), places: HashMap::new(), written: Vec::new() }
    }

    /// The tape, which stores all that it writes.
    pub fn finish(mut self) -> Tape {
        let mut written = std::mem::take(&mut self.written);
        written.sort_unstable();
        written.dedup();
        self.tape.stores = written.into_iter().map(|place| (place, self.places[&place])).collect();
        self.tape
    }

    pub fn work(&self) -> usize {
        self.tape.nodes.len()
    }

    fn read(&mut self, place: usize) -> u32 {
        if let Some(node) = self.places.get(&place) {
            return *node;
        }
        let node = match self.fixed.get(&place) {
            Some(x) => self.tape.number(*x),
            None => self.tape.push(Node::Load(Source { base: Base::Memory, start: place })),
        };
        self.places.insert(place, node);
        node
    }

    fn write(&mut self, place: usize, node: u32) {
        self.places.insert(place, node);
        self.written.push(place);
    }

    fn element(&mut self, source: Source, offset: usize) -> u32 {
        match source.base {
            Base::Memory => self.read(source.start + offset),
            Base::Constant(c) => self.tape.number(self.code.constants[c as usize][source.start + offset]),
        }
    }

    /// Adds a small instruction.
    pub fn add(&mut self, instr: &Instr) {
        match instr {
            Instr::Scalars(ops) => {
                for op in ops {
                    let act = Act::Kernel(op.kernel);
                    let mut args = [0; 3];
                    for (arg, place) in args.iter_mut().zip(op.args).take(operands(act)) {
                        *arg = self.read(place as usize);
                    }
                    let node = self.tape.op(act, args);
                    self.write(op.to as usize, node);
                }
            }
            Instr::Nest(nest) => self.nest(nest),
            Instr::Clear(start, count) => {
                let zero = self.tape.number(0.0);
                (*start..start + count).for_each(|place| self.write(place, zero));
            }
            Instr::Move(m) => {
                let place = |p: &Places, k: usize| match p {
                    Places::Steps(start, step) => start + k * step,
                    Places::Table(table) => table[k] as usize,
                };
                for k in 0..m.count {
                    let mut x = self.element(m.source, place(&m.from, k));
                    let to = m.to + place(&m.at, k);
                    if m.add {
                        let before = self.read(to);
                        x = self.tape.two(Kernel::Add, before, x);
                    }
                    self.write(to, x);
                }
            }
            Instr::Product(p) => self.product(p),
            Instr::Scan(_) | Instr::Ode { .. } | Instr::Whole { .. } => {}
        }
    }

    fn operand(&mut self, nest: &Nest, x: Operand, registers: &[Vec<u32>], index: &[usize]) -> Each {
        match x {
            Operand::Register(r) => Each::Each(registers[r as usize].clone()),
            Operand::Array(k) => {
                let walk = &nest.arrays[k as usize];
                let place: usize = walk.strides.iter().zip(index).map(|(s, i)| s * i).sum();
                if walk.inner {
                    Each::Each((0..nest.inner).map(|i| self.element(walk.source, place + i)).collect())
                } else {
                    Each::Same(self.element(walk.source, place))
                }
            }
        }
    }

    /// What the executor does with a nest of one block, operation for operation.
    fn nest(&mut self, nest: &Nest) {
        for (start, count, value) in &nest.clear {
            let value = self.tape.number(*value);
            (*start..start + count).for_each(|place| self.write(place, value));
        }
        if nest.inner == 0 {
            return;
        }
        let mut registers: Vec<Vec<u32>> = vec![Vec::new(); nest.registers + 1];
        let mut index = vec![0usize; nest.outer.len()];
        for _ in 0..nest.outer.iter().product::<usize>() {
            for op in &nest.ops {
                let count = op.count as usize;
                let args: Vec<Each> =
                    op.args[..count].iter().map(|x| self.operand(nest, *x, &registers, &index)).collect();
                let act = Act::Kernel(op.kernel);
                let one = |tape: &mut Tape, k: usize| {
                    let mut operands = [0; 3];
                    operands.iter_mut().zip(&args).for_each(|(to, x)| *to = x.at(k));
                    tape.op(act, operands)
                };
                let all_same = args.iter().all(|x| matches!(x, Each::Same(_)));
                registers[op.to as usize] = if all_same {
                    vec![one(&mut self.tape, 0); nest.inner]
                } else {
                    (0..nest.inner).map(|k| one(&mut self.tape, k)).collect()
                };
            }
            let offset = |strides: &[usize]| -> usize { strides.iter().zip(&index).map(|(s, i)| s * i).sum() };
            for sink in &nest.sinks {
                let place = sink.to + offset(&sink.strides);
                let a = self.operand(nest, sink.a, &registers, &index);
                let b = sink.b.map(|b| self.operand(nest, b, &registers, &index));
                self.sink(sink, place, nest.inner, &a, b.as_ref());
            }
            for (register, to, strides) in &nest.stores {
                let place = to + offset(strides);
                for (k, node) in registers[*register as usize].iter().enumerate() {
                    self.write(place + k, *node);
                }
            }
            for k in (0..index.len()).rev() {
                index[k] += 1;
                if index[k] < nest.outer[k] {
                    break;
                }
                index[k] = 0;
            }
        }
    }

    fn sink(&mut self, sink: &Sink, place: usize, n: usize, a: &Each, b: Option<&Each>) {
        let act = match sink.kind {
            SinkKind::Sum => Act::Kernel(Kernel::Add),
            SinkKind::Max => Act::MaxNan,
            SinkKind::Min => Act::MinNan,
            SinkKind::Prod => Act::Kernel(Kernel::Mul),
        };
        if sink.inner {
            for k in 0..n {
                let before = self.read(place + k);
                let x = match (sink.kind, b) {
                    (SinkKind::Sum, Some(b)) => self.tape.two(Kernel::Mul, a.at(k), b.at(k)),
                    _ => a.at(k),
                };
                let node = self.tape.op(act, [before, x, x]);
                self.write(place + k, node);
            }
            return;
        }
        let before = self.read(place);
        let node = match (sink.kind, a, b) {
            (SinkKind::Sum, Each::Each(a), Some(Each::Each(b))) => {
                let sum = self.dot(a, b);
                self.tape.two(Kernel::Add, before, sum)
            }
            (SinkKind::Sum, Each::Each(a), Some(Each::Same(b)))
            | (SinkKind::Sum, Each::Same(b), Some(Each::Each(a))) => {
                let sum = self.sum(a);
                let product = self.tape.two(Kernel::Mul, sum, *b);
                self.tape.two(Kernel::Add, before, product)
            }
            (SinkKind::Sum, Each::Each(a), None) => {
                let sum = self.sum(a);
                self.tape.two(Kernel::Add, before, sum)
            }
            (SinkKind::Sum, Each::Same(a), b) => {
                let product = match b {
                    Some(b) => self.tape.two(Kernel::Mul, *a, b.at(0)),
                    None => *a,
                };
                let count = self.tape.number(n as f64);
                let product = self.tape.two(Kernel::Mul, product, count);
                self.tape.two(Kernel::Add, before, product)
            }
            (SinkKind::Max | SinkKind::Min, Each::Same(a), _) => self.tape.op(act, [before, *a, *a]),
            (_, a, _) => (0..n).fold(before, |m, k| self.tape.op(act, [m, a.at(k), a.at(k)])),
        };
        self.write(place, node);
    }

    /// The executor's sum of a block.
    fn sum(&mut self, a: &[u32]) -> u32 {
        let rest = a.chunks_exact(8).remainder();
        let minus = self.tape.number(-0.0);
        let rest = match rest {
            [] => minus,
            [first, others @ ..] => others.iter().fold(*first, |sum, x| self.tape.two(Kernel::Add, sum, *x)),
        };
        let start = self.tape.number(0.0);
        let mut parts = [start; 8];
        for chunk in a.chunks_exact(8) {
            for (part, x) in parts.iter_mut().zip(chunk) {
                *part = self.tape.two(Kernel::Add, *part, *x);
            }
        }
        self.join(parts, rest)
    }

    fn dot(&mut self, a: &[u32], b: &[u32]) -> u32 {
        let start = self.tape.number(0.0);
        let whole = a.len() / 8 * 8;
        let mut rest = start;
        for (x, y) in a[whole..].iter().zip(&b[whole..]) {
            let product = self.tape.two(Kernel::Mul, *x, *y);
            rest = self.tape.two(Kernel::Add, rest, product);
        }
        let mut parts = [start; 8];
        for (k, (x, y)) in a[..whole].iter().zip(&b[..whole]).enumerate() {
            let product = self.tape.two(Kernel::Mul, *x, *y);
            parts[k % 8] = self.tape.two(Kernel::Add, parts[k % 8], product);
        }
        self.join(parts, rest)
    }

    fn join(&mut self, p: [u32; 8], rest: u32) -> u32 {
        // Without a chunk of eight the parts are all zero, and so is their sum.
        let sum = if p.iter().all(|x| self.tape.is(*x, 0.0)) {
            p[0]
        } else {
            let mut add = |a: u32, b: u32| self.tape.two(Kernel::Add, a, b);
            let (a, b, c, d) = (add(p[0], p[4]), add(p[2], p[6]), add(p[1], p[5]), add(p[3], p[7]));
            let (even, odd) = (add(a, b), add(c, d));
            add(even, odd)
        };
        if self.tape.is(rest, -0.0) { sum } else { self.tape.two(Kernel::Add, sum, rest) }
    }

    fn product(&mut self, p: &Product) {
        let m: Vec<u32> = (0..p.rows * p.cols).map(|k| self.element(p.matrix, k)).collect();
        let count = if p.down { p.rows } else { p.cols };
        let x: Vec<u32> = (0..count).map(|k| self.element(p.vector, k)).collect();
        if !p.down {
            for r in 0..p.rows {
                let sum = self.dot(&m[r * p.cols..(r + 1) * p.cols], &x);
                self.write(p.to + r, sum);
            }
            return;
        }
        for k in 0..p.cols {
            let mut sum = self.tape.number(0.0);
            let term = |tape: &mut Tape, r: usize| tape.two(Kernel::Mul, m[r * p.cols + k], x[r]);
            let mut r = 0;
            while r + 4 <= p.rows {
                let [a, b, c, d] = [0, 1, 2, 3].map(|i| term(&mut self.tape, r + i));
                let (left, right) = (self.tape.two(Kernel::Add, a, b), self.tape.two(Kernel::Add, c, d));
                let four = self.tape.two(Kernel::Add, left, right);
                sum = self.tape.two(Kernel::Add, sum, four);
                r += 4;
            }
            while r < p.rows {
                let one = term(&mut self.tape, r);
                sum = self.tape.two(Kernel::Add, sum, one);
                r += 1;
            }
            self.write(p.to + k, sum);
        }
    }
}
