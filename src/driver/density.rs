//! The `Density` view of a model of a session.

use super::{Failure, File, Session, prepare};
use crate::exec::machine::Code;
use crate::exec::view::density::{DensityView, Minibatches};
use crate::exec::view::{Host, Model, Start};
use crate::model::Random;
use crate::model::density::Target;
use crate::passes;
use crate::source::Severity;
use crate::value::Fault;
use std::sync::Arc;

/// The view of a part of a model's density; a fault says what prevents it, and where.
pub fn view(model: Model, target: Target) -> Result<DensityView, Fault> {
    let values = values(&model)?;
    DensityView::new(model, values, target)
}

/// As [`DensityView::subsampled`].
pub fn subsampled(model: Model, batch: usize, random: &mut dyn Random) -> Result<(DensityView, Minibatches), Fault> {
    let values = values(&model)?;
    DensityView::subsampled(model, values, batch, random)
}

/// The code of a model without its weights.
fn values(model: &Model) -> Result<Arc<Code>, Fault> {
    let mut program = (*model.code.program).clone();
    passes::values::values(&mut program, &prepare::context());
    Ok(Arc::new(prepare::code(&program)?))
}

impl Session {
    /// A model as a log density over unconstrained vectors; a failure says what prevents it, and where.
    pub fn density(&mut self, file: &File, model: Option<&str>) -> Result<DensityView, Failure> {
        let info = self.pick_model(file, model)?;
        let mut program = self.program_of(&info)?;
        let found = prepare::improve(&mut program);
        if found.iter().any(|d| d.severity == Severity::Error) {
            return Err(Failure::Diagnostics(found));
        }
        let code = Arc::new(prepare::code(&program)?);
        let host: Arc<dyn Host> = Arc::clone(&self.host) as Arc<dyn Host>;
        let start = Start::Func(code.entry);
        let model = Model { record: true, ..Model::new(code, start, host, self.options.limits) };
        Ok(view(model, Target::Joint)?)
    }
}
