//! Cholesky's factor and its derivative, in blocks whose products are made of tiles that stay in registers.
//!
//! Matrices are square and row by row. Every number of a product is one sum in order, so that its bits do not depend on the width of
//! the processor's registers. All is compiled twice, plainly and for AVX2, apart from the executor: within so large a function the
//! compiler makes no vector code of tiles. AVX-512 was no faster.

use super::run::Width;

/// Columns of a block.
const WIDTH: usize = 32;
/// Rows or columns that are packed together: a strip holds `STRIP` numbers for each of the positions that are summed over.
const STRIP: usize = 8;
/// Rows of a tile; its columns are those of a strip.
const ROWS: usize = 4;

/// Numbers smaller than the largest by this factor are taken as zero. It is far below rounding, and products of what is left are no
/// smaller than the least normal number, below which the processor is slow. Covariances at great distances are so small.
const NEGLIGIBLE: f64 = 1e-145;

/// The largest absolute value.
#[inline(always)]
fn largest(m: &[f64]) -> f64 {
    let mut parts = [0.0f64; 8];
    let chunks = m.chunks_exact(8);
    for x in chunks.remainder() {
        parts[0] = if x.abs() > parts[0] { x.abs() } else { parts[0] };
    }
    for chunk in chunks {
        for (part, x) in parts.iter_mut().zip(chunk) {
            *part = if x.abs() > *part { x.abs() } else { *part };
        }
    }
    parts.into_iter().fold(0.0, f64::max)
}

/// Sets to zero what is smaller than `least`.
#[inline(always)]
fn drop_negligible(m: &mut [f64], least: f64) {
    for x in m {
        *x = if x.abs() < least { 0.0 } else { *x };
    }
}

/// `y -= a * x`
#[inline(always)]
pub fn subtract(y: &mut [f64], a: f64, x: &[f64]) {
    for (y, x) in y.iter_mut().zip(x) {
        *y -= a * x;
    }
}

/// How much memory the functions here work in, for matrices of `n` rows.
pub fn work(n: usize) -> usize {
    if n <= WIDTH { 0 } else { (n + WIDTH) * (n + STRIP) + 2 * (n + WIDTH) * WIDTH + 2 * WIDTH * WIDTH }
}

/// A part of a matrix of rows of `stride` numbers.
#[derive(Clone, Copy)]
struct Place {
    stride: usize,
    row: usize,
    col: usize,
}

impl Place {
    #[inline(always)]
    fn at(self, i: usize, j: usize) -> usize {
        (self.row + i) * self.stride + self.col + j
    }
}

/// Copies `count` rows of `cols` columns into strips of columns, with zeros beside the last.
#[inline(always)]
fn pack(from: &[f64], place: Place, count: usize, cols: usize, to: &mut [f64]) {
    for (s, strip) in to[..cols.div_ceil(STRIP) * count * STRIP].chunks_exact_mut(count * STRIP).enumerate() {
        let wide = STRIP.min(cols - s * STRIP);
        for (k, to) in strip.chunks_exact_mut(STRIP).enumerate() {
            let start = place.at(k, s * STRIP);
            if wide == STRIP {
                to.copy_from_slice(&from[start..start + STRIP]);
            } else {
                to.fill(0.0);
                to[..wide].copy_from_slice(&from[start..start + wide]);
            }
        }
    }
}

/// Copies `rows` rows of `count` columns into strips of rows, with zeros below the last.
#[inline(always)]
fn pack_rows(from: &[f64], place: Place, rows: usize, count: usize, to: &mut [f64]) {
    for (s, strip) in to[..rows.div_ceil(STRIP) * count * STRIP].chunks_exact_mut(count * STRIP).enumerate() {
        for i in 0..STRIP {
            if s * STRIP + i < rows {
                let start = place.at(s * STRIP + i, 0);
                for (k, x) in from[start..start + count].iter().enumerate() {
                    strip[k * STRIP + i] = *x;
                }
            } else {
                for k in 0..count {
                    strip[k * STRIP + i] = 0.0;
                }
            }
        }
    }
}

/// The reverse of [`pack_rows`].
#[inline(always)]
fn unpack_rows(to: &mut [f64], place: Place, rows: usize, count: usize, from: &[f64]) {
    for (s, strip) in from.chunks_exact(count * STRIP).enumerate() {
        for i in 0..STRIP.min(rows - s * STRIP) {
            let start = place.at(s * STRIP + i, 0);
            for (k, x) in to[start..start + count].iter_mut().enumerate() {
                *x = strip[k * STRIP + i];
            }
        }
    }
}

/// `c[i][j] -= sum over k of a[k][i] * b[k][j]` for one strip `a` and one strip `b`, of which `rows` and `cols` count.
#[inline(always)]
fn tile(c: &mut [f64], place: Place, a: &[f64], b: &[f64], rows: usize, cols: usize) {
    let mut first = 0;
    while first < rows {
        let mut sums = [[0.0f64; STRIP]; ROWS];
        for (a, b) in a.chunks_exact(STRIP).zip(b.chunks_exact(STRIP)) {
            for (sums, a) in sums.iter_mut().zip(&a[first..first + ROWS]) {
                for (sum, b) in sums.iter_mut().zip(b) {
                    *sum += a * b;
                }
            }
        }
        for (i, sums) in sums.iter().enumerate().take(rows - first) {
            let start = place.at(first + i, 0);
            if cols == STRIP {
                for (c, sum) in c[start..start + STRIP].iter_mut().zip(sums) {
                    *c -= sum;
                }
            } else {
                for (c, sum) in c[start..start + cols].iter_mut().zip(sums) {
                    *c -= sum;
                }
            }
        }
        first += ROWS;
    }
}

/// `c[i][j] -= sum over k of a[k][i] * b[k][j]` for packed `a` and `b` of `count` positions; `lower`: for strips on and below the
/// diagonal alone.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn product(c: &mut [f64], place: Place, a: &[f64], b: &[f64], count: usize, rows: usize, cols: usize, lower: bool) {
    for (i, a) in a[..rows.div_ceil(STRIP) * count * STRIP].chunks_exact(count * STRIP).enumerate() {
        let tall = STRIP.min(rows - i * STRIP);
        for (j, b) in b[..cols.div_ceil(STRIP) * count * STRIP].chunks_exact(count * STRIP).enumerate() {
            if lower && j > i {
                break;
            }
            let wide = STRIP.min(cols - j * STRIP);
            let here = Place { row: place.row + i * STRIP, col: place.col + j * STRIP, ..place };
            tile(c, here, a, b, tall, wide);
        }
    }
}

/// Replaces a symmetric matrix, of which the lower triangle is read, by its lower triangular factor; NaN where it has none.
///
/// In blocks of columns: the factor of the square on the diagonal, the rows below it, then their product is taken from what is right
/// of them.
pub fn cholesky(width: Width, n: usize, m: &mut [f64], work: &mut [f64]) {
    match width {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: an executor has only a width that `Width::is_there` found, and AVX-512 only together with AVX2.
        #[allow(unsafe_code)]
        Width::Avx2 | Width::Avx512 => unsafe { cholesky_avx2(n, m, work) },
        _ => cholesky_blocks(n, m, work),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn cholesky_avx2(n: usize, m: &mut [f64], work: &mut [f64]) {
    cholesky_blocks(n, m, work);
}

#[inline(always)]
fn cholesky_blocks(n: usize, m: &mut [f64], work: &mut [f64]) {
    if n <= WIDTH {
        return cholesky_small(n, m);
    }
    let (panel, rest) = work.split_at_mut((n + STRIP) * WIDTH);
    let most = (0..n).fold(0.0, |most, i| f64::max(most, m[i * n + i]));
    let least = NEGLIGIBLE * most.sqrt();
    drop_negligible(m, NEGLIGIBLE * most);
    let mut from = 0;
    while from < n {
        let width = WIDTH.min(n - from);
        let square = &mut rest[..width * width];
        let diagonal = Place { stride: n, row: from, col: from };
        for i in 0..width {
            let start = diagonal.at(i, 0);
            square[i * width..(i + 1) * width].copy_from_slice(&m[start..start + width]);
        }
        cholesky_small(width, square);
        for i in 0..width {
            let start = diagonal.at(i, 0);
            m[start..start + width].copy_from_slice(&square[i * width..(i + 1) * width]);
        }
        let (row, rows) = (from + width, n - from - width);
        if rows > 0 {
            let below = Place { row, ..diagonal };
            let panel = &mut panel[..rows.div_ceil(STRIP) * width * STRIP];
            pack_rows(m, below, rows, width, panel);
            for strip in panel.chunks_exact_mut(width * STRIP) {
                solve_strip(strip, square, width);
            }
            drop_negligible(panel, least);
            unpack_rows(m, below, rows, width, panel);
            product(m, Place { stride: n, row, col: row }, panel, panel, width, rows, rows, true);
        }
        from += width;
    }
    for i in 0..n {
        m[i * n + i + 1..(i + 1) * n].fill(0.0);
    }
}

/// `x dᵀ = b` for the rows `b` of a strip, which `x` replaces, and a lower triangle `d`.
#[inline(always)]
fn solve_strip(strip: &mut [f64], d: &[f64], width: usize) {
    for j in 0..width {
        let (done, here) = strip.split_at_mut(j * STRIP);
        let mut sums = [0.0f64; STRIP];
        for (x, d) in done.chunks_exact(STRIP).zip(&d[j * width..j * width + j]) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += x * d;
            }
        }
        let diagonal = d[j * width + j];
        for (x, sum) in here[..STRIP].iter_mut().zip(sums) {
            *x = (*x - sum) / diagonal;
        }
    }
}

/// `x d = b` likewise; `down` holds `d` column by column.
#[inline(always)]
fn solve_strip_back(strip: &mut [f64], down: &[f64], width: usize) {
    for j in (0..width).rev() {
        let (here, done) = strip.split_at_mut((j + 1) * STRIP);
        let mut sums = [0.0f64; STRIP];
        for (x, d) in done.chunks_exact(STRIP).zip(&down[j * width + j + 1..(j + 1) * width]) {
            for (sum, x) in sums.iter_mut().zip(x) {
                *sum += x * d;
            }
        }
        let diagonal = down[j * width + j];
        for (x, sum) in here[j * STRIP..].iter_mut().zip(sums) {
            *x = (*x - sum) / diagonal;
        }
    }
}

/// [`cholesky`] column by column.
#[inline(always)]
pub fn cholesky_small(n: usize, m: &mut [f64]) {
    // The upper triangle holds the factor's transpose until the end, so that what is subtracted lies in a row.
    for i in 0..n {
        for j in i + 1..n {
            m[i * n + j] = m[j * n + i];
        }
    }
    for k in 0..n {
        let (above, below) = m.split_at_mut((k + 1) * n);
        let row = &mut above[k * n..];
        let pivot = if row[k] > 0.0 { row[k].sqrt() } else { f64::NAN };
        row[k] = pivot;
        for x in &mut row[k + 1..] {
            *x /= pivot;
        }
        let row = &*row;
        for (i, other) in below.chunks_exact_mut(n).enumerate() {
            let i = i + k + 1;
            subtract(&mut other[i..], row[i], &row[i..]);
        }
    }
    for i in 0..n {
        for j in i + 1..n {
            m[j * n + i] = m[i * n + j];
            m[i * n + j] = 0.0;
        }
    }
}

/// From a factor and the derivative by it (replaced) to the derivative by the matrix, symmetric.
///
/// Source: Murray (2016), Differentiation of the Cholesky decomposition, section 4.
pub fn cholesky_back(width: Width, n: usize, l: &[f64], d: &mut [f64], work: &mut [f64]) {
    match width {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        #[allow(unsafe_code)]
        Width::Avx2 | Width::Avx512 => unsafe { back_avx2(n, l, d, work) },
        _ => back(n, l, d, work),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn back_avx2(n: usize, l: &[f64], d: &mut [f64], work: &mut [f64]) {
    back(n, l, d, work);
}

#[inline(always)]
fn back(n: usize, l: &[f64], d: &mut [f64], work: &mut [f64]) {
    if n <= WIDTH {
        cholesky_back_small(n, l, d);
    } else {
        blocks_back(n, l, d, work);
    }
    for i in 0..n {
        for j in 0..i {
            let half = 0.5 * d[i * n + j];
            d[i * n + j] = half;
            d[j * n + i] = half;
        }
    }
}

#[inline(always)]
fn blocks_back(n: usize, l: &[f64], d: &mut [f64], work: &mut [f64]) {
    let (panel, rest) = work.split_at_mut((n + STRIP) * WIDTH);
    let (across, rest) = rest.split_at_mut((n + WIDTH) * WIDTH);
    let (square, rest) = rest.split_at_mut(WIDTH * WIDTH);
    let (other, left) = rest.split_at_mut(WIDTH * WIDTH);
    let least = NEGLIGIBLE * largest(d);
    drop_negligible(d, least);
    let mut from = (n - 1) / WIDTH * WIDTH;
    loop {
        let width = WIDTH.min(n - from);
        let end = from + width;
        let rows = n - end;
        let diagonal = Place { stride: n, row: from, col: from };
        let below = Place { row: end, ..diagonal };
        let before = Place { col: 0, ..diagonal };
        if rows > 0 {
            for (j, column) in square.chunks_exact_mut(width).take(width).enumerate() {
                for (i, x) in column.iter_mut().enumerate() {
                    *x = l[diagonal.at(i, j)];
                }
            }
            let strips = &mut panel[..rows.div_ceil(STRIP) * width * STRIP];
            pack_rows(d, below, rows, width, strips);
            for strip in strips.chunks_exact_mut(width * STRIP) {
                solve_strip_back(strip, square, width);
            }
            drop_negligible(strips, least);
            unpack_rows(d, below, rows, width, strips);
            // What is left of these rows.
            pack(l, before, width, from, across);
            product(d, Place { col: 0, ..below }, strips, across, width, rows, from, false);
            // The rows of the diagonal: their own square and what is left of it.
            pack(d, below, rows, width, panel);
            pack(l, Place { col: 0, ..below }, rows, end, left);
            product(d, before, panel, left, rows, width, end, false);
        }
        for i in 0..width {
            let start = diagonal.at(i, 0);
            square[i * width..(i + 1) * width].copy_from_slice(&l[start..start + width]);
            other[i * width..(i + 1) * width].copy_from_slice(&d[start..start + width]);
        }
        cholesky_back_small(width, &square[..width * width], &mut other[..width * width]);
        for i in 0..width {
            let start = diagonal.at(i, 0);
            d[start..=start + i].copy_from_slice(&other[i * width..=i * width + i]);
        }
        if from == 0 {
            return;
        }
        for i in 0..width {
            for j in 0..i {
                other[j * width + i] = other[i * width + j];
            }
            other[i * width + i] *= 2.0;
        }
        let symmetric = Place { stride: width, row: 0, col: 0 };
        pack(other, symmetric, width, width, square);
        if rows == 0 {
            pack(l, before, width, from, across);
        }
        product(d, before, square, across, width, width, from, false);
        from -= WIDTH;
    }
}

/// The lower triangle of the derivative, column by column: section 3 of the same.
#[inline(always)]
fn cholesky_back_small(n: usize, l: &[f64], d: &mut [f64]) {
    for j in (0..n).rev() {
        let diagonal = l[j * n + j];
        let mut dd = d[j * n + j];
        for i in j + 1..n {
            dd -= l[i * n + j] * d[i * n + j] / diagonal;
            d[i * n + j] /= diagonal;
        }
        dd /= diagonal;
        let (above, below) = d.split_at_mut((j + 1) * n);
        let row = &mut above[j * n..j * n + j];
        subtract(row, dd, &l[j * n..j * n + j]);
        for (i, other) in below.chunks_exact_mut(n).enumerate() {
            let c = other[j];
            let i = i + j + 1;
            subtract(row, c, &l[i * n..i * n + j]);
            subtract(&mut other[..j], c, &l[j * n..j * n + j]);
        }
        d[j * n + j] = 0.5 * dd;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A lower triangle with a heavy diagonal.
    fn triangle(n: usize) -> Vec<f64> {
        let mut l = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..i {
                l[i * n + j] = ((i * 7 + j * 3) as f64 * 0.61).sin() / (n as f64).sqrt();
            }
            l[i * n + i] = 1.0 + (i as f64 * 0.3).cos().abs();
        }
        l
    }

    fn times_own_transpose(n: usize, l: &[f64]) -> Vec<f64> {
        let mut m = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                m[i * n + j] = (0..n).map(|k| l[i * n + k] * l[j * n + k]).sum();
            }
        }
        m
    }

    fn widths() -> impl Iterator<Item = Width> {
        [Width::Portable, Width::Avx2, Width::Avx512].into_iter().filter(|width| width.is_there())
    }

    const SIZES: [usize; 13] = [0, 1, 2, 7, 8, 31, 32, 33, 41, 63, 64, 65, 131];

    #[test]
    fn factors_are_those_that_were_multiplied() {
        for (n, width) in SIZES.into_iter().flat_map(|n| widths().map(move |width| (n, width))) {
            let l = triangle(n);
            let mut m = times_own_transpose(n, &l);
            // The upper triangle is not read.
            for i in 0..n {
                m[i * n + i + 1..(i + 1) * n].fill(f64::NAN);
            }
            cholesky(width, n, &mut m, &mut vec![f64::NAN; work(n)]);
            for (k, (got, right)) in m.iter().zip(&l).enumerate() {
                assert!((got - right).abs() < 1e-12, "{n}, place {k}: {got} {right}");
            }
        }
    }

    #[test]
    fn what_is_not_positive_definite_has_no_factor() {
        for (n, width) in [1, 5, 33, 70].into_iter().flat_map(|n| widths().map(move |width| (n, width))) {
            let mut m = times_own_transpose(n, &triangle(n));
            m[n * n - 1] = -1.0;
            cholesky(width, n, &mut m, &mut vec![0.0; work(n)]);
            assert!(m[n * n - 1].is_nan());
            let mut m = vec![f64::NAN; n * n];
            cholesky(width, n, &mut m, &mut vec![0.0; work(n)]);
            assert!(m[0].is_nan() && m[n * n - 1].is_nan());
        }
    }

    /// The derivative of `sum of d[i][j] l[i][j]` is `l⁻ᵀ s l⁻¹`, where `s` is the symmetric part of the lower triangle of `lᵀ d`,
    /// its diagonal halved: Murray (2016), equation 10.
    #[test]
    fn derivatives_are_those_of_the_formula() {
        for (n, width) in SIZES.into_iter().flat_map(|n| widths().map(move |width| (n, width))) {
            let l = triangle(n);
            let mut d: Vec<f64> = (0..n * n).map(|k| (k as f64 * 0.37).cos()).collect();
            let mut s = vec![0.0; n * n];
            for i in 0..n {
                for j in 0..=i {
                    let x: f64 = (i..n).map(|k| l[k * n + i] * d[k * n + j]).sum();
                    s[i * n + j] = 0.5 * x;
                    s[j * n + i] = 0.5 * x;
                }
            }
            // By the transpose of the factor from the left, then the same for the transpose.
            let solve = |s: &mut Vec<f64>| {
                for j in 0..n {
                    for i in (0..n).rev() {
                        let sum: f64 = (i + 1..n).map(|k| l[k * n + i] * s[k * n + j]).sum();
                        s[i * n + j] = (s[i * n + j] - sum) / l[i * n + i];
                    }
                }
            };
            solve(&mut s);
            let mut s: Vec<f64> = (0..n * n).map(|k| s[k % n * n + k / n]).collect();
            solve(&mut s);
            cholesky_back(width, n, &l, &mut d, &mut vec![f64::NAN; work(n)]);
            let size = s.iter().fold(1.0f64, |m, x| m.max(x.abs()));
            for (k, (got, right)) in d.iter().zip(&s).enumerate() {
                assert!((got - right).abs() < 1e-11 * size, "{n}, place {k}: {got} {right}");
            }
        }
    }
}
