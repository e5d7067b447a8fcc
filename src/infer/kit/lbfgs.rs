//! L-BFGS: climbing to a mode with an inverse Hessian of low rank (Liu and Nocedal 1989; Nocedal and Wright 2006, chapter 7).

use super::metric::dot;
use crate::model::density::Evaluate;
use std::collections::VecDeque;

/// When a climb ends.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    pub steps: usize,
    /// How many differences the inverse Hessian is made from.
    pub history: usize,
    /// The gradient, in units of the curvature, is small enough.
    pub tolerance: f64,
}

impl Default for Options {
    fn default() -> Options {
        Options { steps: 2000, history: 6, tolerance: 1e-10 }
    }
}

/// A point on the way.
#[derive(Clone, Debug)]
pub struct Stop {
    pub x: Vec<f64>,
    pub gradient: Vec<f64>,
    pub log_density: f64,
}

/// A climb: every point on the way, and whether its end is a mode.
#[derive(Clone, Debug)]
pub struct Climb {
    pub path: Vec<Stop>,
    pub converged: bool,
    pub gradients: u64,
}

impl Climb {
    /// Where the climb ended.
    pub fn top(&self) -> Option<&Stop> {
        self.path.last()
    }
}

/// Climbs from a point of finite density.
pub fn climb(evaluator: &mut impl Evaluate, start: Vec<f64>, options: Options) -> Climb {
    let n = start.len();
    let mut gradient = vec![0.0; n];
    let log_density = evaluator.gradient(&start, &mut gradient);
    let mut climb = Climb { path: vec![Stop { x: start, gradient, log_density }], converged: n == 0, gradients: 1 };
    let mut pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)> = VecDeque::new();
    let mut flat = 0;
    for _ in 0..options.steps {
        let at = &climb.path[climb.path.len() - 1];
        let mut direction = ascent(&at.gradient, &pairs);
        let mut slope = dot(&direction, &at.gradient);
        if !(slope.is_finite() && slope > 0.0) {
            pairs.clear();
            direction.copy_from_slice(&at.gradient);
            slope = dot(&direction, &at.gradient);
        }
        // The slope is the square of the gradient's size in the inverse Hessian: twice the gain that is left, were the density normal.
        if slope <= options.tolerance {
            climb.converged = true;
            break;
        }
        let first = if pairs.is_empty() { (1.0 / slope.sqrt()).min(1.0) } else { 1.0 };
        let Some((next, gradients)) = search(evaluator, at, &direction, slope, first) else {
            // No way up within rounding: as good a mode as these numbers give, if the slope is small.
            climb.converged = slope <= options.tolerance.sqrt();
            if pairs.is_empty() {
                break;
            }
            pairs.clear();
            flat += 1;
            if flat > 2 {
                break;
            }
            continue;
        };
        climb.gradients += gradients;
        let s: Vec<f64> = next.x.iter().zip(&at.x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = at.gradient.iter().zip(&next.gradient).map(|(a, b)| a - b).collect();
        let curvature = dot(&s, &y);
        if curvature > 1e-12 * dot(&y, &y) {
            if pairs.len() == options.history {
                pairs.pop_front();
            }
            pairs.push_back((s, y, 1.0 / curvature));
        }
        let gain = next.log_density - at.log_density;
        flat = if gain <= 1e-14 * at.log_density.abs().max(1.0) { flat + 1 } else { 0 };
        climb.path.push(next);
        if flat > 5 {
            climb.converged = true;
            break;
        }
    }
    climb
}

/// The gradient times the inverse Hessian that the differences suggest (the two loops of Nocedal 1980).
fn ascent(gradient: &[f64], pairs: &VecDeque<(Vec<f64>, Vec<f64>, f64)>) -> Vec<f64> {
    let mut q = gradient.to_vec();
    let mut alphas = Vec::with_capacity(pairs.len());
    for (s, y, rho) in pairs.iter().rev() {
        let alpha = rho * dot(s, &q);
        q.iter_mut().zip(y).for_each(|(q, y)| *q -= alpha * y);
        alphas.push(alpha);
    }
    if let Some((_, y, rho)) = pairs.back() {
        let scale = 1.0 / (rho * dot(y, y));
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((s, y, rho), alpha) in pairs.iter().zip(alphas.iter().rev()) {
        let beta = rho * dot(y, &q);
        q.iter_mut().zip(s).for_each(|(q, s)| *q += (alpha - beta) * s);
    }
    q
}

/// A step that meets the weak conditions of Wolfe, by bisection (Lewis and Overton 2013); none if no step goes up.
fn search(evaluator: &mut impl Evaluate, at: &Stop, direction: &[f64], slope: f64, first: f64) -> Option<(Stop, u64)> {
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut step = first;
    let mut next = at.clone();
    let mut best: Option<Stop> = None;
    for tries in 1..=60 {
        for ((x, from), d) in next.x.iter_mut().zip(&at.x).zip(direction) {
            *x = from + step * d;
        }
        next.log_density = evaluator.gradient(&next.x, &mut next.gradient);
        let finite = next.log_density.is_finite() && next.gradient.iter().all(|g| g.is_finite());
        if !finite || next.log_density < at.log_density + 1e-4 * step * slope {
            high = step;
        } else if dot(&next.gradient, direction) > 0.9 * slope {
            low = step;
            best = Some(next.clone());
        } else {
            return Some((next, tries));
        }
        step = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * low };
        if !(1e-20..=1e20).contains(&step) {
            return best.map(|best| (best, tries));
        }
    }
    best.map(|best| (best, 60))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Minus the function of Rosenbrock (1960): its top is at (1, 1).
    struct Valley;

    impl Evaluate for Valley {
        fn log_density(&mut self, x: &[f64]) -> f64 {
            -(1.0 - x[0]).powi(2) - 100.0 * (x[1] - x[0] * x[0]).powi(2)
        }

        fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
            let z = x[1] - x[0] * x[0];
            gradient[0] = 2.0 * (1.0 - x[0]) + 400.0 * x[0] * z;
            gradient[1] = -200.0 * z;
            self.log_density(x)
        }
    }

    #[test]
    fn a_curved_valley_is_climbed() {
        let climb = climb(&mut Valley, vec![-1.2, 1.0], Options::default());
        let top = climb.top().unwrap();
        assert!(climb.converged && climb.gradients < 200, "{}", climb.gradients);
        assert!((top.x[0] - 1.0).abs() < 1e-4 && (top.x[1] - 1.0).abs() < 1e-4, "{:?}", top.x);
        assert!(climb.path.windows(2).all(|w| w[1].log_density >= w[0].log_density));
    }

    #[test]
    fn a_slope_without_top_does_not_converge() {
        struct Slope;
        impl Evaluate for Slope {
            fn log_density(&mut self, x: &[f64]) -> f64 {
                x[0]
            }
            fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
                gradient[0] = 1.0;
                x[0]
            }
        }
        let climb = climb(&mut Slope, vec![0.0], Options { steps: 50, ..Options::default() });
        assert!(!climb.converged);
    }
}
