//! `infer` takes the method that suits the structure of a model, and says so.

#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::MemoryWorld;
use std::sync::Arc;

fn method(text: &str) -> String {
    let text = text.to_string();
    let work = move || {
        let mut session = Session::new(Arc::new(MemoryWorld::default()), Options::default());
        let file = session.load_text("model.borel", &text).unwrap();
        session.bind_data(&[]).unwrap();
        let inferred = session.infer(&file, None, None, &[], false).unwrap();
        assert!(inferred.reason.unwrap().starts_with(&inferred.method));
        inferred.method
    };
    std::thread::Builder::new().stack_size(1 << 28).spawn(work).unwrap().join().unwrap()
}

#[test]
fn finite_models_are_enumerated() {
    assert_eq!(method("model m { a ~ Flip(0.5)\n if a { condition(flip(0.5)) }\n return a }"), "enumerate");
}

#[test]
fn gradients_are_followed() {
    let chain = "model m { var x = 0.0\n for t in 0..5 { x ~ Normal(x, 1)\n observe 0.5 ~ NOISE }\n return x }";
    let plate = "model m { mu ~ Normal(0, 1)\n for i in 0..5 { x ~ Normal(mu, 1)\n observe 0.5 ~ NOISE }\n return mu }";
    let improper = "model m { x ~ Flat(Real)\n observe 0.5 ~ NOISE\n return x }";
    for model in [chain, plate, improper] {
        assert_eq!(method(&model.replace("NOISE", "StudentT(3, x, 1)")), "nuts");
        assert_eq!(method(&model.replace("NOISE", "Normal(x, 1)")), "conjugate");
    }
}

#[test]
fn chains_of_states_are_filtered() {
    // Jumps are integers, so that the density has no gradient.
    let centred = "model m { var x = 0.0\n for t in 0..5 { j ~ Poisson(2)\n x ~ Normal(x + j, 1)\n observe 0.5 ~ Normal(x, 1) }\n return x }";
    assert_eq!(method(centred), "smc");
    let steps = "model m { var x = 0.0\n for t in 0..5 { j ~ Poisson(2)\n d ~ Normal(0, 1)\n x = x + d + j\n observe 0.5 ~ Normal(x, 1) }\n return x }";
    assert_eq!(method(steps), "smc");
}

#[test]
fn independent_rounds_are_no_chain() {
    let plate = "model m { mu ~ Normal(0, 1)\n for i in 0..5 { j ~ Poisson(2)\n x ~ Normal(mu + j, 1)\n observe 0.5 ~ Normal(x, 1) }\n return mu }";
    assert_eq!(method(plate), "mh");
}

#[test]
fn unconditioned_models_are_run_forward() {
    assert_eq!(method("model m { x ~ Normal(0, 1)\n return x }"), "importance");
}
