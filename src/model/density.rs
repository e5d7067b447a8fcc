//! The view of gradient methods: a model as a log density over unconstrained vectors.

use super::{Random, Weighted};
use crate::value::{Fault, Value};

/// A model whose choices are a vector of fixed length, each on the whole real line, and whose log density can be differentiated.
///
/// The density is that of the choices given the data, with the log Jacobian of the transform from the vector to the choices, up to
/// a constant. Choices on which no weight depends are left out, and finite choices may be summed out: both are drawn by
/// [`Density::constrain`].
pub trait Density: Sync {
    type Evaluator: Evaluate;

    /// The length of the vector.
    fn dim(&self) -> usize;

    /// A name for each coordinate: that of the choice, with the number of the coordinate within it where there are several.
    fn coordinates(&self) -> &[String];

    /// Code and memory to evaluate the density with. One is made for each chain.
    fn evaluator(&self) -> Self::Evaluator;

    /// A moderate random vector: uniform on (−2, 2) in each coordinate. Its density may be zero.
    fn initial(&self, random: &mut dyn Random) -> Result<Vec<f64>, Fault>;

    /// The model's value and named choices at a vector. What is not in the vector is drawn given it.
    fn constrain(&self, x: &[f64], random: &mut dyn Random) -> Result<Weighted, Fault>;

    /// The families of which the posterior is composed, each apart from the others, where it is of such a form and that can be told from
    /// the program; together they hold every coordinate.
    fn families(&self) -> Option<Vec<Block>> {
        None
    }

    /// The vector of these values of the named choices. Names that the vector does not know are ignored.
    fn unconstrain(&self, named: &[(String, Value)]) -> Result<Vec<f64>, Fault>;
}

/// Which density a view has of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// That of the vector: of choices and data, with the log Jacobian of the transform.
    #[default]
    Joint,
    /// That of the choices as the model has them: of choices and data, without Jacobian. Its maximum does not depend on the transform.
    Values,
    /// That of the data and of all other factors alone, as a function of the choices.
    Likelihood,
}

/// A part of a posterior of a known family, in coordinates of the vector, apart from the others: what the log density is as a function
/// of them, up to a constant. The numbers `a`, `b` and the quadratic form are not known from the structure.
#[derive(Clone, PartialEq, Debug)]
pub enum Block {
    /// `-(x - m)ᵀ A (x - m) / 2`
    Normal { coordinates: Vec<u32> },
    /// `a log σ(x) + b log σ(-x)`, where σ is the logistic function: `σ(x)` is a Beta(a, b) variable.
    Beta { coordinate: u32 },
    /// `a x - b exp(power x)`: `exp(power x)` is a Gamma(a / power, b) variable.
    Gamma { coordinate: u32, power: f64 },
    /// `Σ aₖ log θₖ` of a point θ of a simplex, whose coordinates are those of [`sticks`]: a Dirichlet(a) variable.
    Dirichlet { coordinates: Vec<u32> },
    /// `a x - exp(power x) (b + (z - m)ᵀ A (z - m) / 2)` with `x` the coordinate `scale` and `z` the others.
    ScaledNormal { coordinates: Vec<u32>, scale: u32, power: f64 },
}

/// The coordinates of a point of a simplex from the logs of its parts, by breaking a stick: the logits of what each part takes of what
/// the parts before left, so shifted that the equal parts have the coordinates 0 (Stan Reference Manual, Simplex transform).
pub fn sticks(log_parts: &[f64], x: &mut [f64]) {
    let mut rest = log_parts.last().copied().unwrap_or(0.0);
    for k in (0..x.len()).rev() {
        x[k] = log_parts[k] - rest + ((x.len() - k) as f64).ln();
        let (high, low) = if rest > log_parts[k] { (rest, log_parts[k]) } else { (log_parts[k], rest) };
        rest = high + (low - high).exp().ln_1p();
    }
}

/// Evaluates a density in memory of its own. Outside the support the density is −∞; it may be NaN where the program's arithmetic
/// is. Neither is an error, and the gradient then has no meaning. Neither the density nor the gradient allocates.
pub trait Evaluate: Send {
    /// The log density at `x`.
    fn log_density(&mut self, x: &[f64]) -> f64;

    /// The log density at `x`, and its gradient into `gradient`; both have the length of the view.
    fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64;

    /// The log density at `x`, its gradient, and the product of the Hessian with `v` into `product`.
    ///
    /// Unless an implementation has something better, the product is a central difference of gradients, right to about 1e-9 of its
    /// size.
    fn hessian_vector(&mut self, x: &[f64], v: &[f64], gradient: &mut [f64], product: &mut [f64]) -> f64 {
        let size = v.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        let scale = x.iter().fold(1.0f64, |m, x| m.max(x.abs()));
        if size == 0.0 {
            product.fill(0.0);
            return self.gradient(x, gradient);
        }
        let h = 6e-6 * scale / size;
        let mut moved: Vec<f64> = x.iter().zip(v).map(|(x, v)| x + h * v).collect();
        self.gradient(&moved, product);
        for ((moved, x), v) in moved.iter_mut().zip(x).zip(v) {
            *moved = x - h * v;
        }
        self.gradient(&moved, gradient);
        for (product, before) in product.iter_mut().zip(&*gradient) {
            *product = (*product - before) / (2.0 * h);
        }
        self.gradient(x, gradient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `-(x - 1)^4 - x y`
    struct Quartic;

    impl Evaluate for Quartic {
        fn log_density(&mut self, x: &[f64]) -> f64 {
            -(x[0] - 1.0).powi(4) - x[0] * x[1]
        }

        fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
            gradient[0] = -4.0 * (x[0] - 1.0).powi(3) - x[1];
            gradient[1] = -x[0];
            self.log_density(x)
        }
    }

    #[test]
    fn hessian_products_by_differences_are_close() {
        let (mut gradient, mut product) = ([0.0; 2], [0.0; 2]);
        let value = Quartic.hessian_vector(&[3.0, 0.5], &[2.0, -1.0], &mut gradient, &mut product);
        assert_eq!(value, -17.5);
        assert_eq!(gradient, [-32.5, -3.0]);
        // The Hessian there is [[-48, -1], [-1, 0]].
        assert!((product[0] + 95.0).abs() < 1e-6 && (product[1] + 2.0).abs() < 1e-6, "{product:?}");
        Quartic.hessian_vector(&[3.0, 0.5], &[0.0, 0.0], &mut gradient, &mut product);
        assert_eq!(product, [0.0, 0.0]);
    }
}
