//! Whole numbers within bounds.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A whole number from `MIN` to `MAX`. `4.0` is a whole number too, as in JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Whole<const MIN: u32, const MAX: u32>(u32);

impl<const MIN: u32, const MAX: u32> Whole<MIN, MAX> {
    pub(crate) fn get(self) -> u32 {
        self.0
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Whole<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor<const MIN: u32, const MAX: u32>;
        impl<const MIN: u32, const MAX: u32> Visitor<'_> for WholeVisitor<MIN, MAX> {
            type Value = Whole<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number from {MIN} to {MAX}")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                match u32::try_from(number) {
                    Ok(small) if (MIN..=MAX).contains(&small) => Ok(Whole(small)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                match u64::try_from(number) {
                    Ok(number) => self.visit_u64(number),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(number), &self)),
                }
            }

            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "checked to be whole and in range"
            )]
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                if number.fract() == 0.0 && (f64::from(MIN)..=f64::from(MAX)).contains(&number) {
                    Ok(Whole(number as u32))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(number), &self))
                }
            }
        }
        deserializer.deserialize_any(WholeVisitor::<MIN, MAX>)
    }
}

impl<const MIN: u32, const MAX: u32> schemars::JsonSchema for Whole<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Whole{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "integer", "minimum": MIN, "maximum": MAX})
    }
}

/// How many cores a container may use: a number from 1 to 8192, or `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// So many.
    Count(Whole<1, 8192>),
    /// All that the node has.
    All,
}

impl<'de> Deserialize<'de> for Cores {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CoresVisitor;
        impl Visitor<'_> for CoresVisitor {
            type Value = Cores;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number from 1 to 8192, or `all`")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Cores, E> {
                Whole::deserialize(de::value::U64Deserializer::new(number)).map(Cores::Count)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Cores, E> {
                Whole::deserialize(de::value::F64Deserializer::new(number)).map(Cores::Count)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Cores, E> {
                match text {
                    "all" => Ok(Cores::All),
                    _ if text.parse::<f64>().is_ok() => Err(E::invalid_type(de::Unexpected::Str(text), &self)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(CoresVisitor)
    }
}

impl schemars::JsonSchema for Cores {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Cores".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let count = generator.subschema_for::<Whole<1, 8192>>();
        schemars::json_schema!({
            "errorMessage": "a whole number from 1 to 8192, or `all`",
            "anyOf": [count, {"const": "all"}],
        })
    }
}

/// A number from `MIN` to `MAX`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(crate) struct Real<const MIN: u32, const MAX: u32>(f64);

impl<const MIN: u32, const MAX: u32> Real<MIN, MAX> {
    pub(crate) fn get(self) -> f64 {
        self.0
    }
}

impl<'de, const MIN: u32, const MAX: u32> Deserialize<'de> for Real<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RealVisitor<const MIN: u32, const MAX: u32>;
        impl<const MIN: u32, const MAX: u32> Visitor<'_> for RealVisitor<MIN, MAX> {
            type Value = Real<MIN, MAX>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number from {MIN} to {MAX}")
            }

            #[expect(clippy::cast_precision_loss, reason = "a number that large is out of range either way")]
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                self.visit_f64(number as f64)
            }

            #[expect(clippy::cast_precision_loss, reason = "a number that large is out of range either way")]
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                self.visit_f64(number as f64)
            }

            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Self::Value, E> {
                if (f64::from(MIN)..=f64::from(MAX)).contains(&number) {
                    Ok(Real(number))
                } else {
                    Err(E::invalid_value(de::Unexpected::Float(number), &self))
                }
            }
        }
        deserializer.deserialize_any(RealVisitor::<MIN, MAX>)
    }
}

impl<const MIN: u32, const MAX: u32> schemars::JsonSchema for Real<MIN, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Real{MIN}To{MAX}").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "number", "minimum": MIN, "maximum": MAX})
    }
}
