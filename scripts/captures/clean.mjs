// `holdfast clean`, in docs/cli.md.
export const scenes = {
  async 'clean-folder'(stage) {
    stage.mask(/held by \d+/g, 'held by 4120')
    stage.mask(/\b\d+ died/g, '4127 died')
    await stage.startHidden(`holdfast run a.jsonl -- sh -c 'echo begun; exec sleep 60'`)
    stage.do(`holdfast run b.jsonl -- sh -c 'kill -9 $PPID'; holdfast run c.jsonl -- true`)
    stage.do(`echo '{"pid":999999}' > d.jsonl.lock; mkdir e.jsonl.lock`)
    stage.show('holdfast clean --legacy .')
    stage.show('holdfast clean --legacy --yes . | tail -1')
  },
}
