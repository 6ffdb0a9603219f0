//! Files, and the objects at their tops.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use phoenix_types::GuestId;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::piece::Piece;
use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::dialect::{Key, USER_PREFIX};
use crate::expand::{WORDS, is_range};
use crate::rules::Completeness;
use crate::schema::{self, Examined};
use crate::source::{Holes, Source};

/// One file, its top taken apart.
pub(super) struct Document<'a> {
    kind: FileKind,
    source: &'a Arc<Source>,
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// The guests, when they are what they should be: an object or a list.
    guests: Option<Guests<'a>>,
}

/// The guests of a file, as text.
enum Guests<'a> {
    ById(Vec<(Cow<'a, str>, &'a RawValue)>),
    InOrder(Vec<&'a RawValue>),
}

impl<'a> Document<'a> {
    pub(super) fn open(kind: FileKind, source: &'a Arc<Source>, findings: &mut Vec<Finding>) -> Option<Self> {
        if source.is_broken() {
            return None;
        }
        let mut reader = serde_json::Deserializer::from_str(source.text());
        let top = Top { guests: guests_key(kind) }.deserialize(&mut reader).and_then(|top| reader.end().map(|()| top));
        // Guests of the wrong type are no reason not to look at the rest of the file.
        let top = match top {
            Err(error) if error.is_data() => {
                serde_json::from_str(source.text()).map(|Members(members)| (members, None))
            }
            top => top,
        };
        match top {
            Ok((members, guests)) => Some(Self { kind, source, members, guests }),
            Err(error) => {
                findings.push(schema::unreadable(&error, source.text(), 0, kind));
                None
            }
        }
    }

    pub(super) fn text(&self) -> &'a str {
        self.source.text()
    }

    /// Whether the file uses what has to be expanded before it can be read. A look at the keys that were read anyway.
    pub(super) fn asks_for_expansion(&self) -> bool {
        let range = match &self.guests {
            Some(Guests::ById(members)) => members.iter().any(|(key, _)| is_range(key)),
            Some(Guests::InOrder(_)) => false,
            None => guests_key(self.kind).is_some_and(|(key, _)| self.members.iter().any(|(other, _)| other == key)),
        };
        range || self.members.iter().any(|(key, _)| WORDS.contains(&key.as_ref()))
    }

    /// The text of the file without its guests.
    fn frame_text(&self) -> String {
        let guests_key = guests_key(self.kind).map(|(key, _)| key);
        let members = self.members.iter().filter(|(key, _)| Some(key.as_ref()) != guests_key);
        let members = members.map(|(key, value)| format!("{}:{}", Value::from(key.as_ref()), value.get()));
        format!("{{{}}}", members.collect::<Vec<_>>().join(","))
    }

    /// The file without its guests, typed, and what of it could not be read.
    pub(super) fn frame<T: serde::de::DeserializeOwned>(&self, findings: &mut Vec<Finding>) -> (Option<T>, Holes) {
        let text = self.frame_text();
        if let Some((key, again)) = self.more_guests() {
            let at = offset(self.text(), again);
            findings.push(
                Finding::error(Code::DuplicateKey, Target::At(self.kind, at), format!("duplicate key `{key}`"))
                    .on_key()
                    .help("join the two"),
            );
        }
        match serde_json::from_str(&text) {
            Ok(frame) => (Some(frame), Holes::default()),
            Err(error) => {
                let Examined { findings: found, rest } = schema::examine_frame(self.kind, &text, self.text(), &error);
                findings.extend(found);
                match rest.and_then(|rest| Some((serde_json::from_str(&rest.text).ok()?, rest.holes))) {
                    Some((frame, holes)) => (Some(frame), holes),
                    None => (None, Holes::everything()),
                }
            }
        }
    }

    /// The guests of the file when they are there a second time.
    fn more_guests(&self) -> Option<(&str, &'a RawValue)> {
        let (guests_key, _) = guests_key(self.kind)?;
        let written = self.members.iter().filter(|(key, _)| key == guests_key);
        written.skip(usize::from(self.guests.is_none())).map(|(key, value)| (key.as_ref(), *value)).next()
    }

    /// The settings at the top of the file, for scripts; the user's own keys are not among them.
    pub(super) fn settings(&self) -> Value {
        let guests_key = guests_key(self.kind).map(|(key, _)| key);
        let members = self
            .members
            .iter()
            .filter(|(key, _)| key != "$schema" && !key.starts_with(USER_PREFIX) && Some(key.as_ref()) != guests_key);
        let values = members.map(|(key, value)| Some((key.to_string(), serde_json::from_str(value.get()).ok()?)));
        Value::Object(values.flatten().collect())
    }

    /// The guests of the file, one by one, and whether these are all.
    pub(super) fn pieces(&self, findings: &mut Vec<Finding>) -> (Vec<Piece<'a>>, Completeness) {
        let text = self.text();
        let mut complete = if self.more_guests().is_some() { Completeness::Partial } else { Completeness::Whole };
        let piece = |id, raw| Piece { file: self.kind, source: self.source, id, range: range(text, raw) };
        match &self.guests {
            None => {
                let fault = self.no_guests();
                if fault.is_some() {
                    complete = Completeness::Partial;
                }
                findings.extend(fault);
                (Vec::new(), complete)
            }
            Some(Guests::InOrder(elements)) => (elements.iter().map(|raw| piece(None, raw)).collect(), complete),
            Some(Guests::ById(members)) => {
                let mut pieces = Vec::with_capacity(members.len());
                for (key, raw) in members {
                    match key.parse::<GuestId>() {
                        Ok(id) => pieces.push(piece(Some(id), raw)),
                        Err(_) if key.starts_with(USER_PREFIX) => {}
                        Err(_) => {
                            complete = Completeness::Partial;
                            findings.push(
                                Finding::error(
                                    Code::InvalidId,
                                    Target::At(self.kind, offset(text, raw)),
                                    format!("`{key}` is not a guest id"),
                                )
                                .on_key()
                                .expected("a guest id from 100 to 999999999"),
                            );
                        }
                    }
                }
                (pieces, complete)
            }
        }
    }

    /// What is wrong with guests that are not what they should be, when they are written at all.
    fn no_guests(&self) -> Option<Finding> {
        let (guests_key, form) = guests_key(self.kind)?;
        self.members.iter().find(|(key, _)| key == guests_key)?;
        let expected = match form {
            Form::ById => "an object of containers by id",
            Form::InOrder => "a list of VMs",
        };
        let finding =
            Finding::error(Code::WrongType, Target::File(self.kind), format!("`{guests_key}` is not {expected}"))
                .at([guests_key])
                .expected(expected);
        Some(finding)
    }
}

/// How a file holds its guests.
#[derive(Clone, Copy)]
enum Form {
    ById,
    InOrder,
}

/// The key of the member that holds the guests of a file.
fn guests_key(kind: FileKind) -> Option<(&'static str, Form)> {
    match kind {
        FileKind::Hypervisor => None,
        FileKind::Lxc => Some(("lxc_configs", Form::ById)),
        FileKind::Vm => Some(("vms", Form::InOrder)),
    }
}

/// Where a part of `text` is in it.
fn offset(text: &str, part: &RawValue) -> usize {
    (part.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize).min(text.len())
}

fn range(text: &str, part: &RawValue) -> std::ops::Range<usize> {
    let start = offset(text, part);
    start..(start + part.get().len()).min(text.len())
}

/// Takes the top of a file apart in one pass.
struct Top {
    guests: Option<(&'static str, Form)>,
}

impl<'de> DeserializeSeed<'de> for Top {
    type Value = (Vec<(Cow<'de, str>, &'de RawValue)>, Option<Guests<'de>>);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Top {
    type Value = (Vec<(Cow<'de, str>, &'de RawValue)>, Option<Guests<'de>>);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        let mut guests = None;
        while let Some(Key(key)) = map.next_key()? {
            match self.guests {
                Some((wanted, form)) if key == wanted && guests.is_none() => {
                    guests = Some(match form {
                        Form::ById => Guests::ById(map.next_value::<Members<'de>>()?.0),
                        Form::InOrder => Guests::InOrder(map.next_value::<Elements<'de>>()?.0),
                    });
                }
                _ => members.push((key, map.next_value()?)),
            }
        }
        Ok((members, guests))
    }
}

/// An object whose values are left as text.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor;
        impl<'de> Visitor<'de> for MembersVisitor {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(Key(key)) = map.next_key()? {
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor)
    }
}

/// A list whose elements are left as text.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementsVisitor;
        impl<'de> Visitor<'de> for ElementsVisitor {
            type Value = Elements<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Elements<'de>, A::Error> {
                let mut elements = Vec::new();
                while let Some(element) = seq.next_element()? {
                    elements.push(element);
                }
                Ok(Elements(elements))
            }
        }
        deserializer.deserialize_seq(ElementsVisitor)
    }
}
