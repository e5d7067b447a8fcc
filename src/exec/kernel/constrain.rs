//! Constraint transforms of every lane of an array.

use super::axis::{self, Axis};
use super::graph::Op;
use super::transform;

/// Runs [`Op::Constrain`], [`Op::Jacobian`] or [`Op::ConstrainBack`] on arrays over axes.
pub fn run(op: &Op, args: &[(&[Axis], &[f64])], axes: &[Axis], out: &mut [f64], work: &mut Vec<f64>) {
    let (Op::Constrain { shape, from, to } | Op::Jacobian { shape, from, to } | Op::ConstrainBack { shape, from, to }) =
        op
    else {
        return;
    };
    let (shape, k) = (*shape, to[0].extent as usize);
    let size = if shape.is_matrix() { k * k } else { k };
    let (x_axes, x) = args[0];
    let lanes = axis::minus(x_axes, &[*from]);
    let n = from.extent as usize;
    work.clear();
    work.resize(2 * n + size + 4 * k * k, 0.0);
    let (point, rest) = work.split_at_mut(n);
    let (dx, rest) = rest.split_at_mut(n);
    let (y, rest) = rest.split_at_mut(size);
    let step = axis::strides(x_axes, &[*from])[0];
    let starts = axis::strides(x_axes, &lanes);
    // Where elements of the constrained value lie in an array over these axes.
    let places = |axes: &[Axis]| {
        let strides = axis::strides(axes, to);
        (strides[0], if shape.is_matrix() { strides[1] } else { 0 })
    };
    let each = |steps: (usize, usize), mut f: Box<dyn FnMut(usize, usize) + '_>| {
        if shape.is_matrix() {
            for i in 0..k {
                for j in 0..k {
                    f(i * k + j, i * steps.0 + j * steps.1);
                }
            }
        } else {
            for i in 0..k {
                f(i, i * steps.0);
            }
        }
    };
    match op {
        Op::Constrain { .. } => {
            let steps = places(axes);
            axis::walk(&lanes, [&starts, &axis::strides(axes, &lanes)], |[i, o]| {
                load(x, i, step, point);
                transform::forward(shape, k, point, y);
                each(steps, Box::new(|at, to| out[o + to] = y[at]));
            });
        }
        Op::Jacobian { .. } => {
            axis::walk(&lanes, [&starts, &axis::strides(axes, &lanes)], |[i, o]| {
                load(x, i, step, point);
                out[o] = transform::forward(shape, k, point, y);
            });
        }
        _ => {
            let ((y_axes, dy), (j_axes, dj)) = (args[1], args[2]);
            let steps = places(y_axes);
            let strides = [
                &starts[..],
                &axis::strides(y_axes, &lanes),
                &axis::strides(j_axes, &lanes),
                &axis::strides(axes, &lanes),
            ];
            let out_step = axis::strides(axes, &[*from])[0];
            axis::walk(&lanes, strides, |[i, a, j, o]| {
                load(x, i, step, point);
                each(steps, Box::new(|at, from| y[at] = dy[a + from]));
                transform::back(shape, k, point, y, dj[j], dx, rest);
                for (m, d) in dx.iter().enumerate() {
                    out[o + m * out_step] = *d;
                }
            });
        }
    }
}

fn load(x: &[f64], start: usize, step: usize, point: &mut [f64]) {
    for (m, p) in point.iter_mut().enumerate() {
        *p = x[start + m * step];
    }
}
