//! Reads tables of a TOML file key by key, and remembers what was wrong and where everything was written. Which keys there
//! are follows from which are asked for.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::suggest::nearest;

/// Begins what stands for a key where there is none.
const NO_KEY: char = '\n';

/// Something that cannot be, by its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Flaw {
    /// With dots: `chaos[2].trouble`.
    pub(super) key: String,
    /// What is there, and what may be.
    pub(super) message: String,
}

impl Flaw {
    pub(super) fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

/// `feeds.n: 0, expected 1 or more`.
impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, message } = self;
        if key.starts_with(NO_KEY) { f.write_str(message) } else { write!(f, "{key}: {message}") }
    }
}

/// Where keys were written; keys that were not have no place.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    file: PathBuf,
    /// Line and column, from 1.
    by_key: BTreeMap<String, (usize, usize)>,
}

impl Places {
    /// `FILE:LINE:COLUMN: KEY: MESSAGE`, or without the place where nobody wrote it. Sorted as they were written.
    pub(super) fn tell(&self, flaws: &[Flaw]) -> String {
        let mut placed: Vec<_> = flaws.iter().map(|flaw| (self.place(&flaw.key), flaw)).collect();
        placed.sort();
        let lines = placed.into_iter().map(|(place, flaw)| match place {
            Some((line, column)) => format!("{}:{line}:{column}: {flaw}", self.file.display()),
            None => flaw.to_string(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// Of the key, or of the table that it is missing in.
    fn place(&self, key: &str) -> Option<(usize, usize)> {
        let mut key = key;
        loop {
            if let Some(place) = self.by_key.get(key) {
                return Some(*place);
            }
            key = key.get(..key.rfind(['.', '['])?)?;
        }
    }

    fn put(&mut self, key: &str, text: &str, at: usize) {
        let before = text.get(..at).unwrap_or(text);
        let start = before.rfind('\n').map_or(0, |end| end + 1);
        let line = before.matches('\n').count() + 1;
        let column = before.get(start..).map_or(0, |line| line.chars().count()) + 1;
        self.by_key.insert(key.to_owned(), (line, column));
    }
}

/// A file that is being read.
pub(super) struct Page<'a> {
    text: &'a str,
    places: RefCell<Places>,
    flaws: RefCell<Vec<Flaw>>,
}

impl<'a> Page<'a> {
    /// Reads `text` with `read`. All that is wrong is told at once.
    pub(super) fn read<T>(
        file: &Path,
        text: &'a str,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Result<(T, Places), String> {
        let places = Places { file: file.to_owned(), ..Places::default() };
        let page = Self { text, places: RefCell::new(places), flaws: RefCell::default() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            // A key of its own for each, which no table has.
            let key = format!("{NO_KEY}{}", page.flaws.borrow().len());
            page.place(&key, error.span().map_or(0, |span| span.start));
            page.flaws.borrow_mut().push(Flaw::new(key, error.message()));
        }
        let mut root =
            Section { page: &page, path: String::new(), table: Some(table.get_ref()), asked: Vec::new() };
        let value = errors.is_empty().then(|| read(&mut root));
        if value.is_some() {
            root.finish();
        }
        let (places, flaws) = (page.places.into_inner(), page.flaws.into_inner());
        match value {
            Some(value) if flaws.is_empty() => Ok((value, places)),
            _ => Err(places.tell(&flaws)),
        }
    }

    fn place(&self, key: &str, at: usize) {
        self.places.borrow_mut().put(key, self.text, at);
    }

    fn flaw(&self, key: String, message: impl Into<String>) {
        self.flaws.borrow_mut().push(Flaw::new(key, message));
    }
}

/// A table; one that is not there has no key.
pub(super) struct Section<'p> {
    page: &'p Page<'p>,
    path: String,
    table: Option<&'p DeTable<'p>>,
    asked: Vec<&'static str>,
}

impl<'p> Section<'p> {
    /// The value of `key`, if `read` can read it.
    fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&DeValue<'_>) -> Result<T, String>,
    ) -> Option<T> {
        match read(self.find(key)?) {
            Ok(value) => Some(value),
            Err(message) => {
                self.flaw(key, message);
                None
            }
        }
    }

    fn find(&mut self, key: &'static str) -> Option<&'p DeValue<'p>> {
        self.asked.push(key);
        let (name, value) = self.table?.iter().find(|(name, _)| name.get_ref() == key)?;
        self.page.place(&self.key(key), name.span().start);
        Some(value.get_ref())
    }

    /// Whether the file says something of `key`.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.is_some_and(|table| table.iter().any(|(name, _)| name.get_ref() == key))
    }

    /// Tells that `key` is wrong.
    pub(super) fn flaw(&self, key: &str, message: impl Into<String>) {
        self.page.flaw(self.key(key), message);
    }

    fn key(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// A text.
    pub(super) fn text(&mut self, key: &'static str) -> Option<String> {
        self.take(key, |value| text(value).map(str::to_owned))
    }

    /// A text that `parse` understands.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.take(key, |value| parse(text(value)?))
    }

    /// A text or a number that `parse` understands as a text.
    pub(super) fn written<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.take(key, |value| match value {
            DeValue::Integer(number) => parse(number.as_str()),
            DeValue::Float(number) => parse(number.as_str()),
            other => parse(text(other)?),
        })
    }

    /// An integer of at least `min`.
    pub(super) fn count<T: TryFrom<i64>>(&mut self, key: &'static str, min: i64) -> Option<T> {
        self.take(key, |value| {
            let wrong = || format!("{}, expected an integer, {min} or more", shown(value));
            let number = value.as_integer().and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
            number
                .filter(|number| *number >= min)
                .and_then(|number| T::try_from(number).ok())
                .ok_or_else(wrong)
        })
    }

    /// A number of at least 0.
    pub(super) fn number(&mut self, key: &'static str) -> Option<f64> {
        self.take(key, |value| {
            let float = value.as_float().map(|number| number.as_str());
            let number = float.or_else(|| value.as_integer().map(|number| number.as_str()));
            let number = number.and_then(|number| number.parse::<f64>().ok());
            let number = number.filter(|number| *number >= 0.0 && number.is_finite());
            number.ok_or_else(|| format!("{}, expected a number, 0 or more", shown(value)))
        })
    }

    /// Texts that `parse` understands; those that it does not are told one by one.
    pub(super) fn each<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let found = self.find(key)?;
        let Some(elements) = found.as_array() else {
            self.flaw(key, format!("{}, expected an array of texts", shown(found)));
            return None;
        };
        let mut values = Vec::new();
        for (idx, element) in elements.iter().enumerate() {
            let path = format!("{}[{idx}]", self.key(key));
            self.page.place(&path, element.span().start);
            match text(element.get_ref()).and_then(&parse) {
                Ok(value) => values.push(value),
                Err(message) => self.page.flaw(path, message),
            }
        }
        Some(values)
    }

    /// A table whose keys are free, and whose values are texts.
    pub(super) fn texts(&mut self, key: &'static str) -> BTreeMap<String, String> {
        let read = |value: &DeValue<'_>| {
            let table =
                value.as_table().ok_or_else(|| format!("{}, expected a table of texts", shown(value)))?;
            let entries = table.iter().map(|(name, value)| {
                let value = text(value.get_ref()).map_err(|why| format!("{}: {why}", name.get_ref()))?;
                Ok((name.get_ref().to_string(), value.to_owned()))
            });
            entries.collect()
        };
        self.take(key, read).unwrap_or_default()
    }

    /// A table whose keys and values are free.
    pub(super) fn free(&mut self, key: &'static str) -> Map<String, Value> {
        let read = |value: &DeValue<'_>| match json(value)? {
            Value::Object(entries) => Ok(entries),
            _ => Err(format!("{}, expected a table", shown(value))),
        };
        self.take(key, read).unwrap_or_default()
    }

    /// A table whose keys are free, and whose values are arrays of texts, numbers, true and false; in the order of the file.
    pub(super) fn axes(&mut self, key: &'static str) -> Vec<(String, Vec<Value>)> {
        let Some(found) = self.find(key) else { return Vec::new() };
        let Some(table) = found.as_table() else {
            self.flaw(key, format!("{}, expected a table: [{key}]", shown(found)));
            return Vec::new();
        };
        let mut entries: Vec<_> = table.iter().collect();
        entries.sort_by_key(|(name, _)| name.span().start);
        let mut axes = Vec::new();
        for (name, value) in entries {
            let path = format!("{}.{}", self.key(key), name.get_ref());
            self.page.place(&path, name.span().start);
            match values(value.get_ref()) {
                Ok(values) => axes.push((name.get_ref().to_string(), values)),
                Err(message) => self.page.flaw(path, message),
            }
        }
        axes
    }

    /// A table, read by `read`; one that is not there is read as an empty one.
    pub(super) fn section<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'p>) -> T) -> T {
        let found = self.find(key);
        let table = found.and_then(DeValue::as_table);
        if let (Some(other), None) = (found, table) {
            self.flaw(key, format!("{}, expected a table: [{key}]", shown(other)));
        }
        let mut section = Section { page: self.page, path: self.key(key), table, asked: Vec::new() };
        let value = read(&mut section);
        section.finish();
        value
    }

    /// An array of tables, each read by `read`; those that it cannot read are left out.
    pub(super) fn sections<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&mut Section<'p>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let found = self.find(key)?;
        let Some(elements) = found.as_array() else {
            self.flaw(key, format!("{}, expected tables: [[{key}]]", shown(found)));
            return None;
        };
        let mut values = Vec::new();
        for (idx, element) in elements.iter().enumerate() {
            let path = format!("{}[{idx}]", self.key(key));
            self.page.place(&path, element.span().start);
            let Some(table) = element.get_ref().as_table() else {
                self.page.flaw(path, format!("{}, expected a table", shown(element.get_ref())));
                continue;
            };
            let mut section = Section { page: self.page, path, table: Some(table), asked: Vec::new() };
            values.extend(read(&mut section));
            section.finish();
        }
        Some(values)
    }

    /// Tells of keys that nobody asked for.
    fn finish(&self) {
        for (name, _) in self.table.into_iter().flat_map(|table| table.iter()) {
            let found = name.get_ref().as_ref();
            if self.asked.contains(&found) {
                continue;
            }
            let known = self.asked.join(", ");
            let meant = nearest(found, self.asked.iter().copied());
            let hint = meant.map_or_else(
                || format!(", expected one of {known}"),
                |meant| format!("; did you mean \"{meant}\"?"),
            );
            self.page.place(&self.key(found), name.span().start);
            self.flaw(found, format!("unknown key{hint}"));
        }
    }
}

/// Of an array, none of which is an array or a table.
fn values(value: &DeValue<'_>) -> Result<Vec<Value>, String> {
    let elements = value.as_array();
    let elements = elements
        .ok_or_else(|| format!("{}, expected an array of texts, numbers, true and false", shown(value)))?;
    let scalar = |element: &DeValue<'_>| match json(element)? {
        Value::Array(_) | Value::Object(_) => {
            Err(format!("{}, expected a text, a number, true or false", shown(element)))
        }
        scalar => Ok(scalar),
    };
    elements.iter().map(|element| scalar(element.get_ref())).collect()
}

fn text<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("{}, expected a text in quotes", shown(value)))
}

/// How a value is called in a message.
fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(yes) => yes.to_string(),
        DeValue::Datetime(_) => "a date or time".to_owned(),
        DeValue::Array(_) => "an array".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// The same as JSON.
fn json(value: &DeValue<'_>) -> Result<Value, String> {
    let wrong = || format!("{}, expected what JSON can say", shown(value));
    Ok(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(yes) => Value::Bool(*yes),
        DeValue::Integer(number) => {
            Value::from(i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| wrong())?)
        }
        DeValue::Float(number) => {
            let number = number.as_str().parse().ok().and_then(serde_json::Number::from_f64);
            Value::Number(number.ok_or_else(wrong)?)
        }
        DeValue::Datetime(_) => return Err(wrong()),
        DeValue::Array(elements) => {
            Value::Array(elements.iter().map(|element| json(element.get_ref())).collect::<Result<_, _>>()?)
        }
        DeValue::Table(table) => {
            let entries =
                table.iter().map(|(key, value)| Ok((key.get_ref().to_string(), json(value.get_ref())?)));
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
    })
}
