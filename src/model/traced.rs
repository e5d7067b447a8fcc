//! Models whose choices have addresses: runs as values, changed a few choices at a time.

use super::{Dead, Outcomes, Random};
use crate::value::{Domain, Fault, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// What is known of a choice for the purpose of proposals.
#[derive(Clone, Debug)]
pub struct ChoiceInfo {
    pub address: u64,
    /// The choice's name in words.
    pub name: String,
    /// The user gave it that name.
    pub named: bool,
    /// Its support when it was first met.
    pub support: Arc<Domain>,
    /// Whether its distribution can be drawn from.
    pub can_draw: bool,
}

/// What is known of the choices that a state and those it came from have met. It only grows; a clone shares it until it does.
#[derive(Clone, Debug, Default)]
pub struct Infos {
    inner: Arc<InfoTable>,
}

#[derive(Clone, Debug, Default)]
struct InfoTable {
    all: Vec<ChoiceInfo>,
    known: HashMap<u64, u32>,
}

impl Infos {
    /// All of them, in the order in which they were met.
    pub fn all(&self) -> &[ChoiceInfo] {
        &self.inner.all
    }

    /// The info of this number.
    pub fn get(&self, info: u32) -> &ChoiceInfo {
        &self.inner.all[info as usize]
    }

    /// The number of the info of an address.
    pub fn find(&self, address: u64) -> Option<u32> {
        self.inner.known.get(&address).copied()
    }

    /// Adds an info whose address is not known yet, and gives its number.
    pub fn add(&mut self, info: ChoiceInfo) -> u32 {
        let table = Arc::make_mut(&mut self.inner);
        let number = table.all.len() as u32;
        table.known.insert(info.address, number);
        table.all.push(info);
        number
    }
}

/// One choice of a trace.
#[derive(Clone, Debug)]
pub struct Choice {
    pub address: u64,
    /// Counts in the [`Infos`] of the state.
    pub info: u32,
    pub value: Value,
    /// Its log density given what came before it; 0 for one that is `forward`.
    pub logp: f64,
    /// No weight depends on it: never proposed, drawn anew for output.
    pub forward: bool,
}

/// All choices of one run, in the order in which they were made.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub choices: Vec<Choice>,
    /// The places of the choices that some weight depends on, ascending.
    pub movable: Vec<u32>,
    /// So many of the first choices are held as they are.
    pub held: u32,
    /// How many functions of the host drew something, such as steps of a particle filter that runs within the model.
    pub calls: u32,
    /// The sum of the log weights of observations and factors.
    pub log_weight: f64,
    /// The sum of the log densities of the choices.
    pub log_prior: f64,
}

impl Trace {
    /// How many choices may be moved, where all calls that drew are one.
    pub fn units(&self) -> usize {
        self.movable.len() + usize::from(self.calls > 0)
    }

    /// The unnormalised log density of the run.
    pub fn log_joint(&self) -> f64 {
        self.log_prior + self.log_weight
    }

    /// The place of the choice with this address.
    pub fn find(&self, infos: &Infos, address: u64) -> Option<usize> {
        let info = infos.find(address)?;
        // A model of fixed structure meets its choices in the order in which it makes them.
        match self.choices.get(info as usize) {
            Some(choice) if choice.info == info => Some(info as usize),
            _ => self.choices.iter().position(|choice| choice.info == info),
        }
    }
}

/// As a place to be redrawn: all functions of the host that drew something, as one choice.
pub const CALLS: usize = usize::MAX;

/// What a proposal changes, besides the values that it was asked to set.
#[derive(Clone, Debug, Default)]
pub struct Update {
    /// The log density of all choices that were drawn: asked to be redrawn, new, or without a place in a support that moved.
    pub fresh: f64,
    /// The log density, in the run before, of the choices that the way back would draw: those redrawn and those that vanished.
    pub stale: f64,
    /// The change of the log prior.
    pub log_prior: f64,
    /// The change of the log weight.
    pub log_weight: f64,
    /// How many choices may be moved before and after; all calls that drew count as one.
    pub before: usize,
    pub after: usize,
    /// The places, in the proposed trace, of choices that the run before lacked.
    pub born: Vec<usize>,
    /// The choices of the run before that the proposed one lacks.
    pub gone: Vec<Choice>,
    /// Choices that were drawn anew, unasked, because their support moved: place in the proposed trace, and the choice before.
    pub moved: Vec<(usize, Choice)>,
}

impl Update {
    /// The log of the ratio of joint densities times that of the densities of what was drawn, way back over way there.
    /// With the proposal densities of the values that were set, and the ratio of the probabilities of picking the same
    /// choices (see `before` and `after`), it is the log of the ratio of Metropolis, Hastings and Green.
    pub fn log_ratio(&self) -> f64 {
        self.log_prior + self.log_weight + self.stale - self.fresh
    }
}

/// A model whose choices have addresses.
///
/// A state is a run with all its choices: a value that can be cloned and kept, and that means something only to the view of the model
/// that made it. Infos in it count the choices met so far; an old number stays valid in all states that came from it.
pub trait Traced: Sync {
    type State: Clone + Send + Sync;

    /// A first run, all choices drawn; choices that cannot be drawn start at a random place of their support.
    fn generate(&self, random: &mut dyn Random) -> Result<Result<Self::State, Dead>, Fault> {
        Ok(self.generate_with(&[], random)?.map(|(state, _)| state))
    }

    /// A run in which the choices of these addresses have these values and the others are drawn. Also the log density of the given
    /// ones that were met, each given what came before it: with the log weight of the run, its log importance weight.
    fn generate_with(
        &self,
        given: &[(u64, Value)],
        random: &mut dyn Random,
    ) -> Result<Result<(Self::State, f64), Dead>, Fault>;

    /// The choices of a state, as proposed while a proposal is pending.
    fn trace<'s>(&self, state: &'s Self::State) -> &'s Trace;

    /// What is known of the choices met so far.
    fn infos<'s>(&self, state: &'s Self::State) -> &'s Infos;

    /// Whether the functions of the host that two states called gave the same.
    fn same_calls(&self, _a: &Self::State, _b: &Self::State) -> bool {
        true
    }

    /// What the run returned.
    fn value(&self, state: &Self::State) -> Value;

    /// The choice at a place is about to be moved: what that needs may be fetched from memory meanwhile. Changes nothing.
    fn attend(&self, _state: &Self::State, _place: usize) {}

    /// Tentatively gives the choices at some places other values, and draws those at other places anew from their distributions.
    /// Choices that appear are drawn, ones not reached any more vanish. So are choices drawn whose old value has density zero under what comes
    /// before them now, if the way back would draw them too; else the proposal is dead.
    ///
    /// A function of the host is a choice too, whose density is not known: its result stays while its arguments are the same, and is drawn
    /// anew where they are not, and all of them where [`CALLS`] is a place to redraw. So no density of it enters a ratio.
    ///
    /// Settle it by `accept` or `reject`. When it is dead or faults the state is as it was, and nothing is pending.
    fn propose(
        &self,
        state: &mut Self::State,
        values: &[(usize, Value)],
        redraw: &[usize],
        random: &mut dyn Random,
    ) -> Result<Result<Update, Dead>, Fault> {
        self.propose_with(state, values, redraw, &[], random)
    }

    /// As [`Traced::propose`], with values by name for choices that appear, which then are not drawn: their density counts in the log
    /// prior of the update, and not in `fresh`.
    fn propose_with(
        &self,
        state: &mut Self::State,
        values: &[(usize, Value)],
        redraw: &[usize],
        born: &[(String, Value)],
        random: &mut dyn Random,
    ) -> Result<Result<Update, Dead>, Fault>;

    /// Keeps what was proposed. Does nothing when nothing is pending.
    fn accept(&self, state: &mut Self::State);

    /// Goes back to what was before the proposal, to the bit. Does nothing when nothing is pending.
    fn reject(&self, state: &mut Self::State);

    /// A draw of the choice at a place from its distribution given the choices before it, and its log density; none where the
    /// distribution cannot be drawn from.
    fn draw_choice(
        &self,
        state: &Self::State,
        place: usize,
        random: &mut dyn Random,
    ) -> Result<Option<(Value, f64)>, Fault>;

    /// The log densities of the choice at a place, were these its values, given the choices before it. Nothing after it counts:
    /// for that, propose each.
    fn choice_logps(&self, state: &Self::State, place: usize, values: &[Value]) -> Result<Vec<f64>, Fault>;

    /// The values of the choice at a place with their log densities given the choices before it, if they are finitely many (or
    /// countably many, up to a negligible rest).
    fn outcomes(&self, state: &Self::State, place: usize) -> Result<Option<Outcomes>, Fault>;

    /// The distribution of the choice at a place given the choices before it, as a value: its name and arguments.
    fn distribution(&self, state: &Self::State, place: usize) -> Result<Value, Fault>;

    /// The support of the choice at a place given the choices before it.
    fn support(&self, state: &Self::State, place: usize) -> Result<Arc<Domain>, Fault>;

    /// The value of a continuous domain at unconstrained coordinates, and the log Jacobian there.
    fn constrain(&self, domain: &Domain, x: &[f64]) -> Result<(Value, f64), Fault>;

    /// Adds the unconstrained coordinates of a value of a domain to `out`; says no where the domain is not continuous or the value is
    /// not inside it.
    fn unconstrain(&self, domain: &Domain, value: &Value, out: &mut Vec<f64>) -> bool;

    /// Draws the forward-only choices anew, all else as it is. The state is as it was when the run dies.
    fn predict(&self, state: &mut Self::State, random: &mut dyn Random) -> Result<Result<(), Dead>, Fault>;

    /// Holds all choices of a state as they are: gives the view, of the same model, in which they are not moved any more. A proposal
    /// that is pending is rejected.
    fn hold(&self, state: &mut Self::State) -> Self
    where
        Self: Sized;

    /// The name in words of a site that weighs.
    fn site_name(&self, site: u32) -> String;
}
