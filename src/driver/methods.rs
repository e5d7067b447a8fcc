//! The inference methods: functions of the library that take a model first and give a posterior, whichever language they are written in.

use super::library::FILES;
use crate::infer;

/// A method as the command line knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Method {
    pub name: &'static str,
    /// The names of its options, with the text of their defaults, in order.
    pub options: Vec<(&'static str, &'static str)>,
}

/// All methods, in the order in which they are listed.
pub fn methods() -> Vec<Method> {
    let written =
        FILES.iter().filter(|(path, _)| path.starts_with("stdlib/infer/")).flat_map(|(_, text)| headers(text));
    let mut all: Vec<Method> = infer::rows().map(|row| row.signature).chain(written).filter_map(method).collect();
    // The one that chooses comes first, the others by name.
    all.sort_by_key(|method| (method.name != "infer", method.name));
    all
}

/// The method of a name.
pub fn find(name: &str) -> Option<Method> {
    methods().into_iter().find(|method| method.name == name)
}

/// The heads of the functions of a file of the library.
fn headers(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.match_indices("\nfn ").filter_map(|(at, _)| {
        let rest = &text[at + 1..];
        let end = closing(rest)?;
        let tail = rest[end..].find(['\n', '{', '=']).unwrap_or(rest.len() - end);
        Some(rest[..end + tail].trim_end())
    })
}

/// The method that a signature declares, if it declares one.
fn method(signature: &'static str) -> Option<Method> {
    let open = signature.find('(')?;
    let close = closing(signature)?;
    let name = signature.get(3..open)?.trim();
    let (params, result) = (&signature[open + 1..close - 1], &signature[close..]);
    let mut params = split(params).into_iter();
    if !params.next()?.ends_with("() ~> a") || !result.trim_end().ends_with("> Posterior<a>") {
        return None;
    }
    let options = params.map(|param| {
        let (name, default) = param.split_once('=')?;
        let name = name.split(':').next().unwrap_or(name);
        Some((name.trim(), default.trim()))
    });
    Some(Method { name, options: options.collect::<Option<Vec<_>>>()? })
}

/// The place after the bracket that closes the first one.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(at + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Parameters, split at the commas outside brackets.
fn split(params: &'static str) -> Vec<&'static str> {
    let (mut depth, mut from, mut parts) = (0, 0, Vec::new());
    for (at, c) in params.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(params[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(params[from..].trim());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_from_their_heads() {
        let smc = find("smc").expect("the particle filter is a method");
        let names: Vec<&str> = smc.options.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["particles", "resampler", "threshold", "delay"]);
        assert_eq!(find("infer").map(|m| m.options[0]), Some(("draws", "1000")));
        for not in ["collapse", "spawn", "advance", "exactly"] {
            assert_eq!(find(not), None, "{not}");
        }
    }
}
