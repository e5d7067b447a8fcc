//! What speaks against a result: one variant per warning, in words, with advice.

use super::{Chain, Posterior, Summary, convergence};
use crate::value::Fault;

/// A reason to doubt a result, or something its reader should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// R-hat above 1.01: how many variables, the worst of them and its value (infinite when chains are stuck apart).
    RHat { variables: usize, worst: String, value: f64 },
    /// Bulk effective sample size below 100 per chain.
    BulkEss { variables: usize, worst: String, value: f64, chains: usize },
    /// Tail effective sample size below 100 per chain.
    TailEss { variables: usize, worst: String, value: f64, chains: usize },
    /// Few effective draws among the weighted ones.
    WeightEss { ess: f64, draws: usize },
    /// Few particles carried the weight after a step before the last, at the place given if it is known.
    Degenerate { ess: f64, particles: usize, step: usize, place: Option<String> },
    /// No particle or draw has weight left, at the place given if it is known.
    AllDead { place: Option<String> },
    /// Weights that are NaN.
    NanWeights { count: usize, draws: usize },
    /// Transitions of a gradient sampler that diverged.
    Divergences { count: usize, draws: usize },
    /// Trajectories that met the limit of the tree depth.
    TreeDepth { count: usize, draws: usize, limit: usize },
    /// Energy distributions that the momentum explores slowly.
    Ebfmi { chain: usize, value: f64 },
    /// Importance weights whose tail is too heavy (Vehtari, Simpson, Gelman, Yao and Gabry 2024).
    ParetoK { value: f64 },
    /// A chain whose kernel went on learning after the warm-up.
    Adapting { chain: usize },
    /// A chain that never moved.
    Stuck { chain: usize },
    /// A chain that never left a state of probability zero.
    ZeroProbability { chain: usize },
    /// Mass that an exact method did not enumerate.
    Remainder { mass: f64 },
    /// Parameters outside their domain during inference, with one of the faults and where in the program it was, once that is
    /// known; such runs had weight zero.
    DomainFaults { count: u64, example: Box<Fault>, place: Option<String> },
    /// The kernel of a method cannot reach part of the support.
    Unreachable { what: String },
    /// The user interrupted.
    Interrupted { drawn: usize, asked: usize },
    /// A single chain cannot be compared with others.
    OneChain,
    /// The number of values is not finite or NaN occurs among the draws of a variable.
    NanDraws { variable: String, count: usize },
    /// An optimiser or a fit stopped before it converged.
    NotConverged { what: String, steps: usize },
    /// A maximum that lies at the end of the space: the density does not fall beyond it. In words, which choices.
    OpenEnd { what: Vec<String> },
    /// Anything else a method has to say; `distrust` as in [`Warning::distrust`].
    Note { text: String, distrust: bool },
}

impl Warning {
    /// What happened, in one sentence without a full stop.
    pub fn text(&self) -> String {
        let others = |variables: &usize| match variables {
            0 | 1 => String::new(),
            2 => " and 1 other".into(),
            n => format!(" and {} others", n - 1),
        };
        match self {
            Warning::RHat { variables, worst, value } if value.is_infinite() => {
                format!("the chains are stuck at different values of {worst}{}", others(variables))
            }
            Warning::RHat { variables, worst, value } => {
                format!("not enough draws yet: R-hat is {value:.3} for {worst}{}, above 1.01", others(variables))
            }
            Warning::BulkEss { variables, worst, value, chains } => format!(
                "not enough draws yet: {value:.0} effective draws in the bulk for {worst}{}, below 100 for each of {}",
                others(variables),
                plural(*chains, "chain")
            ),
            Warning::TailEss { variables, worst, value, chains } => format!(
                "not enough draws yet: {value:.0} effective draws in the tails for {worst}{}, below 100 for each of {}",
                others(variables),
                plural(*chains, "chain")
            ),
            Warning::WeightEss { ess, draws } => {
                format!("few draws carry the weight: {ess:.1} effective of {draws}")
            }
            Warning::Degenerate { ess, particles, step, place } => {
                let at = place.as_ref().map_or_else(String::new, |place| format!(", at {place}"));
                format!("few particles carried the weight after step {step}{at}: {ess:.1} effective of {particles}")
            }
            Warning::AllDead { place: Some(place) } => format!("every particle has weight zero at {place}"),
            Warning::AllDead { place: None } => "every draw has weight zero".into(),
            Warning::NanWeights { count, draws } => {
                format!("{count} of {draws} weights are not a number and were taken as zero")
            }
            Warning::Divergences { count, draws } => {
                format!("{count} of {} diverged", plural(*draws, "transition"))
            }
            Warning::TreeDepth { count, draws, limit } => {
                format!("{count} of {} met the limit of tree depth {limit}", plural(*draws, "transition"))
            }
            Warning::Ebfmi { chain, value } => format!("E-BFMI of chain {} is {value:.2}, below 0.3", chain + 1),
            Warning::ParetoK { value } => {
                format!("the weights have a heavy tail: Pareto k is {value:.2}, above 0.7")
            }
            Warning::Adapting { chain } => {
                format!("the kernel of chain {} went on learning after the warm-up", chain + 1)
            }
            Warning::Stuck { chain } => format!("chain {} never moved", chain + 1),
            Warning::ZeroProbability { chain } => {
                format!("chain {} never left states of probability zero", chain + 1)
            }
            Warning::Remainder { mass } => format!("runs of total probability {mass:.2e} were not enumerated"),
            Warning::DomainFaults { count, example, place } => {
                let place = place.as_ref().map(|place| format!(", at {place}")).unwrap_or_default();
                format!(
                    "{} had a parameter outside its domain and got weight zero: {}{place}",
                    plural(*count as usize, "run"),
                    example.message
                )
            }
            Warning::Unreachable { what } => format!("the kernel cannot reach {what}"),
            Warning::Interrupted { drawn, asked } => format!("interrupted after {drawn} of {asked} draws"),
            Warning::OneChain => "one chain cannot be compared with others".into(),
            Warning::NanDraws { variable, count } => {
                format!("{variable} is not a number in {}", plural(*count, "draw"))
            }
            Warning::NotConverged { what, steps } => {
                format!("{what} had not converged after {}", plural(*steps, "step"))
            }
            Warning::OpenEnd { what } => {
                format!("the density has no maximum inside its support: {}", what.join(", "))
            }
            Warning::Note { text, .. } => text.clone(),
        }
    }

    /// What can be done about it; empty when nothing is needed.
    pub fn advice(&self) -> &'static str {
        match self {
            Warning::RHat { value, .. } if value.is_infinite() => {
                "run longer or with another method; chains that stay apart point to several modes or a kernel that cannot move"
            }
            Warning::RHat { .. } | Warning::BulkEss { .. } | Warning::TailEss { .. } => {
                "raise --draws and --warmup; if that does not help, look for parameters that are not identified"
            }
            Warning::ParetoK { .. } => {
                "the approximation misses a part of the posterior: take `nuts`, or another family or guide"
            }
            Warning::WeightEss { .. } => {
                "draw more (--particles for smc, --draws for importance), or use a method that follows the data: smc, mh"
            }
            Warning::Degenerate { .. } => {
                "use more --particles, or a filter that looks ahead (apf) or moves its particles (rmsmc)"
            }
            Warning::AllDead { .. } => {
                "check that the data are possible under the model; then draw more, or soften hard conditions"
            }
            Warning::NanWeights { .. } => "look for log of a negative number, inf - inf or 0 / 0 in the model",
            Warning::Divergences { .. } => {
                "raise the target acceptance (--method nuts --opt target=0.95), or write hierarchical parameters as mu + tau * z with z ~ Normal(0, 1)"
            }
            Warning::TreeDepth { .. } => {
                "raise --opt max_depth=12, or bring parameters to a common scale; results are valid but slow"
            }
            Warning::Ebfmi { .. } => "the posterior has heavy tails: write the model in other parameters",
            Warning::Stuck { .. } | Warning::ZeroProbability { .. } => {
                "use other starting points, smaller steps or another method, such as smc"
            }
            Warning::Remainder { .. } => "raise the limit of enumeration, or use a sampling method",
            Warning::DomainFaults { .. } => {
                "give the parameter a prior on its domain, or transform it (exp for a scale, inv_logit for a probability)"
            }
            Warning::Unreachable { .. } => "use another kernel, or join it with one that reaches the rest by cycle",
            Warning::OneChain => "use --chains 4",
            Warning::NanDraws { .. } => "look for 0 / 0 or inf - inf in what the model returns",
            Warning::NotConverged { .. } => "allow more steps, or use smaller ones",
            Warning::OpenEnd { .. } => {
                "a prior that falls to zero there keeps the point inside; or draw from the posterior with `nuts`"
            }
            Warning::Adapting { .. } => "its draws follow the posterior only nearly; this is a fault of the language",
            Warning::Interrupted { .. } | Warning::Note { .. } => "",
        }
    }

    /// The sentence and the advice.
    pub fn message(&self) -> String {
        match self.advice() {
            "" => self.text(),
            advice => format!("{}; {advice}", self.text()),
        }
    }

    /// Whether the result should not be trusted, which makes the exit status 3.
    pub fn distrust(&self) -> bool {
        match self {
            Warning::RHat { .. }
            | Warning::AllDead { .. }
            | Warning::NanWeights { .. }
            | Warning::Divergences { .. }
            | Warning::ParetoK { .. }
            | Warning::Adapting { .. }
            | Warning::Stuck { .. }
            | Warning::ZeroProbability { .. }
            | Warning::Unreachable { .. }
            | Warning::NanDraws { .. }
            | Warning::OpenEnd { .. }
            | Warning::NotConverged { .. } => true,
            // Below this many effective draws the error of a mean is more than a fifth of the standard deviation.
            Warning::BulkEss { value, .. } | Warning::TailEss { value, .. } | Warning::WeightEss { ess: value, .. } => {
                *value < 25.0
            }
            Warning::Remainder { mass } => *mass > 0.01,
            Warning::Note { distrust, .. } => *distrust,
            Warning::TreeDepth { .. }
            | Warning::Ebfmi { .. }
            | Warning::Degenerate { .. }
            | Warning::DomainFaults { .. }
            | Warning::Interrupted { .. }
            | Warning::OneChain => false,
        }
    }
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}

impl Posterior {
    /// What the method said together with what the draws show, without repetition.
    pub fn check(&self, summaries: &[Summary]) -> Vec<Warning> {
        let mut warnings = self.warnings.clone();
        let mut add = |warning: Warning| {
            let same = |known: &Warning| std::mem::discriminant(known) == std::mem::discriminant(&warning);
            if !self.warnings.iter().any(same) {
                warnings.push(warning);
            }
        };
        if self.weights().is_some() {
            self.check_weights(&mut add);
        } else {
            self.check_chains(summaries, &mut add);
        }
        if let Some(mass) = self.remainder.filter(|mass| *mass > 0.0) {
            add(Warning::Remainder { mass });
        }
        if let Some(summary) = summaries.iter().find(|summary| summary.nan_draws > 0) {
            add(Warning::NanDraws { variable: summary.name.clone(), count: summary.nan_draws });
        }
        warnings
    }

    fn check_weights(&self, add: &mut impl FnMut(Warning)) {
        let draws = self.len();
        let count = self.log_weights().filter(|x| x.is_nan()).count();
        if count > 0 {
            add(Warning::NanWeights { count, draws });
        }
        let ess = self.weight_ess();
        if ess == 0.0 {
            add(Warning::AllDead { place: None });
        } else if !self.exact && ess < 100.0 {
            add(Warning::WeightEss { ess, draws });
        }
    }

    fn check_chains(&self, summaries: &[Summary], add: &mut impl FnMut(Warning)) {
        let chains = self.chains.len();
        if self.is_empty() {
            return;
        }
        let limit = 100.0 * chains as f64;
        let worst = |value: fn(&Summary) -> f64, bad: &dyn Fn(f64) -> bool, larger: bool| {
            let found: Vec<&Summary> = summaries.iter().filter(|summary| bad(value(summary))).collect();
            let order = |a: &&&Summary, b: &&&Summary| value(a).total_cmp(&value(b));
            let worst = if larger { found.iter().max_by(order) } else { found.iter().min_by(order) };
            worst.map(|summary| (found.len(), summary.name.clone(), value(summary)))
        };
        if let Some((variables, worst, value)) = worst(|s| s.r_hat, &|x| x > 1.01, true) {
            add(Warning::RHat { variables, worst, value });
        }
        if let Some((variables, worst, value)) = worst(|s| s.ess_bulk, &|x| x < limit, false) {
            add(Warning::BulkEss { variables, worst, value, chains });
        }
        if let Some((variables, worst, value)) = worst(|s| s.ess_tail, &|x| x < limit, false) {
            add(Warning::TailEss { variables, worst, value, chains });
        }
        let divergent = self.chains.iter().filter_map(|chain| chain.stat("divergent__")).flatten();
        let count = divergent.filter(|x| **x > 0.0).count();
        if count > 0 {
            add(Warning::Divergences { count, draws: self.len() });
        }
        for (chain, energy) in self.chains.iter().enumerate().filter_map(|(i, c)| Some((i, c.stat("energy__")?))) {
            let value = convergence::e_bfmi(energy);
            if value < 0.3 {
                add(Warning::Ebfmi { chain, value });
            }
        }
    }
}

impl Chain {
    /// A statistic of the sampler by its name.
    pub fn stat(&self, name: &str) -> Option<&[f64]> {
        self.stats.iter().find(|(known, _)| known == name).map(|(_, values)| values.as_slice())
    }
}
