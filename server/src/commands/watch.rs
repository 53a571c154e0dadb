//! stub
use crate::cli::WatchArgs;
use crate::failure::Failure;
pub(super) fn run(_args: &WatchArgs) -> Result<(), Failure> {
    Ok(())
}
