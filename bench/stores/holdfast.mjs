import * as session from '../../dist/session.js'

export default async function (path, { durability }) {
  const store = await session.openStore(path, { durability })
  return {
    async update(lane) {
      await store.update((value) => {
        value.counts[lane]++
      })
    },
    close: () => store.close(),
  }
}
