//! `rookery explain`.

use model::{AccountName, TweetId};
use runtime::Settings;

use super::CommandError;
use super::system::System;
use crate::data_dir::DataDir;

/// Prints the explanation.
pub(super) async fn run(
    settings: &Settings,
    user: AccountName,
    tweet: TweetId,
    json: bool,
) -> Result<(), CommandError> {
    if !DataDir::exists(&settings.data_dir) {
        return Err(CommandError::NoData(settings.data_dir.clone()));
    }
    let explanation = System::open(settings).await?.explain(user, tweet).await?;
    if json {
        let text = serde_json::to_string(&explanation).expect("names and sentences are JSON");
        println!("{text}");
    } else {
        print!("{}", explanation.for_people());
    }
    Ok(())
}
