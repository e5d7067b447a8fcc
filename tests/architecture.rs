//! The rules of the house: which part may import which, a first line in every file, no file too long.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each part may import; itself goes without saying. A part that is not listed fails.
const IMPORTS: &[(&str, &[&str])] = &[
    ("source", &[]),
    ("value", &["source"]),
    ("syntax", &["source"]),
    ("core", &["source", "value"]),
    ("prim", &["value", "source"]),
    ("model", &["value", "source"]),
    ("posterior", &["value", "source"]),
    ("infer", &["value", "source", "model", "posterior"]),
    ("data", &["source", "value", "posterior"]),
    ("plot", &["value", "posterior"]),
    ("types", &["source", "syntax", "core"]),
    ("passes", &["source", "value", "core"]),
    ("exec", &["source", "value", "core", "prim", "model"]),
    ("lower", &["source", "value", "syntax", "types", "core"]),
    (
        "driver",
        &[
            "source",
            "value",
            "syntax",
            "core",
            "types",
            "lower",
            "passes",
            "prim",
            "exec",
            "model",
            "infer",
            "posterior",
            "data",
        ],
    ),
    ("validate", &["driver", "source", "value", "exec", "model", "infer", "posterior"]),
    ("repl", &["driver", "source", "value", "posterior", "data", "plot"]),
    ("cli", &["driver", "source", "value", "posterior", "data", "plot", "repl", "validate"]),
    ("lsp", &["driver", "source", "syntax", "types"]),
];

/// Lines a file may have.
const LONGEST: usize = 800;

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder exists")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The files of these folders as paths from the root, with their text.
fn files(folders: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        rust_files(&root.join(folder), &mut found);
    }
    let name = |path: &Path| path.strip_prefix(root).expect("it is below the root").display().to_string();
    found.iter().map(|path| (name(path), std::fs::read_to_string(path).expect("source is text"))).collect()
}

/// The part that a file of src belongs to; none for `lib.rs`, `main.rs` and `build.rs`.
fn part(path: &str) -> Option<&str> {
    path.strip_prefix("src/")?.split_once('/').map(|(part, _)| part)
}

/// The parts that a text names as `crate::PART`, also in braces: `crate::{a::X, b}`.
fn imports(text: &str) -> BTreeSet<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut found = BTreeSet::new();
    for (at, name) in code.match_indices("crate::") {
        // `$crate` and `my_crate` are other things.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &code[at + name.len()..];
        match rest.strip_prefix('{') {
            None => found.extend(word(rest)),
            Some(inside) => {
                let mut depth = 0;
                let mut start = true;
                for (at, c) in inside.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => start = true,
                        c if start && !c.is_whitespace() => {
                            found.extend(word(&inside[at..]));
                            start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    found
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_string())
}

#[test]
fn imports_are_read_from_the_text() {
    let text = "// crate::no\nuse crate::a::X;\nuse crate::{b::{Y, z}, c};\nlet x = crate::d::f(my_crate::e);";
    assert_eq!(imports(text).into_iter().collect::<Vec<_>>(), ["a", "b", "c", "d"]);
}

#[test]
fn parts_import_only_what_they_may() {
    let table: BTreeMap<&str, &[&str]> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in files(&["src"]) {
        let Some(part) = part(&path) else { continue };
        let Some(allowed) = table.get(part) else {
            wrong.push(format!("{path}: the part `{part}` has no row in the table of imports"));
            continue;
        };
        for import in imports(&text) {
            // Names at the root of the crate are macros and constants, which `src/lib.rs` does not have.
            if import != part && !allowed.contains(&import.as_str()) {
                wrong.push(format!("{path}: `{part}` may not import `{import}`"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_has_no_cycle() {
    // Each part may import only parts of which all is already known to be sound.
    let mut sound: BTreeSet<&str> = BTreeSet::new();
    while sound.len() < IMPORTS.len() {
        let next = IMPORTS
            .iter()
            .find(|(part, imports)| !sound.contains(part) && imports.iter().all(|import| sound.contains(import)));
        match next {
            Some((part, _)) => sound.insert(part),
            None => panic!("a cycle among the parts other than {sound:?}"),
        };
    }
}

#[test]
fn every_file_says_in_its_first_line_what_it_is() {
    let wrong: Vec<String> = files(&["src", "tests"])
        .into_iter()
        .filter(|(_, text)| !text.lines().next().is_some_and(|line| line.starts_with("//! ") && line.len() > 12))
        .map(|(path, _)| path)
        .collect();
    assert!(wrong.is_empty(), "no `//!` sentence in the first line of {wrong:?}");
}

#[test]
fn no_file_is_too_long() {
    let wrong: Vec<String> = files(&["src", "tests"])
        .into_iter()
        .map(|(path, text)| (text.lines().count(), path))
        .filter(|(lines, _)| *lines > LONGEST)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}
