//! Draws as columns of scalars: the variables of a summary and of a file of draws.
//!
//! A record gives its fields by name (`mu`, `theta[0]`, `A[1,2]`, a record in a record `a.b`), a tuple `0`, `1`, …, a bare
//! value is `value`. Strings and variants are categorical. Functions, distributions and posteriors are left out.
//! Draws may differ in structure; a column then holds the draws that have the variable.

use super::label;
use crate::value::Value;
use std::collections::HashMap;
use std::fmt::Write;

/// What the values of a column are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Real,
    Int,
    Bool,
    /// The numbers count in [`Column::labels`].
    Categorical,
}

/// One scalar variable over all draws.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub kind: Kind,
    /// What a categorical value stands for.
    pub labels: Vec<String>,
    /// The values of each chain in the order of its draws; booleans as 0 and 1.
    pub chains: Vec<Vec<f64>>,
    /// Which draw of its chain each value belongs to.
    pub rows: Vec<Vec<u32>>,
}

/// All columns of a posterior, in the order in which they first occur.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    pub columns: Vec<Column>,
    /// Parts that have no scalars: their path and why they were left out.
    pub skipped: Vec<(String, &'static str)>,
    by_name: HashMap<String, usize>,
    codes: HashMap<(usize, String), u32>,
}

/// Whether two names are one; those of one chain mostly lie at one place.
fn same_name(a: &str, b: &str) -> bool {
    std::ptr::eq(a, b) || a == b
}

/// A scalar of a draw.
enum Scalar {
    Number(Kind, f64),
    Text(String),
}

impl Columns {
    /// The columns of draws grouped in chains; each draw is a list of named roots, and the root without a name is the
    /// returned value itself.
    pub fn of<'a, D>(chains: impl Iterator<Item = D>) -> Columns
    where
        D: Iterator<Item = Vec<(&'a str, &'a Value)>>,
    {
        let mut columns = Columns::default();
        // Where the scalars of the draw before went: draws of the same shape need no names again.
        let mut last: Vec<(&'a str, &'a Value)> = Vec::new();
        let mut places: Vec<usize> = Vec::new();
        let mut scalars = Vec::new();
        for (chain, draws) in chains.enumerate() {
            for column in &mut columns.columns {
                column.chains.push(Vec::new());
                column.rows.push(Vec::new());
            }
            for (row, draw) in draws.enumerate() {
                let same = row + chain > 0
                    && last.len() == draw.len()
                    && last.iter().zip(&draw).all(|(a, b)| same_name(a.0, b.0) && same_shape(a.1, b.1));
                if !same {
                    places = columns.places(&draw, chain);
                }
                scalars.clear();
                for (_, value) in &draw {
                    collect(value, &mut scalars);
                }
                for (place, scalar) in places.iter().zip(scalars.drain(..)) {
                    columns.push(*place, chain, row, scalar);
                }
                last = draw;
            }
        }
        columns
    }

    /// The column of a name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.by_name.get(name).and_then(|place| self.columns.get(*place))
    }

    fn places(&mut self, draw: &[(&str, &Value)], chain: usize) -> Vec<usize> {
        let mut names = Vec::new();
        for (root, value) in draw {
            name_parts(&mut root.to_string(), value, &mut names, &mut self.skipped);
        }
        names
            .into_iter()
            .map(|name| match self.by_name.get(&name) {
                Some(place) => *place,
                None => {
                    let empty = Column {
                        name: name.clone(),
                        kind: Kind::Bool,
                        labels: Vec::new(),
                        chains: vec![Vec::new(); chain + 1],
                        rows: vec![Vec::new(); chain + 1],
                    };
                    self.columns.push(empty);
                    self.by_name.insert(name, self.columns.len() - 1);
                    self.columns.len() - 1
                }
            })
            .collect()
    }

    fn push(&mut self, place: usize, chain: usize, row: usize, scalar: Scalar) {
        let column = &mut self.columns[place];
        if column.rows[chain].last() == Some(&(row as u32)) {
            return;
        }
        let first = column.chains.iter().all(Vec::is_empty);
        let x = match scalar {
            Scalar::Number(kind, x) if column.kind != Kind::Categorical => {
                column.kind = if first { kind } else { widest(column.kind, kind) };
                x
            }
            Scalar::Number(kind, x) => self.code(place, number_label(kind, x)),
            Scalar::Text(text) => {
                self.make_categorical(place);
                self.code(place, text)
            }
        };
        let column = &mut self.columns[place];
        column.chains[chain].push(x);
        column.rows[chain].push(row as u32);
    }

    /// The number of a label in its column.
    fn code(&mut self, place: usize, text: String) -> f64 {
        let labels = &mut self.columns[place].labels;
        f64::from(*self.codes.entry((place, text)).or_insert_with_key(|(_, text)| {
            labels.push(text.clone());
            (labels.len() - 1) as u32
        }))
    }

    /// Turns the numbers that a column already holds into labels.
    fn make_categorical(&mut self, place: usize) {
        let kind = std::mem::replace(&mut self.columns[place].kind, Kind::Categorical);
        if kind == Kind::Categorical {
            return;
        }
        let mut chains = std::mem::take(&mut self.columns[place].chains);
        for x in chains.iter_mut().flatten() {
            *x = self.code(place, number_label(kind, *x));
        }
        self.columns[place].chains = chains;
    }
}

fn number_label(kind: Kind, x: f64) -> String {
    if kind == Kind::Bool { (x != 0.0).to_string() } else { label::number(x) }
}

fn widest(a: Kind, b: Kind) -> Kind {
    match (a, b) {
        (Kind::Bool, Kind::Bool) => Kind::Bool,
        (Kind::Real, _) | (_, Kind::Real) => Kind::Real,
        _ => Kind::Int,
    }
}

/// Whether two values have scalars of the same names.
fn same_shape(a: &Value, b: &Value) -> bool {
    let all = |a: &[Value], b: &[Value]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_shape(a, b));
    match (a, b) {
        (Value::Unit, Value::Unit)
        | (Value::Bool(_), Value::Bool(_))
        | (Value::Int(_), Value::Int(_))
        | (Value::Real(_), Value::Real(_))
        | (Value::Str(_) | Value::Variant(_), Value::Str(_) | Value::Variant(_)) => true,
        (Value::Reals(a), Value::Reals(b)) => a.len() == b.len(),
        (Value::Ints(a), Value::Ints(b)) => a.len() == b.len(),
        (Value::Bools(a), Value::Bools(b)) => a.len() == b.len(),
        (Value::Values(a), Value::Values(b)) => all(a, b),
        (Value::Matrix(a), Value::Matrix(b)) => a.rows == b.rows && a.cols == b.cols,
        (Value::Tuple(a), Value::Tuple(b)) => all(&a.0, &b.0),
        (Value::Record(a), Value::Record(b)) => std::ptr::eq(a.names, b.names) && all(&a.fields, &b.fields),
        (a, b) => reason_to_skip(a).is_some() && reason_to_skip(b).is_some(),
    }
}

fn reason_to_skip(value: &Value) -> Option<&'static str> {
    match value {
        Value::Closure(_) => Some("a function"),
        Value::Dist(_) => Some("a distribution"),
        Value::Domain(_) => Some("a domain"),
        Value::Host(_) => Some("an object of the library"),
        _ => None,
    }
}

/// The names of the scalars of a value, in the order of [`collect`]; `path` is restored before returning.
fn name_parts(path: &mut String, value: &Value, names: &mut Vec<String>, skipped: &mut Vec<(String, &'static str)>) {
    let length = path.len();
    // A second index joins the first: `A[1,2]`.
    let open = if path.ends_with(']') {
        path.pop();
        ','
    } else {
        '['
    };
    let stem = path.len();
    let restore = |path: &mut String| {
        path.truncate(stem);
        if stem < length {
            path.push(']');
        }
    };
    let root = if length == 0 { "value" } else { "" };
    match value {
        Value::Unit => {}
        Value::Bool(_) | Value::Int(_) | Value::Real(_) | Value::Str(_) | Value::Variant(_) => {
            restore(path);
            names.push(format!("{root}{path}"));
        }
        Value::Matrix(m) => {
            for i in 0..m.rows {
                names.extend((0..m.cols).map(|j| format!("{root}{path}{open}{i},{j}]")));
            }
        }
        Value::Reals(_) | Value::Ints(_) | Value::Bools(_) => {
            names.extend((0..value.array_len().unwrap_or(0)).map(|i| format!("{root}{path}{open}{i}]")));
        }
        Value::Values(items) => {
            for (i, item) in items.iter().enumerate() {
                // Writing to a string cannot fail.
                let _ = write!(path, "{root}{open}{i}]");
                name_parts(path, item, names, skipped);
                path.truncate(stem);
            }
        }
        Value::Tuple(parts) => {
            restore(path);
            for (i, part) in parts.0.iter().enumerate() {
                name_field(path, &i.to_string(), part, names, skipped);
            }
        }
        Value::Record(record) => {
            restore(path);
            for (name, field) in record.names.iter().zip(&record.fields) {
                name_field(path, name.as_str(), field, names, skipped);
            }
        }
        other => {
            restore(path);
            let name = format!("{root}{path}");
            if let Some(reason) = reason_to_skip(other)
                && !skipped.iter().any(|(known, _)| *known == name)
            {
                skipped.push((name, reason));
            }
        }
    }
    path.truncate(stem);
    restore(path);
}

fn name_field(
    path: &mut String,
    name: &str,
    field: &Value,
    names: &mut Vec<String>,
    skipped: &mut Vec<(String, &'static str)>,
) {
    let length = path.len();
    if length > 0 {
        path.push('.');
    }
    path.push_str(name);
    name_parts(path, field, names, skipped);
    path.truncate(length);
}

/// The scalars of a value, in the order of [`name_parts`].
fn collect(value: &Value, out: &mut Vec<Scalar>) {
    match value {
        Value::Bool(b) => out.push(Scalar::Number(Kind::Bool, f64::from(u8::from(*b)))),
        Value::Int(n) => out.push(Scalar::Number(Kind::Int, *n as f64)),
        Value::Real(x) => out.push(Scalar::Number(Kind::Real, *x)),
        Value::Str(_) | Value::Variant(_) => out.push(Scalar::Text(label::label(value))),
        Value::Reals(xs) => out.extend(xs.iter().map(|x| Scalar::Number(Kind::Real, *x))),
        Value::Ints(xs) => out.extend(xs.iter().map(|n| Scalar::Number(Kind::Int, *n as f64))),
        Value::Bools(xs) => out.extend(xs.iter().map(|b| Scalar::Number(Kind::Bool, f64::from(u8::from(*b))))),
        Value::Matrix(m) => out.extend(m.data.iter().map(|x| Scalar::Number(Kind::Real, *x))),
        Value::Values(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Tuple(parts) => parts.0.iter().for_each(|part| collect(part, out)),
        Value::Record(record) => record.fields.iter().for_each(|field| collect(field, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::intern;
    use crate::value::record_names;

    fn names_of(draws: &[Value]) -> Vec<String> {
        let chain = draws.iter().map(|value| vec![("", value)]);
        Columns::of(std::iter::once(chain)).columns.into_iter().map(|column| column.name).collect()
    }

    #[test]
    fn paths_follow_the_structure() {
        let inner = Value::record(record_names(&[intern("b")]), vec![Value::Int(1)]);
        let names = ["mu", "theta", "A", "a", "t", "xs", "rows"].map(intern);
        let value = Value::record(
            record_names(&names),
            vec![
                Value::Real(1.0),
                Value::reals(vec![1.0, 2.0]),
                Value::matrix(1, 2, vec![1.0, 2.0]),
                inner.clone(),
                Value::tuple(vec![Value::Int(1), Value::reals(vec![0.0])]),
                Value::array_of(vec![inner.clone(), inner]),
                Value::array_of(vec![Value::reals(vec![1.0]), Value::reals(vec![1.0, 2.0])]),
            ],
        );
        let expected =
            "mu theta[0] theta[1] A[0,0] A[0,1] a.b t.0 t.1[0] xs[0].b xs[1].b rows[0,0] rows[1,0] rows[1,1]";
        assert_eq!(names_of(&[value]).join(" "), expected);
    }

    #[test]
    fn bare_values_have_names_too() {
        assert_eq!(names_of(&[Value::Real(1.0)]), ["value"]);
        assert_eq!(names_of(&[Value::reals(vec![1.0])]), ["value[0]"]);
        assert_eq!(names_of(&[Value::tuple(vec![Value::Int(1), Value::Bool(true)])]), ["0", "1"]);
        let rows = Value::array_of(vec![Value::reals(vec![1.0])]);
        assert_eq!(names_of(&[rows]), ["value[0,0]"]);
        assert!(names_of(&[Value::Unit]).is_empty());
    }

    #[test]
    fn structure_may_change_between_draws() {
        let draws = [vec![1.0], vec![1.0, 2.0], vec![5.0]].map(Value::reals);
        let chains = [&draws[..2], &draws[2..]].into_iter().map(|draws| draws.iter().map(|value| vec![("x", value)]));
        let columns = Columns::of(chains);
        assert_eq!(columns.columns.len(), 2);
        let second = columns.get("x[1]").unwrap();
        assert_eq!(second.chains, [vec![2.0], vec![]]);
        assert_eq!(second.rows, [vec![1], vec![]]);
        assert_eq!(columns.get("x[0]").unwrap().chains, [vec![1.0, 1.0], vec![5.0]]);
    }

    #[test]
    fn mixed_columns_become_categorical() {
        let draws = [Value::Int(3), Value::string("none"), Value::Int(3), Value::Int(4)];
        let columns = Columns::of(std::iter::once(draws.iter().map(|value| vec![("", value)])));
        assert_eq!(columns.columns[0].kind, Kind::Categorical);
        assert_eq!(columns.columns[0].labels, ["3", "none", "4"]);
        assert_eq!(columns.columns[0].chains[0], [0.0, 1.0, 0.0, 2.0]);
    }
}
