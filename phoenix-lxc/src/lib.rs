//! Containers of a Proxmox VE node, driven by pct.
