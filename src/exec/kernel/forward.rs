//! The forward recursion of hidden Markov models, and its derivative, in numbers that have an exponent of their own.
//!
//! From the log weight `a[j]` of each state, one step makes `emit[t, i] + log Σ_j exp(a[j] + table[t, j, i])` (Rabiner 1989). On the log scale
//! each step waits for an exponential and a logarithm. Here a weight is a fraction and a power of two, so that a step waits for a product
//! and a sum only, and unlike weights scaled to a common factor none is lost, however small it is beside the others.

use super::axis::{self, Axis};
use super::graph::Op;
use super::run::Width;
use super::vector as v;

/// A recursion: what its arrays are over besides the axes of independent recursions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Forward {
    /// The steps.
    pub along: Axis,
    /// The states before a step, in its table.
    pub from: Axis,
    /// The states after a step; also of what the recursion starts with, and of what it gives.
    pub to: Axis,
    /// The elements of a record.
    pub record: Axis,
    /// The elements of the derivatives.
    pub parts: Axis,
    /// Steps at the start that are not made.
    pub skip: u32,
    /// Whether the table is another for each step.
    pub varies: bool,
}

/// Numbers that are computed together.
const WIDTH: usize = 4;
/// The exponent of nothing.
const NOTHING: f64 = -1e18;

/// The level of the axes of records and derivatives, which no loop has.
const LEVEL: u32 = 4000;

impl Forward {
    /// A recursion, whose record and derivatives have axes of their own; none where they are longer than an axis can be.
    pub fn new(along: Axis, from: Axis, to: Axis, skip: u32, varies: bool) -> Option<Forward> {
        let none = Axis { extent: 0, level: LEVEL };
        let mut out = Forward { along, from, to, record: none, parts: none, skip, varies };
        out.record.extent = u32::try_from(out.states() + (out.steps() + 1) * 4 * out.row()).ok()?;
        out.parts = Axis { extent: u32::try_from(out.starts()[3]).ok()?, level: LEVEL + 1 };
        Some(out)
    }

    fn states(&self) -> usize {
        self.to.extent as usize
    }

    fn steps(&self) -> usize {
        self.along.extent as usize
    }

    /// The length of a row of states with what is there for alignment.
    fn row(&self) -> usize {
        self.states().next_multiple_of(WIDTH)
    }

    /// The elements of the record of one recursion: the log weights after the last step, then four rows for every step.
    fn recorded(&self) -> usize {
        self.record.extent as usize
    }

    fn tables(&self) -> usize {
        if self.varies { self.steps() } else { 1 }
    }

    /// The axes of a table, in the order of its layout.
    pub fn table_axes(&self) -> Vec<Axis> {
        let axes = axis::union(&[self.from], &[self.to]);
        if self.varies { axis::union(&axes, &[self.along]) } else { axes }
    }

    /// The axes of what is added in every step, in the order of its layout.
    pub fn emit_axes(&self) -> Vec<Axis> {
        axis::union(&[self.along], &[self.to])
    }

    /// Where among the derivatives of one recursion those by the start, by the table and by what is added in every step begin, and
    /// how many there are.
    pub fn starts(&self) -> [usize; 4] {
        let table = self.states() + self.tables() * self.states() * self.states();
        [0, self.states(), table, table + self.steps() * self.states()]
    }
}

/// Arrays over axes.
type Arrays<'a> = [(&'a [Axis], &'a [f64])];

/// Runs [`Op::Forward`] or [`Op::ForwardBack`] on arrays over axes.
pub fn run(width: Width, op: &Op, args: &Arrays<'_>, axes: &[Axis], out: &mut [f64], work: &mut Vec<f64>) {
    match width {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an executor has only a width that `Width::is_there` found, and AVX-512 only together with AVX2.
        #[allow(unsafe_code)]
        Width::Avx2 | Width::Avx512 => unsafe { run_avx2(op, args, axes, out, work) },
        _ => run_with(op, args, axes, out, work),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(op: &Op, args: &Arrays<'_>, axes: &[Axis], out: &mut [f64], work: &mut Vec<f64>) {
    run_with(op, args, axes, out, work);
}

#[inline(always)]
fn run_with(op: &Op, args: &Arrays<'_>, axes: &[Axis], out: &mut [f64], work: &mut Vec<f64>) {
    match op {
        Op::Forward(op) => record(op, args, axes, out, work),
        Op::ForwardBack(op) => back(op, args, axes, out, work),
        _ => {}
    }
}

/// A weight as a fraction and an exponent.
#[inline(always)]
fn split(x: f64) -> (f64, f64) {
    let (fraction, exponent) = v::exp_parts(if x < -1e15 { 0.0 } else { x });
    if x < -1e15 { (0.0, NOTHING) } else { (fraction, exponent) }
}

/// Numbers that are computed together; each operation is a loop of its own, which the compiler makes one instruction.
#[derive(Clone, Copy)]
#[repr(align(32))]
struct Four([f64; WIDTH]);

impl Four {
    #[inline(always)]
    fn at(x: &[f64], start: usize) -> Four {
        let mut out = [0.0; WIDTH];
        out.copy_from_slice(&x[start..start + WIDTH]);
        Four(out)
    }

    #[inline(always)]
    fn store(self, x: &mut [f64], start: usize) {
        x[start..start + WIDTH].copy_from_slice(&self.0);
    }

    #[inline(always)]
    fn all(x: f64) -> Four {
        Four([x; WIDTH])
    }

    #[inline(always)]
    fn each(self, f: impl Fn(f64) -> f64) -> Four {
        let mut out = self.0;
        for x in &mut out {
            *x = f(*x);
        }
        Four(out)
    }

    #[inline(always)]
    fn with(self, other: Four, f: impl Fn(f64, f64) -> f64) -> Four {
        let mut out = self.0;
        for (x, y) in out.iter_mut().zip(other.0) {
            *x = f(*x, y);
        }
        Four(out)
    }

    #[inline(always)]
    fn plus(self, other: Four) -> Four {
        self.with(other, |x, y| x + y)
    }

    #[inline(always)]
    fn less(self, other: Four) -> Four {
        self.with(other, |x, y| x - y)
    }

    #[inline(always)]
    fn times(self, other: Four) -> Four {
        self.with(other, |x, y| x * y)
    }

    #[inline(always)]
    fn larger(self, other: Four) -> Four {
        self.with(other, |x, y| if x > y { x } else { y })
    }

    /// `2^d` for integers of at most 1023; zero where that is below the least normal number.
    #[inline(always)]
    fn power_of_two(self) -> Four {
        let power = self.larger(Four::all(-1022.0)).each(v::power_of_two);
        power.with(self, |power, d| if d < -1022.0 { 0.0 } else { power })
    }

    /// The exponents of numbers that are not negative; that of zero is -1023.
    #[inline(always)]
    fn exponent(self) -> Four {
        let biased = self.each(|x| f64::from_bits(0x4330_0000_0000_0000 | (x.to_bits() >> 52)));
        biased.less(Four::all(4_503_599_627_370_496.0 + 1023.0))
    }

    /// One over each; zero for zero.
    #[inline(always)]
    fn inverse(self) -> Four {
        let divisor = self.each(|x| if x == 0.0 { 1.0 } else { x });
        let inverse = divisor.each(|x| 1.0 / x);
        inverse.with(self, |inverse, x| if x == 0.0 { 0.0 } else { inverse })
    }
}

/// Fractions and exponents of a matrix whose rows are `row` long; what lies between the columns and that is nothing.
struct Split<'a> {
    fractions: &'a mut [f64],
    exponents: &'a mut [f64],
}

impl Split<'_> {
    /// Reads a matrix of which neighbours in a row and in a column lie so far apart.
    #[inline(always)]
    fn read(
        &mut self,
        from: &[f64],
        start: usize,
        (down, right): (usize, usize),
        (rows, cols, row): (usize, usize, usize),
    ) {
        for i in 0..rows {
            let (fractions, exponents) = (&mut self.fractions[i * row..][..row], &mut self.exponents[i * row..][..row]);
            fractions[cols..].fill(0.0);
            exponents[cols..].fill(NOTHING);
            for j in 0..cols {
                (fractions[j], exponents[j]) = split(from[start + i * down + j * right]);
            }
        }
    }

    /// Reads a matrix column by column, which is fast where the numbers of a column are neighbours.
    #[inline(always)]
    fn read_down(
        &mut self,
        from: &[f64],
        start: usize,
        (down, right): (usize, usize),
        (rows, cols, row): (usize, usize, usize),
    ) {
        if down != 1 {
            return self.read(from, start, (down, right), (rows, cols, row));
        }
        for j in cols..row {
            for i in 0..rows {
                (self.fractions[i * row + j], self.exponents[i * row + j]) = (0.0, NOTHING);
            }
        }
        // Exponentials of neighbours together, then each to its row.
        const TOGETHER: usize = 32;
        for j in 0..cols {
            let column = &from[start + j * right..][..rows];
            for (block, numbers) in column.chunks(TOGETHER).enumerate() {
                let mut parts = ([0.0; TOGETHER], [0.0; TOGETHER]);
                for (k, x) in numbers.iter().enumerate() {
                    (parts.0[k], parts.1[k]) = split(*x);
                }
                for k in 0..numbers.len() {
                    let place = (block * TOGETHER + k) * row + j;
                    (self.fractions[place], self.exponents[place]) = (parts.0[k], parts.1[k]);
                }
            }
        }
    }
}

/// The first so many numbers, and the rest.
fn cut<'a>(work: &mut &'a mut [f64], count: usize) -> &'a mut [f64] {
    let (first, rest) = std::mem::take(work).split_at_mut(count);
    *work = rest;
    first
}

/// The axes of independent recursions.
fn lanes_of(op: &Forward, args: &Arrays<'_>) -> Vec<Axis> {
    let all = args.iter().fold(Vec::new(), |all, (axes, _)| axis::union(&all, axes));
    axis::minus(&all, &[op.along, op.from, op.to, op.record])
}

/// One of many independent recursions.
struct Lane {
    at: Vec<u32>,
    is_there: bool,
}

impl Lane {
    fn first(lanes: &[Axis]) -> Lane {
        Lane { at: vec![0; lanes.len()], is_there: axis::size(lanes) > 0 }
    }

    fn offsets(&self, strides: &[Vec<usize>; 4]) -> [usize; 4] {
        [0, 1, 2, 3].map(|k| strides[k].iter().zip(&self.at).map(|(stride, at)| stride * *at as usize).sum())
    }

    fn advance(&mut self, lanes: &[Axis]) {
        for (at, lane) in self.at.iter_mut().zip(lanes).rev() {
            *at += 1;
            if *at < lane.extent {
                return;
            }
            *at = 0;
        }
        self.is_there = false;
    }
}

fn strides_of<const N: usize>(axes: &[Axis], over: [Axis; N]) -> [usize; N] {
    over.map(|axis| axis::strides(axes, &[axis])[0])
}

/// The record of recursions from their starts, tables, and what is added in every step.
#[inline(always)]
fn record(op: &Forward, args: &Arrays<'_>, axes: &[Axis], out: &mut [f64], work: &mut Vec<f64>) {
    let [(first_axes, first), (table_axes, table), (emit_axes, emit)] = *args else { return };
    let (k, steps, row) = (op.states(), op.steps(), op.row());
    let lanes = lanes_of(op, args);
    let [out_step] = strides_of(axes, [op.record]);
    let size = 2 * k * row + 2 * steps * row + op.recorded();
    if work.len() < size {
        work.resize(size, 0.0);
    }
    let mut rest = &mut work[..];
    let mut moves = Split { fractions: cut(&mut rest, k * row), exponents: cut(&mut rest, k * row) };
    let mut weights = Split { fractions: cut(&mut rest, steps * row), exponents: cut(&mut rest, steps * row) };
    let apart = cut(&mut rest, op.recorded());
    let [first_step] = strides_of(first_axes, [op.to]);
    let [table_along, table_from, table_to] = strides_of(table_axes, [op.along, op.from, op.to]);
    let [emit_along, emit_to] = strides_of(emit_axes, [op.along, op.to]);
    let starts = [first_axes, table_axes, emit_axes, axes].map(|axes| axis::strides(axes, &lanes));
    // No closure: it would be compiled without the instructions of its caller.
    let mut lane = Lane::first(&lanes);
    while lane.is_there {
        let [f, t, e, o] = lane.offsets(&starts);
        let kept = if out_step == 1 { &mut out[o..o + op.recorded()] } else { &mut apart[..] };
        let (last, rows) = kept.split_at_mut(k);
        let (start, _) = rows.split_at_mut(2 * row);
        let (fractions, exponents) = start.split_at_mut(row);
        Split { fractions, exponents }.read(first, f, (0, first_step), (1, k, row));
        weights.read_down(emit, e, (emit_along, emit_to), (steps, k, row));
        let mut before = 0;
        for step in 0..steps {
            if op.varies || step == 0 {
                moves.read(table, t + step * table_along, (table_from, table_to), (k, k, row));
            }
            if step < op.skip as usize {
                rows.copy_within(before..before + 2 * row, before + 4 * row);
            } else {
                let (here, after) = rows[before..].split_at_mut(4 * row);
                let emit = (&weights.fractions[step * row..][..row], &weights.exponents[step * row..][..row]);
                // The same code with the numbers of states that are the most common known to the compiler.
                match k {
                    2 => advance(2, WIDTH, &moves, emit, here, after),
                    3 => advance(3, WIDTH, &moves, emit, here, after),
                    4 => advance(4, WIDTH, &moves, emit, here, after),
                    _ => advance(k, row, &moves, emit, here, after),
                }
            }
            before += 4 * row;
        }
        let (fractions, exponents) = (&rows[before..][..k], &rows[before + row..][..k]);
        for ((last, fraction), exponent) in last.iter_mut().zip(fractions).zip(exponents) {
            *last = v::log_parts(*fraction, *exponent);
        }
        if out_step != 1 {
            for (place, x) in apart.iter().enumerate() {
                out[o + place * out_step] = *x;
            }
        }
        lane.advance(&lanes);
    }
}

/// One step. `here` has the rows of fractions and exponents, and gets those of the inverse sums and of their exponents.
#[inline(always)]
fn advance(k: usize, row: usize, moves: &Split<'_>, emit: (&[f64], &[f64]), here: &mut [f64], after: &mut [f64]) {
    let (m, rest) = here.split_at_mut(row);
    let (e, rest) = rest.split_at_mut(row);
    let (inverse, most_of) = rest.split_at_mut(row);
    let (new_m, new_e) = after[..2 * row].split_at_mut(row);
    for c in (0..row).step_by(WIDTH) {
        let mut most = Four::all(f64::NEG_INFINITY);
        for (j, e) in e.iter().enumerate().take(k) {
            most = Four::at(moves.exponents, j * row + c).plus(Four::all(*e)).larger(most);
        }
        let mut total = Four::all(0.0);
        for (j, (m, e)) in m.iter().zip(&*e).enumerate().take(k) {
            let power = Four::at(moves.exponents, j * row + c).plus(Four::all(*e)).less(most).power_of_two();
            total = total.plus(Four::at(moves.fractions, j * row + c).times(Four::all(*m)).times(power));
        }
        let x = total.times(Four::at(emit.0, c));
        let power = x.exponent();
        x.times(Four::all(0.0).less(power).each(v::power_of_two)).store(new_m, c);
        most.plus(Four::at(emit.1, c)).plus(power).store(new_e, c);
        total.inverse().store(inverse, c);
        most.store(most_of, c);
    }
}

/// The derivatives of recursions, from their records, tables, and derivatives by what they give.
#[inline(always)]
fn back(op: &Forward, args: &Arrays<'_>, axes: &[Axis], out: &mut [f64], work: &mut Vec<f64>) {
    let [(record_axes, record), (table_axes, table), (d_axes, d)] = *args else { return };
    let (k, steps, row) = (op.states(), op.steps(), op.row());
    let lanes = lanes_of(op, args);
    let [record_step] = strides_of(record_axes, [op.record]);
    let [d_step] = strides_of(d_axes, [op.to]);
    let [out_step] = strides_of(axes, [op.parts]);
    let [_, of_table, of_emit, all] = op.starts();
    let size = 3 * k * row + 3 * row + op.recorded() + all;
    if work.len() < size {
        work.resize(size, 0.0);
    }
    let mut rest = &mut work[..];
    // Transposed: by the state after a step, then by that before.
    let mut moves = Split { fractions: cut(&mut rest, k * row), exponents: cut(&mut rest, k * row) };
    let by_table = cut(&mut rest, k * row);
    let (a, r, next) = (cut(&mut rest, row), cut(&mut rest, row), cut(&mut rest, row));
    let (apart, apart_out) = (cut(&mut rest, op.recorded()), cut(&mut rest, all));
    let [table_along, table_from, table_to] = strides_of(table_axes, [op.along, op.from, op.to]);
    // Where the derivatives by an element of the table and of what is added lie.
    let [to_along, to_from, to_to] = strides_of(&op.table_axes(), [op.along, op.from, op.to]);
    let [emit_along, emit_to] = strides_of(&op.emit_axes(), [op.along, op.to]);
    let starts = [record_axes, table_axes, d_axes, axes].map(|axes| axis::strides(axes, &lanes));
    let mut lane = Lane::first(&lanes);
    while lane.is_there {
        let [f, t, g, o] = lane.offsets(&starts);
        let rows = if record_step == 1 {
            &record[f + k..f + op.recorded()]
        } else {
            for (place, x) in apart.iter_mut().enumerate() {
                *x = record[f + place * record_step];
            }
            &apart[k..]
        };
        let own = if out_step == 1 { &mut out[o..o + all] } else { &mut apart_out[..] };
        own.fill(0.0);
        a.fill(0.0);
        for (i, a) in a[..k].iter_mut().enumerate() {
            *a = d[g + i * d_step];
        }
        by_table.fill(0.0);
        for step in (op.skip as usize..steps).rev() {
            if op.varies || step == steps - 1 {
                moves.read(table, t + step * table_along, (table_to, table_from), (k, k, row));
            }
            for i in 0..k {
                own[of_emit + step * emit_along + i * emit_to] = a[i];
            }
            let here = &rows[step * 4 * row..][..4 * row];
            match k {
                2 => retreat(2, WIDTH, &moves, here, (&mut *a, &mut *r, &mut *next), by_table),
                3 => retreat(3, WIDTH, &moves, here, (&mut *a, &mut *r, &mut *next), by_table),
                4 => retreat(4, WIDTH, &moves, here, (&mut *a, &mut *r, &mut *next), by_table),
                _ => retreat(k, row, &moves, here, (&mut *a, &mut *r, &mut *next), by_table),
            }
            if op.varies || step == op.skip as usize {
                let start = of_table + step * to_along;
                for i in 0..k {
                    for j in 0..k {
                        own[start + i * to_to + j * to_from] = by_table[i * row + j];
                    }
                }
                by_table.fill(0.0);
            }
        }
        own[..k].copy_from_slice(&a[..k]);
        if out_step != 1 {
            for (place, x) in apart_out.iter().enumerate() {
                out[o + place * out_step] = *x;
            }
        }
        lane.advance(&lanes);
    }
}

/// One step back: from the derivatives by the weights after it to those before it.
#[inline(always)]
fn retreat(
    k: usize,
    row: usize,
    moves: &Split<'_>,
    here: &[f64],
    (a, r, next): (&mut [f64], &mut [f64], &mut [f64]),
    by_table: &mut [f64],
) {
    let (m, e) = (&here[..row], &here[row..2 * row]);
    let (inverse, most) = (&here[2 * row..3 * row], &here[3 * row..4 * row]);
    for i in 0..k {
        r[i] = a[i] * inverse[i];
    }
    for c in (0..row).step_by(WIDTH) {
        let (fraction, exponent) = (Four::at(m, c), Four::at(e, c));
        let mut sum = Four::all(0.0);
        for i in 0..k {
            let place = i * row + c;
            let power = Four::at(moves.exponents, place).plus(exponent).less(Four::all(most[i])).power_of_two();
            let share = Four::at(moves.fractions, place).times(fraction).times(power);
            // A weight of nothing has no share, whatever the derivative.
            let part = share.with(Four::all(r[i]), |share, r| if share == 0.0 { 0.0 } else { share * r });
            sum = sum.plus(part);
            Four::at(by_table, place).plus(part).store(by_table, place);
        }
        sum.store(next, c);
    }
    a[..row].copy_from_slice(&next[..row]);
}

#[cfg(test)]
mod tests {
    use super::super::fold;
    use super::*;
    use crate::value::Generator;

    const INF: f64 = f64::INFINITY;

    /// One recursion on the log scale, step by step.
    fn plainly(
        op: &Forward,
        first: &[f64],
        table: &dyn Fn(usize, usize, usize) -> f64,
        emit: &dyn Fn(usize, usize) -> f64,
    ) -> Vec<f64> {
        let mut a = first.to_vec();
        for t in op.skip as usize..op.steps() {
            a = (0..op.states())
                .map(|i| {
                    let terms: Vec<f64> = a.iter().enumerate().map(|(j, a)| a + table(t, j, i)).collect();
                    let most = terms.iter().copied().fold(-INF, f64::max);
                    if most == -INF {
                        -INF
                    } else {
                        emit(t, i) + most + terms.iter().map(|x| (x - most).exp()).sum::<f64>().ln()
                    }
                })
                .collect();
        }
        a
    }

    /// Arrays of one recursion over the axes of the operation, and a direction by which the derivative is taken.
    struct Case {
        op: Forward,
        axes: [Vec<Axis>; 3],
        arrays: [Vec<f64>; 3],
    }

    impl Case {
        fn new(op: Forward, lanes: &[Axis], mut number: impl FnMut() -> f64) -> Case {
            let with_lanes = |own: &[Axis]| axis::union(own, lanes);
            let axes = [with_lanes(&[op.to]), with_lanes(&op.table_axes()), with_lanes(&op.emit_axes())];
            let arrays = axes.each_ref().map(|axes| (0..axis::size(axes)).map(|_| number()).collect());
            Case { op, axes, arrays }
        }

        fn run(&self, width: Width, d: &[f64], lanes: &[Axis]) -> (Vec<f64>, Vec<f64>) {
            let args: Vec<(&[Axis], &[f64])> =
                self.axes.iter().zip(&self.arrays).map(|(axes, x)| (&axes[..], &x[..])).collect();
            let axes = axis::union(lanes, &[self.op.record]);
            let mut record = vec![f64::NAN; axis::size(&axes)];
            // Memory that was used before.
            let mut work = vec![f64::NAN; 7];
            run(width, &Op::Forward(self.op), &args, &axes, &mut record, &mut work);
            let parts = axis::union(lanes, &[self.op.parts]);
            let mut derivatives = vec![f64::NAN; axis::size(&parts)];
            let back = [(&axes[..], &record[..]), args[1], (&self.axes[0][..], d)];
            run(width, &Op::ForwardBack(self.op), &back, &parts, &mut derivatives, &mut work);
            let place: Vec<f64> = (0..self.op.states()).map(|k| k as f64).collect();
            let take = Op::Take(self.op.record);
            let index = fold::Array { axes: &[self.op.to], data: place.into() };
            let from = fold::Array { axes: &axes, data: record.into() };
            (fold::operate(&take, &[from, index], &self.axes[0]).unwrap(), derivatives)
        }
    }

    /// The element of an array over axes at some positions along them.
    fn element(axes: &[Axis], x: &[f64], at: &[(Axis, usize)]) -> f64 {
        let place = at.iter().map(|(along, k)| axis::strides(axes, &[*along])[0] * k).sum::<usize>();
        x[place]
    }

    fn axis(extent: usize, level: u32) -> Axis {
        Axis { extent: extent as u32, level }
    }

    #[test]
    fn recursions_are_those_on_the_log_scale() {
        let mut generator = Generator::new(5);
        for (states, steps, skip, varies, lanes) in [
            (2, 5, 0, false, 1),
            (3, 40, 1, false, 1),
            (3, 2, 0, true, 3),
            (4, 7, 1, true, 60),
            (5, 33, 0, false, 2),
            (9, 12, 0, true, 1),
        ] {
            let lanes = if lanes == 1 { vec![] } else { vec![axis(lanes, 7)] };
            let op = Forward::new(axis(steps, 0), axis(states, 2), axis(states, 1), skip, varies).unwrap();
            for spread in [1.0, 30.0, 2000.0] {
                let case = Case::new(op, &lanes, || {
                    let x = generator.uniform();
                    if x < 0.1 { -INF } else { spread * (x - 0.7) }
                });
                let d: Vec<f64> = (0..case.arrays[0].len()).map(|k| (k as f64).cos()).collect();
                // What has no weight has no derivative.
                let (last, _) = case.run(Width::Portable, &d, &lanes);
                let d: Vec<f64> = d.iter().zip(&last).map(|(d, x)| if *x > -INF { *d } else { 0.0 }).collect();
                let (last, back) = case.run(Width::Portable, &d, &lanes);
                for width in [Width::Avx2, Width::Avx512].into_iter().filter(|w| w.is_there()) {
                    let bits =
                        |x: &(Vec<f64>, Vec<f64>)| x.0.iter().chain(&x.1).map(|x| x.to_bits()).collect::<Vec<_>>();
                    assert_eq!(bits(&case.run(width, &d, &lanes)), bits(&(last.clone(), back.clone())));
                }
                for lane in 0..axis::size(&lanes) {
                    let at = |mut own: Vec<(Axis, usize)>| {
                        own.extend(lanes.iter().map(|axis| (*axis, lane)));
                        own
                    };
                    let get = |k: usize, own: Vec<(Axis, usize)>| element(&case.axes[k], &case.arrays[k], &at(own));
                    let first: Vec<f64> = (0..states).map(|i| get(0, vec![(op.to, i)])).collect();
                    let table =
                        |t, j, i| get(1, vec![(op.along, if varies { t } else { 0 }), (op.from, j), (op.to, i)]);
                    let emit = |t, i| get(2, vec![(op.along, t), (op.to, i)]);
                    let right = plainly(&op, &first, &table, &emit);
                    for (i, right) in right.iter().enumerate() {
                        let got = element(&case.axes[0], &last, &at(vec![(op.to, i)]));
                        assert!(got == *right || (got - right).abs() < 1e-12 * right.abs().max(1.0), "{got} {right}");
                    }
                    // Derivatives by differences, of what has a derivative.
                    let total = |first: &[f64],
                                 table: &dyn Fn(usize, usize, usize) -> f64,
                                 emit: &dyn Fn(usize, usize) -> f64|
                     -> f64 {
                        let last = plainly(&op, first, table, emit);
                        (0..states)
                            .map(|i| (last[i], element(&case.axes[0], &d, &at(vec![(op.to, i)]))))
                            .filter(|(x, _)| *x > -INF)
                            .map(|(x, d)| x * d)
                            .sum()
                    };
                    let part = |start: usize, own: &[Axis], place: Vec<(Axis, usize)>| {
                        let offset = place.iter().map(|(along, k)| axis::strides(own, &[*along])[0] * k).sum::<usize>();
                        let axes = axis::union(&lanes, &[op.parts]);
                        element(&axes, &back, &at(vec![(op.parts, start + offset)]))
                    };
                    let near = |got: f64, low: f64, high: f64, what: &str| {
                        let quotient = (high - low) / 2e-4;
                        assert!((got - quotient).abs() < 2e-6 * spread.max(1.0), "{what}: {got} {quotient}");
                    };
                    let [of_first, of_table, of_emit, _] = op.starts();
                    for i in 0..states {
                        let moved = |by: f64| {
                            let mut first = first.clone();
                            first[i] += by;
                            total(&first, &table, &emit)
                        };
                        near(part(of_first, &[op.to], vec![(op.to, i)]), moved(-1e-4), moved(1e-4), "start");
                        let (t, j) = (skip as usize + (i * 7) % (steps - skip as usize), (i + 1) % states);
                        let moved = |by: f64| {
                            let table = |t2, j2, i2| {
                                table(t2, j2, i2) + if (j2, i2) == (j, i) && (!varies || t2 == t) { by } else { 0.0 }
                            };
                            total(&first, &table, &emit)
                        };
                        let place =
                            vec![(op.from, j), (op.to, i)].into_iter().chain(varies.then_some((op.along, t))).collect();
                        near(part(of_table, &op.table_axes(), place), moved(-1e-4), moved(1e-4), "table");
                        let moved = |by: f64| {
                            let emit = |t2, i2| emit(t2, i2) + if (t2, i2) == (t, i) { by } else { 0.0 };
                            total(&first, &table, &emit)
                        };
                        near(
                            part(of_emit, &op.emit_axes(), vec![(op.along, t), (op.to, i)]),
                            moved(-1e-4),
                            moved(1e-4),
                            "emit",
                        );
                    }
                }
            }
        }
    }

    /// A state that is a thousand nats behind in every step is the only one that can end.
    #[test]
    fn nothing_is_lost_beside_what_is_larger() {
        let op = Forward::new(axis(2000, 0), axis(2, 2), axis(2, 1), 0, false).unwrap();
        let mut case = Case::new(op, &[], || 0.0);
        let places = |axes: &[Axis], along: Axis| axis::strides(axes, &[along])[0];
        let table = &mut case.arrays[1];
        table[places(&case.axes[1], op.from)] = -INF;
        table[places(&case.axes[1], op.to)] = -INF;
        let to = places(&case.axes[2], op.to);
        let along = places(&case.axes[2], op.along);
        (0..2000).for_each(|t| case.arrays[2][t * along + to] = -1000.0);
        let (last, back) = case.run(Width::Portable, &[0.0, 1.0], &[]);
        assert_eq!(last[0], 0.0);
        assert!((last[1] + 2e6).abs() < 1e-6, "{}", last[1]);
        assert!(back[0] == 0.0 && (back[1] - 1.0).abs() < 1e-12, "{} {}", back[0], back[1]);
    }
}
