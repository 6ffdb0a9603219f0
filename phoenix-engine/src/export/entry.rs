//! One guest while it is described.

use std::borrow::Cow;
use std::collections::BTreeSet;

use phoenix_config::model::State;
use phoenix_types::{ConfSection, DiskSize, Power, Startup, Tag};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::guest::Record;
use crate::observe::Present;

/// Keys and values in the order in which a person would write them.
#[derive(Debug, Default)]
pub(super) struct Entry(Vec<(Cow<'static, str>, Said)>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Said {
    Value(Value),
    Entry(Entry),
    Entries(Vec<Entry>),
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
    }
}

impl Entry {
    /// Says something.
    pub(super) fn say(&mut self, word: impl Into<Cow<'static, str>>, value: impl Serialize) {
        self.say_some(word, Some(value));
    }

    /// Says something, if there is something to say.
    pub(super) fn say_some(&mut self, word: impl Into<Cow<'static, str>>, value: Option<impl Serialize>) {
        if let Some(value) = value.and_then(|value| serde_json::to_value(value).ok()) {
            self.0.push((word.into(), Said::Value(value)));
        }
    }

    /// Says what has words of its own.
    pub(super) fn nest(&mut self, word: impl Into<Cow<'static, str>>, entry: Self) {
        self.0.push((word.into(), Said::Entry(entry)));
    }

    /// Says a list of such.
    pub(super) fn list(&mut self, word: impl Into<Cow<'static, str>>, entries: Vec<Self>) {
        self.0.push((word.into(), Said::Entries(entries)));
    }

    /// Whether nothing is said.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A guest while it is described.
#[derive(Debug)]
pub(super) struct Guest<'a> {
    pub(super) present: &'a Present,
    /// Its settings, as they are from its next start on.
    pub(super) settings: ConfSection,
    pub(super) entry: Entry,
    remarks: Vec<String>,
}

impl<'a> Guest<'a> {
    pub(super) fn new(present: &'a Present) -> Self {
        Self { present, settings: present.conf.after_restart(), entry: Entry::default(), remarks: Vec::new() }
    }

    /// Something that a person should know.
    pub(super) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// The size of its root disk. One that is not a whole number of GiB is not described, and stays as it is.
    pub(super) fn disk(&mut self, word: &'static str, size: Option<DiskSize>) {
        let gib = size.map(DiskSize::bytes).filter(|bytes| bytes % (1 << 30) == 0).map(|bytes| bytes >> 30);
        self.entry.say_some(word, gib);
    }

    /// What it should be: what it is.
    pub(super) fn state(&mut self, onboot: Option<bool>) {
        if self.present.conf.is_template() {
            self.entry.say("is_template", true);
            return;
        }
        let onboot = onboot.unwrap_or(false);
        let state = if self.present.power == Power::Stopped { State::Stopped } else { State::Running };
        self.entry.say("start_at_boot", onboot);
        self.entry.say_some("state", (onboot != (state == State::Running)).then_some(state));
    }

    /// Its place in the boot order, and how long it may take to shut down.
    pub(super) fn startup(&mut self, startup: Option<Startup>) {
        let Some(startup) = startup else { return };
        self.entry.say_some("boot_order", startup.order);
        self.entry.say_some("boot_delay", startup.up);
        let down = startup.down.filter(|seconds| *seconds > 0);
        self.entry.say_some("limits", down.map(|seconds| serde_json::json!({ "shutdown": seconds })));
    }

    /// Protection, tags and notes.
    pub(super) fn remainder(&mut self, protection: Option<bool>, tags: Option<&BTreeSet<Tag>>) {
        self.entry.say_some("protection", protection.filter(|protected| *protected));
        // Tags have no case (pve-common `JSONSchema.pm`, `pve-tag`).
        let words = tags.map(|tags| tags.iter().map(|tag| tag.as_str().to_ascii_lowercase()).collect::<BTreeSet<_>>());
        self.entry.say_some("tags", words.filter(|words| !words.is_empty()));
        let notes = Record::strip(self.settings.description.as_deref().unwrap_or_default());
        self.entry.say_some("description", Some(notes).filter(|notes| !notes.is_empty()));
    }

    /// What was said, and what a person should know.
    pub(super) fn finish(self) -> (Entry, Vec<String>) {
        (self.entry, self.remarks)
    }
}
