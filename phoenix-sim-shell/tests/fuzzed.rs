//! Every script that fuzzing has found or began with is read without a panic, and a fault names a line of it.

use std::fs;
use std::path::Path;

use phoenix_sim_shell::{Flavour, parse};

#[test]
fn saved_scripts_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/shell_script");
    let mut count = 0;
    for file in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        for flavour in [Flavour::Dash, Flavour::Bash] {
            let fault = parse(&text, flavour).fault;
            assert!(fault.is_none_or(|fault| fault.line as usize <= text.lines().count() + 1), "{text:?}");
        }
        count += 1;
    }
    assert!(count >= 3);
}
