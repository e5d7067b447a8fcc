//! Arrays that a loop fills: element by element at given places, or by pushing.

use super::super::axis::{self, Axes, Axis};
use super::super::graph::{Id, Op, Scan};
use super::super::range::Range;
use super::super::rules;
use super::abs::{Abs, Lanes, Parts, Scalar};
use super::finite::{depends_on_finite, few};
use super::{Frame, Result, Tracer};
use crate::core::ir::{Step, VarId};
use crate::value::Value;
use std::rc::Rc;
use std::sync::Arc;

/// A `var` array to which a running loop adds.
#[derive(Clone, Debug)]
pub struct Growing {
    base: Abs,
    pushes: bool,
    /// What its elements are, where they are numbers.
    kind: Option<Scalar>,
    /// The number of loops around the one that fills it.
    outside: usize,
    writes: Vec<Write>,
    reads: Vec<Read>,
}

#[derive(Clone, Debug)]
struct Write {
    index: Vec<Id>,
    value: Abs,
    mask: Option<Id>,
    /// The loops within which it stands, from the filling one on.
    axes: Vec<Axis>,
    order: u32,
}

/// An element that was asked for while the array grew.
#[derive(Clone, Debug)]
struct Read {
    index: Vec<Id>,
    /// The element, with promises for its numbers.
    item: Abs,
    promises: Vec<Id>,
    mask: Option<Id>,
    axes: Vec<Axis>,
    order: u32,
}

impl Growing {
    pub fn new(base: Abs, pushes: bool, outside: usize, kind: Option<Scalar>) -> Growing {
        Growing { base, pushes, kind, outside, writes: Vec::new(), reads: Vec::new() }
    }
}

impl Tracer<'_> {
    /// `s[i] = x` and its like.
    pub(super) fn update(&mut self, frame: &mut Frame, var: VarId, steps: &[Step], value: Abs) -> Result<()> {
        let Some(old) = frame.vars[var.0 as usize].clone() else { return self.fatal("a variable has no value") };
        let mut index = Vec::new();
        for step in steps {
            match step {
                Step::Index(i) => index.push(self.atom(frame, i)?),
                Step::Index2(i, j) => {
                    index.push(self.atom(frame, i)?);
                    index.push(self.atom(frame, j)?);
                }
                Step::Field(k) => {
                    let [Step::Field(_)] = steps else { return self.refuse("an update within a record") };
                    let Some(parts) = Parts::of(&old) else { return self.refuse("an update of a field") };
                    let mut fields = parts.parts;
                    fields[*k as usize] = value;
                    frame.vars[var.0 as usize] = Some(parts.head.join(fields));
                    return Ok(());
                }
            }
        }
        if matches!(old, Abs::Forward) || matches!(value, Abs::Forward) {
            frame.vars[var.0 as usize] = Some(Abs::Forward);
            if matches!(old, Abs::Growing(_)) {
                return self.refuse("an array of which only a part is needed by the weights");
            }
            return Ok(());
        }
        if let Abs::Growing(id) = old {
            let index = index.iter().map(|i| self.num(i)).collect::<Result<Vec<_>>>()?;
            self.write(id, index, value);
            return Ok(());
        }
        let new = self.replaced(&old, &index, value)?;
        frame.vars[var.0 as usize] = Some(new);
        Ok(())
    }

    fn write(&mut self, id: usize, index: Vec<Id>, value: Abs) {
        self.sequence += 1;
        let outside = self.growing[id].outside;
        let write = Write { index, value, mask: self.mask, axes: self.scope[outside..].to_vec(), order: self.sequence };
        self.growing[id].writes.push(write);
    }

    pub(super) fn push(&mut self, id: usize, value: Abs) {
        self.write(id, Vec::new(), value);
    }

    /// An array with one element replaced, outside a loop that fills it.
    fn replaced(&mut self, old: &Abs, index: &[Abs], value: Abs) -> Result<Abs> {
        let Some((place, rest)) = index.split_first() else { return Ok(value) };
        if let Abs::Matrix(..) | Abs::Known(Value::Matrix(_)) = old {
            let lanes = self.values.lanes(old);
            let Some(lanes) = self.or(lanes)? else { return self.refuse("an update of a matrix") };
            let rows = self.replaced(&Abs::Array(lanes), index, value)?;
            return self.matrix_of(&rows);
        }
        let length = self.length(old)?;
        if let Abs::Known(Value::Int(k)) = place {
            let k = *k as usize;
            if k >= length {
                return self.fatal(format!("index {k} is out of range for length {length}"));
            }
            if length <= 64 || matches!(old, Abs::List(_)) {
                let mut items = self.items(old)?;
                items[k] = self.replaced(&items[k].clone(), rest, value)?;
                return Ok(Abs::List(Rc::new(items)));
            }
        }
        // Another element where the position is the index.
        let lanes = self.values.lanes(old);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("an update of what is not an array") };
        let axis = Axis { extent: lanes.axis.extent, level: self.level };
        let item = self.values.open(&lanes, axis);
        let item = self.or(item)?;
        let new = self.replaced(&item, rest, value)?;
        let place = self.num(place)?;
        let graph = self.graph();
        let count = graph.count(axis);
        let here = graph.map(super::super::graph::F::Eq, &[count, place]);
        let chosen = self.choose(here, &new, &item)?;
        Ok(Abs::array(axis, chosen))
    }

    /// Element `index` of an array that is growing.
    pub(super) fn read_growing(&mut self, id: usize, index: &[Id]) -> Result<Abs> {
        let pushed = match (self.growing[id].pushes, self.growing[id].kind) {
            (false, _) => None,
            (true, Some(kind)) if index.len() == 1 => Some(nothing(kind)),
            _ => return self.refuse("an element of an array that is still growing"),
        };
        if let Some(write) = self.growing[id].writes.iter().rev().find(|w| w.index == index)
            && (write.mask.is_none() || write.mask == self.mask)
            && write.axes.iter().all(|a| self.scope.contains(a))
        {
            return Ok(write.value.clone());
        }
        if let Some(read) = self.growing[id].reads.iter().find(|r| r.index == index)
            && read.axes.iter().all(|a| self.scope.contains(a))
            && self.growing[id].writes.iter().all(|w| w.order < read.order)
        {
            return Ok(read.item.clone());
        }
        let base = self.growing[id].base.clone();
        let mut element = base;
        for _ in index.iter().filter(|_| pushed.is_none()) {
            let zero = self.values.graph.scalar(0.0);
            let lanes = self.values.lanes(&element);
            let Some(lanes) = self.or(lanes)? else { return self.refuse("an element of what is not an array") };
            let item = self.values.substitute(&lanes.item, lanes.axis, zero);
            element = self.or(item)?;
        }
        let element = pushed.unwrap_or(element);
        let mut promises = Vec::new();
        let scope = self.scope.clone();
        let item = self.promised(&element, &scope, 0, &mut promises)?;
        self.sequence += 1;
        let read = Read {
            index: index.to_vec(),
            item: item.clone(),
            promises,
            mask: self.mask,
            axes: self.scope[self.growing[id].outside..].to_vec(),
            order: self.sequence,
        };
        self.growing[id].reads.push(read);
        Ok(item)
    }

    /// A value like another, whose numbers are promises over these axes and its own.
    fn promised(&mut self, like: &Abs, scope: &[Axis], nested: u32, promises: &mut Vec<Id>) -> Result<Abs> {
        let kind = match like {
            Abs::Num(_, kind) => Some(*kind),
            Abs::Known(Value::Real(_)) => Some(Scalar::Real),
            Abs::Known(Value::Int(_)) => Some(Scalar::Int),
            Abs::Known(Value::Bool(_)) => Some(Scalar::Bool),
            _ => None,
        };
        if let Some(kind) = kind {
            let own: Axes = match like {
                Abs::Num(id, _) => self.values.graph.axes(*id).to_vec(),
                _ => Axes::new(),
            };
            let mut sorted = scope.to_vec();
            sorted.sort();
            let axes = axis::union(&sorted, &own);
            let promise = match kind {
                Scalar::Real => self.values.graph.promise(axes),
                Scalar::Int => self.values.graph.promise_discrete(axes, Range::ANY),
                Scalar::Bool => self.values.graph.promise_discrete(axes, Range::TRUTH),
            };
            promises.push(promise);
            return Ok(Abs::Num(promise, kind));
        }
        let lanes = self.values.lanes(like);
        if let Some(lanes) = self.or(lanes)? {
            let to = Axis { extent: lanes.axis.extent, level: self.level + 500 + nested };
            let item = self.values.open(&lanes, to);
            let item = self.or(item)?;
            let item = self.promised(&item, scope, nested + 1, promises)?;
            return Ok(Abs::array(to, item));
        }
        match Parts::of(like) {
            Some(parts) => {
                let fields = parts
                    .parts
                    .iter()
                    .map(|x| self.promised(x, scope, nested, promises))
                    .collect::<Result<Vec<_>>>()?;
                Ok(parts.head.join(fields))
            }
            None => Ok(like.clone()),
        }
    }

    /// The array at the end of the loop that filled it.
    pub(super) fn grown(&mut self, id: usize, along: Axis) -> Result<Abs> {
        let mut growing = self.growing[id].clone();
        if growing.pushes && growing.reads.is_empty() {
            return self.pushed(&growing);
        }
        if growing.pushes {
            self.as_written(&mut growing, along)?;
        }
        let mut value = growing.base.clone();
        if growing.writes.is_empty() {
            self.settle_reads(&growing, None, along)?;
            return Ok(value);
        }
        if let ([write], [read]) = (&growing.writes[..], &growing.reads[..])
            && let Some(sums) = self.added(&value, write, read)?
        {
            return Ok(sums);
        }
        if !growing.reads.is_empty() && growing.writes.len() > 1 {
            return self.refuse("an array that a loop reads while it sets elements in several places");
        }
        for write in &growing.writes {
            let map = self.inverse(&value, write)?;
            if !growing.reads.is_empty() {
                self.settle_reads(&growing, Some((write, &map)), along)?;
            }
            value = self.scattered(&value, write, &map)?;
        }
        Ok(value)
    }

    /// An array to whose elements a loop adds: `s[k[i]] = s[k[i]] + x`.
    fn added(&mut self, base: &Abs, write: &Write, read: &Read) -> Result<Option<Abs>> {
        if write.index != read.index || write.index.len() != 1 || read.order > write.order {
            return Ok(None);
        }
        let ([promise], Abs::Num(after, kind)) = (&read.promises[..], &write.value) else { return Ok(None) };
        let graph = &mut self.values.graph;
        let Some(gained) = rules::gain(graph, *after, *promise) else { return Ok(None) };
        if graph.reached(gained, &[*promise])[0]
            || !graph.is_constant(write.index[0])
            || !graph.only_chained(*after, *promise, promise.0 as usize)
        {
            return Ok(None);
        }
        let gained = match write.mask {
            Some(mask) => {
                let zero = graph.scalar(0.0);
                graph.select(mask, gained, zero)
            }
            None => gained,
        };
        let lanes = self.values.lanes(base);
        let Some(lanes) = self.or(lanes)? else { return Ok(None) };
        let into = Axis { extent: lanes.axis.extent, level: self.level };
        let base = self.values.open(&lanes, into);
        let base = self.or(base)?;
        let base = self.num(&base)?;
        let mut over = write.axes.clone();
        over.sort();
        let graph = &mut self.values.graph;
        // Each lane counts, also along axes that neither knows.
        let all = axis::union(graph.axes(gained), graph.axes(write.index[0]));
        let missing: f64 = axis::minus(&over, &all).iter().map(|a| f64::from(a.extent)).product();
        let over: Axes = over.into_iter().filter(|a| all.contains(a)).collect();
        let missing = graph.scalar(missing);
        let gained = graph.mul(gained, missing);
        let sums = graph.spread(gained, write.index[0], into, &over);
        let total = graph.add(base, sums);
        Ok(Some(Abs::array(into, Abs::Num(total, *kind))))
    }

    /// For each place of an array which lane of the loops writes it last, if any.
    fn inverse(&mut self, base: &Abs, write: &Write) -> Result<Inverse> {
        let mut extents = Vec::new();
        let mut element = base.clone();
        for _ in &write.index {
            let lanes = self.values.lanes(&element);
            let Some(lanes) = self.or(lanes)? else { return self.refuse("an update of what is not an array") };
            extents.push(lanes.axis.extent as usize);
            element = lanes.item.clone();
        }
        let places: usize = extents.iter().product();
        self.spend(places / 64)?;
        let lanes = axis::size(&write.axes);
        let columns =
            write.index.iter().map(|index| self.values.constant(*index, &write.axes)).collect::<Option<Vec<_>>>();
        let mask = match write.mask {
            None => Some(vec![1.0; lanes]),
            Some(mask) => self.values.constant(mask, &write.axes),
        };
        let (Some(columns), Some(mask)) = (columns, mask) else {
            return self.refuse("an update of an array at a place that depends on a choice");
        };
        let mut writer = vec![usize::MAX; places];
        let mut twice = false;
        for lane in 0..lanes {
            if mask[lane] == 0.0 {
                continue;
            }
            let mut place = 0;
            for (column, extent) in columns.iter().zip(&extents) {
                let k = column[lane];
                if k < 0.0 || k >= *extent as f64 {
                    return self.fatal(format!("index {k} is out of range for length {extent}"));
                }
                place = place * extent + k as usize;
            }
            twice |= writer[place] != usize::MAX;
            writer[place] = lane;
        }
        Ok(Inverse { extents, writer, twice })
    }

    /// The array after all writes of a statement.
    fn scattered(&mut self, base: &Abs, write: &Write, map: &Inverse) -> Result<Abs> {
        let places: Vec<Axis> = map
            .extents
            .iter()
            .enumerate()
            .map(|(k, extent)| Axis { extent: *extent as u32, level: self.level + k as u32 })
            .collect();
        let matrix = matches!(base, Abs::Matrix(..) | Abs::Known(Value::Matrix(_)));
        let mut value = write.value.clone();
        let chosen = self.writers(&write.axes, &map.writer, &places);
        // From lanes of the loops to places, by way of names of their own.
        let lanes: Vec<Axis> = write.axes.iter().map(|a| self.values.fresh_axis(a.extent as usize)).collect();
        for (axis, lane) in write.axes.iter().zip(&lanes) {
            let count = self.values.graph.count(*lane);
            let moved = self.values.substitute(&value, *axis, count);
            value = self.or(moved)?;
        }
        for (lane, index) in lanes.iter().zip(chosen) {
            let taken = self.values.substitute(&value, *lane, index);
            value = self.or(taken)?;
        }
        if map.writer.contains(&usize::MAX) {
            let written = map.writer.iter().map(|w| f64::from(u8::from(*w != usize::MAX))).collect();
            let written = self.place_data(written, &places);
            let mut old = base.clone();
            for place in &places {
                let lanes = self.values.lanes(&old);
                let Some(lanes) = self.or(lanes)? else { return self.refuse("an update of what is not an array") };
                let item = self.values.open(&lanes, *place);
                old = self.or(item)?;
            }
            value = self.choose(written, &value, &old)?;
        }
        for place in places.iter().rev() {
            value = Abs::array(*place, value);
        }
        if matrix { self.matrix_of(&value) } else { Ok(value) }
    }

    /// Numbers for each place, by rows.
    fn place_data(&mut self, data: Vec<f64>, places: &[Axis]) -> Id {
        let mut axes = places.to_vec();
        axes.sort();
        let mut out = Vec::with_capacity(data.len());
        let own: Vec<usize> = axes
            .iter()
            .map(|a| {
                let at = places.iter().position(|p| p == a).unwrap_or(0);
                places[at + 1..].iter().map(|p| p.extent as usize).product()
            })
            .collect();
        axis::walk(&axes, [&own], |[i]| out.push(data[i]));
        self.values.graph.array(Arc::new(out), axes)
    }

    /// For each axis of the loops, the index that writes each place; the count of a place where they agree.
    fn writers(&mut self, lanes: &[Axis], writer: &[usize], places: &[Axis]) -> Vec<Id> {
        let mut out = Vec::new();
        for (k, lane) in lanes.iter().enumerate() {
            let after: usize = lanes[k + 1..].iter().map(|a| a.extent as usize).product();
            let index: Vec<usize> =
                writer.iter().map(|w| if *w == usize::MAX { 0 } else { w / after % lane.extent as usize }).collect();
            let agrees = places.iter().enumerate().find(|(p, place)| {
                let below: usize = places[p + 1..].iter().map(|a| a.extent as usize).product();
                place.extent == lane.extent
                    && index
                        .iter()
                        .zip(writer)
                        .enumerate()
                        .all(|(at, (i, w))| *w == usize::MAX || *i == at / below % place.extent as usize)
            });
            out.push(match agrees {
                Some((_, place)) => self.values.graph.count(*place),
                None => self.place_data(index.iter().map(|i| *i as f64).collect(), places),
            });
        }
        out
    }

    /// Says what elements were that the loop read.
    fn settle_reads(&mut self, growing: &Growing, write: Option<(&Write, &Inverse)>, along: Axis) -> Result<()> {
        let mut lagged: Vec<(usize, usize)> = Vec::new();
        let all: Vec<Id> = growing.reads.iter().flat_map(|r| r.promises.iter().copied()).collect();
        let dependent = match write {
            Some((write, _)) => {
                let mut ids = Vec::new();
                numbers(&write.value, &mut ids);
                ids.iter().any(|id| self.values.graph.reached(*id, &all).contains(&true))
            }
            None => false,
        };
        for (r, read) in growing.reads.iter().enumerate() {
            let mut extents = Vec::new();
            let mut element = growing.base.clone();
            for _ in &read.index {
                let lanes = self.values.lanes(&element);
                let Some(lanes) = self.or(lanes)? else { return self.refuse("an element of what is not an array") };
                extents.push(lanes.axis.extent as usize);
                element = lanes.item.clone();
            }
            let columns =
                read.index.iter().map(|index| self.values.constant(*index, &read.axes)).collect::<Option<Vec<_>>>();
            let Some(columns) = columns else {
                return self
                    .refuse("an element, at a place that depends on a choice, of an array that is being filled");
            };
            let lanes = axis::size(&read.axes);
            // Where an element is not asked for, any place will do.
            let asked =
                read.mask.map(|mask| self.values.constant(mask, &read.axes).unwrap_or_else(|| vec![0.0; lanes]));
            let asked = |lane: usize| asked.as_ref().is_none_or(|asked| asked[lane] != 0.0);
            let mut place = vec![0usize; lanes];
            let mut outside = vec![false; lanes];
            for lane in 0..lanes {
                for (column, extent) in columns.iter().zip(&extents) {
                    let k = column[lane];
                    outside[lane] |= (k < 0.0 || k >= *extent as f64) && asked(lane);
                    place[lane] = place[lane] * extent + (k.max(0.0) as usize).min(extent - 1);
                }
            }
            // The lane that wrote it before it was read.
            let mut writer = vec![usize::MAX; lanes];
            if let Some((write, map)) = write {
                if map.twice || write.axes != read.axes || read.index.len() != write.index.len() {
                    return self.refuse("an array that a loop both reads and sets, in loops of different kinds");
                }
                for lane in 0..lanes {
                    let w = map.writer[place[lane]];
                    let earlier = w != usize::MAX && (w < lane || (w == lane && write.order < read.order));
                    if earlier && !outside[lane] {
                        writer[lane] = w;
                    }
                }
            }
            if dependent && writer.iter().any(|w| *w != usize::MAX) {
                let Some((write, _)) = write else { continue };
                if write.axes != [along] || write.mask.is_some() {
                    return self.refuse("an array whose elements depend on earlier ones in nested loops");
                }
                let lag = writer.iter().enumerate().find(|(_, w)| **w != usize::MAX).map_or(1, |(lane, w)| lane - w);
                let steady = lag > 0
                    && writer.iter().enumerate().all(
                        |(lane, w)| {
                            if *w == usize::MAX { lane < lag } else { lane - w == lag }
                        },
                    );
                if !steady || outside.contains(&true) {
                    return self.refuse("an array whose elements depend on earlier ones at varying distances");
                }
                lagged.push((r, lag));
                continue;
            }
            if outside.contains(&true) && self.mask.is_none() {
                return self.fatal("an index is out of range");
            }
            // What was there at first, where nothing was written before.
            let mut value = growing.base.clone();
            let index_ids: Vec<Id> = {
                let mut ids = Vec::new();
                let mut below: usize = extents.iter().product();
                for extent in &extents {
                    below /= extent;
                    let data = place.iter().map(|p| (p / below % extent) as f64).collect();
                    ids.push(self.place_data(data, &read.axes));
                }
                ids
            };
            for index in &index_ids {
                let lanes = self.values.lanes(&value);
                let Some(lanes) = self.or(lanes)? else { return self.refuse("an element of what is not an array") };
                let item = self.values.substitute(&lanes.item, lanes.axis, *index);
                value = self.or(item)?;
            }
            if let Some((write, _)) = write
                && writer.iter().any(|w| *w != usize::MAX)
            {
                let chosen = self.writers(&write.axes, &writer, &read.axes);
                let mut written = write.value.clone();
                let fresh: Vec<Axis> = write.axes.iter().map(|a| self.values.fresh_axis(a.extent as usize)).collect();
                for (axis, lane) in write.axes.iter().zip(&fresh) {
                    let count = self.values.graph.count(*lane);
                    let moved = self.values.substitute(&written, *axis, count);
                    written = self.or(moved)?;
                }
                for (lane, index) in fresh.iter().zip(chosen) {
                    let taken = self.values.substitute(&written, *lane, index);
                    written = self.or(taken)?;
                }
                let known: Vec<f64> = writer.iter().map(|w| f64::from(u8::from(*w != usize::MAX))).collect();
                let known = self.place_data(known, &read.axes);
                value = self.choose(known, &written, &value)?;
            }
            let mut ids = Vec::new();
            self.fit_read(&read.item, &value, &mut ids)?;
            for (promise, id) in read.promises.iter().zip(ids) {
                self.values.graph.settle(*promise, id);
            }
        }
        if let (Some((write, map)), false) = (write, lagged.is_empty()) {
            self.recur(growing, write, map, along, &lagged)?;
        }
        Ok(())
    }

    fn fit_read(&mut self, template: &Abs, value: &Abs, out: &mut Vec<Id>) -> Result<()> {
        match template {
            Abs::Num(..) => {
                out.push(self.num(value)?);
                Ok(())
            }
            Abs::Array(t) => {
                let lanes = self.values.lanes(value);
                let Some(lanes) = self.or(lanes)? else { return self.refuse("an array whose elements differ") };
                let item = self.values.open(&lanes, t.axis);
                let item = self.or(item)?;
                self.fit_read(&t.item, &item, out)
            }
            other => match (Parts::of(other), Parts::of(value)) {
                (Some(t), Some(x)) if t.parts.len() == x.parts.len() => {
                    t.parts.iter().zip(&x.parts).try_for_each(|(t, x)| self.fit_read(t, x, out))
                }
                _ => Ok(()),
            },
        }
    }

    /// Elements that depend on those before them: the last few are carried from step to step.
    fn recur(
        &mut self,
        growing: &Growing,
        write: &Write,
        map: &Inverse,
        along: Axis,
        lagged: &[(usize, usize)],
    ) -> Result<()> {
        let longest = lagged.iter().map(|(_, lag)| *lag).max().unwrap_or(1);
        let [index] = write.index[..] else {
            return self.refuse("a matrix whose elements depend on earlier ones");
        };
        let Some(places) = self.values.constant(index, &[along]) else {
            return self.refuse("an update at a place that depends on a choice");
        };
        let step = if places.len() > 1 { places[1] - places[0] } else { 1.0 };
        if places.windows(2).any(|w| w[1] - w[0] != step) {
            return self.refuse("an array that is filled in an irregular order");
        }
        let template = growing.reads[lagged[0].0].item.clone();
        let mut next = Vec::new();
        self.fit_read(&template, &write.value, &mut next)?;
        let width = next.len();
        // Registers by lag, then by number of the element.
        let mut first = Vec::new();
        let lanes = self.values.lanes(&growing.base);
        let Some(lanes) = self.or(lanes)? else { return self.refuse("an update of what is not an array") };
        for lag in 1..=longest {
            let place = places[0] - lag as f64 * step;
            let place = place.clamp(0.0, map.extents[0] as f64 - 1.0);
            let place = self.values.graph.scalar(place);
            let item = self.values.substitute(&lanes.item, lanes.axis, place);
            let item = self.or(item)?;
            let mut ids = Vec::new();
            self.fit_read(&template, &item, &mut ids)?;
            first.extend(ids);
        }
        let graph = &mut self.values.graph;
        if let ([after], [start], 1) = (&next[..], &first[..], longest)
            && graph.node(*after).discrete
            && depends_on_finite(graph, *after)
        {
            let Some((low, high)) = few(graph.node(*after).range.union(graph.node(*start).range)) else {
                return self
                    .refuse("an array of integers, of which each follows from the one before and from finite choices");
            };
            let node = self.image(*after, along, low, high);
            for (read, _) in lagged {
                for promise in &growing.reads[*read].promises {
                    self.values.graph.settle_by_step_before(*promise, *start, node, along);
                }
            }
            return Ok(());
        }
        let number = graph.scans.len() as u32;
        let axes: Vec<Axes> = next.iter().map(|n| axis::union(graph.axes(*n), &[along])).collect();
        let states: Vec<Id> = (0..longest * width)
            .map(|k| graph.insert(Op::State(number, k as u32), Vec::new(), axes[k % width].clone()))
            .collect();
        let mut after = next.clone();
        after.extend(&states[..(longest - 1) * width]);
        for (k, start) in first.iter().enumerate() {
            if !graph.axes(*start).iter().all(|a| axes[k % width].contains(a)) {
                return self.refuse("an array whose elements depend on earlier ones of another shape");
            }
        }
        graph.scans.push(Scan { axis: along, reversed: false, states: states.clone(), first, next: after });
        for (read, lag) in lagged {
            for (k, promise) in growing.reads[*read].promises.iter().enumerate() {
                let state = states[(lag - 1) * width + k];
                if !self.values.graph.axes(state).iter().all(|a| self.values.graph.axes(*promise).contains(a)) {
                    return self.refuse("an array whose elements depend on earlier ones of another shape");
                }
                self.values.graph.settle(*promise, state);
            }
        }
        Ok(())
    }

    /// An array to which each step pushes one element, as one of the length that it will have, of which each step writes an element.
    fn as_written(&mut self, growing: &mut Growing, along: Axis) -> Result<()> {
        let ([write], Some(kind)) = (&mut growing.writes[..], growing.kind) else {
            return self.refuse("an array that a loop both reads and extends in several places");
        };
        if write.axes != [along] || write.mask.is_some() {
            return self.refuse("an array that a loop both reads and extends, though not in every step");
        }
        let before = self.length(&growing.base)?;
        let graph = self.graph();
        let (count, start) = (graph.count(along), graph.scalar(before as f64));
        write.index = vec![graph.add(count, start)];
        let n = along.extent as usize;
        let empty = Abs::Known(match kind {
            Scalar::Real => Value::reals(vec![0.0; n]),
            Scalar::Int => Value::ints(vec![0; n]),
            Scalar::Bool => Value::Bools(Arc::new(vec![false; n])),
        });
        growing.base = self.joined(&growing.base, &empty)?;
        growing.pushes = false;
        Ok(())
    }

    /// The array of what a loop pushed.
    fn pushed(&mut self, growing: &Growing) -> Result<Abs> {
        let [write] = &growing.writes[..] else {
            if growing.writes.is_empty() {
                return Ok(growing.base.clone());
            }
            return self.refuse("an array to which a loop adds in several places");
        };
        if !growing.reads.is_empty() {
            return self.refuse("an array that a loop both reads and extends");
        }
        let lanes = axis::size(&write.axes);
        let empty = matches!(&growing.base, Abs::Known(v) if v.array_len() == Some(0));
        let active: Option<Vec<usize>> = match write.mask {
            None => Some((0..lanes).collect()),
            Some(mask) => {
                self.values.constant(mask, &write.axes).map(|mask| (0..lanes).filter(|k| mask[*k] != 0.0).collect())
            }
        };
        let Some(active) = active else {
            let ([axis], true) = (&write.axes[..], empty) else {
                return self.refuse("an array whose length depends on a choice");
            };
            return Ok(Abs::Array(Rc::new(Lanes { axis: *axis, item: write.value.clone(), mask: write.mask })));
        };
        if active.is_empty() {
            return Ok(growing.base.clone());
        }
        let new = if let ([axis], true) = (&write.axes[..], active.len() == lanes) {
            Abs::array(*axis, write.value.clone())
        } else {
            let to = Axis { extent: active.len() as u32, level: self.level };
            let fresh: Vec<Axis> = write.axes.iter().map(|a| self.values.fresh_axis(a.extent as usize)).collect();
            let mut value = write.value.clone();
            for (axis, lane) in write.axes.iter().zip(&fresh) {
                let count = self.values.graph.count(*lane);
                let moved = self.values.substitute(&value, *axis, count);
                value = self.or(moved)?;
            }
            for (lane, index) in fresh.iter().zip(self.writers(&write.axes, &active, &[to])) {
                let taken = self.values.substitute(&value, *lane, index);
                value = self.or(taken)?;
            }
            Abs::array(to, value)
        };
        if empty { Ok(new) } else { self.joined(&growing.base, &new) }
    }
}

/// Which lane writes each place.
struct Inverse {
    extents: Vec<usize>,
    writer: Vec<usize>,
    twice: bool,
}

fn numbers(x: &Abs, out: &mut Vec<Id>) {
    match x {
        Abs::Num(id, _) | Abs::Matrix(id, ..) => out.push(*id),
        Abs::Array(lanes) => numbers(&lanes.item, out),
        Abs::List(items) => items.iter().for_each(|x| numbers(x, out)),
        other => {
            if let Some(parts) = Parts::of(other) {
                parts.parts.iter().for_each(|x| numbers(x, out));
            }
        }
    }
}

/// A number of a kind, where none is known.
fn nothing(kind: Scalar) -> Abs {
    Abs::Known(match kind {
        Scalar::Real => Value::Real(0.0),
        Scalar::Int => Value::Int(0),
        Scalar::Bool => Value::Bool(false),
    })
}
