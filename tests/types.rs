//! Programs with the types found for them, and wrong programs with what is said about them.

#[path = "support/types_library.rs"]
mod types_library;

#[path = "support/types_audit.rs"]
mod types_audit;

use borel::source::{Diagnostic, Severity, SourceMap};
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
        out.push_str(&describe(diagnostic, &checker.sources));
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

/// A diagnostic with the places it speaks of.
fn describe(diagnostic: &Diagnostic, sources: &SourceMap) -> String {
    let mut out = format!("{:?}: {}\n", diagnostic.severity, diagnostic.message).to_lowercase_first();
    for label in &diagnostic.labels {
        let place = sources.place(label.span).unwrap_or_else(|| "nowhere".into());
        let text = sources.text(label.span).replace('\n', " ");
        let _ = writeln!(out, "  {place}: `{text}` {}", label.text);
    }
    for hint in &diagnostic.hints {
        let _ = writeln!(out, "  hint: {hint}");
    }
    out
}

trait LowercaseFirst {
    fn to_lowercase_first(self) -> String;
}

impl LowercaseFirst for String {
    fn to_lowercase_first(self) -> String {
        let mut letters = self.chars();
        letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
    }
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
