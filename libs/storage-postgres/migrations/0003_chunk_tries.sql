-- How often a chunk has been begun and not finished. After too many tries it is set aside: due never.
ALTER TABLE delivery_chunks ADD COLUMN tries integer NOT NULL DEFAULT 0;
