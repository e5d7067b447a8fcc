//! The standard library against its own documentation: every example is true, every derivative is the derivative.

#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::SourceMap;
use borel::source::world::OsWorld;
use borel::syntax::ast::{Ast, Doc, FnKind, ItemKind, StmtKind};
use borel::syntax::parser::parse;
use borel::value::Value;
use borel::{infer, prim};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Runs on a stack as deep as the command's.
fn deep(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 28).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn session() -> Session {
    Session::new(Arc::new(OsWorld::default()), Options::default())
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|e| e == "borel") {
            found.push(path);
        }
    }
}

/// An item of the library or a row: where it is, its name, whether it is random, its documentation.
struct Entry {
    place: String,
    random: bool,
    /// Whether the declaration is that of a distribution.
    dist: bool,
    text: String,
    examples: Vec<String>,
}

/// The documented items of a file of the library.
fn items(path: &Path) -> Vec<Entry> {
    let text = std::fs::read_to_string(path).unwrap();
    let (mut ast, mut sources) = (Ast::default(), SourceMap::default());
    let short = path.strip_prefix(root()).unwrap().display().to_string();
    let file = sources.add(short.as_str(), text.as_str());
    let (module, found) = parse(&mut ast, file, &text);
    assert!(found.is_empty(), "{short}: {}", found[0].render(&sources, false));
    let mut entries = Vec::new();
    for item in &module.items {
        let node = ast.item(*item);
        let (name, random, dist) = match &node.kind {
            ItemKind::Fn(decl) => {
                let at = node.span.start as usize..node.span.end as usize;
                let head = text[at].lines().next().unwrap_or("").to_string();
                (decl.name.name.to_string(), decl.kind == FnKind::Model || returns_draws(&head), false)
            }
            ItemKind::Dist(decl) => (decl.name.name.to_string(), false, true),
            ItemKind::Variant { name, .. } | ItemKind::Alias { name, .. } => (name.name.to_string(), false, false),
            ItemKind::Stmt(stmt) if matches!(stmt.kind, StmtKind::Let { .. }) => ("let".to_string(), false, false),
            _ => continue,
        };
        let Doc { text, examples } =
            node.doc.clone().unwrap_or_else(|| panic!("{short}: `{name}` has no documentation"));
        let examples = examples.into_iter().map(|(example, _)| example).collect();
        entries.push(Entry { place: format!("{short}: {name}"), random, dist, text, examples });
    }
    assert!(!entries.is_empty(), "{short} is empty");
    entries
}

/// Whether the head of a function says that its result is random: an arrow `~>` after the parameters.
fn returns_draws(head: &str) -> bool {
    let mut depth = 0;
    for (at, c) in head.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => {
                depth -= 1;
                if depth == 0 {
                    return head[at + 1..].trim_start().starts_with("~>");
                }
            }
            _ => {}
        }
    }
    false
}

fn library() -> Vec<Entry> {
    let mut paths = Vec::new();
    files(&root(), &mut paths);
    let mut entries: Vec<Entry> = paths.iter().flat_map(|path| items(path)).collect();
    let rows = prim::rows().iter().flat_map(|theme| theme.iter()).map(|row| (row.signature, row.doc));
    let methods = infer::rows().map(|row| (row.signature, row.doc));
    for (signature, doc) in rows.chain(methods) {
        let (mut text, mut examples) = (String::new(), Vec::new());
        for line in doc.lines() {
            match line.trim().strip_prefix("example:") {
                Some(example) => examples.push(example.trim().to_string()),
                None => text.push_str(line),
            }
        }
        let random = returns_draws(signature);
        entries.push(Entry { place: signature.to_string(), random, dist: false, text, examples });
    }
    entries
}

#[test]
fn every_function_is_documented_and_every_example_is_true() {
    deep(|| {
        let mut session = session();
        let (mut wrong, mut count) = (Vec::new(), 0);
        for entry in library() {
            if entry.text.trim().len() < 10 {
                wrong.push(format!("{}: no documentation", entry.place));
            }
            if entry.examples.is_empty() && !entry.random {
                wrong.push(format!("{}: no example", entry.place));
            }
            if entry.dist && !entry.examples.iter().any(|example| example.contains("logp(")) {
                wrong.push(format!("{}: no example of its density", entry.place));
            }
            for example in &entry.examples {
                count += 1;
                let outcome = session.expression_value(example);
                let said = match outcome {
                    Ok(Value::Bool(true) | Value::Unit) => continue,
                    Ok(value) => format!("gives {value}"),
                    Err(failure) => session.render_failure(&failure, false),
                };
                wrong.push(format!("{}\n  {example}\n  {said}", entry.place));
            }
        }
        assert!(count > 400, "{count}");
        assert!(wrong.is_empty(), "{} of {count} examples:\n{}", wrong.len(), wrong.join("\n"));
    });
}

/// The derivative of a function of one number: Richardson's extrapolation of central differences, with an estimate of its error.
fn slope(f: impl Fn(f64) -> f64, x: f64) -> Option<(f64, f64)> {
    let central = |h: f64| (f(x + h) - f(x - h)) / (2.0 * h);
    let h = 1e-3 * x.abs().max(0.1);
    let (wide, middle, narrow) = (central(2.0 * h), central(h), central(0.5 * h));
    let (coarse, fine) = ((4.0 * middle - wide) / 3.0, (4.0 * narrow - middle) / 3.0);
    let best = (16.0 * fine - coarse) / 15.0;
    let error = (best - fine).abs();
    // Where the differences do not settle there is a step or a kink.
    (best.is_finite() && error < 1e-3 * best.abs().max(1.0)).then_some((best, error))
}

/// A function of numbers.
type Scalar = dyn Fn(&[f64]) -> f64;

/// The names of the parameters of a row.
fn parameters(signature: &str) -> Vec<&str> {
    let inner = &signature[signature.find('(').unwrap() + 1..signature.rfind(") ->").unwrap()];
    inner.split(", ").map(|part| part.split(':').next().unwrap()).collect()
}

/// Arguments at which scalar functions are differentiated: none is a kink, no two are equal.
const POINTS: [&[f64]; 3] = [&[-1.3, -0.4, 0.3, 0.7, 1.6, 2.0, 5.5], &[-0.8, 0.45, 1.1, 2.25, 7.0], &[0.2, 0.55, 1.4]];

#[test]
fn derivatives_of_scalar_rows_are_those_of_the_values() {
    deep(|| {
        let (mut session, mut wrong, mut count) = (session(), Vec::new(), 0);
        for row in prim::rows().iter().flat_map(|theme| theme.iter()) {
            let value: Box<Scalar> = match row.body {
                prim::Body::Real1(f) => Box::new(move |a| f(a[0])),
                prim::Body::Real2(f) => Box::new(move |a| f(a[0], a[1])),
                prim::Body::Real3(f) => Box::new(move |a| f(a[0], a[1], a[2])),
                _ => continue,
            };
            let names = parameters(row.signature);
            let mut places: Vec<Vec<f64>> = vec![Vec::new()];
            for points in &POINTS[..names.len()] {
                places = places.iter().flat_map(|p| points.iter().map(|x| [p.as_slice(), &[*x]].concat())).collect();
            }
            for (k, derivative) in row.derivative.iter().enumerate() {
                if *derivative == "nan" {
                    continue;
                }
                // Its derivative is offered for positive arguments only.
                let places: Vec<&Vec<f64>> =
                    places.iter().filter(|place| row.name() != "trigamma" || place[0] > 0.0).collect();
                let derivative = if derivative.is_empty() { "0.0" } else { derivative };
                let numeric: Vec<(Vec<f64>, (f64, f64))> = places
                    .iter()
                    .filter_map(|place| {
                        let along = |x: f64| {
                            let mut place = (*place).clone();
                            place[k] = x;
                            value(&place)
                        };
                        slope(along, place[k]).map(|found| ((*place).clone(), found))
                    })
                    .collect();
                // The order of a function, which is whole, has no derivative.
                if numeric.is_empty() {
                    if derivative != "0.0" {
                        wrong.push(format!("{}: no place to differentiate by {}", row.signature, names[k]));
                    }
                    continue;
                }
                let list = names.join(", ");
                let annotated: Vec<String> = names.iter().map(|name| format!("{name}: Real")).collect();
                let calls: Vec<String> = numeric
                    .iter()
                    .map(|(place, _)| {
                        let args: Vec<String> = place.iter().map(|x| format!("{x:?}")).collect();
                        format!("derivative_({})", args.join(", "))
                    })
                    .collect();
                let expression = format!(
                    "{{ let derivative_ = ({}) => {{ let result = {}({list})\n real({derivative}) }}\n [{}] }}",
                    annotated.join(", "),
                    row.name(),
                    calls.join(", ")
                );
                let values = match session.expression_value(&expression) {
                    Ok(Value::Reals(values)) => values,
                    Ok(other) => panic!("{other}"),
                    Err(failure) => {
                        wrong.push(format!("{}\n{}", row.signature, session.render_failure(&failure, false)));
                        continue;
                    }
                };
                for ((place, (expected, error)), value) in numeric.iter().zip(values.iter()) {
                    if (value - expected).abs().is_nan()
                        || (value - expected).abs() > 1e-7 * expected.abs().max(1.0) + 10.0 * error
                    {
                        wrong.push(format!("{} by {} at {place:?}: {value}, not {expected}", row.name(), names[k]));
                    }
                    count += 1;
                }
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert!(count > 1500, "{count}");
    });
}

/// Gradients of functions of arrays and matrices, element by element.
#[test]
fn gradients_of_other_rows_are_those_of_the_values() {
    deep(|| {
        let (mut session, mut wrong, mut count) = (session(), Vec::new(), 0);
        let vector = |at: Option<usize>, h: f64| {
            let xs: Vec<f64> = (0..2).map(|k| [0.7, 1.9][k] + if at == Some(k) { h } else { 0.0 }).collect();
            format!("{xs:?}")
        };
        let matrix = |at: Option<usize>, h: f64| {
            let m: Vec<f64> = (0..4).map(|k| [2.0, 0.5, 0.25, 1.5][k] + if at == Some(k) { h } else { 0.0 }).collect();
            format!("matrix([[{:?}, {:?}], [{:?}, {:?}]])", m[0], m[1], m[2], m[3])
        };
        let shown = |ty: &str, at: Option<usize>, h: f64| match ty {
            "[Real]" => Some((vector(at, h), 2)),
            "Matrix" => Some((matrix(at, h), 4)),
            "Real" => Some((format!("{:?}", 0.75 + if at.is_some() { h } else { 0.0 }), 1)),
            _ => None,
        };
        for row in prim::rows().iter().flat_map(|theme| theme.iter()) {
            if row.elementwise || row.derivative.is_empty() || !row.signature.ends_with("-> Real") {
                continue;
            }
            let inner = &row.signature[row.signature.find('(').unwrap() + 1..row.signature.rfind(") ->").unwrap()];
            let typed: Vec<(&str, &str)> = inner.split(", ").filter_map(|part| part.split_once(": ")).collect();
            let Some(args) = typed.iter().map(|(_, ty)| shown(ty, None, 0.0)).collect::<Option<Vec<_>>>() else {
                wrong.push(format!("{}: no arguments to differentiate at", row.signature));
                continue;
            };
            for (k, derivative) in row.derivative.iter().enumerate() {
                if derivative.is_empty() {
                    continue;
                }
                let lets: Vec<String> =
                    typed.iter().zip(&args).map(|((name, _), (text, _))| format!("let {name} = {text}\n")).collect();
                let names: Vec<&str> = typed.iter().map(|(name, _)| *name).collect();
                let analytic = format!(
                    "{{ {} let result = {}({})\n {derivative} }}",
                    lets.join(" "),
                    row.name(),
                    names.join(", ")
                );
                let h = 1e-3;
                let steps: Vec<String> = (0..args[k].1)
                    .map(|at| {
                        let call = |h: f64| {
                            let list: Vec<String> =
                                (0..typed.len())
                                    .map(|j| {
                                        if j == k {
                                            shown(typed[k].1, Some(at), h).unwrap().0
                                        } else {
                                            args[j].0.clone()
                                        }
                                    })
                                    .collect();
                            format!("{}({})", row.name(), list.join(", "))
                        };
                        format!(
                            "(8 * ({} - {}) - ({} - {})) / {}",
                            call(h),
                            call(-h),
                            call(2.0 * h),
                            call(-2.0 * h),
                            12.0 * h
                        )
                    })
                    .collect();
                let both = session
                    .expression_value(&analytic)
                    .and_then(|a| session.expression_value(&format!("[{}]", steps.join(", "))).map(|n| (a, n)));
                let (analytic, numeric) = match both {
                    Ok((analytic, Value::Reals(numeric))) => (analytic, numeric),
                    Ok((_, other)) => panic!("{other}"),
                    Err(failure) => {
                        wrong.push(format!("{}\n{}", row.signature, session.render_failure(&failure, false)));
                        continue;
                    }
                };
                let analytic = match analytic {
                    Value::Real(x) => vec![x],
                    Value::Reals(xs) => xs.to_vec(),
                    Value::Matrix(m) => m.data.clone(),
                    other => panic!("{}: {other}", row.signature),
                };
                let near = analytic.len() == numeric.len()
                    && analytic.iter().zip(numeric.iter()).all(|(a, n)| (a - n).abs() < 1e-7 * n.abs().max(1.0));
                if !near {
                    wrong.push(format!("{} by {}: {analytic:?}, not {numeric:?}", row.signature, names[k]));
                }
                count += 1;
            }
        }
        assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
        assert!(count >= 10, "{count}");
    });
}
