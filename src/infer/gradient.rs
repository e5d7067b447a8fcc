//! Chains of gradient samplers: Hamiltonian Monte Carlo with fixed and with adaptive trajectories, and Langevin steps.
//!
//! A chain starts at a random point of finite density, warms up while step size and metric adapt, and then keeps what it draws. The state
//! of a chain is apart from what a transition tells about it.

use super::enumerate::named_record;
use super::importance::{names_of, note_interrupt};
use super::kit::hamiltonian::Point;
use super::kit::metric::Metric;
use super::kit::start::best_start;
use super::kit::step_size::{DualAveraging, first_guess};
use super::kit::trajectory::{Trajectory, Transition};
use super::kit::warmup::{Shape, Warmup};
use super::normal_fit::starts;
use super::{Contract, Row};
use crate::model::density::Density;
use crate::model::{Production, Random};
use crate::posterior::convergence::e_bfmi;
use crate::posterior::{Chain, Info, Posterior, Warning};
use crate::value::fault::FaultKind;
use crate::value::interrupt::{interrupted, stop_if_interrupted};
use crate::value::{Fault, Value};
use rayon::prelude::*;

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn nuts(model: () ~> a, draws: Int = 1000, warmup: Int = -1, chains: Int = 4, target: Real = 0.8, max_depth: Int = 10, metric: String = \"diagonal\", init: String = \"random\") ~> Posterior<a>",
        doc: "The No-U-Turn sampler: Hamiltonian trajectories of a length that adapts to the posterior. For models whose choices are \
              continuous, or finite and summed out. The step size aims at the acceptance rate `target`; a `metric` is `diagonal`, `low_rank` or `dense`. \
              Chains start at random, or, with `init = \"pathfinder\"`, at draws of that method; so does a chain again that is caught where steps must be tiny. The default of `warmup` is 320, and up to three times 600 \
              more for a chain that then still diverges or lies far below the others. \
              Hoffman and Gelman 2014; Betancourt 2017.\n\
              example: abs(mean(nuts(() => sample(Normal(3, 0.1)), draws = 500, chains = 2)) - 3) < 0.1",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn hmc(model: () ~> a, draws: Int = 1000, warmup: Int = -1, chains: Int = 4, time: Real = 1.5, target: Real = 0.8, metric: String = \"diagonal\", init: String = \"random\") ~> Posterior<a>",
        doc: "Hamiltonian Monte Carlo with trajectories of a mean duration `time`, in units of the metric. Durations vary at random, so that \
              no period of the posterior is met. Duane, Kennedy, Pendleton and Roweth 1987; Neal 2011.\n\
              example: abs(mean(hmc(() => sample(Normal(3, 0.1)), draws = 500, chains = 2)) - 3) < 0.1",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn mala(model: () ~> a, draws: Int = 1000, warmup: Int = -1, chains: Int = 4, target: Real = 0.57, metric: String = \"diagonal\", init: String = \"random\") ~> Posterior<a>",
        doc: "The Metropolis-adjusted Langevin algorithm: one step along the gradient with noise at a time. \
              Roberts and Tweedie 1996; Roberts and Rosenthal 1998 for the acceptance rate.\n\
              example: abs(mean(mala(() => sample(Normal(3, 0.1)), draws = 2000, chains = 2)) - 3) < 0.1",
        contract: Contract::Invariant,
    },
];

/// How a transition moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Moves {
    /// Trajectories doubled at most so often.
    NoUTurn { depth: usize },
    /// Trajectories of this mean duration.
    Fixed { time: f64 },
    /// Single steps.
    Langevin,
}

/// Where chains start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// At random points of finite density.
    Random,
    /// At draws of Pathfinder's approximation, weighted by importance.
    Pathfinder,
}

/// How chains are run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub moves: Moves,
    pub draws: usize,
    pub warmup: usize,
    /// A chain that diverges or lies far below the others after its warm-up warms up further.
    pub settle: bool,
    pub chains: usize,
    /// The acceptance rate at which the step size aims.
    pub target: f64,
    pub shape: Shape,
    pub init: Init,
    /// Keep every named choice.
    pub all: bool,
}

/// A chain in progress.
pub struct Sampler<D: Density> {
    evaluator: D::Evaluator,
    pub point: Point,
    pub metric: Metric,
    pub step: f64,
    trajectory: Trajectory,
    moves: Moves,
    /// Gradients evaluated so far.
    pub gradients: u64,
    /// The mean log density of the later half of the warm-up.
    level: f64,
    /// Divergences in the later half of the warm-up.
    trouble: usize,
}

/// Transitions of a further warm-up, and how often there is one at most.
const FURTHER: (usize, usize) = (600, 3);
/// A chain that early in its warm-up goes to the end of its trajectories in so many of so many transitions, when these may be so long, is caught
/// where steps must be tiny, and its warm-up would take long and lead nowhere.
const CAUGHT: (usize, usize, usize) = (6, 10, 8);
/// A chain whose later half of the warm-up has more than this share of divergences is not settled.
const TROUBLED: f64 = 0.02;

impl<D: Density> Sampler<D> {
    /// A chain at a point, or at a random one of finite density.
    pub fn start(
        density: &D,
        moves: Moves,
        from: Option<Vec<f64>>,
        random: &mut dyn Random,
    ) -> Result<Sampler<D>, Fault> {
        let dim = density.dim();
        let mut evaluator = density.evaluator();
        let given = from.and_then(|x| {
            let mut point = Point { x, ..Point::new(dim) };
            point.evaluate(&mut evaluator).then_some((point, 1))
        });
        let (point, gradients) = match given {
            Some(given) => given,
            None => best_start(density, &mut evaluator, random)?,
        };
        let depth = if let Moves::NoUTurn { depth } = moves { depth } else { 0 };
        let trajectory = Trajectory::new(dim, depth);
        Ok(Sampler {
            evaluator,
            point,
            metric: Metric::unit(dim),
            step: 0.1,
            trajectory,
            moves,
            gradients,
            level: f64::NAN,
            trouble: 0,
        })
    }

    /// One transition with the present step size and metric.
    pub fn transition(&mut self, random: &mut dyn Random) -> Result<Transition, Fault> {
        let Sampler { evaluator, point, metric, step, trajectory, moves, .. } = self;
        let transition = match *moves {
            Moves::NoUTurn { .. } => trajectory.no_u_turn(point, *step, metric, evaluator, random)?,
            Moves::Langevin => trajectory.fixed(point, *step, 1, metric, evaluator, random)?,
            Moves::Fixed { time } => {
                // Between half of it and one and a half times the duration.
                let share = 0.5 + random.uniform(&[]);
                let steps = (time * share / *step).round().clamp(1.0, 1e4) as u32;
                trajectory.fixed(point, *step, steps, metric, evaluator, random)?
            }
        };
        self.gradients += u64::from(transition.steps);
        Ok(transition)
    }

    /// Adapts step size and metric for this many transitions.
    pub fn warm_up(&mut self, options: &Options, random: &mut dyn Random) -> Result<(), Fault> {
        self.adapt(options, false, random).map(|_| ())
    }

    /// The same, but a watchful warm-up ends where the chain is caught; false then.
    fn adapt(&mut self, options: &Options, watchful: bool, random: &mut dyn Random) -> Result<bool, Fault> {
        let dim = self.point.x.len();
        self.metric = Warmup::first_metric(&self.point.gradient);
        let (step, spent) = first_guess(&self.point, self.step, &self.metric, &mut self.evaluator, random)?;
        self.step = step;
        self.gradients += spent;
        let mut search = DualAveraging::new(self.step, options.target);
        let mut warmup = Warmup::new(dim, options.warmup, options.shape);
        let (mut sum, later) = (0.0, options.warmup / 2);
        self.trouble = 0;
        let (many, window, long) = CAUGHT;
        let most = if let Moves::NoUTurn { depth } = options.moves { depth } else { 0 };
        let mut deepest = 0;
        for round in 0..options.warmup {
            stop_if_interrupted()?;
            self.step = search.current();
            let transition = self.transition(random)?;
            search.learn(transition.acceptance);
            deepest = if round % window == 0 { 0 } else { deepest };
            deepest += usize::from(most >= long && transition.depth as usize >= most);
            if watchful && deepest >= many && warmup.is_early() {
                return Ok(false);
            }
            if round >= later {
                sum += self.point.log_density;
                self.trouble += usize::from(transition.divergent);
            }
            let advice = warmup.learn(&self.point.x, &self.point.gradient, !transition.divergent);
            if let Some(metric) = advice.metric {
                self.metric = metric;
            }
            if advice.restart {
                let step = search.current();
                if let Ok((step, spent)) = first_guess(&self.point, step, &self.metric, &mut self.evaluator, random) {
                    self.gradients += spent;
                    search.restart(step);
                }
            }
        }
        if options.warmup > 0 {
            self.step = search.average();
            self.level = sum / (options.warmup - later) as f64;
        }
        Ok(true)
    }

    /// Whether a chain has diverged often, or lies below the highest chain by more than log densities of a normal distribution vary: it may be
    /// caught where there is next to no mass.
    fn unsettled(&self, highest: f64, warmup: usize) -> bool {
        let spread = (0.5 * self.point.x.len() as f64).sqrt();
        self.trouble as f64 > TROUBLED * (warmup - warmup / 2) as f64 || self.level < highest - 5.0 - 3.0 * spread
    }
}

/// A chain that is warm, with its stream.
struct Begun<D: Density> {
    sampler: Sampler<D>,
    random: Production,
    seconds: f64,
    further: u64,
}

/// What a chain gave.
struct Ran {
    chain: Chain,
    /// Spent on warm-up and on draws.
    seconds: (f64, f64),
    /// How often it warmed up further.
    further: u64,
    divergences: usize,
    deepest: usize,
    gradients: u64,
    step: f64,
}

/// What has been finished, and the interrupt that ended others.
fn finished<T>(results: Vec<Result<T, Fault>>) -> Result<(Vec<T>, Option<Fault>), Fault> {
    let (mut done, mut interrupt) = (Vec::new(), None);
    for result in results {
        match result {
            Err(fault) if fault.kind == FaultKind::Interrupted => interrupt = Some(fault),
            result => done.push(result?),
        }
    }
    Ok((done, interrupt))
}

/// Tells the time in seconds.
type Clock<'c> = &'c (dyn Fn() -> f64 + Sync);

/// Starts a chain and warms it up.
fn begin<D: Density>(
    density: &D,
    options: &Options,
    from: Option<Vec<f64>>,
    clock: Clock<'_>,
    mut random: Production,
) -> Result<Begun<D>, Fault> {
    let begun = clock();
    let mut sampler = Sampler::start(density, options.moves, from, &mut random)?;
    let mut further = 0;
    if !sampler.adapt(options, options.init == Init::Random, &mut random)? {
        // Where Pathfinder finds no place the chain goes on from its own.
        let spent = sampler.gradients;
        if let Some(from) = starts(density, 1, &mut random).ok().and_then(|starts| starts.into_iter().next()) {
            sampler = Sampler::start(density, options.moves, Some(from), &mut random)?;
            sampler.gradients += spent;
        }
        sampler.warm_up(options, &mut random)?;
        further = 1;
    }
    Ok(Begun { sampler, random, seconds: clock() - begun, further })
}

/// Warms up further where that is needed, in the light of all chains.
fn settle<D: Density>(begun: &mut [Begun<D>], options: &Options, clock: Clock<'_>) -> Result<(), Fault> {
    let mut warmup = options.warmup;
    for _ in 0..FURTHER.1 {
        let highest = begun.iter().map(|one| one.sampler.level).fold(f64::NEG_INFINITY, f64::max);
        let again = Options { warmup: FURTHER.0, ..*options };
        let each = begun.par_iter_mut().filter(|one| one.sampler.unsettled(highest, warmup));
        each.map(|one| {
            let started = clock();
            one.further += 1;
            one.sampler.warm_up(&again, &mut one.random)?;
            one.seconds += clock() - started;
            Ok(())
        })
        .collect::<Result<(), Fault>>()?;
        warmup = FURTHER.0;
    }
    Ok(())
}

/// Runs a chain that is warm; where the user interrupts, as far as it came.
fn run_chain<D: Density>(density: &D, options: &Options, begun: Begun<D>, clock: Clock<'_>) -> Result<Ran, Fault> {
    let Begun { mut sampler, mut random, seconds, further } = begun;
    let random = &mut random;
    let warm = clock();
    let most = if let Moves::NoUTurn { depth } = options.moves { depth as u32 } else { u32::MAX };
    let (mut divergences, mut deepest) = (0, 0);
    let mut chain = Chain::default();
    let mut named = Vec::new();
    let names = ["lp__", "accept_stat__", "stepsize__", "treedepth__", "n_leapfrog__", "divergent__", "energy__"];
    let mut stats: Vec<Vec<f64>> = vec![Vec::with_capacity(options.draws); names.len()];
    for _ in 0..options.draws {
        if interrupted() && !chain.draws.is_empty() {
            break;
        }
        let told = sampler.transition(random)?;
        divergences += usize::from(told.divergent);
        deepest += usize::from(told.depth >= most);
        let row = [
            sampler.point.log_density,
            told.acceptance,
            sampler.step,
            f64::from(told.depth),
            f64::from(told.steps),
            f64::from(u8::from(told.divergent)),
            told.energy,
        ];
        stats.iter_mut().zip(row).for_each(|(column, x)| column.push(x));
        let run = density.constrain(&sampler.point.x, random)?;
        let unit = matches!(run.value, Value::Unit) && !run.named.is_empty();
        if options.all {
            named.push(names_of(run.named.clone()));
        }
        chain.draws.push(if unit { named_record(run.named) } else { run.value });
    }
    chain.named = options.all.then_some(named);
    chain.stats = names.iter().map(|name| (*name).to_string()).zip(stats).collect();
    let seconds = (seconds, clock() - warm);
    Ok(Ran { chain, seconds, further, divergences, deepest, gradients: sampler.gradients, step: sampler.step })
}

/// Runs chains; each has a stream of its own, so that threads change nothing. Where the user interrupts, those that have draws are kept.
pub fn sample<D: Density>(
    method: &str,
    density: &D,
    options: Options,
    clock: Clock<'_>,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let Some(generator) = random.generator() else {
        return Err(Fault::error(format!("`{method}` draws from continuous distributions and cannot be enumerated")));
    };
    let streams = generator.streams();
    let from = match options.init {
        Init::Random => Vec::new(),
        Init::Pathfinder => starts(density, options.chains, &mut Production(streams.number(options.chains as u64)))?,
    };
    let first = |k: usize| begin(density, &options, from.get(k).cloned(), clock, Production(streams.number(k as u64)));
    let results: Vec<Result<Begun<D>, Fault>> = (0..options.chains).into_par_iter().map(first).collect();
    let (mut begun, mut interrupt) = finished(results)?;
    if options.settle && interrupt.is_none() {
        settle(&mut begun, &options, clock)?;
    }
    let results = begun.into_par_iter().map(|one| run_chain(density, &options, one, clock)).collect();
    let (ran, stopped) = finished(results)?;
    interrupt = interrupt.or(stopped);
    if let (true, Some(fault)) = (ran.is_empty(), interrupt) {
        return Err(fault);
    }
    let seconds = ran.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.seconds.0, sum.1 + one.seconds.1));
    let draws = options.draws * options.chains;
    let divergences: usize = ran.iter().map(|one| one.divergences).sum();
    let deepest: usize = ran.iter().map(|one| one.deepest).sum();
    let further: u64 = ran.iter().map(|one| one.further).sum();
    let gradients: u64 = ran.iter().map(|one| one.gradients).sum();
    let steps: Vec<f64> = ran.iter().map(|one| one.step).collect();
    let mut posterior = Posterior::new("", method, ran.into_iter().map(|one| one.chain).collect());
    (posterior.seconds.warmup, posterior.seconds.sampling) = seconds;
    posterior.info.push(("divergences".into(), Info::Count(divergences as u64)));
    posterior.info.push(("gradient_evaluations".into(), Info::Count(gradients)));
    posterior.info.push(("step_size".into(), Info::Numbers(steps)));
    if further > 0 {
        posterior.info.push(("further_warmups".into(), Info::Count(further)));
    }
    if divergences > 0 {
        posterior.warnings.push(Warning::Divergences { count: divergences, draws });
    }
    if let Moves::NoUTurn { depth } = options.moves
        && deepest > 0
    {
        posterior.warnings.push(Warning::TreeDepth { count: deepest, draws, limit: depth });
    }
    let energies: Vec<f64> = posterior
        .chains
        .iter()
        .filter_map(|chain| chain.stats.iter().find(|(name, _)| name == "energy__"))
        .map(|(_, energy)| e_bfmi(energy))
        .collect();
    for (chain, value) in energies.into_iter().enumerate() {
        if value < 0.3 {
            posterior.warnings.push(Warning::Ebfmi { chain, value });
        }
    }
    note_interrupt(&mut posterior, draws);
    Ok(posterior)
}
