//! Colours, light and dark. The page has no others; a test checks that each can be told from what it lies on.

use std::fmt::Write as _;

/// How many lines of one chart have colours of their own.
pub(super) const N_SERIES: usize = 6;

/// Shades of the heat map, from few to many.
pub(super) const N_SHADES: usize = 7;

/// Name of a CSS variable, colour by day, colour by night.
type Colour = (&'static str, &'static str, &'static str);

const COLOURS: [Colour; 32] = [
    ("page", "#f4f5f8", "#0d1117"),
    ("card", "#ffffff", "#161b23"),
    ("ink", "#151a22", "#e9edf3"),
    ("soft", "#566072", "#9ba7b7"),
    ("grid", "#e6e9ee", "#262d38"),
    ("edge", "#d5dae2", "#323b48"),
    ("focus", "#1d5fd1", "#7db2ff"),
    ("good", "#17753d", "#4cc38a"),
    ("good-card", "#e8f6ed", "#0f2a1c"),
    ("bad", "#bf2029", "#ff8086"),
    ("bad-card", "#fdeced", "#37161a"),
    ("warn", "#8a5300", "#f1b63a"),
    ("warn-card", "#fff4dd", "#322608"),
    ("calm", "#3f4a5c", "#aab5c4"),
    ("calm-card", "#eceff4", "#1e2530"),
    ("mark", "#8a5300", "#f1b63a"),
    ("s0", "#2160c4", "#6fa8ff"),
    ("s1", "#bb4e00", "#f59b52"),
    ("s2", "#0c7a6f", "#3fcbb8"),
    ("s3", "#7a3dbd", "#bd97f5"),
    ("s4", "#b02a63", "#f387ae"),
    ("s5", "#62700c", "#bccb4c"),
    ("h0", "#d3e4fa", "#1b3557"),
    ("h1", "#accdf4", "#1f4a7c"),
    ("h2", "#7fb0ea", "#2762a3"),
    ("h3", "#528fdb", "#357fca"),
    ("h4", "#2f6cc0", "#5a9fe6"),
    ("h5", "#1b4a94", "#94c4f7"),
    ("h6", "#0c2a5e", "#dcedff"),
    ("bar", "#2160c4", "#6fa8ff"),
    ("total", "#566072", "#9ba7b7"),
    ("shade", "#f7e6e7", "#2b181c"),
];

/// The variables as CSS: by day, by night where the reader's system or the button says so, by day on paper.
pub(super) fn css() -> String {
    let day = variables(|(_, day, _)| day);
    let night = variables(|(_, _, night)| night);
    format!(
        ":root{{color-scheme:light;{day}}}\
         @media (prefers-color-scheme:dark){{:root{{color-scheme:dark;{night}}}}}\
         :root[data-theme=light]{{color-scheme:light;{day}}}:root[data-theme=dark]{{color-scheme:dark;{night}}}\
         @media print{{:root,:root[data-theme]{{color-scheme:light;{day}}}}}"
    )
}

/// Classes of the line with this number in a chart; past the colours there are, lines are dashed.
pub(super) fn series(idx: usize) -> String {
    let dashed = if idx >= N_SERIES { " dashed" } else { "" };
    format!("s{}{dashed}", idx % N_SERIES)
}

fn variables(of: impl Fn(Colour) -> &'static str) -> String {
    COLOURS.iter().fold(String::new(), |mut css, colour| {
        let _infallible = write!(css, "--{}:{};", colour.0, of(*colour));
        css
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// WCAG 2.2, relative luminance.
    fn luminance(colour: &str) -> f64 {
        let channel = |at: usize| {
            let share = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
    }

    /// WCAG 2.2, contrast ratio.
    fn contrast(one: &str, other: &str) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn colour(name: &str) -> (&'static str, &'static str) {
        let (_, day, night) = COLOURS.iter().find(|(other, ..)| *other == name).unwrap();
        (day, night)
    }

    #[track_caller]
    fn check(front: &str, back: &str, ratio_min: f64) {
        let ((day, night), (day_back, night_back)) = (colour(front), colour(back));
        let ratios = (contrast(day, day_back), contrast(night, night_back));
        assert!(ratios.0 >= ratio_min && ratios.1 >= ratio_min, "{front} on {back}: {ratios:?}");
    }

    /// 4.5 for text, 3 for lines and other graphics: WCAG 2.2, 1.4.3 and 1.4.11.
    #[test]
    fn everything_can_be_read_by_day_and_by_night() {
        for back in ["page", "card"] {
            ["ink", "soft", "good", "bad", "warn", "focus"].iter().for_each(|front| check(front, back, 4.5));
            (0..N_SERIES).for_each(|idx| check(&format!("s{idx}"), back, 3.0));
        }
        for name in ["good", "bad", "warn", "calm"] {
            check(name, &format!("{name}-card"), 4.5);
            check("ink", &format!("{name}-card"), 4.5);
        }
        ["mark", "bar", "total"].iter().for_each(|front| check(front, "card", 3.0));
        check("soft", "shade", 4.5);
    }

    #[test]
    fn shades_grow_away_from_the_card() {
        let steps = |of: fn((&'static str, &'static str)) -> &'static str| {
            let shades =
                (0..N_SHADES).map(|idx| contrast(of(colour(&format!("h{idx}"))), of(colour("card"))));
            shades.collect::<Vec<f64>>()
        };
        for shades in [steps(|colours| colours.0), steps(|colours| colours.1)] {
            assert!(shades[0] > 1.15, "{shades:?}");
            assert!(shades.windows(2).all(|pair| pair[1] > pair[0] * 1.15), "{shades:?}");
        }
    }

    #[test]
    fn css_has_each_colour_five_times() {
        assert_eq!(css().matches("--s0:").count(), 5);
        assert_eq!((series(1), series(7)), ("s1".to_owned(), "s1 dashed".to_owned()));
    }
}
