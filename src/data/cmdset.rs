//! Data of the command line: `--set NAME=VALUE`.

use super::{DataError, Entry, Place, json};

/// The entry of one `--set`. The value is JSON, or such words as `inf`, `-0.5`, `[a, b]`, `{x: 1}`.
///
/// # Errors
/// When there is no `=`, the name is no identifier, or the brackets of the value do not match.
pub fn read(text: &str) -> Result<Entry, DataError> {
    let place = Place { file: format!("--set {text}").into(), line: 0, column: 0 };
    let Some((name, value)) = text.split_once('=') else {
        return Err(DataError::at(place, format!("expected NAME=VALUE, found `{text}`"))
            .hint("write --set n=10 or --set 'y=[1, 2, 3]'"));
    };
    let name = name.trim();
    let identifier = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if !identifier {
        return Err(DataError::at(place, format!("expected a name before `=`, found `{name}`")));
    }
    if value.trim().is_empty() {
        return Err(DataError::at(place, format!("expected a value after `{name}=`, found nothing")));
    }
    let value = json::parse_relaxed(&format!("--set {name}"), value)?;
    Ok((name.to_string(), value))
}
