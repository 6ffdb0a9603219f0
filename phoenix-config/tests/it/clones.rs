//! What of its source a clone is made from.

use camino::Utf8Path;
use phoenix_types::GuestId;

#[test]
fn a_snapshot_is_cloned_where_there_can_be_one() {
    let folder = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(folder.path()).unwrap();
    let vms = r#"{"vms": [
        {"vmid": 9000, "name": "image", "is_template": true, "template_image": "noble-server-cloudimg-amd64.img", "template_snapshot_name": "clean"},
        {"vmid": 9001, "name": "base", "clone_from_vmid": 9000, "template_snapshot_name": "ready"},
        {"vmid": 9002, "name": "last", "clone_from_vmid": 9001}
    ]}"#;
    std::fs::write(dir.join("phoenix_vm_configs.json"), vms).unwrap();
    let fleet = phoenix_config::load(dir).fleet.unwrap();
    let cloned = |id: u32| {
        let source = fleet.guest(GuestId::new(id).unwrap()).unwrap().clone_from.clone().unwrap();
        source.snapshot.map(|name| name.to_string())
    };
    assert_eq!(cloned(9001), None, "a template has no snapshots");
    assert_eq!(cloned(9002).as_deref(), Some("ready"));
}
