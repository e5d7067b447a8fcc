//! Values with functions in them, such as learners, as bytes: written when a stream is interrupted, read when it goes on.
//!
//! Shared parts are written once. Reading goes by the type that is expected, so a file that is damaged or of another program is refused: every
//! function is named with a hash of its code, and what it captured must have the types that it expects.

use crate::core::ir::{DistId, FuncId, Program};
use crate::core::print::print_function;
use crate::core::{Type, TypeKind};
use crate::data::json;
use crate::data::{DataValue, Tree};
use crate::exec::machine::code::ArrayKind;
use crate::source::intern;
use crate::value::hash::fingerprint;
use crate::value::{Closure, DistValue, Fault, Matrix, Value, Variant, record_names};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

/// Values may be nested this deep.
const DEEPEST: usize = 2000;

/// A value and what is known of the stream that it comes from.
pub struct Checkpoint {
    /// Identifies the program: its text and this version.
    pub program: u64,
    pub seed: u64,
    /// Lines read, and observations learnt from.
    pub lines: u64,
    pub observations: u64,
}

fn damaged(what: &str) -> Fault {
    Fault::error(format!("the checkpoint is damaged: {what}")).hint("start anew without --resume")
}

fn changed(what: &str) -> Fault {
    Fault::error(format!("the program has changed since the checkpoint was written: {what}"))
        .hint("start anew without --resume")
}

/// The checkpoint and the value as text.
///
/// # Errors
/// When the value holds something that only lives in memory, or is nested too deep.
pub fn write(program: &Program, checkpoint: &Checkpoint, value: &Value) -> Result<String, Fault> {
    let mut writer = Writer { program, seen: HashMap::new(), objects: Vec::new(), prints: HashMap::new() };
    let root = writer.value(value, 0)?;
    let mut text = format!(
        "{{\"borel\": \"{}\", \"program\": \"{:016x}\", \"seed\": \"{}\", \"lines\": {}, \"observations\": {},\n\"objects\": [\n",
        env!("CARGO_PKG_VERSION"),
        checkpoint.program,
        checkpoint.seed,
        checkpoint.lines,
        checkpoint.observations
    );
    text.push_str(&writer.objects.join(",\n"));
    let _ = write!(text, "],\n\"value\": [{root}]}}\n");
    Ok(text)
}

struct Writer<'a> {
    program: &'a Program,
    /// The number of each object by its address.
    seen: HashMap<usize, usize>,
    objects: Vec<String>,
    /// Hashes of the code of functions.
    prints: HashMap<u32, u64>,
}

fn number(x: f64) -> String {
    if x.is_finite() { format!("{x:?}") } else { format!("\"{x}\"") }
}

fn listed<T>(items: &[T], shown: impl Fn(&T) -> String) -> String {
    items.iter().map(shown).collect::<Vec<_>>().join(",")
}

impl Writer<'_> {
    /// The text of a value: what is held in place, or the number of an object.
    fn value(&mut self, value: &Value, depth: usize) -> Result<String, Fault> {
        if depth > DEEPEST {
            return Err(Fault::error("the learner is nested too deep for a checkpoint"));
        }
        match value {
            Value::Unit => return Ok("null".into()),
            Value::Bool(b) => return Ok(b.to_string()),
            Value::Int(n) => return Ok(format!("\"{n}\"")),
            Value::Real(x) => return Ok(number(*x)),
            Value::Str(text) => return Ok(crate::value::to_json(&Value::Str(Arc::clone(text)))),
            Value::Domain(_) => return Err(unwritable("a domain")),
            Value::Host(object) => return Err(unwritable(&format!("a {}", object.type_name()))),
            _ => {}
        }
        let address = value.place_in_memory().ok_or_else(|| Fault::internal("an object lies somewhere"))?;
        if let Some(known) = self.seen.get(&address) {
            return Ok(format!("\"#{known}\""));
        }
        let text = match value {
            Value::Reals(xs) => listed(xs, |x| number(*x)),
            Value::Ints(xs) => listed(xs, |n| format!("\"{n}\"")),
            Value::Bools(xs) => listed(xs, bool::to_string),
            Value::Matrix(m) => {
                let data = listed(&m.data, |x| number(*x));
                let parts = [format!("\"{}\",\"{}\"", m.rows, m.cols), data];
                parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join(",")
            }
            Value::Values(xs) => self.all(None, xs, depth)?,
            Value::Tuple(parts) => self.all(None, &parts.0, depth)?,
            Value::Record(record) => self.all(None, &record.fields, depth)?,
            Value::Variant(variant) => self.all(Some(format!("\"{}\"", variant.tag)), &variant.fields, depth)?,
            Value::Closure(closure) => {
                let print = self.print(closure.function);
                self.all(Some(format!("\"{}\",\"{print:016x}\"", closure.function)), &closure.captures, depth)?
            }
            Value::Dist(dist) => self.all(Some(format!("\"{}\",\"{}\"", dist.dist, dist.name)), &dist.args, depth)?,
            _ => String::new(),
        };
        let number = self.objects.len();
        self.objects.push(format!("[{text}]"));
        self.seen.insert(address, number);
        Ok(format!("\"#{number}\""))
    }

    fn all(&mut self, head: Option<String>, values: &[Value], depth: usize) -> Result<String, Fault> {
        let mut parts: Vec<String> = head.into_iter().collect();
        for value in values {
            parts.push(self.value(value, depth + 1)?);
        }
        Ok(parts.join(","))
    }

    fn print(&mut self, function: u32) -> u64 {
        let program = self.program;
        *self
            .prints
            .entry(function)
            .or_insert_with(|| fingerprint(print_function(program, FuncId(function)).as_bytes()))
    }
}

fn unwritable(what: &str) -> Fault {
    Fault::error(format!("the learner holds {what}, which a checkpoint cannot keep"))
        .hint("leave --checkpoint out, or build the learner of numbers, records and functions")
}

/// The checkpoint in a text, and its value, which must be of this type.
///
/// # Errors
/// When the text is no checkpoint, is damaged, or comes from another program than `program` with the identity `wanted`.
pub fn read(program: &Program, text: &str, wanted: u64, expected: Type) -> Result<(Checkpoint, Value), Fault> {
    let whole = json::parse("the checkpoint", text).map_err(|error| damaged(&error.message))?;
    let Tree::Object(entries) = &whole.tree else { return Err(damaged("it is no object")) };
    let entry = |name: &str| {
        let found = entries.iter().find(|(key, _)| key == name).map(|(_, value)| value);
        found.ok_or_else(|| damaged(&format!("it has no `{name}`")))
    };
    let count = |name: &str| match &entry(name)?.tree {
        Tree::Int(n) if *n >= 0 => Ok(*n as u64),
        _ => Err(damaged(&format!("`{name}` is no count"))),
    };
    let word = |name: &str| match &entry(name)?.tree {
        Tree::Str(text) => Ok(text.clone()),
        _ => Err(damaged(&format!("`{name}` is no text"))),
    };
    if word("borel")? != env!("CARGO_PKG_VERSION") || word("program")? != format!("{wanted:016x}") {
        return Err(changed("its text, the text of what it imports, or the version of borel"));
    }
    let seed = word("seed")?.parse().map_err(|_| damaged("`seed` is no number"))?;
    let checkpoint = Checkpoint { program: wanted, seed, lines: count("lines")?, observations: count("observations")? };
    let objects = entry("objects")?;
    let root = entry("value")?;
    let mut reader = Reader { program, objects, made: HashMap::new(), prints: HashMap::new() };
    let value = reader.value(&part(root, 0).ok_or_else(|| damaged("it has no value"))?, expected, 0)?;
    Ok((checkpoint, value))
}

/// An element of an array, whose numbers may be held flat.
fn part(array: &DataValue, i: usize) -> Option<Tree> {
    match &array.tree {
        Tree::Array(items) => items.get(i).map(|item| item.tree.clone()),
        Tree::Ints(items) => items.items.get(i).map(|n| Tree::Int(*n)),
        Tree::Reals(items) => items.items.get(i).map(|x| Tree::Real(*x)),
        _ => None,
    }
}

fn length(array: &DataValue) -> usize {
    match &array.tree {
        Tree::Array(items) => items.len(),
        Tree::Ints(items) => items.items.len(),
        Tree::Reals(items) => items.items.len(),
        _ => 0,
    }
}

struct Reader<'a> {
    program: &'a Program,
    objects: &'a DataValue,
    /// Objects that were read, by their numbers and types.
    made: HashMap<(usize, Type), Value>,
    prints: HashMap<u32, u64>,
}

fn real(tree: &Tree) -> Result<f64, Fault> {
    match tree {
        Tree::Real(x) => Ok(*x),
        Tree::Int(n) => Ok(*n as f64),
        Tree::Str(text) => text.parse().map_err(|_| damaged("expected a number")),
        _ => Err(damaged("expected a number")),
    }
}

/// Whole numbers are written as texts too.
fn int(tree: &Tree) -> Result<i64, Fault> {
    match tree {
        Tree::Str(text) => text.parse().map_err(|_| damaged("expected a whole number")),
        _ => Err(damaged("expected a whole number")),
    }
}

fn hash_of(tree: Option<Tree>) -> Option<u64> {
    match tree {
        Some(Tree::Str(text)) => u64::from_str_radix(&text, 16).ok(),
        _ => None,
    }
}

impl Reader<'_> {
    fn value(&mut self, tree: &Tree, expected: Type, depth: usize) -> Result<Value, Fault> {
        if depth > DEEPEST {
            return Err(damaged("it is nested too deep"));
        }
        match (expected.kind(), tree) {
            (TypeKind::Unit, _) => return Ok(Value::Unit),
            (TypeKind::Bool, Tree::Bool(b)) => return Ok(Value::Bool(*b)),
            (TypeKind::Int, tree) => return int(tree).map(Value::Int),
            (TypeKind::Real, tree) => return real(tree).map(Value::Real),
            (TypeKind::Str, Tree::Str(text)) => return Ok(Value::string(text)),
            _ => {}
        }
        // Objects are named by texts, because numbers that stand beside reals are read as reals.
        let number = match tree {
            Tree::Str(text) => text.strip_prefix('#').and_then(|number| number.parse::<usize>().ok()),
            _ => None,
        };
        let number = number.ok_or_else(|| damaged(&format!("expected {expected}")))?;
        if let Some(value) = self.made.get(&(number, expected)) {
            return Ok(value.clone());
        }
        let objects = self.objects;
        let Tree::Array(all) = &objects.tree else { return Err(damaged("it has no objects")) };
        let object = all.get(number).ok_or_else(|| damaged(&format!("there is no object {number}")))?;
        let value = self.object(object, expected, depth)?;
        self.made.insert((number, expected), value.clone());
        Ok(value)
    }

    fn object(&mut self, object: &DataValue, expected: Type, depth: usize) -> Result<Value, Fault> {
        let n = length(object);
        let at = |i: usize| part(object, i).ok_or_else(|| damaged("an object is too short"));
        match expected.kind() {
            TypeKind::Array(element) => match ArrayKind::of_element(*element) {
                ArrayKind::Reals => Ok(Value::reals((0..n).map(|i| real(&at(i)?)).collect::<Result<_, _>>()?)),
                ArrayKind::Ints => Ok(Value::ints((0..n).map(|i| int(&at(i)?)).collect::<Result<_, _>>()?)),
                ArrayKind::Bools => {
                    let bit =
                        |i| if let Tree::Bool(b) = at(i)? { Ok(b) } else { Err(damaged("expected a truth value")) };
                    Ok(Value::Bools(Arc::new((0..n).map(bit).collect::<Result<_, Fault>>()?)))
                }
                ArrayKind::Values => {
                    let items = self.parts(object, 0, &vec![*element; n], depth)?;
                    Ok(Value::Values(Arc::new(items)))
                }
            },
            TypeKind::Matrix => {
                let (rows, cols) = (int(&at(0)?)?, int(&at(1)?)?);
                let data = (2..n).map(|i| real(&at(i)?)).collect::<Result<Vec<f64>, _>>()?;
                let area = usize::try_from(rows).ok().zip(usize::try_from(cols).ok());
                match area.filter(|(rows, cols)| rows.checked_mul(*cols) == Some(data.len())) {
                    Some((rows, cols)) => Ok(Value::Matrix(Arc::new(Matrix { rows, cols, data }))),
                    None => Err(damaged("a matrix of another size")),
                }
            }
            TypeKind::Tuple(types) => Ok(Value::tuple(self.parts(object, 0, types, depth)?)),
            TypeKind::Record(fields) => {
                let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
                let types: Vec<Type> = fields.iter().map(|(_, ty)| *ty).collect();
                Ok(Value::record(record_names(&names), self.parts(object, 0, &types, depth)?))
            }
            TypeKind::Variant(..) => {
                let tag = int(&at(0)?)?;
                let constructor = usize::try_from(tag).ok().and_then(|tag| expected.constructors()?.get(tag));
                let (name, types) =
                    constructor.ok_or_else(|| damaged(&format!("{expected} has no such constructor")))?;
                let fields = self.parts(object, 1, types, depth)?;
                Ok(Value::Variant(Arc::new(Variant { name: *name, tag: tag as u32, fields })))
            }
            TypeKind::Dist(value) => {
                let dist = u32::try_from(int(&at(0)?)?).map_err(|_| damaged("no distribution"))?;
                let known = self.program.dists.get(DistId(dist).0 as usize).filter(|known| known.value == *value);
                let known = known.ok_or_else(|| changed("its distributions"))?;
                let Tree::Str(name) = at(1)? else { return Err(damaged("a distribution without a name")) };
                if known.name != intern(&name) {
                    return Err(changed("its distributions"));
                }
                let (name, types) = (known.name, known.params.iter().map(|(_, ty)| *ty).collect::<Vec<_>>());
                let args = self.parts(object, 2, &types, depth)?;
                Ok(Value::Dist(Arc::new(DistValue { name, dist, args })))
            }
            TypeKind::Fn(params, random, result) => {
                let function = u32::try_from(int(&at(0)?)?).map_err(|_| damaged("no function"))?;
                let program = self.program;
                let known = program.funcs.get(function as usize).ok_or_else(|| changed("its functions"))?;
                let print = *self
                    .prints
                    .entry(function)
                    .or_insert_with(|| fingerprint(print_function(program, FuncId(function)).as_bytes()));
                let type_of = |var: &crate::core::ir::VarId| known.vars[var.0 as usize].ty;
                let fits = known.params.len() == params.len()
                    && known.params.iter().zip(params).all(|(var, ty)| type_of(var) == *ty)
                    && known.result == *result
                    && (*random || !known.random);
                if !fits || hash_of(part(object, 1)) != Some(print) {
                    return Err(changed("its functions"));
                }
                let types: Vec<Type> = known.captures.iter().map(type_of).collect();
                let captures = self.parts(object, 2, &types, depth)?;
                Ok(Value::Closure(Arc::new(Closure { function, captures })))
            }
            _ => Err(damaged(&format!("it cannot hold {expected}"))),
        }
    }

    /// The parts of an object from one place on.
    fn parts(&mut self, object: &DataValue, from: usize, types: &[Type], depth: usize) -> Result<Vec<Value>, Fault> {
        if length(object) != from + types.len() {
            return Err(damaged("an object has another number of parts"));
        }
        let mut values = Vec::with_capacity(types.len());
        for (i, ty) in types.iter().enumerate() {
            let tree = part(object, from + i).ok_or_else(|| damaged("an object is too short"))?;
            values.push(self.value(&tree, *ty, depth + 1)?);
        }
        Ok(values)
    }
}
