import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The same list and the same watch of pods in both forms. Protobuf is in base64. */
export interface RecordedPods {
  readonly list: { readonly json: unknown; readonly protobuf: string };
  readonly events: readonly { readonly json: unknown; readonly protobuf: string }[];
}

const file = join(import.meta.dirname, 'recorded-pods.json');

/** What a real kube-apiserver answered. `UPDATE_RECORDED=1` with KUBEBUILDER_ASSETS writes it again (protobuf-contract.test.ts). */
export function readRecordedPods(): RecordedPods {
  return JSON.parse(readFileSync(file, 'utf8')) as RecordedPods;
}

export function writeRecordedPods(recorded: RecordedPods): void {
  writeFileSync(file, `${JSON.stringify(recorded, undefined, 1)}\n`);
}
