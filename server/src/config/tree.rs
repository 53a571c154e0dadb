//! A TOML file as a tree of values that know where they were written. Knows no key.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::flaw::{ConfigError, Flaw};

/// How a date is called: no key is one.
pub(super) const A_DATE: &str = "a date or time";

/// What a file says, and where.
pub(super) struct Tree<'a> {
    text: &'a str,
    /// Where lines begin, bytes.
    lines: Vec<usize>,
    /// Everything that JSON can say; `null` for what it cannot.
    pub(super) root: Value,
    /// Where keys and array elements begin, bytes, by their path.
    places: BTreeMap<String, usize>,
    /// What `null` stands for, by its path.
    odd: BTreeMap<String, String>,
}

impl<'a> Tree<'a> {
    /// Reads `text`; errors are those of TOML.
    pub(super) fn parse(text: &'a str) -> Result<Self, Vec<ConfigError>> {
        let lines = [0].into_iter().chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        let (places, odd) = (BTreeMap::new(), BTreeMap::new());
        let mut tree = Self { text, lines, root: Value::Null, places, odd };
        let (table, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            tree.root = tree.table(table.get_ref(), "");
            return Ok(tree);
        }
        let told = errors.iter().map(|error| {
            let at = error.span().map_or(0, |span| span.start);
            tree.error_at(at, Flaw::new("", error.message()))
        });
        let mut told: Vec<ConfigError> = told.collect();
        told.sort();
        told.dedup();
        Err(told)
    }

    /// The same flaw where it was written, or where what holds it was.
    pub(super) fn error(&self, flaw: Flaw) -> ConfigError {
        let mut key = flaw.key.as_str();
        loop {
            if let Some(at) = self.places.get(key) {
                return self.error_at(*at, flaw);
            }
            match parent(key) {
                Some(outer) => key = outer,
                None => return self.error_at(0, flaw),
            }
        }
    }

    /// What is written at `path` where its value is `null`.
    pub(super) fn odd(&self, path: &str) -> Option<&str> {
        self.odd.get(path).map(String::as_str)
    }

    fn error_at(&self, at: usize, flaw: Flaw) -> ConfigError {
        ConfigError::new(self.position(at), flaw)
    }

    /// Line and column, from 1, of the byte at `at`; at the very end of a file, of its last line that has something.
    fn position(&self, at: usize) -> (usize, usize) {
        let at = if at >= self.text.len() { self.text.trim_end_matches('\n').len() } else { at };
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(0, |before| before.chars().count()) + 1;
        (line, column)
    }

    fn table(&mut self, table: &DeTable<'_>, path: &str) -> Value {
        let mut values = Map::new();
        for (key, value) in table.iter() {
            let path = join(path, key.get_ref());
            self.places.insert(path.clone(), key.span().start);
            let value = self.value(value, &path);
            values.insert(key.get_ref().to_string(), value);
        }
        Value::Object(values)
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, path: &str) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(yes) => Value::Bool(*yes),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(integer) => Value::Number(integer.into()),
                Err(_) => self.no_json(path, number.as_str()),
            },
            DeValue::Float(number) => {
                let finite = number.as_str().parse().ok().and_then(Number::from_f64);
                finite.map_or_else(|| self.no_json(path, number.as_str()), Value::Number)
            }
            DeValue::Datetime(_) => self.no_json(path, A_DATE),
            DeValue::Table(table) => self.table(table, path),
            DeValue::Array(elements) => {
                let elements = elements.iter().enumerate().map(|(idx, element)| {
                    let path = format!("{path}[{idx}]");
                    self.places.insert(path.clone(), element.span().start);
                    self.value(element, &path)
                });
                Value::Array(elements.collect())
            }
        }
    }

    fn no_json(&mut self, path: &str, written: &str) -> Value {
        self.odd.insert(path.to_owned(), written.to_owned());
        Value::Null
    }
}

/// The path of `key` in the table at `path`, quoted where TOML would have it so.
pub(super) fn join(path: &str, key: &str) -> String {
    let is_bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    let key = if is_bare { key.to_owned() } else { format!("{key:?}") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The path of what holds that which is at `path`.
fn parent(path: &str) -> Option<&str> {
    let quoted = |path: &str| {
        let inner = path.strip_suffix('"')?;
        inner.rfind('"').map(|open| open.saturating_sub(1))
    };
    let cut = quoted(path).or_else(|| path.rfind(['.', '[']))?;
    path.get(..cut)
}
