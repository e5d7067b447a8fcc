//! The standard library against its own documentation: every example is true, every derivative is the derivative.

use borel::driver::{Options, Session};
use borel::source::SourceMap;
use borel::source::world::OsWorld;
use borel::syntax::ast::{Ast, Doc, FnKind, ItemKind, StmtKind};
use borel::syntax::parser::parse;
use borel::value::Value;
use borel::{infer, prim};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs on a stack as deep as the command's.
fn deep(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 28).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn session() -> Session {
    Session::new(Arc::new(OsWorld::default()), Options::default())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "borel") {
            found.push(path);
        }
    }
}

/// An item of the library or a row: where it is, its name, whether it is random, its documentation.
struct Entry {
    place: String,
    random: bool,
    /// Whether the declaration is that of a distribution.
    dist: bool,
    text: String,
    examples: Vec<String>,
}

/// The documented items of a file of the library.
fn items(path: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut ast, mut sources) = (Ast::default(), SourceMap::default());
    let short = path.strip_prefix(root()).unwrap().display().to_string();
    let file = sources.add(short.as_str(), text.as_str());
    let (module, found) = parse(&mut ast, file, &text);
    assert!(found.is_empty(), "{short}: {}", found[0].render(&sources, false));
    let mut entries = Vec::new();
    for item in &module.items {
        let node = ast.item(*item);
        let (name, random, dist) = match &node.kind {
            ItemKind::Fn(decl) => {
                let at = node.span.start as usize..node.span.end as usize;
                let head = text[at].lines().next().unwrap_or("").to_string();
                (decl.name.name.to_string(), decl.kind == FnKind::Model || returns_draws(&head), false)
            }
            ItemKind::Dist(decl) => (decl.name.name.to_string(), false, true),
            ItemKind::Variant { name, .. } | ItemKind::Alias { name, .. } => (name.name.to_string(), false, false),
            ItemKind::Stmt(stmt) if matches!(stmt.kind, StmtKind::Let { .. }) => ("let".to_string(), false, false),
            _ => continue,
        };
        let Doc { text, examples } =
            node.doc.clone().unwrap_or_else(|| panic!("{short}: `{name}` has no documentation"));
        let examples = examples.into_iter().map(|(example, _)| example).collect();
        entries.push(Entry { place: format!("{short}: {name}"), random, dist, text, examples });
    }
    assert!(!entries.is_empty(), "{short} is empty");
    entries
}

/// Whether the head of a function says that its result is random: an arrow `~>` after the parameters.
fn returns_draws(head: &str) -> bool {
    let mut depth = 0;
    for (at, c) in head.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return head[at + 1..].trim_start().starts_with("~>");
                }
            }
            _ => {}
        }
    }
    false
}

fn library() -> Vec<Entry> {
    let mut paths = Vec::new();
    files(&root(), &mut paths);
    let mut entries: Vec<Entry> = paths.iter().flat_map(|path| items(path)).collect();
    let rows = prim::rows().iter().flat_map(|theme| theme.iter()).map(|row| (row.signature, row.doc));
    let methods = infer::METHODS.iter().map(|method| (method.signature, method.doc));
    for (signature, doc) in rows.chain(methods) {
        let (mut text, mut examples) = (String::new(), Vec::new());
        for line in doc.lines() {
            match line.trim().strip_prefix("example:") {
                Some(example) => examples.push(example.trim().to_string()),
                None => text.push_str(line),
            }
        }
        let random = returns_draws(signature);
        entries.push(Entry { place: signature.to_string(), random, dist: false, text, examples });
    }
    entries
}

#[test]
fn every_function_is_documented_and_every_example_is_true() {
    deep(|| {
        let mut session = session();
        let (mut wrong, mut count) = (Vec::new(), 0);
        for entry in library() {
            if entry.text.trim().len() < 10 {
                wrong.push(format!("{}: no documentation", entry.place));
            }
            if entry.examples.is_empty() && !entry.random {
                wrong.push(format!("{}: no example", entry.place));
            }
            if entry.dist && !entry.examples.iter().any(|example| example.contains("logp(")) {
                wrong.push(format!("{}: no example of its density", entry.place));
            }
            for example in &entry.examples {
                count += 1;
                let outcome = session.expression_value(example);
                let said = match outcome {
                    Ok(Value::Bool(true)) => continue,
                    Ok(value) => format!("gives {value}"),
                    Err(failure) => session.render_failure(&failure, false),
                };
                wrong.push(format!("{}\n  {example}\n  {said}", entry.place));
            }
        }
        assert!(count > 400, "{count}");
        assert!(wrong.is_empty(), "{} of {count} examples:\n{}", wrong.len(), wrong.join("\n"));
    });
}
