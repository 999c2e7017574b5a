//! What becomes of each item of a bulk that was answered, and of what makes no document.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use cdc_core::{Error, ErrorKind};

use crate::bulk::Sealed;
use crate::config::BadDocument;
use crate::dead_letter::{Letter, Letters};
use crate::delivery::{Delivery, Refusal};
use crate::reply::{self, BulkReply, ItemStatus, Verdict};
use crate::route::Route;

/// What is left to do of a request that was answered.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    /// To be sent again after a pause.
    pub(crate) again: Vec<usize>,
    /// Of which the index has a higher version, but not surely a later state.
    pub(crate) contested: Vec<usize>,
    /// Whose place one took that is not taken: to be sent after all.
    pub(crate) revived: Vec<usize>,
}

/// How often each item failed in a way that may be the document's fault or the cluster's.
#[derive(Debug, Default)]
pub(crate) struct Doubts(HashMap<usize, u32>);

impl Doubts {
    /// The item failed once more; whether it is its own fault by now.
    pub(crate) fn again(&mut self, item: usize) -> bool {
        let doubt = self.0.entry(item).or_default();
        *doubt = doubt.saturating_add(1);
        *doubt >= DOUBTS
    }
}

/// Attempts after which such a failure counts as the document's: with the default pauses some two minutes.
const DOUBTS: u32 = 12;

/// What to do about a document that the server refuses.
const ON_BAD_DOCUMENT: &str =
    "correct the mapping, or set index.on_bad_document to skip, dead_letter or dead_letter_topic";

/// What to do about a record that makes no document.
const ON_INVALID_RECORD: &str = "correct the record or the options that it does not fit, or set index.on_invalid_record to skip, dead_letter or dead_letter_topic";

/// Documents refused one after the other, and none ever taken, after which it is not the documents' fault.
const REFUSALS: u32 = 10;

/// Whether the servers take documents at all.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    accepted: AtomicBool,
    refused: AtomicU32,
}

impl Standing {
    /// A request with one document alone was refused as a whole.
    ///
    /// # Errors
    /// When no document was ever taken: then it is the request that is wrong, and so the configuration.
    pub(crate) fn refused_alone(&self, reason: &str) -> Result<(), Error> {
        if self.accepted.load(Ordering::Relaxed)
            || self.refused.fetch_add(1, Ordering::Relaxed).saturating_add(1) < REFUSALS
        {
            return Ok(());
        }
        let text = format!("each of the first {REFUSALS} documents was refused, the last with: {reason}");
        Err(Error::new(ErrorKind::Config, text)
            .with_hint("check the index options against the server's version"))
    }
}

impl Delivery {
    /// Looks at each item's status.
    pub(crate) async fn judge(
        &self,
        bulk: &Sealed,
        items: &[usize],
        reply: &BulkReply<'_>,
        doubts: &mut Doubts,
    ) -> Result<Judged, Error> {
        let mut judged = Judged::default();
        let (mut blocked, mut no_index) = (None, None);
        let (mut done, mut stale, mut missing) = (0_u64, 0_u64, 0_u64);
        let mut letters = Letters::default();
        for (&i, status) in items.iter().zip(reply.items.iter().map(|r| &r.update)) {
            let Some(item) = bulk.item(i) else { continue };
            let mut verdict = reply::verdict(item.op, item.version.is_some(), status);
            if verdict == Verdict::Doubtful {
                verdict = if doubts.again(i) {
                    Verdict::Bad
                } else {
                    Verdict::Retry
                };
            }
            match verdict {
                Verdict::Done => done += 1,
                Verdict::Stale if item.unsure => judged.contested.push(i),
                Verdict::Stale => stale += 1,
                Verdict::Missing => missing += 1,
                Verdict::Retry | Verdict::Doubtful => judged.again.push(i),
                Verdict::Blocked => {
                    judged.again.push(i);
                    blocked = Some((item, status));
                }
                Verdict::NoIndex if self.preparation.creates(&item.place.route) => {
                    judged.again.push(i);
                    no_index = Some(&item.place.route);
                }
                Verdict::Bad => {
                    self.reject(bulk, i, status, None, &mut letters)?;
                    judged.revived.extend(bulk.replaced_by(i));
                }
                Verdict::NoIndex | Verdict::Stop => return Err(stopped(&item.place.route, status)),
            }
        }
        if done + stale + missing > 0 {
            self.standing.accepted.store(true, Ordering::Relaxed);
        }
        self.telemetry.done.increment(done);
        self.telemetry.stale.increment(stale);
        self.telemetry.missing.increment(missing);
        self.dead_letters.keep(letters).await?;
        if let Some((item, status)) = blocked {
            tracing::warn!(
                index = item.place.route.index,
                reason = status.describe(),
                "the index refuses writes; documents wait until it takes them again"
            );
        }
        if let Some(route) = no_index {
            self.create_missing(route).await?;
        }
        judged.again = bulk.with_followers(judged.again, items);
        Ok(judged)
    }

    /// Applies the policy to the one item of a request that was refused as a whole; then what it stands for is to be sent.
    pub(crate) async fn reject_only(
        &self,
        bulk: &mut Sealed,
        sent: &mut Vec<usize>,
        refusal: &Refusal,
    ) -> Result<usize, Error> {
        let mut letters = Letters::default();
        let mut revived = None;
        if let Some(&only) = sent.first() {
            let status = ItemStatus {
                status: refusal.status,
                error: None,
            };
            self.reject(bulk, only, &status, Some(refusal), &mut letters)?;
            revived = bulk.replaced_by(only);
        }
        self.dead_letters.keep(letters).await?;
        sent.clear();
        sent.extend(revived);
        Ok(1)
    }

    /// Applies the policy to a document that the server will never take.
    fn reject(
        &self,
        bulk: &Sealed,
        i: usize,
        status: &ItemStatus<'_>,
        whole: Option<&Refusal>,
        out: &mut Letters,
    ) -> Result<(), Error> {
        let Some(item) = bulk.item(i) else { return Ok(()) };
        let reason = whole.map_or_else(|| status.describe(), |refusal| refusal.shown.clone());
        let error = status.error.as_ref();
        let full = match whole {
            Some(refusal) => &refusal.full,
            None => error.and_then(|e| e.reason.as_deref()).unwrap_or(&reason),
        };
        let letter = Letter {
            op: Some(item.op.name()),
            id: bulk.id(item),
            version: item.version,
            status: Some(status.status),
            error: error.map(|e| e.kind.as_ref()),
            record: bulk.kept(item),
            document: bulk.document(i),
            ..Letter::new(&item.place, full)
        };
        self.by_policy(&self.bad, ON_BAD_DOCUMENT, &reason, &letter, out)
    }

    /// Applies the policy to a record that makes no document.
    ///
    /// # Errors
    /// The record's, if it is not to be left out; what hinders the keeping of its letter.
    pub(crate) async fn invalid(&self, letter: &Letter<'_>) -> Result<(), Error> {
        let mut letters = Letters::default();
        self.by_policy(
            &self.invalid,
            ON_INVALID_RECORD,
            letter.reason,
            letter,
            &mut letters,
        )?;
        self.dead_letters.keep(letters).await
    }

    /// An error, a log line, or a dead letter added to `out`, which is to be kept before anything is settled on its account.
    /// `reason` holds no value of a row; the letter may.
    fn by_policy(
        &self,
        policy: &BadDocument,
        hint: &'static str,
        reason: &str,
        letter: &Letter<'_>,
        out: &mut Letters,
    ) -> Result<(), Error> {
        let place = letter.place;
        if *policy == BadDocument::Fail {
            let text = match (letter.stage, letter.op) {
                (Some(_), _) => format!("a record did not get through its transforms: {place}: {reason}"),
                (None, Some(_)) => format!(
                    "index {} cannot take the document of {place}: {reason}",
                    place.route.index
                ),
                (None, None) => format!("no document can be made of the record at {place}: {reason}"),
            };
            return Err(Error::new(ErrorKind::SinkRejected, text).with_hint(hint));
        }
        out.add(policy, letter, self.dead_letters.pipeline())?;
        self.telemetry.bad.increment(1);
        tracing::warn!(index = place.route.index, place = %place, reason, "bad document left out");
        Ok(())
    }
}

fn stopped(route: &Route, status: &ItemStatus<'_>) -> Error {
    let text = format!("index {} takes no documents: {}", route.index, status.describe());
    match status.status {
        401 | 403 => Error::new(ErrorKind::Privilege, text)
            .with_hint("give the user of index.auth the rights to write to and create the indexes"),
        404 => Error::new(ErrorKind::Config, text)
            .with_hint("create the index, alias or pipeline that is named, or set index.create"),
        _ => Error::new(ErrorKind::Config, text).with_hint("check index.name and the index's settings"),
    }
}
