//! Network interfaces in the words of the configuration.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::IpAddr;

use phoenix_types::{Hostname, Ipv4Setting, Ipv6Setting};
use serde_json::{Value, json};

use super::entry::{Entry, Guest};

/// Interfaces by number, up to the first one that the files cannot describe.
pub(super) fn entries<T>(
    nets: &BTreeMap<u8, T>,
    count: usize,
    describe: impl Fn(u8, &T) -> Option<Entry>,
) -> Vec<Entry> {
    (0..).map_while(|index| describe(index, nets.get(&index)?)).take(count).collect()
}

/// Says the interfaces: one as an object, others as a list. The names of the servers stand in the first.
pub(super) fn say(mut entries: Vec<Entry>, there: usize, guest: &mut Guest<'_>) {
    if entries.len() < there {
        let first = entries.len();
        guest.remark(format!("its network interfaces from `net{first}` on cannot be described and are left alone"));
    }
    match (entries.len(), entries.pop()) {
        (1, Some(only)) => guest.entry.nest("network_config", only),
        (_, Some(last)) => {
            entries.push(last);
            guest.entry.list("network_config", entries);
        }
        (_, None) => {}
    }
}

/// The addresses of an interface.
pub(super) struct Addresses<'a> {
    pub(super) ip: Option<Ipv4Setting>,
    pub(super) gw: Option<&'a dyn Display>,
    pub(super) ip6: Option<Ipv6Setting>,
    pub(super) gw6: Option<&'a dyn Display>,
}

impl Addresses<'_> {
    pub(super) fn say(&self, entry: &mut Entry) {
        let text = |value: Option<&dyn Display>| value.map(ToString::to_string);
        entry.say("ip", self.ip.unwrap_or(Ipv4Setting::Manual));
        entry.say_some("gw", text(self.gw));
        entry.say_some("ip6", self.ip6);
        entry.say_some("gw6", text(self.gw6));
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
