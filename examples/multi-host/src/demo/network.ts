// Hosts, each with a cable to the database that can be pulled out.
export interface Host {
  readonly name: string
  /** The database, as it is reached from there. */
  readonly url: string
  /** What a command begins with that is to run there. */
  readonly prefix: readonly string[]
  /** What is on the way is lost or late, and nobody is told. */
  cut(): void
  heal(): void
}

export interface Network {
  readonly what: string
  /** A new one. `database` is its URL on this machine. */
  host(name: string, database: string): Promise<Host>
  end(): void
}
