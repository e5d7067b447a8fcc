//! Rejection sampling: independent draws from the exact posterior, for models whose weights are bounded.

use super::importance::{Runs, names_of, note_domain_faults, note_interrupt, value_of};
use super::{Contract, Row};
use crate::model::{Forward, Random};
use crate::posterior::{Chain, Info, Posterior};
use crate::value::Fault;
use crate::value::fault::FaultKind;
use crate::value::interrupt::{interrupted, stop_if_interrupted};

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn rejection(model: () ~> a, draws: Int = 1000, bound: Real = 0.0, tries: Int = 100000000) ~> Posterior<a>",
    doc: "Rejection sampling: independent exact draws. A run is kept with probability exp(log weight - bound), so `bound` must \
              not be exceeded; for models that only use `condition` it is 0.",
    contract: Contract::None,
}];

/// Runs until `draws` are kept, each with probability exp(log weight − bound); at most `tries` runs.
/// Faults when a weight exceeds the bound, or nothing is kept in many tries.
pub fn rejection<F: Forward>(
    view: &mut F,
    draws: usize,
    bound: f64,
    tries: u64,
    all: bool,
    random: &mut dyn Random,
) -> Result<Posterior, Fault> {
    let mut chain = Chain::default();
    let mut named = Vec::new();
    let mut runs = Runs::default();
    let mut tried = 0u64;
    while chain.draws.len() < draws && !interrupted() {
        if tried >= tries || (tried >= 1_000_000 && chain.draws.is_empty()) {
            return Err(Fault::error(format!(
                "rejection sampling kept {} of {tried} runs: the condition is too rare",
                chain.draws.len()
            ))
            .hint("use `mh` or `smc`, which need no run to satisfy everything at once"));
        }
        tried += 1;
        let run = match view.run(random) {
            Err(fault) if fault.kind == FaultKind::Interrupted => break,
            run => run?,
        };
        if !runs.add(run) {
            continue;
        }
        let Some(run) = runs.kept.pop() else { continue };
        if run.log_weight > bound + 1e-9 {
            return Err(Fault::error(format!("a run has log weight {}, above the bound {bound}", run.log_weight))
                .hint(format!("give a bound that no run exceeds, such as `bound = {}`", run.log_weight.ceil() + 1.0))
                .hint("or use `importance`, which needs no bound"));
        }
        if random.flip((run.log_weight - bound).exp()) {
            chain.draws.push(value_of(run.value, &run.named));
            named.push(names_of(run.named));
        }
    }
    if chain.draws.is_empty() {
        stop_if_interrupted()?;
    }
    let kept = chain.draws.len() as f64;
    chain.named = all.then_some(named);
    let mut posterior = Posterior::new("", "rejection", vec![chain]);
    if tried > 0 && kept > 0.0 {
        // The number of tries is negative binomial: (kept − 1) / (tries − 1) is unbiased for the rate.
        let rate = if tried > 1 && kept > 1.0 { (kept - 1.0) / (tried as f64 - 1.0) } else { kept / tried as f64 };
        posterior.log_evidence = Some(rate.ln() + bound);
        posterior.log_evidence_se = Some(((1.0 - rate) / kept).sqrt());
    }
    note_interrupt(&mut posterior, draws);
    posterior.info.push(("tries".into(), Info::Count(tried)));
    note_domain_faults(&mut posterior, runs.domain_faults, runs.tried, runs.example)?;
    Ok(posterior)
}
