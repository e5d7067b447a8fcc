//! Run-time errors as users see them: every program of `tests/cases/errors` above its message.

#![allow(clippy::unwrap_used)]

use borel::driver::{Options, Session};
use borel::source::world::MemoryWorld;
use std::sync::Arc;

#[test]
fn programs_that_go_wrong_are_explained() {
    insta::glob!("cases/errors/*.borel", |path| {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let mut session = Session::new(Arc::new(MemoryWorld::default()), Options::default());
        let result = session.load_text(&name, &text).and_then(|file| {
            session.bind_data(&[])?;
            session.run(&file)?;
            if session.has_statements(&file) {
                Ok(())
            } else {
                session.infer(&file, None, None, &[], false).map(|_| ())
            }
        });
        let Err(failure) = result else { panic!("{name} has no error") };
        let shown = session.render_failure(&failure, false);
        assert!(shown.starts_with("error: ") && shown.contains(&format!(" --> {name}:")), "{shown}");
        insta::with_settings!({ snapshot_path => "cases/errors/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!(format!("{text}\n{}\n\n{shown}", "-".repeat(80)));
        });
    });
}
