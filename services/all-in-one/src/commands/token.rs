//! `rookery token`.

use runtime::Settings;

use super::CommandError;
use super::system::System;
use crate::data_dir::DataDir;

/// Prints the token and nothing else, for `TOKEN=$(rookery token …)`.
pub(super) async fn run(settings: &Settings, handle: String) -> Result<(), CommandError> {
    if !DataDir::exists(&settings.data_dir) {
        return Err(CommandError::NoData(settings.data_dir.clone()));
    }
    let token = System::open(settings).await?.token(handle).await?;
    println!("{token}");
    Ok(())
}
