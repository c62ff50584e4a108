// `holdfast run`, in docs/cli.md.
export const scenes = {
  async 'run-busy'(stage) {
    await stage.startHidden(`holdfast run backup.db -- sh -c 'echo begun; exec sleep 60'`)
    stage.show(`holdfast run -w 0.2 backup.db -- cp backup.db /mnt/backup.db; echo "exit code $?"`)
  },

  'run-fence'(stage) {
    stage.show(`holdfast run backup.db -c 'echo "fence $HOLDFAST_FENCE"; exit 3'; echo "exit code $?"`)
  },

  'run-max-hold'(stage) {
    stage.show(`holdfast run --max-hold 0.5 backup.db -- sleep 60; echo "exit code $?"`)
  },

  'run-flock'(stage) {
    stage.show(`holdfast run --lockfile lock -- flock -n lock true; echo "exit code $?"`)
  },
}
