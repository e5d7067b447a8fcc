//! Code of nodes with an instruction of their own: moves, products, factorizations, equations.

use super::super::axis::{self, Axes, Axis};
use super::super::code::*;
use super::super::fold;
use super::super::graph::{Id, Op};
use super::Plan;
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

impl<'a> Plan<'a> {
    /// A node with an instruction of its own.
    pub(super) fn single(&mut self, id: Id) -> Result<(), String> {
        let graph = self.graph;
        let node = graph.node(id).clone();
        match &node.op {
            Op::Contract(_) | Op::Reduce(..) => {
                if self.matrix_product(id)? {
                    return Ok(());
                }
                let (axes, _) = self.sink_space(id);
                self.nest(&axes, &[id], &HashSet::new())
            }
            Op::Take(along) => {
                let (x, index) = (node.args[0], node.args[1]);
                let positions = self.index(index)?;
                if positions.iter().any(|k| !(0.0..f64::from(along.extent)).contains(k)) {
                    return Err("an index out of range".into());
                }
                let mut free = axis::strides(graph.axes(x), &node.axes);
                if let Some(place) = node.axes.iter().position(|a| a == along) {
                    free[place] = 0;
                }
                let step = axis::strides(graph.axes(x), &[*along])[0];
                let at = axis::strides(graph.axes(index), &node.axes);
                let mut table = Vec::with_capacity(axis::size(&node.axes));
                axis::walk(&node.axes, [&free, &at], |[base, i]| {
                    table.push((base + positions[i] as usize * step) as u32)
                });
                self.moved(id, x, places(table), None, false)
            }
            Op::Rename(from, to) => {
                let x = node.args[0];
                let renamed: Axes = node.axes.iter().map(|a| if a == to { *from } else { *a }).collect();
                let strides = axis::strides(graph.axes(x), &renamed);
                if strides == axis::strides(&node.axes, &node.axes) {
                    let source = self.source(x)?;
                    self.place.insert(id, source);
                    return Ok(());
                }
                let from = walked(&node.axes, &strides);
                self.moved(id, x, from, None, false)
            }
            Op::Spread { into, over } => {
                let (x, index) = (node.args[0], node.args[1]);
                let positions = self.index(index)?;
                let all = axis::union(&axis::union(graph.axes(x), graph.axes(index)), over);
                let mut free = axis::strides(&node.axes, &all);
                for (stride, axis) in free.iter_mut().zip(&all) {
                    if over.contains(axis) {
                        *stride = 0;
                    }
                }
                let step = axis::strides(&node.axes, &[*into])[0];
                let mut to = Vec::with_capacity(axis::size(&all));
                axis::walk(&all, [&axis::strides(graph.axes(index), &all), &free], |[j, k]| {
                    to.push((k + positions[j] as usize * step) as u32);
                });
                let from = walked(&all, &axis::strides(graph.axes(x), &all));
                self.moved(id, x, from, Some((places(to), axis::size(&all))), true)
            }
            Op::Stack(along) => {
                let rest = axis::minus(&node.axes, &[*along]);
                let (step, into) = (axis::strides(&node.axes, &[*along])[0], axis::strides(&node.axes, &rest));
                let sources = node.args.iter().map(|a| self.source(*a)).collect::<Result<Vec<_>, _>>()?;
                let start = self.allocate(id, axis::size(&node.axes));
                for (k, (item, source)) in node.args.iter().zip(sources).enumerate() {
                    let strides = axis::strides(graph.axes(*item), &rest);
                    let (mut from, mut to) = (Vec::new(), Vec::new());
                    axis::walk(&rest, [&strides, &into], |[i, o]| {
                        from.push(i as u32);
                        to.push((o + k * step) as u32);
                    });
                    self.push_move(source, from, start, to, false);
                }
                Ok(())
            }
            Op::Join(first, second, joined) => {
                let rest = axis::minus(&node.axes, &[*joined]);
                let (step, into) = (axis::strides(&node.axes, &[*joined])[0], axis::strides(&node.axes, &rest));
                let sources = node.args.iter().map(|a| self.source(*a)).collect::<Result<Vec<_>, _>>()?;
                let start = self.allocate(id, axis::size(&node.axes));
                let mut before = 0;
                for ((item, along), source) in node.args.iter().zip([first, second]).zip(sources) {
                    let strides = axis::strides(graph.axes(*item), &rest);
                    let inner = axis::strides(graph.axes(*item), &[*along])[0];
                    let (mut from, mut to) = (Vec::new(), Vec::new());
                    axis::walk(&rest, [&strides, &into], |[i, o]| {
                        for k in 0..along.extent as usize {
                            from.push((i + k * inner) as u32);
                            to.push((o + (before + k) * step) as u32);
                        }
                    });
                    self.push_move(source, from, start, to, false);
                    before += along.extent as usize;
                }
                Ok(())
            }
            Op::Ode(number, with_parts) => {
                let args = node.args.iter().map(|a| Ok((graph.axes(*a).to_vec(), self.source(*a)?))).collect::<Result<
                    Vec<_>,
                    String,
                >>(
                )?;
                let to = self.allocate(id, axis::size(&node.axes));
                self.code.odes.push(Arc::clone(&graph.odes[*number as usize]));
                let number = self.code.odes.len() - 1;
                self.code.instrs.push(Instr::Ode { number, args, axes: node.axes, to, with_parts: *with_parts });
                Ok(())
            }
            Op::Linear(_)
            | Op::Constrain { .. }
            | Op::Jacobian { .. }
            | Op::ConstrainBack { .. }
            | Op::Forward(_)
            | Op::ForwardBack(_) => {
                let args = node.args.iter().map(|a| Ok((graph.axes(*a).to_vec(), self.source(*a)?))).collect::<Result<
                    Vec<_>,
                    String,
                >>(
                )?;
                let to = self.allocate(id, axis::size(&node.axes));
                self.code.instrs.push(Instr::Whole { op: node.op, args, axes: node.axes, to });
                Ok(())
            }
            op => Err(format!("internal error: no code for {op:?}")),
        }
    }

    /// The positions that a constant index gives.
    pub(super) fn index(&self, id: Id) -> Result<Cow<'a, [f64]>, String> {
        let graph = self.graph;
        match &graph.node(id).op {
            Op::Scalar(bits) => Ok(vec![f64::from_bits(*bits)].into()),
            Op::Data(k) => Ok(graph.data[*k as usize].as_slice().into()),
            Op::Count(axis, offset) => {
                Ok((0..i64::from(axis.extent)).map(|k| (k + offset) as f64).collect::<Vec<_>>().into())
            }
            _ if graph.is_constant(id) => match fold::evaluate(graph, id) {
                Some(data) => Ok(data.into()),
                None => Err("an index out of range".into()),
            },
            _ => Err("an index that depends on a choice".into()),
        }
    }

    /// Moves elements into memory for a node: to all its places in order, or to so many others.
    fn moved(&mut self, id: Id, x: Id, from: Places, to: Option<(Places, usize)>, add: bool) -> Result<(), String> {
        let source = self.source(x)?;
        let n = axis::size(self.graph.axes(id));
        let start = self.allocate(id, n);
        if add {
            self.code.instrs.push(Instr::Clear(start, n));
        }
        let (at, count) = to.unwrap_or((Places::Steps(0, 1), n));
        self.code.instrs.push(Instr::Move(Move { source, from, to: start, at, count, add }));
        Ok(())
    }

    fn push_move(&mut self, source: Source, from: Vec<u32>, to: usize, at: Vec<u32>, add: bool) {
        let count = from.len();
        self.code.instrs.push(Instr::Move(Move { source, from: places(from), to, at: places(at), count, add }));
    }

    /// A matrix with contiguous rows times a vector.
    fn matrix_product(&mut self, id: Id) -> Result<bool, String> {
        let graph = self.graph;
        let node = graph.node(id);
        let (Op::Contract(over), [a, b]) = (&node.op, &node.args[..]) else { return Ok(false) };
        let ([summed], [kept]) = (&over[..], &node.axes[..]) else { return Ok(false) };
        for (m, v) in [(*a, *b), (*b, *a)] {
            if graph.axes(m).len() == 2 && graph.axes(v) == [*summed] && graph.has(m, *kept) && graph.has(m, *summed) {
                let (rows, cols) = (graph.axes(m)[0], graph.axes(m)[1]);
                let (matrix, vector) = (self.source(m)?, self.source(v)?);
                let to = self.allocate(id, kept.extent as usize);
                self.code.instrs.push(Instr::Product(Product {
                    matrix,
                    rows: rows.extent as usize,
                    cols: cols.extent as usize,
                    vector,
                    to,
                    down: rows == *summed,
                }));
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The positions that a walk meets.
fn walked(over: &[Axis], strides: &[usize]) -> Places {
    if let ([_], [step]) = (over, strides) {
        return Places::Steps(0, *step);
    }
    let mut table = Vec::with_capacity(axis::size(over));
    axis::walk(over, [strides], |[i]| table.push(i as u32));
    places(table)
}

/// Positions as steps where they are regular.
fn places(table: Vec<u32>) -> Places {
    match table[..] {
        [] => Places::Steps(0, 0),
        [only] => Places::Steps(only as usize, 0),
        [a, b, ..] if b >= a && table.windows(2).all(|w| w[1] >= w[0] && w[1] - w[0] == b - a) => {
            Places::Steps(a as usize, (b - a) as usize)
        }
        _ => Places::Table(Arc::new(table)),
    }
}
