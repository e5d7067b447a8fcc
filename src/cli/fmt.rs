//! `borel fmt`: programs in the one way of writing them.

use super::{Face, Status, with_newline};
use crate::driver::face;
use crate::source::World;
use std::path::Path;

#[derive(clap::Args)]
pub struct Fmt {
    /// Programs to format
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    /// Change nothing; list the files that formatting would change, with exit status 1 if there are any
    #[arg(long)]
    check: bool,
}

impl Fmt {
    /// Formats all files; one that does not parse is reported and left alone.
    pub fn run(&self, face: &Face) -> Status {
        let mut status = Status::Done;
        for path in &self.files {
            if !self.format(face, path) {
                status = Status::Wrong;
            }
        }
        status
    }

    /// Whether the file is well formatted now.
    fn format(&self, face: &Face, path: &str) -> bool {
        let Ok(text) = face.read(path) else { return false };
        let formatted = match face::format_text(path, &text, face.colour) {
            Ok(formatted) => formatted,
            Err(errors) => {
                face.complain(&with_newline(errors));
                return false;
            }
        };
        if formatted == text {
            return true;
        }
        if self.check {
            face.print(&format!("{path}\n"));
            return false;
        }
        match face.output.write_file_atomic(Path::new(path), formatted.as_bytes()) {
            Ok(()) => true,
            Err(error) => {
                face.complain(&format!("error: {error}\n"));
                false
            }
        }
    }
}
