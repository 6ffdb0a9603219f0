//! Files of the node that cloud-init reads in place of, or besides, what Proxmox makes.

use phoenix_types::{PropertyString, VolumeId};

use phoenix_pve::InvalidSettings;

/// Files that cloud-init reads, volumes of type `snippets` (`cicustom`). A file that is missing keeps the VM from starting.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomData {
    /// In place of the user data that Proxmox makes: user, ssh keys and name in the settings are then ignored.
    pub user: Option<VolumeId>,
    /// In place of the network settings that Proxmox makes.
    pub network: Option<VolumeId>,
    /// In place of the meta data that Proxmox makes.
    pub meta: Option<VolumeId>,
    /// Vendor data, which Proxmox has none of. Where user and vendor data have the same key, cloud-init takes the user's.
    pub vendor: Option<VolumeId>,
}

impl CustomData {
    /// Nothing but vendor data.
    #[must_use]
    pub fn vendor(volume: VolumeId) -> Self {
        Self { vendor: Some(volume), ..Self::default() }
    }

    pub(crate) fn print(&self) -> Option<String> {
        let parts = [("meta", &self.meta), ("network", &self.network), ("user", &self.user), ("vendor", &self.vendor)];
        let parts: Vec<String> =
            parts.into_iter().filter_map(|(name, volume)| Some(format!("{name}={}", volume.as_ref()?))).collect();
        (!parts.is_empty()).then(|| parts.join(","))
    }

    pub(crate) fn parse(key: &str, value: &str) -> Result<Self, InvalidSettings> {
        let invalid = |error: String| InvalidSettings::value(key, value, error);
        let items: PropertyString = value.parse().map_err(|error| invalid(format!("{error}")))?;
        let part = |name: &str| {
            items.get(name).map(|volume| volume.parse().map_err(|error| invalid(format!("{error}")))).transpose()
        };
        Ok(Self { user: part("user")?, network: part("network")?, meta: part("meta")?, vendor: part("vendor")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read() {
        let text = "user=local:snippets/user.yaml,vendor=local:snippets/agent.yaml";
        let data = CustomData::parse("cicustom", text).unwrap();
        assert_eq!(data.vendor.as_ref().map(ToString::to_string).as_deref(), Some("local:snippets/agent.yaml"));
        assert_eq!(data.print().as_deref(), Some(text));
        assert_eq!(CustomData::default().print(), None);
        assert!(CustomData::parse("cicustom", "vendor=nowhere").is_err());
    }
}
