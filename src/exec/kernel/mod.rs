//! Array code: programs of fixed shape as operations on whole arrays, with derivatives, for densities.

pub mod axis;
pub mod code;
pub mod conjugate;
mod constrain;
pub mod density;
mod derive;
mod factor;
pub mod fold;
mod formula;
pub mod graph;
mod linear;
mod lower;
pub mod marginal;
pub mod minibatch;
pub mod native;
pub mod ode;
pub mod plan;
mod range;
mod rules;
pub mod run;
mod squares;
pub mod support;
pub mod trace;
pub mod transform;
mod vector;
