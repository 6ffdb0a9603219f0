//! How VMs come about.

use phoenix_types::StorageId;

use crate::{Drive, DriveBus, DriveSlot, DriveSource, Image, OsType, ScsiController, VmSettings};

/// A VM to be made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CreateVm {
    /// Its settings, drives included.
    pub settings: VmSettings,
    /// Its notes.
    pub description: Option<String>,
}

impl CreateVm {
    /// A VM with these settings and nothing else.
    #[must_use]
    pub fn new(settings: VmSettings) -> Self {
        Self { settings, description: None }
    }

    /// A VM whose disk is a copy of a cloud image: the disk at its [`root_slot`](VmSettings::root_slot), a cloud-init drive at `ide2`, a serial console (cloud
    /// images write to one), the guest agent, and what else such an image expects. What the settings say already, stays.
    #[must_use]
    pub fn from_cloud_image(storage: StorageId, image: Image, mut settings: VmSettings) -> Self {
        let disk = settings.root_slot();
        let source = DriveSource::Import { storage: storage.clone(), image };
        settings.drives.entry(disk).or_insert_with(|| Drive { discard: true, ..Drive::new(source) });
        settings.boot.get_or_insert_with(|| vec![disk.to_string()]);
        let has_cloud_init = settings.further.values().any(|value| value.contains(":cloudinit"));
        if let (Ok(slot), false) = (DriveSlot::new(DriveBus::Ide, 2), has_cloud_init) {
            settings.drives.entry(slot).or_insert_with(|| Drive::new(DriveSource::CloudInit { storage }));
        }
        settings.scsi_controller.get_or_insert(ScsiController::VirtioPci);
        settings.os_type.get_or_insert(OsType::Linux26);
        settings.agent.get_or_insert_default();
        settings.serials.entry(0).or_insert_with(|| "socket".to_owned());
        settings.vga.get_or_insert_with(|| "serial0".to_owned());
        Self { settings, description: None }
    }
}
