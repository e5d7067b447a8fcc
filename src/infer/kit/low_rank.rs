//! A metric of low rank from draws and gradients: a diagonal, and the few directions in which that is not enough.
//!
//! Of all normal distributions, that with covariance Σ is nearest to the posterior in the Fisher divergence for which Σ C Σ = X, where X is the
//! covariance of the draws and C that of the gradients: their geometric mean X # C⁻¹. It is computed in the space that draws and
//! gradients span, after the diagonal has scaled it, and directions along which it is near 1 are left out (Seyboldt, Carlson and
//! Carpenter 2024, section 4).

use super::metric::Metric;
use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// Draws with their gradients.
#[derive(Clone, Debug, Default)]
pub struct Pairs {
    draws: Vec<Vec<f64>>,
    gradients: Vec<Vec<f64>>,
}

/// Directions along which the variance differs from 1 by less than this factor are left out.
const CUTOFF: f64 = 2.0;
/// So many draws of unit variance are added to those seen, in every direction.
const PRIOR: f64 = 1.0;

impl Pairs {
    pub fn add(&mut self, x: &[f64], gradient: &[f64]) {
        self.draws.push(x.to_vec());
        self.gradients.push(gradient.to_vec());
    }

    /// The metric of a diagonal, which is that of the same draws and gradients with these means, and some directions.
    /// None where the numbers do not allow one.
    pub fn metric(&self, diagonal: &[f64], draw: &[f64], gradient: &[f64]) -> Option<Metric> {
        let (dim, count) = (diagonal.len(), self.draws.len());
        let scales: Vec<f64> = diagonal.iter().map(|v| v.sqrt()).collect();
        let x = DMatrix::from_fn(dim, count, |i, k| (self.draws[k][i] - draw[i]) / scales[i]);
        let c = DMatrix::from_fn(dim, count, |i, k| (self.gradients[k][i] - gradient[i]) * scales[i]);
        if !x.iter().chain(c.iter()).all(|x| x.is_finite()) {
            return None;
        }
        // Outside of what draws and gradients span nothing is known.
        let basis = (2 * count < dim).then(|| {
            let mut both = DMatrix::zeros(dim, 2 * count);
            both.columns_mut(0, count).copy_from(&x);
            both.columns_mut(count, count).copy_from(&c);
            both.qr().q()
        });
        let within = |matrix: DMatrix<f64>| match &basis {
            Some(basis) => basis.transpose() * matrix,
            None => matrix,
        };
        let covariance = |matrix: DMatrix<f64>| {
            let n = matrix.nrows();
            (&matrix * matrix.transpose() + DMatrix::identity(n, n) * PRIOR) / (count as f64 + PRIOR)
        };
        let mean = geometric_mean(covariance(within(x)), covariance(within(c)))?;
        let eigen = SymmetricEigen::new(mean);
        let (mut vectors, mut values) = (Vec::new(), Vec::new());
        for (k, value) in eigen.eigenvalues.iter().enumerate() {
            if *value >= CUTOFF || *value <= 1.0 / CUTOFF {
                let along = eigen.eigenvectors.column(k);
                let along: DVector<f64> = match &basis {
                    Some(basis) => basis * along,
                    None => along.into_owned(),
                };
                vectors.extend(along.iter());
                values.push(*value);
            }
        }
        Metric::low_rank(scales, vectors, values)
    }
}

/// The Σ with Σ C Σ = X: C^(−½) (C^½ X C^½)^½ C^(−½).
fn geometric_mean(x: DMatrix<f64>, c: DMatrix<f64>) -> Option<DMatrix<f64>> {
    let power = |matrix: DMatrix<f64>, exponent: f64| {
        let eigen = SymmetricEigen::try_new(matrix, 1e-14, 10_000)?;
        let values = eigen.eigenvalues.map(|value| value.max(1e-300).powf(exponent));
        Some(&eigen.eigenvectors * DMatrix::from_diagonal(&values) * eigen.eigenvectors.transpose())
    };
    let (root, inverse) = (power(c.clone(), 0.5)?, power(c, -0.5)?);
    let middle = &root * x * &root;
    // Rounding must not make it asymmetric.
    let middle = power((&middle + middle.transpose()) * 0.5, 0.5)?;
    let mean = &inverse * middle * &inverse;
    Some((&mean + mean.transpose()) * 0.5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Generator;
    use rand_distr::{Distribution, StandardNormal};

    /// Draws of a normal distribution whose covariance is 1 but along one direction, where it is 100, and their gradients.
    fn metric(dim: usize, count: usize) -> (Metric, Vec<f64>) {
        let mut generator = Generator::new(9);
        let mut along: Vec<f64> = (0..dim).map(|k| 1.0 + (k as f64).sin()).collect();
        let norm = along.iter().map(|x| x * x).sum::<f64>().sqrt();
        along.iter_mut().for_each(|x| *x /= norm);
        let mut pairs = Pairs::default();
        for _ in 0..count {
            let z: Vec<f64> = (0..dim).map(|_| StandardNormal.sample(&mut generator)).collect();
            let dot: f64 = z.iter().zip(&along).map(|(z, u)| z * u).sum();
            let x: Vec<f64> = z.iter().zip(&along).map(|(z, u)| z + 9.0 * dot * u).collect();
            let gradient: Vec<f64> = z.iter().zip(&along).map(|(z, u)| -(z - 0.9 * dot * u)).collect();
            pairs.add(&x, &gradient);
        }
        (pairs.metric(&vec![1.0; dim], &vec![0.0; dim], &vec![0.0; dim]).unwrap(), along)
    }

    #[test]
    fn a_direction_is_found_with_fewer_draws_than_coordinates() {
        for (dim, count, least) in [(200, 40, 10.0), (20, 100, 40.0), (2, 50, 40.0)] {
            let (metric, along) = metric(dim, count);
            let mut v = vec![0.0; dim];
            metric.velocity(&along, &mut v);
            let variance: f64 = v.iter().zip(&along).map(|(v, u)| v * u).sum();
            // A draw of unit variance among n pulls 100 to about 100 / √(1 + 100 / n), and the direction found is not quite the true
            // one where coordinates are more than draws; a diagonal metric stays near 1.
            assert!((least..140.0).contains(&variance), "{dim} {count}: {variance}");
        }
    }
}
