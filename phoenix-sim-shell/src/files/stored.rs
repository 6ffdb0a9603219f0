//! The form of a tree in `state.json`.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Content, Entry, FileTree};

/// The form of an entry in `state.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    bytes: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    link: Option<String>,
    mode: u32,
    #[serde(skip_serializing_if = "is_zero", default)]
    uid: u32,
    #[serde(skip_serializing_if = "is_zero", default)]
    gid: u32,
    mtime: i64,
    /// When it was made, where that is another time than when it was last written.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    born: Option<i64>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Serialize for FileTree {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.entries.iter().map(|(path, entry)| {
            let (mut text, mut bytes, mut link) = (None, None, None);
            match &entry.content {
                Content::Folder => {}
                Content::Link(target) => link = Some(target.clone()),
                Content::File(content) => match std::str::from_utf8(content) {
                    Ok(content) => text = Some(content.to_owned()),
                    Err(_) => bytes = Some(content.to_vec()),
                },
            }
            let Entry { mode, uid, gid, mtime, born, .. } = *entry;
            let born = (born != mtime).then_some(born);
            (path, Stored { text, bytes, link, mode, uid, gid, mtime, born })
        }))
    }
}

impl<'de> Deserialize<'de> for FileTree {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = BTreeMap::<Box<str>, Stored>::deserialize(deserializer)?;
        let entries = stored.into_iter().map(|(path, stored)| {
            let Stored { text, bytes, link, mode, uid, gid, mtime, born } = stored;
            let content = match (text, bytes, link) {
                (Some(text), ..) => Content::File(text.into_bytes().into()),
                (_, Some(bytes), _) => Content::File(bytes.into()),
                (.., Some(link)) => Content::Link(link),
                (None, None, None) => Content::Folder,
            };
            (path, Entry { content, mode, uid, gid, mtime, born: born.unwrap_or(mtime) })
        });
        Ok(Self { entries: Arc::new(entries.collect()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_stored_as_json() {
        let mut tree = FileTree::default();
        tree.make_folders("/a", 1).unwrap();
        tree.write("/a/text", b"x\n".to_vec(), 2).unwrap();
        tree.write("/a/bytes", vec![0xff, 0], 3).unwrap();
        tree.write("/a/bytes", vec![0xff, 1], 4).unwrap();
        let json = serde_json::to_string(&tree).unwrap();
        assert_eq!(serde_json::from_str::<FileTree>(&json).unwrap(), tree);
    }
}
