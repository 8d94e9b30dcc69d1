//! Accounts, who follows, mutes and blocks whom, and how an author's tweets are delivered
