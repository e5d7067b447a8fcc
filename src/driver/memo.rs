//! Exact results that are asked for again: a model that uses the posterior of another one asks for it at every run.

use crate::exec::machine::Code;
use crate::source::Name;
use crate::value::hash::Key;
use crate::value::{Fault, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// So many results are kept; then all are let go.
const MOST: usize = 512;

/// The results of calls that are functions of their arguments: the same function, holding the same values, has the same posterior.
#[derive(Default)]
pub(super) struct Memo {
    known: Mutex<HashMap<(Name, Key), Kept>>,
}

struct Kept {
    /// The code that the numbers of functions in the arguments speak of. It is held, so that no other code comes to its address.
    code: Arc<Code>,
    result: Value,
}

impl Memo {
    /// The result of `call` on the arguments, from an earlier call where there was one. Faults are not kept.
    pub fn get(
        &self,
        code: &Arc<Code>,
        name: Name,
        args: Vec<Value>,
        call: impl FnOnce(Vec<Value>) -> Result<Value, Fault>,
    ) -> Result<Value, Fault> {
        let key = (name, Key(Value::tuple(args.clone())));
        let known = |key: &(Name, Key)| {
            let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.get(key).filter(|kept| Arc::ptr_eq(&kept.code, code)).map(|kept| kept.result.clone())
        };
        if let Some(result) = known(&key) {
            return Ok(result);
        }
        // The lock is free meanwhile: the call may ask for other results.
        let result = call(args)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, Kept { code: Arc::clone(code), result: result.clone() });
        Ok(result)
    }
}
