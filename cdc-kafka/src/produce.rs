//! The producer and the one call a record that hands it over.
//!
//! rdkafka's safe `send` copies the topic's name, looks the topic up under a lock and builds headers with names of their
//! own, for each record. Here a topic is looked up once ([`Producer::topic`]) and then named by its handle.
//! This is the only module that calls librdkafka itself.
#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use cdc_core::{Error, ErrorKind, Record};
use rdkafka::bindings as native;
use rdkafka::client::Client;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, types::RDKafkaRespErr};

use crate::delivery::Window;
use crate::report::{self, Reports};
use crate::{error, topics};

/// What librdkafka allocates for a record besides its key and value, rounded up: its message header and the allocator's.
const RECORD_OVERHEAD: usize = 256;

/// Bytes of memory that a record takes in the client until it is acknowledged, without its headers.
pub(crate) fn cost(key: Option<&[u8]>, value: Option<&[u8]>) -> u64 {
    let bytes = key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len) + RECORD_OVERHEAD;
    bytes as u64
}

/// Receives what becomes of the records.
pub(crate) struct Context {
    pub(crate) window: Window,
    pub(crate) reports: Reports,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        report::log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if error.rdkafka_error_code() == Some(Code::Fatal) {
            let failure = Error::new(
                ErrorKind::SinkUnavailable,
                "kafka no longer accepts this producer",
            );
            self.window.fail(failure.with_source(reason.to_owned()));
        } else {
            self.reports.note(&error, reason);
        }
    }
}

impl ProducerContext for Context {
    /// Number of the record's batch.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, batch: usize) {
        match result {
            Ok(message) => self
                .window
                .settle(batch as u64, cost(message.key(), message.payload())),
            Err((error, message)) => self.window.fail(undelivered(error, message)),
        }
    }
}

fn undelivered(error: &KafkaError, message: &impl Message) -> Error {
    let size = message.key().map_or(0, <[u8]>::len) + message.payload().map_or(0, <[u8]>::len);
    error::from_kafka(
        error,
        format!(
            "a record of {size} bytes for topic {} partition {} was not delivered",
            message.topic(),
            message.partition()
        ),
    )
}

/// Names a topic of one [`Producer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TopicId(usize);

/// A producer with the topics it has met.
pub(crate) struct Producer {
    /// Dropped before the client, as librdkafka wants it.
    topics: Vec<TopicHandle>,
    client: ThreadedProducer<Context>,
}

impl Producer {
    pub(crate) fn new(config: &ClientConfig, context: Context) -> Result<Self, Error> {
        let client = config
            .create_with_context(context)
            .map_err(|e| error::from_kafka(&e, "the kafka producer cannot be set up"))?;
        Ok(Self {
            topics: Vec::new(),
            client,
        })
    }

    pub(crate) fn client(&self) -> &Client<Context> {
        self.client.client()
    }

    pub(crate) fn context(&self) -> &Arc<Context> {
        self.client.context()
    }

    /// Records handed over whose outcome is not known.
    pub(crate) fn outstanding(&self) -> i32 {
        self.client.in_flight_count()
    }

    /// Drops the records that have not been sent; those on the wire keep going.
    pub(crate) fn purge_unsent(&self) {
        self.client
            .purge(rdkafka::producer::PurgeConfig::default().queue());
    }

    /// Looks a topic up. It must exist, or the broker must create topics by itself.
    pub(crate) fn topic(&mut self, name: &str) -> Result<TopicId, Error> {
        topics::check_name(name)?;
        let c_name = CString::new(name).unwrap_or_default();
        // SAFETY: the client is alive as long as `self`; the name is a C string that librdkafka copies; a null
        // configuration asks for the client's default topic configuration.
        let handle = unsafe {
            native::rd_kafka_topic_new(self.client().native_ptr(), c_name.as_ptr(), ptr::null_mut())
        };
        let Some(handle) = NonNull::new(handle) else {
            return Err(Error::new(
                ErrorKind::SinkUnavailable,
                format!("topic {name} cannot be set up in the client"),
            ));
        };
        self.topics.push(TopicHandle(handle));
        Ok(TopicId(self.topics.len() - 1))
    }

    /// Hands a record over; librdkafka copies its bytes. Never blocks. `batch` comes back with the outcome; `now_ms` is the
    /// timestamp of a record that has none.
    ///
    /// # Errors
    /// librdkafka's code: the queue is full, the record is too large, the partition does not exist; nothing was taken then.
    pub(crate) fn produce(
        &self,
        topic: TopicId,
        record: &Record<'_>,
        batch: u64,
        now_ms: i64,
    ) -> Result<(), Code> {
        let Some(handle) = self.topics.get(topic.0) else {
            return Err(Code::UnknownTopic);
        };
        let headers = Headers::of(record)?;
        let opaque = usize::try_from(batch).map_err(|_| Code::InvalidArgument)? as *mut c_void;
        let value = memory(record.value);
        let key = memory(record.key);
        let arguments = [
            argument(
                Type::RD_KAFKA_VTYPE_RKT,
                Value {
                    rkt: handle.0.as_ptr(),
                },
            ),
            argument(
                Type::RD_KAFKA_VTYPE_PARTITION,
                Value {
                    i32_: record.head.partition.unwrap_or(UNASSIGNED),
                },
            ),
            argument(Type::RD_KAFKA_VTYPE_MSGFLAGS, Value { i: COPY }),
            argument(Type::RD_KAFKA_VTYPE_VALUE, Value { mem: value }),
            argument(Type::RD_KAFKA_VTYPE_KEY, Value { mem: key }),
            argument(Type::RD_KAFKA_VTYPE_OPAQUE, Value { ptr: opaque }),
            argument(
                Type::RD_KAFKA_VTYPE_TIMESTAMP,
                Value {
                    i64_: record.head.timestamp_ms.unwrap_or(now_ms),
                },
            ),
            argument(Type::RD_KAFKA_VTYPE_HEADERS, Value { headers: headers.0 }),
        ];
        // SAFETY: the client and the topic handle are alive as long as `self`, and the handle is of this client. Each
        // argument's union member is the one that its type says. Key and value are borrowed for the call, and with the
        // copy flag librdkafka keeps no pointer to them. A null header list means no headers.
        let error = unsafe {
            native::rd_kafka_produceva(self.client().native_ptr(), arguments.as_ptr(), arguments.len())
        };
        if error.is_null() {
            // librdkafka owns the headers now.
            std::mem::forget(headers);
            return Ok(());
        }
        // SAFETY: the error is not null, is ours to destroy, and is not used afterwards.
        let code = unsafe {
            let code = native::rd_kafka_error_code(error);
            native::rd_kafka_error_destroy(error);
            code
        };
        Err(code.into())
    }
}

use native::{rd_kafka_vtype_t as Type, rd_kafka_vu_s__bindgen_ty_1 as Value};

/// The partitioner chooses.
const UNASSIGNED: i32 = -1;
/// librdkafka copies key and value.
const COPY: c_int = 2;

fn argument(vtype: Type, u: Value) -> native::rd_kafka_vu_t {
    native::rd_kafka_vu_t { vtype, u }
}

/// Bytes as librdkafka wants them: null for none, which an empty slice is not.
fn memory(bytes: Option<&[u8]>) -> native::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
    native::rd_kafka_vu_s__bindgen_ty_1__bindgen_ty_1 {
        ptr: bytes.map_or(ptr::null_mut(), |b| b.as_ptr().cast_mut().cast()),
        size: bytes.map_or(0, <[u8]>::len),
    }
}

/// A record's headers in librdkafka's memory; null for none.
struct Headers(*mut native::rd_kafka_headers_t);

impl Headers {
    fn of(record: &Record<'_>) -> Result<Self, Code> {
        if !record.has_headers() {
            return Ok(Self(ptr::null_mut()));
        }
        // SAFETY: allocates; aborts rather than return null.
        let list = Self(unsafe { native::rd_kafka_headers_new(4) });
        for (name, value) in record.headers() {
            let size = |b: &[u8]| isize::try_from(b.len()).map_err(|_| Code::InvalidArgument);
            let (data, data_size) = match value {
                Some(v) => (v.as_ptr().cast::<c_void>(), size(v)?),
                None => (ptr::null(), 0),
            };
            // SAFETY: the list is alive; name and value are readable for the sizes given, and are copied.
            let code = unsafe {
                native::rd_kafka_header_add(
                    list.0,
                    name.as_ptr().cast::<c_char>(),
                    size(name)?,
                    data,
                    data_size,
                )
            };
            if code != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return Err(code.into());
            }
        }
        Ok(list)
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: the list is ours: a successful `produce` forgets this value.
            unsafe { native::rd_kafka_headers_destroy(self.0) };
        }
    }
}

/// A reference to one of the client's topics.
struct TopicHandle(NonNull<native::rd_kafka_topic_t>);

// SAFETY: librdkafka's topic objects are reference counted and locked; any thread may use and release them.
unsafe impl Send for TopicHandle {}

impl Drop for TopicHandle {
    fn drop(&mut self) {
        // SAFETY: the handle came from rd_kafka_topic_new, is released once, and the client is still alive because
        // `Producer` drops its topics first.
        unsafe { native::rd_kafka_topic_destroy(self.0.as_ptr()) };
    }
}
