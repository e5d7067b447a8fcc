//! A kernel that is a function of the language, from traces to traces.

use super::super::trace::TraceOf;
use super::super::{Contract, Row};
use super::Step;
use crate::model::Traced;
use crate::value::{Fault, Value, same};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn kernel(move: (Trace<a>) ~> Trace<a>) -> Kernel",
    doc: "A kernel that is a function of the language: it is given a trace and gives the next one, by `regenerate`, `update`, `step` and \
          `flip`. That it leaves the posterior as it is must be shown by whoever writes it; `borel validate` can check it.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(kernel(t => step(gibbs(), t)), trace(() => { x ~ Flip(0.25); x })))))",
    contract: Contract::None,
}];

pub(super) fn step<T: Traced + Send + 'static>(step: &mut Step<'_, T>, function: &Value) -> Result<bool, Fault> {
    let walker = &mut *step.walker;
    let before = walker.log_target().to_bits();
    let trace = Value::Host(Arc::new(TraceOf(walker.clone())));
    let result = step.functions.call(function, vec![trace], step.random)?;
    let Value::Host(object) = result else {
        return Err(Fault::internal("a kernel gave something else than a trace"));
    };
    let Some(next) = object.as_any().downcast_ref::<TraceOf<T>>() else {
        return Err(Fault::internal("a kernel gave something else than a trace"));
    };
    if !Arc::ptr_eq(&next.0.view, &walker.view) && !same(&next.0.model, &walker.model) {
        return Err(Fault::error("the function of a kernel gave a trace of another model")
            .hint("begin with the trace that it is given"));
    }
    walker.state = next.0.state.clone();
    walker.view = Arc::clone(&next.0.view);
    let moved = walker.log_target().to_bits() != before;
    Ok(step.count(moved))
}
