//! Reads regions in names of models, such as `eu` in `eu.anthropic.claude-opus-5`.

/// The areas of Bedrock's inference profiles and of Azure's data zones.
const AREAS: [&str; 10] = ["us", "eu", "apac", "ap", "jp", "au", "in", "ca", "us-gov", "uk"];

/// The words with which names of cloud regions begin, such as `us` in `us-east-1` and `europe` in `europe-west1`.
const CONTINENTS: [&str; 16] = [
    "us",
    "eu",
    "ap",
    "ca",
    "sa",
    "me",
    "af",
    "il",
    "mx",
    "cn",
    "europe",
    "asia",
    "australia",
    "northamerica",
    "southamerica",
    "africa",
];

/// The words that mean service from any region, which is the standard service.
const EVERYWHERE: [&str; 2] = ["global", "global-standard"];

/// The region in which a call was served, as a part of the model's name states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Region<'n> {
    Everywhere,
    Only(&'n str),
}

impl<'n> Region<'n> {
    /// Reads a part of a name as a region. The part is in lower case. Returns `None` if the part is not a region.
    pub(super) fn read(part: &'n str) -> Option<Self> {
        let of_a_cloud = || {
            let (continent, rest) = part.split_once('-')?;
            (CONTINENTS.contains(&continent) && rest.ends_with(|c: char| c.is_ascii_digit())).then_some(())
        };
        if EVERYWHERE.contains(&part) {
            Some(Self::Everywhere)
        } else if AREAS.contains(&part) || of_a_cloud().is_some() {
            Some(Self::Only(part))
        } else {
            None
        }
    }

    /// Splits a region from the beginning of a name such as `eu.anthropic.claude-opus-5` or
    /// `sa-east-1/meta.llama3-70b`.
    pub(super) fn split(name: &'n str) -> Option<(Self, &'n str)> {
        let (part, rest) = name.split_once(['.', '/'])?;
        Some((Self::read(part)?, rest)).filter(|(_, rest)| !rest.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_regions_of_clouds_are_read() {
        for (part, expected) in [
            ("eu", Some(Region::Only("eu"))),
            ("us-gov", Some(Region::Only("us-gov"))),
            ("us-gov-west-1", Some(Region::Only("us-gov-west-1"))),
            ("sa-east-1", Some(Region::Only("sa-east-1"))),
            ("europe-west1", Some(Region::Only("europe-west1"))),
            ("global", Some(Region::Everywhere)),
            ("global-standard", Some(Region::Everywhere)),
            ("anthropic", None),
            ("us-east", None),
            ("gpt-4", None),
            ("", None),
        ] {
            assert_eq!(Region::read(part), expected, "{part}");
        }
        assert_eq!(Region::split("jp.amazon.nova-2-lite"), Some((Region::Only("jp"), "amazon.nova-2-lite")));
        assert_eq!(Region::split("eu."), None);
        assert_eq!(Region::split("amazon.nova-pro-v1:0"), None);
    }
}
