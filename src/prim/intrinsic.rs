//! Functions that the compiler knows by their names: declared here for the checker and for `:help`.

use super::Row;

pub(super) const ROWS: &[Row] = &[
    Row::intrinsic("fn len(xs: [a]) -> Int", "The number of elements.\nexample: len([1, 2, 3]) == 3"),
    Row::intrinsic(
        "fn len(m: Matrix) -> Int",
        "The number of rows, as indexing by one index gives rows.\nexample: len(identity(3)) == 3",
    ),
    Row::intrinsic(
        "fn push(xs: [a], x: a) -> [a]",
        "The array with one more element at its end; in place where nobody else holds it.\nexample: push([1, 2], 3) == [1, 2, 3]",
    ),
    Row::intrinsic(
        "fn sample(d: Dist<a>) ~> a",
        "Draws from a distribution; the choice is addressed by the place in the program.",
    ),
    Row::intrinsic("fn sample(p: Posterior<a>) ~> a", "One of the draws of a posterior, in proportion to its weight."),
    Row::intrinsic(
        "fn observe(x: a, d: Dist<a>) ~> ()",
        "Conditions on `x` being the value of a draw from `d`: multiplies the weight of the run by the density.",
    ),
    Row::intrinsic("fn factor(w: Real) ~> ()", "Adds `w` to the logarithm of the weight of the run."),
    Row::intrinsic("fn condition(b: Bool) ~> ()", "Makes the weight of the run 0 unless `b` holds."),
    Row::intrinsic(
        "fn logp(d: Dist<a>, x: a) -> Real",
        "The logarithm of the density or probability at `x`; `-inf` outside the support.\n\
         example: abs(logp(Normal(0, 1), 0) + 0.9189385332046728) < 1e-15",
    ),
    Row::intrinsic(
        "fn cdf(d: Dist<a>, x: Real) -> Real",
        "The probability of a number up to `x`.\nexample: cdf(Normal(0, 1), 0) == 0.5\nexample: cdf(Bernoulli(0.25), 0) == 0.75",
    ),
    Row::intrinsic(
        "fn quantile(d: Dist<a>, q: Real) -> a",
        "The least number whose `cdf` reaches `q`.\nexample: quantile(Normal(0, 1), 0.5) == 0\nexample: quantile(Bernoulli(0.25), 0.8) == 1",
    ),
    Row::intrinsic(
        "fn ccdf(d: Dist<a>, x: Real) -> Real",
        "The probability of a value above `x`, with its digits kept far in the upper tail.\nexample: ccdf(Normal(0, 1), 0) == 0.5",
    ),
    Row::intrinsic(
        "fn cquantile(d: Dist<a>, q: Real) -> a",
        "The least value above which the probability is at most `q`.\nexample: cquantile(Normal(0, 1), 0.5) == 0",
    ),
    Row::intrinsic("fn mean(d: Dist<Real>) -> Real", "The mean of a distribution.\nexample: mean(Normal(2, 1)) == 2"),
    Row::intrinsic(
        "fn mean(d: Dist<Int>) -> Real",
        "The mean of a distribution.\nexample: mean(Bernoulli(0.25)) == 0.25",
    ),
    Row::intrinsic(
        "fn mean(d: Dist<[Real]>) -> [Real]",
        "The mean of every element.\nexample: mean(iid(Normal(2, 1), 2)) == [2.0, 2.0]",
    ),
    Row::intrinsic(
        "fn mean(d: Dist<[Int]>) -> [Real]",
        "The mean of every element.\nexample: mean(iid(Bernoulli(0.25), 1)) == [0.25]",
    ),
    Row::intrinsic(
        "fn mean(d: Dist<Bool>) -> Real",
        "The mean of a distribution, with 1 for `true` and 0 for `false`.\nexample: mean(Flip(0.25)) == 0.25",
    ),
    Row::intrinsic(
        "fn mean(d: Dist<[Bool]>) -> [Real]",
        "The mean of every element, with 1 for `true` and 0 for `false`.\nexample: mean(iid(Flip(0.25), 1)) == [0.25]",
    ),
    Row::intrinsic(
        "fn mean(d: Dist<Matrix>) -> Matrix",
        "The mean of every element.\nexample: mean(LKJ(2, 1)) == identity(2)",
    ),
    Row::intrinsic(
        "fn variance(d: Dist<Real>) -> Real",
        "The variance of a distribution.\nexample: variance(Normal(0, 2)) == 4",
    ),
    Row::intrinsic(
        "fn variance(d: Dist<Int>) -> Real",
        "The variance of a distribution.\nexample: variance(Bernoulli(0.5)) == 0.25",
    ),
    Row::intrinsic(
        "fn variance(d: Dist<[Real]>) -> [Real]",
        "The variance of every element.\nexample: variance(iid(Normal(0, 2), 2)) == [4.0, 4.0]",
    ),
    Row::intrinsic(
        "fn variance(d: Dist<[Int]>) -> [Real]",
        "The variance of every element.\nexample: variance(iid(Bernoulli(0.5), 1)) == [0.25]",
    ),
    Row::intrinsic(
        "fn variance(d: Dist<Bool>) -> Real",
        "The variance of a distribution, with 1 for `true` and 0 for `false`.\nexample: variance(Flip(0.5)) == 0.25",
    ),
    Row::intrinsic(
        "fn variance(d: Dist<[Bool]>) -> [Real]",
        "The variance of every element, with 1 for `true` and 0 for `false`.\nexample: variance(iid(Flip(0.5), 1)) == [0.25]",
    ),
    Row::intrinsic(
        "fn variance(d: Dist<Matrix>) -> Matrix",
        "The variance of every element.\nexample: variance(LKJ(2, 0.5)) == matrix([[0.0, 0.5], [0.5, 0.0]])",
    ),
    Row::intrinsic(
        "fn support(d: Dist<a>) -> Domain<a>",
        "The set of values that a distribution may take.\nexample: str(support(Beta(1, 1))) == \"UnitInterval\"",
    ),
    Row::intrinsic(
        "fn print(x1: a, x2: b) -> ()",
        "Writes 2 values on one line, with blanks between them.\nexample: str(()) == \"()\"",
    ),
    Row::intrinsic(
        "fn print(x1: a, x2: b, x3: c) -> ()",
        "Writes 3 values on one line, with blanks between them.\nexample: str(()) == \"()\"",
    ),
    Row::intrinsic(
        "fn print(x1: a, x2: b, x3: c, x4: d) -> ()",
        "Writes 4 values on one line, with blanks between them.\nexample: str(()) == \"()\"",
    ),
    Row::intrinsic(
        "fn print(x1: a, x2: b, x3: c, x4: d, x5: e) -> ()",
        "Writes 5 values on one line, with blanks between them.\nexample: str(()) == \"()\"",
    ),
    Row::intrinsic(
        "fn print(x1: a, x2: b, x3: c, x4: d, x5: e, x6: f) -> ()",
        "Writes 6 values on one line, with blanks between them.\nexample: str(()) == \"()\"",
    ),
    Row::intrinsic("fn print(x: a) -> ()", "Writes a value and a new line.\nexample: str(()) == \"()\""),
    Row::intrinsic("fn assert(b: Bool) -> ()", "Ends the run with an error unless `b` holds.\nexample: assert(1 < 2)"),
];
