-- Events that were set aside hold nothing back: readers look their tweets up.
ALTER TABLE outbox ADD COLUMN aside boolean NOT NULL DEFAULT false;
CREATE INDEX outbox_undelivered ON outbox (tweet) WHERE kind = 0 AND NOT aside;
CREATE INDEX outbox_aside ON outbox (tweet) INCLUDE (author) WHERE kind = 0 AND aside;
-- Events of kinds that a later version writes: counted.
CREATE INDEX outbox_not_understood ON outbox (position) WHERE kind NOT IN (0, 1);
