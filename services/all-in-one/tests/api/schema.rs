//! As much of JSON Schema (2020-12) as the API's description uses. A keyword that is not known here is a fault, so that
//! nothing passes because it was not looked at.

use serde_json::Value;

/// The schemas of one document.
pub(crate) struct Schemas<'a>(pub(crate) &'a Value);

/// Keywords that say nothing about validity, beside `x-` extensions.
const ANNOTATIONS: [&str; 7] = [
    "description",
    "title",
    "example",
    "examples",
    "default",
    "format",
    "deprecated",
];

impl Schemas<'_> {
    /// Says what is wrong with a value, and where.
    pub(crate) fn check(&self, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
        let Some(keywords) = schema.as_object() else {
            return Err(format!("{at}: {schema} is no schema"));
        };
        keywords.iter().try_for_each(|(keyword, argument)| {
            let holds = self.holds(keyword, argument, schema, value, at)?;
            if holds {
                Ok(())
            } else {
                Err(format!("{at}: {value} breaks {keyword}: {argument}"))
            }
        })
    }

    /// What `$ref` names.
    pub(crate) fn resolve(&self, reference: &str) -> Result<&Value, String> {
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        self.0
            .pointer(pointer)
            .ok_or_else(|| format!("{reference} leads nowhere"))
    }

    fn holds(&self, keyword: &str, argument: &Value, schema: &Value, value: &Value, at: &str) -> Result<bool, String> {
        let fits = |schema: &Value| self.check(schema, value, at).is_ok();
        Ok(match keyword {
            "$ref" => {
                let schema = self.resolve(argument.as_str().unwrap_or_default())?;
                self.check(schema, value, at)?;
                true
            }
            "type" => match argument {
                Value::Array(types) => types.iter().any(|name| is_of_type(value, name)),
                name => is_of_type(value, name),
            },
            "enum" => list(argument).contains(value),
            "const" => argument == value,
            "required" => list(argument)
                .iter()
                .all(|name| name.as_str().is_some_and(|name| value.get(name).is_some())),
            "properties" => self.properties(argument, schema, value, at)?,
            "additionalProperties" => true, // looked at with the properties
            "items" => {
                let mut items = list(value).iter().enumerate();
                items.try_for_each(|(number, item)| self.check(argument, item, &format!("{at}/{number}")))?;
                true
            }
            "oneOf" => list(argument).iter().filter(|schema| fits(schema)).count() == 1,
            "anyOf" => list(argument).iter().any(fits),
            "allOf" => list(argument).iter().all(fits),
            "minimum" => value.as_f64() >= argument.as_f64() || !value.is_number(),
            "maximum" => value.as_f64() <= argument.as_f64() || !value.is_number(),
            "maxItems" => list(value).len() as u64 <= argument.as_u64().unwrap_or(u64::MAX),
            "minLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 >= argument.as_u64().unwrap_or(0)),
            "maxLength" => value
                .as_str()
                .is_none_or(|text| text.chars().count() as u64 <= argument.as_u64().unwrap_or(u64::MAX)),
            known if ANNOTATIONS.contains(&known) || known.starts_with("x-") => true,
            unknown => return Err(format!("{at}: {unknown} is not a keyword that is understood here")),
        })
    }

    /// Each property by its schema; what no schema describes is not to be answered at all.
    fn properties(&self, properties: &Value, schema: &Value, value: &Value, at: &str) -> Result<bool, String> {
        for (name, item) in value.as_object().into_iter().flatten() {
            match (properties.get(name), schema.get("additionalProperties")) {
                (Some(schema), _) => self.check(schema, item, &format!("{at}/{name}"))?,
                (None, Some(Value::Bool(true) | Value::Object(_))) => {}
                (None, _) => return Err(format!("{at}/{name} is not described")),
            }
        }
        Ok(true)
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn is_of_type(value: &Value, name: &Value) -> bool {
    match name.as_str() {
        Some("null") => value.is_null(),
        Some("boolean") => value.is_boolean(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => false,
    }
}
