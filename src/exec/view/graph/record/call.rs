//! Calls, choices and distributions of a recorded run.

use super::super::op::{MOST_STEPS, Place, Program, Step};
use super::super::raw::{Id, Raw, Shadow};
use super::super::whole::{Calls, Whole};
use super::{Done, Frame, MOST_FRAMES, Met, Number, Object, Recorder, Target, slot_kind};
use crate::exec::machine::address;
use crate::exec::machine::code::*;
use crate::exec::machine::general;
use crate::source::Name;
use crate::value::Value;

/// Paths of one function that are recorded; on others the machine runs it.
const MOST_PATHS: usize = 16;

impl<'a> Recorder<'a> {
    /// Enters the function that the recorded run starts with.
    pub fn begin(&mut self, func: u32, captures: &[Value]) -> Done {
        let captures = captures.iter().map(|value| Object::constant(value.clone())).collect();
        self.push(func, Vec::new(), captures, Slot::Unit, address::ROOT)
    }

    fn push(&mut self, func: u32, args: Vec<Object>, captures: Vec<Object>, d: Slot, address: u64) -> Done {
        if self.frames.len() >= MOST_FRAMES {
            return None;
        }
        let callee: &'a FuncCode = self.code.funcs.get(func as usize)?;
        let mut nums = vec![Number::default(); callee.num_size as usize];
        for (n, bits) in &callee.number_constants {
            nums[*n as usize].bits = *bits;
        }
        let objs = vec![Object::constant(Value::Unit); callee.obj_size as usize];
        self.frames.push(Frame { func: callee, pc: 0, nums, objs, address, d });
        let slots = callee.params.iter().zip(args).chain(callee.captures.iter().zip(captures));
        for (slot, object) in slots {
            self.store(*slot, object)?;
        }
        Some(())
    }

    /// Arguments in the order of the parameters of a function.
    pub(super) fn arguments(&mut self, func: u32, args: &Args) -> Option<Vec<Object>> {
        let params = &self.code.funcs.get(func as usize)?.params;
        self.sorted(params, args)
    }

    /// Arguments for these parameters.
    fn sorted(&mut self, params: &[Slot], args: &Args) -> Option<Vec<Object>> {
        let (mut nums, mut objs) = (args.nums.iter(), args.objs.iter());
        let mut out = Vec::with_capacity(params.len());
        for slot in params {
            out.push(match slot {
                Slot::Unit => Object::constant(Value::Unit),
                Slot::Obj(_) => self.fetch(*objs.next()?)?,
                _ => {
                    let number = self.number(*nums.next()?)?;
                    Object { value: slot_kind(*slot).value(number.bits), shadow: Shadow::of(number.node) }
                }
            });
        }
        Some(out)
    }

    /// Calls a function: as one node where it is a function of numbers or a log density, else by recording what it does.
    pub(super) fn enter(
        &mut self,
        func: u32,
        args: Vec<Object>,
        captures: Vec<Object>,
        d: Slot,
        address: u64,
        deterministic: bool,
    ) -> Done {
        if deterministic
            && captures.is_empty()
            && !self.plain
            && let Some(result) = self.as_one(func, &args)?
        {
            return self.store(d, result);
        }
        self.push(func, args, captures, d, address)
    }

    #[allow(clippy::option_option)]
    fn as_one(&mut self, func: u32, args: &[Object]) -> Option<Option<Object>> {
        if args.iter().all(|object| object.shadow.is_constant()) {
            return Some(None);
        }
        let callee = &self.code.funcs[func as usize];
        let numbers = args.iter().all(|object| matches!(object.value, Value::Real(_) | Value::Int(_) | Value::Bool(_)));
        let program = if numbers && Recorder::is_number(callee.result_type) {
            match self.program(func, args) {
                Some(program) => Some(program),
                None => return Some(None),
            }
        } else {
            let density = self.code.dists.iter().find(|dist| dist.logp == func);
            let apart = args.iter().any(|object| matches!(object.shadow, Shadow::Parts(_)));
            match density {
                Some(dist) if !(dist.lifted && apart) => None,
                _ => return Some(None),
            }
        };
        let values: Vec<Value> = args.iter().map(|object| object.value.clone()).collect();
        let mut calls = Calls { code: self.code, machine: &mut self.machine, limits: self.limits };
        let value = calls.call(func, &values, None).ok()?;
        let ids = self.nodes(args)?;
        let node = self.raw.add(Raw::Call { func, program, args: ids }, value.clone())?;
        Some(Some(Object { value, shadow: Shadow::Node(node) }))
    }

    fn nodes(&mut self, args: &[Object]) -> Option<Box<[Id]>> {
        args.iter().map(|object| self.raw.whole(&object.value, &object.shadow)).collect()
    }

    /// The program that a function of numbers takes at these arguments.
    fn program(&mut self, func: u32, args: &[Object]) -> Option<u32> {
        let bits: Vec<u64> = args.iter().map(|object| general::bits(&object.value)).collect();
        let mut locals = Vec::new();
        let known = self.programs.of_func(func);
        for number in known {
            if self.programs.all[*number as usize].run(|k| bits[k], &mut locals).is_some() {
                return Some(*number);
            }
        }
        if let [first, ..] = known
            && known.len() >= MOST_PATHS
        {
            return Some(*first);
        }
        if self.refused.contains(&func) {
            return None;
        }
        match record_program(self, func, args) {
            Some(program) => Some(self.programs.add_of_func(func, program)),
            None => {
                self.refused.insert(func);
                None
            }
        }
    }

    pub(super) fn member(&mut self, call: &MemberCall) -> Done {
        let dist = self.look(call.dist)?;
        let Value::Dist(value) = &dist.value else { return None };
        let mut args = call.args.iter().map(|slot| self.load(*slot)).collect::<Option<Vec<Object>>>()?;
        if let Shadow::Node(_) = dist.shadow {
            if call.member.as_str() != "logp" || args.len() != 1 {
                return None;
            }
            let item = args.pop()?;
            let operands = vec![(dist.value.clone(), dist.shadow.clone()), (item.value, item.shadow)];
            let result = self.operate(Whole::Logp, operands)?;
            return self.store(call.d, result);
        }
        let func = member_function(self.code, value.dist, call.member)?;
        let mut all = self.parts_of(&dist)?;
        all.append(&mut args);
        let address = self.frame()?.address;
        self.enter(func, all, Vec::new(), call.d, address, true)
    }

    pub(super) fn sample(&mut self, sample: &Sample) -> Done {
        if self.plain {
            return None;
        }
        let address = self.site_address(sample.site, &sample.path)?;
        let place = self.choices.len();
        let choice = self.trace.choices.get(place)?;
        if choice.address != address {
            return None;
        }
        let known = match &sample.dist {
            DistArg::Known { dist, args } => {
                let logp = self.code.dists[*dist as usize].logp;
                let params = &self.code.funcs[logp as usize].params;
                let args = self.sorted(params.split_last()?.1, args)?;
                Ok((*dist, args))
            }
            DistArg::Value(o) => {
                let object = self.look(*o)?;
                let Value::Dist(dist) = &object.value else { return None };
                if let Shadow::Node(node) = object.shadow {
                    Err(node)
                } else {
                    Ok((dist.dist, self.parts_of(&object)?))
                }
            }
        };
        let item = Object { value: choice.value.clone(), shadow: Shadow::Constant };
        let target = match &known {
            Ok((dist, args)) => Target::Known(*dist, self.nodes(args)?),
            Err(node) => Target::Node(*node),
        };
        let node = self.raw.add(Raw::Choice(place as u32), choice.value.clone())?;
        let mut density = 0;
        if !choice.forward {
            let item = Object { shadow: Shadow::Node(node), ..item.clone() };
            let (func, program, ids) = match &known {
                Ok((dist, args)) => {
                    let func = self.code.dists[*dist as usize].logp;
                    let mut all = args.clone();
                    all.push(item);
                    let number = |o: &Object| matches!(o.value, Value::Real(_) | Value::Int(_) | Value::Bool(_));
                    let program = if all.iter().all(number) { self.program(func, &all) } else { None };
                    (Some(func), program, self.nodes(&all)?)
                }
                Err(dist) => (None, None, Box::from([*dist, node])),
            };
            let raw = Raw::Density { choice: place as u32, func, program, args: ids };
            density = self.raw.add(raw, Value::Real(choice.logp))?;
        }
        self.choices.push(Met { site: sample.site, node, density, target });
        self.store(sample.d, Object { shadow: Shadow::Node(node), ..item })
    }
}

/// Records a function of numbers on its own.
fn record_program(outer: &Recorder<'_>, func: u32, args: &[Object]) -> Option<Program> {
    let mut inner = Recorder::new(outer.code, outer.trace, outer.limits);
    inner.plain = true;
    let mut inputs = Vec::with_capacity(args.len());
    for object in args {
        let node = inner.raw.add(Raw::Given, object.value.clone())?;
        inputs.push(Object { value: object.value.clone(), shadow: Shadow::Node(node) });
    }
    inner.push(func, inputs, Vec::new(), Slot::Unit, address::ROOT)?;
    let result = inner.run()?;
    let mut program = Program::default();
    let mut places: Vec<Place> = vec![Place::input(0)];
    for (k, node) in inner.raw.nodes.iter().enumerate().skip(1) {
        let place = match node {
            Raw::Given if k <= args.len() => Place::input(k - 1),
            Raw::Given => {
                program.constants.push(general::bits(&inner.raw.values[k]));
                Place::constant(program.constants.len() - 1)
            }
            Raw::Scalar(op, ids) => {
                program.steps.push(Step::Compute(*op, ids.map(|id| places[id as usize])));
                Place::local(program.steps.len() - 1)
            }
            Raw::Guard(id) => {
                let bits = general::bits(&inner.raw.values[*id as usize]);
                program.steps.push(Step::Assert(places[*id as usize], bits));
                Place::local(program.steps.len() - 1)
            }
            _ => return None,
        };
        places.push(place);
    }
    program.result = Some(match result.shadow {
        Shadow::Node(id) => places[id as usize],
        Shadow::Constant => {
            program.constants.push(general::bits(&result.value));
            Place::constant(program.constants.len() - 1)
        }
        Shadow::Parts(_) => return None,
    });
    (program.steps.len() <= MOST_STEPS && program.constants.len() <= MOST_STEPS).then_some(program)
}

/// The function of a member of a distribution.
fn member_function(code: &Code, dist: u32, member: Name) -> Option<u32> {
    let dist = code.dists.get(dist as usize)?;
    match member.as_str() {
        "logp" => Some(dist.logp),
        "sample" => dist.sample,
        "support" => dist.support,
        "check" => dist.check,
        _ => dist.members.iter().find(|(name, _)| *name == member).map(|(_, func)| *func),
    }
}
