//! The statistical level on programs whose answer is known: draws of the code as it runs in production, against exact masses.
//!
//! Looks come in sequence: each has more runs than the one before, and the last is the first that is precise enough. A gap of more than
//! [`FAR`] standard errors fails, if a second sample shows one as well.

use super::measure::Measure;
use super::report::{Counterexample, Level, Report, Row, Verdict};
use super::statistics::mean_and_error;
use super::subject::Subject;
use crate::driver::subject::Prepared;
use crate::driver::{Failure, Session};
use crate::exec::view::Model;
use crate::exec::view::forward::ForwardView;
use crate::model::{Forward, Production};
use crate::posterior::label::label;
use crate::posterior::{Posterior, Warning};
use crate::value::hash::same;
use crate::value::{Generator, Value};

/// What a method that gives the evidence must do.
const UNBIASED: &str = "the measure is estimated without bias";
/// A mean further from the truth than this many standard errors is wrong: about one in two million right ones is, and a second sample
/// must be as well.
const FAR: f64 = 5.0;
/// Independent runs before each look at the results.
const LOOKS: [usize; 3] = [100, 400, 1600];
/// Looking ends when every standard error is below this share of the evidence, and no mean is as doubtful as this.
const PRECISE: f64 = 0.01;
const DOUBTFUL: f64 = 2.5;

/// The estimate of the mass of each value, averaged over independent runs of a method that gives the evidence.
pub fn unbiased(
    session: &mut Session,
    report: &mut Report,
    (call, shown): (&str, &str),
    expected: &Measure,
    seed: u64,
) -> Result<(), Failure> {
    let model = session.model_of(&format!("() => {call}"))?;
    let support = expected.support();
    let mut generator = Generator::new(seed).stream(0xe51);
    let mut verdict = None;
    for _ in 0..2 {
        let found = estimate((session, &model), &support, expected.total(), &mut generator);
        session.keep_choices(false);
        let found = found?;
        let failed = matches!(found, Verdict::Failed(..));
        verdict = Some(found);
        if !failed {
            break;
        }
    }
    if let Some(verdict) = verdict {
        report.add(Level::Statistical, shown, UNBIASED, verdict);
    }
    Ok(())
}

fn estimate(
    (session, model): (&Session, &Model),
    support: &[(Value, f64)],
    total: f64,
    generator: &mut Generator,
) -> Result<Verdict, Failure> {
    let mut estimates: Vec<Vec<f64>> = vec![Vec::new(); support.len() + 1];
    let mut model = model.clone();
    model.record = false;
    let mut view = ForwardView::new(model);
    let mut runs = 0;
    for until in LOOKS {
        while runs < until {
            runs += 1;
            // Methods take other ways where they keep the choices.
            session.keep_choices(runs % 2 == 0);
            let run = view.run(&mut Production(generator.split()))?;
            // A run that weighs itself by nothing estimates nothing.
            let (evidence, shares) = match &run {
                Ok(run) => {
                    let posterior = super::calibration::as_posterior(&run.value)?;
                    let evidence = posterior.log_evidence.map_or(f64::NAN, |log| (log + run.log_weight).exp());
                    (evidence, shares(posterior, support))
                }
                Err(_) => (0.0, vec![0.0; support.len() + 1]),
            };
            for ((place, share), known) in
                estimates.iter_mut().zip(shares).zip(support.iter().map(|(_, mass)| mass).chain([&total]))
            {
                place.push(evidence * share / known.max(f64::MIN_POSITIVE));
            }
        }
        let scores: Vec<(f64, f64)> = estimates.iter().map(|xs| mean_and_error(xs)).collect();
        let z = |(mean, error): &(f64, f64)| {
            let gap = (mean - 1.0).abs();
            if gap <= 1e-9 { 0.0 } else { gap / error.max(1e-12) }
        };
        let worst = (0..scores.len()).max_by(|a, b| z(&scores[*a]).total_cmp(&z(&scores[*b]))).unwrap_or(0);
        let far = z(&scores[worst]);
        if far.is_nan() || far > FAR {
            let name = |k: usize| support.get(k).map_or("evidence".to_string(), |(value, _)| label(value));
            let mass = |k: usize| support.get(k).map_or(total, |(_, mass)| *mass);
            let example = Counterexample {
                columns: ["model".into(), "mean of the method".into()],
                rows: vec![Row { value: name(worst), first: mass(worst), second: mass(worst) * scores[worst].0 }],
                choices: None,
                note: None,
            };
            let text = format!("after {runs} runs the mean is {far:.1} standard errors off, twice");
            return Ok(Verdict::Failed(text, Some(example)));
        }
        if far < DOUBTFUL && scores.iter().all(|(_, error)| *error < PRECISE) || until == LOOKS[LOOKS.len() - 1] {
            return Ok(Verdict::Passed(format!(
                "{runs} runs; the mean is at most {far:.1} standard errors off, {FAR} are allowed"
            )));
        }
    }
    Ok(Verdict::Skipped("no runs were made".into()))
}

/// The share of each value in a posterior, and last that of all together.
fn shares(posterior: &Posterior, support: &[(Value, f64)]) -> Vec<f64> {
    let n = posterior.len();
    let weights = posterior.weights();
    let mut shares = vec![0.0; support.len() + 1];
    for (k, value) in posterior.draws().enumerate() {
        let weight = weights.map_or(1.0 / n as f64, |weights| weights[k]);
        if let Some(at) = support.iter().position(|(known, _)| same(known, value)) {
            shares[at] += weight;
        }
    }
    // Dead particles leave nothing; the evidence says so too.
    shares[support.len()] = 1.0;
    shares
}

/// What draws of a chain must do.
const FOLLOWS: &str = "the posterior is followed";
/// Chains at the looks; each is one independent estimate, whatever the correlation of its draws.
const CHAINS: [usize; 3] = [32, 128, 512];
/// Chains that run in one call, and draws of each.
const AT_ONCE: usize = 4;
const DRAWS: usize = 300;
/// Draws before those that are kept: at first, and where the first sample is wrong and the second must tell wrong from slow.
const WARMUPS: [usize; 2] = [100, 600];
/// Looking ends when every standard error of a share is below this and none is doubtful.
const NEAR: f64 = 0.01;

/// The share of each value in the draws of independent chains, against exact probabilities.
pub fn follows(
    session: &mut Session,
    report: &mut Report,
    (subject, model): (&Subject, &str),
    expected: &Measure,
    seed: u64,
) -> Result<(), Failure> {
    let mut generator = Generator::new(seed).stream(0xc4a1);
    let mut verdict = None;
    for warmup in WARMUPS {
        let (chains, draws, warmup) = (AT_ONCE.to_string(), DRAWS.to_string(), warmup.to_string());
        let options = [("chains", &*chains), ("draws", &draws), ("warmup", &warmup), ("particles", "5")];
        let call = session.prepared_expression(&subject.call(model, &options))?;
        let found = followed(session, call, &expected.normalised(), &mut generator);
        session.keep_choices(false);
        let found = found?;
        let failed = matches!(found, Verdict::Failed(..));
        verdict = Some(found);
        if !failed {
            break;
        }
    }
    if let Some(verdict) = verdict {
        report.add(Level::Statistical, &subject.text, FOLLOWS, verdict);
    }
    Ok(())
}

fn followed(
    session: &mut Session,
    call: Prepared,
    expected: &Measure,
    generator: &mut Generator,
) -> Result<Verdict, Failure> {
    let support = expected.support();
    let mut draws = 0;
    // The share of each value, last that of all values that the model does not have; in each chain.
    let mut estimates: Vec<Vec<f64>> = vec![Vec::new(); support.len() + 1];
    let mut stray: Option<Value> = None;
    for until in CHAINS {
        while estimates[0].len() < until {
            // Methods take other ways where they keep the choices.
            session.keep_choices(estimates[0].len() / AT_ONCE % 2 == 1);
            let value = session.run_prepared(call, generator.split())?;
            let posterior = super::calibration::as_posterior(&value)?;
            if let Some(Warning::Adapting { chain }) = adapting(posterior) {
                let text = format!("the kernel of chain {} goes on learning while draws are kept", chain + 1);
                return Ok(Verdict::Failed(text, None));
            }
            for chain in &posterior.chains {
                draws += chain.draws.len();
                let mut counts = vec![0usize; support.len() + 1];
                for draw in &chain.draws {
                    let at = support.iter().position(|(known, _)| same(known, draw));
                    if at.is_none() {
                        stray.get_or_insert_with(|| draw.clone());
                    }
                    counts[at.unwrap_or(support.len())] += 1;
                }
                let n = chain.draws.len().max(1) as f64;
                estimates.iter_mut().zip(counts).for_each(|(shares, count)| shares.push(count as f64 / n));
            }
            if posterior.chains.is_empty() {
                return Ok(Verdict::Skipped("the method has no chains".into()));
            }
        }
        let row = |value: &Value, known: f64, found: f64| Counterexample {
            columns: ["posterior".into(), "share of the draws".into()],
            rows: vec![Row { value: label(value), first: known, second: found }],
            choices: None,
            note: None,
        };
        if let Some(stray) = &stray {
            let text = format!("{} is drawn, which the model does not give", label(stray));
            let (share, _) = mean_and_error(&estimates[support.len()]);
            return Ok(Verdict::Failed(text, Some(row(stray, 0.0, share))));
        }
        let scores: Vec<(f64, f64)> = estimates.iter().map(|shares| mean_and_error(shares)).collect();
        // A value that no chain drew has no error of its own, but at least that of as many independent draws.
        let error = |k: usize| scores[k].1.max((support[k].1 * (1.0 - support[k].1) / draws as f64).sqrt());
        let z = |k: usize| {
            let gap = (scores[k].0 - support[k].1).abs();
            if gap <= 1e-9 { 0.0 } else { gap / error(k).max(1e-12) }
        };
        let worst = (0..support.len()).max_by(|a, b| z(*a).total_cmp(&z(*b))).unwrap_or(0);
        let far = z(worst);
        if far.is_nan() || far > FAR {
            let text = format!(
                "a share of {draws} draws in {} chains is {far:.1} standard errors off, twice, the second time after {} draws",
                estimates[0].len(),
                WARMUPS[1]
            );
            return Ok(Verdict::Failed(text, Some(row(&support[worst].0, support[worst].1, scores[worst].0))));
        }
        if far < DOUBTFUL && (0..support.len()).all(|k| error(k) < NEAR) || until == CHAINS[CHAINS.len() - 1] {
            return Ok(Verdict::Passed(format!(
                "{draws} draws in {} chains; shares are at most {far:.1} standard errors off, {FAR} are allowed",
                estimates[0].len()
            )));
        }
    }
    Ok(Verdict::Skipped("no chains were run".into()))
}

/// The warning of a kernel that goes on learning.
fn adapting(posterior: &Posterior) -> Option<&Warning> {
    posterior.warnings.iter().find(|warning| matches!(warning, Warning::Adapting { .. }))
}
