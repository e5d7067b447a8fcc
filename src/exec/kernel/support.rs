//! Transforms of whole values: between coordinates and values of a domain.

use super::graph::Shape;
use super::transform;
use crate::value::{Domain, Fault, Value};

fn shape(domain: &Domain) -> Option<(Shape, usize)> {
    Some(match domain {
        Domain::Simplex(k) => (Shape::Simplex, *k),
        Domain::Ordered(k) => (Shape::Ordered, *k),
        Domain::PositiveOrdered(k) => (Shape::PositiveOrdered, *k),
        Domain::UnitVector(k) => (Shape::UnitVector, *k),
        Domain::CorrCholesky(k) => (Shape::CorrCholesky, *k),
        Domain::CovCholesky(k) => (Shape::CovCholesky, *k),
        Domain::Corr(k) => (Shape::Corr, *k),
        Domain::PosDef(k) => (Shape::PosDef, *k),
        _ => return None,
    })
}

fn unknown(domain: &Domain) -> Fault {
    Fault::error(format!("values of {domain} are no vector of coordinates"))
}

/// The value at coordinates, of which it takes as many as it needs; and the log Jacobian.
pub fn constrain(domain: &Domain, x: &mut &[f64]) -> Result<(Value, f64), Fault> {
    let mut take = |n: usize| -> Result<Vec<f64>, Fault> {
        if x.len() < n {
            return Err(Fault::internal("a choice has more coordinates than there are"));
        }
        let (first, rest) = x.split_at(n);
        *x = rest;
        Ok(first.to_vec())
    };
    if let Some((shape, k)) = shape(domain) {
        let point = take(shape.coordinates(k))?;
        let mut y = vec![0.0; if shape.is_matrix() { k * k } else { k }];
        if point.is_empty() && k > 0 {
            y[0] = 1.0;
            return Ok((if shape.is_matrix() { Value::matrix(k, k, y) } else { Value::reals(y) }, 0.0));
        }
        let jacobian = if k == 0 { 0.0 } else { transform::forward(shape, k, &point, &mut y) };
        return Ok((if shape.is_matrix() { Value::matrix(k, k, y) } else { Value::reals(y) }, jacobian));
    }
    if let Some((low, high)) = domain.real_bounds() {
        let (y, jacobian) = transform::between(low, high, take(1)?[0]);
        return Ok((Value::Real(y), jacobian));
    }
    match domain {
        Domain::Vector(n) => Ok((Value::reals(take(*n)?), 0.0)),
        Domain::Matrix(n, m) => Ok((Value::matrix(*n, *m, take(n * m)?), 0.0)),
        Domain::Power(inner, n) => array(std::iter::repeat_n(&**inner, *n), inner, x),
        Domain::Product(parts) => array(parts.iter(), parts.first().unwrap_or(&Domain::Real), x),
        other => Err(unknown(other)),
    }
}

fn array<'a>(parts: impl Iterator<Item = &'a Domain>, like: &Domain, x: &mut &[f64]) -> Result<(Value, f64), Fault> {
    let (mut items, mut jacobian) = (Vec::new(), 0.0);
    for part in parts {
        let (item, log) = constrain(part, x)?;
        items.push(item);
        jacobian += log;
    }
    if items.is_empty() && like.real_bounds().is_some() {
        return Ok((Value::reals(Vec::new()), 0.0));
    }
    Ok((Value::array_of(items), jacobian))
}

/// The coordinates of a value, added to `out`.
pub fn unconstrain(domain: &Domain, value: &Value, out: &mut Vec<f64>) -> Result<(), Fault> {
    let wrong = || Fault::error(format!("{} does not lie in {domain}", crate::value::short(value, 60)));
    if let Some((shape, k)) = shape(domain) {
        let y: &[f64] = match value {
            Value::Reals(y) if !shape.is_matrix() && y.len() == k => y,
            Value::Matrix(m) if shape.is_matrix() && m.rows == k && m.cols == k => &m.data,
            _ => return Err(wrong()),
        };
        let n = shape.coordinates(k);
        if n > 0 {
            let start = out.len();
            out.resize(start + n, 0.0);
            transform::inverse(shape, k, y, &mut out[start..]);
        }
        return Ok(());
    }
    if let Some((low, high)) = domain.real_bounds() {
        out.push(transform::between_inverse(low, high, value.as_real().ok_or_else(wrong)?));
        return Ok(());
    }
    let each =
        |part: &Domain, i: usize, out: &mut Vec<f64>| unconstrain(part, &value.element(i).ok_or_else(wrong)?, out);
    match (domain, value) {
        (Domain::Vector(n), Value::Reals(y)) if y.len() == *n => out.extend_from_slice(y),
        (Domain::Matrix(n, m), Value::Matrix(y)) if y.rows == *n && y.cols == *m => out.extend_from_slice(&y.data),
        (Domain::Power(inner, n), _) if value.array_len() == Some(*n) => {
            for i in 0..*n {
                each(inner, i, out)?;
            }
        }
        (Domain::Product(parts), _) if value.array_len() == Some(parts.len()) => {
            for (i, part) in parts.iter().enumerate() {
                each(part, i, out)?;
            }
        }
        _ => return Err(wrong()),
    }
    Ok(())
}

/// The value of a choice of whole domains, made of the values of its finite parts in their order.
pub fn assemble(domain: &Domain, next: &mut dyn FnMut() -> Option<Value>) -> Result<Value, Fault> {
    let each = |parts: &mut dyn Iterator<Item = &Domain>, next: &mut dyn FnMut() -> Option<Value>| {
        parts.map(|part| assemble(part, next)).collect::<Result<Vec<_>, _>>()
    };
    let items = match domain {
        Domain::Power(inner, n) => each(&mut std::iter::repeat_n(&**inner, *n), next)?,
        Domain::Product(parts) => each(&mut parts.iter(), next)?,
        _ => return next().ok_or_else(|| Fault::internal("a choice has fewer parts in its array code")),
    };
    let leaf = match domain {
        Domain::Power(inner, _) => Some(&**inner),
        _ => None,
    };
    Ok(match (items.is_empty(), leaf) {
        (true, Some(Domain::Bool)) => Value::Bools(std::sync::Arc::new(Vec::new())),
        (true, _) => Value::ints(Vec::new()),
        _ => Value::array_of(items),
    })
}

/// The numbers in a value of whole domains, in their order.
pub fn parts(value: &Value, out: &mut Vec<Value>) {
    match value.array_len() {
        None => out.push(value.clone()),
        Some(n) => (0..n).filter_map(|k| value.element(k)).for_each(|item| parts(&item, out)),
    }
}
