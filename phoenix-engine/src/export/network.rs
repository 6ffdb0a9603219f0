//! Network interfaces in the words of the configuration.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use phoenix_pve::index;
use phoenix_types::{Hostname, Ipv4Setting, Ipv6Setting};
use serde_json::{Value, json};

use super::entry::{Entry, Guest};

/// Interfaces by number, up to the first one that the files cannot describe.
pub(super) fn entries<T>(nets: &BTreeMap<u8, T>, describe: impl Fn(u8, &T) -> Entry) -> Vec<Entry> {
    (0..=u8::MAX).map_while(|index| Some(describe(index, nets.get(&index)?))).collect()
}

/// Says the interfaces: one as an object, others as a list.
pub(super) fn say(mut entries: Vec<Entry>, guest: &mut Guest<'_>) {
    let there = guest.settings.keys.keys().filter(|key| index(key, "net").is_some()).count();
    if entries.len() < there {
        let first = entries.len();
        guest.remark(format!("its network interfaces from `net{first}` on cannot be described and are left alone"));
    }
    match entries.pop() {
        Some(only) if entries.is_empty() => guest.entry.nest("network_config", only),
        Some(last) => {
            entries.push(last);
            guest.entry.list("network_config", entries);
        }
        None => {}
    }
}

/// The addresses of an interface.
pub(super) struct Addresses {
    pub(super) ip: Option<Ipv4Setting>,
    pub(super) gw: Option<Ipv4Addr>,
    pub(super) ip6: Option<Ipv6Setting>,
    pub(super) gw6: Option<Ipv6Addr>,
}

impl Addresses {
    pub(super) fn say(&self, entry: &mut Entry) {
        entry.say("ip", self.ip.unwrap_or(Ipv4Setting::Manual));
        entry.say_some("gw", self.gw);
        entry.say_some("ip6", self.ip6);
        entry.say_some("gw6", self.gw6);
    }
}

/// A rate as it is written: whole numbers without fraction.
pub(super) fn rate(rate: Option<f64>) -> Option<Value> {
    let number = rate?.to_string().parse::<serde_json::Number>().ok()?;
    Some(json!(number))
}

/// Name servers and search domain, where they are such as the files can describe.
pub(super) fn names(servers: Option<&[IpAddr]>, domains: Option<&[Hostname]>, entry: &mut Entry) {
    entry.say_some("nameservers", servers.filter(|servers| !servers.is_empty()));
    if let Some([domain]) = domains {
        entry.say("searchdomain", domain);
    }
}
