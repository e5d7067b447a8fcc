//! Names, types and effects: from syntax to typed bodies.

pub mod typed;
