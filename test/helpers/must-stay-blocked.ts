// For the claim that something does not happen: it has not happened after everything that could make it happen had its
// time. The only place where a test lets time pass.
const QUIESCENT = 50

export async function mustStayBlocked(promise: Promise<unknown>): Promise<void> {
  const settled = promise.then(
    () => 'resolved',
    () => 'rejected',
  )
  const quiet = new Promise<'blocked'>((resolve) => setTimeout(() => resolve('blocked'), QUIESCENT))
  const outcome = await Promise.race([settled, quiet])
  if (outcome !== 'blocked') throw new Error(`must stay blocked, but was ${outcome}`)
}
