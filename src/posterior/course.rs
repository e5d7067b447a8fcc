//! How a run went, in a few lines of text, from what its method noted.

use super::{Info, Posterior};
use std::fmt::Write;

/// Rates of acceptance that are written out.
const MOST_RATES: usize = 8;

impl Posterior {
    fn noted(&self, name: &str) -> Option<&Info> {
        self.info.iter().find(|(known, _)| known == name).map(|(_, info)| info)
    }

    fn number(&self, name: &str) -> Option<f64> {
        match self.noted(name)? {
            Info::Count(n) => Some(*n as f64),
            Info::Number(x) => Some(*x),
            _ => None,
        }
    }

    /// How particles fared and what moves were accepted, each in a line; nothing for other methods.
    pub fn course(&self) -> String {
        let mut out = String::new();
        if let (Some(particles), Some(least)) = (self.number("particles"), self.number("least_ess")) {
            let _ = write!(out, "{particles} particles: {least:.1} effective at the least");
            match (self.number("least_ess_step"), self.number("steps")) {
                (Some(step), Some(steps)) if steps > 1.0 => {
                    let _ = write!(out, ", at step {step} of {steps}");
                }
                _ => {}
            }
            if let (Some(ancestors), Some(true)) =
                (self.number("distinct_ancestors"), self.number("resamplings").map(|n| n > 0.0))
            {
                let _ = write!(out, "; {ancestors} of the first have descendants");
            }
            out.push('\n');
        }
        if let Some(Info::Table(rates)) = self.noted("acceptance")
            && !rates.is_empty()
        {
            let shown: Vec<String> =
                rates.iter().take(MOST_RATES).map(|(name, rate)| format!("{name} {rate:.2}")).collect();
            let rest = rates.len() - shown.len();
            let more = if rest > 0 { format!(", and {rest} more") } else { String::new() };
            let _ = writeln!(out, "accepted: {}{more}", shown.join(", "));
        }
        out
    }
}
