//! What the fuzz targets do with their input. Behind the feature `fuzzing`.
//!
//! Each function takes any bytes and panics only if a promise of the code under test is broken. The targets in `fuzz/` call
//! them, and an ordinary test replays each target's corpus, so that what was once found is looked at in every run.

mod pgoutput;
mod values;

pub use crate::wire::fuzz::{conninfo, frames};
pub use pgoutput::{assembler, message};
pub use values::{numeric, tuple_text};

#[cfg(test)]
mod corpus {
    use std::path::Path;

    /// Replays the corpus of one target; its folder must not be empty.
    fn replay(target: &str, run: fn(&[u8])) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../fuzz/corpus")
            .join(target);
        let mut files = 0;
        for entry in std::fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
            run(&std::fs::read(entry.unwrap().path()).unwrap());
            files += 1;
        }
        assert!(files > 0, "{} is empty", folder.display());
    }

    #[test]
    fn frames() {
        replay("wire_frames", super::frames);
    }

    #[test]
    fn connection_texts() {
        replay("wire_conninfo", super::conninfo);
    }

    #[test]
    fn messages() {
        replay("pgoutput_message", super::message);
    }

    #[test]
    fn streams() {
        replay("pgoutput_assembler", super::assembler);
    }

    #[test]
    fn values() {
        replay("tuple_text", super::tuple_text);
    }

    #[test]
    fn numerics() {
        replay("numeric", super::numeric);
    }
}
