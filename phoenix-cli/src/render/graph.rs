//! Who needs whom, and what holds whom back: drawn from the guests that are needed to those that need them.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phoenix_config::{EdgeKind, State};
use phoenix_types::GuestId;

use super::style::columns;
use crate::commands::GraphNode;

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

/// How large things are in the picture, in pixels.
const LETTER: usize = 8;
const LINE: usize = 18;
const PADDING: usize = 10;
const GAP: usize = 40;
const ROW: usize = 60;

/// A box in the picture.
struct Spot {
    x: usize,
    y: usize,
    width: usize,
    height: usize,
}

/// A picture: each guest below everything that it needs.
pub(crate) fn svg(nodes: &[GraphNode]) -> String {
    let spots = lay_out(nodes);
    let right = spots.values().map(|spot| spot.x + spot.width).max().unwrap_or(0) + PADDING;
    let bottom = spots.values().map(|spot| spot.y + spot.height).max().unwrap_or(0) + PADDING;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {right} {bottom}\" width=\"{right}\" height=\"{bottom}\" \
         font-family=\"monospace\" font-size=\"13\">\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0 8 4 0 8z\"/></marker></defs>\n"
    );
    for node in nodes {
        for edge in &node.needs {
            let (Some(from), Some(to)) = (spots.get(&edge.to), spots.get(&node.id)) else { continue };
            let dashes = if edge.kind == EdgeKind::CloneSource { " stroke-dasharray=\"5 4\"" } else { "" };
            let (x1, y1) = (from.x + from.width / 2, from.y + from.height);
            let (x2, y2) = (to.x + to.width / 2, to.y);
            let middle = y1.midpoint(y2);
            let _ = writeln!(
                text,
                "<path d=\"M{x1} {y1}C{x1} {middle} {x2} {middle} {x2} {y2}\" fill=\"none\" stroke=\"#555\"{dashes} marker-end=\"url(#tip)\"/>"
            );
        }
    }
    for node in nodes {
        let Some(Spot { x, y, width, height }) = spots.get(&node.id) else { continue };
        let fill = match node.state {
            State::Running => "#e6f4ea",
            State::Stopped => "#f1f3f4",
            State::Template => "#e8f0fe",
        };
        let _ = writeln!(
            text,
            "<rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"6\" fill=\"{fill}\" stroke=\"#555\"/>"
        );
        for (index, line) in lines(node).iter().enumerate() {
            let weight = if index == 0 { " font-weight=\"bold\"" } else { "" };
            let (x, y) = (x + PADDING, y + PADDING + LINE * index + 12);
            let _ = writeln!(text, "<text x=\"{x}\" y=\"{y}\"{weight}>{}</text>", escape(line));
        }
    }
    text.push_str("</svg>\n");
    text
}

/// Rows by the longest way down from a guest that needs nobody; in a row, in the order of the graph.
fn lay_out(nodes: &[GraphNode]) -> BTreeMap<GuestId, Spot> {
    let mut rows: Vec<Vec<&GraphNode>> = Vec::new();
    let mut row_of: BTreeMap<GuestId, usize> = BTreeMap::new();
    for node in nodes {
        let row = node.needs.iter().filter_map(|edge| row_of.get(&edge.to)).map(|row| row + 1).max().unwrap_or(0);
        row_of.insert(node.id, row);
        if rows.len() <= row {
            rows.resize_with(row + 1, Vec::new);
        }
        if let Some(row) = rows.get_mut(row) {
            row.push(node);
        }
    }
    let mut spots = BTreeMap::new();
    let mut y = PADDING;
    for row in rows {
        let mut x = PADDING;
        let mut tallest = 0;
        for node in row {
            let lines = lines(node);
            let width = lines.iter().map(|line| columns(line)).max().unwrap_or(0) * LETTER + 2 * PADDING;
            let height = lines.len() * LINE + 2 * PADDING;
            spots.insert(node.id, Spot { x, y, width, height });
            x += width + GAP;
            tallest = tallest.max(height);
        }
        y += tallest + ROW;
    }
    spots
}

/// For markup, where a few signs mean something.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
