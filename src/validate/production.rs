//! The statistical level on programs whose answer is known: draws of the code as it runs in production, against exact masses.

use super::measure::Measure;
use super::report::{Counterexample, Level, Report, Row, Verdict};
use super::statistics::mean_and_error;
use crate::driver::{Failure, Session};
use crate::exec::view::Model;
use crate::exec::view::forward::ForwardView;
use crate::model::{Forward, Production};
use crate::posterior::Posterior;
use crate::posterior::label::label;
use crate::value::hash::same;
use crate::value::{Generator, Value};

/// What a method that gives the evidence must do.
const UNBIASED: &str = "the measure is estimated without bias";
/// A mean further from the truth than this many standard errors is wrong: about one in two million right ones is, and a second sample
/// must be as well.
const FAR: f64 = 5.0;
/// Independent runs before each look at the results.
const LOOKS: [usize; 3] = [100, 400, 1600];
/// Looking ends when every standard error is below this share of the evidence.
const PRECISE: f64 = 0.01;

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
        let found = estimate(&model, &support, expected.total(), &mut generator)?;
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
    model: &Model,
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
            let run = view.run(&mut Production(generator.split()))?;
            let Ok(run) = run else { continue };
            let posterior = super::calibration::as_posterior(&run.value)?;
            let evidence = posterior.log_evidence.map_or(f64::NAN, f64::exp);
            let shares = shares(posterior, support);
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
        if scores.iter().all(|(_, error)| *error < PRECISE) || until == LOOKS[LOOKS.len() - 1] {
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
