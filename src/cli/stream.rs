//! `borel stream`: a learner fed from standard input, line by line.

use super::{Face, Status, run, with_newline};
use crate::driver::stream::{self, Learning, Refused};
use crate::driver::{Failure, Session};
use crate::source::World;
use crate::source::world::WorldError;
use crate::value::interrupt;
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

/// What becomes of a line that is no observation.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
enum Bad {
    /// The stream ends
    Stop,
    /// The line is told and left out
    Skip,
}

#[derive(clap::Args)]
pub struct Stream {
    /// The program, whose last expression is a learner
    #[arg(value_name = "FILE")]
    file: String,
    #[command(flatten)]
    data: run::DataArguments,
    /// Keep the state of the learner in this file
    #[arg(long, value_name = "PATH")]
    checkpoint: Option<String>,
    /// Observations between two checkpoints; one is also written at the end
    #[arg(long, value_name = "N", default_value_t = 1000, requires = "checkpoint", value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// Go on from the checkpoint, if there is one
    #[arg(long, requires = "checkpoint")]
    resume: bool,
    /// What becomes of a line that is no observation
    #[arg(long, value_enum, default_value = "stop")]
    bad: Bad,
    /// Leave out the weights
    #[arg(long)]
    no_weights: bool,
    /// Seed of the random numbers of learners that draw
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

/// Lines that wait to be learnt from.
const WAITING: usize = 256;

/// How often it is asked whether the user wants to stop, while no line comes.
const PATIENCE: Duration = Duration::from_millis(50);

type Line = Result<Option<String>, WorldError>;

impl Stream {
    /// Reads to the end of the input.
    pub fn run(&self, face: &Face) -> Status {
        self.try_run(face).unwrap_or_else(|status| status)
    }

    fn try_run(&self, face: &Face) -> Result<Status, Status> {
        let text = face.read(&self.file)?;
        let entries = self.data.read(face)?;
        let mut session = face.session(self.seed);
        stream::quiet(&session);
        let started = session.load_text(&self.file, &text).and_then(|file| {
            for warning in &file.warnings {
                face.complain(&with_newline(session.render(warning, face.colour)));
            }
            run::tell_notes(face, &session.bind_data(&entries)?);
            session.learning(&file)
        });
        let mut learning = started.map_err(|failure| face.failure(&session, &failure))?;
        learning.weights = !self.no_weights;
        self.resume(face, &session, &mut learning)?;
        let lines = lines(face);
        let mut skipped = 0u64;
        let status = loop {
            let line = match next(&lines) {
                Some(Ok(Some(line))) => line,
                Some(Ok(None)) => break Status::Done,
                Some(Err(error)) => {
                    face.complain(&format!("error: {error}\n"));
                    break Status::Wrong;
                }
                None => break Status::Interrupted,
            };
            if line.trim().is_empty() {
                learning.lines += 1;
                continue;
            }
            match session.learn(&mut learning, &line) {
                Ok(told) => {
                    face.print(&format!("{told}\n"));
                    if learning.observations % self.every == 0 {
                        self.save(face, &session, &learning)?;
                    }
                }
                Err(Refused::Line(why)) => {
                    face.complain(&format!("error: line {}: {why}\n", learning.lines));
                    if self.bad == Bad::Stop {
                        face.complain("  = help: `--bad skip` leaves such lines out\n");
                        // The line is to be read again once it is mended.
                        learning.lines -= 1;
                        break Status::Wrong;
                    }
                    skipped += 1;
                }
                Err(Refused::Stop(failure)) => {
                    learning.lines -= 1;
                    break face.failure(&session, &failure);
                }
            }
        };
        self.save(face, &session, &learning)?;
        if skipped > 0 {
            let (lines, were) = if skipped == 1 { ("line", "was") } else { ("lines", "were") };
            face.complain(&format!("warning: {skipped} {lines} {were} left out\n"));
        }
        Ok(status)
    }

    fn resume(&self, face: &Face, session: &Session, learning: &mut Learning) -> Result<(), Status> {
        let Some(path) = self.checkpoint.as_deref().filter(|_| self.resume) else { return Ok(()) };
        match face.output.read_text(Path::new(path)) {
            Ok(text) => {
                session.resume(learning, &text).map_err(|failure| face.failure(session, &failure))?;
                face.complain(&format!("goes on after line {} of {path}\n", learning.lines));
                Ok(())
            }
            Err(WorldError::Read { missing: true, .. }) => {
                face.complain(&format!("{path} does not exist yet: starts anew\n"));
                Ok(())
            }
            Err(error) => {
                face.complain(&format!("error: {error}\n"));
                Err(Status::Wrong)
            }
        }
    }

    fn save(&self, face: &Face, session: &Session, learning: &Learning) -> Result<(), Status> {
        let Some(path) = &self.checkpoint else { return Ok(()) };
        let text = session.checkpoint(learning).map_err(|failure: Failure| face.failure(session, &failure))?;
        face.output.write_file_atomic(Path::new(path), text.as_bytes()).map_err(|error| {
            face.complain(&format!("error: {error}\n"));
            Status::Wrong
        })
    }
}

/// Lines of standard input, read by a thread of their own: a thread that waits for input does not hear of interrupts.
fn lines(face: &Face) -> Receiver<Line> {
    let (sender, receiver) = sync_channel(WAITING);
    let world = face.world();
    std::thread::spawn(move || {
        loop {
            let line = world.read_line();
            let more = matches!(line, Ok(Some(_)));
            if sender.send(line).is_err() || !more {
                return;
            }
        }
    });
    receiver
}

/// The next line; none when the user wants to stop.
fn next(lines: &Receiver<Line>) -> Option<Line> {
    loop {
        if interrupt::interrupted() {
            return None;
        }
        match lines.recv_timeout(PATIENCE) {
            Ok(line) => return Some(line),
            Err(RecvTimeoutError::Timeout) => {}
            // The thread has ended with the input.
            Err(RecvTimeoutError::Disconnected) => return Some(Ok(None)),
        }
    }
}
