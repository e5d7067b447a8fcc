//! Dense factorizations and solves of array code, and their derivatives.

use super::axis::{self, Axis};
use super::factor::{self, subtract};
use super::graph::Linear;
use super::run::{Width, dot};

/// Runs an operation on arrays over axes, for every position of the axes that are not of its matrices.
pub fn run(width: Width, op: &Linear, args: &[(&[Axis], &[f64])], axes: &[Axis], out: &mut [f64], work: &mut Vec<f64>) {
    let (row, col) = match op {
        Linear::Cholesky(r, c) | Linear::CholeskyBack(r, c) | Linear::Inverse(r, c) | Linear::LogDet(r, c) => (*r, *c),
        Linear::SolveLower { row, col, .. } | Linear::SolveUpper { row, col, .. } => (*row, *col),
    };
    let n = row.extent as usize;
    let (a_axes, a) = args[0];
    let lanes = axis::minus(&args.iter().fold(axes.to_vec(), |all, (axes, _)| axis::union(&all, axes)), &[row, col]);
    let blocks = match op {
        Linear::Cholesky(..) | Linear::CholeskyBack(..) => factor::work(n),
        _ => 0,
    };
    // Everything that is read here is written before.
    let size = 2 * n * n + n + blocks;
    if work.len() < size {
        work.resize(size, 0.0);
    }
    let (m, rest) = work[..size].split_at_mut(n * n);
    let second_axes = args.get(1).map_or(&[][..], |arg| arg.0);
    let second = args.get(1).map_or(&[][..], |arg| arg.1);
    let at = |axes: &[Axis]| {
        let strides = axis::strides(axes, &[row, col]);
        (strides[0], strides[1])
    };
    let starts = [axis::strides(a_axes, &lanes), axis::strides(second_axes, &lanes), axis::strides(axes, &lanes)];
    let mut lane = vec![0u32; lanes.len()];
    let mut loaded = usize::MAX;
    for _ in 0..axis::size(&lanes) {
        let place = |k: usize| -> usize { starts[k].iter().zip(&lane).map(|(step, at)| step * *at as usize).sum() };
        let (i, b, o) = (place(0), place(1), place(2));
        if i != loaded {
            load(a, i, at(a_axes), n, m);
            loaded = i;
        }
        match op {
            Linear::Cholesky(..) => {
                factor::cholesky(width, n, m, rest);
                store(out, o, at(axes), n, m);
                loaded = usize::MAX;
            }
            Linear::CholeskyBack(..) => {
                let (d, rest) = rest.split_at_mut(n * n);
                load(second, b, at(second_axes), n, d);
                factor::cholesky_back(width, n, m, d, rest);
                store(out, o, at(axes), n, d);
            }
            Linear::SolveLower { transposed, .. } | Linear::SolveUpper { transposed, .. } => {
                let lower = matches!(op, Linear::SolveLower { .. });
                let (from, to) = if *transposed { (col, row) } else { (row, col) };
                let x = &mut rest[..n];
                let (step, out_step) = (axis::strides(second_axes, &[from])[0], axis::strides(axes, &[to])[0]);
                for (k, x) in x.iter_mut().enumerate() {
                    *x = second[b + k * step];
                }
                solve(n, m, x, lower, *transposed);
                for (k, x) in x.iter().enumerate() {
                    out[o + k * out_step] = *x;
                }
            }
            Linear::Inverse(..) => {
                let inverse = &mut rest[..n * n];
                invert(n, m, inverse);
                store(out, o, at(axes), n, inverse);
                loaded = usize::MAX;
            }
            Linear::LogDet(..) => {
                out[o] = log_determinant(n, m);
                loaded = usize::MAX;
            }
        }
        for k in (0..lanes.len()).rev() {
            lane[k] += 1;
            if lane[k] < lanes[k].extent {
                break;
            }
            lane[k] = 0;
        }
    }
}

/// Solves a triangular system in place.
fn solve(n: usize, m: &[f64], x: &mut [f64], lower: bool, transposed: bool) {
    // The transpose of a lower triangle is solved from its end.
    match (lower, transposed) {
        (true, false) => {
            for k in 0..n {
                x[k] = (x[k] - dot(&m[k * n..k * n + k], &x[..k])) / m[k * n + k];
            }
        }
        (true, true) => {
            for k in (0..n).rev() {
                x[k] /= m[k * n + k];
                let (before, here) = x.split_at_mut(k);
                subtract(before, here[0], &m[k * n..k * n + k]);
            }
        }
        (false, false) => {
            for k in (0..n).rev() {
                x[k] = (x[k] - dot(&m[k * n + k + 1..(k + 1) * n], &x[k + 1..])) / m[k * n + k];
            }
        }
        (false, true) => {
            for k in 0..n {
                x[k] /= m[k * n + k];
                let (here, after) = x.split_at_mut(k + 1);
                subtract(after, here[k], &m[k * n + k + 1..(k + 1) * n]);
            }
        }
    }
}

fn load(from: &[f64], start: usize, (row, col): (usize, usize), n: usize, m: &mut [f64]) {
    for i in 0..n {
        if col == 1 {
            m[i * n..(i + 1) * n].copy_from_slice(&from[start + i * row..start + i * row + n]);
        } else {
            for j in 0..n {
                m[i * n + j] = from[start + i * row + j * col];
            }
        }
    }
}

fn store(to: &mut [f64], start: usize, (row, col): (usize, usize), n: usize, m: &[f64]) {
    for i in 0..n {
        if col == 1 {
            to[start + i * row..start + i * row + n].copy_from_slice(&m[i * n..(i + 1) * n]);
        } else {
            for j in 0..n {
                to[start + i * row + j * col] = m[i * n + j];
            }
        }
    }
}

/// The inverse of a general matrix by elimination with pivots; not finite for a singular one. The matrix is destroyed.
fn invert(n: usize, m: &mut [f64], inverse: &mut [f64]) {
    inverse.fill(0.0);
    for i in 0..n {
        inverse[i * n + i] = 1.0;
    }
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| m[a * n + k].abs().total_cmp(&m[b * n + k].abs())).unwrap_or(k);
        if pivot != k {
            for j in 0..n {
                m.swap(k * n + j, pivot * n + j);
                inverse.swap(k * n + j, pivot * n + j);
            }
        }
        let scale = 1.0 / m[k * n + k];
        for j in 0..n {
            m[k * n + j] *= scale;
            inverse[k * n + j] *= scale;
        }
        for i in 0..n {
            let factor = m[i * n + k];
            if i != k && factor != 0.0 {
                for j in 0..n {
                    m[i * n + j] -= factor * m[k * n + j];
                    inverse[i * n + j] -= factor * inverse[k * n + j];
                }
            }
        }
    }
}

/// The log of the absolute value of the determinant. The matrix is destroyed.
fn log_determinant(n: usize, m: &mut [f64]) -> f64 {
    let mut sum = 0.0;
    for k in 0..n {
        let pivot = (k..n).max_by(|a, b| m[a * n + k].abs().total_cmp(&m[b * n + k].abs())).unwrap_or(k);
        for j in 0..n {
            m.swap(k * n + j, pivot * n + j);
        }
        let diagonal = m[k * n + k];
        sum += diagonal.abs().ln();
        for i in k + 1..n {
            let factor = m[i * n + k] / diagonal;
            for j in k..n {
                m[i * n + j] -= factor * m[k * n + j];
            }
        }
    }
    sum
}
