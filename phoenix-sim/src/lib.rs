//! A simulated Proxmox VE node that answers pct, qm, pvesm and pvesh as the real tools do.
