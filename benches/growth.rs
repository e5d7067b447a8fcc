//! How time grows with the number of rows: `cargo bench --bench growth [NAME…] [ROWS…]`.
//!
//! For each workload and 10³ … 10⁶ rows: milliseconds from bound data to code, the least of five, and from code to an evaluator, and nanoseconds of a
//! gradient per row, the least mean of batches. All is CPU time of one thread, to about 4 ms, where the system tells it. Data are made
//! here, and bound before the clock starts.

use borel::data::{DataValue, Entry, Numbers, Place, Tree};
use borel::driver::{Options, Session};
use borel::model::{Density, Production};
use borel::source::OsWorld;
use borel::value::Generator;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// That of the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROWS: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];

type Make = fn(usize) -> Vec<Entry>;

/// Name, program, data of so many rows.
const WORKLOADS: &[(&str, &str, Make)] = &[
    (
        "logreg",
        "data X: Matrix
data y: [Int]
model m {
  alpha ~ Normal(0, 2.5)
  beta  ~ iid(Normal(0, 1), 5)
  observe y ~ BernoulliLogit(alpha + X @ beta)
}",
        regression,
    ),
    (
        "logreg_loop",
        "data X: Matrix
data y: [Int]
model m {
  alpha ~ Normal(0, 2.5)
  beta  ~ iid(Normal(0, 1), 5)
  for n in 0..len(y) {
    var eta = alpha
    for d in 0..5 {
      eta = eta + X[n, d] * beta[d]
    }
    observe y[n] ~ BernoulliLogit(eta)
  }
}",
        regression,
    ),
    (
        "gmm",
        "data y: [Real]
model m {
  theta ~ Dirichlet([2.0, 2.0, 2.0])
  mu    ~ Flat(Ordered(3))
  sigma ~ iid(LogNormal(0, 1), 3)
  observe mu ~ Normal(0, 10)
  for v in y {
    observe v ~ Mixture(theta, [Normal(mu[k], sigma[k]) for k in 0..3])
  }
}",
        series,
    ),
    (
        "poisson_groups",
        "data group: [Int]
data x: [Real]
data y: [Int]
model m {
  mu   ~ Normal(0, 2)
  tau  ~ HalfNormal(1)
  z    ~ iid(Normal(0, 1), 100)
  beta ~ Normal(0, 1)
  observe y ~ PoissonLog(mu + tau * z[group] + beta * x)
}",
        groups,
    ),
    (
        "ar1",
        "data y: [Real]
model m {
  a ~ Normal(0, 1)
  b ~ Normal(0, 1)
  s ~ HalfNormal(1)
  for t in 1..len(y) {
    observe y[t] ~ Normal(a + b * y[t - 1], s)
  }
}",
        series,
    ),
    (
        "garch",
        "data y: [Real]
data sigma1: Real
model m {
  mu     ~ Flat(Real)
  alpha0 ~ Flat(Positive)
  alpha1 ~ Flat(Interval(0, 1))
  beta1  ~ Flat(Interval(0, 1 - alpha1))
  var s = sigma1
  observe y[0] ~ Normal(mu, s)
  for t in 1..len(y) {
    s = sqrt(alpha0 + alpha1 * (y[t - 1] - mu) ^ 2 + beta1 * s ^ 2)
    observe y[t] ~ Normal(mu, s)
  }
  return mu
}",
        carried,
    ),
];

fn entry(name: &str, tree: Tree) -> Entry {
    (name.to_string(), value(tree))
}

fn value(tree: Tree) -> DataValue {
    DataValue { tree, place: Place { file: "made".into(), line: 0, column: 0 } }
}

fn reals(items: Vec<f64>) -> Tree {
    Tree::Reals(Numbers { items, lines: None })
}

fn ints(items: Vec<i64>) -> Tree {
    Tree::Ints(Numbers { items, lines: None })
}

/// Numbers without a pattern that matters, between -1 and 1.
fn noise(k: usize) -> f64 {
    let bits = (k as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (bits ^ (bits >> 31)) as i64 as f64 / 9.3e18
}

fn regression(rows: usize) -> Vec<Entry> {
    let row = |n: usize| value(reals((0..5).map(|d| 2.0 * noise(5 * n + d)).collect()));
    let y = (0..rows).map(|n| i64::from(noise(n) > 0.1)).collect();
    vec![entry("X", Tree::Array((0..rows).map(row).collect())), entry("y", ints(y))]
}

fn series(rows: usize) -> Vec<Entry> {
    vec![entry("y", reals((0..rows).map(|n| 3.0 * noise(n) + (n % 3) as f64).collect()))]
}

fn carried(rows: usize) -> Vec<Entry> {
    let mut entries = series(rows);
    entries.push(entry("sigma1", Tree::Real(1.0)));
    entries
}

fn groups(rows: usize) -> Vec<Entry> {
    vec![
        entry("group", ints((0..rows).map(|n| (50.0 + 49.9 * noise(n)) as i64).collect())),
        entry("x", reals((0..rows).map(noise).collect())),
        entry("y", ints((0..rows).map(|n| (3.0 + 3.0 * noise(2 * n)) as i64).collect())),
    ]
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let chosen: Vec<usize> = words.iter().filter_map(|w| w.parse().ok()).collect();
    let names: Vec<&String> = words.iter().filter(|w| w.parse::<usize>().is_err()).collect();
    println!(
        "{:16} {:>9} {:>12} {:>14} {:>12} {:>12}",
        "workload", "rows", "compile ms", "evaluator ms", "gradient us", "ns per row"
    );
    for (name, program, make) in WORKLOADS {
        if !names.is_empty() && !names.iter().any(|n| n == name) {
            continue;
        }
        for rows in ROWS {
            if !chosen.is_empty() && !chosen.contains(&rows) {
                continue;
            }
            match measure(program, &make(rows)) {
                Ok((compile, evaluator, gradient)) => {
                    let each = 1e3 * gradient / rows as f64;
                    println!("{name:16} {rows:>9} {compile:>12.2} {evaluator:>14.2} {gradient:>12.2} {each:>12.2}");
                }
                Err(message) => println!("{name:16} {rows:>9} {message}"),
            }
        }
    }
}

fn measure(program: &str, entries: &[Entry]) -> Result<(f64, f64, f64), String> {
    let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
    let file = session.load_text("growth.borel", program).map_err(|f| session.render_failure(&f, false))?;
    session.bind_data(entries).map_err(|f| session.render_failure(&f, false))?;
    // The least of several: memory that was never used before costs more than the work, how much is the system's.
    let (mut compile, mut view) = (f64::INFINITY, None);
    for _ in 0..5 {
        drop(view.take());
        let start = seconds();
        view = Some(session.density(&file, None).map_err(|f| session.render_failure(&f, false))?);
        compile = compile.min((seconds() - start) * 1e3);
    }
    let view = view.ok_or("no view")?;
    let start = seconds();
    let mut evaluator = view.evaluator();
    let made = (seconds() - start) * 1e3;
    let x = view.initial(&mut Production(Generator::new(1))).map_err(|fault| fault.to_string())?;
    let mut gradient = vec![0.0; x.len()];
    let mut best = f64::INFINITY;
    let begun = seconds();
    let mut batch = 1;
    while seconds() - begun < 0.6 || best.is_infinite() {
        let start = seconds();
        for _ in 0..batch {
            std::hint::black_box(evaluator.gradient(&x, &mut gradient));
        }
        let spent = seconds() - start;
        if spent < 0.1 {
            batch *= 2;
        } else {
            best = best.min(spent / batch as f64);
        }
    }
    Ok((compile, made, 1e6 * best))
}

/// Seconds of CPU time that the thread has spent; of wall time where that is not known.
fn seconds() -> f64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let spent = told.and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    spent.map_or_else(|| START.get_or_init(Instant::now).elapsed().as_secs_f64(), |nanoseconds| 1e-9 * nanoseconds)
}
