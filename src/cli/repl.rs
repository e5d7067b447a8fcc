//! `borel repl`: evaluates what is typed.

use super::{Face, Status, run};

#[derive(clap::Args)]
pub struct Repl {
    /// A program to load first
    #[arg(value_name = "FILE")]
    file: Option<String>,
    /// Seed of the random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    data: run::DataArguments,
}

impl Repl {
    /// Reads and evaluates until the end of the input or `:quit`.
    #[cfg(feature = "repl")]
    pub fn run(&self, face: &Face) -> Status {
        let data = match self.data.read(face) {
            Ok(data) => data,
            Err(status) => return status,
        };
        let mut repl = crate::repl::Repl::new(face.world(), self.seed, face.colour, data);
        if let Some(file) = &self.file {
            repl.load(file);
        }
        if face.interactive {
            repl.interact();
        } else {
            repl.read_all();
        }
        Status::Done
    }

    /// Refuses: the feature is missing.
    #[cfg(not(feature = "repl"))]
    pub fn run(&self, face: &Face) -> Status {
        let _ = (&self.file, self.seed, &self.data, face.interactive);
        face.usage(
            "this build of borel has no REPL\n  = help: build it with the feature `repl`: cargo build --features repl",
        )
    }
}
