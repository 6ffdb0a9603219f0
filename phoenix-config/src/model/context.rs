//! A guest's own JSON, as it is written.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use serde_json::Value;

use crate::source::{Location, Segment, Source, find};

/// A guest's own JSON, kept as a range of its file's text.
#[derive(Clone)]
pub struct Context {
    source: Arc<Source>,
    range: Range<usize>,
    file_settings: Arc<Value>,
}

impl Context {
    pub(crate) fn new(source: Arc<Source>, range: Range<usize>, file_settings: Arc<Value>) -> Self {
        Self { source, range, file_settings }
    }

    /// The text of the guest's object in its file.
    #[must_use]
    pub fn text(&self) -> &str {
        self.source.text().get(self.range.clone()).unwrap_or("{}")
    }

    /// The guest's object without its secrets.
    #[must_use]
    pub fn to_value(&self) -> Value {
        super::handed::without_secrets(serde_json::from_str(self.text()).unwrap_or_default())
    }

    /// Whether the guest's object has a value at these keys.
    #[must_use]
    pub(crate) fn writes(&self, keys: &[&str]) -> bool {
        let path: Vec<Segment> = keys.iter().map(|key| (*key).into()).collect();
        find(self.text(), 0, &path).is_some_and(|place| self.text().get(place.value) != Some("null"))
    }

    /// The text that the guest's object has at this key.
    #[must_use]
    pub(crate) fn text_of(&self, key: &str) -> Option<String> {
        let place = find(self.text(), 0, &[key.into()])?;
        serde_json::from_str(self.text().get(place.value)?).ok()
    }

    /// The profiles whose text the guest has.
    #[must_use]
    pub(crate) fn profiles(&self) -> BTreeSet<String> {
        let written = self.source.origins().map(|origins| origins.within(&self.range));
        let profiles = written.into_iter().flatten().filter_map(|written| written.profile.as_deref());
        profiles.map(str::to_owned).collect()
    }

    /// Where a value of the guest is in its file, as a path of keys and indices; of a value that is not written, what
    /// stands nearest around it: in the end the guest's object itself.
    ///
    /// ```
    /// # let folder = tempfile::tempdir().unwrap();
    /// # let dir = camino::Utf8Path::from_path(folder.path()).unwrap();
    /// let text = r#"{"lxc_configs": {
    ///     "103": {"name": "ca", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "tank"}
    /// }}"#;
    /// std::fs::write(dir.join("phoenix_lxc_configs.json"), text).unwrap();
    /// let fleet = phoenix_config::load(dir).fleet.unwrap();
    /// let context = &fleet.find("103").unwrap().context;
    /// assert_eq!(context.location(&["storage_pool".into()]).column, 89);
    /// assert_eq!(context.location(&["network_config".into(), "bridge".into()]), context.location(&[]));
    /// ```
    #[must_use]
    pub fn location(&self, path: &[Segment]) -> Location {
        let base = self.range.start;
        let nearest = (1..=path.len()).rev().find_map(|length| find(self.source.text(), base, path.get(..length)?));
        self.source.location(nearest.map_or_else(|| self.range.clone(), |place| place.value))
    }

    /// The settings at the top of the guest's file that are handed to scripts, such as `nvidia_driver_version`.
    #[must_use]
    pub fn file_settings(&self) -> &Value {
        &self.file_settings
    }

    /// The file that the guest is written in.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Where in that file's text the guest's object stands, in bytes.
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("file", &self.source.path()).field("range", &self.range).finish_non_exhaustive()
    }
}

impl PartialEq for Context {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text() && self.file_settings == other.file_settings
    }
}
