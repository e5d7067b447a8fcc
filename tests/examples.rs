//! The examples: what each says with a fixed seed, and the known answers that it asserts itself.

#[path = "support/programs.rs"]
#[allow(dead_code, reason = "each test file uses a part")]
mod programs;

use borel::driver::{File, Inferred, Options, Session};
use borel::posterior::{Point, Summary};
use borel::source::world::Stream;
use borel::source::{MemoryWorld, World};
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

/// Options that keep each example short; a method takes those that it has.
const LENGTH: &[(&str, &str)] = &[("draws", "500")];

/// A number with ten decimals.
fn exact(x: f64) -> String {
    format!("{x:.10}")
}

/// An estimate to the leading digit of the standard deviation of what it estimates.
fn estimate(mean: f64, sd: f64) -> String {
    let scale = if sd > 0.0 { sd } else { mean.abs() };
    if !mean.is_finite() || !scale.is_finite() || scale == 0.0 {
        return mean.to_string();
    }
    let place = scale.log10().floor() as i32;
    let unit = 10f64.powi(place);
    let digits = (-place).max(0) as usize;
    // Adding 0 turns a negative zero into zero.
    format!("{:.digits$}", (mean / unit).round() * unit + 0.0)
}

fn point(point: &Point) -> String {
    match point {
        Point::Real(x) => exact(*x),
        Point::Int(n) => n.to_string(),
        Point::Bool(b) => b.to_string(),
        Point::Text(text) => text.clone(),
    }
}

fn line(summary: &Summary, is_exact: bool) -> String {
    let mut line = format!("{}:", summary.name);
    if !summary.mean.is_nan() {
        let shown = if is_exact { exact(summary.mean) } else { estimate(summary.mean, summary.sd) };
        let _ = write!(line, " {shown}");
    }
    if let (true, Some(support)) = (is_exact, &summary.support) {
        for (value, probability) in support.iter().take(5) {
            let _ = write!(line, "  {} {}", point(value), exact(*probability));
        }
    }
    line
}

/// Model, method and variables of a posterior, without anything that changes from machine to machine.
fn rendering(inferred: &Inferred) -> String {
    let posterior = &inferred.posterior;
    let mut text = format!("{} by {}\n", inferred.model, inferred.method);
    if let (true, Some(log_evidence)) = (posterior.exact, posterior.log_evidence) {
        let _ = writeln!(text, "log evidence: {}", exact(log_evidence));
    }
    for summary in posterior.report(false).summaries {
        let _ = writeln!(text, "{}", line(&summary, posterior.exact));
    }
    text
}

/// What an example says: the posterior of each model that it would infer.
fn said(path: &Path) -> String {
    let mut program = programs::load(path, 1, None).unwrap_or_else(|message| panic!("{message}"));
    let models: Vec<String> =
        program.0.models(&program.1).into_iter().filter(|m| m.arguments == 0).map(|m| m.name).collect();
    let mut text = String::new();
    for model in models {
        match programs::infer(&mut program, Some(&model), None, LENGTH) {
            Ok(inferred) => text.push_str(&rendering(&inferred)),
            Err(message) => panic!("{message}"),
        }
    }
    if text.is_empty() { printed(path) } else { text }
}

/// What a script without models prints, its numbers cut to what does not change from machine to machine.
fn printed(path: &Path) -> String {
    let source = std::fs::read_to_string(path).expect("the example can be read");
    let world = Arc::new(MemoryWorld::default());
    let mut session = Session::new(Arc::clone(&world) as Arc<dyn World>, Options { seed: 1, ..Options::default() });
    let run = session.load_text("example.borel", &source).and_then(|file| {
        session.bind_data(&[])?;
        session.run(&file)
    });
    if let Err(failure) = run {
        panic!("{}", session.render_failure(&failure, false));
    }
    let mut text = String::new();
    for word in world.written(Stream::Out).split_inclusive([' ', '\n', ',', '[', ']']) {
        let bare = word.trim_end_matches([' ', '\n', ',', '[', ']']);
        match bare.parse::<f64>() {
            Ok(x) if bare.contains('.') => text.push_str(&word.replacen(bare, &format!("{x:.8}"), 1)),
            _ => text.push_str(word),
        }
    }
    text
}

#[test]
fn every_example_says_what_was_agreed() {
    insta::glob!("..", "examples/*.borel", |path| {
        let text = said(path);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(text);
        });
    });
}

/// The failures of the tests of an example, and how many it has.
fn failures((session, file): &mut (Session, File), name: &str) -> (Vec<String>, usize) {
    session.print_to(Stream::Error);
    if let Err(failure) = session.prepare(file) {
        return (vec![format!("{name}: {}", session.render_failure(&failure, false))], 0);
    }
    let results = session.tests(file);
    let mut failed = Vec::new();
    for result in &results {
        if std::env::var_os("BOREL_TEST_SECONDS").is_some() {
            eprintln!("{name}: {} {:.2} s", result.name, result.seconds);
        }
        if let Err(failure) = &result.outcome {
            failed.push(format!("{name}: \"{}\": {}", result.name, session.render_failure(failure, false)));
        }
    }
    (failed, results.len())
}

#[test]
fn every_example_keeps_its_answer() {
    let mut failed = Vec::new();
    for path in programs::programs("examples") {
        let name = programs::stem(&path);
        match programs::load(&path, 1, None) {
            Err(message) => failed.push(message),
            Ok(mut program) => {
                let (messages, count) = failures(&mut program, &name);
                if messages.is_empty() && count == 0 {
                    failed.push(format!("{name} has no test"));
                }
                failed.extend(messages);
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

#[test]
fn scripts_run() {
    for path in programs::programs("examples") {
        let (mut session, file) = programs::load(&path, 1, None).unwrap_or_else(|message| panic!("{message}"));
        session.print_to(Stream::Error);
        if session.has_statements(&file)
            && let Err(failure) = session.run(&file)
        {
            panic!("{}", session.render_failure(&failure, false));
        }
    }
}
