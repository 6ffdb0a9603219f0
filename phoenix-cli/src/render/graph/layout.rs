//! Where the boxes of a layered graph stand and how the lines between them run, so that no line crosses a box.
//!
//! Layers by the longest way down, lines over several layers through bends of their own (all lines of one box share them),
//! an order in each layer that has few crossings, and places as near as possible to what they are connected with. The steps
//! are those of Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981).

/// What is to be laid out, sizes in pixels.
#[derive(Debug, Clone, Default)]
pub(super) struct Drawing {
    /// The boxes: width and height.
    pub(super) boxes: Vec<(f64, f64)>,
    /// The lines, as numbers of boxes, each from a box to one that stands further back in the list.
    pub(super) lines: Vec<Line>,
}

/// A line from one box to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) from: usize,
    pub(super) to: usize,
    /// Lines of one box and one family share their way as far as they can.
    pub(super) family: usize,
}

/// The result, in pixels.
#[derive(Debug, Clone, Default)]
pub(super) struct Layout {
    /// The left upper corner of each box.
    pub(super) corners: Vec<(f64, f64)>,
    /// The way of each line: the points at which it enters or leaves a layer, from top to bottom.
    pub(super) ways: Vec<Vec<(f64, f64)>>,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Between two boxes of a layer.
const BESIDE: f64 = 36.0;
/// Between a line and its neighbours in a layer.
const LANE: f64 = 18.0;
/// Between two layers.
const BELOW: f64 = 56.0;
/// Around everything.
const MARGIN: f64 = 12.0;
/// Between two lines that end at the same box.
const TIPS: f64 = 14.0;

/// How often order and places are improved. More changes nothing to be seen in fleets of hundreds of guests.
const SWEEPS: usize = 12;

/// What takes room in a layer: a box, or a line on its way.
#[derive(Debug, Clone)]
struct Item {
    width: f64,
    layer: usize,
    /// What it is connected with in the layer above, and below.
    above: Vec<usize>,
    below: Vec<usize>,
    x: f64,
    is_bend: bool,
}

/// Lays a drawing out.
pub(super) fn lay_out(drawing: &Drawing) -> Layout {
    let mut items: Vec<Item> = Vec::new();
    for (number, (width, _)) in drawing.boxes.iter().enumerate() {
        let above = drawing.lines.iter().filter(|line| line.to == number).map(|line| items[line.from].layer + 1);
        let layer = above.max().unwrap_or(0);
        items.push(Item { width: *width, layer, above: vec![], below: vec![], x: 0.0, is_bend: false });
    }
    let chains = bend(drawing, &mut items);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); items.iter().map(|item| item.layer + 1).max().unwrap_or(0)];
    for (number, item) in items.iter().enumerate() {
        layers[item.layer].push(number);
    }
    order(&mut layers, &items);
    place(&layers, &mut items);
    draw(drawing, &layers, &items, &chains)
}

/// Gives every line that passes a layer a bend there. For each line: the bends on its way, from top to bottom.
fn bend(drawing: &Drawing, items: &mut Vec<Item>) -> Vec<Vec<usize>> {
    let mut shared: std::collections::BTreeMap<(usize, usize, usize), usize> = std::collections::BTreeMap::new();
    let mut chains = Vec::with_capacity(drawing.lines.len());
    for line in &drawing.lines {
        let mut chain = Vec::new();
        let mut last = line.from;
        for layer in items[line.from].layer + 1..items[line.to].layer {
            let bend = *shared.entry((line.from, line.family, layer)).or_insert_with(|| {
                let item = Item { width: 0.0, layer, above: vec![last], below: vec![], x: 0.0, is_bend: true };
                items.push(item);
                let number = items.len() - 1;
                items[last].below.push(number);
                number
            });
            chain.push(bend);
            last = bend;
        }
        items[last].below.push(line.to);
        items[line.to].above.push(last);
        chains.push(chain);
    }
    chains
}

/// Puts the items of each layer in an order in which connected items are below each other.
fn order(layers: &mut [Vec<usize>], items: &[Item]) {
    let mut rank = vec![0.0; items.len()];
    let number = |layer: &[usize], rank: &mut [f64]| {
        for (place, item) in layer.iter().enumerate() {
            // The middle of a layer is the same for narrow and wide ones.
            rank[*item] = (place as f64 + 0.5) / layer.len() as f64;
        }
    };
    layers.iter().for_each(|layer| number(layer, &mut rank));
    let mut best = (crossings(layers, items), layers.to_vec());
    for sweep in 0..SWEEPS {
        let down = sweep % 2 == 0;
        for step in 0..layers.len() {
            let layer = if down { step } else { layers.len() - 1 - step };
            let wish = |item: &usize| {
                let near = if down { &items[*item].above } else { &items[*item].below };
                if near.is_empty() {
                    rank[*item]
                } else {
                    near.iter().map(|other| rank[*other]).sum::<f64>() / near.len() as f64
                }
            };
            let mut wishes: Vec<(f64, usize)> = layers[layer].iter().map(|item| (wish(item), *item)).collect();
            wishes.sort_by(|a, b| a.0.total_cmp(&b.0));
            layers[layer] = wishes.into_iter().map(|(_, item)| item).collect();
            number(&layers[layer], &mut rank);
        }
        let crossings = crossings(layers, items);
        if crossings < best.0 {
            best = (crossings, layers.to_vec());
        }
    }
    layers.clone_from_slice(&best.1);
}

/// How often lines cross between neighbouring layers.
fn crossings(layers: &[Vec<usize>], items: &[Item]) -> usize {
    let mut place = vec![0; items.len()];
    for layer in layers {
        for (at, item) in layer.iter().enumerate() {
            place[*item] = at;
        }
    }
    let of_layer = |layer: &Vec<usize>| {
        let lines: Vec<(usize, usize)> = layer
            .iter()
            .flat_map(|item| items[*item].below.iter().map(|other| (place[*item], place[*other])))
            .collect();
        let crossed = |at: usize| {
            let (a, b) = lines[at];
            lines[at + 1..].iter().filter(|(c, d)| (a < *c && b > *d) || (a > *c && b < *d)).count()
        };
        (0..lines.len()).map(crossed).sum::<usize>()
    };
    layers.iter().map(of_layer).sum()
}

/// How far the middles of two neighbours are apart at least.
fn apart(a: &Item, b: &Item) -> f64 {
    let gap = if a.is_bend || b.is_bend { LANE } else { BESIDE };
    f64::midpoint(a.width, b.width) + gap
}

/// Gives every item a place as near to the middle of what it is connected with as its neighbours allow.
fn place(layers: &[Vec<usize>], items: &mut [Item]) {
    for layer in layers {
        spread(layer, items, |_, _| None);
    }
    for sweep in 0..SWEEPS * 2 {
        let down = sweep % 2 == 0;
        for step in 0..layers.len() {
            let layer = &layers[if down { step } else { layers.len() - 1 - step }];
            spread(layer, items, |items, item| {
                let near = if down { &items[item].above } else { &items[item].below };
                let sum: f64 = near.iter().map(|other| items[*other].x).sum();
                (!near.is_empty()).then(|| sum / near.len() as f64)
            });
        }
    }
    let left = items.iter().map(|item| item.x - item.width / 2.0).fold(f64::INFINITY, f64::min);
    for item in items {
        item.x += MARGIN - left;
    }
}

/// Moves the items of a layer to where they wish to be, in their order and with room between them, by as little as possible
/// in all: the isotonic regression of the wishes, by pooling neighbours whose wishes collide.
fn spread(layer: &[usize], items: &mut [Item], wish: impl Fn(&[Item], usize) -> Option<f64>) {
    let mut offsets = Vec::with_capacity(layer.len());
    let mut offset = 0.0;
    for (at, item) in layer.iter().enumerate() {
        if at > 0 {
            offset += apart(&items[layer[at - 1]], &items[*item]);
        }
        offsets.push(offset);
    }
    // Each pool: the sum of its wishes, their weight, and how many items it has.
    let mut pools: Vec<(f64, f64, usize)> = Vec::new();
    for (item, offset) in layer.iter().zip(&offsets) {
        // What has no wish stays where it is, but gives way; lines should be straight above all.
        let (wish, weight) = match wish(items, *item) {
            Some(wish) if items[*item].is_bend => (wish, 4.0),
            Some(wish) => (wish, 1.0),
            None => (items[*item].x, 0.1),
        };
        pools.push(((wish - offset) * weight, weight, 1));
        while let [.., (sum, weight, count), (last_sum, last_weight, last_count)] = pools.as_slice() {
            if sum / weight <= last_sum / last_weight {
                break;
            }
            let joined = (sum + last_sum, weight + last_weight, count + last_count);
            pools.truncate(pools.len() - 2);
            pools.push(joined);
        }
    }
    let places = pools.iter().flat_map(|(sum, weight, count)| std::iter::repeat_n(sum / weight, *count));
    for ((item, offset), place) in layer.iter().zip(&offsets).zip(places) {
        items[*item].x = place + offset;
    }
}

/// Turns places into corners and ways.
fn draw(drawing: &Drawing, layers: &[Vec<usize>], items: &[Item], chains: &[Vec<usize>]) -> Layout {
    let mut tops = Vec::with_capacity(layers.len());
    let mut bottoms = Vec::with_capacity(layers.len());
    let mut y = MARGIN;
    for layer in layers {
        let tall = layer.iter().filter_map(|item| drawing.boxes.get(*item)).map(|(_, height)| *height);
        let tallest = tall.fold(0.0, f64::max);
        tops.push(y);
        bottoms.push(y + tallest);
        y += tallest + BELOW;
    }
    let corner = |(number, (width, _)): (usize, &(f64, f64))| {
        let item = &items[number];
        (item.x - width / 2.0, tops[item.layer])
    };
    let corners: Vec<(f64, f64)> = drawing.boxes.iter().enumerate().map(corner).collect();
    let mut ways = Vec::with_capacity(chains.len());
    for (line, chain) in drawing.lines.iter().zip(chains) {
        let (from, to) = (&items[line.from], &items[line.to]);
        let start = from.x + departure(drawing, line);
        let mut way = vec![(start, tops[from.layer] + drawing.boxes[line.from].1), (start, bottoms[from.layer])];
        for bend in chain {
            let item = &items[*bend];
            way.extend([(item.x, tops[item.layer]), (item.x, bottoms[item.layer])]);
        }
        way.push((to.x + arrival(drawing, items, chains, line), tops[to.layer]));
        ways.push(way);
    }
    let right = items.iter().map(|item| item.x + item.width / 2.0).fold(0.0, f64::max);
    Layout { corners, ways, width: right + MARGIN, height: bottoms.last().copied().unwrap_or(0.0) + MARGIN }
}

/// How far from the middle of its first box a line begins: each family has a place of its own.
fn departure(drawing: &Drawing, line: &Line) -> f64 {
    let mut families: Vec<usize> =
        drawing.lines.iter().filter(|other| other.from == line.from).map(|other| other.family).collect();
    families.sort_unstable();
    families.dedup();
    let place = families.iter().position(|family| *family == line.family).unwrap_or(0);
    (place as f64 - (families.len() as f64 - 1.0) / 2.0) * TIPS
}

/// How far from the middle of its last box a line ends: from left to right as the lines come.
fn arrival(drawing: &Drawing, items: &[Item], chains: &[Vec<usize>], line: &Line) -> f64 {
    let comes_from = |number: usize| {
        let line = &drawing.lines[number];
        items[chains[number].last().copied().unwrap_or(line.from)].x
    };
    let mut arriving: Vec<usize> =
        (0..drawing.lines.len()).filter(|number| drawing.lines[*number].to == line.to).collect();
    arriving.sort_by(|a, b| comes_from(*a).total_cmp(&comes_from(*b)));
    let place = arriving.iter().position(|number| drawing.lines[*number] == *line).unwrap_or(0);
    let room = drawing.boxes[line.to].0 - 2.0 * TIPS;
    let step = TIPS.min(room / arriving.len() as f64);
    (place as f64 - (arriving.len() as f64 - 1.0) / 2.0) * step
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Boxes, and lines between them that all lead to later boxes.
    fn drawings() -> impl Strategy<Value = Drawing> {
        let boxes = prop::collection::vec((40.0..300.0f64, 30.0..120.0f64), 1..24);
        (boxes, prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..2usize), 0..40))
            .prop_map(|(boxes, pairs)| {
                let mut lines: Vec<Line> = Vec::new();
                for (a, b, family) in pairs {
                    let (a, b) = (a.index(boxes.len()), b.index(boxes.len()));
                    let line = Line { from: a.min(b), to: a.max(b), family };
                    if a != b && !lines.iter().any(|other| (other.from, other.to) == (line.from, line.to)) {
                        lines.push(line);
                    }
                }
                Drawing { boxes, lines }
            })
    }

    proptest! {
        #[test]
        fn no_box_lies_on_another_and_no_line_crosses_one(drawing in drawings()) {
            let layout = lay_out(&drawing);
            let boxes: Vec<(f64, f64, f64, f64)> = layout
                .corners
                .iter()
                .zip(&drawing.boxes)
                .map(|((x, y), (width, height))| (*x, *y, x + width, y + height))
                .collect();
            for (number, (left, top, right, bottom)) in boxes.iter().enumerate() {
                prop_assert!(*left >= 0.0 && *top >= 0.0 && *right <= layout.width && *bottom <= layout.height);
                for (l, t, r, b) in &boxes[number + 1..] {
                    prop_assert!(right <= l || r <= left || bottom <= t || b <= top);
                }
            }
            for (line, way) in drawing.lines.iter().zip(&layout.ways) {
                let last = way.len() - 1;
                prop_assert!((boxes[line.from].3 - way[0].1).abs() < 0.01 && (boxes[line.to].1 - way[last].1).abs() < 0.01);
                // Within a layer a line goes straight down; between layers there are no boxes.
                for pair in way.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
                    for (left, top, right, bottom) in &boxes {
                        let beside = pair[0].0 <= *left || pair[0].0 >= *right;
                        let before_or_after = pair[1].1 <= *top || pair[0].1 >= *bottom;
                        prop_assert!(beside || before_or_after);
                    }
                }
            }
        }
    }

    #[test]
    fn a_chain_stands_straight_and_nothing_is_nothing() {
        let line = |from, to| Line { from, to, family: 0 };
        let layout = lay_out(&Drawing { boxes: vec![(100.0, 40.0); 3], lines: vec![line(0, 1), line(1, 2)] });
        assert!(layout.corners.iter().all(|(x, _)| (x - MARGIN).abs() < 0.01), "{:?}", layout.corners);
        assert_eq!(lay_out(&Drawing::default()).corners.len(), 0);
    }
}
