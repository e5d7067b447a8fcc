//! Commands, formats and methods that this version does not have, refused by name with what to use instead.

use super::{Face, Status};
use crate::driver::face;
use crate::source::suggest;
use std::ffi::OsString;

/// Commands of the language that do not exist yet, and what serves in their place.
const COMMANDS: &[(&str, &str)] = &[
    ("plot", "`borel run FILE --out draws.csv`, and any tool that reads CmdStan's draws"),
    ("summary", "`borel run FILE`, which prints the summary; `--format json` gives it to programs"),
    ("diagnose", "`borel run FILE`, which prints what speaks against the result"),
    ("compare", "`log_evidence(infer(a)) - log_evidence(infer(b))` in a script"),
    ("lsp", "`borel check FILE` for errors, and `:type` and `:help` in `borel repl`"),
    ("doc", "`:help NAME` in `borel repl`"),
];

/// Commands that exist.
const KNOWN: &[&str] = &["run", "check", "fmt", "test", "repl", "explain", "validate", "stream", "sbc", "help"];

/// Methods of the language that do not exist yet, and the nearest that do.
const METHODS: &[(&str, &str)] = &[
    ("apf", "smc"),
    ("alive", "smc"),
    ("rmsmc", "smc"),
    ("tempered", "smc"),
    ("ais", "smc"),
    ("pimh", "smc"),
    ("pmmh", "mh"),
    ("pgibbs", "smc"),
    ("pgas", "smc"),
    ("smc2", "smc"),
    ("ibis", "smc"),
    ("parallel_tempering", "mh"),
];

/// Refuses a command that is not there.
pub fn command(face: &Face, words: &[OsString]) -> Status {
    let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    if name == "help" {
        face.print("borel --help lists the commands; borel COMMAND --help explains one\n");
        return Status::Done;
    }
    if let Some((_, instead)) = COMMANDS.iter().find(|(known, _)| *known == name) {
        return face.usage(&format!("`borel {name}` does not exist in this version\n  = help: use {instead}"));
    }
    let known = KNOWN.iter().copied().chain(COMMANDS.iter().map(|(name, _)| *name));
    let hint = match suggest::closest(&name, known) {
        Some(near) => format!("did you mean `borel {near}`?"),
        None if name.ends_with(".borel") => format!("write `borel run {name}`"),
        None => "borel --help lists the commands".to_string(),
    };
    face.usage(&format!("no command is called `{name}`\n  = help: {hint}"))
}

/// Why a method cannot be used; none if it can.
pub fn method(name: &str) -> Option<String> {
    let methods = face::method_names();
    if methods.contains(&name) {
        return None;
    }
    if let Some((_, instead)) = METHODS.iter().find(|(known, _)| *known == name) {
        return Some(format!(
            "the method `{name}` does not exist in this version\n  = help: use --method {instead}, or leave --method out and \
             `infer` chooses"
        ));
    }
    let hint = match suggest::closest(name, methods.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("the methods are {}", methods.join(", ")),
    };
    Some(format!("no method is called `{name}`\n  = help: {hint}"))
}
