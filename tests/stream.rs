//! `borel stream` as users meet it: lines in, lines out, bad lines, checkpoints, pipes and interrupts.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const COIN: &str = "BetaBernoulli(1, 1)\n";

/// A learner that draws, holds arrays and matrices, and nests: much of what a checkpoint must keep.
const NESTED: &str = "\
data noise: Real = 1

let clusters = particle(() => chinese_restaurant(1, NormalNormal(0, 10, noise)), 20, resampler = multinomial)
let walk = particle(sequential(() => sample(Normal(0, 1)), s => s + sample(Normal(0, 0.5)), s => Normal(s, noise)), 20)
let states = hidden_markov([0.5, 0.5], matrix([[0.9, 0.1], [0.2, 0.8]]), [Normal(-2, 1), Normal(2, 1)])
mixture([(0.2, clusters), (0.3, walk), (0.25, states), (0.25, fixed_share([(0.5, kalman(1, 1, 1, 1, 0, 1)), (0.5, NormalGamma(0, 1, 1, 1))], 0.1))])
";

const NUMBERS: [&str; 8] = ["0.5", "2.5", "-1", "3.25", "2e0", "-2.5", "0", "1.5"];

/// A folder with files, removed at the end of a test.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("borel-stream-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).unwrap();
        for (name, text) in files {
            std::fs::write(folder.0.join(name), text).unwrap();
        }
        folder
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.0.join(name), bytes).unwrap();
    }

    fn spawn(&self, arguments: &[&str]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_borel"));
        command.arg("stream").args(arguments).current_dir(&self.0).env_remove("NO_COLOR");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Runs to the end: exit status, standard output, standard error.
    fn stream(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut child = self.spawn(arguments);
        // A stream that ends early does not read everything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn lines(out: &str) -> Vec<Value> {
    out.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

fn near(value: &Value, x: f64) {
    assert!((value.as_f64().unwrap() - x).abs() < 1e-12, "{value}, not {x}");
}

#[test]
fn every_line_gets_a_line() {
    let folder = Folder::new(&[("coin.borel", COIN)]);
    let (status, out, error) = folder.stream(&["coin.borel"], "1\n0\n\n1\n");
    assert_eq!((status, error.as_str()), (0, ""));
    let told = lines(&out);
    assert_eq!(told.len(), 3);
    let numbers: Vec<u64> = told.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 2, 4]);
    near(&told[0]["prediction"]["mean"], 0.5);
    near(&told[0]["prediction"]["sd"], 0.5);
    near(&told[0]["log_loss"], 2f64.ln());
    near(&told[1]["prediction"]["probs"][1], 2.0 / 3.0);
    near(&told[1]["log_loss"], 3f64.ln());
    near(&told[2]["log_evidence"], (1.0f64 / 12.0).ln());
    near(&told[2]["next"]["mean"], 3.0 / 5.0);
    assert_eq!(told[0]["next"], told[1]["prediction"]);
    assert_eq!(told[2]["weights"], serde_json::json!([1.0]));
    let (_, bare, _) = folder.stream(&["coin.borel", "--no-weights"], "1\n");
    assert!(!bare.contains("weights"));
}

#[test]
fn observations_have_the_type_of_the_learner() {
    let programs = [
        ("flip", "mixture([(0.5, BetaFlip(1, 1)), (0.5, fixed(Flip(0.9)))])", "true", "\"support\": [false, true]"),
        (
            "vector",
            "kalman(identity(2), identity(2), identity(2), identity(2), [0, 1], identity(2))",
            "[0.5, 1]",
            "\"mean\": [0.0, 1.0]",
        ),
        ("pair", "NormalRegression([0, 0], identity(2), 1)", "[[1, 2], 0.5]", "\"mean\": 0.0"),
        ("word", "fixed(Choice([\"a\", \"b\"]))", "\"a\"", "\"probs\": [0.5, 0.5]"),
        ("count", "GammaPoisson(2, 1)", "3", "\"mean\": 2.0"),
    ];
    for (name, program, line, shown) in programs {
        let file = format!("{name}.borel");
        let folder = Folder::new(&[(&file, program)]);
        let (status, out, error) = folder.stream(&[&file], &format!("{line}\n"));
        assert_eq!((status, error.as_str()), (0, ""), "{name}");
        assert!(out.contains(shown), "{name}: {out}");
        assert_eq!(lines(&out).len(), 1, "{name}");
    }
}

#[test]
fn bad_lines_are_told_and_skipped_or_end_the_stream() {
    let folder = Folder::new(&[("coin.borel", COIN)]);
    let input = "1\noops\n\"1\"\n0.5\n[1]\n7\n0\n";
    let (status, out, error) = folder.stream(&["coin.borel"], input);
    assert_eq!((status, lines(&out).len()), (1, 1));
    assert!(error.starts_with("error: line 2: ") && error.contains("--bad skip"), "{error}");
    let (status, out, error) = folder.stream(&["coin.borel", "--bad", "skip"], input);
    let told = lines(&out);
    assert_eq!(status, 0);
    for line in [2, 3, 4, 5] {
        assert!(error.contains(&format!("error: line {line}: ")), "{error}");
    }
    assert!(error.ends_with("4 lines were left out\n"), "{error}");
    // An impossible observation is one all the same: 7 is no outcome of a Bernoulli.
    assert_eq!(told.last().unwrap()["line"], 7);
    assert_eq!(told[1]["log_loss"], "inf");
    let folder = Folder::new(&[("dice.borel", "DirichletCategorical(ones(6))")]);
    let (status, out, error) = folder.stream(&["dice.borel", "--bad", "skip"], "5\nnull\n6\n5\n");
    assert_eq!((status, lines(&out).len()), (0, 3));
    assert!(error.contains("error: line 2: ") && error.contains("1 line was left out"), "{error}");
    near(&lines(&out)[2]["log_loss"], -(2.0f64 / 7.0).ln());
}

#[test]
fn a_resumed_stream_goes_on_as_if_never_interrupted() {
    let folder = Folder::new(&[("nested.borel", NESTED)]);
    let whole = NUMBERS.join("\n");
    let (status, out, error) = folder.stream(&["nested.borel", "--set", "noise=0.5"], &whole);
    assert_eq!((status, error.as_str()), (0, ""));
    let arguments = ["nested.borel", "--set", "noise=0.5", "--checkpoint", "state.json", "--every", "2", "--resume"];
    let mut pieces = String::new();
    for part in [&NUMBERS[..3], &NUMBERS[3..4], &NUMBERS[4..]] {
        let (status, out, error) = folder.stream(&arguments, &part.join("\n"));
        assert_eq!(status, 0, "{error}");
        assert!(error.contains("starts anew") == pieces.is_empty(), "{error}");
        pieces.push_str(&out);
    }
    assert_eq!(pieces, out);
    // Another seed draws otherwise; the checkpoint's own counts.
    let (_, other, _) = folder.stream(&["nested.borel", "--set", "noise=0.5", "--seed", "7"], &whole);
    assert_ne!(other, out);
}

#[test]
fn checkpoints_are_written_on_the_way() {
    let folder = Folder::new(&[("coin.borel", COIN)]);
    let mut child = folder.spawn(&["coin.borel", "--checkpoint", "state.json", "--every", "2"]);
    let mut input = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    for k in 0..3 {
        // Every answer comes before the next question: nothing waits in a buffer.
        writeln!(input, "1").unwrap();
        input.flush().unwrap();
        line.clear();
        out.read_line(&mut line).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap()["line"], k + 1);
    }
    // The third answer was given after the second checkpoint was due.
    assert!(folder.read("state.json").contains("\"observations\": 2"));
    child.kill().unwrap();
    child.wait().unwrap();
    let (status, out, error) = folder.stream(&["coin.borel", "--checkpoint", "state.json", "--resume"], "1\n");
    assert_eq!(status, 0);
    assert!(error.contains("goes on after line 2"), "{error}");
    near(&lines(&out)[0]["prediction"]["mean"], 0.75);
}

#[cfg(unix)]
#[test]
fn an_interrupted_stream_keeps_its_state() {
    let folder = Folder::new(&[("coin.borel", COIN)]);
    let mut child = folder.spawn(&["coin.borel", "--checkpoint", "state.json"]);
    let mut input = child.stdin.take().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    writeln!(input, "1\n1\n1").unwrap();
    let mut line = String::new();
    for _ in 0..3 {
        out.read_line(&mut line).unwrap();
    }
    // It waits for a line that does not come.
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(folder.read("state.json").contains("\"observations\": 3"));
    drop(input);
}

#[test]
fn a_closed_output_ends_the_stream() {
    let folder = Folder::new(&[("coin.borel", COIN)]);
    let mut child = folder.spawn(&["coin.borel"]);
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    // It ends at all only because the closed output stops it: the input stays open.
    let _ = writeln!(input, "1\n0");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn checkpoints_of_other_programs_and_damaged_ones_are_refused() {
    let folder = Folder::new(&[("nested.borel", NESTED), ("coin.borel", COIN)]);
    let arguments = |file| [file, "--checkpoint", "state.json", "--resume"];
    let (status, _, error) = folder.stream(&arguments("nested.borel"), &NUMBERS.join("\n"));
    assert_eq!(status, 0, "{error}");
    let good = folder.read("state.json").into_bytes();
    let (status, out, error) = folder.stream(&arguments("coin.borel"), "1\n");
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(error.contains("the program has changed since the checkpoint was written"), "{error}");
    folder.write("state.json", &good[..good.len() / 2]);
    let (status, _, error) = folder.stream(&arguments("nested.borel"), "1\n");
    assert_eq!(status, 1);
    assert!(error.contains("the checkpoint is damaged"), "{error}");
    // Whatever stands in the file, the answer is an error or a state of the right type: never an internal error.
    let mut state = 1u64;
    for _ in 0..25 {
        let mut bytes = good.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let at = (state >> 33) as usize % bytes.len();
            bytes[at] = b"0123456789,#\"[]-e."[(state >> 20) as usize % 18];
        }
        folder.write("state.json", &bytes);
        let (status, _, error) = folder.stream(&arguments("nested.borel"), "1\n");
        assert!(status == 0 || status == 1, "{error}");
        assert!(!error.contains("internal"), "{error}");
    }
}

#[test]
fn what_is_no_learner_is_refused_before_reading() {
    for (program, said) in [
        ("let l = BetaBernoulli(1, 1)\n", "the last statement of p.borel is no learner"),
        ("print(1)\n3\n", "expected a learner at the end of the file, found Int"),
        ("learner(0, s => Dirac(x => x + 1), (s, x) => s)\n", "cannot be read from a stream"),
    ] {
        let folder = Folder::new(&[("p.borel", program)]);
        let (status, out, error) = folder.stream(&["p.borel"], "1\n");
        assert!(status == 1 || status == 2, "{error}");
        assert_eq!(out, "");
        assert!(error.contains(said), "{error}");
    }
    let folder = Folder::new(&[(
        "p.borel",
        "print(\"hello\")\nparticle(() => learner(sample(Normal(0, 1)), s => Normal(s, 1), (s, x) => s), 3)\n",
    )]);
    let (status, out, error) = folder.stream(&["p.borel"], "1\n");
    assert_eq!((status, error.as_str()), (0, "hello\n"));
    assert_eq!(lines(&out).len(), 1);
}
