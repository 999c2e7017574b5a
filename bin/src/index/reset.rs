//! From where the index stage reads next.

use std::str::FromStr;

use cdc_core::{Error, ErrorKind};
use cdc_kafka::{GroupWatch, ResetTo};

use crate::config::Validated;
use crate::run::group_of;

/// A place in the topics, as it is written on the command line.
#[derive(Clone, Copy, Debug)]
pub struct Place(ResetTo);

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self(ResetTo::Earliest)),
            "latest" => Ok(Self(ResetTo::Latest)),
            time => {
                let time = humantime::parse_rfc3339(time).map_err(|_| {
                    "neither earliest, nor latest, nor a time such as 2026-01-31T12:00:00Z".to_owned()
                })?;
                let since = time.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
                Ok(Self(ResetTo::Time(
                    i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
                )))
            }
        }
    }
}

/// Prints where the group reads next and where it would, and moves it there if `yes`.
///
/// # Errors
/// Without `yes`; when the group has members, or Kafka does not answer.
pub async fn run(config: &Validated, place: Place, yes: bool) -> Result<(), Error> {
    let (Some(kafka), Some(consume)) = (&config.kafka, &config.consume) else {
        let context = "nothing is read from Kafka: there is no group to move";
        return Err(
            Error::new(ErrorKind::Config, context).with_hint("give the file `kafka` and `consume` sections")
        );
    };
    let group = GroupWatch::new(kafka, consume, &group_of(config))?;
    let moves = group.moves(place.0).await?;
    if moves.is_empty() {
        return Err(Error::new(ErrorKind::Config, "none of the topics is there"));
    }
    for m in &moves {
        let from = m
            .from
            .map_or_else(|| "no offset".to_owned(), |from| from.to_string());
        println!("{}, partition {}: {from} -> {}", m.topic, m.partition, m.to);
    }
    if !yes {
        return Err(Error::new(ErrorKind::Config, "nothing is moved without --yes")
            .with_hint("records that are passed over never reach the index; those that are read again change nothing, by their versions"));
    }
    group.reset(moves).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_or_a_time() {
        let read = |text: &str| text.parse::<Place>().map(|p| p.0);
        assert_eq!(read("earliest"), Ok(ResetTo::Earliest));
        assert_eq!(read("latest"), Ok(ResetTo::Latest));
        assert_eq!(read("1970-01-01T00:00:01.5Z"), Ok(ResetTo::Time(1500)));
        for bad in ["", "now", "2026-01-31", "2026-01-31T12:00:00"] {
            assert!(read(bad).unwrap_err().contains("2026-01-31T12:00:00Z"), "{bad}");
        }
    }
}
