//! What those who look at inference itself ask of a session: expressions as models, and the parts of which a method is composed.

use super::host::{ChainSeen, DriverHost};
use super::library::METHOD_ROWS;
use super::{Failure, File, ModelInfo, Session, plan};
use crate::core::Type;
use crate::core::ir::{FuncId, SiteKind};
use crate::data::Bound;
use crate::exec::machine::code::SiteCode;
use crate::exec::view::{Host, Model, Start};
use crate::infer::{self, kernel::Kernel};
use crate::source::{Name, Span};
use crate::syntax::ast::{ExprKind, FnDecl, ItemId, ItemKind, PatternKind};
use crate::value::{Generator, Value};
use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};

/// A function of which a method is composed.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub name: String,
    /// It comes with the language.
    pub library: bool,
    /// What it declares to keep: `preserves`, `invariant`, `unbiased` or `biased`.
    pub contract: Option<String>,
    pub parameters: Vec<Parameter>,
    /// Its type as `:type` shows it.
    pub signature: String,
    /// Where it is written; [`Span::NONE`] for a part that is written in Rust.
    pub span: Span,
}

/// An expression that was lowered.
#[derive(Clone, Copy, Debug)]
pub struct Prepared(FuncId);

/// What a call of a method gave, and the chains that it ran.
pub struct Ran {
    pub value: Value,
    pub chains: Vec<ChainSeen>,
}

/// A parameter of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    pub name: String,
    /// The text of its default.
    pub default: Option<String>,
}

impl Session {
    /// The model that an expression of a type `() ~> a` stands for.
    pub fn model_of(&mut self, text: &str) -> Result<Model, Failure> {
        let item = self.expression_item(text)?;
        let (_, code) = self.statement_code(item)?;
        let closure = self.execute(&code)?;
        let host: Arc<dyn Host> = Arc::clone(&self.host) as Arc<dyn Host>;
        let model = Model::new(code, Start::Closure(closure), host, self.options.limits);
        // A model that returns nothing is known by its named choices.
        let record = plan::returns_nothing(&model);
        Ok(Model { record, ..model })
    }

    /// An expression, checked and lowered once, to be run again and again by [`Session::run_prepared`].
    pub fn prepared_expression(&mut self, text: &str) -> Result<Prepared, Failure> {
        let item = self.expression_item(text)?;
        let (entry, _) = self.statement_code(item)?;
        Ok(Prepared(entry.func))
    }

    /// The value of an expression with the data as they are bound now.
    pub fn run_prepared(&mut self, expression: Prepared, generator: Generator) -> Result<Value, Failure> {
        let code = self.compile(expression.0)?;
        self.execute_with(&code, generator)
    }

    /// Whether what is inferred from now on keeps every named choice.
    pub fn keep_choices(&self, all: bool) {
        self.host.all.store(all, Ordering::Relaxed);
    }

    /// Calls a method once.
    pub fn try_method(&mut self, text: &str) -> Result<Ran, Failure> {
        let expression = self.prepared_expression(text)?;
        self.run_method(expression)
    }

    /// Calls a method with the data as they are bound now.
    pub fn run_method(&mut self, expression: Prepared) -> Result<Ran, Failure> {
        let chains =
            |host: &DriverHost| std::mem::take(&mut *host.chains.lock().unwrap_or_else(PoisonError::into_inner));
        *self.host.chains.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
        let code = self.compile(expression.0)?;
        let value = self.execute(&code);
        let seen = chains(&self.host).unwrap_or_default();
        Ok(Ran { value: value?, chains: seen })
    }

    /// A kernel that an expression gives, on a model of a file.
    pub fn kernel_on(&mut self, text: &str, model: &str) -> Result<ChainSeen, Failure> {
        let expression = self.prepared_kernel(text, model)?;
        self.run_kernel(expression)
    }

    /// A kernel and a model, checked and lowered once, to be told again and again by [`Session::run_kernel`].
    pub fn prepared_kernel(&mut self, text: &str, model: &str) -> Result<Prepared, Failure> {
        self.prepared_expression(&format!("({model}, {text})"))
    }

    /// A kernel on a model with the data as they are bound now.
    pub fn run_kernel(&mut self, expression: Prepared) -> Result<ChainSeen, Failure> {
        let code = self.compile(expression.0)?;
        let value = self.execute(&code)?;
        let parts = match &value {
            Value::Tuple(parts) => parts.0.as_slice(),
            _ => &[],
        };
        let [closure, Value::Host(object)] = parts else {
            return Err(Failure::Usage("what is validated is no kernel".into()));
        };
        let Some(kernel) = object.as_any().downcast_ref::<Kernel>().cloned() else {
            return Err(Failure::Usage("what is validated is no kernel".into()));
        };
        let host: Arc<dyn Host> = Arc::clone(&self.host) as Arc<dyn Host>;
        let start = Start::Closure(closure.clone());
        let model = Model::new(code, start, host, self.options.limits);
        Ok(ChainSeen { model, closure: closure.clone(), kernel })
    }

    /// A model of a file for the views; its named choices are recorded if it returns nothing.
    pub fn recorded_model(&mut self, info: &ModelInfo) -> Result<Model, Failure> {
        let model = self.compiled(info)?;
        let record = plan::returns_nothing(&model);
        Ok(Model { record, ..model })
    }

    /// The whole text of a file.
    pub fn file_text(&self, file: &File) -> &str {
        self.checker.sources.file(file.module.file).map_or("", |source| &source.text)
    }

    /// Where a file writes the distributions of the continuous choices that a model makes, in ascending order.
    pub fn continuous_choices(&mut self, file: &File, info: &ModelInfo) -> Result<Vec<(usize, usize)>, Failure> {
        let model = self.compiled(info)?;
        let continuous = |site: &&SiteCode| {
            site.kind == SiteKind::Sample && site.ty == Type::REAL && site.span.file == file.module.file
        };
        // The choices of what the model reaches, not those of other models and of kernels.
        let drawn: HashSet<u32> =
            model.code.funcs.iter().flat_map(|func| func.samples.iter().map(|sample| sample.site)).collect();
        let sites = model.code.sites.iter().enumerate().filter(|(k, _)| drawn.contains(&(*k as u32)));
        let mut places = Vec::new();
        for site in sites.map(|(_, site)| site).filter(continuous) {
            // The distribution is the widest expression behind the name and the tilde.
            let (start, end) = (site.span.start, site.span.end);
            let text = self.checker.sources.text(site.span);
            let after = text.find('~').map_or(start, |tilde| start + tilde as u32 + 1);
            let within = self
                .checker
                .ast
                .exprs
                .iter()
                .map(|expr| expr.span)
                .filter(|span| span.file == site.span.file && span.start >= after && span.end <= end);
            if let Some(span) = within.max_by_key(|span| span.end - span.start) {
                places.push((span.start as usize, span.end as usize));
            }
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    /// A session in which a file has another text, with the data that are bound here.
    ///
    /// # Errors
    /// When the text is wrong.
    pub fn rewritten(&self, file: &File, text: &str) -> Result<(Session, File), Failure> {
        let mut other = Session::new(Arc::clone(&self.world), self.options);
        let loaded = other.load_text(&file.name, text)?;
        let values: Vec<(Name, Value)> = self
            .data_items()
            .into_iter()
            .filter_map(|item| match &self.checker.ast.item(item).kind {
                ItemKind::Data { name, .. } => {
                    let global = self.lowerer.global(name.bind)?;
                    Some((name.name, self.lowerer.program.globals[global.0 as usize].value.clone()?))
                }
                _ => None,
            })
            .collect();
        let items = other.data_items();
        other.bind_globals(items, &Bound { values, notes: Vec::new() })?;
        other.prepare(&loaded)?;
        Ok((other, loaded))
    }

    /// The name of the method that `infer` takes for a model.
    pub fn chosen_method(&mut self, info: &ModelInfo) -> Result<String, Failure> {
        let value = self.expression_value(&format!("exactly(() => {}())", info.name))?;
        let exact =
            matches!(&value, Value::Tuple(parts) if matches!(parts.0.get(1), Some(Value::Str(why)) if why.is_empty()));
        let model = self.model_of(&format!("() => {}()", info.name))?;
        Ok(if exact { "enumerate".into() } else { plan::full(&model).sampler().to_string() })
    }

    /// A function by its name, with what it declares; none where no function has that name.
    pub fn part(&mut self, name: &str) -> Option<Part> {
        let written = self.checker.item_named(name);
        let row = self.checker.primitive_named(name);
        let item = written.or_else(|| row.and_then(|row| self.checker.primitive_item(row)))?;
        let ItemKind::Fn(decl) = self.checker.ast.item(item).kind.clone() else { return None };
        let (library, contract, span) = match written {
            Some(item) => (self.checker.is_library(item), self.declared(item), self.checker.ast.item(item).span),
            None => {
                let row = row.and_then(|row| row.checked_sub(METHOD_ROWS)).and_then(|k| infer::rows().nth(k as usize));
                (true, row.and_then(|row| row.contract.word()).map(str::to_string), Span::NONE)
            }
        };
        let signature = self.checker.type_of_item(name).unwrap_or_default();
        Some(Part { name: name.to_string(), library, contract, parameters: self.parameters(&decl), signature, span })
    }

    /// The word after `contract:` in the documentation of an item.
    fn declared(&self, item: ItemId) -> Option<String> {
        let doc = self.checker.ast.item(item).doc.as_ref()?;
        let line = doc.text.lines().find_map(|line| line.trim().strip_prefix("contract:"))?;
        Some(line.split_whitespace().next()?.trim_end_matches(['.', ',', ';']).to_string())
    }

    fn parameters(&self, decl: &FnDecl) -> Vec<Parameter> {
        let ast = &self.checker.ast;
        let parameter = |param: &crate::syntax::ast::Param| Parameter {
            name: match &ast.pattern(param.pattern).kind {
                PatternKind::Bind(binder) => binder.name.to_string(),
                _ => String::new(),
            },
            default: param.default.map(|expr| self.checker.sources.text(ast.expr(expr).span).to_string()),
        };
        decl.params.iter().map(parameter).collect()
    }

    /// The functions that an expression or a function names, and those that they name, inner ones first. Functions that neither
    /// declare a contract nor are written in the user's files are looked into, not listed.
    pub fn parts(&mut self, text: &str) -> Vec<Part> {
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        for word in words(text) {
            self.collect(&word, &mut seen, &mut found);
        }
        found
    }

    fn collect(&mut self, name: &str, seen: &mut HashSet<String>, found: &mut Vec<Part>) {
        // A chain of calls this deep is one that somebody wrote to break us.
        if seen.len() > 10_000 || !seen.insert(name.to_string()) {
            return;
        }
        let Some(part) = self.part(name) else { return };
        for inner in self.named_in(part.span) {
            self.collect(&inner, seen, found);
        }
        if part.contract.is_some() || !part.library {
            found.push(part);
        }
    }

    /// The names that are used within a place, in the order of their first use.
    fn named_in(&self, place: Span) -> Vec<String> {
        if place == Span::NONE {
            return Vec::new();
        }
        let within = |span: Span| span.file == place.file && span.start >= place.start && span.end <= place.end;
        let mut uses: Vec<(u32, String)> = Vec::new();
        for node in self.checker.ast.exprs.iter().filter(|node| within(node.span)) {
            if let ExprKind::Name(name) = &node.kind {
                uses.push((node.span.start, name.to_string()));
            }
        }
        uses.sort();
        uses.into_iter().map(|(_, name)| name).collect()
    }
}

/// The identifiers in a text, in order.
fn words(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let words = text.split(|c: char| !is_word(c)).filter(|word| word.starts_with(|c: char| c.is_alphabetic()));
    words.map(str::to_string).collect()
}
