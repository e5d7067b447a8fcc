//! `borel check`: what is wrong with programs, without running them.

use super::{Face, Status, with_newline};
use crate::source::Severity;

#[derive(clap::Args)]
pub struct Check {
    /// Programs to check
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
}

impl Check {
    /// Prints the errors and warnings of all files.
    pub fn run(&self, face: &Face) -> Status {
        let mut status = Status::Done;
        for path in &self.files {
            let Ok(text) = face.read(path) else {
                status = Status::Wrong;
                continue;
            };
            let mut session = face.session(0);
            match session.load_text(path, &text) {
                Ok(file) => {
                    let mut found = file.warnings.clone();
                    found.extend(session.check_models(&file));
                    for diagnostic in &found {
                        face.complain(&with_newline(session.render(diagnostic, face.colour)));
                    }
                    if found.iter().any(|d| d.severity == Severity::Error) {
                        status = Status::Wrong;
                    }
                }
                Err(failure) => {
                    face.failure(&session, &failure);
                    status = Status::Wrong;
                }
            }
        }
        status
    }
}
