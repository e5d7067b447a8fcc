//! The `Density` view of a model of a session.

use super::{Failure, File, Session, prepare};
use crate::exec::view::density::DensityView;
use crate::exec::view::{Host, Model, Start};
use crate::source::Severity;
use std::sync::Arc;

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
        Ok(DensityView::new(Model { code, start, host, limits: self.options.limits, record: true, plain: None })?)
    }
}
