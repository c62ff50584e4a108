// No file at all: promises inside one process.
import { Mutex } from 'async-mutex'

export default function () {
  const mutex = new Mutex()
  return {
    async lane(turns) {
      for (let turn = 0; turn < turns; turn++) {
        const release = await mutex.acquire()
        release()
      }
    },
  }
}
