//! `borel test`: the tests of programs, and the examples in their documentation.

use super::{Face, Status, with_newline};
use crate::driver::Failure;
use crate::source::World;
use std::path::Path;

#[derive(clap::Args)]
pub struct Test {
    /// Files and folders; folders are searched for *.borel [default: the current folder]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Seed of the random numbers of the tests
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// What was counted so far.
#[derive(Default)]
struct Tally {
    passed: usize,
    failed: usize,
    interrupted: bool,
}

impl Test {
    /// Runs all tests; prints those that fail, and how many there were.
    pub fn run(&self, face: &Face) -> Status {
        let here = [".".to_string()];
        let paths = if self.paths.is_empty() { &here[..] } else { &self.paths[..] };
        let mut tally = Tally::default();
        let mut seen = std::collections::HashSet::new();
        for path in paths {
            match face.output.list_files(Path::new(path), "borel") {
                Ok(files) => {
                    for file in files {
                        let name = file.display().to_string();
                        let name = name.strip_prefix("./").unwrap_or(&name);
                        if !tally.interrupted && seen.insert(name.to_string()) {
                            self.file(face, name, &mut tally);
                        }
                    }
                }
                Err(error) => {
                    face.complain(&format!("error: {error}\n"));
                    return Status::Wrong;
                }
            }
        }
        face.print(&format!("{} passed, {} failed\n", tally.passed, tally.failed));
        match tally {
            Tally { interrupted: true, .. } => Status::Interrupted,
            Tally { failed: 0, .. } => Status::Done,
            _ => Status::Wrong,
        }
    }

    fn file(&self, face: &Face, path: &str, tally: &mut Tally) {
        let Ok(text) = face.read(path) else {
            tally.failed += 1;
            return;
        };
        let mut session = face.session(self.seed);
        let mut report = |session: &crate::driver::Session, name: &str, failure: &Failure| {
            if failure.is_interrupt() {
                tally.interrupted = true;
                return;
            }
            tally.failed += 1;
            face.print(&format!("failed: {path}: {name}\n"));
            face.complain(&with_newline(session.render_failure(failure, face.colour)));
        };
        let ready = session.load_text(path, &text).and_then(|file| {
            if session.has_tests(&file) {
                session.bind_data(&[])?;
                session.prepare(&file)?;
            }
            Ok(file)
        });
        let mut passed = 0;
        match ready {
            Err(failure) => report(&session, "the file", &failure),
            Ok(file) => {
                for result in session.tests(&file) {
                    match &result.outcome {
                        Ok(()) => passed += 1,
                        Err(failure) => report(&session, &result.name, failure),
                    }
                }
            }
        }
        tally.passed += passed;
    }
}
