//! Running a model whose named choices another program, its guide, proposes.
//!
//! The guide runs first. Where the model then makes a choice of the same name it takes the value proposed, and its weight gains the
//! ratio of the two densities; choices that the guide leaves alone are drawn from the model. Whatever else the guide draws does not
//! count: given it, the weight is right, and so it is on average. Each choice of the guide must be able to propose all values that the
//! model can draw there, which is checked wherever the two meet.

use super::branching::finite_values;
use super::functions::conform;
use super::traced::draw;
use super::{Model, choice_name, dead, score_site, unexpected};
use crate::exec::machine::{Code, Event, Machine};
use crate::model::{Dead, Forward, Random, Weighted};
use crate::value::domain::Size;
use crate::value::fault::FaultKind;
use crate::value::{Domain, Fault, Value, same, short};
use std::collections::HashMap;
use std::sync::Arc;

/// Supports of at most so many values are compared value by value.
const MOST_VALUES: f64 = 1000.0;

/// The view of a model with its guide.
pub struct GuidedView {
    model: Model,
    guide: Model,
}

/// A value proposed for a choice.
struct Proposed {
    value: Value,
    logp: f64,
    support: Arc<Domain>,
    /// The values that can be proposed, of a small support.
    possible: Option<Vec<Value>>,
    used: bool,
}

/// The values of positive probability at the choice where a machine is paused; none where they are many.
fn possible(
    machine: &mut Machine,
    code: &Code,
    (func, sample): (u32, u32),
    support: &Domain,
) -> Result<Option<Vec<Value>>, Fault> {
    if !matches!(support.size(), Size::Finite(n) if n <= MOST_VALUES) {
        return Ok(None);
    }
    let mut found = Vec::new();
    for value in finite_values(support) {
        if machine.choice_logp(code, func, sample, &value)? > f64::NEG_INFINITY {
            found.push(value);
        }
    }
    Ok(Some(found))
}

impl GuidedView {
    /// A model, and the program that proposes for it.
    pub fn new(model: Model, guide: Model) -> GuidedView {
        GuidedView { model, guide }
    }

    /// Runs the guide: its named choices.
    fn propose(&self, random: &mut dyn Random) -> Result<HashMap<String, Proposed>, Fault> {
        let code = &*self.guide.code;
        let mut machine = Machine::default();
        self.guide.begin(&mut machine)?;
        machine.pause_at_scores = false;
        machine.draw = false;
        let mut proposed = HashMap::new();
        loop {
            match machine.run(code)? {
                Event::Done => break,
                Event::Sample { func, sample } => {
                    let value = draw(&mut machine, code, func, sample, random)?;
                    if let Some(name) = choice_name(&machine, code, func, sample) {
                        let logp = machine.choice_logp(code, func, sample, &value)?;
                        let support = machine.choice_support(code, func, sample)?;
                        let possible = possible(&mut machine, code, (func, sample), &support)?;
                        let choice = Proposed { value: value.clone(), logp, support, possible, used: false };
                        if proposed.insert(name.clone(), choice).is_some() {
                            let fault = Fault::error(format!("two choices of a guide are both named `{name}`"));
                            return Err(machine.fault_here(code, fault));
                        }
                    }
                    machine.supply(code, func, sample, value)?;
                }
                Event::Score { .. } => return Err(weighs()),
                Event::Host { func, host } => {
                    self.guide.call_host(&mut machine, func, host, random)?;
                }
                Event::Printed => self.guide.flush(&mut machine),
                event => return Err(unexpected(event)),
            }
        }
        self.guide.flush(&mut machine);
        if machine.log_weight != 0.0 {
            return Err(weighs());
        }
        Ok(proposed)
    }

    fn go(
        &self,
        machine: &mut Machine,
        proposed: &mut HashMap<String, Proposed>,
        random: &mut dyn Random,
    ) -> Result<Result<Weighted, Dead>, Fault> {
        let code = &*self.model.code;
        self.model.begin(machine)?;
        machine.pause_at_scores = false;
        machine.draw = false;
        let (mut named, mut gained) = (Vec::new(), 0.0);
        loop {
            match machine.run(code)? {
                Event::Done => break,
                Event::Sample { func, sample } => {
                    let name = choice_name(machine, code, func, sample);
                    let value = match name.as_deref().and_then(|name| find(proposed, name)) {
                        None => draw(machine, code, func, sample, random)?,
                        Some(choice) => {
                            let name = name.as_deref().unwrap_or_default();
                            if std::mem::replace(&mut choice.used, true) {
                                let text = format!(
                                    "the guide proposes one value for two choices, the second of them `{name}`"
                                );
                                return Err(machine.fault_here(code, Fault::error(text)));
                            }
                            let site = code.funcs[func as usize].samples[sample as usize].site;
                            let value = fit(machine, code, (func, sample), (name, choice))
                                .map_err(|fault| machine.fault_here(code, fault))?;
                            let logp = machine.choice_logp(code, func, sample, &value)?;
                            if logp == f64::NEG_INFINITY {
                                return Ok(Err(Dead::Zero(site)));
                            }
                            gained += logp - choice.logp;
                            value
                        }
                    };
                    if self.model.record
                        && let Some(name) = name
                    {
                        named.push((name, value.clone()));
                    }
                    machine.supply(code, func, sample, value)?;
                }
                Event::Score { func, score, .. } => return Ok(Err(Dead::Zero(score_site(code, func, score)))),
                Event::Host { func, host } => {
                    self.model.call_host(machine, func, host, random)?;
                }
                Event::Printed => self.model.flush(machine),
                event => return Err(unexpected(event)),
            }
        }
        let value = std::mem::take(&mut machine.returned);
        Ok(Ok(Weighted { value, log_weight: machine.log_weight + gained, named }))
    }
}

/// What is proposed for the choice of a name, in which the functions that it lies in may be left out.
fn find<'p>(proposed: &'p mut HashMap<String, Proposed>, name: &str) -> Option<&'p mut Proposed> {
    let starts = std::iter::once(0).chain(name.match_indices('.').map(|(at, _)| at + 1));
    let known = starts.map(|start| &name[start..]).find(|name| proposed.contains_key(*name))?;
    proposed.get_mut(known)
}

/// The value proposed for the choice where a machine is paused, if the guide covers what the model can draw there.
fn fit(
    machine: &mut Machine,
    code: &Code,
    (func, sample): (u32, u32),
    (name, choice): (&str, &Proposed),
) -> Result<Value, Fault> {
    let site = code.funcs[func as usize].samples[sample as usize].site;
    let ty = code.sites[site as usize].ty;
    let Some(value) = conform(ty, choice.value.clone()) else {
        let found = short(&choice.value, 40);
        return Err(Fault::error(format!("the guide proposes {found} for `{name}`, which the model has of type {ty}")));
    };
    let support = machine.choice_support(code, func, sample)?;
    let mut uncovered = (!choice.support.covers(&support)).then(|| format!("the model draws it from {support}"));
    if let (None, Some(can)) = (&uncovered, &choice.possible)
        && let Some(values) = possible(machine, code, (func, sample), &support)?
    {
        let missing = values.iter().find(|value| !can.iter().any(|other| same(value, other)));
        uncovered = missing.map(|value| format!("the model can draw {}", short(value, 40)));
    }
    match uncovered {
        None => Ok(value),
        Some(what) => Err(Fault::error(format!(
            "the guide proposes `{name}` from {}, but {what}: it does not cover the model",
            choice.support
        ))
        .hint("give it a distribution there that can draw whatever the model can draw")),
    }
}

fn weighs() -> Fault {
    Fault::error("a guide observes or weighs something, which means nothing there")
        .hint("move `observe`, `factor` and `condition` into the model")
}

impl Forward for GuidedView {
    fn run(&mut self, random: &mut dyn Random) -> Result<Result<Weighted, Dead>, Fault> {
        // A guide that could not go on would propose too little, and unnoticed.
        let mut proposed = self.propose(random).map_err(|fault| match fault.kind {
            FaultKind::Domain => Fault { kind: FaultKind::Error, ..fault },
            _ => fault,
        })?;
        let mut machine = Machine::default();
        let result = self.go(&mut machine, &mut proposed, random);
        self.model.flush(&mut machine);
        if let Ok(Ok(_)) = &result {
            let mut unused: Vec<&String> = proposed.iter().filter(|(_, choice)| !choice.used).map(|(n, _)| n).collect();
            unused.sort();
            if let Some(name) = unused.first() {
                return Err(Fault::error(format!(
                    "the guide proposes `{name}`, which the run of the model does not have"
                ))
                .hint(
                    "the choices of a guide have the names of choices of the model; let it branch as the model does",
                ));
            }
        }
        match result {
            Err(fault) => dead(fault).map(Err),
            other => other,
        }
    }
}
