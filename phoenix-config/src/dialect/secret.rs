//! Secrets as they are written.

use std::borrow::Cow;
use std::fmt;

use phoenix_types::Secret;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use super::object;
use super::text::{FileName, Line, Remark};

/// A secret: `{"secret": {"file": "…"}}`, `{"secret": {"env": "…"}}`, or the text itself.
#[derive(Debug, Clone)]
pub(crate) enum SecretEntry {
    Plain(Secret),
    Elsewhere,
}

object! {
    /// A secret that is somewhere else.
    SecretReference {
        /// Where it is.
        "secret" => secret: SecretPlace,
    }
}

/// Where a secret is: in exactly one place.
#[derive(Debug, Clone)]
pub(crate) enum SecretPlace {
    File(String),
    Env(String),
    Command(Vec<String>),
    Credential(String),
}

object! {
    /// Where a secret is.
    SecretPlaceEntry {
        /// A file on the machine on which Phoenix runs.
        "file" => file: Option<Line>,
        /// An environment variable of Phoenix.
        "env" => env: Option<Line>,
        /// A program and its arguments: the secret is its output. For `pass`, `op read`, `bw get`, `sops -d --extract`.
        "command" => command: Option<Vec<Line>>,
        /// A credential of the systemd unit that Phoenix runs in: a file in `$CREDENTIALS_DIRECTORY`.
        "credential" => credential: Option<FileName>,
    }
}

impl<'de> Deserialize<'de> for SecretPlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let entry = SecretPlaceEntry::deserialize(deserializer)?;
        match (entry.file, entry.env, entry.command, entry.credential) {
            (Some(file), None, None, None) => Ok(Self::File(file.to_string())),
            (None, Some(env), None, None) => Ok(Self::Env(env.to_string())),
            (None, None, Some(command), None) if !command.is_empty() => {
                Ok(Self::Command(command.iter().map(ToString::to_string).collect()))
            }
            (None, None, None, Some(credential)) => Ok(Self::Credential(credential.to_string())),
            _ => Err(de::Error::custom("a secret has exactly one of `file`, `env`, `command` and `credential`")),
        }
    }
}

impl schemars::JsonSchema for SecretPlace {
    fn schema_name() -> Cow<'static, str> {
        "SecretPlace".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = SecretPlaceEntry::json_schema(generator);
        let places = [
            ("file", serde_json::json!({"type": "string"})),
            ("env", serde_json::json!({"type": "string"})),
            ("command", serde_json::json!({"type": "array", "minItems": 1})),
            ("credential", serde_json::json!({"type": "string"})),
        ];
        // One of them, and the others not written or null.
        let only = |(key, form): &(&str, serde_json::Value)| {
            let others = places.iter().map(|(other, _)| (*other).to_owned()).filter(|other| other != key);
            let mut properties: serde_json::Map<_, _> =
                others.map(|other| (other, serde_json::json!({"type": "null"}))).collect();
            properties.insert((*key).to_owned(), form.clone());
            serde_json::json!({"required": [key], "properties": properties})
        };
        schema.insert("oneOf".into(), places.iter().map(only).collect());
        schema
    }
}

impl<'de> Deserialize<'de> for SecretEntry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SecretVisitor;
        impl<'de> Visitor<'de> for SecretVisitor {
            type Value = SecretEntry;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or `{\"secret\": {\"file\": \"…\"}}`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<SecretEntry, E> {
                text.parse::<Remark>().map_err(|_| E::custom("a secret holds no control characters"))?;
                Ok(SecretEntry::Plain(Secret::new(text)))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<SecretEntry, A::Error> {
                object::from_map::<SecretReference, A>(map).map(|_| SecretEntry::Elsewhere)
            }
        }
        deserializer.deserialize_any(SecretVisitor)
    }
}

impl schemars::JsonSchema for SecretEntry {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let text = generator.subschema_for::<Remark>();
        let reference = generator.subschema_for::<SecretReference>();
        schemars::json_schema!({
            "description": "A secret: `{\"secret\": {\"file\": \"…\"}}`, or `env`, `command` or `credential` in place of `file`; the plain text is taken too, with a warning.",
            "anyOf": [text, reference],
            "errorMessage": "`{\"secret\": {\"file\": \"…\"}}` or `{\"secret\": {\"env\": \"…\"}}`",
            "examples": [{"secret": {"file": "/root/secrets/portainer"}}, {"secret": {"env": "PORTAINER_PASSWORD"}}],
        })
    }
}

/// The value of a request header: a line of text, or a secret that is somewhere else.
#[derive(Debug, Clone)]
pub(crate) enum HeaderValue {
    Plain(Line),
    Reference(SecretReference),
}

impl<'de> Deserialize<'de> for HeaderValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;
        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = HeaderValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a line of text, or `{\"secret\": {\"file\": \"…\"}}`")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HeaderValue, E> {
                text.parse::<Line>().map(HeaderValue::Plain).map_err(|_| E::custom("a header's value is one line"))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HeaderValue, A::Error> {
                object::from_map(map).map(HeaderValue::Reference)
            }
        }
        deserializer.deserialize_any(HeaderVisitor)
    }
}

impl schemars::JsonSchema for HeaderValue {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "HeaderValue".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let line = generator.subschema_for::<Line>();
        let reference = generator.subschema_for::<SecretReference>();
        schemars::json_schema!({
            "description": "The value of a header: a line of text, or `{\"secret\": {\"file\": \"…\"}}` or `env`, `command` or `credential` in place of `file`.",
            "errorMessage": "a line of text, or `{\"secret\": {\"file\": \"…\"}}`",
            "anyOf": [line, reference],
            "examples": ["application/json", {"secret": {"file": "/root/secrets/token"}}],
        })
    }
}
