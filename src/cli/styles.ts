// The few ways in which text stands out: the colours that every terminal has, and that its user chose.
export const STYLES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, cyan: 36 } as const

export type Style = keyof typeof STYLES
