//! `borel validate`: whether inference of a model means what it should.

use super::{Face, Status, run};
use crate::validate::{self, Request};

#[derive(clap::Args)]
pub struct Validate {
    /// The program
    #[arg(value_name = "FILE")]
    file: String,
    /// The method, such as "smc(particles = 3)", any function of the file or the library [default: what infer takes]
    #[arg(long, value_name = "METHOD")]
    with: Option<String>,
    /// The model, where the file has several
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    data: run::DataArguments,
    /// Seed of the random numbers of the statistical checks
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// What standard output gets: a report to read, or one JSON object and nothing else
    #[arg(long, value_enum, default_value = "text")]
    format: run::Shape,
}

impl Validate {
    /// Prints the report.
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
        let request = Request { model: self.model.clone(), with: self.with.clone(), ..Request::default() };
        let validated = session.load_text(&self.file, &text).and_then(|file| {
            let notes = session.bind_data(&entries)?;
            run::tell_notes(face, &notes);
            session.prepare(&file)?;
            validate::validate(&mut session, &file, &request)
        });
        match validated {
            Ok(report) => {
                match self.format {
                    run::Shape::Text => face.print(&report.text()),
                    run::Shape::Json => face.print(&format!("{}\n", report.json())),
                }
                if report.passed() { Status::Done } else { Status::Wrong }
            }
            Err(failure) => face.failure(&session, &failure),
        }
    }
}
