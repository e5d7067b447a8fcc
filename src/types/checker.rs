//! The checker of a session: it knows every item added so far, and types bodies on demand.
//!
//! Items are inferred in groups that use each other, dependencies first, so each is looked at once whatever the order in
//! the file. Functions are generalised; their bodies are inferred again at concrete types for each instance that lowering
//! asks for.

mod declare;
mod group;
mod instance;

use super::env::{Entity, Env, ScopeId};
use super::infer::Infer;
use super::library::Library;
use super::typed::Typed;
use crate::core::Type;
use crate::source::{Diagnostic, Name, Severity, SourceMap, intern};
use crate::syntax::ast::{Ast, BindId, ExprId, ItemId, ItemKind, PatternKind, Stmt, StmtKind, TypeExprKind, TypeId};
use std::collections::{HashMap, HashSet};

pub use instance::DistParam;

/// Types the items of a session. It owns the syntax trees and the texts.
pub struct Checker {
    pub ast: Ast,
    pub sources: SourceMap,
    library: Box<dyn Library>,
    env: Env,
    /// The scope of what is added next.
    scope: ScopeId,
    loaded_names: HashSet<Name>,
    loaded_files: HashSet<&'static str>,
    /// The items of primitives, whose parameters hold their defaults.
    prim_items: HashMap<u32, ItemId>,
    groups: group::Groups,
    statements: HashMap<ItemId, Result<Typed, Vec<Diagnostic>>>,
    /// What was found wrong since it was last taken.
    found: Vec<Diagnostic>,
}

/// What a session had added at some time.
#[derive(Clone, Copy, Debug)]
pub struct Mark(ScopeId);

/// A file whose items can be imported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileScope(ScopeId);

impl Checker {
    /// A checker of an empty session.
    pub fn new(ast: Ast, sources: SourceMap, library: Box<dyn Library>) -> Checker {
        let mut env = Env::new();
        env.library_names = library.names();
        env.scopes.push(super::env::Scope::default());
        Checker {
            ast,
            sources,
            library,
            env,
            scope: ScopeId(1),
            loaded_names: HashSet::new(),
            loaded_files: HashSet::new(),
            prim_items: HashMap::new(),
            groups: group::Groups::default(),
            statements: HashMap::new(),
            found: Vec::new(),
        }
    }

    /// Adds items to the session: declares them all, then checks every body. Later definitions hide earlier ones.
    /// Gives all errors and warnings.
    pub fn add_module(&mut self, items: &[ItemId]) -> Vec<Diagnostic> {
        self.scope = self.new_scope(Some(self.scope));
        self.scope = self.declare(items, self.scope);
        self.check(items);
        self.take_found()
    }

    /// What was added so far, for [`Checker::withdraw`].
    pub fn mark(&self) -> Mark {
        Mark(self.scope)
    }

    /// Takes names out that were added since the mark: those of the items given, or all.
    pub fn withdraw(&mut self, mark: Mark, items: Option<&[ItemId]>) {
        let Some(items) = items else {
            self.scope = mark.0;
            return;
        };
        let own = |entity: &Entity| match entity {
            Entity::Fn(item) | Entity::Dist(item) | Entity::Global { item, .. } | Entity::Constructor(item, _) => {
                items.contains(item)
            }
            _ => false,
        };
        let mut at = Some(self.scope);
        while let Some(id) = at.filter(|id| *id != mark.0) {
            let scope = &mut self.env.scopes[id.0 as usize];
            scope.names.retain(|_, entities| !entities.iter().any(own));
            scope.types.retain(|_, item| !items.contains(item));
            at = scope.parent;
        }
    }

    /// Adds an imported file, whose names are seen only through [`Checker::add_import`]. `imports` are the files that it
    /// imports itself.
    pub fn add_file(
        &mut self,
        items: &[ItemId],
        imports: &[(Option<Name>, FileScope)],
    ) -> (FileScope, Vec<Diagnostic>) {
        let scope = self.new_scope(None);
        for (alias, file) in imports {
            self.import_into(scope, *alias, *file);
        }
        let scope = self.new_scope(Some(scope));
        let scope = self.declare(items, scope);
        self.check(items);
        (FileScope(scope), self.take_found())
    }

    /// Makes a file known to what is added next, under a name, or with its own names where there is none.
    pub fn add_import(&mut self, alias: Option<Name>, file: FileScope) {
        self.scope = self.new_scope(Some(self.scope));
        self.import_into(self.scope, alias, file);
    }

    fn import_into(&mut self, scope: ScopeId, alias: Option<Name>, file: FileScope) {
        match alias {
            Some(alias) => {
                self.env.scopes[scope.0 as usize].names.insert(alias, vec![Entity::Module(file.0)]);
            }
            None => {
                let from = &self.env.scopes[file.0.0 as usize];
                let (names, types) = (from.names.clone(), from.types.clone());
                let into = &mut self.env.scopes[scope.0 as usize];
                into.names.extend(names);
                into.types.extend(types);
            }
        }
    }

    /// A top-level statement, `data` declaration or test at concrete types. Its warnings were given by
    /// [`Checker::add_module`].
    pub fn statement(&mut self, item: ItemId) -> Result<Typed, Vec<Diagnostic>> {
        self.ensure(item);
        match self.statements.get(&item) {
            Some(result) => result.clone(),
            None => Ok(Typed::default()),
        }
    }

    /// The type of what a name of the session or the library stands for, as `:type` shows it.
    pub fn type_of_item(&mut self, name: &str) -> Option<String> {
        let name = intern(name);
        self.load(name);
        let entities = self.env.lookup(self.scope, name).to_vec();
        if entities.is_empty() {
            let scheme = self.env.domains.get(&name)?;
            return Some(if scheme.params.is_empty() { scheme.render_result() } else { scheme.render(&[]) });
        }
        let mut texts = Vec::new();
        for entity in entities {
            self.ensure_entity(entity);
            let text = match entity {
                Entity::Global { bind, .. } => self.env.globals.get(&bind).map(|ty| ty.to_string()),
                Entity::Module(_) | Entity::Library => None,
                Entity::Constructor(..) => {
                    self.env.scheme(entity).map(|s| if s.params.is_empty() { s.render_result() } else { s.render(&[]) })
                }
                _ => {
                    let domains = self.declared_domains(entity);
                    self.env.scheme(entity).map(|scheme| scheme.render(&domains))
                }
            };
            texts.extend(text);
        }
        self.found.clear();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// The domains that the parameters of a definition are declared with, as they are written.
    fn declared_domains(&self, entity: Entity) -> Vec<Option<String>> {
        let (Entity::Fn(item) | Entity::Dist(item)) = entity else { return Vec::new() };
        let params = match &self.ast.item(item).kind {
            ItemKind::Fn(decl) => &decl.params,
            ItemKind::Dist(decl) => &decl.params,
            _ => return Vec::new(),
        };
        let written = |ty: TypeId| {
            let node = self.ast.ty(ty);
            let (TypeExprKind::Name(name, _) | TypeExprKind::Domain(name, _)) = &node.kind else { return None };
            let known = super::domain::NAMES.iter().any(|(domain, _)| *domain == name.name.as_str());
            known.then(|| self.sources.text(node.span).to_string())
        };
        params.iter().map(|param| param.ty.and_then(written)).collect()
    }

    /// The type of an expression in the scope of the session, as `:type` shows it.
    pub fn expression_type(&mut self, expr: ExprId) -> Result<String, Vec<Diagnostic>> {
        let item = self.expression_item(expr);
        let (result, found) = self.infer_statement(item);
        match result.and_then(|typed| typed.result) {
            Some(ty) => Ok(ty.to_string()),
            None => Err(found),
        }
    }

    /// An item that evaluates an expression, in the scope of the session.
    fn expression_item(&mut self, expr: ExprId) -> ItemId {
        let span = self.ast.expr(expr).span;
        let stmt = Stmt { span, doc: None, kind: StmtKind::Expr(expr) };
        let item = self.ast.add_item(crate::syntax::ast::Item { span, doc: None, kind: ItemKind::Stmt(stmt) });
        self.env.item_scopes.insert(item, self.scope);
        item
    }

    /// Types an expression that is no item, such as an example of the documentation.
    pub fn expression(&mut self, expr: ExprId) -> Result<Typed, Vec<Diagnostic>> {
        let item = self.expression_item(expr);
        let (result, found) = self.infer_statement(item);
        result.ok_or(found)
    }

    /// The declared type of a `data` item.
    pub fn data_type(&self, item: ItemId) -> Type {
        match &self.ast.item(item).kind {
            ItemKind::Data { name, .. } => self.env.globals.get(&name.bind).copied().unwrap_or(Type::UNIT),
            _ => Type::UNIT,
        }
    }

    /// The type of a `data` item or top-level variable, by its binder.
    pub fn global_type(&self, bind: BindId) -> Option<Type> {
        self.env.globals.get(&bind).copied()
    }

    /// The item that holds the signature of a primitive: its parameters have the defaults, its body means nothing.
    /// An [`super::typed::Instance`] of it types the defaults.
    pub fn primitive_item(&self, row: u32) -> Option<ItemId> {
        self.prim_items.get(&row).copied()
    }

    /// The item of the library or session that a name stands for: its function or distribution that is found first.
    pub fn item_named(&mut self, name: &str) -> Option<ItemId> {
        let name = intern(name);
        self.load(name);
        self.env.lookup(self.scope, name).iter().find_map(|entity| match entity {
            Entity::Fn(item) | Entity::Dist(item) => Some(*item),
            Entity::Global { item, .. } => Some(*item),
            _ => None,
        })
    }

    /// The row of the primitive that a name of the library stands for first.
    pub fn primitive_named(&mut self, name: &str) -> Option<u32> {
        let name = intern(name);
        self.load(name);
        self.env.lookup(ScopeId::LIBRARY, name).iter().find_map(|entity| match entity {
            Entity::Prim(row) => Some(*row),
            _ => None,
        })
    }

    /// Whether an item comes from the library.
    pub fn is_library(&self, item: ItemId) -> bool {
        self.env.item_scopes.get(&item) == Some(&ScopeId::LIBRARY)
    }

    fn check(&mut self, items: &[ItemId]) {
        for item in items {
            self.ensure(*item);
        }
    }

    fn take_found(&mut self) -> Vec<Diagnostic> {
        let mut found = std::mem::take(&mut self.found);
        // The same may be seen on several ways.
        let mut seen: HashSet<(u32, u32, String)> = HashSet::new();
        found.retain(|d| {
            let place = d.labels.first().map_or((u32::MAX, 0), |label| (label.span.file.0, label.span.start));
            seen.insert((place.0, place.1, d.message.clone()))
        });
        found.sort_by_key(|d| d.labels.first().map_or((u32::MAX, 0), |label| (label.span.file.0, label.span.start)));
        found
    }

    /// Infers a statement, `data` declaration or test at concrete types.
    fn infer_statement(&mut self, item: ItemId) -> (Option<Typed>, Vec<Diagnostic>) {
        self.ensure_dependencies(item);
        let scope = self.scope_of(item);
        let (result, found) = self.with_names(|checker| {
            let mut infer = Infer::new(&checker.ast, &checker.env, &checker.sources, scope);
            infer.own = Some(item);
            let result = top_level(&mut infer, item);
            if infer.needs_names() {
                return Err(infer.missing());
            }
            infer.decide_rest();
            infer.conclude(true);
            let random = infer.is_random();
            let mut typed = infer.typed(Some(result));
            typed.random = random;
            let diagnostics = std::mem::take(&mut infer.diagnostics);
            Ok((typed, diagnostics))
        });
        let failed = found.iter().any(|d| d.severity == Severity::Error);
        for bind in binders(&self.ast, item) {
            match result.binds.get(&bind) {
                Some(ty) if !failed => {
                    self.env.globals.insert(bind, *ty);
                }
                _ => {
                    self.env.failed.insert(bind);
                }
            }
        }
        ((!failed).then_some(result), found)
    }
}

/// The body of a top-level item that is no definition of a function.
fn top_level(infer: &mut Infer<'_>, item: ItemId) -> super::table::Ty {
    use super::constraint::Reason;
    use super::table::Ty;
    let ast = infer.ast;
    match &ast.item(item).kind {
        ItemKind::Data { ty, default, .. } => {
            let declared = infer.annotation(*ty);
            infer.annotation_args(*ty);
            if let Some(default) = default {
                let span = infer.span(*default);
                infer.deterministic(span, "the default of `data`", |infer| {
                    infer.check(*default, declared, Reason::Annotation(*ty));
                });
            }
            declared
        }
        ItemKind::Test { body, .. } => {
            infer.outside_model = true;
            infer.discarded_block(body);
            Ty::UNIT
        }
        ItemKind::Stmt(stmt) => {
            infer.top_level = true;
            infer.outside_model = true;
            match &stmt.kind {
                StmtKind::Expr(value) | StmtKind::Return(value) => infer.expr(*value, None),
                _ => {
                    infer.statement(stmt);
                    Ty::UNIT
                }
            }
        }
        _ => Ty::UNIT,
    }
}

/// The global names that an item binds.
fn binders(ast: &Ast, item: ItemId) -> Vec<BindId> {
    let mut found = Vec::new();
    match &ast.item(item).kind {
        ItemKind::Data { name, .. } => found.push(name.bind),
        ItemKind::Stmt(stmt) => match &stmt.kind {
            StmtKind::Let { pattern, .. } => declare::pattern_binders(ast, *pattern, &mut |name| found.push(name.bind)),
            StmtKind::Var { name, .. } | StmtKind::Draw { name, .. } => found.push(name.bind),
            _ => {}
        },
        _ => {}
    }
    found
}

/// The name that a parameter's pattern binds.
fn parameter_name(ast: &Ast, param: &crate::syntax::ast::Param) -> Option<Name> {
    match &ast.pattern(param.pattern).kind {
        PatternKind::Bind(name) => Some(name.name),
        _ => None,
    }
}

/// The written type of a parameter, which tells its domain.
fn parameter_type(param: &crate::syntax::ast::Param) -> Option<TypeId> {
    param.ty
}
