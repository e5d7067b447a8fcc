//! One run of a model along an old trace.

use super::super::functions::conform;
use super::super::initial::initial_value;
use super::super::{Model, choice_name, score_site, unexpected};
use super::draw;
use crate::exec::machine::choice::Arguments;
use crate::exec::machine::{Event, Machine};
use crate::model::{CALLS, Choice, ChoiceInfo, Dead, Infos, Random, Trace, Update, Watched};
use crate::value::hash::same_domain;
use crate::value::{Domain, Fault, Generator, Value, same};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// A run: its choices, and what a run along it can use again.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorded {
    pub trace: Trace,
    pub value: Value,
    /// The arguments of the distributions of the choices.
    pub args: Arguments,
    /// The calls of functions of the host.
    pub hosts: Vec<Call>,
}

/// A call of a function of the host: a choice whose density is not known.
#[derive(Clone, Debug)]
pub(super) struct Call {
    func: u32,
    host: u32,
    args: Vec<Value>,
    pub result: Value,
    /// Whether the function drew something. That follows from its arguments.
    pub drew: bool,
}

impl Recorded {
    fn clear(&mut self) {
        self.trace.choices.clear();
        self.trace.movable.clear();
        self.trace.calls = 0;
        self.trace.held = 0;
        self.trace.log_prior = 0.0;
        self.args.clear();
        self.hosts.clear();
    }
}

/// What a proposal changes, by place.
pub(super) struct Changes<'a> {
    values: &'a [(usize, Value)],
    redraw: &'a [usize],
    /// Values, by name, for choices that appear.
    born: &'a [(String, Value)],
    /// An index of both when they are many.
    index: Option<HashMap<usize, Option<&'a Value>>>,
}

/// What is to happen to a choice of the old trace.
#[derive(Clone, Copy)]
enum Change<'a> {
    None,
    Set(&'a Value),
    Redraw,
}

impl<'a> Changes<'a> {
    pub fn new(values: &'a [(usize, Value)], redraw: &'a [usize], born: &'a [(String, Value)]) -> Changes<'a> {
        let index = (values.len() + redraw.len() > 8).then(|| {
            let redraws = redraw.iter().map(|place| (*place, None));
            redraws.chain(values.iter().map(|(place, value)| (*place, Some(value)))).collect()
        });
        Changes { values, redraw, born, index }
    }

    fn at(&self, place: usize) -> Change<'a> {
        if let Some(index) = &self.index {
            return match index.get(&place) {
                Some(Some(value)) => Change::Set(value),
                Some(None) => Change::Redraw,
                None => Change::None,
            };
        }
        match self.values.iter().find(|(k, _)| *k == place) {
            Some((_, value)) => Change::Set(value),
            None if self.redraw.contains(&place) => Change::Redraw,
            None => Change::None,
        }
    }
}

/// What a run does at its choices.
pub(super) enum Purpose<'a> {
    /// Draw all but those of given addresses.
    /// The first calls of functions of the host gave these results, and whether they drew.
    Generate { given: HashMap<u64, &'a Value>, calls: Vec<(Value, bool)> },
    /// Reuse what the old run has, with changes.
    Replay { old: &'a Recorded, changes: Changes<'a> },
    /// Draw the forward-only choices, reuse the others.
    Predict { old: &'a Recorded },
}

impl<'a> Purpose<'a> {
    fn old(&self) -> Option<&'a Recorded> {
        match self {
            Purpose::Generate { .. } => None,
            Purpose::Replay { old, .. } | Purpose::Predict { old } => Some(old),
        }
    }

    fn redraws_calls(&self) -> bool {
        matches!(self, Purpose::Replay { changes, .. } if changes.redraw.contains(&CALLS))
    }

    fn change(&self, place: usize) -> Change<'a> {
        match self {
            Purpose::Replay { changes, .. } => changes.at(place),
            _ => Change::None,
        }
    }

    /// The value asked for a choice that the old run lacks.
    fn given(&self, address: u64, name: &str) -> Option<&'a Value> {
        match self {
            Purpose::Generate { given, .. } => given.get(&address).copied(),
            Purpose::Replay { changes, .. } => {
                changes.born.iter().find(|(born, _)| born == name).map(|(_, value)| value)
            }
            Purpose::Predict { .. } => None,
        }
    }
}

/// Where choices are, for runs that leave the order of the old one.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// From addresses to the places of choices in the old trace.
    places: HashMap<u64, usize>,
    /// The choices of the run seen so far, when a clash of addresses must be looked for.
    seen: HashSet<u64>,
}

/// Puts a machine at the start of a model, to pause at its choices, and at its weights where a run ends at one of them.
pub(super) fn begin(model: &Model, machine: &mut Machine, until: Option<End>) -> Result<(), Fault> {
    model.begin(machine)?;
    machine.pause_at_scores = until.is_some();
    machine.draw = false;
    Ok(())
}

/// Where a run of a prefix of a model ends, by the name of all the weights that it meets until then; see [`pass`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a weight.
    Weight(u64),
    /// Where the model does.
    Done(u64),
}

/// The name of a sequence of weights (0 for none) with one more.
pub fn pass(weights: u64, address: u64) -> u64 {
    (weights.rotate_left(23) ^ address).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// A run in progress.
pub(super) struct Walk<'a> {
    pub model: &'a Model,
    pub machine: &'a mut Machine,
    pub infos: &'a mut Infos,
    pub index: &'a mut Index,
    /// Where runs end; none for those that end where the model does.
    pub until: Option<End>,
    /// So many of the first choices are held as they are.
    pub held: u32,
}

impl Walk<'_> {
    /// The number of the info of the choice where the machine is paused.
    fn info(&mut self, address: u64, func: u32, sample: u32) -> Result<u32, Fault> {
        if let Some(info) = self.infos.find(address) {
            return Ok(info);
        }
        let code = &*self.model.code;
        let machine = &mut *self.machine;
        let info = &code.funcs[func as usize].samples[sample as usize];
        let name = choice_name(machine, code, func, sample);
        let named = name.is_some();
        let name = name.unwrap_or_else(|| format!("{} (unnamed)", machine.site_name(code, info.site, &info.path)));
        // A support that cannot be computed tells nothing.
        let unknown = |_| Arc::new(Domain::Any);
        let support = machine.choice_support(code, func, sample).unwrap_or_else(unknown);
        // Choices of a loop mostly have one support: held once, it is at hand.
        let support = match self.infos.all().last() {
            Some(last) if same_domain(&last.support, &support) => Arc::clone(&last.support),
            _ => support,
        };
        let can_draw = machine.can_draw(code, func, sample);
        Ok(self.infos.add(ChoiceInfo { address, name, named, support, can_draw }))
    }

    /// Calls the function of the host where the machine is paused, the one of this number; or takes what the old run was given, if
    /// its arguments are the same. Which calls correspond follows from the runs, so the way back keeps the same ones.
    fn call(
        &mut self,
        func: u32,
        host: u32,
        purpose: &Purpose<'_>,
        number: usize,
        random: &mut dyn Random,
    ) -> Result<Call, Fault> {
        let code = &*self.model.code;
        let args = self.machine.host_args(code, func, host);
        let alike = |call: &&Call| {
            (call.func, call.host) == (func, host)
                && !(call.drew && mutant!("the current estimate is refreshed", true, purpose.redraws_calls()))
                && call.args.len() == args.len()
                && call.args.iter().zip(&args).all(|(a, b)| same(a, b))
        };
        if let Some(call) = purpose.old().and_then(|old| old.hosts.get(number)).filter(alike) {
            self.machine.supply_host(code, func, host, call.result.clone())?;
            return Ok(call.clone());
        }
        if let Purpose::Generate { calls, .. } = purpose
            && let Some((result, drew)) = calls.get(number)
        {
            self.machine.supply_host(code, func, host, result.clone())?;
            return Ok(Call { func, host, args, result: result.clone(), drew: *drew });
        }
        let mut random = Watched::new(random);
        let result = self.model.call_host_with(self.machine, func, host, args.clone(), &mut random)?;
        Ok(Call { func, host, args, result, drew: random.asked() })
    }

    /// Runs the model. Of the update it fills in what was drawn, born, moved and lost; for `Generate`, `stale` is the log density of
    /// the given choices.
    pub fn go(
        &mut self,
        purpose: &Purpose<'_>,
        out: &mut Recorded,
        random: &mut dyn Random,
    ) -> Result<Result<Update, Dead>, Fault> {
        out.clear();
        begin(self.model, self.machine, self.until)?;
        let code = &*self.model.code;
        let old = purpose.old();
        let mut update = Update::default();
        let mut cursor = 0;
        let mut reused = 0;
        let mut left_order = false;
        let mut passed = 0;
        self.index.seen.clear();
        loop {
            match self.machine.run(code)? {
                // A run that meets other weights than it is to meet has no place among those that meet them.
                Event::Done if self.until.is_some_and(|end| end != End::Done(passed)) => {
                    return Ok(Err(Dead::Zero(u32::MAX)));
                }
                Event::Done => break,
                Event::Score { func, score, weight } if weight > f64::NEG_INFINITY => {
                    passed = pass(passed, self.machine.score_address(code, func, score));
                    if self.until == Some(End::Weight(passed)) {
                        break;
                    }
                }
                Event::Score { func, score, .. } => return Ok(Err(Dead::Zero(score_site(code, func, score)))),
                Event::Host { func, host } => {
                    let call = self.call(func, host, purpose, out.hosts.len(), random)?;
                    out.trace.calls += u32::from(call.drew);
                    out.hosts.push(call);
                }
                Event::Sample { func, sample } => {
                    let address = self.machine.choice_address(code, func, sample);
                    let site = code.funcs[func as usize].samples[sample as usize].site;
                    let forward = code.sites[site as usize].forward_only;
                    // The place of this choice in the old trace.
                    let mut place = None;
                    if let Some(old) = old {
                        let choices = &old.trace.choices;
                        if choices.get(cursor).is_some_and(|c| c.address == address) {
                            place = Some(cursor);
                        } else {
                            if !left_order {
                                left_order = true;
                                self.index.places.clear();
                                self.index.places.extend(choices.iter().enumerate().map(|(k, c)| (c.address, k)));
                                self.index.seen.extend(out.trace.choices.iter().map(|c| c.address));
                            }
                            place = self.index.places.get(&address).copied();
                        }
                    }
                    if (old.is_none() || left_order) && !self.index.seen.insert(address) {
                        return Err(self.clash(func, sample));
                    }
                    if let Some(k) = place {
                        cursor = k + 1;
                        reused += 1;
                    }
                    if !forward {
                        self.machine.choice_arguments(code, func, sample, &mut out.args)?;
                    }
                    out.args.end();
                    let here = out.trace.choices.len();
                    let previous = place.and_then(|k| old.map(|old| (k, old, &old.trace.choices[k])));
                    let choice = match previous {
                        Some((k, _, previous)) if forward && !matches!(purpose, Purpose::Predict { .. }) => {
                            match purpose.change(k) {
                                Change::None => previous.clone(),
                                Change::Set(value) => Choice { value: value.clone(), ..previous.clone() },
                                Change::Redraw => {
                                    let value = draw(self.machine, code, func, sample, random)?;
                                    Choice { value, ..previous.clone() }
                                }
                            }
                        }
                        Some((k, old, previous)) if !forward => {
                            let change = purpose.change(k);
                            let (value, logp) = match change {
                                Change::Redraw => {
                                    let value = draw(self.machine, code, func, sample, random)?;
                                    let logp = self.machine.choice_logp(code, func, sample, &value)?;
                                    update.fresh += logp;
                                    update.stale += previous.logp;
                                    (value, logp)
                                }
                                Change::None if out.args.same_at(here, &old.args, k) => {
                                    (previous.value.clone(), previous.logp)
                                }
                                Change::None => {
                                    let value = previous.value.clone();
                                    let logp = self.machine.choice_logp(code, func, sample, &value)?;
                                    let logp = mutant!("densities of dependent choices kept", previous.logp, logp);
                                    (value, logp)
                                }
                                Change::Set(value) => {
                                    let value = conform(code.sites[site as usize].ty, value.clone())
                                        .ok_or_else(|| self.unfit(previous.info, value))?;
                                    let logp = self.machine.choice_logp(code, func, sample, &value)?;
                                    (value, logp)
                                }
                            };
                            let stale = logp == f64::NEG_INFINITY && matches!(change, Change::None);
                            let reused = mutant!("stale choices reused when the support changes", stale, false);
                            let logp = if reused { previous.logp } else { logp };
                            if logp == f64::NEG_INFINITY {
                                if !matches!(change, Change::None) || !self.machine.can_draw(code, func, sample) {
                                    return Ok(Err(Dead::Zero(site)));
                                }
                                // The old value has no place in the new support: it is drawn anew, and the end of the run makes
                                // sure that the way back would do the same.
                                let value = draw(self.machine, code, func, sample, random)?;
                                let logp = self.machine.choice_logp(code, func, sample, &value)?;
                                update.fresh += logp;
                                update.stale += previous.logp;
                                update.moved.push((here, previous.clone()));
                                Choice { value, logp, ..previous.clone() }
                            } else {
                                Choice { address, info: previous.info, value, logp, forward }
                            }
                        }
                        _ => {
                            let info = self.info(address, func, sample)?;
                            let given = if previous.is_some() {
                                None
                            } else {
                                purpose.given(address, &self.infos.get(info).name)
                            };
                            let value = match given {
                                Some(value) => conform(code.sites[site as usize].ty, value.clone())
                                    .ok_or_else(|| self.unfit(info, value))?,
                                None if self.infos.get(info).can_draw => {
                                    draw(self.machine, code, func, sample, random)?
                                }
                                None => {
                                    let support = Arc::clone(&self.infos.get(info).support);
                                    let mut spare = Generator::new(address);
                                    initial_value(&support, random.generator().unwrap_or(&mut spare))?
                                }
                            };
                            let logp = if forward && given.is_none() {
                                0.0
                            } else {
                                self.machine.choice_logp(code, func, sample, &value)?
                            };
                            if given.is_some() {
                                if logp == f64::NEG_INFINITY {
                                    return Ok(Err(Dead::Zero(site)));
                                }
                                if old.is_none() {
                                    update.stale += logp;
                                } else {
                                    update.born.push(here);
                                }
                            } else {
                                update.fresh += logp;
                                if previous.is_none() && old.is_some() {
                                    update.born.push(here);
                                }
                            }
                            Choice { address, info, value, logp: if forward { 0.0 } else { logp }, forward }
                        }
                    };
                    out.trace.log_prior += choice.logp;
                    self.machine.supply(code, func, sample, choice.value.clone())?;
                    if !forward && here as u32 >= self.held {
                        out.trace.movable.push(here as u32);
                    }
                    out.trace.choices.push(choice);
                }
                Event::Printed => self.model.flush(self.machine),
                event => return Err(unexpected(event)),
            }
        }
        out.trace.log_weight = self.machine.log_weight;
        if self.held > 0 {
            out.trace.held = self.held;
            out.trace.calls = 0;
        }
        out.value = std::mem::take(&mut self.machine.returned);
        if let Purpose::Replay { old, .. } = purpose {
            if reused < old.trace.choices.len() {
                let kept: HashSet<u64> = out.trace.choices.iter().map(|c| c.address).collect();
                update.gone.extend(old.trace.choices.iter().filter(|c| !kept.contains(&c.address)).cloned());
                let vanished: f64 = update.gone.iter().map(|c| c.logp).sum();
                update.stale += mutant!("vanished choices not counted", 0.0, vanished);
            }
            if !update.moved.is_empty() && !self.would_redraw(old, out, &update)? {
                return Ok(Err(Dead::Zero(u32::MAX)));
            }
        }
        Ok(Ok(update))
    }

    /// Whether the new values of the choices whose support moved have density zero in the old run, so that the way back draws them
    /// too.
    fn would_redraw(&mut self, old: &Recorded, new: &Recorded, update: &Update) -> Result<bool, Fault> {
        let values: HashMap<u64, &Value> =
            update.moved.iter().map(|(place, choice)| (choice.address, &new.trace.choices[*place].value)).collect();
        let code = &*self.model.code;
        begin(self.model, self.machine, self.until)?;
        let mut hosts = old.hosts.iter();
        let mut at = 0;
        loop {
            match self.machine.run(code)? {
                Event::Sample { func, sample } => {
                    let Some(choice) = old.trace.choices.get(at) else { return Ok(self.until.is_some()) };
                    if let Some(value) = values.get(&choice.address)
                        && self.machine.choice_logp(code, func, sample, value)? > f64::NEG_INFINITY
                    {
                        return Ok(false);
                    }
                    let value = choice.value.clone();
                    self.machine.supply(code, func, sample, value)?;
                    at += 1;
                }
                Event::Host { func, host } => {
                    let Some(value) = hosts.next() else { return Ok(self.until.is_some()) };
                    self.machine.supply_host(code, func, host, value.result.clone())?;
                }
                Event::Printed => self.machine.printed.clear(),
                Event::Score { weight, .. } if weight > f64::NEG_INFINITY => {}
                Event::Done => return Ok(true),
                _ => return Ok(false),
            }
        }
    }

    /// The fault of a value of the wrong type for a choice.
    #[cold]
    fn unfit(&self, info: u32, value: &Value) -> Fault {
        Fault::error(format!(
            "the choice `{}` cannot have the value {value}: it is of another type",
            self.infos.get(info).name
        ))
    }

    fn clash(&self, func: u32, sample: u32) -> Fault {
        let code = &*self.model.code;
        let name = choice_name(self.machine, code, func, sample);
        let what = match name {
            Some(name) => format!("two choices of one run are both named `{name}`"),
            None => "two choices of one run have the same address".to_string(),
        };
        let fault = Fault::error(what)
            .hint("give them different names, or an index of their own: `x[i] ~ …` into a `var` array");
        self.machine.fault_here(code, fault)
    }
}
