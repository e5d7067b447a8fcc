//! What the documents show is what the program does.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// The blocks of code of a document: what follows the fence, the line before it, the text.
fn blocks(text: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut before = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(kind) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            found.push((kind.to_string(), std::mem::take(&mut before), body.join("\n") + "\n"));
        } else if !line.trim().is_empty() {
            before = line.to_string();
        }
    }
    found
}

fn readme(before: &str) -> String {
    let text = std::fs::read_to_string(root("README.md")).unwrap();
    let block = blocks(&text).into_iter().find(|(_, line, _)| line.contains(before));
    block.unwrap_or_else(|| panic!("README.md has no block after {before:?}")).2
}

/// What the program prints, errors after results.
fn prints(arguments: &[&str], folder: &Path, input: &str) -> String {
    let entries = folder.join("input");
    std::fs::write(&entries, input).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_borel"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .stdin(std::fs::File::open(&entries).unwrap())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("borel_documents_{name}_{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn programs_in_the_documents_check() {
    let folder = folder("check");
    let mut documents = vec![root("README.md")];
    documents.extend(std::fs::read_dir(root("docs")).unwrap().map(|entry| entry.unwrap().path()));
    let (mut checked, mut arrows, mut wrong) = (0, 0, Vec::new());
    for document in documents.iter().filter(|path| path.extension().is_some_and(|e| e == "md")) {
        let text = std::fs::read_to_string(document).unwrap();
        for (_, before, program) in blocks(&text).into_iter().filter(|(kind, ..)| kind == "borel") {
            std::fs::write(folder.join("program.borel"), &program).unwrap();
            let found = prints(&["check", "program.borel"], &folder, "");
            if found.contains("error:") {
                wrong.push(format!("{}, after {before:?}:\n{found}", document.display()));
            }
            checked += 1;
            // What follows an arrow is what it prints.
            let shown: Vec<&str> =
                program.lines().filter_map(|line| line.split_once("// → ").map(|(_, shown)| shown.trim())).collect();
            if !shown.is_empty() {
                let printed = prints(&["run", "program.borel"], &folder, "");
                if printed.lines().ne(shown.iter().copied()) {
                    wrong
                        .push(format!("{}, after {before:?}: shown {shown:?}, printed\n{printed}", document.display()));
                }
                arrows += shown.len();
            }
        }
    }
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(checked >= 10 && arrows >= 20, "{checked} programs, {arrows} results");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_readme_shows_what_is_printed() {
    let folder = folder("readme");
    let school = root("examples/eight_schools.borel");
    let school = school.to_str().unwrap();
    assert_eq!(prints(&["run", school], &folder, "").trim(), readme("eight_schools.borel` prints:").trim());
    assert_eq!(prints(&["explain", school], &folder, "").trim(), readme("**See the plan.**").trim());
    // A session: what is typed stands behind the prompt.
    let session = readme("**Try things out.**");
    let typed: Vec<&str> = session.lines().filter_map(|line| line.strip_prefix("borel> ")).collect();
    let shown: String =
        session.lines().filter(|line| !line.starts_with("borel> ")).map(|line| format!("{line}\n")).collect();
    assert!(!typed.is_empty());
    assert_eq!(prints(&["repl"], &folder, &(typed.join("\n") + "\n")).trim(), shown.trim());
    // A mistake: the program is in the message.
    std::fs::write(
        folder.join("matrix_times_vector.borel"),
        "let m = matrix([[1.0, 2.0], [3.0, 4.0]])\nlet v = [1.0, 2.0]\nprint(m * v)\n",
    )
    .unwrap();
    assert_eq!(
        prints(&["check", "matrix_times_vector.borel"], &folder, "").trim(),
        readme("**Make a mistake.**").trim()
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
