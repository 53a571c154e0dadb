//! A resource that is received whole, such as a playlist or a segment of audio.

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::{Address, HttpError, HttpLimits, Next, Wish, failed, walk, within};
use crate::ingest::hls::ByteRange;
use std::time::Duration;

/// What is wanted of a resource, and how much and how long it may cost.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// Only these bytes.
    pub(crate) range: Option<ByteRange>,
    /// Most bytes.
    pub(crate) bytes_max: usize,
    /// Longest time without a byte.
    pub(crate) silence: Duration,
    /// Longest time for all of it.
    pub(crate) time: Duration,
}

/// A resource.
pub(crate) struct Whole {
    /// Where it was in the end.
    pub(crate) address: Address,
    pub(crate) bytes: Bytes,
}

/// Receives a resource; redirects are followed.
pub(crate) async fn whole(address: &Address, limits: &HttpLimits, order: Order) -> Result<Whole, HttpError> {
    within(order.time, address, "end of it", receive(address, limits, order)).await?
}

async fn receive(address: &Address, limits: &HttpLimits, order: Order) -> Result<Whole, HttpError> {
    let mut response = match walk(address, limits, Wish::Whole(order.range)).await? {
        Next::Stream(response) => *response,
        Next::Hls { address, .. } | Next::Address(address) => {
            return Err(failed(&address, "no end of redirects"));
        }
    };
    if order.range.is_some() && !response.is_partial {
        return Err(HttpError::Refused(format!("{}: the server gives no byte ranges", response.address)));
    }
    let mut all = BytesMut::new();
    loop {
        let next = timeout(order.silence, response.next()).await;
        let next =
            next.map_err(|_| failed(&response.address, &format!("no bytes for {:?}", order.silence)))?;
        let Some(bytes) = next? else { break };
        if all.len() + bytes.len() > order.bytes_max {
            let what = format!("{}: more than {} bytes", response.address, order.bytes_max);
            return Err(HttpError::Refused(what));
        }
        all.extend_from_slice(&bytes);
    }
    Ok(Whole { address: response.address.clone(), bytes: all.freeze() })
}
