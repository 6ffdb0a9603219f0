//! IP addresses, as the formats read them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::perl::before_newline;

pub(crate) fn is_ipv4(value: &str) -> bool {
    before_newline(value).parse::<Ipv4Addr>().is_ok()
}

pub(crate) fn is_ipv6(value: &str) -> bool {
    before_newline(value).parse::<Ipv6Addr>().is_ok()
}

pub(crate) fn is_ip(value: &str) -> bool {
    before_newline(value).parse::<IpAddr>().is_ok()
}
