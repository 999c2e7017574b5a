//! The server's errors and notices, and what they mean where they arise.

use super::body::Body;
use crate::{Error, ErrorKind};

/// The fields of an ErrorResponse or NoticeResponse that we use. `DETAIL` is left out because it may hold row values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Response {
    /// `ERROR`, `FATAL`, `WARNING` …, never translated.
    pub(super) severity: String,
    /// Five-character SQLSTATE.
    pub(super) code: [u8; 5],
    /// Primary message, in the server's language.
    pub(super) message: String,
}

/// What the connection was doing when the server answered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Doing<'a> {
    /// Log-in of a user to a database, with the text `user@host:port/db`.
    Login(&'a str),
    /// A query or COPY.
    Query,
    /// CREATE_REPLICATION_SLOT of this slot.
    CreateSlot(&'a str),
    /// DROP_REPLICATION_SLOT of this slot.
    DropSlot(&'a str),
    /// START_REPLICATION of this slot.
    Start(&'a str),
    /// Streaming from this slot.
    Stream(&'a str),
}

impl Response {
    /// Reads the fields.
    ///
    /// # Errors
    /// A body that is no list of fields.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut body = Body::new("error or notice", body);
        let mut response = Self {
            severity: String::new(),
            code: *b"XX000",
            message: String::new(),
        };
        let mut translated = "";
        loop {
            let field = body.u8("field type")?;
            if field == 0 {
                break;
            }
            // Before log-in is complete the server may speak another encoding than UTF-8.
            let rest = body.clone().rest();
            let end =
                memchr::memchr(0, rest).ok_or_else(|| body.wrong("field", "is not ended by a zero byte"))?;
            let bytes = body.take(end, "field")?;
            body.u8("field end")?;
            match field {
                b'S' => translated = std::str::from_utf8(bytes).unwrap_or_default(),
                b'V' => response.severity = String::from_utf8_lossy(bytes).into_owned(),
                b'C' => response.code = bytes.try_into().unwrap_or(*b"XX000"),
                b'M' => response.message = String::from_utf8_lossy(bytes).into_owned(),
                _ => {}
            }
        }
        if response.severity.is_empty() {
            response.severity = translated.to_owned();
        }
        Ok(response)
    }

    /// The SQLSTATE as text.
    pub(super) fn code(&self) -> &str {
        std::str::from_utf8(&self.code).unwrap_or("XX000")
    }

    /// The error that this response is for somebody who was `doing` that.
    ///
    /// Decided by SQLSTATE and situation, never by the message, which is translated and changes between versions.
    pub(super) fn into_error(self, doing: Doing<'_>) -> Error {
        let kind = kind_of(&self.code, doing);
        let context = sentence(kind, &self, doing);
        let error = Error::new(kind, context).with_sqlstate(self.code);
        match hint_of(&self.code, doing) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

fn kind_of(code: &[u8; 5], doing: Doing<'_>) -> ErrorKind {
    use ErrorKind as K;
    match (code, doing) {
        // Shutdown, crash, starting up; idle session and transaction time-outs; out of connections, slots, memory, disk.
        (b"57P01" | b"57P02" | b"57P03" | b"57P05" | b"53300" | b"53400" | b"53200" | b"53100", _) => {
            K::ServerUnavailable
        }
        // A standby's replay came in between, or a deadlock: the same again may work.
        (b"40001" | b"40P01", _) => K::ServerUnavailable,
        ([b'2', b'8', ..], _) => K::Auth,
        (b"42501", _) => K::Privilege,
        (b"3D000" | b"55000", Doing::Login(_)) => K::Config,
        (_, Doing::Login(_)) => K::Query,
        (b"55006", Doing::Start(_) | Doing::DropSlot(_)) => K::SlotBusy,
        (b"42704", Doing::Start(_) | Doing::DropSlot(_)) => K::SlotMissing,
        (b"42704" | b"55000", Doing::Stream(_)) => K::Publication,
        (b"55000", Doing::Start(_)) => K::SlotLost,
        (b"58P01", Doing::Start(_) | Doing::Stream(_)) => K::SlotLost,
        _ => K::Query,
    }
}

fn hint_of(code: &[u8; 5], doing: Doing<'_>) -> Option<&'static str> {
    // What the server says of a row that does not fit into one message depends on the row and its version.
    if matches!(code, b"54000" | b"XX000") && matches!(doing, Doing::Stream(_)) {
        return Some(
            "see the server's message; if it names a size or memory, a row is longer than the 1 GB that PostgreSQL can send: \
             leave the column out of the publication, move the slot behind the row with pg_replication_slot_advance, and take a new snapshot of its table",
        );
    }
    if matches!(doing, Doing::Stream(_)) && matches!(code, b"42704" | b"55000") {
        return Some(
            "create the publication: `pgcdc doctor` prints the SQL; if it is there, it was created behind changes that the slot \
             still holds, which cannot be decoded without: drop the slot, clear the offset, and take a new snapshot",
        );
    }
    Some(match code {
        b"28P01" => "check the password: password, passfile or PGPASSWORD",
        b"28000" => "check the user's right to log in and the lines of pg_hba.conf",
        b"3D000" => "check the database's name",
        b"53300" | b"53400" => {
            "raise max_connections, max_wal_senders or max_replication_slots, or free some"
        }
        _ => return None,
    })
}

fn sentence(kind: ErrorKind, r: &Response, doing: Doing<'_>) -> String {
    use ErrorKind as K;
    let code = r.code();
    let message = without_values(r.message.as_str(), code);
    match (kind, doing) {
        (_, Doing::Login(whom)) => {
            format!("the server refused to log in {whom}: {message} (SQLSTATE {code})")
        }
        (K::SlotBusy, Doing::Start(slot) | Doing::DropSlot(slot)) => {
            format!("replication slot {slot:?} is in use by another connection: {message} (SQLSTATE {code})")
        }
        (K::SlotMissing, Doing::Start(slot) | Doing::DropSlot(slot)) => {
            format!("replication slot {slot:?} does not exist: {message} (SQLSTATE {code})")
        }
        (K::SlotLost, Doing::Start(slot) | Doing::Stream(slot)) => {
            format!("replication slot {slot:?} cannot be read any more: {message} (SQLSTATE {code})")
        }
        (K::Publication, Doing::Stream(slot)) => {
            format!("the publication that slot {slot:?} streams is missing: {message} (SQLSTATE {code})")
        }
        (K::ServerUnavailable, _) if code.starts_with("40") => {
            format!("the server gave up on the query: {message} (SQLSTATE {code})")
        }
        (K::ServerUnavailable, _) => format!("the server is not available: {message} (SQLSTATE {code})"),
        (_, Doing::CreateSlot(slot)) => {
            format!("cannot create replication slot {slot:?}: {message} (SQLSTATE {code})")
        }
        (_, Doing::DropSlot(slot)) => {
            format!("cannot drop replication slot {slot:?}: {message} (SQLSTATE {code})")
        }
        (_, Doing::Start(slot)) => {
            format!("cannot start replication from slot {slot:?}: {message} (SQLSTATE {code})")
        }
        (_, Doing::Stream(slot)) => {
            format!("streaming from slot {slot:?} failed: {message} (SQLSTATE {code})")
        }
        (_, Doing::Query) => format!("query refused: {message} (SQLSTATE {code})"),
    }
}

/// Cuts the message off before the value that it quotes: those of class 22, data exceptions, are about values of rows.
fn without_values<'a>(message: &'a str, code: &str) -> &'a str {
    let quote = |c| matches!(c, '"' | '\'' | '«' | '„' | '“' | '»' | '「' | '`');
    let end = message.find(quote).filter(|_| code.starts_with("22"));
    message
        .get(..end.unwrap_or(message.len()))
        .unwrap_or_default()
        .trim_end_matches([' ', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_message_is_not_passed_on() {
        let said = |message, code| without_values(message, code).to_owned();
        let syntax = "invalid input syntax for type integer: \"4111 1111\"";
        assert_eq!(said(syntax, "22P02"), "invalid input syntax for type integer");
        assert_eq!(said("division by zero", "22012"), "division by zero");
        let missing = "relation \"t\" does not exist";
        assert_eq!(said(missing, "42P01"), missing);
    }

    fn response(code: &[u8; 5]) -> Response {
        let mut body = b"SFEHLER\0VERROR\0C".to_vec();
        body.extend_from_slice(code);
        body.extend_from_slice(b"\0Mnope\0Drow values\0\0");
        Response::parse(&body).unwrap()
    }

    #[test]
    fn the_untranslated_severity_wins_and_detail_is_dropped() {
        let r = response(b"55006");
        assert_eq!(
            (r.severity.as_str(), r.code(), r.message.as_str()),
            ("ERROR", "55006", "nope")
        );
    }

    #[test]
    fn kind_follows_sqlstate_and_situation() {
        use ErrorKind as K;
        let table: [(&[u8; 5], Doing<'_>, K); 15] = [
            (b"28P01", Doing::Login("u@h:1/d"), K::Auth),
            (b"28000", Doing::Login("u@h:1/d"), K::Auth),
            (b"3D000", Doing::Login("u@h:1/d"), K::Config),
            (b"42501", Doing::Login("u@h:1/d"), K::Privilege),
            (b"57P03", Doing::Login("u@h:1/d"), K::ServerUnavailable),
            (b"53300", Doing::Login("u@h:1/d"), K::ServerUnavailable),
            (b"55006", Doing::Start("s"), K::SlotBusy),
            (b"42704", Doing::Start("s"), K::SlotMissing),
            (b"55000", Doing::Start("s"), K::SlotLost),
            (b"58P01", Doing::Start("s"), K::SlotLost),
            (b"42704", Doing::Stream("s"), K::Publication),
            (b"57P01", Doing::Stream("s"), K::ServerUnavailable),
            (b"40001", Doing::Query, K::ServerUnavailable),
            (b"42704", Doing::Query, K::Query),
            (b"42710", Doing::CreateSlot("s"), K::Query),
        ];
        for (code, doing, kind) in table {
            let error = response(code).into_error(doing);
            assert_eq!(error.kind(), kind, "{code:?} {doing:?}");
            assert_eq!(error.sqlstate(), std::str::from_utf8(code).ok());
            assert!(!error.chain().contains("row values"));
        }
    }

    #[test]
    fn broken_fields_are_errors() {
        for bad in [&b""[..], b"S", b"SERROR", b"SERROR\0"] {
            assert!(Response::parse(bad).is_err(), "{bad:?}");
        }
    }
}
