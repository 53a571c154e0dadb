//! stub
use models::store::*;
use std::path::Path;
#[derive(Debug)]
pub struct HttpFetch;
impl Fetch for HttpFetch {
    fn fetch(
        &mut self,
        download: &Download,
        _: &Path,
        _: &mut dyn FnMut(u64, Option<u64>),
    ) -> Result<(), FetchError> {
        Err(FetchError::Unsupported { address: download.from.to_string() })
    }
}
