export function markup(): string
export function settle(): void
export function whereSettled(): { notices: number; focused: boolean; page: number; selected: string }
export function widths(): [content: number, window: number]
export function outside(): string[]
export function ground(): number[]
export function contrasts(): { text: string; ratio: number }[]
export function strangers(): { scripts: string[]; elements: string[]; handlers: string[] }
export function misbehave(): void
