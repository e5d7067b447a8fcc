//! The distributions of the library against reference values computed with 50 digits, and against themselves.

#![allow(clippy::unwrap_used)]

use borel::driver::{Failure, Options, Session};
use borel::source::world::OsWorld;
use borel::value::Value;
use borel::value::fault::FaultKind;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;

const REFERENCE: &str = include_str!("reference/distributions.json");

/// Runs on a stack as deep as the command's.
fn deep(work: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(1 << 28).spawn(work).unwrap();
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn session() -> Session {
    Session::new(Arc::new(OsWorld::default()), Options { seed: 20, ..Options::default() })
}

/// What the reference says of one distribution.
#[derive(Default)]
struct Cases {
    points: Vec<Json>,
    moments: Vec<Json>,
    bad: Vec<Json>,
}

fn reference() -> BTreeMap<String, Cases> {
    let all: Json = serde_json::from_str(REFERENCE).unwrap();
    let mut found: BTreeMap<String, Cases> = BTreeMap::new();
    for list in ["points", "moments", "bad"] {
        for case in all[list].as_array().unwrap() {
            let cases = found.entry(case["dist"].as_str().unwrap().to_string()).or_default();
            let list = match list {
                "points" => &mut cases.points,
                "moments" => &mut cases.moments,
                _ => &mut cases.bad,
            };
            list.push(case.clone());
        }
    }
    found
}

/// Whether nested lists are matrices in the arguments and values of a distribution, and not arrays of arrays.
fn of_matrices(dist: &str) -> bool {
    !matches!(dist, "Iid" | "Product" | "Mixture" | "Empirical" | "Choice" | "Dirac")
}

/// A value of the reference as the language writes it.
fn text(value: &Json, matrices: bool) -> String {
    match value {
        Json::Bool(b) => b.to_string(),
        Json::Number(n) if n.is_f64() => format!("{:?}", n.as_f64().unwrap()),
        Json::Number(n) => n.to_string(),
        Json::String(s) if matches!(s.as_str(), "inf" | "-inf" | "nan") => s.clone(),
        Json::String(s) => format!("{s:?}"),
        Json::Array(parts) => {
            let inner: Vec<String> = parts.iter().map(|part| text(part, false)).collect();
            let inner = format!("[{}]", inner.join(", "));
            let nested =
                parts.first().is_some_and(|part| part.as_array().is_some_and(|row| !row.iter().any(Json::is_object)));
            if matrices && nested { format!("matrix({inner})") } else { inner }
        }
        Json::Object(parts) => match parts.get("dist") {
            Some(name) => call(name.as_str().unwrap(), &parts["args"]),
            None => {
                let args: Vec<String> = parts["args"].as_array().unwrap().iter().map(|arg| text(arg, true)).collect();
                let name = parts["domain"].as_str().unwrap();
                if args.is_empty() { name.to_string() } else { format!("{name}({})", args.join(", ")) }
            }
        },
        Json::Null => "nan".to_string(),
    }
}

/// A distribution of the reference as the language writes it.
fn call(name: &str, args: &Json) -> String {
    let args: Vec<String> = args.as_array().unwrap().iter().map(|arg| text(arg, of_matrices(name))).collect();
    format!("{name}({})", args.join(", "))
}

fn number(value: &Json) -> f64 {
    match value {
        Json::String(s) => s.parse().unwrap(),
        Json::Bool(b) => f64::from(u8::from(*b)),
        other => other.as_f64().unwrap(),
    }
}

/// All numbers in a value, in order.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Real(x) => vec![*x],
        Value::Int(n) => vec![*n as f64],
        Value::Bool(b) => vec![f64::from(u8::from(*b))],
        Value::Reals(xs) => xs.to_vec(),
        Value::Ints(xs) => xs.iter().map(|n| *n as f64).collect(),
        Value::Bools(xs) => xs.iter().map(|b| f64::from(u8::from(*b))).collect(),
        Value::Matrix(m) => m.data.clone(),
        Value::Values(xs) => xs.iter().flat_map(numbers).collect(),
        Value::Tuple(parts) => parts.0.iter().flat_map(numbers).collect(),
        other => panic!("no number in {other}"),
    }
}

fn json_numbers(value: &Json) -> Vec<f64> {
    match value {
        Json::Array(parts) => parts.iter().flat_map(json_numbers).collect(),
        other => vec![number(other)],
    }
}

/// The value of an expression; an error is noted.
fn evaluate(session: &mut Session, wrong: &mut Vec<String>, expression: &str) -> Option<Value> {
    match session.expression_value(expression) {
        Ok(value) => Some(value),
        Err(failure) => {
            let said = session.render_failure(&failure, false);
            let said: String = said.lines().take(4).collect::<Vec<_>>().join("\n    ");
            let short: String = expression.chars().take(160).collect();
            wrong.push(format!("{short}\n    {said}"));
            None
        }
    }
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong[..wrong.len().min(40)].join("\n"));
}

/// Whether a value agrees with the reference to `tolerance`, relative where numbers are larger than one.
fn close(value: f64, expected: f64, tolerance: f64) -> bool {
    value == expected
        || (value.is_nan() && expected.is_nan())
        || (value - expected).abs() <= tolerance * expected.abs().max(1.0)
}

#[test]
fn every_distribution_has_reference_values() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib/dist");
    let reference = reference();
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let source = std::fs::read_to_string(&path).unwrap();
        let names: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("dist "))
            .map(|rest| rest.split(['(', '<', ' ']).next().unwrap())
            .collect();
        let [name] = names.as_slice() else { panic!("{} must define one distribution, not {names:?}", path.display()) };
        assert!(reference.get(*name).is_some_and(|cases| cases.points.len() >= 8), "no reference values of {name}");
        count += 1;
    }
    assert_eq!(count, reference.len());
}

#[test]
fn densities_and_cdfs_match_high_precision_references() {
    deep(|| {
        let (mut session, mut wrong, mut count) = (session(), Vec::new(), 0);
        for (name, cases) in reference() {
            for member in ["logp", "cdf"] {
                let points: Vec<&Json> =
                    cases.points.iter().filter(|point| member == "logp" || !point["cdf"].is_null()).collect();
                if points.is_empty() {
                    continue;
                }
                let calls: Vec<String> = points
                    .iter()
                    .map(|point| {
                        format!("{member}({}, {})", call(&name, &point["args"]), text(&point["x"], of_matrices(&name)))
                    })
                    .collect();
                let Some(values) = evaluate(&mut session, &mut wrong, &format!("[{}]", calls.join(", "))) else {
                    continue;
                };
                for ((point, call), value) in points.iter().zip(&calls).zip(numbers(&values)) {
                    let expected = number(&point[member]);
                    // Far tails of a cdf to nine relative digits, everything else to twelve.
                    let good = match member {
                        "cdf" => close(value, expected, 1e-12) && (value - expected).abs() <= 1e-9 * expected,
                        _ => close(value, expected, 1e-12),
                    };
                    if !good {
                        wrong.push(format!("{call} = {value:e}, not {expected:e}"));
                    }
                    count += 1;
                }
            }
        }
        report(&wrong);
        assert!(count > 2000, "{count}");
    });
}

#[test]
fn parameters_outside_their_domain_are_refused() {
    deep(|| {
        let (mut session, mut wrong) = (session(), Vec::new());
        for (name, cases) in reference() {
            for bad in &cases.bad {
                let shown = call(&name, &bad["args"]);
                let x = text(&cases.points[0]["x"], of_matrices(&name));
                match session.expression_value(&format!("logp({shown}, {x})")) {
                    Err(Failure::Fault(fault)) if fault.kind == FaultKind::Domain => {
                        if !fault.message.contains(&name) {
                            wrong.push(format!("{shown}: {} does not name it", fault.message));
                        }
                    }
                    Ok(value) => wrong.push(format!("{shown} was accepted: {value}")),
                    Err(failure) => wrong.push(format!("{shown}: {}", session.render_failure(&failure, false))),
                }
            }
        }
        report(&wrong);
    });
}

#[test]
fn means_and_variances_match_references() {
    deep(|| {
        let (mut session, mut wrong) = (session(), Vec::new());
        for (name, cases) in reference() {
            for member in ["mean", "variance"] {
                let moments: Vec<&Json> = cases.moments.iter().filter(|m| !m[member].is_null()).collect();
                if moments.is_empty() {
                    continue;
                }
                let calls: Vec<String> =
                    moments.iter().map(|m| format!("{member}({})", call(&name, &m["args"]))).collect();
                let Some(values) = evaluate(&mut session, &mut wrong, &format!("[{}]", calls.join(", "))) else {
                    continue;
                };
                let expected: Vec<f64> = moments.iter().flat_map(|m| json_numbers(&m[member])).collect();
                let values = numbers(&values);
                if values.len() != expected.len() {
                    wrong.push(format!("{name}: {} numbers, not {}", values.len(), expected.len()));
                }
                for (at, (value, expected)) in values.iter().zip(&expected).enumerate() {
                    let relative = close(*value, *expected, 1e-12) && (value - expected).abs() <= 1e-9 * expected.abs();
                    if !(value == expected || value.is_nan() && expected.is_nan() || relative) {
                        wrong.push(format!("{member} of {name}, number {at} = {value:e}, not {expected:e}"));
                    }
                }
            }
        }
        report(&wrong);
    });
}

/// The argument lists of the distributions over single numbers for which a distribution function is to be tested.
fn univariate(cases: &Cases) -> Vec<Json> {
    let mut lists: Vec<Json> = Vec::new();
    for point in &cases.points {
        let simple = point["x"].is_number() && !point["cdf"].is_null();
        // The cdfs that are sums are for supports of moderate size.
        let summed = matches!(point["dist"].as_str(), Some("BetaBinomial" | "Hypergeometric"));
        let small = point["args"].as_array().unwrap().iter().all(|arg| arg.as_i64().is_none_or(|n| n < 10_000));
        if simple && (small || !summed) && !lists.contains(&point["args"]) {
            lists.push(point["args"].clone());
        }
    }
    lists
}

/// Whether the values of a distribution are whole numbers.
fn discrete(cases: &Cases) -> bool {
    cases.points.iter().all(|point| point["x"].is_i64())
}

/// Nodes and weights of Gauss and Legendre on [-1, 1].
const LEGENDRE: [(f64, f64); 8] = [
    (-0.9602898564975363, 0.10122853629037626),
    (-0.7966664774136267, 0.22238103445337448),
    (-0.525532409916329, 0.31370664587788727),
    (-0.1834346424956498, 0.362683783378362),
    (0.1834346424956498, 0.362683783378362),
    (0.525532409916329, 0.31370664587788727),
    (0.7966664774136267, 0.22238103445337448),
    (0.9602898564975363, 0.10122853629037626),
];

/// Between neighbouring quantiles, a tenth of a unit of log odds apart, the density integrates to the difference of their
/// probabilities, and the cdf of each quantile is its probability: density, cdf and quantile tell of one distribution.
#[test]
fn densities_integrate_to_the_cdf_and_quantiles_invert_it() {
    deep(|| {
        let (mut session, mut wrong, mut count) = (session(), Vec::new(), 0);
        let odds: Vec<f64> = (-120..=120).map(|k| f64::from(k) * 0.1).collect();
        let probabilities: Vec<f64> = odds.iter().map(|l| 1.0 / (1.0 + (-l).exp())).collect();
        let (nodes, weights): (Vec<f64>, Vec<f64>) = LEGENDRE.iter().copied().unzip();
        for (name, cases) in reference() {
            // A censored distribution has no density, those of finite support have steps.
            if discrete(&cases) || matches!(name.as_str(), "Censored" | "Empirical" | "Choice" | "Dirac") {
                continue;
            }
            for args in univariate(&cases) {
                let dist = call(&name, &args);
                let whole = cases.points.iter().any(|point| point["args"] == args && point["x"].is_i64());
                if whole {
                    continue;
                }
                let expression = format!(
                    "{{ let d = {dist}\n let qs = [quantile(d, p) for p in {probabilities:?}]\n \
                     let nodes = {nodes:?}\n let weights = {weights:?}\n \
                     ([cdf(d, x) for x in qs], [0.5 * (qs[i + 1] - qs[i]) * dot(weights, [exp(logp(d, qs[i] + 0.5 * (qs[i + 1] - qs[i]) * (1 + t))) for t in nodes]) for i in 0..len(qs) - 1], \
                     [ccdf(d, cquantile(d, p)) for p in {probabilities:?}], qs, \
                     [exp(logp(d, x)) * abs(x) for x in qs], [{{ let x = cquantile(d, p)\n exp(logp(d, x)) * abs(x) }} for p in {probabilities:?}]) }}"
                );
                let Some(value) = evaluate(&mut session, &mut wrong, &expression) else { continue };
                let values = numbers(&value);
                let n = odds.len();
                let (cdfs, rest) = values.split_at(n);
                let (pieces, rest) = rest.split_at(n - 1);
                let (ccdfs, rest) = rest.split_at(n);
                let (qs, rest) = rest.split_at(n);
                let (steep, csteep) = rest.split_at(n);
                for (k, p) in probabilities.iter().enumerate() {
                    // What rounding of the quantile alone changes.
                    let rounding = |steep: f64| 1e-9 * p + 256.0 * f64::EPSILON * steep;
                    if (cdfs[k] - p).abs() > rounding(steep[k]) {
                        wrong.push(format!("cdf of quantile {p:e} of {dist} = {:e}", cdfs[k]));
                    }
                    if (ccdfs[k] - p).abs() > rounding(csteep[k]) {
                        wrong.push(format!("ccdf of cquantile {p:e} of {dist} = {:e}", ccdfs[k]));
                    }
                    count += 1;
                }
                for (k, piece) in pieces.iter().enumerate() {
                    let mass = probabilities[k + 1] - probabilities[k];
                    // Quantiles so close together that their distance has few digits say little.
                    let digits = (qs[k + 1] - qs[k]) / (qs[k].abs().max(qs[k + 1].abs()) * f64::EPSILON);
                    if digits > 1e3 && (piece - mass).abs() > (1e-8 + 512.0 / digits) * mass {
                        wrong.push(format!("{dist} between {:e} and {:e}: {piece:e}, not {mass:e}", qs[k], qs[k + 1]));
                    }
                }
            }
        }
        report(&wrong);
        assert!(count > 10_000, "{count}");
    });
}

#[test]
fn probabilities_sum_to_the_cdf_and_quantiles_invert_it() {
    deep(|| {
        let (mut session, mut wrong, mut count) = (session(), Vec::new(), 0);
        for (name, cases) in reference() {
            for args in univariate(&cases) {
                let whole = cases.points.iter().all(|point| point["args"] != args || point["x"].is_i64());
                if !whole || name == "Mixture" {
                    continue;
                }
                let dist = call(&name, &args);
                let Some(ends) = evaluate(
                    &mut session,
                    &mut wrong,
                    &format!("[quantile({dist}, 1e-12), quantile({dist}, 1 - 1e-12)]"),
                ) else {
                    continue;
                };
                let ends = numbers(&ends);
                if ends[1] - ends[0] > 3000.0 {
                    continue;
                }
                let (low, high) = (ends[0] - 1.0, ends[1] + 1.0);
                let expression = format!(
                    "{{ let d = {dist}\n ([logp(d, k) for k in {low}..={high}], [cdf(d, k) for k in {low}..={high}], \
                     [ccdf(d, k) for k in {low}..={high}], [real(quantile(d, p)) for p in [1e-6, 0.1, 0.5, 0.9, 0.999999]]) }}"
                );
                let Some(value) = evaluate(&mut session, &mut wrong, &expression) else { continue };
                let values = numbers(&value);
                let n = (high - low) as usize + 1;
                let (logps, rest) = values.split_at(n);
                let (cdfs, rest) = rest.split_at(n);
                let (ccdfs, quantiles) = rest.split_at(n);
                let mut total = 0.0;
                for k in 0..n {
                    total += logps[k].exp();
                    let at = low + k as f64;
                    if (total - cdfs[k]).abs() > 1e-11 {
                        wrong.push(format!("cdf({dist}, {at}) = {}, but the probabilities sum to {total}", cdfs[k]));
                    }
                    if (cdfs[k] + ccdfs[k] - 1.0).abs() > 1e-12 {
                        wrong.push(format!("cdf and ccdf of {dist} at {at}: {} and {}", cdfs[k], ccdfs[k]));
                    }
                    count += 1;
                }
                for (p, q) in [1e-6, 0.1, 0.5, 0.9, 0.999999].iter().zip(quantiles) {
                    let k = (q - low) as usize;
                    if cdfs[k] < p * (1.0 - 1e-12) || k > 0 && cdfs[k - 1] > p * (1.0 + 1e-12) {
                        wrong.push(format!("quantile({dist}, {p}) = {q}, where the cdf is {}", cdfs[k]));
                    }
                }
            }
        }
        report(&wrong);
        assert!(count > 2000, "{count}");
    });
}

/// Kolmogorov and Smirnov's distance between draws and the cdf, which for steps only errs on the side of acceptance. A distance of
/// 2.7 / sqrt(n) has probability 1e-6.
#[test]
fn samplers_follow_the_cdf() {
    deep(|| {
        const DRAWS: usize = 20_000;
        let (mut session, mut wrong, mut count) = (session(), Vec::new(), 0);
        for (name, cases) in reference() {
            for args in univariate(&cases) {
                let dist = call(&name, &args);
                let expression = format!(
                    "{{ let d = {dist}\n let xs = sort([real(sample(d)) for i in 0..{DRAWS}])\n \
                     let places = unique(xs)\n (xs, [cdf(d, x) for x in places], places) }}"
                );
                let Some(value) = evaluate(&mut session, &mut wrong, &expression) else { continue };
                let values = numbers(&value);
                let (xs, rest) = values.split_at(DRAWS);
                let (cdfs, places) = rest.split_at(rest.len() / 2);
                let (mut distance, mut below) = (0.0f64, 0);
                for (place, cdf) in places.iter().zip(cdfs) {
                    let upto = xs.partition_point(|x| x <= place);
                    distance = distance.max((upto as f64 / DRAWS as f64 - cdf).abs());
                    if places.len() == DRAWS {
                        distance = distance.max((below as f64 / DRAWS as f64 - cdf).abs());
                    }
                    below = upto;
                }
                if distance.is_nan() || distance > 2.7 / (DRAWS as f64).sqrt() {
                    wrong.push(format!("draws of {dist}: a distance of {distance}"));
                }
                count += 1;
            }
        }
        report(&wrong);
        assert!(count > 150, "{count}");
    });
}

/// Means of draws against the mean, coordinate by coordinate, where mean and variance are known.
#[test]
fn samplers_have_the_mean() {
    deep(|| {
        const DRAWS: usize = 2000;
        let (mut session, mut wrong, mut count) = (session(), Vec::new(), 0);
        for (name, cases) in reference() {
            for moments in &cases.moments {
                if moments["mean"].is_null() || moments["variance"].is_null() {
                    continue;
                }
                let (means, variances) = (json_numbers(&moments["mean"]), json_numbers(&moments["variance"]));
                let dist = call(&name, &moments["args"]);
                // Draws of heavy tails have means that are far from normal.
                if variances.iter().any(|v| !v.is_finite()) || univariate(&cases).contains(&moments["args"]) {
                    continue;
                }
                let expression = format!("[sample({dist}) for i in 0..{DRAWS}]");
                let Some(value) = evaluate(&mut session, &mut wrong, &expression) else { continue };
                let values = numbers(&value);
                for (at, (mean, variance)) in means.iter().zip(&variances).enumerate() {
                    let total: f64 = values.iter().skip(at).step_by(means.len()).sum();
                    let error = total / DRAWS as f64 - mean;
                    let bound = 6.0 * (variance / DRAWS as f64).sqrt() + 1e-12 * mean.abs();
                    if error.is_nan() || error.abs() > bound {
                        wrong.push(format!("draws of {dist}: the mean of number {at} is off by {error}"));
                    }
                    count += 1;
                }
            }
        }
        report(&wrong);
        assert!(count > 100, "{count}");
    });
}

/// An array argument makes a product, as `iid` does.
#[test]
fn products_are_sums_of_densities() {
    deep(|| {
        let (mut session, mut wrong, mut count) = (session(), Vec::new(), 0);
        for (name, cases) in reference() {
            let Some(point) = cases
                .points
                .iter()
                .find(|point| point["logp"].is_number() && (point["x"].is_number() || point["x"].is_boolean()))
            else {
                continue;
            };
            let other = cases.points.iter().rfind(|p| p["args"] == point["args"] && p["logp"].is_number()).unwrap();
            let args: Vec<Json> = point["args"].as_array().unwrap().clone();
            let (x, y) = (text(&point["x"], false), text(&other["x"], false));
            let mut pairs = vec![(format!("iid({}, 2)", call(&name, &point["args"])), point["args"].clone())];
            let scalars: Vec<usize> = (0..args.len()).filter(|k| args[*k].is_number()).collect();
            let mut sets: Vec<Vec<usize>> = scalars.iter().map(|k| vec![*k]).collect();
            sets.push(scalars.clone());
            for set in sets
                .iter()
                .filter(|set| !set.is_empty() && !matches!(name.as_str(), "Dirac" | "Truncated" | "Censored"))
            {
                let mut second = args.clone();
                let mut shown: Vec<String> = args.iter().map(|arg| text(arg, true)).collect();
                for k in set {
                    second[*k] = match args[*k].as_i64() {
                        Some(n) => Json::from(n + 1),
                        None => Json::from(number(&args[*k]) * 0.9375),
                    };
                    shown[*k] = format!("[{}, {}]", text(&args[*k], true), text(&second[*k], true));
                }
                pairs.push((format!("{name}({})", shown.join(", ")), Json::Array(second)));
            }
            for (product, second) in pairs {
                let expression = format!(
                    "[logp({product}, [{x}, {y}]), logp({}, {x}), logp({}, {y})]",
                    call(&name, &point["args"]),
                    call(&name, &second)
                );
                let Some(value) = evaluate(&mut session, &mut wrong, &expression) else { continue };
                let values = numbers(&value);
                if !close(values[0], values[1] + values[2], 1e-14) {
                    wrong.push(format!(
                        "logp({product}, [{x}, {y}]) = {}, not {} + {}",
                        values[0], values[1], values[2]
                    ));
                }
                count += 1;
            }
        }
        report(&wrong);
        assert!(count > 120, "{count}");
    });
}

/// Combinators of combinators, each against the formula.
#[test]
fn combinators_nest() {
    deep(|| {
        let (mut session, mut wrong) = (session(), Vec::new());
        for law in [
            "abs(logp(Truncated(Mixture([0.5, 0.5], [Normal(-1, 1), Normal(2, 1)]), 0, inf), 1) \
             - (log(0.5 * exp(logp(Normal(-1, 1), 1)) + 0.5 * exp(logp(Normal(2, 1), 1))) - log(0.5 * ccdf(Normal(-1, 1), 0) + 0.5 * ccdf(Normal(2, 1), 0)))) < 1e-12",
            "abs(logp(Mixture([0.25, 0.75], [Truncated(Normal(0, 1), 0, inf), Truncated(Normal(0, 1), -inf, 0)]), 0.5) - (log(0.5) + logp(Normal(0, 1), 0.5))) < 1e-12",
            "abs(logp(Censored(Truncated(Normal(0, 1), 0, inf), -1.0, 1.0), 1.0) - log(2 * ccdf(Normal(0, 1), 1))) < 1e-12",
            "abs(logp(Truncated(Truncated(Normal(0, 1), 0, inf), -inf, 1), 0.5) - (logp(Normal(0, 1), 0.5) - log(cdf(Normal(0, 1), 1) - 0.5))) < 1e-12",
            "abs(logp(Mixture([0.5, 0.5], [Mixture([0.5, 0.5], [Poisson(1), Poisson(2)]), Poisson(3)]), 2) \
             - log(0.25 * exp(logp(Poisson(1), 2)) + 0.25 * exp(logp(Poisson(2), 2)) + 0.5 * exp(logp(Poisson(3), 2)))) < 1e-12",
            "abs(logp(Mixture([0.5, 0.5], [iid(Normal(0, 1), 2), iid(Normal(1, 1), 2)]), [0, 1]) - logp(iid(Normal(0, 1), 2), [0, 1])) < 1e-12",
            "abs(logp(iid(Mixture([0.25, 0.75], [Normal(0, 1), Normal(3, 1)]), 2), [0, 1]) \
             - logp(Mixture([0.25, 0.75], [Normal(0, 1), Normal(3, 1)]), 0) - logp(Mixture([0.25, 0.75], [Normal(0, 1), Normal(3, 1)]), 1)) < 1e-12",
            "logp(Mixture([0.5, 0.5], [Dirac(1), Poisson(2)]), 1) == logp(Mixture([0.5, 0.5], [Poisson(2), Dirac(1)]), 1)",
            "abs(sum([exp(logp(Multinomial(4, [0.25, 0.125, 0.625]), [i, j, 4 - i - j])) for i in 0..5 for j in 0..5 - i]) - 1) < 1e-12",
            "abs(sum([exp(logp(DirichletMultinomial(4, [0.5, 1.0, 3.0]), [i, j, 4 - i - j])) for i in 0..5 for j in 0..5 - i]) - 1) < 1e-12",
            "abs(sum([exp(logp(VonMises(0.5, 3), 3.141592653589793 * (k - 500) / 500)) for k in 0..1000]) * 3.141592653589793 / 500 - 1) < 1e-12",
            "abs(logp([Normal(0, 1), Normal(2, 3)], [0.5, 1]) - logp(Normal([0.0, 2.0], [1.0, 3.0]), [0.5, 1])) < 1e-14",
        ] {
            match evaluate(&mut session, &mut wrong, law) {
                Some(Value::Bool(true)) | None => {}
                Some(value) => wrong.push(format!("{law}\n    gives {value}")),
            }
        }
        report(&wrong);
    });
}
