//! The JSON Schemas of the files that Phoenix reads.

use phoenix_config::schema::SchemaKind;
use serde_json::Value;

use crate::args::SchemaFile;

/// The schema of a file.
pub(crate) fn schema(file: SchemaFile) -> Value {
    match file {
        SchemaFile::Lxc => phoenix_config::schema::schema(SchemaKind::Lxc),
        SchemaFile::Vm => phoenix_config::schema::schema(SchemaKind::Vm),
        SchemaFile::Hypervisor => phoenix_config::schema::schema(SchemaKind::Hypervisor),
        SchemaFile::World => phoenix_sim::world::schema().to_value(),
    }
}

/// All schemas with the names of their files below `schemas/`.
#[must_use]
pub fn schemas() -> Vec<(String, Value)> {
    let mut schemas: Vec<(String, Value)> =
        SchemaKind::ALL.map(|kind| (kind.file_name(), phoenix_config::schema::schema(kind))).into();
    schemas.push(("world.schema.json".to_owned(), schema(SchemaFile::World)));
    schemas
}
