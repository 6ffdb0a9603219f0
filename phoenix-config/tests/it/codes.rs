//! Every code has a folder that is wrong in that one way, and next to it one that is not.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::Code;

fn fixtures() -> Utf8PathBuf {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

#[test]
fn every_code_has_its_fixture_and_no_fixture_is_without_code() {
    let mut folders: Vec<String> =
        fixtures().read_dir_utf8().unwrap().map(|entry| entry.unwrap().file_name().to_owned()).collect();
    folders.sort();
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(folders, codes);
}

#[test]
fn bad_folders_are_wrong_in_their_one_way() {
    let mut text = String::new();
    for code in Code::ALL {
        let dir = fixtures().join(code.as_str()).join("bad");
        let loaded = phoenix_config::load(&dir);
        assert!(!loaded.diagnostics.is_empty(), "{code}: nothing was found");
        for diagnostic in &loaded.diagnostics {
            assert_eq!(diagnostic.code, *code, "{diagnostic}");
            let shown = diagnostic.to_string().replace(dir.as_str(), "");
            writeln!(text, "{}", shown.trim_start_matches('/')).unwrap();
            for label in &diagnostic.labels {
                let file = label.location.file.file_name().unwrap();
                writeln!(text, "    {file}:{}:{}: {}", label.location.line, label.location.column, label.message)
                    .unwrap();
            }
        }
    }
    insta::assert_snapshot!(text);
}

#[test]
fn good_folders_are_without_fault() {
    for code in Code::ALL {
        let loaded = phoenix_config::load(&fixtures().join(code.as_str()).join("good"));
        let found: Vec<String> = loaded.diagnostics.iter().map(ToString::to_string).collect();
        assert_eq!(found, [""; 0], "{code}");
        assert!(loaded.fleet.is_some(), "{code}");
    }
}
