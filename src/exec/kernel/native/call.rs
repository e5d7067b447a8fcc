//! Machine code in memory, and the one place where it is run.

use super::super::code::*;
use super::super::run::one;
use super::emit::{self, Surroundings};
use super::select::Work;
use cranelift_codegen::Context;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_frontend::FunctionBuilderContext;
use cranelift_jit::{JITBuilder, JITModule};
use cranelift_module::Module;
use std::sync::{Arc, Mutex};

/// A generated function of the address of memory.
type Entry = unsafe extern "C" fn(*mut f64);

/// Generated functions, and what they refer to.
pub struct Machine {
    entries: Vec<Entry>,
    /// Elements of memory that they may touch.
    memory: usize,
    /// What holds their instructions.
    module: Mutex<Option<JITModule>>,
    /// What they call and read by address: kept, not used otherwise.
    _kernels: Box<[Kernel]>,
    _constants: Vec<Arc<Vec<f64>>>,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("functions", &self.entries.len()).finish_non_exhaustive()
    }
}

/// A function without code of its own, for generated code.
extern "C" fn apply(kernel: *const Kernel, a: f64, b: f64, c: f64) -> f64 {
    // SAFETY: generated code passes addresses of elements of `Machine::_kernels` alone, which live as long as it and never change.
    #[allow(unsafe_code)]
    let kernel = unsafe { *kernel };
    one(kernel, a, b, c)
}

/// Generates code for this processor. Its optimiser is left out: the tapes have nothing to be found in them, and it costs as much again.
fn module() -> Option<JITModule> {
    if !cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        return None;
    }
    let mut flags = settings::builder();
    let verify = if cfg!(debug_assertions) { "true" } else { "false" };
    for (name, value) in [
        ("opt_level", "none"),
        ("use_colocated_libcalls", "false"),
        ("is_pic", "false"),
        ("enable_alias_analysis", "false"),
        ("unwind_info", "false"),
        ("enable_verifier", verify),
    ] {
        flags.set(name, value).ok()?;
    }
    let target = cranelift_native::builder().ok()?.finish(settings::Flags::new(flags)).ok()?;
    Some(JITModule::new(JITBuilder::with_isa(target, cranelift_module::default_libcall_names())))
}

impl Machine {
    /// Machine code of functions; none where it cannot be made.
    pub fn new(code: &Code, works: &[Work<'_>]) -> Option<Machine> {
        let mut module = module()?;
        let (mut kernels, mut firsts) = (Vec::new(), Vec::new());
        for work in works {
            firsts.push(kernels.len());
            kernels.extend(emit::called(work.tape()));
        }
        let kernels = kernels.into_boxed_slice();
        let around = Surroundings {
            constants: &code.constants,
            kernels: &kernels,
            apply: (apply as *const ()).expose_provenance(),
            config: module.target_config(),
        };
        let mut frontend = FunctionBuilderContext::new();
        let mut context = Context::new();
        let mut functions = Vec::new();
        for (work, first) in works.iter().zip(firsts) {
            let signature = emit::signature(around.config.default_call_conv);
            let function = module.declare_anonymous_function(&signature).ok()?;
            context.func.signature = signature;
            match work {
                Work::Straight(tape) => emit::straight(&mut context.func, &mut frontend, around, first, tape),
                Work::Loop(own) => emit::scan(&mut context.func, &mut frontend, around, first, own),
            }
            module.define_function(function, &mut context).ok()?;
            module.clear_context(&mut context);
            functions.push(function);
        }
        module.finalize_definitions().ok()?;
        let entries = functions
            .into_iter()
            .map(|function| {
                let address = module.get_finalized_function(function);
                // SAFETY: the address is that of a function that was defined with this signature and calling convention.
                #[allow(unsafe_code)]
                unsafe {
                    std::mem::transmute::<*const u8, Entry>(address)
                }
            })
            .collect();
        Some(Machine {
            entries,
            memory: code.memory,
            module: Mutex::new(Some(module)),
            _kernels: kernels,
            _constants: code.constants.clone(),
        })
    }

    /// Runs a function on memory that is laid out as the code says.
    #[inline]
    pub fn run(&self, function: usize, memory: &mut [f64]) {
        assert!(memory.len() >= self.memory, "memory is as large as the code says");
        // SAFETY: the function reads and writes the places of its tape, one by one or at each step of a loop of known length. `select.rs`
        // checked for each that it lies below `Code::memory`, which `memory` has, or within a constant array, which `self` keeps alive and
        // nothing changes. The instructions are mapped until `self` is dropped.
        #[allow(unsafe_code)]
        unsafe {
            self.entries[function](memory.as_mut_ptr());
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let module = self.module.get_mut().map(Option::take);
        if let Ok(Some(module)) = module {
            // SAFETY: `self` owns the functions and is being dropped, so none of them runs or will be run.
            #[allow(unsafe_code)]
            unsafe {
                module.free_memory();
            }
        }
    }
}
