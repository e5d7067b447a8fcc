//! A traced program as code for its log density and gradient.

use super::code::Code;
use super::derive;
use super::graph::{F, Id};
use super::plan;
use super::run::Executor;
use super::trace::Traced;
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
    let value = plan::compile(graph, &roots, traced.dim)?;
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
