//! The words of a Proxmox VE node as types, without I/O.
