//! Where gradient methods start: at a random point of finite density, or with the reason why none was found.

use super::hamiltonian::Point;
use crate::model::Random;
use crate::model::density::Density;
use crate::value::{Fault, Value};

/// How many random starts are tried.
const TRIES: usize = 100;

/// How many random starts of finite density a chain chooses from.
const CANDIDATES: u64 = 10;

/// The highest of several random points at which density and gradient are finite, and how many gradients that took. A chain that starts far
/// out, in units of the posterior, may be caught by a lesser mode on its way.
///
/// # Errors
/// As [`start`].
pub fn best_start<D: Density>(
    density: &D,
    evaluator: &mut D::Evaluator,
    random: &mut dyn Random,
) -> Result<(Point, u64), Fault> {
    let mut best = start(density, evaluator, random)?;
    let mut point = Point::new(density.dim());
    for _ in 1..CANDIDATES {
        point.x = density.initial(random)?;
        if point.evaluate(evaluator) && point.log_density > best.log_density {
            std::mem::swap(&mut best, &mut point);
        }
    }
    Ok((best, CANDIDATES))
}

/// A random point at which density and gradient are finite.
///
/// # Errors
/// If none of many tries finds one, with what was wrong, and how often.
pub fn start<D: Density>(density: &D, evaluator: &mut D::Evaluator, random: &mut dyn Random) -> Result<Point, Fault> {
    let mut point = Point::new(density.dim());
    let mut reasons: Vec<(String, usize)> = Vec::new();
    for _ in 0..TRIES {
        point.x = density.initial(random)?;
        if point.evaluate(evaluator) {
            return Ok(point);
        }
        let why = reason(density, &point);
        match reasons.iter_mut().find(|(known, _)| *known == why) {
            Some((_, count)) => *count += 1,
            None => reasons.push((why, 1)),
        }
    }
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let text = match reasons.as_slice() {
        [(why, _)] => why.clone(),
        several => {
            let counted: Vec<String> = several.iter().take(3).map(|(why, count)| format!("{why} ({count}×)")).collect();
            counted.join(", ")
        }
    };
    Err(Fault::error(format!("no start of finite density was found in {TRIES} tries: {text}")).hint(
        "starts are drawn between -2 and 2 for each unconstrained coordinate; scale the data, or use `mh` or `smc`",
    ))
}

/// What is not finite at a point.
fn reason<D: Density>(density: &D, point: &Point) -> String {
    if point.log_density == f64::NEG_INFINITY {
        return "the density was zero".into();
    }
    if !point.log_density.is_finite() {
        return format!("the log density was {}", Value::Real(point.log_density));
    }
    match point.gradient.iter().position(|g| !g.is_finite()) {
        Some(k) => {
            let name = density.coordinates().get(k).map_or("a choice", String::as_str);
            format!("the derivative by `{name}` was {}", Value::Real(point.gradient[k]))
        }
        None => "the density was not finite".into(),
    }
}
