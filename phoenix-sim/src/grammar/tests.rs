use proptest::prelude::*;

use super::*;

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

proptest! {
    #[test]
    fn parsing_never_panics(tool in "(pct|qm|pvesm|pveam|pvesh|ha-manager)", rest in proptest::collection::vec("(?s)-{0,2}.{0,12}", 0..8)) {
        let mut argv = vec![tool];
        argv.extend(rest);
        let _ = parse(&argv);
    }
}

#[test]
fn an_option_format_is_found_by_its_option() {
    assert_eq!(option_format(Tool::Pct, "net0"), Some("lxc-net"));
    assert_eq!(option_format(Tool::Qm, "scsi30"), Some("qm-scsi"));
    assert_eq!(option_format(Tool::Qm, "name"), None);
}

#[test]
fn a_refusal_by_the_node_ends_with_the_usage_line() {
    let Verdict::Accepted(call) = parse(&words("qm resize 100 scsi0 +1G")) else { panic!("refused") };
    let answer = call.refuse(&[("disk", "no such disk")].into_iter().collect());
    assert_eq!(
        answer.stderr,
        "400 Parameter verification failed.\ndisk: no such disk\nqm disk resize <vmid> <disk> <size> [OPTIONS]\n"
    );
}
