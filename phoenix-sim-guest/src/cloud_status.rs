//! The files below `/run/cloud-init` in which cloud-init says how far it is.

use phoenix_sim_shell::files::Offset;
use serde_json::{Value, json};

use crate::ground::HeldNode;
use crate::view::View;
use crate::world::CloudInitResult;

/// The error of a cloud-init that failed.
pub(crate) const ERROR: &str =
    "('scripts_user', RuntimeError('Runparts: 1 failures (runcmd) in 1 attempted commands'))";
/// The error that it got over.
pub(crate) const WARNING: &str = "Failed to apply all settings before the next boot";

fn write(state: &mut dyn HeldNode, vmid: u32, name: &str, content: &Value) {
    // A world that says what the program answers says all that there is.
    if state.worlds.of(vmid).commands().any(|command| command.when.starts_with("cloud-init ")) {
        return;
    }
    let mut view = View::new(state, Some(vmid));
    let _ = view.make_folders("/run/cloud-init", 0o755);
    let text = format!("{content:#}\n");
    let _ = view.write(&format!("/run/cloud-init/{name}"), text.as_bytes(), Offset::Replace, 0o644);
}

fn stage(errors: &[&str], recoverable: &Value) -> Value {
    json!({"errors": errors, "finished": 1.0, "recoverable_errors": recoverable, "start": 1.0})
}

/// Cloud-init begins with the boot.
pub(crate) fn begun(state: &mut dyn HeldNode, vmid: u32) {
    // `/run` is empty after a boot.
    let _ = View::new(state, Some(vmid)).remove_all("/run/cloud-init");
    let none = stage(&[], &json!({}));
    let stages = json!({"v1": {"datasource": null, "init-local": none, "stage": "init-local"}});
    write(state, vmid, "status.json", &stages);
}

/// Cloud-init has finished.
pub(crate) fn finished(state: &mut dyn HeldNode, vmid: u32, result: CloudInitResult) {
    let (errors, recoverable) = match result {
        CloudInitResult::Done => (&[][..], json!({})),
        CloudInitResult::Reboot => (&[][..], json!({"WARNING": [WARNING]})),
        CloudInitResult::Error => (&[ERROR][..], json!({})),
    };
    let datasource = "DataSourceNoCloud [seed=/dev/sr0]";
    let last = stage(errors, &recoverable);
    let stages =
        json!({"v1": {"datasource": datasource, "init": stage(&[], &json!({})), "modules-final": last, "stage": null}});
    write(state, vmid, "status.json", &stages);
    write(state, vmid, "result.json", &json!({"v1": {"datasource": datasource, "errors": errors}}));
}
