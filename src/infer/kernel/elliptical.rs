//! Elliptical slice sampling of choices with a Gaussian prior (Murray, Adams and MacKay 2010).
//!
//! The point moves on the ellipse through itself and a draw from its prior. All else of the density is the likelihood, the priors of
//! later choices included. Where the choices that there are would change, the density counts as zero: the move keeps to the runs with
//! the same choices, among which it is reversible.

use super::super::{Contract, Row};
use super::single_site::{Steps, move_one};
use super::{Names, Step};
use crate::model::{Traced, Watched};
use crate::value::{DistValue, Fault, Value, same};

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn elliptical() -> Kernel",
        doc: "A kernel that picks one choice and, if its distribution given the choices before it is Normal or MultiNormal, moves all its \
              numbers along an ellipse through a draw from that distribution; other choices are moved as `single_site` does. It has \
              nothing to tune. Murray, Adams and MacKay 2010.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(elliptical(), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn elliptical(names: [String]) -> Kernel",
        doc: "A kernel that moves all choices of these names together along one ellipse. Their distributions must be Normal or \
              MultiNormal, and must not depend on each other; it is an error if they do. Murray, Adams and MacKay 2010.\n\
              example: len(draws(chain(() => { x ~ Normal(0, 1); x }, elliptical([\"x\"]), draws = 10, chains = 1))) == 10",
        contract: Contract::Invariant,
    },
];

/// Points on the ellipse before a step is given up; each halves what is left of it about once.
const MOST_POINTS: usize = 200;

/// One choice that is moved.
struct Point {
    place: usize,
    now: Vec<f64>,
    drawn: Vec<f64>,
    mean: Vec<f64>,
    /// The standard deviations, where the numbers are independent.
    sd: Option<Vec<f64>>,
    dist: Value,
    logp: f64,
}

/// One choice.
pub(super) fn step<T: Traced>(step: &mut Step<'_, T>) -> Result<bool, Fault> {
    let Some((place, count)) = step.pick() else { return step.nothing() };
    let Some(point) = point(step, place)? else { return move_one(step, place, count, Steps::Mixed) };
    let moved = ellipse(step, &[point])?;
    let tuning = &mut step.sites.at(step.walker, place, 1.0).tuning;
    tuning.count(moved);
    Ok(moved)
}

/// All choices of some names.
pub(super) fn block<T: Traced>(step: &mut Step<'_, T>, names: &Names) -> Result<bool, Fault> {
    let walker = &mut *step.walker;
    let (trace, infos) = (walker.view.trace(&walker.state), walker.view.infos(&walker.state));
    let name = |place: usize| &infos.get(trace.choices[place].info).name;
    let places: Vec<usize> =
        trace.movable.iter().map(|place| *place as usize).filter(|place| names.contain(name(*place))).collect();
    if places.is_empty() {
        return Ok(false);
    }
    let mut points = Vec::with_capacity(places.len());
    for place in places {
        let Some(point) = point(step, place)? else {
            let walker = &*step.walker;
            let info = walker.view.trace(&walker.state).choices[place].info;
            let name = &walker.view.infos(&walker.state).get(info).name;
            let dist = walker.view.distribution(&walker.state, place)?;
            let what = if let Value::Dist(dist) = &dist { dist.name.to_string() } else { "something else".into() };
            return Err(Fault::error(format!("`elliptical` moves choices from a Normal, and `{name}` is from {what}"))
                .hint("name only choices whose distribution is Normal or MultiNormal"));
        };
        points.push(point);
    }
    let moved = ellipse(step, &points)?;
    Ok(step.count(moved))
}

/// The choice at a place with a draw from its distribution, if that is Gaussian.
fn point<T: Traced>(step: &mut Step<'_, T>, place: usize) -> Result<Option<Point>, Fault> {
    let walker = &*step.walker;
    let dist = walker.view.distribution(&walker.state, place)?;
    let choice = &walker.view.trace(&walker.state).choices[place];
    let Some(now) = numbers(&choice.value) else { return Ok(None) };
    let Value::Dist(known) = &dist else { return Ok(None) };
    let Some((mean, sd)) = gaussian(known, now.len()) else { return Ok(None) };
    let logp = choice.logp;
    if step.random.generator().is_none() {
        return Err(Fault::error("a continuous choice cannot be moved by an exact method")
            .hint("use finite choices, or a method that draws"));
    }
    let Some((drawn, _)) = walker.view.draw_choice(&walker.state, place, step.random)? else { return Ok(None) };
    let Some(drawn) = numbers(&drawn) else { return Ok(None) };
    Ok(Some(Point { place, now, drawn, mean, sd, dist, logp }))
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    match value {
        Value::Real(x) => Some(vec![*x]),
        Value::Reals(xs) => Some(xs.to_vec()),
        _ => None,
    }
}

/// Mean and, where the numbers are independent, standard deviations of a Gaussian distribution over `n` numbers.
fn gaussian(dist: &DistValue, n: usize) -> Option<(Vec<f64>, Option<Vec<f64>>)> {
    let spread = |value: &Value| match value {
        Value::Reals(xs) if xs.len() == n => Some(xs.to_vec()),
        value => value.as_real().map(|x| vec![x; n]),
    };
    match (dist.name.as_str(), dist.args.as_slice()) {
        ("Normal", [mean, sd]) => Some((spread(mean)?, Some(spread(sd)?))),
        ("MultiNormal" | "MultiNormalCholesky" | "MultiNormalPrecision", [mean, _]) => Some((spread(mean)?, None)),
        ("Iid", [Value::Dist(inner), _]) => {
            let (mean, sd) = gaussian(inner, 1)?;
            (inner.name.as_str() == "Normal").then(|| (vec![mean[0]; n], sd.map(|sd| vec![sd[0]; n])))
        }
        ("Product", [Value::Values(parts)]) if parts.len() == n => {
            let mut all = (Vec::with_capacity(n), Vec::with_capacity(n));
            for part in parts.iter() {
                let Value::Dist(part) = part else { return None };
                let (mean, sd) = gaussian(part, 1)?;
                all.0.extend(mean);
                all.1.extend(sd?);
            }
            Some((all.0, Some(all.1)))
        }
        _ => None,
    }
}

/// Moves the points along their ellipse.
fn ellipse<T: Traced>(step: &mut Step<'_, T>, points: &[Point]) -> Result<bool, Fault> {
    let Some(generator) = step.random.generator() else { return Ok(false) };
    let level = generator.uniform().ln();
    let mut angle = generator.uniform() * std::f64::consts::TAU;
    let (mut low, mut high) = (angle - std::f64::consts::TAU, angle);
    let single = |point: &Point| matches!(&point.dist, Value::Dist(dist) if dist.name.as_str() == "Normal");
    let scalars: Vec<bool> = points
        .iter()
        .map(|point| {
            let value = &step.walker.view.trace(&step.walker.state).choices[point.place].value;
            matches!(value, Value::Real(_)) && single(point)
        })
        .collect();
    for _ in 0..MOST_POINTS {
        let (sin, cos) = angle.sin_cos();
        let moved: Vec<Vec<f64>> = points
            .iter()
            .map(|p| {
                let parts = p.now.iter().zip(&p.drawn).zip(&p.mean);
                parts
                    .map(|((now, drawn), mean)| (now, drawn, mutant!("elliptical around zero", &0.0, mean)))
                    .map(|(now, drawn, mean)| mean + (now - mean) * cos + (drawn - mean) * sin)
                    .collect()
            })
            .collect();
        let values: Vec<(usize, Value)> = points
            .iter()
            .zip(&moved)
            .zip(&scalars)
            .map(|((p, xs), scalar)| (p.place, if *scalar { Value::Real(xs[0]) } else { Value::reals(xs.clone()) }))
            .collect();
        let mut random = Watched::new(step.random);
        let walker = &mut *step.walker;
        let result = walker.view.propose(&mut walker.state, &values, &[], &mut random)?;
        let drew = random.asked();
        match result {
            Ok(update) if !drew && update.gone.is_empty() => {
                let trace = walker.view.trace(&walker.state);
                let priors: f64 = points.iter().map(|p| trace.choices[p.place].logp - p.logp).sum();
                if points.len() > 1 {
                    independent(step, points, &moved)?;
                }
                let inside = step.walker.change(&update) - mutant!("elliptical counts the prior", 0.0, priors) >= level;
                if inside {
                    step.walker.view.accept(&mut step.walker.state);
                    return Ok(true);
                }
                step.walker.view.reject(&mut step.walker.state);
            }
            Ok(_) => walker.view.reject(&mut walker.state),
            Err(dead) => step.trouble.note(dead),
        }
        if angle < 0.0 {
            low = angle;
        } else {
            high = angle;
        }
        let Some(generator) = step.random.generator() else { break };
        angle = low + (high - low) * generator.uniform();
    }
    Ok(false)
}

/// Makes sure that the distributions of choices that move together are what they were.
fn independent<T: Traced>(step: &mut Step<'_, T>, points: &[Point], moved: &[Vec<f64>]) -> Result<(), Fault> {
    let walker = &mut *step.walker;
    for (point, moved) in points.iter().zip(moved) {
        let logp = walker.view.trace(&walker.state).choices[point.place].logp;
        let holds = match &point.sd {
            Some(sd) => {
                let square = |xs: &[f64]| -> f64 {
                    let parts = xs.iter().zip(&point.mean).zip(sd);
                    parts.map(|((x, mean), sd)| ((x - mean) / sd).powi(2)).sum()
                };
                let expected = point.logp + 0.5 * (square(&point.now) - square(moved));
                (logp - expected).abs() <= 1e-8 * (1.0 + logp.abs() + expected.abs())
            }
            None => same(&walker.view.distribution(&walker.state, point.place)?, &point.dist),
        };
        if !holds {
            let info = walker.view.trace(&walker.state).choices[point.place].info;
            let name = walker.view.infos(&walker.state).get(info).name.clone();
            walker.view.reject(&mut walker.state);
            return Err(Fault::error(format!(
                "`elliptical` moves choices together whose distributions depend on each other: that of `{name}` changed"
            ))
            .hint("move them one at a time, as in `on([\"x\"], elliptical())`"));
        }
    }
    Ok(())
}
