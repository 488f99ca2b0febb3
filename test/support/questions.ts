import assert from 'node:assert/strict';
import type { ProbeTarget } from '../../src/lab/pod-process.ts';
import type { Station } from '../../src/lab/station.ts';
import { familyOf, type Family } from '../../src/model/address.ts';

/** One connection, and what comes of it. */
export interface Question {
  readonly from: string;
  /** A station, which must then be who answers, or an address. */
  readonly to: string;
  /** `TCP/80`, or `icmp`. */
  readonly port: string;
  /** All that the cluster has by default; of an address, its own. */
  readonly family?: Family;
  readonly answer: string;
}

export interface AskedCluster {
  readonly families: readonly Family[];
  station(key: string): Pick<Station, 'process'>;
  address(key: string, family: Family): string;
}

/** Asks all at once. Who must answer is given time to, however busy the machine. */
export async function expectAnswers(cluster: AskedCluster, questions: readonly Question[]): Promise<void> {
  const asked = questions.flatMap((question) => {
    const own = isStation(question.to) ? cluster.families : [familyOf(question.to)];
    return (question.family ? [question.family] : own).map((family) => ({ ...question, family }));
  });
  const answers = await Promise.all(asked.map((question) => ask(cluster, question)));
  const told = ({ from, to, port, family }: Question): string => `${from} → ${to} ${port} ${family}`;
  assert.deepEqual(
    asked.map((question, index) => `${told(question)}: ${answers[index]}`),
    asked.map((question) => `${told(question)}: ${question.answer}`),
  );
}

async function ask(
  cluster: AskedCluster,
  { from, to, port, family, answer }: Question & { family: Family },
): Promise<string> {
  const address = isStation(to) ? cluster.address(to, family) : to;
  const [protocol, number] = port.split('/') as [ProbeTarget['protocol'], string?];
  const patience = isStation(answer) ? { tries: 6, deadlineMs: 6000 } : { tries: 3, deadlineMs: 900 };
  const target = { protocol, address, port: Number(number ?? 0) };
  const [said] = await cluster.station(from).process.probe([target], patience);
  const { identity, error } = said!;
  // A ping is answered by whoever has the address.
  return identity === address ? to : (identity ?? error);
}

function isStation(text: string): boolean {
  return text.includes('/');
}
