//! Runs held together, in blocks that are advanced in step.

use super::dead;
use super::stepped::{Node, Run, SteppedView};
use crate::exec::machine::lanes::{Context, Exit, Lanes, Loss, Objects, Source};
use crate::exec::machine::{Code, Machine};
use crate::model::{Advance, Dead, Stand, Step, Stepped};
use crate::value::interrupt::stop_if_interrupted;
use crate::value::{Fault, Streams, Value};
use rayon::prelude::*;
use std::sync::Arc;

/// Runs of a block. Its columns should lie in the first level cache, and one instruction be decoded for many of them.
const BLOCK: usize = 256;

/// Groups that became smaller than this go on one by one.
const SMALLEST: usize = 4;

/// Many suspended runs.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    blocks: Vec<Block>,
    pub(super) stands: Vec<Stand>,
}

/// Up to [`BLOCK`] runs, at most one group of them at each place of the program.
#[derive(Clone, Debug, Default)]
struct Block {
    groups: Vec<Lanes>,
    /// Runs that are advanced by themselves.
    alone: Vec<(u32, Run)>,
    /// The values of those that ended, in the order of their places.
    done: Vec<(u32, Value)>,
    /// The named choices of each run, where they are recorded.
    named: Vec<Option<Arc<Node>>>,
}

/// Where a run of a block is held.
#[derive(Clone, Copy)]
enum Held {
    Lane(u32, u32),
    Alone(u32),
    Done(u32),
    Dead,
}

/// What one block's step gave.
struct Stepping<'a> {
    view: &'a SteppedView,
    context: Context<'a>,
    stands: &'a mut [Stand],
    gained: &'a mut [f64],
    died: Vec<(usize, Dead)>,
    /// The fault of the run with the least number.
    fault: Option<(u32, Fault)>,
}

impl Stepping<'_> {
    fn lost(&mut self, member: u32, loss: Result<Dead, Fault>) {
        match loss {
            Ok(dead) => {
                self.stands[member as usize] = Stand::Dead;
                self.gained[member as usize] = f64::NEG_INFINITY;
                self.died.push((self.context.first as usize + member as usize, dead));
            }
            Err(fault) => {
                if self.fault.as_ref().is_none_or(|(least, _)| member < *least) {
                    self.fault = Some((member, fault));
                }
            }
        }
    }

    /// Takes a run by itself to its next weight; gives it back if it goes on.
    fn go_alone(&mut self, block: &mut Block, member: u32, mut run: Run) -> Option<Run> {
        let at = member as usize;
        let result = self.view.go(&mut run, None);
        let step = match self.view.settle(&mut run, result) {
            Ok(step) => step,
            Err(fault) => {
                self.lost(member, Err(fault));
                return None;
            }
        };
        if let Some(named) = block.named.get_mut(at) {
            named.clone_from(&run.named);
        }
        self.stands[at] = run.stand;
        match step {
            Step::Paused { weight, .. } => {
                self.gained[at] = weight;
                return Some(run);
            }
            Step::Done => {
                self.gained[at] = 0.0;
                block.done.push((member, std::mem::take(&mut run.machine.returned)));
            }
            Step::Dead(dead) => self.lost(member, Ok(dead)),
        }
        None
    }

    /// Advances the runs of a block that do not wait.
    fn advance(&mut self, block: &mut Block, waits: &[bool]) {
        let waits = |member: u32| waits.get(member as usize) == Some(&true);
        let ended = block.done.len();
        let mut work: Vec<Lanes> = Vec::new();
        let mut paused: Vec<Lanes> = Vec::new();
        let mut alone: Vec<(u32, Run)> = Vec::new();
        for group in std::mem::take(&mut block.groups) {
            if !group.members.iter().any(|member| waits(*member)) {
                work.push(group);
            } else if group.members.iter().all(|member| waits(*member)) {
                paused.push(group);
            } else {
                paused.push(group.some(self.context.code, |lane| waits(group.members[lane])));
                work.push(group.some(self.context.code, |lane| !waits(group.members[lane])));
            }
        }
        for (member, mut run) in std::mem::take(&mut block.alone) {
            if waits(member) {
                alone.push((member, run));
                continue;
            }
            run.machine.generator = self.context.streams.number(self.context.first + u64::from(member));
            alone.extend(self.go_alone(block, member, run).map(|run| (member, run)));
        }
        let mut losses = Vec::new();
        while let Some(mut group) = work.pop() {
            match group.run(&self.context, &mut losses) {
                Exit::Paused { site, mut weights, addresses }
                    if group.len() == self.gained.len() && weights.varying && !addresses.varying =>
                {
                    // All runs of the block together, each in the lane of its place.
                    self.stands.fill(Stand::Paused { address: addresses.bits, site });
                    for (lane, gained) in self.gained.iter_mut().enumerate() {
                        *gained = f64::from_bits(weights.at(mutant!("lanes gain the weight of the first", 0, lane)));
                    }
                    weights.release();
                    paused.push(group);
                }
                Exit::Paused { site, weights, addresses } => {
                    for (lane, member) in group.members.iter().enumerate() {
                        self.gained[*member as usize] =
                            f64::from_bits(weights.at(mutant!("lanes gain the weight of the first", 0, lane)));
                        self.stands[*member as usize] = Stand::Paused { address: addresses.at(lane), site };
                    }
                    paused.push(group);
                }
                Exit::Drawn { names, values } => {
                    record(&group, &names, &values, &mut block.named);
                    work.push(group);
                }
                Exit::Done(values) => {
                    for (lane, member) in group.members.iter().enumerate() {
                        self.gained[*member as usize] = 0.0;
                        self.stands[*member as usize] = Stand::Done;
                        block.done.push((*member, values.at(lane).clone()));
                    }
                }
                Exit::Part(places) => {
                    for part in group.parted(self.context.code, &places) {
                        if part.len() < SMALLEST {
                            self.leave(block, part, &mut alone);
                        } else {
                            work.push(part);
                        }
                    }
                }
                Exit::Leave => self.leave(block, group, &mut alone),
                Exit::Empty => {}
            }
        }
        for (member, loss) in losses {
            let loss = match loss {
                Loss::Zero(site) => Ok(Dead::Zero(site)),
                Loss::Fault(fault) => dead(*fault),
            };
            self.lost(member, loss);
        }
        self.died.sort_by_key(|(k, _)| *k);
        if block.done.len() > ended {
            block.done.sort_by_key(|(member, _)| *member);
        }
        join(self.context.code, block, paused, alone);
    }

    /// Lanes go on by themselves.
    fn leave(&mut self, block: &mut Block, mut group: Lanes, alone: &mut Vec<(u32, Run)>) {
        group.rewind(self.context.code);
        for (lane, member) in group.members.iter().enumerate() {
            let named = block.named.get(*member as usize).cloned().flatten();
            let run = Run { machine: group.machine(&self.context, lane), named, stand: Stand::Begun };
            alone.extend(self.go_alone(block, *member, run).map(|run| (*member, run)));
        }
    }
}

/// Notes a named choice of each lane.
fn record(group: &Lanes, names: &[Arc<str>], values: &Objects, named: &mut [Option<Arc<Node>>]) {
    for (lane, member) in group.members.iter().enumerate() {
        let list = &mut named[*member as usize];
        let name = Arc::clone(names.get(lane).unwrap_or(&names[0]));
        *list = Some(Arc::new(Node { name, value: values.at(lane).clone(), before: list.take() }));
    }
}

/// Brings together what stands at the same place.
fn join(code: &Code, block: &mut Block, mut paused: Vec<Lanes>, alone: Vec<(u32, Run)>) {
    if alone.is_empty() && paused.len() <= 1 {
        block.groups = paused;
        return;
    }
    let mut left: Vec<Option<(u32, Run)>> = alone.into_iter().map(Some).collect();
    let mut taken = vec![false; paused.len()];
    let mut groups = Vec::new();
    let mut lead = 0;
    let mut single = 0;
    loop {
        // The next place: that of a group, or else of a run by itself.
        let machine;
        let place = if lead < paused.len() {
            lead += 1;
            if taken[lead - 1] {
                continue;
            }
            Source::Lanes(&paused[lead - 1])
        } else if single < left.len() {
            single += 1;
            match &left[single - 1] {
                Some((_, run)) if Lanes::knows(&run.machine) => {
                    machine = run.machine.clone();
                    Source::Machine(&machine)
                }
                _ => continue,
            }
        } else {
            break;
        };
        let same: Vec<usize> =
            (0..paused.len()).filter(|k| !taken[*k] && place.same_place(Source::Lanes(&paused[*k]))).collect();
        let runs: Vec<(u32, Run)> = left
            .iter_mut()
            .filter_map(|run| {
                run.take_if(|(_, run)| Lanes::knows(&run.machine) && place.same_place(Source::Machine(&run.machine)))
            })
            .collect();
        for k in &same {
            taken[*k] = true;
        }
        if let ([only], []) = (same.as_slice(), runs.as_slice()) {
            groups.push(std::mem::take(&mut paused[*only]));
            continue;
        }
        let mut picks: Vec<(u32, u32, u32)> = Vec::new();
        let mut sources = Vec::new();
        for k in same {
            let lanes = paused[k].members.iter().enumerate();
            picks.extend(lanes.map(|(lane, member)| (*member, sources.len() as u32, lane as u32)));
            sources.push(Source::Lanes(&paused[k]));
        }
        for (member, run) in &runs {
            picks.push((*member, sources.len() as u32, 0));
            sources.push(Source::Machine(&run.machine));
        }
        picks.sort_unstable();
        let members = picks.iter().map(|(member, _, _)| *member).collect();
        let picks: Vec<(u32, u32)> = picks.into_iter().map(|(_, source, lane)| (source, lane)).collect();
        groups.push(Lanes::collect(code, &sources, &picks, members, false));
    }
    block.groups = groups;
    block.alone = left.into_iter().flatten().collect();
}

impl Block {
    /// Where the runs of the block are held, by their place; none where all are one group.
    fn places(&self, count: usize) -> Option<Vec<Held>> {
        if let [group] = self.groups.as_slice()
            && group.len() == count
        {
            return None;
        }
        let mut places = vec![Held::Dead; count];
        for (g, group) in self.groups.iter().enumerate() {
            for (lane, member) in group.members.iter().enumerate() {
                places[*member as usize] = Held::Lane(g as u32, lane as u32);
            }
        }
        for (k, (member, _)) in self.alone.iter().enumerate() {
            places[*member as usize] = Held::Alone(k as u32);
        }
        for (k, (member, _)) in self.done.iter().enumerate() {
            places[*member as usize] = Held::Done(k as u32);
        }
        Some(places)
    }

    fn held(&self, member: u32) -> Held {
        if let Ok(k) = self.done.binary_search_by_key(&member, |(m, _)| *m) {
            return Held::Done(k as u32);
        }
        for (g, group) in self.groups.iter().enumerate() {
            if let Some(lane) = group.lane_of(member) {
                return Held::Lane(g as u32, lane as u32);
            }
        }
        match self.alone.iter().position(|(m, _)| *m == member) {
            Some(k) => Held::Alone(k as u32),
            None => Held::Dead,
        }
    }

    fn names(&self, member: u32) -> Option<&Arc<Node>> {
        self.named.get(member as usize).and_then(Option::as_ref)
    }
}

/// Lanes of a new block that come from groups at one place.
struct Target<'a> {
    lead: &'a Lanes,
    ids: Vec<(usize, u32)>,
    sources: Vec<Source<'a>>,
    picks: Vec<(u32, u32)>,
    members: Vec<u32>,
}

impl Runs {
    /// `count` runs that stand where this one does.
    pub(super) fn of(code: &Code, start: &Run, count: usize, record: bool) -> Runs {
        let block = |first: usize| {
            let n = (count - first).min(BLOCK);
            Block {
                groups: vec![Lanes::of_machine(code, &start.machine, (0..n as u32).collect())],
                named: if record { vec![None; n] } else { Vec::new() },
                ..Block::default()
            }
        };
        Runs { blocks: (0..count).step_by(BLOCK).map(block).collect(), stands: vec![Stand::Begun; count] }
    }

    pub(super) fn advance(&mut self, view: &SteppedView, waits: &[bool], streams: Streams) -> Result<Advance, Fault> {
        stop_if_interrupted()?;
        let mut gained = vec![0.0; self.stands.len()];
        let step = |k: usize, block: &mut Block, stands: &mut [Stand], gained: &mut [f64]| {
            let context = Context {
                code: &view.model.code,
                limits: view.model.limits,
                streams,
                first: (k * BLOCK) as u64,
                record: view.model.record,
            };
            for (gained, stand) in gained.iter_mut().zip(&*stands) {
                if *stand == Stand::Dead {
                    *gained = f64::NEG_INFINITY;
                }
            }
            let mut stepping = Stepping { view, context, stands, gained, died: Vec::new(), fault: None };
            let from = (k * BLOCK).min(waits.len());
            stepping.advance(block, &waits[from..(from + BLOCK).min(waits.len())]);
            match stepping.fault {
                Some((_, fault)) => Err(fault),
                None => Ok(stepping.died),
            }
        };
        let parts: Vec<Result<Vec<(usize, Dead)>, Fault>> =
            if self.blocks.len() == 1 || rayon::current_num_threads() == 1 {
                let (stands, gained) = (self.stands.chunks_mut(BLOCK), gained.chunks_mut(BLOCK));
                let blocks = self.blocks.iter_mut().zip(stands).zip(gained).enumerate();
                blocks.map(|(k, ((block, stands), gained))| step(k, block, stands, gained)).collect()
            } else {
                let (stands, gained) = (self.stands.par_chunks_mut(BLOCK), gained.par_chunks_mut(BLOCK));
                let blocks = self.blocks.par_iter_mut().zip(stands).zip(gained).enumerate();
                blocks.map(|(k, ((block, stands), gained))| step(k, block, stands, gained)).collect()
            };
        let mut died = Vec::new();
        for part in parts {
            died.extend(part?);
        }
        Ok(Advance { gained, died })
    }

    pub(super) fn gather(&mut self, code: &Code, ancestors: &[usize]) {
        let old = std::mem::take(&mut self.blocks);
        let count = self.stands.len();
        let places: Vec<Option<Vec<Held>>> =
            old.iter().enumerate().map(|(k, block)| block.places((count - k * BLOCK).min(BLOCK))).collect();
        let build = |ancestors: &[usize]| {
            let mut block = Block::default();
            let mut targets: Vec<Target<'_>> = Vec::new();
            let mut last: Option<(usize, u32, usize, u32)> = None;
            for (member, ancestor) in ancestors.iter().enumerate() {
                let (member, from, at) = (member as u32, ancestor / BLOCK, ancestor % BLOCK);
                let source = &old[from];
                if !source.named.is_empty() {
                    block.named.push(source.named[at].clone());
                }
                match places[from].as_ref().map_or(Held::Lane(0, at as u32), |places| places[at]) {
                    Held::Dead => {}
                    Held::Done(k) => block.done.push((member, source.done[k as usize].1.clone())),
                    Held::Alone(k) => block.alone.push((member, source.alone[k as usize].1.clone())),
                    Held::Lane(group, lane) => {
                        let (target, number) = match last {
                            Some((f, g, target, number)) if (f, g) == (from, group) => (target, number),
                            _ => {
                                let lanes = &source.groups[group as usize];
                                let target =
                                    targets.iter().position(|t| t.lead.same_place(lanes)).unwrap_or_else(|| {
                                        targets.push(Target {
                                            lead: lanes,
                                            ids: Vec::new(),
                                            sources: Vec::new(),
                                            picks: Vec::new(),
                                            members: Vec::new(),
                                        });
                                        targets.len() - 1
                                    });
                                let ids = &mut targets[target].ids;
                                let number = ids.iter().position(|id| *id == (from, group)).unwrap_or_else(|| {
                                    ids.push((from, group));
                                    ids.len() - 1
                                });
                                if number == targets[target].sources.len() {
                                    targets[target].sources.push(Source::Lanes(lanes));
                                }
                                (target, number as u32)
                            }
                        };
                        last = Some((from, group, target, number));
                        targets[target].picks.push((number, lane));
                        targets[target].members.push(member);
                    }
                }
            }
            block.groups =
                targets.into_iter().map(|t| Lanes::collect(code, &t.sources, &t.picks, t.members, false)).collect();
            block
        };
        let alone = ancestors.len() <= BLOCK || rayon::current_num_threads() == 1;
        self.blocks = if alone {
            ancestors.chunks(BLOCK).map(build).collect()
        } else {
            ancestors.par_chunks(BLOCK).map(build).collect()
        };
        let first = self.stands.first().copied().unwrap_or_default();
        if self.stands.iter().all(|stand| *stand == first) {
            self.stands.resize(ancestors.len(), first);
        } else {
            self.stands = ancestors.iter().map(|k| self.stands[*k]).collect();
        }
        let inherit = |(block, old): (&mut Block, Block)| {
            for (group, old) in block.groups.iter_mut().zip(old.groups) {
                group.adopt(old);
            }
        };
        if alone {
            self.blocks.iter_mut().zip(old).for_each(inherit);
        } else {
            self.blocks.par_iter_mut().zip(old).for_each(inherit);
        }
    }

    pub(super) fn take_out(&self, view: &SteppedView, k: usize) -> Run {
        let (block, member) = (&self.blocks[k / BLOCK], (k % BLOCK) as u32);
        let machine = match block.held(member) {
            Held::Dead => Machine::default(),
            Held::Done(k) => {
                let mut machine = Machine::default();
                machine.returned = block.done[k as usize].1.clone();
                machine
            }
            Held::Alone(k) => block.alone[k as usize].1.machine.clone(),
            Held::Lane(group, lane) => block.groups[group as usize].paused_machine(view.model.limits, lane as usize),
        };
        Run { machine, named: block.names(member).cloned(), stand: self.stands[k] }
    }

    pub(super) fn put_in(&mut self, code: &Code, k: usize, run: Run) {
        let (block, member) = (&mut self.blocks[k / BLOCK], (k % BLOCK) as u32);
        match block.held(member) {
            Held::Dead => {}
            Held::Done(k) => drop(block.done.remove(k as usize)),
            Held::Alone(k) => drop(block.alone.remove(k as usize)),
            Held::Lane(group, lane) => {
                let group = group as usize;
                block.groups[group] = block.groups[group].some(code, |other| other != lane as usize);
                if block.groups[group].is_empty() {
                    block.groups.remove(group);
                }
            }
        }
        if let Some(named) = block.named.get_mut(member as usize) {
            named.clone_from(&run.named);
        }
        self.stands[k] = run.stand;
        match run.stand {
            Stand::Dead => {}
            Stand::Done => {
                let at = block.done.partition_point(|(m, _)| *m < member);
                block.done.insert(at, (member, run.machine.returned.clone()));
            }
            Stand::Begun | Stand::Paused { .. } => block.alone.push((member, run)),
        }
    }

    pub(super) fn finish(&self, view: &SteppedView, k: usize) -> (Value, Vec<(String, Value)>) {
        let (block, member) = (&self.blocks[k / BLOCK], (k % BLOCK) as u32);
        let value = match block.held(member) {
            Held::Done(k) => block.done[k as usize].1.clone(),
            _ => return view.finish(&self.take_out(view, k)),
        };
        (value, super::stepped::choices(block.names(member)))
    }
}
