//! Any text as a file that holds everything: JSON with comments, or YAML, and what it expands to.
#![no_main]

use phoenix_config::Loader;

libfuzzer_sys::fuzz_target!(|text: String| {
    for name in ["phoenix.yaml", "phoenix.jsonc"] {
        let loaded = Loader::new("/nowhere".into()).load_text(name, text.as_str());
        let _ = (loaded.document(), loaded.origins());
    }
});
