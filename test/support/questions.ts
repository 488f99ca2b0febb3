import assert from 'node:assert/strict';
import type { ProbeTarget } from '../../src/lab/pod-process.ts';
import type { Station } from '../../src/lab/station.ts';
import { familyOf, type Family } from '../../src/model/address.ts';

/** A probe with its expected result. */
export interface Question {
  readonly from: string;
  /** A station, which must answer itself, or an address. */
  readonly to: string;
  /** `TCP/80`, or `icmp`. */
  readonly port: string;
  /** Default: all families of the cluster, or the family of the address. */
  readonly family?: Family;
  readonly answer: string;
}

export interface AskedCluster {
  readonly families: readonly Family[];
  station(key: string): Pick<Station, 'process'>;
  address(key: string, family: Family): string;
}

/** Probes all in parallel. Repeats a probe if an expected answer is missing, because the machine may be busy. */
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

function ask(cluster: AskedCluster, { answer, ...question }: Question & { family: Family }): Promise<string> {
  return isStation(answer)
    ? probe(cluster, question, { tries: 6, deadlineMs: 6000 }, 4)
    : probe(cluster, question, { tries: 3, deadlineMs: 900 }, answer === 'timeout' ? 1 : 4);
}

type Asked = Omit<Question, 'answer'> & { readonly family: Family };

/** Asks without an expected answer: the answer, also where the machine is busy. */
export function answerTo(cluster: AskedCluster, question: Asked): Promise<string> {
  return probe(cluster, question, { tries: 4, deadlineMs: 3000 }, 2);
}

/** @param times A machine that stood still may have let the time of a probe pass. */
async function probe(
  cluster: AskedCluster,
  { from, to, port, family }: Asked,
  patience: { readonly tries: number; readonly deadlineMs: number },
  times: number,
): Promise<string> {
  const address = isStation(to) ? cluster.address(to, family) : to;
  const [protocol, number] = port.split('/') as [ProbeTarget['protocol'], string?];
  const target = { protocol, address, port: Number(number ?? 0) };
  for (let left = times; ; left--) {
    const [said] = await cluster.station(from).process.probe([target], patience);
    const { identity, error } = said!;
    // The answer to a ping has the address only, no identity.
    const answer = identity === address ? to : (identity ?? error);
    if (answer !== 'timeout' || left === 1) return answer;
  }
}

function isStation(text: string): boolean {
  return text.includes('/');
}
