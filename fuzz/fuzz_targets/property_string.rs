//! Any text as a property string; what is read is printed and read again.
#![no_main]

use phoenix_types::PropertyString;

libfuzzer_sys::fuzz_target!(|text: &str| {
    if let Ok(read) = text.parse::<PropertyString>() {
        assert_eq!(read.to_string().parse(), Ok(read));
    }
});
