//! The saved texts of the fuzz targets, through the same calls.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use camino::Utf8Path;
use phoenix_types::{GuestConf, GuestKind, PropertyString};

fn saved(target: &str) -> Vec<String> {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let texts: Vec<String> = folder
        .read_dir_utf8()
        .unwrap()
        .map(|entry| String::from_utf8_lossy(&std::fs::read(entry.unwrap().path()).unwrap()).into_owned())
        .collect();
    assert!(!texts.is_empty(), "{target}");
    texts
}

#[test]
fn property_strings_print_as_they_are_read() {
    for text in saved("property_string") {
        if let Ok(read) = text.parse::<PropertyString>() {
            assert_eq!(read.to_string().parse(), Ok(read), "{text}");
        }
    }
}

#[test]
fn configuration_files_print_as_they_are_read() {
    for text in saved("guest_conf") {
        for kind in [GuestKind::Container, GuestKind::Vm] {
            let read = GuestConf::parse(&text, kind);
            assert_eq!(GuestConf::parse(&read.print(kind), kind), read, "{text}");
        }
    }
}
