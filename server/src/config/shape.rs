//! What may be where: the shape of a configuration, from the schemas of its types. The one description of each key, which
//! checks, messages and the reference come from; it is written with the field itself, in its type, documentation and
//! `#[schema(…)]`.

use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{
    AdditionalProperties, ArrayItems, Object, Schema, SchemaFormat, SchemaType, Type,
};
use utoipa::{Number as Bound, ToSchema};

use super::format::Format;

/// What a value may be.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// `true` or `false`.
    Bool,
    /// A whole number in a range.
    Integer(Option<i64>, Option<i64>),
    /// A number in a range.
    Number(Option<f64>, Option<f64>),
    /// Text of at least so many characters, which may have to follow a format.
    Text(usize, Option<Format>),
    /// One of some words.
    Choice(Vec<String>),
    /// Any number of values.
    List(Box<Shape>),
    /// Keys that are known.
    Table(Vec<Key>),
    /// Keys that are chosen freely.
    Map(Box<Shape>),
    /// One of some shapes, at most one of which is a table.
    Either(Vec<Shape>),
}

/// A key of a table.
#[derive(Clone, Debug)]
pub(super) struct Key {
    pub(super) name: String,
    /// Its documentation.
    pub(super) doc: String,
    pub(super) is_required: bool,
    /// Absent where it must be given, and where nothing is what it is without.
    pub(super) default: Option<Value>,
    pub(super) example: Option<Value>,
    pub(super) shape: Shape,
}

impl Shape {
    /// The shape of a type.
    pub(super) fn of<T: ToSchema>() -> Self {
        let mut named = Vec::new();
        T::schemas(&mut named);
        Schemas { named }.shape(&T::schema())
    }

    /// Stands for a value that is wrong, so that what is beside it can be checked.
    pub(super) fn stand_in(&self) -> Value {
        match self {
            Self::Bool => Value::Bool(false),
            Self::Integer(min, max) => Value::from(min.or(*max).unwrap_or(0)),
            Self::Number(min, max) => Value::from(min.or(*max).unwrap_or(0.0)),
            Self::Text(..) => Value::from(""),
            Self::Choice(words) => words.first().map_or(Value::Null, |word| Value::from(word.as_str())),
            Self::List(_) => Value::Array(Vec::new()),
            Self::Map(_) => Value::Object(serde_json::Map::new()),
            Self::Either(shapes) => shapes.first().map_or(Value::Null, Self::stand_in),
            Self::Table(keys) => {
                let required = keys.iter().filter(|key| key.is_required);
                required.map(|key| (key.name.clone(), key.stand_in())).collect()
            }
        }
    }
}

impl Key {
    /// Stands for its value where that is missing or wrong.
    pub(super) fn stand_in(&self) -> Value {
        self.example.clone().unwrap_or_else(|| self.shape.stand_in())
    }
}

/// Schemas by name.
struct Schemas {
    named: Vec<(String, RefOr<Schema>)>,
}

impl Schemas {
    fn shape(&self, schema: &RefOr<Schema>) -> Shape {
        match self.resolved(schema) {
            Some(Schema::Object(object)) => self.object(object),
            Some(Schema::Array(array)) => match &array.items {
                ArrayItems::RefOrSchema(element) => Shape::List(Box::new(self.shape(element))),
                ArrayItems::False => Shape::List(Box::new(Shape::Either(Vec::new()))),
            },
            Some(Schema::OneOf(one)) => {
                let present = one.items.iter().filter(|schema| !is_null(schema));
                let mut shapes: Vec<Shape> = present.map(|schema| self.shape(schema)).collect();
                if shapes.len() == 1 { shapes.swap_remove(0) } else { Shape::Either(shapes) }
            }
            _ => Shape::Either(Vec::new()),
        }
    }

    fn resolved<'a>(&'a self, schema: &'a RefOr<Schema>) -> Option<&'a Schema> {
        match schema {
            RefOr::T(schema) => Some(schema),
            RefOr::Ref(reference) => {
                let name = reference.ref_location.rsplit('/').next()?;
                let (_, schema) = self.named.iter().find(|(known, _)| known == name)?;
                self.resolved(schema)
            }
        }
    }

    fn object(&self, object: &Object) -> Shape {
        if let Some(values) = &object.enum_values {
            let words = values.iter().filter_map(Value::as_str).map(str::to_owned);
            return Shape::Choice(words.collect());
        }
        match type_of(&object.schema_type) {
            Some(Type::Boolean) => Shape::Bool,
            Some(Type::Integer) => {
                let bound = |bound: &Option<Bound>| bound.as_ref().map(|bound| number(bound) as i64);
                Shape::Integer(bound(&object.minimum), bound(&object.maximum))
            }
            Some(Type::Number) => {
                let bound = |bound: &Option<Bound>| bound.as_ref().map(number);
                Shape::Number(bound(&object.minimum), bound(&object.maximum))
            }
            Some(Type::String) => {
                let format = match &object.format {
                    Some(SchemaFormat::Custom(name)) => Format::named(name),
                    _ => None,
                };
                Shape::Text(object.min_length.unwrap_or(0), format)
            }
            _ => match object.additional_properties.as_deref() {
                Some(AdditionalProperties::RefOr(values)) => Shape::Map(Box::new(self.shape(values))),
                _ => Shape::Table(self.keys(object)),
            },
        }
    }

    fn keys(&self, object: &Object) -> Vec<Key> {
        let key = |(name, schema): (&String, &RefOr<Schema>)| Key {
            name: name.clone(),
            doc: doc(schema).unwrap_or_default(),
            is_required: object.required.contains(name),
            default: default(schema).filter(|value| !value.is_null()),
            example: self.resolved(schema).and_then(example),
            shape: self.shape(schema),
        };
        object.properties.iter().map(key).collect()
    }
}

fn is_null(schema: &RefOr<Schema>) -> bool {
    matches!(schema, RefOr::T(Schema::Object(object)) if matches!(object.schema_type, SchemaType::Type(Type::Null)))
}

/// The type that is not `null`.
fn type_of(types: &SchemaType) -> Option<Type> {
    match types {
        SchemaType::Type(one) => Some(one.clone()),
        SchemaType::Array(several) => several.iter().find(|one| !matches!(one, Type::Null)).cloned(),
        SchemaType::AnyValue => None,
    }
}

fn number(bound: &Bound) -> f64 {
    match bound {
        Bound::Int(number) => *number as f64,
        Bound::UInt(number) => *number as f64,
        Bound::Float(number) => *number,
    }
}

/// What is said of a field, rather than of its type.
fn doc(schema: &RefOr<Schema>) -> Option<String> {
    match schema {
        RefOr::Ref(reference) => Some(reference.description.clone()),
        RefOr::T(Schema::Object(object)) => object.description.clone(),
        RefOr::T(Schema::Array(array)) => array.description.clone(),
        RefOr::T(Schema::OneOf(one)) => one.description.clone().or_else(|| one.items.iter().find_map(doc)),
        RefOr::T(_) => None,
    }
}

fn default(schema: &RefOr<Schema>) -> Option<Value> {
    match schema {
        RefOr::Ref(reference) => reference.default.clone(),
        RefOr::T(Schema::Object(object)) => object.default.clone(),
        RefOr::T(Schema::Array(array)) => array.default.clone(),
        RefOr::T(Schema::OneOf(one)) => one.default.clone(),
        RefOr::T(_) => None,
    }
}

fn example(schema: &Schema) -> Option<Value> {
    match schema {
        Schema::Object(object) => object.example.clone(),
        _ => None,
    }
}
