//! Where the lines of earlier sessions are kept.

use crate::source::World;
use std::path::PathBuf;

/// `$XDG_DATA_HOME/borel/history`, or `~/.local/share/borel/history`; none without a home.
pub fn path(world: &dyn World) -> Option<PathBuf> {
    let set = |name: &str| world.environment(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let data = set("XDG_DATA_HOME")
        .filter(|path| path.is_absolute())
        .or_else(|| Some(set("HOME").or_else(|| set("USERPROFILE"))?.join(".local").join("share")))?;
    Some(data.join("borel").join("history"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::world::MemoryWorld;

    #[test]
    fn history_follows_the_convention() {
        let world = MemoryWorld::default().with_environment("HOME", "/home/a");
        assert_eq!(path(&world), Some(PathBuf::from("/home/a/.local/share/borel/history")));
        let world = world.with_environment("XDG_DATA_HOME", "/data");
        assert_eq!(path(&world), Some(PathBuf::from("/data/borel/history")));
        assert_eq!(path(&MemoryWorld::default()), None);
    }
}
