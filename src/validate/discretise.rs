//! Continuous choices replaced by a few of their quantiles, so that the exact level applies to the same code.
//!
//! The text of the program is rewritten: `x ~ Normal(0, 1)` draws from the quantiles of that distribution at evenly spaced probabilities.
//! What is inferred is another model, the same for both sides of each comparison; the code that infers it is the same.

use crate::driver::{Failure, File, ModelInfo, Session};
use std::fmt::Write;

/// A program whose continuous choices take this many values each; none if no choice could be replaced.
pub fn rewritten(
    session: &mut Session,
    file: &File,
    info: &ModelInfo,
    points: usize,
) -> Result<Option<String>, Failure> {
    let places = session.continuous_choices(file, info)?;
    let mut text = session.file_text(file).to_string();
    if places.is_empty() {
        return Ok(None);
    }
    // From the last to the first, so that the places before stay where they are.
    for (start, end) in places.into_iter().rev() {
        let Some(dist) = text.get(start..end).map(str::to_string) else { continue };
        let mut values = String::new();
        for k in 0..points {
            let probability = (k as f64 + 0.5) / points as f64;
            // Writing to a string cannot fail.
            let _ = write!(values, "{}quantile({dist}, {probability:?})", if k > 0 { ", " } else { "" });
        }
        text.replace_range(start..end, &format!("Choice([{values}])"));
    }
    Ok(Some(text))
}
