//! Adaptation during warm-up: when which parts of the metric are learnt, and from what.
//!
//! The step size adapts all the time. The diagonal of the metric follows draws *and gradients*: the geometric mean of the variance of the
//! draws and the inverse variance of the gradients minimises the Fisher divergence from a normal distribution with that diagonal (Seyboldt,
//! Carlson and Carpenter 2024). Two estimates run side by side, so that the one in use never rests on the first, wrong draws for long:
//! the younger replaces the older at the end of a window. The dense metric is the covariance of the draws, shrunk (Stan's rule).
//! The metric of low rank adds to the diagonal the directions in which the same divergence asks for more (`low_rank.rs`).

use super::low_rank::Pairs;
use super::metric::Metric;

/// Which part of the metric is learnt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    Diagonal,
    LowRank,
    Dense,
}

/// Running means and variances, numerically stable (Welford 1962).
#[derive(Clone, Debug)]
struct Variances {
    count: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Variances {
    fn new(dim: usize) -> Variances {
        Variances { count: 0.0, mean: vec![0.0; dim], squares: vec![0.0; dim] }
    }

    fn add(&mut self, x: &[f64]) {
        self.count += 1.0;
        for ((mean, squares), x) in self.mean.iter_mut().zip(&mut self.squares).zip(x) {
            let before = x - *mean;
            *mean += before / self.count;
            *squares += before * (x - *mean);
        }
    }

    fn variance(&self, k: usize) -> f64 {
        self.squares[k] / (self.count - 1.0).max(1.0)
    }
}

/// A running covariance matrix.
#[derive(Clone, Debug)]
struct Covariance {
    count: f64,
    mean: Vec<f64>,
    products: Vec<f64>,
}

impl Covariance {
    fn new(dim: usize) -> Covariance {
        Covariance { count: 0.0, mean: vec![0.0; dim], products: vec![0.0; dim * dim] }
    }

    fn add(&mut self, x: &[f64]) {
        let n = x.len();
        self.count += 1.0;
        let before: Vec<f64> = x.iter().zip(&self.mean).map(|(x, mean)| x - mean).collect();
        for (mean, before) in self.mean.iter_mut().zip(&before) {
            *mean += before / self.count;
        }
        for (i, (x, mean)) in x.iter().zip(&self.mean).enumerate() {
            let after = x - mean;
            for (product, before) in self.products[i * n..(i + 1) * n].iter_mut().zip(&before) {
                *product += after * before;
            }
        }
    }

    /// The covariance, shrunk towards a small multiple of the identity while draws are few.
    fn shrunk(&self) -> Vec<f64> {
        let n = self.mean.len();
        let weight = self.count / (self.count + 5.0);
        let scale = weight / (self.count - 1.0).max(1.0);
        let mut matrix: Vec<f64> = self.products.iter().map(|p| p * scale).collect();
        for i in 0..n {
            for j in 0..i {
                let mean = 0.5 * (matrix[i * n + j] + matrix[j * n + i]);
                matrix[i * n + j] = mean;
                matrix[j * n + i] = mean;
            }
            matrix[i * n + i] += 1e-3 * (1.0 - weight);
        }
        matrix
    }
}

/// What one window has seen.
#[derive(Clone, Debug)]
struct Window {
    draws: Variances,
    gradients: Variances,
    covariance: Option<Covariance>,
    pairs: Option<Pairs>,
}

impl Window {
    fn new(dim: usize, shape: Shape) -> Window {
        let covariance = (shape == Shape::Dense).then(|| Covariance::new(dim));
        let pairs = (shape == Shape::LowRank).then(Pairs::default);
        Window { draws: Variances::new(dim), gradients: Variances::new(dim), covariance, pairs }
    }

    fn add(&mut self, x: &[f64], gradient: &[f64]) {
        self.draws.add(x);
        self.gradients.add(gradient);
        if let Some(covariance) = &mut self.covariance {
            covariance.add(x);
        }
        if let Some(pairs) = &mut self.pairs {
            pairs.add(x, gradient);
        }
    }

    /// The metric that the window suggests; none while it has seen too little.
    fn metric(&self) -> Option<Metric> {
        let dim = self.draws.mean.len();
        if self.draws.count < 3.0 {
            return None;
        }
        if let Some(covariance) = &self.covariance
            && covariance.count > 10.0
        {
            return Metric::dense(covariance.shrunk(), dim);
        }
        let entry = |k| {
            let ratio = (self.draws.variance(k) / self.gradients.variance(k)).sqrt();
            if ratio.is_finite() && ratio > 0.0 { ratio.clamp(1e-20, 1e20) } else { 1.0 }
        };
        let diagonal: Vec<f64> = (0..dim).map(entry).collect();
        if let Some(pairs) = &self.pairs
            && self.draws.count > 10.0
            && let Some(metric) = pairs.metric(&diagonal, &self.draws.mean, &self.gradients.mean)
        {
            return Some(metric);
        }
        Some(Metric::diagonal(diagonal))
    }
}

/// The plan of a warm-up of some length, and what it has learnt so far.
#[derive(Clone, Debug)]
pub struct Warmup {
    shape: Shape,
    length: usize,
    done: usize,
    /// Transitions until the younger window replaces the older.
    left: usize,
    older: Window,
    younger: Window,
}

/// The share of the warm-up in which windows are short, because the chain may still be on its way.
const EARLY: f64 = 0.3;
/// The share of the warm-up at its end in which only the step size adapts.
const LATE: f64 = 0.15;
const SHORT: usize = 10;
const LONG: usize = 80;

/// What to do after a transition of the warm-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// The metric to use from now on, if it changes.
    pub metric: Option<Metric>,
    /// The scale changed so much that the step size is looked for anew.
    pub restart: bool,
}

impl Warmup {
    /// A warm-up of this many transitions.
    pub fn new(dim: usize, length: usize, shape: Shape) -> Warmup {
        let window = Window::new(dim, shape);
        Warmup { shape, length, done: 0, left: SHORT, older: window.clone(), younger: window }
    }

    /// A first metric from the gradient at the start: one over its size in each coordinate.
    pub fn first_metric(gradient: &[f64]) -> Metric {
        Metric::diagonal(
            gradient.iter().map(|g| if g.abs() > 0.0 { (1.0 / g.abs()).clamp(1e-10, 1e10) } else { 1.0 }).collect(),
        )
    }

    /// Whether the chain may still be on its way.
    pub fn is_early(&self) -> bool {
        self.done < (self.length as f64 * EARLY) as usize
    }

    /// Learns from where a transition ended; `moved` says that it did not diverge.
    pub fn learn(&mut self, x: &[f64], gradient: &[f64], moved: bool) -> Advice {
        self.done += 1;
        let (early, late) = ((self.length as f64 * EARLY) as usize, (self.length as f64 * (1.0 - LATE)) as usize);
        if self.done > late {
            return Advice { metric: None, restart: false };
        }
        if moved {
            self.older.add(x, gradient);
            self.younger.add(x, gradient);
        }
        self.left = self.left.saturating_sub(1);
        let mut restart = false;
        // The last window is not cut short: it would leave an estimate from few draws.
        let next = if self.done < early { SHORT } else { LONG };
        if self.left == 0 && self.younger.draws.count >= 3.0 && (self.done < early || self.done + next <= late) {
            let dim = x.len();
            self.older = std::mem::replace(&mut self.younger, Window::new(dim, self.shape));
            self.left = next;
            restart = self.done < early;
        }
        // A dense metric costs a factorisation: it changes at the ends of windows only.
        let due = self.shape == Shape::Diagonal || restart || self.left == next || self.done == late;
        Advice { metric: if due { self.older.metric() } else { None }, restart }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Generator;
    use rand_distr::{Distribution, StandardNormal};

    #[test]
    fn the_metric_of_independent_normals_is_their_variance() {
        let scales = [0.1, 1.0, 30.0];
        let mut generator = Generator::new(5);
        for shape in [Shape::Diagonal, Shape::LowRank, Shape::Dense] {
            let mut warmup = Warmup::new(3, 1000, shape);
            let mut metric = Metric::unit(3);
            for _ in 0..1000 {
                let z: Vec<f64> = (0..3).map(|_| StandardNormal.sample(&mut generator)).collect();
                let x: Vec<f64> = z.iter().zip(scales).map(|(z, s)| z * s).collect();
                let gradient: Vec<f64> = z.iter().zip(scales).map(|(z, s)| -z / s).collect();
                metric = warmup.learn(&x, &gradient, true).metric.unwrap_or(metric);
            }
            let mut v = [0.0; 3];
            for k in 0..3 {
                let mut p = [0.0; 3];
                p[k] = 1.0;
                metric.velocity(&p, &mut v);
                // Draws and gradients are multiples of each other, so their ratio is exact.
                let tolerance = match shape {
                    Shape::Diagonal => 1e-9,
                    Shape::LowRank => 0.05,
                    Shape::Dense => 0.6,
                };
                assert!((v[k] / (scales[k] * scales[k]) - 1.0).abs() < tolerance, "{shape:?} {k}: {}", v[k]);
            }
        }
    }

    #[test]
    fn short_warmups_do_not_fail() {
        for length in 0..30 {
            for shape in [Shape::Dense, Shape::LowRank] {
                let mut warmup = Warmup::new(2, length, shape);
                for k in 0..length {
                    let x = [k as f64, (k * k % 7) as f64];
                    assert!(warmup.learn(&x, &[0.0, 1.0], true).metric.is_none_or(|metric| metric.dim() == 2));
                }
            }
        }
    }
}
