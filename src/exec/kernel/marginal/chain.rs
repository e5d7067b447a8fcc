//! Chains of finite choices, each of which depends on the one before, by the forward recursion.
//!
//! The log weight of all that came before, a number for each combination of the chains' values in the step before, is what a scan carries.
//! Source: Rabiner (1989), A tutorial on hidden Markov models, with sums on the log scale.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::{F, Id, Op, Scan};
use super::super::range::Range;
use super::Trouble;
use super::draw::{Drawn, Table};
use super::eliminate::{Elimination, How, Term, Use};
use super::sight::{FIRST, LATER};

impl Elimination<'_> {
    /// The chains that are tied to one another along the loop of a chain, where all else in their tables lies outside the loop.
    pub fn chain_members(&self, v: usize) -> Option<Vec<usize>> {
        let along = self.chained[v]?;
        let plates = &self.plates[v];
        let mut members = vec![v];
        let mut at = 0;
        while at < members.len() {
            let member = members[at];
            for term in self.terms.iter().filter(|t| t.uses.iter().any(|u| u.number == member)) {
                for u in &term.uses {
                    if members.contains(&u.number) {
                        if matches!(u.how, How::At(..)) {
                            return None;
                        }
                    } else if self.chained[u.number] == Some(along) && self.plates[u.number] == *plates {
                        members.push(u.number);
                    } else if !axis::minus(&self.frame(u), plates).is_empty() || self.frame(u).contains(&along) {
                        return None;
                    }
                }
            }
            at += 1;
        }
        members.sort_unstable();
        Some(members)
    }

    /// Eliminates chains but for their last step.
    pub fn chain(&mut self, members: Vec<usize>) -> Result<(), Trouble> {
        let lead = members[0];
        let Some(along) = self.chained[lead] else { return self.refuse(lead, "it is no chain") };
        let plates = self.plates[lead].clone();
        let outer = axis::minus(&plates, &[along]);
        let is_member = |u: &Use| members.contains(&u.number);
        let (inside, mut others): (Vec<Term>, Vec<Term>) = std::mem::take(&mut self.terms)
            .into_iter()
            .partition(|t| t.uses.iter().any(|u| is_member(u) && u.how != How::Last));
        if inside.iter().any(|t| t.uses.iter().any(|u| is_member(u) && u.how == How::Last)) {
            return self.refuse(lead, "its last step is tied to earlier ones");
        }
        let one = self.graph.scalar(1.0);
        let mut steps: Vec<Term> = Vec::new();
        for term in inside {
            let extra = axis::minus(&term.plates, &plates);
            let node = self.graph.contract(term.node, one, &extra);
            steps.push(Term { node, plates: plates.clone(), ..term });
        }
        if steps.iter().flat_map(|t| &t.uses).any(|u| u.how == How::Before && u.on != Some((along, LATER))) {
            return self.refuse(lead, "its first step depends on a step before it");
        }
        // Choices outside of the loop that only its first step depends on.
        let only_first = |this: &Self, number: usize| {
            this.plates[number] == outer
                && this.chained[number].is_none()
                && steps
                    .iter()
                    .flat_map(|t| &t.uses)
                    .filter(|u| u.number == number)
                    .all(|u| u.on == Some((along, FIRST)))
                && others.iter().filter(|t| t.uses.iter().any(|u| u.number == number)).all(|t| {
                    t.uses.iter().all(|u| {
                        !members.contains(&u.number)
                            && (u.number != number || u.how == How::Now)
                            && axis::minus(&this.frame(u), &outer).is_empty()
                    })
                })
        };
        let mut starts: Vec<usize> = steps
            .iter()
            .flat_map(|t| &t.uses)
            .map(|u| u.number)
            .filter(|number| !members.contains(number) && only_first(self, *number))
            .collect();
        starts.sort_unstable();
        starts.dedup();
        // The first step.
        let zero = self.graph.scalar(0.0);
        let mut first: Vec<Local> = Vec::new();
        for term in &steps {
            let mut node = self.graph.take(term.node, along, zero);
            let mut uses = Vec::new();
            for u in &term.uses {
                if u.how == How::Before {
                    let axis = self.axis_of(u);
                    node = self.graph.take(node, axis, zero);
                } else {
                    uses.push(u.clone());
                }
            }
            first.push(Local { node, uses });
        }
        let (with, without): (Vec<Term>, Vec<Term>) =
            others.into_iter().partition(|t| t.uses.iter().any(|u| starts.contains(&u.number)));
        others = without;
        for term in with {
            let extra = axis::minus(&term.plates, &outer);
            let node = self.graph.contract(term.node, one, &extra);
            first.push(Local { node, uses: term.uses });
        }
        let targets = starts.iter().map(|number| (*number, self.finite[*number].axis)).collect();
        let (first_tables, start) = self.eliminate_within(first, targets, &outer)?;
        // Later steps.
        let mut later: Vec<Local> = Vec::new();
        for term in &steps {
            let mut node = term.node;
            let mut uses = Vec::new();
            for u in &term.uses {
                if u.on == Some((along, FIRST)) {
                    let axis = self.axis_of(u);
                    node = self.graph.take(node, axis, zero);
                } else {
                    uses.push(u.clone());
                }
            }
            later.push(Local { node, uses });
        }
        let own: Vec<Axis> = members.iter().map(|m| self.finite[*m].axis).collect();
        let before: Vec<Axis> = members.iter().filter_map(|m| self.before[*m]).collect();
        let mut axes = axis::minus(self.graph.axes(start.node), &own);
        for local in &later {
            let found = axis::minus(self.graph.axes(local.node), &own);
            axes = axis::union(&axes, &found);
        }
        axes = axis::union(&axis::union(&axes, &before), &[along]);
        let number = self.graph.scans.len() as u32;
        let state = self.graph.insert(Op::State(number, 0), Vec::new(), axes.clone());
        let scan = Scan { axis: along, reversed: false, states: vec![state], first: vec![zero], next: vec![state] };
        self.graph.scans.push(scan);
        if later.iter().chain([&start]).all(|l| self.graph.node(l.node).range.finite) {
            self.graph.nodes[state.0 as usize].range = Range::REAL;
        }
        let carried: Vec<Use> = members.iter().map(|m| Use { number: *m, how: How::Before, on: None }).collect();
        let mut outside: Vec<Use> = Vec::new();
        for u in later.iter().flat_map(|l| &l.uses).chain(&start.uses).filter(|u| !members.contains(&u.number)) {
            if !outside.iter().any(|k| k.number == u.number) {
                outside.push(Use { on: None, ..u.clone() });
            }
        }
        let mut uses = carried.clone();
        uses.extend(outside.iter().cloned());
        later.push(Local { node: state, uses });
        let targets = members.iter().zip(&before).map(|(m, axis)| (*m, *axis)).collect();
        let (step_tables, after) = self.eliminate_within(later, targets, &plates)?;
        let graph = &mut *self.graph;
        let count = graph.count(along);
        let is_first = graph.map(F::Eq, &[count, zero]);
        let mut next = graph.select(is_first, start.node, after.node);
        for (own, before) in own.iter().zip(&before) {
            next = graph.rename(next, *own, *before);
        }
        graph.scans[number as usize].next[0] = next;
        let rest = axis::minus(&axes, &[along]);
        let mut last = graph.insert(Op::Last(number, 0), Vec::new(), rest);
        for (own, before) in own.iter().zip(&before) {
            last = graph.rename(last, *before, *own);
        }
        for m in &members {
            let (choice, states) = (&self.finite[*m], own.iter().map(|a| a.extent as usize).product::<usize>());
            let (values, steps) = (choice.axis.extent, along.extent);
            let along_with = if states == values as usize { String::new() } else { format!(", {states} together") };
            let each = if outer.is_empty() { String::new() } else { format!(", {} times", axis::size(&outer)) };
            self.finite[*m].way = format!("{values} values{along_with}, as a chain of {steps} steps{each}");
        }
        self.drawn.push(Drawn::Chain { along, outer: outer.clone(), steps: step_tables, first: first_tables });
        for number in &starts {
            let values = self.finite[*number].axis.extent;
            self.finite[*number].way = format!("{values} values, as the start of a chain");
            self.done[*number] = true;
        }
        for m in &members {
            self.plates[*m] = outer.clone();
            self.chained[*m] = None;
        }
        let mut uses: Vec<Use> = members.iter().map(|m| Use { number: *m, how: How::Now, on: None }).collect();
        uses.extend(outside);
        for term in &mut others {
            for u in term.uses.iter_mut().filter(|u| members.contains(&u.number)) {
                u.how = How::Now;
            }
        }
        others.push(Term { node: last, plates: outer, uses, span: self.finite[lead].span });
        self.terms = others;
        Ok(())
    }

    /// Eliminates choices along axes from tables of the same lanes: the tables that were met, and what is left.
    fn eliminate_within(
        &mut self,
        mut locals: Vec<Local>,
        mut targets: Vec<(usize, Axis)>,
        lanes: &[Axis],
    ) -> Result<(Vec<(usize, Table)>, Local), Trouble> {
        let mut tables = Vec::new();
        while !targets.is_empty() {
            let axes = |this: &Self, axis: Axis| -> Axes {
                let with = locals.iter().filter(|l| l.uses.iter().any(|u| this.axis_of(u) == axis));
                with.flat_map(|l| &l.uses).fold(Axes::new(), |all, u| axis::union(&all, &[this.axis_of(u)]))
            };
            let best = (0..targets.len())
                .min_by_key(|k| super::eliminate::axis_product(&axes(self, targets[*k].1)))
                .unwrap_or(0);
            let (number, axis) = targets.remove(best);
            self.limits(number, &axes(self, axis), lanes)?;
            let (with, without): (Vec<Local>, Vec<Local>) =
                locals.into_iter().partition(|l| l.uses.iter().any(|u| self.axis_of(u) == axis));
            locals = without;
            let sum = self.sum(with);
            let others: Vec<Use> = sum.uses.into_iter().filter(|u| self.axis_of(u) != axis).collect();
            tables.push((number, Table { node: sum.node, axis, looks: self.looks(&others) }));
            let node = self.graph.log_sum_exp(sum.node, axis);
            locals.push(Local { node, uses: others });
        }
        let left = self.sum(locals);
        Ok((tables, left))
    }

    fn sum(&mut self, locals: Vec<Local>) -> Local {
        let mut node = self.graph.scalar(0.0);
        let mut uses: Vec<Use> = Vec::new();
        for local in locals {
            node = self.plus(node, local.node);
            for u in local.uses {
                if !uses.iter().any(|k| k.number == u.number && (k.how == How::Before) == (u.how == How::Before)) {
                    uses.push(u);
                }
            }
        }
        Local { node, uses }
    }
}

/// A table within a step.
struct Local {
    node: Id,
    uses: Vec<Use>,
}
