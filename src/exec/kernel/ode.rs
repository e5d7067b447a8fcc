//! Initial value problems within array code, with the derivatives of their solutions by all that they depend on.
//!
//! The explicit method is Dormand and Prince's pair of orders 5 and 4 (1980), step for step as `ode` of the library; the implicit one is
//! the stiffly accurate, diagonally implicit method of order 4 with an estimate of order 3 of Hairer and Wanner (1996), Solving Ordinary
//! Differential Equations II, table IV.6.5, as `ode_stiff`. The derivatives follow from differentiating each stage, so that they are those
//! of the numbers that are computed, with the steps as they are: the forward sensitivities of Hairer, Norsett and Wanner (1993), Solving
//! Ordinary Differential Equations I, section I.14. Steps are steered by the solution alone, so that a density is the same number with its
//! gradient and without it; at a state of rest, where steps of any length give the solution, derivatives are less precise than it.

use super::axis::{self, Axes, Axis};
use super::code::Code;
use super::derive;
use super::graph::{Graph, Id, Op};
use super::plan;
use super::run::Executor;
use std::collections::HashMap;
use std::sync::Arc;

/// Steps between two times that are asked for; as in the library.
const MOST_STEPS: usize = 10_000;

/// An equation of a graph, whose solution is a node.
#[derive(Clone, Debug)]
pub struct Ode {
    /// The axes of times, of states, and of a solution with its derivatives.
    pub time: Axis,
    pub state: Axis,
    pub parts: Axis,
    /// The axes of each number or array that the rate depends on, without those of lanes.
    pub leaves: Vec<Axes>,
    pub code: Arc<OdeCode>,
}

/// Code of the right-hand side.
#[derive(Debug)]
pub struct OdeCode {
    pub states: usize,
    /// Numbers that the rate depends on beside time and state.
    pub inputs: usize,
    pub stiff: bool,
    pub rtol: f64,
    pub atol: f64,
    rate: Arc<Code>,
    slopes: Arc<Code>,
    /// Derivatives that are not zero: their place among all numbers of the roots of `slopes`, the component of the rate, and the number
    /// by which: states first, then inputs.
    entries: Vec<(usize, usize, usize)>,
    /// The sizes of the roots of `slopes` beyond the rate itself.
    sizes: Vec<usize>,
}

/// A right-hand side as a graph of its own: coordinate 0 is the time, then come the states, then the leaves.
pub struct Body {
    pub graph: Graph,
    known: HashMap<Id, Id>,
    leaves: Vec<Id>,
    offset: u32,
}

impl Body {
    pub fn new(states: usize) -> Body {
        Body { graph: Graph::default(), known: HashMap::new(), leaves: Vec::new(), offset: states as u32 + 1 }
    }

    /// Copies a node; `slots` are the time and the states, and what does not depend on them becomes a leaf. Lanes are left out.
    pub fn copy(&mut self, from: &Graph, id: Id, slots: &[Id], lanes: &[Axis], depth: usize) -> Result<Id, String> {
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        if depth > 2000 {
            return Err("an equation of too many operations".into());
        }
        let node = from.node(id);
        let own = axis::minus(&node.axes, lanes);
        let free = own.len() == node.axes.len();
        let copied = if let Some(k) = slots.iter().position(|slot| *slot == id) {
            self.graph.insert(Op::Input(k as u32), Vec::new(), Vec::new())
        } else if let (Op::Scalar(bits), true) = (&node.op, free) {
            self.graph.scalar(f64::from_bits(*bits))
        } else if let (Op::Data(k), true) = (&node.op, free) {
            self.graph.array(Arc::clone(&from.data[*k as usize]), own)
        } else if matches!(node.op, Op::Count(..)) && free {
            self.graph.insert(node.op.clone(), Vec::new(), own)
        } else if !from.reached(id, slots).contains(&true) {
            let input = self.graph.insert(Op::Input(self.offset), Vec::new(), own.clone());
            self.offset += axis::size(&own) as u32;
            self.leaves.push(id);
            input
        } else {
            match &node.op {
                Op::Later(k) => match from.later[*k as usize] {
                    Some(to) => self.copy(from, to, slots, lanes, depth + 1)?,
                    None => return Err("an equation whose rate depends on what a loop carries".into()),
                },
                Op::State(..) | Op::Last(..) | Op::Ode(..) | Op::Finite(..) => {
                    return Err("an equation whose rate is computed by a loop that carries numbers".into());
                }
                Op::Contract(over) => {
                    let args = self.all(from, &node.args, slots, lanes, depth)?;
                    let one = self.graph.scalar(1.0);
                    self.graph.contract(args[0], args.get(1).copied().unwrap_or(one), over)
                }
                op => {
                    let args = self.all(from, &node.args, slots, lanes, depth)?;
                    let guard = std::mem::replace(&mut self.graph.guard, node.guarded);
                    let made = self.graph.make(op.clone(), args, own);
                    self.graph.guard = guard;
                    made
                }
            }
        };
        self.known.insert(id, copied);
        Ok(copied)
    }

    fn all(&mut self, from: &Graph, ids: &[Id], slots: &[Id], lanes: &[Axis], depth: usize) -> Result<Vec<Id>, String> {
        ids.iter().map(|id| self.copy(from, *id, slots, lanes, depth + 1)).collect()
    }

    /// The code of the rates, and the nodes that they depend on, in their order.
    pub fn compile(mut self, rates: &[Id], stiff: bool, rtol: f64, atol: f64) -> Result<(OdeCode, Vec<Id>), String> {
        let states = rates.len();
        let dim = self.offset as usize;
        let rate = plan::compile(&mut self.graph, rates, dim)?;
        let mut roots = rates.to_vec();
        let (mut entries, mut sizes) = (Vec::new(), Vec::new());
        let mut at = 0;
        for (i, rate) in rates.iter().enumerate() {
            if self.graph.is_constant(*rate) {
                continue;
            }
            for part in derive::gradient(&mut self.graph, *rate)? {
                if part.offset == 0 {
                    continue;
                }
                let size = axis::size(&part.axes);
                let derivative = if self.graph.axes(part.derivative) == part.axes {
                    part.derivative
                } else {
                    self.graph.broadcast(part.derivative, part.axes.clone())
                };
                entries.extend((0..size).map(|k| (at + k, i, part.offset as usize - 1 + k)));
                sizes.push(size);
                roots.push(derivative);
                at += size;
            }
        }
        let slopes = plan::compile(&mut self.graph, &roots, dim)?;
        let code = OdeCode {
            states,
            inputs: dim - states - 1,
            stiff,
            rtol,
            atol,
            rate: Arc::new(rate),
            slopes: Arc::new(slopes),
            entries,
            sizes,
        };
        Ok((code, self.leaves))
    }
}

/// Solves one equation after another, in memory of its own.
#[derive(Debug)]
pub struct Solver {
    code: Arc<OdeCode>,
    rate: Executor,
    slopes: Executor,
    /// Time, state and inputs, as the code of the rate wants them.
    point: Vec<f64>,
    /// The derivatives of the rate: by states and by inputs, a row for each component.
    jacobian: Vec<f64>,
    stages: Vec<Vec<f64>>,
    places: Vec<Vec<f64>>,
    tangents: Vec<Vec<f64>>,
    y: Vec<f64>,
    next: Vec<f64>,
    /// The derivatives of the state by first states and inputs, a row for each component.
    s: Vec<f64>,
    work: Vec<f64>,
    matrix: Vec<f64>,
}

/// The nodes of the explicit method, its stages, its error.
const C: [f64; 7] = [0.0, 0.2, 0.3, 0.8, 8.0 / 9.0, 1.0, 1.0];
const A: [&[f64]; 7] = [
    &[],
    &[0.2],
    &[3.0 / 40.0, 9.0 / 40.0],
    &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
    &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
    &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
];
const E: [f64; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339200.0, 22.0 / 525.0, -1.0 / 40.0];

/// The implicit method: its diagonal, nodes, stages, error.
const GAMMA: f64 = 0.25;
const STIFF_C: [f64; 5] = [0.25, 0.75, 11.0 / 20.0, 0.5, 1.0];
const STIFF_A: [&[f64]; 5] = [
    &[],
    &[0.5],
    &[17.0 / 50.0, -1.0 / 25.0],
    &[371.0 / 1360.0, -137.0 / 2720.0, 15.0 / 544.0],
    &[25.0 / 24.0, -49.0 / 48.0, 125.0 / 16.0, -85.0 / 12.0],
];
const STIFF_E: [f64; 5] = [-3.0 / 16.0, -27.0 / 32.0, 25.0 / 32.0, 0.0, 0.25];
/// Corrections of Newton's method, and when the last was small enough.
const CORRECTIONS: usize = 20;
const SMALL: f64 = 1e-6;

fn add(to: &mut [f64], by: f64, x: &[f64]) {
    if by != 0.0 {
        to.iter_mut().zip(x).for_each(|(to, x)| *to += by * x);
    }
}

/// The root mean square of numbers over a scale.
fn norm(x: &[f64], atol: f64, rtol: f64, a: &[f64], b: &[f64]) -> f64 {
    if x.is_empty() {
        return 0.0;
    }
    let squares = x.iter().zip(a).zip(b).map(|((x, a), b)| {
        let ratio = x / (atol + rtol * a.abs().max(b.abs()));
        ratio * ratio
    });
    (squares.sum::<f64>() / x.len() as f64).sqrt()
}

impl Solver {
    pub fn new(code: &Arc<OdeCode>) -> Solver {
        let (n, p) = (code.states, code.states + code.inputs);
        Solver {
            code: Arc::clone(code),
            rate: Executor::new(&code.rate),
            slopes: Executor::new(&code.slopes),
            point: vec![0.0; 1 + p],
            jacobian: vec![0.0; n * p],
            stages: vec![vec![0.0; n]; 7],
            places: vec![vec![0.0; n]; 7],
            tangents: vec![vec![0.0; n * p]; 7],
            y: vec![0.0; n],
            next: vec![0.0; n],
            s: vec![0.0; n * p],
            work: vec![0.0; n * p],
            matrix: vec![0.0; n * n],
        }
    }

    /// The rate at a time and a state into a stage.
    fn rate(&mut self, t: f64, y: &[f64], stage: usize) {
        self.point[0] = t;
        self.point[1..1 + y.len()].copy_from_slice(y);
        self.rate.run(&self.point);
        for i in 0..y.len() {
            self.stages[stage][i] = self.rate.root(i);
        }
    }

    /// The derivatives of the rate.
    fn slopes(&mut self, t: f64, y: &[f64]) {
        let n = y.len();
        let p = n + self.code.inputs;
        self.point[0] = t;
        self.point[1..1 + n].copy_from_slice(y);
        self.slopes.run(&self.point);
        self.jacobian.fill(0.0);
        let code = Arc::clone(&self.code);
        let mut entries = code.entries.iter();
        for (k, size) in code.sizes.iter().enumerate() {
            let numbers = self.slopes.slice(n + k, *size);
            for x in numbers {
                if let Some((_, i, j)) = entries.next() {
                    self.jacobian[i * p + j] += x;
                }
            }
        }
    }

    /// Solves from `y0` at `t0`. At each time the solution goes to `out`, and with `with_parts` its derivatives: for each state, its value,
    /// then those by the first states and by the inputs. What cannot be solved is not a number.
    pub fn solve(
        &mut self,
        y0: &[f64],
        t0: f64,
        ts: &[f64],
        inputs: &[f64],
        with_parts: bool,
        mut out: impl FnMut(usize, usize, usize, f64),
    ) {
        let n = self.code.states;
        let p = n + self.code.inputs;
        let stiff = self.code.stiff;
        self.point[1 + n..].copy_from_slice(inputs);
        self.y.copy_from_slice(y0);
        self.s.fill(0.0);
        for i in 0..n {
            self.s[i * p + i] = 1.0;
        }
        let mut t = t0;
        self.rate(t0, y0, 0);
        let mut h = self.first_step(t0, y0);
        let mut failed = false;
        let order = if stiff { -0.25 } else { -0.2 };
        for (at, goal) in ts.iter().enumerate() {
            failed |= *goal < t || goal.is_nan();
            let mut steps = 0;
            while !failed && t < *goal {
                let clipped = t + 1.01 * h >= *goal;
                let step = if clipped { goal - t } else { h };
                let ratio = if stiff { self.stiff_step(t, step) } else { self.explicit_step(t, step) };
                let growth = if ratio.is_finite() { (0.9 * ratio.max(1e-4).powf(order)).min(5.0) } else { 0.1 };
                steps += 1;
                if ratio <= 1.0 {
                    if with_parts {
                        if stiff {
                            failed |= !self.stiff_parts(t, step);
                        } else {
                            self.explicit_parts(t, step);
                        }
                    }
                    t = if clipped { *goal } else { t + step };
                    std::mem::swap(&mut self.y, &mut self.next);
                    if !stiff {
                        self.stages.swap(0, 6);
                    }
                    h = if clipped { h.max(growth * step) } else { growth * step };
                } else {
                    h = growth.clamp(0.1, 1.0) * step;
                }
                failed |= t < *goal && (steps >= MOST_STEPS || h.abs() <= 1e-15 * t.abs().max(1e-6));
            }
            for i in 0..n {
                out(at, i, 0, if failed { f64::NAN } else { self.y[i] });
                if with_parts {
                    for j in 0..p {
                        out(at, i, 1 + j, if failed { f64::NAN } else { self.s[i * p + j] });
                    }
                }
            }
        }
    }

    /// A first step by the sizes of the state, its rate and the change of the rate (Hairer, Norsett and Wanner 1993, section II.4).
    fn first_step(&mut self, t0: f64, y0: &[f64]) -> f64 {
        let (rtol, atol) = (self.code.rtol, self.code.atol);
        let k1 = self.stages[0].clone();
        let size = norm(y0, atol, rtol, y0, y0);
        let speed = norm(&k1, atol, rtol, y0, y0);
        let trial = if size < 1e-5 || speed < 1e-5 { 1e-6 } else { 0.01 * size / speed };
        let moved: Vec<f64> = y0.iter().zip(&k1).map(|(y, k)| y + trial * k).collect();
        self.rate(t0 + trial, &moved, 1);
        let gap: Vec<f64> = self.stages[1].iter().zip(&k1).map(|(a, b)| a - b).collect();
        let change = norm(&gap, atol, rtol, y0, y0) / trial;
        let greatest = speed.max(change);
        let step = if greatest <= 1e-15 { (1e-3 * trial).max(1e-6) } else { (0.01 / greatest).powf(0.2) };
        let chosen = (100.0 * trial).min(step);
        if chosen.is_finite() { chosen } else { 1e-6 }
    }

    /// The stages of a step from the present state; the error against what is allowed.
    fn explicit_step(&mut self, t: f64, step: f64) -> f64 {
        let n = self.code.states;
        let mut place = std::mem::take(&mut self.next);
        for (stage, weights) in A.iter().enumerate().skip(1) {
            for (i, to) in place.iter_mut().enumerate() {
                let sum: f64 = weights.iter().enumerate().map(|(k, a)| a * self.stages[k][i]).sum();
                *to = self.y[i] + step * sum;
            }
            self.places[stage].copy_from_slice(&place);
            self.rate(t + C[stage] * step, &place, stage);
        }
        let gap: Vec<f64> =
            (0..n).map(|i| step * E.iter().enumerate().map(|(k, e)| e * self.stages[k][i]).sum::<f64>()).collect();
        let ratio = norm(&gap, self.code.atol, self.code.rtol, &self.y, &place);
        self.next = place;
        ratio
    }

    /// The derivatives after an explicit step.
    fn explicit_parts(&mut self, t: f64, step: f64) {
        let mut places = std::mem::take(&mut self.places);
        places[0].copy_from_slice(&self.y);
        for stage in 0..6 {
            self.work.copy_from_slice(&self.s);
            for (k, a) in A[stage].iter().enumerate() {
                add(&mut self.work, step * a, &self.tangents[k]);
            }
            self.slopes(t + C[stage] * step, &places[stage]);
            self.tangent(stage);
        }
        self.places = places;
        for (k, a) in A[6].iter().enumerate() {
            add(&mut self.s, step * a, &self.tangents[k]);
        }
    }

    /// The derivative of a stage from that of its place, in `work`.
    fn tangent(&mut self, stage: usize) {
        let n = self.code.states;
        let p = n + self.code.inputs;
        let to = &mut self.tangents[stage];
        for i in 0..n {
            let (by_states, by_inputs) = self.jacobian[i * p..(i + 1) * p].split_at(n);
            let row = &mut to[i * p..(i + 1) * p];
            row[..n].fill(0.0);
            row[n..].copy_from_slice(by_inputs);
            for (j, d) in by_states.iter().enumerate() {
                add(row, *d, &self.work[j * p..(j + 1) * p]);
            }
        }
    }

    /// Factors `1 - step * GAMMA * J` in place; false where it is singular.
    fn factor(&mut self, step: f64) -> bool {
        let n = self.code.states;
        let p = n + self.code.inputs;
        for i in 0..n {
            for j in 0..n {
                self.matrix[i * n + j] = f64::from(u8::from(i == j)) - step * GAMMA * self.jacobian[i * p + j];
            }
        }
        self.matrix.iter().all(|x| x.is_finite())
    }

    /// Solves with the matrix for several right-hand sides, which lie in rows of `columns` numbers.
    fn eliminate(&mut self, rhs: &mut [f64], columns: usize) -> bool {
        let n = self.code.states;
        let m = &mut self.matrix;
        for k in 0..n {
            let pivot = (k..n).max_by(|a, b| m[a * n + k].abs().total_cmp(&m[b * n + k].abs())).unwrap_or(k);
            for j in 0..n {
                m.swap(k * n + j, pivot * n + j);
            }
            for j in 0..columns {
                rhs.swap(k * columns + j, pivot * columns + j);
            }
            let diagonal = m[k * n + k];
            if diagonal == 0.0 || !diagonal.is_finite() {
                return false;
            }
            for i in k + 1..n {
                let factor = m[i * n + k] / diagonal;
                if factor != 0.0 {
                    for j in k..n {
                        m[i * n + j] -= factor * m[k * n + j];
                    }
                    for j in 0..columns {
                        rhs[i * columns + j] -= factor * rhs[k * columns + j];
                    }
                }
            }
        }
        for k in (0..n).rev() {
            for j in 0..columns {
                let mut x = rhs[k * columns + j];
                for i in k + 1..n {
                    x -= m[k * n + i] * rhs[i * columns + j];
                }
                rhs[k * columns + j] = x / m[k * n + k];
            }
        }
        true
    }

    /// The stages of an implicit step, each by Newton's method; the error against what is allowed, which is infinite where it fails.
    fn stiff_step(&mut self, t: f64, step: f64) -> f64 {
        let n = self.code.states;
        let (rtol, atol) = (self.code.rtol, self.code.atol);
        for stage in 0..5 {
            let at = t + STIFF_C[stage] * step;
            let mut base = self.y.clone();
            for (k, a) in STIFF_A[stage].iter().enumerate() {
                add(&mut base, step * a, &self.stages[k]);
            }
            let mut place = if stage == 0 { self.y.clone() } else { self.places[stage - 1].clone() };
            let mut found = false;
            for _ in 0..CORRECTIONS {
                self.rate(at, &place, stage);
                self.slopes(at, &place);
                let mut rest: Vec<f64> =
                    (0..n).map(|i| base[i] + step * GAMMA * self.stages[stage][i] - place[i]).collect();
                if !self.factor(step) || !self.eliminate(&mut rest, 1) {
                    return f64::INFINITY;
                }
                add(&mut place, 1.0, &rest);
                let size = norm(&rest, atol, rtol, &self.y, &place);
                if !size.is_finite() {
                    return f64::INFINITY;
                }
                if size <= SMALL {
                    found = true;
                    break;
                }
            }
            if !found {
                return f64::INFINITY;
            }
            for i in 0..n {
                self.stages[stage][i] = (place[i] - base[i]) / (step * GAMMA);
            }
            self.places[stage].copy_from_slice(&place);
        }
        let gap: Vec<f64> = (0..n)
            .map(|i| step * STIFF_E.iter().enumerate().map(|(k, e)| e * self.stages[k][i]).sum::<f64>())
            .collect();
        self.next.copy_from_slice(&self.places[4]);
        norm(&gap, atol, rtol, &self.y, &self.next)
    }

    /// The derivatives after an implicit step; false where they have none.
    fn stiff_parts(&mut self, t: f64, step: f64) -> bool {
        let n = self.code.states;
        let p = n + self.code.inputs;
        let places = std::mem::take(&mut self.places);
        let mut good = true;
        for stage in 0..5 {
            self.slopes(t + STIFF_C[stage] * step, &places[stage]);
            // (1 - step GAMMA J) k' = J base' + the derivative by the inputs.
            self.work.copy_from_slice(&self.s);
            for (k, a) in STIFF_A[stage].iter().enumerate() {
                add(&mut self.work, step * a, &self.tangents[k]);
            }
            self.tangent(stage);
            let mut rhs = std::mem::take(&mut self.tangents[stage]);
            good &= self.factor(step) && self.eliminate(&mut rhs, p);
            self.tangents[stage] = rhs;
        }
        self.places = places;
        for (k, a) in STIFF_A[4].iter().enumerate() {
            add(&mut self.s, step * a, &self.tangents[k]);
        }
        let tangents = std::mem::take(&mut self.tangents);
        add(&mut self.s, step * GAMMA, &tangents[4]);
        self.tangents = tangents;
        good
    }
}

/// An instruction: solves in every lane. The arguments are first states, first time, times and leaves.
pub struct Job<'a> {
    pub ode: &'a Ode,
    pub args: &'a [(&'a [Axis], &'a [f64])],
    pub axes: &'a [Axis],
    pub with_parts: bool,
}

/// Solves in every lane.
pub fn run(job: &Job<'_>, solver: &mut Solver, out: &mut [f64]) {
    let Job { ode, args, axes, with_parts } = *job;
    let own = [ode.time, ode.state, ode.parts];
    let lanes = axis::minus(axes, &own);
    let steps = axis::strides(axes, &own);
    let into = axis::strides(axes, &lanes);
    let starts: Vec<Vec<usize>> = args.iter().map(|(axes, _)| axis::strides(axes, &lanes)).collect();
    let (n, times) = (ode.state.extent as usize, ode.time.extent as usize);
    let mut y0 = vec![0.0; n];
    let mut ts = vec![0.0; times];
    let mut inputs = vec![0.0; ode.code.inputs];
    let mut position = vec![0u32; lanes.len()];
    for _ in 0..axis::size(&lanes) {
        let place = |strides: &[usize]| -> usize { strides.iter().zip(&position).map(|(s, k)| s * *k as usize).sum() };
        let load = |k: usize, over: &[Axis], to: &mut [f64]| {
            let (axes, data) = args[k];
            let start = place(&starts[k]);
            let mut at = 0;
            axis::walk(over, [&axis::strides(axes, over)], |[i]| {
                to[at] = data[start + i];
                at += 1;
            });
        };
        load(0, &[ode.state], &mut y0);
        let mut t0 = [0.0];
        load(1, &[], &mut t0);
        load(2, &[ode.time], &mut ts);
        let mut at = 0;
        for (k, leaf) in ode.leaves.iter().enumerate() {
            let size = axis::size(leaf);
            load(3 + k, leaf, &mut inputs[at..at + size]);
            at += size;
        }
        let start = place(&into);
        solver.solve(&y0, t0[0], &ts, &inputs, with_parts, |time, state, part, x| {
            out[start + time * steps[0] + state * steps[1] + part * steps[2]] = x;
        });
        for k in (0..lanes.len()).rev() {
            position[k] += 1;
            if position[k] < lanes[k].extent {
                break;
            }
            position[k] = 0;
        }
    }
}
