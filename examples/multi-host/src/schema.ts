// The tables. Everything that is written under a lock is written in a transaction that goes through the lock's row of
// `fence` first (fenced.ts); the other two are examples of what can be written so.

export const TABLES = `
  -- The largest fence that has written under each lock. Its row is also where writers of one lock stand in line.
  create table if not exists fence (
    lock  text primary key,
    fence bigint not null
  );

  -- A line has an id that whoever wrote it chose before it wrote, so that a line that is written again is known.
  -- json, and not jsonb: it is kept as it was sent, and nothing of it can be refused.
  create table if not exists transcript (
    session text not null,
    seq     bigint not null,
    id      text not null,
    body    json not null,
    fence   bigint not null,
    at      timestamptz not null default clock_timestamp(),
    primary key (session, seq),
    constraint written_once unique (session, id)
  );

  create table if not exists store (
    name  text primary key,
    value json not null,
    fence bigint not null
  );
`
