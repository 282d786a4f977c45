//! Reads the texts of the fields with serde. Borrows a text from the line where that is possible.

use std::borrow::Cow;
use std::fmt;

use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::metrics::Environment;

pub(super) fn default_environment() -> Cow<'static, str> {
    match Environment::default() {
        Environment::Prod => Cow::Borrowed("prod"),
        other => Cow::Owned(other.as_str().to_owned()),
    }
}

/// A text that is borrowed from the line if it contains no escape. Without this wrapper, serde would not borrow a
/// `Cow` inside another type, such as an `Option`.
#[derive(Deserialize)]
struct Text<'l>(#[serde(borrow)] Cow<'l, str>);

pub(super) fn optional_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    Ok(Option::<Text<'de>>::deserialize(deserializer)?.map(|Text(text)| text))
}

/// Reads the name from the value of `model`, which must be an object like [`Model`](crate::metrics::Model).
pub(super) fn name_of_model<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    struct Name;

    impl<'de> Visitor<'de> for Name {
        type Value = Option<Cow<'de, str>>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("struct Model")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut name = None;
            while let Some(Text(key)) = map.next_key()? {
                if key != "name" {
                    map.next_value::<IgnoredAny>()?;
                } else if name.is_none() {
                    name = Some(map.next_value::<Option<Text<'de>>>()?);
                } else {
                    return Err(serde::de::Error::duplicate_field("name"));
                }
            }
            Ok(name.flatten().map(|Text(name)| name))
        }
    }

    deserializer.deserialize_map(Name)
}
