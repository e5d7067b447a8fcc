//! What may be asked of a posterior: the rest is written in the language, in `stdlib/posterior.borel`.

use super::Row;
use crate::value::hash::Key;
use crate::value::{Fault, Value};
use std::collections::HashMap;

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
        "fn log_evidence(p: Population<a>) -> Real",
        "The log of the evidence of a population: of what left its weights and of their mean. Its exponential is unbiased.\n\
         example: log_evidence(spawn(() => 1, 3)) == 0.0",
        |args| property(args, "log_evidence"),
    ),
    Row::general(
        "fn log_weights(p: Population<a>) -> [Real]",
        "The log weights of the particles since the last resampling.\nexample: log_weights(spawn(() => 1, 2)) == [0.0, 0.0]",
        |args| property(args, "log_weights"),
    ),
    Row::general(
        "fn effective_size(p: Population<a>) -> Real",
        "The effective number of particles, 0 when all weights are zero (Kong, Liu and Wong 1994).\n\
         example: effective_size(spawn(() => 1, 4)) == 4.0",
        |args| property(args, "effective_size"),
    ),
    Row::general(
        "fn measure_eq(p: Posterior<a>, q: Posterior<a>, tolerance: Real = 1e-12) -> Bool",
        "Whether two exact posteriors are those of one unnormalised measure: the same values with the same masses, each mass to a share \
         `tolerance` of the greatest.\n\
         example: measure_eq(enumerate(() => flip(0.5)), enumerate(() => !flip(0.5)))\n\
         example: !measure_eq(enumerate(() => { condition(flip(0.5)) }), enumerate(() => ()))",
        measure_eq,
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

/// The unnormalised masses of a posterior by value.
fn masses(posterior: &Value) -> Option<HashMap<Key, f64>> {
    let Value::Host(posterior) = posterior else { return None };
    let evidence = posterior.property("log_evidence")?.as_real()?.exp();
    let (draws, weights) = (posterior.property("draws")?, posterior.property("posterior_weights")?);
    let mut masses = HashMap::new();
    for k in 0..draws.array_len()? {
        *masses.entry(Key(draws.element(k)?)).or_insert(0.0) += evidence * weights.element(k)?.as_real()?;
    }
    Some(masses)
}

fn measure_eq(args: &mut [Value]) -> Result<Value, Fault> {
    let [p, q, tolerance] = args else { return Err(Fault::internal("`measure_eq` takes two posteriors and a number")) };
    let (Some(p), Some(q), Some(tolerance)) = (masses(p), masses(q), tolerance.as_real()) else {
        return Err(Fault::internal("`measure_eq` takes two posteriors and a number"));
    };
    let most = p.values().chain(q.values()).fold(0.0_f64, |a, b| a.max(*b));
    let gap = |p: &HashMap<Key, f64>, q: &HashMap<Key, f64>| {
        p.iter().all(|(value, mass)| (mass - q.get(value).copied().unwrap_or(0.0)).abs() <= tolerance * most)
    };
    Ok(Value::Bool(gap(&p, &q) && gap(&q, &p)))
}
