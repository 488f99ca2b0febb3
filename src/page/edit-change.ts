import { draft, look, tried, tryChange } from './state.ts';
import { readText, type TextProblem } from './yaml/read-text.ts';

/** Tries what stands in the editor. Returns what cannot be read, which is not tried. */
export function tryDraft(): readonly TextProblem[] {
  const { text, removed } = draft.value;
  const { objects, problems } = readText(text);
  tried.value = text;
  tryChange({ given: objects, removed });
  return problems;
}

/** Adds policies to what stands in the editor, and goes there. */
export function putInto(texts: readonly string[]): void {
  const { text, removed } = draft.value;
  const fresh = texts.filter((each) => !text.includes(each.trimEnd()));
  const parts = [...(text.trim() === '' ? [] : [text.trimEnd() + '\n']), ...fresh];
  draft.value = { text: parts.join('---\n'), removed };
  look({ tab: 'change', selected: undefined });
}
