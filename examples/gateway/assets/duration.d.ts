export function duration(milliseconds: number): string
