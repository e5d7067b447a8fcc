//! Expressions: from the flat rows of the grammar to trees, by precedence.

use super::Rule;
use super::tree::{Builder, Tree};
use crate::source::{Diagnostic, Span, intern};
use crate::syntax::ast::*;

/// What joins operands, with how tightly it binds.
#[derive(Clone, Copy)]
enum Joint {
    Prefix(UnaryOp),
    Infix(BinaryOp),
    Range { inclusive: bool },
    Pipe,
}

const PIPE: u8 = 10;
const OR: u8 = 20;
const AND: u8 = 30;
const COMPARISON: u8 = 40;
const RANGE: u8 = 50;
const SUM: u8 = 60;
const PRODUCT: u8 = 70;
const SIGN: u8 = 80;
const POWER: u8 = 90;

/// The joint of an infix operator as written, and how tightly it binds.
fn infix(symbol: &str) -> (Joint, u8) {
    match symbol {
        "|>" => (Joint::Pipe, PIPE),
        "||" => (Joint::Infix(BinaryOp::Or), OR),
        "&&" => (Joint::Infix(BinaryOp::And), AND),
        "==" => (Joint::Infix(BinaryOp::Eq), COMPARISON),
        "!=" => (Joint::Infix(BinaryOp::Ne), COMPARISON),
        "<" => (Joint::Infix(BinaryOp::Lt), COMPARISON),
        "<=" => (Joint::Infix(BinaryOp::Le), COMPARISON),
        ">" => (Joint::Infix(BinaryOp::Gt), COMPARISON),
        ">=" => (Joint::Infix(BinaryOp::Ge), COMPARISON),
        ".." => (Joint::Range { inclusive: false }, RANGE),
        "..=" => (Joint::Range { inclusive: true }, RANGE),
        "+" => (Joint::Infix(BinaryOp::Add), SUM),
        "-" => (Joint::Infix(BinaryOp::Sub), SUM),
        "*" => (Joint::Infix(BinaryOp::Mul), PRODUCT),
        "/" => (Joint::Infix(BinaryOp::Div), PRODUCT),
        "%" => (Joint::Infix(BinaryOp::Rem), PRODUCT),
        "@" => (Joint::Infix(BinaryOp::MatMul), PRODUCT),
        _ => (Joint::Infix(BinaryOp::Pow), POWER),
    }
}

/// A joint that waits for its right operand.
struct Waiting {
    joint: Joint,
    power: u8,
    span: Span,
}

/// An operand, with its place including the parentheses around it.
type Operand = (ExprId, Span);

/// The operands and joints of a row that are not joined yet.
#[derive(Default)]
struct Row {
    operands: Vec<Operand>,
    waiting: Vec<Waiting>,
}

impl Builder<'_> {
    /// The expression of an `expr`.
    pub(super) fn expr(&mut self, pair: Tree<'_>) -> ExprId {
        let mut row = Row::default();
        let mut inner = pair.into_inner().peekable();
        while let Some(part) = inner.next() {
            let span = self.span(&part);
            match part.as_rule() {
                Rule::prefix => {
                    let operator = if part.as_str() == "-" { UnaryOp::Neg } else { UnaryOp::Not };
                    row.waiting.push(Waiting { joint: Joint::Prefix(operator), power: SIGN, span });
                }
                Rule::infix => self.push_infix(&mut row, part.as_str(), span),
                Rule::call | Rule::index | Rule::field => self.push_postfix(&mut row, part, span),
                Rule::name | Rule::wild if inner.peek().is_some_and(|next| next.as_rule() == Rule::lambda_body) => {
                    if let Some(body) = inner.next() {
                        let operand = self.short_lambda(part, body);
                        row.operands.push(operand);
                    }
                }
                Rule::number if self.is_least_int(&part, &row) => {
                    let sign = row.waiting.pop().map_or(span, |sign| sign.span);
                    let whole = sign.to(span);
                    row.operands.push((self.ast.add_expr(whole, ExprKind::Int(i64::MIN)), whole));
                }
                _ => {
                    let operand = self.term(part);
                    row.operands.push((operand, span));
                }
            }
        }
        while !row.waiting.is_empty() {
            self.join(&mut row);
        }
        row.operands.pop().map_or_else(|| self.broken(), |(expr, _)| expr)
    }

    /// An expression in place of one that cannot be had; the grammar never leaves us here.
    fn broken(&mut self) -> ExprId {
        let span = Span::new(self.file, self.base, self.base);
        self.ast.add_expr(span, ExprKind::Error)
    }

    /// Whether a number is 2^63 under a minus sign: the one integer whose absolute value is not an integer.
    fn is_least_int(&self, number: &Tree<'_>, row: &Row) -> bool {
        let negated = matches!(row.waiting.last(), Some(Waiting { joint: Joint::Prefix(UnaryOp::Neg), .. }));
        negated && number.as_str().replace('_', "") == "9223372036854775808"
    }

    fn push_infix(&mut self, row: &mut Row, symbol: &str, span: Span) {
        let (joint, power) = infix(symbol);
        while let Some(top) = row.waiting.last() {
            let chained = top.power == power && matches!(power, COMPARISON | RANGE);
            if top.power < power || (power == POWER && top.power == POWER) {
                break;
            }
            if chained {
                self.chained(row, symbol, power, span);
            }
            self.join(row);
        }
        row.waiting.push(Waiting { joint, power, span });
    }

    /// Reports `a < b < c` and `a..b..c`.
    fn chained(&mut self, row: &Row, symbol: &str, power: u8, span: Span) {
        let diagnostic = match (row.operands.as_slice(), row.waiting.last()) {
            _ if power == RANGE => Diagnostic::error(span, "a range has two ends").here("a second `..`"),
            ([.., left, middle], Some(first)) => {
                let (left, middle, before) = (self.source(left.1), self.source(middle.1), self.source(first.span));
                let hint = format!("write `{left} {before} {middle} && {middle} {symbol} …`");
                Diagnostic::error(span, "comparisons cannot be chained")
                    .here(format!("expected `&&`, found `{symbol}`"))
                    .also(first.span, "the first comparison")
                    .hint(hint)
            }
            _ => Diagnostic::error(span, "comparisons cannot be chained"),
        };
        self.diagnostics.push(diagnostic);
    }

    /// Joins the last joint with its operands.
    fn join(&mut self, row: &mut Row) {
        let Some(Waiting { joint, span: at, .. }) = row.waiting.pop() else { return };
        let Some(right) = row.operands.pop() else { return };
        let (kind, span) = match joint {
            Joint::Prefix(operator) => (ExprKind::Unary(operator, right.0), at.to(right.1)),
            _ => {
                let Some(left) = row.operands.pop() else { return };
                let kind = match joint {
                    Joint::Infix(operator) => ExprKind::Binary(operator, at, left.0, right.0),
                    Joint::Range { inclusive } => ExprKind::Range { low: left.0, high: right.0, inclusive },
                    _ => ExprKind::Pipe { value: left.0, call: right.0 },
                };
                (kind, left.1.to(right.1))
            }
        };
        row.operands.push((self.ast.add_expr(span, kind), span));
    }

    /// Applies a call, an index or a field to the last operand.
    fn push_postfix(&mut self, row: &mut Row, part: Tree<'_>, at: Span) {
        let Some((target, before)) = row.operands.pop() else { return };
        let span = before.to(at);
        let kind = match part.as_rule() {
            Rule::call => ExprKind::Call { callee: target, args: part.into_inner().map(|arg| self.arg(arg)).collect() },
            Rule::index => ExprKind::Index(target, part.into_inner().map(|index| self.expr(index)).collect()),
            _ => match part.into_inner().next() {
                Some(name) => ExprKind::Field(target, self.ident(&name)),
                None => ExprKind::Error,
            },
        };
        row.operands.push((self.ast.add_expr(span, kind), span));
    }

    fn arg(&mut self, pair: Tree<'_>) -> Arg {
        let whole = self.span(&pair);
        let mut inner = pair.into_inner();
        let first = self.expr_or(inner.next(), whole);
        let Some(equals) = inner.next() else { return Arg { name: None, value: first } };
        let value = self.expr_or(inner.next(), whole);
        let (name, span) = (self.ast.expr(first).kind.clone(), self.ast.expr(first).span);
        match name {
            ExprKind::Name(name) => Arg { name: Some(Ident { name, span }), value },
            _ => {
                let at = self.span(&equals);
                self.diagnostics.push(
                    Diagnostic::error(at, "an argument is named by a single name")
                        .here("before this stands an expression")
                        .hint("to compare, write `==`"),
                );
                Arg { name: None, value }
            }
        }
    }

    /// `x => e` or `_ => e`
    fn short_lambda(&mut self, name: Tree<'_>, body: Tree<'_>) -> Operand {
        let at = self.span(&name);
        let span = at.to(self.span(&body));
        let kind = match name.as_rule() {
            Rule::wild => PatternKind::Wild,
            _ => PatternKind::Bind(self.ast.binder(intern(name.as_str().trim_end()), at)),
        };
        let pattern = self.ast.add_pattern(at, kind);
        let body = self.body(body);
        let params = vec![Param { pattern, ty: None, default: None }];
        (self.ast.add_expr(span, ExprKind::Lambda { params, body }), span)
    }

    /// What stands after `=>`; the pair holds it last.
    fn body(&mut self, pair: Tree<'_>) -> ExprId {
        match pair.into_inner().last() {
            Some(body) => self.body_part(body),
            None => self.broken(),
        }
    }

    fn body_part(&mut self, body: Tree<'_>) -> ExprId {
        if body.as_rule() == Rule::empty_block {
            let span = self.span(&body);
            self.ast.add_expr(span, ExprKind::Block(Block { span, stmts: Vec::new() }))
        } else {
            self.expr(body)
        }
    }

    /// An operand without its postfixes.
    fn term(&mut self, pair: Tree<'_>) -> ExprId {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => self.number(&pair),
            Rule::string => ExprKind::Str(self.string(&pair)),
            Rule::name => ExprKind::Name(intern(pair.as_str().trim_end())),
            Rule::constant => match pair.as_str().trim_end() {
                "true" => ExprKind::Bool(true),
                "false" => ExprKind::Bool(false),
                "inf" => ExprKind::Real(f64::INFINITY),
                _ => ExprKind::Real(f64::NAN),
            },
            Rule::paren => return self.paren(pair, span),
            Rule::lambda => {
                let mut inner = pair.into_inner();
                let params = inner.next().map_or_else(Vec::new, |params| self.params(params));
                let body = match inner.next() {
                    Some(body) => self.body_part(body),
                    None => self.broken(),
                };
                ExprKind::Lambda { params, body }
            }
            Rule::array => self.array(pair),
            Rule::record => self.record(pair),
            Rule::block => {
                let block = self.block(pair);
                ExprKind::Block(block)
            }
            Rule::if_expr => return self.if_expr(pair, span),
            Rule::match_expr => self.match_expr(pair),
            _ => ExprKind::Error,
        };
        self.ast.add_expr(span, kind)
    }

    fn paren(&mut self, pair: Tree<'_>, span: Span) -> ExprId {
        let mut parts: Vec<ExprId> = pair.into_inner().map(|part| self.expr(part)).collect();
        match parts.len() {
            0 => self.ast.add_expr(span, ExprKind::Unit),
            1 => parts.remove(0),
            _ => self.ast.add_expr(span, ExprKind::Tuple(parts)),
        }
    }

    /// A number of the grammar's `number`: an integer, or a real when it has a point or an exponent.
    pub(super) fn number(&mut self, pair: &Tree<'_>) -> ExprKind {
        let text = pair.as_str();
        let digits = if text.contains('_') { text.replace('_', "") } else { text.to_owned() };
        if digits.bytes().all(|byte| byte.is_ascii_digit()) {
            if let Ok(value) = digits.parse() {
                return ExprKind::Int(value);
            }
            self.diagnostics.push(
                Diagnostic::error(self.span(pair), "this integer does not fit in 64 bits")
                    .here(format!("the largest is {}", i64::MAX))
                    .hint(format!("write `{digits}.0` for a real number")),
            );
            return ExprKind::Error;
        }
        match digits.parse::<f64>() {
            Ok(value) if value.is_finite() => ExprKind::Real(value),
            _ => {
                self.diagnostics.push(
                    Diagnostic::error(self.span(pair), "this number is too large for a real")
                        .here(format!("the largest is {:e}", f64::MAX))
                        .hint("write `inf` for infinity"),
                );
                ExprKind::Error
            }
        }
    }

    /// The text of a string literal; escapes that do not exist are reported.
    pub(super) fn string(&mut self, pair: &Tree<'_>) -> String {
        let literal = pair.as_str().trim_end();
        let inner = literal.get(1..literal.len().saturating_sub(1)).unwrap_or("");
        if !inner.contains('\\') {
            return inner.to_owned();
        }
        let first = self.span(pair).start as usize + 1;
        let mut text = String::with_capacity(inner.len());
        let mut rest = inner;
        while let Some(slash) = rest.find('\\') {
            text.push_str(&rest[..slash]);
            let escape = &rest[slash..];
            let (value, length) = unescape(escape);
            if let Some(value) = value {
                text.push(value);
            } else {
                let start = first + (inner.len() - escape.len());
                let at = Span::new(self.file, start, start + length);
                self.diagnostics.push(Diagnostic::error(at, format!("unknown escape `{}`", &escape[..length])).hint(
                    "the escapes are \\n \\t \\\" \\\\ and \\u{…} with a hexadecimal code; write \\\\ for a backslash",
                ));
            }
            rest = &escape[length..];
        }
        text.push_str(rest);
        text
    }

    fn array(&mut self, pair: Tree<'_>) -> ExprKind {
        let mut exprs = Vec::new();
        let mut clauses = Vec::new();
        // The clauses bind names for the body, but the body comes first in the text and so in the arena.
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::for_clause => {
                    let mut parts = self.words_dropped(part);
                    let pattern = parts.next().map(|pattern| self.pattern(pattern, false));
                    let iter = parts.next().map(|iter| self.expr(iter));
                    if let (Some(pattern), Some(iter)) = (pattern, iter) {
                        clauses.push(Clause::For { pattern, iter });
                    }
                }
                Rule::if_clause => {
                    if let Some(cond) = self.words_dropped(part).next() {
                        clauses.push(Clause::If(self.expr(cond)));
                    }
                }
                _ => exprs.push(self.expr(part)),
            }
        }
        match (exprs.first(), clauses.is_empty()) {
            (Some(body), false) => ExprKind::Comprehension { body: *body, clauses },
            _ => ExprKind::Array(exprs),
        }
    }

    fn record(&mut self, pair: Tree<'_>) -> ExprKind {
        let mut spread: Option<(ExprId, Span)> = None;
        let mut fields: Vec<(Ident, ExprId)> = Vec::new();
        for entry in pair.into_inner() {
            let at = self.span(&entry);
            let is_spread = entry.as_rule() == Rule::spread;
            let mut inner = entry.into_inner();
            let Some(first) = inner.next() else { continue };
            if is_spread {
                let value = self.expr(first);
                if let Some((_, before)) = spread {
                    self.diagnostics.push(
                        Diagnostic::error(at, "a record is spread only once").also(before, "already spread here"),
                    );
                } else if let Some((field, _)) = fields.first() {
                    let before = field.span;
                    self.diagnostics.push(
                        Diagnostic::error(at, "`...` comes first in a record")
                            .also(before, "the fields after it replace those of the record that is spread"),
                    );
                }
                spread = spread.or(Some((value, at)));
                continue;
            }
            let name = self.ident(&first);
            let value = match inner.next() {
                Some(value) => self.expr(value),
                None => self.ast.add_expr(name.span, ExprKind::Name(name.name)),
            };
            fields.push((name, value));
        }
        ExprKind::Record { spread: spread.map(|(value, _)| value), fields }
    }

    fn block_expr(&mut self, pair: Tree<'_>) -> ExprId {
        let block = self.block(pair);
        self.ast.add_expr(block.span, ExprKind::Block(block))
    }

    /// A chain of `else if` becomes a tree from its end.
    fn if_expr(&mut self, pair: Tree<'_>, span: Span) -> ExprId {
        let mut arms: Vec<(u32, ExprId, ExprId)> = Vec::new();
        let mut otherwise = None;
        let mut pending: Option<(u32, ExprId)> = None;
        let mut start = span.start;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::kw_if => start = self.span(&part).start,
                Rule::expr => pending = Some((start, self.expr(part))),
                Rule::block => {
                    let block = self.block_expr(part);
                    match pending.take() {
                        Some((start, cond)) => arms.push((start, cond, block)),
                        None => otherwise = Some(block),
                    }
                }
                _ => {}
            }
        }
        for (start, cond, then) in arms.into_iter().rev() {
            let whole = Span { start, ..span };
            otherwise = Some(self.ast.add_expr(whole, ExprKind::If { cond, then, otherwise }));
        }
        otherwise.unwrap_or_else(|| self.broken())
    }

    fn match_expr(&mut self, pair: Tree<'_>) -> ExprKind {
        let whole = self.span(&pair);
        let mut inner = self.words_dropped(pair);
        let scrutinee = self.expr_or(inner.next(), whole);
        let mut arms = Vec::new();
        for arm in inner {
            let mut pattern = None;
            let mut guard = None;
            for part in arm.into_inner() {
                match part.as_rule() {
                    Rule::pattern => pattern = Some(self.pattern(part, true)),
                    Rule::guard => guard = self.words_dropped(part).next().map(|cond| self.expr(cond)),
                    _ => {
                        let body = self.body_part(part);
                        if let Some(pattern) = pattern {
                            arms.push(Arm { pattern, guard, body });
                        }
                    }
                }
            }
        }
        ExprKind::Match { scrutinee, arms }
    }
}

/// The character of the escape at the head of `text`, if there is one, and the escape's length.
fn unescape(text: &str) -> (Option<char>, usize) {
    let Some(letter) = text[1..].chars().next() else { return (None, 1) };
    let length = 1 + letter.len_utf8();
    match letter {
        'n' => (Some('\n'), length),
        't' => (Some('\t'), length),
        '"' | '\\' => (Some(letter), length),
        'u' => {
            let Some(code) = text[2..].strip_prefix('{') else { return (None, length) };
            let Some(end) = code.find('}') else { return (None, length) };
            let value = u32::from_str_radix(&code[..end], 16).ok().and_then(char::from_u32);
            (value.filter(|_| end <= 6), 3 + end + 1)
        }
        _ => (None, length),
    }
}
