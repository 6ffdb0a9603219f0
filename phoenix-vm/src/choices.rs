//! Values of which there are only a few.

use std::fmt;
use std::str::FromStr;

/// A text that is none of the values that there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is none of {choices}")]
pub struct InvalidChoice {
    /// The text.
    pub text: String,
    /// The values that there are.
    pub choices: String,
}

macro_rules! choices {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Proxmox's word.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidChoice;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text).ok_or_else(|| InvalidChoice {
                    text: text.to_owned(),
                    choices: Self::ALL.iter().map(|choice| choice.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

choices! {
    /// What runs in the VM (qemu-server `QemuServer.pm`, `ostype`).
    OsType {
        /// Anything else.
        Other = "other",
        /// Windows XP.
        WindowsXp = "wxp",
        /// Windows 2000.
        Windows2000 = "w2k",
        /// Windows 2003.
        Windows2003 = "w2k3",
        /// Windows 2008.
        Windows2008 = "w2k8",
        /// Windows Vista.
        WindowsVista = "wvista",
        /// Windows 7.
        Windows7 = "win7",
        /// Windows 8, 2012.
        Windows8 = "win8",
        /// Windows 10, 2016, 2019.
        Windows10 = "win10",
        /// Windows 11, 2022, 2025.
        Windows11 = "win11",
        /// Linux 2.4.
        Linux24 = "l24",
        /// Linux 2.6 and later.
        Linux26 = "l26",
        /// Solaris.
        Solaris = "solaris",
    }
}

choices! {
    /// The controller of `scsiN` drives.
    ScsiController {
        /// LSI 53C895A. Proxmox's default.
        Lsi = "lsi",
        /// LSI 53C810.
        Lsi53c810 = "lsi53c810",
        /// VirtIO, one controller for all drives.
        VirtioPci = "virtio-scsi-pci",
        /// VirtIO, a controller for each drive; `iothread` needs it.
        VirtioSingle = "virtio-scsi-single",
        /// `MegaRAID`.
        Megasas = "megasas",
        /// VMware's.
        Pvscsi = "pvscsi",
    }
}

choices! {
    /// The firmware.
    Bios {
        /// `SeaBIOS`. Default.
        Seabios = "seabios",
        /// UEFI.
        Ovmf = "ovmf",
    }
}

choices! {
    /// A network card.
    NetModel {
        /// VirtIO.
        Virtio = "virtio",
        /// Intel E1000.
        E1000 = "e1000",
        /// Intel E1000, 82540EM.
        E100082540em = "e1000-82540em",
        /// Intel E1000, 82544GC.
        E100082544gc = "e1000-82544gc",
        /// Intel E1000, 82545EM.
        E100082545em = "e1000-82545em",
        /// Intel E1000E.
        E1000e = "e1000e",
        /// Intel 82551.
        I82551 = "i82551",
        /// Intel 82557B.
        I82557b = "i82557b",
        /// Intel 82559ER.
        I82559er = "i82559er",
        /// NE2000, ISA.
        Ne2kIsa = "ne2k_isa",
        /// NE2000, PCI.
        Ne2kPci = "ne2k_pci",
        /// AMD `PCnet`.
        Pcnet = "pcnet",
        /// Realtek RTL8139.
        Rtl8139 = "rtl8139",
        /// VMware's.
        Vmxnet3 = "vmxnet3",
    }
}
