//! Draws as CmdStan writes them: one text per chain, which ArviZ, posterior and cmdstanpy read.
//!
//! Comments say where the draws come from. The first columns are the sampler's statistics (`lp__`, `divergent__`, …, and
//! `log_weight__` for weighted draws), then the variables with indices counted from 1 and parted by points
//! (`theta.1`, `A.1.2`), matrices by columns.

use super::{DataError, DataType, Tree, bind, csv, draws_json};
use crate::posterior::flatten::{Column, Kind};
use crate::posterior::{Chain, Posterior, label};
use crate::source::intern;
use crate::value::Value;
use std::fmt::Write;

/// The text for one chain (counted from 0), with every named choice if `all`.
/// Categorical values are numbered from 1 in the order that a comment gives; a variable that a draw lacks is `NaN`.
pub fn write(posterior: &Posterior, chain: usize, all: bool) -> String {
    let columns = posterior.columns(all).columns;
    let mut order: Vec<(&Column, String, Vec<usize>)> = columns
        .iter()
        .map(|column| {
            let (name, indices) = split_indices(&column.name);
            (column, name, indices)
        })
        .collect();
    by_columns(&mut order);
    let empty = Vec::new();
    let stats = posterior.chains.get(chain).map_or(&empty, |chain| &chain.stats);
    let weights = posterior.chains.get(chain).and_then(|chain| chain.log_weights.as_ref());
    let rows = posterior.chains.get(chain).map_or(0, |chain| chain.draws.len());

    // Writing to a string cannot fail.
    let mut out = String::new();
    let _ = writeln!(out, "# model = {}", one_line(&posterior.model));
    let _ = writeln!(out, "# method = {}", one_line(&posterior.method));
    let _ = writeln!(
        out,
        "# num_samples = {rows}\n# num_warmup = 0\n# save_warmup = 0\n# thin = 1\n# id = {}\n# seed = {}",
        chain + 1,
        posterior.seed
    );
    for (column, ..) in order.iter().filter(|(column, ..)| column.kind == Kind::Categorical) {
        let labels: Vec<String> =
            column.labels.iter().enumerate().map(|(i, text)| format!("{} is {text:?}", i + 1)).collect();
        let _ = writeln!(out, "# in {}: {}", column.name, one_line(&labels.join(", ")));
    }
    let mut header: Vec<String> = stats.iter().map(|(name, _)| name.clone()).collect();
    if weights.is_some() {
        header.push("log_weight__".into());
    }
    // CmdStan's readers expect a log density in front.
    let no_density = !stats.iter().any(|(name, _)| name == "lp__");
    if no_density {
        header.insert(0, "lp__".into());
    }
    header.extend(
        order
            .iter()
            .map(|(_, name, indices)| indices.iter().fold(name.clone(), |name, index| format!("{name}.{}", index + 1))),
    );
    let _ = writeln!(out, "{}", header.join(","));
    let mut next = vec![0; order.len()];
    for row in 0..rows {
        let mut cells: Vec<String> = Vec::with_capacity(header.len());
        if no_density {
            cells.push("nan".into());
        }
        cells.extend(stats.iter().map(|(_, values)| cell(values.get(row).copied())));
        cells.extend(weights.map(|weights| cell(weights.get(row).copied())));
        for ((column, ..), next) in order.iter().zip(&mut next) {
            let present = column.rows.get(chain).and_then(|rows| rows.get(*next)) == Some(&(row as u32));
            let value = present.then(|| column.chains[chain][*next]);
            *next += usize::from(present);
            let first = f64::from(u8::from(column.kind == Kind::Categorical));
            cells.push(cell(value.map(|x| x + first)));
        }
        let _ = writeln!(out, "{}", cells.join(","));
    }
    let _ = writeln!(out, "# Elapsed Time: {} seconds (Warm-up)", posterior.seconds.warmup);
    let _ = writeln!(out, "#               {} seconds (Sampling)", posterior.seconds.sampling);
    let _ = writeln!(out, "#               {} seconds (Total)", posterior.seconds.warmup + posterior.seconds.sampling);
    out
}

/// A name and its trailing indices: `A[1,2]` is `A` and 1, 2. What a header cannot hold becomes an underscore.
fn split_indices(name: &str) -> (String, Vec<usize>) {
    let plain = |text: &str| text.replace([',', '"', '\n', '\r', '#'], "_");
    if let Some((stem, indices)) = name.strip_suffix(']').and_then(|rest| rest.rsplit_once('['))
        && let Ok(indices) = indices.split(',').map(str::parse).collect()
    {
        return (plain(stem), indices);
    }
    (plain(name), Vec::new())
}

/// Orders the elements of each array of two or more indices with the first index fastest, where they stand together.
fn by_columns(order: &mut [(&Column, String, Vec<usize>)]) {
    let mut start = 0;
    while start < order.len() {
        let length = order[start..]
            .iter()
            .take_while(|(_, name, indices)| *name == order[start].1 && indices.len() == order[start].2.len());
        let end = start + length.count();
        order[start..end].sort_by(|a, b| a.2.iter().rev().cmp(b.2.iter().rev()));
        start = end;
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn cell(x: Option<f64>) -> String {
    x.map_or("nan".into(), label::number)
}

/// A posterior from texts of this layout, ours or CmdStan's, one for each chain, given with the names of their files.
/// Its variables are named choices.
///
/// # Errors
/// When a text is no such table, with file and line.
pub fn read(chains: &[(String, String)]) -> Result<Posterior, DataError> {
    let mut posterior = Posterior::default();
    for (file, text) in chains {
        for (key, value) in text.lines().filter_map(|line| line.strip_prefix('#')?.split_once('=')) {
            match key.trim() {
                "model" => posterior.model = value.trim().to_string(),
                "method" => posterior.method = value.trim().to_string(),
                "seed" => posterior.seed = value.trim().parse().unwrap_or(0),
                _ => {}
            }
        }
        // Comments become empty lines, which the reader of tables skips and counts.
        let table: Vec<&str> = text.lines().map(|line| if line.starts_with('#') { "" } else { line }).collect();
        posterior.chains.push(read_chain(file, &table.join("\n"))?);
    }
    Ok(posterior)
}

fn read_chain(file: &str, text: &str) -> Result<Chain, DataError> {
    let mut chain = Chain::default();
    let mut columns = Vec::new();
    for (name, column) in csv::read(file, text, b',')? {
        let integers = column.tree.natural_type() == Some(DataType::Array(Box::new(DataType::Int)));
        let values = match bind(&name, &column, &DataType::Array(Box::new(DataType::Real)))? {
            Value::Reals(values) => values.to_vec(),
            _ => Vec::new(),
        };
        if let Tree::Cells(cells) = &column.tree {
            chain.draws = vec![Value::Unit; cells.items.len()];
        }
        if name == "log_weight__" {
            chain.log_weights = Some(values);
        } else if name.ends_with("__") {
            // What stands in for a log density that no one computed is not kept.
            if !values.iter().all(|x| x.is_nan()) {
                chain.stats.push((name, values));
            }
        } else {
            let value = |x: f64| if integers { Value::Int(x as i64) } else { Value::Real(x) };
            columns.push((intern(&bracketed(&name)), values.into_iter().map(|x| Some(value(x))).collect()));
        }
    }
    chain.named = draws_json::named_draws(columns).ok();
    Ok(chain)
}

/// `A.1.2` as `A[0,1]`; indices count from 1 in the file.
fn bracketed(name: &str) -> String {
    let mut stem = name;
    let mut indices: Vec<usize> = Vec::new();
    while let Some((rest, index)) = stem.rsplit_once('.')
        && let Ok(index @ 1..) = index.parse()
        && !rest.is_empty()
    {
        stem = rest;
        indices.insert(0, index - 1);
    }
    match indices.is_empty() {
        true => name.to_string(),
        false => format!("{stem}[{}]", indices.iter().map(usize::to_string).collect::<Vec<_>>().join(",")),
    }
}
