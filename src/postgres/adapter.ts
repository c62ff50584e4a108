// What is needed of a PostgreSQL client: connections that are ours alone, and one statement at a time on each. Small, so that
// any client can be used; pg-adapter.ts and postgres-js-adapter.ts are those for the two that are in use most.

export type Row = Readonly<Record<string, unknown>>

export interface PostgresConnection {
  /** The server's process, as the server itself told the client at the beginning. */
  readonly processId: number

  /**
   * Runs one statement without parameters by the simple protocol and answers its rows. It is never called while another
   * statement runs, nor after the connection has ended. Rejects with the client's own error; one of the server has its
   * SQLSTATE as `code`. It must not have a time-out of its own: a statement may wait for a lock for hours.
   */
  query(text: string): Promise<readonly Row[]>

  /** Says goodbye to the server; resolves when the connection has ended. Nothing runs on it then. */
  end(): Promise<void>

  /** Cuts the connection at once, whatever runs on it. Never throws. */
  destroy(): void
}

export interface PostgresAdapter {
  /**
   * Opens one connection, directly to the server. `ended` is called once when a connection that was opened has ended,
   * whoever ended it and however. Reconnecting is not its business. `signal` aborts when an attempt has taken too long: what there
   * is of the connection is to be cut then.
   */
  connect(ended: (cause: unknown) => void, signal: AbortSignal): Promise<PostgresConnection>
}
