//! Engines that run Core, and the views of a program that they give to inference.

pub mod kernel;
pub mod machine;
pub mod view;
