//! Holds values against their shape: all that is wrong is told, and put right so that the rest can be looked at.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::flaw::Flaw;
use super::shape::{Key, Shape};
use super::suggest::nearest;
use super::tree::{A_DATE, join};

/// Most characters of a value that are shown.
const SHOWN_MAX: usize = 60;

/// A value that has its shape, after what was wrong was replaced.
pub(super) struct Checked {
    pub(super) value: Value,
    pub(super) flaws: Vec<Flaw>,
}

impl Checked {
    /// Checks `value`; `odd` says what `null` at a path stands for.
    pub(super) fn new<'a>(
        shape: &'a Shape,
        mut value: Value,
        odd: &'a dyn Fn(&str) -> Option<String>,
    ) -> Self {
        let mut walk = Walk { root: shape, odd, flaws: Vec::new() };
        if !walk.is_right(shape, &mut value, "") {
            value = shape.stand_in();
        }
        Self { value, flaws: walk.flaws }
    }

    /// The keys whose values were replaced: nothing that follows from these values is a fault.
    pub(super) fn replaced(&self) -> BTreeSet<String> {
        self.flaws.iter().map(|flaw| flaw.key.clone()).collect()
    }
}

struct Walk<'a> {
    root: &'a Shape,
    odd: &'a dyn Fn(&str) -> Option<String>,
    flaws: Vec<Flaw>,
}

impl Walk<'_> {
    /// Whether `value` as a whole can stay; what is wrong within it is replaced.
    fn is_right(&mut self, shape: &Shape, value: &mut Value, path: &str) -> bool {
        match (shape, value) {
            (Shape::Table(keys), Value::Object(values)) => {
                self.table(keys, values, path);
                true
            }
            (Shape::Map(each), Value::Object(values)) => {
                for (name, value) in values.iter_mut() {
                    self.entry(each, value, &join(path, name));
                }
                true
            }
            (Shape::List(each), Value::Array(values)) => {
                for (idx, value) in values.iter_mut().enumerate() {
                    self.element(each, value, &format!("{path}[{idx}]"));
                }
                true
            }
            (Shape::Either(shapes), value @ (Value::Object(_) | Value::Array(_))) => {
                let fits = |shape: &&Shape| matches!(shape, Shape::Table(_)) == value.is_object();
                match shapes.iter().find(fits) {
                    Some(table @ Shape::Table(_)) => self.is_right(table, value, path),
                    _ => self.wrong(shape, value, path),
                }
            }
            (Shape::Either(shapes), value) => {
                let simple = shapes.iter().any(|shape| why_not(shape, value).is_none());
                simple || self.wrong(shape, value, path)
            }
            (shape, value) => why_not(shape, value).is_none() || self.wrong(shape, value, path),
        }
    }

    fn element(&mut self, shape: &Shape, value: &mut Value, path: &str) {
        if !self.is_right(shape, value, path) {
            *value = shape.stand_in();
        }
    }

    /// A value by a name that is chosen freely, and may have been cut into tables at its dots.
    fn entry(&mut self, shape: &Shape, value: &mut Value, path: &str) {
        if value.is_object() && !matches!(shape, Shape::Table(_) | Shape::Map(_)) {
            let message = format!("a table, expected {}: a name with dots has to be quoted", expected(shape));
            self.flaws.push(Flaw::new(path, message));
            *value = shape.stand_in();
        } else {
            self.element(shape, value, path);
        }
    }

    fn table(&mut self, keys: &[Key], values: &mut Map<String, Value>, path: &str) {
        let unknown = |name: &String| keys.iter().all(|key| key.name != *name);
        let unknown: Vec<String> = values.keys().filter(|name| unknown(name)).cloned().collect();
        for name in unknown {
            values.remove(&name);
            self.unknown(keys, &name, path);
        }
        for key in keys {
            let at = join(path, &key.name);
            match values.get_mut(&key.name).map(|value| self.is_right(&key.shape, value, &at)) {
                Some(true) => continue,
                None if !key.is_required => continue,
                None => self.flaws.push(Flaw::new(at, format!("missing, expected {}", expected(&key.shape)))),
                Some(false) => {}
            }
            let _ = values.remove(&key.name);
            if key.is_required {
                values.insert(key.name.clone(), key.stand_in());
            }
        }
    }

    fn unknown(&mut self, keys: &[Key], name: &str, path: &str) {
        let meant = nearest(name, keys.iter().map(|key| key.name.as_str())).map(str::to_owned);
        let meant = meant.or_else(|| elsewhere(self.root, name));
        self.flaws.push(Flaw::new(join(path, name), "unknown key").suggesting(meant));
    }

    /// Tells that `value` is not of `shape`; `false`, as it cannot stay.
    fn wrong(&mut self, shape: &Shape, value: &Value, path: &str) -> bool {
        let found = (self.odd)(path);
        let is_date = found.as_deref() == Some(A_DATE);
        let why = match found {
            Some(written) if !is_date => in_range(shape).map(|range| format!("{written}, expected {range}")),
            Some(written) => Some(format!("{written}, expected {}", expected(shape))),
            None => why_not(shape, value),
        };
        let message = why.unwrap_or_else(|| format!("{}, expected {}", shown(value), expected(shape)));
        self.flaws.push(Flaw::new(path, message).suggesting(suggestion(shape, value)));
        false
    }
}

/// Why `value` is not of a shape without keys or elements.
fn why_not(shape: &Shape, value: &Value) -> Option<String> {
    let found = || shown(value);
    match (shape, value) {
        (Shape::Bool, Value::Bool(_)) => None,
        (Shape::Integer(min, max), Value::Number(number)) if number.as_i64().is_some() => {
            let number = number.as_i64().unwrap_or(0);
            let fits = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
            (!fits).then(|| format!("{number}, expected {}", in_range(shape).unwrap_or_default()))
        }
        (Shape::Number(min, max), Value::Number(number)) => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let fits = min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
            (!fits).then(|| format!("{number}, expected {}", in_range(shape).unwrap_or_default()))
        }
        (Shape::Text(min_chars, _), Value::String(text)) if text.chars().count() < *min_chars => {
            let plural = if *min_chars == 1 { "" } else { "s" };
            Some(format!("{}, expected at least {min_chars} character{plural}", found()))
        }
        (Shape::Text(_, Some(format)), Value::String(text)) => {
            format.check(text).err().map(|error| cut(&error.to_string()))
        }
        (Shape::Text(_, None), Value::String(_)) => None,
        (Shape::Choice(words), Value::String(word)) if words.contains(word) => None,
        (Shape::Table(_) | Shape::Map(_), Value::Object(_)) | (Shape::List(_), Value::Array(_)) => None,
        _ => Some(format!("{}, expected {}", found(), expected(shape))),
    }
}

/// What a value of this shape is, in words.
pub(super) fn expected(shape: &Shape) -> String {
    match shape {
        Shape::Bool => "true or false".to_owned(),
        Shape::Integer(..) => with_range("an integer", shape),
        Shape::Number(..) => with_range("a number", shape),
        Shape::Text(_, Some(format)) => format.expected().to_owned(),
        Shape::Text(..) => "a text in quotes".to_owned(),
        Shape::Choice(_) | Shape::Either(_) => one_of(alternatives(shape)),
        Shape::List(_) => "an array".to_owned(),
        Shape::Table(_) | Shape::Map(_) => "a table".to_owned(),
    }
}

fn alternatives(shape: &Shape) -> Vec<String> {
    match shape {
        Shape::Choice(words) => words.iter().map(|word| format!("\"{word}\"")).collect(),
        Shape::Either(shapes) => shapes.iter().flat_map(alternatives).collect(),
        other => vec![expected(other)],
    }
}

fn with_range(kind: &str, shape: &Shape) -> String {
    in_range(shape).map_or_else(|| kind.to_owned(), |range| format!("{kind}, {range}"))
}

/// `0 to 9`.
pub(super) fn in_range(shape: &Shape) -> Option<String> {
    match shape {
        Shape::Integer(Some(min), Some(max)) => Some(format!("{min} to {max}")),
        Shape::Integer(Some(min), None) => Some(format!("at least {min}")),
        Shape::Number(Some(min), Some(max)) => Some(format!("{min} to {max}")),
        _ => None,
    }
}

fn one_of(mut words: Vec<String>) -> String {
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} or {last}", words.join(", ")),
        last => last.unwrap_or_default(),
    }
}

fn suggestion(shape: &Shape, value: &Value) -> Option<String> {
    match (shape, value) {
        (Shape::Text(_, Some(format)), Value::String(text)) => format.suggestion(text),
        (Shape::Choice(words), Value::String(word)) => {
            nearest(word, words.iter().map(String::as_str)).map(str::to_owned)
        }
        (Shape::Either(shapes), value) => shapes.iter().find_map(|shape| suggestion(shape, value)),
        (Shape::Bool, Value::String(text)) => matches!(text.as_str(), "true" | "false").then(|| text.clone()),
        (Shape::Integer(..) | Shape::Number(..), Value::String(text)) => {
            let number: Value = serde_json::from_str(text).ok()?;
            (number.is_number() && why_not(shape, &number).is_none()).then(|| text.clone())
        }
        _ => None,
    }
}

/// Where in the tables of a configuration there is a key of this name.
fn elsewhere(root: &Shape, name: &str) -> Option<String> {
    let Shape::Table(keys) = root else { return None };
    let within = |key: &Key| match &key.shape {
        Shape::Table(inner) if inner.iter().any(|inner| inner.name == name) => Some(join(&key.name, name)),
        _ => None,
    };
    let outermost = keys.iter().find(|key| key.name == name).map(|key| key.name.clone());
    outermost.or_else(|| keys.iter().find_map(within))
}

/// A value as it may be shown: short, on one line.
fn shown(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Object(_) => "a table".to_owned(),
        Value::String(text) => cut(&format!("{text:?}")),
        simple => cut(&simple.to_string()),
    }
}

/// Text of at most [`SHOWN_MAX`] characters and some words.
fn cut(text: &str) -> String {
    let most = SHOWN_MAX * 4;
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(SHOWN_MAX).collect();
    format!("{start}…")
}
