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
    /// JSON parsers keep one of two members with the same key and drop the other without a word.
    DuplicateKey = "PHX0103", "a key stands twice in one object";
    /// Objects and lists lie in each other deeper than any reader goes.
    TooDeep = "PHX0104", "the nesting is too deep";
    /// Nothing reads this key. A misspelt key would be without effect in silence; keys that begin with `x-` are yours.
    UnknownKey = "PHX0105", "a key is not known";
    /// A key that has no default is not written.
    MissingKey = "PHX0106", "a key is missing";
    /// The value is of another kind than the key takes.
    WrongType = "PHX0107", "a value is of the wrong type";
    /// The value is of the right kind, but not one that the key takes.
    InvalidValue = "PHX0108", "a value is not allowed";
    /// Guests have whole numbers from 100 to 999999999 as ids; the smaller ones are Proxmox's own.
    InvalidId = "PHX0109", "a guest id is not valid";
    /// Two keys say the same thing twice, or exclude each other.
    Conflict = "PHX0110", "two keys contradict each other";
    /// Configuration files are UTF-8.
    NotUtf8 = "PHX0111", "the file is not UTF-8";
    /// The folder holds a file whose name looks like a configuration file's, but which nobody reads.
    StrayFile = "PHX0112", "a file is read by nobody";

    /// Each guest of the ring waits for the next one, so none of them would ever start.
    Cycle = "PHX0201", "guests depend on each other in a ring";
    /// A guest is waited for that no file describes.
    UnknownDependency = "PHX0202", "a dependency is not defined";
    /// A guest is cloned that no file describes.
    UnknownCloneSource = "PHX0203", "a clone source is not defined";
    /// Clones are made from the source's template snapshot, or from a template. Without either, its current state would be cloned, which Proxmox refuses while the source runs.
    NoCloneSnapshot = "PHX0204", "a clone source has no snapshot to clone";
    /// Containers are cloned from containers and VMs from VMs.
    CloneKind = "PHX0205", "a clone source is of the other kind";
    /// Containers and VMs share one space of ids.
    DuplicateId = "PHX0206", "two guests have one id";
    /// A template is never started, so there is nothing in it to depend on; cloning it is what `clone_from_ctid` and `clone_from_vmid` are for.
    TemplateDependency = "PHX0207", "a dependency is a template";
    /// The dependency is only on while it is provisioned; the dependant would run without it.
    StoppedDependency = "PHX0208", "a guest that runs depends on one that is never started";
    /// When the node boots it starts guests by `boot_order`; the dependency would come after its dependant.
    BootOrder = "PHX0209", "the boot order contradicts the dependencies";
    /// A guest is made from a template, from an image or from another guest.
    NoSource = "PHX0210", "a guest has nothing to be made from";
    /// The dependency is written twice.
    RepeatedDependency = "PHX0211", "a dependency is named twice";
    /// It mounts a volume of the other guest or waits for it, so the other one has to be done first.
    ImplicitDependency = "PHX0212", "a guest uses another one that is no dependency";

    /// Guests are also called by their names, so a name stands for one guest.
    DuplicateName = "PHX0301", "two guests have one name";
    /// Two interfaces with one MAC address on one bridge disturb each other.
    DuplicateMac = "PHX0302", "two guests have one MAC address";
    /// Two interfaces with one address disturb each other.
    DuplicateAddress = "PHX0303", "an IP address is used twice";
    /// A guest's own address has an even first byte; odd ones are for groups.
    MulticastMac = "PHX0304", "a MAC address is not unicast";
    /// The node's bridge is in another network, so nobody there would reach the guest.
    OutsideSubnet = "PHX0305", "an IP address is outside its bridge's network";
    /// A guest reaches its gateway directly or not at all.
    GatewayOutside = "PHX0306", "a gateway is outside the guest's network";
    /// The first and the last address of a network are not for guests.
    ReservedAddress = "PHX0307", "an IP address is its network's own or its broadcast address";
    /// The gateway is another machine than the guest.
    OwnGateway = "PHX0308", "a guest is its own gateway";

    /// The second of two equal rules does nothing. It is left out.
    RepeatedRule = "PHX0401", "a firewall rule is written twice";
    /// A rule before it decides on every packet that it could match.
    UnreachableRule = "PHX0402", "a firewall rule is never reached";
    /// Only some protocols have ports.
    PortsWithoutProtocol = "PHX0403", "a firewall rule has ports, but its protocol has none";
    /// The range ends before it begins.
    ReversedRange = "PHX0404", "a range is upside down";

    /// A gate asks one question; several are joined by `all` or `any`.
    ProbeCount = "PHX0501", "a gate has no probe or several";
    /// How long is waited is the first thing to know about a gate: then a person can see whether it is hanging.
    NoDeadline = "PHX0502", "a gate says nothing about how long it waits";
    /// Nobody who writes to the directory behind the mount is in the configuration, so the file may never come.
    NobodyWrites = "PHX0503", "a file is waited for that nobody writes";
    /// The file comes from a guest that this one does not depend on, so it may be waited for before that guest is even made.
    WriterNotDependency = "PHX0504", "a file is waited for whose writer is no dependency";
    /// Containers have no guest agent.
    VmOnlyProbe = "PHX0505", "a container has a probe that only VMs answer";
    /// The gate can never pass, or never make its attempts.
    ImpossibleSchedule = "PHX0506", "a gate's schedule contradicts itself";

    /// The node does not export the directory, so the mount would fail.
    NotExported = "PHX0601", "an NFS volume is below no export";
    /// The export does not name the VM, so its mount would be refused.
    NotAClient = "PHX0602", "an NFS export does not let the VM in";
    /// A disk grows, it never shrinks.
    DiskTooSmall = "PHX0603", "a disk is smaller than its clone source's";
    /// Proxmox takes no snapshot of a container while a directory of the node is mounted in it. They are left out.
    SnapshotWithBindMount = "PHX0604", "snapshots are asked for that bind mounts make impossible";
    /// Both mean the finished guest. One snapshot is taken for both.
    SnapshotNameTwice = "PHX0605", "the template snapshot and a lifecycle snapshot have one name";
    /// The second hides the first.
    MountTwice = "PHX0606", "two things are mounted at one place";
    /// The snapshot cannot be taken, and it is what is cloned.
    CloneOfBindMount = "PHX0607", "a clone source cannot have the snapshot that is cloned";
    /// The directory is meant for a guest that no file describes.
    UnknownSharer = "PHX0608", "a shared volume names a guest that is not defined";
    /// A volume comes from a server.
    NoServer = "PHX0609", "an NFS volume has no server";

    /// Together they want more of the GPU's memory than there is.
    GpuShare = "PHX0701", "model servers want more of a GPU than there is";
    /// Together the guests that run want more memory than the node has.
    NodeMemory = "PHX0702", "the guests that run want more memory than the node has";
    /// A clone is privileged or not as its source is; Proxmox cannot change it.
    PrivilegeOfClone = "PHX0703", "a clone cannot be of another privilege than its source";
    /// The ranges overlap, so one number would stand for two.
    IdMapOverlap = "PHX0704", "identity maps overlap";

    /// None of the places where the script is looked for has it.
    NoScript = "PHX0801", "a script is not found";
    /// What has the script's name is no file.
    ScriptNotFile = "PHX0802", "a script is not a regular file, or cannot be read";
    /// The second run of a feature does nothing that the first has not done. It runs once.
    RepeatedFeature = "PHX0803", "a feature is named twice";

    /// Whoever may read the file knows the secret, and so does every backup of it.
    PlainSecret = "PHX0901", "a secret stands in plain text";
    /// What is wanted cannot be done without showing the secret to others, so it is not done.
    SecretRefused = "PHX0902", "a secret is passed on to nobody";
    /// The file is named here, and read before anything is done.
    NoFileNamed = "PHX0903", "a file with a secret or with keys cannot be read";

    /// The text is not YAML 1.2, so nothing in the file can be read.
    InvalidYaml = "PHX1001", "the file is not YAML";
    /// YAML 1.1 and YAML 1.2 read this value differently, and editors and other tools follow one or the other.
    AmbiguousYaml = "PHX1002", "a value that versions of YAML read differently";
    /// YAML can say more than JSON: tags, several documents in one file, keys that are lists. A configuration has no use for it.
    RefusedYaml = "PHX1003", "YAML that has no counterpart in JSON";
    /// Aliases or profiles that repeat each other grow without bound.
    AliasBomb = "PHX1004", "the files expand to too much";
    /// Two files hold the same, and it is not clear which of them counts.
    SeveralConfigurations = "PHX1005", "a folder holds several configurations";
    /// `extends` names a profile that no file defines.
    UnknownProfile = "PHX1006", "a profile is not defined";
    /// Each profile of the ring needs the next one, so none of them is ever complete.
    ProfileCycle = "PHX1007", "profiles extend each other in a ring";
    /// Nothing uses it. Most likely the name is misspelt where it should be used.
    UnusedName = "PHX1008", "a profile or variable is not used";
    /// A range names its first and its last guest.
    InvalidRange = "PHX1009", "a range of guests is not valid";
    /// `${name}` needs a variable with a value; `$$` stands for a dollar sign.
    UnknownVariable = "PHX1010", "a variable is not declared or has no value";
    /// A variable keeps to its type, its pattern and its limits.
    InvalidVariable = "PHX1011", "a variable is not valid";
    /// `${…}` holds a name, a name with a default, or whole numbers with `+`, `-` and `*`.
    InvalidTemplate = "PHX1012", "a `${…}` cannot be read";
    /// Each file of the ring needs the next one.
    IncludeCycle = "PHX1013", "files include each other in a ring";
    /// Files that are joined may not contradict each other. What one changes of another is an overlay.
    IncludeConflict = "PHX1014", "two files define one name differently";
    /// The path is relative to the file that names it.
    InvalidInclude = "PHX1015", "an included file cannot be read";
    /// `{"+": […]}` adds to an inherited list, `{"-": […]}` removes from it.
    InvalidListChange = "PHX1016", "a change of an inherited list is not possible";
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
