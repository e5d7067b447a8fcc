//! The commands of the REPL, which begin with a colon.

use crate::source::suggest;

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Command<'t> {
    /// `:type e`
    Type(&'t str),
    /// `:help NAME`, or `:help` alone
    Help(Option<&'t str>),
    /// `:load FILE`
    Load(&'t str),
    /// `:reload`
    Reload,
    /// `:quit`
    Quit,
}

/// All commands by name, for completion.
pub const NAMES: [&str; 5] = [":type", ":help", ":load", ":reload", ":quit"];

/// What `:help` alone prints.
pub const LIST: &str = "\
:type EXPRESSION  the type of an expression or a name
:help NAME        the documentation of a name
:load FILE        read a program and run its statements
:reload           begin anew with the files that were loaded
:quit             end the session (also Ctrl-D)

Anything else is evaluated: items, statements and expressions. Open brackets go on in the next line.
Ctrl-C drops the line, or stops the evaluation that runs.";

impl Command<'_> {
    /// The command of a line; none if it is not one, an error in words if it is one that does not exist.
    pub fn of(line: &str) -> Option<Result<Command<'_>, String>> {
        let line = line.trim();
        let rest = line.strip_prefix(':')?;
        let (name, argument) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let argument = argument.trim();
        let needs = |what: &str| Err(format!("error: `:{name}` takes {what}, such as `:{name} {}`", example(name)));
        Some(match (name, argument) {
            ("type" | "t", "") => needs("an expression"),
            ("type" | "t", text) => Ok(Command::Type(text)),
            ("help" | "h" | "?", "") => Ok(Command::Help(None)),
            ("help" | "h" | "?", name) => Ok(Command::Help(Some(name))),
            ("load" | "l", "") => needs("a file"),
            ("load" | "l", path) => Ok(Command::Load(path)),
            ("reload" | "r", _) => Ok(Command::Reload),
            ("quit" | "q" | "exit", _) => Ok(Command::Quit),
            _ => {
                let word = format!(":{name}");
                let hint = match suggest::closest(&word, NAMES.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`:help` lists the commands".to_string(),
                };
                Err(format!("error: no command is called `{word}`\n  = help: {hint}"))
            }
        })
    }
}

fn example(name: &str) -> &'static str {
    if name.starts_with('t') { "1 + 2" } else { "model.borel" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_programs() {
        assert_eq!(Command::of("1 + 2"), None);
        assert_eq!(Command::of(" :type x => x\n"), Some(Ok(Command::Type("x => x"))));
        assert_eq!(Command::of(":help"), Some(Ok(Command::Help(None))));
        assert_eq!(Command::of(":q"), Some(Ok(Command::Quit)));
        assert!(Command::of(":laod x").unwrap().unwrap_err().contains("did you mean `:load`?"));
        assert!(Command::of(":load").unwrap().unwrap_err().contains("takes a file"));
    }
}
