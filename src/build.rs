//! Embeds the standard library: its files, and which of them define which name.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=stdlib");
    println!("cargo:rerun-if-changed=src/build.rs");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets the manifest directory"));
    let mut files = Vec::new();
    collect(&root.join("stdlib"), &mut files);
    files.sort();
    let mut out = String::from("/// Path and text of each file.\npub const FILES: &[(&str, &str)] = &[\n");
    let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (k, file) in files.iter().enumerate() {
        let path = file.strip_prefix(&root).expect("the file lies below the root").to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(file).expect("the library is readable");
        for name in defined(&text) {
            let places = names.entry(name).or_default();
            if !places.contains(&k) {
                places.push(k);
            }
        }
        let _ = writeln!(out, "    ({path:?}, include_str!({:?})),", file.to_string_lossy());
    }
    out.push_str("];\n\n/// The files that define a name, in ascending order of the names.\npub const NAMES: &[(&str, &[usize])] = &[\n");
    for (name, places) in names {
        let _ = writeln!(out, "    ({name:?}, &{places:?}),");
    }
    out.push_str("];\n");
    let target = Path::new(&env::var("OUT_DIR").expect("cargo sets the output directory")).join("library.rs");
    fs::write(target, out).expect("the output directory is writable");
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "borel") {
            files.push(path);
        }
    }
}

/// The names that the items of a file define: items begin at the start of a line.
fn defined(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut in_type = false;
    for line in text.lines() {
        let word = |rest: &str| -> String {
            rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
        };
        let item = ["fn ", "dist ", "model ", "let ", "type "].iter().find_map(|key| line.strip_prefix(key));
        if let Some(rest) = item {
            names.push(word(rest));
        }
        // The constructors of a variant type, on its line and on those that continue it.
        if line.starts_with("type ") {
            in_type = true;
        } else if !(line.starts_with(' ') || line.starts_with('|')) {
            in_type = false;
        }
        if in_type {
            let after = line.split_once('=').map_or(line, |(_, after)| after);
            names.extend(after.split('|').map(word).filter(|name| name.starts_with(char::is_uppercase)));
        }
    }
    names
}
