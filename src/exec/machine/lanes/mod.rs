//! Many runs in step: a frame of columns, one lane a run, so that an instruction is decoded once for all of them.
//!
//! Runs that have come to the same place by the same calls share frames; a register is one value that all agree on, a few values, or
//! a column with a value for each lane. Where lanes part at a jump they go on as groups of their own, and come together again at the
//! next weight. A lane that meets something which lanes do not know leaves as a [`Machine`]. Every lane computes, to the last bit, what
//! the interpreter computes for one run with the same streams.

mod collect;
mod column;
mod draws;
mod element;
mod kernel;
mod pool;
mod run;

use super::address;
use super::code::*;
use super::frame::{Frame, Limits, Machine, to_value};
use crate::value::{Fault, Generator, Streams, Value};

pub use collect::Source;
pub use column::{Column, Objects};

/// Runs in step.
#[derive(Clone, Debug, Default)]
pub struct Lanes {
    /// How many there are.
    count: usize,
    /// The place of each lane in its block, ascending.
    pub members: Vec<u32>,
    nums: Vec<Column>,
    objs: Vec<Objects>,
    num_top: usize,
    obj_top: usize,
    frames: Vec<Frame>,
    /// The most steps that one of them took.
    steps: u64,
    /// Streams of the lanes, made when first drawn from.
    generators: Vec<Generator>,
    /// Arrays of the lanes are so large together that they should go on one by one.
    heavy: bool,
    /// The frame that draws the choice of a recorded run, and the generators before it.
    recording: Option<(usize, Vec<Generator>)>,
    spare: Vec<u64>,
    scratch: element::Scratch,
}

/// What a block of lanes is run with.
pub struct Context<'a> {
    pub code: &'a Code,
    pub limits: Limits,
    pub streams: Streams,
    /// The number of the run at place 0 of the block.
    pub first: u64,
    /// Pause after each named choice.
    pub record: bool,
}

/// Why a lane ended.
#[derive(Clone, Debug)]
pub enum Loss {
    /// A weight of −∞ at this site.
    Zero(u32),
    Fault(Box<Fault>),
}

/// Why lanes paused.
pub enum Exit {
    /// At a weight, which is not added to anything; `addresses` are those of the weight.
    Paused { site: u32, weights: Column, addresses: Column },
    /// Behind a named choice of these names, of which there is one where all lanes have the same.
    Drawn { names: Vec<std::sync::Arc<str>>, values: Objects },
    /// At the end.
    Done(Objects),
    /// They go on at different places of the top frame.
    Part(Vec<u32>),
    /// At something that lanes do not know.
    Leave,
    /// All were lost.
    Empty,
}

impl Lanes {
    /// How many lanes there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no lane is left.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lane at a place of the block.
    pub fn lane_of(&self, member: u32) -> Option<usize> {
        self.members.binary_search(&member).ok()
    }

    /// Whether two groups of runs stand at the same place, reached by the same calls.
    pub fn same_place(&self, other: &Lanes) -> bool {
        self.frames == other.frames
    }

    /// Takes over the memory of lanes that are no longer needed.
    pub fn adopt(&mut self, old: Lanes) {
        old.nums.into_iter().for_each(|column| pool::give(column.lanes));
        self.scratch = old.scratch;
    }

    /// Whether a paused run could be a lane.
    pub fn knows(machine: &Machine) -> bool {
        machine.frames.len() < run::DEEPEST
    }

    /// Lanes that all stand where a machine does; `members` are their places in the block.
    pub fn of_machine(code: &Code, machine: &Machine, members: Vec<u32>) -> Lanes {
        let mut nums: Vec<Column> = machine.nums[..machine.num_top].iter().map(|bits| Column::same(*bits)).collect();
        for frame in &machine.frames {
            // A machine writes only the constants that its own instructions read from registers.
            for (n, bits) in &code.funcs[frame.func as usize].number_constants {
                nums[frame.num_base as usize + *n as usize].set(*bits);
            }
        }
        Lanes {
            count: members.len(),
            members,
            nums,
            objs: machine.objs[..machine.obj_top].iter().map(|value| Objects::Same(value.clone())).collect(),
            num_top: machine.num_top,
            obj_top: machine.obj_top,
            frames: machine.frames.clone(),
            steps: machine.steps,
            ..Lanes::default()
        }
    }

    /// The run in a lane, to go on by itself.
    pub fn machine(&self, context: &Context<'_>, lane: usize) -> Machine {
        let mut machine = self.skeleton(context.limits, lane);
        machine.objs = self.objs[..self.obj_top].iter().map(|objects| objects.at(lane).clone()).collect();
        machine.obj_top = self.obj_top;
        machine.generator = match self.generators.get(lane) {
            Some(generator) => *generator,
            None => context.streams.number(context.first + u64::from(self.members[lane])),
        };
        machine
    }

    /// The run in a lane while nothing is running.
    pub fn paused_machine(&self, limits: Limits, lane: usize) -> Machine {
        let mut machine = self.skeleton(limits, lane);
        machine.objs = self.objs[..self.obj_top].iter().map(|objects| objects.at(lane).clone()).collect();
        machine.obj_top = self.obj_top;
        machine
    }

    /// The frames and numbers of a lane.
    fn skeleton(&self, limits: Limits, lane: usize) -> Machine {
        Machine {
            nums: self.nums[..self.num_top].iter().map(|column| column.at(lane)).collect(),
            num_top: self.num_top,
            frames: self.frames.clone(),
            limits,
            steps: self.steps,
            print_buffer: 1 << 13,
            compact: true,
            ..Machine::default()
        }
    }

    /// Streams for every lane.
    fn need_generators(&mut self, context: &Context<'_>) {
        if self.generators.is_empty() {
            self.generators = pool::generators();
            context.streams.opened(context.first, &self.members, &mut self.generators);
        }
    }

    /// Drops what no later instruction reads, and gives its memory back.
    fn forget_dead(&mut self, code: &Code) {
        pool::give(std::mem::take(&mut self.spare));
        pool::give_generators(std::mem::take(&mut self.generators));
        for column in &mut self.nums[self.num_top..] {
            column.release();
        }
        for frame in &self.frames {
            let func = &code.funcs[frame.func as usize];
            let Some(live) = super::state::live_at(code, frame.func, frame.pc) else { continue };
            let base = frame.num_base as usize;
            for (k, column) in self.nums[base..base + func.num_size as usize].iter_mut().enumerate() {
                if column.holds_memory() && !live.nums.contains(&(k as Num)) {
                    column.release();
                }
            }
            let base = frame.obj_base as usize;
            for (k, objects) in self.objs[base..base + func.obj_size as usize].iter_mut().enumerate() {
                if !live.objs.contains(&(k as Obj)) {
                    objects.clear();
                }
            }
        }
    }

    /// The address of a site in the top frame, in each lane.
    fn addresses(&self, frame: &Frame, site: u32, path: &[Slot]) -> Column {
        let base = frame.num_base as usize;
        let varies = path.iter().any(|slot| match slot {
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => self.nums[base + *n as usize].varying,
            _ => false,
        });
        let of_lane = |lane: usize| {
            let mut address = address::mix(frame.address, u64::from(site) + 1);
            for slot in path {
                if let Slot::Int(n) | Slot::Real(n) | Slot::Bool(n) = slot {
                    address = address::with_index(address, self.nums[base + *n as usize].at(lane));
                }
            }
            address
        };
        if varies {
            Column { varying: true, bits: 0, lanes: (0..self.count).map(of_lane).collect() }
        } else {
            Column::same(of_lane(0))
        }
    }

    /// Numbers as values of a slot's type.
    fn as_values(&self, column: &Column, slot: Slot) -> Objects {
        if column.varying {
            Objects::Each(column.lanes.iter().map(|bits| to_value(slot, *bits)).collect())
        } else {
            Objects::Same(to_value(slot, column.bits))
        }
    }

    /// A fault with its place.
    fn located(&self, code: &Code, fault: Fault) -> Fault {
        let machine = Machine { frames: self.frames.clone(), ..Machine::default() };
        machine.fault_here(code, fault)
    }

    /// Whether the lanes' values of a value that was made elsewhere are numbers: then a column, else objects.
    fn write(&mut self, num_base: usize, obj_base: usize, slot: Slot, values: Objects) {
        match slot {
            Slot::Unit => {}
            Slot::Obj(o) => self.objs[obj_base + (o & INDEX) as usize] = values,
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => {
                let is_real = matches!(slot, Slot::Real(_));
                let bits = |value: &Value| match value {
                    Value::Int(n) if is_real => (*n as f64).to_bits(),
                    value => super::general::bits(value),
                };
                let column = &mut self.nums[num_base + n as usize];
                match &values {
                    Objects::Same(value) => column.set(bits(value)),
                    Objects::Few { .. } | Objects::Each(_) => {
                        column.lanes.clear();
                        column.lanes.extend((0..self.count).map(|lane| bits(values.at(lane))));
                        column.varying = true;
                    }
                }
            }
        }
    }
}
