//! A traced program as code for its log density and gradient.

use super::code::Code;
use super::derive;
use super::graph::{F, Id};
use super::marginal::{self, Drawn, Finite};
use super::plan;
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

    /// An evaluator without wide instructions.
    #[cfg(test)]
    pub fn portable(&self) -> Evaluator {
        Evaluator {
            code: self.clone(),
            value: Executor::portable(&self.value),
            gradient: Executor::portable(&self.gradient),
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
    use super::super::graph::{Graph, Op, Reduction};
    use super::*;

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
        let jacobian = graph.scalar(0.0);
        let traced = Traced {
            graph,
            density,
            likelihood: Some(density),
            jacobian,
            conditions: Vec::new(),
            choices: Vec::new(),
            dim: n + 1,
            finite: Vec::new(),
            drawn: Vec::new(),
        };
        (traced, w)
    }

    #[test]
    fn wide_and_plain_code_give_the_same_bits_and_the_right_ones() {
        for n in [1, 3, 255, 256, 257, 1030] {
            let (mut traced, w) = program(n);
            let code = compile(&mut traced).expect("the graph has code");
            let x: Vec<f64> = (0..=n).map(|k| (k as f64 * 0.11).cos()).collect();
            let (mut wide, mut plain) = (vec![0.0; n + 1], vec![0.0; n + 1]);
            let value = code.evaluator().gradient(&x, &mut wide);
            assert_eq!(value.to_bits(), code.portable().gradient(&x, &mut plain).to_bits());
            assert!(wide.iter().zip(&plain).all(|(a, b)| a.to_bits() == b.to_bits()));
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
