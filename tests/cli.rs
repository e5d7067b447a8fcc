//! The `borel` command as users meet it: exit statuses, output, refusals, limits, and the REPL from a pipe.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

const EIGHT_SCHOOLS: &str = "\
data y: [Real] = [28, 8, -3, 7, -1, 1, 18, 12]
data sigma: [Real] = [15, 10, 16, 11, 9, 11, 10, 18]

model eight_schools {
  mu ~ Normal(0, 5)
  tau ~ HalfCauchy(5)
  z ~ iid(Normal(0, 1), len(y))
  let theta = mu + tau * z
  observe y ~ Normal(theta, sigma)
  return {mu, tau, theta}
}
";

/// P(first | sum > 0) of two coins is 2/3, and the evidence is 3/4.
const COINS: &str = "\
model coins {
  a ~ Bernoulli(0.5)
  b ~ Bernoulli(0.5)
  condition(a + b > 0)
  return {a}
}
";

/// Shows what is bound.
const SUM: &str = "data n: Int\ndata xs: [Real] = [1, 2]\nprint((n, sum(xs)))\n";

/// A folder with files, removed at the end of a test.
struct Folder(PathBuf);

impl Folder {
    fn new(files: &[(&str, &str)]) -> Folder {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("borel-cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).unwrap();
        for (name, text) in files {
            folder.write(name, text);
        }
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_borel"));
        command.args(arguments).current_dir(&self.0).env_remove("NO_COLOR").stdin(Stdio::null());
        command
    }

    /// Runs to the end: exit status, standard output, standard error.
    fn borel(&self, arguments: &[&str]) -> (i32, String, String) {
        finished(&self.command(arguments).output().unwrap())
    }

    /// As [`Folder::borel`], with this text on standard input.
    fn piped(&self, arguments: &[&str], input: &str) -> (i32, String, String) {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        finished(&child.wait_with_output().unwrap())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn finished(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_model_is_inferred_and_shown() {
    let folder = Folder::new(&[("coins.borel", COINS)]);
    let (status, out, error) = folder.borel(&["run", "coins.borel"]);
    assert_eq!((status, error.as_str()), (0, ""));
    insta::assert_snapshot!(out, @r#"
coins · enumerate (exact): every choice is finite or countable, so the answer is exact

       mean        sd  q05  q50  q95
a  0.666667  0.471405    0    1    1

   value      prob
a  0      0.333333
   1      0.666667

log evidence -0.287682
"#);
    let (status, quiet, _) = folder.borel(&["run", "coins.borel", "--quiet"]);
    assert_eq!(status, 0);
    assert!(out.contains(&quiet) && quiet.starts_with(' ') && !quiet.contains("evidence"), "{quiet}");
}

#[test]
fn json_is_one_object_with_known_numbers() {
    let folder = Folder::new(&[("coins.borel", COINS)]);
    let (status, out, error) = folder.borel(&["run", "coins.borel", "--format", "json"]);
    assert_eq!((status, error.as_str()), (0, ""));
    let object: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&object["model"], &object["method"], &object["seed"]),
        (&"coins".into(), &"enumerate".into(), &0.into())
    );
    let near = |value: &Value, x: f64| (value.as_f64().unwrap() - x).abs() < 1e-12;
    assert!(near(&object["variables"]["a"]["mean"], 2.0 / 3.0), "{out}");
    assert!(near(&object["log_evidence"], 0.75_f64.ln()), "{out}");
    assert!(near(&object["variables"]["a"]["probs"][1], 2.0 / 3.0), "{out}");
    assert_eq!(object["warnings"], Value::Array(vec![]));
    for phase in ["compile", "warmup", "sampling"] {
        assert!(object["seconds"][phase].is_f64(), "{out}");
    }
}

#[test]
fn prints_go_to_standard_error_beside_json() {
    let folder = Folder::new(&[("hello.borel", "print(\"hello\")\n1 + 1\n")]);
    assert_eq!(folder.borel(&["run", "hello.borel"]), (0, "hello\n2\n".into(), String::new()));
    let (status, out, error) = folder.borel(&["run", "hello.borel", "--format", "json"]);
    assert_eq!((status, error.as_str()), (0, "hello\n2\n"));
    assert!(serde_json::from_str::<Value>(&out).unwrap()["seconds"].is_object());
}

#[test]
fn all_reports_every_named_choice() {
    let folder =
        Folder::new(&[("m.borel", "model m {\n  a ~ Bernoulli(0.5)\n  b ~ Bernoulli(0.25)\n  return {b}\n}\n")]);
    let names = |arguments: &[&str]| {
        let (status, out, error) = folder.borel(arguments);
        assert_eq!(status, 0, "{error}");
        let object: Value = serde_json::from_str(&out).unwrap();
        object["variables"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let run = ["run", "m.borel", "--method", "importance", "--format", "json"];
    assert_eq!(names(&run), ["b"]);
    assert!(names(&[&run[..], &["--all"]].concat()).contains(&"a".to_string()));
}

#[test]
fn threads_do_not_change_the_output() {
    let folder = Folder::new(&[("es.borel", EIGHT_SCHOOLS)]);
    for method in ["mh", "smc", "importance"] {
        let run = |threads: &str, seed: &str| {
            let arguments =
                ["run", "es.borel", "--method", method, "--format", "json", "--threads", threads, "--seed", seed];
            let (status, out, error) = folder.borel(&[&arguments[..], &["--lenient"]].concat());
            assert_eq!(status, 0, "{error}");
            let mut object: Value = serde_json::from_str(&out).unwrap();
            object.as_object_mut().unwrap().remove("seconds");
            object.to_string()
        };
        let one = run("1", "3");
        assert_eq!(one, run("2", "3"), "{method}");
        assert_ne!(one, run("2", "4"), "{method}");
    }
}

#[test]
fn data_come_from_files_and_from_the_command_line() {
    let folder =
        Folder::new(&[("sum.borel", SUM), ("d.json", "{\"n\": 3, \"xs\": [1.5, 2, 3]}"), ("d.csv", "xs\n10\n20\n")]);
    let out = |arguments: &[&str]| {
        let (status, out, error) = folder.borel(&[&["run", "sum.borel"], arguments].concat());
        assert_eq!((status, error.as_str()), (0, ""), "{arguments:?}");
        out
    };
    assert_eq!(out(&["--set", "n=7"]), "(7, 3.0)\n");
    assert_eq!(out(&["--data", "d.json"]), "(3, 6.5)\n");
    assert_eq!(out(&["--data", "d.csv", "--set", "n=1"]), "(1, 30.0)\n");
    assert_eq!(out(&["--data", "d.json", "--set", "n=9", "--set", "xs=[0.5]"]), "(9, 0.5)\n");
}

#[test]
fn wrong_data_are_explained() {
    let folder = Folder::new(&[
        ("sum.borel", SUM),
        ("cut.json", "{\"n\": 3, \"xs\": [1.5,"),
        ("case.json", "{\"N\": 3}"),
        ("type.json", "{\"n\": 3,\n \"xs\": [1, \"two\"]}"),
    ]);
    let wrong = |arguments: &[&str]| {
        let (status, out, error) = folder.borel(&[&["run", "sum.borel"], arguments].concat());
        assert_eq!((status, out.as_str()), (1, ""), "{arguments:?}: {error}");
        error
    };
    let all = [
        wrong(&[]),
        wrong(&["--data", "cut.json"]),
        wrong(&["--data", "case.json"]),
        wrong(&["--data", "type.json"]),
        wrong(&["--data", "none.json"]),
    ];
    insta::assert_snapshot!(all.join("\n"), @r#"
error: expected a value for data `n: Int`, found none
  --> sum.borel:1:6
  = help: give it by --data FILE or --set n=VALUE

error: the file ends in the middle of xs[1]
  --> cut.json:1:21
  = help: was it written or copied completely?

error: expected a value for data `n: Int`, found none
  --> sum.borel:1:6
  = help: did you mean `N`?
  = help: the data have `N`

error: expected Real, found "two" at xs[1]
  --> type.json:2:12

error: cannot read none.json: no such file
"#);
}

#[test]
fn what_does_not_exist_is_refused_by_name() {
    let folder = Folder::new(&[("coins.borel", COINS), ("es.borel", EIGHT_SCHOOLS), ("hello.borel", "print(1)\n")]);
    let mut all = String::new();
    for arguments in [
        &["plot", "draws.csv"][..],
        &["validate", "hello.borel"],
        &["validate", "es.borel", "--with", "nothing(3)"],
        &["rnu", "es.borel"],
        &["es.borel"],
        &["run", "es.borel", "--method", "pmmh"],
        &["run", "es.borel", "--method", "mhh"],
        &["run", "es.borel", "--method", "mh", "--particles", "10"],
        &["run", "es.borel", "--method", "mh", "--opt", "step=1"],
        &["run", "es.borel", "--opt", "steps"],
        &["run", "es.borel", "--opt", "steps=many", "--method", "mh"],
        &["run", "es.borel", "--out", "draws.nc"],
        &["run", "es.borel", "--out", "draws"],
        &["run", "es.borel", "--model", "nine_schools"],
        &["run", "es.borel", "--set", "y"],
        &["run", "hello.borel", "--method", "mh"],
        &["run", "hello.borel", "--draws", "10"],
        &["explain", "es.borel", "--pass", "magic"],
    ] {
        let (status, out, error) = folder.borel(arguments);
        assert_eq!((status, out.as_str()), (2, ""), "{arguments:?}: {error}");
        all.push_str(&format!("$ borel {}\n{error}\n", arguments.join(" ")));
    }
    insta::assert_snapshot!(all, @r#"
$ borel plot draws.csv
error: `borel plot` does not exist in this version
  = help: use `borel run FILE --out draws.csv`, and any tool that reads CmdStan's draws

$ borel validate hello.borel
error: hello.borel has no model, and inference is validated on one; write it as `model m { … }`

$ borel validate es.borel --with nothing(3)
error: no function is called `nothing`: --with takes a method of the library or of the file, such as `smc(particles = 3)`

$ borel rnu es.borel
error: no command is called `rnu`
  = help: did you mean `borel run`?

$ borel es.borel
error: no command is called `es.borel`
  = help: write `borel run es.borel`

$ borel run es.borel --method pmmh
error: the method `pmmh` does not exist in this version
  = help: use --method mh, or leave --method out and `infer` chooses

$ borel run es.borel --method mhh
error: no method is called `mhh`
  = help: did you mean `mh`?

$ borel run es.borel --method mh --particles 10
error: `mh` has no option `particles`; it has draws, warmup, chains, steps

$ borel run es.borel --method mh --opt step=1
error: `mh` has no option `step`; it has draws, warmup, chains, steps

$ borel run es.borel --opt steps
error: --opt takes KEY=VALUE, found `steps`

$ borel run es.borel --opt steps=many --method mh
error: the option `steps` takes an integer, found `many`

$ borel run es.borel --out draws.nc
error: this version does not write .nc files
  = help: use --out with a name ending in .csv (one file per chain, as CmdStan writes) or .json

$ borel run es.borel --out draws
error: `draws` names no format of draws
  = help: use a name ending in .csv or .json

$ borel run es.borel --model nine_schools
error: es.borel has no model `nine_schools`; it has `eight_schools`

$ borel run es.borel --set y
error: expected NAME=VALUE, found `y`
  --> --set y
  = help: write --set n=10 or --set 'y=[1, 2, 3]'

$ borel run hello.borel --method mh
error: hello.borel has statements, so it runs as a script, and --method has no effect; call the method in the program: `infer(m)`

$ borel run hello.borel --draws 10
error: hello.borel has statements, so it runs as a script, and the option `draws` has no effect; call the method in the program: `infer(m)`

$ borel explain es.borel --pass magic
error: no pass is called `magic`; there are lower, specialise, simplify, prune, address, forward_only, delay, score
"#);
    for arguments in [&["run"][..], &["run", "es.borel", "--draws", "0"], &["run", "es.borel", "--nothing"], &[]] {
        assert_eq!(folder.borel(arguments).0, 2, "{arguments:?}");
    }
    assert_eq!(folder.borel(&["--version"]).0, 0);
    assert!(folder.borel(&["--help"]).1.contains("explain"));
}

#[test]
fn options_reach_the_method() {
    let folder = Folder::new(&[("es.borel", EIGHT_SCHOOLS)]);
    let object = |arguments: &[&str]| {
        let (_, out, error) = folder.borel(&[&["run", "es.borel", "--format", "json"], arguments].concat());
        serde_json::from_str::<Value>(&out).unwrap_or_else(|_| panic!("{error}"))
    };
    let mh = object(&["--method", "mh", "--draws", "20", "--warmup", "5", "--chains", "2", "--seed", "5"]);
    assert_eq!((&mh["draws"], &mh["chains"], &mh["seed"]), (&20.into(), &2.into(), &5.into()));
    let smc = object(&["--method", "smc", "--particles", "50", "--opt", "resampler=residual"]);
    assert_eq!((&smc["draws"], &smc["method"]), (&50.into(), &"smc".into()));
    assert!(smc["log_evidence"].is_f64());
}

#[test]
fn results_that_should_not_be_trusted_have_a_status() {
    // No run meets the condition: every weight is zero.
    let dead = "model m {\n  x ~ Normal(0, 1)\n  condition(x > 100)\n  return {x}\n}\n";
    let folder = Folder::new(&[("dead.borel", dead)]);
    let run = ["run", "dead.borel", "--method", "importance", "--draws", "100"];
    let (status, out, error) = folder.borel(&run);
    assert_eq!((status, error.as_str()), (3, ""));
    assert!(out.contains("warning: every draw has weight zero\n  = help: "), "{out}");
    assert_eq!(folder.borel(&[&run[..], &["--lenient"]].concat()).0, 0);
    let (status, out, _) = folder.borel(&[&run[..], &["--format", "json"]].concat());
    assert_eq!(status, 3);
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["warnings"].as_array().unwrap().len(), 1);
}

#[test]
fn draws_are_written() {
    let folder = Folder::new(&[("es.borel", EIGHT_SCHOOLS)]);
    let run = ["run", "es.borel", "--method", "mh", "--draws", "30", "--chains", "2", "--lenient", "--out"];
    assert_eq!(folder.borel(&[&run[..], &["d.csv"]].concat()).0, 0);
    for name in ["d_1.csv", "d_2.csv"] {
        let text = folder.read(name);
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(lines[0].contains("mu,tau,theta.1,"), "{}", lines[0]);
        assert_eq!(lines.len(), 31);
    }
    assert!(!folder.0.join("d.csv").exists());
    assert_eq!(folder.borel(&[&run[..], &["d.json"]].concat()).0, 0);
    let object: Value = serde_json::from_str(&folder.read("d.json")).unwrap();
    assert_eq!(object["chains"][1]["draws"]["theta[7]"].as_array().unwrap().len(), 30);
    assert_eq!(folder.borel(&["run", "es.borel", "--method", "importance", "--lenient", "--out", "d.csv"]).0, 0);
    assert!(folder.0.join("d.csv").exists());
    assert_eq!(folder.borel(&[&run[..], &["none/d.json"]].concat()).0, 1);
}

#[test]
fn hostile_programs_end_in_an_error_with_a_place() {
    let folder = Folder::new(&[
        ("recursion.borel", "fn f(n: Int) -> Int = 1 + f(n + 1)\nprint(f(0))\n"),
        ("array.borel", "print(len(zeros(1000000000000)))\n"),
        ("comprehension.borel", "print(len([i for i in 0..1000000000000]))\n"),
        ("nested.borel", &format!("print({}1{})\n", "(".repeat(100_000), ")".repeat(100_000))),
        ("arrays.borel", &format!("print({}{})\n", "[".repeat(100_000), "]".repeat(100_000))),
        ("open.borel", &format!("print({})\n", "[".repeat(100_000))),
        ("sum.borel", &format!("print({}1)\n", "1 + ".repeat(100_000))),
        ("type.borel", "let x = 1 + \"a\"\nprint(x)\n"),
        ("syntax.borel", "let = 3\n"),
    ]);
    for name in ["recursion", "array", "comprehension", "nested", "arrays", "open", "sum", "type", "syntax"] {
        let file = format!("{name}.borel");
        let (status, out, error) = folder.borel(&["run", &file]);
        assert_eq!((status, out.as_str()), (1, ""), "{name}: {error}");
        assert!(error.starts_with("error: ") && error.contains(&format!(" --> {file}:1:")), "{name}: {error}");
        assert!(!error.contains("internal error"), "{error}");
        assert_eq!(error.matches("error: ").count(), 1, "{name}: {error}");
    }
    assert_eq!(folder.borel(&["run", "none.borel"]).0, 1);
}

#[test]
fn check_reports_all_files() {
    let folder = Folder::new(&[
        ("good.borel", EIGHT_SCHOOLS),
        ("needs_data.borel", "data n: Int\nmodel m {\n  x ~ Normal(n, 1)\n  return x\n}\n"),
        ("bad.borel", "let x = 1 + \"a\"\n"),
        ("worse.borel", "let y = unknown\n"),
    ]);
    assert_eq!(folder.borel(&["check", "good.borel", "needs_data.borel"]), (0, String::new(), String::new()));
    let (status, out, error) = folder.borel(&["check", "bad.borel", "good.borel", "worse.borel"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(error.contains("bad.borel:1:") && error.contains("worse.borel:1:9"), "{error}");
}

#[test]
fn tests_are_counted_and_failures_shown() {
    let folder = Folder::new(&[
        (
            "t/a.borel",
            "/// One more.\n/// example: next(1) == 2\nfn next(n: Int) = n + 1\ntest \"adds\" { assert next(2) == 3 }\n",
        ),
        ("t/sub/b.borel", "test \"wrong\" { assert 1 + 1 == 3 }\ntest \"right\" { assert true }\n"),
        ("t/none.borel", "data n: Int\nprint(n)\n"),
    ]);
    let (status, out, error) = folder.borel(&["test", "t"]);
    assert_eq!((status, out.as_str()), (1, "failed: t/sub/b.borel: wrong\n3 passed, 1 failed\n"), "{error}");
    assert!(error.contains(" --> t/sub/b.borel:1:16"), "{error}");
    assert_eq!(folder.borel(&["test", "t/a.borel"]), (0, "2 passed, 0 failed\n".into(), String::new()));
    assert_eq!(folder.borel(&["test", "t/none.borel"]).0, 0);
    assert_eq!(folder.borel(&["test", "nowhere"]).0, 1);
}

#[test]
fn fmt_changes_only_what_parses() {
    let (ugly, tidy) = ("let  x=1+2\n", "let x = 1 + 2\n");
    let folder = Folder::new(&[("ugly.borel", ugly), ("tidy.borel", tidy), ("bad.borel", "let = \n")]);
    assert_eq!(
        folder.borel(&["fmt", "--check", "ugly.borel", "tidy.borel"]),
        (1, "ugly.borel\n".into(), String::new())
    );
    assert_eq!(folder.read("ugly.borel"), ugly);
    let (status, _, error) = folder.borel(&["fmt", "bad.borel", "ugly.borel"]);
    assert_eq!(status, 1);
    assert!(error.contains("bad.borel:1:"), "{error}");
    assert_eq!((folder.read("ugly.borel").as_str(), folder.read("bad.borel").as_str()), (tidy, "let = \n"));
    assert_eq!(folder.borel(&["fmt", "--check", "ugly.borel", "tidy.borel"]).0, 0);
}

#[test]
fn explain_tells_the_plan() {
    let folder = Folder::new(&[("es.borel", EIGHT_SCHOOLS), ("script.borel", "let a = 2\nprint(a)\n")]);
    let (status, _, error) = folder.borel(&["explain", "script.borel"]);
    assert!(status == 2 && error.contains("script.borel has no model, and only models have a plan"), "{error}");
    let (status, out, _) = folder.borel(&["explain", "es.borel"]);
    assert_eq!(status, 0);
    assert!(out.starts_with("model eight_schools\n") && out.contains("infer takes nuts"), "{out}");
    let (status, out, _) = folder.borel(&["explain", "es.borel", "--pass", "lower"]);
    assert!(status == 0 && out.contains("observe"), "{out}");
}

#[cfg(feature = "repl")]
#[test]
fn the_repl_reads_from_a_pipe() {
    let folder = Folder::new(&[("lib.borel", "fn twice(x) = 2 * x\n"), ("coins.borel", COINS)]);
    let input = "\
1 + 2
let xs = [1, 2, 3]
xs
fn add(a: Int, b: Int) = {
  a + b
}
add(1,
  2)
:type xs
:type twice(2)
:type Normal
:type map
undefined
xs[9]
\"text\"
{a: 1.5, b: (true, \"x\")}
:load coins.borel
enumerate(coins)
:laod x
let xs = 5
xs
:load none.borel
:quit
1 / 0
";
    let (status, out, error) = folder.piped(&["repl", "lib.borel"], input);
    assert_eq!(status, 0);
    insta::assert_snapshot!(out, @r#"
3
xs : [Int]
[1, 2, 3] : [Int]
add : (a: Int, b: Int) -> Int
3
xs : [Int]
twice(2) : Int
Normal : (mu: Real, sigma: Positive) -> Dist<Real>
map : (xs: [a], f: (a) ~> b) -> [b], random where `f` is
"text"
{a: 1.5, b: (true, "x")} : {a: Real, b: (Bool, String)}
<posterior by enumerate: exact, 2 values>
       mean        sd  q05  q50  q95
a  0.666667  0.471405    0    1    1

   value      prob
a  0      0.333333
   1      0.666667
xs : Int
5
"#);
    insta::assert_snapshot!(error, @r#"
error: unknown name `undefined`
 --> <6>:1:1
  |
1 | undefined
  | ^^^^^^^^^
error: index 9 is out of range for length 3
 --> <7>:1:1
  |
1 | xs[9]
  | ^^^^^
  |
  = help: indices count from 0, so the last one is one less than the length
error: no command is called `:laod`
  = help: did you mean `:load`?
error: cannot read none.borel: no such file
"#);
}

#[cfg(feature = "repl")]
#[test]
fn an_entry_that_fails_leaves_no_trace_in_the_repl() {
    let folder = Folder::new(&[("needs.borel", "data y: [Real]\nlet total = sum(y)\n"), ("y.json", "{\"y\": [1, 2]}")]);
    let input = "\
let e = 3
let e = nope
e
fn e(x) = 1 +* x
let e = inverse(matrix([[0.0]]))
e
let g = nope
:type g
data z: [Real]
import \"needs.borel\" as needs
1 + 1
data z: [Real] = [7]
z
inverse(e)
";
    let (status, out, error) = folder.piped(&["repl"], input);
    assert_eq!(status, 0);
    insta::assert_snapshot!(out, @r#"
e : Int
3
3
2
z : [Real]
[7.0] : [Real]
"#);
    insta::assert_snapshot!(error, @r#"
error: unknown name `nope`
 --> <2>:1:9
  |
1 | let e = nope
  |         ^^^^
error: expected an expression, found `*`
 --> <4>:1:14
  |
1 | fn e(x) = 1 +* x
  |              ^ expected an expression
error: inverse with a singular matrix
 --> <5>:1:9
  |
1 | let e = inverse(matrix([[0.0]]))
  |         ^^^^^^^^^^^^^^^^^^^^^^^^
  |
  = help: some row follows from the others: the equations have no single solution
error: unknown name `nope`
 --> <7>:1:9
  |
1 | let g = nope
  |         ^^^^
error: unknown name `g`
 --> <type>:1:1
  |
1 | g
  | ^
error: expected a value for data `z: [Real]`, found none
  --> <8>:1:6
  = help: give it by --data FILE or --set z=VALUE
error: expected a value for data `y: [Real]`, found none
  --> needs.borel:1:6
  = help: give it by --data FILE or --set y=VALUE
error: expected Matrix, found Int
 --> <13>:1:9
  |
1 | inverse(e)
  |         ^
  |
 ::: primitive inverse:1:12
  |
1 | fn inverse(m: Matrix) -> Matrix
  |            --------- parameter `m` of `inverse`
"#);

    let input = "import \"needs.borel\" as needs\nneeds.total\n";
    let (_, out, error) = folder.piped(&["repl", "--data", "y.json"], input);
    assert_eq!((out.as_str(), error.as_str()), ("3.0\n", ""));
}

#[cfg(unix)]
#[test]
fn a_closed_output_ends_quietly() {
    // It ends at all only because the closed output stops it.
    let folder = Folder::new(&[("loop.borel", "var i = 0\nwhile true {\n  print(i)\n  i = i + 1\n}\n")]);
    let mut child =
        folder.command(&["run", "loop.borel"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

/// Starts a command, interrupts it once its program has printed this much, and gives what it leaves: status, standard
/// output and the last part of standard error.
#[cfg(unix)]
fn interrupted(folder: &Folder, arguments: &[&str], bytes: usize) -> (i32, String, String) {
    use std::io::Read;
    let mut command = folder.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut error = child.stderr.take().unwrap();
    error.read_exact(&mut vec![0; bytes]).unwrap();
    let kill = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(kill.success());
    let rest = std::thread::spawn(move || {
        let mut rest = String::new();
        error.read_to_string(&mut rest).unwrap();
        rest
    });
    let (status, out, _) = finished(&child.wait_with_output().unwrap());
    let rest = rest.join().unwrap();
    (status, out, rest.lines().filter(|line| !line.starts_with("run ")).collect::<Vec<_>>().join("\n"))
}

#[cfg(unix)]
#[test]
fn an_interrupted_inference_writes_what_was_drawn() {
    let model = "model m {\n  x ~ Normal(0, 1)\n  print(\"run\", x)\n  observe 1.5 ~ Normal(x, 1)\n  return {x}\n}\n";
    let folder = Folder::new(&[("m.borel", model)]);
    for (method, options) in
        [("mh", ["--chains", "2"]), ("importance", ["--threads", "1"]), ("rejection", ["--seed", "2"])]
    {
        let arguments =
            ["run", "m.borel", "--format", "json", "--out", "draws.json", "--draws", "100000000", "--method"];
        let more = if method == "mh" { vec!["--warmup", "10"] } else { Vec::new() };
        let arguments = [&arguments[..], &[method], &options[..], &more[..]].concat();
        let (status, out, error) = interrupted(&folder, &arguments, 100_000);
        assert_eq!(status, 130, "{method}: {out} {error}");
        let object: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{method}: {out} {error}"));
        let warnings = object["warnings"].to_string();
        assert!(warnings.contains("interrupted after"), "{method}: {warnings}");
        assert!(
            object["draws"].as_u64().unwrap() > 0 && object["variables"]["x"]["mean"].is_number(),
            "{method}: {out}"
        );
        assert!(folder.read("draws.json").len() > 100, "{method}");
        if method == "mh" {
            assert!(object["seconds"]["warmup"].as_f64().unwrap() > 0.0, "{out}");
        }
    }
    let walk = "model walk {\n  var x = 0.0\n  while true {\n    x ~ Normal(x, 1)\n    print(\"run\", x)\n    observe 0 ~ Normal(x, 1)\n  }\n}\n";
    folder.write("walk.borel", walk);
    let arguments = ["run", "walk.borel", "--format", "json", "--method", "smc", "--particles", "10"];
    let (status, out, error) = interrupted(&folder, &arguments, 100_000);
    assert_eq!((status, out.as_str()), (130, ""), "{error}");
    assert!(error.contains("a particle filter has no draws before its particles have ended"), "{error}");
}
