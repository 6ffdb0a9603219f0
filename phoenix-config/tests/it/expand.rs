//! From what people write to the three documents: plain files stay as they are, and everything else comes to the same.

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::diagnostic::FileKind;
use phoenix_config::{Code, Loaded, Loader};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::Value;
use test_case::test_case;

fn here() -> &'static Utf8Path {
    Utf8Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What a text that holds everything comes to.
fn yaml(text: &str) -> Loaded {
    Loader::new("/nowhere".into()).load_text("phoenix.yaml", text)
}

fn said(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(ToString::to_string).collect()
}

/// A value of the expanded configuration.
fn at(loaded: &Loaded, pointer: &str) -> Value {
    assert_eq!(said(loaded), [""; 0]);
    loaded.document().pointer(pointer).cloned().unwrap_or_default()
}

const WEB: &str = "lxc_configs:\n  \"100\": {name: web, template: \"local:a\"}\n";

#[test]
fn the_short_example_is_the_plain_one() {
    let examples = here().join("../examples/ai-lab");
    let short = phoenix_config::load(&examples);
    let plain = phoenix_config::load(&examples.join("plain"));
    assert_eq!(said(&short), [""; 0]);
    assert_eq!(short.document(), plain.document());
    let length = |paths: &[Utf8PathBuf]| -> usize { paths.iter().map(|path| std::fs::read(path).unwrap().len()).sum() };
    let files = FileKind::ALL.map(|kind| examples.join("plain").join(kind.file_name()));
    assert!(length(&[examples.join("phoenix.yaml")]) * 2 <= length(&files));
}

#[test]
fn the_expanded_configuration_is_a_configuration_that_expands_to_itself() {
    for dir in ["../examples/ai-lab", "../examples/ai-lab/plain", "../examples/step-ca"] {
        let document = phoenix_config::load(&here().join(dir)).document();
        let again = Loader::new(&here().join(dir)).load_text("-", document.to_string());
        assert_eq!(said(&again), [""; 0]);
        assert_eq!(again.document(), document, "{dir}");
    }
}

#[test]
fn plain_files_are_their_own_documents_byte_for_byte() {
    let fixtures = here().join("tests/fixtures").read_dir_utf8().unwrap();
    let mut dirs: Vec<Utf8PathBuf> = fixtures.map(|code| code.unwrap().into_path().join("good")).collect();
    dirs.extend([here().join("../examples/step-ca"), here().join("../examples/ai-lab/plain")]);
    let mut compared = 0;
    for dir in dirs {
        let loaded = phoenix_config::load(&dir);
        for (kind, document) in &loaded.documents {
            let Ok(text) = std::fs::read_to_string(dir.join(kind.file_name())) else { continue };
            assert_eq!(document.text(), text, "{dir}");
            compared += 1;
        }
    }
    assert!(compared > 60, "{compared}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z$ {}.:/*,\"\\\\ä-]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = prop_oneof![
            "[a-z_+-]{1,8}",
            Just("lxc_configs".to_owned()),
            Just("100".to_owned()),
            Just("extends".to_owned())
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..5).prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    /// Whatever a plain file holds, right or wrong: without a word of the expansion at its top it is its own document.
    #[test]
    fn any_json_without_new_words_is_its_own_document(value in any_json(), pretty in any::<bool>()) {
        let text = if pretty { format!("{value:#}") } else { value.to_string() };
        for kind in FileKind::ALL {
            let loaded = Loader::new("/nowhere".into()).load_texts([(kind, text.clone())]);
            let document = &loaded.documents[&kind];
            prop_assert_eq!(document.text(), &text);
            prop_assert!(loaded.diagnostics.iter().all(|found| !found.code.as_str().starts_with("PHX10")));
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in r#"((lxc_configs|profiles|vars|extends|include|"100"|801\.\.803|hypervisor|vms|name|\$\{[a-z +]{0,3}\})|[:{}\[\],"&*+-]|: |\n|\n  ){0,30}"#) {
        let loaded = yaml(&text);
        prop_assert!(loaded.fleet.is_some() || loaded.errors() > 0);
    }
}

#[test]
fn comments_and_trailing_commas_are_taken_and_places_stay() {
    let text = "{\n  // the web\n  \"lxc_configs\": {\n    \"100\": {\"name\": \"web\", /* here */ \"template\": \"local:a\", \"memory_mb\": \"lots\",},\n  },\n}\n";
    let loaded = Loader::new("/nowhere".into()).load_texts([(FileKind::Lxc, text.to_owned())]);
    let [found] = loaded.diagnostics.as_slice() else { unreachable!("{:?}", loaded.diagnostics) };
    assert_eq!((found.code, found.location.line, found.location.column), (Code::WrongType, 4, 75));
    let good = text.replace("\"lots\"", "512");
    assert!(Loader::new("/nowhere".into()).load_texts([(FileKind::Lxc, good)]).fleet.is_some());
}

#[test]
fn a_fault_in_a_profile_is_told_once_with_the_guests_that_use_it() {
    let loaded = yaml(
        "profiles:\n  gpu:\n    template: local:a\n    memroy_mb: 512\nlxc_configs:\n  801: {extends: gpu, name: a}\n  \"802..803\": {extends: gpu, name: \"b${n}\"}\n",
    );
    let [found] = loaded.diagnostics.as_slice() else { unreachable!("{:?}", said(&loaded)) };
    assert_eq!((found.code, found.location.line, found.location.column), (Code::UnknownKey, 4, 5));
    assert!(found.to_string().contains("in the profile `gpu`, used by 801, 802, 803"), "{found}");
}

#[test]
fn a_fault_in_a_variable_names_its_place() {
    let loaded =
        yaml("vars:\n  mem: 5\nlxc_configs:\n  100: {name: web, template: \"local:a\", memory_mb: \"${mem}\"}\n");
    let [found] = loaded.diagnostics.as_slice() else { unreachable!("{:?}", said(&loaded)) };
    assert_eq!((found.code, found.location.line, found.location.column), (Code::InvalidValue, 4, 52));
    assert_eq!((found.labels[0].location.line, found.labels[0].message.as_str()), (2, "the variable `mem`"));
}

#[test]
fn ranges_give_each_guest_its_numbers() {
    let loaded = yaml(
        "lxc_configs:\n  \"810..812\": {name: \"worker-${n}\", template: \"local:a\", boot_order: \"${n + 5}\", description: \"${name} of ${id}\", network_config: {ip: \"10.0.0.${id - 600}/24\"}}\nvms:\n  900..901: {name: \"vm${n}\", template_image: noble-server-cloudimg-amd64.img}\n",
    );
    assert_eq!(at(&loaded, "/lxc_configs/812/name"), "worker-3");
    assert_eq!(at(&loaded, "/lxc_configs/812/boot_order"), 8);
    assert_eq!(at(&loaded, "/lxc_configs/812/description"), "worker-3 of 812");
    assert_eq!(at(&loaded, "/lxc_configs/810/network_config/ip"), "10.0.0.210/24");
    assert_eq!(at(&loaded, "/vms/1/vmid"), 901);
    assert_eq!(at(&loaded, "/vms/1/name"), "vm2");
}

#[test_case("[a, b]", 2; "the right one wins")]
#[test_case("[b, a]", 1; "in its order")]
#[test_case("c", 3; "what extends wins over what it extends")]
fn profiles_are_laid_over_each_other(extends: &str, cores: u64) {
    let loaded = yaml(&format!(
        "profiles:\n  a: {{template: \"local:a\", cores: 1}}\n  b: {{template: \"local:a\", cores: 2}}\n  c: {{extends: [a, b], cores: 3}}\n  x: {{extends: [a, b, c]}}\nlxc_configs:\n  100: {{name: web, extends: {extends}}}\n  101: {{name: x, extends: x}}\n"
    ));
    assert_eq!(at(&loaded, "/lxc_configs/100/cores"), cores);
}

#[test]
fn variables_come_from_the_command_line_before_the_environment_before_the_default() {
    let text = "vars:\n  a: {default: 1024, env: MEMORY}\n  b: {default: x, env: B}\nlxc_configs:\n  100: {name: web, template: \"local:a\", memory_mb: \"${a}\", description: \"${b} $HOME $${HOME}\"}\n";
    let memory = |loaded: &Loaded| at(loaded, "/lxc_configs/100/memory_mb");
    let loader = || Loader::new("/nowhere".into()).environment(|name| (name == "MEMORY").then(|| "2048".to_owned()));
    assert_eq!(memory(&yaml(text)), 1024);
    assert_eq!(memory(&loader().load_text("-", text)), 2048);
    let given = loader().variables([("a".to_owned(), "4096".to_owned())]).load_text("-", text);
    assert_eq!(memory(&given), 4096);
    assert_eq!(at(&given, "/lxc_configs/100/description"), "x $HOME ${HOME}");
}

#[test]
fn dollars_of_a_configuration_without_variables_are_its_own() {
    let loaded = yaml("lxc_configs:\n  100: {name: web, template: \"local:a\", description: \"${HOME} $$\"}\n");
    assert_eq!(at(&loaded, "/lxc_configs/100/description"), "${HOME} $$");
}

#[test]
fn a_secret_variable_is_only_taken_where_a_secret_can_be() {
    let text = |value: &str| {
        format!(
            "vars:\n  token: {{secret: {{env: TOKEN}}}}\n{}\n",
            WEB.replace(
                '}',
                &format!(", health_check: {{http: {{port: 80, headers: {{X-Token: {value}}}}}, retries: 1}}}}")
            )
        )
    };
    let loaded = yaml(&text("\"${token}\""));
    assert_eq!(at(&loaded, "/lxc_configs/100/health_check/http/headers/X-Token/secret/env"), "TOKEN");
    let inside = yaml(&text("\"Bearer ${token}\""));
    assert_eq!(inside.diagnostics[0].code, Code::PlainSecret);
    let elsewhere = yaml(&text("x").replace("name: web", "name: \"${token}\""));
    assert!(elsewhere.errors() > 0 && !said(&elsewhere).join("").contains("TOKEN\""), "{:?}", said(&elsewhere));
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, Utf8PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let dir = Utf8PathBuf::from_path_buf(folder.path().to_owned()).unwrap();
    for (name, text) in files {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    (folder, dir)
}

#[test]
fn includes_share_profiles_and_variables_and_have_values_of_their_own() {
    let zone = "lxc_configs:\n  \"200\": {name: \"dns-${zone}\", extends: base, memory_mb: \"${memory}\"}\n";
    let (_folder, dir) = folder(&[
        (
            "phoenix.yaml",
            "vars: {memory: 512}\nprofiles: {base: {template: \"local:a\"}}\ninclude:\n  - {path: shared/dns.yaml, vars: {zone: lab}}\n",
        ),
        ("shared/dns.yaml", zone),
    ]);
    let loaded = phoenix_config::load(&dir);
    assert_eq!(at(&loaded, "/lxc_configs/200/name"), "dns-lab");
    assert_eq!(at(&loaded, "/lxc_configs/200/memory_mb"), 512);
}

#[test]
fn overlays_change_what_the_files_say() {
    let (_folder, dir) = folder(&[
        (
            "phoenix.yaml",
            "vars: {site: {default: none}, image: {default: \"local:a\", pattern: \"^local:\"}}\noverlays: [\"hosts/${site}.yaml\"]\nlxc_configs:\n  \"100..102\": {name: \"web${n}\", template: \"${image}\", tags: [lab]}\n",
        ),
        ("hosts/pve1.yaml", "vars: {image: \"local:b\"}\nlxc_configs:\n  101: {tags: {\"+\": [pve1]}}\n  102: null\n"),
        ("phoenix.override.yaml", "lxc_configs:\n  101: {cores: 2}\n"),
    ]);
    let loaded = Loader::new(&dir).variables([("site".to_owned(), "pve1".to_owned())]).load();
    assert_eq!(at(&loaded, "/lxc_configs/101/tags"), serde_json::json!(["lab", "pve1"]));
    assert_eq!(at(&loaded, "/lxc_configs/101/cores"), 2);
    assert_eq!(at(&loaded, "/lxc_configs/100/template"), "local:b");
    assert_eq!(at(&loaded, "/lxc_configs/102"), Value::Null);
}

#[test]
fn the_three_files_take_new_words_too() {
    let (_folder, dir) = folder(&[
        (
            "phoenix_hypervisor_config.json",
            r#"{"vars": {"memory": 512}, "profiles": {"base": {"template": "local:a"}}}"#,
        ),
        (
            "phoenix_lxc_configs.jsonc",
            "{\"lxc_configs\": {\"100\": {\"extends\": \"base\", \"name\": \"web\", \"memory_mb\": \"${memory}\"}}} // done",
        ),
    ]);
    let loaded = phoenix_config::load(&dir);
    assert_eq!(at(&loaded, "/lxc_configs/100/memory_mb"), 512);
    assert_eq!(at(&loaded, "/hypervisor/vars"), Value::Null);
}

#[test_case("phoenix.yml", "`phoenix.yaml`")]
#[test_case("pheonix.yaml", "`phoenix.yaml`")]
#[test_case("phoenix.overide.yaml", "`phoenix.override.yaml`")]
#[test_case("phoenix_lxc_config.yaml", "`phoenix_lxc_configs.json`")]
fn files_with_nearly_the_right_name_are_noticed(name: &str, meant: &str) {
    let (_folder, dir) = folder(&[("phoenix.yaml", WEB), (name, "{}")]);
    let loaded = phoenix_config::load(&dir);
    assert_eq!(loaded.diagnostics.iter().map(|found| found.code).collect::<Vec<_>>(), [Code::StrayFile]);
    assert!(said(&loaded)[0].contains(meant), "{:?}", said(&loaded));
}

#[test]
fn origins_name_file_profile_and_variable() {
    let loaded = yaml(
        "vars: {m: 512}\nprofiles:\n  base: {template: \"local:a\", memory_mb: \"${m}\"}\nlxc_configs:\n  100: {name: web, extends: base}\n",
    );
    let origins = loaded.origins();
    let memory = origins.iter().find(|origin| origin.pointer == "/lxc_configs/100/memory_mb").unwrap();
    assert_eq!((memory.location.line, memory.location.column), (3, 42));
    assert_eq!((memory.profile.as_deref(), memory.variables.as_slice()), (Some("base"), &["m".to_owned()][..]));
}

#[test]
fn a_fleet_that_grows_without_bound_is_refused() {
    let mut text = String::from("profiles:\n  p0: {tags: {\"+\": [a]}}\n");
    for level in 1..40 {
        text.push_str(&format!(
            "  a{level}: {{extends: p{0}}}\n  p{level}: {{extends: [p{0}, a{level}]}}\n",
            level - 1
        ));
    }
    text.push_str("lxc_configs:\n  100: {name: web, template: \"local:a\", extends: p39}\n");
    assert!(yaml(&text).diagnostics.iter().any(|found| found.code == Code::AliasBomb), "{:?}", said(&yaml(&text)));
}
