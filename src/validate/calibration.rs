//! Simulation-based calibration: data drawn from the model, inferred back, and the rank of the truth among the draws.
//!
//! If inference is right, the truth and the draws are exchangeable given the data, so ranks are uniform (Cook, Gelman and Rubin 2006; Talts
//! et al. 2018). The log likelihood is ranked too: ranks of parameters alone cannot see a sampler that ignores the data (Modrák et al.
//! 2023).

use super::report::Verdict;
use super::statistics::{chi_square_uniform, kolmogorov_smirnov};
use super::subject::Subject;
use crate::driver::simulate::Simulated;
use crate::driver::{Failure, File, ModelInfo, Session};
use crate::exec::view::traced::TracedView;
use crate::model::{Production, Random, Traced};
use crate::posterior::flatten::Columns;
use crate::posterior::{Posterior, convergence};
use crate::value::{Fault, Generator, Value};

/// How much is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Data sets.
    pub runs: usize,
    pub seed: u64,
}

impl Default for Effort {
    fn default() -> Effort {
        Effort { runs: 500, seed: 0 }
    }
}

/// Draws of a posterior that the truth is ranked among at most.
const RANKED: usize = 199;
/// The probability of a false alarm of one round of the test; two rounds must fail.
const LEVEL: f64 = 1e-4;
/// The same for the looks before the last.
const EARLY: f64 = 1e-6;
/// Cells of the chi-square test.
const CELLS: usize = 20;
/// Options of a method where the user gives none.
const OPTIONS: [(&str, &str); 4] = [("chains", "1"), ("draws", "500"), ("warmup", "250"), ("particles", "500")];

/// What is ranked, and the ranks so far, each a number in [0, 1).
#[derive(Clone, Debug)]
pub struct Ranks {
    pub name: String,
    pub ranks: Vec<f64>,
}

impl Ranks {
    /// The smaller of the p values of both tests of uniformity, times two.
    pub fn p_value(&self) -> f64 {
        let mut counts = [0; CELLS];
        for rank in &self.ranks {
            counts[((rank * CELLS as f64) as usize).min(CELLS - 1)] += 1;
        }
        (2.0 * chi_square_uniform(&counts).min(kolmogorov_smirnov(&self.ranks))).min(1.0)
    }

    /// Twenty bars: how often the rank of the truth lay in each twentieth.
    pub fn bars(&self) -> String {
        let mut counts = [0usize; CELLS];
        for rank in &self.ranks {
            counts[((rank * CELLS as f64) as usize).min(CELLS - 1)] += 1;
        }
        let most = counts.iter().copied().max().unwrap_or(1).max(1);
        const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        counts.iter().map(|n| LEVELS[n * 7 / most]).collect()
    }
}

/// What calibration found.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    pub quantities: Vec<Ranks>,
    /// Data sets of the last round.
    pub runs: usize,
    /// Runs of the model that gave no data, because their weight was zero.
    pub refused: usize,
    /// How many rounds were made: a second one only after a first that failed.
    pub rounds: usize,
    pub failed: bool,
    /// Why the log likelihood is not among the quantities.
    pub without_likelihood: Option<String>,
}

impl Calibration {
    /// The quantity that fits worst, and its p value corrected for the number of quantities.
    pub fn worst(&self) -> Option<(&Ranks, f64)> {
        let corrected = |ranks: &Ranks| (ranks.p_value() * self.quantities.len() as f64).min(1.0);
        self.quantities.iter().map(|ranks| (ranks, corrected(ranks))).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// As a verdict of a report.
    pub fn verdict(&self) -> Verdict {
        let Some((worst, p)) = self.worst() else {
            return Verdict::Skipped("the model returns no numbers to rank".into());
        };
        let names: Vec<&str> = self.quantities.iter().map(|ranks| ranks.name.as_str()).collect();
        let shown = if names.len() > 6 { format!("{}, …", names[..6].join(", ")) } else { names.join(", ") };
        let text = format!(
            "{} data sets; ranks of {shown}; least p {p:.2e} ({}), {}",
            self.runs,
            worst.name,
            if self.failed {
                format!("below {LEVEL:.0e} twice\n      ranks of {}: {}", worst.name, worst.bars())
            } else {
                format!("false alarm in {:.0e} of right methods", LEVEL * LEVEL)
            }
        );
        if self.failed { Verdict::Failed(text, None) } else { Verdict::Passed(text) }
    }
}

/// Calibrates a method on a model of a file. The data are as they were afterwards.
///
/// # Errors
/// When data cannot be simulated from the model, or the program goes wrong.
pub fn calibrate(
    session: &mut Session,
    file: &File,
    info: &ModelInfo,
    (subject, model): (&Subject, &str),
    effort: Effort,
) -> Result<Calibration, Failure> {
    let mut simulator = session.simulator(info)?;
    let original = simulator.original.clone();
    let call = subject.call(model, &OPTIONS);
    let prepared = session.prepared_expression(&call)?;
    let mut generator = Generator::new(effort.seed).stream(0x5bc);
    let mut result = Calibration::default();
    let outcome = (|| {
        for round in 0..2 {
            result = Calibration { rounds: round + 1, ..Calibration::default() };
            let looks = [effort.runs / 4, effort.runs / 2, effort.runs];
            for (look, until) in looks.into_iter().enumerate() {
                while result.runs < until {
                    if result.refused > 100 * (result.runs + 10) {
                        return Err(Fault::error(
                            "almost every run of the model has weight zero, so data are too rare to simulate",
                        )
                        .into());
                    }
                    match session.simulate(file, &mut simulator, generator.split())? {
                        Err(_) => result.refused += 1,
                        Ok(truth) => {
                            session.keep_choices(true);
                            let value = session.run_prepared(prepared, generator.split());
                            session.keep_choices(false);
                            let value = value?;
                            let posterior = as_posterior(&value)?;
                            rank(session, info, &mut result, &truth, posterior, &mut generator)?;
                            result.runs += 1;
                        }
                    }
                }
                let p = result.worst().map_or(1.0, |(_, p)| p);
                let last = look + 1 == looks.len();
                result.failed = p < if last { LEVEL } else { EARLY };
                if result.failed {
                    break;
                }
            }
            if !result.failed {
                break;
            }
        }
        Ok(())
    })();
    session.rebind(file, &original)?;
    outcome.map(|()| result)
}

/// The posterior that a method gave.
pub fn as_posterior(value: &Value) -> Result<&Posterior, Failure> {
    let posterior = match value {
        Value::Host(object) => object.as_any().downcast_ref::<Posterior>(),
        _ => None,
    };
    posterior.ok_or_else(|| Failure::Usage("what is validated must give a `Posterior`".into()))
}

/// Adds the ranks of one truth among the draws of a posterior.
fn rank(
    session: &mut Session,
    info: &ModelInfo,
    result: &mut Calibration,
    truth: &Simulated,
    posterior: &Posterior,
    generator: &mut Generator,
) -> Result<(), Failure> {
    let picked = independent(posterior, generator);
    if picked.is_empty() {
        return Err(Fault::error("the method gave no draws for simulated data").into());
    }
    let all: Vec<&Value> = posterior.draws().collect();
    let draws: Vec<&Value> = picked.iter().map(|k| all[*k]).collect();
    let value = match &truth.value {
        Value::Unit => crate::infer::enumerate::named_record(truth.named.clone()),
        value => value.clone(),
    };
    let rows = draws.iter().copied().chain([&value]).map(|draw| vec![("", draw)]);
    let columns = Columns::of(std::iter::once(rows));
    let mut ranks = Vec::new();
    for column in &columns.columns {
        // A number that only some draws have is not ranked.
        if column.chains.first().is_some_and(|xs| xs.len() == draws.len() + 1) {
            ranks.push((column.name.clone(), column.chains[0].clone()));
        }
    }
    match likelihoods(session, info, truth, posterior, &picked)? {
        Ok(xs) => ranks.push(("log likelihood".into(), xs)),
        Err(why) => result.without_likelihood = Some(why),
    }
    for (name, xs) in ranks {
        let (Some(truth), draws) = (xs.last(), &xs[..xs.len() - 1]) else { continue };
        let below = draws.iter().filter(|x| *x < truth).count() as f64;
        let equal = draws.iter().filter(|x| *x == truth).count() as f64;
        // Ties, of discrete values, are broken at random.
        let rank = (below + generator.uniform() * (equal + 1.0)) / (draws.len() + 1) as f64;
        match result.quantities.iter_mut().find(|ranks| ranks.name == name) {
            Some(known) => known.ranks.push(rank),
            None => result.quantities.push(Ranks { name, ranks: vec![rank] }),
        }
    }
    // What has a rank in only some of the data sets is no test of uniformity.
    let runs = result.runs + 1;
    result.quantities.retain(|ranks| ranks.ranks.len() == runs);
    Ok(())
}

/// Draws that are as good as independent: resampled where they are weighted, thinned by their effective number in a chain.
fn independent(posterior: &Posterior, generator: &mut Generator) -> Vec<usize> {
    let n = posterior.len();
    if n == 0 {
        return Vec::new();
    }
    if posterior.weights().is_some() {
        return (0..RANKED).filter_map(|_| posterior.sample_index(generator.uniform())).collect();
    }
    let columns = posterior.columns(false);
    let mut effective = n as f64;
    for column in &columns.columns {
        let ess = convergence::ess_bulk(&column.chains);
        if ess.is_finite() && ess > 0.0 {
            effective = effective.min(ess);
        }
    }
    // Half of the effective number, so that what is left of the correlation is small.
    let keep = ((effective / 2.0) as usize).clamp(1, RANKED.min(n));
    (0..keep).map(|k| (k * n + n / 2) / keep).map(|k| k.min(n - 1)).collect()
}

/// The log likelihoods of the draws and, last, of the truth; or why they cannot be told.
fn likelihoods(
    session: &mut Session,
    info: &ModelInfo,
    truth: &Simulated,
    posterior: &Posterior,
    picked: &[usize],
) -> Result<Result<Vec<f64>, String>, Failure> {
    let named: Vec<_> = posterior.chains.iter().flat_map(|chain| chain.named.iter().flatten()).collect();
    if named.len() != posterior.len() {
        return Ok(Err("the method does not keep the named choices".into()));
    }
    let view = TracedView::new(session.recorded_model(info)?);
    let mut random = Production(Generator::new(1));
    let Some(first) = started(&view, &mut random)? else {
        return Ok(Err("no run of positive weight was found".into()));
    };
    let mut xs = Vec::with_capacity(picked.len() + 1);
    let draws = picked.iter().map(|k| {
        let choices = named[*k];
        choices.names.iter().map(|name| name.to_string()).zip(choices.values.iter().cloned()).collect::<Vec<_>>()
    });
    for choices in draws.chain([truth.named.clone()]) {
        let infos = view.infos(&first);
        let mut given = Vec::new();
        for (name, value) in choices {
            match infos.all().iter().find(|info| info.name == name) {
                Some(info) => given.push((info.address, value)),
                None => return Ok(Err(format!("the choice `{name}` is not in every run"))),
            }
        }
        let whole = infos.all().len() == given.len();
        if !whole {
            return Ok(Err("not every choice has a name".into()));
        }
        match view.generate_with(&given, &mut random)? {
            Ok((state, _)) => xs.push(view.trace(&state).log_weight),
            Err(_) => xs.push(f64::NEG_INFINITY),
        }
    }
    Ok(Ok(xs))
}

/// A first run of positive weight.
fn started(view: &TracedView, random: &mut dyn Random) -> Result<Option<<TracedView as Traced>::State>, Failure> {
    for _ in 0..1000 {
        if let Ok(state) = view.generate(random)? {
            return Ok(Some(state));
        }
    }
    Ok(None)
}
