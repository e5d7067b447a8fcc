//! The parser, the formatter and their messages, on every program of `tests/cases/syntax`.

use std::path::{Path, PathBuf};

use borel::source::{FileId, SourceMap};
use borel::syntax::ast::{Ast, Module};
use borel::syntax::dump::dump;
use borel::syntax::format::format;
use borel::syntax::parser::parse;

/// The programs of a folder under `tests/cases/syntax`, by name.
fn programs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/syntax").join(folder);
    let entries = std::fs::read_dir(&folder).expect("the folder is part of the repository");
    let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "borel"));
    paths.sort();
    assert!(!paths.is_empty(), "no programs in {}", folder.display());
    paths
}

fn name(path: &Path) -> String {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}

/// A parsed program, and its diagnostics as shown.
fn read(name: &str, text: &str) -> (Ast, Module, String) {
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let mut ast = Ast::default();
    let (module, diagnostics) = parse(&mut ast, file, text);
    let shown: Vec<String> = diagnostics.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect();
    (ast, module, shown.join("\n\n"))
}

fn snapshots(folder: &str) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(format!("cases/syntax/{folder}snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn good_programs_parse() {
    for path in programs("") {
        let text = std::fs::read_to_string(&path).expect("a program is text");
        let (ast, module, messages) = read(&name(&path), &text);
        assert_eq!(messages, "", "{}", path.display());
        snapshots("").bind(|| insta::assert_snapshot!(name(&path), dump(&ast, &module)));
    }
}

#[test]
fn wrong_programs_are_explained() {
    for path in programs("errors") {
        let text = std::fs::read_to_string(&path).expect("a program is text");
        let (_, _, messages) = read(&format!("{}.borel", name(&path)), &text);
        assert_ne!(messages, "", "{} has no error", path.display());
        let shown = format!("{text}\n{}\n\n{messages}", "-".repeat(80));
        snapshots("errors/").bind(|| insta::assert_snapshot!(name(&path), shown));
    }
}

#[test]
fn one_run_of_the_parser_may_follow_another() {
    let mut ast = Ast::default();
    let (first, _) = parse(&mut ast, FileId(0), "let a = 1");
    let (second, _) = parse(&mut ast, FileId(1), "let b = 2");
    assert_eq!(dump(&ast, &first), "(let a 1)\n");
    assert_eq!(dump(&ast, &second), "(let b 2)\n");
}

/// The comments of a text, in order, with the code removed.
fn comments(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut in_text = false;
        let mut before = ' ';
        for (at, c) in line.char_indices() {
            match c {
                '"' if before != '\\' => in_text = !in_text,
                '/' if !in_text && line[at..].starts_with("//") => {
                    found.push(line[at..].trim_end().to_owned());
                    break;
                }
                _ => {}
            }
            before = if before == '\\' { ' ' } else { c };
        }
    }
    found
}

/// The formatted text, after checking that it means the same, says the same and is stable.
fn formatted(name: &str, text: &str) -> String {
    let (ast, module, messages) = read(name, text);
    assert_eq!(messages, "", "{name}:\n{text}");
    let tidy = format(&ast, &module, text);
    let (again, module_again, messages) = read(name, &tidy);
    assert_eq!(messages, "", "{name} formatted:\n{tidy}");
    assert_eq!(dump(&ast, &module), dump(&again, &module_again), "{name}: the meaning changed:\n{text}\n{tidy}");
    let mut kept = comments(&tidy);
    let mut were = comments(text);
    kept.sort();
    were.sort();
    assert_eq!(were, kept, "{name}: a comment was lost:\n{text}\n{tidy}");
    assert_eq!(tidy, format(&again, &module_again, &tidy), "{name}: formatting twice changes it:\n{text}");
    tidy
}

#[test]
fn formatting_is_stable_and_keeps_the_meaning() {
    for path in programs("") {
        let text = std::fs::read_to_string(&path).expect("a program is text");
        let tidy = formatted(&name(&path), &text);
        snapshots("").bind(|| insta::assert_snapshot!(format!("{}.formatted", name(&path)), tidy));
    }
}
