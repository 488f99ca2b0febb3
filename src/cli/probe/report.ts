import type { Attempt, Outcome, SocketProtocol } from '../connect/attempt.ts';
import type { Expected } from './expectation.ts';

/**
 * What the two together mean. `agrees`: packets do as the policies say. `differs`: they do not. `open`: no difference that can be told, and
 * yet not what an allowed, or a denied, connection looks like.
 */
type Agreement = 'agrees' | 'differs' | 'open';

/** What to look at next (render.ts). */
export type Advice = 'agents' | 'counters' | 'others' | 'route' | 'listener' | 'resolver' | 'endpoints' | 'explain';

export interface Finding {
  readonly attempt: Attempt;
  readonly expected: Expected;
  readonly agreement: Agreement;
  /** None where all is as it should be. */
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
  meaning: 'the name does not resolve in the pod, so nothing was sent: a policy may keep the pod from its name server',
  advice: ['resolver'],
};
const failed: Row = { agreement: 'open', meaning: 'the attempt failed on the way to the network, and shows nothing' };
const unreachable: Row = {
  agreement: 'differs',
  meaning: 'a router or the own node says that there is no way, which no policy of ours does',
  advice: ['route', 'others'],
};
const anything: Row = { agreement: 'open', meaning: 'the policies alone do not say what comes of this' };

const rows: Readonly<Record<Expected['verdict'], Readonly<Record<Outcome, Row>>>> = {
  allowed: {
    connected: agrees,
    refused: {
      agreement: 'open',
      meaning: 'the policies let it through, and it was refused: nobody listens on that port, or a firewall rejects it',
      advice: ['listener', 'others'],
    },
    'no answer': {
      agreement: 'differs',
      meaning:
        'the policies allow this, and nothing came back: something else drops it, or the rules are not yet those of the API server',
      advice: ['counters', 'agents', 'others', 'route'],
    },
    unreachable,
    unresolved,
    failed,
  },
  denied: {
    connected: {
      agreement: 'differs',
      meaning: 'THE POLICIES DENY THIS, AND IT GOT THROUGH: they are not enforced between these two',
      advice: ['agents', 'explain'],
    },
    refused: {
      agreement: 'differs',
      meaning:
        'the policies deny this, and a refusal came back, where we drop in silence: it got through, or another firewall rejects it',
      advice: ['agents', 'others'],
    },
    'no answer': agrees,
    unreachable: {
      agreement: 'open',
      meaning: 'it did not get through, but for want of a way: that says nothing about the policies, which deny it too',
      advice: ['route'],
    },
    unresolved,
    failed,
  },
  mixed: {
    connected: {
      ...anything,
      meaning: 'some endpoints are allowed and others denied: this time it was an allowed one',
      advice: ['explain'],
    },
    refused: {
      ...anything,
      meaning: 'some endpoints are allowed and others denied: nobody listens at the one it was',
      advice: ['listener'],
    },
    'no answer': {
      ...anything,
      meaning: 'some endpoints are allowed and others denied: this time it was a denied one',
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

/** No answer to a datagram is no proof: who was reached may have nothing to say. */
const silentUdp: Row = {
  agreement: 'open',
  meaning:
    'the policies allow this, and nothing came back: for UDP that shows nothing, as who gets a datagram need not answer it',
  advice: ['counters', 'listener'],
};

/** Compares what the policies say with what came of it. */
export function judge(expected: Expected, attempt: Attempt, protocol: SocketProtocol): Finding {
  const isSilentUdp = protocol === 'UDP' && attempt.outcome === 'no answer' && expected.verdict === 'allowed';
  const { agreement, meaning, advice = [] } = isSilentUdp ? silentUdp : rows[expected.verdict][attempt.outcome];
  return { attempt, expected, agreement, ...(meaning !== undefined && { meaning }), advice };
}
