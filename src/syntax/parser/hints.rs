//! The habits of other languages, and how the same thing is said in Borel.

use super::Rule;
use super::explain::{Failure, KEYWORDS, Token, quote};
use crate::source::Diagnostic;

/// Words that begin a definition elsewhere, with ours.
const HEADS: [(&str, &str); 27] = [
    ("def", "fn f(x) { … }"),
    ("function", "fn f(x) { … }"),
    ("func", "fn f(x) { … }"),
    ("fun", "fn f(x) { … }"),
    ("define", "fn f(x) { … }"),
    ("lambda", "x => x + 1"),
    ("const", "let x = …"),
    ("val", "let x = …"),
    ("static", "let x = …"),
    ("mut", "var x = …"),
    ("struct", "type Point = {x: Real, y: Real}"),
    ("record", "type Point = {x: Real, y: Real}"),
    ("class", "type Point = {x: Real, y: Real}"),
    ("enum", "type Shape = Circle(Real) | Square(Real)"),
    ("switch", "match e { pattern => value, … }"),
    ("case", "match e { pattern => value, … }"),
    ("foreach", "for x in xs { … }"),
    ("until", "while !c { … }"),
    ("loop", "while true { … }"),
    ("unless", "if !c { … }"),
    ("use", "import stats"),
    ("from", "import stats"),
    ("include", "import \"file.borel\""),
    ("require", "import \"file.borel\""),
    ("using", "import stats"),
    ("distribution", "dist D(p: Real) on Real { … }"),
    ("param", "x ~ Normal(0, 1)"),
];

/// Symbols that are written otherwise here.
const SYMBOLS: [(&str, &str); 24] = [
    ("**", "^"),
    ("~~", "~"),
    ("===", "=="),
    ("!==", "!="),
    ("<>", "!="),
    ("&", "&&"),
    ("|", "||"),
    ("×", "*"),
    ("·", "*"),
    ("÷", "/"),
    ("−", "-"),
    ("–", "-"),
    ("≤", "<="),
    ("≥", ">="),
    ("≠", "!="),
    ("∼", "~"),
    ("→", "->"),
    ("⇒", "=>"),
    ("∈", "in"),
    ("“", "\""),
    ("”", "\""),
    ("‘", "\""),
    ("’", "\""),
    ("∧", "&&"),
];

/// A message for a known habit, if the failure is one.
pub(super) fn habit(failure: &Failure<'_>) -> Option<Diagnostic> {
    symbol(failure)
        .or_else(|| equals(failure))
        .or_else(|| colon(failure))
        .or_else(|| word(failure))
        .or_else(|| draw(failure))
        .or_else(|| head(failure))
        .or_else(|| number(failure))
        .or_else(|| arrow(failure))
        .or_else(|| line(failure))
}

/// The plain message with its hints replaced by one.
fn advise(failure: &Failure<'_>, hint: impl Into<String>) -> Option<Diagnostic> {
    let mut plain = failure.plain();
    plain.hints.clear();
    plain.labels.truncate(1);
    Some(plain.hint(hint))
}

fn say(failure: &Failure<'_>, message: impl Into<String>, here: impl Into<String>) -> Diagnostic {
    Diagnostic::error(failure.place(), message).here(here)
}

/// A name or number before the place of failure that can be shown in a hint, or `…`.
fn left(failure: &Failure<'_>) -> String {
    match failure.before(1) {
        Some(token) if token.is_word() || token.text.starts_with(|c: char| c.is_ascii_digit()) => token.text.to_owned(),
        _ => "…".to_owned(),
    }
}

fn symbol(failure: &Failure<'_>) -> Option<Diagnostic> {
    let text = failure.token()?.text;
    let name = left(failure);
    let unknown = |words: &str| say(failure, format!("{} is not an operator", quote(text)), words);
    Some(match text {
        ":=" => unknown("not part of the language")
            .hint(format!("write `let {name} = …` for a new name, `{name} = …` to assign a `var`")),
        "<-" => unknown("not part of the language").hint(format!(
            "write `{name} ~ …` to draw, `let {name} = …` to define, `{name} < -…` to compare with a negative number"
        )),
        "=~" => unknown("not part of the language").hint(format!("write `{name} ~ …` to draw")),
        "+=" | "-=" | "*=" | "/=" => {
            let operator = &text[..1];
            let error = unknown("not part of the language");
            if name == "target" {
                error.hint("to add to the log density, write `factor(…)`")
            } else {
                error.hint(format!("write `{name} = {name} {operator} …`, where `{name}` is a `var`"))
            }
        }
        "++" | "--" if failure.text(1).is_empty() || failure.text(1) == "\n" => {
            let operator = &text[..1];
            unknown("not part of the language")
                .hint(format!("write `{name} = {name} {operator} 1`, where `{name}` is a `var`"))
        }
        "#" => say(failure, "a comment begins with `//`", "expected `//`")
            .hint("write `// …`, or `/// …` to document what follows"),
        "'" | "`" => say(failure, "a text stands in double quotes", "expected `\"`").hint("write `\"…\"`"),
        "?" => {
            say(failure, "unexpected `?`", "not part of the language").hint("to choose, write `if c { a } else { b }`")
        }
        "$" | "\\" | "\\(" => {
            advise(failure, "a function without a name is written `x => …`").filter(|_| text != "$")?
        }
        "::" => advise(failure, "the parts of an import are written `module.name`")?,
        "|" if !failure.after_expression() => return None,
        "||" if !failure.after_expression() => {
            advise(failure, "a function without a name and arguments is written `() => …`")?
        }
        "\0" => say(failure, "a null byte", "a program is text"),
        _ => {
            if let Some((_, ours)) = SYMBOLS.iter().find(|(theirs, _)| *theirs == text) {
                return Some(say(
                    failure,
                    format!("expected `{ours}`, found {}", quote(text)),
                    format!("write `{ours}`"),
                ));
            }
            let first = text.chars().next().filter(|first| !first.is_ascii() && !first.is_alphanumeric())?;
            say(
                failure,
                format!("unexpected character `{first}` (U+{:04X})", u32::from(first)),
                "not part of the language",
            )
        }
    })
}

/// `=` where two things are compared, and `==` where one is defined.
fn equals(failure: &Failure<'_>) -> Option<Diagnostic> {
    let text = failure.token()?.text;
    let head = failure.head().map_or("", |token| token.text);
    if text == "==" && matches!(head, "let" | "var" | "fn" | "data" | "type" | "model") {
        return Some(say(failure, "expected `=`, found `==`", "`==` compares, `=` defines").hint("write `=`"));
    }
    if text != "=" {
        return None;
    }
    if head == "for" && !failure.after_expression() {
        let name = left(failure);
        return Some(
            say(failure, "expected `in`, found `=`", "expected `in`")
                .hint(format!("write `for {name} in 0..n {{ … }}`")),
        );
    }
    if head == "observe" {
        return advise(failure, "write `observe value ~ distribution`");
    }
    if failure.after_expression() {
        return Some(
            say(failure, "expected `==`, found `=`", "`=` defines, it does not compare").hint("to compare, write `==`"),
        );
    }
    None
}

fn colon(failure: &Failure<'_>) -> Option<Diagnostic> {
    if failure.token()?.text != ":" || !failure.after_expression() {
        return None;
    }
    let head = failure.head().map_or("", |token| token.text);
    let next = failure.text(1);
    if next.is_empty() || next == "\n" || matches!(head, "if" | "while" | "else" | "def") {
        return Some(
            say(failure, "expected a block, found `:`", "expected `{`").hint("a block stands in braces: `{ … }`"),
        );
    }
    if head == "for" || failure.open_bracket().is_some_and(|open| open.text == "[") {
        let (low, high) = (left(failure), next);
        return Some(
            say(failure, "a range is not written with `:`", "expected `..` or `..=`")
                .hint(format!("write `{low}..={high}` with the end, `{low}..{high}` without it; indices start at 0")),
        );
    }
    let name = failure.before(1).filter(|token| token.is_word())?;
    if failure.head() == Some(name) {
        return advise(
            failure,
            format!("write `let {name}: … = …` for a constant, `data {name}: …` for an input", name = name.text),
        );
    }
    None
}

/// Words of other languages between expressions and after them.
fn word(failure: &Failure<'_>) -> Option<Diagnostic> {
    let found = failure.token()?;
    let before = failure.before(1);
    let expected =
        |ours: &str| say(failure, format!("expected {ours}, found {}", quote(found.text)), format!("write {ours}"));
    let after = failure.after_expression();
    match found.text {
        _ if before.is_some_and(|token| token.text == "not") && !KEYWORDS.contains(&found.text) => {
            let at = failure.span(before?);
            Some(Diagnostic::error(at, "expected `!`, found `not`").here("write `!`"))
        }
        "and" | "or" | "mod" | "div" if after => {
            let ours = match found.text {
                "and" => "`&&`",
                "or" => "`||`",
                "mod" => "`%`",
                _ => "`/`",
            };
            Some(expected(ours))
        }
        "is" if after => Some(expected("`==`")),
        "elif" | "elsif" | "elseif" | "elsewhen" => Some(expected("`else if`")),
        "then" | "do" | "begin" => Some(expected("`{`").hint("a block stands in braces: `{ … }`")),
        "end" | "done" | "fi" if after || before.is_none_or(|token| token.text == "\n") => {
            Some(expected("`}`").hint("a block stands in braces: `{ … }`"))
        }
        "else" => {
            let error = say(failure, "`else` without an `if`", "nothing to choose from");
            Some(error.hint("write `if c { a } else { b }`, with `else` after the closing brace"))
        }
        "where" | "when" if after => Some(expected("`if`")),
        "mut" if before.is_some_and(|token| token.text == "let") => Some(expected("`var`")),
        _ if before.is_some_and(|token| token.text == "mut")
            && failure.head().is_some_and(|head| head.text == "let") =>
        {
            let at = failure.span(before?);
            Some(
                Diagnostic::error(at, "`mut` is not part of the language")
                    .here("not needed")
                    .hint(format!("write `var {} = …`", found.text)),
            )
        }
        _ => None,
    }
}

/// Statements that begin as in another language.
fn head(failure: &Failure<'_>) -> Option<Diagnostic> {
    let head = failure.head()?;
    let found = failure.token();
    let near = failure.before(1) == Some(head);
    let span = failure.span(head);
    let place = |message: String| Diagnostic::error(span, message).here("not part of the language");
    if near
        && found.is_some_and(|token| token.is_word() || matches!(token.text, "{" | "\""))
        && let Some((theirs, ours)) = HEADS.iter().find(|(theirs, _)| *theirs == head.text)
    {
        return Some(place(format!("`{theirs}` is not a keyword")).hint(format!("write `{ours}`")));
    }
    if let Some(before) = failure.before(1).filter(|before| before.text == "lambda") {
        return Some(
            Diagnostic::error(failure.span(before), "`lambda` is not a keyword")
                .here("not part of the language")
                .hint("write `x => x + 1`"),
        );
    }
    if let Some(token) = found.filter(|token| token.text == "fn" && failure.expected.is_empty()) {
        return Some(
            Diagnostic::error(failure.span(token), "expected an expression, found `fn`")
                .here("`fn` defines a function with a name")
                .hint("a function without a name is written `x => …` or `(x, y) => …`"),
        );
    }
    match head.text {
        "data" if near && found.is_some_and(|token| token.text == "{") => Some(
            Diagnostic::error(failure.place(), "expected a name, found `{`")
                .here("inputs do not stand in a block")
                .hint("declare each input by itself: `data n: Int`, `data y: [Real]`"),
        ),
        "parameters" | "transformed" | "generated" if near => Some(
            place(format!("`{}` is not a keyword", head.text))
                .hint("there are no blocks of parameters: draw them in the model, `model m { mu ~ Normal(0, 1) … }`"),
        ),
        "real" | "int" | "vector" | "matrix" | "double" | "float" | "string" | "bool"
            if found.is_some_and(|token| token.is_word()) =>
        {
            Some(
                place(format!("`{}` does not begin a declaration", head.text))
                    .hint("types stand after names: `data n: Int`, `let x: Real = …`; mostly they can be left out"),
            )
        }
        "observe" if failure.wants("~") => {
            let called = failure.before(1).is_some_and(|token| token.text == ")");
            let error = failure.plain();
            let hint = if called && failure.tokens.iter().any(|token| token.text == ",") {
                "`observe` is not called like a function: write `observe value ~ distribution`"
            } else {
                "write `observe value ~ distribution`"
            };
            Some(error.hint(hint))
        }
        "observe" if found.is_some_and(|token| token.text == ",") => {
            advise(failure, "write `observe value ~ distribution`")
        }
        "test" if near && found.is_some_and(|token| token.text == "{") => {
            advise(failure, "a test has a name: `test \"what it shows\" { … }`")
        }
        "while" | "if" if failure.wants("{") && failure.before(1).is_some_and(|token| token.text == "}") => {
            advise(failure, format!("a condition stands before the block: `{} c {{ … }}`", head.text))
        }
        "return" if near => advise(failure, "write `return ()` to return nothing"),
        "import" if near => {
            advise(failure, "write `import stats` for a module, `import \"file.borel\" as f` for a file")
        }
        "dist" if failure.wants("on") => advise(failure, "name the support: `dist D(p: Real) on Real { … }`"),
        "data" if failure.wants(":") => {
            let name = left(failure);
            advise(failure, format!("an input needs its type, such as `data {name}: Real` or `data {name}: [Real]`"))
        }
        "fn" | "model"
            if found.is_none() && failure.expected_words().contains("`{`") && !failure.after_expression() =>
        {
            let hint = match (failure.follows.starts_with('{'), head.text) {
                (true, _) => "put `{` at the end of this line",
                (_, "fn") => "write `fn f(x) = e` or `fn f(x) { … }`",
                _ => "write `model m { … }` or `model m(x) { … }`",
            };
            advise(failure, hint)
        }
        "model" | "fn" if failure.open_bracket().is_none() && found.is_some_and(|token| token.text == "=>") => {
            advise(failure, "write `fn f(x) = e` or `fn f(x) { … }`")
        }
        "fn" if near && found.is_some_and(|token| token.text == "(") => {
            advise(failure, "a function without a name is written `(x, y) => …`")
        }
        "fn" if failure.wants("(") && failure.rules.contains(&Rule::params) => {
            advise(failure, "write `fn f() { … }` for a function without arguments")
        }
        _ => None,
    }
}

fn number(failure: &Failure<'_>) -> Option<Diagnostic> {
    let found = failure.token()?;
    let before = failure.before(1);
    if found.text.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = found.text.trim_end_matches(|c: char| c.is_alphabetic() || c == '_');
        let rest = &found.text[digits.len()..];
        if !rest.is_empty() && !digits.is_empty() {
            let error = say(
                failure,
                format!("expected a number, found {}", quote(found.text)),
                "a name cannot begin with a digit",
            );
            return Some(error.hint(format!("to multiply, write `{digits} * {rest}`")));
        }
    }
    if found.text == "." {
        let next = failure.text(1);
        let glued = failure.tokens.get(failure.found + 1).is_some_and(|token| token.start == found.end());
        if glued && next.starts_with(|c: char| c.is_ascii_digit()) {
            let error = say(failure, "a number begins with a digit", "expected a digit before the point");
            return Some(error.hint(format!("write `0.{next}`")));
        }
    }
    let point = before.filter(|token| token.text == ".").and_then(|_| failure.before(2));
    if let Some(whole) = point.filter(|token| token.text.starts_with(|c: char| c.is_ascii_digit())) {
        let at = failure.span(whole).to(failure.span(before?));
        return Some(
            Diagnostic::error(at, "a number ends with a digit")
                .here("expected a digit after the point")
                .hint(format!("write `{}.0`", whole.text)),
        );
    }
    None
}

/// `x Normal(0, 1)`: a draw without its mark.
fn draw(failure: &Failure<'_>) -> Option<Diagnostic> {
    let found = failure.token()?;
    let name = failure.before(1)?;
    let capital = found.is_word() && found.text.starts_with(char::is_uppercase);
    if !capital || !name.ends_operand() || KEYWORDS.contains(&name.text) || failure.text(1) != "(" {
        return None;
    }
    let head = failure.head()?;
    let wanted = failure.wants("~") || (failure.after_expression() && head == name);
    wanted.then(|| {
        let what = match head.text {
            "let" => format!("let {} ~ {}(…)", name.text, found.text),
            "observe" => format!("observe … ~ {}(…)", found.text),
            _ => format!("{} ~ {}(…)", name.text, found.text),
        };
        say(failure, format!("expected `~`, found {}", quote(found.text)), "expected `~` before this").hint(
            format!("to draw from a distribution, write `{what}`")
                .replace("to draw from a distribution, write `observe", "write `observe"),
        )
    })
}

fn arrow(failure: &Failure<'_>) -> Option<Diagnostic> {
    let found = failure.token()?;
    match found.text {
        "->" if failure.wants("=>") || failure.after_expression() => Some(
            say(failure, "expected `=>`, found `->`", "`->` stands between types")
                .hint("arms and functions without names are written with `=>`"),
        ),
        "=>" if failure.wants("->") || failure.rules.contains(&Rule::arrow) => {
            Some(say(failure, "expected `->`, found `=>`", "`=>` stands before a value, `->` before a type"))
        }
        "," if failure.head().is_some_and(|head| head.text == "for") => {
            advise(failure, "to take a pair apart, write `for (x, y) in zip(xs, ys) { … }`")
        }
        _ => None,
    }
}

/// A line that begins with what should have ended the line before.
fn line(failure: &Failure<'_>) -> Option<Diagnostic> {
    let found = failure.token();
    let starts = failure.before(1).is_none_or(|token| matches!(token.text, "\n" | ";"));
    let operators = [
        "+", "*", "/", "^", "%", "@", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "..", "..=", "~", "=", ".", "->",
        "|>",
    ];
    if starts && found.is_some_and(|token| operators.contains(&token.text)) {
        let text = failure.text(0);
        let error =
            say(failure, format!("expected a statement, found `{text}`"), "a line cannot begin with an operator");
        return Some(error.hint(format!("to go on from the line above, end that line with `{text}`")));
    }
    if starts && found.is_some_and(|token| token.text == "{") {
        return None;
    }
    let ended = found.is_none_or(|token| token.text == "\n");
    if ended && failure.expected_words().contains("`{`") {
        let next = failure.text(1);
        let hint = if next == "{" || (found.is_none() && failure.follows.starts_with('{')) {
            "put `{` at the end of this line"
        } else {
            "a block stands in braces: `{ … }`"
        };
        return advise(failure, hint);
    }
    let separator = found.is_some_and(|token: Token<'_>| token.text == "\n") && failure.wants(",");
    if separator && failure.open_bracket().is_some_and(|open| open.text == "{") {
        return advise(failure, "the fields of a record are separated by commas");
    }
    None
}
