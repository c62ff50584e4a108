// Default options: a lock is gone 10 s after it was last refreshed, and who waits tries every 10 ms; but it waits for as long
// as it takes.
import { Redis } from 'ioredis'
import { Mutex } from 'redis-semaphore'

export default function (url) {
  const redis = new Redis(url)
  redis.on('error', () => {})
  const mutexOf = () => new Mutex(redis, 'bench', { acquireTimeout: Infinity, onLockLost: () => {} })
  return {
    async cycle() {
      const mutex = mutexOf()
      await mutex.acquire()
      await mutex.release()
    },
    async lock() {
      const mutex = mutexOf()
      await mutex.acquire()
      return () => mutex.release()
    },
  }
}
