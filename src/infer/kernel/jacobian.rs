//! The log absolute determinant of the Jacobian of a map, by extrapolated central differences.

use crate::value::Fault;

/// Steps of the extrapolation, and the ratio of one step length to the next (Ridders 1982).
const ROUNDS: usize = 10;
const RATIO: f64 = 1.4;
/// The error, relative to the derivative, that is small enough.
const CLOSE: f64 = 1e-12;
/// How often the first step is made shorter where the map has no value.
const RETRIES: usize = 12;

/// A map of numbers; none where it has no value.
type Map<'m> = &'m mut dyn FnMut(&[f64]) -> Result<Option<Vec<f64>>, Fault>;

/// The log absolute determinant of the Jacobian at `x` of a map from as many numbers to as many; none where the map has no value near.
/// Each derivative is a limit of central differences by Richardson's extrapolation, with its order chosen by the estimated error
/// (Ridders 1982): some twelve digits for smooth maps.
pub(super) fn log_abs_det(x: &[f64], map: Map<'_>) -> Result<Option<f64>, Fault> {
    let n = x.len();
    let mut columns = Vec::with_capacity(n);
    for k in 0..n {
        match derivative(x, k, map)? {
            Some(column) => columns.push(column),
            None => return Ok(None),
        }
    }
    let mut matrix = vec![0.0; n * n];
    for (k, column) in columns.iter().enumerate() {
        for (i, entry) in column.iter().enumerate().take(n) {
            matrix[i * n + k] = *entry;
        }
    }
    Ok(Some(determinant(matrix, n)))
}

/// The derivatives of all outputs by one input.
fn derivative(x: &[f64], k: usize, map: Map<'_>) -> Result<Option<Vec<f64>>, Fault> {
    let mut first = 0.05 * x[k].abs().max(0.2);
    'shorter: for _ in 0..RETRIES {
        let mut difference = |step: f64| -> Result<Option<Vec<f64>>, Fault> {
            let (mut low, mut high) = (x.to_vec(), x.to_vec());
            low[k] -= step;
            high[k] += step;
            // The points as they were rounded.
            let width = high[k] - low[k];
            let (Some(low), Some(high)) = (map(&low)?, map(&high)?) else { return Ok(None) };
            if low.len() != high.len() {
                return Ok(None);
            }
            Ok(Some(low.iter().zip(&high).map(|(a, b)| (b - a) / width).collect()))
        };
        // Rows of the tableau of Neville, and the best entry so far with its error, for every output.
        let mut row: Vec<Vec<f64>> = Vec::new();
        let mut best: Vec<(f64, f64)> = Vec::new();
        let mut step = first;
        for round in 0..ROUNDS {
            let Some(start) = difference(step)? else {
                first *= 0.1;
                continue 'shorter;
            };
            let mut next = vec![start];
            for order in 0..round {
                let factor = RATIO.powi(2 * (order as i32 + 1));
                let refined =
                    next[order].iter().zip(&row[order]).map(|(new, old)| (new * factor - old) / (factor - 1.0));
                let refined: Vec<f64> = refined.collect();
                for (i, value) in refined.iter().enumerate() {
                    let error = (value - next[order][i]).abs().max((value - row[order][i]).abs());
                    if error < best[i].1 {
                        best[i] = (*value, error);
                    }
                }
                next.push(refined);
            }
            if round == 0 {
                best = next[0].iter().map(|value| (*value, f64::INFINITY)).collect();
            }
            row = next;
            step /= RATIO;
            // Smooth maps need few steps, linear ones two.
            if best.iter().all(|(value, error)| *error <= CLOSE * (1.0 + value.abs())) {
                break;
            }
        }
        return Ok(Some(best.into_iter().map(|(value, _)| value).collect()));
    }
    Ok(None)
}

/// The log absolute determinant, by elimination with partial pivoting.
fn determinant(mut m: Vec<f64>, n: usize) -> f64 {
    let mut log = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|i, j| m[i * n + k].abs().total_cmp(&m[j * n + k].abs())).unwrap_or(k);
        if m[pivot * n + k] == 0.0 {
            return f64::NEG_INFINITY;
        }
        if pivot != k {
            for j in 0..n {
                m.swap(k * n + j, pivot * n + j);
            }
        }
        log += m[k * n + k].abs().ln();
        for i in k + 1..n {
            let factor = m[i * n + k] / m[k * n + k];
            for j in k..n {
                m[i * n + j] -= factor * m[k * n + j];
            }
        }
    }
    log
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn determinants_agree_with_those_by_hand() {
        // Polar coordinates: the determinant is r.
        for r in [0.01, 0.7, 3.0, 250.0] {
            let mut map = |x: &[f64]| Ok((x[0] > 0.0).then(|| vec![x[0] * x[1].cos(), x[0] * x[1].sin()]));
            let found = log_abs_det(&[r, 0.4], &mut map).unwrap().unwrap();
            assert!((found - r.ln()).abs() < 1e-9, "{r}: {found}");
        }
        // exp and a shear: the determinant is exp(x) 2.
        let mut map = |x: &[f64]| Ok(Some(vec![x[0].exp(), 2.0 * x[1] - x[0].powi(3)]));
        let found = log_abs_det(&[1.3, -2.0], &mut map).unwrap().unwrap();
        assert!((found - 1.3 - 2f64.ln()).abs() < 1e-10, "{found}");
        let mut nowhere = |_: &[f64]| Ok(None);
        assert_eq!(log_abs_det(&[1.0], &mut nowhere).unwrap(), None);
    }
}
