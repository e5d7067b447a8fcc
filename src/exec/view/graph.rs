//! A run as a graph of what its choices influence: a change costs what depends on it.
//!
//! One run is recorded: a node for each operation on which a choice has influence, in the order of execution. A proposal goes through
//! the nodes that depend on what it changes, in that order, and stops where a value stays the same. Branches that depend on choices are
//! guards: when one would go the other way the graph does not apply, and the model is run instead.

mod build;
mod layout;
mod op;
mod queue;
mod raw;
mod record;
mod sum;
mod whole;

use super::Model;
use crate::exec::machine::{Machine, general};
use crate::model::{Dead, Random, Trace, Update};
use crate::value::{Value, same};
use layout::{CallTo, Cell, Graph, Node};
use queue::Queue;
use raw::{Id, Shadow};
use record::{Object, Recorder, Target};
use std::hint::black_box;
use std::sync::Arc;
use sum::Sum;

pub use whole::Calls;

/// What going through a node, and a choice of a run, take in instructions of the machine, by measurement.
const NODE: u64 = 7;
const CHOICE: u64 = 20;
/// Proposals after which a graph that costs more than runs is given up.
const TRIAL: u64 = 64;

/// The graph of a run and the values of its nodes.
#[derive(Clone, Debug)]
pub struct Live {
    graph: Arc<Graph>,
    values: Vec<Value>,
    prior: Sum,
    weight: Sum,
    queue: Queue,
    undo: Undo,
    locals: Vec<u64>,
    /// Proposals so far and the nodes that they went through, to see whether the graph is worth having.
    proposals: u64,
    visits: u64,
    /// Instructions of the run that was recorded.
    instructions: u64,
    /// The places of the forward-only choices.
    forward: Vec<usize>,
    /// Parts of compound values that changed: node, part, and what it is now.
    parts: Vec<(Cell, u32, Id)>,
}

/// How to go back.
#[derive(Clone, Debug, Default)]
struct Undo {
    nodes: Vec<(Id, Value)>,
    parts: Vec<(Id, u32, Value)>,
    choices: Vec<(u32, Value)>,
    logps: Vec<(u32, f64)>,
    sums: Option<(Sum, Sum, f64, f64)>,
}

/// How a change of the graph ended.
pub enum Outcome {
    Done(Update),
    Dead(Dead),
    /// The graph does not say: the model must be run.
    Unknown,
}

/// Why a change stopped before its end.
enum Stop {
    Dead(u32),
    Unknown,
}

/// What is being changed.
struct Changes<'a> {
    values: &'a [(usize, Value)],
    redraw: &'a [usize],
    many: Option<std::collections::HashSet<usize>>,
    fresh: f64,
    stale: f64,
}

impl Changes<'_> {
    fn new<'a>(values: &'a [(usize, Value)], redraw: &'a [usize]) -> Changes<'a> {
        let many = (values.len() + redraw.len() > 8)
            .then(|| values.iter().map(|(place, _)| *place).chain(redraw.iter().copied()).collect());
        Changes { values, redraw, many, fresh: 0.0, stale: 0.0 }
    }

    fn contains(&self, place: usize) -> bool {
        match &self.many {
            Some(many) => many.contains(&place),
            None => self.redraw.contains(&place) || self.values.iter().any(|(k, _)| *k == place),
        }
    }

    fn redraws(&self, place: usize) -> bool {
        match &self.many {
            Some(many) if !many.contains(&place) => false,
            Some(_) => self.values.iter().all(|(k, _)| *k != place),
            None => self.redraw.contains(&place) && self.values.iter().all(|(k, _)| *k != place),
        }
    }
}

impl Live {
    /// The graph of the run that made a trace; none where it cannot be recorded within bounds.
    pub fn record(model: &Model, trace: &Trace) -> Option<Live> {
        let code = &*model.code;
        let mut recorder = Recorder::new(code, trace, model.limits);
        match &model.start {
            super::Start::Func(func) => recorder.begin(*func, &[])?,
            super::Start::Closure(Value::Closure(closure)) => recorder.begin(closure.function, &closure.captures)?,
            super::Start::Closure(_) => return None,
        }
        let result = recorder.run()?;
        let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * (1.0 + a.abs());
        if recorder.choices.len() != trace.choices.len() || !near(recorder.log_weight, trace.log_weight) {
            return None;
        }
        let log_weight = recorder.log_weight;
        let Recorder { raw, choices, programs, instructions, .. } = recorder;
        let (graph, values) = build::build(raw, choices, programs, result);
        let mut prior = Sum::default();
        trace.choices.iter().for_each(|choice| prior.add(choice.logp));
        let mut weight = Sum::default();
        weight.add(log_weight);
        let queue = Queue::new(graph.len());
        Some(Live {
            graph: Arc::new(graph),
            values,
            prior,
            weight,
            queue,
            undo: Undo::default(),
            locals: Vec::new(),
            proposals: 0,
            visits: 0,
            instructions,
            forward: (0..trace.choices.len()).filter(|k| trace.choices[*k].forward).collect(),
            parts: Vec::new(),
        })
    }

    /// Gives a node another value and tells its readers.
    fn change(&mut self, graph: &Graph, cell: Cell, value: Value) {
        let id = graph.id(cell);
        let old = std::mem::replace(&mut self.values[id as usize], value);
        self.undo.nodes.push((id, old));
        self.tell(graph, cell, id);
    }

    fn tell(&mut self, graph: &Graph, cell: Cell, id: Id) {
        for (reader, part) in graph.readers(cell) {
            if let Some(part) = part {
                self.parts.push((reader, part, id));
            }
            self.queue.push(reader);
        }
    }

    /// A step at the choice of this place is about to be made: reads what it is likely to need, so that it comes from memory together.
    #[inline]
    pub fn attend(&self, place: usize) {
        if let Some(id) = self.graph.attend(place) {
            // The values of the choice, of what was recorded just before it and just after.
            let near = (id as usize).saturating_sub(4)..;
            for value in self.values.get(near).unwrap_or_default().iter().take(12).step_by(4) {
                black_box(std::mem::discriminant(value));
            }
        }
    }

    #[inline]
    fn scalar(&mut self, program: u32, cell: Cell) -> Option<u64> {
        let Live { graph, values, locals, .. } = self;
        let inputs = graph.inputs(cell);
        graph.programs[program as usize].run(|k| general::bits(&values[inputs[k] as usize]), locals)
    }

    fn called(&mut self, call: CallTo, cell: Cell, calls: &mut Calls<'_>) -> Option<Value> {
        if let Some(program) = call.program
            && let Some(bits) = self.scalar(program, cell)
        {
            return Some(match &self.values[self.graph.id(cell) as usize] {
                Value::Int(_) => Value::Int(bits as i64),
                Value::Bool(_) => Value::Bool(bits != 0),
                _ => Value::Real(f64::from_bits(bits)),
            });
        }
        let args: Vec<Value> = self.graph.inputs(cell).iter().map(|id| self.values[*id as usize].clone()).collect();
        match call.func {
            Some(func) => calls.call(func, &args, None).ok(),
            None => whole::Whole::Logp.apply(args, calls).ok(),
        }
    }

    /// The distribution of a choice, and its arguments.
    pub fn distribution(&self, place: usize) -> Option<(u32, Vec<Value>)> {
        let graph = &*self.graph;
        // The parameters of a known distribution are the first operands of the density, which lies next to the choice.
        if let Node::Choice(_, density @ 1..) = graph.node(*graph.choices.get(place)?)
            && let Node::Density(_, call) = graph.node(density)
            && let Some(dist) = graph.calls[call as usize].dist
            && let [args @ .., _] = graph.inputs(density)
        {
            return Some((dist, args.iter().map(|id| self.values[*id as usize].clone()).collect()));
        }
        match &graph.targets.get(place)?.1 {
            Target::Known(dist, args) => {
                Some((*dist, args.iter().map(|id| self.values[*id as usize].clone()).collect()))
            }
            Target::Node(id) => match &self.values[*id as usize] {
                Value::Dist(dist) => Some((dist.dist, dist.args.clone())),
                _ => None,
            },
        }
    }

    /// Recomputes what depends on what changed.
    fn propagate(
        &mut self,
        trace: &mut Trace,
        changes: &mut Changes<'_>,
        calls: &mut Calls<'_>,
        random: &mut dyn Random,
    ) -> Result<(), Stop> {
        let shared = Arc::clone(&self.graph);
        let graph = &*shared;
        while let Some(cell) = self.queue.pop() {
            self.visits += 1;
            let id = graph.id(cell);
            match graph.node(cell) {
                Node::Given => {}
                Node::Choice(place, density) => {
                    let place = place as usize;
                    let value = match changes.values.iter().find(|(k, _)| *k == place) {
                        Some((_, value)) => value.clone(),
                        None => {
                            let (dist, args) = self.distribution(place).ok_or(Stop::Unknown)?;
                            let sampler = calls.code.dists[dist as usize].sample.ok_or(Stop::Unknown)?;
                            // Without a generator the choice must be drawn through its outcomes.
                            let generator = random.generator().ok_or(Stop::Unknown)?;
                            calls.call(sampler, &args, Some(generator)).map_err(|_| Stop::Unknown)?
                        }
                    };
                    let choice = &mut trace.choices[place];
                    if std::mem::discriminant(&choice.value) != std::mem::discriminant(&value) {
                        return Err(Stop::Unknown);
                    }
                    let old = std::mem::replace(&mut choice.value, value.clone());
                    self.undo.choices.push((place as u32, old));
                    self.change(graph, cell, value);
                    if density != 0 {
                        self.queue.push(density);
                    }
                }
                Node::Scalar(program) => {
                    let bits = self.scalar(program, cell).ok_or(Stop::Unknown)?;
                    let new = match &self.values[id as usize] {
                        Value::Int(_) => Value::Int(bits as i64),
                        Value::Bool(_) => Value::Bool(bits != 0),
                        _ => Value::Real(f64::from_bits(bits)),
                    };
                    if general::bits(&self.values[id as usize]) != bits {
                        self.change(graph, cell, new);
                    }
                }
                Node::Guard(program) => {
                    let bits = self.scalar(program, cell).ok_or(Stop::Unknown)?;
                    let holds = bits == general::bits(&self.values[id as usize]);
                    if !mutant!("a branch of the graph that goes the other way", true, holds) {
                        return Err(Stop::Unknown);
                    }
                }
                Node::Score(program, site) => {
                    let weight = f64::from_bits(self.scalar(program, cell).ok_or(Stop::Unknown)?);
                    if weight == f64::NEG_INFINITY {
                        return Err(Stop::Dead(site));
                    }
                    if !weight.is_finite() {
                        return Err(Stop::Unknown);
                    }
                    self.weigh(id, weight, |live| &mut live.weight);
                }
                Node::Density(place, call) => {
                    let value = self.called(graph.calls[call as usize], cell, calls).ok_or(Stop::Unknown)?;
                    let Value::Real(logp) = value else { return Err(Stop::Unknown) };
                    let place = place as usize;
                    let old = trace.choices[place].logp;
                    if changes.redraws(place) {
                        changes.fresh += logp;
                        changes.stale += old;
                    }
                    let logp = mutant!("densities on the graph kept", old, logp);
                    if logp.to_bits() == old.to_bits() {
                        continue;
                    }
                    if logp == f64::NEG_INFINITY && changes.contains(place) {
                        return Err(Stop::Dead(graph.targets[place].0));
                    }
                    if !logp.is_finite() {
                        return Err(Stop::Unknown);
                    }
                    self.undo.logps.push((place as u32, old));
                    trace.choices[place].logp = logp;
                    self.weigh(id, logp, |live| &mut live.prior);
                }
                Node::Call(call) => {
                    let value = self.called(graph.calls[call as usize], cell, calls).ok_or(Stop::Unknown)?;
                    self.settle(graph, cell, value)?;
                }
                Node::Whole(whole) => {
                    let inputs = graph.inputs(cell);
                    let whole = &graph.wholes[whole as usize];
                    let value = match whole.at(&self.values, inputs) {
                        Some(value) => value,
                        None => {
                            let args = inputs.iter().map(|id| self.values[*id as usize].clone()).collect();
                            whole.apply(args, calls).map_err(|_| Stop::Unknown)?
                        }
                    };
                    self.settle(graph, cell, value)?;
                }
                Node::Pack => {
                    let mut k = 0;
                    while k < self.parts.len() {
                        if self.parts[k].0 != cell {
                            k += 1;
                            continue;
                        }
                        let (_, slot, source) = self.parts.swap_remove(k);
                        let old = whole::part(&self.values[id as usize], slot as usize).ok_or(Stop::Unknown)?;
                        let new = self.values[source as usize].clone();
                        self.undo.parts.push((id, slot, old));
                        if !whole::set_part(&mut self.values[id as usize], slot as usize, new) {
                            return Err(Stop::Unknown);
                        }
                    }
                    self.tell(graph, cell, id);
                }
            }
        }
        Ok(())
    }

    /// Replaces a term of one of the sums, which a node holds.
    fn weigh(&mut self, node: Id, term: f64, sum: impl Fn(&mut Live) -> &mut Sum) {
        let old = std::mem::replace(&mut self.values[node as usize], Value::Real(term));
        let Value::Real(before) = old else { return };
        let sum = sum(self);
        sum.add(-before);
        sum.add(term);
        self.undo.nodes.push((node, old));
    }

    /// A new value of a node, if it is another.
    fn settle(&mut self, graph: &Graph, cell: Cell, value: Value) -> Result<(), Stop> {
        let old = &self.values[graph.id(cell) as usize];
        if std::mem::discriminant(old) != std::mem::discriminant(&value) {
            return Err(Stop::Unknown);
        }
        if let (Value::Real(old), Value::Real(new)) = (old, &value) {
            if old.to_bits() != new.to_bits() {
                self.change(graph, cell, value);
            }
            return Ok(());
        }
        if !same(old, &value) {
            self.change(graph, cell, value);
        }
        Ok(())
    }

    /// Changes and redraws choices; `trace` is that of the run and follows.
    pub fn propose(
        &mut self,
        model: &Model,
        machine: &mut Machine,
        trace: &mut Trace,
        values: &[(usize, Value)],
        redraw: &[usize],
        random: &mut dyn Random,
    ) -> Outcome {
        self.proposals += 1;
        self.undo.sums = Some((self.prior, self.weight, trace.log_prior, trace.log_weight));
        let mut changes = Changes::new(values, redraw);
        let places = values.iter().map(|(place, _)| *place).chain(redraw.iter().copied());
        for place in places {
            let Some(cell) = self.graph.choices.get(place) else { continue };
            self.queue.push(*cell);
        }
        let mut calls = Calls { code: &model.code, machine, limits: model.limits };
        let result = self.propagate(trace, &mut changes, &mut calls, random);
        match result {
            Ok(()) => {
                let (prior, weight) = self.undo.sums.as_ref().map(|(p, w, _, _)| (*p, *w)).unwrap_or_default();
                trace.log_prior = self.prior.value();
                trace.log_weight = self.weight.value();
                let count = trace.movable.len();
                Outcome::Done(Update {
                    fresh: changes.fresh,
                    stale: changes.stale,
                    log_prior: self.prior.minus(prior),
                    log_weight: self.weight.minus(weight),
                    before: count,
                    after: count,
                    ..Update::default()
                })
            }
            Err(stop) => {
                self.undo(trace);
                match stop {
                    Stop::Dead(site) => Outcome::Dead(Dead::Zero(site)),
                    Stop::Unknown => Outcome::Unknown,
                }
            }
        }
    }

    /// Draws the forward-only choices anew.
    pub fn predict(
        &mut self,
        model: &Model,
        machine: &mut Machine,
        trace: &mut Trace,
        random: &mut dyn Random,
    ) -> Outcome {
        let forward = std::mem::take(&mut self.forward);
        let outcome = self.propose(model, machine, trace, &[], &forward, random);
        self.forward = forward;
        outcome
    }

    /// Whether proposals go through so many nodes that running the model costs less.
    pub fn is_slow(&self) -> bool {
        let run = self.instructions + CHOICE * self.graph.choices.len() as u64;
        self.proposals == TRIAL && self.visits * NODE > run * TRIAL
    }

    /// Keeps what was proposed.
    pub fn keep(&mut self) {
        self.undo.nodes.clear();
        self.undo.parts.clear();
        self.undo.choices.clear();
        self.undo.logps.clear();
        self.undo.sums = None;
    }

    /// Goes back to what was before the proposal.
    pub fn undo(&mut self, trace: &mut Trace) {
        self.queue.clear();
        self.parts.clear();
        while let Some((node, value)) = self.undo.nodes.pop() {
            self.values[node as usize] = value;
        }
        while let Some((node, slot, value)) = self.undo.parts.pop() {
            whole::set_part(&mut self.values[node as usize], slot as usize, value);
        }
        while let Some((place, value)) = self.undo.choices.pop() {
            trace.choices[place as usize].value = value;
        }
        while let Some((place, logp)) = self.undo.logps.pop() {
            trace.choices[place as usize].logp = logp;
        }
        if mutant!("sums of the graph not put back", true, false) {
            self.undo.sums = None;
        }
        if let Some((prior, weight, log_prior, log_weight)) = self.undo.sums.take() {
            self.prior = prior;
            self.weight = weight;
            trace.log_prior = log_prior;
            trace.log_weight = log_weight;
        }
    }

    /// What the run returns.
    pub fn value(&self) -> Value {
        self.graph.result.as_ref().map(|object| self.filled(object)).unwrap_or_default()
    }

    /// A value with the present values of its nodes.
    fn filled(&self, object: &Object) -> Value {
        match &object.shadow {
            Shadow::Constant => object.value.clone(),
            Shadow::Node(id) => self.values[*id as usize].clone(),
            Shadow::Parts(parts) => {
                let mut value = object.value.clone();
                for (k, shadow) in parts.items.iter().enumerate() {
                    let item = match shadow {
                        Shadow::Constant => continue,
                        Shadow::Node(id) => self.values[*id as usize].clone(),
                        Shadow::Parts(_) => {
                            let inner = whole::part(&value, k).unwrap_or_default();
                            self.filled(&Object { value: inner, shadow: shadow.clone() })
                        }
                    };
                    whole::set_part(&mut value, k, item);
                }
                value
            }
        }
    }
}
