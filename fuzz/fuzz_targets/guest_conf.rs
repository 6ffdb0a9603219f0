//! Any text as a guest's configuration file; what is printed is read as the same.
#![no_main]

use phoenix_types::{GuestConf, GuestKind};

libfuzzer_sys::fuzz_target!(|text: &str| {
    for kind in [GuestKind::Container, GuestKind::Vm] {
        let read = GuestConf::parse(text, kind);
        assert_eq!(GuestConf::parse(&read.print(kind), kind), read);
    }
});
