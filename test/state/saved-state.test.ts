import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { stateOf } from '../../src/state/saved-state.ts';
import { encodeState } from './encode-state.ts';
import { namespace, pod, policy } from '../support/objects.ts';
import { startPipeline, upsertOf } from '../support/pipeline.ts';

describe('the state that is kept', () => {
  it('says what is, and not how it came to be', () => {
    const peer = pod('x/peer', { node: 'n2', ips: ['10.2.0.1'], labels: { app: 'peer' } });
    const from = [{ podSelector: { matchLabels: { app: 'peer' } } }];
    const cluster = [
      namespace('x'),
      pod('x/web', { ips: ['10.1.0.1'] }),
      policy('x/web', { podSelector: {}, ingress: [{ from }] }),
      peer,
    ];
    const text = (pipeline: ReturnType<typeof startPipeline>) => encodeState(stateOf(pipeline.snapshot), 'n1');
    const direct = startPipeline('n1', cluster);
    const detour = startPipeline('n1', cluster);
    detour.plan(undefined);
    for (const object of [pod('x/peer', { node: 'n2', ips: ['10.2.0.1'] }), peer]) detour.receive(upsertOf(object));
    assert.equal(text(detour), text(direct));
  });
});
