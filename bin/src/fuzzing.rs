//! What the fuzz targets of the configuration call. An ordinary test replays their corpus.

use std::collections::HashMap;

use crate::config::load::from_yaml;
use crate::import::Imported;

fn env() -> HashMap<String, String> {
    HashMap::from([("SECRET".to_owned(), "pepper-7f3a".to_owned())])
}

/// Any text is a configuration or a fault with a message; the message never shows the variable's value.
///
/// # Panics
/// When that does not hold.
pub fn yaml(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Err(error) = from_yaml("fuzz.yaml", text, &env()) {
        let shown = error.to_string();
        assert!(!shown.is_empty());
        assert!(
            text.contains("pepper") || !shown.contains("pepper-7f3a"),
            "a secret is shown"
        );
    }
}

/// Any text is a connector's file or a fault; what is printed as YAML is read back.
///
/// # Panics
/// When that does not hold.
pub fn connector(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(imported) = Imported::read(text, None, &env()) else {
        return;
    };
    let direct = imported.config();
    let printed = from_yaml("fuzz.yaml", &imported.yaml(true), &env());
    if let Ok(direct) = direct {
        match printed {
            Ok(read) => assert_eq!(format!("{direct:?}"), format!("{read:?}")),
            Err(error) => panic!("the printed YAML is refused: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replay(target: &str, run: fn(&[u8])) {
        let folder = format!("{}/../fuzz/corpus/{target}", env!("CARGO_MANIFEST_DIR"));
        let files: Vec<_> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|f| f.unwrap().path())
            .collect();
        assert!(!files.is_empty(), "{folder} is empty");
        for file in files {
            run(&std::fs::read(file).unwrap());
        }
    }

    #[test]
    fn corpus_of_the_yaml_target() {
        replay("config", yaml);
    }

    #[test]
    fn corpus_of_the_import_target() {
        replay("import", connector);
    }
}
