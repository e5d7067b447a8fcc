//! `borel sbc`: simulation-based calibration of a method on a model.

use super::{Face, Status, run};
use crate::validate::calibration::Effort;
use crate::validate::{self, Request};

#[derive(clap::Args)]
pub struct Sbc {
    /// The program
    #[arg(value_name = "FILE")]
    file: String,
    /// The method, such as "mh(draws = 1000)", any function of the file or the library [default: what infer takes]
    #[arg(long, value_name = "METHOD")]
    with: Option<String>,
    /// The model, where the file has several
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    data: run::DataArguments,
    /// Data sets to simulate and infer
    #[arg(long, value_name = "N", default_value_t = 500, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    runs: u32,
    /// Seed of the random numbers
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What standard output gets: a report to read, or one JSON object and nothing else
    #[arg(long, value_enum, default_value = "text")]
    format: run::Shape,
}

impl Sbc {
    /// Prints the ranks.
    pub fn run(&self, face: &Face) -> Status {
        let text = match face.read(&self.file) {
            Ok(text) => text,
            Err(status) => return status,
        };
        let entries = match self.data.read(face) {
            Ok(entries) => entries,
            Err(status) => return status,
        };
        let mut session = face.session(self.seed);
        let effort = Effort { runs: self.runs as usize, seed: self.seed };
        let request = Request { model: self.model.clone(), with: self.with.clone(), effort, ..Request::default() };
        let calibrated = session.load_text(&self.file, &text).and_then(|file| {
            let notes = session.bind_data(&entries)?;
            run::tell_notes(face, &notes);
            session.prepare(&file)?;
            validate::sbc(&mut session, &file, &request)
        });
        match calibrated {
            Ok(found) => {
                match self.format {
                    run::Shape::Text => face.print(&found.text()),
                    run::Shape::Json => face.print(&format!("{}\n", found.json())),
                }
                if found.calibration.failed { Status::Wrong } else { Status::Done }
            }
            Err(failure) => face.failure(&session, &failure),
        }
    }
}
