//! Writes the files of a report into a folder.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Report, hgrm, hlog, html};
use crate::failure::Failure;

/// Writes `report.json`, `report.html`, `latencies.hlog` and a `.hgrm` for each figure; existing ones are replaced. The
/// folder is made. Returns what was written.
pub fn leave(report: &Report, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let at = |path: &Path| format!("cannot write {}", path.display());
    fs::create_dir_all(folder).map_err(|error| Failure::runtime(&at(folder), error))?;
    let mut files = vec![
        ("report.json".to_owned(), report.to_json()),
        ("report.html".to_owned(), html::page(report)),
        ("latencies.hlog".to_owned(), hlog(report)),
    ];
    for figure in &report.figures {
        let latencies = figure.latency.latencies().map_err(Failure::Runtime)?;
        files.push((format!("{}.hgrm", file_name(&figure.name)), hgrm(&latencies)));
    }
    let write = |(name, text): (String, String)| {
        let path = folder.join(name);
        fs::write(&path, text).map_err(|error| Failure::runtime(&at(&path), error))?;
        Ok(path)
    };
    files.into_iter().map(write).collect()
}

/// A report that was read may name its figures as it likes.
fn file_name(figure: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    figure.chars().map(kept).collect::<String>().trim_start_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::report::tests::synthetic;

    #[test]
    fn all_files_lie_in_the_folder_and_are_not_empty() {
        let folder = tempfile::tempdir().unwrap();
        let mut report = synthetic::report(1, 2, 5);
        report.figures[0].name = "../../etc/passwd".to_owned();
        let paths = leave(&report, &folder.path().join("new")).unwrap();
        assert_eq!(paths.len(), 3 + report.figures.len());
        for path in &paths {
            assert_eq!(path.parent(), Some(folder.path().join("new").as_path()), "{}", path.display());
            assert!(fs::metadata(path).unwrap().len() > 100, "{}", path.display());
        }
        let error = leave(&report, Path::new("/proc/nowhere")).unwrap_err().to_string();
        assert!(error.starts_with("cannot write /proc/nowhere: "), "{error}");
    }
}
