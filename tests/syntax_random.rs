//! Random programs, random tokens and random bytes through the parser and the formatter, and programs of great depth.

use std::fmt::Write;
use std::time::{Duration, Instant};

use borel::source::{FileId, SourceMap};
use borel::syntax::ast::Ast;
use borel::syntax::dump::dump;
use borel::syntax::format::format;
use borel::syntax::parser::{is_incomplete, parse, parse_expression};
use proptest::prelude::*;

/// Writes a program by following a list of choices; when they run out, the shortest form is taken.
struct Author {
    choices: std::vec::IntoIter<u8>,
    out: String,
    /// Whether newlines end nothing here.
    free: bool,
    comments: usize,
}

impl Author {
    fn choose(&mut self, count: usize) -> usize {
        self.choices.next().map_or(0, |choice| usize::from(choice) % count)
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Blanks; in brackets or after an operator sometimes a newline or a comment.
    fn gap(&mut self, after_operator: bool) {
        let count = if self.free || after_operator { 12 } else { 4 };
        match self.choose(count) {
            0 => {}
            1 | 2 => self.put(" "),
            3 => self.put("   "),
            4..=8 => self.put("\n  "),
            9 | 10 => self.comment(),
            _ => {
                self.put("\n\n");
                self.comment();
            }
        }
    }

    fn comment(&mut self) {
        self.comments += 1;
        let _ = writeln!(self.out, " // c{}", self.comments);
    }

    fn name(&mut self) {
        const NAMES: [&str; 8] = ["x", "y", "tau", "Normal", "model", "a_long_name_of_something", "Leaf", "mu_2"];
        let name = NAMES[self.choose(NAMES.len())];
        self.put(name);
    }

    fn lower(&mut self) {
        const NAMES: [&str; 4] = ["x", "y", "tau", "a_long_name_of_something"];
        let name = NAMES[self.choose(NAMES.len())];
        self.put(name);
    }

    fn within(&mut self, free: bool, part: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.free, free);
        part(self);
        self.free = before;
    }

    fn list(&mut self, open: &str, close: &str, least: usize, mut part: impl FnMut(&mut Self)) {
        let count = least + self.choose(4);
        self.put(open);
        // The parts of a record stand in braces, where a newline may end something.
        self.within(close != "}", |author| {
            author.gap(true);
            for index in 0..count {
                if index > 0 {
                    author.gap(true);
                    author.put(",");
                    author.gap(true);
                }
                part(author);
            }
            author.gap(true);
        });
        self.put(close);
    }

    fn expr(&mut self, depth: usize) {
        if depth == 0 {
            return self.leaf();
        }
        match self.choose(24) {
            0..=2 => self.leaf(),
            3..=8 => {
                const OPERATORS: [&str; 17] =
                    ["+", "-", "*", "/", "^", "%", "@", "==", "<", "&&", "||", "|>", "+", "*", "..", "..=", "^"];
                self.operand(depth - 1);
                for _ in 0..=self.choose(3) {
                    self.gap(false);
                    let operator = OPERATORS[self.choose(OPERATORS.len())];
                    self.put(operator);
                    self.gap(true);
                    self.operand(depth - 1);
                }
            }
            9 => {
                let sign = ["-", "!"][self.choose(2)];
                self.put(sign);
                self.operand(depth - 1);
            }
            10..=12 => {
                self.operand(depth - 1);
                self.list("(", ")", 0, |author| {
                    if author.choose(3) == 1 {
                        author.put("k = ");
                    }
                    author.expr(depth - 1);
                });
            }
            13 => {
                self.operand(depth - 1);
                self.list("[", "]", 1, |author| author.expr(depth - 1));
            }
            14 => {
                self.operand(depth - 1);
                self.put(".field");
            }
            15 => self.list("[", "]", 0, |author| author.expr(depth - 1)),
            16 => self.list("(", ")", 2, |author| author.expr(depth - 1)),
            17 => {
                self.put("{");
                let spread = ["...base, ", ""][self.choose(2)];
                self.list(spread, "}", 1, |author| {
                    author.lower();
                    if author.choose(2) == 0 {
                        author.put(": ");
                        author.expr(depth - 1);
                    }
                });
            }
            18 => {
                self.put("[");
                self.within(true, |author| {
                    author.expr(depth - 1);
                    author.put(" for ");
                    author.pattern(1);
                    author.put(" in ");
                    author.expr(depth - 1);
                    if author.choose(2) == 1 {
                        author.gap(false);
                        author.put(" if ");
                        author.expr(depth - 1);
                    }
                });
                self.put("]");
            }
            19 => {
                match self.choose(3) {
                    0 => self.put("x => "),
                    1 => self.put("(x, (a, b): Real, k = 2) => "),
                    _ => self.put("() => "),
                }
                if self.choose(2) == 0 { self.block(depth - 1) } else { self.expr(depth - 1) }
            }
            20 => {
                self.put("if ");
                self.expr(depth - 1);
                self.put(" ");
                self.block(depth - 1);
                if self.choose(2) == 1 {
                    self.put(" else if x ");
                    self.block(depth - 1);
                }
                self.put(" else ");
                self.block(depth - 1);
            }
            21 => {
                self.put("match ");
                self.expr(depth - 1);
                self.put(" {");
                let count = 1 + self.choose(3);
                self.within(false, |author| {
                    for index in 0..count {
                        let separator = [", ", "\n", " // arm\n"][author.choose(3)];
                        author.put(if index == 0 { "\n" } else { separator });
                        author.pattern(2);
                        if author.choose(3) == 1 {
                            author.put(" if x > 0");
                        }
                        author.put(" => ");
                        if author.choose(3) == 1 { author.block(depth - 1) } else { author.expr(depth - 1) }
                    }
                });
                self.put("}");
            }
            22 => self.block(depth - 1),
            _ => self.list("(", ")", 0, |author| author.leaf()),
        }
    }

    fn operand(&mut self, depth: usize) {
        if self.choose(4) == 1 {
            return self.leaf();
        }
        self.put("(");
        self.within(true, |author| {
            author.gap(true);
            author.expr(depth);
            author.gap(false);
        });
        self.put(")");
    }

    fn leaf(&mut self) {
        const LEAVES: [&str; 8] = ["1", "2.5e-3", "true", "inf", "\"text // \\\" {\"", "()", "1_000", "{}"];
        match self.choose(14) {
            index @ 0..8 => self.put(LEAVES[index]),
            _ => self.name(),
        }
    }

    fn pattern(&mut self, depth: usize) {
        match self.choose(if depth == 0 { 3 } else { 7 }) {
            0 => self.put("_"),
            1 | 2 => self.lower(),
            3 => self.put("{x, y: (a, _)}"),
            4 => {
                self.put("(");
                self.pattern(depth - 1);
                self.put(", ");
                self.pattern(depth - 1);
                self.put(")");
            }
            5 => self.put("Node(l, Leaf(_))"),
            _ => self.put("-1"),
        }
    }

    fn block(&mut self, depth: usize) {
        let lines = self.choose(3) > 0;
        let count = self.choose(4);
        self.put("{");
        self.within(false, |author| {
            if lines {
                author.line_end();
            } else {
                author.put(" ");
            }
            for index in 0..count {
                author.stmt(depth);
                if lines {
                    author.line_end();
                } else if index + 1 < count {
                    author.put("; ");
                }
            }
        });
        self.put("}");
    }

    fn line_end(&mut self) {
        match self.choose(5) {
            0 | 1 => self.put("\n"),
            2 => self.put("\n\n\n  "),
            3 => self.comment(),
            _ => {
                self.comment();
                self.comment();
            }
        }
    }

    fn stmt(&mut self, depth: usize) {
        match self.choose(12) {
            0 => self.expr(depth),
            1 | 2 => {
                self.put("let ");
                self.pattern(1);
                self.put(" =");
                self.gap(true);
                self.expr(depth);
            }
            3 => {
                self.put("var s: Real = ");
                self.expr(depth);
            }
            4 => {
                self.put("h[t, 1].w = ");
                self.expr(depth);
            }
            5 | 6 => {
                self.lower();
                self.put("   ~ ");
                self.expr(depth);
            }
            7 => {
                self.put("observe ");
                self.expr(depth);
                self.put(" ~ ");
                self.expr(depth);
            }
            8 => {
                self.put("for ");
                self.pattern(1);
                self.put(" in ");
                self.expr(depth);
                self.put(" ");
                self.block(depth.saturating_sub(1));
            }
            9 => {
                self.put("while ");
                self.expr(depth);
                self.put(" ");
                self.block(depth.saturating_sub(1));
            }
            10 => {
                self.put("assert ");
                self.expr(depth);
            }
            _ => {
                self.put("fn f(x, k = 2) = ");
                self.expr(depth);
            }
        }
    }

    fn ty(&mut self, depth: usize) {
        match self.choose(if depth == 0 { 2 } else { 9 }) {
            0 => self.put("Real"),
            1 => self.put("()"),
            2 => {
                self.put("[");
                self.ty(depth - 1);
                self.put("]");
            }
            3 => {
                self.put("(");
                self.ty(depth - 1);
                self.put(") ~> ");
                self.ty(depth - 1);
            }
            4 => {
                self.put("Tree<");
                self.ty(depth - 1);
                self.put(">");
            }
            5 => {
                self.put("(");
                self.ty(depth - 1);
                self.put(", ");
                self.ty(depth - 1);
                self.put(") -> ");
                self.ty(depth - 1);
            }
            6 => self.put("Interval(0, 1 - a)"),
            7 => {
                self.put("{x: ");
                self.ty(depth - 1);
                self.put(", y: Int}");
            }
            _ => {
                self.put("((");
                self.ty(depth - 1);
                self.put(", Int)) -> a");
            }
        }
    }

    fn item(&mut self) {
        if self.choose(3) == 1 {
            self.put("/// documented\n");
        }
        match self.choose(9) {
            0..=2 => self.stmt(3),
            3 => {
                self.put("data y: ");
                self.ty(3);
            }
            4 => {
                self.put("fn g<a>(x: ");
                self.ty(2);
                self.put(", k = 2) -> ");
                self.ty(2);
                self.put(" ");
                self.block(3);
            }
            5 => {
                self.put("model m ");
                self.block(3);
            }
            6 => {
                self.put("type T<a> = A(");
                self.ty(2);
                self.put(") | B |\n  // c\n C(Int)");
            }
            7 => {
                self.put("test \"t\" ");
                self.block(3);
            }
            _ => {
                self.put("dist D(p: Positive) on Interval(0, p) {\n  logp(x) = ");
                self.expr(2);
                self.line_end();
                self.put("  sample = ");
                self.expr(2);
                self.put("}");
            }
        }
    }

    fn program(choices: Vec<u8>) -> String {
        let mut author = Author { choices: choices.into_iter(), out: String::new(), free: false, comments: 0 };
        for _ in 0..=author.choose(4) {
            author.item();
            author.line_end();
        }
        author.out
    }
}

/// Parses, and gives the dump, the formatted text and the messages.
fn read(text: &str) -> (String, String, Vec<String>) {
    let mut sources = SourceMap::default();
    let file = sources.add("random.borel", text);
    let mut ast = Ast::default();
    let (module, diagnostics) = parse(&mut ast, file, text);
    let messages = diagnostics.iter().map(|diagnostic| diagnostic.render(&sources, false)).collect();
    (dump(&ast, &module), format(&ast, &module, text), messages)
}

/// Rows of comparisons or ranges, and arguments named by expressions, are refused with reason.
fn refused(messages: &[String]) -> bool {
    let known = ["comparisons cannot be chained", "a range has two ends"];
    messages.iter().all(|message| known.iter().any(|known| message.contains(known)))
}

fn comments_of(text: &str) -> Vec<&str> {
    let mut found: Vec<&str> = text
        .lines()
        .filter_map(|line| line.rfind(" // c").map(|at| &line[at + 1..]).or(line.strip_prefix("// c").map(|_| line)))
        .map(str::trim)
        .collect();
    found.sort_unstable();
    found
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formatting_keeps_the_meaning(choices in prop::collection::vec(any::<u8>(), 0..400)) {
        let text = Author::program(choices);
        let (tree, tidy, messages) = read(&text);
        if !messages.is_empty() {
            prop_assert!(refused(&messages), "{text}\n{}", messages.join("\n"));
            return Ok(());
        }
        let (again, twice, messages) = read(&tidy);
        prop_assert!(messages.is_empty(), "{text}\n----\n{tidy}\n----\n{}", messages.join("\n"));
        prop_assert_eq!(&tree, &again, "{}\n----\n{}", text, tidy);
        prop_assert_eq!(&tidy, &twice, "{}", text);
        prop_assert_eq!(comments_of(&text), comments_of(&tidy), "{}\n----\n{}", text, tidy);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in any::<String>()) {
        read(&text);
        is_incomplete(&text);
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        read(&text);
        parse_expression(&mut Ast::default(), FileId(0), &text);
    }

    #[test]
    fn no_row_of_tokens_makes_the_parser_panic(tokens in prop::collection::vec(prop::sample::select(TOKENS), 0..60)) {
        let text: String = tokens.concat();
        read(&text);
        is_incomplete(&text);
        parse_expression(&mut Ast::default(), FileId(0), &text);
    }

    #[test]
    fn a_program_with_a_hole_is_explained(choices in prop::collection::vec(any::<u8>(), 0..200), hole in any::<u16>()) {
        let mut text = Author::program(choices);
        let mut at = usize::from(hole) % (text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        if at < text.len() {
            text.remove(at);
        }
        let (_, _, messages) = read(&text);
        for message in messages {
            // Words for people: no name of a rule of the grammar.
            for rule in ["_expr", "_stmt", "_decl", "_item", "pattern_", "EOI", "infix", "postfix"] {
                prop_assert!(!message.lines().next().unwrap_or("").contains(rule), "{message}");
            }
        }
    }
}

const TOKENS: &[&str] = &[
    "(", ")", "[", "]", "{", "}", "<", ">", ",", ";", ":", "\n", "\n", " ", " ", "=", "==", "=>", "->", "~>", "~",
    "|>", "|", "||", "&&", "..", "..=", "...", ".", "+", "-", "*", "/", "^", "!", "let ", "var ", "fn ", "model ",
    "dist ", "type ", "data ", "import ", "test ", "if ", "else ", "match ", "for ", " in ", "while ", "return ",
    "observe ", "assert ", "true", "inf", "x", "Leaf", "f", "1", "2.5", "1e9", "\"s\"", "\"", "// c\n", "/// d\n",
    "//! m\n", "_", " on ", " as ", "#", "'", "é", "\0", "\t", "\\",
];

/// How long the parser takes for a text, and its first message.
fn timed(text: &str) -> (Duration, String) {
    let start = Instant::now();
    let mut sources = SourceMap::default();
    let file = sources.add("deep.borel", text);
    let (_, diagnostics) = parse(&mut Ast::default(), file, text);
    let taken = start.elapsed();
    (taken, diagnostics.first().map_or(String::new(), |diagnostic| diagnostic.message.clone()))
}

#[test]
fn depth_and_length_are_bounded() {
    let n = 100_000;
    let nested = |open: &str, close: &str| format!("let x = {}1{}\n", open.repeat(n), close.repeat(n));
    let too_deep = [
        nested("(", ")"),
        nested("[", "]"),
        nested("f(", ")"),
        nested("{a: ", "}"),
        nested("-", ""),
        nested("!", ""),
        nested("x => ", ""),
        nested("if c { ", " }"),
        format!("let x = {}1\n", "if c { 1 } else ".repeat(n)),
        format!("data x: {}Real\n", "Real -> ".repeat(n)),
        format!("data x: {}Real{}\n", "Dist<".repeat(n), ">".repeat(n)),
        format!("data x: {}Real{}\n", "[".repeat(n), "]".repeat(n)),
        format!("model m {}{}\n", "{ for i in x ".repeat(n), "}".repeat(n)),
    ];
    for text in too_deep {
        let (taken, message) = timed(&text);
        assert_eq!(message, "expression nested too deeply", "{}", &text[..40]);
        assert!(taken < Duration::from_secs(10), "{taken:?} {}", &text[..40]);
    }
    let too_long = [
        format!("let x = 1{}\n", " + 1".repeat(n)),
        format!("let x = 1{}\n", " ^ 1".repeat(n)),
        format!("let x = 1{}\n", " + 1 * 2 - 3".repeat(n / 3)),
        format!("let x = f{}\n", "()".repeat(n)),
        format!("let x = r{}\n", ".a".repeat(n)),
        format!("let x = r{}\n", " |> f".repeat(n)),
        format!("let x = {}0{}\n", format!("({} +", "a + ".repeat(400)).repeat(20), ")".repeat(20)),
    ];
    for text in too_long {
        let (taken, message) = timed(&text);
        assert_eq!(message, "expression too long", "{}", &text[..40]);
        assert!(taken < Duration::from_secs(10), "{taken:?} {}", &text[..40]);
    }
    let unclosed = ["(", "[", "{", "f(", "{a: ", "\"", "match x { A => "];
    for open in unclosed {
        let (taken, message) = timed(&format!("let x = {}", open.repeat(n)));
        assert_ne!(message, "");
        assert!(taken < Duration::from_secs(10), "{open}: {taken:?}");
    }
}

#[test]
fn what_is_within_the_bounds_is_read() {
    let n = 480;
    let nested = |open: &str, close: &str| format!("let x = {}1{}\n", open.repeat(n), close.repeat(n));
    let programs = [
        nested("(", ")"),
        nested("[", "]"),
        nested("f(", ")"),
        nested("{a: ", "}"),
        nested("-", ""),
        nested("if c { ", " }"),
        format!("let x = {}1{}\n", "(x => ".repeat(n / 2), ")".repeat(n / 2)),
        nested("{ let y = ", "; y }"),
        format!("data x: {}Real{}\n", "Dist<".repeat(n), ">".repeat(n)),
        format!("let x = 1{}\n", " + 1".repeat(4_900)),
        format!("let x = 1{}\n", " ^ 1".repeat(4_900)),
        format!("let x = f{}\n", "()".repeat(4_900)),
        format!("let x = r{}\n", " |> f".repeat(4_900)),
        format!("let x = [{}]\n", "1, ".repeat(100_000)),
    ];
    for text in programs {
        let start = &text[..40];
        std::thread::Builder::new()
            .stack_size(64 << 20)
            .spawn({
                let text = text.clone();
                move || {
                    let (tree, tidy, messages) = read(&text);
                    assert_eq!(messages, Vec::<String>::new());
                    let (again, _, _) = read(&tidy);
                    assert!(tree == again);
                }
            })
            .expect("a thread")
            .join()
            .unwrap_or_else(|_| panic!("{start}"));
    }
}

#[test]
fn errors_of_a_long_file_are_found_quickly() {
    let mut text = String::new();
    for index in 0..2_000 {
        let _ = writeln!(text, "let a{index} = f(1, 2, [3, 4]) + ");
        let _ = writeln!(text, "fn g{index}(x) {{ x * 2 }}");
    }
    let (taken, message) = timed(&text);
    assert!(message.starts_with("expected an expression"), "{message}");
    assert!(taken < Duration::from_secs(20), "{taken:?}");
}

#[test]
fn an_error_in_a_large_item_is_found_quickly() {
    let numbers = format!("let x = [{}1 2]\n", "1.5, ".repeat(100_000));
    let statements = format!("model m {{\n{}  x ~\n}}\n", "  observe y ~ Normal(mu, s)\n".repeat(20_000));
    for text in [numbers, statements] {
        let (taken, message) = timed(&text);
        assert!(message.starts_with("expected"), "{message}");
        assert!(taken < Duration::from_secs(30), "{taken:?}");
    }
}

#[test]
fn line_ends_and_blanks_of_other_systems_change_nothing() {
    let text = "/// A model.\nmodel m {\n\tx ~ Normal(0, 1) // drawn\n\n\treturn {x}\n}\nlet y = f(1,\n  2)\n";
    let (tree, tidy, _) = read(text);
    for other in [
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        text.replace(' ', "\u{a0}").replace("///\u{a0}", "/// ").replace("A\u{a0}", "A "),
    ] {
        let (other_tree, other_tidy, messages) = read(&other);
        assert_eq!(messages, Vec::<String>::new());
        assert_eq!(tree, other_tree);
        assert_eq!(tidy, other_tidy.replace('\u{a0}', " "));
    }
}

#[test]
fn what_a_reader_at_the_prompt_leaves_open_is_incomplete() {
    let open =
        ["f(", "model m {", "let x =", "let x = 1 +", "[1,", "xs |>", "if x {\n  1", "/// about x", "x =>", "type T ="];
    let complete =
        ["", "x", "let x = 1", "f()", "}", "data x: Tree<Real>", "\"open", "x // c", "let x = a > b", "f(]", "1 )"];
    for text in open {
        assert!(is_incomplete(text), "{text}");
    }
    for text in complete {
        assert!(!is_incomplete(text), "{text}");
    }
}

#[test]
fn an_expression_is_read_by_itself() {
    let mut ast = Ast::default();
    let (expr, messages) = parse_expression(&mut ast, FileId(0), " logp(Normal(0, 1), 0) == -log(2) // c");
    assert!(messages.is_empty());
    let expr = expr.expect("it is one");
    assert_eq!(borel::syntax::dump::dump_expr(&ast, expr), "(== (logp (Normal 0 1) 0) (neg (log 2)))");
    for wrong in ["", "let x = 1", "1 +", "1 2", "f(", "1\n2", "{ return 1 }"] {
        let (expr, messages) = parse_expression(&mut ast, FileId(0), wrong);
        assert!(expr.is_none() && messages.len() == 1, "{wrong}: {messages:?}");
    }
}
