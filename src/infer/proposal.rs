//! Moves of a single choice: small symmetric steps within its support, with step sizes adapted during warm-up only.

use crate::model::Random;
use crate::value::{Domain, Fault, Generator, Matrix, Value};
use std::sync::Arc;

/// How a choice is moved by a small step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Add a normal step to one number.
    Additive,
    /// Multiply one positive number.
    Multiplicative,
    /// Add a normal step and reflect at the ends.
    Reflected,
    /// Another value of a small finite set, uniformly.
    Other,
    /// One integer up or down.
    Walk,
    /// Move weight between two components of a simplex.
    Transfer,
    /// Change one pair of symmetric entries of a matrix.
    Symmetric,
    /// Change one entry of the lower triangle.
    Lower,
    /// Only draws from the prior.
    None,
}

/// What a proposal for one choice knows and learns. It is small: a step of a long chain finds nothing of it in the caches.
#[derive(Clone, Debug)]
pub struct Tuning {
    pub kind: Move,
    /// How many single components the choice has.
    units: u32,
    pub proposed: u32,
    pub accepted: u32,
    /// The step size of the first component, in place: most choices have one.
    first: Step,
    /// What most choices do without.
    more: Option<Box<More>>,
}

#[derive(Clone, Debug, Default)]
struct More {
    /// The step sizes of the components after the first.
    rest: Vec<Step>,
    /// For each component: the sum of the lengths of the moves made while adapting, and their number. Empty at first.
    lengths: Vec<(f64, f64)>,
}

/// The log of a step size, and how often it was adapted.
#[derive(Clone, Copy, Debug, Default)]
struct Step {
    log_scale: f64,
    tries: f64,
}

/// Finite sets up to this size are moved to any other value.
const SMALL: f64 = 64.0;

impl Tuning {
    /// For a choice with this support and this value, whose steps have this size at first.
    pub fn new(support: &Domain, value: &Value, scale: f64) -> Tuning {
        let (kind, units) = kind_of(support, value);
        let step = Step { log_scale: scale.ln(), tries: 0.0 };
        let more = (units > 1).then(|| Box::new(More { rest: vec![step; units - 1], lengths: Vec::new() }));
        Tuning { kind, units: units as u32, first: step, more, proposed: 0, accepted: 0 }
    }

    /// How many single components the choice has.
    pub fn units(&self) -> usize {
        self.units as usize
    }

    /// Counts a proposal.
    pub fn count(&mut self, accepted: bool) {
        self.proposed = self.proposed.saturating_add(1);
        self.accepted = self.accepted.saturating_add(u32::from(accepted));
    }

    /// The sum of the lengths of the moves of a component made while adapting, and their number.
    pub fn lengths(&self, unit: usize) -> (f64, f64) {
        self.more.as_ref().and_then(|more| more.lengths.get(unit)).copied().unwrap_or_default()
    }

    /// Notes the length of a move of a component.
    pub fn moved(&mut self, unit: usize, length: f64) {
        let units = self.units();
        let more = self.more.get_or_insert_default();
        more.lengths.resize(units.max(unit + 1).max(more.lengths.len()), (0.0, 0.0));
        more.lengths[unit].0 += length;
        more.lengths[unit].1 += 1.0;
    }

    /// Learns from the acceptance probability of a step of a component (Robbins and Monro; target 0.44 for one dimension).
    pub fn adapt(&mut self, unit: usize, acceptance: f64) {
        let step = match unit.checked_sub(1) {
            None => &mut self.first,
            Some(k) => match self.more.as_mut().and_then(|more| more.rest.get_mut(k)) {
                Some(step) => step,
                None => return,
            },
        };
        step.tries += 1.0;
        let gain = 3.0 / step.tries.powf(0.7);
        step.log_scale = (step.log_scale + gain * (acceptance - 0.44)).clamp(-30.0, 30.0);
    }

    /// The step size of a component.
    fn scale(&self, unit: usize) -> f64 {
        let step = unit.checked_sub(1).map_or(Some(&self.first), |k| self.more.as_ref()?.rest.get(k));
        step.map_or(1.0, |step| step.log_scale.exp())
    }
}

fn kind_of(support: &Domain, value: &Value) -> (Move, usize) {
    use crate::value::domain::Size;
    let len = value.array_len().unwrap_or(1);
    match support {
        Domain::Real => (Move::Additive, 1),
        Domain::Positive | Domain::NonNegative => (Move::Multiplicative, 1),
        Domain::UnitInterval => (Move::Reflected, 1),
        Domain::Interval(a, b) if a.is_finite() || b.is_finite() => (Move::Reflected, 1),
        Domain::Interval(..) => (Move::Additive, 1),
        Domain::Int | Domain::Natural => (Move::Walk, 1),
        Domain::Vector(_) | Domain::Ordered(_) | Domain::PositiveOrdered(_) => (Move::Additive, len),
        Domain::Simplex(n) if *n >= 2 => (Move::Transfer, *n),
        Domain::PosDef(n) => (Move::Symmetric, n * (n + 1) / 2),
        Domain::Corr(n) if *n >= 2 => (Move::Symmetric, n * (n - 1) / 2),
        Domain::CovCholesky(n) => (Move::Lower, n * (n + 1) / 2),
        Domain::Matrix(n, m) => (Move::Additive, n * m),
        Domain::Power(inner, n) => match inner.size() {
            _ if *n == 0 => (Move::None, 0),
            Size::Continuous | Size::Countable => match kind_of(inner, &value.element(0).unwrap_or_default()) {
                (kind, 1) => (kind, *n),
                _ => (Move::None, 0),
            },
            Size::Finite(k) if (2.0..=SMALL).contains(&k) => (Move::Other, *n),
            Size::Finite(_) => match **inner {
                Domain::IntRange(..) => (Move::Walk, *n),
                _ => (Move::None, 0),
            },
            Size::Unknown => (Move::None, 0),
        },
        Domain::Product(parts) if !parts.is_empty() => {
            let first = kind_of(&parts[0], &value.element(0).unwrap_or_default()).0;
            let alike = parts
                .iter()
                .enumerate()
                .all(|(k, part)| kind_of(part, &value.element(k).unwrap_or_default()) == (first, 1));
            if alike { (first, parts.len()) } else { (Move::None, 0) }
        }
        other => match other.size() {
            Size::Finite(k) if (2.0..=SMALL).contains(&k) => (Move::Other, 1),
            Size::Finite(k) if k > SMALL && matches!(other, Domain::IntRange(..)) => (Move::Walk, 1),
            _ => (Move::None, 0),
        },
    }
}

/// A proposed value, and the log of the reverse over the forward density of the proposal.
pub struct Proposed {
    pub value: Value,
    pub log_ratio: f64,
}

/// Moves one component of a value by a small step. None when the step leaves the support at once.
pub fn propose(
    tuning: &Tuning,
    unit: usize,
    support: &Domain,
    value: &Value,
    random: &mut dyn Random,
) -> Result<Option<Proposed>, Fault> {
    let part = component_domain(support, unit);
    let part = part.unwrap_or(support);
    if tuning.kind == Move::Other {
        return Ok(other_value(part, value, unit, is_array(support), random));
    }
    let Some(generator) = random.generator() else {
        if tuning.kind == Move::Walk {
            // Any symmetric steps will do where all must be told.
            let size = 1 + random.choose(&[2.0, 1.0]) as i64;
            let size = if random.flip(0.5) { -size } else { size };
            return Ok(on_integer(value, unit, |n| n.checked_add(size)));
        }
        return Err(Fault::error("a continuous choice cannot be moved by an exact method")
            .hint("use finite choices, or a method that draws"));
    };
    let step = tuning.scale(unit);
    let z = normal(generator);
    Ok(match tuning.kind {
        Move::Additive => on_number(value, unit, |x| Some((x + step * z, 0.0))),
        Move::Multiplicative => {
            let factor = (step * z).clamp(-500.0, 500.0);
            // q(x | x') / q(x' | x) = x' / x.
            on_number(value, unit, |x| Some((x * factor.exp(), mutant!("dropped Jacobian", 0.0, factor))))
        }
        Move::Reflected => {
            let (a, b) = part.real_bounds().unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
            let width = if a.is_finite() && b.is_finite() { b - a } else { 1.0 };
            // As in `other_value`: no step from where the ends, which may have moved, could not lead back.
            on_number(value, unit, |x| (a <= x && x <= b).then(|| (reflect(x + step * width * z, a, b), 0.0)))
        }
        Move::Walk => {
            // A symmetric step of at least one.
            let size = 1.0 + (step * z.abs()).floor().min(1e15);
            let size = if generator.uniform() < 0.5 { -size } else { size };
            on_integer(value, unit, |n| n.checked_add(size as i64))
        }
        Move::Transfer => {
            let Value::Reals(xs) = value else { return Ok(None) };
            let n = xs.len();
            let other = (unit + 1 + (generator.uniform() * (n - 1) as f64) as usize) % n;
            let mut moved = xs.to_vec();
            let delta = 0.2 * step * z;
            moved[unit] += delta;
            moved[other] -= delta;
            if moved[unit] < 0.0 || moved[other] < 0.0 {
                return Ok(None);
            }
            Some(Proposed { value: Value::reals(moved), log_ratio: 0.0 })
        }
        Move::Symmetric => match value {
            Value::Matrix(m) => {
                let (i, j) = triangle(unit, matches!(support, Domain::Corr(_)));
                let mut m = Matrix::clone(m);
                let cols = m.cols;
                m.data[i * cols + j] += 0.3 * step * z;
                m.data[j * cols + i] = m.data[i * cols + j];
                Some(Proposed { value: Value::Matrix(Arc::new(m)), log_ratio: 0.0 })
            }
            _ => None,
        },
        Move::Lower => match value {
            Value::Matrix(m) => {
                let (i, j) = triangle(unit, false);
                let mut m = Matrix::clone(m);
                let cols = m.cols;
                m.data[i * cols + j] += 0.3 * step * z;
                Some(Proposed { value: Value::Matrix(Arc::new(m)), log_ratio: 0.0 })
            }
            _ => None,
        },
        Move::Other | Move::None => None,
    })
}

/// Row and column of entry `unit` of a lower triangle, with or without its diagonal.
fn triangle(unit: usize, strict: bool) -> (usize, usize) {
    let mut i = 0;
    let mut first = 0;
    loop {
        let width = if strict { i } else { i + 1 };
        if unit < first + width {
            return (i, unit - first);
        }
        first += width;
        i += 1;
    }
}

fn is_array(support: &Domain) -> bool {
    matches!(support, Domain::Power(..) | Domain::Product(_))
}

fn component_domain(support: &Domain, unit: usize) -> Option<&Domain> {
    match support {
        Domain::Power(inner, _) => Some(inner),
        Domain::Product(parts) => parts.get(unit),
        _ => None,
    }
}

fn normal(generator: &mut Generator) -> f64 {
    use rand_distr::Distribution;
    rand_distr::StandardNormal.sample(generator)
}

fn reflect(x: f64, a: f64, b: f64) -> f64 {
    let mut x = x;
    // A step is rarely longer than the interval; a very long one is folded.
    if a.is_finite() && b.is_finite() && b > a {
        let width = b - a;
        let y = (x - a).rem_euclid(2.0 * width);
        return a + if y > width { 2.0 * width - y } else { y };
    }
    if x < a {
        x = 2.0 * a - x;
    }
    if x > b {
        x = 2.0 * b - x;
    }
    x
}

fn on_number(value: &Value, unit: usize, f: impl Fn(f64) -> Option<(f64, f64)>) -> Option<Proposed> {
    match value {
        Value::Real(x) => f(*x).map(|(x, log_ratio)| Proposed { value: Value::Real(x), log_ratio }),
        Value::Reals(xs) => {
            let mut moved = xs.to_vec();
            let (x, log_ratio) = f(*moved.get(unit)?)?;
            moved[unit] = x;
            Some(Proposed { value: Value::reals(moved), log_ratio })
        }
        Value::Matrix(m) => {
            let mut moved = Matrix::clone(m);
            let (x, log_ratio) = f(*moved.data.get(unit)?)?;
            moved.data[unit] = x;
            Some(Proposed { value: Value::Matrix(Arc::new(moved)), log_ratio })
        }
        _ => None,
    }
}

fn on_integer(value: &Value, unit: usize, f: impl Fn(i64) -> Option<i64>) -> Option<Proposed> {
    match value {
        Value::Int(n) => f(*n).map(|n| Proposed { value: Value::Int(n), log_ratio: 0.0 }),
        Value::Ints(xs) => {
            let mut moved = xs.to_vec();
            moved[unit] = f(*moved.get(unit)?)?;
            Some(Proposed { value: Value::ints(moved), log_ratio: 0.0 })
        }
        _ => None,
    }
}

/// The distinct values of a small finite set, in order.
fn members(part: &Domain) -> Option<Vec<Value>> {
    Some(match part {
        Domain::Bool => vec![Value::Bool(false), Value::Bool(true)],
        Domain::IntRange(lo, hi) => (*lo..=*hi).map(Value::Int).collect(),
        Domain::Values(all) => {
            let mut distinct: Vec<Value> = Vec::new();
            for v in all {
                if !distinct.contains(v) {
                    distinct.push(v.clone());
                }
            }
            distinct
        }
        _ => return None,
    })
}

/// The value with another element.
fn with_element(value: &Value, unit: usize, element: Value) -> Option<Value> {
    Some(match (value, element) {
        (Value::Ints(xs), Value::Int(n)) => {
            let mut xs = xs.to_vec();
            *xs.get_mut(unit)? = n;
            Value::ints(xs)
        }
        (Value::Bools(xs), Value::Bool(b)) => {
            let mut xs = xs.to_vec();
            *xs.get_mut(unit)? = b;
            Value::Bools(Arc::new(xs))
        }
        (Value::Reals(xs), Value::Real(x)) => {
            let mut xs = xs.to_vec();
            *xs.get_mut(unit)? = x;
            Value::reals(xs)
        }
        (Value::Values(xs), v) => {
            let mut xs = xs.to_vec();
            *xs.get_mut(unit)? = v;
            Value::Values(Arc::new(xs))
        }
        _ => return None,
    })
}

/// Another value of a small finite set, uniformly.
fn other_value(part: &Domain, value: &Value, unit: usize, in_array: bool, random: &mut dyn Random) -> Option<Proposed> {
    let current = if in_array { value.element(unit)? } else { value.clone() };
    let others = members(part)?;
    // The support is that of the choice when it was first seen. From a value that it lacks there would be no way back.
    if !others.contains(&current) {
        return None;
    }
    let others: Vec<Value> = others.into_iter().filter(|v| *v != current).collect();
    if others.is_empty() {
        return None;
    }
    let picked = others[random.choose(&vec![1.0; others.len()])].clone();
    let moved = if in_array { with_element(value, unit, picked)? } else { picked };
    Some(Proposed { value: moved, log_ratio: 0.0 })
}

/// A line of values through a value, along which one number of it moves.
pub struct Line {
    pub start: f64,
    /// The points are whole numbers: integers, or places in a list of values.
    pub whole: bool,
    /// A width to begin with.
    pub width: f64,
    /// The least and the greatest point, of whole numbers.
    pub ends: (i64, i64),
    at: Box<dyn Fn(f64) -> Option<Value>>,
}

impl Line {
    /// The value at a point of the line; none beyond an end that is known without asking the density.
    pub fn at(&self, x: f64) -> Option<Value> {
        (self.at)(x)
    }
}

/// Whether a choice has lines, and the one along a component of it.
pub enum Lines {
    Along(Line),
    /// The value lies outside the set whose values make up the line: there is no way along it.
    Outside,
    None,
}

/// Beyond this no integer is moved.
const GREATEST: i64 = 1 << 52;

/// The line along one component of a value; of a simplex, along that and another component.
pub fn line(kind: Move, unit: usize, support: &Domain, value: &Value, random: &mut dyn Random) -> Lines {
    let part = component_domain(support, unit).unwrap_or(support).clone();
    let whole = value.clone();
    let real = |start: f64, width: f64, at: Box<dyn Fn(f64) -> Option<Value>>| {
        Lines::Along(Line { start, whole: false, width, ends: (0, 0), at })
    };
    match (kind, value) {
        (Move::Additive | Move::Multiplicative | Move::Reflected, _) => {
            let start = match value {
                Value::Real(x) => Some(*x),
                Value::Reals(xs) => xs.get(unit).copied(),
                Value::Matrix(m) => m.data.get(unit).copied(),
                _ => None,
            };
            let Some(start) = start else { return Lines::None };
            let width = match part.real_bounds() {
                Some((a, b)) if (b - a).is_finite() => b - a,
                _ => 1.0,
            };
            real(start, width, Box::new(move |x| on_number(&whole, unit, |_| Some((x, 0.0))).map(|p| p.value)))
        }
        (Move::Transfer, Value::Reals(xs)) => {
            let n = xs.len();
            if n < 2 || unit >= n {
                return Lines::None;
            }
            let other = (unit + 1 + random.choose(&vec![1.0; n - 1])) % n;
            let total = xs[unit] + xs[other];
            let xs = Arc::clone(xs);
            let at = move |x: f64| {
                let mut moved = xs.to_vec();
                moved[unit] = x;
                moved[other] = total - x;
                (x >= 0.0 && x <= total).then(|| Value::reals(moved))
            };
            real(value.element(unit).and_then(|x| x.as_real()).unwrap_or(0.0), 1.0, Box::new(at))
        }
        (Move::Symmetric | Move::Lower, Value::Matrix(m)) => {
            let strict = matches!(support, Domain::Corr(_));
            let (i, j) = triangle(unit, strict);
            let symmetric = kind == Move::Symmetric;
            let m = Arc::clone(m);
            let start = m.at(i, j);
            let at = move |x: f64| {
                let mut moved = Matrix::clone(&m);
                let cols = moved.cols;
                moved.data[i * cols + j] = x;
                if symmetric {
                    moved.data[j * cols + i] = x;
                }
                Some(Value::Matrix(Arc::new(moved)))
            };
            real(start, 1.0, Box::new(at))
        }
        (Move::Walk | Move::Other, _) if !matches!(part, Domain::Bool | Domain::Values(_)) => {
            let current = if is_array(support) { value.element(unit) } else { Some(value.clone()) };
            let Some(start) = current.and_then(|v| v.as_int()).filter(|n| n.abs() <= GREATEST) else {
                return Lines::None;
            };
            let at = move |x: f64| on_integer(&whole, unit, |_| Some(x as i64)).map(|p| p.value);
            // The ends may have moved since the support was first seen; the density knows them.
            Lines::Along(Line {
                start: start as f64,
                whole: true,
                width: 1.0,
                ends: (-GREATEST, GREATEST),
                at: Box::new(at),
            })
        }
        (Move::Other, _) => {
            let in_array = is_array(support);
            let Some(values) = members(&part) else { return Lines::None };
            let current = if in_array { value.element(unit) } else { Some(value.clone()) };
            let Some(start) = values.iter().position(|v| Some(v) == current.as_ref()) else { return Lines::Outside };
            let ends = (0, values.len() as i64 - 1);
            let at = move |x: f64| {
                let picked = values.get(x as usize)?.clone();
                if in_array { with_element(&whole, unit, picked) } else { Some(picked) }
            };
            Lines::Along(Line { start: start as f64, whole: true, width: 1.0, ends, at: Box::new(at) })
        }
        _ => Lines::None,
    }
}
