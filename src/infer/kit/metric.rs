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
    /// M⁻¹ = S (1 + U (Λ − 1) Uᵀ) S: standard deviations S, orthonormal columns U one after the other, and Λ.
    LowRank { scales: Vec<f64>, vectors: Vec<f64>, values: Vec<f64> },
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

    /// From standard deviations, and directions in the space that they scale, orthonormal, with the variances along them.
    pub fn low_rank(scales: Vec<f64>, vectors: Vec<f64>, values: Vec<f64>) -> Option<Metric> {
        let good = |x: &f64| x.is_finite() && *x > 0.0;
        let whole = scales.iter().all(good) && values.iter().all(good) && vectors.iter().all(|x| x.is_finite());
        whole.then_some(Metric::LowRank { scales, vectors, values })
    }

    /// How many coordinates there are.
    pub fn dim(&self) -> usize {
        match self {
            Metric::Diagonal { inverse, .. } => inverse.len(),
            Metric::LowRank { scales, .. } => scales.len(),
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
            Metric::LowRank { scales, vectors, values } => {
                stretch(momentum, vectors, values.iter().map(|value| 1.0 / value.sqrt()));
                momentum.iter_mut().zip(scales).for_each(|(p, scale)| *p /= scale);
            }
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
            Metric::LowRank { scales, vectors, values } => {
                for ((v, p), scale) in velocity.iter_mut().zip(momentum).zip(scales) {
                    *v = scale * p;
                }
                stretch(velocity, vectors, values.iter().copied());
                velocity.iter_mut().zip(scales).for_each(|(v, scale)| *v *= scale);
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

/// Stretches a vector along orthonormal directions.
#[inline]
fn stretch(x: &mut [f64], vectors: &[f64], factors: impl Iterator<Item = f64>) {
    for (vector, factor) in vectors.chunks_exact(x.len().max(1)).zip(factors) {
        let along = (factor - 1.0) * dot(vector, x);
        x.iter_mut().zip(vector).for_each(|(x, u)| *x += along * u);
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
    fn a_metric_of_low_rank_is_that_of_its_matrix() {
        // S (1 + u (9 − 1) uᵀ) S with u = (3, 4) / 5.
        let metric = Metric::low_rank(vec![2.0, 0.5], vec![0.6, 0.8], vec![9.0]).unwrap();
        let inverse = [4.0 * (1.0 + 8.0 * 0.36), 8.0 * 0.48, 0.25 * (1.0 + 8.0 * 0.64)];
        let mut v = [0.0; 2];
        for p in [[1.0, 0.0], [0.0, 1.0], [-2.0, 3.0]] {
            metric.velocity(&p, &mut v);
            assert!((v[0] - (inverse[0] * p[0] + inverse[1] * p[1])).abs() < 1e-12, "{v:?}");
            assert!((v[1] - (inverse[1] * p[0] + inverse[2] * p[1])).abs() < 1e-12, "{v:?}");
        }
        // The kinetic energy ½ pᵀ M⁻¹ p of a momentum is half a chi-squared variable of two degrees of freedom.
        let (mut generator, n) = (Generator::new(7), 100_000);
        let (mut p, mut sum, mut mixed) = ([0.0; 2], 0.0, 0.0);
        for _ in 0..n {
            metric.draw(&mut p, &mut generator);
            metric.velocity(&p, &mut v);
            sum += dot(&p, &v) / f64::from(n);
            mixed += v[0] * v[1] / f64::from(n);
        }
        // Velocities have the covariance M⁻¹.
        assert!((sum - 2.0).abs() < 5.0 * 2.0 / f64::from(n).sqrt(), "{sum}");
        let error = ((inverse[0] * inverse[2] + inverse[1] * inverse[1]) / f64::from(n)).sqrt();
        assert!((mixed - inverse[1]).abs() < 5.0 * error, "{mixed}");
        assert_eq!(Metric::low_rank(vec![0.0], vec![], vec![]), None);
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
