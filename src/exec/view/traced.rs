//! Running a model with its choices addressed: generated, replayed, changed a few at a time.
//!
//! Traces are lists in the order of execution. A new run walks along the old trace, so that where nothing moved a choice is found
//! without a look-up; only a run that leaves the old order builds an index of it. A choice whose value and whose distribution's
//! arguments are what they were keeps its log density.
//!
//! A state that has seen some proposals is recorded as a graph (`graph.rs`), on which a proposal costs what depends on the choices that it
//! changes. Where the graph does not apply, because a branch would go the other way or an operation would fault, the model is run; if the
//! run is accepted the graph is recorded anew later, the later the more often that happened. Both ways make the same chain but for the
//! rounding of the sums of log densities.

mod walk;

use super::graph::{Calls, Live, Outcome};
use super::{Model, branching, choose_outcome, dead, unexpected};
use crate::exec::kernel::support;
use crate::exec::machine::{Code, Event, Machine};
use crate::model::path::CALL;
use crate::model::{Dead, Infos, Met, Outcomes, Random, Trace, Traced, Update};
use crate::source::Name;
use crate::value::domain::Size;
use crate::value::{DistValue, Domain, Fault, Generator, Value, same};
use std::hint::black_box;
use std::sync::Arc;
pub use walk::{End, pass};
use walk::{Purpose, Recorded, Walk};

/// The `Traced` view of a model.
pub struct TracedView {
    model: Model,
    graphs: bool,
    /// Proposals before a state is first recorded as a graph.
    patience: u32,
    until: Option<End>,
    /// So many of the first choices are held as they are.
    held: u32,
}

/// Proposals before a state is first recorded as a graph, which takes as long as some runs.
const PATIENCE: u32 = 4;
/// A graph that served so many times its patience was worth its making.
const WORTH: u32 = 16;

/// Choices of a trace that does not fit the caches near the processor.
const LARGE: usize = 2000;

/// What waits to be accepted or rejected.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Pending {
    #[default]
    Nothing,
    /// A run, with the one before in `before`.
    Run,
    /// A change of the graph.
    Change,
}

/// When to record a state as a graph.
#[derive(Clone, Copy, Debug)]
struct Patience {
    /// Proposals since the last graph, or on it.
    proposals: u32,
    /// Proposals to wait for; none to wait for ever.
    wait: Option<u32>,
    /// The least that is waited for.
    least: u32,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience::of(PATIENCE)
    }
}

impl Patience {
    fn of(least: u32) -> Patience {
        Patience { proposals: 0, wait: Some(least), least }
    }

    /// Whether it is time for a graph.
    fn is_over(&mut self) -> bool {
        self.proposals = self.proposals.saturating_add(1);
        self.wait.is_some_and(|wait| self.proposals > wait)
    }

    /// A graph was recorded, or cannot be.
    fn recorded(&mut self, possible: bool) {
        self.proposals = 0;
        if !possible {
            self.wait = None;
        }
    }

    /// The graph is void.
    fn lost(&mut self) {
        let worth =
            |wait: u32| if self.proposals >= wait.saturating_mul(WORTH) { self.least } else { wait.saturating_mul(2) };
        self.wait = self.wait.map(worth);
        self.proposals = 0;
    }
}

/// A run of a model, and the one before it while a proposal is pending.
#[derive(Clone, Debug, Default)]
pub struct State {
    infos: Infos,
    now: Recorded,
    /// While pending, the run before; else memory to be used again.
    before: Recorded,
    pending: Pending,
    /// The graph of the run; of the one before while a run is pending.
    live: Option<Box<Live>>,
    patience: Patience,
    scratch: Scratch,
}

/// What a run needs while it lasts. A clone starts without.
#[derive(Debug, Default)]
struct Scratch {
    machine: Machine,
    index: walk::Index,
}

impl Clone for Scratch {
    fn clone(&self) -> Scratch {
        Scratch::default()
    }
}

impl TracedView {
    /// The view of a model.
    pub fn new(model: Model) -> TracedView {
        TracedView { model, graphs: true, patience: PATIENCE, until: None, held: 0 }
    }

    /// A view that runs the model for every proposal.
    pub fn without_graphs(model: Model) -> TracedView {
        TracedView { graphs: false, ..TracedView::new(model) }
    }

    /// A view that records every state as a graph before its first proposal.
    pub fn with_graphs(model: Model) -> TracedView {
        TracedView { patience: 0, ..TracedView::new(model) }
    }

    /// Whether a state is held as a graph, so that proposals cost what depends on what they change.
    pub fn has_graph(&self, state: &State) -> bool {
        state.live.is_some()
    }

    /// The graph of a state, where one is made and tells of the run as it stands.
    fn live<'s>(&self, state: &'s State) -> Option<&'s Live> {
        state.live.as_deref().filter(|_| state.pending != Pending::Run)
    }

    /// A view of runs up to some weight, which counts, or to their end; runs that meet other weights until then have weight zero.
    pub fn until(model: Model, end: End) -> TracedView {
        TracedView { graphs: false, until: Some(end), ..TracedView::new(model) }
    }

    /// The view in which so many of the first choices are held.
    pub(super) fn holding(self, held: u32) -> TracedView {
        TracedView { held, ..self }
    }

    /// The run that drew what another one did.
    pub(super) fn adopt(&self, met: &[Met], random: &mut dyn Random) -> Result<Result<State, Dead>, Fault> {
        let mut state = State::default();
        let State { infos, now, scratch, .. } = &mut state;
        let given = met.iter().filter(|met| !met.is_call()).map(|met| (met.address, &met.value)).collect();
        let calls = met.iter().filter(|met| met.is_call()).map(|met| (met.value.clone(), met.address == CALL));
        let purpose = Purpose::Generate { given, calls: calls.collect() };
        let result = self.walk(infos, scratch, &purpose, now, random)?;
        Ok(result.map(|_| state))
    }

    /// What the calls of functions of the host in a run gave, and whether they drew.
    pub fn calls<'s>(&self, state: &'s State) -> impl Iterator<Item = (&'s Value, bool)> {
        state.now.hosts.iter().map(|call| (&call.result, call.drew))
    }

    /// Runs from the start for some purpose; leaves the run in `out`.
    fn walk(
        &self,
        infos: &mut Infos,
        scratch: &mut Scratch,
        purpose: &Purpose<'_>,
        out: &mut Recorded,
        random: &mut dyn Random,
    ) -> Result<Result<Update, Dead>, Fault> {
        let Scratch { machine, index } = scratch;
        let mut walk = Walk { model: &self.model, machine, infos, index, until: self.until, held: self.held };
        let result = walk.go(purpose, out, random);
        self.model.flush(&mut scratch.machine);
        match result {
            Err(fault) => dead(fault).map(Err),
            other => other,
        }
    }

    /// A log density at these arguments and each of some values.
    fn member_logps(&self, logp: u32, args: Vec<Value>, values: &[Value]) -> Result<Vec<f64>, Fault> {
        let mut machine = Machine::default();
        let mut calls = Calls { code: &self.model.code, machine: &mut machine, limits: self.model.limits };
        let mut all = args;
        let mut result = Vec::with_capacity(values.len());
        for value in values {
            all.push(value.clone());
            result.push(calls.call(logp, &all, None)?.as_real().unwrap_or(f64::NAN));
            all.pop();
        }
        Ok(result)
    }

    /// Asks something of the machine paused at a choice of a state.
    fn at_choice<R>(
        &self,
        state: &State,
        place: usize,
        ask: impl FnOnce(&mut Machine, &Code, u32, u32) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let code = &*self.model.code;
        let mut machine = Machine::default();
        walk::begin(&self.model, &mut machine, self.until)?;
        let mut hosts = state.now.hosts.iter();
        let mut at = 0;
        loop {
            match machine.run(code)? {
                Event::Sample { func, sample } if at == place => return ask(&mut machine, code, func, sample),
                Event::Sample { func, sample } => {
                    let choice = state.now.trace.choices.get(at).ok_or_else(strayed)?;
                    machine.supply(code, func, sample, choice.value.clone())?;
                    at += 1;
                }
                Event::Host { func, host } => {
                    let value = hosts.next().ok_or_else(strayed)?.result.clone();
                    machine.supply_host(code, func, host, value)?;
                }
                Event::Printed => machine.printed.clear(),
                Event::Score { weight, .. } if weight > f64::NEG_INFINITY => {}
                Event::Done => return Err(strayed()),
                event => return Err(unexpected(event)),
            }
        }
    }
}

/// Takes back what was drawn on a graph that then did not apply: the run draws the same again.
fn rewind(random: &mut dyn Random, to: Option<Generator>) {
    if let (Some(generator), Some(to)) = (random.generator(), to) {
        *generator = to;
    }
}

/// Whether the values of a support can be gone through.
fn enumerable(size: &Size) -> bool {
    match size {
        Size::Finite(n) => *n <= branching::MOST_OUTCOMES,
        Size::Countable => true,
        _ => false,
    }
}

fn strayed() -> Fault {
    Fault::internal("a trace was replayed that is not one of its model")
}

/// A draw at the choice where a machine is paused.
pub(super) fn draw(
    machine: &mut Machine,
    code: &Code,
    func: u32,
    sample: u32,
    random: &mut dyn Random,
) -> Result<Value, Fault> {
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

impl Traced for TracedView {
    type State = State;

    fn generate_with(
        &self,
        given: &[(u64, Value)],
        random: &mut dyn Random,
    ) -> Result<Result<(State, f64), Dead>, Fault> {
        let mut state = State { patience: Patience::of(self.patience), ..State::default() };
        let State { infos, now, scratch, .. } = &mut state;
        let given = given.iter().map(|(address, value)| (*address, value)).collect();
        let purpose = Purpose::Generate { given, calls: Vec::new() };
        let result = self.walk(infos, scratch, &purpose, now, random)?;
        Ok(result.map(|update| (state, update.stale)))
    }

    fn trace<'s>(&self, state: &'s State) -> &'s Trace {
        &state.now.trace
    }

    fn infos<'s>(&self, state: &'s State) -> &'s Infos {
        &state.infos
    }

    fn same_calls(&self, a: &State, b: &State) -> bool {
        let alike = |(a, b): (&walk::Call, &walk::Call)| same(&a.result, &b.result);
        a.now.hosts.len() == b.now.hosts.len() && a.now.hosts.iter().zip(&b.now.hosts).all(alike)
    }

    fn value(&self, state: &State) -> Value {
        self.live(state).map_or_else(|| state.now.value.clone(), Live::value)
    }

    fn attend(&self, state: &State, place: usize) {
        let choices = &state.now.trace.choices;
        if choices.len() < LARGE {
            return;
        }
        // Reading is all that it takes: nothing waits for what is read, so all of it is on its way at once.
        if let Some(live) = state.live.as_deref() {
            live.attend(place);
        }
        for choice in choices.iter().skip(place).take(2) {
            black_box(choice.logp);
        }
    }

    fn propose_with(
        &self,
        state: &mut State,
        values: &[(usize, Value)],
        redraw: &[usize],
        born: &[(String, Value)],
        random: &mut dyn Random,
    ) -> Result<Result<Update, Dead>, Fault> {
        self.reject(state);
        let State { infos, now, before, pending, live, patience, scratch } = state;
        let over = patience.is_over();
        if live.is_none() && self.graphs && over {
            *live = Live::record(&self.model, &now.trace).map(Box::new);
            patience.recorded(live.is_some());
        }
        if live.as_deref().is_some_and(Live::is_slow) {
            now.value = live.take().map_or(Value::Unit, |live| live.value());
            patience.recorded(false);
        }
        if let Some(live) = live {
            // The arguments of the last run are not those of the state any more.
            now.args.clear();
            let generator = random.generator().map(|generator| *generator);
            match live.propose(&self.model, &mut scratch.machine, &mut now.trace, values, redraw, random) {
                Outcome::Done(update) => {
                    *pending = Pending::Change;
                    return Ok(Ok(update));
                }
                Outcome::Dead(dead) => return Ok(Err(dead)),
                Outcome::Unknown => rewind(random, generator),
            }
        }
        std::mem::swap(now, before);
        let purpose = Purpose::Replay { old: before, changes: walk::Changes::new(values, redraw, born) };
        let result = self.walk(infos, scratch, &purpose, now, random);
        match result {
            Ok(Ok(mut update)) => {
                update.log_prior = now.trace.log_prior - before.trace.log_prior;
                update.log_weight = now.trace.log_weight - before.trace.log_weight;
                update.before = before.trace.units();
                update.after = now.trace.units();
                *pending = Pending::Run;
                Ok(Ok(update))
            }
            other => {
                std::mem::swap(now, before);
                other
            }
        }
    }

    fn accept(&self, state: &mut State) {
        match std::mem::take(&mut state.pending) {
            Pending::Nothing => {}
            Pending::Change => state.live.iter_mut().for_each(|live| live.keep()),
            Pending::Run => {
                if state.live.take().is_some() {
                    state.patience.lost();
                }
            }
        }
    }

    fn reject(&self, state: &mut State) {
        match std::mem::take(&mut state.pending) {
            Pending::Nothing => {}
            Pending::Change => state.live.iter_mut().for_each(|live| live.undo(&mut state.now.trace)),
            Pending::Run => std::mem::swap(&mut state.now, &mut state.before),
        }
    }

    fn draw_choice(&self, state: &State, place: usize, random: &mut dyn Random) -> Result<Option<(Value, f64)>, Fault> {
        if let Some((dist, args)) = self.live(state).and_then(|live| live.distribution(place))
            && let Some(generator) = random.generator()
        {
            let dist = &self.model.code.dists[dist as usize];
            let choice = state.now.trace.choices.get(place).ok_or_else(strayed)?;
            let Some(sampler) = dist.sample.filter(|_| state.infos.get(choice.info).can_draw) else {
                return Ok(None);
            };
            let mut machine = Machine::default();
            let mut calls = Calls { code: &self.model.code, machine: &mut machine, limits: self.model.limits };
            let value = calls.call(sampler, &args, Some(generator))?;
            let logp = self.member_logps(dist.logp, args, std::slice::from_ref(&value))?;
            return Ok(logp.first().map(|logp| (value, *logp)));
        }
        self.at_choice(state, place, |machine, code, func, sample| {
            if !machine.can_draw(code, func, sample) {
                return Ok(None);
            }
            let value = draw(machine, code, func, sample, random)?;
            let logp = machine.choice_logp(code, func, sample, &value)?;
            Ok(Some((value, logp)))
        })
    }

    fn choice_logps(&self, state: &State, place: usize, values: &[Value]) -> Result<Vec<f64>, Fault> {
        if let Some((dist, args)) = self.live(state).and_then(|live| live.distribution(place)) {
            let logp = self.model.code.dists[dist as usize].logp;
            return self.member_logps(logp, args, values);
        }
        self.at_choice(state, place, |machine, code, func, sample| {
            values.iter().map(|value| machine.choice_logp(code, func, sample, value)).collect()
        })
    }

    fn outcomes(&self, state: &State, place: usize) -> Result<Option<Outcomes>, Fault> {
        if let Some((dist, args)) = self.live(state).and_then(|live| live.distribution(place)) {
            let dist = &self.model.code.dists[dist as usize];
            let Some(support) = dist.support else { return Ok(None) };
            let mut machine = Machine::default();
            let mut calls = Calls { code: &self.model.code, machine: &mut machine, limits: self.model.limits };
            let Value::Domain(support) = calls.call(support, &args, None)? else { return Ok(None) };
            if !enumerable(&support.size()) {
                return Ok(None);
            }
            let mut logp = |value: &Value| {
                let mut all = args.clone();
                all.push(value.clone());
                calls.call(dist.logp, &all, None).map(|value| value.as_real().unwrap_or(f64::NAN))
            };
            return branching::outcomes_of(&support, dist.name.as_str(), &mut logp).map(Some);
        }
        self.at_choice(state, place, |machine, code, func, sample| {
            if !machine.choice_support(code, func, sample).is_ok_and(|support| enumerable(&support.size())) {
                return Ok(None);
            }
            branching::outcomes(machine, code, func, sample).map(Some)
        })
    }

    fn distribution(&self, state: &State, place: usize) -> Result<Value, Fault> {
        if let Some((dist, args)) = self.live(state).and_then(|live| live.distribution(place)) {
            let name = self.model.code.dists[dist as usize].name;
            return Ok(Value::Dist(Arc::new(DistValue { name, dist, args })));
        }
        self.at_choice(state, place, |machine, code, func, sample| {
            let (dist, args) = machine.choice_distribution(code, func, sample)?;
            let name: Name = code.dists[dist as usize].name;
            Ok(Value::Dist(Arc::new(DistValue { name, dist, args })))
        })
    }

    fn support(&self, state: &State, place: usize) -> Result<Arc<Domain>, Fault> {
        if let Some((dist, args)) = self.live(state).and_then(|live| live.distribution(place))
            && let Some(support) = self.model.code.dists[dist as usize].support
        {
            let mut machine = Machine::default();
            let mut calls = Calls { code: &self.model.code, machine: &mut machine, limits: self.model.limits };
            if let Value::Domain(domain) = calls.call(support, &args, None)? {
                return Ok(domain);
            }
        }
        self.at_choice(state, place, |machine, code, func, sample| machine.choice_support(code, func, sample))
    }

    fn constrain(&self, domain: &Domain, x: &[f64]) -> Result<(Value, f64), Fault> {
        support::constrain(domain, &mut &*x)
    }

    fn unconstrain(&self, domain: &Domain, value: &Value, out: &mut Vec<f64>) -> bool {
        let from = out.len();
        let known = !domain.is_discrete() && support::unconstrain(domain, value, out).is_ok();
        known && out[from..].iter().all(|x| x.is_finite())
    }

    fn predict(&self, state: &mut State, random: &mut dyn Random) -> Result<Result<(), Dead>, Fault> {
        self.reject(state);
        let State { infos, now, before, live, patience, scratch, .. } = state;
        if self.held > 0 || now.trace.movable.len() == now.trace.choices.len() {
            return Ok(Ok(()));
        }
        if let Some(live) = live {
            now.args.clear();
            let generator = random.generator().map(|generator| *generator);
            match live.predict(&self.model, &mut scratch.machine, &mut now.trace, random) {
                Outcome::Done(_) => {
                    live.keep();
                    return Ok(Ok(()));
                }
                Outcome::Dead(dead) => return Ok(Err(dead)),
                Outcome::Unknown => rewind(random, generator),
            }
        }
        std::mem::swap(now, before);
        let result = self.walk(infos, scratch, &Purpose::Predict { old: before }, now, random);
        if matches!(result, Ok(Ok(_))) {
            if live.take().is_some() {
                patience.lost();
            }
        } else {
            std::mem::swap(now, before);
        }
        Ok(result?.map(|_| ()))
    }

    fn hold(&self, state: &mut State) -> TracedView {
        self.reject(state);
        let trace = &mut state.now.trace;
        trace.held = trace.choices.len() as u32;
        trace.movable.clear();
        trace.calls = 0;
        TracedView { model: self.model.clone(), held: trace.held, ..*self }
    }

    fn site_name(&self, site: u32) -> String {
        match self.model.code.sites.get(site as usize) {
            Some(site) => site.name.to_string(),
            None => "a choice whose support changed".to_string(),
        }
    }
}
