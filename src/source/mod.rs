//! Text, places in it, and what is said about them.

pub mod diagnostic;
pub mod name;
mod render;
pub mod suggest;
pub mod world;

pub use diagnostic::{Diagnostic, Label, Severity};
pub use name::{Name, intern};
pub(crate) use render::diagnostic_render;
pub use world::{MemoryWorld, OsWorld, World};

/// One file, REPL entry or library module known to a [`SourceMap`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct FileId(pub u32);

/// A range of bytes in one file.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Span {
    pub file: FileId,
    pub start: u32,
    pub end: u32,
}

impl Span {
    /// The place of something that no file contains.
    pub const NONE: Span = Span { file: FileId(u32::MAX), start: 0, end: 0 };

    /// The range from `start` to `end`, in bytes, of `file`.
    pub fn new(file: FileId, start: usize, end: usize) -> Span {
        Span { file, start: start as u32, end: end as u32 }
    }

    /// The smallest range that contains both; `self` when they lie in different files.
    pub fn to(self, other: Span) -> Span {
        if self.file != other.file {
            return self;
        }
        Span { file: self.file, start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

/// All texts of a session, in the order in which they were read.
#[derive(Default, Clone)]
pub struct SourceMap {
    files: Vec<SourceFile>,
}

/// A named text.
#[derive(Clone)]
pub struct SourceFile {
    /// The path as the user wrote it, or a name such as `<repl 3>` or `stdlib/dist/normal.borel`.
    pub name: String,
    pub text: std::sync::Arc<str>,
}

impl SourceMap {
    /// Adds a text and gives its id.
    pub fn add(&mut self, name: impl Into<String>, text: impl Into<std::sync::Arc<str>>) -> FileId {
        self.files.push(SourceFile { name: name.into(), text: text.into() });
        FileId((self.files.len() - 1) as u32)
    }

    /// Gives a file another text, in which its places still are.
    pub fn replace(&mut self, id: FileId, text: impl Into<std::sync::Arc<str>>) {
        if let Some(file) = self.files.get_mut(id.0 as usize) {
            file.text = text.into();
        }
    }

    /// The file of an id; none for [`Span::NONE`].
    pub fn file(&self, id: FileId) -> Option<&SourceFile> {
        self.files.get(id.0 as usize)
    }

    /// The text under a span; empty where the span is of no file.
    pub fn text(&self, span: Span) -> &str {
        self.file(span.file).and_then(|file| file.text.get(span.start as usize..span.end as usize)).unwrap_or("")
    }

    /// `file:line:column` of the start of a span, counted from 1; none when the span is of no file.
    pub fn place(&self, span: Span) -> Option<String> {
        self.position(span).map(|(file, line, column)| format!("{file}:{line}:{column}"))
    }

    /// File, line and column of the start of a span, counted from 1; none when the span is of no file.
    pub fn position(&self, span: Span) -> Option<(&str, u32, u32)> {
        let file = self.file(span.file)?;
        let before = file.text.get(..span.start as usize)?;
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().map_or(0, |text| text.chars().count()) + 1;
        Some((&file.name, line as u32, column as u32))
    }
}
