//! Collections: a list that may be written as its one element, and members with free names.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::object::{self, Key, Opaque, USER_PREFIX};
use crate::source::Segment;

/// One `T`, or a list of them. `T` is an object or a text, never a list.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>, Form);

/// How a list of one is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Alone,
    List,
}

impl<T> OneOrMany<T> {
    /// The elements, each with its place in the object that has the list at `key`.
    pub(crate) fn placed(self, key: &str) -> impl Iterator<Item = (Vec<Segment>, T)> {
        let form = self.1;
        self.0.into_iter().enumerate().map(move |(index, one)| match form {
            Form::Alone => (vec![key.into()], one),
            Form::List => (vec![key.into(), index.into()], one),
        })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for OneOrMany<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
            type Value = OneOrMany<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one of them or a list")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                object::from_str(text).map(|one| OneOrMany(vec![one], Form::Alone))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                object::from_map(map).map(|one| OneOrMany(vec![one], Form::Alone))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut many = Vec::new();
                while let Some(one) = seq.next_element()? {
                    many.push(one);
                }
                Ok(OneOrMany(many, Form::List))
            }
        }
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for OneOrMany<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        schemars::json_schema!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// An object whose keys are free names, but for those that begin with `x-`, which are the user's.
#[derive(Debug, Clone, Default)]
pub(crate) struct Members<T>(pub(crate) BTreeMap<String, T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Members<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MembersVisitor<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for MembersVisitor<T> {
            type Value = Members<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<T>, A::Error> {
                let mut members = BTreeMap::new();
                let mut user_keys = BTreeSet::new();
                while let Some(Key(key)) = map.next_key()? {
                    let again = if key.starts_with(USER_PREFIX) {
                        map.next_value::<Opaque>()?;
                        !user_keys.insert(key.to_string())
                    } else {
                        members.insert(key.to_string(), map.next_value()?).is_some()
                    };
                    if again {
                        return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
                    }
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for Members<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("MembersOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let one = generator.subschema_for::<T>();
        let mut schema = schemars::json_schema!({"type": "object"});
        object::closed(&mut schema);
        schema.insert("additionalProperties".into(), one.into());
        schema
    }
}
