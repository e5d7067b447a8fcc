//! Traces as values of the language: runs of a model with all their choices, from which programs compose kernels of their own.

use super::course::add_rates;
use super::kernel::{Kernel, Moves, Names, Walker, exact};
use super::{Contract, Row};
use crate::model::{Dead, Functions, Random, Traced, Update};
use crate::value::hash::{hash_value, real_bits};
use crate::value::{Fault, HostObject, Value, same, short};
use std::any::Any;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn trace(model: () ~> a) ~> Trace<a>",
        doc: "A run of the model with all its choices, drawn from the prior: the first of positive weight.\n\
              example: value_of(trace(() => { x ~ Flip(0.5); condition(x); x }))",
        contract: Contract::None,
    },
    Row {
        signature: "fn value_of(t: Trace<a>) -> a",
        doc: "What the run returned.\n\
              example: value_of(trace(() => 3)) == 3",
        contract: Contract::None,
    },
    Row {
        signature: "fn logp_of(t: Trace<a>) -> Real",
        doc: "The log of the unnormalised density of the trace: `log_prior(t) + log_likelihood(t)`.\n\
              example: logp_of(trace(() => { factor(1.5); 3 })) == 1.5",
        contract: Contract::None,
    },
    Row {
        signature: "fn log_prior(t: Trace<a>) -> Real",
        doc: "The log density of the choices of the trace, those apart on which no weight depends.\n\
              example: log_prior(trace(() => { x ~ Flip(0.25); x })) < 0.0",
        contract: Contract::None,
    },
    Row {
        signature: "fn log_likelihood(t: Trace<a>) -> Real",
        doc: "The log of the weight of the trace: the sum over its observations and factors.\n\
              example: log_likelihood(trace(() => { factor(1.5); 3 })) == 1.5",
        contract: Contract::None,
    },
    Row {
        signature: "fn regenerate(t: Trace<a>, names: [String]) ~> (Trace<a>, Real)",
        doc: "The trace with the choices of these names drawn anew from their distributions, and a log weight: the ratio of the densities of \
              the traces, times that of drawing the old choices over drawing the new ones. To go there with probability \
              `min(1, exp(weight))` leaves the posterior as it is. A run of weight zero gives the trace itself and -inf. \
              Cusumano-Towner, Saad, Lew and Mansinghka 2019.\n\
              example: match regenerate(trace(() => { x ~ Flip(0.5); x }), [\"x\"]) { (t, weight) => weight == 0.0 }",
        contract: Contract::None,
    },
    Row {
        signature: "fn update(t: Trace<a>, changes: b) ~> (Trace<a>, Real)",
        doc: "The trace with other values for the choices that the fields of the record `changes` name, and a log weight as of \
              `regenerate`, in which choices that appear count as drawn. To go there with probability `min(1, exp(weight))` leaves the \
              posterior as it is if the way back is proposed with the same density. An array gives the elements of a choice in a \
              loop. Cusumano-Towner, Saad, Lew and Mansinghka 2019.\n\
              example: match update(trace(() => { x ~ Flip(0.5); condition(true || x); x }), {x: true}) { (t, weight) => value_of(t) }",
        contract: Contract::None,
    },
    Row {
        signature: "fn freeze(t: Trace<a>) -> Trace<a>",
        doc: "The same trace, its choices held as they are: no kernel moves them any more.\n\
              example: measure_eq(enumerate(() => true), enumerate(() => { let t = trace(() => { x ~ Flip(0.5); x }); value_of(step(single_site(), freeze(t))) == value_of(t) }))",
        contract: Contract::Preserves,
    },
    Row {
        signature: "fn acceptance_of(t: Trace<a>) -> [(String, Real)]",
        doc: "The share of the proposals of `step` that were accepted on the way to this trace, by kernel and choice.\n\
              example: len(acceptance_of(trace(() => flip(0.5)))) == 0",
        contract: Contract::None,
    },
    Row {
        signature: "fn step(kernel: Kernel, t: Trace<a>) ~> Trace<a>",
        doc: "The trace after one application of a kernel.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(single_site(), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
];

/// How many first traces are tried.
pub const TRIES: usize = 10_000;

/// A trace, as programs hold it.
pub struct TraceOf<T: Traced>(pub Walker<T>);

impl<T: Traced> Clone for TraceOf<T> {
    fn clone(&self) -> TraceOf<T> {
        TraceOf(self.0.clone())
    }
}

/// A first state of positive weight, within some tries.
///
/// # Errors
/// When there is none: the place that refused most of them is named.
pub fn start<T: Traced + Send + 'static>(
    view: &Arc<T>,
    model: Value,
    tries: usize,
    random: &mut dyn Random,
) -> Result<Walker<T>, Fault> {
    let mut refused: BTreeMap<u32, usize> = BTreeMap::new();
    let (mut domain_faults, mut example) = (0, None);
    if random.generator().is_none() {
        // To try again until a run has weight is to draw from those that have.
        let mut runs = exact::traces(view, &model)?;
        let weights: Vec<f64> = runs.iter().map(|(probability, _)| *probability).collect();
        if runs.is_empty() {
            return Err(Fault::error("no run of the model has positive probability"));
        }
        return Ok(runs.swap_remove(random.choose(&weights)).1);
    }
    for _ in 0..tries {
        match view.generate(random)? {
            Ok(state) => return Ok(Walker::new(Arc::clone(view), state, model)),
            Err(Dead::Zero(site)) => *refused.entry(site).or_default() += 1,
            Err(Dead::Domain(fault)) => {
                domain_faults += 1;
                example.get_or_insert(fault);
            }
        }
    }
    let tries = refused.values().sum::<usize>() + domain_faults;
    if let Some(fault) = example.take_if(|_| domain_faults == tries) {
        return Err(fault.hint("every run of the model ends here"));
    }
    let mut fault = Fault::error(format!("no start of positive probability was found in {tries} tries"));
    if let Some((site, count)) = refused.iter().max_by_key(|(_, count)| **count) {
        fault = fault.hint(format!("`{}` refused {count} of them", view.site_name(*site)));
    }
    if let Some(example) = example {
        fault = fault.hint(format!("{domain_faults} ended with: {}", example.message));
    }
    Err(fault.hint("soften hard conditions, or use `smc`, which conditions step by step"))
}

impl<T: Traced + Send + 'static> TraceOf<T> {
    /// What the run returned.
    pub fn value(&self) -> Value {
        self.0.view.value(&self.0.state)
    }

    /// Draws the choices of these names anew; gives the log weight.
    pub fn regenerate(&mut self, names: &Names, random: &mut dyn Random) -> Result<f64, Fault> {
        let Walker { view, state, .. } = &mut self.0;
        let (trace, infos) = (view.trace(state), view.infos(state));
        let wanted = |place: &usize| {
            let info = infos.get(trace.choices[*place].info);
            info.named && info.can_draw && names.contain(&info.name)
        };
        let places: Vec<usize> = trace.movable.iter().map(|place| *place as usize).filter(wanted).collect();
        let result = view.propose(state, &[], &places, random)?;
        Ok(self.keep(result))
    }

    /// Gives the choices that a record names other values; gives the log weight.
    pub fn update(&mut self, changes: &Value, random: &mut dyn Random) -> Result<f64, Fault> {
        let Value::Record(record) = changes else {
            return Err(Fault::error(format!("`update` takes a record of new values, found {}", short(changes, 40)))
                .hint("as in `update(t, {mu: 1.0})`"));
        };
        let Walker { view, state, .. } = &mut self.0;
        let (trace, infos) = (view.trace(state), view.infos(state));
        let (mut values, mut born) = (Vec::new(), Vec::new());
        for (name, value) in record.names.iter().zip(&record.fields) {
            let name = name.as_str();
            let mut found = false;
            for (place, choice) in trace.choices.iter().enumerate() {
                let info = infos.get(choice.info);
                if !info.named {
                    continue;
                }
                // The names of the functions that a choice lies in may be left out.
                let short = info.name.rsplit('.').next().unwrap_or(&info.name);
                if (info.name == name || short == name) && place < trace.held as usize {
                    return Err(Fault::error(format!(
                        "`update` gives `{name}` a value, which `freeze` holds as it is"
                    )));
                }
                if info.name == name || short == name {
                    values.push((place, value.clone()));
                    found = true;
                } else if let Some(index) = element(short, name) {
                    found = true;
                    if let Some(value) = value.element(index) {
                        values.push((place, value));
                    }
                }
            }
            if !found {
                born.push((name.to_string(), value.clone()));
            }
        }
        let result = view.propose_with(state, &values, &[], &born, random)?;
        if result.is_ok() {
            let (trace, infos) = (view.trace(state), view.infos(state));
            let has = |name: &str| trace.choices.iter().any(|choice| infos.get(choice.info).name == name);
            if let Some((name, _)) = born.iter().find(|(name, _)| !has(name)) {
                view.reject(state);
                return Err(Fault::error(format!("`update` gives `{name}` a value, which the run does not have")));
            }
        }
        Ok(self.keep(result))
    }

    /// Holds all choices as they are.
    pub fn freeze(&mut self) {
        self.0.view = Arc::new(self.0.view.hold(&mut self.0.state));
    }

    fn keep(&mut self, result: Result<Update, Dead>) -> f64 {
        match result {
            Ok(update) => {
                let weight = self.0.log_ratio(&update);
                self.0.view.accept(&mut self.0.state);
                weight
            }
            Err(_) => f64::NEG_INFINITY,
        }
    }

    /// Applies a kernel once.
    pub fn step(&mut self, kernel: &Kernel, functions: &dyn Functions, random: &mut dyn Random) -> Result<(), Fault> {
        let mut moves = Moves::new(kernel, functions)?;
        moves.apply(&mut self.0, functions, random)?;
        if random.generator().is_some() {
            let rates = moves.acceptance(&self.0);
            add_rates(&mut self.0.rates, rates);
        }
        Ok(())
    }
}

/// The index of a choice that is an element of an array of this name.
fn element(choice: &str, name: &str) -> Option<usize> {
    choice.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

impl<T: Traced> fmt::Debug for TraceOf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceOf").field("log_target", &self.0.log_target()).finish_non_exhaustive()
    }
}

impl<T: Traced + Send + 'static> HostObject for TraceOf<T> {
    fn type_name(&self) -> &'static str {
        "Trace"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn display(&self) -> String {
        let (trace, infos) = (self.0.view.trace(&self.0.state), self.0.view.infos(&self.0.state));
        let choice = |place: &usize| {
            let choice = &trace.choices[*place];
            format!("{} = {}", infos.get(choice.info).name, short(&choice.value, 20))
        };
        let shown: Vec<String> = (0..trace.choices.len().min(8)).map(|place| choice(&place)).collect();
        let more = if trace.choices.len() > 8 { ", …" } else { "" };
        format!("<trace of {} choices: {}{more}>", trace.choices.len(), shown.join(", "))
    }

    fn property(&self, name: &str) -> Option<Value> {
        let trace = self.0.view.trace(&self.0.state);
        Some(match name {
            "log_prior" => Value::Real(trace.log_prior),
            "log_likelihood" => Value::Real(trace.log_weight),
            "logp_of" => Value::Real(self.0.log_target()),
            _ => return None,
        })
    }

    fn held(&self) -> Vec<Value> {
        let trace = self.0.view.trace(&self.0.state);
        let choices = trace.choices.iter().map(|choice| choice.value.clone());
        choices.chain([self.0.model.clone(), self.value()]).collect()
    }

    fn same(&self, other: &dyn HostObject) -> bool {
        let Some(other) = other.as_any().downcast_ref::<TraceOf<T>>() else { return false };
        let (a, b) = (self.0.view.trace(&self.0.state), other.0.view.trace(&other.0.state));
        (Arc::ptr_eq(&self.0.view, &other.0.view) || same(&self.0.model, &other.0.model))
            && self.0.temperature.to_bits() == other.0.temperature.to_bits()
            && real_bits(a.log_weight) == real_bits(b.log_weight)
            && self.0.view.same_calls(&self.0.state, &other.0.state)
            && a.held == b.held
            && a.choices.len() == b.choices.len()
            && a.choices.iter().zip(&b.choices).all(|(a, b)| a.address == b.address && same(&a.value, &b.value))
    }

    fn content_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for choice in &self.0.view.trace(&self.0.state).choices {
            choice.address.hash(&mut hasher);
            hash_value(&choice.value, &mut hasher);
        }
        hasher.finish()
    }
}
