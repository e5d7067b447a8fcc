//! Running a model with its choices addressed: generated, replayed, changed one at a time.
//!
//! Traces are lists in the order of execution. A new run walks along the old trace, so that where nothing moved a choice is found
//! without a look-up; only a run that leaves the old order builds an index of it.

use super::initial::initial_value;
use super::{Model, choice_name, choose_outcome, dead, score_site, unexpected};
use crate::exec::machine::{Event, Machine};
use crate::model::{Choice, ChoiceInfo, Dead, Random, Trace, Traced, Update};
use crate::value::{Domain, Fault, Generator, Value};
use std::collections::HashMap;

/// The `Traced` view of a model.
pub struct TracedView {
    model: Model,
    machine: Machine,
    infos: Vec<ChoiceInfo>,
    /// From addresses to infos.
    known: HashMap<u64, u32>,
    /// From addresses to the places of choices in an old trace, when its order was left.
    index: HashMap<u64, usize>,
    /// The choices of the run seen so far, when a clash of addresses must be looked for.
    seen: HashMap<u64, u32>,
}

/// What a run does at its choices.
enum Purpose<'a> {
    /// Draw all.
    Generate,
    /// Reuse what the old trace has.
    Replay { old: &'a Trace, change: Option<(usize, Value)> },
    /// Stop at a choice of the trace and draw it.
    DrawAt { old: &'a Trace, index: usize },
    /// Draw the forward-only choices, reuse the others.
    Predict { old: &'a Trace },
}

/// How a run of a purpose ended.
enum End {
    Done(Update),
    Drawn(Value, f64),
    NoDraw,
}

impl TracedView {
    /// The view of a model.
    pub fn new(model: Model) -> TracedView {
        TracedView {
            model,
            machine: Machine::default(),
            infos: Vec::new(),
            known: HashMap::new(),
            index: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    fn info(&mut self, address: u64, func: u32, sample: u32) -> Result<u32, Fault> {
        if let Some(info) = self.known.get(&address) {
            return Ok(*info);
        }
        let code = &*self.model.code;
        let machine = &mut self.machine;
        let info = &code.funcs[func as usize].samples[sample as usize];
        let name = choice_name(machine, code, func, sample)
            .unwrap_or_else(|| format!("{} (unnamed)", machine.site_name(code, info.site, &info.path)));
        // A support that cannot be computed tells nothing.
        let unknown = |_| std::sync::Arc::new(Domain::Any);
        let support = machine.choice_support(code, func, sample).unwrap_or_else(unknown);
        let can_draw = machine.can_draw(code, func, sample);
        self.infos.push(ChoiceInfo { address, name, support, can_draw });
        let id = (self.infos.len() - 1) as u32;
        self.known.insert(address, id);
        Ok(id)
    }

    /// A draw at the choice where the machine is paused.
    fn draw(&mut self, func: u32, sample: u32, random: &mut dyn Random) -> Result<Value, Fault> {
        let code = &*self.model.code;
        let machine = &mut self.machine;
        match random.generator() {
            Some(generator) => {
                machine.generator = *generator;
                let value = machine.choice_draw(code, func, sample);
                *generator = machine.generator;
                value
            }
            None => choose_outcome(machine, code, func, sample, random),
        }
    }

    fn go(
        &mut self,
        random: &mut dyn Random,
        purpose: Purpose<'_>,
        out: &mut Trace,
    ) -> Result<Result<End, Dead>, Fault> {
        out.choices.clear();
        out.log_prior = 0.0;
        self.model.begin(&mut self.machine)?;
        self.machine.pause_at_scores = false;
        self.machine.draw = false;
        let code = std::sync::Arc::clone(&self.model.code);
        let code = &*code;
        let mut update = Update::default();
        let mut cursor = 0;
        let mut reused = 0;
        let mut left_order = false;
        let mut redrawn: Vec<(usize, Value)> = Vec::new();
        self.seen.clear();
        loop {
            match self.machine.run(code)? {
                Event::Done => break,
                Event::Score { func, score, .. } => return Ok(Err(Dead::Zero(score_site(code, func, score)))),
                Event::Host { func, host } => {
                    self.model.call_host(&mut self.machine, func, host, random)?;
                }
                Event::Sample { func, sample } => {
                    let address = self.machine.choice_address(code, func, sample);
                    let site = code.funcs[func as usize].samples[sample as usize].site;
                    let forward = code.sites[site as usize].forward_only;
                    let old = match &purpose {
                        Purpose::Generate => None,
                        Purpose::Replay { old, .. } | Purpose::DrawAt { old, .. } | Purpose::Predict { old } => {
                            Some(*old)
                        }
                    };
                    // The place of this choice in the old trace.
                    let mut place = None;
                    if let Some(old) = old {
                        if old.choices.get(cursor).is_some_and(|c| c.address == address) {
                            place = Some(cursor);
                        } else {
                            if !left_order {
                                left_order = true;
                                self.index.clear();
                                self.index.extend(old.choices.iter().enumerate().map(|(k, c)| (c.address, k)));
                                self.seen.extend(out.choices.iter().map(|c| (c.address, site)));
                            }
                            place = self.index.get(&address).copied();
                        }
                    }
                    if (old.is_none() || left_order) && self.seen.insert(address, site).is_some() {
                        return Err(self.clash(func, sample));
                    }
                    if let Some(k) = place {
                        cursor = k + 1;
                    }
                    let choice = match place.and_then(|k| old.map(|old| (k, &old.choices[k]))) {
                        Some((_, previous)) if forward && !matches!(purpose, Purpose::Predict { .. }) => {
                            reused += 1;
                            previous.clone()
                        }
                        Some((k, _)) if matches!(&purpose, Purpose::DrawAt { index, .. } if *index == k) => {
                            if !self.machine.can_draw(code, func, sample) {
                                return Ok(Ok(End::NoDraw));
                            }
                            let value = self.draw(func, sample, random)?;
                            let logp = self.machine.choice_logp(code, func, sample, &value)?;
                            return Ok(Ok(End::Drawn(value, logp)));
                        }
                        Some((k, previous)) if !forward => {
                            reused += 1;
                            let changed = match &purpose {
                                Purpose::Replay { change: Some((index, value)), .. } if *index == k => Some(value),
                                _ => None,
                            };
                            let value = changed.unwrap_or(&previous.value).clone();
                            let logp = self.machine.choice_logp(code, func, sample, &value)?;
                            if logp == f64::NEG_INFINITY {
                                if changed.is_some() || !self.machine.can_draw(code, func, sample) {
                                    return Ok(Err(Dead::Zero(site)));
                                }
                                // The old value has no place in the new support: it is drawn anew, and `update` makes sure
                                // that the way back would do the same.
                                let value = self.draw(func, sample, random)?;
                                let logp = self.machine.choice_logp(code, func, sample, &value)?;
                                update.fresh += logp;
                                update.stale += previous.logp;
                                redrawn.push((k, value.clone()));
                                Choice { value, logp, ..previous.clone() }
                            } else {
                                Choice { address, info: previous.info, value, logp, forward }
                            }
                        }
                        _ => {
                            let info = self.info(address, func, sample)?;
                            let value = if self.infos[info as usize].can_draw {
                                self.draw(func, sample, random)?
                            } else {
                                let support = std::sync::Arc::clone(&self.infos[info as usize].support);
                                let mut spare = Generator::new(address);
                                initial_value(&support, random.generator().unwrap_or(&mut spare))?
                            };
                            let logp =
                                if forward { 0.0 } else { self.machine.choice_logp(code, func, sample, &value)? };
                            update.fresh += logp;
                            if place.is_some() {
                                reused += 1;
                            }
                            Choice { address, info, value, logp, forward }
                        }
                    };
                    out.log_prior += choice.logp;
                    self.machine.supply(code, func, sample, choice.value.clone())?;
                    out.choices.push(choice);
                }
                Event::Printed => self.model.flush(&mut self.machine),
                event => return Err(unexpected(event)),
            }
        }
        out.log_weight = self.machine.log_weight;
        out.value = std::mem::take(&mut self.machine.returned);
        if let Purpose::Replay { old, .. } = &purpose {
            if reused < old.choices.len() {
                let kept: std::collections::HashSet<u64> = out.choices.iter().map(|c| c.address).collect();
                update.stale += old.choices.iter().filter(|c| !kept.contains(&c.address)).map(|c| c.logp).sum::<f64>();
            }
            if !redrawn.is_empty() && !self.would_redraw(old, &redrawn)? {
                return Ok(Err(Dead::Zero(u32::MAX)));
            }
        }
        Ok(Ok(End::Done(update)))
    }

    /// Whether the new values have density zero at their choices in the old run, so that the way back draws them too.
    fn would_redraw(&mut self, old: &Trace, redrawn: &[(usize, Value)]) -> Result<bool, Fault> {
        let code = std::sync::Arc::clone(&self.model.code);
        let code = &*code;
        self.model.begin(&mut self.machine)?;
        let mut at = 0;
        loop {
            match self.machine.run(code)? {
                Event::Sample { func, sample } => {
                    let Some(choice) = old.choices.get(at) else { return Ok(false) };
                    if let Some((_, value)) = redrawn.iter().find(|(k, _)| *k == at)
                        && self.machine.choice_logp(code, func, sample, value)? > f64::NEG_INFINITY
                    {
                        return Ok(false);
                    }
                    let value = choice.value.clone();
                    self.machine.supply(code, func, sample, value)?;
                    at += 1;
                }
                Event::Done => return Ok(true),
                _ => return Ok(false),
            }
        }
    }

    fn clash(&self, func: u32, sample: u32) -> Fault {
        let code = &*self.model.code;
        let name = choice_name(&self.machine, code, func, sample);
        let what = match name {
            Some(name) => format!("two choices of one run are both named `{name}`"),
            None => "two choices of one run have the same address".to_string(),
        };
        let fault = Fault::error(what)
            .hint("give them different names, or an index of their own: `x[i] ~ …` into a `var` array");
        self.machine.fault_here(code, fault)
    }

    fn settle<T>(&mut self, result: Result<Result<T, Dead>, Fault>) -> Result<Result<T, Dead>, Fault> {
        self.model.flush(&mut self.machine);
        match result {
            Err(fault) => dead(fault).map(Err),
            other => other,
        }
    }
}

impl Traced for TracedView {
    fn generate(&mut self, random: &mut dyn Random, trace: &mut Trace) -> Result<Result<(), Dead>, Fault> {
        let result = self.go(random, Purpose::Generate, trace);
        Ok(self.settle(result)?.map(|_| ()))
    }

    fn update(
        &mut self,
        random: &mut dyn Random,
        old: &Trace,
        change: Option<(usize, Value)>,
        new: &mut Trace,
    ) -> Result<Result<Update, Dead>, Fault> {
        let result = self.go(random, Purpose::Replay { old, change }, new);
        Ok(self.settle(result)?.map(|end| match end {
            End::Done(update) => update,
            _ => Update::default(),
        }))
    }

    fn draw_choice(
        &mut self,
        random: &mut dyn Random,
        trace: &Trace,
        index: usize,
    ) -> Result<Option<(Value, f64)>, Fault> {
        let mut scratch = Trace::default();
        match self.go(random, Purpose::DrawAt { old: trace, index }, &mut scratch)? {
            Ok(End::Drawn(value, logp)) => Ok(Some((value, logp))),
            _ => Ok(None),
        }
    }

    fn predict(&mut self, random: &mut dyn Random, trace: &mut Trace) -> Result<Result<(), Dead>, Fault> {
        if !trace.choices.iter().any(|c| c.forward) {
            return Ok(Ok(()));
        }
        let old = std::mem::take(trace);
        let result = self.go(random, Purpose::Predict { old: &old }, trace);
        let result = self.settle(result)?;
        if result.is_err() {
            *trace = old;
        }
        Ok(result.map(|_| ()))
    }

    fn infos(&self) -> &[ChoiceInfo] {
        &self.infos
    }

    fn site_name(&self, site: u32) -> String {
        match self.model.code.sites.get(site as usize) {
            Some(site) => site.name.to_string(),
            None => "a choice whose support changed".to_string(),
        }
    }
}
