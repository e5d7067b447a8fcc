//! The command line: one file per command, each a clap struct with a function that runs it.

mod check;
mod explain;
mod fmt;
mod out;
mod output;
mod refuse;
mod repl;
mod run;
mod sbc;
mod stream;
mod test;
mod validate;

use crate::driver::{Failure, Options, Session};
use crate::source::World;
use crate::source::world::Stream;
use clap::{Parser, Subcommand};
use output::Output;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// All is well.
    Done = 0,
    /// The program or its data are wrong.
    Wrong = 1,
    /// The command was used in a wrong way.
    Usage = 2,
    /// Inference ran, and its diagnostics say that the result should not be trusted.
    Distrust = 3,
    /// The user interrupted.
    Interrupted = 130,
}

/// Borel: a probabilistic programming language.
#[derive(Parser)]
#[command(name = "borel", version, disable_help_subcommand = true, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXIT_STATUS: &str = "Exit status: 0 done; 1 the program or its data are wrong; 2 bad usage; \
3 the diagnostics of an inference say not to trust it (unless --lenient); 130 interrupted.";

#[derive(Subcommand)]
enum Command {
    /// Run a program: its statements, or inference of its model
    Run(run::Run),
    /// Say what is wrong with programs, without running them
    Check(check::Check),
    /// Format programs in place
    Fmt(fmt::Fmt),
    /// Run the tests, and the examples in the documentation, of files and folders
    Test(test::Test),
    /// Evaluate what is typed, line by line
    Repl(repl::Repl),
    /// Show the plan of a model: its choices, views and method; or its program after a pass
    Explain(explain::Explain),
    /// Check that inference of a model keeps its meaning: contracts, every outcome, draws
    Validate(validate::Validate),
    /// Teach a learner from standard input, line by line
    Stream(stream::Stream),
    /// Calibrate a method: infer data drawn from the model, and rank the truth among the draws
    Sbc(sbc::Sbc),
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

/// What every command needs: the way out, and whether a person sits at the other end.
struct Face {
    output: Arc<Output>,
    /// Errors are shown in colour.
    colour: bool,
    /// Standard input is a terminal.
    interactive: bool,
}

/// Runs the command of these arguments (the first is the name of the program); gives the exit status.
/// `interactive` tells whether standard input is a terminal.
pub fn main(arguments: impl IntoIterator<Item = OsString>, world: Arc<dyn World>, interactive: bool) -> Status {
    let no_color = world.environment("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colour = world.is_terminal(Stream::Error) && !no_color && world.environment("TERM").as_deref() != Some("dumb");
    let output = Arc::new(Output::new(world));
    let face = Face { output: Arc::clone(&output), colour, interactive };
    let status = match Cli::try_parse_from(arguments) {
        Err(error) => {
            let text = if colour { error.render().ansi().to_string() } else { error.render().to_string() };
            if error.use_stderr() {
                face.complain(&text)
            } else {
                face.print(&text)
            }
            if error.use_stderr() { Status::Usage } else { Status::Done }
        }
        Ok(cli) => match cli.command {
            Command::Run(command) => command.run(&face),
            Command::Check(command) => command.run(&face),
            Command::Fmt(command) => command.run(&face),
            Command::Test(command) => command.run(&face),
            Command::Repl(command) => command.run(&face),
            Command::Explain(command) => command.run(&face),
            Command::Validate(command) => command.run(&face),
            Command::Stream(command) => command.run(&face),
            Command::Sbc(command) => command.run(&face),
            Command::Other(words) => refuse::command(&face, &words),
        },
    };
    // Nobody reads on: that is no failure of ours.
    if output.closed() { Status::Done } else { status }
}

impl Face {
    fn world(&self) -> Arc<dyn World> {
        Arc::clone(&self.output) as Arc<dyn World>
    }

    fn session(&self, seed: u64) -> Session {
        Session::new(self.world(), Options { seed, ..Options::default() })
    }

    /// Writes to standard output.
    fn print(&self, text: &str) {
        self.send(Stream::Out, text);
    }

    /// Writes to standard error.
    fn complain(&self, text: &str) {
        self.send(Stream::Error, text);
    }

    fn send(&self, stream: Stream, text: &str) {
        if let Err(error) = self.output.write(stream, text) {
            self.output.fail(stream, &error);
        }
    }

    /// Refuses a request.
    fn usage(&self, text: &str) -> Status {
        self.complain(&format!("error: {text}\n"));
        Status::Usage
    }

    /// The text of a program; the error is already told.
    fn read(&self, path: &str) -> Result<String, Status> {
        self.output.read_text(Path::new(path)).map_err(|error| {
            self.complain(&format!("error: {error}\n"));
            Status::Wrong
        })
    }

    /// Tells a failure; gives the status that it means.
    fn failure(&self, session: &Session, failure: &Failure) -> Status {
        if failure.is_interrupt() {
            if !self.output.closed() {
                let text = match failure {
                    Failure::Fault(fault) => fault.message.as_str(),
                    _ => "interrupted",
                };
                self.complain(&format!("{text}\n"));
            }
            return Status::Interrupted;
        }
        let text = session.render_failure(failure, self.colour);
        self.complain(&with_newline(text));
        if failure.is_internal() {
            self.complain("please report this, with the program that showed it\n");
        }
        match failure {
            Failure::Usage(_) => Status::Usage,
            _ => Status::Wrong,
        }
    }
}

fn with_newline(mut text: String) -> String {
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
