//! From a graph to code: an order, memory, nests of elementwise operations, scans.

mod scan;
mod single;

use super::axis::{self, Axes, Axis};
use super::code::*;
use super::derive::complete_order;
use super::graph::{F, Graph, Id, Op, Reduction};
use super::lower::lower;
use crate::exec::machine::scalar;
use crate::prim::Body;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Scans of one program, those of its derivative included.
const MOST_SCANS: usize = 100;
/// Loops around the inner one of a nest.
pub const MOST_LOOPS: usize = 8;

/// Makes code that computes roots. The coordinates of the vector are the first `dim` numbers of memory.
pub fn compile(graph: &mut Graph, roots: &[Id], dim: usize) -> Result<Code, String> {
    let roots = lower(graph, roots);
    let order = complete_order(graph, &roots);
    let graph = &*graph;
    let mut plan = Plan {
        graph,
        code: Code { memory: dim, ..Code::default() },
        place: HashMap::new(),
        constants: HashMap::new(),
        numbers: HashMap::new(),
        bodies: HashMap::new(),
        inside: HashSet::new(),
    };
    plan.scans(&order, &roots)?;
    plan.emit(&order, &roots)?;
    let places = roots.iter().map(|id| plan.source(*id)).collect::<Result<Vec<_>, _>>()?;
    plan.code.roots = places;
    plan.code.shapes = roots.iter().map(|id| graph.axes(*id).to_vec()).collect();
    Ok(plan.code)
}

/// The code of an elementwise function.
pub fn kernel(f: F) -> Result<Kernel, String> {
    Ok(match f {
        F::Add => Kernel::Add,
        F::Sub => Kernel::Sub,
        F::Mul => Kernel::Mul,
        F::Div => Kernel::Div,
        F::Neg => Kernel::Neg,
        F::Pow => Kernel::Two(scalar::power),
        F::Rem => Kernel::Two(scalar::remainder),
        F::Lt => Kernel::Lt,
        F::Le => Kernel::Le,
        F::Eq => Kernel::Eq,
        F::Not => Kernel::Not,
        F::And => Kernel::And,
        F::Or => Kernel::Or,
        F::Select => Kernel::Select,
        F::Mask => Kernel::Mask,
        F::Detach => Kernel::Copy,
        F::Prim(row) => {
            let row = crate::prim::row(row as usize).ok_or("an unknown primitive")?;
            match (row.name(), row.body) {
                ("exp", _) => Kernel::Exp,
                ("expm1", _) => Kernel::Expm1,
                ("log", _) => Kernel::Log,
                ("log1p", _) => Kernel::Log1p,
                ("tanh", _) => Kernel::Tanh,
                ("sqrt", _) => Kernel::Sqrt,
                ("abs", Body::Real1(_)) => Kernel::Abs,
                ("max", Body::Real2(_)) => Kernel::Max,
                ("min", Body::Real2(_)) => Kernel::Min,
                (_, Body::Real1(f)) => Kernel::One(f),
                (_, Body::Real2(f)) => Kernel::Two(f),
                (_, Body::Real3(f)) => Kernel::Three(f),
                (name, _) => return Err(format!("`{name}` of a number that depends on a choice")),
            }
        }
    })
}

/// The steps of a scan.
struct Steps {
    /// Nodes that depend on the states and that the next states need, operands first.
    nodes: Vec<Id>,
    /// What these need besides.
    outside: Vec<Id>,
}

struct Plan<'a> {
    graph: &'a Graph,
    code: Code,
    place: HashMap<Id, Source>,
    constants: HashMap<usize, u32>,
    numbers: HashMap<u64, usize>,
    bodies: HashMap<u32, Steps>,
    /// Nodes that only steps of scans need.
    inside: HashSet<Id>,
}

impl Plan<'_> {
    /// Finds the bodies of scans, and what is needed outside them.
    fn scans(&mut self, order: &[Id], roots: &[Id]) -> Result<(), String> {
        let graph = self.graph;
        let mut numbers: Vec<u32> = Vec::new();
        for id in order {
            if let Op::State(scan, _) = graph.node(*id).op
                && !numbers.contains(&scan)
            {
                numbers.push(scan);
            }
        }
        if numbers.len() > MOST_SCANS {
            return Err("too many loops of which each step needs the one before".into());
        }
        // Which nodes depend on the states of each scan.
        let place: HashMap<Id, usize> = order.iter().enumerate().map(|(k, id)| (*id, k)).collect();
        for number in &numbers {
            let scan = &graph.scans[*number as usize];
            // A loop that needs the states of this one, and that this one needs, is within its steps.
            let within: HashMap<u32, bool> = numbers
                .iter()
                .filter(|other| *other != number)
                .map(|other| {
                    let o = &graph.scans[*other as usize];
                    let any = o.first.iter().chain(&o.next).any(|id| graph.reached(*id, &scan.states).contains(&true));
                    (*other, any)
                })
                .collect();
            let mut depends = vec![false; order.len()];
            for (k, id) in order.iter().enumerate() {
                let node = graph.node(*id);
                depends[k] = match node.op {
                    Op::State(s, _) | Op::Last(s, _) => s == *number || within.get(&s).copied().unwrap_or(false),
                    _ => node.args.iter().any(|a| place.get(a).is_some_and(|p| depends[*p])),
                };
            }
            let mut needed = vec![false; order.len()];
            let mut queue: Vec<Id> = scan.next.clone();
            let mut outside = Vec::new();
            let mut nodes = Vec::new();
            while let Some(id) = queue.pop() {
                let Some(at) = place.get(&id).copied() else {
                    if !outside.contains(&id) {
                        outside.push(id);
                    }
                    continue;
                };
                if std::mem::replace(&mut needed[at], true) {
                    continue;
                }
                if depends[at] {
                    nodes.push(at);
                    queue.extend(&graph.node(id).args);
                } else {
                    outside.push(id);
                }
            }
            nodes.sort_unstable();
            let nodes = nodes.into_iter().map(|at| order[at]).collect();
            self.bodies.insert(*number, Steps { nodes, outside });
        }
        // What is needed besides the steps of scans.
        let mut wanted: HashSet<Id> = HashSet::new();
        let mut queue: Vec<Id> = roots.to_vec();
        while let Some(id) = queue.pop() {
            if !wanted.insert(id) {
                continue;
            }
            match graph.node(id).op {
                Op::State(scan, _) | Op::Last(scan, _) => {
                    queue.extend(&graph.scans[scan as usize].first);
                    queue.extend(&graph.scans[scan as usize].states);
                    if let Some(body) = self.bodies.get(&scan) {
                        queue.extend(&body.outside);
                    }
                }
                _ => queue.extend(&graph.node(id).args),
            }
        }
        self.inside = order.iter().copied().filter(|id| !wanted.contains(id)).collect();
        Ok(())
    }

    /// Stages: what is computed in one has all it needs from those before, or from its own nest.
    fn stages(&self, order: &[Id]) -> HashMap<Id, usize> {
        let graph = self.graph;
        let mut stage: HashMap<Id, usize> = HashMap::new();
        let mut scan_stage: HashMap<u32, usize> = HashMap::new();
        // The order puts what a scan's steps need after its states: visit by need instead.
        let mut stack: Vec<(Id, bool)> = order.iter().rev().map(|id| (*id, false)).collect();
        let mut seen: HashSet<Id> = HashSet::new();
        while let Some((id, leave)) = stack.pop() {
            if stage.contains_key(&id) || self.inside.contains(&id) {
                continue;
            }
            let node = graph.node(id);
            let scan = match node.op {
                Op::State(scan, _) | Op::Last(scan, _) => Some(scan),
                _ => None,
            };
            let needs: Vec<Id> = match scan {
                Some(scan) => {
                    let mut needs = graph.scans[scan as usize].first.clone();
                    needs.extend(&self.bodies[&scan].outside);
                    needs
                }
                None => node.args.clone(),
            };
            if !leave {
                if !seen.insert(id) {
                    continue;
                }
                stack.push((id, true));
                stack.extend(needs.iter().filter(|n| !stage.contains_key(n)).map(|n| (*n, false)));
                continue;
            }
            if let Some(scan) = scan {
                let at = *scan_stage
                    .entry(scan)
                    .or_insert_with(|| needs.iter().map(|n| stage.get(n).copied().unwrap_or(0) + 1).max().unwrap_or(1));
                stage.insert(id, at);
                continue;
            }
            let elementwise = matches!(node.op, Op::Map(_));
            let mut at = 0;
            for arg in &node.args {
                let other = graph.node(*arg);
                let s = stage.get(arg).copied().unwrap_or(0);
                if other.constant || matches!(other.op, Op::Input(_)) {
                    continue;
                }
                let joined = elementwise && matches!(other.op, Op::Map(_)) && other.axes == node.axes;
                at = at.max(if joined { s } else { s + 1 });
            }
            if self.fusable_sink(id) {
                // A sum joins the nest of what it sums.
                let (axes, of) = self.sink_space(id);
                let own = stage.get(&of).copied().unwrap_or(0);
                let fits = node.args.iter().all(|arg| {
                    let other = graph.node(*arg);
                    let s = stage.get(arg).copied().unwrap_or(0);
                    other.constant
                        || matches!(other.op, Op::Input(_))
                        || s < own
                        || (s == own && other.axes == axes && matches!(other.op, Op::Map(_)))
                });
                if fits {
                    at = own;
                }
            }
            stage.insert(id, at);
        }
        self.join_later(order, &mut stage);
        stage
    }

    /// Moves elementwise nodes to the nest of the same space that needs them first, so that it need not read them from memory.
    fn join_later(&self, order: &[Id], stage: &mut HashMap<Id, usize>) {
        let graph = self.graph;
        // The latest stage of each node, and whether there is a nest then that it may join.
        let mut latest: HashMap<Id, (usize, bool)> = HashMap::new();
        fn limit(latest: &mut HashMap<Id, (usize, bool)>, id: Id, at: usize, joins: bool) {
            let (most, joined) = latest.entry(id).or_insert((usize::MAX, false));
            if at <= *most {
                *joined = joins || (at == *most && *joined);
                *most = at;
            }
        }
        let is_nest = |id: Id| matches!(graph.node(id).op, Op::Map(_)) && !graph.axes(id).is_empty();
        // What loops need from outside may come later in the order.
        for id in order {
            let (Op::State(scan, _) | Op::Last(scan, _), Some(at)) = (&graph.node(*id).op, stage.get(id)) else {
                continue;
            };
            let needs = graph.scans[*scan as usize].first.iter().chain(&self.bodies[scan].outside);
            needs.for_each(|need| limit(&mut latest, *need, at.saturating_sub(1), false));
        }
        for id in order.iter().rev() {
            let Some(at) = stage.get(id).copied() else { continue };
            let node = graph.node(*id);
            let sink =
                self.fusable_sink(*id).then(|| self.sink_space(*id)).filter(|(_, of)| stage.get(of) == Some(&at));
            let mut at = at;
            if let (true, Some((most, true))) = (is_nest(*id), latest.get(id).copied()) {
                at = at.max(most);
                stage.insert(*id, at);
            }
            for arg in &node.args {
                let own = graph.axes(*arg);
                let joins = is_nest(*arg)
                    && ((is_nest(*id) && own == node.axes) || sink.as_ref().is_some_and(|(axes, _)| own == axes));
                limit(&mut latest, *arg, if joins { at } else { at.saturating_sub(1) }, joins);
            }
        }
    }

    /// Whether a sum is of an elementwise node, so that it may join its nest.
    fn fusable_sink(&self, id: Id) -> bool {
        let node = self.graph.node(id);
        if !matches!(node.op, Op::Contract(_) | Op::Reduce(..)) {
            return false;
        }
        let (axes, of) = self.sink_space(id);
        let own = self.graph.node(of);
        matches!(own.op, Op::Map(_))
            && !own.constant
            && own.axes == axes
            && self.reduced(id).len() + node.axes.len() == axes.len()
    }

    fn reduced(&self, id: Id) -> Axes {
        match &self.graph.node(id).op {
            Op::Contract(over) => over.clone(),
            Op::Reduce(_, along) => vec![*along],
            _ => Vec::new(),
        }
    }

    /// All axes that a sum runs over, and its operand with the most.
    fn sink_space(&self, id: Id) -> (Axes, Id) {
        let node = self.graph.node(id);
        let axes = node.args.iter().fold(Axes::new(), |all, a| axis::union(&all, self.graph.axes(*a)));
        let of = node
            .args
            .iter()
            .copied()
            .filter(|a| self.graph.axes(*a) == axes)
            .max_by_key(|a| matches!(self.graph.node(*a).op, Op::Map(_)) && !self.graph.is_constant(*a))
            .unwrap_or(node.args[0]);
        (axes, of)
    }

    fn emit(&mut self, order: &[Id], roots: &[Id]) -> Result<(), String> {
        let graph = self.graph;
        let stage = self.stages(order);
        let mut used: HashMap<Id, Vec<Id>> = HashMap::new();
        let live: Vec<Id> =
            order.iter().copied().filter(|id| !self.inside.contains(id) && stage.contains_key(id)).collect();
        let mut external: HashSet<Id> = roots.iter().copied().collect();
        for id in &live {
            match graph.node(*id).op {
                Op::State(scan, _) | Op::Last(scan, _) => {
                    external.extend(&graph.scans[scan as usize].first);
                    external.extend(&self.bodies[&scan].outside);
                }
                _ => {
                    for arg in &graph.node(*id).args {
                        used.entry(*arg).or_default().push(*id);
                    }
                }
            }
        }
        // Groups: by stage, then scalars, nests by their space, the rest one by one.
        #[derive(PartialEq, Eq, PartialOrd, Ord, Clone)]
        enum Group {
            Scalars,
            Nest(Axes),
            Scan(u32),
            One(Id),
        }
        let mut groups: BTreeMap<(usize, Group), Vec<Id>> = BTreeMap::new();
        let mut home: HashMap<Id, (usize, Group)> = HashMap::new();
        for id in &live {
            let node = graph.node(*id);
            if node.constant || matches!(node.op, Op::Input(_)) {
                continue;
            }
            let at = stage[id];
            let group = match node.op {
                Op::Map(_) if node.axes.is_empty() => Group::Scalars,
                Op::Map(_) => Group::Nest(node.axes.clone()),
                Op::State(scan, _) | Op::Last(scan, _) => Group::Scan(scan),
                Op::Contract(_) | Op::Reduce(..) => {
                    let (axes, of) = self.sink_space(*id);
                    if self.fusable_sink(*id) && stage.get(&of) == Some(&at) {
                        Group::Nest(axes)
                    } else {
                        Group::One(*id)
                    }
                }
                _ => Group::One(*id),
            };
            home.insert(*id, (at, group.clone()));
            groups.entry((at, group)).or_default().push(*id);
        }
        for ((at, group), members) in &groups {
            match group {
                Group::Scalars => {
                    let mut ops = Vec::new();
                    for id in members {
                        let Op::Map(f) = graph.node(*id).op else { continue };
                        let mut args = [0u32; 3];
                        for (k, arg) in graph.node(*id).args.iter().enumerate() {
                            args[k] = self.number_place(*arg)? as u32;
                        }
                        let to = self.allocate(*id, 1);
                        ops.push(ScalarOp { kernel: kernel(f)?, to: to as u32, args });
                    }
                    self.code.instrs.push(Instr::Scalars(ops));
                }
                Group::Nest(axes) => {
                    let own = (*at, group.clone());
                    let stored: HashSet<Id> = members
                        .iter()
                        .copied()
                        .filter(|id| {
                            external.contains(id)
                                || used.get(id).is_some_and(|users| users.iter().any(|u| home.get(u) != Some(&own)))
                        })
                        .collect();
                    self.nest(axes, members, &stored)?;
                }
                Group::Scan(scan) => self.scan(*scan)?,
                Group::One(id) => self.single(*id)?,
            }
        }
        Ok(())
    }

    /// Memory for a node.
    fn allocate(&mut self, id: Id, count: usize) -> usize {
        let start = self.code.memory;
        self.code.memory += count;
        self.place.insert(id, Source { base: Base::Memory, start });
        start
    }

    fn constant(&mut self, data: &Arc<Vec<f64>>) -> u32 {
        let key = Arc::as_ptr(data) as usize;
        if let Some(k) = self.constants.get(&key) {
            return *k;
        }
        self.code.constants.push(Arc::clone(data));
        let k = self.code.constants.len() as u32 - 1;
        self.constants.insert(key, k);
        k
    }

    fn source(&mut self, id: Id) -> Result<Source, String> {
        if let Some(place) = self.place.get(&id) {
            return Ok(*place);
        }
        let graph = self.graph;
        let node = graph.node(id);
        let place = match &node.op {
            Op::Scalar(bits) => {
                let start = self.number(f64::from_bits(*bits));
                Source { base: Base::Memory, start }
            }
            Op::Data(k) => Source { base: Base::Constant(self.constant(&graph.data[*k as usize])), start: 0 },
            Op::Count(axis, offset) => {
                let data: Vec<f64> = (0..i64::from(axis.extent)).map(|k| (k + offset) as f64).collect();
                Source { base: Base::Constant(self.constant(&Arc::new(data))), start: 0 }
            }
            Op::Input(offset) => Source { base: Base::Memory, start: *offset as usize },
            op => return Err(format!("internal error: {op:?} has no place")),
        };
        self.place.insert(id, place);
        Ok(place)
    }

    /// Memory that holds a constant number.
    fn number(&mut self, x: f64) -> usize {
        if let Some(place) = self.numbers.get(&x.to_bits()) {
            return *place;
        }
        let place = self.code.memory;
        self.code.memory += 1;
        self.code.numbers.push((place, x));
        self.numbers.insert(x.to_bits(), place);
        place
    }

    /// The place in memory of a number without axes.
    fn number_place(&mut self, id: Id) -> Result<usize, String> {
        let source = self.source(id)?;
        match source.base {
            Base::Memory => Ok(source.start),
            Base::Constant(_) => Err("internal error: a number among arrays".into()),
        }
    }

    fn nest(&mut self, axes: &[Axis], members: &[Id], stored: &HashSet<Id>) -> Result<(), String> {
        let graph = self.graph;
        // Constants that are numbers are placed before anything that the nest writes.
        let own: HashSet<Id> = members.iter().copied().collect();
        for id in members {
            for arg in &graph.node(*id).args {
                if !own.contains(arg) || graph.is_constant(*arg) {
                    self.source(*arg)?;
                }
            }
        }
        let first = self.code.memory;
        let mut arrays: Vec<(Source, Vec<usize>)> = Vec::new();
        let mut ops: Vec<(Kernel, Id, Vec<RawOperand>)> = Vec::new();
        let mut stores: Vec<(Id, usize, Vec<usize>)> = Vec::new();
        let mut sinks: Vec<RawSink> = Vec::new();
        let mut clear = Vec::new();
        let inside: HashSet<Id> =
            members.iter().copied().filter(|id| matches!(graph.node(*id).op, Op::Map(_))).collect();
        let mut operand = |plan: &mut Self, arg: Id| -> Result<RawOperand, String> {
            if inside.contains(&arg) {
                return Ok(RawOperand::Node(arg));
            }
            let source = plan.source(arg)?;
            let strides = axis::strides(graph.axes(arg), axes);
            let at = arrays.iter().position(|(s, t)| *s == source && *t == strides).unwrap_or_else(|| {
                arrays.push((source, strides));
                arrays.len() - 1
            });
            Ok(RawOperand::Array(at))
        };
        for id in members {
            let node = graph.node(*id);
            let args = node.args.iter().map(|a| operand(self, *a)).collect::<Result<Vec<_>, _>>()?;
            match &node.op {
                Op::Map(f) => ops.push((kernel(*f)?, *id, args)),
                Op::Contract(_) | Op::Reduce(..) => {
                    let n = axis::size(&node.axes);
                    let to = self.code.memory;
                    self.code.memory += n;
                    let kind = match node.op {
                        Op::Reduce(Reduction::Max, _) => SinkKind::Max,
                        Op::Reduce(Reduction::Min, _) => SinkKind::Min,
                        Op::Reduce(Reduction::Prod, _) => SinkKind::Prod,
                        _ => SinkKind::Sum,
                    };
                    let start = match kind {
                        SinkKind::Sum => 0.0,
                        SinkKind::Prod => 1.0,
                        SinkKind::Max => f64::NEG_INFINITY,
                        SinkKind::Min => f64::INFINITY,
                    };
                    clear.push((to, n, start));
                    sinks.push((args[0], args.get(1).copied(), to, axis::strides(&node.axes, axes), kind));
                    self.place.insert(*id, Source { base: Base::Memory, start: to });
                }
                _ => {}
            }
            if stored.contains(id) && matches!(node.op, Op::Map(_)) {
                let to = self.code.memory;
                self.code.memory += axis::size(axes);
                stores.push((*id, to, axis::strides(axes, axes)));
                self.place.insert(*id, Source { base: Base::Memory, start: to });
            }
        }
        // Neighbouring loops become one where every array allows it.
        let mut extents: Vec<usize> = axes.iter().map(|a| a.extent as usize).collect();
        {
            let mut all: Vec<&mut Vec<usize>> = arrays.iter_mut().map(|(_, s)| s).collect();
            all.extend(stores.iter_mut().map(|(_, _, s)| s));
            all.extend(sinks.iter_mut().map(|(_, _, _, s, _)| s));
            let mut k = extents.len().saturating_sub(1);
            while k > 0 {
                if all.iter().all(|s| s[k - 1] == s[k] * extents[k]) {
                    extents[k - 1] *= extents[k];
                    extents.remove(k);
                    for s in &mut all {
                        s.remove(k - 1);
                    }
                }
                k -= 1;
            }
        }
        let inner = extents.pop().unwrap_or(1);
        if extents.len() > MOST_LOOPS {
            return Err("arrays of more than eight dimensions".into());
        }
        let split = |mut strides: Vec<usize>| -> (Vec<usize>, bool) {
            let inner = strides.pop().unwrap_or(0) == 1;
            (strides, inner)
        };
        let arrays = arrays
            .into_iter()
            .map(|(source, strides)| {
                let (strides, inner) = split(strides);
                Walk { source, strides, inner }
            })
            .collect();
        // Registers are free again after the last use.
        let mut last_use: HashMap<Id, usize> = HashMap::new();
        for (k, (_, _, args)) in ops.iter().enumerate() {
            for arg in args {
                if let RawOperand::Node(id) = arg {
                    last_use.insert(*id, k);
                }
            }
        }
        for id in stores.iter().map(|(id, ..)| *id) {
            last_use.insert(id, usize::MAX);
        }
        for (a, b, ..) in &sinks {
            for x in std::iter::once(a).chain(b) {
                if let RawOperand::Node(id) = x {
                    last_use.insert(*id, usize::MAX);
                }
            }
        }
        let mut register: HashMap<Id, u16> = HashMap::new();
        let (mut free, mut count): (Vec<u16>, u16) = (Vec::new(), 0);
        let mut block = Vec::with_capacity(ops.len());
        let place = |register: &HashMap<Id, u16>, x: RawOperand| match x {
            RawOperand::Node(id) => Operand::Register(register[&id]),
            RawOperand::Array(k) => Operand::Array(k as u16),
        };
        for (k, (kernel, id, args)) in ops.iter().enumerate() {
            let mut operands = [Operand::Register(0); 3];
            for (to, arg) in operands.iter_mut().zip(args) {
                *to = place(&register, *arg);
            }
            let to = free.pop().unwrap_or_else(|| {
                count += 1;
                count - 1
            });
            for arg in args {
                if let RawOperand::Node(used) = arg
                    && last_use.get(used) == Some(&k)
                    && let Some(r) = register.get(used)
                    && !free.contains(r)
                {
                    free.push(*r);
                }
            }
            register.insert(*id, to);
            if !last_use.contains_key(id) {
                free.push(to);
            }
            block.push(BlockOp { kernel: *kernel, to, args: operands, count: args.len() as u8 });
        }
        let stores = stores.into_iter().map(|(id, to, strides)| (register[&id], to, split(strides).0)).collect();
        let sinks = sinks
            .into_iter()
            .map(|(a, b, to, strides, kind)| {
                let (strides, inner) = split(strides);
                Sink { a: place(&register, a), b: b.map(|b| place(&register, b)), to, strides, inner, kind }
            })
            .collect();
        self.code.registers = self.code.registers.max(count as usize);
        let registers = count as usize;
        self.code.instrs.push(Instr::Nest(Nest {
            outer: extents,
            inner,
            arrays,
            ops: block,
            stores,
            sinks,
            registers,
            first,
            clear,
        }));
        Ok(())
    }
}

/// Operands, the place of the result, its strides, and how it is made.
type RawSink = (RawOperand, Option<RawOperand>, usize, Vec<usize>, SinkKind);

#[derive(Clone, Copy)]
enum RawOperand {
    Node(Id),
    Array(usize),
}
