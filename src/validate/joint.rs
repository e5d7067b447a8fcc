//! Geweke's test: a kernel leaves the joint distribution of choices and data as it is (Geweke 2004).
//!
//! Choices are drawn from their prior and data given them, so that the choices follow the posterior of those data. Moves of the kernel must keep
//! that, so what is computed from choices and data has the same mean before and after. Each pair is independent of the others,
//! so that the difference has a standard error that can be trusted, unlike that of one long chain.

use super::report::{Counterexample, Level, Report, Row, Verdict};
use super::statistics::mean_and_error;
use crate::driver::host::ChainSeen;
use crate::driver::simulate::Simulated;
use crate::driver::{Failure, File, ModelInfo, Session};
use crate::exec::view::functions::ModelFunctions;
use crate::exec::view::traced::{State, TracedView};
use crate::infer::enumerate::named_record;
use crate::infer::kernel::{Moves, Walker};
use crate::model::{Production, Traced};
use crate::posterior::flatten::Columns;
use crate::value::{Fault, Generator, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a kernel must do.
const KEPT: &str = "the joint distribution with the data is kept";
/// A difference of more than this many standard errors is wrong: about one in two million right ones is, and a second sample must be as
/// well.
const FAR: f64 = 5.0;
/// Data sets before each look at the results.
const LOOKS: [usize; 3] = [50, 200, 800];
/// Looking ends when every standard error is below this, for what lies between −1 and 1, and no difference is as doubtful as this.
const PRECISE: f64 = 0.05;
const DOUBTFUL: f64 = 2.5;
/// Fewer data sets can show that a kernel is wrong, not that it is right.
const ENOUGH: usize = 200;
/// Moves from the same choices, with other random numbers; they share the work of binding data.
const REPEATS: usize = 4;
/// Moves for each number of the state.
const SWEEPS: usize = 10;
/// Tries to find a first run of positive weight.
const TRIES: usize = 1000;

/// Gives the kernel for the data that are bound; none where there is none.
type Asked<'k> = &'k dyn Fn(&mut Session) -> Result<Option<ChainSeen>, Failure>;

/// What was computed before and after moves, in one data set.
#[derive(Default)]
struct Pair {
    before: BTreeMap<String, f64>,
    after: Vec<BTreeMap<String, f64>>,
}

/// Checks that a kernel keeps the joint distribution. `kernel` gives it for the data that are bound. Tells whether it could be checked.
pub fn check(
    session: &mut Session,
    report: &mut Report,
    (file, info): (&File, &ModelInfo),
    (name, kernel): (&str, Asked<'_>),
    seed: u64,
) -> Result<bool, Failure> {
    let mut generator = Generator::new(seed).stream(0x9e0);
    let mut verdict = Verdict::Skipped("no data were simulated".into());
    for _ in 0..2 {
        verdict = match sampled(session, (file, info), kernel, &mut generator) {
            Ok(verdict) => verdict,
            Err(Failure::Fault(fault)) => Verdict::Skipped(super::exact::beyond(*fault)?),
            Err(Failure::Diagnostics(found)) => {
                Verdict::Skipped(found.first().map_or_else(String::new, |first| first.message.clone()))
            }
            Err(Failure::Usage(text)) => Verdict::Skipped(text),
            Err(failure) => return Err(failure),
        };
        if !matches!(verdict, Verdict::Failed(..)) {
            break;
        }
    }
    let made = !matches!(verdict, Verdict::Skipped(_));
    report.add(Level::Statistical, name, KEPT, verdict);
    Ok(made)
}

fn sampled(
    session: &mut Session,
    (file, info): (&File, &ModelInfo),
    kernel: Asked<'_>,
    generator: &mut Generator,
) -> Result<Verdict, Failure> {
    let mut simulator = session.simulator(info)?;
    let original = simulator.original.clone();
    let mut run = || {
        let mut pairs: Vec<Pair> = Vec::new();
        let (mut refused, mut moved) = (0, 0u64);
        for until in LOOKS {
            while pairs.len() < until {
                if refused > 100 * (pairs.len() + 10) {
                    let text = "almost every run of the model has weight zero, so data are too rare to simulate";
                    return Err(Fault::error(text).into());
                }
                let Ok(truth) = session.simulate(file, &mut simulator, generator.split())? else {
                    refused += 1;
                    continue;
                };
                let Some(seen) = kernel(session)? else {
                    return Ok(Verdict::Skipped("the method runs no chain of a kernel".into()));
                };
                match pair(&seen, &truth, generator)? {
                    Ok((pair, accepted)) => {
                        moved += accepted;
                        pairs.push(pair);
                    }
                    Err(why) => return Ok(Verdict::Skipped(why)),
                }
            }
            let (found, clear) = compared(&pairs);
            if clear || until == LOOKS[LOOKS.len() - 1] {
                if moved == 0 {
                    return Ok(Verdict::Failed("no move was ever accepted".into(), None));
                }
                return Ok(found.unwrap_or(Verdict::Skipped("the model has no numbers to compare".into())));
            }
        }
        Ok(Verdict::Skipped("no data were simulated".into()))
    };
    let result = run();
    session.rebind(file, &original)?;
    result
}

/// Moves from a run that gave data; also how many moves were accepted. Or why the run cannot be told.
fn pair(
    seen: &ChainSeen,
    truth: &Simulated,
    generator: &mut Generator,
) -> Result<Result<(Pair, u64), String>, Failure> {
    let view = Arc::new(TracedView::new(seen.model.clone()));
    let functions = ModelFunctions::new(seen.model.clone());
    let mut random = Production(generator.split());
    let state = match at(&view, truth, &mut random)? {
        Ok(state) => state,
        Err(why) => return Ok(Err(why)),
    };
    let walker = Walker::new(Arc::clone(&view), state, seen.closure.clone());
    let fresh = Moves::new(&seen.kernel, &functions)?;
    let mut pair = Pair { before: quantities(&walker), after: Vec::new() };
    let mut accepted = 0;
    for _ in 0..REPEATS {
        let (mut moves, mut walker) = (fresh.clone(), walker.clone());
        for _ in 0..SWEEPS * moves.sweep(&walker) {
            moves.apply(&mut walker, &functions, &mut random)?;
        }
        accepted += moves.accepted;
        pair.after.push(quantities(&walker));
    }
    Ok(Ok((pair, accepted)))
}

/// The run that made the choices of a simulation.
fn at(view: &TracedView, truth: &Simulated, random: &mut Production) -> Result<Result<State, String>, Failure> {
    let mut state = None;
    for _ in 0..TRIES {
        if let Ok(found) = view.generate(random)? {
            state = Some(found);
            break;
        }
    }
    let Some(mut state) = state else { return Ok(Err("no run of positive weight was found".into())) };
    let place = |state: &State, name: &str| {
        let infos = view.infos(state);
        view.trace(state).choices.iter().position(|choice| infos.get(choice.info).name == name)
    };
    let (mut values, mut born) = (Vec::new(), Vec::new());
    for (name, value) in &truth.named {
        match place(&state, name) {
            Some(place) => values.push((place, value.clone())),
            None => born.push((name.clone(), value.clone())),
        }
    }
    if view.propose_with(&mut state, &values, &[], &born, random)?.is_err() {
        return Ok(Err("the run that gave the data cannot be made again".into()));
    }
    view.accept(&mut state);
    let infos = view.infos(&state);
    let told = |(name, value): &(String, Value)| {
        let choice = view.trace(&state).choices.iter().find(|choice| infos.get(choice.info).name == *name);
        choice.is_some_and(|choice| crate::value::same(&choice.value, value))
    };
    if view.trace(&state).choices.len() != truth.named.len() || !truth.named.iter().all(told) {
        return Ok(Err("not every choice has a name".into()));
    }
    Ok(Ok(state))
}

/// The numbers that are compared: what the model returned, or else its choices, and the logs of prior and likelihood.
fn quantities(walker: &Walker<TracedView>) -> BTreeMap<String, f64> {
    let trace = walker.view.trace(&walker.state);
    let infos = walker.view.infos(&walker.state);
    let value = match walker.view.value(&walker.state) {
        Value::Unit => {
            let choices = trace.choices.iter().filter(|choice| !choice.forward);
            named_record(choices.map(|choice| (infos.get(choice.info).name.clone(), choice.value.clone())).collect())
        }
        value => value,
    };
    let columns = Columns::of(std::iter::once(std::iter::once(vec![("", &value)])));
    let mut found: BTreeMap<String, f64> = columns
        .columns
        .into_iter()
        .filter_map(|column| Some((column.name, *column.chains.first()?.first()?)))
        .collect();
    found.insert("log likelihood".into(), trace.log_weight);
    found.insert("log prior".into(), trace.log_prior);
    found
}

/// The differences of each quantity, after less before, and of its square; on a scale from −1 to 1 on which most of it lies in the middle.
fn differences(pairs: &[Pair]) -> Vec<(String, Vec<f64>, [f64; 2])> {
    let mut names: Vec<&String> = pairs.iter().flat_map(|pair| pair.before.keys()).collect();
    names.sort();
    names.dedup();
    let mut all = Vec::new();
    for name in names {
        let mut known: Vec<f64> = pairs.iter().filter_map(|pair| pair.before.get(name).copied()).collect();
        known.sort_by(f64::total_cmp);
        let quantile = |p: f64| known[((known.len() - 1) as f64 * p) as usize];
        let (middle, width) = (quantile(0.5), (quantile(0.8) - quantile(0.2)).max(1e-9));
        // A quantity that a run does not have is as good as any other number.
        let scaled = |xs: &BTreeMap<String, f64>| {
            xs.get(name).map_or(-1.0, |x| if x.is_nan() { 1.0 } else { ((x - middle) / width).tanh() })
        };
        for power in [1, 2] {
            let gap = |pair: &Pair| {
                let after: f64 = pair.after.iter().map(|xs| scaled(xs).powi(power)).sum();
                after / pair.after.len() as f64 - scaled(&pair.before).powi(power)
            };
            let mean = |of: &dyn Fn(&Pair) -> f64| pairs.iter().map(of).sum::<f64>() / pairs.len() as f64;
            let before = mean(&|pair| pair.before.get(name).copied().unwrap_or(0.0));
            let after = mean(&|pair| {
                let sum: f64 = pair.after.iter().map(|xs| xs.get(name).copied().unwrap_or(0.0)).sum();
                sum / pair.after.len() as f64
            });
            all.push((name.clone(), pairs.iter().map(gap).collect(), [before, after]));
        }
    }
    all
}

/// What the pairs show, and whether more of them would hardly change it.
fn compared(pairs: &[Pair]) -> (Option<Verdict>, bool) {
    let z = |gaps: &[f64]| {
        let (mean, error) = mean_and_error(gaps);
        if mean.abs() <= 1e-9 { 0.0 } else { mean.abs() / error.max(1e-12) }
    };
    let all = differences(pairs);
    let Some((name, gaps, means)) = all.iter().max_by(|a, b| z(&a.1).total_cmp(&z(&b.1))) else { return (None, true) };
    let far = z(gaps);
    if far > FAR {
        let example = Counterexample {
            columns: ["mean before moves".into(), "after moves".into()],
            rows: vec![Row { value: name.clone(), first: means[0], second: means[1] }],
            choices: None,
            note: None,
        };
        let text =
            format!("in {} data sets the mean of {name} changes by {far:.1} standard errors, twice", pairs.len());
        return (Some(Verdict::Failed(text, Some(example))), true);
    }
    let text =
        format!("{} data sets; means change by at most {far:.1} standard errors, {FAR} are allowed", pairs.len());
    let precise = all.iter().all(|(_, gaps, _)| mean_and_error(gaps).1 < PRECISE);
    (Some(Verdict::Passed(text)), precise && far < DOUBTFUL && pairs.len() >= ENOUGH)
}
