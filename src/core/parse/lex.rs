//! Cuts the text of Core into tokens.

use super::CoreParseError;

/// A token of the text form.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    Word(&'a str),
    /// `name` sigil `number`; the name may be missing.
    Ref(String, char, u32),
    Int(i64),
    Real(f64),
    Text(String),
    Mark(&'static str),
    End,
}

/// Marks, the longer before their prefixes.
const MARKS: &[&str] =
    &[":=", "=>", "->", "~>", "..", "(", ")", "{", "}", "[", "]", ",", ":", "=", "~", "<", ">", "|", "."];

/// The tokens of a text, each with its line counted from 1; the last is [`Token::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<(Token<'_>, u32)>, CoreParseError> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut all: Vec<(Token<'_>, u32)> = Vec::new();
    loop {
        // After a lone point stands the number of a field: `a.0.1` has no decimal fraction.
        let field = matches!(all.last(), Some((Token::Mark("."), _)));
        lexer.skip_space();
        let line = lexer.line;
        let token = lexer.token(field)?;
        let end = token == Token::End;
        all.push((token, line));
        if end {
            return Ok(all);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error<T>(&self, message: impl Into<String>) -> Result<T, CoreParseError> {
        Err(CoreParseError { line: self.line, message: message.into() })
    }

    fn skip_space(&mut self) {
        loop {
            let rest = self.rest();
            if rest.starts_with("//") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if let Some(c) = rest.chars().next().filter(|c| c.is_whitespace()) {
                self.line += u32::from(c == '\n');
                self.at += c.len_utf8();
            } else {
                return;
            }
        }
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c| !keep(c)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    fn token(&mut self, field: bool) -> Result<Token<'a>, CoreParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Token::End) };
        if first == '"' {
            let text = self.string()?;
            return Ok(match self.reference()? {
                Some((sigil, number)) => Token::Ref(text, sigil, number),
                None => Token::Text(text),
            });
        }
        if first.is_ascii_alphabetic() || first == '_' {
            let word = self.take_while(|c| c.is_ascii_alphanumeric() || c == '_');
            if let Some((sigil, number)) = self.reference()? {
                return Ok(Token::Ref(word.to_string(), sigil, number));
            }
            return Ok(match word {
                "inf" => Token::Real(f64::INFINITY),
                "nan" => Token::Real(f64::NAN),
                _ => Token::Word(word),
            });
        }
        let digits_follow = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
        if digits_follow(rest) || (first == '-' && (digits_follow(&rest[1..]) || rest[1..].starts_with("inf"))) {
            return self.number(field);
        }
        if first != '.'
            && let Some((sigil, number)) = self.reference()?
        {
            return Ok(Token::Ref(String::new(), sigil, number));
        }
        match MARKS.iter().find(|mark| rest.starts_with(**mark)) {
            Some(mark) => {
                self.at += mark.len();
                Ok(Token::Mark(mark))
            }
            None => self.error(format!("unexpected character {first:?}")),
        }
    }

    /// The sigil and the number after a name, when both are there.
    fn reference(&mut self) -> Result<Option<(char, u32)>, CoreParseError> {
        let mut chars = self.rest().chars();
        let Some(sigil) = chars.next().filter(|c| matches!(c, '.' | '@' | '$' | '%' | '#' | '!')) else {
            return Ok(None);
        };
        if !chars.next().is_some_and(|c| c.is_ascii_digit()) {
            return Ok(None);
        }
        self.at += 1;
        let digits = self.take_while(|c| c.is_ascii_digit());
        match digits.parse() {
            Ok(number) => Ok(Some((sigil, number))),
            Err(_) => self.error(format!("the number {digits} is too large")),
        }
    }

    fn number(&mut self, field: bool) -> Result<Token<'a>, CoreParseError> {
        let rest = self.rest();
        let digits = |from: usize| from + rest[from..].find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len() - from);
        let start = usize::from(rest.starts_with('-'));
        if rest[start..].starts_with("inf") {
            self.at += start + 3;
            return Ok(Token::Real(f64::NEG_INFINITY));
        }
        let mut end = digits(start);
        let mut real = false;
        if !field && rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
            end = digits(end + 1);
            real = true;
        }
        if !field && rest[end..].starts_with(['e', 'E']) {
            let sign = usize::from(rest[end + 1..].starts_with(['-', '+']));
            end = digits(end + 1 + sign);
            real = true;
        }
        self.at += end;
        let text = &rest[..end];
        let parsed = if real { text.parse().ok().map(Token::Real) } else { text.parse().ok().map(Token::Int) };
        match parsed {
            Some(token) => Ok(token),
            None => self.error(format!("{text} is not a number")),
        }
    }

    fn string(&mut self) -> Result<String, CoreParseError> {
        let mut out = String::new();
        let start = self.at + 1;
        let mut chars = self.text[start..].char_indices();
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.at = start + i + 1;
                    return Ok(out);
                }
                '\\' => match chars.next().map(|(_, c)| c) {
                    Some('n') => out.push('\n'),
                    Some('r') => out.push('\r'),
                    Some('t') => out.push('\t'),
                    Some(c @ ('"' | '\\')) => out.push(c),
                    Some('u') => {
                        let code: String = chars.by_ref().map(|(_, c)| c).take_while(|c| *c != '}').skip(1).collect();
                        match u32::from_str_radix(&code, 16).ok().and_then(char::from_u32) {
                            Some(c) => out.push(c),
                            None => return self.error(format!("{code} is not the code of a character")),
                        }
                    }
                    _ => return self.error("unknown escape in a string"),
                },
                c => {
                    self.line += u32::from(c == '\n');
                    out.push(c);
                }
            }
        }
        self.error("a string does not end")
    }
}
