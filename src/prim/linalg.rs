//! Linear algebra on dense matrices, through nalgebra.
//!
//! Matrices lie by rows here and by columns there, so a matrix is handed over as its transpose without copying, and
//! `A B` is computed as the transpose of `B^T A^T`.

use super::Row;
use super::arguments::{length, take_matrix, take_reals, take_values};
use crate::value::{Fault, Matrix, Value};
use nalgebra::{Cholesky, DMatrix, DMatrixView, DVector, DVectorView, SymmetricEigen};
use std::sync::Arc;

pub(super) const ROWS: &[Row] = &[
    Row::general(
        "fn matrix(rows: [[Real]]) -> Matrix",
        "The matrix with these rows, all of one length.\nexample: matrix([[1.0, 2.0], [3.0, 4.0]])[1, 0] == 3",
        from_rows,
    ),
    Row::general(
        "fn matrix(rows: Int, cols: Int, x: Real) -> Matrix",
        "The matrix of this size with every element `x`.\nexample: matrix(2, 3, 0.5)[1, 2] == 0.5",
        |args| {
            let (rows, cols) = (length(args, 0)?, length(args, 1)?);
            Ok(Value::matrix(rows, cols, vec![super::arguments::real(args, 2)?; area(rows, cols)?]))
        },
    ),
    Row::general(
        "fn identity(n: Int) -> Matrix",
        "The identity matrix.\nexample: identity(2) == matrix([[1.0, 0.0], [0.0, 1.0]])",
        |args| {
            let n = length(args, 0)?;
            let area = area(n, n)?;
            Ok(diagonal(&vec![1.0; n], area))
        },
    ),
    Row::general(
        "fn diag(xs: [Real]) -> Matrix",
        "The matrix with `xs` on its diagonal and zeros elsewhere.\nexample: diag([2.0, 3.0])[1, 1] == 3",
        |args| {
            let xs = take_reals(args, 0)?;
            Ok(diagonal(&xs, area(xs.len(), xs.len())?))
        },
    ),
    Row::general(
        "fn diag(m: Matrix) -> [Real]",
        "The diagonal of a matrix.\nexample: diag(identity(2)) == [1.0, 1.0]",
        |args| {
            let m = take_matrix(args, 0)?;
            Ok(Value::reals((0..m.rows.min(m.cols)).map(|i| m.at(i, i)).collect()))
        },
    ),
    Row::general(
        "fn transpose(m: Matrix) -> Matrix",
        "Rows as columns.\nexample: transpose(matrix([[1.0, 2.0]])) == matrix([[1.0], [2.0]])",
        |args| Ok(transposed(&*take_matrix(args, 0)?)),
    ),
    Row::general(
        "fn rows(m: Matrix) -> Int",
        "The number of rows.\nexample: rows(matrix([[1.0, 2.0]])) == 1",
        |args| Ok(Value::Int(take_matrix(args, 0)?.rows as i64)),
    ),
    Row::general(
        "fn cols(m: Matrix) -> Int",
        "The number of columns.\nexample: cols(matrix([[1.0, 2.0]])) == 2",
        |args| Ok(Value::Int(take_matrix(args, 0)?.cols as i64)),
    ),
    Row::general(
        "fn row(m: Matrix, i: Int) -> [Real]",
        "Row `i`, counted from 0; the same as `m[i]`.\nexample: row(identity(2), 1) == [0.0, 1.0]",
        |args| {
            let m = take_matrix(args, 0)?;
            let i = place(args, "row", m.rows)?;
            Ok(Value::reals(m.row(i).to_vec()))
        },
    ),
    Row::general(
        "fn col(m: Matrix, j: Int) -> [Real]",
        "Column `j`, counted from 0.\nexample: col(identity(2), 0) == [1.0, 0.0]",
        |args| {
            let m = take_matrix(args, 0)?;
            let j = place(args, "column", m.cols)?;
            Ok(Value::reals((0..m.rows).map(|i| m.at(i, j)).collect()))
        },
    ),
    Row::smooth(
        "fn trace(m: Matrix) -> Real",
        "The sum of the diagonal of a square matrix.\nexample: trace(identity(3)) == 3",
        &["identity(rows(m))"],
        |args| {
            let m = square(args, "trace")?;
            Ok(Value::Real((0..m.rows).map(|i| m.at(i, i)).sum()))
        },
    ),
    Row::general(
        "fn outer(xs: [Real], ys: [Real]) -> Matrix",
        "The matrix of all products, `xs[i] * ys[j]` in row `i` and column `j`.\nexample: outer([1.0, 2.0], [3.0])[1, 0] == 6",
        |args| {
            let (xs, ys) = (take_reals(args, 0)?, take_reals(args, 1)?);
            area(xs.len(), ys.len())?;
            Ok(Value::matrix(xs.len(), ys.len(), xs.iter().flat_map(|x| ys.iter().map(move |y| x * y)).collect()))
        },
    ),
    Row::general(
        "fn matmul_mm(a: Matrix, b: Matrix) -> Matrix",
        "The product of two matrices, `a @ b`.\nexample: matmul_mm(identity(2), identity(2)) == identity(2)",
        |args| {
            let (a, b) = (take_matrix(args, 0)?, take_matrix(args, 1)?);
            if a.cols != b.rows {
                return Err(Fault::error(format!("cannot multiply a {} by a {}", size(&a), size(&b))).hint(FACTORS));
            }
            let product = view(&b) * view(&a);
            Ok(Value::matrix(a.rows, b.cols, product.data.into()))
        },
    ),
    Row::general(
        "fn matmul_mv(a: Matrix, x: [Real]) -> [Real]",
        "The product of a matrix and a column vector, `a @ x`.\nexample: matmul_mv(identity(2), [1.0, 2.0]) == [1.0, 2.0]",
        |args| {
            let (a, x) = (take_matrix(args, 0)?, take_reals(args, 1)?);
            if a.cols != x.len() {
                return Err(Fault::error(format!("cannot multiply a {} by a vector of length {}", size(&a), x.len()))
                    .hint(FACTORS));
            }
            Ok(Value::reals((0..a.rows).map(|i| inner(a.row(i), &x)).collect()))
        },
    ),
    Row::general(
        "fn matmul_vm(x: [Real], a: Matrix) -> [Real]",
        "The product of a row vector and a matrix, `x @ a`.\nexample: matmul_vm([1.0, 2.0], identity(2)) == [1.0, 2.0]",
        |args| {
            let (x, a) = (take_reals(args, 0)?, take_matrix(args, 1)?);
            if a.rows != x.len() {
                return Err(Fault::error(format!("cannot multiply a vector of length {} by a {}", x.len(), size(&a)))
                    .hint(FACTORS));
            }
            let product = view(&a) * DVectorView::from_slice(&x, x.len());
            Ok(Value::reals(product.data.into()))
        },
    ),
    Row::smooth(
        "fn quad_form(a: Matrix, x: [Real]) -> Real",
        "The quadratic form `x @ a @ x`.\nexample: quad_form(identity(2), [3.0, 4.0]) == 25",
        &["outer(x, x)", "(a + transpose(a)) @ x"],
        |args| {
            let (a, x) = (square(args, "quad_form")?, take_reals(args, 1)?);
            if a.cols != x.len() {
                return Err(Fault::error(format!("quad_form of a {} and a vector of length {}", size(&a), x.len())));
            }
            Ok(Value::Real((0..a.rows).map(|i| x[i] * inner(a.row(i), &x)).sum()))
        },
    ),
    Row::general(
        "fn cholesky(m: Matrix) -> Matrix",
        "The lower triangular `l` with positive diagonal and `l @ transpose(l) == m`, for a symmetric positive definite matrix.\n\
         example: cholesky(matrix([[4.0, 2.0], [2.0, 5.0]])) == matrix([[2.0, 0.0], [1.0, 2.0]])",
        |args| Ok(by_rows(&factor(symmetric(args, "cholesky")?.as_ref(), "cholesky")?.l())),
    ),
    Row::general(
        "fn ode_goes_on(sound: Bool, t: Real) -> Bool",
        "`true`, and an error where the solution of an equation cannot go on from the time `t`; within an inference, weight zero.\n\
         example: ode_goes_on(true, 1.0)",
        |args| {
            match args {
            [Value::Bool(true), _] => Ok(Value::Bool(true)),
            [_, t] => Err(Fault::domain(format!("the equation could not be solved beyond t = {t}")).hint(
                "the state stops being finite there, or more than 10000 steps are needed: `ode_stiff` is for stiff equations",
            )),
            _ => Ok(Value::Bool(false)),
        }
        },
    ),
    Row::general(
        "fn solve(a: Matrix, b: [Real]) -> [Real]",
        "The `x` with `a @ x == b`, by elimination with pivots.\nexample: solve(diag([2.0, 4.0]), [2.0, 2.0]) == [1.0, 0.5]",
        |args| {
            let (a, b) = (square(args, "solve")?, take_reals(args, 1)?);
            fits(&a, b.len(), "solve")?;
            let b = DVector::from_column_slice(&b);
            owned(&a).lu().solve(&b).map(|x| Value::reals(x.data.into())).ok_or_else(|| singular("solve"))
        },
    ),
    Row::general(
        "fn solve(a: Matrix, b: Matrix) -> Matrix",
        "The `x` with `a @ x == b`, by elimination with pivots.\nexample: solve(identity(2), identity(2)) == identity(2)",
        |args| {
            let (a, b) = (square(args, "solve")?, take_matrix(args, 1)?);
            fits(&a, b.rows, "solve")?;
            owned(&a).lu().solve(&owned(&b)).map(|x| by_rows(&x)).ok_or_else(|| singular("solve"))
        },
    ),
    Row::general(
        "fn solve_lower(l: Matrix, b: [Real]) -> [Real]",
        "The `x` with `l @ x == b` for a lower triangular `l`; what lies above its diagonal is not read.\n\
         example: solve_lower(matrix([[2.0, 0.0], [1.0, 1.0]]), [2.0, 3.0]) == [1.0, 2.0]",
        |args| triangular_vector(args, true, "solve_lower"),
    ),
    Row::general(
        "fn solve_lower(l: Matrix, b: Matrix) -> Matrix",
        "The `x` with `l @ x == b` for a lower triangular `l`; what lies above its diagonal is not read.\n\
         example: solve_lower(identity(2), identity(2)) == identity(2)",
        |args| triangular_matrix(args, true, "solve_lower"),
    ),
    Row::general(
        "fn solve_upper(u: Matrix, b: [Real]) -> [Real]",
        "The `x` with `u @ x == b` for an upper triangular `u`; what lies below its diagonal is not read.\n\
         example: solve_upper(matrix([[2.0, 1.0], [0.0, 1.0]]), [4.0, 2.0]) == [1.0, 2.0]",
        |args| triangular_vector(args, false, "solve_upper"),
    ),
    Row::general(
        "fn solve_upper(u: Matrix, b: Matrix) -> Matrix",
        "The `x` with `u @ x == b` for an upper triangular `u`; what lies below its diagonal is not read.\n\
         example: solve_upper(identity(2), identity(2)) == identity(2)",
        |args| triangular_matrix(args, false, "solve_upper"),
    ),
    Row::smooth(
        "fn logdet(m: Matrix) -> Real",
        "The logarithm of the absolute value of the determinant; `-inf` for a singular matrix.\n\
         example: abs(logdet(diag([2.0, 3.0])) - log(6)) < 1e-15",
        &["transpose(inverse(m))"],
        |args| {
            let m = square(args, "logdet")?;
            let lu = owned(&m).lu();
            Ok(Value::Real(lu.u().diagonal().iter().map(|x| x.abs().ln()).sum()))
        },
    ),
    Row::smooth(
        "fn det(m: Matrix) -> Real",
        "The determinant.\nexample: det(matrix([[1.0, 2.0], [3.0, 4.0]])) == -2",
        &["result * transpose(inverse(m))"],
        |args| {
            let m = square(args, "det")?;
            Ok(Value::Real(if m.rows == 0 { 1.0 } else { owned(&m).lu().determinant() }))
        },
    ),
    Row::general(
        "fn inverse(m: Matrix) -> Matrix",
        "The inverse; an error for a singular matrix.\nexample: inverse(diag([2.0, 4.0])) == diag([0.5, 0.25])",
        |args| {
            let m = square(args, "inverse")?;
            owned(&m).try_inverse().map(|x| by_rows(&x)).ok_or_else(|| singular("inverse"))
        },
    ),
    Row::general(
        "fn eigen(m: Matrix) -> ([Real], Matrix)",
        "The eigenvalues of a symmetric matrix in ascending order, and the matrix whose columns are their unit vectors, the \
         largest element of each positive.\nexample: fst(eigen(diag([3.0, 2.0]))) == [2.0, 3.0]",
        eigen,
    ),
    Row::general(
        "fn eigenvalues(m: Matrix) -> [Real]",
        "The eigenvalues of a symmetric matrix in ascending order.\nexample: eigenvalues(diag([3.0, 2.0])) == [2.0, 3.0]",
        |args| {
            let m = symmetric(args, "eigenvalues")?;
            let mut values: Vec<f64> = decomposition(&m, "eigenvalues")?.eigenvalues.iter().copied().collect();
            values.sort_by(f64::total_cmp);
            Ok(Value::reals(values))
        },
    ),
    Row::general(
        "fn qr(m: Matrix) -> (Matrix, Matrix)",
        "The thin factors `(q, r)` with `q @ r == m`: orthonormal columns, and upper triangular with a non-negative diagonal.\n\
         example: snd(qr(matrix([[3.0], [4.0]]))) == matrix([[5.0]])",
        |args| {
            let qr = owned(finite(args, "qr")?.as_ref()).qr();
            let (mut q, mut r) = (qr.q(), qr.r());
            for i in 0..r.nrows() {
                if r[(i, i)] < 0.0 {
                    r.row_mut(i).neg_mut();
                    q.column_mut(i).neg_mut();
                }
            }
            Ok(Value::tuple(vec![by_rows(&q), by_rows(&r)]))
        },
    ),
];

/// What the sizes of factors must be.
const FACTORS: &str = "the columns on the left must be as many as the rows on the right; `transpose(m)` exchanges them";

/// `3 × 4 matrix`
fn size(m: &Matrix) -> String {
    format!("{} × {} matrix", m.rows, m.cols)
}

/// The number of elements of a matrix, if memory can hold it.
fn area(rows: usize, cols: usize) -> Result<usize, Fault> {
    match rows.checked_mul(cols) {
        Some(n) => crate::value::check_length(n as i64),
        None => crate::value::check_length(i64::MAX),
    }
}

/// The transpose of a matrix, without copying.
fn view(m: &Matrix) -> DMatrixView<'_, f64> {
    DMatrixView::from_slice(&m.data, m.cols, m.rows)
}

fn owned(m: &Matrix) -> DMatrix<f64> {
    DMatrix::from_row_slice(m.rows, m.cols, &m.data)
}

fn by_rows(m: &DMatrix<f64>) -> Value {
    let transpose = m.transpose();
    Value::matrix(m.nrows(), m.ncols(), transpose.data.into())
}

fn transposed(m: &Matrix) -> Value {
    Value::matrix(m.cols, m.rows, view(m).transpose().data.into())
}

fn inner(xs: &[f64], ys: &[f64]) -> f64 {
    xs.iter().zip(ys).map(|(x, y)| x * y).sum()
}

fn diagonal(xs: &[f64], area: usize) -> Value {
    let mut data = vec![0.0; area];
    for (i, x) in xs.iter().enumerate() {
        data[i * xs.len() + i] = *x;
    }
    Value::matrix(xs.len(), xs.len(), data)
}

fn from_rows(args: &mut [Value]) -> Result<Value, Fault> {
    if let Some(Value::Matrix(_)) = args.first() {
        return Ok(super::arguments::take(args, 0));
    }
    let rows = take_values(args, 0)?;
    let cols = rows.first().and_then(Value::array_len).unwrap_or(0);
    let mut data = Vec::with_capacity(area(rows.len(), cols)?);
    for (i, row) in rows.iter().enumerate() {
        let row = take_reals(&mut [row.clone()], 0)?;
        if row.len() != cols {
            let message = format!("rows of different lengths: row 0 has {cols} elements, row {i} has {}", row.len());
            return Err(Fault::error(message).hint("the rows of a matrix have one length"));
        }
        data.extend_from_slice(&row);
    }
    Ok(Value::matrix(rows.len(), cols, data))
}

fn place(args: &[Value], what: &str, n: usize) -> Result<usize, Fault> {
    let i = super::arguments::int(args, 1)?;
    usize::try_from(i)
        .ok()
        .filter(|i| *i < n)
        .ok_or_else(|| Fault::error(format!("there is no {what} {i}: the matrix has {n} of them, counted from 0")))
}

/// Argument 0, which `function` needs to be square.
fn square(args: &mut [Value], function: &str) -> Result<Arc<Matrix>, Fault> {
    let m = take_matrix(args, 0)?;
    if m.rows == m.cols {
        return Ok(m);
    }
    let fault = Fault::error(format!("{function} needs a square matrix, found a {}", size(&m)));
    Err(fault.hint("`transpose(m) @ m` is square"))
}

/// Argument 0, which `function` needs to have finite elements.
fn finite(args: &mut [Value], function: &str) -> Result<Arc<Matrix>, Fault> {
    let m = take_matrix(args, 0)?;
    match m.data.iter().position(|x| !x.is_finite()) {
        None => Ok(m),
        Some(k) => Err(Fault::domain(format!(
            "{function} needs finite elements, found {} in row {} and column {}",
            Value::Real(m.data[k]),
            k / m.cols,
            k % m.cols
        ))),
    }
}

/// Argument 0, which `function` needs to be symmetric and finite.
fn symmetric(args: &mut [Value], function: &str) -> Result<Arc<Matrix>, Fault> {
    let m = square(args, function)?;
    let m = finite(&mut [Value::Matrix(m)], function)?;
    let scale = m.data.iter().fold(0.0f64, |scale, x| scale.max(x.abs()));
    for i in 0..m.rows {
        for j in 0..i {
            let (below, above) = (m.at(i, j), m.at(j, i));
            if (below - above).abs() > 1e-8 * scale {
                return Err(Fault::domain(format!(
                    "{function} needs a symmetric matrix, but the elements [{i}, {j}] and [{j}, {i}] are {} and {}",
                    Value::Real(below),
                    Value::Real(above)
                )));
            }
        }
    }
    Ok(m)
}

fn factor(m: &Matrix, function: &str) -> Result<Cholesky<f64, nalgebra::Dyn>, Fault> {
    // Only the lower triangle is read, so the transpose of the view will not do.
    Cholesky::new(owned(m)).ok_or_else(|| {
        Fault::domain(format!("{function} of a {} that is not positive definite", size(m))).hint(
            "a covariance that is singular but for rounding is mended by its diagonal: `m + 1e-9 * identity(rows(m))`",
        )
    })
}

fn fits(a: &Matrix, length: usize, function: &str) -> Result<(), Fault> {
    if a.rows == length {
        return Ok(());
    }
    let fault = Fault::error(format!("{function} with a {} and a right side of length {length}", size(a)));
    Err(fault.hint(format!("the right side must have length {}, one number for each row", a.rows)))
}

fn singular(function: &str) -> Fault {
    Fault::domain(format!("{function} with a singular matrix"))
        .hint("some row follows from the others: the equations have no single solution")
}

/// Substitution for one right side after the other, each a column of `n` numbers in `x`.
fn substitute(a: &Matrix, lower: bool, x: &mut [f64], columns: usize, function: &str) -> Result<(), Fault> {
    let n = a.rows;
    for step in 0..n {
        let i = if lower { step } else { n - 1 - step };
        if a.at(i, i) == 0.0 {
            return Err(singular(function));
        }
        let known = if lower { 0..i } else { i + 1..n };
        let row = a.row(i);
        for k in known {
            let factor = row[k];
            if factor != 0.0 {
                for c in 0..columns {
                    x[i * columns + c] -= factor * x[k * columns + c];
                }
            }
        }
        for c in 0..columns {
            x[i * columns + c] /= row[i];
        }
    }
    Ok(())
}

fn triangular_vector(args: &mut [Value], lower: bool, function: &str) -> Result<Value, Fault> {
    let (a, mut b) = (square(args, function)?, take_reals(args, 1)?);
    fits(&a, b.len(), function)?;
    substitute(&a, lower, Arc::make_mut(&mut b).as_mut_slice(), 1, function)?;
    Ok(Value::Reals(b))
}

fn triangular_matrix(args: &mut [Value], lower: bool, function: &str) -> Result<Value, Fault> {
    let (a, mut b) = (square(args, function)?, take_matrix(args, 1)?);
    fits(&a, b.rows, function)?;
    let columns = b.cols;
    substitute(&a, lower, &mut Arc::make_mut(&mut b).data, columns, function)?;
    Ok(Value::Matrix(b))
}

fn decomposition(m: &Matrix, function: &str) -> Result<SymmetricEigen<f64, nalgebra::Dyn>, Fault> {
    if m.rows == 0 {
        return Ok(SymmetricEigen { eigenvectors: owned(m), eigenvalues: DVector::zeros(0) });
    }
    SymmetricEigen::try_new(owned(m), f64::EPSILON, 100 * (m.rows + 10))
        .ok_or_else(|| Fault::error(format!("{function} of a {} did not converge", size(m))))
}

fn eigen(args: &mut [Value]) -> Result<Value, Fault> {
    let m = symmetric(args, "eigen")?;
    let found = decomposition(&m, "eigen")?;
    let n = m.rows;
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|i, j| found.eigenvalues[*i].total_cmp(&found.eigenvalues[*j]));
    let mut vectors = vec![0.0; n * n];
    for (j, from) in order.iter().enumerate() {
        let column = found.eigenvectors.column(*from);
        let largest =
            column.iter().copied().fold(0.0f64, |best, x| if x.abs() > best.abs() * (1.0 + 1e-9) { x } else { best });
        let sign = if largest < 0.0 { -1.0 } else { 1.0 };
        for i in 0..n {
            vectors[i * n + j] = sign * column[i];
        }
    }
    let values = order.iter().map(|i| found.eigenvalues[*i]).collect();
    Ok(Value::tuple(vec![Value::reals(values), Value::matrix(n, n, vectors)]))
}

#[cfg(test)]
mod tests {
    use super::super::{Body, find};
    use super::*;
    use crate::value::Generator;
    use crate::value::fault::FaultKind;

    fn call(name: &str, args: &[Value]) -> Result<Value, Fault> {
        let mut last = Err(Fault::error("no such row"));
        for (_, row) in find(name) {
            if let Body::General(f) = row.body {
                last = f(&mut args.to_vec());
                if !last.as_ref().is_err_and(|fault| fault.kind == FaultKind::Internal) {
                    return last;
                }
            }
        }
        last
    }

    fn random(rows: usize, cols: usize, seed: u64) -> Value {
        let mut generator = Generator::new(seed);
        Value::matrix(rows, cols, (0..rows * cols).map(|_| generator.uniform() - 0.5).collect())
    }

    fn product(a: &Value, b: &Value) -> Value {
        call("matmul_mm", &[a.clone(), b.clone()]).unwrap()
    }

    fn transpose(a: &Value) -> Value {
        call("transpose", std::slice::from_ref(a)).unwrap()
    }

    fn assert_close(a: &Value, b: &Value) {
        let data = |v: &Value| match v {
            Value::Matrix(m) => (m.rows, m.cols, m.data.clone()),
            Value::Reals(xs) => (xs.len(), 1, xs.to_vec()),
            Value::Real(x) => (1, 1, vec![*x]),
            _ => unreachable!(),
        };
        let (a, b) = (data(a), data(b));
        assert_eq!((a.0, a.1), (b.0, b.1));
        for (x, y) in a.2.iter().zip(&b.2) {
            assert!((x - y).abs() < 1e-10, "{x} {y}");
        }
    }

    #[test]
    fn products_agree_with_the_definition() {
        let (a, b) = (random(3, 4, 1), random(4, 2, 2));
        let (Value::Matrix(x), Value::Matrix(y)) = (&a, &b) else { unreachable!() };
        let direct = |i: usize, j: usize| (0..4).map(|k| x.at(i, k) * y.at(k, j)).sum::<f64>();
        let expected = Value::matrix(3, 2, (0..6).map(|k| direct(k / 2, k % 2)).collect());
        assert_close(&product(&a, &b), &expected);
        let v = Value::reals(y.data[..4].to_vec());
        let column = Value::matrix(4, 1, y.data[..4].to_vec());
        let Value::Matrix(by_column) = product(&a, &column) else { unreachable!() };
        assert_close(&call("matmul_mv", &[a.clone(), v.clone()]).unwrap(), &Value::reals(by_column.data.clone()));
        assert_close(
            &call("matmul_vm", &[v.clone(), b.clone()]).unwrap(),
            &call("matmul_mv", &[transpose(&b), v.clone()]).unwrap(),
        );
        let fault = call("matmul_mv", &[a, Value::reals(vec![0.0; 5])]).unwrap_err();
        assert_eq!(fault.message, "cannot multiply a 3 × 4 matrix by a vector of length 5");
    }

    #[test]
    fn factors_multiply_back() {
        let a = random(5, 5, 3);
        let spd = {
            let Value::Matrix(m) = product(&a, &transpose(&a)) else { unreachable!() };
            let mut m = (*m).clone();
            (0..5).for_each(|i| m.data[i * 6] += 1.0);
            Value::Matrix(Arc::new(m))
        };
        let l = call("cholesky", std::slice::from_ref(&spd)).unwrap();
        assert_close(&product(&l, &transpose(&l)), &spd);
        let Value::Tuple(parts) = call("eigen", std::slice::from_ref(&spd)).unwrap() else { unreachable!() };
        let values = call("diag", &[parts.0[0].clone()]).unwrap();
        assert_close(&product(&product(&parts.0[1], &values), &transpose(&parts.0[1])), &spd);
        let tall = random(6, 3, 4);
        let Value::Tuple(qr) = call("qr", std::slice::from_ref(&tall)).unwrap() else { unreachable!() };
        assert_close(&product(&qr.0[0], &qr.0[1]), &tall);
        let identity = call("identity", &[Value::Int(5)]).unwrap();
        assert_close(&product(&call("inverse", std::slice::from_ref(&a)).unwrap(), &a), &identity);
        let b = Value::reals(vec![1.0, 2.0, 3.0, 4.0, 5.0]);
        for (name, matrix) in [("solve", &a), ("solve_lower", &l), ("solve_upper", &transpose(&l))] {
            let x = call(name, &[(*matrix).clone(), b.clone()]).unwrap();
            assert_close(&call("matmul_mv", &[(*matrix).clone(), x]).unwrap(), &b);
            let x = call(name, &[(*matrix).clone(), a.clone()]).unwrap();
            assert_close(&product(matrix, &x), &a);
        }
        let (logdet, det) = (call("logdet", std::slice::from_ref(&spd)).unwrap(), call("det", &[spd]).unwrap());
        assert!((logdet.as_real().unwrap() - det.as_real().unwrap().ln()).abs() < 1e-12);
    }

    #[test]
    fn bad_matrices_are_faults() {
        let domain = |name: &str, m: Value| call(name, &[m]).unwrap_err().kind == FaultKind::Domain;
        assert!(domain("cholesky", Value::matrix(2, 2, vec![1.0, 2.0, 2.0, 1.0])));
        assert!(domain("cholesky", Value::matrix(2, 2, vec![1.0, 0.5, 0.0, 1.0])));
        assert!(domain("cholesky", Value::matrix(1, 1, vec![f64::NAN])));
        assert!(domain("eigen", Value::matrix(1, 1, vec![f64::INFINITY])));
        assert!(domain("inverse", Value::matrix(2, 2, vec![1.0, 1.0, 1.0, 1.0])));
        assert!(call("cholesky", &[Value::matrix(1, 2, vec![1.0, 2.0])]).is_err());
        assert!(call("identity", &[Value::Int(1 << 30)]).is_err());
        assert!(call("row", &[random(2, 2, 1), Value::Int(2)]).is_err());
        let uneven = Value::Values(Arc::new(vec![Value::reals(vec![1.0]), Value::reals(vec![])]));
        assert!(call("matrix", &[uneven]).is_err());
        let singular = call("logdet", &[Value::matrix(2, 2, vec![1.0, 1.0, 1.0, 1.0])]).unwrap();
        assert_eq!(singular, Value::Real(f64::NEG_INFINITY));
    }

    #[test]
    fn empty_matrices_are_handled() {
        let none = Value::matrix(0, 0, vec![]);
        for name in ["cholesky", "inverse", "transpose", "eigenvalues", "det", "logdet", "trace", "qr"] {
            assert!(call(name, std::slice::from_ref(&none)).is_ok(), "{name}");
        }
        assert_eq!(
            product(&Value::matrix(2, 0, vec![]), &Value::matrix(0, 2, vec![])),
            Value::matrix(2, 2, vec![0.0; 4])
        );
    }
}
