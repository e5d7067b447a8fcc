//! Elimination of finite choices from tables.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::{F, Graph, Id, Op};
use super::draw::{Drawn, Look, Lookup, Table};
use super::replace::{Replace, spread, step_before};
use super::sight::{FIRST, LATER, Plate, Seen, Sights, same_order};
use super::{Factor, Finite, LEVEL, MOST_COMBINATIONS, MOST_ELEMENTS, Trouble};
use crate::source::Span;

/// Which lane of a choice a table is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum How {
    /// That of the table.
    Now,
    /// The one before, along the loop of a chain.
    Before,
    /// The last along the loop of a chain.
    Last,
    /// That which an index gives, for the loop of this number.
    At(usize, Id),
}

/// A choice that a table is over.
#[derive(Clone, PartialEq, Debug)]
pub struct Use {
    pub number: usize,
    pub how: How,
    pub on: Option<(Axis, u8)>,
}

/// A weight as a table over the values of choices.
#[derive(Clone, Debug)]
pub struct Term {
    pub node: Id,
    pub plates: Axes,
    pub uses: Vec<Use>,
    pub span: Span,
}

pub struct Elimination<'a> {
    pub graph: &'a mut Graph,
    pub finite: &'a mut [Finite],
    pub terms: Vec<Term>,
    /// The loops around each choice; without that of its chain once only its last step is left.
    pub plates: Vec<Axes>,
    /// The loop along which each choice is a chain, and the axis of its value in the step before.
    pub chained: Vec<Option<Axis>>,
    pub before: Vec<Option<Axis>>,
    pub done: Vec<bool>,
    pub drawn: Vec<Drawn>,
    pub total: Id,
    fresh: u32,
}

/// A weight without the sums that hide the lanes of choices: its terms, each with its loops.
fn split(graph: &mut Graph, sights: &Sights, id: Id, scope: &Axes, depth: usize) -> Result<Vec<(Id, Axes)>, Trouble> {
    let trouble = match sights.of(id) {
        Ok(_) => return Ok(vec![(id, scope.clone())]),
        Err(trouble) => trouble,
    };
    if depth > 200 {
        return Err(trouble);
    }
    let node = graph.node(id).clone();
    match (&node.op, &node.args[..]) {
        (Op::Later(k), _) => match graph.later[*k as usize] {
            Some(to) => split(graph, sights, to, scope, depth + 1),
            None => Err(trouble),
        },
        (Op::Map(F::Add), [a, b]) => {
            let mut all = split(graph, sights, *a, scope, depth + 1)?;
            all.extend(split(graph, sights, *b, scope, depth + 1)?);
            Ok(all)
        }
        (Op::Map(F::Sub), [a, b]) => {
            let mut all = split(graph, sights, *a, scope, depth + 1)?;
            for (part, scope) in split(graph, sights, *b, scope, depth + 1)? {
                all.push((graph.neg(part), scope));
            }
            Ok(all)
        }
        (Op::Map(F::Neg), [a]) => {
            let all = split(graph, sights, *a, scope, depth + 1)?;
            Ok(all.into_iter().map(|(part, scope)| (graph.neg(part), scope)).collect())
        }
        (Op::Map(F::Mul), [a, b]) => {
            let (by, of) = if sights.of(*a).is_ok() { (*a, *b) } else { (*b, *a) };
            sights.of(by)?;
            let all = split(graph, sights, of, scope, depth + 1)?;
            Ok(all.into_iter().map(|(part, scope)| (graph.mul(by, part), scope)).collect())
        }
        (Op::Contract(over), [x]) => split(graph, sights, *x, &axis::union(scope, over), depth + 1),
        (Op::Contract(over), [a, b]) => {
            for x in [a, b] {
                sights.of(*x)?;
            }
            Ok(vec![(graph.mul(*a, *b), axis::union(scope, over))])
        }
        (Op::Map(F::Select), [c, a, b]) => {
            // `if c { a + a' } else { b }` is the sum of `if c { a } else { b }` and `if c { a' } else { 0 }`.
            sights.of(*c)?;
            let zero = graph.scalar(0.0);
            let mut all = Vec::new();
            for (part, scope) in split(graph, sights, *a, scope, depth + 1)? {
                all.push((graph.select(*c, part, zero), scope));
            }
            for (part, scope) in split(graph, sights, *b, scope, depth + 1)? {
                all.push((graph.select(*c, zero, part), scope));
            }
            Ok(all)
        }
        _ => Err(trouble),
    }
}

/// Sums finite choices out of weights: the log of the sum, and how to draw them back.
pub fn eliminate(
    graph: &mut Graph,
    finite: &mut [Finite],
    mut sights: Sights,
    weights: Vec<Factor>,
) -> Result<(Id, Vec<Drawn>), Trouble> {
    let mut parts: Vec<(Id, Axes, Span)> = Vec::new();
    for factor in &weights {
        let found = split(graph, &sights, factor.weight, &factor.scope, 0)?;
        parts.extend(found.into_iter().map(|(id, scope)| (id, scope, factor.span)));
    }
    let roots: Vec<Id> = parts.iter().map(|(id, ..)| *id).collect();
    sights.look(graph, finite, &roots);
    let n = finite.len();
    let mut chained: Vec<Option<Axis>> = vec![None; n];
    for (id, _, span) in &parts {
        let sight = sights.of(*id)?;
        for seen in sight.iter() {
            for (p, plate) in seen.plates.iter().enumerate() {
                let Plate::At(index) = plate else { continue };
                let own = finite[seen.number].plates[p];
                let Some(frame) = step_before(graph, *index, own) else { continue };
                let other = sight.iter().any(|o| o != seen && o.plates.contains(&Plate::Along(frame)));
                if other && chained[seen.number].replace(own).is_some_and(|known| known != own) {
                    return Err((*span, format!("`{}` is a chain along two loops", finite[seen.number].name)));
                }
            }
        }
    }
    let before: Vec<Option<Axis>> =
        (0..n).map(|k| chained[k].map(|_| Axis { extent: finite[k].axis.extent, level: LEVEL + k as u32 })).collect();
    let mut terms = Vec::new();
    {
        let mut replace = Replace::new(&sights, finite, &before);
        for (id, scope, span) in &parts {
            let node = replace.node(graph, *id, &[], 0).map_err(|reason| (*span, reason))?;
            let sight = sights.of(*id)?;
            let term = term(graph, finite, &chained, node, scope.clone(), &sight, *span)?;
            terms.extend(term);
        }
    }
    let zero = graph.scalar(0.0);
    let plates = finite.iter().map(|f| f.plates.clone()).collect();
    let fresh = LEVEL + n as u32;
    let done = vec![false; n];
    let mut all =
        Elimination { graph, finite, terms, plates, chained, before, done, drawn: Vec::new(), total: zero, fresh };
    all.lanes_apart()?;
    all.run()?;
    Ok((all.total, all.drawn))
}

/// A table with the loops of its choices by their own names, and which lanes it is over.
fn term(
    graph: &mut Graph,
    finite: &[Finite],
    chained: &[Option<Axis>],
    mut node: Id,
    mut plates: Axes,
    sight: &[Seen],
    span: Span,
) -> Result<Option<Term>, Trouble> {
    if graph.number(node) == Some(0.0) {
        return Ok(None);
    }
    let mut names: Vec<(Axis, Axis)> = Vec::new();
    for seen in sight {
        for (plate, own) in seen.plates.iter().zip(&finite[seen.number].plates) {
            let Plate::Along(axis) = plate else { continue };
            match names.iter().find(|(from, _)| from == axis) {
                Some((_, to)) if to != own => {
                    let name = &finite[seen.number].name;
                    return Err((span, format!("`{name}` is used in the steps of another loop")));
                }
                Some(_) => {}
                None => names.push((*axis, *own)),
            }
        }
    }
    names.retain(|(from, to)| from != to);
    for (_, to) in &names {
        if plates.contains(to) || graph.has(node, *to) {
            return Err((span, "finite choices of two loops of the same length are used together".into()));
        }
    }
    let rename = |graph: &mut Graph, mut id: Id| {
        for (from, to) in &names {
            id = graph.rename(id, *from, *to);
        }
        id
    };
    node = rename(graph, node);
    for (from, to) in &names {
        plates = axis::replace(&plates, *from, &[*to]);
    }
    let mut uses: Vec<Use> = Vec::new();
    for seen in sight {
        let choice = &finite[seen.number];
        let mut how = How::Now;
        for (p, plate) in seen.plates.iter().enumerate() {
            let Plate::At(index) = plate else { continue };
            let index = rename(graph, *index);
            if how != How::Now {
                return Err((span, format!("`{}` is used at places of two loops", choice.name)));
            }
            how = if chained[seen.number] == Some(choice.plates[p]) {
                if step_before(graph, index, choice.plates[p]).is_some() {
                    How::Before
                } else if graph.number(index) == Some(f64::from(choice.plates[p].extent) - 1.0) {
                    How::Last
                } else {
                    How::At(p, index)
                }
            } else {
                How::At(p, index)
            };
        }
        let on = seen.on.map(|(a, bits)| (names.iter().find(|(from, _)| *from == a).map_or(a, |(_, to)| *to), bits));
        let same = |u: &Use| u.number == seen.number && (u.how == How::Before) == (how == How::Before);
        match uses.iter_mut().find(|u| same(u)) {
            Some(known) if known.how != how => {
                return Err((span, format!("`{}` is used in two steps of its loop at once", choice.name)));
            }
            Some(known) => known.on = None,
            None => uses.push(Use { number: seen.number, how, on }),
        }
    }
    // What is left of choices on which it does not depend in the steps that it is over.
    let zero = graph.scalar(0.0);
    for (number, choice) in finite.iter().enumerate() {
        if graph.has(node, choice.axis) && !uses.iter().any(|u| u.number == number && u.how != How::Before) {
            node = graph.take(node, choice.axis, zero);
        }
    }
    Ok(Some(Term { node, plates, uses, span }))
}

impl Elimination<'_> {
    pub fn fresh_axis(&mut self, extent: u32) -> Axis {
        self.fresh += 1;
        Axis { extent, level: self.fresh }
    }

    /// The axis of a choice in a table.
    pub fn axis_of(&self, u: &Use) -> Axis {
        let own = self.finite[u.number].axis;
        if u.how == How::Before { self.before[u.number].unwrap_or(own) } else { own }
    }

    /// The loops on whose steps it depends which lane of a choice is meant.
    pub fn frame(&self, u: &Use) -> Axes {
        let own = &self.plates[u.number];
        match u.how {
            How::Now | How::Before => own.clone(),
            How::Last => own.iter().copied().filter(|a| Some(*a) != self.chained[u.number]).collect(),
            How::At(p, index) => axis::replace(own, self.finite[u.number].plates[p], self.graph.axes(index)),
        }
    }

    pub fn refuse<T>(&self, number: usize, what: &str) -> Result<T, Trouble> {
        let choice = &self.finite[number];
        Err((choice.span, format!("`{}` cannot be summed out: {what}", choice.name)))
    }

    /// Tables in which the first step of a loop sees other choices than later ones, at places that an index gives, become two.
    fn lanes_apart(&mut self) -> Result<(), Trouble> {
        let mut out = Vec::new();
        for term in std::mem::take(&mut self.terms) {
            let apart = term.uses.iter().find_map(|u| match (u.how, u.on) {
                (How::At(..), Some((axis, _))) => Some(axis),
                _ => None,
            });
            let Some(along) = apart else {
                out.push(term);
                continue;
            };
            let zero = self.graph.scalar(0.0);
            out.push(self.lanes(&term, along, zero, None, FIRST));
            if along.extent > 1 {
                let rest = self.fresh_axis(along.extent - 1);
                let index = self.graph.insert(Op::Count(rest, 1), Vec::new(), vec![rest]);
                out.push(self.lanes(&term, along, index, Some(rest), LATER));
            }
        }
        self.terms = out;
        Ok(())
    }

    /// A table in some steps of a loop: those that `index` gives.
    fn lanes(&mut self, term: &Term, along: Axis, index: Id, to: Option<Axis>, bit: u8) -> Term {
        let mut node = self.graph.take(term.node, along, index);
        let mut plates = axis::minus(&term.plates, &[along]);
        if let Some(to) = to {
            plates = axis::union(&plates, &[to]);
        }
        let mut uses = Vec::new();
        for u in &term.uses {
            if u.on.is_some_and(|(a, bits)| a == along && bits & bit == 0) {
                let (axis, zero) = (self.axis_of(u), self.graph.scalar(0.0));
                node = self.graph.take(node, axis, zero);
                continue;
            }
            let how = match u.how {
                How::At(p, at) => How::At(p, self.graph.take(at, along, index)),
                other => match self.finite[u.number].plates.iter().position(|a| *a == along) {
                    Some(p) if other == How::Now => How::At(p, index),
                    _ => other,
                },
            };
            uses.push(Use { number: u.number, how, on: u.on.filter(|(a, _)| *a != along) });
        }
        let mut term = Term { node, plates, uses, span: term.span };
        // Where the steps are all those of a choice's loop, in their order, they are that loop.
        if let Some(to) = to {
            for k in 0..term.uses.len() {
                let How::At(p, at) = term.uses[k].how else { continue };
                let own = self.finite[term.uses[k].number].plates[p];
                if own.extent == to.extent
                    && same_order(self.graph, at) == Some(to)
                    && !term.plates.contains(&own)
                    && own != to
                {
                    term.node = self.graph.rename(term.node, to, own);
                    term.plates = axis::replace(&term.plates, to, &[own]);
                    for u in &mut term.uses {
                        if let How::At(p, at) = u.how {
                            u.how = How::At(p, self.graph.rename(at, to, own));
                        }
                    }
                    term.uses[k].how = How::Now;
                    break;
                }
            }
        }
        term
    }

    fn run(&mut self) -> Result<(), Trouble> {
        self.drop_images();
        loop {
            let open: Vec<usize> = (0..self.finite.len()).filter(|v| !self.done[*v]).collect();
            let Some(first) = open.first() else { break };
            let single = open
                .iter()
                .copied()
                .filter(|v| self.chained[*v].is_none() && self.ready(*v))
                .min_by_key(|v| (self.cost(*v), *v));
            if let Some(v) = single {
                self.single(v)?;
                continue;
            }
            let chain = open.iter().find_map(|v| self.chain_members(*v));
            match chain {
                Some(members) => self.chain(members)?,
                None => return self.refuse(*first, "it is tied to other finite choices in a way that is no chain"),
            }
        }
        for term in std::mem::take(&mut self.terms) {
            self.finished(term);
        }
        Ok(())
    }

    /// Numbers that follow from choices and that no weight needs.
    fn drop_images(&mut self) {
        loop {
            let unused = (0..self.finite.len()).find(|v| {
                let mut used = self.terms.iter().filter(|t| t.uses.iter().any(|u| u.number == *v));
                !self.done[*v] && self.finite[*v].image && used.next().is_some() && used.next().is_none()
            });
            let Some(v) = unused else { return };
            self.terms.retain(|t| !t.uses.iter().any(|u| u.number == v));
            self.done[v] = true;
        }
    }

    fn finished(&mut self, term: Term) {
        let one = self.graph.scalar(1.0);
        let sum = self.graph.contract(term.node, one, &term.plates);
        self.total = self.graph.add(self.total, sum);
    }

    /// Whether a choice can be eliminated now: no table ties its lanes to lanes of others that are more, or other ones.
    pub fn ready(&self, v: usize) -> bool {
        let own = &self.plates[v];
        self.terms.iter().all(|term| {
            let mine: Vec<&Use> = term.uses.iter().filter(|u| u.number == v).collect();
            let Some(mine) = mine.first() else { return true };
            term.uses.iter().filter(|u| u.number != v).all(|u| match mine.how {
                How::At(p, index) => {
                    let plate = self.finite[v].plates[p];
                    let alike =
                        matches!(u.how, How::At(q, i) if i == index && self.finite[u.number].plates[q] == plate);
                    alike && axis::minus(&self.plates[u.number], own).is_empty()
                        || axis::minus(&self.frame(u), self.graph.axes(index)) == self.frame(u)
                            && axis::minus(&self.frame(u), own).is_empty()
                }
                _ => axis::minus(&self.frame(u), own).is_empty(),
            })
        })
    }

    /// The combinations of values that the table of a choice would be over.
    fn cost(&self, v: usize) -> usize {
        let mut axes: Vec<Axis> = Vec::new();
        for term in self.terms.iter().filter(|t| t.uses.iter().any(|u| u.number == v)) {
            axes.extend(term.uses.iter().map(|u| self.axis_of(u)));
        }
        axes.sort();
        axes.dedup();
        axis_product(&axes)
    }

    pub fn limits(&self, v: usize, axes: &[Axis], lanes: &[Axis]) -> Result<(), Trouble> {
        let combinations = axis_product(axes);
        if combinations > MOST_COMBINATIONS {
            return self.refuse(
                v,
                &format!(
                    "a table of {combinations} combinations of values is needed, and {MOST_COMBINATIONS} are the most"
                ),
            );
        }
        if combinations.saturating_mul(axis::size(lanes)) > MOST_ELEMENTS {
            return self.refuse(v, "the tables that are needed are too large");
        }
        Ok(())
    }

    /// A table whose lanes are those of a choice, summed over other loops.
    pub fn conform(&mut self, mut term: Term, v: usize) -> Term {
        let own = self.plates[v].clone();
        let mine = term.uses.iter().find(|u| u.number == v).map_or(How::Now, |u| u.how);
        if let How::At(p, index) = mine {
            let into = self.finite[v].plates[p];
            let over = self.graph.axes(index).to_vec();
            term.node = spread(self.graph, term.node, index, into, &over);
            term.plates = axis::union(&axis::minus(&term.plates, &over), &[into]);
            for u in &mut term.uses {
                if matches!(u.how, How::At(q, i) if i == index && self.finite[u.number].plates[q] == into) {
                    u.how = How::Now;
                }
            }
        }
        let extra = axis::minus(&term.plates, &own);
        let one = self.graph.scalar(1.0);
        term.node = self.graph.contract(term.node, one, &extra);
        term.plates = own;
        term
    }

    /// Takes the tables with a choice, and adds them up.
    fn single(&mut self, v: usize) -> Result<(), Trouble> {
        let (with, without): (Vec<Term>, Vec<Term>) =
            std::mem::take(&mut self.terms).into_iter().partition(|t| t.uses.iter().any(|u| u.number == v));
        self.terms = without;
        let span = self.finite[v].span;
        let mut table = self.graph.scalar(0.0);
        let mut uses: Vec<Use> = Vec::new();
        for term in with {
            let term = self.conform(term, v);
            table = self.plus(table, term.node);
            for u in term.uses {
                let same = |k: &&mut Use| k.number == u.number && (k.how == How::Before) == (u.how == How::Before);
                match uses.iter_mut().find(same) {
                    Some(known) if known.how != u.how => {
                        return self.refuse(u.number, "it is used at two places of its loop at once");
                    }
                    Some(known) => {
                        known.on = match (known.on, u.on) {
                            (Some((a, x)), Some((b, y))) if a == b && x | y != FIRST | LATER => Some((a, x | y)),
                            _ => None,
                        }
                    }
                    None => uses.push(u),
                }
            }
        }
        let all: Vec<Axis> = uses.iter().map(|u| self.axis_of(u)).collect();
        self.limits(v, &all, &self.plates[v].clone())?;
        let others: Vec<Use> = uses.into_iter().filter(|u| u.number != v).collect();
        let looks = self.looks(&others);
        let last = self.last_of(v);
        self.note(v, &others, last);
        let own = self.finite[v].axis;
        self.drawn.push(Drawn::Each {
            number: v,
            plates: self.plates[v].clone(),
            last,
            table: Table { node: table, axis: own, looks },
        });
        let node = self.graph.log_sum_exp(table, own);
        self.done[v] = true;
        let term = Term { node, plates: self.plates[v].clone(), uses: others, span };
        if term.uses.is_empty() {
            self.finished(term);
        } else {
            self.terms.push(term);
        }
        Ok(())
    }

    /// The sum of two log weights: zero weight by data stays so, whatever the other is.
    pub fn plus(&mut self, a: Id, b: Id) -> Id {
        let graph = &mut *self.graph;
        let sum = graph.add(a, b);
        let impossible = |graph: &Graph, x: Id| graph.is_constant(x) && graph.node(x).range.low == f64::NEG_INFINITY;
        let none = graph.scalar(f64::NEG_INFINITY);
        for (x, other) in [(a, b), (b, a)] {
            if impossible(graph, x) && !graph.node(other).range.finite {
                let dead = graph.map(F::Eq, &[x, none]);
                return graph.select(dead, none, sum);
            }
        }
        sum
    }

    /// The loop of a chain of which only the last step is left.
    fn last_of(&self, v: usize) -> Option<Axis> {
        axis::minus(&self.finite[v].plates, &self.plates[v]).first().copied()
    }

    /// Says how a choice was summed out.
    fn note(&mut self, v: usize, others: &[Use], last: Option<Axis>) {
        if last.is_some() || self.finite[v].image {
            return;
        }
        let mut names: Vec<String> = Vec::new();
        let mut combinations = self.finite[v].axis.extent as usize;
        for u in others {
            combinations = combinations.saturating_mul(self.axis_of(u).extent as usize);
            let name = format!("`{}`", self.finite[u.number].name);
            if !self.finite[u.number].image && !names.contains(&name) {
                names.push(name);
            }
        }
        let lanes = self.finite[v].lanes();
        let each = if lanes == 1 { String::new() } else { format!(", in each of {lanes} steps by itself") };
        self.finite[v].way = if names.is_empty() {
            format!("{combinations} values{each}")
        } else {
            format!("{combinations} combinations with {}{each}", names.join(", "))
        };
    }

    /// Where the values of choices are found when a table is looked up.
    pub fn looks(&self, uses: &[Use]) -> Vec<Lookup> {
        uses.iter()
            .map(|u| Lookup {
                axis: self.axis_of(u),
                number: u.number,
                look: match u.how {
                    How::Now | How::Last => Look::Now,
                    How::Before => Look::Before(self.chained[u.number].unwrap_or(self.finite[u.number].axis)),
                    How::At(p, index) => {
                        let axes = self.graph.axes(index).to_vec();
                        let node = self.graph.node(index);
                        let data = match &node.op {
                            Op::Scalar(bits) => vec![f64::from_bits(*bits)],
                            Op::Data(k) => self.graph.data[*k as usize].to_vec(),
                            Op::Count(axis, offset) => {
                                (0..i64::from(axis.extent)).map(|k| (k + offset) as f64).collect()
                            }
                            _ => Vec::new(),
                        };
                        Look::At { plate: self.finite[u.number].plates[p], axes, data }
                    }
                },
            })
            .collect()
    }
}

pub fn axis_product(axes: &[Axis]) -> usize {
    axes.iter().fold(1usize, |n, a| n.saturating_mul(a.extent as usize))
}
