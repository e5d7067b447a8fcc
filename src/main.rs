//! The borel command.
fn main() {}
