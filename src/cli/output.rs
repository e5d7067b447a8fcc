//! The world as a command sees it: when nobody reads the output any more, the running program is stopped.

use crate::driver::face;
use crate::source::World;
use crate::source::world::{Stream, WorldError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A world that notices when its output is closed.
pub struct Output {
    world: Arc<dyn World>,
    closed: AtomicBool,
}

impl Output {
    /// The world inside, watched.
    pub fn new(world: Arc<dyn World>) -> Output {
        Output { world, closed: AtomicBool::new(false) }
    }

    /// Whether the reader of standard output has gone away.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Tells that the output could not be written, where that can still be told.
    pub fn fail(&self, stream: Stream, error: &WorldError) {
        if stream == Stream::Out && *error != WorldError::Closed {
            // When standard error fails too there is nobody left to tell.
            let _ = self.world.write(Stream::Error, &format!("error: {error}\n"));
        }
    }
}

impl World for Output {
    fn read_file(&self, path: &Path) -> Result<Vec<u8>, WorldError> {
        self.world.read_file(path)
    }

    fn write_file_atomic(&self, path: &Path, bytes: &[u8]) -> Result<(), WorldError> {
        self.world.write_file_atomic(path, bytes)
    }

    fn list_files(&self, path: &Path, extension: &str) -> Result<Vec<PathBuf>, WorldError> {
        self.world.list_files(path, extension)
    }

    fn now(&self) -> f64 {
        self.world.now()
    }

    fn write(&self, stream: Stream, text: &str) -> Result<(), WorldError> {
        let written = self.world.write(stream, text);
        if stream == Stream::Out && written == Err(WorldError::Closed) {
            self.closed.store(true, Ordering::Relaxed);
            face::interrupt();
        }
        written
    }

    fn read_line(&self) -> Result<Option<String>, WorldError> {
        self.world.read_line()
    }

    fn is_terminal(&self, stream: Stream) -> bool {
        self.world.is_terminal(stream)
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.world.environment(name)
    }

    fn interrupted(&self) -> bool {
        self.world.interrupted()
    }
}
