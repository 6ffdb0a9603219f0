//! The one seam to the outside: run programs, read and write files, dial sockets on a Proxmox VE node.
