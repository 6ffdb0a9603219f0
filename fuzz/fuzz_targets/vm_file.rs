//! Any text as the vm file.
#![no_main]

use phoenix_config::Loader;
use phoenix_config::diagnostic::FileKind;

libfuzzer_sys::fuzz_target!(|text: String| {
    let _ = Loader::new("/nowhere".into()).load_texts([(FileKind::Vm, text)]);
});
