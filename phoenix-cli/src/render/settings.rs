//! The configuration with all defaults, and where each value comes from.

use phoenix_config::{Fleet, Origin, Setting};

use super::style::{fit, tame};
use super::{Canvas, Column, Table, Tone};

/// The longest value that is shown whole.
const VALUE: usize = 48;

/// One table a guest.
pub(crate) fn settings(fleet: &Fleet, settings: &[Setting], canvas: Canvas) -> String {
    let mut text = String::new();
    for of_guest in settings.chunk_by(|a, b| a.guest == b.guest) {
        let Some(guest) = of_guest.first().and_then(|setting| fleet.guest(setting.guest)) else { continue };
        let heading = format!("{} {} ({})", guest.id, guest.name, guest.kind());
        text.push_str(&format!("{}\n", canvas.paint(Tone::Strong, heading)));
        let mut table = Table::new([
            Column::left("KEY").giving_way(12),
            Column::left("VALUE").giving_way(12),
            Column::left("FROM").giving_way(12),
        ]);
        for setting in of_guest {
            let value = match &setting.value {
                serde_json::Value::Null => "-".to_owned(),
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let (tone, origin) = origin(&setting.origin);
            table.row([
                (Tone::Plain, tame(&setting.key)),
                (Tone::Plain, fit(&tame(&value), VALUE, canvas.glyphs)),
                (tone, origin),
            ]);
        }
        text.push_str(&table.render(canvas));
        text.push('\n');
    }
    text
}

fn origin(origin: &Origin) -> (Tone, String) {
    match origin {
        Origin::Written { at } => (Tone::Plain, format!("{}:{}:{}", name(&at.file), at.line, at.column)),
        Origin::Shared { key, at } => (Tone::Plain, format!("{key}, {}:{}:{}", name(&at.file), at.line, at.column)),
        Origin::CloneSource { guest } => (Tone::Plain, format!("{guest}, which it is cloned from")),
        Origin::Image => (Tone::Plain, "its image".to_owned()),
        Origin::Default => (Tone::Faint, "default".to_owned()),
        Origin::Proxmox => (Tone::Faint, "Proxmox's own default".to_owned()),
        _ => (Tone::Faint, "elsewhere".to_owned()),
    }
}

/// The folder is the same for all.
fn name(file: &camino::Utf8Path) -> &str {
    file.file_name().unwrap_or(file.as_str())
}
