//! From untyped data to values of the declared types, with errors that point into the data.

use super::{DataError, DataValue, Entry, Numbers, Place, Tree};
use crate::source::Name;
use crate::source::suggest::closest;
use crate::value::{Value, record_names};
use std::fmt;
use std::sync::Arc;

/// Integers beyond this have neighbours that reals cannot tell apart, so reals beyond it are not taken as integers.
const LARGEST_EXACT: f64 = 9_007_199_254_740_992.0;

/// The types that data can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DataType {
    Bool,
    Int,
    Real,
    Str,
    Array(Box<DataType>),
    Matrix,
    Tuple(Vec<DataType>),
    /// In the order of the record's type.
    Record(Vec<(Name, DataType)>),
}

impl fmt::Display for DataType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DataType::Bool => f.write_str("Bool"),
            DataType::Int => f.write_str("Int"),
            DataType::Real => f.write_str("Real"),
            DataType::Str => f.write_str("String"),
            DataType::Matrix => f.write_str("Matrix"),
            DataType::Array(element) => write!(f, "[{element}]"),
            DataType::Tuple(parts) => {
                let parts: Vec<String> = parts.iter().map(DataType::to_string).collect();
                write!(f, "({})", parts.join(", "))
            }
            DataType::Record(fields) => {
                let fields: Vec<String> = fields.iter().map(|(name, field)| format!("{name}: {field}")).collect();
                write!(f, "{{{}}}", fields.join(", "))
            }
        }
    }
}

/// A `data` declaration of a program.
#[derive(Clone, Debug)]
pub struct Declared {
    pub name: Name,
    pub data_type: DataType,
    /// It has no default.
    pub required: bool,
    /// Where the program declares it.
    pub place: Option<Place>,
}

/// Data that fit their declarations.
#[derive(Clone, Debug, Default)]
pub struct Bound {
    /// The values in the order of the declarations, without those left to their defaults.
    pub values: Vec<(Name, Value)>,
    /// What was given but not asked for, in words.
    pub notes: Vec<String>,
}

/// Binds declarations to data. Of entries with the same name the last counts, so that `--set` can come after files.
///
/// # Errors
/// All declarations that lack a value or whose value does not fit.
pub fn bind_all(declared: &[Declared], data: &[Entry]) -> Result<Bound, Vec<DataError>> {
    let mut bound = Bound::default();
    let mut errors = Vec::new();
    let unasked = |key: &&str| !declared.iter().any(|wanted| wanted.name.as_str() == *key);
    for wanted in declared {
        match data.iter().rfind(|(key, _)| key == wanted.name.as_str()) {
            Some((_, value)) => match bind(wanted.name.as_str(), value, &wanted.data_type) {
                Ok(value) => bound.values.push((wanted.name, value)),
                Err(error) => errors.push(error),
            },
            None if wanted.required => {
                let what = format!("data `{}: {}`", wanted.name, wanted.data_type);
                let error = missing(&what, wanted.name.as_str(), data, unasked);
                errors.push(DataError { place: wanted.place.clone(), ..error });
            }
            None => {}
        }
    }
    bound.notes = ignored(data, unasked, declared);
    if errors.is_empty() { Ok(bound) } else { Err(errors) }
}

/// One note for each file that has data nobody asked for.
fn ignored(data: &[Entry], unasked: impl Fn(&&str) -> bool, declared: &[Declared]) -> Vec<String> {
    let mut files: Vec<(&str, Vec<&str>)> = Vec::new();
    for (key, value) in data.iter().filter(|(key, _)| unasked(&key.as_str())) {
        let file = &*value.place.file;
        match files.iter_mut().find(|(name, _)| *name == file) {
            Some((_, keys)) if keys.contains(&key.as_str()) => {}
            Some((_, keys)) => keys.push(key),
            None => files.push((file, vec![key])),
        }
    }
    let near = |key: &str| closest(key, declared.iter().map(|wanted| wanted.name.as_str()));
    let note = |(file, keys): &(&str, Vec<&str>)| match keys.as_slice() {
        [only] => {
            let near = near(only).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            format!("{file}: `{only}` is not declared by the program and was ignored{near}")
        }
        several => {
            let shown: Vec<String> = several
                .iter()
                .take(12)
                .map(|key| match near(key) {
                    Some(near) => format!("`{key}` (did you mean `{near}`?)"),
                    None => format!("`{key}`"),
                })
                .collect();
            let more = several.len() - shown.len();
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("{file}: {}{rest} are not declared by the program and were ignored", shown.join(", "))
        }
    };
    files.iter().map(note).collect()
}

/// The error for a name that the data lack.
fn missing(what: &str, name: &str, data: &[Entry], unasked: impl Fn(&&str) -> bool) -> DataError {
    let mut error =
        DataError { message: format!("expected a value for {what}, found none"), place: None, hints: Vec::new() };
    if let Some(near) = closest(name, data.iter().map(|(key, _)| key.as_str()).filter(unasked)) {
        error.hints.push(format!("did you mean `{near}`?"));
    }
    if data.is_empty() {
        error.hints.push(format!("give it by --data FILE or --set {name}=VALUE"));
    } else {
        let mut names: Vec<String> = data.iter().take(20).map(|(key, _)| format!("`{key}`")).collect();
        if data.len() > 20 {
            names.push(format!("{} more", data.len() - 20));
        }
        error.hints.push(format!("the data have {}", names.join(", ")));
    }
    error
}

/// A value of the declared type. Integers widen to reals, reals without fraction become integers, 0 and 1 booleans,
/// the texts `NaN`, `Infinity` and `-inf` reals, and an array of rows a matrix.
///
/// # Errors
/// When the value does not fit, naming place, path, and what was expected and found.
pub fn bind(name: &str, data: &DataValue, expected: &DataType) -> Result<Value, DataError> {
    let mut path = name.to_string();
    convert(data, expected, &mut path)
}

fn convert(data: &DataValue, expected: &DataType, path: &mut String) -> Result<Value, DataError> {
    match expected {
        DataType::Bool | DataType::Int | DataType::Real | DataType::Str => scalar(&data.tree, expected)
            .ok_or_else(|| mismatch(&data.place, expected, &describe(&data.tree), path, &data.tree)),
        DataType::Array(element) => array(data, element, path),
        DataType::Matrix => matrix(data, path),
        DataType::Tuple(parts) => {
            let found = length(&data.tree);
            if found != Some(parts.len()) {
                let found = describe(&data.tree);
                return Err(mismatch(&data.place, expected, &found, path, &data.tree));
            }
            let convert_part =
                |(i, part)| within(path, &format!("[{i}]"), |path| convert(&element_of(data, i), part, path));
            Ok(Value::tuple(parts.iter().enumerate().map(convert_part).collect::<Result<_, _>>()?))
        }
        DataType::Record(fields) => {
            let Tree::Object(entries) = &data.tree else {
                return Err(mismatch(&data.place, expected, &describe(&data.tree), path, &data.tree));
            };
            let mut values = Vec::with_capacity(fields.len());
            for (name, field) in fields {
                let Some((_, value)) = entries.iter().find(|(key, _)| key == name.as_str()) else {
                    let unasked = |key: &&str| !fields.iter().any(|(name, _)| name.as_str() == *key);
                    let error = missing(&format!("`{path}.{name}: {field}`"), name.as_str(), entries, unasked);
                    return Err(DataError { place: Some(data.place.clone()), ..error });
                };
                values.push(within(path, &format!(".{name}"), |path| convert(value, field, path))?);
            }
            let names: Vec<Name> = fields.iter().map(|(name, _)| *name).collect();
            Ok(Value::record(record_names(&names), values))
        }
    }
}

fn array(data: &DataValue, element: &DataType, path: &mut String) -> Result<Value, DataError> {
    let wrong = |place: &Place, i: usize, tree: &Tree, path: &str| {
        mismatch(place, element, &describe(tree), &indexed(path, i), tree)
    };
    let place = |lines: &Option<Arc<Vec<u32>>>, i: usize| line_of(&data.place, lines, i);
    match (&data.tree, element) {
        (Tree::Reals(xs), DataType::Real) => Ok(Value::reals(xs.items.clone())),
        (Tree::Ints(xs), DataType::Real) => Ok(Value::reals(xs.items.iter().map(|n| *n as f64).collect())),
        (Tree::Ints(xs), DataType::Int) => Ok(Value::ints(xs.items.clone())),
        (Tree::Reals(xs), DataType::Int) => {
            let convert = |(i, x): (usize, &f64)| {
                integer(*x).ok_or_else(|| wrong(&place(&xs.lines, i), i, &Tree::Real(*x), path))
            };
            Ok(Value::ints(xs.items.iter().enumerate().map(convert).collect::<Result<_, _>>()?))
        }
        (Tree::Cells(cells), DataType::Bool | DataType::Int | DataType::Real | DataType::Str) => {
            let mut values = Vec::with_capacity(cells.items.len());
            for (i, cell) in cells.items.iter().enumerate() {
                values.push(parse_cell(cell, element).ok_or_else(|| {
                    let found = if is_missing(cell) { "a missing value".into() } else { format!("`{cell}`") };
                    mismatch(&place(&cells.lines, i), element, &found, &indexed(path, i), &Tree::Null)
                })?);
            }
            Ok(typed_array(values, element))
        }
        (tree, _) if length(tree).is_some() && !matches!(tree, Tree::Cells(_)) => {
            let count = length(tree).unwrap_or(0);
            let convert_element = |i| {
                within(path, &format!("[{i}]"), |path| match tree {
                    Tree::Array(items) => convert(&items[i], element, path),
                    _ => convert(&element_of(data, i), element, path),
                })
            };
            Ok(typed_array((0..count).map(convert_element).collect::<Result<Vec<_>, _>>()?, element))
        }
        (tree, _) => {
            let error = mismatch(&data.place, &DataType::Array(Box::new(element.clone())), &describe(tree), path, tree);
            Err(if scalar(tree, element).is_some() { error.hint(format!("write [{}]", describe(tree))) } else { error })
        }
    }
}

/// An array in the representation of its type, empty ones included.
fn typed_array(values: Vec<Value>, element: &DataType) -> Value {
    match element {
        DataType::Real if values.is_empty() => Value::reals(Vec::new()),
        DataType::Int if values.is_empty() => Value::ints(Vec::new()),
        DataType::Bool if values.is_empty() => Value::Bools(Arc::default()),
        DataType::Real | DataType::Int | DataType::Bool => Value::array_of(values),
        _ => Value::Values(Arc::new(values)),
    }
}

fn matrix(data: &DataValue, path: &mut String) -> Result<Value, DataError> {
    let Tree::Array(rows) = &data.tree else {
        return Err(mismatch(&data.place, &DataType::Matrix, &describe(&data.tree), path, &data.tree)
            .hint("write its rows: [[1, 0], [0, 1]]"));
    };
    let width = rows.first().and_then(|row| length(&row.tree)).unwrap_or(0);
    let mut numbers = Vec::with_capacity(rows.len() * width);
    for (i, row) in rows.iter().enumerate() {
        let Value::Reals(xs) = within(path, &format!("[{i}]"), |path| array(row, &DataType::Real, path))? else {
            return Err(mismatch(&row.place, &DataType::Matrix, &describe(&row.tree), path, &row.tree));
        };
        if xs.len() != width {
            let message = format!("expected {width} numbers in row {i} of {path} as in row 0, found {}", xs.len());
            return Err(DataError::at(row.place.clone(), message));
        }
        numbers.extend_from_slice(&xs);
    }
    Ok(Value::matrix(rows.len(), width, numbers))
}

fn scalar(tree: &Tree, expected: &DataType) -> Option<Value> {
    match (tree, expected) {
        (Tree::Bool(b), DataType::Bool) => Some(Value::Bool(*b)),
        (Tree::Int(n @ (0 | 1)), DataType::Bool) => Some(Value::Bool(*n == 1)),
        (Tree::Int(n), DataType::Int) => Some(Value::Int(*n)),
        (Tree::Real(x), DataType::Int) => integer(*x).map(Value::Int),
        (Tree::Int(n), DataType::Real) => Some(Value::Real(*n as f64)),
        (Tree::Real(x), DataType::Real) => Some(Value::Real(*x)),
        (Tree::Str(text), DataType::Real) => special_real(text).map(Value::Real),
        (Tree::Str(text), DataType::Str) => Some(Value::string(text)),
        _ => None,
    }
}

fn integer(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() <= LARGEST_EXACT).then_some(x as i64)
}

/// The numbers that JSON has no notation for, as the usual writers spell them.
pub(crate) fn special_real(text: &str) -> Option<f64> {
    match text {
        "NaN" | "nan" => Some(f64::NAN),
        "Infinity" | "+Infinity" | "inf" | "+inf" | "Inf" | "+Inf" => Some(f64::INFINITY),
        "-Infinity" | "-inf" | "-Inf" => Some(f64::NEG_INFINITY),
        _ => None,
    }
}

fn is_missing(cell: &str) -> bool {
    matches!(cell.trim(), "" | "NA" | "N/A" | "null" | "NULL")
}

fn parse_cell(cell: &str, expected: &DataType) -> Option<Value> {
    let text = cell.trim();
    match expected {
        DataType::Str => Some(Value::string(cell)),
        DataType::Bool => match text {
            "true" | "TRUE" | "True" | "1" => Some(Value::Bool(true)),
            "false" | "FALSE" | "False" | "0" => Some(Value::Bool(false)),
            _ => None,
        },
        DataType::Int => {
            let whole = text.parse().ok();
            whole.or_else(|| number(text).and_then(integer)).map(Value::Int)
        }
        DataType::Real => special_real(text).or_else(|| number(text)).map(Value::Real),
        _ => None,
    }
}

/// A decimal number; Rust's words for infinity and NaN in other cases are left to [`special_real`].
fn number(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    if plain { text.parse().ok() } else { None }
}

impl Tree {
    /// The type that the data suggest by themselves; a column of text is as narrow as all of its cells allow.
    /// None for `null`, for arrays of nothing and for mixtures.
    pub fn natural_type(&self) -> Option<DataType> {
        let array = |element| Some(DataType::Array(Box::new(element)));
        match self {
            Tree::Null => None,
            Tree::Bool(_) => Some(DataType::Bool),
            Tree::Int(_) => Some(DataType::Int),
            Tree::Real(_) => Some(DataType::Real),
            Tree::Str(_) => Some(DataType::Str),
            Tree::Ints(_) => array(DataType::Int),
            Tree::Reals(_) => array(DataType::Real),
            Tree::Cells(cells) => {
                let fits = |t: &DataType| cells.items.iter().all(|cell| parse_cell(cell, t).is_some());
                array([DataType::Int, DataType::Real, DataType::Bool].into_iter().find(fits).unwrap_or(DataType::Str))
            }
            Tree::Array(items) => {
                let mut types = items.iter().map(|item| item.tree.natural_type());
                let first = types.next()??;
                let joined = types.try_fold(first, |known, next| match (known, next?) {
                    (a, b) if a == b => Some(a),
                    (DataType::Array(a), DataType::Array(b)) if *a == DataType::Int && *b == DataType::Real => {
                        Some(DataType::Array(b))
                    }
                    (DataType::Array(a), DataType::Array(b)) if *a == DataType::Real && *b == DataType::Int => {
                        Some(DataType::Array(a))
                    }
                    _ => None,
                });
                array(joined?)
            }
            Tree::Object(entries) => {
                let field = |(key, value): &Entry| Some((key.as_str().into(), value.tree.natural_type()?));
                entries.iter().map(field).collect::<Option<Vec<_>>>().map(DataType::Record)
            }
        }
    }
}

fn length(tree: &Tree) -> Option<usize> {
    match tree {
        Tree::Ints(xs) => Some(xs.items.len()),
        Tree::Reals(xs) => Some(xs.items.len()),
        Tree::Cells(xs) => Some(xs.items.len()),
        Tree::Array(items) => Some(items.len()),
        _ => None,
    }
}

fn line_of(place: &Place, lines: &Option<Arc<Vec<u32>>>, i: usize) -> Place {
    match lines.as_ref().and_then(|lines| lines.get(i)) {
        Some(line) => Place { line: *line, column: 0, ..place.clone() },
        None => place.clone(),
    }
}

/// An element of an array as a value of its own; `null` beyond the end.
fn element_of(data: &DataValue, i: usize) -> DataValue {
    fn get<T: Clone>(data: &DataValue, xs: &Numbers<T>, i: usize, tree: impl Fn(T) -> Tree) -> DataValue {
        let tree = xs.items.get(i).cloned().map_or(Tree::Null, tree);
        DataValue { tree, place: line_of(&data.place, &xs.lines, i) }
    }
    match &data.tree {
        Tree::Ints(xs) => get(data, xs, i, Tree::Int),
        Tree::Reals(xs) => get(data, xs, i, Tree::Real),
        Tree::Cells(xs) => get(data, xs, i, Tree::Str),
        Tree::Array(items) if i < items.len() => items[i].clone(),
        _ => DataValue { tree: Tree::Null, place: data.place.clone() },
    }
}

fn indexed(path: &str, i: usize) -> String {
    match path.strip_suffix(']') {
        Some(stem) => format!("{stem},{i}]"),
        None => format!("{path}[{i}]"),
    }
}

/// Runs `f` with a longer path, and gives the path back as it was.
fn within<T>(path: &mut String, step: &str, f: impl FnOnce(&mut String) -> T) -> T {
    let before = path.clone();
    // A second index joins the first: `A[1,2]`.
    if path.ends_with(']') && step.starts_with('[') {
        path.pop();
        path.push(',');
        path.push_str(&step[1..]);
    } else {
        path.push_str(step);
    }
    let result = f(path);
    *path = before;
    result
}

fn mismatch(place: &Place, expected: &DataType, found: &str, path: &str, tree: &Tree) -> DataError {
    let error = DataError::at(place.clone(), format!("expected {expected}, found {found} at {path}"));
    let missing = *tree == Tree::Null && (found == "null" || found == "a missing value");
    match (expected, tree) {
        _ if missing => error
            .hint("leave the missing rows out, or model them: give the index of what was observed as a further array"),
        (DataType::Int, Tree::Real(_)) => error.hint("declare it as Real, or round it in the data"),
        (DataType::Real | DataType::Int | DataType::Bool, Tree::Str(text)) if parse_cell(text, expected).is_some() => {
            error.hint(format!("write it without quotes: {text}"))
        }
        (DataType::Str, Tree::Int(_) | Tree::Real(_) | Tree::Bool(_)) => {
            error.hint(format!("write it in quotes: \"{found}\""))
        }
        (DataType::Int | DataType::Real | DataType::Bool | DataType::Str, tree) if length(tree).is_some() => {
            error.hint(format!("declare it as [{expected}]"))
        }
        _ => error,
    }
}

/// A value in the words of an error.
pub(crate) fn describe(tree: &Tree) -> String {
    let count = |n: usize, what: &str| format!("an array of {n} {what}{}", if n == 1 { "" } else { "s" });
    match tree {
        Tree::Null => "null".into(),
        Tree::Bool(b) => b.to_string(),
        Tree::Int(n) => n.to_string(),
        Tree::Real(x) => format!("{x:?}"),
        Tree::Str(text) if text.chars().count() > 40 => format!("{:?}…", text.chars().take(40).collect::<String>()),
        Tree::Str(text) => format!("{text:?}"),
        Tree::Ints(xs) => count(xs.items.len(), "number"),
        Tree::Reals(xs) => count(xs.items.len(), "number"),
        Tree::Array(items) if items.is_empty() => "an empty array".into(),
        Tree::Array(items) => count(items.len(), "value"),
        Tree::Object(_) => "an object".into(),
        Tree::Cells(xs) => format!("a column of {} cells", xs.items.len()),
    }
}
