//! JSON Schema of the configuration, for editors and for `docs/config.schema.json`.

use super::Config;

/// The schema as pretty JSON with a final newline.
#[must_use]
pub fn json() -> String {
    let schema = schemars::schema_for!(Config);
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
