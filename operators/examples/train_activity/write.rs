//! The trained net as Rust source.

use std::fmt::Write as _;
use std::path::Path;

use crate::net::{N_HIDDEN, N_KINDS, Net};

/// What was trained on, word for word.
const PACKAGES: &str = include_str!("../../train/packages.txt");

/// Writes the weights of `net` to `path`, with where they come from.
pub(crate) fn model(
    path: &Path,
    net: &Net,
    n_examples: [usize; 2],
    recalls: [[f32; N_KINDS]; 2],
) -> Result<(), Box<dyn std::error::Error>> {
    let (hidden, output) = net.folded();
    let mut source = String::from(
        "//! Weights of the activity model. Generated: do not edit, run `make train-activity`.\n//!\n\
         //! By `operators/examples/train_activity` on made programmes from the audio that `operators/train/fetch.sh`\n\
         //! gets: every fifth recording was kept apart to judge by.\n",
    );
    for (name, n, recall) in
        [("Trained on", n_examples[0], recalls[0]), ("Judged by", n_examples[1], recalls[1])]
    {
        writeln!(
            source,
            "//! {name} {n} looks; taken for what they are: speech {:.3}, music {:.3}, noise {:.3}.",
            recall[0], recall[1], recall[2]
        )?;
    }
    source.push_str("//!\n//! Packages: the wheel moonshine-voice 0.1.5, and of Debian 12\n");
    for line in PACKAGES.lines().filter(|line| !line.starts_with('#')) {
        let mut words = line.split(' ').skip(1);
        let (name, version) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        writeln!(source, "//! - {name} {version}")?;
    }
    source.push_str("\nuse super::features::N_FEATURES;\nuse crate::hop::N_KINDS;\n\n");
    writeln!(source, "/// Hidden units.\npub(super) const N_HIDDEN: usize = {N_HIDDEN};\n")?;
    rows(
        &mut source,
        "Rows of a weight for each feature and one more",
        "HIDDEN",
        "[[f32; N_FEATURES + 1]; N_HIDDEN]",
        &hidden,
    )?;
    source.push('\n');
    rows(
        &mut source,
        "Rows of a weight for each hidden unit and one more",
        "OUTPUT",
        "[[f32; N_HIDDEN + 1]; N_KINDS]",
        &output,
    )?;
    std::fs::write(path, source)?;
    Ok(())
}

fn rows(source: &mut String, doc: &str, name: &str, shape: &str, rows: &[Vec<f32>]) -> std::fmt::Result {
    writeln!(source, "/// {doc}.\n#[rustfmt::skip]\npub(super) static {name}: {shape} = [")?;
    for row in rows {
        let mut line = String::from("    [");
        for (i, weight) in row.iter().enumerate() {
            let weight = format!("{weight:.4e}");
            if line.len() + weight.len() > 106 {
                writeln!(source, "{}", line.trim_end())?;
                line = String::from("     ");
            }
            write!(line, "{weight}{}", if i + 1 < row.len() { ", " } else { "]," })?;
        }
        writeln!(source, "{line}")?;
    }
    source.push_str("];\n");
    Ok(())
}
