//! What is validated: a method as the user wrote it, applied to a model with as few particles as are asked for.

use crate::driver::subject::Part;
use crate::driver::{Failure, Session};

/// A method to be applied to a model.
#[derive(Clone, Debug)]
pub struct Subject {
    /// As the user wrote it.
    pub text: String,
    /// The function, and the arguments after the model as they were written.
    name: String,
    arguments: String,
    /// The parameter that says how many particles or runs there are, unless the user gave it.
    pub size: Option<String>,
    /// The parameters of the function.
    parameters: Vec<String>,
    /// It is a kernel, to be applied to traces of the model.
    pub is_kernel: bool,
}

/// The parameters that say how many runs a method holds.
const SIZES: [&str; 2] = ["particles", "draws"];

impl Subject {
    /// The method of a text such as `smc(particles = 3)`, `my_filter` or `m => smc(m, 3)`.
    ///
    /// # Errors
    /// When it is no call of a known function.
    pub fn parse(session: &mut Session, text: &str) -> Result<Subject, Failure> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(Failure::Usage("--with takes one line".into()));
        }
        let is_kernel = session.type_of(text).is_ok_and(|ty| ty == "Kernel");
        if text.contains("=>") || is_kernel {
            let name = format!("({text})");
            return Ok(Subject {
                text: text.into(),
                name,
                arguments: String::new(),
                size: None,
                parameters: Vec::new(),
                is_kernel,
            });
        }
        let (name, arguments) = match text.split_once('(') {
            Some((name, rest)) => match rest.trim_end().strip_suffix(')') {
                Some(arguments) => (name.trim(), arguments.trim()),
                None => return Err(usage(text)),
            },
            None => (text, ""),
        };
        if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.') {
            return Err(usage(text));
        }
        let Some(part) = session.part(name) else {
            return Err(Failure::Usage(format!(
                "no function is called `{name}`: --with takes a method of the library or of the file, such as `smc(particles = 3)`"
            )));
        };
        let parameters: Vec<String> = part.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let given = |size: &str| {
            arguments.split(',').any(|argument| argument.split('=').next().is_some_and(|name| name.trim() == size))
        };
        // A first argument without a name is the first parameter after the model.
        let first = arguments.split(',').next().is_some_and(|first| !first.trim().is_empty() && !first.contains('='));
        let size = SIZES.iter().find(|size| parameters.iter().any(|name| name == *size));
        let size = size.filter(|size| !(given(size) || first && parameters.get(1).is_some_and(|name| name == **size)));
        Ok(Subject {
            text: text.into(),
            name: name.into(),
            arguments: arguments.into(),
            size: size.map(|size| (*size).to_string()),
            parameters,
            is_kernel,
        })
    }

    /// The arguments that were given by name.
    pub fn named(&self) -> Vec<(String, String)> {
        let pair = |argument: &str| {
            let (name, value) = argument.split_once(" = ")?;
            Some((name.trim().to_string(), value.trim().to_string()))
        };
        super::chain::split(&self.arguments).into_iter().filter_map(pair).collect()
    }

    /// The chain of a kernel.
    pub fn chained(&self) -> Subject {
        Subject {
            text: self.text.clone(),
            name: "chain".into(),
            arguments: format!("kernel = {}", self.text),
            size: None,
            parameters: ["draws", "warmup", "chains"].map(String::from).to_vec(),
            is_kernel: true,
        }
    }

    /// The function that is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether the function comes with the language.
    pub fn is_library(&self, session: &mut Session) -> bool {
        session.part(&self.name).is_some_and(|part| part.library)
    }

    /// Whether the method draws nothing, so that many runs of it tell no more than one.
    pub fn gives_exact(&self, session: &mut Session) -> bool {
        session.part(&self.name).is_some_and(|part| part.signature.contains(") -> "))
    }

    /// The call on a model, with further options where the method has them and the user did not give them.
    pub fn call(&self, model: &str, options: &[(&str, &str)]) -> String {
        let mut call = format!("{}({model}", self.name);
        if !self.arguments.is_empty() {
            call.push_str(&format!(", {}", self.arguments));
        }
        for (name, value) in options {
            let given = self.arguments.split(',').any(|a| a.split('=').next().is_some_and(|n| n.trim() == *name));
            if self.parameters.iter().any(|known| known == name) && !given {
                call.push_str(&format!(", {name} = {value}"));
            }
        }
        call.push(')');
        call
    }

    /// The call on a model with so many particles.
    pub fn sized(&self, model: &str, size: Option<usize>) -> String {
        match (&self.size, size) {
            (Some(name), Some(size)) => self.call(model, &[(name, &size.to_string())]),
            _ => self.call(model, &[]),
        }
    }

    /// The functions of which it is composed, inner ones first.
    pub fn parts(&self, session: &mut Session) -> Vec<Part> {
        session.parts(&self.text)
    }
}

fn usage(text: &str) -> Failure {
    Failure::Usage(format!(
        "--with takes a call such as `smc(particles = 3)` or the name of a function, found `{text}`"
    ))
}
