//! Parquet tables: each column is an array; lists become arrays of arrays.

use super::{DataError, DataValue, Entry, Numbers, Place, Tree};
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow_array::cast::AsArray;
use arrow_array::{Array, types};
use arrow_schema::DataType;
use std::sync::Arc;

/// Values of one file that are read at most, against files that unfold to more than memory holds.
const MOST_VALUES: usize = 1 << 28;

/// Lists may be nested this deep.
const DEEPEST: usize = 20;

/// The columns of a file.
///
/// # Errors
/// When the bytes are no Parquet file, it is compressed by other means than Snappy, or a column has a type without
/// counterpart in the language.
pub fn read(file: &str, bytes: Vec<u8>) -> Result<Vec<Entry>, DataError> {
    let place = Place { file: file.into(), line: 0, column: 0 };
    // A damaged file can make the reader of the library panic; that is its mistake and not ours, but ours to report.
    let read = std::panic::catch_unwind(|| read_columns(&place, bytes));
    read.unwrap_or_else(|_| Err(DataError::at(place.clone(), "expected a Parquet file, found a damaged one")))
}

fn read_columns(place: &Place, bytes: Vec<u8>) -> Result<Vec<Entry>, DataError> {
    let damaged = |error: &dyn std::fmt::Display| {
        let error = DataError::at(place.clone(), format!("expected a Parquet file, found a problem: {error}"));
        error.hint("only files without compression or with Snappy are read; was the file written completely?")
    };
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).map_err(|error| damaged(&error))?;
    let names: Vec<String> = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
    let rows = builder.metadata().file_metadata().num_rows().max(0) as usize;
    if rows.saturating_mul(names.len()) > MOST_VALUES {
        return Err(DataError::at(
            place.clone(),
            format!("expected at most {MOST_VALUES} values, found {rows} rows of {} columns", names.len()),
        ));
    }
    let mut columns: Vec<Vec<Tree>> = vec![Vec::new(); names.len()];
    for batch in builder.build().map_err(|error| damaged(&error))? {
        let batch = batch.map_err(|error| damaged(&error))?;
        for ((column, name), array) in columns.iter_mut().zip(&names).zip(batch.columns()) {
            column.push(tree_of(array.as_ref(), place, 0).map_err(|found| {
                DataError::at(
                    place.clone(),
                    format!("expected numbers, booleans, text or lists of these in column `{name}`, found {found}"),
                )
            })?);
        }
    }
    let entry = |(name, parts)| (name, DataValue { tree: join(parts, place), place: place.clone() });
    Ok(names.into_iter().zip(columns).map(entry).collect())
}

/// An array of a column; the error names its type.
fn tree_of(array: &dyn Array, place: &Place, depth: usize) -> Result<Tree, String> {
    macro_rules! integers {
        ($type:ty) => {{
            let xs = array.as_primitive::<$type>();
            if xs.null_count() > 0 {
                boxed(array, place, |i| Ok(Tree::Int(xs.value(i).into())))
            } else {
                Ok(Tree::Ints(flat(xs.values().iter().map(|n| (*n).into()).collect())))
            }
        }};
    }
    macro_rules! reals {
        ($type:ty) => {{
            let xs = array.as_primitive::<$type>();
            if xs.null_count() > 0 {
                boxed(array, place, |i| Ok(Tree::Real(xs.value(i).into())))
            } else {
                Ok(Tree::Reals(flat(xs.values().iter().map(|x| (*x).into()).collect())))
            }
        }};
    }
    macro_rules! list {
        ($xs:expr) => {{
            let xs = $xs;
            boxed(array, place, |i| tree_of(xs.value(i).as_ref(), place, depth + 1))
        }};
    }
    if depth > DEEPEST {
        return Err(format!("lists nested deeper than {DEEPEST}"));
    }
    match array.data_type() {
        DataType::Int8 => integers!(types::Int8Type),
        DataType::Int16 => integers!(types::Int16Type),
        DataType::Int32 => integers!(types::Int32Type),
        DataType::Int64 => integers!(types::Int64Type),
        DataType::UInt8 => integers!(types::UInt8Type),
        DataType::UInt16 => integers!(types::UInt16Type),
        DataType::UInt32 => integers!(types::UInt32Type),
        DataType::UInt64 => {
            let xs = array.as_primitive::<types::UInt64Type>();
            boxed(array, place, |i| {
                i64::try_from(xs.value(i)).map(Tree::Int).map_err(|_| format!("{} beyond 64 bits", xs.value(i)))
            })
        }
        DataType::Float32 => reals!(types::Float32Type),
        DataType::Float64 => reals!(types::Float64Type),
        DataType::Boolean => boxed(array, place, |i| Ok(Tree::Bool(array.as_boolean().value(i)))),
        DataType::Utf8 => boxed(array, place, |i| Ok(Tree::Str(array.as_string::<i32>().value(i).into()))),
        DataType::LargeUtf8 => boxed(array, place, |i| Ok(Tree::Str(array.as_string::<i64>().value(i).into()))),
        DataType::Utf8View => boxed(array, place, |i| Ok(Tree::Str(array.as_string_view().value(i).into()))),
        DataType::List(_) => list!(array.as_list::<i32>()),
        DataType::LargeList(_) => list!(array.as_list::<i64>()),
        DataType::FixedSizeList(..) => list!(array.as_fixed_size_list()),
        other => Err(other.to_string()),
    }
}

fn flat<T>(items: Vec<T>) -> Numbers<T> {
    Numbers { items, lines: None }
}

fn boxed(array: &dyn Array, place: &Place, tree: impl Fn(usize) -> Result<Tree, String>) -> Result<Tree, String> {
    let item = |i| {
        let tree = if array.is_null(i) { Tree::Null } else { tree(i)? };
        Ok(DataValue { tree, place: place.clone() })
    };
    Ok(Tree::Array((0..array.len()).map(item).collect::<Result<_, String>>()?))
}

/// One column from its parts. A part with nulls is boxed and boxes the others.
fn join(parts: Vec<Tree>, place: &Place) -> Tree {
    let mut parts = parts.into_iter();
    let Some(first) = parts.next() else { return Tree::Array(Vec::new()) };
    parts.fold(first, |known, next| match (known, next) {
        (Tree::Ints(mut a), Tree::Ints(b)) => {
            a.items.extend(b.items);
            Tree::Ints(a)
        }
        (Tree::Reals(mut a), Tree::Reals(b)) => {
            a.items.extend(b.items);
            Tree::Reals(a)
        }
        (a, b) => Tree::Array([unpack(a, place), unpack(b, place)].concat()),
    })
}

fn unpack(tree: Tree, place: &Place) -> Vec<DataValue> {
    let value = |tree| DataValue { tree, place: Place { file: Arc::clone(&place.file), ..*place } };
    match tree {
        Tree::Array(items) => items,
        Tree::Ints(xs) => xs.items.into_iter().map(Tree::Int).map(value).collect(),
        Tree::Reals(xs) => xs.items.into_iter().map(Tree::Real).map(value).collect(),
        other => vec![value(other)],
    }
}
