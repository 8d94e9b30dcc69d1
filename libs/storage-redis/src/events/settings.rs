//! What can be chosen.

use std::time::Duration;

use model::Epoch;

/// Settings of the event log. Every process of a deployment has the same.
#[derive(Debug, Clone)]
pub struct EventLogSettings {
    /// How many streams the events are spread over, by author. When it is changed, what lies in streams that are no longer
    /// read is published again.
    pub partitions: u32,
    /// The life of the store behind the outbox. What carries another one is dropped: its positions mean other events.
    pub epoch: Epoch,
    /// After how long an event that nobody has shown to be working on is handed to somebody else.
    pub claim_after: Duration,
    /// How often an event may be handed out before it is set aside as poison.
    pub max_tries: u64,
    /// How long publishing may take. What was not published in time is found in the outbox.
    pub publish_timeout: Duration,
    /// How long one call to the outbox may take.
    pub store_timeout: Duration,
    /// How old an event must be before it can count as lost.
    pub grace: Duration,
    /// The shortest pause between two looks for what was lost.
    pub sweep_every: Duration,
    /// After how long without a sign of life a consumer that holds nothing is forgotten. One that comes back is known again.
    pub forget_after: Duration,
    /// How old an answer about the backlog may be.
    pub backlog_max_age: Duration,
}

impl Default for EventLogSettings {
    fn default() -> Self {
        Self {
            partitions: 8,
            epoch: Epoch::default(),
            claim_after: Duration::from_secs(3),
            max_tries: 10,
            publish_timeout: Duration::from_millis(500),
            store_timeout: Duration::from_secs(5),
            grace: Duration::from_secs(2),
            sweep_every: Duration::from_millis(500),
            forget_after: Duration::from_hours(1),
            backlog_max_age: Duration::from_millis(100),
        }
    }
}

impl EventLogSettings {
    /// How often whoever works on an event shows it.
    pub(super) fn touch_every(&self) -> Duration {
        self.claim_after / 4
    }

    /// How often whoever waits for events looks for those that nobody works on any longer.
    pub(super) fn look_every(&self) -> Duration {
        self.claim_after / 8
    }
}
