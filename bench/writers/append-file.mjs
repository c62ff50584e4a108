import { appendFile } from 'node:fs/promises'

export default function (path) {
  return {
    append: (value) => appendFile(path, `${JSON.stringify(value)}\n`),
    close() {},
  }
}
