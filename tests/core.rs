//! Core: print and parse, the checker, the passes one by one, and that the passes keep what programs compute.

#![allow(clippy::unwrap_used)]

mod support {
    pub mod core_eval;
    pub mod core_programs;
}

use borel::core::ir::{FuncId, PrimRef, Program};
use borel::core::{check, parse, print};
use borel::passes::{Context, PASSES, PrimEffect, run_all};
use borel::value::Value;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use support::core_eval::{Stop, evaluate};

fn read(text: &str) -> Program {
    parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A few primitives, as the machine would tell of them.
fn context() -> Context {
    fn prim(prim: PrimRef, args: &[Value]) -> Option<Value> {
        match (prim.name.as_str(), args) {
            ("exp", [Value::Real(x)]) => Some(Value::Real(libm::exp(*x))),
            ("log", [Value::Real(x)]) => Some(Value::Real(libm::log(*x))),
            _ => None,
        }
    }
    fn effect(prim: PrimRef) -> PrimEffect {
        if matches!(prim.name.as_str(), "exp" | "log" | "lgamma") { PrimEffect::Total } else { PrimEffect::Acts }
    }
    Context { prim, effect, ..Context::default() }
}

#[test]
fn every_case_is_well_formed_and_survives_the_round_trip() {
    insta::glob!("cases/core/*.core", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let program = read(&text);
        assert_eq!(check(&program), Vec::<String>::new(), "{}", path.display());
        let printed = print(&program);
        let again = read(&printed);
        assert_eq!(print(&again), printed, "{}", path.display());
    });
}

#[test]
fn each_pass_leaves_the_text_that_was_agreed() {
    insta::glob!("cases/core/*.core", |path| {
        let mut program = read(&std::fs::read_to_string(path).unwrap());
        let mut shown = String::new();
        let mut before = print(&program);
        for pass in PASSES {
            for diagnostic in (pass.run)(&mut program, &context()) {
                shown.push_str(&format!("// {}\n", diagnostic.message));
            }
            assert_eq!(check(&program), Vec::<String>::new(), "after {} of {}", pass.name, path.display());
            let after = print(&program);
            let text = if after == before { "(as before)\n" } else { &after };
            shown.push_str(&format!("==== {}\n{text}\n", pass.name));
            before = after;
        }
        insta::assert_snapshot!(shown);
    });
}

/// Each program is wrong in one way; the message must contain the text beside it.
const WRONG: &[(&str, &str)] = &[
    ("entry f$4", "entry: there is no function $4"),
    ("fn f$0() -> Real { => x.0 }", "_.0 is not in scope"),
    ("fn f$0() -> Real { x.0: Real = NegR(y.1) y.1: Real = 1.0 => x.0 }", "y.1 is not in scope"),
    ("fn f$0() -> Int { => 1.5 }", "expected Int, found Real for the result"),
    ("fn f$0() -> Int { x.0: Int = 1 x.0: Int = 2 => x.0 }", "x.0 is bound twice"),
    ("fn f$0(x.0: Int) -> Int { x.0 := 2 => x.0 }", "x.0 is assigned but not mutable"),
    ("fn f$0() -> Real { x.0: Real = AddR(1.0, 2) => x.0 }", "AddR expects Real, Real, found Real, Int"),
    ("fn f$0() -> Real { x.0: Real = NegR() => x.0 }", "NegR expects Real, found nothing"),
    ("fn f$0() -> Int { x.0: Int = NegR(1.0) => x.0 }", "expected Int, found Real for x.0"),
    ("fn f$0() -> Real { x.0: Real = g$7() => x.0 }", "there is no function $7"),
    ("fn f$0(a.0: Int) -> Int { x.1: Int = f$0() => x.1 }", "f takes 1 arguments, found 0"),
    ("fn f$0(a.0: Int) -> Int { x.1: Int = f$0(1.0) => x.1 }", "expected Int, found Real for an argument of f"),
    ("fn f$0() -> () { d.0: Dist<Real> = dist N%3() }", "there is no distribution %3"),
    ("fn f$0() ~> () { factor w#0 ~ 1.0 }", "there is no site #0"),
    ("site w#0: factor ()\nfn f$0() -> () { factor w#0 ~ 1.0 }", "factor in a deterministic function"),
    (
        "site x#0: sample Real\nfn f$0(d.0: Dist<Real>) -> () { x.1: Real = sample x#0 ~ d.0 }",
        "sample in a deterministic",
    ),
    ("site x#0: observe Real\nfn f$0(d.0: Dist<Real>) -> () { observe x#0 ~ d.0 = 1.0 }", "observe in a deterministic"),
    ("fn f$0() -> () { x.0: () = g$1() }\nfn g$1() ~> () {}", "a random call in a deterministic function"),
    ("fn f$0(g.0: () ~> ()) -> () { x.1: () = apply g.0() }", "a random call in a deterministic function"),
    ("site x#0: sample Real\nfn f$0() ~> () { factor x#0 ~ 1.0 }", "site #0 is for Sample, used for Factor"),
    (
        "site x#0: sample Int\nfn f$0(d.0: Dist<Real>) ~> () { x.1: Real = sample x#0 ~ d.0 }",
        "of type Int, used at Real",
    ),
    (
        "site x#0: observe Real\nfn f$0(d.0: Dist<Real>) ~> () { observe x#0 ~ d.0 = 1 }",
        "found Int for the observed value",
    ),
    ("site w#0: factor ()\nfn f$0() ~> () { factor w#0 ~ true }", "expected Real, found Bool for a weight"),
    ("site w#0: factor ()\nfn f$0() ~> () { factor w#0[1.0] ~ 1.0 }", "expected Int, found Real for a path"),
    ("fn f$0(c.0: Bool) -> Int { if c.0 { x.1: Int = 1 } else {} => x.1 }", "x.1 is not in scope"),
    ("fn f$0(c.0: Int) -> () { if c.0 {} else {} }", "expected Bool, found Int for a condition"),
    ("fn f$0(c.0: Bool) -> Int { x.1: Int = if c.0 { => 1 } else { => true } => x.1 }", "for the value of a branch"),
    ("fn f$0() -> () { for i.0 in 0 .. 1.5 {} }", "expected Int, found Real for the end of a loop"),
    ("fn f$0() -> () { for i.0: Real in 0 .. 1 {} }", "expected Int, found Real for a loop variable"),
    ("fn f$0() -> () { while { => 1 } do {} }", "for the condition of a loop"),
    ("fn f$0(t.0: (Int, Real)) -> Real { x.1: Real = t.0.2 => x.1 }", "(Int, Real) has no field 2"),
    ("fn f$0() -> () { t.0: (Int, Int) = tuple(1, true) }", "expected (Int, Int), found (Int, Bool) for t.0"),
    ("fn f$0() -> () { a.0: [Int] = array(1, 2.0) }", "expected Int, found Real for an element"),
    ("fn f$0() -> () { a.0: Real = array(1.0) }", "a array is bound to a variable of type Real"),
    ("fn f$0() -> () { a.0: [Real] = build i.1 < 3 { => i.1 } }", "expected [Real], found [Int] for a.0"),
    ("fn f$0() -> () { var a.0: [Int] = const([1]: [Int]) a.0[0] := 1.0 }", "found Real for an update of a.0"),
    ("fn f$0() -> () { var a.0: Int = 1 a.0[0] := 1 }", "a step into a value of type Int"),
    ("fn f$0(a.0: [Real]) -> () { b.1: [Real] = lift AddR(1.0, 2.0) }", "expected an array among the operands"),
    ("fn f$0(a.0: [Real], m.1: Matrix) -> () { b.2: [Real] = lift AddR(a.0, m.1) }", "operands of different shapes"),
    ("fn f$0() -> () { x.0: Int = y@3 }", "there is no global @3"),
    ("data y@0: [Real] = [1, 2]", "data y@0: the value is no [Real]"),
    ("fn f$0() -> () { x.0: [Int] = const([1.0]: [Int]) }", "the constant [1.0] is no [Int]"),
    ("fn f$0() -> () { x.0: Int = apply 3() }", "expected a function, found Int"),
    (
        "fn f$0() -> () { g.0: () -> () = closure g$1[] }\nfn g$1() captures (x.0: Int) -> () {}",
        "the closure of g takes 1",
    ),
    ("fn f$0() -> () { g.0: () = g$1() }\nfn g$1() captures (x.0: Int) -> () {}", "is called without a closure"),
    ("fn f$0() captures (var x.0: Int) -> () { x.0 := 1 }", "x.0 is captured and mutable"),
    ("fn f$0() -> () { x.0: Real = member logp of 3.0 (1.0) }", "expected a distribution, found Real"),
    ("fn f$0(d.0: Dist<Real>) -> () { x.1: Real = member mode of d.0 () }", "distributions have no member mode"),
    ("dist D%0(p: Real) over Real { logp = f$0 }\nfn f$0(x.0: Real) -> Real { => x.0 }", "logp: $0 has the wrong type"),
    (
        "dist D%0() over Real { logp = f$0 }\nfn f$0(x.0: Real) ~> Real { => x.0 }",
        "dist D%0: logp: $0 must be deterministic",
    ),
    (
        "type T#9002 = A() | B(Int)\nfn f$0(t.0: T#9002) -> () { x.1: () = switch t.0 { A#0 {} } }",
        "no arm for constructor #1",
    ),
    (
        "type T#9002 = A() | B(Int)\nfn f$0() -> () { t.0: T#9002 = variant B#1(2.0) }",
        "found Real for an argument of B",
    ),
    (
        "type T#9002 = A() | B(Int)\nfn f$0(t.0: T#9002) -> () { x.1: Int = payload(t.0, A#0, 0) }",
        "no constructor #0 with",
    ),
];

#[test]
fn the_checker_rejects_each_wrong_program_for_its_reason() {
    for (text, wanted) in WRONG {
        let messages = check(&read(text));
        assert!(messages.iter().any(|m| m.contains(wanted)), "{text}\nwanted: {wanted}\nfound: {messages:#?}");
    }
}

#[test]
fn parse_errors_name_the_line() {
    let cases = [
        ("fn f$1() -> () {}", 1, "expected fn number 0, found number 1"),
        ("\n\nfn f$0() -> Rea l", 3, "expected {, found l"),
        ("data x@0: Int = [1, 2.0]", 1, "[…] holds numbers or booleans of one type"),
        ("data x@0: Int = 99999999999999999999", 1, "99999999999999999999 is not a number"),
        ("data x@0: Matrix = matrix(2, 2)[1.0]", 1, "rows times columns"),
        ("fn f$0() -> () {\n x.0: () = frob(1)\n}", 2, "expected an expression, found frob"),
        ("data x@0: String = \"abc", 1, "a string does not end"),
        ("fn f$0() -> () { x.99999999: Int = 1 }", 1, "variable number 99999999 is too large"),
        ("§", 1, "unexpected character '§'"),
    ];
    for (text, line, message) in cases {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, line, "{text}: {error}");
        assert!(error.message.contains(message), "{text}: {error}");
    }
    let deep = format!("data x@0: {}Int", "[".repeat(100_000));
    assert!(parse(&deep).unwrap_err().message.contains("nested deeper"));
}

#[test]
fn two_choices_of_one_name_and_path_clash() {
    let program = |second: &str| {
        format!(
            "entry m$0\nsite x#0: sample Real named\nsite x#1: sample Real named\n\
             fn m$0(d.0: Dist<Real>, c.1: Bool, i.2: Int) ~> () {{ a.3: Real = sample x#0[i.2] ~ d.0 {second} }}"
        )
    };
    let clashes = |text: &str| {
        let mut program = read(&program(text));
        let found = run_all(&mut program, &context(), true);
        found.into_iter().map(|d| d.message).collect::<Vec<_>>()
    };
    assert_eq!(clashes("b.4: Real = sample x#1[i.2] ~ d.0"), ["two choices share the name x"]);
    assert!(clashes("b.4: Real = sample x#1[0] ~ d.0").is_empty());
    assert!(clashes("b.4: Real = sample x#1 ~ d.0").is_empty());
    // Only when the branch is taken, so it is for the run to find out.
    assert!(clashes("if c.1 { b.4: Real = sample x#1[i.2] ~ d.0 } else {}").is_empty());
}

#[test]
fn choices_are_forward_only_exactly_when_no_weight_can_depend_on_them() {
    let text = std::fs::read_to_string("tests/cases/core/addresses.core").unwrap();
    let mut program = read(&text);
    run_all(&mut program, &context(), true);
    let forward: Vec<&str> = program.sites.iter().filter(|s| s.forward_only).map(|s| s.name.as_str()).collect();
    assert_eq!(forward, ["x", "later", "last"]);
}

#[test]
fn hundreds_of_functions_take_little_time_and_bounded_space() {
    // Each calls the one before twice: inlining without a budget would double the code at every step.
    let mut text = String::from("entry f$0\n");
    for i in 0..400 {
        text.push_str(&format!(
            "fn f${i}(x.0: Real) -> Real {{ a.1: Real = f${0}(x.0) b.2: Real = NegR(a.1) c.3: Real = f${0}(b.2) \
             d.4: Real = MulR(c.3, a.1) => d.4 }}\n",
            i + 1
        ));
    }
    text.push_str("fn f$400(x.0: Real) -> Real { a.1: Real = DivR(1.0, x.0) => a.1 }");
    let mut program = read(&text);
    let wanted = evaluate(&read(&text.replace("entry f$0", "entry f$390")), FuncId(390), &[Value::Real(1.25)]);
    let started = std::time::Instant::now();
    assert!(run_all(&mut program, &context(), false).is_empty());
    println!("{:?} for 400 functions", started.elapsed());
    assert_eq!(check(&program), Vec::<String>::new());
    assert!(print(&program).lines().count() < 40 * 400);
    // The functions near the end of the chain still compute the same.
    let mut short = read(&text.replace("entry f$0", "entry f$390"));
    run_all(&mut short, &context(), true);
    assert_eq!(evaluate(&short, short.entry.unwrap(), &[Value::Real(1.25)]), wanted);
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500, rng_seed: RngSeed::Fixed(1), failure_persistence: None, ..ProptestConfig::default()
    })]

    #[test]
    fn the_passes_keep_what_programs_compute(
        tape in proptest::collection::vec(any::<u32>(), 0..400), x in -2.0..2.0f64, k in -1i64..4,
    ) {
        let text = support::core_programs::program(&tape);
        let before = read(&text);
        prop_assert_eq!(check(&before), Vec::<String>::new(), "{}", text);
        let args = [Value::Real(x), Value::Int(k)];
        let wanted = evaluate(&before, FuncId(0), &args);
        let mut after = before.clone();
        for pass in PASSES {
            (pass.run)(&mut after, &context());
            prop_assert_eq!(check(&after), Vec::<String>::new(), "after {}\n{}", pass.name, print(&after));
            let printed = print(&after);
            prop_assert_eq!(print(&read(&printed)), printed);
            let found = evaluate(&after, after.entry.unwrap(), &args);
            match (&wanted, &found) {
                (Err(Stop::Overflow | Stop::Fuel), _) => {}
                (Ok(a), Ok(b)) => prop_assert_eq!(bits(a), bits(b), "after {}\n{}\n{}", pass.name, text, print(&after)),
                (a, b) => prop_assert_eq!(a, b, "after {}\n{}\n{}", pass.name, text, print(&after)),
            }
        }
    }
}

/// A value by the bits of its reals; every NaN is one.
fn bits(value: &Value) -> Vec<u64> {
    match value {
        Value::Reals(xs) => xs.iter().map(|x| if x.is_nan() { 0x7ff8 << 48 } else { x.to_bits() }).collect(),
        other => panic!("the programs give arrays, not {other:?}"),
    }
}
