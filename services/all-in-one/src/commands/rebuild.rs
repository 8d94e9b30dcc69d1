//! `rookery rebuild`.

use model::AccountName;
use runtime::{Progress, Settings};

use super::CommandError;
use super::system::System;
use crate::data_dir::DataDir;

/// Whose timelines: of this account, or everybody's.
pub(super) async fn run(settings: &Settings, user: Option<AccountName>) -> Result<(), CommandError> {
    if !DataDir::exists(&settings.data_dir) {
        return Err(CommandError::NoData(settings.data_dir.clone()));
    }
    let System::Running(client) = System::open(settings).await? else {
        println!(
            "nothing to rebuild: rookery is not running, and keeps home timelines in memory alone; they are computed when \
             they are read"
        );
        return Ok(());
    };
    let mut progress = None;
    let counts = client.rebuild(user, |done, total| {
        let progress = progress.get_or_insert_with(|| Progress::things("computing timelines anew", total));
        progress.set(done);
    });
    let counts = counts.await?;
    drop(progress);
    println!("{counts}");
    if counts.failed == 0 {
        Ok(())
    } else {
        Err(CommandError::NotRebuilt)
    }
}
