// A made-up state of a gateway on a busy day: everything that the page can show at once.
import { EDGES } from '../../../examples/gateway/src/page/histogram.js'
import type { LockView, NoticeKind, Party, SessionState, State } from '../../../examples/gateway/src/page/state.js'

const HERE = 4711

export function busyState(now = Date.now()): State {
  const by = (who: string, age: number, pid = HERE): Party => ({ who, pid, since: now - age })
  const lock = (name: string, holder: Party | null = null, ...waiters: Party[]): LockView => {
    return { name, holder, cutOff: null, trouble: null, waiters }
  }
  const session = (id: string, answered: number, ages: readonly number[], ...locks: LockView[]): SessionState => {
    const oldest = ages.length === 0 ? null : now - Math.max(...ages)
    return { id, answered, unanswered: ages.length, oldest, locks }
  }
  const notice = (kind: NoticeKind, age: number, path: string, text: string): State['notices'][number] => {
    return { kind, at: now - age, path: `/srv/gateway/${path}`, text }
  }
  return {
    now,
    started: now - 754_000,
    pid: HERE,
    lanes: { main: { busy: 5, size: 5, waiting: 2 }, agents: { busy: 3, size: 5, waiting: 0 } },
    sessions: [
      session(
        'atlas',
        128,
        [3_240, 1_120, 400],
        lock('turn', by('main atlas', 3_180)),
        lock('transcript', by('main atlas · transcript', 3), by('transcript', 2, 5102)),
        lock('agent 0', by('agent atlas/0', 2_610)),
        lock('agent 1', by('agent atlas/1', 2_590)),
      ),
      session(
        'borealis',
        96,
        [12_400, 9_800],
        lock('turn', by('cron nightly-summary', 12_900, 5102), by('main borealis', 12_100)),
        lock('transcript'),
      ),
      session('cassini', 71, [860], lock('turn', by('main cassini', 840)), lock('transcript')),
      session(
        'draco',
        64,
        [41_000, 38_000, 22_000, 4_000],
        lock('turn', by('main draco', 2_020)),
        lock(
          'transcript',
          by('compaction', 190),
          by('main draco · transcript', 160),
          by('cli', 90),
          by('agent draco/0', 40),
        ),
        lock('agent 0', by('agent draco/0', 1_730)),
      ),
      session('europa', 40, [], { ...lock('turn'), cutOff: by('main europa', 64_000, 3920) }, lock('transcript')),
      session('fornax', 12, [], lock('turn'), lock('transcript')),
    ],
    shared: [
      lock('store', by('main atlas · store', 1)),
      lock(
        'browser',
        by('agent atlas/1 · browse', 1_940),
        by('agent draco/0 · browse', 1_210),
        by('main cassini', 320),
      ),
      lock('gateway', by('gateway', 754_000)),
    ],
    waits: { counts: [2_811, 404, 96, 210, 188, 74, 31, 22, 9, 4, 1, 1], edges: EDGES, longest: 12_130 },
    holds: { counts: [340, 1_912, 1_204, 211, 36, 9, 4, 18, 96, 140, 51, 6], edges: EDGES, longest: 21_480 },
    counts: {
      contention: 37,
      timeout: 1,
      deadlock: 0,
      revocation: 3,
      leak: 1,
      recovery: 2,
      overrun: 0,
      repair: 1,
      other: 0,
    },
    notices: [
      notice('contention', 1_200, 'draco.jsonl', 'main draco · transcript waited 318 ms'),
      notice(
        'leak',
        9_400,
        'fornax.main',
        'tool run 7 never released it and lost the handle; it was taken back after 2.4 s; acquired at runTool (tools.js:41:24)',
      ),
      notice(
        'revocation',
        22_000,
        'borealis.main',
        'main borealis lost its hold after 20.0 s: its lane has ended (main borealis took longer than 20000 ms)',
      ),
      notice(
        'timeout',
        31_000,
        'browser',
        'agent cassini/2 · browse waited 10.0 s in vain; agent atlas/1 · browse, process 4711, has held it for 12.2 s',
      ),
      notice(
        'recovery',
        64_000,
        'europa.main',
        'main europa took over from main europa, process 3920, which ended without a release',
      ),
      notice(
        'repair',
        64_100,
        'europa.jsonl',
        'the half line of a writer that died was cut off (212 bytes); saved as europa.jsonl.torn-1795234363754',
      ),
      notice('contention', 71_000, 'sessions.json', 'main atlas · store waited 141 ms'),
      notice('contention', 93_000, 'browser', 'main cassini waited 2.1 s'),
    ],
  }
}
