//! The one door to files, clock, environment and terminal.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// The largest file that is read, in bytes: 1 GiB.
pub const LARGEST_FILE: u64 = 1 << 30;

/// Where text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Error,
}

/// Something outside that could not be done, as a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WorldError {
    #[error("cannot read {path}: {why}")]
    Read { path: String, why: String, missing: bool },
    #[error("cannot read {path}: it is larger than {limit} bytes")]
    TooLarge { path: String, limit: u64 },
    #[error("{path} is not UTF-8 text: byte {byte} on line {line}")]
    NotText { path: String, line: usize, byte: usize },
    #[error("cannot write {path}: {why}")]
    Write { path: String, why: String },
    /// The reader of our output has gone away, as `head` does; not worth a message.
    #[error("the output was closed")]
    Closed,
}

/// Everything that is not computation. Only the faces hold one; tests use [`MemoryWorld`].
pub trait World: Send + Sync {
    /// The bytes of a file.
    ///
    /// # Errors
    /// When it cannot be read or is larger than [`LARGEST_FILE`].
    fn read_file(&self, path: &Path) -> Result<Vec<u8>, WorldError>;

    /// Writes a file so that it is either whole or not changed at all. Devices and pipes are written directly.
    ///
    /// # Errors
    /// When it cannot be written; what was there before is then still there.
    fn write_file_atomic(&self, path: &Path, bytes: &[u8]) -> Result<(), WorldError>;

    /// The files below a folder whose names end in `.extension`, sorted by path; a file gives itself.
    ///
    /// # Errors
    /// When the folder cannot be read.
    fn list_files(&self, path: &Path, extension: &str) -> Result<Vec<PathBuf>, WorldError>;

    /// Seconds on a clock that never runs backwards, from an arbitrary start.
    fn now(&self) -> f64;

    /// Writes text and flushes it.
    ///
    /// # Errors
    /// [`WorldError::Closed`] when nobody reads it any more.
    fn write(&self, stream: Stream, text: &str) -> Result<(), WorldError>;

    /// The next line of standard input without its line end; none at its end.
    ///
    /// # Errors
    /// When it cannot be read or is not UTF-8.
    fn read_line(&self) -> Result<Option<String>, WorldError>;

    /// Whether a person watches the stream.
    fn is_terminal(&self, stream: Stream) -> bool;

    /// A variable of the environment.
    fn environment(&self, name: &str) -> Option<String>;

    /// Whether the user asked to stop.
    fn interrupted(&self) -> bool;

    /// The text of a file, without a byte order mark.
    ///
    /// # Errors
    /// As [`World::read_file`], and when it is not UTF-8.
    fn read_text(&self, path: &Path) -> Result<String, WorldError> {
        let bytes = self.read_file(path)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
            WorldError::NotText { path: path.display().to_string(), line, byte: valid }
        })?;
        Ok(match text.strip_prefix('\u{feff}') {
            Some(rest) => rest.to_string(),
            None => text,
        })
    }
}

/// The world of a process.
pub struct OsWorld {
    start: Instant,
    interrupt: Arc<AtomicBool>,
}

impl Default for OsWorld {
    fn default() -> OsWorld {
        OsWorld { start: Instant::now(), interrupt: Arc::default() }
    }
}

impl OsWorld {
    /// The flag that a signal handler raises to interrupt.
    pub fn interrupt_flag(&self) -> Arc<AtomicBool> {
        self.interrupt.clone()
    }
}

impl World for OsWorld {
    fn read_file(&self, path: &Path) -> Result<Vec<u8>, WorldError> {
        read_limited(path, LARGEST_FILE)
    }

    fn write_file_atomic(&self, path: &Path, bytes: &[u8]) -> Result<(), WorldError> {
        write_atomic(path, bytes)
            .map_err(|error| WorldError::Write { path: path.display().to_string(), why: reason(&error) })
    }

    fn list_files(&self, path: &Path, extension: &str) -> Result<Vec<PathBuf>, WorldError> {
        let mut found = Vec::new();
        list(path, extension, 0, &mut found).map_err(|(path, error)| read_error(&path, &error))?;
        found.sort();
        Ok(found)
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64()
    }

    fn write(&self, stream: Stream, text: &str) -> Result<(), WorldError> {
        let send = |to: &mut dyn Write| to.write_all(text.as_bytes()).and_then(|()| to.flush());
        let sent = match stream {
            Stream::Out => send(&mut io::stdout().lock()),
            Stream::Error => send(&mut io::stderr().lock()),
        };
        sent.map_err(|error| match error.kind() {
            io::ErrorKind::BrokenPipe => WorldError::Closed,
            _ => WorldError::Write { path: "the output".into(), why: reason(&error) },
        })
    }

    fn read_line(&self) -> Result<Option<String>, WorldError> {
        let mut line = String::new();
        // A line may not be larger than a file.
        let read = io::stdin().lock().take(LARGEST_FILE).read_line(&mut line);
        let count = read.map_err(|error| read_error(Path::new("standard input"), &error))?;
        Ok((count > 0).then(|| line.trim_end_matches(['\n', '\r']).to_string()))
    }

    fn is_terminal(&self, stream: Stream) -> bool {
        match stream {
            Stream::Out => io::stdout().is_terminal(),
            Stream::Error => io::stderr().is_terminal(),
        }
    }

    fn environment(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn interrupted(&self) -> bool {
        self.interrupt.load(Ordering::Relaxed)
    }
}

fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, WorldError> {
    let fail = |error: io::Error| read_error(path, &error);
    let file = File::open(path).map_err(fail)?;
    let size = file.metadata().map_err(fail)?.len();
    let mut bytes = Vec::with_capacity(size.min(limit) as usize);
    // The size that a device or a growing file tells is not its end.
    file.take(limit + 1).read_to_end(&mut bytes).map_err(fail)?;
    if bytes.len() as u64 > limit {
        return Err(WorldError::TooLarge { path: path.display().to_string(), limit });
    }
    Ok(bytes)
}

fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // A link keeps pointing where it points: its target is replaced.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    if target.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        return File::options().write(true).open(&target)?.write_all(bytes);
    }
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().ok_or(io::ErrorKind::InvalidInput)?);
    name.push(format!(".{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let part = target.with_file_name(name);
    let write = || {
        let mut file = File::create_new(&part)?;
        if let Ok(metadata) = target.metadata() {
            file.set_permissions(metadata.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, &target)
    };
    write().inspect_err(|_| {
        // The first error is the one to tell; a part that cannot be removed changes nothing.
        let _ = std::fs::remove_file(&part);
    })
}

/// Folders nested deeper than this are not searched: links may make a circle.
const DEEPEST_FOLDER: usize = 32;

fn list(path: &Path, extension: &str, depth: usize, found: &mut Vec<PathBuf>) -> Result<(), (PathBuf, io::Error)> {
    let fail = |error| (path.to_path_buf(), error);
    if !path.metadata().map_err(fail)?.is_dir() {
        if depth == 0 || path.extension().is_some_and(|own| own == extension) {
            found.push(path.to_path_buf());
        }
        return Ok(());
    }
    if depth > DEEPEST_FOLDER {
        return Ok(());
    }
    for entry in path.read_dir().map_err(fail)? {
        let entry = entry.map_err(fail)?;
        // Hidden files are not asked for; broken links below a folder are nobody's concern.
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path().exists() {
            list(&entry.path(), extension, depth + 1, found)?;
        }
    }
    Ok(())
}

fn read_error(path: &Path, error: &io::Error) -> WorldError {
    let missing = error.kind() == io::ErrorKind::NotFound;
    WorldError::Read { path: path.display().to_string(), why: reason(error), missing }
}

/// What went wrong, without the number of the operating system.
fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".into(),
        io::ErrorKind::PermissionDenied => "permission denied".into(),
        io::ErrorKind::IsADirectory => "it is a folder".into(),
        io::ErrorKind::StorageFull => "the disk is full".into(),
        _ => error.to_string(),
    }
}

/// A world in memory, for tests.
#[derive(Default)]
pub struct MemoryWorld {
    state: Mutex<Memory>,
}

#[derive(Default)]
struct Memory {
    files: BTreeMap<PathBuf, Vec<u8>>,
    out: String,
    error: String,
    input: VecDeque<String>,
    environment: BTreeMap<String, String>,
    clock: f64,
    /// Questions to [`World::interrupted`] that are still answered with no; none means for ever.
    calm: Option<u64>,
}

impl MemoryWorld {
    fn state(&self) -> MutexGuard<'_, Memory> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a file.
    pub fn with_file(self, path: impl Into<PathBuf>, bytes: impl Into<Vec<u8>>) -> MemoryWorld {
        self.state().files.insert(path.into(), bytes.into());
        self
    }

    /// Sets the lines of standard input.
    pub fn with_input(self, text: &str) -> MemoryWorld {
        self.state().input = text.lines().map(String::from).collect();
        self
    }

    /// Sets a variable of the environment.
    pub fn with_environment(self, name: &str, value: &str) -> MemoryWorld {
        self.state().environment.insert(name.into(), value.into());
        self
    }

    /// Interrupts after `calm` more questions.
    pub fn interrupt_after(&self, calm: u64) {
        self.state().calm = Some(calm);
    }

    /// Moves the clock forward.
    pub fn wait(&self, seconds: f64) {
        self.state().clock += seconds;
    }

    /// What was written to a stream so far.
    pub fn written(&self, stream: Stream) -> String {
        match stream {
            Stream::Out => self.state().out.clone(),
            Stream::Error => self.state().error.clone(),
        }
    }
}

impl World for MemoryWorld {
    fn read_file(&self, path: &Path) -> Result<Vec<u8>, WorldError> {
        let found = self.state().files.get(path).cloned();
        found.ok_or_else(|| read_error(path, &io::ErrorKind::NotFound.into()))
    }

    fn write_file_atomic(&self, path: &Path, bytes: &[u8]) -> Result<(), WorldError> {
        self.state().files.insert(path.into(), bytes.into());
        Ok(())
    }

    fn list_files(&self, path: &Path, extension: &str) -> Result<Vec<PathBuf>, WorldError> {
        let state = self.state();
        let wanted = |file: &PathBuf| {
            file == path || (file.starts_with(path) && file.extension().is_some_and(|own| own == extension))
        };
        let found: Vec<PathBuf> = state.files.keys().filter(|file| wanted(file)).cloned().collect();
        if found.is_empty() && !state.files.keys().any(|file| file.starts_with(path)) {
            return Err(read_error(path, &io::ErrorKind::NotFound.into()));
        }
        Ok(found)
    }

    fn now(&self) -> f64 {
        self.state().clock
    }

    fn write(&self, stream: Stream, text: &str) -> Result<(), WorldError> {
        let mut state = self.state();
        match stream {
            Stream::Out => state.out.push_str(text),
            Stream::Error => state.error.push_str(text),
        }
        Ok(())
    }

    fn read_line(&self) -> Result<Option<String>, WorldError> {
        Ok(self.state().input.pop_front())
    }

    fn is_terminal(&self, _: Stream) -> bool {
        false
    }

    fn environment(&self, name: &str) -> Option<String> {
        self.state().environment.get(name).cloned()
    }

    fn interrupted(&self) -> bool {
        match &mut self.state().calm {
            None => false,
            Some(0) => true,
            Some(calm) => {
                *calm -= 1;
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that is removed at the end of a test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("borel-world-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_written_whole() {
        let folder = Folder::new("write");
        let world = OsWorld::default();
        let path = folder.0.join("a.txt");
        world.write_file_atomic(&path, b"one").unwrap();
        world.write_file_atomic(&path, b"two").unwrap();
        assert_eq!(world.read_file(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
        let missing = folder.0.join("none").join("a.txt");
        let error = world.write_file_atomic(&missing, b"x").unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.ends_with("no such file"), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let folder = Folder::new("read");
        let world = OsWorld::default();
        let path = folder.0.join("a.txt");
        std::fs::write(&path, b"12345").unwrap();
        assert!(matches!(read_limited(&path, 4), Err(WorldError::TooLarge { limit: 4, .. })));
        assert_eq!(read_limited(&path, 5).unwrap(), b"12345");
        assert!(matches!(world.read_file(&folder.0.join("b")), Err(WorldError::Read { missing: true, .. })));
        assert!(world.read_file(&folder.0).is_err());
        std::fs::write(&path, b"a\nb\xff").unwrap();
        assert!(matches!(world.read_text(&path), Err(WorldError::NotText { line: 2, byte: 3, .. })));
        std::fs::write(&path, "\u{feff}x").unwrap();
        assert_eq!(world.read_text(&path).unwrap(), "x");
    }

    #[test]
    fn folders_are_searched_in_order() {
        let folder = Folder::new("list");
        std::fs::create_dir_all(folder.0.join("sub")).unwrap();
        for name in ["b.borel", "a.borel", "c.txt", "sub/d.borel", ".hidden.borel"] {
            std::fs::write(folder.0.join(name), "").unwrap();
        }
        let found = OsWorld::default().list_files(&folder.0, "borel").unwrap();
        let names: Vec<_> = found.iter().map(|path| path.strip_prefix(&folder.0).unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["a.borel", "b.borel", "sub/d.borel"]);
    }

    #[test]
    fn memory_remembers() {
        let world =
            MemoryWorld::default().with_file("d/a.borel", "x").with_input("1\n2\n").with_environment("NO_COLOR", "1");
        assert_eq!(world.read_text(Path::new("d/a.borel")).unwrap(), "x");
        assert_eq!(world.list_files(Path::new("d"), "borel").unwrap(), [PathBuf::from("d/a.borel")]);
        world.write(Stream::Out, "hi").unwrap();
        assert_eq!(world.written(Stream::Out), "hi");
        assert_eq!(world.read_line().unwrap().as_deref(), Some("1"));
        assert_eq!(world.environment("NO_COLOR").as_deref(), Some("1"));
        world.interrupt_after(1);
        assert!(!world.interrupted() && world.interrupted());
        world.wait(2.5);
        assert_eq!(world.now(), 2.5);
    }
}
