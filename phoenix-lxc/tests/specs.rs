//! Random valid settings go through the adapter to the real tool's grammar, and come back as the same settings.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use phoenix_host::Output;
use phoenix_host::fake::FakeHost;
use phoenix_lxc::{
    ContainerSettings, Containers, CreateContainer, Device, Features, MountPoint, MountSource, Net, Pct, VolumeOptions,
};
use phoenix_pve::Guests as _;
use phoenix_sim::grammar::{Invocation, Verdict, parse};
use phoenix_sim::{SimNode, World};
use phoenix_types::{
    Cidr, ConfSection, DiskSize, GuestId, Ipv4Setting, Ipv6Setting, KeyEffect, Mac, MemoryMib, Startup,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

fn ipv4() -> impl Strategy<Value = Ipv4Setting> {
    prop_oneof![
        Just(Ipv4Setting::Dhcp),
        Just(Ipv4Setting::Manual),
        (any::<[u8; 4]>(), 8..=32u8).prop_map(|([a, b, c, d], prefix)| {
            let cidr: Cidr = format!("{a}.{b}.{c}.{d}/{prefix}").parse().unwrap();
            Ipv4Setting::Static(cidr)
        }),
    ]
}

fn ipv6() -> impl Strategy<Value = Ipv6Setting> {
    prop_oneof![
        Just(Ipv6Setting::Auto),
        Just(Ipv6Setting::Dhcp),
        Just(Ipv6Setting::Manual),
        (any::<u16>(), 8..=128u8)
            .prop_map(|(last, prefix)| { Ipv6Setting::Static(format!("fd00::{last:x}/{prefix}").parse().unwrap()) }),
    ]
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(|mut octets| {
        octets[0] &= 0xfe;
        Mac::from_octets(octets).unwrap()
    })
}

fn net() -> impl Strategy<Value = Net> {
    let addresses = (of(ipv4()), of(any::<[u8; 4]>()), of(ipv6()), of(any::<u16>()));
    let rest = (of(1..=4094u16), btree_set(1..=4094u16, 0..3), of(0..1000u32), of(64..=65535u32), any::<[bool; 3]>());
    ("[a-z][a-z0-9._-]{0,14}", "[a-z][a-z0-9._-]{0,14}", of(mac()), addresses, rest).prop_map(
        |(name, bridge, mac, (ip, gw, ip6, gw6), (tag, trunks, rate, mtu, [firewall, link_down, host_managed]))| Net {
            name: name.parse().unwrap(),
            bridge: bridge.parse().unwrap(),
            mac,
            ip,
            gw: gw.map(Into::into),
            ip6,
            gw6: gw6.map(|last| format!("fd00::{last:x}").parse().unwrap()),
            firewall,
            tag,
            trunks: trunks.iter().map(|vlan: &u16| vlan.to_string().parse().unwrap()).collect(),
            rate: rate.map(|rate| f64::from(rate) / 8.0),
            mtu,
            link_down,
            host_managed,
        },
    )
}

fn path() -> impl Strategy<Value = String> {
    // Anything but what a property string or Proxmox's path rule cannot take.
    "(/[^,/.\\p{C}\\p{Z}=][^,/\\p{C}\\p{Z}=]{0,8}){1,3}"
}

fn mount() -> impl Strategy<Value = MountPoint> {
    let source = prop_oneof![
        ("[a-z][a-z0-9-]{0,6}[a-z0-9]", 1..100_000u64).prop_map(|(storage, mib)| MountSource::New {
            storage: storage.parse().unwrap(),
            size: DiskSize::from_bytes(mib << 20),
        }),
        "[a-z][a-z0-9-]{0,6}[a-z0-9]:subvol-[0-9]{3}-disk-[0-9]"
            .prop_map(|volume| MountSource::Volume(volume.parse().unwrap())),
        path().prop_map(|path| MountSource::Path(path.into())),
    ];
    let options = proptest::sample::subsequence(vec!["discard", "noatime", "nodev", "noexec"], 0..4);
    (source, path(), any::<bool>(), of(any::<bool>()), options, any::<[bool; 4]>()).prop_map(
        |(source, path, backup, acl, options, [quota, read_only, no_replication, shared])| MountPoint {
            source,
            path: path.into(),
            size: None,
            backup,
            options: VolumeOptions {
                acl,
                mount_options: options.into_iter().map(str::to_owned).collect(),
                quota,
                read_only,
                no_replication,
                shared,
                keep_attributes: false,
                id_map: None,
            },
        },
    )
}

fn device() -> impl Strategy<Value = Device> {
    ("/dev/[a-z]{1,8}(/[a-zA-Z0-9]{1,8})?", of(0..=0o777u16), of(any::<u32>()), of(any::<u32>()), any::<bool>())
        .prop_map(|(path, mode, uid, gid, deny_write)| Device { path: path.into(), mode, uid, gid, deny_write })
}

fn settings() -> impl Strategy<Value = ContainerSettings> {
    let features = (any::<[bool; 5]>(), btree_set("[a-z]{1,6}", 0..3)).prop_map(
        |([nesting, keyctl, fuse, mknod, force_rw_sys], mount)| Features {
            nesting,
            keyctl,
            fuse,
            mknod,
            force_rw_sys,
            mount,
        },
    );
    let numbers = (of(1..=8192u32), of(0..80u32), of(1..=10_000u32), of(16..1_000_000u32), of(0..1_000_000u32));
    let maps = (
        btree_map(0..=31u8, net(), 0..3),
        btree_map(any::<u8>(), mount(), 0..3),
        btree_map(any::<u8>(), device(), 0..3),
    );
    let startup = (of(any::<u32>()), of(any::<u32>()), of(any::<u32>()))
        .prop_filter("not empty", |(order, up, down)| order.is_some() || up.is_some() || down.is_some())
        .prop_map(|(order, up, down)| Startup { order, up, down });
    let lists = (
        of(vec(any::<std::net::IpAddr>(), 1..3)),
        of(vec("[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{1,5})?", 1..3)),
        of(btree_set("[a-z1-9_][a-z0-9_+.-]{0,8}", 1..4)),
    );
    let rest = (of("[a-z]([a-z0-9-]{0,20}[a-z0-9])?"), of(features), of(startup), any::<[Option<bool>; 2]>());
    (numbers, maps, lists, rest).prop_map(
        |(
            (cores, limit, units, memory, swap),
            (nets, mounts, devices),
            (nameservers, domains, tags),
            (name, features, startup, [onboot, protection]),
        )| {
            ContainerSettings {
                hostname: name.map(|name| name.parse().unwrap()),
                cores,
                cpu_limit: limit.map(|limit| f64::from(limit) / 4.0),
                cpu_units: units,
                memory: memory.map(MemoryMib),
                swap: swap.map(MemoryMib),
                nets,
                mounts,
                devices,
                features: features.filter(|features| *features != Features::default()),
                unprivileged: Some(true),
                onboot,
                startup,
                nameservers,
                searchdomains: domains.map(|domains| domains.iter().map(|domain| domain.parse().unwrap()).collect()),
                protection,
                tags: tags.map(|tags| tags.iter().map(|tag| tag.parse().unwrap()).collect()),
                timezone: None,
                hookscript: None,
                further: BTreeMap::new(),
                absent: std::collections::BTreeSet::new(),
            }
        },
    )
}

fn accepted(argv: &[String]) -> Result<Invocation, TestCaseError> {
    match parse(argv) {
        Verdict::Accepted(call) => Ok(*call),
        Verdict::Answered(answer) => Err(TestCaseError::fail(format!("{argv:?}\n{}", answer.stderr))),
    }
}

proptest! {
    #[test]
    fn the_tool_reads_what_was_meant(settings in settings(), notes in "[^\\x00\\r]{0,200}") {
        let host = Arc::new(FakeHost::answering(|_, _| Ok(Output { status: Some(0), ..Output::default() })));
        let id = GuestId::new(103).unwrap();
        let mut spec = CreateContainer::new("local:vztmpl/x.tar.zst".parse().unwrap(), "tank:8".parse().unwrap(), settings.clone());
        spec.description = Some(notes.clone());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(Pct::new(host.clone()).create(id, &spec)).unwrap();
        let call = accepted(&host.argvs()[0])?;
        prop_assert_eq!(call.params.get("description").unwrap_or_default(), notes);
        let keys: BTreeMap<String, String> = call
            .params
            .iter()
            .filter(|(name, _)| !["vmid", "ostemplate", "rootfs", "description", "node"].contains(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let section = ConfSection { keys, ..ConfSection::default() };
        prop_assert_eq!(&ContainerSettings::from_conf(&section).unwrap(), &settings);
        prop_assert!(settings.difference(&section).unwrap().is_empty());
    }

    #[test]
    fn no_configuration_makes_the_reader_panic(lines in vec(("(net0|mp1|dev2|features|startup|tags|memory|cores|nameserver)", "\\PC{0,40}"), 0..6), settings in settings()) {
        let section = ConfSection { keys: lines.into_iter().collect(), ..ConfSection::default() };
        let _ = ContainerSettings::from_conf(&section);
        for change in settings.difference(&section).unwrap() {
            prop_assert!(change.to.is_some());
        }
    }
}

/// Settings that a stopped container on an empty node can have: no devices and volumes that would have to be there first,
/// and what one storage can do.
fn possible(mut settings: ContainerSettings) -> ContainerSettings {
    settings.mounts.retain(|_, mount| !matches!(mount.source, MountSource::Volume(_)));
    settings.devices.clear();
    // The packets of an interface are not larger than those of its bridge.
    for net in settings.nets.values_mut() {
        net.mtu = net.mtu.map(|mtu| mtu.min(1500));
    }
    settings
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_node_keeps_what_was_meant(first in settings(), second in settings()) {
        let (mut first, mut second) = (possible(first), possible(second));
        // A protected container takes no new mount points.
        first.protection = None;
        // What is mounted stays where it is: moving a volume is no setting.
        second.mounts.retain(|index, _| !first.mounts.contains_key(index));
        second.unprivileged = None;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let pct = Pct::new(Arc::new(SimNode::new(World::default())));
            let id = GuestId::new(103).unwrap();
            let spec = CreateContainer::new("local:vztmpl/x.tar.zst".parse().unwrap(), "tank:8".parse().unwrap(), first.clone());
            pct.create(id, &spec).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let seen = pct.inspect(id).await.unwrap().unwrap();
            prop_assert_eq!(first.difference(&seen.conf.live).unwrap(), []);
            let before = ContainerSettings::from_conf(&seen.conf.live).unwrap();

            let change = second.difference(&seen.conf.live).unwrap().iter().collect();
            pct.configure(id, &change, Some(&seen.digest)).await.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let seen = pct.inspect(id).await.unwrap().unwrap();
            prop_assert_eq!(second.difference(&seen.conf.live).unwrap(), []);
            unchanged_macs(&before, &second, &seen.conf.live)?;
            Ok(())
        })?;
    }

    #[test]
    fn a_running_container_takes_changes_when_it_is_said(first in settings(), second in settings()) {
        let (mut first, mut second) = (possible(first), possible(second));
        first.protection = None;
        second.unprivileged = None;
        // A folder that is not there, or quotas without privileges, keep it from starting.
        let starts = |mount: &MountPoint| matches!(mount.source, MountSource::New { .. }) && !mount.options.quota;
        first.mounts.retain(|_, mount| starts(mount));
        second.mounts.retain(|index, mount| !first.mounts.contains_key(index) && starts(mount));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let failed = |error: phoenix_pve::GuestError| TestCaseError::fail(error.to_string());
            let pct = Pct::new(Arc::new(SimNode::new(World::default())));
            let id = GuestId::new(103).unwrap();
            let spec = CreateContainer::new("local:vztmpl/x.tar.zst".parse().unwrap(), "tank:8".parse().unwrap(), first);
            pct.create(id, &spec).await.map_err(failed)?;
            pct.start(id, None).await.map_err(failed)?;
            let seen = pct.inspect(id).await.unwrap().unwrap();
            let before = ContainerSettings::from_conf(&seen.conf.live).unwrap();
            let changes = second.difference(&seen.conf.live).unwrap();
            pct.configure(id, &changes.iter().collect(), Some(&seen.digest)).await.map_err(failed)?;

            let seen = pct.inspect(id).await.unwrap().unwrap();
            prop_assert_eq!(second.difference(&seen.conf.after_restart()).unwrap(), []);
            let waiting: Vec<String> = second.difference(&seen.conf.live).unwrap().into_iter().map(|change| change.key).collect();
            let said = changes.iter().filter(|change| change.effect == KeyEffect::Restart);
            prop_assert_eq!(waiting, said.map(|change| change.key.clone()).collect::<Vec<_>>());

            pct.reboot(id, Duration::from_secs(60)).await.map_err(failed)?;
            let seen = pct.inspect(id).await.unwrap().unwrap();
            prop_assert_eq!(second.difference(&seen.conf.live).unwrap(), []);
            unchanged_macs(&before, &second, &seen.conf.live)?;
            Ok(())
        })?;
    }
}

fn unchanged_macs(
    before: &ContainerSettings,
    wanted: &ContainerSettings,
    now: &ConfSection,
) -> Result<(), TestCaseError> {
    for (index, net) in ContainerSettings::from_conf(now).unwrap().nets {
        let named = wanted.nets.get(&index).and_then(|net| net.mac);
        let kept = before.nets.get(&index).and_then(|net| net.mac);
        prop_assert_eq!(net.mac, named.or(kept).or(net.mac), "a MAC address changed unasked");
    }
    Ok(())
}
