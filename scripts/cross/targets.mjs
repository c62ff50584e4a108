// The systems there is a shipped binary for: what Zig calls each, and where node-gyp-build looks for its binary.
//
// Glibc 2.17 and macOS 11 are the oldest that any Node which the package supports runs on.
export const TARGETS = {
  'linux-x64': { zig: 'x86_64-linux-gnu.2.17', system: 'Linux', binary: 'linux-x64/holdfast.glibc.node' },
  'linux-arm64': { zig: 'aarch64-linux-gnu.2.17', system: 'Linux', binary: 'linux-arm64/holdfast.glibc.node' },
  'linuxmusl-x64': { zig: 'x86_64-linux-musl', system: 'Linux', binary: 'linux-x64/holdfast.musl.node' },
  'linuxmusl-arm64': { zig: 'aarch64-linux-musl', system: 'Linux', binary: 'linux-arm64/holdfast.musl.node' },
  'darwin-x64': { zig: 'x86_64-macos.11.0', system: 'Darwin', binary: 'darwin-x64/holdfast.node' },
  'darwin-arm64': { zig: 'aarch64-macos.11.0', system: 'Darwin', binary: 'darwin-arm64/holdfast.node' },
  'win32-x64': { zig: 'x86_64-windows-gnu', system: 'Windows', binary: 'win32-x64/holdfast.node' },
  'win32-arm64': { zig: 'aarch64-windows-gnu', system: 'Windows', binary: 'win32-arm64/holdfast.node' },
}

/** Throws, naming the targets there are, for any other name. */
export function targetNamed(name) {
  const target = TARGETS[name]
  if (target === undefined) throw new Error(`no such target: ${name}; there are ${Object.keys(TARGETS).join(', ')}`)
  return target
}
