//! The summary of a posterior as an aligned text table.

use super::flatten::Kind;
use super::label;
use super::summary::Report;
use super::{Point, Posterior, Summary};

/// Values of one variable that the table of probabilities shows.
const MOST_POINTS: usize = 20;

/// How much of a summary is shown.
#[derive(Clone, Copy, Debug)]
pub struct TableOptions {
    /// Rows of variables, before the rest is only counted.
    pub most_rows: usize,
}

impl Default for TableOptions {
    fn default() -> TableOptions {
        TableOptions { most_rows: 40 }
    }
}

impl Posterior {
    /// The summary as a person reads it, without a header line and without warnings; it ends in a newline unless empty.
    /// Numbers have as many digits as their Monte Carlo error lets one trust.
    pub fn table(&self, report: &Report, options: &TableOptions) -> String {
        let shown = &report.summaries[..report.summaries.len().min(options.most_rows)];
        let mut out = String::new();
        let numeric: Vec<&Summary> = shown.iter().filter(|summary| summary.kind != Kind::Categorical).collect();
        if !numeric.is_empty() {
            out.push_str(&align(&self.numeric_rows(&numeric), 1));
        }
        let points: Vec<&Summary> =
            shown.iter().filter(|s| self.exact && !self.point || s.kind == Kind::Categorical).collect();
        let rows = self.probability_rows(&points);
        if rows.len() > 1 {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&align(&rows, 2));
        }
        let hidden = report.summaries.len() - shown.len();
        if hidden > 0 {
            out.push_str(&format!("… and {hidden} more (use --all)\n"));
        }
        for summary in shown.iter().filter(|summary| summary.share < 1.0) {
            out.push_str(&format!("{} exists in {:.1} % of the draws\n", summary.name, 100.0 * summary.share));
        }
        for (name, why) in &report.skipped {
            out.push_str(&format!("{name} is {why} and has no summary\n"));
        }
        out
    }

    /// The table of a posterior with the usual options.
    pub fn summary_table(&self) -> String {
        self.table(&self.report(false), &TableOptions::default())
    }

    fn numeric_rows(&self, summaries: &[&Summary]) -> Vec<Vec<String>> {
        if self.point {
            let header = vec![String::new(), "value".into()];
            let row = |summary: &&Summary| vec![summary.name.clone(), significant(summary.mean, 6)];
            return std::iter::once(header).chain(summaries.iter().map(row)).collect();
        }
        let weighted = self.weights().is_some();
        let mut header = vec!["", "mean", "sd", "q05", "q50", "q95"];
        if !self.exact {
            header.extend(["mcse_mean", "ess_bulk", "ess_tail"]);
        }
        if !weighted {
            header.push("r_hat");
        }
        let mut rows = vec![header.into_iter().map(String::from).collect::<Vec<_>>()];
        for summary in summaries {
            let show = |x: f64| if self.exact { significant(x, 6) } else { to_error(x, summary.mcse_mean) };
            let mut row = vec![summary.name.clone()];
            row.extend([summary.mean, summary.sd, summary.q05, summary.q50, summary.q95].map(show));
            if !self.exact {
                row.push(significant(summary.mcse_mean, 2));
                row.extend([summary.ess_bulk, summary.ess_tail].map(|x| fixed(x, 0)));
            }
            if !weighted {
                row.push(fixed(summary.r_hat, 3));
            }
            rows.push(row);
        }
        rows
    }

    fn probability_rows(&self, summaries: &[&Summary]) -> Vec<Vec<String>> {
        let mut rows = vec![vec![String::new(), "value".into(), "prob".into()]];
        for summary in summaries {
            let Some(support) = &summary.support else { continue };
            let shown = support.len().min(MOST_POINTS);
            for (i, (point, p)) in support[..shown].iter().enumerate() {
                let name = if i == 0 { summary.name.clone() } else { String::new() };
                let prob = if self.exact { significant(*p, 6) } else { fixed(*p, 3) };
                rows.push(vec![name, point_text(point), prob]);
            }
            if support.len() > shown {
                let rest: f64 = support[shown..].iter().map(|(_, p)| p).sum();
                let more = format!("… and {} more", support.len() - shown);
                rows.push(vec![String::new(), more, significant(rest, 6)]);
            }
        }
        rows
    }
}

fn point_text(point: &Point) -> String {
    match point {
        Point::Real(x) => significant(*x, 6),
        Point::Int(n) => n.to_string(),
        Point::Bool(b) => b.to_string(),
        Point::Text(text) => text.replace('\n', "\\n"),
    }
}

/// Rows as lines; the first `left` columns are aligned to the left, the others to the right.
fn align(rows: &[Vec<String>], left: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count()).max();
    let widths: Vec<usize> = (0..count).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).enumerate().map(|(i, (text, width))| {
            let pad = " ".repeat(width - text.chars().count());
            if i < left { format!("{text}{pad}") } else { format!("{pad}{text}") }
        });
        out.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A number to the decimal at which its standard error begins: `4.40` for an error of 0.05.
fn to_error(x: f64, error: f64) -> String {
    if !(error > 0.0 && error.is_finite()) {
        return significant(x, 6);
    }
    let decimals = (-error.log10().floor()).max(0.0);
    if decimals > 9.0 || x.abs() >= 1e9 {
        // As many digits as there are between the number and its error.
        let digits = (x.abs().max(error).log10().floor() - error.log10().floor()).clamp(0.0, 15.0);
        return scientific(x, digits as usize);
    }
    fixed(x, decimals as usize)
}

fn fixed(x: f64, decimals: usize) -> String {
    if !x.is_finite() {
        return if x.is_nan() { "–".into() } else { label::number(x) };
    }
    let text = format!("{x:.decimals$}");
    // A rounded zero has no sign.
    if text.starts_with('-') && text.chars().all(|c| "-0.".contains(c)) { text[1..].to_string() } else { text }
}

fn scientific(x: f64, digits: usize) -> String {
    if x.is_finite() { format!("{x:.digits$e}") } else { fixed(x, 0) }
}

/// A number to so many significant digits, without trailing zeros.
fn significant(x: f64, digits: usize) -> String {
    if !x.is_finite() || x == 0.0 {
        return fixed(x, 0);
    }
    let exponent = x.abs().log10().floor();
    if !(-5.0..9.0).contains(&exponent) {
        return scientific(x, digits - 1);
    }
    let decimals = (digits as f64 - 1.0 - exponent).max(0.0) as usize;
    let text = fixed(x, decimals);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_follow_the_error() {
        assert_eq!(to_error(4.39676, 0.05), "4.40");
        assert_eq!(to_error(4.39676, 0.0031), "4.397");
        assert_eq!(to_error(1234.5, 12.0), "1234");
        assert_eq!(to_error(-0.001, 0.05), "0.00");
        assert_eq!(to_error(3.2e-14, 1.0e-15), "3.2e-14");
        assert_eq!(to_error(f64::NAN, 0.1), "–");
        assert_eq!(to_error(1.0, 0.0), "1");
        assert_eq!(significant(2.0 / 3.0, 6), "0.666667");
        assert_eq!(significant(0.0512, 2), "0.051");
        assert_eq!(significant(123456.7, 2), "123457");
        assert_eq!(significant(-1e300, 6), "-1.00000e300");
    }
}
