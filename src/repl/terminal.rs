//! The line editor: history, completion, colours, and entries of several lines.

use super::{Repl, command, history};
use crate::driver::face;
use crate::source::world::Stream;
use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::history::DefaultHistory;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Config, Context, Editor, Helper, Hinter};
use std::borrow::Cow;

/// Reads and evaluates until Ctrl-D or `:quit`.
pub fn interact(repl: &mut Repl) {
    let config = Config::builder().auto_add_history(true).build();
    let mut editor: Editor<Assistant, DefaultHistory> = match Editor::with_config(config) {
        Ok(editor) => editor,
        // A terminal without the means of an editor still has lines.
        Err(_) => return repl.read_all(),
    };
    let colour = repl.colour && repl.world.is_terminal(Stream::Out);
    editor.set_helper(Some(Assistant { names: repl.session.names(), colour }));
    let history = history::path(&*repl.world);
    if let Some(path) = &history {
        // There is none before the first session.
        let _ = editor.load_history(path);
    }
    repl.print(&format!("Borel {}. Type :help for help, :quit to leave.", env!("CARGO_PKG_VERSION")));
    loop {
        match editor.readline("borel> ") {
            Ok(text) => {
                if !repl.enter(&text) {
                    break;
                }
                if let Some(helper) = editor.helper_mut() {
                    helper.names = repl.session.names();
                }
            }
            // Ctrl-C drops the line.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => {
                repl.complain(&format!("error: cannot read the terminal: {error}"));
                break;
            }
        }
    }
    if let Some(path) = &history {
        // A history that cannot be kept is not worth a message.
        let _ = path.parent().map(std::fs::create_dir_all);
        let _ = editor.save_history(path);
    }
}

/// What the editor asks while a line is typed.
#[derive(Helper, Hinter)]
struct Assistant {
    names: Vec<String>,
    colour: bool,
}

impl Completer for Assistant {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(candidates(line, at, &self.names))
    }
}

/// Where the word before the cursor starts, and the names and commands that go on from it.
fn candidates(line: &str, at: usize, names: &[String]) -> (usize, Vec<String>) {
    let before = &line[..at];
    if before.starts_with(':') && !before.contains(char::is_whitespace) {
        let found = command::NAMES.iter().filter(|name| name.starts_with(before));
        return (0, found.map(|name| (*name).to_string()).collect());
    }
    let start = before
        .char_indices()
        .rev()
        .take_while(|(_, c)| c.is_alphanumeric() || *c == '_')
        .last()
        .map_or(at, |(start, _)| start);
    let word = &before[start..];
    if word.is_empty() {
        return (at, Vec::new());
    }
    let mut found: Vec<String> = names
        .iter()
        .map(String::as_str)
        .chain(face::KEYWORDS)
        .filter(|name| name.starts_with(word))
        .map(String::from)
        .collect();
    found.sort();
    found.dedup();
    (start, found)
}

impl Highlighter for Assistant {
    fn highlight<'l>(&self, line: &'l str, _: usize) -> Cow<'l, str> {
        if self.colour { Cow::Owned(paint(line)) } else { Cow::Borrowed(line) }
    }

    fn highlight_char(&self, _: &str, _: usize, _: CmdKind) -> bool {
        self.colour
    }
}

/// Keywords bold, strings green, comments grey.
fn paint(line: &str) -> String {
    let mut out = String::with_capacity(line.len() * 2);
    let mut rest = line;
    while let Some(first) = rest.chars().next() {
        let (length, style) = if first == '"' {
            (string_length(rest), "\x1b[32m")
        } else if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), "\x1b[90m")
        } else if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
            (end, if face::KEYWORDS.contains(&&rest[..end]) { "\x1b[1;34m" } else { "" })
        } else {
            (first.len_utf8(), "")
        };
        let (text, after) = rest.split_at(length);
        if style.is_empty() {
            out.push_str(text);
        } else {
            out.push_str(style);
            out.push_str(text);
            out.push_str("\x1b[0m");
        }
        rest = after;
    }
    out
}

/// Bytes of the string literal at the start of a text, with its quotes as far as they are there.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            '\n' => return at,
            _ => {}
        }
    }
    text.len()
}

impl Validator for Assistant {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        let text = context.input();
        let open = !text.trim_start().starts_with(':') && face::is_incomplete(text);
        Ok(if open { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_completed_from_where_they_start() {
        let names: Vec<String> = ["mean", "median", "normal"].map(String::from).to_vec();
        assert_eq!(candidates("1 + me", 6, &names), (4, vec!["mean".to_string(), "median".to_string()]));
        assert_eq!(candidates(":lo", 3, &names), (0, vec![":load".to_string()]));
        assert_eq!(candidates("1 + ", 4, &names), (4, Vec::new()));
        assert_eq!(candidates("größe + n", "größe + n".len(), &names).1, ["nan", "normal"]);
    }

    #[test]
    fn colours_leave_the_text() {
        let line = "let x = \"a \\\" b\" + if y // \"c";
        let painted = paint(line);
        let mut plain = painted.clone();
        for style in ["\x1b[1;34m", "\x1b[32m", "\x1b[90m", "\x1b[0m"] {
            plain = plain.replace(style, "");
        }
        assert_eq!(plain, line);
        assert!(painted.starts_with("\x1b[1;34mlet\x1b[0m x"));
    }
}
