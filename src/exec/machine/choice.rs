//! What a driver may ask of a machine that is paused at a choice or at a function of the host.

use super::address;
use super::code::*;
use super::frame::{Event, Frame, Machine, load, object, store, wrong};
use crate::value::{DistValue, Domain, Fault, Value};
use std::sync::Arc;

/// What is asked of the distribution of a choice.
pub(super) enum Member {
    Sample,
    Support,
    Logp(Value),
}

/// The arguments of the distributions of a list of choices, to see whether they changed.
#[derive(Clone, Debug, Default)]
pub struct Arguments {
    nums: Vec<u64>,
    objs: Vec<Value>,
    /// Where those of each choice end.
    ends: Vec<(u32, u32)>,
}

impl Arguments {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.nums.clear();
        self.objs.clear();
        self.ends.clear();
    }

    /// Ends the arguments of a choice.
    pub fn end(&mut self) {
        self.ends.push((self.nums.len() as u32, self.objs.len() as u32));
    }

    fn of(&self, choice: usize) -> Option<(&[u64], &[Value])> {
        let (nums, objs) = *self.ends.get(choice)?;
        let (first, second) = choice.checked_sub(1).map_or((0, 0), |k| self.ends[k]);
        Some((&self.nums[first as usize..nums as usize], &self.objs[second as usize..objs as usize]))
    }

    /// Whether choice `a` of this list has the arguments that choice `b` has in the other.
    pub fn same_at(&self, a: usize, other: &Arguments, b: usize) -> bool {
        match (self.of(a), other.of(b)) {
            (Some((nums, objs)), Some((old_nums, old_objs))) => {
                nums == old_nums
                    && objs.len() == old_objs.len()
                    && objs.iter().zip(old_objs).all(|(new, old)| crate::value::same(new, old))
            }
            _ => false,
        }
    }
}

impl Machine {
    /// Pushes a member of the distribution of a choice.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn push_choice(
        &mut self,
        code: &Code,
        func: u32,
        sample: u32,
        member: Member,
        d: Slot,
        sampler: bool,
        host: bool,
    ) -> Result<(), Fault> {
        let caller = self.frames[self.frames.len() - 1];
        let info = &code.funcs[func as usize].samples[sample as usize];
        let dist = match &info.dist {
            DistArg::Known { dist, .. } => *dist,
            DistArg::Value(o) => self.dist_value(code, func, caller, *o)?.dist,
        };
        let target = match member {
            Member::Sample => code.dists[dist as usize].sample,
            Member::Support => code.dists[dist as usize].support,
            Member::Logp(_) => Some(code.dists[dist as usize].logp),
        };
        let Some(target) = target else {
            let name = code.dists[dist as usize].name;
            return Err(Fault::error(match member {
                Member::Support => format!("the support of `{name}` is not known"),
                _ => format!("`{name}` cannot be sampled"),
            })
            .hint("a distribution without `sample`, such as `Flat`, can be inferred but not drawn from"));
        };
        let extra: &[Value] = match &member {
            Member::Logp(value) => std::slice::from_ref(value),
            _ => &[],
        };
        match &info.dist {
            DistArg::Known { args, .. } => {
                self.push(code, target, d, caller.address, sampler, host)?;
                self.pass(code, target, func, caller.num_base as usize, caller.obj_base as usize, args);
                if let [value] = extra {
                    let frame = self.frames[self.frames.len() - 1];
                    let slot = code.funcs[target as usize].params.last().copied().unwrap_or(Slot::Unit);
                    store(
                        &mut self.nums[frame.num_base as usize..],
                        &mut self.objs[frame.obj_base as usize..],
                        slot,
                        value.clone(),
                    )?;
                }
            }
            DistArg::Value(o) => {
                let dist = self.dist_value(code, func, caller, *o)?;
                self.push(code, target, d, caller.address, sampler, host)?;
                self.pass_values(code, target, &dist.args, extra)?;
            }
        }
        Ok(())
    }

    fn dist_value(&self, code: &Code, func: u32, frame: Frame, o: Obj) -> Result<Arc<DistValue>, Fault> {
        match object(&self.objs[frame.obj_base as usize..], &code.funcs[func as usize].constants, o) {
            Value::Dist(dist) => Ok(Arc::clone(dist)),
            other => Err(wrong("a distribution", other)),
        }
    }

    /// Runs a nested call to its end: nothing in it may pause.
    fn nested(&mut self, code: &Code) -> Result<Value, Fault> {
        match self.run(code)? {
            Event::Returned => Ok(std::mem::take(&mut self.returned)),
            other => Err(Fault::internal(format!("a nested call paused at {other:?}"))),
        }
    }

    /// The log density of a value at the choice where the machine is paused.
    pub fn choice_logp(&mut self, code: &Code, func: u32, sample: u32, value: &Value) -> Result<f64, Fault> {
        self.push_choice(code, func, sample, Member::Logp(value.clone()), Slot::Unit, true, true)?;
        match self.nested(code)? {
            Value::Real(x) => Ok(x),
            other => Err(wrong("a log density", &other)),
        }
    }

    /// The support at the choice where the machine is paused.
    pub fn choice_support(&mut self, code: &Code, func: u32, sample: u32) -> Result<Arc<Domain>, Fault> {
        self.push_choice(code, func, sample, Member::Support, Slot::Unit, true, true)?;
        match self.nested(code)? {
            Value::Domain(domain) => Ok(domain),
            other => Err(wrong("a domain", &other)),
        }
    }

    /// A draw at the choice where the machine is paused, with the machine's generator; the machine stays there.
    pub fn choice_draw(&mut self, code: &Code, func: u32, sample: u32) -> Result<Value, Fault> {
        self.push_choice(code, func, sample, Member::Sample, Slot::Unit, true, true)?;
        self.nested(code)
    }

    /// Lets the machine draw the choice where it is paused, as it goes on.
    pub fn enter_sampler(&mut self, code: &Code, func: u32, sample: u32) -> Result<(), Fault> {
        let d = code.funcs[func as usize].samples[sample as usize].d;
        self.push_choice(code, func, sample, Member::Sample, d, true, false)
    }

    /// Whether the distribution at the choice where the machine is paused can be drawn from.
    pub fn can_draw(&self, code: &Code, func: u32, sample: u32) -> bool {
        let frame = self.frames[self.frames.len() - 1];
        match &code.funcs[func as usize].samples[sample as usize].dist {
            DistArg::Known { dist, args } => {
                let objs = &self.objs[frame.obj_base as usize..];
                let constants = &code.funcs[func as usize].constants;
                code.dists[*dist as usize].sample.is_some()
                    && args.objs.iter().all(|o| self.can_draw_part(code, object(objs, constants, *o)))
            }
            DistArg::Value(o) => {
                self.dist_value(code, func, frame, *o).is_ok_and(|dist| self.can_draw_value(code, &dist))
            }
        }
    }

    /// A distribution of distributions can be drawn from when its parts can.
    fn can_draw_value(&self, code: &Code, dist: &DistValue) -> bool {
        code.dists[dist.dist as usize].sample.is_some() && dist.args.iter().all(|part| self.can_draw_part(code, part))
    }

    fn can_draw_part(&self, code: &Code, part: &Value) -> bool {
        match part {
            Value::Dist(inner) => self.can_draw_value(code, inner),
            Value::Values(items) => match items.first() {
                Some(Value::Dist(inner)) => self.can_draw_value(code, inner),
                _ => true,
            },
            _ => true,
        }
    }

    /// Appends the distribution of the choice where the machine is paused, and its arguments, to a list.
    #[inline]
    pub fn choice_arguments(&self, code: &Code, func: u32, sample: u32, to: &mut Arguments) -> Result<(), Fault> {
        let frame = self.frames[self.frames.len() - 1];
        let func = &code.funcs[func as usize];
        let nums = &self.nums[frame.num_base as usize..];
        let objs = &self.objs[frame.obj_base as usize..];
        match &func.samples[sample as usize].dist {
            DistArg::Known { dist, args } => {
                to.nums.push(u64::from(*dist));
                to.nums.extend(args.nums.iter().map(|n| nums[*n as usize]));
                to.objs.extend(args.objs.iter().map(|o| object(objs, &func.constants, *o).clone()));
            }
            DistArg::Value(o) => to.objs.push(object(objs, &func.constants, *o).clone()),
        }
        Ok(())
    }

    /// The distribution of the choice where the machine is paused, and its arguments in the order of its parameters.
    pub fn choice_distribution(&self, code: &Code, func: u32, sample: u32) -> Result<(u32, Vec<Value>), Fault> {
        let frame = self.frames[self.frames.len() - 1];
        let caller = &code.funcs[func as usize];
        match &caller.samples[sample as usize].dist {
            DistArg::Known { dist, args } => {
                let nums = &self.nums[frame.num_base as usize..];
                let objs = &self.objs[frame.obj_base as usize..];
                let logp = &code.funcs[code.dists[*dist as usize].logp as usize];
                let (mut numbers, mut objects) = (args.nums.iter(), args.objs.iter());
                let params = logp.params.len().saturating_sub(1);
                let mut number = || numbers.next().map_or(0, |n| nums[*n as usize]);
                let args = logp.params[..params].iter().map(|slot| match slot {
                    Slot::Unit => Value::Unit,
                    Slot::Real(_) => Value::Real(f64::from_bits(number())),
                    Slot::Int(_) => Value::Int(number() as i64),
                    Slot::Bool(_) => Value::Bool(number() != 0),
                    Slot::Obj(_) => {
                        objects.next().map(|o| object(objs, &caller.constants, *o).clone()).unwrap_or_default()
                    }
                });
                Ok((*dist, args.collect()))
            }
            DistArg::Value(o) => {
                let dist = self.dist_value(code, func, frame, *o)?;
                Ok((dist.dist, dist.args.clone()))
            }
        }
    }

    /// The address of the choice where the machine is paused.
    #[inline]
    pub fn choice_address(&self, code: &Code, func: u32, sample: u32) -> u64 {
        let info = &code.funcs[func as usize].samples[sample as usize];
        let frame = &self.frames[self.frames.len() - 1];
        address::of_site(frame.address, info.site, &info.path, &self.nums[frame.num_base as usize..])
    }

    /// The address of the weight where the machine is paused.
    #[inline]
    pub fn score_address(&self, code: &Code, func: u32, score: u32) -> u64 {
        let info = &code.funcs[func as usize].scores[score as usize];
        let frame = &self.frames[self.frames.len() - 1];
        address::of_site(frame.address, info.site, &info.path, &self.nums[frame.num_base as usize..])
    }

    /// Gives the choice where the machine is paused its value.
    #[inline]
    pub fn supply(&mut self, code: &Code, func: u32, sample: u32, value: Value) -> Result<(), Fault> {
        let d = code.funcs[func as usize].samples[sample as usize].d;
        let frame = self.frames[self.frames.len() - 1];
        store(&mut self.nums[frame.num_base as usize..], &mut self.objs[frame.obj_base as usize..], d, value)
    }

    /// Takes the arguments of the host function where the machine is paused: a value that the program reads no more is the
    /// function's own to change.
    pub fn host_args(&mut self, code: &Code, func: u32, host: u32) -> Vec<Value> {
        let frame = self.frames[self.frames.len() - 1];
        let func = &code.funcs[func as usize];
        let nums = &self.nums[frame.num_base as usize..];
        let objs = &mut self.objs[frame.obj_base as usize..];
        let slots = &func.hosts[host as usize].args;
        slots.iter().map(|slot| load(nums, objs, &func.constants, *slot)).collect()
    }

    /// Gives the host function where the machine is paused its result.
    pub fn supply_host(&mut self, code: &Code, func: u32, host: u32, value: Value) -> Result<(), Fault> {
        let d = code.funcs[func as usize].hosts[host as usize].d;
        let frame = self.frames[self.frames.len() - 1];
        store(&mut self.nums[frame.num_base as usize..], &mut self.objs[frame.obj_base as usize..], d, value)
    }
}
