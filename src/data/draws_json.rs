//! Draws as one JSON object, by chain and variable.
//!
//! `{"model", "method", "seed", "exact", "log_evidence", "chains": [{"draws": {"mu": [...], "theta[0]": [...]},
//! "log_weights": [...], "stats": {"lp__": [...]}}]}`. Booleans and categories keep their values; what a draw lacks is
//! `null`; infinities and NaN, for which JSON has no notation, are the strings `"inf"`, `"-inf"` and `"nan"`.

use crate::posterior::flatten::{Column, Kind};
use crate::posterior::{Posterior, label};
use serde_json::{Map, Value, json};

/// The object, with every named choice if `all`.
pub fn write(posterior: &Posterior, all: bool) -> Value {
    let columns = posterior.columns(all).columns;
    let chains = posterior.chains.iter().enumerate().map(|(i, chain)| {
        let draws: Map<String, Value> =
            columns.iter().map(|column| (column.name.clone(), values(column, i, chain.draws.len()))).collect();
        let mut object = Map::new();
        object.insert("draws".into(), Value::Object(draws));
        if let Some(weights) = &chain.log_weights {
            object.insert("log_weights".into(), weights.iter().map(|x| number(*x)).collect());
        }
        if !chain.stats.is_empty() {
            let stat = |(name, xs): &(String, Vec<f64>)| (name.clone(), xs.iter().map(|x| number(*x)).collect());
            object.insert("stats".into(), Value::Object(chain.stats.iter().map(stat).collect()));
        }
        Value::Object(object)
    });
    json!({
        "model": posterior.model,
        "method": posterior.method,
        "seed": posterior.seed,
        "exact": posterior.exact,
        "log_evidence": posterior.log_evidence.map_or(Value::Null, number),
        "chains": chains.collect::<Vec<_>>(),
    })
}

fn values(column: &Column, chain: usize, draws: usize) -> Value {
    let mut all = vec![Value::Null; draws];
    for (row, x) in column.rows[chain].iter().zip(&column.chains[chain]) {
        all[*row as usize] = match column.kind {
            Kind::Real => number(*x),
            Kind::Int => json!(*x as i64),
            Kind::Bool => json!(*x != 0.0),
            Kind::Categorical => json!(column.labels[*x as usize]),
        };
    }
    Value::Array(all)
}

fn number(x: f64) -> Value {
    serde_json::Number::from_f64(x).map_or_else(|| json!(label::number(x)), Value::Number)
}
