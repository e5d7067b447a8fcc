//! The order of the phases: a session reads, checks, lowers, improves, compiles and runs. The only file that knows it all.

mod alignment;
mod blame;
mod checkpoint;
pub mod density;
mod explain;
pub mod face;
mod facts;
mod gradients;
pub mod host;
mod interactive;
mod kernels;
pub mod library;
mod memo;
pub mod methods;
pub mod plan;
mod populations;
mod prepare;
pub mod simulate;
pub mod stream;
pub mod subject;

use crate::core::ir::{FuncId, Program};
use crate::core::{Type, TypeKind};
use crate::data::{self, DataError, bind};
use crate::exec::machine::{Code, Event, Limits, Machine};
use crate::exec::view::{Host, Model, Start};
use crate::lower::{Entry, Lowerer};
use crate::model::Production;
use crate::posterior::{Posterior, Warning};
use crate::source::world::Stream;
use crate::source::{Diagnostic, Name, Severity, SourceMap, Span, World};
use crate::syntax::ast::{Ast, FnKind, ItemId, ItemKind, Module, StmtKind};
use crate::syntax::parser;
use crate::types::{Checker, FileScope, Library};
use crate::value::fault::FaultKind;
use crate::value::{Fault, Generator, Value};
use host::DriverHost;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What a session is told once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    pub seed: u64,
    pub limits: Limits,
}

/// Why something did not happen.
#[derive(Clone, Debug)]
pub enum Failure {
    /// The program is wrong.
    Diagnostics(Vec<Diagnostic>),
    /// The program went wrong while it ran.
    Fault(Box<Fault>),
    /// The data are wrong.
    Data(Vec<DataError>),
    /// The request is wrong, in words: no such model, no such method.
    Usage(String),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Failure {
        Failure::Fault(Box::new(fault))
    }
}

impl From<Vec<Diagnostic>> for Failure {
    fn from(diagnostics: Vec<Diagnostic>) -> Failure {
        Failure::Diagnostics(diagnostics)
    }
}

/// A file that was read and checked.
#[derive(Clone, Debug)]
pub struct File {
    pub name: String,
    pub module: Module,
    pub warnings: Vec<Diagnostic>,
}

/// A model of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelInfo {
    pub name: String,
    pub item: ItemId,
    /// How many arguments must be given.
    pub arguments: usize,
    /// How many may be given.
    pub parameters: usize,
}

/// The result of an inference.
#[derive(Clone, Debug)]
pub struct Inferred {
    pub model: String,
    pub method: String,
    pub posterior: Arc<Posterior>,
    /// Why `infer` chose the method; none when the user named it.
    pub reason: Option<String>,
}

/// How a test ended.
#[derive(Clone, Debug)]
pub struct TestResult {
    pub name: String,
    pub span: Span,
    pub outcome: Result<(), Failure>,
    pub seconds: f64,
}

/// What an item of a REPL entry gave.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The value of an expression, and its type.
    Value(Value, String),
    /// Names that were defined, with their types.
    Defined(Vec<(String, String)>),
    /// Something done for its effect.
    Nothing,
}

/// A program in progress: everything read, checked, lowered and evaluated so far.
pub struct Session {
    world: Arc<dyn World>,
    pub options: Options,
    pub checker: Checker,
    lowerer: Lowerer,
    known: HashMap<&'static str, ItemId>,
    host: Arc<DriverHost>,
    imported: HashMap<PathBuf, FileScope>,
    /// Files on the way to the one being imported.
    importing: Vec<PathBuf>,
    /// The `let`s of imported files that were not evaluated yet, in the order of the imports.
    pending: Vec<ItemId>,
    /// Items of entries of the REPL that failed.
    withdrawn: HashSet<ItemId>,
    statements: u64,
    /// The `let`s that were evaluated with several data.
    rebound: HashMap<ItemId, Entry>,
    /// Seconds spent from source to code, in total.
    pub compile_seconds: f64,
}

impl Session {
    /// An empty session.
    pub fn new(world: Arc<dyn World>, options: Options) -> Session {
        Session::with_library(world, options, Box::new(library::Standard))
    }

    /// An empty session over another library.
    pub fn with_library(world: Arc<dyn World>, options: Options, library: Box<dyn Library>) -> Session {
        let mut checker = Checker::new(Ast::default(), SourceMap::default(), library);
        let mut known = HashMap::new();
        for name in facts::KNOWN {
            if let Some(item) = checker.item_named(name) {
                known.insert(name, item);
            }
        }
        let host = DriverHost::new(Arc::clone(&world), options.limits);
        Session {
            world,
            options,
            checker,
            lowerer: Lowerer::default(),
            known,
            host,
            imported: HashMap::new(),
            importing: Vec::new(),
            pending: Vec::new(),
            withdrawn: HashSet::new(),
            statements: 0,
            rebound: HashMap::new(),
            compile_seconds: 0.0,
        }
    }

    /// Sends what programs print to this stream.
    pub fn print_to(&self, stream: Stream) {
        *self.host.stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = stream;
    }

    /// A diagnostic as text.
    pub fn render(&self, diagnostic: &Diagnostic, colour: bool) -> String {
        diagnostic.render(&self.checker.sources, colour)
    }

    /// A failure as text.
    pub fn render_failure(&self, failure: &Failure, colour: bool) -> String {
        match failure {
            Failure::Diagnostics(all) => all.iter().map(|d| self.render(d, colour)).collect::<Vec<_>>().join("\n"),
            Failure::Fault(fault) => self.render(&self.fault_diagnostic(fault), colour),
            Failure::Data(errors) => errors.iter().map(DataError::render).collect::<Vec<_>>().join("\n"),
            Failure::Usage(text) => format!("error: {text}\n"),
        }
    }

    /// Reads and checks a file with its imports.
    pub fn load(&mut self, path: &str) -> Result<File, Failure> {
        let text = self.world.read_text(Path::new(path)).map_err(|e| Failure::Usage(e.to_string()))?;
        self.load_text(path, &text)
    }

    /// Checks a text as the file of this name.
    pub fn load_text(&mut self, path: &str, text: &str) -> Result<File, Failure> {
        let start = self.world.now();
        let file = self.checker.sources.add(path, text);
        let (module, mut found) = parser::parse(&mut self.checker.ast, file, text);
        let folder = Path::new(path).parent().map(Path::to_path_buf).unwrap_or_default();
        for (alias, scope) in self.imports(&module, &folder, &mut found) {
            self.checker.add_import(alias, scope);
        }
        found.extend(self.checker.add_module(&module.items));
        self.compile_seconds += self.world.now() - start;
        if found.iter().any(|d| d.severity == Severity::Error) {
            return Err(Failure::Diagnostics(found));
        }
        Ok(File { name: path.to_string(), module, warnings: found })
    }

    /// Reads the files that a module imports.
    fn imports(
        &mut self,
        module: &Module,
        folder: &Path,
        found: &mut Vec<Diagnostic>,
    ) -> Vec<(Option<Name>, FileScope)> {
        let mut scopes = Vec::new();
        for item in &module.items {
            let ItemKind::ImportFile { path, path_span, alias } = self.checker.ast.item(*item).kind.clone() else {
                continue;
            };
            let full = folder.join(&path);
            match self.import(&full, path_span) {
                Ok(scope) => scopes.push((alias.map(|a| a.name), scope)),
                Err(errors) => found.extend(errors),
            }
        }
        scopes
    }

    fn import(&mut self, path: &Path, span: Span) -> Result<FileScope, Vec<Diagnostic>> {
        if let Some(scope) = self.imported.get(path) {
            return Ok(*scope);
        }
        if self.importing.iter().any(|p| p == path) {
            let chain: Vec<String> = self.importing.iter().map(|p| p.display().to_string()).collect();
            return Err(vec![
                Diagnostic::error(span, format!("`{}` imports itself", path.display()))
                    .hint(format!("the way there: {}", chain.join(" → "))),
            ]);
        }
        let text = self.world.read_text(path).map_err(|error| {
            vec![Diagnostic::error(span, error.to_string()).hint("paths count from the importing file")]
        })?;
        self.importing.push(path.to_path_buf());
        let file = self.checker.sources.add(path.display().to_string(), text.as_str());
        let (module, mut found) = parser::parse(&mut self.checker.ast, file, &text);
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let imports = self.imports(&module, &folder, &mut found);
        let (scope, more) = self.checker.add_file(&module.items, &imports);
        self.importing.pop();
        found.extend(more);
        if found.iter().any(|d| d.severity == Severity::Error) {
            return Err(found);
        }
        let ast = &self.checker.ast;
        let is_let = |item: &&ItemId| matches!(&ast.item(**item).kind, ItemKind::Stmt(stmt) if matches!(stmt.kind, StmtKind::Let { .. }));
        self.pending.extend(module.items.iter().filter(is_let));
        self.imported.insert(path.to_path_buf(), scope);
        Ok(scope)
    }

    /// The `data` declarations of a file and of the files it imports.
    fn data_items(&self) -> Vec<ItemId> {
        let ast = &self.checker.ast;
        (0..ast.items.len() as u32)
            .map(ItemId)
            .filter(|id| matches!(ast.item(*id).kind, ItemKind::Data { .. }) && !self.withdrawn.contains(id))
            .collect()
    }

    /// Binds the `data` declarations, from what was read or by their defaults. Gives notes on what was not asked for.
    pub fn bind_data(&mut self, entries: &[data::Entry]) -> Result<Vec<String>, Failure> {
        let items = self.data_items();
        let mut declared = Vec::new();
        for item in &items {
            let ty = self.checker.data_type(*item);
            let ItemKind::Data { name, default, .. } = &self.checker.ast.item(*item).kind else { continue };
            let Some(data_type) = data_type(ty) else {
                return Err(Failure::Diagnostics(vec![
                    Diagnostic::error(name.span, format!("data cannot be of type {ty}"))
                        .hint("data are numbers, booleans, strings, arrays, matrices, tuples and records"),
                ]));
            };
            let place = self.checker.sources.position(name.span);
            let place = place.map(|(file, line, column)| data::Place { file: file.into(), line, column });
            declared.push(bind::Declared { name: name.name, data_type, required: default.is_none(), place });
        }
        let bound = bind::bind_all(&declared, entries).map_err(Failure::Data)?;
        self.bind_globals(items, &bound)?;
        // Imported constants may use data, and are used by everything that follows.
        for item in std::mem::take(&mut self.pending) {
            self.evaluate(item)?;
        }
        Ok(bound.notes)
    }

    /// Gives the globals of `data` declarations their values.
    fn bind_globals(&mut self, items: Vec<ItemId>, bound: &bind::Bound) -> Result<(), Failure> {
        for item in items {
            let ItemKind::Data { name, default, .. } = self.checker.ast.item(item).kind.clone() else { continue };
            let ty = self.checker.data_type(item);
            let global = self.lowerer.declare_global(name.bind, name.name, ty);
            if self.lowerer.program.globals[global.0 as usize].value.is_some() {
                continue;
            }
            let given = bound.values.iter().find(|(n, _)| *n == name.name).map(|(_, v)| v.clone());
            let value = match given {
                Some(value) => value,
                None if default.is_some() => self.evaluate(item)?.0,
                None => continue,
            };
            self.lowerer.program.globals[global.0 as usize].value = Some(value);
        }
        Ok(())
    }

    /// Runs a top-level statement, `data` default or test; gives its value and the globals it defined.
    fn evaluate(&mut self, item: ItemId) -> Result<(Value, Vec<(Name, Type)>), Failure> {
        let (entry, code) = self.statement_code(item)?;
        self.define(&entry, &code)
    }

    /// Runs the code of a statement, and defines what it gives.
    fn define(&mut self, entry: &Entry, code: &Arc<Code>) -> Result<(Value, Vec<(Name, Type)>), Failure> {
        let value = self.execute(code)?;
        let mut defined = Vec::new();
        if let (false, Value::Tuple(parts)) = (entry.defines.is_empty(), &value) {
            for ((_, global), part) in entry.defines.iter().zip(&parts.0) {
                let global = &mut self.lowerer.program.globals[global.0 as usize];
                global.value = Some(part.clone());
                defined.push((global.name, global.ty));
            }
        }
        Ok((value, defined))
    }

    /// The code of a statement.
    fn statement_code(&mut self, item: ItemId) -> Result<(Entry, Arc<Code>), Failure> {
        let start = self.world.now();
        let typed = self.checker.statement(item)?;
        let mut facts = facts::CheckerFacts { checker: &mut self.checker, known: &self.known };
        let entry = self.lowerer.statement(&mut facts, item, typed)?;
        let code = self.compile(entry.func)?;
        self.compile_seconds += self.world.now() - start;
        Ok((entry, code))
    }

    /// The code of an entry function with everything it needs.
    fn compile(&self, entry: FuncId) -> Result<Arc<Code>, Failure> {
        let mut program = prepare::reach(&self.lowerer.program, entry);
        let (found, delayed) = prepare::improve_both(&mut program);
        if found.iter().any(|d| d.severity == Severity::Error) {
            return Err(Failure::Diagnostics(found));
        }
        let mut code = prepare::code(&program)?;
        if let Some(delayed) = delayed {
            code.delayed = Some(Arc::new(prepare::code(&delayed)?));
        }
        Ok(Arc::new(code))
    }

    /// The program that a model's inference would run, before and after each pass.
    fn program_of(&mut self, model: &ModelInfo) -> Result<Program, Failure> {
        let entry = self.entry_of(model)?;
        Ok(prepare::reach(&self.lowerer.program, entry))
    }

    fn generator(&mut self) -> Generator {
        self.statements += 1;
        Generator::new(self.options.seed).stream(self.statements)
    }

    /// Runs compiled top-level code: choices are drawn, weights mean nothing.
    fn execute(&mut self, code: &Arc<Code>) -> Result<Value, Failure> {
        let generator = self.generator();
        self.execute_with(code, generator)
    }

    /// As `execute`, with draws of its own.
    fn execute_with(&self, code: &Arc<Code>, generator: Generator) -> Result<Value, Failure> {
        let mut machine = self.machine(generator);
        machine.start(code, code.entry, &[])?;
        self.run_machine(machine, code)
    }

    /// Calls a function value of some code, with draws of its own.
    fn call_with(&self, code: &Arc<Code>, f: &Value, args: &[Value], generator: Generator) -> Result<Value, Failure> {
        let mut machine = self.machine(generator);
        machine.start_closure(code, f, args)?;
        self.run_machine(machine, code)
    }

    fn machine(&self, generator: Generator) -> Machine {
        let mut machine = Machine::default();
        machine.limits = self.options.limits;
        machine.draw = true;
        machine.print_buffer = self.print_buffer();
        machine.generator = generator;
        machine
    }

    fn run_machine(&self, mut machine: Machine, code: &Arc<Code>) -> Result<Value, Failure> {
        let result = loop {
            match machine.run(code) {
                Err(fault) => break Err(fault),
                Ok(Event::Done) => break Ok(()),
                Ok(Event::Score { .. }) => {
                    let fault = Fault::error("a condition outside a model does not hold")
                        .hint("observations and conditions belong into a `model`, run by `infer(m)`");
                    break Err(machine.fault_here(code, fault));
                }
                Ok(Event::Printed) => self.flush(&mut machine),
                Ok(Event::Host { func, host }) => {
                    self.flush(&mut machine);
                    let name = code.funcs[func as usize].hosts[host as usize].name;
                    let args = machine.host_args(code, func, host);
                    let mut random = Production(machine.generator.split());
                    match self.host.call(code, name, args, &mut random) {
                        Ok(value) => machine.supply_host(code, func, host, value)?,
                        Err(fault) => break Err(machine.fault_here(code, fault)),
                    }
                }
                Ok(event) => break Err(Fault::internal(format!("unexpected {event:?}"))),
            }
        };
        self.flush(&mut machine);
        result?;
        Ok(std::mem::take(&mut machine.returned))
    }

    /// Bytes that are collected before they are shown: a person sees each line at once.
    fn print_buffer(&self) -> usize {
        let stream = *self.host.stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if self.world.is_terminal(stream) { 0 } else { 1 << 13 }
    }

    fn flush(&self, machine: &mut Machine) {
        if !machine.printed.is_empty() {
            self.host.print(&machine.printed);
            machine.printed.clear();
        }
    }

    /// Runs the statements of a file in order; values of expressions that are not `()` are printed.
    pub fn run(&mut self, file: &File) -> Result<(), Failure> {
        for item in &file.module.items {
            let ItemKind::Stmt(stmt) = self.checker.ast.item(*item).kind.clone() else { continue };
            let (value, _) = self.evaluate(*item)?;
            if matches!(stmt.kind, StmtKind::Expr(_)) && !matches!(value, Value::Unit) {
                self.host.print(&format!("{value}\n"));
            }
        }
        Ok(())
    }

    /// Whether a file is a script: it has statements other than `let`, or statements and no model.
    pub fn has_statements(&self, file: &File) -> bool {
        let no_model = self.models(file).is_empty();
        file.module.items.iter().any(|item| match &self.checker.ast.item(*item).kind {
            ItemKind::Stmt(stmt) => no_model || !matches!(stmt.kind, StmtKind::Let { .. }),
            _ => false,
        })
    }

    /// The models of a file, in order.
    pub fn models(&self, file: &File) -> Vec<ModelInfo> {
        let ast = &self.checker.ast;
        file.module
            .items
            .iter()
            .filter_map(|item| match &ast.item(*item).kind {
                ItemKind::Fn(decl) if decl.kind == FnKind::Model => Some(ModelInfo {
                    name: decl.name.name.to_string(),
                    item: *item,
                    arguments: decl.params.iter().filter(|p| p.default.is_none()).count(),
                    parameters: decl.params.len(),
                }),
                _ => None,
            })
            .collect()
    }

    /// The model of this name, or the only one without arguments.
    pub fn pick_model(&self, file: &File, name: Option<&str>) -> Result<ModelInfo, Failure> {
        let models = self.models(file);
        let names = || models.iter().map(|m| format!("`{}`", m.name)).collect::<Vec<_>>().join(", ");
        if let Some(name) = name {
            return match models.iter().find(|m| m.name == name) {
                Some(model) if model.arguments == 0 => Ok(model.clone()),
                Some(model) => Err(Failure::Usage(format!(
                    "the model `{name}` takes {} arguments: call it from a model without any, such as `model main {{ return {name}(…) }}`",
                    model.arguments
                ))),
                None if models.is_empty() => Err(Failure::Usage(format!("{} has no model", file.name))),
                None => Err(Failure::Usage(format!("{} has no model `{name}`; it has {}", file.name, names()))),
            };
        }
        let ready: Vec<&ModelInfo> = models.iter().filter(|m| m.arguments == 0).collect();
        match ready.as_slice() {
            [only] => Ok((*only).clone()),
            [] if models.is_empty() => Err(Failure::Usage(format!(
                "{} has no model and no statement: nothing to run; write `model m {{ … }}`",
                file.name
            ))),
            [] => Err(Failure::Usage(format!("every model of {} takes arguments: {}", file.name, names()))),
            _ => Err(Failure::Usage(format!("{} has several models: choose one with --model: {}", file.name, names()))),
        }
    }

    /// The function that runs a model.
    fn entry_of(&mut self, model: &ModelInfo) -> Result<FuncId, Failure> {
        let expr_result = self.result_type(model)?;
        let mut facts = facts::CheckerFacts { checker: &mut self.checker, known: &self.known };
        Ok(self.lowerer.call_item(&mut facts, model.item, expr_result)?)
    }

    /// The type of what a model returns: that of a call of it.
    fn result_type(&mut self, model: &ModelInfo) -> Result<Type, Failure> {
        let text = format!("{}()", model.name);
        let file = self.checker.sources.add(format!("<{}>", model.name), text.as_str());
        let (expr, found) = parser::parse_expression(&mut self.checker.ast, file, &text);
        let Some(expr) = expr else { return Err(Failure::Diagnostics(found)) };
        let typed = self.checker.expression(expr)?;
        Ok(typed.calls.get(&expr).map(|call| call.result).or(typed.result).unwrap_or(Type::UNIT))
    }

    /// The `let`s of a file, which its models may use, each evaluated once.
    pub fn prepare(&mut self, file: &File) -> Result<(), Failure> {
        for item in &file.module.items {
            let ItemKind::Stmt(stmt) = &self.checker.ast.item(*item).kind else { continue };
            if matches!(stmt.kind, StmtKind::Let { .. }) {
                self.evaluate(*item)?;
            }
        }
        Ok(())
    }

    /// A model of a file (the only one when none is named), for the views to run.
    pub fn model(&mut self, file: &File, name: Option<&str>) -> Result<Model, Failure> {
        let info = self.pick_model(file, name)?;
        self.compiled(&info)
    }

    fn compiled(&mut self, info: &ModelInfo) -> Result<Model, Failure> {
        let start = self.world.now();
        let entry = self.entry_of(info)?;
        let code = self.compile(entry)?;
        self.compile_seconds += self.world.now() - start;
        let host: Arc<dyn Host> = Arc::clone(&self.host) as Arc<dyn Host>;
        let start = Start::Func(code.entry);
        Ok(Model::new(code, start, host, self.options.limits))
    }

    /// Infers a model of a file by a method (`infer` when none is named), with options as written on the command line.
    pub fn infer(
        &mut self,
        file: &File,
        model: Option<&str>,
        method: Option<&str>,
        options: &[(&str, &str)],
        all: bool,
    ) -> Result<Inferred, Failure> {
        let info = self.pick_model(file, model)?;
        let call = method_call(method.unwrap_or("infer"), &info, options)?;
        self.host.all.store(all, Ordering::Relaxed);
        self.host.partial.store(true, Ordering::Relaxed);
        let start = self.world.now();
        let before = self.compile_seconds;
        let value = self.expression_value(&call).map_err(|failure| self.outside_domain(&info, failure));
        self.host.all.store(false, Ordering::Relaxed);
        self.host.partial.store(false, Ordering::Relaxed);
        let passed = self.world.now() - start - (self.compile_seconds - before);
        let Value::Host(object) = value? else {
            return Err(Fault::internal("a method gives a posterior").into());
        };
        let Some(posterior) = object.as_any().downcast_ref::<Posterior>() else {
            return Err(Fault::internal("a method gives a posterior").into());
        };
        let mut posterior = posterior.clone();
        for warning in &mut posterior.warnings {
            if let Warning::DomainFaults { example, place, .. } = warning {
                *place = self.checker.sources.place(self.fault_span(example));
            }
        }
        posterior.model.clone_from(&info.name);
        posterior.seed = self.options.seed;
        posterior.seconds.compile = self.compile_seconds;
        // Chains share the time that passed in the proportion in which they used it.
        let share = posterior.seconds.warmup / (posterior.seconds.warmup + posterior.seconds.sampling);
        posterior.seconds.warmup = if share.is_finite() { passed * share } else { 0.0 };
        posterior.seconds.sampling = passed - posterior.seconds.warmup;
        let (method, reason) = (posterior.method.clone(), posterior.reason.clone());
        Ok(Inferred { model: info.name, method, posterior: Arc::new(posterior), reason })
    }

    /// Why a method failed on a model: where a parameter of the model is outside its domain in every run, that is why, and the
    /// fault names its place.
    fn outside_domain(&mut self, model: &ModelInfo, failure: Failure) -> Failure {
        let Failure::Fault(fault) = &failure else { return failure };
        if fault.kind != FaultKind::Error {
            return failure;
        }
        let runs = method_call("importance", model, &[("draws", "20")]).and_then(|call| self.expression_value(&call));
        match runs {
            Err(Failure::Fault(fault)) if fault.kind == FaultKind::Domain => Failure::Fault(fault),
            _ => failure,
        }
    }

    /// Runs the tests of a file, and the examples in its documentation.
    pub fn tests(&mut self, file: &File) -> Vec<TestResult> {
        let mut results = Vec::new();
        for item in &file.module.items {
            let node = self.checker.ast.item(*item).clone();
            if let ItemKind::Test { name, .. } = &node.kind {
                let start = self.world.now();
                let outcome = self.evaluate(*item).map(|_| ());
                let seconds = self.world.now() - start;
                results.push(TestResult { name: name.clone(), span: node.span, outcome, seconds });
            }
            for (text, span) in node.doc.iter().flat_map(|doc| &doc.examples) {
                let start = self.world.now();
                let outcome = self.example(text, *span);
                let seconds = self.world.now() - start;
                results.push(TestResult { name: format!("example: {text}"), span: *span, outcome, seconds });
            }
        }
        results
    }

    /// Runs an example of the documentation: it must be true, or do nothing.
    pub fn example(&mut self, text: &str, span: Span) -> Result<(), Failure> {
        match self.expression_value(text)? {
            Value::Bool(true) | Value::Unit => Ok(()),
            value => {
                Err(Failure::Diagnostics(vec![Diagnostic::error(span, format!("the example gives {value}, not true"))]))
            }
        }
    }

    /// The value of an expression given as text.
    pub fn expression_value(&mut self, text: &str) -> Result<Value, Failure> {
        let item = self.expression_item(text)?;
        Ok(self.evaluate(item)?.0)
    }

    fn expression_item(&mut self, text: &str) -> Result<ItemId, Failure> {
        let file = self.checker.sources.add(format!("<{}>", text.lines().next().unwrap_or("")), text);
        let (module, mut found) = parser::parse(&mut self.checker.ast, file, text);
        found.extend(self.checker.add_module(&module.items));
        if found.iter().any(|d| d.severity == Severity::Error) {
            return Err(Failure::Diagnostics(found));
        }
        module.items.first().copied().ok_or_else(|| Failure::Usage("nothing to evaluate".into()))
    }

    /// The text of a place's file, for faces that show it.
    pub fn sources(&self) -> &SourceMap {
        &self.checker.sources
    }
}

/// The description of a type for the data readers; none for types that no data can have.
pub fn data_type(ty: Type) -> Option<bind::DataType> {
    use bind::DataType;
    Some(match ty.kind() {
        TypeKind::Bool => DataType::Bool,
        TypeKind::Int => DataType::Int,
        TypeKind::Real => DataType::Real,
        TypeKind::Str => DataType::Str,
        TypeKind::Matrix => DataType::Matrix,
        TypeKind::Array(t) => DataType::Array(Box::new(data_type(*t)?)),
        TypeKind::Tuple(parts) => DataType::Tuple(parts.iter().map(|t| data_type(*t)).collect::<Option<_>>()?),
        TypeKind::Record(fields) => {
            DataType::Record(fields.iter().map(|(name, t)| Some((*name, data_type(*t)?))).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// The call of a method on a model, with options as they were written on the command line.
fn method_call(name: &str, model: &ModelInfo, given: &[(&str, &str)]) -> Result<String, Failure> {
    let Some(method) = methods::find(name) else {
        let names: Vec<&str> = methods::methods().iter().map(|method| method.name).collect();
        return Err(Failure::Usage(format!("no method is called `{name}`; there are {}", names.join(", "))));
    };
    let mut call = match model.parameters {
        0 => format!("{name}({}", model.name),
        _ => format!("{name}(() => {}()", model.name),
    };
    for (k, (option, text)) in given.iter().enumerate() {
        let Some((_, default)) = method.options.iter().find(|(known, _)| known == option) else {
            let names: Vec<&str> = method.options.iter().map(|(known, _)| *known).collect();
            return Err(Failure::Usage(format!(
                "`{name}` has no option `{option}`; it has {}",
                if names.is_empty() { "none".to_string() } else { names.join(", ") }
            )));
        };
        // The last of several counts.
        if given[k + 1..].iter().any(|(later, _)| later == option) {
            continue;
        }
        let wrong = |what: &str| Failure::Usage(format!("the option `{option}` takes {what}, found `{text}`"));
        if default.contains('.') && default.parse::<f64>().is_ok() {
            text.parse::<f64>().map_err(|_| wrong("a number"))?;
        } else if default.parse::<i64>().is_ok() {
            text.parse::<i64>().map_err(|_| wrong("an integer"))?;
        } else if text.contains(|c: char| c.is_control()) {
            return Err(wrong("one line"));
        }
        // A word for an option that is a text needs no quotes.
        let word = default.starts_with('"') && text.chars().all(|c| c.is_alphanumeric() || c == '_');
        let quote = if word { "\"" } else { "" };
        call.push_str(&format!(", {option} = {quote}{text}{quote}"));
    }
    call.push(')');
    Ok(call)
}
