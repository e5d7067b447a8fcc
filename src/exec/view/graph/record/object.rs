//! Objects of a recorded run: reading, making and updating them together with their shadows.

use super::super::op::{Kind, Op};
use super::super::raw::{Id, Parts, Shadow};
use super::super::whole::{self, Whole};
use super::{Done, Number, Object, Recorder, slot_kind};
use crate::core::ir;
use crate::core::{Type, TypeKind};
use crate::exec::machine::code::*;
use crate::exec::machine::general;
use crate::prim::Body;
use crate::value::{Closure, DistValue, Record, Value, Variant};
use std::sync::Arc;

/// A value with its shadow, as an operand.
type Operand = (Value, Shadow);

impl Recorder<'_> {
    /// An object, which stays where it is.
    pub(super) fn look(&mut self, o: Obj) -> Option<Object> {
        let frame = self.frame()?;
        Some(match o & CONST {
            0 => frame.objs[(o & INDEX) as usize].clone(),
            _ => Object::constant(frame.func.constants[(o & INDEX) as usize].clone()),
        })
    }

    /// An object, moved out where that is its last use.
    pub(super) fn fetch(&mut self, o: Obj) -> Option<Object> {
        if o & CONST == 0 && o & TAKE != 0 {
            let place = &mut self.frame()?.objs[(o & INDEX) as usize];
            return Some(std::mem::replace(place, Object::constant(Value::Unit)));
        }
        self.look(o)
    }

    pub(super) fn put(&mut self, o: Obj, object: Object) -> Done {
        self.frame()?.objs[(o & INDEX) as usize] = object;
        Some(())
    }

    /// The value in a slot.
    pub(super) fn load(&mut self, slot: Slot) -> Option<Object> {
        match slot {
            Slot::Unit => Some(Object::constant(Value::Unit)),
            Slot::Obj(o) => self.fetch(o),
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => {
                let number = self.number(n)?;
                Some(Object { value: slot_kind(slot).value(number.bits), shadow: Shadow::of(number.node) })
            }
        }
    }

    /// Writes a value into a slot of its type.
    pub(super) fn store(&mut self, slot: Slot, object: Object) -> Done {
        match slot {
            Slot::Unit => Some(()),
            Slot::Obj(o) => self.put(o, object),
            Slot::Real(n) | Slot::Int(n) | Slot::Bool(n) => {
                let value = match (slot, &object.value) {
                    (Slot::Real(_), Value::Int(x)) if object.shadow.is_constant() => Value::Real(*x as f64),
                    (Slot::Real(_), Value::Real(_)) | (Slot::Int(_), Value::Int(_)) => object.value.clone(),
                    (Slot::Bool(_), Value::Bool(_)) => object.value.clone(),
                    _ => return None,
                };
                let node = self.node_of(&object.shadow)?;
                self.set(n, Number { bits: general::bits(&value), node })
            }
        }
    }

    /// The values in slots.
    pub(super) fn values(&mut self, slots: &[Slot]) -> Option<Vec<Operand>> {
        slots.iter().map(|slot| self.load(*slot).map(|object| (object.value, object.shadow))).collect()
    }

    pub(super) fn integer(&mut self, n: Num) -> Option<Operand> {
        self.load(Slot::Int(n)).map(|object| (object.value, object.shadow))
    }

    /// The node of a number's shadow, 0 for a constant.
    pub(super) fn node_of(&self, shadow: &Shadow) -> Option<Id> {
        match shadow {
            Shadow::Constant => Some(0),
            Shadow::Node(id) => Some(*id),
            Shadow::Parts(_) => None,
        }
    }

    /// An operation on whole values; a node where some operand is influenced.
    pub(super) fn operate(&mut self, whole: Whole, args: Vec<Operand>) -> Option<Object> {
        let constant = args.iter().all(|(_, shadow)| shadow.is_constant());
        if constant {
            let values = args.into_iter().map(|(value, _)| value).collect();
            return self.apply(&whole, values).map(Object::constant);
        }
        if self.plain {
            return None;
        }
        let ids = args.iter().map(|(value, shadow)| self.raw.whole(value, shadow)).collect::<Option<Vec<Id>>>()?;
        let values = args.into_iter().map(|(value, _)| value).collect();
        let value = self.apply(&whole, values)?;
        let node = self.raw.operation(whole, ids, value.clone())?;
        Some(Object { value, shadow: Shadow::Node(node) })
    }

    /// Part `k` of an object.
    pub(super) fn part(&mut self, object: &Object, k: usize) -> Option<Object> {
        let value = whole::part(&object.value, k)?;
        match object.shadow.part(k) {
            Some(shadow) => Some(Object { value, shadow }),
            None => self.operate(Whole::Part(k as u32), vec![(object.value.clone(), object.shadow.clone())]),
        }
    }

    /// All parts of an object.
    pub(super) fn parts_of(&mut self, object: &Object) -> Option<Vec<Object>> {
        if matches!(object.shadow, Shadow::Node(_)) && matches!(object.value, Value::Closure(_) | Value::Dist(_)) {
            // Which function it is may change.
            return None;
        }
        (0..whole::parts(&object.value)).map(|k| self.part(object, k)).collect()
    }

    pub(super) fn index(&mut self, d: Slot, a: Obj, i: Num) -> Done {
        let number = self.number(i)?;
        let object = self.look(a)?;
        let result = if number.node == 0 && !matches!(object.value, Value::Matrix(_)) {
            self.part(&object, number.bits as usize)?
        } else {
            let index = self.integer(i)?;
            let array = match &object.value {
                Value::Matrix(matrix) if object.shadow.is_constant() => self.raw.rows(matrix),
                _ => object.value,
            };
            self.operate(Whole::Index, vec![(array, object.shadow), index])?
        };
        self.store(d, result)
    }

    /// The shadows of the parts of an object that is about to be updated.
    fn opened(&mut self, object: &Object) -> Option<Arc<Parts>> {
        match &object.shadow {
            Shadow::Parts(parts) => Some(Arc::clone(parts)),
            Shadow::Constant => Some(Parts::constants(whole::parts(&object.value))),
            Shadow::Node(_) => {
                let items = self.parts_of(object)?.into_iter().map(|part| part.shadow).collect();
                match Shadow::parts(items)? {
                    Shadow::Parts(parts) => Some(parts),
                    _ => Some(Parts::constants(whole::parts(&object.value))),
                }
            }
        }
    }

    /// Replaces a part, or adds one at the end.
    fn set_part(&mut self, object: &mut Object, k: usize, item: Object) -> Done {
        if !(object.shadow.is_constant() && item.shadow.is_constant()) {
            let mut parts = match std::mem::replace(&mut object.shadow, Shadow::Constant) {
                Shadow::Parts(parts) => parts,
                other => {
                    object.shadow = other;
                    self.opened(object)?
                }
            };
            Parts::set(&mut parts, k, item.shadow)?;
            object.shadow = Shadow::Parts(parts);
        }
        if k < whole::parts(&object.value) {
            return whole::set_part(&mut object.value, k, item.value).then_some(());
        }
        match (&mut object.value, item.value) {
            (Value::Reals(xs), Value::Real(x)) => Arc::make_mut(xs).push(x),
            (Value::Ints(xs), Value::Int(x)) => Arc::make_mut(xs).push(x),
            (Value::Bools(xs), Value::Bool(x)) => Arc::make_mut(xs).push(x),
            (Value::Values(xs), x) => Arc::make_mut(xs).push(x),
            _ => return None,
        }
        Some(())
    }

    pub(super) fn append(&mut self, a: Obj, x: Slot) -> Done {
        let item = self.load(x)?;
        let mut object = self.fetch((a & INDEX) | TAKE)?;
        let k = whole::parts(&object.value);
        self.set_part(&mut object, k, item)?;
        self.put(a, object)
    }

    pub(super) fn set_element(&mut self, a: Obj, i: Num, x: Slot) -> Done {
        let k = usize::try_from(self.pin(i)? as i64).ok()?;
        let item = self.load(x)?;
        let mut object = self.fetch((a & INDEX) | TAKE)?;
        if k >= whole::parts(&object.value) {
            return None;
        }
        self.set_part(&mut object, k, item)?;
        self.put(a, object)
    }

    pub(super) fn update(&mut self, update: &Update) -> Done {
        let item = self.load(update.value)?;
        let mut path = Vec::with_capacity(update.steps.len());
        for step in &update.steps {
            match *step {
                UpdateStep::Index(i) => path.push(usize::try_from(self.pin(i)? as i64).ok()?),
                UpdateStep::Field(k) => path.push(k as usize),
                UpdateStep::Index2(i, j) => {
                    path.push(usize::try_from(self.pin(i)? as i64).ok()?);
                    path.push(usize::try_from(self.pin(j)? as i64).ok()?);
                }
            }
        }
        let mut root = self.fetch((update.root & INDEX) | TAKE)?;
        self.update_at(&mut root, &path, item)?;
        self.put(update.root, root)
    }

    fn update_at(&mut self, object: &mut Object, path: &[usize], item: Object) -> Done {
        let Some((k, rest)) = path.split_first() else {
            *object = item;
            return Some(());
        };
        if let Value::Matrix(m) = &mut object.value {
            let (Value::Real(x), [j]) = (item.value, rest) else { return None };
            if !(object.shadow.is_constant() && item.shadow.is_constant()) || *k >= m.rows || *j >= m.cols {
                return None;
            }
            let cols = m.cols;
            Arc::make_mut(m).data[k * cols + j] = x;
            return Some(());
        }
        if *k >= whole::parts(&object.value) {
            return None;
        }
        if rest.is_empty() {
            return self.set_part(object, *k, item);
        }
        let mut inner = self.part(object, *k)?;
        // So that the part is held once, and updated in place.
        whole::set_part(&mut object.value, *k, Value::Unit);
        self.update_at(&mut inner, rest, item)?;
        self.set_part(object, *k, inner)
    }

    pub(super) fn make(&mut self, make: &Make) -> Done {
        let parts = self.values(&make.parts)?;
        let (values, shadows): (Vec<Value>, Vec<Shadow>) = parts.into_iter().unzip();
        let numbers = |kind: Kind| values.iter().map(move |v| (kind, general::bits(v)));
        let value = match make.kind {
            MakeKind::Array(ArrayKind::Reals) => {
                Value::reals(numbers(Kind::Real).map(|(_, bits)| f64::from_bits(bits)).collect())
            }
            MakeKind::Array(ArrayKind::Ints) => Value::ints(numbers(Kind::Int).map(|(_, bits)| bits as i64).collect()),
            MakeKind::Array(ArrayKind::Bools) => {
                Value::Bools(Arc::new(numbers(Kind::Bool).map(|(_, bits)| bits != 0).collect()))
            }
            MakeKind::Array(ArrayKind::Values) => Value::Values(Arc::new(values)),
            MakeKind::Tuple => Value::tuple(values),
            MakeKind::Record(names) => Value::Record(Arc::new(Record { names, fields: values })),
            MakeKind::Variant(name, tag) => Value::Variant(Arc::new(Variant { name, tag, fields: values })),
            MakeKind::Closure(function) => Value::Closure(Arc::new(Closure { function, captures: values })),
            MakeKind::Dist(name, dist) => Value::Dist(Arc::new(DistValue { name, dist, args: values })),
        };
        self.put(make.d, Object { value, shadow: Shadow::parts(shadows)? })
    }

    /// Operations that only move parts keep their shadows apart.
    #[allow(clippy::option_option)]
    pub(super) fn rearranged(&mut self, op: ir::Op, args: &[Operand]) -> Option<Option<Object>> {
        let [(array, Shadow::Parts(parts)), rest @ ..] = args else { return Some(None) };
        if rest.iter().any(|(_, shadow)| !shadow.is_constant()) && op != ir::Op::Push {
            return Some(None);
        }
        let shadows = match (op, rest) {
            (ir::Op::Slice, [(Value::Int(low), _), (Value::Int(high), _)]) => {
                parts.items.get(usize::try_from(*low).ok()?..usize::try_from(*high).ok()?)?.to_vec()
            }
            (ir::Op::Gather, [(Value::Ints(indices), _)]) => {
                let pick = |i: &i64| usize::try_from(*i).ok().and_then(|i| parts.items.get(i)).cloned();
                indices.iter().map(pick).collect::<Option<Vec<_>>>()?
            }
            (ir::Op::Push, [(_, shadow)]) => {
                let mut items = parts.items.clone();
                items.push(shadow.clone());
                items
            }
            _ => return Some(None),
        };
        let mut values = vec![array.clone()];
        values.extend(rest.iter().map(|(value, _)| value.clone()));
        let value = self.apply(&Whole::Op(op), values)?;
        Some(Some(Object { value, shadow: Shadow::parts(shadows)? }))
    }

    pub(super) fn native(&mut self, native: &Native) -> Done {
        if let Some(op) = Op::of_primitive(native.body) {
            let mut numbers = Vec::with_capacity(3);
            for slot in &native.args {
                let (Slot::Real(n) | Slot::Int(n) | Slot::Bool(n)) = slot else { return None };
                numbers.push(self.number(*n)?);
            }
            if numbers.len() != op.arity() {
                return None;
            }
            let result = self.scalar_of(op, &numbers)?;
            let value = op.kind().value(result.bits);
            return self.store(native.d, Object { value, shadow: Shadow::of(result.node) });
        }
        let Body::General(f) = native.body else { return None };
        let args = self.values(&native.args)?;
        let result = self.operate(Whole::Native(f, native.empty), args)?;
        self.store(native.d, result)
    }

    pub(super) fn lift(&mut self, lift: &LiftCall) -> Done {
        let args = self.values(&lift.args)?;
        let result = match self.each(lift, &args)? {
            Some(object) => object,
            None => self.operate(Whole::Lift(lift.callee.clone(), lift.element), args)?,
        };
        self.put(lift.d, result)
    }

    /// An elementwise operation on reals of which some stand apart in the graph: one node for each element.
    #[allow(clippy::option_option)]
    fn each(&mut self, lift: &LiftCall, args: &[Operand]) -> Option<Option<Object>> {
        let op = match &lift.callee {
            LiftCallee::Op(op) => Op::of_core(*op),
            LiftCallee::Prim(_, body) => Op::of_primitive(*body),
        };
        let Some(op) = op else { return Some(None) };
        let real = |(value, _): &Operand| matches!(value, Value::Real(_) | Value::Reals(_));
        let apart = args.iter().any(|(_, shadow)| matches!(shadow, Shadow::Parts(_)));
        let takes_reals = op.kind() == Kind::Real && !matches!(op, Op::Widen);
        if !apart || !takes_reals || lift.element != Type::REAL || !args.iter().all(real) || args.len() != op.arity() {
            return Some(None);
        }
        let mut lengths = args.iter().filter_map(|(value, _)| value.array_len());
        let n = lengths.next()?;
        if lengths.any(|other| other != n) {
            return None;
        }
        let mut data = Vec::with_capacity(n);
        let mut shadows = Vec::with_capacity(n);
        for k in 0..n {
            let mut numbers = Vec::with_capacity(3);
            for (value, shadow) in args {
                let object = Object { value: value.clone(), shadow: shadow.clone() };
                let item = if value.array_len().is_some() { self.part(&object, k)? } else { object };
                numbers.push(Number { bits: general::bits(&item.value), node: self.node_of(&item.shadow)? });
            }
            let result = self.scalar_of(op, &numbers)?;
            data.push(f64::from_bits(result.bits));
            shadows.push(Shadow::of(result.node));
        }
        Some(Some(Object { value: Value::reals(data), shadow: Shadow::parts(shadows)? }))
    }

    /// Whether a type is that of a number.
    pub(super) fn is_number(ty: Type) -> bool {
        matches!(ty.kind(), TypeKind::Real | TypeKind::Int | TypeKind::Bool)
    }
}
