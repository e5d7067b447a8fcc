//! `borel run`: the statements of a program in order, or inference of its model.

use super::{Face, Status, out, refuse, with_newline};
use crate::data::{self, Entry, cmdset};
use crate::driver::{Failure, File, Inferred, Session};
use crate::posterior::{Posterior, TableOptions, Warning};
use crate::source::World;
use crate::source::world::Stream;
use serde_json::{Value, json};
use std::path::Path;

/// What standard output gets.
#[derive(Clone, Copy, PartialEq, clap::ValueEnum)]
pub enum Shape {
    Text,
    Json,
}

#[derive(clap::Args)]
pub struct Run {
    /// The program
    #[arg(value_name = "FILE")]
    file: String,
    /// The model to infer, where the file has several
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    #[command(flatten)]
    data: DataArguments,
    /// The inference method [default: infer, which chooses]
    #[arg(long, value_name = "NAME")]
    method: Option<String>,
    /// Draws to keep, per chain
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    draws: Option<u32>,
    /// Steps to adapt before draws are kept
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1_000_000_000))]
    warmup: Option<u32>,
    /// Independent chains
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    chains: Option<u32>,
    /// Particles of a particle filter
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000_000))]
    particles: Option<u32>,
    /// Seed of the random numbers; the same seed gives the same output with any number of threads
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Threads to use [default: one per processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Option<u32>,
    /// Another option of the method
    #[arg(long = "opt", value_name = "KEY=VALUE")]
    options: Vec<String>,
    /// Write the draws to a file ending in .csv (one per chain, as CmdStan does) or .json
    #[arg(long, value_name = "PATH")]
    out: Option<String>,
    /// What standard output gets: a summary to read, or one JSON object and nothing else
    #[arg(long, value_enum, default_value = "text")]
    format: Shape,
    /// Print only the table
    #[arg(long)]
    quiet: bool,
    /// Report every named choice, not only what the model returns
    #[arg(long)]
    all: bool,
    /// Exit with status 0 even if the diagnostics say not to trust the result
    #[arg(long)]
    lenient: bool,
}

/// Where the `data` of a program come from.
#[derive(clap::Args)]
pub struct DataArguments {
    /// Data to bind by name: a JSON object, a CSV file with a header, or Parquet
    #[arg(long, value_name = "FILE")]
    data: Vec<String>,
    /// A value to bind, written as JSON; comes after --data
    #[arg(long, value_name = "NAME=VALUE")]
    set: Vec<String>,
}

impl DataArguments {
    /// All named values; the errors are already told.
    pub fn read(&self, face: &Face) -> Result<Vec<Entry>, Status> {
        let mut entries = Vec::new();
        let mut failed = None;
        for path in &self.data {
            match data::read(&*face.output, Path::new(path)) {
                Ok(more) => entries.extend(more),
                Err(error) => {
                    face.complain(&error.render());
                    failed = Some(Status::Wrong);
                }
            }
        }
        for text in &self.set {
            match cmdset::read(text) {
                Ok(entry) => entries.push(entry),
                Err(error) => {
                    face.complain(&error.render());
                    failed = failed.or(Some(Status::Usage));
                }
            }
        }
        failed.map_or(Ok(entries), Err)
    }
}

/// Tells what was given but not asked for.
pub fn tell_notes(face: &Face, notes: &[String]) {
    for note in notes {
        face.complain(&format!("warning: {note}\n"));
    }
}

impl Run {
    /// Runs the program.
    pub fn run(&self, face: &Face) -> Status {
        self.try_run(face).unwrap_or_else(|status| status)
    }

    fn try_run(&self, face: &Face) -> Result<Status, Status> {
        let options = self.method_options().map_err(|text| face.usage(&text))?;
        if let Some(text) = self.method.as_deref().and_then(refuse::method) {
            return Err(face.usage(&text));
        }
        if let Some(path) = &self.out {
            out::format(path).map_err(|text| face.usage(&text))?;
        }
        self.set_threads(face)?;
        let text = face.read(&self.file)?;
        let entries = self.data.read(face)?;
        let mut session = face.session(self.seed);
        if self.format == Shape::Json {
            session.print_to(Stream::Error);
        }
        let run = |session: &mut Session| {
            let file = session.load_text(&self.file, &text)?;
            if !self.quiet {
                for warning in &file.warnings {
                    face.complain(&with_newline(session.render(warning, face.colour)));
                }
            }
            let script = session.has_statements(&file);
            if let Some(option) = self.inference_option(&options).filter(|_| script) {
                return Err(Failure::Usage(format!(
                    "{} has statements, so it runs as a script, and {option} has no effect; call the method in the program: \
                     `infer(m)`",
                    self.file
                )));
            }
            let notes = session.bind_data(&entries)?;
            tell_notes(face, &notes);
            if script {
                let start = face.output.now();
                session.run(&file)?;
                return Ok(Err(face.output.now() - start));
            }
            self.infer(session, &file, &options).map(Ok)
        };
        match run(&mut session) {
            Ok(Ok(inferred)) => self.report(face, &inferred),
            Ok(Err(seconds)) => {
                if self.format == Shape::Json {
                    face.print(&format!("{}\n", script_json(self.seed, session.compile_seconds, seconds)));
                }
                Ok(Status::Done)
            }
            Err(failure) => Ok(face.failure(&session, &failure)),
        }
    }

    fn infer(&self, session: &mut Session, file: &File, options: &[(String, String)]) -> Result<Inferred, Failure> {
        session.prepare(file)?;
        let options: Vec<(&str, &str)> = options.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        session.infer(file, self.model.as_deref(), self.method.as_deref(), &options, self.all)
    }

    /// The options of the method, as name and text.
    fn method_options(&self) -> Result<Vec<(String, String)>, String> {
        let mut options = Vec::new();
        let named =
            [("draws", self.draws), ("warmup", self.warmup), ("chains", self.chains), ("particles", self.particles)];
        for (name, value) in named {
            options.extend(value.map(|n| (name.to_string(), n.to_string())));
        }
        for text in &self.options {
            match text.split_once('=') {
                Some((key, value)) if !key.trim().is_empty() && !value.trim().is_empty() => {
                    options.push((key.trim().to_string(), value.trim().to_string()));
                }
                _ => return Err(format!("--opt takes KEY=VALUE, found `{text}`")),
            }
        }
        Ok(options)
    }

    /// An option that only inference of a model understands.
    fn inference_option(&self, options: &[(String, String)]) -> Option<String> {
        let named =
            [("--model", self.model.is_some()), ("--method", self.method.is_some()), ("--out", self.out.is_some())];
        let named = named.into_iter().find(|(_, given)| *given).map(|(name, _)| name.to_string());
        named.or_else(|| options.first().map(|(name, _)| format!("the option `{name}`")))
    }

    fn set_threads(&self, face: &Face) -> Result<(), Status> {
        let threads = self.threads.unwrap_or(0) as usize;
        // Work that is handed to a thread may be as deep as work that is not. This thread takes part, instead of waiting for others
        // at every step that they share.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().stack_size(256 << 20);
        pool.build_global().map_err(|error| face.usage(&format!("cannot start {threads} threads: {error}")))
    }

    /// Shows a result, and writes its draws.
    fn report(&self, face: &Face, inferred: &Inferred) -> Result<Status, Status> {
        let posterior = &inferred.posterior;
        let report = posterior.report(self.all);
        match self.format {
            Shape::Json => {
                let mut object = posterior.to_json(&report);
                if let (Value::Object(fields), Some(reason)) = (&mut object, &inferred.reason) {
                    fields.insert("reason".into(), json!(reason));
                }
                face.print(&format!("{object}\n"));
            }
            Shape::Text => {
                let rows = if self.all { usize::MAX } else { TableOptions::default().most_rows };
                let table = posterior.table(&report, &TableOptions { most_rows: rows });
                if self.quiet {
                    face.print(&table);
                } else {
                    let mut text = heading(inferred);
                    text.push('\n');
                    text.push_str(&table);
                    text.push_str(&evidence(posterior));
                    let course = posterior.course();
                    if !course.is_empty() {
                        text.push_str(&format!("\n{course}"));
                    }
                    for warning in &report.warnings {
                        text.push_str(&format!("\nwarning: {}\n", warning.text()));
                        if !warning.advice().is_empty() {
                            text.push_str(&format!("  = help: {}\n", warning.advice()));
                        }
                    }
                    face.print(&text);
                }
            }
        }
        if let Some(path) = &self.out {
            out::write(face, path, posterior, self.all).map_err(|text| {
                face.complain(&format!("error: {text}\n"));
                Status::Wrong
            })?;
        }
        let interrupted = report.warnings.iter().any(|warning| matches!(warning, Warning::Interrupted { .. }));
        Ok(match (interrupted, report.distrust() && !self.lenient) {
            (true, _) => Status::Interrupted,
            (_, true) => Status::Distrust,
            _ => Status::Done,
        })
    }
}

/// `eight_schools · mh (4 chains of 1000 draws, seed 0)`, and why the method was chosen.
fn heading(inferred: &Inferred) -> String {
    let posterior = &inferred.posterior;
    let size = match (posterior.exact, posterior.chains.as_slice()) {
        (true, _) if posterior.point => format!("a point, seed {}", posterior.seed),
        (true, _) => "exact".to_string(),
        (_, [only]) => format!("{} draws, seed {}", only.draws.len(), posterior.seed),
        (_, chains) => format!(
            "{} chains of {} draws, seed {}",
            chains.len(),
            chains.iter().map(|chain| chain.draws.len()).max().unwrap_or(0),
            posterior.seed
        ),
    };
    let head = format!("{} · {} ({size})", inferred.model, inferred.method);
    match &inferred.reason {
        Some(reason) => {
            let why = reason.strip_prefix(&format!("{}: ", inferred.method)).unwrap_or(reason);
            format!("{head}: {why}\n")
        }
        None => format!("{head}\n"),
    }
}

fn evidence(posterior: &Posterior) -> String {
    match (posterior.log_evidence, posterior.log_evidence_se) {
        (Some(log), Some(se)) if se > 0.0 => format!("\nlog evidence {log:.4} ± {se:.2}\n"),
        (Some(log), _) => format!("\nlog evidence {log:.6}\n"),
        (None, _) => String::new(),
    }
}

/// The object of a script, whose own output went to standard error.
fn script_json(seed: u64, compile: f64, running: f64) -> Value {
    json!({
        "model": null,
        "method": null,
        "seed": seed,
        "seconds": {"compile": compile, "warmup": 0.0, "sampling": running},
        "variables": {},
        "diagnostics": {},
        "warnings": [],
    })
}
