//! Objects of the dialect: closed but for keys that begin with `x-`, never an array, no key twice.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};

/// Declares an object of the dialect: the struct, its JSON Schema and its `Deserialize`.
///
/// serde's own derive would read an array as a struct and cannot leave keys to the user by their prefix.
macro_rules! object {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$field_meta:meta])* $key:literal => $field:ident : $type:ty, )* }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, schemars::JsonSchema)]
        #[schemars(transform = $crate::dialect::object::closed)]
        #[allow(dead_code, reason = "keys that are handed to scripts are typed here and read there")]
        pub(crate) struct $name {
            $( $(#[$field_meta])* #[schemars(rename = $key)] pub(crate) $field: $type, )*
        }

        impl $name {
            /// Its keys.
            #[allow(dead_code, reason = "not every object is asked for its keys")]
            pub(crate) const KEYS: &'static [&'static str] = &[$($key),*];
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct ObjectVisitor;
                impl<'de> serde::de::Visitor<'de> for ObjectVisitor {
                    type Value = $name;

                    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<$name, A::Error> {
                        $( let mut $field: Option<$type> = None; )*
                        let mut user_keys = $crate::dialect::object::UserKeys::default();
                        while let Some($crate::dialect::object::Key(key)) = map.next_key()? {
                            match key.as_ref() {
                                $( $key => {
                                    if $field.is_some() {
                                        return Err(serde::de::Error::duplicate_field($key));
                                    }
                                    $field = Some(map.next_value()?);
                                } )*
                                _ => user_keys.take(&key, &mut map, &[$($key),*])?,
                            }
                        }
                        Ok($name { $( $field: match $field {
                            Some(value) => value,
                            None => $crate::dialect::object::absent($key)?,
                        }, )* })
                    }
                }
                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}

/// A key, borrowed from the text where it can be.
pub(crate) struct Key<'de>(pub(crate) Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_borrowed_str<E: de::Error>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}

/// The keys of an object that belong to the user.
#[derive(Default)]
pub(crate) struct UserKeys(BTreeSet<String>);

/// The keys that belong to the user begin with this.
pub(crate) const USER_PREFIX: &str = "x-";

impl UserKeys {
    pub(crate) fn take<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        map: &mut A,
        known: &'static [&'static str],
    ) -> Result<(), A::Error> {
        if !key.starts_with(USER_PREFIX) {
            return Err(de::Error::unknown_field(key, known));
        }
        if !self.0.insert(key.to_owned()) {
            return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
        }
        map.next_value::<Opaque>().map(drop)
    }
}

/// What a key stands for that is not written: nothing for an `Option`, an error for everything else.
pub(crate) fn absent<'de, T: Deserialize<'de>, E: de::Error>(key: &'static str) -> Result<T, E> {
    struct Absent<E>(&'static str, std::marker::PhantomData<E>);
    impl<'de, E: de::Error> Deserializer<'de> for Absent<E> {
        type Error = E;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, E> {
            Err(E::missing_field(self.0))
        }

        fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            visitor.visit_none()
        }

        serde::forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
            newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
        }
    }
    T::deserialize(Absent(key, std::marker::PhantomData))
}

/// Closes the schema of an object but for the keys that belong to the user.
pub(crate) fn closed(schema: &mut schemars::Schema) {
    schema.insert("additionalProperties".into(), false.into());
    schema.insert(
        "patternProperties".into(),
        serde_json::json!({"^x-": {"description": "Yours: Phoenix does not read it."}}),
    );
}

/// Any value, whose content is somebody else's: a script's, or the user's. Only keys that come twice are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Opaque;

impl<'de> Deserialize<'de> for Opaque {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OpaqueVisitor)
    }
}

struct OpaqueVisitor;

impl<'de> Visitor<'de> for OpaqueVisitor {
    type Value = Opaque;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Opaque, E> {
        Ok(Opaque)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Opaque, E> {
        Ok(Opaque)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Opaque, E> {
        Ok(Opaque)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Opaque, E> {
        Ok(Opaque)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Opaque, E> {
        Ok(Opaque)
    }

    fn visit_str<E>(self, _: &str) -> Result<Opaque, E> {
        Ok(Opaque)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Opaque, A::Error> {
        while seq.next_element::<Opaque>()?.is_some() {}
        Ok(Opaque)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Opaque, A::Error> {
        let mut keys = BTreeSet::new();
        while let Some(Key(key)) = map.next_key()? {
            if let Some(key) = keys.replace(key) {
                return Err(de::Error::custom(format_args!("duplicate field `{key}`")));
            }
            map.next_value::<Opaque>()?;
        }
        Ok(Opaque)
    }
}

impl schemars::JsonSchema for Opaque {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Any".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({})
    }
}

/// Reads a `T` from the members of a map that a visitor was handed.
pub(crate) fn from_map<'de, T: Deserialize<'de>, A: MapAccess<'de>>(map: A) -> Result<T, A::Error> {
    T::deserialize(de::value::MapAccessDeserializer::new(map))
}

/// Reads a `T` from a text that a visitor was handed.
pub(crate) fn from_str<'de, T: Deserialize<'de>, E: de::Error>(text: &str) -> Result<T, E> {
    T::deserialize(text.into_deserializer())
}
