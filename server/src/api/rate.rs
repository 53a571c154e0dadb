//! How often one address may ask, and for how long: a bucket of tokens each, as in RFC 2698's meters.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;

use super::problem::Problem;
use crate::config::Limits;

/// Addresses that are remembered; those whose buckets are full are forgotten first.
const ADDRESSES_MAX: usize = 16_384;

/// See the module.
#[derive(Debug)]
pub(super) struct Rates {
    per_sec: f64,
    burst: f64,
    body: Duration,
    buckets: Mutex<BTreeMap<IpAddr, Bucket>>,
}

#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Arc<Self> {
        Arc::new(Self {
            per_sec: f64::from(limits.requests_per_sec),
            burst: f64::from(limits.requests_burst),
            body: Duration::from_secs(limits.body_secs),
            buckets: Mutex::default(),
        })
    }

    /// Takes a token of `address` at `now`. An error: how long until there is one.
    fn take(&self, address: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= ADDRESSES_MAX {
            buckets.retain(|_, bucket| self.filled(*bucket, now).tokens < self.burst);
        }
        let bucket = buckets.entry(address).or_insert(Bucket { tokens: self.burst, at: now });
        *bucket = self.filled(*bucket, now);
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_sec));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    fn filled(&self, bucket: Bucket, now: Instant) -> Bucket {
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        Bucket { tokens: (bucket.tokens + since * self.per_sec).min(self.burst), at: now }
    }
}

/// Refuses what comes too often, and ends what takes too long to be asked.
pub(super) async fn limit(State(rates): State<Arc<Rates>>, request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
    if let Some(Err(wait)) = peer.map(|peer| rates.take(peer, Instant::now())) {
        let problem =
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests (limits.requests_per_sec)");
        let mut response = problem.into_response();
        let secs = HeaderValue::from(wait.as_secs_f64().ceil() as u64);
        response.headers_mut().insert(header::RETRY_AFTER, secs);
        return response;
    }
    match timeout(rates.body, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let what = format!("the request was not there within {:?} (limits.body_secs)", rates.body);
            Problem::new(StatusCode::REQUEST_TIMEOUT, what).into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_served_and_then_the_rate() {
        let limits = Limits { requests_per_sec: 2, requests_burst: 3, ..Limits::default() };
        let rates = Rates::new(&limits);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let [a, b] = ["10.0.0.1", "10.0.0.2"].map(|text| text.parse().unwrap());
        let served = |address, millis| rates.take(address, at(millis));
        assert_eq!([0, 0, 0].map(|millis| served(a, millis).is_ok()), [true; 3]);
        assert_eq!(served(a, 0), Err(Duration::from_millis(500)));
        assert_eq!((served(b, 0), served(a, 499).is_ok(), served(a, 500)), (Ok(()), false, Ok(())));
        assert_eq!([5_000; 4].map(|millis| served(a, millis).is_ok()), [true, true, true, false]);
    }
}
