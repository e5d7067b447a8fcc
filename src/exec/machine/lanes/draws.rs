//! Primitive draws, each lane from its own stream.

use super::super::code::*;
use super::column::{Column, Objects};
use super::{Context, Lanes, pool};
use crate::prim::{Body, Weights};
use crate::value::{Fault, Value};
use std::sync::Arc;

impl Lanes {
    /// Does a primitive draw of numbers in all lanes, if it is of a kind that is done here. Gives the lanes whose parameters have no
    /// meaning, which are left to the interpreter's words.
    pub(super) fn draw(
        &mut self,
        context: &Context<'_>,
        native: &Native,
        constants: &[Value],
        num_base: usize,
        obj_base: usize,
    ) -> Option<Vec<(u32, Fault)>> {
        let (Slot::Real(d) | Slot::Int(d)) = native.d else { return None };
        let number = |k: usize| match native.args.get(k) {
            Some(Slot::Real(n) | Slot::Int(n) | Slot::Bool(n)) => Some(num_base + *n as usize),
            _ => None,
        };
        let mut out = pool::or_other(std::mem::take(&mut self.spare));
        out.clear();
        let mut refused: Vec<(u32, Fault)> = Vec::new();
        let (nums, generators) = (&self.nums, &mut self.generators);
        match native.body {
            Body::DrawReal0(f) => out.extend(generators.iter_mut().map(|g| f(g).to_bits())),
            Body::DrawReal1(f) => {
                let a = nums[number(0)?].operand();
                out.extend(generators.iter_mut().enumerate().map(|(k, g)| f(f64::from_bits(a.at(k)), g).to_bits()));
            }
            Body::DrawReal2(f) => {
                let (a, b) = (nums[number(0)?].operand(), nums[number(1)?].operand());
                out.extend(
                    generators
                        .iter_mut()
                        .enumerate()
                        .map(|(k, g)| f(f64::from_bits(a.at(k)), f64::from_bits(b.at(k)), g).to_bits()),
                );
            }
            Body::DrawIndex(_, look_over) if self.has_few(native, obj_base) => {
                let Some(Slot::Obj(o)) = native.args.first() else { return None };
                let one = [0u32];
                let (values, which) = match &self.objs[obj_base + (*o & INDEX) as usize] {
                    Objects::Few { values, which } => (values.as_slice(), which.as_slice()),
                    Objects::Same(value) => (std::slice::from_ref(value), one.as_slice()),
                    Objects::Each(_) => return None,
                };
                // The weights that no lane draws by need not be valid.
                let mut tables: Vec<Option<Weights>> = vec![None; values.len()];
                for (lane, generator) in self.generators.iter_mut().enumerate() {
                    let k = which[lane.min(which.len() - 1)] as usize;
                    let table = match &mut tables[k] {
                        Some(table) => &*table,
                        none => match look_over(&values[k]) {
                            Ok(table) => none.insert(table),
                            Err(fault) => {
                                refused.push((lane as u32, fault));
                                out.push(0);
                                continue;
                            }
                        },
                    };
                    out.push(table.draw(generator) as u64);
                }
            }
            Body::Draw(f) | Body::DrawIndex(f, _) => {
                let is_real = matches!(native.d, Slot::Real(_));
                // Of one array of a few the arguments are made once each; else they stay in place from lane to lane, and only those
                // that differ are exchanged.
                let few = match native.args.as_slice() {
                    [Slot::Obj(o)] if *o & CONST == 0 => match &self.objs[obj_base + (*o & INDEX) as usize] {
                        Objects::Few { values, which } => Some((values.as_slice(), Arc::clone(which))),
                        _ => None,
                    },
                    _ => None,
                };
                let mut args: Vec<Value> = match few {
                    Some(_) => Vec::new(),
                    None => native.args.iter().map(|s| self.value_of(*s, constants, 0, num_base, obj_base)).collect(),
                };
                for k in 0..self.count {
                    if k > 0 && few.is_none() {
                        for (slot, arg) in native.args.iter().zip(&mut args) {
                            if self.differs(*slot, k, num_base, obj_base) {
                                *arg = self.value_of(*slot, constants, k, num_base, obj_base);
                            }
                        }
                    }
                    let args = match &few {
                        Some((values, which)) => std::slice::from_ref(&values[which[k] as usize]),
                        None => args.as_slice(),
                    };
                    let bits = match f(args, &mut self.generators[k]) {
                        Ok(Value::Int(n)) if is_real => (n as f64).to_bits(),
                        Ok(value) => super::super::general::bits(&value),
                        Err(fault) => {
                            refused.push((k as u32, fault));
                            0
                        }
                    };
                    out.push(bits);
                }
            }
            _ => return None,
        }
        if matches!(native.d, Slot::Real(_)) {
            for (k, bits) in out.iter().enumerate() {
                if f64::from_bits(*bits).is_nan() && !refused.iter().any(|(lane, _)| *lane == k as u32) {
                    refused.push((k as u32, super::super::general::no_meaning(native)));
                }
            }
            refused.sort_by_key(|(lane, _)| *lane);
        }
        debug_assert_eq!(out.len(), self.count, "{}", context.first);
        let column = &mut self.nums[num_base + d as usize];
        self.spare = std::mem::replace(column, Column { varying: true, bits: 0, lanes: out }).lanes;
        Some(refused)
    }

    /// Whether the one argument of a primitive is an object of which lanes hold one or a few.
    fn has_few(&self, native: &Native, obj_base: usize) -> bool {
        match (native.args.as_slice(), native.d) {
            ([Slot::Obj(o)], Slot::Int(_)) if *o & CONST == 0 => {
                !matches!(self.objs[obj_base + (*o & INDEX) as usize], Objects::Each(_))
            }
            _ => false,
        }
    }

    /// The value of an operand in a lane.
    pub(super) fn value_of(
        &self,
        slot: Slot,
        constants: &[Value],
        lane: usize,
        num_base: usize,
        obj_base: usize,
    ) -> Value {
        match slot {
            Slot::Unit => Value::Unit,
            Slot::Obj(o) if o & CONST != 0 => constants[(o & INDEX) as usize].clone(),
            Slot::Obj(o) => self.objs[obj_base + (o & INDEX) as usize].at(lane).clone(),
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => {
                super::super::frame::to_value(slot, self.nums[num_base + n as usize].at(lane))
            }
        }
    }

    /// Whether an operand in a lane is another than in the lane before.
    fn differs(&self, slot: Slot, lane: usize, num_base: usize, obj_base: usize) -> bool {
        match slot {
            Slot::Unit => false,
            Slot::Obj(o) if o & CONST != 0 => false,
            Slot::Obj(o) => match &self.objs[obj_base + (o & INDEX) as usize] {
                Objects::Same(_) => false,
                Objects::Few { which, .. } => which[lane] != which[lane - 1],
                Objects::Each(_) => true,
            },
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => self.nums[num_base + n as usize].varying,
        }
    }
}
