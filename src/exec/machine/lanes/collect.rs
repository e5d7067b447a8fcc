//! Lanes made of lanes: resampling, parting at a jump, and coming together again.

use super::super::code::*;
use super::super::frame::Machine;
use super::super::state::live_at;
use super::column::{Column, Objects, identical};
use super::{Lanes, pool};
use crate::value::Value;
use std::sync::Arc;

/// Where lanes come from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    Lanes(&'a Lanes),
    Machine(&'a Machine),
}

/// Different objects that a register keeps apart before it holds one for each lane.
const FEW: usize = 32;

/// Lanes taken from one source, which lie next to each other in the result.
struct Segment<'a> {
    source: Source<'a>,
    lanes: &'a [u32],
}

impl Source<'_> {
    fn frames(&self) -> &[super::Frame] {
        match self {
            Source::Lanes(lanes) => &lanes.frames,
            Source::Machine(machine) => &machine.frames,
        }
    }

    /// Whether two sources stand at one place, reached by the same calls.
    pub fn same_place(&self, other: Source<'_>) -> bool {
        self.frames() == other.frames()
    }

    fn steps(&self) -> u64 {
        match self {
            Source::Lanes(lanes) => lanes.steps,
            Source::Machine(machine) => machine.steps,
        }
    }
}

fn column(segments: &[Segment<'_>], count: usize, register: usize) -> Column {
    let uniform = |segment: &Segment<'_>| match segment.source {
        Source::Lanes(lanes) => (!lanes.nums[register].varying).then_some(lanes.nums[register].bits),
        Source::Machine(machine) => Some(machine.nums[register]),
    };
    let first = uniform(&segments[0]);
    if first.is_some() && segments.iter().all(|segment| uniform(segment) == first) {
        return Column::same(first.unwrap_or_default());
    }
    let mut out = pool::column();
    out.reserve(count);
    for segment in segments {
        match segment.source {
            Source::Lanes(lanes) if lanes.nums[register].varying => {
                let from = lanes.nums[register].lanes.as_slice();
                out.extend(segment.lanes.iter().map(|lane| from[*lane as usize]));
            }
            Source::Lanes(lanes) => out.extend(segment.lanes.iter().map(|_| lanes.nums[register].bits)),
            Source::Machine(machine) => out.extend(segment.lanes.iter().map(|_| machine.nums[register])),
        }
    }
    Column { varying: true, bits: 0, lanes: out }
}

/// Values told apart by identity.
#[derive(Default)]
struct Dictionary {
    values: Vec<Value>,
}

impl Dictionary {
    fn number(&mut self, value: &Value) -> Option<u32> {
        if let Some(k) = self.values.iter().position(|known| identical(known, value)) {
            return Some(k as u32);
        }
        if self.values.len() >= FEW {
            return None;
        }
        self.values.push(value.clone());
        Some(self.values.len() as u32 - 1)
    }
}

fn few(segments: &[Segment<'_>], count: usize, register: usize) -> Option<Objects> {
    let mut dictionary = Dictionary::default();
    let mut which = Vec::with_capacity(count);
    for segment in segments {
        let one = match segment.source {
            Source::Machine(machine) => &machine.objs[register],
            Source::Lanes(lanes) => match &lanes.objs[register] {
                Objects::Same(value) => value,
                Objects::Few { values, which: of_lane } => {
                    let mut numbers = vec![u32::MAX; values.len()];
                    for lane in segment.lanes {
                        let k = of_lane[*lane as usize] as usize;
                        if numbers[k] == u32::MAX {
                            numbers[k] = dictionary.number(&values[k])?;
                        }
                        which.push(numbers[k]);
                    }
                    continue;
                }
                Objects::Each(_) => return None,
            },
        };
        let number = dictionary.number(one)?;
        which.extend(segment.lanes.iter().map(|_| number));
    }
    if dictionary.values.len() == 1 {
        return dictionary.values.pop().map(Objects::Same);
    }
    Some(Objects::Few { values: dictionary.values, which: Arc::new(which) })
}

fn objects(segments: &[Segment<'_>], count: usize, register: usize) -> Objects {
    if let Some(objects) = few(segments, count, register) {
        return objects;
    }
    let mut out = Vec::with_capacity(count);
    for segment in segments {
        match segment.source {
            Source::Lanes(lanes) => {
                let from = &lanes.objs[register];
                out.extend(segment.lanes.iter().map(|lane| from.at(*lane as usize).clone()));
            }
            Source::Machine(machine) => out.extend(segment.lanes.iter().map(|_| machine.objs[register].clone())),
        }
    }
    Objects::Each(out)
}

impl Lanes {
    /// The lanes of some sources that stand at one place. Pick k is a source and a lane of it; `members` are the new places in the
    /// block. Between pauses (`running`) all registers of the top frame are kept, and of the frame that is to draw its choice again
    /// if lanes leave meanwhile; else those that are read later.
    pub fn collect(
        code: &Code,
        sources: &[Source<'_>],
        picks: &[(u32, u32)],
        members: Vec<u32>,
        running: bool,
    ) -> Lanes {
        let count = picks.len();
        let picked: Vec<u32> = picks.iter().map(|(_, lane)| *lane).collect();
        let mut segments = Vec::new();
        let mut start = 0;
        while start < count {
            let source = picks[start].0;
            let end = picks[start..].iter().position(|(s, _)| *s != source).map_or(count, |n| start + n);
            segments.push(Segment { source: sources[source as usize], lanes: &picked[start..end] });
            start = end;
        }
        let Some(first) = segments.first() else { return Lanes::default() };
        let frames = first.source.frames().to_vec();
        let (num_top, obj_top) = match first.source {
            Source::Lanes(lanes) => (lanes.num_top, lanes.obj_top),
            Source::Machine(machine) => (machine.num_top, machine.obj_top),
        };
        let draws_again = match first.source {
            Source::Lanes(lanes) if !mutant!("what is drawn again lost its parameters", true, false) => {
                lanes.recording.as_ref().map(|(depth, _)| depth - 1)
            }
            _ => None,
        };
        let mut nums = vec![Column::default(); num_top];
        let mut objs = vec![Objects::default(); obj_top];
        for (depth, frame) in frames.iter().enumerate() {
            let func = &code.funcs[frame.func as usize];
            let (num_base, obj_base) = (frame.num_base as usize, frame.obj_base as usize);
            let keep_all = running && (depth + 1 == frames.len() || draws_again == Some(depth));
            match live_at(code, frame.func, frame.pc).filter(|_| !keep_all) {
                Some(live) => {
                    for n in &live.nums {
                        nums[num_base + *n as usize] = column(&segments, count, num_base + *n as usize);
                    }
                    for o in &live.objs {
                        objs[obj_base + *o as usize] = objects(&segments, count, obj_base + *o as usize);
                    }
                }
                None => {
                    for (n, to) in nums.iter_mut().enumerate().skip(num_base).take(func.num_size as usize) {
                        *to = column(&segments, count, n);
                    }
                    for (o, to) in objs.iter_mut().enumerate().skip(obj_base).take(func.obj_size as usize) {
                        *to = objects(&segments, count, o);
                    }
                }
            }
            for (n, bits) in &func.number_constants {
                nums[num_base + *n as usize].set(*bits);
            }
        }
        Lanes {
            count,
            members,
            nums,
            objs,
            num_top,
            obj_top,
            frames,
            steps: segments.iter().map(|segment| segment.source.steps()).max().unwrap_or(0),
            ..Lanes::default()
        }
    }

    /// The lanes of which this holds, at a pause.
    pub fn some(&self, code: &Code, holds: impl Fn(usize) -> bool) -> Lanes {
        let picks: Vec<(u32, u32)> = (0..self.count).filter(|lane| holds(*lane)).map(|lane| (0, lane as u32)).collect();
        let members = picks.iter().map(|(_, lane)| self.members[*lane as usize]).collect();
        Lanes::collect(code, &[Source::Lanes(self)], &picks, members, false)
    }

    /// Some of the lanes, between pauses.
    pub(super) fn part(&self, code: &Code, lanes: &[u32]) -> Lanes {
        let picks: Vec<(u32, u32)> = lanes.iter().map(|lane| (0, *lane)).collect();
        let members = lanes.iter().map(|lane| self.members[*lane as usize]).collect();
        let mut part = Lanes::collect(code, &[Source::Lanes(self)], &picks, members, true);
        let pick = |generators: &[super::Generator]| -> Vec<super::Generator> {
            if generators.is_empty() {
                Vec::new()
            } else {
                lanes.iter().map(|lane| generators[*lane as usize]).collect()
            }
        };
        part.generators = pick(&self.generators);
        part.recording = self.recording.as_ref().map(|(depth, generators)| (*depth, pick(generators)));
        part.heavy = self.heavy;
        part
    }

    /// The groups that go on at each of these places of the top frame.
    pub fn parted(&self, code: &Code, places: &[u32]) -> Vec<Lanes> {
        let mut targets: Vec<u32> = places.to_vec();
        targets.sort_unstable();
        targets.dedup();
        targets
            .into_iter()
            .map(|target| {
                let lanes: Vec<u32> = (0..self.count as u32).filter(|lane| places[*lane as usize] == target).collect();
                let mut part = self.part(code, &lanes);
                if let Some(frame) = part.frames.last_mut() {
                    frame.pc = code.text.place(frame.func, target);
                }
                part
            })
            .collect()
    }
}
