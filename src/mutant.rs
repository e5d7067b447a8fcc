//! Faults planted on purpose, so that tests can show which of them validation sees.
//!
//! `mutant!("name", wrong, right)` is `right`. In builds with debug assertions it is `wrong` on a thread that planted the fault of that
//! name; in others nothing is left of it.

#[cfg(debug_assertions)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<&'static str>> = const { std::cell::Cell::new(None) };
}

/// Plants a fault on this thread, or takes it away again. Nothing happens in builds without debug assertions.
pub fn plant(fault: Option<&'static str>) {
    #[cfg(debug_assertions)]
    PLANTED.with(|planted| planted.set(fault));
    #[cfg(not(debug_assertions))]
    let _ = fault;
}

/// Whether this fault is planted on this thread.
#[inline(always)]
pub fn planted(fault: &str) -> bool {
    #[cfg(debug_assertions)]
    return PLANTED.with(|planted| planted.get().is_some_and(|name| name == fault));
    #[cfg(not(debug_assertions))]
    {
        let _ = fault;
        false
    }
}

/// The second expression; the first where the fault of this name is planted.
macro_rules! mutant {
    ($fault:literal, $wrong:expr, $right:expr) => {
        if $crate::mutant::planted($fault) { $wrong } else { $right }
    };
}
