//! The second stage: from the values of one instance to a provider's own struct, with the place of
//! every error, unknown keys refused, and texts of the environment read as what the field asks for.

use std::fmt;

use figment::value::{Dict, Num, Tag, Value};
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::Secret;
use crate::config::Sources;

/// Extracts `T` from a table.
pub(crate) fn extract<T: DeserializeOwned>(table: &Value, sources: &Sources) -> Result<T, Wrong> {
    let node = Node { value: table, sources };
    T::deserialize(node)
}

/// A text, number or boolean as text; the exact text for those of the environment.
pub(crate) fn scalar(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(_, text) => text.clone(),
        Value::Char(_, c) => c.to_string(),
        Value::Bool(_, truth) => truth.to_string(),
        Value::Num(_, number) => number_text(*number),
        Value::Empty(..) | Value::Dict(..) | Value::Array(..) => return None,
    })
}

fn number_text(number: Num) -> String {
    match (number.to_i128(), number.to_u128(), number.to_f64()) {
        (Some(number), _, _) => number.to_string(),
        (_, Some(number), _) => number.to_string(),
        (_, _, number) => number.unwrap_or_default().to_string(),
    }
}

/// What is wrong, and where below the table.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) problem: Problem,
    /// The key, last part first.
    pub(crate) path: Vec<String>,
    pub(crate) place: Option<Place>,
}

/// What is wrong.
#[derive(Debug)]
pub(crate) enum Problem {
    Text(String),
    UnknownKey(String, &'static [&'static str]),
}

/// The value that is wrong.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) tag: Tag,
    /// Its text, unless it has none or is a secret.
    pub(crate) value: Option<String>,
}

impl Wrong {
    fn new(problem: impl Into<String>) -> Self {
        Self { problem: Problem::Text(problem.into()), path: Vec::new(), place: None }
    }

    /// Notes the key on the way up; the innermost value is the wrong one.
    pub(crate) fn below(mut self, key: String, value: &Value) -> Self {
        self.place.get_or_insert_with(|| Place { tag: value.tag(), value: scalar(value) });
        self.path.push(key);
        self
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Problem::Text(text) => f.write_str(text),
            Problem::UnknownKey(key, _) => write!(f, "unknown key `{key}`"),
        }
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let found = kind(&found);
        Self::new(format!("expected {}, found {found}", in_words(expected)))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::new(format!("expected {}", in_words(expected)))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::new(crate::error::unknown("value", variant, expected))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self {
            problem: Problem::UnknownKey(field.to_owned(), expected),
            path: vec![field.to_owned()],
            place: None,
        }
    }

    fn missing_field(field: &'static str) -> Self {
        let mut wrong = Self::new(format!("the key `{field}` is missing"));
        wrong.path.push(field.to_owned());
        wrong
    }
}

/// What a type expects, for people who do not write Rust.
fn in_words(expected: &dyn de::Expected) -> String {
    let text = expected.to_string();
    let integer = |low: String, high: String| format!("an integer from {low} to {high}");
    match text.as_str() {
        "i8" => integer(i8::MIN.to_string(), i8::MAX.to_string()),
        "i16" => integer(i16::MIN.to_string(), i16::MAX.to_string()),
        "i32" => integer(i32::MIN.to_string(), i32::MAX.to_string()),
        "i64" | "isize" => "an integer".to_owned(),
        "u8" => integer("0".to_owned(), u8::MAX.to_string()),
        "u16" => integer("0".to_owned(), u16::MAX.to_string()),
        "u32" => integer("0".to_owned(), u32::MAX.to_string()),
        "u64" | "usize" => "an integer that is not negative".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a sequence" => "a list".to_owned(),
        "path string" => "a path".to_owned(),
        other => match other.strip_prefix("struct ") {
            Some(_) => "a table".to_owned(),
            None => text,
        },
    }
}

/// The kind of what was found; the value itself is shown apart, unless it is a secret.
fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a string",
        Unexpected::Seq => "a list",
        Unexpected::Map => "a table",
        _ => "something else",
    }
}

/// A value on its way into a field.
#[derive(Clone, Copy)]
struct Node<'a> {
    value: &'a Value,
    sources: &'a Sources,
}

impl<'a> Node<'a> {
    /// The text of an environment variable, which stands for a value of any type.
    fn variable(self) -> Option<&'a str> {
        match self.value {
            Value::String(tag, text) if self.sources.is_environment(*tag) => Some(text),
            _ => None,
        }
    }

    fn at(self, value: &'a Value) -> Self {
        Self { value, ..self }
    }
}

/// Numbers and booleans: parsed from a variable, taken as they are from the file.
macro_rules! parsed {
    ($($method:ident, $visit:ident, $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            match self.variable().and_then(|text| text.trim().parse::<$type>().ok()) {
                Some(value) => visitor.$visit(value),
                None => self.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Node<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.value {
            Value::String(_, text) => visitor.visit_str(text),
            Value::Char(_, c) => visitor.visit_char(*c),
            Value::Bool(_, truth) => visitor.visit_bool(*truth),
            Value::Num(_, number) => match (number.to_i128(), number.to_u128(), number.to_f64()) {
                (Some(number), _, _) => match i64::try_from(number) {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => visitor.visit_i128(number),
                },
                (_, Some(number), _) => visitor.visit_u128(number),
                (_, _, number) => visitor.visit_f64(number.unwrap_or_default()),
            },
            Value::Empty(..) => visitor.visit_unit(),
            Value::Dict(_, table) => visitor.visit_map(Table::new(self, table)),
            Value::Array(_, items) => visitor.visit_seq(List::new(self, items)),
        }
    }

    parsed! {
        deserialize_bool, visit_bool, bool;
        deserialize_i8, visit_i64, i64;
        deserialize_i16, visit_i64, i64;
        deserialize_i32, visit_i64, i64;
        deserialize_i64, visit_i64, i64;
        deserialize_u8, visit_u64, u64;
        deserialize_u16, visit_u64, u64;
        deserialize_u32, visit_u64, u64;
        deserialize_u64, visit_u64, u64;
        deserialize_f32, visit_f64, f64;
        deserialize_f64, visit_f64, f64;
    }

    // Account numbers and the like are texts, also where nobody wrote quotes. A float is not: `1e5`
    // has lost its text already.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        // How the TOML parser hands a date over.
        let is_date = |table: &Dict| table.contains_key("$__toml_private_datetime");
        match self.value {
            Value::Dict(_, table) if is_date(table) => {
                Err(Wrong::new("expected a string; write the date in quotes"))
            }
            Value::Num(_, number) if number.to_f64().is_some() => {
                Err(Wrong::new("expected a string; write the number in quotes to keep its text"))
            }
            Value::Num(_, number) => visitor.visit_string(number_text(*number)),
            Value::Bool(_, truth) => visitor.visit_string(truth.to_string()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.value {
            Value::Empty(..) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let tag = self.value.tag();
        visitor.visit_newtype_struct(self).map_err(|mut wrong| {
            if name == Secret::TYPE {
                wrong.place = Some(Place { tag, value: None });
            }
            wrong
        })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let Some(text) = self.variable() else {
            return self.deserialize_any(visitor);
        };
        let items: Vec<Value> =
            split(text).map(|item| Value::String(self.value.tag(), item.to_owned())).collect();
        visitor.visit_seq(List::new(self, &items))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        // Asked here and not of the struct, so that no provider can forget `deny_unknown_fields`.
        if let Value::Dict(_, table) = self.value {
            let stranger = table.iter().find(|(key, _)| !fields.contains(&key.as_str()));
            if let Some((key, value)) = stranger {
                let mut wrong: Wrong = de::Error::unknown_field(key, fields);
                wrong.place = Some(Place { tag: value.tag(), value: None });
                return Err(wrong);
            }
        }
        self.deserialize_any(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        match self.value {
            Value::String(_, name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Value::Dict(_, table) if table.len() == 1 => {
                visitor.visit_enum(Choice { node: self, table })
            }
            _ => Err(Wrong::new("expected a string, or a table with one key")),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct map identifier ignored_any
    }
}

/// The items of `a, "b, c", d`, with or without brackets around.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let text = text.trim();
    let inner = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let mut quote = None;
    inner
        .split(move |c: char| {
            match quote {
                Some(open) if c == open => quote = None,
                None if c == '"' || c == '\'' => quote = Some(c),
                _ => {}
            }
            c == ',' && quote.is_none()
        })
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| {
            let quoted = |quote: char| item.strip_prefix(quote)?.strip_suffix(quote);
            quoted('"').or_else(|| quoted('\'')).unwrap_or(item)
        })
}

/// The entries of a table.
struct Table<'a> {
    node: Node<'a>,
    entries: figment::value::Map<&'a str, &'a Value>,
    current: Option<(&'a str, &'a Value)>,
}

impl<'a> Table<'a> {
    fn new(node: Node<'a>, table: &'a Dict) -> Self {
        let entries = table.iter().map(|(key, value)| (key.as_str(), value));
        Self { node, entries: entries.collect(), current: None }
    }
}

impl<'de> MapAccess<'de> for Table<'_> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        self.current = self.entries.pop_first();
        match self.current {
            None => Ok(None),
            Some((key, _)) => seed.deserialize(key.into_deserializer()).map(Some),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let Some((key, value)) = self.current.take() else {
            return Err(Wrong::new("a value was asked for before its key"));
        };
        seed.deserialize(self.node.at(value)).map_err(|wrong| wrong.below(key.to_owned(), value))
    }
}

/// The items of a list.
struct List<'a> {
    node: Node<'a>,
    items: std::iter::Enumerate<std::slice::Iter<'a, Value>>,
}

impl<'a> List<'a> {
    fn new(node: Node<'a>, items: &'a [Value]) -> Self {
        Self { node, items: items.iter().enumerate() }
    }
}

impl<'de> SeqAccess<'de> for List<'_> {
    type Error = Wrong;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Wrong> {
        let Some((index, value)) = self.items.next() else {
            return Ok(None);
        };
        seed.deserialize(self.node.at(value))
            .map(Some)
            .map_err(|wrong| wrong.below(format!("[{index}]"), value))
    }
}

/// A choice with content: a table of one key.
struct Choice<'a> {
    node: Node<'a>,
    table: &'a Dict,
}

impl<'a> Choice<'a> {
    fn content(&self) -> Result<(&'a str, Node<'a>), Wrong> {
        match self.table.iter().next() {
            Some((key, value)) => Ok((key, self.node.at(value))),
            None => Err(Wrong::new("expected a table with one key")),
        }
    }
}

impl<'de> EnumAccess<'de> for Choice<'_> {
    type Error = Wrong;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Wrong> {
        let (key, _) = self.content()?;
        let key: de::value::StrDeserializer<'_, Wrong> = key.into_deserializer();
        Ok((seed.deserialize(key)?, self))
    }
}

impl<'de> VariantAccess<'de> for Choice<'_> {
    type Error = Wrong;

    fn unit_variant(self) -> Result<(), Wrong> {
        Err(Wrong::new("expected a string, found a table"))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Wrong> {
        let (key, node) = self.content()?;
        seed.deserialize(node).map_err(|wrong| wrong.below(key.to_owned(), node.value))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Wrong> {
        let (key, node) = self.content()?;
        node.deserialize_seq(visitor).map_err(|wrong| wrong.below(key.to_owned(), node.value))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let (key, node) = self.content()?;
        node.deserialize_struct("", fields, visitor)
            .map_err(|wrong| wrong.below(key.to_owned(), node.value))
    }
}
