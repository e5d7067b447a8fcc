//! `borel explain`: the plan of a model in words, and its program after any pass.

use super::{Failure, File, ModelInfo, Session, alignment, density, plan, prepare};
use crate::core::ir::{Program, SiteKind};
use crate::core::print;
use crate::exec::view::{Host, Model, Start};
use crate::model::density::{Density as _, Target};
use crate::passes;
use crate::passes::delay::{Fate, Relation};
use crate::source::{Severity, Span};
use std::fmt::Write as _;
use std::sync::Arc;

impl Session {
    /// The plan of a model: its choices and weights, the views it has, the method that `infer` would take.
    pub fn explain(&mut self, file: &File, model: Option<&str>) -> Result<String, Failure> {
        let info = self.planned(file, model)?;
        let mut program = self.program_of(&info)?;
        let plain = program.clone();
        let found = prepare::improve(&mut program);
        if found.iter().any(|d| d.severity == Severity::Error) {
            return Err(Failure::Diagnostics(found));
        }
        let code = Arc::new(prepare::code(&program)?);
        let host: Arc<dyn Host> = Arc::clone(&self.host) as Arc<dyn Host>;
        let start = Start::Func(code.entry);
        let limits = self.options.limits;
        let model = Model::new(Arc::clone(&code), start, host, limits);
        let plan = plan::full(&model);
        let mut out = String::new();
        let _ = writeln!(out, "model {}\n", info.name);
        let mut rows: Vec<[String; 5]> = Vec::new();
        let mut seen = std::collections::BTreeSet::new();
        for func in plan::reachable(&code, &model.start) {
            let func = &code.funcs[func as usize];
            for sample in &func.samples {
                seen.insert(sample.site);
            }
            for score in &func.scores {
                seen.insert(score.site);
            }
        }
        for id in seen {
            let site = &code.sites[id as usize];
            let place = self.checker.sources.place(site.span).unwrap_or_default();
            let line = place.rsplit(':').nth(1).unwrap_or("").to_string();
            let what = match site.kind {
                SiteKind::Sample if site.forward_only => "choice (prediction)",
                SiteKind::Sample => "choice",
                SiteKind::Observe => "observation",
                SiteKind::Factor => "factor",
                SiteKind::Call => continue,
            };
            let dist = self.distribution_of(&code, id);
            rows.push([what.into(), site.name.to_string(), site.ty.to_string(), dist, line]);
        }
        let head = ["what", "name", "type", "distribution, support", "line"].map(String::from);
        let widths: Vec<usize> =
            (0..5).map(|k| rows.iter().chain([&head]).map(|row| row[k].chars().count()).max().unwrap_or(0)).collect();
        for row in std::iter::once(&head).chain(&rows) {
            let mut line = String::from("  ");
            for (cell, width) in row.iter().zip(&widths) {
                let _ = write!(line, "{cell:width$}  ");
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
        out.push_str("\nviews\n");
        match &plan.improper {
            None => out.push_str("  forward   runs from start to end: importance, rejection\n"),
            Some(name) => {
                let _ = writeln!(
                    out,
                    "  forward   no: `{name}` cannot be drawn from; mh can start it anywhere in its support"
                );
            }
        }
        out.push_str("  traced    choices have addresses: mh\n");
        match (&plan.improper, plan.unconditioned) {
            (None, false) => {
                out.push_str("  stepped   pauses at each weight: smc\n");
                let uneven: Vec<String> = alignment::uneven(&program)
                    .into_iter()
                    .map(|site| &program.sites[site.0 as usize])
                    .map(|site| {
                        let place = self.checker.sources.place(site.span).unwrap_or_default();
                        format!("`{}` (line {})", site.name, place.rsplit(':').nth(1).unwrap_or(""))
                    })
                    .collect();
                if !uneven.is_empty() {
                    let _ = writeln!(
                        out,
                        "            not every run need meet {}: particles are matched there by place, and wait for each other",
                        uneven.join(", ")
                    );
                }
                self.explain_delay(&plain, &mut out);
            }
            (None, true) => out.push_str("  stepped   no: nothing is observed, so there is nothing to pause at\n"),
            (Some(name), _) => {
                let _ = writeln!(out, "  stepped   no: `{name}` cannot be drawn from");
            }
        }
        match density::view(model.clone(), Target::Joint) {
            Ok(view) => {
                let _ = writeln!(out, "  density   differentiable, over {} unconstrained coordinates", view.dim());
                for (name, family) in plan.conjugate.iter().flatten().take(20) {
                    let _ = writeln!(out, "            conjugate: `{name}` {family}");
                }
                for (steps, states) in view.recursions() {
                    let _ = writeln!(out, "            a forward recursion: {steps} steps over {states} states");
                }
                for (name, span, way) in view.summed_out() {
                    let place = self.checker.sources.place(span).unwrap_or_default();
                    let line = place.rsplit(':').nth(1).map(|line| format!(" (line {line})")).unwrap_or_default();
                    let _ = writeln!(out, "            `{name}`{line} is summed out and drawn back: {way}");
                }
            }
            Err(fault) => {
                let place = self.checker.sources.place(fault.span).unwrap_or_default();
                let line = place.rsplit(':').nth(1).map(|line| format!(" (line {line})")).unwrap_or_default();
                let why = fault.message.trim_start_matches("this model has no gradient: ");
                let _ = writeln!(out, "  density   no: {why}{line}");
            }
        }
        match &plan.continuous {
            None => out.push_str("  branching every choice is finite or countable: enumerate\n"),
            Some(name) => {
                let _ = writeln!(out, "  branching no: `{name}` is continuous");
            }
        }
        let _ = writeln!(
            out,
            "\ninfer takes {}",
            plan.reason(plan.sampler(), Some(plan.not_enumerable()).filter(|_| !plan.enumerable).as_deref())
        );
        Ok(out)
    }

    /// The choices that filters delay, and those that they could not.
    fn explain_delay(&self, program: &Program, out: &mut String) {
        let line = |span: Span| {
            let place = self.checker.sources.place(span).unwrap_or_default();
            place.rsplit(':').nth(1).unwrap_or("").to_string()
        };
        for Relation { name, span, family, fate } in prepare::relations(program) {
            let what = format!("`{name}` (line {}, {family})", line(span));
            let _ = match fate {
                Fate::Delayed(observed) => {
                    let mut lines: Vec<String> = observed.into_iter().map(line).collect();
                    lines.dedup();
                    let s = if lines.len() == 1 { "" } else { "s" };
                    writeln!(
                        out,
                        "            {what} is integrated out of what is observed at line{s} {}",
                        lines.join(", ")
                    )
                }
                Fate::Drawn(why, None) => writeln!(out, "            {what} is drawn at once: {why}"),
                Fate::Drawn(why, Some(span)) => {
                    writeln!(out, "            {what} is drawn at once: {why} (line {})", line(span))
                }
            };
        }
    }

    /// The model to speak of.
    fn planned(&self, file: &File, model: Option<&str>) -> Result<ModelInfo, Failure> {
        if model.is_none() && self.models(file).is_empty() {
            return Err(Failure::Usage(format!(
                "{} has no model, and only models have a plan; write what is inferred as `model m {{ … }}`",
                file.name
            )));
        }
        self.pick_model(file, model)
    }

    /// The distribution at a site and its support, as far as they are known before the run.
    fn distribution_of(&self, code: &crate::exec::machine::Code, site: u32) -> String {
        use crate::exec::machine::code::DistArg;
        for func in &code.funcs {
            if let Some(sample) = func.samples.iter().find(|s| s.site == site) {
                return match &sample.dist {
                    DistArg::Known { dist, .. } => {
                        let dist = &code.dists[*dist as usize];
                        let product = if dist.lifted { " (product)" } else { "" };
                        match self.support_text(dist.name.as_str()) {
                            Some(support) => format!("{}{product} on {support}", dist.name),
                            None => format!("{}{product}", dist.name),
                        }
                    }
                    DistArg::Value(_) => "decided by the run".to_string(),
                };
            }
        }
        String::new()
    }

    /// The text after `on` in the declaration of a distribution.
    fn support_text(&self, name: &str) -> Option<String> {
        self.checker.ast.items.iter().rev().find_map(|item| match &item.kind {
            crate::syntax::ast::ItemKind::Dist(decl) if decl.name.name.as_str() == name => {
                Some(self.checker.sources.text(self.checker.ast.expr(decl.support).span).to_string())
            }
            _ => None,
        })
    }

    /// The program of a model after a pass (`lower` is before all of them).
    pub fn explain_pass(&mut self, file: &File, model: Option<&str>, pass: &str) -> Result<String, Failure> {
        let names: Vec<&str> = passes::PASSES.iter().map(|p| p.name).collect();
        if pass != "lower" && !names.contains(&pass) {
            return Err(Failure::Usage(format!("no pass is called `{pass}`; there are lower, {}", names.join(", "))));
        }
        let info = self.planned(file, model)?;
        let mut program = self.program_of(&info)?;
        let context = prepare::context();
        if pass != "lower" {
            for each in passes::PASSES {
                // What only filters run is shown only if it is asked for.
                if each.name == "delay" && pass != "delay" {
                    continue;
                }
                let found = (each.run)(&mut program, &context);
                if found.iter().any(|d| d.severity == Severity::Error) {
                    return Err(Failure::Diagnostics(found));
                }
                if each.name == pass {
                    break;
                }
            }
        }
        // What is shown is only what the model uses.
        if let Some(prune) = passes::PASSES.iter().find(|p| p.name == "prune") {
            (prune.run)(&mut program, &context);
        }
        Ok(print::print_with(&program, 16))
    }
}
