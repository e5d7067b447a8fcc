//! Machine code of tapes, by Cranelift.

use super::super::code::*;
use super::maths::Pairs;
use super::tape::{Act, Loop, Node, Tape, operands};
use cranelift_codegen::ir::condcodes::FloatCC;
use cranelift_codegen::ir::{AbiParam, BlockArg, Function, InstBuilder, MemFlagsData, SigRef, Signature, Value, types};
use cranelift_codegen::isa::{CallConv, TargetFrontendConfig};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use std::collections::HashMap;
use std::sync::Arc;

/// What code refers to by address: it must stay where it is as long as the code may run.
#[derive(Clone, Copy)]
pub struct Surroundings<'a> {
    pub constants: &'a [Arc<Vec<f64>>],
    /// Functions that have no code of their own here.
    pub kernels: &'a [Kernel],
    /// The function that applies one of them: its place, three operands.
    pub apply: usize,
    pub config: TargetFrontendConfig,
}

/// Writes one function of the address of memory.
struct Writer<'a, 'b> {
    builder: FunctionBuilder<'b>,
    around: Surroundings<'a>,
    memory: Value,
    values: Vec<Option<Value>>,
    /// Truths that are known as masks.
    masks: HashMap<u32, Value>,
    apply: Option<SigRef>,
    /// The next of the kernels that are called.
    called: usize,
}

/// What all generated functions take.
pub fn signature(convention: CallConv) -> Signature {
    let mut signature = Signature::new(convention);
    signature.params.push(AbiParam::new(types::I64));
    signature
}

/// The functions of a tape that have no code of their own here, in the order in which they are called.
pub fn called(tape: &Tape) -> Vec<Kernel> {
    order(tape)
        .into_iter()
        .filter_map(|node| match tape.nodes[node as usize] {
            Node::Op(Act::Kernel(kernel @ (Kernel::One(_) | Kernel::Two(_) | Kernel::Three(_))), _) => Some(kernel),
            _ => None,
        })
        .collect()
}

/// Whether an operation is long, so that two of a kind are better done together.
fn is_long(node: Node) -> bool {
    let Node::Op(Act::Kernel(kernel), _) = node else { return false };
    matches!(kernel, Kernel::Exp | Kernel::Expm1 | Kernel::Log | Kernel::Log1p | Kernel::Tanh)
}

/// Operations in an order in which long ones stand together that may be done together.
fn order(tape: &Tape) -> Vec<u32> {
    let mut keys: Vec<(u32, bool, u32)> = Vec::with_capacity(tape.nodes.len());
    for (k, node) in tape.nodes.iter().enumerate() {
        let mut level = 0;
        if let Node::Op(act, args) = node {
            for arg in &args[..operands(*act)] {
                let (own, long, _) = keys[*arg as usize];
                level = level.max(own + u32::from(long));
            }
        }
        keys.push((level, is_long(*node), k as u32));
    }
    keys.sort_unstable();
    keys.into_iter().map(|(_, _, k)| k).collect()
}

/// Code of instructions one after the other.
pub fn straight(
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    around: Surroundings<'_>,
    first: usize,
    tape: &Tape,
) {
    let mut writer = Writer::new(function, context, around, first, tape);
    writer.body(tape, &|_, _| None);
    for (place, node) in &tape.stores {
        let x = writer.value(tape, *node);
        writer.store(writer.memory, *place, x);
    }
    writer.builder.ins().return_(&[]);
    writer.finish();
}

/// Code of a loop.
pub fn scan(
    function: &mut Function,
    context: &mut FunctionBuilderContext,
    around: Surroundings<'_>,
    first: usize,
    own: &Loop<'_>,
) {
    let (scan, tape) = (own.scan, &own.tape);
    let mut writer = Writer::new(function, context, around, first, tape);
    let last_step = scan.steps.saturating_sub(1) as i64;
    let (from, by) = if scan.reversed { (last_step, -1) } else { (0, 1) };
    let mut args: Vec<BlockArg> = Vec::new();
    args.push(writer.builder.ins().iconst(types::I64, from).into());
    args.push(writer.builder.ins().iconst(types::I64, scan.steps as i64).into());
    for state in &scan.states {
        args.push(writer.load(state.first).into());
    }
    let (head, body, exit) =
        (writer.builder.create_block(), writer.builder.create_block(), writer.builder.create_block());
    writer.builder.append_block_param(head, types::I64);
    writer.builder.append_block_param(head, types::I64);
    for _ in &scan.states {
        writer.builder.append_block_param(head, types::F64);
    }
    writer.builder.ins().jump(head, &args);
    writer.builder.switch_to_block(head);
    let params = writer.builder.block_params(head).to_vec();
    let (t, left, states) = (params[0], params[1], &params[2..]);
    writer.builder.ins().brif(left, body, &[], exit, &[]);
    writer.builder.switch_to_block(body);
    // The memory at the step, for each distance between steps.
    let mut along: HashMap<usize, Value> = HashMap::new();
    let steps = scan.loads.iter().map(|(_, _, step)| *step).chain(scan.states.iter().map(|s| s.kept_step));
    for step in steps {
        if step != 0 && !along.contains_key(&step) {
            let bytes = writer.builder.ins().imul_imm_s(t, step as i64 * 8);
            along.insert(step, bytes);
        }
    }
    let mut bases: HashMap<(Option<u32>, usize), Value> = HashMap::new();
    for (source, step) in
        tape.nodes.iter().filter_map(|n| if let Node::Step(source, step) = n { Some((*source, *step)) } else { None })
    {
        bases.entry((constant(source), step)).or_insert_with(|| {
            let base = writer.base(source.base);
            along.get(&step).map_or(base, |bytes| writer.builder.ins().iadd(base, *bytes))
        });
    }
    for (state, x) in scan.states.iter().zip(states) {
        let base = match along.get(&state.kept_step) {
            Some(bytes) => *bases
                .entry((None, state.kept_step))
                .or_insert_with(|| writer.builder.ins().iadd(writer.memory, *bytes)),
            None => writer.memory,
        };
        writer.store(base, state.kept, *x);
    }
    let states = states.to_vec();
    writer.body(tape, &|writer, node| match node {
        Node::Step(source, step) => Some(writer.load_at(bases[&(constant(source), step)], source.start)),
        Node::State(k) => Some(states[k as usize]),
        _ => None,
    });
    let mut args: Vec<BlockArg> = Vec::new();
    args.push(writer.builder.ins().iadd_imm_s(t, by).into());
    args.push(writer.builder.ins().iadd_imm_s(left, -1).into());
    for node in &own.next {
        args.push(writer.value(tape, *node).into());
    }
    writer.builder.ins().jump(head, &args);
    writer.builder.switch_to_block(exit);
    for (state, x) in scan.states.iter().zip(&states) {
        writer.store(writer.memory, state.last, *x);
    }
    writer.builder.ins().return_(&[]);
    writer.finish();
}

fn constant(source: Source) -> Option<u32> {
    match source.base {
        Base::Memory => None,
        Base::Constant(c) => Some(c),
    }
}

/// Displacements up to this many bytes are part of an instruction.
const FARTHEST: usize = 1 << 30;

impl<'a, 'b> Writer<'a, 'b> {
    fn new(
        function: &'b mut Function,
        context: &'b mut FunctionBuilderContext,
        around: Surroundings<'a>,
        first: usize,
        tape: &Tape,
    ) -> Writer<'a, 'b> {
        let mut builder = FunctionBuilder::new(function, context);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        let memory = builder.block_params(entry)[0];
        let values = vec![None; tape.nodes.len()];
        Writer { builder, around, memory, values, masks: HashMap::new(), apply: None, called: first }
    }

    fn finish(mut self) {
        self.builder.seal_all_blocks();
        self.builder.finalize(self.around.config);
    }

    fn base(&mut self, base: Base) -> Value {
        match base {
            Base::Memory => self.memory,
            Base::Constant(c) => {
                let address = self.around.constants[c as usize].as_ptr().expose_provenance();
                self.builder.ins().iconst(types::I64, address as i64)
            }
        }
    }

    /// A base and a displacement, the sum of which is the address of an element.
    fn address(&mut self, base: Value, place: usize) -> (Value, i32) {
        let bytes = place * 8;
        if bytes < FARTHEST { (base, bytes as i32) } else { (self.builder.ins().iadd_imm_s(base, bytes as i64), 0) }
    }

    fn load_at(&mut self, base: Value, place: usize) -> Value {
        let (base, offset) = self.address(base, place);
        self.builder.ins().load(types::F64, MemFlagsData::trusted(), base, offset)
    }

    fn load(&mut self, source: Source) -> Value {
        let base = self.base(source.base);
        self.load_at(base, source.start)
    }

    fn store(&mut self, base: Value, place: usize, x: Value) {
        let (base, offset) = self.address(base, place);
        self.builder.ins().store(MemFlagsData::trusted(), x, base, offset);
    }

    fn pairs(&mut self) -> Pairs<'_, 'b> {
        Pairs { builder: &mut self.builder }
    }

    /// The value of a node that is known, or that can be had anywhere.
    fn value(&mut self, tape: &Tape, node: u32) -> Value {
        if let Some(x) = self.values[node as usize] {
            return x;
        }
        let x = match tape.nodes[node as usize] {
            Node::Number(bits) => self.builder.ins().f64const(f64::from_bits(bits)),
            Node::Load(source) => self.load(source),
            Node::Step(..) | Node::State(_) | Node::Op(..) => unreachable!("operands come first"),
        };
        self.values[node as usize] = Some(x);
        x
    }

    fn mask(&mut self, tape: &Tape, node: u32) -> Value {
        if let Some(mask) = self.masks.get(&node) {
            return *mask;
        }
        let x = self.value(tape, node);
        let zero = self.builder.ins().f64const(0.0);
        let mut pairs = self.pairs();
        let (x, zero) = (pairs.pair(x), pairs.pair(zero));
        let mask = pairs.compare(FloatCC::NotEqual, x, zero);
        self.masks.insert(node, mask);
        mask
    }

    /// All operations of a tape; `other` gives the values of what only a loop has.
    fn body(&mut self, tape: &Tape, other: &dyn Fn(&mut Self, Node) -> Option<Value>) {
        let order = order(tape);
        let mut at = 0;
        while at < order.len() {
            let id = order[at];
            let node = tape.nodes[id as usize];
            match node {
                Node::Op(Act::Kernel(kernel), _) if is_long(node) => {
                    let count = order[at..].iter().take_while(|id| is_long(tape.nodes[**id as usize])).count();
                    let mut groups: Vec<(Kernel, Vec<u32>)> = vec![(kernel, Vec::new())];
                    for id in &order[at..at + count] {
                        let Node::Op(Act::Kernel(kernel), _) = tape.nodes[*id as usize] else { continue };
                        let same = |k: &Kernel| std::mem::discriminant(k) == std::mem::discriminant(&kernel);
                        match groups.iter_mut().find(|(k, _)| same(k)) {
                            Some((_, group)) => group.push(*id),
                            None => groups.push((kernel, vec![*id])),
                        }
                    }
                    for (kernel, group) in groups {
                        for ids in group.chunks(2) {
                            self.long(tape, kernel, ids);
                        }
                    }
                    at += count;
                    continue;
                }
                Node::Op(act, args) => {
                    let x = self.operation(tape, id, act, args);
                    self.values[id as usize] = Some(x);
                }
                Node::Number(_) | Node::Load(_) => {}
                Node::Step(..) | Node::State(_) => self.values[id as usize] = other(self, node),
            }
            at += 1;
        }
    }

    /// One or two long operations of a kind.
    fn long(&mut self, tape: &Tape, kernel: Kernel, ids: &[u32]) {
        let args: Vec<Value> = ids
            .iter()
            .map(|id| match tape.nodes[*id as usize] {
                Node::Op(_, args) => self.value(tape, args[0]),
                _ => unreachable!("a long operation is an operation"),
            })
            .collect();
        let both = match args[..] {
            [a, b] => {
                let pair = self.pairs().pair(a);
                self.builder.ins().insertlane(pair, b, 1)
            }
            _ => self.builder.ins().splat(types::F64X2, args[0]),
        };
        let mut pairs = self.pairs();
        let result = match kernel {
            Kernel::Exp => pairs.exp(both),
            Kernel::Expm1 => pairs.expm1(both),
            Kernel::Log => pairs.log(both),
            Kernel::Log1p => pairs.log1p(both),
            _ => pairs.tanh(both),
        };
        for (k, id) in ids.iter().enumerate() {
            self.values[*id as usize] = Some(self.builder.ins().extractlane(result, k as u8));
        }
    }

    fn truth(&mut self, id: u32, mask: Value) -> Value {
        self.masks.insert(id, mask);
        let mut pairs = self.pairs();
        let x = pairs.truth(mask);
        pairs.first(x)
    }

    fn compared(&mut self, id: u32, how: FloatCC, a: Value, b: Value) -> Value {
        let mut pairs = self.pairs();
        let (a, b) = (pairs.pair(a), pairs.pair(b));
        let mask = pairs.compare(how, a, b);
        self.truth(id, mask)
    }

    /// `if a is less (or greater) than b { a } else { b }`, and `a` where `b` is no number.
    fn extreme(&mut self, most: bool, a: Value, b: Value, b_is_number: bool) -> Value {
        let mut pairs = self.pairs();
        let (a, b) = (pairs.pair(a), pairs.pair(b));
        let better = if most { pairs.compare(FloatCC::LessThan, b, a) } else { pairs.compare(FloatCC::LessThan, a, b) };
        let mut x = pairs.pick(better, a, b);
        if !b_is_number {
            let none = pairs.compare(FloatCC::Unordered, b, b);
            x = pairs.pick(none, a, x);
        }
        pairs.first(x)
    }

    fn operation(&mut self, tape: &Tape, id: u32, act: Act, args: [u32; 3]) -> Value {
        let kernel = match act {
            Act::Kernel(kernel) => kernel,
            Act::MaxNan | Act::MinNan => {
                // The second where it is more, or no number.
                let (m, x) = (self.value(tape, args[0]), self.value(tape, args[1]));
                let mut pairs = self.pairs();
                let (m, x) = (pairs.pair(m), pairs.pair(x));
                let (a, b) = if matches!(act, Act::MaxNan) { (m, x) } else { (x, m) };
                let better = pairs.compare(FloatCC::LessThan, a, b);
                let y = pairs.pick(better, x, m);
                let none = pairs.compare(FloatCC::Unordered, x, x);
                let y = pairs.pick(none, x, y);
                return pairs.first(y);
            }
        };
        let count = operands(act);
        let a = self.value(tape, args[0]);
        let b = if count > 1 { self.value(tape, args[1]) } else { a };
        let is_number = |node: u32| matches!(tape.nodes[node as usize], Node::Number(x) if !f64::from_bits(x).is_nan());
        match kernel {
            Kernel::Add => self.builder.ins().fadd(a, b),
            Kernel::Sub => self.builder.ins().fsub(a, b),
            Kernel::Mul => self.builder.ins().fmul(a, b),
            Kernel::Div => self.builder.ins().fdiv(a, b),
            Kernel::Neg => self.builder.ins().fneg(a),
            Kernel::Abs => self.builder.ins().fabs(a),
            Kernel::Sqrt => self.builder.ins().sqrt(a),
            Kernel::Copy => a,
            Kernel::Max => self.extreme(true, a, b, is_number(args[1])),
            Kernel::Min => self.extreme(false, a, b, is_number(args[1])),
            Kernel::Lt => self.compared(id, FloatCC::LessThan, a, b),
            Kernel::Le => self.compared(id, FloatCC::LessThanOrEqual, a, b),
            Kernel::Eq => self.compared(id, FloatCC::Equal, a, b),
            Kernel::Not => {
                let mask = self.mask(tape, args[0]);
                let mask = self.builder.ins().bnot(mask);
                self.truth(id, mask)
            }
            Kernel::And | Kernel::Or => {
                let (a, b) = (self.mask(tape, args[0]), self.mask(tape, args[1]));
                let mask = if matches!(kernel, Kernel::And) {
                    self.builder.ins().band(a, b)
                } else {
                    self.builder.ins().bor(a, b)
                };
                self.truth(id, mask)
            }
            Kernel::Select => {
                let mask = self.mask(tape, args[0]);
                let c = self.value(tape, args[2]);
                let mut pairs = self.pairs();
                let (x, y) = (pairs.pair(b), pairs.pair(c));
                let x = pairs.pick(mask, x, y);
                pairs.first(x)
            }
            Kernel::Mask => {
                let mask = self.mask(tape, args[0]);
                let product = self.builder.ins().fmul(a, b);
                let mut pairs = self.pairs();
                let product = pairs.pair(product);
                let x = pairs.keep(mask, product);
                pairs.first(x)
            }
            Kernel::MulAdd => {
                let c = self.value(tape, args[2]);
                let product = self.builder.ins().fmul(a, b);
                self.builder.ins().fadd(product, c)
            }
            Kernel::Exp | Kernel::Expm1 | Kernel::Log | Kernel::Log1p | Kernel::Tanh => {
                unreachable!("long operations are done together")
            }
            Kernel::One(_) | Kernel::Two(_) | Kernel::Three(_) => {
                let c = if count > 2 { self.value(tape, args[2]) } else { a };
                self.call(a, b, c)
            }
        }
    }

    fn call(&mut self, a: Value, b: Value, c: Value) -> Value {
        let convention = self.around.config.default_call_conv;
        let signature = *self.apply.get_or_insert_with(|| {
            let mut signature = Signature::new(convention);
            signature.params.push(AbiParam::new(types::I64));
            signature.params.extend([AbiParam::new(types::F64); 3]);
            signature.returns.push(AbiParam::new(types::F64));
            self.builder.import_signature(signature)
        });
        let kernel: *const Kernel = &self.around.kernels[self.called];
        self.called += 1;
        let kernel = self.builder.ins().iconst(types::I64, kernel.expose_provenance() as i64);
        let apply = self.builder.ins().iconst(types::I64, self.around.apply as i64);
        let call = self.builder.ins().call_indirect(signature, apply, &[kernel, a, b, c]);
        self.builder.inst_results(call)[0]
    }
}
