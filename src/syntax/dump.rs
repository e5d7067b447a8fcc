//! The syntax tree as text, for tests and for `borel explain`: one node a pair of parentheses, without places.

use std::fmt::Write;

use super::ast::*;

/// The items of a module, one after the other. Two programs with the same dump are the same up to layout.
pub fn dump(ast: &Ast, module: &Module) -> String {
    let mut dumper = Dumper { ast, out: String::new(), indent: 0 };
    if let Some(doc) = &module.doc {
        let _ = writeln!(dumper.out, "(module {doc:?})");
    }
    for item in &module.items {
        dumper.item(ast.item(*item));
        dumper.out.push('\n');
    }
    dumper.out
}

/// One expression.
pub fn dump_expr(ast: &Ast, expr: ExprId) -> String {
    let mut dumper = Dumper { ast, out: String::new(), indent: 0 };
    dumper.expr(expr);
    dumper.out
}

struct Dumper<'a> {
    ast: &'a Ast,
    out: String,
    indent: usize,
}

impl Dumper<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn line(&mut self) {
        self.out.push('\n');
        for _ in 0..self.indent {
            self.out.push_str("  ");
        }
    }

    fn doc(&mut self, doc: &Option<Doc>) {
        if let Some(doc) = doc {
            let _ = write!(self.out, "(doc {:?}", doc.text);
            for (example, _) in &doc.examples {
                let _ = write!(self.out, " (example {example:?})");
            }
            self.put(")");
            self.line();
        }
    }

    fn item(&mut self, item: &Item) {
        self.doc(&item.doc);
        match &item.kind {
            ItemKind::Data { name, ty, default } => {
                let _ = write!(self.out, "(data {} ", name.name);
                self.ty(*ty);
                self.optional(" ", *default);
                self.put(")");
            }
            ItemKind::Fn(decl) => self.function(decl),
            ItemKind::Dist(decl) => self.dist(decl),
            ItemKind::Variant { name, params, constructors } => {
                let _ = write!(self.out, "(variant {}", name.name);
                self.names(params);
                self.indent += 1;
                for constructor in constructors {
                    self.line();
                    let _ = write!(self.out, "({}", constructor.name.name);
                    for field in &constructor.fields {
                        self.put(" ");
                        self.ty(*field);
                    }
                    self.put(")");
                }
                self.indent -= 1;
                self.put(")");
            }
            ItemKind::Alias { name, params, ty } => {
                let _ = write!(self.out, "(alias {}", name.name);
                self.names(params);
                self.put(" ");
                self.ty(*ty);
                self.put(")");
            }
            ItemKind::ImportFile { path, alias, .. } => {
                let _ = write!(self.out, "(import {path:?}");
                if let Some(alias) = alias {
                    let _ = write!(self.out, " as {}", alias.name);
                }
                self.put(")");
            }
            ItemKind::ImportModule { name } => {
                let _ = write!(self.out, "(import {})", name.name);
            }
            ItemKind::Test { name, body, .. } => {
                let _ = write!(self.out, "(test {name:?} ");
                self.block(body);
                self.put(")");
            }
            ItemKind::Stmt(stmt) => self.stmt(stmt),
            ItemKind::Error(_) => self.put("(error)"),
        }
    }

    fn names(&mut self, names: &[Ident]) {
        if !names.is_empty() {
            let names: Vec<&str> = names.iter().map(|name| name.name.as_str()).collect();
            let _ = write!(self.out, " <{}>", names.join(" "));
        }
    }

    fn function(&mut self, decl: &FnDecl) {
        let kind = if decl.kind == FnKind::Fn { "fn" } else { "model" };
        let _ = write!(self.out, "({kind} {}", decl.name.name);
        self.names(&decl.type_params);
        self.put(" ");
        self.params(&decl.params);
        if let Some((arrow, ty)) = decl.result {
            self.put(if arrow == Arrow::Random { " ~> " } else { " -> " });
            self.ty(ty);
        }
        self.nested(decl.body);
        self.put(")");
    }

    fn nested(&mut self, expr: ExprId) {
        self.indent += 1;
        self.line();
        self.expr(expr);
        self.indent -= 1;
    }

    fn dist(&mut self, decl: &DistDecl) {
        let _ = write!(self.out, "(dist {}", decl.name.name);
        self.names(&decl.type_params);
        self.put(" ");
        self.params(&decl.params);
        self.put(" on ");
        self.expr(decl.support);
        self.indent += 1;
        for member in &decl.members {
            self.line();
            let _ = write!(self.out, "({}", member.name.name);
            if !member.params.is_empty() {
                self.put(" ");
                self.params(&member.params);
            }
            self.put(" ");
            self.expr(member.body);
            self.put(")");
        }
        self.indent -= 1;
        self.put(")");
    }

    fn params(&mut self, params: &[Param]) {
        self.put("[");
        for (index, param) in params.iter().enumerate() {
            if index > 0 {
                self.put(" ");
            }
            let plain = param.ty.is_none() && param.default.is_none();
            if !plain {
                self.put("(");
            }
            self.pattern(param.pattern);
            if let Some(ty) = param.ty {
                self.put(": ");
                self.ty(ty);
            }
            self.optional(" = ", param.default);
            if !plain {
                self.put(")");
            }
        }
        self.put("]");
    }

    fn optional(&mut self, before: &str, expr: Option<ExprId>) {
        if let Some(expr) = expr {
            self.put(before);
            self.expr(expr);
        }
    }

    fn block(&mut self, block: &Block) {
        self.put("{");
        self.indent += 1;
        for stmt in &block.stmts {
            self.line();
            self.doc(&stmt.doc);
            self.stmt(stmt);
        }
        self.indent -= 1;
        self.put("}");
    }

    fn stmt(&mut self, stmt: &Stmt) {
        match &stmt.kind {
            StmtKind::Let { pattern, ty, value } => {
                self.put("(let ");
                self.pattern(*pattern);
                self.typed_value(*ty, *value);
            }
            StmtKind::Var { name, ty, value } => {
                let _ = write!(self.out, "(var {}", name.name);
                self.typed_value(*ty, *value);
            }
            StmtKind::Assign { target, value } => self.place("(set ", target, *value),
            StmtKind::Draw { name, with_let, dist } => {
                let _ = write!(self.out, "({} {} ", if *with_let { "let~" } else { "~" }, name.name);
                self.expr(*dist);
            }
            StmtKind::DrawElement { target, dist } => self.place("(~ ", target, *dist),
            StmtKind::Observe { value, dist } => self.row("(observe", &[*value, *dist]),
            StmtKind::For { pattern, iter, body } => {
                self.put("(for ");
                self.pattern(*pattern);
                self.put(" ");
                self.expr(*iter);
                self.put(" ");
                self.block(body);
            }
            StmtKind::While { cond, body } => {
                self.put("(while ");
                self.expr(*cond);
                self.put(" ");
                self.block(body);
            }
            StmtKind::Return(value) => self.row("(return", &[*value]),
            StmtKind::Assert(cond) => self.row("(assert", &[*cond]),
            StmtKind::Fn(decl) => return self.function(decl),
            StmtKind::Expr(value) => return self.expr(*value),
        }
        self.put(")");
    }

    fn typed_value(&mut self, ty: Option<TypeId>, value: ExprId) {
        if let Some(ty) = ty {
            self.put(": ");
            self.ty(ty);
        }
        self.put(" ");
        self.expr(value);
    }

    fn place(&mut self, head: &str, place: &Place, value: ExprId) {
        self.put(head);
        self.put(place.root.name.as_str());
        for step in &place.steps {
            match step {
                PlaceStep::Index(indices) => {
                    self.row("[", indices);
                    self.put("]");
                }
                PlaceStep::Field(field) => {
                    let _ = write!(self.out, ".{}", field.name);
                }
            }
        }
        self.put(" ");
        self.expr(value);
    }

    fn row(&mut self, head: &str, exprs: &[ExprId]) {
        self.put(head);
        for (index, expr) in exprs.iter().enumerate() {
            if index > 0 || !head.ends_with('[') {
                self.put(" ");
            }
            self.expr(*expr);
        }
    }

    fn expr(&mut self, expr: ExprId) {
        match &self.ast.expr(expr).kind {
            ExprKind::Unit => self.put("()"),
            ExprKind::Bool(value) => {
                let _ = write!(self.out, "{value}");
            }
            ExprKind::Int(value) => {
                let _ = write!(self.out, "{value}");
            }
            ExprKind::Real(value) => {
                let _ = write!(self.out, "{value:?}");
            }
            ExprKind::Str(value) => {
                let _ = write!(self.out, "{value:?}");
            }
            ExprKind::Name(name) => self.put(name.as_str()),
            ExprKind::Array(parts) => {
                self.row("[", parts);
                self.put("]");
            }
            ExprKind::Comprehension { body, clauses } => {
                self.put("[");
                self.expr(*body);
                for clause in clauses {
                    match clause {
                        Clause::For { pattern, iter } => {
                            self.put(" (for ");
                            self.pattern(*pattern);
                            self.put(" ");
                            self.expr(*iter);
                        }
                        Clause::If(cond) => self.row(" (if", &[*cond]),
                    }
                    self.put(")");
                }
                self.put("]");
            }
            ExprKind::Range { low, high, inclusive } => {
                self.list(if *inclusive { "(..=" } else { "(.." }, &[*low, *high])
            }
            ExprKind::Tuple(parts) => self.list("(tuple", parts),
            ExprKind::Record { spread, fields } => {
                self.put("(record");
                self.optional(" ...", *spread);
                for (name, value) in fields {
                    let _ = write!(self.out, " {}:", name.name);
                    self.expr(*value);
                }
                self.put(")");
            }
            ExprKind::Field(inner, name) => {
                self.put("(. ");
                self.expr(*inner);
                let _ = write!(self.out, " {})", name.name);
            }
            ExprKind::Index(inner, indices) => {
                self.put("(index ");
                self.expr(*inner);
                self.row("", indices);
                self.put(")");
            }
            ExprKind::Unary(operator, inner) => {
                self.list(if *operator == UnaryOp::Neg { "(neg" } else { "(!" }, &[*inner])
            }
            ExprKind::Binary(..) => self.binary(expr),
            ExprKind::Call { callee, args } => {
                self.put("(");
                self.expr(*callee);
                for arg in args {
                    self.put(" ");
                    if let Some(name) = arg.name {
                        let _ = write!(self.out, "{}=", name.name);
                    }
                    self.expr(arg.value);
                }
                self.put(")");
            }
            ExprKind::Pipe { value, call } => self.list("(|>", &[*value, *call]),
            ExprKind::Lambda { params, body } => {
                self.put("(=> ");
                self.params(params);
                self.put(" ");
                self.expr(*body);
                self.put(")");
            }
            ExprKind::If { cond, then, otherwise } => {
                self.list_open("(if", &[*cond, *then]);
                self.optional(" ", *otherwise);
                self.put(")");
            }
            ExprKind::Match { scrutinee, arms } => {
                self.list_open("(match", &[*scrutinee]);
                self.indent += 1;
                for arm in arms {
                    self.line();
                    self.put("(");
                    self.pattern(arm.pattern);
                    self.optional(" if ", arm.guard);
                    self.put(" => ");
                    self.expr(arm.body);
                    self.put(")");
                }
                self.indent -= 1;
                self.put(")");
            }
            ExprKind::Block(block) => self.block(block),
            ExprKind::Error => self.put("(error)"),
        }
    }

    /// A row of operators leans to the left and may be thousands long, so its heads are written first.
    fn binary(&mut self, expr: ExprId) {
        let mut rights = Vec::new();
        let mut at = expr;
        while let ExprKind::Binary(operator, _, left, right) = &self.ast.expr(at).kind {
            let _ = write!(self.out, "({} ", operator.symbol());
            rights.push(*right);
            at = *left;
        }
        self.expr(at);
        for right in rights.into_iter().rev() {
            self.put(" ");
            self.expr(right);
            self.put(")");
        }
    }

    fn list_open(&mut self, head: &str, exprs: &[ExprId]) {
        self.row(head, exprs);
    }

    fn list(&mut self, head: &str, exprs: &[ExprId]) {
        self.row(head, exprs);
        self.put(")");
    }

    fn pattern(&mut self, pattern: PatternId) {
        match &self.ast.pattern(pattern).kind {
            PatternKind::Wild => self.put("_"),
            PatternKind::Bind(binder) => self.put(binder.name.as_str()),
            PatternKind::Int(value) => {
                let _ = write!(self.out, "{value}");
            }
            PatternKind::Real(value) => {
                let _ = write!(self.out, "{value:?}");
            }
            PatternKind::Bool(value) => {
                let _ = write!(self.out, "{value}");
            }
            PatternKind::Str(value) => {
                let _ = write!(self.out, "{value:?}");
            }
            PatternKind::Unit => self.put("()"),
            PatternKind::Tuple(parts) => self.patterns("(tuple", parts),
            PatternKind::Record(fields) => {
                self.put("(record");
                for (name, field) in fields {
                    let _ = write!(self.out, " {}:", name.name);
                    self.pattern(*field);
                }
                self.put(")");
            }
            PatternKind::Constructor { name, fields } => {
                let head = format!("({}", name.name);
                self.patterns(&head, fields);
            }
            PatternKind::Error => self.put("(error)"),
        }
    }

    fn patterns(&mut self, head: &str, parts: &[PatternId]) {
        self.put(head);
        for part in parts {
            self.put(" ");
            self.pattern(*part);
        }
        self.put(")");
    }

    fn ty(&mut self, ty: TypeId) {
        match &self.ast.ty(ty).kind {
            TypeExprKind::Unit => self.put("()"),
            TypeExprKind::Name(name, args) if args.is_empty() => self.put(name.name.as_str()),
            TypeExprKind::Name(name, args) => {
                let head = format!("{}<", name.name);
                self.types(&head, args, ">");
            }
            TypeExprKind::Domain(name, args) => {
                let head = format!("{}(", name.name);
                self.put(&head);
                for (index, arg) in args.iter().enumerate() {
                    if index > 0 {
                        self.put(" ");
                    }
                    self.expr(*arg);
                }
                self.put(")");
            }
            TypeExprKind::Array(element) => self.types("[", &[*element], "]"),
            TypeExprKind::Tuple(parts) => self.types("(tuple ", parts, ")"),
            TypeExprKind::Record(fields) => {
                self.put("(record");
                for (name, field) in fields {
                    let _ = write!(self.out, " {}:", name.name);
                    self.ty(*field);
                }
                self.put(")");
            }
            TypeExprKind::Fn(params, arrow, result) => {
                self.types("(", params, if *arrow == Arrow::Random { ") ~> " } else { ") -> " });
                self.ty(*result);
            }
            TypeExprKind::Error => self.put("(error)"),
        }
    }

    fn types(&mut self, open: &str, types: &[TypeId], close: &str) {
        self.put(open);
        for (index, ty) in types.iter().enumerate() {
            if index > 0 {
                self.put(" ");
            }
            self.ty(*ty);
        }
        self.put(close);
    }
}
