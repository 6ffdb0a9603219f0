//! No text makes it panic, hang, or answer without end.

use std::time::{Duration, Instant};

use phoenix_config::diagnostic::FileKind;
use phoenix_config::{Code, Loaded, Loader};
use proptest::prelude::*;

fn load(kind: FileKind, text: String) -> Loaded {
    Loader::new("/nowhere".into()).load_texts([(kind, text)])
}

fn codes(loaded: &Loaded) -> Vec<Code> {
    loaded.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
}

fn container_with(members: &str) -> String {
    format!(r#"{{"lxc_configs": {{"100": {{"name": "web", "template": "local:a"{members}}}}}}}"#)
}

#[test]
fn nesting_gets_a_clear_answer() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    let own = |depth| codes(&load(FileKind::Lxc, container_with(&format!(r#", "x-mine": {}"#, nested(depth)))));
    assert_eq!(own(100), []);
    assert_eq!(own(10_000), [Code::TooDeep]);
    assert_eq!(own(1_000_000), [Code::TooDeep]);
    let wrong = codes(&load(FileKind::Lxc, container_with(&format!(r#", "features": {}"#, nested(100)))));
    assert_eq!(wrong, [Code::WrongType]);
    assert_eq!(codes(&load(FileKind::Vm, nested(100))), [Code::WrongType]);
    assert_eq!(codes(&load(FileKind::Vm, "[".repeat(1_000_000))), [Code::WrongType]);
    let top = format!(r#"{{"x-mine": {}, "lxc_configs": {{}}}}"#, nested(1000));
    assert_eq!(codes(&load(FileKind::Lxc, top)), [Code::TooDeep]);
}

#[test]
fn fifty_megabytes_get_a_clear_answer() {
    let start = Instant::now();
    let loaded = load(FileKind::Lxc, container_with(&format!(r#", "x-mine": "{}""#, "a".repeat(50 << 20))));
    assert!(loaded.fleet.is_some());
    let loaded = load(FileKind::Lxc, container_with(&format!(r#", "description": {}5"#, " ".repeat(50 << 20))));
    assert_eq!(codes(&loaded), [Code::WrongType]);
    // Generous: this is a test build on a busy machine. What it must not be is minutes.
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn a_flood_of_faults_is_cut() {
    let keys: String = (0..20_000).map(|number| format!(r#", "key{number}": 1"#)).collect();
    let loaded = load(FileKind::Lxc, container_with(&keys));
    assert!(loaded.diagnostics.len() <= 101, "{}", loaded.diagnostics.len());
    assert!(
        loaded
            .diagnostics
            .iter()
            .any(|diagnostic| diagnostic.message.contains("too many errors; the rest are not shown"))
    );
    let keys: String = (0..20_000).map(|number| format!(r#""key{number}": 1, "#)).collect();
    let loaded = load(FileKind::Vm, format!(r#"{{{keys}"vms": []}}"#));
    assert!(loaded.diagnostics.len() <= 101, "{}", loaded.diagnostics.len());
}

#[test]
fn many_guests_that_are_wrong_are_told_one_by_one() {
    let guests: Vec<String> = (0..2000).map(|number| format!(r#""{}": {{"nmae": 5}}"#, 100 + number)).collect();
    let start = Instant::now();
    let loaded = load(FileKind::Lxc, format!(r#"{{"lxc_configs": {{{}}}}}"#, guests.join(",")));
    assert_eq!(loaded.diagnostics.len(), 2000 * 3);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn faults_of_the_fleet_are_cut_too() {
    let start = Instant::now();
    let rules = vec![r#"{"type": "in", "action": "ACCEPT"}"#; 5000].join(",");
    let loaded = load(FileKind::Lxc, container_with(&format!(r#", "firewall": {{"rules": [{rules}]}}"#)));
    assert_eq!(loaded.diagnostics.len(), 101);
    let ids: Vec<String> = (1000..6000).map(|id| id.to_string()).collect();
    let loaded = load(FileKind::Lxc, container_with(&format!(r#", "dependencies": [{}]"#, ids.join(","))));
    assert_eq!(loaded.diagnostics.len(), 100);
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn a_large_guest_that_is_wrong_is_told_its_first_fault() {
    let numbers = "1,".repeat(3 << 20);
    let loaded = load(FileKind::Lxc, container_with(&format!(r#", "x-mine": [{numbers}1], "cores": "2""#)));
    assert_eq!(codes(&loaded), [Code::WrongType]);
    assert!(loaded.diagnostics[0].message.contains("a whole number from 1 to 8192"), "{}", loaded.diagnostics[0]);
}

#[test]
fn a_byte_order_mark_is_named() {
    let loaded = load(FileKind::Vm, "\u{feff}{}".to_owned());
    assert!(loaded.diagnostics[0].message.contains("byte order mark"), "{}", loaded.diagnostics[0]);
}

#[test]
fn long_chains_are_no_danger_to_the_stack() {
    let guest = |number: u32| {
        let next = number + 1;
        format!(r#""{number}": {{"name": "g{number}", "template": "local:a", "dependencies": [{next}]}}"#)
    };
    let mut guests: Vec<String> = (100..20_000).map(guest).collect();
    guests.push(r#""20000": {"name": "last", "template": "local:a"}"#.to_owned());
    let loaded = load(FileKind::Lxc, format!(r#"{{"lxc_configs": {{{}}}}}"#, guests.join(",")));
    assert_eq!(loaded.fleet.map(|fleet| fleet.graph.order().len()), Some(19_901));
}

/// Pieces of which texts near to configurations are put together.
const PIECES: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    ":",
    ",",
    "\"lxc_configs\"",
    "\"vms\"",
    "\"100\"",
    "\"vmid\"",
    "100",
    "\"name\"",
    "\"web\"",
    "\"dependencies\"",
    "\"template\"",
    "\"local:a\"",
    "\"x-a\"",
    "\"firewall\"",
    "null",
    "\"\\ud800\"",
    "-",
    "\"",
    "\\",
    "ä",
];

proptest! {
    #[test]
    fn no_text_makes_it_panic(pieces in prop::collection::vec(0..PIECES.len(), 0..40), kind in 0..3usize) {
        let text: String = pieces.iter().map(|index| PIECES[*index]).collect();
        let loaded = load(FileKind::ALL[kind], text);
        for diagnostic in &loaded.diagnostics {
            prop_assert!(diagnostic.location.span.start <= diagnostic.location.span.end);
        }
    }

    #[test]
    fn no_cut_and_no_flipped_byte_makes_it_panic(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let whole = include_str!("../complete/container.json");
        let mut bytes = format!(r#"{{"lxc_configs": {{"100": {whole}}}}}"#).into_bytes();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let loaded = load(FileKind::Lxc, String::from_utf8_lossy(&bytes).into_owned());
        prop_assert!(!loaded.diagnostics.is_empty());
    }
}
