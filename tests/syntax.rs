//! The parser, the formatter and their messages, on every program of `tests/cases/syntax`.

use std::path::{Path, PathBuf};

use borel::source::{FileId, SourceMap};
use borel::syntax::ast::{Ast, Module};
use borel::syntax::dump::dump;
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

/// Programs outside of the repository, named by `BOREL_PROGRAMS`, must parse too.
#[test]
fn scratch() {
    let Ok(list) = std::env::var("BOREL_PROGRAMS") else { return };
    for path in list.split(':') {
        let text = std::fs::read_to_string(path).expect("a program is text");
        let start = std::time::Instant::now();
        let (ast, module, messages) = read(path, &text);
        println!("{path}: {} bytes, {:?}\n{messages}", text.len(), start.elapsed());
        if std::env::var("DUMP").is_ok() {
            println!("{}", dump(&ast, &module));
        }
    }
}
