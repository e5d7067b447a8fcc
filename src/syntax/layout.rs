//! What comes before the grammar: which newlines end a statement, where comments and items lie, which brackets match.
//!
//! [`scan`] reads a text once, from left to right, and gives a text of the same length in which comments and the
//! newlines that end nothing are blanks. Places in the one are places in the other. It also bounds the nesting, so
//! that no later phase meets a program deeper than [`MAX_DEPTH`] or a row of operators longer than [`MAX_CHAIN`].

use std::ops::Range;

/// How deep brackets and arrows may nest.
pub const MAX_DEPTH: usize = 500;

/// How many operators may follow each other in one expression.
pub const MAX_CHAIN: usize = 5_000;

/// A text with its layout settled.
#[derive(Debug)]
pub struct Layout {
    /// As long as the text, byte for byte; a `\n` in it ends a statement.
    pub text: String,
    /// The items, in order, without the separators between them.
    pub chunks: Vec<Chunk>,
    /// All comments, in order.
    pub comments: Vec<Comment>,
    /// Whether the text ends within a bracket, after an operator or a comma, or after a documentation comment.
    pub incomplete: bool,
}

/// The text of one item.
#[derive(Debug)]
pub struct Chunk {
    pub range: Range<usize>,
    /// What is wrong with its brackets and strings; such a chunk is not parsed.
    pub problems: Vec<Problem>,
    /// The deepest nesting in it.
    pub depth: usize,
}

/// A comment.
#[derive(Clone, Debug)]
pub struct Comment {
    /// Without the newline.
    pub range: Range<usize>,
    pub kind: CommentKind,
    /// Whether something stands before it on its line.
    pub trailing: bool,
    /// Where the next token starts; the length of the text when there is none.
    pub next: usize,
}

/// The kinds of comment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CommentKind {
    /// `// …`
    Plain,
    /// `/// …`
    Doc,
    /// `//! …`
    Module,
}

/// Something wrong that can be seen without the grammar.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Problem {
    /// An opening bracket without its closing one, and where the latter was missed; `at` is the text's end or the
    /// bracket or word that cannot stand inside.
    Unclosed { open: usize, at: usize },
    /// A closing bracket that nothing opened.
    Unopened { at: usize },
    /// `(` closed by `]`.
    Mismatch { open: usize, at: usize },
    /// A string without its closing quote.
    OpenString { range: Range<usize> },
    /// Nesting beyond [`MAX_DEPTH`].
    TooDeep { at: usize },
    /// More than [`MAX_CHAIN`] operators in a row.
    TooLong { at: usize },
}

/// What the last token was, as far as newlines care.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// Nothing, or a separator.
    Start,
    /// A name, a literal, a closing bracket.
    Operand,
    /// An operator, a comma: what follows a newline belongs to the same statement.
    Operator,
    /// A `>`, which may be an operator or close the arguments of a type.
    Greater,
    Opener,
}

/// An open bracket, or the top level.
#[derive(Clone, Default)]
struct Level {
    open: usize,
    bracket: u8,
    /// The column at which its line begins.
    indent: usize,
    /// Operators since the last separator.
    chain: usize,
    /// The most of them in one expression so far.
    chain_max: usize,
    /// The tallest tree that a bracket inside may make.
    tallest: usize,
    /// Arrows and `else` since the last separator: they nest to the right.
    arrows: usize,
    /// Signs in a row.
    signs: usize,
    /// Type brackets `<` that were not closed.
    angles: usize,
}

impl Level {
    fn depth(&self) -> usize {
        self.arrows + self.signs + self.angles
    }
}

/// Settles the layout of `text`.
pub fn scan(text: &str) -> Layout {
    let mut scanner = Scanner::new(text, false);
    scanner.run();
    let open = scanner.levels.len() > 1;
    if open {
        // A bracket is open at the end: take the items as they begin at the left margin, to find the guilty one.
        scanner = Scanner::new(text, true);
        scanner.run();
    }
    scanner.finish(open)
}

struct Scanner<'a> {
    bytes: &'a [u8],
    text: &'a str,
    out: Vec<u8>,
    at: usize,
    /// Whether an item at the left margin closes all brackets.
    margin: bool,
    levels: Vec<Level>,
    /// Sum of [`Level::depth`] over all levels but the last.
    outer: usize,
    last: Last,
    last_start: usize,
    /// Where the line starts.
    line: usize,
    /// The column of its first token.
    indent: Option<usize>,
    /// The first newline since the last token.
    newline: Option<usize>,
    comments: Vec<Comment>,
    /// Comments from here on wait for the next token.
    waiting: usize,
    chunks: Vec<Chunk>,
    start: Option<usize>,
    end: usize,
    problems: Vec<Problem>,
    deepest: usize,
    /// An opening bracket whose closing one stands further left than its line, and that one: the likely culprits
    /// where one is missing.
    suspect: Option<(usize, usize)>,
}

const ITEM_WORDS: [&str; 9] = ["data", "let", "fn", "model", "dist", "type", "import", "test", "observe"];

/// The words that begin a statement and nothing else, so that no operator before them takes them in.
const STATEMENT_WORDS: [&str; 6] = ["assert", "let", "observe", "return", "var", "while"];

impl<'a> Scanner<'a> {
    fn new(text: &'a str, margin: bool) -> Scanner<'a> {
        Scanner {
            bytes: text.as_bytes(),
            text,
            out: text.as_bytes().to_vec(),
            at: 0,
            margin,
            levels: vec![Level::default()],
            outer: 0,
            last: Last::Start,
            last_start: 0,
            line: 0,
            indent: None,
            newline: None,
            comments: Vec::new(),
            waiting: 0,
            chunks: Vec::new(),
            start: None,
            end: 0,
            problems: Vec::new(),
            deepest: 0,
            suspect: None,
        }
    }

    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn level(&mut self) -> &mut Level {
        // The top level is never removed.
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn blank(&mut self, range: Range<usize>) {
        self.out[range].fill(b' ');
    }

    fn run(&mut self) {
        while self.at < self.bytes.len() {
            let start = self.at;
            match self.bytes[start] {
                b' ' => self.at += 1,
                b'\t' | b'\r' | 0x0b | 0x0c => {
                    self.blank(start..start + 1);
                    self.at += 1;
                }
                b'\n' => {
                    self.newline.get_or_insert(start);
                    self.line = start + 1;
                    self.indent = None;
                    self.blank(start..start + 1);
                    self.at += 1;
                }
                b'/' if self.peek(1) == b'/' => self.comment(),
                b'"' => self.string(),
                b'(' | b'[' | b'{' => self.open(),
                b')' | b']' | b'}' => self.close(),
                byte if byte.is_ascii_alphanumeric() || byte == b'_' => self.word(),
                byte if byte >= 0x80 => self.beyond_ascii(),
                _ => self.operator(),
            }
        }
    }

    fn finish(mut self, open: bool) -> Layout {
        let length = self.bytes.len();
        self.attach(length);
        let documented = self.comments.last().is_some_and(|c| c.kind == CommentKind::Doc && c.next == length);
        let continues = self.continues();
        let incomplete = open || continues || documented;
        self.close_all(length);
        self.end_chunk();
        Layout {
            text: String::from_utf8(self.out).unwrap_or_else(|_| " ".repeat(length)),
            chunks: self.chunks,
            comments: self.comments,
            incomplete,
        }
    }

    /// Tells the comments that wait where the next token is.
    fn attach(&mut self, next: usize) {
        for comment in &mut self.comments[self.waiting..] {
            comment.next = next;
        }
        self.waiting = self.comments.len();
    }

    /// Settles the newline before a token, which starts at `self.at`.
    fn token(&mut self, text: &[u8]) {
        let start = self.at;
        self.attach(start);
        if let Some(newline) = self.newline.take() {
            let margin = start == 0 || self.bytes[start - 1] == b'\n';
            if self.margin && margin && self.levels.len() > 1 && self.starts_item(text) {
                self.close_all(start);
                self.end_chunk();
            }
            let inside = matches!(self.level().bracket, b'(' | b'[');
            let joins = match text {
                b"|>" | b"}" | b"," | b"|" => true,
                b"else" => self.out[self.last_start] == b'}',
                _ => false,
            };
            let cut = match self.levels.len() {
                1 => margin && self.begins_item(text),
                _ => self.last != Last::Opener && STATEMENT_WORDS.iter().any(|word| word.as_bytes() == text),
            };
            if !inside && !joins && self.last != Last::Start && (cut || !self.continues()) {
                self.out[newline] = b'\n';
                self.separator();
            }
        }
        self.indent.get_or_insert(start - self.line);
        self.start.get_or_insert(start);
        self.end = start + text.len();
        self.last_start = start;
    }

    fn starts_item(&self, word: &[u8]) -> bool {
        let spaced = self.bytes.get(self.at + word.len()).is_some_and(|byte| matches!(byte, b' ' | b'\t'));
        spaced && ITEM_WORDS.iter().any(|item| item.as_bytes() == word)
    }

    /// Whether a word can only be the first of an item: another word or a text follows it.
    fn begins_item(&self, word: &[u8]) -> bool {
        let rest = &self.bytes[self.at + word.len()..];
        let next = rest.iter().find(|byte| !matches!(byte, b' ' | b'\t'));
        self.starts_item(word) && next.is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'"'))
    }

    /// Whether a newline after the last token ends nothing.
    fn continues(&self) -> bool {
        match self.last {
            Last::Start | Last::Operand => false,
            Last::Operator | Last::Opener => true,
            Last::Greater => !self.closes_type(),
        }
    }

    /// Whether the `>` just read closes a `<` of a type: between them stand only names, commas, arrows and brackets.
    fn closes_type(&self) -> bool {
        let mut open = 0;
        let mut brackets = 0;
        // No type is longer; without the bound a file of such lines would take quadratic time.
        for at in (self.last_start.saturating_sub(2_000)..=self.last_start).rev() {
            match self.out[at] {
                b'>' if brackets > 0 || (at > 0 && matches!(self.out[at - 1], b'-' | b'~')) => {}
                b'>' => open += 1,
                b'<' if brackets == 0 => {
                    open -= 1;
                    if open == 0 {
                        return true;
                    }
                }
                b')' | b']' | b'}' => brackets += 1,
                b'(' | b'[' | b'{' if brackets > 0 => brackets -= 1,
                _ if brackets > 0 => {}
                b'-' | b'~' if self.out[at + 1] == b'>' => {}
                b',' | b' ' | b'_' => {}
                byte if byte.is_ascii_alphanumeric() || byte >= 0x80 => {}
                _ => return false,
            }
        }
        false
    }

    /// A statement ends here; at the top level, the item does.
    fn separator(&mut self) {
        let level = self.level();
        level.chain_max = level.chain_max.max(level.chain);
        (level.chain, level.arrows, level.signs, level.angles) = (0, 0, 0, 0);
        self.last = Last::Start;
        if self.levels.len() == 1 {
            self.end_chunk();
        }
    }

    fn end_chunk(&mut self) {
        if let Some(start) = self.start.take() {
            let mut problems = std::mem::take(&mut self.problems);
            problems.dedup_by_key(|problem| std::mem::discriminant(problem));
            self.chunks.push(Chunk { range: start..self.end, problems, depth: self.deepest });
        }
        self.problems.clear();
        self.deepest = 0;
        self.suspect = None;
        self.last = Last::Start;
    }

    /// Takes all open brackets for unclosed; the guilty one is the suspect, or the innermost.
    fn close_all(&mut self, at: usize) {
        if self.levels.len() > 1 {
            let (open, at) = self.suspect.unwrap_or((self.level().open, at));
            self.problems.push(Problem::Unclosed { open, at });
            self.levels.truncate(1);
            self.outer = 0;
        }
    }

    fn comment(&mut self) {
        let start = self.at;
        let length = self.bytes[start..].iter().position(|byte| *byte == b'\n').unwrap_or(self.bytes.len() - start);
        let line = &self.bytes[start..start + length];
        let kind = match line {
            [b'/', b'/', b'/', b'/', ..] => CommentKind::Plain,
            [b'/', b'/', b'/', ..] => CommentKind::Doc,
            [b'/', b'/', b'!', ..] => CommentKind::Module,
            _ => CommentKind::Plain,
        };
        let trailing = !self.begins_line(start);
        let shown = line.iter().rposition(|byte| !byte.is_ascii_whitespace()).map_or(0, |last| last + 1);
        self.comments.push(Comment { range: start..start + shown, kind, trailing, next: self.bytes.len() });
        self.blank(start..start + length);
        self.at += length;
    }

    fn string(&mut self) {
        let start = self.at;
        let mut end = start + 1;
        let closed = loop {
            match self.bytes.get(end) {
                None | Some(b'\n') => break false,
                Some(b'"') => break true,
                Some(b'\\') if self.bytes.get(end + 1).is_some_and(|byte| *byte != b'\n') => end += 2,
                Some(_) => end += 1,
            }
        };
        // An escape may have stepped into the middle of a character; the quote is one byte, so the end is sound.
        end = if closed { end + 1 } else { end.min(self.bytes.len()) };
        let bytes = self.bytes;
        self.token(&bytes[start..end]);
        if !closed {
            self.problems.push(Problem::OpenString { range: start..end });
        }
        self.operand(end);
    }

    fn operand(&mut self, end: usize) {
        self.level().signs = 0;
        self.last = Last::Operand;
        self.at = end;
    }

    fn word(&mut self) {
        let start = self.at;
        let number = self.bytes[start].is_ascii_digit();
        let mut end = start;
        while let Some(byte) = self.bytes.get(end) {
            let next = self.bytes.get(end + 1).copied().unwrap_or(0);
            let inside = match byte {
                b'.' | b'+' | b'-' if !number || !next.is_ascii_digit() => false,
                b'.' => true,
                // The sign of an exponent.
                b'+' | b'-' => matches!(self.bytes[end - 1], b'e' | b'E'),
                _ if byte.is_ascii() => byte.is_ascii_alphanumeric() || *byte == b'_',
                _ => {
                    let letter = self.text.get(end..).and_then(|rest| rest.chars().next());
                    let Some(letter) = letter.filter(|letter| letter.is_alphanumeric()) else { break };
                    end += letter.len_utf8();
                    continue;
                }
            };
            if !inside {
                break;
            }
            end += 1;
        }
        let bytes = self.bytes;
        let word = &bytes[start..end];
        self.token(word);
        if word == b"else" {
            self.nest(|level| &mut level.arrows);
        }
        self.operand(end);
    }

    /// A letter of another script, a strange blank, or a symbol.
    fn beyond_ascii(&mut self) {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else { return };
        if first.is_whitespace() || first == '\u{feff}' {
            self.blank(self.at..self.at + first.len_utf8());
            self.at += first.len_utf8();
        } else if first.is_alphanumeric() {
            self.word();
        } else {
            let (start, end) = (self.at, self.at + first.len_utf8());
            let bytes = self.bytes;
            self.token(&bytes[start..end]);
            self.operand(end);
        }
    }

    fn open(&mut self) {
        let start = self.at;
        let bytes = self.bytes;
        self.token(&bytes[start..start + 1]);
        self.link();
        self.level().signs = 0;
        self.outer += self.level().depth();
        let indent = self.indent.unwrap_or(0);
        self.levels.push(Level { open: start, bracket: bytes[start], indent, ..Level::default() });
        self.check_depth();
        self.last = Last::Opener;
        self.at += 1;
    }

    fn close(&mut self) {
        let start = self.at;
        let bytes = self.bytes;
        self.token(&bytes[start..start + 1]);
        let opener = match bytes[start] {
            b')' => b'(',
            b']' => b'[',
            _ => b'{',
        };
        let depth = self.levels.len();
        match self.levels.iter().rposition(|level| level.bracket == opener) {
            Some(found) => {
                if found + 1 < depth {
                    let open = self.levels[depth - 1].open;
                    self.problems.push(Problem::Unclosed { open, at: start });
                }
                self.suspicion(found, start);
                self.pop_to(found);
            }
            None if depth > 1 => {
                let open = self.levels[depth - 1].open;
                self.problems.push(Problem::Mismatch { open, at: start });
                self.pop_to(depth - 1);
            }
            None => self.problems.push(Problem::Unopened { at: start }),
        }
        self.operand(start + 1);
    }

    /// Removes the level `found` and all above it.
    fn pop_to(&mut self, found: usize) {
        let mut height = 0;
        for (from_top, level) in self.levels.drain(found..).rev().enumerate() {
            if from_top > 0 {
                self.outer -= level.depth();
            }
            height = level.tallest.max(height) + level.chain_max.max(level.chain) + 1;
        }
        self.outer -= self.levels[found - 1].depth();
        let level = self.level();
        level.tallest = level.tallest.max(height);
        if height > MAX_CHAIN + MAX_DEPTH {
            self.too_long();
        }
    }

    /// Remembers the first closing bracket that begins its line further left than the line of its opening one.
    fn suspicion(&mut self, level: usize, close: usize) {
        let Level { open, indent, .. } = self.levels[level];
        if self.suspect.is_none() && close - self.line < indent && self.begins_line(close) {
            self.suspect = Some((open, close));
        }
    }

    /// Whether only blanks stand before `at` in its line.
    fn begins_line(&self, at: usize) -> bool {
        self.out[self.line..at].iter().all(|byte| *byte == b' ')
    }

    fn operator(&mut self) {
        let start = self.at;
        let bytes = self.bytes;
        let rest = &bytes[start..];
        const LONG: [&[u8]; 14] =
            [b"..=", b"...", b"..", b"=>", b"->", b"~>", b"|>", b"||", b"&&", b"==", b"!=", b"<=", b">=", b"**"];
        let symbol = LONG.into_iter().find(|symbol| rest.starts_with(symbol)).unwrap_or(&rest[..1]);
        let end_before = self.end;
        let glued = start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || bytes[start - 1] == b'_');
        self.token(symbol);
        let before = self.last;
        self.last = Last::Operator;
        match symbol {
            b"," | b";" => {
                let level = self.level();
                level.chain_max = level.chain_max.max(level.chain);
                (level.chain, level.arrows, level.signs) = (0, 0, 0);
                if symbol == b";" {
                    if self.levels.len() == 1 {
                        self.out[start] = b' ';
                        if self.start == Some(start) {
                            self.start = None;
                        } else {
                            self.end = end_before;
                        }
                    }
                    self.separator();
                }
            }
            b":" => {}
            b"=>" | b"->" | b"~>" => self.nest(|level| &mut level.arrows),
            b"-" | b"!" if before != Last::Operand => self.nest(|level| &mut level.signs),
            b"<" if glued => self.nest(|level| &mut level.angles),
            b">" => {
                self.last = Last::Greater;
                let level = self.level();
                level.angles = level.angles.saturating_sub(1);
                self.link();
            }
            // Not an operator of the language, so no reason to read on.
            b"#" | b"'" | b"`" | b"?" | b"$" | b"\\" | b"\0" => self.last = Last::Operand,
            _ => self.link(),
        }
        self.at = start + symbol.len();
    }

    fn nest(&mut self, count: fn(&mut Level) -> &mut usize) {
        *count(self.level()) += 1;
        self.check_depth();
    }

    fn check_depth(&mut self) {
        let depth = self.outer + self.levels.len() - 1 + self.level().depth();
        self.deepest = self.deepest.max(depth);
        if depth > MAX_DEPTH && !self.problems.iter().any(|problem| matches!(problem, Problem::TooDeep { .. })) {
            self.problems.push(Problem::TooDeep { at: self.at });
        }
    }

    fn link(&mut self) {
        self.level().chain += 1;
        if self.level().chain > MAX_CHAIN {
            self.too_long();
        }
    }

    fn too_long(&mut self) {
        if !self.problems.iter().any(|problem| matches!(problem, Problem::TooLong { .. })) {
            self.problems.push(Problem::TooLong { at: self.at });
        }
    }
}
