import { textAt, type JsonObject } from '../lib/json.ts';

/** What the agent answers to one call of the plugin. */
export type CniAnswer =
  | { readonly kind: 'ok' }
  /** The agent cannot say "ok" now. The plugin then does what its `failurePolicy` says. */
  | { readonly kind: 'late'; readonly reason: string }
  /** The call fails, whatever the `failurePolicy`. */
  | { readonly kind: 'error'; readonly code: number; readonly message: string };

export const ok: CniAnswer = { kind: 'ok' };

/** Codes from 100 on belong to the plugin (CNI specification 1.1.0, section 5). */
export const rulesMissing = 100;

const maxReason = 300;

/** One line for postern-cni.c. It prints the JSON of an error, and a reason within a JSON string of its own. */
export function renderAnswer(answer: CniAnswer, config: JsonObject = {}): string {
  switch (answer.kind) {
    case 'ok':
      return 'ok\n';
    case 'late':
      return `late ${plain(answer.reason)}\n`;
    case 'error': {
      const { code, message } = answer;
      const cniVersion = textAt(config, 'cniVersion') ?? '1.1.0';
      return `error ${JSON.stringify({ cniVersion, code, msg: `postern-cni: ${message}`, details: '' })}\n`;
    }
  }
}

/** Only characters that need no escape in JSON. */
function plain(text: string): string {
  return text.slice(0, maxReason).replaceAll(/[^ !#-[\]-~]/g, '?');
}
