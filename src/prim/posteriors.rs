//! What may be asked of a posterior: the rest is written in the language, in `stdlib/posterior.borel`.

use super::Row;
use crate::value::{Fault, Value};

pub(super) const ROWS: &[Row] = &[
    Row::general(
        "fn draws(p: Posterior<a>) -> [a]",
        "The draws of a posterior, or the values of an exact one.\nexample: draws(enumerate(() => 3)) == [3]",
        |args| property(args, "draws"),
    ),
    Row::general(
        "fn posterior_weights(p: Posterior<a>) -> [Real]",
        "The weight of each draw; they sum to 1.\nexample: posterior_weights(enumerate(() => 3)) == [1.0]",
        |args| property(args, "posterior_weights"),
    ),
    Row::general(
        "fn log_evidence(p: Posterior<a>) -> Real",
        "The log of the evidence, estimated or exact; NaN for methods that give none.\n\
         example: log_evidence(enumerate(() => { condition(flip(0.5)) })) == log(0.5)",
        |args| property(args, "log_evidence"),
    ),
    Row::general(
        "fn summary(p: Posterior<a>) -> String",
        "A table of means, deviations, quantiles and diagnostics.\nexample: len(summary(enumerate(() => {x: 1.0}))) > 10",
        |args| property(args, "summary"),
    ),
];

fn property(args: &mut [Value], name: &str) -> Result<Value, Fault> {
    match args {
        [Value::Host(host)] => {
            host.property(name).ok_or_else(|| Fault::error(format!("a {} has no `{name}`", host.type_name())))
        }
        _ => Err(Fault::internal(format!("`{name}` takes a posterior"))),
    }
}
