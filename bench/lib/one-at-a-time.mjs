/** `work`, begun when all that was asked for before has ended. After a failure nothing is begun any more. */
export function oneAtATime(work) {
  let last = Promise.resolve()
  return (...args) => (last = last.then(() => work(...args)))
}
