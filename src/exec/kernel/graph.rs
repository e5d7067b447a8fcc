//! Array code: a graph of operations on arrays, each a function of named axes.
//!
//! A node denotes a number for every position of its axes; operands that lack an axis are the same along it. Equal nodes are one,
//! and what follows from constants is computed when a node is made.

use super::axis::{self, Axes, Axis};
use super::forward::Forward;
use super::range::Range;
use super::{fold, rules};
use std::collections::HashMap;
use std::sync::Arc;

/// A node of a [`Graph`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Id(pub u32);

/// Elementwise functions. Booleans are 0 and 1, integers are reals.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum F {
    Add,
    Sub,
    Mul,
    Div,
    Neg,
    Pow,
    Rem,
    Lt,
    Le,
    Eq,
    Not,
    And,
    Or,
    /// `if a { b } else { c }`
    Select,
    /// A product that is zero where its first factor is, whatever the second.
    Mask,
    /// The operand, as a constant to derivatives.
    Detach,
    /// A row of the table of primitives.
    Prim(u32),
}

/// What is made of the elements along an axis.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Reduction {
    Sum,
    Prod,
    Max,
    Min,
}

/// Maps from unconstrained vectors to constrained ones, along axes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shape {
    Simplex,
    Ordered,
    PositiveOrdered,
    UnitVector,
    CorrCholesky,
    CovCholesky,
    Corr,
    PosDef,
}

/// Operations on matrices, over two axes (rows, columns) of each operand.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Linear {
    /// Lower triangular factor.
    Cholesky(Axis, Axis),
    /// Derivative of the factor: from the factor and the derivative by it to that by the matrix.
    CholeskyBack(Axis, Axis),
    /// `l x = b` for a lower triangular `l` over (row, column), `b` over the row axis, `x` over the column axis; `transposed`: by the
    /// transpose, `b` over the column axis, `x` over the row axis.
    SolveLower { row: Axis, col: Axis, transposed: bool },
    /// The same for an upper triangular matrix.
    SolveUpper { row: Axis, col: Axis, transposed: bool },
    /// The inverse of a general matrix, over the same axes: `inverse[row, col]`.
    Inverse(Axis, Axis),
    /// The log of the absolute value of the determinant.
    LogDet(Axis, Axis),
}

/// What a node computes from its operands.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Op {
    /// The bits of a number.
    Scalar(u64),
    /// An array of [`Graph::data`], laid out over the node's axes.
    Data(u32),
    /// The index of an axis, plus an integer.
    Count(Axis, i64),
    /// Coordinates of the unconstrained vector from this place on, laid out over the node's axes.
    Input(u32),
    Map(F),
    Reduce(Reduction, Axis),
    /// The sum over these axes of the product of two operands.
    Contract(Axes),
    /// `x` at the positions along an axis that the second operand gives.
    Take(Axis),
    /// Adds up the first operand over `over`, each element at the place along `into` that the second operand gives.
    Spread {
        into: Axis,
        over: Axes,
    },
    /// The same array by another name of an axis.
    Rename(Axis, Axis),
    /// Operand `k` at position `k` of an axis.
    Stack(Axis),
    /// The elements of two arrays, one after the other: along the first axis of the first, the second of the second.
    Join(Axis, Axis, Axis),
    /// A constrained vector along `to` (a matrix along both) from an unconstrained one along `from`.
    Constrain {
        shape: Shape,
        from: Axis,
        to: [Axis; 2],
    },
    /// The log Jacobian of the same.
    Jacobian {
        shape: Shape,
        from: Axis,
        to: [Axis; 2],
    },
    /// Derivative by the unconstrained vector, from it and the derivatives by the constrained one and by the log Jacobian.
    ConstrainBack {
        shape: Shape,
        from: Axis,
        to: [Axis; 2],
    },
    Linear(Linear),
    /// The state `k` of a [`Scan`] before each step; `k` counts in its states.
    State(u32, u32),
    /// The state `k` after the last step.
    Last(u32, u32),
    /// A node that is known later, with these axes; see [`Graph::settle`].
    Later(u32),
    /// A finite choice by its number, which is summed out: over the axis of its values, the first of which is this integer, and over the
    /// loops around it.
    Finite(u32, Axis, i64),
    /// The record of forward recursions: of their starts, tables, and what is added in every step.
    Forward(Forward),
    /// Their derivatives: of their records, tables, and the derivatives by what they give.
    ForwardBack(Forward),
    /// The solution of an equation by its number, over its times and states; with its derivatives, if so.
    Ode(u32, bool),
}

/// A loop with a carried dependence. Its body is the part of the graph between its states and their values after a step.
#[derive(Clone, Debug)]
pub struct Scan {
    pub axis: Axis,
    /// From the last step to the first.
    pub reversed: bool,
    pub states: Vec<Id>,
    pub first: Vec<Id>,
    /// The states after a step, over the axis too.
    pub next: Vec<Id>,
}

/// A node.
#[derive(Clone, Debug)]
pub struct Node {
    pub op: Op,
    pub args: Vec<Id>,
    pub axes: Axes,
    pub range: Range,
    /// Depends on nothing but data.
    pub constant: bool,
    /// Depends on data and finite choices alone; of a promise, is expected to.
    pub discrete: bool,
    /// Made where a condition on choices decides: its derivative may be infinite where it is not used.
    pub guarded: bool,
}

/// Nodes in an order in which operands come first, but for [`Op::Later`] and the bodies of scans.
#[derive(Debug, Default)]
pub struct Graph {
    pub nodes: Vec<Node>,
    pub data: Vec<Arc<Vec<f64>>>,
    pub scans: Vec<Scan>,
    pub odes: Vec<Arc<super::ode::Ode>>,
    /// Equations of whose solution the derivatives are needed.
    pub differentiated: Vec<u32>,
    /// What `Later` nodes stand for.
    pub later: Vec<Option<Id>>,
    /// Nodes that are made now are guarded.
    pub guard: bool,
    known: HashMap<(Op, Vec<Id>, Axes), Id>,
    known_data: HashMap<(usize, Axes), Id>,
    /// Elements of all constant arrays.
    pub stored: usize,
}

/// Constant arrays together have at most this many elements.
const MOST_STORED: usize = 400_000_000;

impl Graph {
    pub fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub fn axes(&self, id: Id) -> &[Axis] {
        &self.nodes[id.0 as usize].axes
    }

    pub fn has(&self, id: Id, axis: Axis) -> bool {
        self.axes(id).contains(&axis)
    }

    /// The number of a constant without axes.
    pub fn number(&self, id: Id) -> Option<f64> {
        match self.node(id).op {
            Op::Scalar(bits) => Some(f64::from_bits(bits)),
            _ => None,
        }
    }

    pub fn is_constant(&self, id: Id) -> bool {
        self.node(id).constant
    }

    pub fn scalar(&mut self, x: f64) -> Id {
        self.insert(Op::Scalar(x.to_bits()), Vec::new(), Vec::new())
    }

    /// An array of numbers, laid out over axes.
    pub fn array(&mut self, data: Arc<Vec<f64>>, axes: Axes) -> Id {
        debug_assert_eq!(data.len(), axis::size(&axes));
        if axes.is_empty() {
            return self.scalar(data[0]);
        }
        let key = (Arc::as_ptr(&data) as usize, axes.clone());
        if let Some(id) = self.known_data.get(&key) {
            return *id;
        }
        self.stored += data.len();
        self.data.push(data);
        let id = self.insert(Op::Data(self.data.len() as u32 - 1), Vec::new(), axes);
        self.known_data.insert(key, id);
        id
    }

    /// Whether the constants fit into the memory that they may use.
    pub fn too_large(&self) -> bool {
        self.stored > MOST_STORED
    }

    /// A node that is not simplified.
    pub fn insert(&mut self, op: Op, args: Vec<Id>, axes: Axes) -> Id {
        let key = (op, args, axes);
        if let Some(id) = self.known.get(&key) {
            return *id;
        }
        let range = Range::of(self, &key.0, &key.1);
        let constant = match &key.0 {
            Op::Scalar(_) | Op::Data(_) | Op::Count(..) => true,
            Op::Input(_) | Op::State(..) | Op::Last(..) | Op::Later(_) | Op::Finite(..) => false,
            _ => key.1.iter().all(|arg| self.is_constant(*arg)),
        };
        let discrete = match &key.0 {
            Op::Finite(..) => true,
            Op::Input(_) | Op::State(..) | Op::Last(..) | Op::Later(_) => false,
            _ => constant || key.1.iter().all(|arg| self.node(*arg).discrete),
        };
        let id = Id(self.nodes.len() as u32);
        let (op, args, axes) = key.clone();
        self.nodes.push(Node { op, args, axes, range, constant, discrete, guarded: self.guard });
        self.known.insert(key, id);
        id
    }

    /// A node, or a simpler one of the same value.
    pub fn make(&mut self, op: Op, args: Vec<Id>, axes: Axes) -> Id {
        if let Some(id) = rules::simplify(self, &op, &args, &axes) {
            return id;
        }
        let id = self.insert(op, args, axes);
        if self.is_constant(id)
            && !matches!(self.node(id).op, Op::Scalar(_) | Op::Data(_) | Op::Count(..))
            && axis::size(self.axes(id)) <= fold::LARGEST
            && let Some(data) = fold::evaluate(self, id)
        {
            let axes = self.axes(id).to_vec();
            let folded = self.array(Arc::new(data), axes);
            let node = self.node(id);
            // The next request for this node finds the constant.
            let key = (node.op.clone(), node.args.clone(), node.axes.clone());
            self.known.insert(key, folded);
            return folded;
        }
        id
    }

    /// An elementwise function.
    pub fn map(&mut self, f: F, args: &[Id]) -> Id {
        let axes = args.iter().fold(Axes::new(), |axes, arg| axis::union(&axes, self.axes(*arg)));
        self.make(Op::Map(f), args.to_vec(), axes)
    }

    pub fn add(&mut self, a: Id, b: Id) -> Id {
        self.map(F::Add, &[a, b])
    }

    pub fn sub(&mut self, a: Id, b: Id) -> Id {
        self.map(F::Sub, &[a, b])
    }

    pub fn mul(&mut self, a: Id, b: Id) -> Id {
        self.map(F::Mul, &[a, b])
    }

    pub fn div(&mut self, a: Id, b: Id) -> Id {
        self.map(F::Div, &[a, b])
    }

    pub fn neg(&mut self, a: Id) -> Id {
        self.map(F::Neg, &[a])
    }

    pub fn select(&mut self, c: Id, a: Id, b: Id) -> Id {
        self.map(F::Select, &[c, a, b])
    }

    /// A primitive of reals by its name.
    pub fn prim(&mut self, name: &str, args: &[Id]) -> Id {
        let row = crate::prim::find(name)
            .find(|(_, row)| {
                use crate::prim::Body;
                matches!(
                    (&row.body, args.len()),
                    (Body::Real1(_) | Body::Truncate(_), 1) | (Body::Real2(_), 2) | (Body::Real3(_), 3)
                )
            })
            .map(|(k, _)| k as u32);
        self.map(F::Prim(row.expect("a primitive of the table")), args)
    }

    pub fn count(&mut self, axis: Axis) -> Id {
        self.make(Op::Count(axis, 0), Vec::new(), vec![axis])
    }

    /// What is made of the elements along an axis; an array without the axis counts as repeated along it.
    pub fn reduce(&mut self, how: Reduction, x: Id, along: Axis) -> Id {
        if how == Reduction::Sum {
            let one = self.scalar(1.0);
            return self.contract(x, one, &[along]);
        }
        if !self.has(x, along) {
            return match how {
                Reduction::Prod => {
                    let n = self.scalar(f64::from(along.extent));
                    self.map(F::Pow, &[x, n])
                }
                _ => x,
            };
        }
        let axes = axis::minus(self.axes(x), &[along]);
        self.make(Op::Reduce(how, along), vec![x], axes)
    }

    /// The sum of a product over axes; operands that lack one of them are repeated along it.
    pub fn contract(&mut self, a: Id, b: Id, over: &[Axis]) -> Id {
        rules::contract(self, a, b, over)
    }

    /// Sums over the axes that `to` lacks.
    pub fn sum_to(&mut self, a: Id, b: Id, to: &[Axis]) -> Id {
        let all = axis::union(self.axes(a), self.axes(b));
        let over = axis::minus(&all, to);
        self.contract(a, b, &over)
    }

    /// `x` with the positions along an axis given by an index, which may depend on axes itself.
    pub fn take(&mut self, x: Id, along: Axis, index: Id) -> Id {
        if !self.has(x, along) {
            return x;
        }
        let axes = axis::replace(self.axes(x), along, self.axes(index));
        self.make(Op::Take(along), vec![x, index], axes)
    }

    /// Adds elements up at places of a new axis.
    pub fn spread(&mut self, x: Id, index: Id, into: Axis, over: &[Axis]) -> Id {
        let all = axis::union(self.axes(x), self.axes(index));
        let axes = axis::union(&axis::minus(&all, over), &[into]);
        self.make(Op::Spread { into, over: over.to_vec() }, vec![x, index], axes)
    }

    pub fn rename(&mut self, x: Id, from: Axis, to: Axis) -> Id {
        if from == to || !self.has(x, from) {
            return x;
        }
        if self.has(x, to) {
            let index = self.count(to);
            return self.take(x, from, index);
        }
        let axes = axis::replace(self.axes(x), from, &[to]);
        self.make(Op::Rename(from, to), vec![x], axes)
    }

    pub fn stack(&mut self, items: Vec<Id>, along: Axis) -> Id {
        if items.iter().all(|item| *item == items[0]) {
            return items[0];
        }
        let axes = items.iter().fold(vec![along], |axes, item| axis::union(&axes, self.axes(*item)));
        self.make(Op::Stack(along), items, axes)
    }

    /// `l x = b` for a triangular matrix over (row, column): `b` along the row axis (`transposed`: the column axis), `x` along the other.
    pub fn solve(&mut self, l: Id, b: Id, row: Axis, col: Axis, lower: bool, transposed: bool) -> Id {
        let (from, to) = if transposed { (col, row) } else { (row, col) };
        let all = axis::union(self.axes(l), self.axes(b));
        let axes = axis::union(&axis::minus(&all, &[row, col]), &[to]);
        let b_axes = axis::union(self.axes(b), &[from]);
        // A right-hand side that is the same everywhere still has its axis.
        let b = if self.has(b, from) { b } else { self.broadcast(b, b_axes) };
        let linear = if lower {
            Linear::SolveLower { row, col, transposed }
        } else {
            Linear::SolveUpper { row, col, transposed }
        };
        self.make(Op::Linear(linear), vec![l, b], axes)
    }

    /// The same values over more axes.
    pub fn broadcast(&mut self, x: Id, axes: Axes) -> Id {
        let missing = axis::minus(&axes, self.axes(x));
        let zeros: usize = axis::size(&missing);
        let zeros = self.array(Arc::new(vec![1.0; zeros]), missing);
        self.insert(Op::Map(F::Mul), vec![x, zeros], axes)
    }

    /// A stand-in for a node over these axes that is not known yet.
    pub fn promise(&mut self, axes: Axes) -> Id {
        self.later.push(None);
        let number = self.later.len() as u32 - 1;
        self.insert(Op::Later(number), Vec::new(), axes)
    }

    /// A stand-in for a node that depends on data and finite choices alone, as far as is known; with bounds, where they are.
    pub fn promise_discrete(&mut self, axes: Axes, range: Range) -> Id {
        let id = self.promise(axes);
        let node = &mut self.nodes[id.0 as usize];
        node.discrete = true;
        node.range = range;
        id
    }

    /// Says what a promised node is.
    pub fn settle(&mut self, promise: Id, node: Id) {
        if let Op::Later(number) = self.node(promise).op {
            self.later[number as usize] = Some(node);
        }
    }

    /// Says that a promise is what a node was a step before, and `first` in the first step.
    pub fn settle_by_step_before(&mut self, promise: Id, first: Id, after: Id, along: Axis) {
        let count = self.count(along);
        let (zero, one) = (self.scalar(0.0), self.scalar(1.0));
        let back = self.sub(count, one);
        let back = self.prim("max", &[back, zero]);
        let previous = self.take(after, along, back);
        let start = self.map(F::Eq, &[count, zero]);
        let before = self.select(start, first, previous);
        self.settle(promise, before);
    }

    /// Which of some nodes a node depends on.
    pub fn reached(&self, node: Id, targets: &[Id]) -> Vec<bool> {
        let mut found = vec![false; targets.len()];
        let Some(first) = targets.iter().min() else { return found };
        let mut seen = std::collections::HashSet::new();
        let mut queue = vec![node];
        // A promise may be settled by a node that came later.
        let promises = !self.later.is_empty();
        while let Some(at) = queue.pop() {
            if let Some(k) = targets.iter().position(|t| *t == at) {
                found[k] = true;
                continue;
            }
            if (at < *first && !promises) || !seen.insert(at) {
                continue;
            }
            let node = self.node(at);
            if node.constant {
                continue;
            }
            queue.extend(&node.args);
            match node.op {
                Op::Later(number) => queue.extend(self.later[number as usize]),
                Op::State(scan, _) | Op::Last(scan, _) => {
                    let scan = &self.scans[scan as usize];
                    queue.extend(scan.first.iter().chain(&scan.next));
                }
                _ => {}
            }
        }
        found
    }

    /// Whether a node, `total` plus or times something, is all that is made of `total` by the nodes from `started` on.
    pub fn only_chained(&self, node: Id, total: Id, started: usize) -> bool {
        let mut chain = vec![node];
        let mut at = 0;
        while at < chain.len() {
            for arg in &self.node(chain[at]).args {
                if *arg != total && arg.0 as usize >= started && self.reached(*arg, &[total])[0] {
                    chain.push(*arg);
                }
            }
            at += 1;
        }
        self.nodes[started..].iter().enumerate().all(|(k, other)| {
            let id = Id((started + k) as u32);
            chain.contains(&id) || !other.args.iter().any(|arg| *arg == total || chain.contains(arg))
        })
    }
}
