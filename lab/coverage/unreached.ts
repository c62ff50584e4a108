// Why no suite reaches some lines on the system that this runs on. Each reason was read and found good: what could be tested is
// tested instead, and what cannot happen is removed.
import type { Excuse } from './judge.js'

const WINDOWS = 'Windows: held by npm run test:platforms'
const DENO = 'Deno, where it is a permission of its own: held by npm run test:package'
const NO_PROC = 'a system without /proc: macOS, Windows'
const NO_MEMORY = 'Node ends a process that has no memory before it comes to this'

export const UNREACHED: readonly Excuse[] = [
  ...['data_file', 'lock', 'mounts', 'thread'].map((name) => ({
    file: `native/${name}_windows.cc`,
    lines: [],
    why: WINDOWS,
  })),
  {
    file: 'native/addon.cc',
    lines: [
      'void AddMount(void* context, const Mount& mount) {',
      'MountList* list = static_cast<MountList*>(context);',
      'napi_value entry = nullptr;',
      'napi_create_object(list->env, &entry);',
      'const struct {',
      'const char* name;',
      'const char* text;',
      '} texts[] = {{"point", mount.point}, {"type", mount.type}, {"source", mount.source}};',
      'for (const auto& text : texts) {',
      'napi_value value = nullptr;',
      'napi_create_string_utf8(list->env, text.text, NAPI_AUTO_LENGTH, &value);',
      'napi_set_named_property(list->env, entry, text.name, value);',
      '}',
      'napi_set_element(list->env, list->array, list->length++, entry);',
    ],
    why: 'macOS and Windows, whose mounts the addon lists',
  },
  { file: 'native/change.cc', lines: ['fresh->Close();', 'file.Close();', '}'], why: WINDOWS },
  {
    file: 'native/change_door.cc',
    lines: ['Delete(change);', 'napi_throw_error(env, "ENOMEM", "holdfast: out of memory");', 'return nullptr;'],
    why: NO_MEMORY,
  },
  { file: 'native/environment.cc', lines: ['free(environment);', 'return nullptr;'], why: NO_MEMORY },
  {
    file: 'src/acquired-at.ts',
    lines: ['} catch {', 'return false // Deno: to look at the environment is a permission of its own'],
    why: DENO,
  },
  {
    file: 'src/kernel/addon-failures.ts',
    lines: ['} catch {', "return '' // Deno makes a report only with --allow-sys"],
    why: DENO,
  },
  {
    file: 'src/record-page.ts',
    under: "return fs().readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()",
    lines: ['} catch {', 'return null'],
    why: NO_PROC,
  },
  {
    file: 'src/record-page.ts',
    under: "return /\\[(\\d+)\\]/.exec(fs().readlinkSync('/proc/self/ns/pid'))?.[1] ?? null",
    lines: ['} catch {', 'return null'],
    why: NO_PROC,
  },
  { file: 'src/cli-door.ts', lines: ['} catch {', 'return []'], why: NO_PROC },
  { file: 'src/cli/ps/look.ts', lines: ['} catch {', 'return null'], why: NO_PROC },
  {
    file: 'src/coordination/coordinator.ts',
    lines: ['throw new Error(`lease ${lease} has no queue`)'],
    why: 'the addon names leases of this thread only, and each of these has a queue: to tell of a mistake, should there be one',
  },
  {
    file: 'src/kernel/native-kernel.ts',
    lines: [
      'function readByNode(link        )                {', // as it is without its types
      'try {',
      'return fs().readlinkSync(link)',
      '} catch (error) {',
      'if (isSystemFailure(error) && NO_LINK.has(error.code)) return null',
      'throw systemErrorOf(error, link)',
    ],
    why: `Windows, where the addon leaves links to Node: ${WINDOWS}`,
  },
  {
    file: 'src/kernel/permission.ts',
    lines: [
      'for (const [scope, name] of Object.entries(NEEDED)) {',
      'if (permission.has(scope, lockfile)) continue',
      'const error = new Error(visible(`Access to the lock file has been restricted: ${scope} of ${lockfile}`))',
      "throw Object.assign(error, { code: 'ERR_ACCESS_DENIED', permission: name, resource: lockfile })",
    ],
    why: 'under its permission model Node takes no notes: held by test/surroundings/permission.test.ts',
  },
  {
    file: 'src/session/store-file.ts',
    lines: ["throw new Error('every system has ENOENT')"],
    why: 'it cannot be: for the type checker',
  },
  {
    file: 'src/adapters/session-write-lock/hooks.ts',
    lines: ['} catch {'],
    why: 'a system that lacks one of the signals: Windows',
  },
  {
    file: 'src/adapters/session-write-lock/joining.ts',
    lines: ['throw error'],
    why: 'arguments were checked before: to tell of a mistake, should there be one',
  },
  {
    file: 'src/adapters/session-write-lock/held.ts',
    lines: ['} catch (error) {', "if (!isLockError(error, 'ERR_LOCK_LOST')) throw error"],
    why: 'the watchdog ends the hold between the question whether it lasts and its end',
    sometimes: true,
  },
]
