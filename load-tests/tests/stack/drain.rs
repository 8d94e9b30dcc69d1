//! A process that is asked to end takes no request with it.

use std::time::Duration;

use test_support::{SERVICES, Stop};

use crate::faults::under_load_for;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_of_one_service_after_the_other_costs_no_request() {
    // As long as the load balancer takes to notice.
    let settings = [("ROOKERY__HTTP__DRAIN_DELAY_MS", "750")];
    let name = "SIGTERM of one service after the other";
    let report = under_load_for(Duration::from_secs(40), name, &[], &settings, async |running, _| {
        for name in SERVICES {
            let part = running.stack.part(name, 0);
            // The second time it is a child of this test, which learns what it ends with.
            for _ in 0..2 {
                part.end(Stop::Graceful).await?;
                part.start()?;
                running.stack.wait_ready().await?;
            }
        }
        Ok(())
    })
    .await;
    assert_eq!(report.map_or(0, |report| report.unanswered), 0);
}
