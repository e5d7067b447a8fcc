//! What gradient samplers are built from: integrators, metrics, adaptation. No part draws at random but through the handler.

pub mod hamiltonian;
pub mod lbfgs;
pub mod low_rank;
pub mod metric;
pub mod shares;
pub mod start;
pub mod step_size;
pub mod trajectory;
pub mod warmup;
