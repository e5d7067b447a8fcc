//! What a run tells of itself, in text and as JSON: how particles fared, what was accepted, and what speaks against the result.
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::process::Command;

/// A hidden Markov chain that is seen through noise, the last time far off.
const SERIES: &str = "
data y: [Real] = [0.4, 1.1, -0.3, 4.0]
model series {
  var x = 0.0
  for t in 0..len(y) {
    h ~ Normal(x, 1)
    observe y[t] ~ Normal(h, 0.5)
    x = h
  }
  return {last: x}
}
";

/// A finite choice and a number.
const MIXED: &str = "
model mixed {
  k ~ Flip(0.5)
  mu ~ Normal(0, 1)
  observe 1.0 ~ Normal(if k { mu } else { -mu }, 0.5)
  return {k, mu}
}
";

/// Runs a program by a method: exit status, standard output, standard error.
fn run(text: &str, arguments: &str) -> (i32, String, String) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("borel-report-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let path = std::env::temp_dir().join(name).with_extension("borel");
    std::fs::write(&path, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_borel"));
    let output =
        command.arg("run").arg(&path).args(arguments.split_whitespace()).args(["--seed", "1"]).output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn json(text: &str, arguments: &str) -> Value {
    let (status, out, complaints) = run(text, &format!("{arguments} --format json --lenient"));
    assert_eq!(status, 0, "{out}{complaints}");
    serde_json::from_str(&out).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn filters_tell_how_their_particles_fared() {
    let report = json(SERIES, "--method smc --particles 500 --opt delay=false");
    let told = &report["diagnostics"];
    let ess = numbers(&told["ess"]);
    // After the last observation a step goes on to the end.
    assert_eq!(ess.len(), 5);
    assert!(ess.iter().all(|ess| (1.0..=500.0).contains(ess)), "{ess:?}");
    let least = ess.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(told["least_ess"].as_f64(), Some(least));
    assert_eq!(told["least_ess_step"], 4);
    let ancestors = numbers(&told["ancestors"]);
    assert_eq!(ancestors.len() as u64, told["resamplings"].as_u64().unwrap());
    assert!(ancestors.windows(2).all(|pair| pair[1] <= pair[0]) && ancestors[0] < 500.0, "{ancestors:?}");
    assert_eq!(told["distinct_ancestors"].as_f64(), ancestors.last().copied());
    // The Kalman filter's, by hand: predictive densities with variances 1.25, 1.45, 1.4551724, 1.4553...
    let (mut mean, mut variance, mut exact) = (0.0, 0.0, 0.0);
    for y in [0.4, 1.1, -0.3, 4.0_f64] {
        let spread: f64 = variance + 1.25;
        exact -= 0.5 * ((y - mean).powi(2) / spread + (2.0 * std::f64::consts::PI * spread).ln());
        let gain = (variance + 1.0) / spread;
        (mean, variance) = (mean + gain * (y - mean), 0.25 * gain);
    }
    let (found, error) = (report["log_evidence"].as_f64().unwrap(), report["log_evidence_se"].as_f64().unwrap());
    assert!((0.01..1.0).contains(&error) && (found - exact).abs() < 4.0 * error, "{found} ± {error}, exact {exact}");
    let (status, text, _) = run(SERIES, "--method smc --particles 500 --opt delay=false");
    assert_eq!(status, 0);
    insta::assert_snapshot!("filter", text);
    insta::assert_snapshot!("filter_apf", run(SERIES, "--method apf --particles 500 --opt delay=false").1);
}

#[test]
fn acceptance_is_told_by_kernel_and_choice() {
    let rates = |text: &str, arguments: &str| -> Vec<(String, f64)> {
        let report = json(text, arguments);
        let table = report["diagnostics"]["acceptance"].as_object().unwrap_or_else(|| panic!("{arguments}: {report}"));
        let rates: Vec<(String, f64)> = table.iter().map(|(name, x)| (name.clone(), x.as_f64().unwrap())).collect();
        assert!(rates.iter().all(|(_, rate)| (0.0..=1.0).contains(rate)), "{arguments}: {rates:?}");
        assert!(rates.iter().any(|(_, rate)| *rate > 0.0), "{arguments}: {rates:?}");
        rates
    };
    let names = |rates: &[(String, f64)]| rates.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>().join(" ");
    for arguments in [
        "--method mh --draws 200",
        "--method gibbs --draws 200",
        "--method rmsmc --particles 100",
        "--method ibis --particles 100",
        "--method tempered --particles 100",
        "--method ais --particles 100",
        "--method rmsmc --particles 100 --opt kernel=cycle([gibbs([\"k\"]),on([\"mu\"],slice())])",
    ] {
        let found = names(&rates(MIXED, arguments));
        let expected = if arguments.contains("cycle") { "gibbs(): k slice(): mu" } else { "k mu" };
        assert_eq!(found, expected, "{arguments}");
    }
    assert_eq!(names(&rates(MIXED, "--method parallel_tempering --draws 100")), "k mu exchange");
    // The last state of a particle Gibbs sampler changes more often than the first, which resampling makes poor.
    for method in ["pgibbs", "pgas"] {
        let found = rates(SERIES, &format!("--method {method} --particles 5 --draws 400"));
        assert_eq!(names(&found), "h[0] h[1] h[2] h[3]");
        assert!(found[3].1 > found[0].1 || method == "pgas", "{found:?}");
    }
    insta::assert_snapshot!("acceptance", run(MIXED, "--method mh --draws 1000").1);
    insta::assert_snapshot!("acceptance_pgas", run(SERIES, "--method pgas --particles 10 --draws 1000").1);
}

#[test]
fn what_speaks_against_a_result_is_told_with_advice() {
    let cases = [
        (
            "smc --particles 200 --opt delay=false",
            "few particles carried the weight after step 1, at a",
            0,
            "model m {\n  x ~ Normal(0, 100)\n  let a = 3.0\n  observe a ~ Normal(x, 0.1)\n  y ~ Normal(0, 1)\n  observe 0.1 ~ Normal(y, 1)\n  return y\n}\n",
        ),
        (
            "smc --particles 50",
            "every particle has weight zero at y",
            3,
            "data y: Real = 2.0\nmodel m {\n  x ~ Uniform(0, 1)\n  observe y ~ Uniform(0, x)\n  return x\n}\n",
        ),
        (
            "mh",
            "no start of positive probability was found in 10000 tries",
            1,
            "data y: Real = 2.0\nmodel m {\n  x ~ Uniform(0, 1)\n  observe y ~ Uniform(0, x)\n  return x\n}\n",
        ),
        (
            "pgibbs",
            "every particle has weight zero at `y`",
            1,
            "data y: Real = 2.0\nmodel m {\n  x ~ Uniform(0, 1)\n  observe y ~ Uniform(0, x)\n  return x\n}\n",
        ),
        (
            "mh",
            "the kernel cannot reach 1 of 2 runs of the model",
            3,
            "model m {\n  a ~ Flip(0.5)\n  b ~ Flip(0.5)\n  condition(a != b)\n  return {a, b}\n}\n",
        ),
    ];
    let mut told = String::new();
    for (method, part, status, text) in cases {
        let (found, out, complaints) = run(text, &format!("--method {method}"));
        let all = format!("{out}{complaints}");
        assert!(all.contains(part), "{method}: {all}");
        assert_eq!(found, status, "{method}: {all}");
        let message: Vec<&str> = all.lines().skip_while(|line| !line.contains(part)).collect();
        told.push_str(&format!("{}\n\n", message.join("\n").trim_end()));
    }
    insta::with_settings!({filters => vec![(r"--> .*borel-report-.*\.borel", "--> m.borel")]}, {
        insta::assert_snapshot!("warnings", told);
    });
}

#[test]
fn the_plan_says_which_weights_some_runs_miss() {
    let plan = |text: &str| {
        let path = std::env::temp_dir().join(format!("borel-plan-{}.borel", std::process::id()));
        std::fs::write(&path, text).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_borel")).arg("explain").arg(&path).output().unwrap();
        std::fs::remove_file(&path).unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let mut lines = text.lines().skip_while(|line| !line.starts_with("  stepped"));
        format!("{}\n{}\n", lines.next().unwrap(), lines.next().unwrap().trim_end())
    };
    let even = plan(SERIES);
    assert!(!even.contains("not every run"), "{even}");
    let programs = [
        "model branch {\n  e ~ Flip(0.5)\n  if e { condition(flip(0.5)) }\n  observe true ~ Flip(0.3)\n  return e\n}\n",
        "model loops {\n  var n = 0\n  var on = true\n  while on {\n    on = flip(0.5)\n    observe n ~ Poisson(2)\n    n = n + 1\n  }\n  return n\n}\n",
        "model often {\n  n ~ Poisson(2)\n  for i in 0..n { observe 0.0 ~ Normal(i, 1) }\n  return n\n}\n",
        "fn deeper(n: Int) ~> Int {\n  observe n ~ Poisson(1)\n  if flip(0.5) { deeper(n + 1) } else { n }\n}\nmodel recursive { return deeper(0) }\n",
    ];
    let told: Vec<String> = programs.iter().map(|text| plan(text)).collect();
    assert!(told.iter().all(|told| told.contains("not every run need meet")), "{told:?}");
    assert!(!told[0].contains("true"), "{}", told[0]);
    insta::assert_snapshot!("alignment", told.join("\n"));
}
