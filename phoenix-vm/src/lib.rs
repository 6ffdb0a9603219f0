//! Virtual machines of a Proxmox VE node, driven by qm.
