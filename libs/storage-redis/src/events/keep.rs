//! Upkeep of what this process has of the streams, for as long as the log is open.

use std::sync::Weak;
use std::time::Instant;

use fred::error::Error;
use tokio_util::sync::CancellationToken;

use super::book::Place;
use super::intake::{Intake, LONGEST_READ};

/// Shows every now and then that this process is alive and works on what it holds, so that nobody takes it over, however
/// slow the work; gives back what nobody here has asked for; acknowledges what could not be acknowledged in time.
pub(super) async fn keep(intake: Weak<Intake>, closed: CancellationToken) {
    loop {
        let Some(intake) = intake.upgrade() else { return };
        let pause = intake.settings.touch_every();
        if let Err(error) = intake.keep_once().await {
            tracing::debug!(%error, "the event stream is away; others may take over what is worked on here");
        }
        drop(intake);
        let slept = closed.run_until_cancelled(tokio::time::sleep(pause)).await;
        if slept.is_none() {
            return;
        }
    }
}

impl Intake {
    pub(super) async fn keep_once(&self) -> Result<(), Error> {
        self.acknowledge_settled().await?;
        let pause = self.settings.touch_every();
        let unwanted = self.book.lock().take_unwanted(Instant::now(), pause);
        if !unwanted.is_empty() {
            self.streams.set_tries(&unwanted, self.settings.claim_after).await?;
        }
        let held = self.book.lock().held();
        if !held.is_empty() {
            self.streams.touch(&held).await?;
        }
        Ok(())
    }

    /// Leaves all that this process has to whoever asks first. Reads and claims that are under way may bring more.
    pub(super) async fn give_back(&self) -> Result<(), Error> {
        let still = async {
            loop {
                let ready = self.ready.notified();
                tokio::pin!(ready);
                ready.as_mut().enable();
                if !self.is_about_to_receive() {
                    return;
                }
                ready.await;
            }
        };
        let _ = tokio::time::timeout(LONGEST_READ, still).await;
        let entries = self.book.lock().take_all();
        self.streams.set_tries(&entries, self.settings.claim_after).await?;
        self.acknowledge_settled().await
    }

    /// Acknowledges in the streams what is done. What fails, or is given up half-way, stays to be acknowledged.
    pub(super) async fn acknowledge_settled(&self) -> Result<(), Error> {
        let mut settled = Settled {
            places: self.book.lock().take_settled(),
            intake: self,
        };
        if !settled.places.is_empty() {
            self.streams.acknowledge(&settled.places).await?;
            settled.places.clear();
        }
        Ok(())
    }
}

struct Settled<'a> {
    places: Vec<Place>,
    intake: &'a Intake,
}

impl Drop for Settled<'_> {
    fn drop(&mut self) {
        if !self.places.is_empty() {
            self.intake.book.lock().put_back(std::mem::take(&mut self.places));
        }
    }
}
