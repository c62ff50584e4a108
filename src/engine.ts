// The engine of this copy of the package, chosen here and nowhere else. Nothing is loaded before it is first asked for.
import { Holdfast } from './holdfast.js'
import { systemClock } from './kernel/clock.js'
import { NativeKernel } from './kernel/native-kernel.js'

let opened: NativeKernel | undefined

export function kernel(): NativeKernel {
  opened ??= new NativeKernel()
  return opened
}

export const clock = systemClock

export const holdfast = new Holdfast(kernel, clock)
