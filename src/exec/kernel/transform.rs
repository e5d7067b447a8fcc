//! Maps between the real line and the supports of choices, with their log Jacobians.
//!
//! The forms are those of the Stan Reference Manual, chapter Constraint transforms.

use super::graph::Shape;
use crate::prim::numeric::elementary::{inv_logit, log1p_exp, logit};

impl Shape {
    /// The number of unconstrained coordinates of a vector of length `k`, or of a `k` × `k` matrix.
    pub fn coordinates(self, k: usize) -> usize {
        match self {
            Shape::Simplex => k.saturating_sub(1),
            Shape::Ordered | Shape::PositiveOrdered | Shape::UnitVector => k,
            Shape::CorrCholesky | Shape::Corr => k * k.saturating_sub(1) / 2,
            Shape::CovCholesky | Shape::PosDef => k * (k + 1) / 2,
        }
    }

    /// Whether the constrained value is a matrix.
    pub fn is_matrix(self) -> bool {
        matches!(self, Shape::CorrCholesky | Shape::CovCholesky | Shape::Corr | Shape::PosDef)
    }
}

fn log1m_square(z: f64) -> f64 {
    (-z * z).ln_1p()
}

/// The constrained value, by rows, and the log Jacobian.
pub fn forward(shape: Shape, k: usize, x: &[f64], y: &mut [f64]) -> f64 {
    let mut jacobian = 0.0;
    match shape {
        Shape::Simplex => {
            let mut stick = 1.0;
            for (i, x) in x.iter().enumerate() {
                let at = x - ((k - 1 - i) as f64).ln();
                jacobian += f64::ln(stick) - log1p_exp(-at) - log1p_exp(at);
                y[i] = stick * inv_logit(at);
                stick *= inv_logit(-at);
            }
            y[k - 1] = stick;
        }
        Shape::Ordered => {
            let mut at = x[0];
            y[0] = at;
            for i in 1..k {
                at += x[i].exp();
                jacobian += x[i];
                y[i] = at;
            }
        }
        Shape::PositiveOrdered => {
            let mut at = 0.0;
            for i in 0..k {
                at += x[i].exp();
                jacobian += x[i];
                y[i] = at;
            }
        }
        Shape::UnitVector => {
            let square: f64 = x.iter().map(|x| x * x).sum();
            let norm = square.sqrt();
            for (y, x) in y.iter_mut().zip(x) {
                *y = x / norm;
            }
            jacobian = -0.5 * square;
        }
        Shape::CorrCholesky => {
            y.fill(0.0);
            let mut at = 0;
            for i in 0..k {
                // What is left of the unit length of the row.
                let mut left: f64 = 1.0;
                for j in 0..i {
                    let z = x[at].tanh();
                    jacobian += log1m_square(z) + 0.5 * left.ln();
                    at += 1;
                    y[i * k + j] = z * left.sqrt();
                    left *= 1.0 - z * z;
                }
                y[i * k + i] = left.sqrt();
            }
        }
        Shape::CovCholesky => {
            y.fill(0.0);
            let mut at = 0;
            for i in 0..k {
                y[i * k..i * k + i].copy_from_slice(&x[at..at + i]);
                at += i;
                y[i * k + i] = x[at].exp();
                jacobian += x[at];
                at += 1;
            }
        }
        Shape::Corr | Shape::PosDef => {
            let factor = factor_of(shape);
            jacobian = forward(factor, k, x, y);
            jacobian += factor_jacobian(shape, k, y);
            // In place: row i of the product needs rows up to i of the factor.
            for i in (0..k).rev() {
                for j in (0..=i).rev() {
                    let dot: f64 = (0..=j).map(|m| y[i * k + m] * y[j * k + m]).sum();
                    y[i * k + j] = dot;
                }
            }
            for i in 0..k {
                for j in i + 1..k {
                    y[i * k + j] = y[j * k + i];
                }
            }
        }
    }
    jacobian
}

fn factor_of(shape: Shape) -> Shape {
    if shape == Shape::Corr { Shape::CorrCholesky } else { Shape::CovCholesky }
}

/// How often the diagonal element `j` of the factor counts in the Jacobian of its square.
fn weight(shape: Shape, k: usize, j: usize) -> f64 {
    if shape == Shape::Corr { (k - 1 - j) as f64 } else { (k - j) as f64 }
}

fn factor_jacobian(shape: Shape, k: usize, l: &[f64]) -> f64 {
    let constant = if shape == Shape::PosDef { k as f64 * std::f64::consts::LN_2 } else { 0.0 };
    constant + (0..k).map(|j| weight(shape, k, j) * l[j * k + j].ln()).sum::<f64>()
}

/// The derivative by the unconstrained vector, from those by the constrained value and by the log Jacobian. `work` has room for
/// `4 * k * k` numbers.
pub fn back(shape: Shape, k: usize, x: &[f64], dy: &[f64], dj: f64, dx: &mut [f64], work: &mut [f64]) {
    match shape {
        Shape::Simplex => {
            let sticks = &mut work[..k];
            let mut stick = 1.0;
            for (i, x) in x.iter().enumerate() {
                sticks[i] = stick;
                stick *= inv_logit(-(x - ((k - 1 - i) as f64).ln()));
            }
            let mut ds = dy[k - 1];
            for i in (0..k - 1).rev() {
                let at = x[i] - ((k - 1 - i) as f64).ln();
                let (z, rest, stick) = (inv_logit(at), inv_logit(-at), sticks[i]);
                dx[i] = (dy[i] - ds) * stick * z * rest + dj * (rest - z);
                ds = dy[i] * z + ds * rest + dj / stick;
            }
        }
        Shape::Ordered | Shape::PositiveOrdered => {
            let mut after = 0.0;
            for i in (0..k).rev() {
                after += dy[i];
                dx[i] = if i == 0 && shape == Shape::Ordered { after } else { after * x[i].exp() + dj };
            }
        }
        Shape::UnitVector => {
            let norm = x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let dot: f64 = x.iter().zip(dy).map(|(x, d)| x * d).sum::<f64>() / (norm * norm);
            for ((dx, x), d) in dx.iter_mut().zip(x).zip(dy) {
                *dx = (d - dot * x) / norm - dj * x;
            }
        }
        Shape::CorrCholesky => {
            let (zs, lefts) = work.split_at_mut(k * k);
            let mut at = 0;
            for i in 0..k {
                let mut left: f64 = 1.0;
                for j in 0..i {
                    zs[i * k + j] = x[at].tanh();
                    lefts[i * k + j] = left;
                    left *= 1.0 - zs[i * k + j] * zs[i * k + j];
                    at += 1;
                }
                // The derivative by what is left, from the diagonal on.
                let mut dl = if left > 0.0 { 0.5 * dy[i * k + i] / left.sqrt() } else { 0.0 };
                for j in (0..i).rev() {
                    let (z, left) = (zs[i * k + j], lefts[i * k + j]);
                    let root = left.sqrt();
                    let rest = 1.0 - z * z;
                    let dz = dy[i * k + j] * root - 2.0 * z * left * dl;
                    dl = dl * rest + 0.5 * dy[i * k + j] * z / root + 0.5 * dj / left;
                    dx[at - i + j] = dz * rest - 2.0 * dj * z;
                }
            }
        }
        Shape::CovCholesky => {
            let mut at = 0;
            for i in 0..k {
                dx[at..at + i].copy_from_slice(&dy[i * k..i * k + i]);
                at += i;
                dx[at] = dy[i * k + i] * x[at].exp() + dj;
                at += 1;
            }
        }
        Shape::Corr | Shape::PosDef => {
            let factor = factor_of(shape);
            let (l, rest) = work.split_at_mut(k * k);
            let (dl, rest) = rest.split_at_mut(k * k);
            dl.fill(0.0);
            forward(factor, k, x, l);
            for i in 0..k {
                for j in 0..=i {
                    // Of both triangles, each of which the value may be read in.
                    dl[i * k + j] = (0..k).map(|m| (dy[i * k + m] + dy[m * k + i]) * l[m * k + j]).sum();
                }
                dl[i * k + i] += dj * weight(shape, k, i) / l[i * k + i];
            }
            back(factor, k, x, dl, dj, dx, rest);
        }
    }
}

/// The unconstrained vector of a constrained value; not finite where the value is on the border or outside.
pub fn inverse(shape: Shape, k: usize, y: &[f64], x: &mut [f64]) {
    match shape {
        Shape::Simplex => {
            // What is left is added up from the end, which keeps its digits.
            let mut after: f64 = y[k - 1];
            for i in (0..k - 1).rev() {
                x[i] = (y[i] / after).ln() + ((k - 1 - i) as f64).ln();
                after += y[i];
            }
        }
        Shape::Ordered | Shape::PositiveOrdered => {
            for i in (1..k).rev() {
                x[i] = (y[i] - y[i - 1]).ln();
            }
            x[0] = if shape == Shape::Ordered { y[0] } else { y[0].ln() };
        }
        Shape::UnitVector => x.copy_from_slice(y),
        Shape::CorrCholesky => {
            let mut at = 0;
            for i in 0..k {
                let mut left = 1.0;
                for j in 0..i {
                    let z: f64 = y[i * k + j] / f64::sqrt(left);
                    x[at] = z.atanh();
                    left *= 1.0 - z * z;
                    at += 1;
                }
            }
        }
        Shape::CovCholesky => {
            let mut at = 0;
            for i in 0..k {
                x[at..at + i].copy_from_slice(&y[i * k..i * k + i]);
                at += i;
                x[at] = y[i * k + i].ln();
                at += 1;
            }
        }
        Shape::Corr | Shape::PosDef => {
            let mut l = y.to_vec();
            super::factor::cholesky_small(k, &mut l);
            inverse(factor_of(shape), k, &l, x);
        }
    }
}

/// A number between two bounds, either of which may be infinite, and the log Jacobian.
pub fn between(low: f64, high: f64, x: f64) -> (f64, f64) {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => {
            let jacobian = (high - low).ln() - log1p_exp(-x) - log1p_exp(x);
            (low + (high - low) * inv_logit(x), jacobian)
        }
        (true, false) => (low + x.exp(), x),
        (false, true) => (high - x.exp(), x),
        (false, false) => (x, 0.0),
    }
}

/// The inverse of [`between`].
pub fn between_inverse(low: f64, high: f64, y: f64) -> f64 {
    match (low.is_finite(), high.is_finite()) {
        (true, true) => logit((y - low) / (high - low)),
        (true, false) => (y - low).ln(),
        (false, true) => (high - y).ln(),
        (false, false) => y,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use nalgebra::DMatrix;

    const SHAPES: [Shape; 8] = [
        Shape::Simplex,
        Shape::Ordered,
        Shape::PositiveOrdered,
        Shape::UnitVector,
        Shape::CorrCholesky,
        Shape::CovCholesky,
        Shape::Corr,
        Shape::PosDef,
    ];

    fn point(n: usize, seed: u64) -> Vec<f64> {
        let mut generator = crate::value::Generator::new(seed);
        (0..n).map(|_| 2.4 * generator.uniform() - 1.2).collect()
    }

    /// The coordinates of a constrained value that decide the others.
    fn free(shape: Shape, k: usize) -> Vec<usize> {
        let lower =
            |strict: bool| (0..k).flat_map(move |i| (0..i + usize::from(!strict)).map(move |j| i * k + j)).collect();
        match shape {
            Shape::Simplex => (0..k - 1).collect(),
            Shape::Ordered | Shape::PositiveOrdered | Shape::UnitVector => (0..k).collect(),
            Shape::CorrCholesky | Shape::Corr => lower(true),
            Shape::CovCholesky | Shape::PosDef => lower(false),
        }
    }

    #[test]
    fn values_come_back_and_jacobians_are_those_of_differences() {
        for shape in SHAPES {
            for k in [2, 3, 5] {
                let n = shape.coordinates(k);
                let size = if shape.is_matrix() { k * k } else { k };
                let x = point(n, 7 + k as u64);
                let mut y = vec![0.0; size];
                let jacobian = forward(shape, k, &x, &mut y);
                let mut again = vec![0.0; n];
                inverse(shape, k, &y, &mut again);
                if shape == Shape::UnitVector {
                    // Only the direction can come back; the length has a density of its own.
                    continue;
                }
                for (a, b) in x.iter().zip(&again) {
                    assert!((a - b).abs() < 1e-12, "{shape:?} {k}: {a} {b}");
                }
                let rows = free(shape, k);
                let numeric = DMatrix::from_fn(n, n, |i, j| {
                    let at = |h: f64| {
                        let mut moved = x.clone();
                        moved[j] += h;
                        let mut y = vec![0.0; size];
                        forward(shape, k, &moved, &mut y);
                        y[rows[i]]
                    };
                    // Richardson's extrapolation of central differences.
                    let d = |h: f64| (at(h) - at(-h)) / (2.0 * h);
                    let h = 2e-3;
                    (64.0 * d(h / 4.0) - 20.0 * d(h / 2.0) + d(h)) / 45.0
                });
                let numeric = numeric.determinant().abs().ln();
                assert!((numeric - jacobian).abs() < 1e-9, "{shape:?} {k}: {numeric} {jacobian}");
            }
        }
    }

    #[test]
    fn derivatives_are_those_of_differences() {
        for shape in SHAPES {
            for k in [1, 2, 4] {
                let n = shape.coordinates(k);
                let size = if shape.is_matrix() { k * k } else { k };
                let x = point(n, 40 + k as u64);
                let weights = point(size, 80);
                let value = |x: &[f64]| {
                    let mut y = vec![0.0; size];
                    let jacobian = forward(shape, k, x, &mut y);
                    y.iter().zip(&weights).map(|(y, w)| y * w).sum::<f64>() + 0.7 * jacobian
                };
                let mut dx = vec![0.0; n];
                back(shape, k, &x, &weights, 0.7, &mut dx, &mut vec![0.0; 4 * k * k]);
                for j in 0..n {
                    let at = |h: f64| {
                        let mut moved = x.clone();
                        moved[j] += h;
                        value(&moved)
                    };
                    let d = |h: f64| (at(h) - at(-h)) / (2.0 * h);
                    let h = 2e-3;
                    let numeric = (64.0 * d(h / 4.0) - 20.0 * d(h / 2.0) + d(h)) / 45.0;
                    assert!((numeric - dx[j]).abs() < 1e-9, "{shape:?} {k} {j}: {numeric} {}", dx[j]);
                }
            }
        }
    }

    #[test]
    fn bounded_numbers_come_back() {
        for (low, high) in
            [(0.0, 1.0), (-2.0, f64::INFINITY), (f64::NEG_INFINITY, 3.0), (f64::NEG_INFINITY, f64::INFINITY)]
        {
            for x in [-3.0, 0.25, 5.0] {
                let (y, jacobian) = between(low, high, x);
                assert!((between_inverse(low, high, y) - x).abs() < 1e-11);
                let d = |h: f64| (between(low, high, x + h).0 - between(low, high, x - h).0) / (2.0 * h);
                let numeric = ((4.0 * d(5e-5) - d(1e-4)) / 3.0).abs().ln();
                assert!((numeric - jacobian).abs() < 1e-9, "{low} {high} {x}");
            }
        }
    }
}
