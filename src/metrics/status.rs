//! The enums of a record. Each enum also keeps values that this version does not define. So a value of a newer version
//! can be written back unchanged.

/// Defines an enum whose values are strings, with `Other` for unknown strings. Two values are equal if their strings
/// are equal. So `Other("success")` equals `Success`.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// A value that this version does not define, as it was read.
            Other(String),
        }

        impl $name {
            /// The values that this version defines, as they are written in a record.
            pub const KNOWN: &'static [&'static str] = &[$($text),+];

            /// Returns the value as it is written in a record.
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                match text {
                    $($text => Self::$variant,)+
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str() == other.as_str()
            }
        }

        impl Eq for $name {}

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.as_str().hash(state);
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Ok(Self::from(<std::borrow::Cow<'de, str>>::deserialize(deserializer)?.as_ref()))
            }
        }
    };
}
pub(super) use open_enum;

open_enum! {
    /// The way in which an execution ended, or the fact that it is paused.
    Status {
        /// The execution succeeded.
        Success = "success",
        /// The execution ended with an error.
        Failed = "failed",
        /// The execution was cancelled, or its guard (an [`Execution`](crate::Execution)) was dropped without a
        /// result.
        Cancelled = "cancelled",
        /// The execution ended without a result, for example because its process died.
        Interrupted = "interrupted",
        /// The execution panicked.
        Panicked = "panicked",
        /// The execution waits for a person.
        Paused = "paused",
    }
}

impl Status {
    /// Returns true for a success, and false for an execution that failed, was cancelled or panicked. Returns `None`
    /// for an interrupted or paused execution, and for a status that this version does not define.
    pub fn succeeded(&self) -> Option<bool> {
        // The text is compared, because `Other("success")` equals `Success`.
        match Self::from(self.as_str()) {
            Self::Success => Some(true),
            Self::Failed | Self::Cancelled | Self::Panicked => Some(false),
            Self::Interrupted | Self::Paused | Self::Other(_) => None,
        }
    }
}

/// Returns whether an execution succeeded, given its `execution_succeeded` and `execution_failed`. One of the two
/// fields is enough, because some writers set only `execution_failed`. Returns `None` if both are `None`, or if they
/// contradict each other.
pub(crate) fn outcome(succeeded: Option<bool>, failed: Option<bool>) -> Option<bool> {
    match (succeeded, failed) {
        (Some(succeeded), Some(failed)) => (succeeded != failed).then_some(succeeded),
        (succeeded, failed) => succeeded.or(failed.map(|failed| !failed)),
    }
}

open_enum! {
    /// The category of the error that ended an execution.
    ErrorCategory {
        /// A security rule was broken.
        Security = "Security",
        /// Authentication or authorization failed.
        Auth = "Auth",
        /// The network failed.
        Network = "Network",
        /// An operation took too long.
        Timeout = "Timeout",
        /// The program has a bug.
        Logic = "Logic",
        /// Another category, or an unknown one.
        Unknown = "Unknown",
    }
}

open_enum! {
    /// Where an execution ran.
    #[derive(Default)]
    Environment {
        /// A developer's machine.
        Local = "local",
        /// Staging.
        Staging = "staging",
        /// Production, the default.
        #[default]
        Prod = "prod",
    }
}

open_enum! {
    /// The price tier of a model.
    CostTier {
        /// The model costs nothing.
        Free = "Free",
        /// The model has an ordinary price.
        Standard = "Standard",
        /// The model has a high price.
        Premium = "Premium",
        /// The price of the model is unknown.
        Unknown = "Unknown",
    }
}

open_enum! {
    /// The kind of event that a record describes.
    #[derive(Default)]
    Kind {
        /// The execution of a skill, the default.
        #[default]
        Skill = "skill",
        /// A decision of the model router.
        ModelRouting = "model_routing",
        /// An attempt to generate something.
        Generation = "generation",
        /// A quality control.
        Qc = "qc",
        /// A check against a budget.
        BudgetGate = "budget_gate",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_value_of_a_newer_writer_is_kept_as_given() {
        let json = "\"deferred \\u0000\"";
        let status: Status = serde_json::from_str(json).unwrap();
        assert_eq!(status, Status::Other("deferred \0".to_owned()));
        assert_eq!(serde_json::to_string(&status).unwrap(), json);
        assert!(serde_json::from_str::<Status>("1").is_err());
    }

    #[test]
    fn values_are_equal_when_their_texts_are() {
        let other = Status::Other("success".to_owned());
        assert_eq!(other, Status::Success);
        assert_eq!(HashSet::from([other, Status::Success, Status::from("success")]).len(), 1);
        assert_ne!(Status::from("Success"), Status::Success); // the case matters
    }

    #[test]
    fn success_is_reported_only_if_it_is_known() {
        for (status, succeeded) in [
            (Status::Success, Some(true)),
            (Status::Failed, Some(false)),
            (Status::Cancelled, Some(false)),
            (Status::Panicked, Some(false)),
            (Status::Interrupted, None),
            (Status::Paused, None),
            (Status::Other("deferred".to_owned()), None),
            (Status::Other("success".to_owned()), Some(true)),
        ] {
            assert_eq!(status.succeeded(), succeeded, "{status}");
        }
    }
}
