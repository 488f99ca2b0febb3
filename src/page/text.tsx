import type { JSX } from 'preact';

/** Letters that have no width, change the direction of others, or control a terminal: Unicode category C, and separators of lines. */
const unseen = /[\p{C}\u2028\u2029]/gu;

/** Text that others have chosen, with each such letter written out: `⟨U+202E⟩`. */
export function visible(text: string): string {
  return text.replaceAll(unseen, (letter) => {
    return `⟨U+${letter.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}

/** A name that others have chosen. It cannot change the direction of the text around it. */
export function Name({ text, class: className = '' }: { text: string; class?: string }): JSX.Element {
  const shown = visible(text);
  return (
    <bdi class={`name ${className}`} title={shown}>
      {shown}
    </bdi>
  );
}
