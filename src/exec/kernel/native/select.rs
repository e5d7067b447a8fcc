//! What of some code becomes machine code, and what it must leave in memory.

use super::super::axis;
use super::super::code::*;
use super::call::Machine;
use super::tape::{self, Loop, Node, Straight, Tape};
use std::collections::HashMap;

/// Operations of one function, at most.
const MOST_IN_ONE: usize = 3_000;
/// Operations of all functions of some code, at most: they cost about two microseconds each to make.
const MOST_IN_ALL: usize = 8_000;

/// Machine code for some of the instructions of [`Code`].
#[derive(Debug)]
pub struct Native {
    machine: Machine,
    /// For each instruction the function that begins with it, and how many instructions it does.
    at: Vec<Option<(usize, usize)>>,
}

impl Native {
    /// Does instructions from this one on, and says how many; 0 where there is no machine code for it.
    #[inline]
    pub fn run(&self, instr: usize, memory: &mut [f64]) -> usize {
        match self.at[instr] {
            Some((function, count)) => {
                self.machine.run(function, memory);
                count
            }
            None => 0,
        }
    }
}

/// What a function does.
pub enum Work<'a> {
    Straight(Tape),
    Loop(Loop<'a>),
}

impl Work<'_> {
    pub fn tape(&self) -> &Tape {
        match self {
            Work::Straight(tape) => tape,
            Work::Loop(own) => &own.tape,
        }
    }
}

impl Work<'_> {
    /// Whether all places that the function touches lie in memory and constants of the sizes that the code says.
    fn is_within(&self, code: &Code) -> bool {
        let memory = |place: usize| place < code.memory;
        let element = |source: Source, further: usize| {
            source.start.checked_add(further).is_some_and(|place| match source.base {
                Base::Memory => memory(place),
                Base::Constant(c) => code.constants.get(c as usize).is_some_and(|data| place < data.len()),
            })
        };
        let steps = match self {
            Work::Straight(_) => 0,
            Work::Loop(own) => own.scan.steps,
        };
        let last = steps.saturating_sub(1);
        let tape = self.tape();
        let loads = tape.nodes.iter().all(|node| match node {
            // Numbers are loaded once a step, and not at all where there is none.
            Node::Load(source) => element(*source, 0),
            Node::Step(source, step) => steps == 0 || step.checked_mul(last).is_some_and(|far| element(*source, far)),
            Node::Number(_) | Node::State(_) | Node::Op(..) => true,
        });
        let stores = tape.stores.iter().all(|(place, _)| memory(*place));
        let states = match self {
            Work::Straight(_) => true,
            Work::Loop(own) => own.scan.states.iter().all(|state| {
                let far = state.kept_step.checked_mul(last).and_then(|far| far.checked_add(state.kept));
                element(state.first, 0) && memory(state.last) && (steps == 0 || far.is_some_and(memory))
            }),
        };
        code.memory < MOST_MEMORY && loads && stores && states
    }
}

/// Elements of memory with which displacements are small numbers.
const MOST_MEMORY: usize = 1 << 40;

/// Machine code for what pays; none where nothing does, or where it cannot be made.
pub fn make(code: &Code) -> Option<Native> {
    let (mut works, at) = select(code);
    if works.is_empty() {
        return None;
    }
    let needed = needed(code, &works, &at);
    for work in &mut works {
        if let Work::Straight(tape) = work {
            tape.stores.retain(|(place, _)| {
                let after = needed.partition_point(|(start, _)| start <= place);
                after > 0 && needed[after - 1].1 > *place
            });
        }
    }
    if !works.iter().all(|work| work.is_within(code)) {
        return None;
    }
    let machine = Machine::new(code, &works)?;
    Some(Native { machine, at })
}

/// Functions, and for each instruction the one that begins with it and how many it does.
fn select(code: &Code) -> (Vec<Work<'_>>, Vec<Option<(usize, usize)>>) {
    let fixed: HashMap<usize, f64> = code.numbers.iter().copied().collect();
    let mut works = Vec::new();
    let mut at = vec![None; code.instrs.len()];
    let mut all = 0;
    let mut k = 0;
    while k < code.instrs.len() && all < MOST_IN_ALL {
        let start = k;
        let work = match &code.instrs[k] {
            Instr::Scan(scan) if scan.ops.len() <= MOST_IN_ONE && all + scan.ops.len() <= MOST_IN_ALL => {
                k += 1;
                Work::Loop(tape::of_scan(scan))
            }
            instr if tape::is_small(instr) => {
                let mut straight = Straight::new(code, &fixed);
                while k < code.instrs.len() && tape::is_small(&code.instrs[k]) && straight.work() < MOST_IN_ONE {
                    straight.add(&code.instrs[k]);
                    k += 1;
                }
                Work::Straight(straight.finish())
            }
            _ => {
                k += 1;
                continue;
            }
        };
        all += work.tape().work();
        at[start] = Some((works.len(), k - start));
        works.push(work);
    }
    (works, at)
}

/// The parts of memory that something reads from memory, in order and apart.
fn needed(code: &Code, works: &[Work<'_>], at: &[Option<(usize, usize)>]) -> Vec<(usize, usize)> {
    let mut ranges = Vec::new();
    let mut add = |source: Source, count: usize| {
        if source.base == Base::Memory && count > 0 {
            ranges.push((source.start, source.start + count));
        }
    };
    for (source, axes) in code.roots.iter().zip(&code.shapes) {
        add(*source, axis::size(axes));
    }
    for work in works {
        for node in &work.tape().nodes {
            match (node, work) {
                (Node::Load(source), _) => add(*source, 1),
                (Node::Step(source, step), Work::Loop(own)) => {
                    add(*source, step * own.scan.steps.saturating_sub(1) + 1);
                }
                _ => {}
            }
        }
        if let Work::Loop(own) = work {
            own.scan.states.iter().for_each(|state| add(state.first, 1));
        }
    }
    let mut k = 0;
    while k < code.instrs.len() {
        match at[k] {
            Some((_, count)) => k += count,
            None => {
                reads(&code.instrs[k], &mut add);
                k += 1;
            }
        }
    }
    ranges.sort_unstable();
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for (start, end) in ranges {
        match joined.last_mut() {
            Some((_, last)) if start <= *last => *last = end.max(*last),
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// What an instruction of the executor reads.
fn reads(instr: &Instr, add: &mut dyn FnMut(Source, usize)) {
    let memory = |start: usize| Source { base: Base::Memory, start };
    match instr {
        Instr::Scalars(ops) => {
            for op in ops {
                op.args.iter().for_each(|place| add(memory(*place as usize), 1));
            }
        }
        Instr::Nest(nest) => {
            for walk in &nest.arrays {
                let outer: usize = walk.strides.iter().zip(&nest.outer).map(|(s, n)| s * n.saturating_sub(1)).sum();
                add(walk.source, outer + if walk.inner { nest.inner } else { 1 });
            }
        }
        Instr::Clear(..) => {}
        Instr::Move(m) => {
            let end = |places: &Places| match places {
                Places::Steps(start, step) => start + step * m.count.saturating_sub(1) + 1,
                Places::Table(table) => table.iter().max().map_or(0, |k| *k as usize + 1),
            };
            add(m.source, end(&m.from));
            if m.add {
                add(memory(m.to), end(&m.at));
            }
        }
        Instr::Product(p) => {
            add(p.matrix, p.rows * p.cols);
            add(p.vector, if p.down { p.rows } else { p.cols });
        }
        Instr::Scan(scan) => {
            scan.once.iter().for_each(|(_, source)| add(*source, 1));
            scan.loads.iter().for_each(|(_, source, step)| add(*source, step * scan.steps.saturating_sub(1) + 1));
            scan.states.iter().for_each(|state| add(state.first, 1));
        }
        Instr::Ode { args, .. } | Instr::Whole { args, .. } => {
            args.iter().for_each(|(axes, source)| add(*source, axis::size(axes)));
        }
    }
}
