//! Temporary: every program parses and checks against the library as it is written.

use borel::source::{Severity, SourceMap};
use borel::syntax::ast::Ast;
use borel::syntax::parser::parse;
use borel::types::{Checker, Library};
use std::collections::HashMap;
use std::sync::OnceLock;

const EXTRA: &[&str] = &[
    "fn iid(d: Dist<a>, n: Int) -> Dist<[a]>",
    "fn enumerate(m: () ~> a) -> Posterior<a>",
    "fn infer(m: () ~> a, draws: Int = 1000) ~> Posterior<a>",
    "fn mh(m: () ~> a, draws: Int = 1000, warmup: Int = 1000, chains: Int = 4) ~> Posterior<a>",
    "fn smc(m: () ~> a, particles: Int = 1000) ~> Posterior<a>",
    "fn importance(m: () ~> a, particles: Int = 1000) ~> Posterior<a>",
    "fn rejection(m: () ~> a, draws: Int = 1000) ~> Posterior<a>",
    "fn log_evidence(p: Posterior<a>) -> Real",
    "fn mean(p: Posterior<a>, f: (a) -> Real) -> Real",
    "fn sd(p: Posterior<a>, f: (a) -> Real) -> Real",
    "fn prob(p: Posterior<a>, f: (a) -> Bool) -> Real",
    "fn quantile(p: Posterior<a>, f: (a) -> Real, q: Real) -> Real",
    "fn draws(p: Posterior<a>) -> [a]",
    "fn summary(p: Posterior<a>) -> String",
    "fn measure(m: () ~> a) -> [(a, Real)]",
];

type Files = HashMap<String, Vec<(&'static str, &'static str)>>;

fn files() -> &'static Files {
    static FILES: OnceLock<Files> = OnceLock::new();
    FILES.get_or_init(|| {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("stdlib");
        let mut files = Files::new();
        let mut folders = vec![root];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let text: &'static str = std::fs::read_to_string(&path).unwrap().leak();
                let shown: &'static str = path.display().to_string().leak();
                for line in text.lines() {
                    let mut words = line.split([' ', '(', '<', '=', ':']);
                    match words.next() {
                        Some("fn" | "dist" | "let" | "model" | "type") => {
                            let name = words.next().unwrap_or("").to_owned();
                            files.entry(name).or_default().push((shown, text));
                            if line.starts_with("type Option") {
                                files.entry("Some".into()).or_default().push((shown, text));
                                files.entry("None".into()).or_default().push((shown, text));
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
        files
    })
}

struct Shipped;
impl Library for Shipped {
    fn defining(&self, name: &str) -> Vec<(&'static str, &'static str)> {
        files().get(name).cloned().unwrap_or_default()
    }
    fn names(&self) -> Vec<&'static str> {
        files().keys().map(String::as_str).collect()
    }
    fn primitives(&self, name: &str) -> Vec<(u32, &'static str, bool)> {
        let extra = EXTRA.iter().enumerate().filter(|(_, s)| {
            s.trim_start_matches("fn ").split('(').next() == Some(name)
        });
        borel::prim::find(name)
            .map(|(i, row)| (i as u32, row.signature, row.elementwise))
            .chain(extra.map(|(i, s)| (10_000 + i as u32, *s, false)))
            .collect()
    }
    fn module(&self, _: &str) -> bool {
        false
    }
}

#[test]
fn programs_check() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut bad = 0;
    for folder in ["tests/oracles", "examples"] {
        let Ok(entries) = std::fs::read_dir(root.join(folder)) else { continue };
        let mut paths: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
        paths.sort();
        for path in paths.iter().filter(|p| p.extension().is_some_and(|e| e == "borel")) {
            let text = std::fs::read_to_string(path).unwrap();
            let mut ast = Ast::default();
            let mut sources = SourceMap::default();
            let file = sources.add(path.display().to_string(), text.as_str());
            let (module, mut diagnostics) = parse(&mut ast, file, &text);
            let mut checker = Checker::new(ast, sources, Box::new(Shipped));
            diagnostics.extend(checker.add_module(&module.items));
            for diagnostic in &diagnostics {
                println!("{}", diagnostic.render(&checker.sources, false));
                bad += usize::from(diagnostic.severity == Severity::Error);
            }
        }
    }
    assert_eq!(bad, 0);
}
