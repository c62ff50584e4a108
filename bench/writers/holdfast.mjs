import { openTranscript } from '../../dist/session.js'

export default async function (path, { durability }) {
  const transcript = await openTranscript(path, { durability })
  return {
    append: (value) => transcript.append(value),
    close: () => transcript.close(),
  }
}
