//! Moving particles by kernels.

use super::Population;
use crate::infer::course::Rates;
use crate::infer::kernel::{Kernel, Moves, Walker};
use crate::model::{Functions, Production, Random, Recorded, Stand};
use crate::value::{Fault, Value};
use rayon::prelude::*;
use std::sync::Arc;

/// What became of a particle: its run where it moved, the moves made and accepted.
type Moved<R> = (Option<R>, Rates);

impl<S: Recorded> Population<S> {
    /// Holds what the particles drew so far as it is.
    pub fn freeze(&mut self) {
        self.view.hold(&mut self.runs);
    }

    /// Applies a kernel to each particle some times. `model` is the function of the language that the model is.
    ///
    /// # Errors
    /// When the kernel is written for a model of another type, or what it runs faults.
    pub fn move_by(
        &mut self,
        (kernel, times): (&Kernel, usize),
        (model, functions): (&Value, &dyn Functions),
        random: &mut dyn Random,
    ) -> Result<(), Fault> {
        let one = |k: usize, random: &mut dyn Random| -> Result<Moved<S::Run>, Fault> {
            let waits = self.pending.get(k).is_some_and(Option::is_some);
            let still = matches!(self.view.stands(&self.runs)[k], Stand::Begun | Stand::Dead);
            if waits || still {
                return Ok((None, Rates::new()));
            }
            let Ok((prefix, state)) = self.view.as_trace(&self.runs, k, random)? else {
                return Err(Fault::internal("a particle has weight zero as a trace"));
            };
            let mut walker = Walker::new(Arc::new(prefix), state, model.clone());
            let mut moves = Moves::new(kernel, functions)?;
            for _ in 0..times {
                moves.apply(&mut walker, functions, random)?;
            }
            if moves.accepted == 0 {
                return Ok((None, moves.acceptance(&walker)));
            }
            let run = self.view.as_run(&self.runs, k, &walker.view, &walker.state)?;
            Ok((Some(run), moves.acceptance(&walker)))
        };
        let moved: Vec<Moved<S::Run>> = match random.generator() {
            Some(generator) => {
                let streams = generator.streams();
                let all = (0..self.size()).into_par_iter();
                all.map(|k| one(k, &mut Production(streams.number(k as u64)))).collect::<Result<_, _>>()?
            }
            None => (0..self.size()).map(|k| one(k, random)).collect::<Result<_, _>>()?,
        };
        for (k, (run, rates)) in moved.into_iter().enumerate() {
            self.history.course.moved(rates);
            if let Some(run) = run {
                self.view.put_in(&mut self.runs, mutant!("moved runs take the first place", 0, k), run);
            }
        }
        Ok(())
    }
}
