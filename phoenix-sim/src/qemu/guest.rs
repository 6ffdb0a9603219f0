//! The guest's operating system, as far as `qm` meets it: whether there is one, whether its agent answers, how it shuts down.

use std::time::Duration;

use phoenix_sim_guest::CLOUD_IMAGE;
use phoenix_types::{ConfSection, GuestKind, Power};

use crate::node::{Call, SimNode, State};

use super::drive;

/// How long a system takes to shut down.
const SHUTDOWN: Duration = Duration::from_millis(900);

/// How long a ping of the agent waits.
pub(super) const PING: Duration = Duration::from_secs(3);

/// The file that marks a disk with a system on it that a VM can boot.
const KERNEL: &str = "/boot/vmlinuz";

/// Puts a system onto a disk that an image was copied to.
pub(super) fn install_system(state: &mut State, volume: &str, _image: &str) {
    let now = state.now;
    if let Some(volume) = state.volumes.get_mut(volume) {
        // The tree is empty, so nothing can be in the way.
        let _ = volume.space.files.make_folders("/boot", now);
        let _ = volume.space.files.write(KERNEL, b"kernel\n".as_slice(), now);
        let _ = volume.space.files.make_folders("/etc/cloud", now);
        let _ = volume.space.files.write(CLOUD_IMAGE, b"".as_slice(), now);
    }
}

/// Whether there is a system that a VM could boot. Where every image exists, every VM has one.
pub(super) fn has_system(state: &State, section: &ConfSection) -> bool {
    if state.any_image {
        return true;
    }
    let on_disk = drive::drives(section)
        .iter()
        .filter_map(|(_, drive)| state.volume(drive.file()))
        .any(|volume| volume.space.files.exists(KERNEL));
    on_disk || section.get("args").is_some_and(|args| args.contains("-kernel"))
}

/// Whether the system in a VM that runs is up: its agent answers, it reacts to the power button.
pub(super) fn is_up(node: &SimNode, id: u32) -> bool {
    let state = node.state();
    if state.guests.get(&id).is_none_or(|guest| guest.power != Power::Running) {
        return false;
    }
    let Ok(conf) = state.conf(GuestKind::Vm, id) else { return false };
    let has_system = has_system(&state, &conf.live);
    drop(state);
    has_system && node.inside(id).agent_answers()
}

/// How long the system takes to power off when it is told to; `None` when it does not react.
pub(super) fn shutdown_time(node: &SimNode, id: u32) -> Option<Duration> {
    is_up(node, id).then_some(SHUTDOWN)
}

/// Pings the agent on the way to something else; a silent one leaves a line.
pub(super) async fn look(call: &mut Call<'_>, id: u32) {
    if !is_up(call.node, id) {
        call.node.sleep(PING).await;
        call.err(&format!("QEMU Guest Agent is not running - VM {id} qga command 'guest-ping' failed - got timeout\n"));
    }
}
