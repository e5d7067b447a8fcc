//! Further mistakes of one item: the statement that holds the first is put aside, and the rest is read again.

use pest::Parser as _;

use super::{Grammar, Rule, explain, with_stack};
use crate::source::{Diagnostic, FileId, Name};
use crate::syntax::layout::{self, Layout, Problem};
use std::ops::Range;

/// So many mistakes of one item are told.
const MOST: usize = 8;

/// Items of more bytes are not read again: their mistakes are told one at a time.
const LARGEST: usize = 1 << 18;

/// Reads an item again without the statements that are wrong, and gives what is wrong with the others.
/// Nothing that follows from a mistake already told is among it: where the rest cannot be read without guessing, the
/// search ends. `told` are the mistakes known, `chunk` is the place of the item.
pub fn further(file: FileId, text: &str, chunk: Range<usize>, told: &[Diagnostic]) -> Vec<Diagnostic> {
    let Some(source) = text.get(chunk.clone()).filter(|source| source.len() <= LARGEST) else { return Vec::new() };
    let [first] = told else { return Vec::new() };
    // What stands before the item is blank, so that places need no translation.
    let mut bytes = vec![b' '; chunk.start];
    if let Some(last) = bytes.last_mut() {
        *last = b'\n';
    }
    bytes.extend_from_slice(source.as_bytes());
    let mut search = Search { file, bytes, chunk, aside: Vec::new() };
    let mut found: Vec<Diagnostic> = Vec::new();
    let mut at = first.labels.first().map(|label| label.span.start as usize);
    while let Some(place) = at
        && search.put_aside(place)
        && found.len() < MOST
    {
        at = match search.read() {
            // What follows from a statement put aside: the statement around it is put aside too.
            Some((_, place)) if search.follows(place) => Some(place),
            Some((mistake, place)) => {
                found.push(mistake);
                Some(place)
            }
            None => None,
        };
    }
    found
}

/// The names that an item which cannot be read seems to define, so that their uses are no mistakes of their own.
pub fn names(source: &str) -> Vec<Name> {
    let mut words = words(source);
    let Some((_, first)) = words.next() else { return Vec::new() };
    match first {
        "fn" | "model" | "dist" | "data" | "var" => {
            words.next().map(|(_, name)| Name::from(name)).into_iter().collect()
        }
        // All that a pattern may bind.
        "let" => {
            let pattern = source.split('=').next().map_or(0, str::len);
            words.take_while(|(at, _)| *at < pattern).map(|(_, name)| Name::from(name)).collect()
        }
        // The type, and what may be its constructors.
        "type" => {
            words.filter(|(_, name)| name.starts_with(char::is_uppercase)).map(|(_, name)| Name::from(name)).collect()
        }
        "import" => {
            words.skip_while(|(_, word)| *word != "as").nth(1).map(|(_, name)| Name::from(name)).into_iter().collect()
        }
        drawn => {
            let rest = source.trim_start().strip_prefix(drawn).unwrap_or("").trim_start();
            if rest.starts_with('~') { vec![Name::from(drawn)] } else { Vec::new() }
        }
    }
}

/// The words of a text and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    text.split(move |c| !part(c))
        .filter(|word| word.starts_with(|c: char| c.is_alphabetic() || c == '_'))
        .map(move |word| (word.as_ptr() as usize - text.as_ptr() as usize, word))
}

struct Search {
    file: FileId,
    bytes: Vec<u8>,
    chunk: Range<usize>,
    /// The statements put aside; `()` stands in the place of each.
    aside: Vec<Range<usize>>,
}

impl Search {
    /// Puts the smallest statement around a place aside; false where that is the item itself.
    fn put_aside(&mut self, place: usize) -> bool {
        let Ok(text) = std::str::from_utf8(&self.bytes) else { return false };
        let layout = layout::scan(text);
        let Some(range) = self.statement(&layout, place) else { return false };
        if range.len() < 2 || self.aside.len() > 4 * MOST {
            return false;
        }
        self.bytes[range.clone()].fill(b' ');
        self.bytes[range.start..range.start + 2].copy_from_slice(b"()");
        self.aside.retain(|other| other.end <= range.start || other.start >= range.end);
        self.aside.push(range);
        true
    }
}

impl Search {
    /// The first mistake in what is left, and where it shows.
    fn read(&self) -> Option<(Diagnostic, usize)> {
        let text = std::str::from_utf8(&self.bytes).ok()?;
        let layout = layout::scan(text);
        let [chunk] = layout.chunks.as_slice() else { return None };
        let mut found = explain::problems(Rule::chunk, self.file, text, &layout, chunk);
        if found.is_empty() {
            let source = &layout.text[chunk.range.clone()];
            let wrong = with_stack(chunk.depth, || Grammar::parse(Rule::chunk, source).is_err());
            if wrong {
                found.push(explain::failure(Rule::chunk, self.file, text, &layout, chunk));
            }
        }
        let mistake = found.into_iter().next()?;
        let place = mistake.labels.first()?.span.start as usize;
        Some((mistake, place))
    }

    /// Whether what is found at a place may follow from a statement that was put aside: it is all that stands before.
    fn follows(&self, place: usize) -> bool {
        self.aside.iter().any(|range| {
            place >= range.start
                && self.bytes.get(range.start + 2..place).is_none_or(|rest| rest.trim_ascii().is_empty())
        })
    }

    /// The smallest statement around a place that is more than one put aside already.
    fn statement(&self, layout: &Layout, place: usize) -> Option<Range<usize>> {
        let open = layout.chunks.first().and_then(|chunk| match chunk.problems.as_slice() {
            [Problem::Unclosed { open, .. }] if self.bytes.get(*open) != Some(&b'{') => Some(*open),
            _ => None,
        });
        if layout.chunks.iter().any(|chunk| !chunk.problems.is_empty()) && open.is_none() {
            return None;
        }
        let code = layout.text.as_bytes();
        let place = open.unwrap_or(place);
        // The starts of the statements around the place, the innermost last; brackets other than braces hold none.
        let mut around: Vec<(usize, bool)> = Vec::new();
        let mut quoted = false;
        let mut at = self.chunk.start;
        while at < place.min(code.len()) {
            match code[at] {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'{' => around.push((at + 1, true)),
                b'(' | b'[' => around.push((at + 1, false)),
                b'}' | b')' | b']' => drop(around.pop()),
                b'\n' | b';' => {
                    if let Some((start, true)) = around.last_mut() {
                        *start = at + 1;
                    }
                }
                _ => {}
            }
            at += 1;
        }
        while let Some(depth) = around.iter().rposition(|(_, brace)| *brace) {
            let blank = |byte: &u8| byte.is_ascii_whitespace();
            let first = around[depth].0;
            let start = first + self.bytes[first..].iter().position(|byte| !blank(byte))?;
            let end = match open {
                Some(open) => open + self.bytes[open..].iter().position(|byte| *byte == b'\n').unwrap_or(0),
                None => self.end(code, start),
            };
            // `name: …` is a field of a record, not a statement.
            let field = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b' ';
            let record = self.bytes[start..].iter().find(|byte| !field(byte)) == Some(&b':');
            let known = self.aside.iter().any(|range| range.start == start);
            if start < end && !known && !record {
                return Some(start..end);
            }
            around.truncate(depth);
        }
        None
    }

    /// Where the statement that starts here ends.
    fn end(&self, code: &[u8], start: usize) -> usize {
        let (mut depth, mut quoted, mut at) = (0usize, false, start);
        while at < self.chunk.end.min(code.len()) {
            match code[at] {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                _ if quoted => {}
                b'{' | b'(' | b'[' => depth += 1,
                b'}' | b')' | b']' if depth == 0 => return at,
                b'}' | b')' | b']' => depth -= 1,
                b'\n' | b';' if depth == 0 => return at,
                _ => {}
            }
            at += 1;
        }
        at
    }
}
