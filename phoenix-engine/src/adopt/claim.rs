//! Who else says that they manage a guest.

use phoenix_types::ConfSection;

/// Tools that people tag guests with when these manage them.
const TOOLS: [&str; 5] = ["ansible", "opentofu", "pulumi", "salt", "terraform"];

/// Words with which notes say so: Terraform's providers and their like write them by default.
const WORDS: &str = "managed by ";

/// Who, as the notes or the tags have it; `None` when neither says so.
pub(super) fn claimed_by(live: &ConfSection) -> Option<String> {
    let notes = live.description.as_deref().unwrap_or_default();
    let lower = notes.to_lowercase();
    let named = lower.split_once(WORDS).map(|(_, rest)| {
        rest.chars().take_while(|char| char.is_alphanumeric() || matches!(char, '-' | '_' | ' ')).collect::<String>()
    });
    let by_notes =
        named.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty() && !name.starts_with("phoenix"));
    by_notes.or_else(|| {
        let tags = live.get("tags").unwrap_or_default();
        tags.split([';', ',', ' ']).map(str::to_lowercase).find(|tag| TOOLS.contains(&tag.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("Managed by Terraform.", "", Some("terraform"); "notes of a provider")]
    #[test_case("# CA\nThis guest is managed by ACME-ops, do not touch", "", Some("acme-ops"); "notes of people")]
    #[test_case("managed by Phoenix", "", None; "ourselves")]
    #[test_case("managed by", "", None; "nobody")]
    #[test_case("the CA", "lab;Terraform", Some("terraform"); "a tag")]
    #[test_case("the CA", "lab", None; "no claim")]
    fn claims(notes: &str, tags: &str, by: Option<&str>) {
        let mut live = ConfSection { description: Some(notes.to_owned()), ..ConfSection::default() };
        live.keys.insert("tags".to_owned(), tags.to_owned());
        assert_eq!(claimed_by(&live).as_deref(), by);
    }
}
