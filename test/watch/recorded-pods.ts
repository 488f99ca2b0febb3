import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** An answer of a kube-apiserver in both forms. Protobuf is in base64. */
interface Recorded {
  readonly json: unknown;
  readonly protobuf: string;
}

/** A list of pods, and the events of a watch. */
export interface RecordedPods {
  readonly list: Recorded;
  readonly events: readonly Recorded[];
}

const file = join(import.meta.dirname, 'recorded-pods.jsonl');

/** What a real kube-apiserver answered. `UPDATE_RECORDED=1` with KUBEBUILDER_ASSETS writes it again (protobuf-contract.test.ts). */
export function readRecordedPods(): RecordedPods {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  const [list, ...events] = lines.map((line) => JSON.parse(line) as Recorded);
  return { list: list!, events };
}

export function writeRecordedPods({ list, events }: RecordedPods): void {
  writeFileSync(file, [list, ...events].map((each) => `${JSON.stringify(each)}\n`).join(''));
}
