//! From the syntax tree to text: one way to write each program.
//!
//! The meaning stays (parsing the result gives the same tree), every comment stays, and so do single empty lines, the
//! author's parentheses around operands, and the choice between `{ a; b }` in one line and one statement a line.
//! Formatting twice changes nothing. Newlines are only set where the layout of the language ignores them.

mod expr;
mod page;

use super::ast::*;
use super::layout::{self, Comment};
use super::parser;
use crate::source::Span;
use page::{Mark, Page};

/// Texts from this size on are set on a stack of their own, since their trees may be deep.
const LARGE: usize = 4_000;

/// Bytes of that stack: enough for the deepest tree that the parser accepts.
const STACK: usize = 256 << 20;

/// The text of a module, formatted; `text` is what it was parsed from. Items that did not parse stay as they were.
pub fn format(ast: &Ast, module: &Module, text: &str) -> String {
    let work = || {
        let comments = layout::scan(text).comments;
        let mut writer = Writer { ast, text, comments, next: 0, page: Page::default() };
        writer.module(module);
        writer.page.set()
    };
    if text.len() < LARGE {
        return work();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        match thread.map(|handle| handle.join()) {
            Ok(Ok(formatted)) => formatted,
            Ok(Err(panic)) => std::panic::resume_unwind(panic),
            Err(error) => panic!("internal error: no thread for the formatter: {error}"),
        }
    })
}

/// Writes a tree to a page, with the comments between its parts.
struct Writer<'t> {
    ast: &'t Ast,
    text: &'t str,
    comments: Vec<Comment>,
    /// The first comment that was not written.
    next: usize,
    page: Page<'t>,
}

/// How a part of a sequence is separated from the next when all stand in one line.
#[derive(Clone, Copy, PartialEq)]
enum Joined {
    /// `; `
    Semicolon,
    /// `, `
    Comma,
}

impl<'t> Writer<'t> {
    fn put(&mut self, text: &'t str) {
        self.page.put(Mark::Text(text));
    }

    /// The text under a span.
    fn source(&self, span: Span) -> &'t str {
        self.text.get(span.start as usize..span.end as usize).unwrap_or("")
    }

    fn between(&self, start: usize, end: usize) -> &'t str {
        self.text.get(start..end).unwrap_or("")
    }

    /// Whether a comment lies in the range.
    fn has_comment(&self, start: usize, end: usize) -> bool {
        self.comments[self.next..]
            .iter()
            .take_while(|comment| comment.range.start < end)
            .any(|c| c.range.start >= start)
    }

    /// Writes the comments before `place`.
    fn flush(&mut self, place: usize) {
        while let Some(comment) = self.comments.get(self.next).filter(|comment| comment.range.start < place) {
            let text = self.text.get(comment.range.clone()).unwrap_or("");
            self.page.put(Mark::Comment { text, trailing: comment.trailing });
            self.next += 1;
        }
    }

    /// Writes the comment that follows in the line where `end` is, if it lies before `limit`.
    fn flush_line(&mut self, end: usize, limit: usize) -> usize {
        let Some(comment) = self.comments.get(self.next) else { return end };
        let range = comment.range.clone();
        let near = range.start >= end && range.start < limit && !self.between(end, range.start).contains('\n');
        if !near {
            return end;
        }
        self.page.put(Mark::Comment { text: self.text.get(range.clone()).unwrap_or(""), trailing: true });
        self.next += 1;
        range.end
    }

    /// Starts a line for what begins at `start`; an empty line stays if there was one after `end`.
    fn next_line(&mut self, end: usize, start: usize, first: bool) {
        let blank = !first && self.between(end, start).matches('\n').count() > 1;
        self.page.put(Mark::Hard { blank });
    }

    /// Writes comments in lines of their own, up to `limit`. Gives the end of the last thing written.
    fn own_lines(&mut self, mut end: usize, limit: usize, first: &mut bool) -> usize {
        while let Some(comment) = self.comments.get(self.next).filter(|comment| comment.range.start < limit) {
            let range = comment.range.clone();
            self.next_line(end, range.start, *first);
            self.put(self.text.get(range.clone()).unwrap_or(""));
            self.next += 1;
            end = range.end;
            *first = false;
        }
        end
    }

    fn module(&mut self, module: &Module) {
        let mut end = 0;
        let mut first = true;
        for (index, id) in module.items.iter().enumerate() {
            let item = self.ast.item(*id);
            let (start, stop) = (item.span.start as usize, item.span.end as usize);
            end = self.own_lines(end, start, &mut first).max(end);
            self.next_line(end, start, first);
            first = false;
            self.item(item);
            let limit =
                module.items.get(index + 1).map_or(self.text.len(), |id| self.ast.item(*id).span.start as usize);
            end = self.flush_line(stop, limit);
        }
        self.own_lines(end, self.text.len() + 1, &mut first);
        // The page begins with a newline.
        if matches!(self.page.marks.first(), Some(Mark::Hard { .. })) {
            self.page.marks.remove(0);
        }
    }

    fn item(&mut self, item: &'t Item) {
        match &item.kind {
            ItemKind::Data { name, ty, default } => {
                self.put("data ");
                self.put(name.name.as_str());
                self.put(": ");
                self.ty(*ty);
                self.default(*default);
            }
            ItemKind::Fn(decl) => self.function(decl),
            ItemKind::Dist(decl) => self.dist(decl, item.span),
            ItemKind::Variant { name, params, constructors } => self.variant(*name, params, constructors),
            ItemKind::Alias { name, params, ty } => {
                self.put("type ");
                self.put(name.name.as_str());
                self.names(params);
                self.put(" = ");
                self.ty(*ty);
            }
            ItemKind::ImportFile { path_span, alias, .. } => {
                self.put("import ");
                self.put(self.source(*path_span));
                if let Some(alias) = alias {
                    self.put(" as ");
                    self.put(alias.name.as_str());
                }
            }
            ItemKind::ImportModule { name } => {
                self.put("import ");
                self.put(name.name.as_str());
            }
            ItemKind::Test { name_span, body, .. } => {
                self.put("test ");
                self.put(self.source(*name_span));
                self.put(" ");
                self.block(body);
            }
            ItemKind::Stmt(stmt) => self.stmt(stmt),
            ItemKind::Error(_) => {
                for (index, line) in self.source(item.span).lines().enumerate() {
                    if index > 0 {
                        self.page.put(Mark::Hard { blank: false });
                    }
                    self.put(line);
                }
                let end = item.span.end as usize;
                while self.comments.get(self.next).is_some_and(|comment| comment.range.start < end) {
                    self.next += 1;
                }
            }
        }
    }

    fn names(&mut self, names: &[Ident]) {
        for (index, name) in names.iter().enumerate() {
            self.put(if index == 0 { "<" } else { ", " });
            self.put(name.name.as_str());
        }
        if !names.is_empty() {
            self.put(">");
        }
    }

    fn variant(&mut self, name: Ident, params: &'t [Ident], constructors: &'t [Constructor]) {
        self.page.put(Mark::Open);
        self.put("type ");
        self.put(name.name.as_str());
        self.names(params);
        self.put(" =");
        self.page.put(Mark::Indent);
        // Without its bar a lone constructor would read as an alias.
        let alone =
            matches!(constructors, [only] if only.fields.is_empty() || parser::is_domain_word(only.name.name.as_str()));
        for (index, constructor) in constructors.iter().enumerate() {
            self.page.put(Mark::Line(" "));
            match index {
                0 if !alone => self.page.put(Mark::Broken("| ")),
                _ => self.put("| "),
            }
            self.flush(constructor.name.span.start as usize);
            self.put(constructor.name.name.as_str());
            if !constructor.fields.is_empty() {
                self.put("(");
                for (index, field) in constructor.fields.iter().enumerate() {
                    if index > 0 {
                        self.put(", ");
                    }
                    self.ty(*field);
                }
                self.put(")");
            }
            let limit = constructors.get(index + 1).map_or(0, |next| next.name.span.start as usize);
            self.flush_line(self.ends(constructor), limit);
        }
        self.page.put(Mark::Dedent);
        self.page.put(Mark::Close);
    }

    /// Where a constructor's declaration ends, at most.
    fn ends(&self, constructor: &Constructor) -> usize {
        match constructor.fields.last() {
            Some(last) => self.bracket_after(')', self.ast.ty(*last).span.end as usize, self.text.len()) + 1,
            None => constructor.name.span.end as usize,
        }
    }

    fn function(&mut self, decl: &'t FnDecl) {
        self.put(if decl.kind == FnKind::Model { "model " } else { "fn " });
        self.put(decl.name.name.as_str());
        self.names(&decl.type_params);
        let body = self.ast.expr(decl.body);
        if decl.kind == FnKind::Fn || !decl.params.is_empty() {
            self.params(&decl.params);
        }
        if let Some((arrow, ty)) = decl.result {
            self.put(arrow_text(arrow));
            self.ty(ty);
        }
        match &body.kind {
            ExprKind::Block(block) => {
                self.put(" ");
                self.block(block);
            }
            _ => self.default(Some(decl.body)),
        }
    }

    /// ` = e`
    fn default(&mut self, value: Option<ExprId>) {
        if let Some(value) = value {
            self.put(" = ");
            self.expr(value);
        }
    }

    /// Parameters in parentheses.
    fn params(&mut self, params: &'t [Param]) {
        let places: Vec<(usize, usize)> = params.iter().map(|param| self.param_place(param)).collect();
        let limit = places.last().map_or(0, |(_, end)| self.bracket_after(')', *end, self.text.len()));
        self.list("(", ")", &places, limit, false, |writer, index| writer.param(&params[index]));
    }

    fn param_place(&self, param: &Param) -> (usize, usize) {
        let start = self.ast.pattern(param.pattern).span;
        let end = match (param.default, param.ty) {
            (Some(default), _) => self.ast.expr(default).span.end,
            (None, Some(ty)) => self.ast.ty(ty).span.end,
            _ => start.end,
        };
        (start.start as usize, end as usize)
    }

    fn param(&mut self, param: &Param) {
        self.pattern(param.pattern);
        if let Some(ty) = param.ty {
            self.put(": ");
            self.ty(ty);
        }
        self.default(param.default);
    }

    /// A bracketed list, in one line or with one part a line (as many as fit with `fill`).
    fn list(
        &mut self,
        open: &'t str,
        close: &'t str,
        places: &[(usize, usize)],
        limit: usize,
        fill: bool,
        part: impl Fn(&mut Self, usize),
    ) {
        if places.is_empty() {
            self.put(open);
            if self.comments.get(self.next).is_some_and(|comment| comment.range.start < limit) {
                self.flush(limit);
            }
            self.put(close);
            return;
        }
        self.page.put(Mark::Open);
        self.put(open);
        self.page.put(Mark::Indent);
        if let Some((first, _)) = places.first() {
            self.flush_line((first - 1).min(limit), *first);
        }
        self.page.put(Mark::Line(""));
        for (index, (start, end)) in places.iter().enumerate() {
            self.flush(*start);
            part(self, index);
            match places.get(index + 1) {
                Some((next, _)) => {
                    self.put(",");
                    self.flush_after_comma(*end, *next);
                    self.page.put(if fill { Mark::Fill } else { Mark::Line(" ") });
                }
                None => {
                    self.page.put(Mark::Broken(","));
                    self.flush(limit);
                }
            }
        }
        self.page.put(Mark::Dedent);
        self.page.put(Mark::Line(""));
        self.put(close);
        self.page.put(Mark::Close);
    }

    /// The comment in the line of a part that ends at `end`, whether it stands before the comma or after it.
    fn flush_after_comma(&mut self, end: usize, next: usize) {
        self.flush_line(end, next);
    }

    fn dist(&mut self, decl: &'t DistDecl, span: Span) {
        self.put("dist ");
        self.put(decl.name.name.as_str());
        self.names(&decl.type_params);
        if !decl.params.is_empty() {
            self.params(&decl.params);
        }
        self.put(" on ");
        self.expr_after_word(decl.support);
        self.put(" ");
        let parts: Vec<(usize, usize)> =
            decl.members.iter().map(|member| (member.name.span.start as usize, self.outer_end(member.body))).collect();
        let first = parts.first().map_or(span.end as usize, |(start, _)| *start);
        let open = self.bracket_after('{', self.ast.expr(decl.support).span.end as usize, first);
        self.lines(open, &parts, span.end as usize - 1, |writer, index| {
            let member = &decl.members[index];
            writer.put(member.name.name.as_str());
            if !member.params.is_empty() {
                writer.params(&member.params);
            }
            writer.default(Some(member.body));
        });
    }

    /// Where a bracket stands that follows `after`, before `limit`; comments are passed over.
    fn bracket_after(&self, bracket: char, after: usize, limit: usize) -> usize {
        let mut at = after;
        for line in self.between(after, limit).split_inclusive('\n') {
            let code = line.find("//").map_or(line, |comment| &line[..comment]);
            if let Some(found) = code.find(bracket) {
                return at + found;
            }
            at += line.len();
        }
        after
    }

    /// The end of an expression with the parentheses around it, where no other parenthesis can follow.
    fn outer_end(&self, expr: ExprId) -> usize {
        let mut end = self.ast.expr(expr).span.end as usize;
        let mut at = end;
        while let Some(next) = self.text.get(at..).and_then(|rest| rest.chars().next()) {
            at += match next {
                ')' => {
                    end = at + 1;
                    1
                }
                '/' if self.text[at..].starts_with("//") => self.text[at..].find('\n').unwrap_or(self.text.len() - at),
                blank if blank.is_whitespace() => blank.len_utf8(),
                _ => break,
            };
        }
        end
    }

    /// Parts in braces, one a line. `open` is where the brace opens, `close` where it closes.
    fn lines(&mut self, open: usize, parts: &[(usize, usize)], close: usize, part: impl Fn(&mut Self, usize)) {
        self.put("{");
        self.page.put(Mark::Indent);
        let mut end = self.flush_line(open + 1, parts.first().map_or(close, |(start, _)| *start));
        let mut first = true;
        for (index, (start, stop)) in parts.iter().enumerate() {
            end = self.own_lines(end, *start, &mut first).max(end);
            self.next_line(end, *start, first);
            first = false;
            part(self, index);
            let limit = parts.get(index + 1).map_or(close, |(next, _)| *next);
            end = self.flush_line(*stop, limit);
        }
        self.own_lines(end, close, &mut first);
        self.page.put(Mark::Dedent);
        if !(parts.is_empty() && first) {
            self.page.put(Mark::Hard { blank: false });
        }
        self.put("}");
    }

    /// Parts in braces, in one line if they fit.
    fn one_line(&mut self, count: usize, joined: Joined, part: impl Fn(&mut Self, usize)) {
        self.put("{");
        self.page.put(Mark::Indent);
        for index in 0..count {
            self.page.put(match (index, joined) {
                (0, _) => Mark::Line(" "),
                (_, Joined::Semicolon) => Mark::Line("; "),
                (_, Joined::Comma) => Mark::Line(", "),
            });
            part(self, index);
        }
        self.page.put(Mark::Dedent);
        self.page.put(Mark::Line(" "));
        self.put("}");
    }

    /// Whether the author began the parts of a brace in the line where it opens.
    fn is_one_line(&self, span: Span, first: usize) -> bool {
        let (start, end) = (span.start as usize, span.end as usize);
        !self.between(start, first).contains('\n') && !self.has_comment(start, end)
    }

    fn stmt_places(&self, block: &Block) -> Vec<(usize, usize)> {
        block.stmts.iter().map(|stmt| (stmt.span.start as usize, stmt.span.end as usize)).collect()
    }

    fn block_is_one_line(&self, block: &Block) -> bool {
        match block.stmts.first() {
            Some(first) => self.is_one_line(block.span, first.span.start as usize),
            None => !self.has_comment(block.span.start as usize, block.span.end as usize),
        }
    }

    /// A block where only a block can stand.
    fn block(&mut self, block: &'t Block) {
        let one_line = self.block_is_one_line(block);
        self.page.put(Mark::Open);
        self.block_open(block, one_line);
        self.page.put(Mark::Close);
    }

    /// A block whose line ends belong to the group around it.
    fn block_open(&mut self, block: &'t Block, one_line: bool) {
        if block.stmts.is_empty() && one_line {
            self.put("{}");
        } else if one_line {
            self.one_line(block.stmts.len(), Joined::Semicolon, |writer, index| writer.stmt(&block.stmts[index]));
        } else {
            let places = self.stmt_places(block);
            let (open, close) = (block.span.start as usize, block.span.end as usize - 1);
            self.lines(open, &places, close, |writer, index| writer.stmt(&block.stmts[index]));
        }
    }

    fn stmt(&mut self, stmt: &'t Stmt) {
        self.flush(stmt.span.start as usize);
        match &stmt.kind {
            StmtKind::Let { pattern, ty, value } => {
                self.put("let ");
                self.pattern(*pattern);
                self.typed(*ty);
                self.default(Some(*value));
            }
            StmtKind::Var { name, ty, value } => {
                self.put("var ");
                self.put(name.name.as_str());
                self.typed(*ty);
                self.default(Some(*value));
            }
            StmtKind::Assign { target, value } => {
                self.place(target);
                self.default(Some(*value));
            }
            StmtKind::Draw { name, with_let, dist } => {
                if *with_let {
                    self.put("let ");
                }
                self.put(name.name.as_str());
                self.drawn(*dist);
            }
            StmtKind::DrawElement { target, dist } => {
                self.place(target);
                self.drawn(*dist);
            }
            StmtKind::Observe { value, dist } => {
                self.put("observe ");
                self.expr_after_word(*value);
                self.drawn(*dist);
            }
            StmtKind::For { pattern, iter, body } => {
                self.put("for ");
                self.pattern(*pattern);
                self.put(" in ");
                self.expr_after_word(*iter);
                self.put(" ");
                self.block(body);
            }
            StmtKind::While { cond, body } => {
                self.put("while ");
                self.expr_after_word(*cond);
                self.put(" ");
                self.block(body);
            }
            StmtKind::Return(value) => {
                self.put("return ");
                self.expr_after_word(*value);
            }
            StmtKind::Assert(cond) => {
                self.put("assert ");
                self.expr_after_word(*cond);
            }
            StmtKind::Fn(decl) => self.function(decl),
            StmtKind::Expr(value) => self.expr(*value),
        }
    }

    fn typed(&mut self, ty: Option<TypeId>) {
        if let Some(ty) = ty {
            self.put(": ");
            self.ty(ty);
        }
    }

    fn drawn(&mut self, dist: ExprId) {
        self.put(" ~ ");
        self.expr(dist);
    }

    fn place(&mut self, place: &'t Place) {
        self.put(place.root.name.as_str());
        for step in &place.steps {
            match step {
                PlaceStep::Index(indices) => {
                    let limit = self.behind(indices);
                    self.exprs("[", "]", indices, limit, false);
                }
                PlaceStep::Field(field) => {
                    self.put(".");
                    self.put(field.name.as_str());
                }
            }
        }
    }

    /// A place behind the last of some expressions, and before anything else.
    fn behind(&self, exprs: &[ExprId]) -> usize {
        exprs.last().map_or(0, |last| self.ast.expr(*last).span.end as usize)
    }

    fn pattern(&mut self, pattern: PatternId) {
        let Pattern { span, kind } = self.ast.pattern(pattern);
        self.flush(span.start as usize);
        match kind {
            PatternKind::Wild => self.put("_"),
            PatternKind::Bind(binder) => self.put(binder.name.as_str()),
            PatternKind::Unit => self.put("()"),
            PatternKind::Tuple(parts) => self.patterns(parts),
            PatternKind::Record(fields) => {
                self.put("{");
                for (index, (name, field)) in fields.iter().enumerate() {
                    if index > 0 {
                        self.put(", ");
                    }
                    let same =
                        matches!(&self.ast.pattern(*field).kind, PatternKind::Bind(binder) if binder.name == name.name);
                    if !same {
                        self.put(name.name.as_str());
                        self.put(": ");
                    }
                    self.pattern(*field);
                }
                self.put("}");
            }
            PatternKind::Constructor { name, fields } => {
                self.put(name.name.as_str());
                let written = self.between(name.span.end as usize, span.end as usize).contains('(');
                if !fields.is_empty() || written {
                    self.patterns(fields);
                }
            }
            _ => self.put(self.source(*span)),
        }
    }

    fn patterns(&mut self, parts: &'t [PatternId]) {
        self.put("(");
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.put(", ");
            }
            self.pattern(*part);
        }
        self.put(")");
    }

    fn ty(&mut self, ty: TypeId) {
        let TypeExpr { span, kind } = self.ast.ty(ty);
        self.flush(span.start as usize);
        match kind {
            TypeExprKind::Unit => self.put("()"),
            TypeExprKind::Name(name, args) => {
                self.put(name.name.as_str());
                if !args.is_empty() {
                    self.types("<", args, ">");
                }
            }
            TypeExprKind::Domain(name, args) => {
                self.put(name.name.as_str());
                self.exprs("(", ")", args, span.end as usize - 1, false);
            }
            TypeExprKind::Array(element) => self.types("[", std::slice::from_ref(element), "]"),
            TypeExprKind::Tuple(parts) => self.types("(", parts, ")"),
            TypeExprKind::Record(fields) => {
                let places: Vec<(usize, usize)> = fields
                    .iter()
                    .map(|(name, ty)| (name.span.start as usize, self.ast.ty(*ty).span.end as usize))
                    .collect();
                self.list("{", "}", &places, span.end as usize - 1, false, |writer, index| {
                    let (name, ty) = &fields[index];
                    writer.put(name.name.as_str());
                    writer.put(": ");
                    writer.ty(*ty);
                });
            }
            TypeExprKind::Fn(params, arrow, result) => {
                let bare = match params.as_slice() {
                    [only] => {
                        let plain = !matches!(
                            self.ast.ty(*only).kind,
                            TypeExprKind::Unit | TypeExprKind::Tuple(_) | TypeExprKind::Fn(..)
                        );
                        plain && !self.source(*span).starts_with('(')
                    }
                    _ => false,
                };
                if bare {
                    self.types("", params, "")
                } else {
                    self.types("(", params, ")")
                }
                self.put(arrow_text(*arrow));
                self.ty(*result);
            }
            TypeExprKind::Error => self.put(self.source(*span)),
        }
    }

    fn types(&mut self, open: &'t str, types: &'t [TypeId], close: &'t str) {
        self.put(open);
        for (index, ty) in types.iter().enumerate() {
            if index > 0 {
                self.put(", ");
            }
            self.ty(*ty);
        }
        self.put(close);
    }
}

fn arrow_text(arrow: Arrow) -> &'static str {
    match arrow {
        Arrow::Deterministic => " -> ",
        Arrow::Random => " ~> ",
    }
}
