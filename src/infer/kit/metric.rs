//! The metric of Hamiltonian dynamics: the kinetic energy is ½ pᵀ M⁻¹ p, and M⁻¹ should be near the covariance of the posterior.

use crate::value::Generator;
use rand_distr::{Distribution, StandardNormal};

/// A positive definite M⁻¹.
#[derive(Clone, Debug, PartialEq)]
pub enum Metric {
    /// Its diagonal, and the square roots of the diagonal of M.
    Diagonal { inverse: Vec<f64>, root: Vec<f64> },
    /// M⁻¹ by rows, and the lower factor of its Cholesky decomposition M⁻¹ = L Lᵀ by rows.
    Dense { inverse: Vec<f64>, factor: Vec<f64> },
}

impl Metric {
    /// The identity, which suits coordinates of unit scale.
    pub fn unit(dim: usize) -> Metric {
        Metric::diagonal(vec![1.0; dim])
    }

    /// From the diagonal of M⁻¹, all positive.
    pub fn diagonal(inverse: Vec<f64>) -> Metric {
        let root = inverse.iter().map(|v| 1.0 / v.sqrt()).collect();
        Metric::Diagonal { inverse, root }
    }

    /// From M⁻¹ by rows; none if it is not positive definite.
    pub fn dense(inverse: Vec<f64>, dim: usize) -> Option<Metric> {
        let matrix = nalgebra::DMatrix::from_row_slice(dim, dim, &inverse);
        let factor = nalgebra::Cholesky::new(matrix)?.l();
        let factor = factor.transpose().as_slice().to_vec();
        factor.iter().all(|x| x.is_finite()).then_some(Metric::Dense { inverse, factor })
    }

    /// How many coordinates there are.
    pub fn dim(&self) -> usize {
        match self {
            Metric::Diagonal { inverse, .. } => inverse.len(),
            Metric::Dense { inverse, .. } => inverse.len().isqrt(),
        }
    }

    /// Draws a momentum from Normal(0, M).
    pub fn draw(&self, momentum: &mut [f64], generator: &mut Generator) {
        for p in momentum.iter_mut() {
            *p = StandardNormal.sample(generator);
        }
        match self {
            Metric::Diagonal { root, .. } => momentum.iter_mut().zip(root).for_each(|(p, root)| *p *= root),
            // M = L⁻ᵀ L⁻¹, so that p = L⁻ᵀ z has covariance M: back substitution.
            Metric::Dense { factor, .. } => {
                let n = momentum.len();
                for i in (0..n).rev() {
                    let mut sum = momentum[i];
                    for j in i + 1..n {
                        sum -= factor[j * n + i] * momentum[j];
                    }
                    momentum[i] = sum / factor[i * n + i];
                }
            }
        }
    }

    /// The velocity M⁻¹ p.
    #[inline]
    pub fn velocity(&self, momentum: &[f64], velocity: &mut [f64]) {
        match self {
            Metric::Diagonal { inverse, .. } => {
                for ((v, p), inverse) in velocity.iter_mut().zip(momentum).zip(inverse) {
                    *v = inverse * p;
                }
            }
            Metric::Dense { inverse, .. } => {
                let n = momentum.len();
                for (v, row) in velocity.iter_mut().zip(inverse.chunks_exact(n.max(1))) {
                    *v = dot(row, momentum);
                }
            }
        }
    }
}

/// The inner product of two vectors of one length, summed in eight lanes.
#[inline]
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_blocks.zip(b_blocks) {
        for k in 0..8 {
            lanes[k] += x[k] * y[k];
        }
    }
    ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) + ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7])) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn momenta_have_the_inverse_of_the_metric_as_covariance() {
        let covariance: [f64; 4] = [2.0, 0.6, 0.6, 0.5];
        let determinant = 2.0 * 0.5 - 0.36;
        // The inverse of `covariance`.
        let expected: [f64; 3] = [0.5 / determinant, -0.6 / determinant, 2.0 / determinant];
        let metric = Metric::dense(covariance.to_vec(), 2).unwrap();
        let mut generator = Generator::new(3);
        let n = 100_000;
        let mut sums = [0.0; 3];
        let mut p = [0.0; 2];
        for _ in 0..n {
            metric.draw(&mut p, &mut generator);
            sums[0] += p[0] * p[0] / f64::from(n);
            sums[1] += p[0] * p[1] / f64::from(n);
            sums[2] += p[1] * p[1] / f64::from(n);
        }
        for (sum, (expected, scale)) in sums.iter().zip([
            (expected[0], 2.0 * expected[0].powi(2)),
            (expected[1], expected[0] * expected[2] + expected[1].powi(2)),
            (expected[2], 2.0 * expected[2].powi(2)),
        ]) {
            assert!((sum - expected).abs() < 5.0 * (scale / f64::from(n)).sqrt(), "{sum} {expected}");
        }
        let mut v = [0.0; 2];
        metric.velocity(&[1.0, -2.0], &mut v);
        assert_eq!(v, [2.0 - 1.2, 0.6 - 1.0]);
        assert_eq!(Metric::dense(vec![1.0, 2.0, 2.0, 1.0], 2), None);
    }

    #[test]
    fn inner_products_take_every_length() {
        for n in 0..20 {
            let a: Vec<f64> = (0..n).map(|k| k as f64 + 1.0).collect();
            let expected: f64 = (0..n).map(|k| (k as f64 + 1.0).powi(2)).sum();
            assert_eq!(dot(&a, &a), expected);
        }
    }
}
