//! The JSON object of a result, as `borel run --format json` prints it.

use super::summary::Report;
use super::{Info, Point, Posterior, Summary};
use serde_json::{Map, Value, json};

impl Posterior {
    /// The result as one JSON object. Numbers that are not finite are `null`.
    pub fn to_json(&self, report: &Report) -> Value {
        let mut variables = Map::new();
        for summary in &report.summaries {
            variables.insert(summary.name.clone(), variable(summary));
        }
        let mut diagnostics = Map::new();
        for (name, info) in &self.info {
            diagnostics.insert(name.clone(), info_value(info));
        }
        if let Some(mass) = self.remainder {
            diagnostics.insert("remainder".into(), number(mass));
        }
        if self.weights().is_some() && !self.exact {
            diagnostics.insert("weight_ess".into(), number(self.weight_ess()));
        }
        if !report.skipped.is_empty() {
            let skipped = report.skipped.iter().map(|(name, why)| (name.clone(), json!(why))).collect();
            diagnostics.insert("without_summary".into(), Value::Object(skipped));
        }
        json!({
            "model": self.model,
            "method": self.method,
            "seed": self.seed,
            "chains": self.chains.len(),
            "draws": self.chains.iter().map(|chain| chain.draws.len()).max().unwrap_or(0),
            "log_evidence": self.log_evidence.map_or(Value::Null, number),
            "log_evidence_se": self.log_evidence_se.map_or(Value::Null, number),
            "seconds": {
                "compile": number(self.seconds.compile),
                "warmup": number(self.seconds.warmup),
                "sampling": number(self.seconds.sampling),
            },
            "variables": variables,
            "diagnostics": diagnostics,
            "warnings": report.warnings.iter().map(|warning| warning.message()).collect::<Vec<_>>(),
        })
    }
}

/// A number, or `null` when it is not finite.
pub(crate) fn number(x: f64) -> Value {
    serde_json::Number::from_f64(x).map_or(Value::Null, Value::Number)
}

fn variable(summary: &Summary) -> Value {
    let mut object = Map::new();
    if summary.kind != super::flatten::Kind::Categorical {
        for (name, x) in [
            ("mean", summary.mean),
            ("sd", summary.sd),
            ("mcse_mean", summary.mcse_mean),
            ("mcse_sd", summary.mcse_sd),
            ("q05", summary.q05),
            ("q50", summary.q50),
            ("q95", summary.q95),
            ("ess_bulk", summary.ess_bulk),
            ("ess_tail", summary.ess_tail),
            ("r_hat", summary.r_hat),
        ] {
            object.insert(name.into(), number(x));
        }
    }
    if let Some(support) = &summary.support {
        object.insert("support".into(), support.iter().map(|(point, _)| point_value(point)).collect());
        object.insert("probs".into(), support.iter().map(|(_, p)| number(*p)).collect());
    }
    if summary.share < 1.0 {
        object.insert("share".into(), number(summary.share));
    }
    Value::Object(object)
}

fn point_value(point: &Point) -> Value {
    match point {
        Point::Real(x) => number(*x),
        Point::Int(n) => json!(n),
        Point::Bool(b) => json!(b),
        Point::Text(text) => json!(text),
    }
}

pub(crate) fn info_value(info: &Info) -> Value {
    match info {
        Info::Count(n) => json!(n),
        Info::Number(x) => number(*x),
        Info::Text(text) => json!(text),
        Info::Numbers(xs) => xs.iter().map(|x| number(*x)).collect(),
        Info::Table(rows) => Value::Object(rows.iter().map(|(name, x)| (name.clone(), number(*x))).collect()),
    }
}
