//! What programs mean where a mistake was once made: each test is the program that showed it.

#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::MemoryWorld;
use borel::source::world::Stream;
use std::sync::Arc;

/// What a script prints.
fn printed(text: &str, files: &[(&str, &str)]) -> String {
    let mut world = MemoryWorld::default();
    for (path, text) in files {
        world = world.with_file(*path, *text);
    }
    let world = Arc::new(world);
    let (text, shared) = (text.to_string(), Arc::clone(&world));
    let work = move || {
        let mut session = Session::new(shared, Options::default());
        let file = session.load_text("script.borel", &text).unwrap();
        session.bind_data(&[]).unwrap();
        session.run(&file).unwrap();
    };
    std::thread::Builder::new().stack_size(1 << 28).spawn(work).unwrap().join().unwrap();
    world.written(Stream::Out)
}

#[test]
fn closures_keep_the_value_of_a_variable() {
    let text = "model m { var s = 1\n let g = () => s\n s = 5\n return g() }\nprint(draws(enumerate(m)))";
    assert_eq!(printed(text, &[]), "[1]\n");
}

#[test]
fn imported_constants_have_their_values() {
    let text = "import \"p.borel\" as p\nprint(p.k + p.twice(3))";
    assert_eq!(printed(text, &[("p.borel", "let k = 4\nfn twice(n: Int) -> Int = k * n\n")]), "16\n");
}

#[test]
fn top_level_statements_update_top_level_variables() {
    assert_eq!(printed("var s = 0\nwhile s < 10 { s = s + 3 }\nprint(s, \"done\")", &[]), "12 done\n");
}
