// `holdfast ps`, in docs/cli.md.

/** Numbers of processes and times, in columns that stay as wide as they are. */
function maskRows(stage) {
  const pids = new Map()
  const known = (pid) => {
    if (!pids.has(pid)) pids.set(pid, String(4120 + 7 * pids.size))
    return pids.get(pid)
  }
  stage.mask(/(?<=(?:held|waiting|abandoned|shared) +)\d+/g, (pid) => known(pid).padStart(pid.length))
  stage.mask(/(?<="pid":)\d+/g, known)
  stage.mask(/[\w./-]*node [\w./-]*cli\.js/g, 'node holdfast')
  stage.mask(/ \d\.\ds/g, ' 2.1s')
  stage.mask(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, '2026-11-21T20:52:43.123Z')
  stage.mask(/(?<="(?:heldMs|waitedMs|ms)":)\d+/g, '2100')
}

async function crowd(stage) {
  maskRows(stage)
  stage.do('mkdir sessions')
  await stage.startHidden(`holdfast run sessions/a.jsonl -- sh -c 'echo begun; exec sleep 60'`)
  stage.do(`holdfast run sessions/b.jsonl -- sh -c 'kill -9 $PPID'`)
  stage.do(`holdfast run sessions/c.jsonl -- true`)
  await stage.startHidden(`(echo begun; exec holdfast run -s sessions/a.jsonl -- true)`)
  stage.do('sleep 0.5')
}

export const scenes = {
  async 'ps-rows'(stage) {
    await crowd(stage)
    stage.show('holdfast ps sessions')
  },

  async 'ps-json'(stage) {
    await crowd(stage)
    stage.show('holdfast ps --json sessions/a.jsonl')
  },

  async 'ps-watch'(stage) {
    maskRows(stage)
    stage.do('mkdir sessions')
    await stage.startHidden('(echo begun; sleep 0.6; holdfast run sessions/a.jsonl -- sleep 60)')
    stage.show('holdfast ps --watch 0.2 --longer-than 1 sessions; echo "exit code $?"')
  },
}
