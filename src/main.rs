//! The borel command: a deep stack, panics told as internal errors, Ctrl-C, and the exit status.

use borel::cli::{self, Status};
use borel::driver::face;
use borel::source::world::OsWorld;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

/// The system's allocator gives memory back at every step of a particle filter and asks for it again, which costs more than the step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Bytes of the stack of the work: the phases recur over programs as deep as the parser accepts.
const STACK: usize = 512 << 20;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic without a message");
        let place = panic.location().map(|place| format!(" ({}:{})", place.file(), place.line())).unwrap_or_default();
        let message = message.strip_prefix("internal error: ").unwrap_or(message);
        // When standard error is closed there is nobody to tell.
        let _ = writeln!(
            std::io::stderr(),
            "internal error: {message}{place}\nplease report this, with the program that showed it"
        );
    }));
    // Without the handler Ctrl-C ends the process at once, which will do.
    let _ = ctrlc::set_handler(|| {
        if face::interrupt() {
            std::process::exit(Status::Interrupted as i32);
        }
    });
    let work = || {
        let interactive = std::io::stdin().is_terminal();
        cli::main(std::env::args_os(), Arc::new(OsWorld::default()), interactive)
    };
    let status = match std::thread::Builder::new().stack_size(STACK).spawn(work) {
        // The hook has told what happened.
        Ok(thread) => thread.join().unwrap_or(Status::Wrong),
        Err(_) => work(),
    };
    ExitCode::from(status as u8)
}
