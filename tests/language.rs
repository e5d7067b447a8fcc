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
fn a_paused_run_keeps_what_is_read_after_a_comparison_was_joined_with_its_jump() {
    let text = "model m(n: Int) {\n  var k = 0\n  var s = 0.0\n  while k < n {\n    if k > 1 { s = s + 1.0 }\n    k = k + 1\n  }\n  \
        let xs = [s, s + 1.0]\n  let ys = push(xs, 3.0)\n  b ~ Bernoulli(0.5)\n  observe 1.0 ~ Normal(xs[0], 1)\n  \
        return [xs[1], ys[2], if b == 1 { 1.0 } else { 0.0 }]\n}\n\
        print(sort([d[0] + d[1] + d[2] for d in draws(enumerate(() => m(4)))]))";
    assert_eq!(printed(text, &[]), "[6.0, 7.0]\n");
}
