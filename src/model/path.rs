//! Complete runs with what was drawn in them, to be followed again.

use super::{Dead, Random, Stepped, Traced};
use crate::value::{Fault, HostObject, Value, hash_value, same};
use std::any::Any;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// In place of an address: the result of a function of the host that drew, and of one that did not.
pub const CALL: u64 = 0;
pub const FIXED_CALL: u64 = 1;

/// Something that a run drew.
#[derive(Clone, Debug)]
pub struct Met {
    /// The address of the choice; [`CALL`] or [`FIXED_CALL`] for the result of a function of the host.
    pub address: u64,
    pub value: Value,
}

impl Met {
    /// Whether a function of the host gave it.
    pub fn is_call(&self) -> bool {
        self.address <= FIXED_CALL
    }
}

/// A run that ended: all that it drew, in order, and what it gave.
#[derive(Clone, Debug, Default)]
pub struct Path {
    pub met: Arc<[Met]>,
    pub value: Value,
    /// The named choices, where they are recorded.
    pub named: Vec<(String, Value)>,
    /// By address: in how many steps of a chain of such runs the choice came out otherwise than before, and in how many it was made.
    pub changed: Arc<HashMap<u64, (u64, u64)>>,
}

/// A model whose suspended runs keep what they drew. Pasts are shared: N runs of T choices that were resampled often keep some N + T
/// choices (Jacob, Murray and Rubenthaler 2015).
pub trait Recorded: Stepped {
    /// What run k, which ended, drew and gave.
    fn path(&self, runs: &Self::Runs, k: usize) -> Path;

    /// `count` runs at their start, of which the first follows a path. With `ancestors`, [`Stepped::continuations`] tells how well each
    /// run goes on as it does.
    fn follow(&self, path: &Path, count: usize, ancestors: bool) -> Result<Self::Runs, Fault>;

    /// Holds all that the runs drew so far as it is: it is not moved any more.
    fn hold(&self, runs: &mut Self::Runs);

    /// The view of runs up to where a run stands.
    type Prefix: Traced + Send + 'static;

    /// Run k as a trace that ends where it stands.
    #[allow(clippy::type_complexity, reason = "a view and its state belong together")]
    fn as_trace(
        &self,
        runs: &Self::Runs,
        k: usize,
        random: &mut dyn Random,
    ) -> Result<Result<(Self::Prefix, <Self::Prefix as Traced>::State), Dead>, Fault>;

    /// The suspended run that did what a trace did.
    fn as_run(
        &self,
        runs: &Self::Runs,
        k: usize,
        prefix: &Self::Prefix,
        state: &<Self::Prefix as Traced>::State,
    ) -> Result<Self::Run, Fault>;
}

impl HostObject for Path {
    fn type_name(&self) -> &'static str {
        "Run"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn display(&self) -> String {
        format!("<run of {} choices>", self.met.len())
    }

    fn property(&self, name: &str) -> Option<Value> {
        (name == "value").then(|| self.value.clone())
    }

    fn same(&self, other: &dyn HostObject) -> bool {
        let Some(other) = other.as_any().downcast_ref::<Path>() else { return false };
        let alike = |(a, b): (&Met, &Met)| a.address == b.address && same(&a.value, &b.value);
        self.met.len() == other.met.len()
            && self.met.iter().zip(other.met.iter()).all(alike)
            && same(&self.value, &other.value)
    }

    fn content_hash(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for met in self.met.iter() {
            met.address.hash(&mut hasher);
            hash_value(&met.value, &mut hasher);
        }
        hash_value(&self.value, &mut hasher);
        hasher.finish()
    }
}
