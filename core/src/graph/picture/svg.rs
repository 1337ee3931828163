//! Drawing boxes and arrows as SVG.

use std::fmt::Write as _;

use super::Picture;
use super::layout::rows;

const LINE: f64 = 16.0;
const PAD: f64 = 10.0;
const GAP_X: f64 = 24.0;
const GAP_Y: f64 = 48.0;
/// Width of a character of the 13 px sans-serif font, on average.
const CHARACTER: f64 = 7.2;

pub(super) fn is_dark(shade: f64) -> bool {
    shade > 0.72
}

/// From pale yellow (first) over green to dark blue (last), readable without colours by lightness alone.
pub(super) fn colour(shade: f64) -> String {
    let stops = [
        (253.0, 245.0, 200.0),
        (127.0, 205.0, 187.0),
        (34.0, 94.0, 168.0),
    ];
    let x = shade.clamp(0.0, 1.0) * 2.0;
    let (a, b, t) = if x < 1.0 {
        (stops[0], stops[1], x)
    } else {
        (stops[1], stops[2], x - 1.0)
    };
    let mix = |a: f64, b: f64| (a + (b - a) * t).round() as u8;
    format!(
        "#{:02x}{:02x}{:02x}",
        mix(a.0, b.0),
        mix(a.1, b.1),
        mix(a.2, b.2)
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

pub(super) fn draw(p: &Picture) -> String {
    let rows = rows(p.nodes.len(), &p.edges);
    let size = |n: usize| {
        let widest = p.nodes[n]
            .lines
            .iter()
            .map(|l| l.chars().count())
            .max()
            .unwrap_or(0);
        (
            widest as f64 * CHARACTER + 2.0 * PAD,
            p.nodes[n].lines.len() as f64 * LINE + 2.0 * PAD - 4.0,
        )
    };
    let row_width = |r: &Vec<usize>| r.iter().map(|&n| size(n).0 + GAP_X).sum::<f64>();
    let width = rows.iter().map(row_width).fold(0.0, f64::max) + GAP_X;
    let row_height: Vec<f64> = rows
        .iter()
        .map(|r| r.iter().map(|&n| size(n).1).fold(0.0, f64::max))
        .collect();
    let height = row_height.iter().map(|h| h + GAP_Y).sum::<f64>() + GAP_Y;

    // Sources at the bottom, results at the top, as Dask draws them.
    let mut at = vec![(0.0, 0.0); p.nodes.len()];
    let mut y = height - GAP_Y;
    for (r, h) in rows.iter().zip(&row_height) {
        y -= h;
        let mut x = (width - row_width(r)) / 2.0 + GAP_X;
        for &n in r {
            at[n] = (x, y);
            x += size(n).0 + GAP_X;
        }
        y -= GAP_Y;
    }

    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<defs><marker id=\"a\" viewBox=\"0 0 8 8\" refX=\"8\" refY=\"4\" markerWidth=\"7\" \
         markerHeight=\"7\" orient=\"auto\"><path d=\"M0 0L8 4L0 8z\" fill=\"#555\"/></marker></defs>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for &(from, to) in &p.edges {
        let (w, _) = size(from);
        let (x1, y1) = (at[from].0 + w / 2.0, at[from].1);
        let (w, h) = size(to);
        let (x2, y2) = (at[to].0 + w / 2.0, at[to].1 + h);
        let mid = (y1 + y2) / 2.0;
        let _ = writeln!(
            out,
            "<path d=\"M{x1:.1} {y1:.1}C{x1:.1} {mid:.1} {x2:.1} {mid:.1} {x2:.1} {y2:.1}\" fill=\"none\" stroke=\"#555\" \
             stroke-opacity=\"0.6\" marker-end=\"url(#a)\"/>"
        );
    }
    for (n, node) in p.nodes.iter().enumerate() {
        let ((x, y), (w, h)) = (at[n], size(n));
        let (fill, ink) = (
            colour(node.shade),
            if is_dark(node.shade) { "white" } else { "#111" },
        );
        let pen = if node.wanted { 3 } else { 1 };
        let _ = writeln!(
            out,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{w:.1}\" height=\"{h:.1}\" rx=\"6\" fill=\"{fill}\" stroke=\"#333\" stroke-width=\"{pen}\"/>"
        );
        for (i, line) in node.lines.iter().enumerate() {
            let weight = if i == 0 { " font-weight=\"bold\"" } else { "" };
            let ty = y + PAD + LINE * (i as f64 + 0.65);
            let _ = writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{ty:.1}\" text-anchor=\"middle\" fill=\"{ink}\"{weight}>{}</text>",
                x + w / 2.0,
                escape(line)
            );
        }
    }
    out + "</svg>\n"
}
