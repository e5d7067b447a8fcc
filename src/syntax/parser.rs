//! From text to the syntax tree, one item at a time, so that one run reports every bad item.
//!
//! Three steps: the layout is settled (`crate::syntax::layout`), each item is read by the grammar
//! (`grammar/borel.pest`), and its pairs become a tree. Operators are joined by precedence in the last step.

mod docs;
mod explain;
mod expr;
mod hints;
mod recover;
mod returns;
mod tree;

use pest::Parser as _;
use pest_derive::Parser;

use crate::source::{Diagnostic, FileId, Span};
use crate::syntax::ast::*;
use crate::syntax::layout::{self, Chunk, Layout};
use docs::Docs;
pub use explain::KEYWORDS;
use tree::Builder;

#[derive(Parser)]
#[grammar = "../grammar/borel.pest"]
struct Grammar;

/// Files beyond this many bytes are not read: places are 32-bit numbers.
const MAX_BYTES: usize = 1 << 30;

/// In so many wrong items of a file further mistakes are looked for.
const MOST_SEARCHED: usize = 20;

/// Nesting from which on the parser runs on a stack of its own.
const DEEP: usize = 30;

/// Bytes of that stack; 500 levels take about a quarter.
const DEEP_STACK: usize = 64 << 20;

/// Parses a file. Items that are wrong become [`ItemKind::Error`] and are reported; the others are all there.
pub fn parse(ast: &mut Ast, file: FileId, text: &str) -> (Module, Vec<Diagnostic>) {
    if text.len() > MAX_BYTES {
        let error = Diagnostic::error(Span::new(file, 0, 0), "this file is larger than one gigabyte");
        return (Module { file, doc: None, items: Vec::new(), comments: Vec::new() }, vec![error]);
    }
    let layout = layout::scan(text);
    let first = layout.chunks.first().map_or(text.len(), |chunk| chunk.range.start);
    let mut docs = Docs::new(file, text, &layout.comments, first);
    let deepest = layout.chunks.iter().filter(|chunk| chunk.problems.is_empty()).map(|chunk| chunk.depth).max();
    let (items, mut diagnostics) =
        with_stack(deepest.unwrap_or(0), || parse_chunks(ast, file, text, &layout, &mut docs));
    diagnostics.sort_by_key(|diagnostic| diagnostic.labels.first().map_or(0, |label| label.span.start));
    let doc = docs.module.take();
    (Module { file, doc, items, comments: docs.rest() }, diagnostics)
}

/// Parses a text that is one expression: an example of a documentation comment, a value of the command line.
pub fn parse_expression(ast: &mut Ast, file: FileId, text: &str) -> (Option<ExprId>, Vec<Diagnostic>) {
    let layout = layout::scan(text.get(..MAX_BYTES).unwrap_or(text));
    let Some(chunk) = layout.chunks.first() else {
        return (
            None,
            vec![Diagnostic::error(Span::new(file, 0, text.len()), "expected an expression, found nothing")],
        );
    };
    if let Some(second) = layout.chunks.get(1) {
        let at = Span::new(file, second.range.start, second.range.end);
        let error = Diagnostic::error(at, "expected one expression, found a second line").here("this is too much");
        return (None, vec![error]);
    }
    let problems = explain::problems(Rule::lone_expr, file, text, &layout, chunk);
    if !problems.is_empty() {
        return (None, problems);
    }
    let mut docs = Docs::new(file, text, &layout.comments, chunk.range.start);
    with_stack(chunk.depth, || {
        let source = &layout.text[chunk.range.clone()];
        match Grammar::parse(Rule::lone_expr, source) {
            Ok(mut pairs) => {
                let mut builder = builder(ast, file, source, chunk, &mut docs);
                let expr = pairs.next().map(|pair| builder.expr(pair));
                let mut diagnostics = builder.diagnostics;
                if let Some(expr) = expr {
                    returns::check_expr(ast, expr, &mut diagnostics);
                }
                (expr.filter(|_| diagnostics.is_empty()), diagnostics)
            }
            Err(_) => (None, vec![explain::failure(Rule::lone_expr, file, text, &layout, chunk)]),
        }
    })
}

/// Whether a name followed by arguments reads as a domain in the declaration of a type.
pub fn is_domain_word(name: &str) -> bool {
    Grammar::parse(Rule::domain_word, name).is_ok_and(|pairs| pairs.as_str() == name)
}

/// Whether a REPL should read another line before it parses: a bracket is open, or the text ends in an operator,
/// a comma or a documentation comment. A string cannot go on in the next line, so an open one is not incomplete.
pub fn is_incomplete(text: &str) -> bool {
    layout::scan(text).incomplete
}

fn builder<'a>(ast: &'a mut Ast, file: FileId, text: &'a str, chunk: &Chunk, docs: &'a mut Docs) -> Builder<'a> {
    Builder { ast, file, base: chunk.range.start, text, docs, diagnostics: Vec::new() }
}

fn parse_chunks(
    ast: &mut Ast,
    file: FileId,
    text: &str,
    layout: &Layout,
    docs: &mut Docs,
) -> (Vec<ItemId>, Vec<Diagnostic>) {
    let mut items = Vec::with_capacity(layout.chunks.len());
    let mut diagnostics = Vec::new();
    let mut wrong = 0;
    for chunk in &layout.chunks {
        let source = &layout.text[chunk.range.clone()];
        let mut problems = explain::problems(Rule::chunk, file, text, layout, chunk);
        if problems.is_empty() {
            match Grammar::parse(Rule::chunk, source) {
                Ok(mut pairs) => {
                    let mut builder = builder(ast, file, source, chunk, docs);
                    let item = pairs.next().map(|pair| builder.item(pair));
                    diagnostics.append(&mut builder.diagnostics);
                    if let Some(item) = item {
                        returns::check_item(ast, item, &mut diagnostics);
                        items.push(item);
                    }
                    continue;
                }
                Err(_) => problems.push(explain::failure(Rule::chunk, file, text, layout, chunk)),
            }
        }
        if wrong < MOST_SEARCHED {
            wrong += 1;
            problems.extend(recover::further(file, text, chunk.range.clone(), &problems));
        }
        diagnostics.extend(problems);
        let span = Span::new(file, chunk.range.start, chunk.range.end);
        let doc = docs.take(chunk.range.start);
        items.push(ast.add_item(Item { span, doc, kind: ItemKind::Error(recover::names(source)) }));
    }
    (items, diagnostics)
}

/// Runs `work` on a larger stack where the text nests deeply; the stack of a test's thread would not do.
fn with_stack<T: Send>(depth: usize, work: impl FnOnce() -> T + Send) -> T {
    if depth < DEEP {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(DEEP_STACK).spawn_scoped(scope, work);
        match thread.map(|handle| handle.join()) {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => panic!("internal error: no thread for the parser: {error}"),
        }
    })
}
