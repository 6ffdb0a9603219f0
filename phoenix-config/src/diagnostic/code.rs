//! The stable codes.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $title:literal;)*) => {
        /// What kind of fault a diagnostic is about. The text form is stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $( $(#[doc = $doc])+ $name, )*
            /// A code of a rule that an embedding program has added.
            Custom(&'static str),
        }

        impl Code {
            /// All codes of Phoenix in order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The text form.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$name => $code, )*
                    Self::Custom(code) => code,
                }
            }

            /// What it is about, in a few words.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self {
                    $( Self::$name => $title, )*
                    Self::Custom(_) => "a rule of the embedding program",
                }
            }

            /// Why it is reported.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self {
                    $( Self::$name => concat!($($doc, "\n"),+).trim_ascii(), )*
                    Self::Custom(_) => "",
                }
            }
        }
    };
}

codes! {
    /// The text is not JSON, so nothing in the file can be read.
    NotJson = "PHX0101", "the file is not JSON";
    /// The folder holds no configuration file, or a file cannot be read.
    NoFile = "PHX0102", "a file is missing or cannot be read";
    /// JSON parsers silently drop one of two members with the same key.
    DuplicateKey = "PHX0103", "duplicate key";
    /// Objects and lists are nested more deeply than readers support.
    TooDeep = "PHX0104", "the nesting is too deep";
    /// Nothing reads this key. A misspelt key would silently have no effect. Keys that start with `x-` are yours.
    UnknownKey = "PHX0105", "a key is not known";
    /// A key without a default is missing.
    MissingKey = "PHX0106", "a key is missing";
    /// The value has a type that the key does not accept.
    WrongType = "PHX0107", "a value is of the wrong type";
    /// The value has the right type, but the key does not accept it.
    InvalidValue = "PHX0108", "a value is not allowed";
    /// The id of a guest is a whole number from 100 to 999999999. Proxmox reserves smaller numbers.
    InvalidId = "PHX0109", "a guest id is not valid";
    /// Two keys have the same meaning, or exclude each other.
    Conflict = "PHX0110", "two keys contradict each other";
    /// Configuration files are UTF-8.
    NotUtf8 = "PHX0111", "the file is not UTF-8";
    /// The folder has a file with a name like a configuration file, but Phoenix does not read it.
    StrayFile = "PHX0112", "unused file";
    /// Phoenix does not know this key of Proxmox and passes it on as it is. A newer Proxmox may have it.
    UnknownProxmoxKey = "PHX0113", "a key of Proxmox is not known";

    /// Each guest of the cycle waits for the next one, so none of them can start.
    Cycle = "PHX0201", "dependency cycle";
    /// A guest depends on a guest that is not configured.
    UnknownDependency = "PHX0202", "a dependency is not defined";
    /// A guest is cloned from a guest that is not configured.
    UnknownCloneSource = "PHX0203", "a clone source is not defined";
    /// A clone needs a template snapshot of its source, or a template. Otherwise Proxmox would clone the current state, which it refuses while the source runs.
    NoCloneSnapshot = "PHX0204", "a clone source has no snapshot to clone";
    /// Containers are cloned from containers and VMs from VMs.
    CloneKind = "PHX0205", "a clone source is of the other kind";
    /// Containers and VMs share one space of ids.
    DuplicateId = "PHX0206", "duplicate guest id";
    /// A template never starts, so a guest cannot depend on it. To clone it, use `clone_from_ctid` or `clone_from_vmid`.
    TemplateDependency = "PHX0207", "a dependency is a template";
    /// The dependency runs only while it is provisioned. The dependant would run without it.
    StoppedDependency = "PHX0208", "a guest that runs depends on one that is never started";
    /// When the node boots, it starts guests by `boot_order`. The dependency would start after its dependant.
    BootOrder = "PHX0209", "the boot order contradicts the dependencies";
    /// A guest needs a template, an image or a clone source.
    NoSource = "PHX0210", "a guest has no template, image or clone source";
    /// The dependency is written twice.
    RepeatedDependency = "PHX0211", "duplicate dependency";
    /// The guest mounts a volume of the other guest or waits for it, so the other guest must be done first.
    ImplicitDependency = "PHX0212", "a guest uses a guest that is not a dependency";
    /// Only a job, or a guest that is off in the end, is ever completed. A guest that stays on can be healthy.
    NeverCompleted = "PHX0213", "a guest waits for the completion of one that stays on";
    /// A job runs its scripts and is off afterwards. Without a script it does nothing.
    IdleJob = "PHX0214", "a job has no script";

    /// A name identifies a guest, so it must be unique.
    DuplicateName = "PHX0301", "duplicate guest name";
    /// Two interfaces with one MAC address on one bridge disturb each other.
    DuplicateMac = "PHX0302", "duplicate MAC address";
    /// Two interfaces with one address disturb each other.
    DuplicateAddress = "PHX0303", "duplicate IP address";
    /// The first byte of a guest's MAC address must be even. Odd values are for groups.
    MulticastMac = "PHX0304", "a MAC address is not unicast";
    /// The node's bridge is in another network, so the guest would not be reachable there.
    OutsideSubnet = "PHX0305", "an IP address is outside its bridge's network";
    /// The gateway must be in the network of the guest.
    GatewayOutside = "PHX0306", "a gateway is outside the guest's network";
    /// The first and the last address of a network are reserved.
    ReservedAddress = "PHX0307", "an IP address is its network's own or its broadcast address";
    /// The gateway must be another machine than the guest.
    OwnGateway = "PHX0308", "a guest is its own gateway";

    /// The second of two equal rules has no effect. Phoenix leaves it out.
    RepeatedRule = "PHX0401", "duplicate firewall rule";
    /// An earlier rule matches all of its packets.
    UnreachableRule = "PHX0402", "a firewall rule is never reached";
    /// Only some protocols have ports.
    PortsWithoutProtocol = "PHX0403", "a firewall rule has ports, but its protocol has none";
    /// The range ends before it begins.
    ReversedRange = "PHX0404", "a range ends before it begins";

    /// A gate has exactly one probe. `all` and `any` combine several probes.
    ProbeCount = "PHX0501", "a gate needs exactly one probe";
    /// A gate should have a limit, so that a reader can see whether it hangs.
    NoDeadline = "PHX0502", "a gate has no limit for its wait";
    /// No configured guest writes to the mounted directory, so the file may never appear.
    NobodyWrites = "PHX0503", "no guest writes the awaited file";
    /// Another guest writes the file, and this guest does not depend on it. The wait may start before the other guest exists.
    WriterNotDependency = "PHX0504", "the writer of the awaited file is not a dependency";
    /// Containers have no guest agent.
    VmOnlyProbe = "PHX0505", "a container has a probe that only VMs answer";
    /// The gate can never pass, or cannot make its attempts.
    ImpossibleSchedule = "PHX0506", "a gate's schedule contradicts itself";

    /// The node does not export the directory, so the mount would fail.
    NotExported = "PHX0601", "an NFS volume is not exported";
    /// The export does not list the VM, so the server would refuse the mount.
    NotAClient = "PHX0602", "an NFS export does not allow the VM";
    /// A disk can grow but not shrink.
    DiskTooSmall = "PHX0603", "a disk is smaller than its clone source's";
    /// Proxmox cannot take snapshots of a container that mounts a directory of the node. Phoenix leaves the snapshots out.
    SnapshotWithBindMount = "PHX0604", "bind mounts prevent snapshots";
    /// Both are snapshots of the finished guest. Phoenix takes one snapshot for both.
    SnapshotNameTwice = "PHX0605", "the template snapshot and a lifecycle snapshot have the same name";
    /// The second mount hides the first one.
    MountTwice = "PHX0606", "duplicate mount point";
    /// Clones need the snapshot, but it cannot be taken.
    CloneOfBindMount = "PHX0607", "the snapshot of a clone source cannot be taken";
    /// The directory is shared with a guest that is not configured.
    UnknownSharer = "PHX0608", "a shared volume names a guest that is not defined";
    /// An NFS volume needs a server.
    NoServer = "PHX0609", "an NFS volume has no server";
    /// One volume cannot be two disks of a guest.
    DiskTwice = "PHX0610", "a volume is two disks of a guest";
    /// A VM with OVMF needs an EFI disk, or it loses its boot entries when it stops.
    NoEfiDisk = "PHX0611", "a VM with OVMF has no EFI disk";

    /// The model servers together need more memory than the GPU has.
    GpuShare = "PHX0701", "a GPU is overcommitted";
    /// The running guests together need more memory than the node has.
    NodeMemory = "PHX0702", "the running guests need more memory than the node has";
    /// A clone has the privilege of its source. Proxmox cannot change it.
    PrivilegeOfClone = "PHX0703", "the clone and its source differ in `unprivileged`";
    /// The ranges overlap, so one number would be mapped twice.
    IdMapOverlap = "PHX0704", "identity maps overlap";
    /// Only one running guest can have a device of the node.
    DeviceTwice = "PHX0705", "a device of the node is passed to two guests";

    /// The script is in none of the places where Phoenix looks for it.
    NoScript = "PHX0801", "a script is not found";
    /// The path of the script is not a regular file.
    ScriptNotFile = "PHX0802", "a script is not a regular file, or cannot be read";
    /// A second run of a feature has no effect. Phoenix runs it once.
    RepeatedFeature = "PHX0803", "duplicate feature";

    /// Every user who can read the file knows the secret, and every backup contains it.
    PlainSecret = "PHX0901", "a secret is in plain text";
    /// Phoenix cannot use the secret here without showing it to others.
    SecretRefused = "PHX0902", "a secret cannot be used here";
    /// Phoenix reads the file before it makes any change.
    NoFileNamed = "PHX0903", "a file with a secret or with keys cannot be read";

    /// The text is not YAML 1.2, so nothing in the file can be read.
    InvalidYaml = "PHX1001", "the file is not YAML";
    /// YAML 1.1 and YAML 1.2 read this value differently, and tools follow one or the other.
    AmbiguousYaml = "PHX1002", "YAML versions read a value differently";
    /// YAML has features that JSON does not have: tags, several documents in one file, keys that are lists. The configuration does not support them.
    RefusedYaml = "PHX1003", "YAML that has no counterpart in JSON";
    /// Aliases or profiles that repeat each other grow without bound.
    AliasBomb = "PHX1004", "the files expand too far";
    /// Two files have the same content type, and it is not clear which one to use.
    SeveralConfigurations = "PHX1005", "a folder holds several configurations";
    /// `extends` uses a profile that is not defined.
    UnknownProfile = "PHX1006", "a profile is not defined";
    /// Each profile of the cycle needs the next one, so none of them can be resolved.
    ProfileCycle = "PHX1007", "profile cycle";
    /// Nothing uses it. The name is probably misspelt where it is used.
    UnusedName = "PHX1008", "a profile or variable is not used";
    /// A range consists of its first and its last guest id.
    InvalidRange = "PHX1009", "a range of guests is not valid";
    /// `${name}` needs a variable with a value. `$$` is a dollar sign.
    UnknownVariable = "PHX1010", "a variable is not declared or has no value";
    /// The value of a variable must match its type, its pattern and its limits.
    InvalidVariable = "PHX1011", "a variable is not valid";
    /// `${…}` contains a name, a name with a default, or an integer expression with `+`, `-` and `*`.
    InvalidTemplate = "PHX1012", "a `${…}` cannot be read";
    /// Each file of the cycle includes the next one.
    IncludeCycle = "PHX1013", "include cycle";
    /// Included files must not contradict each other. To change values of another file, use an overlay.
    IncludeConflict = "PHX1014", "two files define one name differently";
    /// The path is relative to the file that contains it.
    InvalidInclude = "PHX1015", "an included file cannot be read";
    /// `{"+": […]}` adds to an inherited list, `{"-": […]}` removes from it.
    InvalidListChange = "PHX1016", "a change of an inherited list is not valid";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_each_stands_once() {
        let texts: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let mut sorted = texts.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(texts, sorted);
    }
}
