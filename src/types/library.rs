//! What the checker needs to know of the standard library.

/// The standard library, as text that is parsed when a name is first needed.
pub trait Library {
    /// The files that define `name`, a function, distribution or type: path and text. Files are told apart by their path.
    fn defining(&self, name: &str) -> Vec<(&'static str, &'static str)>;
    /// All names of the library and of the primitives, for suggestions.
    fn names(&self) -> Vec<&'static str>;
    /// The primitives of that name: row, signature, whether it runs over the elements of arrays.
    ///
    /// The arrow of a signature says its effect: `~>` is random; `->` is as random as those of its function parameters that
    /// are written with `~>` and take arguments. Parameters without arguments (`() ~> a`) are models, which a primitive
    /// with `->` runs under its own handler.
    fn primitives(&self, name: &str) -> Vec<(u32, &'static str, bool)>;
    /// Whether `import name` names a module of the library.
    fn module(&self, name: &str) -> bool;
}
