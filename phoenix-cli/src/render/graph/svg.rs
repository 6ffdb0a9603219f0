//! The graph as a picture that needs nothing else: each guest below everything that it needs, light or dark as its viewer.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use phoenix_config::EdgeKind;
use phoenix_types::GuestId;

use super::layout::{Drawing, Line, lay_out};
use super::lines;
use crate::commands::GraphNode;
use crate::render::markup::escape;
use crate::render::style::columns;

/// How large letters and lines of text are, in pixels, and the room around them.
const LETTER: f64 = 7.9;
const LINE: f64 = 18.0;
const PADDING: f64 = 10.0;

/// The room for the legend below the picture.
const LEGEND: f64 = 28.0;

const STYLE: &str = "\
text{font:13px monospace;fill:#1f2328}.name{font-weight:bold}.faint{fill:#656d76}
rect{stroke:#656d76;stroke-width:1}.running{fill:#e6f4ea}.stopped{fill:#f1f3f4}.template{fill:#e8f0fe}
path{fill:none;stroke:#656d76;stroke-width:1.3}.clone{stroke-dasharray:5 4}marker path{fill:#656d76;stroke:none}
@media(prefers-color-scheme:dark){svg{background:#0d1117}text{fill:#e6edf3}.faint{fill:#8d96a0}rect,path{stroke:#8d96a0}marker path{fill:#8d96a0}
.running{fill:#12361f}.stopped{fill:#21262d}.template{fill:#142a4d}}
";

/// The picture.
pub(crate) fn svg(nodes: &[GraphNode]) -> String {
    let numbers: BTreeMap<GuestId, usize> = nodes.iter().enumerate().map(|(number, node)| (node.id, number)).collect();
    let size = |node: &GraphNode| {
        let lines = lines(node);
        let widest = lines.iter().map(|line| columns(line)).max().unwrap_or(0);
        (widest as f64 * LETTER + 2.0 * PADDING, lines.len() as f64 * LINE + 2.0 * PADDING - 4.0)
    };
    let mut drawing = Drawing { boxes: nodes.iter().map(size).collect(), lines: Vec::new() };
    for (to, node) in nodes.iter().enumerate() {
        let known = node.needs.iter().filter_map(|edge| Some((numbers.get(&edge.to)?, edge.kind)));
        drawing.lines.extend(known.map(|(from, kind)| Line { from: *from, to, family: family(kind) }));
    }
    let layout = lay_out(&drawing);
    // The legend alone is wider than a fleet of one guest.
    let (width, height) = (layout.width.max(340.0).ceil(), (layout.height + LEGEND).ceil());
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>Dependencies of the guests</title>\n<style>\n{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path d=\"M0 0 8 4 0 8z\"/></marker></defs>\n"
    );
    for (line, way) in drawing.lines.iter().zip(&layout.ways) {
        let class = if line.family == family(EdgeKind::CloneSource) { " class=\"clone\"" } else { "" };
        let _ = writeln!(text, "<path{class} d=\"{}\" marker-end=\"url(#tip)\"/>", curve(way));
    }
    for ((node, (x, y)), (width, height)) in nodes.iter().zip(&layout.corners).zip(&drawing.boxes) {
        let _ = writeln!(
            text,
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"6\"/>",
            node.state
        );
        for (index, line) in lines(node).iter().enumerate() {
            let class = if index == 0 { " class=\"name\"" } else { "" };
            let (x, y) = (x + PADDING, y + PADDING + LINE * index as f64 + 11.0);
            let _ = writeln!(text, "<text{class} x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(line));
        }
    }
    text.push_str(&legend(height - LEGEND));
    text.push_str("</svg>\n");
    text
}

fn family(kind: EdgeKind) -> usize {
    match kind {
        EdgeKind::Dependency => 0,
        EdgeKind::CloneSource => 1,
    }
}

/// Straight down within a layer, in a soft curve from one layer to the next.
fn curve(way: &[(f64, f64)]) -> String {
    let mut path = String::new();
    for (at, (x, y)) in way.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| way.get(at));
        let _ = match before {
            None => write!(path, "M{x:.1} {y:.1}"),
            Some((from, _)) if (from - x).abs() < 0.05 => write!(path, "V{y:.1}"),
            Some((from, top)) => {
                let middle = f64::midpoint(*top, *y);
                write!(path, "C{from:.1} {middle:.1} {x:.1} {middle:.1} {x:.1} {y:.1}")
            }
        };
    }
    path
}

/// What lines and colours mean.
fn legend(y: f64) -> String {
    let middle = y + 12.0;
    let mut text = String::new();
    let mut x = 12.0;
    for (class, word) in [("", "is needed by"), ("clone", "is cloned to")] {
        let _ = writeln!(
            text,
            "<path class=\"{class}\" d=\"M{x} {middle}h30\" marker-end=\"url(#tip)\"/><text class=\"faint\" x=\"{}\" y=\"{}\">{word}</text>",
            x + 38.0,
            middle + 4.0
        );
        x += 60.0 + word.len() as f64 * LETTER;
    }
    text
}
