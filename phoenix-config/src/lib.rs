//! The configuration files of Phoenix: typed model, JSON Schemas, diagnostics and the fleet graph.
