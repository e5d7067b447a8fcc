//! The static level: whether what the parts of a method declare adds up to what the method promises.

use super::report::Verdict;
use crate::driver::subject::Part;

/// Whether the contracts of parts compose: nothing biased may be part of what is to be exact.
///
/// Parts that keep the unnormalised measure do so in any order, and so does one that moves along a kernel for which the posterior is
/// invariant. Functions without a contract are named: only the checks that run them can tell.
pub fn check(parts: &[Part]) -> Verdict {
    let biased: Vec<&Part> = parts.iter().filter(|part| part.contract.as_deref() == Some("biased")).collect();
    if let Some(part) = biased.first() {
        return Verdict::Failed(
            format!("`{}` declares itself biased, so nothing that uses it is exact", part.name),
            None,
        );
    }
    const KNOWN: [&str; 3] = ["preserves", "invariant", "unbiased"];
    let strange = parts.iter().find(|part| part.contract.as_deref().is_some_and(|word| !KNOWN.contains(&word)));
    if let Some(part) = strange {
        let word = part.contract.as_deref().unwrap_or_default();
        return Verdict::Failed(
            format!(
                "`{}` declares the contract `{word}`, which is none: there are preserves, invariant, unbiased and biased",
                part.name
            ),
            None,
        );
    }
    let named = |parts: Vec<&Part>| parts.iter().map(|part| format!("`{}`", part.name)).collect::<Vec<_>>().join(", ");
    let declared: Vec<String> =
        parts.iter().filter_map(|part| Some(format!("`{}` {}", part.name, part.contract.as_deref()?))).collect();
    let silent: Vec<&Part> = parts.iter().filter(|part| part.contract.is_none()).collect();
    let mut text = if declared.is_empty() { "no part declares a contract".to_string() } else { declared.join(", ") };
    if !silent.is_empty() {
        text.push_str(&format!("; {} without a contract, checked below only", named(silent)));
    }
    Verdict::Passed(text)
}
