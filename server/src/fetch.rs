//! Fetching weights over HTTP, for the store of `models`, which knows no network.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use models::store::{Address as Origin, Download, Fetch, FetchError};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::ingest::http::{Address, HttpLimits, open};

/// Without a byte for so long a download is given up.
const STALLED: Duration = Duration::from_secs(30);

/// Fetches from `http` and `https` addresses. An interrupted download starts anew.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpFetch;

impl Fetch for HttpFetch {
    fn fetch(
        &mut self,
        download: &Download,
        into: &Path,
        progress: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        let Origin::Url(url) = &download.from else {
            return Err(FetchError::Unsupported { address: download.from.to_string() });
        };
        let failed = |message: String| FetchError::Failed { address: url.clone(), message };
        let runtime =
            Builder::new_current_thread().enable_all().build().map_err(|e| failed(e.to_string()))?;
        let file = File::create(into).map_err(|source| FetchError::Io { path: into.to_owned(), source })?;
        let address = Address::parse(url).map_err(|e| failed(e.to_string()))?;
        let total = download.pin.size_bytes;
        runtime.block_on(receive(&address, file, total, progress)).map_err(failed)
    }
}

/// Writes the body to `file`; more than `total` bytes are refused.
async fn receive(
    address: &Address,
    mut file: File,
    total: u64,
    progress: &mut dyn FnMut(u64, Option<u64>),
) -> Result<(), String> {
    let mut response = open(address, &HttpLimits::default()).await.map_err(|e| e.to_string())?;
    let mut done = 0;
    loop {
        let next = timeout(STALLED, response.next()).await;
        let next = next.map_err(|_| format!("no byte for {} s", STALLED.as_secs()))?;
        let Some(bytes) = next.map_err(|e| e.to_string())? else { break };
        done += bytes.len() as u64;
        if done > total {
            return Err(format!("more than the {total} bytes that were expected"));
        }
        file.write_all(&bytes).map_err(|e| e.to_string())?;
        progress(done, Some(total));
    }
    file.sync_all().map_err(|e| e.to_string())
}
