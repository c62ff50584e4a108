// Text in lines of a width, broken between words; a word that is longer is broken anywhere.
import { widthOfText } from '../text.js'

export function wrapped(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && widthOfText(line) + 1 + widthOfText(word) <= width) {
      line += ` ${word}`
      continue
    }
    if (line !== '') lines.push(line)
    line = word
    while (widthOfText(line) > width) {
      const fitting = beginning(line, width)
      lines.push(fitting)
      line = line.slice(fitting.length)
    }
  }
  return [...lines, line]
}

function beginning(word: string, width: number): string {
  let fitting = ''
  for (const character of word) {
    if (widthOfText(fitting + character) > width) break
    fitting += character
  }
  return fitting
}
