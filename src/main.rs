//! The borel command.

use borel::driver::{Options, Session};
use borel::source::world::OsWorld;
use std::sync::Arc;

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let work = std::thread::Builder::new().stack_size(1 << 28).spawn(move || {
        let mut session = Session::new(Arc::new(OsWorld::default()), Options::default());
        let file = match session.load(&args[1]) {
            Ok(file) => file,
            Err(failure) => {
                eprintln!("{}", session.render_failure(&failure, false));
                return;
            }
        };
        if let Some(pass) = args.get(3) {
            let _ = session.bind_data(&[]);
            match session.explain_pass(&file, None, pass) {
                Ok(text) => println!("{text}"),
                Err(failure) => eprintln!("{}", session.render_failure(&failure, false)),
            }
            return;
        }
        let result = session.bind_data(&[]).and_then(|_| session.run(&file));
        if let Err(failure) = result {
            eprintln!("{}", session.render_failure(&failure, false));
            return;
        }
        if session.has_statements(&file) {
            return;
        }
        match session.infer(&file, None, args.get(2).map(String::as_str), &[], false) {
            Ok(inferred) => {
                println!("{:?}", inferred.reason);
                println!("{}", inferred.posterior.summary_table());
                println!("{:?} {:?}", inferred.posterior.seconds, inferred.posterior.log_evidence);
            }
            Err(failure) => eprintln!("{}", session.render_failure(&failure, false)),
        }
    });
    let _ = work.map(std::thread::JoinHandle::join);
}
