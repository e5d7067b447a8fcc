//! A learner fed line by line: its program compiled once, one call for each observation, its state kept between calls.

use super::checkpoint::{self, Checkpoint};
use super::{Failure, File, Session, data_type};
use crate::core::{Type, TypeKind};
use crate::data::{DataError, DataType, Place, bind, json};
use crate::exec::machine::Code;
use crate::exec::view::branching::finite_values;
use crate::source::world::Stream;
use crate::source::{Diagnostic, Severity};
use crate::syntax::ast::{ItemKind, StmtKind};
use crate::syntax::parser;
use crate::value::domain::Size;
use crate::value::hash::fingerprint;
use crate::value::{Fault, Generator, Value, to_json};
use std::sync::Arc;

/// A prediction over more values than this is told by its mean and standard deviation alone.
const MOST_VALUES: f64 = 64.0;

/// A learner in the middle of a stream.
pub struct Learning {
    code: Arc<Code>,
    ty: Type,
    learner: Value,
    /// Functions of the language: one step, the prediction, its support, the probabilities of values, its mean, its variance.
    step: Value,
    predict: Value,
    support: Value,
    probabilities: Value,
    mean: Option<Value>,
    variance: Option<Value>,
    /// The type of inputs; none for learners without.
    input: Option<DataType>,
    observation: DataType,
    /// What the prediction of the next observation looks like, while it is known.
    ahead: Option<String>,
    program: u64,
    seed: u64,
    pub lines: u64,
    pub observations: u64,
    /// Whether weights are written.
    pub weights: bool,
}

/// Why a line taught the learner nothing.
#[derive(Debug)]
pub enum Refused {
    /// The line is wrong, in words; the learner is as it was.
    Line(String),
    /// The stream cannot go on.
    Stop(Failure),
}

impl Session {
    /// Runs a file whose last statement is a learner, and makes that ready for observations.
    pub fn learning(&mut self, file: &File) -> Result<Learning, Failure> {
        let mut texts = Vec::new();
        let sources = &self.checker.sources;
        for id in 0.. {
            let Some(source) = sources.file(crate::source::FileId(id)) else { break };
            if !source.name.starts_with("stdlib/") {
                texts.extend_from_slice(source.text.as_bytes());
            }
        }
        let program = fingerprint(&texts);
        let ast = &self.checker.ast;
        let mut statements =
            file.module.items.iter().copied().filter(|item| matches!(ast.item(*item).kind, ItemKind::Stmt(_)));
        let last = statements.next_back();
        let statements: Vec<_> = statements.collect();
        let missing = || {
            let message =
                format!("the last statement of {} is no learner: write one, such as `BetaBernoulli(1, 1)`", file.name);
            Failure::Usage(message)
        };
        let last = last.ok_or_else(missing)?;
        let span = match &self.checker.ast.item(last).kind {
            ItemKind::Stmt(stmt) if matches!(stmt.kind, StmtKind::Expr(_)) => stmt.span,
            _ => return Err(missing()),
        };
        for item in statements {
            self.evaluate(item)?;
        }
        let ty = self.checker.statement(last)?.result.unwrap_or(Type::UNIT);
        let (input, observed) = match ty.kind() {
            TypeKind::Variant(name, _, arguments) if name.as_str() == "Forecaster" => (arguments[0], arguments[1]),
            _ => {
                let message = format!("expected a learner at the end of the file, found {ty}");
                return Err(Failure::Diagnostics(vec![
                    Diagnostic::error(span, message)
                        .hint("the last expression is what the stream teaches, such as `BetaBernoulli(1, 1)`"),
                ]));
            }
        };
        let readable = |ty: Type, what: &str| {
            data_type(ty).ok_or_else(|| {
                let message = format!("{what} of type {ty} cannot be read from a stream");
                Failure::Diagnostics(vec![Diagnostic::error(span, message)])
            })
        };
        let observation = readable(observed, "observations")?;
        let has_input = input != Type::UNIT;
        let input_type = if has_input { Some(readable(input, "inputs")?) } else { None };
        let text = self.checker.sources.text(span).to_string();
        let moments = matches!(observation, DataType::Int | DataType::Real)
            || matches!(&observation, DataType::Array(inner) if matches!(**inner, DataType::Int | DataType::Real));
        let moments = if moments {
            format!(", (d: Dist<{observed}>) => mean(d), (d: Dist<{observed}>) => variance(d)")
        } else {
            String::new()
        };
        let parts = format!(
            "{{\nlet stream_learner = {text}\n(stream_learner, (l: Forecaster<{input}, {observed}>, u: {input}, x: {observed}) => stream_step(l, u, x), \
             (l: Forecaster<{input}, {observed}>, u: {input}) => predict(l, u), (d: Dist<{observed}>) => support(d), \
             (d: Dist<{observed}>, vs: [{observed}]) => [exp(logp(d, v)) for v in vs]{moments})\n}}"
        );
        let (value, code) = self.value_with_code(&file.name, &parts)?;
        let Value::Tuple(parts) = value else { return Err(Fault::internal("a stream starts with a tuple").into()) };
        let mut parts = parts.0.iter().cloned();
        let mut next = || parts.next().ok_or_else(|| Fault::internal("a stream starts with its functions"));
        Ok(Learning {
            code,
            ty,
            learner: next()?,
            step: next()?,
            predict: next()?,
            support: next()?,
            probabilities: next()?,
            mean: next().ok(),
            variance: next().ok(),
            input: input_type,
            observation,
            ahead: None,
            program,
            seed: self.options.seed,
            lines: 0,
            observations: 0,
            weights: true,
        })
    }

    /// The value of an expression, and the code that its functions belong to.
    fn value_with_code(&mut self, name: &str, text: &str) -> Result<(Value, Arc<Code>), Failure> {
        let file = self.checker.sources.add(name, text);
        let (module, mut found) = parser::parse(&mut self.checker.ast, file, text);
        found.extend(self.checker.add_module(&module.items));
        if found.iter().any(|d| d.severity == Severity::Error) {
            return Err(Failure::Diagnostics(found));
        }
        let item = *module.items.first().ok_or_else(|| Fault::internal("an expression is an item"))?;
        let (_, code) = self.statement_code(item)?;
        let value = self.execute(&code)?;
        Ok((value, code))
    }

    /// Teaches a learner one line: a JSON value, or an array of input and observation. Gives the line that tells of it.
    ///
    /// # Errors
    /// When the line is no observation of this learner, or the program fails; the learner is then as it was.
    pub fn learn(&mut self, learning: &mut Learning, line: &str) -> Result<String, Refused> {
        learning.lines += 1;
        let (input, observation) = learning.read(line).map_err(Refused::Line)?;
        let seen = match learning.ahead.take() {
            Some(seen) => seen,
            None => self.prediction(learning, &learning.learner, input.clone())?,
        };
        let args = [learning.learner.clone(), input, observation];
        let result = match self.call(learning, &learning.step, &args) {
            Ok(result) => result,
            Err(error) => {
                learning.ahead = learning.input.is_none().then_some(seen);
                return Err(self.refused(error));
            }
        };
        drop(args);
        let Value::Record(record) = result else {
            return Err(Refused::Stop(Fault::internal("a step gives a record").into()));
        };
        let [learner, loss, evidence, weights] = record.fields.as_slice() else {
            return Err(Refused::Stop(Fault::internal("a step gives four fields").into()));
        };
        learning.learner = learner.clone();
        learning.observations += 1;
        let mut out = format!(
            "{{\"line\": {}, \"prediction\": {seen}, \"log_loss\": {}, \"log_evidence\": {}",
            learning.lines,
            real(loss),
            real(evidence)
        );
        if learning.weights {
            out.push_str(&format!(", \"weights\": {}", to_json(weights)));
        }
        if learning.input.is_none() {
            let ahead = self.prediction(learning, &learning.learner, Value::Unit)?;
            out.push_str(&format!(", \"next\": {ahead}"));
            learning.ahead = Some(ahead);
        }
        out.push('}');
        Ok(out)
    }

    /// The state of a stream, to be written to a file.
    ///
    /// # Errors
    /// When the learner holds something that cannot be kept.
    pub fn checkpoint(&self, learning: &Learning) -> Result<String, Failure> {
        let state = Checkpoint {
            program: learning.program,
            seed: learning.seed,
            lines: learning.lines,
            observations: learning.observations,
        };
        Ok(checkpoint::write(&self.lowerer.program, &state, &learning.learner)?)
    }

    /// Goes on where a checkpoint was written.
    ///
    /// # Errors
    /// When the text is damaged or of another program.
    pub fn resume(&self, learning: &mut Learning, text: &str) -> Result<(), Failure> {
        let (state, learner) = checkpoint::read(&self.lowerer.program, text, learning.program, learning.ty)?;
        learning.learner = learner;
        learning.seed = state.seed;
        learning.lines = state.lines;
        learning.observations = state.observations;
        learning.ahead = None;
        Ok(())
    }

    /// Calls a function of the stream. Its draws depend on the seed and on how many observations there were alone.
    fn call(&self, learning: &Learning, function: &Value, args: &[Value]) -> Result<Value, Failure> {
        let generator = Generator::new(learning.seed).stream(u64::MAX).stream(learning.observations);
        self.call_with(&learning.code, function, args, generator)
    }

    fn refused(&self, failure: Failure) -> Refused {
        if failure.is_interrupt() || failure.is_internal() {
            return Refused::Stop(failure);
        }
        match &failure {
            Failure::Fault(fault) => Refused::Line(fault.message.clone()),
            _ => Refused::Stop(failure),
        }
    }

    /// A prediction as JSON: mean and standard deviation as far as it has them, values and probabilities where they are few.
    fn prediction(&self, learning: &Learning, learner: &Value, input: Value) -> Result<String, Refused> {
        let dist = self.call(learning, &learning.predict, &[learner.clone(), input]).map_err(|f| self.refused(f))?;
        // What a distribution does not tell is left out.
        let asked = |function: &Value, args: &[Value]| match self.call(learning, function, args) {
            Ok(value) => Ok(Some(value)),
            Err(failure) if failure.is_interrupt() => Err(Refused::Stop(failure)),
            Err(_) => Ok(None),
        };
        let mut fields = Vec::new();
        if let Some(function) = &learning.mean
            && let Some(mean) = asked(function, std::slice::from_ref(&dist))?
        {
            fields.push(format!("\"mean\": {}", to_json(&mean)));
        }
        if let Some(function) = &learning.variance
            && let Some(variance) = asked(function, std::slice::from_ref(&dist))?
        {
            let sd = match variance {
                Value::Reals(xs) => Value::reals(xs.iter().map(|x| x.sqrt()).collect()),
                other => Value::Real(other.as_real().unwrap_or(f64::NAN).sqrt()),
            };
            fields.push(format!("\"sd\": {}", to_json(&sd)));
        }
        if let Some(Value::Domain(domain)) = asked(&learning.support, std::slice::from_ref(&dist))?
            && matches!(domain.size(), Size::Finite(n) if n <= MOST_VALUES)
        {
            let values = Value::array_of(finite_values(&domain));
            if let Some(probabilities) = asked(&learning.probabilities, &[dist, values.clone()])? {
                fields.push(format!("\"support\": {}, \"probs\": {}", to_json(&values), to_json(&probabilities)));
            }
        }
        Ok(format!("{{{}}}", fields.join(", ")))
    }
}

/// A number as JSON; one that JSON lacks as the text that the readers of data take.
fn real(value: &Value) -> String {
    match value {
        Value::Real(x) if !x.is_finite() => format!("\"{x}\""),
        other => to_json(other),
    }
}

impl Learning {
    /// Input and observation of a line.
    fn read(&self, line: &str) -> Result<(Value, Value), String> {
        let told = |error: DataError| match error.place {
            Some(Place { column, .. }) if column > 0 => format!("{} (column {column})", error.message),
            _ => error.message,
        };
        let data = json::parse("standard input", line).map_err(told)?;
        let Some(input) = &self.input else {
            return Ok((Value::Unit, bind("the observation", &data, &self.observation).map_err(told)?));
        };
        let both = DataType::Tuple(vec![input.clone(), self.observation.clone()]);
        match bind("the line", &data, &both).map_err(told)? {
            Value::Tuple(parts) if parts.0.len() == 2 => Ok((parts.0[0].clone(), parts.0[1].clone())),
            _ => Err("expected input and observation".into()),
        }
    }
}

/// Standard output is for the lines of a stream alone: what the program prints goes elsewhere.
pub fn quiet(session: &Session) {
    session.print_to(Stream::Error);
}
