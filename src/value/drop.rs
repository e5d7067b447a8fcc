//! Frees deep structures without deep recursion: a list of a million cells is taken apart by a loop.
//!
//! A type can only nest without bound through a variant, a closure or a distribution's arguments, so it is enough that
//! these payloads (and tuples and records, which may lie between) empty their fields into a worklist before they go.

use super::{Closure, DistValue, Fields, Record, Value, Variant};
use std::sync::Arc;

/// Whether letting go of the value now frees fields that may nest.
fn frees_fields(value: &Value) -> bool {
    match value {
        Value::Values(items) => Arc::strong_count(items) == 1,
        Value::Tuple(parts) => Arc::strong_count(parts) == 1,
        Value::Record(record) => Arc::strong_count(record) == 1,
        Value::Variant(variant) => Arc::strong_count(variant) == 1,
        Value::Closure(closure) => Arc::strong_count(closure) == 1,
        Value::Dist(dist) => Arc::strong_count(dist) == 1,
        _ => false,
    }
}

/// Moves the nesting values of `fields` to `work`; what stays is freed by the ordinary way.
fn move_nested(fields: &mut [Value], work: &mut Vec<Value>) {
    for field in fields {
        if frees_fields(field) {
            work.push(std::mem::take(field));
        }
    }
}

/// Frees `fields` and all that only they hold.
fn release(fields: &mut [Value]) {
    if !fields.iter().any(frees_fields) {
        return;
    }
    let mut work = Vec::new();
    move_nested(fields, &mut work);
    while let Some(value) = work.pop() {
        match value {
            Value::Values(items) => {
                if let Some(mut items) = Arc::into_inner(items) {
                    move_nested(&mut items, &mut work);
                }
            }
            Value::Tuple(parts) => {
                if let Some(mut parts) = Arc::into_inner(parts) {
                    move_nested(&mut parts.0, &mut work);
                }
            }
            Value::Record(record) => {
                if let Some(mut record) = Arc::into_inner(record) {
                    move_nested(&mut record.fields, &mut work);
                }
            }
            Value::Variant(variant) => {
                if let Some(mut variant) = Arc::into_inner(variant) {
                    move_nested(&mut variant.fields, &mut work);
                }
            }
            Value::Closure(closure) => {
                if let Some(mut closure) = Arc::into_inner(closure) {
                    move_nested(&mut closure.captures, &mut work);
                }
            }
            Value::Dist(dist) => {
                if let Some(mut dist) = Arc::into_inner(dist) {
                    move_nested(&mut dist.args, &mut work);
                }
            }
            _ => {}
        }
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        release(&mut self.0);
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        release(&mut self.fields);
    }
}

impl Drop for Variant {
    fn drop(&mut self) {
        release(&mut self.fields);
    }
}

impl Drop for Closure {
    fn drop(&mut self) {
        release(&mut self.captures);
    }
}

impl Drop for DistValue {
    fn drop(&mut self) {
        release(&mut self.args);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::intern;
    use crate::value::record_names;

    const DEEP: usize = 1_000_000;

    fn deep(wrap: impl Fn(Value) -> Value) -> Value {
        (0..DEEP).fold(Value::Unit, |inner, _| wrap(inner))
    }

    #[test]
    fn deep_structures_of_every_kind_are_freed() {
        let cons = intern("Cons");
        let names = record_names(&[intern("head"), intern("tail")]);
        drop(deep(|tail| Value::Variant(Arc::new(Variant { name: cons, tag: 1, fields: vec![Value::Int(1), tail] }))));
        drop(deep(|tail| Value::tuple(vec![tail, Value::reals(vec![1.0])])));
        drop(deep(|tail| Value::record(names, vec![Value::Int(0), tail])));
        drop(deep(|inner| Value::Closure(Arc::new(Closure { function: 0, captures: vec![inner] }))));
        drop(deep(|inner| Value::Dist(Arc::new(DistValue { name: cons, dist: 0, args: vec![inner] }))));
        drop(deep(|tail| {
            let items = Value::Values(Arc::new(vec![tail]));
            Value::Variant(Arc::new(Variant { name: cons, tag: 1, fields: vec![items] }))
        }));
    }

    #[test]
    fn shared_parts_outlive_their_holder() {
        let shared = Value::tuple(vec![Value::string("kept")]);
        let holder = Value::tuple(vec![shared.clone(), Value::tuple(vec![shared.clone()])]);
        drop(holder);
        let Value::Tuple(parts) = &shared else { unreachable!() };
        assert_eq!(Arc::strong_count(parts), 1);
        assert_eq!(parts.0[0], Value::string("kept"));
    }
}
