// `holdfast doctor`, in docs/cli.md.
export const scenes = {
  async 'doctor-report'(stage) {
    stage.mask(/(?<=Node )\S+(?=,)/g, '22.12.0')
    stage.mask(/Linux \S+ \S+,\s+glibc \S+/g, 'Linux 6.12.0 x64, glibc 2.36')
    stage.mask(/^(ok +addon +)\S.*$/gm, '$1~/app/node_modules/holdfast/prebuilds/linux-x64/holdfast.glibc.node')
    stage.mask(
      /^(ok +filesystem +)\S.*?(?=^ok +routes)/gms,
      `$1~/app: ext4 (/dev/sda1), mounted at /, rw; this kernel\n${' '.repeat(22)}keeps its locks\n`,
    )
    stage.mask(/granted [\d.]+ ms/g, 'granted 0.9 ms')
    stage.mask(/in [\d.]+ ms \(median\), [\d.]+ ms/g, 'in 0.20 ms (median), 0.4 ms')
    stage.show('holdfast doctor; echo "exit code $?"')
  },
}
