//! Tables of plain text.

use super::style::{columns, fit};
use super::{Canvas, Tone};

/// How a column's texts stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    pub(crate) title: &'static str,
    pub(crate) align: Align,
    /// How narrow it may become when the table is wider than the canvas; `None` for columns that keep their width.
    pub(crate) least: Option<usize>,
    pub(crate) presence: Presence,
}

/// Whether a column is always there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    Always,
    /// It is left out where the narrowest table with it is too wide; the leftmost such column goes first.
    WithRoom,
}

impl Column {
    pub(crate) fn left(title: &'static str) -> Self {
        Self { title, align: Align::Left, least: None, presence: Presence::Always }
    }

    pub(crate) fn right(title: &'static str) -> Self {
        Self { align: Align::Right, ..Self::left(title) }
    }

    /// The same, but it gives way when there is not enough room.
    pub(crate) fn giving_way(mut self, least: usize) -> Self {
        self.least = Some(least);
        self
    }

    /// The same, but it goes when there is no room at all.
    pub(crate) fn with_room(mut self) -> Self {
        self.presence = Presence::WithRoom;
        self
    }
}

/// A table; columns that have no text in any row are left out.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<(Tone, String)>>,
}

const GAP: usize = 2;

impl Table {
    pub(crate) fn new(columns: impl IntoIterator<Item = Column>) -> Self {
        Self { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = (Tone, String)>) {
        self.rows.push(cells.into_iter().collect());
    }

    pub(crate) fn render(&self, canvas: Canvas) -> String {
        let mut widths: Vec<usize> = (0..self.columns.len()).map(|index| self.natural_width(index)).collect();
        self.squeeze(&mut widths, canvas.width);
        let mut text = String::new();
        let titles = self.columns.iter().map(|column| (Tone::Faint, column.title.to_owned()));
        for row in std::iter::once(titles.collect()).chain(self.rows.iter().cloned()) {
            let line = self.line(&row, &widths, canvas);
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn natural_width(&self, index: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(index)).map(|(_, text)| columns(text));
        match cells.max() {
            None | Some(0) => 0,
            Some(widest) => widest.max(self.columns.get(index).map_or(0, |column| columns(column.title))),
        }
    }

    /// Takes the missing room from the columns that give way, the widest first.
    fn squeeze(&self, widths: &mut [usize], room: usize) {
        let used =
            |widths: &[usize]| -> usize { widths.iter().filter(|width| **width > 0).map(|width| width + GAP).sum() };
        let narrowest = |widths: &[usize]| -> Vec<usize> {
            let least = |(width, column): (&usize, &Column)| column.least.map_or(*width, |least| least.min(*width));
            widths.iter().zip(&self.columns).map(least).collect()
        };
        for (index, column) in self.columns.iter().enumerate() {
            if column.presence == Presence::WithRoom && used(&narrowest(widths)) > room + GAP {
                widths[index] = 0;
            }
        }
        while used(widths) > room + GAP {
            let widest = (0..widths.len())
                .filter(|index| self.columns[*index].least.is_some_and(|least| widths[*index] > least))
                .max_by_key(|index| widths[*index]);
            let Some(widest) = widest else { return };
            widths[widest] -= 1;
        }
    }

    fn line(&self, row: &[(Tone, String)], widths: &[usize], canvas: Canvas) -> String {
        let mut line = String::new();
        for ((column, width), (tone, text)) in self.columns.iter().zip(widths).zip(row) {
            if *width == 0 {
                continue;
            }
            if !line.is_empty() {
                line.push_str(&" ".repeat(GAP));
            }
            let text = fit(text, *width, canvas.glyphs);
            let blank = " ".repeat(width - columns(&text));
            let painted = canvas.paint(*tone, &text);
            match column.align {
                Align::Left => line.extend([painted, blank]),
                Align::Right => line.extend([blank, painted]),
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new([
            Column::right("ID"),
            Column::left("NAME").giving_way(4),
            Column::left("NEVER"),
            Column::left("X"),
        ]);
        table.row([
            (Tone::Plain, "9".into()),
            (Tone::Plain, "a-long-name".into()),
            (Tone::Plain, String::new()),
            (Tone::Good, "ok".into()),
        ]);
        table.row([
            (Tone::Plain, "1001".into()),
            (Tone::Plain, "b".into()),
            (Tone::Plain, String::new()),
            (Tone::Bad, "no".into()),
        ]);
        table
    }

    #[test]
    fn columns_line_up_and_empty_ones_go() {
        assert_eq!(
            table().render(Canvas::plain(80)),
            "  ID  NAME         X\n   9  a-long-name  ok\n1001  b            no\n"
        );
    }

    #[test]
    fn what_needs_room_goes_where_there_is_none() {
        let mut table = table();
        table.columns[3].presence = Presence::WithRoom;
        assert_eq!(table.render(Canvas::plain(14)), "  ID  NAME  X\n   9  a-l…  ok\n1001  b     no\n");
        assert_eq!(table.render(Canvas::plain(13)), "  ID  NAME\n   9  a-long…\n1001  b\n");
    }

    #[test]
    fn a_narrow_canvas_cuts_what_gives_way() {
        assert_eq!(table().render(Canvas::plain(16)), "  ID  NAME    X\n   9  a-lon…  ok\n1001  b       no\n");
    }
}
