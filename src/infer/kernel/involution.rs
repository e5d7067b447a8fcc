//! Involutive moves, reversible jumps among them: a deterministic map, its own inverse, of a trace and of choices that a program draws.
//!
//! The acceptance ratio of Green (1995) holds the ratio of the densities of both traces, that of the densities of what was drawn, and the
//! Jacobian of the map of all numbers that change (Cusumano-Towner, Lew and Mansinghka 2020; Neklyudov, Welling, Egorov and Vetrov 2020).
//! Every step makes sure that the map leads back.

use super::super::{Contract, Row};
use super::jacobian::log_abs_det;
use super::proposal::{Never, Places, sort};
use super::{Step, Walker};
use crate::model::{Answer, Dead, Functions, Ran, Stopped, Traced};
use crate::value::{Fault, Matrix, Value};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn involution(draw: (a) ~> u, transform: (a, u) ~> b) -> Kernel",
    doc: "A kernel that draws named choices by `draw`, which is given what the model returned, and then moves by a map: `transform`, given \
          both what the model returned and what `draw` gave, writes by `name ~ Dirac(value)` the new values of choices of the model and of \
          those that `draw` would make in the new trace. The map must be its own inverse, which every step checks; as many real numbers \
          must go in as come out. The Jacobian is computed. For moves between models of different size (reversible jump). Green 1995; \
          Cusumano-Towner, Lew and Mansinghka 2020.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(involution((v: Bool) => 0, (v, u) => { x ~ Dirac(!v); x }), trace(() => { x ~ Flip(0.25); x })))))",
    contract: Contract::Invariant,
}];

/// How far what comes back may differ from what was there, for the rounding of the map.
const ROUNDING: f64 = 1e-6;

pub(super) fn step<T: Traced>(step: &mut Step<'_, T>, draw: &Value, transform: &Value) -> Result<bool, Fault> {
    let accepted = attempt(step, draw, transform)?;
    Ok(step.count(accepted))
}

type Written = Vec<(String, Value)>;

fn attempt<T: Traced>(step: &mut Step<'_, T>, draw: &Value, transform: &Value) -> Result<bool, Fault> {
    let walker = &mut *step.walker;
    let before = walker.view.trace(&walker.state).clone();
    let infos = walker.view.infos(&walker.state).clone();
    let old = Places::new(&before, &infos);
    let value = walker.view.value(&walker.state);
    let forward = match step.functions.run(draw, vec![value.clone()], &mut |_| Answer::Draw, step.random)? {
        Ok(ran) => ran,
        Err(Stopped::Dead(Dead::Domain(fault))) => return Err(*fault),
        Err(_) => return Ok(false),
    };
    let written = step.functions.assign(transform, vec![value, forward.value.clone()])?;
    let (values, born) = sort(&old, written.iter().cloned())?;
    let mut probe = walker.clone();
    let update = match walker.view.propose_with(&mut walker.state, &values, &[], &born, step.random)? {
        Ok(update) => update,
        Err(dead) => {
            step.trouble.note(dead);
            return Ok(false);
        }
    };
    if !update.moved.is_empty() {
        walker.view.reject(&mut walker.state);
        return Ok(false);
    }
    let result = way_back(step, (draw, transform), &old, &forward, &written);
    let (backward, returned) = match result {
        Ok(Some(found)) => found,
        Ok(None) => {
            step.walker.view.reject(&mut step.walker.state);
            return Ok(false);
        }
        Err(fault) => {
            step.walker.view.reject(&mut step.walker.state);
            return Err(fault);
        }
    };
    // What the way back writes is not drawn from its prior there.
    let gone: Vec<_> =
        update.gone.iter().filter(|choice| find(&returned, &infos.get(choice.info).name).is_some()).collect();
    let covered: f64 = gone.iter().map(|choice| choice.logp).sum();
    // The numbers that go into the map: choices that are overwritten or vanish, and what was drawn.
    let kept = values.iter().map(|(place, _)| *place).filter(|place| {
        let address = before.choices[*place].address;
        !update.gone.iter().any(|choice| choice.address == address)
    });
    let vanished = gone.iter().filter_map(|choice| before.choices.iter().position(|c| c.address == choice.address));
    let places: Vec<usize> = kept.chain(vanished).collect();
    let inputs: Vec<Value> = places
        .iter()
        .map(|place| before.choices[*place].value.clone())
        .chain(forward.drawn.iter().map(|drawn| drawn.value.clone()))
        .collect();
    let mut map = Map {
        functions: step.functions,
        draw,
        transform,
        probe: &mut probe,
        places,
        forward: &forward,
        written: &written,
        inputs,
    };
    let jacobian = map.log_jacobian();
    let jacobian = match jacobian {
        Ok(found) => found,
        Err(fault) => {
            step.walker.view.reject(&mut step.walker.state);
            return Err(fault);
        }
    };
    let log_alpha = step.walker.log_ratio(&update) - covered + backward.logp() - forward.logp() + jacobian;
    Ok(step.decide(if log_alpha.is_nan() { f64::NEG_INFINITY } else { log_alpha }).1)
}

fn find<'v>(written: &'v Written, name: &str) -> Option<&'v Value> {
    written.iter().find(|(known, _)| known == name).map(|(_, value)| value)
}

/// What is drawn and written on the way back from the proposed trace, once it is sure that it leads to the old one. None when it cannot be
/// drawn.
fn way_back<T: Traced>(
    step: &mut Step<'_, T>,
    (draw, transform): (&Value, &Value),
    old: &Places<'_>,
    forward: &Ran,
    written: &Written,
) -> Result<Option<(Ran, Written)>, Fault> {
    let walker = &*step.walker;
    let new = Places::new(walker.view.trace(&walker.state), walker.view.infos(&walker.state));
    // What the new trace does not have is for the draws of the way back.
    let mut extra: Written = Vec::new();
    for (name, value) in written {
        if new.find(name)?.is_none() {
            extra.push((name.clone(), value.clone()));
        }
    }
    let value = walker.view.value(&walker.state);
    let mut answer = |name: &str| find(&extra, name).map_or(Answer::Stop, |value| Answer::Take(value.clone()));
    let backward = match step.functions.run(draw, vec![value.clone()], &mut answer, &mut Never)? {
        Ok(ran) => ran,
        Err(Stopped::At(name)) => {
            return Err(Fault::error(format!(
                "the way back of an involution draws `{name}`, which the transformation does not write"
            ))
            .hint(format!("write `{name} ~ Dirac(…)` with the value that leads back")));
        }
        Err(Stopped::Dead(Dead::Domain(fault))) => return Err(*fault),
        Err(Stopped::Dead(_)) => return Ok(None),
    };
    if let Some((name, _)) = extra.iter().find(|(name, _)| backward.find(name).is_none()) {
        return Err(Fault::error(format!(
            "the transformation of an involution writes `{name}`, which neither the new run nor the way back's draws have"
        )));
    }
    if backward.logp() == f64::NEG_INFINITY {
        return Ok(None);
    }
    let returned = step.functions.assign(transform, vec![value, backward.value.clone()])?;
    let differs = |name: &str, now: &Value| match find(&returned, name) {
        Some(back) if close(now, back) => None,
        Some(back) => Some(format!("`{name}` is {now} and comes back as {back}")),
        None => Some(format!("`{name}` is {now} and does not come back")),
    };
    // Every choice that was drawn, and every choice of the model that either way writes, is again what it was.
    let mut wrong = forward.drawn.iter().find_map(|drawn| differs(&drawn.name, &drawn.value));
    for name in written.iter().chain(&returned).map(|(name, _)| name) {
        if let Some((_, now)) = old.find(name)?
            && wrong.is_none()
        {
            wrong = differs(name, now);
        }
    }
    if wrong.is_none() {
        let known = |name: &str| Ok::<bool, Fault>(old.find(name)?.is_some() || forward.find(name).is_some());
        for (name, _) in &returned {
            if !known(name)? {
                wrong = Some(format!("`{name}` comes back and was not there"));
                break;
            }
        }
    }
    match wrong {
        Some(wrong) => {
            Err(Fault::error(format!("the transformation of an involution is not its own inverse: {wrong}"))
                .hint("applied to the new run and the new draws, it must give the old ones"))
        }
        None => Ok(Some((backward, returned))),
    }
}

/// Whether two values are equal but for rounding.
fn close(a: &Value, b: &Value) -> bool {
    let near = |a: f64, b: f64| a == b || (a - b).abs() <= ROUNDING * (1.0 + a.abs().max(b.abs()));
    match (a, b) {
        (Value::Real(_), _) | (_, Value::Real(_)) => match (a.as_real(), b.as_real()) {
            (Some(a), Some(b)) => near(a, b),
            _ => false,
        },
        (Value::Reals(a), Value::Reals(b)) => a.len() == b.len() && a.iter().zip(b.iter()).all(|(a, b)| near(*a, *b)),
        (Value::Matrix(a), Value::Matrix(b)) => {
            a.rows == b.rows && a.cols == b.cols && a.data.iter().zip(&b.data).all(|(a, b)| near(*a, *b))
        }
        (a, b) => a == b,
    }
}

/// The real numbers of a value.
fn reals(value: &Value) -> &[f64] {
    match value {
        Value::Real(x) => std::slice::from_ref(x),
        Value::Reals(xs) => xs,
        Value::Matrix(m) => &m.data,
        _ => &[],
    }
}

/// The value with other real numbers.
fn with_reals(value: &Value, xs: &[f64]) -> Value {
    match value {
        Value::Real(_) => Value::Real(xs[0]),
        Value::Reals(_) => Value::reals(xs.to_vec()),
        Value::Matrix(m) => Value::Matrix(Arc::new(Matrix { rows: m.rows, cols: m.cols, data: xs.to_vec() })),
        other => other.clone(),
    }
}

/// The map from the numbers that go in to those that come out, at the old trace.
struct Map<'a, T: Traced> {
    functions: &'a dyn Functions,
    draw: &'a Value,
    transform: &'a Value,
    /// A walker at the old trace.
    probe: &'a mut Walker<T>,
    /// The choices of the old trace that go in.
    places: Vec<usize>,
    forward: &'a Ran,
    written: &'a Written,
    /// The values of those choices, and of the draws.
    inputs: Vec<Value>,
}

impl<T: Traced> Map<'_, T> {
    fn log_jacobian(&mut self) -> Result<f64, Fault> {
        let x: Vec<f64> = self.inputs.iter().flat_map(reals).copied().collect();
        let out: usize = self.written.iter().map(|(_, value)| reals(value).len()).sum();
        if x.len() != out {
            return Err(Fault::error(format!(
                "the transformation of an involution takes {} real numbers to {out}: as many must come out as go in",
                x.len()
            ))
            .hint("numbers go in by choices of the model that are written or vanish, and by the choices of `draw`"));
        }
        if x.is_empty() {
            return Ok(0.0);
        }
        let found = mutant!("dropped Jacobian of an involution", Some(0.0), log_abs_det(&x, &mut |x| self.at(x))?);
        found.ok_or_else(|| {
            Fault::error("the Jacobian of an involution cannot be computed: the map has no value near the state")
                .hint("is the state on the border of its support?")
        })
    }

    /// What the map gives at other numbers; none where the model or the draws have no density.
    fn at(&mut self, x: &[f64]) -> Result<Option<Vec<f64>>, Fault> {
        let mut rest = x;
        let mut next = |value: &Value| {
            let (these, others) = rest.split_at(reals(value).len());
            rest = others;
            with_reals(value, these)
        };
        let inputs: Vec<Value> = self.inputs.iter().map(&mut next).collect();
        let (choices, draws) = inputs.split_at(self.places.len());
        let values: Vec<(usize, Value)> = self.places.iter().copied().zip(choices.iter().cloned()).collect();
        let probe = &mut *self.probe;
        let value = if values.is_empty() {
            probe.view.value(&probe.state)
        } else {
            match probe.view.propose(&mut probe.state, &values, &[], &mut Never)? {
                Ok(_) => {
                    let value = probe.view.value(&probe.state);
                    probe.view.reject(&mut probe.state);
                    value
                }
                Err(_) => return Ok(None),
            }
        };
        let mut answer = |name: &str| match self.forward.drawn.iter().position(|drawn| drawn.name == name) {
            Some(k) => Answer::Take(draws[k].clone()),
            None => Answer::Stop,
        };
        let ran = match self.functions.run(self.draw, vec![value.clone()], &mut answer, &mut Never)? {
            Ok(ran) if ran.drawn.len() == self.forward.drawn.len() => ran,
            _ => return Ok(None),
        };
        let written = self.functions.assign(self.transform, vec![value, ran.value])?;
        if written.len() != self.written.len() {
            return Ok(None);
        }
        let mut out = Vec::new();
        for (name, _) in self.written {
            let Some(value) = find(&written, name) else { return Ok(None) };
            out.extend_from_slice(reals(value));
        }
        Ok(Some(out))
    }
}
