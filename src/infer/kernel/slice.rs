//! Slice sampling of one number, with stepping out and shrinkage (Neal 2003), over reals, integers and the values of a finite set.
//!
//! Where the choices that there are would change, the density counts as zero: the move keeps to the runs with the same choices, among
//! which it is reversible. Widths are learnt during warm-up only.

use super::super::proposal::{Line, Lines, line};
use super::super::{Contract, Row};
use super::Step;
use super::single_site::{Steps, move_one};
use super::sites::uniform_index;
use crate::model::{Traced, Watched};
use crate::value::Fault;

pub(super) const ROWS: &[Row] = &[Row {
    signature: "fn slice() -> Kernel",
    doc: "A kernel that picks one choice and moves one number of it by slice sampling: it draws a level below the density, steps out to an \
          interval and shrinks that until a point of it lies above the level. Integers and the values of finite sets are moved in their \
          order, other choices as `single_site` does. Widths are learnt during warm-up. Neal 2003.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(slice(), trace(() => { x ~ Flip(0.25); x })))))",
    contract: Contract::Invariant,
}];

/// Steps out, both sides together.
const MOST_STEPS: usize = 16;
/// Points of an interval before a step is given up; each halves what is left of it about once.
const MOST_POINTS: usize = 200;

pub(super) fn step<T: Traced>(step: &mut Step<'_, T>) -> Result<bool, Fault> {
    let Some((place, count)) = step.pick() else { return step.nothing() };
    let units = step.sites.at(step.walker, place, 1.0).tuning.units();
    let unit = if units > 1 { uniform_index(units, step.random) } else { 0 };
    let walker = &*step.walker;
    let choice = &walker.view.trace(&walker.state).choices[place];
    let support = &walker.view.infos(&walker.state).get(choice.info).support;
    let kind = step.sites.at(walker, place, 1.0).tuning.kind;
    let line = match line(kind, unit, support, &choice.value, step.random) {
        Lines::Along(line) => line,
        Lines::Outside => return Ok(false),
        Lines::None => return move_one(step, place, count, Steps::Mixed),
    };
    let (sum, number) = step.sites.at(step.walker, place, 1.0).tuning.lengths(unit);
    let learnt = if number > 0.0 { 2.0 * sum / number } else { line.width };
    let mut along = Along { step, place, line: &line };
    let moved = if line.whole { along.whole(learnt.round().max(1.0) as i64)? } else { along.real(learnt)? };
    let site = step.sites.at(step.walker, place, 1.0);
    if step.adapting
        && let Some(moved) = moved
    {
        site.tuning.moved(unit, moved.abs());
    }
    site.tuning.count(moved.is_some());
    step.sites.lessons += u64::from(step.adapting && moved.is_some());
    Ok(moved.is_some())
}

/// A line through the state.
struct Along<'a, 's, T: Traced> {
    step: &'a mut Step<'s, T>,
    place: usize,
    line: &'a Line,
}

impl<T: Traced> Along<'_, '_, T> {
    /// The log density at a point of the line, less that of the state; the point stays proposed if the density is above the level.
    fn density(&mut self, x: f64, level: f64) -> Result<f64, Fault> {
        let Some(value) = self.line.at(x) else { return Ok(f64::NEG_INFINITY) };
        let mut random = Watched::new(self.step.random);
        let walker = &mut *self.step.walker;
        let result = walker.view.propose(&mut walker.state, &[(self.place, value)], &[], &mut random)?;
        let drew = random.asked();
        match result {
            Ok(update) if !drew && update.gone.is_empty() => {
                let change = walker.change(&update);
                if !above(change, level) {
                    walker.view.reject(&mut walker.state);
                }
                Ok(change)
            }
            Ok(_) => {
                walker.view.reject(&mut walker.state);
                Ok(f64::NEG_INFINITY)
            }
            Err(dead) => {
                self.step.trouble.note(dead);
                Ok(f64::NEG_INFINITY)
            }
        }
    }

    /// Whether the density at a point is above the level. Nothing stays proposed.
    fn inside(&mut self, x: f64, level: f64) -> Result<bool, Fault> {
        let inside = above(self.density(x, level)?, level);
        self.step.walker.view.reject(&mut self.step.walker.state);
        Ok(inside)
    }

    /// Moves a real number; gives how far.
    fn real(&mut self, width: f64) -> Result<Option<f64>, Fault> {
        let Some(generator) = self.step.random.generator() else {
            return Err(Fault::error("a continuous choice cannot be moved by an exact method")
                .hint("use finite choices, or a method that draws"));
        };
        let start = self.line.start;
        let level = generator.uniform().ln();
        let mut low = start - width * generator.uniform();
        let mut high = low + width;
        let mut left = (generator.uniform() * MOST_STEPS as f64) as usize;
        let mut right = MOST_STEPS - 1 - left;
        while left > 0 && self.inside(low, level)? {
            low -= width;
            left -= 1;
        }
        while right > 0 && self.inside(high, level)? {
            high += width;
            right -= 1;
        }
        for _ in 0..MOST_POINTS {
            let Some(generator) = self.step.random.generator() else { break };
            let x = low + (high - low) * generator.uniform();
            if above(self.density(x, level)?, level) {
                self.step.walker.view.accept(&mut self.step.walker.state);
                return Ok(Some(x - start));
            }
            if x < start {
                low = x;
            } else {
                high = x;
            }
        }
        Ok(None)
    }

    /// Moves a whole number; gives how far, and nothing when it stays.
    fn whole(&mut self, width: i64) -> Result<Option<f64>, Fault> {
        let start = self.line.start as i64;
        let (first, last) = self.line.ends;
        // The level matters only in how it compares with the densities, so an exact handler needs those.
        let breaks = if self.step.random.generator().is_some() { Vec::new() } else { self.breaks(start, width)? };
        let level = mutant!("slice at a fixed level", 0.5, self.step.random.uniform(&breaks)).ln();
        let offset =
            mutant!("slice interval begins at the state", 0, uniform_index(width as usize, self.step.random) as i64);
        let mut low = start.saturating_sub(offset);
        let mut high = low.saturating_add(width - 1);
        let mut left = uniform_index(MOST_STEPS, self.step.random);
        let mut right = MOST_STEPS - 1 - left;
        // The interval grows over a border if the point to the right of the border lies above the level, from whichever side it comes.
        while left > 0 && low > first && self.inside(low as f64, level)? {
            low = low.saturating_sub(width);
            left -= 1;
        }
        while right > 0 && high < last && self.inside((high + 1) as f64, level)? {
            high = high.saturating_add(width);
            right -= 1;
        }
        // No point beyond the ends of the support can be drawn.
        let (mut low, mut high) = (low.max(first), high.min(last));
        loop {
            let x = low + uniform_index((high - low) as usize + 1, self.step.random) as i64;
            if x == start {
                return Ok(None);
            }
            if above(self.density(x as f64, level)?, level) {
                self.step.walker.view.accept(&mut self.step.walker.state);
                return Ok(Some((x - start) as f64));
            }
            if mutant!("slice does not shrink back to the start", x <= (low + high) / 2, x < start) {
                low = x + 1;
            } else {
                high = x - 1;
            }
            if low > high {
                return Ok(None);
            }
        }
    }

    /// The ratios of density of all points that may be looked at to that of the state, ascending, where they are below 1.
    fn breaks(&mut self, start: i64, width: i64) -> Result<Vec<f64>, Fault> {
        let reach = width.saturating_mul(MOST_STEPS as i64 + 1);
        let (first, last) = self.line.ends;
        let mut breaks = Vec::new();
        for x in start.saturating_sub(reach).max(first)..=start.saturating_add(reach).min(last) {
            let ratio = self.density(x as f64, f64::INFINITY)?.exp();
            if ratio > 0.0 && ratio < 1.0 {
                breaks.push(ratio);
            }
        }
        breaks.sort_by(f64::total_cmp);
        breaks.dedup();
        Ok(breaks)
    }
}

fn above(change: f64, level: f64) -> bool {
    change > level
}
