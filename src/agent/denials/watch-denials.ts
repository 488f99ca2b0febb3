import type { Nft } from '../../apply/nft.ts';
import { networkPolicyKind } from '../../kinds/network-policy.ts';
import type { Pipeline } from '../../pipeline.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { DenialMetrics } from '../../telemetry/metrics/denials.ts';
import type { ApiClient } from '../../watch/api-client.ts';
import { getObject } from '../../watch/get-object.ts';
import type { Announcer } from '../announcer.ts';
import type { Census } from '../census.ts';
import type { PolicyReporter } from '../policy-report.ts';
import { repeat } from '../repeat.ts';
import { DenialReader } from './denial-reader.ts';
import { DenialWatch } from './denial-watch.ts';
import type { DescribedDenial } from './describe-denial.ts';
import { PolicyTexts } from './policy-texts.ts';

interface Options {
  readonly log: boolean;
  readonly events: boolean;
  readonly nft: Pick<Nft, 'listChain' | 'listSet'>;
  readonly client: ApiClient;
  readonly pipeline: Pick<Pipeline, 'snapshot' | 'ownersOf'>;
  readonly census: Census;
  readonly policies: Pick<PolicyReporter, 'denied'>;
  readonly announcer: Pick<Announcer, 'tell'>;
  readonly metrics: DenialMetrics;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Milliseconds between two looks. A note of the kernel lasts a minute; a look at two chains that have counted nothing takes 10 ms of a processor. */
const interval = 5000;
const silenceMs = 2000;

/** Tells of what is denied, until the signal aborts. */
export function watchDenials(options: Options): void {
  const { nft, client, pipeline, census, policies, announcer, metrics, logger, signal } = options;
  const now = (): number => performance.now();
  const reader = new DenialReader(nft);
  const { path } = networkPolicyKind.resource;
  const texts = new PolicyTexts({
    get(id, asked) {
      const [namespace, name] = id.split('/') as [string, string];
      return getObject(client, path, { namespace, name }, { signal: asked, silenceMs });
    },
    versionOf: (id) => census.find('networkpolicies', id),
    failed: (err) => logger.warn({ err }, 'could not ask for a policy: denials are told of without their reasons'),
    now,
  });
  const watch = new DenialWatch({
    read: (each) => reader.look(each),
    knowledge() {
      const { inSync, policies: known } = pipeline.snapshot;
      if (!inSync) return undefined;
      const isThere = (pod: string): boolean => census.find('pods', pod) !== undefined;
      return { ownersOf: (address) => pipeline.ownersOf(address), policies: known, isThere };
    },
    texts: (ids, each) => texts.read(ids, each),
    metrics,
    log: (denial) => options.log && logger.info(denial, 'denied'),
    announce({ pod, connections, last }) {
      if (options.events)
        announcer.tell('pods', pod, { reason: 'ConnectionDenied', message: textOf(last, connections) });
    },
    attributed: (ids) => policies.denied(ids),
    now,
  });
  const failed = (err: unknown): void => logger.warn({ err }, 'could not read what the kernel has denied');
  reader.begin(signal).catch(failed);
  repeat(interval, () => watch.look(signal), { signal, failed });
}

function textOf(
  { direction, from, to, protocol, port, reason, nearMisses }: DescribedDenial,
  connections: number,
): string {
  const traffic = port === undefined ? String(protocol) : `${protocol}/${port}`;
  const others = connections > 1 ? ` (and ${connections - 1} more)` : '';
  const why = nearMisses[0]?.reason ?? reason;
  return `${direction} denied: ${from} → ${to}, ${traffic}${others}. ${why}`;
}
