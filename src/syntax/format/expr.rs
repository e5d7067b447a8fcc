//! Expressions as text, with no parentheses but those that are needed or that the author set around operands.

use super::page::{Mark, Page};
use super::{Joined, Writer};
use crate::source::Span;
use crate::syntax::ast::*;

/// How tightly an expression binds; the numbers are those of the parser.
const LAMBDA: u8 = 0;
const PIPE: u8 = 10;
const RANGE: u8 = 50;
const SIGN: u8 = 80;
const POWER: u8 = 90;
/// An `if`, a `match` or a block: an operand, but nothing can be applied to it.
const BRACED: u8 = 95;
const ATOM: u8 = 100;

/// Arguments beside a function without a name may take this many columns to stay in its line.
const BESIDE: usize = 60;

fn power_of(operator: BinaryOp) -> u8 {
    match operator {
        BinaryOp::Or => 20,
        BinaryOp::And => 30,
        BinaryOp::Eq | BinaryOp::Ne | BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge => 40,
        BinaryOp::Add | BinaryOp::Sub => 60,
        BinaryOp::Mul | BinaryOp::Div | BinaryOp::Rem | BinaryOp::MatMul => 70,
        BinaryOp::Pow => POWER,
    }
}

/// The side of an operator on which an operand stands.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Right,
}

impl<'t> Writer<'t> {
    fn power(&self, expr: ExprId) -> u8 {
        match &self.ast.expr(expr).kind {
            ExprKind::Lambda { .. } => LAMBDA,
            ExprKind::Pipe { .. } => PIPE,
            ExprKind::Binary(operator, ..) => power_of(*operator),
            ExprKind::Range { .. } => RANGE,
            ExprKind::Unary(..) => SIGN,
            // The only literal with a sign.
            ExprKind::Int(i64::MIN) => SIGN,
            ExprKind::If { .. } | ExprKind::Match { .. } | ExprKind::Block(_) => BRACED,
            _ => ATOM,
        }
    }

    /// Whether the author set parentheses around an operand. Asked only of operands: around an argument the
    /// parentheses may be those of the call.
    fn was_wrapped(&self, span: Span) -> bool {
        let mut before = self.text.get(..span.start as usize).unwrap_or("").trim_end();
        while let Ok(comment) = self.comments.binary_search_by_key(&before.len(), |comment| comment.range.end) {
            before = before[..self.comments[comment].range.start].trim_end();
        }
        let mut after = self.text.get(span.end as usize..).unwrap_or("").trim_start();
        while after.starts_with("//") {
            after = after.find('\n').map_or("", |newline| after[newline..].trim_start());
        }
        before.ends_with('(') && after.starts_with(')')
    }

    /// An operand of an operator that binds with `power`.
    fn operand(&mut self, expr: ExprId, power: u8, side: Side) {
        let own = self.power(expr);
        let needed = match own {
            LAMBDA => true,
            _ if power == POWER && side == Side::Right => own < SIGN,
            _ if power == POWER => own <= POWER,
            SIGN if power == SIGN => true,
            _ if matches!(power, 40 | RANGE) || side == Side::Right => own <= power,
            _ => own < power,
        };
        let kept = own < ATOM && own != BRACED && self.was_wrapped(self.ast.expr(expr).span);
        self.maybe_wrapped(expr, needed || kept);
    }

    fn maybe_wrapped(&mut self, expr: ExprId, wrapped: bool) {
        if !wrapped {
            return self.expr(expr);
        }
        self.page.put(Mark::Open);
        self.put("(");
        self.page.put(Mark::Indent);
        self.page.put(Mark::Line(""));
        self.expr(expr);
        self.page.put(Mark::Dedent);
        self.page.put(Mark::Line(""));
        self.put(")");
        self.page.put(Mark::Close);
    }

    /// Where the first name or literal of an expression stands, within any parentheses.
    fn first_token(&self, expr: ExprId) -> usize {
        let mut first = expr;
        loop {
            first = match &self.ast.expr(first).kind {
                ExprKind::Binary(_, _, left, _) => *left,
                ExprKind::Range { low: left, .. } | ExprKind::Pipe { value: left, .. } => *left,
                ExprKind::Call { callee: left, .. } | ExprKind::Index(left, _) | ExprKind::Field(left, _) => *left,
                _ => break,
            };
        }
        self.expr_place(first).0
    }

    /// An expression after a word, where a comment between them needs parentheses: a newline would end the statement.
    pub(super) fn expr_after_word(&mut self, expr: ExprId) {
        let start = self.first_token(expr);
        let comment = self.comments.get(self.next).is_some_and(|comment| comment.range.start < start);
        self.maybe_wrapped(expr, comment);
    }

    pub(super) fn expr(&mut self, expr: ExprId) {
        let ast = self.ast;
        let Expr { span, kind } = ast.expr(expr);
        if self.comments.get(self.next).is_some_and(|comment| comment.range.start < span.end as usize) {
            self.flush(self.first_token(expr));
        }
        let close = (span.end as usize).saturating_sub(1);
        match kind {
            ExprKind::Name(name) => self.put(name.as_str()),
            ExprKind::Unit => {
                self.put("(");
                self.flush(close);
                self.put(")");
            }
            ExprKind::Array(parts) => {
                let fill = parts.iter().all(|part| self.is_literal(*part));
                self.exprs("[", "]", parts, close, fill);
            }
            ExprKind::Comprehension { body, clauses } => self.comprehension(*body, clauses, close),
            ExprKind::Range { low, high, inclusive } => {
                self.operand(*low, RANGE, Side::Left);
                self.put(if *inclusive { "..=" } else { ".." });
                self.operand(*high, RANGE, Side::Right);
            }
            ExprKind::Tuple(parts) => self.exprs("(", ")", parts, close, false),
            ExprKind::Record { spread, fields } => self.record(*spread, fields, close),
            ExprKind::Field(inner, name) => {
                self.target(*inner);
                self.put(".");
                self.put(name.name.as_str());
            }
            ExprKind::Index(inner, indices) => {
                self.target(*inner);
                self.exprs("[", "]", indices, close, false);
            }
            ExprKind::Unary(operator, inner) => {
                self.put(if *operator == UnaryOp::Neg { "-" } else { "!" });
                let nested = matches!(ast.expr(*inner).kind, ExprKind::Unary(UnaryOp::Not, _));
                if *operator == UnaryOp::Not && nested {
                    self.expr(*inner);
                } else {
                    self.operand(*inner, SIGN, Side::Right);
                }
            }
            ExprKind::Binary(operator, ..) => self.binary(expr, *operator),
            ExprKind::Pipe { .. } => self.pipes(expr),
            ExprKind::Call { callee, args } => {
                self.target(*callee);
                self.args(args, close);
            }
            ExprKind::Lambda { params, body } => self.lambda(params, *body),
            ExprKind::If { .. } => self.if_expr(expr),
            ExprKind::Match { scrutinee, arms } => self.match_expr(*scrutinee, arms, *span),
            ExprKind::Block(block) => self.block_expr(block, false),
            // Literals stay as they were written, and so does what did not parse.
            _ => self.put(self.source(*span)),
        }
    }

    fn is_literal(&self, expr: ExprId) -> bool {
        match &self.ast.expr(expr).kind {
            ExprKind::Int(_) | ExprKind::Real(_) | ExprKind::Bool(_) | ExprKind::Str(_) => true,
            ExprKind::Unary(_, inner) => self.is_literal(*inner),
            _ => false,
        }
    }

    pub(super) fn exprs(&mut self, open: &'t str, close: &'t str, exprs: &'t [ExprId], limit: usize, fill: bool) {
        let places: Vec<(usize, usize)> = exprs.iter().map(|expr| self.expr_place(*expr)).collect();
        self.list(open, close, &places, limit, fill, |writer, index| writer.expr(exprs[index]));
    }

    fn expr_place(&self, expr: ExprId) -> (usize, usize) {
        let span = self.ast.expr(expr).span;
        (span.start as usize, span.end as usize)
    }

    /// What is called, indexed or asked for a field.
    fn target(&mut self, expr: ExprId) {
        self.maybe_wrapped(expr, self.power(expr) < ATOM);
    }

    fn comprehension(&mut self, body: ExprId, clauses: &'t [Clause], close: usize) {
        self.page.put(Mark::Open);
        self.put("[");
        self.page.put(Mark::Indent);
        self.page.put(Mark::Line(""));
        self.expr(body);
        for clause in clauses {
            self.page.put(Mark::Line(" "));
            match clause {
                Clause::For { pattern, iter } => {
                    self.put("for ");
                    self.pattern(*pattern);
                    self.put(" in ");
                    self.expr(*iter);
                }
                Clause::If(cond) => {
                    self.put("if ");
                    self.expr(*cond);
                }
            }
        }
        self.flush(close);
        self.page.put(Mark::Dedent);
        self.page.put(Mark::Line(""));
        self.put("]");
        self.page.put(Mark::Close);
    }

    fn record(&mut self, spread: Option<ExprId>, fields: &'t [(Ident, ExprId)], close: usize) {
        let mut places: Vec<(usize, usize)> = Vec::with_capacity(fields.len() + 1);
        if let Some(spread) = spread {
            places.push(self.expr_place(spread));
        }
        let skip = places.len();
        places.extend(fields.iter().map(|(name, value)| (name.span.start as usize, self.expr_place(*value).1)));
        self.list("{", "}", &places, close, false, |writer, index| match (index.checked_sub(skip), spread) {
            (None, Some(spread)) => {
                writer.put("...");
                writer.expr(spread);
            }
            (Some(index), _) => {
                let (name, value) = &fields[index];
                writer.put(name.name.as_str());
                if !matches!(writer.ast.expr(*value).kind, ExprKind::Name(value) if value == name.name) {
                    writer.put(": ");
                    writer.expr(*value);
                }
            }
            _ => {}
        });
    }

    /// A row of operators of one strength, broken after operators where it is too long.
    fn binary(&mut self, expr: ExprId, operator: BinaryOp) {
        let power = power_of(operator);
        if operator == BinaryOp::Pow {
            return self.powers(expr);
        }
        let chains = power != 40;
        let mut rest: Vec<(BinaryOp, ExprId)> = Vec::new();
        let mut at = expr;
        while let ExprKind::Binary(operator, _, left, right) = &self.ast.expr(at).kind {
            let inner = at != expr && self.was_wrapped(self.ast.expr(at).span);
            if power_of(*operator) != power || inner || (at != expr && !chains) {
                break;
            }
            rest.push((*operator, *right));
            at = *left;
        }
        self.page.put(Mark::Open);
        self.operand(at, power, Side::Left);
        self.page.put(Mark::Indent);
        for (operator, right) in rest.into_iter().rev() {
            self.put(" ");
            self.put(operator.symbol());
            self.page.put(Mark::Fill);
            self.operand(right, power, Side::Right);
        }
        self.page.put(Mark::Dedent);
        self.page.put(Mark::Close);
    }

    /// `a ^ b ^ c`, which leans to the right.
    fn powers(&mut self, expr: ExprId) {
        let mut at = expr;
        let mut first = true;
        while let ExprKind::Binary(BinaryOp::Pow, _, left, right) = &self.ast.expr(at).kind {
            if !first && self.was_wrapped(self.ast.expr(at).span) {
                break;
            }
            self.operand(*left, POWER, Side::Left);
            self.put(" ^ ");
            at = *right;
            first = false;
        }
        self.operand(at, POWER, Side::Right);
    }

    /// A row of pipes: in one line, or one a line.
    fn pipes(&mut self, expr: ExprId) {
        let mut calls = Vec::new();
        let mut at = expr;
        while let ExprKind::Pipe { value, call } = &self.ast.expr(at).kind {
            if at != expr && self.was_wrapped(self.ast.expr(at).span) {
                break;
            }
            calls.push(*call);
            at = *value;
        }
        self.page.put(Mark::Open);
        self.operand(at, PIPE, Side::Left);
        self.page.put(Mark::Indent);
        for call in calls.into_iter().rev() {
            self.flush(self.first_token(call));
            self.page.put(Mark::Line(" "));
            self.put("|> ");
            self.operand(call, PIPE, Side::Right);
        }
        self.page.put(Mark::Dedent);
        self.page.put(Mark::Close);
    }

    fn arg(&mut self, arg: &Arg) {
        if let Some(name) = arg.name {
            self.flush(name.span.start as usize);
            self.put(name.name.as_str());
            self.put(" = ");
        }
        self.expr(arg.value);
    }

    fn args(&mut self, args: &'t [Arg], close: usize) {
        let places: Vec<(usize, usize)> = args
            .iter()
            .map(|arg| {
                let (start, end) = self.expr_place(arg.value);
                (arg.name.map_or(start, |name| name.span.start as usize), end)
            })
            .collect();
        if !self.embraces(args, &places, close) {
            return self.list("(", ")", &places, close, false, |writer, index| writer.arg(&args[index]));
        }
        self.put("(");
        for (index, arg) in args.iter().enumerate() {
            if index > 0 {
                self.put(", ");
            }
            self.arg(arg);
        }
        self.put(")");
    }

    /// Whether the parentheses of a call stand close around its arguments even when these take several lines: for
    /// one function without a name whose body is a block, or a lone array, record or match.
    fn embraces(&mut self, args: &'t [Arg], places: &[(usize, usize)], close: usize) -> bool {
        let is_block = |expr: ExprId| match &self.ast.expr(expr).kind {
            ExprKind::Lambda { body, .. } => matches!(self.ast.expr(*body).kind, ExprKind::Block(_)),
            _ => false,
        };
        let blocks = args.iter().filter(|arg| is_block(arg.value)).count();
        let braced = |expr: ExprId| {
            use ExprKind::*;
            matches!(
                self.ast.expr(expr).kind,
                Array(_) | Comprehension { .. } | Record { .. } | Match { .. } | Block(_)
            )
        };
        let alone = matches!(args, [only] if only.name.is_none() && braced(only.value));
        if blocks != 1 && !alone {
            return false;
        }
        // Comments between the arguments need their own lines.
        let mut last = places.first().map_or(0, |(start, _)| *start).saturating_sub(1);
        for (arg, (start, end)) in args.iter().zip(places) {
            let within = if alone || is_block(arg.value) { *start } else { *end };
            if self.has_comment(last, within) {
                return false;
            }
            last = *end;
        }
        if self.has_comment(last, close) {
            return false;
        }
        let others: Vec<&Arg> = args.iter().filter(|arg| !alone && !is_block(arg.value)).collect();
        let mut width = 0;
        for arg in others {
            match self.flat_width(arg) {
                Some(one) => width += one + 2,
                None => return false,
            }
        }
        width <= BESIDE
    }

    /// The width of an argument in one line, if it can stand in one.
    fn flat_width(&mut self, arg: &Arg) -> Option<usize> {
        let page = std::mem::take(&mut self.page);
        let next = self.next;
        self.arg(arg);
        self.next = next;
        let measured: Page<'t> = std::mem::replace(&mut self.page, page);
        measured.flat_width()
    }

    fn lambda(&mut self, params: &'t [Param], body: ExprId) {
        let plain = |param: &Param| {
            let kind = &self.ast.pattern(param.pattern).kind;
            param.ty.is_none() && param.default.is_none() && matches!(kind, PatternKind::Bind(_) | PatternKind::Wild)
        };
        match params {
            [only] if plain(only) => self.pattern(only.pattern),
            _ => self.params(params),
        }
        self.put(" => ");
        self.arrow_body(body);
    }

    /// What stands after `=>`, where `{}` is a block and not a record.
    fn arrow_body(&mut self, body: ExprId) {
        let expr = self.ast.expr(body);
        match &expr.kind {
            ExprKind::Block(block) => {
                self.flush(expr.span.start as usize);
                self.block_expr(block, true);
            }
            ExprKind::Record { spread: None, fields } if fields.is_empty() => self.maybe_wrapped(body, true),
            _ => self.expr(body),
        }
    }

    /// A block where a record could stand: a semicolon tells them apart where nothing else does.
    fn block_expr(&mut self, block: &'t Block, after_arrow: bool) {
        let like_record = match block.stmts.as_slice() {
            [] => !after_arrow,
            [only] => matches!(only.kind, StmtKind::Expr(value) if self.is_name(value)),
            _ => false,
        };
        if !like_record {
            return self.block(block);
        }
        let (start, end) = (block.span.start as usize, block.span.end as usize);
        match block.stmts.first() {
            None if !self.has_comment(start, end) => self.put("{;}"),
            Some(only) if !self.has_comment(start, end) => {
                self.put("{ ");
                self.stmt(only);
                self.put("; }");
            }
            first => {
                let places = self.stmt_places(block);
                self.lines(start, &places, end - 1, |writer, _| {
                    if let Some(only) = first {
                        writer.stmt(only);
                        writer.put(";");
                    }
                });
                if first.is_none() {
                    // The brace was just closed: say before it that this is a block.
                    self.page.marks.pop();
                    self.put(";}");
                }
            }
        }
    }

    fn is_name(&self, expr: ExprId) -> bool {
        matches!(self.ast.expr(expr).kind, ExprKind::Name(_))
    }

    /// `if` and its `else if`s: all branches in one line, or none.
    fn if_expr(&mut self, expr: ExprId) {
        let mut branches: Vec<(ExprId, &'t Block)> = Vec::new();
        let mut last: Option<&'t Block> = None;
        let mut at = Some(expr);
        while let Some(id) = at {
            match &self.ast.expr(id).kind {
                ExprKind::If { cond, then, otherwise } => {
                    if let ExprKind::Block(block) = &self.ast.expr(*then).kind {
                        branches.push((*cond, block));
                    }
                    at = *otherwise;
                }
                ExprKind::Block(block) => {
                    last = Some(block);
                    at = None;
                }
                _ => at = None,
            }
        }
        let one_line = branches.iter().map(|(_, block)| *block).chain(last).all(|block| self.block_is_one_line(block));
        self.page.put(Mark::Open);
        for (index, (cond, block)) in branches.into_iter().enumerate() {
            self.put(if index == 0 { "if " } else { " else if " });
            self.expr_after_word(cond);
            self.put(" ");
            self.block_open(block, one_line);
        }
        if let Some(block) = last {
            self.put(" else ");
            self.block_open(block, one_line);
        }
        self.page.put(Mark::Close);
    }

    fn match_expr(&mut self, scrutinee: ExprId, arms: &'t [Arm], span: Span) {
        self.put("match ");
        self.expr_after_word(scrutinee);
        self.put(" ");
        let places: Vec<(usize, usize)> = arms
            .iter()
            .map(|arm| (self.ast.pattern(arm.pattern).span.start as usize, self.outer_end(arm.body)))
            .collect();
        let first = places.first().map_or(span.end as usize, |(start, _)| *start);
        let open = self.bracket_after('{', self.expr_place(scrutinee).1, first);
        let whole = Span { start: open as u32, ..span };
        if arms.is_empty() && self.is_one_line(whole, first) {
            return self.put("{}");
        }
        if self.is_one_line(whole, first) {
            self.page.put(Mark::Open);
            self.one_line(arms.len(), Joined::Comma, |writer, index| writer.arm(&arms[index]));
            self.page.put(Mark::Close);
        } else {
            self.lines(open, &places, span.end as usize - 1, |writer, index| writer.arm(&arms[index]));
        }
    }

    fn arm(&mut self, arm: &'t Arm) {
        self.flush(self.ast.pattern(arm.pattern).span.start as usize);
        self.pattern(arm.pattern);
        if let Some(guard) = arm.guard {
            self.put(" if ");
            self.expr_after_word(guard);
        }
        self.put(" => ");
        self.arrow_body(arm.body);
    }
}
