//! Any text as a script of dash and of bash. What cannot be read is a fault with its line.
#![no_main]

use phoenix_sim_shell::{Flavour, parse};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for flavour in [Flavour::Dash, Flavour::Bash] {
        if let Some(fault) = parse(text, flavour).fault {
            assert!(fault.line as usize <= text.lines().count() + 1);
        }
    }
});
