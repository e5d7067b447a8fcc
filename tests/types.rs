//! Programs with the types found for them, and wrong programs with what is said about them.

#[path = "support/types_library.rs"]
mod types_library;

#[path = "support/types_audit.rs"]
mod types_audit;

use borel::source::{Severity, SourceMap};
use borel::syntax::ast::{Ast, ItemKind, PatternKind, StmtKind};
use borel::syntax::parser::parse;
use borel::types::Checker;
use std::fmt::Write;
use types_library::TestLibrary;

/// The types of the items of a program, or what is wrong with it.
fn report(name: &str, text: &str) -> String {
    let mut ast = Ast::default();
    let mut sources = SourceMap::default();
    let file = sources.add(name, text);
    let (module, mut diagnostics) = parse(&mut ast, file, text);
    let mut checker = Checker::new(ast, sources, Box::new(TestLibrary));
    diagnostics.extend(checker.add_module(&module.items));
    let mut out = String::new();
    for diagnostic in &diagnostics {
        let _ = writeln!(out, "{}\n", diagnostic.render(&checker.sources, false).trim_end());
    }
    if diagnostics.iter().any(|d| d.severity == Severity::Error) {
        return out;
    }
    let instances = types_audit::audit(&mut checker, &module.items);
    assert!(instances < 1000);
    for item in module.items {
        let kind = checker.ast.item(item).kind.clone();
        match kind {
            ItemKind::Fn(decl) => {
                let shown = checker.type_of_item(decl.name.name.as_str()).unwrap_or_default();
                let _ = writeln!(out, "{}: {shown}", decl.name.name);
            }
            ItemKind::Dist(decl) => {
                let shown = checker.type_of_item(decl.name.name.as_str()).unwrap_or_default();
                let _ = writeln!(out, "{}: {shown}", decl.name.name);
            }
            ItemKind::Data { name, .. } => {
                let _ = writeln!(out, "{}: {}", name.name, checker.data_type(item));
            }
            ItemKind::Variant { constructors, .. } => {
                for constructor in constructors {
                    let shown = checker.type_of_item(constructor.name.name.as_str()).unwrap_or_default();
                    let _ = writeln!(out, "{}: {shown}", constructor.name.name);
                }
            }
            ItemKind::Stmt(stmt) => {
                let typed = checker.statement(item).expect("there were no errors");
                match &stmt.kind {
                    StmtKind::Let { pattern, .. } => {
                        if let PatternKind::Bind(name) = &checker.ast.pattern(*pattern).kind {
                            let ty = checker.global_type(name.bind).expect("it has a type");
                            let _ = writeln!(out, "{}: {ty}", name.name);
                        }
                    }
                    StmtKind::Var { name, .. } | StmtKind::Draw { name, .. } => {
                        let ty = checker.global_type(name.bind).expect("it has a type");
                        let _ = writeln!(out, "{}: {ty}", name.name);
                    }
                    StmtKind::Expr(value) => {
                        let text = checker.sources.text(checker.ast.expr(*value).span).to_owned();
                        let _ = writeln!(out, "{text}: {}", typed.types[value]);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    out
}

#[test]
fn programs_have_their_types() {
    insta::glob!("cases/types/*.borel", |path| {
        let text = std::fs::read_to_string(path).expect("the case can be read");
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let shown = report(&name, &text);
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(shown);
        });
    });
}

#[test]
fn wrong_programs_are_explained() {
    insta::glob!("cases/types/errors/*.borel", |path| {
        let text = std::fs::read_to_string(path).expect("the case can be read");
        let name = path.file_name().expect("a file has a name").to_string_lossy().into_owned();
        let shown = report(&name, &text);
        assert!(shown.contains("error") || shown.contains("warning"), "{name} is accepted:\n{shown}");
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(shown);
        });
    });
}

/// A session to which texts are added one after the other.
struct Session {
    checker: Checker,
    entries: usize,
}

impl Session {
    fn new() -> Session {
        let checker = Checker::new(Ast::default(), SourceMap::default(), Box::new(TestLibrary));
        Session { checker, entries: 0 }
    }

    fn parse(&mut self, text: &str) -> Vec<borel::syntax::ast::ItemId> {
        self.entries += 1;
        let file = self.checker.sources.add(format!("entry {}", self.entries), text);
        let (module, found) = parse(&mut self.checker.ast, file, text);
        assert!(found.is_empty(), "{found:?}");
        module.items
    }

    fn add(&mut self, text: &str) -> Vec<String> {
        let items = self.parse(text);
        self.checker.add_module(&items).into_iter().map(|d| d.message).collect()
    }

    fn type_of(&mut self, name: &str) -> String {
        self.checker.type_of_item(name).unwrap_or_default()
    }
}

#[test]
fn later_entries_hide_earlier_ones() {
    let mut session = Session::new();
    assert!(session.add("let k = 2\nfn f(x: Real) = x + k").is_empty());
    assert!(session.add("let k = \"text\"").is_empty());
    assert_eq!(session.type_of("k"), "String");
    assert_eq!(session.type_of("f"), "(x: Real) -> Real");
    assert!(session.add("fn mean(x: Int) = x").is_empty());
    assert_eq!(session.type_of("mean"), "(x: Int) -> Int");
    assert_eq!(session.add("mean([1.0])").len(), 1, "a definition of the session hides all of the library's");
    assert!(
        session.add("let k = [k]\nlet sd = sd([1, 2])").is_empty(),
        "a name means the earlier one in its own value"
    );
    assert_eq!((session.type_of("k"), session.type_of("sd")), ("[String]".into(), "Real".into()));
    assert_eq!(session.add("let new_name = new_name"), ["unknown name `new_name`"]);
}

#[test]
fn an_error_leaves_the_session_usable() {
    let mut session = Session::new();
    assert_eq!(session.add("let a = unknown_thing"), ["unknown name `unknown_thing`"]);
    assert!(session.add("let b = a + 1").is_empty(), "what follows from an error is not reported");
    assert!(session.add("let a = 1\nlet b = a + 1").is_empty());
    assert_eq!(session.type_of("b"), "Int");
}

#[test]
fn imported_files_are_seen_behind_their_name() {
    let mut session = Session::new();
    let items = session.parse("fn twice(x) = 2 * x\nlet base = 10\ntype Side = Left | Right");
    let (file, found) = session.checker.add_file(&items, &[]);
    assert!(found.is_empty());
    session.checker.add_import(Some(borel::source::intern("p")), file);
    assert!(session.add("let a = p.twice(1.5) + p.base\nlet s = p.Left").is_empty());
    assert_eq!(session.type_of("a"), "Real");
    assert_eq!(session.add("p.thrice(1)"), ["the imported file has no `thrice`"]);
    assert_eq!(session.add("twice(1)"), ["unknown name `twice`"]);
    assert!(session.add("import stats\nlet m = stats.mean([1, 2])").is_empty());
    assert_eq!(session.type_of("m"), "Real");
}

#[test]
fn statements_of_a_file_may_update_its_variables() {
    let mut session = Session::new();
    assert!(session.add("let total = 0.0\nfor x in [1, 2] {\n  total = total + x\n}").is_empty());
    assert_eq!(
        session.add("let n = 0\nfn f() {\n  n = 1\n}"),
        ["a function cannot assign `n`, which is a value of the whole file"]
    );
}

#[test]
fn long_chains_and_long_files_are_checked() {
    let mut session = Session::new();
    let chain = vec!["x"; 4000].join(" + ");
    assert!(session.add(&format!("fn f(x) = {chain}\nf(0.5)")).is_empty());
    let mut text = String::new();
    for i in 0..1000 {
        let _ =
            writeln!(text, "fn g{i}(x, k = 2) = if x > k {{ g{}(x - 1) + exp(x) }} else {{ x * {i} }}", (i + 1) % 1001);
    }
    text.push_str("fn g1000(x, k = 1) = x + k\nmodel m {\n  x ~ Normal(g0(1.5), 1)\n  return x\n}\n");
    assert_eq!(session.add(&text), [""; 0]);
    assert_eq!(session.type_of("m"), "() ~> Real");
}

#[test]
fn parameters_of_distributions_tell_their_types() {
    let mut session = Session::new();
    let items = session.parse("dist D(a: Positive, b, xs: [Real], v: c) on Real {\n  logp(x) = -x * a + b\n}");
    assert!(session.checker.add_module(&items).is_empty());
    let params = session.checker.dist_params(items[0]);
    let shown: Vec<String> = params.iter().map(|p| p.ty.map_or("open".into(), |ty| ty.to_string())).collect();
    assert_eq!(shown, ["Real", "open", "[Real]", "open"]);
}

#[test]
fn functions_that_call_generic_ones_twice_stay_small() {
    let mut session = Session::new();
    let mut text = String::from("fn h0(x) = x + 1\n");
    for i in 1..40 {
        let _ = writeln!(text, "fn h{i}(x) = h{}(x) + h{}(x + 1)", i - 1, i - 1);
    }
    assert_eq!(session.add(&text), [""; 0]);
    assert_eq!(session.add("let a = h3([1, 2])\nlet b = h39(1.5)"), [""; 0]);
    assert_eq!((session.type_of("a"), session.type_of("b")), ("[Int]".into(), "Real".into()));
}
