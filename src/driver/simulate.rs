//! Data drawn from a model: its observations become draws, and what they give is bound in the place of the data.

use super::{Failure, File, ModelInfo, Session, prepare};
use crate::core::ir::{FuncId, GlobalId, Program};
use crate::exec::view::forward::ForwardView;
use crate::exec::view::{Host, Model, Start};
use crate::model::{Dead, Forward, Production};
use crate::passes::{self, simulate};
use crate::source::{Diagnostic, Severity};
use crate::syntax::ast::{ItemKind, StmtKind};
use crate::value::{Fault, Generator, Matrix, Value};
use std::sync::Arc;

/// A model that draws data.
pub struct Simulator {
    entry: FuncId,
    observed: Vec<GlobalId>,
    /// The model reads what it observes for other purposes too, such as the mean of the next observation.
    rereads: bool,
    /// The data that were bound at first, which give simulated data their shape.
    pub original: Vec<(GlobalId, Value)>,
    model: Option<Model>,
}

/// A run of a model that drew its data.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// What the model returned.
    pub value: Value,
    /// The named choices that are not data.
    pub named: Vec<(String, Value)>,
    /// The data, for [`Session::rebind`].
    pub data: Vec<(GlobalId, Value)>,
}

/// Runs of a model that reads its own data are repeated until the data stay, once for each step of the chain of what is read.
const MOST_PASSES: usize = 2_000;

impl Session {
    /// The simulator of a model.
    ///
    /// # Errors
    /// When the model observes something that is no data, or no data at all.
    pub fn simulator(&mut self, info: &ModelInfo) -> Result<Simulator, Failure> {
        let entry = self.entry_of(info)?;
        let (program, observed) = self.simulating(entry)?;
        if observed.is_empty() {
            return Err(Failure::Usage(format!(
                "the model `{}` observes no data, so no data can be simulated",
                info.name
            )));
        }
        let mut blind = program;
        for global in &observed {
            blind.globals[global.0 as usize].value = None;
        }
        run_pass(&mut blind, "simplify")?;
        let rereads = simulate::reads(&blind, &observed);
        let value =
            |global: &GlobalId| Some((*global, self.lowerer.program.globals.get(global.0 as usize)?.value.clone()?));
        let original = observed.iter().filter_map(value).collect();
        Ok(Simulator { entry, observed, rereads, original, model: None })
    }

    /// The names of the data that a simulator draws.
    pub fn observed_names(&self, simulator: &Simulator) -> Vec<String> {
        simulator.observed.iter().map(|g| self.lowerer.program.globals[g.0 as usize].name.to_string()).collect()
    }

    /// The program of an entry with its observations of data as choices; also the data that it observes.
    fn simulating(&self, entry: FuncId) -> Result<(Program, Vec<GlobalId>), Failure> {
        let mut program = prepare::reach(&self.lowerer.program, entry);
        let data: Vec<GlobalId> = self.data_globals();
        let values: Vec<Option<Value>> = data.iter().map(|g| program.globals[g.0 as usize].value.take()).collect();
        run_pass(&mut program, "simplify")?;
        let observed = simulate::simulate(&mut program, &data).map_err(Failure::Diagnostics)?;
        for (global, value) in data.iter().zip(values) {
            program.globals[global.0 as usize].value = value;
        }
        Ok((program, observed))
    }

    fn data_globals(&self) -> Vec<GlobalId> {
        let items = self.data_items();
        let binder = |item| match &self.checker.ast.item(item).kind {
            ItemKind::Data { name, .. } => self.lowerer.global(name.bind),
            _ => None,
        };
        items.into_iter().filter_map(binder).collect()
    }

    /// The model that draws the data, compiled with the data as they are bound now.
    fn simulating_model(&self, entry: FuncId) -> Result<Model, Failure> {
        let (mut program, _) = self.simulating(entry)?;
        let found = prepare::improve(&mut program);
        if found.iter().any(|d| d.severity == Severity::Error) {
            return Err(Failure::Diagnostics(found));
        }
        let code = Arc::new(prepare::code(&program)?);
        let host: Arc<dyn Host> = Arc::clone(&self.host) as Arc<dyn Host>;
        let start = Start::Func(code.entry);
        Ok(Model { record: true, ..Model::new(code, start, host, self.options.limits) })
    }

    /// Draws the choices of a model from their priors and data given them, and binds the data. A run of weight zero draws none.
    ///
    /// # Errors
    /// When the model weighs its runs by more than densities of data, or the program goes wrong.
    pub fn simulate(
        &mut self,
        file: &File,
        simulator: &mut Simulator,
        generator: Generator,
    ) -> Result<Result<Simulated, Dead>, Failure> {
        let mut before: Option<Vec<(GlobalId, Value)>> = None;
        for _ in 0..MOST_PASSES {
            let model = match &simulator.model {
                Some(model) if !simulator.rereads => model.clone(),
                _ => self.simulating_model(simulator.entry)?,
            };
            simulator.model = Some(model.clone());
            let run = match ForwardView::new(model).run(&mut Production(generator))? {
                Ok(run) => run,
                Err(dead) => return Ok(Err(dead)),
            };
            if run.log_weight != 0.0 {
                return Err(Fault::error("the model weighs its runs by a factor that is no density of data")
                    .hint("calibration draws data from the model, so every weight must come from `observe` of data or `condition`")
                    .into());
            }
            let mut data = simulator.original.clone();
            let mut named = Vec::new();
            for (name, value) in run.named {
                match name.split_once(simulate::PREFIX) {
                    Some((_, place)) => self.put(&mut data, place, value)?,
                    None => named.push((name, value)),
                }
            }
            let settled = !simulator.rereads
                || before
                    .as_ref()
                    .is_some_and(|old| old.iter().zip(&data).all(|((_, a), (_, b))| crate::value::hash::same(a, b)));
            self.rebind(file, &data)?;
            if settled {
                return Ok(Ok(Simulated { value: run.value, named, data }));
            }
            before = Some(data);
        }
        Err(Fault::limit("the data that the model reads do not settle when they are simulated").into())
    }

    /// Puts what an observation drew into its place, such as `y[3]`.
    fn put(&self, data: &mut [(GlobalId, Value)], place: &str, value: Value) -> Result<(), Failure> {
        let (name, indices) =
            place.split_once('[').map_or((place, ""), |(name, rest)| (name, rest.trim_end_matches(']')));
        let path: Vec<usize> = indices.split([',', ']', '[']).filter_map(|index| index.trim().parse().ok()).collect();
        let globals = &self.lowerer.program.globals;
        let slot = data.iter_mut().find(|(global, _)| globals[global.0 as usize].name.as_str() == name);
        let placed = slot.and_then(|(_, whole)| {
            *whole = replaced(whole, &path, value)?;
            Some(())
        });
        placed.ok_or_else(|| Fault::internal(format!("no place for the simulated datum `{place}`")).into())
    }

    /// Gives data other values, and evaluates again the constants of a file that may use them.
    pub fn rebind(&mut self, file: &File, data: &[(GlobalId, Value)]) -> Result<(), Failure> {
        for (global, value) in data {
            self.lowerer.program.globals[global.0 as usize].value = Some(value.clone());
        }
        for item in &file.module.items {
            let ItemKind::Stmt(stmt) = &self.checker.ast.item(*item).kind else { continue };
            if !matches!(stmt.kind, StmtKind::Let { .. }) {
                continue;
            }
            // Lowered once, so that a program whose data change a thousand times does not grow.
            let entry = match self.rebound.get(item) {
                Some(entry) => entry.clone(),
                None => {
                    let entry = self.statement_code(*item)?.0;
                    self.rebound.insert(*item, entry.clone());
                    entry
                }
            };
            let code = self.compile(entry.func)?;
            self.define(&entry, &code)?;
        }
        Ok(())
    }
}

fn run_pass(program: &mut Program, name: &str) -> Result<(), Failure> {
    let context = prepare::context();
    let found: Vec<Diagnostic> = passes::PASSES
        .iter()
        .filter(|pass| pass.name == name)
        .flat_map(|pass| (pass.run)(program, &context))
        .filter(|d| d.severity == Severity::Error)
        .collect();
    if found.is_empty() { Ok(()) } else { Err(Failure::Diagnostics(found)) }
}

/// A value with another one in one of its places; none where it has no such place.
fn replaced(whole: &Value, path: &[usize], value: Value) -> Option<Value> {
    let Some((first, rest)) = path.split_first() else { return Some(value) };
    Some(match (whole, value) {
        (Value::Matrix(m), value) => {
            let mut m = Matrix::clone(m);
            match (rest, value) {
                ([column], Value::Real(x)) if *first < m.rows && *column < m.cols => {
                    let cols = m.cols;
                    m.data[first * cols + column] = x;
                }
                ([], Value::Reals(row)) if *first < m.rows && row.len() == m.cols => {
                    let start = first * m.cols;
                    m.data[start..start + row.len()].copy_from_slice(&row);
                }
                _ => return None,
            }
            Value::Matrix(Arc::new(m))
        }
        (whole, value) => {
            let mut items: Vec<Value> = (0..whole.array_len()?).map(|i| whole.element(i)).collect::<Option<_>>()?;
            let item = items.get_mut(*first)?;
            *item = replaced(item, rest, value)?;
            Value::array_of(items)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_their_places() {
        let m = Value::matrix(2, 2, vec![1.0, 2.0, 3.0, 4.0]);
        let changed = replaced(&m, &[1, 0], Value::Real(9.0)).expect("it has the place");
        assert_eq!(changed, Value::matrix(2, 2, vec![1.0, 2.0, 9.0, 4.0]));
        let nested = Value::array_of(vec![Value::ints(vec![1, 2]), Value::ints(vec![3])]);
        let changed = replaced(&nested, &[0, 1], Value::Int(7)).expect("it has the place");
        assert_eq!(changed.element(0), Some(Value::ints(vec![1, 7])));
        assert!(replaced(&nested, &[5], Value::Int(7)).is_none());
    }
}
