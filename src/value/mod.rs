//! Run-time values, domains, the generator, and what may go wrong while a program runs.

pub mod domain;
mod drop;
pub mod fault;
pub mod generator;
pub mod hash;
pub mod interrupt;
pub mod print;

use crate::source::Name;
use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

pub use domain::Domain;
pub use fault::{Fault, check_length};
pub use generator::{Generator, Streams};
pub use hash::{hash_value, same};
pub use print::{short, to_json};

/// A value of the language. Numbers are held in place; the rest is shared and copied on write.
///
/// The variant of an array follows from its static type: `[Real]` is `Reals`, `[Int]` is `Ints`, `[Bool]` is `Bools`,
/// every other array is `Values`; this holds for empty arrays too.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// `()`
    #[default]
    Unit,
    Bool(bool),
    Int(i64),
    Real(f64),
    Str(Arc<str>),
    /// `[Real]`
    Reals(Arc<Vec<f64>>),
    /// `[Int]`
    Ints(Arc<Vec<i64>>),
    /// `[Bool]`
    Bools(Arc<Vec<bool>>),
    /// Every other array.
    Values(Arc<Vec<Value>>),
    Matrix(Arc<Matrix>),
    /// `(a, b)`
    Tuple(Arc<Fields>),
    /// `{mu: 1.0, tau: 2.0}`
    Record(Arc<Record>),
    /// `Node(l, r)`
    Variant(Arc<Variant>),
    Closure(Arc<Closure>),
    /// A distribution and its parameters.
    Dist(Arc<DistValue>),
    Domain(Arc<Domain>),
    /// A value whose meaning a library of the host gives: a posterior, a population, a trace.
    Host(Arc<dyn HostObject>),
}

/// The parts of a tuple.
#[derive(Clone, Debug)]
pub struct Fields(pub Vec<Value>);

/// A record; `names` and `fields` have the same length and the order of the record's type.
#[derive(Clone, Debug)]
pub struct Record {
    pub names: &'static [Name],
    pub fields: Vec<Value>,
}

/// A value of a variant type.
#[derive(Clone, Debug)]
pub struct Variant {
    pub name: Name,
    /// The place of the constructor in its type.
    pub tag: u32,
    pub fields: Vec<Value>,
}

/// A function and what it captured. `function` counts in the program that made it.
#[derive(Clone, Debug)]
pub struct Closure {
    pub function: u32,
    pub captures: Vec<Value>,
}

/// A distribution applied to its parameters. `dist` counts in the program that made it.
#[derive(Clone, Debug)]
pub struct DistValue {
    pub name: Name,
    pub dist: u32,
    pub args: Vec<Value>,
}

/// A dense matrix, by rows: the element in row `i` and column `j` is `data[i * cols + j]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub cols: usize,
    pub data: Vec<f64>,
}

/// A value that Rust code gives to the language.
pub trait HostObject: Any + Send + Sync + Debug {
    /// The name of its type, such as `Posterior`.
    fn type_name(&self) -> &'static str;
    /// The value as [`Any`], to be cast to its own type.
    fn as_any(&self) -> &dyn Any;
    /// How it is printed.
    fn display(&self) -> String;
    /// Something the value can be asked for by name, such as the draws of a posterior.
    fn property(&self, name: &str) -> Option<Value>;
    /// The values of the language inside it, which may be functions.
    fn held(&self) -> Vec<Value> {
        self.property("draws").into_iter().collect()
    }
    /// Whether another object is the same value, as far as a program can tell; what cannot be compared is only itself.
    fn same(&self, other: &dyn HostObject) -> bool {
        std::ptr::addr_eq(std::ptr::from_ref(self.as_any()), std::ptr::from_ref(other.as_any()))
    }
    /// A hash that the same values share.
    fn content_hash(&self) -> u64 {
        std::ptr::from_ref(self.as_any()).cast::<()>() as usize as u64
    }
}

impl Value {
    /// A `[Real]`.
    pub fn reals(data: Vec<f64>) -> Value {
        Value::Reals(Arc::new(data))
    }

    /// An `[Int]`.
    pub fn ints(data: Vec<i64>) -> Value {
        Value::Ints(Arc::new(data))
    }

    /// A `String`.
    pub fn string(text: &str) -> Value {
        Value::Str(text.into())
    }

    /// A tuple.
    pub fn tuple(parts: Vec<Value>) -> Value {
        Value::Tuple(Arc::new(Fields(parts)))
    }

    /// A record; see [`record_names`].
    pub fn record(names: &'static [Name], fields: Vec<Value>) -> Value {
        Value::Record(Arc::new(Record { names, fields }))
    }

    /// A matrix by rows.
    pub fn matrix(rows: usize, cols: usize, data: Vec<f64>) -> Value {
        Value::Matrix(Arc::new(Matrix { rows, cols, data }))
    }

    /// The value as a number, integers and booleans (0 and 1) included.
    pub fn as_real(&self) -> Option<f64> {
        match self {
            Value::Real(x) => Some(*x),
            Value::Int(n) => Some(*n as f64),
            Value::Bool(b) => Some(f64::from(u8::from(*b))),
            _ => None,
        }
    }

    /// The value as an integer.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// Where the object lies that a value shares with its copies: equal places are the same object, while both live. None for what is held in
    /// place, for texts, domains and objects of the host.
    pub fn place_in_memory(&self) -> Option<usize> {
        Some(match self {
            Value::Reals(a) => Arc::as_ptr(a) as usize,
            Value::Ints(a) => Arc::as_ptr(a) as usize,
            Value::Bools(a) => Arc::as_ptr(a) as usize,
            Value::Values(a) => Arc::as_ptr(a) as usize,
            Value::Matrix(a) => Arc::as_ptr(a) as usize,
            Value::Tuple(a) => Arc::as_ptr(a) as usize,
            Value::Record(a) => Arc::as_ptr(a) as usize,
            Value::Variant(a) => Arc::as_ptr(a) as usize,
            Value::Closure(a) => Arc::as_ptr(a) as usize,
            Value::Dist(a) => Arc::as_ptr(a) as usize,
            _ => return None,
        })
    }

    /// The number of elements of an array, or of rows of a matrix.
    pub fn array_len(&self) -> Option<usize> {
        match self {
            Value::Reals(xs) => Some(xs.len()),
            Value::Ints(xs) => Some(xs.len()),
            Value::Bools(xs) => Some(xs.len()),
            Value::Values(xs) => Some(xs.len()),
            Value::Matrix(m) => Some(m.rows),
            _ => None,
        }
    }

    /// Element `i` of an array, or row `i` of a matrix.
    pub fn element(&self, i: usize) -> Option<Value> {
        match self {
            Value::Reals(xs) => xs.get(i).map(|x| Value::Real(*x)),
            Value::Ints(xs) => xs.get(i).map(|n| Value::Int(*n)),
            Value::Bools(xs) => xs.get(i).map(|b| Value::Bool(*b)),
            Value::Values(xs) => xs.get(i).cloned(),
            Value::Matrix(m) if i < m.rows => Some(Value::reals(m.row(i).to_vec())),
            _ => None,
        }
    }

    /// An array of values in the representation of their common variant; `Values` when empty.
    pub fn array_of(items: Vec<Value>) -> Value {
        match items.first() {
            Some(Value::Real(_)) => Value::reals(items.iter().filter_map(Value::as_real).collect()),
            Some(Value::Int(_)) => Value::ints(items.iter().filter_map(Value::as_int).collect()),
            Some(Value::Bool(_)) => {
                Value::Bools(Arc::new(items.iter().map(|v| matches!(v, Value::Bool(true))).collect()))
            }
            _ => Value::Values(Arc::new(items)),
        }
    }
}

impl Matrix {
    /// The elements of row `i`.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// The element in row `i` and column `j`.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.data[i * self.cols + j]
    }
}

/// The names of a record type, kept once for the whole process.
pub fn record_names(names: &[Name]) -> &'static [Name] {
    use std::collections::HashSet;
    use std::sync::{Mutex, OnceLock, PoisonError};
    static SHAPES: OnceLock<Mutex<HashSet<&'static [Name]>>> = OnceLock::new();
    let mut shapes = SHAPES.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = shapes.get(names) {
        return known;
    }
    let kept: &'static [Name] = Box::leak(names.into());
    shapes.insert(kept);
    kept
}

impl PartialEq for Value {
    /// Structural equality; NaN differs from itself, an integer equals the real of its value, functions are compared by
    /// their code and captures, host objects by identity.
    fn eq(&self, other: &Value) -> bool {
        hash::equal(self, other)
    }
}
