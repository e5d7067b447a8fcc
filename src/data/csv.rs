//! Tables of text: the header names the columns, and each column is an array with the type of its declaration.

use super::{DataError, DataValue, Entry, Numbers, Place, Tree};
use std::sync::Arc;

/// The columns of a table whose cells are parted by `delimiter`.
///
/// # Errors
/// When there is no header, a name occurs twice, a row has another number of cells than the header, or a quote stays
/// open, with the line.
pub fn read(file: &str, text: &str, delimiter: u8) -> Result<Vec<Entry>, DataError> {
    let file: Arc<str> = file.into();
    let at =
        |line: u64, message: String| DataError::at(Place { file: file.clone(), line: line as u32, column: 0 }, message);
    if text.bytes().filter(|byte| *byte == b'"').count() % 2 == 1 {
        let last = text.rfind('"').unwrap_or(0);
        let line = text[..last].matches('\n').count() as u64 + 1;
        return Err(at(line, "expected a closing quote, found the end of the file".into())
            .hint("was the file written completely? Quotes inside a quoted cell are doubled"));
    }
    // The library's position of a record lies before the empty lines in front of it.
    let line_of = |position: &csv::Position| {
        let rest = text.as_bytes().get(position.byte() as usize..).unwrap_or_default();
        let blank = rest.iter().take_while(|byte| matches!(byte, b'\n' | b'\r')).filter(|byte| **byte == b'\n');
        position.line() + blank.count() as u64
    };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).from_reader(text.as_bytes());
    let cannot = |error: csv::Error| {
        let line = error.position().map_or(0, line_of);
        match error.kind() {
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                at(line, format!("expected {expected_len} cells as in the header, found {len}"))
            }
            _ => at(line, error.to_string()),
        }
    };
    let names: Vec<String> = reader.headers().map_err(cannot)?.iter().map(|name| name.trim().to_string()).collect();
    if names.is_empty() || names.iter().all(String::is_empty) {
        return Err(at(1, "expected a header with the names of the columns, found nothing".into()));
    }
    for (i, name) in names.iter().enumerate() {
        if names[..i].contains(name) {
            return Err(at(1, format!("the column `{name}` is given twice")));
        }
    }
    let mut columns: Vec<Vec<String>> = vec![Vec::new(); names.len()];
    let mut lines = Vec::new();
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(cannot)? {
        lines.push(record.position().map_or(0, line_of) as u32);
        for (column, cell) in columns.iter_mut().zip(&record) {
            column.push(cell.to_string());
        }
    }
    let lines = Arc::new(lines);
    let entry = |(name, items): (String, Vec<String>)| {
        let tree = Tree::Cells(Numbers { items, lines: Some(lines.clone()) });
        (name, DataValue { tree, place: Place { file: file.clone(), line: 1, column: 0 } })
    };
    Ok(names.into_iter().zip(columns).map(entry).collect())
}
