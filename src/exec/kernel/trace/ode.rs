//! Differential equations of the abstract run: the rate becomes code of its own, the solution a node.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::{Id, Op};
use super::super::ode::{self, Body, Job, Ode, Solver};
use super::abs::{Abs, Scalar};
use super::{Result, Tracer};
use std::rc::Rc;
use std::sync::Arc;

impl Tracer<'_> {
    /// `ode_explicit` and `ode_implicit`: the rate, first states, first time, times, tolerances.
    pub(super) fn ode(&mut self, args: &[Abs], stiff: bool) -> Result<Abs> {
        let [rate, y0, t0, ts, rtol, atol] = args else {
            return self.fatal("an equation with arguments that array code does not know");
        };
        if args.iter().any(|x| matches!(x, Abs::Forward)) {
            return Ok(Abs::Forward);
        }
        let (rtol, atol, t0) = (self.num(rtol)?, self.num(atol)?, self.num(t0)?);
        let (Some(rtol), Some(atol)) = (self.values.graph.number(rtol), self.values.graph.number(atol)) else {
            return self.refuse("an equation whose tolerances depend on choices");
        };
        let (n, times) = (self.length(y0)?, self.length(ts)?);
        if n == 0 || times == 0 {
            return self.refuse("an equation without states, or without times");
        }
        let (state, time) = (self.values.fresh_axis(n), self.values.fresh_axis(times));
        let y0 = self.along(y0, state)?;
        let ts = self.along(ts, time)?;
        let graph = &self.values.graph;
        if !graph.is_constant(ts) || !graph.is_constant(t0) {
            return self.refuse("an equation solved at times that depend on choices");
        }
        // Stand-ins for the time and the states.
        let slots: Vec<Id> = (0..=n).map(|_| self.graph().promise(Axes::new())).collect();
        let states = slots[1..].iter().map(|id| Abs::Num(*id, Scalar::Real)).collect();
        let result = self.apply(rate, vec![Abs::real(slots[0]), Abs::List(Rc::new(states))])?;
        if self.length(&result)? != n {
            return self.fatal(format!("an equation of {n} states whose rate has another number of components"));
        }
        let items = self.items(&result)?;
        let mut rates = Vec::with_capacity(n);
        for item in &items {
            rates.push(self.num(item)?);
        }
        // All other axes of what is a number, or an array along one axis, are those of loops around and of choices that are summed out.
        let graph = &self.values.graph;
        let mut lanes = axis::union(&axis::minus(graph.axes(y0), &[state]), graph.axes(t0));
        lanes = axis::union(&lanes, &axis::minus(graph.axes(ts), &[time]));
        for id in &rates {
            lanes = axis::union(&lanes, graph.axes(*id));
        }
        let mut body = Body::new(n);
        let copied = rates.iter().map(|id| body.copy(graph, *id, &slots, &lanes, 0)).collect();
        let copied: Vec<Id> = self.or(copied)?;
        let compiled = body.compile(&copied, stiff, rtol, atol);
        let (code, leaves) = self.or(compiled)?;
        let graph = &mut self.values.graph;
        let parts = 1 + n + code.inputs;
        let parts = Axis { extent: parts as u32, level: (1 << 21) + graph.odes.len() as u32 };
        let own = |id: &Id| axis::minus(graph.axes(*id), &lanes);
        let ode = Ode { time, state, parts, leaves: leaves.iter().map(own).collect(), code: Arc::new(code) };
        let mut ids = vec![y0, t0, ts];
        ids.extend(&leaves);
        let axes = axis::union(&axis::union(&lanes, &[time]), &[state]);
        if ids.iter().all(|id| graph.is_constant(*id)) {
            let known: Option<Vec<(Axes, Vec<f64>)>> = ids
                .iter()
                .map(|id| {
                    let axes = self.values.graph.axes(*id).to_vec();
                    self.values.constant(*id, &axes).map(|data| (axes, data))
                })
                .collect();
            let Some(known) = known else { return self.refuse("an equation of too many numbers") };
            let args: Vec<(&[Axis], &[f64])> = known.iter().map(|(axes, data)| (&axes[..], &data[..])).collect();
            let mut out = vec![0.0; axis::size(&axes)];
            let job = Job { ode: &ode, args: &args, axes: &axes, with_parts: false };
            ode::run(&job, &mut Solver::new(&ode.code), &mut out);
            let id = self.graph().array(Arc::new(out), axes);
            return Ok(Abs::Matrix(id, time, state));
        }
        graph.odes.push(Arc::new(ode));
        let number = graph.odes.len() as u32 - 1;
        let id = graph.insert(Op::Ode(number, false), ids, axes);
        Ok(Abs::Matrix(id, time, state))
    }

    /// An array of numbers as a node along an axis.
    fn along(&mut self, x: &Abs, axis: Axis) -> Result<Id> {
        let lanes = self.values.lanes(x);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("a value that is not an array of numbers") };
        let item = self.values.open(&lanes, axis);
        let item = self.or(item)?;
        self.num(&item)
    }
}
