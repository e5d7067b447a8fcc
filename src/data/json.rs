//! JSON data: an object whose keys name the data. Read with the line of every value.
//!
//! The reader is our own because errors in the *data* (a string among numbers, a ragged row) have to point at lines,
//! which ordinary JSON libraries forget, and because arrays of numbers are kept flat. The relaxed form serves `--set`.

use super::{DataError, DataValue, Entry, Numbers, Place, Tree};
use std::sync::Arc;

/// Values may be nested this deep.
const DEEPEST: usize = 200;

const HALF: &str = "expected a character, found half of a surrogate pair";

/// The entries of a file that holds one JSON object.
///
/// # Errors
/// When the text is not JSON, or not an object, with line and column.
pub fn read(file: &str, text: &str) -> Result<Vec<Entry>, DataError> {
    let value = parse(file, text)?;
    match value.tree {
        Tree::Object(entries) => Ok(entries),
        ref tree => Err(DataError::at(
            value.place.clone(),
            format!("expected an object that names the data, found {}", super::bind::describe(tree)),
        )
        .hint(r#"write {"y": [1, 2, 3]}"#)),
    }
}

/// Any JSON value.
///
/// # Errors
/// When the text is not JSON, with line and column.
pub fn parse(file: &str, text: &str) -> Result<DataValue, DataError> {
    Reader::new(file, text, false).whole()
}

/// A value as one writes it on a command line: JSON, or `inf`, `nan`, keys and words without quotes.
///
/// # Errors
/// When brackets or quotes do not match.
pub(crate) fn parse_relaxed(file: &str, text: &str) -> Result<DataValue, DataError> {
    Reader::new(file, text, true).whole()
}

struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
    at: usize,
    line: u32,
    line_start: usize,
    /// What is being read, for a file that ends too early: `y`, `y[3]`.
    path: Vec<Step>,
    relaxed: bool,
}

enum Step {
    Key(String),
    Index(usize),
}

/// An array while it is read.
enum Items {
    Empty,
    Ints(Vec<i64>),
    Reals(Vec<f64>),
    Mixed(Vec<DataValue>),
}

impl<'a> Reader<'a> {
    fn new(file: &str, text: &'a str, relaxed: bool) -> Reader<'a> {
        Reader { file: file.into(), text, at: 0, line: 1, line_start: 0, path: Vec::new(), relaxed }
    }

    fn whole(mut self) -> Result<DataValue, DataError> {
        self.space();
        if self.at == self.text.len() {
            return Err(self.error("expected a value, found nothing: the file is empty"));
        }
        let value = self.value()?;
        self.space();
        match self.peek() {
            None => Ok(value),
            Some(_) => Err(self.error(format!("expected the end of the file, found {}", self.found()))),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn space(&mut self) {
        while let Some(byte) = self.peek() {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.line_start = self.at + 1;
                }
                b' ' | b'\t' | b'\r' => {}
                _ => break,
            }
            self.at += 1;
        }
    }

    fn place(&self) -> Place {
        let column = self.text[self.line_start..self.at].chars().count() as u32 + 1;
        Place { file: self.file.clone(), line: self.line, column }
    }

    /// The place without the column, whose count would cost time on long lines.
    fn quick_place(&self) -> Place {
        let near = self.at - self.line_start < 200;
        if near { self.place() } else { Place { file: self.file.clone(), line: self.line, column: 0 } }
    }

    fn error(&self, message: impl Into<String>) -> DataError {
        if self.at >= self.text.len() && !self.path.is_empty() {
            return self.ended();
        }
        DataError::at(self.place(), message)
    }

    /// The file stops where more must follow.
    fn ended(&self) -> DataError {
        let path = self.path_text();
        let inside = if path.is_empty() { String::new() } else { format!(" of {path}") };
        DataError::at(self.place(), format!("the file ends in the middle{inside}"))
            .hint("was it written or copied completely?")
    }

    fn path_text(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if text.is_empty() => text.push_str(key),
                Step::Key(key) => text.push_str(&format!(".{key}")),
                Step::Index(i) => text.push_str(&format!("[{i}]")),
            }
        }
        text
    }

    fn found(&self) -> String {
        match self.text[self.at..].chars().next() {
            None => "the end of the file".into(),
            Some(c) if c.is_alphanumeric() || c == '_' => {
                let word: String =
                    self.text[self.at..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').take(30).collect();
                format!("`{word}`")
            }
            Some(c) if c.is_control() => format!("the control character {:?}", c),
            Some(c) => format!("`{c}`"),
        }
    }

    fn value(&mut self) -> Result<DataValue, DataError> {
        let place = self.quick_place();
        if self.path.len() > DEEPEST {
            return Err(self.error(format!("expected at most {DEEPEST} nested values")));
        }
        let tree = match self.peek() {
            Some(b'{') => self.object()?,
            Some(b'[') => self.array()?,
            Some(b'"') => Tree::Str(self.string()?),
            Some(b'-' | b'0'..=b'9') if !self.relaxed => self.number()?,
            Some(_) if self.relaxed => self.relaxed_word()?,
            Some(b't' | b'f' | b'n' | b'N' | b'I') => self.word()?,
            None => return Err(self.ended()),
            Some(_) => return Err(self.error(format!("expected a value, found {}", self.found()))),
        };
        Ok(DataValue { tree, place })
    }

    /// `true`, `false`, `null`, and the `NaN` and `Infinity` that Python and Stan write.
    fn word(&mut self) -> Result<Tree, DataError> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let tree = match &rest[..end] {
            "true" => Tree::Bool(true),
            "false" => Tree::Bool(false),
            "null" => Tree::Null,
            "NaN" => Tree::Real(f64::NAN),
            "Infinity" => Tree::Real(f64::INFINITY),
            cut if end == rest.len()
                && ["true", "false", "null", "NaN", "Infinity"].iter().any(|word| word.starts_with(cut)) =>
            {
                self.at = self.text.len();
                return Err(self.ended());
            }
            _ => return Err(self.error(format!("expected a value, found {}", self.found()))),
        };
        self.at += end;
        Ok(tree)
    }

    fn number(&mut self) -> Result<Tree, DataError> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut end = start;
        let digits = |mut end: usize| {
            while bytes.get(end).is_some_and(u8::is_ascii_digit) {
                end += 1;
            }
            end
        };
        if bytes[end] == b'-' {
            end += 1;
            if self.text[end..].starts_with("Infinity") {
                self.at = end + "Infinity".len();
                return Ok(Tree::Real(f64::NEG_INFINITY));
            }
        }
        let whole = digits(end);
        // A number that ends early ends the file or is wrong at its next character.
        let bad = |reader: &mut Self, at: usize| {
            reader.at = at;
            if at >= reader.text.len() {
                reader.ended()
            } else {
                reader.error(format!("expected a digit, found {}", reader.found()))
            }
        };
        if whole == end {
            return Err(bad(self, whole));
        }
        if bytes[end] == b'0' && whole > end + 1 {
            return Err(self.error("expected a number without leading zeros"));
        }
        end = whole;
        let mut integer = true;
        if bytes.get(end) == Some(&b'.') {
            integer = false;
            let after = digits(end + 1);
            if after == end + 1 {
                return Err(bad(self, after));
            }
            end = after;
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            integer = false;
            let sign = end + 1 + usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let after = digits(sign);
            if after == sign {
                return Err(bad(self, after));
            }
            end = after;
        }
        let text = &self.text[start..end];
        self.at = end;
        if integer
            && text != "-0"
            && let Ok(n) = text.parse()
        {
            return Ok(Tree::Int(n));
        }
        Ok(Tree::Real(text.parse().expect("the grammar of JSON numbers is part of Rust's")))
    }

    /// A word of a command line: up to the next comma, bracket or brace inside brackets, to the end otherwise.
    fn relaxed_word(&mut self) -> Result<Tree, DataError> {
        let rest = &self.text[self.at..];
        let end =
            if self.path.is_empty() { rest.len() } else { rest.find([',', ']', '}', '\n']).unwrap_or(rest.len()) };
        let word = rest[..end].trim_end();
        if word.is_empty() {
            return Err(self.error(format!("expected a value, found {}", self.found())));
        }
        self.at += word.len();
        Ok(match word {
            "true" => Tree::Bool(true),
            "false" => Tree::Bool(false),
            "null" => Tree::Null,
            _ if super::bind::special_real(word).is_some() => {
                Tree::Real(super::bind::special_real(word).unwrap_or(f64::NAN))
            }
            _ => match (word.parse::<i64>(), word.parse::<f64>()) {
                (Ok(n), _) => Tree::Int(n),
                (_, Ok(x)) => Tree::Real(x),
                _ => Tree::Str(word.into()),
            },
        })
    }

    fn string(&mut self) -> Result<String, DataError> {
        self.at += 1;
        let mut out = String::new();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.find(|c: char| c == '"' || c == '\\' || c < ' ').unwrap_or(rest.len());
            out.push_str(&rest[..plain]);
            self.at += plain;
            match self.peek() {
                None => return Err(self.ended()),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                Some(_) => return Err(self.error(format!("expected `\"` to end the string, found {}", self.found()))),
            }
        }
    }

    fn escape(&mut self) -> Result<char, DataError> {
        self.at += 1;
        let Some(byte) = self.peek() else { return Err(self.ended()) };
        let plain = match byte {
            b'"' | b'\\' | b'/' => byte as char,
            b'n' => '\n',
            b't' => '\t',
            b'r' => '\r',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'u' => {
                let first = self.hexadecimal()?;
                // Two halves of a surrogate pair make one character; a lone half is none.
                if (0xD800..0xDC00).contains(&first) && self.text[self.at..].starts_with("\\u") {
                    self.at += 1;
                    let second = self.hexadecimal()?;
                    let joined = (0xDC00..0xE000)
                        .contains(&second)
                        .then(|| 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00));
                    return joined.and_then(char::from_u32).ok_or_else(|| self.error(HALF));
                }
                return char::from_u32(first).ok_or_else(|| self.error(HALF));
            }
            _ => return Err(self.error(format!("expected an escape such as \\n after \\, found {}", self.found()))),
        };
        self.at += 1;
        Ok(plain)
    }

    /// The four digits after `\u`; starts at the `u`.
    fn hexadecimal(&mut self) -> Result<u32, DataError> {
        let digits = self.text.as_bytes().get(self.at + 1..self.at + 5);
        let Some(digits) = digits else {
            self.at = self.text.len();
            return Err(self.ended());
        };
        let mut code = 0;
        for digit in digits {
            let Some(digit) = (*digit as char).to_digit(16) else {
                return Err(self.error("expected four hexadecimal digits after \\u"));
            };
            code = code * 16 + digit;
        }
        self.at += 5;
        Ok(code)
    }

    fn object(&mut self) -> Result<Tree, DataError> {
        self.at += 1;
        let mut entries: Vec<Entry> = Vec::new();
        let mut seen: std::collections::HashMap<String, u32> = std::collections::HashMap::new();
        loop {
            self.space();
            match self.peek() {
                Some(b'}') if entries.is_empty() => break,
                Some(b'"') => {}
                Some(byte) if self.relaxed && (byte.is_ascii_alphabetic() || byte == b'_') => {}
                None => return Err(self.ended()),
                Some(_) => return Err(self.error(format!("expected a key in quotes, found {}", self.found()))),
            }
            let (line, place) = (self.line, self.place());
            let key = if self.peek() == Some(b'"') { self.string()? } else { self.bare_key() };
            if let Some(before) = seen.insert(key.clone(), line) {
                return Err(DataError::at(place, format!("the key `{key}` is given twice, first on line {before}")));
            }
            self.path.push(Step::Key(key.clone()));
            self.space();
            if self.peek() != Some(b':') {
                return Err(self.error(format!("expected `:` after the key `{key}`, found {}", self.found())));
            }
            self.at += 1;
            self.space();
            let value = self.value()?;
            entries.push((key, value));
            self.space();
            let more = self.more(b'}')?;
            self.path.pop();
            if !more {
                return Ok(Tree::Object(entries));
            }
        }
        self.at += 1;
        Ok(Tree::Object(entries))
    }

    fn bare_key(&mut self) -> String {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        rest[..end].to_string()
    }

    /// Whether a comma follows rather than the end of the array or object.
    fn more(&mut self, close: u8) -> Result<bool, DataError> {
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.at += 1;
                Ok(false)
            }
            None => Err(self.ended()),
            Some(_) => Err(self.error(format!("expected `,` or `{}`, found {}", close as char, self.found()))),
        }
    }

    fn array(&mut self) -> Result<Tree, DataError> {
        self.at += 1;
        let first_line = self.line;
        let mut items = Items::Empty;
        let mut lines: Vec<u32> = Vec::new();
        self.path.push(Step::Index(0));
        self.space();
        if self.peek() == Some(b']') {
            self.at += 1;
            self.path.pop();
            return Ok(Tree::Array(Vec::new()));
        }
        loop {
            self.space();
            if self.peek().is_none() {
                return Err(self.ended());
            }
            // Lines are noted from the first element on that does not stand on the line of the bracket.
            if self.line != first_line || !lines.is_empty() {
                lines.resize(lines.len().max(items.len()), first_line);
                lines.push(self.line);
            }
            let flat = matches!(self.peek(), Some(b'-' | b'0'..=b'9')) && !self.relaxed;
            items = match (items, flat) {
                (Items::Mixed(mut all), _) => {
                    all.push(self.value()?);
                    Items::Mixed(all)
                }
                (items, true) => items.push(self.number()?),
                (items, false) => {
                    let value = self.value()?;
                    match value.tree {
                        Tree::Int(_) | Tree::Real(_) => items.push(value.tree),
                        _ => {
                            let mut all = items.boxed(&self.file, first_line, &lines);
                            all.push(value);
                            Items::Mixed(all)
                        }
                    }
                }
            };
            self.space();
            if !self.more(b']')? {
                break;
            }
            if let Some(Step::Index(i)) = self.path.last_mut() {
                *i += 1;
            }
        }
        self.path.pop();
        let lines = if lines.is_empty() { None } else { Some(Arc::new(lines)) };
        Ok(match items {
            Items::Empty => Tree::Array(Vec::new()),
            Items::Ints(items) => Tree::Ints(Numbers { items, lines }),
            Items::Reals(items) => Tree::Reals(Numbers { items, lines }),
            Items::Mixed(all) => Tree::Array(all),
        })
    }
}

impl Items {
    fn len(&self) -> usize {
        match self {
            Items::Empty => 0,
            Items::Ints(items) => items.len(),
            Items::Reals(items) => items.len(),
            Items::Mixed(items) => items.len(),
        }
    }

    /// Adds a number; one real among integers makes all real.
    fn push(self, number: Tree) -> Items {
        match (self, number) {
            (Items::Empty, Tree::Int(n)) => Items::Ints(vec![n]),
            (Items::Empty, Tree::Real(x)) => Items::Reals(vec![x]),
            (Items::Ints(mut items), Tree::Int(n)) => {
                items.push(n);
                Items::Ints(items)
            }
            (Items::Ints(items), Tree::Real(x)) => {
                let mut reals: Vec<f64> = items.into_iter().map(|n| n as f64).collect();
                reals.push(x);
                Items::Reals(reals)
            }
            (Items::Reals(mut items), Tree::Int(n)) => {
                items.push(n as f64);
                Items::Reals(items)
            }
            (Items::Reals(mut items), Tree::Real(x)) => {
                items.push(x);
                Items::Reals(items)
            }
            (items, _) => items,
        }
    }

    /// The elements so far as values of their own.
    fn boxed(self, file: &Arc<str>, first_line: u32, lines: &[u32]) -> Vec<DataValue> {
        let value = |(i, tree): (usize, Tree)| {
            let line = lines.get(i).copied().unwrap_or(first_line);
            DataValue { tree, place: Place { file: file.clone(), line, column: 0 } }
        };
        match self {
            Items::Empty => Vec::new(),
            Items::Ints(items) => items.into_iter().map(Tree::Int).enumerate().map(value).collect(),
            Items::Reals(items) => items.into_iter().map(Tree::Real).enumerate().map(value).collect(),
            Items::Mixed(all) => all,
        }
    }
}
