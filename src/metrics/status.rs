//! The enumerations of a record. Each keeps a value that it does not know as it was given, so that records of newer
//! writers pass through unchanged.

/// Defines an enum over strings with an `Other` for values that this version does not know. Two values are equal when
/// their strings are, so `Other("success")` is `Success`.
macro_rules! open_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$doc])* $variant,)+
            /// A value that this version does not know, as it was given.
            Other(String),
        }

        impl $name {
            /// The value as it stands in a record.
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
    /// How an execution ended.
    Status {
        /// It did what it should.
        Success = "success",
        /// It ended with an error.
        Failed = "failed",
        /// It was given up: by its caller, or by a guard dropped before the end.
        Cancelled = "cancelled",
        /// Its process died.
        Interrupted = "interrupted",
        /// It panicked.
        Panicked = "panicked",
        /// It waits for a person.
        Paused = "paused",
    }
}

impl Status {
    /// Whether this is a success; `None` when nobody can tell (interrupted, paused, a status of a newer writer).
    pub fn succeeded(&self) -> Option<bool> {
        // By the text, since `Other("success")` is `Success`.
        match Self::from(self.as_str()) {
            Self::Success => Some(true),
            Self::Failed | Self::Cancelled | Self::Panicked => Some(false),
            Self::Interrupted | Self::Paused | Self::Other(_) => None,
        }
    }
}

/// Whether an execution succeeded, by `execution_succeeded` and `execution_failed`; `None` when they do not say, or contradict
/// each other. Writers that set only one of the two fields are understood: the plan's own exception handler sets
/// `execution_failed` alone.
pub(crate) fn outcome(succeeded: Option<bool>, failed: Option<bool>) -> Option<bool> {
    match (succeeded, failed) {
        (Some(succeeded), Some(failed)) => (succeeded != failed).then_some(succeeded),
        (succeeded, failed) => succeeded.or(failed.map(|failed| !failed)),
    }
}

open_enum! {
    /// What sort of error ended an execution.
    ErrorCategory {
        /// A security rule was broken.
        Security = "Security",
        /// Not allowed, or not who it said.
        Auth = "Auth",
        /// The network failed.
        Network = "Network",
        /// It took too long.
        Timeout = "Timeout",
        /// The program is wrong.
        Logic = "Logic",
        /// None of the others, or not told.
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
        /// Costs nothing.
        Free = "Free",
        /// At an ordinary price.
        Standard = "Standard",
        /// At a high price.
        Premium = "Premium",
        /// A model was used whose price is not known.
        Unknown = "Unknown",
    }
}

open_enum! {
    /// What a record is about.
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
        assert_ne!(Status::from("Success"), Status::Success); // case counts
    }

    #[test]
    fn success_is_told_only_where_it_is_known() {
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
