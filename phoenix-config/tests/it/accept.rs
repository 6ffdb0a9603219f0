//! Warnings that the files accept are counted and not told; errors are always told.

use phoenix_config::{Code, Loader};
use test_case::test_case;

#[test_case("", "", "", 0; "nothing is accepted")]
#[test_case("x-accept: [PHX0502]", "", "", 1; "at the gate")]
#[test_case("", "x-accept: [PHX0502]", "", 1; "at the guest")]
#[test_case("", "", "x-accept: [{code: PHX0502, reason: the default is right}]", 1; "for the whole configuration")]
#[test_case("", "x-accept: PHX0502", "", 1; "one code without a list")]
#[test_case("x-accept: [PHX0801]", "", "", 0; "another code")]
fn a_warning_is_accepted(gate: &str, guest: &str, top: &str, accepted: usize) {
    let comma = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
    let text = format!(
        "lxc_configs:\n  100: {{name: web, template: \"local:a\", health_check: {{command: \"true\"{}}}{}}}\n{top}\n",
        comma(gate),
        comma(guest)
    );
    let loaded = Loader::new("/nowhere".into()).load_text("phoenix.yaml", text);
    let codes: Vec<Code> = loaded.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!((loaded.accepted, codes), (accepted, vec![Code::NoDeadline; 1 - accepted]));
    assert!(loaded.fleet.is_some());
}

#[test]
fn an_error_is_not_accepted_and_a_misspelt_code_is_told() {
    let text = "lxc_configs:\n  100: {name: web, x-accept: [PHX0210]}\nx-accept: [PHX050]\n";
    let loaded = Loader::new("/nowhere".into()).load_text("phoenix.yaml", text);
    let codes: Vec<Code> = loaded.diagnostics.iter().map(|found| found.code).collect();
    assert_eq!(codes, [Code::NoSource, Code::InvalidValue]);
}

#[test]
fn a_guest_runs_unless_something_says_otherwise() {
    let text = |keys: &str| format!("lxc_configs:\n  100: {{name: web, template: \"local:a\"{keys}}}\n");
    let state = |keys: &str| {
        let fleet = Loader::new("/nowhere".into()).load_text("phoenix.yaml", text(keys)).fleet.unwrap();
        let guest = fleet.find("web").unwrap();
        (guest.state.to_string(), guest.start_at_boot)
    };
    assert_eq!(state(""), ("running".to_owned(), false));
    assert_eq!(state(", start_at_boot: true"), ("running".to_owned(), true));
    assert_eq!(state(", start_at_boot: false"), ("stopped".to_owned(), false));
    assert_eq!(state(", is_template: true"), ("template".to_owned(), false));
    assert_eq!(state(", state: stopped"), ("stopped".to_owned(), false));
}
