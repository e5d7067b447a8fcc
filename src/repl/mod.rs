//! The REPL: evaluates items, statements and expressions as they come, from a terminal or from a pipe.

mod command;
mod history;
mod terminal;

use crate::data::Entry;
use crate::driver::{Failure, Options, Outcome, Session, face};
use crate::posterior::Posterior;
use crate::source::World;
use crate::source::world::Stream;
use crate::value::{Value, print};
use command::Command;
use std::path::Path;
use std::sync::Arc;

/// The longest text of a value, in characters.
const WIDTH: usize = 2_000;

/// A session with a person, or with a file of lines.
pub struct Repl {
    world: Arc<dyn World>,
    seed: u64,
    colour: bool,
    data: Vec<Entry>,
    session: Session,
    /// The files that were loaded, in order.
    files: Vec<String>,
    /// Entries so far; the next one's place is `<n>`.
    entries: usize,
}

impl Repl {
    /// A REPL without a program; `data` are for the `data` declarations of programs and of what is typed.
    pub fn new(world: Arc<dyn World>, seed: u64, colour: bool, data: Vec<Entry>) -> Repl {
        let session = Session::new(Arc::clone(&world), Options { seed, ..Options::default() });
        Repl { world, seed, colour, data, session, files: Vec::new(), entries: 0 }
    }

    /// Loads a file: its names can be used, and its statements run.
    pub fn load(&mut self, path: &str) {
        let path = path.trim();
        if !self.files.iter().any(|known| known == path) {
            self.files.push(path.to_string());
        }
        let loaded = self.try_load(path);
        self.tell(loaded);
    }

    fn try_load(&mut self, path: &str) -> Result<(), Failure> {
        let text = self.world.read_text(Path::new(path)).map_err(|error| Failure::Usage(error.to_string()))?;
        let file = self.session.enter(path, &text, &self.data)?;
        for warning in &file.warnings {
            let text = self.session.render(warning, self.colour);
            self.complain(&text);
        }
        self.session.run(&file)
    }

    /// Reads standard input to its end, without prompts: for pipes.
    pub fn read_all(&mut self) {
        let mut text = String::new();
        loop {
            match self.world.read_line() {
                Ok(Some(line)) => {
                    text.push_str(&line);
                    text.push('\n');
                    if face::is_incomplete(&text) {
                        continue;
                    }
                }
                Ok(None) => {
                    self.enter(&text);
                    return;
                }
                Err(error) => {
                    self.complain(&format!("error: {error}"));
                    return;
                }
            }
            if !self.enter(&text) {
                return;
            }
            text.clear();
        }
    }

    /// Reads from the terminal until Ctrl-D or `:quit`.
    pub fn interact(&mut self) {
        terminal::interact(self);
    }

    /// Evaluates an entry or obeys a command; false to end the session.
    fn enter(&mut self, text: &str) -> bool {
        if text.trim().is_empty() {
            return true;
        }
        face::clear_interrupt();
        match Command::of(text) {
            None => {
                let evaluated = self.evaluate(text);
                self.tell(evaluated);
            }
            Some(Err(text)) => self.complain(&text),
            Some(Ok(Command::Quit)) => return false,
            Some(Ok(Command::Help(None))) => self.print(command::LIST),
            Some(Ok(Command::Help(Some(name)))) => self.help(name),
            Some(Ok(Command::Type(text))) => match self.session.type_of(text) {
                Ok(ty) if ty.contains('\n') => self.print(&ty),
                Ok(ty) => self.print(&format!("{text} : {ty}")),
                Err(failure) => self.tell(Err(failure)),
            },
            Some(Ok(Command::Load(path))) => self.load(path),
            Some(Ok(Command::Reload)) => {
                self.session = Session::new(Arc::clone(&self.world), Options { seed: self.seed, ..Options::default() });
                for file in self.files.clone() {
                    self.load(&file);
                }
            }
        }
        true
    }

    fn evaluate(&mut self, text: &str) -> Result<(), Failure> {
        self.entries += 1;
        let name = format!("<{}>", self.entries);
        // A mistake of ours in one entry must not cost the user the session.
        let (data, session) = (&self.data, std::panic::AssertUnwindSafe(&mut self.session));
        let outcome = std::panic::catch_unwind(|| {
            let session = session;
            session.0.eval(&name, text, data)
        });
        let Ok(outcomes) = outcome else { return Ok(()) };
        for outcome in outcomes? {
            match outcome {
                Outcome::Value(value, ty) => self.print(&show(&value, &ty)),
                Outcome::Defined(names) => {
                    for (name, ty) in names {
                        self.print(&format!("{name} : {ty}"));
                    }
                }
                Outcome::Nothing => {}
            }
        }
        Ok(())
    }

    fn help(&mut self, name: &str) {
        let found = self.session.help(name);
        if found.is_empty() {
            let names = self.session.names();
            let near = crate::source::suggest::closest(name, names.iter().map(String::as_str));
            let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            self.complain(&format!("nothing is called `{name}`{hint}"));
            return;
        }
        let texts: Vec<String> = found
            .into_iter()
            .map(|(head, text)| match (head.is_empty(), text.is_empty()) {
                (true, _) => text,
                (_, true) => head,
                _ => format!("{head}\n{text}"),
            })
            .collect();
        self.print(&texts.join("\n\n"));
    }

    fn tell(&self, result: Result<(), Failure>) {
        match result {
            Ok(()) => {}
            Err(failure) if failure.is_interrupt() => self.complain("interrupted"),
            Err(failure) => self.complain(&self.session.render_failure(&failure, self.colour)),
        }
    }

    /// Writes lines to standard output.
    fn print(&self, text: &str) {
        // When nobody reads on there is nobody to tell.
        let _ = self.world.write(Stream::Out, &format!("{}\n", text.trim_end_matches('\n')));
    }

    /// Writes lines to standard error.
    fn complain(&self, text: &str) {
        let _ = self.world.write(Stream::Error, &format!("{}\n", text.trim_end_matches('\n')));
    }
}

/// A value as it is shown: a posterior by its summary, structures with their types.
fn show(value: &Value, ty: &str) -> String {
    if let Value::Host(object) = value
        && let Some(posterior) = object.as_any().downcast_ref::<Posterior>()
    {
        return format!("{value}\n{}", posterior.summary_table());
    }
    let text = match value {
        Value::Str(_) => print::to_json(value),
        _ => print::short(value, WIDTH),
    };
    match value {
        Value::Bool(_) | Value::Int(_) | Value::Real(_) | Value::Str(_) => text,
        _ if ty.is_empty() => text,
        _ => format!("{text} : {ty}"),
    }
}
