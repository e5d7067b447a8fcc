//! Data from outside: one file per format, all read into the same untyped tree and bound to declared types.

pub mod bind;
pub mod cmdset;
pub mod csv;
pub mod draws_csv;
pub mod draws_json;
pub mod json;
#[cfg(feature = "parquet")]
pub mod parquet;

use crate::source::World;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

pub use bind::{Bound, DataType, Declared, bind, bind_all};

/// A named value of a file, such as an entry of a JSON object or a column of a table.
pub type Entry = (String, DataValue);

/// A value as a file gives it, not yet of any type of the language, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct DataValue {
    pub tree: Tree,
    pub place: Place,
}

/// The shapes of data. Arrays of numbers are held flat.
#[derive(Clone, Debug, PartialEq)]
pub enum Tree {
    Null,
    Bool(bool),
    Int(i64),
    Real(f64),
    Str(String),
    Ints(Numbers<i64>),
    Reals(Numbers<f64>),
    Array(Vec<DataValue>),
    Object(Vec<Entry>),
    /// A column of a text table, whose cells get their type from the declaration.
    Cells(Numbers<String>),
}

/// The elements of a flat array.
#[derive(Clone, Debug, PartialEq)]
pub struct Numbers<T> {
    pub items: Vec<T>,
    /// The line of each element, where they stand on several.
    pub lines: Option<Arc<Vec<u32>>>,
}

/// Where a value stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path as the user wrote it, or `--set NAME`.
    pub file: Arc<str>,
    /// Counted from 1; 0 for formats without lines.
    pub line: u32,
    /// In characters, counted from 1; 0 where it is not known.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// Data that cannot be read, or do not fit what the program declares.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DataError {
    /// "expected X, found Y at y\[4\]".
    pub message: String,
    /// The place in the data, or in the program where the data lack what it declares.
    pub place: Option<Place>,
    /// Advice, best as text that can be pasted.
    pub hints: Vec<String>,
}

impl DataError {
    /// An error at a place.
    pub fn at(place: Place, message: impl Into<String>) -> DataError {
        DataError { message: message.into(), place: Some(place), hints: Vec::new() }
    }

    /// Adds advice.
    pub fn hint(mut self, text: impl Into<String>) -> DataError {
        self.hints.push(text.into());
        self
    }

    /// The error as lines of text: the message, the place and the hints.
    pub fn render(&self) -> String {
        let mut out = format!("error: {}\n", self.message);
        if let Some(place) = &self.place {
            out.push_str(&format!("  --> {place}\n"));
        }
        for hint in &self.hints {
            out.push_str(&format!("  = help: {hint}\n"));
        }
        out
    }
}

/// Reads the named values of a file in the format that its extension names: `.json`, `.csv`, `.tsv` or `.parquet`.
///
/// # Errors
/// When the file cannot be read or is not of its format, with the place in it.
pub fn read(world: &dyn World, path: &Path) -> Result<Vec<Entry>, DataError> {
    let name = path.display().to_string();
    let whole = Place { file: name.as_str().into(), line: 0, column: 0 };
    let outside =
        |error: crate::source::world::WorldError| DataError { message: error.to_string(), place: None, hints: vec![] };
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("").to_ascii_lowercase();
    match extension.as_str() {
        "json" => json::read(&name, &world.read_text(path).map_err(outside)?),
        "csv" => csv::read(&name, &world.read_text(path).map_err(outside)?, b','),
        "tsv" => csv::read(&name, &world.read_text(path).map_err(outside)?, b'\t'),
        #[cfg(feature = "parquet")]
        "parquet" => parquet::read(&name, world.read_file(path).map_err(outside)?),
        #[cfg(not(feature = "parquet"))]
        "parquet" => Err(DataError::at(whole, "this build of borel reads no Parquet files")
            .hint("build it with the feature `parquet`, or convert the file to CSV")),
        _ => Err(DataError::at(whole, "expected a data file ending in .json, .csv, .tsv or .parquet")),
    }
}
