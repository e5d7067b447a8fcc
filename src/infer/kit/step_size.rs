//! Step sizes of Hamiltonian dynamics: a first guess, and dual averaging towards an acceptance rate.

use super::hamiltonian::Point;
use super::metric::Metric;
use crate::model::Random;
use crate::model::density::Evaluate;
use crate::value::Fault;

/// Dual averaging (Nesterov 2009; Hoffman and Gelman 2014, section 3.2).
#[derive(Clone, Debug)]
pub struct DualAveraging {
    target: f64,
    /// The log step size to which the search is drawn.
    centre: f64,
    count: f64,
    error: f64,
    log_step: f64,
    log_average: f64,
}

/// How strongly the search is drawn to its centre.
const GAMMA: f64 = 0.05;
/// How much the first iterations count.
const DELAY: f64 = 10.0;
/// How quickly old iterations are forgotten.
const DECAY: f64 = 0.75;

impl DualAveraging {
    /// A search from a first step size towards an acceptance rate.
    pub fn new(step: f64, target: f64) -> DualAveraging {
        let log_step = step.ln();
        DualAveraging { target, centre: (10.0 * step).ln(), count: 0.0, error: 0.0, log_step, log_average: log_step }
    }

    /// Begins again from a step size.
    pub fn restart(&mut self, step: f64) {
        *self = DualAveraging::new(step, self.target);
    }

    /// Learns from the acceptance statistic of a transition, between 0 and 1.
    pub fn learn(&mut self, acceptance: f64) {
        let acceptance = if acceptance.is_finite() { acceptance.min(1.0) } else { 0.0 };
        self.count += 1.0;
        let rate = 1.0 / (self.count + DELAY);
        self.error += rate * (self.target - acceptance - self.error);
        self.log_step = self.centre - self.error * self.count.sqrt() / GAMMA;
        let weight = self.count.powf(-DECAY);
        self.log_average += weight * (self.log_step - self.log_average);
    }

    /// The step size to try next.
    pub fn current(&self) -> f64 {
        self.log_step.exp()
    }

    /// The step size to keep.
    pub fn average(&self) -> f64 {
        self.log_average.exp()
    }
}

/// A step size at which one leapfrog step changes the energy by about log(0.8), found by doubling or halving, and how many gradients that
/// took.
///
/// # Errors
/// If no step size does: the density is then improper or not continuous near the start.
pub fn first_guess(
    start: &Point,
    step: f64,
    metric: &Metric,
    evaluator: &mut impl Evaluate,
    random: &mut dyn Random,
) -> Result<(f64, u64), Fault> {
    let mut point = start.clone();
    let mut step = step;
    let mut direction = 0.0;
    for gradients in 1..=200 {
        point.copy(start);
        momentum(&mut point, metric, random)?;
        let before = point.energy();
        point.leapfrog(step, metric, evaluator);
        let gained = before - point.energy();
        let wanted = if gained > 0.8f64.ln() { 1.0 } else { -1.0 };
        if direction == 0.0 {
            direction = wanted;
        } else if direction != wanted {
            return Ok((step, gradients));
        }
        step *= if wanted > 0.0 { 2.0 } else { 0.5 };
        if !(1e-300..=1e7).contains(&step) {
            break;
        }
    }
    Err(Fault::error(if direction > 0.0 {
        "the posterior seems to be improper: steps of any length are accepted"
    } else {
        "no step size is small enough: the density seems not to be continuous at the start"
    })
    .hint("check the priors and the conditions of the model, or use `mh`"))
}

/// Draws a momentum for a point.
pub fn momentum(point: &mut Point, metric: &Metric, random: &mut dyn Random) -> Result<(), Fault> {
    let Some(generator) = random.generator() else {
        return Err(Fault::error("a momentum is continuous and cannot be enumerated")
            .hint("gradient methods are checked statistically"));
    };
    metric.draw(&mut point.momentum, generator);
    metric.velocity(&point.momentum, &mut point.velocity);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_search_finds_the_step_of_the_wanted_rate() {
        // Acceptance falls with the step size as exp(-step).
        let mut search = DualAveraging::new(1.0, 0.8);
        for _ in 0..2000 {
            search.learn((-search.current()).exp());
        }
        assert!(((-search.average()).exp() - 0.8).abs() < 0.01, "{}", search.average());
        search.learn(f64::NAN);
        assert!(search.current().is_finite());
    }
}
