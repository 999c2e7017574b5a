//! One line of COPY's text format to column values.
//!
//! Source: PostgreSQL documentation, COPY, "Text Format": tab between columns, `\N` for NULL, backslash escapes.

use cdc_core::row::{ColumnKind, ColumnRef, RowView};
use cdc_core::{Error, ErrorKind};

/// Splits lines and takes the escapes out, in buffers that are used again.
#[derive(Debug, Default)]
pub(crate) struct CopyLine {
    plain: Vec<u8>,
    columns: Vec<ColumnRef>,
}

impl CopyLine {
    /// Reads one line; a final newline is left out.
    ///
    /// # Errors
    /// Kind `Protocol` if the number of columns is not `columns` or an escape is cut off.
    pub(crate) fn read<'a>(&'a mut self, line: &'a [u8], columns: usize) -> Result<RowView<'a>, Error> {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        self.columns.clear();
        let escaped = memchr::memchr(b'\\', line).is_some();
        if !escaped {
            // Most lines: the columns are slices of the line itself.
            let mut start = 0;
            for tab in memchr::memchr_iter(b'\t', line).chain([line.len()]) {
                self.push(ColumnKind::Text, start, tab)?;
                start = tab + 1;
            }
            if columns == 0 && line.is_empty() {
                self.columns.clear();
            }
            return self.finish(line, columns);
        }
        self.plain.clear();
        for field in line.split(|b| *b == b'\t') {
            if field == b"\\N" {
                self.push(ColumnKind::Null, 0, 0)?;
                continue;
            }
            let start = self.plain.len();
            unescape(field, &mut self.plain)?;
            let end = self.plain.len();
            self.push(ColumnKind::Text, start, end)?;
        }
        let Self { plain, columns: refs } = self;
        check(refs.len(), columns)?;
        Ok(RowView::new(plain, refs))
    }

    fn finish<'a>(&'a self, line: &'a [u8], columns: usize) -> Result<RowView<'a>, Error> {
        check(self.columns.len(), columns)?;
        Ok(RowView::new(line, &self.columns))
    }

    fn push(&mut self, kind: ColumnKind, start: usize, end: usize) -> Result<(), Error> {
        let long = || Error::new(ErrorKind::Protocol, "COPY line is longer than 4 GiB");
        let start = u32::try_from(start).map_err(|_| long())?;
        let end = u32::try_from(end).map_err(|_| long())?;
        self.columns.push(ColumnRef {
            kind,
            start,
            len: end.saturating_sub(start),
        });
        Ok(())
    }
}

fn check(got: usize, want: usize) -> Result<(), Error> {
    if got == want {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Protocol,
        format!("COPY line has {got} columns, the table has {want}"),
    )
    .with_hint("if a select override is configured, let it return every column of the table, in its order; NULL for one that is left out"))
}

fn unescape(field: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut rest = field;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        let Some(code) = after.get(1) else {
            return Err(Error::new(ErrorKind::Protocol, "COPY line ends inside an escape"));
        };
        // The server writes only these letters; octal and hexadecimal forms are for input.
        out.push(match code {
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'v' => 0x0b,
            other => *other,
        });
        rest = after.get(2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cdc_core::row::Datum;

    #[test]
    fn values_come_back_as_they_were_stored() {
        let mut line = CopyLine::default();
        let mut get = |text: &[u8], n: usize| {
            let row = line.read(text, n).unwrap();
            (0..row.len())
                .map(|i| match row.get(i) {
                    Datum::Text(t) => Some(String::from_utf8_lossy(t).into_owned()),
                    _ => None,
                })
                .collect::<Vec<_>>()
        };
        let some = |s: &str| Some(s.to_owned());
        assert_eq!(get(b"1\tab\t\n", 3), [some("1"), some("ab"), some("")]);
        assert_eq!(
            get(b"\\N\ta\\tb\\\\N\\n\t\\\\N\n", 3),
            [None, some("a\tb\\N\n"), some("\\N")]
        );
        assert_eq!(get(b"\\b\\f\\r\\v\n", 1), [some("\x08\x0c\r\x0b")]);
        assert_eq!(get(b"\n", 1), [some("")]);
        assert_eq!(get(b"\n", 0), []);
    }

    #[test]
    fn a_line_of_another_shape_is_an_error() {
        let mut line = CopyLine::default();
        assert!(line.read(b"1\t2\n", 3).is_err());
        assert!(line.read(b"1\\\n", 1).is_err());
    }
}
