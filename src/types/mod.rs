//! Names, types and effects: from syntax to typed bodies.
