//! What is wrong with an item that did not parse, in words a person would choose.
//!
//! The grammar is run again with its records on; they give the furthest place it reached and what it tried there.
//! From these come the words; [`super::hints`] knows the habits of other languages and speaks first.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use pest::Parser as _;
use pest::error::ErrorVariant;

use super::hints;
use super::{Grammar, Rule};
use crate::source::{Diagnostic, FileId, Span};
use crate::syntax::layout::{Chunk, Layout, MAX_CHAIN, MAX_DEPTH, Problem};

/// A word, number, string, symbol or significant newline of an item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token<'t> {
    pub text: &'t str,
    /// Where it starts in the file.
    pub start: usize,
}

impl Token<'_> {
    pub fn end(&self) -> usize {
        self.start + self.text.len()
    }

    /// Whether it is a name or a keyword.
    pub fn is_word(&self) -> bool {
        self.text.chars().next().is_some_and(|first| first.is_alphabetic() || first == '_')
    }

    /// Whether an expression may end with it.
    pub fn ends_operand(&self) -> bool {
        let first = self.text.chars().next().unwrap_or(' ');
        first.is_alphanumeric() || matches!(first, '_' | '"' | ')' | ']' | '}')
    }
}

/// A failure of the grammar: where, and what it tried there.
pub(super) struct Failure<'t> {
    pub file: FileId,
    /// The tokens of the item.
    pub tokens: Vec<Token<'t>>,
    /// The index of the token that does not fit; their number if the item ends too early.
    pub found: usize,
    /// The text the grammar would have accepted.
    pub expected: BTreeSet<String>,
    /// The rules that it tried.
    pub rules: BTreeSet<Rule>,
    /// The operator at the end of an earlier line that made the line of the token that does not fit its right side.
    pub joined: Option<Token<'t>>,
    /// What follows the item in the file.
    pub follows: &'t str,
    /// Where the item ends.
    pub end: usize,
}

/// The symbols of more than one character, some of them of other languages.
const SYMBOLS: [&str; 31] = [
    "...", "..=", "===", "!==", "|>", "..", "=>", "->", "~>", "||", "&&", "==", "!=", "<=", ">=", "**", "<-", ":=",
    "~~", "+=", "-=", "*=", "/=", "++", "--", "<>", "::", "=~", "\\(", "<|", ">>",
];

/// The words that cannot be names.
pub const KEYWORDS: [&str; 19] = [
    "assert", "data", "else", "false", "fn", "for", "if", "import", "in", "inf", "let", "match", "nan", "observe",
    "return", "true", "type", "var", "while",
];

fn tokens(text: &str, range: Range<usize>) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let rest = &text[at..range.end];
        let first = rest.chars().next().unwrap_or(' ');
        let length = if first == ' ' {
            at += 1;
            continue;
        } else if first.is_ascii_digit() {
            number_length(rest)
        } else if first.is_alphanumeric() || first == '_' {
            word_length(rest)
        } else if first == '"' {
            string_length(rest)
        } else {
            let symbol = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol));
            symbol.map_or(first.len_utf8(), |symbol| symbol.len())
        };
        tokens.push(Token { text: &rest[..length], start: at });
        at += length;
    }
    tokens
}

fn word_length(text: &str) -> usize {
    text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len())
}

fn number_length(text: &str) -> usize {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let mut end = word_length(text);
    if bytes.get(end) == Some(&b'.') && digit(end + 1) {
        end += 1;
        end += word_length(&text[end..]);
    }
    if matches!(bytes[end - 1], b'e' | b'E') && matches!(bytes.get(end), Some(b'+' | b'-')) && digit(end + 1) {
        end += 1;
        end += word_length(&text[end..]);
    }
    end
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether pest records its attempts is a setting of the whole process.
static RECORDING: Mutex<()> = Mutex::new(());

/// Runs the grammar with its records on.
fn fail<'t>(rule: Rule, file: FileId, text: &str, layout: &'t Layout, chunk: &Chunk) -> Option<Failure<'t>> {
    let source = &layout.text[chunk.range.clone()];
    let error = {
        let _guard = RECORDING.lock().unwrap_or_else(PoisonError::into_inner);
        pest::set_error_detail(true);
        let result = Grammar::parse(rule, source);
        pest::set_error_detail(false);
        result.err()?
    };
    let base = chunk.range.start;
    let mut at = base;
    let mut expected = BTreeSet::new();
    let mut rules = BTreeSet::new();
    if let Some(attempts) = error.parse_attempts() {
        at = base + attempts.max_position;
        expected.extend(attempts.expected_tokens().iter().map(ToString::to_string));
        for stack in attempts.call_stacks() {
            rules.extend(stack.deepest.get_rule().copied());
            rules.extend(stack.parent);
        }
    }
    let mut tokens = tokens(&layout.text, chunk.range.clone());
    let mut found = tokens.iter().position(|token| token.end() > at).unwrap_or(tokens.len());
    let inside = tokens.get(found).is_some_and(|token| token.start < at);
    // A keyword where a name should stand fails at its end, since a longer word could have been a name.
    let before = found.checked_sub(1).and_then(|index| tokens.get(index));
    let keyword = !inside && before.is_some_and(|token| token.end() == at && KEYWORDS.contains(&token.text));
    let keyword = keyword && !expected.contains(" ");
    if inside || keyword {
        if keyword {
            found -= 1;
        }
        expected.clear();
        if let ErrorVariant::ParsingError { positives, .. } = &error.variant {
            rules = positives.iter().copied().collect();
        }
    }
    // A closing brace in a line of its own, after a line that was complete: that line's end is what does not fit.
    let ends_line = |index: usize| {
        let (Some(token), Some(before)) = (tokens.get(index), index.checked_sub(1).and_then(|index| tokens.get(index)))
        else {
            return false;
        };
        let between = text.get(before.end()..token.start).unwrap_or("");
        token.text == "}" && between.contains('\n') && (before.ends_operand() || before.is_word())
    };
    if ends_line(found) {
        tokens.insert(found, Token { text: "\n", start: tokens[found - 1].end() });
    }
    let joined = joined(text, &tokens, found);
    let follows = layout.text[chunk.range.end..].trim_start();
    Some(Failure { file, tokens, found, expected, rules, joined, follows, end: chunk.range.end })
}

/// The operator at the end of the line before that of a token, if the newline between them ended nothing.
fn joined<'t>(text: &str, tokens: &[Token<'t>], found: usize) -> Option<Token<'t>> {
    let mut next = tokens.get(found)?;
    for token in tokens[..found].iter().rev() {
        if text.get(token.end()..next.start)?.contains('\n') {
            let operator = !token.ends_operand() && !matches!(token.text, "\n" | ";" | "(" | "[" | "{" | ",");
            return operator.then_some(*token);
        }
        next = token;
    }
    None
}

/// Why an item did not parse.
pub(super) fn failure(rule: Rule, file: FileId, text: &str, layout: &Layout, chunk: &Chunk) -> Diagnostic {
    let Some(failure) = fail(rule, file, text, layout, chunk) else {
        let span = Span::new(file, chunk.range.start, chunk.range.end);
        return Diagnostic::error(span, "this could not be read").hint("split it into smaller parts");
    };
    let error = hints::habit(&failure).unwrap_or_else(|| failure.plain());
    match failure.joined {
        Some(operator) if error.hints.is_empty() => {
            let text = operator.text;
            error
                .also(
                    failure.span(operator),
                    format!("`{text}` at the end of a line takes what follows for its right side"),
                )
                .hint(format!("write the right side of `{text}`, or remove it"))
        }
        _ => error,
    }
}

impl<'t> Failure<'t> {
    /// The token that does not fit.
    pub fn token(&self) -> Option<Token<'t>> {
        self.tokens.get(self.found).copied()
    }

    /// The token `back` places before the one that does not fit.
    pub fn before(&self, back: usize) -> Option<Token<'t>> {
        self.tokens.get(self.found.checked_sub(back)?).copied()
    }

    /// The text of the token `ahead` places after the one that does not fit; empty at the end.
    pub fn text(&self, ahead: usize) -> &'t str {
        self.tokens.get(self.found + ahead).map_or("", |token| token.text)
    }

    pub fn span(&self, token: Token<'_>) -> Span {
        Span::new(self.file, token.start, token.end())
    }

    /// The place of what does not fit; a missing end is shown after what came before.
    pub fn place(&self) -> Span {
        match self.token() {
            Some(token) if token.text != "\n" => self.span(token),
            _ => {
                let end = self.before(1).map_or(self.end, |token| token.end());
                Span::new(self.file, end, end)
            }
        }
    }

    /// Whether an operator could have followed.
    pub fn after_expression(&self) -> bool {
        self.expected.contains("%")
    }

    pub fn wants(&self, text: &str) -> bool {
        self.expected.contains(text)
    }

    /// The first token of the statement in which the grammar failed.
    pub fn head(&self) -> Option<Token<'t>> {
        let mut depth = 0;
        let mut start = self.found.min(self.tokens.len());
        for index in (0..start).rev() {
            match self.tokens[index].text {
                "\n" | ";" if depth == 0 => break,
                ")" | "]" | "}" => depth += 1,
                "{" if depth == 0 => break,
                "(" | "[" | "{" if depth > 0 => depth -= 1,
                _ => {}
            }
            start = index;
        }
        self.tokens.get(start).copied()
    }

    /// The bracket that is open where the grammar failed.
    pub fn open_bracket(&self) -> Option<Token<'t>> {
        let mut depth = 0;
        for token in self.tokens[..self.found.min(self.tokens.len())].iter().rev() {
            match token.text {
                ")" | "]" | "}" => depth += 1,
                "(" | "[" | "{" if depth > 0 => depth -= 1,
                "(" | "[" | "{" => return Some(*token),
                _ => {}
            }
        }
        None
    }

    /// What was found, in words.
    pub fn found_words(&self) -> String {
        match self.token() {
            None if self.follows.is_empty() => "the end of the file".to_owned(),
            None => "the end of the line".to_owned(),
            Some(Token { text: "\n", .. }) => "the end of the line".to_owned(),
            Some(token) => quote(token.text),
        }
    }

    /// What was expected, in words.
    pub fn expected_words(&self) -> String {
        let mut words: Vec<String> = Vec::new();
        let has = |text: &str| self.expected.contains(text);
        let tried = |rules: &[Rule]| rules.iter().any(|rule| self.rules.contains(rule));
        let after = self.after_expression();
        if !after {
            let expression = [
                Rule::expr,
                Rule::prefix,
                Rule::if_expr,
                Rule::match_expr,
                Rule::constant,
                Rule::paren,
                Rule::arg,
                Rule::body,
            ];
            if has("match") || (self.expected.is_empty() && tried(&expression)) {
                words.push("an expression".to_owned());
            } else if tried(&[Rule::type_expr, Rule::type_named, Rule::type_array, Rule::type_paren]) && !has(",") {
                words.push("a type".to_owned());
            } else if tried(&[Rule::ident])
                || (tried(&[Rule::pattern, Rule::pattern_name, Rule::pattern_paren, Rule::param]) && !has(","))
            {
                words.push("a name".to_owned());
            }
        }
        let started = !words.is_empty();
        let ends = has("\n") || has(";") || tried(&[Rule::EOI]) || self.can_end();
        let closers = [",", ")", "]", "}", ">"];
        for text in closers {
            let shown =
                has(text) && !(text == ">" && after) && !(text == "}" && ends && after) && !(text == "," && started);
            if shown {
                words.push(quote(text));
            }
        }
        for text in ["(", "{", ":", "=", "~", "=>", "on", "in", "as", "|"] {
            let hidden = match text {
                "(" | "|" => started || after || has(","),
                "{" => started,
                "=" => after && (has(",") || ends),
                "~" => after && ends,
                "=>" => after,
                ":" => has(","),
                _ => false,
            };
            if has(text) && !hidden {
                words.push(quote(text));
            }
        }
        if after && (ends || words.is_empty()) {
            words.insert(0, "an operator".to_owned());
        }
        if ends && !started {
            words.push("a new line".to_owned());
        }
        match words.as_slice() {
            [] => String::new(),
            [only] => only.clone(),
            [first @ .., last] => format!("{} or {last}", first.join(", ")),
        }
    }

    /// Whether the statement could have ended: nothing but the end itself was tried outside of brackets.
    fn can_end(&self) -> bool {
        let inside = [",", ")", "]", "}", "{"].into_iter().any(|text| self.wants(text));
        self.after_expression() && !inside && (self.wants("=") || !self.wants("~"))
    }

    /// The message without any special knowledge.
    pub fn plain(&self) -> Diagnostic {
        let expected = self.expected_words();
        let found = self.found_words();
        let keyword = self.token().filter(|token| KEYWORDS.contains(&token.text) && self.expected.is_empty());
        if let Some(token) = keyword.filter(|token| {
            matches!(token.text, "data" | "type" | "in" | "fn" | "var" | "inf" | "nan") || expected == "a name"
        }) {
            return Diagnostic::error(self.place(), format!("`{}` is a keyword", token.text))
                .here(format!("expected {expected}"))
                .hint(format!("choose another name, such as `{}_`", token.text));
        }
        let message = if expected.is_empty() {
            format!("unexpected {}", found.strip_prefix("the ").unwrap_or(&found))
        } else {
            format!("expected {expected}, found {found}")
        };
        let mut error = Diagnostic::error(self.place(), message);
        if !expected.is_empty() {
            error = error.here(format!("expected {expected}"));
        }
        if let Some(open) = self.open_bracket().filter(|open| self.wants(closer(open.text))) {
            error = error.also(self.span(open), format!("inside this `{}`", open.text));
        }
        error
    }
}

/// A token in backquotes, cut when it is long.
pub(super) fn quote(text: &str) -> String {
    let mut shown: String = text.chars().take(30).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("`{shown}`")
}

fn closer(open: &str) -> &'static str {
    match open {
        "(" => ")",
        "[" => "]",
        _ => "}",
    }
}

/// The problems of an item that its layout shows.
pub(super) fn problems(rule: Rule, file: FileId, text: &str, layout: &Layout, chunk: &Chunk) -> Vec<Diagnostic> {
    let mut diagnostics: Vec<Diagnostic> = Vec::new();
    for problem in &chunk.problems {
        let character = |at: usize| text.get(at..at + 1).unwrap_or("");
        let at_one = |at: usize| Span::new(file, at, (at + 1).min(text.len()));
        diagnostics.push(match problem {
            Problem::Unclosed { open, at } => unclosed(rule, file, text, layout, chunk, *open, *at),
            Problem::Unopened { at } => Diagnostic::error(at_one(*at), format!("unexpected `{}`", character(*at)))
                .here("this closes nothing")
                .hint("remove it, or look for a bracket that was closed too early"),
            Problem::Mismatch { open, at } => {
                let (open_text, found) = (character(*open), character(*at));
                Diagnostic::error(at_one(*at), format!("expected `{}`, found `{found}`", closer(open_text)))
                    .here(format!("this does not close `{open_text}`"))
                    .also(at_one(*open), "opened here")
            }
            Problem::OpenString { range } => {
                let quote = at_one(range.start);
                let error = Diagnostic::error(quote, "this text is never closed").here("it begins here");
                let at = Span::new(file, range.end, range.end);
                error
                    .also(at, "expected `\"` before the end of the line")
                    .hint("a line break in a text is written `\\n`")
            }
            Problem::TooDeep { at } => Diagnostic::error(at_one(*at), "expression nested too deeply")
                .here(format!("more than {MAX_DEPTH} levels"))
                .hint("name the inner parts with `let`"),
            Problem::TooLong { at } => Diagnostic::error(at_one(*at), "expression too long")
                .here(format!("more than {MAX_CHAIN} operators in a row"))
                .hint("put the terms in an array and use `sum`"),
        });
    }
    if chunk.problems.iter().any(|problem| matches!(problem, Problem::Unclosed { .. })) {
        // What was left open explains what closes nothing.
        diagnostics.retain(|diagnostic| !diagnostic.message.starts_with("unexpected"));
    }
    // Nesting so deep is one mistake, whatever else it leads to.
    if let Some(at) = chunk.problems.iter().position(|problem| matches!(problem, Problem::TooDeep { .. })) {
        return diagnostics.drain(at..=at).collect();
    }
    // A string that is not closed swallows brackets: what is said of those would mislead.
    if chunk.problems.iter().any(|problem| matches!(problem, Problem::OpenString { .. })) {
        diagnostics.retain(|diagnostic| diagnostic.message == "this text is never closed");
        diagnostics.truncate(1);
    }
    diagnostics
}

/// A bracket that is not closed, with the place where that shows.
fn unclosed(
    rule: Rule,
    file: FileId,
    text: &str,
    layout: &Layout,
    chunk: &Chunk,
    open: usize,
    at: usize,
) -> Diagnostic {
    let bracket = text.get(open..open + 1).unwrap_or("");
    let missing = closer(bracket);
    let span = Span::new(file, open, open + 1);
    let error = Diagnostic::error(span, format!("this `{bracket}` is never closed")).here("opened here");
    let small = chunk.range.len() < 100_000 && chunk.depth < super::DEEP;
    let failure = if small { fail(rule, file, text, layout, chunk) } else { None };
    if let Some(token) = failure.as_ref().and_then(|failure| failure.token())
        && bracket != "{"
        && (open + 1..at).contains(&token.start)
        && token.text != "\n"
    {
        return error.also(Span::new(file, token.start, token.end()), format!("expected `{missing}` before this"));
    }
    match text.get(at..at + 1) {
        None => error.also(Span::new(file, at, at), format!("expected `{missing}` before the end of the file")),
        Some(")" | "]" | "}") => error.also(Span::new(file, at, at + 1), format!("expected `{missing}` before this")),
        Some(_) => {
            let word = text[at..].split_whitespace().next().unwrap_or("");
            let place = Span::new(file, at, at + word.len());
            error.also(place, format!("expected `{missing}` before this, since a new item begins here"))
        }
    }
}
