//! The plain meaning of array operations: computes constants, and is what faster code is compared with.

use super::axis::{self, Axes, Axis};
use super::constrain;
use super::forward;
use super::graph::{F, Graph, Id, Op, Reduction};
use super::linear;
use super::run::Width;
use crate::exec::machine::scalar;
use crate::prim::Body;
use std::borrow::Cow;

/// Larger constants are left to be computed once by the executor.
pub const LARGEST: usize = 50_000_000;

/// An array over axes.
pub struct Array<'a> {
    pub axes: &'a [Axis],
    pub data: Cow<'a, [f64]>,
}

/// The value of an elementwise function at numbers.
pub fn apply(f: F, x: &[f64]) -> f64 {
    compute(f, body(f), x)
}

/// What computes a primitive.
fn body(f: F) -> Option<Body> {
    match f {
        F::Prim(row) => crate::prim::row(row as usize).map(|row| row.body),
        _ => None,
    }
}

#[inline(always)]
fn compute(f: F, body: Option<Body>, x: &[f64]) -> f64 {
    let truth = |b: bool| f64::from(u8::from(b));
    match f {
        F::Add => x[0] + x[1],
        F::Sub => x[0] - x[1],
        F::Mul => x[0] * x[1],
        F::Div => x[0] / x[1],
        F::Neg => -x[0],
        F::Pow => scalar::power(x[0], x[1]),
        F::Rem => scalar::remainder(x[0], x[1]),
        F::Lt => truth(x[0] < x[1]),
        F::Le => truth(x[0] <= x[1]),
        F::Eq => truth(x[0] == x[1]),
        F::Not => truth(x[0] == 0.0),
        F::And => truth(x[0] != 0.0 && x[1] != 0.0),
        F::Or => truth(x[0] != 0.0 || x[1] != 0.0),
        F::Select => {
            if x[0] != 0.0 {
                x[1]
            } else {
                x[2]
            }
        }
        F::Mask => {
            if x[0] == 0.0 {
                0.0
            } else {
                x[0] * x[1]
            }
        }
        F::Detach => x[0],
        F::Prim(_) => match body {
            Some(Body::Real1(f)) => f(x[0]),
            Some(Body::Real2(f)) => f(x[0], x[1]),
            Some(Body::Real3(f)) => f(x[0], x[1], x[2]),
            Some(Body::Truncate(f)) => f(x[0]).map_or(f64::NAN, |n| n as f64),
            Some(Body::Int1(f)) => f(x[0] as i64).map_or(f64::NAN, |n| n as f64),
            Some(Body::Int2(f)) => f(x[0] as i64, x[1] as i64).map_or(f64::NAN, |n| n as f64),
            _ => f64::NAN,
        },
    }
}

/// The value of a constant node; none where it has none, as an index out of range.
pub fn evaluate(graph: &Graph, id: Id) -> Option<Vec<f64>> {
    let node = graph.node(id);
    let arrays = node.args.iter().map(|arg| array(graph, *arg)).collect::<Option<Vec<_>>>()?;
    operate(&node.op, &arrays, &node.axes)
}

fn array(graph: &Graph, id: Id) -> Option<Array<'_>> {
    let node = graph.node(id);
    let data = match &node.op {
        Op::Scalar(bits) => Cow::Owned(vec![f64::from_bits(*bits)]),
        Op::Data(k) => Cow::Borrowed(graph.data[*k as usize].as_slice()),
        Op::Count(axis, offset) => {
            Cow::Owned((0..i64::from(axis.extent)).map(|k| (k + offset) as f64).collect::<Vec<f64>>())
        }
        _ => return None,
    };
    Some(Array { axes: &node.axes, data })
}

/// What an operation gives for arrays, laid out over `axes`.
pub fn operate(op: &Op, args: &[Array<'_>], axes: &Axes) -> Option<Vec<f64>> {
    let n = axis::size(axes);
    match op {
        Op::Map(f) => Some(map(*f, args, axes, n)),
        Op::Reduce(how, _) => {
            let x = &args[0];
            let start = match how {
                Reduction::Sum => 0.0,
                Reduction::Prod => 1.0,
                Reduction::Max => f64::NEG_INFINITY,
                Reduction::Min => f64::INFINITY,
            };
            let mut out = vec![start; n];
            let into = axis::strides(axes, x.axes);
            axis::walk(x.axes, [&axis::strides(x.axes, x.axes), &into], |[from, to]| {
                let x = x.data[from];
                let o = &mut out[to];
                match how {
                    Reduction::Sum => *o += x,
                    Reduction::Prod => *o *= x,
                    Reduction::Max => *o = if x > *o || x.is_nan() { x } else { *o },
                    Reduction::Min => *o = if x < *o || x.is_nan() { x } else { *o },
                }
            });
            Some(out)
        }
        Op::Contract(over) => {
            let all = axis::union(axes, over);
            let whole = args[0].data.len() > 1 && axes.is_empty() && args.iter().all(|a| a.axes == all);
            if whole {
                let (a, m) = (&args[0].data[..], args[0].data.len());
                return Some(vec![match args.get(1) {
                    Some(second) => {
                        let b = &second.data[..m];
                        sum(m, |k| a[k] * b[k])
                    }
                    None => sum(m, |k| a[k]),
                }]);
            }
            let mut out = vec![0.0; n];
            let a = axis::strides(args[0].axes, &all);
            let into = axis::strides(axes, &all);
            match args.get(1) {
                Some(second) => {
                    let b = axis::strides(second.axes, &all);
                    axis::walk(&all, [&a, &b, &into], |[i, j, k]| out[k] += args[0].data[i] * second.data[j]);
                }
                None => axis::walk(&all, [&a, &into], |[i, k]| out[k] += args[0].data[i]),
            }
            Some(out)
        }
        Op::Take(along) => {
            let (x, index) = (&args[0], &args[1]);
            let mut free = axis::strides(x.axes, axes);
            // The axis itself may be one of the index.
            if let Some(place) = axes.iter().position(|a| a == along) {
                free[place] = 0;
            }
            let step = axis::strides(x.axes, &[*along])[0];
            let mut out = Vec::with_capacity(n);
            let mut fits = true;
            axis::walk(axes, [&free, &axis::strides(index.axes, axes)], |[base, at]| {
                let place = index.data[at];
                let k = place as u32;
                let inside = k < along.extent && f64::from(k) == place;
                fits &= inside;
                out.push(if inside { x.data[base + k as usize * step] } else { f64::NAN });
            });
            fits.then_some(out)
        }
        Op::Spread { into, over } => {
            let (x, index) = (&args[0], &args[1]);
            let all = axis::union(&axis::union(x.axes, index.axes), over);
            let mut free = axis::strides(axes, &all);
            for (stride, axis) in free.iter_mut().zip(&all) {
                if over.contains(axis) {
                    *stride = 0;
                }
            }
            let step = axis::strides(axes, &[*into])[0];
            let mut out = vec![0.0; n];
            let strides = [&axis::strides(x.axes, &all)[..], &axis::strides(index.axes, &all), &free];
            axis::walk(&all, strides, |[i, j, k]| {
                let place = index.data[j];
                if place >= 0.0 && place < f64::from(into.extent) {
                    out[k + place as usize * step] += x.data[i];
                }
            });
            Some(out)
        }
        Op::Rename(from, to) => {
            let renamed: Axes = axes.iter().map(|a| if a == to { *from } else { *a }).collect();
            let mut out = Vec::with_capacity(n);
            axis::walk(axes, [&axis::strides(args[0].axes, &renamed)], |[i]| out.push(args[0].data[i]));
            Some(out)
        }
        Op::Stack(along) => {
            let mut out = vec![0.0; n];
            let rest = axis::minus(axes, &[*along]);
            let (step, into) = (axis::strides(axes, &[*along])[0], axis::strides(axes, &rest));
            for (k, item) in args.iter().enumerate() {
                let from = axis::strides(item.axes, &rest);
                axis::walk(&rest, [&from, &into], |[i, o]| out[o + k * step] = item.data[i]);
            }
            Some(out)
        }
        Op::Join(first, second, joined) => {
            let mut out = vec![0.0; n];
            let rest = axis::minus(axes, &[*joined]);
            let (step, into) = (axis::strides(axes, &[*joined])[0], axis::strides(axes, &rest));
            let mut start = 0;
            for (item, along) in args.iter().zip([first, second]) {
                let from = axis::strides(item.axes, &rest);
                let inner = axis::strides(item.axes, &[*along])[0];
                axis::walk(&rest, [&from, &into], |[i, o]| {
                    for k in 0..along.extent as usize {
                        out[o + (start + k) * step] = item.data[i + k * inner];
                    }
                });
                start += along.extent as usize;
            }
            Some(out)
        }
        Op::Linear(linear) => {
            let mut out = vec![0.0; n];
            let mut scratch = Vec::new();
            let args: Vec<(&[Axis], &[f64])> = args.iter().map(|a| (a.axes, &*a.data)).collect();
            linear::run(Width::Portable, linear, &args, axes, &mut out, &mut scratch);
            Some(out)
        }
        Op::Constrain { .. } | Op::Jacobian { .. } | Op::ConstrainBack { .. } => {
            let mut out = vec![0.0; n];
            let args: Vec<(&[Axis], &[f64])> = args.iter().map(|a| (a.axes, &*a.data)).collect();
            constrain::run(op, &args, axes, &mut out, &mut Vec::new());
            Some(out)
        }
        Op::Forward(_) | Op::ForwardBack(_) => {
            let mut out = vec![0.0; n];
            let args: Vec<(&[Axis], &[f64])> = args.iter().map(|a| (a.axes, &*a.data)).collect();
            forward::run(Width::Portable, op, &args, axes, &mut out, &mut Vec::new());
            Some(out)
        }
        Op::Scalar(_)
        | Op::Data(_)
        | Op::Count(..)
        | Op::Input(_)
        | Op::State(..)
        | Op::Last(..)
        | Op::Later(_)
        | Op::Finite(..)
        | Op::Ode(..) => None,
    }
}

fn map(f: F, args: &[Array<'_>], axes: &[Axis], n: usize) -> Vec<f64> {
    // A loop for each function that the compiler sees through, one for all others.
    macro_rules! one_of {
        ($($known:path),*) => {
            match f {
                $($known => elementwise(args, axes, n, |x| compute($known, None, x)),)*
                F::Prim(_) => {
                    let body = body(f);
                    if let ([a], Some(Body::Real1(f))) = (args, body)
                        && a.axes == axes
                        && let Some(out) = by_table(f, &a.data)
                    {
                        return out;
                    }
                    elementwise(args, axes, n, |x| compute(f, body, x))
                }
            }
        };
    }
    one_of!(
        F::Add,
        F::Sub,
        F::Mul,
        F::Div,
        F::Neg,
        F::Pow,
        F::Rem,
        F::Lt,
        F::Le,
        F::Eq,
        F::Not,
        F::And,
        F::Or,
        F::Select,
        F::Mask,
        F::Detach
    )
}

/// A function of many counts, computed once for each that there may be; none where they are few, large, or no counts.
fn by_table(f: fn(f64) -> f64, data: &[f64]) -> Option<Vec<f64>> {
    let most = data.len().min(1 << 16) as u32 / 8;
    let is_count = |x: f64| (x as u32) < most && f64::from(x as u32).to_bits() == x.to_bits();
    if most < 64 || !data.iter().all(|x| is_count(*x)) {
        return None;
    }
    let high = data.iter().map(|x| *x as u32).max()?;
    let table: Vec<f64> = (0..=high).map(|k| f(f64::from(k))).collect();
    Some(data.iter().map(|x| table[*x as usize]).collect())
}

#[inline(always)]
fn elementwise(args: &[Array<'_>], axes: &[Axis], n: usize, compute: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let mut out = Vec::with_capacity(n);
    // An operand with all axes, or a number.
    let whole = |a: &Array<'_>| a.axes == axes;
    let one = |a: &Array<'_>| (!whole(a) && a.axes.is_empty()).then(|| a.data[0]);
    match args {
        [a] if whole(a) => out.extend(a.data.iter().map(|x| compute(&[*x]))),
        [a, b] if whole(a) && whole(b) => {
            out.extend(a.data.iter().zip(b.data.iter()).map(|(x, y)| compute(&[*x, *y])));
        }
        [a, b]
            if whole(a)
                && let Some(y) = one(b) =>
        {
            out.extend(a.data.iter().map(|x| compute(&[*x, y])))
        }
        [a, b]
            if whole(b)
                && let Some(x) = one(a) =>
        {
            out.extend(b.data.iter().map(|y| compute(&[x, *y])))
        }
        [a, b, c]
            if whole(a)
                && let (Some(y), Some(z)) = (one(b), one(c)) =>
        {
            out.extend(a.data.iter().map(|x| compute(&[*x, y, z])));
        }
        _ => {
            let strides: Vec<Vec<usize>> = args.iter().map(|a| axis::strides(a.axes, axes)).collect();
            let zero = vec![0; axes.len()];
            let get = |k: usize| strides.get(k).map_or(&zero[..], Vec::as_slice);
            let mut x = [0.0; 3];
            axis::walk(axes, [get(0), get(1), get(2)], |at| {
                for (k, arg) in args.iter().enumerate() {
                    x[k] = arg.data[at[k]];
                }
                out.push(compute(&x[..args.len()]));
            });
        }
    }
    out
}

/// A sum in eight parts.
fn sum(n: usize, term: impl Fn(usize) -> f64) -> f64 {
    let mut parts = [0.0; 8];
    for k in 0..n / 8 {
        for (lane, part) in parts.iter_mut().enumerate() {
            *part += term(8 * k + lane);
        }
    }
    let rest = (n - n % 8..n).map(term).sum::<f64>();
    parts.iter().sum::<f64>() + rest
}
