//! Rules that an embedding program adds, and warnings that CI does not let pass.

use phoenix_config::diagnostic::{FileKind, Finding, Target};
use phoenix_config::rules::{Rule, View};
use phoenix_config::{Code, Loader, Severity, Warnings};

#[derive(Debug)]
struct Protected;

impl Rule for Protected {
    fn check(&self, view: &View<'_>, findings: &mut Vec<Finding>) {
        for (id, guest) in view.guests.iter().filter(|(_, guest)| !guest.protection) {
            let message = format!("`{}` is not protected", guest.name);
            findings.push(Finding::warning(Code::Custom("ACME001"), Target::Guest(*id), message).at(["name"]));
        }
    }
}

const TEXT: &str = r#"{
  "lxc_configs": {
    "100": {"name": "web", "template": "local:a"},
    "101": {"name": "db", "template": "local:a", "protection": true}
  }
}"#;

fn loader() -> Loader {
    Loader::new("/nowhere".into()).rule(Protected)
}

#[test]
fn an_added_rule_points_at_its_place() {
    let loaded = loader().load_texts([(FileKind::Lxc, TEXT.to_owned())]);
    let [found] = loaded.diagnostics.as_slice() else { unreachable!("one guest is not protected") };
    assert_eq!(found.code.as_str(), "ACME001");
    assert_eq!((found.location.line, found.location.column), (3, 21));
    assert_eq!(found.pointer, "/lxc_configs/100/name");
    assert!(loaded.fleet.is_some());
}

#[test]
fn denied_warnings_are_errors() {
    let loaded = loader().warnings(Warnings::Deny).load_texts([(FileKind::Lxc, TEXT.to_owned())]);
    assert_eq!(loaded.diagnostics[0].severity, Severity::Error);
    assert!(loaded.fleet.is_none());
}

#[test]
fn a_misspelt_key_is_named_in_each_file() {
    let lxc =
        r#"{"lxc_configs": {"100": {"name": "web", "template": "local:a", "helth_check": {"tcp": {"port": 80}}}}}"#;
    let vm = r#"{"vms": [{"vmid": 101, "name": "db", "template_image": "noble-server-cloudimg-amd64.img", "helth_check": {"tcp": {"port": 80}}}]}"#;
    let hypervisor = r#"{"helth_check": {"tcp": {"port": 80}}}"#;
    let texts = [(FileKind::Lxc, lxc), (FileKind::Vm, vm), (FileKind::Hypervisor, hypervisor)];
    let loaded = Loader::new("/nowhere".into()).load_texts(texts.map(|(kind, text)| (kind, text.to_owned())));
    assert_eq!(loaded.diagnostics.len(), 3);
    for diagnostic in &loaded.diagnostics {
        assert_eq!(diagnostic.code, Code::UnknownKey);
        assert!(diagnostic.help.as_ref().unwrap().contains("`health_check`"), "{diagnostic}");
    }
}
