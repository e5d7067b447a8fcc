//! Identities that make array code smaller as it is built.

use super::axis::{self, Axes, Axis};
use super::graph::{F, Graph, Id, Op, Reduction};
use super::range::Range;

/// A simpler node with the value of this one.
pub fn simplify(graph: &mut Graph, op: &Op, args: &[Id], axes: &Axes) -> Option<Id> {
    match op {
        Op::Map(f) => map(graph, *f, args),
        Op::Take(along) => take(graph, *along, args[0], args[1]),
        Op::Rename(from, to) => rename(graph, *from, *to, args[0], axes),
        Op::Spread { into, over } => {
            // A single place, nothing to add up: the only element of an axis of one.
            (into.extent == 1 && over.is_empty()).then_some(args[0])
        }
        Op::Reduce(..) if args.len() == 1 => match &graph.node(args[0]).op {
            Op::Scalar(_) => Some(args[0]),
            _ => None,
        },
        _ => None,
    }
}

fn is(graph: &Graph, id: Id, x: f64) -> bool {
    graph.number(id) == Some(x)
}

fn name_of(graph: &Graph, id: Id) -> Option<(&'static str, Id)> {
    match graph.node(id).op {
        Op::Map(F::Prim(row)) => Some((crate::prim::row(row as usize)?.name(), *graph.node(id).args.first()?)),
        _ => None,
    }
}

fn negated(graph: &Graph, id: Id) -> Option<Id> {
    match graph.node(id).op {
        Op::Map(F::Neg) => Some(graph.node(id).args[0]),
        _ => None,
    }
}

fn map(graph: &mut Graph, f: F, args: &[Id]) -> Option<Id> {
    let finite = |graph: &Graph, id: Id| graph.node(id).range.finite;
    let truth = |graph: &mut Graph, t: bool| Some(graph.scalar(f64::from(u8::from(t))));
    match (f, args) {
        (F::Add, [a, b]) => {
            if is(graph, *a, 0.0) {
                return Some(*b);
            }
            if is(graph, *b, 0.0) {
                return Some(*a);
            }
            if let Some(id) = shift(graph, *a, *b, 1.0).or_else(|| shift(graph, *b, *a, 1.0)) {
                return Some(id);
            }
            if let Some(b) = negated(graph, *b) {
                return Some(graph.sub(*a, b));
            }
            if let Some(a) = negated(graph, *a) {
                return Some(graph.sub(*b, a));
            }
            ordered(graph, f, *a, *b)
        }
        (F::Sub, [a, b]) => {
            if a == b && finite(graph, *a) {
                return Some(graph.scalar(0.0));
            }
            if is(graph, *b, 0.0) {
                return Some(*a);
            }
            if is(graph, *a, 0.0) {
                return Some(graph.neg(*b));
            }
            if let Some(b) = negated(graph, *b) {
                return Some(graph.add(*a, b));
            }
            shift(graph, *a, *b, -1.0)
        }
        (F::Mul, [a, b]) => {
            for (one, other) in [(*a, *b), (*b, *a)] {
                match graph.number(one) {
                    Some(1.0) => return Some(other),
                    Some(-1.0) => return Some(graph.neg(other)),
                    Some(0.0) if finite(graph, other) => return Some(graph.scalar(0.0)),
                    _ => {}
                }
            }
            if let (Some(a), Some(b)) = (negated(graph, *a), negated(graph, *b)) {
                return Some(graph.mul(a, b));
            }
            for (one, other) in [(*a, *b), (*b, *a)] {
                if let Some(inner) = negated(graph, one)
                    && !graph.is_constant(one)
                {
                    if let Some(c) = graph.number(other) {
                        let c = graph.scalar(-c);
                        return Some(graph.mul(c, inner));
                    }
                    let product = graph.mul(inner, other);
                    return Some(graph.neg(product));
                }
            }
            ordered(graph, f, *a, *b)
        }
        (F::Div, [a, b]) => {
            if is(graph, *b, 1.0) {
                return Some(*a);
            }
            if is(graph, *a, 0.0) && graph.node(*b).range.finite && graph.node(*b).range.positive() {
                return Some(*a);
            }
            // One division instead of many.
            if graph.axes(*b).len() < graph.axes(*a).len() && graph.axes(*b).iter().all(|x| graph.has(*a, *x)) {
                let one = graph.scalar(1.0);
                let inverse = graph.div(one, *b);
                return Some(graph.mul(*a, inverse));
            }
            None
        }
        (F::Neg, [a]) => {
            if let Op::Map(F::Sub) = graph.node(*a).op {
                let (x, y) = (graph.node(*a).args[0], graph.node(*a).args[1]);
                return Some(graph.sub(y, x));
            }
            negated(graph, *a)
        }
        (F::Pow, [a, b]) => match graph.number(*b)? {
            0.0 => Some(graph.scalar(1.0)),
            1.0 => Some(*a),
            2.0 => Some(graph.mul(*a, *a)),
            3.0 => {
                let square = graph.mul(*a, *a);
                Some(graph.mul(square, *a))
            }
            -1.0 => {
                let one = graph.scalar(1.0);
                Some(graph.div(one, *a))
            }
            0.5 if graph.node(*a).range.not_negative() => Some(graph.prim("sqrt", &[*a])),
            _ => None,
        },
        (F::Lt, [a, b]) => {
            let known = graph.node(*a).range.less(graph.node(*b).range)?;
            truth(graph, known)
        }
        (F::Le, [a, b]) => {
            let known =
                if a == b && finite(graph, *a) { true } else { graph.node(*a).range.at_most(graph.node(*b).range)? };
            truth(graph, known)
        }
        (F::Eq, [a, b]) => {
            if a == b && finite(graph, *a) {
                return truth(graph, true);
            }
            let (x, y) = (graph.node(*a).range, graph.node(*b).range);
            if x.less(y) == Some(true) || y.less(x) == Some(true) {
                return truth(graph, false);
            }
            ordered(graph, f, *a, *b)
        }
        (F::And, [a, b]) => match (graph.number(*a), graph.number(*b)) {
            (Some(0.0), _) | (_, Some(0.0)) => truth(graph, false),
            (Some(_), _) => Some(*b),
            (_, Some(_)) => Some(*a),
            _ if a == b => Some(*a),
            _ => ordered(graph, f, *a, *b),
        },
        (F::Or, [a, b]) => match (graph.number(*a), graph.number(*b)) {
            (Some(0.0), _) => Some(*b),
            (_, Some(0.0)) => Some(*a),
            (Some(_), _) | (_, Some(_)) => truth(graph, true),
            _ if a == b => Some(*a),
            _ => ordered(graph, f, *a, *b),
        },
        (F::Not, [a]) => match graph.node(*a).op {
            Op::Map(F::Not) => Some(graph.node(*a).args[0]),
            _ => None,
        },
        (F::Select, [c, a, b]) => select(graph, *c, *a, *b),
        (F::Mask, [a, b]) => {
            if is(graph, *b, 1.0) || is(graph, *a, 0.0) {
                return Some(*a);
            }
            is(graph, *a, 1.0).then_some(*b)
        }
        (F::Detach, [a]) => graph.is_constant(*a).then_some(*a),
        (F::Prim(row), _) => prim(graph, crate::prim::row(row as usize)?.name(), args),
        _ => None,
    }
}

/// Operands of a commutative operation in a fixed order.
fn ordered(graph: &mut Graph, f: F, a: Id, b: Id) -> Option<Id> {
    (b < a).then(|| graph.map(f, &[b, a]))
}

/// A count with an integer added.
fn shift(graph: &mut Graph, count: Id, by: Id, sign: f64) -> Option<Id> {
    let Op::Count(axis, offset) = graph.node(count).op else { return None };
    let by = graph.number(by)?;
    if by.fract() != 0.0 || by.abs() > 1e9 {
        return None;
    }
    Some(graph.insert(Op::Count(axis, offset + (sign * by) as i64), Vec::new(), vec![axis]))
}

fn select(graph: &mut Graph, c: Id, a: Id, b: Id) -> Option<Id> {
    if a == b {
        return Some(a);
    }
    if let Some(c) = graph.number(c) {
        return Some(if c != 0.0 { a } else { b });
    }
    if !graph.is_constant(c) {
        return None;
    }
    // The condition is data: one function of a chosen operand costs less than a choice of two functions.
    if negated(graph, a) == Some(b) || negated(graph, b) == Some(a) {
        let (one, minus) = (graph.scalar(1.0), graph.scalar(-1.0));
        return Some(if negated(graph, a) == Some(b) {
            let sign = graph.select(c, minus, one);
            graph.mul(sign, b)
        } else {
            let sign = graph.select(c, one, minus);
            graph.mul(sign, a)
        });
    }
    let (x, y) = (graph.node(a), graph.node(b));
    let (Op::Map(f), Op::Map(g)) = (&x.op, &y.op) else { return None };
    if f != g || matches!(f, F::Select) || graph.is_constant(a) || graph.is_constant(b) {
        return None;
    }
    let f = *f;
    let (x, y) = (x.args.clone(), y.args.clone());
    let differ = x.iter().zip(&y).filter(|(x, y)| x != y).count();
    if differ != 1 {
        return None;
    }
    let args: Vec<Id> = x.iter().zip(&y).map(|(x, y)| graph.select(c, *x, *y)).collect();
    Some(graph.map(f, &args))
}

fn prim(graph: &mut Graph, name: &str, args: &[Id]) -> Option<Id> {
    let range = |k: usize| args.get(k).map_or(Range::ANY, |id| graph.node(*id).range);
    match (name, args) {
        ("real", [a]) => Some(*a),
        ("square", [a]) => Some(graph.mul(*a, *a)),
        ("pow", [a, b]) => Some(graph.map(F::Pow, &[*a, *b])),
        ("abs", [a]) if range(0).not_negative() => Some(*a),
        ("abs", [a]) => {
            let inner = negated(graph, *a)?;
            Some(graph.prim("abs", &[inner]))
        }
        ("log", [a]) => match name_of(graph, *a) {
            Some(("exp", x)) => Some(x),
            Some(("inv_logit", x)) => Some(graph.prim("log_inv_logit", &[x])),
            _ => None,
        },
        ("xlogy", [a, b]) if range(1).positive() && range(1).finite => {
            let log = graph.prim("log", &[*b]);
            Some(graph.mul(*a, log))
        }
        ("xlogy" | "xlog1py", [a, _]) if is(graph, *a, 0.0) => Some(*a),
        ("max", [a, _]) if range(1).at_most(range(0)) == Some(true) && range(0).finite => Some(*a),
        _ => None,
    }
}

fn take(graph: &mut Graph, along: Axis, x: Id, index: Id) -> Option<Id> {
    if !graph.has(x, along) {
        return Some(x);
    }
    let rest = axis::minus(graph.axes(x), &[along]);
    if let Op::Count(to, 0) = graph.node(index).op
        && to.extent == along.extent
    {
        if to == along {
            return Some(x);
        }
        if !rest.contains(&to) {
            return Some(graph.rename(x, along, to));
        }
    }
    let node = graph.node(x).clone();
    match &node.op {
        Op::Count(_, offset) => {
            let offset = graph.scalar(*offset as f64);
            Some(graph.add(index, offset))
        }
        Op::Stack(stacked) if *stacked == along => {
            let k = graph.number(index)?;
            let item = *node.args.get(k as usize)?;
            Some(item)
        }
        Op::Stack(stacked) if graph.number(index).is_some() => {
            let items = node.args.iter().map(|item| graph.take(*item, along, index)).collect();
            Some(graph.stack(items, *stacked))
        }
        Op::Input(offset) if node.axes == [along] => {
            let k = graph.number(index)?;
            Some(graph.insert(Op::Input(offset + k as u32), Vec::new(), Vec::new()))
        }
        Op::Rename(from, to) if *to == along => Some(graph.take(node.args[0], *from, index)),
        Op::Map(f) if graph.number(index).is_some() && !node.constant => {
            let guard = std::mem::replace(&mut graph.guard, node.guarded);
            let args: Vec<Id> = node.args.iter().map(|arg| graph.take(*arg, along, index)).collect();
            graph.guard = node.guarded;
            let map = graph.map(*f, &args);
            graph.guard = guard;
            Some(map)
        }
        _ => None,
    }
}

fn rename(graph: &mut Graph, from: Axis, to: Axis, x: Id, axes: &Axes) -> Option<Id> {
    // Whether the layout stays as it is.
    let places = |axes: &[Axis], axis: Axis| axes.iter().position(|a| *a == axis);
    let same = places(graph.axes(x), from) == places(axes, to);
    let node = graph.node(x).clone();
    match node.op {
        Op::Count(_, offset) => Some(graph.insert(Op::Count(to, offset), Vec::new(), axes.clone())),
        Op::Input(offset) if same => Some(graph.insert(Op::Input(offset), Vec::new(), axes.clone())),
        Op::Data(k) if same => Some(graph.array(graph.data[k as usize].clone(), axes.clone())),
        Op::Rename(first, middle) if middle == from && !graph.has(node.args[0], to) => {
            Some(graph.rename(node.args[0], first, to))
        }
        _ => None,
    }
}

/// Builds the sum over axes of a product; see [`Graph::contract`].
pub fn contract(graph: &mut Graph, a: Id, b: Id, over: &[Axis]) -> Id {
    let mut factors = Vec::new();
    let mut sign = 1.0;
    flatten(graph, a, &mut factors, &mut sign, 0);
    flatten(graph, b, &mut factors, &mut sign, 0);
    product(graph, factors, sign, over)
}

/// Splits a product into factors.
fn flatten(graph: &Graph, x: Id, factors: &mut Vec<Id>, sign: &mut f64, depth: usize) {
    let node = graph.node(x);
    match node.op {
        Op::Map(F::Neg) if !node.constant => {
            *sign = -*sign;
            flatten(graph, node.args[0], factors, sign, depth);
        }
        Op::Map(F::Mul) if !node.constant && depth < 8 => {
            flatten(graph, node.args[0], factors, sign, depth + 1);
            flatten(graph, node.args[1], factors, sign, depth + 1);
        }
        _ => factors.push(x),
    }
}

fn product(graph: &mut Graph, factors: Vec<Id>, mut scale: f64, over: &[Axis]) -> Id {
    // Axes along which nothing changes count as often as they are long.
    let mut left = Vec::new();
    for axis in over {
        if factors.iter().any(|f| graph.has(*f, *axis)) {
            left.push(*axis);
        } else {
            scale *= f64::from(axis.extent);
        }
    }
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for factor in factors {
        if let Some(x) = graph.number(factor) {
            scale *= x;
        } else if left.iter().any(|axis| graph.has(factor, *axis)) {
            inside.push(factor);
        } else {
            outside.push(factor);
        }
    }
    let mut result = sum(graph, inside, &left);
    // Smaller arrays first, so that few products are large.
    outside.sort_by_key(|f| (axis::size(graph.axes(*f)), *f));
    let scale = graph.scalar(scale);
    let mut factor = scale;
    for other in outside {
        factor = graph.mul(factor, other);
    }
    result = result.map(|inner| graph.mul(factor, inner)).or(Some(factor));
    result.unwrap_or(scale)
}

/// The sum of a product of factors, each of which has some of the axes; none without factors.
fn sum(graph: &mut Graph, mut factors: Vec<Id>, over: &[Axis]) -> Option<Id> {
    if factors.is_empty() {
        return None;
    }
    if over.is_empty() {
        return factors.into_iter().reduce(|a, b| graph.mul(a, b));
    }
    // A sum of sums, where the terms have fewer axes or can be simplified apart.
    if let [only] = factors[..] {
        let node = graph.node(only).clone();
        if let Op::Map(F::Add | F::Sub) = node.op
            && !node.constant
        {
            let one = graph.scalar(1.0);
            let (x, y) = (graph.contract(node.args[0], one, over), graph.contract(node.args[1], one, over));
            return Some(graph.map(if node.op == Op::Map(F::Add) { F::Add } else { F::Sub }, &[x, y]));
        }
    }
    // An axis that some factors lack is summed over first.
    for axis in over.iter().rev() {
        if over.len() > 1 && factors.iter().any(|f| !graph.has(*f, *axis)) {
            let (inner, mut rest): (Vec<Id>, Vec<Id>) = factors.iter().partition(|f| graph.has(**f, *axis));
            let others: Vec<Axis> = over.iter().copied().filter(|a| a != axis).collect();
            let inner = sum(graph, inner, &[*axis])?;
            rest.push(inner);
            return Some(product(graph, rest, 1.0, &others));
        }
    }
    factors.sort();
    // Factors of the same axes are multiplied first; the last two are multiplied as they are summed.
    while factors.len() > 2 {
        let mut best = (0, 1, usize::MAX);
        for i in 0..factors.len() {
            for j in 0..i {
                let size = axis::size(&axis::union(graph.axes(factors[i]), graph.axes(factors[j])));
                if size < best.2 {
                    best = (j, i, size);
                }
            }
        }
        let (i, j) = (best.0, best.1);
        let second = factors.remove(j);
        let first = factors[i];
        factors[i] = graph.mul(first, second);
    }
    let all = factors.iter().fold(Axes::new(), |all, f| axis::union(&all, graph.axes(*f)));
    let axes = axis::minus(&all, over);
    factors.sort();
    Some(graph.make(Op::Contract(over.to_vec()), factors, axes))
}

/// The part of a node that a running total gains: `Some(terms)` where the node is `total` plus the terms.
pub fn gain(graph: &mut Graph, node: Id, total: Id) -> Option<Id> {
    if node == total {
        return Some(graph.scalar(0.0));
    }
    let n = graph.node(node).clone();
    match n.op {
        Op::Map(F::Add) => {
            let (a, b) = (n.args[0], n.args[1]);
            if let Some(gained) = gain(graph, a, total) {
                return Some(graph.add(gained, b));
            }
            let gained = gain(graph, b, total)?;
            Some(graph.add(gained, a))
        }
        Op::Map(F::Sub) => {
            let gained = gain(graph, n.args[0], total)?;
            Some(graph.sub(gained, n.args[1]))
        }
        Op::Map(F::Select) => {
            let (a, b) = (gain(graph, n.args[1], total)?, gain(graph, n.args[2], total)?);
            Some(graph.select(n.args[0], a, b))
        }
        _ => None,
    }
}

/// As [`gain`], for a running product, maximum or minimum, and for `log_add_exp`.
pub fn combined(graph: &Graph, node: Id, total: Id) -> Option<(Combine, Id)> {
    let n = graph.node(node);
    let (how, a, b) = match n.op {
        Op::Map(F::Mul) => (Combine::By(Reduction::Prod), n.args[0], n.args[1]),
        Op::Map(F::And) => (Combine::By(Reduction::Min), n.args[0], n.args[1]),
        Op::Map(F::Or) => (Combine::By(Reduction::Max), n.args[0], n.args[1]),
        Op::Map(F::Prim(row)) => {
            let how = match crate::prim::row(row as usize)?.name() {
                "max" => Combine::By(Reduction::Max),
                "min" => Combine::By(Reduction::Min),
                "log_add_exp" => Combine::LogAddExp,
                _ => return None,
            };
            (how, n.args[0], n.args[1])
        }
        _ => return None,
    };
    if a == total {
        Some((how, b))
    } else if b == total {
        Some((how, a))
    } else {
        None
    }
}

/// How a loop combines what it meets.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Combine {
    By(Reduction),
    LogAddExp,
}

impl Graph {
    /// `log(sum(exp(x)))` along an axis.
    pub fn log_sum_exp(&mut self, x: Id, along: Axis) -> Id {
        if !self.has(x, along) {
            let n = self.scalar(f64::from(along.extent).ln());
            return self.add(x, n);
        }
        if along.extent == 1 {
            let zero = self.scalar(0.0);
            return self.take(x, along, zero);
        }
        let finite = self.node(x).range.finite;
        // Where all are -inf the sum is zero, and the derivative of its log is not used.
        let guard = self.guard;
        self.guard |= !finite;
        let most = self.reduce(Reduction::Max, x, along);
        let mut most = self.map(F::Detach, &[most]);
        if !finite {
            // Where all are −∞ nothing is subtracted.
            let (low, zero) = (self.scalar(f64::NEG_INFINITY), self.scalar(0.0));
            let none = self.map(F::Eq, &[most, low]);
            most = self.select(none, zero, most);
        }
        let rest = self.sub(x, most);
        let terms = self.prim("exp", &[rest]);
        let sum = self.reduce(Reduction::Sum, terms, along);
        let log = self.prim("log", &[sum]);
        self.guard = guard;
        self.add(most, log)
    }
}
