import type { Nft } from '../../apply/nft.ts';
import type { RecordedDenial } from '../../compile/denials.ts';
import type { Pipeline } from '../../pipeline.ts';
import type { Logger } from '../../telemetry/logger.ts';
import type { DenialMetrics } from '../../telemetry/metrics/denials.ts';
import type { ApiClient } from '../../watch/api-client.ts';
import { getObject } from '../../watch/get-object.ts';
import { watchedResources } from '../../watch/resources.ts';
import type { EventRecorder } from '../event-recorder.ts';
import type { ObjectVersions } from '../object-versions.ts';
import type { PolicyReporter } from '../policy-report.ts';
import { repeat } from '../repeat.ts';
import { createListener } from './denial-listener.ts';
import { DenialReader, type DenialLook } from './denial-reader.ts';
import { DenialWatch } from './denial-watch.ts';
import { isEnforced } from '../../model/policy.ts';
import { createAuditListener } from '../audits/audit-listener.ts';
import type { AuditTally } from '../audits/audit-tally.ts';
import type { Deviations } from './describe-denial.ts';
import { PolicyTexts } from './policy-texts.ts';
import type { RecentOwners } from './recent-owners.ts';

interface Options {
  readonly node: string;
  readonly log: boolean;
  readonly events: boolean;
  readonly nft: Pick<Nft, 'listChain' | 'listSet'>;
  /** What was denied in network namespaces of pods. */
  readonly inside: (signal: AbortSignal, hasAudits: boolean) => Promise<readonly DenialLook[]>;
  /** What the kernel holds otherwise than policies say. */
  readonly deviations: () => Deviations;
  readonly client: ApiClient;
  readonly pipeline: Pick<Pipeline, 'snapshot'>;
  readonly owners: Pick<RecentOwners, 'of' | 'policies'>;
  readonly versions: ObjectVersions;
  readonly policies: Pick<PolicyReporter, 'denied'>;
  readonly recorder: Pick<EventRecorder, 'tell'>;
  readonly found: (denials: readonly RecordedDenial[]) => void;
  readonly metrics: DenialMetrics;
  readonly audits: AuditTally;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Milliseconds between two looks. The kernel keeps a record for a minute. A look at two unchanged counters takes 10 ms of CPU time. */
const interval = 5000;
const silenceMs = 2000;

/** Reports denials from now on, until the signal aborts. */
export function watchDenials(options: Options): void {
  const {
    node,
    log,
    events,
    nft,
    inside,
    deviations,
    client,
    pipeline,
    owners,
    versions,
    policies,
    recorder,
    found,
    metrics,
    audits,
    logger,
    signal,
  } = options;
  const now = (): number => performance.now();
  const reader = new DenialReader(nft, now);
  const texts = new PolicyTexts({
    async get(id, asked) {
      const [namespace, name] = id.split('/') as [string, string];
      const { path } = watchedResources.find(({ resource }) => resource === 'networkpolicies')!;
      return getObject(client, path, { namespace, name }, { signal: asked, silenceMs });
    },
    versionOf: (id) => versions.find('networkpolicies', id),
    failed: (err) =>
      logger.warn({ err }, 'could not read a policy from the API server: denials are reported without reasons'),
    now,
  });
  const watch = new DenialWatch({
    async read(asked) {
      const hasAudits = owners
        .policies(pipeline.snapshot.policies)
        .values()
        .some((policy) => !isEnforced(policy));
      return [...(await reader.look(asked, hasAudits)), ...(await inside(asked, hasAudits))];
    },
    knowledge() {
      const { inSync, policies: current, denied } = pipeline.snapshot;
      const ownersOf = (address: string) => owners.of(address);
      const isThere = (pod: string): boolean => versions.find('pods', pod) !== undefined;
      return inSync
        ? { node, ownersOf, policies: owners.policies(current), denied, isThere, ...deviations() }
        : undefined;
    },
    texts: (ids, asked) => texts.read(ids, asked),
    metrics,
    listener: createListener({ log, events, logger, recorder, dateOf: (time) => Date.now() - (now() - time) }),
    attributed: (ids, connections) => policies.denied(ids, connections),
    audited: createAuditListener({ tally: audits, policies, log, logger, now: Date.now }),
    lookedAtAudits: (look) => audits.missed(look, Date.now()),
    found,
    now,
  });
  const failed = (err: unknown): void => logger.warn({ err }, 'could not report denied connections');
  repeat(interval, () => watch.look(signal), { signal, failed });
}
