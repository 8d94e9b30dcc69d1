//! `rookery migrate`.

use runtime::Settings;

use super::CommandError;
use super::system::System;

pub(super) async fn run(settings: &Settings, accept_loss: bool) -> Result<(), CommandError> {
    let data_dir = settings.data_dir.display();
    match System::open(settings).await? {
        System::Stopped(stopped) => {
            stopped.migrate(accept_loss)?;
            println!(
                "the stores in {data_dir} are at the schema of this version ({})",
                env!("CARGO_PKG_VERSION")
            );
        }
        System::Running(client) => {
            client.migrate().await?;
            println!("nothing to do: the running process brought the stores in {data_dir} up to date when it started");
        }
    }
    Ok(())
}
