//! Who needs whom, and what holds whom back: drawn from the guests that are needed to those that need them.

mod layout;
mod svg;

use std::fmt::Write as _;

use phoenix_config::{EdgeKind, State};

use super::markup::escape;
use crate::commands::GraphNode;

pub(crate) use svg::svg;

/// The lines in a guest's box.
fn lines(node: &GraphNode) -> Vec<String> {
    let mut lines = vec![format!("{} {}", node.id, node.name), format!("{}, {}", node.kind, node.state)];
    lines.extend(node.wait_for.iter().map(|gate| format!("waits for: {gate}")));
    lines.extend(node.gates.iter().map(|gate| format!("healthy when: {gate}")));
    lines
}

/// For Markdown.
pub(crate) fn mermaid(nodes: &[GraphNode]) -> String {
    let mut text = String::from("flowchart TD\n");
    for node in nodes {
        let label = lines(node).iter().map(|line| escape(line)).collect::<Vec<_>>().join("<br/>");
        let (open, close) = if node.state == State::Template { ("[[", "]]") } else { ("[", "]") };
        let _ = writeln!(text, "    g{}{open}\"{label}\"{close}", node.id);
    }
    for node in nodes {
        for edge in &node.needs {
            let arrow = match edge.kind {
                EdgeKind::Dependency => "-->",
                EdgeKind::CloneSource => "-. clone .->",
            };
            let _ = writeln!(text, "    g{} {arrow} g{}", edge.to, node.id);
        }
    }
    text
}

/// For Graphviz.
pub(crate) fn dot(nodes: &[GraphNode]) -> String {
    let mut text = String::from("digraph fleet {\n    node [shape=box, fontname=\"sans-serif\"];\n");
    for node in nodes {
        let label = lines(node).iter().map(|line| line.replace('\\', "\\\\").replace('"', "\\\"")).collect::<Vec<_>>();
        let style = if node.state == State::Template { ", style=dashed" } else { "" };
        let _ = writeln!(text, "    {} [label=\"{}\"{style}];", node.id, label.join("\\n"));
    }
    for node in nodes {
        for edge in &node.needs {
            let style = match edge.kind {
                EdgeKind::Dependency => "",
                EdgeKind::CloneSource => " [style=dashed, label=\"clone\"]",
            };
            let _ = writeln!(text, "    {} -> {}{style};", edge.to, node.id);
        }
    }
    text.push_str("}\n");
    text
}
