//! Normal vectors moved by linear maps and conditioned on observations, each in one step: filters do little else.

use super::Row;
use super::arguments::{take_matrix, take_reals};
use crate::value::{Fault, Matrix, Value};

pub(super) const ROWS: &[Row] = &[
    Row::general(
        "fn normal_through(mean: [Real], covariance: Matrix, map: Matrix, noise: Matrix) -> ([Real], Matrix)",
        "Mean and covariance matrix of `map @ x` plus noise, for a normal vector `x` and independent normal noise: `map @ mean` and \
         `map @ covariance @ transpose(map) + noise`.\n\
         example: normal_through([1.0], identity(1), 2 * identity(1), identity(1)) == ([2.0], 5 * identity(1))",
        |args| {
            let (mean, covariance) = (take_reals(args, 0)?, take_matrix(args, 1)?);
            let (map, noise) = (take_matrix(args, 2)?, take_matrix(args, 3)?);
            fitting("normal_through", &mean, &covariance, &map, &noise)?;
            let across = times(&map, &covariance);
            let spread = spread(&across, &map, &noise);
            Ok(Value::tuple(vec![Value::reals(image(&map, &mean)), Value::matrix(map.rows, map.rows, spread)]))
        },
    ),
    Row::general(
        "fn normal_given(mean: [Real], covariance: Matrix, map: Matrix, noise: Matrix, y: [Real]) -> ([Real], Matrix, Real)",
        "Mean and covariance matrix of a normal vector `x` given that `map @ x` plus independent normal noise is `y`, and the log density of `y`.\n\
         example: normal_given([0.0], 3 * identity(1), identity(1), identity(1), [4.0]) == ([3.0], 0.75 * identity(1), logp(Normal(0, 2), 4))",
        |args| {
            let (mean, covariance) = (take_reals(args, 0)?, take_matrix(args, 1)?);
            let (map, noise, y) = (take_matrix(args, 2)?, take_matrix(args, 3)?, take_reals(args, 4)?);
            fitting("normal_given", &mean, &covariance, &map, &noise)?;
            if y.len() != map.rows {
                let found = y.len();
                return Err(Fault::error(format!(
                    "normal_given with a map to {} numbers and {found} observed",
                    map.rows
                )));
            }
            let (k, n) = (map.rows, map.cols);
            let mut half = times(&map, &covariance);
            let mut root = spread(&half, &map, &noise);
            factor(&mut root, k)?;
            let mut rest: Vec<f64> = y.iter().zip(image(&map, &mean)).map(|(y, center)| y - center).collect();
            // half = root^-1 map covariance, rest = root^-1 (y - map mean), row by row.
            for i in 0..k {
                let pivot = root[i * k + i];
                for j in 0..i {
                    let (factor, known) = (root[i * k + j], rest[j]);
                    rest[i] -= factor * known;
                    for c in 0..n {
                        half[i * n + c] -= factor * half[j * n + c];
                    }
                }
                rest[i] /= pivot;
                half[i * n..(i + 1) * n].iter_mut().for_each(|x| *x /= pivot);
            }
            let mut given = mean.to_vec();
            let mut left = covariance.data.clone();
            for i in 0..k {
                let row = &half[i * n..(i + 1) * n];
                for a in 0..n {
                    given[a] += row[a] * rest[i];
                    for b in 0..n {
                        left[a * n + b] -= row[a] * row[b];
                    }
                }
            }
            let squares: f64 = rest.iter().map(|z| z * z).sum();
            let scale: f64 = (0..k).map(|i| root[i * k + i].ln()).sum();
            let density = -0.5 * squares - scale - 0.918_938_533_204_672_7 * k as f64;
            Ok(Value::tuple(vec![Value::reals(given), Value::matrix(n, n, left), Value::Real(density)]))
        },
    ),
];

fn size(m: &Matrix) -> String {
    format!("{} × {}", m.rows, m.cols)
}

/// Whether the sizes fit each other.
fn fitting(function: &str, mean: &[f64], covariance: &Matrix, map: &Matrix, noise: &Matrix) -> Result<(), Fault> {
    let n = mean.len();
    if (covariance.rows, covariance.cols) != (n, n) {
        let found = size(covariance);
        return Err(Fault::error(format!(
            "{function} needs a {n} × {n} covariance matrix for a mean of length {n}, found {found}"
        )));
    }
    if map.cols != n {
        return Err(Fault::error(format!("{function} needs a map with {n} columns, found {}", size(map))));
    }
    if (noise.rows, noise.cols) != (map.rows, map.rows) {
        let k = map.rows;
        return Err(Fault::error(format!(
            "{function} needs a {k} × {k} covariance matrix of the noise, found {}",
            size(noise)
        )));
    }
    Ok(())
}

/// `map @ x`
fn image(map: &Matrix, x: &[f64]) -> Vec<f64> {
    (0..map.rows).map(|i| map.row(i).iter().zip(x).map(|(a, b)| a * b).sum()).collect()
}

/// `map @ m`, by rows.
fn times(map: &Matrix, m: &Matrix) -> Vec<f64> {
    let mut out = vec![0.0; map.rows * m.cols];
    for (i, out) in out.chunks_exact_mut(m.cols.max(1)).enumerate() {
        for (j, factor) in map.row(i).iter().enumerate() {
            if *factor != 0.0 {
                out.iter_mut().zip(m.row(j)).for_each(|(out, x)| *out += factor * x);
            }
        }
    }
    out
}

/// `across @ transpose(map) + noise`, where `across` is `map` times a symmetric matrix, so that the result is symmetric to the last bit.
fn spread(across: &[f64], map: &Matrix, noise: &Matrix) -> Vec<f64> {
    let (k, n) = (map.rows, map.cols);
    let mut out = noise.data.clone();
    for i in 0..k {
        for j in 0..=i {
            let sum: f64 = across[i * n..(i + 1) * n].iter().zip(map.row(j)).map(|(a, b)| a * b).sum();
            out[i * k + j] += sum;
            out[j * k + i] = out[i * k + j];
        }
    }
    out
}

/// The lower Cholesky factor of a symmetric matrix, in its place; what lies above the diagonal is left as it was.
fn factor(m: &mut [f64], k: usize) -> Result<(), Fault> {
    for i in 0..k {
        for j in 0..=i {
            let known: f64 = (0..j).map(|c| m[i * k + c] * m[j * k + c]).sum();
            let left = m[i * k + j] - known;
            if i > j {
                m[i * k + j] = left / m[j * k + j];
            } else if left > 0.0 && left.is_finite() {
                m[i * k + i] = left.sqrt();
            } else {
                return Err(Fault::domain("the covariance matrix of the observation is not positive definite")
                    .hint("noise of the observation makes it so: `1e-9 * identity(n)` at least"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Body, find};
    use super::*;

    fn call(name: &str, args: &[Value]) -> Result<Value, Fault> {
        let (_, row) = find(name).next().unwrap();
        let Body::General(f) = row.body else { unreachable!() };
        f(&mut args.to_vec())
    }

    #[test]
    fn conditioning_agrees_with_precisions() {
        // With one observed coordinate of two: the textbook formulas.
        let covariance = Value::matrix(2, 2, vec![2.0, 0.6, 0.6, 1.0]);
        let args = [
            Value::reals(vec![1.0, -1.0]),
            covariance,
            Value::matrix(1, 2, vec![1.0, 2.0]),
            Value::matrix(1, 1, vec![0.5]),
        ];
        let Value::Tuple(parts) = call("normal_given", &[&args[..], &[Value::reals(vec![2.0])]].concat()).unwrap()
        else {
            unreachable!()
        };
        let total = 2.0 + 4.0 * 0.6 + 4.0 + 0.5;
        let gain = [(2.0 + 1.2) / total, (0.6 + 2.0) / total];
        let (Value::Reals(mean), Value::Matrix(left), Value::Real(density)) = (&parts.0[0], &parts.0[1], &parts.0[2])
        else {
            unreachable!()
        };
        assert!((mean[0] - (1.0 + gain[0] * 3.0)).abs() < 1e-12 && (mean[1] - (-1.0 + gain[1] * 3.0)).abs() < 1e-12);
        assert!((left.at(0, 0) - (2.0 - gain[0] * 3.2)).abs() < 1e-12);
        assert!((left.at(1, 0) - (0.6 - gain[1] * 3.2)).abs() < 1e-12);
        assert_eq!(left.at(0, 1).to_bits(), left.at(1, 0).to_bits());
        let expected = -0.5 * 9.0 / total - 0.5 * (2.0 * std::f64::consts::PI * total).ln();
        assert!((density - expected).abs() < 1e-12);
        let Value::Tuple(moved) = call("normal_through", &args).unwrap() else { unreachable!() };
        assert_eq!(moved.0[0], Value::reals(vec![-1.0]));
        assert!((moved.0[1].element(0).unwrap().element(0).unwrap().as_real().unwrap() - total).abs() < 1e-12);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let eye = |n: usize| Value::matrix(n, n, (0..n * n).map(|k| f64::from(u8::from(k % (n + 1) == 0))).collect());
        let zeros = |n: usize| Value::reals(vec![0.0; n]);
        let message = |args: &[Value]| call("normal_given", args).unwrap_err().message;
        assert!(message(&[zeros(2), eye(1), eye(2), eye(2), zeros(2)]).contains("2 × 2 covariance"));
        assert!(message(&[zeros(2), eye(2), eye(1), eye(2), zeros(2)]).contains("2 columns"));
        assert!(message(&[zeros(2), eye(2), eye(2), eye(1), zeros(2)]).contains("of the noise"));
        assert!(message(&[zeros(2), eye(2), eye(2), eye(2), zeros(1)]).contains("1 observed"));
        let none = Value::matrix(1, 1, vec![0.0]);
        assert!(message(&[zeros(1), none.clone(), eye(1), none, zeros(1)]).contains("not positive definite"));
        assert!(call("normal_given", &[zeros(0), eye(0), eye(0), eye(0), zeros(0)]).is_ok());
    }
}
