//! Draws the README's picture: a screen of `--demo` as SVG.
//!
//! `just screenshot` builds the client and runs this program with it. As a visitor it sends a message, and waits until
//! somebody answers and somebody types. Then it draws the terminal's content cell by cell.
//!
//! `cargo run --example screenshot -- PROGRAM FILE`

use std::collections::BTreeMap;
use std::env::args;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use vt100::{Cell, Color, Parser};

const COLUMNS: NonZeroU16 = NonZeroU16::new(110).expect("columns");
const ROWS: NonZeroU16 = NonZeroU16::new(28).expect("rows");
/// Longest wait for the users of the demo.
const PATIENCE: Duration = Duration::from_mins(2);
/// Message of the visitor in the second room.
const QUESTION: &str = "what does **`merge_ranges`** cost on your machine?";

/// Size of a cell, in units of the picture.
const CELL: (f32, f32) = (8.4, 18.0);
const FONT: &str = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace";
const FOREGROUND: &str = "#d4d4d4";
const BACKGROUND: &str = "#1b1d23";
/// Values of the 16 colours, as a terminal may show them.
const SIXTEEN: [&str; 16] = [
    "#3b4048", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d4d4d4", "#7f848e",
    "#ff7b86", "#b5e890", "#ffd68a", "#7cc4ff", "#dd9cff", "#7fd8e2", "#ffffff",
];

fn main() -> Result<(), Box<dyn Error>> {
    let (Some(program), Some(file), None) = (args().nth(1), args().nth(2), args().nth(3)) else {
        return Err("usage: screenshot PROGRAM FILE".into());
    };
    let screen = visit(&Path::new(&program).canonicalize()?)?;
    std::fs::write(file, picture(&screen))?;
    Ok(())
}

/// Screen at the end of the visit.
fn visit(program: &Path) -> Result<Parser, Box<dyn Error>> {
    let size = PtySize { rows: ROWS.get(), cols: COLUMNS.get(), ..PtySize::default() };
    let pty = native_pty_system().openpty(size)?;
    let mut command = CommandBuilder::new(program);
    command.args(["--demo", "--theme", "dark"]);
    command.env("TERM", "xterm-256color");
    command.env("COLORTERM", "truecolor");
    let mut child = pty.slave.spawn_command(command)?;
    let mut keyboard = pty.master.take_writer()?;
    let mut reader = pty.master.try_clone_reader()?;
    let (sender, output) = sync_channel(1_024);
    std::thread::spawn(move || {
        let mut buffer = [0; 4_096];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            if sender.send(buffer[..count].to_vec()).is_err() {
                return;
            }
        }
    });

    let mut screen = Parser::new(ROWS, COLUMNS, 0);
    wait(&mut screen, &output, "the rooms", |rows| rows.contains("HERE"))?;
    keyboard.write_all(format!("\u{1b}2{QUESTION}\r").as_bytes())?;
    wait(&mut screen, &output, "an answer to the visitor", |rows| {
        rows.contains("@you") && rows.contains("✓") && rows.contains("typing…")
    })?;
    child.kill()?;
    child.wait()?;
    Ok(screen)
}

fn wait(
    screen: &mut Parser,
    output: &Receiver<Vec<u8>>,
    what: &str,
    is_there: impl Fn(&str) -> bool,
) -> Result<(), Box<dyn Error>> {
    let until = Instant::now() + PATIENCE;
    while !is_there(&screen.screen().contents()) {
        let bytes = output
            .recv_timeout(until.saturating_duration_since(Instant::now()))
            .map_err(|_| format!("waited in vain for {what}:\n{}", screen.screen().contents()))?;
        screen.process(&bytes);
    }
    Ok(())
}

/// The screen as SVG: for each run of cells a rectangle if it has a background, and the text above it.
fn picture(screen: &Parser) -> String {
    let (width, height) = (f32::from(COLUMNS.get()) * CELL.0, f32::from(ROWS.get()) * CELL.1);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"-12 -12 {:.0} {:.0}\" font-family=\"{FONT}\" \
         font-size=\"14\">\n<rect x=\"-12\" y=\"-12\" width=\"100%\" height=\"100%\" rx=\"8\" fill=\"{BACKGROUND}\"/>\n",
        width + 24.0,
        height + 24.0
    );
    for row in 0..ROWS.get() {
        for run in runs(screen, row) {
            draw(&mut svg, row, &run);
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Adjacent cells of the same style.
struct Run {
    column: u16,
    cells: u16,
    text: String,
    /// SVG attributes, and the background unless it is the screen's.
    style: (BTreeMap<&'static str, String>, Option<String>),
}

fn runs(screen: &Parser, row: u16) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for column in 0..COLUMNS.get() {
        let Some(cell) = screen.screen().cell(row, column).filter(|cell| !cell.is_wide_continuation()) else {
            continue;
        };
        let text = if cell.has_contents() { cell.contents() } else { " " };
        let cells = if cell.is_wide() { 2 } else { 1 };
        let style = style(cell);
        match runs.last_mut() {
            // A wide character or a sign is drawn separately, because fonts do not keep to the grid there.
            Some(run) if run.style == style && text.is_ascii() && run.text.is_ascii() => {
                run.text.push_str(text);
                run.cells += cells;
            }
            _ => runs.push(Run { column, cells, text: text.to_owned(), style }),
        }
    }
    runs
}

fn style(cell: &Cell) -> (BTreeMap<&'static str, String>, Option<String>) {
    let (mut front, mut back) = (color(cell.fgcolor()), color(cell.bgcolor()));
    if cell.inverse() {
        (front, back) = (
            Some(back.unwrap_or_else(|| BACKGROUND.to_owned())),
            Some(front.unwrap_or_else(|| FOREGROUND.to_owned())),
        );
    }
    let mut attributes = BTreeMap::from([("fill", front.unwrap_or_else(|| FOREGROUND.to_owned()))]);
    let mut set = |is_so: bool, name, value: &str| is_so.then(|| attributes.insert(name, value.to_owned()));
    set(cell.bold(), "font-weight", "bold");
    set(cell.italic(), "font-style", "italic");
    set(cell.underline(), "text-decoration", "underline");
    set(cell.dim(), "opacity", "0.6");
    (attributes, back)
}

fn color(color: Color) -> Option<String> {
    match color {
        Color::Default => None,
        Color::Rgb(r, g, b) => Some(format!("#{r:02x}{g:02x}{b:02x}")),
        Color::Idx(index @ 0..16) => Some(SIXTEEN[usize::from(index)].to_owned()),
        Color::Idx(index @ 16..232) => {
            let level = |step: u8| if step == 0 { 0 } else { 55 + 40 * step };
            let cube = index - 16;
            Some(format!("#{:02x}{:02x}{:02x}", level(cube / 36), level(cube / 6 % 6), level(cube % 6)))
        }
        Color::Idx(index) => {
            let level = 8 + 10 * (index - 232);
            Some(format!("#{level:02x}{level:02x}{level:02x}"))
        }
    }
}

fn draw(svg: &mut String, row: u16, run: &Run) {
    let (x, y) = (f32::from(run.column) * CELL.0, f32::from(row) * CELL.1);
    let width = f32::from(run.cells) * CELL.0;
    let (attributes, fill) = &run.style;
    if let Some(fill) = fill {
        let height = CELL.1;
        let _ = writeln!(
            svg,
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>"
        );
    }
    if run.text.trim().is_empty() {
        return;
    }
    let _ = write!(
        svg,
        "<text x=\"{x:.1}\" y=\"{:.1}\" textLength=\"{width:.1}\" xml:space=\"preserve\"",
        y + 13.5
    );
    for (name, value) in attributes {
        let _ = write!(svg, " {name}=\"{value}\"");
    }
    let text = run.text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, ">{text}</text>");
}
