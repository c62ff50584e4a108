import { acquire, Owner } from '../../dist/index.js'

export default function (path) {
  const owner = new Owner('lane:main')
  return {
    async cycle() {
      const hold = await acquire(path, { owner, label: 'append' })
      hold.release()
    },
  }
}
