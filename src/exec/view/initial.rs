//! Where a choice starts that cannot be drawn: a moderate random point of its support.

use crate::value::{Domain, Fault, Generator, Matrix, Value};
use std::sync::Arc;

/// A random point of a domain, as Stan starts its chains: uniform on (−2, 2) on the unconstrained scale.
pub fn initial_value(domain: &Domain, generator: &mut Generator) -> Result<Value, Fault> {
    let mut u = || 4.0 * generator.uniform() - 2.0;
    Ok(match domain {
        Domain::Real => Value::Real(u()),
        Domain::Positive | Domain::NonNegative => Value::Real(u().exp()),
        Domain::UnitInterval => Value::Real(between(0.0, 1.0, u())),
        Domain::Interval(a, b) => Value::Real(between(*a, *b, u())),
        Domain::Bool => Value::Bool(u() < 0.0),
        Domain::Int => Value::Int((u() * 2.0) as i64),
        Domain::Natural => Value::Int((u() + 2.0) as i64),
        Domain::IntRange(lo, hi) => {
            let width = (*hi as f64 - *lo as f64 + 1.0).min(1e15);
            Value::Int(lo.saturating_add((0.25 * (u() + 2.0) * width) as i64).min(*hi))
        }
        Domain::Values(all) if !all.is_empty() => {
            let k = (0.25 * (u() + 2.0) * all.len() as f64) as usize;
            all[k.min(all.len() - 1)].clone()
        }
        Domain::Simplex(n) => {
            let weights: Vec<f64> = (0..*n).map(|_| u().exp()).collect();
            let total: f64 = weights.iter().sum();
            Value::reals(weights.into_iter().map(|w| w / total).collect())
        }
        Domain::Ordered(n) => {
            let mut at = u();
            Value::reals((0..*n).map(|k| ordered_step(&mut at, k, u())).collect())
        }
        Domain::PositiveOrdered(n) => {
            let mut at = 0.0;
            Value::reals((0..*n).map(|_| ordered_step(&mut at, 1, u())).collect())
        }
        Domain::UnitVector(n) => {
            let raw: Vec<f64> = (0..*n).map(|_| u()).collect();
            let norm = raw.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-12);
            Value::reals(raw.into_iter().map(|x| x / norm).collect())
        }
        Domain::Vector(n) => Value::reals((0..*n).map(|_| u()).collect()),
        Domain::Matrix(rows, cols) => Value::matrix(*rows, *cols, (0..rows * cols).map(|_| u()).collect()),
        Domain::CorrCholesky(n) | Domain::Corr(n) | Domain::PosDef(n) => identity(*n),
        Domain::CovCholesky(n) => {
            let mut data = vec![0.0; n * n];
            for i in 0..*n {
                for j in 0..i {
                    data[i * n + j] = 0.25 * u();
                }
                data[i * n + i] = u().exp();
            }
            Value::matrix(*n, *n, data)
        }
        Domain::Power(inner, n) => {
            let items = (0..*n).map(|_| initial_value(inner, generator)).collect::<Result<Vec<_>, _>>()?;
            Value::array_of(items)
        }
        Domain::Product(parts) => {
            let items = parts.iter().map(|part| initial_value(part, generator)).collect::<Result<Vec<_>, _>>()?;
            Value::array_of(items)
        }
        Domain::Counts(k, n) => {
            let mut counts = vec![0i64; *k];
            if let Some(first) = counts.first_mut() {
                *first = *n;
            }
            Value::ints(counts)
        }
        Domain::Union(parts) if !parts.is_empty() => initial_value(&parts[0], generator)?,
        other => return Err(Fault::error(format!("a choice over {other} has no place to start"))),
    })
}

fn ordered_step(at: &mut f64, k: usize, u: f64) -> f64 {
    if k > 0 {
        *at += u.exp();
    }
    *at
}

/// A point between two ends, either of which may be infinite.
fn between(a: f64, b: f64, u: f64) -> f64 {
    match (a.is_finite(), b.is_finite()) {
        (true, true) => a + (b - a) / (1.0 + (-u).exp()),
        (true, false) => a + u.exp(),
        (false, true) => b - u.exp(),
        (false, false) => u,
    }
}

fn identity(n: usize) -> Value {
    let mut data = vec![0.0; n * n];
    for i in 0..n {
        data[i * n + i] = 1.0;
    }
    Value::Matrix(Arc::new(Matrix { rows: n, cols: n, data }))
}
