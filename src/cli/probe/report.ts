import type { Attempt, Outcome, SocketProtocol } from '../connect/attempt.ts';
import type { Expected } from './expectation.ts';

/**
 * `agrees`: the packets match the policies. `differs`: they do not. `open`: the outcome does not show whether the policies are enforced.
 */
type Agreement = 'agrees' | 'differs' | 'open';

/** Next steps; render.ts has their texts. */
export type Advice = 'agents' | 'counters' | 'others' | 'route' | 'listener' | 'resolver' | 'endpoints' | 'explain';

export interface Finding {
  readonly attempt: Attempt;
  readonly expected: Expected;
  readonly agreement: Agreement;
  /** Missing if packets and policies agree. */
  readonly meaning?: string;
  readonly advice: readonly Advice[];
}

interface Row {
  readonly agreement: Agreement;
  readonly meaning?: string;
  readonly advice?: readonly Advice[];
}

const agrees: Row = { agreement: 'agrees' };
const unresolved: Row = {
  agreement: 'open',
  meaning: 'the name does not resolve in the pod, so it sent nothing: a policy may deny the pod its name server',
  advice: ['resolver'],
};
const failed: Row = { agreement: 'open', meaning: 'the attempt failed before a packet was sent, so it shows nothing' };
const unreachable: Row = {
  agreement: 'differs',
  meaning: 'a router or the own node reports that the destination is unreachable; Postern never does that',
  advice: ['route', 'others'],
};
const anything: Row = { agreement: 'open', meaning: 'the policies alone do not decide this connection' };

const rows: Readonly<Record<Expected['verdict'], Readonly<Record<Outcome, Row>>>> = {
  allowed: {
    connected: agrees,
    refused: {
      agreement: 'open',
      meaning: 'the policies allow this, but it was refused: no program listens on that port, or a firewall rejects it',
      advice: ['listener', 'others'],
    },
    'no answer': {
      agreement: 'differs',
      meaning:
        'the policies allow this, but no answer came back: another program drops it, or the node has not applied the current policies yet',
      advice: ['counters', 'agents', 'others', 'route'],
    },
    unreachable,
    unresolved,
    failed,
  },
  denied: {
    connected: {
      agreement: 'differs',
      meaning: 'THE POLICIES DENY THIS, BUT IT CONNECTED: the policies are not enforced between these two ends',
      advice: ['agents', 'explain'],
    },
    refused: {
      agreement: 'differs',
      meaning:
        'the policies deny this, but it was refused, and Postern drops without an answer: it arrived, or another firewall rejects it',
      advice: ['agents', 'others'],
    },
    'no answer': agrees,
    unreachable: {
      agreement: 'open',
      meaning:
        'the destination is unreachable, so this does not show whether the policies, which deny it, are enforced',
      advice: ['route'],
    },
    unresolved,
    failed,
  },
  mixed: {
    connected: {
      ...anything,
      meaning: 'the policies allow some endpoints and deny others: the proxy picked an allowed one',
      advice: ['explain'],
    },
    refused: {
      ...anything,
      meaning: 'the policies allow some endpoints and deny others: no program listens at the picked one',
      advice: ['listener'],
    },
    'no answer': {
      ...anything,
      meaning: 'the policies allow some endpoints and deny others: the proxy picked a denied one',
      advice: ['explain'],
    },
    unreachable,
    unresolved,
    failed,
  },
  unknown: {
    connected: anything,
    refused: { ...anything, advice: ['endpoints', 'listener'] },
    'no answer': { ...anything, advice: ['endpoints', 'others'] },
    unreachable: { ...unreachable, agreement: 'open' },
    unresolved,
    failed,
  },
};

/** A missing answer proves nothing, because a UDP server need not answer. */
const silentUdp: Row = {
  agreement: 'open',
  meaning:
    'the policies allow this, but no answer came back: for UDP that proves nothing, because a server need not answer',
  advice: ['counters', 'listener'],
};

/** Compares the verdict of the policies with the outcome. */
export function judge(expected: Expected, attempt: Attempt, protocol: SocketProtocol): Finding {
  const isSilentUdp = protocol === 'UDP' && attempt.outcome === 'no answer' && expected.verdict === 'allowed';
  const { agreement, meaning, advice = [] } = isSilentUdp ? silentUdp : rows[expected.verdict][attempt.outcome];
  return { attempt, expected, agreement, ...(meaning !== undefined && { meaning }), advice };
}
