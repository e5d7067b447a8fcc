//! A traced program as code for its log density and gradient.

use super::code::{Code, Instr};
use super::derive;
use super::graph::{F, Id, Op};
use super::marginal::{self, Drawn, Finite};
use super::plan;
use super::recursions;
use super::run::Executor;
use super::squares;
use super::trace::Traced;
use crate::model::Random;
use std::sync::Arc;

/// Code for a log density, alone and with its gradient.
#[derive(Clone, Debug)]
pub struct DensityCode {
    pub dim: usize,
    value: Arc<Code>,
    gradient: Arc<Code>,
    conditions: usize,
    /// Where each part of the gradient belongs: root, first coordinate, length.
    parts: Arc<Vec<(usize, usize, usize)>>,
    summed: Option<Arc<SummedOut>>,
}

/// Finite choices that were summed out, and code for the tables by which they are drawn back.
#[derive(Debug)]
struct SummedOut {
    finite: Vec<Finite>,
    drawn: Vec<Drawn>,
    code: Arc<Code>,
}

/// Makes code of a traced program; or says why there is none.
pub fn compile(traced: &mut Traced) -> Result<DensityCode, String> {
    let graph = &mut traced.graph;
    let total = graph.add(traced.density, traced.jacobian);
    // One condition stands for all.
    let mut holds: Option<Id> = None;
    for condition in &traced.conditions {
        holds = Some(match holds {
            Some(all) => graph.map(F::And, &[all, *condition]),
            None => *condition,
        });
    }
    let mut roots = vec![total];
    roots.extend(holds);
    let conditions = roots.len() - 1;
    let roots = recursions::recognise(graph, &roots);
    let mut roots = squares::carry_squares(graph, &roots);
    let total = roots[0];
    // Making code rewrites the steps of loops, for instance to absolute values, which have no derivative at zero: derivatives are of what was before.
    let scans = graph.scans.clone();
    let value = plan::compile(graph, &roots, traced.dim)?;
    let mut summed = None;
    if !traced.finite.is_empty() {
        let tables: Vec<Id> = traced.drawn.iter().flat_map(Drawn::tables).collect();
        let code = Arc::new(plan::compile(graph, &tables, traced.dim)?);
        let (finite, drawn) = (std::mem::take(&mut traced.finite), std::mem::take(&mut traced.drawn));
        summed = Some(Arc::new(SummedOut { finite, drawn, code }));
    }
    graph.scans = scans;
    let parts = derive::gradient(graph, total)?;
    let mut places = Vec::new();
    for part in &parts {
        let size = super::axis::size(&part.axes);
        // A derivative that is the same along an axis is spread out.
        let derivative = if graph.axes(part.derivative) == part.axes {
            part.derivative
        } else {
            graph.broadcast(part.derivative, part.axes.clone())
        };
        places.push((roots.len(), part.offset as usize, size));
        roots.push(derivative);
    }
    let gradient = plan::compile(graph, &roots, traced.dim)?;
    Ok(DensityCode {
        dim: traced.dim,
        value: Arc::new(value),
        gradient: Arc::new(gradient),
        conditions,
        parts: Arc::new(places),
        summed,
    })
}

/// Evaluates a log density in memory of its own.
#[derive(Debug)]
pub struct Evaluator {
    code: DensityCode,
    value: Executor,
    gradient: Executor,
}

impl DensityCode {
    /// The finite choices that were summed out.
    pub fn finite(&self) -> &[Finite] {
        self.summed.as_ref().map_or(&[], |s| &s.finite)
    }

    /// The forward recursions of the density: steps and states of each.
    pub fn recursions(&self) -> Vec<(u32, u32)> {
        let of = |instr: &Instr| match instr {
            Instr::Whole { op: Op::Forward(op), .. } => Some((op.along.extent, op.to.extent)),
            _ => None,
        };
        self.value.instrs.iter().filter_map(of).collect()
    }

    /// Draws the finite choices given a vector: of each, in each lane, the place of its value.
    pub fn draw_finite(&self, x: &[f64], random: &mut dyn Random) -> Vec<Vec<u32>> {
        let Some(summed) = &self.summed else { return Vec::new() };
        let mut executor = Executor::new(&summed.code);
        executor.run(x);
        let mut at = 0;
        let numbers: Vec<Vec<marginal::Numbers<'_>>> = summed
            .drawn
            .iter()
            .map(|entry| {
                let count = entry.tables().len();
                at += count;
                (at - count..at)
                    .map(|k| {
                        let axes = &summed.code.shapes[k];
                        marginal::Numbers { axes, data: executor.slice(k, super::axis::size(axes)) }
                    })
                    .collect()
            })
            .collect();
        marginal::draw_back(&summed.finite, &summed.drawn, &numbers, random)
    }

    /// Whether there is machine code for parts of the gradient, as there may be after some evaluations.
    pub fn has_native(&self) -> bool {
        self.gradient.has_native()
    }

    /// Memory to evaluate in.
    pub fn evaluator(&self) -> Evaluator {
        Evaluator { code: self.clone(), value: Executor::new(&self.value), gradient: Executor::new(&self.gradient) }
    }

    /// An evaluator that uses these instructions.
    #[cfg(test)]
    pub fn with_width(&self, width: super::run::Width) -> Evaluator {
        Evaluator {
            code: self.clone(),
            value: Executor::with_width(&self.value, width),
            gradient: Executor::with_width(&self.gradient, width),
        }
    }
}

impl Evaluator {
    fn total(executor: &Executor, conditions: usize) -> f64 {
        if conditions > 0 && executor.root(1) == 0.0 { f64::NEG_INFINITY } else { executor.root(0) }
    }

    /// The log density.
    pub fn log_density(&mut self, x: &[f64]) -> f64 {
        self.value.run(x);
        Evaluator::total(&self.value, self.code.conditions)
    }

    /// The log density, and its gradient into `gradient`.
    pub fn gradient(&mut self, x: &[f64], gradient: &mut [f64]) -> f64 {
        self.gradient.run(x);
        gradient.fill(0.0);
        for (root, start, count) in self.code.parts.iter() {
            let part = self.gradient.slice(*root, *count);
            for (to, x) in gradient[*start..start + count].iter_mut().zip(part) {
                *to += x;
            }
        }
        Evaluator::total(&self.gradient, self.code.conditions)
    }
}

#[cfg(test)]
mod tests {
    use super::super::axis::Axis;
    use super::super::graph::{Graph, Linear, Op, Reduction};
    use super::super::run::Width;
    use super::*;

    /// A program of this density alone.
    fn of_density(mut graph: Graph, density: Id, dim: usize) -> Traced {
        Traced {
            jacobian: graph.scalar(0.0),
            graph,
            density,
            likelihood: Some(density),
            conditions: Vec::new(),
            choices: Vec::new(),
            dim,
            finite: Vec::new(),
            drawn: Vec::new(),
        }
    }

    /// `sum over i of log(1 + exp(a[i] w[i] + b)) - sum over k of x[k]^2`, over enough elements for several blocks and a rest.
    fn program(n: usize) -> (Traced, Vec<f64>) {
        let mut graph = Graph::default();
        let axis = Axis { extent: n as u32, level: 0 };
        let w: Vec<f64> = (0..n).map(|k| (k as f64 * 0.37).sin()).collect();
        let data = graph.array(Arc::new(w.clone()), vec![axis]);
        let a = graph.insert(Op::Input(0), Vec::new(), vec![axis]);
        let b = graph.insert(Op::Input(n as u32), Vec::new(), Vec::new());
        let product = graph.mul(a, data);
        let eta = graph.add(product, b);
        let terms = graph.prim("log1p_exp", &[eta]);
        let sum = graph.reduce(Reduction::Sum, terms, axis);
        let squares = graph.contract(a, a, &[axis]);
        let density = graph.sub(sum, squares);
        let traced = of_density(graph, density, n + 1);
        (traced, w)
    }

    /// Every set of instructions that the processor has gives the same bits.
    fn same_bits(code: &DensityCode, x: &[f64]) {
        let run = |width| {
            let mut gradient = vec![0.0; x.len()];
            let value = code.with_width(width).gradient(x, &mut gradient);
            gradient.push(value);
            gradient.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let plain = run(Width::Portable);
        for width in [Width::Avx2, Width::Avx512].into_iter().filter(|width| width.is_there()) {
            assert_eq!(plain, run(width), "{width:?}");
        }
    }

    /// `-½ yᵀ (a² exp(-½ (i - j)²) + diagonal)⁻¹ y` less half the log determinant.
    #[test]
    fn factorizations_give_the_same_bits() {
        for n in [1, 8, 33, 70] {
            let mut graph = Graph::default();
            let (row, col) = (Axis { extent: n as u32, level: 0 }, Axis { extent: n as u32, level: 1 });
            let (i, j) = (graph.count(row), graph.count(col));
            let scale = graph.insert(Op::Input(0), Vec::new(), Vec::new());
            let noise = graph.insert(Op::Input(1), Vec::new(), Vec::new());
            let distance = graph.sub(i, j);
            let square = graph.mul(distance, distance);
            let half = graph.scalar(-0.5);
            let exponent = graph.mul(half, square);
            let exponent = graph.mul(exponent, scale);
            let kernel = graph.prim("exp", &[exponent]);
            let diagonal = graph.map(F::Eq, &[i, j]);
            let diagonal = graph.mul(diagonal, noise);
            let matrix = graph.add(kernel, diagonal);
            let factor = graph.make(Op::Linear(Linear::Cholesky(row, col)), vec![matrix], vec![row, col]);
            let y = graph.prim("sin", &[i]);
            let x = graph.solve(factor, y, row, col, true, false);
            let squares = graph.contract(x, x, &[col]);
            let on_diagonal = graph.take(factor, col, i);
            let logs = graph.prim("log", &[on_diagonal]);
            let logs = graph.reduce(Reduction::Sum, logs, row);
            let squares = graph.mul(half, squares);
            let density = graph.sub(squares, logs);
            let mut traced = of_density(graph, density, 2);
            let code = compile(&mut traced).expect("the graph has code");
            let x = [0.7, 0.4];
            same_bits(&code, &x);
            let mut gradient = [0.0; 2];
            let mut evaluator = code.evaluator();
            evaluator.gradient(&x, &mut gradient);
            for k in 0..2 {
                let at = |evaluator: &mut Evaluator, step: f64| {
                    let mut x = x;
                    x[k] += step;
                    evaluator.log_density(&x)
                };
                let quotient = (at(&mut evaluator, 1e-5) - at(&mut evaluator, -1e-5)) / 2e-5;
                assert!((gradient[k] - quotient).abs() < 1e-6 * (1.0 + quotient.abs()), "{} {quotient}", gradient[k]);
            }
        }
    }

    #[test]
    fn wide_and_plain_code_give_the_same_bits_and_the_right_ones() {
        for n in [1, 3, 255, 256, 257, 1030] {
            let (mut traced, w) = program(n);
            let code = compile(&mut traced).expect("the graph has code");
            let x: Vec<f64> = (0..=n).map(|k| (k as f64 * 0.11).cos()).collect();
            let mut wide = vec![0.0; n + 1];
            let value = code.evaluator().gradient(&x, &mut wide);
            same_bits(&code, &x);
            let eta = |k: usize| x[k] * w[k] + x[n];
            let right: f64 = (0..n).map(|k| eta(k).exp().ln_1p() - x[k] * x[k]).sum();
            assert!((value - right).abs() < 1e-13 * n as f64, "{value} {right}");
            let logistic = |k: usize| 1.0 / (1.0 + (-eta(k)).exp());
            for k in 0..n {
                let right = w[k] * logistic(k) - 2.0 * x[k];
                assert!((wide[k] - right).abs() < 1e-14 * 4.0, "{} {right}", wide[k]);
            }
            let right: f64 = (0..n).map(logistic).sum();
            assert!((wide[n] - right).abs() < 1e-13 * n as f64);
        }
    }
}
