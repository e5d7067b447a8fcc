//! Draws as one JSON object, by chain and variable.
//!
//! `{"model", "method", "seed", "exact", "log_evidence", "chains": [{"draws": {"mu": [...], "theta[0]": [...]},
//! "log_weights": [...], "stats": {"lp__": [...]}}]}`. Booleans and categories keep their values; what a draw lacks is
//! `null`; infinities and NaN, for which JSON has no notation, are the strings `"inf"`, `"-inf"` and `"nan"`.

use super::bind::special_real;
use super::{DataError, DataType, DataValue, Entry, Tree, bind, json as reader};
use crate::posterior::flatten::{Column, Kind};
use crate::posterior::{Chain, Named, Posterior, label};
use crate::source::{Name, intern};
use crate::value;
use serde_json::{Map, Value, json};
use std::sync::Arc;

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

/// A posterior from what `write` wrote. Its variables are named choices; the returned values themselves are not kept.
///
/// # Errors
/// When the text is not of this form, with the place.
pub fn read(file: &str, text: &str) -> Result<Posterior, DataError> {
    let object = DataValue { tree: Tree::Object(reader::read(file, text)?), ..reader::parse(file, "0")? };
    let text_of = |key| match get(&object, key).map(|value| &value.tree) {
        Some(Tree::Str(text)) => text.clone(),
        _ => String::new(),
    };
    let number_of = |key| get(&object, key).and_then(|value| real(&value.tree));
    let Some(DataValue { tree: Tree::Array(chains), .. }) = get(&object, "chains") else {
        return Err(DataError::at(object.place.clone(), "expected draws: an object with an array `chains`"));
    };
    let chains = chains.iter().map(read_chain).collect::<Result<Vec<_>, _>>()?;
    let mut posterior = Posterior::new(text_of("model"), text_of("method"), chains);
    posterior.exact = matches!(get(&object, "exact").map(|value| &value.tree), Some(Tree::Bool(true)));
    posterior.log_evidence = number_of("log_evidence");
    posterior.seed = number_of("seed").unwrap_or(0.0) as u64;
    Ok(posterior)
}

fn get<'a>(object: &'a DataValue, key: &str) -> Option<&'a DataValue> {
    match &object.tree {
        Tree::Object(entries) => entries.iter().find(|(known, _)| known == key).map(|(_, value)| value),
        _ => None,
    }
}

fn real(tree: &Tree) -> Option<f64> {
    match tree {
        Tree::Int(n) => Some(*n as f64),
        Tree::Real(x) => Some(*x),
        Tree::Str(text) => special_real(text),
        _ => None,
    }
}

fn read_chain(chain: &DataValue) -> Result<Chain, DataError> {
    let Some(DataValue { tree: Tree::Object(columns), .. }) = get(chain, "draws") else {
        return Err(DataError::at(chain.place.clone(), "expected a chain: an object with an object `draws`"));
    };
    let columns =
        columns.iter().map(|(name, value)| Ok((intern(name), cells(name, value)?))).collect::<Result<Vec<_>, _>>()?;
    let draws = columns.first().map_or(0, |(_, cells)| cells.len());
    let reals = DataType::Array(Box::new(DataType::Real));
    let numbers = |name: &str, data: &DataValue| match bind(name, data, &reals)? {
        value::Value::Reals(xs) if xs.len() == draws => Ok(xs.to_vec()),
        _ => Err(DataError::at(data.place.clone(), format!("expected {draws} numbers as there are draws at {name}"))),
    };
    let log_weights = get(chain, "log_weights").map(|weights| numbers("log_weights", weights)).transpose()?;
    let no_stats: Vec<Entry> = Vec::new();
    let stats = match get(chain, "stats").map(|stats| &stats.tree) {
        Some(Tree::Object(stats)) => stats,
        _ => &no_stats,
    };
    let stats = stats.iter().map(|(name, xs)| Ok((name.clone(), numbers(name, xs)?))).collect::<Result<_, _>>()?;
    let named = named_draws(columns).map_err(|message| DataError::at(chain.place.clone(), message))?;
    Ok(Chain { draws: vec![value::Value::Unit; draws], log_weights, named: Some(named), stats, lineage: None })
}

/// The values of a column, none for those that a draw lacks.
fn cells(name: &str, column: &DataValue) -> Result<Vec<Option<value::Value>>, DataError> {
    let wrong = |place: &super::Place| {
        DataError::at(place.clone(), format!("expected numbers, booleans, text or null in `{name}`"))
    };
    match &column.tree {
        Tree::Ints(xs) => Ok(xs.items.iter().map(|n| Some(value::Value::Int(*n))).collect()),
        Tree::Reals(xs) => Ok(xs.items.iter().map(|x| Some(value::Value::Real(*x))).collect()),
        Tree::Array(items) => {
            // A column of numbers may hold the words for infinity and NaN; a column of categories is all text.
            let numeric = items.iter().all(|item| item.tree == Tree::Null || real(&item.tree).is_some());
            let integer = items.iter().all(|item| matches!(item.tree, Tree::Null | Tree::Int(_)));
            let cell = |item: &DataValue| match &item.tree {
                Tree::Null => Ok(None),
                Tree::Int(n) if integer => Ok(Some(value::Value::Int(*n))),
                tree if numeric => Ok(real(tree).map(value::Value::Real)),
                Tree::Bool(b) => Ok(Some(value::Value::Bool(*b))),
                Tree::Str(text) => Ok(Some(value::Value::string(text))),
                _ => Err(wrong(&item.place)),
            };
            items.iter().map(cell).collect()
        }
        _ => Err(wrong(&column.place)),
    }
}

/// Draws of named values from columns; the error says which column has another length.
pub(super) fn named_draws(columns: Vec<(Name, Vec<Option<value::Value>>)>) -> Result<Vec<Named>, String> {
    let count = columns.first().map_or(0, |(_, cells)| cells.len());
    if let Some((name, cells)) = columns.iter().find(|(_, cells)| cells.len() != count) {
        return Err(format!("expected {count} draws of `{name}` as of the first variable, found {}", cells.len()));
    }
    let all: Arc<[Name]> = columns.iter().map(|(name, _)| *name).collect();
    let mut draws: Vec<Named> = (0..count).map(|_| Named { names: all.clone(), values: Vec::new() }).collect();
    let sparse: Vec<bool> = (0..count).map(|row| columns.iter().any(|(_, cells)| cells[row].is_none())).collect();
    for (row, draw) in draws.iter_mut().enumerate().filter(|(row, _)| sparse[*row]) {
        draw.names = columns.iter().filter(|(_, cells)| cells[row].is_some()).map(|(name, _)| *name).collect();
    }
    for (_, cells) in columns {
        for (draw, cell) in draws.iter_mut().zip(cells) {
            draw.values.extend(cell);
        }
    }
    Ok(draws)
}
