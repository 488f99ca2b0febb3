import { deepEqual } from 'node:assert/strict';
import { describe, it } from 'mocha';
import { chooseLabels, commonLabels } from '../../src/suggest/choose-labels.ts';

describe('the labels that select a workload', () => {
  const web = { 'app.kubernetes.io/name': 'web', 'app.kubernetes.io/instance': 'shop', tier: 'front', version: '1' };

  it('are the one by which people know it, if it tells it apart', () => {
    deepEqual(chooseLabels(web, []), { labels: { 'app.kubernetes.io/name': 'web' }, isShared: false });
    deepEqual(chooseLabels({ zone: 'a', app: 'web' }, [{ app: 'api' }]), { labels: { app: 'web' }, isShared: false });
  });

  it('are another one, or as few together as tell it apart', () => {
    const same = { 'app.kubernetes.io/name': 'web' };
    deepEqual(chooseLabels(web, [{ ...same, tier: 'front' }]).labels, { 'app.kubernetes.io/instance': 'shop' });
    const others = [
      { ...same, 'app.kubernetes.io/instance': 'shop' },
      { ...same, tier: 'front' },
    ];
    deepEqual(chooseLabels(web, [...others, { 'app.kubernetes.io/instance': 'shop', tier: 'front' }]).labels, {
      'app.kubernetes.io/name': 'web',
      'app.kubernetes.io/instance': 'shop',
      tier: 'front',
    });
  });

  it('leave out what an upgrade changes, unless nothing else tells two workloads apart', () => {
    deepEqual(chooseLabels({ version: '1', odd: 'x' }, []).labels, { odd: 'x' });
    deepEqual(chooseLabels({ app: 'web', version: '1' }, [{ app: 'web', version: '2' }]), {
      labels: { version: '1' },
      isShared: false,
    });
  });

  it('are all that last if none tells it apart, and then they are shared', () => {
    const other = { app: 'web', tier: 'front', version: '1', canary: 'yes' };
    deepEqual(chooseLabels({ app: 'web', tier: 'front', version: '1' }, [other]), {
      labels: { tier: 'front', app: 'web' },
      isShared: true,
    });
  });

  it('are none for a pod without labels, which then is alone or shares them with all', () => {
    deepEqual(chooseLabels({}, []), { labels: {}, isShared: false });
    deepEqual(chooseLabels({}, [{ app: 'web' }]), { labels: {}, isShared: true });
  });

  it('are found among many labels that do not tell it apart', () => {
    const many = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`k${index}`, 'v']));
    deepEqual(chooseLabels(many, [many]).isShared, true);
  });

  it('are those that all pods have', () => {
    deepEqual(commonLabels([{ a: '1', b: '2' }, { a: '1', b: '3' }, { a: '1' }]), { a: '1' });
    deepEqual(commonLabels([]), {});
  });
});
