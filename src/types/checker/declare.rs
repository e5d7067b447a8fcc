//! Enters items into scopes, and parses library files and signatures when a name first needs them.

use super::super::env::{Entity, Scope, ScopeId};
use super::super::infer::Infer;
use super::super::scheme::{Callee, Mono, Scheme, SchemeParam};
use super::super::table::{Eff, Node, Ty};
use super::super::{error, suggest};
use super::Checker;
use crate::source::{Diagnostic, Name, Severity, Span};
use crate::syntax::ast::{Ast, Binder, Ident, ItemId, ItemKind, PatternId, PatternKind, StmtKind};
use crate::syntax::parser::parse;
use std::collections::HashMap;
use std::sync::Arc;

/// Calls `visit` on each name that a pattern binds.
pub(super) fn pattern_binders(ast: &Ast, pattern: PatternId, visit: &mut dyn FnMut(Binder)) {
    match &ast.pattern(pattern).kind {
        PatternKind::Bind(name) => visit(*name),
        PatternKind::Tuple(parts) => parts.iter().for_each(|p| pattern_binders(ast, *p, visit)),
        PatternKind::Record(fields) => fields.iter().for_each(|(_, p)| pattern_binders(ast, *p, visit)),
        PatternKind::Constructor { fields, .. } => fields.iter().for_each(|p| pattern_binders(ast, *p, visit)),
        _ => {}
    }
}

impl Checker {
    pub(super) fn new_scope(&mut self, parent: Option<ScopeId>) -> ScopeId {
        self.env.scopes.push(Scope { parent, ..Scope::default() });
        ScopeId((self.env.scopes.len() - 1) as u32)
    }

    pub(super) fn scope_of(&self, item: ItemId) -> ScopeId {
        self.env.item_scopes.get(&item).copied().unwrap_or(self.scope)
    }

    /// Enters items into a scope. Where a variable hides an earlier one of the same file, what follows gets a scope of its
    /// own; the last one is given back.
    pub(super) fn declare(&mut self, items: &[ItemId], scope: ScopeId) -> ScopeId {
        let mut scope = scope;
        let mut defined: HashMap<Name, Span> = HashMap::new();
        let mut types: HashMap<Name, Span> = HashMap::new();
        for &item in items {
            let mut entries: Vec<(Name, Entity)> = Vec::new();
            let span = self.ast.item(item).span;
            let mut definition: Option<Ident> = None;
            let mut named_type: Option<Ident> = None;
            match &self.ast.item(item).kind {
                ItemKind::Fn(decl) => {
                    definition = Some(Ident { name: decl.name.name, span: decl.name.span });
                    entries.push((decl.name.name, Entity::Fn(item)));
                }
                ItemKind::Dist(decl) => {
                    definition = Some(decl.name);
                    entries.push((decl.name.name, Entity::Dist(item)));
                }
                ItemKind::Data { name, .. } => {
                    definition = Some(Ident { name: name.name, span: name.span });
                    entries
                        .push((name.name, Entity::Global { item, bind: name.bind, mutable: false, span: name.span }));
                }
                ItemKind::Variant { name, constructors, .. } => {
                    named_type = Some(*name);
                    for (tag, constructor) in constructors.iter().enumerate() {
                        entries.push((constructor.name.name, Entity::Constructor(item, tag as u32)));
                    }
                }
                ItemKind::Alias { name, .. } => named_type = Some(*name),
                ItemKind::ImportModule { name } => {
                    if self.library.module(name.name.as_str()) {
                        entries.push((name.name, Entity::Library));
                    } else {
                        let error = Diagnostic::error(name.span, format!("the library has no module `{}`", name.name))
                            .hint("a file is imported by its path: `import \"file.borel\" as name`");
                        self.found.push(error);
                    }
                }
                ItemKind::Stmt(stmt) => {
                    let mut global = |name: Binder, mutable| {
                        let entity = Entity::Global { item, bind: name.bind, mutable, span: name.span };
                        entries.push((name.name, entity));
                    };
                    match &stmt.kind {
                        StmtKind::Let { pattern, .. } => {
                            pattern_binders(&self.ast, *pattern, &mut |name| global(name, false));
                        }
                        StmtKind::Var { name, .. } => global(*name, true),
                        StmtKind::Draw { name, .. } => global(*name, false),
                        _ => {}
                    }
                }
                ItemKind::Error(names) => {
                    self.env.scopes[scope.0 as usize].broken.extend(names.iter().copied());
                }
                ItemKind::ImportFile { .. } | ItemKind::Test { .. } => {}
            }
            let library = scope == ScopeId::LIBRARY;
            if let Some(name) = definition
                && !library
            {
                if let Some(first) = defined.insert(name.name, name.span) {
                    let error = Diagnostic::error(name.span, format!("`{}` is defined twice", name.name))
                        .also(first, "first defined here")
                        .hint("give one of them another name");
                    self.found.push(error);
                }
            } else if !library
                && entries.iter().any(|(name, _)| self.env.scopes[scope.0 as usize].names.contains_key(name))
                && matches!(self.ast.item(item).kind, ItemKind::Stmt(_))
            {
                // The initial value still sees the earlier variable.
                self.env.item_scopes.insert(item, scope);
                scope = self.new_scope(Some(scope));
                for (name, entity) in entries {
                    self.env.scopes[scope.0 as usize].names.insert(name, vec![entity]);
                }
                continue;
            }
            if let Some(name) = named_type {
                if let Some(first) = types.insert(name.name, name.span)
                    && !library
                {
                    let error = Diagnostic::error(name.span, format!("type `{}` is defined twice", name.name))
                        .also(first, "first defined here");
                    self.found.push(error);
                }
                self.env.scopes[scope.0 as usize].types.insert(name.name, item);
            }
            let _ = span;
            self.env.item_scopes.insert(item, scope);
            for (name, entity) in entries {
                let names = &mut self.env.scopes[scope.0 as usize].names;
                if library {
                    names.entry(name).or_default().push(entity);
                } else {
                    names.insert(name, vec![entity]);
                }
            }
        }
        self.declare_types(items);
        scope
    }

    /// The types of constructors and of `data`, once all types have their names.
    fn declare_types(&mut self, items: &[ItemId]) {
        for &item in items {
            let names: Vec<Name> = match &self.ast.item(item).kind {
                ItemKind::Variant { .. } | ItemKind::Alias { .. } | ItemKind::Data { .. } => {
                    super::super::depend::uses(&self.ast, item).types
                }
                _ => continue,
            };
            for name in names {
                self.load(name);
            }
            let scope = self.scope_of(item);
            let mut infer = Infer::new(&self.ast, &self.env, &self.sources, scope);
            let mut constructors = Vec::new();
            let mut data = None;
            match &self.ast.item(item).kind {
                ItemKind::Variant { name, params, constructors: declared } => {
                    for (tag, constructor) in declared.iter().enumerate() {
                        let args: Vec<Ty> = params.iter().map(|_| infer.table.fresh()).collect();
                        infer.type_vars = params.iter().map(|p| p.name).zip(args.iter().copied()).collect();
                        let known = infer.type_vars.len();
                        let fields: Vec<SchemeParam> = constructor
                            .fields
                            .iter()
                            .map(|ty| {
                                let span = self.ast.ty(*ty).span;
                                SchemeParam { name: None, ty: infer.annotation(*ty), default: None, span }
                            })
                            .collect();
                        if infer.type_vars.len() > known {
                            let extra: Vec<Name> = infer
                                .type_vars
                                .keys()
                                .copied()
                                .filter(|v| !params.iter().any(|p| p.name == *v))
                                .collect();
                            if let Some(extra) = extra.first() {
                                let error = Diagnostic::error(
                                    constructor.name.span,
                                    format!("`{extra}` is not a parameter of the type `{}`", name.name),
                                )
                                .hint(format!("write `type {}<{extra}> = …`", name.name));
                                infer.report(error);
                            }
                        }
                        let result = infer.table.add(Node::Variant(name.name, item.0, args.into()));
                        let mono = Mono {
                            name: constructor.name.name,
                            callee: Callee::Constructor(item, tag as u32),
                            params: fields,
                            result,
                            effect: Eff::DETERMINISTIC,
                        };
                        let scheme = Scheme::generalise(&infer.table, &mono, false, super::super::env::NO_CONSTRAINTS);
                        constructors.push((tag as u32, Arc::new(scheme)));
                    }
                }
                ItemKind::Alias { params, ty, .. } => {
                    infer.type_vars = params.iter().map(|p| (p.name, Ty::UNIT)).collect();
                    infer.annotation(*ty);
                }
                ItemKind::Data { name, ty, .. } => {
                    let ty = infer.annotation(*ty);
                    if infer.table.mentions_unknown(ty) {
                        let span = self.ast.item(item).span;
                        infer.report(
                            Diagnostic::error(name.span.to(span), "the type of `data` cannot have parameters")
                                .hint("say the type, as in `data x: [Real]`"),
                        );
                    }
                    data = Some((name.bind, infer.table.export(ty)));
                }
                _ => {}
            }
            let found = std::mem::take(&mut infer.diagnostics);
            // The type of `data` is looked at again with its default, which reports the same.
            if data.is_none() || !found.iter().all(|d| d.message.starts_with("unknown type")) {
                self.found.extend(found);
            }
            for (tag, scheme) in constructors {
                self.env.constructors.insert((item, tag), scheme);
            }
            if let Some((bind, ty)) = data {
                self.env.globals.insert(bind, ty);
            }
        }
    }

    /// Makes the library's definitions of a name known.
    pub(super) fn load(&mut self, name: Name) {
        if !self.loaded_names.insert(name) {
            return;
        }
        for (path, text) in self.library.defining(name.as_str()) {
            if !self.loaded_files.insert(path) {
                continue;
            }
            let file = self.sources.add(path, text);
            let (module, diagnostics) = parse(&mut self.ast, file, text);
            self.found.extend(diagnostics);
            self.declare(&module.items, ScopeId::LIBRARY);
            for item in &module.items {
                if let ItemKind::Variant { name, .. } | ItemKind::Alias { name, .. } = &self.ast.item(*item).kind {
                    self.loaded_names.insert(name.name);
                }
            }
        }
        for (row, signature, elementwise) in self.library.primitives(name.as_str()) {
            self.load_primitive(name, row, signature, elementwise);
        }
    }

    fn load_primitive(&mut self, name: Name, row: u32, signature: &str, elementwise: bool) {
        let text = format!("{signature} = ()");
        let file = self.sources.add(format!("primitive {name}"), text.as_str());
        let (module, diagnostics) = parse(&mut self.ast, file, &text);
        self.found.extend(diagnostics.into_iter().filter(|d| d.severity == Severity::Error));
        // Messages show the signature alone.
        self.sources.replace(file, signature);
        let Some(&item) = module.items.first() else { return };
        self.env.item_scopes.insert(item, ScopeId::LIBRARY);
        for name in super::super::depend::uses(&self.ast, item).types {
            self.load(name);
        }
        let ItemKind::Fn(decl) = &self.ast.item(item).kind else { return };
        let mut infer = Infer::new(&self.ast, &self.env, &self.sources, ScopeId::LIBRARY);
        let mono = infer.primitive(decl, row);
        let scheme = Scheme::generalise(&infer.table, &mono, elementwise, super::super::env::NO_CONSTRAINTS);
        let found = std::mem::take(&mut infer.diagnostics);
        self.found.extend(found);
        self.env.prims.insert(row, Arc::new(scheme));
        self.prim_items.insert(row, item);
        self.env.scopes[0].names.entry(name).or_default().push(Entity::Prim(row));
    }

    /// A constant that is defined by itself.
    pub(super) fn report_cycle(&mut self, item: ItemId) {
        if let Some(name) = error::item_name(&self.ast, item) {
            self.found.push(error::depends_on_itself(name.span, name.name));
        }
    }

    /// The name of the session or library that was probably meant.
    pub fn suggest(&self, word: &str) -> Option<String> {
        suggest::name(word, &self.env.visible(self.scope))
    }
}
