//! Items, statements, patterns and types: from the pairs of the grammar to the tree.

use pest::iterators::Pair;

use super::Rule;
use super::docs::Docs;
use crate::source::{Diagnostic, FileId, Span, intern};
use crate::syntax::ast::*;

/// A part of a program as the grammar found it.
pub(super) type Tree<'p> = Pair<'p, Rule>;

/// Builds the tree of one item.
pub(super) struct Builder<'a> {
    pub ast: &'a mut Ast,
    pub file: FileId,
    /// Where the item starts in the file; the places of the pairs count from here.
    pub base: usize,
    /// The item's text.
    pub text: &'a str,
    pub docs: &'a mut Docs,
    pub diagnostics: Vec<Diagnostic>,
}

/// Whether a pair is only a word of the grammar.
fn is_word(rule: Rule) -> bool {
    use Rule::*;
    matches!(
        rule,
        kw_data
            | kw_type
            | kw_import
            | kw_as
            | kw_test
            | kw_fn
            | kw_model
            | kw_dist
            | kw_on
            | kw_let
            | kw_var
            | kw_observe
            | kw_for
            | kw_in
            | kw_while
            | kw_return
            | kw_assert
            | kw_if
            | kw_else
            | kw_match
            | eq
            | bar
    )
}

impl Builder<'_> {
    /// The place of a pair, without the blanks that the grammar may leave at its end.
    pub(super) fn span(&self, pair: &Tree<'_>) -> Span {
        let start = self.base + pair.as_span().start();
        Span::new(self.file, start, start + pair.as_str().trim_end().len())
    }

    /// The text under a span of this item.
    pub(super) fn source(&self, span: Span) -> String {
        let range = (span.start as usize - self.base)..(span.end as usize - self.base);
        self.text.get(range).unwrap_or("").split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn words_dropped<'p>(&self, pair: Tree<'p>) -> impl Iterator<Item = Tree<'p>> + use<'p> {
        pair.into_inner().filter(|part| !is_word(part.as_rule()))
    }

    pub(super) fn ident(&self, pair: &Tree<'_>) -> Ident {
        Ident { name: intern(pair.as_str().trim_end()), span: self.span(pair) }
    }

    fn binder(&mut self, pair: &Tree<'_>) -> Binder {
        let span = self.span(pair);
        self.ast.binder(intern(pair.as_str().trim_end()), span)
    }

    /// An expression that the grammar promised; an error at `span` should it be missing.
    pub(super) fn expr_or(&mut self, pair: Option<Tree<'_>>, span: Span) -> ExprId {
        match pair {
            Some(pair) => self.expr(pair),
            None => self.error_expr(span),
        }
    }

    fn error_expr(&mut self, span: Span) -> ExprId {
        self.ast.add_expr(span, ExprKind::Error)
    }

    /// The item of a chunk.
    pub(super) fn item(&mut self, pair: Tree<'_>) -> ItemId {
        let span = self.span(&pair);
        let doc = self.docs.take(span.start as usize);
        let kind = match pair.as_rule() {
            Rule::data_item => self.data_item(pair),
            Rule::fn_decl | Rule::model_decl => ItemKind::Fn(self.fn_decl(pair)),
            Rule::dist_decl => ItemKind::Dist(self.dist_decl(pair)),
            Rule::variant_item => self.variant_item(pair),
            Rule::alias_item => self.alias_item(pair),
            Rule::import_item => self.import_item(pair),
            Rule::test_item => self.test_item(pair),
            _ => ItemKind::Stmt(self.stmt(pair, None)),
        };
        self.ast.add_item(Item { span, doc, kind })
    }

    fn data_item(&mut self, pair: Tree<'_>) -> ItemKind {
        let mut parts = self.words_dropped(pair);
        let (Some(name), Some(ty)) = (parts.next(), parts.next()) else { return ItemKind::Error(Vec::new()) };
        let name = self.binder(&name);
        let ty = self.type_expr(ty);
        let default = parts.next().map(|default| self.expr(default));
        ItemKind::Data { name, ty, default }
    }

    fn variant_item(&mut self, pair: Tree<'_>) -> ItemKind {
        let barred = pair.clone().into_inner().any(|part| part.as_rule() == Rule::bar);
        let mut name = None;
        let mut params = Vec::new();
        let mut constructors = Vec::new();
        for part in self.words_dropped(pair) {
            match part.as_rule() {
                Rule::ident => name = Some(self.ident(&part)),
                Rule::type_params => params = self.type_params(part),
                Rule::constructor => {
                    let mut inner = part.into_inner();
                    let Some(name) = inner.next().map(|name| self.ident(&name)) else { continue };
                    let fields = inner.map(|field| self.type_expr(field)).collect();
                    constructors.push(Constructor { name, fields });
                }
                _ => {}
            }
        }
        let Some(name) = name else { return ItemKind::Error(Vec::new()) };
        if let ([only], false) = (constructors.as_slice(), barred)
            && only.fields.is_empty()
        {
            let ty = self.ast.add_type(only.name.span, TypeExprKind::Name(only.name, Vec::new()));
            return ItemKind::Alias { name, params, ty };
        }
        ItemKind::Variant { name, params, constructors }
    }

    fn alias_item(&mut self, pair: Tree<'_>) -> ItemKind {
        let mut name = None;
        let mut params = Vec::new();
        let mut ty = None;
        for part in self.words_dropped(pair) {
            match part.as_rule() {
                Rule::ident => name = Some(self.ident(&part)),
                Rule::type_params => params = self.type_params(part),
                _ => ty = Some(self.type_expr(part)),
            }
        }
        match (name, ty) {
            (Some(name), Some(ty)) => ItemKind::Alias { name, params, ty },
            _ => ItemKind::Error(Vec::new()),
        }
    }

    fn import_item(&mut self, pair: Tree<'_>) -> ItemKind {
        let mut parts = self.words_dropped(pair);
        match parts.next() {
            Some(path) if path.as_rule() == Rule::string => ItemKind::ImportFile {
                path: self.string(&path),
                path_span: self.span(&path),
                alias: parts.next().map(|alias| self.ident(&alias)),
            },
            Some(name) => ItemKind::ImportModule { name: self.ident(&name) },
            None => ItemKind::Error(Vec::new()),
        }
    }

    fn test_item(&mut self, pair: Tree<'_>) -> ItemKind {
        let mut parts = self.words_dropped(pair);
        let (Some(name), Some(body)) = (parts.next(), parts.next()) else { return ItemKind::Error(Vec::new()) };
        let body = self.block(body);
        ItemKind::Test { name: self.string(&name), name_span: self.span(&name), body }
    }

    fn type_params(&mut self, pair: Tree<'_>) -> Vec<Ident> {
        pair.into_inner().map(|name| self.ident(&name)).collect()
    }

    fn fn_decl(&mut self, pair: Tree<'_>) -> FnDecl {
        let kind = if pair.as_rule() == Rule::model_decl { FnKind::Model } else { FnKind::Fn };
        let whole = self.span(&pair);
        let mut name = None;
        let mut type_params = Vec::new();
        let mut params = Vec::new();
        let mut result = None;
        let mut body = None;
        for part in self.words_dropped(pair) {
            match part.as_rule() {
                Rule::ident => name = Some(self.binder(&part)),
                Rule::type_params => type_params = self.type_params(part),
                Rule::params => params = self.params(part),
                Rule::result => {
                    let mut inner = part.into_inner();
                    let arrow = inner.next().map_or(Arrow::Deterministic, |arrow| arrow_of(&arrow));
                    result = inner.next().map(|ty| (arrow, self.type_expr(ty)));
                }
                Rule::block => {
                    let block = self.block(part);
                    body = Some(self.ast.add_expr(block.span, ExprKind::Block(block)));
                }
                _ => body = Some(self.expr(part)),
            }
        }
        let name = name.unwrap_or_else(|| self.ast.binder(intern("_"), whole));
        let body = body.unwrap_or_else(|| self.error_expr(whole));
        FnDecl { name, kind, type_params, params, result, body }
    }

    pub(super) fn params(&mut self, pair: Tree<'_>) -> Vec<Param> {
        pair.into_inner().filter_map(|param| self.param(param)).collect()
    }

    fn param(&mut self, pair: Tree<'_>) -> Option<Param> {
        let mut pattern = None;
        let mut ty = None;
        let mut default = None;
        for part in self.words_dropped(pair) {
            match part.as_rule() {
                Rule::pattern => pattern = Some(self.pattern(part, false)),
                Rule::type_expr => ty = Some(self.type_expr(part)),
                _ => default = Some(self.expr(part)),
            }
        }
        pattern.map(|pattern| Param { pattern, ty, default })
    }

    fn dist_decl(&mut self, pair: Tree<'_>) -> DistDecl {
        let whole = self.span(&pair);
        let mut name = None;
        let mut type_params = Vec::new();
        let mut params = Vec::new();
        let mut support = None;
        let mut members = Vec::new();
        for part in self.words_dropped(pair) {
            match part.as_rule() {
                Rule::ident => name = Some(self.ident(&part)),
                Rule::type_params => type_params = self.type_params(part),
                Rule::params => params = self.params(part),
                Rule::dist_member => members.extend(self.dist_member(part)),
                _ => support = Some(self.expr(part)),
            }
        }
        for param in &params {
            let pattern = self.ast.pattern(param.pattern);
            if !matches!(pattern.kind, PatternKind::Bind(_)) {
                let error = Diagnostic::error(pattern.span, "a parameter of a distribution is a name")
                    .here("expected a name")
                    .hint("take the value apart inside the members");
                self.diagnostics.push(error);
            }
        }
        let name = name.unwrap_or(Ident { name: intern("_"), span: whole });
        let support = support.unwrap_or_else(|| self.error_expr(whole));
        DistDecl { name, type_params, params, support, members }
    }

    fn dist_member(&mut self, pair: Tree<'_>) -> Option<DistMember> {
        let mut name = None;
        let mut params = Vec::new();
        let mut body = None;
        for part in self.words_dropped(pair) {
            match part.as_rule() {
                Rule::ident => name = Some(self.ident(&part)),
                Rule::params => params = self.params(part),
                _ => body = Some(self.expr(part)),
            }
        }
        Some(DistMember { name: name?, params, body: body? })
    }

    pub(super) fn block(&mut self, pair: Tree<'_>) -> Block {
        let span = self.span(&pair);
        let mut stmts = Vec::new();
        for stmt in pair.into_inner() {
            let start = self.span(&stmt).start as usize;
            let doc = self.docs.take(start);
            stmts.push(self.stmt(stmt, doc));
        }
        Block { span, stmts }
    }

    fn stmt(&mut self, pair: Tree<'_>, doc: Option<Doc>) -> Stmt {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        if matches!(rule, Rule::fn_decl | Rule::model_decl) {
            return Stmt { span, doc, kind: StmtKind::Fn(self.fn_decl(pair)) };
        }
        let parts: Vec<Tree<'_>> = self.words_dropped(pair).collect();
        let kind = self.stmt_kind(rule, parts, span);
        Stmt { span, doc, kind }
    }

    fn stmt_kind(&mut self, rule: Rule, parts: Vec<Tree<'_>>, span: Span) -> StmtKind {
        let draws = parts.iter().any(|part| part.as_rule() == Rule::tilde);
        let mut parts = parts.into_iter().filter(|part| part.as_rule() != Rule::tilde);
        let mut next = || parts.next();
        match rule {
            Rule::let_stmt => {
                let pattern = next().map(|pattern| self.pattern(pattern, false));
                let mut ty = None;
                let mut value = next();
                if value.as_ref().is_some_and(|part| part.as_rule() == Rule::type_expr) {
                    ty = value.map(|part| self.type_expr(part));
                    value = next();
                }
                let value = self.expr_or(value, span);
                let pattern = pattern.unwrap_or_else(|| self.ast.add_pattern(span, PatternKind::Error));
                if draws { self.let_draw(pattern, ty, value) } else { StmtKind::Let { pattern, ty, value } }
            }
            Rule::var_stmt => {
                let name = next();
                let mut ty = None;
                let mut value = next();
                if value.as_ref().is_some_and(|part| part.as_rule() == Rule::type_expr) {
                    ty = value.map(|part| self.type_expr(part));
                    value = next();
                }
                let name = match name {
                    Some(name) => self.binder(&name),
                    None => self.ast.binder(intern("_"), span),
                };
                let value = self.expr_or(value, span);
                StmtKind::Var { name, ty, value }
            }
            Rule::observe_stmt => {
                let value = self.expr_or(next(), span);
                let dist = self.expr_or(next(), span);
                StmtKind::Observe { value, dist }
            }
            Rule::for_stmt => {
                let pattern = next().map(|pattern| self.pattern(pattern, false));
                let pattern = pattern.unwrap_or_else(|| self.ast.add_pattern(span, PatternKind::Error));
                let iter = self.expr_or(next(), span);
                let body = next().map_or(Block { span, stmts: Vec::new() }, |body| self.block(body));
                StmtKind::For { pattern, iter, body }
            }
            Rule::while_stmt => {
                let cond = self.expr_or(next(), span);
                let body = next().map_or(Block { span, stmts: Vec::new() }, |body| self.block(body));
                StmtKind::While { cond, body }
            }
            Rule::return_stmt => StmtKind::Return(self.expr_or(next(), span)),
            Rule::assert_stmt => StmtKind::Assert(self.expr_or(next(), span)),
            _ => {
                let target = self.expr_or(next(), span);
                match next() {
                    None => StmtKind::Expr(target),
                    Some(value) => {
                        let value = self.expr(value);
                        self.assignment(target, value, draws)
                    }
                }
            }
        }
    }

    /// `let x ~ d`
    fn let_draw(&mut self, pattern: PatternId, ty: Option<TypeId>, dist: ExprId) -> StmtKind {
        if let Some(ty) = ty {
            let error = Diagnostic::error(self.ast.ty(ty).span, "a draw takes its type from its distribution")
                .here("no type can be written here")
                .hint("leave the type out");
            self.diagnostics.push(error);
        }
        let Pattern { span, kind } = self.ast.pattern(pattern).clone();
        if let PatternKind::Bind(name) = kind {
            return StmtKind::Draw { name, with_let: true, dist };
        }
        self.diagnostics.push(
            Diagnostic::error(span, "a draw binds one name")
                .here("expected a name")
                .hint("draw first, then take the value apart: `pair ~ …` and `let (a, b) = pair`"),
        );
        let name = self.ast.binder(intern("_"), span);
        StmtKind::Draw { name, with_let: true, dist }
    }

    /// `place = e` or `place ~ d`
    fn assignment(&mut self, target: ExprId, value: ExprId, draws: bool) -> StmtKind {
        if draws && let Expr { span, kind: ExprKind::Name(name) } = *self.ast.expr(target) {
            let name = self.ast.binder(name, span);
            return StmtKind::Draw { name, with_let: false, dist: value };
        }
        match self.place(target) {
            Some(target) if draws => StmtKind::DrawElement { target, dist: value },
            Some(target) => StmtKind::Assign { target, value },
            None => {
                let Expr { span, kind } = self.ast.expr(target).clone();
                let error = self.not_a_place(span, &kind, value, draws);
                self.diagnostics.push(error);
                StmtKind::Expr(value)
            }
        }
    }

    fn not_a_place(&self, span: Span, kind: &ExprKind, value: ExprId, draws: bool) -> Diagnostic {
        let right = self.source(self.ast.expr(value).span);
        let left = self.source(span);
        if draws {
            let error = Diagnostic::error(span, "only a name or an element can be drawn").here("expected a name");
            return error.hint(format!("to condition on a value, write `observe {left} ~ {right}`"));
        }
        let error = Diagnostic::error(span, "this cannot be assigned").here("expected a variable or an element of one");
        match kind {
            ExprKind::Call { callee, .. } if matches!(self.ast.expr(*callee).kind, ExprKind::Name(_)) => {
                error.hint(format!("to define a function, write `fn {left} = {right}`"))
            }
            ExprKind::Tuple(_) | ExprKind::Record { .. } => {
                error.hint(format!("to take a value apart, write `let {left} = {right}`"))
            }
            _ => error.hint("to compare, write `==`"),
        }
    }

    /// An expression as the target of an assignment: a name, then indices and fields.
    fn place(&self, target: ExprId) -> Option<Place> {
        let span = self.ast.expr(target).span;
        let mut steps = Vec::new();
        let mut at = target;
        loop {
            match &self.ast.expr(at).kind {
                ExprKind::Name(name) => {
                    steps.reverse();
                    let root = Ident { name: *name, span: self.ast.expr(at).span };
                    return Some(Place { root, root_expr: at, steps, span });
                }
                ExprKind::Index(inner, indices) => {
                    steps.push(PlaceStep::Index(indices.clone()));
                    at = *inner;
                }
                ExprKind::Field(inner, field) => {
                    steps.push(PlaceStep::Field(*field));
                    at = *inner;
                }
                _ => return None,
            }
        }
    }

    /// A pattern. In the arm of a match (`refutable`) a capital begins a constructor; elsewhere a name without fields
    /// binds, so that `let X = …` and `let (Q, R) = …` can be written.
    pub(super) fn pattern(&mut self, pair: Tree<'_>, refutable: bool) -> PatternId {
        let span = self.span(&pair);
        let Some(inner) = pair.into_inner().next() else { return self.ast.add_pattern(span, PatternKind::Error) };
        let kind = match inner.as_rule() {
            Rule::wild => PatternKind::Wild,
            Rule::kw_true => PatternKind::Bool(true),
            Rule::kw_false => PatternKind::Bool(false),
            Rule::string => PatternKind::Str(self.string(&inner)),
            Rule::pattern_number => self.pattern_number(inner),
            Rule::pattern_paren => {
                let mut parts: Vec<PatternId> = inner.into_inner().map(|part| self.pattern(part, refutable)).collect();
                match parts.len() {
                    0 => PatternKind::Unit,
                    1 => return parts.remove(0),
                    _ => PatternKind::Tuple(parts),
                }
            }
            Rule::pattern_record => PatternKind::Record(
                inner.into_inner().filter_map(|entry| self.pattern_entry(entry, refutable)).collect(),
            ),
            _ => self.pattern_name(inner, refutable),
        };
        self.ast.add_pattern(span, kind)
    }

    fn pattern_entry(&mut self, entry: Tree<'_>, refutable: bool) -> Option<(Ident, PatternId)> {
        let mut inner = entry.into_inner();
        let name = inner.next()?;
        let field = self.ident(&name);
        let pattern = match inner.next() {
            Some(pattern) => self.pattern(pattern, refutable),
            None => {
                let binder = self.binder(&name);
                self.ast.add_pattern(field.span, PatternKind::Bind(binder))
            }
        };
        Some((field, pattern))
    }

    fn pattern_name(&mut self, pair: Tree<'_>, refutable: bool) -> PatternKind {
        let mut inner = pair.into_inner();
        let Some(name) = inner.next() else { return PatternKind::Error };
        let capital = name.as_str().chars().next().is_some_and(char::is_uppercase);
        match inner.next() {
            Some(fields) if capital => {
                let fields = fields.into_inner().map(|field| self.pattern(field, refutable)).collect();
                PatternKind::Constructor { name: self.ident(&name), fields }
            }
            Some(_) => {
                let error = Diagnostic::error(self.span(&name), "a constructor begins with a capital")
                    .here("expected the name of a constructor");
                self.diagnostics.push(error);
                PatternKind::Error
            }
            None if capital && refutable => PatternKind::Constructor { name: self.ident(&name), fields: Vec::new() },
            None => PatternKind::Bind(self.binder(&name)),
        }
    }

    fn pattern_number(&mut self, pair: Tree<'_>) -> PatternKind {
        let negative = pair.as_str().starts_with('-');
        let Some(number) = pair.into_inner().last() else { return PatternKind::Error };
        let least = number.as_str().replace('_', "") == "9223372036854775808";
        let value = match number.as_rule() {
            Rule::kw_inf => ExprKind::Real(f64::INFINITY),
            Rule::kw_nan => ExprKind::Real(f64::NAN),
            _ if negative && least => return PatternKind::Int(i64::MIN),
            _ => self.number(&number),
        };
        match value {
            ExprKind::Int(value) => PatternKind::Int(if negative { -value } else { value }),
            ExprKind::Real(value) => PatternKind::Real(if negative { -value } else { value }),
            _ => PatternKind::Error,
        }
    }

    pub(super) fn type_expr(&mut self, pair: Tree<'_>) -> TypeId {
        let span = self.span(&pair);
        let mut inner = pair.into_inner();
        let Some(first) = inner.next() else { return self.ast.add_type(span, TypeExprKind::Error) };
        let Some(arrow) = inner.next() else { return self.type_primary(first) };
        let params = if first.as_rule() == Rule::type_paren {
            first.into_inner().map(|param| self.type_expr(param)).collect()
        } else {
            vec![self.type_primary(first)]
        };
        let result = match inner.next() {
            Some(result) => self.type_expr(result),
            None => self.ast.add_type(span, TypeExprKind::Error),
        };
        self.ast.add_type(span, TypeExprKind::Fn(params, arrow_of(&arrow), result))
    }

    fn type_primary(&mut self, pair: Tree<'_>) -> TypeId {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let mut inner = pair.into_inner();
        let kind = match rule {
            Rule::type_array => match inner.next() {
                Some(element) => TypeExprKind::Array(self.type_expr(element)),
                None => TypeExprKind::Error,
            },
            Rule::type_paren => {
                let mut parts: Vec<TypeId> = inner.map(|part| self.type_expr(part)).collect();
                match parts.len() {
                    0 => TypeExprKind::Unit,
                    1 => return parts.remove(0),
                    _ => TypeExprKind::Tuple(parts),
                }
            }
            Rule::type_record => TypeExprKind::Record(
                inner
                    .filter_map(|field| {
                        let mut parts = field.into_inner();
                        let name = self.ident(&parts.next()?);
                        Some((name, self.type_expr(parts.next()?)))
                    })
                    .collect(),
            ),
            _ => match (inner.next(), inner.next()) {
                (Some(name), None) => TypeExprKind::Name(self.ident(&name), Vec::new()),
                (Some(name), Some(args)) if args.as_rule() == Rule::type_args => {
                    TypeExprKind::Name(self.ident(&name), args.into_inner().map(|arg| self.type_expr(arg)).collect())
                }
                (Some(name), Some(args)) => {
                    TypeExprKind::Domain(self.ident(&name), args.into_inner().map(|arg| self.expr(arg)).collect())
                }
                _ => TypeExprKind::Error,
            },
        };
        self.ast.add_type(span, kind)
    }
}

fn arrow_of(pair: &Tree<'_>) -> Arrow {
    if pair.as_str() == "~>" { Arrow::Random } else { Arrow::Deterministic }
}
