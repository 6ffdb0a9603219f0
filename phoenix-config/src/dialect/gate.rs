//! Gates as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use phoenix_types::Span;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::list::OneOrMany;
use super::network::Address;
use super::number::{Real, Whole};
use super::object;
use super::secret::HeaderValue;
use super::text::{AbsolutePath, Line};

macro_rules! probe_keys {
    ($declare:ident! $($rest:tt)*) => {
        $declare! {
            {
                /// A command in the guest that must exit with 0: a text for the shell, or a list of program and arguments.
                "command" => command: Option<CommandEntry>,
                /// A command on the node that must exit with 0, written as `command`.
                "host_command" => host_command: Option<CommandEntry>,
                /// A port that must accept connections.
                "tcp" => tcp: Option<TcpEntry>,
                /// A name that must resolve.
                "dns" => dns: Option<DnsEntry>,
                /// A web server that must answer.
                "http" => http: Option<HttpEntry>,
                /// A file that must exist: its absolute path in the guest, or an object.
                "file" => file: Option<FileEntry>,
                /// A line that must have been logged since the guest's start.
                "log" => log: Option<LogEntry>,
                /// The guest agent must answer (VMs only).
                "agent" => agent: Option<True>,
                /// cloud-init must have finished.
                "cloud_init" => cloud_init: Option<True>,
                /// Probes that must all pass.
                "all" => all: Option<Vec<ProbeEntry>>,
                /// Probes of which one must pass.
                "any" => any: Option<Vec<ProbeEntry>>,
            }
            $($rest)*
        }
    };
}

macro_rules! probe_object {
    ({ $($probe:tt)* } $(#[$meta:meta])* $name:ident { $($own:tt)* }) => {
        object! {
            $(#[$meta])*
            $name { $($probe)* $($own)* }
        }
    };
}

macro_rules! probe_of {
    ({ $( $(#[$meta:meta])* $key:literal => $field:ident : $type:ty, )* } $name:ident) => {
        impl $name {
            /// Takes its question out of it.
            pub(crate) fn take_probe(&mut self) -> ProbeEntry {
                ProbeEntry { $( $field: self.$field.take(), )* }
            }
        }
    };
}

probe_keys! {
    probe_object!
    /// One question with a yes or no answer. Exactly one of its keys is written.
    ProbeEntry {}
}

probe_keys! {
    probe_object!
    /// A probe with its schedule.
    GateEntry {
        /// The name of the gate in plans and reports. Default: generated from the probe.
        "name" => name: Option<Line>,
        /// The maximum number of attempts. Default for `health_check`: 30. Default for `wait_for`: as many as fit into `timeout`.
        "retries" => retries: Option<Whole<1, 1_000_000>>,
        /// From the end of one attempt to the start of the next. Default: 10 s for `health_check`, 5 s for `wait_for`.
        "interval" => interval: Option<Span>,
        /// In `health_check`: how long one attempt may take, 10 s by default. In `wait_for`: how long the whole wait may take, 300 s by default.
        "timeout" => timeout: Option<Span>,
        /// How long one attempt may take. Default: 10 s.
        "attempt_timeout" => attempt_timeout: Option<Span>,
        /// How long the gate may take in all. Default: none for `health_check`, `timeout` for `wait_for`.
        "deadline" => deadline: Option<Span>,
        /// Attempts that begin within this time are not counted against `retries`; a success counts at any time. Default: 0.
        "start_period" => start_period: Option<Span>,
        /// How many successes in a row it needs. Default: 1.
        "success_threshold" => success_threshold: Option<Whole<1, 1000>>,
        /// What the interval is multiplied by after each failure. Default: 1.
        "backoff" => backoff: Option<Real<1, 10>>,
        /// The longest interval that `backoff` may reach. Default: ten times `interval`.
        "max_interval" => max_interval: Option<Span>,
        /// By which share of itself each interval is made longer or shorter at random, from 0 to 1. Default: 0.
        "jitter" => jitter: Option<Real<0, 1>>,
    }
}

probe_keys! { probe_of! GateEntry }

object! {
    /// A port that must accept connections.
    TcpEntry {
        /// The port.
        "port" => port: Whole<1, 65535>,
        /// The host. Default: the guest's own address from the node, `localhost` from inside the guest.
        "host" => host: Option<Line>,
        /// From where: `host` (the node) or `guest`. Default: `host`.
        "from" => from: Option<Vantage>,
    }
}

object! {
    /// A name that must resolve.
    DnsEntry {
        /// The name.
        "name" => name: DnsName,
        /// An address that must be among the answers. Default: any will do.
        "address" => address: Option<Address>,
        /// From where: `host` (the node) or `guest`. Default: `guest`.
        "from" => from: Option<Vantage>,
    }
}

phoenix_types::text_type! {
    /// A name that is looked up.
    DnsName, InvalidDnsName, |text: &str| {
        (1..=253).contains(&text.len()) && text.as_bytes()[0] != b'-'
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b))
    }, "a name such as `ca.lan`: letters, digits, `_`, `-` and `.`", r"^[A-Za-z0-9_.][A-Za-z0-9_.-]{0,252}$"
}

object! {
    /// A web server that must answer.
    HttpEntry {
        /// `http` or `https`. Default: `http`.
        "scheme" => scheme: Option<SchemeEntry>,
        /// The host. Default: as in `tcp`.
        "host" => host: Option<Line>,
        /// The port. Default: 80, or 443 with `https`.
        "port" => port: Option<Whole<1, 65535>>,
        /// The path with its query. Default: `/`.
        "path" => path: Option<UrlPath>,
        /// The method. Default: `GET`.
        "method" => method: Option<Method>,
        /// Request headers by name. One that is a secret, such as `Authorization`, is written as `{"secret": {"file": "…"}}` or `{"secret": {"env": "…"}}`.
        "headers" => headers: Option<Headers>,
        /// Status codes that pass: a code, a range `"200-399"`, or a list of both. Default: `"200-399"`.
        "status" => status: Option<StatusEntry>,
        /// A text that the body must hold.
        "body" => body: Option<String>,
        /// The file of the authority that must have signed the server's certificate, on the node.
        "ca_file" => ca_file: Option<AbsolutePath>,
        /// The name that the certificate must carry. Default: the host.
        "server_name" => server_name: Option<Line>,
        /// Whether any certificate will do, such as one that the server made for itself: it is then only known that something answers, not what.
        "insecure" => insecure: Option<True>,
        /// From where: `host` (the node) or `guest`. Default: `host`.
        "from" => from: Option<Vantage>,
    }
}

object! {
    /// A file that must be there.
    FileObject {
        /// Its absolute path.
        "path" => path: AbsolutePath,
        /// Where it is: `guest` or `host` (the node). Default: `guest`.
        "on" => on: Option<Vantage>,
        /// Whether an empty file does not count. Default: false.
        "non_empty" => non_empty: Option<bool>,
        /// Whether a file from before the guest's start does not count. Default: false.
        "newer_than_start" => newer_than_start: Option<bool>,
        /// A text that the file must contain.
        "contains" => contains: Option<String>,
    }
}

object! {
    /// A line that must have been logged since the guest's start.
    LogEntry {
        /// A text that the line must contain.
        "contains" => contains: Line,
        /// The unit whose journal is read. Default: the whole journal.
        "unit" => unit: Option<Line>,
        /// A log file in the guest, instead of the journal.
        "file" => file: Option<AbsolutePath>,
    }
}

phoenix_types::text_type! {
    /// The path of a request.
    UrlPath, InvalidUrlPath, |text: &str| text.starts_with('/') && !text.bytes().any(|b| b <= b' ' || b == 0x7f),
    "a path that begins with `/`, without blanks", r"^/[^\x00-\x20\x7f]*$"
}
phoenix_types::text_type! {
    /// The method of a request.
    Method, InvalidMethod, |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase()),
    "a method in capitals, such as `GET`", "^[A-Z]+$"
}
phoenix_types::text_type! {
    /// The name of a header.
    HeaderName, InvalidHeaderName, |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
    "a header's name: letters, digits, `-` and `_`", "^[A-Za-z0-9_-]+$"
}

/// Request headers by name.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers(pub(crate) BTreeMap<String, HeaderValue>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeadersVisitor;
        impl<'de> Visitor<'de> for HeadersVisitor {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of header names and values")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = BTreeMap::new();
                while let Some(name) = map.next_key::<HeaderName>()? {
                    let value = map.next_value::<HeaderValue>()?;
                    if headers.insert(name.to_string(), value).is_some() {
                        return Err(de::Error::custom(format_args!("duplicate field `{name}`")));
                    }
                }
                Ok(Headers(headers))
            }
        }
        deserializer.deserialize_map(HeadersVisitor)
    }
}

impl schemars::JsonSchema for Headers {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Headers".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let value = generator.subschema_for::<HeaderValue>();
        schemars::json_schema!({
            "type": "object",
            "patternProperties": {"^[A-Za-z0-9_-]+$": value},
            "additionalProperties": false,
        })
    }
}

/// A switch that is only ever switched on: leave the key out instead of writing `false`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if bool::deserialize(deserializer)? {
            Ok(Self)
        } else {
            Err(de::Error::custom("leave the key out instead of writing `false`"))
        }
    }
}

impl schemars::JsonSchema for True {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "True".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"const": true, "errorMessage": "true; leave the key out instead of writing `false`"})
    }
}

/// From where a network probe looks.
#[derive(Debug, Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Vantage {
    /// From the node, to the guest's address.
    Host,
    /// From inside the guest.
    Guest,
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "Scheme")]
pub(crate) enum SchemeEntry {
    /// Plain.
    Http,
    /// Over TLS.
    Https,
}

/// A command: a text for the shell, or program and arguments.
#[derive(Debug, Clone)]
pub(crate) enum CommandEntry {
    Shell(Line),
    Argv(Vec<String>),
}

impl<'de> Deserialize<'de> for CommandEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CommandVisitor;
        impl<'de> Visitor<'de> for CommandVisitor {
            type Value = CommandEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command as a text, or a list of program and arguments")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<CommandEntry, E> {
                text.parse().map(CommandEntry::Shell).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<CommandEntry, A::Error> {
                let mut argv = Vec::new();
                while let Some(word) = seq.next_element::<String>()? {
                    argv.push(word);
                }
                match argv.first() {
                    Some(program) if !program.is_empty() => Ok(CommandEntry::Argv(argv)),
                    _ => Err(de::Error::custom("a command has a program")),
                }
            }
        }
        deserializer.deserialize_any(CommandVisitor)
    }
}

impl schemars::JsonSchema for CommandEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Command".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let line = generator.subschema_for::<Line>();
        schemars::json_schema!({
            "description": "A command as a text for the shell, or a list of program and arguments.",
            "errorMessage": "a command as a text for the shell, or a list of program and arguments",
            "anyOf": [
                line,
                {"type": "array", "prefixItems": [{"type": "string", "minLength": 1}], "items": {"type": "string"}, "minItems": 1},
            ],
            "examples": ["nc -z localhost 9000", ["nc", "-z", "localhost", "9000"]],
        })
    }
}

/// A file to look for: its path, or an object.
#[derive(Debug, Clone)]
pub(crate) struct FileEntry(pub(crate) FileObject);

impl<'de> Deserialize<'de> for FileEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FileVisitor;
        impl<'de> Visitor<'de> for FileVisitor {
            type Value = FileEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an absolute path, or an object with `path`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<FileEntry, E> {
                let path = text.parse().map_err(E::custom)?;
                Ok(FileEntry(FileObject { path, on: None, non_empty: None, newer_than_start: None, contains: None }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileEntry, A::Error> {
                object::from_map(map).map(FileEntry)
            }
        }
        deserializer.deserialize_any(FileVisitor)
    }
}

impl schemars::JsonSchema for FileEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "FileEntry".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let path = generator.subschema_for::<AbsolutePath>();
        let object = generator.subschema_for::<FileObject>();
        schemars::json_schema!({"anyOf": [path, object], "examples": ["/etc/step-ca/ssl/ca.ready"]})
    }
}

phoenix_types::text_type! {
    /// A range of status codes.
    StatusText, InvalidStatusText, |text: &str| {
        let code = |text: &str| text.len() == 3 && text.bytes().all(|b| b.is_ascii_digit()) && (b'1'..=b'5').contains(&text.as_bytes()[0]);
        match text.split_once('-') { Some((from, to)) => code(from) && code(to), None => code(text) }
    }, "a status code from 100 to 599, or two joined by `-`", "^[1-5][0-9]{2}(-[1-5][0-9]{2})?$"
}

/// One status code or range.
#[derive(Debug, Clone)]
pub(crate) enum StatusItem {
    Code(Whole<100, 599>),
    Range(StatusText),
}

impl<'de> Deserialize<'de> for StatusItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ItemVisitor;
        impl Visitor<'_> for ItemVisitor {
            type Value = StatusItem;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status code, or a range such as `\"200-399\"`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusItem, E> {
                text.parse().map(StatusItem::Range).map_err(E::custom)
            }

            fn visit_u64<E: de::Error>(self, code: u64) -> Result<StatusItem, E> {
                Whole::deserialize(de::value::U64Deserializer::new(code)).map(StatusItem::Code)
            }

            fn visit_f64<E: de::Error>(self, code: f64) -> Result<StatusItem, E> {
                Whole::deserialize(de::value::F64Deserializer::new(code)).map(StatusItem::Code)
            }
        }
        deserializer.deserialize_any(ItemVisitor)
    }
}

impl schemars::JsonSchema for StatusItem {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StatusItem".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let code = generator.subschema_for::<Whole<100, 599>>();
        let range = generator.subschema_for::<StatusText>();
        schemars::json_schema!({"description": "A status code from 100 to 599, or a range such as `\"200-399\"`.", "errorMessage": "a status code from 100 to 599, or a range such as `\"200-399\"`", "anyOf": [code, range]})
    }
}

/// Status codes that pass.
#[derive(Debug, Clone)]
pub(crate) struct StatusEntry(pub(crate) Vec<StatusItem>);

impl<'de> Deserialize<'de> for StatusEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StatusVisitor;
        impl<'de> Visitor<'de> for StatusVisitor {
            type Value = StatusEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status code, a range such as `\"200-399\"`, or a list of both")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<StatusEntry, E> {
                object::from_str(text).map(|item| StatusEntry(vec![item]))
            }

            fn visit_u64<E: de::Error>(self, code: u64) -> Result<StatusEntry, E> {
                StatusItem::deserialize(de::value::U64Deserializer::new(code)).map(|item| StatusEntry(vec![item]))
            }

            fn visit_f64<E: de::Error>(self, code: f64) -> Result<StatusEntry, E> {
                StatusItem::deserialize(de::value::F64Deserializer::new(code)).map(|item| StatusEntry(vec![item]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<StatusEntry, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                if items.is_empty() { Err(de::Error::invalid_length(0, &self)) } else { Ok(StatusEntry(items)) }
            }
        }
        deserializer.deserialize_any(StatusVisitor)
    }
}

impl schemars::JsonSchema for StatusEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StatusEntry".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let item = generator.subschema_for::<StatusItem>();
        schemars::json_schema!({"anyOf": [item, {"type": "array", "items": item, "minItems": 1}], "examples": [200, "200-399"]})
    }
}

/// `health_check`, `wait_for`: one gate or a list.
pub(crate) type GateEntries = OneOrMany<GateEntry>;
