// Every statement that is sent. Those that concern locks are prepared when a session begins, so that the server does not plan
// them again and again; under names of that session alone, so that a pool that hands them to another server process gets an
// error and not a lock. Nothing is put into a text but numbers, names of our own, and what quoted() made.
import type { Mode } from '../kernel/kernel.js'
import { halves, type Key } from './key.js'

/** Numbers that one grant may give to its holders. */
export const FENCES_A_GRANT = 16

/** What exchange() answers when the first lock was not held, and nothing was done. */
export const NOT_HELD = 'not held'

/** A session, as far as its statements go. */
export interface Prepared {
  /** Part of the names of its prepared statements. */
  readonly token: string
}

interface Functions {
  readonly lock: string
  readonly attempt: string
  readonly unlock: string
}

const FUNCTIONS: Record<Mode, Functions> = {
  exclusive: { lock: 'pg_advisory_lock', attempt: 'pg_try_advisory_lock', unlock: 'pg_advisory_unlock' },
  shared: {
    lock: 'pg_advisory_lock_shared',
    attempt: 'pg_try_advisory_lock_shared',
    unlock: 'pg_advisory_unlock_shared',
  },
}

/**
 * `sequence` is the oid of the sequence of fencing numbers. A number is taken after the grant, in the same statement: CASE
 * evaluates in order, which a list of expressions does not promise.
 */
export function preparations({ token }: Prepared, sequence: number): string[] {
  const fences = { exclusive: `nextval(${sequence}::regclass)`, shared: '0' }
  const passing = (mode: Mode, key: string, turnstile: string): string => `(case
    when not pg_try_advisory_lock_shared(${turnstile}) then null
    when ${FUNCTIONS[mode].attempt}(${key}) then case when pg_advisory_unlock_shared(${turnstile}) then ${fences[mode]} end
    when pg_advisory_unlock_shared(${turnstile}) then null
  end)::text`
  const perMode = (['exclusive', 'shared'] as const).flatMap((mode) => {
    const { lock, attempt, unlock } = FUNCTIONS[mode]
    return [
      `prepare try_${mode}_${token}(bigint, bigint) as select ${passing(mode, '$1', '$2')} as fence`,
      `prepare try_each_${mode}_${token}(bigint[], bigint[]) as select ${passing(mode, 'lock', 'turnstile')} as fence
         from unnest($1, $2) as wanted(lock, turnstile)`,
      `prepare wait_${mode}_${token}(bigint, bigint) as select (case
         when ${lock}($2) is null then null
         when ${lock}($1) is null then null
         else ${fences[mode]}
       end)::text as fence`,
      `prepare take_${mode}_${token}(bigint) as select ${attempt}($1)::text as done`,
      `prepare unlock_${mode}_${token}(bigint) as select ${unlock}($1)::text as done`,
      `prepare unlock_each_${mode}_${token}(bigint[]) as select bool_and(${unlock}(lock))::text as done
         from unnest($1) as held(lock)`,
    ]
  })
  return [
    ...perMode,
    `prepare try_instead_${token}(bigint, bigint, bigint) as select case
       when ${FUNCTIONS.exclusive.unlock}($3) then ${passing('exclusive', '$1', '$2')}
       else '${NOT_HELD}'
     end as fence`,
    `prepare unlock_all_${token} as select pg_advisory_unlock_all()`,
  ]
}

/** Through the turnstiles without stopping. A row for each, in order: `fence` is null when the lock, or its turnstile, is not free. */
export function attemptEach({ token }: Prepared, keys: readonly Key[], mode: Mode): string {
  const [locks, turnstiles] = [keys.map(({ lock }) => lock), keys.map(({ turnstile }) => turnstile)]
  if (keys.length === 1) return `execute try_${mode}_${token}(${locks.join()}, ${turnstiles.join()})`
  return `execute try_each_${mode}_${token}('{${locks.join()}}', '{${turnstiles.join()}}')`
}

/** Lets go of one lock that is held exclusively, then goes through the turnstile of another one, or the same, without stopping. */
export function exchange({ token }: Prepared, held: Key, { lock, turnstile }: Key): string {
  return `execute try_instead_${token}(${lock}, ${turnstile}, ${held.lock})`
}

/** Waits in the turnstile, then for the lock, and keeps both. */
export function wait({ token }: Prepared, { lock, turnstile }: Key, mode: Mode): string {
  return `execute wait_${mode}_${token}(${lock}, ${turnstile})`
}

/** The lock alone, while another session of ours has the turnstile. */
export function take({ token }: Prepared, { lock }: Key, mode: Mode): string {
  return `execute take_${mode}_${token}(${lock})`
}

export function unlock({ token }: Prepared, { lock }: Key, mode: Mode): string {
  return `execute unlock_${mode}_${token}(${lock})`
}

/** `done` where each of them was held. */
export function unlockEach({ token }: Prepared, keys: readonly Key[], mode: Mode): string {
  const locks = keys.map(({ lock }) => lock).join()
  return keys.length === 1
    ? `execute unlock_${mode}_${token}(${locks})`
    : `execute unlock_each_${mode}_${token}('{${locks}}')`
}

export function leaveTurnstile({ token }: Prepared, { turnstile }: Key): string {
  return `execute unlock_shared_${token}(${turnstile})`
}

export function unlockAll({ token }: Prepared): string {
  return `execute unlock_all_${token}`
}

/** Also asks which server process answers: one that changes is a pool's. */
export const BEAT = 'select pg_backend_pid()::text as pid'

/** By process and its beginning, for numbers of processes come again. */
export function cancel({ pid, started }: { pid: number; started: string }): string {
  return `select pg_cancel_backend(pid)::text as done from pg_stat_activity where pid = ${pid} and ${STARTED} = ${quoted(started)}`
}

/** Which of these sessions the server still has. */
export function present(pids: readonly number[]): string {
  return `select pid::text, ${STARTED} as started from pg_stat_activity where pid in (${pids.join(', ')})`
}

const STARTED = `extract(epoch from backend_start)::text`

/** Each only where the server knows it: names that an older one lacks are left out. */
export function configure(settings: Readonly<Record<string, string>>): string {
  const values = Object.entries(settings).map(([name, value]) => `(${quoted(name)}, ${quoted(value)})`)
  return `select set_config(name, value, false) from (values ${values.join(', ')}) as wanted(name, value)
    where name in (select name from pg_settings)`
}

export const IDENTIFY = `select pg_backend_pid()::text as pid, pg_is_in_recovery()::text as standby,
  (select ${STARTED} from pg_stat_activity where pid = pg_backend_pid()) as started,
  (select setting from pg_settings where name = 'tcp_user_timeout') as usertimeout,
  (select setting from pg_settings where name = 'tcp_keepalives_idle') as idle,
  (select setting from pg_settings where name = 'tcp_keepalives_interval') as interval,
  (select setting from pg_settings where name = 'tcp_keepalives_count') as count`

export function findSequence(name: string): string {
  return `select seqrelid::text as oid, seqincrement::text as increment, seqcache::text as cache, seqcycle::text as cycle,
      relpersistence::text as persistence, has_sequence_privilege(seqrelid, 'usage, update')::text as usable
    from pg_sequence join pg_class on pg_class.oid = seqrelid where seqrelid = to_regclass(${quoted(name)})`
}

/** A number that is given must not come again after a crash of the server. */
export const COMMIT_NUMBERS = `select set_config('synchronous_commit', 'local', false)
  where current_setting('synchronous_commit') = 'off'`

/** `name` as it is: it may name a schema. */
export function createSequence(name: string): string {
  const limit = Number.MAX_SAFE_INTEGER - FENCES_A_GRANT
  return `create sequence if not exists ${name} as bigint increment by ${FENCES_A_GRANT} maxvalue ${limit}`
}

/** Who holds a lock, and who waits for it or in its turnstile. */
export function holders({ lock, turnstile }: Key): string {
  const which = (key: string): string => {
    const { classid, objid } = halves(key)
    return `(l.classid = ${classid} and l.objid = ${objid})`
  }
  return `select l.granted::text, l.mode, ${which(lock)}::text as lock, l.pid::text, a.application_name as application,
      a.client_addr::text as address, (extract(epoch from a.backend_start) * 1000)::text as started
    from pg_locks l left join pg_stat_activity a on a.pid = l.pid
    where l.locktype = 'advisory' and l.objsubid = 1
      and l.database = (select oid from pg_database where datname = current_database())
      and (${which(lock)} or ${which(turnstile)})`
}

/** In this form a backslash means the same whatever the server is set to. */
function quoted(value: string): string {
  return `E'${value.replaceAll('\\', '\\\\').replaceAll(`'`, `''`)}'`
}
