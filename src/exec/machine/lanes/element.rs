//! Instructions on objects: done once where all lanes agree, once for each of a few values, or lane by lane.
//!
//! A lane is loaded into a frame of one run and the interpreter's own operation is applied there, so every instruction that neither
//! pauses nor jumps is known to lanes.

use super::super::code::*;
use super::super::frame::{fetch, object, wrong};
use super::super::liveness::{Access, accesses};
use super::super::run::out_of_range;
use super::super::{general, lift, scalar};
use super::column::{Column, Objects};
use super::{Lanes, Loss};
use crate::prim::Body;
use crate::value::{Fault, Generator, Value};
use std::sync::Arc;

/// A frame of one run, into which lanes are loaded in turn, and lists that are reused.
#[derive(Clone, Debug, Default)]
pub struct Scratch {
    nums: Vec<u64>,
    objs: Vec<Value>,
    printed: String,
    read_nums: Vec<Num>,
    read_objs: Vec<Obj>,
}

/// Elements of arrays that the lanes of a block may make at once; beyond, runs go on one by one.
const LARGEST: usize = 1 << 22;

enum Mode {
    Once,
    Distinct(usize, Arc<Vec<u32>>),
    Lanes,
}

/// Where an instruction writes, and the register that it changes in place.
fn target(func: &FuncCode, instr: Instr) -> (Slot, Option<Obj>) {
    match instr {
        Instr::AppendR { a, .. }
        | Instr::AppendI { a, .. }
        | Instr::AppendB { a, .. }
        | Instr::AppendV { a, .. }
        | Instr::SetR { a, .. }
        | Instr::SetI { a, .. }
        | Instr::SetV { a, .. } => (Slot::Unit, Some(a & INDEX)),
        Instr::General { general } => {
            let general = &func.generals[general as usize];
            match general.kind {
                GeneralKind::Update(update) => (Slot::Unit, Some(func.updates[update as usize].root & INDEX)),
                _ => (general.d, None),
            }
        }
        Instr::Native { native } => (func.natives[native as usize].d, None),
        Instr::Lift { lift } => (Slot::Obj(func.lifts[lift as usize].d), None),
        Instr::Make { make } => (Slot::Obj(func.makes[make as usize].d), None),
        Instr::IndexV { d, .. }
        | Instr::IndexM { d, .. }
        | Instr::NewArray { d, .. }
        | Instr::FieldO { d, .. }
        | Instr::PayloadO { d, .. } => (Slot::Obj(d), None),
        Instr::Len { d, .. }
        | Instr::IndexR { d, .. }
        | Instr::IndexI { d, .. }
        | Instr::IndexB { d, .. }
        | Instr::Index2 { d, .. }
        | Instr::FieldN { d, .. }
        | Instr::PayloadN { d, .. }
        | Instr::Tag { d, .. }
        | Instr::AddI { d, .. }
        | Instr::SubI { d, .. }
        | Instr::MulI { d, .. }
        | Instr::NegI { d, .. }
        | Instr::PowI { d, .. }
        | Instr::RemI { d, .. } => (Slot::Int(d), None),
        _ => (Slot::Unit, None),
    }
}

/// The bank index of a slot that holds a number.
fn number_of(slot: Slot) -> Option<usize> {
    match slot {
        Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => Some(n as usize),
        _ => None,
    }
}

/// One instruction on the registers of one run.
fn apply(
    func: &FuncCode,
    instr: Instr,
    nums: &mut [u64],
    objs: &mut [Value],
    printed: &mut String,
    generator: &mut Generator,
) -> Result<(), Fault> {
    let constants = func.constants.as_slice();
    macro_rules! element {
        ($variant:ident, $d:expr, $a:expr, $i:expr, |$x:ident| $bits:expr) => {{
            let i = nums[$i as usize] as i64;
            match object(objs, constants, $a) {
                Value::$variant(xs) => match xs.get(i as usize) {
                    Some($x) => nums[$d as usize] = $bits,
                    None => return Err(out_of_range(i, xs.len())),
                },
                other => return Err(wrong("an array", other)),
            }
        }};
    }
    macro_rules! unique {
        ($variant:ident, $a:expr) => {
            match &mut objs[($a & INDEX) as usize] {
                Value::$variant(xs) => Arc::make_mut(xs),
                other => return Err(wrong("an array", other)),
            }
        };
    }
    macro_rules! set {
        ($variant:ident, $a:expr, $i:expr, $x:expr) => {{
            let (i, x) = (nums[$i as usize] as i64, $x);
            let xs = unique!($variant, $a);
            match xs.get_mut(i as usize) {
                Some(place) => *place = x,
                None => return Err(out_of_range(i, xs.len())),
            }
        }};
    }
    let int = |nums: &[u64], n: Num| nums[n as usize] as i64;
    match instr {
        Instr::AddI { d, a, b } => nums[d as usize] = scalar::add(int(nums, a), int(nums, b))? as u64,
        Instr::SubI { d, a, b } => nums[d as usize] = scalar::subtract(int(nums, a), int(nums, b))? as u64,
        Instr::MulI { d, a, b } => nums[d as usize] = scalar::multiply(int(nums, a), int(nums, b))? as u64,
        Instr::NegI { d, a } => nums[d as usize] = scalar::negate(int(nums, a))? as u64,
        Instr::PowI { d, a, b } => nums[d as usize] = scalar::integer_power(int(nums, a), int(nums, b))? as u64,
        Instr::RemI { d, a, b } => nums[d as usize] = scalar::integer_remainder(int(nums, a), int(nums, b))? as u64,
        Instr::Len { d, a } => match object(objs, constants, a).array_len() {
            Some(n) => nums[d as usize] = n as u64,
            None => return Err(wrong("an array", object(objs, constants, a))),
        },
        Instr::IndexR { d, a, i } => element!(Reals, d, a, i, |x| x.to_bits()),
        Instr::IndexI { d, a, i } => element!(Ints, d, a, i, |x| *x as u64),
        Instr::IndexB { d, a, i } => element!(Bools, d, a, i, |x| u64::from(*x)),
        Instr::IndexV { d, a, i } => {
            let i = int(nums, i);
            let value = match object(objs, constants, a) {
                Value::Values(xs) => xs.get(i as usize).cloned().ok_or_else(|| out_of_range(i, xs.len()))?,
                other => return Err(wrong("an array", other)),
            };
            objs[d as usize] = value;
        }
        Instr::IndexM { d, a, i } => {
            let i = int(nums, i);
            let value = match object(objs, constants, a) {
                Value::Matrix(m) if (i as usize) < m.rows => Value::reals(m.row(i as usize).to_vec()),
                Value::Matrix(m) => return Err(out_of_range(i, m.rows)),
                other => return Err(wrong("a matrix", other)),
            };
            objs[d as usize] = value;
        }
        Instr::Index2 { d, a, i, j } => {
            let (i, j) = (int(nums, i), int(nums, j));
            match object(objs, constants, a) {
                Value::Matrix(m) if i as usize >= m.rows => return Err(out_of_range(i, m.rows)),
                Value::Matrix(m) if j as usize >= m.cols => return Err(out_of_range(j, m.cols)),
                Value::Matrix(m) => nums[d as usize] = m.at(i as usize, j as usize).to_bits(),
                other => return Err(wrong("a matrix", other)),
            }
        }
        Instr::NewArray { d, n, kind } => objs[d as usize] = general::empty_array(kind, int(nums, n))?,
        Instr::AppendR { a, x } => unique!(Reals, a).push(f64::from_bits(nums[x as usize])),
        Instr::AppendI { a, x } => unique!(Ints, a).push(int(nums, x)),
        Instr::AppendB { a, x } => unique!(Bools, a).push(nums[x as usize] != 0),
        Instr::AppendV { a, x } => {
            let value = fetch(objs, constants, x);
            unique!(Values, a).push(value);
        }
        Instr::SetR { a, i, x } => set!(Reals, a, i, f64::from_bits(nums[x as usize])),
        Instr::SetI { a, i, x } => set!(Ints, a, i, int(nums, x)),
        Instr::SetV { a, i, x } => set!(Values, a, i, fetch(objs, constants, x)),
        Instr::FieldN { d, a, k } => {
            nums[d as usize] = general::bits(field(object(objs, constants, a), k)?);
        }
        Instr::FieldO { d, a, k } => objs[d as usize] = field(object(objs, constants, a), k)?.clone(),
        Instr::PayloadN { d, a, k } => match object(objs, constants, a) {
            Value::Variant(v) => nums[d as usize] = general::bits(&v.fields[k as usize]),
            other => return Err(wrong("a variant", other)),
        },
        Instr::PayloadO { d, a, k } => {
            let value = match object(objs, constants, a) {
                Value::Variant(v) => v.fields[k as usize].clone(),
                other => return Err(wrong("a variant", other)),
            };
            objs[d as usize] = value;
        }
        Instr::Tag { d, a } => match object(objs, constants, a) {
            Value::Variant(v) => nums[d as usize] = u64::from(v.tag),
            other => return Err(wrong("a variant", other)),
        },
        Instr::Make { make } => general::make(&func.makes[make as usize], nums, objs, constants),
        Instr::General { general } => general::run(func, general, nums, objs, printed)?,
        Instr::Native { native } => {
            general::native(&func.natives[native as usize], nums, objs, constants, generator)?;
        }
        Instr::Lift { lift } => lift::run(&func.lifts[lift as usize], nums, objs, constants)?,
        other => return Err(Fault::internal(format!("{other:?} is not done lane by lane"))),
    }
    Ok(())
}

fn field(value: &Value, k: u16) -> Result<&Value, Fault> {
    match value {
        Value::Record(r) => Ok(&r.fields[k as usize]),
        Value::Tuple(t) => Ok(&t.0[k as usize]),
        other => Err(wrong("a record", other)),
    }
}

fn is_draw(func: &FuncCode, instr: Instr) -> bool {
    matches!(instr, Instr::Native { native } if matches!(
        func.natives[native as usize].body,
        Body::DrawReal0(_) | Body::DrawReal1(_) | Body::DrawReal2(_) | Body::Draw(_) | Body::DrawIndex(..)
    ))
}

impl Lanes {
    /// How often an instruction that reads these registers has to be done.
    fn mode(&self, num_base: usize, obj_base: usize, nums: &[Num], objs: &[Obj]) -> Mode {
        if nums.iter().any(|n| self.nums[num_base + *n as usize].varying) {
            return Mode::Lanes;
        }
        let mut mode = Mode::Once;
        for o in objs {
            match (&self.objs[obj_base + (*o & INDEX) as usize], &mode) {
                (Objects::Same(_), _) => {}
                (Objects::Few { values, which }, Mode::Once) => {
                    mode = Mode::Distinct(values.len(), Arc::clone(which));
                }
                (Objects::Few { which, .. }, Mode::Distinct(_, other)) if Arc::ptr_eq(which, other) => {}
                _ => return Mode::Lanes,
            }
        }
        mode
    }

    /// Does an instruction that neither pauses nor jumps, in the frame whose registers begin at these bases. Gives the lanes in which
    /// it faulted.
    pub(super) fn element(
        &mut self,
        func: &FuncCode,
        instr: Instr,
        num_base: usize,
        obj_base: usize,
    ) -> Vec<(u32, Loss)> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let losses = self.element_with(func, instr, num_base, obj_base, &mut scratch);
        self.scratch = scratch;
        losses
    }

    fn element_with(
        &mut self,
        func: &FuncCode,
        instr: Instr,
        num_base: usize,
        obj_base: usize,
        scratch: &mut Scratch,
    ) -> Vec<(u32, Loss)> {
        let count = self.count;
        let Scratch { nums, objs, printed, read_nums, read_objs } = scratch;
        nums.resize(nums.len().max(func.num_size as usize), 0);
        objs.resize(objs.len().max(func.obj_size as usize), Value::Unit);
        read_nums.clear();
        read_objs.clear();
        accesses(func, instr, &mut |access| match access {
            Access::ReadN(n) if !read_nums.contains(&n) => read_nums.push(n),
            Access::ReadO(o) if o & CONST == 0 && !read_objs.iter().any(|p| p & INDEX == o & INDEX) => {
                read_objs.push(o);
            }
            _ => {}
        });
        let (d, root) = target(func, instr);
        let draws = is_draw(func, instr);
        let mode = if draws { Mode::Lanes } else { self.mode(num_base, obj_base, read_nums, read_objs) };
        let (rounds, which, by_lane) = match mode {
            Mode::Once => (1, None, false),
            Mode::Distinct(values, which) => (values, Some(which), false),
            Mode::Lanes => (count, None, true),
        };
        if let Some(root) = root
            && by_lane
        {
            self.objs[obj_base + root as usize].spread(count);
        }
        for n in read_nums.iter() {
            nums[*n as usize] = self.nums[num_base + *n as usize].bits;
        }
        let varying: Vec<Num> =
            read_nums.iter().copied().filter(|n| self.nums[num_base + *n as usize].varying).collect();
        let mut results = Vec::new();
        let mut values = Vec::new();
        let mut losses = Vec::new();
        let mut generator = Generator::default();
        for k in 0..rounds {
            for n in &varying {
                nums[*n as usize] = self.nums[num_base + *n as usize].lanes[k];
            }
            for o in read_objs.iter() {
                let at = (*o & INDEX) as usize;
                let may_take = *o & TAKE != 0 || root == Some(*o & INDEX);
                let register = &mut self.objs[obj_base + at];
                objs[at] = match register {
                    Objects::Same(value) if rounds == 1 && may_take => std::mem::take(value),
                    Objects::Same(value) => value.clone(),
                    Objects::Few { values, .. } if which.is_some() && may_take => std::mem::take(&mut values[k]),
                    Objects::Few { values, .. } if which.is_some() => values[k].clone(),
                    Objects::Few { values, which } => values[which[k] as usize].clone(),
                    Objects::Each(values) if may_take => std::mem::take(&mut values[k]),
                    Objects::Each(values) => values[k].clone(),
                };
            }
            let done = if draws {
                let generator = &mut self.generators[k];
                apply(func, instr, nums, objs, printed, generator)
            } else {
                apply(func, instr, nums, objs, printed, &mut generator)
            };
            if let Some(root) = root {
                let value = std::mem::take(&mut objs[root as usize]);
                match &mut self.objs[obj_base + root as usize] {
                    Objects::Same(place) => *place = value,
                    Objects::Few { values, .. } | Objects::Each(values) => values[k] = value,
                }
            }
            if let Err(fault) = done {
                let fault = Box::new(fault);
                match &which {
                    Some(which) => {
                        let lanes = which.iter().enumerate().filter(|(_, w)| **w as usize == k);
                        losses.extend(lanes.map(|(lane, _)| (lane as u32, Loss::Fault(fault.clone()))));
                    }
                    None if by_lane => losses.push((k as u32, Loss::Fault(fault))),
                    None => losses.extend((0..count as u32).map(|lane| (lane, Loss::Fault(fault.clone())))),
                }
            }
            if let Some(n) = number_of(d) {
                results.push(nums[n]);
            } else if let Slot::Obj(o) = d {
                values.push(std::mem::take(&mut objs[(o & INDEX) as usize]));
            }
        }
        for o in read_objs.iter() {
            objs[(*o & INDEX) as usize] = Value::Unit;
        }
        if by_lane {
            let sample = root.map(|root| self.objs[obj_base + root as usize].at(0)).or(values.first());
            if sample.and_then(Value::array_len).is_some_and(|n| n * count > LARGEST) {
                self.heavy = true;
            }
        }
        if let Some(n) = number_of(d) {
            let column = &mut self.nums[num_base + n];
            match which {
                Some(which) => {
                    column.lanes.clear();
                    column.lanes.extend(which.iter().map(|k| results[*k as usize]));
                    column.varying = true;
                }
                None if !by_lane => column.set(results[0]),
                None => *column = Column { varying: true, bits: 0, lanes: results },
            }
        } else if let Slot::Obj(o) = d {
            self.objs[obj_base + (o & INDEX) as usize] = match which {
                Some(which) => Objects::Few { values, which },
                None if !by_lane => Objects::Same(values.swap_remove(0)),
                None => Objects::Each(values),
            };
        }
        losses.sort_by_key(|(lane, _)| *lane);
        losses
    }
}
