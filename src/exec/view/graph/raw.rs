//! The graph as it is recorded: one node for each operation on which a choice has influence.

use super::op::{Kind, Op};
use super::whole::{self, Whole};
use crate::value::{Matrix, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// The number of a node; 0 for what no choice influences.
pub type Id = u32;

/// Nodes and operands beyond which nothing is recorded: some hundred bytes each.
const MOST_NODES: usize = 2_000_000;
const MOST_OPERANDS: usize = 8_000_000;
/// Compound values nested deeper are not followed.
const MOST_DEPTH: u32 = 100;

/// A node. Operands have smaller numbers.
#[derive(Clone, Debug)]
pub enum Raw {
    /// A constant; as a parameter of a recorded function, its input.
    Given,
    /// The choice at a place of the trace.
    Choice(u32),
    Scalar(Op, [Id; 3]),
    /// The log density of a choice: a function of the parameters and the value, or, without one, of distribution and value.
    Density {
        choice: u32,
        func: Option<u32>,
        program: Option<u32>,
        args: Box<[Id]>,
    },
    /// A function of numbers.
    Call {
        func: u32,
        program: Option<u32>,
        args: Box<[Id]>,
    },
    Whole(u32, Box<[Id]>),
    /// A compound value of which some parts are nodes.
    Pack(Box<[(u32, Id)]>),
    /// The run is as recorded only while this node has its value.
    Guard(Id),
    /// Adds to the log weight, at a site.
    Score(Id, u32),
}

/// Which parts of a value are nodes.
#[derive(Clone, Debug)]
pub enum Shadow {
    Constant,
    Node(Id),
    Parts(Arc<Parts>),
}

/// The shadows of all parts of a compound value, and how deep they are nested.
#[derive(Clone, Debug)]
pub struct Parts {
    pub items: Vec<Shadow>,
    depth: u32,
}

impl Shadow {
    /// The shadow of a number.
    pub fn of(node: Id) -> Shadow {
        if node == 0 { Shadow::Constant } else { Shadow::Node(node) }
    }

    /// The shadow of a compound value; none when it is nested too deep to be followed.
    pub fn parts(items: Vec<Shadow>) -> Option<Shadow> {
        let depth = |shadow: &Shadow| match shadow {
            Shadow::Constant => 0,
            Shadow::Node(_) => 1,
            Shadow::Parts(parts) => parts.depth + 1,
        };
        match items.iter().map(depth).max() {
            None | Some(0) => Some(Shadow::Constant),
            Some(depth) if depth > MOST_DEPTH => None,
            Some(depth) => Some(Shadow::Parts(Arc::new(Parts { items, depth }))),
        }
    }

    /// Whether no choice influences the value.
    pub fn is_constant(&self) -> bool {
        matches!(self, Shadow::Constant)
    }

    /// The shadow of part `k` of a compound value; none where the value is a node itself.
    pub fn part(&self, k: usize) -> Option<Shadow> {
        match self {
            Shadow::Constant => Some(Shadow::Constant),
            Shadow::Node(_) => None,
            Shadow::Parts(parts) => parts.items.get(k).cloned(),
        }
    }
}

impl Parts {
    /// Of a compound value of `n` parts, none of them influenced.
    pub fn constants(n: usize) -> Arc<Parts> {
        Arc::new(Parts { items: vec![Shadow::Constant; n], depth: 0 })
    }

    /// Replaces the shadow of a part; none when it would be nested too deep.
    pub fn set(parts: &mut Arc<Parts>, k: usize, shadow: Shadow) -> Option<()> {
        let depth = match &shadow {
            Shadow::Constant => 0,
            Shadow::Node(_) => 1,
            Shadow::Parts(parts) => parts.depth + 1,
        };
        if depth > MOST_DEPTH {
            return None;
        }
        let parts = Arc::make_mut(parts);
        parts.depth = parts.depth.max(depth);
        if k == parts.items.len() {
            parts.items.push(shadow);
        } else {
            *parts.items.get_mut(k)? = shadow;
        }
        Some(())
    }
}

/// A graph being recorded.
#[derive(Debug, Default)]
pub struct RawGraph {
    pub nodes: Vec<Raw>,
    pub values: Vec<Value>,
    pub wholes: Vec<Whole>,
    operands: usize,
    numbers: HashMap<(u8, u64), Id>,
    /// Compound values made into nodes, so that each is made once; the shadow is held so that its place in memory stays its own.
    packs: HashMap<usize, (Arc<Parts>, Id)>,
    guarded: HashMap<Id, ()>,
    /// Constant objects by their place in memory, so that each is one node; the node holds it, so that the place stays its own.
    objects: HashMap<usize, Id>,
    /// The rows of constant matrices as arrays, by the place of the matrix, which is held.
    rows: HashMap<usize, (Arc<Matrix>, Value)>,
}

/// Operations looked at to see whether one was met before.
const LATELY: usize = 16;

impl RawGraph {
    /// An empty graph.
    pub fn new() -> RawGraph {
        RawGraph { nodes: vec![Raw::Given], values: vec![Value::Unit], ..RawGraph::default() }
    }

    /// Adds a node with its present value; none when there are too many.
    pub fn add(&mut self, node: Raw, value: Value) -> Option<Id> {
        self.operands += match &node {
            Raw::Given | Raw::Choice(_) => 0,
            Raw::Scalar(..) => 3,
            Raw::Density { args, .. } | Raw::Call { args, .. } | Raw::Whole(_, args) => args.len(),
            Raw::Pack(parts) => parts.len(),
            Raw::Guard(_) | Raw::Score(..) => 1,
        };
        if self.nodes.len() >= MOST_NODES || self.operands > MOST_OPERANDS {
            return None;
        }
        self.nodes.push(node);
        self.values.push(value);
        Some((self.nodes.len() - 1) as Id)
    }

    /// The node of a number that may be a constant.
    pub fn number(&mut self, node: Id, bits: u64, kind: Kind) -> Option<Id> {
        if node != 0 {
            return Some(node);
        }
        if let Some(id) = self.numbers.get(&(kind as u8, bits)) {
            return Some(*id);
        }
        let id = self.add(Raw::Given, kind.value(bits))?;
        self.numbers.insert((kind as u8, bits), id);
        Some(id)
    }

    /// The node of a value as a whole.
    pub fn whole(&mut self, value: &Value, shadow: &Shadow) -> Option<Id> {
        match shadow {
            Shadow::Node(id) => Some(*id),
            Shadow::Constant => match value {
                Value::Real(x) => self.number(0, x.to_bits(), Kind::Real),
                Value::Int(n) => self.number(0, *n as u64, Kind::Int),
                Value::Bool(b) => self.number(0, u64::from(*b), Kind::Bool),
                other => self.object(other),
            },
            Shadow::Parts(parts) => {
                let place = Arc::as_ptr(parts) as usize;
                if let Some((_, id)) = self.packs.get(&place) {
                    return Some(*id);
                }
                let mut nodes = Vec::new();
                for (k, shadow) in parts.items.iter().enumerate() {
                    if !shadow.is_constant() {
                        nodes.push((k as u32, self.whole(&whole::part(value, k)?, shadow)?));
                    }
                }
                let id = self.add(Raw::Pack(nodes.into()), value.clone())?;
                self.packs.insert(place, (Arc::clone(parts), id));
                Some(id)
            }
        }
    }

    /// The node of a constant object.
    fn object(&mut self, value: &Value) -> Option<Id> {
        let place = value.place_in_memory();
        if let Some(id) = place.and_then(|place| self.objects.get(&place)) {
            return Some(*id);
        }
        let id = self.add(Raw::Given, value.clone())?;
        if let Some(place) = place {
            self.objects.insert(place, id);
        }
        Some(id)
    }

    /// The rows of a constant matrix as an array, made once: an index then takes a row instead of copying it.
    pub fn rows(&mut self, matrix: &Arc<Matrix>) -> Value {
        let rows = || Value::Values(Arc::new((0..matrix.rows).map(|i| Value::reals(matrix.row(i).to_vec())).collect()));
        let place = Arc::as_ptr(matrix) as usize;
        self.rows.entry(place).or_insert_with(|| (Arc::clone(matrix), rows())).1.clone()
    }

    /// Makes the run depend on a node having its present value.
    pub fn guard(&mut self, node: Id) -> Option<()> {
        if node != 0 && self.guarded.insert(node, ()).is_none() {
            let value = self.values[node as usize].clone();
            self.add(Raw::Guard(node), value)?;
        }
        Some(())
    }

    /// Adds an operation on whole values.
    pub fn operation(&mut self, whole: Whole, args: Vec<Id>, value: Value) -> Option<Id> {
        let known = self.wholes.iter().rev().take(LATELY).position(|other| other.alike(&whole));
        let number = match known {
            Some(back) => self.wholes.len() - 1 - back,
            None => {
                self.wholes.push(whole);
                self.wholes.len() - 1
            }
        };
        self.add(Raw::Whole(number as u32, args.into()), value)
    }
}
