//! Inference: one file per method or building block, over the views of a model.
//!
//! Each file declares the functions that it gives to the language as [`Row`]s; the driver joins a declaration to its code. Algorithms
//! are compositions of these functions, written in the language in `stdlib/infer/`.

pub mod chain;
pub mod chains;
pub mod conjugate;
pub mod course;
pub mod ensemble;
pub mod enumerate;
pub mod gradient;
pub mod guide;
pub mod importance;
pub mod kernel;
pub mod kit;
pub mod normal_fit;
pub mod optimise;
pub mod population;
pub mod proposal;
pub mod rejection;
pub mod resample;
pub mod sgld;
pub mod trace;
pub mod variational;

/// What a building block promises. `borel validate` checks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contract {
    /// It keeps the unnormalised measure that its argument stands for, in expectation.
    Preserves,
    /// A kernel that leaves the posterior as it is.
    Invariant,
    /// An estimate of the evidence whose expectation is the evidence.
    Unbiased,
    /// It changes what is inferred, knowingly.
    Biased,
    /// It only looks, or only has a contract together with others.
    None,
}

impl Contract {
    /// As it is written in documentation.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Contract::Preserves => Some("preserves"),
            Contract::Invariant => Some("invariant"),
            Contract::Unbiased => Some("unbiased"),
            Contract::Biased => Some("biased"),
            Contract::None => None,
        }
    }
}

/// The declaration of a function of the host.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// As in the language; of a method, the parameters after the model are options, also of the command line.
    pub signature: &'static str,
    pub doc: &'static str,
    pub contract: Contract,
}

impl Row {
    /// The name under which programs call it.
    pub fn name(&self) -> &'static str {
        let rest = self.signature.strip_prefix("fn ").unwrap_or(self.signature);
        rest.split(['(', '<']).next().unwrap_or(rest)
    }
}

/// All declarations, by file.
const ROWS: &[&[&[Row]]] = &[
    &[enumerate::ROWS, importance::ROWS, rejection::ROWS, chain::ROWS, trace::ROWS, population::ROWS, chains::ROWS],
    &[
        ensemble::ROWS,
        gradient::ROWS,
        optimise::ROWS,
        normal_fit::ROWS,
        conjugate::ROWS,
        variational::ROWS,
        guide::ROWS,
        sgld::ROWS,
        resample::ROWS,
    ],
    &kernel::ROWS,
];

/// All declarations, in the order in which they are listed.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().flat_map(|files| files.iter().flat_map(|rows| rows.iter()))
}

/// The declarations of a name, with their numbers.
pub fn find(name: &str) -> impl Iterator<Item = (usize, &'static Row)> {
    rows().enumerate().filter(move |(_, row)| row.name() == name)
}
