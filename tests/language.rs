//! What programs mean where a mistake was once made: each test is the program that showed it.

#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::MemoryWorld;
use borel::source::world::Stream;
use std::sync::Arc;

/// What a script prints.
fn printed(text: &str, files: &[(&str, &str)]) -> String {
    let mut world = MemoryWorld::default();
    for (path, text) in files {
        world = world.with_file(*path, *text);
    }
    let world = Arc::new(world);
    let (text, shared) = (text.to_string(), Arc::clone(&world));
    let work = move || {
        let mut session = Session::new(shared, Options::default());
        let file = session.load_text("script.borel", &text).unwrap();
        session.bind_data(&[]).unwrap();
        session.run(&file).unwrap();
    };
    std::thread::Builder::new().stack_size(1 << 28).spawn(work).unwrap().join().unwrap();
    world.written(Stream::Out)
}

#[test]
fn closures_keep_the_value_of_a_variable() {
    let text = "model m { var s = 1\n let g = () => s\n s = 5\n return g() }\nprint(draws(enumerate(m)))";
    assert_eq!(printed(text, &[]), "[1]\n");
}

#[test]
fn imported_constants_have_their_values() {
    let text = "import \"p.borel\" as p\nprint(p.k + p.twice(3))";
    assert_eq!(printed(text, &[("p.borel", "let k = 4\nfn twice(n: Int) -> Int = k * n\n")]), "16\n");
}

#[test]
fn top_level_statements_update_top_level_variables() {
    assert_eq!(printed("var s = 0\nwhile s < 10 { s = s + 3 }\nprint(s, \"done\")", &[]), "12 done\n");
}

#[test]
fn an_operand_sees_variables_as_they_are_at_its_turn() {
    let text = "\
fn pair(a: Int, b: Int) = 10 * a + b
fn all() {
  var x = 1
  let sum = x + { x = 2; x }
  let called = pair(x, { x = 3; x })
  let parts = (x, { x = x + 1; x }, x)
  let items = [x, { if x > 3 { x = 7 }; x }, x]
  let fields = {a: x, b: { for i in 0..2 { x = x + i }; x }}
  var xs = [1, 2]
  let joined = append(xs, { xs[0] = 5; xs })
  (sum, called, parts, items, fields, joined)
}
print(all())
";
    assert_eq!(printed(text, &[]), "(3, 23, (3, 4, 4), [4, 7, 7], {a: 7, b: 8}, [1, 2, 5, 2])\n");
}

#[test]
fn a_choice_between_comparisons_is_none_of_them() {
    let text = "fn outside(x: Real, low: Real, high: Real) -> Int = if x < low || x > high || x == 0.0 { 1 } else { 0 }\n\
        var x = 2.0\nprint(outside(x, 1.0, 3.0), outside(x, 3.0, 4.0), outside(x, 0.0, 1.0), outside(x - x, -1.0, 1.0))";
    assert_eq!(printed(text, &[]), "0 1 1 1\n");
}

#[test]
fn functions_may_have_more_variables_than_the_window_of_the_machine() {
    // Each variable depends on two before it and is read again at the end, so that none can be dropped; parameters, a loop counter,
    // arguments and results lie beyond the window too.
    let params: Vec<String> = (0..260).map(|k| format!("p{k}: Int")).collect();
    let values: Vec<i64> = (0..260).map(|k| (k * 7) % 11 - 5).collect();
    let mut body = String::new();
    let mut expected = values.clone();
    for k in 260..700_usize {
        body += &format!("  let p{k} = p{} * p{} % 1000 - p{}\n", k - 1, k - 130, k - 259);
        expected.push((expected[k - 1] * expected[k - 130]).rem_euclid(1000) - expected[k - 259]);
    }
    let sum: Vec<String> = (0..700).map(|k| format!("p{k}")).collect();
    let text = format!(
        "fn down(n: Int, step: Int) -> Int = if n <= 0 {{ n }} else {{ down(n - step, step) - 1 }}\n\
         fn wide({}) -> Real {{\n{body}  var total = 0.0\n  for i in p699 * 0..p0 + 15 {{\n    for j in 0..i {{\n\
         if j % 2 == 0 {{ total = total + 0.5 * real(i * j + p698) }}\n    }}\n  }}\n\
         total + real({} + down(p697 * p697 % 50, 3))\n}}\n\
         var one = 1\nprint(wide({}))",
        params.join(", "),
        sum.join(" + "),
        values.iter().map(|v| format!("{v} * one")).collect::<Vec<_>>().join(", "),
    );
    let mut total = 0.0;
    for i in 0..expected[0] + 15 {
        for j in (0..i).filter(|j| j % 2 == 0) {
            total += 0.5 * (i * j + expected[698]) as f64;
        }
    }
    let (mut n, mut calls) = ((expected[697] * expected[697]).rem_euclid(50), 0);
    while n > 0 {
        (n, calls) = (n - 3, calls + 1);
    }
    total += (expected.iter().sum::<i64>() + n - calls) as f64;
    assert_eq!(printed(&text, &[]), format!("{total:?}\n"));
}

#[test]
fn constants_of_any_size_are_operands() {
    // On both sides of what fits into an instruction, in comparisons, sums, products and calls.
    let mut text = String::from("var zero = 0\n");
    let mut expected = String::new();
    for c in [0_i64, 1, -1, 32766, 32767, 32768, -32767, -32768, -32769, 2147483647, 2147483648, -2147483649, 1 << 40] {
        for x in [c - 1, c, c + 1] {
            let name = format!("f{}", text.len());
            text += &format!(
                "fn {name}(x: Int) -> [Int] {{\n  var s = 0\n  if x < {c} {{ s = s + 1 }}\n  if x <= {c} {{ s = s + 2 }}\n  \
                 if x > {c} {{ s = s + 4 }}\n  if x >= {c} {{ s = s + 8 }}\n  if x == {c} {{ s = s + 16 }}\n  \
                 if x != {c} {{ s = s + 32 }}\n  if {c} < x {{ s = s + 64 }}\n  if {c} == x {{ s = s + 128 }}\n  \
                 [s, x + {c}, x - {c}, {c} - x, x * {c}]\n}}\nprint({name}({x} + zero))\n"
            );
            let bits = [x < c, x <= c, x > c, x >= c, x == c, x != c, c < x, c == x];
            let s: i64 = bits.iter().enumerate().map(|(k, holds)| i64::from(*holds) << k).sum();
            let products = x.checked_mul(c).filter(|p| p.abs() < 1 << 62);
            if products.is_none() {
                text = text.replace(&format!(", x * {c}]\n}}\nprint({name}("), &format!(", 0]\n}}\nprint({name}("));
            }
            expected += &format!("{:?}\n", [s, x + c, x - c, c - x, products.unwrap_or(0)]);
        }
    }
    assert_eq!(printed(&text, &[]), expected);
}

#[test]
fn a_sum_may_be_compared_at_once() {
    // On both sides of what fits into one instruction.
    let mut text = String::from("var zero = 0\n");
    let mut expected = String::new();
    for c in [1_i64, -1, 127, 128, -128, -129] {
        for bound in [2_i64, -1, 32766, 32767, 32768, -32768, -32769] {
            let name = format!("f{}", text.len());
            text += &format!(
                "fn {name}(x: Int) -> [Int] {{\n  let y = x + ({c})\n  let s = if y < {bound} {{ 1 }} else {{ 0 }}\n  \
                 let z = x - ({c})\n  let t = if z <= {bound} {{ y }} else {{ z }}\n  [s, t, y, z]\n}}\n"
            );
            for x in [bound - c - 1, bound - c, bound - c + 1, bound + c, bound + c + 1] {
                text += &format!("print({name}({x} + zero))\n");
                let (y, z) = (x + c, x - c);
                expected += &format!("{:?}\n", [i64::from(y < bound), if z <= bound { y } else { z }, y, z]);
            }
        }
    }
    assert_eq!(printed(&text, &[]), expected);
    let text = "fn next(x: Int) -> Int {\n  let y = x + 1\n  if y < 2 { y } else { next(y) }\n}\nprint(next(9223372036854775000))";
    let mut session = Session::new(Arc::new(MemoryWorld::default()), Options::default());
    let file = session.load_text("script.borel", text).unwrap();
    session.bind_data(&[]).unwrap();
    let failure = session.run(&file).unwrap_err();
    let said = session.render_failure(&failure, false);
    assert!(said.contains("integer overflow in `+`") && said.contains("x + 1"), "{said}");
}

#[test]
fn recursions_mean_the_same_where_calls_of_themselves_are_replaced() {
    // Branches on either side, calls that take what other calls gave, a result that is not the last sum, three calls, arrays.
    let text = "fn trees(n: Int) -> Int = if n > 0 { trees(n - 1) * 3 + trees(n - 2) } else { 3 + n }\n\
        fn fed(n: Int, k: Int) -> Int = if n < 1 { k } else { let a = fed(n - 1, k + 1); let b = fed(n - 2, a); b - a + n }\n\
        fn kept(n: Int, k: Int) -> Int = if n < 1 { k } else { let a = kept(n - 1, k); let b = kept(n - 2, a); k }\n\
        fn three(n: Int) -> Real = if n <= 1 { 0.5 } else { three(n - 1) + three(n - 2) * three(n - 3) }\n\
        fn deep(xs: [Int], i: Int) -> Int = if i >= len(xs) { 1 } else { xs[i] * deep(xs, i + 1) - deep(xs, i + 2) }\n\
        var zero = 0\nprint(trees(10 + zero), fed(9 + zero, 1), kept(8, 5 + zero), three(9 + zero), deep([2, 3, 5, 7, 11, 13], zero))";
    fn trees(n: i64) -> i64 {
        if n > 0 { trees(n - 1) * 3 + trees(n - 2) } else { 3 + n }
    }
    fn fed(n: i64, k: i64) -> i64 {
        if n < 1 {
            return k;
        }
        let a = fed(n - 1, k + 1);
        fed(n - 2, a) - a + n
    }
    fn deep(xs: &[i64], i: usize) -> i64 {
        if i >= xs.len() { 1 } else { xs[i] * deep(xs, i + 1) - deep(xs, i + 2) }
    }
    fn three(n: i64) -> f64 {
        if n <= 1 { 0.5 } else { three(n - 1) + three(n - 2) * three(n - 3) }
    }
    let expected = format!("{} {} 5 {:?} {}\n", trees(10), fed(9, 1), three(9), deep(&[2, 3, 5, 7, 11, 13], 0));
    assert_eq!(printed(text, &[]), expected);
}

#[test]
fn a_fault_where_a_recursion_ends_has_its_place() {
    for (text, what, place) in [
        (
            "fn t(n: Int) -> Int = if n < 1 { 10 % n } else { t(n - 1) + t(n - 2) }\nprint(t(6))",
            "remainder of a division by zero",
            "1:34",
        ),
        (
            "fn e(n: Int) -> Int = if n == 1 { 0 } else { e(n - 1) + e(n - 2) }\nprint(e(-5))",
            "calls are nested more than 1000000 deep",
            "1:46",
        ),
    ] {
        let mut session = Session::new(Arc::new(MemoryWorld::default()), Options::default());
        let file = session.load_text("script.borel", text).unwrap();
        session.bind_data(&[]).unwrap();
        let failure = session.run(&file).unwrap_err();
        let said = session.render_failure(&failure, false);
        assert!(said.contains(what) && said.contains(place), "{said}");
    }
}

#[test]
fn a_call_whose_argument_overflows_says_where() {
    let text =
        "fn climb(n: Int) -> Int = if n < 0 { 0 } else { climb(n + 1000) + 1 }\nprint(climb(9223372036854775000))";
    let mut session = Session::new(Arc::new(MemoryWorld::default()), Options::default());
    let file = session.load_text("script.borel", text).unwrap();
    session.bind_data(&[]).unwrap();
    let failure = session.run(&file).unwrap_err();
    let said = session.render_failure(&failure, false);
    assert!(said.contains("integer overflow in `+`") && said.contains("n + 1000"), "{said}");
}

#[test]
fn a_paused_run_keeps_what_is_read_after_a_comparison_was_joined_with_its_jump() {
    let text = "model m(n: Int) {\n  var k = 0\n  var s = 0.0\n  while k < n {\n    if k > 1 { s = s + 1.0 }\n    k = k + 1\n  }\n  \
        let xs = [s, s + 1.0]\n  let ys = push(xs, 3.0)\n  b ~ Bernoulli(0.5)\n  observe 1.0 ~ Normal(xs[0], 1)\n  \
        return [xs[1], ys[2], if b == 1 { 1.0 } else { 0.0 }]\n}\n\
        print(sort([d[0] + d[1] + d[2] for d in draws(enumerate(() => m(4)))]))";
    assert_eq!(printed(text, &[]), "[6.0, 7.0]\n");
}

#[test]
fn parts_of_tuples_and_records_widen_to_what_their_place_wants() {
    let text = "\
fn pair(x: Int) -> (Int, Int) { (x, x + 1) }
fn sum_of(p: (Real, Real)) -> Real { let (a, b) = p; a / 2 + b }
type Point = {x: Real, y: [Real]}
fn point(n: Int) = {x: n, y: [n, n]}
fn norm(p: Point) -> Real = p.x + sum(p.y) / 4
fn nested(ps: [(Int, {k: Int})]) -> [(Real, {k: Real})] = ps
fn either(c: Bool, n: Int) = if c { (n, 0.5) } else { (0.25, n) }
print(sum_of(pair(3)), norm(point(2)), nested([(1, {k: 2})]), either(true, 2), either(false, 2))
";
    assert_eq!(printed(text, &[]), "5.5 3.0 [(1.0, {k: 2.0})] (2.0, 0.5) (0.25, 2.0)\n");
}

#[test]
fn an_exact_posterior_is_computed_once_for_the_same_function() {
    // A posterior is equal to itself alone: the same function, holding the same values, gives the same one.
    let text = "\
fn throws(p: Real) = enumerate(() => { let a = flip(p)\n let b = flip(p)\n condition(a || b)\n return a })
print(throws(0.5) == throws(0.5), throws(0.5) == throws(0.25))
print(prob(throws(0.5), a => a), prob(throws(0.25), a => a))
var p = 0.5
let first = prob(throws(p), a => a)
p = 0.25
print(first, prob(throws(p), a => a))
";
    let (half, quarter) = ("0.6666666666666666", "0.5714285714285714");
    assert_eq!(printed(text, &[]), format!("true false\n{half} {quarter}\n{half} {quarter}\n"));
}

#[test]
fn a_model_that_leaves_a_domain_in_every_run_is_wrong() {
    let methods = ["infer", "enumerate", "importance", "rejection", "smc", "mh", "gibbs", "tempered", "pimh"];
    for method in methods {
        let world = Arc::new(MemoryWorld::default());
        let mut session = Session::new(world, Options::default());
        let text = "model m {\n  x ~ Bernoulli(0.5)\n  y ~ Bernoulli(1.5 + x)\n  return y\n}\n";
        let file = session.load_text("m.borel", text).unwrap();
        session.bind_data(&[]).unwrap();
        let failure = session.infer(&file, None, Some(method), &[], false).unwrap_err();
        let shown = session.render_failure(&failure, false);
        assert!(shown.contains("the parameter `theta` of Bernoulli must lie between 0 and 1"), "{method}: {shown}");
        assert!(shown.contains("m.borel:3:17"), "{method}: {shown}");
        assert!(shown.contains("every run of the model ends here"), "{method}: {shown}");
    }
}

#[test]
fn where_a_parameter_leaves_its_domain_now_and_then_the_place_is_told() {
    let world = Arc::new(MemoryWorld::default());
    let mut session = Session::new(world, Options::default());
    let text = "model m {\n  x ~ Normal(0, 1)\n  y ~ Normal(0, x)\n  return y\n}\n";
    let file = session.load_text("m.borel", text).unwrap();
    session.bind_data(&[]).unwrap();
    let inferred = session.infer(&file, None, Some("importance"), &[("draws", "200")], false).unwrap();
    let said: Vec<String> = inferred.posterior.warnings.iter().map(|warning| warning.text()).collect();
    let domain = said.iter().find(|text| text.contains("outside its domain")).unwrap();
    assert!(domain.ends_with(", at m.borel:3:17"), "{domain}");
}

#[test]
fn runs_that_end_at_weights_are_not_said_to_have_left_a_domain() {
    let world = Arc::new(MemoryWorld::default());
    let mut session = Session::new(world, Options::default());
    // Each step loses half of the particles to the domain, so that they are more than there are; the last one loses all to a weight.
    let text = "model m {\n  for t in 0..4 {\n    x ~ Bernoulli(0.5)\n    y ~ Bernoulli(0.5 + x)\n    factor(-0.1 * y)\n  }\n  condition(false)\n}\n";
    let file = session.load_text("m.borel", text).unwrap();
    session.bind_data(&[]).unwrap();
    let options = [("particles", "100"), ("threshold", "1.0")];
    let inferred = session.infer(&file, None, Some("smc"), &options, false).unwrap();
    let said: Vec<String> = inferred.posterior.warnings.iter().map(|warning| warning.text()).collect();
    assert!(said.iter().any(|text| text.contains("every particle has weight zero")), "{said:?}");
    assert!(said.iter().any(|text| text.contains("outside its domain")), "{said:?}");
}
