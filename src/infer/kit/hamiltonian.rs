//! Points of phase space and the leapfrog integrator.

use super::metric::{Metric, dot};
use crate::model::density::Evaluate;

/// A position with its density, and a momentum with its velocity.
#[derive(Clone, Debug, Default)]
pub struct Point {
    pub x: Vec<f64>,
    pub log_density: f64,
    pub gradient: Vec<f64>,
    pub momentum: Vec<f64>,
    pub velocity: Vec<f64>,
}

impl Point {
    /// The origin of this many coordinates; its density is not evaluated.
    pub fn new(dim: usize) -> Point {
        let zero = || vec![0.0; dim];
        Point { x: zero(), log_density: f64::NAN, gradient: zero(), momentum: zero(), velocity: zero() }
    }

    /// Copies another point of the same length.
    pub fn copy(&mut self, other: &Point) {
        self.x.copy_from_slice(&other.x);
        self.log_density = other.log_density;
        self.gradient.copy_from_slice(&other.gradient);
        self.momentum.copy_from_slice(&other.momentum);
        self.velocity.copy_from_slice(&other.velocity);
    }

    /// Evaluates density and gradient at the position. Says whether both are finite.
    pub fn evaluate(&mut self, evaluator: &mut impl Evaluate) -> bool {
        self.log_density = evaluator.gradient(&self.x, &mut self.gradient);
        self.log_density.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }

    /// The energy: minus the log density plus ½ pᵀ v. Not a number counts as infinite.
    #[inline]
    pub fn energy(&self) -> f64 {
        let energy = 0.5 * dot(&self.momentum, &self.velocity) - self.log_density;
        if energy.is_nan() { f64::INFINITY } else { energy }
    }

    /// One step of size `step`, backwards in time if it is negative (Leimkuhler and Reich 2004).
    #[inline]
    pub fn leapfrog(&mut self, step: f64, metric: &Metric, evaluator: &mut impl Evaluate) {
        let half = 0.5 * step;
        for (p, g) in self.momentum.iter_mut().zip(&self.gradient) {
            *p += half * g;
        }
        metric.velocity(&self.momentum, &mut self.velocity);
        for (x, v) in self.x.iter_mut().zip(&self.velocity) {
            *x += step * v;
        }
        self.log_density = evaluator.gradient(&self.x, &mut self.gradient);
        for (p, g) in self.momentum.iter_mut().zip(&self.gradient) {
            *p += half * g;
        }
        metric.velocity(&self.momentum, &mut self.velocity);
    }
}
