//! `borel explain`: the plan of a model, or its program after a pass.

use super::{Face, Status, run, with_newline};

#[derive(clap::Args)]
pub struct Explain {
    /// The program
    #[arg(value_name = "FILE")]
    file: String,
    /// Show the program after this pass instead (`lower`: before all of them)
    #[arg(long, value_name = "NAME")]
    pass: Option<String>,
    /// The model, where the file has several
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    data: run::DataArguments,
}

impl Explain {
    /// Prints the plan or the program.
    pub fn run(&self, face: &Face) -> Status {
        let text = match face.read(&self.file) {
            Ok(text) => text,
            Err(status) => return status,
        };
        let entries = match self.data.read(face) {
            Ok(entries) => entries,
            Err(status) => return status,
        };
        let mut session = face.session(0);
        let model = self.model.as_deref();
        let explained = session.load_text(&self.file, &text).and_then(|file| {
            let notes = session.bind_data(&entries)?;
            run::tell_notes(face, &notes);
            session.prepare(&file)?;
            match &self.pass {
                Some(pass) => session.explain_pass(&file, model, pass),
                None => session.explain(&file, model),
            }
        });
        match explained {
            Ok(text) => {
                face.print(&with_newline(text));
                Status::Done
            }
            Err(failure) => face.failure(&session, &failure),
        }
    }
}
