//! A QR code in half blocks: black on white whatever the terminal's colours are.

use std::fmt::Write;

use qrcode::{Color, EcLevel, QrCode};

/// Draws `text`, if it fits into so many columns.
pub(crate) fn draw(text: &str, columns: usize, with_colors: bool) -> Option<String> {
    // A screen has no scratches, so the lowest level of correction is enough, and the code is smaller for it.
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let width = code.width();
    let quiet = if width + 2 * QUIET <= columns { QUIET } else { 1 };
    if width + 2 * quiet > columns {
        return None;
    }
    let is_light = |x: usize, y: usize| {
        let (x, y) = (x.wrapping_sub(quiet), y.wrapping_sub(quiet));
        x >= width || y >= width || code[(x, y)] == Color::Light
    };
    let side = width + 2 * quiet;
    let mut drawn = String::new();
    for y in (0..side).step_by(2) {
        drawn.push_str(if with_colors { BLACK_ON_WHITE } else { "" });
        for x in 0..side {
            // Below the last row of an odd side there is nothing but paper.
            drawn.push(block(is_light(x, y), is_light(x, y + 1), with_colors));
        }
        let _ = writeln!(drawn, "{}", if with_colors { RESET } else { "" });
    }
    Some(drawn)
}

/// Two modules, one above the other. Without colours the light ones are drawn, as most terminals are dark; scanners read
/// both.
const fn block(is_upper_light: bool, is_lower_light: bool, with_colors: bool) -> char {
    match (is_upper_light == with_colors, is_lower_light == with_colors) {
        (true, true) => ' ',
        (false, true) => '▀',
        (true, false) => '▄',
        (false, false) => '█',
    }
}

/// Light modules around the code. The standard wants four; scanners do with two, and screens are small.
const QUIET: usize = 2;

const BLACK_ON_WHITE: &str = "\x1b[30;107m";
const RESET: &str = "\x1b[0m";

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules that a drawing shows, true for dark ones.
    fn modules(drawn: &str, with_colors: bool) -> Vec<Vec<bool>> {
        let rows = drawn.lines().flat_map(|line| {
            let line = line.trim_start_matches(BLACK_ON_WHITE).trim_end_matches(RESET);
            let drawn_at = |half: char| line.chars().map(move |c| (c == half || c == '█') == with_colors);
            [drawn_at('▀').collect::<Vec<_>>(), drawn_at('▄').collect()]
        });
        rows.collect()
    }

    #[test]
    fn the_code_is_the_same_with_and_without_colors() {
        let link = "https://share.example.org/#v1.j0wdZytDHWwfN2yLjDBLHG3TL46_4s36o56vo3WTKRo";
        let code = QrCode::with_error_correction_level(link, EcLevel::L).unwrap();
        for (columns, quiet) in [(80, 2), (35, 1)] {
            for with_colors in [true, false] {
                let modules = modules(&draw(link, columns, with_colors).unwrap(), with_colors);
                for (y, row) in modules.iter().enumerate() {
                    for (x, is_dark) in row.iter().enumerate() {
                        let inside = quiet..quiet + code.width();
                        let is_inside = inside.contains(&x) && inside.contains(&y);
                        let expected = is_inside && code[(x - quiet, y - quiet)] == Color::Dark;
                        assert_eq!(*is_dark, expected, "{x} {y}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_drawn() {
        assert_eq!(draw("https://share.example.org/", 20, true), None);
    }
}
