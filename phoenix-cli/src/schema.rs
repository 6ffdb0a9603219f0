//! The JSON Schemas of the files that Phoenix reads, and of what it prints.

use clap::ValueEnum as _;
use phoenix_config::schema::SchemaKind;
use phoenix_engine::{Event, Plan};
use phoenix_host::CommandRecord;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::args::SchemaName;
use crate::commands::printed;

/// A schema.
pub(crate) fn schema(name: SchemaName) -> Value {
    let mut schema = match name {
        SchemaName::Lxc => phoenix_config::schema::schema(SchemaKind::Lxc),
        SchemaName::Vm => phoenix_config::schema::schema(SchemaKind::Vm),
        SchemaName::Hypervisor => phoenix_config::schema::schema(SchemaKind::Hypervisor),
        SchemaName::Fleet => phoenix_config::schema::schema(SchemaKind::Fleet),
        #[cfg(feature = "sim")]
        SchemaName::World => phoenix_sim::world::schema().to_value(),
        SchemaName::Validate => output::<printed::Validate<'static>>(),
        SchemaName::Origins => output::<Vec<phoenix_config::ValueOrigin>>(),
        SchemaName::Plan => output::<Plan>(),
        SchemaName::Up => output::<printed::Change<'static>>(),
        SchemaName::Event => output::<Event>(),
        SchemaName::Status => output::<Vec<printed::Status>>(),
        SchemaName::Health => output::<Vec<printed::Health<'static>>>(),
        SchemaName::Wait => output::<Vec<printed::Wait<'static>>>(),
        SchemaName::Graph => output::<Vec<printed::Graph>>(),
        SchemaName::Adopt => output::<printed::Adopt<'static>>(),
        SchemaName::AdoptWrite => output::<printed::AdoptWrite<'static>>(),
        SchemaName::Doctor => output::<printed::Doctor<'static>>(),
        SchemaName::CommandLog => output::<CommandRecord>(),
    };
    if !name.is_read() {
        schema["title"] = format!("phoenix: {}", word(name)).into();
    }
    schema
}

fn word(name: SchemaName) -> String {
    name.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// What a type looks like when it is printed.
fn output<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>().to_value()
}

/// All schemas with the names of their files below `schemas/`.
#[must_use]
pub fn schemas() -> Vec<(String, Value)> {
    let file = |name: SchemaName| {
        let folder = if name.is_read() { "" } else { "output/" };
        (format!("{folder}{}.schema.json", word(name)), schema(name))
    };
    SchemaName::value_variants().iter().copied().map(file).collect()
}
