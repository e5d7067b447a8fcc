//! Documentation comments, and what they belong to.

use std::collections::HashMap;

use crate::source::{FileId, Span};
use crate::syntax::ast::Doc;
use crate::syntax::layout::{Comment, CommentKind};

/// The documentation comments of a file that wait for their item or statement.
pub(super) struct Docs {
    /// By the place of the token that follows.
    waiting: HashMap<usize, Vec<usize>>,
    lines: Vec<(String, Span)>,
    /// The text of the `//!` lines at the head of the file.
    pub module: Option<String>,
    /// Comments that document nothing.
    plain: Vec<Span>,
}

impl Docs {
    /// Sorts the comments of a file.
    pub fn new(file: FileId, text: &str, comments: &[Comment], first_token: usize) -> Docs {
        let mut docs = Docs { waiting: HashMap::new(), lines: Vec::new(), module: None, plain: Vec::new() };
        let mut module: Vec<&str> = Vec::new();
        for comment in comments {
            let span = Span::new(file, comment.range.start, comment.range.end);
            let inner = text.get(comment.range.start + 3..comment.range.end);
            let line = inner.map_or("", |line| line.strip_prefix(' ').unwrap_or(line));
            match comment.kind {
                CommentKind::Doc if !comment.trailing && comment.next < text.len() => {
                    docs.waiting.entry(comment.next).or_default().push(docs.lines.len());
                    docs.lines.push((line.to_owned(), span));
                }
                CommentKind::Module if comment.range.start < first_token => module.push(line),
                _ => docs.plain.push(span),
            }
        }
        docs.module = (!module.is_empty()).then(|| module.join("\n"));
        docs
    }

    /// The documentation before the token at `place`; later calls find none.
    pub fn take(&mut self, place: usize) -> Option<Doc> {
        if self.waiting.is_empty() {
            return None;
        }
        let lines = self.waiting.remove(&place)?;
        let mut doc = Doc::default();
        let mut texts: Vec<&str> = Vec::new();
        for line in lines {
            let (text, span) = &self.lines[line];
            match text.trim_start().strip_prefix("example:") {
                Some(example) => {
                    let example = example.trim();
                    let start = span.end as usize - text.len() + text.rfind(example).unwrap_or(0);
                    doc.examples.push((example.to_owned(), Span::new(span.file, start, start + example.len())));
                }
                None => texts.push(text),
            }
        }
        doc.text = texts.join("\n").trim_end().to_owned();
        Some(doc)
    }

    /// All comments that document nothing, in order.
    pub fn rest(mut self) -> Vec<Span> {
        let unused = self.waiting.into_values().flatten().map(|line| self.lines[line].1);
        self.plain.extend(unused);
        self.plain.sort_by_key(|span| span.start);
        self.plain
    }
}
