//! The choices that a move may move, by name, and what is learnt of each of them.

use super::super::proposal::{Move as Kind, Tuning};
use super::Walker;
use crate::model::{CALLS, Infos, Random, Trace, Traced};
use crate::value::{Domain, Value};
use std::fmt;
use std::sync::Arc;

/// Names of choices, as the user writes them: `mu`, `theta` for all its elements, `theta[3]`. The names of the functions that a choice
/// lies in may be left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Arc<[Arc<str>]>);

impl Names {
    /// These names.
    pub fn new(names: impl IntoIterator<Item = Arc<str>>) -> Names {
        Names(names.into_iter().collect())
    }

    /// Whether a choice of this full name is among those meant.
    pub fn contain(&self, choice: &str) -> bool {
        let starts = std::iter::once(0).chain(choice.match_indices('.').map(|(at, _)| at + 1));
        starts.into_iter().any(|start| {
            let rest = &choice[start..];
            let base = match rest.rfind('[') {
                Some(at) if rest.ends_with(']') => &rest[..at],
                _ => rest,
            };
            self.0.iter().any(|name| **name == *rest || **name == *base)
        })
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<String> = self.0.iter().map(|name| format!("{name:?}")).collect();
        write!(f, "[{}]", names.join(", "))
    }
}

/// What is known of one choice: all that a step needs to know, in one line of the cache.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Site {
    address: u64,
    /// Its support when it was first met, and whether its distribution can be drawn from.
    pub support: Arc<Domain>,
    pub can_draw: bool,
    pub tuning: Tuning,
}

/// The choices that a move may move.
#[derive(Clone, Debug)]
pub(super) struct Sites {
    filters: Vec<Names>,
    /// By the number of an info: its address, and whether it passes the filters.
    matches: Vec<Option<(u64, bool)>>,
    found: Vec<u32>,
    /// By the number of an info.
    known: Vec<Option<Site>>,
    /// Proposals of the move as a whole, accepted and made.
    whole: (u64, u64),
    /// All calls of functions of the host that drew are one choice more.
    calls: bool,
    /// How often the move learnt something.
    pub lessons: u64,
}

impl Sites {
    /// All choices that pass the filters.
    pub fn new(filters: Vec<Names>) -> Sites {
        Sites {
            filters,
            matches: Vec::new(),
            found: Vec::new(),
            known: Vec::new(),
            whole: (0, 0),
            calls: false,
            lessons: 0,
        }
    }

    /// The same, and as one choice more all calls of functions of the host that drew, if all choices pass.
    pub fn with_calls(mut self) -> Sites {
        self.calls = self.filters.is_empty();
        self
    }

    fn calls(&self, trace: &Trace) -> usize {
        usize::from(self.calls && trace.calls > 0)
    }

    fn passes(&mut self, infos: &Infos, info: u32) -> bool {
        let k = info as usize;
        if self.matches.len() <= k {
            self.matches.resize(k + 1, None);
        }
        let known = infos.get(info);
        match self.matches[k] {
            Some((address, passes)) if address == known.address => passes,
            _ => {
                let passes = known.named && self.filters.iter().all(|names| names.contain(&known.name));
                self.matches[k] = Some((known.address, passes));
                passes
            }
        }
    }

    fn find(&mut self, infos: &Infos, trace: &Trace) {
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        found.extend(trace.movable.iter().filter(|place| self.passes(infos, trace.choices[**place as usize].info)));
        self.found = found;
    }

    /// How many choices there are, in the state as it is proposed.
    pub fn count<T: Traced>(&mut self, walker: &Walker<T>) -> usize {
        let trace = walker.view.trace(&walker.state);
        if self.filters.is_empty() {
            return trace.movable.len() + self.calls(trace);
        }
        self.find(walker.view.infos(&walker.state), trace);
        self.found.len()
    }

    /// The places of all of them.
    pub fn places<T: Traced>(&mut self, walker: &Walker<T>) -> Vec<usize> {
        let trace = walker.view.trace(&walker.state);
        self.find(walker.view.infos(&walker.state), trace);
        self.found.iter().map(|place| *place as usize).collect()
    }

    /// The places of all of them, those without a name too where nothing is filtered; and whether something is.
    pub fn block<T: Traced>(&mut self, walker: &Walker<T>) -> (Vec<usize>, bool) {
        if self.filters.is_empty() {
            let movable = &walker.view.trace(&walker.state).movable;
            return (movable.iter().map(|place| *place as usize).collect(), false);
        }
        (self.places(walker), true)
    }

    /// How many numbers they are made of, at least 1.
    pub fn components<T: Traced>(&mut self, walker: &Walker<T>) -> usize {
        let size = |value: &Value| match value {
            Value::Matrix(m) => m.data.len(),
            value => value.array_len().unwrap_or(1),
        };
        let trace = walker.view.trace(&walker.state);
        let total: usize = if self.filters.is_empty() {
            let numbers: usize = trace.movable.iter().map(|k| size(&trace.choices[*k as usize].value)).sum();
            numbers + self.calls(trace)
        } else {
            self.places(walker).iter().map(|k| size(&trace.choices[*k].value)).sum()
        };
        total.max(1)
    }

    /// One of them, uniformly, and how many there are; [`CALLS`] for the calls that drew.
    pub fn pick<T: Traced>(&mut self, walker: &Walker<T>, random: &mut dyn Random) -> Option<(usize, usize)> {
        let count = self.count(walker);
        if mutant!("uniform index on a trace without choices", false, count == 0) {
            return None;
        }
        let k = uniform_index(count, random);
        let trace = walker.view.trace(&walker.state);
        let place = if !self.filters.is_empty() {
            self.found.get(k).map(|place| *place as usize)
        } else if trace.movable.len() == trace.choices.len() {
            // Where all may be moved, the list of their places need not be read.
            (k < count - self.calls(trace)).then_some(k)
        } else {
            trace.movable.get(k).map(|place| *place as usize)
        };
        if let Some(place) = place {
            walker.view.attend(&walker.state, place);
            // In a model of fixed structure infos are numbered as the places are.
            std::hint::black_box(self.known.get(place).is_some_and(Option::is_some));
        }
        Some((place.unwrap_or(CALLS), count))
    }

    /// What is known of the choice at a place; `scale` is the size of its steps at first.
    pub fn at<T: Traced>(&mut self, walker: &Walker<T>, place: usize, scale: f64) -> &mut Site {
        let choice = &walker.view.trace(&walker.state).choices[place];
        let info = choice.info as usize;
        if self.known.len() <= info {
            self.known.resize(info + 1, None);
        }
        let stale = self.known[info].as_ref().is_none_or(|site| {
            let tuning = &site.tuning;
            // A choice whose size changed starts its tuning anew.
            site.address != choice.address
                || choice.value.array_len().is_some_and(|n| {
                    tuning.units() > 1
                        && matches!(
                            tuning.kind,
                            Kind::Additive | Kind::Multiplicative | Kind::Other | Kind::Walk | Kind::Reflected
                        )
                        && n != tuning.units()
                        && !matches!(choice.value, Value::Matrix(_))
                })
        });
        if stale {
            self.known[info] = None;
        }
        self.known[info].get_or_insert_with(|| {
            let known = walker.view.infos(&walker.state).get(choice.info);
            let tuning = Tuning::new(&known.support, &choice.value, scale);
            Site { address: choice.address, support: Arc::clone(&known.support), can_draw: known.can_draw, tuning }
        })
    }

    /// Counts a proposal of the move as a whole.
    pub fn count_whole(&mut self, accepted: bool) {
        self.whole.0 += u64::from(accepted);
        self.whole.1 += 1;
    }

    /// Tells the proposals accepted and made: by the name of a choice, and those of the move as a whole.
    pub fn rates(&self, infos: &Infos, tell: &mut dyn FnMut(Option<&str>, u64, u64)) {
        for (info, site) in infos.all().iter().zip(&self.known) {
            if let Some(site) = site
                && site.tuning.proposed > 0
            {
                tell(Some(&info.name), site.tuning.accepted.into(), site.tuning.proposed.into());
            }
        }
        if self.whole.1 > 0 {
            tell(None, self.whole.0, self.whole.1);
        }
    }
}

/// An index below `count`, uniformly.
pub(super) fn uniform_index(count: usize, random: &mut dyn Random) -> usize {
    match random.generator() {
        Some(generator) => ((generator.uniform() * count as f64) as usize).min(count - 1),
        None => random.choose(&vec![1.0; count]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_step_knows_of_a_choice_is_one_line_of_the_cache() {
        assert_eq!(std::mem::size_of::<Option<Site>>(), 64);
    }

    #[test]
    fn names_mean_elements_and_leave_functions_out() {
        let names = Names::new(["theta".into(), "mu[1]".into(), "step.x".into()]);
        for choice in ["theta", "theta[3]", "theta[3,4]", "m.theta[0]", "mu[1]", "f[2].mu[1]", "step.x", "g.step.x[1]"]
        {
            assert!(names.contain(choice), "{choice}");
        }
        for choice in ["mu", "mu[2]", "theta2", "x", "step[1].x", "thetas[1]"] {
            assert!(!names.contain(choice), "{choice}");
        }
    }
}
