import { visible } from '../text.tsx';

/** A line of comment for each text, whatever names it holds. */
export function commentText(lines: readonly string[]): string {
  return lines.map((line) => `# ${visible(line)}\n`).join('');
}
