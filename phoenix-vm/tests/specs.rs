//! Random valid settings go through the adapter to the simulated node, which reads them as the real tool does, and come back
//! as the same settings.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;
use std::sync::Arc;

use phoenix_pve::{GuestError, Guests as _};
use phoenix_sim::{SimNode, World};
use phoenix_types::{Cidr, ConfSection, GuestId, Ipv4Setting, Ipv6Setting, KeyEffect, Mac, MemoryMib, Startup};
use phoenix_vm::{
    Agent, Bios, Cpu, CreateVm, Drive, DriveSlot, DriveSource, HostPci, IpConfig, NetModel, OsType, PciSource, Qm,
    ScsiController, VirtualMachines, VmNet, VmSettings,
};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(|mut octets| {
        octets[0] &= 0xfe;
        Mac::from_octets(octets).unwrap()
    })
}

fn net() -> impl Strategy<Value = VmNet> {
    let rest = (of(1..=4094u16), btree_set(1..=4094u16, 0..3), of(0..1000u32), of(0..=64u8), any::<[bool; 2]>());
    (proptest::sample::select(NetModel::ALL), "[a-z][a-z0-9._-]{0,13}[a-z0-9]", of(mac()), rest).prop_map(
        |(model, bridge, mac, (tag, trunks, rate, queues, [firewall, link_down]))| VmNet {
            model,
            bridge: bridge.parse().unwrap(),
            mac,
            firewall,
            tag,
            trunks: trunks.iter().map(|vlan: &u16| vlan.to_string().parse().unwrap()).collect(),
            rate: rate.map(|rate| f64::from(rate) / 8.0),
            mtu: None,
            queues,
            link_down,
        },
    )
}

fn ip_config() -> impl Strategy<Value = IpConfig> {
    let ip = prop_oneof![
        Just(None),
        Just(Some(Ipv4Setting::Dhcp)),
        (any::<[u8; 4]>(), 8..=32u8).prop_map(|([a, b, c, d], prefix)| {
            let cidr: Cidr = format!("{a}.{b}.{c}.{d}/{prefix}").parse().unwrap();
            Some(Ipv4Setting::Static(cidr))
        }),
    ];
    let ip6 = prop_oneof![
        Just(None),
        Just(Some(Ipv6Setting::Auto)),
        (any::<u16>(), 8..=128u8)
            .prop_map(|(last, prefix)| Some(Ipv6Setting::Static(format!("fd00::{last:x}/{prefix}").parse().unwrap()))),
    ];
    (ip, of(any::<[u8; 4]>()), ip6, of(any::<u16>()))
        .prop_map(|(ip, gw, ip6, gw6)| IpConfig {
            ip,
            gw: gw.filter(|_| matches!(ip, Some(Ipv4Setting::Static(_)))).map(Into::into),
            ip6,
            gw6: gw6
                .filter(|_| matches!(ip6, Some(Ipv6Setting::Static(_))))
                .map(|last| format!("fd00::{last:x}").parse().unwrap()),
        })
        .prop_filter("not empty", |config| *config != IpConfig::default())
}

fn drive() -> impl Strategy<Value = (DriveSlot, Drive)> {
    const SLOTS: &[&str] = &["scsi0", "scsi1", "scsi30", "virtio1", "virtio15", "sata5", "ide0"];
    let slot = proptest::sample::select(SLOTS).prop_map(|slot| slot.parse::<DriveSlot>().unwrap());
    let cache = of(proptest::sample::select(&["none", "writethrough", "writeback", "unsafe", "directsync"][..]));
    (slot, "[a-z][a-z0-9-]{0,6}[a-z0-9]", 1..500u32, any::<[bool; 4]>(), cache).prop_map(
        |(slot, storage, gib, [discard, ssd, iothread, backup], cache)| {
            let name = slot.to_string();
            let source = DriveSource::New { storage: storage.parse().unwrap(), gib };
            let drive = Drive {
                discard,
                ssd: ssd && !name.starts_with("virtio"),
                iothread: iothread && (name.starts_with("virtio") || name.starts_with("scsi")),
                backup,
                cache: cache.map(str::to_owned),
                ..Drive::new(source)
            };
            (slot, drive)
        },
    )
}

fn pci() -> impl Strategy<Value = HostPci> {
    ("0000:[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]", any::<[bool; 2]>()).prop_map(|(address, [rombar, x_vga])| HostPci {
        rombar,
        x_vga,
        ..HostPci::new(PciSource::Addresses(vec![address]))
    })
}

fn settings() -> impl Strategy<Value = VmSettings> {
    let numbers = (of(1..=4u32), of(1..=4u32), of(16..60_000u32), of(0..512u32), of(1..=10_000u32));
    let cpu = of(proptest::sample::select(&["host", "kvm64", "x86-64-v2-AES", "qemu64"][..]).prop_map(Cpu::new));
    let agent = of(any::<[bool; 3]>().prop_map(|[enabled, fstrim_cloned_disks, freeze_fs]| Agent {
        enabled,
        fstrim_cloned_disks,
        freeze_fs,
    }));
    let enums = (
        of(proptest::sample::select(&[OsType::Linux26, OsType::Other, OsType::Solaris][..])),
        of(proptest::sample::select(ScsiController::ALL)),
        of(proptest::sample::select(Bios::ALL)),
        of(proptest::sample::select(&["q35", "pc"][..])),
    );
    let maps = (
        btree_map(0..=31u8, net(), 0..3),
        btree_map(0..=31u8, ip_config(), 0..3),
        vec(drive(), 0..3),
        btree_map(0..=15u8, pci(), 0..2),
    );
    let startup = (of(any::<u32>()), of(any::<u32>()))
        .prop_filter("not empty", |(order, up)| order.is_some() || up.is_some())
        .prop_map(|(order, up)| Startup { order, up, down: None });
    let lists = (
        of(vec(any::<std::net::IpAddr>(), 1..3)),
        of(vec("[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z]{1,5})?", 1..3)),
        of(btree_set("[a-z1-9_][a-z0-9_+.-]{0,8}", 1..4)),
        of(vec("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI[A-Za-z0-9+/]{43} [a-z@.]{1,9}", 1..3)),
    );
    let rest =
        (of("[a-z]([a-z0-9-]{0,20}[a-z0-9])?"), of("[a-z_][a-z0-9_-]{0,12}"), of(startup), any::<[Option<bool>; 4]>());
    (numbers, cpu, agent, enums, maps, lists, rest).prop_map(
        |(
            (cores, sockets, memory, balloon, cpu_units),
            cpu,
            agent,
            (os_type, scsi_controller, bios, machine),
            (nets, ip_configs, drives, host_pci),
            (nameservers, domains, tags, keys),
            (name, ci_user, startup, [numa, onboot, protection, ci_upgrade]),
        )| VmSettings {
            name: name.map(|name| name.parse().unwrap()),
            cores,
            sockets,
            memory: memory.map(MemoryMib),
            balloon: balloon.filter(|balloon| memory.is_some_and(|memory| *balloon <= memory)).map(MemoryMib),
            cpu,
            cpu_limit: None,
            cpu_units,
            numa,
            drives: drives.into_iter().collect(),
            boot: None,
            scsi_controller,
            nets,
            ip_configs,
            nameservers,
            searchdomains: domains.map(|domains| domains.iter().map(|domain| domain.parse().unwrap()).collect()),
            ci_user,
            ssh_keys: keys.map(|keys| keys.join("\n") + "\n"),
            ci_custom: None,
            ci_upgrade,
            agent,
            os_type,
            bios,
            machine: machine.map(str::to_owned),
            serials: [(0, "socket".to_owned())].into(),
            vga: Some("serial0".to_owned()),
            host_pci,
            onboot,
            startup,
            protection,
            tags: tags.map(|tags| tags.iter().map(|tag| tag.parse().unwrap()).collect()),
            hookscript: None,
            further: std::collections::BTreeMap::new(),
            absent: BTreeSet::new(),
        },
    )
}

fn unchanged_macs(before: &VmSettings, wanted: &VmSettings, now: &ConfSection) -> Result<(), TestCaseError> {
    for (index, net) in VmSettings::from_conf(now).unwrap().nets {
        let named = wanted.nets.get(&index).and_then(|net| net.mac);
        let kept = before.nets.get(&index).and_then(|net| net.mac);
        prop_assert_eq!(net.mac, named.or(kept).or(net.mac), "a MAC address changed unasked");
    }
    Ok(())
}

fn failed(error: &GuestError) -> TestCaseError {
    TestCaseError::fail(error.to_string())
}

/// Whether the tool can make the second of the first: memory that is not below the balloon that stays.
fn compatible(first: &VmSettings, second: &mut VmSettings) {
    let memory = second.memory.or(first.memory).map_or(512, |memory| memory.0);
    if second.balloon.or(first.balloon).is_some_and(|balloon| balloon.0 > memory) {
        second.balloon = Some(MemoryMib(memory));
        second.memory = Some(MemoryMib(memory));
    }
    second.drives.retain(|slot, _| !first.drives.contains_key(slot));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_node_keeps_what_was_meant(first in settings(), mut second in settings(), notes in "[^\\x00\\r]{0,120}") {
        compatible(&first, &mut second);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let qm = Qm::new(Arc::new(SimNode::new(World::default())));
            let id = GuestId::new(1001).unwrap();
            let mut spec = CreateVm::new(first.clone());
            spec.description = Some(notes.clone());
            qm.create(id, &spec).await.map_err(|error| failed(&error))?;
            let seen = qm.inspect(id).await.unwrap().unwrap();
            prop_assert_eq!(first.difference(&seen.conf.live).unwrap(), []);
            prop_assert_eq!(seen.conf.live.description.as_deref().unwrap_or_default().trim_end(), notes.trim_end());
            let before = VmSettings::from_conf(&seen.conf.live).unwrap();

            let changes = second.difference(&seen.conf.live).unwrap();
            qm.configure(id, &changes.iter().collect(), Some(&seen.digest)).await.map_err(|error| failed(&error))?;
            let seen = qm.inspect(id).await.unwrap().unwrap();
            prop_assert_eq!(second.difference(&seen.conf.live).unwrap(), []);
            unchanged_macs(&before, &second, &seen.conf.live)
        })?;
    }

    #[test]
    fn a_running_vm_takes_changes_when_it_is_said(mut first in settings(), mut second in settings()) {
        compatible(&first, &mut second);
        // Devices of the node and firmware without its disk keep it from starting.
        for settings in [&mut first, &mut second] {
            settings.host_pci.clear();
            settings.bios = None;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let qm = Qm::new(Arc::new(SimNode::new(World::default())));
            let id = GuestId::new(1001).unwrap();
            qm.create(id, &CreateVm::new(first)).await.map_err(|error| failed(&error))?;
            qm.start(id, None).await.map_err(|error| failed(&error))?;
            let seen = qm.inspect(id).await.unwrap().unwrap();
            let before = VmSettings::from_conf(&seen.conf.live).unwrap();
            let changes = second.difference(&seen.conf.live).unwrap();
            qm.configure(id, &changes.iter().collect(), Some(&seen.digest)).await.map_err(|error| failed(&error))?;

            let seen = qm.inspect(id).await.unwrap().unwrap();
            prop_assert_eq!(second.difference(&seen.conf.after_restart()).unwrap(), []);
            let waiting = second.difference(&seen.conf.live).unwrap().into_iter().map(|change| change.key);
            let said = changes.iter().filter(|change| change.effect == KeyEffect::Restart);
            prop_assert_eq!(waiting.collect::<Vec<_>>(), said.map(|change| change.key.clone()).collect::<Vec<_>>());

            qm.stop(id).await.map_err(|error| failed(&error))?;
            qm.start(id, None).await.map_err(|error| failed(&error))?;
            let seen = qm.inspect(id).await.unwrap().unwrap();
            prop_assert_eq!(second.difference(&seen.conf.live).unwrap(), []);
            unchanged_macs(&before, &second, &seen.conf.live)
        })?;
    }

    #[test]
    fn no_configuration_makes_the_reader_panic(lines in vec(("(net0|scsi1|ide2|agent|startup|tags|memory|cpu|boot|hostpci0|ipconfig0|sshkeys)", "\\PC{0,40}"), 0..6), settings in settings()) {
        let section = ConfSection { keys: lines.into_iter().collect(), ..ConfSection::default() };
        let _ = VmSettings::from_conf(&section);
        for change in settings.difference(&section).unwrap() {
            prop_assert!(change.to.is_some());
        }
    }
}
