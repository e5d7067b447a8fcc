//! Embeds the standard library.
fn main() {}
