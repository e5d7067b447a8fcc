//! What validation found, in words and as JSON.

use crate::posterior::label::number;
use serde_json::{Value, json};
use std::fmt::Write;

/// How deep a check goes; the highest one reached is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The contracts of the parts compose.
    Static,
    /// Draws agree with what is known, within a stated error.
    Statistical,
    /// The code was run under every outcome, with continuous choices replaced by a few of their quantiles.
    Discretised,
    /// The code was run under every outcome.
    Exact,
}

impl Level {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Level::Static => "static",
            Level::Statistical => "statistical",
            Level::Discretised => "discretised",
            Level::Exact => "exact",
        }
    }
}

/// A value, and what it weighs in two measures that should be one.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub value: String,
    pub first: f64,
    pub second: f64,
}

/// Where two measures differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Counterexample {
    /// What the two columns are.
    pub columns: [String; 2],
    /// The greatest difference first.
    pub rows: Vec<Row>,
    /// The choices of a shortest run that ends in the first value.
    pub choices: Option<String>,
    /// What else helps to understand it.
    pub note: Option<String>,
}

/// How a check ended; with a sentence of details.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    Passed(String),
    Failed(String, Option<Counterexample>),
    /// It could not be made.
    Skipped(String),
}

/// One check of one part.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    pub level: Level,
    /// What was checked, as a program would write it.
    pub part: String,
    /// What should hold.
    pub claim: &'static str,
    pub verdict: Verdict,
}

/// All checks of a method on a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub model: String,
    /// The method or kernel, as a program would write it.
    pub subject: String,
    /// Whether the user named it.
    pub chosen: bool,
    pub checks: Vec<Check>,
    /// The first part that fails by itself.
    pub at_fault: Option<String>,
}

impl Report {
    /// Adds a check; tells whether it did not fail.
    pub fn add(&mut self, level: Level, part: impl Into<String>, claim: &'static str, verdict: Verdict) -> bool {
        let fine = !matches!(verdict, Verdict::Failed(..));
        self.checks.push(Check { level, part: part.into(), claim, verdict });
        fine
    }

    /// Whether nothing failed, and something deeper than contracts was checked.
    pub fn passed(&self) -> bool {
        self.failure().is_none() && self.reached() > Some(Level::Static)
    }

    /// The first check that failed.
    pub fn failure(&self) -> Option<&Check> {
        self.checks.iter().find(|check| matches!(check.verdict, Verdict::Failed(..)))
    }

    /// The deepest level at which a check passed.
    pub fn reached(&self) -> Option<Level> {
        let passed = self.checks.iter().filter(|check| matches!(check.verdict, Verdict::Passed(_)));
        passed.map(|check| check.level).max()
    }

    /// The report as a person reads it.
    pub fn text(&self) -> String {
        let mut out = format!("{} · {}", self.model, self.subject);
        out.push_str(if self.chosen { ", which infer takes\n\n" } else { "\n\n" });
        let width = |f: fn(&Check) -> usize| self.checks.iter().map(f).max().unwrap_or(0);
        let level_width = width(|check| check.level.word().len());
        let part_width = width(|check| check.part.chars().count());
        for check in &self.checks {
            let (word, detail) = match &check.verdict {
                Verdict::Passed(detail) => ("passed", detail),
                Verdict::Failed(detail, _) => ("FAILED", detail),
                Verdict::Skipped(why) => ("not possible", why),
            };
            let claim = if word == "passed" || word == "FAILED" { format!("{}: ", check.claim) } else { String::new() };
            let _ = writeln!(
                out,
                "  {:level_width$}  {:part_width$}  {word}: {claim}{detail}",
                check.level.word(),
                check.part
            );
        }
        out.push('\n');
        match self.failure() {
            Some(check) => {
                let _ = writeln!(
                    out,
                    "failed at the {} level in `{}`: {}",
                    check.level.word(),
                    check.part,
                    wrong(check.claim)
                );
                match &self.at_fault {
                    Some(part) if *part != check.part => {
                        let _ = writeln!(out, "first part at fault: `{part}`");
                    }
                    _ => {}
                }
                if let Verdict::Failed(_, Some(example)) = &check.verdict {
                    out.push('\n');
                    out.push_str(&example.text());
                }
            }
            None => match self.reached() {
                Some(level) if level > Level::Static => {
                    let _ = writeln!(out, "passed; the deepest level reached is {}", level.word());
                }
                _ => out.push_str("nothing could be checked beyond the contracts\n"),
            },
        }
        out
    }

    /// The report as one JSON object.
    pub fn json(&self) -> Value {
        let check = |check: &Check| {
            let (word, detail, example) = match &check.verdict {
                Verdict::Passed(detail) => ("passed", detail, None),
                Verdict::Failed(detail, example) => ("failed", detail, example.as_ref()),
                Verdict::Skipped(why) => ("skipped", why, None),
            };
            json!({
                "level": check.level.word(),
                "part": check.part,
                "claim": check.claim,
                "verdict": word,
                "detail": detail,
                "counterexample": example.map(Counterexample::json),
            })
        };
        json!({
            "model": self.model,
            "with": self.subject,
            "passed": self.passed(),
            "reached": self.reached().map(Level::word),
            "at_fault": self.failure().map(|check| self.at_fault.as_ref().unwrap_or(&check.part)),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
        })
    }
}

/// What is wrong when a claim does not hold.
fn wrong(claim: &str) -> String {
    claim.replacen(" is ", " is not ", 1).replacen("compose", "do not compose", 1)
}

impl Counterexample {
    /// A small table and a run.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let head = ["", &self.columns[0], &self.columns[1]].map(str::to_string);
        let rows: Vec<[String; 3]> = std::iter::once(head)
            .chain(self.rows.iter().map(|row| [row.value.clone(), short(row.first), short(row.second)]))
            .collect();
        let widths: Vec<usize> =
            (0..3).map(|k| rows.iter().map(|row| row[k].chars().count()).max().unwrap_or(0)).collect();
        for row in &rows {
            let line =
                format!("  {:a$}  {:>b$}  {:>c$}", row[0], row[1], row[2], a = widths[0], b = widths[1], c = widths[2]);
            let _ = writeln!(out, "{}", line.trim_end());
        }
        if let (Some(choices), Some(first)) = (&self.choices, self.rows.first()) {
            let _ = writeln!(out, "\n  a shortest run that gives {}: {choices}", first.value);
        }
        if let Some(note) = &self.note {
            let _ = writeln!(out, "\n  {}", note.replace('\n', "\n  "));
        }
        out
    }

    fn json(&self) -> Value {
        let row = |row: &Row| json!({"value": row.value, "expected": row.first, "found": row.second});
        json!({
            "columns": self.columns,
            "rows": self.rows.iter().map(row).collect::<Vec<_>>(),
            "choices": self.choices,
            "note": self.note,
        })
    }
}

/// A mass to six digits.
fn short(x: f64) -> String {
    if x == 0.0 || !x.is_finite() {
        return number(x);
    }
    let digits = (5 - x.abs().log10().floor() as i32).clamp(0, 17) as usize;
    let text = if (1e-6..1e7).contains(&x.abs()) { format!("{x:.digits$}") } else { return format!("{x:.5e}") };
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}
