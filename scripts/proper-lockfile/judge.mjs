/**
 * What to think of `cases`, { name, passed, why }. `differences` has a reason for the name of each case that must fail: none
 * may be missing, and none may pass.
 */
export function judge(cases, differences) {
  const failures = cases.filter(({ name, passed }) => !passed && !(name in differences))
  const differing = []
  for (const [name, reason] of Object.entries(differences)) {
    const one = cases.find((one) => one.name === name)
    if (one === undefined) failures.push({ name, why: 'is said to differ, and there is no such case' })
    else if (one.passed) failures.push({ name, why: `is said to differ, because ${reason}; and it passes` })
    else differing.push({ name, reason })
  }
  const passed = cases.filter(({ name, passed }) => passed && !(name in differences)).length
  return { passed, differing, failures }
}
