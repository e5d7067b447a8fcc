//! The algebra of kernels: one after the other, one of several, several times, on some choices only.

use super::super::{Contract, Row};

pub(super) const ROWS: &[Row] = &[
    Row {
        signature: "fn cycle(kernels: [Kernel]) -> Kernel",
        doc: "The kernels one after the other. Tierney 1994.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(cycle([gibbs(), prior()]), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn choose(kernels: [(Real, Kernel)]) -> Kernel",
        doc: "One of the kernels, in proportion to the weight in front of it. The weights are fixed: a choice that depends on the state \
              would not leave the posterior as it is. Tierney 1994.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(choose([(0.5, gibbs()), (0.5, prior())]), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn repeat(kernel: Kernel, times: Int) -> Kernel",
        doc: "The kernel several times in a row.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(repeat(prior(), 2), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
    Row {
        signature: "fn on(names: [String], kernel: Kernel) -> Kernel",
        doc: "The kernel, which picks one choice or moves the continuous ones together, among the choices of these names only: `\"mu\"`, `\"theta\"` for all elements of `theta`, \
              `\"theta[3]\"`.\n\
              example: measure_eq(enumerate(() => flip(0.25)), enumerate(() => value_of(step(on([\"x\"], gibbs()), trace(() => { x ~ Flip(0.25); x })))))",
        contract: Contract::Invariant,
    },
];
