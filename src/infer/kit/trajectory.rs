//! Transitions along Hamiltonian trajectories: of fixed length, and doubled until they turn back.

use super::hamiltonian::Point;
use super::metric::Metric;
use super::step_size::momentum;
use crate::model::Random;
use crate::model::density::Evaluate;
use crate::value::Fault;

/// An error of the energy beyond which a trajectory has left the flow it should follow.
const DIVERGENCE: f64 = 1000.0;

/// What a transition tells, apart from where it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Transition {
    /// The mean probability of accepting the points of the trajectory.
    pub acceptance: f64,
    /// How often the trajectory was doubled.
    pub depth: u32,
    /// How many leapfrog steps were made.
    pub steps: u32,
    pub divergent: bool,
    /// The energy of the point that was taken.
    pub energy: f64,
}

/// A part of a trajectory: its two ends, the sum of its momenta, and one of its points in proportion to their weights.
#[derive(Clone, Debug)]
struct Part {
    /// The end nearer to the start of the trajectory.
    near: End,
    far: End,
    momenta: Vec<f64>,
    /// The log of the sum of the weights exp(energy at the start − energy).
    log_weight: f64,
    chosen: Chosen,
}

#[derive(Clone, Debug)]
struct End {
    momentum: Vec<f64>,
    velocity: Vec<f64>,
}

#[derive(Clone, Debug)]
struct Chosen {
    x: Vec<f64>,
    gradient: Vec<f64>,
    log_density: f64,
    energy: f64,
}

impl End {
    fn new(dim: usize) -> End {
        End { momentum: vec![0.0; dim], velocity: vec![0.0; dim] }
    }

    fn copy(&mut self, point: &Point) {
        self.momentum.copy_from_slice(&point.momentum);
        self.velocity.copy_from_slice(&point.velocity);
    }
}

impl Part {
    fn new(dim: usize) -> Part {
        let chosen = Chosen { x: vec![0.0; dim], gradient: vec![0.0; dim], log_density: 0.0, energy: 0.0 };
        Part { near: End::new(dim), far: End::new(dim), momenta: vec![0.0; dim], log_weight: f64::NEG_INFINITY, chosen }
    }

    /// The part that consists of one point.
    fn point(&mut self, point: &Point, energy: f64, start: f64) {
        self.near.copy(point);
        self.far.copy(point);
        self.momenta.copy_from_slice(&point.momentum);
        self.log_weight = start - energy;
        self.chosen.x.copy_from_slice(&point.x);
        self.chosen.gradient.copy_from_slice(&point.gradient);
        self.chosen.log_density = point.log_density;
        self.chosen.energy = energy;
    }

    /// Whether this part and one that continues it at its far end go on in one direction: as a whole, and across their join
    /// (Betancourt 2017, appendix A.4, with the checks across subtrees that Stan added later).
    fn goes_on(&self, other: &Part) -> bool {
        let sum = |a: &[f64], b: &[f64], v: &[f64]| a.iter().zip(b).zip(v).map(|((a, b), v)| (a + b) * v).sum::<f64>();
        let ahead = |a: &[f64], b: &[f64], from: &End, to: &End| {
            sum(a, b, &from.velocity) > 0.0 && sum(a, b, &to.velocity) > 0.0
        };
        ahead(&self.momenta, &other.momenta, &self.near, &other.far)
            && ahead(&self.momenta, &other.near.momentum, &self.near, &other.near)
            && ahead(&other.momenta, &self.far.momentum, &self.far, &other.far)
    }
}

/// Memory for trajectories; nothing is allocated in a transition.
#[derive(Clone, Debug)]
pub struct Trajectory {
    /// Two halves for every depth.
    halves: Vec<Option<Box<(Part, Part)>>>,
    whole: Box<Part>,
    new: Box<Part>,
    back: Point,
    front: Point,
}

/// What the parts of one trajectory share.
struct Flow<'a, E> {
    evaluator: &'a mut E,
    metric: &'a Metric,
    step: f64,
    /// The energy at the start.
    start: f64,
    halves: &'a mut [Option<Box<(Part, Part)>>],
    acceptance: f64,
    steps: u32,
    divergent: bool,
}

impl Trajectory {
    /// For vectors of this length and trajectories doubled at most so often.
    pub fn new(dim: usize, depth: usize) -> Trajectory {
        Trajectory {
            halves: (0..depth).map(|_| Some(Box::new((Part::new(dim), Part::new(dim))))).collect(),
            whole: Box::new(Part::new(dim)),
            new: Box::new(Part::new(dim)),
            back: Point::new(dim),
            front: Point::new(dim),
        }
    }

    /// A transition of the No-U-Turn sampler: the trajectory doubles, forwards or backwards at random, until it turns back on itself;
    /// a point of it is taken in proportion to exp(−energy), with a preference for the newer half (Hoffman and Gelman 2014;
    /// Betancourt 2017, appendix A.3).
    pub fn no_u_turn(
        &mut self,
        point: &mut Point,
        step: f64,
        metric: &Metric,
        evaluator: &mut impl Evaluate,
        random: &mut dyn Random,
    ) -> Result<Transition, Fault> {
        momentum(point, metric, random)?;
        let start = point.energy();
        let most = self.halves.len();
        let Trajectory { halves, whole, new, back, front } = self;
        let mut flow = Flow { evaluator, metric, step, start, halves, acceptance: 0.0, steps: 0, divergent: false };
        whole.point(point, start, start);
        back.copy(point);
        front.copy(point);
        let mut depth = 0;
        let mut far_is_front = true;
        while depth < most {
            let forward = random.flip(0.5);
            let grows = if forward { &mut *front } else { &mut *back };
            flow.step = if forward { step } else { -step };
            // The whole is turned so that its far end is the one that grows.
            if forward != far_is_front {
                std::mem::swap(&mut whole.near, &mut whole.far);
                far_is_front = forward;
            }
            if !flow.build(depth, grows, new, random) {
                break;
            }
            depth += 1;
            // A biased choice between the old and the new half: it still leaves the distribution as it is, and moves further.
            let ratio = (new.log_weight - whole.log_weight).exp();
            if random.flip(ratio.min(1.0)) {
                std::mem::swap(&mut whole.chosen, &mut new.chosen);
            }
            let goes_on = whole.goes_on(new);
            whole.log_weight = log_add(whole.log_weight, new.log_weight);
            for (sum, more) in whole.momenta.iter_mut().zip(&new.momenta) {
                *sum += more;
            }
            std::mem::swap(&mut whole.far, &mut new.far);
            if !goes_on {
                break;
            }
        }
        point.x.copy_from_slice(&whole.chosen.x);
        point.gradient.copy_from_slice(&whole.chosen.gradient);
        point.log_density = whole.chosen.log_density;
        let acceptance = if flow.steps == 0 { 0.0 } else { flow.acceptance / f64::from(flow.steps) };
        let (steps, divergent) = (flow.steps, flow.divergent);
        Ok(Transition { acceptance, depth: depth as u32, steps, divergent, energy: whole.chosen.energy })
    }

    /// A transition along a trajectory of fixed length, whose end is accepted by the rule of Metropolis (Duane, Kennedy, Pendleton and
    /// Roweth 1987; Neal 2011).
    pub fn fixed(
        &mut self,
        point: &mut Point,
        step: f64,
        steps: u32,
        metric: &Metric,
        evaluator: &mut impl Evaluate,
        random: &mut dyn Random,
    ) -> Result<Transition, Fault> {
        momentum(point, metric, random)?;
        let start = point.energy();
        let end = &mut self.front;
        end.copy(point);
        let mut made = 0;
        for _ in 0..steps {
            end.leapfrog(step, metric, evaluator);
            made += 1;
            if !end.log_density.is_finite() {
                break;
            }
        }
        let energy = end.energy();
        let acceptance = if made == steps { (start - energy).exp().min(1.0) } else { 0.0 };
        let divergent = energy - start > DIVERGENCE || !energy.is_finite();
        let accepted = random.flip(mutant!("trajectories are not rejected", 1.0, acceptance));
        if accepted {
            point.copy(end);
        }
        let energy = if accepted { energy } else { start };
        Ok(Transition { acceptance, depth: 0, steps: made, divergent, energy })
    }
}

impl<E: Evaluate> Flow<'_, E> {
    /// Continues the trajectory at `point` by 2^depth steps. Says whether it neither diverged nor turned back.
    fn build(&mut self, depth: usize, point: &mut Point, out: &mut Part, random: &mut dyn Random) -> bool {
        if depth == 0 {
            point.leapfrog(self.step, self.metric, self.evaluator);
            let energy = point.energy();
            self.steps += 1;
            self.acceptance += (self.start - energy).exp().min(1.0);
            self.divergent |= energy - self.start > DIVERGENCE;
            out.point(point, energy, self.start);
            return !self.divergent;
        }
        let Some(mut halves) = self.halves[depth - 1].take() else { return false };
        let (first, second) = &mut *halves;
        let whole = self.build(depth - 1, point, first, random) && self.build(depth - 1, point, second, random);
        let mut goes_on = false;
        if whole {
            goes_on = first.goes_on(second);
            out.log_weight = log_add(first.log_weight, second.log_weight);
            let newer = random.flip((second.log_weight - out.log_weight).exp());
            std::mem::swap(&mut out.chosen, if newer { &mut second.chosen } else { &mut first.chosen });
            for ((sum, a), b) in out.momenta.iter_mut().zip(&first.momenta).zip(&second.momenta) {
                *sum = a + b;
            }
            std::mem::swap(&mut out.near, &mut first.near);
            std::mem::swap(&mut out.far, &mut second.far);
        }
        self.halves[depth - 1] = Some(halves);
        goes_on
    }
}

/// The log of the sum of two exponentials.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a >= b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
