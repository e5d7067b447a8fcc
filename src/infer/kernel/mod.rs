//! Kernels: moves that leave the posterior of a model as it is, as values of the language.
//!
//! A kernel is an immutable tree. [`Moves`] is that tree with what its parts learn and count while they are applied to a [`Walker`],
//! a state of a model together with the exponent of its weight. One file holds one kernel.

mod combine;
mod elliptical;
pub mod exact;
mod gibbs;
mod hamiltonian;
mod independence;
mod involution;
mod jacobian;
mod prior;
mod program;
mod proposal;
mod random_walk;
mod single_site;
mod sites;
mod slice;

use super::Row;
use super::course::{Rates, add_rate};
use crate::model::{Dead, Functions, Random, Shape, Traced, Update};
use crate::value::hash::{hash_value, same};
use crate::value::{Fault, HostObject, Value, short};
use hamiltonian::{Path, Tuned};
use sites::Sites;
use std::any::Any;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

pub use sites::Names;

/// The declarations of all kernels, one file after the other.
pub(super) const ROWS: [&[Row]; 12] = [
    single_site::ROWS,
    random_walk::ROWS,
    prior::ROWS,
    gibbs::ROWS,
    slice::ROWS,
    elliptical::ROWS,
    hamiltonian::ROWS,
    independence::ROWS,
    proposal::ROWS,
    involution::ROWS,
    program::ROWS,
    combine::ROWS,
];

/// Most parts of a kernel, each counted where it stands.
const MOST_PARTS: usize = 1000;

/// A move, or a combination of moves.
#[derive(Clone)]
pub struct Kernel {
    tree: Arc<Tree>,
    parts: usize,
}

enum Tree {
    Move(Move),
    On(Names, Kernel),
    Cycle(Vec<Kernel>),
    Choose(Vec<(f64, Kernel)>),
    Repeat(Kernel, usize),
}

/// A move that is not a combination.
#[derive(Clone, Debug)]
enum Move {
    SingleSite,
    /// The standard deviation of the steps; adapted when none.
    RandomWalk(Option<f64>),
    /// One choice, drawn anew.
    Redraw,
    /// All choices of these names, drawn anew together.
    Prior(Names),
    Gibbs,
    Slice,
    /// One choice; or all choices of these names together.
    Elliptical(Option<Names>),
    Independence(Value),
    Proposal(Value),
    Involution(Value, Value),
    Program(Value),
    /// All continuous choices together.
    Hamiltonian(Path),
}

impl Move {
    /// Whether it moves one of the choices that it may move, which it picks.
    fn picks(&self) -> bool {
        matches!(
            self,
            Move::SingleSite
                | Move::RandomWalk(_)
                | Move::Redraw
                | Move::Gibbs
                | Move::Slice
                | Move::Elliptical(None)
                | Move::Independence(_)
        )
    }

    /// Whether `on` can say what it moves.
    fn restricts(&self) -> bool {
        self.picks() || matches!(self, Move::Hamiltonian(_))
    }

    /// The function values and distributions that it holds.
    fn values(&self) -> Vec<&Value> {
        match self {
            Move::Independence(v) | Move::Proposal(v) | Move::Program(v) => vec![v],
            Move::Involution(draw, transform) => vec![draw, transform],
            _ => Vec::new(),
        }
    }

    /// A number for each kind.
    fn tag(&self) -> u8 {
        match self {
            Move::SingleSite => 0,
            Move::RandomWalk(_) => 1,
            Move::Redraw => 2,
            Move::Prior(_) => 3,
            Move::Gibbs => 4,
            Move::Slice => 5,
            Move::Elliptical(_) => 6,
            Move::Independence(_) => 7,
            Move::Proposal(_) => 8,
            Move::Involution(..) => 9,
            Move::Program(_) => 10,
            Move::Hamiltonian(_) => 11,
        }
    }

    fn same(&self, other: &Move) -> bool {
        let parameters = match (self, other) {
            (Move::RandomWalk(a), Move::RandomWalk(b)) => a.map(f64::to_bits) == b.map(f64::to_bits),
            (Move::Prior(a), Move::Prior(b)) => a == b,
            (Move::Elliptical(a), Move::Elliptical(b)) => a == b,
            (Move::Hamiltonian(a), Move::Hamiltonian(b)) => a == b,
            _ => self.tag() == other.tag(),
        };
        parameters && self.values().iter().zip(other.values()).all(|(a, b)| same(a, b))
    }
}

impl fmt::Display for Move {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Move::SingleSite => write!(f, "single_site()"),
            Move::RandomWalk(None) => write!(f, "random_walk()"),
            Move::RandomWalk(Some(scale)) => write!(f, "random_walk({scale})"),
            Move::Redraw => write!(f, "prior()"),
            Move::Prior(names) => write!(f, "prior({names})"),
            Move::Gibbs => write!(f, "gibbs()"),
            Move::Slice => write!(f, "slice()"),
            Move::Elliptical(None) => write!(f, "elliptical()"),
            Move::Elliptical(Some(names)) => write!(f, "elliptical({names})"),
            Move::Independence(dist) => write!(f, "independence({})", short(dist, 40)),
            Move::Proposal(_) => write!(f, "proposal(…)"),
            Move::Involution(..) => write!(f, "involution(…)"),
            Move::Program(_) => write!(f, "kernel(…)"),
            Move::Hamiltonian(path) => write!(f, "{path}"),
        }
    }
}

impl Kernel {
    fn of(tree: Tree) -> Result<Kernel, Fault> {
        let parts = 1 + match &tree {
            Tree::Move(_) => 0,
            Tree::On(_, kernel) | Tree::Repeat(kernel, _) => kernel.parts,
            Tree::Cycle(kernels) => kernels.iter().map(|kernel| kernel.parts).sum(),
            Tree::Choose(kernels) => kernels.iter().map(|(_, kernel)| kernel.parts).sum(),
        };
        if parts > MOST_PARTS {
            return Err(Fault::limit(format!("a kernel has at most {MOST_PARTS} parts")));
        }
        Ok(Kernel { tree: Arc::new(tree), parts })
    }

    fn simple(kind: Move) -> Kernel {
        Kernel { tree: Arc::new(Tree::Move(kind)), parts: 1 }
    }

    /// The move of a single site, from its prior or by a drift.
    pub fn single_site() -> Kernel {
        Kernel::simple(Move::SingleSite)
    }

    /// As [`Kernel::single_site`], by normal steps of this standard deviation, or of one that is adapted.
    pub fn random_walk(scale: Option<f64>) -> Kernel {
        Kernel::simple(Move::RandomWalk(scale))
    }

    /// One choice is drawn anew; or all choices of these names are.
    pub fn prior(names: Option<Names>) -> Kernel {
        Kernel::simple(names.map_or(Move::Redraw, Move::Prior))
    }

    /// One choice is drawn from its distribution given all others, where it has finitely many values.
    pub fn gibbs() -> Kernel {
        Kernel::simple(Move::Gibbs)
    }

    /// Slice sampling of one number.
    pub fn slice() -> Kernel {
        Kernel::simple(Move::Slice)
    }

    /// Elliptical slice sampling of one choice; or of all choices of these names together.
    pub fn elliptical(names: Option<Names>) -> Kernel {
        Kernel::simple(Move::Elliptical(names))
    }

    /// One choice is proposed from a distribution.
    pub fn independence(names: Names, dist: Value) -> Result<Kernel, Fault> {
        Kernel::simple(Move::Independence(dist)).on(names)
    }

    /// All continuous choices along leapfrog steps of this size, or of one that is adapted; as many steps, or until the trajectory
    /// turns back.
    pub fn hamiltonian(step: Option<f64>, steps: Option<u32>) -> Kernel {
        Kernel::simple(Move::Hamiltonian(Path { step, steps }))
    }

    /// A proposal that a program makes.
    pub fn proposal(program: Value) -> Kernel {
        Kernel::simple(Move::Proposal(program))
    }

    /// A deterministic map that is its own inverse, of a trace and of choices that a program draws.
    pub fn involution(draw: Value, transform: Value) -> Kernel {
        Kernel::simple(Move::Involution(draw, transform))
    }

    /// A function from traces to traces.
    pub fn program(function: Value) -> Kernel {
        Kernel::simple(Move::Program(function))
    }

    /// The same moves, of the choices of these names only.
    ///
    /// # Errors
    /// When a move says itself which choices it moves.
    pub fn on(self, names: Names) -> Result<Kernel, Fault> {
        if let Some(kind) = self.moves().into_iter().find(|kind| !kind.restricts()) {
            return Err(Fault::error(format!("`on` cannot restrict `{kind}`, which says itself what it moves")).hint(
                "`on` is for kernels that pick one choice, single_site, random_walk, gibbs, slice, elliptical, and for \
                     hmc_kernel and nuts_kernel",
            ));
        }
        Kernel::of(Tree::On(names, self))
    }

    /// One after the other.
    pub fn cycle(kernels: Vec<Kernel>) -> Result<Kernel, Fault> {
        if kernels.is_empty() {
            return Err(Fault::error("`cycle` needs at least one kernel"));
        }
        Kernel::of(Tree::Cycle(kernels))
    }

    /// One of several, in proportion to their weights.
    pub fn choose(kernels: Vec<(f64, Kernel)>) -> Result<Kernel, Fault> {
        let total: f64 = kernels.iter().map(|(weight, _)| weight).sum();
        if kernels.iter().any(|(weight, _)| weight.is_nan() || *weight < 0.0) || !(total > 0.0 && total.is_finite()) {
            return Err(Fault::error("the weights of `choose` are not negative, finite, and not all zero"));
        }
        Kernel::of(Tree::Choose(kernels))
    }

    /// Several times in a row.
    pub fn repeat(self, times: usize) -> Result<Kernel, Fault> {
        Kernel::of(Tree::Repeat(self, times))
    }

    /// The kernels of which it is directly composed, each as restricted as it is there; none for a single move.
    pub fn components(&self) -> Vec<Kernel> {
        match &*self.tree {
            Tree::Move(_) => Vec::new(),
            Tree::Repeat(kernel, _) => vec![kernel.clone()],
            Tree::Cycle(kernels) => kernels.clone(),
            Tree::Choose(kernels) => kernels.iter().map(|(_, kernel)| kernel.clone()).collect(),
            Tree::On(names, kernel) => {
                kernel.components().into_iter().filter_map(|part| part.on(names.clone()).ok()).collect()
            }
        }
    }

    /// Its moves, each where it stands.
    fn moves(&self) -> Vec<&Move> {
        match &*self.tree {
            Tree::Move(kind) => vec![kind],
            Tree::On(_, kernel) | Tree::Repeat(kernel, _) => kernel.moves(),
            Tree::Cycle(kernels) => kernels.iter().flat_map(Kernel::moves).collect(),
            Tree::Choose(kernels) => kernels.iter().flat_map(|(_, kernel)| kernel.moves()).collect(),
        }
    }

    fn equals(&self, other: &Kernel) -> bool {
        match (&*self.tree, &*other.tree) {
            (Tree::Move(a), Tree::Move(b)) => a.same(b),
            (Tree::On(n, a), Tree::On(m, b)) => n == m && a.equals(b),
            (Tree::Cycle(a), Tree::Cycle(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.equals(b)),
            (Tree::Choose(a), Tree::Choose(b)) => {
                let alike = |a: &(f64, Kernel), b: &(f64, Kernel)| a.0.to_bits() == b.0.to_bits() && a.1.equals(&b.1);
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
            }
            (Tree::Repeat(a, n), Tree::Repeat(b, m)) => n == m && a.equals(b),
            _ => false,
        }
    }

    fn hash_into(&self, hasher: &mut DefaultHasher) {
        self.parts.hash(hasher);
        for kind in self.moves() {
            kind.tag().hash(hasher);
            kind.values().iter().for_each(|value| hash_value(value, hasher));
        }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, texts: Vec<String>| write!(f, "[{}]", texts.join(", "));
        match &*self.tree {
            Tree::Move(kind) => write!(f, "{kind}"),
            Tree::On(names, kernel) => write!(f, "on({names}, {kernel})"),
            Tree::Repeat(kernel, times) => write!(f, "repeat({kernel}, {times})"),
            Tree::Cycle(kernels) => {
                f.write_str("cycle(")?;
                list(f, kernels.iter().map(Kernel::to_string).collect())?;
                f.write_str(")")
            }
            Tree::Choose(kernels) => {
                f.write_str("choose(")?;
                list(f, kernels.iter().map(|(weight, kernel)| format!("({weight}, {kernel})")).collect())?;
                f.write_str(")")
            }
        }
    }
}

impl fmt::Debug for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl HostObject for Kernel {
    fn type_name(&self) -> &'static str {
        "Kernel"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn display(&self) -> String {
        self.to_string()
    }

    fn property(&self, _name: &str) -> Option<Value> {
        None
    }

    fn held(&self) -> Vec<Value> {
        self.moves().into_iter().flat_map(Move::values).cloned().collect()
    }

    fn same(&self, other: &dyn HostObject) -> bool {
        other.as_any().downcast_ref::<Kernel>().is_some_and(|other| self.equals(other))
    }

    fn content_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.hash_into(&mut hasher);
        hasher.finish()
    }
}

/// A state of a model on the way through its posterior, or through a tempered one.
pub struct Walker<T: Traced> {
    pub view: Arc<T>,
    pub state: T::State,
    /// The exponent of the weight: the target is the prior times the weight to this power.
    pub temperature: f64,
    /// The function of the language that the model is; `()` where there is none. Traces of it are exchangeable.
    pub model: Value,
    /// Proposals accepted and made on the way, where somebody counts them.
    pub rates: Rates,
}

impl<T: Traced> Clone for Walker<T> {
    fn clone(&self) -> Walker<T> {
        Walker {
            view: Arc::clone(&self.view),
            state: self.state.clone(),
            temperature: self.temperature,
            model: self.model.clone(),
            rates: self.rates.clone(),
        }
    }
}

impl<T: Traced> Walker<T> {
    /// A walker at a state, on the posterior itself.
    pub fn new(view: Arc<T>, state: T::State, model: Value) -> Walker<T> {
        Walker { view, state, temperature: 1.0, model, rates: Rates::new() }
    }

    /// The log density of the target at the state.
    pub fn log_target(&self) -> f64 {
        let trace = self.view.trace(&self.state);
        trace.log_prior + self.tempered(trace.log_weight)
    }

    /// The change of the log density of the target.
    fn change(&self, update: &Update) -> f64 {
        update.log_prior + self.tempered(update.log_weight)
    }

    /// As [`Update::log_ratio`], of the target.
    pub(super) fn log_ratio(&self, update: &Update) -> f64 {
        mutant!("the weight counts twice", update.log_weight, 0.0) + self.change(update) + update.stale
            - mutant!("new choices count as kept", 0.0, update.fresh)
    }

    fn tempered(&self, log_weight: f64) -> f64 {
        if self.temperature == 1.0 { log_weight } else { self.temperature * log_weight }
    }
}

/// What went wrong in the proposals of a kernel, and counts as a rejection.
#[derive(Clone, Debug, Default)]
pub struct Trouble {
    pub domain_faults: u64,
    /// Trajectories that left the flow they should follow.
    pub divergences: u64,
    pub example: Option<Box<Fault>>,
}

impl Trouble {
    /// Notes why a run has weight zero.
    pub fn note(&mut self, dead: Dead) {
        if let Dead::Domain(fault) = dead {
            self.domain_faults += 1;
            self.example.get_or_insert(fault);
        }
    }
}

/// The shape of a kernel, its moves numbered.
#[derive(Clone, Debug)]
enum Plan {
    Move(usize),
    Cycle(Vec<Plan>),
    Choose(Vec<f64>, Vec<Plan>),
    Repeat(Box<Plan>, usize),
}

/// A move with what it learns and counts.
#[derive(Clone, Debug)]
struct Part {
    kind: Move,
    sites: Sites,
    tuned: Tuned,
}

/// A kernel being applied: its moves with what they learn and count. It belongs to one walker, because what it learns goes by the
/// choices of that walker's state.
#[derive(Clone, Debug)]
pub struct Moves {
    plan: Plan,
    parts: Vec<Part>,
    /// Moves may learn. They leave the posterior as it is only while this is off.
    pub adapting: bool,
    pub trouble: Trouble,
    /// Moves made and moves accepted.
    pub made: u64,
    pub accepted: u64,
}

impl Moves {
    /// A kernel that has learnt nothing yet, checked against the model whose functions these are.
    ///
    /// # Errors
    /// When it is written for a model of another type.
    pub fn new(kernel: &Kernel, functions: &dyn Functions) -> Result<Moves, Fault> {
        let mut parts = Vec::new();
        let plan = plan(kernel, &mut Vec::new(), &mut parts);
        for part in &parts {
            match &part.kind {
                Move::Proposal(program) => functions.check(program, &[Shape::Value], false)?,
                Move::Involution(draw, transform) => {
                    functions.check(draw, &[Shape::Value], false)?;
                    functions.check(transform, &[Shape::Value, Shape::ResultOf(draw)], false)?;
                }
                Move::Program(function) => functions.check(function, &[Shape::Trace], true)?,
                _ => {}
            }
        }
        Ok(Moves { plan, parts, adapting: false, trouble: Trouble::default(), made: 0, accepted: 0 })
    }

    /// Applies the kernel once.
    pub fn apply<T: Traced + Send + 'static>(
        &mut self,
        walker: &mut Walker<T>,
        functions: &dyn Functions,
        random: &mut dyn Random,
    ) -> Result<(), Fault> {
        let Moves { plan, parts, adapting, trouble, made, accepted } = self;
        let mut run = Run { parts, adapting: *adapting, trouble, made, accepted };
        run.apply(plan, walker, functions, random)
    }

    /// How often its moves learnt something.
    pub fn lessons(&self) -> u64 {
        self.parts.iter().map(|part| part.sites.lessons).sum()
    }

    /// How often to apply the kernel so that each number of the state is moved about once.
    pub fn sweep<T: Traced>(&mut self, walker: &Walker<T>) -> usize {
        sweep(&self.plan, &mut self.parts, walker)
    }

    /// Acceptance rates: accepted and proposed, by choice, with the name of the move in front where there are several.
    pub fn acceptance<T: Traced>(&self, walker: &Walker<T>) -> Rates {
        let mut rates = Rates::new();
        let infos = walker.view.infos(&walker.state);
        for part in &self.parts {
            part.sites.rates(infos, &mut |site, accepted, proposed| match site {
                Some(site) if self.parts.len() == 1 => add_rate(&mut rates, site, accepted, proposed),
                Some(site) => add_rate(&mut rates, &format!("{}: {site}", part.kind), accepted, proposed),
                None => add_rate(&mut rates, &part.kind.to_string(), accepted, proposed),
            });
        }
        rates
    }
}

/// Numbers the moves of a kernel and restricts them.
fn plan(kernel: &Kernel, filters: &mut Vec<Names>, parts: &mut Vec<Part>) -> Plan {
    match &*kernel.tree {
        Tree::Move(kind) => {
            let sites = Sites::new(filters.clone());
            let sites = if matches!(kind, Move::SingleSite) { sites.with_calls() } else { sites };
            parts.push(Part { kind: kind.clone(), sites, tuned: Tuned::default() });
            Plan::Move(parts.len() - 1)
        }
        Tree::On(names, kernel) => {
            filters.push(names.clone());
            let plan = plan(kernel, filters, parts);
            filters.pop();
            plan
        }
        Tree::Cycle(kernels) => Plan::Cycle(kernels.iter().map(|kernel| plan(kernel, filters, parts)).collect()),
        Tree::Choose(kernels) => {
            let weights = kernels.iter().map(|(weight, _)| *weight).collect();
            Plan::Choose(weights, kernels.iter().map(|(_, kernel)| plan(kernel, filters, parts)).collect())
        }
        Tree::Repeat(kernel, times) => Plan::Repeat(Box::new(plan(kernel, filters, parts)), *times),
    }
}

fn sweep<T: Traced>(plan: &Plan, parts: &mut [Part], walker: &Walker<T>) -> usize {
    match plan {
        Plan::Move(k) => {
            let part = &mut parts[*k];
            if part.kind.picks() { part.sites.components(walker) } else { 1 }
        }
        Plan::Cycle(plans) | Plan::Choose(_, plans) => {
            plans.iter().map(|plan| sweep(plan, parts, walker)).max().unwrap_or(1)
        }
        Plan::Repeat(plan, times) => sweep(plan, parts, walker).div_ceil(*times),
    }
}

/// An application in progress.
struct Run<'a> {
    parts: &'a mut Vec<Part>,
    adapting: bool,
    trouble: &'a mut Trouble,
    made: &'a mut u64,
    accepted: &'a mut u64,
}

impl Run<'_> {
    fn apply<T: Traced + Send + 'static>(
        &mut self,
        plan: &Plan,
        walker: &mut Walker<T>,
        functions: &dyn Functions,
        random: &mut dyn Random,
    ) -> Result<(), Fault> {
        match plan {
            Plan::Move(k) => {
                let Part { kind, sites, tuned } = &mut self.parts[*k];
                let trouble = &mut *self.trouble;
                let mut step = Step { walker, sites, tuned, adapting: self.adapting, trouble, functions, random };
                let accepted = match kind {
                    Move::SingleSite => single_site::step(&mut step)?,
                    Move::RandomWalk(scale) => random_walk::step(&mut step, *scale)?,
                    Move::Redraw => prior::step(&mut step)?,
                    Move::Prior(names) => prior::block(&mut step, names)?,
                    Move::Gibbs => gibbs::step(&mut step)?,
                    Move::Slice => slice::step(&mut step)?,
                    Move::Elliptical(None) => elliptical::step(&mut step)?,
                    Move::Elliptical(Some(names)) => elliptical::block(&mut step, names)?,
                    Move::Independence(dist) => independence::step(&mut step, dist)?,
                    Move::Proposal(program) => proposal::step(&mut step, program)?,
                    Move::Involution(draw, transform) => involution::step(&mut step, draw, transform)?,
                    Move::Program(function) => program::step(&mut step, function)?,
                    Move::Hamiltonian(path) => hamiltonian::step(&mut step, *path)?,
                };
                *self.made += 1;
                *self.accepted += u64::from(accepted);
                Ok(())
            }
            Plan::Cycle(plans) => plans.iter().try_for_each(|plan| self.apply(plan, walker, functions, random)),
            Plan::Choose(weights, plans) => {
                let k = random.choose(weights);
                self.apply(&plans[k], walker, functions, random)
            }
            Plan::Repeat(plan, times) => (0..*times).try_for_each(|_| self.apply(plan, walker, functions, random)),
        }
    }
}

/// What a move has at hand.
struct Step<'a, T: Traced> {
    walker: &'a mut Walker<T>,
    sites: &'a mut Sites,
    tuned: &'a mut Tuned,
    adapting: bool,
    trouble: &'a mut Trouble,
    functions: &'a dyn Functions,
    random: &'a mut dyn Random,
}

impl<T: Traced> Step<'_, T> {
    /// A place among those that may be moved, uniformly, and how many those are.
    fn pick(&mut self) -> Option<(usize, usize)> {
        self.sites.pick(self.walker, self.random)
    }

    /// Nothing may be moved: where no weight depends on any choice, the state is an independent draw already once it is predicted.
    fn nothing(&mut self) -> Result<bool, Fault> {
        let trace = self.walker.view.trace(&self.walker.state);
        if !trace.movable.is_empty() || trace.held > 0 {
            return Ok(false);
        }
        let _ = self.walker.view.predict(&mut self.walker.state, self.random)?;
        Ok(true)
    }

    /// The log of the ratio of the probabilities of picking the same choice before and after a proposal that is pending.
    fn picks(&mut self, update: &Update, before: usize) -> f64 {
        if update.born.is_empty() && update.gone.is_empty() && update.before == update.after {
            return 0.0;
        }
        let after = self.sites.count(self.walker);
        mutant!("missing ratio of trace lengths", 0.0, (before as f64).ln() - (after as f64).ln())
    }

    /// Accepts or rejects what is pending; gives the probability of accepting and what happened.
    fn decide(&mut self, log_alpha: f64) -> (f64, bool) {
        let log_alpha = mutant!("acceptance ratio forgotten", 0.0, log_alpha);
        let acceptance = if log_alpha >= 0.0 { 1.0 } else { log_alpha.exp() };
        let accepted = self.random.flip(acceptance);
        if accepted {
            self.walker.view.accept(&mut self.walker.state);
        } else {
            mutant!(
                "state not restored after a rejected move",
                self.walker.view.accept(&mut self.walker.state),
                self.walker.view.reject(&mut self.walker.state)
            );
        }
        (acceptance, accepted)
    }

    /// Counts a proposal for the move as a whole.
    fn count(&mut self, accepted: bool) -> bool {
        self.sites.count_whole(accepted);
        accepted
    }
}

/// Applies a kernel to a walker once, with nothing learnt before.
///
/// # Errors
/// When the kernel is written for a model of another type, or what it runs faults.
pub fn apply<T: Traced + Send + 'static>(
    kernel: &Kernel,
    walker: &mut Walker<T>,
    functions: &dyn Functions,
    random: &mut dyn Random,
) -> Result<(), Fault> {
    Moves::new(kernel, functions)?.apply(walker, functions, random)
}
