//! Whether an event is lost, from what was seen of its partition.

use std::time::Duration;

use ahash::AHashSet;
use model::Position;

/// What was seen of a partition.
#[derive(Debug, Clone, Default)]
pub(in crate::events) struct View {
    /// How long ago the first entry was published that was never delivered; `None` when there is none.
    pub(in crate::events) undelivered: Option<Duration>,
    /// How many entries are delivered and not acknowledged.
    pub(in crate::events) pending: u64,
    /// Which events those are, once that has been asked.
    pub(in crate::events) delivered: Delivered,
}

/// Which events are delivered and not acknowledged.
#[derive(Debug, Clone, Default)]
pub(in crate::events) enum Delivered {
    /// Nobody has asked yet.
    #[default]
    Unknown,
    /// These.
    Known(AHashSet<Position>),
    /// More than can be looked through.
    TooMany,
}

/// What is to be thought of an event that is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::events) enum Verdict {
    /// It may well be on its way.
    Underway,
    /// It is lost, unless it is among those delivered, of which nothing is known yet.
    Suspect,
    /// It is lost.
    Lost,
}

impl View {
    /// Judges an event that was published, or should have been, `age` before this view was taken.
    pub(in crate::events) fn judge(&self, position: Position, age: Duration, grace: Duration) -> Verdict {
        let backlog = self.undelivered.unwrap_or_default();
        if age <= backlog + grace {
            return Verdict::Underway;
        }
        match &self.delivered {
            _ if self.pending == 0 => Verdict::Lost,
            Delivered::Unknown => Verdict::Suspect,
            Delivered::TooMany => Verdict::Underway,
            Delivered::Known(positions) if positions.contains(&position) => Verdict::Underway,
            Delivered::Known(_) => Verdict::Lost,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(2);

    fn judge(view: &View, position: u64, age_secs: u64) -> Verdict {
        view.judge(Position(position), Duration::from_secs(age_secs), GRACE)
    }

    #[test]
    fn without_a_backlog_an_event_has_as_long_as_publishing_takes() {
        let view = View::default();
        assert_eq!(judge(&view, 1, 2), Verdict::Underway);
        assert_eq!(judge(&view, 1, 3), Verdict::Lost);
    }

    #[test]
    fn what_was_committed_after_the_first_undelivered_is_on_its_way() {
        let view = View {
            undelivered: Some(Duration::from_mins(10)),
            ..View::default()
        };
        assert_eq!(judge(&view, 1, 600), Verdict::Underway);
        assert_eq!(judge(&view, 1, 602), Verdict::Underway);
        assert_eq!(judge(&view, 1, 603), Verdict::Lost);
    }

    #[test]
    fn what_was_delivered_is_not_lost_however_old() {
        let mut view = View {
            pending: 1,
            ..View::default()
        };
        assert_eq!(judge(&view, 1, 1), Verdict::Underway);
        assert_eq!(judge(&view, 1, 100), Verdict::Suspect);
        view.delivered = Delivered::Known(AHashSet::from_iter([Position(1)]));
        assert_eq!(judge(&view, 1, 100), Verdict::Underway);
        assert_eq!(judge(&view, 2, 100), Verdict::Lost);
    }
}
