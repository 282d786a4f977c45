//! The page of `runledger report` looks like the kept screenshots: each section, at three widths, light and dark. The
//! comparison is loose, so that other versions of fonts and browsers pass. A section that is missing, a page without
//! its style or a chart without colours does not pass.
//!
//! A kept screenshot is in `tests/data/screenshots`. Its first column is black beside a section, and a white row ends
//! each section. Every other pixel is the mean grey of a square of the page. `UPDATE_GOLDEN=1` keeps new screenshots.

use std::fs;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};

use crate::children::has_tool;
use crate::commands::Place;
use crate::report::page;
use crate::report_browser::{WIDTHS, browser, place_with_quotas};

/// The height of a screenshot, which is more than that of the page.
const HEIGHT: usize = 16_000;
/// The side of the square of the page that becomes a pixel.
const SQUARE: usize = 16;
/// The number of levels of grey.
const LEVELS: u8 = 16;
/// How many parts of a section are compared, across and down.
const PARTS: [usize; 2] = [12, 6];
/// The largest accepted differences of a section, in levels from 0 to 255: the mean of all parts, and a single part.
const MEAN_MAX: f64 = 8.0;
const PART_MAX: f64 = 64.0;
/// The largest accepted ratio of two heights of a section.
const RATIO_MAX: f64 = 1.35;

/// The width at which the test shows pages that differ from the kept page.
const NARROW: u32 = WIDTHS[0];

/// Marks the sections at their left, without moving anything.
const MARK: &str = "<style>section { box-shadow: -9px 0 0 #f0f !important }</style></head>";

/// A picture in grey: one row of pixels after the other.
#[derive(Debug, Clone, PartialEq)]
struct Grey {
    width: usize,
    pixels: Vec<u8>,
}

impl Grey {
    fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    /// Returns the mean of a part, whose edges can be within pixels.
    fn mean(&self, [left, right]: [f64; 2], [top, bottom]: [f64; 2]) -> f64 {
        let (mut sum, mut area) = (0.0, 0.0);
        let shares = |from: f64, to: f64, count: usize| {
            let last = (to.ceil() as usize).min(count);
            (from as usize..last).map(move |at| (at, to.min(at as f64 + 1.0) - from.max(at as f64)))
        };
        for (y, down) in shares(top, bottom, self.height()) {
            for (x, across) in shares(left, right, self.width) {
                sum += f64::from(self.pixels[y * self.width + x]) * across * down;
                area += across * down;
            }
        }
        sum / area
    }

    /// Returns the means of the parts.
    fn parts(&self) -> Vec<f64> {
        let [across, down] = PARTS;
        let ends = |at: usize, count: usize, all: usize| [at, at + 1].map(|at| (at * all) as f64 / count as f64);
        let rows = (0..down).map(|row| ends(row, down, self.height()));
        rows.flat_map(|rows| (0..across).map(move |at| (ends(at, across, self.width), rows)))
            .map(|(columns, rows)| self.mean(columns, rows))
            .collect()
    }
}

/// Reads an image with 8 bits for each colour, or with grey only. Returns its width and its pixels as red, green and
/// blue.
fn read(path: &Path) -> (usize, Vec<[u8; 3]>) {
    let mut decoder = png::Decoder::new(BufReader::new(fs::File::open(path).unwrap()));
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().unwrap();
    let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut bytes).unwrap();
    let pixels = bytes[..info.buffer_size()].chunks(info.color_type.samples());
    let colour = |pixel: &[u8]| if let [r, g, b, ..] = *pixel { [r, g, b] } else { [pixel[0]; 3] };
    (info.width as usize, pixels.map(colour).collect())
}

/// Takes one picture of all pages side by side, each at its width. Returns the sections of each page, scaled down. To
/// start a browser takes much longer than to show another page.
fn sections(directory: &Path, pages: &[(&str, u32)], dark: bool) -> Vec<Vec<Grey>> {
    let (mut frames, mut left) = (String::new(), 0);
    for (number, (page, width)) in pages.iter().enumerate() {
        fs::write(directory.join(format!("marked-{number}.html")), page.replacen("</head>", MARK, 1)).unwrap();
        // A window has a smallest width, and a frame has none.
        frames += &format!(
            "<iframe src=\"marked-{number}.html\" width=\"{width}\" height=\"{HEIGHT}\"\
             style=\"border:0;position:absolute;top:0;left:{left}px\"></iframe>"
        );
        left += width;
    }
    let frame = "<!doctype html><meta name=\"color-scheme\" content=\"light dark\"><body style=\"margin:0\">";
    fs::write(directory.join("frame.html"), format!("{frame}{frames}</body>")).unwrap();
    let picture = directory.join("picture.png");
    let output = browser(directory, dark)
        .args([format!("--screenshot={}", picture.display()), format!("--window-size={left},{HEIGHT}")])
        .arg(format!("file://{}", directory.join("frame.html").display()))
        .output()
        .unwrap();
    assert!(picture.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    let (all, pixels) = read(&picture);
    fs::remove_file(&picture).unwrap();
    let mut left = 0;
    let widths = pages.iter().map(|(_, width)| *width as usize);
    widths
        .map(|width| {
            left += width;
            sections_of(&pixels.chunks(all).map(|row| &row[left - width..left]).collect::<Vec<_>>())
        })
        .collect()
}

/// Returns the sections of the picture of one page, scaled down.
fn sections_of(rows: &[&[[u8; 3]]]) -> Vec<Grey> {
    let is_mark = |[red, green, blue]: [u8; 3]| red > 230 && green < 30 && blue > 230;
    let Some(mark) = rows.iter().filter_map(|row| row.iter().position(|pixel| is_mark(*pixel))).min() else {
        return Vec::new();
    };
    let mut sections: Vec<Vec<&[[u8; 3]]>> = Vec::new();
    let mut was_marked = false;
    for row in rows {
        let is_marked = is_mark(row[mark]);
        if is_marked && !was_marked {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut().filter(|_| is_marked) {
            section.push(*row);
        }
        was_marked = is_marked;
    }
    sections.iter().map(|rows| scaled(rows, mark + 9)).collect()
}

/// Returns the mean greys of the squares of the rows, without the first and the last `left` columns.
fn scaled(rows: &[&[[u8; 3]]], left: usize) -> Grey {
    let width = rows[0].len().saturating_sub(2 * left) / SQUARE;
    let grey =
        |[red, green, blue]: [u8; 3]| (299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1000;
    let squares = rows.chunks_exact(SQUARE).flat_map(|rows| {
        (0..width).map(|at| {
            let pixels = rows.iter().flat_map(|row| &row[left + at * SQUARE..left + (at + 1) * SQUARE]);
            let mean = pixels.map(|pixel| grey(*pixel)).sum::<u32>() / (SQUARE * SQUARE) as u32;
            let step = 255 / u32::from(LEVELS - 1);
            ((mean + step / 2) / step * step) as u8
        })
    });
    Grey { width, pixels: squares.collect() }
}

fn kept(width: u32, dark: bool) -> PathBuf {
    let shade = if dark { "dark" } else { "light" };
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/screenshots/report-{width}-{shade}.png"))
}

/// Writes sections one below the other, each followed by a white row.
fn keep(sections: &[Grey], path: &Path) {
    let width = sections[0].width + 1;
    let mut pixels = Vec::new();
    for section in sections {
        for row in section.pixels.chunks(section.width) {
            pixels.push(0);
            pixels.extend(row);
        }
        pixels.extend(vec![255; width]);
    }
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let file = BufWriter::new(fs::File::create(path).unwrap());
    let mut encoder = png::Encoder::new(file, width as u32, (pixels.len() / width) as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_compression(png::Compression::High);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

fn read_kept(path: &Path) -> Vec<Grey> {
    let (width, pixels) = read(path);
    let rows: Vec<_> = pixels.chunks(width).collect();
    let sections = rows.split(|row| row[0] == [255; 3]).filter(|rows| !rows.is_empty());
    let grey = |rows: &[&[[u8; 3]]]| rows.iter().flat_map(|row| row[1..].iter().map(|pixel| pixel[0])).collect();
    sections.map(|rows| Grey { width: width - 1, pixels: grey(rows) }).collect()
}

/// Returns how the sections differ from the kept ones.
fn differences(seen: &[Grey], kept: &[Grey]) -> Vec<String> {
    if seen.len() != kept.len() {
        return vec![format!("{} sections instead of {}", seen.len(), kept.len())];
    }
    let mut found = Vec::new();
    for (at, (seen, kept)) in seen.iter().zip(kept).enumerate() {
        let heights = [seen.height().max(1), kept.height().max(1)].map(|height| height as f64);
        let ratio = f64::max(heights[0] / heights[1], heights[1] / heights[0]);
        // If a section has only a few rows, one more row changes the ratio a lot.
        if ratio > RATIO_MAX && (heights[0] - heights[1]).abs() > 3.0 {
            found.push(format!("section {at}: heights {heights:?}"));
            continue;
        }
        let parts: Vec<_> = seen.parts().iter().zip(kept.parts()).map(|(one, other)| (one - other).abs()).collect();
        let mean = parts.iter().sum::<f64>() / parts.len() as f64;
        let largest = parts.iter().copied().fold(0.0, f64::max);
        if mean > MEAN_MAX || largest > PART_MAX {
            found.push(format!("section {at}: mean {mean:.1}, largest {largest:.1}"));
        }
        if std::env::var_os("SHOW_DIFFERENCES").is_some() {
            println!("section {at}: {ratio:.2} mean {mean:.1}, largest {largest:.1}");
        }
    }
    found
}

#[test]
fn the_page_looks_like_the_kept_screenshots() {
    if !has_tool("chromium", "the page of `report` in a browser") {
        return;
    }
    let place: Place = place_with_quotas();
    let directory = place.directory.path();
    let page = page(&place, "--limits limits.json --until 2026-11-16");
    for dark in [false, true] {
        let seen = sections(directory, &WIDTHS.map(|width| (page.as_str(), width)), dark);
        for (seen, width) in seen.iter().zip(WIDTHS) {
            let path = kept(width, dark);
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                keep(seen, &path);
            }
            assert!(fs::metadata(&path).unwrap().len() < 16_000, "{}", path.display());
            assert_eq!(differences(seen, &read_kept(&path)), [""; 0], "{width} {dark}");
        }
    }

    let with = |style: &str| page.replacen("</style>", &format!("{style}</style>"), 1);
    // Other fonts, a little larger or smaller, are no difference.
    let other = ["body { font-family: serif }", "body { font-size: 15px }", "body { line-height: 1.6 }"].map(with);
    // A change that a person would see is a difference.
    let (start, end) = (page.find("<style>").unwrap(), page.find("</style>").unwrap());
    let unstyled = page[..start].to_owned() + &page[end + "</style>".len()..];
    let of_failures = page.find("<p class=\"eyebrow\">Failures").unwrap();
    let start = page[..of_failures].rfind("<section>").unwrap();
    let end = start + page[start..].find("</section>").unwrap() + "</section>".len();
    let shorter = page[..start].to_owned() + &page[end..];
    let broken = [
        ("no style", unstyled),
        ("no section of failures", shorter),
        ("white bars", with(".bars rect { fill: #fff !important }")),
        ("no chart", with(".chart { display: none }")),
        ("no tables", with("table { display: none }")),
        ("black", with("body { background: #000 }")),
    ];
    // On a narrow page, the bars are too small to be compared.
    let width = |what: &str| if what == "white bars" { WIDTHS[1] } else { NARROW };
    let pages: Vec<_> = other.iter().map(|page| (page.as_str(), NARROW)).collect();
    let pages = [pages, broken.iter().map(|(what, page)| (page.as_str(), width(what))).collect()].concat();
    let seen = sections(directory, &pages, false).into_iter().zip(&pages);
    let found: Vec<_> = seen.map(|(seen, (_, width))| differences(&seen, &read_kept(&kept(*width, false)))).collect();
    let (of_other, of_broken) = found.split_at(other.len());
    assert_eq!(of_other, vec![Vec::<String>::new(); other.len()], "other fonts");
    for ((what, broken), found) in broken.iter().zip(of_broken) {
        assert_ne!(*broken, page, "{what}");
        assert!(!found.is_empty(), "{what} is not seen");
    }
}
