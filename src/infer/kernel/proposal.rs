//! A proposal that is a program: its named choices are proposed for the choices of the model that have the same names.
//!
//! The program runs on what the model returned, its choices become part of the trace, and it is run again on what the model returns then,
//! with its choices held at what the trace had before: so both densities of Hastings (1970) are known. After the proposals of Gen
//! (Cusumano-Towner, Saad, Lew and Mansinghka 2019).

use super::super::{Contract, Row};
use super::Step;
use crate::model::{Answer, Dead, Drawn, Infos, Ran, Random, Stopped, Trace, Traced};
use crate::value::{Fault, Generator, Value, same};
use std::collections::HashMap;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn proposal(program: (a) ~> b) -> Kernel",
    doc: "A kernel whose proposal is a program: it is given what the model returned, and its named choices are proposed for the choices of \
          the model that have the same names. Choices that appear, and that it does not propose, are drawn from their prior. The \
          acceptance ratio follows by itself. Cusumano-Towner, Saad, Lew and Mansinghka 2019.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(proposal((v: Bool) => { x ~ Flip(if v { 0.5 } else { 0.9 }); x }), trace(() => { x ~ Flip(0.25); x })))))",
    contract: Contract::Invariant,
}];

/// The places of the choices of a trace, by name.
pub(super) struct Places<'t> {
    trace: &'t Trace,
    places: HashMap<&'t str, usize>,
}

impl<'t> Places<'t> {
    pub fn new(trace: &'t Trace, infos: &'t Infos) -> Places<'t> {
        let named = trace.choices.iter().enumerate().map(|(place, choice)| (place, infos.get(choice.info)));
        Places { trace, places: named.filter(|(_, i)| i.named).map(|(place, i)| (&*i.name, place)).collect() }
    }

    /// The place of the choice of a name, and its value.
    ///
    /// # Errors
    /// When no weight depends on the choice, or it is held as it is: it is not part of what kernels move.
    pub fn find(&self, name: &str) -> Result<Option<(usize, &'t Value)>, Fault> {
        let Some(place) = self.places.get(name) else { return Ok(None) };
        let choice = &self.trace.choices[*place];
        if choice.forward {
            return Err(Fault::error(format!("a kernel proposes `{name}`, on which no observation depends"))
                .hint("leave it out: such a choice is drawn anew for every draw of the posterior"));
        }
        if *place < self.trace.held as usize {
            return Err(Fault::error(format!("a kernel proposes `{name}`, which `freeze` holds as it is"))
                .hint("let it move only choices that were made later"));
        }
        Ok(Some((*place, &choice.value)))
    }
}

/// A handler for what must be decided already.
pub(super) struct Never;

impl Random for Never {
    fn choose(&mut self, _weights: &[f64]) -> usize {
        0
    }

    fn uniform(&mut self, _breaks: &[f64]) -> f64 {
        0.5
    }

    fn generator(&mut self) -> Option<&mut Generator> {
        None
    }
}

/// The choices of a proposal, sorted into places of the trace and names that it lacks.
pub(super) type Sorted = (Vec<(usize, Value)>, Vec<(String, Value)>);

pub(super) fn sort(places: &Places<'_>, drawn: impl IntoIterator<Item = (String, Value)>) -> Result<Sorted, Fault> {
    let (mut values, mut born) = (Vec::new(), Vec::new());
    for (name, value) in drawn {
        match places.find(&name)? {
            Some((place, _)) => values.push((place, value)),
            None => born.push((name, value)),
        }
    }
    Ok((values, born))
}

fn pairs(drawn: &[Drawn]) -> impl Iterator<Item = (String, Value)> + '_ {
    drawn.iter().map(|drawn| (drawn.name.clone(), drawn.value.clone()))
}

pub(super) fn step<T: Traced>(step: &mut Step<'_, T>, program: &Value) -> Result<bool, Fault> {
    let accepted = attempt(step, program)?;
    Ok(step.count(accepted))
}

fn attempt<T: Traced>(step: &mut Step<'_, T>, program: &Value) -> Result<bool, Fault> {
    let walker = &mut *step.walker;
    let before = walker.view.trace(&walker.state).clone();
    let infos = walker.view.infos(&walker.state).clone();
    let old = Places::new(&before, &infos);
    let given = vec![walker.view.value(&walker.state)];
    let forward = match step.functions.run(program, given, &mut |_| Answer::Draw, step.random)? {
        Ok(ran) => ran,
        Err(stopped) => return stop(step, stopped),
    };
    let (values, born) = sort(&old, pairs(&forward.drawn))?;
    let update = match walker.view.propose_with(&mut walker.state, &values, &[], &born, step.random)? {
        Ok(update) => update,
        Err(dead) => {
            step.trouble.note(dead);
            return Ok(false);
        }
    };
    // From here on a fault must leave the state as it was.
    let result = way_back(step, program, &old, &forward);
    let (log_forward, backward) = match result {
        Ok(Ok(found)) => (forward.logp(), found),
        Ok(Err(stopped)) => {
            step.walker.view.reject(&mut step.walker.state);
            return stop(step, stopped);
        }
        Err(fault) => {
            step.walker.view.reject(&mut step.walker.state);
            return Err(fault);
        }
    };
    // What the program proposes on the way back is not drawn from its prior there.
    let name = |info: u32| &*infos.get(info).name;
    let covered: f64 =
        update.gone.iter().filter(|choice| backward.find(name(choice.info)).is_some()).map(|choice| choice.logp).sum();
    let kept = |place: usize, value: &Value| {
        same(&before.choices[place].value, value) || backward.find(name(before.choices[place].info)).is_some()
    };
    let reachable = values.iter().all(|(place, value)| kept(*place, value))
        && update.moved.iter().all(|(_, choice)| backward.find(name(choice.info)).is_none());
    let log_alpha = if reachable {
        let way_back = mutant!("custom proposal without its reverse density", log_forward, backward.logp());
        step.walker.log_ratio(&update) - covered + way_back - log_forward
    } else {
        f64::NEG_INFINITY
    };
    Ok(step.decide(log_alpha).1)
}

/// The program on the proposed trace, its choices held at those of the trace before. Also makes sure that the model has every choice
/// that was proposed.
fn way_back<T: Traced>(
    step: &mut Step<'_, T>,
    program: &Value,
    old: &Places<'_>,
    forward: &Ran,
) -> Result<Result<Ran, Stopped>, Fault> {
    let walker = &*step.walker;
    let new = Places::new(walker.view.trace(&walker.state), walker.view.infos(&walker.state));
    for drawn in &forward.drawn {
        if new.find(&drawn.name)?.is_none() {
            return Err(unknown(&drawn.name));
        }
    }
    let mut wrong = None;
    let mut answer = |name: &str| match old.find(name) {
        Ok(Some((_, value))) => Answer::Take(value.clone()),
        Ok(None) => Answer::Stop,
        Err(fault) => {
            wrong = Some(fault);
            Answer::Stop
        }
    };
    let given = vec![walker.view.value(&walker.state)];
    let result = step.functions.run(program, given, &mut answer, &mut Never)?;
    match (wrong, result) {
        (Some(fault), _) => Err(fault),
        (None, Err(Stopped::At(name))) => Err(unknown(&name)),
        (None, result) => Ok(result),
    }
}

fn unknown(name: &str) -> Fault {
    Fault::error(format!("a proposal draws `{name}`, which the run of the model does not have"))
        .hint("the choices of a proposal have the names of choices of the model, after which the model must ask")
}

/// A proposal that cannot be made is rejected.
fn stop<T: Traced>(step: &mut Step<'_, T>, stopped: Stopped) -> Result<bool, Fault> {
    match stopped {
        Stopped::Dead(Dead::Domain(fault)) => Err(*fault),
        Stopped::Dead(dead) => {
            step.trouble.note(dead);
            Ok(false)
        }
        Stopped::At(name) => Err(unknown(&name)),
    }
}
